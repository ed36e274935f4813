"""draft-ietf-core-groupcomm-proxy-07 §5.1, §5.5, §6.2: what the client does."""

from conformance.site import Asking
from conformance.statements import Document
from draft.secured import ALICE, KITCHEN, Asked, answer_group, flipped
from draft.site import GROUP_ETAG, origin, sort
from group_ends import group_of
from groupcoap import cri, uri
from groupcoap import numbers as n
from groupcoap.client import MARGIN
from groupcoap.oscore.asking import Way
from oscore_ends import open_request, packet, seal_response
from oscore_ends import response as plain_response
from wire import MULTICAST_TIMEOUT, PROXY, REPLY_FROM, SERVER, SERVER2

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

GROUP_URI = "coap://224.0.1.187/r"
REVERSE = "coap://192.0.2.1/gp/r"
BY_HOST = origin(PROXY) + b"\x82\xf6\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"  # //192.0.2.5:61616
BY_HOST_ALONE = origin(PROXY) + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"
BY_PATH = origin(PROXY) + b"\x82\xf5\x82\x62gp\x6210"  # /gp/10


def through(target=GROUP_URI, **settings):
    """A client with a group request to a forward-proxy, which has acknowledged it."""
    asking = Asking(target, proxy=PROXY, **settings)
    if asking.request.kind == n.CON:
        asking.acknowledge(PROXY)
    return asking


def relayed(asking, value=None, options=(), **response):
    """The proxy relays a response with this Reply-From: what the client sends."""
    value = origin(SERVER) if value is None else value
    response.setdefault("kind", n.NON)
    return asking.answer(options=list(options) + [(REPLY_FROM, value)], peer=PROXY, **response)


def follow_up(asking, reference, **settings):
    """A request to the one whose response came last: the datagram."""
    asking.client.send(asking.items.append, asking.wire.now, n.GET, asking.responses[-1].target(reference), **settings)
    (sent,) = asking.port.sent()
    return sent


def free(asking):
    return asking.port.endpoint.tokens.free == 16


# §5.1.1


@statement("5.1.1", "TEXT", "The group URI is told by Proxy-Uri, or by Proxy-Scheme and Uri-*")
@statement("5.1.1", "TEXT", "Or by Proxy-Cri, or by Proxy-Scheme-Number and Uri-*")
def test_group_uri_is_told_to_the_proxy():
    parts = [(n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"r")]
    for naming, options in (
        ("uri", [(n.PROXY_URI, GROUP_URI.encode())]),
        ("scheme", parts + [(n.PROXY_SCHEME, b"coap")]),
        ("cri", [(n.PROXY_CRI, b"\x83\x20\x81\x44\xe0\x00\x01\xbb\x81\x61r")]),
        ("scheme-number", parts + [(n.PROXY_SCHEME_NUMBER, b"")]),
    ):
        asking = through(naming=naming, timeout=60)
        assert asking.request.peer == PROXY
        assert asking.request.options == [(MULTICAST_TIMEOUT, b"\x3c")] + options


not_claimed(
    "5.1.1",
    "TEXT",
    "The path of the group URI may be told by Uri-Path-Abbrev",
    "the client writes Uri-Path, which says the same; the proxy takes Uri-Path-Abbrev and passes it on",
)


@statement("5.1.1", "MUST", "The Token is retained beyond the first response")
def test_token_is_retained_beyond_the_first_response():
    asking = through(timeout=60)
    for value in (origin(SERVER), origin(SERVER2)):
        relayed(asking, value)
    assert [response.origin for response in asking.responses] == [SERVER, SERVER2] and not free(asking)


@statement("5.1.1", "MUST", "T is below the time T_r after which the Token may be used again")
@statement("5.1.1", "MUST", "T_r is not below MIN_TOKEN_REUSE_TIME")
def test_token_is_not_used_again():
    asking = through(timeout=1)
    tokens = {asking.request.token}
    for _ in range(200):
        asking.wait(5000)
        asking.send(GROUP_URI, proxy=PROXY, timeout=1, confirmable=False)
        (sent,) = asking.port.sent()
        tokens.add(sent.token)
    assert len(tokens) == 201


