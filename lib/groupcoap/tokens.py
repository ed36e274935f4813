"""The token table: which exchange a received token belongs to, in a fixed number of slots.

A token is 8 bytes: its slot's index (1), a counter of that slot's uses (3) and fresh random bytes (4). So a response
finds its exchange by one index and one comparison, a forged one does not, and no value comes back: a slot would have to
be used 2^24 times within MIN_TOKEN_REUSE_TIME (draft-ietf-core-groupcomm-bis §3.1.5), and its counter starts at random.
"""

from micropython import const

from .hot import copy, match
from .timers import after, elapsed

TOKEN_LENGTH = const(8)
ROW = const(32)  # bytes of a slot's row: token, length of the source, source (see `hot.match`)
_NOBODY = const(0xFF)  # in place of a free slot's number: no token starts so and matches
MIN_TOKEN_REUSE_TIME = 500000  # ms, where MAX_SERVER_RESPONSE_DELAY is not known


class Tokens:
    """`slots` (1 to 255) tokens on `timers`; entropy(n) gives n random bytes.

    Whoever allocates a slot is its owner: `owner.response(slot, message, peer, now)` takes what matches (or gives
    False, for a response to be rejected), and `owner.token_expired(slot, now)` is called at the end of its lifetime.
    `receivers` has who takes the responses of a slot: its owner, unless somebody opens them first (oscore.gate).
    """

    def __init__(self, slots, timers, entropy):
        if not 1 <= slots <= 255:
            raise ValueError("%d token slots: expected 1 to 255" % slots)
        self.slots = slots
        self.free = slots
        self.rows = bytearray(ROW * slots)  # a slot's token is at ROW * slot
        self.owners = [None] * slots
        self.receivers = [None] * slots
        self._stack = bytearray(range(slots))  # the free slots
        self._entropy = entropy
        self._timers = timers
        self._first = timers.reserve(slots, self._expired)
        for slot in range(slots):
            self.rows[ROW * slot] = _NOBODY
            copy(self.rows, ROW * slot + 1, entropy(3), 0, 3)

    def allocate(self, owner, lifetime, now, source=None):
        """Take a slot for `lifetime` ms: its index, or -1 when all are taken.

        source: the peer that must send the responses; None for a group request, which matches by token alone.
        """
        if not self.free:
            return -1
        self.free -= 1
        slot = self._stack[self.free]
        rows = self.rows
        at = ROW * slot
        rows[at] = slot
        for i in range(at + 3, at, -1):
            rows[i] = rows[i] + 1 & 255
            if rows[i]:
                break
        copy(rows, at + 4, self._entropy(4), 0, 4)
        rows[at + 8] = length = len(source) if source else 0
        copy(rows, at + 9, source or b"", 0, length)
        self.owners[slot] = self.receivers[slot] = owner
        self.extend(slot, lifetime, now)
        return slot

    def token(self, slot):
        """The token of a slot, 8 bytes."""
        return bytes(self.rows[ROW * slot : ROW * slot + TOKEN_LENGTH])

    def extend(self, slot, lifetime, now):
        """Let a taken slot live for `lifetime` ms from now."""
        self._timers.set(self._first + slot, after(now, lifetime))

    def release(self, slot):
        """Free a slot before its time; nothing if it is free. Its token will match no more."""
        if self.owners[slot] is not None:
            self.owners[slot] = self.receivers[slot] = None
            self.rows[ROW * slot] = _NOBODY
            self._timers.stop(self._first + slot)
            self._stack[self.free] = slot
            self.free += 1

    def find(self, buf, peer):
        """The slot whose token the response in buf from this peer carries, or -1."""
        return match(self.rows, self.slots, buf, peer)

    def left(self, slot, now):
        """Milliseconds that a taken slot has yet to live."""
        return max(0, -elapsed(now, self._timers.when(self._first + slot)))

    def remaining(self, now):
        """Milliseconds until the first of the taken slots is due; 0 when none is."""
        least = 0
        for slot in range(self.slots):
            if self.owners[slot] is not None:
                left = self.left(slot, now)
                if left and (not least or left < least):
                    least = left
        return least

    def _expired(self, slot, now):
        self.owners[slot].token_expired(slot, now)
        if not self._timers.running(self._first + slot):  # the owner may have extended it
            self.release(slot)
