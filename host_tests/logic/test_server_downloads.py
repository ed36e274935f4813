"""Block2 at a server (RFC 7959 §2.2, §2.4): answers cut into blocks, streams and files."""

import io

from groupcoap import numbers as n
from groupcoap.downloads import Stream
from groupcoap.server import Resource, Response
from test_server import Site
from test_server_uploads import block
from wire import CLIENT, OTHER

B = [(n.URI_PATH, b"b")]
S = [(n.URI_PATH, b"s")]
X16 = b"0123456789abcdef"
LIFETIME = 247000  # ms: EXCHANGE_LIFETIME
KEY = 15  # Uri-Query


# Downloads


class Served(Site):
    """A site whose /b gives `body` to GET and FETCH and, counted, to POST."""

    def __init__(self, body=b"", **settings):
        super().__init__(**settings)
        self.body = body
        self.posts = 0
        self.server.add(Resource("b", content_format=42), GET=self.give, FETCH=self.give, POST=self.post, PUT=self.post)

    def give(self, request):
        return self.body() if callable(self.body) else self.body

    def post(self, request):
        self.posts += 1
        return self.give(request)

    def fetch(self, num=None, szx=0, code=n.GET, more=False, options=(), **request):
        if num is not None:
            options = sorted(list(options) + [(n.BLOCK2, block(num, more, szx))])
        (sent,) = self.ask(sorted(B + list(options)), code=code, **request)
        return sent


DATA = bytes([i * 7 + (i >> 8) & 255 for i in range(2500)])


def test_answer_that_fits_is_whole():
    for size in (0, 1, 1024):
        sent = Served(DATA[:size]).fetch()
        assert sent.payload == DATA[:size] and sent.options == [(n.CONTENT_FORMAT, b"\x2a")]


def test_larger_answer_is_its_first_block():
    sent = Served(DATA).fetch()
    assert sent.code == n.CONTENT and sent.payload == DATA[:1024] and sent.option(n.BLOCK2) == block(0, True, 6)
    assert sent.option(n.SIZE2) == b"\x09\xc4" and sent.option(n.CONTENT_FORMAT) == b"\x2a"
    assert 1 <= len(sent.option(n.ETAG)) <= 8


def test_all_blocks_of_all_sizes():
    for szx in range(7):
        size = 16 << szx
        for length in (2 * size, 2 * size + 1, 3 * size - 1):
            site = Served(DATA[:length] + DATA[: max(0, length - len(DATA))])
            whole, num, tags = b"", 0, set()
            while True:
                sent = site.fetch(num, szx)
                more = (num + 1) * size < length
                assert sent.code == n.CONTENT and sent.option(n.BLOCK2) == block(num, more, szx), (szx, length, num)
                tags.add(sent.option(n.ETAG))
                whole += sent.payload
                num += 1
                if not more:
                    break
            assert whole == site.body and len(tags) == 1 and None not in tags


def test_block_size_of_the_server_is_the_greatest():
    site = Served(DATA[:100], block_size=32)
    sent = site.fetch()
    assert len(sent.payload) == 32 and sent.option(n.BLOCK2) == block(0, True, 1)
    sent = site.fetch(0, 6)
    assert len(sent.payload) == 32 and sent.option(n.BLOCK2) == block(0, True, 1)
    sent = site.fetch(1, 2)  # 64 bytes from byte 64 on
    assert sent.payload == DATA[64:96] and sent.option(n.BLOCK2) == block(2, True, 1)


def test_block_size_is_the_next_below():
    assert len(Served(DATA, block_size=500).fetch().payload) == 256


def test_size_may_change_between_blocks():
    site = Served(DATA)
    assert site.fetch(0, 6).payload == DATA[:1024]
    sent = site.fetch(64, 0)
    assert sent.payload == DATA[1024:1040] and sent.option(n.BLOCK2) == block(64, True, 0)


