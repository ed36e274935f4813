"""What takes long: messages that wait for a signature to be made or checked, in a fixed number of places.

One is worked on at a time, first come first served, in slices, so that a node goes on receiving meanwhile: an Ed25519
verification takes some 6 ms on a computer, and a good part of a second on a board.
"""

from micropython import const

from ..endpoint import MAX_DATAGRAM
from ..hot import copy
from ..message import Message, Writer
from ..timers import after, elapsed

_SLICE = const(20)  # ms
_MASK = const(0x3FFFFFFF)


class Job:
    """One place: a buffer, seen as the `message` that has come or as `out`, that is to go, and what it waits for."""

    def __init__(self):
        self.buf = bytearray(MAX_DATAGRAM)
        self.message = Message(MAX_DATAGRAM)
        self.out = Writer(self.buf)
        self.free()

    def free(self):
        """Give the place back."""
        self.work = self.ready = self.opening = self.sealing = self.exchange = None
        self.peer = self.layers = self.sending = self.verdict = None
        self.group = self.turn = 0
        self.slot = self.keeping = -1
        self.taken = self.dropped = False

    def copy(self, m, peer, group=0):
        """Keep this message."""
        copy(self.buf, 0, m.buf, 0, m.end)
        self.message.parse(self.buf, m.end)
        self.peer = peer
        self.group = group


class Jobs:
    """`places` jobs, and one more for what takes no time: that never waits for what does.

    clock() gives ms, to keep to slices; None: each job is done at once, as in simulated time.
    """

    def __init__(self, places, timers, clock=None):
        self._jobs = [Job() for _ in range(places + 1)]
        self._queue = []
        self._timers = timers
        self._timer = timers.reserve(1, self._slice)
        self._clock = clock
        self._turn = self._done = 0  # of the last one that was begun, that was finished

    def take(self):
        """A free place, or None. It is taken from `run` on, so that what fails before that leaves it free; and whether
        the last one is good for what is to be done there is told by `run`."""
        for job in self._jobs:
            if not job.taken:
                job.free()
                return job
        return None

    def run(self, job, now):
        """Step job.work until it is done, then call job.ready(job, now), at once where that takes no longer than a
        slice: has it been called? None: there is no place for what is `slow`, and nothing is done."""
        if not job.work.slow:
            while not job.work.step():
                pass
            job.taken = True
            job.ready(job, now)
            return True
        if job is self._jobs[-1]:
            job.free()
            return None
        self._turn = turn = self._turn + 1 & _MASK
        job.turn = turn
        job.taken = True
        self._queue.append(job)
        if len(self._queue) == 1:
            self._work(now)
        return elapsed(self._done, turn) >= 0

    def cancel(self, owner, ref):
        """What this owner sends under this reference is not to be sent any more."""
        for job in self._queue:
            if job.sending is not None and job.sending[0] is owner and job.sending[1] == ref:
                job.sending = None
                job.dropped = True

    def _slice(self, _, now):
        self._work(now)

    def _work(self, now):
        clock = self._clock
        start = clock() if clock is not None else 0
        while self._queue:
            job = self._queue[0]
            while not self._step(job, now):
                if clock is not None and elapsed(clock(), start) >= _SLICE:
                    self._timers.set(self._timer, after(now, 1))  # others first
                    return
            self._queue.pop(0)
            self._done = job.turn
            try:
                job.ready(job, now)
            finally:
                if self._queue:
                    self._timers.set(self._timer, after(now, 1))
            if clock is None:
                continue
            return

    def _step(self, job, now):
        try:
            return job.work.step()
        except Exception as e:  # no heap: this one is lost, and those behind it are not
            sending = job.sending
            self._queue.pop(0)
            self._done = job.turn
            job.free()
            if self._queue:
                self._timers.set(self._timer, after(now, 1))
            if sending is not None:
                sending[0].message_failed(sending[1], False, now)
            raise e
