"""A proxy whose clients are known by the security contexts that their requests come in."""

from groupcoap import numbers as n
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.gate import Gate
from groupcoap.proxy.local import Local
from oscore_ends import ends, open_response, packet, request, seal_request
from wire import CLIENT, GROUP, Proxied, group_request

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

CORE = [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")]


class Site:
    """A proxy with a gate, for a client with the name "client"."""

    def __init__(self, exchanges=4, allow=("client",), **how):
        self.own, served = ends(b"\x07", b"\x08", adjacent=True)
        self.proxy = Proxied(allow=[(name, (GROUP,), True) for name in allow], **how)
        self.proxy.forward.local = Local(self.proxy.down.endpoint)
        down = self.proxy.down.endpoint
        self.gate = Gate(down, Contexts([served]), exchanges, required=lambda m: True, relays=True)
        self._count = 0

    def ask(self, options, **how):
        """A protected request: (its Exchange, what the proxy sends back)."""
        self._count += 1
        token = b"%d" % self._count
        exchange, data = seal_request(self.own, request(options, token=token, mid=self._count, **how))
        return exchange, self.proxy.down.receive(data, CLIENT)


def codes(exchange, sent):
    """The codes of the protected responses."""
    return [packet(open_response(exchange, each.raw)).code for each in sent]


def test_more_requests_than_places_for_their_protection():
    site = Site(exchanges=3)
    for _ in range(8):  # those that are answered give their places away
        assert codes(*site.ask(CORE)) == [n.CONTENT]
    for _ in range(3):
        assert site.ask(group_request())[1] == []
        assert site.proxy.up.sent()[0].peer == GROUP
    assert codes(*site.ask(CORE)) == [n.SERVICE_UNAVAILABLE]  # these three still get answers
    assert site.gate.unbound == 0 and site.gate.crowded == 1


def test_a_proxy_without_keys_relays_more_protected_requests_than_it_keeps_answers():
    """One that comes again is told by its sequence number, so that a younger request may have its place."""
    proxy = Proxied(down={"kept_answers": 4})
    for kind in (n.CON, n.NON):
        for i in range(12):
            mid = kind << 8 | i
            options = [(n.OSCORE, b"\x09\x01\x05"), (n.PROXY_URI, b"coap://192.0.2.5")]
            sent = proxy.ask(options, kind, n.POST, b"%d" % i, b"sealed", mid=mid)
            assert sent == [], (kind, i)
            (forwarded,) = proxy.up.sent()
            assert proxy.ask(options, kind, n.POST, b"%d" % i, b"sealed", mid=mid) == proxy.up.sent() == []
            (answer,) = proxy.answer(forwarded.token, forwarded.mid, n.ACK if kind == n.CON else n.NON)
            assert answer.token == b"%d" % i
