"""A node's configuration: one JSON object, checked whole before anything starts.

The schema is text, which takes little heap, a line for each key: its name, its default as JSON ("-" where it must be
given), and its kind with what that kind takes. A kind is a function (value, where, ...) that gives back the value as
the node wants it, or raises ConfigError, which names the key and says what it expects.
"""

import json

from groupcoap import addresses, ip

_COMMON = """
role - choice ["server","proxy"]
address null unicast
port 5683 whole 1 65535
multicast_interface null interface
multicast_ttl 1 whole 0 255
token_slots 16 whole 1 255
recent_messages 128 whole 4 512
peers 32 whole 1 128
option_numbers null option_numbers
transmission {} table transmission
"""

_SERVER = """
groups [] listed 4 group
leisure_s null number 0 60
group_size null whole 1 65535
group_rate null whole 1 100000000
response_size 64 whole 16 1152
observers 4 whole 0 32
notify_interval_s 3 number 0 3600
block_size 1024 choice [16,32,64,128,256,512,1024]
echo {} echo
resources {} resources
resource_directory null table directory
"""

_PROXY = """
proxy - table proxy
"""

_TABLES = {
    "transmission": """
ack_timeout_s 2 number 0.001 60
ack_random_factor 1.5 number 1 4
max_retransmit 4 whole 0 8
nstart 1 whole 1 255
""",
    "echo": """
threshold 152 whole 0 1152
factor 3 whole 1 255
""",
    "resource": """
value "" text 1024
content_format 0 whole 0 65535
rt null quoted
if null quoted
title null quoted
observable false boolean
max_age null whole 0 4294967295
etag true boolean
group true boolean
""",
    "directory": """
uri - directory
endpoint - name
lifetime_s 90000 whole 60 4294967295
base null text 128
""",
    "proxy": """
mode "forward" choice ["forward","reverse"]
upstream_address null unicast
max_timeout_s 120 whole 1 86400
nstart null whole 1 255
probing_rate 0 whole 0 1000000
resolve_names false boolean
group_copies 1 whole 1 3
response_forwarding false boolean
observations 4 whole 0 32
held_bytes 160 whole 64 1152
next_hop null server
round_trip_s 1 whole 1 60
cache_bytes 0 whole 0 8192
cache_entries 16 whole 1 128
members [] listed 8 table members
aggregate false boolean
aggregate_bytes 2048 whole 256 8192
status true boolean
stands_in_for [] listed 16 table stand_in
allow [] allow
""",
    "client": """
client - unicast
groups [] listed 16 group
unicast true boolean
exchanges null whole 1 255
requests_a_minute null whole 1 6000
max_timeout_s null whole 1 86400
""",
    "stand_in": """
group - group
host null name
path null path
address null unicast
port 5683 whole 1 65535
servers false boolean
server_addresses [] listed 32 table server_address
next_hop null server
next_path null path
""",
    "server_address": """
server - server
address - unicast
port 5683 whole 1 65535
""",
    "members": """
group - group
servers [] listed 64 server
resource_directory null directory lookup
""",
}

_FAMILY = "%s: expected %s, as `address` is of %s"
_LONGEST_LEISURE = 3600  # s


class ConfigError(ValueError):
    """What is wrong with a configuration: "key: expected …, not …"."""


def _wrong(where, expected, value):
    shown = json.dumps(value)
    raise ConfigError("%s: expected %s, not %s" % (where, expected, shown if len(shown) < 60 else shown[:57] + "..."))


def _within(value, where, kind, types, least, most):
    if not isinstance(value, types) or isinstance(value, bool) or not json.loads(least) <= value <= json.loads(most):
        _wrong(where, "%s from %s to %s" % (kind, least, most), value)
    return value


def _whole(value, where, least, most):
    return _within(value, where, "a whole number", int, least, most)


def _number(value, where, least, most):
    return _within(value, where, "a number", (int, float), least, most)


def _text(value, where, longest="255"):
    if not isinstance(value, str) or len(value.encode()) > int(longest):
        _wrong(where, "a text of at most %s bytes" % longest, value)
    return value


def _quoted(value, where, longest="64"):
    """A text that can stand between quotation marks (RFC 6690)."""
    value = _text(value, where, longest)
    if '"' in value or "\\" in value:
        _wrong(where, "a text without quotation marks and backslashes", value)
    return value


def _name(value, where):
    """An endpoint's name (RFC 9176 §4.1)."""
    return _quoted(value, where, "63") or _wrong(where, "a name of 1 to 63 bytes", value)


