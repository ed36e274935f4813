"""The answers of a group as one application/multipart-core array, written in place as they come (RFC 8710).

Of each there are two parts: Content-Format 63 with Reply-From and response code, a CBOR sequence; then its own
Content-Format and payload. The array's length goes in front, so room is left there, and its head is put right before
the first part once all is known. Nothing is allocated for an answer.
"""

from micropython import const

from .. import numbers as n
from ..hot import copy

_FRONT = const(3)  # bytes that the head of the array may take
_MISSING = const(8)  # bytes of the part that says that answers are missing


class Parts:
    """Up to `size` bytes in `buf`, size below 65536; the array is buf[start:end] once `close` has been called.

    lost: has an answer been left out, as it did not fit?
    """

    def __init__(self, size):
        self.buf = bytearray(size)
        self._room = size - _MISSING
        self.clear()

    def clear(self):
        """Begin anew."""
        self.start = self.end = _FRONT
        self._items = 0
        self.lost = False

    def add(self, name, at, size, code, number, payload, start, length):
        """Add an answer whole; False if it does not fit.

        name[at : at + size]: value of Reply-From; code; number: Content-Format; payload[start : start + length].
        """
        if not self._write(self._room, name, at, size, code, number, payload, start, length):
            self.lost = True
            return False
        return True

    def close(self):
        """Write the array's head, and before it what says that answers are missing: 5.03 without an origin."""
        if self.lost:
            self._write(len(self.buf), b"", 0, 0, n.SERVICE_UNAVAILABLE, n.OCTET_STREAM, b"", 0, 0)
        self.start = _FRONT - _head_size(self._items)
        _head(self.buf, self.start, 0x80, self._items)

    def _write(self, room, name, at, size, code, number, payload, start, length):
        buf = self.buf
        end = self.end
        size += 2  # the code's
        if end + 2 + _head_size(size) + size + _head_size(number) + _head_size(length) + length > room:
            return False
        end = _head(buf, end, 0, n.CBOR_SEQ)
        end = _head(buf, end, 0x40, size)
        end = copy(buf, end, name, at, size - 2)
        end = _head(buf, end, 0, code)
        end = _head(buf, end, 0, number)
        if length:
            end = copy(buf, _head(buf, end, 0x40, length), payload, start, length)
        else:
            buf[end] = 0xF6
            end += 1
        self.end = end
        self._items += 4
        return True


def _head_size(value):
    return 1 if value < 24 else 2 if value < 256 else 3


def _head(buf, at, major, value):
    # Write the head of a CBOR item, `value` below 65536 (RFC 8949 §3): the offset behind it.
    if value < 24:
        buf[at] = major | value
        return at + 1
    if value < 256:
        buf[at] = major | 24
        buf[at + 1] = value
        return at + 2
    buf[at] = major | 25
    buf[at + 1] = value >> 8
    buf[at + 2] = value & 255
    return at + 3
