"""RFC 7252 §5.4, §5.5 and §5.10: options and payloads."""

from conformance.site import CORE, PRECONDITION_FAILED, PROXY_TARGET, R, TEMP, Asking, Site, raising, serving
from conformance.statements import Document
from groupcoap import errors
from groupcoap import numbers as n
from groupcoap.server import Resource, Response
from wire import PROXY, SERVER, UNKNOWN_CRITICAL, UNKNOWN_SAFE, UNKNOWN_UNSAFE, Proxied

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed


# §5.4


@statement("5.4", "MUST", "An option that is not defined for a response is treated there as an unrecognised one")
def test_request_option_in_a_response():
    for option in ((n.IF_MATCH, b"x"), (n.URI_HOST, b"x"), (n.URI_PATH, b"x"), (n.ACCEPT, b""), (n.PROXY_URI, b"x")):
        asking = Asking()
        asking.acknowledge()
        (sent,) = asking.answer(n.CON, options=[option], mid=9)
        assert sent.is_empty(n.RST, 9) and asking.responses == [], option


@statement("5.4", "MUST", "An option that is not defined for a method or response code is not sent")
def test_only_defined_options_are_sent():
    site = Site()
    assert site.answer(code=n.PUT, payload=b"1").options == []
    assert site.answer(R).options == []
    numbers = {number for number, _ in Asking().request.options}
    assert numbers == {n.URI_PATH}


@statement("5.4.1", "MUST", "Unrecognised elective options are silently ignored, in requests and responses")
def test_unknown_elective_option_is_ignored():
    assert Site().code(TEMP + [(UNKNOWN_SAFE, b"x"), (UNKNOWN_UNSAFE, b"x")]) == n.CONTENT
    asking = Asking()
    asking.answer(options=[(UNKNOWN_SAFE, b"x"), (UNKNOWN_UNSAFE, b"x")])
    assert len(asking.responses) == 1


@statement("5.4.1", "MUST", "An unrecognised critical option in a Confirmable request gives 4.02 (Bad Option)")
def test_unknown_critical_option_is_4_02():
    site = Site()
    assert site.code(TEMP + [(UNKNOWN_CRITICAL, b"x")]) == n.BAD_OPTION
    assert site.code([(9, b"")] + TEMP) == n.BAD_OPTION  # OSCORE, which this server does not have
    assert site.calls == 0


@statement("5.4.1", "SHOULD", "That response says in a diagnostic payload which option it was")
def test_bad_option_is_named():
    assert b"%d" % UNKNOWN_CRITICAL in Site().answer(TEMP + [(UNKNOWN_CRITICAL, b"x")]).payload


@statement("5.4.1", "MUST", "An unrecognised critical option in a Confirmable response has it rejected")
def test_unknown_critical_option_in_a_con_response():
    asking = Asking()
    asking.acknowledge()
    (sent,) = asking.answer(n.CON, options=[(UNKNOWN_CRITICAL, b"x")], mid=9)
    assert sent.is_empty(n.RST, 9) and asking.responses == []


@statement("5.4.1", "MUST", "An unrecognised critical option in a piggybacked response has it rejected")
def test_unknown_critical_option_in_a_piggybacked_response():
    asking = Asking()
    assert asking.answer(options=[(UNKNOWN_CRITICAL, b"x")]) == [] and asking.responses == []


@statement("5.4.1", "MUST", "An unrecognised critical option in a Non-confirmable response has it rejected")
def test_unknown_critical_option_in_a_non_response():
    asking = Asking(confirmable=False)
    for sent in asking.answer(n.NON, options=[(UNKNOWN_CRITICAL, b"x")], mid=9):
        assert sent.is_empty(n.RST, 9)
    assert asking.responses == []


not_claimed(
    "5.4.1",
    "MUST",
    "An unrecognised critical option in a Non-confirmable request has it rejected without a response",
    "draft-ietf-core-uri-path-abbrev amends this: such a request gets 4.02 as a Confirmable one does, unless it came "
    "by multicast",
)


