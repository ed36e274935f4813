"""The server role: resources, and a good member's answers to group requests (RFC 7252 §5, §8; groupcomm-bis §3).

A resource is found by the hash of the Uri-Path, its response options lie ready encoded, and its handler is a plain
function: request in, payload out. A group request is answered from the own address after a random part of Leisure;
until then it waits in a fixed table: safe methods as the request itself, so that the answer is fresh when it leaves,
the others, carried out at once, as their response.
"""

from array import array

from micropython import const

from . import numbers as n
from . import options
from .cri import write_response_forwarding
from .errors import BadOption, MethodNotAllowed, NotAcceptable, NotFound, ProxyingNotSupported, ResponseError
from .hot import copy, path_is
from .message import Message, Writer
from .timers import after

_NON = const(1)
_ACK = const(2)
_CONTENT = const(0x45)

# Options of a request that need no look, as bits: Uri-Path, Uri-Query and the elective ones below 29
_PLAIN = const(0x15555555 | 1 << 11 | 1 << 15)
_PROXY = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
_KNOWN = _PROXY + (n.URI_HOST, n.URI_PORT, n.URI_PATH, n.URI_QUERY, n.ACCEPT)

_DEFAULT_CODE = bytes((0, n.CONTENT, n.CHANGED, n.CHANGED, n.DELETED, n.CONTENT, n.CHANGED, n.CHANGED))
_METHODS = {"GET": n.GET, "POST": n.POST, "PUT": n.PUT, "DELETE": n.DELETE, "FETCH": n.FETCH, "PATCH": n.PATCH, "iPATCH": n.IPATCH}

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
        self.methods = [None] * 8
        w = Writer(bytearray(16))
        w.begin(0, 0, 0)
        if content_format is not None:
            w.option_uint(n.CONTENT_FORMAT, content_format)
        if max_age is not None:
            w.option_uint(n.MAX_AGE, max_age)
        self.options = w.message()[4:]
        self.last_option = w.last

    def link(self):
        """Its entry in /.well-known/core (RFC 6690)."""
        text = "<%s>" % "".join("/" + segment.decode() for segment in self.segments)
        if self.rt is not None:
            text += ';rt="%s"' % self.rt
        if self.content_format is not None:
            text += ";ct=%d" % self.content_format
        return text


def path_hash(segments):
    """The hash that `Message.parse` finds for a Uri-Path of these segments, bytes each."""
    buf = bytearray(4 + sum(len(segment) + 5 for segment in segments))
    w = Writer(buf)
    w.begin(0, n.GET, 0)
    for segment in segments:
        w.option(n.URI_PATH, segment)
    m = Message()
    m.parse(buf, w.end)
    return m.path


