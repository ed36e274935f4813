"""What a peer, a callback or a wrong argument could once do to a client: what must come of each of them instead."""

from asking import GROUP_URI, SERVER_URI, Asking, through
from groupcoap import ip, uri
from groupcoap import numbers as n
from groupcoap.client import Client, RequestFailed, Response
from groupcoap.echo import Echo
from groupcoap.server import Resource, Server
from wire import CLIENT, GROUP, PROXY, SERVER, SERVER2, Wire, datagram

BLOCK = 16  # bytes of the blocks here


def block2(num, more, szx=0):
    return n.BLOCK2, value(num, more, szx)


def block1(num, more, szx=0):
    return n.BLOCK1, value(num, more, szx)


def value(num, more, szx):
    found = num << 4 | (8 if more else 0) | szx
    return bytes((found,)) if found else b""


def refused(asking, target=SERVER_URI, method=n.GET, **settings):
    """Is this request refused as wrong?"""
    try:
        asking.send(target, method, **settings)
    except ValueError:
        return True
    return False


def payloads(items):
    return [item.payload for item in items if isinstance(item, Response)]


# Group requests


def test_group_request_without_answers_that_waits_for_its_turn():
    asking = Asking(GROUP_URI, timeout=10)
    asking.send(GROUP_URI, n.PUT, payload=b"1", timeout=0)
    asking.wire.advance(9000)
    assert asking.port.sent() == [] and asking.items == []
    asking.wire.advance(3000)
    (sent,) = asking.port.sent()
    assert (sent.code, sent.peer, sent.payload) == (n.PUT, GROUP, b"1") and sent.at >= 10000
    assert asking.items == [None, None] and asking.free() == 16


def test_challenged_group_request_is_repeated_to_the_origin():
    asking = Asking(GROUP_URI, timeout=5)
    (sent,) = asking.answer(code=n.UNAUTHORIZED, options=[(n.ECHO, b"one")], payload=b"")
    assert (sent.kind, sent.code, sent.peer) == (n.CON, n.GET, SERVER)
    assert sent.option(n.ECHO) == b"one" and sent.option(n.URI_PATH) == b"temp" and sent.token != asking.sent.token
    assert asking.answer(peer=SERVER2, mid=7, payload=b"22") == []
    asking.port.receive(datagram(n.ACK, n.CONTENT, sent.mid, sent.token, payload=b"21"), SERVER)
    assert [(item.origin, item.payload) for item in asking.items] == [(SERVER2, b"22"), (SERVER, b"21")]
    asking.wire.advance(5000)
    assert asking.items[2:] == [None] and asking.free() == 16


def test_unauthorized_without_a_challenge_is_delivered():
    asking = Asking(GROUP_URI, timeout=5)
    assert asking.answer(code=n.UNAUTHORIZED, payload=b"") == []
    assert [item.code for item in asking.items] == [n.UNAUTHORIZED]


def test_server_that_challenges_answers_a_group_request():
    wire = Wire()
    at_server, at_client = wire.port(), wire.port()
    server = Server(at_server.endpoint, SERVER, echo=Echo(wire.entropy))
    at_server.endpoint.role = server
    server.join(100)
    server.add(Resource("temp", group=True), GET=lambda request: b"x" * 300)
    client = Client(at_client.endpoint)
    unicast = []  # requests in each round
    for _ in range(2):
        items = []
        unicast.append(0)
        client.send(items.append, wire.now, n.GET, uri.parse(GROUP_URI), timeout=5)
        for _ in range(60):
            for packet in at_client.sent():
                group = packet.peer == GROUP
                unicast[-1] += not group
                at_server.deliver(packet.raw, CLIENT, 1 if group else 0)
            for packet in at_server.sent():
                at_client.deliver(packet.raw, SERVER)
            wire.advance(100)
        assert items[1:] == [None] and (items[0].code, items[0].payload) == (n.CONTENT, b"x" * 300)
    assert unicast == [1, 0]  # once it has shown that it is there, it is answered at once


def test_silent_proxy_fails_a_group_request():
    asking = through(timeout=1)
    asking.wire.advance(200000)
    assert len(asking.port.sent()) == 4 and asking.failed()  # retransmissions


def test_proxy_that_has_taken_a_group_request_need_not_have_answers():
    asking = through(timeout=1)
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    asking.wire.advance(200000)
    assert asking.port.sent() == [] and asking.items == [None] and asking.free() == 16


