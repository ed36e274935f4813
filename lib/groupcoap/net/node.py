"""One node: its clock, its sockets, and the tasks that carry datagrams between them and its endpoints.

One task drains each socket (at most `_BURST` datagrams, then it yields), one alarm waits for the next deadline of the
node's timers. Peers' addresses are translated through a fixed table of the last ones heard.
"""

import asyncio
import errno
import gc
from socket import MSG_PEEK

from micropython import const

from .. import addresses
from ..endpoint import MAX_DATAGRAM, Endpoint
from ..timers import Timers, elapsed
from . import platform

_BURST = const(32)
_VIEWS = const(32)  # of what is sent are kept, the last one of each length modulo that
_PLENTY = const(49152)  # bytes of a heap that leave some for what may never be needed
_SMALL = const(129)  # bytes: more than a datagram may have that is taken without a piece for the longest


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

    def open(self, port):
        """Open the own socket, for the first time or again. Raises OSError."""
        s = platform.own_socket(self.address, self._interface, self._ttl)
        self._send_by(s.sendto)
        return s

    def _send_by(self, sendto):
        # This function of the own socket; while datagrams are watched, one that shows them.
        self._plain_sendto = sendto
        seen = self._node.seen

        def shown(view, raw):
            seen(True, view, len(view), platform.packed(raw))
            sendto(view, raw)

        self._sendto = shown if seen else sendto

    def _receiver(self, s):
        # The recvfrom of a socket; while datagrams are watched, one that shows them.
        seen = self._node.seen

        def shown(size):
            data, raw = s.recvfrom(size)
            seen(False, data, len(data), platform.packed(raw))
            return data, raw

        return shown if seen else s.recvfrom

    def lost(self):
        """Datagrams that its sockets had no room for, where the platform tells; one opened anew counts from 0."""
        ports = [port for port in self._node._ports if port.link is self and port.socket is not None]
        return sum([platform.lost(port.socket) for port in ports])

    def attach(self, endpoint):
        """Carry datagrams to and from this endpoint."""
        self.endpoint = endpoint
        endpoint.transmit = self._make_transmit(endpoint.buf)

    def _make_transmit(self, own):
        # `transmit`, with what it needs at hand: every datagram goes through it, and looking that up in the object
        # each time is a good part of its time. As defaults, since a closure of more than a few takes heap when it is
        # called. own: the buffer that nearly all of them are in.
        zone = platform.zone(self._interface)
        views = [own[:0]] * _VIEWS  # of that buffer, by length: each takes heap, so it is made once
        last = [None, None]  # a peer, and its socket address

        def transmit(
            buf,
            length,
            peer,
            link=self,
            own=own,
            views=views,
            raw_of=self._raws.get,
            last=last,
            length_of=len,
        ):
            """Send buf[:length] to a packed address from the own socket; what cannot be sent is lost, and counted."""
            if peer is not last[0]:
                last[1] = raw_of(peer) or platform.sockaddr(peer, zone)
                last[0] = peer
            if buf is own:
                view = views[length % _VIEWS]
                if length_of(view) != length:
                    views[length % _VIEWS] = view = memoryview(buf)[:length]
            else:
                view = memoryview(buf)[:length]
            try:
                link._sendto(view, last[1])
            except OSError:
                link.send_errors += 1

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

    async def serve(self, port, group):
        """Receive from this port for ever, as membership number `group`; open its socket where it is closed."""
        s = port.socket
        clock = platform.clock
        wake = self._node.wake
        waits = platform.pending(s) if s else None
        recvfrom = self._receiver(s) if s else None
        sparing = port.sparing
        receive = self.endpoint.receive
        peer_of = self._peers.get
        size = MAX_DATAGRAM + 1  # so that one that is too long shows
        length_of = len  # a builtin is found later than a local
        left = _BURST
        while True:
            while s is None:
                try:
                    port.socket = s = port.open(port)
                    waits = platform.pending(s)
                    recvfrom = self._receiver(s)
                except (OSError, ValueError):
                    await asyncio.sleep(1)
            if left > 0:
                await platform.readable(s)
            else:  # without a place to wait in, look again in a second: a sleep takes no heap
                await asyncio.sleep(-left)
            now = clock()
            alone = left > 0  # mostly one datagram wakes us, and to find that out by an EAGAIN takes time and heap
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
                        port.close()
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
                if data is not None:
                    self._node.fault(e)
                else:
                    self.no_memory += 1
                    self.endpoint.message.buf = b""  # the datagram before: its place may be what is missing
                    gc.collect()
                    if recvfrom is sparing:  # not even a short piece
                        left = -1
                    recvfrom = sparing  # until the socket is opened anew
            except Exception as e:  # a fault of ours costs this datagram, not the node
                self._node.fault(e)
            wake(now)


