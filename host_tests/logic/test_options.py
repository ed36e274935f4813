"""The option table (RFC 7252 §5.4, §5.10 and the profiles' options)."""

from groupcoap import numbers as n
from groupcoap import option_names, options
from groupcoap.message import Message
from wire import (
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
    allocated,
    datagram,
)


def message(pairs):
    data = datagram(n.CON, n.GET, 1, b"t", pairs)
    m = Message()
    m.parse(data, len(data))
    return m


def refused(pairs, known=None):
    return options.refused(message(pairs), known)


def renumbered(name, number):
    """Is this number taken? The old one is put back."""
    old = option_names.number(name)
    row = option_names.lookup(old)[2:]
    try:
        option_names.renumber(name, number)
    except ValueError:
        return False
    assert option_names.number(name) == number and option_names.lookup(number) == (number, name) + row
    assert number == old or option_names.lookup(old) is None
    option_names.renumber(name, old)
    return True


def test_lengths_and_repeatability_are_those_of_rfc_7252():
    for number, least, most, repeatable in (
        (n.IF_MATCH, 0, 8, True), (n.URI_HOST, 1, 255, False), (n.ETAG, 1, 8, True), (n.IF_NONE_MATCH, 0, 0, False),
        (n.URI_PORT, 0, 2, False), (n.LOCATION_PATH, 0, 255, True), (n.URI_PATH, 0, 255, True),
        (n.CONTENT_FORMAT, 0, 2, False), (n.MAX_AGE, 0, 4, False), (n.URI_QUERY, 0, 255, True), (n.ACCEPT, 0, 2, False),
        (n.LOCATION_QUERY, 0, 255, True), (n.PROXY_URI, 1, 1034, False), (n.PROXY_SCHEME, 1, 255, False),
        (n.SIZE1, 0, 4, False),
    ):  # fmt: skip
        assert option_names.lookup(number)[3:6] == (least, most, repeatable)


def test_options_of_the_profiles():
    for which, name, number, least, most, oscore in (
        (options.MULTICAST_TIMEOUT, "Multicast-Timeout", MULTICAST_TIMEOUT, 0, 4, "U"),
        (options.REPLY_FROM, "Reply-From", REPLY_FROM, 5, 1034, "U"),
        (options.GROUP_ETAG, "Group-ETag", 24, 1, 8, "U"),
        (options.MULTICAST_SIGNALING, "Multicast-Signaling", MULTICAST_SIGNALING, 0, 5, "I"),
        (options.RESPONSE_FORWARDING, "Response-Forwarding", RESPONSE_FORWARDING, 5, 20, "E"),
    ):
        row = option_names.lookup(number)
        assert options.number(which) == option_names.number(name) == number
        assert row[1] == name and row[3:5] == (least, most) and row[6] == oscore


def test_formats_and_oscore_classes_of_some_options():
    for number, name, kind, oscore in (
        (5, "If-None-Match", "empty", "E"), (12, "Content-Format", "uint", "E"), (3, "Uri-Host", "string", "U"),
        (292, "Request-Tag", "opaque", "EU"), (65000, "Multicast-Signaling", "uint", "I"),
    ):  # fmt: skip
        row = option_names.lookup(number)
        assert row[1:3] == (name, kind) and row[6] == oscore and option_names.number(name) == number


def test_every_option_has_a_name_and_a_least_length_below_its_greatest():
    for number in options.table:
        row = option_names.lookup(number)
        assert row[1] and row[3] <= row[4], row
        assert option_names.number(row[1]) == number


def test_bits_of_the_number_are_those_of_rfc_7252_table_4():
    critical = (1, 3, 5, 7, 9, 11, 15, 17, 23, 27, 35, 39)
    unsafe = (2, 3, 6, 7, 11, 14, 15, 23, 27, 35, 39)
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23, 24, 27, 28, 35, 39, 60):
        assert options.critical(number) == (number in critical), number
        assert options.unsafe(number) == (number in unsafe), number
        assert options.no_cache_key(number) == (number in (28, 60)), number


