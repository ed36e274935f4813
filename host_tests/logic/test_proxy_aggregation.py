"""One aggregated response at the proxy, at the wire: Accept 62 on a group request (RFC 8710, docs/aggregate.md)."""

from groupcoap import multipart, uri
from groupcoap import numbers as n
from groupcoap.message import uint_bytes
from groupcoap.proxy.aggregate import Collections
from groupcoap.proxy.aggregation import Aggregation
from groupcoap.proxy.cache import Cache
from groupcoap.proxy.caching import Caching
from groupcoap.proxy.chain import Chain
from groupcoap.proxy.members import Members
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    REPLY_FROM,
    SERVER,
    SERVER2,
    UNKNOWN_UNSAFE,
    Proxied,
    datagram,
    early_stop,
)

ACCEPT = (n.ACCEPT, b"\x3e")
TEMP = [(n.URI_PATH, b"temp")]


def asking(more=(), timeout=b"\x0a", target=b"coap://224.0.1.187/temp", accept=(ACCEPT,)):
    found = [(MULTICAST_TIMEOUT, timeout), (n.PROXY_URI, target)] + list(accept) + list(more)
    return sorted(found, key=lambda pair: pair[0])


def block2(num, szx=6, more=False):
    return n.BLOCK2, uint_bytes(num << 4 | more << 3 | szx)


class Aggregating:
    def __init__(self, size=2048, places=1, **settings):
        self.p = Proxied(**settings)
        self.wire = self.p.wire
        self.collections = Collections(places, size, self.wire.timers)
        Aggregation(self.p.relay, self.collections)
        self._mid = 300

    def asked(self, options=None, **request):
        return self.p.asked(asking() if options is None else options, **request)

    def ask(self, options, **request):
        """Send a request: what comes back; nothing goes to the group."""
        found = self.p.ask(options, **request)
        assert self.p.up.sent() == []
        return found

    def answer(self, sent, peer=SERVER, **response):
        """A server answers: nobody is told of it now."""
        self._mid += 1
        assert self.p.answer(sent.token, self._mid, peer=peer, **response) == []

    def pass_time(self, span=10000):
        self.wire.advance(span)
        return self.p.down.sent()

    def large(self, count=30, length=40, **request):
        """A complete answer of several blocks, the first of which has been given: (that, what it was sent for)."""
        sent = self.asked(**request)
        for i in range(count):
            self.answer(sent, payload=bytes((65 + i,)) * length)
        (first,) = self.pass_time()
        return first


def seen(payload):
    return [(a.origin, a.code, a.content_format, a.payload) for a in multipart.responses(payload)]


def test_who_finds_no_place_for_his_answers_ends_no_exchange_of_anothers():
    a = Aggregating(slots=4)
    a.asked(token=b"a0")
    for i in range(3):
        a.p.asked(asking(target=b"coap://224.0.1.187/x%d" % i, accept=()), token=b"x%d" % i)
    found = a.ask(asking(), token=b"b0", peer=OTHER)
    assert [(p.peer, p.token, p.code) for p in found] == [(OTHER, b"b0", n.SERVICE_UNAVAILABLE)]
    assert a.p.free() == 0 and a.p.relay.closed == 0 and a.p.access.reasons == {"aggregate": 1}


def test_who_found_no_place_comes_before_who_had_one():
    a = Aggregating()
    a.asked(token=b"1")
    assert a.ask(asking(), token=b"b", peer=OTHER)[0].code == n.SERVICE_UNAVAILABLE
    a.pass_time()
    for _ in range(3):
        assert a.ask(asking(), token=b"2")[0].code == n.SERVICE_UNAVAILABLE
        a.pass_time(1000)
    a.asked(token=b"c", peer=OTHER)
    a.pass_time()
    a.asked(token=b"2")


def test_who_found_no_place_and_does_not_come_again_keeps_nobody_out_for_long():
    a = Aggregating()
    a.asked(token=b"1")
    a.ask(asking(), token=b"b", peer=OTHER)
    a.pass_time()
    a.pass_time(4999)
    assert a.ask(asking(), token=b"2")[0].code == n.SERVICE_UNAVAILABLE
    a.pass_time(1)
    a.asked(token=b"2")


def test_who_does_not_fetch_the_rest_cannot_keep_the_place_by_asking_again():
    a = Aggregating()
    a.large(token=b"1")
    assert a.ask(asking(), token=b"b", peer=OTHER)[0].code == n.SERVICE_UNAVAILABLE
    for _ in range(12):
        a.pass_time(5000)
        assert a.ask(asking(), token=b"2")[0].code == n.SERVICE_UNAVAILABLE
    a.asked(token=b"c", peer=OTHER)


