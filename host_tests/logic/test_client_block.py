"""Block-wise transfers of the client (RFC 7959), and the options that go with them (RFC 9175)."""

import io

from asking import SERVER_URI, Asking, through
from groupcoap import numbers as n
from groupcoap.client import RequestFailed
from groupcoap.parameters import Parameters
from wire import PROXY, SERVER, datagram

BODY = bytes([(i * 7) & 255 for i in range(150)])


def uint(option):
    return None if option is None else int.from_bytes(option, "big")


def block(num, more, szx):
    value = num << 4 | (8 if more else 0) | szx
    out = b""
    while value:
        out = bytes((value & 255,)) + out
        value >>= 8
    return out


def parts(packet, number):
    """(NUM, M, SZX) of a block option of this packet, or None."""
    value = packet.option(number)
    value = uint(value)
    return None if value is None else (value >> 4, bool(value & 8), value & 7)


def serve(asking, num, szx, body=BODY, etag=b"e1"):
    """Answer with a block of `body`; the next request."""
    size = 16 << szx
    piece = body[num * size : (num + 1) * size]
    options = [(n.ETAG, etag)] if etag else []
    options += [(n.CONTENT_FORMAT, b"\x2a"), (n.BLOCK2, block(num, (num + 1) * size < len(body), szx))]
    return asking.reply(n.CONTENT, options, piece)


class Sink:
    def __init__(self, longest=100000):
        self.data = b""
        self.longest = longest

    def write(self, data):
        if len(self.data) + len(data) > self.longest:
            raise OSError(28)
        self.data += bytes(data)


class Stream:
    """Gives bytes by read(n) alone, at most 7 at a time."""

    def __init__(self, data):
        self._data = data

    def read(self, count):
        piece = self._data[: min(count, 7)]
        self._data = self._data[len(piece) :]
        return piece


# Block2


def test_blocks_are_asked_for_until_the_last_and_put_together():
    asking = Asking()
    asking.wire.advance(10)
    for num in range(2):
        sent = serve(asking, num, 2)
        assert parts(sent, n.BLOCK2) == (num + 1, False, 2) and sent.kind == n.CON and sent.code == n.GET
        assert [pair for pair in sent.options if pair[0] != n.BLOCK2] == [(n.URI_PATH, b"temp"), (n.URI_QUERY, b"a=b")]
        assert asking.items == []
    asking.wire.advance(10)
    assert serve(asking, 2, 2) is None
    response, end = asking.items
    assert response.payload == BODY and response.code == n.CONTENT and response.origin == SERVER and end is None
    assert response.options == [(n.ETAG, b"e1"), (n.CONTENT_FORMAT, b"\x2a")] and response.rtt == 20 and asking.over()


def test_blocks_may_come_as_separate_responses():
    asking = Asking(confirmable=False)
    for num in range(3):
        piece = BODY[num * 64 : num * 64 + 64]
        data = datagram(n.NON, n.CONTENT, 500 + num, asking.sent.token, [(n.BLOCK2, block(num, num < 2, 2))], piece)
        found = asking.port.receive(data, SERVER)
        if found:
            (asking.sent,) = found
            assert asking.sent.kind == n.NON
    assert asking.items[0].payload == BODY and asking.over()


def test_old_token_is_taken_no_more():
    asking = Asking()
    first = asking.sent
    serve(asking, 0, 2)
    assert asking.answer(n.CON, mid=77, token=first.token)[0].is_empty(n.RST, 77) and asking.items == []


def test_size_of_blocks_is_said_in_advance():
    assert parts(Asking().sent, n.BLOCK2) is None
    assert parts(Asking(block_size=64).sent, n.BLOCK2) == (0, False, 2)
    assert parts(Asking(block_size=100).sent, n.BLOCK2) == (0, False, 2)
    assert Asking(block_size=16).sent.option(n.BLOCK2) == b""
    for size in (15, 1025):
        try:
            Asking(block_size=size)
        except ValueError:
            continue
        raise AssertionError("not refused")


def test_smaller_blocks_of_the_server_are_adopted():
    asking = Asking(block_size=64)
    assert parts(serve(asking, 0, 1), n.BLOCK2) == (1, False, 1)  # 32 of the 64 bytes asked for
    assert parts(serve(asking, 1, 1), n.BLOCK2) == (2, False, 1)
    assert parts(serve(asking, 4, 0), n.BLOCK2) == (5, False, 0)  # smaller in the middle: 64 bytes are there
    for num in range(5, 10):
        serve(asking, num, 0)
    assert asking.items[0].payload == BODY and asking.over()


