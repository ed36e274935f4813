"""A board's configuration as tools/configure deals with it: single keys by the firmware's own checks, files, boards.

A key's place in a configuration is a tuple, ("proxy", "allow", 0, "client"), which messages write as the firmware does:
proxy.allow[0].client. No text from here has the Wi-Fi's password in it.
"""

import asyncio
import contextlib
import copy
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE / "lib"), str(HERE / "tools" / "cpython"), str(HERE / "firmware")]

import config  # noqa: E402
import config_proxy  # noqa: E402
import config_security  # noqa: E402
import secret_file  # noqa: E402
import security  # noqa: E402
from config_schema import KINDS, TABLES, ConfigError  # noqa: E402
from groupcoap import errors, numbers, option_names, uri  # noqa: E402
from groupcoap.net.client import Client, RequestFailed  # noqa: E402

ROLES = ("server", "proxy")
KNOWN = ("ESP32_GENERIC", "ESP32_GENERIC_C3", "ESP32_GENERIC_S3", "RPI_PICO2_W", "RPI_PICO_W")
COMPUTER = "unix"  # the port of a "board" that is a computer
PASSWORD = ("wifi", "password")
HIDDEN = "********"
JSON_FORMAT = 50  # application/json (RFC 7252 §12.3)
SENDING = 30  # s in which a board has taken its configuration


class Failed(Exception):
    """What did not work, as one line."""


def boards(folder):
    """{name: (is it a computer?, its table sizes)} of the boards in this folder; the known ones where it has none.

    Raises ConfigError for data that cannot be read.
    """
    found = {}
    for path in sorted(Path(folder).glob("*/board.py")):
        try:
            data = runpy.run_path(str(path))
        except Exception as e:  # whatever it is: it is somebody's program
            raise ConfigError(f"{path}: {type(e).__name__}: {e}") from None
        found[path.parent.name] = (data.get("PORT") == COMPUTER, data.get("DEFAULTS", {}))
    return found or {name: (False, {}) for name in KNOWN}


def shown(place):
    """A place as the firmware's messages write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)[1:]


def _lines(text):
    return [line.split(" ") for line in text.split("\n") if line]


def _schema(role):
    return _lines(config._COMMON + (config_proxy.KEYS if role == "proxy" else config._SERVER))


def _inside(line):
    """The lines of the table that a key of this line holds, once or in a list; none where it holds no table."""
    kind, more = line[2], line[3:]
    name = {"table": more[:1], "listed": more[2:] if more[1:2] == ["table"] else []}.get(kind)
    name = name[0] if name else {"allow": "client", "resources": "resource"}.get(kind, kind)
    return _lines(TABLES.get(name, ""))


def line_of(place, role):
    """The line of the schema for this place: [name, default, kind, ...]. Raises ConfigError for an unknown key."""
    lines, line, begun = _schema(role), None, ()
    for part in place:
        begun += (part,)
        if isinstance(part, int):
            continue
        if line is not None and line[2] == "resources" and begun[:-1] == ("resources",):
            lines, line = _inside(line), [part, "-", "table", "resource"]
            continue
        line = next((line for line in lines if line[0] == part), None)
        if line is None:
            known = ", ".join(sorted(line[0] for line in lines))
            raise ConfigError(f"{shown(begun)}: unknown key; expected {'one of ' + known if known else 'none in it'}")
        lines = _inside(line)
    return line


def place_of(key):
    """The place that a text such as proxy.allow[0].client names. A resource's path may have dots and brackets in it."""
    if key.startswith("resources."):
        path, _, last = key.removeprefix("resources.").rpartition(".")
        if path and last in {line[0] for line in _lines(TABLES["resource"])}:
            return ("resources", path, last)
        return ("resources", key.removeprefix("resources."))
    place = []
    for part in key.split("."):
        match = re.fullmatch(r"([^\[\]]+)((?:\[\d+\])*)", part)
        if not match:
            raise ConfigError(f"{key}: expected a key such as wifi.ssid or proxy.allow[0].client")
        place += [match[1], *map(int, re.findall(r"\d+", match[2]))]
    return tuple(place)


def keys(role):
    """(key, default as JSON) of every key of this role, those in tables dotted."""
    for line in _schema(role):
        within = _inside(line) if line[2] in ("table", "echo", "security") else ()
        yield from [(f"{line[0]}.{inner[0]}", inner[1]) for inner in within] or [(line[0], line[1])]


def get(value, place, default=None):
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return default
    return value


def put(value, place, item):
    """Set what is at this place, to None for nothing; tables on the way are made.

    Raises ConfigError where there can be no such place.
    """
    if item is None:
        return drop(value, place)
    for i, part in enumerate(place):
        last = i == len(place) - 1
        kind = list if isinstance(part, int) else dict
        if not isinstance(value, kind) or kind is list and part > len(value):
            raise ConfigError(f"{shown(place)}: there is no {shown(place[: i + 1])} in this configuration")
        if isinstance(part, int) and part == len(value):
            value.append(None)
        if last:
            value[part] = item
        elif get(value, (part,)) is None:
            value[part] = [] if isinstance(place[i + 1], int) else {}
        value = value[part]


def drop(value, place):
    """Have nothing at this place any more."""
    holder = get(value, place[:-1])
    with contextlib.suppress(KeyError, IndexError, TypeError):
        del holder[place[-1]]


