"""One aggregated response: the answers of a group, collected at the proxy until T' ends (RFC 8710; docs/aggregate.md).

`Parts` is what they are written into. What is complete is kept for a while, for its client to fetch block by block
(Block2, RFC 7959). An answer that does not fit is left out whole, and the last part says so. The payload of one that is
but one of several blocks is left out too (null): it can be had from its server.
"""

import hashlib

from micropython import const

from .. import block, errors, options
from .. import numbers as n
from ..timers import after, elapsed
from .parts import Parts

_LEAST = const(256)  # bytes of a place
_MOST = const(8192)
_VALUE = const(5)  # in Message.fields: the offset of the found option's value
_BLOCK2 = const(1 << 23)
_TAG_BYTES = const(6)
_NO_NAME = b"\0"
_KEEP = const(60000)  # ms: a request for the next block is repeated for 45 s (MAX_TRANSMIT_SPAN, RFC 7252 §4.8.2)
_SPANS = const(4)  # a place is given back after so many times that, however its client goes on

# What a place is for
_FREE = const(0)
_COLLECTING = const(1)
_KEPT = const(2)  # complete
_FETCHED = const(3)  # complete, and its end has been given out: it makes room where there is none


class _Place:
    def __init__(self, size):
        self.parts = Parts(size)
        self.free()

    def free(self):
        self.parts.clear()
        self.state = _FREE
        self.slot = None  # of the exchange that is collected
        self.peer = self.digest = None
        self.tag = b""
        self.reached = 0  # offset in the body up to which blocks have been given out
        self.until = 0  # when the place is given back at the latest


class Collections:
    """`places` collections of up to `size` bytes (256 to 8192), on `timers`. Raises ValueError for another size.

    A complete one is kept for `keep_ms` after it was finished or its client has got further, four times that at most.
    dropped: answers that did not fit.
    """

    def __init__(self, places, size, timers, keep_ms=_KEEP):
        if not _LEAST <= size <= _MOST:
            raise ValueError("%d bytes for an aggregated response: expected %d to %d" % (size, _LEAST, _MOST))
        self._places = [_Place(size) for _ in range(places)]
        self._keep = keep_ms
        self._timers = timers
        self._first = timers.reserve(places, self._expired)
        self._reply_from = options.number(options.REPLY_FROM)
        self.dropped = 0
        self.freed = 0  # when there was no place free last

    def begin(self, slot, peer, digest):
        """Collect for the exchange in this slot. peer: the client; digest: of its request without Block2, any value.

        False when all places are taken. A complete one of the same client and request makes room for its successor.
        """
        place = self.find(peer, digest)
        if place < 0:
            place = self.free()
        if place < 0:
            return False
        self._free(place)
        p = self._places[place]
        p.state = _COLLECTING
        p.slot = slot
        p.peer = peer
        p.digest = digest
        return True

    def free(self):
        """A place that anybody may have, or -1."""
        for state in (_FREE, _FETCHED):
            for i in range(len(self._places)):
                if self._places[i].state == state:
                    return i
        return -1

    def add(self, slot, name, m):
        """Add the response m of a server; False if it does not fit. Nothing is allocated.

        name: one byte of length, then the value of Reply-From; None for that of m itself, as in a chain of proxies.
        """
        number = n.OCTET_STREAM
        if options.valid(m, n.CONTENT_FORMAT) >= 0:
            number = m.uint()
        length = m.payload_length()
        start = m.end - length
        if m.seen() & _BLOCK2 and options.valid(m, n.BLOCK2) >= 0 and m.uint() > 7:
            length = 0  # a later block, or one with more to come
        if name is not None:
            return self._add(slot, name, 1, name[0], m.code, number, m.buf, start, length)
        size = options.valid(m, self._reply_from)
        return self._add(slot, m.buf, m.fields[_VALUE], max(0, size), m.code, number, m.buf, start, length)

    def refuse(self, slot, name, code):
        """Add this code in place of a response that is not passed on (5.02); name: as above, None for no origin."""
        name = name or _NO_NAME
        return self._add(slot, name, 1, name[0], code, n.OCTET_STREAM, name, 0, 0)

    def _add(self, slot, name, at, size, code, number, payload, start, length):
        place = self._place(slot)
        if place < 0:
            return False
        if self._places[place].parts.add(name, at, size, code, number, payload, start, length):
            return True
        self.dropped += 1
        return False

    def _place(self, slot):
        for i in range(len(self._places)):
            if self._places[i].slot == slot:
                return i
        return -1

    def finish(self, slot, now):
        """T' is over: the place of the collection, now complete, or -1 if there is none for this slot."""
        place = self._place(slot)
        if place >= 0:
            p = self._places[place]
            p.parts.close()
            p.state = _KEPT
            p.slot = None
            buf, start, length = self.body(place)
            p.tag = hashlib.sha256(memoryview(buf)[start : start + length]).digest()[:_TAG_BYTES]
            p.until = after(now, _SPANS * self._keep)
            self._timers.set(self._first + place, after(now, self._keep))
        return place

    def drop(self, slot):
        """Forget what was collected for this slot: its exchange is stopped."""
        place = self._place(slot)
        if place >= 0:
            self._free(place)

    def find(self, peer, digest):
        """The place of the complete collection for this client and request, or -1."""
        for i in range(len(self._places)):
            p = self._places[i]
            if p.state >= _KEPT and p.peer == peer and p.digest == digest:
                return i
        return -1

    def body(self, place):
        """(buffer, offset, length) of a complete collection."""
        parts = self._places[place].parts
        return parts.buf, parts.start, parts.end - parts.start

    def etag(self, place):
        """The entity-tag of a complete collection: 6 bytes."""
        return self._places[place].tag

    def write_block(self, place, out, want, szx, now):
        """Write options and payload of the answer into `out`, a Writer that has begun a 2.05.

        want: the request's Block2 as `block.read` gives it, -1 if it has none; szx: of the largest block here. What
        fits into one goes without Block2, unless that was asked for. Raises BadRequest for a block behind the end.
        """
        p = self._places[place]
        buf, first, length = self.body(place)
        start = 0
        if want >= 0:
            start = (want >> 4) * (16 << (want & 7))
            szx = min(want & 7, szx)
        size = 16 << szx
        if start >= length:
            raise errors.BadRequest("Block2: behind the end")
        more = start + size < length
        if more or want >= 0:
            out.option(n.ETAG, p.tag)
        out.option(n.CONTENT_FORMAT, b"\x3e")
        out.option(n.MAX_AGE)  # 0: who asks again wants to know who answers then
        if more or want >= 0:
            out.option_uint(n.BLOCK2, block.value(start >> 4 + szx, more, szx))
        if more and not start:
            out.option_uint(n.SIZE2, length)
        out.payload(buf, first + start, min(size, length - start))
        if not more:
            p.state = _FETCHED
        if start + size > p.reached:
            p.reached = start + size
            self._timers.set(self._first + place, after(now, min(self._keep, -elapsed(now, p.until))))

    def _expired(self, place, now):
        self.freed = now
        self._free(place)

    def _free(self, place):
        self._timers.stop(self._first + place)
        self._places[place].free()
