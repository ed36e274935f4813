"""The option table: what each option number means, in one place; what it is called is in `option_names`.

A row is one small integer, so that a look-up allocates nothing and the table takes 16 bytes a row. Critical, unsafe and
no-cache-key are bits of the number itself (RFC 7252 §5.4.6). The options of the two wire profiles have suggested or
experimental numbers, which `option_names.renumber` may move; who needs one asks `number` when it is made, not before.
"""

from micropython import const

from . import numbers as n

# A row, from its lowest bit: greatest length (11 bits), least length (3), repeatable, format (2), OSCORE class (2)
_GREATEST = const(0x7FF)
_LEAST = const(11)
_1 = const(1 << 11)
_5 = const(5 << 11)
_REPEATABLE = const(1 << 14)
_EMPTY = const(0)
_UINT = const(1 << 15)
_STRING = const(2 << 15)
_OPAQUE = const(3 << 15)
_I = const(0)
_E = const(1 << 17)
_U = const(2 << 17)
_EU = const(3 << 17)

table = {
    n.IF_MATCH: _OPAQUE | _REPEATABLE | _E | 8,
    n.URI_HOST: _STRING | _U | _1 | 255,
    n.ETAG: _OPAQUE | _REPEATABLE | _E | _1 | 8,
    n.IF_NONE_MATCH: _EMPTY | _E,
    n.OBSERVE: _UINT | _EU | 3,
    n.URI_PORT: _UINT | _U | 2,
    n.LOCATION_PATH: _STRING | _REPEATABLE | _E | 255,
    n.OSCORE: _OPAQUE | _U | 255,
    n.URI_PATH: _STRING | _REPEATABLE | _E | 255,
    n.CONTENT_FORMAT: _UINT | _E | 2,
    n.URI_PATH_ABBREV: _UINT | _E | 4,
    n.MAX_AGE: _UINT | _EU | 4,
    n.URI_QUERY: _STRING | _REPEATABLE | _E | 255,
    n.HOP_LIMIT: _UINT | _U | _1 | 1,
    n.ACCEPT: _UINT | _E | 2,
    n.LOCATION_QUERY: _STRING | _REPEATABLE | _E | 255,
    n.BLOCK2: _UINT | _EU | 3,
    n.BLOCK1: _UINT | _EU | 3,
    n.SIZE2: _UINT | _EU | 4,
    n.PROXY_URI: _STRING | _U | _1 | 1034,
    n.PROXY_SCHEME: _STRING | _U | _1 | 255,
    n.SIZE1: _UINT | _EU | 4,
    n.PROXY_CRI: _OPAQUE | _U | _1 | 1023,
    n.PROXY_SCHEME_NUMBER: _UINT | _U | 3,
    n.ECHO: _OPAQUE | _EU | _1 | 40,
    n.NO_RESPONSE: _UINT | _EU | 1,
    n.REQUEST_TAG: _OPAQUE | _REPEATABLE | _EU | 8,
    n.REQUEST_HASH: _OPAQUE | _U | 64,  # in responses class I
    64988: _OPAQUE | _REPEATABLE | _E | 1034,
    # Profile 07: draft-ietf-core-groupcomm-proxy-07, numbers as suggested to IANA
    2: _UINT | _U | 4,  # Multicast-Timeout
    248: _OPAQUE | _U | _5 | 1034,  # Reply-From
    24: _OPAQUE | _REPEATABLE | _U | _1 | 8,  # Group-ETag
    # Profile 00: the slides of 2020, which name no numbers; from the experimental range
    65000: _UINT | _I | 5,  # Multicast-Signaling
    65004: _OPAQUE | _E | _5 | 20,  # Response-Forwarding
}

# The options of the profiles: what `number` is asked for
MULTICAST_TIMEOUT = const(0)
REPLY_FROM = const(1)
GROUP_ETAG = const(2)
MULTICAST_SIGNALING = const(3)
RESPONSE_FORWARDING = const(4)

profile = [2, 248, 24, 65000, 65004]  # their numbers, in this order


def number(which):
    """The number of a profile's option: MULTICAST_TIMEOUT, REPLY_FROM, …"""
    return profile[which]


def critical(number):
    """Must a recipient that does not know this option refuse the message? (RFC 7252 §5.4.1)"""
    return number & 1 == 1


def unsafe(number):
    """Must a proxy that does not know this option refuse to forward it? (RFC 7252 §5.4.2)"""
    return number & 2 == 2


def no_cache_key(number):
    """Is this option left out of the cache key? (RFC 7252 §5.4.2)"""
    return number & 0x1E == 0x1C


def fits(message, number):
    """Is the option under the cursor, of this number, in the table, with a length in its bounds? (RFC 7252 §5.4.3)"""
    row = table.get(number)
    return row is not None and (row >> _LEAST & 7) <= message.length() <= (row & _GREATEST)


def refused(message, known=None, bit=1):
    """The number of the first critical option that makes this message unacceptable, or 0 (RFC 7252 §5.4.1, §5.4.3).

    That is one that does not fit (or is not in `known`, if given), or that comes twice without being repeatable.
    Elective ones of that sort count as absent: `valid` tells. bit: 2 asks the same of the unsafe options (§5.7.1).
    """
    previous = -1
    message.rewind()
    while True:
        number = message.step()
        if number < 0:
            return 0
        if number & bit:
            if not fits(message, number) or (known is not None and number not in known):
                return number
            if number == previous and not table[number] & _REPEATABLE:
                return number
        previous = number


def uint(message, number, default=None):
    """The first option of this number as an unsigned integer, where it has a length in its bounds, or `default`."""
    return message.uint() if valid(message, number) >= 0 else default


def valid(message, number):
    """Move to this option if it is there with a length in its bounds: its length in bytes, else -1 (§5.4.3)."""
    length = message.find(number)
    return length if length >= 0 and fits(message, number) else -1


def carries(m, number, value):
    """Has this message an option of this number with this value?"""
    m.rewind()
    while True:
        found = m.step()
        if found < 0 or found > number:
            return False
        if found == number and bytes(m.value()) == value:
            return True