def parsed(text, place, line):
    """The value that a text stands for at this place, a kind's own words first. Raises ConfigError.

    Texts may stand without quotation marks, lists of them with spaces or commas between; everything else is JSON.
    """
    tried = [text]
    try:
        found = json.loads(text)
        tried.insert(0 if not isinstance(found, str) and (found is not None or line[1] == "null") else 1, found)
    except (ValueError, RecursionError):
        if line[2] == "listed" and line[4:5] != ["table"]:
            tried = [[word for word in re.split(r"[,\s]+", text) if word]]
    reason = None
    for item in tried:
        try:
            if item is not None or line[1] != "null":
                check_one(item, place, line)
            return item
        except ConfigError as e:
            reason = reason or e
    raise reason


def check_one(item, place, line):
    """Check a value by the kind of its key. Raises ConfigError."""
    try:
        KINDS[line[2]](item, shown(place), *line[3:])
    except ConfigError as e:
        raise ConfigError(told(e)) from None


def check(value, on_board):
    """Check a whole configuration. Raises ConfigError."""
    before = [(name, option_names.number(name)) for name in option_names.PROFILE_OPTIONS]
    try:
        config.check(copy.deepcopy(value), on_board)
    except ConfigError as e:
        raise ConfigError(told(e)) from None
    finally:
        for name, number in before:
            option_names.renumber(name, number)


def check_keys(value, path):
    """Check the files of keys that the right configuration in this file names. Raises ConfigError."""
    if value.get("security") is None:
        return
    names = []
    for file in value["security"]["files"]:
        kind, found = security.read(str(Path(path).parent / file))
        if kind == "oscore":
            names.append(found["name"])
    clients = [entry["client"] for entry in value.get("proxy", {}).get("allow", ())]
    is_name = config_security.is_name
    security.check_clients([{"client": client if is_name(client) else None} for client in clients], names)


def told(error):
    """What a ConfigError says, without the value where it could hold the password."""
    text = str(error)
    return (
        re.sub(r", not .*", "", text, flags=re.DOTALL)
        if re.match(r"(wifi(\.password)?|configuration):", text)
        else text
    )


def read(path):
    """The decoded JSON of a file. Raises ConfigError."""
    try:
        value = json.loads(Path(path).read_text())
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: expected JSON") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a JSON object")
    return value


def of_role(value, role):
    """A configuration without the keys that this role does not have."""
    known = {line[0] for line in _schema(role)}
    found = {key: item for key, item in copy.deepcopy(value).items() if key in known}
    found["role"] = role
    if role == "proxy":
        found.setdefault("proxy", {})
    return found


def rows(value, begun=()):
    """(key, text) of all that a configuration says, for people: no password."""
    for key, item in value.items():
        place = (*begun, key)
        if place == PASSWORD:
            yield shown(place), "none: an open network" if item is None else HIDDEN
        elif isinstance(item, dict) and item and len(place) < 3:
            yield from rows(item, place)
        elif place == ("proxy", "allow"):
            yield from ((f"{shown(place)}[{i}]", json.dumps(entry)) for i, entry in enumerate(item))
        else:
            yield shown(place), item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def exposed(path):
    """Would git take this file into a commit? It lies in a work tree and is not ignored."""
    folder = Path(path).resolve().parent
    while not folder.is_dir():
        folder = folder.parent
    command = ["git", "-C", folder, "check-ignore", "--quiet", Path(path).resolve()]
    try:
        return subprocess.run(command, capture_output=True).returncode == 1
    except OSError:
        return False  # no git here


def write(path, value):
    """Write a configuration, for its owner's eyes only, as a whole or not at all. Raises Failed."""
    try:
        secret_file.write({path: json.dumps(value, indent=2) + "\n"}, force=True)
    except OSError as e:
        raise Failed(f"{path}: {e.strerror}") from None


def target(text):
    """The URI of the configuration at the board of this URI, coap://ADDRESS[:PORT]. Raises ValueError."""
    found = uri.parse(text)
    if found.scheme != "coap" or found.address is None or uri.is_multicast(found.address) or found.path or found.query:
        raise ValueError(text)
    return uri.parse(f"coap://{uri.address_text(found.address)}/config")


def send(where, value):
    """Put a configuration to a board in provisioning mode, at what `target` gives. Raises Failed."""
    payload = json.dumps(value, separators=(",", ":")).encode()

    async def put_it():
        async with Client("::" if len(where.address) == 18 else "0.0.0.0") as client:
            await asyncio.wait_for(client.put(str(where), payload, content_format=JSON_FORMAT), SENDING)

    try:
        asyncio.run(put_it())
    except asyncio.TimeoutError:
        raise Failed(f"{where}: no answer in {SENDING} s; is this computer in the board's Wi-Fi?") from None
    except errors.ResponseError as e:
        reason = e.response.payload.decode("utf-8", "replace")
        secret = get(value, PASSWORD)
        reason = reason.replace(secret, HIDDEN) if secret else reason
        code = numbers.dotted(e.response.code)
        raise Failed(f"{where}: the board refused it with {code}{': ' * bool(reason)}{reason}") from None
    except (RequestFailed, OSError) as e:
        raise Failed(f"{where}: {getattr(e, 'strerror', None) or e}") from None