@statement("5.1.1", "TEXT", "T covers the worst-case processing and round trips up to the servers, as the caller tells")
@statement("5.1.1", "TEXT", "T - T' is at least the worst-case round trip to the proxy: 2 s")
def test_t_is_longer_than_told_to_the_proxy():
    for seconds in (1, 60, 300):
        asking = through(timeout=seconds)
        assert asking.request.option(MULTICAST_TIMEOUT) == seconds.to_bytes(1 + (seconds > 255), "big")
        asking.wait(seconds * 1000 + MARGIN - 1)
        assert not free(asking)
        asking.wait(1)
        assert free(asking) and MARGIN == 2000


@statement("5.1.1", "MUST", "The request has Multicast-Timeout, with a T' below T")
def test_request_has_multicast_timeout():
    for settings in ({}, {"confirmable": False}, {"observe": True}, {"naming": "cri"}):
        assert through(timeout=7, **settings).request.option(MULTICAST_TIMEOUT) == b"\x07"


@statement("5.1.1", "TEXT", "T' = 0 is the empty option: no responses are wanted")
@statement("5.1.1", "SHOULD", "With T' = 0 goes No-Response with value 26")
def test_zero_timeout():
    request = through(timeout=0).request
    assert request.option(MULTICAST_TIMEOUT) == b"" and request.option(n.NO_RESPONSE) == b"\x1a"


@statement("5.1.1", "SHOULD", "With No-Response of value 26 goes T' = 0")
def test_no_response_26_has_zero_timeout():
    assert through(timeout=60, no_response=26).request.option(MULTICAST_TIMEOUT) == b""
    assert through(timeout=60, no_response=2).request.option(MULTICAST_TIMEOUT) == b"\x3c"


@statement("5.1.1", "TEXT", "The request goes to the proxy as a unicast message")
def test_request_goes_to_the_proxy():
    for confirmable in (True, False):
        request = through(confirmable=confirmable).request
        assert request.peer == PROXY and request.kind == (n.CON if confirmable else n.NON)


@statement("5.1.1", "TEXT", "The request is protected as the security association with the proxy says")
def test_request_is_protected_for_the_proxy():
    asked = Asked(timeout=60)
    assert asked.request.peer == PROXY and [number for number, _ in asked.request.options] == [n.OSCORE]
    _, data = open_request(asked.proxy, asked.request.raw)
    assert packet(data).options == [(MULTICAST_TIMEOUT, b"\x3c"), (n.PROXY_URI, GROUP_URI.encode())]


# §5.1.2


@statement("5.1.2", "TEXT", "An observation of a group is registered at the proxy, as if it was the servers")
def test_registration_goes_to_the_proxy():
    asking = through(observe=True, timeout=60)
    assert asking.request.peer == PROXY
    assert asking.request.options[:2] == [(MULTICAST_TIMEOUT, b"\x3c"), (n.OBSERVE, b"")]
    asking.client.deregister(asking.handle, asking.wire.now)
    (sent,) = asking.port.sent()
    assert sent.peer == PROXY and sent.option(n.OBSERVE) == b"\x01" and sent.token == asking.request.token


# §5.1.3


@statement("5.1.3", "TEXT", "Where the Token was simply freed, a Confirmable response or a notification is reset")
def test_freed_token_resets_what_comes():
    for kind, options in ((n.CON, ()), (n.NON, [(n.OBSERVE, b"\x05")])):
        asking = through(observe=bool(options))
        relayed(asking, options=options)
        asking.client.cancel(asking.handle)
        assert free(asking)
        (reset,) = relayed(asking, kind=kind, mid=77, options=[(n.OBSERVE, b"\x06")] if options else ())
        assert reset.is_empty(n.RST, 77) and reset.peer == PROXY and len(asking.items) == 1


not_claimed(
    "5.1.3",
    "TEXT",
    "So is any other Non-confirmable response",
    "it is silently ignored, as RFC 7252 §4.3 allows, so that this client has no early stop by Reset of a plain group "
    "request: it sends an Early Stop Request",
)


