"""The replay window of a Recipient Context (RFC 8613 §7.4): which sequence numbers of one sender may still come.

The bits of the last `size` numbers are a ring: the bit of n is at n modulo size, and those that the window moves on to
are cleared. Nothing is shifted, and below 2^30 nothing takes heap.
"""

from micropython import const

MAX_NUMBER = (1 << 40) - 1  # of a Partial IV, which has up to 5 bytes (§7.2.1)
_TOP = const(6)  # bytes of top + 1 in a stored state
_BITS = const(7)  # where the bits begin in there, behind valid and top


class Window:
    """A window of `size` numbers (1 to 1024), which begins at 0; ValueError for another size.

    valid: False where messages may have been received that this window does not know of. Then it accepts none, until
    `recover` (RFC 8613 Appendix B.1.2, draft-ietf-core-oscore-groupcomm §9).
    """

    def __init__(self, size=32, valid=True):
        if not 1 <= size <= 1024:
            raise ValueError("replay window of %d: expected 1 to 1024" % size)
        self.size = size
        self.valid = valid
        self.top = -1  # the greatest number taken
        self._bits = bytearray(size + 7 >> 3)

    def check(self, n):
        """May a message with this number be accepted? To be asked before a message is decrypted."""
        if not self.valid or not 0 <= n <= MAX_NUMBER:
            return False
        if n > self.top:
            return True
        if n <= self.top - self.size:
            return False
        at = n % self.size
        return not self._bits[at >> 3] >> (at & 7) & 1

    def take(self, n):
        """Note the number of a message that was verified: False, and nothing noted, if `check` says no."""
        if not self.check(n):
            return False
        bits = self._bits
        size = self.size
        ahead = n - self.top
        if ahead >= size:
            self._fill(0)
        else:
            for i in range(1, ahead):
                at = (n - i) % size
                bits[at >> 3] &= ~(1 << (at & 7))
        if ahead > 0:
            self.top = n
        at = n % size
        bits[at >> 3] |= 1 << (at & 7)
        return True

    def recover(self, n):
        """Make the window valid, with n as its lower limit: the number of a request that an Echo option proved fresh.

        n itself is taken. A window that is valid stays as it is.
        """
        if not 0 <= n <= MAX_NUMBER:
            raise ValueError("sequence number")
        if not self.valid:
            self._fill(0xFF)
            self.top = n
            self.valid = True

    def state(self):
        """All of it as bytes, 7 + size / 8: good for `restore` only if no message was taken since."""
        return bytes((self.valid,)) + (self.top + 1).to_bytes(_TOP, "big") + self._bits

    def restore(self, data):
        """Be as the window of this size was that gave these bytes. ValueError if none did."""
        top = int.from_bytes(data[1:_BITS], "big") - 1
        if len(data) != _BITS + len(self._bits) or data[0] > 1 or top > MAX_NUMBER:
            raise ValueError("state of a replay window")
        self.valid = bool(data[0])
        self.top = top
        self._bits[:] = data[_BITS:]

    def _fill(self, byte):
        for i in range(len(self._bits)):
            self._bits[i] = byte
