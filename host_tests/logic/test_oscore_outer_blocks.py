"""Protected messages that an intermediary cuts into pieces, by outer Block options: put together, or served, in either
direction (RFC 8613 §4.1.3.4, RFC 7959)."""

from groupcoap import numbers as n
from groupcoap.oscore.contexts import Contexts
from groupcoap.message import Message, Writer
from groupcoap.parameters import DEFAULT
from groupcoap.server import Resource
from secured import Pair, context
from wire import OTHER, PROXY, SERVER, STRANGER, Packet, datagram, uint

VMS = ("cpython", "unix")

SIZE = 64
SZX = 2
BACKWARDS = bytes([i * 5 & 255 for i in range(700)])
LONG = bytes([i * 7 & 255 for i in range(700)])
LATER = 95000  # ms after which a piece that nobody answers is given up
PUT_IN = {"method": n.PUT, "payload": LONG}  # a request of several pieces


def value(num, more=False, szx=SZX):
    """The value of a Block option."""
    return uint(num << 4 | more << 3 | szx)


def parts(block):
    """(NUM, M, SZX) of a Block option's value."""
    found = int.from_bytes(block, "big")
    return found >> 4, found >> 3 & 1, found & 7


def put(options, *more):
    """Options by rising number, `more` among them."""
    return sorted(list(options) + list(more), key=lambda pair: pair[0])


def without(options, *numbers):
    return [pair for pair in options if pair[0] not in numbers]