def test_smaller_blocks_than_the_servers_first_may_be_asked_for():
    asking = Asking(block_size=32)
    assert parts(serve(asking, 0, 2), n.BLOCK2) == (2, False, 1)


def test_wrong_blocks_fail_the_request():
    whole = BODY[:64]
    for options, piece in (
        ([(n.BLOCK2, block(2, True, 2))], whole),  # not the one asked for
        ([(n.BLOCK2, block(0, True, 2))], whole),
        ([(n.BLOCK2, block(1, True, 2))], whole[:-1]),  # a wrong length
        ([(n.BLOCK2, block(1, False, 1))], whole),
        ([], whole),  # no block
        ([(n.BLOCK2, b"\x17")], whole),  # SZX 7
        ([(n.BLOCK2, b"\0\0\0\x12")], whole),  # too long an option: a critical one that is not understood
    ):
        asking = Asking()
        serve(asking, 0, 2)
        asking.reply(n.CONTENT, options, piece)
        if len(options) and len(options[0][1]) == 4:
            assert asking.items == []
        else:
            assert asking.failed(), options


def test_response_with_a_later_block_first_fails_the_request():
    for value in (block(1, True, 2), block(1, False, 2), b"\x07"):
        asking = Asking()
        asking.reply(n.CONTENT, [(n.BLOCK2, value)], BODY[:64])
        assert asking.failed(), value


def test_error_in_the_middle_is_the_response():
    asking = Asking()
    serve(asking, 0, 2)
    asking.reply(n.NOT_FOUND, [], b"gone")
    assert (asking.items[0].code, asking.items[0].payload) == (n.NOT_FOUND, b"gone") and asking.over()


def test_silence_in_the_middle_fails_the_request():
    asking = Asking()
    serve(asking, 0, 2)
    asking.wire.advance(100000)
    assert asking.failed()
    assert [packet.option(n.BLOCK2) for packet in asking.port.sent()] == [block(1, False, 2)] * 4  # it was repeated


def test_changed_resource_is_fetched_anew():
    asking = Asking(block_size=64)
    serve(asking, 0, 2)
    assert parts(serve(asking, 1, 2, etag=b"e2"), n.BLOCK2) == (0, False, 2)
    for num in range(3):
        serve(asking, num, 2, etag=b"e2")
    assert asking.items[0].payload == BODY and asking.over()


def test_resource_that_changes_again_and_again_fails_the_request():
    asking = Asking()
    for i in range(2):
        serve(asking, 0, 2, etag=b"a%d" % i)
        assert parts(serve(asking, 1, 2, etag=b"b%d" % i), n.BLOCK2) == (0, False, 2)
    serve(asking, 0, 2, etag=b"x")
    assert serve(asking, 1, 2, etag=b"y") is None and asking.failed()


def test_changed_resource_is_not_posted_anew():
    asking = Asking(method=n.POST, payload=b"q")
    serve(asking, 0, 2)
    assert asking.sent.payload == b""
    assert serve(asking, 1, 2, etag=b"e2") is None and asking.failed()


def test_fetch_repeats_its_payload_for_each_block():
    asking = Asking(method=n.FETCH, payload=b"q", content_format=60)
    serve(asking, 0, 2)
    assert (asking.sent.code, asking.sent.payload, asking.sent.option(n.CONTENT_FORMAT)) == (n.FETCH, b"q", b"\x3c")


def test_later_blocks_are_asked_for_without_etag():
    asking = Asking(etag=b"old", accept=42)
    assert asking.sent.option(n.ETAG) == b"old"
    serve(asking, 0, 2)
    assert asking.sent.option(n.ETAG) is None and asking.sent.option(n.ACCEPT) == b"\x2a"


def test_payload_above_its_limit_fails_the_request():
    asking = Asking(max_payload=128)
    serve(asking, 0, 2)
    serve(asking, 1, 2)
    assert serve(asking, 2, 2) is None and asking.failed()


