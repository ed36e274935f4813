"""A group request whose further blocks are asked for by group requests too (draft-ietf-core-groupcomm-bis §3.8).

That is possible where all origins chose the same block size. The first request collects first blocks for its whole
time; then each round asks the group for the next block, and ends as soon as all origins have sent it. Who has chosen
another size, or misses a round, is asked for the rest by unicast.
"""

from . import block
from . import numbers as n
from .group_request import GroupRequest
from .transfer import Download

_ORIGINS = 8  # whose blocks are put together at a time; those of more are fetched by unicast

# An origin: [packed address, Download, the round that it has answered last]
_DOWN = 1
_ROUND = 2


class GroupBlocks(GroupRequest):
    """A GroupRequest that asks for blocks by group requests, each of which takes as long as the first at most."""

    round = 0

    def __init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied, timeout, copies):
        GroupRequest.__init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied, timeout, copies)
        self._rows = []
        self._copies = copies - 1

    def fetch(self, m, peer, origin, now):
        """Was this a block, or else the end of an origin's blocks? Then it is dealt with."""
        row = None
        for found in self._rows:
            if found[0] == origin:
                row = found
        value = block.read(m, n.BLOCK2) if m.code >> 5 == 2 else -1
        if row is None and self.round:
            if value >= 0:
                self.refetch(origin, now)  # it has missed the first round
            return value >= 0
        if row is None:
            if value < 8 or not value & 8 or value >> 4 or len(self._rows) == _ORIGINS:
                return GroupRequest.fetch(self, m, peer, origin, now)
            row = [origin, Download(self.made(m, peer, now, b""), None, self.limit, min(self.szx, value & 7)), -1]
            self._rows.append(row)
        elif row[_ROUND] == self.round:
            return True  # a second answer in this round
        row[_ROUND] = self.round
        down = row[_DOWN]
        if m.code >> 5 != 2:
            self._rows.remove(row)
            self.deliver(self.made(m, peer, now))
        elif down.take(m, value) is not None:
            self._rows.remove(row)
            self.lost += 1
        elif not value & 8:
            self._rows.remove(row)
            down.response.payload = down.payload()
            down.response.rtt = now - self.sent & 0x3FFFFFFF
            self.deliver(down.response)
        if self.slot >= 0 and self.round and not [row for row in self._rows if row[_ROUND] != self.round]:
            self._next(now)
        return True

    def refetch(self, origin, now):
        """From now on this origin is asked by unicast."""
        self._rows = [row for row in self._rows if row[0] != origin]
        GroupRequest.refetch(self, origin, now)

    def expired(self, now):
        """The time of a round is over."""
        self._next(now)

    def _next(self, now):
        # Ask the group for the next block of those who are at the same place; the others are asked one by one.
        together = []
        for row in self._rows:
            first = together[0][_DOWN] if together else row[_DOWN]
            same = row[_DOWN].size == first.size and row[_DOWN].szx == first.szx
            if same and row[_ROUND] == self.round:
                together.append(row)
            else:
                self.fetch_rest(row[0], row[_DOWN], now)
        if not self.round and len(together) < len(self._rows):  # not all chose the same size
            for row in together:
                self.fetch_rest(row[0], row[_DOWN], now)
            together = []
        self._rows = together
        if together:
            self.round += 1
            self.down = together[0][_DOWN]
            self.copies = self._copies
            self.proceed(now)
        else:
            GroupRequest.expired(self, now)
