"""The message layer's memory (RFC 7252 §4): which messages were seen, which answers are kept, what is sent again.

Three fixed tables. `Recent` knows the last messages by source and Message ID and overwrites the oldest, which suffices
for GET, FETCH and for responses (§4.5). `Kept` holds the answers to the requests that change something, those to POST
and PATCH for as long as they may be repeated, and is refused when full. `Outgoing` sends Confirmable messages again
until they are acknowledged (§4.2), NSTART at a time to one peer (§4.7).
"""

from array import array

from micropython import const

from .hot import KEY_BYTES_A_WORD, copy, same, scan
from .timers import after, elapsed

_MASK = const(0x3FFFFFFF)
_HEADER = const(5)  # words in front of the rows of `Recent`
_END = const(7)  # fields of a scanned message: where its options end,
_LONGEST = const(11)  # and how long it may be
_SILENT = const(0x7FFF)  # in place of an answer's length
_SWEEP = const(0x8000000)  # ms; well below the clock's half


class Recent:
    """The last `places` messages (rounded up to four times a power of two) from addresses of `address_bytes`.

    recent(table, peer, datagram, now) looks one up, and enters it.
    """

    def __init__(self, places, address_bytes, timers, parameters):
        sets = 1
        while 4 * sets < places:
            sets *= 2
        self._words = 1 + (2 + address_bytes + KEY_BYTES_A_WORD - 1) // KEY_BYTES_A_WORD
        self.table = array("i", b"\xff" * (4 * (_HEADER + 4 * sets * self._words)))
        self.table[0] = self._words
        self.table[1] = sets - 1
        self.table[2] = parameters.exchange_lifetime
        self.table[3] = parameters.non_lifetime
        self.table[4] = address_bytes
        self._timers = timers
        self._timer = timers.reserve(1, self._sweep)

    def start(self, now):
        """Begin to forget: without that, an entry would look fresh again when the clock has gone round."""
        self._timers.set(self._timer, after(now, _SWEEP))

    def _sweep(self, _, now):
        table = self.table
        for row in range(_HEADER, len(table), self._words):
            if table[row] >= 0 and now - table[row] & _MASK >= table[2]:
                table[row] = -1
        self.start(now)


class Kept:
    """The answers to the last `places` requests that change something, each of up to `size` bytes.

    A larger answer is kept without its payload. That to an idempotent request gives way to a younger one; the others
    stay for their lifetime, but give way, too, when they are older than `young` ms, as by then no sender repeats its
    request any more, or to one of their kind from an IP address that has two places less. What is still to be answered
    stays.
    """

    def __init__(self, places, size, address_bytes, timers, young=47000):
        self._size = size
        self._fields = array("i", bytes(48))
        self._fields[_LONGEST] = 0xFFFF
        self._key = 2 + address_bytes
        self._keys = bytearray(places * self._key)
        self._answers = bytearray(places * size)
        self._lengths = array("h", b"\xff\xff" * places)  # -1: free
        self._turns = array("H", bytes(2 * places))  # of the idempotent: when they came; 0: not idempotent
        self._turn = 0
        self._entered = array("i", bytes(4 * places))
        self.young = young
        self._timers = timers
        self._first = timers.reserve(places, self._forget)

    def find(self, peer, mid):
        """The place of this request, or -1."""
        for i in range(len(self._lengths)):
            at = i * self._key
            if (
                self._lengths[i] >= 0
                and self._keys[at] == mid >> 8
                and self._keys[at + 1] == mid & 255
                and same(self._keys, at + 2, peer, 0, self._key - 2)
            ):
                return i
        return -1

    def enter(self, peer, mid, idempotent, lifetime, now):
        """Take a place for this request for `lifetime` ms: its number, or -1 when none may give way."""
        place = -1
        for i in range(len(self._lengths)):
            if self._lengths[i] < 0:
                place = i
                break
            if self._turns[i] and self._lengths[i] and (place < 0 or (self._turns[i] - self._turns[place]) & 0x8000):
                place = i
        if place < 0:
            place = self._oldest(now)
        if place < 0 and not idempotent:
            place = self._fair(peer, now)
        if place < 0:
            return -1
        self._entered[place] = now
        self._turns[place] = 0
        if idempotent:
            self.yielding(place)
        self._lengths[place] = 0
        at = place * self._key
        self._keys[at] = mid >> 8
        self._keys[at + 1] = mid & 255
        copy(self._keys, at + 2, peer, 0, self._key - 2)
        self._timers.set(self._first + place, after(now, lifetime))
        return place

    def _oldest(self, now):
        # The place of the oldest answer that may give way, or -1.
        place = -1
        most = self.young
        for i in range(len(self._lengths)):
            age = elapsed(now, self._entered[i])
            if self._lengths[i] > 0 and age > most:
                most = age
                place = i
        return place

    def _fair(self, peer, now):
        # The place of the oldest answer to who has most of them, two more than this peer at least, or -1.
        place = -1
        most = 1 + self._of(peer, 0)
        for i in range(len(self._lengths)):
            if self._lengths[i] > 0:
                count = self._of(self._keys, i * self._key + 2)
                older = place >= 0 and elapsed(now, self._entered[i]) > elapsed(now, self._entered[place])
                if count > most or (count == most and older):
                    most = count
                    place = i
        return place

    def _of(self, peer, start):
        # How many places, all of which are taken, has the IP address in peer[start:]?
        count = 0
        for i in range(len(self._lengths)):
            if same(self._keys, i * self._key + 2, peer, start, self._key - 4):
                count += 1
        return count

    def keep(self, place, buf, n):
        """Keep the answer buf[:n], or, if that is too long, what is in front of its payload, or of its options."""
        if n > self._size:
            scan(buf, n, self._fields)
            n = self._fields[_END] if self._fields[_END] <= self._size else self._fields[0]
        at = place * self._size
        self._lengths[place] = copy(self._answers, at, buf, 0, n) - at

    def repeat(self, place, transmit, peer):
        """Send a kept answer again; nothing while there is none."""
        if 0 < self._lengths[place] < _SILENT:
            transmit(memoryview(self._answers)[place * self._size :], self._lengths[place], peer)

    def silence(self, place):
        """Keep that this request was here, and nothing to send when it comes again."""
        self._lengths[place] = _SILENT

    def yielding(self, place):
        """Let this place give way to a younger request."""
        self._turn = self._turn % 0xFFFF + 1
        self._turns[place] = self._turn

    def release(self, place):
        """Give a place back."""
        self._lengths[place] = -1
        self._timers.stop(self._first + place)

    def _forget(self, i, now):
        self._lengths[i] = -1


