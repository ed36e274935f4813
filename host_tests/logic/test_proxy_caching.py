"""What the group proxy answers from its cache, what it puts into it, and how it revalidates that
(draft-ietf-core-groupcomm-proxy §7, RFC 7252 §5.6 to §5.10)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.proxy.cache import Cache
from groupcoap.proxy.caching import Caching
from groupcoap.proxy.members import Members
from groupcoap.proxy.names import response_forwarding
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    STRANGER,
    UNKNOWN_UNSAFE,
    Proxied,
    allocated,
    datagram,
    early_stop,
)

GROUP_ETAG = 24
GROUP_URI = b"coap://224.0.1.187/temp"
SERVER_URI = b"coap://192.0.2.5/temp"
TEMP = [(n.URI_PATH, b"temp")]
SERVER3 = uri.pack(b"\xc0\x00\x02\x07")
UNKNOWN_ETAG = (n.ETAG, b"nobody's")


def origin(server):
    return b"\x82\x20\x81\x44" + server[:4]


def asking(options=(), timeout=b"\x0a", target=GROUP_URI):
    """Options of a group request, with more of them by any number."""
    found = [(MULTICAST_TIMEOUT, timeout), (n.PROXY_URI, target)] + list(options)
    return sorted(found, key=lambda pair: pair[0])  # stable on every VM: no two of the same number but in order


def individual(options=(), target=SERVER_URI):
    return sorted([(n.PROXY_URI, target)] + list(options), key=lambda pair: pair[0])


class Cached:
    """A proxy with a cache that knows the members of a group, unless `members` is None."""

    def __init__(self, members=(SERVER, SERVER2), size=2048, places=16, slots=4, held=4, **settings):
        self.p = p = Proxied(slots, held=held, **settings)
        self.wire = p.wire
        self.cache = Cache(size, places, slots, 6, p.wire.timers, p.wire.entropy)
        self.known = {} if members is None else {GROUP: members}
        self.caching = Caching(p.relay, self.cache, None if members is None else Members(self.known))
        self._mid = 1000

    def ask(self, options=None, **request):
        """Send a request: (what clients get at once, what goes upstream)."""
        found = self.p.ask(asking() if options is None else options, **request)
        return found, self.p.up.sent()

    def asked(self, options=None, **request):
        """Send a group request that goes on, and has no answer yet but an ACK: what goes upstream."""
        found, sent = self.ask(options, **request)
        assert len(sent) == 1 and [p.code for p in found if p.code] == [], (found, sent)
        return sent[0]

    def answer(self, sent, peer=SERVER, **response):
        """A server answers a request: what clients get."""
        self._mid += 1
        return self.p.answer(sent.token, self._mid, peer=peer, **response)

    def piggyback(self, sent, peer=SERVER, code=n.CONTENT, options=(), payload=b"21.5"):
        """A server answers a CON on its ACK: what clients get."""
        self.p.up.deliver(datagram(n.ACK, code, sent.mid, sent.token, options, payload), peer)
        return self.p.down.sent()

    def pass_time(self, span):
        """Let so many ms pass: what clients get."""
        self.wire.advance(span)
        return self.p.down.sent()

    def fill(self, servers=(SERVER, SERVER2), options=None, wait=11000, more=(), **request):
        """Have these servers' responses by a group request, and let its time pass. more: what each says."""
        sent = self.asked(options, **request)
        for i in range(len(servers)):
            response = more[i] if i < len(more) else {}
            assert len(self.answer(sent, servers[i], **response)) == 1
        self.pass_time(wait)
        assert self.p.up.sent() == []

    def full(self, options=None, **request):
        """What clients get for a request that nothing goes upstream for; [] where something did."""
        found, sent = self.ask(options, **request)
        return [] if sent else found


def responses(packets):
    return [p for p in packets if p.code]


def payloads(packets):
    return [bytes(p.payload) for p in packets]


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


# Fresh entries beside a request that goes out (§7.1)


