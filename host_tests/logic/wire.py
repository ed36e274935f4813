"""A simulated wire for tests of the protocol: a clock with timers, endpoints whose datagrams are kept, a proxy on both.

Datagrams are built and read here without the library's codec, so that a fault there cannot hide itself.
"""

import gc

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.endpoint import Endpoint
from groupcoap.parameters import Parameters
from groupcoap.timers import Timers, after, elapsed

NEAR_WRAP = 0x3FFFFFFF - 300  # ms: the clock wraps 0.3 s after a test has begun

CLIENT = uri.pack(b"\xc0\x00\x02\x09", 40000)  # 192.0.2.9:40000
OTHER = uri.pack(b"\xc0\x00\x02\x0a", 40000)
STRANGER = uri.pack(b"\xc0\x00\x02\xee", 40000)
PROXY = uri.pack(b"\xc0\x00\x02\x01")
SERVER = uri.pack(b"\xc0\x00\x02\x05")
SERVER2 = uri.pack(b"\xc0\x00\x02\x06")
GROUP = uri.pack(b"\xe0\x00\x01\xbb")  # 224.0.1.187
GROUP2 = uri.pack(b"\xe0\x00\x01\xbc")

MULTICAST_TIMEOUT = 2
REPLY_FROM = 248
MULTICAST_SIGNALING = 65000
RESPONSE_FORWARDING = 65004
UNKNOWN_SAFE = 65008  # elective, safe to forward
UNKNOWN_UNSAFE = 65010  # elective, unsafe
UNKNOWN_CRITICAL = 65001  # critical, safe to forward


