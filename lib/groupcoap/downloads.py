"""Block2 at a server (RFC 7959 §2.2, §2.4): answers cut into blocks, and held where they are made but once.

A plain answer to GET, or an open file, is made and cut anew for each block: it needs no place here.
"""

from array import array

from micropython import const

from . import block, errors
from . import numbers as n
from .hot import copy
from .message import option_of, uint_bytes, with_options
from .resource import close
from .timers import after

_RETRY = const(5)  # s after which a client may come again when all places are taken
_TAG_BYTES = const(6)
_BLOCK_0 = "Block2: expected block 0 first"
_BEHIND = "Block2: behind the end"


class Stream:
    """The payload of a `Response`, from an iterable of bytes: read once, block after block."""

    def __init__(self, chunks):
        self._chunks = iter(chunks)
        self._chunk = b""

    def readinto(self, buf):
        """Fill buf as far as there is something: bytes read, 0 at the end."""
        at = 0
        while at < len(buf):
            if not self._chunk:
                self._chunk = next(self._chunks, b"")
                if not self._chunk:
                    break
            some = min(len(buf) - at, len(self._chunk))
            copy(buf, at, self._chunk, 0, some)
            self._chunk = self._chunk[some:]
            at += some
        return at


class Downloads:
    """Cuts answers into blocks, and holds up to `places` of them whose later blocks cannot be had by asking again.

    Those are what a stream gives, and what another method than GET has answered. Each is kept for `lifetime` ms after
    its last block was asked for. szx: of the largest block.
    """

    def __init__(self, server, places, szx, lifetime):
        self._server = server
        self._szx = szx
        self._keys = [None] * places
        self._answers = [None] * places  # (code, options)
        self._bodies = [None] * places
        self._windows = [b""] * places  # of what the body has given, what may be asked for again
        self._starts = array("i", bytes(4 * places))
        self._ended = bytearray(places)  # has its last block been given?
        self._next = 0  # to make room next
        self._buf = None  # what is read from a file
        self._lifetime = lifetime
        self._timers = timers = server.endpoint.timers
        self._first = timers.reserve(places, self._expired)

    def cut(self, m, peer, code, pairs, body, now):
        """The outcome that is said of this one: the block that `m` asks for, or the first where that is too long."""
        want = block.read(m, n.BLOCK2)
        szx = self._szx if want < 0 else min(want & 7, self._szx)
        start = 0 if want < 0 else (want >> 4) * (16 << (want & 7))
        size = 16 << szx
        total = -1
        if hasattr(body, "seek") and m.code == n.GET:
            data, more = self._read(body, start, size)
        elif hasattr(body, "readinto") or (m.code != n.GET and len(body) > size):
            if start:
                raise errors.BadRequest(_BLOCK_0)
            if code == n.CONTENT and option_of(pairs, n.ETAG) is None:
                pairs = with_options(pairs, [(n.ETAG, self._server.endpoint.entropy(_TAG_BYTES))])
            held = self._hold(m, peer, code, pairs, body, now)
            code, pairs, data, more = self._piece(held, 0, size, now)
        else:
            total = len(body)
            data = body[start : start + size]
            more = start + size < total
            if start and not data:
                raise errors.BadRequest(_BEHIND)
            if (more or start) and code == n.CONTENT and option_of(pairs, n.ETAG) is None:
                pairs = with_options(pairs, [(n.ETAG, self._server.etag(body))])
        if want < 0 and not more:
            return code, pairs, data
        added = [(n.BLOCK2, uint_bytes(block.value(start // size, more, szx)))]
        if total >= 0 and not start:
            added.append((n.SIZE2, uint_bytes(total)))
        return code, with_options(pairs, added), data

    def go_on(self, m, peer, now):
        """The outcome of a request for a later block: of an answer that is held, or None where GET cuts it anew."""
        key = block.key_of(m, peer)
        if key not in self._keys:
            if m.code != n.GET:
                raise errors.BadRequest(_BLOCK_0)
            return None
        want = block.read(m, n.BLOCK2)
        szx = min(want & 7, self._szx)
        start = (want >> 4) * (16 << (want & 7))
        code, pairs, data, more = self._piece(self._keys.index(key), start, 16 << szx, now)
        value = block.value(start >> 4 + szx, more, szx)
        return code, with_options(pairs, [(n.BLOCK2, uint_bytes(value))]), data

    def _hold(self, m, peer, code, pairs, body, now):
        # Keep an answer for its later blocks; body: bytes, or something to read from: its place.
        key = block.key_of(m, peer)
        i = self._keys.index(key) if key in self._keys else -1
        if i < 0:
            for i in range(len(self._keys)):
                if self._keys[i] is None or self._ended[i]:
                    break
            else:
                if not len(self._keys):
                    close(body)
                    raise errors.InternalServerError("no places for answers in blocks")
                if m.code == n.GET or m.code == n.FETCH:
                    close(body)
                    raise errors.ServiceUnavailable("too many answers are being fetched", _RETRY)
                i = self._next  # what has had its effect is answered: another one's blocks are lost
                self._next = (i + 1) % len(self._keys)
        self._drop(i)
        self._keys[i] = key
        self._ended[i] = 0
        self._answers[i] = code, pairs
        self._starts[i] = 0
        self._bodies[i], self._windows[i] = (body, b"") if hasattr(body, "readinto") else (None, bytes(body))
        self._timers.set(self._first + i, after(now, self._lifetime))
        return i

    def _piece(self, i, start, size, now):
        # (code, options, data, more) of `size` bytes from `start` on; BadRequest for what is gone or not there.
        window = self._windows[i]
        skip = start - self._starts[i]
        body = self._bodies[i]
        if body is not None:
            if not 0 <= skip <= len(window):
                raise errors.BadRequest("Block2: blocks of a stream are given in order")
            window = window[skip:]
            self._starts[i] = start
            skip = 0
            while len(window) <= size:
                some = bytearray(size + 1 - len(window))
                try:
                    got = body.readinto(some)
                except Exception:
                    self._drop(i)
                    raise
                if not got:
                    break
                window += bytes(some[:got])
            self._windows[i] = window
        data = window[skip : skip + size]
        if start and not data:
            raise errors.BadRequest(_BEHIND)
        code, pairs = self._answers[i]
        self._timers.set(self._first + i, after(now, self._lifetime))
        more = len(window) > skip + size
        self._ended[i] = not more
        return code, pairs, data, more

    def _read(self, file, start, size):
        # (data, more) from an open file, which is closed then; the data is good until the next call.
        try:
            if self._buf is None:  # once there is a file to give
                self._buf = bytearray((16 << self._szx) + 1)
            file.seek(start)
            view = memoryview(self._buf)
            got = file.readinto(view[: size + 1])
            if start and not got:
                raise errors.BadRequest(_BEHIND)
            return view[: min(got, size)], got > size
        finally:
            file.close()

    def _expired(self, i, now):
        self._drop(i)

    def _drop(self, i):
        body = self._bodies[i]
        self._keys[i] = self._answers[i] = self._bodies[i] = None
        self._windows[i] = b""
        close(body)
