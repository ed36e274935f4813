"""An external signature checker: who is no member of a group, but may see who in it has sent a message
(draft-ietf-core-oscore-groupcomm-28 §7.5, §12.3).

It has the Signature Encryption Key, and the credentials, and none of the keys that decrypt. A message in pairwise mode
and a deterministic request have no signature: they cannot be checked, and their responses may.
"""

from .. import numbers as n
from ..hot import copy
from . import aad, countersign
from .countersign import SIGNATURE_LENGTH
from .ed25519 import Verification
from .errors import Rejected, no_context, undecodable
from .exchange import header
from .fields import integrity


class Asked:
    """What of a request its responses are bound to: all that a checker keeps of it. signed: is it in group mode?"""

    def __init__(self, piv, gid, kid, signed, request_hash):
        self.piv = piv
        self.gid = gid
        self.kid = kid
        self.signed = signed
        self.request_hash = request_hash


class Checking:
    """A countersignature being verified: `valid` is true if it is that of `member`, once step() has returned True.

    The datagram must stay as it is until then.
    """

    slow = True

    def __init__(self, member, message, signature):
        self.member = member
        self.valid = False
        self._verification = Verification(member.point, message, signature)

    def step(self):
        """Do a slice of the work: is all of it done?"""
        done = self._verification.step()
        self.valid = self._verification.valid
        return done


class Checker:
    """The checker of one group.

    gid: its ID Context; signature_encryption_key, manager_credential: bytes; algorithms: COSE numbers of AEAD, group
    encryption, signature and key agreement, None for one that is not set; members: list of `group.Member`.
    """

    def __init__(self, gid, signature_encryption_key, manager_credential, algorithms, members):
        if algorithms[1] is None or algorithms[2] is None:
            raise ValueError("a signature checker: expected a group that uses the group mode")
        self.gid = bytes(gid)
        self._key = bytes(signature_encryption_key)
        self._manager = bytes(manager_credential)
        self._start = countersign.start_of(algorithms)
        self._by_id = {member.id: member for member in members}

    def asked(self, m):
        """What to keep of the request m, a Message: an `Asked`. Raises Rejected if it is malformed or of others."""
        piv, gid, kid, signed = header(m)
        if piv is None or kid is None:
            raise undecodable()
        if gid != self.gid:
            raise no_context()
        return Asked(piv, gid, kid, signed, None if signed else m.option(n.REQUEST_HASH))

    def check_request(self, m):
        """Begin to check the request m, a Message: a `Checking`. Raises Rejected, so for one without signature."""
        asked = self.asked(m)
        if not asked.signed:
            raise Rejected(n.BAD_OPTION, "No countersignature")
        return self._check(m, True, asked, asked.piv, asked.kid, asked.kid)

    def check_response(self, m, asked, server=None):
        """Begin to check the response m to a request of which `asked` was kept: a `Checking`. Raises Rejected.

        server: the Member that it came from, where other means than the message tell that: in a response to a request
        in pairwise mode there may be no kid.
        """
        piv, gid, kid, signed = header(m)
        if gid is not None and gid != self.gid:
            raise no_context()
        if not signed:
            raise Rejected(n.BAD_OPTION, "No countersignature")
        if kid is None:
            if server is None:
                raise no_context()
            kid = server.id
        elif server is not None and kid != server.id:
            raise no_context()
        if piv is None:
            return self._check(m, False, asked, asked.piv, asked.kid, kid)
        return self._check(m, False, asked, piv, kid, kid)

    def _check(self, m, request, asked, piv, generator, kid):
        member = self._by_id.get(kid)
        if member is None:
            raise no_context()
        length = m.payload_length() - SIGNATURE_LENGTH
        if length < 1:
            raise undecodable()
        more = ()
        if asked.request_hash is not None and not request and m.find(n.REQUEST_HASH) < 0:
            more = ((n.REQUEST_HASH, asked.request_hash),)
        options = integrity(m, request, more)
        value = m.option(n.OSCORE)
        structure = aad.structure(
            self._start, asked.kid, asked.piv, options, asked.gid, value, member.credential, self._manager
        )
        signature = bytearray(SIGNATURE_LENGTH)
        copy(signature, 0, m.buf, m.end - SIGNATURE_LENGTH, SIGNATURE_LENGTH)
        countersign.hide(self._key, piv, generator, self.gid, request, signature, 0)
        message = countersign.signed(structure, m.buf, m.end - m.payload_length(), length)
        return Checking(member, message, signature)