def test_the_answers_come_as_one_when_the_time_is_over():
    a = Aggregating()
    sent = a.asked()
    assert sent.options == TEMP  # the Accept does not go on
    a.answer(sent, options=[(n.CONTENT_FORMAT, b"")])
    assert a.pass_time(9000) == []
    a.answer(sent, SERVER2, code=n.NOT_FOUND, payload=b"")
    a.answer(sent, payload=b"22")
    (found,) = a.pass_time(1000)
    assert (found.kind, found.code, found.token, found.peer) == (n.NON, n.CONTENT, b"tok", CLIENT)
    assert found.options == [(n.CONTENT_FORMAT, b"\x3e"), (n.MAX_AGE, b"")]
    assert seen(found.payload) == [
        (SERVER, n.CONTENT, 0, b"21.5"),
        (SERVER2, n.NOT_FOUND, None, b""),
        (SERVER, n.CONTENT, 42, b"22"),
    ]
    assert a.p.free() == 4 and a.p.relay.closed == 1
    assert a.pass_time(60000) == []


def test_what_comes_too_late_is_not_in_it():
    a = Aggregating()
    sent = a.asked()
    (found,) = a.pass_time()
    assert seen(found.payload) == []
    a.answer(sent)
    assert a.pass_time() == []


def test_a_con_request_has_an_ack_at_once_and_a_separate_con_response():
    a = Aggregating()
    acked = a.p.ask(asking(), kind=n.CON, mid=8)
    assert len(acked) == 1 and acked[0].is_empty(n.ACK, 8)
    (sent,) = a.p.up.sent()
    a.answer(sent)
    again = a.ask(asking(), kind=n.CON, mid=8)  # its ACK was lost
    assert len(again) == 1 and again[0].is_empty(n.ACK, 8)
    (found,) = a.pass_time()
    assert (found.kind, found.code, found.token) == (n.CON, n.CONTENT, b"tok") and found.mid != 8
    (again,) = a.pass_time(3000)  # until it is acknowledged
    assert again.raw == found.raw
    a.p.down.receive(datagram(n.ACK, 0, found.mid), CLIENT)
    assert a.pass_time(60000) == []


def test_a_confirmable_answer_of_a_server_is_acknowledged():
    a = Aggregating()
    sent = a.asked()
    a.answer(sent, kind=n.CON)
    assert [(p.kind, p.code) for p in a.p.up.sent()] == [(n.ACK, 0)]
    assert len(seen(a.pass_time()[0].payload)) == 1


def test_an_answer_that_is_not_to_be_relayed_counts_as_5_02():
    a = Aggregating()
    sent = a.asked()
    a.answer(sent, options=[(UNKNOWN_UNSAFE, b"")])
    a.answer(sent, SERVER2)
    (found,) = a.pass_time()
    assert seen(found.payload) == [(SERVER, n.BAD_GATEWAY, None, b""), (SERVER2, n.CONTENT, 42, b"21.5")]
    assert a.p.relay.refused_responses == 1


def test_another_accept_a_unicast_request_and_a_proxy_without_the_configuration_pass_it_on():
    a = Aggregating()
    sent = a.p.asked(asking(accept=[(n.ACCEPT, b"\x3c")]))
    assert sent.option(n.ACCEPT) == b"\x3c"
    assert len(a.p.answer(sent.token, 1)) == 1
    sent = a.p.asked([ACCEPT, (n.PROXY_URI, b"coap://192.0.2.5/temp")], token=b"u")
    assert sent.option(n.ACCEPT) == b"\x3e"
    p = Proxied()
    sent = p.asked(asking())
    assert sent.options == TEMP + [ACCEPT]
    (found,) = p.answer(sent.token, 1)
    assert found.payload == b"21.5"


