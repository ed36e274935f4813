"""Clock, entropy and waiting on MicroPython: asyncio has no datagram endpoints, but its IO queue awaits readability."""

import asyncio
import gc
import os
import select
import socket
import sys
import time
from asyncio import core

_MASK = 0x3FFFFFFF

entropy = os.urandom


def resolve(name, length=4):
    """The IP address of a host name, 4 bytes (or 16, an IPv6 one: not on a board), or None."""
    try:
        found = socket.getaddrinfo(name, 0, socket.AF_INET if length == 4 else socket.AF_INET6)[0][-1]
    except (OSError, IndexError):
        return None
    if isinstance(found, tuple):
        return bytes([int(part) for part in found[0].split(".")])
    return bytes(found[4:8] if length == 4 else found[8:24])


def clock():
    """The time in ms, masked to 30 bits (a board's ticks wrap there, the unix port's later)."""
    return time.ticks_ms() & _MASK


def report(error):
    """Print an exception with its traceback on stderr."""
    sys.print_exception(error, sys.stderr)


class _Readable:
    # An awaitable that allocates nothing: the loop puts the task back when the socket has something.
    def __init__(self):
        self.socket = None
        self.reserve = bytearray(256)  # room to wait in when the heap is full

    def __iter__(self):
        return self

    def __next__(self):
        if self.socket is not None:
            try:
                core._io_queue.queue_read(self.socket)
            except MemoryError:  # half entered, it would count as waited for, and a poll crash on it
                core._io_queue.map.pop(id(self.socket), None)
                self.reserve = None
                gc.collect()
                core._io_queue.queue_read(self.socket)
            self.socket = None
            return None
        raise StopIteration


_readable = _Readable()


def readable(socket):
    """Await a datagram (or an error) on this socket."""
    if _readable.reserve is None:
        try:
            _readable.reserve = bytearray(256)
        except MemoryError:
            pass
    _readable.socket = socket  # taken up by the await before any other task runs
    return _readable


def pending(s):
    """A function that tells whether a datagram (or an error) waits at this socket; an EAGAIN costs four times that."""
    poller = select.poll()
    poller.register(s, select.POLLIN)
    ipoll = poller.ipoll

    def waits():
        for _ in ipoll(0):
            return True
        return False

    return waits


class Alarm:
    """Calls due() at a time that may be moved while it sleeps; due() gives the ms until the next call, or None."""

    def __init__(self, due):
        self._due = due
        self._task = asyncio.create_task(self._run())
        self._at = None  # in ticks of asyncio; None: not sleeping

    def within(self, ms):
        """Ring in `ms` at the latest."""
        at = time.ticks_add(time.ticks_ms(), ms)
        if self._at is not None and time.ticks_diff(at, self._at) < 0:
            self._at = at
            core._task_queue.remove(self._task)
            core._task_queue.push(self._task, at)

    def alive(self):
        """Will it ring?"""
        return not self._task.done()

    def stop(self):
        """Ring no more."""
        self._task.cancel()

    async def _run(self):
        while True:
            ms = self._due()
            if ms is None:
                ms = 1000000
            self._at = time.ticks_add(time.ticks_ms(), ms)
            await asyncio.sleep_ms(ms)
            self._at = None