def test_payload_goes_into_a_sink():
    sink = Sink()
    asking = Asking(sink=sink, max_payload=0)
    for num in range(3):
        serve(asking, num, 2)
    assert sink.data == BODY and asking.items[0].payload == b"" and asking.items[0].code == n.CONTENT


def test_payload_of_one_message_goes_into_a_sink_and_an_errors_does_not():
    sink = Sink()
    Asking(sink=sink).reply(n.CONTENT, [], b"21.5")
    assert sink.data == b"21.5"
    asking = Asking(sink=sink)
    asking.reply(n.NOT_FOUND, [], b"none")
    assert sink.data == b"21.5" and asking.items[0].payload == b"none"


def test_changed_resource_fails_a_request_with_a_sink():
    asking = Asking(sink=Sink())
    serve(asking, 0, 2)
    assert serve(asking, 1, 2, etag=b"e2") is None and asking.failed()


def test_sink_that_is_full_fails_the_request():
    asking = Asking(sink=Sink(100))
    serve(asking, 0, 2)
    assert serve(asking, 1, 2) is None and asking.failed()


def test_blocks_may_be_left_to_the_caller():
    asking = Asking(options=[(n.BLOCK2, block(3, False, 2))])
    assert asking.sent.option(n.BLOCK2) == block(3, False, 2)
    asking.reply(n.CONTENT, [(n.BLOCK2, block(3, True, 2))], BODY[:64])
    assert asking.items[0].option(n.BLOCK2) == block(3, True, 2) and asking.over()


def test_blocks_come_through_a_proxy():
    asking = through(SERVER_URI)
    serve(asking, 0, 2)
    assert asking.sent.option(n.PROXY_URI) == SERVER_URI.encode()
    serve(asking, 1, 2)
    serve(asking, 2, 2)
    assert asking.items[0].payload == BODY and asking.items[0].origin == SERVER


# Block1


def confirm(asking, code=n.CONTINUE, szx=None, num=None, more=True, options=()):
    """Acknowledge the block in hand: the next request."""
    sent_num, _, sent_szx = parts(asking.sent, n.BLOCK1)
    szx = sent_szx if szx is None else szx
    num = (sent_num << sent_szx >> szx) if num is None else num
    return asking.reply(code, list(options) + [(n.BLOCK1, block(num, more, szx))])


def test_payload_goes_up_block_by_block():
    for payload, size in ((BODY, b"\x96"), (io.BytesIO(BODY), None), (Stream(BODY), None)):
        asking = Asking(method=n.PUT, payload=payload, block_size=64, content_format=42)
        pieces = []
        for num in range(3):
            sent = asking.sent
            pieces.append(sent.payload)
            assert parts(sent, n.BLOCK1) == (num, num < 2, 2) and sent.code == n.PUT
            assert sent.option(n.CONTENT_FORMAT) == b"\x2a" and sent.option(n.SIZE1) == (size if num == 0 else None)
            confirm(asking, n.CONTINUE if num < 2 else n.CHANGED, more=num < 2)
        assert pieces == [BODY[:64], BODY[64:128], BODY[128:]]
        assert asking.items[0].code == n.CHANGED and asking.items[0].options == [] and asking.over()
        assert not asking.client.abandoned


def test_payload_of_whole_blocks_ends_with_a_whole_one():
    for payload in (BODY[:128], io.BytesIO(BODY[:128])):
        asking = Asking(method=n.PUT, payload=payload, block_size=64)
        confirm(asking)
        assert parts(asking.sent, n.BLOCK1) == (1, False, 2) and asking.sent.payload == BODY[64:128]


def test_short_payload_needs_no_block():
    sent = Asking(method=n.PUT, payload=BODY[:64], block_size=64).sent
    assert parts(sent, n.BLOCK1) is None and sent.payload == BODY[:64]
    sent = Asking(method=n.PUT, payload=io.BytesIO(b"")).sent
    assert parts(sent, n.BLOCK1) == (0, False, 6) and sent.payload == b""


def test_long_payload_goes_up_in_blocks_of_1024():
    asking = Asking(method=n.PUT, payload=bytes(3000))
    assert parts(asking.sent, n.BLOCK1) == (0, True, 6) and len(asking.sent.payload) == 1024


