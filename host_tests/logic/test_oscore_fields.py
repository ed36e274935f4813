"""What of a protected message is seen from outside, and what an opened one consists of (RFC 8613 §4)."""

from groupcoap import cri
from groupcoap import numbers as n
from groupcoap.message import with_options
from groupcoap.oscore.errors import Rejected
from groupcoap.oscore.fields import compose, integrity, merge
from oscore_ends import ends, message, open_request, open_response, packet, request, response, seal_request
from oscore_ends import seal_response, why, writer
from wire import MULTICAST_SIGNALING, MULTICAST_TIMEOUT, REPLY_FROM, UNKNOWN_CRITICAL, datagram

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

PATH = (n.URI_PATH, b"temp")


def through(options, code=n.GET, payload=b"", more=(), **both):
    """(outer options, options after opening) of a request. more: what somebody on the path adds."""
    client, server = ends(**both)
    protected = packet(seal_request(client, request(options, code, payload))[1])
    assert protected.code in (n.POST, n.FETCH)
    seen = protected.options
    if more:
        pairs = with_options(seen, more)
        again = datagram(protected.kind, protected.code, protected.mid, protected.token, pairs, protected.payload)
        opened = packet(open_request(server, again)[1])
    else:
        opened = packet(open_request(server, protected.raw)[1])
    assert (opened.kind, opened.mid, opened.token, opened.code) == (n.NON, 1, b"tok", code)
    assert opened.payload == payload
    return [pair for pair in seen if pair[0] != n.OSCORE], opened.options


def answered(options, code=n.CONTENT, asked=(PATH,), **both):
    """(outer code, outer options, options after opening) of a response."""
    client, server = ends(**both)
    ours, protected = seal_request(client, request(asked))
    theirs, _ = open_request(server, protected)
    protected = packet(seal_response(theirs, response(options, code)))
    opened = packet(open_response(ours, protected.raw))
    assert (opened.kind, opened.mid, opened.token, opened.code) == (n.NON, 2, b"tok", code)
    assert opened.payload == b"21.5"
    return protected.code, [pair for pair in protected.options if pair[0] != n.OSCORE], opened.options


def test_class_e_options_are_not_seen_from_outside():
    options = [(n.IF_MATCH, b"e"), (n.ETAG, b"t"), (n.IF_NONE_MATCH, b""), PATH, (n.URI_PATH, b"x"),
               (n.CONTENT_FORMAT, b"\x3c"), (n.URI_QUERY, b"a=b"), (n.ACCEPT, b""), (n.BLOCK2, b"\6"),
               (n.BLOCK1, b"\x0e"), (n.SIZE2, b""), (n.SIZE1, b"\1"),
               (n.ECHO, b"e" * 40), (n.NO_RESPONSE, b"\2"), (n.REQUEST_TAG, b"r"),
               (UNKNOWN_CRITICAL, b"u" * 300)]  # fmt: skip
    assert through(options, n.PUT, b"payload") == ([], options)


def test_class_u_options_are_outer_ones():
    options = [(MULTICAST_TIMEOUT, b"\5"), (n.URI_HOST, b"h"), (n.URI_PORT, b"\x16\x34"), PATH, (n.HOP_LIMIT, b"\x10"),
               (n.PROXY_SCHEME, b"coap")]  # fmt: skip
    assert through(options) == ([pair for pair in options if pair != PATH], options)


def test_a_class_i_option_is_seen_but_not_changed():
    signal = (MULTICAST_SIGNALING, b"\x0a")
    assert through([PATH, signal]) == ([signal], [PATH, signal])
    client, server = ends()
    p = packet(seal_request(client, request([PATH, signal]))[1])
    for options in (p.options[:-1] + [(MULTICAST_SIGNALING, b"\x0b")], p.options[:-1], p.options + [(65000, b"")]):
        changed = datagram(p.kind, p.code, p.mid, p.token, options, p.payload)
        assert why(open_request, server, changed) == (n.BAD_REQUEST, "Decryption failed")
    open_request(server, p.raw)
    assert integrity(message(p.raw), True) == datagram(0, 0, 0, b"", [signal])[4:]
    assert integrity(message(p.raw), True, ((548, b"h"),)) == datagram(0, 0, 0, b"", [(548, b"h"), signal])[4:]


def test_outer_options_of_class_e_are_discarded_and_others_are_kept_unless_there_is_an_inner_one():
    noise = [(n.IF_MATCH, b"x"), (n.ETAG, b"x"), (n.OBSERVE, b""), (n.MAX_AGE, b""), (n.URI_PATH, b"evil"),
             (n.URI_QUERY, b"q"), (n.BLOCK2, b"\6"), (n.BLOCK1, b"\6"), (n.ECHO, b"x"), (n.NO_RESPONSE, b"\x1a"),
             (n.SIZE1, b"\1"), (UNKNOWN_CRITICAL, b"")]  # fmt: skip
    hop = (n.HOP_LIMIT, b"\5")
    assert through([PATH], more=noise + [hop]) == ([], [PATH, hop])


