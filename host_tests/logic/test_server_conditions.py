"""What a request asks for and what an answer says of itself: conditions, formats, locations (RFC 7252 §5.8, §5.10)."""

import io

from groupcoap import numbers as n
from groupcoap.errors import NotFound
from groupcoap.server import Resource, Response
from test_server import TEMP, Site
from wire import CLIENT, datagram

DOC = [(n.URI_PATH, b"doc")]


class Stored(Site):
    """A site whose /doc is a document that may be there or not."""

    def __init__(self, doc=None, **attributes):
        super().__init__()
        self.doc = doc
        self.resource = Resource("doc", **attributes)
        self.server.add(self.resource, GET=self.get, PUT=self.put, DELETE=self.delete)

    def get(self, request):
        if self.doc is None:
            raise NotFound()
        return self.doc

    def put(self, request):
        created = self.doc is None
        self.doc = bytes(request.payload())
        return n.CREATED if created else None

    def delete(self, request):
        self.doc = None

    def send(self, options=(), code=n.PUT, payload=b"new", **request):
        """A request for /doc with these options: the answer."""
        (sent,) = self.ask(sorted(DOC + list(options)), code=code, payload=payload, **request)
        return sent

    def tag(self):
        """The entity-tag that the server makes for the document."""
        return self.server.etag(self.doc)


def only(site, options, **request):
    (sent,) = site.ask(options, **request)
    return sent


# ETag


def test_known_etag_is_2_03():
    site = Stored(b"doc", max_age=9)
    sent = site.send([(n.ETAG, site.tag())], n.GET, b"")
    assert (sent.code, sent.payload) == (n.VALID, b"")
    assert sent.options == [(n.ETAG, site.tag()), (n.MAX_AGE, b"\x09")]


def test_one_of_several_etags_is_2_03():
    site = Stored(b"doc")
    assert site.send([(n.ETAG, b"x"), (n.ETAG, site.tag()), (n.ETAG, b"y")], n.GET, b"").option(n.ETAG) == site.tag()


def test_unknown_etag_is_2_05():
    site = Stored(b"doc")
    for tag in (b"x", site.tag()[:-1], site.tag() + b"x"):
        sent = site.send([(n.ETAG, tag)], n.GET, b"")
        assert sent.code == n.CONTENT and sent.payload == b"doc"


def test_etag_is_that_of_the_content_and_the_server():
    site = Stored(b"doc")
    tag = site.tag()
    assert 1 <= len(tag) <= 8 and tag == Stored(b"doc").tag()
    site.server.address = b"\xc0\0\2\6\x16\x33"
    assert site.tag() != tag
    site.doc = b"dog"
    assert site.send([(n.ETAG, tag)], n.GET, b"").code == n.CONTENT


def test_etag_of_the_resource_is_told_and_known():
    site = Stored(b"doc")
    site.resource.set_etag(b"v1")
    assert site.send((), n.GET, b"").options == [(n.ETAG, b"v1")]
    assert site.send([(n.ETAG, b"v1")], n.GET, b"").code == n.VALID
    site.resource.set_etag(b"v2")
    assert site.send([(n.ETAG, b"v1")], n.GET, b"").option(n.ETAG) == b"v2"
    site.resource.set_etag(None)
    assert site.send((), n.GET, b"").options == []


def test_etag_of_a_response_is_told_and_known():
    site = Stored(Response(b"doc", etag=b"r", max_age=0))
    assert site.send((), n.GET, b"").options == [(n.ETAG, b"r"), (n.MAX_AGE, b"")]
    sent = site.send([(n.ETAG, b"r")], n.GET, b"")
    assert sent.code == n.VALID and sent.options == [(n.ETAG, b"r"), (n.MAX_AGE, b"")]


def test_fetch_knows_etags():
    site = Site()
    site.add("f", lambda request: Response(b"x", etag=b"r"), "FETCH")
    assert only(site, [(n.ETAG, b"r"), (n.URI_PATH, b"f")], code=n.FETCH).code == n.VALID


def test_etag_in_a_put_is_ignored():
    site = Stored(b"doc")
    assert site.send([(n.ETAG, site.tag())]).code == n.CHANGED and site.doc == b"new"


def test_known_etag_of_a_file_is_2_03_and_closes_it():
    file = io.BytesIO(b"x" * 3000)
    sent = Stored(Response(file, etag=b"r")).send([(n.ETAG, b"r")], n.GET, b"")
    assert sent.code == n.VALID and sent.options == [(n.ETAG, b"r")]
    try:
        file.read(1)
    except (ValueError, OSError):
        return
    raise AssertionError("still open")


