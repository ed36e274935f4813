"""The proxy's open exchanges, and the way of the responses back to the clients (draft-ietf-core-groupcomm-proxy §5.4).

A slot of the upstream endpoint's token table is one exchange. Here, beside it, stands whose it is: the client's token
in a fixed row of bytes, its address, and what kind of exchange. A response to a group request goes out at once as a
Non-confirmable message with the client's token, Reply-From put in; nothing is allocated for it. What is more than that
(observations, a cache, a chain of proxies, one aggregated answer) is asked of whom `attach` has named.
"""

from array import array

from micropython import const

from .. import numbers as n
from .. import options
from ..held import Held
from ..hot import copy, relay, same
from ..message import uint_bytes
from ..timers import after, elapsed
from ..tokens import ROW, TOKEN_LENGTH

_NON = const(1)
_ROW = const(12)  # bytes of a slot: count of answers (3), length of the client's token, the token
_TOKEN = const(4)
_SENT = const(128)  # relayed messages whose Message ID is remembered (see `hot.relay`)
_RING = const(2)  # where in `mids` they are
_OBSERVE = const(1 << 6)

# Bits of the unsafe options below 29 that a response is not to have, and of "there is one above 28"
_UNSAFE = const(1 << 2 | 1 << 3 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 15 | 1 << 18 | 1 << 19 | 1 << 22 | 1 << 26)
_LOOK = const(0x20000000 | _UNSAFE | _OBSERVE)

FREE = const(0)
GROUP = const(1)
SILENT = const(2)  # a group request whose answers nobody wants: its copies are still to go
UNICAST_NON = const(3)  # the client's request was Non-confirmable
UNICAST_CON = const(4)  # Confirmable, not yet acknowledged
UNICAST_ACKED = const(5)  # Confirmable and acknowledged: a separate response is due

ACK_DELAY = 1000  # ms after which a client's CON is acknowledged, the answer still being out; below its ACK_TIMEOUT


