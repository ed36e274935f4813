"""Observe through the proxy (draft-ietf-core-groupcomm-proxy §5.2.2, §5.4.2; RFC 7641 §5).

Towards servers the proxy is an observer, under the one token of the exchange; towards its client it is the server that
is observed. So the numbers of Observe are its own, and it asks by a Confirmable notification now and then whether the
client is still there. An exchange that a server has taken on stays open beyond T'; from then on only notifications
pass. Who leaves is taken back at the servers by a request with Observe 1 under the same token.
"""

from array import array

from micropython import const

from .. import numbers as n
from .. import options
from ..freshness import newer
from ..message import uint_bytes
from ..timers import elapsed
from .exchanges import GROUP
from .target import uri_hash

_ASKED = const(1)
_ACTIVE = const(2)  # a server has taken it on
_OVER = const(3)  # and T' has passed
_CON_EVERY = const(8)  # notifications
_CON_WITHIN = const(86400000 // 2)  # ms; at least once in 24 hours (RFC 7641 §4.5)
_IDLE = const(86400000)  # ms without a notification after which an observation ends
_UNANSWERED = const(60000)  # ms
_SUPPRESS_ALL = b"\x1a"  # No-Response: 2.xx, 4.xx, 5.xx (RFC 7967)
_NOBODY = const(0xFF)


class Observations:
    """Up to `places` observations at a time among the exchanges of a `Relay`, one `held` request each; further
    requests are served without Observe. origins: servers whose notifications are put in order; those of more pass as
    they come."""

    def __init__(self, relay, places=4, origins=32):
        slots = len(relay.kinds)
        self._relay = relay
        self._places = places
        self._wanted = bytearray(slots)  # has the client asked for an observation?
        self._states = bytearray(slots)
        self._resources = array("i", bytes(4 * slots))  # 24 bits each of what they are for
        self._counts = bytearray(slots)  # notifications since the last that was confirmed
        self._busy = bytearray(slots)  # is a Confirmable one out?
        self._unlisted = bytearray(slots)  # has a server found no place among the origins?
        self._confirmed = array("i", bytes(4 * slots))
        self._number = 0
        self._slots = bytearray([_NOBODY] * origins)  # of the servers heard: slot,
        self._origins = [None] * origins  # who,
        self._last = array("i", bytes(4 * origins))  # number of the newest notification,
        self._at = array("i", bytes(4 * origins))  # and when it came
        self.refused = 0  # registrations that found no place
        relay.observations = self

    def __len__(self):
        return sum([1 for state in self._states if state])

    def has(self, slot):
        """Is this exchange an observation, or was it to be one?"""
        return self._wanted[slot] != 0

    def active(self, slot):
        """Has this exchange found a place as an observation?"""
        return self._states[slot] != 0

    def is_of(self, slot, request):
        """Is what this exchange observes the target of this request? As it stands in upstream's buffer."""
        return self._resources[slot] == uri_hash(request)

    def make_room(self, client, now):
        """Where all places are taken, end an observation of who has most of them, two more than this client at least.

        That writes into upstream's buffer.
        """
        if len(self) >= self._places:
            for slot in range(len(self._counts)):  # is everybody still there? The next notification will show
                self._counts[slot] = _CON_EVERY
            self._relay.make_room(client, lambda slot: self._states[slot], now)

    def begin(self, slot, request, now):
        """Let this exchange be one, if it is not; request: as it stands in upstream's buffer. False: there is no
        place."""
        if self._states[slot]:
            return True
        self._wanted[slot] = 1
        self._resources[slot] = uri_hash(request)
        if len(self) >= self._places or not self._relay.hold(slot):
            self.refused += 1
            return False
        self._states[slot] = _ASKED
        self._counts[slot] = self._busy[slot] = self._unlisted[slot] = 0
        self._confirmed[slot] = now
        self._relay.detour(slot)
        return True

    def again(self, slot, m, observe, span, now):
        """The client registers again (observe 0) or takes it back (1), by the request m: pass on what stands in
        upstream's buffer, under the same token. span: ms for which answers are wanted."""
        relay = self._relay
        up = relay.upstream
        relay.mids[slot] = m.mid()
        relay.opened[slot] = now
        relay.send_copies(slot, 0, 0, now)
        group = relay.kinds[slot] == GROUP
        confirmable = up.buf[0] & 0x30 == 0
        if observe:
            self._forget(slot, now)
        else:
            self._repeat(slot)
        if not group:
            goes_on = self._states[slot] and not confirmable
            up.tokens.extend(slot, _IDLE if goes_on else _UNANSWERED, now)
            if confirmable:
                relay.await_answer(slot, m, now)
        elif span:
            if self._states[slot] == _OVER:
                self._states[slot] = _ACTIVE
            up.tokens.extend(slot, span, now)
        if not confirmable or not up.send_confirmable(relay.targets[slot], relay, slot, now):
            up.buf[0] |= n.NON << 4  # without a place to repeat it from
            up.send(relay.targets[slot])
        if observe and group and not span:
            relay.close(slot, now)

    def number(self, slot, m, origin, now):
        """The number for a notification of this origin; None for what is none, -1 for one that is late."""
        if not self._states[slot]:
            return None
        place = self._find(slot, origin)
        if m.code >> 5 != 2 or options.valid(m, n.OBSERVE) < 0:
            if place >= 0:
                self._remove(slot, place, now)
            return None
        number = m.uint()
        if place >= 0 and not newer(number, self._last[place], self._at[place], now):
            return -1
        if place < 0:
            place = self._find(_NOBODY, None)
            self._unlisted[slot] |= place < 0
        if place >= 0:
            self._slots[place] = slot
            self._origins[place] = origin
            self._last[place] = number
            self._at[place] = now
        if self._states[slot] == _ASKED:
            self._states[slot] = _ACTIVE
        elif self._states[slot] == _OVER:
            self._relay.upstream.tokens.extend(slot, _IDLE, now)
        self._number = self._number + 1 & 0xFFFFFF
        return self._number

    def _find(self, slot, origin):
        # The place of this origin, or of any (0), or -1.
        for i in range(len(self._slots)):
            if self._slots[i] == slot and (origin == 0 or self._origins[i] == origin):
                return i
        return -1

    def _remove(self, slot, place, now):
        # This server has ended its observation; after T' the last one ends the exchange.
        self._slots[place] = _NOBODY
        self._origins[place] = None
        if self._states[slot] == _OVER and not self._unlisted[slot] and self._find(slot, 0) < 0:
            self._relay.upstream.tokens.extend(slot, 0, now)

    def send(self, slot, now):
        """Send the notification that stands in the client's endpoint's buffer as a CON, where it is time for one."""
        overdue = not 0 <= elapsed(now, self._confirmed[slot]) < _CON_WITHIN
        if self._busy[slot] or not (overdue or self._counts[slot] >= _CON_EVERY - 1):
            self._counts[slot] = min(255, self._counts[slot] + 1)
            return False
        down = self._relay.downs[slot]
        down.buf[0] &= 0xCF
        if self.confirm(slot, now):
            return True
        down.buf[0] |= n.NON << 4  # no place to repeat it from: the next one, then
        return False

    def confirm(self, slot, now):
        """Send the CON that stands in the client's endpoint's buffer until the client has it; False where there is no
        place to repeat it from. One that the client has not got yet is not repeated any more."""
        down = self._relay.downs[slot]
        if self._busy[slot]:
            down.outgoing.cancel(self, slot, now)
        self._busy[slot] = down.send_confirmable(self._relay.peers[slot], self, slot, now)
        return self._busy[slot]

    def individual(self, slot, m, now):
        """Relay a notification of a single server: True, or False for what is none, which ends the observation."""
        relay = self._relay
        if not self._states[slot]:
            return False
        first = self._states[slot] == _ASKED
        number = self.number(slot, m, relay.targets[slot], now)
        if number is None:
            self._forget(slot, now)
            return False
        if number >= 0:
            relay.upstream.tokens.extend(slot, _IDLE, now)
            if relay.caching is not None:
                relay.caching.individual(slot, m, now)
            if first or relay.awaits_answer(slot):
                relay.answer(slot, m, now, number)
            elif relay.write(slot, n.NON, m, None, number) and not self.send(slot, now):
                relay.downs[slot].send(relay.peers[slot])
        return True

    def over(self, slot, m, peer):
        """Has T' passed for an observation, and is this no notification, and no end of those of this peer?"""
        if self._states[slot] != _OVER:
            return False
        if m.code >> 5 == 2:
            return m.find(n.OBSERVE) < 0
        return not self._unlisted[slot] and not self._relay.hops[slot] and self._find(slot, peer) < 0

    def expired(self, slot, now):
        """The time of this exchange has come to its end: does it go on?"""
        relay = self._relay
        if self._states[slot] == _ACTIVE and relay.kinds[slot] == GROUP:
            self._states[slot] = _OVER
            relay.upstream.tokens.extend(slot, _IDLE, now)
            return True
        if self._states[slot] > _ASKED and not relay.awaits_answer(slot):  # nothing has come for long
            relay.stop(slot, now)
            return True
        return False

    def leave(self, slot, now):
        """Take the registration back at the servers, where there was one."""
        relay = self._relay
        m = relay.held_request(slot) if self._states[slot] and not relay.hops[slot] else None
        if m is not None:
            put = ((n.OBSERVE, uint_bytes(1)), (n.NO_RESPONSE, _SUPPRESS_ALL))
            try:
                relay.write_again(slot, m, (n.OBSERVE, n.NO_RESPONSE), put)
            except ValueError:  # no room: its next notifications are reset, then
                return
            relay.upstream.send(relay.targets[slot])

    def closed(self, slot, now):
        """This exchange is over (Relay's part)."""
        self._forget(slot, now)
        self._wanted[slot] = 0

    def _forget(self, slot, now):
        if self._states[slot]:
            self._relay.downs[slot].outgoing.cancel(self, slot, now)
        self._states[slot] = self._busy[slot] = 0
        for i in range(len(self._slots)):
            if self._slots[i] == slot:
                self._slots[i] = _NOBODY
                self._origins[i] = None

    def _repeat(self, slot):
        # Let the newest notification of each server come once more: it may be its answer to a new registration.
        for i in range(len(self._slots)):
            if self._slots[i] == slot:
                self._last[i] = self._last[i] - 1 & 0xFFFFFF

    def acknowledged(self, slot, now):
        """The client is there (Outgoing's owner)."""
        self._busy[slot] = self._counts[slot] = 0
        self._confirmed[slot] = now

    def message_failed(self, slot, reset, now):
        """The client is not interested any more, or gone (Outgoing's owner)."""
        self._busy[slot] = 0
        self._relay.stop(slot, now)
