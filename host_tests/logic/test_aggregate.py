"""One aggregated response at the proxy: what it holds, its blocks, and how long it is kept (RFC 8710, RFC 7959)."""

from groupcoap import cbor, multipart
from groupcoap import numbers as n
from groupcoap.errors import BadRequest
from groupcoap.message import Message, Writer, uint_bytes
from groupcoap.proxy.aggregate import Collections
from wire import CLIENT, OTHER, REPLY_FROM, SERVER, SERVER2, Packet, Wire, allocated, datagram

ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"  # [-1, [h'C0000205']], the CRI of coap://192.0.2.5
ORIGIN2 = b"\x82\x20\x81\x44\xc0\x00\x02\x06"
NAME = b"\x08" + ORIGIN
NAME2 = b"\x08" + ORIGIN2
SLOT = 3
KEEP = 60000  # ms
DIGEST = b"temp"
ANSWER_BYTES = 19  # of the answer that `answer()` gives, in the array


def answer(code=n.CONTENT, options=((n.CONTENT_FORMAT, b""),), payload=b"21.5"):
    m = Message()
    data = datagram(n.NON, code, 7, b"12345678", options, payload)
    m.parse(data, len(data))
    return m


class Collecting:
    """Collections on a wire, the first of which is begun."""

    def __init__(self, places=1, size=1024, **settings):
        self.wire = Wire()
        self.all = Collections(places, size, self.wire.timers, **settings)
        assert self.begin()

    def begin(self, slot=SLOT, peer=CLIENT, digest=DIGEST):
        return self.all.begin(slot, peer, digest)

    def add(self, m=None, name=NAME, slot=SLOT):
        return self.all.add(slot, name, m or answer())

    def finish(self, slot=SLOT):
        return self.all.finish(slot, self.wire.now)

    def body(self, place=0):
        buf, start, length = self.all.body(place)
        return bytes(buf[start : start + length])

    def finished(self):
        assert self.finish() == 0
        return self.body()

    def found(self, peer=CLIENT, digest=DIGEST):
        return self.all.find(peer, digest)

    def block(self, num=-1, szx=6, largest=6, place=0):
        """The answer to a request with this Block2, or none."""
        out = Writer(bytearray(1152))
        out.begin(n.NON, n.CONTENT, 1, b"tok")
        self.all.write_block(place, out, num << 4 | szx if num >= 0 else -1, largest, self.wire.now)
        return Packet(out.message())


def filled(count=20, **settings):
    """Collections with a complete one of `count` answers."""
    collecting = Collecting(**settings)
    for _ in range(count):
        assert collecting.add()
    assert collecting.finish() == 0
    return collecting


def refused(function, error, *arguments):
    try:
        function(*arguments)
    except error as e:
        return str(e)
    raise AssertionError("no %s" % error.__name__)


# What it holds


def test_answers_are_pairs_of_parts():
    collecting = Collecting()
    assert collecting.add()
    assert collecting.add(answer(n.NOT_FOUND, (), b""), NAME2)
    first = b"\x18\x3f\x4a" + ORIGIN + b"\x18\x45" + b"\x00\x4421.5"  # 63, Reply-From and 69; 0, the payload
    second = b"\x18\x3f\x4a" + ORIGIN2 + b"\x18\x84" + b"\x18\x2a\xf6"
    assert collecting.finished() == b"\x88" + first + second


def test_no_answers_are_an_empty_array():
    assert Collecting().finished() == b"\x80"


def test_later_answer_of_the_same_origin_is_added():
    collecting = Collecting()
    for payload in (b"a", b"b", b"a"):
        assert collecting.add(answer(payload=payload))
    found = multipart.responses(collecting.finished())
    assert [(each.origin, each.payload) for each in found] == [(SERVER, b"a"), (SERVER, b"b"), (SERVER, b"a")]


def test_every_length_has_the_shortest_head():
    for count in (0, 1, 5, 6, 62, 63, 64, 65, 300):
        parts = multipart.parts(filled(count, size=8192).body())
        assert len(parts) == 2 * count
    for length in (0, 1, 23, 24, 255, 256, 257, 1000):
        for number in (0, 23, 24, 255, 256, 65535):
            collecting = Collecting(size=2048)
            payload = bytes(length)
            assert collecting.add(answer(options=((n.CONTENT_FORMAT, uint_bytes(number)),), payload=payload))
            items = [63, ORIGIN + b"\x18\x45", number, payload or None]
            assert collecting.finished() == cbor.dumps(items)


