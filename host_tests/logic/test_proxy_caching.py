"""What the group proxy answers from its cache alone, and Group-ETag (draft-ietf-core-groupcomm-proxy §7,
§7.3; RFC 7252 §5.6).
"""

from cached import (
    GROUP_ETAG,
    SERVER3,
    SERVER_URI,
    TEMP,
    UNKNOWN_ETAG,
    Cached,
    asking,
    individual,
    origin,
    payloads,
    responses,
)
from groupcoap import numbers as n
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    OTHER,
    REPLY_FROM,
    SERVER,
    SERVER2,
    STRANGER,
)

# From the cache alone


def test_a_second_request_is_answered_from_the_cache_and_nothing_goes_to_the_group():
    c = Cached()
    c.fill()
    found = c.full(token=b"two")
    assert [(p.kind, p.code, p.token, p.payload, p.peer) for p in found] == [
        (n.NON, n.CONTENT, b"two", b"21.5", CLIENT)
    ] * 2
    assert [p.option(REPLY_FROM) for p in found] == [origin(SERVER), origin(SERVER2)]
    assert found[0].mid != found[1].mid
    assert c.p.free() == 4 and c.caching.served == 1
    assert c.pass_time(20000) == []  # and that is all


def test_a_con_request_is_acknowledged_empty_before_its_responses_from_the_cache():
    c = Cached()
    c.fill()
    found = c.full(kind=n.CON, mid=7)
    assert found[0].is_empty(n.ACK, 7)
    assert [p.kind for p in found[1:]] == [n.NON, n.NON]
    again = c.full(kind=n.CON, mid=7)  # its ACK was lost
    assert len(again) == 1 and again[0].is_empty(n.ACK, 7)


def test_what_is_protected_is_stored_for_a_deterministic_request_alone():
    """(draft-ietf-core-groupcomm-proxy §7.4.1, draft-ietf-core-cacheable-oscore §3)"""
    oscore = (n.OSCORE, b"\x19\x00\x01\x25\x05")
    protected = [(n.OSCORE, b""), (n.MAX_AGE, b"\x1e")]
    deterministic = asking([oscore, (n.REQUEST_HASH, bytes(32))])
    for options, served in ((asking([oscore]), False), (deterministic, True)):
        c = Cached()
        c.fill(options=options, more=[{"options": protected}] * 2, code=n.FETCH, payload=b"sealed")
        found, sent = c.ask(options, peer=OTHER, code=n.FETCH, payload=b"sealed")
        assert ([p.payload for p in found], len(sent)) == (([b"21.5"] * 2, 0) if served else ([], 1))
    assert [p.option(n.OSCORE) for p in found] == [b"", b""] and found[0].option(n.MAX_AGE)[0] < 30
    assert len(c.ask(deterministic, peer=OTHER, code=n.FETCH, payload=b"other")[1]) == 1
    options = asking([oscore, (n.REQUEST_HASH, b"\x01" * 32)])
    assert len(c.ask(options, peer=OTHER, code=n.FETCH, payload=b"sealed", token=b"two")[1]) == 1


def test_another_client_that_may_reach_the_group_is_served_too_and_a_stranger_is_not():
    c = Cached()
    c.fill()
    assert [p.peer for p in c.full(peer=OTHER)] == [OTHER, OTHER]
    assert [p.code for p in c.full(peer=STRANGER)] == [n.UNAUTHORIZED]
    assert c.caching.served == 1


def test_max_age_is_what_is_left_of_it():
    c = Cached()
    c.fill(more=({"options": [(n.MAX_AGE, b"\x1e")]}, {}), wait=10000)  # 30 s, and 60 by default
    assert [p.option(n.MAX_AGE) for p in c.full()] == [b"\x14", b"\x32"]
    c.pass_time(19500)
    assert [p.option(n.MAX_AGE) for p in c.full()] == [b"", b"\x1e"]
    c.pass_time(500)
    assert c.asked()


def test_a_server_without_a_fresh_entry_makes_the_request_go_out():
    c = Cached()
    c.fill(servers=(SERVER,))
    assert c.asked(asking(timeout=b"\x0a"))


def test_a_group_whose_members_are_not_known_is_asked():
    c = Cached(members=None)
    c.fill()
    assert c.asked()
    c = Cached()
    c.fill()
    del c.known[GROUP]  # its lookup has failed
    assert c.asked()


