"""Sockets, clock and waiting on CPython, for the computer's side: the client tool and the tests."""

import asyncio
import os
import select
import socket
import struct
import time
import traceback

from ._inet import bound, set_interface

ON_BOARD = False
EMPTY_CLOSES = False

entropy = os.urandom


def resolve(name):
    """The IPv4 address of a host name, 4 bytes, or None."""
    try:
        return socket.inet_aton(socket.gethostbyname(name))
    except OSError:
        return None


def clock():
    """The time in ms, masked to 30 bits as on a board."""
    return int(time.monotonic() * 1000) & 0x3FFFFFFF


def packed(pair):
    """A pair (host, port) as a packed address."""
    return socket.inet_aton(pair[0]) + struct.pack(">H", pair[1])


def sockaddr(peer):
    """A packed address as a pair (host, port)."""
    return socket.inet_ntoa(peer[:4]), peer[4] << 8 | peer[5]


def own_socket(address):
    """A socket bound to this packed address. Raises OSError."""
    return bound(sockaddr(address), False)


def group_socket(group, own, interface):
    """A socket for datagrams to this packed group address, joined on `interface` (IP, 4 bytes).

    Raises OSError, and ValueError where there is no such interface.
    """
    s = bound(sockaddr(group), True)
    set_interface(s, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, interface or own[:4], group[:4])
    return s


def multicast_from(s, interface, ttl):
    """Let this socket's group requests leave by `interface` (IP, 4 bytes) with this TTL."""
    if interface:
        set_interface(s, socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)


def pending(s):
    """A function that tells whether a datagram (or an error) waits at this socket."""
    return lambda: bool(select.select((s,), (), (), 0)[0])


async def readable(s):
    """Await a datagram (or an error) on this socket."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(s, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(s)


def report(error):
    """Print an exception with its traceback on stderr."""
    traceback.print_exception(type(error), error, error.__traceback__)


class Alarm:
    """Calls due() at a time that may be moved while it sleeps; due() gives the ms until the next call, or None."""

    def __init__(self, due):
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._handle = None
        self._loop.call_soon(self._ring)

    def within(self, ms):
        """Ring in `ms` at the latest."""
        at = self._loop.time() + ms / 1000
        if self._handle is None or at < self._handle.when():
            self.stop()
            self._handle = self._loop.call_at(at, self._ring)

    def stop(self):
        """Ring no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _ring(self):
        self._handle = None
        ms = self._due()
        if ms is not None:
            self.within(ms)