def test_origin_of_any_length():
    for length in (0, 5, 21, 22, 23, 24, 60, 253, 254, 255):
        collecting = Collecting()
        assert collecting.add(name=bytes((length,)) + b"n" * length)
        assert collecting.finished() == cbor.dumps([63, b"n" * length + b"\x18\x45", 0, b"21.5"])


def test_content_format_of_a_wrong_length_counts_as_none():
    collecting = Collecting()
    assert collecting.add(answer(options=((n.CONTENT_FORMAT, b"\1\2\3"),)))
    assert multipart.parts(collecting.finished())[1] == (42, b"21.5")


def test_reply_from_of_the_response_itself_where_no_name_is_given():
    for value in (ORIGIN2, ORIGIN2 + b"\x82\xf6\x81\x44\1\2\3\4", b"x" * 1000):
        collecting = Collecting(size=2048)
        assert collecting.add(answer(options=((n.CONTENT_FORMAT, b""), (REPLY_FROM, value))), None)
        assert multipart.parts(collecting.finished())[0] == (63, value + b"\x18\x45")
    collecting = Collecting()
    too_short = answer(options=((REPLY_FROM, b"abcd"),))
    assert collecting.add(None, None) and collecting.add(too_short, None)
    assert [each.reply_from for each in multipart.responses(collecting.finished())] == [None, None]


def test_payload_that_is_one_of_several_blocks_is_left_out():
    for value, found in ((b"", b"21.5"), (b"\x06", b"21.5"), (b"\x0e", None), (b"\x16", None), (b"\1\0\x06", None)):
        collecting = Collecting()
        assert collecting.add(answer(options=((n.CONTENT_FORMAT, b""), (n.BLOCK2, value))))
        assert multipart.parts(collecting.finished())[1] == (0, found)


def test_refused_response_is_its_code():
    collecting = Collecting()
    assert collecting.all.refuse(SLOT, NAME, n.BAD_GATEWAY)
    assert collecting.all.refuse(SLOT, None, n.BAD_GATEWAY)
    for found, origin in zip(multipart.responses(collecting.finished()), (SERVER, None)):
        assert (found.origin, found.code, found.content_format, found.payload) == (origin, n.BAD_GATEWAY, None, b"")


# Room


def test_size_has_bounds():
    for size in (255, 8193, 0, -1):
        assert "256 to 8192" in refused(Collections, ValueError, 1, size, Wire().timers)
    for size in (256, 8192):
        Collections(1, size, Wire().timers)


def test_answer_that_fits_to_the_last_byte():
    for length in (1, 23, 24, 255, 256, 400):
        first, second = answer(payload=bytes(250)), answer(payload=bytes(length))
        collecting = Collecting()
        assert collecting.add(first) and collecting.add(second)
        # The array's head takes 3 bytes at most, and what says that some are missing 8.
        size = 3 + len(collecting.finished()) - 1 + 8
        for less in (0, 1):
            collecting = Collecting(size=size - less)
            assert collecting.add(first) and collecting.add(second) == (not less)
            assert len(multipart.responses(collecting.finished())) == 2 and collecting.all.dropped == less


def test_answer_without_room_is_left_out_whole_and_counted():
    collecting = Collecting(size=256)
    count = (256 - 3 - 8) // ANSWER_BYTES
    for i in range(count + 3):
        assert collecting.add() == (i < count)
    assert collecting.all.dropped == 3
    assert collecting.add(answer(n.CHANGED, (), b"")) and not collecting.add()  # a smaller one still has room
    found = multipart.responses(collecting.finished())
    assert len(found) == count + 2 and found[-2].code == n.CHANGED
    last = found[-1]
    assert (last.origin, last.reply_from, last.code, last.payload) == (None, None, n.SERVICE_UNAVAILABLE, b"")


def test_next_collection_knows_nothing_of_the_one_before():
    collecting = Collecting(size=256)
    assert not collecting.add(answer(payload=bytes(300)))
    collecting.all.drop(SLOT)
    assert collecting.begin() and collecting.add()
    assert len(multipart.responses(collecting.finished())) == 1


