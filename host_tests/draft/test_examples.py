"""draft-ietf-core-groupcomm-proxy-07 §5.6, Appendix A, and more like them: whole exchanges, message by message.

C is CLIENT, P is PROXY, S1 and S2 are SERVER and SERVER2, the latter with a port of its own; over UDP. `show` lists
messages as (from, to, type, code, options, payload).
"""

from conformance.site import Asking
from conformance.statements import Document
from draft.site import NEXT, R, STOP, Site, grouped, origin, outside, timed
from groupcoap import numbers as n
from groupcoap import uri
from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, PROXY, REPLY_FROM, SERVER, SERVER2

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

C, P, G, S1 = CLIENT, PROXY, GROUP, SERVER
S2 = uri.pack(SERVER2[:4], 61616)
UP = outside(P)  # where P asks servers from
NEXT_UP = outside(NEXT)
D1 = uri.pack(b"\xc0\x00\x02\x33")  # 192.0.2.51 and .52: of P, for S1 and S2
D2 = uri.pack(b"\xc0\x00\x02\x34")
R1 = [(n.URI_PATH, b"r1")]
HOST = [(n.URI_HOST, b"group1.com")]
ACK = (n.ACK, n.EMPTY, [], b"")
LEAST = b"Multicast-Timeout: at least 3 is needed here"
MISSING = (n.BAD_REQUEST, [(MULTICAST_TIMEOUT, b"")], b"Multicast-Timeout is missing")


def show(packets):
    return [(packet.src, packet.peer, packet.kind, packet.code, packet.options, packet.payload) for packet in packets]


def ask(src, dst, options):
    """A GET on its way, as `show` lists it."""
    return src, dst, n.NON, n.GET, options, b""


def content(src, dst, payload, options=()):
    """A 2.05 on its way."""
    return src, dst, n.NON, n.CONTENT, list(options), payload


def reply_from(*items):
    return [(REPLY_FROM, b"".join(items))]


def host(address):
    """The second CRI of Reply-From, //IP:port."""
    return b"\x82\xf6" + origin(address)[2:]


def group_part(site, options, names):
    """From the request with Multicast-Timeout on: both servers answer, with these names; then 60 s are over."""
    (request,) = site.ask(options)
    assert show([request]) == [ask(UP, G, R)]
    assert show(site.answer(request, S1, payload=b"one")) == [content(P, C, b"one", reply_from(*names[0]))]
    site.wait(30000)
    (response,) = site.answer(request, S2, payload=b"two")
    assert show([response]) == [content(P, C, b"two", reply_from(*names[1]))] and response.token == b"tok"
    assert site.wait(30000) == [] and site.free() == 8
    assert site.answer(request, S1) == []  # P stops accepting responses


@statement("5.6", "TEXT", "The example with a forward-proxy, message by message")
def test_forward_proxy():
    group_part(Site(), grouped(60), [[origin(S1)], [origin(S2)]])


@statement("5.6", "TEXT", "The same with a Confirmable request: acknowledged first, then answered")
def test_forward_proxy_confirmable():
    site = Site()
    ack, request = site.ask(grouped(60), n.CON, mid=7)
    assert show([ack, request]) == [(P, C) + ACK, ask(UP, G, R)] and ack.mid == 7
    assert show(site.answer(request, S1)) == [content(P, C, b"21.5", reply_from(origin(S1)))]
    assert show(site.ask(grouped(60), n.CON, mid=7)) == [(P, C) + ACK]  # the ACK was lost


@statement("A.1", "TEXT", "Example 1: one address for the group and its servers, by Uri-Host")
def test_reverse_proxy_with_one_address():
    site = Site(mode="reverse", stands_in_for=[{"group": "224.0.1.187", "host": "group1.com", "servers": True}])
    assert show(site.ask(HOST + R)) == [(P, C, n.NON) + MISSING]
    group_part(site, timed(60, HOST + R), [[origin(P), host(S1)], [origin(P), host(S2)]])
    for server, options in (
        (S1, [(n.URI_HOST, b"192.0.2.5"), (n.URI_PORT, b"\x16\x33")]),
        (S2, [(n.URI_HOST, b"192.0.2.6"), (n.URI_PORT, b"\xf0\xb0")]),
    ):
        (request,) = site.ask(options + R1, token=b"one")
        assert show([request]) == [ask(UP, server, R1)]
        (response,) = site.answer(request, server, payload=b"1.")
        assert show([response]) == [content(P, C, b"1.")] and response.token == b"one"


@statement("A.2", "TEXT", "Example 2: an address of the proxy for the group, and one for each server")
def test_reverse_proxy_with_an_address_a_server():
    pairs = [{"server": "192.0.2.5", "address": "192.0.2.51"}, {"server": "192.0.2.6:61616", "address": "192.0.2.52"}]
    entry = {"group": "224.0.1.187", "address": "192.0.2.1", "server_addresses": pairs}
    site = Site(mode="reverse", stands_in_for=[entry])
    assert show(site.ask(R)) == [(P, C, n.NON) + MISSING]
    group_part(site, timed(60), [[origin(D1)], [origin(D2)]])
    for server, stands_for in ((S1, D1), (S2, D2)):
        (request,) = site.ask(R, to=stands_for)
        assert show([request]) == [ask(UP, server, R)]
        assert show(site.answer(request, server, payload=b"1.")) == [content(stands_for, C, b"1.")]


