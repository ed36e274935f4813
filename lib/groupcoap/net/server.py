"""The server for a person who writes firmware: a decorated function is a resource.

    server = Server("192.0.2.5", groups=["224.0.1.187"])

    @server.resource("temp", content_format=0, observable=True, group=True)
    async def temp(request):
        return "21.5"

    asyncio.run(server.run())

An async resource is an `async def`; what only gives back a coroutine is called twice.
"""

import asyncio

from .. import ip
from .. import server as protocol
from ..addresses import address_text
from . import platform
from .node import Node

Resource = protocol.Resource
Response = protocol.Response


def spawner(node):
    """What a `server.Server` on this node wants as `spawn`: runs the coroutines of its async resources as tasks."""

    async def run(coroutine, done):
        try:
            result = await coroutine
        except asyncio.CancelledError:
            result = RuntimeError("the resource's task was cancelled")
        except Exception as e:
            result = e
        now = platform.clock()
        try:
            done(result, now)
        except Exception as e:
            node.fault(e)
        node.wake(now)

    def spawn(coroutine, done):
        asyncio.create_task(run(coroutine, done))

    return spawn


class Server(protocol.Server):
    """A server with sockets of its own, at `address` (text; on a board the one that DHCP has given, by default).

    groups: of addresses, "224.0.1.187" or "[ff02::fd]", with ":port" where it is not 5683; leisure: s within which
    their requests are answered. interface: for group traffic, an IPv4 address, or name or number for IPv6. endpoint:
    sizes of its tables; sizes: of the server's own. Raises OSError and ValueError for what cannot be bound or joined.
    """

    def __init__(
        self, address=None, port=5683, groups=(), leisure=5, interface=None, ttl=1, endpoint=None, node=None, **sizes
    ):
        self.node = node or Node()
        packed = (ip.ip_bytes(address) if address else platform.own_ip()) + bytes((port >> 8, port & 255))
        if isinstance(interface, str) and len(packed) == 6:
            interface = ip.ip_bytes(interface)
        self._interface = interface
        self._numbers = {}  # of the memberships, by packed group address
        super().__init__(self.node.endpoint(packed, interface, ttl, **(endpoint or {})), packed, **sizes)
        self.endpoint.role = self
        self.spawn = spawner(self.node)
        for group in groups:
            self.join_group(group, leisure)

    def failed(self, error):
        """Print what a resource's handler has raised."""
        self.node.fault(error)

    def changed(self, resource, now=None):
        """Tell the observers of this resource, by its path, that it has changed. Raises KeyError."""
        if now is None:
            now = platform.clock()
        super().changed(resource, now)
        self.node.wake(now)

    def join_group(self, group, leisure=5):
        """Become a member of this group (text) with this Leisure in s. Raises OSError and ValueError."""
        group = ip.packed(group)
        if group in self._numbers:
            raise ValueError("group %s: joined already" % address_text(group))
        number = self.join(int(leisure * 1000), group)
        try:
            self.node.join(self.endpoint, group, number, self._interface)
            self._numbers[group] = number
        finally:
            if group not in self._numbers:
                self.leave(number, platform.clock())

    def leave_group(self, group):
        """Be a member of this group no more. Raises KeyError if it was none."""
        group = ip.packed(group)
        number = self._numbers.pop(group)
        self.node.leave(self.endpoint, group)
        self.leave(number, platform.clock())

    async def run(self):
        """Serve until cancelled."""
        self.node.start()
        try:
            while True:
                await asyncio.sleep(3600)
        finally:
            self.node.stop()