class Relay:
    """The exchanges open between endpoints that clients talk to, `downstream` first, and `upstream`, towards servers.

    held, held_bytes: requests that are kept while their exchange is open, and the greatest length of one: what is to be
    sent again (copies, observations, revalidation) needs such a place.
    """

    def __init__(self, downstream, upstream, held=0, held_bytes=160):
        slots = upstream.tokens.slots
        self.downstream = downstream
        self.upstream = upstream
        self.kinds = bytearray(slots)
        self.targets = [None] * slots  # packed address that the request went to
        self.peers = [None] * slots  # of the clients
        self.clients = [None] * slots  # who they are, as `access` knows them
        self.downs = [None] * slots  # the endpoint that the client talks to
        self.hops = bytearray(slots)  # is the target another proxy?
        self.mids = [0] * slots  # Message IDs of the clients' requests
        self.uris = array("i", bytes(4 * slots))  # 24 bits each of path and query, for the cache
        self.opened = array("i", bytes(4 * slots))  # when
        self._rows = bytearray(_ROW * slots)
        self._places = [-1] * slots  # where the answer to a request that must not be repeated is kept
        self._ways = [None] * slots  # of a group request whose answers take the short way: see `shortcut`
        self._known_ways = []
        self._names = [None] * slots
        self._first = array("i", bytes(4 * slots))  # the last Message ID in front of those relayed for a slot
        self.digests = [None] * slots  # cache keys
        self.held = Held(held, held_bytes)
        self._held_at = array("b", b"\xff" * slots)
        self._copies = bytearray(slots)  # still to go
        self._spacing = array("i", bytes(4 * slots))  # ms between them
        self.observations = self.caching = self.chain = self.aggregation = None
        self.response = self._make_response()
        self._due_timers = upstream.timers.reserve(slots, self._due)
        self._reply_from = options.number(options.REPLY_FROM)
        self.refused_responses = 0  # that had an unsafe option unknown here
        self.closed = 0  # exchanges that have ended
        self.serve(downstream)

    def serve(self, down):
        """Let the clients of this endpoint have exchanges: remember which Message ID was for whom."""
        down.mids.extend(array("i", b"\xff" * (4 * _SENT)))

    def open(self, kind, m, peer, client, down, target, lifetime, now):
        """Take a slot for the request m of this peer, for `lifetime` ms: its number, or -1 when all are taken.

        target: the `Target`; a group's answers are matched by their token alone.
        """
        source = target.address if kind > SILENT or target.hop else None
        slot = self.upstream.tokens.allocate(self, lifetime, now, source)
        if slot >= 0:
            token = m.buf[0] & 15
            row = _ROW * slot
            self.kinds[slot] = kind
            self.targets[slot] = target.address
            self.hops[slot] = target.hop
            self.peers[slot] = peer
            self.clients[slot] = client
            self.downs[slot] = down
            self._rows[row] = self._rows[row + 1] = self._rows[row + 2] = 0
            self._rows[row + 3] = token
            copy(self._rows, row + _TOKEN, m.buf, 4, token)
            self.mids[slot] = m.mid()
            self.opened[slot] = now
            self._first[slot] = down.mids[0]
            self._places[slot] = down.keeping
            self._names[slot] = target.names
            if kind == GROUP and not target.hop:
                self.shortcut(slot)
            if kind == UNICAST_CON:
                timers = self.upstream.timers
                timers.set(self._due_timers + slot, after(now, ACK_DELAY))
        return slot

    def shortcut(self, slot, digest=None):
        """Let this group's answers take the short way: relayed as they come. digest: and into the cache by that."""
        down = self.downs[slot]
        names = self._names[slot]
        self.digests[slot] = digest
        for way in self._known_ways:
            if way[0] is down and way[1] is names:
                self._ways[slot] = way
                return
        named = (0, None, None) if names is None else (names.number, names.known, names.of)
        self._ways[slot] = way = (down, names) + named + (down.buf, down.mids)
        self._known_ways.append(way)

    def detour(self, slot):
        """Let this group's answers be looked at one by one."""
        self._ways[slot] = None

    def find(self, m, peer, down):
        """The open exchange of this peer with the endpoint `down` whose token is that of its request m, or -1."""
        token = m.buf[0] & 15
        for slot in range(len(self.kinds)):
            if (
                self.kinds[slot]
                and self._rows[_ROW * slot + 3] == token
                and self.downs[slot] is down
                and self.peers[slot] == peer
                and same(self._rows, _ROW * slot + _TOKEN, m.buf, 4, token)
            ):
                return slot
        return -1

    def relayed_as(self, down, peer, mid):
        """The open exchange that has relayed something to this peer under this Message ID, or -1."""
        sent = down.mids[_RING + mid % _SENT]
        slot = sent >> 16
        if sent < 0 or sent & 0xFFFF != mid or self.peers[slot] != peer or self.downs[slot] is not down:
            return -1
        age = down.mids[0] - mid & 0xFFFF
        return slot if age < _SENT and age < (down.mids[0] - self._first[slot] & 0xFFFF) else -1  # or of one before it

    def close(self, slot, now):
        """Free a slot; what comes for it from now on is dropped."""
        self.closed += 1
        for part in (self.observations, self.caching, self.chain, self.aggregation):
            if part is not None:
                part.closed(slot, now)
        self.kinds[slot] = FREE
        self.targets[slot] = self.peers[slot] = self._ways[slot] = self._names[slot] = None
        self.clients[slot] = self.downs[slot] = self.digests[slot] = None
        self._copies[slot] = 0
        self.upstream.timers.stop(self._due_timers + slot)
        self.upstream.outgoing.cancel(self, slot, now)
        self.upstream.tokens.release(slot)
        if self._held_at[slot] >= 0:
            self.held.free(self._held_at[slot])
            self._held_at[slot] = -1

    def stop(self, slot, now):
        """The client wants no more of this exchange: tell whom it concerns, and close it."""
        if self.observations is not None:
            self.observations.leave(slot, now)
        if self.chain is not None:
            self.chain.leave(slot, now)
        self.close(slot, now)

    def hold(self, slot):
        """Keep the request that stands in upstream's buffer while this exchange is open. Is there a place for it?"""
        up = self.upstream
        if self._held_at[slot] < 0:
            self._held_at[slot] = self.held.keep(up.out, up.out.end, self.targets[slot], 0)
        return self._held_at[slot] >= 0

    def held_request(self, slot):
        """The request that is kept for this exchange, a Message good until the next call, or None."""
        return self.held.read(self._held_at[slot]) if self._held_at[slot] >= 0 else None

    def write_again(self, slot, m, drop, put=()):
        """Write the request m once more into upstream's buffer, as a NON with the token of this slot and a fresh
        Message ID. drop: numbers of options that it loses; put: those that it gets."""
        self.begin_upstream(slot, n.NON, m.code)
        rewrite(self.upstream.out, m, drop, put)

    def begin_upstream(self, slot, kind, code):
        """Begin a message with the token of this slot and a fresh Message ID in upstream's buffer."""
        up = self.upstream
        up.out.begin(kind, code, up.next_mid(), up.tokens.rows, ROW * slot, TOKEN_LENGTH)

    def send_copies(self, slot, copies, span, now):
        """Send what stands in upstream's buffer up to `copies` times more within `span` ms (bis §3.1.3)."""
        self._copies[slot] = 0
        if copies and self.hold(slot):
            self._copies[slot] = copies
            self._spacing[slot] = span // (copies + 1)
            self.upstream.timers.set(self._due_timers + slot, after(now, self._spacing[slot]))

    def open_to(self, target):
        """How many exchanges are open with this group?"""
        return sum([1 for other in self.targets if other == target])

    def open_of(self, client):
        """How many exchanges has this client open?"""
        return sum([1 for other in self.clients if other is client])

    def make_room(self, client, of, now):
        """Close an exchange of the client that has most of those for which of(slot) is true, if that has two more than
        `client`, so that everybody comes to a fair share: has one been closed? Of its exchanges it is the oldest."""
        best = -1
        most = 1 + sum([1 for slot in range(len(self.kinds)) if self.clients[slot] is client and of(slot)])
        for slot in range(len(self.kinds)):
            if not self.kinds[slot] or not of(slot):
                continue
            other = self.clients[slot]
            count = sum([1 for i in range(len(self.kinds)) if self.clients[i] is other and of(i)])
            older = best >= 0 and other is self.clients[best]
            older = older and elapsed(now, self.opened[slot]) > elapsed(now, self.opened[best])
            if count > most or older:
                most = count
                best = slot
        if best < 0:
            return False
        self.end(best, n.SERVICE_UNAVAILABLE, now)
        return True

    def end(self, slot, code, now):
        """Stop this exchange, with a last response of the proxy's own to its client."""
        if self.kinds[slot] > SILENT:
            self._answer(slot, code, now)
            return
        if self.kinds[slot] == GROUP:
            self.begin(slot, _NON, code)
            self.downs[slot].send(self.peers[slot])
        self.stop(slot, now)

    def answers(self, slot):
        """How many responses have been relayed for this slot?"""
        row = _ROW * slot
        return self._rows[row] | self._rows[row + 1] << 8 | self._rows[row + 2] << 16

    def _make_response(self):
        # `response`, the one function that every relayed datagram goes through, with what it needs at hand: looked up
        # in the object each time, that takes a tenth of the whole way. As defaults: see `Endpoint`.
        def response(
            slot,
            m,
            peer,
            now,
            self=self,
            ways=self._ways,
            peers=self.peers,
            digests=self.digests,
            rows=self._rows,
            f=self.upstream.message.fields,
        ):
            """Relay a response that matches this slot (Tokens' owner); False for one that is to be rejected."""
            way = ways[slot]
            if way is None:
                return self._look(slot, m, peer, now)
            down, _, insert, known, name, buf, mids = way
            value = (known(peer) or name(peer)) if insert else b"\0"
            end = relay(buf, m.buf, f, rows, slot, mids, insert, value, _LOOK)
            if end:
                down.transmit(buf, end, peers[slot])
                if digests[slot] is not None:
                    self.caching.took(slot, m, peer, digests[slot], end, now)
            else:
                self._relay_unusual(slot, m, peer, now)

        return response

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
        """What takes the place of the Reply-From `value` of another proxy, or None where it stays."""
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

    def begin(self, slot, kind, code):
        """Begin a message with the client's token in its endpoint's buffer; its fresh Message ID is remembered."""
        down = self.downs[slot]
        mid = down.next_mid()
        down.mids[_RING + mid % _SENT] = slot << 16 | mid
        self._begin(slot, kind, code, mid)

    def count(self, slot):
        """One response more has been relayed for this slot."""
        row = _ROW * slot
        for i in range(row, row + 3):
            self._rows[i] = self._rows[i] + 1 & 255
            if self._rows[i]:
                break

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

    def _begin(self, slot, kind, code, mid):
        row = _ROW * slot
        self.downs[slot].out.begin(kind, code, mid, self._rows, row + _TOKEN, self._rows[row + 3])

    def _refuse(self, slot, m, value):
        # In place of a group's response m, that cannot be relayed, 5.02 with its origin.
        self.refused_responses += 1
        down = self.downs[slot]
        self.begin(slot, _NON, n.BAD_GATEWAY)
        if value is not None:
            down.out.option(self._names[slot].number, value, 1, value[0])
        elif m.find(self._reply_from) >= 0:  # from another proxy: it stays
            down.out.copy_option(m, self._reply_from)
        down.send(self.peers[slot])

    def _individual(self, slot, m, now):
        client_token = self._rows[_ROW * slot + 3]
        too_long = m.end - 12 + 4 + client_token + 5 > self.downs[slot].out.size  # ours has 8 bytes of token
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
            down.kept.keep(place, down.buf, out.end)
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

    def awaits_answer(self, slot):
        """Does a CON of the client wait for its answer?"""
        return self.kinds[slot] in (UNICAST_CON, UNICAST_ACKED)

    def _due(self, slot, now):
        if self.kinds[slot] == UNICAST_CON:
            self.acknowledge(slot)
        elif self._copies[slot]:
            self._copies[slot] -= 1
            place = self._held_at[slot]
            self.upstream.transmit(self.held.bufs[place], self.held.lengths[place], self.targets[slot])
            if self._copies[slot]:
                self.upstream.timers.set(self._due_timers + slot, after(now, self._spacing[slot]))

    def answered(self, slot):
        """Has an individual request been answered, its exchange going on as an observation?"""
        return self.kinds[slot] == UNICAST_NON and self.answers(slot) > 0

    def acknowledge(self, slot):
        """Acknowledge a client's CON request; the response then comes separately (RFC 7252 §5.2.2)."""
        down = self.downs[slot]
        self.kinds[slot] = UNICAST_ACKED
        down.acknowledge_request(self.mids[slot], self.peers[slot])
        if self._places[slot] >= 0:
            down.kept.keep(self._places[slot], down.buf, 4)

    def acknowledged(self, slot, now):
        """A server has the request: its response may still be long in coming (Outgoing's owner)."""

    def message_failed(self, slot, reset, now):
        """A server has reset a CON request or stayed silent; slot -1: a client has, and nothing is to be done."""
        if slot >= 0:
            code = n.BAD_GATEWAY if reset else n.GATEWAY_TIMEOUT
            if self.kinds[slot] == GROUP:  # another proxy
                self.begin(slot, _NON, code)
                self.downs[slot].send(self.peers[slot])
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


def rewrite(out, m, drop, put):
    """Append the options and the payload of m to a Writer, without the options numbered in `drop`, with those in `put`.

    put: (number, bytes) by rising number; one comes behind those of m with its number. Raises ValueError.
    """
    at = 0
    m.rewind()
    while True:
        number = m.step()
        while at < len(put) and (number < 0 or number > put[at][0]):
            out.option(put[at][0], put[at][1])
            at += 1
        if number < 0:
            break
        if number not in drop:
            out.copy_option(m, number)
    out.copy_payload(m)
