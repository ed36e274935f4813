"""Names of targets, looked up by the system's resolver, which holds up the whole node until it has an answer.

What was found, or that nothing was, is therefore remembered for a while.
"""

from array import array

from micropython import const

from ..timers import elapsed

_HOSTS = const(8)
_FOUND = const(60000)  # ms that an address is good for,
_NOTHING = const(10000)  # and that there is none


class Hosts:
    """resolve(name) gives an IP address, bytes, or None, or raises OSError or ValueError; clock() the time now, ms."""

    def __init__(self, resolve, clock):
        self._resolve = resolve
        self._clock = clock
        self._names = [None] * _HOSTS
        self._found = [None] * _HOSTS
        self._at = array("i", bytes(4 * _HOSTS))
        self._next = 0

    def find(self, name):
        """The IP address of this host, or None."""
        now = self._clock()
        for i in range(_HOSTS):
            if self._names[i] == name:
                if 0 <= elapsed(now, self._at[i]) < (_NOTHING if self._found[i] is None else _FOUND):
                    return self._found[i]
                break
        else:
            i = self._next = (self._next + 1) % _HOSTS
        self._names[i] = None
        try:
            found = self._resolve(name)
        except (OSError, ValueError):  # CPython: a label that no name has
            found = None
        self._names[i] = name
        self._found[i] = found
        self._at[i] = self._clock()
        return found
