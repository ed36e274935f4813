# A node that joins and leaves groups when it is told to, by requests whose payload is a command; it answers a request
# that came by a group with the number of that membership. Runs on MicroPython's unix port and on CPython:
#
#     MICROPYPATH=lib:.frozen micropython -X heapsize=1M member_node.py ADDRESS PORT [INTERFACE]
import asyncio
import gc
import sys

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.net.node import Node


class Commands:
    """The role; a method is a command, and what it gives back, if it is a text, the answer; False: there is none."""

    def __init__(self, node, endpoint, interface):
        self.node = node
        self.endpoint = endpoint
        self.interface = interface

    def request(self, m, peer, group, now):
        words = str(bytes(m.payload()), "utf-8").split(" ")
        try:
            text = getattr(self, words[0])(peer, *words[1:])
            if text is False:
                return
            text, code = text or "done", n.CONTENT
        except ValueError as e:
            text, code = str(e), n.BAD_REQUEST
        if group and code == n.CONTENT:
            text = str(group)
        payload = text.encode()
        self.endpoint.reply(peer, m, code, b"", 0, payload, len(payload))

    def repeated(self, m, peer, now):
        pass

    def rejected(self, peer, mid, now):
        pass

    def ask(self, peer):
        return uri.address_text(peer, None)

    def join(self, peer, group, number):
        self.node.join(self.endpoint, uri.parse("coap://" + group).address, int(number), self.interface)

    def leave(self, peer, group):
        self.node.leave(self.endpoint, uri.parse("coap://" + group).address)

    def rejoin(self, peer):
        self.node.rejoin()

    def again(self, peer):
        self.node.rejoin()
        self.node.rejoin()

    def settled(self, peer):
        return str(all(port.socket is not None and not port.changing for port in self.node._ports))

    def swap(self, peer, group, number):
        self.leave(peer, group)
        self.join(peer, group, number)

    def brief(self, peer, group, number):
        self.join(peer, group, number)
        self.node.rejoin()
        self.leave(peer, group)

    def connect(self, peer):
        from groupcoap.net import platform

        self.node._ports[0].socket.connect(platform.sockaddr(peer))

    def send(self, peer, address):
        self.endpoint.transmit(b"\x50\0\0\0", 4, uri.parse("coap://" + address).address)

    def poke(self, peer, address):
        self.send(peer, address)
        return False

    def errors(self, peer):
        link = self.node.links[0]
        return "%d %d %d" % (link.send_errors, link.receive_errors, self.node.faults)

    def heap(self, peer):
        gc.collect()
        gc.collect()
        return str(gc.mem_alloc())


async def main(address, port, interface=None):
    own = uri.pack(address, int(port))
    if len(own) == 6:
        interface = interface and uri.ip_bytes(interface)
    node = Node()
    endpoint = node.endpoint(own, interface, 0, recent_messages=8)
    endpoint.role = Commands(node, endpoint, interface)
    node.start()
    print("ready %s coap://%s" % ("member", uri.address_text(own, None)))
    while True:
        await asyncio.sleep(3600)


try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    pass
