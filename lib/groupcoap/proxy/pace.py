"""PROBING_RATE of what is sent to groups (RFC 7252 §4.7, draft-ietf-core-groupcomm-bis §3.6), where it is set."""

from ..errors import ServiceUnavailable
from ..timers import after, elapsed


class Pace:
    """`rate`: bytes/s to each of `groups`, packed addresses: all that may be sent to."""

    def __init__(self, rate, timers, groups):
        self._rate = rate
        self._timers = timers
        self._groups = groups
        self._first = timers.reserve(len(groups), self._over)  # each runs until its group may be sent to again

    def check(self, group, now):
        """May this group be sent something? Else raises ServiceUnavailable."""
        timer = self._first + self._groups.index(group)
        left = -elapsed(now, self._timers.when(timer)) if self._timers.running(timer) else 0
        if left > 0:
            raise ServiceUnavailable("sending to this group is limited", 1 + left // 1000, "probing_rate")

    def spend(self, group, length, now):
        """So many bytes go to this group."""
        self._timers.set(self._first + self._groups.index(group), after(now, length * 1000 // self._rate))

    def _over(self, i, now):
        """The group may be sent to again: its timer says so by having stopped."""
