"""The two ends of an OSCORE context, and messages as bytes, for the tests of object security."""

from groupcoap import numbers as n
from groupcoap.message import Message, Writer
from groupcoap.oscore.context import Context
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.errors import Rejected
from wire import Packet, datagram

SECRET = bytes(range(1, 17))
SALT = bytes.fromhex("9e7ca92223786340")


class Sequence:
    """Sender Sequence Numbers in RAM."""

    def __init__(self, number=0):
        self.number = number

    def take(self):
        self.number += 1
        return self.number - 1


def message(data):
    m = Message()
    m.parse(data, len(data))
    return m


def writer(size=1300):
    return Writer(bytearray(size))


def ends(client_id=b"", server_id=b"\x01", salt=SALT, client_number=20, **more):
    """A client's Context and its server's."""
    return (
        Context("server", SECRET, salt, client_id, server_id, Sequence(client_number), **more),
        Context("client", SECRET, salt, server_id, client_id, Sequence(), **more),
    )


def request(options=((n.URI_PATH, b"temp"),), code=n.GET, payload=b"", token=b"tok", mid=1):
    return datagram(n.NON, code, mid, token, options, payload)


def response(options=(), code=n.CONTENT, payload=b"21.5", token=b"tok", mid=2):
    return datagram(n.NON, code, mid, token, options, payload)


def finished(sealing, out):
    while not sealing.step():
        pass
    sealing.finish()
    return out.message()


def seal_request(context, data, **how):
    """(Exchange, protected datagram) of a plain request."""
    out = writer()
    exchange, sealing = context.seal_request(message(data), out, **how)
    return exchange, finished(sealing, out)


def seal_response(exchange, data, **how):
    """The protected datagram of a plain response."""
    out = writer()
    return finished(exchange.seal(message(data), out, **how), out)


def opened(opening):
    """(what `finish` gives, plain datagram)."""
    out = writer()
    while not opening.step():
        pass
    found = opening.finish(out)
    return found, out.message()


def open_request(contexts, data):
    if isinstance(contexts, Context):
        contexts = Contexts([contexts])
    return opened(contexts.open_request(message(data)))


def open_response(exchange, data):
    return opened(exchange.open(message(data)))[1]


def rejected(function, *arguments):
    """The Rejected that this call raises."""
    try:
        function(*arguments)
    except Rejected as error:
        return error
    raise AssertionError("taken")


def why(function, *arguments):
    """(code, text) of the Rejected that this call raises."""
    error = rejected(function, *arguments)
    return error.code, error.text


def packet(data):
    return Packet(data)
