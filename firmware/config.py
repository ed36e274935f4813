"""A node's configuration: one JSON object, checked whole before anything starts. The schema is `config_schema`'s."""

import json

from config_schema import KINDS, TABLES, ConfigError, checked, table, wrong
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
wifi null table wifi
watchdog_s null number 0 3600
security null security
log "info" choice ["error","info","debug"]
console true boolean
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

_TABLES = {
    "transmission": """
ack_timeout_s 2 number 0.001 60
ack_random_factor 1.5 number 1 4
max_retransmit 4 whole 0 8
nstart 1 whole 1 255
""",
    "wifi": """
ssid - ssid
password null password
country null country
hostname null hostname
netmask "255.255.255.0" ipv4
gateway null ipv4
dns null ipv4
ntp null host
backoff_s 60 whole 1 3600
refresh_s 125 whole 0 3600
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
protected true boolean
""",
    "directory": """
uri - directory
endpoint - name
lifetime_s 90000 whole 60 4294967295
base null text 128
""",
}

_FAMILY = "%s: expected %s, as `address` is of %s"
_LONGEST_LEISURE = 3600  # s


def _ssid(value, where):
    if not isinstance(value, str) or not 0 < len(value.encode()) <= 32:
        wrong(where, "the name of a Wi-Fi network, 1 to 32 bytes", value)
    return value


def _password(value, where):
    """WPA's: what is wrong with it is told without telling it."""
    if not isinstance(value, str) or not 8 <= len(value.encode()) <= 63:
        raise ConfigError("%s: expected a text of 8 to 63 bytes, or null for an open network" % where)
    return value


def _country(value, where):
    if not isinstance(value, str) or len(value) != 2 or not all("A" <= letter <= "Z" for letter in value):
        wrong(where, 'the two capital letters of a country, such as "DE"', value)
    return value


def _spelt(value, where, longest, more, expected):
    # A text of letters, digits and `more`.
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789" + more
    if not isinstance(value, str) or not 0 < len(value) <= longest or not all(c in allowed for c in value.lower()):
        wrong(where, expected, value)
    return value


def _hostname(value, where):
    return _spelt(value, where, 32, "-", "a name of 1 to 32 letters, digits and hyphens")


def _host(value, where):
    return _spelt(value, where, 64, "-.", "a host name or an IPv4 address of at most 64 characters")


def _ipv4(value, where):
    """An IPv4 address as text, which is what the radio takes."""
    if not isinstance(value, str) or not ip.ipv4(value):
        wrong(where, 'an IPv4 address such as "192.0.2.1"', value)
    return value


def _echo(value, where):
    return value if value is False else table(value, where, "echo")


def _security(value, where):
    try:
        import config_security  # who has no key files has no use for it
    except ImportError:
        raise ConfigError("%s: expected null; this image has no security (tools/romfs.py --plain)" % where)
    return config_security.check(value, where)


def _option_numbers(value, where):
    """Numbers by the name of a profile's option; from now on that is what these options are."""
    from groupcoap import option_names

    found = checked(value, where, "\n".join([name + " null whole 1 65535" for name in option_names.PROFILE_OPTIONS]))
    for name, number in found.items():
        if number is not None:
            try:
                option_names.renumber(name, number)
            except ValueError as e:
                raise ConfigError("%s.%s" % (where, e))
    return found


def _resources(value, where):
    if not isinstance(value, dict) or len(value) > 64:
        wrong(where, "an object of at most 64 resources by path", value)
    found = {}
    for path in value:
        if path == ".well-known/core":
            raise ConfigError("%s: path %s: the node makes this one itself" % (where, json.dumps(path)))
        if not path or path[0] == "/" or len(path) > 128 or any(len(s) > 32 for s in path.split("/")):
            expected = "expected segments of at most 32 characters, as in a/b"
            raise ConfigError("%s: path %s: %s" % (where, json.dumps(path), expected))
        found[path] = table(value[path], "%s.%s" % (where, path), "resource")
    return found


TABLES.update(_TABLES)
KINDS["ssid"] = _ssid
KINDS["password"] = _password
KINDS["country"] = _country
KINDS["hostname"] = _hostname
KINDS["host"] = _host
KINDS["ipv4"] = _ipv4
KINDS["echo"] = _echo
KINDS["security"] = _security
KINDS["option_numbers"] = _option_numbers
KINDS["resources"] = _resources


def _check_family(found, named):
    """A node is of IPv4 or of IPv6, by its `address`; so are all addresses that it deals with.

    named: those in the table of a proxy, (key, IP).
    """
    own = found["address"] or b"4444"
    family = "IPv4" if len(own) == 4 else "IPv6"
    kinds = "an %s address" % family, "an %s multicast address" % family
    named += [("groups[%d]" % i, group[:-2]) for i, group in enumerate(found.get("groups", ()))]
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


def check(value, on_board=False, defaults=None):
    """The configuration in this decoded JSON value, every key filled in. Raises ConfigError.

    defaults: a board's own, instead of the usual ones.
    """
    if not isinstance(value, dict):
        wrong("configuration", "a JSON object", value)
    if defaults:
        value = dict(defaults, **value)
    proxy = value.get("role") == "proxy"
    if proxy:
        import config_proxy
    found = checked(value, "", _COMMON + (config_proxy.KEYS if proxy else _SERVER))
    address = found["address"]
    least = 4 if on_board else 0.5  # s: less than a node's longest pauses would reset it again and again
    if found["watchdog_s"] and found["watchdog_s"] < least:
        wrong("watchdog_s", "0, or a number from %s to 3600" % least, found["watchdog_s"])
    if address is None and not on_board:
        raise ConfigError('address: missing; expected an IP address of this computer such as "127.0.0.2" (IPv4)')
    if on_board and address and len(address) != 4:
        wrong("address", "an IPv4 address", value["address"])
    _check_family(found, config_proxy.named(found["proxy"]) if proxy else [])
    if proxy:
        config_proxy.check(found)
    else:
        _set_leisure(found)
    return found


def load(path, on_board=False, defaults=None):
    """The configuration in this file; defaults: as `check`'s.

    Raises ConfigError, also for a file that cannot be read or is not JSON.
    """
    try:
        with open(path) as f:
            value = json.load(f)
    except OSError as e:
        raise ConfigError("%s: cannot be read (error %s)" % (path, e.errno))
    except ValueError:
        raise ConfigError("%s: expected JSON" % path)
    found = check(value, on_board, defaults)
    if found["security"]:
        found["security"]["folder"] = path[: path.rfind("/") + 1]  # "" for the one in which the node was started
    return found
