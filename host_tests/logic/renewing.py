"""Two endpoints, each client and server, that share a Master Secret and derive their keys anew after each restart.

Every (key, nonce) that anybody encrypts with is noted: a second use fails.
"""

import hashlib

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client, RequestFailed
from groupcoap.oscore import aead, rederive
from groupcoap.oscore import context as context_module
from groupcoap.oscore.asking import Way
from groupcoap.oscore.context import Context
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.gate import Gate
from groupcoap.oscore.option import parse
from groupcoap.oscore.rederive import Rederiving
from groupcoap.parameters import Parameters
from groupcoap.server import Resource, Server
from oscore_ends import SALT, SECRET, Sequence
from wire import SERVER, SERVER2, Packet, Wire

A_ID = b"\x01"
B_ID = b"\x02"

_used = set()  # (key, nonce)
_ccm = aead.algorithm(10)


class _Noting(_ccm):
    """An AEAD that notes what it encrypts with."""

    def __init__(self, key):
        _ccm.__init__(self, key)
        self.noted = bytes(key)

    def seal(self, nonce, aad, buf, at, length):
        used = (self.noted, bytes(nonce))
        assert used not in _used, used
        _used.add(used)
        return _ccm.seal(self, nonce, aad, buf, at, length)


class _Noted(Context):
    """What makes derived contexts, and theirs alone, use that."""

    def __init__(self, *arguments):
        usual = context_module.aead_of
        context_module.aead_of = lambda algorithm: _Noting
        try:
            Context.__init__(self, *arguments)
        finally:
            context_module.aead_of = usual


rederive.Context = _Noted


def used():
    """How many (key, nonce) were used since the last `Ends` was made."""
    return len(_used)


class Node:
    """One end, at `address`; `boot` is its restart, in which all that it knew is lost."""

    def __init__(self, ends, address, other, own_id, other_id):
        self.ends = ends
        self.address = address
        self.other = other
        self.ids = (own_id, other_id)
        self.boot()

    def boot(self):
        self.port = self.ends.wire.port(token_slots=8, outgoing=8, parameters=Parameters(nstart=4))
        endpoint = self.port.endpoint
        self.client = Client(endpoint)
        self.server = Server(endpoint, self.address)
        endpoint.role = self.server
        self.gate = Gate(endpoint, None, required=lambda m: True)
        self.forget()
        self.value = b"21.5"
        self.asked = []  # what the resource was asked for
        self.items = []
        self.resource = Resource("temp", observable=True)
        self.server.add(self.resource, GET=self._read, PUT=self._write)

    def forget(self):
        """Lose the keys only."""
        self.context = Rederiving("other", SECRET, SALT, self.ids[0], self.ids[1], self.ends.entropy)
        self.gate.contexts = Contexts([self.context])

    def _read(self, m):
        self.asked.append(m.code)
        return self.value

    def _write(self, m):
        self.asked.append(m.code)
        self.value = bytes(m.payload())

    def send(self, method=n.GET, **how):
        """Send a request: the datagrams that go."""
        target = uri.parse("coap://%s/temp" % uri.ip_text(self.other[:-2]))
        way = how.pop("way", None) or Way(self.context)
        self.client.send(self._deliver, self.ends.wire.now, method, target, way=way, **how)
        return self.port.sent()

    def _deliver(self, item):
        if item is not None:
            self.items.append(item)

    def receive(self, packet):
        """Take a datagram of the other's: what is sent in answer."""
        return self.port.receive(packet.raw if isinstance(packet, Packet) else bytes(packet), self.other)

    def answers(self):
        """The payloads that have come, and what has not; they are then taken out."""
        found = [item if isinstance(item, RequestFailed) else (item.code, item.payload) for item in self.items]
        self.items = []
        return found

    def state(self):
        """All that a run can change."""
        context = self.context
        return context.current, context.pending, context._key


class Ends:
    """The two, `a` and `b`, with a wire between them."""

    def __init__(self):
        _used.clear()
        self.wire = Wire()
        self._drawn = 0
        self.a = Node(self, SERVER2, SERVER, A_ID, B_ID)
        self.b = Node(self, SERVER, SERVER2, B_ID, A_ID)

    def entropy(self, count):
        self._drawn += 1
        return hashlib.sha256(b"%d" % self._drawn).digest()[:count]

    def carry(self, packets, lost=()):
        """Hand these to whom they are for, and what they say to that, and so on: all that was said.

        lost: the numbers of those that do not arrive.
        """
        said = []
        queue = list(packets)
        while queue:
            packet = queue.pop(0)
            said.append(packet)
            if len(said) - 1 not in lost:
                queue += (self.b if packet.peer == SERVER else self.a).receive(packet)
        return said

    def wait(self, seconds):
        """Let time pass, in which everything that is sent arrives."""
        for _ in range(seconds):
            self.wire.advance(1000)
            self.carry(self.a.port.sent() + self.b.port.sent())

    def run(self, method=n.GET, **how):
        """A request of a, with all that it takes: the datagrams."""
        return self.carry(self.a.send(method, **how))


def kid_context(packet):
    """The kid context of a protected message, or None."""
    return parse(bytes(packet.option(n.OSCORE)))[1]


def wrapped(data):
    """A byte string in CBOR."""
    return (bytes((0x40 | len(data),)) if len(data) < 24 else bytes((0x58, len(data)))) + data


def plain(sender, recipient, id_context, number=0, said=None):
    """A plain Context: the keys that RFC 8613 §3.2 says that this ID Context has. said: its kid context, if another."""
    found = Context("plain", SECRET, SALT, sender, recipient, Sequence(number), id_context)
    if said is not None:
        found.kid_context = said
    return found


def with_value(packet, value):
    """The datagram with another value of its OSCORE option."""
    from wire import datagram

    options = [(number, value if number == n.OSCORE else old) for number, old in packet.options]
    return datagram(packet.kind, packet.code, packet.mid, packet.token, options, packet.payload)
