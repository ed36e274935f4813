"""Sockets on ESP32 and RP2 boards: addresses are pairs (text, port), interface and TTL are the network stack's affair.

Written from the ports' sources. RP2 has few UDP sockets, so all groups share one bound to 0.0.0.0, beside the own one
(lwIP gives a datagram to the more specific), and keeps 4 datagrams a socket, so a callback takes them out at once; a
MicroPython that is older than that callback for UDP is asked every 20 ms.
"""

import asyncio
import errno
import socket
import sys

from ._micropython import Alarm, clock, entropy, report, resolve  # noqa: F401
from ._micropython import pending as _socket_pending
from ._micropython import readable as _await_socket

ON_BOARD = True
EMPTY_CLOSES = sys.platform == "esp32"

_RP2 = sys.platform == "rp2"
_SO_CALLBACK = 20
_IP = 0
_RING = 32  # datagrams

_shared = {}  # port: the one group socket of an RP2


def own_ip():
    """The IP that DHCP has given the station interface, 4 bytes."""
    import network

    return packed((network.WLAN(network.STA_IF).ifconfig()[0], 0))[:4]


def packed(pair):
    """A pair (text, port) as a packed address."""
    ip = bytes([int(part) for part in pair[0].split(".")])
    return ip + bytes((pair[1] >> 8, pair[1] & 255))


def zone(interface):
    """0: no board has link-local addresses."""
    return 0


def sockaddr(peer, scope=0):
    """A packed address as a pair (text, port)."""
    return "%d.%d.%d.%d" % (peer[0], peer[1], peer[2], peer[3]), peer[4] << 8 | peer[5]


class Ring:
    """A socket whose datagrams are taken out as soon as they come, into `_RING` places; `lost` counts the others."""

    def __init__(self, s):
        self._socket = s
        self._data = [None] * _RING
        self._from = [None] * _RING
        self._head = self._count = 0
        self.lost = 0
        self.flag = asyncio.ThreadSafeFlag()
        self.sendto = s.sendto
        self.setsockopt = s.setsockopt
        s.setsockopt(socket.SOL_SOCKET, _SO_CALLBACK, self._take)

    def close(self):
        """Give the socket back."""
        for port in list(_shared):
            if _shared[port] is self:
                del _shared[port]
        self._socket.close()

    def _take(self, s):
        try:
            while True:
                data, peer = s.recvfrom(1281)
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
        self.flag.set()

    def recvfrom(self, size):
        """The oldest datagram and its sender. Raises OSError(EAGAIN) when there is none."""
        if not self._count:
            self._take(self._socket)
        if not self._count:
            raise OSError(errno.EAGAIN)
        i = self._head
        data = self._data[i]
        self._data[i] = None
        self._head = (i + 1) % _RING
        self._count -= 1
        return data, self._from[i]

    async def waited(self):
        """Await a datagram."""
        while not self._count:
            try:
                await asyncio.wait_for_ms(self.flag.wait(), 20)
            except asyncio.TimeoutError:
                self._take(self._socket)

    def pending(self):
        """Is there a datagram?"""
        return self._count > 0


def pending(s):
    """A function that tells whether a datagram waits at this socket."""
    return s.pending if _RP2 else _socket_pending(s)


def readable(s):
    """Await a datagram (or an error) on this socket."""
    return s.waited() if _RP2 else _await_socket(s)


def _bound(pair):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(pair)
    s.setblocking(False)
    return Ring(s) if _RP2 else s


def own_socket(address, interface=None, ttl=1):
    """A socket bound to the node's own packed address. Raises OSError.

    Boards have neither IP_MULTICAST_IF nor a TTL option.
    """
    return _bound(sockaddr(address))


def group_socket(group, own, interface):
    """A socket for datagrams to this packed group address, joined with the own address. Raises OSError."""
    pair = sockaddr(group)
    if _RP2:
        s = _shared.get(pair[1])
        if s is None:
            s = _shared[pair[1]] = _bound(("0.0.0.0", pair[1]))
    else:
        s = _bound(pair)
    s.setsockopt(_IP, socket.IP_ADD_MEMBERSHIP, group[:4] + own[:4])
    return s


def leave(s, group, own):
    """End a membership: on RP2 it is the network interface's, on ESP32 it ends with its socket."""
    if _RP2:
        s.setsockopt(_IP, socket.IP_DROP_MEMBERSHIP, group[:4] + own[:4])


def lost(s):
    """Datagrams that came for this socket when `Ring` was full; 0 on ESP32, whose stack drops them without a word."""
    return s.lost if _RP2 else 0
