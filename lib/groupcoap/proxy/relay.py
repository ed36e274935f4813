"""The proxy's open exchanges, and the way of the responses back to the clients (draft-ietf-core-groupcomm-proxy §5.4).

A slot of the upstream endpoint's token table is one exchange. Here, beside it, stands whose it is: the client's token
in a fixed row of bytes, its address, and what kind of exchange. A response to a group request goes out at once as a
Non-confirmable message with the client's token, Reply-From put in; nothing is allocated for it.
"""

from micropython import const

from .. import numbers as n
from .. import options
from ..hot import copy, relay, same
from ..origin import write_reply_from
from ..timers import after

_NON = const(1)
_ORIGINS = const(64)  # servers whose Reply-From is remembered
_ROW = const(12)  # bytes of a slot: count of answers (3), length of the client's token, the token
_TOKEN = const(4)

# Bits of the unsafe options below 29 that a response is not to have, and of "there is one above 28"
_UNSAFE = const(1 << 2 | 1 << 3 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 15 | 1 << 18 | 1 << 19 | 1 << 22 | 1 << 26)
_LOOK = const(0x20000000 | _UNSAFE)

FREE = const(0)
GROUP = const(1)
UNICAST_NON = const(2)  # the client's request was Non-confirmable
UNICAST_CON = const(3)  # Confirmable, not yet acknowledged
UNICAST_ACKED = const(4)  # Confirmable and acknowledged: a separate response is due

ACK_DELAY = 1000  # ms after which a client's CON is acknowledged, the answer still being out; below its ACK_TIMEOUT


