"""One node: its clock, its sockets, and the tasks that carry datagrams between them and its endpoints.

One task drains each socket (at most `_BURST` datagrams, then it yields), one alarm waits for the next deadline of the
node's timers. Peers' addresses are translated through a fixed table of the last ones heard.
"""

import asyncio
import errno
import gc

from micropython import const

from ..endpoint import MAX_DATAGRAM, Endpoint
from ..timers import Timers, elapsed
from . import platform

_BURST = const(16)
_VIEWS = const(128)
_SMALL = const(128)  # bytes of a datagram that is taken even into a heap in pieces


class Link:
    """An endpoint's sockets: its own and one for each group. Counts `no_memory` and the errors."""

    def __init__(self, node, address, interface, ttl, peers):
        self._node = node
        self.address = address
        self.endpoint = None
        self.receive_errors = self.send_errors = self.no_memory = 0
        self._places = peers
        self._peers = {}  # socket address: packed address
        self._raws = {}  # and back
        self._interface = interface
        self._ttl = ttl
        self.open()

    def open(self):
        """Open the own socket, for the first time or again. Raises OSError."""
        self.socket = s = platform.own_socket(self.address)
        platform.multicast_from(s, self._interface, self._ttl)
        self._sendto = s.sendto
        return s

    def attach(self, endpoint):
        """Carry datagrams to and from this endpoint."""
        self.endpoint = endpoint
        endpoint.transmit = self._make_transmit(endpoint.buf)

    def _make_transmit(self, own):
        # `transmit`, with what it needs at hand: every datagram goes through it, and looking that up in the object
        # each time is a good part of its time. own: the buffer that nearly all of them are in.
        views = [None] * (_VIEWS + 1)  # of that buffer, by length: made once, as each takes heap
        raw_of = self._raws.get
        last = raw = None

        def transmit(buf, length, peer):
            """Send buf[:length] to a packed address from the own socket; what cannot be sent is lost, and counted."""
            nonlocal last, raw
            if peer is not last:
                raw = raw_of(peer) or platform.sockaddr(peer)
                last = peer
            if buf is not own or length > _VIEWS:
                view = memoryview(buf)[:length]
            else:
                view = views[length]
                if view is None:
                    views[length] = view = memoryview(buf)[:length]
            try:
                self._sendto(view, raw)
            except OSError:
                self.send_errors += 1

        return transmit

    def _heard(self, raw):
        # A socket address that is not among the last ones heard: enter it, and give its packed form.
        if len(self._peers) >= self._places:  # all at once: a dict that entries leave one by one gets slow
            self._peers.clear()
            self._raws.clear()
        peer = platform.packed(raw)
        self._peers[raw] = peer
        self._raws[peer] = raw
        return peer

    def _receive_small(self, s, group, now):
        # The heap has no piece as long as a datagram may be. Most are short, so take this one into a short piece; one
        # that is longer is lost, since it would come again and again.
        self.no_memory += 1
        gc.collect()
        try:
            data, raw = s.recvfrom(_SMALL + 1)
            if len(data) <= _SMALL:
                self.endpoint.receive(data, len(data), self._peers.get(raw) or self._heard(raw), group, now)
        except OSError:
            pass
        except Exception as e:
            self._node.fault(e)

    async def serve(self, entry):
        """Receive from one of the node's sockets for ever, and open it anew where the platform has closed it."""
        _, s, group, again = entry
        clock = platform.clock
        wake = self._node.wake
        waits = platform.pending(s)
        recvfrom = s.recvfrom
        receive = self.endpoint.receive
        peer_of = self._peers.get
        size = MAX_DATAGRAM + 1  # so that one that is too long shows
        length_of = len  # a builtin is found later than a local
        left = _BURST
        while True:
            while s is None:
                try:
                    entry[1] = s = again()
                    waits = platform.pending(s)
                    recvfrom = s.recvfrom
                except OSError:
                    await asyncio.sleep(1)
            if left:
                await platform.readable(s)
            else:
                await asyncio.sleep(0)
            now = clock()
            alone = left  # mostly one datagram wakes us, and to find that out by an EAGAIN takes time and heap
            left = _BURST
            try:
                while left:
                    data = None
                    data, raw = recvfrom(size)
                    length = length_of(data)
                    peer = peer_of(raw) or self._heard(raw)
                    if length or not platform.EMPTY_CLOSES:
                        receive(data, length, peer, group, now)
                    else:
                        s.close()
                        s = None
                        break
                    if alone:
                        if not waits():
                            break
                        alone = 0
                    left -= 1
            except OSError as e:
                if e.errno != errno.EAGAIN:  # an earlier send, told by ICMP
                    self.receive_errors += 1
            except MemoryError as e:
                if data is None:
                    self._receive_small(s, group, now)
                else:
                    self._node.fault(e)
            except Exception as e:  # a fault of ours costs this datagram, not the node
                self._node.fault(e)
            wake(now)


class Node:
    """`timers` and the sockets of one node. Make the endpoints, then `start`, then let the loop run."""

    def __init__(self):
        self.timers = Timers()
        self.links = []
        self.faults = 0
        self._sockets = []  # [link, socket, membership or 0, function that opens it again]
        self._tasks = []
        self._alarm = None
        self._next = None  # the deadline that the alarm is set to

    def endpoint(self, address, interface=None, ttl=1, peers=32, **sizes):
        """An endpoint with a socket of its own at this packed address (port 0: any). Raises OSError.

        Group requests leave by `interface` (IP, 4 bytes). peers: places in the address table; sizes as in `Endpoint`.
        """
        link = Link(self, address, interface, ttl, peers)
        endpoint = Endpoint(None, self.timers, platform.entropy, **sizes)
        link.attach(endpoint)
        self.links.append(link)
        self._sockets.append([link, link.socket, 0, link.open])
        return endpoint

    def join(self, endpoint, group, membership, interface=None):
        """Join this packed group address; its datagrams reach `endpoint` as membership number `membership`."""
        link = [link for link in self.links if link.endpoint is endpoint][0]

        def open_group():
            return platform.group_socket(group, link.address, interface)

        s = open_group()
        for entry in self._sockets:
            if entry[1] is s:  # a platform may have one socket for several groups
                return
        self._sockets.append([link, s, membership, open_group])

    def start(self):
        """Begin to receive, within a running loop."""
        now = platform.clock()
        for link in self.links:
            link.endpoint.start(now)
        self._alarm = platform.Alarm(self._due)
        for entry in self._sockets:
            self._tasks.append(asyncio.create_task(entry[0].serve(entry)))

    def stop(self):
        """Stop the tasks and close the sockets."""
        for task in self._tasks:
            task.cancel()
        if self._alarm is not None:
            self._alarm.stop()
        for entry in self._sockets:
            entry[1].close()

    def fault(self, error):
        """Report an exception that should not have been: the node goes on."""
        self.faults += 1
        platform.report(error)

    def wake(self, now):
        """Heed the timers: they may have an earlier deadline than a moment ago."""
        at = self.timers.poll_at()
        if at is not None and at != self._next:
            self._next = at
            self._alarm.within(max(0, -elapsed(now, at)))

    def _due(self):
        now = platform.clock()
        try:
            self.timers.poll(now)
        except Exception as e:
            self.fault(e)
        self._next = at = self.timers.poll_at()
        return None if at is None else max(0, -elapsed(now, at))
