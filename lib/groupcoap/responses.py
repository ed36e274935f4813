"""A client's cache of the responses to its group requests (RFC 7252 §8.2.1, draft-ietf-core-groupcomm-bis §3.5).

A GET or FETCH always goes to the group, since members may have joined. It carries the ETags of what is stored: an
origin's 2.03 delivers its stored response, fresh again. Of an origin that has not answered by the end, a stored
response that is still fresh is delivered instead.

Through a proxy it carries the Group-ETag, too, that came last with a whole exchange; the proxy's own 2.03 with that
delivers all of that exchange again (draft-ietf-core-groupcomm-proxy §7.3). A response that was lost on its way from the
proxy is missing then as well: nothing tells how many there were.
"""

from . import numbers as n
from .message import encoded, insert, option_of, uint_bytes
from .options import no_cache_key, unsafe
from .request import DEFAULT_MAX_AGE, Response
from .timers import MAX_SPAN, after, elapsed

_ETAGS = 4  # in one request
_SWEEP = 0x8000000  # ms between looks at what is no longer fresh; well below the clock's half


class _Entry:
    def __init__(self, exchange, response, now):
        self.key = exchange.key
        self.target = _target(exchange.request)  # path and query, as the Uri-* options have them
        self.response = response
        self.etag = response.option(n.ETAG)
        self.ambiguous = False  # does another origin use the same ETag?
        self.exchange = exchange  # that has got an answer of this origin last
        self.refresh(response, now)

    def answered(self, exchange):
        """This origin has answered in that exchange (None: it is not stored any more): the last one is not whole."""
        if self.exchange is not exchange:
            self.exchange.whole = False
            self.exchange = exchange

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


class _Exchange:
    """One request and its answers. tag: the last Group-ETag in them; whole: is every answer still stored as it was?"""

    def __init__(self, key, request):
        self.key = key
        self.request = request
        self.tag = None
        self.whole = True


class Cache:
    """Up to `places` responses of `size` bytes in all, options and keys counted; the oldest make room.

    timers: the node's, of which it takes one.
    """

    def __init__(self, places, size, timers):
        self._places = places
        self._size = size
        self._entries = []  # the oldest first
        self._exchanges = []  # that have ended with a Group-ETag, one for a key
        self._timers = timers
        self._timer = timers.reserve(1, self._sweep)

    def attach(self, request, now):
        """Let this group request, not yet started, use the cache: ETags into it, its answers into here."""
        client = request.client
        lacks = (n.ETAG, client.timeout, client.signaling, client.group_etag)
        pairs = [pair for pair in request.pairs if pair[0] not in lacks and not no_cache_key(pair[0])]
        key = bytes((request.method,)) + request.peer + encoded(pairs)
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
        if request.proxied and option_of(request.pairs, client.timeout) is not None:
            for each in self._exchanges:
                if each.key == key and each.whole:
                    insert(request.pairs, client.group_etag, each.tag)
        deliver = request.deliver
        exchange = _Exchange(key, request)
        request.deliver = lambda item: self._delivered(exchange, deliver, item)

    def watch(self, request):
        """Let what this request changes at an origin make its stored responses stale (RFC 7252 §5.9.1)."""
        deliver = request.deliver
        target = _target(request)

        def delivered(item):
            if isinstance(item, Response) and item.code in (n.CREATED, n.DELETED, n.CHANGED):
                for entry in self._entries:
                    if entry.target == target and entry.response.origin == item.origin:
                        entry.fresh = entry.exchange.whole = False
            deliver(item)

        request.deliver = delivered

    def _delivered(self, exchange, deliver, item):
        request = exchange.request
        key = exchange.key
        now = request.client.now
        if item is None:
            self._ended(exchange, now)
            for entry in list(self._entries):
                if entry.key == key and entry.fresh and entry.exchange is not exchange:
                    deliver(_copy(entry, now, 0))
        elif isinstance(item, Response) and (item.origin is not None or item.reply_from is not None):
            exchange.tag = item.option(request.client.group_etag, exchange.tag)
            entry = self._find(key, item)
            if item.code == n.VALID:
                if entry is None or entry.etag != item.option(n.ETAG):
                    # the ETag of another origin's: its own is still to be had
                    request.refetch((item.origin, item.reply_from) if item.reply_from else item.origin, now)
                    return
                entry.answered(exchange)
                entry.update(item)
                entry.refresh(item, now)
                item = _copy(entry, now, item.rtt)
            elif item.code == n.CONTENT:
                self._store(item, exchange, now)
            else:
                exchange.whole = False
                if entry is not None:
                    entry.answered(exchange)
        elif isinstance(item, Response) and item.code == n.VALID and self._again(exchange, deliver, item, now):
            return
        deliver(item)

    def _ended(self, exchange, now):
        # All that this exchange gives has come: from now on its last Group-ETag stands for it.
        self._forget_freshness(now)
        self._exchanges = [each for each in self._exchanges if each.whole and each.key != exchange.key]
        if exchange.tag is not None and not exchange.request.lost:
            self._exchanges.append(exchange)

    def _again(self, exchange, deliver, valid, now):
        # Deliver what the Group-ETag in the proxy's own 2.03 stands for: False where that is not known.
        tag = valid.option(exchange.request.client.group_etag)
        for old in self._exchanges:
            if old.key == exchange.key and old.tag == tag and old.whole:
                exchange.tag = tag
                for entry in list(self._entries):
                    if entry.exchange is old:
                        entry.answered(exchange)
                        entry.update(valid)
                        entry.refresh(valid, now)
                        deliver(_copy(entry, now, valid.rtt))
                return True
        return False

    def _find(self, key, item):
        for entry in self._entries:
            found = entry.response
            if entry.key == key and found.origin == item.origin and found.reply_from == item.reply_from:
                return entry
        return None

    def _store(self, response, exchange, now):
        key = exchange.key
        old = self._find(key, response)
        if old is not None:
            old.answered(exchange)
            self._entries.remove(old)
        entry = _Entry(exchange, response, now)
        if entry.size() > self._size:
            exchange.whole = False
            return
        for other in self._entries:
            if entry.etag is not None and other.key == key and other.etag == entry.etag:
                other.ambiguous = entry.ambiguous = True
        self._entries.append(entry)
        while len(self._entries) > self._places or sum([each.size() for each in self._entries]) > self._size:
            self._entries.pop(0).answered(None)
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
    copy = Response(found.code, pairs, found.payload, found.origin, rtt)
    copy.reply_from = found.reply_from
    copy.security = found.security
    return copy
