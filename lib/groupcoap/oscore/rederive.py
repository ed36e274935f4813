"""New keys from the same Master Secret, each time that an end has lost its state (RFC 8613 Appendix B.2).

The keys follow from an ID Context that both ends draw by lot, and tell in kid contexts, each as a CBOR byte string:

    request #1    client's keys of ID1 = R1, or of what it had                 kid context ID1
    response #1   4.01, server's keys of R2 || ID1                             kid context R2
    request #2    client's keys of R2 || R3, which hold from here on           kid context R2 || R3
    response #2   server's keys of R2 || R3

Request #1 is not acted on, so that whoever repeats it learns and changes nothing; request #2 is the same request again.
A server that has lost its state takes every request for a request #1. It keeps nothing of a run: R2 is S2 || HMAC(S2),
by a key that is forgotten with the first request #2 that it was good for (B.2.1).

All of it is in RAM. Keys that no restart survives need no record of their sequence numbers, and no key ever comes again
as long as `entropy` does not repeat itself: it has to be a good one, at both ends.
"""

from micropython import const

from .. import numbers as n
from ..cbor import dumps
from . import option
from .context import Context
from .errors import Rejected, no_context, replayed, undecrypted
from .exchange import OSCORE, Exchange
from .kdf import equal, hmac_sha256
from .opening import DONE, Opening
from .sequence import END

_LENGTH = const(8)  # bytes of R1, S2, R3, and of the HMAC in R2
_R2 = const(16)
_KEY = const(16)  # bytes of the HMAC's key
_LONGEST = const(64)  # bytes of an ID Context that is taken from the other
_LONGEST_R2 = const(32)


def unwrapped(kid_context, longest=_LONGEST):
    """The byte string (8 to `longest` bytes) whose CBOR this is, or None."""
    found = kid_context[2 if kid_context[:1] == b"\x58" else 1 :]
    return found if _LENGTH <= len(found) <= longest and dumps(found) == kid_context else None


class _Numbers:
    """Sender Sequence Numbers of a key that no restart survives (as `sequence.Sequence`)."""

    def __init__(self):
        self.number = 0

    def take(self):
        if self.number == END:
            raise OverflowError("no Sender Sequence Number left")
        self.number += 1
        return self.number - 1


class _Proof(Opening):
    """Opens what may prove that the other has the keys too: a request, or a response to one."""

    def finish(self, out):
        found = Opening.finish(self, out)
        context = self.exchange.context
        context.of.proved(context)
        return found


class _Request1(Opening):
    """Opens a request #1, whose content is of no interest."""

    def finish(self, out):
        Opening.finish(self, out)
        exchange = self.exchange
        of = exchange.context.of
        error = Rejected(n.UNAUTHORIZED, "")
        error.exchange = Exchange(_Second(of, of.r2(), exchange.context.id_context), OSCORE, exchange.kid, exchange.piv)
        raise error


class _Response1(Opening):
    """Opens a response #1. member: the `_Second` whose keys it is protected by."""

    def verify(self, buf, start, length):
        if buf[start] != n.UNAUTHORIZED:
            raise undecrypted()

    def finish(self, out):
        Opening.finish(self, out)
        self.member.of.answered(self.exchange.context, self.member.r2)
        return self.member


class _Derived(Context):
    """The keys of one ID Context. of: the Rederiving that has it; key: if this is made by a request #2, that of its R2;
    begins: are its requests nothing but requests #1?"""

    again = False  # a response by it says: say the request again
    begins = False
    key = None
    _kind = _Proof

    def __init__(self, of, id_context, kid_context=None):
        secret, salt, sender, recipient, algorithm, window = of.inputs
        Context.__init__(
            self, of.name, secret, salt, sender, recipient, _Numbers(), id_context, algorithm, window, of.adjacent
        )
        self.of = of
        self.kid_context = dumps(id_context) if kid_context is None else kid_context

    def open_response(self, exchange, m, piv, kid_context, kid, group):
        """As `Exchange.open`, which calls it."""
        if kid_context is None or kid_context == self.kid_context:
            if self.begins:
                raise no_context()
            return Context.open_response(self, exchange, m, piv, kid_context, kid, group)
        r2 = unwrapped(kid_context, _LONGEST_R2)
        if r2 is None:
            raise no_context()
        return _Second(self.of, r2, self.id_context).open(exchange, m, piv, kid_context, kid, group)

    def used_up(self):
        return self.sequence.number >= END


