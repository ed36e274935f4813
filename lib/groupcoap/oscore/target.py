"""Proxy-Uri and Proxy-Cri of a request that is protected end to end: the proxy is told where, not what (RFC 8613
§4.1.3.3). Scheme and authority stay outside; path and query become Uri-Path and Uri-Query, which are encrypted.
"""

from .. import numbers as n
from .. import uri


def split(m):
    """What stands for Proxy-Uri or Proxy-Cri of m: a list of outer options and one of inner ones, (number, bytes).

    Raises ValueError for a value that is no absolute URI or CRI.
    """
    if m.find(n.PROXY_URI) >= 0:
        text = bytes(m.value())
        found = uri.parse(text)
        scheme, authority = uri.split(text)[:2]
        outer = n.PROXY_URI, scheme.encode() + b"://" + authority
        path, query = found.path, found.query
    else:
        m.find(n.PROXY_CRI)
        from .. import cri  # what a client without such options need not have in its memory

        found = cri.decode(bytes(m.value()))
        if found.scheme is None or found.fragment is not None:
            raise ValueError("Proxy-Cri: expected a CRI with a scheme and no fragment")
        outer = n.PROXY_CRI, cri.encode(cri.Cri(found.scheme, found.host, found.port, zone=found.zone))
        path = [segment.encode() for segment in found.path]
        query = [argument.encode() for argument in found.query]
    inner = [(n.URI_PATH, segment) for segment in path] + [(n.URI_QUERY, argument) for argument in query]
    for _, part in inner:
        if len(part) > uri.LONGEST_PART:
            raise ValueError("a part of %d bytes: expected at most %d" % (len(part), uri.LONGEST_PART))
    return [outer], inner
