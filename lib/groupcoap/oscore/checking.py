"""A proxy that lets through only what is signed by a member of the group (draft-ietf-core-oscore-groupcomm §7.5).

It reads nothing: see `checker`. What belongs to a group that it has no checker for passes, and what is in pairwise mode
has no signature to check. A response that nobody has signed is for nobody but who has asked, and passes too.
"""

from micropython import const

from .. import numbers as n
from ..endpoint import MAX_DATAGRAM
from ..message import Message
from .errors import Rejected
from .exchange import header
from .jobs import Jobs

_SEEN = const(2)
_OSCORE = const(1 << 9)


class Checking:
    """Checks what the upstream endpoint of `relay` sends and receives.

    checkers: of `checker.Checker`, one for each group; jobs, clock: see `jobs.Jobs`. invalid: messages that were not
    let through; crowded: those for which there was no place.
    """

    def __init__(self, relay, checkers, jobs=4, clock=None):
        up = relay.upstream
        self.invalid = self.crowded = 0
        self._relay = relay
        self._checkers = {checker.gid: checker for checker in checkers}
        self._clock = clock
        self._now = 0
        self._jobs = Jobs(jobs, up.timers, clock)
        self._message = Message(MAX_DATAGRAM)
        slots = up.tokens.slots
        self._asked = [None] * slots  # what responses are bound to: (checker, checker.Asked)
        self._tokens = [b""] * slots  # of the requests that these are of
        self._mids = [-1] * slots  # and their Message IDs, once they have passed
        self._timer = up.timers.reserve(slots, self._refused)
        self._put = up.transmit
        self._receive = up.receive
        up.transmit = self.transmit
        up.receive = self.receive

    def transmit(self, buf, length, peer):
        """Send a request when its signature has been checked (Endpoint.transmit)."""
        m = self._protected(buf, length) if 0 < buf[1] < 32 else None
        slot = -1 if m is None else self._relay.upstream.tokens.find(buf, peer)
        if slot < 0:
            return self._put(buf, length, peer)
        token = m.token()
        if self._tokens[slot] == token and self._mids[slot] == m.mid():  # a copy of what has passed
            return self._put(buf, length, peer)
        self._tokens[slot] = token
        self._mids[slot] = -1
        self._asked[slot] = None
        try:
            checker = self._checkers.get(header(m)[1])
            if checker is not None:
                asked = checker.asked(m)
                self._asked[slot] = (checker, asked)
                if asked.signed:
                    return self._check(m, peer, slot, self._sent, checker.check_request)
        except Rejected:
            return self._refuse(slot)
        self._put(buf, length, peer)

    def receive(self, buf, length, peer, group, now):
        """Take a datagram; a response when its signature has been checked (Endpoint.receive)."""
        self._now = now
        m = self._protected(buf, length) if length > 4 and buf[1] > 63 else None
        slot = -1 if m is None else self._relay.upstream.tokens.find(buf, peer)
        if slot < 0 or self._tokens[slot] != m.token() or self._asked[slot] is None:
            return self._receive(buf, length, peer, group, now)
        checker, asked = self._asked[slot]
        try:
            if not header(m)[3]:
                return self._receive(buf, length, peer, group, now)
            self._check(m, peer, slot, self._received, lambda m: checker.check_response(m, asked))
        except Rejected:
            self.invalid += 1

    def _time(self):
        return self._now if self._clock is None else self._clock()

    def _protected(self, buf, length):
        # The message in buf, if it has an OSCORE option, else None.
        m = self._message
        try:
            m.parse(buf, length)
        except ValueError:
            return None
        return m if m.fields[_SEEN] & _OSCORE else None

    def _check(self, m, peer, slot, ready, begin):
        job = self._jobs.take()
        if job is not None:
            job.copy(m, peer)
            job.slot = slot
            job.ready = ready
            job.work = job.opening = begin(job.message)
            if self._jobs.run(job, self._time()) is not None:
                return
        self.crowded += 1

    def _sent(self, job, now):
        m, slot, peer, valid = job.message, job.slot, job.peer, job.opening.valid
        try:
            if self._relay.upstream.tokens.find(job.buf, peer) != slot:
                return  # its exchange has ended
            if valid:
                self._mids[slot] = m.mid()
                self._put(job.buf, m.end, peer)
            else:
                self._refuse(slot)
        finally:
            job.free()

    def _refuse(self, slot):
        # The client hears that its request goes nowhere; not now, where the relay is still busy with it.
        self.invalid += 1
        self._relay.upstream.timers.set(self._timer + slot, self._time())

    def _refused(self, slot, now):
        token = self._tokens[slot]
        up = self._relay.upstream
        if token and up.tokens.owners[slot] is self._relay and up.tokens.token(slot) == token:
            self._relay.end(slot, n.BAD_REQUEST, now)

    def _received(self, job, now):
        try:
            if job.opening.valid:
                self._receive(job.buf, job.message.end, job.peer, 0, now)
            else:
                self.invalid += 1
        finally:
            job.free()
