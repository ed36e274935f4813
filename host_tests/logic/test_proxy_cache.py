"""The proxy's store of responses: what is the same request, what comes back, what makes room, what is fresh."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.message import Message, Writer
from groupcoap.proxy.cache import Cache
from wire import (
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    NEAR_WRAP,
    REPLY_FROM,
    SERVER,
    SERVER2,
    UNKNOWN_SAFE,
    Packet,
    Wire,
    allocated,
    datagram,
)

GROUP_ETAG = 24
ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"
SERVER3 = uri.pack(b"\xc0\x00\x02\x07")
MEMBERS = (SERVER, SERVER2, SERVER3)
TEMP = [(n.URI_PATH, b"temp")]
DAY = 86400000  # ms


def message(code, options=(), payload=b"", kind=n.NON, mid=1, token=b"t"):
    data = datagram(kind, code, mid, token, options, payload)
    m = Message()
    m.parse(data, len(data))
    return m


class Kept:
    """A cache on a wire; responses are spoken of by name."""

    def __init__(self, size=1024, places=16, slots=10):
        self.wire = Wire()
        self.cache = Cache(size, places, slots, len(SERVER), self.wire.timers, self.wire.entropy)

    def key(self, options=TEMP, code=n.GET, payload=b"", salt=b"", **header):
        return self.cache.digest(message(code, options, payload, **header), salt)

    def store(self, key, server=SERVER, payload=b"21.5", options=(), ms=60000, group=GROUP, uri=1):
        data = b"\xff" + datagram(n.NON, n.CONTENT, 0, b"", options, payload)  # does not begin where the buffer does
        return self.cache.store(key, group, server, data, 5, len(data), ms, uri, self.wire.now)

    def find(self, key, server=SERVER):
        return self.cache.find(key, server)

    def left(self, i):
        return self.cache.remaining(i, self.wire.now)

    def read(self, i, size=600, **changes):
        """The response that is sent: a Packet."""
        out = Writer(bytearray(size))
        out.begin(n.NON, n.CONTENT, 7, b"tok")
        self.cache.write(i, out, self.wire.now, **changes)
        return Packet(out.message())

    def payloads(self, keys):
        """What is stored of SERVER under these keys; None for what is not."""
        found = [self.find(key) for key in keys]
        return [None if i < 0 else self.read(i).payload for i in found]

    def refresh(self, i, options, ms=60000):
        return self.cache.refresh(i, message(n.VALID, options), ms, self.wire.now)


def keys(kept, count):
    return [kept.key([(n.URI_PATH, b"%d" % i)]) for i in range(count)]


def stored_of(kept, names):
    return [i for i, payload in enumerate(kept.payloads(names)) if payload is not None]


# The Cache-Key (RFC 7252 §5.6)


def test_key_has_twelve_bytes_and_is_another_in_another_proxy():
    kept, other = Kept(), Kept()
    other.cache = Cache(1024, 16, 10, 6, kept.wire.timers, kept.wire.entropy)
    assert len(kept.key()) == 12 and kept.key() != other.key()


def test_message_header_is_not_in_the_key():
    kept = Kept()
    assert kept.key() == kept.key(kind=n.CON, mid=9, token=b"other")


def test_method_options_and_salt_are_in_the_key():
    kept = Kept()
    requests = [
        kept.key(),
        kept.key(code=n.FETCH),
        kept.key([]),
        kept.key([(n.URI_PATH, b"temq")]),
        kept.key([(n.URI_PATH, b"te"), (n.URI_PATH, b"mp")]),
        kept.key(TEMP + [(n.URI_QUERY, b"a")]),
        kept.key(TEMP + [(n.URI_QUERY, b"a"), (n.URI_QUERY, b"a")]),
        kept.key(TEMP + [(n.ACCEPT, b"")]),
        kept.key(TEMP + [(n.ACCEPT, b"\x3c")]),
        kept.key([(n.URI_HOST, b"a")] + TEMP),
        kept.key(TEMP + [(n.BLOCK2, b"\x02")]),
        kept.key(TEMP + [(UNKNOWN_SAFE, b"")]),
        kept.key([(n.URI_PATH, b"te\0\x0b\0\x02mp")]),
        kept.key([(n.URI_PATH, b"te\0\x0bmp")]),
        kept.key(salt=b"these names"),
        kept.key(salt=b"other names"),
    ]
    assert len(set(requests)) == len(requests)


def test_payload_is_in_the_key_of_fetch_only():
    kept = Kept()
    assert kept.key(payload=b"x") == kept.key()
    assert kept.key(code=n.FETCH, payload=b"x") != kept.key(code=n.FETCH, payload=b"y")
    assert kept.key(code=n.FETCH, payload=b"x", salt=b"y") != kept.key(code=n.FETCH, payload=b"yx")


def test_what_is_not_compared_is_not_in_the_key():
    kept = Kept()
    for extra in (
        [(n.ETAG, b"1"), (n.ETAG, b"2")],
        [(n.OBSERVE, b"")],
        [(MULTICAST_TIMEOUT, b"\x0a")],
        [(GROUP_ETAG, b"12345678")],
        [(n.SIZE2, b"")],
        [(n.SIZE1, b"\x09")],
        [(n.ECHO, b"e")],
    ):
        assert kept.key(sorted(TEMP + extra)) == kept.key(), extra


def test_presence_of_multicast_signaling_is_in_the_key_but_not_its_value():
    kept = Kept()
    long, short = [kept.key(TEMP + [(MULTICAST_SIGNALING, value)]) for value in (b"\x0a\x0b", b"\x05")]
    assert long == short != kept.key()


def test_request_that_has_no_key():
    kept = Kept()
    for code in (n.POST, n.PUT, n.DELETE, n.PATCH, n.IPATCH):
        assert kept.key(code=code) is None
    for extra in ((n.OSCORE, b"x"), (n.BLOCK1, b"\x08"), (n.NO_RESPONSE, b""), (n.BLOCK2, b"\x12")):
        assert kept.key(sorted(TEMP + [extra])) is None, extra
        assert kept.key(sorted(TEMP + [extra]), n.FETCH) is None, extra


# What comes back


def test_response_comes_back_with_what_is_left_of_its_max_age():
    kept = Kept()
    options = [(n.ETAG, b"ee"), (n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x3c"), (REPLY_FROM, ORIGIN)]
    i = kept.store(kept.key(), options=options)
    kept.wire.advance(10001)
    answer = kept.read(i)
    assert (answer.kind, answer.code, answer.mid, answer.token, answer.payload) == (1, n.CONTENT, 7, b"tok", b"21.5")
    assert answer.options == options[:2] + [(n.MAX_AGE, b"\x31"), (REPLY_FROM, ORIGIN)]


def test_response_without_max_age_gets_one_at_its_place():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.CONTENT_FORMAT, b"\x28"), (REPLY_FROM, ORIGIN)], ms=300000)
    assert kept.read(i).options == [(n.CONTENT_FORMAT, b"\x28"), (n.MAX_AGE, b"\x01\x2c"), (REPLY_FROM, ORIGIN)]


def test_max_age_of_what_is_stale_or_almost_is_0():
    kept = Kept()
    i = kept.store(kept.key(), ms=1500)
    kept.wire.advance(600)
    assert kept.left(i) == 900 and kept.read(i).options == [(n.MAX_AGE, b"")]
    kept.wire.advance(600000)
    assert kept.read(i).options == [(n.MAX_AGE, b"")]


def test_every_form_of_response_comes_back():
    forms = [
        ([], b""),
        ([], b"\xff\xff"),
        ([(n.ETAG, b"\xff\xff")], b""),
        ([(n.ETAG, b"\xff\xff")], b"\xff"),
        ([(n.LOCATION_PATH, b"\xff" * 12), (n.LOCATION_PATH, b"\xff" * 13), (REPLY_FROM, b"\xff" * 14)], b"x" * 100),
        ([(UNKNOWN_SAFE, b"\xff" * 270)], b"\xff" * 200),
    ]
    kept = Kept(8192)
    stored = [(kept.store(key, options=form[0], payload=form[1]), form) for key, form in zip(keys(kept, 6), forms)]
    for i, (options, payload) in stored:
        answer = kept.read(i)
        assert answer.payload == payload
        assert [option for option in answer.options if option[0] != n.MAX_AGE] == options


def test_observe_and_a_group_etag_of_others_stay_behind():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.OBSERVE, b"\x05"), (GROUP_ETAG, b"theirs"), (REPLY_FROM, ORIGIN)])
    assert kept.read(i).options == [(n.MAX_AGE, b"\x3c"), (REPLY_FROM, ORIGIN)]
    answer = kept.read(i, extra=(GROUP_ETAG, b"ours"))
    assert answer.options == [(n.MAX_AGE, b"\x3c"), (GROUP_ETAG, b"ours"), (REPLY_FROM, ORIGIN)]


def test_option_is_left_out_and_one_put_in_at_its_place():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.ETAG, b"e"), (REPLY_FROM, ORIGIN), (UNKNOWN_SAFE, b"u")])
    assert kept.read(i, extra=(n.LOCATION_PATH, b"l")).options[1:3] == [(n.LOCATION_PATH, b"l"), (n.MAX_AGE, b"\x3c")]
    answer = kept.read(i, without=REPLY_FROM, extra=(n.SIZE2, b"\x04"))
    assert answer.options == [(n.ETAG, b"e"), (n.MAX_AGE, b"\x3c"), (n.SIZE2, b"\x04"), (UNKNOWN_SAFE, b"u")]


def test_response_that_finds_no_room_raises_and_is_no_hit():
    kept = Kept()
    i = kept.store(kept.key())
    needed = len(kept.read(i).raw)
    assert kept.cache.hits == 1
    kept.read(i, size=needed + 4)  # a Writer wants room for an option's greatest header
    for size in range(8, needed):
        try:
            kept.read(i, size=size)
            raise AssertionError(size)
        except ValueError:
            pass
    assert kept.cache.hits == 2


def test_entry_is_of_one_server_and_one_key():
    kept = Kept()
    temp, light = keys(kept, 2)
    for key in (temp, light):
        for server in (SERVER, SERVER2, uri.pack(b"\xc0\x00\x02\x05", 61616)):
            assert kept.find(key, server) == -1
            kept.store(key, server, key + server)
    assert len(kept.cache) == 6
    for key in (temp, light):
        for server in (SERVER, SERVER2, uri.pack(b"\xc0\x00\x02\x05", 61616)):
            assert kept.read(kept.find(key, server)).payload == key + server
    assert kept.find(temp, SERVER3) == -1 and kept.find(kept.key(), SERVER) == -1


def test_ipv6_server_has_an_entry_of_its_own():
    wire = Wire()
    servers = [uri.pack(b"\x20\x01\x0d\xb8" + bytes(10) + bytes((i, 1))) for i in range(3)]
    cache = Cache(256, 4, 1, 18, wire.timers, wire.entropy)
    key = b"0123456789ab"
    for server in servers:
        assert cache.store(key, None, server, b"\xffab", 0, 3, 1000, 1, 0) >= 0
    assert sorted([cache.find(key, server) for server in servers]) == [0, 1, 2]


def test_option_of_an_entry():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.ETAG, b"ee"), (n.CONTENT_FORMAT, b"\x28\x00\x00"), (REPLY_FROM, ORIGIN)])
    assert kept.cache.option(i, REPLY_FROM) == ORIGIN and kept.cache.etag(i) == b"ee"
    assert kept.cache.option(i, n.SIZE2) is None
    assert kept.cache.option(i, n.CONTENT_FORMAT) is None  # longer than it may be


# What replaces what


def test_newer_response_replaces_the_older():
    kept = Kept()
    key = kept.key()
    first = kept.store(key, payload=b"21.5")
    used = kept.cache.used()
    assert kept.store(key, payload=b"9") == first and kept.cache.used() == used
    assert kept.payloads([key]) == [b"9"] and len(kept.cache) == 1
    longer = kept.store(key, payload=b"long" * 10)
    assert kept.find(key) == longer and kept.payloads([key]) == [b"long" * 10] and len(kept.cache) == 1
    assert kept.cache.stored == 3 and kept.cache.evicted == 0


def test_answer_to_a_unicast_request_is_still_one_of_the_group():
    kept = Kept()
    key = kept.key()
    for payload in (b"short", b"short", b"much longer than before"):
        i = kept.store(key, group=None, payload=payload)
        assert kept.cache.matching(key, GROUP, None) == []
    kept.store(key, group=GROUP)
    for payload in (b"short", b"so much longer than it was before"):
        i = kept.store(key, group=None, payload=payload)
        assert kept.cache.matching(key, GROUP, None) == [i]


def test_response_without_freshness_is_not_kept_and_takes_the_older_away():
    kept = Kept()
    key = kept.key()
    kept.store(key)
    assert kept.store(key, ms=0) == -1
    assert kept.find(key) == -1 and len(kept.cache) == 0 and kept.cache.used() == 0 and kept.cache.stored == 1
    assert kept.store(key, ms=0) == -1 and kept.store(key) >= 0 and kept.payloads([key]) == [b"21.5"]


def test_response_longer_than_a_quarter_is_not_kept_and_takes_the_older_away():
    kept = Kept(256)
    key = kept.key()
    assert kept.store(key, payload=b"x" * 63) >= 0  # and the marker
    assert kept.store(key, payload=b"x" * 64) == -1
    assert kept.find(key) == -1 and kept.cache.stored == 1 and kept.cache.evicted == 0


def test_what_was_appended_longest_ago_makes_room():
    kept = Kept(256)
    names = keys(kept, 12)
    for i, key in enumerate(names[:8]):
        kept.store(key, payload=b"%02d" % i * 15)  # 32 bytes of room: eight fill the ring
    assert kept.cache.evicted == 0 and kept.cache.used() == 256 and len(kept.cache) == 8
    kept.store(names[0], payload=b"newer, in its old room")
    kept.store(names[8], payload=b"8")
    stored = kept.payloads(names)
    assert stored[0] is None and None not in stored[1:9] and kept.cache.evicted == 1
    for key in names[9:]:
        kept.store(key, payload=b"x" * 30)
    assert stored_of(kept, names) == [4, 5, 6, 7, 8, 9, 10, 11] and kept.cache.evicted == 4


def test_all_bytes_are_used_and_none_beyond():
    for size in range(256, 264):
        kept = Kept(size, places=12)
        names = keys(kept, 30)
        for i, key in enumerate(names):
            kept.store(key, payload=b"x" * 30)
            assert stored_of(kept, names) == list(range(max(0, i - 7), i + 1)) and kept.cache.used() <= 256
        for key in names:
            kept.store(key, payload=b"x" * 38)
        assert stored_of(kept, names) == list(range(24, 30)) and kept.payloads(names[24:]) == [b"x" * 38] * 6


def test_rest_smaller_than_a_room_is_left_empty():
    for size in (256, 263, 264):
        kept = Kept(size)
        *most, last = keys(kept, 9)
        for key in most:
            kept.store(key, payload=b"x" * 30)
        kept.store(last, payload=b"x")
        assert kept.cache.used() <= size and kept.cache.evicted == (size < 264)


def test_when_all_places_are_taken_the_oldest_goes():
    kept = Kept(8192, places=3)
    names = keys(kept, 5)
    for count, key in enumerate(names):
        assert kept.store(key) >= 0
        assert stored_of(kept, names) == list(range(max(0, count - 2), count + 1))
    assert len(kept.cache) == 3 and kept.cache.evicted == 2


def test_one_place_holds_one_response():
    kept = Kept(256, places=1)
    first, second = keys(kept, 2)
    for _ in range(3):
        assert kept.store(first, payload=b"1" * 20) == 0
        assert kept.store(second, payload=b"2" * 60) == 0 and kept.payloads([first, second]) == [None, b"2" * 60]


def test_room_of_what_was_taken_away_comes_free_in_its_turn():
    kept = Kept(256)
    names = keys(kept, 4)
    for key in names:
        kept.store(key, payload=b"x" * 60)
    kept.store(names[0], ms=0)
    kept.store(names[0], payload=b"new" * 10)
    assert kept.cache.evicted == 0 and None not in kept.payloads(names)


def test_budget_holds_whatever_the_lengths_are():
    kept = Kept(256, places=7)
    names = keys(kept, 9)
    last = {}
    seed = 1
    for step in range(1500):
        seed = seed * 75 % 65537
        key = names[seed % 9]
        payload = b"%d " % step * (seed % 17)
        if kept.store(key, payload=payload) >= 0:
            last[key] = payload
            assert kept.find(key) >= 0
        else:
            last[key] = None
        for other, stored in zip(names, kept.payloads(names)):
            assert stored is None or stored == last[other]
        assert kept.cache.used() <= 256 and len(kept.cache) <= 7
    assert kept.cache.evicted > 100


def test_sizes_have_bounds():
    wire = Wire()
    for size, places in ((255, 16), (8193, 16), (1024, 0), (1024, 129)):
        try:
            Cache(size, places, 4, 6, wire.timers, wire.entropy)
            raise AssertionError(size)
        except ValueError as e:
            assert str(size) in str(e) and str(places) in str(e)


def test_128_places_are_all_found():
    kept = Kept(8192, places=128)
    names = keys(kept, 128)
    for i, key in enumerate(names):
        kept.store(key, payload=b"%d" % i)
    assert kept.payloads(names) == [b"%d" % i for i in range(128)]


# Freshness (RFC 7252 §5.6.1)


def test_response_is_fresh_for_its_lifetime_and_then_stays_stale():
    kept = Kept()
    i = kept.store(kept.key(), ms=1000)
    assert kept.left(i) == 1000
    kept.wire.advance(999)
    assert kept.left(i) == 1
    kept.wire.advance(1)
    assert kept.left(i) == 0 and kept.find(kept.key()) == i


def test_what_is_not_stored_is_not_fresh():
    kept = Kept(places=1)
    kept.store(kept.key())
    assert kept.left(-1) == 0


def test_stale_response_does_not_look_fresh_when_the_clock_has_gone_round():
    for ms in (5000, 0x0FFFFFFF):
        kept = Kept()
        i = kept.store(kept.key(), ms=ms)
        target = NEAR_WRAP + 1000 & 0x3FFFFFFF  # when it was fresh, a round ago
        for _ in range(2):
            kept.wire.advance(DAY)
            while kept.wire.now != target:
                kept.wire.advance(min(DAY, target - kept.wire.now & 0x3FFFFFFF))
            assert kept.left(i) == 0
        assert kept.store(kept.key(), ms=5000) == i and kept.left(i) == 5000


def test_each_of_several_gets_stale_though_another_is_fresh():
    kept = Kept()
    names = keys(kept, 3)
    for _ in range(16):
        kept.store(names[0], ms=0x0FFFFFFF)
        if kept.find(names[1]) < 0:
            kept.store(names[1], ms=5000)
            kept.store(names[2], ms=5000)
        kept.wire.advance(0x04000000)
    assert kept.left(kept.find(names[0])) > 0
    assert [kept.left(kept.find(key)) for key in names[1:]] == [0, 0]


def test_nothing_is_looked_after_when_nothing_is_fresh():
    kept = Kept()
    assert kept.wire.timers.poll_at() is None
    kept.store(kept.key(), ms=5000)
    assert kept.wire.timers.poll_at() is not None
    kept.wire.advance(2 * DAY)
    assert kept.wire.timers.poll_at() is None


def test_longest_lifetime_is_that_of_the_clock():
    kept = Kept()
    i = kept.store(kept.key(), ms=0x3FFFFFFF)
    kept.wire.advance(3 * DAY)
    assert 0 < kept.left(i) < DAY // 2
    kept.wire.advance(DAY)
    assert kept.left(i) == 0


# Requests to a group


def test_where_members_are_known_their_entries_match():
    kept = Kept()
    key, other = keys(kept, 2)
    first = kept.store(key, SERVER, group=None)
    kept.store(key, SERVER2, group=GROUP)
    kept.store(other, SERVER3, group=GROUP)
    assert kept.cache.matching(key, GROUP, (SERVER, SERVER3)) == [first]
    assert kept.cache.matching(key, GROUP, ()) == []


def test_where_members_are_not_known_those_that_answered_to_the_group_match():
    kept = Kept()
    key, other = keys(kept, 2)
    kept.store(key, SERVER, group=None)
    found = [kept.store(key, SERVER2, group=GROUP), kept.store(key, SERVER3, group=GROUP, ms=1000)]
    kept.store(key, uri.pack(b"\xc0\x00\x02\x08"), group=GROUP2)
    kept.store(other, SERVER, group=GROUP)
    kept.wire.advance(2000)  # stale ones too
    assert sorted(kept.cache.matching(key, GROUP, None)) == sorted(found)
    assert len(kept.cache.matching(key, GROUP2, None)) == 1


def test_what_is_gone_does_not_match():
    kept = Kept()
    key = kept.key()
    kept.store(key)
    kept.store(key, ms=0)
    assert kept.cache.matching(key, GROUP, None) == kept.cache.matching(key, GROUP, MEMBERS) == []


def test_group_is_complete_when_every_known_member_has_a_fresh_entry():
    kept = Kept()
    key = kept.key()

    def complete(members=MEMBERS, of=key):
        return kept.cache.complete(of, GROUP, members, kept.wire.now)

    assert complete() is None
    found = [kept.store(key, SERVER), kept.store(key, SERVER2, ms=5000)]
    assert complete() is None and complete(()) is None and complete(None) is None
    found.append(kept.store(key, SERVER3, group=None))
    assert complete() == found and complete(MEMBERS[:2]) == found[:2] and complete(list(MEMBERS)) == found
    assert complete(of=kept.key([])) is None
    kept.wire.advance(5000)
    assert complete() is None and complete((SERVER, SERVER3)) == [found[0], found[2]]


def test_tag_changes_with_each_stored_response_and_with_the_members():
    kept = Kept()
    key = kept.key()
    for server in MEMBERS:
        kept.store(key, server, options=[(n.ETAG, b"e")])

    def tag(members=MEMBERS):
        return kept.cache.tag(kept.cache.complete(key, GROUP, members, kept.wire.now))

    tags = [tag(), tag(MEMBERS[:2])]
    assert len(tags[0]) == 8 and tag() == tags[0] == tag((SERVER3, SERVER, SERVER2))
    kept.store(key, SERVER2, options=[(n.ETAG, b"e")])  # the same once more
    tags.append(tag())
    kept.store(key, SERVER2, payload=b"longer than before", options=[(n.ETAG, b"e")])
    tags.append(tag())
    kept.store(key, SERVER2, ms=0)
    kept.store(key, SERVER2, options=[(n.ETAG, b"e")])
    tags.append(tag())
    assert len(set(tags)) == 5
    kept.store(kept.key([]), SERVER2)
    assert kept.refresh(kept.find(key), [(n.ETAG, b"e")]) and tag() == tags[-1]


# Validation (RFC 7252 §5.6.2)


def test_group_request_revalidates_by_up_to_four_etags_of_one_server_each():
    kept = Kept()
    key = kept.key()
    servers = [uri.pack(bytes((192, 0, 2, 20 + i))) for i in range(9)]
    tags = [b"1", b"same", b"2", None, b"same", b"3", b"ninebytes", b"4", b"5"]
    for server, tag in zip(servers, tags):
        kept.store(key, server, options=[] if tag is None else [(n.ETAG, tag)])
    assert kept.cache.etags(key, GROUP, servers) == [b"1", b"2", b"3", b"4"]
    assert kept.cache.etags(key, GROUP, servers[1:3]) == [b"same", b"2"]
    assert kept.cache.etags(key, GROUP2, None) == [] and len(kept.cache.etags(key, GROUP, None)) == 4


def test_2_03_makes_its_entry_fresh_again():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.ETAG, b"e"), (n.CONTENT_FORMAT, b"\x28"), (REPLY_FROM, ORIGIN)], ms=1000)
    kept.wire.advance(2000)
    assert kept.left(i) == 0
    assert kept.refresh(i, [(n.ETAG, b"e"), (n.MAX_AGE, b"\x09")], 9000) and kept.left(i) == 9000
    assert kept.refresh(i, [(n.ETAG, b"e"), (n.OBSERVE, b"\x07"), (n.CONTENT_FORMAT, b"\x28")], 8000)
    assert kept.left(i) == 8000 and kept.read(i).payload == b"21.5"
    assert kept.refresh(i, [(n.ETAG, b"e"), (REPLY_FROM, b"another's name")], 8000)  # of which it has no say
    assert kept.read(i).option(REPLY_FROM) == ORIGIN


def test_2_03_without_freshness_leaves_it_stale():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.ETAG, b"e")])
    assert kept.refresh(i, [(n.ETAG, b"e"), (n.MAX_AGE, b"")], 0)
    assert kept.left(i) == 0 and kept.read(i).payload == b"21.5"


def test_2_03_is_looked_after_when_the_clock_goes_round():
    kept = Kept()
    i = kept.store(kept.key(), options=[(n.ETAG, b"e")], ms=1000)
    kept.wire.advance(2 * DAY)
    assert kept.refresh(i, [(n.ETAG, b"e")]) and kept.wire.timers.poll_at() is not None


def test_2_03_for_another_response_takes_the_entry_away():
    for etag, brought in (
        (b"e", []),
        (b"e", [(n.ETAG, b"f")]),
        (b"e", [(n.ETAG, b"e"), (n.CONTENT_FORMAT, b"\x3c")]),
        (b"e", [(n.ETAG, b"e"), (n.LOCATION_PATH, b"a")]),
    ):
        kept = Kept()
        key = kept.key()
        i = kept.store(key, options=[(n.ETAG, etag), (n.CONTENT_FORMAT, b"\x28")])
        assert not kept.refresh(i, brought), brought
        assert kept.find(key) == -1 and len(kept.cache) == 0


def test_changed_resource_is_stale_at_that_server():
    kept = Kept()
    temp, light = 0xFFFFFF, 0
    key, json, other = keys(kept, 3)
    for one, where, at in (
        (key, SERVER, temp),
        (json, SERVER, temp),
        (key, SERVER2, temp),
        (other, SERVER, light),
    ):
        kept.store(one, where, uri=at)
    kept.cache.invalidate(temp, SERVER)
    assert kept.left(kept.find(key)) == kept.left(kept.find(json)) == 0
    assert kept.left(kept.find(key, SERVER2)) and kept.left(kept.find(other)) and len(kept.cache) == 4
    assert kept.payloads([key]) == [b"21.5"]
    kept.store(key, ms=0)
    kept.cache.invalidate(temp, SERVER)
    assert kept.find(key) == -1 and len(kept.cache) == 3


def test_newer_response_has_the_newer_uri():
    kept = Kept()
    i = kept.store(kept.key(), uri=1)
    kept.store(kept.key(), uri=2)
    kept.cache.invalidate(1, SERVER)
    assert kept.left(i)
    kept.cache.invalidate(2, SERVER)
    assert not kept.left(i)


# Entries that stand in for servers that do not answer (draft-ietf-core-groupcomm-proxy §7.1)


def expecting(slot=9):
    """A cache with entries of three servers that this slot expects, and their key."""
    kept = Kept()
    key = kept.key()
    for server in MEMBERS:
        kept.cache.expect(slot, kept.store(key, server))
    return kept, key


def test_fresh_entry_of_a_server_that_has_not_answered_is_due_once():
    kept, key = expecting()
    kept.cache.heard(9, key, SERVER2)
    kept.cache.heard(8, key, SERVER)
    kept.cache.heard(9, kept.key([]), SERVER)
    kept.cache.heard(9, key, uri.pack(b"\xc0\x00\x02\x08"))
    assert kept.cache.due(8, kept.wire.now) == kept.cache.due(1, kept.wire.now) == []
    assert kept.cache.due(9, kept.wire.now) == [kept.find(key, SERVER), kept.find(key, SERVER3)]
    assert kept.cache.due(9, kept.wire.now) == []


def test_slots_expect_independently():
    kept, key = expecting(slot=9)
    i = kept.find(key)
    for slot in (0, 1, 4, 8):
        kept.cache.expect(slot, i)
    kept.cache.heard(1, key, SERVER)
    kept.cache.clear(9)
    assert [kept.cache.due(slot, kept.wire.now) for slot in (9, 0, 1, 8, 4)] == [[], [i], [], [i], [i]]


def test_answer_that_is_not_stored_takes_no_mark_of_another_server():
    kept = Kept(places=1)
    kept.cache.expect(0, kept.store(kept.key()))
    kept.cache.heard(0, kept.key(), SERVER2)
    assert kept.cache.due(0, kept.wire.now) == [0]


def test_clearing_leaves_freshness_alone():
    kept, key = expecting()
    kept.cache.clear(9)
    assert [kept.left(kept.find(key, server)) for server in MEMBERS] == [60000] * 3


def test_stale_entry_is_not_due():
    kept, key = expecting()
    kept.cache.invalidate(1, SERVER)
    kept.wire.advance(59999)
    assert len(kept.cache.due(9, kept.wire.now)) == 2
    kept, key = expecting()
    kept.wire.advance(60000)
    assert kept.cache.due(9, kept.wire.now) == []


def test_entry_that_another_exchange_has_renewed_is_still_due():
    kept, key = expecting()
    kept.store(key, SERVER, b"9")
    longer = kept.store(key, SERVER2, b"longer than it was before")
    kept.cache.heard(9, key, SERVER3)
    assert kept.cache.due(9, kept.wire.now) == [kept.find(key, SERVER), longer]


def test_marks_do_not_pass_to_what_takes_the_place():
    kept = Kept(256, places=2)
    first, second, third, fourth = keys(kept, 4)
    for slot in (0, 7, 8):
        kept.cache.expect(slot, kept.store(first))
    kept.store(second)
    kept.store(third)
    kept.store(fourth)
    assert [kept.cache.due(slot, kept.wire.now) for slot in (0, 7, 8)] == [[], [], []]


def test_what_is_gone_is_not_due():
    kept, key = expecting()
    kept.store(key, SERVER, ms=0)
    assert kept.cache.due(9, kept.wire.now) == [kept.find(key, SERVER2), kept.find(key, SERVER3)]


# Memory


def test_no_heap_for_what_each_relayed_response_does():
    kept = Kept(512, places=8)
    cache = kept.cache
    names = keys(kept, 12)
    data = datagram(n.NON, n.CONTENT, 0, b"", [(n.ETAG, b"e"), (REPLY_FROM, ORIGIN)], b"x" * 30)
    now = kept.wire.now
    turn = [0]

    def relayed():
        turn[0] += 1
        key = names[turn[0] % 12]
        i = cache.store(key, GROUP, SERVER, data, 4, len(data) - turn[0] % 23, 60000, 0xFFFFFF, now)
        cache.expect(turn[0] & 1, i)
        cache.heard(1, key, SERVER)
        cache.remaining(cache.find(key, SERVER), now)
        cache.remaining(cache.find(key, SERVER2), now)
        if turn[0] % 5 == 0:
            cache.store(key, GROUP, SERVER, data, 4, len(data), 0, 0, now)

    for _ in range(300):
        relayed()
    assert cache.evicted > 20
    assert allocated(relayed, 300) == 0
