"""The same resource on aiocoap, for the bench: aiocoap_server.py ADDRESS PORT."""

import asyncio
import sys

import aiocoap
from aiocoap import resource


class Temperature(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"21.5", content_format=0)


async def main(address, port):
    site = resource.Site()
    site.add_resource(["temp"], Temperature())
    # "simple6" and "udp6" want IPv6; "simplesocketserver" binds one IPv4 address.
    await aiocoap.Context.create_server_context(site, bind=(address, port), transports=["simplesocketserver"])
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
