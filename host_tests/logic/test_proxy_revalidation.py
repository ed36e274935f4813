"""How the group proxy revalidates what it has stored, by group requests and by unicast (draft-ietf-core-groupcomm-proxy
§7.2, RFC 7252 §5.6.2); requests to one server.
"""

from cached import SERVER3, TEMP, Cached, asking, individual, origin, payloads, stale
from groupcoap import numbers as n
from groupcoap import uri
from wire import (
    REPLY_FROM,
    SERVER,
    SERVER2,
    STRANGER,
    datagram,
    early_stop,
)

# Revalidation by a group request (§7.2.2)


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
    c = stale()
    sent = c.asked()
    for i in range(3):
        c.asked(asking(target=b"coap://224.0.1.187/hum%d" % i), token=b"hum%d" % i)
    assert c.p.free() == 0
    assert c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"") == []
    assert c.p.up.sent() == [] and c.caching.unfetched == 1
    assert len(c.answer(sent, SERVER2, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")) == 1
    c.pass_time(11000)
    assert c.p.free() == 4


def test_after_an_answer_that_was_lost_requests_go_out_without_etags_for_a_while():
    c = stale()
    sent = c.asked()
    for i in range(3):
        c.asked(asking(target=b"coap://224.0.1.187/hum%d" % i), token=b"hum%d" % i)
    c.answer(sent, code=n.VALID, options=[(n.ETAG, b"2")], payload=b"")
    c.pass_time(11000)
    etags = []
    for _ in range(40):
        etags.append(c.asked(asking(timeout=b"\x01")).option(n.ETAG))
        c.pass_time(1100)
    assert etags == [None] * 32 + [b"2"] * 8


def test_without_a_slot_to_ask_a_server_anew_a_request_goes_out_without_etags():
    c = stale()
    for i in range(2):
        c.asked(asking(target=b"coap://224.0.1.187/hum%d" % i), token=b"hum%d" % i)
    assert c.asked().options == TEMP
    c.p.ask(early_stop(), token=b"hum0")
    c.p.ask(early_stop())
    assert c.asked().options[0] == (n.ETAG, b"1")


def crowd(count):
    """So many servers, and what each of them answers this request with: its ETag alone where the request has that."""
    servers = [uri.pack(bytes((192, 0, 2, 50 + i))) for i in range(count)]

    def answer(c, sent, i):
        tag = b"e%d" % i
        if (n.ETAG, tag) in sent.options:
            return c.answer(sent, servers[i], code=n.VALID, options=[(n.ETAG, tag)], payload=b"")
        return c.answer(sent, servers[i], options=[(n.ETAG, tag)], payload=tag)

    return servers, answer


def test_two_clients_hear_every_server_of_a_group_that_is_larger_than_the_cache():
    servers, answer = crowd(20)
    c = Cached(members=None, size=4096, slots=16, held=16)
    for _ in range(3):
        sent = [c.asked(token=token) for token in (b"1", b"2")]
        heard = [[], []]
        for i in range(len(servers)):
            for k in range(2):
                heard[k] += payloads(answer(c, sent[k], i))
        assert heard == [[b"e%d" % i for i in range(len(servers))]] * 2
        assert c.pass_time(11000) == [] and c.p.up.sent() == [] and c.caching.unfetched == 0
        c.pass_time(50000)
    assert n.ETAG in [number for number, _ in sent[0].options]


def test_what_an_open_request_has_the_etag_of_stays_until_its_server_has_answered():
    servers, answer = crowd(6)
    c = Cached(members=None, places=4)
    c.fill(servers[:4], more=[{"options": [(n.ETAG, b"e%d" % i)], "payload": b"e%d" % i} for i in range(4)], wait=61000)
    sent = c.asked()
    assert [value for number, value in sent.options if number == n.ETAG] == [b"e0", b"e1", b"e2", b"e3"]
    for i in (4, 5, 1):  # others would take its place
        assert payloads(answer(c, sent, i)) == [b"e%d" % i]
    assert c.cache.evicted == 0
    assert payloads(answer(c, sent, 0)) == [b"e0"]
    other = c.asked(individual(target=b"coap://192.0.2.99/x"), token=b"x")
    c.answer(other, other.peer)
    assert c.cache.evicted == 1  # the oldest, which has answered
    for i in (2, 3):
        assert payloads(answer(c, sent, i)) == [b"e%d" % i]


def test_a_server_that_is_gone_does_not_keep_its_place_for_one_request_after_the_other():
    servers, answer = crowd(6)
    c = Cached(members=None, places=4)
    c.fill(servers[:4], more=[{"options": [(n.ETAG, b"e%d" % i)], "payload": b"e%d" % i} for i in range(4)], wait=61000)
    first = c.asked(token=b"1")
    answer(c, first, 4)
    assert c.cache.evicted == 0
    second = c.asked(token=b"2")
    assert (n.ETAG, b"e0") not in second.options and (n.ETAG, b"e1") in second.options
    c.p.ask(early_stop(), token=b"1")
    answer(c, second, 4)
    assert c.cache.evicted == 1


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


def test_a_non_that_is_asked_anew_and_reset_is_5_02():
    c = stale()
    c.answer(c.asked(individual()), code=n.VALID, options=[(n.ETAG, b"9")], payload=b"")
    (again,) = c.p.up.sent()
    c.p.up.deliver(datagram(n.RST, 0, again.mid), SERVER)
    assert [p.code for p in c.p.down.sent()] == [n.BAD_GATEWAY] and c.p.free() == 4


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