def test_adding_allocates_nothing():
    collecting = Collecting(size=8192)
    small, blocks = answer(), answer(options=((n.CONTENT_FORMAT, b"\x32"), (n.BLOCK2, b"\x0e")), payload=bytes(64))
    chained = answer(options=((n.CONTENT_FORMAT, b"\xff\xff"), (REPLY_FROM, ORIGIN2)))

    def add():
        collecting.add(small)
        collecting.add(blocks)
        collecting.add(chained, None)

    assert allocated(add, 60) == 0 and not collecting.all.dropped
    for _ in range(200):
        add()
    assert collecting.all.dropped and allocated(add) == 0


# Places


def test_all_places_are_taken():
    collecting = Collecting(places=2)
    assert collecting.begin(slot=4)
    assert not collecting.begin(slot=5)
    collecting.all.drop(4)
    assert collecting.begin(slot=5)


def test_collections_do_not_mix():
    collecting = Collecting(places=2)
    assert collecting.begin(slot=9, peer=OTHER)
    assert collecting.add(name=NAME) and collecting.add(name=NAME2, slot=9)
    places = collecting.finish(9), collecting.finish()
    assert sorted(places) == [0, 1]
    for place, server in zip(places, (SERVER2, SERVER)):
        (found,) = multipart.responses(collecting.body(place))
        assert found.origin == server
    assert (collecting.found(OTHER), collecting.found()) == places


def test_what_is_not_collected_for_is_not_taken():
    collecting = Collecting(places=2)
    assert not collecting.add(slot=4) and collecting.finish(4) == -1
    assert not collecting.add(slot=-1) and collecting.finish(-1) == -1
    collecting.all.drop(4)
    assert collecting.finished() == b"\x80" and not collecting.all.dropped
    assert not collecting.add() and collecting.finish() == -1  # it is complete


def test_complete_one_is_found_by_client_and_request():
    collecting = Collecting()
    assert collecting.found() == -1
    collecting.finish()
    assert collecting.found() == 0
    assert collecting.found(OTHER) == collecting.found(CLIENT, b"other") == -1


def test_complete_one_outlasts_its_exchange():
    collecting = filled()
    collecting.all.drop(SLOT)
    assert collecting.found() == 0 and not collecting.begin(SLOT, OTHER)


def test_successor_of_the_same_request_takes_the_place():
    collecting = filled()
    assert not collecting.begin(digest=b"other")
    assert collecting.begin(slot=7) and collecting.found() == -1
    assert not collecting.begin(slot=8)  # collecting, it is not given up
    assert collecting.finish(7) == 0 and collecting.body() == b"\x80"


def test_one_that_was_fetched_makes_room_but_not_before_a_free_place():
    collecting = filled(places=2)
    collecting.block(23, 0)
    assert collecting.begin(4, OTHER) and collecting.found() == 0
    collecting = filled(places=2)
    collecting.block(0, 0)
    collecting.block(22, 0)
    assert collecting.begin(4, OTHER) and not collecting.begin(5, OTHER, b"other")
    last = collecting.block(23, 0)
    assert last.option(n.BLOCK2) == b"\1\x70" and collecting.found() == 0  # it can be asked for again
    assert collecting.block(23, 0).payload == last.payload
    assert collecting.begin(5, OTHER, b"other") and collecting.found() == -1


# Blocks


def test_one_that_fits_goes_without_block2():
    collecting = filled(3)
    sent = collecting.block()
    assert sent.options == [(n.CONTENT_FORMAT, b"\x3e"), (n.MAX_AGE, b"")]
    assert sent.payload == collecting.body() and (sent.kind, sent.token) == (n.NON, b"tok")


def test_block2_is_answered_with_one():
    collecting = filled(3)
    sent = collecting.block(0)
    etag = collecting.all.etag(0)
    expected = [(n.ETAG, etag), (n.CONTENT_FORMAT, b"\x3e"), (n.MAX_AGE, b""), (n.BLOCK2, b"\x06")]
    assert sent.options == expected and sent.payload == collecting.body()


