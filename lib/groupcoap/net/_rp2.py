"""Sockets on RP2, written from the port's sources: few, so all groups share one bound to 0.0.0.0 beside the own one.

lwIP gives a datagram to the more specific of them. It keeps 4 datagrams a socket, so a callback takes them out at once;
a MicroPython that is older than that callback for UDP is asked every 20 ms. Memberships are the network interface's.
"""

import asyncio
import errno
import socket

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

EMPTY_CLOSES = False

_SO_CALLBACK = 20
_RING = 32  # datagrams

_shared = {}  # port: the one group socket


class Ring:
    """A socket whose datagrams are taken out as soon as they come, into `_RING` places; `lost` counts the others.

    The callback comes between any two steps of what runs: while the ring is changed it only notes that it has come.
    """

    def __init__(self, s):
        self._socket = s
        self._data = [None] * _RING
        self._from = [None] * _RING
        self._head = self._count = 0
        self._busy = self._missed = False
        self._called = False  # does this MicroPython call back?
        self.lost = 0
        self.joined = False  # to any group
        self.flag = asyncio.ThreadSafeFlag()
        self.sendto = s.sendto
        self.setsockopt = s.setsockopt
        s.setsockopt(socket.SOL_SOCKET, _SO_CALLBACK, self._arrived)

    def close(self):
        """Give the socket back."""
        for port in list(_shared):
            if _shared[port] is self:
                del _shared[port]
        self._socket.close()

    def _arrived(self, s):
        self._called = True
        self._take()
        self.flag.set()

    def _take(self):
        if self._busy:
            self._missed = True
            return
        self._busy = True
        try:
            while True:
                self._missed = False
                data, peer = self._socket.recvfrom(1281)
                if self._count < _RING:
                    i = (self._head + self._count) % _RING
                    self._data[i] = data
                    self._from[i] = peer
                    self._count += 1
                else:
                    self.lost += 1
        except OSError:
            pass  # nothing left
        except MemoryError:
            self.lost += 1
        self._busy = False

    def recvfrom(self, size):
        """The oldest datagram and its sender. Raises OSError(EAGAIN) when there is none."""
        if self._missed or not self._count:
            self._take()
        if not self._count:
            raise OSError(errno.EAGAIN)
        self._busy = True
        i = self._head
        data = self._data[i]
        peer = self._from[i]
        self._data[i] = None
        self._head = (i + 1) % _RING
        self._count -= 1
        self._busy = False
        return data, peer

    async def waited(self):
        """Await a datagram."""
        while not self._count:
            if self._missed:
                self._take()
            elif self._called:
                await self.flag.wait()
            else:  # a MicroPython from before there was that callback for UDP, or nothing has come yet
                await asyncio.sleep_ms(20)
                self._take()

    def pending(self):
        """Is there a datagram?"""
        return self._count > 0 or self._missed


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
