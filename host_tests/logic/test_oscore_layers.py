"""A layer for the next hop around one end to end (draft-ietf-core-oscore-capable-proxies, Appendix B.1)."""

from groupcoap import numbers as n
from groupcoap.message import with_options
from groupcoap.oscore.contexts import Contexts
from oscore_ends import ends, open_request, open_response, packet, request, response, seal_request, seal_response, why
from wire import MULTICAST_SIGNALING, MULTICAST_TIMEOUT, REPLY_FROM, UNKNOWN_CRITICAL

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

PATH = (n.URI_PATH, b"temp")
FOR_PROXY = [(MULTICAST_TIMEOUT, b"\5"), (n.URI_HOST, b"s"), (n.URI_PORT, b"\x16\x34"), (n.HOP_LIMIT, b"\x10"),
             (n.PROXY_SCHEME, b"coap"), (MULTICAST_SIGNALING, b"\5")]  # fmt: skip
REPLY = (REPLY_FROM, b"\x81\x81\x20\x20\x20")


def numbers(data):
    return [number for number, _ in packet(data).options]


def layers():
    """((client, server) of the layer end to end, (client, proxy) of the one for the next hop)."""
    return ends(b"\5", b"\6"), ends(b"\7", b"\x08", adjacent=True)


def sealed(plain):
    """(inner Exchange, outer Exchange, datagram, both pairs) of a request in two layers."""
    inside, outside = layers()
    inner, data = seal_request(inside[0], plain)
    outer, data = seal_request(outside[0], data)
    return inner, outer, data, inside, outside


def test_a_request_and_its_response_in_two_layers():
    options = with_options([PATH], FOR_PROXY)
    inner, outer, data, inside, outside = sealed(request(options))
    assert numbers(data) == [n.OSCORE] and packet(data).code == n.POST
    at_proxy, data = open_request(outside[1], data)
    assert at_proxy.name == "client" and packet(data).option(n.OSCORE) == b"\x09\x14\x05"
    assert packet(data).options == with_options(FOR_PROXY, [(n.OSCORE, b"\x09\x14\x05")])
    at_server, data = open_request(inside[1], data)
    assert packet(data).options == options

    data = seal_response(at_server, response([(n.ETAG, b"e")]))
    p = packet(data)
    data = seal_response(at_proxy, response(p.options + [REPLY], p.code, p.payload), relayed=True)
    assert numbers(data) == [n.OSCORE] and packet(data).code == n.CHANGED
    data = open_response(outer, data)
    assert numbers(data) == [n.OSCORE, REPLY_FROM]
    data = open_response(inner, data)
    assert packet(data).options == [(n.ETAG, b"e"), REPLY] and packet(data).payload == b"21.5"


def test_a_host_stays_outside_without_proxy_scheme():
    (_, _), (client, proxy) = layers()
    hosts = [(n.URI_HOST, b"p"), (n.URI_PORT, b"\1")]
    data = seal_request(client, request(with_options(hosts, [PATH])))[1]
    assert numbers(data) == [n.URI_HOST, n.URI_PORT, n.OSCORE]
    assert packet(open_request(proxy, data)[1]).options == with_options(hosts, [PATH])


def test_proxy_uri_is_whole_inside_a_layer_for_the_next_hop():
    (_, _), (client, proxy) = layers()
    target = (n.PROXY_URI, b"coap://224.0.1.187/temp?q")
    data = seal_request(client, request([target]))[1]
    assert numbers(data) == [n.OSCORE] and packet(open_request(proxy, data)[1]).options == [target]


def test_what_somebody_adds_on_the_path_to_the_next_hop_is_dropped():
    (_, _), (client, proxy) = layers()
    ours, data = seal_request(client, request([PATH]))
    p = packet(data)
    more = [(MULTICAST_TIMEOUT, b"\5"), (n.HOP_LIMIT, b"\1"), (n.PROXY_URI, b"coap://h"), (n.PROXY_SCHEME, b"coap")]
    at_proxy, data = open_request(proxy, request(with_options(p.options, more), p.code, p.payload))
    assert packet(data).options == [PATH]
    p = packet(seal_response(at_proxy, response()))
    data = open_response(ours, response(with_options(p.options, [REPLY]), p.code, p.payload))
    assert packet(data).options == []


