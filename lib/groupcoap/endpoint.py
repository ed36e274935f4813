"""One CoAP endpoint: the layers tied together for one socket address, datagram in, datagrams out.

`receive` takes a datagram through message, duplicates and tokens to the role that it is for; the role writes into
`out` and calls `send`. Nothing here waits: what must happen later hangs on the node's timers. A peer is a packed
address, bytes: IP (4 or 16), then port (2). `group` is 0 for a datagram that came by unicast, else the number of the
membership that it came in by.

A role has request(message, peer, group, now), repeated(message, peer, now) for a safe Confirmable request that comes
again, its answer being lost or still to come (RFC 7252 §4.5), rejected(peer, mid, now) for a Reset of a
Non-confirmable message that it has sent, and holds(m, peer): are answers to a request with that token still to come?
"""

from array import array

from micropython import const

from . import numbers as n
from .exchange import Kept, Outgoing, Recent
from .hot import answer, match, recent, same, scan
from .message import Message, Writer, encoded, uint_bytes
from .parameters import DEFAULT
from .tokens import Tokens

_CON = n.CON
_NON = n.NON
_ACK = n.ACK
_RST = n.RST

MAX_MESSAGE = 1152  # bytes (RFC 7252 §4.6)
MAX_DATAGRAM = 1280  # bytes; what is longer is no message here

# What becomes of a CON or NON, by its code
_SAFE = const(0)  # a request that may be carried out again
_ONCE = const(1)  # one that changes something
_RESPONSE = const(2)
_REST = const(3)  # a ping, or a method unknown
_SETTLE = const(4)  # an ACK or RST
_REQUESTS = [_SAFE if code in (n.GET, n.FETCH) else _ONCE for code in range(1, 8)]
_ROUTE = bytes([_REST] + _REQUESTS + [_REST] * 56 + [_RESPONSE] * 192)
_BLOCKS = const(1 << 23 | 1 << 27)
_OBSERVE = const(1 << 6)
_OSCORE = const(1 << 9)
_ACKED = const(8)