class _First(_Derived):
    """The server's side of ID1."""

    _kind = _Request1


class _Second(_Derived):
    """The keys of R2 || ID1, for a single response."""

    again = True
    _kind = _Response1

    def __init__(self, of, r2, id1):
        _Derived.__init__(self, of, r2 + id1, dumps(r2))
        self.r2 = r2

    def seal_response(self, exchange, m, out, relayed=False):
        """As `Exchange.seal`, which calls it."""
        self._protect(exchange, m, out, option.encode(None, self.kid_context), exchange.kid, exchange.piv, relayed)
        return DONE

    def open(self, exchange, m, piv, kid_context, kid, group):
        opening = Context.open_response(self, exchange, m, piv, kid_context, kid, group)
        opening.member = self
        return opening


class Rederiving:
    """A Context (all that is asked of one, see there) whose keys are derived anew whenever an end has lost them.

    entropy(n) gives n bytes, by which no two runs may be the same; the rest is as for a Context. It begins without
    keys. `current`: the `_Derived` that both ends have, as far as is known; `pending`: that of an own run, for own
    requests, until the other has shown that it has it too: then the former is forgotten, but for exchanges that have
    begun by it, which end by it. There is never more than one of each; a new run takes the place of the pending one.

    Where both ends begin at the same time, the one with the lesser Sender ID gives up its run when the other's is
    complete; whatever is left over ends in one more run.
    """

    signs = pairwise = False
    rederives = True
    id_context = None
    sequence = None  # there is nothing to be stored

    def __init__(
        self,
        name,
        master_secret,
        master_salt,
        sender_id,
        recipient_id,
        entropy,
        algorithm=10,
        window=32,
        adjacent=False,
    ):
        self.name = name
        self.sender_id = bytes(sender_id)
        self.recipient_id = bytes(recipient_id)
        self.adjacent = adjacent
        self.inputs = (bytes(master_secret), bytes(master_salt), self.sender_id, self.recipient_id, algorithm, window)
        self.current = self.pending = None
        self._entropy = entropy
        self._key = None
        _Derived(self, bytes(_LENGTH))  # raises ValueError for what is wrong

    def takes(self, kid_context):
        """Can a request of the other have this kid context?"""
        return kid_context is None or unwrapped(kid_context) is not None

    # Own requests

    def seal_request(self, m, out, relayed=False):
        """As a Context's. Where there are no keys, or no numbers left for them, this is a request #1."""
        context = self.pending or self.current
        if context is None or context.used_up():
            self.pending = context = _Derived(self, self._random())
            context.begins = True
        return context.seal_request(m, out, relayed)

    def answered(self, context, r2):
        """A request by this `_Derived` has had a response #1: unless there are newer keys, new ones are to be used."""
        if context is (self.pending or self.current):
            self.pending = _Derived(self, r2 + self._random())

    # The other's requests

    def open_request(self, m, piv, kid_context, kid, group):
        """As a Context's."""
        for context in (self.current, self.pending):
            if context is not None and not context.begins and context.takes(kid_context):
                if not context.used_up():
                    return context.open_request(m, piv, kid_context, kid, group)
        found = unwrapped(kid_context) if kid_context is not None else None
        if found is None:
            raise no_context()
        if self._key is not None and len(found) >= _R2 + _LENGTH and equal(self._tag(found), found[_LENGTH:_R2]):
            context = _Derived(self, found)
            context.key = self._key
        else:
            context = _First(self, found)
        return context.open_request(m, piv, kid_context, kid, group)

    def r2(self):
        """A new R2."""
        if self._key is None:
            self._key = bytes(self._entropy(_KEY))
        s2 = self._random()
        return s2 + self._tag(s2)

    def proved(self, context):
        """The other has these keys. Raises Rejected for a request #2 that comes again, or behind another."""
        if context is self.pending:
            self.current = context
            self.pending = None
        elif context.key is not None:
            if context.key is not self._key:
                raise replayed()
            self._key = context.key = None
            self.current = context
            if self.pending is not None and (self.pending.begins or self.sender_id < self.recipient_id):
                self.pending = None

    def _random(self):
        return bytes(self._entropy(_LENGTH))

    def _tag(self, r2):
        return hmac_sha256(self._key, r2[:_LENGTH])[:_LENGTH]