class Outgoing:
    """Up to `places` Confirmable messages of up to `size` bytes each that wait for their acknowledgement.

    Those to one peer that are more than parameters.nstart wait in their places, and go out in turn. transmit(buf, n,
    peer) sends; entropy(n) gives n random bytes. The sender of a message is its owner: `owner.acknowledged(ref, now)`
    tells it of the ACK, `owner.message_failed(ref, reset, now)` that the peer has reset the message (True) or stayed
    silent (False).

    bufs, lengths: what is in a place, or was last. before: if not None, before.cancel(owner, ref) is told what is
    cancelled, which may not have come here yet.
    """

    def __init__(self, places, size, transmit, timers, entropy, parameters):
        self.places = places
        self.before = None
        self.bufs = [bytearray(size) for _ in range(places)]
        self.lengths = array("H", bytes(2 * places))
        self._mids = array("H", bytes(2 * places))
        self._timeouts = array("i", bytes(4 * places))  # ms; 0: not yet sent
        self._left = bytearray(places)  # retransmissions left, plus 1; 0: free
        self._turns = array("H", bytes(2 * places))  # the order in which they were handed in
        self._turn = 0
        self._peers = [None] * places
        self._owners = [None] * places
        self._refs = array("h", bytes(2 * places))
        self.transmit = transmit
        self._timers = timers
        self._entropy = entropy
        self._parameters = parameters
        self._first = timers.reserve(places, self._due)

    def full(self):
        """Is there no place left?"""
        for left in self._left:
            if not left:
                return False
        return True

    def send(self, buf, n, mid, peer, owner, ref, now):
        """Send buf[:n] as soon as NSTART allows, until `acknowledged`: True, or False when all places are taken."""
        for i in range(len(self._left)):
            if not self._left[i]:
                self.lengths[i] = copy(self.bufs[i], 0, buf, 0, n)
                self._mids[i] = mid
                self._peers[i] = peer
                self._owners[i] = owner
                self._refs[i] = ref
                self._timeouts[i] = 0
                self._left[i] = 1 + self._parameters.max_retransmit
                self._turns[i] = self._turn = self._turn + 1 & 0xFFFF
                self._start(peer, now)
                return True
        return False

    def acknowledged(self, peer, mid, now):
        """An ACK with this Message ID has come: was it for one of ours? Its owner is told."""
        i = self._find(peer, mid)
        if i >= 0:
            self._finish(i, now).acknowledged(self._refs[i], now)
        return i >= 0

    def reset(self, peer, mid, now):
        """A Reset with this Message ID has come: was it for one of ours? Its owner is told."""
        i = self._find(peer, mid)
        if i >= 0:
            self._finish(i, now).message_failed(self._refs[i], True, now)
        return i >= 0

    def has(self, owner, ref):
        """Does what this owner sent under this reference still wait for its acknowledgement?"""
        for i in range(len(self._left)):
            if self._left[i] and self._owners[i] is owner and self._refs[i] == ref:
                return True
        return False

    def cancel(self, owner, ref, now):
        """Stop repeating what this owner sent under this reference."""
        if self.before is not None:
            self.before.cancel(owner, ref)
        for i in range(len(self._left)):
            if self._left[i] and self._owners[i] is owner and self._refs[i] == ref:
                self._finish(i, now)

    def _find(self, peer, mid):
        for i in range(len(self._left)):
            if self._left[i] and self._mids[i] == mid and self._timeouts[i] and self._peers[i] == peer:
                return i
        return -1

    def _start(self, peer, now):
        # Send the first of those that wait for this peer, if it has fewer than NSTART outstanding.
        first = -1
        outstanding = 0
        for i in range(len(self._left)):
            if self._left[i] and self._peers[i] == peer:
                if self._timeouts[i]:
                    outstanding += 1
                elif first < 0 or (self._turns[i] - self._turns[first]) & 0x8000:
                    first = i
        if first < 0 or outstanding >= self._parameters.nstart:
            return
        r = self._entropy(2)
        parameters = self._parameters
        self._timeouts[first] = parameters.ack_timeout + (r[0] << 8 | r[1]) * parameters.ack_spread // 65536
        self._timers.set(self._first + first, after(now, self._timeouts[first]))
        self.transmit(self.bufs[first], self.lengths[first], peer)

    def _finish(self, i, now):
        owner = self._owners[i]
        peer = self._peers[i]
        self._owners[i] = self._peers[i] = None
        self._left[i] = 0
        self._timers.stop(self._first + i)
        self._start(peer, now)
        return owner

    def _due(self, i, now):
        self._left[i] -= 1
        if not self._left[i]:
            self._finish(i, now).message_failed(self._refs[i], False, now)
            return
        self._timeouts[i] *= 2
        self._timers.set(self._first + i, after(now, self._timeouts[i]))
        self.transmit(self.bufs[i], self.lengths[i], self._peers[i])
