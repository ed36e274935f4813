"""Registration at a resource directory (RFC 9176 §5): found, kept alive, taken back.

One request at a time: discover where to register, register, then update before the lifetime is over, for as long as
that is wanted; whatever fails begins anew, later each time. What a request has come to is only noted when the client
delivers it, and taken up when the timer rings, at once: so everything happens at a known time, and one timer does.
"""

from micropython import const

from . import numbers as n
from . import uri
from .client import Response
from .link_parser import parse
from .timers import after

DEFAULT_LIFETIME = 90000  # s (§5)

_FIRST_PAUSE = const(60000)  # ms after a failure, doubled for each further one
_LONGEST_PAUSE = const(3600000)
_LONGEST_MAX_AGE = const(86400)  # s that a 5.03 may ask for
_LEAST_MAX_AGE = const(5)
_STEP = const(0x10000000)  # ms: a longer wait is made of several
_LONGEST_NAME = const(63)  # bytes (§5)
_LONGEST_LOCATION = const(255)  # bytes

_OFF = const(0)
_DISCOVER = const(1)
_REGISTER = const(2)
_UPDATE = const(3)
_REMOVE = const(4)


class Registration:
    """Keeps the endpoint `name` (at most 63 bytes) registered, with what links() gives: link format, bytes.

    directory: uri.Uri with an address; without a path the directory is asked where to register, /rd where it doesn't
    tell. lifetime: s. base: URI of the endpoint, where it is not the address that `client` sends from. domain: the
    sector that it belongs to. kind: endpoint type; a commissioning tool registers a group with "core.rd-group" and the
    group's address as `base` (RFC 9176 A). Raises ValueError for what no directory takes.
    """

    def __init__(
        self, client, timers, directory, name, links, lifetime=DEFAULT_LIFETIME, base=None, domain=None, kind=None
    ):
        if directory.address is None or uri.is_multicast(directory.address):
            raise ValueError("resource directory %s: expected the URI of one server" % directory)
        if not 1 <= lifetime < 1 << 32:
            raise ValueError("lifetime of %s s: expected 1 to 4294967295" % lifetime)
        if base is not None and (uri.parse(base).path or uri.parse(base).query):
            raise ValueError("base %s: expected a URI without a path" % base)
        self.location = None  # path of the registration, a list of bytes, while there is one
        self.updates = 0
        self._client = client
        self._timers = timers
        self._timer = timers.reserve(1, self._due)
        self._directory = directory
        self._resource = directory  # where to register
        self._links = links
        self._span = lifetime * 1000
        self._query = [_parameter("ep", name), _parameter("lt", str(lifetime))]
        if base is not None:
            self._query.append(_parameter("base", base, 250))
        if domain is not None:
            self._query.append(_parameter("d", domain))
        if kind is not None:
            self._query.append(_parameter("et", kind))
        self._wanted = False
        self._step = _OFF
        self._busy = False  # is a request under way?
        self._slot = None
        self._sent = 0
        self._outcome = None  # a Response, or why there is none
        self._left = 0  # ms to wait once the timer has rung
        self._rest = 0  # ms of the lifetime that are left then
        self._pause = _FIRST_PAUSE
        self._done = None

    def start(self, now):
        """Register, and keep it so."""
        self._wanted = True
        if self._step == _OFF:
            self._begin(now)

    def move(self, old, new, now):
        """Register anew where that is wanted: the own address, which the directory has read off, is another now."""
        if self._wanted:
            if self._busy:
                self._client.cancel(self._slot, now)
                self._busy = False
            self._outcome = None
            self._begin(now)

    def stop(self, now, done=None):
        """Take the registration back; done() is called when the directory knows, or cannot be told."""
        self._wanted = False
        self._done = done
        if self._step == _REMOVE or (self._step == _REGISTER and (self._busy or self._outcome is not None)):
            return  # done() comes later: the answer tells what is to be removed
        if self._busy:
            self._client.cancel(self._slot, now)
            self._busy = False
        self._leave(now)

    def failed(self, reason):
        """Called with a text when registering has failed; it is tried again."""

    def _begin(self, now):
        self.location = None
        self._resource = self._directory
        self._ask(_REGISTER if self._directory.path else _DISCOVER, now)

    def _leave(self, now):
        self._outcome = None
        if self.location is not None:
            self._ask(_REMOVE, now)
            return
        self._step = _OFF
        self._timers.stop(self._timer)
        done = self._done
        self._done = None
        if done:
            done()

    def _ask(self, step, now):
        # Send the request of this step.
        self._step = step
        self._left = 0
        self._sent = now
        self._busy = True
        try:
            if step == _DISCOVER:
                to = _with(self._directory, [b".well-known", b"core"], [b"rt=core.rd"])
                self._slot = self._client.send(self._deliver, now, n.GET, to)
            elif step == _REGISTER:
                to = _with(self._resource, self._resource.path, self._resource.query + self._query)
                self._slot = self._client.send(self._deliver, now, n.POST, to, self._links(), n.LINK_FORMAT)
            else:
                to = _with(self._resource, self.location, [])
                self._slot = self._client.send(self._deliver, now, n.POST if step == _UPDATE else n.DELETE, to)
        except Exception as e:  # no room, links too long, or a fault in links(): not the end of registering
            self._deliver(e)

    def _deliver(self, item):
        if item is not None:
            self._busy = False
            self._outcome = item
            self._timers.set(self._timer, self._sent)

    def _wait(self, span, now):
        step = min(span, _STEP)
        self._left = span - step
        self._timers.set(self._timer, after(now, step))

    def _spread(self, span):
        # Up to a fifth longer, so that nodes that were switched on together don't come together.
        return span + span * self._client.endpoint.entropy(1)[0] // 1280

    def _due(self, i, now):
        outcome = self._outcome
        if outcome is not None:
            self._outcome = None
            code = outcome.code if isinstance(outcome, Response) else n.EMPTY
            self._take(code, outcome, now)
        elif self._left:
            self._wait(self._left, now)
        else:
            self._ask(self._step, now)

    def _take(self, code, outcome, now):
        step = self._step
        if step == _REMOVE:
            self.location = None
        elif step == _REGISTER and code == n.CREATED:
            self.location = _location(outcome)
        if not self._wanted:
            self._leave(now)
        elif step == _REMOVE:  # started again in the meantime
            self._begin(now)
        elif step == _DISCOVER and code and code >> 5 != 5:
            self._resource = _registration_resource(self._directory, outcome if code == n.CONTENT else None)
            self._ask(_REGISTER, now)
        elif step == _REGISTER and self.location is not None:
            self._registered(now)
        elif step == _UPDATE and code >> 5 == 2:
            self.updates += 1
            self._registered(now)
        elif step == _UPDATE:
            self._update_failed(_max_age(code, outcome), now)
        else:
            self.failed(n.dotted(code) if code else str(outcome))
            self._step = _REGISTER if self._directory.path else _DISCOVER
            self._wait(self._spread(max(self._pause, _max_age(code, outcome) * 1000)), now)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _registered(self, now):
        # Update when 75 to 90 % of the lifetime are over.
        self._pause = _FIRST_PAUSE
        self._step = _UPDATE
        span = self._spread(self._span * 3 // 4)
        self._rest = self._span - span
        self._wait(span, now)

    def _update_failed(self, max_age, now):
        # Later if the directory says so and there is time left, else register anew (§5.3.1).
        span = max(max_age, _LEAST_MAX_AGE) * 1000
        if max_age and span < self._rest:
            self._rest -= span
            self._wait(span, now)
        else:
            self._begin(now)


def _parameter(name, value, longest=_LONGEST_NAME):
    text = ("%s=%s" % (name, value)).encode()
    if not 0 < len(text) - len(name) - 1 <= longest:
        raise ValueError("%s %r: expected 1 to %d bytes" % (name, value, longest))
    return text


def _with(target, path, query):
    return uri.Uri(target.scheme, target.host, target.port, target.address, path, query)


def _max_age(code, outcome):
    # How long a 5.03 holds, s; 0 where it doesn't say.
    value = outcome.option(n.MAX_AGE) if code == n.SERVICE_UNAVAILABLE else None
    return min(int.from_bytes(value, "big"), _LONGEST_MAX_AGE) if value else 0


def _location(response):
    # Location-Path, list of bytes; None where there is none, or too much of it.
    path = [value for number, value in response.options if number == n.LOCATION_PATH]
    return path if path and sum([len(segment) for segment in path]) <= _LONGEST_LOCATION else None


def _registration_resource(directory, response):
    # The first core.rd of a listing that can be reached, as a Uri; /rd without one.
    try:
        for target, attributes in parse(response.payload if response else b""):
            rt = attributes.get("rt")
            if rt in (None, True) or "core.rd" not in rt.split():
                continue
            found = uri.parse(target if "://" in target else "coap://directory" + target)
            if target[:1] == "/":
                return _with(directory, found.path, found.query)
            if found.scheme == "coap" and found.address and not uri.is_multicast(found.address):
                return found
    except ValueError:
        pass  # from here on it is no link format
    return _with(directory, [b"rd"], [])