@statement("5.4.3", "MUST", "An option of a request whose length is out of its range is treated as an unrecognised one")
def test_option_of_a_wrong_length():
    site = Site()
    assert site.code(TEMP + [(n.ACCEPT, b"\0\0\0")]) == n.BAD_OPTION
    assert site.code([(n.URI_PATH, b"x" * 256)]) == n.BAD_OPTION
    assert site.code([(n.URI_HOST, b"")] + TEMP) == n.BAD_OPTION
    assert site.code([(n.IF_NONE_MATCH, b"x")] + TEMP, code=n.PUT) == n.BAD_OPTION
    assert site.code([(n.ETAG, b"123456789")] + TEMP) == n.CONTENT  # elective
    assert site.code(TEMP + [(n.CONTENT_FORMAT, b"\0\0\0")], code=n.PUT) == n.CHANGED


@statement("5.4.4", "SHOULD", "An option is left out where it would say its default")
def test_defaults_are_left_out():
    request = Asking("coap://192.0.2.5:5683/").request
    assert request.options == []  # Uri-Host, Uri-Port, Uri-Path


@statement("5.4.4", "MUST", "Where an option is missing, its default holds")
def test_defaults_hold():
    proxy = Proxied()
    options = [(n.URI_HOST, b"192.0.2.5"), (n.PROXY_SCHEME, b"coap")]
    forwarded = proxy.asked(options)
    assert forwarded.peer == SERVER and forwarded.options == []  # Uri-Port 5683, no Uri-Path
    assert Site().answer([(n.URI_PATH, b"temp")]).code == n.CONTENT  # Accept: any


@statement("5.4.5", "MUST", "An option that is not repeatable is sent at most once in a message")
def test_options_are_not_repeated():
    asking = Asking("coap://192.0.2.5/a/b?c&d", n.PUT, payload=b"x", content_format=0)
    for packet in (asking.request, Site().answer(), Site().answer(CORE)):
        for number in (n.CONTENT_FORMAT, n.MAX_AGE, n.URI_HOST, n.URI_PORT, n.ACCEPT, n.OBSERVE, n.BLOCK1, n.BLOCK2):
            packet.option(number)  # asserts that there is one at most


@statement("5.4.5", "MUST", "A supernumerary occurrence of an option is treated as an unrecognised option")
def test_supernumerary_option():
    site = Site()
    assert site.code([(n.URI_HOST, b"a"), (n.URI_HOST, b"a")] + TEMP) == n.BAD_OPTION
    assert site.code(TEMP + [(n.ACCEPT, b""), (n.ACCEPT, b"")]) == n.BAD_OPTION
    assert site.code(TEMP + [(n.CONTENT_FORMAT, b""), (n.CONTENT_FORMAT, b"\x3c")], code=n.PUT) == n.CHANGED  # elective


# §5.5


@statement("5.5", "MUST", "A payload is ignored where the method defines none")
def test_payload_of_a_get_is_ignored():
    assert Site().answer(payload=b"x").payload == b"21.5"


@statement("5.5", "MUST", "No payload is sent where method or code defines none")
def test_no_payload_where_none_is_defined():
    assert Asking().request.payload == b""
    assert Site().answer(code=n.PUT, payload=b"1").payload == b""


not_claimed("5.5.1", "SHOULD", "The type of a payload is guessed only where none is given", "no payload is looked into")


@statement("5.5.2", "MUST", "A diagnostic payload is UTF-8")
def test_diagnostic_payload_is_utf8():
    site = serving(raising(errors.BadRequest("Größe")))
    assert site.answer(R).payload.decode() == "Größe"
    assert site.answer(TEMP + [(UNKNOWN_CRITICAL, b"x")]).payload.decode()


@statement("5.5.2", "SHOULD", "A diagnostic payload is empty where the code says it all")
def test_no_needless_diagnostic_payload():
    site = Site()
    assert site.answer(R).payload == b"" and site.answer(code=n.DELETE).payload == b""


