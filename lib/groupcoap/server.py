"""The server role: what a request comes to (RFC 7252 §5, §8; RFC 7641 §4; RFC 7959; groupcomm-bis §3).

A resource is found by the hash of the Uri-Path, its response options lie ready encoded, and its handler is a plain or
async function: request in, payload out. Every request goes one way: `evaluate` gives its outcome (code, options as
pairs, body), and `say` sends that, unless it is one to be silent about. A plain GET takes a quick one. What a server
need not have (observers, uploads, held answers, async resources) is loaded where it has places for it.
"""

import hashlib

from micropython import const

from . import block, errors, options
from . import numbers as n
from .addresses import address_text
from .downloads import Downloads
from .hot import answer, path_is
from .message import encoded, option_of, path_hash, uint_bytes, with_options
from .options import carries
from .origin import write_response_forwarding
from .resource import EMPTY, Resource, Response, close

__all__ = ("Resource", "Response", "Server")

_GET = const(1)
_CONTENT = const(0x45)

_SEEN = const(2)  # a message's field: which options are there, bit n for option n, bit 29 for those above 28
_CONDITIONS = const(1 << 1 | 1 << 5)
_ETAG = const(1 << 4)
_OBSERVE = const(1 << 6)
_PATH = const(1 << 11)
_ABBREV = const(1 << 13)
_ACCEPT = const(1 << 17)
_BLOCK2 = const(1 << 23)
_BLOCK1 = const(1 << 27)
# Options of a request that need a look: ETag, Observe, those above 28, and the critical ones but Uri-Path and Uri-Query
_LOOK = const(1 << 4 | 1 << 6 | 0x3FFFFFFF & ~(0x15555555 | 1 << 11 | 1 << 15))
_PROXY = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
_KNOWN = _PROXY + (n.URI_HOST, n.URI_PORT, n.URI_PATH, n.URI_QUERY, n.ACCEPT)
_KNOWN += (n.IF_MATCH, n.IF_NONE_MATCH, n.URI_PATH_ABBREV, n.BLOCK1, n.BLOCK2)

_FAULT = (n.INTERNAL_SERVER_ERROR, (), b"")  # made before the heap may be full

_CORE = ".well-known/core"
_TAG_BYTES = const(6)

DEFAULT_LEISURE = 5000  # ms (RFC 7252 §4.8)


