"""CoAP URIs (RFC 7252 §6, on RFC 3986), for who reads or writes them whole: clients and proxies.

A URI is cut at its delimiters first and percent-decoded afterwards, piece by piece, as bytes; nothing is decoded twice.
`split`, `parse_authority`, `remove_dots` and the percent coding serve `cri` as well. All that is wrong with the text of
a URI is a ValueError. The parts that a server needs are in `addresses` and `percent`, and can be had here too.
"""

from .addresses import address_text, ip_text, is_multicast, pack  # noqa: F401
from .ip import digits_value, ip_bytes, ipv4, ipv6  # noqa: F401
from .percent import PATH_SAFE, percent_encode

DEFAULT_PORTS = {
    "coap": 5683,
    "coaps": 5684,
    "coap+tcp": 5683,
    "coaps+tcp": 5684,
    "coap+ws": 80,
    "coaps+ws": 443,
}  # RFC 7252 §6, RFC 8323 §8

# What stands unescaped in the other components besides letters and digits (RFC 3986 §3, RFC 7252 §6.5).
HOST_SAFE = b"-._~!$&'()*+,;="
QUERY_SAFE = b"-._~!$'()*+,;=:@/?"
FRAGMENT_SAFE = b"-._~!$&'()*+,;=:@/?"

LONGEST_PART = 255  # bytes of a path segment or a query argument (RFC 7252 §5.10)


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
        ip = ipv6(str(literal, "utf-8"))
        if ip is None or rest is None or rest[:1] not in (b"", b":"):
            raise ValueError("URI: host %r: expected an IPv6 address in brackets" % raw)
        port = rest[1:]
    else:
        name, port = _cut(raw, b":")
        name = _host_name(name.lower())
        ip = ipv4(name)
    if not port:
        return ip, name, None
    number = digits_value(str(port, "utf-8"), 10)
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
            byte = digits_value(digits, 16)
            if byte < 0 or len(digits) < 2:
                raise ValueError("URI: escape %%%s in %r: expected two hexadecimal digits" % (digits, raw))
            at += 2
        out.append(byte)
        at += 1
    return bytes(out)
