"""How fresh a response is, and which of two notifications is the newer (RFC 7252 §5.6.1, RFC 7641 §3.4)."""

from micropython import const

from . import numbers as n
from . import options
from .timers import elapsed

DEFAULT_MAX_AGE = const(60)  # s (RFC 7252 §5.10.5)
_HAS_MAX_AGE = const(1 << 14)
_REORDERED = const(128000)  # ms after which any notification is newer (RFC 7641 §3.4)


def max_age(m):
    """Ms for which the representation in this message is fresh."""
    if not m.seen() & _HAS_MAX_AGE:
        return 1000 * DEFAULT_MAX_AGE
    return 1000 * options.uint(m, n.MAX_AGE, DEFAULT_MAX_AGE)


def newer(number, last, at, now):
    """Is the notification `number`, that comes now, newer than `last`, that came at the time `at`? (§3.4)"""
    ahead = number - last & 0xFFFFFF
    return 0 < ahead < 0x800000 or not 0 <= elapsed(now, at) <= _REORDERED
