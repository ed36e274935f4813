"""The files of keys for groups, a part of `security`: {"group": {…}}, {"checker": {…}} and {"key": {…}}."""

from config_schema import KINDS, ConfigError, checked, wrong
from security import record

MEMBERS = 32  # of a group, without the node itself

# 10, 30: AES-CCM with a tag of 8, 16 bytes; -65534: AES-CTR; -8: EdDSA; -27: ECDH-SS with HKDF-256.
SCHEMAS = {
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
_MEMBER = """
name - context
id - hex 0 7
credential - hex 1 256
"""


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


KINDS["members"] = _members


def key(maker, found, where, path):
    """A private key for the groups in the files that follow."""
    from groupcoap.oscore.credential import public_key_of
    from groupcoap.oscore.ed25519 import Key

    key = Key(found["private_key"])
    if key.public != public_key_of(found["credential"]):
        raise ConfigError("%s.private_key: expected that of the credential" % where)
    maker.keys[found["credential"]] = key
    return key


def group(maker, found, where, path):
    """A group of which this node is a member, or a silent server."""
    from groupcoap.oscore.group import Group

    maker.once((2, found["name"]), where + ".name", path)
    maker.once((3, found["gid"]), where + ".gid", path)
    seed, credential = found["private_key"], found["credential"]
    own = sequence = None
    if found["sender_id"] is None:
        if seed or credential:
            raise ConfigError("%s.sender_id: missing; expected beside private_key and credential" % where)
    else:
        if not credential:
            raise ConfigError("%s.credential: missing; expected beside sender_id" % where)
        if not seed and credential not in maker.keys:
            text = "missing; expected here, or in a file of keys in front of this one"
            raise ConfigError("%s.private_key: %s" % (where, text))
        own = key(maker, found, where, path) if seed else maker.keys[credential]
        sequence = maker.sequence(found, found["gid"], where, path)
    del found["private_key"]
    found["members"] = _made(found, where)
    maker.groups.append(Group(key=own, sequence=sequence, **found))
    if sequence is None:  # a silent server: it cannot ask whether a request is fresh
        from groupcoap.oscore.floor import Floor

        for member in found["members"]:
            name = record(b"window", found, found["gid"], member.id)
            member.window = maker.stored(Floor, name, where + ".members")


def checker(maker, found, where, path):
    """A group whose signatures this node may check."""
    from groupcoap.oscore.checker import Checker

    maker.once((2, found.pop("name")), where + ".name", path)
    maker.once((3, found["gid"]), where + ".gid", path)
    found["members"] = _made(found, where)
    algorithms = [found.pop(key) for key in ("aead", "group_encryption", "signature", "key_agreement")]
    maker.checkers.append(Checker(algorithms=algorithms, **found))


def _made(found, where):
    from groupcoap.oscore.group import Member

    members = []
    for i, entry in enumerate(found["members"]):
        try:
            members.append(Member(entry["name"], entry["id"], entry["credential"]))
        except ValueError as e:
            raise ConfigError("%s.members[%d]: %s" % (where, i, e))
    return members