def test_what_gets_stale_before_the_end_is_sent_at_once():
    c = Cached()
    c.fill(servers=(SERVER,), wait=51000)
    found, sent = c.ask()  # 9 s are left, and T' is 10
    assert len(sent) == 1
    assert [(p.kind, p.payload, p.option(REPLY_FROM), p.option(n.MAX_AGE)) for p in found] == [
        (n.NON, b"21.5", origin(SERVER), b"\x09")
    ]
    assert c.p.relay.answers(sent[0].token[0]) == 1
    assert len(c.answer(sent[0])) == 1  # and as it comes
    assert c.pass_time(11000) == []


def test_what_stays_fresh_is_sent_right_before_the_end():
    c = Cached()
    c.fill(servers=(SERVER,), wait=50000)
    start = c.wire.passed
    found, sent = c.ask()  # 10 s are left, and T' is 10
    assert found == [] and len(sent) == 1
    (found,) = c.pass_time(10500)
    assert (found.payload, found.option(REPLY_FROM), found.option(n.MAX_AGE)) == (b"21.5", origin(SERVER), b"")
    assert 9000 <= found.at - start < 10000
    assert c.p.free() == 4


def test_a_server_that_has_answered_in_this_exchange_is_not_spoken_for():
    answers = (
        {},
        {"code": n.NOT_FOUND, "payload": b""},
        {"code": n.INTERNAL_SERVER_ERROR},
        {"options": [(n.MAX_AGE, b"")]},
        {"options": [(UNKNOWN_UNSAFE, b"")]},  # of which 5.02 is made
        {"options": [(n.OBSERVE, b"\x01")]},
    )
    for answer in answers:
        c = Cached()
        c.fill(servers=(SERVER,))
        sent = c.asked()
        assert len(c.answer(sent, **answer)) == 1
        assert c.pass_time(11000) == [], answer


def test_an_answer_to_another_exchange_does_not_count_as_one_to_this():
    c = Cached()
    c.fill(servers=(SERVER,))
    c.asked(token=b"one")
    other = c.asked(token=b"two")
    c.answer(other)
    assert [(p.token, p.payload) for p in c.pass_time(11000)] == [(b"one", b"21.5")]


def test_what_has_become_known_after_the_forwarding_is_no_fallback():
    c = Cached(members=(SERVER, SERVER2, SERVER3))
    c.asked(token=b"one")
    other = c.asked(token=b"two")
    c.answer(other)
    assert c.pass_time(11000) == []


def test_what_stood_there_is_sent_as_it_is_by_then():
    c = Cached()
    c.fill(servers=(SERVER,))
    c.asked(token=b"one")
    c.answer(c.asked(token=b"two"), payload=b"23")
    assert [(p.token, p.payload) for p in c.pass_time(11000)] == [(b"one", b"23")]


def test_an_early_stop_leaves_nothing_to_be_sent():
    c = Cached()
    hum = asking(target=b"coap://224.0.1.187/hum")
    c.fill(servers=(SERVER,))
    c.fill(servers=(SERVER2,), options=hum)
    c.asked(token=b"one")
    c.p.ask(early_stop(), token=b"one")
    assert c.pass_time(11000) == []
    c.asked(token=b"one")
    c.p.ask(early_stop(), token=b"one")
    c.asked(hum, token=b"two")  # in the slot of the other, but with what is its own
    assert [(p.token, p.option(REPLY_FROM)) for p in c.pass_time(11000)] == [(b"two", origin(SERVER2))]


def test_fallbacks_go_out_under_a_token_that_a_reset_stops():
    c = Cached(members=(SERVER, SERVER2, SERVER3))
    c.fill(servers=(SERVER, SERVER2), wait=51000)
    found, sent = c.ask(token=b"one")
    assert len(found) == 2 and c.p.free() == 3
    c.p.down.receive(datagram(n.RST, 0, found[0].mid), CLIENT)
    assert c.p.free() == 4
    assert c.answer(sent[0]) == []


def test_where_no_member_is_known_whoever_has_answered_the_group_is_spoken_for():
    c = Cached(members=None)
    c.fill()
    c.asked()
    found = c.pass_time(11000)
    assert sorted([p.option(REPLY_FROM) for p in found]) == [origin(SERVER), origin(SERVER2)]


