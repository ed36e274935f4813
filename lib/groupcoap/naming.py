"""How a request names its target otherwise than by Proxy-Uri (draft-ietf-core-groupcomm-proxy §5.1.1).

To a forward-proxy: Proxy-Scheme or Proxy-Scheme-Number beside Uri-* options (RFC 7252 §5.10.2), or Proxy-Cri
(draft-ietf-core-href). To a reverse-proxy: Uri-* options and nothing else.
"""

from . import numbers as n
from .message import insert, uint_bytes

NAMINGS = ("uri", "scheme", "cri", "scheme-number")


def named(target, naming, peer):
    """The options, pairs (number, bytes) by rising number, that name `target` (uri.Uri) to the forward-proxy `peer`.

    naming: one of NAMINGS. Raises ValueError for what cannot be named so.
    """
    if naming == "uri":
        return [(n.PROXY_URI, str(target).encode())]
    if naming == "cri":
        return [(n.PROXY_CRI, _cri(target))]
    pairs = by_parts(target, peer, True)
    if naming == "scheme":
        insert(pairs, n.PROXY_SCHEME, target.scheme.encode())
    elif naming == "scheme-number":
        from .cri import SCHEME_IDS

        if target.scheme not in SCHEME_IDS:
            raise ValueError("scheme %s: it has no number" % target.scheme)
        insert(pairs, n.PROXY_SCHEME_NUMBER, uint_bytes(-1 - SCHEME_IDS[target.scheme]))
    else:
        raise ValueError("naming %s: expected one of %s" % (naming, ", ".join(NAMINGS)))
    return pairs


def by_parts(target, peer, proxied=False):
    """The Uri-* options of `target` in a request to `peer` (packed address), without what the receiver knows itself.

    A forward-proxy is told the host always, and the port unless it is CoAP's own both there and here: who reads the
    lack of it differs (RFC 7252 §5.10.1, §6.5).
    """
    from .addresses import ip_text

    pairs = []
    if proxied or target.host != ip_text(peer[:-2]):
        pairs.append((n.URI_HOST, host_value(target.host)))
    port = target.port
    if port is not None and (port != (peer[-2] << 8 | peer[-1]) or (proxied and port != n.COAP_PORT)):
        pairs.append((n.URI_PORT, uint_bytes(port)))
    pairs += [(n.URI_PATH, segment) for segment in target.path]
    return pairs + [(n.URI_QUERY, part) for part in target.query]


def host_value(host):
    """The value of Uri-Host for a name or the text of an IP address: IPv6 is in brackets (RFC 7252 §5.10.1)."""
    return (("[%s]" % host) if ":" in host else host).encode()


def _cri(target):
    from . import cbor, cri, uri

    host = target.host
    ip = uri.ipv6(host) if ":" in host else uri.ipv4(host)
    path, query = [[cbor.utf8(part) for part in parts] for parts in (target.path, target.query)]
    return cri.encode(cri.Cri(target.scheme, ip or host.split("."), target.port, path, query))
