"""The files of keys that a node's configuration names under `security`: read, checked, made into security contexts.

A file holds one JSON object, {"oscore": {…}}, {"group": {…}}, {"checker": {…}} or {"key": {…}}, as tools/groupcoap
writes it; the schemas below say what is in it. What is wrong is told in one line, which names the file, the key, and
what was expected, and never a value, as that may be a secret. Like the configuration's checks this is needed once, and
then dropped.
"""

import binascii
import json
import os

from config_schema import KINDS, SECRET, ConfigError, checked, wrong
from config_security import NAME, is_name
from groupcoap.oscore.kdf import hmac_sha256
from groupcoap.oscore.sequence import Sequence

LONGEST = 24576  # bytes of a file: one of 32 members, with credentials as long as they may be
MEMBERS = 32  # of a group, without the node itself

# IDs are at most as long as a nonce of 13 bytes has room for (RFC 8613 §3.3). 10, 30: AES-CCM with a tag of 8, 16
# bytes; -65534: AES-CTR; -8: EdDSA; -27: ECDH-SS with HKDF-256.
_SCHEMAS = {
    "oscore": """
name - context
master_secret - hex 16 64
master_salt "" hex 0 32
sender_id - hex 0 7
recipient_id - hex 0 7
id_context null hex 0 32 null
algorithm 10 choice [10,30]
rederives false boolean
""",
    "group": """
name - context
gid - hex 1 32
master_secret - hex 16 64
master_salt "" hex 0 32
sender_id null hex 0 7 null
private_key null hex 32 32 null
credential null hex 1 256 null
manager_credential - hex 1 256
aead 10 choice [10,30,null]
group_encryption 10 choice [10,30,-65534,null]
signature -8 choice [-8,null]
key_agreement -27 choice [-27,null]
deterministic_id null hex 0 7 null
members [] members
""",
    "checker": """
name - context
gid - hex 1 32
signature_encryption_key - hex 16 16
manager_credential - hex 1 256
aead 10 choice [10,30,null]
group_encryption 10 choice [10,30,-65534]
signature -8 choice [-8]
key_agreement -27 choice [-27,null]
members [] members
""",
    "key": """
name - context
private_key - hex 32 32
credential - hex 1 256
""",
}
_DIGITS = "0123456789abcdefABCDEF"
_MEMBER = """
name - context
id - hex 0 7
credential - hex 1 256
"""


def _hex(value, where, least, most, null=None):
    """Bytes, `least` to `most` of them, from hexadecimal digits."""
    if value is None and null:
        return None
    text = value if isinstance(value, str) else "-"
    if len(text) % 2 or not int(least) <= len(text) // 2 <= int(most) or not all(c in _DIGITS for c in text):
        number = least if least == most else "%s to %s" % (least, most)
        wrong(where, "%s bytes in hexadecimal%s" % (number, " or null" if null else ""), None)
    return binascii.unhexlify(text)


def _context(value, where):
    if not is_name(value):
        wrong(where, NAME, None)
    return value


def _members(value, where):
    if not isinstance(value, list) or len(value) > MEMBERS:
        wrong(where, "a list of at most %d" % MEMBERS, None)
    found = []
    for i in range(len(value)):
        place = "%s[%d]" % (where, i)
        entry = checked(value[i], place, _MEMBER)
        for other in found:
            for key in ("name", "id"):
                if other[key] == entry[key]:
                    raise ConfigError("%s.%s: expected another than other members have" % (place, key))
        found.append(entry)
    return found


KINDS["hex"] = _hex
KINDS["context"] = _context
KINDS["members"] = _members


def full(folder, path):
    """A path of the configuration: relative to its folder, which is "" or has a slash at its end, or absolute."""
    return path if path[0] == "/" else folder + path


