"""`groupcoap group`: the keys of a group, as its Group Manager hands them out (draft-ietf-core-oscore-groupcomm §12).

The manager is a file, GROUP.group.json: all of the group's secrets, and who its members are. What a node takes is
exported from it. Sender IDs are counted up and never given again.
"""

import argparse
import os
from pathlib import Path

import config_schema
import keys
import secret_file
import security
import security_group
from groupcoap.oscore.context import derive
from groupcoap.oscore.credential import public_key_of
from keys import Failed

EPILOG = """`new` begins a group: GROUP.group.json is the manager's own and goes to no node. `add` takes a member in and
makes its keys; with --credential its private key stays where `keygen NODE` has made it. `export` writes
MEMBER--GROUP.json, which goes to that node, for the members named or for all; who has to know of a later member needs
its file anew (--force). For a node that has made its key itself, --key puts that in, or the node's configuration names
both files, the key's first. `rekey` gives the group a new Gid and new secrets; --remove takes members out. Then every
node and every checker needs its new file.

A member added with --silent receives requests and never sends. --deterministic makes a Deterministic Client, to whose
requests a proxy can answer from its cache. --encryption aes-ctr saves 8 bytes of a message in group mode, which its
signature protects anyway. `export --checker` is for a proxy that checks signatures and cannot read messages.

Files are of mode 0600. No secret is ever printed. Exit status: 0, or 2 and one line that says what is wrong; then
nothing is written.

examples:
  groupcoap group new building
  groupcoap group new building --mode group --encryption aes-ctr --gid 0a01
  groupcoap group add building kitchen
  groupcoap group add building alice --credential alice.credential
  groupcoap group export building
  groupcoap group export building alice --key alice.key.json --output alice--building.json
  groupcoap group export building --checker
  groupcoap group rekey building --remove kitchen
  groupcoap group show building --json"""

ENCRYPTION = {"aes-ccm": 10, "aes-ctr": -65534}
KEY_LENGTH = 16  # bytes, of each of them
MODES = ("both", "group", "pairwise")
MEMBERS = 128  # in a manager's file
LONGEST = 1 << 18  # bytes of it
_OWN = {  # what is otherwise in a manager's file than in that of a member
    "sender_id": "",
    "private_key": "private_key - hex 32 32",
    "credential": "credential - hex 1 256",
    "manager_credential": "",
    "members": "next_id - whole 1 65535\nmembers - managed",
}
_OF_MEMBERS = security_group.SCHEMAS["group"].split("\n")
SCHEMAS = {"manager": "\n".join([_OWN.get(line.split(" ")[0], line) for line in _OF_MEMBERS])}
_MEMBER = """
name - context
id null hex 0 7 null
private_key null hex 32 32 null
credential null hex 1 256 null
"""


def managed(value, where):
    if not isinstance(value, list) or len(value) > MEMBERS:
        config_schema.wrong(where, f"a list of at most {MEMBERS}", None)
    return [config_schema.checked(value[i], f"{where}[{i}]", _MEMBER) for i in range(len(value))]


config_schema.KINDS["managed"] = managed


def register(commands):
    """Add `group` to the commands of tools/groupcoap."""
    how = {"epilog": EPILOG, "formatter_class": argparse.RawDescriptionHelpFormatter}
    text = "Make a group, take members in, and write the files of keys that its nodes take."
    group = commands.add_parser("group", help="make the keys of a group", description=text, **how)
    verbs = group.add_subparsers(dest="verb", metavar="new|add|export|rekey|show", required=True)
    for act, text in (
        (new, "begin a group"),
        (add, "take a member in"),
        (export, "write the files that nodes take"),
        (rekey, "give it a new Gid and new secrets"),
        (show, "tell who is in it"),
    ):
        verb = verbs.add_parser(act.__name__, help=text, **how)
        option = verb.add_argument
        option("group", metavar="GROUP", type=keys.node_name, help="name of the group")
        if act is new:
            option("--gid", metavar="HEX", type=gid, help="its identifier, 1 to 32 bytes (default 4 random ones)")
            option("--mode", choices=MODES, default="both", help="how messages may be protected (default both)")
            option("--encryption", choices=ENCRYPTION, help="of the group mode (default aes-ccm)")
            option("--deterministic", action="store_true", help="with a Deterministic Client")
        elif act is add:
            option("member", metavar="MEMBER", type=keys.node_name, help="name of the node")
            option("--credential", metavar="FILE|HEX", help="its credential, where it has made its key itself")
            option("--silent", action="store_true", help="it only receives, and needs no key")
        elif act is export:
            option("members", metavar="MEMBER", type=keys.node_name, nargs="*", help="for whom (default: all)")
            option("--checker", action="store_true", help="for a proxy that only checks signatures")
            option("--key", metavar="FILE", help="the private key of a member that has made it itself")
            option("--output", metavar="FILE", type=Path, help="write it there; of one")
        elif act is rekey:
            option("--remove", metavar="MEMBER", action="append", default=[], help="take it out (repeatable)")
        keys.common(verb)
        if act in (new, export):
            keys.add_force(verb)
        verb.set_defaults(act=act, begins=act is new)