class Port:
    """One socket, the task that serves it, and for whom it is: its `members`.

    A member is a pair: a packed group address and the number of that membership, or None and 0 for an own socket. RP2
    has one socket for all groups, whose datagrams then count as the first member's.
    """

    def __init__(self, link, open, member):
        self.link = link
        self.open = open
        self.members = [member]
        self.socket = open(self)
        self.task = None
        self.reopen = False
        self.changing = False

    def close(self):
        """Close the socket, if it is open."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def sparing(self, size):
        """As the socket's recvfrom, slower, where the heap has no piece as long as a datagram: into the node's room.

        Where there is none to be had either, into a short piece, as most are short. Raises OSError for a longer one
        then: it is lost, or it would come again and again.
        """
        s = self.socket
        node = self.link._node
        room = node.room or node.keep_room()
        if room is None:
            found = s.recvfrom(_SMALL)
            if len(found[0]) == _SMALL:
                raise OSError(errno.ENOMEM)
            return found
        _, raw = s.recvfrom(1, MSG_PEEK)  # what reads into a buffer does not tell it
        into = getattr(s, "readinto", None) or s.recv_into  # CPython's
        return room[: into(room) or 0], raw

    def serve(self):
        """Start the task, within a running loop."""
        self.task = asyncio.create_task(self.link.serve(self, self.members[0][1]))


class Node:
    """`timers` and the sockets of one node. Make the endpoints, then `start`, then let the loop run."""

    def __init__(self):
        self.timers = Timers()
        self.links = []
        self.faults = 0
        self.started = None  # started(now) is called when the node begins,
        self.stopping = None  # and stopping(now) when it is about to end: what it does has one moment
        self.moved = []  # functions (old, new, now) that are told another own address, packed, than until now
        self.status = None  # status() of a proxy gives its counters and tables as a dict
        self.report = platform.report  # report(error) prints an exception that should not have been
        self.seen = None  # seen(sent, data, length, peer) is shown every datagram, once `watch` has been called
        self._ports = []
        self._alarm = None
        self._next = None  # the deadline that the alarm is set to
        self.room = None  # what `keep_room` has set apart

    def endpoint(self, address, interface=None, ttl=1, peers=32, **sizes):
        """An endpoint with a socket of its own at this packed address, IPv4 or IPv6 (port 0: any).

        Group requests leave by `interface`: for IPv4 its IP, 4 bytes, for IPv6 its name or number. peers: places in the
        address table; sizes as in `Endpoint`. Raises OSError, and ValueError where there is no such interface.
        """
        link = Link(self, address, interface, ttl, peers)
        port = Port(link, link.open, (None, 0))
        endpoint = Endpoint(None, self.timers, platform.entropy, address_bytes=len(address), **sizes)
        link.attach(endpoint)
        self.links.append(link)
        self._ports.append(port)
        return endpoint

    def join(self, endpoint, group, membership, interface=None):
        """Join this packed group address; its datagrams reach `endpoint` as membership number `membership`.

        It may be done at any time. Raises OSError, and ValueError for a group that it is a member of, and where there
        is no such interface.
        """
        link = [link for link in self.links if link.endpoint is endpoint][0]
        if self._port_of(link, group):
            raise ValueError("group %s: joined already" % addresses.address_text(group))

        def open_group(port):
            joined, s = [], None
            try:
                for group, _ in port.members:
                    s = platform.group_socket(group, link.address, interface)
                    joined.append(group)
            except (OSError, ValueError) as e:
                for group in joined:  # or the next try would count as a second membership, and send nothing
                    self._leave(s, group, link)
                if s is not None:
                    s.close()
                raise e
            return s

        new = Port(link, open_group, (group, membership))
        for port in self._ports:
            if port.socket is new.socket:
                port.members.append((group, membership))
                return
        self._ports.append(new)
        if self._alarm is not None:
            new.serve()

    def leave(self, endpoint, group):
        """Be a member of this packed group address no more; what has come until now may still be heard.

        Raises ValueError for a group that it is no member of.
        """
        for link in self.links:
            port = self._port_of(link, group) if link.endpoint is endpoint else None
            if port:
                self._drop(port, group)
                port.members = [member for member in port.members if member[0] != group]
                self._change(port)
                return
        raise ValueError("group %s: not joined" % addresses.address_text(group))

    def lost(self):
        """Datagrams that the sockets of all endpoints had no room for, where the platform tells."""
        return sum([link.lost() for link in self.links])

    def rejoin(self):
        """Join all groups anew, so that the network hears of it: after a time without one. Opens until it succeeds."""
        for port in self._ports:
            groups = [group for group, _ in port.members if group]
            for group in groups:
                self._drop(port, group)
            if groups:
                port.reopen = True
                self._change(port)

    def refresh(self):
        """Tell the network of all memberships anew, where that can be done without closing a socket."""
        for port in self._ports:
            for group, _ in port.members:
                try:
                    if group and port.socket is not None:
                        platform.refresh(port.socket, group, port.link.address)
                except OSError:  # the interface is not there: `rejoin` follows when it is
                    break

    def move(self, old, new):
        """Give what has the own IP address `old` the address `new` instead, 4 or 16 bytes, and join all groups from it.

        Its sockets are opened anew, again and again until they can be.
        """
        for link in self.links:
            if link.address[:-2] == old:
                before, link.address = link.address, new + link.address[-2:]
                for port in self._ports:
                    if port.link is link:
                        for group, _ in port.members:
                            if group:
                                self._drop(port, group)
                        port.reopen = True
                        self._change(port)
                for moved in self.moved:
                    moved(before, link.address, platform.clock())

    def groups(self):
        """The packed addresses of the groups that it is a member of."""
        return [group for port in self._ports for group, _ in port.members if group]

    def watch(self, seen):
        """Show every datagram to seen(sent, data, length, peer), packed, until it is None: was it sent there?"""
        self.seen = seen
        for link in self.links:
            link._send_by(link._plain_sendto)
        for port in self._ports:
            self._change(port)

    def _port_of(self, link, group):
        for port in self._ports:
            for member in port.members:
                if port.link is link and member[0] == group:
                    return port

    def _drop(self, port, group):
        if port.socket is not None:
            self._leave(port.socket, group, port.link)

    def _leave(self, s, group, link):
        try:
            platform.leave(s, group, link.address)
        except OSError:
            pass  # the network interface has forgotten it already

    def _change(self, port):
        # Let what has been done to this port take effect, once: in a task of its own, as no task can cancel itself.
        if port.task is None:  # not started yet
            if not port.members:
                port.close()
                self._ports.remove(port)
        elif not port.changing:
            port.changing = True
            asyncio.create_task(self._changed(port))

    async def _changed(self, port):
        port.task.cancel()
        await asyncio.sleep(0)  # until it has let go of the socket
        port.changing = False
        if port not in self._ports:
            return  # stopped meanwhile
        if port.reopen or not port.members:
            port.close()
            port.reopen = False
        if port.members:
            port.serve()
        else:
            self._ports.remove(port)

    def start(self):
        """Begin to receive, within a running loop."""
        if hasattr(gc, "mem_free") and gc.mem_free() > _PLENTY:
            self.keep_room()
        now = platform.clock()
        for link in self.links:
            link.endpoint.start(now)
        self._alarm = platform.Alarm(self._due)
        for port in self._ports:
            port.serve()
        if self.started is not None:
            self.started(now)

    def leaving(self):
        """Say goodbye where somebody is to know: what that sends leaves at once, its answer is not waited for."""
        if self.stopping is not None:
            now = platform.clock()
            self.stopping(now)
            self.timers.poll(now)

    def alive(self):
        """Do all its tasks still run?"""
        tasks = [port.task for port in self._ports if not port.changing]
        return (
            self._alarm is not None and self._alarm.alive() and not any(task is None or task.done() for task in tasks)
        )

    def stop(self):
        """Stop the tasks and close the sockets."""
        if self._alarm is not None:
            self._alarm.stop()
        for port in self._ports:
            if port.task is not None:
                port.task.cancel()
            port.close()
        self._ports.clear()

    def fault(self, error):
        """Report an exception that should not have been: the node goes on."""
        self.faults += 1
        try:
            self.report(error)
        except Exception:  # no heap to tell it with: who calls this goes on all the same
            gc.collect()

    def keep_room(self):
        """Set a piece of the heap apart for datagrams that come while the rest is in pieces; None if there is none."""
        try:
            self.room = memoryview(bytearray(MAX_DATAGRAM + 1))
        except MemoryError:
            pass
        return self.room

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
