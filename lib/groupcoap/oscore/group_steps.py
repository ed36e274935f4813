"""Messages of a group being opened and sealed: signatures and key agreements in slices
(draft-ietf-core-oscore-groupcomm-28 §7, §8).
"""

from ..hot import copy
from .countersign import SIGNATURE_LENGTH, hide, signed
from .ed25519 import Signing, Verification
from .errors import undecodable, undecrypted
from .opening import Opening, Sealing


class SignedOpening(Opening):
    """A message in group mode: its countersignature is verified, then it is decrypted.

    Where the group encryption has a tag, that is checked before either, though §7.2 has the signature first (SHOULD):
    else anybody could make a node verify signatures, a second each; so only a member can. What the tag's check decrypts
    is overwritten at once, and nothing of it is read before the signature is verified.

    generator, piv: the Sender ID and the Partial IV that the nonce was made of. Raises Rejected.
    """

    slow = True

    def __init__(self, exchange, m, request, own, nonce, aad, cipher, member, server, generator, piv):
        Opening.__init__(self, exchange, m, request, own, nonce, aad, cipher, server)
        self.member = member
        self.length -= SIGNATURE_LENGTH
        if self.length <= cipher.tag_length:
            raise undecodable()
        if cipher.tag_length:
            self.probe()
        signature = bytearray(SIGNATURE_LENGTH)
        copy(signature, 0, m.buf, m.end - SIGNATURE_LENGTH, SIGNATURE_LENGTH)
        group = exchange.context
        hide(group.signature_key, piv, generator, group.gid, request, signature, 0)
        message = signed(aad, m.buf, m.end - m.payload_length(), self.length)
        self._verification = Verification(member.point, message, signature)

    def step(self):
        return self._verification.step()

    def finish(self, out):
        if not self._verification.valid:
            raise undecrypted()
        return Opening.finish(self, out)

    def _notification(self, value):
        """As inherited; but an Observe option that a deterministic request had for the server alone is dropped."""
        if value < 0 or not self.exchange.inner_observe:
            return Opening._notification(self, value)
        self.exchange.check_response(self.server, self.piv, False)
        return -2


class PairwiseOpening(Opening):
    """A message in pairwise mode: `step` finds the keys with its sender, where they are not there."""

    def __init__(self, exchange, m, request, own, nonce, aad, member, server):
        Opening.__init__(self, exchange, m, request, own, nonce, aad, None, server)
        self.member = member
        self._group = exchange.context
        self.slow = member.pairwise_recipient_key is None
        if self.length <= self._group.aead.tag_length:
            raise undecodable()

    def step(self):
        if self.cipher is None:
            try:
                if not self._group.pair(self.member):
                    return False
            except ValueError:
                return True  # and `finish` refuses it
            self.cipher = self._group.opening_cipher(self._group.aead, self.member.pairwise_recipient_key)
        return True

    def finish(self, out):
        if self.cipher is None:
            raise undecrypted()
        return Opening.finish(self, out)


class SignedSealing(Sealing):
    """A message in group mode, encrypted in `out` from `start` on; to be signed. ValueError where it has no room."""

    slow = True

    def __init__(self, group, request, out, start, cipher, nonce, aad, generator, piv):
        out.end = cipher.seal(nonce, aad, out.buf, start, out.end - start)
        if out.end + SIGNATURE_LENGTH > out.size:
            raise ValueError("no room for a countersignature")
        self._group = group
        self._request = request
        self._out = out
        self._generator = generator
        self._piv = piv
        self._signing = Signing(group.key, signed(aad, out.buf, start, out.end - start))

    def step(self):
        return self._signing.step()

    def finish(self):
        out = self._out
        group = self._group
        at = out.end
        out.end = copy(out.buf, at, self._signing.signature, 0, SIGNATURE_LENGTH)
        hide(group.signature_key, self._piv, self._generator, group.gid, self._request, out.buf, at)


class PairwiseSealing(Sealing):
    """A message in pairwise mode, in `out` from `start` on: encrypted once `step` has found the keys.

    ValueError where it has no room.
    """

    slow = True

    def __init__(self, group, member, out, start, nonce, aad):
        if out.end + group.aead.tag_length > out.size:
            raise ValueError("no room for the tag")
        self._group = group
        self._member = member
        self._out = out
        self._start = start
        self._nonce = nonce
        self._aad = aad

    def step(self):
        out = self._out
        if out is not None:
            group = self._group
            if not group.pair(self._member):
                return False
            cipher = group.sealing_cipher(group.aead, self._member.pairwise_sender_key)
            out.end = cipher.seal(self._nonce, self._aad, out.buf, self._start, out.end - self._start)
            self._out = None
        return True
