# A node from a ROMFS image, that also tells its heap: a datagram to CONTROL_ADDRESS is answered with JSON.
#
#     heap       bytes in use beyond the image, once the garbage is collected
#     free       bytes
#     piece      of these the longest in one piece
#     no_memory  datagrams for which the heap had no piece that was long enough
#     faults     exceptions that should not have been
#
#     MICROPYPATH=tools:.frozen micropython -X heapsize=300K romfs_node.py IMAGE CONFIG.json CONTROL_ADDRESS [PACKAGE]
#
# PACKAGE: all modules of this package are loaded, also those that the configuration does not ask for.
import asyncio
import gc
import json
import os
import sys

import romfs_main

image = romfs_main.mount(sys.argv[1])


def longest_piece():
    least, most = 0, gc.mem_free()
    while most - least > 32:
        size = (least + most) // 2
        try:
            bytearray(size)
            least = size
        except MemoryError:
            most = size
        gc.collect()
    return least


async def tell(s, node):
    while True:
        await platform.readable(s)
        _, asker = s.recvfrom(16)
        gc.collect()
        gc.collect()  # what finalisers have freed, too
        told = {"heap": gc.mem_alloc() - image, "free": gc.mem_free()}
        told["piece"] = longest_piece()
        told["no_memory"] = sum([link.no_memory for link in node.links])
        told["faults"] = node.faults
        s.sendto(json.dumps(told).encode(), asker)


async def run(path, control, package=None):
    node = firmware.Node()
    asyncio.create_task(tell(platform.own_socket(ip.ip_bytes(control) + b"\x16\x33"), node))
    config = firmware.load(path)
    for name in os.listdir(romfs_main.ROM + "/" + package.replace(".", "/")) if package else ():
        if not name.startswith("__"):
            __import__(package + "." + name[: -len(".mpy")])
    await firmware.run(config, node)


import run as firmware  # noqa: E402
from groupcoap import ip  # noqa: E402
from groupcoap.net import platform  # noqa: E402

try:
    asyncio.run(run(*sys.argv[2:]))
except KeyboardInterrupt:
    pass
