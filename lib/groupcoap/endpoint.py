"""One CoAP endpoint: the layers tied together for one socket address, datagram in, datagrams out.

`receive` takes a datagram through message, duplicates and tokens to the role that it is for; the role writes into
`out` and calls `send`. Nothing here waits: what must happen later hangs on the node's timers. A peer is a packed
address, bytes: IP (4 or 16), then port (2). `group` is 0 for a datagram that came by unicast, else the number of the
membership that it came in by.

A role has request(endpoint, message, peer, group, now) and may set `acknowledges` (RFC 7252 §5.2.2): a repeated
Confirmable request is then acknowledged again, and not handed to it a second time.
"""

from . import numbers as n
from .exchange import EXCHANGE_LIFETIME, NON_LIFETIME, Kept, Outgoing, Recent
from .message import FormatError, Message, Writer
from .tokens import Tokens

_CON = n.CON
_NON = n.NON
_ACK = n.ACK
_RST = n.RST

MAX_MESSAGE = 1152  # bytes (RFC 7252 §4.6)


class Endpoint:
    """transmit(buf, length, peer) sends a datagram from this endpoint's own address; entropy(n) gives n random bytes.

    The rest are sizes of tables: slots, and bytes for what a slot holds.
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
    ):
        self.transmit = transmit
        self.timers = timers
        self.entropy = entropy
        self.message = Message()
        self.buf = bytearray(max_message)
        self.out = Writer(self.buf)
        self.tokens = Tokens(token_slots, timers, entropy)
        self.recent = Recent(recent_messages, address_bytes, timers)
        self.kept = Kept(kept_answers, kept_bytes, address_bytes, timers)
        self.outgoing = Outgoing(outgoing, max_message, self._transmit, timers, entropy)
        self.role = None
        self.malformed = 0  # datagrams that were no CoAP message
        self._keeping = -1
        r = entropy(2)
        self._mid = r[0] << 8 | r[1]

    def start(self, now):
        """Begin at the time `now`, before the first datagram."""
        self.recent.start(now)

    def next_mid(self):
        """A fresh Message ID (RFC 7252 §4.4)."""
        self._mid = mid = self._mid + 1 & 0xFFFF
        return mid

    def send(self, peer):
        """Send what stands in `out`."""
        self.transmit(self.buf, self.out.end, peer)

    def respond(self, peer):
        """Send what stands in `out` as the answer to the request in hand, and keep it if that may be repeated."""
        out = self.out
        if self._keeping >= 0:
            self.kept.keep(self._keeping, self.buf, out.end, 4 + (self.buf[0] & 15))
        self.transmit(self.buf, out.end, peer)

    def send_confirmable(self, peer, owner, ref, now):
        """Send the CON that stands in `out` until it is acknowledged: False when too many are under way (NSTART)."""
        mid = self.buf[2] << 8 | self.buf[3]
        return self.outgoing.send(self.buf, self.out.end, mid, peer, owner, ref, now)

    def acknowledge(self, mid, peer):
        """Send an empty ACK, the answer to the request in hand coming later (RFC 7252 §5.2.2)."""
        self.out.begin(_ACK, n.EMPTY, mid)
        self.respond(peer)

    def reset(self, mid, peer):
        """Send a Reset (RFC 7252 §4.2)."""
        self.out.begin(_RST, n.EMPTY, mid)
        self.send(peer)

    def receive(self, buf, length, peer, group, now):
        """Take the datagram buf[:length] that came from `peer` at the time `now`."""
        m = self.message
        try:
            m.parse(buf, length)
        except FormatError:
            self.malformed += 1
            if length > 3 and buf[0] >> 4 == 4 and not group:  # version 1, CON
                self.reset(m.mid, peer)
            return
        code = m.code
        kind = m.type
        if kind > _NON:
            if not group:
                self._settle(m, kind, peer, now)
        elif code == 0:
            if kind == _CON and not group:  # a ping (RFC 7252 §4.3)
                self.reset(m.mid, peer)
        elif code < 32:
            if code == n.POST or code == n.PATCH:
                self._once(m, peer, group, now)
            elif not self.recent.seen(peer, m.mid, now):
                self.role.request(self, m, peer, group, now)
            elif kind == _CON and not group:
                if self.role.acknowledges:
                    self.acknowledge(m.mid, peer)
                else:
                    self.role.request(self, m, peer, group, now)
        elif not group:
            self._response(m, kind, peer, now)

    def _once(self, m, peer, group, now):
        # A request that is not idempotent is carried out once (RFC 7252 §4.5).
        place = self.kept.find(peer, m.mid)
        if place >= 0:
            answer, length = self.kept.answer(place)
            if length:
                self.transmit(answer, length, peer)
            return
        confirmable = m.type == _CON
        place = self.kept.enter(peer, m.mid, EXCHANGE_LIFETIME if confirmable else NON_LIFETIME, now)
        if place < 0:
            if not group:
                self.out.answer(m, _ACK if confirmable else _NON, n.SERVICE_UNAVAILABLE, -1 if confirmable else self.next_mid())
                self.out.option_uint(n.MAX_AGE, NON_LIFETIME // 1000)
                self.send(peer)
            return
        self._keeping = place
        try:
            self.role.request(self, m, peer, group, now)
        finally:
            self._keeping = -1

    def _settle(self, m, kind, peer, now):
        # ACK and RST (RFC 7252 §4.2); a response may ride on an ACK.
        if kind == _RST:
            if m.code == 0:
                self.outgoing.reset(peer, m.mid, now)
        elif (m.code == 0 or m.code > 63) and self.outgoing.acknowledged(peer, m.mid) and m.code:
            slot = self.tokens.find(m.buf)
            if slot >= 0:
                self.tokens.owners[slot].response(slot, m, peer, now)

    def _response(self, m, kind, peer, now):
        if self.recent.seen(peer, m.mid, now):
            if kind == _CON:
                self.acknowledge(m.mid, peer)
            return
        slot = self.tokens.find(m.buf)
        if slot < 0 or not self.tokens.owners[slot].accepts(slot, m, peer):
            if kind == _CON:
                self.reset(m.mid, peer)
            return
        if kind == _CON:
            self.acknowledge(m.mid, peer)
        self.tokens.owners[slot].response(slot, m, peer, now)

    def _transmit(self, buf, length, peer):
        self.transmit(buf, length, peer)
