"""Sockets on ESP32: one for each group, bound to its address.

Written from the port's sources. Memberships are the network interface's, and there is no way to end one but to switch
the radio off; what comes for a group that has no socket any more is dropped. Joining again sends nothing: the stack
itself reports its memberships when the link comes up, or the address changes. An empty datagram closes the socket that
it comes to for good, and what a full socket drops cannot be told.
"""

from ._lwip import (  # noqa: F401
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
from ._micropython import pending, readable  # noqa: F401

EMPTY_CLOSES = True


def own_socket(address, interface=None, ttl=1):
    """A socket bound to the node's own packed address. Raises OSError."""
    return bound(sockaddr(address))


def group_socket(group, own, interface):
    """A socket for datagrams to this packed group address, joined with the own address. Raises OSError."""
    s = bound(sockaddr(group))
    try:
        join(s, group, own)
    except OSError:
        s.close()
        raise
    return s


def leave(s, group, own):
    """Nothing: the port has no IP_DROP_MEMBERSHIP."""


def refresh(s, group, own):
    """False: there is no way to leave a group."""
    return False


def lost(s):
    """0: the stack drops without a word."""
    return 0
