"""The client for a person who writes a program: requests as `await`, group requests and observations as `async for`.

    client = Client()
    response = await client.get("coap://192.0.2.5/temp")
    async for response in client.group_get("coap://224.0.1.187/temp", proxy="coap://192.0.2.1"):
        print(response.origin, response.payload)
    async with client.observe("coap://192.0.2.5/temp") as notifications:
        async for response in notifications:
            print(response.payload)

What is sent to `response.target("path")` goes to one of those that have answered, whatever the way to it is.
Leaving a group request's iterator early, by `close` or the end of `async with`, tells the proxy to stop.

A response of class 4 or 5 to `get` and the like is raised as the exception of its name, `errors.NotFound` and so on,
with the response as its attribute `response`; the iterators give every response, those too.
"""

import asyncio

from .. import client as protocol
from .. import errors, uri
from .. import numbers as n
from . import platform
from .node import Node

RequestFailed = protocol.RequestFailed
Response = protocol.Response

_BACKLOG = 64  # responses that may wait for the program; later ones are counted as lost


def _address(text):
    address = uri.parse(text).address if "://" in text else uri.pack(text)
    if address is None:
        raise ValueError("%s: expected an IP address" % text)
    return address


class Responses:
    """Async iterator over the responses to one request, and context manager that closes it.

    lost: responses that came while too many waited for the program. slot is -1 once the request is over.
    """

    def __init__(self, client):
        self._client = client
        self._items = []
        self._event = asyncio.Event()
        self.request = None
        self.lost = 0
        self.slot = 0

    def deliver(self, item):
        """Take what the request delivers."""
        if not isinstance(item, Response):
            self.slot = -1
            self._client.ended(self)
        elif len(self._items) >= _BACKLOG:
            self.lost += 1
            if self.request.observe is None:
                return
            self._items.pop(0)  # the last state is what counts
        self._items.append(item)
        self._event.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self._items:
            self._event.clear()
            await self._event.wait()
        item = self._items.pop(0)
        if not isinstance(item, Response):
            self._items.append(None)  # the end stays the end
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.close()

    def close(self):
        """Want no more responses: an observation is deregistered, a proxy told to stop, anything else forgotten."""
        if self.slot >= 0:
            self.slot = -1
            self._client.ended(self)
            self._client.close_request(self.request)
        self._items = [None]
        self._event.set()


