"""A good member of a group: Leisure, and the answers that wait for their moment in it (RFC 7252 §8.2, bis §3.6).

A group request is answered after a random part of Leisure. Until then it waits: a safe method as the request itself, so
that the answer is fresh when it leaves, another one, carried out at once, with its outcome. Leisure periods of one
membership do not overlap: a further answer, or a notification, waits for the period after the last.
"""

from array import array

from micropython import const

from . import numbers as n
from .held import Held
from .timers import after, elapsed

_NON = const(1)
_SEEN = const(2)
_END = const(7)
_BLOCK1 = const(1 << 27)


class Memberships:
    """Up to `memberships` groups, and up to `waiting` answers to them at a time."""

    def __init__(self, server, memberships, waiting, waiting_bytes):
        self._server = server
        self._leisure = array("i", b"\xff" * (4 * memberships))  # ms; -1: free
        self.addresses = [None] * memberships  # packed, of the groups, where they are known
        self._period_end = array("i", b"\xff" * (4 * memberships))  # -1: none runs
        self._held = Held(waiting, waiting_bytes)
        self._outcomes = [None] * waiting  # of those carried out
        self._timers = timers = server.endpoint.timers
        self._first = timers.reserve(waiting, self._due)
        self._periods = timers.reserve(memberships, self._period_over)
        self.asked = None  # address of the group whose request for something is in hand
        self.crowded = 0  # group requests dropped since too many were waiting, or one was too long

    def join(self, leisure, address=None):
        """Take a number, 1 and up, for one more membership with this Leisure in ms. Raises ValueError when full."""
        for i in range(len(self._leisure)):
            if self._leisure[i] < 0:
                self._leisure[i] = leisure
                self.addresses[i] = address
                return i + 1
        raise ValueError("%d memberships: that is all there is room for" % len(self._leisure))

    def leave(self, group):
        """Give this number back; what waits for a moment of that membership is forgotten."""
        self._leisure[group - 1] = self._period_end[group - 1] = -1
        for i in range(len(self._outcomes)):
            if self._held.peers[i] is not None and self._held.groups[i] == group:
                self._free(i)

    def moment(self, group, now):
        """A random moment of the next Leisure period of this membership, which begins with this."""
        start = self._period_end[group - 1]
        if start < 0 or elapsed(now, start) > 0:  # there is none, or it has ended while the loop was late
            start = now
        leisure = max(0, self._leisure[group - 1])
        self._period_end[group - 1] = end = after(start, leisure)
        self._timers.set(self._periods + group - 1, end)
        r = self._server.endpoint.entropy(2)
        return after(start, (r[0] << 8 | r[1]) * leisure >> 16)

    def request(self, m, peer, group, now):
        """Take a group request: False where it is none for this member.

        Nothing but a Non-confirmable one is answered, and none is ever reset (§8.1).
        """
        if m.type() != _NON or self._leisure[group - 1] < 0:
            return False
        server = self._server
        resource = server.group_resource(m)
        if resource is None or m.fields[_SEEN] & _BLOCK1:  # no block-wise request to a group (bis §3.8)
            server.suppressed += 1
            return False
        if m.code == n.GET or m.code == n.FETCH:
            self.hold(m, m.end, peer, group, None, now)
            return True
        outcome = server.evaluate(m, peer, group, now)  # it takes effect now, and is answered later
        if outcome is not None:
            self.answer(m, peer, group, outcome, now)
        return True

    def holds(self, m, peer):
        """Does a request of this peer with the token of m wait for its moment?"""
        return self._held.find(m, peer) >= 0

    def answer(self, m, peer, group, outcome, now):
        """Send this outcome in the next Leisure period, if it is one to be said."""
        if self._server.silent(m, group, outcome):
            self._server.suppressed += 1
        else:  # of the request, only what is in front of its payload is still needed
            self.hold(m, m.fields[_END], peer, group, outcome, now)

    def hold(self, m, length, peer, group, outcome, now):
        """Let a request, or what is needed of it, wait for its moment."""
        i = self._held.keep(m, length, peer, group)
        if i < 0:
            self.crowded += 1
            return
        self._outcomes[i] = outcome
        self._timers.set(self._first + i, self.moment(group, now))

    def _period_over(self, i, now):
        self._period_end[i] = -1

    def _due(self, i, now):
        m = self._held.read(i)
        outcome = self._outcomes[i]
        peer = self._held.peers[i]
        group = self._held.groups[i]
        self._free(i)
        if outcome is None:
            self.asked = self.addresses[group - 1]
            outcome = self._server.evaluate(m, peer, group, now)
            self.asked = None
        if outcome is not None:
            self._server.say(m, peer, group, outcome)

    def _free(self, i):
        self._held.free(i)
        self._outcomes[i] = None
        self._timers.stop(self._first + i)