def test_small_answer_to_a_request_with_block2_says_so():
    sent = Served(b"small").fetch(0, 2)
    assert sent.payload == b"small" and sent.option(n.BLOCK2) == block(0, False, 2)
    assert Served(b"small").fetch(0, 0).option(n.BLOCK2) == b""


def test_more_bit_of_a_request_is_ignored():
    assert Served(DATA).fetch(1, 0, more=True).option(n.BLOCK2) == block(1, True, 0)


def test_block_behind_the_end_is_4_00():
    for num, szx in ((3, 6), (157, 0), (0xFFFFF, 6), (0xFFFFF, 0)):
        sent = Served(DATA).fetch(num, szx)
        assert sent.code == n.BAD_REQUEST and sent.option(n.BLOCK2) is None
    assert Served(DATA[:32]).fetch(2).code == n.BAD_REQUEST


def test_reserved_size_of_block2_is_4_00_without_effect():
    for code in (n.GET, n.POST, n.PUT):
        site = Served(DATA)
        assert site.fetch(0, 7, code=code).code == n.BAD_REQUEST and site.posts == 0


def test_block2_of_four_bytes_is_4_02():
    site = Served(DATA)
    (sent,) = site.ask(B + [(n.BLOCK2, b"\0\0\0\0")], code=n.POST)
    assert sent.code == n.BAD_OPTION and site.posts == 0


def test_etag_changes_with_the_content():
    site = Served(DATA)
    first = site.fetch().option(n.ETAG)
    site.body = DATA[:-1] + b"x"
    second = site.fetch(1, 6).option(n.ETAG)
    assert first != second is not None


def test_etag_of_the_resource_is_that_of_every_block():
    site = Served(DATA)
    site.server.resources[Resource("b").hash].set_etag(b"mine")
    assert site.fetch().option(n.ETAG) == site.fetch(2, 6).option(n.ETAG) == b"mine"


def test_size2_is_told_with_the_first_block_only():
    site = Served(DATA)
    assert site.fetch(0, 0).option(n.SIZE2) == b"\x09\xc4" and site.fetch(1, 0).option(n.SIZE2) is None


def test_known_etag_makes_any_block_2_03():
    site = Served(DATA)
    tag = site.fetch().option(n.ETAG)
    for num in (None, 0, 1):
        sent = site.fetch(num, 6, options=[(n.ETAG, tag)])
        assert sent.code == n.VALID and sent.payload == b"" and sent.options == [(n.ETAG, tag)], num


def test_answer_to_post_is_held_for_its_blocks():
    for code in (n.POST, n.PUT):
        site = Served(DATA[:40])
        sent = site.fetch(0, 0, code=code)
        assert sent.code == n.CHANGED and sent.payload == DATA[:16] and sent.option(n.BLOCK2) == block(0, True)
        assert sent.option(n.ETAG) is None
        site.body = b"another"
        for num in (1, 2, 1):
            sent = site.fetch(num, 0, code=code)
            assert sent.payload == DATA[16 * num : 16 * num + 16][: 40 - 16 * num]
            assert sent.code == n.CHANGED and sent.option(n.BLOCK2) == block(num, num < 2)
        assert site.fetch(3, 0, code=code).code == n.BAD_REQUEST and site.posts == 1


def test_answer_to_fetch_is_held_with_its_options():
    site = Served(DATA)
    first = site.fetch(code=n.FETCH, payload=b"what")
    site.body = b"another"
    second = site.fetch(1, 6, code=n.FETCH)
    assert second.payload == DATA[1024:2048] and second.option(n.ETAG) == first.option(n.ETAG) is not None
    assert second.option(n.CONTENT_FORMAT) == b"\x2a"


def test_answer_to_fetch_that_fits_needs_no_place():
    sent = Served(DATA[:16], downloads=0).fetch(0, 0, code=n.FETCH)
    assert sent.code == n.CONTENT and sent.payload == DATA[:16] and sent.option(n.BLOCK2) == block(0)


def test_held_answer_keeps_its_own_etag():
    site = Served(Response(DATA, etag=b"own"))
    assert site.fetch(0, 0, code=n.FETCH).option(n.ETAG) == site.fetch(1, 0, code=n.FETCH).option(n.ETAG) == b"own"