# Revalidation by a group request (§7.2.2)


def stale(**settings):
    """A proxy whose entries, with ETags "1" and "2", are stale."""
    c = Cached(**settings)
    c.fill(more=({"options": [(n.ETAG, b"1")]}, {"options": [(n.ETAG, b"2")]}), wait=61000)
    return c


def test_a_request_goes_out_with_the_etags_of_what_is_stored():
    c = stale()
    sent = c.asked()
    assert sent.options == [(n.ETAG, b"1"), (n.ETAG, b"2")] + TEMP
    (found,) = c.answer(sent, code=n.VALID, options=[(n.ETAG, b"1"), (n.MAX_AGE, b"\x14")], payload=b"")
    assert (found.kind, found.code, found.token, found.payload) == (n.NON, n.CONTENT, b"tok", b"21.5")
    assert found.options == [(n.ETAG, b"1"), (n.MAX_AGE, b"\x14"), (REPLY_FROM, origin(SERVER))]
    (found,) = c.answer(sent, SERVER2, options=[(n.ETAG, b"3")], payload=b"23")
    assert (found.payload, found.options) == (b"23", [(n.ETAG, b"3"), (REPLY_FROM, origin(SERVER2))])
    assert c.p.relay.answers(sent.token[0]) == 2
    assert c.pass_time(11000) == []
    assert payloads(c.full()) == [b"21.5", b"23"]
    assert c.p.up.sent() == []


def test_a_server_whose_2_03_was_replaced_has_answered():
    c = Cached()
    c.fill(servers=(SERVER,), more=({"options": [(n.ETAG, b"1")]},))
    sent = c.asked()
    assert sent.option(n.ETAG) == b"1"
    assert len(c.answer(sent, code=n.VALID, options=[(n.ETAG, b"1")], payload=b"")) == 1
    assert c.pass_time(11000) == []


def test_an_observed_group_is_not_asked_with_etags_of_the_proxys():
    c = stale(observations=2)
    assert c.asked(asking([(n.OBSERVE, b"")])).options == [(n.OBSERVE, b"")] + TEMP


