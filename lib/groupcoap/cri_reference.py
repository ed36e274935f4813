"""CRIs from URIs and from references (draft-ietf-core-href): for programs that make CRIs; nodes only read them."""

from . import cbor, uri
from .cri import Cri, wrong


def resolve(base, reference):
    """The CRI that `reference` stands for where the CRI `base` applies ("Reference Resolution")."""
    base.scheme is not None or wrong("a base with a scheme")
    if reference.scheme is not None:
        return reference
    host, port, zone = base.host, base.port, base.zone
    path, query, fragment = base.path, base.query, base.fragment
    if reference.discard is True:
        path, query, fragment = [], [], None
        host = None if host is True else host
    elif reference.discard > 0:
        path, query, fragment = path[: max(0, len(path) - reference.discard)], [], None
    if reference.path is not None:
        path, query, fragment = path + reference.path, [], None
    if reference.query is not None:
        query, fragment = reference.query, None
    if reference.fragment is not None:
        fragment = reference.fragment
    if reference.host is not None:
        host, port, zone = reference.host, reference.port, reference.zone
    return Cri(base.scheme, host, port, path, query, fragment, True, zone)


def from_uri(text):
    """Cri of a URI or URI reference, str or bytes. Raises ValueError, also for what only PET could express."""
    scheme, authority, path, query, fragment = uri.split(text)
    host = port = segments = None
    discard = True
    if authority is not None:
        host, name, port = uri.parse_authority(authority)
        if host is None:
            _keeps_delimiters(authority, name.encode(), uri.HOST_SAFE)
            host = name.split(".") if name else []
    if path:
        rooted = path[:1] == b"/"
        up, segments = uri.remove_dots(path[1 if rooted else 0 :].split(b"/"))
        segments = [_text(segment, uri.PATH_SAFE) for segment in segments]
        if not rooted:  # so there is no authority
            host = True if scheme is not None else None
            discard = 1 + up if scheme is None else True
    elif scheme is None and authority is None:
        discard = 0
    if query is not None:
        query = [_text(parameter, uri.QUERY_SAFE) for parameter in query.split(b"&")]
    if fragment is not None:
        fragment = _text(fragment, uri.FRAGMENT_SAFE)
    return Cri(scheme, host, port, segments, query, fragment, discard)


def _text(raw, safe):
    """str of a component as it stands in a URI."""
    data = uri.percent_decode(raw)
    _keeps_delimiters(raw, data, safe)
    text = cbor.utf8(data)
    text is not None or wrong("UTF-8")
    return text


def _keeps_delimiters(raw, data, safe):
    """An escaped delimiter has no form in a text, which would not tell it from a bare one; raises ValueError."""
    for i in range(4, len(safe)):  # behind the unreserved "-._~"
        if raw.count(safe[i : i + 1]) != data.count(safe[i : i + 1]):
            raise ValueError("CRI: escaped delimiter in %r, which only percent-encoded text could express" % raw)
