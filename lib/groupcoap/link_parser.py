"""Reading link format (RFC 6690 §2): what a server or a resource directory says."""

from micropython import const

_MAX_ATTRIBUTES = const(32)  # of one link
_TOKEN = b"!#$%&'()*+-./:<=>?@[]^_`{|}~"  # what an unquoted value holds besides letters and digits (§2)
_NAME = b"!#$&+-.^_`|~*"


def parse(text):
    """Read link format, str or bytes: a generator of (target, attributes), a URI reference and a dict of str.

    An attribute without a value is True; of several with one name the first counts (§2). Raises ValueError, at the link
    in question, that names the byte: the grammar has no room for white space outside of quotes.
    """
    raw = text.encode() if isinstance(text, str) else text
    at = 0
    while at < len(raw):
        if raw[at] != 0x3C:
            raise _error(at, "expected <")
        stop = raw.find(b">", at)
        if stop < 0:
            raise _error(at, "expected > behind the target")
        for i in range(at + 1, stop):
            if not 0x20 < raw[i] < 0x7F or raw[i] in b'"<\\^`{|}':
                raise _error(i, "expected a percent-encoded URI")
        target = _decoded(raw, at + 1, stop)
        attributes = {}
        at = stop + 1
        for _ in range(_MAX_ATTRIBUTES):
            if raw[at : at + 1] != b";":
                break
            name, value, at = _attribute(raw, at + 1)
            attributes.setdefault(name, value)
        yield target, attributes
        if at < len(raw):
            if raw[at] != 0x2C:
                raise _error(at, "expected , or ; and at most %d attributes" % _MAX_ATTRIBUTES)
            at += 1
            if at == len(raw):
                raise _error(at, "expected a link behind ,")


def _error(at, reason):
    return ValueError("link format, byte %d: %s" % (at, reason))


def _decoded(raw, start, stop):
    try:
        return str(raw[start:stop], "utf-8")
    except UnicodeError:
        raise _error(start, "expected UTF-8")


def _span(raw, at, signs):
    # Where letters, digits and these signs end; at least one has to be there.
    start = at
    while at < len(raw) and (0x30 <= raw[at] <= 0x39 or 0x61 <= raw[at] | 0x20 <= 0x7A or raw[at] in signs):
        at += 1
    if at == start:
        raise _error(at, "expected a name or value")
    return at


def _attribute(raw, at):
    stop = _span(raw, at, _NAME)
    name = _decoded(raw, at, stop)
    if raw[stop : stop + 1] != b"=":
        return name, True, stop
    at = stop + 1
    if raw[at : at + 1] != b'"':
        stop = _span(raw, at, _TOKEN)
        return name, _decoded(raw, at, stop), stop
    out = bytearray()
    i = at + 1
    while i < len(raw) and raw[i] != 0x22:
        if raw[i] == 0x5C:  # \ makes the next character an ordinary one
            i += 1
        if i == len(raw) or (raw[i] < 0x20 and raw[i] != 9) or raw[i] == 0x7F:
            raise _error(i, "expected a character of a quoted string")
        out.append(raw[i])
        i += 1
    if i == len(raw):
        raise _error(at, 'expected " at the end of the value')
    try:
        return name, str(out, "utf-8"), i + 1
    except UnicodeError:
        raise _error(at, "expected UTF-8")