@statement("5.9.2", "SHOULD", "A 4.xx response has a diagnostic payload where there is more to say")
@statement("5.9.3", "SHOULD", "A 5.xx response has a diagnostic payload where there is more to say")
def test_diagnostic_payload():
    for error in (errors.BadRequest("why"), errors.ServiceUnavailable("why")):
        assert serving(raising(error)).answer(R).payload == b"why"


# §5.10


@statement("5.10.1", "MUST", "No Uri-Path is a dot segment (. or ..): references are resolved before")
def test_no_dots_in_uri_path():
    request = Asking("coap://192.0.2.5/a/./b/../c").request
    assert request.options == [(n.URI_PATH, b"a"), (n.URI_PATH, b"c")]
    forwarded = Proxied().asked([(n.PROXY_URI, b"coap://192.0.2.5/a/%2e%2e/b")])
    assert forwarded.options == [(n.URI_PATH, b"b")]


@statement("5.10.1", "TEXT", "Uri-Path and Uri-Query may hold any characters")
def test_any_characters_in_a_path():
    site = Site()
    site.add("a/b c", lambda request: b"x")
    assert site.code([(n.URI_PATH, b"a"), (n.URI_PATH, b"b c")]) == n.CONTENT
    seen = []
    site = serving(lambda request: seen.append(request.option(n.URI_QUERY)) or b"x")
    site.ask(R + [(n.URI_QUERY, "&=é".encode())])
    assert seen == ["&=é".encode()]


@statement("5.10.2", "MUST", "Proxy-Uri at who is no forward-proxy gives 5.05 (Proxying Not Supported)")
def test_proxy_uri_at_a_server():
    for target in (b"coap://192.0.2.6/temp", b"http://example.com/", b"nonsense"):
        assert Site().code([(n.PROXY_URI, target)]) == n.PROXYING_NOT_SUPPORTED


@statement("5.10.2", "MUST", "Proxy-Uri takes precedence over Uri-Host, Uri-Port, Uri-Path and Uri-Query")
def test_proxy_uri_takes_precedence():
    others = [(n.URI_HOST, b"192.0.2.6"), (n.URI_PORT, b"\x01"), (n.URI_PATH, b"x"), (n.URI_QUERY, b"y")]
    forwarded = Proxied().asked(others + PROXY_TARGET)
    assert forwarded.peer == SERVER and forwarded.options == TEMP


@statement("5.10.2", "MUST", "None of these is sent together with Proxy-Uri")
def test_client_sends_proxy_uri_alone():
    request = Asking("coap://192.0.2.5/temp?a", proxy=PROXY).request
    assert request.options == [(n.PROXY_URI, b"coap://192.0.2.5/temp?a")] and request.peer == PROXY


@statement("5.10.4", "MUST", "4.06 (Not Acceptable) where the format that Accept asks for cannot be had")
def test_not_acceptable():
    site = Site()
    assert site.code(TEMP + [(n.ACCEPT, b"\x3c")]) == n.NOT_ACCEPTABLE
    assert site.code(TEMP + [(n.ACCEPT, b"")]) == n.CONTENT


@statement("5.10.4", "MUST", "Unless another error takes precedence")
def test_other_errors_take_precedence_over_accept():
    site = Site()
    assert site.code(R + [(n.ACCEPT, b"\x3c")]) == n.NOT_FOUND
    assert site.code(TEMP + [(n.ACCEPT, b"\x3c"), (UNKNOWN_CRITICAL, b"")]) == n.BAD_OPTION


@statement("5.10.3", "TEXT", "4.15 (Unsupported Content-Format) for a payload in a format that is not taken")
def test_unsupported_content_format():
    site = serving(lambda request: None, "PUT", accepts=(0, 60))
    assert site.code(R + [(n.CONTENT_FORMAT, b"\x32")], code=n.PUT, payload=b"{}") == n.UNSUPPORTED_CONTENT_FORMAT
    assert site.code(R + [(n.CONTENT_FORMAT, b"\x3c")], code=n.PUT, payload=b"\x01") == n.CHANGED


