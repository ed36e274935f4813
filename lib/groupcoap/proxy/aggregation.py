"""The exchanges whose answers the proxy collects until T' and gives as one, where `Accept: 62` asks for that.

What is collected, and how it is written, is in `aggregate`. Further blocks are asked for by the same request with
Block2; they come from what was collected, and nothing goes to the group for them.
"""

import hashlib

from micropython import const

from .. import block, options
from .. import numbers as n
from ..errors import BadRequest
from ..timers import elapsed

_FREE = const(0)
_NON = const(1)  # collecting, for a request that was Non-confirmable
_CON = const(2)
_DIGEST = const(8)  # bytes
_HEADER = const(64)  # bytes of a message that a block leaves to the rest
_TURN = const(5000)  # ms for which a free place is kept for who was refused one


class Aggregation:
    """collections: an `aggregate.Collections`, whose answers go out in blocks of what fits into one message."""

    def __init__(self, relay, collections):
        self._relay = relay
        self.collections = collections
        self._szx = block.szx_of(relay.downstream.out.size - _HEADER)  # of the largest block (RFC 7959)
        self._states = bytearray(len(relay.kinds))
        self._wants = [-1] * len(relay.kinds)  # Block2 of the requests
        self._holder = self._waiting = None  # the client who had a place last, and who was refused one
        relay.aggregation = self

    def wanted(self, m):
        """Does this request ask for one aggregated answer?"""
        return options.uint(m, n.ACCEPT) == n.MULTIPART_CORE

    def block(self, proxy, m, peer, now):
        """Answer a request for a further block: True, or False for what is none. Raises BadRequest."""
        want = block.read(m, n.BLOCK2)
        if want < 16 or not self.wanted(m):
            return False
        place = self.collections.find(peer, _digest(m))
        if place < 0:
            raise BadRequest("Block2: expected block 0 first")
        down = proxy.down
        confirmable = m.type() == n.CON
        kind, mid = (n.ACK, m.mid()) if confirmable else (n.NON, down.next_mid())
        down.out.begin(kind, n.CONTENT, mid, m.buf, 4, m.buf[0] & 15)
        self.collections.write_block(place, down.out, want, self._szx, now)
        down.send(peer)
        return True

    def admit(self, m, peer, client, now):
        """Is there a place for the answers to this request? Raises BadRequest.

        Who was refused one comes before who had one, as the places are too few for shares of them.
        """
        if block.read(m, n.BLOCK2) == -2:
            raise BadRequest("Block2: expected a size from 16 to 1024")
        free = self.collections.free() >= 0
        if self._waiting is not None and self._waiting is not client:
            if not free:
                self.collections.freed = now
                return False
            if 0 <= elapsed(now, self.collections.freed) < _TURN:
                return False
            self._waiting = None
        if not free and self.collections.find(peer, _digest(m)) < 0:
            self.collections.freed = now
            if client is not self._holder:
                self._waiting = client
            return False
        self._waiting = None
        self._holder = client
        return True

    def begin(self, slot, m, peer):
        """Collect the answers to this request, which was admitted."""
        self.collections.begin(slot, peer, _digest(m))
        self._states[slot] = _CON if m.type() == n.CON else _NON
        self._wants[slot] = block.read(m, n.BLOCK2)
        self._relay.detour(slot)

    def take(self, slot, m, peer, now):
        """Collect a response: True, or False where this exchange's answers are not collected."""
        if not self._states[slot]:
            return False
        name = self._relay.name_of(slot, peer)
        if self._relay.unsafe(m):
            self._relay.refused_responses += 1
            self.collections.refuse(slot, name, n.BAD_GATEWAY)
        elif self.collections.add(slot, name, m):
            self._relay.count(slot)
        return True

    def expired(self, slot, now):
        """T' is over: give the answer. False where this exchange's answers are not collected."""
        state = self._states[slot]
        if not state:
            return False
        relay = self._relay
        down = relay.downs[slot]
        place = self.collections.finish(slot, now)
        relay.begin(slot, n.CON if state == _CON else n.NON, n.CONTENT)
        self.collections.write_block(place, down.out, self._wants[slot], self._szx, now)
        peer = relay.peers[slot]
        relay.close(slot, now)
        if state != _CON or not down.send_confirmable(peer, relay, -1, now):
            down.send(peer)
        return True

    def closed(self, slot, now):
        """This exchange is over (Relay's part)."""
        if self._states[slot]:
            self._states[slot] = _FREE
            self.collections.freed = now
            self.collections.drop(slot)


def _digest(m):
    # What the requests for the blocks of one answer have in common.
    found = hashlib.sha256(bytes((m.code,)))
    m.rewind()
    while True:
        number = m.step()
        if number < 0:
            break
        if number not in (n.BLOCK2, n.ETAG) and not options.no_cache_key(number):
            found.update(bytes((number >> 8, number & 255, m.length() & 255)))
            found.update(m.value())
    found.update(m.payload())
    return found.digest()[:_DIGEST]
