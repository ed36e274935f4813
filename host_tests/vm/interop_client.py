# Our client at a server of somebody else's (aiocoap_interop.py), on a small VM: prints what it got, a line each.
#
#     MICROPYPATH=FOLDER_OF_MPY:build/mpy/x64:.frozen micropython -X heapsize=192K -m interop_client ADDRESS
import asyncio
import hashlib
import sys

from groupcoap import errors
from groupcoap.net.client import Client


class Hash:
    """A sink."""

    def __init__(self):
        self.size = 0
        self.sha256 = hashlib.sha256()

    def write(self, data):
        self.size += len(data)
        self.sha256.update(data)


class Lines:
    """A stream of 64 KB."""

    at = 0

    def read(self, count):
        if self.at == 65536:
            return b""
        line = b"%015d\n" % (self.at >> 4)
        part = line[self.at & 15 :][:count]
        self.at += len(part)
        return part


async def main(address):
    base = "coap://%s/" % address
    client = Client()
    print("ready")
    print((await client.get(base + "store")).payload)
    print((await client.put(base + "store", "hello")).code)
    print((await client.fetch(base + "store", "some")).payload)
    print((await client.patch(base + "store", " you")).code)
    print((await client.ipatch(base + "store", "you all")).code)
    print((await client.get(base + "store")).payload)
    print((await client.post(base + "store", "child")).options)
    print((await client.delete(base + "store")).code)
    try:
        await client.get(base + "store")
    except errors.NotFound as e:
        print(e)
    for size in (64, 1024):
        sink = Hash()
        await client.get(base + "big", sink=sink, block_size=size)
        print(sink.size, sink.sha256.digest().hex())
        await client.put(base + "upload", Lines(), size=65536, block_size=size)
        print((await client.get(base + "upload")).payload)
    print((await client.get(base + "slow")).payload)
    print((await client.get(base + "etag", etag=b"v1")).code)
    async with client.observe(base + "value") as notifications:
        value = 0
        async for response in notifications:
            print(response.payload)
            value += 1
            if value == 4:
                break
            await client.put(base + "value", str(value))
    while (await client.get(base + "observers")).payload != b"0":
        await asyncio.sleep(0.01)
    print("done")


asyncio.run(main(sys.argv[1]))