def _boolean(value, where):
    if not isinstance(value, bool):
        _wrong(where, "true or false", value)
    return value


def _choice(value, where, choices):
    choices = json.loads(choices)
    if value not in choices:
        _wrong(where, "one of " + ", ".join([str(choice) for choice in choices]), value)
    return choices[choices.index(value)]


def _unicast(value, where):
    """An IPv4 or IPv6 address as 4 or 16 bytes."""
    try:
        found = ip.ip_bytes(value)
        if not addresses.is_multicast(found):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    _wrong(where, 'an IPv4 or IPv6 address such as "192.0.2.5" or "2001:db8::5"', value)


def _interface(value, where):
    """An interface: 4 bytes, the IPv4 address that it has; for IPv6 its name or number."""
    if isinstance(value, str) and 0 < len(value) < 16 and ":" not in value:
        return ip.ipv4(value) or value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 0xFFFF:
        _wrong(where, "an interface's IPv4 address, or for IPv6 its name or number", value)
    return value


def _group(value, where):
    """A group address, "224.0.1.187" or "[ff05::fd]:5683" or "ff05::fd", as a packed address."""
    try:
        found = ip.packed("[%s]" % value if value.count(":") > 1 and value[0] != "[" else value)
        if addresses.is_multicast(found) and found[-2:] != b"\0\0":
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    _wrong(where, 'an IPv4 or IPv6 multicast address such as "224.0.1.187" or "[ff05::fd]:5683"', value)


def _server(value, where):
    """A server's address, "192.0.2.5", "192.0.2.5:61616" or "[2001:db8::5]:61616", as a packed address."""
    try:
        found = ip.packed("[%s]" % value if value.count(":") > 1 and value[0] != "[" else value)
        if not addresses.is_multicast(found) and found[-2:] != b"\0\0":
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    _wrong(where, 'an IPv4 or IPv6 address such as "192.0.2.5" or "[2001:db8::5]:61616"', value)


def _path(value, where):
    """A path in front of others, "lights" or "floor1/lights", as a list of bytes."""
    segments = value.split("/") if isinstance(value, str) else []
    if not 0 < len(segments) <= 4 or not all(0 < len(segment.encode()) <= 16 for segment in segments):
        _wrong(where, "a path of at most 4 segments of 1 to 16 bytes each, as in a/b", value)
    return [segment.encode() for segment in segments]


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
    _wrong(where, 'the URI of a resource directory such as "coap://192.0.2.9/%s"' % example, value)


def _listed(value, where, most, kind, *more):
    if not isinstance(value, list) or len(value) > int(most):
        _wrong(where, "a list of at most %s" % most, value)
    found = []
    for i in range(len(value)):
        item = _KINDS[kind](value[i], "%s[%d]" % (where, i), *more)
        if item in found:
            raise ConfigError("%s[%d]: %s is there twice" % (where, i, json.dumps(value[i])))
        found.append(item)
    return found


def _checked(value, where, schema):
    """The object `value` by this schema, with the defaults of the keys that it has not."""
    lines = [line.split(" ") for line in schema.split("\n") if line]
    keys = ", ".join(sorted([line[0] for line in lines]))
    if not isinstance(value, dict):
        _wrong(where, "an object with keys " + keys, value)
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
            found[key] = _KINDS[line[2]](item, prefix + key, *line[3:])
        except ConfigError as e:
            if key in value:
                raise
            # What it says of null holds for what is not there
            raise ConfigError(str(e).replace(", not null", ", but it is missing"))
    return found


def _table(value, where, name):
    return _checked(value, where, _TABLES[name])


def _allow(value, where):
    found = _listed(value, where, "64", "table", "client")
    clients = []
    for i in range(len(found)):
        if found[i]["client"] in clients:
            raise ConfigError("%s[%d].client: %s is there twice" % (where, i, value[i]["client"]))
        clients.append(found[i]["client"])
    return found


def _echo(value, where):
    return value if value is False else _table(value, where, "echo")


def _option_numbers(value, where):
    """Numbers by the name of a profile's option; from now on that is what these options are."""
    from groupcoap import option_names

    found = _checked(value, where, "\n".join([name + " null whole 1 65535" for name in option_names.PROFILE_OPTIONS]))
    for name, number in found.items():
        if number is not None:
            try:
                option_names.renumber(name, number)
            except ValueError as e:
                raise ConfigError("%s.%s" % (where, e))
    return found


