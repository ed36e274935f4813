"""Constrained Resource Identifiers: URIs as CBOR arrays (draft-ietf-core-href), and the two options made of them.

A CRI is `[scheme-id, [host, port?], path, query, fragment]` with trailing defaults left off; a CRI reference may have
a null for the scheme, or `discard` (how much of the base's path to drop) for scheme and authority. `Cri` is the draft's
abstract form. What is in one has been checked, so nothing that takes one checks again. Supported are scheme names and
CRIs without authority; not supported are user information and percent-encoded text (PET), which CoAP has no use for.

Reply-From (draft-ietf-core-groupcomm-proxy, "The Reply-From Option") holds one CRI, or two; Response-Forwarding, its
predecessor, holds one tagged IP address. Both are read here, and written by `origin`, which needs none of this. What
makes a CRI of a URI, or of a reference, is in `cri_reference`, since no node does that.
"""

from . import cbor, uri

# "Mapping Scheme Numbers to Scheme Names"; scheme-id = -1 - scheme number. The others start at number 1000.
SCHEME_IDS = {
    "coap": -1,
    "coaps": -2,
    "http": -3,
    "https": -4,
    "urn": -5,
    "did": -6,
    "coap+tcp": -7,
    "coaps+tcp": -8,
    "coap+ws": -25,
    "coaps+ws": -26,
}


def wrong(expected):
    """Raise ValueError. Behind `or`, its text takes no heap of its own in a .mpy file (see tools/compiled.py)."""
    raise ValueError("CRI: expected " + expected)


def _is_texts(items):
    """Is this an array of text strings, as a path and a query are?"""
    if type(items) is not list:
        return False
    for item in items:
        if type(item) is not str:
            return False
    return True


class Cri:
    """A CRI or CRI reference. Raises ValueError for what the draft ("From URIs to CRIs") or the scheme rules out.

    scheme: scheme-id (int below 0), a name (str) that has none here, or None in a reference.
    host: IP address (4 or 16 bytes), labels (list of str), None (no authority) or True (none, and a rootless path).
    port: int, or None for the scheme's default. zone: zone identifier of an IP address (str), or None.
    discard: path segments of the base to drop, 0-127 or True for all; True where scheme or host are given.
    path, query: lists of str; None in a reference means "not set". fragment: str or None.
    """

    def __init__(
        self, scheme=None, host=None, port=None, path=None, query=None, fragment=None, discard=True, zone=None
    ):
        self.scheme = SCHEME_IDS.get(scheme, scheme) if type(scheme) is str else scheme
        self.host = host
        self.port = port
        self.path = [] if path is None and scheme is not None else path
        self.query = [] if query is None and scheme is not None else query
        self.fragment = fragment
        self.discard = discard
        self.zone = zone
        self._check_sections()
        self._check_authority()
        if port is not None and port == uri.DEFAULT_PORTS.get(self.scheme_name):
            self.port = None

    def _check_sections(self):
        scheme, path, query, discard = self.scheme, self.path, self.query, self.discard
        if type(scheme) is str:
            uri.is_scheme(scheme) or wrong("scheme-name in lower case")
        elif scheme is not None:
            (type(scheme) is int and scheme < 0) or wrong("scheme-id below 0, or scheme-name")
        if discard is not True:
            (type(discard) is int and 0 <= discard <= 127) or wrong("discard: true or 0-127")
            (scheme is None and self.host is None) or wrong("no discard beside scheme or authority")
        path is None or (_is_texts(path) and "." not in path and ".." not in path) or wrong("path: texts, no . or ..")
        query is None or _is_texts(query) or wrong("query: texts")
        self.fragment is None or type(self.fragment) is str or wrong("fragment: a text")
        if scheme is not None and self.host is None:
            len(path) < 2 or path[0] or wrong("no empty first segment without an authority")
        if scheme is not None and self.host is True:
            (path and path[0]) or wrong("a first segment in a rootless path")

    def _check_authority(self):
        host, port, zone = self.host, self.port, self.zone
        port is None or (type(port) is int and 0 <= port <= 65535) or wrong("port: 0-65535")
        zone is None or (type(zone) is str and type(host) is bytes) or wrong("zone-id: a text after host-ip")
        if type(host) is bytes:
            len(host) in (4, 16) or wrong("host-ip: 4 or 16 bytes")
        elif type(host) is list:
            (_is_texts(host) and host != [""]) or wrong("host-name: texts")
            for label in host:
                upper = [c for c in label if "A" <= c <= "Z"]
                (not upper and "." not in label) or wrong("labels in lower case, no dots")
            uri.ipv4(".".join(host)) is None or wrong("host-ip for an IP address")
        else:
            ((host is None or host is True) and port is None) or wrong("authority: host and port, null or true")
        if self.scheme_name in uri.DEFAULT_PORTS:
            (host and host is not True) or wrong("a host in a CoAP CRI")  # RFC 7252 §6.1

    @property
    def scheme_name(self):
        """The scheme as str, or None: not set, or a number that this module doesn't know."""
        for name in SCHEME_IDS:
            if SCHEME_IDS[name] == self.scheme:
                return name
        return self.scheme if type(self.scheme) is str else None

    @property
    def address(self):
        """Packed address, or None where the host is no IP address or the port isn't known."""
        port = uri.DEFAULT_PORTS.get(self.scheme_name) if self.port is None else self.port
        return uri.pack(self.host, port) if type(self.host) is bytes and port is not None else None

    def __eq__(self, other):
        return isinstance(other, Cri) and encode(self) == encode(other)  # as lists, true would equal 1

    def __repr__(self):
        return "Cri(%r)" % _items(self)


