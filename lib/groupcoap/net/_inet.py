"""What the sockets of a computer have in common, whichever Python runs: `_unix` and `_cpython` say how they differ.

The length of a packed address tells IPv4 from IPv6. An interface is named by its address, 4 bytes, for IPv4, and by its
name or number for IPv6. An address that is valid on one link only (fe80::/10, ff02::/16) is one of that interface's
link: a packed address has no place for a zone (RFC 4007). The numbers of the options are those of Linux.
"""

import os
import socket
import struct

from micropython import const

from .. import addresses

_IP = const(0)
_IP_MULTICAST_IF = const(32)
_IP_MULTICAST_TTL = const(33)
_IP_ADD_MEMBERSHIP = const(35)
_IPV6 = const(41)
_IPV6_MULTICAST_IF = const(17)
_IPV6_MULTICAST_HOPS = const(18)
_IPV6_JOIN_GROUP = const(20)
_IPV6_V6ONLY = const(26)


def zone(interface):
    """The number of an interface that is given by its name or number, else 0. ValueError: it is not here."""
    if interface is None or isinstance(interface, bytes):
        return 0
    try:
        found = socket.getaddrinfo("ff02::1%%%s" % interface, 0)[0][-1]
    except (OSError, IndexError):
        raise _unknown(interface)
    return found[3] if isinstance(found, tuple) else struct.unpack("@i", found[24:28])[0]


def bound(address, sockaddr, reuse):
    """A non-blocking UDP socket bound to this packed address, which is `sockaddr` here. Raises OSError."""
    ipv6 = len(address) == 18
    s = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if ipv6:
            s.setsockopt(_IPV6, _IPV6_V6ONLY, 1)
        if reuse:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(sockaddr)
    except OSError:
        s.close()
        raise
    s.setblocking(False)
    return s


def join(s, group, own, interface):
    """Make this socket a member of a packed group address. ValueError: the interface is not here."""
    try:
        if len(group) == 18:
            s.setsockopt(_IPV6, _IPV6_JOIN_GROUP, group[:16] + struct.pack("@i", zone(interface)))
        else:
            s.setsockopt(_IP, _IP_ADD_MEMBERSHIP, group[:4] + (interface or own[:4]))
    except OSError:
        s.close()
        raise _unknown(interface or own[:-2])


def multicast_from(s, address, interface, ttl):
    """Let multicast from this socket, of this packed address, leave by `interface`. ValueError: it is not here."""
    try:
        if len(address) == 18:
            s.setsockopt(_IPV6, _IPV6_MULTICAST_HOPS, ttl)
            s.setsockopt(_IPV6, _IPV6_MULTICAST_IF, zone(interface))
        else:
            s.setsockopt(_IP, _IP_MULTICAST_TTL, ttl)
            if interface:
                s.setsockopt(_IP, _IP_MULTICAST_IF, interface)
    except OSError:
        s.close()
        raise _unknown(interface)


def _unknown(interface):
    if isinstance(interface, bytes):
        return ValueError("multicast_interface: %s is no address of this computer" % addresses.ip_text(interface))
    return ValueError("multicast_interface: %s is no interface of this computer" % interface)


def lost(s):
    """Datagrams that this socket's full buffer had no room for, since it was opened; 0 where that cannot be told."""
    try:
        inode = str(os.stat("/proc/self/fd/%d" % s.fileno())[1])
        for name in ("/proc/self/net/udp", "/proc/self/net/udp6"):
            with open(name) as lines:
                for line in lines:
                    fields = line.split()
                    if fields[9] == inode:
                        return int(fields[-1])
    except OSError:
        pass  # no Linux
    return 0
