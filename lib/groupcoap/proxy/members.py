"""Who the members of a group are, as far as the proxy knows: from its configuration, or from a resource directory.

A directory is asked by an endpoint lookup (RFC 9176 §6.3) such as coap://192.0.2.9/rd-lookup/ep?d=floor1; who is
registered there is a member, at its `base`. It is asked again when its answer is no longer fresh. A list that fails, or
has somebody in it whom an IP address of this network does not name, is none: then the members are not known.
"""

from micropython import const

from .. import numbers as n
from .. import uri
from ..request import RequestFailed
from ..timers import after

_RETRY = const(60000)  # ms after a lookup that failed
_LEAST = const(10000)  # ms between lookups,
_MOST = const(3600000)  # and at most
_PLACES = const(64)  # members of one group


class Members:
    """known: packed addresses of its members by that of a group."""

    def __init__(self, known):
        self._known = known

    def of(self, group):
        """The packed addresses of the members of this group, or None where they are not known."""
        return self._known.get(group)

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
        try:
            self._client.send(self._deliver, now, n.GET, self._lookup, accept=n.LINK_FORMAT)
        except (RequestFailed, ValueError):  # no room for a request now
            self._learnt(None, _RETRY, now)

    def _due(self, _, now):
        self.ask(now)

    def _deliver(self, item):
        # A Response, why there is none, or None at the end.
        if item is None:
            return
        members = None
        span = _RETRY
        if getattr(item, "code", n.EMPTY) == n.CONTENT:
            members = _members(item.payload, len(self._group))
            span = max(_LEAST, min(1000 * item.option_uint(n.MAX_AGE, 60), _MOST))
        self._learnt(members, span, self._client.now)

    def _learnt(self, members, span, now):
        if members is None:
            self._known.pop(self._group, None)  # it may have changed: the cache alone does not do
        else:
            self._known[self._group] = members
        self._timers.set(self._timer, after(now, span))


def _members(payload, length):
    # The packed addresses, of this length, of the endpoints in a lookup's answer; None where they are not all known.
    from ..link_parser import parse

    found = []
    try:
        for _, attributes in parse(payload):
            base = attributes.get("base")
            base = uri.parse(base) if isinstance(base, str) else None
            if base is None or base.scheme != "coap" or base.address is None or len(base.address) != length:
                return None
            if uri.is_multicast(base.address):  # a group (RFC 9176 appendix A)
                continue
            if base.address not in found:
                found.append(base.address)
            if len(found) > _PLACES:
                return None
    except ValueError:
        return None
    return tuple(found) or None