def test_etag_of_an_invalid_length_is_ignored():
    assert Stored(b"doc").send([(n.ETAG, b"123456789")], n.GET, b"").code == n.CONTENT


# If-Match, If-None-Match


def test_if_match_of_the_content_lets_pass():
    site = Stored(b"doc")
    assert site.send([(n.IF_MATCH, site.tag())]).code == n.CHANGED and site.doc == b"new"


def test_if_match_of_something_else_is_4_12_without_effect():
    for code in (n.PUT, n.DELETE):
        site = Stored(b"doc")
        assert site.send([(n.IF_MATCH, b"other")], code).code == n.PRECONDITION_FAILED and site.doc == b"doc"


def test_one_of_several_if_matches_lets_pass():
    site = Stored(b"doc")
    assert site.send([(n.IF_MATCH, b"1"), (n.IF_MATCH, site.tag()), (n.IF_MATCH, b"2")]).code == n.CHANGED


def test_empty_if_match_asks_that_there_is_something():
    site = Stored(b"doc")
    assert site.send([(n.IF_MATCH, b"")]).code == n.CHANGED
    site = Stored()
    assert site.send([(n.IF_MATCH, b"")]).code == n.PRECONDITION_FAILED and site.doc is None


def test_if_match_fails_where_there_is_nothing():
    assert Stored().send([(n.IF_MATCH, b"x")]).code == n.PRECONDITION_FAILED


def test_if_match_of_the_etag_of_the_resource_or_of_its_response():
    site = Stored(b"doc")
    site.resource.set_etag(b"v1")
    assert site.send([(n.IF_MATCH, b"v2")]).code == n.PRECONDITION_FAILED
    assert site.send([(n.IF_MATCH, b"v1")]).code == n.CHANGED
    site = Stored(Response(b"doc", etag=b"r"))
    assert site.send([(n.IF_MATCH, b"q")]).code == n.PRECONDITION_FAILED
    assert site.send([(n.IF_MATCH, b"r")]).code == n.CHANGED


def test_if_none_match_asks_that_there_is_nothing():
    site = Stored()
    assert site.send([(n.IF_NONE_MATCH, b"")]).code == n.CREATED and site.doc == b"new"
    assert site.send([(n.IF_NONE_MATCH, b"")], payload=b"2").code == n.PRECONDITION_FAILED and site.doc == b"new"


def test_condition_that_comes_again_is_answered_as_before():
    site = Stored()
    first = site.send([(n.IF_NONE_MATCH, b"")], mid=9)
    again = site.send([(n.IF_NONE_MATCH, b"")], mid=9)
    assert first.code == n.CREATED and first.raw == again.raw


def test_conditions_of_a_resource_that_cannot_be_read():
    site = Site()
    site.add("w", lambda request: None, "PUT")
    path = [(n.URI_PATH, b"w")]
    assert only(site, [(n.IF_NONE_MATCH, b"")] + path, code=n.PUT).code == n.PRECONDITION_FAILED
    assert only(site, [(n.IF_MATCH, b"")] + path, code=n.PUT).code == n.CHANGED
    assert only(site, [(n.IF_MATCH, b"x")] + path, code=n.PUT).code == n.PRECONDITION_FAILED


def test_conditions_of_an_async_resource():
    site = Site()

    async def read(request):
        return b"x"

    site.server.add(Resource("a"), GET=read, PUT=lambda request: None)
    path = [(n.URI_PATH, b"a")]
    assert only(site, [(n.IF_NONE_MATCH, b"")] + path, code=n.PUT).code == n.PRECONDITION_FAILED
    assert only(site, [(n.IF_MATCH, b"")] + path, code=n.PUT).code == n.CHANGED


def test_fault_in_reading_for_a_condition_is_5_00_without_effect():
    site = Stored(object())
    assert site.send([(n.IF_MATCH, b"")]).code == n.INTERNAL_SERVER_ERROR and site.doc != b"new"


def test_condition_on_what_is_no_resource_is_4_04():
    site = Stored()
    assert only(site, [(n.IF_MATCH, b""), (n.URI_PATH, b"no")], code=n.PUT).code == n.NOT_FOUND


def test_if_none_match_with_a_value_is_4_02():
    site = Stored()
    assert site.send([(n.IF_NONE_MATCH, b"x")]).code == n.BAD_OPTION and site.doc is None


