"""What protects the requests of tools/groupcoap: the files of keys that it is given, and who is to be reached by them.

The Sender Sequence Numbers go on from one command to the next, and several that run at the same time share them: they
are kept in the folder `state` beside the file.
"""

from pathlib import Path

import keys
import security
from config_schema import ConfigError
from groupcoap.oscore.asking import Way
from groupcoap.oscore.sequence import Sequence
from store import Store

AHEAD = 8  # sequence numbers that a command may leave unused
EPILOG = """With --key FILE (`groupcoap keygen`, `groupcoap group export`) a request is protected end to end, by OSCORE
or Group OSCORE; with --proxy-key FILE as far as the proxy. What is shown then says who has answered, for certain, or
nothing where that is not known: errors may come from anybody. Sequence numbers are in the folder `state` beside FILE.


  groupcoap get coap://127.0.0.2/temp --key keys/alice--server.json
  groupcoap get coap://224.0.1.187/temp --proxy coap://127.0.0.10 --proxy-key keys/alice--proxy.json --key building.json
  groupcoap get coap://127.0.0.2/temp --key building.json --to kitchen"""


def add_arguments(add):
    """Add the arguments of a request by this function."""
    add("--key", metavar="FILE", action="append", help="protect it end to end by these keys (a group's may be in two)")
    add("--to", metavar="MEMBER", help="for this member of the group alone (pairwise mode)")
    add("--deterministic", action="store_true", help="as the group's Deterministic Client, so that proxies may cache")
    add("--proxy-key", metavar="FILE", help="protect it as far as the proxy by these keys")


def check(parser, args):
    """Refuse, by `parser`, what does not fit together; args.way and args.hop are then what protects the request."""
    args.way = args.hop = None
    try:
        if args.proxy_key:
            if not (args.proxy or args.reverse):
                parser.error("argument --proxy-key: expected with --proxy or --reverse")
            args.hop = _only(*_load([args.proxy_key], True), args.proxy_key)
            if args.hop.signs:
                parser.error(f"argument --proxy-key: {args.proxy_key}: expected keys shared with one, not a group's")
        if args.key:
            args.way = _way(parser, args, _only(*_load(args.key, False), args.key[-1]))
        elif args.to or args.deterministic:
            parser.error(f"argument {'--to' if args.to else '--deterministic'}: expected with --key")
    except (ConfigError, OSError) as e:
        parser.error(str(e))


def _load(files, adjacent):
    folder = Path(files[-1]).resolve().parent / "state"
    found = security.load({"files": files, "sequence_ahead": AHEAD}, "", Store(str(folder)), adjacent)[0]
    for context in [*found.contexts, *found.groups]:
        if isinstance(context.sequence, Sequence):
            context.sequence = Shared(context.sequence, folder)
    return found.contexts, found.groups


class Shared(Sequence):
    """A Sequence whose numbers other processes may be taking, too: whoever needs more looks where the others are."""

    def __init__(self, sequence, folder):
        vars(self).update(vars(sequence))
        self._folder = folder

    def take(self):
        if self.number < self._bound:
            return super().take()
        with keys.locked(self._folder):
            self.number = self._bound = Sequence(self._store, self._name).number
            return super().take()


def _only(contexts, groups, file):
    found = list(contexts) + list(groups)
    if len(found) != 1:
        raise ConfigError(f"{file}: expected the keys of one context or group, not {len(found)}")
    return found[0]


def _way(parser, args, context):
    to = None
    if args.to or args.deterministic:
        option = "--to" if args.to else "--deterministic"
        if not context.signs:
            parser.error(f"argument {option}: expected with the keys of a group")
        if args.to:
            names = {member.name: member for member in context.members}
            if args.to not in names:
                parser.error(f"argument --to: expected one of {', '.join(names) or 'no members'}, not {args.to!r}")
            to = names[args.to]
        else:
            from groupcoap.oscore.group import DETERMINISTIC

            if context.deterministic_id is None:
                parser.error("argument --deterministic: the group has no Deterministic Client")
            to = DETERMINISTIC
    return Way(context, to)


def who(response):
    """The name of who has answered, for certain; None where that is not known."""
    return None if response.security is None else response.security.name
