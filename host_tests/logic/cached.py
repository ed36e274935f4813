"""A proxy with a cache on a simulated wire, for the tests of what it stores and serves."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.proxy.cache import Cache
from groupcoap.proxy.caching import Caching
from groupcoap.proxy.members import Members
from wire import (
    GROUP,
    MULTICAST_TIMEOUT,
    SERVER,
    SERVER2,
    Proxied,
    datagram,
)

GROUP_ETAG = 24
GROUP_URI = b"coap://224.0.1.187/temp"
SERVER_URI = b"coap://192.0.2.5/temp"
TEMP = [(n.URI_PATH, b"temp")]
SERVER3 = uri.pack(b"\xc0\x00\x02\x07")
UNKNOWN_ETAG = (n.ETAG, b"nobody's")


def origin(server):
    return b"\x82\x20\x81\x44" + server[:4]


def asking(options=(), timeout=b"\x0a", target=GROUP_URI):
    """Options of a group request, with more of them by any number."""
    found = [(MULTICAST_TIMEOUT, timeout), (n.PROXY_URI, target)] + list(options)
    return sorted(found, key=lambda pair: pair[0])  # stable on every VM: no two of the same number but in order


def individual(options=(), target=SERVER_URI):
    return sorted([(n.PROXY_URI, target)] + list(options), key=lambda pair: pair[0])


class Cached:
    """A proxy with a cache that knows the members of a group, unless `members` is None."""

    def __init__(self, members=(SERVER, SERVER2), size=2048, places=16, slots=4, held=4, **settings):
        self.p = p = Proxied(slots, held=held, **settings)
        self.wire = p.wire
        self.cache = Cache(size, places, slots, 6, p.wire.timers, p.wire.entropy)
        self.known = {} if members is None else {GROUP: members}
        self.caching = Caching(p.relay, self.cache, None if members is None else Members(self.known))
        self._mid = 1000

    def ask(self, options=None, **request):
        """Send a request: (what clients get at once, what goes upstream)."""
        found = self.p.ask(asking() if options is None else options, **request)
        return found, self.p.up.sent()

    def asked(self, options=None, **request):
        """Send a group request that goes on, and has no answer yet but an ACK: what goes upstream."""
        found, sent = self.ask(options, **request)
        assert len(sent) == 1 and [p.code for p in found if p.code] == [], (found, sent)
        return sent[0]

    def answer(self, sent, peer=SERVER, **response):
        """A server answers a request: what clients get."""
        self._mid += 1
        return self.p.answer(sent.token, self._mid, peer=peer, **response)

    def piggyback(self, sent, peer=SERVER, code=n.CONTENT, options=(), payload=b"21.5"):
        """A server answers a CON on its ACK: what clients get."""
        self.p.up.deliver(datagram(n.ACK, code, sent.mid, sent.token, options, payload), peer)
        return self.p.down.sent()

    def pass_time(self, span):
        """Let so many ms pass: what clients get."""
        self.wire.advance(span)
        return self.p.down.sent()

    def fill(self, servers=(SERVER, SERVER2), options=None, wait=11000, more=(), **request):
        """Have these servers' responses by a group request, and let its time pass. more: what each says."""
        sent = self.asked(options, **request)
        for i in range(len(servers)):
            response = more[i] if i < len(more) else {}
            assert len(self.answer(sent, servers[i], **response)) == 1
        self.pass_time(wait)
        assert self.p.up.sent() == []

    def full(self, options=None, **request):
        """What clients get for a request that nothing goes upstream for; [] where something did."""
        found, sent = self.ask(options, **request)
        return [] if sent else found


def responses(packets):
    return [p for p in packets if p.code]


def payloads(packets):
    return [bytes(p.payload) for p in packets]


def stale(**settings):
    """A proxy whose entries, with ETags "1" and "2", are stale."""
    c = Cached(**settings)
    c.fill(more=({"options": [(n.ETAG, b"1")]}, {"options": [(n.ETAG, b"2")]}), wait=61000)
    return c