def gid(text):
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if not 1 <= len(found) <= 32:
        raise argparse.ArgumentTypeError(f"expected 1 to 32 bytes in hexadecimal, not {text!r}")
    return found


def path_of(args):
    return args.folder / f"{args.group}.group.json"


def load(args):
    """The manager's table of a group."""
    path = path_of(args)
    if not path.exists():
        raise Failed(f"{path}: is not there; `groupcoap group new {args.group}` makes it")
    return security.read(str(path), SCHEMAS, LONGEST)[1]


def save(args, manager, force=True):
    secret_file.write({path_of(args): keys.text_of("manager", manager)}, force)


def member_of(args, manager, name):
    found = [member for member in manager["members"] if member["name"] == name]
    if not found:
        raise Failed(f"{path_of(args)}: has no member {name}; `groupcoap group add {args.group} {name}` takes it in")
    return found[0]


def fresh():
    return {"master_secret": os.urandom(16), "master_salt": os.urandom(8)}


def new(args):
    if args.mode == "pairwise" and args.encryption:
        raise Failed("argument --encryption: expected none with --mode pairwise, which has no group mode")
    if args.mode != "both" and args.deterministic:
        raise Failed("argument --deterministic: expected --mode both, as it needs both modes")
    seed, credential = keys.key_pair(args.group)
    grouped, paired = args.mode != "pairwise", args.mode != "group"
    manager = {
        "name": args.group,
        "gid": args.gid or os.urandom(4),
        **fresh(),
        "private_key": seed,
        "credential": credential,
        "aead": 10 if paired else None,
        "group_encryption": ENCRYPTION[args.encryption or "aes-ccm"] if grouped else None,
        "signature": -8 if grouped else None,
        "key_agreement": -27 if paired else None,
        "deterministic_id": keys.as_id(1) if args.deterministic else None,
        "next_id": 2 if args.deterministic else 1,
        "members": [],
    }
    save(args, manager, args.force)
    path, shown = path_of(args), manager["gid"].hex()
    lines = [f"{path}  the manager's, Gid {shown}; it goes to no node"]
    return lines, {"written": [{"path": str(path), "group": args.group, "gid": shown}]}


def add(args):
    if args.silent and args.credential:
        raise Failed("argument --credential: expected none with --silent, as who never sends has no key")
    manager = load(args)
    if args.silent and manager["signature"] is None:
        raise Failed("argument --silent: expected a group with the group mode, as in the other nobody is silent")
    if any(member["name"] == args.member for member in manager["members"]):
        raise Failed(f"{path_of(args)}: has a member {args.member} already")
    speaking = [member for member in manager["members"] if member["id"] is not None]
    if len(manager["members"]) == MEMBERS or not args.silent and len(speaking) == security_group.MEMBERS + 1:
        raise Failed(f"{path_of(args)}: has as many members as a group can have")
    id = seed = credential = None
    if not args.silent:
        seed, credential = (None, given(args.credential)) if args.credential else keys.key_pair(args.member)
        if credential in [member["credential"] for member in speaking]:
            raise Failed("argument --credential: expected another than that of a member")
        id = keys.as_id(manager["next_id"])
        manager["next_id"] += 1
    member = {"name": args.member, "id": id, "private_key": seed, "credential": credential}
    manager["members"].append(member)
    save(args, manager)
    path = path_of(args)
    lines = [f"{path}  has {args.member}, {'silent' if args.silent else f'Sender ID {id.hex()}'}"]
    return lines, {"written": [{"path": str(path), **public(member)}]}


def public(member):
    """What of a member is no secret."""
    known = {"name": member["name"], "id": member["id"] and member["id"].hex()}
    return {**known, "credential": member["credential"] and member["credential"].hex()}


def given(text):
    """The credential that an argument is, or names a file of. What is wrong with it is told without showing it."""
    from groupcoap.oscore.ed25519 import PublicKey

    place = "argument --credential"
    try:
        found = bytes.fromhex(text)
    except ValueError:
        place = text
        try:
            with open(text, "rb") as f:
                found = bytes.fromhex(f.read(1025).decode("ascii"))
        except ValueError:
            raise Failed(f"{place}: expected a credential in hexadecimal, as keygen writes it") from None
    try:
        PublicKey(public_key_of(found))
    except ValueError as e:
        raise Failed(f"{place}: {e}") from None
    return found


