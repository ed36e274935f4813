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
from ..message import Message, insert, rewrite, uint_bytes
from ..timers import after
from ..tokens import TOKEN_LENGTH
from .target import uri_hash

_BEFORE = const(250)  # ms in front of the end of T' for what is to be sent shortly before
_REFETCH = const(10000)  # ms that a server has to answer by unicast what it has revalidated by mistake
_NOTHING = const(0xFF)  # in place of the exchange that it is for
_FETCHES = const(4)  # of those at a time
_SPARE = const(2)  # free slots that it takes: one is left to the clients
_WARY = const(32)  # group requests that go out without ETags after a server that could not be asked what it has meant
_OF_ETAG = const(10)  # bytes of an ETag option, at most
_ADDED = const(40)  # bytes of a message for what a stored response is sent with besides: a longer token, options
_CHANGES = b""  # in place of a cache key: of a request that may change what is stored


class Caching:
    """Between a `Relay` and its `cache`, a `cache.Cache`. members: a `members.Members`, or None: no group is known."""

    def __init__(self, relay, cache, members=None):
        slots = len(relay.kinds)
        self._relay = relay
        self.cache = cache
        self.members = members
        self._ours = bytearray(slots)  # how many ETags of the proxy's the request has
        self._groups = [None] * slots  # packed address of the group that an exchange is with
        self._fetching = bytearray(b"\xff" * slots)  # by token slot of a refetch: the exchange that it is for
        self._longest = relay.downstream.out.size - _ADDED  # bytes of a response that is stored
        self._room = len(relay.held.bufs[0]) if relay.held.bufs else 0  # for a request that may be sent once more
        self._reply_from = options.number(options.REPLY_FROM)
        self._origins = self._reply_from, options.number(options.RESPONSE_FORWARDING)
        self._group_etag = options.number(options.GROUP_ETAG)
        self._timers = relay.upstream.timers
        self._first = self._timers.reserve(slots, self._due)
        self._stored = Message()
        self.served = 0  # requests answered from the cache alone
        self.validated_sets = 0  # of those by one 2.03
        self.unfetched = 0  # answers that could not be had by unicast
        self._wary = 0  # group requests that are still to go out without ETags
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
        if options.carries(m, self._group_etag, tag):
            self.validated_sets += 1
            left = min([self.cache.remaining(i, now) for i in found]) // 1000
            pairs = [(n.MAX_AGE, uint_bytes(left))]
            insert(pairs, self._group_etag, tag)
            proxy.answer(m, peer, now, n.VALID, pairs)
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
        unsafe = m.code != n.GET and m.code != n.FETCH
        if unsafe:  # most servers do not tell a group that they have done it
            cache.invalidate(uri_hash(written, False))
        if slot < 0 or not seconds:  # no answers are wanted
            return put
        if unsafe:
            relay.uris[slot] = uri_hash(written, False)
            relay.shortcut(slot, _CHANGES)
            return put
        digest = cache.digest(written, target.salt)
        if digest is None:
            return put
        relay.uris[slot] = uri_hash(written, False)
        relay.shortcut(slot, digest)
        self._groups[slot] = target.group
        etags = ()
        if self._may_revalidate(m) and relay.upstream.tokens.free >= _SPARE:
            if self._wary:
                self._wary -= 1
            else:
                etags = cache.etags(digest, target.group, self._members(target.group), slot)
        if written.end + TOKEN_LENGTH + _OF_ETAG * len(etags) > self._room:
            etags = ()  # a server could not be asked anew
            cache.clear(slot)
        return self._with_etags(slot, put, etags)

    def _may_revalidate(self, m):
        # A client's own ETags say what it wants to know, and notifications are to be whole.
        return m.find(n.ETAG) < 0 and m.find(n.OBSERVE) < 0

    def _with_etags(self, slot, put, etags):
        # The options of a request that goes out with these ETags of what is stored.
        self._ours[slot] = len(etags)
        if etags:
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
        if self._ours[slot]:
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
        if m is not None and tag is not None and options.carries(m, n.ETAG, tag):
            out.buf[1] = n.VALID
            pairs = [(n.ETAG, tag), (n.MAX_AGE, uint_bytes(self.cache.remaining(i, now) // 1000))]
            for number in self._origins:
                value = self.cache.option(i, number)
                if value is not None and number != without:
                    insert(pairs, number, value)
            for number, value in pairs:
                out.option(number, value)
            return
        self.cache.write(i, out, now, without, extra)

    # Responses

    def took(self, slot, m, peer, digest, end, now):
        """A group's response has come. It is in the client's endpoint's buffer up to `end`; 0: it was not relayed."""
        relay = self._relay
        cache = self.cache
        if digest == _CHANGES:
            if m.code in (n.CREATED, n.DELETED, n.CHANGED):
                cache.invalidate(relay.uris[slot], peer)
            return
        if end and m.code == n.CONTENT:
            buf = relay.downs[slot].buf
            self._store(slot, peer, buf, 4 + (buf[0] & 15), end, m, now)
        elif end and m.code == n.VALID:
            self._refresh(digest, peer, m, now)
        cache.heard(slot, digest, peer)

    def _store(self, slot, peer, buf, start, end, m, now):
        # Keep the response m, whose options and payload are buf[start:end], if it can be sent with what comes to it.
        relay = self._relay
        ms = max_age(m) if end - start <= self._longest else 0
        self.cache.store(relay.digests[slot], self._groups[slot], peer, buf, start, end, ms, relay.uris[slot], now)

    def _refresh(self, digest, peer, m, now):
        # The server's entry, which the 2.03 m has made fresh again, or -1 where it is about something else.
        i = self.cache.find(digest, peer)
        return i if i >= 0 and self.cache.refresh(i, m, max_age(m), now) else -1

    def validated(self, slot, m, peer, now):
        """Is this response a 2.03 that is due to ETags of the proxy's? Then the stored response takes its place."""
        if not self._ours[slot] or m.code != n.VALID:
            return False
        digest = self._relay.digests[slot]
        i = self._refresh(digest, peer, m, now)
        if i >= 0:
            self._send(slot, i, now)
        else:
            self._fetch(slot, peer, now)  # the ETag of another server's: its own is still to be had
        self.cache.heard(slot, digest, peer)
        return True

    def _fetch(self, slot, peer, now):
        # Have a server's response by unicast, without ETags. Where there is no room for that it is lost, and for a
        # while nothing is asked that can be misunderstood.
        relay = self._relay
        m = relay.held_request(slot)
        fetching = sum([1 for other in self._fetching if other != _NOTHING])
        if m is None or fetching >= _FETCHES or relay.upstream.tokens.free < _SPARE:
            self.unfetched += 1
            self._wary = _WARY
            return
        at = relay.upstream.tokens.allocate(self, _REFETCH, now, peer)
        if at >= 0:
            self._fetching[at] = slot
            self._ask(self, at, peer, n.CON, m, now)

    def _ask(self, owner, at, server, kind, m, now):
        # Send the request m, without our ETags, under the token of the slot `at`.
        up = self._relay.upstream
        if up.outgoing.full():
            kind = n.NON  # what rides on the ACK of a CON that nobody repeats is nobody's
        self._relay.begin_upstream(at, kind, m.code)
        rewrite(up.out, m, (n.ETAG, n.OBSERVE), ())
        if kind == n.NON and owner is self._relay:
            owner.send_once(at)
        elif kind == n.NON:
            up.send(server)
        else:
            up.send_confirmable(server, owner, at, now)

    def response(self, at, m, peer, now):
        """Take the response to what was fetched (Tokens' owner)."""
        slot = self._fetching[at]
        self._release(at, now)
        self._relay.response(slot, m, peer, now)

    def token_expired(self, at, now):
        """The server has not answered (Tokens' owner)."""
        self._release(at, now)

    def _release(self, at, now):
        self._fetching[at] = _NOTHING
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
        if not cache.remaining(i, now):
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
        relay.uris[slot] = uri_hash(written, False)
        if m.code != n.GET and m.code != n.FETCH:
            relay.digests[slot] = _CHANGES
            return put
        relay.digests[slot] = digest = cache.digest(written, target.salt)
        tag = None
        if digest is not None and self._may_revalidate(m):
            i = cache.find(digest, target.address)
            tag = cache.etag(i) if i >= 0 else None
        if tag is not None and not relay.hold(slot):
            tag = None
        return self._with_etags(slot, put, () if tag is None else (tag,))

    def unanswered(self, written, server):
        """This request for a single server goes out, and has no answer that would tell what it has done."""
        self.cache.invalidate(uri_hash(written, False), server)

    def individual(self, slot, m, now):
        """Take a single server's response: True where a stored one takes its place, or one that is asked for anew."""
        relay = self._relay
        cache = self.cache
        digest = relay.digests[slot]
        server = relay.targets[slot]
        if digest is None:
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
            self._store(slot, server, out.buf, 4, out.end, m, now)
        elif m.code == n.VALID:
            i = self._refresh(digest, server, m, now)
            if self._ours[slot]:
                if i >= 0:
                    self._answer_stored(slot, i, now)
                else:
                    self._ask_anew(slot, now)
                return True
        return False

    def _answer_stored(self, slot, i, now):
        out = self._relay.upstream.out
        out.begin(n.NON, n.CONTENT, 0)
        self.cache.write(i, out, now, self._reply_from)
        self._stored.parse(out.buf, out.end)
        self._relay.answer(slot, self._stored, now)

    def _ask_anew(self, slot, now):
        relay = self._relay
        self._ours[slot] = 0
        relay.upstream.outgoing.cancel(relay, slot, now)
        m = relay.held_request(slot)
        self._ask(relay, slot, relay.targets[slot], m.type(), m, now)

    def closed(self, slot, now):
        """This exchange is over (Relay's part)."""
        self._timers.stop(self._first + slot)
        self.cache.clear(slot)
        self._ours[slot] = 0
        self._groups[slot] = None
        for at in range(len(self._fetching)):
            if self._fetching[at] == slot:
                self._release(at, now)