def test_later_block_of_a_post_that_is_not_held_has_no_effect():
    for downloads in (0, 1):
        site = Served(DATA, downloads=downloads)
        for code in (n.POST, n.PUT):
            assert site.fetch(1, 6, code=code).code >> 5 == 4 and site.posts == 0


def test_held_answer_is_whose_it_is():
    site = Served(DATA, downloads=2)
    site.fetch(0, 0, code=n.POST)
    assert site.fetch(1, 0, code=n.POST, peer=OTHER).code == n.BAD_REQUEST
    assert site.fetch(1, 0, code=n.POST, options=[(KEY, b"x")]).code == n.BAD_REQUEST
    assert site.fetch(1, 0, code=n.PUT).code == n.BAD_REQUEST
    assert site.fetch(1, 0, code=n.POST).payload == DATA[16:32]


def test_held_answer_gives_its_place_back_at_its_end_or_in_time():
    site = Served(DATA[:40], downloads=1)
    site.fetch(0, 0, code=n.FETCH)
    assert site.fetch(0, 0, code=n.FETCH, peer=OTHER).code == n.SERVICE_UNAVAILABLE
    site.fetch(2, 0, code=n.FETCH)
    assert site.fetch(2, 0, code=n.FETCH).code == n.CONTENT  # comes again
    assert site.fetch(0, 0, code=n.FETCH, peer=OTHER).code == n.CONTENT
    site.wait(LIFETIME - 1)
    assert site.fetch(0, 0, code=n.FETCH).code == n.SERVICE_UNAVAILABLE
    site.wait(1)
    assert site.fetch(0, 0, code=n.FETCH).code == n.CONTENT


def test_held_answers_go_one_by_one():
    site = Served(DATA, downloads=2)
    site.fetch(0, 0, code=n.FETCH)
    site.wait(100000)
    for _ in range(2):
        site.fetch(0, 0, code=n.FETCH, peer=OTHER)
    site.fetch(0, 0, code=n.FETCH)
    site.wait(LIFETIME - 1)
    assert site.fetch(1, 0, code=n.FETCH).code == site.fetch(1, 0, code=n.FETCH, peer=OTHER).code == n.CONTENT
    site.wait(LIFETIME - 1)
    assert site.fetch(2, 0, code=n.FETCH).code == site.fetch(2, 0, code=n.FETCH, peer=OTHER).code == n.CONTENT
    site.wait(LIFETIME)
    assert site.fetch(3, 0, code=n.FETCH).code == site.fetch(3, 0, code=n.FETCH, peer=OTHER).code == n.BAD_REQUEST


def test_answer_that_is_asked_for_anew_keeps_its_place():
    site = Served(DATA, downloads=2)
    for _ in range(3):
        site.fetch(0, 0, code=n.FETCH)
    assert site.fetch(0, 0, code=n.FETCH, peer=OTHER).code == n.CONTENT


def test_time_of_a_held_answer_begins_anew_with_each_block():
    site = Served(DATA, downloads=1)
    site.fetch(0, 0, code=n.FETCH)
    for num in (1, 2, 3):
        site.wait(LIFETIME - 1)
        assert site.fetch(num, 0, code=n.FETCH).payload == DATA[16 * num : 16 * num + 16]
    site.wait(LIFETIME)
    assert site.fetch(4, 0, code=n.FETCH).code == n.BAD_REQUEST


def test_repeated_post_with_a_large_answer_is_carried_out_once():
    site = Served(DATA)
    site.fetch(0, 0, code=n.POST, mid=50)
    sent = site.fetch(0, 0, code=n.POST, mid=50)
    assert sent.code == n.CHANGED and site.posts == 1


