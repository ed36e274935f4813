"""A proxy that is not the last before the servers (draft-ietf-core-groupcomm-proxy §8).

To the next hop it is a client: it tells it a T'' less than its own T', takes answers from there only, relays what they
say of their origin as it is, and passes an early stop on. What the next hop answers for itself has no Reply-From, and
ends the exchange.
"""

from micropython import const

from .. import numbers as n
from .. import options
from ..addresses import address_text
from ..errors import ProxyingNotSupported
from ..message import Message, rewrite, uint_bytes
from .target import PROFILE_00

_ORIGIN = const(64)  # bytes of a Reply-From by whose end notifications are put in order
_LONGEST_TIMEOUT = const(0xFFFFFFFF)
_HEADER = const(16)  # bytes of a message that are left to its token


class Chain:
    """hop: packed address of a forward-proxy's next hop, or None. back: s of the worst round trip to those who send
    requests here, less than any T' of theirs may be. own: packed address by which the proxy is named in a 5.08 that it
    passes on. most: greatest T', s."""

    def __init__(self, relay, hop, back=1, own=None, most=_LONGEST_TIMEOUT):
        self._relay = relay
        self.hop = hop
        self.back = back
        self.own = own
        self._most = most
        self._passed = Message()
        self._timeout = options.number(options.MULTICAST_TIMEOUT)
        self._reply_from = options.number(options.REPLY_FROM)
        relay.chain = self

    def direct(self, target):
        """Let a `Target` go to the next hop, with all that the request says of it."""
        target.group = target.address if target.multicast else None
        target.address = self.hop
        target.multicast = False
        target.hop = True
        target.drop = target.put = ()

    def lowered(self, seconds):
        """T'' for a T' in s. Raises ProxyingNotSupported, with the least T' that would do as its `timeout`."""
        if seconds <= self.back:
            text = "Multicast-Timeout: at least %d is needed here" % (self.back + 1)
            error = ProxyingNotSupported(text, None, "timeout")
            error.timeout = self.back + 1
            raise error
        return seconds - self.back

    def passed(self, slot, m):
        """The response m of the next hop as it goes on: a 5.08 names the proxies on its way (RFC 8768 §3).

        That is written into upstream's buffer.
        """
        if m.code != n.HOP_LIMIT_REACHED or not self._relay.hops[slot] or self.own is None:
            return m
        out = self._relay.upstream.out
        out.begin(n.NON, m.code, 0)
        m.rewind()
        out.copy_options(m)
        trace = address_text(self.own).encode() + b" " + bytes(m.payload())
        if out.end + 1 + len(trace) <= out.size - _HEADER:
            out.payload(trace)
        else:
            out.copy_payload(m)
        self._passed.parse(out.buf, out.end)
        return self._passed

    def take(self, slot, m, peer, now):
        """Relay a response of the next hop: True, or False where this exchange is with a group."""
        relay = self._relay
        if not relay.hops[slot]:
            return False
        value = m.option(self._reply_from)
        if value is None and (relay.hops[slot] != PROFILE_00 or m.find(self._timeout) >= 0):
            self._own(slot, m, now)
        else:
            name = relay.name(slot, value)
            if name == b"":
                relay.refused_responses += 1
            else:
                relay.relay_looked_at(slot, m, value[-_ORIGIN:] if value else peer, name, now)
        return True

    def _own(self, slot, m, now):
        # An answer of the next hop itself: an error, or 2.03 for the whole group. What it says of the least T' it says
        # of its own: from our clients we want more, if they may have that.
        relay = self._relay
        down = relay.downs[slot]
        least = options.uint(m, self._timeout)
        if least is not None and m.code == n.PROXYING_NOT_SUPPORTED:
            most = min(relay.clients[slot].max_timeout or self._most, self._most)
            least = least + self.back if least + self.back <= most else None
        put = () if least is None else ((self._timeout, uint_bytes(least)),)
        try:
            m = self.passed(slot, m)
            if options.refused(m, bit=2):
                raise ValueError("an unsafe option")
            relay.begin(slot, n.NON, m.code)
            rewrite(down.out, m, (self._timeout, n.OBSERVE), put)
        except ValueError:
            relay.begin(slot, n.NON, n.BAD_GATEWAY)
        down.send(relay.peers[slot])
        relay.close(slot, now)

    def leave(self, slot, now):
        """Send an Early Stop Request after what is stopped here, unless its time is over at the next hop: a
        reverse-proxy would take it for a request."""
        relay = self._relay
        up = relay.upstream
        if relay.hops[slot] and up.tokens.left(slot, now) > 1000 * self.back:
            relay.begin_upstream(slot, n.CON, n.GET)
            up.out.option(self._timeout)
            if not up.send_confirmable(relay.targets[slot], self, -1, now):
                up.buf[0] |= n.NON << 4  # without a place to repeat it from
                up.send(relay.targets[slot])

    def closed(self, slot, now):
        """This exchange is over (Relay's part)."""

    def acknowledged(self, ref, now):
        """The next hop has the Early Stop Request (Outgoing's owner)."""

    def message_failed(self, ref, reset, now):
        """It has not."""
