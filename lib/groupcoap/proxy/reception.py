"""How a proxy receives requests: what is for itself, what ends an exchange, and what is refused.

What is to be forwarded, and how, is a matter of the roles made of this: `forward.ForwardProxy`, `reverse.ReverseProxy`.
"""

from .. import numbers as n
from .. import options
from ..errors import NotFound, RequestEntityTooLarge, ResponseError, ServiceUnavailable, Unauthorized
from ..message import Message, encoded, insert, rewrite, uint_bytes
from .exchanges import GROUP, SILENT, UNICAST_ACKED
from .target import names_target

_TARGETS = (n.URI_HOST, n.URI_PORT, n.URI_PATH, n.URI_QUERY, n.URI_PATH_ABBREV)


class Reception:
    """The role of the endpoint `down` that clients talk to. local: the role for what is addressed to the proxy itself;
    access: an `AllowList`.

    A class made of it has target(m, peer, client), the `Target` of a request or None where it is for the proxy itself,
    and _proxy(m, peer, client, target, now, repeated), which forwards it. Both may raise a ResponseError.
    """

    def __init__(self, relay, local, access, address, down):
        self.relay = relay
        relay.roles.append(self)
        self.local = local
        self.access = access
        self.address = address
        self.down = down or relay.downstream
        self.private = None  # hash of the path that only clients on the allow-list may ask for
        self.refusals = {}  # by response code
        self._timeout = options.number(options.MULTICAST_TIMEOUT)

    def move(self, old, new):
        """Be at the packed own address `new`, if until now it was `old` (Node.moved)."""
        if self.address == old:
            self.address = new

    def request(self, m, peer, group, now, repeated=False):
        """Take a request (Endpoint's role)."""
        if group:
            return  # a proxy is no member of a group
        if m.code == n.GET and options.uint(m, self._timeout) == 0 and self._early_stop(m, peer, now):
            return
        client = self.access.identify(m, peer)
        otherwise = "target"
        try:
            target = self.target(m, peer, client)
            otherwise = "request"
            if target is None:
                self._local(m, peer, client, now)
            elif target.address == self.address and target.group is None:
                self._for_itself(m, peer, client, now, target)
            else:
                self._proxy(m, peer, client, target, now, repeated)
        except ResponseError as e:
            if client is not None:
                client.refused += 1
            reasons = self.access.reasons
            reason = e.reason or otherwise
            reasons[reason] = reasons.get(reason, 0) + 1
            self._refuse(m, peer, e, now)

    def repeated(self, m, peer, now):
        """Take an idempotent Confirmable request that comes again (Endpoint's role)."""
        slot = self.relay.find(m, peer, self.down)
        if slot >= 0 and self.relay.mids[slot] == m.mid() and not self.relay.answered(slot):
            self._repeated_open(m, peer, slot)
            return
        place = self.down.kept.find(peer, m.mid())
        if place >= 0:
            self.down.kept.repeat(place, self.down.transmit, peer)
            return
        self.request(m, peer, 0, now, True)

    def holds(self, m, peer):
        """Are answers to a request of this peer with the token of m still to come? (Endpoint's role)"""
        return self.relay.find(m, peer, self.down) >= 0 or self.local.holds(m, peer)

    def rejected(self, peer, mid, now):
        """Take a Reset of a Non-confirmable message: the client wants no more of that exchange (Endpoint's role)."""
        slot = self.relay.relayed_as(self.down, peer, mid)
        if slot >= 0:
            self.relay.stop(slot, now)
        else:
            self.local.rejected(peer, mid, now)

    def unknown_stop(self):
        """Is an Early Stop Request one even where no exchange has its token? To a forward-proxy it is."""
        return True

    def _repeated_open(self, m, peer, slot):
        # Its exchange is open: there is an ACK to say again, or one to come.
        if m.type() == n.CON and self.relay.kinds[slot] in (GROUP, SILENT, UNICAST_ACKED):
            self.down.acknowledge(m, peer)

    def _early_stop(self, m, peer, now):
        # An Early Stop Request has an ACK and nothing else (§5.1.3, §5.2.3).
        if names_target(m):
            return False
        for number in _TARGETS:
            if m.find(number) >= 0:
                return False
        slot = self.relay.find(m, peer, self.down)
        if slot < 0 and not self.unknown_stop():
            return False
        if slot >= 0:
            self.relay.stop(slot, now)
        if m.type() == n.CON:
            self.down.acknowledge(m, peer)
        return True

    def _acknowledge(self, m, peer):
        # The answers to a group request come later.
        if m.type() == n.CON:
            self.down.acknowledge(m, peer)

    def _local(self, m, peer, client, now):
        if self.down is not self.relay.downstream:  # from where `local` answers
            raise NotFound()
        if client is None and m.path == self.private:
            raise Unauthorized("not allowed here", None, "client")
        self.local.request(m, peer, 0, now)

    def _for_itself(self, m, peer, client, now, target):
        # Proxy-Uri and its like name the proxy: a local request, with the target's path and query in Uri-* options.
        out = self.relay.upstream.out
        out.begin(m.type(), m.code, m.mid(), m.buf, 4, m.buf[0] & 15)
        try:
            rewrite(out, m, target.drop, target.put)
        except ValueError:
            raise RequestEntityTooLarge("more than %d bytes" % out.size)
        inner = Message()
        datagram = out.message()
        inner.parse(datagram, len(datagram))
        inner.security = m.security
        self._local(inner, peer, client, now)

    def _refuse(self, m, peer, error, now):
        self.refusals[error.code] = self.refusals.get(error.code, 0) + 1
        pairs = []
        timeout = getattr(error, "timeout", None)
        if timeout is not None:
            pairs.append((self._timeout, uint_bytes(timeout)))
        if error.max_age is not None:
            insert(pairs, n.MAX_AGE, uint_bytes(error.max_age))
        self.answer(m, peer, now, error.code, pairs, str(error).encode())

    def answer(self, m, peer, now, code, pairs, payload=b""):
        """Answer this request at once, and so again when it comes again. pairs: options (number, bytes)."""
        written = encoded(pairs)
        end = self.down.reply(peer, m, code, written, len(written), payload, len(payload))
        if m.type() == n.CON and m.code in (n.GET, n.FETCH) and m.security is None:
            # The endpoint keeps the answer to others
            kept = self.down.kept
            place = kept.enter(peer, m.mid(), True, self.down.parameters.exchange_lifetime, now)
            if place >= 0:
                kept.keep(place, self.down.buf, end)

    def _busy(self, now, text, reason):
        return ServiceUnavailable(text, max(1, -(-self.relay.upstream.tokens.remaining(now) // 1000)), reason)
