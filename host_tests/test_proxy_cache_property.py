"""The proxy's cache against a plain model, under whatever keys, sizes, times and orders: never over its budget, never a
response of another server or request, an older one, a mixture, or a stale one that passes for fresh.

What the cache has dropped to make room it may have dropped; that it drops no more than that is in the model, too, and
nothing whose ETag an open request has.
"""

from groupcoap import numbers as n
from groupcoap.message import Message, Writer
from groupcoap.proxy.cache import Cache
from groupcoap.timers import MAX_SPAN
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import GROUP, GROUP2, NEAR_WRAP, Packet, Wire, datagram

SIZE = 263  # not a whole number of rooms
SLOTS = 9
KEYS = [bytes((i & 1,)) + b"ten bytes " + bytes((i,)) for i in range(4)]  # two share a bucket
SERVERS = [bytes((192, 0, 2, i & 3, 22, 51 + (i >> 2))) for i in range(6)]
NUMBERS = (n.ETAG, n.OBSERVE, n.LOCATION_PATH, n.CONTENT_FORMAT, n.MAX_AGE, n.SIZE2, 248, 65008)

key = st.integers(0, len(KEYS) - 1)
server = st.integers(0, len(SERVERS) - 1)
slot = st.integers(0, SLOTS - 1)
group = st.sampled_from((None, GROUP, GROUP2))
lifetime = st.one_of(st.integers(0, 70000), st.integers(0, 0x3FFFFFFF))
span = st.one_of(st.integers(0, 70000), st.integers(0, 1 << 31))
value = st.one_of(st.binary(max_size=3), st.sampled_from((12, 13, 14, 40)).map(lambda size: b"\xff" * size))
options = st.lists(st.tuples(st.sampled_from(NUMBERS), value), max_size=3).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)
payload = st.one_of(st.binary(max_size=8), st.integers(0, 70).map(lambda size: b"\xff" * size))
step = st.one_of(
    st.tuples(st.just("store"), key, group, server, options, payload, lifetime),
    st.tuples(st.just("store"), key, group, server, options, payload, lifetime),
    st.tuples(st.just("spend"), span),
    st.tuples(st.just("refresh"), key, server, st.booleans(), lifetime),
    st.tuples(st.just("invalidate"), st.integers(0, 1), server),
    st.tuples(st.just("expect"), slot, key, server),
    st.tuples(st.just("heard"), slot, key, server),
    st.tuples(st.just("due"), slot),
    st.tuples(st.just("ask"), slot, key),
    st.tuples(st.just("clear"), slot),
)


many = st.lists(step, min_size=20, max_size=80)


class Response:
    def __init__(self, group, options, payload, until, uri):
        self.group = group
        self.options = options
        self.payload = payload
        self.until = until
        self.uri = uri
        self.slots = set()  # that expect it
        self.asked = set()  # slots whose requests have its ETag

    def etag(self):
        first = [value for number, value in self.options if number == n.ETAG][:1]
        return first[0] if first and 1 <= len(first[0]) <= 8 else None


