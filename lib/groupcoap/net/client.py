"""The client for a person who writes a program: requests as `await`, group requests as `async for`.

    client = Client()
    response = await client.get("coap://192.0.2.5/temp")
    async for response in client.group_get("coap://224.0.1.187/temp", proxy="coap://192.0.2.1"):
        print(response.origin, response.payload)
"""

import asyncio

from .. import client as protocol
from .. import numbers as n
from .. import uri
from . import platform
from .node import Node

RequestFailed = protocol.RequestFailed

_BACKLOG = 64  # responses that may wait for the program; later ones are counted as lost


def _address(text):
    address = uri.parse(text).address if "://" in text else uri.pack(text)
    if address is None:
        raise ValueError("%s: expected an IP address" % text)
    return address


class _Answers:
    # Async iterator over what one exchange delivers.
    def __init__(self, client):
        self._client = client
        self._items = []
        self._event = asyncio.Event()
        self.lost = 0
        self.slot = -1

    def deliver(self, item):
        if not isinstance(item, protocol.Response):
            self.slot = -1  # the exchange has ended, and the slot may soon be another's
        elif len(self._items) >= _BACKLOG:
            self.lost += 1
            return
        self._items.append(item)
        self._event.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._items:
            self._event.clear()
            await self._event.wait()
        item = self._items.pop(0)
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        """Want no more answers."""
        if self.slot >= 0:
            self._client.cancel(self.slot)
            self.slot = -1


class Client:
    """A client with a socket of its own: bound to the IP `bind` (text), group requests by the interface of that IP.

    slots: requests open at a time. Raises OSError where the socket cannot be had. Close it with `close`.
    """

    def __init__(self, bind="0.0.0.0", multicast_interface=None, multicast_ttl=1, slots=16):
        self.node = Node()
        interface = None if multicast_interface is None else uri.ip_bytes(multicast_interface)
        endpoint = self.node.endpoint(uri.pack(bind, 0), interface, multicast_ttl, token_slots=slots)
        self._client = protocol.Client(endpoint)
        self.node.start()

    def request(self, method, target, payload=b"", **how):
        """Send a request of this method (code) to a URI (text): an async iterator over its responses.

        payload: bytes or str. how: content_format, proxy (URI or IP, text), profile ("07" or "00"), timeout (whole s,
        how long a group's answers are wanted), confirmable. Raises ValueError and RequestFailed.
        """
        target = uri.parse(target)
        if target.scheme != "coap":
            raise ValueError("scheme %s: expected coap" % target.scheme)
        proxy = how.get("proxy")
        if proxy is not None:
            how["proxy"] = _address(proxy)
        elif target.address is None:
            ip = platform.resolve(target.host)
            if ip is None:
                raise RequestFailed("host %s cannot be resolved" % target.host)
            target.address = uri.pack(ip, target.port)
        if isinstance(payload, str):
            payload = payload.encode()
        answers = _Answers(self._client)
        now = platform.clock()
        answers.slot = self._client.send(answers.deliver, now, method, target, payload, **how)
        self.node.wake(now)
        return answers

    async def _one(self, method, target, payload=b"", **how):
        answers = self.request(method, target, payload, **how)
        try:
            return await answers.__anext__()
        except StopAsyncIteration:
            raise RequestFailed("no answer")
        finally:
            answers.close()

    async def get(self, target, **how):
        """GET: the Response. Raises RequestFailed when there is none."""
        return await self._one(n.GET, target, **how)

    async def put(self, target, payload, **how):
        """PUT: the Response."""
        return await self._one(n.PUT, target, payload, **how)

    async def post(self, target, payload, **how):
        """POST: the Response."""
        return await self._one(n.POST, target, payload, **how)

    async def delete(self, target, **how):
        """DELETE: the Response."""
        return await self._one(n.DELETE, target, **how)

    def group_get(self, target, timeout=10, **how):
        """GET to a group, directly or through a proxy: an async iterator over the responses, for `timeout` s."""
        return self.request(n.GET, target, timeout=timeout, **how)

    def close(self):
        """Give the socket back."""
        self.node.stop()
