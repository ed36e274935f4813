"""application/multipart-core (RFC 8710), and the answers in an aggregated response."""

from groupcoap import multipart
from groupcoap import numbers as n
from groupcoap.request import Response
from wire import REPLY_FROM, SERVER, SERVER2

ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"  # [-1, [h'C0000205']], the CRI of coap://192.0.2.5
NAMED = b"\x82\x20\x82\x64node\x63lan"  # [-1, ["node", "lan"]]
SECOND = b"\x82\xf6\x81\x44\xc0\x00\x02\x06"  # [null, [h'C0000206']]: what a reverse-proxy adds
CONTENT = b"\x18\x45"  # 2.05


def aggregated(head, content_format=b"\x00", payload=b"\x4421.5"):
    """One answer: its two parts."""
    return b"\x84\x18\x3f" + bytes((0x40 | len(head),)) + head + content_format + payload


def refused(function, data):
    try:
        function(data)
    except ValueError as e:
        return str(e)
    raise AssertionError("accepted")


def test_parts_of_the_example():
    data = b"\x84\x18\x2a\x48\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x45\x30\x31\x32\x33\x34"  # RFC 8710 §2 and §4
    assert multipart.parts(data) == [(42, b"\x01\x23\x45\x67\x89\xab\xcd\xef"), (0, b"01234")]
    assert multipart.parts(b"\x82\x00\x4bHello World") == [(0, b"Hello World")]


def test_no_parts_are_an_empty_array():
    assert multipart.parts(b"\x80") == []


def test_part_may_be_absent_or_empty():
    assert multipart.parts(b"\x84\x18\x3c\xf6\x00\x40") == [(60, None), (0, b"")]


def test_greatest_content_format():
    assert multipart.parts(b"\x82\x19\xff\xff\xf6") == [(65535, None)]
    assert "0 to 65535" in refused(multipart.parts, b"\x82\x1a\x00\x01\x00\x00\xf6")


def test_memoryview_is_read():
    assert multipart.parts(memoryview(b"?\x82\x00\x41x?")[1:-1]) == [(0, b"x")]


def test_what_is_no_multipart_is_refused():
    for data in (
        b"",
        b"\x00",  # no array
        b"\xa1\x00\x41x",  # a map
        b"\x81\x00",  # an odd number
        b"\x83\x00\x41x\x00",
        b"\x82\x20\x41x",  # a Content-Format below 0
        b"\x82\xf5\x41x",  # true
        b"\x82\xf6\xf6",  # null
        b"\x82\x41x\x00",  # the wrong way round
        b"\x82\x00\x61x",  # text
        b"\x82\x00\xf7",  # undefined
        b"\x82\x00\x80",  # an array inside
        b"\x82\x00\xc0\x41x",  # a tag
        b"\x82\x00\x42x",  # cut short
        b"\x82\x00\x41xx",  # something behind
        b"\x82\x00\x41x\x82\x00\x41x",
    ):
        refused(multipart.parts, data)


def test_lengths_are_definite_and_shortest():
    for data in (b"\x9f\x00\x41x\xff", b"\x82\x00\x5f\x41x\xff", b"\x98\x02\x00\x41x", b"\x82\x18\x00\x41x"):
        refused(multipart.parts, data)


def test_length_is_not_believed():
    for data in (b"\x9a\x7f\xff\xff\xfe\x00\x41x", b"\x82\x00\x5a\x7f\xff\xff\xffx", b"\x9b" + b"\xff" * 8):
        assert "left" in refused(multipart.parts, data)


def test_answer_has_all_of_a_response():
    (answer,) = multipart.responses(aggregated(ORIGIN + CONTENT), 17)
    assert (answer.origin, answer.reply_from, answer.code) == (SERVER, ORIGIN, n.CONTENT)
    assert (answer.content_format, answer.payload, answer.rtt) == (0, b"21.5", 17)
    assert answer.options == [(n.CONTENT_FORMAT, b""), (REPLY_FROM, ORIGIN)]
    assert answer.option_uint(n.CONTENT_FORMAT) == 0


