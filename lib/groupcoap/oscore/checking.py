"""A proxy that lets through only what is signed by a member of the group (draft-ietf-core-oscore-groupcomm §7.5).

It has the members' public keys and what the signatures are hidden with, but not the keys that the messages are
encrypted with: it reads nothing. What belongs to a group that it does not know, and what is not in group mode, passes.
"""

from micropython import const

from .. import numbers as n
from ..endpoint import MAX_DATAGRAM
from ..message import Message
from . import option
from .jobs import Jobs

_SEEN = const(2)
_OSCORE = const(1 << 9)
_GROUP_FLAG = const(0x20)


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
        self._jobs = Jobs(jobs, up.timers, clock)
        self._message = Message(MAX_DATAGRAM)
        self._asked = [b""] * up.tokens.slots  # the OSCORE options of the requests
        self._passed = [-1] * up.tokens.slots  # the Message IDs of those that were let through
        self._put = up.transmit
        self._receive = up.receive
        self._now = 0
        up.transmit = self.transmit
        up.receive = self.receive

    def transmit(self, buf, length, peer):
        """Send a request when its signature has been checked (Endpoint.transmit)."""
        value = self._signed(buf, length) if 0 < buf[1] < 32 else None
        slot = -1 if value is None else self._relay.upstream.tokens.find(buf, peer)
        if slot < 0:
            return self._put(buf, length, peer)
        mid = buf[2] << 8 | buf[3]
        if self._asked[slot] == value and self._passed[slot] == mid:  # a copy
            return self._put(buf, length, peer)
        self._asked[slot] = value
        self._passed[slot] = -1
        self._check(value, value, True, peer, slot, self._request_checked)

    def receive(self, buf, length, peer, group, now):
        """Take a datagram: a response when its signature has been checked (Endpoint.receive)."""
        self._now = now
        value = self._signed(buf, length) if length > 4 and buf[1] > 63 else None
        slot = -1 if value is None else self._relay.upstream.tokens.find(buf, peer)
        if slot < 0:
            return self._receive(buf, length, peer, group, now)
        self._check(self._asked[slot], value, False, peer, slot, self._response_checked)

    def _signed(self, buf, length):
        # The OSCORE option of a message in group mode, bytes; None for others. The message is then in hand.
        m = self._message
        try:
            m.parse(buf, length)
        except ValueError:
            return None
        if not m.fields[_SEEN] & _OSCORE:
            return None
        value = m.option(n.OSCORE)
        return value if value and value[0] & _GROUP_FLAG else None

    def _check(self, asked, value, request, peer, slot, ready):
        m = self._message
        now = self._now if self._clock is None else self._clock()
        try:
            piv, gid, kid, _ = option.parse(asked)
            checker = self._checkers.get(gid)
        except ValueError:
            checker = None
        job = self._jobs.take()
        if job is None:
            self.crowded += 1
            return
        job.copy(m, peer)
        job.slot = slot
        job.ready = ready
        if checker is None:
            return ready(job, now)  # of a group that is not checked here
        try:
            check = checker.check_request if request else checker.check_response
            job.work = job.opening = check(job.message) if request else check(job.message, kid, piv)
        except ValueError:
            job.opening = None
            return ready(job, now)
        self._jobs.run(job, now)