@statement("A.3", "TEXT", "Example 3: the proxy stands in for the group only, the servers are asked directly")
def test_reverse_proxy_for_the_group_only():
    site = Site(mode="reverse", stands_in_for=[{"group": "224.0.1.187", "address": "192.0.2.1"}])
    assert show(site.ask(R)) == [(P, C, n.NON) + MISSING]
    group_part(site, timed(60), [[origin(S1)], [origin(S2)]])
    client = Asking("coap://192.0.2.1/r", reverse=True, timeout=60)
    client.answer(n.NON, options=reply_from(origin(S2)), peer=P)
    client.client.send(client.items.append, client.wire.now, n.GET, client.responses[0].target("r"))
    (request,) = client.port.sent()
    assert (request.peer, request.code, request.options) == (S2, n.GET, R)


@statement("5.1.3", "TEXT", "Early stop by a Reset, message by message")
def test_early_stop_by_reset():
    site = Site()
    (request,) = site.ask(grouped(60))
    (first,) = site.answer(request, S1, payload=b"one")
    assert show([first]) == [content(P, C, b"one", reply_from(origin(S1)))]
    assert site.empty(n.RST, first) == []
    assert site.answer(request, S2, payload=b"two") == [] and site.free() == 8
    assert site.wait(70000) == []


@statement("5.1.3", "TEXT", "Early stop by an Early Stop Request, message by message")
def test_early_stop_by_request():
    site = Site()
    ack, request = site.ask(grouped(60), n.CON, mid=7)
    assert show([ack, request]) == [(P, C) + ACK, ask(UP, G, R)]
    assert show(site.answer(request, S1, payload=b"one")) == [content(P, C, b"one", reply_from(origin(S1)))]
    (ack,) = site.ask(STOP, n.CON, mid=8)
    assert show([ack]) == [(P, C) + ACK] and ack.mid == 8
    assert site.answer(request, S2, payload=b"two") == [] and site.free() == 8
    (reset,) = site.answer(request, S2, payload=b"two", kind=n.CON, mid=9)
    assert show([reset]) == [(UP, S2, n.RST, n.EMPTY, [], b"")]
    assert site.wait(70000) == []


@statement("5.4.2", "TEXT", "An observation of a group, message by message: up to the deregistration")
def test_observation():
    def observe(value, path=()):
        return [(n.OBSERVE, value)] + list(path)

    site = Site()
    (request,) = site.ask(grouped(60, more=observe(b"")))
    assert show([request]) == [ask(UP, G, observe(b"", R))]
    numbers = []

    def notified(server, number, payload):
        (sent,) = site.answer(request, server, observe(bytes((number,))), payload)
        numbers.append(sent.option(n.OBSERVE)[0])
        expected = observe(sent.option(n.OBSERVE)) + reply_from(origin(server))
        assert show([sent])[0][:2] == (P, C) and sent.token == b"tok"
        assert (sent.code, sent.options, sent.payload) == (n.CONTENT, expected, payload)
        return sent

    assert [notified(S1, 40, b"a").kind, notified(S2, 10, b"b").kind] == [n.NON] * 2
    assert site.wait(60000) == []  # T' is over
    later = [notified(S1, 41 + i, b"a%d" % i) for i in range(6)]
    assert [packet.kind for packet in later] == [n.NON] * 5 + [n.CON]
    assert site.empty(n.ACK, later[5]) == [] and site.wait(10000) == []
    assert numbers == sorted(set(numbers))
    (sent,) = site.ask(grouped(60, more=observe(b"\x01")))
    assert show([sent]) == [ask(UP, G, observe(b"\x01", R))] and sent.token == request.token


@statement("8.1", "TEXT", "A chain with too small a T', message by message: refused, then asked again with the least")
def test_chain_with_too_small_a_timeout():
    between = [(n.HOP_LIMIT, b"\x10"), (n.PROXY_URI, b"coap://224.0.1.187/r")]
    site = Site({"next_hop": "192.0.2.3", "round_trip_s": 3}, next_hop="192.0.2.2", round_trip_s=2)
    assert show(site.ask(grouped(2))) == [
        (P, C, n.NON, n.PROXYING_NOT_SUPPORTED, [(MULTICAST_TIMEOUT, b"\x03")], LEAST)
    ]  # fmt: skip
    sent = site.ask(grouped(3))
    assert show(sent)[0] == ask(UP, NEXT, [(MULTICAST_TIMEOUT, b"\x01")] + between)
    least = [(packet.src, packet.peer, packet.code, packet.options) for packet in sent[1:]]
    assert least == [
        (NEXT, UP, n.PROXYING_NOT_SUPPORTED, [(MULTICAST_TIMEOUT, b"\x04")]),
        (P, C, n.PROXYING_NOT_SUPPORTED, [(MULTICAST_TIMEOUT, b"\x06")]),
    ]
    first, second = site.ask(grouped(6))
    assert show([first]) == [ask(UP, NEXT, [(MULTICAST_TIMEOUT, b"\x04")] + between)]
    between[0] = (n.HOP_LIMIT, b"\x0f")
    assert show([second])[0][4] == [(MULTICAST_TIMEOUT, b"\x01")] + between and second.src == NEXT_UP
    sent = site.answer(second, second.peer, reply_from(origin(S1)), b"one")
    assert show(sent) == [
        content(NEXT, UP, b"one", reply_from(origin(S1))),
        content(P, C, b"one", reply_from(origin(S1))),
    ]
