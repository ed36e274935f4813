"""Groups of a few members, each seen from each, for the tests of Group OSCORE."""

from groupcoap import cbor
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.group import Group, Member
from oscore_ends import SALT, SECRET, Sequence

GID = b"\xdd\x11"
NAMES = ("alice", "kitchen", "hall")
IDS = (b"\x25", b"\x52", b"\x5a")
DETERMINISTIC_ID = b"\xdc"

_keys = {}


def key(seed):
    """The key made of this byte; each is computed once."""
    if seed not in _keys:
        _keys[seed] = Key(bytes((seed,)) * 32)
    return _keys[seed]


def credential(public, subject="member"):
    return cbor.dumps({2: subject, 8: {1: {1: 1, 3: -8, -1: 6, -2: public}}})


def credential_of(i):
    return credential(key(i + 1).public, NAMES[i] if i < len(NAMES) else "member")


MANAGER = credential(bytes(32), "manager")


def group_of(i, of=(0, 1, 2), number=0, silent=False, **more):
    """The group as its i-th member sees it. more: of `Group`; members: others than usual."""
    members = more.pop("members", None) or [Member(NAMES[j], IDS[j], credential_of(j)) for j in of if j != i]
    more.setdefault("deterministic_id", DETERMINISTIC_ID)
    return Group(
        "building",
        more.pop("gid", GID),
        more.pop("secret", SECRET),
        SALT,
        None if silent else more.pop("sender_id", IDS[i]),
        None if silent else key(i + 1),
        None if silent else credential_of(i),
        more.pop("manager", MANAGER),
        members,
        Sequence(number),
        **more,
    )