def test_upload_with_a_large_answer():
    site = Served(DATA)
    options = B + [(n.BLOCK1, block(0, True))]
    site.ask(options, code=n.POST, payload=X16)
    (sent,) = site.ask(B + [(n.BLOCK2, block(0)), (n.BLOCK1, block(1))], code=n.POST, payload=b"x")
    assert sent.payload == DATA[:16] and sent.option(n.BLOCK2) == block(0, True) and sent.option(n.BLOCK1) == block(1)
    assert site.fetch(1, 0, code=n.POST).payload == DATA[16:32] and site.posts == 1


# Streams and files


class Source(Stream):
    """A stream of `count` chunks of `size` bytes; `closed` counts."""

    closed = 0

    def __init__(self, count, size=10, fail_at=-1):
        super().__init__(self._make(count, size, fail_at))

    def _make(self, count, size, fail_at):
        for i in range(count):
            if i == fail_at:
                raise OSError("source")
            yield bytes([i]) * size

    def close(self):
        Source.closed += 1


def test_stream_is_given_block_by_block():
    for chunks in ([DATA[:100]], [DATA[i : i + 1] for i in range(100)], [DATA[:33], DATA[33:34], DATA[34:100]]):
        site = Served(lambda chunks=chunks: Response(Stream(chunks)))
        tags = set()
        for num in range(7):
            sent = site.fetch(num or None, 0) if num else site.fetch(0, 0)
            assert sent.payload == DATA[16 * num : min(100, 16 * num + 16)]
            assert sent.option(n.BLOCK2) == block(num, num < 6) and sent.option(n.SIZE2) is None
            assert sent.option(n.CONTENT_FORMAT) == b"\x2a"
            tags.add(sent.option(n.ETAG))
        assert len(tags) == 1 and None not in tags


def test_stream_that_ends_with_a_block_says_so():
    site = Served(lambda: Stream([X16, X16]))
    assert site.fetch(0, 0).option(n.BLOCK2) == block(0, True)
    assert site.fetch(1, 0).option(n.BLOCK2) == block(1, False)


def test_stream_that_fits_is_whole():
    for data in (b"", b"small", DATA[:1024]):
        site = Served(lambda data=data: Stream([data]))
        sent = site.fetch()
        assert sent.payload == data and sent.option(n.BLOCK2) is None


def test_streams_have_etags_of_their_own():
    site = Served(lambda: Stream([DATA]))
    assert site.fetch().option(n.ETAG) != site.fetch().option(n.ETAG)


def test_block_of_a_stream_may_be_asked_for_again_but_not_one_before():
    site = Served(lambda: Stream([DATA]))
    for num in (0, 1, 1, 2, 2, 2):
        assert (site.fetch(num, 0)).payload == DATA[16 * num : 16 * num + 16]
    for num in (1, 4):
        sent = site.fetch(num, 0)
        assert sent.code == n.BAD_REQUEST and sent.option(n.BLOCK2) is None
    assert site.fetch(3, 0).payload == DATA[48:64]


def test_stream_may_be_asked_for_anew():
    site = Served(lambda: Stream([DATA]))
    for num in (0, 1, 2, 0, 1):
        assert (site.fetch(num, 0)).payload == DATA[16 * num : 16 * num + 16]


class Dripping:
    """Gives one byte at a time."""

    def __init__(self, data):
        self.data = data

    def readinto(self, buf):
        some, self.data = self.data[:1], self.data[1:]
        buf[: len(some)] = some
        return len(some)


def test_source_may_give_less_than_is_asked_for():
    site = Served(lambda: Dripping(DATA[:40]))
    for num in range(3):
        sent = site.fetch(num, 0)
        assert sent.payload == DATA[16 * num : min(40, 16 * num + 16)] and sent.option(n.BLOCK2) == block(num, num < 2)


def test_size_of_a_stream_may_change():
    site = Served(lambda: Stream([DATA]))
    assert site.fetch(0, 3).payload == DATA[:128]
    assert site.fetch(8, 0).payload == DATA[128:144]
    assert site.fetch(9, 0).payload == DATA[144:160]
    assert site.fetch(5, 1).payload == DATA[160:192]