def test_size_of_a_stream_may_be_said():
    asking = Asking(method=n.PUT, payload=io.BytesIO(BODY), size=150, block_size=64)
    assert asking.sent.option(n.SIZE1) == b"\x96"
    asking = Asking(method=n.PUT, payload=io.BytesIO(BODY), size=151, block_size=64)
    confirm(asking)
    assert confirm(asking) is None and asking.failed()


def test_smaller_blocks_of_the_server_are_adopted_going_up():
    for payload in (BODY, io.BytesIO(BODY)):
        asking = Asking(method=n.PUT, payload=payload, block_size=64)
        up = asking.sent.payload
        confirm(asking, szx=0, num=0)  # it has all 64 bytes, and wants 16 from now on
        for num in range(4, 10):
            assert parts(asking.sent, n.BLOCK1) == (num, num < 9, 0)
            up += asking.sent.payload
            confirm(asking, n.CONTINUE if num < 9 else n.CHANGED, more=num < 9)
        assert up == BODY and asking.over()


def test_too_large_a_first_block_is_sent_again_in_smaller_ones():
    for payload in (BODY, io.BytesIO(BODY)):
        asking = Asking(method=n.PUT, payload=payload, block_size=64)
        confirm(asking, n.REQUEST_ENTITY_TOO_LARGE, szx=1, num=0, more=True)
        assert parts(asking.sent, n.BLOCK1) == (0, True, 1) and asking.sent.payload == BODY[:32]
        confirm(asking)
        assert asking.sent.payload == BODY[32:64]


def test_too_large_a_payload_is_the_response():
    for options in ([], [(n.BLOCK1, block(0, True, 2))], [(n.SIZE1, b"\x40")]):
        asking = Asking(method=n.PUT, payload=BODY, block_size=64)
        asking.reply(n.REQUEST_ENTITY_TOO_LARGE, options)
        assert asking.items[0].code == n.REQUEST_ENTITY_TOO_LARGE and asking.over()
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    confirm(asking)
    confirm(asking, n.REQUEST_ENTITY_TOO_LARGE, szx=0)  # too late for smaller ones
    assert asking.items[0].code == n.REQUEST_ENTITY_TOO_LARGE and asking.over()


def test_incomplete_payload_is_the_response():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    confirm(asking)
    confirm(asking, 0x88)
    assert asking.items[0].code == 0x88 and asking.over()


def test_blocks_that_are_carried_out_one_by_one_go_on():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    confirm(asking, n.CHANGED, more=False)
    confirm(asking, n.CHANGED, more=False)
    assert asking.items == [] and parts(asking.sent, n.BLOCK1) == (2, False, 2)
    confirm(asking, n.CHANGED, more=False)
    assert asking.items[0].code == n.CHANGED and asking.over()


def test_wrong_acknowledgement_of_a_block_fails_the_request():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    confirm(asking, num=1)
    assert asking.failed()
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    asking.reply(n.CONTINUE)
    assert asking.failed()
    asking = Asking(method=n.PUT, payload=BODY[:100], block_size=64)
    confirm(asking)
    confirm(asking)  # 2.31 for the last block
    assert asking.failed()


def test_response_to_a_block_wise_request_may_be_block_wise():
    asking = Asking(method=n.POST, payload=BODY[:100], block_size=64)
    assert parts(asking.sent, n.BLOCK2) is None
    confirm(asking)
    assert parts(asking.sent, n.BLOCK2) == (0, False, 2)
    answer = [(n.BLOCK2, block(0, True, 2)), (n.BLOCK1, block(1, False, 2))]
    asking.reply(n.CHANGED, answer, BODY[:64])
    assert parts(asking.sent, n.BLOCK2) == (1, False, 2) and parts(asking.sent, n.BLOCK1) is None
    assert asking.sent.payload == b"" and asking.sent.code == n.POST
    asking.reply(n.CHANGED, [(n.BLOCK2, block(1, False, 2))], BODY[64:100])
    assert asking.items[0].code == n.CHANGED and asking.items[0].payload == BODY[:100] and asking.over()


class Broken:
    def __init__(self, after):
        self.after = after

    def read(self, count):
        if self.after <= 0:
            raise OSError(5)
        self.after -= count
        return b"x" * count


def test_stream_that_breaks_fails_the_request():
    asking = Asking(method=n.PUT, payload=Broken(60), block_size=64)
    confirm(asking)
    assert asking.failed()
    try:
        asking.send(SERVER_URI, n.PUT, payload=Broken(0))
    except OSError:
        assert asking.free() == 16
        return
    raise AssertionError("not told")


