"""The codec: messages parsed in place, and written (RFC 7252 §3)."""

from groupcoap import numbers as n
from groupcoap.message import FormatError, Message, Writer, encoded, uint_bytes
from wire import UNKNOWN_SAFE, allocated, datagram


def parse(data, length=None):
    m = Message()
    m.parse(data, len(data) if length is None else length)
    return m


def refusal(data):
    """Why these bytes are refused, or None."""
    try:
        parse(data)
    except FormatError as error:
        return str(error)


def write(kind=n.CON, code=n.GET, mid=0x1234, token=b"", options=(), payload=b"", room=2000):
    w = Writer(bytearray(room))
    w.begin(kind, code, mid, token)
    for number, value in options:
        w.option(number, value)
    w.payload(payload)
    return w.message()


def overflow(room, **message):
    """Is this message refused where there is `room`?"""
    try:
        write(room=room, **message)
    except ValueError:
        return True
    return False


# Parsing


def test_message_of_rfc_7252_appendix_a():
    m = parse(b"\x41\x01\x7d\x35\x20\xbbtemperature")
    assert (m.type(), m.code, m.mid(), m.token()) == (n.CON, n.GET, 0x7D35, b"\x20")
    assert m.options() == [(n.URI_PATH, b"temperature")] and bytes(m.payload()) == b""


def test_every_type():
    for kind in (n.CON, n.NON, n.ACK, n.RST):
        assert parse(datagram(kind, n.CONTENT, 1)).type() == kind


def test_every_token_length():
    for length in range(9):
        token = b"12345678"[:length]
        assert parse(datagram(n.CON, n.GET, 1, token, [(n.URI_PATH, b"a")])).token() == token


def test_token_length_above_8_is_refused():
    for length in range(9, 16):
        assert "token" in refusal(bytes((0x40 | length, 1, 0, 1)) + b"123456789abcdef")


def test_token_past_the_end_is_refused():
    assert "token" in refusal(b"\x44\x01\x00\x01abc")


def test_shorter_than_a_header_is_refused():
    for length in range(4):
        assert "header" in refusal(b"\x40\x01\x00\x01"[:length])


def test_other_version_is_refused():
    for first in (0x00, 0x80, 0xC0):
        assert "version" in refusal(bytes((first, 1, 0, 1)))


def test_empty_message_is_a_header_and_nothing_else():
    assert parse(b"\x70\x00\x12\x34").code == n.EMPTY
    for more in (b"\x00", b"\xffx"):
        assert "empty" in refusal(b"\x70\x00\x12\x34" + more)
    assert "empty" in refusal(b"\x71\x00\x12\x34t")


def test_reserved_classes_are_refused():
    for code in (0x20, 0x3F, 0xC0, 0xDF, 0xE0, 0xFF):
        assert "class" in refusal(bytes((0x40, code, 0, 1)))
    for code in (0x01, 0x1F, 0x40, 0x5F, 0x80, 0x9F, 0xA0, 0xBF):
        assert parse(bytes((0x40, code, 0, 1))).code == code


def test_payload_marker_without_a_payload_is_refused():
    assert "marker" in refusal(b"\x40\x01\x00\x01\xff")
    assert "marker" in refusal(b"\x40\x01\x00\x01\xb1a\xff")


def test_payload_may_hold_markers():
    assert bytes(parse(b"\x40\x01\x00\x01\xff\xff\xff").payload()) == b"\xff\xff"


def test_option_value_may_hold_markers():
    m = parse(b"\x40\x01\x00\x01\xb2\xff\xff\xffp")
    assert m.options() == [(11, b"\xff\xff")] and bytes(m.payload()) == b"p"


def test_reserved_delta_and_length_are_refused():
    assert "option" in refusal(b"\x40\x01\x00\x01\xf0")
    assert "option" in refusal(b"\x40\x01\x00\x01\xf1a")
    assert "option" in refusal(b"\x40\x01\x00\x01\x1f" + bytes(300))


def test_extension_past_the_end_is_refused():
    for option in (b"\xd0", b"\xe0", b"\xe0\x00", b"\x0d", b"\x0e", b"\x0e\x00", b"\xdd\x00", b"\xee\x00\x00\x00"):
        assert "option" in refusal(b"\x40\x01\x00\x01" + option)


def test_value_past_the_end_is_refused():
    for option in (b"\x11", b"\x12a", b"\x1d\x00123456789abc", b"\x1e\x00\x00" + bytes(268)):
        assert "option" in refusal(b"\x40\x01\x00\x01" + option)
        assert refusal(b"\x40\x01\x00\x01" + option + b"x") is None


