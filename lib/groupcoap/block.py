"""Block-wise transfer (RFC 7959): the value of Block1 and Block2, and what a transfer is known by.

A value is an unsigned integer of up to 24 bits: NUM (20), M (1), SZX (3); the size of a block is 2 ** (SZX + 4) bytes,
16 to 1024 (§2.2).
"""

from micropython import const

from . import numbers as n
from . import options

_RESERVED = const(7)  # the one SZX that means nothing here
LARGEST = const(6)  # SZX of 1024 bytes
MAX_NUM = const(0xFFFFF)


def value(num, more, szx):
    """The value of a block option, as an unsigned integer."""
    return num << 4 | (8 if more else 0) | szx


def szx_of(size):
    """SZX of the greatest block that is not above `size` bytes; `size` from 16 on."""
    szx = LARGEST
    while szx and 16 << szx > size:
        szx -= 1
    return szx


def read(m, number):
    """The value of this block option in message `m`; -1 if there is none, -2 if it is none that may be (§2.2)."""
    if m.find(number) < 0:
        return -1
    if not options.fits(m, number) or m.uint() & 7 == _RESERVED:
        return -2
    return m.uint()


def key_of(m, peer):
    """Whose transfer this request belongs to, and of what: peer, method, path, a hash of query and Request-Tags, and by
    whom it is protected (RFC 9175 §3.2)."""
    query = 0
    m.rewind()
    while True:
        number = m.step()
        if number < 0:
            return peer, m.code, m.path, query, m.security and m.security.name
        if number == n.URI_QUERY or number == n.REQUEST_TAG:
            for byte in m.value():
                query = (query * 33 + byte) & 0xFFFFFF
            query = (query * 33 + number) & 0xFFFFFF
