"""An observation of one resource at all servers of a group (draft-ietf-core-groupcomm-bis §3.7).

One token serves for all of them, and each has its own order of notifications. Who has not notified within Max-Age, or
has joined late, is reached by registering again: one more group request with the same token.
"""

from . import numbers as n
from . import options
from .group_request import GroupRequest
from .observation import max_age, newer, patience
from .request import RequestFailed
from .timers import after, elapsed

_ORIGINS = 16  # servers whose notifications are put in order; those of more are delivered as they come
_DEFAULT = 60000  # ms until the next registration while nobody has answered
_MISSES = 3  # registrations without an answer after which a server is forgotten

# A server that observes: [origin, number of its newest notification, when that came, when the next is due, misses]
_NUMBER = 1
_AT = 2
_DUE = 3
_MISSED = 4


class GroupObservation(GroupRequest):
    """A GroupRequest whose answers go on until it is cancelled or deregistered.

    Through a proxy it ends with the request's time where no server has taken it on.
    """

    observe = 0
    ending = False

    def __init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied, timeout, copies):
        GroupRequest.__init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied, timeout, copies)
        self._rows = []
        self._copies = copies - 1
        self._patient = False

    def take(self, m, peer, now):
        """Deliver a notification, if it is newer than the last of its origin; or what else a server answers."""
        origin = self.origin(m, peer)
        if self.ending:
            return
        if origin is None or m.code >> 5 != 2 or options.valid(m, n.OBSERVE) < 0:
            self._rows = [row for row in self._rows if row[0] != origin]
            GroupRequest.take(self, m, peer, now)
            return
        number = m.uint()
        row = None
        for found in self._rows:
            if found[0] == origin:
                row = found
                if not self.protected(m) and not newer(number, row[_NUMBER], row[_AT], now):
                    return
        if row is None:
            row = [origin, number, now, now, 0]
            if len(self._rows) < _ORIGINS:
                self._rows.append(row)
        row[_NUMBER] = number
        row[_AT] = now
        row[_DUE] = after(now, max_age(m) + patience(self.client.endpoint.entropy))
        row[_MISSED] = 0
        self._schedule(now)
        self.drop(now, origin)
        if not self.fetch(m, peer, origin, now):
            self.deliver(self.made(m, peer, now))

    def _schedule(self, now):
        # The time of the next registration: when the first of the servers is due.
        span = _DEFAULT + patience(self.client.endpoint.entropy)
        if self._rows:
            span = min([-elapsed(now, row[_DUE]) for row in self._rows])
        self.client.endpoint.tokens.extend(self.slot, max(1, span), now)

    def expired(self, now):
        """A notification is overdue: register again, with the same token."""
        if self.ending or (self.proxied and not self._rows):
            GroupRequest.expired(self, now)
            return
        self.outstanding = False
        self.client.turns(now)
        if not self._rows and not self._patient:  # the time of the first registration is over
            self._patient = True
            self._schedule(now)
            return
        for row in self._rows:
            if elapsed(now, row[_DUE]) >= 0:
                row[_MISSED] += 1
                row[_DUE] = after(now, _DEFAULT + patience(self.client.endpoint.entropy))
        if not self.proxied:
            self._rows = [row for row in self._rows if row[_MISSED] < _MISSES]
        self.copies = self._copies
        self._schedule(now)
        self.proceed(now, False)

    def went(self, now):
        """A registration has gone, or the deregistration: then nothing more is awaited of a group."""
        if self.ending:
            self._end(now)
        else:
            GroupRequest.went(self, now)

    def acknowledged(self, ref, now):
        """The proxy has the request."""
        if self.ending:
            self._end(now)
        elif not self._rows:
            GroupRequest.acknowledged(self, ref, now)
        else:
            self.silent = False

    def deregister(self, now):
        """Tell the group, or the proxy, that notifications are no longer wanted."""
        if self.slot < 0 or self.ending:
            return
        self.drop(now)
        self.ending = True
        self.observe = 1
        self.copies = 0
        self.client.endpoint.outgoing.cancel(self, self.slot, now)
        self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)
        self.proceed(now, False)

    def _end(self, now):
        self.finish(now)
        self.deliver(None)

    def fail(self, reason, now):
        """The proxy is silent, or has reset a request."""
        self.cancel(now)
        self.deliver(None if self.ending else RequestFailed(reason))
