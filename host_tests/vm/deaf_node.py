# A server as firmware/run.py runs it, to which the first DEAF datagrams of each group request are lost.
#
#     MICROPYPATH=build/mpy/x64:host_tests/vm:.frozen micropython -X heapsize=256K -m deaf_node CONFIG.json DEAF
import asyncio
import sys

import run as firmware
from groupcoap.net.node import Node


class DeafNode(Node):
    deaf = 0

    def start(self):
        for link in self.links:
            self.lose(link.endpoint)
        super().start()

    def lose(self, endpoint):
        receive = endpoint.receive
        heard = {}

        def lossy(buf, length, peer, group, now):
            if group:
                key = peer + bytes(buf[2:4])  # whose, and its Message ID
                heard[key] = heard.get(key, 0) + 1
                if heard[key] <= self.deaf:
                    return
            receive(buf, length, peer, group, now)

        endpoint.receive = lossy


node = DeafNode()
node.deaf = int(sys.argv[2])
try:
    asyncio.run(firmware.run(firmware.load(sys.argv[1]), node))
except KeyboardInterrupt:
    pass
