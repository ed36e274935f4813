# A server with little heap: the file FOLDER/down is taken by GET, and a PUT writes FOLDER/up. It loads only what that
# needs, and its tables have few places. Runs on MicroPython's unix port:
#
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=96K file_node.py ADDRESS FOLDER
import gc
import sys

gc.threshold(8192)  # so that what is used stays together at one end of the heap

import asyncio  # noqa: E402

from groupcoap.blockwise import Streamed  # noqa: E402
from groupcoap.net.server import Resource, Server  # noqa: E402

address, folder = sys.argv[1:]
gc.collect()
loaded = gc.mem_alloc()

tables = {"token_slots": 1, "recent_messages": 16, "kept_answers": 4, "outgoing": 1, "peers": 4}
sizes = {"waiting": 0, "memberships": 0, "later": 0, "observers": 0}
server = Server(address, endpoint=tables, upload_bytes=16, **sizes)
server.add(Resource("down"), GET=lambda request: open(folder + "/down", "rb"))
server.add(Resource("up"), PUT=Streamed(lambda request: open(folder + "/up", "wb")))
gc.collect()
made = gc.mem_alloc()


def heap(request):
    gc.collect()
    return "%d loaded, %d made, %d now, %d free" % (loaded, made, gc.mem_alloc(), gc.mem_free())


server.add(Resource("heap"), GET=heap)


async def main():
    print("ready server coap://%s:5683" % address)
    await server.run()


asyncio.run(main())
