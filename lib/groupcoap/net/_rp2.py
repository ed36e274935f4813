"""Sockets on RP2, written from the port's sources: few, so all groups share one bound to 0.0.0.0 beside the own one.

lwIP gives a datagram to the more specific of them. It keeps 4 datagrams a socket, so a callback takes them out at once;
a MicroPython that is older than that callback for UDP is asked every 20 ms. Memberships are the network interface's.
"""

import asyncio
import errno
import socket
import time
from asyncio import core

from micropython import schedule

from ._lwip import (  # noqa: F401
    IP,
    ON_BOARD,
    Alarm,
    bound,
    clock,
    entropy,
    join,
    own_ip,
    packed,
    report,
    resolve,
    sockaddr,
    zone,
)
from ._micropython import pending as _pending
from ._micropython import readable as _readable

EMPTY_CLOSES = False

_SO_CALLBACK = 20
_RING = 32  # datagrams
_SCHEDULED = 8  # places of the scheduler's queue

_shared = {}  # port: the one group socket


class Ring:
    """A socket whose datagrams are taken out as soon as they come, into `_RING` places; `lost` counts the others.

    Nothing but the callback fills it, as that comes between any two steps of what runs. What it leaves in the socket is
    received from there, as is all where there is no callback. Nobody tries that without need: the stack takes the heap
    for a whole datagram even where there is none.
    """

    called = False  # does this MicroPython call back?

    def __init__(self, s):
        self._socket = s
        self._left = _pending(s)  # is anything in the socket?
        self._data = [None] * _RING
        self._from = [None] * _RING
        self._head = self._count = 0
        self._first = False  # is this the first step of an await?
        self.lost = 0
        self.joined = False  # to any group
        self._flag = asyncio.ThreadSafeFlag()
        self.sendto = s.sendto
        self.setsockopt = s.setsockopt
        s.setsockopt(socket.SOL_SOCKET, _SO_CALLBACK, self._arrived)

    def close(self):
        """Give the socket back."""
        for port in list(_shared):
            if _shared[port] is self:
                del _shared[port]
        self._socket.close()  # a callback that waits finds it so
        try:
            for _ in range(_SCHEDULED):  # each place keeps the last callback that it had, and so a closed ring
                schedule(len, "")
        except RuntimeError:
            pass  # others wait, and take the places

    def _arrived(self, s):
        Ring.called = True
        try:
            while self._left():
                data, peer = self._socket.recvfrom(1281)
                if self._count < _RING:
                    i = (self._head + self._count) % _RING
                    self._data[i] = data
                    self._from[i] = peer
                    self._count += 1
                else:
                    self.lost += 1
        except (OSError, MemoryError):  # without heap it stays in the socket
            pass
        self._flag.set()

    def recvfrom(self, size, flags=0):
        """The oldest datagram and its sender; with the flag MSG_PEEK it stays. Raises OSError(EAGAIN) without one."""
        if not self._count:
            if not self._left():
                raise OSError(errno.EAGAIN)
            return self._socket.recvfrom(size, flags)
        i = self._head
        data = self._data[i]
        peer = self._from[i]
        if flags:
            return data, peer
        self._data[i] = None
        self._head = (i + 1) % _RING
        self._count -= 1  # its place is free from here on
        return data, peer

    def readinto(self, buf):
        """Take the oldest datagram into `buf`: its length, or None. What the callback does before it is no matter."""
        if not self._count:
            return self._socket.readinto(buf)
        data, _ = self.recvfrom(0)
        buf[: len(data)] = data
        return len(data)

    def pending(self):
        """Is there a datagram?"""
        return self._count > 0 or self._left()

    def waited(self):
        """Await a datagram; other tasks run in any case."""
        self._first = True
        return self

    def __iter__(self):
        return self

    def __next__(self):
        # As an iterator it takes no heap.
        first = self._first
        self._first = False
        self._flag.clear()
        if self.pending():
            if not first:
                raise StopIteration
            core._task_queue.push(core.cur_task, time.ticks_ms())
        elif Ring.called:
            next(_readable(self._flag))
        else:  # a MicroPython from before there was that callback for UDP, or nothing has come yet
            core._task_queue.push(core.cur_task, time.ticks_add(time.ticks_ms(), 20))


def pending(s):
    """A function that tells whether a datagram waits at this socket."""
    return s.pending


def readable(s):
    """Await a datagram on this socket."""
    return s.waited()


def own_socket(address, interface=None, ttl=1):
    """A socket bound to the node's own packed address. Raises OSError."""
    return Ring(bound(sockaddr(address)))


def group_socket(group, own, interface):
    """The socket for datagrams to groups of this port, joined to this one with the own address. Raises OSError."""
    pair = sockaddr(group)
    s = _shared.get(pair[1])
    if s is None:
        s = _shared[pair[1]] = Ring(bound(("0.0.0.0", pair[1])))
    try:
        join(s, group, own)
    except OSError:
        if not s.joined:
            s.close()
        raise
    s.joined = True
    return s


def leave(s, group, own):
    """End a membership, which would outlive its socket. Raises OSError where the interface has forgotten it."""
    s.setsockopt(IP, socket.IP_DROP_MEMBERSHIP, group[:4] + own[:4])


def refresh(s, group, own):
    """Leave a group and join it again, so that the network hears of it: True. Raises OSError where it cannot be joined.

    Joining alone what is joined already sends nothing.
    """
    try:
        leave(s, group, own)
    except OSError:
        pass  # the interface has forgotten it
    join(s, group, own)
    return True


def lost(s):
    """Datagrams that came for this socket when its `Ring` was full."""
    return s.lost