def test_a_server_that_means_another_servers_etag_is_asked_by_unicast():
    c = stale()
    sent = c.asked()
    assert c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"") == []
    (again,) = c.p.up.sent()
    assert (again.kind, again.code, again.peer, again.options) == (n.CON, n.GET, SERVER, TEMP)
    assert again.token != sent.token and c.p.free() == 2
    (found,) = c.piggyback(again, payload=b"24", options=[(n.ETAG, b"2")])
    assert (found.kind, found.token, found.payload) == (n.NON, b"tok", b"24")
    assert found.option(REPLY_FROM) == origin(SERVER) and c.p.free() == 3
    c.answer(sent, SERVER2, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    c.pass_time(11000)
    assert payloads(c.full()) == [b"24", b"21.5"]


def test_a_server_that_validates_what_is_not_stored_is_asked_by_unicast():
    c = stale()
    sent = c.asked()
    for more in ([(n.ETAG, b"1")], []):
        assert c.answer(sent, SERVER3, code=n.VALID, options=more, payload=b"") == []
        (again,) = c.p.up.sent()
        assert again.peer == SERVER3
        (found,) = c.piggyback(again, SERVER3, n.NOT_FOUND, payload=b"")  # relayed, whatever it is
        assert (found.code, found.option(REPLY_FROM)) == (n.NOT_FOUND, origin(SERVER3))


def test_what_is_asked_by_unicast_may_be_answered_later_and_by_con():
    c = stale()
    sent = c.asked()
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    (again,) = c.p.up.sent()
    c.p.up.deliver(datagram(n.ACK, 0, again.mid), SERVER)
    (found,) = c.answer(again, kind=n.CON, payload=b"24")
    assert found.payload == b"24"
    assert [p.kind for p in c.p.up.sent()] == [n.ACK]
    assert c.answer(again, kind=n.CON, payload=b"25") == []  # once
    assert c.p.free() == 3


def test_nobody_else_answers_what_is_asked_by_unicast():
    c = stale()
    sent = c.asked()
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    (again,) = c.p.up.sent()
    assert c.answer(again, SERVER2) == []
    assert c.answer(again, STRANGER) == []
    assert len(c.answer(again, SERVER)) == 1


def test_what_was_asked_by_unicast_ends_with_its_exchange():
    for stop in (True, False):
        c = stale()
        sent = c.asked()
        c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
        (again,) = c.p.up.sent()
        if stop:
            c.p.ask(early_stop())
        else:
            c.p.up.deliver(datagram(n.RST, 0, again.mid), SERVER)
            assert c.p.free() == 3
            c.pass_time(11000)
        assert c.p.free() == 4
        assert c.answer(again) == []
        assert c.pass_time(30000) == [] and c.p.up.sent() == []


def test_a_server_silent_to_what_is_asked_by_unicast_holds_no_slot_for_good():
    c = stale()
    sent = c.asked(asking(timeout=b"\x3c"))
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    assert c.p.free() == 2
    c.pass_time(11000)
    assert c.p.free() == 3
    assert c.pass_time(60000) == []
    assert c.p.free() == 4


def test_a_slot_that_was_given_back_by_a_silent_server_is_anothers():
    c = stale()
    sent = c.asked(asking(timeout=b"\x3c"), token=b"one")
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    c.pass_time(11000)
    c.p.up.sent()
    other = c.asked(asking(target=b"coap://224.0.1.187/hum"), token=b"two")
    c.p.ask(early_stop(), token=b"one")
    assert c.p.free() == 3
    assert len(c.answer(other)) == 1
    assert c.p.up.sent() == [] and c.pass_time(50000) == []
    assert c.p.up.sent() == []  # nor is what was asked repeated


def test_silent_servers_do_not_use_up_what_may_be_asked_by_unicast():
    c = stale()
    for _ in range(6):
        sent = c.asked(asking(timeout=b"\x3c"))
        c.answer(sent, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"", peer=SERVER3)
        assert len(c.p.up.sent()) == 1
        c.pass_time(61000)
        c.p.up.sent()


def test_without_a_place_to_repeat_it_from_what_is_asked_by_unicast_goes_out_once():
    c = stale(up={"outgoing": 1})
    sent = c.asked()
    for server in (SERVER, SERVER3):
        c.answer(sent, server, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")
    one, two = c.p.up.sent()
    assert (one.peer, two.peer) == (SERVER, SERVER3)
    assert (one.kind, two.kind) == (n.CON, n.NON)
    assert len(c.answer(two, SERVER3)) == 1
    c.pass_time(4000)
    assert [p.mid for p in c.p.up.sent()] == [one.mid]


def test_with_no_slot_free_what_is_to_be_asked_by_unicast_is_lost_and_nothing_else():
    c = stale(slots=2)
    c.asked(asking(target=b"coap://224.0.1.187/hum"), token=b"hum")
    sent = c.asked()
    assert c.p.free() == 0
    assert c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"") == []
    assert c.p.up.sent() == []
    assert len(c.answer(sent, SERVER2, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")) == 1
    c.pass_time(11000)
    assert c.p.free() == 2


def test_servers_that_validate_what_nobody_has_asked_them_do_not_take_all_slots():
    c = stale(slots=16, held=16)
    sent = c.asked()
    for i in range(16):
        c.answer(sent, uri.pack(bytes((192, 0, 2, 100 + i))), code=n.VALID, options=[(n.ETAG, b"1")], payload=b"")
    assert c.p.free() >= 8


def test_a_request_too_long_to_be_kept_goes_out_without_etags_of_the_proxys():
    long = b"coap://224.0.1.187/" + b"x" * 100 + b"?" + b"y" * 100
    c = Cached()
    c.fill(options=asking(target=long), more=({"options": [(n.ETAG, b"1")]},), wait=61000)
    sent = c.asked(asking(target=long))
    assert sent.option(n.ETAG) is None
    assert c.answer(sent, code=n.CONTENT, payload=b"22")


def test_a_2_03_with_other_options_than_are_stored_is_no_reason_to_give_the_old_response():
    c = stale()
    sent = c.asked()
    more = [(n.ETAG, b"1"), (n.CONTENT_FORMAT, b"\x32")]
    assert c.answer(sent, code=n.VALID, options=more, payload=b"") == []
    (again,) = c.p.up.sent()
    assert again.peer == SERVER
    (found,) = c.piggyback(again, options=more, payload=b"{}")
    assert found.payload == b"{}"


# Requests to one server


def test_a_unicast_request_is_served_by_what_a_group_request_has_brought():
    c = Cached(members=None)
    c.fill(more=({"payload": b"5"}, {"payload": b"6"}))
    (found,) = c.full(individual(), kind=n.CON, mid=4, token=b"u")
    assert (found.kind, found.code, found.mid, found.token, found.payload) == (n.ACK, n.CONTENT, 4, b"u", b"5")
    assert found.options == [(n.MAX_AGE, b"\x31")]  # and no Reply-From
    (found,) = c.full(individual(target=b"coap://192.0.2.6/temp"), mid=5)
    assert (found.kind, found.payload, found.options) == (n.NON, b"6", [(n.MAX_AGE, b"\x31")])
    assert found.mid != 5
    assert c.asked(individual(target=b"coap://192.0.2.6:5684/temp"))
    assert c.caching.served == 2


def test_a_group_request_is_served_by_what_unicast_requests_have_brought():
    c = Cached()
    for server in (b"5", b"6"):
        sent = c.asked(individual(target=b"coap://192.0.2." + server + b"/temp"), kind=n.CON, token=server)
        (found,) = c.piggyback(sent, sent.peer, payload=server)
        assert found.options == []
    found = c.full()
    assert [(p.payload, p.option(REPLY_FROM)) for p in found] == [(b"5", origin(SERVER)), (b"6", origin(SERVER2))]


def test_a_stale_response_is_revalidated_by_unicast():
    for kind in (n.CON, n.NON):
        c = stale()
        sent = c.asked(individual(), kind=kind)
        assert sent.options == [(n.ETAG, b"1")] + TEMP
        valid = [(n.ETAG, b"1"), (n.MAX_AGE, b"\x14")]
        if kind == n.CON:
            (found,) = c.piggyback(sent, code=n.VALID, options=valid, payload=b"")
        else:
            (found,) = c.answer(sent, code=n.VALID, options=valid, payload=b"")
        assert (found.kind, found.code, found.payload) == (n.ACK if kind == n.CON else n.NON, n.CONTENT, b"21.5")
        assert found.options == [(n.ETAG, b"1"), (n.MAX_AGE, b"\x14")]
        assert len(c.full(individual())) == 1


def test_a_2_03_of_what_is_no_longer_stored_never_reaches_a_client_that_has_not_asked_for_it():
    for more in ([(n.ETAG, b"1"), (n.CONTENT_FORMAT, b"\x32")], [(n.ETAG, b"9")], []):
        for kind in (n.CON, n.NON):
            c = stale()
            sent = c.asked(individual(), kind=kind)
            found = c.answer(sent, code=n.VALID, options=more, payload=b"")
            assert [p.code for p in found] == [] and c.p.free() == 3
            (again,) = c.p.up.sent()
            assert (again.kind, again.peer, again.token, again.options) == (kind, SERVER, sent.token, TEMP)
            assert again.mid != sent.mid
            (found,) = c.answer(again, options=more, payload=b"new")
            assert (found.code, found.payload) == (n.CONTENT, b"new")
            assert c.p.free() == 4


def test_what_is_asked_anew_replaces_what_was_asked():
    c = stale()
    sent = c.asked(individual(), kind=n.CON)
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")  # its ACK was lost
    (again,) = c.p.up.sent()
    c.p.up.deliver(datagram(n.ACK, 0, again.mid), SERVER)
    c.pass_time(10000)
    assert c.p.up.sent() == []
    c = stale()
    sent = c.asked(individual())
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")
    (again,) = c.p.up.sent()
    assert len(c.answer(again, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")) == 1  # it says nothing else
    assert c.p.up.sent() == [] and c.p.free() == 4


def test_a_non_that_is_asked_anew_goes_out_once():
    c = stale()
    sent = c.asked(individual())
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")
    assert len(c.p.up.sent()) == 1
    c.pass_time(20000)
    assert c.p.up.sent() == []


def test_an_individual_request_too_long_to_be_kept_has_no_etag_of_the_proxys():
    long = b"coap://192.0.2.5/" + b"x" * 100 + b"?" + b"y" * 100
    c = Cached()
    c.piggyback(c.asked(individual(target=long), kind=n.CON), options=[(n.ETAG, b"1")])
    c.pass_time(61000)
    assert c.asked(individual(target=long)).option(n.ETAG) is None


def test_an_individual_fetch_is_stored_by_its_payload_and_what_has_no_response_is_not():
    c = Cached()
    sent = c.asked(individual(), kind=n.CON, code=n.FETCH, payload=b"a")
    c.piggyback(sent)
    assert len(c.full(individual(), code=n.FETCH, payload=b"a")) == 1
    assert c.asked(individual(), code=n.FETCH, payload=b"b", token=b"b")
    for _ in range(2):
        sent = c.asked(individual([(n.NO_RESPONSE, b"\x08")]), kind=n.CON)
        assert len(c.piggyback(sent)) == 1


def test_who_was_only_asked_alone_is_no_member_of_a_group_whose_members_are_not_known():
    c = Cached(members=None)
    c.fill(servers=(SERVER,))
    sent = c.asked(individual(target=b"coap://192.0.2.7/temp"), kind=n.CON)
    c.piggyback(sent, SERVER3)
    c.asked()
    assert [p.option(REPLY_FROM) for p in c.pass_time(11000)] == [origin(SERVER)]


def test_an_observation_of_one_server_has_no_etags_of_the_proxys():
    c = stale(observations=2)
    assert c.asked(individual([(n.OBSERVE, b"")]), kind=n.CON).options == [(n.OBSERVE, b"")] + TEMP


def test_what_a_server_has_itself_said_of_its_origin_is_not_kept():
    c = Cached(members=(SERVER,))
    sent = c.asked(individual(), kind=n.CON)
    c.piggyback(sent, options=[(REPLY_FROM, origin(SERVER2))])
    assert [p.option(REPLY_FROM) for p in c.full()] == [origin(SERVER)]


def test_an_individual_request_that_is_no_get_or_fetch_goes_on():
    c = Cached()
    c.fill()
    for code in (n.POST, n.PUT, n.DELETE):
        assert c.asked(individual(), code=code, token=bytes((code,)))


# Invalidation (RFC 7252 §5.9.1)


def test_a_change_through_the_proxy_makes_what_is_stored_stale():
    for method, code in ((n.PUT, n.CHANGED), (n.DELETE, n.DELETED), (n.POST, n.CREATED)):
        c = Cached()
        c.fill()
        sent = c.asked(individual(), kind=n.CON, code=method)
        (found,) = c.piggyback(sent, code=code, payload=b"")
        assert found.code == code
        assert c.asked(individual()).peer == SERVER
        assert len(c.full(individual(target=b"coap://192.0.2.6/temp"))) == 1
        c.fill()
        sent = c.asked(code=method, token=b"all")
        assert len(c.answer(sent, SERVER2, code=code, payload=b"")) == 1
        assert c.asked(individual(target=b"coap://192.0.2.6/temp"), token=b"6").peer == SERVER2
        assert len(c.full(individual(), token=b"5")) == 1


def test_a_change_whose_response_cannot_be_relayed_is_one():
    c = Cached()
    c.fill()
    sent = c.asked(code=n.PUT, token=b"all")
    (found,) = c.answer(sent, code=n.CHANGED, options=[(UNKNOWN_UNSAFE, b"")], payload=b"")
    assert found.code == n.BAD_GATEWAY
    assert c.asked(individual()).peer == SERVER


def test_a_change_under_another_name_of_the_server_is_one():
    c = Cached(resolve=lambda host: SERVER[:4])
    c.fill()
    sent = c.asked(individual(target=b"coap://server.example/temp"), kind=n.CON, code=n.PUT)
    assert sent.peer == SERVER and sent.option(n.URI_HOST) == b"server.example"
    c.piggyback(sent, code=n.CHANGED, payload=b"")
    assert c.asked(individual(), token=b"new").peer == SERVER


def test_a_change_that_was_refused_or_is_another_resources_leaves_it_fresh():
    c = Cached()
    c.fill()
    sent = c.asked(individual(), kind=n.CON, code=n.PUT)
    c.piggyback(sent, code=n.FORBIDDEN)
    sent = c.asked(individual(target=b"coap://192.0.2.5/hum"), kind=n.CON, code=n.PUT)
    c.piggyback(sent, code=n.CHANGED)
    assert len(c.full()) == 2


def test_a_change_of_another_resource_by_the_group_leaves_it_fresh():
    c = Cached()
    c.fill()
    sent = c.asked(asking(target=b"coap://224.0.1.187/hum"), code=n.PUT, token=b"put")
    c.answer(sent, code=n.CHANGED, payload=b"")
    assert len(c.full()) == 2


def test_a_change_that_nobody_is_to_answer_has_no_answer_with_copies_too():
    c = Cached(copies=2)
    sent = c.asked(asking(timeout=b""), code=n.PUT)
    assert c.answer(sent, code=n.CHANGED, payload=b"") == []
    assert c.pass_time(60000) == [] and c.p.free() == 4


# Profile 00


def slides(more=(), timeout=b"\x0a"):
    return sorted([(n.PROXY_URI, GROUP_URI), (MULTICAST_SIGNALING, timeout)] + list(more), key=lambda pair: pair[0])


def test_profile_00_has_entries_of_its_own_whatever_its_t():
    c = Cached()
    said = [(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")]
    c.fill(options=slides(), more=({"options": said}, {"options": said}))
    assert c.asked()  # whose answers have no Reply-From of the proxy's
    c.pass_time(11000)
    found = c.full(slides(timeout=b"\x05"))
    assert [p.option(RESPONSE_FORWARDING) for p in found] == [said[0][1]] * 2
    assert [p.option(REPLY_FROM) for p in found] == [None, None]
    tag = found[0].option(GROUP_ETAG)
    assert [p.code for p in c.full(slides([(GROUP_ETAG, tag)]))] == [n.VALID]


def test_a_2_03_from_the_cache_names_its_origin_in_profile_00_as_well():
    c = Cached()
    said = b"\xd9\x01\x04\x44\xc0\x00\x02\x05"
    tagged = [(n.ETAG, b"1"), (RESPONSE_FORWARDING, said)]
    c.fill(options=slides(), more=({"options": tagged}, {"options": [(n.ETAG, b"2")]}))
    found = c.full(slides([(n.ETAG, b"1"), (n.ETAG, b"2")]))
    assert [p.code for p in found] == [n.VALID, n.VALID]
    assert [p.option(RESPONSE_FORWARDING) for p in found] == [said, None]


def test_profiles_are_not_mixed_where_the_proxy_names_the_origin_in_both():
    c = Cached(forwarding=response_forwarding(RESPONSE_FORWARDING))
    c.fill()
    sent = c.asked(slides())
    assert sent.option(MULTICAST_SIGNALING) is None
    for server in (SERVER, SERVER2):
        c.answer(sent, server)
    c.pass_time(11000)
    assert [sorted([number for number, _ in p.options]) for p in c.full(slides())] == [
        [n.MAX_AGE, GROUP_ETAG, RESPONSE_FORWARDING]
    ] * 2
    assert [p.option(RESPONSE_FORWARDING) for p in c.full()] == [None, None]


# A reverse-proxy


def reverse(*stand_ins):
    from groupcoap.proxy.reverse import ReverseProxy

    c = Cached()
    p = c.p
    p.down.endpoint.role = ReverseProxy(p.relay, p.local, p.access, PROXY, stand_ins)
    return c


def path(*segments):
    return [(n.URI_PATH, segment) for segment in segments]


def test_what_a_reverse_proxy_serves_has_the_origin_that_it_has_given():
    from groupcoap.proxy.reverse import HOST, StandIn

    c = reverse(StandIn(GROUP, HOST, "group.example", True))
    ask = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"group.example")] + TEMP
    sent = c.asked(ask)
    assert sent.options == TEMP
    first = c.answer(sent) + c.answer(sent, SERVER2)
    c.pass_time(11000)
    assert [p.option(REPLY_FROM) for p in c.full(ask)] == [p.option(REPLY_FROM) for p in first]
    (found,) = c.full([(n.URI_HOST, b"192.0.2.6"), (n.URI_PORT, b"\x16\x33")] + TEMP)
    assert (found.payload, found.option(REPLY_FROM)) == (b"21.5", None)


def test_two_places_of_a_group_at_a_reverse_proxy_have_origins_of_their_own():
    from groupcoap.proxy.reverse import PATH, StandIn

    c = reverse(StandIn(GROUP, PATH, [b"a"], True), StandIn(GROUP, PATH, [b"b"], True))
    for place in (b"a", b"b"):
        ask = [(MULTICAST_TIMEOUT, b"\x0a")] + path(place, b"temp")
        first = []
        sent = c.asked(ask, token=place)
        for server in (SERVER, SERVER2):
            first += c.answer(sent, server)
        c.pass_time(11000)
        served = [p.option(REPLY_FROM) for p in c.full(ask)]
        assert served == [p.option(REPLY_FROM) for p in first]
        assert served[0].find(b"a" + place) > 0  # a text of one byte


# Bounds


def test_bytes_and_places_are_bounded_whatever_comes():
    c = Cached(members=None, size=512, places=8)
    for i in range(60):
        target = b"coap://224.0.1.187/r?%d" % i
        sent = c.asked(asking(target=target), token=bytes((i,)))
        for server in (SERVER, SERVER2, SERVER3):
            c.answer(sent, server, payload=b"x" * (i * 7 % 150))
            assert c.cache.used() <= 512 and len(c.cache) <= 8
        c.p.ask(early_stop(), token=bytes((i,)))
    assert c.cache.evicted > 0


def test_what_would_not_fit_with_what_is_added_to_it_is_relayed_and_not_kept():
    c = Cached(members=(SERVER,), size=8192)
    kept = 0
    for length in range(1070, 1152):
        asked = b"/temp?%d" % length
        sent = c.asked(individual(target=b"coap://192.0.2.5" + asked), token=b"")
        relayed = c.answer(sent, payload=b"x" * length)
        assert [p.code for p in relayed] in ([n.CONTENT], [n.BAD_GATEWAY])
        found, sent = c.ask(asking(target=b"coap://224.0.1.187" + asked), token=b"12345678")
        if sent:
            c.p.ask(early_stop(), token=b"12345678")
        else:
            kept += 1
            assert [len(p.payload) for p in found] == [length]
            assert len(c.full(individual(target=b"coap://192.0.2.5" + asked), token=b"12345678")) == 1
    assert 10 < kept < 70


def test_a_response_that_is_relayed_and_stored_takes_no_heap():
    c = Cached(members=None)
    sent = c.asked()
    datagrams = [datagram(n.NON, n.CONTENT, i, sent.token, [(n.ETAG, b"%d" % i)], b"21.5") for i in range(100)]
    lengths = [len(data) for data in datagrams]
    receive = c.p.up.endpoint.receive
    c.p.down.endpoint.transmit = lambda buf, length, peer: None
    now = c.wire.now
    at = [0]

    def one():
        i = at[0]
        receive(datagrams[i], lengths[i], SERVER, 0, now)
        at[0] = (i + 1) % 100

    assert allocated(one, 99) == 0
    assert c.cache.stored % 100 == at[0]