@statement("5.1.3", "MUST", "An Early Stop Request has the method GET, whatever it is to stop")
@statement("5.1.3", "MUST", "It has the Token of the request that it stops")
@statement("5.1.3", "MUST", "It has an empty Multicast-Timeout")
@statement("5.1.3", "MUST", "It has no Proxy-Uri, Proxy-Cri, Proxy-Scheme, Proxy-Scheme-Number or Uri-* options")
@statement("5.1.3", "TEXT", "After it the client frees the Token")
def test_early_stop_request():
    for naming in ("uri", "scheme", "cri", "scheme-number"):
        asking = through(method=n.FETCH, payload=b"q", naming=naming)
        relayed(asking)
        asking.client.stop(asking.handle, asking.wire.now)
        (sent,) = asking.port.sent()
        assert (sent.peer, sent.code, sent.token) == (PROXY, n.GET, asking.request.token)
        assert sent.options == [(MULTICAST_TIMEOUT, b"")] and sent.payload == b"" and free(asking)
        relayed(asking)
        assert len(asking.items) == 1


@statement("5.1.3", "TEXT", "A Token that was freed so is not used again before its time")
def test_token_of_what_was_stopped_is_not_used_again():
    asking = through()
    asking.client.stop(asking.handle, asking.wire.now)
    asking.port.sent()
    for _ in range(100):
        handle = asking.send(GROUP_URI, proxy=PROXY, confirmable=False)
        (sent,) = asking.port.sent()
        assert sent.token != asking.request.token
        asking.client.cancel(handle)


# §5.5.1


@statement("5.5.1", "TEXT", "Responses are told apart by the CRI in Reply-From, though all come from the proxy")
def test_responses_are_told_apart():
    asking = through()
    for value in (origin(SERVER), origin(uri.pack(SERVER[:4], 61616)), origin(SERVER2)):
        relayed(asking, value)
    assert [response.origin for response in asking.responses] == [SERVER, uri.pack(SERVER[:4], 61616), SERVER2]


@statement("5.5.1", "TEXT", "An origin server can be asked individually, directly")
def test_origin_is_asked_directly():
    asking = through()
    relayed(asking, origin(uri.pack(SERVER[:4], 61616)))
    sent = follow_up(asking, "r1?x")
    assert sent.peer == uri.pack(SERVER[:4], 61616)
    assert sent.options == [(n.URI_PATH, b"r1"), (n.URI_QUERY, b"x")]


