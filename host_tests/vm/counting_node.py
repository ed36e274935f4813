# A proxy as firmware/run.py runs it, the receive buffer of whose upstream socket is cut to BUFFER bytes (SO_RCVBUF; 0:
# it stays as it is). A datagram to CONTROL_ADDRESS is answered with JSON: the bytes of heap in use once the garbage is
# collected, the datagrams that the upstream socket had no room for, and the responses that no exchange waited for.
#
#     MICROPYPATH=build/mpy/x64:host_tests/vm:.frozen micropython -X heapsize=256K -m counting_node \
#         CONFIG.json CONTROL_ADDRESS BUFFER
import asyncio
import gc
import json
import socket
import sys

import run as firmware
from groupcoap import ip
from groupcoap.net import platform
from groupcoap.net.node import Node

SO_RCVBUF = 8  # Linux


class CountingNode(Node):
    buffer = 0

    def start(self):
        if self.buffer:
            for port in self._ports:
                if port.link is self.links[1]:
                    port.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUF, self.buffer)
        super().start()

    async def tell(self, s):
        while True:
            await platform.readable(s)
            _, asker = s.recvfrom(16)
            gc.collect()
            gc.collect()  # what finalisers have freed, too
            told = {"heap": gc.mem_alloc(), "lost": self.links[1].lost()}
            told["unmatched"] = self.links[1].endpoint.unmatched
            s.sendto(json.dumps(told).encode(), asker)


async def run(path, control, buffer):
    node = CountingNode()
    node.buffer = int(buffer)
    asyncio.create_task(node.tell(platform.own_socket(ip.ip_bytes(control) + b"\x16\x33")))
    await firmware.run(firmware.load(path), node)


try:
    asyncio.run(run(*sys.argv[1:]))
except KeyboardInterrupt:
    pass
