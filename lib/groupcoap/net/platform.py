"""What differs between platforms, behind one set of names; the rest of the project never asks where it runs.

clock()                                  the time, ms masked to 30 bits
entropy(n)                               n random bytes
own_socket(address, interface, ttl)      bound, non-blocking; its multicast leaves by `interface`
group_socket(group, own, interface)      bound, non-blocking, and joined
leave(socket, group, own)                ends a membership that its socket's end would not end
refresh(socket, group, own)              tells the network of a membership anew; False where it cannot be done so
zone(interface)                          the number of an interface, where link-local addresses need it
packed(sockaddr), sockaddr(packed, zone) the two forms of an address
readable(socket)                         awaits a datagram
pending(socket)                          a function that tells whether one waits
Alarm(due)                               calls due() at a time
lost(socket)                             datagrams that it had no room for, 0 where that cannot be told
resolve(name, length)                    the IP of a host name, 4 or 16 bytes
report(error)                            prints an exception
EMPTY_CLOSES                             does an empty datagram close the socket it comes to?
ON_BOARD                                 is this a board? Then own_ip() is the IP that it has
"""

import sys

if sys.implementation.name == "cpython":
    from ._cpython import *  # noqa: F403
else:
    try:
        from board import PORT  # what it is, where a board's data say so
    except ImportError:
        PORT = sys.platform
    if PORT == "rp2":
        from ._rp2 import *  # noqa: F403
    elif PORT == "esp32":
        from ._esp32 import *  # noqa: F403
    else:
        from ._unix import *  # noqa: F403
