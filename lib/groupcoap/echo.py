"""Is there somebody at the address that a request seems to come from? Echo against amplification (RFC 9175 §2.6).

A challenge is made of a secret, the address and the time, so that nothing is kept for those who never come back. Who
has given one back is remembered in a small fixed table.
"""

import hashlib
from array import array

from micropython import const

from . import numbers as n
from . import options
from .timers import elapsed

_EPOCH = const(16)  # bits of ms, 65 s: a challenge is good for one or two of them
_LENGTH = const(8)  # bytes
_LIFETIME = const(3600000)  # ms for which an address is believed to be its owner's


class Echo:
    """Challenges answers above `threshold` bytes that are above `factor` times their request, too.

    entropy(n) gives n random bytes; places: peers that are remembered.
    """

    def __init__(self, entropy, threshold=152, factor=3, places=8):
        self._secret = entropy(16)
        self.threshold = threshold
        self.factor = factor
        self._verified = [None] * places
        self._times = array("i", bytes(4 * places))  # when they were
        self._next = 0
        self.challenges = 0

    def needed(self, m, peer, size, now):
        """Must this peer show that it is there before it gets an answer of `size` bytes to `m`?"""
        if size <= self.threshold or size <= self.factor * m.end:
            return False
        if peer in self._verified:
            place = self._verified.index(peer)
            if 0 <= elapsed(now, self._times[place]) < _LIFETIME:
                return False
            self._verified[place] = None
        if self.returned(m, peer, now):
            return False
        self.challenges += 1
        return True

    def returned(self, m, peer, now):
        """Does this request, to a group or not, bring a challenge back? Then its peer is remembered."""
        if options.valid(m, n.ECHO) < 0:
            return False
        value = bytes(m.value())
        if value != self._challenge(peer, now >> _EPOCH) and value != self._challenge(peer, (now >> _EPOCH) - 1):
            return False
        place = self._verified.index(peer) if peer in self._verified else self._next
        if place == self._next:
            self._next = (place + 1) % len(self._verified)
        self._verified[place] = peer
        self._times[place] = now
        return True

    def outcome(self, peer, now):
        """The answer that is given instead: 4.01 with a challenge."""
        return n.UNAUTHORIZED, ((n.ECHO, self._challenge(peer, now >> _EPOCH)),), b""

    def _challenge(self, peer, epoch):
        epoch &= 0x3FFF  # the clock's 30 bits
        return hashlib.sha256(self._secret + peer + bytes((epoch >> 8, epoch & 255))).digest()[:_LENGTH]
