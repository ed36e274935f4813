"""The allow-list's limits, and a fair share for everybody (draft-ietf-core-groupcomm-proxy §4)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.message import Message
from groupcoap.oscore.exchange import GROUP as GROUP_MODE
from groupcoap.oscore.exchange import OSCORE
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_TIMEOUT,
    OTHER,
    SERVER,
    STRANGER,
    Proxied,
    early_stop,
    group_request,
    observing,
)

THIRD = uri.pack(b"\xc0\x00\x02\x0b", 40000)
SINGLE = [(n.PROXY_URI, b"coap://192.0.2.5/temp")]
GROUPS = (GROUP, GROUP2)
TOO_MANY_REQUESTS = 4 << 5 | 29


def proxied(exchanges=0, requests=0, max_timeout=0, **settings):
    """A proxy with these limits for CLIENT, and none for OTHER and THIRD."""
    allow = [(CLIENT[:4], GROUPS, True, exchanges, requests, max_timeout)]
    return Proxied(allow=allow + [(peer[:4], GROUPS, True) for peer in (OTHER, THIRD)], **settings)


def flood(proxy, count, peer=CLIENT, options=None, **request):
    """The tokens of so many exchanges that this client opens."""
    tokens = []
    for i in range(count):
        tokens.append(proxy.asked(options, token=b"%d" % i, peer=peer, **request).token)
        proxy.wire.advance(10)
    return tokens


def codes(packets):
    return [(packet.peer, packet.code) for packet in packets]


# Open exchanges


def test_client_may_have_as_many_exchanges_as_it_is_allowed():
    proxy = proxied(exchanges=2)
    flood(proxy, 2)
    (sent,) = proxy.ask(group_request())
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) and sent.payload
    assert proxy.up.sent() == [] and proxy.free() == 2
    proxy.asked(peer=OTHER)


def test_group_and_individual_exchanges_count_alike():
    for options in (SINGLE, group_request()):
        proxy = proxied(exchanges=1)
        proxy.asked(SINGLE, token=b"1")
        assert proxy.ask(options)[0].code == n.SERVICE_UNAVAILABLE and proxy.up.sent() == []


def test_exchange_that_has_ended_counts_no_more():
    proxy = proxied(exchanges=1)
    token = proxy.asked(token=b"1").token
    proxy.ask(early_stop(), token=b"1")
    proxy.asked(group_request(timeout=b"\x01"), token=b"2")
    proxy.wire.advance(1000)
    token = proxy.asked(SINGLE, token=b"3").token
    proxy.answer(token, 1)
    proxy.asked(token=b"4")


def test_exchanges_of_all_ports_of_a_client_count():
    proxy = proxied(exchanges=1)
    proxy.asked()
    assert proxy.ask(group_request(), peer=uri.pack(CLIENT[:4], 9))[0].code == n.SERVICE_UNAVAILABLE


def test_client_at_its_own_limit_takes_no_exchange_from_another():
    for settings, request in (
        ({"slots": 4}, {"options": group_request()}),
        ({"slots": 9, "nstart": 4}, {"options": group_request()}),
        ({"slots": 9, "up": {"outgoing": 4}}, {"options": SINGLE, "kind": n.CON}),
    ):
        proxy = proxied(exchanges=1, **settings)
        flood(proxy, 3, OTHER, **request)
        proxy.asked(token=b"own", **request)
        free = proxy.free()
        sent = proxy.ask(token=b"more", **request)
        assert codes(sent) == [(CLIENT, n.SERVICE_UNAVAILABLE)] and proxy.free() == free


def test_clients_are_told_apart_by_their_whole_address():
    from groupcoap.proxy.access import AllowList, Client

    for one, two in ((CLIENT, OTHER), (uri.pack(uri.ip_bytes("2001:db8::1")), uri.pack(uri.ip_bytes("2001:db8::2")))):
        access = AllowList([Client(one[:-2])])
        assert access.identify(Message(), one) is access.clients[0] and access.identify(Message(), two) is None


def test_name_of_a_security_context_is_who_the_client_is():
    from groupcoap.proxy.access import AllowList, Client

    class Security:
        def __init__(self, name, mode=OSCORE):
            self.name = name
            self.mode = mode

    def message(name=None, mode=OSCORE):
        m = Message()
        m.security = None if name is None else Security(name, mode)
        return m

    one = b"alic\x16\x33"  # an address that is read like a name
    access = AllowList([Client("alic"), Client(OTHER[:-2])])
    named, by_address = access.clients
    assert access.identify(message("alic"), OTHER) is named
    assert access.identify(message(), OTHER) is by_address
    assert access.identify(message(), one) is None  # an address is no name, nor is a name an address
    assert access.identify(message("bob"), OTHER) is None  # who is known by a name is not known by its address
    assert access.identify(message(""), OTHER) is None
    assert access.identify(message("alic", GROUP_MODE), OTHER) is None  # a member of a group is another alic


# Requests a minute


def test_requests_a_minute_are_limited():
    proxy = proxied(requests=2)
    for i in range(2):
        proxy.asked(group_request(timeout=b""), token=b"%d" % i)
    (sent,) = proxy.ask(group_request(timeout=b""))
    assert sent.code == TOO_MANY_REQUESTS and sent.option(n.MAX_AGE) == b"\x1f" and sent.payload
    assert proxy.up.sent() == []
    proxy.asked(peer=OTHER)


def test_credit_for_requests_comes_back_as_time_passes():
    proxy = proxied(requests=2)
    flood(proxy, 2, options=SINGLE)
    proxy.wire.advance(29900)
    (sent,) = proxy.ask(SINGLE, token=b"a")
    assert sent.code == TOO_MANY_REQUESTS and sent.option(n.MAX_AGE) == b"\x01"
    proxy.wire.advance(100)
    proxy.asked(SINGLE, token=b"b")
    assert proxy.ask(SINGLE, token=b"c")[0].code == TOO_MANY_REQUESTS


def test_credit_for_requests_has_a_bound():
    # The last is more than half of the clock
    for before, span, times in ((2, 60000, 1), (1, 60000, 1), (1, 60000, 10), (2, 0x8000000, 6)):
        proxy = proxied(requests=2)
        flood(proxy, before, options=SINGLE)
        for _ in range(times):
            proxy.wire.advance(span)
        proxy.down.sent()
        assert [len(proxy.ask(SINGLE, token=b"%d" % (9 + i))) for i in range(4)] == [0, 0, 1, 1]


def test_steady_client_within_its_limit_is_never_refused():
    proxy = proxied(requests=60)
    for _ in range(200):
        proxy.asked(group_request(timeout=b""))
        proxy.wire.advance(1000)


def test_greatest_limit_of_requests():
    proxy = proxied(requests=6000)
    for _ in range(6000):
        proxy.forward.access.clients[0].wait(proxy.wire.now)
    assert proxy.ask(group_request())[0].code == TOO_MANY_REQUESTS
    proxy.wire.advance(11)
    proxy.asked()


def test_repeated_request_counts_once():
    proxy = proxied(requests=2)
    for _ in range(3):
        proxy.ask(SINGLE, kind=n.CON, mid=500)
    proxy.up.sent()
    proxy.asked(token=b"2")


def test_request_that_is_carried_out_again_counts_again():
    proxy = proxied(requests=2)
    for _ in range(2):  # its answer is lost on its way to the client
        sent = proxy.asked(SINGLE, kind=n.CON, mid=500)
        proxy.answer(sent.token, sent.mid, kind=n.ACK)
    (refused,) = proxy.ask(SINGLE, kind=n.CON, mid=500)
    assert refused.code == TOO_MANY_REQUESTS


def test_request_that_comes_again_while_its_answer_is_awaited_counts_once():
    proxy = proxied(requests=2)
    proxy.asked(SINGLE, kind=n.CON, mid=500)
    for _ in range(3):
        proxy.ask(SINGLE, kind=n.CON, mid=500)
    proxy.asked(token=b"2")


def test_refused_request_that_comes_again_is_refused_again():
    proxy = proxied(requests=1)
    proxy.asked()
    for _ in range(2):
        (sent,) = proxy.ask(SINGLE, kind=n.CON, mid=500, token=b"2")
        assert sent.code == TOO_MANY_REQUESTS and sent.kind == n.ACK and sent.mid == 500


def test_early_stop_request_is_never_too_many():
    proxy = proxied(requests=1)
    proxy.asked()
    assert proxy.ask(early_stop(), kind=n.CON, mid=500)[0].is_empty(n.ACK, 500) and proxy.free() == 4


# T'


def test_greatest_timeout_of_a_client():
    for own, proxys, wanted, got in ((2, 120, 10, 2), (200, 5, 100, 5), (0, 5, 100, 5), (20, 120, 3, 3)):
        allow = [(CLIENT[:4], GROUPS, True, 0, 0, own)]
        proxy = Proxied(allow=allow, max_timeout=proxys)
        token = proxy.asked(group_request(timeout=bytes((wanted,)))).token
        proxy.wire.advance(1000 * got - 1)
        assert len(proxy.answer(token, 1)) == 1
        proxy.wire.advance(1)
        assert proxy.answer(token, 2) == [] and proxy.free() == 4


def test_greatest_timeout_of_one_client_is_not_anothers():
    proxy = proxied(max_timeout=1)
    token = proxy.asked(peer=OTHER).token
    proxy.wire.advance(9000)
    assert len(proxy.answer(token, 1)) == 1


# A fair share of the exchanges


def test_client_alone_may_have_all_exchanges():
    proxy = proxied(slots=4)
    flood(proxy, 4)
    (sent,) = proxy.ask(group_request())
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.peer == CLIENT and proxy.up.sent() == []


def test_second_client_gets_in_and_the_oldest_exchange_of_the_first_ends():
    proxy = proxied(slots=4)
    tokens = flood(proxy, 4)
    sent = proxy.ask(group_request(), peer=OTHER)
    assert codes(sent) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    assert sent[0].token == b"0" and sent[0].kind == n.NON
    (forwarded,) = proxy.up.sent()
    assert [len(proxy.answer(token, i)) for i, token in enumerate(tokens)] == [0, 1, 1, 1]
    assert proxy.answer(forwarded.token, 9)[0].peer == OTHER


def test_second_client_gets_up_to_an_even_share():
    for slots in (2, 3, 4, 7, 8):
        proxy = proxied(slots=slots)
        flood(proxy, slots)
        for i in range(slots // 2):
            assert codes(proxy.ask(group_request(), peer=OTHER, token=b"%d" % i)) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
        assert codes(proxy.ask(group_request(), peer=OTHER, token=b"x")) == [(OTHER, n.SERVICE_UNAVAILABLE)]
        assert len(proxy.up.sent()) == slots // 2


def test_nobody_takes_from_another_to_and_fro():
    proxy = proxied(slots=4)
    flood(proxy, 4)
    for i in range(2):
        proxy.ask(group_request(), peer=OTHER, token=b"%d" % i)
    for i in range(6):  # both want more
        for peer in (CLIENT, OTHER):
            assert codes(proxy.ask(group_request(), peer=peer, token=b"m%d" % i)) == [(peer, n.SERVICE_UNAVAILABLE)]


def test_third_client_takes_from_who_has_most():
    proxy = proxied(slots=6)
    flood(proxy, 2, OTHER)
    flood(proxy, 4)
    assert codes(proxy.ask(group_request(), peer=THIRD, token=b"1")) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    assert codes(proxy.ask(group_request(), peer=THIRD, token=b"2")) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    assert codes(proxy.ask(group_request(), peer=THIRD, token=b"3")) == [(THIRD, n.SERVICE_UNAVAILABLE)]


def test_client_of_many_ports_is_one():
    proxy = proxied(slots=4)
    for i in range(4):
        proxy.asked(peer=uri.pack(CLIENT[:4], 1000 + i))
        proxy.wire.advance(10)
    (sent,) = proxy.ask(group_request(), peer=OTHER)
    assert sent.peer == uri.pack(CLIENT[:4], 1000) and sent.code == n.SERVICE_UNAVAILABLE


def test_client_with_one_exchange_keeps_it():
    proxy = proxied(slots=2)
    flood(proxy, 1)
    flood(proxy, 1, OTHER)
    assert codes(proxy.ask(group_request(), peer=THIRD)) == [(THIRD, n.SERVICE_UNAVAILABLE)]


def test_individual_exchange_that_makes_room_is_answered():
    for kind, acked, wanted in ((n.CON, False, n.ACK), (n.CON, True, n.CON), (n.NON, False, n.NON)):
        proxy = proxied(slots=2, up={"outgoing": 8})
        flood(proxy, 2, options=SINGLE, kind=kind)
        if acked:
            proxy.wire.advance(1000)
            proxy.down.sent()
        sent = proxy.ask(group_request(), peer=OTHER)
        assert codes(sent) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
        assert sent[0].kind == wanted and sent[0].token == b"0"


def test_individual_exchange_that_makes_room_is_not_sent_again():
    proxy = proxied(slots=2, up={"outgoing": 8})
    mids = []
    for i in range(2):
        mids.append(proxy.asked(SINGLE, token=b"%d" % i, kind=n.CON).mid)
        proxy.wire.advance(10)
    proxy.ask(group_request(timeout=b"\xff"), peer=OTHER)
    proxy.up.sent()
    proxy.wire.advance(3000)
    assert [sent.mid for sent in proxy.up.sent()] == mids[1:]


def test_observation_that_makes_room_is_taken_back():
    proxy = proxied(slots=2, observations=2)
    tokens = []
    for i in range(2):
        tokens.append(proxy.registered(token=b"%d" % i).token)
        proxy.notify(tokens[i], i, 5)
        proxy.wire.advance(10)
    assert codes(proxy.ask(group_request(), peer=OTHER)) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    back, forwarded = proxy.up.sent()
    assert back.token == tokens[0] and back.option(n.OBSERVE) == b"\x01"
    assert forwarded.options == [(n.URI_PATH, b"temp")] and forwarded.token not in tokens
    assert proxy.answer(forwarded.token, 9)[0].peer == OTHER


def test_request_that_an_observation_makes_room_for_is_stored_as_what_it_is():
    from groupcoap.proxy.cache import Cache
    from groupcoap.proxy.caching import Caching

    other, single = [(n.PROXY_URI, b"coap://192.0.2.5/other")], [(n.PROXY_URI, b"coap://192.0.2.5/x")]
    for options in (group_request(b"coap://224.0.1.187/x"), single):
        proxy = proxied(slots=2, observations=2)
        cache = Cache(2048, 16, 2, 6, proxy.wire.timers, proxy.wire.entropy)
        Caching(proxy.relay, cache, None)
        flood(proxy, 2, options=observing(target=b"coap://224.0.1.187/other"))
        proxy.ask(options, peer=OTHER)
        back, forwarded = proxy.up.sent()
        assert back.option(n.OBSERVE) == b"\x01" and forwarded.option(n.URI_PATH) == b"x"
        proxy.answer(forwarded.token, 1, payload=b"x")
        proxy.ask(early_stop(), peer=OTHER)
        proxy.asked(other, peer=OTHER, token=b"y")  # is not answered from the cache
        proxy.ask(early_stop(), peer=OTHER, token=b"y")
        (sent,) = proxy.ask(single, peer=OTHER, token=b"z")
        assert sent.payload == b"x" and proxy.up.sent() == []


def test_work_of_a_refusal_grows_with_the_slots_and_not_with_their_square():
    for slots in (16, 255):
        proxy = proxied(slots=slots, nstart=255, sizes={"recent_messages": 512})
        flood(proxy, slots)
        asked = []

        def counted(slot, asked=asked):
            asked.append(slot)
            return True

        assert not proxy.relay.make_room(proxy.access.clients[0], counted, proxy.wire.now)
        assert len(asked) <= 2 * slots


# A fair share of the exchanges with one group


def test_exchanges_with_one_group_are_shared_fairly():
    proxy = proxied(slots=9, nstart=4)
    flood(proxy, 4)
    assert codes(proxy.ask(group_request(), token=b"x")) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    for i in range(2):
        assert codes(proxy.ask(group_request(), peer=OTHER, token=b"%d" % i)) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    assert codes(proxy.ask(group_request(), peer=OTHER, token=b"x")) == [(OTHER, n.SERVICE_UNAVAILABLE)]
    assert proxy.free() == 5


def test_exchanges_with_another_group_make_no_room():
    proxy = proxied(slots=9, nstart=2)
    flood(proxy, 1)
    other = group_request(b"coap://224.0.1.188/temp")
    tokens = [proxy.asked(other, token=b"o%d" % i).token for i in range(2)]
    flood(proxy, 1, OTHER)
    # Two exchanges with the first group are open, one of each; CLIENT's two with the second are none of its concern
    assert codes(proxy.ask(group_request(), peer=THIRD)) == [(THIRD, n.SERVICE_UNAVAILABLE)]
    assert [len(proxy.answer(token, i)) for i, token in enumerate(tokens)] == [1, 1]
    assert codes(proxy.ask(other, peer=THIRD)) == [(CLIENT, n.SERVICE_UNAVAILABLE)]


def test_exchange_that_makes_room_is_one_with_that_group():
    proxy = proxied(slots=9, nstart=4)
    proxy.asked(group_request(b"coap://224.0.1.188/temp"), token=b"older")
    proxy.wire.advance(10)
    flood(proxy, 4)
    (sent,) = proxy.ask(group_request(), peer=OTHER)
    assert sent.token == b"0" and len(proxy.up.sent()) == 1


# A fair share of the CONs under way upstream


def test_cons_under_way_are_shared_fairly():
    proxy = proxied(slots=9, up={"outgoing": 4})
    flood(proxy, 4, options=SINGLE, kind=n.CON)
    assert codes(proxy.ask(SINGLE, kind=n.CON, token=b"x")) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
    for i in range(2):
        sent = proxy.ask(SINGLE, kind=n.CON, peer=OTHER, token=b"%d" % i)
        assert codes(sent) == [(CLIENT, n.SERVICE_UNAVAILABLE)] and sent[0].token == b"%d" % i
        assert len(proxy.up.sent()) == 1
    assert codes(proxy.ask(SINGLE, kind=n.CON, peer=OTHER, token=b"x")) == [(OTHER, n.SERVICE_UNAVAILABLE)]


def test_exchanges_that_a_server_has_acknowledged_make_no_room_for_cons():
    proxy = proxied(slots=9, up={"outgoing": 2})
    for i in range(3):
        sent = proxy.asked(SINGLE, kind=n.CON, token=b"a%d" % i)
        proxy.up.endpoint.outgoing.acknowledged(SERVER, sent.mid, proxy.wire.now)
    proxy.asked(SINGLE, kind=n.CON, token=b"1")
    proxy.asked([(n.PROXY_URI, b"coap://192.0.2.6/temp")], kind=n.CON, token=b"1", peer=THIRD)
    assert codes(proxy.ask(SINGLE, kind=n.CON, peer=OTHER)) == [(OTHER, n.SERVICE_UNAVAILABLE)]


def test_nons_need_no_place_among_the_cons():
    proxy = proxied(slots=9, up={"outgoing": 2})
    flood(proxy, 2, options=SINGLE, kind=n.CON)
    proxy.asked(SINGLE, peer=OTHER)


# A fair share of the observations


def test_places_for_observations_are_shared_fairly():
    for options in (observing(), observing(target=b"coap://192.0.2.5/temp", timeout=None)):
        proxy = proxied(slots=9, observations=4)
        tokens = flood(proxy, 4, options=options)
        assert proxy.asked(options, token=b"x").option(n.OBSERVE) is None  # of a client alone none ends for another
        for i in range(2):
            assert codes(proxy.ask(options, peer=OTHER, token=b"%d" % i)) == [(CLIENT, n.SERVICE_UNAVAILABLE)]
            assert proxy.up.sent()[-1].option(n.OBSERVE) == b"" and len(proxy.observations) == 4
        assert proxy.asked(options, peer=OTHER, token=b"y").option(n.OBSERVE) is None
        assert [proxy.notify(token, i, 5) for i, token in enumerate(tokens[:2])] == [[], []]
        for i, token in enumerate(tokens[2:]):
            (sent,) = proxy.notify(token, 2 + i, 5)
            proxy.from_client(n.ACK, sent.mid)


def test_where_places_lack_it_is_found_out_who_is_still_there():
    proxy = proxied(observations=1)
    token = proxy.asked(observing()).token
    (sent,) = proxy.notify(token, 1, 5)
    assert sent.kind == n.NON
    assert proxy.asked(observing(), peer=OTHER).option(n.OBSERVE) is None  # one each is as even as it gets
    (sent,) = proxy.notify(token, 2, 6)
    assert sent.kind == n.CON


def test_observation_makes_room_for_an_observation_and_nothing_else():
    proxy = proxied(slots=9, observations=2)
    proxy.asked(token=b"older")
    proxy.wire.advance(10)
    flood(proxy, 2, options=observing())
    (sent,) = proxy.ask(observing(), peer=OTHER)
    assert sent.token == b"0" and len(proxy.observations) == 2


# Why requests are refused


def refusals(proxy, *requests):
    """The reasons that are counted once these requests have been sent."""
    for i, (options, request) in enumerate(requests):
        proxy.ask(options, **dict({"token": b"r%d" % i}, **request))
    return proxy.access.reasons


def test_refusals_are_told_apart_by_their_reason():
    group, single, cri = group_request(), SINGLE, [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, b"?")]
    stranger = {"peer": STRANGER}
    for reason, settings, requests in (
        ("client", {}, [(group, stranger)]),
        ("client", {}, [(single, stranger)]),
        ("client", {"resolve": lambda name: None}, [([(n.PROXY_URI, b"coap://a/")], stranger)]),
        ("group", {"allow": [(CLIENT[:4], (GROUP2,))]}, [(group, {})]),
        ("group", {"allow": [(CLIENT[:4],)]}, [(group, {})]),
        ("unicast", {"allow": [(CLIENT[:4], (GROUP,), False)]}, [(single, {})]),
        ("requests_a_minute", {"allow": [(CLIENT[:4], (GROUP,), True, 0, 1)]}, [(group, {})] * 2),
        ("exchanges", {"allow": [(CLIENT[:4], (GROUP,), True, 1)]}, [(group, {})] * 2),
        ("exchanges", {"allow": [(CLIENT[:4], (GROUP,), True, 1)]}, [(single, {})] * 2),
        ("slots", {"slots": 1}, [(group, {})] * 2),
        ("slots", {"slots": 1}, [(single, {})] * 2),
        ("nstart", {"nstart": 1}, [(group, {})] * 2),
        ("probing_rate", {"probing_rate": 1}, [(group, {})] * 2),
        ("confirmable", {"up": {"outgoing": 1}}, [(single, {"kind": n.CON})] * 2),
        ("timeout", {}, [([(n.PROXY_URI, b"coap://224.0.1.187/temp")], {})]),
        ("token", {}, [(group, {"token": b"t"})] * 2),
        ("target", {}, [(cri, {})]),
        ("target", {}, [([(n.PROXY_URI, b"http://192.0.2.5/")], {})]),
        ("request", {}, [([(n.HOP_LIMIT, b"\0")] + single, {})]),
    ):
        assert refusals(Proxied(**settings), *requests) == {reason: 1}, reason


def test_refusals_are_counted_by_code_as_well():
    proxy = proxied(slots=1)
    assert refusals(proxy, *[(group_request(), {})] * 4) == {"slots": 3}
    assert proxy.forward.refusals == {n.SERVICE_UNAVAILABLE: 3}


# A fair share of the kept answers


def post(proxy, i, peer=CLIENT, answer=True):
    """A client POSTs through the proxy, and is answered: what it gets."""
    proxy.ask(SINGLE, kind=n.CON, code=n.POST, token=b"%d" % i, peer=peer, mid=1000 + i)
    for sent in proxy.up.sent():
        if not answer:
            return []
        proxy.answer(sent.token, sent.mid, kind=n.ACK, code=n.CHANGED, payload=b"")
        return [n.CHANGED]
    return [n.SERVICE_UNAVAILABLE]


def test_posts_of_one_client_do_not_keep_another_out():
    proxy = proxied(slots=9, down={"kept_answers": 4})
    assert [post(proxy, i)[0] for i in range(5)] == [n.CHANGED] * 4 + [n.SERVICE_UNAVAILABLE]
    assert [post(proxy, i, OTHER)[0] for i in range(3)] == [n.CHANGED] * 2 + [n.SERVICE_UNAVAILABLE]
    assert post(proxy, 9) == [n.SERVICE_UNAVAILABLE]


def test_posts_still_to_be_answered_keep_their_place():
    proxy = proxied(slots=9, down={"kept_answers": 2}, up={"outgoing": 9})
    for i in range(2):
        post(proxy, i, answer=False)
    assert post(proxy, 0, OTHER) == [n.SERVICE_UNAVAILABLE]


def test_observation_is_refused_by_its_clients_limit_as_any_exchange():
    proxy = proxied(exchanges=1, observations=2)
    proxy.registered()
    assert proxy.ask(observing(), token=b"2")[0].code == n.SERVICE_UNAVAILABLE
    assert len(proxy.observations) == 1


def test_what_a_client_is_called_is_a_matter_of_who_identifies_it():
    from groupcoap.proxy.status import Status

    proxy = proxied()
    proxy.access.clients[0].name = "kid 7"
    proxy.forward.local.add = lambda path, form, read: 5
    status = Status([proxy.forward], lambda: proxy.wire.now).read()
    assert [client["client"] for client in status["clients"]] == ["kid 7", "192.0.2.10", "192.0.2.11"]
