"""A node's configuration: one JSON object, checked whole before anything starts.

The schema is data: key → (checker, default). A checker takes (value, where) and gives back the value as the node wants
it, or raises ConfigError, which names the key and says what it expects.
"""

import json

from groupcoap import options, uri

REQUIRED = object()


class ConfigError(ValueError):
    """What is wrong with a configuration: "key: expected …, not …"."""


def _wrong(where, expected, value):
    shown = json.dumps(value)
    raise ConfigError("%s: expected %s, not %s" % (where, expected, shown if len(shown) < 60 else shown[:57] + "..."))


def number(least, most, whole=True):
    kind = "a whole number" if whole else "a number"

    def check(value, where):
        if (not isinstance(value, int) and (whole or not isinstance(value, float))) or isinstance(value, bool):
            _wrong(where, "%s from %s to %s" % (kind, least, most), value)
        if not least <= value <= most:
            _wrong(where, "%s from %s to %s" % (kind, least, most), value)
        return value

    return check


def text(longest=255):
    def check(value, where):
        if not isinstance(value, str) or len(value.encode()) > longest:
            _wrong(where, "a text of at most %d bytes" % longest, value)
        return value

    return check


def quoted(value, where):
    """A text that can stand between quotation marks (RFC 6690)."""
    value = text(64)(value, where)
    if '"' in value or "\\" in value:
        _wrong(where, "a text without quotation marks and backslashes", value)
    return value


def boolean(value, where):
    if not isinstance(value, bool):
        _wrong(where, "true or false", value)
    return value


def one_of(*choices):
    def check(value, where):
        if value not in choices:
            _wrong(where, "one of " + ", ".join(choices), value)
        return value

    return check


def ip(value, where):
    """An IPv4 address as 4 bytes."""
    try:
        found = uri.ip_bytes(value)
        if len(found) == 4 and not uri.is_multicast(found):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    _wrong(where, 'an IPv4 address such as "192.0.2.5"', value)


def group(value, where):
    """A group address, "224.0.1.187" or "224.0.1.187:5683", as a packed address."""
    try:
        target = uri.parse("coap://" + value)
        found = target.address
        if len(found) == 6 and uri.is_multicast(found) and target.port and not target.path and not target.query:
            return found
    except (ValueError, TypeError):
        pass
    _wrong(where, 'an IPv4 multicast address such as "224.0.1.187"', value)


def listed(check, most):
    def check_list(value, where):
        if not isinstance(value, list) or len(value) > most:
            _wrong(where, "a list of at most %d" % most, value)
        found = []
        for i in range(len(value)):
            item = check(value[i], "%s[%d]" % (where, i))
            if item in found:
                raise ConfigError("%s[%d]: %s is there twice" % (where, i, json.dumps(value[i])))
            found.append(item)
        return found

    return check_list


def table(schema):
    def check(value, where):
        if not isinstance(value, dict):
            _wrong(where, "an object with keys " + ", ".join(sorted(schema)), value)
        prefix = where + "." if where else ""
        for key in value:
            if key not in schema:
                raise ConfigError("%s%s: unknown key; expected one of %s" % (prefix, key, ", ".join(sorted(schema))))
        found = {}
        for key in schema:
            check, default = schema[key]
            if key in value:
                found[key] = check(value[key], prefix + key)
            elif default is REQUIRED:
                try:
                    check(None, prefix + key)
                except ConfigError as e:  # what it says of null holds for what is not there
                    raise ConfigError(str(e).replace(", not null", ", but it is missing"))
            else:
                found[key] = default
        return found

    return check


def resources(value, where):
    if not isinstance(value, dict) or len(value) > 64:
        _wrong(where, "an object of at most 64 resources by path", value)
    found = {}
    for path in value:
        if path == ".well-known/core":
            raise ConfigError("%s: path %s: the node makes this one itself" % (where, json.dumps(path)))
        if not path or path[0] == "/" or len(path) > 128 or any(len(s) > 32 for s in path.split("/")):
            expected = "expected segments of at most 32 characters, as in a/b"
            raise ConfigError("%s: path %s: %s" % (where, json.dumps(path), expected))
        found[path] = _resource(value[path], "%s.%s" % (where, path))
    return found


_resource = table(
    {
        "value": (text(1024), ""),
        "content_format": (number(0, 65535), 0),
        "rt": (quoted, None),
        "observable": (boolean, False),
        "max_age": (number(0, 0xFFFFFFFF), None),
        "group": (boolean, True),
    }
)

_COMMON = {
    "role": (one_of("server", "proxy"), REQUIRED),
    "address": (ip, None),
    "port": (number(1, 65535), 5683),
    "multicast_interface": (ip, None),
    "multicast_ttl": (number(0, 255), 1),
    "token_slots": (number(1, 255), 16),
    "recent_messages": (number(4, 512), 128),
    "peers": (number(1, 128), 32),
    "option_numbers": (table({name: (number(1, 65535), None) for name in options.PROFILE_OPTIONS}), None),
}

_SERVER = {
    "groups": (listed(group, 4), []),
    "leisure_s": (number(0, 60, whole=False), 5),
    "resources": (resources, {}),
}

_CLIENT = {
    "client": (ip, REQUIRED),
    "groups": (listed(group, 16), []),
    "unicast": (boolean, True),
}

_PROXY = {
    "proxy": (
        table(
            {
                "mode": (one_of("forward"), "forward"),
                "max_timeout_s": (number(1, 86400), 120),
                "nstart": (number(1, 255), None),
                "probing_rate": (number(0, 1000000), 0),
                "resolve_names": (boolean, False),
                "allow": (listed(table(_CLIENT), 64), []),
            }
        ),
        REQUIRED,
    ),
}


def check(value, needs_address=True):
    """The configuration in this decoded JSON value, every key filled in. Raises ConfigError."""
    if not isinstance(value, dict):
        _wrong("configuration", "a JSON object", value)
    role = _COMMON["role"][0](value["role"], "role") if "role" in value else "server"
    schema = dict(_COMMON)
    schema.update(_PROXY if role == "proxy" else _SERVER)
    found = table(schema)(value, "")
    if needs_address and found["address"] is None:
        raise ConfigError('address: missing; expected an IPv4 address of this computer such as "127.0.0.2"')
    clients = []
    for i in range(len(found["proxy"]["allow"]) if role == "proxy" else 0):
        client = found["proxy"]["allow"][i]["client"]
        if client in clients:
            raise ConfigError("proxy.allow[%d].client: %s is there twice" % (i, uri.ip_text(client)))
        clients.append(client)
    for name, option in (found["option_numbers"] or {}).items():
        if option is not None:
            try:
                options.renumber(name, option)
            except ValueError as e:
                raise ConfigError("option_numbers.%s" % e)
    return found


def load(path, needs_address=True):
    """The configuration in this file. Raises ConfigError, also for a file that cannot be read or is not JSON."""
    try:
        with open(path) as f:
            value = json.load(f)
    except OSError as e:
        raise ConfigError("%s: cannot be read (error %s)" % (path, e.errno))
    except ValueError:
        raise ConfigError("%s: expected JSON" % path)
    return check(value, needs_address)
