"""The reverse-proxy: a group and its servers look like resources of the proxy (draft-ietf-core-groupcomm-proxy §6).

Each `StandIn` is one group and the way that clients name it: by Uri-Host, by the first segments of Uri-Path, or by an
own address of the proxy, where everything is for the group. Where it stands in for the single servers too, Reply-From
says how each is reached through the proxy: by its address in Uri-Host, by its address as the segment behind the
group's path, or by an own address of the proxy for it.
"""

from .. import cri, ip, options, uri
from .. import numbers as n
from ..errors import ProxyingNotSupported
from ..origin import write_reply_from
from .forward import ForwardProxy
from .names import Names
from .target import Target, address_of, host_of, names_target, nobody

HOST = 1
PATH = 2
ADDRESS = 3


class StandIn:
    """group: packed address. kind: HOST, PATH or ADDRESS, with `key`: a lower-case str, a list of bytes, or a packed
    own address. servers: does it stand in for the single servers? For ADDRESS a dict: packed own address by that of a
    server. hop: packed address of the next reverse-proxy, if that is what multicasts; hop_path: its path for the group.
    """

    def __init__(self, group, kind, key, servers=False, hop=None, hop_path=None):
        self.group = group
        self.kind = kind
        self.key = key
        self.servers = servers
        self.hop = hop
        self.hop_path = hop_path
        named = b"/".join(key) if kind == PATH else key if kind == ADDRESS else key.encode()
        self._salt = bytes((kind,)) + group + named  # cached answers name their origins otherwise than others'
        self.names = None

    def name_by(self, own, number):
        """Make `names`, once. own: packed address that clients talk to; number: of Reply-From."""
        if self.servers and self.names is None:
            self.names = _Names(number, self, own)

    def group_target(self, m, own):
        """The `Target` of a request for the group, or None. own: packed address that it came to."""
        drop = put = ()
        if self.kind == HOST:
            if host_of(m) != self.key or options.uint(m, n.URI_PORT, _port(own)) != _port(own):
                return None
            drop = (n.URI_PORT,)
        elif self.kind == PATH:
            rest = _behind(m, self.key)
            if rest is None:
                return None
            drop, put = self._path(rest)
        elif self.key != own:
            return None
        if self.hop is None:
            return Target(self.group, drop + (n.URI_HOST, n.URI_PORT), put, self.names, salt=self._salt)
        return Target(self.hop, self._left(drop), put, self.names, True, self.group)

    def server_target(self, m, own, servers_of):
        """The `Target` of a follow-up request for a single server, or None."""
        if not self.servers:
            return None
        drop = put = ()
        if self.kind == HOST:
            host = host_of(m)
            port = options.uint(m, n.URI_PORT)
            address = host and address_of(host, n.COAP_PORT if port is None else port)
            if not address or address == own or (port is None and address[:-2] == own[:-2]):
                return None
        elif self.kind == PATH:
            rest = _behind(m, self.key)
            address = _server(rest[0]) if rest else None
            if address is None:
                return None
            drop, put = self._path(rest) if self.hop else ((n.URI_PATH,), [(n.URI_PATH, part) for part in rest[1:]])
        else:
            address = servers_of.get(own)
            if address is None or self.servers.get(address) != own:
                return None
        if len(address) != len(own) or uri.is_multicast(address) or nobody(address):
            return None
        if self.hop is None:
            return Target(address, drop + (n.URI_HOST, n.URI_PORT), put, self.names, salt=self._salt)
        return Target(address if self.kind == ADDRESS else self.hop, self._left(drop), put, hop=True)

    def _left(self, drop):
        # What stays behind: the authority that a request came to, where the next reverse-proxy does not go by that.
        return drop if self.kind == HOST else drop + (n.URI_HOST, n.URI_PORT)

    def _path(self, rest):
        before = self.hop_path or []
        return (n.URI_PATH,), [(n.URI_PATH, segment) for segment in before + rest]