def export(args):
    manager = load(args)
    if args.checker:
        if args.members or args.key:
            raise Failed("argument --checker: expected without MEMBER and --key")
        files = {args.output or args.folder / f"{args.group}.checker.json": ("checker", checker(args, manager), None)}
    else:
        chosen = [member_of(args, manager, name) for name in args.members] or manager["members"]
        if not chosen:
            raise Failed(f"{path_of(args)}: has no members yet; `groupcoap group add {args.group} NAME` takes one in")
        if len(args.members) != 1 and (args.output or args.key):
            raise Failed(f"argument {'--output' if args.output else '--key'}: expected one MEMBER")
        files = {}
        for member in chosen:
            if args.key:
                member = {**member, "private_key": key_in(args.key, member)}
            path = args.output or args.folder / f"{member['name']}--{args.group}.json"
            files[path] = ("group", table_for(manager, member), member)
    secret_file.write({path: keys.text_of(kind, table) for path, (kind, table, _) in files.items()}, args.force)
    lines, written = [], []
    for path, (kind, _, member) in files.items():
        name = member["name"] if member else None
        lacks = bool(member and member["credential"] and not member["private_key"])
        line = f"for {name}" if member else "for a proxy that checks signatures"
        lines.append(f"{path}  {line}" + f"; without its private key, {name}.key.json" * lacks)
        shown = {"path": str(path), "kind": kind, "gid": manager["gid"].hex()}
        written.append({**shown, **({**public(member), "private_key": not lacks} if member else {})})
    return lines, {"written": written}


def key_in(path, member):
    """The private key in a file that keygen has made, which must be this member's."""
    kind, found = security.read(path)
    if kind != "key" or found["credential"] != member["credential"]:
        raise Failed(f"{path}: expected the key of {member['name']}, whose credential the group has")
    if keys.public_of(found["private_key"]) != public_key_of(found["credential"]):
        raise Failed(f"{path}: key.private_key: expected that of the credential")
    return found["private_key"]


def others(manager, name=None):
    """The members that the one of this name has to know."""
    found = [each for each in manager["members"] if each["id"] is not None and each["name"] != name]
    return [{key: each[key] for key in ("name", "id", "credential")} for each in found]


def common_of(manager):
    names = ("aead", "group_encryption", "signature", "key_agreement")
    return {"manager_credential": manager["credential"], **{name: manager[name] for name in names}}


def table_for(manager, member):
    return {
        **{name: manager[name] for name in ("name", "gid", "master_secret", "master_salt")},
        "sender_id": member["id"],
        "private_key": member["private_key"],
        "credential": member["credential"],
        **common_of(manager),
        "deterministic_id": manager["deterministic_id"],
        "members": others(manager, member["name"]),
    }


def checker(args, manager):
    if manager["signature"] is None:
        raise Failed(f"{path_of(args)}: expected a group with the group mode, as others have no signatures")
    secret, salt, gid = (manager[name] for name in ("master_secret", "master_salt", "gid"))
    return {
        "name": manager["name"],
        "gid": gid,
        "signature_encryption_key": derive(secret, salt, b"", gid, manager["group_encryption"], "SEKey", KEY_LENGTH),
        **common_of(manager),
        "members": others(manager),
    }


def rekey(args):
    manager = load(args)
    for name in args.remove:
        manager["members"].remove(member_of(args, manager, name))
    number = int.from_bytes(manager["gid"], "big") + 1
    manager["gid"] = (number % (1 << 8 * len(manager["gid"]))).to_bytes(len(manager["gid"]), "big")
    manager.update(fresh())
    save(args, manager)
    path, shown = path_of(args), manager["gid"].hex()
    lines = [f"{path}  Gid {shown}; every node needs its file anew: groupcoap group export {args.group} --force"]
    return lines, {"written": [{"path": str(path), "group": args.group, "gid": shown}]}


def show(args):
    manager = load(args)
    lines = [f"{args.group}: Gid {manager['gid'].hex()}"]
    for member in manager["members"]:
        kept = "its key is elsewhere" if not member["private_key"] else "its key is here"
        who = "silent" if member["id"] is None else f"Sender ID {member['id'].hex()}, {kept}"
        lines.append(f"{member['name']}: {who}")
    told = {"group": args.group, "gid": manager["gid"].hex(), "members": [public(each) for each in manager["members"]]}
    return lines, told