def test_another_member_that_becomes_known_makes_the_request_go_out():
    c = Cached()
    c.fill()
    c.known[GROUP] = (SERVER, SERVER2, SERVER3)
    assert c.asked()


def test_a_member_that_has_left_is_not_spoken_for():
    c = Cached()
    c.fill()
    c.known[GROUP] = (SERVER2,)
    assert [p.option(REPLY_FROM) for p in c.full()] == [origin(SERVER2)]


def test_who_is_no_member_is_stored_and_not_served_to_the_group():
    c = Cached()
    c.fill(servers=(SERVER, SERVER2, SERVER3))
    assert len(c.full()) == 2
    assert payloads(c.full(individual(target=b"coap://192.0.2.7/temp"))) == [b"21.5"]


def test_another_resource_query_format_or_group_is_another_request():
    c = Cached()
    c.known[GROUP2] = (SERVER, SERVER2)
    c.fill()
    for options in (
        asking(target=b"coap://224.0.1.187/hum"),
        asking(target=b"coap://224.0.1.187/temp?a"),
        asking([(n.ACCEPT, b"\x32")]),
    ):
        assert c.asked(options, token=bytes(options[-1][1][-3:]))
        c.pass_time(11000)
    assert len(c.full(asking(target=b"coap://224.0.1.188/temp"))) == 2  # the same servers: the same resources


def test_fetch_goes_by_its_payload():
    c = Cached()
    c.fill(code=n.FETCH, payload=b"a")
    assert len(c.full(code=n.FETCH, payload=b"a")) == 2
    assert c.asked(code=n.FETCH, payload=b"b", token=b"b")
    c.pass_time(11000)
    assert c.asked(token=b"c")


def test_several_answers_of_one_server_are_relayed_and_the_last_is_kept():
    c = Cached(members=(SERVER,))
    sent = c.asked()
    assert payloads(c.answer(sent, payload=b"1")) + payloads(c.answer(sent, payload=b"2")) == [b"1", b"2"]
    assert payloads(c.full(token=b"two")) == [b"2"]


def test_errors_and_what_has_max_age_0_are_not_kept():
    c = Cached(members=(SERVER,))
    c.fill(servers=(SERVER,), more=({"code": n.NOT_FOUND},))
    c.fill(servers=(SERVER,), more=({"options": [(n.MAX_AGE, b"")]},))
    assert len(c.cache) == 0
    assert c.asked()


def test_an_error_leaves_what_is_stored_as_it_is():
    c = Cached(members=(SERVER,))
    c.fill(servers=(SERVER,))
    del c.known[GROUP]
    c.answer(c.asked(token=b"b"), code=n.SERVICE_UNAVAILABLE, payload=b"")
    c.known[GROUP] = (SERVER,)
    assert payloads(c.full(token=b"c")) == [b"21.5"]


def test_an_answer_with_max_age_0_takes_the_older_one_away():
    c = Cached(members=(SERVER,))
    c.fill(servers=(SERVER,))
    del c.known[GROUP]
    c.answer(c.asked(token=b"b"), options=[(n.MAX_AGE, b"")])
    c.known[GROUP] = (SERVER,)
    assert c.asked(token=b"c")


def test_a_notification_takes_the_place_of_what_is_stored():
    c = Cached(members=(SERVER,), observations=2)
    c.fill(servers=(SERVER,))
    sent = c.asked(asking([(n.OBSERVE, b"")]), token=b"obs")
    c.answer(sent, options=[(n.OBSERVE, b"\x01")], payload=b"1")
    c.pass_time(20000)
    c.answer(sent, options=[(n.OBSERVE, b"\x02")], payload=b"2")
    (found,) = c.full()
    assert (found.payload, found.option(n.OBSERVE), found.option(n.MAX_AGE)) == (b"2", None, b"\x3c")


def test_what_the_cache_answers_alone_does_not_count_for_the_groups_pace():
    c = Cached(probing_rate=1)
    c.fill()
    for token in (b"1", b"2"):
        assert len(c.full(token=token)) == 2
    assert [p.code for p in c.full(asking(target=b"coap://224.0.1.187/hum"))] == [n.SERVICE_UNAVAILABLE]


# What has no part in the cache


