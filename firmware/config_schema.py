"""How a configuration is checked: a schema, and the kinds of values that there are in it.

The schema is text, which takes little heap, a line for each key: its name, its default as JSON ("-" where it must be
given), and its kind with what that kind takes. A kind is a function (value, where, ...) that gives back the value as
the node wants it, or raises ConfigError, which names the key and says what it expects.
"""

import json

from groupcoap import addresses, ip


class ConfigError(ValueError):
    """What is wrong with a configuration: "key: expected …, not …"."""


def wrong(where, expected, value):
    if any(where.startswith(place) for place in SECRET):
        raise ConfigError("%s: expected %s" % (where, expected))
    shown = json.dumps(value)
    raise ConfigError("%s: expected %s, not %s" % (where, expected, shown if len(shown) < 60 else shown[:57] + "..."))


def _within(value, where, kind, types, least, most):
    if not isinstance(value, types) or isinstance(value, bool) or not json.loads(least) <= value <= json.loads(most):
        wrong(where, "%s from %s to %s" % (kind, least, most), value)
    return value


def _whole(value, where, least, most):
    return _within(value, where, "a whole number", int, least, most)


def _number(value, where, least, most):
    return _within(value, where, "a number", (int, float), least, most)


def _text(value, where, longest="255"):
    if not isinstance(value, str) or len(value.encode()) > int(longest):
        wrong(where, "a text of at most %s bytes" % longest, value)
    return value


def _quoted(value, where, longest="64"):
    """A text that can stand between quotation marks (RFC 6690)."""
    value = _text(value, where, longest)
    if '"' in value or "\\" in value:
        wrong(where, "a text without quotation marks and backslashes", value)
    return value


def _name(value, where):
    """An endpoint's name (RFC 9176 §4.1)."""
    return _quoted(value, where, "63") or wrong(where, "a name of 1 to 63 bytes", value)


def _boolean(value, where):
    if not isinstance(value, bool):
        wrong(where, "true or false", value)
    return value


def _choice(value, where, choices):
    choices = json.loads(choices)
    if value not in choices:
        wrong(where, "one of " + ", ".join([str(choice) for choice in choices]), value)
    return choices[choices.index(value)]


def _unicast(value, where):
    """An IPv4 or IPv6 address as 4 or 16 bytes."""
    try:
        found = ip.ip_bytes(value)
        if not addresses.is_multicast(found):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    wrong(where, 'an IPv4 or IPv6 address such as "192.0.2.5" or "2001:db8::5"', value)


def _interface(value, where):
    """An interface: 4 bytes, the IPv4 address that it has; for IPv6 its name or number."""
    if isinstance(value, str) and 0 < len(value) < 16 and ":" not in value:
        return ip.ipv4(value) or value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 0xFFFF:
        wrong(where, "an interface's IPv4 address, or for IPv6 its name or number", value)
    return value


def _group(value, where):
    """A group address, "224.0.1.187" or "[ff05::fd]:5683" or "ff05::fd", as a packed address."""
    try:
        found = ip.packed("[%s]" % value if value.count(":") > 1 and value[0] != "[" else value)
        if addresses.is_multicast(found) and found[-2:] != b"\0\0":
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    wrong(where, 'an IPv4 or IPv6 multicast address such as "224.0.1.187" or "[ff05::fd]:5683"', value)


def _server(value, where):
    """A server's address, "192.0.2.5", "192.0.2.5:61616" or "[2001:db8::5]:61616", as a packed address."""
    try:
        found = ip.packed("[%s]" % value if value.count(":") > 1 and value[0] != "[" else value)
        if not addresses.is_multicast(found) and found[-2:] != b"\0\0":
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    wrong(where, 'an IPv4 or IPv6 address such as "192.0.2.5" or "[2001:db8::5]:61616"', value)


def _directory(value, where, lookup=None):
    """The URI of a resource directory whose address is in it, or of a lookup there; it stays text."""
    from groupcoap import uri

    try:
        found = uri.parse(value)
        of_one = found.scheme == "coap" and found.address and not uri.is_multicast(found.address)
        if of_one and (lookup or not found.query):
            return value
    except (ValueError, TypeError, AttributeError):
        pass
    example = "rd-lookup/ep?d=floor1" if lookup else "rd"
    wrong(where, 'the URI of a resource directory such as "coap://192.0.2.9/%s"' % example, value)


def listed(value, where, most, kind, *more):
    if not isinstance(value, list) or len(value) > int(most):
        wrong(where, "a list of at most %s" % most, value)
    found = []
    for i in range(len(value)):
        item = KINDS[kind](value[i], "%s[%d]" % (where, i), *more)
        if item in found:
            raise ConfigError("%s[%d]: %s is there twice" % (where, i, json.dumps(value[i])))
        found.append(item)
    return found


def checked(value, where, schema):
    """The object `value` by this schema, with the defaults of the keys that it has not."""
    lines = [line.split(" ") for line in schema.split("\n") if line]
    keys = ", ".join(sorted([line[0] for line in lines]))
    if not isinstance(value, dict):
        wrong(where, "an object with keys " + keys, value)
    prefix = where + "." if where else ""
    for key in value:
        if not any(line[0] == key for line in lines):
            raise ConfigError("%s%s: unknown key; expected one of %s" % (prefix, key, keys))
    found = {}
    for line in lines:
        key, default = line[0], line[1]
        if key not in value and default == "null":
            found[key] = None
            continue
        item = value[key] if key in value else None if default == "-" else json.loads(default)
        try:
            found[key] = KINDS[line[2]](item, prefix + key, *line[3:])
        except ConfigError as e:
            if key in value:
                raise
            # What it says of null holds for what is not there
            raise ConfigError(str(e).replace(", not null", "") + ", but it is missing")
    return found


def table(value, where, name):
    return checked(value, where, TABLES[name])


KINDS = {
    "whole": _whole,
    "number": _number,
    "text": _text,
    "quoted": _quoted,
    "name": _name,
    "boolean": _boolean,
    "choice": _choice,
    "unicast": _unicast,
    "interface": _interface,
    "group": _group,
    "server": _server,
    "directory": _directory,
    "listed": listed,
    "table": table,
}
SECRET = ["wifi"]  # how places begin whose values nobody is told: there a password may be in it
TABLES = {}  # schemas by name; who has more kinds and tables puts them in
