"""Groups of a few members, each seen from each, for the tests of Group OSCORE."""

from groupcoap import cbor
from groupcoap import numbers as n
from groupcoap.oscore import option
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.group import Group, Member
from oscore_ends import SALT, SECRET, Sequence, message, opened, packet

GID = b"\xdd\x11"
NAMES = ("alice", "kitchen", "hall")
IDS = (b"\x25", b"\x52", b"\x5a")
DETERMINISTIC_ID = b"\xdc"

# (code, text) of what is rejected
NO_CONTEXT = (n.UNAUTHORIZED, "Security context not found")
REPLAY = (n.UNAUTHORIZED, "Replay detected")
UNDECODED = (n.BAD_OPTION, "Failed to decode COSE")
UNDECRYPTED = (n.BAD_REQUEST, "Decryption failed")
NO_MODE = (n.BAD_OPTION, "Mode of Group OSCORE not supported")

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


def take(group, data):
    """(Exchange, plain datagram) of a request that this member gets."""
    return opened(Contexts([], [group]).open_request(message(data)))


def answer(exchange, data):
    """(Member, plain datagram) of a response that this client gets."""
    return opened(exchange.open(message(data)))


def value_of(data):
    return option.parse(packet(data).option(n.OSCORE))


def refused(function, *arguments, **more):
    try:
        function(*arguments, **more)
    except ValueError as error:
        return str(error)
    return None