def read(path, schemas=_SCHEMAS, longest=LONGEST):
    """What is in a file of keys of at most `longest` bytes: (kind, the table, checked). schemas: by kind.

    Raises ConfigError.
    """
    SECRET.append(path + ":")
    try:
        stat = os.stat(path)
        if stat[0] & 0o077:  # on a computer; a board's files are of nobody
            raise ConfigError("%s: others may read it: chmod 600 %s" % (path, path))
        if stat[6] > longest:
            raise ConfigError("%s: expected at most %d bytes" % (path, longest))
        with open(path) as f:
            value = json.load(f)
    except OSError as e:
        raise ConfigError("%s: cannot be read (error %s)" % (path, e.errno))
    except ConfigError as e:
        raise e
    except (RuntimeError, ValueError):  # the former where it is nested too deep
        raise ConfigError("%s: expected JSON" % path)
    kind = list(value)[0] if isinstance(value, dict) and len(value) == 1 else None
    if kind not in schemas:
        raise ConfigError("%s: expected an object with one key, of %s" % (path, ", ".join(sorted(schemas))))
    return kind, checked(value[kind], "%s: %s" % (path, kind), schemas[kind])


def _record(label, found, context, identifier):
    """The name of the record for this Sender ID in this ID Context.

    It follows from the key: a file with another name goes on where this one was, and no key that was used begins anew.
    It tells nothing of the key, which has 16 bytes at least.
    """
    message = bytearray()
    for part in (found["master_salt"], context, identifier):
        message.append(0xFF if part is None else len(part))
        message.extend(part or b"")
    return str(binascii.hexlify(hmac_sha256(found["master_secret"], label, message)[:12]), "ascii")


def _mixed(store):
    """entropy(n) whose bytes come in no other life of this node, even where the chip's random bits should be poor."""
    lives = int.from_bytes(store.read("lives") or b"", "big") + 1
    store.write("lives", lives.to_bytes(6, "big"))
    given = [0]

    def entropy(n):
        given[0] += 1
        return hmac_sha256(os.urandom(32), b"%d %d" % (lives, given[0]))[:n]

    return entropy


