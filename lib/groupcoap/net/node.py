"""One node: its clock, its sockets, and the tasks that carry datagrams between them and its endpoints.

One task drains each socket (at most `_BURST` datagrams, then it yields), one alarm waits for the next deadline of the
node's timers. Peers' addresses are translated through a fixed table of the last ones heard.
"""

import asyncio
import errno

from ..endpoint import MAX_MESSAGE, Endpoint
from ..timers import Timers, elapsed
from . import platform

_BURST = 8
_VIEWS = 32
_LONGEST = MAX_MESSAGE + 128  # bytes of a datagram that is read; what is longer is dropped


class Link:
    """An endpoint's sockets: its own and one for each group. Counters: `too_long`, `receive_errors`, `send_errors`."""

    def __init__(self, node, address, peers):
        places = 1
        while places < peers:
            places *= 2
        self._node = node
        self.address = address
        self.socket = platform.own_socket(address)
        self.endpoint = None
        self.too_long = self.receive_errors = self.send_errors = 0
        self._raw = [None] * places
        self._packed = [None] * places
        self._mask = places - 1
        self._views = [b""] * _VIEWS

    def transmit(self, buf, length, peer):
        """Send buf[:length] to a packed address from the own socket; what cannot be sent is lost, and counted."""
        i = platform.place_of(peer) & self._mask
        if self._packed[i] is peer or self._packed[i] == peer:
            raw = self._raw[i]
        else:
            raw = platform.sockaddr(peer)
        if buf is self.endpoint.buf:
            view = self._views[length & _VIEWS - 1]
            if len(view) != length:
                view = self._views[length & _VIEWS - 1] = memoryview(buf)[:length]
        else:
            view = memoryview(buf)[:length]
        try:
            self.socket.sendto(view, raw)
        except OSError:
            self.send_errors += 1

    def peer(self, raw):
        """The packed address of a socket address: always the same object while it is in the table."""
        i = platform.place(raw) & self._mask
        if self._raw[i] != raw:
            self._raw[i] = raw
            self._packed[i] = platform.packed(raw)
        return self._packed[i]

    def drain(self, s, group):
        """Take up to `_BURST` datagrams from this socket: True when there may be more."""
        receive = self.endpoint.receive
        recvfrom = s.recvfrom
        now = platform.clock()
        try:
            for _ in range(_BURST):
                data, raw = recvfrom(_LONGEST + 1)
                length = len(data)
                if length > _LONGEST:
                    self.too_long += 1
                else:
                    receive(data, length, self.peer(raw), group, now)
            return True
        except OSError as e:
            if e.errno != errno.EAGAIN:
                self.receive_errors += 1  # an ICMP error of an earlier send, or a socket that is gone
            return False

    async def serve(self, s, group):
        """Receive from this socket for ever."""
        node = self._node
        while True:
            await platform.readable(s)
            while self.drain(s, group):
                node.wake()
                await asyncio.sleep(0)
            node.wake()


class Node:
    """`timers` and the sockets of one node. Make the endpoints, then `start`, then let the loop run."""

    def __init__(self):
        self.timers = Timers()
        self.links = []
        self._sockets = []
        self._tasks = []
        self._alarm = None
        self._next = None  # the deadline that the alarm is set to

    def endpoint(self, address, interface=None, ttl=1, peers=32, **sizes):
        """An endpoint with a socket of its own at this packed address (port 0: any). Raises OSError.

        Group requests leave by `interface` (IP, 4 bytes). peers: places in the address table; sizes as in `Endpoint`.
        """
        link = Link(self, address, peers)
        platform.multicast_from(link.socket, interface, ttl)
        endpoint = Endpoint(link.transmit, self.timers, platform.entropy, **sizes)
        link.endpoint = endpoint
        self.links.append(link)
        self._sockets.append((link, link.socket, 0))
        return endpoint

    def join(self, endpoint, group, membership, interface=None):
        """Join this packed group address; its datagrams reach `endpoint` as membership number `membership`."""
        for link in self.links:
            if link.endpoint is endpoint:
                s = platform.group_socket(group, link.address, interface)
                self._sockets.append((link, s, membership))

    def start(self):
        """Begin to receive, within a running loop."""
        now = platform.clock()
        for link in self.links:
            link.endpoint.start(now)
        self._alarm = platform.Alarm(self._due)
        for link, s, membership in self._sockets:
            self._tasks.append(asyncio.create_task(link.serve(s, membership)))

    def stop(self):
        """Stop the tasks and close the sockets."""
        for task in self._tasks:
            task.cancel()
        if self._alarm is not None:
            self._alarm.stop()
        for _, s, _ in self._sockets:
            s.close()

    def wake(self):
        """Heed the timers: they may have an earlier deadline than a moment ago."""
        at = self.timers.poll_at()
        if at is not None and at != self._next:
            self._next = at
            self._alarm.within(max(0, -elapsed(platform.clock(), at)))

    def _due(self):
        now = platform.clock()
        self.timers.poll(now)
        self._next = at = self.timers.poll_at()
        return None if at is None else max(0, -elapsed(now, at))