def test_blocks_together_are_the_body():
    for szx in range(7):
        for count in (1, 13, 100):
            collecting = filled(count, size=2048)
            body = collecting.body()
            size = 16 << szx
            got = b""
            for num in range(-(-len(body) // size)):
                sent = collecting.block(num, szx)
                got += sent.payload
                more = len(got) < len(body)
                value = int.from_bytes(sent.option(n.BLOCK2), "big")
                assert value == num << 4 | more << 3 | szx
                assert sent.option(n.ETAG) == collecting.all.etag(0) and len(collecting.all.etag(0)) == 6
                expected = len(body) if more and not num else None
                assert sent.option(n.SIZE2) == (expected and expected.to_bytes(1 + (expected > 255), "big"))
                assert more == (len(sent.payload) == size and num < (len(body) - 1) // size)
            assert got == body


def test_one_that_is_too_long_comes_in_blocks_unasked():
    collecting = filled(20)
    sent = collecting.block(largest=4)
    assert sent.option(n.BLOCK2) == b"\x0c" and len(sent.payload) == 256
    assert sent.option(n.SIZE2) == len(collecting.body()).to_bytes(2, "big")


def test_block_is_never_larger_than_is_taken_here():
    collecting = filled(20)
    sent = collecting.block(0, 6, 2)
    assert sent.option(n.BLOCK2) == b"\x0a" and sent.payload == collecting.body()[:64]
    sent = collecting.block(1, 4, 2)  # the block of 64 bytes that begins where the second of 256 does
    assert sent.option(n.BLOCK2) == b"\x4a" and sent.payload == collecting.body()[256:320]


def test_block_behind_the_end_is_a_bad_request():
    collecting = filled(20)
    length = len(collecting.body())
    assert collecting.block((length - 1) // 16, 0).payload
    for num in ((length + 15) // 16, 1000, 0xFFFFF):
        refused(collecting.block, BadRequest, num, 0)
    refused(collecting.block, BadRequest, 1, 6)
    assert collecting.found() == 0


def test_body_of_whole_blocks_ends_with_the_last():
    for length in range(100, 116):
        collecting = Collecting()
        collecting.add(answer(payload=bytes(length)))
        whole = len(collecting.finished()) // 16
        if len(collecting.body()) % 16 == 0:
            break
    assert collecting.block(whole - 2, 0).option(n.BLOCK2) == bytes((whole - 2 << 4 | 8,))
    assert collecting.block(whole - 1, 0).option(n.BLOCK2) == bytes((whole - 1 << 4,))
    refused(collecting.block, BadRequest, whole, 0)


def test_etag_tells_bodies_apart():
    tags = []
    for payload in (b"a", b"b", b"a"):
        collecting = Collecting()
        collecting.add(answer(payload=payload))
        collecting.finish()
        tags.append(collecting.all.etag(0))
    assert tags[0] == tags[2] != tags[1]


# Time


def test_complete_one_is_kept_for_its_time():
    for keep in (KEEP, 5000):
        collecting = Collecting(keep_ms=keep)
        collecting.wire.advance(10 * KEEP)  # while it is collecting, the exchange's own time counts
        collecting.finish()
        collecting.wire.advance(keep - 1)
        assert collecting.found() == 0
        collecting.wire.advance(1)
        assert collecting.found() == -1 and collecting.begin(4, OTHER)


def test_time_begins_anew_where_the_client_gets_further_only():
    collecting = filled(20)
    for num in (0, 1):
        collecting.wire.advance(KEEP - 1)
        collecting.block(num, 0)
    collecting.wire.advance(KEEP - 2)
    collecting.block(1, 0)
    collecting.block(0, 0)
    collecting.wire.advance(1)
    assert collecting.found() == 0
    collecting.wire.advance(1)
    assert collecting.found() == -1


def test_client_that_goes_on_slowly_does_not_keep_a_place_for_ever():
    for keep in (KEEP, 5000):
        collecting = filled(20, keep_ms=keep)
        for num in range(4):
            collecting.wire.advance(keep - 1)
            collecting.block(num, 0)
        collecting.wire.advance(3)
        assert collecting.found() == 0
        collecting.wire.advance(1)
        assert collecting.found() == -1


def test_timer_of_a_predecessor_does_not_end_a_collection():
    collecting = filled(3)
    assert collecting.begin(7)
    collecting.wire.advance(5 * KEEP)
    assert collecting.add(slot=7) and collecting.finish(7) == 0
