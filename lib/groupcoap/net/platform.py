"""What differs between platforms, behind one set of names; the rest of the project never asks where it runs.

clock(): the time, ms masked to 30 bits. entropy(n): n random bytes. readable(socket): await a datagram; pending
(socket): a function that tells whether one waits. Alarm(due): calls due() at a time. own_socket(address), group_socket(group, own, interface): bound, non-blocking. multicast_from
(socket, interface, ttl). packed(sockaddr), sockaddr(packed), place(sockaddr), place_of(packed): the two forms of an
address, and where in a peer table of 2^n places it goes. resolve(name), report(error). NEEDS_ADDRESS: must a configuration name its own address?
"""

import sys

if sys.implementation.name == "cpython":
    from ._cpython import *  # noqa: F403
elif sys.platform in ("linux", "darwin"):
    from ._unix import *  # noqa: F403
else:
    from ._board import *  # noqa: F403