def test_group_blocks_cancelled_by_what_they_deliver():
    asking = Asking(GROUP_URI, block_by_group=True, timeout=2)

    def deliver(item):
        asking.items.append(item)
        asking.client.cancel(asking.request)

    asking.request.deliver = deliver
    for i, peer in enumerate((SERVER, SERVER2)):
        asking.answer(options=[block2(0, True)], payload=b"a" * BLOCK, peer=peer, mid=200 + i)
    asking.wire.advance(2000)
    (asking.sent,) = asking.port.sent()
    asking.answer(options=[block2(1, True)], payload=b"b" * BLOCK, peer=SERVER2, mid=210)
    assert asking.answer(options=[block2(1, False)], payload=b"b", peer=SERVER, mid=211) == []
    assert payloads(asking.items) == [b"a" * BLOCK + b"b"] and asking.free() == 16
    asking.wire.advance(60000)
    assert asking.port.sent() == [] and len(asking.items) == 1


def test_origin_that_has_answered_is_not_answered_for_by_the_cache():
    asking = Asking(GROUP_URI, client={"cache": 8}, timeout=2)
    asking.answer(options=[(n.ETAG, b"e")], payload=b"old")
    asking.answer(options=[(n.ETAG, b"f")], payload=b"other", peer=SERVER2, mid=7)
    asking.wire.advance(3000)
    asking.items.clear()
    asking.send(GROUP_URI, timeout=2)
    (asking.sent,) = asking.port.sent()
    asking.answer(code=n.NOT_FOUND, mid=101, payload=b"")
    asking.wire.advance(3000)
    assert [item and (item.origin, item.code) for item in asking.items] == [
        (SERVER, n.NOT_FOUND),
        (SERVER2, n.CONTENT),  # which has said nothing, so that what is stored is the best there is
        None,
    ]


# Observation


def test_registration_again_is_answered_by_the_same_number():
    asking = Asking(observe=True, confirmable=False)
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x05")], mid=1, payload=b"0")
    again = 0
    for i in range(10):
        asking.wire.advance(60000)
        for sent in asking.port.sent():
            again += 1
            assert sent.token == asking.sent.token and sent.option(n.OBSERVE) == b""
            asking.answer(n.NON, options=[(n.OBSERVE, b"\x05")], mid=100 + i, payload=b"%d" % again)
    assert again > 4 and payloads(asking.items) == [b"%d" % i for i in range(again + 1)] and asking.free() == 15


def test_rebooted_server_counts_from_below():
    asking = Asking(observe=True)
    asking.reply(options=[(n.OBSERVE, b"\x50")], payload=b"before")
    again = 0
    for i in range(3000):
        asking.wire.advance(100)
        for sent in asking.port.sent():
            assert sent.code == n.GET and sent.kind == n.CON, sent.code
            again += 1
            asking.port.receive(datagram(n.ACK, 0, sent.mid), SERVER)
            mid = 100 + i
            (ack,) = asking.answer(n.CON, options=[(n.OBSERVE, b"\x02")], mid=mid, payload=b"%d" % again)
            assert ack.is_empty(n.ACK, mid)
    assert again > 2 and payloads(asking.items) == [b"before"] + [b"%d" % (i + 1) for i in range(again)]
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x03")], mid=9000, payload=b"newer")
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x02")], mid=9001, payload=b"older")
    assert payloads(asking.items)[again + 1 :] == [b"newer"]


def test_payload_of_an_observation_fits_into_one_block():
    asking = Asking()
    assert refused(asking, method=n.FETCH, payload=b"x" * 1500, observe=True)
    assert refused(asking, method=n.FETCH, payload=b"x" * 17, observe=True, block_size=16)
    assert asking.free() == 15 and asking.port.sent() == []
    asking.reply()
    asking.send(SERVER_URI, n.FETCH, payload=b"x" * 16, observe=True, block_size=16)
    (sent,) = asking.port.sent()
    assert sent.option(n.OBSERVE) == b"" and len(sent.payload) == 16


def test_sink_takes_one_response_only():
    class Sink:
        def write(self, data):
            raise AssertionError("nothing comes")

    asking = Asking()
    assert refused(asking, observe=True, sink=Sink()) and refused(asking, GROUP_URI, sink=Sink())
    assert asking.free() == 15 and asking.port.sent() == []


# Block-wise