def datagram(kind, code, mid, token=b"", options=(), payload=b""):
    """The bytes of a message; options: pairs (number, bytes) by rising number."""
    out = bytearray((0x40 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token
    last = 0
    for number, value in options:
        delta, more = _nibble(number - last)
        length, further = _nibble(len(value))
        out += bytes((delta << 4 | length,)) + more + further + value
        last = number
    return bytes(out + (b"\xff" + payload if payload else b""))


def _nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, bytes(((value - 269) >> 8, (value - 269) & 255))


class Packet:
    """A datagram that was sent: its fields, its receiver `peer`, and `at`, the ms since the wire began."""

    def __init__(self, raw, peer=None, at=0):
        self.raw = raw
        self.peer = peer
        self.at = at
        self.kind = raw[0] >> 4 & 3
        self.code = raw[1]
        self.mid = raw[2] << 8 | raw[3]
        i = 4 + (raw[0] & 15)
        self.token = raw[4:i]
        self.options = []
        self.payload = b""
        number = 0
        while i < len(raw):
            if raw[i] == 0xFF:
                self.payload = raw[i + 1 :]
                assert self.payload, raw  # a marker must have one behind it
                break
            delta, length = raw[i] >> 4, raw[i] & 15
            delta, i = _value(raw, delta, i + 1)
            length, i = _value(raw, length, i)
            number += delta
            self.options.append((number, raw[i : i + length]))
            i += length

    def option(self, number):
        """The value of the only option of this number, or None."""
        values = [value for found, value in self.options if found == number]
        assert len(values) < 2, values
        return values[0] if values else None

    def is_empty(self, kind, mid):
        return self.raw == datagram(kind, 0, mid)


def _value(raw, nibble, i):
    if nibble == 13:
        return raw[i] + 13, i + 1
    if nibble == 14:
        return (raw[i] << 8 | raw[i + 1]) + 269, i + 2
    return nibble, i


class Wire:
    """A clock in ms, the timers on it, and entropy: `dice` repeated, or pseudo-random bytes while that is None."""

    def __init__(self, start=NEAR_WRAP):
        self.now = start
        self.passed = 0  # ms since the start
        self.timers = Timers()
        self.dice = None
        self._seed = 1

    def entropy(self, count):
        if self.dice is not None:
            return (self.dice * count)[:count]
        out = bytearray(count)
        for i in range(count):
            self._seed = self._seed * 75 % 65537
            out[i] = self._seed & 255
        return bytes(out)

    def port(self, **sizes):
        """A new endpoint on this wire, as a `Port`."""
        return Port(self, sizes)

    def advance(self, span):
        """Let `span` ms pass; each timer runs at its own time."""
        end = after(self.now, span)
        while True:
            at = self.timers.poll_at()
            if at is None or elapsed(end, at) < 0:
                break
            self._move(at)
            self.timers.poll(self.now)
        self._move(end)

    def _move(self, to):
        step = elapsed(to, self.now)
        if step > 0:
            self.now = to
            self.passed += step


class Port:
    """An endpoint whose datagrams are kept."""

    def __init__(self, wire, sizes):
        self.wire = wire
        self._sent = []
        self.endpoint = Endpoint(self._transmit, wire.timers, wire.entropy, **sizes)
        self.endpoint.start(wire.now)

    def _transmit(self, buf, length, peer):
        self._sent.append(Packet(bytes(memoryview(buf)[:length]), peer, self.wire.passed))

    def receive(self, data, peer, group=0):
        """Hand in a datagram: what was sent in answer."""
        self.deliver(data, peer, group)
        return self.sent()

    def deliver(self, data, peer, group=0):
        """Hand in a datagram."""
        self.endpoint.receive(data, len(data), peer, group, self.wire.now)

    def sent(self):
        """What was sent since the last time, as `Packet`s."""
        sent = self._sent
        self._sent = []
        return sent


def allocated(function, times=100):
    """Bytes of heap that so many calls take; 0 where that cannot be told."""
    function()
    if not hasattr(gc, "mem_alloc"):
        return 0
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(times):
        function()
    return gc.mem_alloc() - before


class Proxied:
    """A forward-proxy between two ports: `down` towards clients, `up` towards servers; groups allowed.

    held: requests that are kept; observations: places for them, 0 for none, and origins; allow: of what `Client` takes;
    sizes: of both ports, down and up: of one.
    """

    def __init__(self, slots=4, allow=None, local=None, sizes=None, held=0, observations=0, **settings):
        from groupcoap.proxy.access import AllowList, Client
        from groupcoap.proxy.forward import ForwardProxy
        from groupcoap.proxy.relay import Relay

        self.wire = Wire()
        down, up = dict(sizes or {}), {"token_slots": slots, "parameters": Parameters(nstart=16)}
        up.update(down)
        down.update(settings.pop("down", {}))
        up.update(settings.pop("up", {}))
        self.down = self.wire.port(**down)
        self.up = self.wire.port(**up)
        self.relay = Relay(self.down.endpoint, self.up.endpoint, held or observations)
        self.observations = None
        if observations:
            from groupcoap.proxy.observing import Observations

            self.observations = Observations(self.relay, observations, settings.pop("origins", 32))
        if allow is None:
            allow = [(peer[:4], (GROUP, GROUP2), True) for peer in (CLIENT, OTHER)]
        self.local = local or Recorder(self.down.endpoint)
        rate = settings.pop("probing_rate", 0)
        if rate:
            from groupcoap.proxy.pace import Pace

            settings["pace"] = Pace(rate, self.wire.timers, [group for client in allow for group in client[1]])
        self.access = AllowList([Client(*entry) for entry in allow])
        self.forward = ForwardProxy(self.relay, self.local, self.access, PROXY, **settings)
        self.down.endpoint.role = self.forward
        self._mid = 100

    def ask(self, options, kind=n.NON, code=n.GET, token=b"tok", payload=b"", peer=CLIENT, mid=None):
        """Send a request to the proxy: what it sends back to clients at once."""
        if mid is None:
            self._mid += 1
            mid = self._mid
        return self.down.receive(datagram(kind, code, mid, token, options, payload), peer)

    def asked(self, options=None, **request):
        """Send a request that goes on: the one datagram that goes upstream."""
        self.ask(group_request() if options is None else options, **request)
        forwarded = self.up.sent()
        assert len(forwarded) == 1, forwarded
        return forwarded[0]

    def answer(self, token, mid, kind=n.NON, code=n.CONTENT, options=(), payload=b"21.5", peer=SERVER):
        """A server answers: what the proxy sends to clients at once."""
        self.up.deliver(datagram(kind, code, mid, token, options, payload), peer)
        return self.down.sent()

    def registered(self, options=None, **request):
        """Send a registration of an observation that goes on: the one datagram that goes upstream."""
        return self.asked(observing() if options is None else options, **request)

    def notify(self, token, mid, number, peer=SERVER, more=(), **answer):
        """A server notifies under this number of Observe: what the proxy sends to clients at once."""
        return self.answer(token, mid, options=[(n.OBSERVE, uint(number))] + list(more), peer=peer, **answer)

    def from_client(self, kind, mid, peer=CLIENT):
        """A client sends an empty message, ACK or RST: what the proxy sends to clients at once."""
        return self.down.receive(datagram(kind, 0, mid), peer)

    def free(self):
        return self.up.endpoint.tokens.free


class Recorder:
    """A role that notes the requests it is given and, where `payload` is set, answers them 2.05."""

    def __init__(self, endpoint, payload=b"ok"):
        self.endpoint = endpoint
        self.payload = payload
        self.requests = []  # (code, options, payload, group)
        self.repeats = 0
        self.rejections = []
        endpoint.role = self

    def request(self, m, peer, group, now):
        self.requests.append((m.code, m.options(), bytes(m.payload()), group))
        if self.payload is not None:
            self.endpoint.reply(peer, m, n.CONTENT, b"", 0, self.payload, len(self.payload))

    def repeated(self, m, peer, now):
        self.repeats += 1

    def rejected(self, peer, mid, now):
        self.rejections.append((peer, mid))


class Owner:
    """Of tokens and outgoing messages; notes what it is told."""

    def __init__(self):
        self.responses = []  # (slot, code, payload, peer)
        self.expired = []
        self.acknowledgements = []
        self.failures = []  # (ref, reset?)

    def response(self, slot, m, peer, now):
        self.responses.append((slot, m.code, bytes(m.payload()), peer))

    def token_expired(self, slot, now):
        self.expired.append(slot)

    def acknowledged(self, ref, now):
        self.acknowledgements.append(ref)

    def message_failed(self, ref, reset, now):
        self.failures.append((ref, reset))


def group_request(target=b"coap://224.0.1.187/temp", timeout=b"\x0a", more=()):
    """Options of a group request in profile 07: Multicast-Timeout, then Proxy-Uri, then `more`."""
    return [(MULTICAST_TIMEOUT, timeout), (n.PROXY_URI, target)] + list(more)


def uint(value):
    """The value of an option that is an unsigned integer."""
    return bytes([value >> 8 * i & 255 for i in (2, 1, 0) if value >> 8 * i])


def observing(value=0, target=b"coap://224.0.1.187/temp", timeout=b"\x0a", more=()):
    """Options of a group request with Observe, in profile 07; timeout None: one for a single server."""
    first = [] if timeout is None else [(MULTICAST_TIMEOUT, timeout)]
    return first + [(n.OBSERVE, uint(value)), (n.PROXY_URI, target)] + list(more)


def early_stop():
    """Options of an Early Stop Request."""
    return [(MULTICAST_TIMEOUT, b"")]
