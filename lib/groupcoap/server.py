"""The server role: resources, and a good member's answers to group requests (RFC 7252 §5, §8; groupcomm-bis §3).

A resource is found by the hash of the Uri-Path, its response options lie ready encoded, and its handler is a plain
function: request in, payload out. A group request is answered from the own address after a random part of Leisure;
until then it waits in a fixed table: safe methods as the request itself, so that the answer is fresh when it leaves,
the others, carried out at once, as their response.
"""

from array import array

from micropython import const

from . import numbers as n
from . import options, uri
from .errors import (
    BadOption,
    InternalServerError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    ProxyingNotSupported,
    ResponseError,
)
from .hot import copy, path_is
from .message import Message, encoded, uint_bytes
from .origin import write_response_forwarding
from .timers import after

_NON = const(1)
_GET = const(1)
_CONTENT = const(0x45)

_SEEN = const(2)  # fields of a message: which options are there,
_END = const(7)  # and where they end
# Options of a request that need a look, as bits: all but Uri-Path, Uri-Query and the elective ones below 29
_LOOK = const(0x3FFFFFFF & ~(0x15555555 | 1 << 11 | 1 << 15))
_PROXY = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
_KNOWN = _PROXY + (n.URI_HOST, n.URI_PORT, n.URI_PATH, n.URI_QUERY, n.ACCEPT)

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

_type = type  # found at once, where a builtin takes two look-ups
_bytes = bytes
_len = len

DEFAULT_LEISURE = 5000  # ms (RFC 7252 §4.8)


class Resource:
    """One resource: its path, the options of its 2.05 response, and a handler for each method.

    A handler takes the request (a `message.Message`) and gives back a payload (bytes or str), a code, a pair
    (code, payload), or None; or raises a `ResponseError`.
    """

    def __init__(self, path, content_format=None, max_age=None, group=False, rt=None):
        self.segments = [segment.encode() for segment in path.split("/")] if path else []
        self.path = b"".join(bytes((len(segment),)) + segment for segment in self.segments)
        self.hash = path_hash(self.segments)
        self.content_format = content_format
        self.group = group
        self.rt = rt
        self.methods = [_not_allowed] * 8
        self.pairs = []
        if content_format is not None:
            self.pairs.append((n.CONTENT_FORMAT, uint_bytes(content_format)))
        if max_age is not None:
            self.pairs.append((n.MAX_AGE, uint_bytes(max_age)))
        self.options = encoded(self.pairs)

    def link(self):
        """Its entry in /.well-known/core (RFC 6690)."""
        text = "<%s>" % "".join(["/" + uri.percent_encode(segment, uri.PATH_SAFE) for segment in self.segments])
        if self.rt is not None:
            text += ';rt="%s"' % self.rt
        if self.content_format is not None:
            text += ";ct=%d" % self.content_format
        return text


def path_hash(segments):
    """The hash that `Message.parse` finds for a Uri-Path of these segments, bytes each."""
    datagram = b"\x40\x01\0\0" + encoded([(n.URI_PATH, segment) for segment in segments])
    m = Message()
    m.parse(datagram, len(datagram))
    return m.path


def _outcome(resource, method, result):
    # What a handler gave back as (code, options as pairs, payload).
    status = _DEFAULT_CODE[method]
    if isinstance(result, tuple):
        status, result = result
    elif isinstance(result, int):
        status = result
        result = b""
    if result is None:
        result = b""
    elif isinstance(result, str):
        result = result.encode()
    return status, resource.pairs if status == _CONTENT else [], result


def _not_allowed(request):
    raise MethodNotAllowed()