class Endpoint:
    """transmit(buf, length, peer) sends a datagram from this endpoint's own address; entropy(n) gives n random bytes.

    The rest are sizes of tables: slots, and bytes for what a slot holds; overhead: bytes by which a message may be
    longer when it goes, being protected; parameters: a `parameters.Parameters`. buf:
    the buffer to write messages in, max_message bytes, which several endpoints may share.
    """

    def __init__(
        self,
        transmit,
        timers,
        entropy,
        token_slots=16,
        recent_messages=128,
        kept_answers=16,
        kept_bytes=64,
        outgoing=4,
        max_message=MAX_MESSAGE,
        address_bytes=6,
        overhead=0,
        parameters=DEFAULT,
        buf=None,
    ):
        self.transmit = transmit
        self.timers = timers
        self.entropy = entropy
        self.parameters = parameters
        self.message = Message(MAX_DATAGRAM)
        self.buf = buf or bytearray(max_message)
        self.out = Writer(self.buf)
        self.tokens = Tokens(token_slots, timers, entropy)
        self.recent = Recent(recent_messages, address_bytes, timers, parameters)
        young = parameters.max_transmit_span + parameters.ack_timeout
        self.kept = Kept(kept_answers, kept_bytes, address_bytes, timers, young)
        self.outgoing = Outgoing(outgoing, max_message + overhead, self._transmit, timers, entropy, parameters)
        self.routes = _ROUTE
        self.receive = self.make_receive()
        self.gate = None  # an `oscore.gate.Gate`, which is then between the role and the messages
        self.role = self  # until it is given one, it resets requests
        self.keeping = -1  # place in `kept` of the request in hand: who answers it later keeps that answer there
        self._acked = []  # the last requests that were acknowledged by an empty ACK: (peer, Message ID)
        self.faulty = 0  # datagrams that were no CoAP message
        self.unmatched = 0  # responses that nobody waits for
        r = entropy(2)
        self.mids = array("i", (r[0] << 8 | r[1], max_message))  # the last Message ID, room for an answer

    def start(self, now):
        """Begin at the time `now`, before the first datagram."""
        self.recent.start(now)

    def request(self, m, peer, group, now):
        """The role of an endpoint that serves nothing: reset a request (RFC 7252 §4.2)."""
        if m.type() == _CON and not group:
            self.reset(m.buf, peer)

    def repeated(self, m, peer, now):
        """The same for one that comes again."""
        self.reset(m.buf, peer)

    def rejected(self, peer, mid, now):
        """Nothing: it has sent nothing that could be reset."""

    def next_mid(self):
        """A fresh Message ID (RFC 7252 §4.4)."""
        self.mids[0] = mid = self.mids[0] + 1 & 0xFFFF
        return mid

    def reply(self, peer, request, code, options=b"", size=0, payload=b"", length=0):
        """Answer this request: an ACK with its Message ID, or a NON with a fresh one. Gives its length in bytes.

        options: as they are encoded, `size` bytes; length: that of the payload in bytes. Raises ValueError if it is
        too long for one message.
        """
        buf = self.buf
        end = answer(buf, request.buf, code, self.mids, options, size, payload, length)
        if not end:
            raise ValueError("no room for an answer with a payload of %d bytes" % length)
        self.transmit(buf, end, peer)
        return end

    def send(self, peer):
        """Send what stands in `out`."""
        self.transmit(self.buf, self.out.end, peer)

    def send_confirmable(self, peer, owner, ref, now):
        """Send the CON that stands in `out`, as soon as NSTART allows, until it is acknowledged.

        False when all places are taken: then nothing is sent.
        """
        mid = self.buf[2] << 8 | self.buf[3]
        return self.outgoing.send(self.buf, self.out.end, mid, peer, owner, ref, now)

    def acknowledge(self, message, peer):
        """Send an empty ACK; what answers a request then comes later (RFC 7252 §5.2.2)."""
        if message.code < 32:
            self.acknowledge_request(message.mid(), peer)
        else:
            self._send_ack(message.mid(), peer)

    def acknowledge_request(self, mid, peer):
        """Send an empty ACK for the request of this Message ID, and again when that comes again."""
        if len(self._acked) == _ACKED:
            self._acked.pop(0)
        self._acked.append((peer, mid))
        self._send_ack(mid, peer)

    def _send_ack(self, mid, peer):
        self.out.begin(_ACK, n.EMPTY, mid)
        self.send(peer)

    def reset(self, buf, peer):
        """Send a Reset for the datagram in buf (RFC 7252 §4.2)."""
        self.out.begin(_RST, n.EMPTY, buf[2] << 8 | buf[3])
        self.send(peer)

    def make_receive(self):
        """`receive`, to be made anew where `routes` are others."""
        # With what never changes at hand: every datagram passes here, and looking each of these up in the
        # object takes a tenth of the whole way. As defaults: a closure of more than a few takes heap when it is called.
        m = self.message

        def receive(
            buf,
            length,
            peer,
            group,
            now,
            self=self,
            m=m,
            fields=m.fields,
            seen=self.recent.table,
            rows=self.tokens.rows,
            slots=self.tokens.slots,
            receivers=self.tokens.receivers,
            scan=scan,
            match=match,
            recent=recent,
            routes=self.routes,
        ):
            """Take the datagram buf[:length] that came from `peer` at the time `now`."""
            m.buf = buf
            m.end = length
            m.path = path = scan(buf, length, fields)
            if path < 0:
                self.malformed(buf, length, peer, group)
                return
            m.code = code = buf[1]
            route = routes[code] if buf[0] < 0x60 else _SETTLE
            if route == _SAFE:
                if not recent(seen, peer, buf, now, 1):
                    self.role.request(m, peer, group, now)
                elif buf[0] < 0x50 and not group:
                    self._repeated(m, peer, now)
            elif route == _RESPONSE:
                slot = match(rows, slots, buf, peer)
                if slot < 0 or buf[0] < 0x50 or group:
                    self._response(m, slot, peer, group, now)
                elif not recent(seen, peer, buf, now, 1):
                    receivers[slot].response(slot, m, peer, now)
            else:
                self._other(m, code, route, peer, group, now)

        return receive

    def _other(self, m, code, route, peer, group, now):
        kind = m.type()
        if route == _ONCE and not (group and kind == _CON):  # a group request is Non-confirmable (§8.1)
            self._once(m, kind, peer, group, now)
        elif group:
            pass  # nothing else by multicast has an answer
        elif route == _SETTLE:
            self._settle(m, kind, peer, now)
        elif code:
            self._refuse(peer, m, n.METHOD_NOT_ALLOWED)
        elif kind == _CON:  # a ping (RFC 7252 §4.3)
            self.reset(m.buf, peer)

    def _refuse(self, peer, m, code, options=b""):
        # Answer a request that no role has seen: it is as bare as its answer, though its token may be another's.
        end = answer(self.buf, m.buf, code, self.mids, options, len(options), b"", 0)
        (self.transmit if self.gate is None else self.gate.put)(self.buf, end, peer)

    def malformed(self, buf, length, peer, group):
        """Take note of a datagram that is no CoAP message, or too long for one, and reset it if it is a CON (§4.2)."""
        self.faulty += 1
        if length > 3 and buf[0] >> 4 == 4 and not group:  # version 1, CON
            self.reset(buf, peer)

    def _repeated(self, m, peer, now):
        # A CON whose answer, or ACK, was lost. One that had an empty ACK gets that again: nothing may ride on it.
        if (peer, m.mid()) in self._acked:
            self._send_ack(m.mid(), peer)
        else:
            self.role.repeated(m, peer, now)

    def _once(self, m, kind, peer, group, now):
        # POST and PATCH are not idempotent: each is carried out once (RFC 7252 §4.5). So are the others as long as
        # there is a place for them, so that a late copy does not undo a younger request.
        mid = m.mid()
        gate = self.gate
        protected = m.fields[2] & _OSCORE  # for here, or for who is behind this proxy
        if (m.fields[2] & _BLOCKS and continues(m)) or (protected and kind != _CON):
            if not recent(self.recent.table, peer, m.buf, now, 1):
                self.role.request(m, peer, group, now)
            elif kind == _CON and not group:
                self._repeated(m, peer, now)
            return
        place = self.kept.find(peer, mid)
        if place >= 0:
            if kind == _CON:
                self.kept.repeat(place, self.transmit if gate is None else gate.put, peer)
            return
        parameters = self.parameters
        lifetime = parameters.exchange_lifetime if kind == _CON else parameters.non_lifetime
        idempotent = (m.code != n.POST and m.code != n.PATCH) or protected  # a replay is told by its sequence number
        place = self.kept.enter(peer, mid, idempotent, lifetime, now)
        if place < 0 and idempotent:
            self.role.request(m, peer, group, now)
            return
        if place < 0:
            if not group:
                retry = encoded([(n.MAX_AGE, uint_bytes(self.kept.young // 1000 + 1))])
                self._refuse(peer, m, n.SERVICE_UNAVAILABLE, retry)
            return
        holder, wire = (self, "transmit") if gate is None else (gate, "put")  # what was protected is kept
        transmit = getattr(holder, wire)
        token = m.buf[0] & 15
        asked = m.buf

        def answers(buf):  # what answers this request, or the ACK in front of it
            if kind == _CON:
                return buf[0] & 0x20 and buf[2] << 8 | buf[3] == mid
            return buf[0] & 15 == token and same(buf, 4, asked, 4, token)

        def keep(buf, length, to):
            if to == peer and answers(buf):
                setattr(holder, wire, transmit)
                self.kept.keep(place, buf, length)
                if buf[1] >> 5 == 4 or buf[1] == n.SERVICE_UNAVAILABLE:  # without effect: it may be refused anew
                    self.kept.yielding(place)
            transmit(buf, length, to)

        setattr(holder, wire, keep)
        self.keeping = place if kind == _CON else -1
        taken = True
        try:
            taken = self.role.request(m, peer, group, now)
        finally:
            setattr(holder, wire, transmit)
            self.keeping = -1
            if taken is False:  # it was for nobody here
                self.kept.release(place)
            elif kind != _CON:  # it is not answered twice: what is kept says only that it was here
                self.kept.silence(place)

    def _settle(self, m, kind, peer, now):
        # ACK and RST (RFC 7252 §4.2); a response may ride on an ACK.
        if kind == _RST:
            if m.code == 0 and not self.outgoing.reset(peer, m.mid(), now):
                self.role.rejected(peer, m.mid(), now)
        elif (m.code == 0 or m.code > 63) and self.outgoing.acknowledged(peer, m.mid(), now) and m.code:
            slot = self.tokens.find(m.buf, peer)
            if slot >= 0:
                self.tokens.receivers[slot].response(slot, m, peer, now)

    def _response(self, m, slot, peer, group, now):
        # One that is Confirmable or that nobody waits for. What was accepted is acknowledged when it comes again, what
        # was not is reset again (RFC 7252 §4.2, §4.5).
        if slot < 0:
            self.unmatched += 1
        if m.type() != _CON or group:
            if slot < 0 and not group and m.fields[2] & _OBSERVE:
                self.reset(m.buf, peer)  # an observation that nobody has an interest in (RFC 7641 §3.6)
            return
        if recent(self.recent.table, peer, m.buf, now, 0):
            self.acknowledge(m, peer)
            return
        verdict = False if slot < 0 else self.tokens.receivers[slot].response(slot, m, peer, now)
        if verdict is False:
            self.reset(m.buf, peer)
        elif verdict != -1:  # else there is no place for it now
            recent(self.recent.table, peer, m.buf, now, 1)
            self.acknowledge(m, peer)

    def _transmit(self, buf, length, peer):
        self.transmit(buf, length, peer)


def continues(m):
    """Is this request one of a block-wise transfer that is without effect: not the last of a Block1 upload, not the
    first for a Block2 answer? (RFC 7959 §2.4, §2.5)"""
    if m.find(n.BLOCK1) >= 0 and m.uint() & 8:
        return True
    return m.find(n.BLOCK2) >= 0 and m.uint() >> 4 > 0
