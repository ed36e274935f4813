"""Observers of a server's resources (RFC 7641 §4): a fixed table, each observer with its request.

A change marks its observers; each is told when it may be: not while a Confirmable notification to it is out, nor within
the interval after the last (§4.5.1). So what changes faster is told once, with its latest state. Now and then a
notification is Confirmable, to see that the observer is still there.
"""

from array import array

from micropython import const

from . import numbers as n
from .held import Held
from .message import option_of, uint_bytes, with_options
from .timers import after, elapsed

_CHANGED = const(1)
_BUSY = const(2)  # a CON is out, or the answer being made
_TIMED = const(4)  # its moment is chosen
_IDLE = const(8)  # nothing has been told for longer than the interval
_CON_EVERY = const(8)  # notifications
_CON_WITHIN = const(86400000 // 2)  # ms; at least once in 24 hours (§4.5)
_MASK = const(0xFFFFFF)


class Observers:
    """Up to `places` observers, whose requests have up to `size` bytes; interval: ms between notifications to one."""

    def __init__(self, server, places, size=128, interval=3000):
        self._server = server
        self._held = Held(places, size)
        self._resources = [None] * places
        self._formats = [None] * places  # Content-Format of the first representation, as the option's value
        self._states = bytearray(places)
        self._counts = bytearray(places)  # notifications since the last that was confirmed
        self._confirmed = array("i", bytes(4 * places))
        self._mids = array("i", bytes(4 * places))
        self._interval = interval
        self._timers = server.endpoint.timers
        self._first = self._timers.reserve(places, self._due)
        self._number = 0
        self.refused = 0  # registrations that found no place

    def __len__(self):
        return len([resource for resource in self._resources if resource is not None])

    def register(self, m, peer, group, resource, content_format, now):
        """Enter an observer, or again the one with this token (§4.1): the value of Observe, or None where all is full.

        content_format: of the response, as the option's value or None, False for one without a representation: that of
        all notifications (§4.2.3).
        """
        i = self._of(m, peer, resource)
        if i >= 0:
            self._remove(i, now)
        i = self._held.keep(m, m.end, peer, group)
        if i < 0:
            self.refused += 1
            return None
        self._resources[i] = resource
        self._formats[i] = content_format
        self._states[i] = _IDLE
        self._counts[i] = 0
        self._confirmed[i] = now
        self._timers.set(self._first + i, after(now, _CON_WITHIN))
        self._mids[i] = -1
        return self._next()

    def deregister(self, m, peer, resource, now):
        """Remove the observer of this resource with the token of `m`; nothing if there is none."""
        i = self._of(m, peer, resource)
        if i >= 0:
            self._remove(i, now)

    def holds(self, m, peer):
        """Does this peer observe by the token of m?"""
        return self._held.find(m, peer) >= 0

    def changed(self, resource, now):
        """Tell the observers of this resource, each as soon as it may be told."""
        for i in range(len(self._resources)):
            if self._resources[i] is resource:
                self._states[i] |= _CHANGED
                self._schedule(i, now)

    def leave(self, group, now):
        """Remove those that observe as a part of this group."""
        for i in range(len(self._resources)):
            if self._resources[i] is not None and self._held.groups[i] == group:
                self._remove(i, now)

    def rejected(self, peer, mid, now):
        """Remove the observer that has reset its last notification, if it was one (§3.6)."""
        for i in range(len(self._resources)):
            if self._resources[i] is not None and self._mids[i] == mid and self._held.peers[i] == peer:
                self._remove(i, now)

    def notify(self, i, outcome, now):
        """Send this outcome to an observer; one that is no 2.xx is the last that it hears (§4.2)."""
        self._states[i] &= ~_BUSY
        code, pairs, body = outcome
        if code == n.CONTENT:
            content_format = option_of(pairs, n.CONTENT_FORMAT)
            if self._formats[i] is False:
                self._formats[i] = content_format
            elif self._formats[i] != content_format:
                code, pairs, body = outcome = n.NOT_ACCEPTABLE, (), b""
        if code >> 5 == 2:
            pairs = [pair for pair in pairs if pair[0] != n.OBSERVE]
            outcome = code, with_options(pairs, [(n.OBSERVE, self._next())]), body
        endpoint = self._server.endpoint
        peer = self._held.peers[i]
        self._counts[i] += 1
        overdue = not 0 <= elapsed(now, self._confirmed[i]) < _CON_WITHIN
        confirmable = code >> 5 == 2 and (overdue or self._counts[i] >= _CON_EVERY)
        self._mids[i] = mid = endpoint.next_mid()
        code = self._server.write(self._held.read(i), n.CON if confirmable else n.NON, mid, outcome)
        if confirmable and endpoint.send_confirmable(peer, self, i, now):
            self._states[i] |= _BUSY
        elif confirmable:
            self._counts[i] -= 1
            self._states[i] |= _CHANGED  # later, when there is a place to repeat it from
        else:
            endpoint.send(peer)
        if code >> 5 != 2:
            self._remove(i, now)
        else:
            self._timers.set(self._first + i, after(now, self._interval))

    def postpone(self, i, now):
        """There is no place to make what this observer is to be told: try again after the interval."""
        if self._resources[i] is not None:
            self._states[i] = _CHANGED
            self._timers.set(self._first + i, after(now, self._interval))

    def acknowledged(self, i, now):
        """The observer is there (Outgoing's owner)."""
        self._states[i] &= ~_BUSY
        self._counts[i] = 0
        self._confirmed[i] = now
        if self._timers.running(self._first + i):
            self._schedule(i, now)
        else:  # the interval is over
            self._due(i, now)

    def message_failed(self, i, reset, now):
        """The observer is not interested any more, or gone (§4.5; Outgoing's owner)."""
        self._remove(i, now)

    def _of(self, m, peer, resource):
        i = self._held.find(m, peer)
        while i >= 0 and self._resources[i] is not resource:
            i = self._held.find(m, peer, i + 1)
        return i

    def _next(self):
        # The value of Observe, which rises with each notification (§4.4).
        self._number = number = self._number + 1 & _MASK
        return uint_bytes(number)

    def _schedule(self, i, now):
        state = self._states[i]
        running = self._timers.running(self._first + i)
        if state & _CHANGED and not state & (_BUSY | _TIMED) and (state & _IDLE or not running):
            group = self._held.groups[i]
            self._states[i] = _CHANGED | _TIMED
            self._timers.set(self._first + i, self._server.groups.moment(group, now) if group else now)

    def _due(self, i, now):
        state = self._states[i]
        if state & _IDLE:  # nothing has changed for long: is the observer still there?
            self._states[i] = _CHANGED
            self._counts[i] = _CON_EVERY
            self._schedule(i, now)
            return
        if not state & _TIMED:  # the interval is over
            if state & _CHANGED:
                self._schedule(i, now)
            elif not state & _BUSY:
                self._states[i] = _IDLE
                self._timers.set(self._first + i, after(now, _CON_WITHIN))
            return
        self._states[i] = _BUSY
        try:
            m = self._held.read(i)
            outcome = self._server.evaluate(m, self._held.peers[i], self._held.groups[i], now, i)
            if outcome is not None and self._resources[i] is not None:  # a handler may leave the group
                self.notify(i, outcome, now)
        except Exception:
            self.postpone(i, now)
            raise

    def sent(self, m, peer, mid):
        """The first response to this observer went out Non-confirmable with this Message ID."""
        i = self._held.find(m, peer)
        if i >= 0:
            self._mids[i] = mid

    def _remove(self, i, now):
        if self._server.later is not None:
            self._server.later.leave(i)
        self._server.endpoint.outgoing.cancel(self, i, now)
        self._timers.stop(self._first + i)
        self._resources[i] = None
        self._held.free(i)
