"""The keys of `security` in a node's configuration; a node without it never loads them. `security` reads the files."""

from config_schema import KINDS, TABLES, ConfigError, table, wrong

# A folder called state would hide the module on a board.
TABLES["security"] = """
files - listed 16 file
state "sequences" file
required true boolean
sequence_ahead 64 whole 1 65535
exchanges 16 whole 1 255
signatures 4 whole 1 16
pairwise_answers false boolean
check_signatures false boolean
echo_freshness false boolean
towards [] listed 8 table towards
"""
TABLES["towards"] = """
context - context
address - unicast
port 5683 whole 1 65535
"""

NAME = "a name of 1 to 32 letters, digits, hyphens, dots and underscores, a letter first"
_MORE = "0123456789-._"


def is_name(value):
    """Is this a name that a security context, a group, or a member of one can have? None of them is an IP address."""
    if not isinstance(value, str) or not 0 < len(value) <= 32 or value[0] in _MORE:
        return False
    return all("a" <= c <= "z" or "A" <= c <= "Z" or c in _MORE for c in value)


def _context(value, where):
    return value if is_name(value) else wrong(where, NAME, value)


def _file(value, where):
    """The path of a file or folder: relative to the configuration's folder, on a board to /, or absolute."""
    printable = isinstance(value, str) and all(" " <= c != "\x7f" for c in value)
    if not printable or not 0 < len(value.encode()) <= 128 or value[-1] == "/":
        wrong(where, 'a path of 1 to 128 bytes such as "keys/alice.json"', value)
    return value


def check(value, where):
    """The table `security`, every key filled in. Raises ConfigError."""
    found = table(value, where, "security")
    if found["check_signatures"] and found["towards"]:
        raise ConfigError("%s.check_signatures: expected at the last proxy alone, without towards" % where)
    if not found["files"]:
        raise ConfigError("%s.files: expected at least one file, as tools/groupcoap keygen makes" % where)
    return found


KINDS["file"] = _file
KINDS["context"] = _context
