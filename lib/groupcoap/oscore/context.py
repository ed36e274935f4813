"""The security context of two endpoints: OSCORE (RFC 8613 §3).

How a group plugs in. Everything above asks a context four things, and nothing else decides how a message is protected:

* `seal_request(m, out, …) -> (Exchange, Sealing)`
* `seal_response(exchange, m, out, relayed) -> Sealing`, called by `Exchange.seal`
* `open_request(m, piv, kid_context, kid, group) -> Opening`, called by `Contexts.open_request`
* `open_response(exchange, m, piv, kid_context, kid, group) -> Opening`, called by `Exchange.open`

and has `name`, `adjacent` and `sequence`. To answer, it takes a Partial IV (`sequence.take`, `Exchange.response_piv`),
encodes the option's value (`option.encode`), lets `fields.compose` write the message with its plaintext, makes the AAD
(`aad.structure`, `fields.integrity`) and the nonce, and encrypts in place, behind which it may append what it likes.
An Opening gets the same things, and does replay protection, decryption and `fields.merge` by itself; a subclass
may find its cipher by `step`, shorten `length`, set `member`, and check the plaintext in `verify`.
"""

from micropython import const

from .. import numbers as n
from ..cbor import dumps
from . import aad, option
from .aead import algorithm as aead_of
from .errors import no_context
from .exchange import OSCORE, Exchange
from .fields import compose, integrity
from .kdf import hkdf
from .opening import DONE, Opening
from .window import Window

_MAX_ID_CONTEXT = const(128)  # bytes, so that an option's value keeps within 255


def derive(master_secret, master_salt, identifier, id_context, alg, kind, length):
    """Key or Common IV from the Master Secret (RFC 8613 §3.2.1). kind: "Key" or "IV"; identifier: b"" for an IV."""
    return hkdf(master_salt, master_secret, dumps((identifier, id_context, alg, kind, length)), length)


def outer_code(m, observed):
    """The outer code of a protected message: FETCH or 2.05 where it is of an observation (RFC 8613 §4.2)."""
    if m.code < 32:
        return n.FETCH if observed else n.POST
    return n.CONTENT if observed else n.CHANGED


class Context:
    """What this endpoint shares with one other.

    name: who the other is, for this node; master_secret, master_salt: bytes; sender_id, recipient_id: bytes, at most
    7 with AES-CCM-16-64-128; sequence: gives Sender Sequence Numbers by `take`; id_context: bytes, sent with each
    request, or None; algorithm: COSE's number of the AEAD; window: numbers of the replay window. adjacent: is the other
    always the next hop, as a proxy is for its client, so that options for it are encrypted too? (`classes`)

    Raises ValueError, naming what is wrong and what was expected. `window.valid` set to False makes a server ask for
    proof of freshness (Appendix B.1.2).
    """

    signs = pairwise = False  # as a group may
    rederives = False  # as `rederive.Rederiving` does
    _kind = Opening

    def __init__(
        self,
        name,
        master_secret,
        master_salt,
        sender_id,
        recipient_id,
        sequence,
        id_context=None,
        algorithm=10,
        window=32,
        adjacent=False,
    ):
        cls = aead_of(algorithm)
        if not cls.tag_length:
            raise ValueError("COSE algorithm %d: expected one that authenticates: 10 or 30" % algorithm)
        longest = cls.nonce_length - 6
        for what, value in (("sender_id", sender_id), ("recipient_id", recipient_id)):
            if len(value) > longest:
                raise ValueError("%s of %d bytes: expected at most %d" % (what, len(value), longest))
        if sender_id == recipient_id:
            raise ValueError("sender_id equals recipient_id: expected two that differ")
        if not master_secret:
            raise ValueError("master_secret is empty: expected 16 bytes or more")
        if id_context is not None and len(id_context) > _MAX_ID_CONTEXT:
            raise ValueError("id_context of %d bytes: expected at most %d" % (len(id_context), _MAX_ID_CONTEXT))
        self.name = name
        self.sender_id = bytes(sender_id)
        self.recipient_id = bytes(recipient_id)
        self.id_context = None if id_context is None else bytes(id_context)
        self.kid_context = self.id_context  # as its messages say it
        self.sequence = sequence
        self.window = Window(window)
        self.adjacent = adjacent
        size = cls.nonce_length
        self.common_iv = derive(master_secret, master_salt, b"", self.id_context, algorithm, "IV", size)
        size = cls.key_length
        self._seal = cls(derive(master_secret, master_salt, self.sender_id, self.id_context, algorithm, "Key", size))
        self._open = cls(derive(master_secret, master_salt, self.recipient_id, self.id_context, algorithm, "Key", size))
        self._start = b"\x85\x01" + dumps((algorithm,))

    def distrust(self):
        """Requests may have come that are not known of any more: they are to be told from replays by Echo."""
        self.window.valid = False

    def seal_request(self, m, out, relayed=False):
        """Write the request m (a plain Message) into the Writer `out`, protected: (Exchange, Sealing).

        relayed and errors: as for `Exchange.seal`.
        """
        piv = option.piv_bytes(self.sequence.take())
        exchange = Exchange(self, OSCORE, self.sender_id, piv, self.kid_context)
        if m.find(n.OBSERVE) >= 0:
            exchange.observe = m.uint()
        value = option.encode(piv, self.kid_context, self.sender_id)
        self._protect(exchange, m, out, value, self.sender_id, piv, relayed)
        return exchange, DONE

    def seal_response(self, exchange, m, out, relayed=False):
        """As `Exchange.seal`, which calls it."""
        piv = exchange.response_piv(m)
        if piv is None:
            self._protect(exchange, m, out, b"", exchange.kid, exchange.piv, relayed)
        else:
            self._protect(exchange, m, out, option.encode(piv), self.sender_id, piv, relayed)
        return DONE

    def takes(self, kid_context):
        """Can a request of the other have this kid context?"""
        return kid_context is None or kid_context == self.kid_context

    def open_request(self, m, piv, kid_context, kid, group):
        """Begin to open a request; `Contexts.open_request` calls it, with a Partial IV and a kid. Raises Rejected."""
        if group or kid != self.recipient_id or not self.takes(kid_context):
            raise no_context()
        exchange = Exchange(self, OSCORE, kid, piv, kid_context)
        exchange.window = self.window
        return self._opening(exchange, m, True, piv, kid, piv)

    def open_response(self, exchange, m, piv, kid_context, kid, group):
        """As `Exchange.open`, which calls it."""
        if group or kid not in (None, self.recipient_id) or not self.takes(kid_context):
            raise no_context()
        if piv is None:
            return self._opening(exchange, m, False, None, exchange.kid, exchange.piv)
        return self._opening(exchange, m, False, piv, self.recipient_id, piv)

    def _protect(self, exchange, m, out, value, identifier, piv, relayed):
        code = outer_code(m, m.find(n.OBSERVE) >= 0)
        start = compose(m, out, code, ((n.OSCORE, value),), self.adjacent, relayed)
        authentic = b"" if self.adjacent else integrity(m, m.code < 32)
        structure = aad.structure(self._start, exchange.kid, exchange.piv, authentic)
        nonce = aad.nonce(self.common_iv, self._seal.nonce_length, identifier, piv)
        out.end = self._seal.seal(nonce, structure, out.buf, start, out.end - start)

    def _opening(self, exchange, m, request, own, identifier, piv):
        structure = aad.structure(self._start, exchange.kid, exchange.piv, integrity(m, request))
        nonce = aad.nonce(self.common_iv, self._open.nonce_length, identifier, piv)
        return self._kind(exchange, m, request, own, nonce, structure, self._open)