def pieces(packet, mid=500, down=False, more=(), kind=None, size=SIZE, szx=SZX):
    """The datagrams of a request that goes in pieces; down: is its answer wanted in pieces too?"""
    out = []
    for at in range(0, len(packet.payload), size):
        data = packet.payload[at : at + size]
        last = at + size >= len(packet.payload)
        options = put(packet.options, (n.BLOCK1, value(at // size, not last, szx)), *more)
        if last and down:
            options = put(options, (n.BLOCK2, value(0, szx=szx)))
        token = b"p" + bytes((at // size,))
        out.append(datagram(packet.kind if kind is None else kind, packet.code, mid + at // size, token, options, data))
    return out


def further(packet, num, mid, payload=None, szx=SZX, kind=n.CON):
    """The request for a further piece of the answer to this request."""
    options = put(without(packet.options, n.OBSERVE), (n.BLOCK2, value(num, szx=szx)))
    data = packet.payload if payload is None else payload
    return datagram(kind, packet.code, mid, b"f" + bytes((num & 255,)), options, data)


class Server(Pair):
    """A pair whose server is spoken to in pieces, by `PROXY` as long as nothing else is said."""

    mid = 500

    def sealed(self, method=n.GET, payload=b"", kind=n.CON):
        """A protected request that is not the client's."""
        data = datagram(kind, method, 77, b"tokn", [(n.URI_PATH, b"temp")], payload)
        m = Message()
        m.parse(data, len(data))
        out = Writer(bytearray(1280))
        self.client_context.seal_request(m, out)[1].finish()
        return Packet(out.message())

    def say(self, data, peer=PROXY):
        """Hand in one datagram: the one that comes back."""
        (back,) = self.server_port.receive(data, peer)
        return back

    def upload(self, packet, peer=PROXY, **how):
        """A request in pieces: what comes back last."""
        self.mid += 50
        back = None
        for data in pieces(packet, self.mid, **how):
            assert back is None or back.code == n.CONTINUE, back.code
            back = self.say(data, peer)
        return back

    def download(self, packet, first, peer=PROXY, **how):
        """The further pieces of an answer whose first one is here: all of its payload."""
        whole = first.payload
        back = first
        num = 0
        while parts(back.option(n.BLOCK2))[1]:
            num += 1
            self.mid += 1
            back = self.say(further(packet, num, self.mid, **how), peer)
            assert parts(back.option(n.BLOCK2))[0] == num
            assert back.option(n.OSCORE) == first.option(n.OSCORE) and back.option(n.ETAG) == first.option(n.ETAG)
            assert back.option(n.OBSERVE) is None and back.option(n.BLOCK1) is None
            whole += back.payload
        return whole

    def hand_over(self, request, answer, payload):
        """Give the client an answer that was put together."""
        options = without(answer.options, n.BLOCK1, n.BLOCK2, n.ETAG)
        kind, mid = (n.ACK, request.mid) if request.kind == n.CON else (n.NON, answer.mid)
        self.client_port.receive(datagram(kind, answer.code, mid, request.token, options, payload), SERVER)


class Cutter:
    """An intermediary between client and server, without keys, that cuts every message into pieces; it wants requests
    in pieces, too, where `up` says so."""

    def __init__(self, pair, up=False, repeat_payload=True, etag=True):
        self.pair = pair
        self.up = up
        self.etag = etag
        self.repeat_payload = repeat_payload
        self.mid = 900
        self.begun = {}  # OSCORE option: payload so far
        self.held = {}  # OSCORE option: (request, response, its payload)
        self.said = []

    def carry(self, packets):
        """Hand these to the server and what comes back to the client, until nobody says anything more."""
        while packets:
            back = []
            for packet in packets:
                self.said.append(packet)
                back += self.from_client(packet)
            packets = []
            for data in back:
                self.said.append(Packet(data))
                packets += self.pair.client_port.receive(data, SERVER)

    def from_client(self, packet):
        key = packet.option(n.OSCORE)
        up, down = packet.option(n.BLOCK1), packet.option(n.BLOCK2)
        if packet.kind == n.ACK:
            return []
        if down is not None and parts(down)[0]:
            request, _, _ = self.held[key]
            assert packet.payload == (b"" if self.up and key in self.begun else request.payload)
            assert packet.option(n.OBSERVE) is None
            return [self.piece(packet, parts(down)[0])]
        if up is None and self.up and len(packet.payload) > SIZE:
            return [self.answer(packet, n.REQUEST_ENTITY_TOO_LARGE, [(n.BLOCK1, value(0))], b"")]
        if up is not None:
            num, more, szx = parts(up)
            assert szx == SZX and (len(packet.payload) == SIZE or not more)
            before = self.begun.get(key, b"") if num else b""
            assert num * SIZE == len(before)
            self.begun[key] = before + packet.payload
            if more:
                return [self.answer(packet, n.CONTINUE, [(n.BLOCK1, up)], b"")]
            packet.payload = self.begun[key]
            packet.options = without(packet.options, n.BLOCK1)
        answer = self.pair.upload(packet, down=True)
        self.held[key] = packet, answer, self.download(packet, answer)
        return [self.piece(packet, 0)]

    def download(self, packet, answer):
        return self.pair.download(packet, answer, payload=None if self.repeat_payload else b"")

    def piece(self, packet, num):
        """A piece of what is held, in answer to this packet."""
        request, answer, payload = self.held[packet.option(n.OSCORE)]
        options = without(answer.options, n.BLOCK1, n.BLOCK2, *([] if self.etag else [n.ETAG]))
        end = (num + 1) * SIZE
        options = put(options, (n.BLOCK2, value(num, end < len(payload))))
        if num:
            options = without(options, n.OBSERVE)
        return self.answer(packet, answer.code, options, payload[num * SIZE : end])

    def answer(self, packet, code, options, payload):
        self.mid += 1
        kind, mid = (n.ACK, packet.mid) if packet.kind == n.CON else (n.NON, self.mid)
        return datagram(kind, code, mid, packet.token, options, payload)


# A request in pieces


def test_a_request_in_pieces_is_put_together_and_opened():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    last = pair.upload(request)
    assert (last.code, parts(last.option(n.BLOCK1))) == (n.CHANGED, (len(request.payload) // SIZE, 0, SZX))
    assert pair.value == LONG
    pair.hand_over(request, last, last.payload)
    assert pair.items[0].code == n.CHANGED and pair.items[0].security.name == "server"


def test_pieces_but_the_last_are_acknowledged_without_protection_and_move_no_window():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    for num, data in enumerate(pieces(request)[:-1]):
        back = pair.say(data)
        assert (back.code, back.kind, back.payload) == (n.CONTINUE, n.ACK, b"")
        assert back.options == [(n.BLOCK1, value(num, True))]
    pair.carry([request])  # the request itself is none that has been here
    assert pair.items[0].code == n.CHANGED and pair.value == LONG


def test_a_piece_that_comes_again_is_acknowledged_again():
    """Whether its answer was lost, it has another Message ID, or it is not known any more: it changes nothing."""
    pair = Server(sizes={"recent_messages": 4})
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request)
    for i, data in enumerate(sent[:-1]):
        pair.wire.advance(1)
        first = pair.say(data)
        assert pair.say(data).raw == first.raw
        if i:
            copy = bytearray(data)
            copy[2] ^= 0x40
            assert pair.say(bytes(copy)).code == n.CONTINUE
        assert pair.say(sent[0]).code == n.CONTINUE  # a late copy of the first begins nothing
    assert pair.say(sent[-1]).code == n.CHANGED
    assert pair.value == LONG and pair.gate.refused == 0


def test_the_last_piece_that_comes_again_has_the_same_answer():
    pair = Server(sizes={"kept_bytes": 256})
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request)
    for data in sent:
        last = pair.say(data)
    assert pair.say(sent[-1]).raw == last.raw
    assert last.code == n.CHANGED


def test_a_piece_that_is_missing_is_told():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request)
    assert pair.say(sent[1]).code == n.REQUEST_ENTITY_INCOMPLETE
    assert pair.say(sent[0]).code == n.CONTINUE
    back = pair.say(sent[2])
    assert (back.code, back.option(n.MAX_AGE)) == (n.REQUEST_ENTITY_INCOMPLETE, b"")
    assert parts(back.option(n.BLOCK1)) == (2, 1, SZX)
    assert pair.say(sent[2]).raw == back.raw
    assert pair.value == b"21.5"


def test_uploads_of_two_peers_go_on_beside_each_other():
    pair = Server()
    first, second = pair.sealed(n.PUT, LONG), pair.sealed(n.PUT, BACKWARDS)
    values = []
    for one, other in zip(pieces(first), pieces(second)):
        pair.say(one, PROXY)
        values.append(pair.value)
        pair.say(other, OTHER)
        values.append(pair.value)
    assert values[-2:] == [LONG, BACKWARDS] and set(values[:-2]) == {b"21.5"}


def test_a_piece_of_another_peer_is_not_taken():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request)
    for i, data in enumerate(sent[:-1]):
        assert pair.say(data).code == n.CONTINUE
        if i:
            assert pair.say(data, OTHER).code == n.REQUEST_ENTITY_INCOMPLETE
    assert pair.say(sent[-1], OTHER).code == n.REQUEST_ENTITY_INCOMPLETE
    assert pair.value == b"21.5"
    assert pair.say(sent[-1]).code == n.CHANGED


def test_request_tags_tell_uploads_apart():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    for one, other in zip(
        pieces(request, 500, more=[(n.REQUEST_TAG, b"1")]), pieces(request, 700, more=[(n.REQUEST_TAG, b"2")])
    ):
        codes = [pair.say(data).code for data in (one, other)]
    assert codes == [n.CHANGED, n.UNAUTHORIZED]  # all of it, and its replay
    assert pair.value == LONG


def test_an_upload_that_is_replayed_is_refused():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    pair.upload(request)
    pair.value = b"new"
    last = pair.upload(request)
    assert (last.code, last.payload) == (n.UNAUTHORIZED, b"Replay detected")
    assert pair.upload(request, OTHER).code == n.UNAUTHORIZED
    assert pair.value == b"new"


def test_a_changed_piece_is_found():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request)
    sent[3] = sent[3][:-1] + bytes((sent[3][-1] ^ 1,))
    codes = [pair.say(data).code for data in sent]
    assert codes == [n.CONTINUE] * (len(sent) - 1) + [n.BAD_REQUEST]
    assert pair.value == b"21.5"
    assert pair.upload(request).code == n.CHANGED  # the true one is still new


def test_what_is_longer_than_a_message_is_refused_where_it_gets_so():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    request.payload *= 2
    codes = []
    for data in pieces(request):
        back = pair.say(data)
        codes.append(back.code)
        if back.code != n.CONTINUE:
            break
    room = 1280 - 64
    assert codes[-1] == n.REQUEST_ENTITY_TOO_LARGE
    assert room - SIZE < len(codes) * SIZE - SIZE <= 1280
    assert 1200 < int.from_bytes(back.option(n.SIZE1), "big") < 1280
    assert parts(back.option(n.BLOCK1)) == (len(codes) - 1, 1, SZX)
    assert pair.say(pieces(request, 800)[len(codes)]).code == n.REQUEST_ENTITY_INCOMPLETE  # nothing is kept of it


def test_what_says_that_it_is_too_long_is_refused_at_once():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    (first, *_) = pieces(request, more=[(n.SIZE1, uint(1281))])
    assert pair.say(first).code == n.REQUEST_ENTITY_TOO_LARGE


def test_places_are_free_again_after_each_upload():
    pair = Server()
    for _ in range(3):
        assert pair.upload(pair.sealed(n.PUT, LONG)).code == n.CHANGED
    for _ in range(3):
        request = pair.sealed(n.PUT, LONG)
        request.payload *= 2
        pair.mid += 50
        codes = []
        for data in pieces(request, pair.mid):
            codes.append(pair.say(data).code)
        assert n.REQUEST_ENTITY_TOO_LARGE in codes and n.SERVICE_UNAVAILABLE not in codes


def test_a_third_upload_has_to_wait_until_one_is_silent():
    pair = Server()
    sent = [pieces(pair.sealed(n.PUT, LONG), 500 + 50 * i) for i in range(3)]
    assert [pair.say(data[0]).code for data in sent] == [n.CONTINUE, n.CONTINUE, n.SERVICE_UNAVAILABLE]
    pair.wire.advance(DEFAULT.max_transmit_wait - 1000)
    assert pair.say(sent[0][1]).code == n.CONTINUE
    codes = []
    for later in (0, 2000):
        pair.wire.advance(later)
        sent[2] = pieces(pair.sealed(n.PUT, LONG), 700 + later)
        codes.append(pair.say(sent[2][0]).code)
    assert codes == [n.SERVICE_UNAVAILABLE, n.CONTINUE]
    assert pair.say(sent[1][1]).code == n.REQUEST_ENTITY_INCOMPLETE
    assert [pair.say(data).code for data in sent[0][2:]][-1] == n.CHANGED


def test_an_upload_lives_for_exchange_lifetime_however_busy():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    sent = pieces(request, kind=n.CON)
    codes = []
    for data in sent:
        codes.append(pair.say(data).code)
        pair.wire.advance(DEFAULT.exchange_lifetime // 5)
    assert codes[:5] == [n.CONTINUE] * 5 and codes[6] == n.REQUEST_ENTITY_INCOMPLETE


def test_who_is_not_known_takes_no_place():
    pair = Server(server=context("client", b"\x02", b"\x07"))
    (request,) = pair.send(**PUT_IN)
    for i in range(4):
        back = pair.say(pieces(request, 500 + 50 * i)[0])
        assert (back.code, back.payload) == (n.UNAUTHORIZED, b"Security context not found")


def test_pieces_that_may_not_be():
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    for num, more, szx, length in ((0, 1, 2, 63), (0, 1, 2, 65), (3, 0, 2, 65), (0, 1, 7, 64)):
        pair.mid += 1
        options = put(request.options, (n.BLOCK1, value(num, more, szx)))
        data = datagram(n.CON, request.code, pair.mid, b"t", options, request.payload[:length])
        back = pair.say(data)
        assert (back.code, back.payload[:5]) == (n.BAD_REQUEST, b"Block"), (num, more, szx, length)
    for number in (n.BLOCK1, n.BLOCK2):
        pair.mid += 1
        data = datagram(
            n.CON, request.code, pair.mid, b"t", put(request.options, *[(number, b"")] * 2), request.payload
        )
        back = pair.say(data)
        assert (back.code, back.payload[:5]) == (n.BAD_REQUEST, b"Block")
    tags = [(n.REQUEST_TAG, bytes(8))] * 9
    assert pair.say(pieces(request, 700, more=tags)[0]).code == n.BAD_REQUEST


def test_pieces_by_multicast_are_not_taken():
    pair = Server()
    (request,) = pair.send(**dict(PUT_IN, confirmable=False))
    for data in pieces(request):
        assert pair.server_port.receive(data, PROXY, 1) == []
        assert [place.key for place in pair.gate._in_pieces._requests] == [None, None]
    assert pair.value == b"21.5"


def test_a_piece_without_protection_is_not_taken_for_one():
    pair = Server(required=False)
    data = datagram(n.CON, n.PUT, 7, b"t", [(n.URI_PATH, b"temp"), (n.BLOCK1, value(0, True))], bytes(SIZE))
    assert pair.say(data).code == n.CONTINUE
    assert pair.gate._in_pieces is None


# An answer in pieces


def test_an_answer_goes_in_pieces_of_the_size_that_is_asked_for():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send()
    request.options = put(request.options, (n.BLOCK2, value(0)))
    first = pair.say(datagram(n.CON, request.code, 300, b"t", request.options, request.payload))
    assert (first.code, len(first.payload), parts(first.option(n.BLOCK2))) == (n.CHANGED, SIZE, (0, 1, SZX))
    request.options = without(request.options, n.BLOCK2)
    whole = pair.download(request, first)
    assert pair.asked == ["client"]
    pair.hand_over(request, first, whole)
    assert pair.items[0].payload == LONG


def test_further_pieces_are_asked_for_with_the_payload_or_without_it():
    for payload in (None, b""):
        pair = Server()
        pair.value = LONG
        (request,) = pair.send()
        first = pair.upload(request, down=True)
        pair.hand_over(request, first, pair.download(request, first, payload=payload))
        assert pair.items[0].payload == LONG
        assert pair.asked == ["client"] and pair.gate.refused == 0


def test_a_piece_of_an_answer_may_be_asked_for_again_and_in_another_size():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send()
    first = pair.upload(request, down=True)
    whole = pair.download(request, first)
    once, again = [pair.say(further(request, 3, mid)) for mid in (900, 901)]
    assert once.payload == again.payload == whole[3 * SIZE : 4 * SIZE]
    data = further(request, 3, 902)
    assert pair.say(data).raw == pair.say(data).raw  # the same message
    smaller = pair.say(further(request, 2, 903, szx=0))
    assert (smaller.payload, parts(smaller.option(n.BLOCK2))) == (whole[32:48], (2, 1, 0))
    larger = pair.say(further(request, 1, 904, szx=6))
    assert larger.code == n.BAD_REQUEST  # behind the end
    larger = pair.say(further(request, 1, 905, szx=5))
    assert (larger.payload, parts(larger.option(n.BLOCK2))) == (whole[512:], (1, 0, 5))


def test_another_peer_has_nothing_of_an_answer():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send()
    pair.upload(request, down=True)
    for payload in (None, b""):
        pair.mid += 1
        back = pair.say(further(request, 1, pair.mid, payload=payload), OTHER)
        assert (back.code, back.option(n.OSCORE)) == (n.BAD_REQUEST, None)
    assert pair.asked == ["client"]


def test_a_further_piece_of_what_is_not_held_is_refused_and_nothing_opened():
    pair = Server()
    (request,) = pair.send()
    assert pair.say(further(request, 1, 300)).code == n.BAD_REQUEST
    assert pair.asked == []
    pair.carry([request])
    assert pair.items[0].payload == b"21.5"


def test_an_answer_that_fits_says_so():
    pair = Server()
    (request,) = pair.send()
    only = pair.upload(request, down=True)
    assert parts(only.option(n.BLOCK2)) == (0, 0, SZX) and only.option(n.ETAG) is None
    assert pair.say(further(request, 1, 300)).code == n.BAD_REQUEST


def test_the_oldest_answer_gives_way_unless_one_was_given_whole():
    pair = Server()
    pair.value = LONG
    requests = []

    def held():
        codes = []
        for request in requests:
            pair.mid += 1
            codes.append(pair.say(further(request, 1, pair.mid)).code == n.CHANGED)
        return codes

    for i in range(4):
        requests.append(pair.sealed())
        first = pair.upload(requests[-1], down=True)
        pair.wire.advance(100)
        if i == 1:
            pair.download(requests[-1], first)
        elif i == 2:
            assert held() == [True, False, True]
    assert held() == [False, False, True, True]


def test_an_answer_is_held_for_exchange_lifetime():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send()
    pair.upload(request, down=True)
    pair.wire.advance(DEFAULT.exchange_lifetime - 10)
    assert pair.say(further(request, 1, 300)).code == n.CHANGED
    pair.wire.advance(20)
    assert pair.say(further(request, 2, 301)).code == n.BAD_REQUEST


def test_notifications_go_in_pieces_that_their_etags_tell_apart():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send(observe=True, confirmable=False)
    options = put(request.options, (n.BLOCK2, value(0)))
    tags = set()
    first = pair.say(datagram(n.NON, request.code, 300, request.token, options, request.payload))
    for i in range(3):
        assert parts(first.option(n.BLOCK2)) == (0, 1, SZX) and first.option(n.OBSERVE) is not None
        assert first.token == request.token
        tags.add(first.option(n.ETAG))
        whole = pair.download(request, first)
        pair.hand_over(request, first, whole)
        assert pair.items[-1].payload == pair.value and len(pair.items) == i + 1
        pair.value = LONG[i + 1 :]
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        (first,) = pair.server_port.sent()
    assert len(tags) == 3


def test_only_the_first_response_tells_of_the_request_s_pieces():
    pair = Server()
    (request,) = pair.send(observe=True, confirmable=False)
    first = None
    for data in pieces(request, size=16, szx=0):
        first = pair.say(data)
    assert first.option(n.BLOCK1) is not None and first.option(n.OBSERVE) is not None
    pair.server.changed(pair.resource, pair.wire.now)
    pair.wire.advance(4000)
    (notification,) = pair.server_port.sent()
    assert notification.option(n.OBSERVE) is not None and notification.option(n.BLOCK1) is None


# At the client


def test_a_response_in_pieces_is_put_together():
    for how in ({}, {"confirmable": False}):
        pair = Server()
        pair.value = LONG
        cutter = Cutter(pair)
        cutter.carry(pair.send(**how))
        assert [(item.code, item.payload) for item in pair.items] == [(n.CONTENT, LONG)], how
        assert pair.items[0].security.name == "server"
        asked = [packet for packet in cutter.said if packet.code == n.POST]
        assert len(asked) == 12 and len({packet.token for packet in asked}) == 12
        assert len({packet.mid for packet in asked}) == 12
        assert len({packet.option(n.OSCORE) for packet in asked}) == len({packet.payload for packet in asked}) == 1
        assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots


def test_a_request_that_is_too_large_goes_in_pieces():
    pair = Server()
    cutter = Cutter(pair, up=True)
    cutter.carry(pair.send(**PUT_IN))
    assert pair.items[0].code == n.CHANGED and pair.value == LONG
    assert n.REQUEST_ENTITY_TOO_LARGE in [packet.code for packet in cutter.said]


def swapping():
    """A pair whose server gives the old value, and more, for a new one."""
    pair = Server()

    def swap(m):
        before, pair.value = pair.value, bytes(m.payload())
        return before + LONG

    pair.server.add(Resource("swap"), POST=swap)
    return pair


def test_both_directions_in_pieces():
    for up in (False, True):
        for repeat in (False, True):
            pair = swapping()
            cutter = Cutter(pair, up, repeat)
            cutter.carry(pair.send(n.POST, "swap", payload=LONG))
            assert pair.items[0].payload == b"21.5" + LONG and pair.value == LONG


def fetching(**how):
    """(pair, cutter, request, first piece): a response of several pieces of which the first has come to the client, and
    what it has sent then."""
    pair = Server()
    pair.value = LONG
    (request,) = pair.send(**how)
    cutter = Cutter(pair)
    (first,) = cutter.from_client(request)
    return pair, cutter, first, pair.client_port.receive(first, SERVER)


def test_a_lost_piece_is_asked_for_again():
    pair, cutter, _, (asked,) = fetching()
    cutter.from_client(asked)  # its answer is lost
    pair.wire.advance(3100)
    (again,) = pair.client_port.sent()
    assert again.raw == asked.raw
    cutter.carry([again])
    assert pair.items[0].payload == LONG


def test_pieces_that_come_twice():
    pair, cutter, first, asked = fetching(confirmable=False)
    rounds = 0
    while asked:
        (packet,) = asked
        (piece,) = cutter.from_client(packet)
        copy = bytearray(first)
        copy[3] ^= 0x80
        assert pair.client_port.receive(bytes(copy), SERVER) == []  # the first, late
        asked = pair.client_port.receive(piece, SERVER)
        copy = bytearray(piece)
        copy[3] ^= 0x80
        assert pair.client_port.receive(bytes(copy), SERVER) == []  # its token has gone
        rounds += 1
    assert pair.items[0].payload == LONG and rounds == 11


def test_a_piece_of_another_peer_is_not_taken_by_a_client():
    pair, cutter, _, (asked,) = fetching(confirmable=False)
    (piece,) = cutter.from_client(asked)
    assert pair.client_port.receive(piece, STRANGER) == []
    cutter.carry([asked])
    assert pair.items[0].payload == LONG


def failed(pair):
    """Does the request fail, once its time is over, without a trace?"""
    assert pair.asking._fetching.lost == 1 and pair.items == []
    pair.wire.advance(LATER + 5000)
    assert pair.client_port.sent() == []
    assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots
    return [str(item) for item in pair.items] == ["no answer"]


def test_pieces_that_do_not_fit_together_end_the_request():
    def other(option):
        return lambda packet: put(without(packet.options, option), (option, b"other"))

    def at(num, more=True, szx=SZX):
        return lambda packet: put(without(packet.options, n.BLOCK2), (n.BLOCK2, value(num, more, szx)))

    def same(packet):
        return packet.options

    whole = bytes(SIZE)
    for change, payload in (
        (other(n.ETAG), whole),
        (other(n.OSCORE), whole),
        (at(2), whole),
        (at(0), whole),
        (at(1, szx=3), whole),
        (same, whole[1:]),
        (same, whole + b"x"),
        (at(1, more=False), b""),
    ):
        pair, cutter, _, (asked,) = fetching()
        packet = Packet(cutter.from_client(asked)[0])
        raw = datagram(packet.kind, packet.code, packet.mid, packet.token, change(packet), payload)
        assert pair.client_port.receive(raw, SERVER) == []
        assert failed(pair)


def test_a_first_piece_that_may_not_be():
    for num, payload in ((1, bytes(SIZE)), (0, bytes(SIZE - 1))):
        pair = Server()
        (request,) = pair.send(confirmable=False)
        options = [(n.OSCORE, b""), (n.BLOCK2, value(num, True))]
        raw = datagram(n.NON, n.CHANGED, 77, request.token, options, payload)
        assert pair.client_port.receive(raw, SERVER) == []


def test_a_response_that_never_ends_is_given_up():
    pair, cutter, _, asked = fetching()
    count = 1
    while asked:
        count += 1
        options = [(n.OSCORE, b""), (n.BLOCK2, asked[0].option(n.BLOCK2)[:0] + value(count - 1, True))]
        raw = datagram(n.ACK, n.CHANGED, asked[0].mid, asked[0].token, options, bytes(SIZE))
        asked = pair.client_port.receive(raw, SERVER)
    assert 1280 - 2 * SIZE < count * SIZE <= 1280
    assert failed(pair)


def test_pieces_that_come_too_late_are_given_up():
    pair, cutter, _, (asked,) = fetching(confirmable=False)
    pair.wire.advance(LATER - 100)
    (asked,) = pair.client_port.receive(cutter.from_client(asked)[0], SERVER)
    pair.wire.advance(200)
    assert [str(item) for item in pair.items] == ["no answer"]
    assert pair.client_port.receive(cutter.from_client(asked)[0], SERVER) == []
    assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots


def test_pieces_of_a_notification_that_trickle_are_given_up_after_exchange_lifetime():
    pair = Server()
    pair.value = LONG
    slow = Resource("slow", observable=True, max_age=3600)
    pair.server.add(slow, GET=lambda m: pair.value)
    (request,) = pair.send(path="slow", observe=True, confirmable=False)
    cutter = Cutter(pair)
    cutter.carry([request])
    pair.value = BACKWARDS
    pair.server.changed(slow, pair.wire.now)
    pair.wire.advance(4000)
    (first,) = pair.server_port.sent()
    cutter.held[request.option(n.OSCORE)] = request, first, pair.download(request, first)
    asked = pair.client_port.receive(cutter.piece(request, 0), SERVER)
    count = 0
    while asked:
        count += 1
        pair.wire.advance(DEFAULT.exchange_lifetime // 4)
        asked = pair.client_port.receive(cutter.from_client(asked[0])[0], SERVER)
    assert 4 <= count <= 5 and pair.asking._fetching.lost == 1 and len(pair.items) == 1


def test_nobody_answers_for_a_piece():
    for confirmable, later in ((True, LATER), (False, LATER)):
        pair, _, _, _ = fetching(confirmable=confirmable)
        pair.wire.advance(later - 10)
        pair.client_port.sent()
        pair.wire.advance(5000)
        assert [str(item) for item in pair.items] == ["no answer"]
        assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots


def test_an_error_without_protection_in_place_of_a_piece_is_told():
    pair, _, _, (asked,) = fetching()
    raw = datagram(n.ACK, n.GATEWAY_TIMEOUT, asked.mid, asked.token)
    assert pair.client_port.receive(raw, SERVER) == []
    assert [item.code for item in pair.items] == [n.GATEWAY_TIMEOUT] and pair.items[0].security is None
    assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots


def test_a_success_without_protection_in_place_of_a_piece_is_not_taken():
    pair, cutter, _, (asked,) = fetching(confirmable=False)
    pair.client_port.receive(datagram(n.NON, n.CONTENT, 77, asked.token, [], b"666"), SERVER)
    assert pair.items == [] and pair.asking.unprotected == 1
    cutter.carry([asked])
    assert pair.items[0].payload == LONG


def test_pieces_of_something_else_are_found():
    pair, cutter, _, asked = fetching()
    while asked:
        piece = bytearray(cutter.from_client(asked[0])[0])
        if asked[0].option(n.BLOCK2) == value(3):
            piece[-1] ^= 1
        asked = pair.client_port.receive(bytes(piece), SERVER)
    assert pair.items == [] and pair.asking.refused == 1


def test_a_request_that_is_cancelled_asks_for_no_more():
    pair, cutter, _, (asked,) = fetching()
    pair.request.cancel(pair.wire.now)
    (piece,) = cutter.from_client(asked)
    assert pair.client_port.receive(piece, SERVER) == []
    assert pair.items == []
    assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots


def test_a_second_response_in_pieces_fails_while_the_first_one_is_fetched():
    pair, cutter, _, (asked,) = fetching(confirmable=False)
    pair.wire.advance(4000)
    (second,) = pair.send(confirmable=False)
    (first,) = cutter.from_client(second)
    assert pair.client_port.receive(first, SERVER) == []
    assert pair.asking._fetching.crowded == 1
    cutter.carry([asked])
    assert pair.items[0].payload == LONG
    pair.wire.advance(LATER + 5000)
    assert [str(item) for item in pair.items[1:]] == ["no answer"]


def test_a_request_whose_message_is_not_there_any_more_fails():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send(confirmable=False)
    cutter = Cutter(pair)
    (first,) = cutter.from_client(request)
    pair.wire.advance(4000)
    pair.carry(pair.send(path="nothing", confirmable=False))  # another message has taken its place
    assert pair.items.pop().code == n.NOT_FOUND
    assert pair.client_port.receive(first, SERVER) == []
    assert failed(pair)


def test_notifications_in_pieces():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send(observe=True)
    cutter = Cutter(pair)
    cutter.carry([request])
    assert pair.items[0].payload == LONG
    for i in range(3):
        pair.value = LONG[i + 1 :]
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        (first,) = pair.server_port.sent()
        cutter.held[request.option(n.OSCORE)] = request, first, pair.download(request, first)
        request.kind = n.NON
        packet = Packet(cutter.piece(request, 0))
        assert packet.option(n.OBSERVE) is not None
        cutter.carry(pair.client_port.receive(packet.raw, SERVER))
        assert pair.items[-1].payload == pair.value and len(pair.items) == i + 2


def test_a_newer_notification_ends_the_fetching_of_an_older_one():
    pair = Server()
    pair.value = LONG
    (request,) = pair.send(observe=True)
    cutter = Cutter(pair)
    cutter.carry([request])
    request.kind = n.NON
    for i in range(2):
        pair.value = LONG[i + 1 :]
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        (first,) = pair.server_port.sent()
        cutter.held[request.option(n.OSCORE)] = request, first, pair.download(request, first)
        asked = pair.client_port.receive(cutter.piece(request, 0), SERVER)
    cutter.carry(asked)
    assert [item.payload for item in pair.items] == [LONG, LONG[2:]]


def test_an_error_in_place_of_a_notification_s_piece_ends_that_one_only():
    pair = Server()
    (request,) = pair.send(observe=True)
    cutter = Cutter(pair)
    cutter.carry([request])
    request.kind = n.NON
    for fails in (True, False):
        pair.value = LONG[fails:]
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        (first,) = pair.server_port.sent()
        cutter.held[request.option(n.OSCORE)] = request, first, pair.download(request, first)
        asked = pair.client_port.receive(cutter.piece(request, 0), SERVER)
        if fails:
            (packet,) = asked
            assert pair.client_port.receive(datagram(n.ACK, n.BAD_GATEWAY, packet.mid, packet.token), SERVER) == []
            assert pair.asking._fetching.lost == 1
        else:
            cutter.carry(asked)
    assert [item.payload for item in pair.items] == [b"21.5", LONG]


def test_a_registration_does_not_go_in_pieces():
    pair = Server()
    (request,) = pair.send(path="a/longer/path/to/it", observe=True)
    refusal = datagram(n.ACK, n.REQUEST_ENTITY_TOO_LARGE, request.mid, request.token, [(n.BLOCK1, value(0, szx=0))])
    assert pair.client_port.receive(refusal, SERVER) == []
    assert pair.items[0].code == n.REQUEST_ENTITY_TOO_LARGE


def test_pieces_are_not_asked_for_by_an_older_message_of_the_same_token():
    pair = Server()
    (first,) = pair.send()
    assert pair.send(observe=True) == []  # it waits, in the second place
    (request,) = [packet for packet in pair.carry([first]) if packet.code == n.FETCH]
    assert len(pair.items) == 2
    pair.wire.advance(76000)
    again = [packet for packet in pair.client_port.sent() if packet.kind == n.CON][0]
    assert again.token == request.token and again.raw != request.raw  # in the first
    pair.carry([again])
    pair.carry(pair.send(path="nothing"))  # and now another one there
    options = [(n.OBSERVE, b"\x09"), (n.OSCORE, b"\x01\x09"), (n.BLOCK2, value(0, True))]
    notification = datagram(n.NON, n.CONTENT, 77, request.token, options, bytes(SIZE))
    assert pair.client_port.receive(notification, SERVER) == []
    assert pair.asking._fetching.lost == 1


def test_a_request_goes_in_the_pieces_that_are_wanted():
    """Smaller ones from the first, or from a later one on; and what does not go on ends it."""
    pair = Server()
    (request,) = pair.send(**PUT_IN)
    refusal = datagram(n.ACK, n.REQUEST_ENTITY_TOO_LARGE, request.mid, request.token, [(n.BLOCK1, value(0, szx=4))])
    (asked,) = pair.client_port.receive(refusal, SERVER)
    got = b""
    szx = 4
    while True:
        num, more, size = parts(asked.option(n.BLOCK1))
        assert (num * (16 << size), size, asked.option(n.OSCORE)) == (len(got), szx, request.option(n.OSCORE))
        if szx == 4 and not got:
            szx = 3
            code, options = n.REQUEST_ENTITY_TOO_LARGE, [(n.BLOCK1, value(0, szx=3))]
        else:
            got += asked.payload
            if not more:
                break
            szx = 2 if len(got) > 128 else 3
            code, options = n.CONTINUE, [(n.BLOCK1, value(num, True, szx))]
        (asked,) = pair.client_port.receive(datagram(n.ACK, code, asked.mid, asked.token, options), SERVER)
    assert got == request.payload
    wrong = datagram(n.ACK, n.CONTINUE, asked.mid, asked.token, [(n.BLOCK1, asked.option(n.BLOCK1))])
    assert pair.client_port.receive(wrong, SERVER) == []
    assert failed(pair)


def test_a_refusal_that_pieces_do_not_help_is_told():
    pair = Server()
    (request,) = pair.send()
    refusal = datagram(n.ACK, n.REQUEST_ENTITY_TOO_LARGE, request.mid, request.token, [(n.BLOCK1, value(0))])
    assert pair.client_port.receive(refusal, SERVER) == []
    assert pair.items[0].code == n.REQUEST_ENTITY_TOO_LARGE


def test_a_message_with_two_layers_goes_in_pieces():
    """Only the outermost layer is cut."""
    pair = Server()
    pair.value = LONG
    hops = [
        context(name, own, other, adjacent=True) for name, own, other in (("hop", b"h", b"c"), ("client", b"c", b"h"))
    ]
    pair.asking.towards[SERVER] = hops[0]
    pair.gate.contexts = Contexts([pair.server_context, hops[1]], [])
    for up in (False, True):
        pair.items = []
        cutter = Cutter(pair, up)
        cutter.carry(pair.send())
        assert pair.items[0].payload == LONG and pair.items[0].security.name == "server"
        cutter.carry(pair.send(**PUT_IN))
        assert pair.items[1].code == n.CHANGED


def test_a_piece_without_a_payload_may_be_for_somebody_behind():
    pair = Server()
    (request,) = pair.send()
    for options, known in (
        (request.options, True),
        ([(n.OSCORE, b"\x09\x00other")], False),
        ([(n.OSCORE, b"\xff")], True),  # malformed, whoever it is for
    ):
        data = datagram(n.CON, n.POST, 7, b"t", put(options, (n.BLOCK2, value(1))))
        m = Message()
        m.parse(data, len(data))
        assert pair.gate.contexts.knows(m) is known


class Dice:
    seed = 7

    def roll(self, below):
        self.seed = self.seed * 75 % 65537
        return self.seed % below


def test_whatever_comes_in_pieces_is_answered_or_dropped():
    roll = Dice().roll
    pair = Server()
    pair.value = LONG
    requests = [pair.sealed(n.PUT, LONG), pair.sealed(), pair.sealed()]
    for i in range(1500):
        packet = requests[roll(3)]
        options = list(packet.options)
        for number in (n.BLOCK2, n.BLOCK1, n.SIZE1, n.REQUEST_TAG):
            if roll(3):
                szx = roll(9)
                few = value(roll(14), roll(2), min(szx, 7)) if szx else bytes([roll(256) for _ in range(roll(6))])
                options = put(options, (number, few))
        size = 16 << roll(7) if roll(2) else roll(1100)
        data = datagram(roll(2), (n.POST, n.FETCH, n.PUT)[roll(3)], i, b"t", options, packet.payload[:size])
        back = pair.server_port.receive(data, (PROXY, OTHER)[roll(2)], roll(9) == 8)
        assert len(back) < 2 and (not back or back[0].code >= n.CHANGED)
        pair.wire.advance(roll(2000))


def test_whatever_comes_to_a_client_in_pieces_leaves_nothing_behind():
    roll = Dice().roll
    for i in range(150):
        pair = Server()
        pair.value = LONG
        (asked,) = pair.send(confirmable=i & 1, **(PUT_IN if i & 2 else {}))
        for _ in range(6):
            options = [(n.OSCORE, bytes([roll(256) for _ in range(roll(2))]))] * roll(3)
            for number in (n.BLOCK2, n.BLOCK1):
                if roll(5):
                    options = put(options, (number, value(roll(2), roll(4) > 0, roll(8))))
            code = (n.CHANGED, n.CONTINUE, n.REQUEST_ENTITY_TOO_LARGE)[roll(3)]
            data = datagram(n.NON, code, roll(65536), asked.token, options, bytes(16 << roll(4)))
            for packet in pair.client_port.receive(data, SERVER):
                asked = packet if 0 < packet.code < 32 else asked
        pair.wire.advance(2 * LATER + 5000)
        assert len(pair.items) == 1, pair.items
        assert pair.client_port.endpoint.tokens.free == pair.client_port.endpoint.tokens.slots
