"""What differs between platforms, behind one set of names; the rest of the project never asks where it runs.

    clock()                                  the time, ms masked to 30 bits
    entropy(n)                               n random bytes
    own_socket(address)                      bound, non-blocking
    group_socket(group, own, interface)      the same, and joined
    multicast_from(socket, interface, ttl)   how group requests leave
    packed(sockaddr), sockaddr(packed)       the two forms of an address
    readable(socket)                         awaits a datagram
    pending(socket)                          a function that tells whether one waits
    Alarm(due)                               calls due() at a time
    resolve(name)                            the IP of a host name
    report(error)                            prints an exception
    EMPTY_CLOSES                             does an empty datagram close the socket it comes to?
    ON_BOARD                                 is this a board? Then own_ip() is what DHCP has given it
"""

import sys

if sys.implementation.name == "cpython":
    from ._cpython import *  # noqa: F403
elif sys.platform in ("linux", "darwin"):
    from ._unix import *  # noqa: F403
else:
    from ._board import *  # noqa: F403
