"""Sockets on MicroPython's unix port: addresses are raw sockaddr_in, and the option numbers are those of Linux."""

from ._inet import bound, set_interface
from ._micropython import Alarm, clock, entropy, pending, readable, report, resolve  # noqa: F401

ON_BOARD = False
EMPTY_CLOSES = False

_IP = 0
_IP_MULTICAST_IF = 32
_IP_MULTICAST_TTL = 33
_IP_ADD_MEMBERSHIP = 35


def packed(raw):
    """A raw sockaddr_in (16 bytes) as a packed address."""
    return raw[4:8] + raw[2:4]


def sockaddr(peer):
    """A packed address as a raw sockaddr_in."""
    return b"\x02\x00" + peer[4:6] + peer[0:4] + b"\0\0\0\0\0\0\0\0"


def own_socket(address):
    """A socket bound to the node's own packed address. Raises OSError."""
    return bound(sockaddr(address), False)


def group_socket(group, own, interface):
    """A socket for datagrams to this packed group address, joined on `interface` (IP, 4 bytes).

    Raises OSError, and ValueError where there is no such interface.
    """
    s = bound(sockaddr(group), True)
    set_interface(s, _IP, _IP_ADD_MEMBERSHIP, interface or own[:4], group[:4])
    return s


def multicast_from(s, interface, ttl):
    """Let this socket's group requests leave by `interface` (IP, 4 bytes) with this TTL."""
    if interface:
        set_interface(s, _IP, _IP_MULTICAST_IF, interface)
    s.setsockopt(_IP, _IP_MULTICAST_TTL, ttl)