@statement("5.5.1", "TEXT", "Or through the proxy, by Proxy-Uri, Proxy-Scheme, Proxy-Cri or Proxy-Scheme-Number")
def test_origin_is_asked_through_the_proxy():
    asking = through(confirmable=False)
    relayed(asking)
    parts = [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r1")]
    for naming, options in (
        ("uri", [(n.PROXY_URI, b"coap://192.0.2.5/r1")]),
        ("scheme", parts + [(n.PROXY_SCHEME, b"coap")]),
        ("cri", [(n.PROXY_CRI, b"\x83\x20\x81\x44\xc0\x00\x02\x05\x81\x62r1")]),
        ("scheme-number", parts + [(n.PROXY_SCHEME_NUMBER, b"")]),
    ):
        asking = through()
        relayed(asking)
        sent = follow_up(asking, "r1", proxy=PROXY, naming=naming)
        assert sent.peer == PROXY and sent.options == options


@statement("5.5.1", "TEXT", "The client reaches it so over its own transport, whatever transport the CRI names")
def test_transport_of_the_cri_need_not_be_supported():
    asking = through()
    relayed(asking, cri.encode(cri.Cri("coap+tcp", SERVER[:4])))
    sent = follow_up(asking, "r1", proxy=PROXY)
    assert sent.peer == PROXY and sent.options == [(n.PROXY_URI, b"coap+tcp://192.0.2.5/r1")]


@statement("5.5.1", "TEXT", "Several responses of one server are delivered, each as it comes")
def test_responses_of_one_server_are_all_delivered():
    asking = through()
    for payload in (b"1", b"1", b"2"):
        relayed(asking, payload=payload)
    assert [response.payload for response in asking.responses] == [b"1", b"1", b"2"]


@statement("5.5.1", "TEXT", "After T the Token is free, and late responses are discarded")
def test_late_responses_are_discarded():
    asking = through(timeout=5)
    asking.wait(5000 + MARGIN)
    assert free(asking) and asking.items == [None]
    relayed(asking)
    assert asking.items == [None]


@statement("5.5.1", "TEXT", "The response is verified by the security association with the proxy")
def test_response_is_verified_as_the_proxys():
    asked = Asked(timeout=60, confirmable=False)
    exchange, _ = open_request(asked.proxy, asked.request.raw)
    plain = plain_response([(REPLY_FROM, origin(SERVER))], token=asked.request.token, mid=1)
    data = seal_response(exchange, plain_response([(REPLY_FROM, origin(SERVER))], token=asked.request.token, mid=0x200))
    for sent in (plain, *flipped(data), data):
        assert asked.items == []
        asked.port.receive(sent, PROXY)
    (found,) = asked.items
    assert (found.payload, found.origin) == (b"21.5", SERVER)


@statement("5.5.1", "TEXT", "End to end it is verified by Group OSCORE")
def test_response_is_verified_as_a_members():
    asked = Asked(timeout=60, confirmable=False, way=Way(group_of(ALICE)))
    exchange, data = open_request(asked.proxy, asked.request.raw)
    right = answer_group(group_of(KITCHEN), packet(data))
    payload = right["payload"]
    options = sort([*right["options"], (REPLY_FROM, origin(SERVER2))])
    for mid, body in enumerate((payload[:-1] + b"\0", b"\0" + payload[1:], payload)):  # by a proxy that is not honest
        assert asked.items == []
        relayed = plain_response(options, right["code"], body, asked.request.token, mid)
        asked.port.receive(seal_response(exchange, relayed), PROXY)
    (found,) = asked.items
    assert (found.payload, found.security.name, found.origin) == (b"21.5", "kitchen", SERVER2)


# §5.5.2


@statement("5.5.2", "TEXT", "Under Observe the Token is freed after T only if no 2.xx with Observe has come")
@statement("5.5.2", "TEXT", "Else notifications are received for as long as the observation lasts")
def test_token_of_an_observation():
    for response in (None, {}, {"options": [(n.OBSERVE, b"\x01")], "code": n.NOT_FOUND}):
        asking = through(observe=True, timeout=5)
        if response is not None:
            relayed(asking, **response)
        asking.wait(5000 + MARGIN)
        assert free(asking)
    asking = through(observe=True, timeout=5)
    relayed(asking, options=[(n.OBSERVE, b"\x01"), (n.MAX_AGE, b"\xff")])
    asking.wait(60000)
    assert not free(asking)
    relayed(asking, options=[(n.OBSERVE, b"\x02")], payload=b"22")
    assert [response.payload for response in asking.responses] == [b"21.5", b"22"]


# §6.2


@statement("6.2", "MUST", "Who knows that it talks to a reverse-proxy does as in 5.1.1: Multicast-Timeout and the rest")
def test_request_to_a_reverse_proxy():
    asking = Asking(REVERSE, reverse=True, timeout=60)
    assert asking.request.peer == PROXY
    assert asking.request.options == [(MULTICAST_TIMEOUT, b"\x3c"), (n.URI_PATH, b"gp"), (n.URI_PATH, b"r")]
    asking.acknowledge(PROXY)
    for value in (BY_HOST, BY_PATH):
        relayed(asking, value)
    assert len(asking.responses) == 2 and not free(asking)
    asking.wait(60000 + MARGIN)
    assert free(asking)


@statement("6.2", "TEXT", "Who does not know it learns so: 4.00 with an empty Multicast-Timeout")
def test_reverse_proxy_is_recognised():
    asking = Asking(REVERSE)
    asking.answer(code=n.BAD_REQUEST, options=[(MULTICAST_TIMEOUT, b"")], peer=PROXY)
    assert asking.responses[0].wants_timeout()
    asking = Asking(REVERSE)
    asking.answer(code=n.BAD_REQUEST, peer=PROXY)
    assert not asking.responses[0].wants_timeout()


@statement("6.2", "TEXT", "A follow-up request goes to the address in the CRI, a server's or one of the proxy")
def test_follow_up_goes_where_the_cri_says():
    for address in (SERVER, uri.pack(b"\xc0\x00\x02\x37", 61616)):
        asking = Asking(REVERSE, reverse=True)
        relayed(asking, origin(address))
        sent = follow_up(asking, "r1")
        assert sent.peer == address and sent.options == [(n.URI_PATH, b"r1")]


@statement("6.2", "TEXT", "With a CRI reference it has Uri-Host, Uri-Port and Uri-Path as given there")
@statement("6.2", "TEXT", "The client's own path segments follow those of the CRI reference")
def test_follow_up_has_what_the_cri_reference_says():
    for value, options in (
        (BY_HOST, [(n.URI_HOST, b"192.0.2.5"), (n.URI_PORT, b"\xf0\xb0"), (n.URI_PATH, b"r1")]),
        (BY_PATH, [(n.URI_PATH, b"gp"), (n.URI_PATH, b"10"), (n.URI_PATH, b"r1")]),
    ):
        asking = Asking(REVERSE, reverse=True)
        relayed(asking, value)
        sent = follow_up(asking, "r1")
        assert sent.peer == PROXY and sent.options == options


@statement("6.2", "MUST", "An authority without a port does not lead to Uri-Port in the follow-up request")
def test_no_uri_port_without_a_port():
    asking = Asking(REVERSE, reverse=True)
    relayed(asking, BY_HOST_ALONE)
    assert follow_up(asking, "r1").options == [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r1")]


# §7.3 and §8.1, as far as the client goes


def caching(**settings):
    """A client with a cache that has the responses of two servers, and the Group-ETag of both; its next request."""
    asking = through(client={"cache": 4}, timeout=5, **settings)
    for value in (origin(SERVER), origin(SERVER2)):
        relayed(asking, value, [(n.MAX_AGE, b"\xc8"), (GROUP_ETAG, b"g1")], payload=value)
    asking.wait(5000 + MARGIN)
    asking.items.clear()
    asking.handle = asking.send(GROUP_URI, proxy=PROXY, timeout=5, **settings)
    (asking.request,) = asking.port.sent()
    asking.acknowledge(PROXY)
    return asking


@statement("7.3", "TEXT", "A GET or FETCH for a group may have Group-ETags of what the client has stored, one or more")
def test_client_sends_group_etags():
    asking = caching()
    assert asking.request.option(GROUP_ETAG) == b"g1"
    asking = through(options=[(GROUP_ETAG, b"a"), (GROUP_ETAG, b"b")])
    assert [value for number, value in asking.request.options if number == GROUP_ETAG] == [b"a", b"b"]


@statement("7.3", "TEXT", "A 2.03 with a Group-ETag says that the stored responses can be used again, each updated")
def test_valid_stands_for_all_stored_responses():
    asking = caching()
    asking.answer(n.NON, n.VALID, [(n.MAX_AGE, b"\x64"), (GROUP_ETAG, b"g1")], b"", peer=PROXY)
    assert [(each.origin, each.payload) for each in asking.responses] == [
        (SERVER, origin(SERVER)), (SERVER2, origin(SERVER2))
    ]  # fmt: skip
    assert [each.option(n.MAX_AGE) for each in asking.responses] == [b"\x64"] * 2 and free(asking)


@statement("8.1", "SHOULD", "Who asks again after 5.05 does so with a greater T' that is at least the one told there")
def test_least_timeout_is_told_to_the_caller():
    asking = Asking(GROUP_URI, proxy=PROXY, timeout=3)
    asking.answer(code=n.PROXYING_NOT_SUPPORTED, options=[(MULTICAST_TIMEOUT, b"\x08")], peer=PROXY)
    assert asking.responses[0].least_timeout() == 8 and free(asking)
    asking.send(GROUP_URI, proxy=PROXY, timeout=asking.responses[0].least_timeout())
    assert asking.port.sent()[0].option(MULTICAST_TIMEOUT) == b"\x08"