class Server:
    """Serves resources at an endpoint. `address` is the node's own packed address; waiting: group answers at a time."""

    acknowledges = False

    def __init__(self, endpoint, address=None, waiting=16, waiting_bytes=256, memberships=4):
        self.endpoint = endpoint
        self.address = address
        self.resources = {}
        self.suppressed = 0  # group answers left unsaid: errors, No-Response
        self.crowded = 0  # group requests dropped since too many were waiting, or one was too long
        self._leisure = array("i")  # ms, one for each membership
        self._period_end = array("i", bytes(4 * memberships))
        self._waiting = [bytearray(waiting_bytes) for _ in range(waiting)]
        self._lengths = array("H", bytes(2 * waiting))  # 0: free
        self._peers = [None] * waiting
        self._groups = bytearray(waiting)
        self._message = Message()  # a waiting request, when its time has come
        self._timers = endpoint.timers
        self._first = endpoint.timers.reserve(waiting, self._due)
        self._periods = endpoint.timers.reserve(memberships, self._period_over)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._forwarding = options.number(options.RESPONSE_FORWARDING)
        self._origin = bytearray(24)
        self._origin_length = write_response_forwarding(self._origin, 0, address[:-2]) if address else 0
        self.add(Resource(".well-known/core", content_format=n.LINK_FORMAT, group=True), GET=self._links)

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
        """Serve this resource, e.g. add(Resource("temp"), GET=read). Raises ValueError for a second one of that path."""
        if resource.hash in self.resources:
            raise ValueError("resource /%s: there is one of that path (or of its hash)" % b"/".join(resource.segments).decode())
        for method in handlers:
            resource.methods[_METHODS[method]] = handlers[method]
        self.resources[resource.hash] = resource

    def resource(self, path, methods=("GET",), **attributes):
        """Decorator: serve a function at this path, e.g. @server.resource("temp", content_format=0)."""

        def serve(handler):
            resource = Resource(path, **attributes)
            self.add(resource, **{method: handler for method in methods})
            return handler

        return serve

    def request(self, endpoint, m, peer, group, now):
        """Take a request (Endpoint's role)."""
        if group:
            self._group_request(m, peer, group, now)
        elif self._answer(m, 0):
            endpoint.respond(peer)
        elif m.type == 0:  # nothing to say, but it has come (RFC 7967 §2.1)
            endpoint.acknowledge(m.mid, peer)

    def _answer(self, m, group):
        # Write the answer to m into endpoint.out: False where none is to be sent.
        code = m.code
        age = None
        seen = m.fields[2]
        resource = self.resources.get(m.path)
        try:
            if seen & ~_PLAIN:
                self._check(m, resource)
            if resource is None or not path_is(m.buf, m.fields, resource.path, len(resource.path)):
                raise NotFound()
            handler = resource.methods[code] if code < 8 else None
            if handler is None:
                raise MethodNotAllowed()
            payload = handler(m)
            status = _DEFAULT_CODE[code]
            if type(payload) is tuple:
                status, payload = payload
            elif type(payload) is int:
                status = payload
                payload = None
        except ResponseError as e:
            status = e.code
            payload = str(e)
            age = e.max_age
        except Exception as e:  # a resource's fault is not to end the node
            status = n.INTERNAL_SERVER_ERROR
            payload = None
            self.failed(e)
        high = seen >> 29
        if (group and (status > 95 or not payload)) or (high and self._unwanted(m, status)):
            self.suppressed += 1
            return False
        out = self.endpoint.out
        if m.type:
            out.answer(m, _NON, status, self.endpoint.next_mid())
        else:
            out.answer(m, _ACK, status)
        if status == _CONTENT:
            out.encoded(resource.options, resource.last_option)
        elif age is not None:
            out.option_uint(n.MAX_AGE, age)
        if high and self.address is not None and m.find(self._signaling) >= 0:
            out.option(self._forwarding, self._origin, 0, self._origin_length)
        if payload:
            out.payload(payload.encode() if type(payload) is str else payload)
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
        return options.valid(m, n.NO_RESPONSE) >= 0 and m.uint >> (status >> 5) - 1 & 1

    def _group_request(self, m, peer, group, now):
        resource = self.resources.get(m.path)
        if m.type != _NON or m.code > 7:
            return  # a group request is Non-confirmable, and never reset (RFC 7252 §8.1)
        if resource is None or not resource.group or not path_is(m.buf, m.fields, resource.path, len(resource.path)):
            self.suppressed += 1
            return
        buf = m.buf
        length = m.end
        unsafe = m.code != n.GET and m.code != n.FETCH
        if unsafe:
            if not self._answer(m, group):
                return
            buf = self.endpoint.buf
            length = self.endpoint.out.end
        for i in range(len(self._lengths)):
            if not self._lengths[i]:
                break
        else:
            self.crowded += 1
            return
        if length > len(self._waiting[i]):
            self.crowded += 1
            return
        self._lengths[i] = copy(self._waiting[i], 0, buf, 0, length)
        self._peers[i] = peer
        self._groups[i] = group
        # Leisure periods of one membership do not overlap (bis §3.1.8): a further answer waits for the next one.
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
        buf = self._waiting[i]
        length = self._lengths[i]
        peer = self._peers[i]
        self._lengths[i] = 0
        self._peers[i] = None
        if buf[1] > 31:
            self.endpoint.transmit(buf, length, peer)
        else:
            self._message.parse(buf, length)
            if self._answer(self._message, self._groups[i]):
                self.endpoint.send(peer)

    def _links(self, request):
        return ",".join([resource.link() for resource in self.resources.values()])
