"""Between an endpoint's messages and its role: opens what comes protected, protects what goes (RFC 8613 §8).

The role sees plain messages only, each with `security`: who it is from. What answers a request is protected by the
layers that the request came in, innermost first, and never goes out without them: where they are not known any more,
nothing is sent.
"""

from micropython import const

from .. import numbers as n
from ..hot import answer, copy, same
from ..message import encoded
from .asking import Asking
from .errors import Rejected, replayed

_SEEN = const(2)
_OSCORE = const(1 << 9)
_BLOCKS = const(1 << 23 | 1 << 27)
_CON = const(0)
_ONCE = const(1)  # see `endpoint`
_HEAD = const(12)  # bytes
_LAYERS = const(2)  # that are taken off a request (draft-ietf-core-oscore-capable-proxies §2.1)
_PROXY = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
_STALE = ((n.MAX_AGE, b""),)  # an error of the protection is not to be cached (RFC 8613 §8.2)
_LATER = ((n.MAX_AGE, b"\x05"),)  # s after which a request that there was no place for may come again


class _Head:
    # The header and token of a request, as much of a Message as a role needs to find it by.
    buf = bytearray(_HEAD)


_head = _Head()


def _names(layers):
    # By whom these layers are, as long as he is who he is: keys and contexts may be others each time.
    return [(exchange.context.name, exchange.name) for exchange in layers]