class Client:
    """A client with a socket of its own at the IP `bind` (text): "::" to send to IPv6 addresses.

    Group requests leave by `multicast_interface`, the IP of an interface, or for IPv6 its name or number. slots:
    requests open at a time; how: what `client.Client` takes (probing_rate, fetches). Raises OSError where the socket
    cannot be had, ValueError where there is no such interface. Close it with `close`, or use it by `async with`.
    jobs: protected messages that may wait for their signatures to be made or checked, 1.6 KB each; what comes while
    there are so many is lost, so that a group of many servers takes more than the 4 that a board has room for.
    """

    def __init__(self, bind="0.0.0.0", multicast_interface=None, multicast_ttl=1, slots=16, jobs=4, **how):
        self.node = Node()
        own = uri.pack(bind, 0)
        self._bytes = len(own)  # of a peer's address
        if multicast_interface is not None and self._bytes == 6:
            multicast_interface = uri.ip_bytes(multicast_interface)
        endpoint = self.node.endpoint(own, multicast_interface, multicast_ttl, token_slots=slots, outgoing=slots)
        self._client = protocol.Client(endpoint, **how)
        self._jobs = jobs
        self._open = []
        self.node.start()

    def request(self, method, target, payload=b"", **how):
        """Send a request of this method (code) to a URI, text or uri.Uri: an async iterator over its `Responses`.

        payload: bytes, str, or a stream with read(n) or readinto(buffer); a long one goes up block by block. how: as
        `client.Client.send` takes it: content_format, accept, etag, if_match, if_none_match, no_response, hop_limit,
        options, proxy (URI or IP, text), profile ("07" or "00"), timeout (whole s, how long a group's answers are
        wanted), copies, confirmable, observe, block_size, sink, max_payload, size, block_by_group; group, naming and
        reverse, for a proxy; security, by which it is protected end to end: an oscore Context or Group, or a Way.
        Raises ValueError and RequestFailed.
        """
        if self._open is None:
            raise RequestFailed("the client is closed")
        proxy = how.get("proxy")
        if isinstance(target, str):
            target = uri.parse(target)
        if target.scheme != "coap" and proxy is None:
            raise ValueError("scheme %s: expected coap" % target.scheme)
        if proxy is not None:
            how["proxy"] = _address(proxy)
        elif target.address is None:
            ip = platform.resolve(target.host, self._bytes - 2)
            if ip is None:
                raise RequestFailed("host %s cannot be resolved" % target.host)
            target.address = uri.pack(ip, target.port)
        peer = how.get("proxy") or target.address
        if len(peer) != self._bytes:
            kinds = ("IPv4", "IPv6") if self._bytes == 6 else ("IPv6", "IPv4")
            raise ValueError("%s: the client is bound to an %s address, not %s" % ((uri.address_text(peer),) + kinds))
        if isinstance(payload, str):
            payload = payload.encode()
        security = how.pop("security", None)
        if security is not None:
            how["way"] = self._gate().way(security)
        responses = Responses(self)
        now = platform.clock()
        responses.request = self._client.send(responses.deliver, now, method, target, payload, **how)
        self._open.append(responses)
        self.node.wake(now)
        return responses

    def share(self, proxy, context):
        """Protect what goes to this proxy (URI or IP, text) by the oscore Context that is shared with it."""
        self._gate().towards[_address(proxy)] = context

    def _gate(self):
        # What protects the messages, made when it is asked for.
        from ..oscore.asking import Asking

        endpoint = self._client.endpoint
        if endpoint.gate is None:
            Asking(endpoint, self._jobs, platform.clock)
        return endpoint.gate

    def close_request(self, request):
        """End a request as `Responses.close` does."""
        now = platform.clock()
        if request.observe is None:
            self._client.stop(request, now)
        else:
            self._client.deregister(request, now)
        self.node.wake(now)

    def ended(self, responses):
        """These responses have come to their end."""
        if self._open and responses in self._open:
            self._open.remove(responses)

    async def _one(self, method, target, payload, how):
        responses = self.request(method, target, payload, **how)
        try:
            response = await responses.__anext__()
        except StopAsyncIteration:
            raise RequestFailed("no answer")
        finally:
            responses.close()
        if response.code >= n.BAD_REQUEST:
            raise errors.from_response(response)
        return response

    async def get(self, target, **how):
        """GET: the Response. Raises RequestFailed when there is none, and the exception named for an error."""
        return await self._one(n.GET, target, b"", how)

    async def put(self, target, payload, **how):
        """PUT: the Response, as `get`."""
        return await self._one(n.PUT, target, payload, how)

    async def post(self, target, payload=b"", **how):
        """POST: the Response, as `get`."""
        return await self._one(n.POST, target, payload, how)

    async def delete(self, target, **how):
        """DELETE: the Response, as `get`."""
        return await self._one(n.DELETE, target, b"", how)

    async def fetch(self, target, payload, **how):
        """FETCH (RFC 8132): the Response, as `get`."""
        return await self._one(n.FETCH, target, payload, how)

    async def patch(self, target, payload, **how):
        """PATCH (RFC 8132): the Response, as `get`."""
        return await self._one(n.PATCH, target, payload, how)

    async def ipatch(self, target, payload, **how):
        """iPATCH (RFC 8132): the Response, as `get`."""
        return await self._one(n.IPATCH, target, payload, how)

    def group_get(self, target, timeout=10, **how):
        """GET to a group, directly or through a proxy: an async iterator over the responses, for `timeout` s."""
        return self.request(n.GET, target, timeout=timeout, **how)

    def observe(self, target, **how):
        """GET and the notifications that follow, of a server or a group: an async iterator (RFC 7641).

        Close it, or use it by `async with`, so that the server is told. A response without Observe is the last.
        """
        return self.request(n.GET, target, observe=True, **how)

    def close(self):
        """Give the socket back; every iterator that is open ends."""
        for responses in list(self._open or ()):
            responses.close()
        self._open = None
        self.node.stop()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.close()
