"""The security context of a group: Group OSCORE (draft-ietf-core-oscore-groupcomm-28), in the place of a `Context`.

The members are those of the configuration. What a member's messages need (Recipient Key, pairwise keys) is derived when
they first do; the Diffie-Hellman secret, by far the slowest of it, is found in slices and then kept. Ciphers are made
anew for a message of another member than the last: 16 bytes of key a member are kept, not some 600 of cipher.
"""

from micropython import const

from .. import numbers as n
from . import aad, countersign, option
from .aead import algorithm
from .context import derive, outer_code
from .credential import MAX_LENGTH, public_key_of
from .ed25519 import PublicKey
from .errors import Rejected, no_context, undecodable
from .exchange import DETERMINISTIC, GROUP, PAIRWISE, Exchange
from .fields import compose, integrity
from .group_steps import PairwiseOpening, PairwiseSealing, SignedOpening, SignedSealing
from .opening import DONE
from .window import Window
from .x25519 import Agreement, from_ed25519, secret_of

_EDDSA = const(-8)
_ECDH_SS_HKDF_256 = const(-27)
_MAX_GID = const(32)  # bytes

_NO_SUCH_MODE = "Mode of Group OSCORE not supported"


class Member:
    """Another member: `name` (who it is for this node), `id` (its Sender ID), `credential` (its CCS, bytes).

    Raises ValueError for a credential that `public_key_of` refuses, and for a key that is no point of the curve or one
    of small order: to find that takes about half as long as a signature, so with at_once=False it is found at the first
    use, by which nothing is then accepted. `window.valid` set to False makes a server ask this client for proof of
    freshness (§9).
    """

    # Heap only for those from whom something has come.
    number = 0  # in the group's list
    window = None
    key = None  # Recipient Key
    agreement = None  # in work
    secret = None  # Diffie-Hellman's
    pairwise_sender_key = pairwise_recipient_key = None

    def __init__(self, name, id, credential, at_once=True):
        self.name = name
        self.id = bytes(id)
        self.credential = bytes(credential)
        self.point = PublicKey(public_key_of(credential), at_once)


