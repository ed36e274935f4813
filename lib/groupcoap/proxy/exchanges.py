"""The proxy's open exchanges: whose each is, what kind, and what of it is kept.

A slot of the upstream endpoint's token table is one exchange. Beside it stand here, in columns made at start, the
client's token in a fixed row of bytes, its address, and what a response has to know. Slots are shared fairly.
"""

from array import array

from micropython import const

from .. import numbers as n
from ..held import Held
from ..hot import copy, same
from ..message import rewrite
from ..timers import after, elapsed
from ..tokens import ROW, TOKEN_LENGTH

_ROW = const(12)  # bytes of a slot: count of answers (3), length of the client's token, the token
_TOKEN = const(4)
_SENT = const(128)  # relayed messages whose Message ID is remembered (see `hot.relay`)
_RING = const(2)  # where in `mids` they are

FREE = const(0)
GROUP = const(1)
SILENT = const(2)  # nobody wants its answers: what is still to go are copies, or repetitions until it has arrived
UNICAST_NON = const(3)  # the client's request was Non-confirmable
UNICAST_CON = const(4)  # Confirmable, not yet acknowledged
UNICAST_ACKED = const(5)  # Confirmable and acknowledged: a separate response is due

ACK_DELAY = 1000  # ms after which a client's CON is acknowledged, the answer still being out; below its ACK_TIMEOUT


class Exchanges:
    """The exchanges between endpoints that clients talk to, `downstream` first, and `upstream`, towards servers.

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
        self._held_at = array("h", b"\xff\xff" * slots)
        self._copies = bytearray(slots)  # still to go
        self._spacing = array("i", bytes(4 * slots))  # ms between them; of a NON to one server, or hop, its Message ID
        self.roles = []  # what has this relay: each puts itself in
        self.observations = self.caching = self.chain = self.aggregation = None
        self._due_timers = upstream.timers.reserve(slots, self._due)  # of a Relay
        self.closed = 0  # exchanges that have ended
        self.serve(downstream)

    def move(self, old, new, now):
        """Be at the packed own address `new`, where until now it was `old` (Node.moved)."""
        for role in self.roles:
            role.move(old, new)
        if self.chain is not None and self.chain.own == old:
            self.chain.own = new

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
            self._spacing[slot] = -1
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
        """The open exchange of this peer with the endpoint `down` whose token is that of its request m, or -1. One
        with responses comes before one without."""
        token = m.buf[0] & 15
        found = -1
        for slot in range(len(self.kinds)):
            if (
                self.kinds[slot]
                and self._rows[_ROW * slot + 3] == token
                and self.downs[slot] is down
                and self.peers[slot] == peer
                and same(self._rows, _ROW * slot + _TOKEN, m.buf, 4, token)
            ):
                if self.kinds[slot] != SILENT:
                    return slot
                found = slot
        return found

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
        if self.kinds[slot] == UNICAST_CON and self._places[slot] >= 0:
            self.downs[slot].kept.silence(self._places[slot])  # else it would wait for an answer, and never give way
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

    def send_once(self, slot):
        """Send the NON that stands in upstream's buffer; a Reset of it is its answer."""
        up = self.upstream
        self._spacing[slot] = up.buf[2] << 8 | up.buf[3]
        up.send(self.targets[slot])

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
        counts = {}
        for slot in range(len(self.kinds)):
            if self.kinds[slot] and of(slot):
                other = self.clients[slot]
                counts[other] = counts.get(other, 0) + 1
        best = -1
        most = 1 + counts.get(client, 0)
        for slot in range(len(self.kinds)):
            other = self.clients[slot]
            if counts.get(other, 0) >= most and of(slot):
                older = best >= 0 and other is self.clients[best]
                older = older and elapsed(now, self.opened[slot]) > elapsed(now, self.opened[best])
                if counts[other] > most or older:
                    most = counts[other]
                    best = slot
        if best < 0:
            return False
        self.end(best, n.SERVICE_UNAVAILABLE, now)
        return True

    def token_length(self, slot):
        """Bytes of the client's token."""
        return self._rows[_ROW * slot + 3]

    def answers(self, slot):
        """How many responses have been relayed for this slot?"""
        row = _ROW * slot
        return self._rows[row] | self._rows[row + 1] << 8 | self._rows[row + 2] << 16

    def answered(self, slot):
        """Has an individual request been answered, its exchange going on as an observation?"""
        return self.kinds[slot] == UNICAST_NON and self.answers(slot) > 0

    def awaits_answer(self, slot):
        """Does a CON of the client wait for its answer?"""
        return self.kinds[slot] in (UNICAST_CON, UNICAST_ACKED)

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

    def _begin(self, slot, kind, code, mid):
        row = _ROW * slot
        self.downs[slot].out.begin(kind, code, mid, self._rows, row + _TOKEN, self._rows[row + 3])
