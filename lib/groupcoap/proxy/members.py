"""Who the members of a group are, as far as the proxy knows: from its configuration, or from a resource directory.

A directory is asked by an endpoint lookup (RFC 9176 §6.3) such as coap://192.0.2.9/rd-lookup/ep?d=floor1; what is
registered there with a base of an IP address is a member. It is asked again when its answer is no longer fresh.
"""

from micropython import const

from .. import numbers as n
from .. import uri
from ..timers import after

_RETRY = const(60000)  # ms after a lookup that failed
_LEAST = const(10000)
_MOST = const(3600000)
_PLACES = const(64)  # members of one group


class Members:
    """known: packed addresses of its members by that of a group."""

    def __init__(self, known):
        self._known = known

    def of(self, group):
        """The packed addresses of the members of this group, or None where they are not known."""
        return self._known.get(group)

    def __len__(self):
        return len(self._known)

    def learn(self, client, group, lookup, timers, now):
        """Ask a directory for the members of this group, from now on. client: a `client.Client`; lookup: a Uri."""
        _Lookup(self._known, client, group, lookup, timers).ask(now)


class _Lookup:
    def __init__(self, known, client, group, lookup, timers):
        self._known = known
        self._client = client
        self._group = group
        self._lookup = lookup
        self._timers = timers
        self._timer = timers.reserve(1, self._due)

    def ask(self, now):
        span = _RETRY
        try:
            self._client.send(self._deliver, now, n.GET, self._lookup, accept=n.LINK_FORMAT)
        except Exception:  # no room for a request now
            self._known.pop(self._group, None)
        self._timers.set(self._timer, after(now, span))

    def _due(self, _, now):
        self.ask(now)

    def _deliver(self, item):
        # A Response, why there is none, or None at the end.
        if item is None:
            return
        now = self._client.now
        code = getattr(item, "code", n.EMPTY)
        if code != n.CONTENT:
            self._known.pop(self._group, None)  # it may have changed: the cache alone does not do
            return
        self._known[self._group] = _members(item.payload, len(self._group))
        span = item.option_uint(n.MAX_AGE, 60) * 1000
        self._timers.set(self._timer, after(now, max(_LEAST, min(span, _MOST))))


def _members(payload, length):
    # The packed addresses, of this length, of the endpoints in a lookup's answer; None for none, or too many.
    from ..link_parser import parse

    found = []
    try:
        for _, attributes in parse(payload):
            base = attributes.get("base")
            address = uri.parse(base).address if isinstance(base, str) else None
            if address is not None and len(address) == length and address not in found:
                found.append(address)
    except ValueError:
        return None
    return tuple(found) if 0 < len(found) <= _PLACES else None