def test_if_match_that_is_too_long_is_4_02():
    assert Stored(b"doc").send([(n.IF_MATCH, b"123456789")]).code == n.BAD_OPTION


# Accept, Content-Format


def test_accept_of_the_format_is_answered():
    site = Stored(b"doc", content_format=60)
    for value in (b"\x3c", b"\0\x3c"):
        assert site.send([(n.ACCEPT, value)], n.GET, b"").code == n.CONTENT
    site = Stored(b"doc", content_format=0)
    for value in (b"", b"\0"):
        assert site.send([(n.ACCEPT, value)], n.GET, b"").code == n.CONTENT


def test_accept_of_another_format_is_4_06_without_effect():
    site = Stored(b"doc", content_format=60)
    assert site.send([(n.ACCEPT, b"")], n.GET, b"").code == n.NOT_ACCEPTABLE
    assert site.send([(n.ACCEPT, b"")]).code == n.NOT_ACCEPTABLE and site.doc == b"doc"


def test_accept_is_held_against_what_a_response_says():
    site = Stored(Response(b"doc", content_format=60))
    assert site.send([(n.ACCEPT, b"\x3c")], n.GET, b"").option(n.CONTENT_FORMAT) == b"\x3c"
    assert site.send([(n.ACCEPT, b"\0\x3c")], n.GET, b"").code == n.CONTENT
    assert site.send([(n.ACCEPT, b"\x32")], n.GET, b"").code == n.NOT_ACCEPTABLE


def test_accept_of_what_says_nothing_is_4_06():
    assert Stored(b"doc").send([(n.ACCEPT, b"")], n.GET, b"").code == n.NOT_ACCEPTABLE


def test_accept_that_is_repeated_or_too_long_is_4_02():
    assert Stored(b"doc", content_format=0).send([(n.ACCEPT, b"")] * 2, n.GET, b"").code == n.BAD_OPTION
    assert Stored(b"doc", content_format=0).send([(n.ACCEPT, b"\0\0\0")], n.GET, b"").code == n.BAD_OPTION


def test_content_format_that_is_not_accepted_is_4_15_without_effect():
    for value in (b"", b"\x3d"):
        site = Stored(b"doc", accepts=(60, 50))
        assert site.send([(n.CONTENT_FORMAT, value)]).code == n.UNSUPPORTED_CONTENT_FORMAT and site.doc == b"doc"


def test_content_format_that_is_accepted():
    for value in (b"\x3c", b"\x32", b"\0\x3c"):
        site = Stored(b"doc", accepts=(60, 50))
        assert site.send([(n.CONTENT_FORMAT, value)]).code == n.CHANGED and site.doc == b"new"


def test_payload_without_content_format_is_4_15_where_formats_are_asked_for():
    assert Stored(b"doc", accepts=(60,)).send().code == n.UNSUPPORTED_CONTENT_FORMAT


def test_request_without_a_payload_needs_no_content_format():
    assert Stored(b"doc", accepts=(60,)).send((), n.DELETE, b"").code == n.DELETED


def test_resource_without_accepts_takes_any_content_format():
    assert Stored(b"doc").send([(n.CONTENT_FORMAT, b"\x7f\xff")]).code == n.CHANGED


# What a response says


def test_response_has_its_options_in_order():
    response = Response(
        b"x", content_format=60, etag=b"e", max_age=70000, options=[(n.SIZE2, b"\x01"), (2048, b"z")], code=n.CONTENT
    )
    sent = Stored(response).send((), n.GET, b"")
    assert sent.options == [
        (n.ETAG, b"e"), (n.CONTENT_FORMAT, b"\x3c"), (n.MAX_AGE, b"\x01\x11\x70"), (n.SIZE2, b"\x01"), (2048, b"z"),
    ]  # fmt: skip


def test_response_goes_before_its_resource():
    site = Stored(Response(b"x", content_format=60), content_format=0, max_age=9)
    assert site.send((), n.GET, b"").options == [(n.CONTENT_FORMAT, b"\x3c"), (n.MAX_AGE, b"\x09")]


def test_created_says_where():
    site = Site()
    result = Response(code=n.CREATED, location_path="a/new one", location_query=("x=1", "y"), etag=b"1")
    site.add("p", lambda request: result, "POST")
    sent = only(site, [(n.URI_PATH, b"p")], code=n.POST)
    assert sent.code == n.CREATED and sent.payload == b"" and sent.options == [
        (n.ETAG, b"1"), (n.LOCATION_PATH, b"a"), (n.LOCATION_PATH, b"new one"),
        (n.LOCATION_QUERY, b"x=1"), (n.LOCATION_QUERY, b"y"),
    ]  # fmt: skip


