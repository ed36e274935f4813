"""Our key files as aiocoap's security contexts; what aiocoap lacks for them is added here, and said."""

import json
import secrets
from pathlib import Path

from aiocoap import oscore
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

WINDOW = 32  # messages


class A128CTR(oscore.SymmetricEncryptionAlgorithm):
    """AES-CTR with a nonce of 12 bytes in front of a counter of 4 (RFC 9459 §4), which aiocoap has not."""

    value, key_bytes, iv_bytes, tag_bytes = -65534, 16, 12, 0

    @classmethod
    def encrypt(cls, plaintext, _aad, key, iv):
        cipher = Cipher(algorithms.AES(key), modes.CTR(iv + bytes(4))).encryptor()
        return cipher.update(plaintext) + cipher.finalize()

    decrypt = encrypt


ALGORITHMS = {algorithm.value: algorithm for algorithm in (*oscore.algorithms.values(), A128CTR())}


class _Numbered:
    """Sender Sequence Numbers that outlive the process, in a file beside the key file."""

    def start(self, path, lost):
        self._path = Path(f"{path}.sequence")
        self.sender_sequence_number = int(self._path.read_text()) if self._path.exists() else 0
        self.echo_recovery = secrets.token_bytes(8) if lost else None

    def post_seqnoincrease(self):
        self._path.write_text(str(self.sender_sequence_number))


def _window(lost):
    window = oscore.ReplayWindow(WINDOW, lambda: None)
    if not lost:
        window.initialize_empty()
    return window


class Context(_Numbered, oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):
    """An OSCORE context; `lost`: its replay window was, so that an Echo option has to recover it."""

    hashfun = hashes.SHA256()

    def __init__(self, path, entry, lost=False):
        self.name = entry["name"]
        self.alg_aead = ALGORITHMS[entry.get("algorithm", 10)]
        self.sender_id = bytes.fromhex(entry["sender_id"])
        self.recipient_id = bytes.fromhex(entry["recipient_id"])
        id_context = entry.get("id_context")
        self.id_context = None if id_context is None else bytes.fromhex(id_context)
        self.derive_keys(bytes.fromhex(entry["master_salt"]), bytes.fromhex(entry["master_secret"]))
        self.recipient_replay_window = _window(lost)
        self.start(path, lost)


class Adjacent(Context):
    """A context shared with the next hop, a proxy: it may see all options, so that all are encrypted for it."""

    def _split_message(self, message, request_id):
        plaintext = bytes([message.code]) + message.opt.encode()
        if message.payload:
            plaintext += b"\xff" + message.payload
        if message.code.is_request():
            code = oscore.POST if message.opt.observe is None else oscore.FETCH
            return oscore.Message(code=code, observe=message.opt.observe), plaintext
        return oscore.Message(code=request_id.code_style.response), plaintext


class Group(_Numbered, oscore.SimpleGroupContext):
    """A group; `names` are the members' by their IDs. `signing_key` in its file is another than the credential's."""

    def __init__(self, path, entry, lost=False):
        self.name = entry["name"]
        own = bytes.fromhex(entry["sender_id"])
        members = [member for member in entry["members"] if bytes.fromhex(member["id"]) != own]
        self.names = {bytes.fromhex(member["id"]): member["name"] for member in members}
        peers = {bytes.fromhex(member["id"]): bytes.fromhex(member["credential"]) for member in members}
        self.deterministic_id = None
        if entry.get("deterministic_id") is not None:
            self.deterministic_id = bytes.fromhex(entry["deterministic_id"])
            peers[self.deterministic_id] = oscore.DETERMINISTIC_KEY
            self.names[self.deterministic_id] = None
        aead, encryption = ALGORITHMS[entry["aead"]], ALGORITHMS[entry["group_encryption"]]
        if encryption.tag_bytes < aead.tag_bytes:
            # aiocoap measures messages in group mode by the AEAD's tag too; its class keeps the length for that.
            aead = type(aead)()
            aead.tag_bytes = encryption.tag_bytes
        assert (entry["signature"], entry["key_agreement"]) == (-8, -27), "aiocoap has no others for Ed25519"
        super().__init__(
            aead,
            hashes.SHA256(),
            oscore.Ed25519(),
            encryption,
            oscore.EcdhSsHkdf256(),
            bytes.fromhex(entry["gid"]),
            bytes.fromhex(entry["master_secret"]),
            bytes.fromhex(entry["master_salt"]),
            own,
            bytes.fromhex(entry["private_key"]),
            bytes.fromhex(entry["credential"]),
            peers,
            bytes.fromhex(entry["manager_credential"]),
        )
        if "signing_key" in entry:
            self.private_key = bytes.fromhex(entry["signing_key"])
        for id in peers:
            self.recipient_replay_windows[id] = _window(lost)
        self.start(path, lost)

    def member(self, name):
        (id,) = [id for id, found in self.names.items() if found == name]
        return id

    def addressed(self, to=None, deterministic=False):
        """The context for requests to the member of this name, to all, or deterministic ones."""
        if deterministic:
            return self.for_sending_deterministic_requests(self.deterministic_id, to and self.member(to))
        return self if to is None else self.pairwise_for(self.member(to))


def load(path, lost=False, adjacent=False):
    """The context or group of a key file."""
    ((kind, entry),) = json.loads(Path(path).read_text()).items()
    return {"oscore": Adjacent if adjacent else Context, "group": Group}[kind](path, entry, lost)


def amend_server(answer_in_group_mode=False):
    """What a server needs that aiocoap's group contexts have not.

    A replay in a group is 4.01 rather than an AttributeError (5.00), and a lost window is recovered by an Echo option
    (draft-ietf-core-oscore-groupcomm §9), asked for in pairwise mode. Requests in group mode are answered in group
    mode rather than pairwise, if wanted.
    """
    received, pairwise = oscore._GroupContextAspect, oscore._PairwiseContextAspect
    for aspect in (received, pairwise):
        aspect.echo_recovery = property(lambda self: self.groupcontext.echo_recovery)
    if answer_in_group_mode:
        received.context_for_response = lambda self: self.groupcontext
    received.protect = lambda self, *args, **more: self.context_for_response().protect(*args, **more)


def verified(context):
    """(who sent what this context has opened, in which mode)."""
    group = getattr(context, "groupcontext", None)
    if group is None:
        return context.name, "oscore"
    for kind, mode in (
        (oscore._GroupContextAspect, "group"),
        (oscore._PairwiseContextAspect, "pairwise"),
        (oscore._DeterministicUnprotectProtoAspect, "deterministic"),
    ):
        if isinstance(context, kind):
            return group.names[context.recipient_id], mode
    raise AssertionError(context)
