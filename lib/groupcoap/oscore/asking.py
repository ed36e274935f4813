"""The half of a gate that protects what goes: an endpoint's own requests, and layers put on one after the other.

The innermost layer may take a signature, which is made in slices; the others are shared with the next hop, and put on
at once (draft-ietf-core-oscore-capable-proxies §2.3). The responses to own requests are opened in the other order.
"""

from micropython import const

from .. import numbers as n
from ..endpoint import MAX_DATAGRAM
from ..hot import copy
from ..message import Message, Writer, rewrite
from .errors import Rejected
from .jobs import Jobs

_SEEN = const(2)
_OSCORE = const(1 << 9)
_BLOCKS = const(1 << 23 | 1 << 27)
_NOT_NOW = const(-1)  # of a response that there is no place for: neither taken nor rejected


class Way:
    """How a request is protected end to end: by a `Context`; or by a `Group`, to one Member of it (pairwise mode), to
    `group.DETERMINISTIC`, or to all (None: group mode). copies: is the same message to be sent several times?"""

    def __init__(self, context, to=None, copies=False):
        self.context = context
        self.to = to
        self.copies = copies
        self.mid = -1  # Message ID of what was sent,
        self.sealed = b""  # and what that was

    def start(self, m, out):
        """Protect the request m: (Exchange, Sealing)."""
        if self.to is None:
            return self.context.seal_request(m, out)
        return self.context.seal_request(m, out, False, self.to)

    def follow_up(self, security):
        """The way of a request to who has answered, `security` being that of its response: to it alone, where the
        group has the pairwise mode."""
        if security is not None and self.context.pairwise:
            return Way(self.context, security)
        return Way(self.context)


