"""A client's cache of the responses to its group requests (RFC 7252 §8.2.1, draft-ietf-core-groupcomm-bis §3.5).

A GET or FETCH always goes to the group, since members may have joined. It carries the ETags of what is stored: an
origin's 2.03 delivers its stored response, fresh again. Of an origin that has not answered by the end, a stored
response that is still fresh is delivered instead.
"""

from . import numbers as n
from .message import encoded, insert, uint_bytes
from .options import no_cache_key, unsafe
from .request import DEFAULT_MAX_AGE, Response
from .timers import MAX_SPAN, after, elapsed

_ETAGS = 4  # in one request
_SWEEP = 0x8000000  # ms between looks at what is no longer fresh; well below the clock's half


class _Entry:
    def __init__(self, key, target, response, now):
        self.key = key
        self.target = target  # path and query, as the Uri-* options have them
        self.response = response
        self.etag = response.option(n.ETAG)
        self.ambiguous = False  # does another origin use the same ETag?
        self.request = None  # that has got an answer of this origin last
        self.refresh(response, now)

    def refresh(self, response, now):
        """Fresh from now for the Max-Age of this response."""
        self.until = after(now, min(response.option_uint(n.MAX_AGE, DEFAULT_MAX_AGE), MAX_SPAN // 1000) * 1000)
        self.fresh = True

    def update(self, valid):
        """Take over the options of a 2.03 that are Safe-to-Forward (RFC 7252 §5.9.1.3)."""
        pairs = self.response.options
        fresh = [pair for pair in valid.options if not unsafe(pair[0])]
        for number, _ in fresh:
            pairs = [pair for pair in pairs if pair[0] != number]
        for number, value in fresh:
            insert(pairs, number, value)
        self.response.options = pairs

    def size(self):
        """Bytes that count: key, target, payload, options."""
        response = self.response
        options = sum([len(value) for _, value in response.options])
        return len(self.key) + len(self.target) + len(response.payload) + options


class Cache:
    """Up to `places` responses of `size` bytes in all, options and keys counted; the oldest make room.

    timers: the node's, of which it takes one.
    """

    def __init__(self, places, size, timers):
        self._places = places
        self._size = size
        self._entries = []  # the oldest first
        self._timers = timers
        self._timer = timers.reserve(1, self._sweep)

    def attach(self, request, now):
        """Let this group request, not yet started, use the cache: ETags into it, its answers into here."""
        lacks = (n.ETAG, request.client.timeout, request.client.signaling)
        pairs = [pair for pair in request.pairs if pair[0] not in lacks and not no_cache_key(pair[0])]
        key = bytes((request.method,)) + request.target.address + encoded(pairs)
        if request.payload:
            key += b"\xff" + bytes(request.payload)
        self._forget_freshness(now)
        etags = []
        for entry in self._entries:
            usable = entry.key == key and entry.etag is not None and not entry.ambiguous
            if usable and entry.etag not in etags and len(etags) < _ETAGS:
                etags.append(entry.etag)
        for etag in etags:
            insert(request.pairs, n.ETAG, etag)
        deliver = request.deliver
        request.deliver = lambda item: self._delivered(request, key, deliver, item)

    def watch(self, request):
        """Let what this request changes at an origin make its stored responses stale (RFC 7252 §5.9.1)."""
        deliver = request.deliver
        target = _target(request)

        def delivered(item):
            if isinstance(item, Response) and item.code in (n.CREATED, n.DELETED, n.CHANGED):
                for entry in self._entries:
                    if entry.target == target and entry.response.origin == item.origin:
                        entry.fresh = False
            deliver(item)

        request.deliver = delivered

    def _delivered(self, request, key, deliver, item):
        now = request.client.now
        if item is None:
            self._forget_freshness(now)
            for entry in list(self._entries):
                if entry.key == key and entry.fresh and entry.request is not request:
                    deliver(_copy(entry, now, 0))
        elif isinstance(item, Response) and item.origin is not None:
            entry = self._find(key, item.origin)
            if item.code == n.VALID:
                if entry is None or entry.etag != item.option(n.ETAG):
                    request.refetch(item.origin, now)  # the ETag of another origin's: its own is still to be had
                    return
                entry.update(item)
                entry.refresh(item, now)
                entry.request = request
                item = _copy(entry, now, item.rtt)
            elif item.code == n.CONTENT:
                self._store(key, item, request, now)
            elif entry is not None:
                entry.request = request
        deliver(item)

    def _find(self, key, origin):
        for entry in self._entries:
            if entry.key == key and entry.response.origin == origin:
                return entry
        return None

    def _store(self, key, response, request, now):
        old = self._find(key, response.origin)
        if old is not None:
            self._entries.remove(old)
        entry = _Entry(key, _target(request), response, now)
        entry.request = request
        if entry.size() > self._size:
            return
        for other in self._entries:
            if entry.etag is not None and other.key == key and other.etag == entry.etag:
                other.ambiguous = entry.ambiguous = True
        self._entries.append(entry)
        while len(self._entries) > self._places or sum([each.size() for each in self._entries]) > self._size:
            self._entries.pop(0)
        if not self._timers.running(self._timer):
            self._timers.set(self._timer, after(now, _SWEEP))

    def _forget_freshness(self, now):
        for entry in self._entries:
            if elapsed(now, entry.until) >= 0:
                entry.fresh = False

    def _sweep(self, _, now):
        # Without that, an entry would look fresh again when the clock has gone round.
        self._forget_freshness(now)
        if self._entries:
            self._timers.set(self._timer, after(now, _SWEEP))


def _target(request):
    target = request.target
    return encoded([(n.URI_PATH, part) for part in target.path] + [(n.URI_QUERY, part) for part in target.query])


def _copy(entry, now, rtt):
    # The stored response, with what is left of its Max-Age.
    found = entry.response
    pairs = [pair for pair in found.options if pair[0] != n.MAX_AGE]
    insert(pairs, n.MAX_AGE, uint_bytes(max(0, -elapsed(now, entry.until)) // 1000))
    return Response(found.code, pairs, found.payload, found.origin, rtt)