def _resources(value, where):
    if not isinstance(value, dict) or len(value) > 64:
        _wrong(where, "an object of at most 64 resources by path", value)
    found = {}
    for path in value:
        if path == ".well-known/core":
            raise ConfigError("%s: path %s: the node makes this one itself" % (where, json.dumps(path)))
        if not path or path[0] == "/" or len(path) > 128 or any(len(s) > 32 for s in path.split("/")):
            expected = "expected segments of at most 32 characters, as in a/b"
            raise ConfigError("%s: path %s: %s" % (where, json.dumps(path), expected))
        found[path] = _table(value[path], "%s.%s" % (where, path), "resource")
    return found


_KINDS = {
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
    "path": _path,
    "directory": _directory,
    "listed": _listed,
    "table": _table,
    "allow": _allow,
    "echo": _echo,
    "option_numbers": _option_numbers,
    "resources": _resources,
}


def _named(proxy):
    # All addresses in the table of a proxy: (where, IP).
    found = []
    for key in ("upstream_address", "next_hop"):
        if proxy[key]:
            found.append(("proxy." + key, proxy[key][:16] if len(proxy[key]) > 6 else proxy[key][:4]))
    for i, client in enumerate(proxy["allow"]):
        where = "proxy.allow[%d]." % i
        found.append((where + "client", client["client"]))
        found += [(where + "groups[%d]" % j, group[:-2]) for j, group in enumerate(client["groups"])]
    for i, entry in enumerate(proxy["members"]):
        where = "proxy.members[%d]." % i
        found.append((where + "group", entry["group"][:-2]))
        found += [(where + "servers[%d]" % j, server[:-2]) for j, server in enumerate(entry["servers"])]
    for i, entry in enumerate(proxy["stands_in_for"]):
        where = "proxy.stands_in_for[%d]." % i
        found.append((where + "group", entry["group"][:-2]))
        if entry["address"]:
            found.append((where + "address", entry["address"]))
        if entry["next_hop"]:
            found.append((where + "next_hop", entry["next_hop"][:-2]))
        for j, pair in enumerate(entry["server_addresses"]):
            found.append((where + "server_addresses[%d].server" % j, pair["server"][:-2]))
            found.append((where + "server_addresses[%d].address" % j, pair["address"]))
    return found


def _once(taken, item, where, shown):
    if item in taken:
        raise ConfigError("%s: %s is there twice" % (where, shown))
    taken.append(item)


def _packed(entry):
    return addresses.pack(entry["address"], entry["port"])


def _check_hop(hop, where, found):
    # The next hop is another node, and the time that it gets is some.
    proxy = found["proxy"]
    if hop and found["address"] and hop == _packed(found):
        raise ConfigError("%s: expected the address of another node than this" % where)
    if hop and proxy["round_trip_s"] >= proxy["max_timeout_s"]:
        raise ConfigError("proxy.round_trip_s: expected less than max_timeout_s, not %d" % proxy["round_trip_s"])


def _check_stand_in(entry, where, taken):
    # taken: hosts, paths and own addresses that entries have so far
    if sum([entry[key] is not None for key in ("host", "path", "address")]) != 1:
        raise ConfigError("%s: expected one of host, path, address" % where)
    if entry["server_addresses"] and not entry["address"]:
        raise ConfigError("%s.server_addresses: expected none without address" % where)
    if entry["servers"] and entry["address"]:
        raise ConfigError("%s.servers: expected false with address; server_addresses names them" % where)
    if entry["next_path"] and not (entry["path"] and entry["next_hop"]):
        raise ConfigError("%s.next_path: expected none without path and next_hop" % where)
    if entry["host"]:
        _once(taken, entry["host"].lower(), where + ".host", entry["host"])
    for length in range(1, len(entry["path"] or ())):
        if entry["path"][:length] in taken:
            raise ConfigError("%s.path: expected none behind the path of an entry in front" % where)
    if entry["path"]:
        _once(taken, entry["path"], where + ".path", str(b"/".join(entry["path"]), "utf-8"))
    if entry["address"]:
        _once(taken, _packed(entry), where + ".address", addresses.address_text(_packed(entry)))
    servers = []
    for i, pair in enumerate(entry["server_addresses"]):
        inner = "%s.server_addresses[%d]." % (where, i)
        _once(servers, pair["server"], inner + "server", addresses.address_text(pair["server"]))
        _once(taken, _packed(pair), inner + "address", addresses.address_text(_packed(pair)))


