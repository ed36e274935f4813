"""What the sockets of boards have in common: addresses are pairs (text, port), interface and TTL the stack's affair.

Written from the ports' sources; `_rp2` and `_esp32` say how they differ.
"""

import socket

from ._micropython import Alarm, clock, entropy, report, resolve  # noqa: F401

ON_BOARD = True

IP = 0


def own_ip():
    """The IP that the station interface has, 4 bytes; 0.0.0.0 while it has none."""
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


def bound(pair):
    """A non-blocking UDP socket bound to this pair. Raises OSError."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(pair)
    except OSError:
        s.close()
        raise
    s.setblocking(False)
    return s


def join(s, group, own):
    """Make the interface with this own address a member of a packed group address. Raises OSError."""
    s.setsockopt(IP, socket.IP_ADD_MEMBERSHIP, group[:4] + own[:4])