class Group:
    """One endpoint's context in a group (§2).

    name: the group's for this node; gid: its ID Context, 1 to 32 bytes; master_secret, master_salt: bytes; sender_id:
    bytes, or None for a silent server, which opens messages in group mode and seals none; key: this endpoint's
    ed25519.Key, credential: its CCS; manager_credential: the Group Manager's; members: list of `Member`, without this
    endpoint; sequence: gives Sender Sequence Numbers by `take`. aead, group_encryption, signature, key_agreement: COSE
    numbers; the pairwise mode needs the first and the last, the group mode the others, and None leaves one out. window:
    numbers of a replay window. deterministic_id: Sender ID of the Deterministic Client (draft-ietf-core-
    cacheable-oscore), or None. Raises ValueError, naming what is wrong and what was expected.
    """

    adjacent = False
    signs = True  # what it protects may take long, and so may what it opens

    def __init__(
        self,
        name,
        gid,
        master_secret,
        master_salt,
        sender_id,
        key,
        credential,
        manager_credential,
        members,
        sequence,
        aead=10,
        group_encryption=10,
        signature=_EDDSA,
        key_agreement=_ECDH_SS_HKDF_256,
        window=32,
        deterministic_id=None,
    ):
        for number, known in ((signature, _EDDSA), (key_agreement, _ECDH_SS_HKDF_256)):
            if number is not None and number != known:
                raise ValueError("group %s: COSE algorithm %s: expected %d or none" % (name, number, known))
        self.name = name
        self.gid = bytes(gid)
        self.sender_id = None if sender_id is None else bytes(sender_id)
        self.key = key
        self.credential = None if credential is None else bytes(credential)
        self.manager_credential = bytes(manager_credential)
        self.members = members
        self.sequence = sequence
        self.deterministic_id = None if deterministic_id is None else bytes(deterministic_id)
        self.aead = None if aead is None else algorithm(aead)
        self.group_encryption = None if group_encryption is None else algorithm(group_encryption)
        self.has_group_mode = group_encryption is not None and signature is not None
        self.has_pairwise_mode = aead is not None and key_agreement is not None
        self.pairwise = self.has_pairwise_mode and key is not None  # may an answer be in pairwise mode?
        used = [each for each in (self.aead, self.group_encryption) if each is not None]
        self._check(master_secret, min([13] + [each.nonce_length for each in used]) - 6)
        self._secret = bytes(master_secret)
        self._salt = bytes(master_salt)
        self._main = self.group_encryption or self.aead  # keys are derived for this one (§2.3)
        self._start = countersign.start_of((aead, group_encryption, signature, key_agreement))
        self.common_iv = self._derive(b"", "IV", max([each.nonce_length for each in used]))
        self.signature_key = self._derive(b"", "SEKey", self._main.key_length) if self.has_group_mode else None
        self._sender_key = None if sender_id is None else self._key_of(self.sender_id)
        self.deterministic_key = None
        if deterministic_id is not None:
            from . import deterministic

            self._deterministic = deterministic
            self.deterministic_key = self._key_of(self.deterministic_id)
        self._sealing = self._opening = (None, None, None)  # the last class, key and cipher
        self._by_id = {}
        for number in range(len(members)):
            member = members[number]
            member.number = number
            member.window = Window(window)
            self._by_id[member.id] = member

    def _check(self, master_secret, longest):
        """ValueError for what does not fit together in a configuration. longest: of a Sender ID, bytes."""
        name = self.name
        if not self.has_group_mode and not self.has_pairwise_mode:
            raise ValueError("group %s: expected algorithms for the group mode, the pairwise mode, or both" % name)
        if self.aead is not None and not self.aead.tag_length:
            raise ValueError("group %s: aead does not authenticate: expected 10 or 30" % name)
        if not master_secret:
            raise ValueError("group %s: master_secret is empty: expected 16 bytes or more" % name)
        if not 1 <= len(self.gid) <= _MAX_GID:
            raise ValueError("group %s: gid of %d bytes, expected 1 to %d" % (name, len(self.gid), _MAX_GID))
        if not 1 <= len(self.manager_credential) <= MAX_LENGTH:
            raise ValueError("group %s: manager_credential: expected 1 to %d bytes" % (name, MAX_LENGTH))
        if (self.sender_id is None) != (self.key is None):
            raise ValueError("group %s: expected sender_id and key, or neither (a silent server)" % name)
        if self.sender_id is None and not self.has_group_mode:
            raise ValueError("group %s: a silent server needs the group mode" % name)
        if self.key is not None and public_key_of(self.credential) != self.key.public:
            raise ValueError("group %s: credential is not that of the key" % name)
        if [member for member in self.members if member.window is not None]:
            raise ValueError("group %s: a Member belongs to another group already" % name)
        ids = [member.id for member in self.members]
        keys = [member.point.data for member in self.members]
        if self.key is not None:
            ids.append(self.sender_id)
            keys.append(self.key.public)
        if self.deterministic_id is not None:
            if self.aead is None or not self.has_group_mode:
                raise ValueError("group %s: deterministic_id needs an aead and the group mode" % name)
            ids.append(self.deterministic_id)
        for id in ids:
            if len(id) > longest:
                raise ValueError("group %s: Sender ID of %d bytes, expected at most %d" % (name, len(id), longest))
        if len(set(ids)) < len(ids) or len(set(keys)) < len(keys):
            raise ValueError("group %s: two have one Sender ID or one key" % name)

    def distrust(self):
        """Requests may have come that are not known of any more: they are to be told from replays by Echo (§9)."""
        for member in self.members:
            member.window.valid = False

    # What `Contexts` and `Exchange` ask of a context

    def seal_request(self, m, out, relayed=False, to=None, observe=True):
        """Write the request m (a plain Message) into the Writer `out`, protected: (Exchange, Sealing).

        to: None for the group mode, a Member for the pairwise mode, DETERMINISTIC for a request of the Deterministic
        Client; observe: is an Observe option that m has an outer one too? (Without, a deterministic request may have
        one though no observation is intended.) relayed and errors: as for `Exchange.seal`; ValueError too for a mode
        that this group has not.
        """
        if to == DETERMINISTIC:
            if self.deterministic_key is None:
                raise ValueError("group %s: no Deterministic Client" % self.name)
            return self._deterministic.seal_request(self, m, out, relayed, observe)
        self._may_send(PAIRWISE if to is not None else GROUP)
        mode, servers = (GROUP, len(self.members)) if to is None else (PAIRWISE, 1)
        piv = option.piv_bytes(self.sequence.take())
        exchange = Exchange(self, mode, self.sender_id, piv, self.gid, to, servers)
        if m.find(n.OBSERVE) >= 0:
            exchange.observe = m.uint()
        value = option.encode(piv, self.gid, self.sender_id, mode == GROUP)
        put = ((n.OSCORE, value),)
        start = compose(m, out, outer_code(m, exchange.observe is not None), put, False, relayed)
        return exchange, self._seal(exchange, m, out, start, mode, to, value, self.sender_id, piv)

    def seal_response(self, exchange, m, out, relayed=False):
        """As `Exchange.seal`, which calls it. A response has the request's mode, but for `Exchange.pairwise`, and for
        a deterministic request, to which it is in group mode (§7.3, §8.3).
        """
        cacheable = exchange.mode == DETERMINISTIC
        mode = PAIRWISE if exchange.mode == PAIRWISE or exchange.pairwise and not cacheable else GROUP
        self._may_send(mode)
        kid = None if exchange.mode == PAIRWISE else self.sender_id
        piv = exchange.response_piv(m, cacheable)
        value = option.encode(piv, None, kid, mode == GROUP)
        if cacheable:
            start = self._deterministic.compose_response(exchange, m, out, value, relayed)
        else:
            start = compose(m, out, outer_code(m, m.find(n.OBSERVE) >= 0), ((n.OSCORE, value),), False, relayed)
        if piv is None:
            return self._seal(exchange, m, out, start, mode, exchange.member, value, exchange.kid, exchange.piv)
        return self._seal(exchange, m, out, start, mode, exchange.member, value, self.sender_id, piv)

    def open_request(self, m, piv, kid_context, kid, group):
        """Begin to open a member's request; `Contexts.open_request` calls it, with a Partial IV and a kid. Raises
        Rejected.
        """
        if kid_context != self.gid:
            raise no_context()
        if not group and kid == self.deterministic_id and m.find(n.REQUEST_HASH) >= 0:
            return self._deterministic.open_request(self, m, piv)
        mode = self._mode(group)
        member = self._member(kid)
        exchange = Exchange(self, mode, kid, piv, kid_context, member)
        exchange.window = member.window
        return self._begin(exchange, m, True, mode, member, piv, kid, piv)

    def open_response(self, exchange, m, piv, kid_context, kid, group):
        """As `Exchange.open`, which calls it (§7.4, §8.4)."""
        if kid_context not in (None, self.gid):
            raise no_context()
        mode = self._mode(group)
        member = exchange.member
        if kid is not None:
            member = self._member(kid)
            if exchange.member is not None and member is not exchange.member:
                raise no_context()  # not the server that was asked
        if member is None or exchange.mode == DETERMINISTIC and (mode != GROUP or piv is None):
            raise undecodable()
        server = 0 if exchange.member is not None else member.number
        if piv is None:
            return self._begin(exchange, m, False, mode, member, None, exchange.kid, exchange.piv, server)
        return self._begin(exchange, m, False, mode, member, piv, member.id, piv, server)

    # The pieces of these

    def _mode(self, group):
        """The mode of a message with this Group Flag; Rejected where this endpoint has it not (§6)."""
        if group and self.has_group_mode:
            return GROUP
        if not group and self.has_pairwise_mode and self.key is not None:
            return PAIRWISE
        raise Rejected(n.BAD_OPTION, _NO_SUCH_MODE)

    def _may_send(self, mode):
        if self.key is None:
            raise ValueError("group %s: a silent server sends nothing" % self.name)
        if not (self.has_group_mode if mode == GROUP else self.has_pairwise_mode):
            raise ValueError("group %s: the mode is not in use" % self.name)

    def _member(self, kid):
        """Whose Sender ID this is; Rejected for nobody's, and for this endpoint's own (§7.2)."""
        member = self._by_id.get(kid)
        if member is None:
            raise no_context()
        return member

    def structure(self, exchange, options, value, credential):
        """The AAD of a message (§3.4)."""
        start = self._start
        kid, piv, gid = exchange.kid, exchange.piv, exchange.gid
        return aad.structure(start, kid, piv, options, gid, value, credential, self.manager_credential)

    def _seal(self, exchange, m, out, start, mode, member, value, generator, piv):
        """Encrypt the plaintext in `out` from `start` on: the Sealing."""
        structure = self.structure(exchange, self._integrity(exchange, m, m.code < 32), value, self.credential)
        cls = self.group_encryption if mode == GROUP else self.aead
        nonce = aad.nonce(self.common_iv, cls.nonce_length, generator, piv)
        if mode == GROUP:
            cipher = self.sealing_cipher(cls, self._sender_key)
            return SignedSealing(self, m.code < 32, out, start, cipher, nonce, structure, generator, piv)
        sealing = PairwiseSealing(self, member, out, start, nonce, structure)
        return DONE if member.pairwise_sender_key is not None and sealing.step() else sealing

    def _begin(self, exchange, m, request, mode, member, own, generator, piv, server=0):
        """The Opening of a message from this member. own: the Partial IV that is in it, or None."""
        options = self._integrity(exchange, m, request)
        structure = self.structure(exchange, options, m.option(n.OSCORE), member.credential)
        cls = self.group_encryption if mode == GROUP else self.aead
        nonce = aad.nonce(self.common_iv, cls.nonce_length, generator, piv)
        if mode == PAIRWISE:
            return PairwiseOpening(exchange, m, request, own, nonce, structure, member, server)
        cipher = self.opening_cipher(cls, self.recipient_key(member))
        return SignedOpening(exchange, m, request, own, nonce, structure, cipher, member, server, generator, piv)

    def _integrity(self, exchange, m, request):
        """The class I options of a message; a response to a deterministic request has the Request-Hash always."""
        if exchange.mode != DETERMINISTIC or request:
            return integrity(m, request)
        found = m.option(n.REQUEST_HASH)
        if found is None:
            return integrity(m, False, ((n.REQUEST_HASH, exchange.request_hash),))
        if found != exchange.request_hash:
            raise undecodable()
        return integrity(m, False)

    # Keys

    def _derive(self, id, kind, length):
        return derive(self._secret, self._salt, id, self.gid, self._main.identifier, kind, length)

    def _key_of(self, id):
        return self._derive(id, "Key", self._main.key_length)

    def recipient_key(self, member):
        """The Recipient Key of a member, derived at first use."""
        if member.key is None:
            member.key = self._key_of(member.id)
        return member.key

    def pair(self, member):
        """Do a slice of finding the pairwise keys with this member: are they there? (§2.5.1)

        ValueError for a member without a good key.
        """
        if member.pairwise_sender_key is not None:
            return True
        if not member.point.points:
            if member.point.step() and not member.point.points:
                raise ValueError("%s has no good key" % member.name)
            return False
        if member.secret is None:
            if member.agreement is None:
                member.agreement = Agreement(secret_of(self.key), from_ed25519(member.point.data))
                return False
            if not member.agreement.step():
                return False
            member.secret = member.agreement.secret
            member.agreement = None
        ikm = member.credential + self.credential + member.secret
        member.pairwise_recipient_key = self.pairwise_key(self.recipient_key(member), ikm, member.id)
        ikm = self.credential + member.credential + member.secret
        member.pairwise_sender_key = self.pairwise_key(self._sender_key, ikm, self.sender_id)
        return True

    def pairwise_key(self, salt, ikm, id):
        """A key for the AEAD between two; id: the sender's."""
        return derive(ikm, salt, id, self.gid, self.aead.identifier, "Key", self.aead.key_length)

    def sealing_cipher(self, cls, key):
        """A cipher to seal with: the last one, if it is of this class and key."""
        if self._sealing[0] is not cls or self._sealing[1] is not key:
            self._sealing = (cls, key, cls(key))
        return self._sealing[2]

    def opening_cipher(self, cls, key):
        """A cipher to open with: the last one, if it is of this class and key."""
        if self._opening[0] is not cls or self._opening[1] is not key:
            self._opening = (cls, key, cls(key))
        return self._opening[2]
