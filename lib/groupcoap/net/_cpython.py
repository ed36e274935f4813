"""Sockets, clock and waiting on CPython, for the computer's side: the client tool and the tests."""

import asyncio
import os
import select
import socket
import struct
import time
import traceback

from ._inet import bound, join, lost, multicast_from, zone  # noqa: F401

ON_BOARD = False
EMPTY_CLOSES = False

entropy = os.urandom


def resolve(name, length=4):
    """The IP address of a host name, 4 bytes (or 16, an IPv6 one), or None."""
    family = socket.AF_INET if length == 4 else socket.AF_INET6
    try:
        return packed(socket.getaddrinfo(name, 0, family)[0][-1])[:-2]
    except OSError:
        return None


def clock():
    """The time in ms, masked to 30 bits as on a board."""
    return int(time.monotonic() * 1000) & 0x3FFFFFFF


def packed(pair):
    """A socket address, (host, port) or IPv6's (host, port, flow, scope), as a packed address."""
    if len(pair) == 2:
        return socket.inet_aton(pair[0]) + struct.pack(">H", pair[1])
    return socket.inet_pton(socket.AF_INET6, pair[0].partition("%")[0]) + struct.pack(">H", pair[1])


def sockaddr(peer, scope=0):
    """A packed address as a socket address; scope: number of the interface of a link-local one."""
    if len(peer) == 6:
        return socket.inet_ntoa(peer[:4]), peer[4] << 8 | peer[5]
    return socket.inet_ntop(socket.AF_INET6, peer[:16]), peer[16] << 8 | peer[17], 0, scope


def own_socket(address, interface=None, ttl=1):
    """A socket bound to this packed address, whose multicast leaves by `interface` with this TTL.

    Raises OSError, and ValueError where there is no such interface.
    """
    s = bound(address, sockaddr(address, zone(interface)), False)
    multicast_from(s, address, interface, ttl)
    return s


def group_socket(group, own, interface):
    """A socket for datagrams to this packed group address, joined on `interface`, by default that of `own`.

    Raises OSError, and ValueError where there is no such interface.
    """
    s = bound(group, sockaddr(group, zone(interface)), True)
    join(s, group, own, interface)
    return s


def leave(s, group, own):
    """Nothing: a membership ends with the socket."""


def refresh(s, group, own):
    """False: the kernel answers the network's queries by itself."""
    return False


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

    def alive(self):
        """Will it ring?"""
        return True

    def stop(self):
        """Ring no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _ring(self):
        self._handle = None
        ms = self._due()
        if ms is not None:
            self.within(ms)