def test_an_inner_option_stands_for_all_outer_ones_of_its_number():
    # As a peer might do that encrypts a class U option end to end.
    outside = [(3, b"o"), (7, b"\1"), (9, b""), (16, b"\1"), (16, b"\2")]
    outer = message(datagram(n.NON, n.POST, 1, b"tok", outside, b"c"))
    inner = message(datagram(0, n.GET, 0, b"", [(3, b"i"), (11, b"a"), (11, b"b"), (16, b"\3")], b"p"))
    out = writer()
    merge(outer, inner, out, False)
    assert packet(out.message()).options == [(3, b"i"), (7, b"\1"), (11, b"a"), (11, b"b"), (16, b"\3")]
    assert packet(out.message()).payload == b"p"


def test_no_response_is_outer_too_where_it_says_26():
    for value, outer in ((b"\x1a", [(n.NO_RESPONSE, b"\x1a")]), (b"\x02", []), (b"", [])):
        assert through([PATH, (n.NO_RESPONSE, value)]) == (outer, [PATH, (n.NO_RESPONSE, value)])


def test_what_a_response_says_is_inner_and_looks_like_2_04():
    options = [(n.ETAG, b"e"), (n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\5"), (n.BLOCK2, b"\x0e"), (n.SIZE2, b"\1")]
    assert answered(options) == (n.CHANGED, [], options)
    assert answered([], n.NOT_FOUND) == (n.CHANGED, [], [])
    reply = (REPLY_FROM, b"\x81\x81\x20\x20\x20")
    assert answered([reply]) == (n.CHANGED, [reply], [reply])


def test_an_outer_max_age_of_a_response_is_discarded():
    client, server = ends()
    ours, protected = seal_request(client, request())
    p = packet(seal_response(open_request(server, protected)[0], response([(n.MAX_AGE, b"\5")])))
    changed = datagram(p.kind, n.CONTENT, 7, b"other", p.options + [(n.MAX_AGE, b""), (n.ECHO, b"e")], p.payload)
    opened = packet(open_response(ours, changed))
    assert (opened.mid, opened.token, opened.code, opened.options) == (7, b"other", n.CONTENT, [(n.MAX_AGE, b"\5")])


def test_proxy_uri_tells_the_proxy_where_and_not_what():
    for text, outside, inside in (
        (b"coap://example.com/resource?q=1", b"coap://example.com", [(11, b"resource"), (15, b"q=1")]),
        (b"COAP://[2001:DB8::1]:61616/a%2Fb/c?x&y=%26", b"coap://[2001:DB8::1]:61616",
         [(11, b"a/b"), (11, b"c"), (15, b"x"), (15, b"y=&")]),
        (b"coap://224.0.1.187", b"coap://224.0.1.187", []),
        (b"coap://224.0.1.187/", b"coap://224.0.1.187", []),
    ):  # fmt: skip
        more = [(n.ACCEPT, b""), (n.REQUEST_TAG, b"r")]
        outer, opened = through([(n.CONTENT_FORMAT, b""), (n.ACCEPT, b""), (n.PROXY_URI, text), (n.REQUEST_TAG, b"r")])
        assert outer == [(n.PROXY_URI, outside)]
        assert opened == with_options(with_options(inside, [(n.CONTENT_FORMAT, b"")] + more), outer)


def test_proxy_cri_tells_the_proxy_where_and_not_what():
    value = cri.encode(cri.Cri("coap", b"\xe0\0\1\xbb", 61616, ["a", "b"], ["q=1"]))
    outer, opened = through([(n.PROXY_CRI, value)])
    assert outer == [(n.PROXY_CRI, cri.encode(cri.Cri("coap", b"\xe0\0\1\xbb", 61616)))]
    assert opened == [(11, b"a"), (11, b"b"), (15, b"q=1")] + outer


def test_a_target_that_cannot_be_split_is_the_callers_fault():
    client, _ = ends()
    long_part = cri.encode(cri.Cri("coap", b"\xe0\0\1\xbb", None, ["x" * 256]))
    for option in ((n.PROXY_URI, b"/relative"), (n.PROXY_URI, b"coap://h/" + b"x" * 256), (n.PROXY_CRI, b"\x80"),
                   (n.PROXY_CRI, b"\xff"), (n.PROXY_CRI, long_part)):  # fmt: skip
        try:
            seal_request(client, request([option]))
        except ValueError:
            continue
        raise AssertionError(option)


def test_what_does_not_fit_is_refused_and_uses_no_memory_beyond_the_buffer():
    client, server = ends()
    for data in (request(payload=b"p" * 50), request([(MULTICAST_SIGNALING, bytes(300))])):
        length = len(seal_request(client, data)[1])
        for size in range(16, length):
            try:
                client.seal_request(message(data), writer(size))
            except ValueError:
                continue
            raise AssertionError(size)
        assert len(data) < length


def test_an_unknown_option_is_not_relayed_under_protection():
    for data, code in (
        (request([PATH, (UNKNOWN_CRITICAL, b"")]), n.BAD_OPTION),
        (response([(65008, b"")]), n.BAD_GATEWAY),
    ):
        compose(message(data), writer(), 0, ())
        try:
            compose(message(data), writer(), 0, (), relayed=True)
        except Rejected as error:
            assert error.code == code
            continue
        raise AssertionError("relayed")


def test_an_observation_that_shall_not_be_seen():
    out = writer()
    compose(message(request([(n.OBSERVE, b""), PATH])), out, n.FETCH, ((9, b""),), observe=False)
    assert packet(out.message()).options == [(9, b"")]
    assert packet(out.message()).payload == bytes((n.GET, 0x60, 0x54)) + b"temp"