class Relay:
    """The exchanges open between `downstream`, the endpoint that clients talk to, and `upstream`, towards servers."""

    def __init__(self, downstream, upstream):
        slots = upstream.tokens.slots
        self.downstream = downstream
        self.upstream = upstream
        self.kinds = bytearray(slots)
        self.targets = [None] * slots  # packed address that the request went to
        self.peers = [None] * slots  # of the clients
        self._clients = bytearray(_ROW * slots)
        self.mids = [0] * slots  # Message IDs of the clients' CON requests
        self._places = [-1] * slots  # where the answer to a request that must not be repeated is kept
        self._group = [None] * slots  # of a group request: (client, number of the option to put in, or 0 for none)
        self._scratch = bytearray(24)
        self._origins = {}  # Reply-From for the last servers heard: length, value
        self.response = self._make_response()
        self._reply_from = options.number(options.REPLY_FROM)
        self._ack_timers = upstream.timers.reserve(slots, self._ack_due)
        self.refused_responses = 0  # that had an unsafe option unknown here

    def open(self, kind, m, peer, target, lifetime, now, insert=False):
        """Take a slot for the request m of this peer, for `lifetime` ms: its number, or -1 when all are taken."""
        slot = self.upstream.tokens.allocate(self, lifetime, now, None if kind == GROUP else target)
        if slot >= 0:
            token = m.buf[0] & 15
            row = _ROW * slot
            self.kinds[slot] = kind
            self.targets[slot] = target
            self.peers[slot] = peer
            self._clients[row] = self._clients[row + 1] = self._clients[row + 2] = 0
            self._clients[row + 3] = token
            copy(self._clients, row + _TOKEN, m.buf, 4, token)
            self.mids[slot] = m.mid()
            self._places[slot] = self.downstream.keeping
            self._group[slot] = (peer, self._reply_from if insert else 0) if kind == GROUP else None
            if kind == UNICAST_CON:
                timers = self.upstream.timers
                timers.set(self._ack_timers + slot, after(now, ACK_DELAY))
        return slot

    def find(self, m, peer):
        """The open exchange of this peer whose token is that of its request m, or -1."""
        token = m.buf[0] & 15
        for slot in range(len(self.kinds)):
            if (
                self.kinds[slot]
                and self._clients[_ROW * slot + 3] == token
                and self.peers[slot] == peer
                and same(self._clients, _ROW * slot + _TOKEN, m.buf, 4, token)
            ):
                return slot
        return -1

    def close(self, slot, now):
        """Free a slot; what comes for it from now on is dropped."""
        self.kinds[slot] = FREE
        self.targets[slot] = self.peers[slot] = self._group[slot] = None
        self.upstream.timers.stop(self._ack_timers + slot)
        self.upstream.outgoing.cancel(self, slot, now)
        self.upstream.tokens.release(slot)

    def open_to(self, target):
        """How many exchanges are open with this group?"""
        return sum([1 for other in self.targets if other == target])

    def answers(self, slot):
        """How many responses have been relayed for this slot?"""
        row = _ROW * slot
        return self._clients[row] | self._clients[row + 1] << 8 | self._clients[row + 2] << 16

    def _make_response(self):
        # `response`, the one function that every relayed datagram goes through, with what it needs at hand: looked up
        # in the object each time, that takes a tenth of the whole way.
        group = self._group
        clients = self._clients
        origin_of = self._origins.get
        down = self.downstream
        buf = down.buf
        mids = down.mids
        f = self.upstream.message.fields

        def response(slot, m, peer, now):
            """Relay a response that matches this slot (Tokens' owner)."""
            exchange = group[slot]
            if exchange is None:
                self._individual(slot, m, now)
                return
            client, insert = exchange
            end = relay(buf, m.buf, f, clients, slot, mids, insert, origin_of(peer) or self._name(peer), _LOOK)
            if end:
                down.transmit(buf, end, client)
            else:
                self._relay_unusual(slot, m, peer)

        return response

    def _relay_unusual(self, slot, m, peer):
        # One with an option that needs a look, or too long with Reply-From in it.
        client, insert = self._group[slot]
        down = self.downstream
        end = 0
        if not self._unsafe(m):
            end = relay(down.buf, m.buf, m.fields, self._clients, slot, down.mids, insert, self._name(peer), 0)
        if end:
            down.transmit(down.buf, end, client)
        else:
            self._refuse(slot, peer)

    def _name(self, peer):
        # Reply-From for this server, as in `_origins`.
        if peer in self._origins:
            return self._origins[peer]
        if len(self._origins) >= _ORIGINS:  # all at once: a dict that entries leave one by one gets slow
            self._origins.clear()
        self._scratch[0] = length = write_reply_from(self._scratch, 1, peer)
        origin = bytes(self._scratch[: 1 + length])
        self._origins[peer] = origin
        return origin

    def _unsafe(self, m):
        # Is there an unsafe option that is not known here, or not of its length? (RFC 7252 §5.4.3, §5.7.1)
        if m.seen() & _UNSAFE:
            return True
        m.rewind()
        while True:
            number = m.step()
            if number < 0:
                return False
            if options.unsafe(number) and not options.fits(m, number):
                return True

    def _begin(self, slot, kind, code, mid):
        row = _ROW * slot
        self.downstream.out.begin(kind, code, mid, self._clients, row + _TOKEN, self._clients[row + 3])

    def _refuse(self, slot, peer):
        # Of a group's responses one that cannot be relayed: 5.02 in its place, with its origin.
        self.refused_responses += 1
        down = self.downstream
        self._begin(slot, _NON, n.BAD_GATEWAY, down.next_mid())
        client, insert = self._group[slot]
        if insert:
            origin = self._name(peer)
            down.out.option(insert, origin, 1, origin[0])
        down.send(client)

    def _individual(self, slot, m, now):
        client_token = self._clients[_ROW * slot + 3]
        too_long = m.end - 12 + 4 + client_token + 5 > self.downstream.out.size  # ours has 8 bytes of token
        if too_long or self._unsafe(m):
            self.refused_responses += 1
            self._answer(slot, n.BAD_GATEWAY, now)
        else:
            self._answer(slot, m.code, now, m)

    def _answer(self, slot, code, now, m=None):
        # Answer an individual request, with options and payload of m if given, and close its slot.
        down = self.downstream
        out = down.out
        kind = self.kinds[slot]
        peer = self.peers[slot]
        place = self._places[slot] if kind != UNICAST_ACKED else -1
        if kind == UNICAST_CON:
            self._begin(slot, n.ACK, code, self.mids[slot])
        else:
            self._begin(slot, n.CON if kind == UNICAST_ACKED else _NON, code, down.next_mid())
        if m is not None:
            m.rewind()
            out.copy_options(m)
            out.copy_payload(m)
        self.close(slot, now)
        if place >= 0:
            down.kept.keep(place, down.buf, out.end)
        if kind != UNICAST_ACKED or not down.send_confirmable(peer, self, -1, now):
            down.send(peer)

    def _ack_due(self, slot, now):
        if self.kinds[slot] == UNICAST_CON:
            self.acknowledge(slot)

    def acknowledge(self, slot):
        """Acknowledge a client's CON request; the response then comes separately (RFC 7252 §5.2.2)."""
        down = self.downstream
        self.kinds[slot] = UNICAST_ACKED
        down.acknowledge_request(self.mids[slot], self.peers[slot])
        if self._places[slot] >= 0:
            down.kept.keep(self._places[slot], down.buf, 4)

    def acknowledged(self, slot, now):
        """A server has the request: its response may still be long in coming (Outgoing's owner)."""

    def message_failed(self, slot, reset, now):
        """A server has reset a CON request or stayed silent; slot -1: a client has, and nothing is to be done."""
        if slot >= 0 and self.kinds[slot] > GROUP:
            self._answer(slot, n.BAD_GATEWAY if reset else n.GATEWAY_TIMEOUT, now)

    def token_expired(self, slot, now):
        """The time of this exchange is over: T' of a group request, or a server that has not answered."""
        if self.kinds[slot] > GROUP:
            self._answer(slot, n.GATEWAY_TIMEOUT, now)
        else:
            self.close(slot, now)
