# A node as firmware/run.py runs it, that also tells its heap: a datagram to CONTROL_ADDRESS is answered with the
# bytes in use once the garbage is collected.
#
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=256K heap_node.py CONFIG.json CONTROL_ADDRESS
import asyncio
import gc
import sys

import run as firmware
from groupcoap import uri
from groupcoap.net import platform


async def tell(s):
    while True:
        await platform.readable(s)
        _, asker = s.recvfrom(16)
        gc.collect()
        gc.collect()  # what finalisers have freed, too
        s.sendto(str(gc.mem_alloc()).encode(), asker)


async def run(config, control):
    asyncio.create_task(tell(platform.own_socket(uri.pack(control, 5683))))
    await firmware.run(config)


asyncio.run(run(firmware.load(sys.argv[1]), sys.argv[2]))