def _check_proxy(found):
    """What keys of a proxy's table ask of each other."""
    proxy = found["proxy"]
    reverse = proxy["mode"] == "reverse"
    if reverse != bool(proxy["stands_in_for"]):
        raise ConfigError(
            "proxy.stands_in_for: expected %s with mode %s" % ("an entry" if reverse else "no entry", proxy["mode"])
        )
    if reverse and proxy["next_hop"]:
        raise ConfigError("proxy.next_hop: expected none with mode reverse, but one in stands_in_for")
    if 0 < proxy["cache_bytes"] < 256:
        _wrong("proxy.cache_bytes", "0 or a whole number from 256 to 8192", proxy["cache_bytes"])
    _check_hop(proxy["next_hop"], "proxy.next_hop", found)
    taken = []
    for i, entry in enumerate(proxy["stands_in_for"]):
        where = "proxy.stands_in_for[%d]" % i
        _check_stand_in(entry, where, taken)
        _check_hop(entry["next_hop"], where + ".next_hop", found)
    groups = []
    for i, entry in enumerate(proxy["members"]):
        _once(groups, entry["group"], "proxy.members[%d].group" % i, addresses.address_text(entry["group"]))
        if bool(entry["servers"]) == bool(entry["resource_directory"]):
            raise ConfigError("proxy.members[%d]: expected either servers or resource_directory" % i)


def _check_family(found):
    """A node is of IPv4 or of IPv6, by its `address`; so are all addresses that it deals with."""
    own = found["address"] or b"4444"
    family = "IPv4" if len(own) == 4 else "IPv6"
    kinds = "an %s address" % family, "an %s multicast address" % family
    named = [("groups[%d]" % i, group[:-2]) for i, group in enumerate(found.get("groups", ()))]
    if "proxy" in found:
        named += _named(found["proxy"])
    if found.get("resource_directory"):
        from groupcoap import uri

        named.append(("resource_directory.uri", uri.parse(found["resource_directory"]["uri"]).address[:-2]))
    for where, address in named:
        if len(address) != len(own):
            raise ConfigError(_FAMILY % (where, kinds[addresses.is_multicast(address)], family))
    interface = found["multicast_interface"]
    if interface is None:
        for where, address in named + [("address", own)]:
            if len(address) == 16 and (address[0] == 0xFF and address[1] & 15 < 3 or address[:2] == b"\xfe\x80"):
                expected = 'expected the name of an interface such as "eth0", to whose link %s belongs' % where
                raise ConfigError("multicast_interface: %s, but it is missing" % expected)
    elif isinstance(interface, bytes):
        if len(own) == 16:
            raise ConfigError(_FAMILY % ("multicast_interface", "the name or number of an interface", family))
    elif len(own) == 4:
        raise ConfigError(_FAMILY % ("multicast_interface", kinds[0] + " of this computer", family))


def _set_leisure(found):
    # `leisure_s`, as it is given, or as it follows from the group's size, or the default (RFC 7252 §8.2)
    size, rate = found["group_size"], found["group_rate"]
    if (size is None) != (rate is None):
        missing, given = ("group_size", "group_rate") if size is None else ("group_rate", "group_size")
        raise ConfigError("%s: missing; expected beside %s" % (missing, given))
    if found["leisure_s"] is not None:
        return
    found["leisure_s"] = 5
    if size is not None:
        from groupcoap.parameters import leisure

        ms = leisure(size, found["response_size"], rate)
        if ms > 1000 * _LONGEST_LEISURE:
            expected = "at least %d" % -(-size * found["response_size"] // _LONGEST_LEISURE)
            raise ConfigError("group_rate: expected %s for a leisure of at most an hour, not %d" % (expected, rate))
        found["leisure_s"] = ms / 1000


def check(value, on_board=False):
    """The configuration in this decoded JSON value, every key filled in. Raises ConfigError."""
    if not isinstance(value, dict):
        _wrong("configuration", "a JSON object", value)
    proxy = value.get("role") == "proxy"
    found = _checked(value, "", _COMMON + (_PROXY if proxy else _SERVER))
    address = found["address"]
    if address is None and not on_board:
        raise ConfigError('address: missing; expected an IP address of this computer such as "127.0.0.2" (IPv4)')
    if on_board and address and len(address) != 4:
        _wrong("address", "an IPv4 address", value["address"])
    _check_family(found)
    if proxy:
        _check_proxy(found)
    else:
        _set_leisure(found)
    return found


def load(path, on_board=False):
    """The configuration in this file. Raises ConfigError, also for a file that cannot be read or is not JSON."""
    try:
        with open(path) as f:
            value = json.load(f)
    except OSError as e:
        raise ConfigError("%s: cannot be read (error %s)" % (path, e.errno))
    except ValueError:
        raise ConfigError("%s: expected JSON" % path)
    return check(value, on_board)