def test_number_above_65535_is_refused():
    assert parse(b"\x40\x01\x00\x01\xe0\xfe\xf2").options() == [(65535, b"")]
    assert "option" in refusal(b"\x40\x01\x00\x01\xe0\xfe\xf3")
    assert "option" in refusal(b"\x40\x01\x00\x01\xe0\xfe\xf2\x10")


def test_every_extension_of_delta_and_length():
    for number in (0, 1, 12, 13, 14, 268, 269, 270, 65535):
        for length in (0, 1, 12, 13, 268, 269, 300):
            options = [(number, b"v" * length), (number, b"w")]
            assert parse(datagram(n.CON, n.GET, 1, b"t", options, b"p")).options() == options


def test_only_so_many_bytes_are_looked_at():
    m = parse(b"\x40\x01\x00\x01\xb1a\xff", 6)
    assert m.options() == [(11, b"a")] and m.payload_length() == 0


def test_datagram_is_read_in_place():
    data = bytearray(b"\x40\x01\x00\x01\xb1a\xffp")
    m = parse(data)
    data[5], data[7] = ord("b"), ord("q")
    assert m.option(11) == b"b" and bytes(m.payload()) == b"q"


def test_message_is_used_again():
    m = parse(datagram(n.CON, n.GET, 1, b"abc", [(11, b"a"), (35, b"b")], b"payload"))
    second = datagram(n.NON, n.PUT, 2, b"", [(4, b"x")])
    m.parse(second, len(second))
    assert (m.type(), m.code, m.token(), m.options(), m.payload_length()) == (n.NON, n.PUT, b"", [(4, b"x")], 0)
    assert m.seen() == 1 << 4


def test_option_is_found_by_its_number():
    m = parse(datagram(n.CON, n.GET, 1, b"", [(3, b"h"), (11, b"a"), (11, b"b"), (258, b"\x1a")]))
    assert m.find(11) == 1 and bytes(m.value()) == b"a"
    assert m.find(3) == 1 and bytes(m.value()) == b"h"
    assert m.find(4) == m.find(0) == m.find(65000) == -1
    assert m.option(258) == b"\x1a" and m.option(259) is None and m.option(259, b"d") == b"d"


def test_steps_go_through_the_options():
    m = parse(datagram(n.CON, n.GET, 1, b"", [(3, b"h"), (11, b""), (11, b"bb")], b"p"))
    m.rewind()
    seen = [(m.step(), m.length()) for _ in range(3)]
    assert seen == [(3, 1), (11, 0), (11, 2)] and m.step() == m.step() == -1
    assert m.find(3) == 1 and m.step() == 11


def test_uint_of_an_option():
    for value, number in ((b"", 0), (b"\0", 0), (b"\x01", 1), (b"\x01\0", 256), (b"\xff" * 5, (1 << 40) - 1)):
        m = parse(datagram(n.CON, n.GET, 1, b"", [(14, value)]))
        assert m.option_uint(14) == number
    assert m.option_uint(15) is None and m.option_uint(15, 7) == 7


def test_seen_has_a_bit_for_each_option():
    m = parse(datagram(n.CON, n.GET, 1, b"", [(1, b""), (11, b"a"), (28, b"")]))
    assert m.seen() == 1 << 1 | 1 << 11 | 1 << 28
    for number in (29, 35, 65000):
        assert parse(datagram(n.CON, n.GET, 1, b"", [(number, b"")])).seen() == 1 << 29
    assert parse(b"\x40\x01\x00\x01").seen() == 0


def test_path_hash_is_that_of_the_uri_path_alone():
    path = [(11, b"a"), (11, b"bc")]
    m = parse(datagram(n.CON, n.GET, 1, b"t", [(3, b"h")] + path + [(15, b"q"), (65000, b"x")], b"p"))
    assert m.path == parse(datagram(n.NON, n.PUT, 2, b"", path)).path
    for other in ([(11, b"ab"), (11, b"c")], [(11, b"a")], [(11, b"bc"), (11, b"a")], [(11, b"abc")], []):
        assert parse(datagram(n.CON, n.GET, 1, b"", other)).path != m.path


def test_parsing_does_not_allocate():
    m = Message()
    data = datagram(n.CON, n.GET, 1, b"abcd", [(11, b"temp"), (15, b"a=b"), (258, b"\x1a")], b"payload")
    size = len(data)

    def run():
        m.parse(data, size)
        m.find(15)
        m.uint()
        m.mid()

    assert allocated(run) <= 64


# Writing


def test_message_is_written_as_it_should_be():
    assert write(token=b"\x20", options=[(11, b"temperature")]) == b"\x41\x01\x12\x34\x20\xbbtemperature"
    assert write(n.NON, n.CONTENT, payload=b"22.3 C") == b"\x50\x45\x12\x34\xff22.3 C"


