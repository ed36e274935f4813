"""RFC 7252 §5.7: proxying."""

from conformance.site import PROXY_TARGET, TEMP, Site
from conformance.statements import Document
from groupcoap import uri
from groupcoap import numbers as n
from wire import SERVER, UNKNOWN_CRITICAL, UNKNOWN_SAFE, UNKNOWN_UNSAFE, Proxied

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

not_claimed(
    "5.7.1",
    "MUST",
    "Max-Age of a response out of a proxy's cache is reduced by its time there",
    "the proxy has no cache: it forwards every request",
)


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
