"""The keys of a proxy's configuration, and what they ask of each other; a server never loads it."""

from groupcoap import addresses

from config_schema import KINDS, TABLES, ConfigError, table, wrong

KEYS = """
proxy - table proxy
"""

_TABLES = {
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
client - client
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


def _path(value, where):
    """A path in front of others, "lights" or "floor1/lights", as a list of bytes."""
    segments = value.split("/") if isinstance(value, str) else []
    if not 0 < len(segments) <= 4 or not all(0 < len(segment.encode()) <= 16 for segment in segments):
        wrong(where, "a path of at most 4 segments of 1 to 16 bytes each, as in a/b", value)
    return [segment.encode() for segment in segments]


def _client(value, where):
    """Who is served: an IP address as 4 or 16 bytes, or the name of a security context as text."""
    try:
        return KINDS["unicast"](value, where)
    except ConfigError:
        if value and isinstance(value, str):
            from config_security import is_name

            if is_name(value):
                return value
        raise


def _allow(value, where):
    if not isinstance(value, list) or len(value) > 64:
        wrong(where, "a list of at most 64", value)
    found = []
    clients = []
    for i in range(len(value)):
        place = "%s[%d]" % (where, i)
        found.append(table(value[i], place, "client"))
        client = found[i]["client"]
        _once(clients, (isinstance(client, str), client), place + ".client", value[i]["client"])  # a name is no bytes
    return found


def named(proxy):
    """All addresses in the table of a proxy: (key, IP)."""
    found = []
    for key in ("upstream_address", "next_hop"):
        if proxy[key]:
            found.append(("proxy." + key, proxy[key][:16] if len(proxy[key]) > 6 else proxy[key][:4]))
    for i, client in enumerate(proxy["allow"]):
        where = "proxy.allow[%d]." % i
        if not isinstance(client["client"], str):
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
    for i, client in enumerate(proxy["allow"] if hop else ()):
        if proxy["round_trip_s"] >= (client["max_timeout_s"] or proxy["max_timeout_s"]):
            raise ConfigError("proxy.allow[%d].max_timeout_s: expected more than round_trip_s" % i)


def _check_stand_in(entry, where, taken):
    # taken: hosts, paths and own addresses that entries have so far, each behind what it is
    if sum([entry[key] is not None for key in ("host", "path", "address")]) != 1:
        raise ConfigError("%s: expected one of host, path, address" % where)
    if entry["server_addresses"] and not entry["address"]:
        raise ConfigError("%s.server_addresses: expected none without address" % where)
    if entry["servers"] and entry["address"]:
        raise ConfigError("%s.servers: expected false with address; server_addresses names them" % where)
    if entry["next_path"] and not (entry["path"] and entry["next_hop"]):
        raise ConfigError("%s.next_path: expected none without path and next_hop" % where)
    if entry["path"] and entry["next_hop"] and entry["servers"] and not entry["next_path"]:
        raise ConfigError("%s.next_path: missing; expected beside path, next_hop and servers" % where)
    if entry["host"]:
        _once(taken, ("host", entry["host"].lower()), where + ".host", entry["host"])
    for length in range(1, len(entry["path"] or ())):
        if ("path", entry["path"][:length]) in taken:
            raise ConfigError("%s.path: expected none behind the path of an entry in front" % where)
    if entry["path"]:
        _once(taken, ("path", entry["path"]), where + ".path", str(b"/".join(entry["path"]), "utf-8"))
    if entry["address"]:
        _once(taken, ("address", _packed(entry)), where + ".address", addresses.address_text(_packed(entry)))
    servers = []
    for i, pair in enumerate(entry["server_addresses"]):
        inner = "%s.server_addresses[%d]." % (where, i)
        _once(servers, pair["server"], inner + "server", addresses.address_text(pair["server"]))
        _once(taken, ("address", _packed(pair)), inner + "address", addresses.address_text(_packed(pair)))


def check(found):
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
        wrong("proxy.cache_bytes", "0 or a whole number from 256 to 8192", proxy["cache_bytes"])
    if proxy["members"] and not proxy["cache_bytes"]:
        raise ConfigError("proxy.members: expected none without cache_bytes, as they are known for the cache")
    _check_hop(proxy["next_hop"], "proxy.next_hop", found)
    for i, client in enumerate(proxy["allow"]):
        if isinstance(client["client"], str) and not found["security"]:
            expected = "an IPv4 or IPv6 address; the name of a security context needs `security`"
            wrong("proxy.allow[%d].client" % i, expected, client["client"])
    taken = []
    hops = []  # of the entries whose servers are all named by Uri-Host
    for i, entry in enumerate(proxy["stands_in_for"]):
        where = "proxy.stands_in_for[%d]" % i
        _check_stand_in(entry, where, taken)
        _check_hop(entry["next_hop"], where + ".next_hop", found)
        if entry["host"] and entry["servers"]:
            hops.append(entry["next_hop"])
            if hops[0] != hops[-1]:
                text = "that of the other entries with host and servers: in Uri-Host their servers look alike"
                raise ConfigError("%s.next_hop: expected %s" % (where, text))
    groups = []
    for i, entry in enumerate(proxy["members"]):
        _once(groups, entry["group"], "proxy.members[%d].group" % i, addresses.address_text(entry["group"]))
        if bool(entry["servers"]) == bool(entry["resource_directory"]):
            raise ConfigError("proxy.members[%d]: expected either servers or resource_directory" % i)


TABLES.update(_TABLES)
KINDS["path"] = _path
KINDS["client"] = _client
KINDS["allow"] = _allow
