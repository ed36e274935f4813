"""What may go wrong in a proxy between its parts, or at the bounds of what a datagram may be."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.chain import Chain
from groupcoap.proxy.local import Local
from groupcoap.proxy.relay import Relay
from groupcoap.proxy.reverse import ADDRESS, HOST, PATH, ReverseProxy, StandIn
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    REPLY_FROM,
    SERVER,
    Proxied,
    Wire,
    datagram,
    early_stop,
    group_request,
    observing,
)

HOP = uri.pack(b"\xc0\x00\x02\x02")
OWN = uri.pack(b"\xc0\x00\x02\x15")
OWN1 = uri.pack(b"\xc0\x00\x02\x16")
FROM = b"\x82\x20\x81\x44" + SERVER[:4]
INDIVIDUAL = [(n.PROXY_URI, b"coap://192.0.2.5/temp")]
TEMP = (n.URI_PATH, b"temp")


class Reverse:
    """A reverse-proxy, in front of another where `hop` is given: by host, by path, and by an own address."""

    def __init__(self, hop=None):
        self.wire = Wire()
        self.down = self.wire.port()
        self.up = self.wire.port(parameters=Parameters(nstart=16))
        self.relay = Relay(self.down.endpoint, self.up.endpoint, 4)
        if hop is not None:
            Chain(self.relay, None)
        stand_ins = [
            StandIn(GROUP, HOST, "group1.com", True, hop),
            StandIn(GROUP, PATH, [b"lights"], True, hop),
            StandIn(GROUP2, ADDRESS, OWN, {SERVER: OWN1}, hop),
        ]
        access = AllowList([Client(CLIENT[:4], (GROUP, GROUP2))])
        self.ports = {PROXY: self.down}
        local = Local(self.down.endpoint)
        self.down.endpoint.role = ReverseProxy(self.relay, local, access, PROXY, stand_ins)
        for own in (OWN, OWN1):
            self.ports[own] = port = self.wire.port(buf=self.down.endpoint.buf)
            self.relay.serve(port.endpoint)
            port.endpoint.role = ReverseProxy(self.relay, local, access, own, stand_ins, down=port.endpoint)


# At the bounds of a datagram


def test_request_to_the_proxy_itself_that_is_longer_than_what_it_sends_is_refused():
    p = Proxied()
    for target in (b"coap://192.0.2.1/temp", b"coap://192.0.2.1"):
        (got,) = p.ask([(n.PROXY_URI, target)], code=n.PUT, payload=bytes(1200))
        assert got.code == n.REQUEST_ENTITY_TOO_LARGE and got.peer == CLIENT
    assert p.free() == 4
    p.asked()


def test_reply_from_of_another_proxy_that_is_longer_than_any_is_not_passed_on():
    p = Proxied(allow=[(CLIENT[:4], (GROUP,), True)])
    Chain(p.relay, HOP)
    sent = p.asked()
    for length in (1034, 1150, 1220):
        got = p.answer(sent.token, length, options=[(REPLY_FROM, FROM + bytes(length - len(FROM)))], peer=HOP)
        assert [m.code for m in got] == [n.CONTENT if length == 1034 else n.BAD_GATEWAY], length
    assert len(p.answer(sent.token, 7, options=[(REPLY_FROM, FROM)], peer=HOP)) == 1


def test_reply_from_of_another_proxy_with_an_empty_path_is_one_that_names_no_server():
    r = Reverse(HOP)
    options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_PATH, b"lights"), TEMP]
    r.down.deliver(datagram(n.NON, n.GET, 1, b"tok", options), CLIENT)
    (sent,) = r.up.sent()
    for at, second in enumerate((b"\x83\xf6\x81\x44\xc0\x00\x02\x05\x80", b"\x82\xf5\x80", b"\x83\xf6\x80\x80")):
        r.up.deliver(datagram(n.NON, n.CONTENT, at, sent.token, [(REPLY_FROM, FROM + second)], b"x"), HOP)
        assert r.down.sent() == [] and r.relay.refused_responses == at + 1
    named = FROM + b"\x82\xf5\x82\x66lights\x69192.0.2.5"
    r.up.deliver(datagram(n.NON, n.CONTENT, 9, sent.token, [(REPLY_FROM, named)], b"x"), HOP)
    (got,) = r.down.sent()
    assert got.code == n.CONTENT and got.payload == b"x"


def test_host_that_is_no_text_is_answered_from_the_address_that_was_asked():
    r = Reverse()
    options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"\xff"), TEMP]
    for own, to in ((OWN, GROUP2), (OWN1, SERVER)):
        r.ports[own].deliver(datagram(n.CON, n.GET, 1, b"tok", sorted(options)), CLIENT)
        (sent,) = r.up.sent()
        assert sent.peer == to
        assert r.down.sent() == []


def test_what_the_proxy_has_itself_is_not_answered_from_an_address_that_was_not_asked():
    r = Reverse()
    options = [(n.URI_PATH, b"lights"), (n.URI_PATH, b"192.0.2.21"), TEMP]
    r.ports[OWN].deliver(datagram(n.CON, n.GET, 1, b"tok", options), CLIENT)
    (got,) = r.ports[OWN].sent()
    assert (got.kind, got.code, got.mid) == (n.ACK, n.NOT_FOUND, 1) and r.down.sent() == []


# What is kept for requests whose exchange ends early


def test_posts_that_are_stopped_early_leave_room_for_those_of_others():
    p = Proxied(sizes={"kept_answers": 4})
    for i in range(4):
        p.asked(INDIVIDUAL, code=n.POST, kind=n.CON, token=b"%d" % i)
        p.ask(early_stop(), kind=n.CON, token=b"%d" % i)
        p.up.sent()
    p.asked(INDIVIDUAL, code=n.POST, kind=n.CON, peer=OTHER)


def test_post_that_is_stopped_early_is_not_carried_out_when_it_comes_again():
    p = Proxied()
    p.asked(INDIVIDUAL, code=n.POST, kind=n.CON, mid=7)
    p.ask(early_stop(), kind=n.CON, mid=8)
    assert p.ask(INDIVIDUAL, code=n.POST, kind=n.CON, mid=7) == [] and p.up.sent() == []


# Tokens


def silent_first():
    """A proxy with two exchanges of one token, and what went upstream for the one that has answers."""
    p = Proxied(copies=2, held=4)
    p.asked(token=b"x")
    p.asked(group_request(timeout=b""), code=n.PUT)  # its copy is still to go
    p.ask(early_stop(), token=b"x")
    return p, p.asked()


def test_token_of_a_request_without_answers_is_not_open_when_another_exchange_has_it():
    p, _ = silent_first()
    assert p.free() == 2
    (refusal,) = p.ask(group_request())  # the exchange that has answers has this token
    assert refusal.code == n.BAD_REQUEST and p.up.sent() == [] and p.free() == 3


def test_early_stop_ends_the_exchange_that_has_answers():
    p, sent = silent_first()
    assert p.ask(early_stop()) == []
    assert p.answer(sent.token, 1) == []


# A request that finds no place to be repeated from


def test_individual_request_through_a_chain_that_cannot_be_repeated_is_refused():
    p = Proxied(slots=8, observations=2, up={"outgoing": 1})
    Chain(p.relay, HOP)
    for i in range(2):
        sent = p.registered(kind=n.CON, token=b"%d" % i)
        p.up.deliver(datagram(n.ACK, 0, sent.mid), HOP)
    p.down.sent()
    options = observing(target=b"coap://192.0.2.5/temp", timeout=None)
    found = p.ask(options, kind=n.CON, peer=OTHER)  # an Early Stop Request for what makes room is under way
    assert [m.code for m in found if m.peer == OTHER] == [n.SERVICE_UNAVAILABLE]
    assert p.relay.open_of(p.access.clients[1]) == 0


def test_hop_limit_reached_that_is_too_long_becomes_bad_gateway():
    for length in (1100, 1130, 1167, 1250):
        p = Proxied()
        Chain(p.relay, HOP, own=PROXY)
        sent = p.asked()
        (got,) = p.answer(sent.token, 1, code=n.HOP_LIMIT_REACHED, payload=bytes(length), peer=HOP)
        assert got.code == (n.HOP_LIMIT_REACHED if length < 1140 else n.BAD_GATEWAY), length
        assert p.free() == 4


# A Confirmable notification, and what comes in between


def registered_twice():
    """A proxy whose client has registered twice, each answer being Confirmable: the two are under way."""
    p = Proxied(slots=1, observations=1)
    options = observing(target=b"coap://192.0.2.5/temp", timeout=None)
    notifications = []
    for number in (5, 6):
        sent = p.asked(options, kind=n.CON)
        p.up.deliver(datagram(n.ACK, 0, sent.mid), SERVER)
        p.wire.advance(1000)
        p.down.sent()
        (got,) = p.notify(sent.token, number, number)
        assert got.kind == n.CON and got.option(n.OBSERVE) is not None
        notifications.append(got)
    return p, notifications


def assert_undisturbed(p):
    """Another client's exchange in the same slot lasts for its time, and nothing of the former one is repeated."""
    p.up.sent()
    sent = p.asked(group_request(timeout=b"\x78"), peer=OTHER)
    p.wire.advance(110000)
    assert p.down.sent() == []
    assert len(p.answer(sent.token, 99)) == 1


def test_notification_of_an_observation_that_is_stopped_is_not_repeated():
    p, (_, last) = registered_twice()
    p.from_client(n.ACK, last.mid)
    p.ask(early_stop())
    assert_undisturbed(p)


def test_older_notification_is_not_repeated_once_there_is_a_newer():
    p, (first, last) = registered_twice()
    p.from_client(n.ACK, first.mid)
    p.ask(early_stop())
    assert_undisturbed(p)
    p, (first, last) = registered_twice()
    p.wire.advance(20000)
    assert {m.mid for m in p.down.sent()} == {last.mid}


def test_notification_that_finds_no_place_leaves_none_behind():
    p = Proxied(slots=1, observations=1, down={"outgoing": 1})
    options = observing(target=b"coap://192.0.2.5/temp", timeout=None)
    for number in (5, 6):
        sent = p.asked(options, kind=n.CON)
        p.up.deliver(datagram(n.ACK, 0, sent.mid), SERVER)
        p.wire.advance(1000)
        assert p.notify(sent.token, number, number)
    p.ask(early_stop())
    assert_undisturbed(p)
