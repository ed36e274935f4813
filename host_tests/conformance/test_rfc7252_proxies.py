"""RFC 7252 §5.7: proxying, and what §5.6 and §5.9 ask of a proxy that has a cache."""

from conformance.site import PROXY_TARGET, TEMP, Site
from conformance.statements import Document
from draft.site import CACHING, R, grouped, origins, single, timed, uint
from draft.site import Site as Proxies
from groupcoap import uri
from groupcoap import numbers as n
from wire import GROUP, OTHER, SERVER, SERVER2, UNKNOWN_CRITICAL, UNKNOWN_SAFE, UNKNOWN_UNSAFE, Proxied

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

not_claimed(
    "5.7",
    "SHOULD",
    "A request for a secure scheme goes to the proxy by DTLS",
    "secure schemes are not supported: such a request is refused",
)


@statement("5.7.1", "MUST", "A proxy gives 5.04 (Gateway Timeout) when the server does not answer")
def test_gateway_timeout():
    for kind in (n.CON, n.NON):
        proxy = Proxied()
        proxy.asked(PROXY_TARGET, kind=kind)
        proxy.wire.advance(120000)
        assert n.GATEWAY_TIMEOUT in [packet.code for packet in proxy.down.sent()]


@statement("5.7.1", "MUST", "A proxy gives 5.02 (Bad Gateway) for a response that it cannot process")
@statement("5.7.1", "MUST", "An unrecognised unsafe option in a response gives 5.02 (Bad Gateway)")
def test_bad_gateway():
    for number in (UNKNOWN_UNSAFE, UNKNOWN_UNSAFE + 1):
        proxy = Proxied()
        forwarded = proxy.asked(PROXY_TARGET)
        (sent,) = proxy.answer(forwarded.token, 9, options=[(number, b"x")])
        assert sent.code == n.BAD_GATEWAY and sent.token == b"tok"


@statement("5.7.1", "MUST", "All options of a proxy request are processed, or it is refused")
@statement("5.7.1", "MUST", "An unrecognised unsafe option in a request gives 4.02 (Bad Option)")
def test_unsafe_option_in_a_request():
    for number in (UNKNOWN_UNSAFE, UNKNOWN_UNSAFE + 1):
        proxy = Proxied()
        (sent,) = proxy.ask(PROXY_TARGET + [(number, b"x")])
        assert sent.code == n.BAD_OPTION and proxy.up.sent() == []


@statement("5.7.1", "MUST", "Safe-to-Forward options of a request are forwarded although not recognised")
def test_safe_options_of_a_request_are_forwarded():
    forwarded = Proxied().asked(PROXY_TARGET + [(UNKNOWN_CRITICAL, b"c"), (UNKNOWN_SAFE, b"s")])
    assert forwarded.option(UNKNOWN_CRITICAL) == b"c" and forwarded.option(UNKNOWN_SAFE) == b"s"


@statement("5.7.1", "MUST", "Safe-to-Forward options of a response are forwarded although not recognised")
def test_safe_options_of_a_response_are_forwarded():
    proxy = Proxied()
    forwarded = proxy.asked(PROXY_TARGET)
    (sent,) = proxy.answer(forwarded.token, 9, options=[(UNKNOWN_CRITICAL, b"c"), (UNKNOWN_SAFE, b"s")])
    assert sent.code == n.CONTENT
    assert sent.option(UNKNOWN_CRITICAL) == b"c" and sent.option(UNKNOWN_SAFE) == b"s"


@statement("5.7.2", "MUST", "Who cannot or will not act as proxy for a URI gives 5.05 (Proxying Not Supported)")
def test_proxying_not_supported():
    assert Site().code([(n.PROXY_URI, b"coap://192.0.2.6/x")]) == n.PROXYING_NOT_SUPPORTED
    assert Site().code([(n.URI_HOST, b"192.0.2.6"), (n.PROXY_SCHEME, b"coap")]) == n.PROXYING_NOT_SUPPORTED
    for target in (b"http://192.0.2.5/x", b"coaps://192.0.2.5/x"):
        proxy = Proxied()
        (sent,) = proxy.ask([(n.PROXY_URI, target)])
        assert sent.code == n.PROXYING_NOT_SUPPORTED and proxy.up.sent() == []


@statement("5.7.2", "MUST", "A proxy request that names the proxy itself is a local one")
@statement("5.10.2", "MUST", "A proxy recognises its own names, its numeric address among them")
def test_request_for_the_proxy_itself_is_local():
    for options in (
        [(n.PROXY_URI, b"coap://192.0.2.1/temp")],
        [(n.PROXY_URI, b"coap://192.0.2.1:5683/temp")],
        [(n.URI_HOST, b"192.0.2.1"), (n.URI_PATH, b"temp"), (n.PROXY_SCHEME, b"coap")],
    ):
        proxy = Proxied()
        (sent,) = proxy.ask(options)
        assert sent.code == n.CONTENT and proxy.up.sent() == []
        assert proxy.local.requests[0][1] == TEMP


