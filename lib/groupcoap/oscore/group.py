"""The security context of a group: Group OSCORE (draft-ietf-core-oscore-groupcomm-28 §2).

The members are those of the configuration. What a member's messages need (Recipient Key, replay window, pairwise keys)
is derived when they first do; the Diffie-Hellman secret, by far the slowest of it, is found in slices and then kept.
"""

from micropython import const

from ..cbor import dumps
from . import countersign
from .aead import algorithm
from .credential import MAX_LENGTH, public_key_of
from .kdf import hkdf
from .window import Window
from .x25519 import Agreement, from_ed25519, secret_of

EDDSA = const(-8)
ECDH_SS_HKDF_256 = const(-27)
MAX_GID = const(32)  # bytes

DETERMINISTIC = "deterministic"  # as `to` of a request: protect it as the group's Deterministic Client


class Member:
    """Another member: `name` (who it is for this node), `id` (its Sender ID), `credential` (its CCS, bytes).

    Raises ValueError for a credential that `public_key_of` refuses.
    """

    def __init__(self, name, id, credential):
        self.name = name
        self.id = bytes(id)
        self.credential = bytes(credential)
        self.public = public_key_of(credential)
        self.number = 0  # in the group's list
        self.key = None  # Recipient Key
        self.window = None
        self.point = None  # ed25519.PublicKey
        self.agreement = None  # in work
        self.sender_key = self.recipient_key = None  # the pairwise ones


class Group:
    """One endpoint's context in a group (§2).

    name: the group's for this node; gid: the ID Context; master_secret, master_salt: bytes; sender_id: bytes, or None
    for a silent server, which opens messages and seals none; key: this endpoint's ed25519.Key, credential: its CCS;
    manager_credential: the Group Manager's; members: list of `Member`, without this endpoint; sequence: gives Sender
    Sequence Numbers. aead (with key_agreement) None: no pairwise mode; group_encryption (with signature) None: no group
    mode. window: bits of a replay window. deterministic_id: Sender ID of the Deterministic Client, None if there is
    none. Raises ValueError, naming what is wrong and what was expected.
    """

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
        signature=EDDSA,
        key_agreement=ECDH_SS_HKDF_256,
        window=32,
        deterministic_id=None,
    ):
        self.name = name
        self.gid = bytes(gid)
        self.sender_id = sender_id
        self.key = key
        self.credential = credential
        self.manager_credential = bytes(manager_credential)
        self.members = members
        self.sequence = sequence
        self.deterministic_id = deterministic_id
        self._secret = bytes(master_secret)
        self._salt = bytes(master_salt)
        self._window = window
        for number, known in ((signature, EDDSA), (key_agreement, ECDH_SS_HKDF_256)):
            if number is not None and number != known:
                raise ValueError("group %s: COSE algorithm %s: expected %d or none" % (name, number, known))
        self.aead = None if aead is None else algorithm(aead)
        self.group_encryption = None if group_encryption is None else algorithm(group_encryption)
        if aead is not None and not self.aead.tag_length:
            raise ValueError("group %s: aead %d does not authenticate" % (name, aead))
        self.has_group_mode = group_encryption is not None and signature is not None
        self.has_pairwise_mode = aead is not None and key_agreement is not None
        if not self.has_group_mode and not self.has_pairwise_mode:
            raise ValueError("group %s: expected algorithms for the group mode, the pairwise mode, or both" % name)
        used = [each for each in (self.aead, self.group_encryption) if each is not None]
        self._check(min([each.nonce_length for each in used]) - 6)
        self._start = countersign.start_of((aead, group_encryption, signature, key_agreement))
        self._main = self.group_encryption or self.aead  # keys are derived for this one (§2.3)
        self.common_iv = self._derive(b"", "IV", max([each.nonce_length for each in used]))
        self.signature_key = self._derive(b"", "SEKey", self._main.key_length) if self.has_group_mode else None
        self.sender_key = None if sender_id is None else self._derive(sender_id, "Key", self._main.key_length)

    def _check(self, longest):
        """ValueError for what does not fit together in a configuration. longest: of a Sender ID, bytes."""
        name = self.name
        if not 1 <= len(self.gid) <= MAX_GID:
            raise ValueError("group %s: gid of %d bytes, expected 1 to %d" % (name, len(self.gid), MAX_GID))
        if len(self.manager_credential) > MAX_LENGTH:
            raise ValueError("group %s: manager's credential: expected at most %d bytes" % (name, MAX_LENGTH))
        if (self.sender_id is None) != (self.key is None):
            raise ValueError("group %s: expected a sender ID and a key, or neither (a silent server)" % name)
        if self.key is not None and public_key_of(self.credential) != self.key.public:
            raise ValueError("group %s: the credential is not that of the key" % name)
        ids = [member.id for member in self.members]
        keys = [member.public for member in self.members]
        if self.key is not None:
            ids.append(self.sender_id)
            keys.append(self.key.public)
        if self.deterministic_id is not None:
            ids.append(self.deterministic_id)
        for id in ids:
            if len(id) > longest:
                raise ValueError("group %s: ID of %d bytes, expected at most %d" % (name, len(id), longest))
        if len(set(ids)) < len(ids) or len(set(keys)) < len(keys):
            raise ValueError("group %s: two have the same ID or the same key" % name)

    def _derive(self, id, what, length):
        return derived(self._salt, self._secret, id, self.gid, self._main.identifier, what, length)
