"""The value of the OSCORE option (RFC 8613 §6.1; the group flag: draft-ietf-core-oscore-groupcomm §3.3)."""

from groupcoap.oscore.option import encode, parse, piv_bytes

ALL = b"\x39\x05\x03\x44\x61\x6c\x25"  # of a group: Partial IV 5, Gid 44616c, kid 25


def malformed(value):
    try:
        parse(value)
    except ValueError:
        return True
    return False


def test_the_examples_of_section_6_3():
    for value, fields in (
        ("090525", (b"\5", None, b"\x25", False)),
        ("0900", (b"\0", None, b"", False)),
        ("19050344616c25", (b"\5", b"Dal", b"\x25", False)),
        ("", (None, None, None, False)),
        ("0107", (b"\7", None, None, False)),
    ):
        assert parse(bytes.fromhex(value)) == fields
        assert encode(*fields) == bytes.fromhex(value)


def test_the_examples_of_group_mode_and_pairwise_mode():
    for value, fields in (
        ("39050344616c25", (b"\5", b"Dal", b"\x25", True)),
        ("2852", (None, None, b"\x52", True)),
        ("290752", (b"\7", None, b"\x52", True)),
        ("20", (None, None, None, True)),
        ("0852", (None, None, b"\x52", False)),
    ):
        assert parse(bytes.fromhex(value)) == fields
        assert encode(*fields) == bytes.fromhex(value)


def test_fields_may_be_empty_or_go_to_the_end():
    for fields in (
        (b"\xff" * 5, None, None, False), (None, b"", b"", False), (None, b"x" * 200, None, False),
        (b"\0", b"", b"", True),
    ):  # fmt: skip
        assert parse(encode(*fields)) == fields


def test_what_no_sender_may_write_is_malformed():
    for value in (
        b"\x00",  # flags of 0: the value is empty instead
        b"\x00\x01",
        b"\x40\x01", b"\x80\x01", b"\xc9\x01\x25", b"\x49\x14", b"\x89\x14",  # reserved bits
        b"\x0e" + bytes(range(1, 7)) + b"k", b"\x0f" + bytes(range(1, 8)) + b"k",  # a Partial IV of 6, 7 bytes
        b"\x01", b"\x05\1\2\3\4",  # one that goes past the end
        b"\x02\x00\x05", b"\x05\x00\x00\x00\x00\x01",  # one with leading zeros
        b"\x10", b"\x11\x05", b"\x10\x01", b"\x19\x05\x04abc", b"\x19\x05\xffabc",  # a kid context past the end
        b"\x01\x05\x25", b"\x10\x01ab",  # bytes that are no field's
    ):  # fmt: skip
        assert malformed(value), value


def test_every_truncation_and_every_flag_is_parsed_or_malformed():
    for end in range(len(ALL)):
        value = ALL[:end]
        assert malformed(value) or encode(*parse(value)) == value
    for flags in range(256):
        value = bytes((flags,)) + ALL[1:]
        assert malformed(value) or encode(*parse(value)) == value


def test_a_partial_iv_has_no_leading_zeros():
    for number, piv in ((0, b"\0"), (255, b"\xff"), (256, b"\1\0"), ((1 << 40) - 1, b"\xff" * 5)):
        assert piv_bytes(number) == piv
