"""CoAP URIs (RFC 7252 §6, on RFC 3986) and packed addresses.

A packed address, the one form of an address everywhere under `groupcoap`, is bytes: the IP address (4 or 16), then the
port (2, big endian). So its length tells what it is: 4 or 16 is an IP address, 6 or 18 one with a port.

A URI is cut at its delimiters first and percent-decoded afterwards, piece by piece, as bytes; nothing is decoded twice.
`split`, `parse_authority`, `remove_dots` and the percent coding serve `cri` as well. All that is wrong with the text of
a URI or an address is a ValueError.
"""

DEFAULT_PORTS = {
    "coap": 5683,
    "coaps": 5684,
    "coap+tcp": 5683,
    "coaps+tcp": 5684,
    "coap+ws": 80,
    "coaps+ws": 443,
}  # RFC 7252 §6, RFC 8323 §8

LONGEST_PART = 255  # bytes of a path segment or a query argument (RFC 7252 §5.10)

# What stands unescaped in a component besides letters and digits (RFC 3986 §3, RFC 7252 §6.5).
HOST_SAFE = b"-._~!$&'()*+,;="
PATH_SAFE = b"-._~!$&'()*+,;=:@"
QUERY_SAFE = b"-._~!$'()*+,;=:@/?"
FRAGMENT_SAFE = b"-._~!$&'()*+,;=:@/?"


def ip_bytes(text):
    """4 or 16 bytes from the text of an IPv4 or IPv6 address (RFC 3986 §3.2.2; no zone, no brackets)."""
    ip = _ipv6(text) if ":" in text else ipv4(text)
    if ip is None:
        raise ValueError("address %r: expected an IPv4 or IPv6 address" % text)
    return ip


def _number(text, base):
    """Value of one or more digits, or -1; int() would also take signs, underscores and other scripts' digits."""
    value = 0 if text else -1
    for char in text:
        digit = "0123456789abcdef".find(char)
        if not 0 <= digit < base:
            return -1
        value = value * base + digit
    return value


def ipv4(text):
    """4 bytes from the text of an IPv4 address, or None if it isn't one."""
    ip = bytearray()
    for part in text.split("."):
        value = _number(part, 10)
        if not 0 <= value <= 255 or (part[0] == "0" and part != "0"):
            return None
        ip.append(value)
    return bytes(ip) if len(ip) == 4 else None


def _ipv6(text):
    text = text.lower()
    if "." in text:  # an IPv4 address is the last two groups
        start = text.rfind(":") + 1
        ip = ipv4(text[start:])
        if ip is None:
            return None
        text = "%s%x:%x" % (text[:start], ip[0] << 8 | ip[1], ip[2] << 8 | ip[3])
    before, gap, after = text.partition("::")
    before, after = _groups(before), _groups(after)
    if before is None or after is None:
        return None
    missing = 16 - len(before) - len(after)
    if missing < 2 if gap else missing:
        return None
    return bytes(before) + bytes(missing) + bytes(after)


def _groups(text):
    packed = bytearray()
    for group in text.split(":") if text else ():
        value = _number(group, 16)
        if value < 0 or len(group) > 4:
            return None
        packed.extend(value.to_bytes(2, "big"))
    return packed


def ip_text(ip):
    """Text of an IP address of 4 or 16 bytes; IPv6 in the canonical form (RFC 5952)."""
    if len(ip) == 4:
        return "%d.%d.%d.%d" % tuple(ip)
    if len(ip) != 16:
        raise ValueError("IP address of %d bytes: expected 4 or 16" % len(ip))
    if not any(ip[:10]) and ip[10] == ip[11] == 255:
        return "::ffff:" + ip_text(ip[12:])
    groups = [ip[i] << 8 | ip[i + 1] for i in range(0, 16, 2)]
    start = length = run = 0  # the longest run of zeros, the first of equals
    for i, group in enumerate(groups):
        run = 0 if group else run + 1
        if run > length:
            start, length = i - run + 1, run
    text = ["%x" % group for group in groups]
    if length < 2:
        return ":".join(text)
    return ":".join(text[:start]) + "::" + ":".join(text[start + length :])


