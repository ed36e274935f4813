"""The option table: what each option number means, in one place.

A row is (number, name, format, least and greatest length in bytes, repeatable, OSCORE class). Critical, unsafe and
no-cache-key are bits of the number itself (RFC 7252 §5.4.6). The options of the two wire profiles have suggested or
experimental numbers, so `renumber` may move them; who needs one asks `number` when it is made, not before.
"""

from . import numbers as n

EMPTY = 0
UINT = 1
STRING = 2
OPAQUE = 3

MULTICAST_TIMEOUT = "Multicast-Timeout"
REPLY_FROM = "Reply-From"
GROUP_ETAG = "Group-ETag"
MULTICAST_SIGNALING = "Multicast-Signaling"
RESPONSE_FORWARDING = "Response-Forwarding"

_ROWS = (
    (n.IF_MATCH, "If-Match", OPAQUE, 0, 8, True, "E"),
    (n.URI_HOST, "Uri-Host", STRING, 1, 255, False, "U"),
    (n.ETAG, "ETag", OPAQUE, 1, 8, True, "E"),
    (n.IF_NONE_MATCH, "If-None-Match", EMPTY, 0, 0, False, "E"),
    (n.OBSERVE, "Observe", UINT, 0, 3, False, "EU"),
    (n.URI_PORT, "Uri-Port", UINT, 0, 2, False, "U"),
    (n.LOCATION_PATH, "Location-Path", STRING, 0, 255, True, "E"),
    (n.OSCORE, "OSCORE", OPAQUE, 0, 255, False, "U"),
    (n.URI_PATH, "Uri-Path", STRING, 0, 255, True, "E"),
    (n.CONTENT_FORMAT, "Content-Format", UINT, 0, 2, False, "E"),
    (n.URI_PATH_ABBREV, "Uri-Path-Abbrev", UINT, 0, 4, False, "E"),
    (n.MAX_AGE, "Max-Age", UINT, 0, 4, False, "EU"),
    (n.URI_QUERY, "Uri-Query", STRING, 0, 255, True, "E"),
    (n.HOP_LIMIT, "Hop-Limit", UINT, 1, 1, False, "U"),
    (n.ACCEPT, "Accept", UINT, 0, 2, False, "E"),
    (n.LOCATION_QUERY, "Location-Query", STRING, 0, 255, True, "E"),
    (n.BLOCK2, "Block2", UINT, 0, 3, False, "EU"),
    (n.BLOCK1, "Block1", UINT, 0, 3, False, "EU"),
    (n.SIZE2, "Size2", UINT, 0, 4, False, "EU"),
    (n.PROXY_URI, "Proxy-Uri", STRING, 1, 1034, False, "U"),
    (n.PROXY_SCHEME, "Proxy-Scheme", STRING, 1, 255, False, "U"),
    (n.SIZE1, "Size1", UINT, 0, 4, False, "EU"),
    (n.PROXY_CRI, "Proxy-Cri", OPAQUE, 1, 1023, False, "U"),
    (n.PROXY_SCHEME_NUMBER, "Proxy-Scheme-Number", UINT, 0, 3, False, "U"),
    (n.ECHO, "Echo", OPAQUE, 1, 40, False, "EU"),
    (n.NO_RESPONSE, "No-Response", UINT, 0, 1, False, "EU"),
    (n.REQUEST_TAG, "Request-Tag", OPAQUE, 0, 8, True, "EU"),
    # Profile 07: draft-ietf-core-groupcomm-proxy-07, numbers as suggested to IANA
    (2, MULTICAST_TIMEOUT, UINT, 0, 4, False, "U"),
    (248, REPLY_FROM, OPAQUE, 5, 1034, False, "U"),
    (24, GROUP_ETAG, OPAQUE, 1, 8, True, "U"),
    # Profile 00: the slides of 2020, which name no numbers; from the experimental range
    (65000, MULTICAST_SIGNALING, UINT, 0, 5, False, "I"),
    (65004, RESPONSE_FORWARDING, OPAQUE, 5, 20, False, "E"),
)

_table = {}
_numbers = {}


def _reset():
    _table.clear()
    _numbers.clear()
    for row in _ROWS:
        _table[row[0]] = row
        _numbers[row[1]] = row[0]


_reset()


def lookup(number):
    """The row of this option, or None for one that this project does not know."""
    return _table.get(number)


def number(name):
    """The number of the option of this name. Raises KeyError."""
    return _numbers[name]


def renumber(name, number):
    """Give a wire profile's option another number. Raises ValueError where that would change what it means.

    The number must be free and agree with the old one in its bits for critical and unsafe.
    """
    old = _numbers.get(name)
    if old is None or name not in PROFILE_OPTIONS:
        raise ValueError("%s: expected one of %s" % (name, ", ".join(PROFILE_OPTIONS)))
    if number == old:
        return
    if not 0 < number < 65536 or number in _table or (number ^ old) & 3:
        kind = ("safe" if not unsafe(old) else "unsafe", old & 3)
        raise ValueError("%s: expected a free elective, %s option number, n %% 4 == %d" % ((name,) + kind))
    _table[number] = (number,) + _table.pop(old)[1:]
    _numbers[name] = number


PROFILE_OPTIONS = (MULTICAST_TIMEOUT, REPLY_FROM, GROUP_ETAG, MULTICAST_SIGNALING, RESPONSE_FORWARDING)


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
    row = _table.get(number)
    return row is not None and row[3] <= message.length() <= row[4]


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
            if number == previous and not _table[number][5]:
                return number
        previous = number


def valid(message, number):
    """Move to this option if it is there with a length in its bounds: its length in bytes, else -1 (§5.4.3)."""
    length = message.find(number)
    return length if length >= 0 and fits(message, number) else -1