def test_profile_00_names_origins_by_reply_from_in_it():
    a = Aggregating()
    options = [ACCEPT, (n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\x0a")]
    sent = a.asked(options)
    assert sent.options == TEMP + [(MULTICAST_SIGNALING, b"\x0a")]
    a.answer(sent)
    (found,) = a.pass_time()
    assert seen(found.payload) == [(SERVER, n.CONTENT, 42, b"21.5")]


def test_observe_has_no_part_in_it():
    a = Aggregating(observations=2)
    sent = a.asked(asking([(n.OBSERVE, b"")]))
    assert sent.options == TEMP
    a.answer(sent, options=[(n.OBSERVE, b"\x05")])
    (found,) = a.pass_time()
    assert found.option(n.OBSERVE) is None and a.p.free() == 4


def test_nothing_is_collected_where_no_answers_are_wanted():
    a = Aggregating()
    sent = a.asked(asking(timeout=b""))
    assert a.p.free() == 4
    assert sent.option(n.ACCEPT) is None
    assert a.pass_time() == []
    assert a.asked()  # the place is free


def test_what_another_proxy_is_asked_for_is_left_to_that():
    hop = uri.pack(b"\xc0\x00\x02\x02")
    a = Aggregating()
    Chain(a.p.relay, hop)
    for mid, more in enumerate(([], [block2(0)], [block2(1)])):
        sent = a.asked(asking(more), token=bytes((mid,)))
        assert (sent.peer, sent.option(n.ACCEPT)) == (hop, b"\x3e")
        assert sent.option(n.BLOCK2) == (more[0][1] if more else None)
        (found,) = a.p.answer(sent.token, mid, options=[(n.CONTENT_FORMAT, b"\x3e")], peer=hop)
        assert found.payload == b"21.5"


# Blocks


def test_a_large_one_comes_block_by_block_and_nothing_goes_to_the_group():
    a = Aggregating()
    first = a.large()
    assert first.kind == n.NON and len(first.payload) == 1024
    assert first.option(n.BLOCK2) == b"\x0e"
    size = int.from_bytes(first.option(n.SIZE2), "big")
    (second,) = a.ask(asking([block2(1)]), token=b"more")
    assert (second.kind, second.code, second.token) == (n.NON, n.CONTENT, b"more")
    assert second.options == [
        (n.ETAG, first.option(n.ETAG)),
        (n.CONTENT_FORMAT, b"\x3e"),
        (n.MAX_AGE, b""),
        (n.BLOCK2, b"\x16"),
    ]
    whole = first.payload + second.payload
    assert len(whole) == size
    assert [p for _, _, _, p in seen(whole)] == [bytes((65 + i,)) * 40 for i in range(30)]
    assert a.p.free() == 4


def test_further_blocks_of_a_con_request_ride_on_the_ack_again_and_again():
    a = Aggregating()
    a.large(kind=n.CON)
    (found,) = a.ask(asking([block2(1)]), kind=n.CON, mid=77, token=b"more")
    assert (found.kind, found.mid, found.token, found.code) == (n.ACK, 77, b"more", n.CONTENT)
    (again,) = a.ask(asking([block2(1)]), kind=n.CON, mid=77, token=b"more")
    assert again.raw == found.raw


def test_blocks_may_be_smaller_from_the_beginning_or_later():
    a = Aggregating()
    sent = a.asked(asking([block2(0, 2)]))  # 64 bytes
    assert sent.options == TEMP
    for i in range(10):
        a.answer(sent, payload=bytes((65 + i,)) * 20)
    (first,) = a.pass_time()
    assert first.option(n.BLOCK2) == b"\x0a" and len(first.payload) == 64
    whole = first.payload
    num, szx = 2, 1
    while True:
        (found,) = a.ask(asking([block2(num, szx)]))
        whole += found.payload
        assert found.option(n.ETAG) == first.option(n.ETAG)
        if not int.from_bytes(found.option(n.BLOCK2), "big") & 8:
            break
        num += 1
    assert len(seen(whole)) == 10


def test_a_block_behind_the_end_or_of_nothing_is_4_00():
    a = Aggregating()
    (found,) = a.ask(asking([block2(1)]))
    assert (found.code, found.option(REPLY_FROM)) == (n.BAD_REQUEST, None)
    a.large()
    (found,) = a.ask(asking([block2(2)]))
    assert found.code == n.BAD_REQUEST
    (found,) = a.ask(asking([block2(1)]), peer=OTHER)  # it was not his
    assert found.code == n.BAD_REQUEST
    (found,) = a.ask(asking([block2(1)], target=b"coap://224.0.1.187/hum"))
    assert found.code == n.BAD_REQUEST
    (found,) = a.ask(asking([block2(1)]))
    assert found.code == n.CONTENT


def test_blocks_belong_to_the_whole_request():
    a = Aggregating()
    a.large(code=n.FETCH, payload=b"a", options=asking([(n.URI_QUERY, b"a")], target=b"coap://224.0.1.187/temp"))
    wrong = [({"payload": b"b"}, []), ({"code": n.GET}, []), ({}, [(n.URI_HOST, b"x")])]
    for request, more in wrong:
        how = {"code": n.FETCH, "payload": b"a"}
        how.update(request)
        (found,) = a.ask(asking([block2(1), (n.URI_QUERY, b"a")] + more), **how)
        assert found.code == n.BAD_REQUEST, request
    (found,) = a.ask(asking([block2(1), (n.URI_QUERY, b"b")]), code=n.FETCH, payload=b"a")
    assert found.code == n.BAD_REQUEST
    more = [block2(1), (n.URI_QUERY, b"a"), (n.SIZE2, b""), (n.ETAG, b"1")]
    (found,) = a.ask(asking(more), code=n.FETCH, payload=b"a")
    assert found.code == n.CONTENT


def test_answers_are_counted_while_they_are_collected():
    a = Aggregating()
    sent = a.asked()
    for count in range(3):
        assert a.p.relay.answers(sent.token[0]) == count
        a.answer(sent)


def test_a_later_block_of_another_format_goes_on():
    a = Aggregating()
    sent = a.asked(asking([block2(1)], accept=[(n.ACCEPT, b"\x3c")]))
    assert sent.option(n.BLOCK2) == b"\x16"


def test_the_next_exchange_of_a_slot_is_an_ordinary_one():
    a = Aggregating(slots=1)
    a.asked()
    assert len(a.pass_time()) == 1
    sent = a.asked(asking(accept=()))
    (found,) = a.p.answer(sent.token, 1)
    assert found.payload == b"21.5"
    assert a.pass_time() == []


def test_a_block_of_the_reserved_size_is_4_00_and_takes_nothing():
    a = Aggregating()
    (found,) = a.ask(asking([block2(0, 7)]))
    assert found.code == n.BAD_REQUEST
    assert a.p.free() == 4
    assert a.asked()


def test_a_block_that_comes_too_late_is_4_00():
    a = Aggregating()
    a.large()
    a.pass_time(61000)
    (found,) = a.ask(asking([block2(1)]))
    assert found.code == n.BAD_REQUEST


def test_the_same_request_without_block2_asks_the_group_anew():
    a = Aggregating()
    first = a.large()
    sent = a.asked()
    a.answer(sent, payload=b"new")
    (found,) = a.pass_time()
    assert seen(found.payload) == [(SERVER, n.CONTENT, 42, b"new")]
    assert first.token == found.token


# Places


def test_where_all_places_are_taken_the_next_one_is_refused_and_does_not_go_out():
    a = Aggregating()
    a.asked()
    (found,) = a.ask(asking(), token=b"two", peer=OTHER)
    assert (found.code, found.token, found.peer) == (n.SERVICE_UNAVAILABLE, b"two", OTHER)
    assert 0 < int.from_bytes(found.option(n.MAX_AGE), "big") <= 12
    assert a.p.free() == 3
    assert len(a.pass_time()) == 1
    assert a.asked(peer=OTHER)  # what has been given out whole makes room


def test_what_is_not_fetched_holds_its_place_for_a_time():
    a = Aggregating()
    a.large()
    (found,) = a.ask(asking(), token=b"two", peer=OTHER)
    assert found.code == n.SERVICE_UNAVAILABLE
    a.pass_time(61000)
    assert a.asked(peer=OTHER)


def test_two_places_keep_two_apart():
    a = Aggregating(places=2)
    one = a.asked(token=b"one")
    two = a.asked(token=b"two", peer=OTHER)
    a.answer(one, payload=b"1")
    a.answer(two, payload=b"2")
    found = a.pass_time()
    assert sorted([(p.token, p.peer, seen(p.payload)[0][3]) for p in found]) == [
        (b"one", CLIENT, b"1"),
        (b"two", OTHER, b"2"),
    ]


def test_an_early_stop_or_a_request_with_its_token_drops_what_was_collected():
    for stop in (early_stop(), asking(target=b"coap://224.0.1.187/hum")):
        a = Aggregating()
        sent = a.asked()
        a.answer(sent)
        a.ask(stop)
        assert a.p.free() == 4
        a.answer(sent)
        assert a.pass_time() == []
        sent = a.asked()  # the place is free, and empty
        (found,) = a.pass_time()
        assert seen(found.payload) == []


def test_answers_that_do_not_fit_are_said_to_be_missing():
    a = Aggregating(size=256)
    sent = a.asked()
    for i in range(30):
        a.answer(sent, payload=bytes((65 + i,)) * 20)
    (found,) = a.pass_time()
    answers = seen(found.payload)
    assert 0 < len(answers) < 12 and len(found.payload) <= 256
    assert answers[-1] == (None, n.SERVICE_UNAVAILABLE, None, b"")
    assert a.collections.dropped == 31 - len(answers)


def test_the_cache_has_no_part_in_it():
    a = Aggregating(held=4)
    cache = Cache(2048, 16, 4, 6, a.wire.timers, a.wire.entropy)
    Caching(a.p.relay, cache, Members({GROUP: (SERVER,)}))
    plain = a.p.asked(asking(accept=()))
    assert len(a.p.answer(plain.token, 1)) == 1
    a.pass_time()
    assert len(cache) == 1
    sent = a.asked()  # though the members and their responses are known
    a.answer(sent, payload=b"new")
    (found,) = a.pass_time()
    assert seen(found.payload) == [(SERVER, n.CONTENT, 42, b"new")]
    (found,) = a.ask(asking(accept=()))
    assert found.payload == b"21.5"
