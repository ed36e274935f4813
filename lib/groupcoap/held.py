"""Requests that are answered later: copies of their datagrams in a fixed table, each with whose it is.

A group request waits there for its moment within Leisure, one for an `async` resource for its answer, and one with
Observe for as long as the observation lasts.
"""

from array import array

from .hot import copy, same
from .message import Message


class Held:
    """`places` requests of up to `size` bytes. `peers`: None where a place is free; `groups`: 0 for unicast."""

    def __init__(self, places, size):
        self.bufs = [bytearray(size) for _ in range(places)]
        self.lengths = array("H", bytes(2 * places))
        self.peers = [None] * places
        self.groups = bytearray(places)
        self._securities = [None] * places  # by whom they are
        self._message = Message()

    def keep(self, m, length, peer, group):
        """Copy the first `length` bytes of this request: its place, or -1 when there is none for it."""
        for i in range(len(self.peers)):
            if self.peers[i] is None:
                if length > len(self.bufs[i]):
                    return -1
                self.lengths[i] = copy(self.bufs[i], 0, m.buf, 0, length)
                self.peers[i] = peer
                self.groups[i] = group
                self._securities[i] = getattr(m, "security", None)  # a Writer has none
                return i
        return -1

    def read(self, i):
        """The request in this place, a Message that is good until the next `read`."""
        self._message.parse(self.bufs[i], self.lengths[i])
        self._message.security = self._securities[i]
        return self._message

    def find(self, m, peer, first=0):
        """The place, from `first` on, of a request of this peer with the token of `m`, or -1."""
        token = m.buf[0] & 15
        for i in range(first, len(self.peers)):
            if self.peers[i] == peer and self.bufs[i][0] & 15 == token and same(self.bufs[i], 4, m.buf, 4, token):
                return i
        return -1

    def free(self, i):
        """Give a place back."""
        self.peers[i] = self._securities[i] = None


def keep_answer(endpoint, place):
    """Keep what stands in the endpoint's `out` in this place of its `kept`, as the answer to the request that is there:
    it is about to be sent. With a gate it is kept as it goes, protected."""
    if endpoint.gate is None:
        endpoint.kept.keep(place, endpoint.buf, endpoint.out.end)
    else:
        endpoint.gate.keeping = place
