"""The way of the responses back to the clients (draft-ietf-core-groupcomm-proxy §5.4, RFC 7252 §5.7.2).

A response to a group request goes out at once as a Non-confirmable message with the client's token, Reply-From put in;
nothing is allocated for it. What is more than that (observations, a cache, a chain of proxies, one aggregated answer)
is asked of those parts, where there are any.
"""

from micropython import const

from .. import numbers as n
from .. import options
from ..held import keep_answer
from ..hot import match, recent, relay, scan
from ..message import rewrite, uint_bytes
from ..timers import after
from ..tokens import TOKEN_LENGTH
from .exchanges import ACK_DELAY, GROUP, SILENT, UNICAST_ACKED, UNICAST_CON, UNICAST_NON, Exchanges

_NON = const(1)
_NON_8 = const(0x58)  # first byte of a Non-confirmable message with a token of ours
_RST = const(0x70)  # first byte of a Reset
_OBSERVE = const(1 << 6)

# Bits of the unsafe options below 29 that a response is not to have, and of "there is one above 28"
_UNSAFE = const(1 << 2 | 1 << 3 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 15 | 1 << 18 | 1 << 19 | 1 << 22 | 1 << 26)
_LOOK = const(0x20000000 | _UNSAFE | _OBSERVE)


class Relay(Exchanges):
    """`Exchanges` whose responses are relayed. Parts put themselves in: observations, caching, chain, aggregation."""

    def __init__(self, downstream, upstream, held=0, held_bytes=160):
        Exchanges.__init__(self, downstream, upstream, held, held_bytes)
        self._reply_from = options.number(options.REPLY_FROM)
        self.refused_responses = 0  # that had an unsafe option unknown here
        upstream.receive = self._make_receive()

    def end(self, slot, code, now):
        """Stop this exchange, with a last response of the proxy's own to its client."""
        if self.kinds[slot] > SILENT:
            if self.observations is not None:
                self.observations.leave(slot, now)
            self._answer(slot, code, now)
            return
        if self.kinds[slot] == GROUP:
            self.begin(slot, _NON, code)
            self.downs[slot].send(self.peers[slot])
        self.stop(slot, now)

    def _make_receive(self):
        # The short way: what every response to a group goes, a function with what it needs at hand. Looked up in the
        # object each time, that takes a tenth of the whole way; as defaults, see `Endpoint`.
        up = self.upstream

        def receive(
            buf,
            length,
            peer,
            group,
            now,
            self=self,
            otherwise=up.receive,
            m=up.message,
            f=up.message.fields,
            tokens=up.tokens.rows,
            slots=up.tokens.slots,
            seen=up.recent.table,
            ways=self._ways,
            peers=self.peers,
            digests=self.digests,
            rows=self._rows,
            match=match,
            scan=scan,
            recent=recent,
            relay=relay,
        ):
            """Take the datagram buf[:length] from `peer` (Endpoint.receive)."""
            slot = match(tokens, slots, buf, peer) if length > 11 and buf[0] == _NON_8 else -1
            way = ways[slot] if slot >= 0 else None
            if way is None or buf[1] < 64 or scan(buf, length, f) < 0:
                if length == 4 and buf[0] == _RST:
                    self._rejected(peer, buf[2] << 8 | buf[3], now)
                otherwise(buf, length, peer, group, now)
                return
            if recent(seen, peer, buf, now, 1):
                return
            down, _, insert, known, name, out, mids = way
            value = (known(peer) or name(peer)) if insert else b"\0"
            end = relay(out, buf, f, rows, slot, mids, insert, value, _LOOK)
            if end:
                down.transmit(out, end, peers[slot])
                if digests[slot] is None:
                    return
            m.buf = buf
            m.end = length
            m.code = buf[1]
            if end:
                self.caching.took(slot, m, peer, digests[slot], end, now)
            else:
                self._relay_unusual(slot, m, peer, now)

        return receive

    def response(self, slot, m, peer, now):
        """Relay a response that matches this slot (Tokens' owner); False for one that is to be rejected."""
        if self._ways[slot] is None:
            return self._look(slot, m, peer, now)
        self._relay_unusual(slot, m, peer, now)

    def _look(self, slot, m, peer, now):
        # A response that does not take the short way.
        kind = self.kinds[slot]
        if kind == SILENT:
            return
        if kind > SILENT:
            return self._individual(slot, m, now)
        if self.aggregation is not None and self.aggregation.take(slot, m, peer, now):
            return
        if self.observations is not None and self.observations.over(slot, m, peer):
            return False
        if self.chain is not None and self.chain.take(slot, m, peer, now):
            return
        if self.caching is not None and self.caching.validated(slot, m, peer, now):
            return
        self._relay_unusual(slot, m, peer, now)

    def _relay_unusual(self, slot, m, peer, now):
        # One with an option that needs a look, or too long with the name of its origin in it.
        value = self.name_of(slot, peer)
        relayed = self.relay_looked_at(slot, m, peer, value, now)
        if self.digests[slot] is not None:
            self.caching.took(slot, m, peer, self.digests[slot], self.downs[slot].out.end if relayed else 0, now)

    def relay_looked_at(self, slot, m, origin, value, now):
        """Relay a group's response whose origin is written as `value`, or stays as it is (None); has it been?

        origin: by what notifications are put in order.
        """
        if self.unsafe(m):
            self._refuse(slot, m, value)
            return False
        number = None
        if self.observations is not None:
            number = self.observations.number(slot, m, origin, now)
            if number is not None and number < 0:  # older than what was relayed
                return False
        if not self.write(slot, _NON, m, value, number):
            self._refuse(slot, m, value)
            return False
        if number is None or not self.observations.send(slot, now):
            self.downs[slot].send(self.peers[slot])
        return True

    def name_of(self, slot, peer):
        """What an answer of this server says of its origin: as in `Names.of`, or None for nothing."""
        names = self._names[slot]
        return None if names is None else names.of(peer)

    def name(self, slot, value):
        """What takes the place of the Reply-From `value` of another proxy, None where it stays, b"" if nothing can."""
        names = self._names[slot]
        return None if names is None or value is None else names.instead_of(value)

    def write(self, slot, kind, m, value=None, observe=None):
        """Write m with the client's token into its endpoint's buffer: its names replaced by `value`, Observe by
        `observe`, a number, or left out. Is there room?"""
        down = self.downs[slot]
        names = self._names[slot]
        put = []
        drop = (n.OBSERVE,)
        if observe is not None:
            put.append((n.OBSERVE, uint_bytes(observe)))
        if value is not None:
            drop += (names.number,)
            put.append((names.number, bytes(memoryview(value)[1:])))
        self.begin(slot, kind, m.code)
        try:
            rewrite(down.out, m, drop, put)
        except ValueError:
            return False
        self.count(slot)
        return True

    def unsafe(self, m):
        """Is there an unsafe option that is not known here, or not of its length? (RFC 7252 §5.4.3, §5.7.1)"""
        if m.seen() & _UNSAFE:
            return True
        m.rewind()
        while True:
            number = m.step()
            if number < 0:
                return False
            if options.unsafe(number) and not options.fits(m, number):
                return True

    def _refuse(self, slot, m, value):
        # In place of a group's response m, that cannot be relayed, 5.02 with its origin.
        self.refused_responses += 1
        down = self.downs[slot]
        self.begin(slot, _NON, n.BAD_GATEWAY)
        if value is not None:
            down.out.option(self._names[slot].number, value, 1, value[0])
        elif options.valid(m, self._reply_from) >= 0:  # from another proxy: it stays
            down.out.copy_option(m, self._reply_from)
        down.send(self.peers[slot])

    def _individual(self, slot, m, now):
        too_long = m.end + 5 + self.token_length(slot) - TOKEN_LENGTH > self.downs[slot].out.size
        if too_long or self.unsafe(m):
            self.refused_responses += 1
            self._answer(slot, n.BAD_GATEWAY, now)
            return
        if self.observations is not None and self.observations.individual(slot, m, now):
            return
        if self.caching is not None and self.caching.individual(slot, m, now):
            return
        if self.chain is not None:
            m = self.chain.passed(slot, m)
        self._answer(slot, m.code, now, m)

    def _answer(self, slot, code, now, m=None, observe=None):
        # Answer an individual request, with options and payload of m if given, and close its slot, unless it goes on
        # as an observation: then with its number.
        down = self.downs[slot]
        out = down.out
        kind = self.kinds[slot]
        peer = self.peers[slot]
        place = self._places[slot] if kind != UNICAST_ACKED else -1
        if kind == UNICAST_CON:
            self._begin(slot, n.ACK, code, self.mids[slot])
        else:
            self.begin(slot, n.CON if kind == UNICAST_ACKED else _NON, code)
        if m is not None:
            rewrite(out, m, (n.OBSERVE,), () if observe is None else ((n.OBSERVE, uint_bytes(observe)),))
        if observe is None:
            self.close(slot, now)
        else:
            self.count(slot)
            self.kinds[slot] = UNICAST_NON  # what follows are notifications
            self.upstream.timers.stop(self._due_timers + slot)
        if place >= 0:
            keep_answer(down, place)
        sent = False
        if kind == UNICAST_ACKED and observe is None:
            sent = down.send_confirmable(peer, self, -1, now)
        elif kind == UNICAST_ACKED:
            sent = self.observations.confirm(slot, now)
        if not sent:
            down.send(peer)

    def answer(self, slot, m, now, observe=None):
        """Answer an individual request with m; with `observe`, a number, as the first of its notifications."""
        self._answer(slot, m.code, now, m, observe)

    def await_answer(self, slot, m, now):
        """The client's request m, a CON, waits for its answer, as at first."""
        self.kinds[slot] = UNICAST_CON
        self._places[slot] = -1
        self.upstream.timers.set(self._due_timers + slot, after(now, ACK_DELAY))

    def _due(self, slot, now):
        if self.kinds[slot] == UNICAST_CON:
            self.acknowledge(slot)
        elif self._copies[slot]:
            self._copies[slot] -= 1
            place = self._held_at[slot]
            self.upstream.transmit(self.held.bufs[place], self.held.lengths[place], self.targets[slot])
            if self._copies[slot]:
                self.upstream.timers.set(self._due_timers + slot, after(now, self._spacing[slot]))

    def acknowledge(self, slot):
        """Acknowledge a client's CON request; the response then comes separately (RFC 7252 §5.2.2)."""
        down = self.downs[slot]
        self.kinds[slot] = UNICAST_ACKED
        down.acknowledge_request(self.mids[slot], self.peers[slot])
        if self._places[slot] >= 0:
            down.kept.keep(self._places[slot], down.buf, 4)

    def acknowledged(self, slot, now):
        """A server has the request: its response may still be long in coming (Outgoing's owner)."""
        if slot >= 0 and self.kinds[slot] == SILENT:
            self.close(slot, now)

    def _rejected(self, peer, mid, now):
        # A Non-confirmable request that a server, or the next hop, has reset.
        for slot in range(len(self.kinds)):
            if self._spacing[slot] == mid and self.targets[slot] == peer and not self.answers(slot):
                if self.kinds[slot] == UNICAST_NON or (self.kinds[slot] == GROUP and self.hops[slot]):
                    self.message_failed(slot, True, now)
                    return

    def message_failed(self, slot, reset, now):
        """A server has reset a CON request or stayed silent; slot -1: a client has, and nothing is to be done."""
        if slot >= 0:
            code = n.BAD_GATEWAY if reset else n.GATEWAY_TIMEOUT
            if self.kinds[slot] == GROUP:  # another proxy
                self.begin(slot, _NON, code)
                self.downs[slot].send(self.peers[slot])
                self.close(slot, now)
            elif self.kinds[slot] == SILENT:
                self.close(slot, now)
            else:
                self._answer(slot, code, now)

    def token_expired(self, slot, now):
        """The time of this exchange is over: T' of a group request, or a server that has not answered."""
        if self.aggregation is not None and self.aggregation.expired(slot, now):
            return
        if self.observations is not None and self.observations.expired(slot, now):
            return
        if self.kinds[slot] > SILENT:
            self._answer(slot, n.GATEWAY_TIMEOUT, now)
        else:
            self.close(slot, now)