def test_stream_is_closed_at_its_end_or_in_time():
    Source.closed = 0
    site = Served(lambda: Source(10), downloads=1)
    site.fetch(0, 0)
    assert Source.closed == 0
    site.wait(LIFETIME)
    assert Source.closed == 1
    site.fetch(0, 0)
    site.fetch(0, 0)  # begins anew
    assert Source.closed == 2
    for num in range(1, 7):
        site.fetch(num, 0)
    site.wait(LIFETIME)
    assert Source.closed == 3


def test_stream_that_finds_no_place_is_closed():
    Source.closed = 0
    site = Served(lambda: Source(10), downloads=1)
    site.fetch(0, 0)
    assert site.fetch(0, 0, peer=OTHER).code == n.SERVICE_UNAVAILABLE and Source.closed == 1


def test_stream_that_fails_is_5_00_and_does_not_seem_to_end():
    for fail_at in (0, 4):
        Source.closed = 0
        site = Served(lambda fail_at=fail_at: Source(10, fail_at=fail_at), downloads=1)
        codes = [site.fetch(0, 0).code, site.fetch(1, 0).code, site.fetch(2, 0).code, site.fetch(2, 0).code]
        assert n.INTERNAL_SERVER_ERROR in codes
        bad = codes.index(n.INTERNAL_SERVER_ERROR)
        assert n.CONTENT not in codes[bad:], codes
        assert Source.closed >= 1


def test_stream_answers_post_and_is_held():
    site = Served(lambda: Stream([DATA[:40]]))
    for num in range(3):
        sent = site.fetch(num, 0, code=n.POST)
        assert sent.code == n.CHANGED and sent.payload == DATA[16 * num : min(40, 16 * num + 16)]
    assert site.posts == 1


class File(io.BytesIO):
    closed_ones = 0

    def close(self):
        File.closed_ones += 1


def opened(data):
    file = io.BytesIO(data)
    return file


def test_file_is_read_where_it_is_asked_for():
    site = Served(lambda: opened(DATA))
    for num in (0, 2, 1, 156, 0):
        sent = site.fetch(num, 0)
        assert sent.payload == DATA[16 * num : 16 * num + 16] and sent.option(n.BLOCK2) == block(num, num < 156)
    assert site.fetch(157, 0).code == n.BAD_REQUEST and site.fetch(0xFFFFF, 6).code == n.BAD_REQUEST


def test_file_that_fits_is_whole():
    for length in (0, 5, 1024):
        sent = Served(lambda length=length: opened(DATA[:length])).fetch()
        assert sent.payload == DATA[:length] and sent.option(n.BLOCK2) is None
    assert Served(lambda: opened(DATA[:1025])).fetch().option(n.BLOCK2) == block(0, True, 6)


def test_file_is_closed_each_time():
    for code in (n.GET, n.FETCH):
        files = []

        def give(files=files):
            files.append(opened(DATA[:20]))
            return files[-1]

        site = Served(give)
        site.fetch(0, 0, code=code)
        site.fetch(1, 0, code=code)
        site.wait(LIFETIME)
        assert files
        for file in files:
            assert _is_closed(file)


def _is_closed(file):
    try:
        file.read(1)
    except (ValueError, OSError):
        return True
    return False


def test_file_answers_post_once():
    site = Served(lambda: opened(DATA[:40]))
    for num in range(3):
        sent = site.fetch(num, 0, code=n.POST)
        assert sent.code == n.CHANGED and sent.payload == DATA[16 * num : min(40, 16 * num + 16)]
    assert site.posts == 1


def test_condition_closes_the_file_that_it_looks_at():
    files = []

    def give():
        files.append(opened(DATA))
        return files[-1]

    site = Served(give)
    site.ask([(n.IF_NONE_MATCH, b"")] + B, code=n.PUT)
    assert len(files) == 1 and _is_closed(files[0])


def test_blocks_go_to_who_asks():
    site = Served(DATA)
    assert site.fetch(1, 0, peer=OTHER).peer == OTHER and site.fetch(1, 0).peer == CLIENT
