"""When the proxy answers from its cache, and what it puts into it (draft-ietf-core-groupcomm-proxy §7).

A group request is answered from the cache alone where all members of the group are known and have a fresh entry; its
Group-ETag then saves them all. Else it goes out, and fresh entries serve as a fallback: at once where they get stale
before T' ends, else shortly before that for those servers that have not answered. What is stored is revalidated by
giving its ETags to a request that goes out anyway: a server's 2.03 then stands for what is stored.
"""

from micropython import const

from .. import numbers as n
from .. import options
from ..freshness import max_age
from ..message import Message, encoded, insert, uint_bytes
from ..resource import carries
from ..timers import after
from .relay import GROUP, rewrite
from .target import uri_hash

_BEFORE = const(250)  # ms in front of the end of T' for what is to be sent shortly before
_REFETCH = const(10000)  # ms that a server has to answer by unicast what it has revalidated by mistake
_CHANGES = b""  # in place of a cache key: of a request that may change what is stored

# What a slot's request has to do with ETags
_THEIRS = const(1)  # it has those of the client
_OURS = const(2)  # and those of the proxy


class Caching:
    """Between a `Relay` and its `cache`, a `cache.Cache`. members: a `members.Members`, or None: no group is known."""

    def __init__(self, relay, cache, members=None):
        slots = len(relay.kinds)
        self._relay = relay
        self.cache = cache
        self.members = members
        self._etags = bytearray(slots)
        self._groups = [None] * slots  # packed address of the group that an exchange is with
        self._fetching = bytearray(b"\xff" * slots)  # by token slot of a refetch: the exchange that it is for
        self._reply_from = options.number(options.REPLY_FROM)
        self._group_etag = options.number(options.GROUP_ETAG)
        self._timers = relay.upstream.timers
        self._first = self._timers.reserve(slots, self._due)
        self._stored = Message()
        self.served = 0  # requests answered from the cache alone
        self.validated_sets = 0  # of those by one 2.03
        relay.caching = self

    def _members(self, group):
        return None if self.members is None else self.members.of(group)

    # Requests to a group

    def serve(self, proxy, m, peer, target, written, seconds, observe, now):
        """Answer a group request from the cache alone: True, or False where it has to go out.

        written: the request as it would go out.
        """
        digest = self.cache.digest(written, target.salt) if seconds and observe is None else None
        members = self._members(target.group)
        found = None if digest is None else self.cache.complete(digest, target.group, members, now)
        if found is None:
            return False
        self.served += 1
        down = proxy.down
        tag = self.cache.tag(found)
        if carries(m, self._group_etag, tag):
            self.validated_sets += 1
            left = min([self.cache.remaining(i, now) for i in found]) // 1000
            pairs = [(n.MAX_AGE, uint_bytes(left))]
            insert(pairs, self._group_etag, tag)
            pairs = encoded(pairs)
            down.reply(peer, m, n.VALID, pairs, len(pairs))
            return True
        if m.type() == n.CON:
            down.acknowledge(m, peer)
        for i in found:
            down.out.begin(n.NON, n.CONTENT, down.next_mid(), m.buf, 4, m.buf[0] & 15)
            self._write(i, down.out, m, now, 0, (self._group_etag, tag))
            down.send(peer)
        return True

    def open(self, slot, m, target, written, put, seconds):
        """A group request is about to go out as exchange `slot`, -1 for none: the options `put` that it gets."""
        relay = self._relay
        cache = self.cache
        if m.code != n.GET and m.code != n.FETCH:
            if slot >= 0:
                relay.uris[slot] = uri_hash(written)
                relay.shortcut(slot, _CHANGES)
            return put
        digest = cache.digest(written, target.salt) if seconds else None
        if digest is None:
            return put
        relay.uris[slot] = uri_hash(written)
        relay.shortcut(slot, digest)
        self._groups[slot] = target.group
        observed = any(pair[0] == n.OBSERVE for pair in put)  # notifications are to be whole
        etags = () if observed else cache.etags(digest, target.group, self._members(target.group))
        return self._with_etags(slot, m, put, etags)

    def _with_etags(self, slot, m, put, etags):
        # A request goes out with the ETags of what is stored, unless the client has its own.
        self._etags[slot] = 0
        if m.find(n.ETAG) >= 0:
            self._etags[slot] = _THEIRS
        elif etags:
            self._etags[slot] = _OURS
            put = list(put)
            for tag in etags:
                insert(put, n.ETAG, tag)
        return put

    def begun(self, slot, target, seconds, now):
        """The group request has gone out: what is stored and fresh answers it at once, or later."""
        relay = self._relay
        cache = self.cache
        digest = relay.digests[slot]
        if not digest:
            return
        if self._etags[slot] == _OURS:
            relay.hold(slot)
            relay.detour(slot)
        later = False
        for i in cache.matching(digest, target.group, self._members(target.group)):
            left = cache.remaining(i, now)
            if 0 < left < seconds * 1000:
                self._send(slot, i, now)
            elif left:
                cache.expect(slot, i)
                later = True
        if later:
            self._timers.set(self._first + slot, after(now, seconds * 1000 - _BEFORE))

    def _due(self, slot, now):
        for i in self.cache.due(slot, now):
            self._send(slot, i, now)

    def _send(self, slot, i, now):
        # Relay a stored response in this exchange.
        relay = self._relay
        down = relay.downs[slot]
        relay.begin(slot, n.NON, n.CONTENT)
        self._write(i, down.out, None, now)
        relay.count(slot)
        down.send(relay.peers[slot])

    def _write(self, i, out, m, now, without=0, extra=None):
        # Entry i behind the header of a 2.05; as 2.03 without a payload where the request m has its ETag.
        tag = self.cache.etag(i)
        if m is not None and tag is not None and carries(m, n.ETAG, tag):
            out.buf[1] = n.VALID
            pairs = [(n.ETAG, tag), (n.MAX_AGE, uint_bytes(self.cache.remaining(i, now) // 1000))]
            if not without:
                insert(pairs, self._reply_from, self.cache.option(i, self._reply_from))
            for number, value in pairs:
                out.option(number, value)
            return
        self.cache.write(i, out, now, without, extra)

    # Responses

    def took(self, slot, m, peer, digest, end, now):
        """A group's response has been relayed: it stands in the client's endpoint's buffer up to `end`."""
        relay = self._relay
        cache = self.cache
        if digest == _CHANGES:
            if m.code in (n.CREATED, n.DELETED, n.CHANGED):
                cache.invalidate(relay.uris[slot], peer)
            return
        if m.code == n.CONTENT:
            buf = relay.downs[slot].buf
            cache.store(
                digest, self._groups[slot], peer, buf, 4 + (buf[0] & 15), end, max_age(m), relay.uris[slot], now
            )
        elif m.code == n.VALID:
            self._refresh(cache.find(digest, peer), m, now)
        cache.heard(slot, digest, peer)

    def _refresh(self, i, m, now):
        # The entry, from now on, that this 2.03 makes fresh again where it is about entry i, or -1.
        return self.cache.refresh(i, m, max_age(m), now) if i >= 0 else -1

    def validated(self, slot, m, peer, now):
        """Is this response a 2.03 that is due to ETags of the proxy's? Then the stored response takes its place."""
        if self._etags[slot] != _OURS or m.code != n.VALID:
            return False
        digest = self._relay.digests[slot]
        i = self._refresh(self.cache.find(digest, peer), m, now)
        if i >= 0:
            self._send(slot, i, now)
        else:
            self._fetch(slot, peer, now)  # the ETag of another server's: its own is still to be had
        self.cache.heard(slot, digest, peer)
        return True

    def _fetch(self, slot, peer, now):
        # Have a server's response by unicast, without ETags; lost where there is no room for that.
        relay = self._relay
        up = relay.upstream
        m = relay.held_request(slot)
        at = up.tokens.allocate(self, _REFETCH, now, peer) if m is not None else -1
        if at >= 0:
            self._fetching[at] = slot
            relay.begin_upstream(at, n.CON, m.code)
            rewrite(up.out, m, (n.ETAG, n.OBSERVE), ())
            if not up.send_confirmable(peer, self, at, now):
                up.send(peer)

    def response(self, at, m, peer, now):
        """Take the response to what was fetched (Tokens' owner)."""
        slot = self._fetching[at]
        self._release(at, now)
        if slot != 0xFF and self._relay.kinds[slot] == GROUP:
            self._relay.response(slot, m, peer, now)

    def token_expired(self, at, now):
        """The server has not answered (Tokens' owner)."""
        self._release(at, now)

    def _release(self, at, now):
        self._fetching[at] = 0xFF
        self._relay.upstream.outgoing.cancel(self, at, now)
        self._relay.upstream.tokens.release(at)

    def acknowledged(self, at, now):
        """The server has the request (Outgoing's owner)."""

    def message_failed(self, at, reset, now):
        """It has not."""
        self._release(at, now)

    # Requests to a single server

    def serve_individual(self, proxy, m, peer, target, written, now):
        """Answer a request for a single server from the cache: True, or False where it has to go out."""
        cache = self.cache
        digest = cache.digest(written, target.salt) if m.find(n.OBSERVE) < 0 else None
        i = -1 if digest is None else cache.find(digest, target.address)
        if i < 0 or not cache.remaining(i, now):
            return False
        self.served += 1
        down = proxy.down
        confirmable = m.type() == n.CON
        kind, mid = (n.ACK, m.mid()) if confirmable else (n.NON, down.next_mid())
        down.out.begin(kind, n.CONTENT, mid, m.buf, 4, m.buf[0] & 15)
        self._write(i, down.out, m, now, self._reply_from)
        down.send(peer)
        return True

    def open_individual(self, slot, m, target, written, put):
        """A request for a single server is about to go out as exchange `slot`: the options `put` that it gets."""
        relay = self._relay
        cache = self.cache
        relay.uris[slot] = uri_hash(written)
        self._groups[slot] = None
        if m.code != n.GET and m.code != n.FETCH:
            relay.digests[slot] = _CHANGES
            return put
        relay.digests[slot] = digest = cache.digest(written, target.salt)
        i = -1 if digest is None else cache.find(digest, target.address)
        tag = cache.etag(i) if i >= 0 else None
        return self._with_etags(slot, m, put, () if tag is None else (tag,))

    def individual(self, slot, m, now):
        """Take a single server's response: True where a stored one takes its place."""
        relay = self._relay
        cache = self.cache
        digest = relay.digests[slot]
        server = relay.targets[slot]
        if digest is None or relay.hops[slot]:
            return False
        if digest == _CHANGES:
            if m.code in (n.CREATED, n.DELETED, n.CHANGED):
                cache.invalidate(relay.uris[slot], server)
        elif m.code == n.CONTENT:
            out = relay.upstream.out
            out.begin(n.NON, m.code, 0)
            name = bytes(memoryview(relay.name_of(slot, server))[1:])
            try:
                rewrite(out, m, (n.OBSERVE, self._reply_from), ((self._reply_from, name),))
            except ValueError:
                return False
            cache.store(digest, None, server, out.buf, 4, out.end, max_age(m), relay.uris[slot], now)
        elif m.code == n.VALID:
            i = self._refresh(cache.find(digest, server), m, now)
            if i >= 0 and self._etags[slot] == _OURS:
                out = relay.upstream.out
                out.begin(n.NON, n.CONTENT, 0)
                cache.write(i, out, now, self._reply_from)
                self._stored.parse(out.buf, out.end)
                relay.answer(slot, self._stored, now)
                return True
        return False

    def closed(self, slot, now):
        """This exchange is over (Relay's part)."""
        self._timers.stop(self._first + slot)
        self.cache.clear(slot)
        self._etags[slot] = 0
        self._groups[slot] = None
        for at in range(len(self._fetching)):
            if self._fetching[at] == slot:
                self._release(at, now)