class Model:
    """What is stored, by key and server, with times that don't wrap, and the rings by their sizes only."""

    def __init__(self, cache, wire, places):
        self.cache = cache
        self.wire = wire
        self.places = places
        self.stored = {}
        self.log = []  # [what was appended, its room], the oldest first; None for what is gone
        self.tags = {}  # what a tag was given for

    def now(self):
        return self.wire.passed

    def store(self, k, group, s, options, payload, ms):
        data = datagram(n.NON, n.CONTENT, 0, b"", options, payload)
        length = len(data) - 4
        uri = k & 1
        at = self.cache.store(KEYS[k], group, SERVERS[s], data, 4, len(data), ms, uri, self.wire.now)
        old = self.stored.pop((k, s), None)
        kept = ms > 0 and length <= SIZE // 4
        if kept and at < 0:  # no room
            kept = False
            self.forget_what_was(k, s)
            oldest = self.log[0][0]
            assert self.stored[oldest].asked and self.cache._blocked
        assert (at >= 0) == kept
        entry = next((entry for entry in self.log if entry[0] == (k, s)), None)
        if not kept or entry is None or length > entry[1]:
            if entry is not None:
                entry[0] = None
            if kept:
                self.log.append([(k, s), length // 8 * 8 + 8])
        if kept:
            new = Response(group, options, payload, self.now() + min(ms, MAX_SPAN), uri)
            self.stored[k, s] = new
            if old is not None:
                new.slots, new.asked = old.slots, old.asked
                new.group = group or old.group
        self.forget((k, s))

    def forget_what_was(self, k, s):
        # The entry that was to be replaced, and what was dropped in front of what could not be
        for entry in self.log:
            if entry[0] == (k, s):
                entry[0] = None
        while self.log and (self.log[0][0] is None or self.find(*self.log[0][0]) < 0):
            at = self.log.pop(0)[0]
            if at is not None:
                assert not self.stored.pop(at).asked

    def forget(self, newest):
        # Drop what the cache has dropped to make room: the oldest, and as few as must be.
        gone = [at for at in self.stored if self.find(*at) < 0]
        assert not any(self.stored[at].asked for at in gone)
        assert newest not in gone
        for at in gone:
            del self.stored[at]
        last = max([i for i, entry in enumerate(self.log) if entry[0] in gone], default=-1)
        assert all(entry[0] is None or entry[0] in gone for entry in self.log[: last + 1])
        if gone:
            rooms = [room for _, room in self.log[last:]]
            assert len(rooms) > self.places or sum(rooms) > SIZE * 3 // 4 - 8
        self.log = self.log[last + 1 :]

    def find(self, k, s):
        return self.cache.find(KEYS[k], SERVERS[s])

    def fresh(self, at):
        return max(0, self.stored[at].until - self.now())

    def refresh(self, k, s, same, ms):
        i = self.find(k, s)
        if i < 0:
            return
        entry = self.stored[k, s]
        tag = entry.etag()
        tags = [value for number, value in entry.options if number == n.ETAG]
        brought = [(n.ETAG, tag or b"x")] if same else [(n.ETAG, b"another")]
        m = Message()
        data = datagram(n.NON, n.VALID, 1, b"", brought)
        m.parse(data, len(data))
        if self.cache.refresh(i, m, ms, self.wire.now):
            assert same and tags == [tag]
            entry.until = self.now() + min(ms, MAX_SPAN)
        else:
            assert not same or tags != [tag]
            del self.stored[k, s]
            next(entry for entry in self.log if entry[0] == (k, s))[0] = None

    def invalidate(self, uri, s):
        self.cache.invalidate(uri, SERVERS[s])
        for at, entry in self.stored.items():
            if at[1] == s and entry.uri == uri:
                entry.until = min(entry.until, self.now())

    def expect(self, slot, k, s):
        if (k, s) in self.stored:
            self.cache.expect(slot, self.find(k, s))
            self.stored[k, s].slots.add(slot)

    def heard(self, slot, k, s):
        self.cache.heard(slot, KEYS[k], SERVERS[s])
        if (k, s) in self.stored:
            self.stored[k, s].slots.discard(slot)
            self.stored[k, s].asked.discard(slot)

    def ask(self, slot, k):
        given = self.cache.etags(KEYS[k], GROUP, SERVERS, slot)
        for (other, _), entry in self.stored.items():
            if other == k and entry.etag() in given:
                entry.asked.add(slot)

    def due(self, slot):
        expected = [at for at, entry in self.stored.items() if slot in entry.slots and self.fresh(at)]
        found = self.cache.due(slot, self.wire.now)
        assert sorted(found) == sorted(self.find(*at) for at in expected)
        for entry in self.stored.values():
            entry.slots.discard(slot)

    def clear(self, slot):
        self.cache.clear(slot)
        for entry in self.stored.values():
            entry.slots.discard(slot)
            entry.asked.discard(slot)

    def spend(self, span):
        while span:
            self.wire.advance(min(span, MAX_SPAN))
            span -= min(span, MAX_SPAN)

    def check(self):
        cache = self.cache
        assert len(cache) == len(self.stored) <= self.places
        assert cache.used() <= SIZE
        for k in range(len(KEYS)):
            for s in range(len(SERVERS)):
                i = cache.find(KEYS[k], SERVERS[s])
                assert (i >= 0) == ((k, s) in self.stored)
                if i >= 0:
                    self.check_entry(i, self.stored[k, s], self.fresh((k, s)))
            for members in (None, SERVERS, SERVERS[:2]):
                self.check_group(k, members)

    def check_entry(self, i, entry, fresh):
        assert self.cache.remaining(i, self.wire.now) == fresh
        out = Writer(bytearray(400))
        out.begin(n.NON, n.CONTENT, 1)
        self.cache.write(i, out, self.wire.now)
        answer = Packet(out.message())
        assert answer.payload == entry.payload
        assert int.from_bytes(answer.option(n.MAX_AGE), "big") == fresh // 1000
        hidden = (n.MAX_AGE, n.OBSERVE)
        assert [o for o in answer.options if o[0] != n.MAX_AGE] == [o for o in entry.options if o[0] not in hidden]
        assert self.cache.etag(i) == entry.etag()

    def check_group(self, k, members):
        hit = {s: entry for (other, s), entry in self.stored.items() if other == k}
        hit = {s: e for s, e in hit.items() if (SERVERS[s] in members if members else e.group == GROUP)}
        indices = sorted(self.find(k, s) for s in hit)
        assert sorted(self.cache.matching(KEYS[k], GROUP, members)) == indices
        complete = self.cache.complete(KEYS[k], GROUP, members, self.wire.now)
        if not members or len(hit) < len(members) or not all(self.fresh((k, s)) for s in hit):
            assert complete is None
        else:
            assert sorted(complete) == indices
            content = k, [(s, hit[s]) for s in sorted(hit)]  # each stored response is an object of its own
            assert self.tags.setdefault(self.cache.tag(complete), content) == content
        tags = [entry.etag() for entry in hit.values()]
        usable = {tag for tag in tags if tag is not None and tags.count(tag) == 1}
        if self.cache._blocked and self.log and self.log[0][0] is not None:  # the oldest is to go
            usable.discard(self.stored[self.log[0][0]].etag() if self.log[0][0][0] == k else None)
        given = self.cache.etags(KEYS[k], GROUP, members)
        assert len(set(given)) == len(given) == min(4, len(usable)) and set(given) <= usable


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from((1, 3, 8, 24)),
    st.sampled_from((0, NEAR_WRAP, 0x1FFFFFF0)),
    st.lists(step, min_size=10, max_size=60),
)
def test_cache_does_what_its_model_does(places, start, steps):
    wire = Wire(start)
    model = Model(Cache(SIZE, places, SLOTS, 6, wire.timers, wire.entropy), wire, places)
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
        model.check()


@given(st.lists(st.tuples(st.sampled_from(NUMBERS), value), max_size=4).map(sorted), payload, st.data())
def test_two_requests_with_one_key_differ_in_what_is_not_compared_only(pairs, body, data):
    wire = Wire()
    cache = Cache(SIZE, 1, 1, 6, wire.timers, wire.entropy)
    other = sorted(data.draw(st.permutations(pairs)) if data.draw(st.booleans()) else data.draw(options))
    other_body = data.draw(st.sampled_from((body, b"", b"x")))

    def digest(pairs, body):
        m = Message()
        raw = datagram(n.NON, n.FETCH, 1, b"", pairs, body)
        m.parse(raw, len(raw))
        return cache.digest(m)

    def compared(pairs):
        return [pair for pair in pairs if pair[0] not in (n.ETAG, n.OBSERVE, n.SIZE2)]

    alike = compared(pairs) == compared(other) and body == other_body
    assert (digest(pairs, body) == digest(other, other_body)) == alike
