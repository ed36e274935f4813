"""The option table (RFC 7252 §5.4, §5.10 and the profiles' options)."""

from groupcoap import numbers as n
from groupcoap import options
from groupcoap.message import Message
from wire import (
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
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
    old = options.number(name)
    try:
        options.renumber(name, number)
    except ValueError:
        return False
    assert options.number(name) == number and options.lookup(number)[1] == name
    assert number == old or options.lookup(old) is None
    options.renumber(name, old)
    return True


def test_lengths_and_repeatability_are_those_of_rfc_7252():
    for number, least, most, repeatable in (
        (n.IF_MATCH, 0, 8, True), (n.URI_HOST, 1, 255, False), (n.ETAG, 1, 8, True), (n.IF_NONE_MATCH, 0, 0, False),
        (n.URI_PORT, 0, 2, False), (n.LOCATION_PATH, 0, 255, True), (n.URI_PATH, 0, 255, True),
        (n.CONTENT_FORMAT, 0, 2, False), (n.MAX_AGE, 0, 4, False), (n.URI_QUERY, 0, 255, True), (n.ACCEPT, 0, 2, False),
        (n.LOCATION_QUERY, 0, 255, True), (n.PROXY_URI, 1, 1034, False), (n.PROXY_SCHEME, 1, 255, False),
        (n.SIZE1, 0, 4, False),
    ):  # fmt: skip
        assert options.lookup(number)[3:6] == (least, most, repeatable)


def test_options_of_the_profiles():
    for name, number, least, most, oscore in (
        (options.MULTICAST_TIMEOUT, MULTICAST_TIMEOUT, 0, 4, "U"), (options.REPLY_FROM, REPLY_FROM, 5, 1034, "U"),
        (options.GROUP_ETAG, 24, 1, 8, "U"), (options.MULTICAST_SIGNALING, MULTICAST_SIGNALING, 0, 5, "I"),
        (options.RESPONSE_FORWARDING, RESPONSE_FORWARDING, 5, 20, "E"),
    ):  # fmt: skip
        row = options.lookup(number)
        assert options.number(name) == number and row[3:5] == (least, most) and row[6] == oscore


def test_bits_of_the_number_are_those_of_rfc_7252_table_4():
    critical = (1, 3, 5, 7, 9, 11, 15, 17, 23, 27, 35, 39)
    unsafe = (2, 3, 6, 7, 11, 14, 15, 23, 27, 35, 39)
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23, 24, 27, 28, 35, 39, 60):
        assert options.critical(number) == (number in critical), number
        assert options.unsafe(number) == (number in unsafe), number
        assert options.no_cache_key(number) == (number in (28, 60)), number


def test_unknown_option_has_no_row():
    assert options.lookup(UNKNOWN_SAFE) is None and options.lookup(13)[1] == "Uri-Path-Abbrev"


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
    assert renumbered(options.MULTICAST_TIMEOUT, 65002)
    assert renumbered(options.REPLY_FROM, 65012)
    assert renumbered(options.MULTICAST_SIGNALING, MULTICAST_SIGNALING)


def test_profile_option_does_not_take_a_number_that_means_something_else():
    assert not renumbered(options.MULTICAST_TIMEOUT, 65000)  # taken
    assert not renumbered(options.MULTICAST_TIMEOUT, 65004 + 4)  # safe
    assert not renumbered(options.MULTICAST_TIMEOUT, 65003)  # critical
    assert not renumbered(options.REPLY_FROM, 65010)  # unsafe
    assert not renumbered(options.REPLY_FROM, 65536)
    assert not renumbered(options.REPLY_FROM, 0)
    assert not renumbered(options.REPLY_FROM, -4)


def test_other_options_keep_their_numbers():
    for name in ("Uri-Path", "no option"):
        try:
            options.renumber(name, 65016)
        except ValueError:
            continue
        raise AssertionError("not refused")