class Server:
    """Serves resources at an endpoint. `address` is the node's own packed address.

    The rest are sizes of tables; 0 leaves one out. waiting: group answers at a time, for requests of waiting_bytes;
    later: requests at a time to async resources; uploads of upload_bytes; downloads: answers held for their next block;
    block_size: the greatest, 16 to 1024 bytes. echo: an `echo.Echo`, or None for no challenges to group requests.
    """

    def __init__(
        self,
        endpoint,
        address=None,
        waiting=16,
        waiting_bytes=256,
        memberships=4,
        later=4,
        observers=4,
        notify_interval=3000,
        uploads=1,
        upload_bytes=1024,
        downloads=1,
        block_size=1024,
        echo=None,
    ):
        self.endpoint = endpoint
        self._reply = endpoint.reply
        self.resources = {}
        self._entries = {}  # by hash of the path: what a plain GET needs
        self._szx = block.szx_of(block_size)
        self._block = 16 << self._szx
        self.request = self._make_request()
        self.spawn = None  # spawn(coroutine, done): runs it and calls done(result or exception, now)
        self.suppressed = 0  # group answers left unsaid: errors, No-Response
        self.echo = echo
        self.groups = None
        if memberships:
            from .membership import Memberships

            self.groups = Memberships(self, memberships, waiting, waiting_bytes)
        self.later = self.observers = self.uploads = None
        lifetime = endpoint.parameters.exchange_lifetime
        if later:
            from .later import Later

            self.later = Later(self, later, waiting_bytes)
        if observers:
            from .observe import Observers

            self.observers = Observers(self, observers, interval=notify_interval)
        if uploads:
            from .uploads import Uploads

            patience = endpoint.parameters.max_transmit_wait
            self.uploads = Uploads(endpoint.timers, uploads, upload_bytes, lifetime, patience, self._szx)
        self.downloads = Downloads(self, downloads, self._szx, lifetime)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._forwarding = options.number(options.RESPONSE_FORWARDING)
        self.move(None, address, 0)
        self.add(Resource(_CORE, content_format=n.LINK_FORMAT, group=True), GET=self.links)
        self._abbreviations = {0: path_hash([b".well-known", b"core"])}  # Uri-Path-Abbrev

    def move(self, old, address, now):
        """Be at this packed address from now on (Node.moved)."""
        self.address = address
        origin = bytearray(20)
        length = write_response_forwarding(origin, 0, address) if address else 0
        self._origin = bytes(origin[:length])

    def join(self, leisure=DEFAULT_LEISURE, address=None):
        """Count one more membership, with its Leisure in ms: the number by which `Endpoint.receive` is to name it.

        address: the group's, packed, so that /.well-known/core can tell which of its links are in that group. Raises
        ValueError when there is no room for one more.
        """
        if self.groups is None:
            raise ValueError("no room for a membership")
        return self.groups.join(leisure, address)

    def leave(self, group, now):
        """Count the membership of this number no more; what was observed by it is so no longer."""
        self.groups.leave(group)
        if self.later is not None:
            self.later.leave(-1, group)
        if self.observers is not None:
            self.observers.leave(group, now)

    def add(self, resource, **handlers):
        """Serve this resource: add(Resource("temp"), GET=read). Raises ValueError for a second one of that path."""
        if resource.hash in self.resources:
            raise ValueError("/%s: there is a resource of that path" % b"/".join(resource.segments).decode())
        resource.serve(handlers)
        self.resources[resource.hash] = resource
        self._entries[resource.hash] = resource.entry

    def resource(self, path, methods=("GET",), **attributes):
        """Decorator: serve a plain or async function at this path, e.g. @server.resource("temp", observable=True)."""

        def serve(handler):
            resource = Resource(path, **attributes)
            self.add(resource, **dict.fromkeys(methods, handler))
            return handler

        return serve

    def changed(self, resource, now):
        """Tell the observers of this resource (or of the one at this path) that it has changed. Raises KeyError."""
        if isinstance(resource, str):
            resource = self.resources[path_hash([segment.encode() for segment in resource.split("/")])]
        if self.observers is not None:
            self.observers.changed(resource, now)

    def _make_request(self):
        # `request`, with what a plain GET needs at hand: looked up in the object, that takes a tenth of the whole way.
        # As defaults: see `Endpoint`.
        endpoint = self.endpoint

        def request(
            m,
            peer,
            group,
            now,
            self=self,
            endpoint=endpoint,
            buf=endpoint.buf,
            mids=endpoint.mids,
            entry_of=self._entries.get,
            block=self._block,
            length_of=len,  # a builtin is found later than a local
            type_of=type,
            plain=bytes,
            path_is=path_is,
            answer=answer,
        ):
            """Take a request (Endpoint's role); False where it is none for this server."""
            if group:
                return self.groups is not None and self.groups.request(m, peer, group, now)
            entry = entry_of(m.path)
            if entry is not None:
                resource, read, path, size, options, length = entry
                f = m.fields
                src = m.buf
                if m.code == _GET and path_is(src, f, path, size) and not f[_SEEN] & _LOOK:
                    # A plain GET, the case that is to be quick; the rules are in `evaluate` and `say`.
                    try:
                        payload = read(m)
                    except Exception as e:
                        payload = e
                    if type_of(payload) is plain and length_of(payload) <= block:
                        end = answer(buf, src, _CONTENT, mids, options, length, payload, length_of(payload))
                        if end:
                            endpoint.transmit(buf, end, peer)
                            return
                    outcome = self._result(m, peer, 0, resource, payload, now, -1, -1)
                    if outcome is not None:
                        self._answer(m, peer, outcome)
                    return
            outcome = self.evaluate(m, peer, 0, now)
            if outcome is not None:
                self._answer(m, peer, outcome)

        return request

    def repeated(self, m, peer, now):
        """Answer an idempotent request again (Endpoint's role)."""
        if self.later is None or not self.later.repeated(m, peer):
            self.request(m, peer, 0, now)

    def holds(self, m, peer):
        """Are answers to a request of this peer with the token of m still to come? (Endpoint's role)"""
        for part in (self.groups, self.later, self.observers):
            if part is not None and part.holds(m, peer):
                return True
        return False

    def rejected(self, peer, mid, now):
        """Take a Reset of a Non-confirmable message (Endpoint's role): of a notification, maybe."""
        if self.observers is not None:
            self.observers.rejected(peer, mid, now)

    def _answer(self, m, peer, outcome):
        if not self.say(m, peer, 0, outcome) and m.type() == n.CON:
            self.endpoint.acknowledge(m, peer)  # nothing to say, but it has come (RFC 7967 §2.1)

    # What there is to say

    def evaluate(self, m, peer, group, now, observer=-1):
        """The outcome of a request: (code, options as pairs, body), or None where it comes later.

        observer: its number among the observers, if that is for whom the resource is asked.
        """
        resource = None
        upload = -1
        seen = m.fields[_SEEN]
        try:
            resource = self._find(m)
            if seen & _LOOK:
                self._check(m, resource)
            if resource is None:
                raise errors.NotFound()
            handler = resource.methods[m.code]
            if not resource.allows(m.code):
                raise errors.MethodNotAllowed()
            if resource.accepts is not None and m.payload_length():
                self._check_format(m, resource)
            if seen & _CONDITIONS:
                from .conditions import check

                check(self, m, resource)
            if seen & _OBSERVE and self._observe(m, resource) == 1:
                self.observers.deregister(m, peer, resource, now)
            if seen & _BLOCK2 and block.read(m, n.BLOCK2) > 15:
                outcome = self.downloads.go_on(m, peer, now)
                if outcome is not None:
                    return outcome
            if seen & _BLOCK1 and observer < 0 and self.uploads is not None:
                whole, outcome = self.uploads.take(m, peer, handler, now)
                if outcome is not None:
                    return outcome
                upload = self.uploads.place
                if whole is None:
                    result = self.uploads.close()
                else:
                    m = whole
                    result = handler(m)
            else:
                result = handler(m)
        except Exception as e:  # a resource's fault is not to end the node
            result = e
        return self._result(m, peer, group, resource, result, now, upload, observer)

    def _result(self, m, peer, group, resource, result, now, upload, observer):
        if hasattr(result, "send"):  # a coroutine
            try:
                result.close()
                if self.later is None:
                    raise errors.InternalServerError("no places for async resources")
                self.later.run(resource, m, peer, group, now, upload, observer)
                return None
            except Exception as e:
                result = e
        return self.conclude(m, peer, group, resource, result, now, upload, observer)

    def conclude(self, m, peer, group, resource, result, now, upload=-1, observer=-1):
        """The outcome of a request whose handler has given back or raised `result`."""
        try:
            if isinstance(result, Exception):
                outcome = self._failure(result)
            else:
                outcome = self._success(m, peer, group, resource, result, now, observer)
        except Exception as e:
            outcome = self._failure(e)
        if outcome[0] >> 5 != 2 and observer < 0 and m.fields[_SEEN] & _OBSERVE and resource is not None:
            if self._observe(m, resource) == 0:  # an observation that cannot be renewed has ended (RFC 7641 §4.1)
                self.observers.deregister(m, peer, resource, now)
        if m.fields[_SEEN] & _BLOCK1 and observer < 0 and block.read(m, n.BLOCK1) >= 0:  # (RFC 7959 §2.3)
            code, pairs, body = outcome
            outcome = code, with_options(pairs, [(n.BLOCK1, bytes(m.value()))]), body
        if upload >= 0:
            self.uploads.done(upload, outcome)
        return outcome

    def _success(self, m, peer, group, resource, result, now, observer):
        code, pairs, body = resource.outcome(m.code, result)
        seen = m.fields[_SEEN]
        safe = m.code == n.GET or m.code == n.FETCH
        if code >> 5 == 2:
            if not safe:
                if resource.observable:
                    self.changed(resource, now)
            elif code == _CONTENT and seen & _ACCEPT:
                content_format = option_of(pairs, n.CONTENT_FORMAT)
                if content_format is None or int.from_bytes(content_format, "big") != m.option_uint(n.ACCEPT):
                    close(body)
                    raise errors.NotAcceptable()
            if code == _CONTENT and safe and seen & _ETAG:
                tag = self.representation_etag(pairs, body)
                if tag is not None and carries(m, n.ETAG, tag):
                    close(body)
                    age = option_of(pairs, n.MAX_AGE)
                    pairs = [(n.ETAG, tag)] if age is None else [(n.ETAG, tag), (n.MAX_AGE, age)]
                    code, body = n.VALID, b""
            if code == n.VALID:
                pass
            elif seen & _BLOCK2 or hasattr(body, "readinto") or len(body) > self._block:
                code, pairs, body = self.downloads.cut(m, peer, code, pairs, body, now)
        if self.echo is not None and not group and seen >> 29:  # what a group request was answered with comes back
            self.echo.returned(m, peer, now)
        if group and self.echo is not None and observer < 0:
            size = 5 + len(body) + sum([2 + len(value) for _, value in pairs])
            if self.echo.needed(m, peer, size, now):
                return self.echo.outcome(peer, now) if safe else (code, (), b"")  # that has had its effect
        if seen & _OBSERVE and observer < 0 and code >> 5 == 2 and self._observe(m, resource) == 0:
            if not (seen & _BLOCK2 and block.read(m, n.BLOCK2) > 15):
                known = option_of(pairs, n.CONTENT_FORMAT) if code == _CONTENT else False
                number = self.observers.register(m, peer, group, resource, known, now)
                if number is not None:
                    pairs = with_options(pairs, [(n.OBSERVE, number)])
        return code, pairs, body

    def _failure(self, error):
        if not isinstance(error, errors.ResponseError):
            try:
                self.failed(error)
            except Exception:
                pass  # it could not even be told
            return _FAULT
        age = error.max_age
        return error.code, () if age is None else ((n.MAX_AGE, uint_bytes(age)),), str(error).encode()

    def failed(self, error):
        """Called when a resource's handler has raised something else than a ResponseError; the answer is 5.00."""

    # What a request asks for

    def _find(self, m):
        # The resource of this request's path, or None. Raises BadOption for an abbreviation unknown here.
        path = m.path
        if m.fields[_SEEN] & _ABBREV:
            path = None
            if not m.fields[_SEEN] & _PATH and options.valid(m, n.URI_PATH_ABBREV) >= 0:
                path = self._abbreviations.get(m.uint())
            if path is None:
                raise errors.BadOption("option %d" % n.URI_PATH_ABBREV)
            return self.resources.get(path)
        resource = self.resources.get(path)
        if resource is not None and path_is(m.buf, m.fields, resource.path, len(resource.path)):
            return resource
        return None

    def group_resource(self, m):
        """The resource that this request to a group is for, if it is there and answers groups, else None."""
        try:
            resource = self._find(m)
        except errors.BadOption:
            return None
        return resource if resource is not None and resource.group else None

    def _check(self, m, resource):
        refused = options.refused(m, _KNOWN)
        if refused:
            raise errors.BadOption("option %d" % refused)
        for number in _PROXY:
            if m.find(number) >= 0:
                raise errors.ProxyingNotSupported()
        seen = m.fields[_SEEN]
        if seen & _BLOCK1 and block.read(m, n.BLOCK1) == -2 or seen & _BLOCK2 and block.read(m, n.BLOCK2) == -2:
            raise errors.BadRequest("block size")
        if seen & _BLOCK1 and self.uploads is None and block.read(m, n.BLOCK1) > 7:
            raise errors.BadOption("option %d" % n.BLOCK1)  # more than a whole in one block
        if resource is None:
            return
        if seen & _ACCEPT and resource.content_format is not None:
            if m.option_uint(n.ACCEPT) != resource.content_format:
                raise errors.NotAcceptable()

    def _observe(self, m, resource):
        # Observe of a request where it has an effect: 0 to register, 1 to deregister; else -1.
        if self.observers is None or not resource.observable or (m.code != n.GET and m.code != n.FETCH):
            return -1
        return m.uint() if options.valid(m, n.OBSERVE) >= 0 else -1

    def _check_format(self, m, resource):
        if resource.accepts is not None and options.uint(m, n.CONTENT_FORMAT) not in resource.accepts:
            raise errors.UnsupportedContentFormat()

    def etag(self, body):
        """An entity-tag for this representation, bytes: unlikely to be that of another server, too (bis §3.2.2)."""
        return hashlib.sha256((self.address or b"") + bytes(body)).digest()[:_TAG_BYTES]

    def representation_etag(self, pairs, body):
        """The entity-tag of a representation: its own, else the one that is made of it; None for a stream."""
        tag = option_of(pairs, n.ETAG)
        return self.etag(body) if tag is None and not hasattr(body, "readinto") else tag

    # Saying it

    def say(self, m, peer, group, outcome):
        """Send this outcome, unless it is one to be silent about: then False."""
        if self.silent(m, group, outcome):
            self.suppressed += 1
            return False
        code, pairs, body = outcome
        options = encoded(self._with_origin(m, pairs))
        try:
            self._reply(peer, m, code, options, len(options), body, len(body))
            if m.fields[_SEEN] & _OBSERVE and self.observers is not None and m.type() == n.NON:
                self.observers.sent(m, peer, self.endpoint.mids[0])
        except ValueError as e:  # more than one message holds
            self.failed(e)
            self._reply(peer, m, n.INTERNAL_SERVER_ERROR)
        return True

    def write(self, m, kind, mid, outcome):
        """Write this outcome as a message with the token of the request `m` into the endpoint's buffer: its code.

        That is 5.00 where it is more than one message holds.
        """
        out = self.endpoint.out
        code, pairs, body = outcome
        out.begin(kind, code, mid, m.buf, 4, m.buf[0] & 15)
        try:
            for number, value in self._with_origin(m, pairs):
                out.option(number, value)
            out.payload(body)
        except ValueError as e:
            self.failed(e)
            code = n.INTERNAL_SERVER_ERROR
            out.begin(kind, code, mid, m.buf, 4, m.buf[0] & 15)
        return code

    def _with_origin(self, m, pairs):
        if self._origin and m.find(self._signaling) >= 0:  # profile 00: say whose answer this is
            return with_options(pairs, [(self._forwarding, self._origin)])
        return pairs

    def silent(self, m, group, outcome):
        """Is this outcome not to be said, since the client wants none (RFC 7967) or since it is to a group?"""
        code, pairs, body = outcome
        if group:
            if code == n.BAD_OPTION:
                return True
            if option_of(pairs, n.OBSERVE) is None and option_of(pairs, n.ECHO) is None:
                resource = self.group_resource(m)
                suppress = resource.suppress if resource is not None else 0xFF
                empty = code >> 5 == 2 and code != n.VALID and not len(body)
                if suppress >> (code >> 5) - 1 & 1 or (empty and suppress & EMPTY):
                    return True
        # No-Response: bit 1 for 2.xx, 3 for 4.xx, 4 for 5.xx
        return options.valid(m, n.NO_RESPONSE) >= 0 and m.uint() >> (code >> 5) - 1 & 1

    def links(self, request=None):
        """What /.well-known/core says (RFC 6690): bytes, or to a request what they are read from if they are many."""
        from .links import Listing

        query = () if request is None else [value for number, value in request.options() if number == n.URI_QUERY]
        address = self.groups.asked if self.groups is not None else None
        found = Listing(self.resources.values(), query, address and "coap://" + address_text(address))
        if request is not None and found.size() > self._block:
            return found
        return found.text()