class Asking:
    """What protects the own requests of `endpoint`, each by what `use` and `towards` tell."""

    def __init__(self, endpoint, jobs, clock):
        self.endpoint = endpoint
        self.put = endpoint.transmit  # to the wire
        self.relays = False  # is it a proxy's, so that it must know every option of what it protects?
        self.towards = {}  # packed address of the next hop: the Context shared with it
        self.keeping = -1  # where the next message is kept (held.keep_answer)
        self.now = 0
        self.refused = 0  # protected messages that were not accepted
        self.unprotected = 0  # responses without the protection that they should have
        self.crowded = 0  # messages dropped since too many waited for a signature
        self._clock = clock
        self._jobs = Jobs(jobs, endpoint.timers, clock)
        self._source = Message(MAX_DATAGRAM)
        self._plain = Message(MAX_DATAGRAM)
        self._inner = Writer(bytearray(MAX_DATAGRAM))
        self._outer = Writer(bytearray(MAX_DATAGRAM))
        self._fetching = None  # an `outer_fetching.Fetching`, from the first outer Block option on
        self._between = None  # a Writer for what goes through two layers at once
        self._echoes = {}  # values that next hops want to hear again, by their Context
        slots = endpoint.tokens.slots
        self._ways = [None] * slots
        self._owners = [None] * slots  # whose the ways are
        self._layers = [()] * slots  # Exchanges of own requests, innermost first
        endpoint.gate = self
        endpoint.transmit = self.transmit
        endpoint.send_confirmable = self.send_confirmable
        endpoint.outgoing.transmit = self.wire
        self._longest = len(endpoint.outgoing.bufs[0]) if endpoint.outgoing.bufs else 0
        endpoint.outgoing.before = self._jobs

    def wire(self, buf, length, peer):
        """Send what is protected already, or needs no protection."""
        self.put(buf, length, peer)

    def way(self, security):
        """The `Way` of a Context or Group; a Way stays what it is."""
        return security if isinstance(security, Way) else Way(security)

    def use(self, slot, owner, way):
        """Protect the requests with the token of this slot by `way` as long as it is that owner's; None: not."""
        self._ways[slot] = way
        self._owners[slot] = owner

    # What goes

    def transmit(self, buf, length, peer):
        """Send buf[:length], protected if it has to be (Endpoint.transmit)."""
        self._send(buf, length, peer, None)

    def send_confirmable(self, peer, owner, ref, now):
        """As Endpoint.send_confirmable. What waits for a signature has a place for certain only when it goes: if there
        is none then, the owner hears so by `message_failed`."""
        self.now = now
        out = self.endpoint.out
        return self._send(out.buf, out.end, peer, (owner, ref))

    def _send(self, buf, length, peer, sending):
        if not 0 < buf[1] < 32:
            return self._emit(buf, length, peer, sending, -1)
        endpoint = self.endpoint
        slot = buf[4] if buf[0] & 15 == 8 else -1
        if not 0 <= slot < endpoint.tokens.slots or endpoint.tokens.find(buf, peer) != slot:
            slot = -1
        way = self._ways[slot] if slot >= 0 and self._owners[slot] is endpoint.tokens.owners[slot] else None
        hop = self.towards.get(peer)
        if way is None:
            if hop is None:
                return self._emit(buf, length, peer, sending, -1)
            m = self._source
            m.parse(buf, length)
            return self._last(hop, m, (), peer, sending, slot)
        mid = buf[2] << 8 | buf[3]
        if way.copies and way.mid == mid:  # a repetition is not protected again (oscore-groupcomm §7)
            return self._emit(way.sealed, len(way.sealed), peer, sending, -1) if way.sealed else True
        way.mid = mid
        way.sealed = b""
        m = self._source
        m.parse(buf, length)
        if not way.context.signs:
            exchange, sealing = way.start(m, self._outer)
            sealing.finish()
            return self._go(way, exchange, self._outer, hop, peer, sending, slot)
        job = self._jobs.take()
        if job is not None:
            job.exchange, job.work = way.start(m, job.out)
            job.sealing = job.work
            job.layers = (way, hop)
            job.peer = peer
            job.sending = sending
            job.slot = slot
            job.ready = self._request_signed
            if self._jobs.run(job, self._time()) is not None:
                return True
        self.crowded += 1
        return sending is None

    def _time(self):
        return self.now if self._clock is None else self._clock()

    def _request_signed(self, job, now):
        self.now = now
        sending = job.sending
        way, hop = job.layers
        try:
            job.sealing.finish()
            # else nobody waits for its answer any more
            if not job.dropped and self.endpoint.tokens.find(job.buf, job.peer) == job.slot:
                if not self._go(way, job.exchange, job.out, hop, job.peer, sending, job.slot) and sending is not None:
                    sending[0].message_failed(sending[1], False, now)
        finally:
            job.free()

    def _go(self, way, exchange, out, hop, peer, sending, slot):
        # A request is protected end to end: now towards the next hop.
        if hop is None:
            self._opens(slot, (exchange,))
            if way.copies:
                way.sealed = out.message()
            return self._emit(out.buf, out.end, peer, sending, -1)
        m = self._parsed(out)
        return self._last(hop, m, (exchange,), peer, sending, slot)

    def _last(self, hop, m, layers, peer, sending, slot):
        value = self._echoes.pop(hop, None)
        if value is not None and layers:  # else the request has it already
            buf = m.buf
            out = self._spare()
            if buf is out.buf:
                buf = bytes(memoryview(buf)[: m.end])
                m.parse(buf, len(buf))
            out.begin(m.type(), m.code, m.mid(), buf, 4, buf[0] & 15)
            rewrite(out, m, (n.ECHO,), ((n.ECHO, value),))
            m.parse(out.buf, out.end)
        exchange, sealing = hop.seal_request(m, self._outer, self.relays)
        sealing.finish()
        self._opens(slot, layers + (exchange,))
        return self._emit(self._outer.buf, self._outer.end, peer, sending, -1)

    def _parsed(self, out):
        # What stands in `out` as a Message, in a buffer that is not going to be written.
        buf = out.buf
        if out is self._outer:
            buf = self._spare().buf
            copy(buf, 0, out.buf, 0, out.end)
        self._source.parse(buf, out.end)
        return self._source

    def _spare(self):
        if self._between is None:
            self._between = Writer(bytearray(MAX_DATAGRAM))
        return self._between

    def _opens(self, slot, layers):
        # The responses with the token of this slot come through these layers.
        if slot >= 0:
            self._layers[slot] = layers
            self.endpoint.tokens.receivers[slot] = self

    def _emit(self, buf, length, peer, sending, keeping):
        endpoint = self.endpoint
        if keeping >= 0:
            endpoint.kept.keep(keeping, buf, length)
        if sending is None:
            self.put(buf, length, peer)
            return True
        if length > self._longest:
            raise ValueError("%d bytes, protected: expected at most %d" % (length, self._longest))
        owner, ref = sending
        return endpoint.outgoing.send(buf, length, buf[2] << 8 | buf[3], peer, owner, ref, self.now)

    # What answers it

    def response(self, slot, m, peer, now):
        """Open a response to an own request, and give it to who has asked (Tokens' owner)."""
        self.now = now
        if m.fields[_SEEN] & _BLOCKS:
            if self._fetching is None:
                from .outer_fetching import Fetching

                self._fetching = Fetching(self, self._outer)
            return self._fetching.begin(slot, m, peer, self._layers[slot], now)
        return self._response(slot, m, peer, self._layers[slot], now)

    def _response(self, slot, m, peer, layers, now):
        # `layers` are still on.
        if not layers:
            return self.endpoint.tokens.owners[slot].response(slot, m, peer, now)
        if not m.fields[_SEEN] & _OSCORE:
            # Only an error may come from who does not have the keys (RFC 8613 §8.4): no more once others have
            if m.code < 128 or layers[0].heard():
                self.unprotected += 1
                return False
            if not getattr(m.security, "again", False):  # of the next hop, and about its own layer
                m.security = None
            return self.endpoint.tokens.owners[slot].response(slot, m, peer, now)
        job = self._jobs.take()
        if job is None:
            self.crowded += 1
            return _NOT_NOW
        job.copy(m, peer)
        job.slot = slot
        job.layers = layers
        job.ready = self._response_checked
        try:
            job.work = job.opening = layers[-1].open(job.message)
        except Rejected:
            self.refused += 1
            return False
        done = self._jobs.run(job, now)
        if done is None:
            self.crowded += 1
            return _NOT_NOW
        return job.verdict if done else None

    def _response_checked(self, job, now):
        self.now = now
        slot, peer, layers = job.slot, job.peer, job.layers
        m = self._plain
        try:
            if self.endpoint.tokens.find(job.buf, peer) != slot or self.endpoint.tokens.receivers[slot] is not self:
                job.verdict = False  # nobody waits for it any more
                return
            sender = job.opening.finish(self._inner) or layers[-1].context
            if len(layers) > 1:  # the next opening goes into the same buffer: take it from this one
                m.parse(job.buf, copy(job.buf, 0, self._inner.buf, 0, self._inner.end))
            else:
                m.parse(self._inner.buf, self._inner.end)
            m.security = sender
            if len(layers) > 1 and m.code == n.UNAUTHORIZED and m.option(n.ECHO):
                self._echoes[layers[-1].context] = m.option(n.ECHO)  # a challenge of the next hop itself
        except Rejected:
            self.refused += 1
            job.verdict = False
            return
        finally:
            job.free()
        job.verdict = self._response(slot, m, peer, layers[:-1], now)