def test_observe_and_a_t_of_0_are_not_answered_from_the_cache():
    c = Cached(observations=2)
    c.fill()
    assert c.asked(asking([(n.OBSERVE, b"")]), token=b"o").option(n.ETAG) is None
    assert c.asked(asking(timeout=b""), token=b"none")
    assert c.p.free() == 3  # the latter takes no slot
    assert c.asked(individual([(n.OBSERVE, b"")]), token=b"u")
    assert c.caching.served == 0


def test_no_response_and_oscore_are_neither_stored_nor_served():
    for number, value in ((n.NO_RESPONSE, b"\x02"), (n.OSCORE, b"\x09\x01\x02")):
        c = Cached()
        c.fill(options=asking([(number, value)]))
        assert len(c.cache) == 0
        assert c.asked(asking([(number, value)]))


def test_a_post_is_never_answered_from_the_cache():
    c = Cached()
    for _ in range(2):
        c.fill(code=n.POST)
    assert len(c.cache) == 0


def test_a_later_block_is_neither_stored_nor_served_and_block_0_of_another_size_is_another_request():
    c = Cached()
    c.fill()
    assert c.asked(asking([(n.BLOCK2, b"\x06")]), token=b"0")
    c = Cached()
    c.fill(options=asking([(n.BLOCK2, b"\x16")]))
    assert len(c.cache) == 0
    c = Cached()
    c.fill(options=asking([(n.BLOCK1, b"\x06")]), code=n.FETCH, payload=b"a")
    assert len(c.cache) == 0


# Group-ETag


def group_etag(c, **request):
    values = [p.option(GROUP_ETAG) for p in responses(c.full(**request))]
    assert len(values) == 2 and values[0] == values[1] and 1 <= len(values[0]) <= 8
    return values[0]


def test_a_complete_set_has_one_group_etag_in_each_response_and_keeps_it():
    c = Cached()
    c.fill()
    assert group_etag(c) == group_etag(c, peer=OTHER)
    c.pass_time(10000)
    assert group_etag(c) == group_etag(c, kind=n.CON)


def test_a_con_request_with_the_group_etag_costs_one_datagram_each_way():
    c = Cached()
    c.fill(more=({"options": [(n.MAX_AGE, b"\x1e")]}, {}), wait=10000)
    tag = group_etag(c)
    found = c.full(asking([(GROUP_ETAG, tag)]), kind=n.CON, mid=9, token=b"etag")
    assert [(p.kind, p.code, p.mid, p.token, p.payload) for p in found] == [(n.ACK, n.VALID, 9, b"etag", b"")]
    assert found[0].options == [(n.MAX_AGE, b"\x14"), (GROUP_ETAG, tag)]
    assert c.pass_time(20000) == [] and c.p.free() == 4
    assert c.caching.validated_sets == 1


def test_the_2_03_is_given_again_when_its_request_is_repeated():
    c = Cached()
    c.fill()
    options = asking([(GROUP_ETAG, group_etag(c))])
    first = c.full(options, kind=n.CON, mid=9)
    assert [p.raw for p in c.full(options, kind=n.CON, mid=9)] == [p.raw for p in first]


def test_a_non_request_with_the_group_etag_gets_one_non():
    c = Cached()
    c.fill()
    tag = group_etag(c)
    (found,) = c.full(asking([(GROUP_ETAG, tag)]), mid=9)
    assert (found.kind, found.code, found.option(GROUP_ETAG)) == (n.NON, n.VALID, tag)
    assert found.mid != 9


def test_one_of_several_group_etags_may_match():
    c = Cached()
    c.fill()
    tag = group_etag(c)
    found = c.full(asking([(GROUP_ETAG, b"a"), (GROUP_ETAG, b"12345678"), (GROUP_ETAG, tag), (GROUP_ETAG, b"b")]))
    assert [(p.code, p.option(GROUP_ETAG)) for p in found] == [(n.VALID, tag)]
    found = c.full(asking([(GROUP_ETAG, tag[:-1]), (GROUP_ETAG, b"12345678")]))
    assert [(p.code, p.option(GROUP_ETAG)) for p in found] == [(n.CONTENT, tag)] * 2


