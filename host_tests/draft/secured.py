"""Proxies that know their clients by security contexts, and members of a group that the proxies cannot read.

The contexts are those of oscore_ends and group_ends: "alice", a client, and the servers "kitchen" and "hall" have a
group; the client that has the context `own` with the proxy is "client" there.
"""

from draft.site import Site, grouped, sort
from group_ends import GID, MANAGER, answer, group_of, take
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client
from groupcoap.oscore.asking import Asking
from groupcoap.oscore.checker import Checker
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.group import Member
from oscore_ends import ends, open_response, packet, request, response, seal_request, seal_response
from wire import CLIENT, PROXY, Wire

ALICE, KITCHEN, HALL = range(3)  # as `group_of` counts
AT = [{"client": "client", "groups": ["224.0.1.187"]}]


class Secured(Site):
    """A Site whose proxy has a context with its client. settings: of Site; security: of that table."""

    def __init__(self, allow=AT, security=(), **settings):
        self.own, served = ends(b"\x07", b"\x08", adjacent=True)
        self._count = 0
        Site.__init__(self, allow=allow, security=(Contexts([served]), [], dict(security)), **settings)

    def sealed(self, options=None, code=n.GET, payload=b"", token=b"tok"):
        """A request in the layer between client and proxy: (its Exchange, the datagram)."""
        self._count += 1
        options = grouped() if options is None else options
        return seal_request(self.own, request(options, code, payload, token, self._count))

    def ask_sealed(self, options=None, client=CLIENT, **how):
        """Such a request is sent: (its Exchange, all that the proxy sends)."""
        exchange, data = self.sealed(options, **how)
        return exchange, self.deliver(data, client)


def checked_site():
    """A Site whose proxy checks the signatures of the group."""
    hall = group_of(HALL)
    members = hall.members + [Member("hall", hall.sender_id, hall.credential)]
    checker = Checker(GID, hall.signature_key, MANAGER, (10, 10, -8, -27), members)
    return Site(security=(Contexts(), [checker], {"check_signatures": True, "required": False}))


def opened(exchange, sent):
    """What a client reads in a protected response."""
    return packet(open_response(exchange, sent.raw))


def flipped(data):
    """Copies of a datagram with an 8-byte token or none, each with a bit changed in another byte behind the token."""
    found = []
    for at in range(4 + (data[0] & 15), len(data)):
        copy = bytearray(data)
        copy[at] ^= 1 << at % 8
        copy[3] = at  # another message
        found.append(bytes(copy))
    return found


# The group, end to end


def ask_group(group, options=(), to=None, seconds=60, target=b"coap://224.0.1.187"):
    """A member's request for /r to the group: (its Exchange, what it asks a proxy: code, options, payload)."""
    plain = request(sort([(n.URI_PATH, b"r"), *options]))
    exchange, data = seal_request(group, plain, to=to)
    sent = packet(data)
    options = sort(grouped(seconds, target, sent.options))
    return exchange, {"code": sent.code, "options": options, "payload": sent.payload}


def answer_group(group, sent, options=(), payload=b"21.5", code=n.CONTENT):
    """A member's response to a request that has come from the proxy: what to give to Site.answer."""
    exchange, _ = take(group, sent.raw)
    found = packet(seal_response(exchange, response(list(options), code, payload)))
    return {"code": found.code, "options": found.options, "payload": found.payload}


def read(exchange, sent):
    """(who has sent this response, what it says)."""
    member, data = answer(exchange, sent.raw)
    return member.name, packet(data)


class Asked:
    """A client that shares a context with its proxy, and has asked it for a group's /r."""

    def __init__(self, **settings):
        self.wire = Wire()
        self.port = self.wire.port()
        self.proxy, own = reversed(ends(b"\x07", b"\x08", adjacent=True))
        Asking(self.port.endpoint, 4, None).towards[PROXY] = own
        self.items = []
        target = uri.parse("coap://224.0.1.187/r")
        client = Client(self.port.endpoint)
        client.send(self.items.append, self.wire.now, n.GET, target, proxy=PROXY, **settings)
        (self.request,) = self.port.sent()
