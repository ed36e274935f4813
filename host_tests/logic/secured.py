"""Endpoints with gates on a simulated wire: their datagrams are carried by hand, so that tests see and change them."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client
from groupcoap.oscore.asking import Asking, Way
from groupcoap.oscore.context import Context
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.gate import Gate
from groupcoap.oscore.sequence import Sequence
from groupcoap.server import Resource, Server
from wire import CLIENT, SERVER, Wire

SECRET = bytes(range(16))
SALT = b"\x9e\x7c\xa9\x22\x23\x78\x63\x40"


class Store:
    """Files in memory, as `Sequence` wants them."""

    def __init__(self):
        self.files = {}
        self.writes = 0

    def read(self, name):
        return self.files.get(name)

    def write(self, name, data):
        self.writes += 1
        self.files[name] = bytes(data)


def context(name="server", own=b"\x01", other=b"\x02", store=None, ahead=128, **how):
    """One end of an OSCORE context; the other end has the IDs the other way round."""
    return Context(name, SECRET, SALT, own, other, Sequence(store or Store(), name, ahead), **how)


class Pair:
    """A client and a server with gates, and an OSCORE context between them; sizes: of the server's port."""

    def __init__(self, required=True, server=None, client=None, sizes=None):
        self.wire = Wire()
        self.client_port = self.wire.port(token_slots=8, outgoing=4)
        self.server_port = self.wire.port(**(sizes or {}))
        self.client = Client(self.client_port.endpoint)
        self.asking = Asking(self.client_port.endpoint, 4, None)
        self.server = Server(self.server_port.endpoint, SERVER)
        self.server_port.endpoint.role = self.server
        self.server_context = server or context("client", b"\x02", b"\x01")
        self.client_context = client or context("server", b"\x01", b"\x02")
        self.gate = Gate(
            self.server_port.endpoint,
            Contexts([self.server_context], []),
            required=(lambda m: True) if required else None,
        )
        self.value = b"21.5"
        self.asked = []
        self.resource = Resource("temp", observable=True)

        def read(m):
            self.asked.append(m.security and m.security.name)
            return self.value

        def write(m):
            self.value = bytes(m.payload())

        self.server.add(self.resource, GET=read, PUT=write, POST=write)
        self.items = []

    def send(self, method=n.GET, path="temp", way=True, **how):
        """Send a request: the datagrams that go."""
        target = uri.parse("coap://192.0.2.5/" + path)
        if way is True:
            way = Way(self.client_context)
        self.request = self.client.send(self._deliver, self.wire.now, method, target, way=way, **how)
        return self.client_port.sent()

    def _deliver(self, item):
        if item is not None:
            self.items.append(item)

    def carry(self, packets):
        """Hand these to the server, its answers to the client, and so on: all that was said."""
        said = list(packets)
        while packets:
            back = []
            for packet in packets:
                back += self.server_port.receive(packet.raw, CLIENT)
            said += back
            packets = []
            for packet in back:
                packets += self.client_port.receive(packet.raw, SERVER)
            said += packets
        return said

    def ask(self, *args, **how):
        """Send a request and carry everything: the datagrams."""
        return self.carry(self.send(*args, **how))