class Gate(Asking):
    """The gate of `endpoint`, which has its role. contexts: a `Contexts`, or None where nothing comes protected.

    exchanges: requests at a time whose responses are still to come; jobs: messages at a time that wait for a signature.
    clock(): ms, by which those are worked on in slices, or None: each at once. required(m): is a request that came
    unprotected refused by 4.01? None: no. relays: is the role a proxy? stranger: what is protected by contexts unknown
    here goes to it, as it may be for somebody behind it. freshness: a `freshness.Challenges`, where requests have to be
    told from replays after a restart.
    """

    def __init__(
        self,
        endpoint,
        contexts,
        exchanges=16,
        jobs=4,
        clock=None,
        required=None,
        relays=False,
        stranger=False,
        freshness=None,
    ):
        Asking.__init__(self, endpoint, jobs, clock)
        self.contexts = contexts
        self.required = required
        self.relays = relays
        self.stranger = stranger
        self.freshness = freshness
        self.pairwise_answers = False  # are requests in group mode answered in pairwise mode?
        self.role = endpoint.role
        self.unbound = 0  # responses that were not sent, since it is not known how they are to be protected
        self._in_pieces = None  # an `outer_blocks.Pieces`, from the first outer Block option on
        self._peers = [None] * exchanges  # of the requests
        self._heads = bytearray(_HEAD * exchanges)  # their headers and tokens
        self._bound = [()] * exchanges  # the Exchanges that answers go through, innermost first
        endpoint.role = self
        endpoint.routes = bytearray(endpoint.routes)
        endpoint.routes[n.FETCH] = _ONCE  # a protected one that comes again would be a replay: its answer is kept
        endpoint.receive = endpoint.make_receive()

    def request(self, m, peer, group, now):
        """Take a request (Endpoint's role)."""
        self.now = now
        if self._is_for_here(m):
            if m.fields[_SEEN] & _BLOCKS:
                whole, outcome = self._pieces().take(m, peer, group, now)
                if whole is None:
                    return self._answer(m, peer, group, (), *outcome)
                m = whole
            return self._open(m, peer, group, (), now)
        if self._bare(m, peer, group):
            return self._hand(m, peer, group, (), now)
        return False

    def repeated(self, m, peer, now):
        """Take an idempotent Confirmable request that comes again (Endpoint's role)."""
        self.now = now
        if self._is_for_here(m):  # the answer to a whole one is kept, or lost
            outcome = self._pieces().again(m, peer) if m.fields[_SEEN] & _BLOCKS else None
            if outcome is not None:
                self._answer(m, peer, 0, (), *outcome)
        elif self._bare(m, peer, 0) and not self._is_anothers(m, peer, ()) and self._bind(m, peer, ()):
            self.role.repeated(m, peer, now)

    def rejected(self, peer, mid, now):
        """Take a Reset of a Non-confirmable message (Endpoint's role)."""
        self.role.rejected(peer, mid, now)

    def _pieces(self):
        if self._in_pieces is None:
            from .outer_blocks import Pieces

            self._in_pieces = Pieces(self.endpoint, self.contexts)
        return self._in_pieces

    def _is_for_here(self, m):
        # Is a layer to be taken off this request here? What is to be forwarded is, first
        # (draft-ietf-core-oscore-capable-proxies §2.3).
        if not m.fields[_SEEN] & _OSCORE:
            return False
        for number in _PROXY:
            if m.find(number) >= 0:
                return False
        return not self.stranger or self.contexts.knows(m)

    def _bare(self, m, peer, group):
        # May this request come without protection? If not, it is refused.
        if self.required is None or not self.required(m):
            return True
        self.refused += 1
        self._answer(m, peer, group, (), n.UNAUTHORIZED, (), b"protection required")
        return False

    def _open(self, m, peer, group, layers, now):
        # Take off one layer more than those that are off.
        if len(layers) == _LAYERS:
            return self._answer(m, peer, group, layers, n.UNAUTHORIZED, (), b"too many layers")
        job = self._jobs.take()
        done = None
        if job is not None:
            job.copy(m, peer, group)
            job.layers = layers
            job.ready = self._opened
            try:
                job.work = job.opening = self.contexts.open_request(job.message)
            except Rejected as e:
                return self._reject(m, peer, group, layers, e)
            done = self._jobs.run(job, now)
        if done is None:
            self.crowded += 1
            return self._answer(m, peer, group, layers, n.SERVICE_UNAVAILABLE, _LATER)
        if not done and m.type() == _CON and not group:
            # Its response will be a message of its own, as if it had been Non-confirmable (RFC 7252 §5.2.2).
            endpoint = self.endpoint
            endpoint.acknowledge_request(m.mid(), peer)
            if endpoint.keeping >= 0:
                endpoint.kept.keep(endpoint.keeping, endpoint.buf, 4)
            job.buf[0] |= 0x10

    def _opened(self, job, now):
        self.now = now
        peer, group, layers = job.peer, job.group, job.layers
        try:
            exchange = job.opening.finish(self._inner)
        except Rejected as e:
            if e.exchange is not None:  # it was opened, and is refused by who opened it
                layers = (e.exchange,) + layers
            self._reject(job.message, peer, group, layers, e)
            return
        finally:
            job.free()
        if job.message.fields[_SEEN] & _BLOCKS:
            exchange.outer_blocks = self._pieces().asked(job.message, peer)
        layers = (exchange,) + layers
        exchange.pairwise = self.pairwise_answers and exchange.context.pairwise
        m = self._plain
        m.parse(self._inner.buf, self._inner.end)
        m.security = exchange
        if not exchange.fresh:
            try:
                if self.freshness is None:  # there is no way to ask
                    raise replayed()
                value = self.freshness.challenge(m, exchange, now)
            except Rejected as e:  # or fresh, but one of its number or a greater one was before it
                self._reject(m, peer, group, (), e)
                return
            if value is not None:
                return self._challenge(m, peer, group, layers, value, now)
        if self._is_for_here(m):
            if exchange.context.signs:  # a group's layer is the innermost one
                self._answer(m, peer, group, layers, n.UNAUTHORIZED, (), b"too many layers")
                return
            self._open(m, peer, group, layers, now)
        else:
            self._hand(m, peer, group, layers, now)

    def _challenge(self, m, peer, group, layers, value, now):
        # Let the sender say the request again with this value (RFC 8613 Appendix B.1.2, RFC 9175 §2.3).
        exchange = layers[0]
        exchange.pairwise = exchange.context.pairwise  # so that the client says it again to this server alone
        if not group:
            self._answer(m, peer, 0, layers, n.UNAUTHORIZED, ((n.ECHO, value),))
        elif not self._is_anothers(m, peer, layers) and self._bind(m, peer, layers):
            self.role.groups.answer(m, peer, group, (n.UNAUTHORIZED, ((n.ECHO, value),), b""), now)

    def _hand(self, m, peer, group, layers, now):
        # Give a request to the role, knowing how its answers are to be protected.
        if m.code > n.IPATCH:  # as the endpoint does with what comes unprotected
            return self._answer(m, peer, group, layers, n.METHOD_NOT_ALLOWED)
        if self._is_anothers(m, peer, layers):
            self.refused += 1
            return False  # an answer would be one to the other
        if not self._bind(m, peer, layers):
            return self._answer(m, peer, group, layers, n.SERVICE_UNAVAILABLE, _LATER)
        return self.role.request(m, peer, group, now)

    def _is_anothers(self, m, peer, layers):
        # Is its token that of a request which has answers to come, and which somebody else has protected, or which came
        # protected where this did not? Those answers would go out by these layers.
        place = self._find(peer, m.buf)
        return place >= 0 and _names(self._bound[place]) != _names(layers) and self.role.holds(m, peer)

    def _bind(self, m, peer, layers):
        # Enter this request: in the place of one with its token, in a free one, or in one that has had its answers.
        place = self._find(peer, m.buf)
        for i in range(len(self._peers)):
            if place < 0 and self._peers[i] is None:
                place = i
        for i in range(len(self._peers)):
            if place < 0:
                copy(_Head.buf, 0, self._heads, _HEAD * i, _HEAD)
                if not self.role.holds(_head, self._peers[i]):
                    place = i
        for i in range(len(self._peers)):
            if place < 0 and layers and not self._bound[i]:  # one that anybody could have sent: it has no answer then
                place = i
        if place < 0:
            self.crowded += 1
            return False
        copy(self._heads, _HEAD * place, m.buf, 0, 4 + (m.buf[0] & 15))
        self._peers[place] = peer
        self._bound[place] = layers
        return True

    def _find(self, peer, buf):
        length = buf[0] & 15
        heads = self._heads
        for i in range(len(self._peers)):
            if self._peers[i] == peer:
                at = _HEAD * i
                if heads[at] & 15 == length and same(heads, at + 4, buf, 4, length):
                    return i
        return -1

    def _reject(self, m, peer, group, layers, error):
        self.refused += 1
        return self._answer(m, peer, group, layers, error.code, _STALE, error.text.encode())

    def _answer(self, m, peer, group, layers, code, pairs=(), payload=b""):
        # Answer a request here, through `layers`, if any are off; to a group it is better to be silent.
        if not group:
            endpoint = self.endpoint
            written = encoded(pairs)
            end = answer(endpoint.buf, m.buf, code, endpoint.mids, written, len(written), payload, len(payload))
            self._protect(layers, endpoint.buf, end, peer, None)
        return False

    # What answers

    def _send(self, buf, length, peer, sending):
        if buf[1] < 64:
            return Asking._send(self, buf, length, peer, sending)
        place = self._find(peer, buf)
        if place < 0:
            self.unbound += 1
            self.keeping = -1
            return True
        return self._protect(self._bound[place], buf, length, peer, sending)

    def _protect(self, layers, buf, length, peer, sending):
        # Send a response through these layers.
        keeping = self.keeping
        self.keeping = -1
        if not layers:
            return self._emit(buf, length, peer, sending, keeping)
        exchange = layers[0]
        if exchange.context.silent:
            self.unbound += 1
            return True
        m = self._source
        m.parse(buf, length)
        if not exchange.context.signs:
            self._seal(exchange, m)
            return self._outwards(layers, self._outer, peer, sending, keeping)
        job = self._jobs.take()
        if job is not None:
            job.work = job.sealing = exchange.seal(m, job.out)
            job.layers = layers
            job.peer = peer
            job.sending = sending
            job.keeping = keeping
            job.ready = self._signed
            if self._jobs.run(job, self._time()) is not None:
                return True
        self.crowded += 1
        return sending is None

    def _signed(self, job, now):
        self.now = now
        sending = job.sending
        try:
            job.sealing.finish()
            if job.dropped:
                return
            if not self._outwards(job.layers, job.out, job.peer, sending, job.keeping) and sending is not None:
                sending[0].message_failed(sending[1], False, now)
        finally:
            job.free()

    def _outwards(self, layers, out, peer, sending, keeping):
        # The innermost layer is on: put on the others.
        for exchange in layers[1:]:
            self._seal(exchange, self._parsed(out))
            out = self._outer
        if layers[-1].outer_blocks is not None:
            out = self._pieces().cut(layers[-1].outer_blocks, out, self._time())
        return self._emit(out.buf, out.end, peer, sending, keeping)

    def _seal(self, exchange, m):
        # Protect a response by a layer that takes no signature. What a proxy has relayed may have an option that it
        # does not know: then it is 5.02 (draft-ietf-core-oscore-capable-proxies §2.2).
        try:
            exchange.seal(m, self._outer, self.relays).finish()
        except Rejected:
            end = 4 + (m.buf[0] & 15)
            copy(self._outer.buf, 0, m.buf, 0, end)
            self._outer.buf[1] = n.BAD_GATEWAY
            copy(self._spare().buf, 0, self._outer.buf, 0, end)
            m.parse(self._between.buf, end)
            exchange.seal(m, self._outer).finish()