def test_download_begun_anew_has_the_options_of_the_new_representation():
    asking = Asking()
    old = [(n.ETAG, b"old"), (n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x05")]
    new = [(n.ETAG, b"new"), (n.CONTENT_FORMAT, b"\x32")]
    asking.reply(options=old + [block2(0, True)], payload=b"o" * BLOCK)
    assert asking.reply(options=new + [block2(1, False)], payload=b"n").option(n.BLOCK2) == b""  # from its first block
    asking.reply(options=new + [block2(0, True)], payload=b"N" * BLOCK)
    asking.reply(options=new + [block2(1, False)], payload=b"n")
    (response, end) = asking.items
    assert end is None and response.payload == b"N" * BLOCK + b"n" and response.options == new


def test_success_of_the_first_of_three_blocks_is_none():
    for more in ([], [block1(1, False, 6)]):
        asking = Asking(method=n.PUT, payload=b"x" * 3000)
        assert asking.reply(n.CHANGED, more) is None and asking.failed()


def test_error_during_an_upload_is_its_response():
    asking = Asking(method=n.PUT, payload=b"x" * 3000)
    asking.reply(n.FORBIDDEN)
    assert [item and item.code for item in asking.items] == [n.FORBIDDEN, None]


def test_last_block_alone_is_no_representation():
    for szx, num, more in ((0, 1, False), (0, 5, False), (7, 0, True), (7, 0, False)):
        asking = Asking()
        asking.reply(options=[block2(num, more, szx)], payload=b"tail")
        assert asking.failed(), (szx, num, more)
        asking = Asking(observe=True)
        asking.reply(options=[(n.OBSERVE, b"\x01"), block2(num, more, szx)], payload=b"tail")
        assert asking.items == [] and asking.request.lost == 1, (szx, num, more)
        asking.answer(n.NON, options=[(n.OBSERVE, b"\x02")], payload=b"whole")
        assert payloads(asking.items) == [b"whole"]
        for more_settings in ({}, {"block_by_group": True}):
            asking = Asking(GROUP_URI, timeout=2, **more_settings)
            assert asking.answer(options=[block2(num, more, szx)], payload=b"tail") == []
            assert asking.items == [] and asking.request.lost == 1, (szx, num, more)


# Arguments


def test_wrong_timeout_costs_no_place():
    asking = Asking()
    for _ in range(20):
        for timeout in (0.5, 1.0, -1, "10", None, 500001):
            assert refused(asking, GROUP_URI, timeout=timeout), timeout
    assert asking.free() == 15 and asking.port.sent() == []
    asking.send(GROUP_URI, timeout=500000)


def test_negative_numbers_cost_no_place():
    asking = Asking()
    for _ in range(20):
        assert refused(asking, method=n.PUT, payload=b"x", content_format=-1)
        for name in ("accept", "hop_limit", "no_response"):
            assert refused(asking, **{name: -1}), name
    assert asking.free() == 15 and asking.port.sent() == []


def test_long_numbers_are_refused_as_they_are_read():
    for digits in ("9" * 5000, "0" * 5000 + "5683"):
        for base in (10, 16):
            assert ip.digits_value(digits, base) < 1 << 30  # without making a number of thousands of digits
    for text in ("coap://192.0.2.5:" + "9" * 5000, "coap://[" + "f" * 5000 + "::]"):
        try:
            uri.parse(text)
        except ValueError:
            continue
        raise AssertionError(text[:20])


# Turns


def test_echo_value_waits_with_its_request():
    asking = Asking(confirmable=False)
    asking.answer(options=[(n.ECHO, b"E1")])
    asking.items.clear()
    asking.send(SERVER_URI, confirmable=False)
    (first,) = asking.port.sent()
    assert first.option(n.ECHO) == b"E1"
    asking.client.keep_echo(SERVER, b"E2")
    asking.send(SERVER_URI, confirmable=False)
    assert asking.port.sent() == []
    asking.wire.advance(5000)
    (second,) = asking.port.sent()
    assert second.option(n.ECHO) == b"E2"
    asking.answer(mid=7, token=second.token)
    asking.send(SERVER_URI, confirmable=False)
    (third,) = asking.port.sent()
    assert third.option(n.ECHO) is None  # it is used once


def test_nothing_is_delivered_once_cancelled():
    asking = Asking(confirmable=False)
    seen = []

    def deliver(item):
        seen.append(item)
        asking.client.cancel(asking.request, asking.wire.now)

    target = uri.parse(SERVER_URI)
    waiting = asking.client.send(deliver, asking.wire.now, n.GET, target, confirmable=False)
    waiting.pairs.append((n.IF_MATCH, b"x" * 9))  # out of order: it cannot be written when its turn comes
    asking.answer()
    assert len(seen) == 1 and isinstance(seen[0], RequestFailed)
    assert asking.items == [] and asking.free() == 16
