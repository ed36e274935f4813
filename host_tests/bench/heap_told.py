# A node as firmware/run.py runs it, that also tells of its heap: a datagram to CONTROL_ADDRESS is answered with a
# number of bytes as text.
#
#     collected      in use once the garbage is collected
#     counted        in use; from then on nothing is collected, so that each byte allocated shows
#     recvfrom       that a recvfrom of the request allocates by itself
#     REQUEST        that the endpoint allocates for 1,000 of this request, each with a Message ID of its own, answered
#                    to a socket that nobody reads; they come by no socket and wake no task
#     RESPONSE       the same for the endpoint by which a proxy talks to servers: relayed to who has asked
#
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=2M heap_told.py CONFIG.json CONTROL_ADDRESS
import asyncio
import gc
import socket
import sys

import run as firmware
from groupcoap.net import platform

TIMES = 1000
nodes = []


class Node(firmware.Node):
    def __init__(self):
        super().__init__()
        nodes.append(self)


def udp(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(socket.getaddrinfo(address, port)[0][-1])
    s.setblocking(False)
    return s


def recvfrom_bytes(s, address, length=13):
    """What one recvfrom allocates for a datagram of this length."""
    me = socket.getaddrinfo(address, 5683)[0][-1]
    for _ in range(TIMES // 10):
        s.sendto(bytes(length), me)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(TIMES // 10):
        s.recvfrom(1281)
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken // (TIMES // 10)


def serve(request, peer, times):
    """Hand the node's endpoint this request so many times: bytes of heap taken."""
    receive = nodes[0].links[request[1] >= 64].endpoint.receive
    data = bytearray(request)
    length = len(data)
    now = platform.clock()
    gc.collect()
    before = gc.mem_alloc()
    for mid in range(times):
        data[2] = mid >> 8
        data[3] = mid & 255
        receive(data, length, peer, 0, now)
    return gc.mem_alloc() - before


async def tell(s, alone, sink, peer):
    while True:
        await platform.readable(s)
        asked, asker = s.recvfrom(64)
        gc.disable()
        if asked == b"collected":
            gc.enable()
            gc.collect()
            gc.collect()  # what finalisers have freed, too
            told = gc.mem_alloc()
        elif asked == b"counted":
            told = gc.mem_alloc()
        elif asked == b"recvfrom":
            told = alone
        else:
            serve(asked, peer, 16)  # what is made with the first ones
            told = serve(asked, peer, TIMES)
            assert asked[1] >= 64 or sink.recv(64)[1] == 0x45  # so they were served
        s.sendto(str(told).encode(), asker)


async def run(config, control):
    s = udp(control, 5683)
    sink = udp(control, 5690)
    firmware.Node = Node
    ip = bytes([int(part) for part in control.split(".")])
    asyncio.create_task(tell(s, recvfrom_bytes(s, control), sink, ip + b"\x16\x3a"))
    await firmware.run(config)


asyncio.run(run(firmware.load(sys.argv[1]), sys.argv[2]))