def test_location_with_dots_is_refused():
    for path in (".", "a/..", "../a"):
        try:
            Response(location_path=path)
        except ValueError:
            continue
        raise AssertionError(path)


def test_options_of_the_resource_are_those_of_2_05_only():
    site = Stored(b"doc", content_format=0, max_age=9)
    site.resource.set_etag(b"e")
    assert site.send().options == [] and site.send((), n.DELETE, b"").options == []


def test_text_and_views_are_payloads():
    for given, payload in (("é", b"\xc3\xa9"), (bytearray(b"ba"), b"ba"), (memoryview(b"mv"), b"mv")):
        assert Stored(Response(given)).send((), n.GET, b"").payload == payload
        assert Stored(given).send((), n.GET, b"").payload == payload


def test_what_is_no_payload_is_5_00():
    for given in (object(), 1.5, [b"x"]):
        assert Stored(given).send((), n.GET, b"").code == n.INTERNAL_SERVER_ERROR


def test_unknown_method_of_a_resource_is_refused():
    try:
        Site().server.add(Resource("x"), READ=lambda request: b"")
    except ValueError:
        return
    raise AssertionError("not refused")


# Uri-Path-Abbrev


def test_abbreviation_0_is_well_known_core():
    site = Site()
    full = only(site, [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")])
    for value in (b"", b"\0"):
        sent = only(site, [(n.URI_PATH_ABBREV, value)])
        assert sent.code == n.CONTENT and sent.payload == full.payload and sent.options == full.options


def test_abbreviation_that_is_unknown_too_long_or_beside_a_path_is_4_02():
    for options in (
        [(n.URI_PATH_ABBREV, b"\x7f")],
        [(n.URI_PATH_ABBREV, b"\0\0\0\0\0")],
        [(n.URI_PATH_ABBREV, b""), (n.URI_PATH_ABBREV, b"")],
        TEMP + [(n.URI_PATH_ABBREV, b"")],
    ):
        assert only(Site(), options).code == n.BAD_OPTION


def test_abbreviation_is_taken_from_groups_and_an_unknown_one_is_silent():
    site = Site()
    site.ask_group([(n.URI_PATH_ABBREV, b"")])
    assert b"</temp>" in site.wait(1000)[0].payload
    site.ask_group([(n.URI_PATH_ABBREV, b"\x7f")])
    assert site.wait(5000) == []


# No-Response


def test_no_response_of_a_put_has_its_effect():
    site = Stored(b"doc")
    sent = site.send([(n.NO_RESPONSE, b"\x02")], mid=9)
    assert sent.is_empty(n.ACK, 9) and site.doc == b"new"
    assert site.ask(DOC + [(n.NO_RESPONSE, b"\x02")], n.NON, code=n.PUT, payload=b"2") == [] and site.doc == b"2"


def test_no_response_of_a_post_is_acknowledged_again():
    site = Site()
    site.add("p", lambda request: b"x", "POST")
    for _ in range(2):
        assert only(site, [(n.URI_PATH, b"p"), (n.NO_RESPONSE, b"\x1a")], code=n.POST, mid=9).is_empty(n.ACK, 9)


def test_no_response_does_not_silence_what_it_does_not_name():
    for value in (b"\x04", b"\x18", b""):
        assert Stored(b"doc").send([(n.NO_RESPONSE, value)]).code == n.CHANGED


# Heap


def test_con_requests_do_not_grow_the_heap():
    from test_server_observe import COLLECTS, grown

    site = Site()
    endpoint = site.port.endpoint
    endpoint.transmit = lambda buf, length, peer: None
    request = bytearray(datagram(n.CON, n.GET, 0, b"tk", TEMP))
    put = bytearray(datagram(n.CON, n.PUT, 0, b"tk", TEMP, b"21"))

    def round():
        for each in (request, put):
            mid = (each[2] << 8 | each[3]) + 1 & 0xFFFF
            each[2], each[3] = mid >> 8, mid & 255
            endpoint.receive(each, len(each), CLIENT, 0, site.wire.now)
        site.wire.advance(1000)

    round()
    taken = grown(round)
    assert taken <= 512 or not COLLECTS, taken
    assert site.reads > 900 and site.value == b"21"
