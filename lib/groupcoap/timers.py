"""The one structure that every deadline of a node hangs on: a heap of timers whose number is fixed at start.

A time is a number of milliseconds masked to 30 bits, as on every board; two are compared by the sign of their wrapped
difference. No deadline is more than 2^28 ms (3.1 days) ahead, so that one that is overdue by less than that still comes
before all others. A table takes its timers by `reserve`, one a slot; each is set, moved and stopped in O(log n) without
allocating, and the next deadline is one look-up.
"""

from array import array

from micropython import const

_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)

MAX_SPAN = const(0x0FFFFFFF)


def after(now, span):
    """The time `span` ms after `now`; at most 2^28 - 1 ms ahead."""
    return now - _MASK - 1 + min(span, MAX_SPAN) & _MASK  # never leaves a board's 31 bits


def elapsed(now, then):
    """Milliseconds from `then` to `now`: negative where `then` lies ahead."""
    d = now - then & _MASK
    return d - _MASK - 1 if d >= _HALF else d


class Timers:
    """`poll(now)` runs the timers that are due, `poll_at()` says when the next one is."""

    def __init__(self):
        self._heap = array("h")  # timers by deadline
        self._place = array("h")  # where in the heap a timer is, -1 when stopped
        self._when = array("i")
        self._live = 0
        self._owners = []  # (first timer, callback), one for each table

    def reserve(self, count, due):
        """Take `count` timers, at start; due(i, now) is called when the i-th is. Returns the number of the first."""
        first = len(self._when)
        self._heap.extend(array("h", bytes(2 * count)))
        self._place.extend(array("h", b"\xff\xff" * count))
        self._when.extend(array("i", bytes(4 * count)))
        self._owners.append((first, due))
        return first

    def set(self, timer, when):
        """Start or move this timer to the time `when`."""
        self._when[timer] = when
        i = self._place[timer]
        if i < 0:
            i = self._live
            self._live += 1
            self._heap[i] = timer
            self._place[timer] = i
        self._down(self._up(i))

    def stop(self, timer):
        """Stop this timer; nothing if it is not running."""
        i = self._place[timer]
        if i >= 0:
            self._place[timer] = -1
            self._live -= 1
            if i < self._live:
                moved = self._heap[self._live]
                self._heap[i] = moved
                self._place[moved] = i
                self._down(self._up(i))

    def running(self, timer):
        """Is this timer set and not yet due?"""
        return self._place[timer] >= 0

    def when(self, timer):
        """The deadline of a running timer."""
        return self._when[timer]

    def poll_at(self):
        """The next deadline, or None when nothing runs."""
        return self._when[self._heap[0]] if self._live else None

    def poll(self, now):
        """Call back every timer that is due, the earliest first; each stops before its call."""
        while self._live:
            timer = self._heap[0]
            if elapsed(now, self._when[timer]) < 0:
                return
            self.stop(timer)
            owner = None
            for entry in self._owners:
                if entry[0] > timer:
                    break
                owner = entry
            owner[1](timer - owner[0], now)

    def _earlier(self, a, b):
        return (self._when[a] - self._when[b]) & _MASK >= _HALF

    def _up(self, i):
        heap = self._heap
        timer = heap[i]
        while i:
            parent = (i - 1) >> 1
            if not self._earlier(timer, heap[parent]):
                break
            heap[i] = heap[parent]
            self._place[heap[i]] = i
            i = parent
        heap[i] = timer
        self._place[timer] = i
        return i

    def _down(self, i):
        heap = self._heap
        timer = heap[i]
        while True:
            child = 2 * i + 1
            if child >= self._live:
                break
            if child + 1 < self._live and self._earlier(heap[child + 1], heap[child]):
                child += 1
            if not self._earlier(heap[child], timer):
                break
            heap[i] = heap[child]
            self._place[heap[i]] = i
            i = child
        heap[i] = timer
        self._place[timer] = i