def pack(ip, port=5683):
    """The packed address of `ip`, 4 or 16 bytes or their text, and `port`."""
    ip = ip_bytes(ip) if isinstance(ip, str) else bytes(ip)
    if len(ip) not in (4, 16) or not 0 <= port <= 65535:
        raise ValueError("IP address of %d bytes, port %d: expected 4 or 16 bytes, 0-65535" % (len(ip), port))
    return ip + port.to_bytes(2, "big")


def address_text(address, default_port=5683):
    """Text of a packed address as in a URI: IPv6 in brackets, the port left out where it is `default_port`."""
    text = ip_text(address[:-2])
    if len(address) == 18:
        text = "[" + text + "]"
    port = address[-2] << 8 | address[-1]
    return text if port == default_port else "%s:%d" % (text, port)


def is_multicast(address):
    """Is this IP address, or packed address, one of a group: 224.0.0.0/4 or ff00::/8?"""
    return address[0] & 0xF0 == 0xE0 if len(address) < 16 else address[0] == 0xFF


class Uri:
    """An absolute URI with an authority.

    scheme: str, lower case. host: str, lower case, percent-decoded, an IP address in canonical form without brackets.
    port: int, the scheme's default where the URI has none, or None for a scheme without a known one.
    address: packed address, or None where the host is a name or there is no port.
    path, query: lists of bytes, percent-decoded; what Uri-Path and Uri-Query hold.
    """

    def __init__(self, scheme, host, port, address, path, query):
        self.scheme = scheme
        self.host = host
        self.port = port
        self.address = address
        self.path = path
        self.query = query

    def __str__(self):
        return compose(self.scheme, self.host, self.port, self.path, self.query)


def parse(text):
    """Uri from str or bytes, as the value of Proxy-Uri (RFC 7252 §6.4). Raises ValueError."""
    scheme, authority, path, query, fragment = split(text)
    if scheme is None:
        raise ValueError("URI is relative: expected scheme://host")
    if fragment is not None:
        raise ValueError("URI has a fragment: a request's URI has none")
    if authority is None:
        raise ValueError("URI has no authority: expected // after %s:" % scheme)
    ip, name, port = parse_authority(authority)
    if not (ip or name):
        raise ValueError("URI has an empty host")
    if port is None:
        port = DEFAULT_PORTS.get(scheme)
    address = pack(ip, port) if ip and port is not None else None
    segments = [percent_decode(segment) for segment in path[1:].split(b"/")]
    segments = remove_dots(segments)[1]
    if segments == [b""]:
        segments = []
    arguments = [] if query is None else [percent_decode(argument) for argument in query.split(b"&")]
    for part in segments + arguments:
        if len(part) > LONGEST_PART:
            raise ValueError("URI has a part of %d bytes: expected at most %d" % (len(part), LONGEST_PART))
    return Uri(scheme, ip_text(ip) if ip else name, port, address, segments, arguments)


def compose(scheme, host, port=None, path=(), query=()):
    """Text of a URI from a request's parts (RFC 7252 §6.5).

    `host` is a name or an IP address without brackets; `port` is left out where it is None or the scheme's default;
    `path` and `query` hold the values of Uri-Path and Uri-Query as bytes.
    """
    text = scheme + "://" + ("[" + host + "]" if ":" in host else percent_encode(host.encode(), HOST_SAFE))
    if port is not None and port != DEFAULT_PORTS.get(scheme):
        text += ":%d" % port
    text += "/" + "/".join([percent_encode(segment, PATH_SAFE) for segment in path])
    if query:
        text += "?" + "&".join([percent_encode(argument, QUERY_SAFE) for argument in query])
    return text


