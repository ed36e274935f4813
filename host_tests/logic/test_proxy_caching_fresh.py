"""What fresh entries are good for beside a request that goes out, and what ends them (draft-ietf-core-groupcomm-proxy
§7.1, RFC 7252 §5.9.1); with profile 00 and at a reverse-proxy; bounds.
"""

from cached import GROUP_ETAG, GROUP_URI, SERVER3, TEMP, Cached, asking, individual, origin
from groupcoap import numbers as n
from groupcoap.proxy.names import response_forwarding
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    UNKNOWN_UNSAFE,
    allocated,
    datagram,
    early_stop,
)

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
        assert c.asked(individual(), token=b"5").peer == SERVER  # who may have done it without a word


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
