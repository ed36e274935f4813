# A server with little heap: the file FOLDER/down is taken by GET, and a PUT writes FOLDER/up. It loads only what that
# needs (the protocol's server on a node of its own, no asynchronous face), and its tables have few places. Behind its
# "ready" stands what it has of its heap in use. Runs on MicroPython's unix port, itself compiled:
#
#     MICROPYPATH=FOLDER_OF_MPY:build/mpy/x64:.frozen micropython -X heapsize=96K -m file_node ADDRESS FOLDER
import gc

gc.threshold(1024)  # so that what stays lies close together

import asyncio  # noqa: E402
import sys  # noqa: E402

from groupcoap.net.node import Node  # noqa: E402
from groupcoap.server import Resource, Server  # noqa: E402
from groupcoap.uploads import Streamed  # noqa: E402

address, folder = sys.argv[1:]
packed = bytes([int(part) for part in address.split(".")]) + b"\x16\x33"
gc.collect()
loaded = gc.mem_alloc()

node = Node()
tables = {"token_slots": 1, "recent_messages": 8, "kept_answers": 1, "kept_bytes": 16, "outgoing": 0, "peers": 2}
endpoint = node.endpoint(packed, max_message=384, **tables)
server = Server(
    endpoint, packed, waiting=0, memberships=0, later=0, observers=0, upload_bytes=16, downloads=1, block_size=256
)
endpoint.role = server
server.failed = node.fault
server.add(Resource("down"), GET=lambda request: open(folder + "/down", "rb"))
server.add(Resource("up"), PUT=Streamed(lambda request: open(folder + "/up", "wb")))


async def main():
    node.start()
    node.keep_room()
    gc.collect()
    print("ready server coap://%s:5683" % address)
    print("heap: %d loaded, %d in use, %d free" % (loaded, gc.mem_alloc(), gc.mem_free()))
    await asyncio.sleep(3600)


asyncio.run(main())
