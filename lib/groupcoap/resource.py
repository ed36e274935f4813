"""A resource: its path, what every answer of it carries, and what its handlers may give back (RFC 7252 §5.8, §5.10).

A handler is a function of the request. What it gives back is made an outcome at once: code, options as pairs in order,
and body, which is bytes or something to read from.
"""

from micropython import const

from . import errors
from . import numbers as n
from .message import encoded, option_of, path_hash, uint_bytes, with_options

_CONTENT = const(0x45)
_DEFAULT_CODE = bytes((0, n.CONTENT, n.CHANGED, n.CHANGED, n.DELETED, n.CONTENT, n.CHANGED, n.CHANGED))
_METHODS = {
    "GET": n.GET,
    "POST": n.POST,
    "PUT": n.PUT,
    "DELETE": n.DELETE,
    "FETCH": n.FETCH,
    "PATCH": n.PATCH,
    "iPATCH": n.IPATCH,
}

# What a resource does not say to a group, as in No-Response: 2: 2.xx, 8: 4.xx, 16: 5.xx; and 1: 2.xx without payload
EMPTY = 1
SUPPRESS = 8 | 16 | EMPTY


_MORE = "max_age rt accepts interface title size suppress bases attributes protected"


def close(body):
    """Close what a handler has given to read from, if it is something to close."""
    try:
        if hasattr(body, "close"):
            body.close()
    except Exception:
        pass  # it is not needed any more: what it says to that changes nothing


class Response:
    """What a handler gives back when the payload alone does not say it.

    payload: bytes, str, or an open file or `downloads.Stream`, which is sent block by block. etag: 1 to 8 bytes.
    location_path: "a/b"; location_query: list of str. options: more of them, pairs (number, bytes). Raises ValueError
    for a location_path with . or .. in it (RFC 7252 §5.10.7).
    """

    def __init__(
        self,
        payload=b"",
        code=None,
        content_format=None,
        etag=None,
        max_age=None,
        location_path=None,
        location_query=(),
        options=(),
    ):
        self.payload = payload
        self.code = code
        pairs = list(options)
        if content_format is not None:
            pairs.append((n.CONTENT_FORMAT, uint_bytes(content_format)))
        if etag is not None:
            pairs.append((n.ETAG, etag))
        if max_age is not None:
            pairs.append((n.MAX_AGE, uint_bytes(max_age)))
        if location_path is not None:
            segments = location_path.split("/")
            if "." in segments or ".." in segments:
                raise ValueError("location_path %r: expected no . and .. in it" % location_path)
            pairs += [(n.LOCATION_PATH, segment.encode()) for segment in segments]
        self.pairs = with_options((), pairs + [(n.LOCATION_QUERY, part.encode()) for part in location_query])


class Resource:
    """One resource, e.g. Resource("room/temp", content_format=0, observable=True).

    content_format: of its 2.05 responses; group: does it answer group requests? More by name: max_age (s); accepts: a
    tuple of the formats that its requests may have; suppress: what it does not say to a group; rt, interface, title,
    size, bases, attributes: for /.well-known/core (see `links`); protected: must requests come protected, where the
    endpoint has a gate that demands it? Raises TypeError for another name.
    """

    # What most resources do not have takes no memory in them.
    max_age = rt = accepts = interface = title = size = tag = None
    suppress = SUPPRESS
    protected = True
    bases = attributes = ()

    def __init__(self, path, content_format=None, group=False, observable=False, **more):
        self.segments = [segment.encode() for segment in path.split("/")] if path else []
        self.path = b"".join([bytes((len(segment),)) + segment for segment in self.segments])
        self.hash = path_hash(self.segments)
        self.content_format = content_format
        self.group = group
        self.observable = observable
        for name in more:
            if name not in _MORE.split():
                raise TypeError("%s: expected one of %s" % (name, _MORE))
            if more[name] is not None:
                setattr(self, name, more[name])
        self.methods = [_not_allowed] * 8
        # What a plain GET needs: itself, its handler, path and length, options as they are encoded and length
        self.entry = [self, _not_allowed, self.path, len(self.path), b"", 0]
        self.set_etag(None)

    def serve(self, handlers):
        """Take a handler for each method: {"GET": read}. Raises ValueError for an unknown one."""
        for method in handlers:
            if method not in _METHODS:
                raise ValueError("method %s: expected one of %s" % (method, ", ".join(_METHODS)))
            self.methods[_METHODS[method]] = handlers[method]
        self.entry[1] = self.methods[n.GET]

    def allows(self, method):
        """Is there a handler for this method?"""
        return self.methods[method] is not _not_allowed

    def set_etag(self, tag):
        """Let every 2.05 response carry this entity-tag, 1 to 8 bytes, from now on; None for none."""
        self.tag = tag
        pairs = []
        if tag is not None:
            pairs.append((n.ETAG, tag))
        if self.content_format is not None:
            pairs.append((n.CONTENT_FORMAT, uint_bytes(self.content_format)))
        if self.max_age is not None:
            pairs.append((n.MAX_AGE, uint_bytes(self.max_age)))
        self.pairs = pairs
        self.entry[4] = options = encoded(pairs)
        self.entry[5] = len(options)

    def outcome(self, method, result):
        """What a handler has given back, as an outcome. Raises TypeError for what is none."""
        code = _DEFAULT_CODE[method]
        own = ()
        if isinstance(result, Response):
            code = result.code or code
            own = result.pairs
            result = result.payload
        elif isinstance(result, tuple):
            code, result = result
        elif isinstance(result, int):
            code = result
            result = b""
        if result is None:
            result = b""
        elif isinstance(result, str):
            result = result.encode()
        elif not isinstance(result, (bytes, bytearray, memoryview)) and not hasattr(result, "readinto"):
            raise TypeError("a handler gave back %s" % type(result))
        if code >> 5 != 2 and hasattr(result, "readinto"):
            close(result)
            raise TypeError("a handler gave back a stream with code %d.%02d" % (code >> 5, code & 31))
        if code != _CONTENT:
            return code, own, result
        if own:
            own = with_options([pair for pair in self.pairs if option_of(own, pair[0]) is None], own)
        return code, own or self.pairs, result


def _not_allowed(request):
    raise errors.MethodNotAllowed()
