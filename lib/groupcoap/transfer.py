"""A client's block-wise transfers (RFC 7959): a payload that goes up by Block1, one that comes down by Block2.

Neither sends anything: `Upload` says which bytes are next, `Download` takes blocks in order and says what is wrong with
one. A payload may be larger than the heap: an Upload reads from a stream, a Download writes into a sink.
"""

from . import block
from . import numbers as n
from .hot import copy

CHANGED = "the resource changed during the transfer"
_RESTARTS = 2  # times that a download begins anew because the resource has changed


class Upload:
    """What goes up: bytes, or a stream, an object with readinto(buffer) or read(n) that gives 0 or b"" at its end.

    size: bytes in all, or None where that isn't known. szx: of the blocks; it only shrinks. at: bytes that the server
    has; the block in hand is buf[start:start + length], and `more` tells whether others are behind it.
    """

    def __init__(self, source, size, szx):
        self.szx = szx
        self.at = self.start = self.length = 0
        self.more = True
        if hasattr(source, "read") or hasattr(source, "readinto"):
            self._stream = source
            self.size = size
            self.buf = bytearray((16 << szx) + 1)  # a byte of the next block tells that there is one
            self._end = 0
        else:
            self._stream = None
            self.buf = source
            self.size = self._end = len(source)

    def block(self):
        """Have the next block in hand: the value of its Block1 option.

        Raises ValueError where the stream has another length than was said, or too many blocks; OSError as the stream.
        """
        size = 16 << self.szx
        if self._stream is not None:
            self._read(size + 1)
        left = self._end - self.start
        self.more = left > size
        self.length = min(left, size)
        sent = self.at + self.length
        if self.size is not None and (sent > self.size or not self.more and sent < self.size):
            raise ValueError("the stream has not the %d bytes that were said" % self.size)
        num = self.at >> self.szx + 4
        if num > block.MAX_NUM:
            raise ValueError("the payload has too many blocks of %d bytes" % size)
        return block.value(num, self.more, self.szx)

    def _read(self, wanted):
        view = memoryview(self.buf)
        while self._end < wanted:
            if hasattr(self._stream, "readinto"):
                count = self._stream.readinto(view[self._end : wanted])
            else:
                piece = self._stream.read(wanted - self._end) or b""
                count = len(piece)
                view[self._end : self._end + count] = piece
            if not count:
                break
            self._end += count

    def advance(self):
        """The server has the block in hand."""
        self.at += self.length
        if self._stream is None:
            self.start += self.length
        else:
            self._end -= self.length
            copy(self.buf, 0, self.buf, self.length, self._end)


class Download:
    """What comes down, behind the first block's `response`: kept up to `limit` bytes, or written into `sink`.

    sink: an object with write(bytes-like), or None; limit: bytes, or None for no limit. size: bytes so far; szx: of the
    blocks to ask for; it only shrinks.
    """

    def __init__(self, response, sink, limit, szx):
        self.response = response
        self.szx = szx
        self.size = 0
        self._sink = sink
        self._limit = limit
        self._body = bytearray() if sink is None else b""
        self._etag = response.option(n.ETAG)
        self._restarts = 0

    def take(self, m, value):
        """Take the block in message m with the value of its Block2 option: what is wrong with it, or None.

        CHANGED: it is of another representation. Raises what the sink raises.
        """
        szx = value & 7
        length = m.payload_length()
        if value < 0 or value >> 4 << szx + 4 != self.size:
            return "not the block that was asked for"
        if length > 16 << szx or (value & 8 and length < 16 << szx):
            return "a block of the wrong size"
        etag = m.option(n.ETAG)
        if not self.size:
            self._etag = etag
        elif etag != self._etag and etag is not None and self._etag is not None:
            return CHANGED
        if self._limit is not None and self.size + length > self._limit:
            return "the payload is longer than %d bytes" % self._limit
        if self._sink is None:
            self._body.extend(m.payload())
        elif length:
            self._sink.write(m.payload())
        self.size += length
        self.szx = min(self.szx, szx)
        return "the payload has too many blocks" if self.size >> self.szx + 4 > block.MAX_NUM else None

    def asked(self):
        """The value of the Block2 option that asks for the next block."""
        return block.value(self.size >> self.szx + 4, False, self.szx)

    def restart(self):
        """Begin anew with block 0: False where that was done too often, or a part is in the sink already."""
        if self._sink is not None or self._restarts == _RESTARTS:
            return False
        self._restarts += 1
        self.response = None
        self._body = bytearray()
        self.size = 0
        return True

    def payload(self):
        """All that has come; nothing of what went into a sink."""
        return bytes(self._body)
