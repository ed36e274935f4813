"""A client whose group requests are protected: what it takes from whom, and what it keeps."""

from asking import GROUP_URI, Asking
from groupcoap import numbers as n
from groupcoap.oscore import asking as oscore
from oscore_ends import ends, open_request, packet, response, seal_response
from wire import SERVER, SERVER2

VMS = ("cpython", "unix")


class Protected(Asking):
    """A client that has asked its group without protection, and asks it with."""

    def __init__(self):
        Asking.__init__(self, GROUP_URI, client={"cache": 4, "cache_bytes": 500}, timeout=5)
        oscore.Asking(self.port.endpoint, 4, None)
        self.context, self.server_context = ends()

    def again(self, protected):
        """End the request before, and ask anew: the request as the server sees it."""
        self.wire.advance(5000)
        self.port.sent()
        self.items.clear()
        self.send(GROUP_URI, timeout=5, way=oscore.Way(self.context) if protected else None)
        (self.sent,) = self.port.sent()
        return self.opened(self.sent) if protected else self.sent.options

    def opened(self, sent):
        """The options of a protected request; `sealed` answers it."""
        self.exchange, plain = open_request(self.server_context, sent.raw)
        return packet(plain).options

    def sealed(self, code=n.CONTENT, options=(), payload=b"sealed", peer=SERVER):
        data = response(options, code, payload, self.sent.token)
        return self.port.receive(seal_response(self.exchange, data), peer)

    def end(self):
        """Let the time for answers pass: what was delivered."""
        self.wire.advance(5000)
        return [(item.code, item.payload, item.security is not None) for item in self.items if item is not None]


def numbers(options):
    return [number for number, _ in options]


def test_what_is_kept_without_protection_is_not_for_what_has_it_nor_the_other_way():
    client = Protected()
    client.answer(options=[(n.ETAG, b"e1"), (n.MAX_AGE, b"\x3c")], payload=b"open", peer=SERVER2)
    assert numbers(client.again(False)) == [n.ETAG, n.URI_PATH]
    assert numbers(client.again(True)) == [n.URI_PATH]
    client.sealed(options=[(n.ETAG, b"e2"), (n.MAX_AGE, b"\x3c")])
    assert client.end() == [(n.CONTENT, b"sealed", True)]
    assert [value for number, value in client.again(False) if number == n.ETAG] == [b"e1"]
    assert client.end() == [(n.CONTENT, b"open", False)]


def test_a_challenge_of_nobody_known_is_not_answered():
    client = Protected()
    client.again(True)
    assert client.answer(code=n.UNAUTHORIZED, options=[(n.ECHO, b"forged")], payload=b"") == []
    assert client.end() == [(n.UNAUTHORIZED, b"", False)]
    assert client.port.sent() == []


def test_a_challenge_of_a_server_is_answered_under_protection():
    client = Protected()
    client.again(True)
    (again,) = client.sealed(code=n.UNAUTHORIZED, options=[(n.ECHO, b"value")], payload=b"")
    assert again.peer == SERVER and again.option(n.ECHO) is None
    assert (n.ECHO, b"value") in client.opened(again)
