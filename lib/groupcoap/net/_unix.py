"""Sockets on MicroPython's unix port, where an address is a raw sockaddr_in or sockaddr_in6 of Linux."""

import struct

from ._inet import bound, join, lost, multicast_from, zone  # noqa: F401
from ._micropython import Alarm, clock, entropy, pending, readable, report, resolve  # noqa: F401

ON_BOARD = False
EMPTY_CLOSES = False


def packed(raw):
    """A raw sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes) as a packed address."""
    return raw[4:8] + raw[2:4] if len(raw) == 16 else raw[8:24] + raw[2:4]


def sockaddr(peer, scope=0):
    """A packed address as a raw sockaddr_in or sockaddr_in6; scope: number of the interface of a link-local one."""
    if len(peer) == 6:
        return b"\x02\x00" + peer[4:6] + peer[0:4] + b"\0\0\0\0\0\0\0\0"
    return struct.pack("@H2s4x16sI", 10, peer[16:18], peer[:16], scope)


def own_socket(address, interface=None, ttl=1):
    """A socket bound to the node's own packed address, whose multicast leaves by `interface` with this TTL.

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
