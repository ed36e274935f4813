"""Block1 at a server (RFC 7959 §2.3, §2.5): payloads that come in blocks, put together or streamed.

An upload without a stream is put together behind room for the last block's header and options, so that what the handler
gets is one long CoAP message.
"""

from array import array

from micropython import const

from . import block, errors, options
from . import numbers as n
from .block import key_of
from .hot import copy
from .message import Message, uint_bytes
from .timers import after, elapsed

_FRONT = const(160)  # bytes for header, token and options of the last block
_END = const(7)  # field of a message: where its options end
_RETRY = const(5)  # s after which a client may come again when all places are taken


class Streamed:
    """A handler whose payload is taken as it comes, e.g. PUT=Streamed(lambda request: open(name, "wb")).

    open(request) is called at the first block and gives an object with write(data) and close(), whose result is that of
    the handler; abort(), if it has one, is called instead where the upload ends too soon.
    """

    def __init__(self, open):
        self.open = open

    def __call__(self, request):
        """Take a payload that has come in one message."""
        sink = self.open(request)
        try:
            sink.write(request.payload())
        except Exception:
            _abort(sink)
            raise
        return sink.close()


class Uploads:
    """Up to `places` Block1 transfers at a time, each of up to `size` bytes where it is not streamed.

    A place is kept for `lifetime` ms after its last block, and for `patience` ms where another one needs it. One that
    has ended keeps its outcome, for a last block that comes again, until the place is needed.
    """

    def __init__(self, timers, places, size, lifetime, patience, szx):
        self._size = size
        self._szx = szx
        self._lifetime = lifetime
        self._patience = patience
        self._bufs = [bytearray(_FRONT + size) for _ in range(places)]
        self._keys = [None] * places  # what `key_of` gives
        self._formats = [None] * places  # Content-Format of the first block
        self._received = array("i", bytes(4 * places))
        self._firsts = array("i", bytes(4 * places))  # Message ID of the first block
        self._mids = array("i", bytes(4 * places))  # of the last block
        self._sinks = [None] * places
        self._outcomes = [None] * places  # of those that have ended
        self._running = bytearray(places)  # is the handler at work on it?
        self._timers = timers
        self._first = timers.reserve(places, self._expired)
        self._message = Message()
        self.place = -1  # of the upload that `take` has completed

    def take(self, m, peer, handler, now):
        """Take a block: the whole request as a Message when this was the last, a result to close with, or an outcome.

        Gives (message, None), (None, outcome), or (None, None) where a stream has ended: then `close` has its result.
        """
        self.place = -1
        value = block.read(m, n.BLOCK1)
        num, more, size = value >> 4, value & 8, 16 << (value & 7)
        length = m.payload_length()
        if value < 0 or length > size or (more and length != size):
            raise errors.BadRequest("Block1: a block of %d bytes" % length)
        if not num and not more:
            return m, None
        key = key_of(m, peer)
        i = self._keys.index(key) if key in self._keys else -1
        if i >= 0 and not more and self._mids[i] == m.mid() and self._outcomes[i] is not None:
            return None, self._outcomes[i]
        streamed = isinstance(handler, Streamed)
        if num == 0 and i >= 0 and self._firsts[i] == m.mid():
            return None, self._continue(value)  # the first one again, maybe late: it begins nothing
        if num == 0:
            i = self._start(i, key, m, handler, streamed, now)
            if i < 0:
                return None, self._too_large()
        elif i < 0 or self._outcomes[i] is not None or self._running[i]:
            return None, (n.REQUEST_ENTITY_INCOMPLETE, (), b"block %d without those before" % num)
        elif options.uint(m, n.CONTENT_FORMAT) != self._formats[i]:
            return None, (n.REQUEST_ENTITY_INCOMPLETE, (), b"another Content-Format than before")
        start = num * size
        if start + length == self._received[i] and more:
            return None, self._continue(value)  # the one before, again
        if start != self._received[i]:
            return None, (n.REQUEST_ENTITY_INCOMPLETE, (), b"block at %d, %d expected" % (start, self._received[i]))
        if self._sinks[i] is not None:
            try:
                self._sinks[i].write(m.payload())
            except Exception:
                self._drop(i)
                raise
        elif start + length > self._size or m.fields[_END] >= _FRONT:
            self._drop(i)
            return None, self._too_large()
        else:
            copy(self._bufs[i], _FRONT + start, m.buf, m.end - length, length)
        self._received[i] = start + length
        self._timers.set(self._first + i, after(now, self._lifetime))
        if more:
            return None, self._continue(value)
        self.place = i
        self._mids[i] = m.mid()
        self._running[i] = 1
        if self._sinks[i] is not None:
            return None, None
        return self._whole(i, m), None

    def close(self):
        """Close the stream that `take` has completed: what it gives back."""
        sink = self._sinks[self.place]
        self._sinks[self.place] = None
        result = sink.close()
        if hasattr(result, "send"):
            result.close()
            raise TypeError("close() of a stream is a plain function, not an async one")
        return result

    def done(self, i, outcome):
        """Keep the outcome of a completed upload for its last block when that comes again."""
        self._running[i] = 0
        code, pairs, body = outcome
        self._outcomes[i] = code, pairs, bytes(body)

    def release(self, i):
        """The handler of this upload works on it no more."""
        self._running[i] = 0

    def _start(self, i, key, m, handler, streamed, now):
        # The place of a new upload, or -1 if it is to be longer than what there is room for.
        if not streamed and options.uint(m, n.SIZE1, 0) > self._size:
            return -1
        if i < 0:
            for i in range(len(self._keys)):
                if self._keys[i] is None or self._outcomes[i] is not None:
                    break
            else:
                for i in range(len(self._keys)):  # one that this client has broken off, or any that is silent
                    left = elapsed(self._timers.when(self._first + i), now)
                    old = self._keys[i][:3] == key[:3] or self._lifetime - left > self._patience
                    if old and not self._running[i]:
                        break
                else:
                    raise errors.ServiceUnavailable("too many uploads", _RETRY)
        elif self._running[i]:
            raise errors.ServiceUnavailable("the upload before is being carried out", _RETRY)
        self._drop(i)
        if streamed:
            self._sinks[i] = handler.open(m)
        self._keys[i] = key
        self._firsts[i] = m.mid()
        self._formats[i] = options.uint(m, n.CONTENT_FORMAT)
        self._received[i] = 0
        return i

    def _continue(self, value):
        value = value & ~7 | min(value & 7, self._szx)
        return n.CONTINUE, ((n.BLOCK1, uint_bytes(value)),), b""

    def _too_large(self):
        return n.REQUEST_ENTITY_TOO_LARGE, ((n.SIZE1, uint_bytes(self._size)),), b"at most %d bytes" % self._size

    def _whole(self, i, m):
        # The last block's header, token and options, right in front of all the payload.
        buf = self._bufs[i]
        front = m.fields[_END]
        start = _FRONT - 1 - front
        copy(buf, start, m.buf, 0, front)
        buf[_FRONT - 1] = 0xFF
        whole = self._message
        view = memoryview(buf)[start : _FRONT + self._received[i]]
        whole.parse(view, len(view))
        whole.security = m.security
        return whole

    def _drop(self, i):
        sink = self._sinks[i]
        self._keys[i] = self._sinks[i] = self._outcomes[i] = None
        self._timers.stop(self._first + i)
        if sink is not None:
            _abort(sink)

    def _expired(self, i, now):
        if self._running[i]:
            self._timers.set(self._first + i, after(now, self._lifetime))
        else:
            self._drop(i)


def _abort(sink):
    # Its upload has failed already: what it says to that changes nothing.
    try:
        getattr(sink, "abort", sink.close)()
    except Exception:
        pass
