"""Outer Block options at who answers: requests that come in pieces, answers that go in pieces (RFC 8613 §4.1.3.4,
§8.2 step A; RFC 7959).

An intermediary may cut an OSCORE message into pieces, without having its keys. Those of a request are put together, and
it is opened then, like any other: until the last piece nothing is decrypted and no window moves. An answer is held as
it was sealed, for the pieces that are asked for after the first: those requests repeat the OSCORE option of the first,
so opening them would find a replay.

A `Pieces` is made, with all of its memory, when the first message with both options comes.
"""

from array import array

from micropython import const

from .. import block, options
from .. import numbers as n
from ..endpoint import MAX_DATAGRAM
from ..hot import copy
from ..message import Message, Writer, insert, uint_bytes, with_options
from ..timers import after, elapsed

_END = const(7)  # field of a message: where its options end
_TAGS = const(64)  # bytes of a request's Request-Tags, with their lengths
_MARGIN = const(128)  # bytes of a message that a piece leaves to what is in front of it
_ETAG_BYTES = const(4)
_BLOCK1 = const(8)  # bytes that an option in a message may take

_STALE = (n.MAX_AGE, b"")  # an error of a piece is not to be cached
_BUSY = (n.SERVICE_UNAVAILABLE, ((n.MAX_AGE, b"\x05"),), b"too many requests in pieces")


class _Place:
    # One request or one answer: whose it is, and its payload.
    def __init__(self):
        self.buf = bytearray(MAX_DATAGRAM)
        self.length = 0
        self.key = None  # None: free
        self.mid = 0  # of a request: Message ID of its first piece
        self.code = 0  # of an answer: its code,
        self.pairs = None  # its options,
        self.ended = False  # and has its last piece been given?