def test_every_delta_and_length_is_written():
    for number in (0, 1, 12, 13, 14, 268, 269, 270, 65535):
        for length in (0, 1, 12, 13, 14, 268, 269, 270, 1000):
            options = [(number, b"v" * length), (number, b"w")]
            assert write(options=options, payload=b"p") == datagram(n.CON, n.GET, 0x1234, b"", options, b"p")


def test_empty_payload_has_no_marker():
    assert write() == b"\x40\x01\x12\x34"


def test_option_out_of_order_is_refused():
    assert overflow(100, options=[(11, b"a"), (3, b"h")])


def test_option_that_does_not_fit_is_refused():
    assert overflow(20, options=[(11, b"x" * 17)])
    assert overflow(12, options=[(11, b"a"), (65000, b"xy")])


def test_payload_that_does_not_fit_is_refused():
    assert not overflow(10, payload=b"12345")
    assert overflow(10, payload=b"123456")


def test_payload_fits_to_the_last_byte():
    assert write(payload=b"12345", room=10)[-1:] == b"5"


def test_refused_option_leaves_the_message_as_it_was():
    w = Writer(bytearray(20))
    w.begin(n.CON, n.GET, 1)
    w.option(11, b"a")
    try:
        w.option(12, b"x" * 30)
    except ValueError:
        pass
    assert w.message() == datagram(n.CON, n.GET, 1, b"", [(11, b"a")])


def test_part_of_a_buffer_is_written():
    w = Writer(bytearray(40))
    w.begin(n.CON, n.GET, 1, b"..token..", 2, 5)
    w.option(11, b"..path..", 2, 4)
    w.payload(b"..payload..", 2, 7)
    assert w.message() == datagram(n.CON, n.GET, 1, b"token", [(11, b"path")], b"payload")


def test_uint_is_written_in_as_few_bytes_as_hold_it():
    for value, expected in (
        (0, b""), (1, b"\x01"), (255, b"\xff"), (256, b"\x01\x00"), (65536, b"\x01\x00\x00"),
        (0x3FFFFFFF, b"\x3f\xff\xff\xff"), (0xFFFFFFFF, b"\xff\xff\xff\xff"),
    ):  # fmt: skip
        w = Writer(bytearray(20))
        w.begin(n.CON, n.GET, 1)
        w.option_uint(14, value)
        assert w.message() == datagram(n.CON, n.GET, 1, b"", [(14, expected)]) and uint_bytes(value) == expected


def copied(options, below, first=()):
    m = parse(datagram(n.NON, n.CONTENT, 1, b"tk", options, b"payload"))
    w = Writer(bytearray(2000))
    w.begin(n.CON, n.GET, 1)
    for number, value in first:
        w.option(number, value)
    m.rewind()
    w.copy_options(m, below)
    rest = m.step()
    if rest >= 0:
        w.option(rest, m.value())
        w.copy_options(m)
    return parse(w.message()).options(), rest


def test_options_are_copied_below_a_number_and_then_from_there():
    options = [(4, b"e"), (12, b""), (12, b"x" * 20), (248, b"y" * 300), (65000, b"z")]
    for below in (0, 4, 5, 12, 13, 248, 249, 65000, 65001, 65536):
        found, rest = copied(options, below)
        assert found == options
        assert rest == next(iter([number for number, _ in options if number >= below]), -1)


def test_options_are_copied_behind_others():
    assert copied([(12, b"x"), (300, b"y")], 65536, [(4, b"e")]) == ([(4, b"e"), (12, b"x"), (300, b"y")], -1)


def test_no_options_are_copied_from_none():
    assert copied([], 65536) == ([], -1)


def test_options_that_do_not_fit_are_not_copied():
    m = parse(datagram(n.NON, n.CONTENT, 1, b"", [(4, b"e"), (12, b"x" * 60)]))
    w = Writer(bytearray(40))
    w.begin(n.CON, n.GET, 1)
    m.rewind()
    try:
        w.copy_options(m)
    except ValueError:
        return
    raise AssertionError("not refused")


def test_encoded_options_stand_behind_a_token():
    options = [(12, b""), (14, b"\x1e"), (UNKNOWN_SAFE, b"x")]
    assert encoded(options) == datagram(n.CON, n.GET, 1, b"", options)[4:] and encoded([]) == b""


def test_writing_does_not_allocate():
    w = Writer(bytearray(200))

    def run():
        w.begin(n.CON, n.GET, 0x1234, b"abcd")
        w.option(11, b"temp")
        w.option_uint(14, 3600)
        w.option(258, b"\x1a")
        w.payload(b"payload")

    assert allocated(run) <= 64
