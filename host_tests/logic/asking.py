"""A client on a simulated wire with a request of its, for the tests of the client role."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client, RequestFailed
from wire import PROXY, SERVER, Wire, datagram

SERVER_URI = "coap://192.0.2.5/temp?a=b"
GROUP_URI = "coap://224.0.1.187/temp"


class Asking:
    """A client, one request of it and what was delivered."""

    def __init__(self, target=SERVER_URI, method=n.GET, sizes=None, client=None, **settings):
        self.wire = Wire()
        self.port = self.wire.port(**(sizes or {}))
        self.client = Client(self.port.endpoint, **(client or {}))
        self.items = []
        self.request = self.send(target, method, **settings)
        (self.sent,) = self.port.sent()

    def send(self, target, method=n.GET, **settings):
        return self.client.send(self.items.append, self.wire.now, method, uri.parse(target), **settings)

    def answer(self, kind=n.NON, code=n.CONTENT, mid=99, options=(), payload=b"21.5", peer=SERVER, token=None):
        """Hand in a response: what is sent in answer."""
        return self.port.receive(datagram(kind, code, mid, token or self.sent.token, options, payload), peer)

    def free(self):
        return self.port.endpoint.tokens.free

    def over(self):
        """Is the exchange over, and its slot free?"""
        return self.free() == 16 and (self.items[-1] is None or isinstance(self.items[-1], RequestFailed))

    def reply(self, code=n.CONTENT, options=(), payload=b"", peer=None):
        """Answer the last request on its ACK: the next one that goes out, which is `sent` from then on."""
        sent = self.sent
        found = self.port.receive(datagram(n.ACK, code, sent.mid, sent.token, options, payload), peer or sent.peer)
        assert len(found) < 2, found
        if found:
            self.sent = found[0]
            assert (self.sent.mid, self.sent.token) != (sent.mid, sent.token)
        return found[0] if found else None

    def failed(self):
        """Has the only request failed, and is all free again?"""
        return len(self.items) == 1 and isinstance(self.items[0], RequestFailed) and self.free() == 16


def through(target=GROUP_URI, **settings):
    return Asking(target, proxy=PROXY, **settings)
