"""Where a request is to go, as its Proxy-* options say (RFC 7252 §5.7.2, §5.10.2, draft-ietf-core-href).

Proxy-Uri and Proxy-Cri name the whole target; Proxy-Scheme and Proxy-Scheme-Number the scheme, and Uri-* the rest.
"""

from micropython import const

from .. import cri, options, uri
from .. import numbers as n
from ..errors import BadOption, BadRequest, ProxyingNotSupported
from ..timers import elapsed

PROXY_OPTIONS = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
PROFILE_00 = 2  # in place of a `hop` that is true: there is no Multicast-Timeout, and answers may not name their origin
_NOBODYS = (b"\0\0\0\0", b"\xff\xff\xff\xff", bytes(16))
_DIAGNOSTIC = const(64)  # characters of what was wrong with a target
_HOSTS = const(8)  # that are remembered,
_FOUND = const(60000)  # for so many ms,
_NOBODY = const(10000)  # and where there is none


class Target:
    """What a request is for, and what of it is written otherwise in the request that goes on.

    address: packed, of where the request is sent; hop: is that the next proxy? group: packed address of the group that
    it is for, or None where it is for a single server. names: a `names.Names` with what answers of a group say of their
    origin, or None. drop: numbers of the options that stay behind; put: options in their place, (number, bytes) by
    rising number. salt: bytes that keep apart in the cache what has different names.
    """

    def __init__(self, address, drop=(), put=(), names=None, hop=False, group=None, salt=b""):
        self.address = address
        self.multicast = uri.is_multicast(address)
        self.group = address if self.multicast else group
        self.drop = drop
        self.put = put
        self.names = names
        self.hop = hop
        self.salt = salt


def remembering(resolve, clock):
    """A function that gives what resolve(name) does, the IP address of a host or None, and remembers that for a while,
    as it may take long. clock(): the time now, ms. What resolve raises, OSError or ValueError, is None too."""
    known = {}  # by name: IP address or None, and when that was so

    def find(name):
        now = clock()
        ip, at = known.get(name, (None, None))
        if at is None or not 0 <= elapsed(now, at) < (_NOBODY if ip is None else _FOUND):
            if at is None and len(known) >= _HOSTS:
                known.clear()
            try:
                ip = resolve(name)
            except (OSError, ValueError):  # CPython: a label that no name has
                ip = None
            known[name] = ip, clock()
        return ip

    return find


def names_target(m):
    """Has this request an option that makes it one for a forward-proxy?"""
    if m.seen() >> 29:
        for number in PROXY_OPTIONS:
            if m.find(number) >= 0:
                return True
    return False


def target_of(m, own, locate):
    """The `Target` of a request with a Proxy-* option. own: the proxy's packed address.

    locate(host, port) gives the packed address for a name, or raises a ResponseError. Raises BadOption, BadRequest,
    ProxyingNotSupported.
    """
    if m.find(n.PROXY_SCHEME) >= 0 and m.find(n.PROXY_SCHEME_NUMBER) >= 0:
        raise BadOption("Proxy-Scheme and Proxy-Scheme-Number exclude each other")
    try:
        text = None
        if options.valid(m, n.PROXY_URI) >= 0:
            text = m.value()
        elif options.valid(m, n.PROXY_CRI) >= 0:
            text = cri.to_uri(cri.decode(bytes(m.value())))
        if text is not None:
            found = uri.parse(text)
            scheme, address, host, port = found.scheme, found.address, found.host, found.port
        else:
            found = None
            scheme, address, host, port = _by_parts(m, own)
    except (ValueError, IndexError, KeyError) as e:
        raise BadRequest("target: %s" % str(e)[:_DIAGNOSTIC])
    if scheme != "coap":
        raise ProxyingNotSupported("scheme %s: expected coap" % scheme)
    put = []
    if address is None:
        address = locate(host, port)
        put.append((n.URI_HOST, host.encode()))
    if len(address) != len(own):
        raise ProxyingNotSupported("no IPv%d here" % (6 if len(address) > 6 else 4))
    if nobody(address):
        raise BadRequest("target: no server has this address")
    drop = PROXY_OPTIONS + (n.URI_HOST, n.URI_PORT)
    if found is not None:  # then Uri-* options are not looked at (RFC 7252 §5.10.2)
        drop += (n.URI_PATH, n.URI_QUERY, n.URI_PATH_ABBREV)
        put += [(n.URI_PATH, segment) for segment in found.path] + [(n.URI_QUERY, part) for part in found.query]
    return Target(address, drop, put)


def _by_parts(m, own):
    # Scheme, packed address or None, host and port, of Proxy-Scheme or Proxy-Scheme-Number with Uri-* options.
    if options.valid(m, n.PROXY_SCHEME) >= 0:
        scheme = str(m.value(), "utf-8").lower()
    elif options.valid(m, n.PROXY_SCHEME_NUMBER) >= 0:
        scheme = "coap" if m.uint() == 0 else "number %d" % m.uint()
    else:
        raise BadOption("option of a wrong length")
    host = host_of(m)
    port = own[-2] << 8 | own[-1]  # where the request came to (RFC 7252 §5.10.1), and so the host
    if host is None:
        host = uri.ip_text(own[:-2])
    if options.valid(m, n.URI_PORT) >= 0:
        port = m.uint()
    return scheme, address_of(host, port), host, port


def host_of(m):
    """What Uri-Host says, in lower case, or None. Raises ValueError."""
    return str(m.value(), "utf-8").lower() if options.valid(m, n.URI_HOST) >= 0 else None


def nobody(address):
    """Is this packed address nobody's: port 0, an IP address of zeros, or the broadcast, which some networks send?"""
    return address[-2:] == b"\0\0" or address[:-2] in _NOBODYS


def address_of(host, port):
    """The packed address of an IP literal, or None for a name."""
    try:
        return uri.pack(host.strip("[]"), port)
    except ValueError:
        return None


def uri_hash(m, authority=True):
    """24 bits of what a request that goes on says of its target: are two for the same resource? authority: its too?"""
    h = m.path
    for number in (n.URI_QUERY, n.URI_HOST, n.PROXY_URI, n.PROXY_CRI) if authority else (n.URI_QUERY,):
        found = m.find(number)
        while found >= 0:
            h = h * 33 + number & 0xFFFFFF
            for byte in m.value():
                h = h * 33 + byte & 0xFFFFFF
            found = m.length() if m.step() == number else -1
    return h
