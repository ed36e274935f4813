"""The message layer's memory (RFC 7252 §4): which messages were seen, which answers are kept, what is sent again.

Three fixed tables. `Recent` knows the last messages by source and Message ID and overwrites the oldest, which suffices
for idempotent requests and for responses (§4.5). `Kept` holds the answer to each POST and PATCH for as long as that may
be repeated, and is refused when full. `Outgoing` sends Confirmable messages again until they are acknowledged (§4.2).
"""

from array import array

from micropython import const

from .hot import KEY_BYTES_A_WORD, copy, same
from .timers import after

_MASK = const(0x3FFFFFFF)
_HEADER = const(5)  # words in front of the rows of `Recent`
_SWEEP = const(0x8000000)  # ms; well below the clock's half

EXCHANGE_LIFETIME = 247000  # ms, RFC 7252 §4.8.2
NON_LIFETIME = 145000
ACK_TIMEOUT = 2000
ACK_RANDOM_FACTOR = 1.5
MAX_RETRANSMIT = 4


class Recent:
    """The last `places` messages (rounded up to four times a power of two) from addresses of `address_bytes`.

    recent(table, peer, datagram, now) looks one up, and enters it.
    """

    def __init__(self, places, address_bytes, timers):
        sets = 1
        while 4 * sets < places:
            sets *= 2
        self._words = 1 + (2 + address_bytes + KEY_BYTES_A_WORD - 1) // KEY_BYTES_A_WORD
        self.table = array("i", b"\xff" * (4 * (_HEADER + 4 * sets * self._words)))
        self.table[0] = self._words
        self.table[1] = sets - 1
        self.table[2] = EXCHANGE_LIFETIME
        self.table[3] = NON_LIFETIME
        self.table[4] = address_bytes
        self._timers = timers
        self._timer = timers.reserve(1, self._sweep)

    def start(self, now):
        """Begin to forget: without that, an entry would look fresh again when the clock has gone round."""
        self._timers.set(self._timer, after(now, _SWEEP))

    def _sweep(self, _, now):
        table = self.table
        for row in range(_HEADER, len(table), self._words):
            if table[row] >= 0 and now - table[row] & _MASK >= EXCHANGE_LIFETIME:
                table[row] = -1
        self.start(now)


class Kept:
    """The answers to the last `places` requests that must not be carried out twice, each of up to `size` bytes.

    A larger answer is kept without its payload.
    """

    def __init__(self, places, size, address_bytes, timers):
        self._size = size
        self._key = 2 + address_bytes
        self._keys = bytearray(places * self._key)
        self._answers = [bytearray(size) for _ in range(places)]
        self._lengths = array("h", b"\xff\xff" * places)  # -1: free
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

    def enter(self, peer, mid, lifetime, now):
        """Take a place for this request for `lifetime` ms: its number, or -1 when all are young."""
        for i in range(len(self._lengths)):
            if self._lengths[i] < 0:
                self._lengths[i] = 0
                at = i * self._key
                self._keys[at] = mid >> 8
                self._keys[at + 1] = mid & 255
                copy(self._keys, at + 2, peer, 0, self._key - 2)
                self._timers.set(self._first + i, after(now, lifetime))
                return i
        return -1

    def keep(self, place, buf, n, head):
        """Keep the answer buf[:n], or, if that is too long, its header and token, buf[:head]."""
        if n > self._size:
            n = head
        self._lengths[place] = copy(self._answers[place], 0, buf, 0, n)

    def repeat(self, place, transmit, peer):
        """Send a kept answer again; nothing while there is none."""
        if self._lengths[place]:
            transmit(self._answers[place], self._lengths[place], peer)

    def _forget(self, i, now):
        self._lengths[i] = -1


class Outgoing:
    """Up to `places` Confirmable messages of up to `size` bytes each that wait for their acknowledgement.

    transmit(buf, n, peer) sends; entropy(n) gives n random bytes. The sender of a message is its owner:
    `owner.acknowledged(ref, now)` tells it of the ACK, `owner.message_failed(ref, reset, now)` that the peer has reset
    the message (True) or stayed silent (False).
    """

    def __init__(self, places, size, transmit, timers, entropy):
        self._bufs = [bytearray(size) for _ in range(places)]
        self._lengths = array("H", bytes(2 * places))
        self._mids = array("H", bytes(2 * places))
        self._timeouts = array("i", bytes(4 * places))
        self._left = bytearray(places)  # retransmissions left, plus 1
        self._peers = [None] * places
        self._owners = [None] * places
        self._refs = array("h", bytes(2 * places))
        self._transmit = transmit
        self._timers = timers
        self._entropy = entropy
        self._first = timers.reserve(places, self._due)

    def full(self):
        """Is there no place left?"""
        for left in self._left:
            if not left:
                return False
        return True

    def send(self, buf, n, mid, peer, owner, ref, now):
        """Send buf[:n] and repeat it until `acknowledged`: True, or False when all places are taken."""
        for i in range(len(self._left)):
            if not self._left[i]:
                self._lengths[i] = copy(self._bufs[i], 0, buf, 0, n)
                self._mids[i] = mid
                self._peers[i] = peer
                self._owners[i] = owner
                self._refs[i] = ref
                self._left[i] = 1 + MAX_RETRANSMIT
                r = self._entropy(2)
                spread = int(ACK_TIMEOUT * (ACK_RANDOM_FACTOR - 1)) + 1
                self._timeouts[i] = ACK_TIMEOUT + (r[0] << 8 | r[1]) % spread
                self._timers.set(self._first + i, after(now, self._timeouts[i]))
                self._transmit(buf, n, peer)
                return True
        return False

    def acknowledged(self, peer, mid, now):
        """An ACK with this Message ID has come: was it for one of ours? Its owner is told."""
        i = self._find(peer, mid)
        if i >= 0:
            self._finish(i).acknowledged(self._refs[i], now)
        return i >= 0

    def reset(self, peer, mid, now):
        """A Reset with this Message ID has come: was it for one of ours? Its owner is told."""
        i = self._find(peer, mid)
        if i >= 0:
            owner = self._finish(i)
            owner.message_failed(self._refs[i], True, now)
        return i >= 0

    def cancel(self, owner, ref):
        """Stop repeating what this owner sent under this reference."""
        for i in range(len(self._left)):
            if self._left[i] and self._owners[i] is owner and self._refs[i] == ref:
                self._finish(i)

    def _find(self, peer, mid):
        for i in range(len(self._left)):
            if self._left[i] and self._mids[i] == mid and self._peers[i] == peer:
                return i
        return -1

    def _finish(self, i):
        owner = self._owners[i]
        self._owners[i] = self._peers[i] = None
        self._left[i] = 0
        self._timers.stop(self._first + i)
        return owner

    def _due(self, i, now):
        self._left[i] -= 1
        if not self._left[i]:
            self._finish(i).message_failed(self._refs[i], False, now)
            return
        self._timeouts[i] *= 2
        self._timers.set(self._first + i, after(now, self._timeouts[i]))
        self._transmit(self._bufs[i], self._lengths[i], self._peers[i])
