"""The replay window of a server that sends nothing, and so cannot ask its clients whether a request is fresh.

It stores a bound instead, ahead of the numbers that it takes, and after a start takes none below that: up to `ahead`
requests of each client, those that come first, are lost then, and none is taken twice.
"""

from .window import MAX_NUMBER, Window

_LENGTH = 6  # bytes of the record


class Floor(Window):
    """A `Window` whose bound is in the record `name` of `store`, as that of a `Sequence`; wear as there.

    Raises ValueError for a record that is not a bound.
    """

    def __init__(self, store, name, ahead=128, size=32):
        Window.__init__(self, size)
        self._store = store
        self._name = name
        self._ahead = ahead
        record = store.read(name)
        self._bound = 0 if record is None else int.from_bytes(record, "big")
        if record is not None and (len(record) != _LENGTH or self._bound > MAX_NUMBER + 1):
            raise ValueError("record of a replay window")
        if self._bound:
            self.valid = False
            self.recover(self._bound - 1)

    def take(self, n):
        """As inherited. Whatever `store.write` raises is raised, and nothing is noted."""
        if n >= self._bound and self.check(n):
            bound = min(n + self._ahead, MAX_NUMBER + 1)
            self._store.write(self._name, bound.to_bytes(_LENGTH, "big"))
            self._bound = bound
        return Window.take(self, n)
