"""How one of those that have answered a group request is reached (draft-ietf-core-groupcomm-proxy §5.5.1, §6.2).

Reply-From names the server itself, or an address that stands for it at a reverse-proxy, perhaps with the Uri-Host,
Uri-Port and first segments of Uri-Path that it is reached by there. Both a program's own requests and those for the
further blocks of an answer go that way.
"""

from . import cri, uri
from . import numbers as n
from .message import insert, uint_bytes
from .naming import host_value, named


class Place(uri.Uri):
    """A Uri with `named`: pairs of Uri-Host and Uri-Port options that a reverse-proxy tells the server by."""

    named = ()


def target(response, reference):
    """`Response.target`."""
    if response.origin is None and not response.reply_from:
        raise ValueError("the response is a proxy's own: there is no origin to go to")
    local = uri.parse("coap://0/" + (reference[1:] if reference[:1] == "/" else reference))
    if not response.reply_from:
        return _at(response.origin, local.path, local.query)
    return place(response.reply_from, local.path, local.query)


def _at(address, path, query):
    return uri.Uri("coap", uri.ip_text(address[:-2]), address[-2] << 8 | address[-1], address, path, query)


def place(value, path, query):
    """The `Place` of path and query (lists of bytes) at the server that a Reply-From value names. Raises ValueError."""
    address, first, second = cri.read_reply_from(value)
    scheme = first.scheme_name
    if scheme is None or first.zone is not None:
        raise ValueError("Reply-From: expected a scheme that has a name here, and no zone")
    host = uri.ip_text(first.host) if type(first.host) is bytes else ".".join(first.host)
    port = uri.DEFAULT_PORTS.get(scheme) if first.port is None else first.port
    found = Place(scheme, host, port, address, path, query)
    if second is not None:
        found.path = [segment.encode() for segment in second.path or ()] + path
        if second.host:
            host = uri.ip_text(second.host) if type(second.host) is bytes else ".".join(second.host)
            found.named = [(n.URI_HOST, host_value(host))]
            if second.port is not None:  # and only then (§6.2)
                found.named.append((n.URI_PORT, uint_bytes(second.port)))
    return found


def rest(request, key, pairs):
    """(target, peer, options) of a request for the further blocks of an answer to a `GroupRequest` through a proxy.

    key: whose answer, as GroupRequest.origin has it; pairs: the group request's options that stay. Raises ValueError.
    """
    of = request.target
    value = key[1] if type(key) is tuple else None
    path = of.path
    if request.reverse and value is not None:
        path = path[_stem(request.reverse, value, path) :]
    found = _at(key, path, of.query) if value is None else place(value, path, of.query)
    on_the_way = getattr(found, "named", ())
    if not request.reverse:
        if on_the_way:
            raise ValueError("Reply-From: Uri-Host beside the Proxy-* options")
        pairs = [pair for pair in pairs if pair[0] not in (n.URI_PATH, n.URI_QUERY)]
        more = named(found, request.naming, request.peer)
        peer = request.peer
    else:
        if found.address is None or found.scheme != "coap":
            raise ValueError("%s: expected coap and an IP address" % found)
        pairs = [pair for pair in pairs if pair[0] != n.URI_PATH]
        more = [(n.URI_PATH, segment) for segment in found.path] + list(on_the_way)
        peer = found.address
    for number, value in more:
        insert(pairs, number, value)
    return found, peer, pairs


def _stem(reverse, value, path):
    # How many segments of the group request's path name the group: as said, or those that Reply-From has too.
    if reverse is not True:
        return len(uri.parse("coap://0/" + reverse.strip("/")).path)
    second = cri.read_reply_from(value)[2]
    length = 0
    if second is not None and second.path:
        while length < min(len(path), len(second.path)) and path[length] == second.path[length].encode():
            length += 1
    return length
