"""Block1 at a server (RFC 7959 §2.3, §2.5; RFC 9175 §3): uploads, put together or streamed."""

from groupcoap import numbers as n
from groupcoap.uploads import Streamed
from groupcoap.errors import Forbidden
from groupcoap.server import Resource
from test_server import Site
from wire import OTHER

B = [(n.URI_PATH, b"b")]
S = [(n.URI_PATH, b"s")]
X16 = b"0123456789abcdef"
LIFETIME = 247000  # ms: EXCHANGE_LIFETIME
KEY = 15  # Uri-Query


def block(num, more=False, szx=0):
    value = num << 4 | more << 3 | szx
    return value.to_bytes((value.bit_length() if hasattr(value, "bit_length") else _bits(value)) + 7 >> 3, "big")


def _bits(value):
    count = 0
    while value:
        value >>= 1
        count += 1
    return count


class Uploaded(Site):
    """A site whose /b notes what is written to it."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.bodies = []
        self.result = None
        self.server.add(Resource("b"), PUT=self.take, POST=self.take, FETCH=self.take)

    def take(self, request):
        self.bodies.append(bytes(request.payload()))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def put(self, num, more=False, payload=X16, szx=0, code=n.PUT, path=B, options=(), **request):
        """Send one block: the answer."""
        options = sorted(path + [(n.BLOCK1, block(num, more, szx))] + list(options))
        (sent,) = self.ask(options, code=code, payload=payload, **request)
        return sent

    def upload(self, count, last=b"end", **request):
        """Send `count` blocks of 16 bytes and a last one: its answer."""
        for i in range(count):
            assert self.put(i, True, **request).code == n.CONTINUE
        return self.put(count, payload=last, **request)


# Uploads


def test_blocks_are_put_together():
    site = Uploaded()
    for i in range(3):
        sent = site.put(i, True, mid=50 + i)
        assert (sent.kind, sent.code, sent.mid, sent.token) == (n.ACK, n.CONTINUE, 50 + i, b"tk")
        assert sent.options == [(n.BLOCK1, block(i, True))] and sent.payload == b"" and site.bodies == []
    sent = site.put(3, payload=b"end")
    assert sent.code == n.CHANGED and sent.options == [(n.BLOCK1, block(3))] and site.bodies == [3 * X16 + b"end"]


def test_whole_request_has_options_and_token_of_the_last_block():
    site, seen = Uploaded(), []
    site.add("q", lambda r: seen.append((r.code, r.token(), r.options(), r.payload_length(), r.mid())), "PUT")
    path = [(n.URI_PATH, b"q"), (n.CONTENT_FORMAT, b"\x3c"), (KEY, b"a=1")]
    site.put(0, True, path=path, token=b"first")
    site.put(1, path=path, payload=b"x", token=b"12345678", mid=99)
    assert seen == [(n.PUT, b"12345678", path + [(n.BLOCK1, block(1))], 17, 99)]


def test_all_block_sizes_are_taken():
    for szx in range(7):
        site = Uploaded(upload_bytes=4096)
        size = 16 << szx
        data = bytes([i * 7 & 255 for i in range(2 * size + 1)])
        for i in range(2):
            assert site.put(i, True, data[i * size : (i + 1) * size], szx).option(n.BLOCK1) == block(i, True, szx)
        site.put(2, False, data[2 * size :], szx)
        assert site.bodies == [data], szx


def test_last_block_may_be_full_or_empty():
    site = Uploaded()
    site.put(0, True)
    site.put(1)
    assert site.bodies == [2 * X16]
    site.put(0, True)
    site.put(1, payload=b"")
    assert site.bodies[1] == X16


def test_only_block_is_the_whole_request():
    site = Uploaded(uploads=1)
    sent = site.put(0, payload=b"x")
    assert sent.code == n.CHANGED and sent.option(n.BLOCK1) == b"" and site.bodies == [b"x"]
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE  # and has taken no place


def test_only_block_needs_no_place():
    site = Uploaded(uploads=1)
    site.put(0, True, peer=OTHER)
    assert site.put(0, payload=b"x").code == n.CHANGED
    assert site.put(1, payload=b"end", peer=OTHER).code == n.CHANGED


def test_only_block_leaves_the_answer_of_an_upload_alone():
    site = Uploaded()
    site.result = b"one"
    site.put(0, True, code=n.FETCH)
    first = site.put(1, code=n.FETCH, mid=500)
    site.result = b"two"
    assert site.put(0, code=n.FETCH, peer=OTHER).payload == b"two"
    assert site.put(1, code=n.FETCH, mid=500).raw == first.raw


def test_block_of_another_content_format_is_4_08():
    for one, two in (([(n.CONTENT_FORMAT, b"")], []), ([], [(n.CONTENT_FORMAT, b"")]),
                     ([(n.CONTENT_FORMAT, b"\x3c")], [(n.CONTENT_FORMAT, b"\x3d")])):  # fmt: skip
        site = Uploaded()
        site.put(0, True, options=one)
        assert site.put(1, options=two).code == n.REQUEST_ENTITY_INCOMPLETE and site.bodies == []
        assert site.put(1, options=one).code == n.CHANGED


def test_gap_is_4_08_and_the_upload_goes_on():
    site = Uploaded()
    site.put(0, True)
    assert site.put(2, True).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.put(2).code == n.REQUEST_ENTITY_INCOMPLETE
    site.put(1, True)
    site.put(2, payload=b"end")
    assert site.bodies == [2 * X16 + b"end"]


def test_block_without_those_before_is_4_08():
    site = Uploaded()
    assert site.put(1, True).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.put(1).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.bodies == []


def test_block_behind_the_last_is_4_08():
    site = Uploaded()
    site.upload(1)
    assert site.put(1, True).code == site.put(2, True).code == site.put(2).code == n.REQUEST_ENTITY_INCOMPLETE
    assert len(site.bodies) == 1


def test_block_that_comes_again_is_taken_once():
    for mids in ((7, 7), (7, 8)):
        site = Uploaded()
        site.put(0, True)
        for mid in mids:
            assert site.put(1, True, mid=mid).options == [(n.BLOCK1, block(1, True))]
        site.put(2, payload=b"end")
        assert site.bodies == [2 * X16 + b"end"]


def test_older_block_that_comes_again_changes_nothing():
    for first in (0, 1):
        site = Uploaded()
        for i in range(3):
            site.put(i, True, mid=100 + i)
        site.put(first, True, mid=100 + first)  # a copy that was late
        assert site.put(3, payload=b"end").code == n.CHANGED
        assert site.bodies == [3 * X16 + b"end"]


def test_first_block_that_comes_again_is_answered_again():
    site = Uploaded()
    assert [site.put(0, True, mid=5).raw for _ in range(2)] == [site.put(0, True, mid=5).raw] * 2


def test_first_block_that_comes_again_after_the_end_takes_no_place():
    site = Uploaded(uploads=1)
    site.put(0, True, mid=5)
    site.put(1, mid=6)
    site.put(0, True, mid=5)
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE


def test_last_block_that_comes_again_has_the_same_answer_and_no_second_effect():
    for code in (n.PUT, n.POST, n.FETCH):
        site = Uploaded()
        site.result = b"answer"
        site.put(0, True, code=code)
        first = site.put(1, code=code, mid=500)
        again = site.put(1, code=code, mid=500)
        assert first.raw == again.raw and first.payload == b"answer" and len(site.bodies) == 1, code


def test_last_block_that_comes_again_has_the_same_error():
    site = Uploaded()
    site.result = Forbidden("no")
    site.put(0, True)
    first = site.put(1, mid=500)
    assert first.code == n.FORBIDDEN and first.raw == site.put(1, mid=500).raw and len(site.bodies) == 1


def test_answer_that_is_a_view_is_kept_too():
    site = Uploaded()
    site.result = memoryview(bytearray(b"answer"))
    site.put(0, True)
    assert site.put(1, mid=500).raw == site.put(1, mid=500).raw


def test_error_of_the_handler_tells_the_block():
    site = Uploaded()
    site.result = Forbidden("no")
    site.put(0, True)
    sent = site.put(1)
    assert sent.code == n.FORBIDDEN and sent.payload == b"no" and sent.option(n.BLOCK1) == block(1)


def test_first_block_begins_anew():
    site = Uploaded()
    site.put(0, True, b"A" * 16)
    site.put(1, True, b"A" * 16)
    site.put(0, True, b"B" * 16)
    assert site.put(2, True).code == n.REQUEST_ENTITY_INCOMPLETE
    site.put(1, payload=b"C")
    assert site.bodies == [b"B" * 16 + b"C"]


def test_upload_after_an_upload_is_another():
    site = Uploaded()
    assert site.upload(1).code == n.CHANGED and site.upload(2).code == n.CHANGED
    assert site.bodies == [X16 + b"end", 2 * X16 + b"end"]


def test_too_large_is_4_13_with_the_size_that_is_taken():
    site = Uploaded(upload_bytes=40)
    site.put(0, True)
    site.put(1, True)
    sent = site.put(2, payload=b"123456789")
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and sent.option(n.SIZE1) == b"\x28" and site.bodies == []
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE  # its place is free
    site = Uploaded(upload_bytes=40)
    site.upload(2, b"12345678")
    assert site.bodies == [2 * X16 + b"12345678"]


def test_size1_above_what_is_taken_is_4_13_at_once():
    site = Uploaded(upload_bytes=40)
    sent = site.put(0, True, options=[(n.SIZE1, b"\x29")])
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and sent.option(n.SIZE1) == b"\x28"
    assert site.put(0, True, options=[(n.SIZE1, b"\x28")]).code == n.CONTINUE


def test_lying_size1_changes_nothing():
    for said in (b"", b"\x01", b"\x28"):
        site = Uploaded(upload_bytes=40)
        assert site.upload(1, options=[(n.SIZE1, said)]).code == n.CHANGED and site.bodies == [X16 + b"end"]
        site = Uploaded(upload_bytes=40)
        for i in range(2):
            site.put(i, True, options=[(n.SIZE1, said)])
        assert site.put(2, True).code == n.REQUEST_ENTITY_TOO_LARGE and site.bodies == []


def test_huge_size1_is_4_13():
    assert Uploaded().put(0, True, options=[(n.SIZE1, b"\xff\xff\xff\xff")]).code == n.REQUEST_ENTITY_TOO_LARGE


def test_reserved_size_is_4_00_and_not_echoed():
    for more in (False, True):
        site = Uploaded()
        sent = site.put(0, more, szx=7)
        assert sent.code == n.BAD_REQUEST and sent.option(n.BLOCK1) is None and site.bodies == []


def test_block1_of_four_bytes_is_4_02_and_not_echoed():
    site = Uploaded()
    (sent,) = site.ask(B + [(n.BLOCK1, b"\0\0\0\0")], code=n.PUT, payload=X16)
    assert sent.code == n.BAD_OPTION and sent.option(n.BLOCK1) is None and site.bodies == []


def test_block_of_another_length_than_it_says_is_4_00():
    for more, payload in ((True, b"short"), (True, b""), (True, X16 + b"x"), (False, X16 + b"x")):
        site = Uploaded()
        assert site.put(0, more, payload).code == n.BAD_REQUEST and site.bodies == []
        site.put(0, True)
        assert site.put(1, more, payload).code == n.BAD_REQUEST and site.bodies == []
        assert site.put(1, payload=b"end").code == n.CHANGED and site.bodies == [X16 + b"end"]


def test_one_place_is_for_one_client_at_a_time():
    site = Uploaded(uploads=1)
    site.put(0, True)
    sent = site.put(0, True, peer=OTHER)
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) is not None
    assert site.put(1, payload=b"end").code == n.CHANGED
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE


def test_two_clients_at_once_are_told_apart():
    site = Uploaded(uploads=2)
    site.put(0, True, b"A" * 16)
    site.put(0, True, b"B" * 16, peer=OTHER)
    site.put(1, payload=b"a")
    site.put(1, payload=b"b", peer=OTHER)
    assert site.bodies == [b"A" * 16 + b"a", b"B" * 16 + b"b"]


def test_request_tag_method_path_and_query_tell_uploads_apart():
    tag = n.REQUEST_TAG
    site = Uploaded(uploads=2)
    site.server.add(Resource("c"), PUT=site.take)
    for one, two in (
        ({"options": [(tag, b"1")]}, {"options": [(tag, b"2")]}),
        ({"options": [(tag, b"")]}, {}),
        ({"code": n.PUT}, {"code": n.POST}),
        ({"path": B}, {"path": [(n.URI_PATH, b"c")]}),
        ({"options": [(KEY, b"1")]}, {"options": [(KEY, b"2")]}),
        ({"options": [(KEY, b"1"), (KEY, b"2")]}, {"options": [(KEY, b"12")]}),
    ):
        site.bodies = []
        site.put(0, True, b"A" * 16, **one)
        site.put(0, True, b"B" * 16, **two)
        site.put(1, payload=b"a", **one)
        site.put(1, payload=b"b", **two)
        assert site.bodies == [b"A" * 16 + b"a", b"B" * 16 + b"b"], one


def test_token_does_not_matter_to_an_upload():
    site = Uploaded()
    site.put(0, True, token=b"1")
    assert site.put(1, token=b"2").code == n.CHANGED


def test_upload_that_is_silent_for_max_transmit_wait_gives_way():
    site = Uploaded(uploads=1)
    site.put(0, True)
    site.wait(93000)
    assert site.put(0, True, peer=OTHER).code == n.SERVICE_UNAVAILABLE
    site.put(1, True)  # its time begins anew
    site.wait(93000)
    assert site.put(0, True, peer=OTHER).code == n.SERVICE_UNAVAILABLE
    site.wait(1)
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE
    assert site.put(2).code == n.REQUEST_ENTITY_INCOMPLETE


def test_abandoned_upload_is_forgotten():
    site = Uploaded(uploads=1)
    site.put(0, True)
    site.wait(LIFETIME)
    assert site.put(1).code == n.REQUEST_ENTITY_INCOMPLETE


def test_uploads_are_abandoned_one_by_one():
    site = Uploaded(uploads=2)
    site.put(0, True)
    site.wait(100000)
    site.put(0, True, peer=OTHER)
    site.wait(LIFETIME - 100000)
    assert site.put(1, peer=OTHER).code == n.CHANGED
    site.put(0, True, peer=OTHER)
    site.wait(LIFETIME)
    assert site.put(1, peer=OTHER).code == n.REQUEST_ENTITY_INCOMPLETE


def test_upload_that_begins_anew_keeps_its_place():
    site = Uploaded(uploads=2)
    for _ in range(3):
        site.put(0, True)
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE


def test_upload_that_a_client_has_broken_off_makes_room_for_its_next():
    site = Uploaded(uploads=1)
    site.put(0, True, options=[(n.REQUEST_TAG, b"1")])
    assert site.put(0, True, path=S + [(KEY, b"x")], options=[(n.REQUEST_TAG, b"2")]).code == n.NOT_FOUND
    assert site.put(0, True, code=n.POST, options=[(n.REQUEST_TAG, b"2")]).code == n.SERVICE_UNAVAILABLE
    assert site.put(0, True, options=[(n.REQUEST_TAG, b"2")]).code == n.CONTINUE
    assert site.put(1, options=[(n.REQUEST_TAG, b"1")]).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.put(1, options=[(n.REQUEST_TAG, b"2")]).code == n.CHANGED


def test_ended_upload_is_forgotten_in_time():
    site = Uploaded()
    site.upload(1)
    site.wait(LIFETIME)
    assert site.put(1, True).code == n.REQUEST_ENTITY_INCOMPLETE and len(site.bodies) == 1


def test_server_asks_for_its_smaller_size_and_takes_it():
    site = Uploaded(block_size=32)
    data = bytes(range(128))
    sent = site.put(0, True, data[:64], szx=2)
    assert sent.code == n.CONTINUE and sent.option(n.BLOCK1) == block(0, True, 1)
    for i in (2, 3):  # the client goes on with 32 bytes
        assert site.put(i, i < 3, data[32 * i : 32 * i + 32], 1).option(n.BLOCK1) == block(i, i < 3, 1)
    assert site.bodies == [data]


def test_sizes_may_change_between_blocks():
    site = Uploaded()
    data = bytes(range(100))
    site.put(0, True, data[:64], szx=2)
    site.put(2, True, data[64:96], szx=1)
    site.put(6, False, data[96:], szx=0)
    assert site.bodies == [data]


def test_greatest_block_number_is_4_08():
    for szx in (0, 6):
        site = Uploaded()
        site.put(0, True)
        payload = bytes(16 << szx)
        assert site.put(0xFFFFF, True, payload, szx).code == n.REQUEST_ENTITY_INCOMPLETE
        assert site.put(0xFFFFF, False, payload, szx).code == n.REQUEST_ENTITY_INCOMPLETE
        assert site.put(1).code == n.CHANGED


def test_options_without_room_are_4_13():
    path = [(n.URI_PATH, b"b")] + [(KEY, b"q" * 100)] * 2
    site = Uploaded()
    assert site.put(0, True, path=path).code == n.REQUEST_ENTITY_TOO_LARGE


def test_options_without_room_in_the_last_block_are_4_13():
    site = Uploaded()
    site.put(0, True, path=B)
    sent = site.put(1, path=B + [(2048, b"q" * 200)])
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and site.bodies == []


def test_longest_options_that_there_is_room_for():
    for more, code in ((0, n.CHANGED), (1, n.REQUEST_ENTITY_TOO_LARGE)):
        site = Uploaded()
        # in front of the marker, 159 bytes: header 4, token 2, path 2, Block1 2 or 3, and an elective option
        path = B + [(2048, b"q" * (144 + more))]
        options = [(n.BLOCK1, block(1, False, 0))]
        site.put(0, True)
        (sent,) = site.ask(B + options + [(2048, b"q" * (144 + more))], code=n.PUT, payload=b"x")
        assert sent.code == code and site.bodies == [X16 + b"x"][: 1 - more], path


def test_large_answer_to_another_request_leaves_an_upload_alone():
    site = Uploaded()
    site.value = bytes(2000)
    site.put(0, True)
    assert len(site.ask([(n.URI_PATH, b"temp")])[0].payload) == 1024
    assert site.put(1, payload=b"end").code == n.CHANGED


def test_upload_to_what_is_not_there_is_its_error():
    site = Uploaded()
    sent = site.put(0, True, path=[(n.URI_PATH, b"no")])
    assert sent.code == n.NOT_FOUND
    assert site.put(0, True, code=n.DELETE).code == n.METHOD_NOT_ALLOWED
    assert site.put(0, True).code == n.CONTINUE  # there was a place


def test_server_without_places_refuses_a_part_of_a_body():
    site = Uploaded(uploads=0)
    assert site.put(0, True).code in (n.BAD_OPTION, n.REQUEST_ENTITY_TOO_LARGE)
    assert site.put(1).code in (n.BAD_OPTION, n.REQUEST_ENTITY_TOO_LARGE, n.REQUEST_ENTITY_INCOMPLETE)
    assert site.bodies == []
    assert site.put(0, payload=b"x").code == n.CHANGED and site.bodies == [b"x"]


def test_non_uploads_work():
    site = Uploaded()
    for i in range(2):
        sent = site.put(i, True, kind=n.NON)
        assert sent.kind == n.NON and sent.code == n.CONTINUE
    assert site.put(2, kind=n.NON).code == n.CHANGED and site.bodies == [3 * X16]


def test_put_if_none_match_in_blocks_has_one_answer():
    site = Uploaded()
    site.server.add(Resource("n"), GET=site.there, PUT=site.create)
    site.here = None
    path = [(n.IF_NONE_MATCH, b""), (n.URI_PATH, b"n")]
    site.put(0, True, path=path)
    first = site.put(1, path=path, mid=500)
    assert first.code == n.CHANGED and site.put(1, path=path, mid=500).raw == first.raw


def _there(self, request):
    from groupcoap.errors import NotFound

    if self.here is None:
        raise NotFound()
    return self.here


def _create(self, request):
    self.here = bytes(request.payload())


Uploaded.there = _there
Uploaded.create = _create


# Uploads that are streamed


class Sink:
    def __init__(self, log, fail=None):
        self.log = log
        self.fail = fail

    def write(self, data):
        self._do("write", bytes(data))

    def close(self):
        self._do("close")
        return b"stored"

    def abort(self):
        self._do("abort")

    def _do(self, *what):
        self.log.append(what)
        if self.fail and what[0] in self.fail:
            raise OSError(what[0])


class NoAbort:
    def __init__(self, log):
        self.log = log

    def write(self, data):
        self.log.append("write")

    def close(self):
        self.log.append("close")


def streaming(fail=(), make=None, **settings):
    site = Uploaded(**settings)
    site.log, site.opened = [], []

    def open(request):
        site.opened.append(request.code)
        if "open" in fail:
            raise Forbidden("not here")
        return (make or (lambda log: Sink(log, fail)))(site.log)

    handler = Streamed(open)
    site.server.add(Resource("s"), PUT=handler, POST=handler)
    return site


def test_stream_is_written_block_by_block_and_closed():
    site = streaming(upload_bytes=0)
    for i in range(3):
        assert site.put(i, True, path=S).code == n.CONTINUE
        assert site.log == [("write", X16)] * (i + 1)
    sent = site.put(3, payload=b"end", path=S)
    assert (sent.code, sent.payload, sent.option(n.BLOCK1)) == (n.CHANGED, b"stored", block(3))
    assert site.log[3:] == [("write", b"end"), ("close",)] and site.opened == [n.PUT]


def test_stream_takes_one_message_too():
    for more in ([], [(n.BLOCK1, b"")]):
        site = streaming()
        (sent,) = site.ask(S + more, code=n.PUT, payload=b"all")
        assert sent.code == n.CHANGED and sent.payload == b"stored"
        assert site.log == [("write", b"all"), ("close",)]


def test_stream_may_be_longer_than_any_buffer():
    site = streaming(upload_bytes=16)
    for i in range(300):
        assert site.put(i, True, path=S, options=[(n.SIZE1, b"\x12\xc0")]).code == n.CONTINUE
    site.put(300, path=S)
    assert len(site.log) == 302


def test_blocks_that_come_again_are_written_once():
    site = streaming()
    for i in (0, 0, 1, 1):
        site.put(i, True, path=S, mid=700 + i)
    site.put(1, True, path=S)
    for _ in range(2):
        sent = site.put(2, path=S, mid=800)
    assert sent.payload == b"stored" and site.log == [("write", X16)] * 3 + [("close",)] and len(site.opened) == 1


def test_stream_that_begins_anew_is_aborted_first():
    site = streaming()
    site.put(0, True, path=S)
    site.put(0, True, path=S)
    assert site.log == [("write", X16), ("abort",), ("write", X16)] and len(site.opened) == 2


def test_stream_that_is_abandoned_is_aborted_once():
    site = streaming()
    site.put(0, True, path=S)
    site.wait(LIFETIME)
    assert site.log == [("write", X16), ("abort",)]
    site.wait(LIFETIME)
    site.put(0, True, peer=OTHER)
    assert len(site.log) == 2


def test_stream_without_abort_is_closed():
    site = streaming(make=NoAbort)
    site.put(0, True, path=S)
    site.wait(LIFETIME)
    assert site.log == ["write", "close"]


def test_stream_that_has_ended_is_not_aborted():
    site = streaming()
    site.put(0, True, path=S)
    site.put(1, path=S)
    site.wait(2 * LIFETIME)
    site.put(0, True, peer=OTHER)
    assert site.log[-1] == ("close",)


def test_stream_that_fails_to_open_is_its_error_and_takes_no_place():
    site = streaming(fail=("open",))
    assert site.put(0, True, path=S).code == n.FORBIDDEN
    assert site.put(1, path=S).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE


def test_stream_that_fails_to_write_is_aborted_and_5_00():
    site = streaming(fail=("write",))
    assert site.put(0, True, path=S).code == n.INTERNAL_SERVER_ERROR
    assert site.log == [("write", X16), ("abort",)]
    assert site.put(1, path=S).code == n.REQUEST_ENTITY_INCOMPLETE
    assert site.put(0, True, peer=OTHER).code == n.CONTINUE


def test_stream_that_fails_to_close_is_5_00_once():
    site = streaming(fail=("close",))
    site.put(0, True, path=S)
    first = site.put(1, path=S, mid=500)
    assert first.code == n.INTERNAL_SERVER_ERROR and site.put(1, path=S, mid=500).raw == first.raw
    site.wait(LIFETIME)
    assert site.log == [("write", X16), ("write", X16), ("close",)]


def test_stream_that_fails_to_abort_ends_nothing():
    site = streaming(fail=("abort",))
    site.put(0, True, path=S)
    site.wait(LIFETIME)  # no exception
    assert site.log[-1] == ("abort",)
    site.put(0, True, path=S)
    assert site.put(0, True, path=S).code == n.CONTINUE  # begins anew
    assert site.put(1, path=S).code == n.CHANGED


def test_stream_of_one_message_that_fails_is_aborted():
    site = streaming(fail=("write",))
    (sent,) = site.ask(S, code=n.PUT, payload=b"all")
    assert sent.code == n.INTERNAL_SERVER_ERROR and site.log == [("write", b"all"), ("abort",)]
