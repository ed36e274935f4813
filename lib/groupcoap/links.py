"""Link format (RFC 6690): what /.well-known/core says, and how a query filters it; `link_parser` reads it.

A listing is a generator of pieces, a target or an attribute each, so that a long one never exists as a whole: it is
read like a file, and what is read is made by going through the pieces again and leaving out what lies before.

Of a resource these fields are read, where it has them: segments (list of bytes); rt and interface (str, several values
with spaces between); content_format (int, or several); observable (bool); title (str); size (int, bytes); attributes:
pairs (name, str or True) besides, e.g. ("gpt", "light"); bases: URIs of the CoAP groups, e.g. "coap://239.1.2.3:5685",
that it is an application group's resource in (groupcomm-bis §2.2.3.2). By these a client finds groups: ?rt=g.*,
?href=/gp/*, or an attribute of its own, ?gpt=*.
"""

from micropython import const

from . import errors
from .percent import PATH_SAFE, percent_encode

_MAX_FILTERS = const(8)  # in a request's query; 4.00 for more

_FIELDS = (
    ("rt", "rt"),
    ("if", "interface"),
    ("ct", "content_format"),
    ("obs", "observable"),
    ("title", "title"),
    ("sz", "size"),
)
_LISTS = ("rt", "if", "ct", "rel", "rev")  # values with spaces between: a filter matches any of them (§4.1)


class Listing:
    """The links of the `resources` (iterable, each time anew) that every parameter in `query` (bytes) matches (§4.1).

    A parameter is name=value, name=start*, or name alone: the attribute is there. `href` is the decoded path, or the
    URI in a group. base: URI of the CoAP group that was asked, None for unicast: a resource with other `bases` is
    listed with its URI in each of them, any other with its path. Raises BadRequest for too many parameters.
    """

    def __init__(self, resources, query=(), base=None):
        if len(query) > _MAX_FILTERS:
            raise errors.BadRequest("at most %d filters" % _MAX_FILTERS)
        self._resources = resources
        self._filters = [parameter.partition(b"=") for parameter in query]
        self._base = base
        self._at = 0

    def __iter__(self):
        """The pieces, bytes, that the listing is made of."""
        comma = ""
        for resource in self._resources:
            if not self._wanted(resource):
                continue
            path = "/" + "/".join([percent_encode(segment, PATH_SAFE) for segment in resource.segments])
            bases = getattr(resource, "bases", ())
            if self._base is None or not bases or self._base in bases:
                bases = ("",)
            for base in bases:
                yield (comma + "<" + base + path + ">").encode()
                for name, value in _attributes(resource):
                    yield _attribute_text(name, value).encode()
                comma = ","

    def empty(self):
        """Is there no link in it? A group request stays unanswered then."""
        for _ in self:
            return False
        return True

    def size(self):
        """Its length in bytes."""
        total = 0
        for piece in self:
            total += len(piece)
        return total

    def text(self):
        """All of it, bytes."""
        return b"".join(self)

    def seek(self, offset):
        """Read from this byte on."""
        self._at = offset

    def readinto(self, buf):
        """Write what comes next into buf: bytes written, 0 at the end."""
        skip = self._at
        at = 0
        for piece in self:
            if skip >= len(piece):
                skip -= len(piece)
                continue
            part = piece[skip : skip + len(buf) - at]
            skip = 0
            buf[at : at + len(part)] = part
            at += len(part)
            if at == len(buf):
                break
        self._at += at
        return at

    def close(self):
        """Nothing is to be given back."""

    def _wanted(self, resource):
        for name, equals, value in self._filters:
            if name == b"href":
                path = b"/" + b"/".join(resource.segments)
                found = [path] + [base.encode() + path for base in getattr(resource, "bases", ())]
            else:
                found = _values(resource, name)
            if not _matches(found, value, equals):
                return False
        return True


def _attributes(resource):
    for name, field in _FIELDS:
        value = getattr(resource, field, None)
        if value is not None and value is not False:
            yield name, value
    for pair in getattr(resource, "attributes", ()):
        yield pair


def _attribute_text(name, value):
    if value is True:
        return ";" + name
    if isinstance(value, (tuple, list)):
        value = " ".join([str(each) for each in value])
    elif not isinstance(value, str):
        return ";%s=%d" % (name, value)
    return ';%s="%s"' % (name, value.replace("\\", "\\\\").replace('"', '\\"'))


def _values(resource, wanted):
    # What a filter on the attribute of this name, bytes, is held against.
    for name, value in _attributes(resource):
        if name.encode() == wanted:
            if value is True:
                return [b""]
            if isinstance(value, (tuple, list)):
                return [str(each).encode() for each in value]
            if not isinstance(value, str):
                return [str(value).encode()]
            return value.encode().split() if name in _LISTS else [value.encode()]
    return ()


def _matches(found, value, equals):
    if not equals:
        return len(found) > 0
    for each in found:
        if each.startswith(value[:-1]) if value[-1:] == b"*" else each == value:
            return True
    return False
