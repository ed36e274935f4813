"""Keys for nodes: `groupcoap keygen`, and what `groupcoap group` (keys_group.py) needs too.

Every file is one JSON object of the kinds that firmware/security.py reads. Secrets are in files of mode 0600 only.
"""

import argparse
import contextlib
import fcntl
import json
import os
import sys
from pathlib import Path

import secret_file

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE / "lib"), str(HERE / "tools" / "cpython"), str(HERE / "firmware")]

import security  # noqa: E402
from config_schema import ConfigError  # noqa: E402
from config_security import NAME, is_name  # noqa: E402
from groupcoap import cbor  # noqa: E402

EPILOG = """`keygen NODE PEER` makes a security context of OSCORE (RFC 8613) for two nodes, a file for each:
NODE--PEER.json goes to NODE, PEER--NODE.json to PEER. A proxy's allow-list then says {"client": "NODE"}. No two
contexts of a node whose files are in the folder have the same IDs.

With --rederives the two derive fresh keys from these whenever one of them has started anew (RFC 8613 Appendix B.2), and
no sequence numbers are stored: that costs one more round trip after each start.

`keygen NODE` makes a key pair (Ed25519) with which a node joins groups: NODE.key.json is its own and stays with it,
NODE.credential is public, for `groupcoap group add`.

Files are of mode 0600, and folders that are made of 0700. No secret is ever printed. Exit status: 0, or 2 and one line
that says what is wrong; then nothing is written.

examples:
  groupcoap keygen alice proxy
  groupcoap keygen alice proxy --folder site1/keys --json
  groupcoap keygen alice"""

_CCS_SUB, _CCS_CNF, _COSE_KEY = 2, 8, 1  # claims (RFC 8392, RFC 8747)


class Failed(Exception):
    """What did not work, as one line."""


def node_name(text):
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"expected {NAME}, not {text!r}")
    return text


def common(parser):
    """The arguments that all of these commands take."""
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path("keys"), help="of the files (default keys)")
    parser.add_argument("--json", action="store_true", help="tell what is written as a JSON object")


def add_force(parser):
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")


def register(commands):
    """Add `keygen` to the commands of tools/groupcoap."""
    parser = commands.add_parser(
        "keygen",
        help="make keys for nodes",
        description="Make the keys that two nodes share, or one node's key pair.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("node", metavar="NODE", type=node_name, help="name of a node")
    parser.add_argument("peer", metavar="PEER", type=node_name, nargs="?", help="the node that it shares them with")
    parser.add_argument("--rederives", action="store_true", help="new keys in each life, derived from these")
    common(parser)
    add_force(parser)
    parser.set_defaults(act=keygen, begins=True)


def run(args):
    """Carry out what the arguments say: the exit status."""
    try:
        if args.begins:
            args.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(args.folder):
            lines, told = args.act(args)
    except (Failed, ConfigError) as e:
        return refuse(e)
    except FileExistsError as e:
        return refuse(f"{e.filename}: is there already; --force overwrites it")
    except OSError as e:
        return refuse(f"{e.filename or args.folder}: {e.strerror}")
    print(json.dumps(told) if args.json else "\n".join(lines))
    return 0


def refuse(reason):
    print(f"groupcoap: {reason}", file=sys.stderr)
    return 2


@contextlib.contextmanager
def locked(folder):
    """Alone with this folder: what is read in it is still so when something is written."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def text_of(kind, table):
    """The text of a file: bytes become hexadecimal."""
    return json.dumps({kind: table}, indent=2, default=bytes.hex) + "\n"


def key_pair(name):
    """A new key pair: (private key, credential). The name is what the credential says of its subject."""
    seed = os.urandom(32)
    return seed, credential_of(name, public_of(seed))


def public_of(seed):
    """The public key of a private key."""
    from groupcoap.oscore.ed25519 import Key  # half a second: only where it is needed

    return Key(seed).public


def credential_of(name, public):
    """The CWT Claims Set of an Ed25519 public key, as bytes (draft-ietf-core-oscore-groupcomm §2.4, RFC 8747 §3.2)."""
    return cbor.dumps({_CCS_SUB: name, _CCS_CNF: {_COSE_KEY: {1: 1, 3: -8, -1: 6, -2: public}}})


def keygen(args):
    if args.peer is None:
        if args.rederives:
            raise Failed("argument --rederives: expected with PEER")
        return key_file(args)
    if args.peer == args.node:
        raise Failed("argument PEER: expected another node than NODE")
    return context_files(args)


def key_file(args):
    seed, credential = key_pair(args.node)
    path, public = args.folder / f"{args.node}.key.json", args.folder / f"{args.node}.credential"
    table = {"name": args.node, "private_key": seed, "credential": credential}
    secret_file.write({path: text_of("key", table), public: credential.hex() + "\n"}, args.force)
    public.chmod(0o644)  # it is for all
    told = {"written": [{"path": str(path), "for": args.node}, {"path": str(public), "credential": credential.hex()}]}
    return [f"{path}  stays with {args.node}", f"{public}  public: {credential.hex()}"], told


def context_files(args):
    names = (args.node, args.peer)
    paths = [args.folder / f"{a}--{b}.json" for a, b in (names, names[::-1])]
    taken = [recipient_ids(args.folder, name, paths) for name in names]
    # One's Sender ID is the other's Recipient ID
    ids = [free_id(taken[1], ())]
    ids.append(free_id(taken[0], ids))
    secret = {"master_secret": os.urandom(16), "master_salt": os.urandom(8)}
    files, written = {}, []
    for path, name, peer, own, other in zip(paths, names, names[::-1], ids, ids[::-1]):
        table = {"name": peer, **secret, "sender_id": own, "recipient_id": other, "id_context": None, "algorithm": 10}
        if args.rederives:
            table["rederives"] = True
        files[path] = text_of("oscore", table)
        shown = {"path": str(path), "for": name, "peer": peer, "sender_id": own.hex(), "recipient_id": other.hex()}
        written.append(shown)
    secret_file.write(files, args.force)
    lines = [f"{each['path']}  for {each['for']}, Sender ID {each['sender_id']}" for each in written]
    return lines, {"written": written}


def recipient_ids(folder, name, apart):
    """The Recipient IDs in the files of this node, but for those apart."""
    found = set()
    for path in sorted(folder.glob(f"{name}--*.json")):
        if path not in apart:
            kind, table = security.read(str(path))
            if kind == "oscore":
                found.add(table["recipient_id"])
    return found


def free_id(taken, others):
    """The least ID, from 01 on, that is neither in the one nor in the other."""
    number = 1
    while (found := as_id(number)) in taken or found in others:
        number += 1
    return found


def as_id(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
