"""What the proxy writes into an answer of a group to name its origin: Reply-From, or Response-Forwarding.

`Names` makes the value for a server once and remembers it, as a group's members answer again and again. What the value
is depends on for whom the proxy stands in (draft-ietf-core-groupcomm-proxy §5.4.1, §6.1).
"""

from micropython import const

from ..origin import write_reply_from, write_response_forwarding

_ORIGINS = const(64)  # servers whose value is remembered
_LONGEST = const(160)  # bytes of a value, and one


class Names:
    """`number`: of the option. write(buf, at, peer) writes the value for a server, at most 159 bytes: its length."""

    def __init__(self, number, write=write_reply_from):
        self.number = number
        self._write = write
        self._known = {}  # by packed address: length, value
        self.known = self._known.get
        self._scratch = bytearray(_LONGEST)

    def of(self, peer):
        """One byte of length, then the value of the option for this server, a packed address."""
        value = self._known.get(peer)
        if value is None:
            if len(self._known) >= _ORIGINS:  # all at once: a dict that entries leave one by one gets slow
                self._known.clear()
            self._scratch[0] = length = self._write(self._scratch, 1, peer)
            value = bytes(memoryview(self._scratch)[: 1 + length])
            self._known[peer] = value
        return value


def response_forwarding(number):
    """The `Names` of profile 00, where the proxy adds the option instead of the server."""
    return Names(number, write_response_forwarding)
