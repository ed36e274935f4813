"""What the tests of conformance share: a server and a client at the ends of a simulated wire, told by datagrams only.

Options are pairs (number, bytes) by rising number; times are ms.
"""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client, RequestFailed
from groupcoap.server import Resource, Server
from wire import CLIENT, SERVER, Proxied, Wire, datagram

TEMP = [(n.URI_PATH, b"temp")]
LOG = [(n.URI_PATH, b"log")]
BIG = [(n.URI_PATH, b"big")]
R = [(n.URI_PATH, b"r")]
CORE = [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")]
PROXY_TARGET = [(n.PROXY_URI, b"coap://192.0.2.5/temp")]
BODY = bytes(range(256)) * 10  # of /big: 2,560 bytes, so that each of its blocks is different
LEISURE = 1000  # ms

PRECONDITION_FAILED = 0x8C  # 4.12
INCOMPLETE = 0x88  # 4.08
RESERVED = (0x20, 0x3F, 0xC0, 0xDF, 0xE0, 0xFF)  # codes of the reserved classes 1, 6 and 7


class Site:
    """A server with /temp (GET, PUT; observable, in the group), /log (POST) and /big (GET, PUT), and its port."""

    def __init__(self, leisure=LEISURE, sizes=None, **settings):
        self.wire = Wire()
        self.port = self.wire.port(**(sizes or {}))
        self.server = Server(self.port.endpoint, SERVER, **settings)
        self.port.endpoint.role = self.server
        self.server.join(leisure)
        self.value = b"21.5"
        self.body = BODY
        self.entries = []  # what was posted to /log
        self.calls = 0  # of any handler
        self.server.add(
            Resource("temp", content_format=0, max_age=30, group=True, observable=True), GET=self._read, PUT=self._write
        )
        self.server.add(Resource("log", group=True), POST=self._post)
        self.server.add(Resource("big", content_format=42, group=True), GET=self._big, PUT=self._put_big)
        self._mid = 0

    def _read(self, request):
        self.calls += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def _write(self, request):
        self.calls += 1
        self.value = bytes(request.payload())

    def _post(self, request):
        self.calls += 1
        self.entries.append(bytes(request.payload()))

    def _big(self, request):
        self.calls += 1
        return self.body

    def _put_big(self, request):
        self.calls += 1
        self.body = bytes(request.payload())

    def add(self, path, handler, method="GET", **attributes):
        self.server.add(Resource(path, **attributes), **{method: handler})

    def receive(self, data, peer=CLIENT, group=0):
        """Hand in the bytes of a datagram: what is sent in answer at once."""
        return self.port.receive(data, peer, group)

    def ask(self, options=TEMP, kind=n.CON, code=n.GET, payload=b"", mid=None, peer=CLIENT, group=0, token=b"tk"):
        """Send a request: what is sent in answer at once."""
        if mid is None:
            self._mid += 1
            mid = self._mid
        return self.receive(datagram(kind, code, mid, token, options, payload), peer, group)

    def answer(self, *args, **request):
        """The one message that is sent in answer to a request at once."""
        (sent,) = self.ask(*args, **request)
        return sent

    def code(self, *args, **request):
        return self.answer(*args, **request).code

    def ask_group(self, options=TEMP, span=2 * LEISURE, group=1, **request):
        """Send a group request: what is sent in answer within `span`."""
        sent = self.ask(options, n.NON, group=group, **request)
        return sent + self.wait(span)

    def wait(self, span):
        """What is sent within `span`."""
        self.wire.advance(span)
        return self.port.sent()

    # Observe

    def observe(self, options=TEMP, token=b"ob", value=b"", **request):
        """Ask to observe a resource: the one message in answer."""
        options = [(n.OBSERVE, value)] + list(options)
        return self.answer(sorted(options, key=lambda pair: pair[0]), token=token, **request)

    def change(self, value, span=10000, acknowledge=True):
        """Give /temp a new value: the notifications sent within `span`; Confirmable ones are acknowledged at once."""
        self.value = value
        self.server.changed("temp", self.wire.now)
        sent = self.port.sent()
        while span > 0:
            self.wire.advance(100)
            span -= 100
            for packet in self.port.sent():
                sent.append(packet)
            if acknowledge:
                self.acknowledge(sent)
        return sent

    def acknowledge(self, sent):
        """Acknowledge each Confirmable message in `sent`."""
        for packet in sent:
            if packet.kind == n.CON:
                self.receive(datagram(n.ACK, 0, packet.mid), packet.peer)

    # Block-wise

    def put(self, num, more, szx, payload, options=BIG, **request):
        """Send one block of a Block1 transfer: the code of the answer."""
        options = sorted(list(options) + [block(n.BLOCK1, num, more, szx)], key=lambda pair: pair[0])
        return self.answer(options, code=n.PUT, payload=payload, **request)

    def get(self, num, szx, options=BIG, more=False, **request):
        """Ask for one block by Block2: the answer."""
        options = sorted(list(options) + [block(n.BLOCK2, num, more, szx)], key=lambda pair: pair[0])
        return self.answer(options, **request)


class Asking:
    """A client with one request under way: `request`, the datagram that was sent, and `items`, what was delivered.

    handle: what `Client.send` has given back.
    """

    def __init__(self, target="coap://192.0.2.5/temp", method=n.GET, sizes=None, client=None, **settings):
        self.wire = Wire()
        self.port = self.wire.port(**(sizes or {}))
        self.client = Client(self.port.endpoint, **(client or {}))
        self.items = []
        self.handle = self.send(target, method, **settings)
        (self.request,) = self.port.sent()
        self._mid = 1000

    def send(self, target="coap://192.0.2.5/temp", method=n.GET, **settings):
        if isinstance(target, str):
            target = uri.parse(target)
        return self.client.send(self.items.append, self.wire.now, method, target, **settings)

    def answer(
        self, kind=n.ACK, code=n.CONTENT, options=(), payload=b"21.5", mid=None, token=None, peer=SERVER, to=None
    ):
        """Hand in a response to the datagram `to`, by default the first request: what is sent in answer."""
        to = to or self.request
        if mid is None:
            self._mid += 1
            mid = to.mid if kind == n.ACK else self._mid
        if token is None:
            token = to.token
        return self.port.receive(datagram(kind, code, mid, token, options, payload), peer)

    def acknowledge(self, peer=SERVER):
        """Hand in the empty ACK of the request: what is sent in answer."""
        return self.port.receive(datagram(n.ACK, 0, self.request.mid), peer)

    def wait(self, span):
        """What is sent within `span`."""
        self.wire.advance(span)
        return self.port.sent()

    @property
    def responses(self):
        """The responses delivered, without what tells the end."""
        return [item for item in self.items if item is not None and not isinstance(item, RequestFailed)]

    @property
    def failed(self):
        return any(isinstance(item, RequestFailed) for item in self.items)


def serving(handler, method="GET", **attributes):
    """A site with one more resource: /r."""
    site = Site()
    site.add("r", handler, method, **attributes)
    return site


def raising(error):
    """A handler that raises this."""

    def handler(request):
        raise error

    return handler


def slow_proxy():
    """A proxy that has forwarded and acknowledged a CON request with Message ID 7: it, and what went upstream."""
    proxy = Proxied()
    forwarded = proxy.asked(PROXY_TARGET, kind=n.CON, mid=7)
    proxy.wire.advance(1900)
    (ack,) = proxy.down.sent()
    assert ack.is_empty(n.ACK, 7)
    return proxy, forwarded


class SlowSite(Site):
    """A site with /r, async, whose GET and POST take until `end`; `runs` are those that have begun."""

    def __init__(self):
        Site.__init__(self)
        self.runs = []
        self.server.spawn = lambda coroutine, done: self.runs.append((coroutine, done))
        self.server.add(Resource("r"), GET=self._slow, POST=self._slow)

    async def _slow(self, request):
        return b"late"

    def end(self):
        """Let the oldest run end: what is sent at once."""
        coroutine, done = self.runs.pop(0)
        try:
            coroutine.send(None)
        except StopIteration as end:
            done(end.value, self.wire.now)
        return self.port.sent()


def block(number, num, more, szx):
    """A block option (RFC 7959 §2.2) as a pair."""
    value = num << 4 | more << 3 | szx
    return number, value.to_bytes((value.bit_length() + 7) // 8, "big")


def read_block(packet, number):
    """(NUM, M, SZX) of a block option in a packet, or None."""
    value = packet.option(number)
    if value is None:
        return None
    value = int.from_bytes(value, "big")
    return value >> 4, bool(value & 8), value & 7


def uint(value):
    """The value of an option as an unsigned integer; None stays None."""
    return None if value is None else int.from_bytes(value, "big")
