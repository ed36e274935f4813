"""The token table: which exchange a received token belongs to, in a fixed number of slots.

A token is 8 bytes: its slot's index (1), a counter of that slot's uses (3) and fresh random bytes (4). So a response
finds its exchange by one index and one comparison, a forged one does not, and no value comes back: a slot would have to
be used 2^24 times within MIN_TOKEN_REUSE_TIME (draft-ietf-core-groupcomm-bis §3.1.5), and its counter starts at random.
"""

from array import array

from .hot import copy, same
from .timers import after, elapsed

TOKEN_LENGTH = 8
MIN_TOKEN_REUSE_TIME = 500000  # ms, where MAX_SERVER_RESPONSE_DELAY is not known


class Tokens:
    """`slots` (1 to 256) tokens on `timers`; entropy(n) gives n random bytes.

    Whoever allocates a slot is its owner: `owner.response(slot, message, peer, now)` takes what matches, and
    `owner.token_expired(slot, now)` is called at the end of its lifetime.
    """

    def __init__(self, slots, timers, entropy):
        if not 1 <= slots <= 256:
            raise ValueError("%d token slots: expected 1 to 256" % slots)
        self.slots = slots
        self.free = slots
        self.tokens = bytearray(TOKEN_LENGTH * slots)
        self.owners = [None] * slots
        self._sources = [None] * slots
        self._stack = bytearray(range(slots))  # the free slots
        self._entropy = entropy
        self._timers = timers
        self._first = timers.reserve(slots, self._expired)
        for slot in range(slots):
            start = TOKEN_LENGTH * slot
            self.tokens[start] = slot
            copy(self.tokens, start + 1, entropy(3), 0, 3)

    def allocate(self, owner, lifetime, now, source=None):
        """Take a slot for `lifetime` ms: its index, or -1 when all are taken.

        source: the peer that must send the responses; None for a group request, which matches by token alone.
        """
        if not self.free:
            return -1
        self.free -= 1
        slot = self._stack[self.free]
        at = TOKEN_LENGTH * slot + 3
        for i in range(at, at - 3, -1):
            self.tokens[i] = self.tokens[i] + 1 & 255
            if self.tokens[i]:
                break
        copy(self.tokens, at + 1, self._entropy(4), 0, 4)
        self.owners[slot] = owner
        self._sources[slot] = source
        self.extend(slot, lifetime, now)
        return slot

    def extend(self, slot, lifetime, now):
        """Let a taken slot live for `lifetime` ms from now."""
        self._timers.set(self._first + slot, after(now, lifetime))

    def release(self, slot):
        """Free a slot before its time; nothing if it is free. Its token will match no more."""
        if self.owners[slot] is not None:
            self.owners[slot] = self._sources[slot] = None
            self._timers.stop(self._first + slot)
            self._stack[self.free] = slot
            self.free += 1

    def find(self, buf, peer):
        """The slot whose token the response in buf from this peer carries, or -1."""
        if buf[0] & 15 != TOKEN_LENGTH:
            return -1
        slot = buf[4]
        if slot >= self.slots or self.owners[slot] is None:
            return -1
        source = self._sources[slot]
        if source is not None and source != peer:
            return -1
        return slot if same(buf, 4, self.tokens, TOKEN_LENGTH * slot, TOKEN_LENGTH) else -1

    def remaining(self, now):
        """Milliseconds until the first of the taken slots is due; 0 when none is."""
        least = 0
        for slot in range(self.slots):
            if self.owners[slot] is not None:
                left = -elapsed(now, self._timers.when(self._first + slot))
                if left > 0 and (not least or left < least):
                    least = left
        return least

    def _expired(self, slot, now):
        self.owners[slot].token_expired(slot, now)
        if not self._timers.running(self._first + slot):  # the owner may have extended it
            self.release(slot)
