"""PROBING_RATE of what is sent to groups (RFC 7252 §4.7, draft-ietf-core-groupcomm-bis §3.6), where it is set."""

from array import array

from micropython import const

from ..errors import ServiceUnavailable
from ..timers import after, elapsed

_GROUPS = const(8)  # whose rate is remembered


class Pace:
    """`rate`: bytes/s to each group."""

    def __init__(self, rate, timers):
        self._rate = rate
        self._timers = timers
        self._groups = [None] * _GROUPS  # and when each may be sent to again
        self._until = array("i", bytes(4 * _GROUPS))
        self._first = timers.reserve(_GROUPS, self._over)

    def check(self, group, now):
        """May this group be sent something? Else raises ServiceUnavailable."""
        if group in self._groups:
            left = -elapsed(now, self._until[self._groups.index(group)])
            if left > 0:
                raise ServiceUnavailable("sending to this group is limited", 1 + left // 1000)

    def spend(self, group, length, now):
        """So many bytes go to this group."""
        i = self._groups.index(group) if group in self._groups else self._oldest(now)
        self._groups[i] = group
        self._until[i] = until = after(now, length * 1000 // self._rate)
        self._timers.set(self._first + i, until)

    def _oldest(self, now):
        best = 0
        for i in range(_GROUPS):
            if self._groups[i] is None:
                return i
            if elapsed(now, self._until[i]) > elapsed(now, self._until[best]):
                best = i
        return best

    def _over(self, i, now):
        self._groups[i] = None
