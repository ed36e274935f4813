"""A server on aiocoap with a resource for everything: aiocoap_interop.py ADDRESS."""

import asyncio
import hashlib
import sys

import aiocoap
from aiocoap import resource
from aiocoap.numbers.codes import Code
from foreign import LINES


class Store(resource.Resource):
    rt = "store"
    value = b"first"

    def __init__(self, site):
        super().__init__()
        self._site, self._children = site, 0

    async def render_get(self, request):
        if self.value is None:
            return aiocoap.Message(code=Code.NOT_FOUND, payload=b"deleted")
        return aiocoap.Message(payload=self.value)

    async def render_put(self, request):
        if request.opt.if_none_match and self.value is not None:
            return aiocoap.Message(code=Code.PRECONDITION_FAILED)
        code = Code.CREATED if self.value is None else Code.CHANGED
        self.value = request.payload
        return aiocoap.Message(code=code)

    async def render_delete(self, request):
        self.value = None
        return aiocoap.Message(code=Code.DELETED)

    async def render_fetch(self, request):
        return aiocoap.Message(code=Code.CONTENT, payload=b"fetched " + request.payload)

    async def render_patch(self, request):
        self.value += request.payload
        return aiocoap.Message(code=Code.CHANGED)

    async def render_ipatch(self, request):
        self.value = self.value.replace(*request.payload.split(b" "))
        return aiocoap.Message(code=Code.CHANGED)

    async def render_post(self, request):
        self._children += 1
        child = ("store", str(self._children))
        self._site.add_resource(child, Fixed(request.payload))
        return aiocoap.Message(code=Code.CREATED, location_path=child, location_query=("by=post",))


class Fixed(resource.Resource):
    def __init__(self, payload):
        super().__init__()
        self._payload = payload

    async def render_get(self, request):
        return aiocoap.Message(payload=self._payload)


class Upload(resource.Resource):
    digest = b""

    async def render_put(self, request):
        self.digest = b"%d %s" % (len(request.payload), hashlib.sha256(request.payload).hexdigest().encode())
        return aiocoap.Message(code=Code.CHANGED)

    async def render_get(self, request):
        return aiocoap.Message(payload=self.digest)


class Reverse(resource.Resource):
    async def render_post(self, request):
        return aiocoap.Message(code=Code.CONTENT, payload=request.payload[::-1])

    render_fetch = render_post


class Slow(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(1)
        return aiocoap.Message(payload=b"slow")


class Tagged(resource.Resource):
    ct = 60

    async def render_get(self, request):
        if request.opt.accept not in (None, 60):
            return aiocoap.Message(code=Code.NOT_ACCEPTABLE)
        if b"v1" in request.opt.etags:
            return aiocoap.Message(code=Code.VALID, etag=b"v1")
        return aiocoap.Message(payload=b"tagged", etag=b"v1", content_format=60, max_age=5)

    async def render_put(self, request):
        return aiocoap.Message(code=Code.UNSUPPORTED_CONTENT_FORMAT)


class Value(resource.ObservableResource):
    _value = b"0"  # short: what is observed, aiocoap sends in one message of any length

    async def render_get(self, request):
        return aiocoap.Message(payload=self._value)

    async def render_put(self, request):
        self._value = request.payload
        self.updated_state()
        return aiocoap.Message(code=Code.CHANGED)


class Observers(resource.Resource):
    def __init__(self, value):
        super().__init__()
        self._value = value

    async def render_get(self, request):
        return aiocoap.Message(payload=b"%d" % len(self._value._observations))


async def main(address):
    site = resource.Site()
    value = Value()
    for path, what in {
        "store": Store(site),
        "big": Fixed(LINES),
        "upload": Upload(),
        "reverse": Reverse(),
        "slow": Slow(),
        "etag": Tagged(),
        "value": value,
        "observers": Observers(value),
        ".well-known/core": resource.WKCResource(site.get_resources_as_linkheader),
    }.items():
        site.add_resource(path.split("/"), what)
    # "simple6" and "udp6" want IPv6; "simplesocketserver" binds one IPv4 address.
    await aiocoap.Context.create_server_context(site, bind=(address, 5683), transports=["simplesocketserver"])
    await asyncio.get_running_loop().create_future()


asyncio.run(main(sys.argv[1]))
