"""What the sockets of a computer have in common, whichever Python runs: `_unix` and `_cpython` say how they differ."""

import socket

from .. import uri


def bound(sockaddr, reuse):
    """A non-blocking UDP socket bound to this socket address. Raises OSError."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(sockaddr)
    except OSError:
        s.close()
        raise
    s.setblocking(False)
    return s


def set_interface(s, level, option, interface, group=b""):
    """Set a multicast option whose value is, or ends in, the IP of an interface. ValueError: it is not here."""
    try:
        s.setsockopt(level, option, group + interface)
    except OSError:
        raise ValueError("multicast_interface: %s is no address of this computer" % uri.ip_text(interface))
