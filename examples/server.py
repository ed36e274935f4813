import asyncio

from groupcoap import uri
from groupcoap.net.node import Node
from groupcoap.server import Resource, Server

ADDRESS, GROUP, INTERFACE = uri.pack("127.0.0.3"), uri.pack("224.0.1.187"), uri.ip_bytes("127.0.0.1")


async def main():
    node = Node()
    endpoint = node.endpoint(ADDRESS)
    endpoint.role = server = Server(endpoint, ADDRESS)
    server.add(Resource("temp", content_format=0, group=True), GET=lambda request: "19.0")
    node.join(endpoint, GROUP, server.join(250), INTERFACE)  # answers to the group within 250 ms
    node.start()
    print("ready")
    await asyncio.sleep(3600)


asyncio.run(main())