def test_block_waits_for_a_place_among_the_confirmable_messages():
    asking = Asking(sizes={"outgoing": 1})
    first = asking.sent
    asking.port.receive(datagram(n.ACK, 0, first.mid), SERVER)
    other = asking.send("coap://192.0.2.6/other")
    asking.port.sent()
    data = datagram(n.NON, n.CONTENT, 700, first.token, [(n.BLOCK2, block(0, True, 2))], BODY[:64])
    assert asking.port.receive(data, SERVER) == []
    asking.client.cancel(other)
    asking.wire.advance(500)
    (sent,) = asking.port.sent()
    assert parts(sent, n.BLOCK2) == (1, False, 2) and asking.items == []


# Request-Tag and Echo (RFC 9175)


def test_uploads_have_a_tag_only_beside_another_one_to_that_peer():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64, sizes={"parameters": Parameters(nstart=3)})
    asking.send(SERVER_URI, n.PUT, payload=BODY, block_size=64)
    asking.send("coap://192.0.2.6/temp", n.PUT, payload=BODY, block_size=64)
    beside, elsewhere = asking.port.sent()
    assert asking.sent.option(n.REQUEST_TAG) is None and elsewhere.option(n.REQUEST_TAG) is None
    assert len(beside.option(n.REQUEST_TAG)) == 1


def test_upload_after_one_that_was_given_up_has_a_tag_of_its_own():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    asking.client.cancel(asking.request)
    tags = []
    for _ in range(2):
        asking.send(SERVER_URI, n.PUT, payload=BODY, block_size=64)
        (asking.sent,) = asking.port.sent()
        tags.append(asking.sent.option(n.REQUEST_TAG))
        for last in (False, False, True):
            assert asking.sent.option(n.REQUEST_TAG) == tags[-1]
            confirm(asking, n.CHANGED if last else n.CONTINUE)
    assert len(tags[0]) == 1 and tags[0] != tags[1] and asking.over()


def test_tag_may_be_given():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64, request_tag=b"me")
    assert asking.sent.option(n.REQUEST_TAG) == b"me"
    assert Asking(method=n.PUT, payload=b"x", request_tag=b"").sent.option(n.REQUEST_TAG) == b""


def test_challenged_request_is_repeated_once_with_the_echo_value():
    asking = Asking(method=n.PUT, payload=b"22")
    assert asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"fresh")]).option(n.ECHO) == b"fresh"
    assert asking.sent.payload == b"22" and asking.sent.code == n.PUT
    assert asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"again")]) is None
    assert asking.items[0].code == n.UNAUTHORIZED and asking.over()


def test_each_proxy_on_the_way_may_challenge_a_request_and_the_server():
    asking = Asking(proxy=PROXY)
    for value in (b"1", b"2", b"3", b"4"):
        assert asking.reply(n.UNAUTHORIZED, [(n.ECHO, value)]).option(n.ECHO) == value
    assert asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"5")]) is None
    assert asking.items[0].code == n.UNAUTHORIZED and asking.over()


def test_challenged_block_is_repeated():
    asking = Asking(method=n.PUT, payload=BODY, block_size=64)
    confirm(asking)
    asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"fresh")])
    assert parts(asking.sent, n.BLOCK1) == (1, True, 2) and asking.sent.option(n.ECHO) == b"fresh"
    assert confirm(asking).option(n.ECHO) is None
    assert asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"again")]).option(n.ECHO) == b"again"  # another block may be, too


def test_echo_value_of_a_response_is_in_the_next_request_to_that_peer():
    asking = Asking()
    asking.reply(n.CONTENT, [(n.ECHO, b"next")], b"1")
    asking.send("coap://192.0.2.6/temp", confirmable=False)
    asking.send(SERVER_URI)
    asking.send(SERVER_URI, confirmable=False)
    other, same, once = asking.port.sent()
    assert (other.option(n.ECHO), same.option(n.ECHO), once.option(n.ECHO)) == (None, b"next", None)


def test_unauthorized_without_echo_is_the_response():
    asking = Asking()
    asking.reply(n.UNAUTHORIZED)
    assert isinstance(asking.items[0].code, int) and not isinstance(asking.items[0], RequestFailed) and asking.over()