def test_the_group_etag_changes_when_an_entry_of_the_set_is_updated():
    c = Cached()
    c.fill()
    tag = group_etag(c)
    c.fill(options=asking(target=b"coap://224.0.1.187/hum"))
    assert group_etag(c) == tag  # that was another set
    sent = c.asked(individual(TEMP[:0], SERVER_URI + b"?x"), kind=n.CON)
    c.piggyback(sent)
    assert group_etag(c) == tag
    del c.known[GROUP]
    c.answer(c.asked(token=b"b"), SERVER2, payload=b"22.5")
    c.known[GROUP] = (SERVER, SERVER2)
    assert group_etag(c) != tag
    found = c.full(asking([(GROUP_ETAG, tag)]))
    assert payloads(found) == [b"21.5", b"22.5"]


def test_the_group_etag_is_that_of_other_members_no_more():
    c = Cached()
    c.fill(servers=(SERVER, SERVER2, SERVER3))
    tag = group_etag(c)
    c.known[GROUP] = (SERVER, SERVER3)
    assert group_etag(c) != tag


def test_without_knowing_the_members_there_is_no_group_etag_and_no_2_03():
    c = Cached()
    c.fill()
    tag = group_etag(c)
    del c.known[GROUP]
    found, sent = c.ask(asking([(GROUP_ETAG, tag)]))
    assert len(sent) == 1 and found == []
    assert [p.option(GROUP_ETAG) for p in c.answer(sent[0])] == [None]
    assert [p.option(GROUP_ETAG) for p in c.pass_time(11000)] == [None]  # nor in what stands in for the other


def test_group_etags_do_not_go_on_and_are_no_part_of_the_key():
    c = Cached()
    sent = c.asked(asking([(GROUP_ETAG, b"12345678"), (GROUP_ETAG, b"1")]))
    assert sent.options == TEMP
    c.answer(sent)
    c.answer(sent, SERVER2)
    assert len(c.full(token=b"two")) == 2


def test_a_server_cannot_put_a_group_etag_into_what_is_served():
    c = Cached()
    c.fill(more=({"options": [(GROUP_ETAG, b"12345678")]}, {}))
    assert group_etag(c) != b"12345678"


# A client's own ETags


def test_the_etag_of_a_client_makes_a_2_03_of_what_is_stored():
    c = Cached()
    c.fill(more=({"options": [(n.ETAG, b"1")]}, {"options": [(n.ETAG, b"2")]}), wait=20000)
    found = c.full(asking([(n.ETAG, b"1"), UNKNOWN_ETAG]))
    assert [(p.code, p.option(n.ETAG), p.payload) for p in found] == [
        (n.VALID, b"1", b""),
        (n.CONTENT, b"2", b"21.5"),
    ]
    assert found[0].options == [(n.ETAG, b"1"), (n.MAX_AGE, b"\x28"), (REPLY_FROM, origin(SERVER))]
    (found,) = c.full(individual([(n.ETAG, b"1")]), kind=n.CON, mid=5)
    assert (found.kind, found.mid, found.code) == (n.ACK, 5, n.VALID)
    assert found.options == [(n.ETAG, b"1"), (n.MAX_AGE, b"\x28")]


def test_the_etags_of_a_client_go_on_untouched_and_the_2_03_comes_back_to_it():
    c = Cached()
    c.fill(more=({"options": [(n.ETAG, b"1")]}, {"options": [(n.ETAG, b"2")]}), wait=61000)
    sent = c.asked(asking([UNKNOWN_ETAG]))
    assert sent.options == [UNKNOWN_ETAG] + TEMP
    (found,) = c.answer(sent, code=n.VALID, options=[UNKNOWN_ETAG], payload=b"")
    assert (found.code, found.options) == (n.VALID, [UNKNOWN_ETAG, (REPLY_FROM, origin(SERVER))])
    c.answer(sent, SERVER2, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    # What is stored is another representation than that of which SERVER has spoken.
    assert c.cache.find(c.p.relay.digests[sent.token[0]], SERVER) == -1
    c.pass_time(11000)
    sent = c.asked(individual([(n.ETAG, b"z")], SERVER_URI), kind=n.CON)
    assert sent.options == [(n.ETAG, b"z")] + TEMP
    (found,) = c.piggyback(sent, code=n.VALID, options=[(n.ETAG, b"z")], payload=b"")
    assert (found.code, found.options) == (n.VALID, [(n.ETAG, b"z")])