def test_unknown_option_has_no_row():
    assert option_names.lookup(UNKNOWN_SAFE) is None and option_names.lookup(13)[1] == "Uri-Path-Abbrev"


def test_known_critical_options_are_accepted():
    assert refused([(3, b"h"), (7, b"\x16\x33"), (11, b"a"), (11, b"b"), (15, b"q"), (17, b"")]) == 0


def test_unknown_critical_option_is_refused():
    assert refused([(11, b"a"), (UNKNOWN_CRITICAL, b"")]) == UNKNOWN_CRITICAL


def test_unknown_elective_option_is_accepted():
    assert refused([(11, b"a"), (UNKNOWN_SAFE, b"x"), (UNKNOWN_SAFE + 2, b"")]) == 0


def test_critical_option_of_a_wrong_length_is_refused():
    assert refused([(3, b"")]) == 3 and refused([(7, b"123")]) == 7 and refused([(11, b"x" * 256)]) == 11
    assert refused([(3, b"x" * 255), (11, b"x" * 255)]) == 0


def test_elective_option_of_a_wrong_length_is_accepted():
    assert refused([(4, b"x" * 9), (12, b"123"), (14, b"12345")]) == 0


def test_critical_option_that_comes_twice_is_refused():
    assert refused([(3, b"h"), (3, b"h")]) == 3 and refused([(11, b""), (17, b""), (17, b"")]) == 17


def test_only_what_the_caller_knows_is_accepted():
    assert refused([(11, b"a"), (17, b"")], (11,)) == 17 and refused([(11, b"a"), (17, b"")], (11, 17)) == 0


def test_valid_finds_an_option_of_a_right_length():
    m = message([(12, b"123"), (14, b"\x1e"), (258, b"\x1a")])
    assert options.valid(m, 14) == 1 and m.uint() == 30
    assert options.valid(m, 12) == options.valid(m, 4) == -1
    assert options.valid(m, 258) == 1
    assert options.valid(message([(258, b"\0\x1a")]), 258) == -1


def test_profile_option_takes_a_number_that_means_the_same():
    assert renumbered("Multicast-Timeout", 65002)
    assert renumbered("Reply-From", 65012)
    assert renumbered("Multicast-Signaling", MULTICAST_SIGNALING)


def test_profile_option_does_not_take_a_number_that_means_something_else():
    assert not renumbered("Multicast-Timeout", 65000)  # taken
    assert not renumbered("Multicast-Timeout", 65004 + 4)  # safe
    assert not renumbered("Multicast-Timeout", 65003)  # critical
    assert not renumbered("Reply-From", 65010)  # unsafe
    assert not renumbered("Reply-From", 65536)
    assert not renumbered("Reply-From", 0)
    assert not renumbered("Reply-From", -4)


def test_a_new_number_has_the_old_ones_bounds():
    option_names.renumber("Reply-From", 65012)
    try:
        assert options.number(options.REPLY_FROM) == 65012
        assert options.valid(message([(65012, b"x" * 5)]), 65012) == 5
        assert options.valid(message([(65012, b"x" * 4)]), 65012) == -1
        assert options.valid(message([(REPLY_FROM, b"x" * 5)]), REPLY_FROM) == -1
    finally:
        option_names.renumber("Reply-From", REPLY_FROM)


def test_looking_at_options_takes_no_heap():
    m = message([(3, b"h"), (11, b"a"), (11, b"b"), (14, b"\x1e"), (17, b"")])

    def look():
        assert options.refused(m, known) == 0 and options.valid(m, 14) == 1

    known = (3, 11, 17)
    assert allocated(look) == 0


def test_other_options_keep_their_numbers():
    for name in ("Uri-Path", "no option"):
        try:
            option_names.renumber(name, 65016)
        except ValueError:
            continue
        raise AssertionError("not refused")