def split(text):
    """The five parts of a URI reference (RFC 3986 §3): scheme, authority, path, query, fragment.

    The scheme is lower-case str, the rest bytes as they stand in `text`; what is absent is None, but a path b"".
    """
    raw = text.encode() if isinstance(text, str) else bytes(text)
    for at, byte in enumerate(raw):
        if not 0x20 < byte < 0x7F or byte in b'"<>\\^`{|}':
            raise ValueError("URI: byte 0x%02x at %d has to be percent-encoded" % (byte, at))
    rest, fragment = _cut(raw, b"#")
    rest, query = _cut(rest, b"?")
    scheme = authority = None
    before, after = _cut(rest, b":")
    if after is not None and b"/" not in before:
        scheme, rest = str(before.lower(), "utf-8"), after
        if not is_scheme(scheme):
            raise ValueError("URI: %r is no scheme: expected a letter, then letters, digits, + - ." % scheme)
    if rest[:2] == b"//":
        authority, path = _cut(rest[2:], b"/")
        rest = b"" if path is None else b"/" + path
    return scheme, authority, rest, query, fragment


def _cut(raw, mark):
    at = raw.find(mark)
    return (raw, None) if at < 0 else (raw[:at], raw[at + 1 :])


def is_scheme(text):
    """Has `text` the syntax of a scheme in lower case (RFC 3986 §3.1)?"""
    for char in text:
        if not ("a" <= char <= "z" or char in "0123456789+.-"):
            return False
    return "a" <= text[:1] <= "z"


def parse_authority(raw):
    """(ip, name, port) of an authority: the IP address or None, else the name, a lower-case str; port int or None."""
    if b"@" in raw:
        raise ValueError("URI has user information in front of its host: expected host[:port]")
    ip = name = None
    if raw[:1] == b"[":
        literal, rest = _cut(raw[1:], b"]")
        ip = _ipv6(str(literal, "utf-8"))
        if ip is None or rest is None or rest[:1] not in (b"", b":"):
            raise ValueError("URI: host %r: expected an IPv6 address in brackets" % raw)
        port = rest[1:]
    else:
        name, port = _cut(raw, b":")
        name = _host_name(name.lower())
        ip = ipv4(name)
    if not port:
        return ip, name, None
    number = _number(str(port, "utf-8"), 10)
    if not 0 <= number <= 65535:
        raise ValueError("URI: port %s: expected 0-65535" % str(port, "utf-8"))
    return ip, name, number


def _host_name(raw):
    if b"%" not in raw:  # so it's ASCII, and a server needs no CBOR for it
        return str(percent_decode(raw), "utf-8")
    from .cbor import utf8

    name = utf8(percent_decode(raw).lower())
    if name is None:
        raise ValueError("URI: host %r is not UTF-8" % raw)
    return name


def remove_dots(segments):
    """(up, kept): the segments without "." and ".." (RFC 3986 §5.2.4), and how often ".." found none to remove."""
    up = 0
    kept = []
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
            else:
                up += 1
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return up, kept


def percent_decode(raw):
    """Bytes that a component, given as bytes, stands for (RFC 3986 §2.1)."""
    out = bytearray()
    at = 0
    while at < len(raw):
        byte = raw[at]
        if byte in b"#[]":
            raise ValueError("URI: %r has to be percent-encoded in %r" % (chr(byte), raw))
        if byte == 0x25:
            digits = str(raw[at + 1 : at + 3], "utf-8").lower()
            byte = _number(digits, 16)
            if byte < 0 or len(digits) < 2:
                raise ValueError("URI: escape %%%s in %r: expected two hexadecimal digits" % (digits, raw))
            at += 2
        out.append(byte)
        at += 1
    return bytes(out)


def percent_encode(data, safe):
    """Text of bytes, where all but letters, digits and the characters in `safe` becomes %XX."""
    text = ""
    for byte in data:
        char = chr(byte)
        plain = "a" <= char <= "z" or "A" <= char <= "Z" or "0" <= char <= "9" or byte in safe
        text += char if plain else "%%%02X" % byte
    return text
