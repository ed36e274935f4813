"""Group requests of the client whose further blocks are asked for by group requests (groupcomm-bis §3.8)."""

from asking import GROUP_URI, Asking, through
from groupcoap import numbers as n
from wire import GROUP, PROXY, REPLY_FROM, SERVER, SERVER2, STRANGER, datagram

BODY = bytes([(i * 7) & 255 for i in range(150)])
OTHER = bytes([(i * 11) & 255 for i in range(150)])


def value(num, more, szx):
    found = num << 4 | (8 if more else 0) | szx
    return bytes((found,)) if found else b""


class Rounds(Asking):
    def __init__(self, **settings):
        Asking.__init__(self, GROUP_URI, block_by_group=True, **settings)
        self.mid = 100

    def block(self, num, peer=SERVER, body=BODY, szx=2, more=(), code=n.CONTENT):
        """An origin sends a block: what goes out at once."""
        self.mid += 1
        size = 16 << szx
        options = [(n.BLOCK2, value(num, (num + 1) * size < len(body), szx))] + list(more)
        piece = body[num * size : num * size + size]
        return self.answer(code=code, mid=self.mid, options=options, payload=piece, peer=peer)

    def next(self, sent):
        """The one request that went out."""
        (packet,) = sent
        assert packet.token != self.sent.token and packet.mid != self.sent.mid
        self.sent = packet
        return packet

    def payloads(self):
        return [(item.origin, item.payload) for item in self.items if item]


def test_later_blocks_are_asked_for_by_group_requests():
    asking = Rounds(timeout=5, etag=b"old")
    assert asking.block(0) == [] and asking.block(0, SERVER2, OTHER) == [] and asking.items == []
    asking.wire.advance(5000)
    sent = asking.next(asking.port.sent())
    assert (sent.kind, sent.peer, sent.option(n.BLOCK2)) == (n.NON, GROUP, value(1, False, 2))
    assert sent.option(n.ETAG) is None and sent.option(n.URI_PATH) == b"temp"
    assert asking.block(1) == []
    sent = asking.next(asking.block(1, SERVER2, OTHER))  # all have answered: no need to wait
    assert sent.option(n.BLOCK2) == value(2, False, 2)
    asking.wire.advance(10)
    asking.block(2, SERVER2, OTHER)
    asking.block(2)
    assert asking.payloads() == [(SERVER2, OTHER), (SERVER, BODY)] and asking.items[0].rtt == 5010
    assert asking.items[2:] == [None] and asking.over()


def test_answers_of_one_message_are_delivered_at_once():
    asking = Rounds(timeout=5)
    asking.answer(mid=1)
    asking.block(0, SERVER2, OTHER[:100])
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.block(1, SERVER2, OTHER[:100])
    assert asking.payloads() == [(SERVER, b"21.5"), (SERVER2, OTHER[:100])] and asking.over()


def test_group_without_blocks_ends_with_its_time():
    asking = Rounds(timeout=5)
    asking.answer(mid=1)
    asking.wire.advance(5000)
    assert asking.port.sent() == [] and asking.items[1:] == [None] and asking.over()


def test_origins_that_chose_different_sizes_are_asked_one_by_one():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.block(0, SERVER2, OTHER, 1)
    asking.wire.advance(5000)
    fetches = asking.port.sent()
    assert [(packet.kind, packet.peer, packet.option(n.BLOCK2)) for packet in fetches] == [
        (n.CON, SERVER2, value(1, False, 1)), (n.CON, SERVER, value(1, False, 2)),
    ]  # fmt: skip


def test_origin_that_misses_a_round_is_asked_for_the_rest():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.block(0, SERVER2, OTHER)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.block(1)
    asking.wire.advance(5000)
    one, two = asking.port.sent()
    assert (one.kind, one.peer, one.option(n.BLOCK2)) == (n.CON, SERVER2, value(1, False, 2))
    assert (two.kind, two.peer, two.option(n.BLOCK2)) == (n.NON, GROUP, value(2, False, 2))


def test_round_that_all_miss_is_the_last():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.wire.advance(5000)
    (fetch,) = asking.port.sent()
    assert (fetch.kind, fetch.peer, fetch.option(n.BLOCK2)) == (n.CON, SERVER, value(1, False, 2))


def test_origin_that_has_missed_the_first_round_is_fetched_whole():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    (fetch,) = asking.block(1, STRANGER)
    assert (fetch.kind, fetch.peer, fetch.option(n.BLOCK2)) == (n.CON, STRANGER, value(0, False, 6))
    assert asking.items == []


def test_second_answer_in_a_round_is_none():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.block(0)
    asking.block(0, SERVER2, OTHER)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.block(1)
    assert asking.block(1) == []
    asking.next(asking.block(1, SERVER2, OTHER))
    asking.block(2)
    asking.block(2, SERVER2, OTHER)
    assert asking.payloads() == [(SERVER, BODY), (SERVER2, OTHER)] and asking.request.lost == 0


def test_error_in_a_later_round_is_delivered():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.answer(code=n.NOT_FOUND, mid=9, payload=b"")
    assert asking.items[0].code == n.NOT_FOUND and asking.over()


def test_wrong_block_costs_that_answer():
    asking = Rounds(timeout=5)
    asking.block(0)
    asking.wire.advance(5000)
    asking.next(asking.port.sent())
    asking.block(2)
    assert asking.items == [None] and asking.request.lost == 1 and asking.free() == 16


def test_rounds_through_a_proxy():
    asking = through(block_by_group=True, timeout=5)
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    origin = (REPLY_FROM, b"\x82\x20\x81\x44" + SERVER[:4])
    asking.answer(mid=1, options=[(n.BLOCK2, b"\x0a"), origin], payload=BODY[:64], peer=PROXY)
    asking.wire.advance(7000)
    (sent,) = asking.port.sent()
    assert sent.kind == n.CON and sent.option(n.PROXY_URI) == GROUP_URI.encode() and sent.option(n.BLOCK2) == b"\x12"
    asking.answer(mid=2, options=[(n.BLOCK2, b"\x12"), origin], payload=BODY[64:100], peer=PROXY, token=sent.token)
    assert asking.items[0].payload == BODY[:100] and asking.items[0].origin == SERVER and asking.over()


def test_origin_that_challenges_in_a_later_round_is_delivered_once():
    asking = Rounds(timeout=2)
    for peer in (SERVER, SERVER2):
        asking.block(0, peer, BODY[:20], 0)
    asking.wire.advance(2000)
    asking.next(asking.port.sent())
    sent = asking.answer(code=n.UNAUTHORIZED, mid=300, options=[(n.ECHO, b"c")], payload=b"")
    asking.block(1, SERVER2, BODY[:20], 0)
    for _ in range(10):
        for packet in sent:
            num = int.from_bytes(packet.option(n.BLOCK2) or b"", "big") >> 4
            options = [(n.BLOCK2, value(num, num < 1, 0))]
            data = datagram(n.ACK, n.CONTENT, packet.mid, packet.token, options, BODY[16 * num : 20][:16])
            asking.port.deliver(data, packet.peer)
        asking.wire.advance(500)
        sent = asking.port.sent()
    assert sorted(asking.payloads()) == [(SERVER, BODY[:20]), (SERVER2, BODY[:20])]