not_claimed(
    "5.10.5",
    "SHOULD",
    "Max-Age is brought up to date before each retransmission, where its tolerance is strict",
    "a retransmission is the same bytes; its delay is at most 45 s, and Max-Age is whole seconds that a resource "
    "chooses with that in mind",
)


@statement("5.10.6", "MUST", "An entity-tag is opaque")
def test_etag_is_opaque():
    for tag in (b"\0", b"\xff" * 8, b"\0\0", b"a" * 8):
        site = serving(lambda request, tag=tag: Response(b"x", etag=tag))
        assert site.answer(R).option(n.ETAG) == tag
        assert site.code([(n.ETAG, tag)] + R) == n.VALID
        if len(tag) < 8:
            assert site.code([(n.ETAG, tag + b"\0")] + R) == n.CONTENT
        if len(tag) > 1:
            assert site.code([(n.ETAG, tag[:-1])] + R) == n.CONTENT


@statement("5.10.6.1", "MUST", "A response has at most one ETag")
def test_one_etag_in_a_response():
    site = serving(lambda request: Response(b"x", etag=b"1"))
    for options in (R, [(n.ETAG, b"1"), (n.ETAG, b"2")] + R, [(n.ETAG, b"3"), (n.ETAG, b"4")] + R):
        assert site.answer(options).option(n.ETAG) == b"1"


@statement("5.10.7", "MUST", "No Location-Path is a dot segment (. or ..)")
def test_no_dots_in_location_path():
    for path in (".", "..", "a/../b"):
        sent = None
        try:
            site = serving(lambda request, path=path: Response(code=n.CREATED, location_path=path), "POST")
            sent = site.answer(R, code=n.POST)
        except ValueError:
            pass
        if sent is not None:
            assert not {b".", b".."} & {value for number, value in sent.options if number == n.LOCATION_PATH}


not_claimed(
    "5.10.7",
    "MUST",
    "Options 128, 132, 136 or 140 beside Location-* that are not supported give 4.02",
    "they are elective and stand in responses, to which there is no answer: a client ignores them",
)


@statement("5.10.8", "MUST", "Where a condition is not fulfilled, the method is not carried out")
@statement("5.10.8", "MUST", "The response then is 4.12 (Precondition Failed)")
def test_precondition_failed():
    site = serving(lambda request: Response(b"x", etag=b"v1"))
    done = []
    site.server.add(Resource("w"), GET=lambda request: Response(b"x", etag=b"v1"), PUT=lambda request: done.append(1))
    w = [(n.URI_PATH, b"w")]
    assert site.code([(n.IF_MATCH, b"v0")] + w, code=n.PUT) == PRECONDITION_FAILED
    assert site.code([(n.IF_NONE_MATCH, b"")] + w, code=n.PUT) == PRECONDITION_FAILED
    assert done == []


@statement("5.10.8.1", "TEXT", "If-Match is fulfilled by the current ETag among its values, or if empty by any")
def test_if_match():
    done = []
    site = Site()
    site.server.add(Resource("w"), GET=lambda request: Response(b"x", etag=b"v1"), PUT=lambda request: done.append(1))
    w = [(n.URI_PATH, b"w")]
    for options in ([(n.IF_MATCH, b"v1")], [(n.IF_MATCH, b"v0"), (n.IF_MATCH, b"v1")], [(n.IF_MATCH, b"")]):
        assert site.code(options + w, code=n.PUT) == n.CHANGED
    assert done == [1] * 3


@statement("5.10.8.2", "TEXT", "If-None-Match is fulfilled where the target does not exist")
def test_if_none_match():
    site = Site()
    done = []
    site.server.add(Resource("w"), GET=raising(errors.NotFound()), PUT=lambda request: done.append(1))
    assert site.code([(n.IF_NONE_MATCH, b""), (n.URI_PATH, b"w")], code=n.PUT) == n.CHANGED and done == [1]
