"""Sender Sequence Numbers that survive a loss of power (RFC 8613 §7.2.1, Appendix B.1.1): none is ever given twice.

What is stored is a bound: every number given so far is below it. Before one at the bound is given, the bound moves on,
and that is stored first. After a start the numbers go on at the bound, so that up to `ahead` are never used.
"""

from micropython import const

END = 1 << 40  # the first number that no Partial IV can say

_LENGTH = const(6)  # bytes of the record


class Sequence:
    """The numbers of one Sender Context.

    store: what keeps the bound; `store.read(name)` gives the bytes of a record, None if there never was one, and raises
    an exception if there was and it cannot be read; `store.write(name, data)` returns once they are there to stay, and
    leaves the old ones if it is broken off (`firmware/store.py` is one). name: that of this Sender Context, and of no
    other: with a new Sender Key the numbers begin anew under a new name, or after `store.remove(name)`.

    ahead: numbers a write (1 to 65,536). Wear: one write for each `ahead` messages, and one for the first message after
    a start. On littlefs with blocks of 4 KB, one of two blocks is erased for every 18 writes (for every 3.6 where 256
    bytes are programmed at once, as on RP2): flash of 100,000 cycles lasts, with 128, for 90 million messages at least.

    Raises ValueError for another `ahead`, and for a record that is not a bound: then this must not begin at 0.
    """

    def __init__(self, store, name, ahead=128):
        if not 1 <= ahead <= 65536:
            raise ValueError("%d numbers ahead: expected 1 to 65536" % ahead)
        self._store = store
        self._name = name
        self._ahead = ahead
        record = store.read(name)
        bound = 0
        if record is not None:
            bound = int.from_bytes(record, "big")
            if len(record) != _LENGTH or bound > END:
                raise ValueError("record of a Sender Sequence Number")
        self.number = bound  # what comes next
        self._bound = bound

    def take(self):
        """The next number. OverflowError when there is none: the context is used up and needs another key (§7.2.1).

        Whatever `store.write` raises is raised, and no number is used.
        """
        number = self.number
        if number == self._bound:
            if number == END:
                raise OverflowError("no Sender Sequence Number left")
            bound = min(number + self._ahead, END)
            self._store.write(self._name, bound.to_bytes(_LENGTH, "big"))
            self._bound = bound
        self.number = number + 1
        return number