class _Maker:
    """Makes the objects of one file after the other, and knows what the files before have."""

    def __init__(self, store, ahead, adjacent):
        self.store = store
        self.ahead = ahead
        self.adjacent = adjacent
        self.contexts = []
        self.groups = []
        self.checkers = []
        self._keys = {}  # private ones by credential
        self._taken = {}  # what only one file may have: which has it

    def once(self, item, where, path):
        if item in self._taken:
            raise ConfigError("%s: expected another than in %s" % (where, self._taken[item]))
        self._taken[item] = path

    def sequence(self, found, context, where, path):
        """The Sender Sequence Numbers of this Sender ID in this ID Context."""
        name = _record(b"sequence", found, context, found["sender_id"])
        self.once(name, where + ".sender_id", path)
        return self.stored(Sequence, name, where + ".sender_id")

    def stored(self, kind, name, where):
        try:
            return kind(self.store, name, self.ahead)
        except OSError as e:
            raise ConfigError("%s: its sequence number cannot be read (error %s)" % (where, e.errno))

    def oscore(self, found, where, path):
        from groupcoap.oscore.context import Context

        self.once((0, found["name"]), where + ".name", path)
        self.once((1, found["recipient_id"], found["id_context"]), where + ".recipient_id", path)
        if found.pop("rederives"):
            from groupcoap.oscore.rederive import Rederiving

            if found.pop("id_context") is not None:
                raise ConfigError("%s.id_context: expected null beside rederives" % where)
            self.contexts.append(Rederiving(entropy=_mixed(self.store), adjacent=self.adjacent, **found))
            return
        found["sequence"] = self.sequence(found, found["id_context"], where, path)
        self.contexts.append(Context(adjacent=self.adjacent, **found))

    def key(self, found, where, path):
        from groupcoap.oscore.credential import public_key_of
        from groupcoap.oscore.ed25519 import Key

        key = Key(found["private_key"])
        if key.public != public_key_of(found["credential"]):
            raise ConfigError("%s.private_key: expected that of the credential" % where)
        self._keys[found["credential"]] = key
        return key

    def group(self, found, where, path):
        from groupcoap.oscore.group import Group

        self.once((2, found["name"]), where + ".name", path)
        self.once((3, found["gid"]), where + ".gid", path)
        seed, credential = found["private_key"], found["credential"]
        key = sequence = None
        if found["sender_id"] is None:
            if seed or credential:
                raise ConfigError("%s.sender_id: missing; expected beside private_key and credential" % where)
        else:
            if not credential:
                raise ConfigError("%s.credential: missing; expected beside sender_id" % where)
            if not seed and credential not in self._keys:
                text = "missing; expected here, or in a file of keys in front of this one"
                raise ConfigError("%s.private_key: %s" % (where, text))
            key = self.key(found, where, path) if seed else self._keys[credential]
            sequence = self.sequence(found, found["gid"], where, path)
        del found["private_key"]
        found["members"] = self.members(found, where)
        self.groups.append(Group(key=key, sequence=sequence, **found))
        if sequence is None:  # a silent server: it cannot ask whether a request is fresh
            from groupcoap.oscore.floor import Floor

            for member in found["members"]:
                name = _record(b"window", found, found["gid"], member.id)
                member.window = self.stored(Floor, name, where + ".members")

    def checker(self, found, where, path):
        from groupcoap.oscore.checker import Checker

        self.once((2, found.pop("name")), where + ".name", path)
        self.once((3, found["gid"]), where + ".gid", path)
        found["members"] = self.members(found, where)
        algorithms = [found.pop(key) for key in ("aead", "group_encryption", "signature", "key_agreement")]
        self.checkers.append(Checker(algorithms=algorithms, **found))

    def members(self, found, where):
        from groupcoap.oscore.group import Member

        made = []
        for i, entry in enumerate(found["members"]):
            try:
                made.append(Member(entry["name"], entry["id"], entry["credential"]))
            except ValueError as e:
                raise ConfigError("%s.members[%d]: %s" % (where, i, e))
        return made


def load(security, folder, store, adjacent=False):
    """What the files of this table `security` hold: (Contexts, list of Checker, names of the peers in Contexts).

    folder: as `full`'s; store: for the sequence numbers, as `firmware/store.py`'s; adjacent: are the peers always the
    next hop, as a proxy's clients are? Raises ConfigError, which is one line without a secret.
    """
    from groupcoap.oscore.contexts import Contexts

    maker = _Maker(store, security["sequence_ahead"], adjacent)
    for file in security["files"]:
        path = full(folder, file)
        kind, found = read(path)
        where = "%s: %s" % (path, kind)
        try:
            getattr(maker, kind)(found, where, path)
        except ConfigError as e:
            raise e
        except ValueError as e:
            raise ConfigError("%s: %s" % (where, e))
    try:
        contexts = Contexts(maker.contexts, maker.groups)
    except ValueError as e:
        raise ConfigError("security.files: %s" % e)
    return contexts, maker.checkers, [context.name for context in maker.contexts]


def check_clients(allow, names):
    """Is each client of a proxy's allow-list that is named one of these? Raises ConfigError."""
    for i, entry in enumerate(allow):
        name = entry["client"]
        if isinstance(name, str) and name not in names:
            expected = "the name of a security context (%s)" % (", ".join(names) or "there is none")
            raise ConfigError('proxy.allow[%d].client: expected %s, not "%s"' % (i, expected, name))


def check_towards(towards, names):
    """Is each context that is shared with a next hop one of these? Raises ConfigError."""
    for i, entry in enumerate(towards):
        if entry["context"] not in names:
            expected = "the name of a security context (%s)" % (", ".join(names) or "there is none")
            raise ConfigError('security.towards[%d].context: expected %s, not "%s"' % (i, expected, entry["context"]))