class ReverseProxy(ForwardProxy):
    """A `ForwardProxy` for requests without Proxy-* options. stand_ins: of `StandIn`, the first that fits counts."""

    token_in_use = "token of an open exchange: here is a reverse-proxy, it cannot be used again yet"  # bis §3.5.2

    def __init__(self, relay, local, access, address, stand_ins, **settings):
        ForwardProxy.__init__(self, relay, local, access, address, **settings)
        self._stand_ins = stand_ins
        self._servers = {}  # packed address of a server by the own address that stands for it
        for stand_in in stand_ins:
            if stand_in.kind == ADDRESS and stand_in.servers:
                for server, own in stand_in.servers.items():
                    self._servers[own] = server
            stand_in.name_by(address, self.names.number)

    def move(self, old, new):
        """Be at the packed own address `new`, if until now it was `old` (Node.moved)."""
        if self.address == old:
            for stand_in in self._stand_ins:
                if stand_in.names is not None:
                    stand_in.names.move(new)
        ForwardProxy.move(self, old, new)

    def addresses(self):
        """The packed own addresses that clients may talk to for a group, or for a server."""
        return [stand_in.key for stand_in in self._stand_ins if stand_in.kind == ADDRESS] + list(self._servers)

    def target(self, m, peer, client):
        """The `Target` of this request, or None where it is for the proxy itself."""
        own = self.address
        if names_target(m):
            raise ProxyingNotSupported("no forward-proxy")
        for stand_in in self._stand_ins:
            try:
                found = stand_in.server_target(m, own, self._servers) or stand_in.group_target(m, own)
            except (ValueError, IndexError):  # a host that is no text
                continue
            if found is not None:
                return found
        return None

    def unknown_stop(self):
        """Where no exchange has its token, it is a request (PROTOCOL.md, "Proxy: request")."""
        return False


class _Names(Names):
    # Reply-From where the proxy stands in for the servers.

    def __init__(self, number, stand_in, own):
        Names.__init__(self, number, self._value)
        self._stand_in = stand_in
        self._own = own

    def move(self, own):
        """Name another own address from now on."""
        self._own = own
        self._known.clear()

    def _value(self, buf, at, peer):
        stand_in = self._stand_in
        if stand_in.kind == ADDRESS:
            return write_reply_from(buf, at, stand_in.servers.get(peer, peer))
        start = at
        at += write_reply_from(buf, at, self._own)
        buf[at] = 0x82
        if stand_in.kind == HOST:
            # The form of a CRI with null for the scheme: [null, [IP, port?]]
            length = write_reply_from(buf, at, peer)
            buf[at + 1] = 0xF6
            return at + length - start
        buf[at + 1] = 0xF5  # [true, [segment, …]]
        path = stand_in.key + [uri.address_text(peer).encode()]
        buf[at + 2] = 0x80 | len(path)
        at += 3
        for segment in path:
            if len(segment) < 24:
                buf[at] = 0x60 | len(segment)
            else:
                buf[at] = 0x78
                at += 1
                buf[at] = len(segment)
            for byte in segment:
                at += 1
                buf[at] = byte
            at += 1
        return at - start

    def instead_of(self, value):
        """What takes the place of the Reply-From of the next reverse-proxy, or b"" for one that names no server."""
        try:
            address, _, second = cri.read_reply_from(value)
            if self._stand_in.kind == HOST:
                address = uri.pack(second.host, n.COAP_PORT if second.port is None else second.port)
            elif self._stand_in.kind == PATH:
                address = _server(second.path[-1].encode())
            return self.of(address)
        except (ValueError, AttributeError, IndexError, TypeError):
            return b""


def _port(address):
    return address[-2] << 8 | address[-1]


def _behind(m, path):
    # The segments of Uri-Path behind these, or None where it does not begin so.
    found = []
    at = 0
    m.rewind()
    while True:
        number = m.step()
        if number < 0 or number > n.URI_PATH:
            break
        if number == n.URI_PATH:
            if at >= len(path):
                found.append(bytes(m.value()))
            elif bytes(m.value()) != path[at]:
                return None
            at += 1
    return found if at >= len(path) else None


def _server(segment):
    # The packed address that a segment such as b"192.0.2.5" or b"[2001:db8::5]:61616" is, or None.
    try:
        return ip.packed(str(segment, "utf-8"))
    except ValueError:
        return None