class Pieces:
    """The pieces of up to `requests` requests and `answers` answers at a time, each of up to MAX_DATAGRAM bytes.

    contexts: who may begin a request of several pieces. A place of a request lives EXCHANGE_LIFETIME from its first
    piece on; when all are taken, one gives way that has been silent for MAX_TRANSMIT_WAIT, else the new one is refused
    by 5.03. A place of an answer lives as long; when all are taken, one gives way whose last piece was given, else the
    oldest. What is longer than a message may be here is refused by 4.13.
    """

    def __init__(self, endpoint, contexts, requests=2, answers=2):
        self._contexts = contexts
        self._entropy = endpoint.entropy
        self._timers = endpoint.timers
        self._lifetime = endpoint.parameters.exchange_lifetime
        self._patience = endpoint.parameters.max_transmit_wait
        self._szx = block.szx_of(max(16, endpoint.out.size - _MARGIN))
        self._requests = [_Place() for _ in range(requests)]
        self._heard = array("i", bytes(4 * requests))  # when the last piece came
        self._answers = [_Place() for _ in range(answers)]
        self._first = endpoint.timers.reserve(requests + answers, self._expired)
        self._message = Message(MAX_DATAGRAM)
        self._out = Writer(bytearray(MAX_DATAGRAM))

    def take(self, m, peer, group, now):
        """Take a request with an outer Block option: (message to open, None), or (None, outcome to answer with).

        The message is good until the next call.
        """
        up = _read(m, n.BLOCK1)
        down = _read(m, n.BLOCK2)
        if up == -2 or down == -2:
            return None, _bad(b"Block1 or Block2 with a value that it may not have")
        key = _key(m, peer)
        if len(key[3]) > _TAGS:
            return None, _bad(b"Request-Tag: too many")
        if down > 15:
            place = _find(self._answers, key[:3])
            return None, _bad(b"Block2: expected block 0 first") if place is None else self._piece(place, down)
        if up < 8:  # none, or the only one
            return m, None
        num = up >> 4
        size = 16 << (up & 7)
        length = m.payload_length()
        if group or length > size or (up & 8 and length != size):
            return None, _bad(b"Block1: a block of %d bytes" % length)
        place = _find(self._requests, key)
        if not num and (place is None or place.mid != m.mid()):
            if not self._known(m):
                return m, None  # which is refused like any other
            if options.uint(m, n.SIZE1, 0) > MAX_DATAGRAM:
                return None, self._too_large(m, up)
            place = self._start(place, key, m, now)
            if place is None:
                return None, _BUSY
        elif place is None:
            return None, _incomplete(up)
        start = num * size
        if start + length <= place.length and up & 8:
            return None, _continue(up)  # one that came before, again
        if start != place.length:
            return None, _incomplete(up)
        if m.fields[_END] + 1 + start + length > MAX_DATAGRAM:
            self._free(self._requests.index(place))
            return None, self._too_large(m, up)
        place.length = copy(place.buf, start, m.buf, m.end - length, length)
        self._heard[self._requests.index(place)] = now
        if up & 8:
            return None, _continue(up)
        self._free(self._requests.index(place))
        return self._whole(place, m), None

    def again(self, m, peer):
        """The outcome for a Confirmable piece, not the last, that comes again, its answer being lost; or None."""
        up = block.read(m, n.BLOCK1)
        down = block.read(m, n.BLOCK2)
        if down > 15:
            place = _find(self._answers, _key(m, peer)[:3])
            return None if place is None else self._piece(place, down)
        if up < 8 or not up & 8:
            return None
        place = _find(self._requests, _key(m, peer))
        if place is None or (up >> 4) + 1 << (up & 7) + 4 > place.length:
            return _incomplete(up)
        return _continue(up)

    def asked(self, m, peer):
        """What the request m, whole now, says of its answer: to be kept for `cut`."""
        up = block.read(m, n.BLOCK1)
        return [_key(m, peer)[:3], block.read(m, n.BLOCK2), up]

    def cut(self, asked, sealed, now):
        """The answer that stands in the Writer `sealed`, as `asked` wants it: a Writer with the first piece, or with
        all of it. What is behind that is held. Its ETag keeps notifications of one observation apart (RFC 7959 §2.4).
        """
        key, down, up = asked
        if down < 0 and (up < 0 or sealed.end + _BLOCK1 > MAX_DATAGRAM):
            return sealed
        asked[2] = -1  # of the request's pieces only its first answer tells
        m = self._message
        m.parse(sealed.buf, sealed.end)
        pairs = m.options()
        length = m.payload_length()
        start = m.end - length
        if up >= 0:
            insert(pairs, n.BLOCK1, uint_bytes(up))
        if down >= 0:
            szx = min(down & 7, self._szx)
            more = length > 16 << szx
            if more:
                insert(pairs, n.ETAG, self._entropy(_ETAG_BYTES))
                self._hold(key, m, pairs, now)
                length = 16 << szx
            insert(pairs, n.BLOCK2, uint_bytes(block.value(0, more, szx)))
        out = self._out
        out.begin(m.type(), m.code, m.mid(), m.buf, 4, m.buf[0] & 15)
        for number, value in pairs:
            out.option(number, value)
        out.payload(m.buf, start, length)
        return out

    def _known(self, m):
        # Only who is known takes a place.
        try:
            return self._contexts.find(m) is not None
        except ValueError:
            return False

    def _start(self, place, key, m, now):
        # The place of a new request: where it began before, a free one, or one that has long been silent; or None.
        for other in self._requests:
            if place is None and other.key is None:
                place = other
        for i in range(len(self._requests)):
            if place is None and elapsed(now, self._heard[i]) > self._patience:
                place = self._requests[i]
        if place is None:
            return None
        place.key = key
        place.mid = m.mid()
        place.length = 0
        self._timers.set(self._first + self._requests.index(place), after(now, self._lifetime))
        return place

    def _whole(self, place, m):
        # The last piece's header, token and options in front of all the payload.
        out = self._out
        out.end = copy(out.buf, 0, m.buf, 0, m.fields[_END])
        out.payload(place.buf, 0, place.length)
        self._message.parse(out.buf, out.end)
        return self._message

    def _hold(self, key, m, pairs, now):
        place = _find(self._answers, key)
        for other in self._answers:
            if place is None and (other.key is None or other.ended):
                place = other
        if place is None:
            place = self._answers[0]
            for i in range(len(self._answers)):
                at = self._first + len(self._requests)
                if elapsed(self._timers.when(at + i), self._timers.when(at + self._answers.index(place))) < 0:
                    place = self._answers[i]
        place.key = key
        place.code = m.code
        # what belongs to the first piece alone: RFC 7959 §2.3, §2.6
        place.pairs = [pair for pair in pairs if pair[0] not in (n.OBSERVE, n.BLOCK1)]
        place.length = m.payload_length()
        place.ended = False
        copy(place.buf, 0, m.buf, m.end - place.length, place.length)
        i = len(self._requests) + self._answers.index(place)
        self._timers.set(self._first + i, after(now, self._lifetime))

    def _piece(self, place, down):
        # The outcome that is the piece of an answer that this value of Block2 asks for.
        szx = min(down & 7, self._szx)
        start = (down >> 4) * (16 << (down & 7))
        end = start + (16 << szx)
        if start >= place.length:
            return _bad(b"Block2: behind the end")
        if end >= place.length:
            end = place.length
            place.ended = True
        value = block.value(start >> szx + 4, end < place.length, szx)
        data = memoryview(place.buf)[start:end]
        return place.code, with_options(place.pairs, [(n.BLOCK2, uint_bytes(value))]), data

    def _too_large(self, m, up):
        room = MAX_DATAGRAM - m.fields[_END] - 1
        pairs = (_STALE, (n.BLOCK1, uint_bytes(up)), (n.SIZE1, uint_bytes(room)))
        return n.REQUEST_ENTITY_TOO_LARGE, pairs, b"at most %d bytes" % room

    def _expired(self, i, now):
        self._free(i)

    def _free(self, i):
        count = len(self._requests)
        place = self._requests[i] if i < count else self._answers[i - count]
        place.key = place.pairs = None
        self._timers.stop(self._first + i)


def _read(m, number):
    # As `block.read`, but the option comes at most once (RFC 7959 §2.1).
    value = block.read(m, number)
    return -2 if value >= 0 and m.step() == number else value


def _key(m, peer):
    # Whose request this is a piece of, and of which: Request-Tags tell two apart besides (RFC 9175 §3.3).
    tags = b""
    value = m.option(n.OSCORE)
    if m.find(n.REQUEST_TAG) >= 0:
        number = n.REQUEST_TAG
        while number == n.REQUEST_TAG:
            tags += bytes((m.length() & 255,)) + bytes(m.value())
            number = m.step()
    return peer, m.code, value, tags


def _find(places, key):
    for place in places:
        if place.key == key:
            return place
    return None


def _bad(text):
    return n.BAD_REQUEST, (_STALE,), text


def _continue(up):
    return n.CONTINUE, ((n.BLOCK1, uint_bytes(up)),), b""


def _incomplete(up):
    pairs = (_STALE, (n.BLOCK1, uint_bytes(up)))
    return n.REQUEST_ENTITY_INCOMPLETE, pairs, b"not the block that was expected"
