# A server that registers at a resource directory; POST /stop ends it once the directory knows.
#
#     micropython directory_node.py ADDRESS DIRECTORY_URI NAME LIFETIME [BASE [KIND [FURTHER_RESOURCES]]]
import asyncio
import sys

from groupcoap import uri
from groupcoap.client import Client
from groupcoap.directory import Registration
from groupcoap.links import Listing
from groupcoap.net import platform
from groupcoap.net.node import Node
from groupcoap.server import Resource, Server


async def main(address, directory, name, lifetime, base=None, kind=None, further=0):
    node = Node()
    address = uri.pack(address)
    endpoint = node.endpoint(address)
    endpoint.role = server = Server(endpoint, address)
    server.add(Resource("temp", content_format=0, rt="temperature"), GET=lambda request: "19.0")
    server.add(Resource("a b", rt="odd"), GET=lambda request: "")
    for i in range(int(further)):
        server.add(Resource("further/%d" % i, rt="further-%d" % i), GET=lambda request: "")
    over = asyncio.Event()

    def links():
        return Listing(server.resources.values()).text()

    registration = Registration(
        Client(endpoint), node.timers, uri.parse(directory), name, links, int(lifetime), base, None, kind
    )
    registration.failed = lambda reason: print("failed", reason)

    def stop(request):
        now = platform.clock()
        registration.stop(now, over.set)
        node.wake(now)

    server.add(Resource("stop"), POST=stop)
    node.start()
    now = platform.clock()
    registration.start(now)
    node.wake(now)
    print("ready")
    await over.wait()
    node.stop()
    print("stopped")


asyncio.run(main(*sys.argv[1:]))