def decode(data):
    """Cri of one CBOR item (bytes, bytearray or memoryview). Raises ValueError."""
    return _ingest(cbor.loads(data))


def encode(cri):
    """The one encoding of `cri` as bytes: deterministic CBOR, trailing defaults and the scheme's own port left off."""
    return cbor.dumps(_items(cri))


def _ingest(items):
    """Cri of the interchange form as lists ("Ingesting and encoding a CRI Reference")."""
    type(items) is list or wrong("an array")
    scheme = host = port = zone = None
    discard = items[0] if items else 0
    rest = items[1:]
    if discard is not True and (type(discard) is not int or discard < 0):
        scheme, discard, rest = discard, True, items[2:]
        host = items[1] if len(items) > 1 else None
        scheme is not None or host is not None or wrong("discard in place of two nulls")
        host is None or host is True or type(host) is list or wrong("authority: array, null or true")
    len(rest) <= 3 or wrong("nothing after the fragment")
    if type(host) is list:
        if host and type(host[-1]) is int:
            port = host[-1]
            host = host[:-1]
        if host and type(host[0]) is bytes:
            len(host) == 1 or (len(host) == 2 and type(host[1]) is str) or wrong("authority: host-ip, zone-id, port")
            zone = host[1] if len(host) == 2 else None
            host = host[0]
    path, query, fragment = rest + [None] * (3 - len(rest))
    cri = Cri(scheme, host, port, path, query, fragment, discard, zone)
    len(_items(cri)) == len(items) or wrong("trailing default values left off")
    return cri


def _items(cri):
    """The interchange form of `cri` as lists ("CBOR Representation")."""
    authority = cri.host
    if type(authority) is bytes:
        authority = [authority] if cri.zone is None else [authority, cri.zone]
    if cri.port is not None:
        authority = authority + [cri.port]
    items = [cri.discard] if cri.scheme is None and authority is None else [cri.scheme, authority]
    items += [cri.path, cri.query, cri.fragment]
    while items[-1] is None or (items[-1] == [] and cri.scheme is not None and len(items) > 2):
        items.pop()
    return [] if items == [0] else items


def to_uri(cri):
    """Text of the URI or URI reference ("Converting CRI (references) to URI (references)").

    Raises ValueError where there is none: for an unknown scheme number, a zone identifier, or a reference that keeps or
    drops parts of the base as no URI reference can.
    """
    host, path, discard = cri.host, cri.path or [], cri.discard
    text = ""
    if cri.scheme is not None:
        cri.scheme_name is not None or wrong("a scheme number whose name is known")
        text = cri.scheme_name + ":"
    elif discard == 0:
        (cri.path is None and cri.query != []) or wrong("a reference that a URI reference can express")
    elif host is None:
        (path and (discard is not True or len(path) < 2 or path[0])) or wrong("a path that a URI reference can express")
    else:
        host is not True or wrong("a scheme before a rootless path")
    rooted = host is not True and discard is True
    if type(host) is bytes:
        cri.zone is None or wrong("no zone-id, for which URIs have no form")
        text += "//" + uri.ip_text(host) if len(host) == 4 else "//[" + uri.ip_text(host) + "]"
    elif type(host) is list:
        text += "//" + ".".join([uri.percent_encode(label.encode(), uri.HOST_SAFE) for label in host])
    if cri.port is not None:
        text += ":%d" % cri.port
    if discard is not True and path:
        # A first segment that is empty or has a colon would be read as a root or a scheme (RFC 3986 §4.2).
        text += "../" * (discard - 1) or ("./" if ":" in path[0] or not path[0] else "")
    if rooted and path:
        text += "/"
    text += "/".join([uri.percent_encode(segment.encode(), uri.PATH_SAFE) for segment in path])
    if cri.query:
        text += "?" + "&".join([uri.percent_encode(part.encode(), uri.QUERY_SAFE) for part in cri.query])
    if cri.fragment is not None:
        text += "#" + uri.percent_encode(cri.fragment.encode(), uri.FRAGMENT_SAFE)
    return text


def read_reply_from(value):
    """(address, origin, second) of a Reply-From value. Raises ValueError.

    address: packed address of `origin`, or None where its host is a name. origin: Cri with scheme and authority.
    second: CRI reference (Cri) with what a reverse-proxy wants in Uri-Host, Uri-Port and Uri-Path, or None.
    """
    items = cbor.loads_sequence(value)
    1 <= len(items) <= 2 or wrong("one CRI and at most one CRI reference in Reply-From")
    origin = _ingest(items[0])
    local = origin.path or origin.query or origin.fragment is not None
    (origin.scheme is not None and origin.host and not local) or wrong("scheme and authority")
    second = None
    if len(items) == 2:
        reference = items[1]
        if type(reference) is list and reference[:2] == [None, None]:
            reference = [True] + reference[2:]  # the form that groupcomm-proxy's wording suggests
        second = _ingest(reference)
        (second.scheme is None and second.discard is True and second.host is not True) or wrong("null or true at first")
        second.host or second.path or wrong("authority or path in the second CRI")
        (second.query is None and second.fragment is None) or wrong("no query or fragment in the second CRI")
        not second.host or type(origin.host) is bytes or wrong("host-ip in the first CRI where the second has a host")
    return origin.address, origin, second


def response_forwarding_ip(value):
    """The IP address, 4 or 16 bytes, of a Response-Forwarding value: tag 260, 52 or 54. Raises ValueError."""
    item = cbor.loads(value)
    ip = item.value if isinstance(item, cbor.CBORTag) else None
    if type(ip) is not bytes or (item.tag, len(ip)) not in ((260, 4), (260, 16), (52, 4), (54, 16)):
        raise ValueError("Response-Forwarding: expected an IP address under tag 260, 52 or 54")
    return ip