def test_answers_are_in_their_order():
    head = ORIGIN + CONTENT
    one = aggregated(head)[1:]
    answers = multipart.responses(b"\x88" + one + b"\x18\x3f\x4a" + ORIGIN + b"\x18\x84\x18\x2a\xf6")
    assert [(answer.code, answer.payload) for answer in answers] == [(n.CONTENT, b"21.5"), (n.NOT_FOUND, b"")]
    assert multipart.responses(b"\x80") == []


def test_content_format_42_stands_for_none_with_an_error_and_without_a_payload():
    for code, payload, found in (
        (n.NOT_FOUND, b"\x43who", None),
        (n.CHANGED, b"\xf6", None),
        (n.CONTENT, b"\x43raw", 42),
    ):
        (answer,) = multipart.responses(aggregated(ORIGIN + bytes((0x18, code)), b"\x18\x2a", payload))
        assert answer.content_format == found and answer.code == code
        assert answer.option(n.CONTENT_FORMAT) == (None if found is None else b"\x2a")
    (answer,) = multipart.responses(aggregated(ORIGIN + b"\x18\x84", b"\x18\x32", b"\x42{}"))
    assert answer.content_format == 50  # an error that has one


def test_answer_of_the_proxy_itself_has_no_origin():
    (answer,) = multipart.responses(aggregated(b"\x18\xa3", b"\x18\x2a", b"\xf6"))
    assert (answer.origin, answer.reply_from, answer.code, answer.options) == (None, None, n.SERVICE_UNAVAILABLE, [])


def test_reply_from_of_a_reverse_proxy_is_kept_whole():
    (answer,) = multipart.responses(aggregated(ORIGIN + SECOND + CONTENT))
    assert answer.origin == SERVER2 and answer.reply_from == ORIGIN + SECOND
    (answer,) = multipart.responses(aggregated(ORIGIN + b"\x82\xf6\x82\x44\xc0\x00\x02\x06\x18\x50" + CONTENT))
    assert answer.origin == SERVER2[:4] + b"\0\x50"


def test_origin_is_none_where_it_is_a_name_or_cannot_be_read():
    for value in (NAMED, b"\x80", b"\xff", ORIGIN[:-1]):
        (answer,) = multipart.responses(aggregated(value + CONTENT))
        assert answer.origin is None and answer.reply_from == value and answer.payload == b"21.5"


def test_what_is_no_aggregated_response_is_refused():
    for data in (
        b"\x82\x18\x3f\x42\x18\x45",  # half an answer
        b"\x84\x18\x3c\x42\x18\x45\x00\xf6",  # Content-Format 60 in place of 63
        b"\x84\x18\x3f\xf6\x00\xf6",
        b"\x84\x18\x3f\x40\x00\xf6",  # no code
        b"\x84\x18\x3f\x41\x45\x00\xf6",
        b"\x84\x18\x3f\x41\x18\x00\xf6",
        b"\x84\x18\x3f\x42\x19\x45\x00\xf6",
        b"\x84\x18\x3f\x42\x18\x01\x00\xf6",  # a request's code
        b"\x84\x18\x3f\x42\x18\x3f\x00\xf6",
        b"\x84\x18\x3f\x42\x18\xc0\x00\xf6",  # above 5.31
    ):
        refused(multipart.responses, data)


def response(code=n.CONTENT, content_format=b"\x3e", payload=None, origin=None):
    payload = aggregated(ORIGIN + CONTENT) if payload is None else payload
    return Response(code, [(n.CONTENT_FORMAT, content_format)], payload, origin, 12)


def test_aggregated_response_is_its_answers():
    (answer,) = multipart.answers(response())
    assert (answer.origin, answer.payload, answer.rtt) == (SERVER, b"21.5", 12)
    assert multipart.answers(response(payload=b"\x80")) == []


def test_other_responses_are_themselves():
    for other in (
        response(code=n.BAD_REQUEST),
        response(content_format=b"\x3c"),
        response(payload=b"\x82\x00\x41x"),  # a multipart-core of another kind
        response(payload=b""),
        response(origin=SERVER),  # a server's own
    ):
        assert multipart.answers(other) == [other]