def test_a_proxy_that_relays_refuses_an_option_that_it_does_not_know():
    (_, _), (client, proxy) = layers()
    unknown = [(UNKNOWN_CRITICAL, b"")]
    assert why(lambda: seal_request(client, request(unknown), relayed=True))[0] == n.BAD_OPTION
    at_proxy, _ = open_request(proxy, seal_request(client, request(unknown))[1])  # its own one it may send
    assert why(lambda: seal_response(at_proxy, response(unknown), relayed=True))[0] == n.BAD_GATEWAY
    seal_response(at_proxy, response(code=n.BAD_GATEWAY))


def test_many_responses_to_one_request_through_a_proxy():
    _, outer, data, _, outside = sealed(request([PATH]))
    at_proxy, _ = open_request(outside[1], data)
    answers = [seal_response(at_proxy, response([(n.OSCORE, b"")], payload=bytes((i,)))) for i in range(5)]
    assert [packet(data).option(n.OSCORE) for data in answers] == [b"", b"\1\0", b"\1\1", b"\1\2", b"\1\3"]
    for i in (3, 0, 1, 4, 2):
        assert packet(open_response(outer, answers[i])).payload == bytes((i,))
    for data in answers:
        assert why(open_response, outer, data) == (n.UNAUTHORIZED, "Replay detected")


def test_an_observation_in_two_layers():
    inner, outer, data, inside, outside = sealed(request([(n.OBSERVE, b""), PATH]))
    assert packet(data).code == n.FETCH and numbers(data) == [n.OBSERVE, n.OSCORE]
    at_proxy, data = open_request(outside[1], data)
    assert packet(data).code == n.FETCH and numbers(data) == [n.OBSERVE, n.OSCORE]
    at_server, _ = open_request(inside[1], data)
    inside[1].sequence.number = 9
    for i in range(3):
        data = seal_response(at_server, response([(n.OBSERVE, b"\x30")], payload=bytes((i,))))
        data = seal_response(at_proxy, data, relayed=True)
        assert packet(data).option(n.OBSERVE) == b"\x30" and packet(data).code == n.CONTENT
        data = open_response(outer, data)
        assert packet(data).option(n.OBSERVE) == (bytes((i,)) if i else b"")
        data = open_response(inner, data)
        assert packet(data).option(n.OBSERVE) == bytes((9 + i,)) and packet(data).payload == bytes((i,))


def test_notifications_of_several_origins_may_overtake_each_other_between_proxy_and_client():
    """The next hop's Partial IVs say nothing of which is the newer: each origin has an order of its own."""
    _, outer, data, _, outside = sealed(request([(n.OBSERVE, b""), PATH]))
    at_proxy, _ = open_request(outside[1], data)
    answers = [
        seal_response(at_proxy, response([(n.OBSERVE, b"\x30"), (n.OSCORE, b"")], payload=bytes((i,))))
        for i in range(3)
    ]
    for i in (1, 2, 0):
        assert packet(open_response(outer, answers[i])).payload == bytes((i,))
    for data in answers:
        assert why(open_response, outer, data) == (n.UNAUTHORIZED, "Replay detected")


def test_three_layers_and_each_context_found_by_its_kid():
    pairs = [ends(bytes((i,)), bytes((i + 1,)), adjacent=i == 5) for i in (1, 3, 5)]
    contexts = Contexts([server for _, server in pairs])
    data = request([PATH])
    exchanges = []
    for client, _ in pairs:
        exchange, data = seal_request(client, data)
        exchanges.append(exchange)
        assert numbers(data) == [n.OSCORE]
    removed = []
    while n.OSCORE in numbers(data):
        exchange, data = open_request(contexts, data)
        removed.append(exchange)
    assert data == request([PATH])
    data = response()
    for exchange in reversed(removed):
        data = seal_response(exchange, data)
    for exchange in reversed(exchanges):
        data = open_response(exchange, data)
    assert data == response()
