"""Opening a protected message, and sealing one, in steps (RFC 8613 §8).

What takes long in group communication, a signature or a key agreement, is done by `step`, in slices; the rest, and
whatever changes state, by `finish`, at once. The classes here are those of plain OSCORE, where `step` has nothing to
do; a group's inherit from them.
"""

from micropython import const

from .. import numbers as n
from ..hot import copy
from ..message import FormatError, Message
from .errors import Rejected, replayed, undecrypted
from .fields import merge

LONGEST = const(1280)  # bytes of a ciphertext that is taken

# The plaintext lies behind a header's place, so that it can be read as a message; only within one `finish`.
_AT = const(3)
_work = bytearray(_AT + LONGEST)
_inner = Message()


class Sealing:
    """A message being sealed into a Writer, which nobody may touch until `finish` has returned. slow: does that take
    long?"""

    slow = False

    def step(self):
        """Do a slice of what takes long: is all of it done?"""
        return True

    def finish(self):
        """Complete the message in the Writer, whose `end` is right from now on."""


DONE = Sealing()  # a message without anything that takes long is complete at once


class Opening:
    """A protected message being opened. Its datagram must stay as it is until `finish` has returned.

    exchange: the request's, which a request makes anew; m: the protected Message; request: is it one? piv: its own
    Partial IV, or None; nonce, aad: for the cipher; server: of a response, the number of who sent it. Raises Rejected
    for what was taken before.

    To be set here or by `step`: cipher: an `aead` object with the key; length: bytes of the ciphertext, which begins
    where m's payload does.
    """

    member = None  # whom `finish` names as the sender of a response
    slow = False  # does `step` take long?

    def __init__(self, exchange, m, request, piv, nonce, aad, cipher=None, server=0):
        self.exchange = exchange
        self.m = m
        self.request = request
        self.piv = piv
        self.nonce = nonce
        self.aad = aad
        self.cipher = cipher
        self.server = server
        self.length = m.payload_length()
        self._check_replay(False)  # before anything that takes long

    def step(self):
        """Do a slice of what takes long: is all of it done?"""
        return True

    def verify(self, buf, start, length):
        """What is to be checked of the decrypted plaintext besides: Rejected if it is wrong. Nothing here."""

    def finish(self, out):
        """Write the plain message into the Writer `out`: its Exchange if it is a request, else the sender's Member.

        For plain OSCORE the latter is None. Raises Rejected; nothing has changed then, whatever `out` holds.
        """
        exchange = self.exchange
        m = self.m
        if self.request:
            self._check_replay(False)  # another one may have been finished meanwhile
        inner = self._decrypt()
        if (inner.code > 31 or not inner.code) if self.request else inner.code < 64:
            raise undecrypted()
        length = inner.find(n.OBSERVE)
        if length > 3:
            raise undecrypted()
        value = inner.uint() if length >= 0 else -1
        value = self._registration(value) if self.request else self._notification(value)
        try:
            merge(m, inner, out, exchange.context.adjacent, value)
        except ValueError:
            raise Rejected(n.REQUEST_ENTITY_TOO_LARGE, "longer than is taken here")
        if not self.request:
            exchange.take_response(self.server, self.piv)
            return self.member
        if exchange.window is not None and not exchange.window.take(int.from_bytes(self.piv, "big")):
            exchange.fresh = False
            exchange.own_piv = True
        return exchange

    def _check_replay(self, notification):
        """Raises Rejected where a message of this Partial IV was taken before, or is a notification that comes late."""
        exchange = self.exchange
        if not self.request:
            exchange.check_response(self.server, self.piv, notification)
        elif exchange.window is not None and exchange.window.valid:
            if not exchange.window.check(int.from_bytes(self.piv, "big")):
                raise replayed()

    def _registration(self, value):
        """Note the request's Observe option, of this value or -1, in its Exchange: what `merge` makes of it."""
        exchange = self.exchange
        exchange.observe = value if value >= 0 else None
        exchange.outer_observe = self.m.find(n.OBSERVE) >= 0
        return -1

    def _notification(self, value):
        """Check the response's place among the others: the value of its Observe option for the client, or -1.

        That value is the Partial IV's three low bytes (RFC 8613 §4.1.3.5.2); for a response without one, which is the
        oldest, what comes before 0. Those that a next hop relays may be of several origins, which nobody puts in order.
        """
        exchange = self.exchange
        if value >= 0 and exchange.observe is None:
            raise undecrypted()  # a notification that nobody asked for
        self._check_replay(value >= 0 and not exchange.context.adjacent)
        if value < 0:
            return -1
        return int.from_bytes(self.piv[-3:], "big") if self.piv is not None else 0xFFFFFF

    def probe(self):
        """Raises Rejected if the ciphertext is not authentic; what it says is not kept."""
        self._copy()
        if self.cipher.open(self.nonce, self.aad, _work, _AT, self.length) < 0:
            raise undecrypted()
        self._copy()

    def _copy(self):
        if self.length > LONGEST:
            raise Rejected(n.REQUEST_ENTITY_TOO_LARGE, "longer than is taken here")
        copy(_work, _AT, self.m.buf, self.m.end - self.m.payload_length(), self.length)

    def _decrypt(self):
        """The plaintext as a Message, without options of its own header but for the code. Raises Rejected."""
        self._copy()
        length = self.cipher.open(self.nonce, self.aad, _work, _AT, self.length)
        if length < 1:
            raise undecrypted()
        self.verify(_work, _AT, length)
        _work[0] = 0x40  # version 1, no token
        _work[1] = _work[_AT]
        _work[2] = _work[3] = 0
        try:
            _inner.parse(_work, _AT + length)
        except FormatError:
            raise undecrypted()
        return _inner
