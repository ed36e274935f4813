"""What the tests of the draft share: proxies as a configuration makes them, on a simulated wire.

Clients and servers are told by their datagrams alone. A proxy is made by the firmware's own `proxy_app`; what one
sends to another goes there at once, and is noted on the way as all that is sent. Times are ms.
"""

import importlib.util
import sys
import types
from pathlib import Path

from groupcoap import numbers as n
from groupcoap import uri
from wire import CLIENT, MULTICAST_TIMEOUT, PROXY, REPLY_FROM, Wire, datagram

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
GROUP_ETAG = 24
OUTSIDE = 50000  # port that a proxy talks to servers from
NEXT = uri.pack(b"\xc0\x00\x02\x02")  # 192.0.2.2 and .3: the next proxies of a chain
LAST = uri.pack(b"\xc0\x00\x02\x03")
R = [(n.URI_PATH, b"r")]
ALLOW = [{"client": "192.0.2.%d" % i, "groups": ["224.0.1.187"]} for i in (9, 10)]
MEMBERS = [{"group": "224.0.1.187", "servers": ["192.0.2.5", "192.0.2.6"]}]
CACHING = {"cache_bytes": 2048, "members": MEMBERS}


def _firmware(name):
    spec = importlib.util.spec_from_file_location("firmware_" + name, FIRMWARE / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.append(str(FIRMWARE))  # what `config` is made of
config = _firmware("config")
proxy_app = _firmware("proxy_app")


def outside(address):
    """The packed address that the proxy at this one sends from towards servers."""
    return uri.pack(address[:-2], OUTSIDE)


def origin(address):
    """The value of Reply-From for coap://IP:port of a packed address with a port above 255, written out."""
    port = b"" if address[-2:] == b"\x16\x33" else b"\x19" + address[-2:]
    return b"\x82\x20" + (b"\x82" if port else b"\x81") + bytes((0x40 | len(address) - 2,)) + address[:-2] + port


def sort(pairs):
    return sorted(pairs, key=lambda pair: pair[0])


def uint(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def timed(seconds, options=R):
    """Options of a request with Multicast-Timeout: to a reverse-proxy, for one."""
    return sort([(MULTICAST_TIMEOUT, uint(seconds))] + list(options))


def grouped(seconds=60, target=b"coap://224.0.1.187/r", more=()):
    """Options of a group request to a forward-proxy; seconds: T', or None for none."""
    return timed(seconds, [(n.PROXY_URI, target)] + list(more)) if seconds is not None else [(n.PROXY_URI, target)]


def single(target=b"coap://192.0.2.5/r", more=()):
    """Options of a request for a single server to a forward-proxy."""
    return sort([(n.PROXY_URI, target)] + list(more))


STOP = [(MULTICAST_TIMEOUT, b"")]  # options of an Early Stop Request


def line(packet):
    """All of a message but its Message ID, to be compared."""
    return packet.src, packet.peer, packet.kind, packet.code, packet.token, packet.options, packet.payload


class Site:
    """One forward-proxy at PROXY, or what `settings` make of it, for clients CLIENT and OTHER, and the group.

    settings: of the key "proxy" in its configuration. next_settings: makes a second one of the same mode at NEXT, that
    serves the first, which is to name it in its settings.
    """

    def __init__(self, next_settings=None, token_slots=8, **settings):
        self.wire = Wire()
        self._ports = {}  # by packed address
        self._mid = 0
        self.proxy = self.add(PROXY, token_slots, **settings)
        self.next = None
        if next_settings is not None:
            allow = [{"client": "192.0.2.1", "groups": ["224.0.1.187"]}]
            self.next = self.add(NEXT, token_slots, **dict({"allow": allow}, **next_settings))

    def add(self, address, token_slots=8, security=None, **settings):
        """Make a proxy at this packed address: its role. security: (Contexts, signature checkers, more keys)."""
        settings = dict({"allow": ALLOW, "status": False}, **settings)
        value = {"role": "proxy", "address": uri.ip_text(address[:-2]), "token_slots": token_slots, "proxy": settings}
        if security is not None:
            value["security"] = dict({"files": ["given"]}, **security[2])
        found = config.check(value)
        if security is not None:
            import protection

            protection.platform = types.SimpleNamespace(clock=lambda: self.wire.now)
            found["security"]["loaded"] = security
        node = _Node(self)
        role = proxy_app.build(node, found).role
        if security is not None:
            role = role.role  # behind its gate
        if node.started is not None:
            node.started(self.wire.now)
        return role

    def free(self, proxy=None):
        """How many of a proxy's exchanges are free?"""
        return (proxy or self.proxy).relay.upstream.tokens.free

    def send(self, src, dst, kind, code, mid=None, token=b"", options=(), payload=b""):
        """A datagram from a client or server to a proxy: all that proxies send in answer, each with `src`."""
        if mid is None:
            self._mid += 1
            mid = self._mid
        return self.deliver(datagram(kind, code, mid, token, options, payload), src, dst)

    def deliver(self, data, src=CLIENT, dst=PROXY):
        """A datagram from a client or server to a proxy: all that proxies send in answer."""
        self._ports[dst].deliver(data, src)
        return self._flow()

    def ask(self, options, kind=n.NON, code=n.GET, token=b"tok", payload=b"", client=CLIENT, to=PROXY, mid=None):
        """A client's request: all that proxies send."""
        return self.send(client, to, kind, code, mid, token, options, payload)

    def asked(self, options=None, **request):
        """A client's request that goes on and is not answered yet: the one message that goes to servers."""
        (sent,) = self.ask(grouped() if options is None else options, **request)
        return sent

    def answer(self, to, server, options=(), payload=b"21.5", code=n.CONTENT, kind=n.NON, mid=None):
        """A server's response to the message `to` of a proxy: all that proxies send."""
        return self.send(server, to.src, kind, code, to.mid if kind == n.ACK else mid, to.token, options, payload)

    def relayed(self, to, server, *args, **response):
        """A server's response that one message to the client follows: that message."""
        (sent,) = self.answer(to, server, *args, **response)
        return sent

    def empty(self, kind, to):
        """An ACK or RST of the message `to`: all that proxies send."""
        return self.send(to.peer, to.src, kind, 0, to.mid)

    def stop(self, kind=n.NON, token=b"tok", client=CLIENT):
        """An Early Stop Request: all that proxies send."""
        return self.ask(STOP, kind, token=token, client=client)

    def wait(self, span, step=50):
        """Let time pass: all that proxies send."""
        sent = []
        while span > 0:
            self.wire.advance(min(span, step))
            span -= step
            sent += self._flow()
        return sent

    def _flow(self):
        sent = []
        moving = True
        while moving:
            moving = False
            for address, port in list(self._ports.items()):
                for packet in port.sent():
                    moving = True
                    packet.src = address
                    sent.append(packet)
                    if packet.peer in self._ports:
                        self._ports[packet.peer].deliver(packet.raw, address)
        return sent

    def port(self, address, **sizes):
        self._ports[address] = port = self.wire.port(**sizes)
        return port


class _Node:
    # What proxy_app asks of a `groupcoap.net.node.Node`.
    fault = started = lost = None

    def __init__(self, site):
        self._site = site
        self.timers = site.wire.timers
        self.moved = []

    def endpoint(self, address, interface, ttl, peers, **sizes):
        if address[-2:] == b"\0\0":
            address = outside(address)
        return self._site.port(address, **sizes).endpoint


def codes(packets):
    return [packet.code for packet in packets]


def payloads(packets):
    return [packet.payload for packet in packets]


def origins(packets):
    """The values of Reply-From."""
    return [packet.option(REPLY_FROM) for packet in packets]


def acknowledgements(packets):
    return [packet for packet in packets if packet.kind == n.ACK and not packet.code]
