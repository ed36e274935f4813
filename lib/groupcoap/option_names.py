"""What the options are called, and their rows for reading: for configurations, tools and tests, not for a running node.

The table itself is in `options`; a profile's option is the one whose name is in PROFILE_OPTIONS, in the order there.
"""

from . import options

PROFILE_OPTIONS = ("Multicast-Timeout", "Reply-From", "Group-ETag", "Multicast-Signaling", "Response-Forwarding")

_NAMES = (
    (1, "If-Match"),
    (3, "Uri-Host"),
    (4, "ETag"),
    (5, "If-None-Match"),
    (6, "Observe"),
    (7, "Uri-Port"),
    (8, "Location-Path"),
    (9, "OSCORE"),
    (11, "Uri-Path"),
    (12, "Content-Format"),
    (13, "Uri-Path-Abbrev"),
    (14, "Max-Age"),
    (15, "Uri-Query"),
    (16, "Hop-Limit"),
    (17, "Accept"),
    (20, "Location-Query"),
    (23, "Block2"),
    (27, "Block1"),
    (28, "Size2"),
    (35, "Proxy-Uri"),
    (39, "Proxy-Scheme"),
    (60, "Size1"),
    (235, "Proxy-Cri"),
    (239, "Proxy-Scheme-Number"),
    (252, "Echo"),
    (258, "No-Response"),
    (292, "Request-Tag"),
    (548, "Request-Hash"),
    (64988, "Padding"),
)


def name(number):
    """The name of the option of this number, or None for one that this project does not know."""
    if number in options.profile:
        return PROFILE_OPTIONS[options.profile.index(number)]
    for known, name in _NAMES:
        if known == number:
            return name


def number(name):
    """The number of the option of this name. Raises KeyError."""
    if name in PROFILE_OPTIONS:
        return options.profile[PROFILE_OPTIONS.index(name)]
    for number, known in _NAMES:
        if known == name:
            return number
    raise KeyError(name)


def lookup(number):
    """(number, name, format, least and greatest length in bytes, repeatable, OSCORE class), or None if unknown."""
    row = options.table.get(number)
    if row is None:
        return None
    kind = ("empty", "uint", "string", "opaque")[row >> 15 & 3]
    oscore = ("I", "E", "U", "EU")[row >> 17]
    return number, name(number), kind, row >> 11 & 7, row & 0x7FF, bool(row >> 14 & 1), oscore


def renumber(name, number):
    """Give a wire profile's option another number. Raises ValueError where that would change what it means.

    The number must be free and agree with the old one in its bits for critical and unsafe.
    """
    if name not in PROFILE_OPTIONS:
        raise ValueError("%s: expected one of %s" % (name, ", ".join(PROFILE_OPTIONS)))
    which = PROFILE_OPTIONS.index(name)
    old = options.profile[which]
    if number == old:
        return
    if not 0 < number < 65536 or number in options.table or (number ^ old) & 3:
        kind = ("unsafe" if options.unsafe(old) else "safe", old & 3)
        raise ValueError("%s: expected a free elective, %s option number, n %% 4 == %d" % ((name,) + kind))
    options.table[number] = options.table.pop(old)
    options.profile[which] = number