@statement("5.7.2", "MUST", "A forward-proxy turns the request URI into a destination and Uri-* options")
def test_request_uri_is_translated():
    forwarded = Proxied().asked([(n.PROXY_URI, b"coap://192.0.2.5:61616/a/b%2Fc?d=e&f")])
    assert forwarded.peer == uri.pack(b"\xc0\x00\x02\x05", 61616)
    assert forwarded.options == [
        (n.URI_PATH, b"a"), (n.URI_PATH, b"b/c"), (n.URI_QUERY, b"d=e"), (n.URI_QUERY, b"f")
    ]  # fmt: skip
    proxy = Proxied(resolve=lambda name: SERVER[:4])
    assert proxy.asked([(n.PROXY_URI, b"coap://sensor.example/x")]).option(n.URI_HOST) == b"sensor.example"


@statement("5.7.3", "TEXT", "A reverse-proxy finds the destination by request and configuration, without Proxy-*")
def test_reverse_proxy():
    entry = {"group": "224.0.1.187", "path": "gp", "servers": True}
    site = Proxies(mode="reverse", stands_in_for=[entry])
    request = site.asked(timed(5, [(n.URI_PATH, b"gp")] + R))
    assert request.peer == GROUP and request.options == R
    request = site.asked([(n.URI_PATH, b"gp"), (n.URI_PATH, b"192.0.2.5")] + R, token=b"one")
    assert request.peer == SERVER and request.options == R


# With a cache


class Caching(Proxies):
    """A proxy that has stored a response of SERVER for coap://192.0.2.5/r, fresh for 50 s, by a request for that."""

    def __init__(self):
        Proxies.__init__(self, **CACHING)
        request = self.asked(single())
        self.answer(request, SERVER, [(n.ETAG, b"e1"), (n.MAX_AGE, b"\x32")], b"stored")

    def again(self, options=None, **request):
        """The request once more, of another client: the one message that the proxy sends."""
        (sent,) = self.ask(single() if options is None else options, client=OTHER, token=b"two", **request)
        return sent


@statement("5.7.1", "MUST", "Max-Age of a response out of a proxy's cache is reduced by its time there")
def test_max_age_out_of_the_cache():
    site = Caching()
    for left in (40, 30):
        site.wait(10000)
        sent = site.again()
        assert (sent.peer, sent.payload, sent.option(n.MAX_AGE)) == (OTHER, b"stored", uint(left))
    request = site.asked(grouped(1))
    for server in (SERVER, SERVER2):
        site.answer(request, server, [(n.MAX_AGE, b"\x32")])
    site.wait(10000)
    sent = site.ask(grouped(5), client=OTHER)
    assert len(origins(sent)) == 2 and {packet.option(n.MAX_AGE) for packet in sent} == {uint(40)}


@statement("5.6", "MUST", "A proxy uses what it has stored for the same method and cache key only")
def test_proxy_matches_method_and_cache_key():
    for options, settings in (
        (single(b"coap://192.0.2.5/r?q"), {}),
        (single(b"coap://192.0.2.6/r"), {}),
        (single(more=[(n.ACCEPT, b"")]), {}),
        (single(more=[(UNKNOWN_SAFE, b"x")]), {}),
        (single(), {"code": n.FETCH}),
        (single(), {"code": n.POST}),
    ):
        assert Caching().again(options, **settings).peer in (SERVER, SERVER2), options


@statement("5.6", "MUST", "And only while it is fresh, or after the proxy has validated it")
def test_proxy_validates_what_is_not_fresh():
    site = Caching()
    site.wait(50000)
    request = site.again()
    assert request.peer == SERVER and request.option(n.ETAG) == b"e1"
    sent = site.relayed(request, SERVER, [(n.ETAG, b"e1"), (n.MAX_AGE, b"\x0a")], b"", n.VALID)
    assert (sent.code, sent.payload, sent.option(n.MAX_AGE)) == (n.CONTENT, b"stored", b"\x0a")
    assert site.again().payload == b"stored"


@statement("5.9.1.1", "MUST", "2.01 (Created) makes what a proxy has stored for that resource not fresh")
@statement("5.9.1.2", "MUST", "2.02 (Deleted) makes what a proxy has stored for that resource not fresh")
@statement("5.9.1.4", "MUST", "2.04 (Changed) makes what a proxy has stored for that resource not fresh")
def test_change_through_the_proxy_makes_what_is_stored_stale():
    for code in (n.CREATED, n.DELETED, n.CHANGED):
        site = Caching()
        site.answer(site.again(code=n.PUT, payload=b"new"), SERVER, code=code, payload=b"")
        assert site.again().peer == SERVER
        site = Caching()
        site.answer(site.ask(grouped(5), code=n.PUT, payload=b"new")[0], SERVER, code=code, payload=b"")
        assert site.again().peer == SERVER


@statement("5.9.1.3", "MUST", "Nor does a proxy lose the options of a 2.03 that are others than it has stored")
def test_proxy_takes_the_options_of_a_2_03():
    site = Proxies(**CACHING)
    site.answer(site.asked(grouped(1)), SERVER, [(n.ETAG, b"e1"), (n.MAX_AGE, b"\x01")], b"stored")
    site.wait(2000)
    request = site.ask(grouped(5), client=OTHER)[0]
    more = [(n.ETAG, b"e1"), (UNKNOWN_SAFE, b"x")]
    (fetch,) = site.answer(request, SERVER, more, b"", n.VALID)  # the whole representation is had instead
    assert fetch.peer == SERVER and fetch.option(n.ETAG) is None
    sent = site.answer(fetch, SERVER, more, b"stored", kind=n.ACK)
    assert [(packet.peer, packet.payload, packet.option(UNKNOWN_SAFE)) for packet in sent] == [(OTHER, b"stored", b"x")]
