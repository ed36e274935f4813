"""The files of keys that a node's configuration names under `security`: read, checked, made into security contexts.

A file holds one JSON object, {"oscore": {…}}, {"group": {…}}, {"checker": {…}} or {"key": {…}}, as tools/groupcoap
writes it; the schemas say what is in it, and `security_group` has those that have to do with groups. What is wrong is
told in one line, which names the file, the key, and what was expected, and never a value, as that may be a secret. Like
the configuration's checks this is needed once, and then dropped.
"""

import binascii
import json
import os

from config_schema import KINDS, SECRET, ConfigError, checked, wrong
from config_security import NAME, is_name
from groupcoap.oscore.kdf import hmac_sha256
from groupcoap.oscore.sequence import Sequence

KINDS_OF_FILES = ("checker", "group", "key", "oscore")
LONGEST = 24576  # bytes of a file: one of 32 members, with credentials as long as they may be

# IDs are at most as long as a nonce of 13 bytes has room for (RFC 8613 §3.3). 10, 30: AES-CCM with a tag of 8, 16
# bytes.
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
}
_DIGITS = "0123456789abcdefABCDEF"


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


KINDS["hex"] = _hex
KINDS["context"] = _context


def full(folder, path):
    """A path of the configuration: relative to its folder, which is "" or has a slash at its end, or absolute."""
    return path if path[0] == "/" else folder + path


def read(path, schemas=None, longest=LONGEST):
    """What is in a file of keys of at most `longest` bytes: (kind, the table, checked). schemas: others, by kind.

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
    kinds = schemas or KINDS_OF_FILES
    if kind not in kinds:
        raise ConfigError("%s: expected an object with one key, of %s" % (path, ", ".join(sorted(kinds))))
    if schemas is None:
        schemas = _SCHEMAS
        if kind not in schemas:
            from security_group import SCHEMAS as schemas  # what a node without groups never loads
    return kind, checked(value[kind], "%s: %s" % (path, kind), schemas[kind])


def record(label, found, context, identifier):
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
        self.keys = {}  # private ones by credential
        self._taken = {}  # what only one file may have: which has it

    def once(self, item, where, path):
        if item in self._taken:
            raise ConfigError("%s: expected another than in %s" % (where, self._taken[item]))
        self._taken[item] = path

    def sequence(self, found, context, where, path):
        """The Sender Sequence Numbers of this Sender ID in this ID Context."""
        name = record(b"sequence", found, context, found["sender_id"])
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
            if kind == "oscore":
                maker.oscore(found, where, path)
            else:
                import security_group

                getattr(security_group, kind)(maker, found, where, path)
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


def load_keys(config):
    """Load the security contexts that this checked configuration of a node asks for. Raises ValueError."""
    from store import Store

    found = config["security"]
    folder = found.get("folder", "")
    is_proxy = config["role"] == "proxy"
    try:
        store = Store(full(folder, found["state"]))
        found["loaded"] = load(found, folder, store, is_proxy)
    except OSError as e:
        raise ValueError("security.state: %s cannot be made (error %s)" % (found["state"], e.errno))
    if is_proxy:
        check_clients(config["proxy"]["allow"], found["loaded"][2])
    check_towards(found["towards"], found["loaded"][2])