class Server:
    """Serves resources at an endpoint. `address` is the node's own packed address; waiting: group answers at a time."""

    def __init__(self, endpoint, address=None, waiting=16, waiting_bytes=256, memberships=4):
        self.endpoint = endpoint
        self._reply = endpoint.reply
        self.address = address
        self.resources = {}
        self._entries = {}  # by hash of the path: what a plain GET needs
        self._quick = self._entries.get
        self.suppressed = 0  # group answers left unsaid: errors, No-Response
        self.crowded = 0  # group requests dropped since too many were waiting, or one was too long
        self._leisure = array("i")  # ms, one for each membership
        self._period_end = array("i", bytes(4 * memberships))
        self._waiting = [bytearray(waiting_bytes) for _ in range(waiting)]
        self._lengths = array("H", bytes(2 * waiting))  # 0: free
        self._peers = [None] * waiting
        self._groups = bytearray(waiting)
        self._outcomes = [None] * waiting  # of those carried out
        self._message = Message()  # a waiting request, when its time has come
        self._timers = endpoint.timers
        self._first = endpoint.timers.reserve(waiting, self._due)
        self._periods = endpoint.timers.reserve(memberships, self._period_over)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._forwarding = options.number(options.RESPONSE_FORWARDING)
        self._origin = bytearray(20)
        length = write_response_forwarding(self._origin, 0, address) if address else 0
        self._origin = bytes(self._origin[:length])
        self.add(Resource(".well-known/core", content_format=n.LINK_FORMAT, group=True), GET=self.links)

    def join(self, leisure=DEFAULT_LEISURE):
        """Count one more membership, with its Leisure in ms: the number by which `Endpoint.receive` is to name it.

        Raises ValueError when there is no room for one more.
        """
        if len(self._leisure) == len(self._period_end):
            raise ValueError("%d memberships: that is all there is room for" % len(self._leisure))
        self._period_end[len(self._leisure)] = -1
        self._leisure.append(leisure)
        return len(self._leisure)

    def add(self, resource, **handlers):
        """Serve this resource: add(Resource("temp"), GET=read). Raises ValueError for a second one of that path."""
        if resource.hash in self.resources:
            raise ValueError("/%s: there is a resource of that path" % b"/".join(resource.segments).decode())
        for method in handlers:
            resource.methods[_METHODS[method]] = handlers[method]
        self.resources[resource.hash] = resource
        read = resource.methods[_GET]
        path = resource.path
        self._entries[resource.hash] = (resource, read, path, len(path), resource.options, len(resource.options))

    def resource(self, path, methods=("GET",), **attributes):
        """Decorator: serve a function at this path, e.g. @server.resource("temp", content_format=0)."""

        def serve(handler):
            resource = Resource(path, **attributes)
            self.add(resource, **dict.fromkeys(methods, handler))
            return handler

        return serve

    def request(self, m, peer, group, now):
        """Take a request (Endpoint's role)."""
        if group:
            self._group_request(m, peer, group, now)
            return
        resource = None
        quick = self._quick(m.path)
        if quick is not None:
            resource, read, path, size, options, length = quick
            if m.code == _GET and path_is(m.buf, m.fields, path, size) and not m.fields[_SEEN] & _LOOK:
                # A plain GET, the case that is to be quick; the rules are in `_evaluate` and `_say`.
                try:
                    payload = read(m)
                    if _type(payload) is _bytes:
                        self._reply(peer, m, _CONTENT, options, length, payload, _len(payload))
                        return
                    outcome = _outcome(resource, _GET, payload)
                except Exception as e:
                    outcome = self._failure(e)
                self._say(m, peer, 0, outcome)
                return
        if not self._say(m, peer, 0, self._evaluate(m, resource)) and m.type() == 0:
            self.endpoint.acknowledge(m, peer)  # nothing to say, but it has come (RFC 7967 §2.1)

    def repeated(self, m, peer, now):
        """Answer an idempotent request again (Endpoint's role)."""
        self.request(m, peer, 0, now)

    def _evaluate(self, m, resource):
        # What there is to say to a request: (code, options as pairs, payload).
        try:
            if resource is not None and not path_is(m.buf, m.fields, resource.path, len(resource.path)):
                resource = None
            if m.fields[_SEEN] & _LOOK:
                self._check(m, resource)
            if resource is None:
                raise NotFound()
            return _outcome(resource, m.code, resource.methods[m.code](m))
        except Exception as e:  # a resource's fault is not to end the node
            return self._failure(e)

    def _failure(self, error):
        if not isinstance(error, ResponseError):
            self.failed(error)
            error = InternalServerError()
        age = error.max_age
        return error.code, [] if age is None else [(n.MAX_AGE, uint_bytes(age))], str(error).encode()

    def _say(self, m, peer, group, outcome):
        # Send an outcome, unless it is one to be silent about: then False.
        status, pairs, payload = outcome
        if (group and (status > 95 or not payload)) or self._unwanted(m, status):
            self.suppressed += 1
            return False
        if self._origin and m.find(self._signaling) >= 0:  # profile 00: say whose answer this is
            pairs = pairs + [(self._forwarding, self._origin)]
        options = encoded(pairs)
        try:
            self._reply(peer, m, status, options, len(options), payload, len(payload))
        except ValueError as e:  # more than one message holds
            self.failed(e)
            self._reply(peer, m, n.INTERNAL_SERVER_ERROR)
        return True

    def failed(self, error):
        """Called when a resource's handler has raised something else than a ResponseError; the answer is 5.00."""

    def _check(self, m, resource):
        refused = options.refused(m, _KNOWN)
        if refused:
            raise BadOption("option %d" % refused)
        for number in _PROXY:
            if m.find(number) >= 0:
                raise ProxyingNotSupported()
        accept = m.option_uint(n.ACCEPT)
        if accept is not None and resource is not None and accept != resource.content_format:
            raise NotAcceptable()

    def _unwanted(self, m, status):
        # No-Response (RFC 7967): bit 1 for 2.xx, 3 for 4.xx, 4 for 5.xx.
        return options.valid(m, n.NO_RESPONSE) >= 0 and m.uint() >> (status >> 5) - 1 & 1

    def _group_request(self, m, peer, group, now):
        resource = self.resources.get(m.path)
        if m.type() != _NON:
            return  # a group request is Non-confirmable, and never reset (RFC 7252 §8.1)
        if resource is None or not resource.group or not path_is(m.buf, m.fields, resource.path, len(resource.path)):
            self.suppressed += 1
            return
        outcome = None
        if m.code != n.GET and m.code != n.FETCH:  # it takes effect now, and is answered later
            outcome = self._evaluate(m, resource)
        for i in range(len(self._lengths)):
            if not self._lengths[i]:
                break
        else:
            self.crowded += 1
            return
        # Of a request that has been carried out, only what is in front of its payload is still needed.
        length = m.end if outcome is None else m.fields[_END]
        if length > len(self._waiting[i]):
            self.crowded += 1
            return
        self._lengths[i] = copy(self._waiting[i], 0, m.buf, 0, length)
        self._peers[i] = peer
        self._groups[i] = group
        self._outcomes[i] = outcome
        # Leisure periods of one membership do not overlap: a further answer waits for the next one (bis §3.1.8).
        start = self._period_end[group - 1]
        if start < 0:
            start = now
        leisure = self._leisure[group - 1]
        self._period_end[group - 1] = end = after(start, leisure)
        self._timers.set(self._periods + group - 1, end)
        r = self.endpoint.entropy(2)
        self._timers.set(self._first + i, after(start, (r[0] << 8 | r[1]) * leisure >> 16))

    def _period_over(self, i, now):
        self._period_end[i] = -1

    def _due(self, i, now):
        m = self._message
        m.parse(self._waiting[i], self._lengths[i])
        outcome = self._outcomes[i]
        if outcome is None:
            outcome = self._evaluate(m, self.resources.get(m.path))
        peer = self._peers[i]
        self._lengths[i] = 0
        self._peers[i] = self._outcomes[i] = None
        self._say(m, peer, self._groups[i], outcome)

    def links(self, request=None):
        """What /.well-known/core says (RFC 6690)."""
        return ",".join([resource.link() for resource in self.resources.values()])
