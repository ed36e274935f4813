"""A client and a server whose messages are protected by OSCORE: what each sees, and what goes between them."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.message import Message
from groupcoap.block import key_of
from groupcoap.oscore.asking import Way
from groupcoap.oscore.classes import outer_stays
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.freshness import Challenges
from groupcoap.oscore.option import piv_bytes
from secured import Pair, context
from wire import CLIENT, SERVER, datagram

VMS = ("cpython", "unix")

READABLE = (b"temp", b"21.5")


def test_a_request_and_its_response_are_protected():
    pair = Pair()
    said = pair.ask()
    assert [packet.code for packet in said] == [n.POST, n.CHANGED]
    for packet in said:
        assert packet.option(n.OSCORE) is not None
        assert not [part for part in READABLE if part in packet.raw]
    (response,) = pair.items
    assert (response.code, response.payload) == (n.CONTENT, b"21.5")
    assert response.security.name == "server"
    assert pair.asked == ["client"]


def test_a_confirmable_request_that_comes_again_gets_the_same_bytes():
    pair = Pair()
    (request,) = pair.send()
    first = pair.server_port.receive(request.raw, CLIENT)
    again = pair.server_port.receive(request.raw, CLIENT)
    assert [packet.raw for packet in first] == [packet.raw for packet in again]
    assert pair.asked == ["client"]


def test_a_non_confirmable_request_that_comes_again_is_dropped():
    pair = Pair()
    (request,) = pair.send(confirmable=False)
    assert len(pair.server_port.receive(request.raw, CLIENT)) == 1
    assert pair.server_port.receive(request.raw, CLIENT) == []


def test_a_replay_with_another_message_id_is_refused():
    pair = Pair()
    (request,) = pair.send()
    pair.carry([request])
    raw = bytearray(request.raw)
    raw[3] ^= 1
    (refusal,) = pair.server_port.receive(bytes(raw), CLIENT)
    assert (refusal.code, refusal.payload, refusal.option(n.MAX_AGE)) == (n.UNAUTHORIZED, b"Replay detected", b"")
    assert pair.asked == ["client"]


def test_what_is_not_protected_is_refused():
    pair = Pair()
    (refusal,) = pair.server_port.receive(datagram(n.CON, n.GET, 7, b"t", [(n.URI_PATH, b"temp")]), CLIENT)
    assert (refusal.code, refusal.kind, refusal.mid) == (n.UNAUTHORIZED, n.ACK, 7)
    assert pair.asked == []
    assert pair.server_port.receive(datagram(n.NON, n.GET, 8, b"t", [(n.URI_PATH, b"temp")]), CLIENT, 1) == []


def test_where_protection_is_not_required_a_plain_request_has_a_plain_answer():
    pair = Pair(required=False)
    (answer,) = pair.server_port.receive(datagram(n.CON, n.GET, 7, b"t", [(n.URI_PATH, b"temp")]), CLIENT)
    assert (answer.code, answer.payload) == (n.CONTENT, b"21.5")
    assert pair.asked == [None]


def test_an_observation():
    pair = Pair()
    said = pair.ask(observe=True)
    assert [packet.code for packet in said] == [n.FETCH, n.CONTENT]
    for i in range(3):
        pair.value = b"%d" % i
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        said = pair.server_port.sent()
        assert len(said) == 1 and said[0].code == n.CONTENT and said[0].option(n.OBSERVE)
        pair.client_port.receive(said[0].raw, SERVER)
    assert [item.payload for item in pair.items] == [b"21.5", b"0", b"1", b"2"]
    assert pair.client_port.receive(said[0].raw, SERVER) == []  # a replay of a notification


def observed(pair, *numbers):
    """Let the server's next messages have these Partial IVs, None for none; notify of each but the first."""
    sealed = pair.server_context.seal_response

    def seal(exchange, m, out, relayed=False):
        exchange.response_piv = lambda m: None if number is None else piv_bytes(number)
        return sealed(exchange, m, out, relayed)

    pair.server_context.seal_response = seal
    number = numbers[0]
    pair.ask(observe=True)
    for number in numbers[1:]:
        pair.value = b"of %d" % number
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        for packet in pair.server_port.sent():
            pair.client_port.receive(packet.raw, SERVER)
    return [item.payload for item in pair.items]


def test_notification_0_comes_after_a_first_one_without_partial_iv():
    assert observed(Pair(), None, 0, 1) == [b"21.5", b"of 0", b"of 1"]


def test_order_of_notifications_is_that_of_partial_ivs_whatever_they_skip():
    far = 1 << 23
    assert observed(Pair(), 1, far + 2, far + 1, 3 * far) == [b"21.5", b"of %d" % (far + 2), b"of %d" % (3 * far)]


def test_order_in_a_group_is_that_of_partial_ivs_where_they_are_verified():
    for verified in (True, False):
        pair = Pair(required=False)
        target = uri.parse("coap://224.0.1.187/temp")
        request = pair.client.send(pair.items.append, pair.wire.now, n.GET, target, observe=True)
        request.way = Way(pair.client_context)
        for number in (1, 0x800002):
            raw = datagram(n.NON, n.CONTENT, 9, b"", [(n.OBSERVE, number.to_bytes(3, "big"))], b"%d" % number)
            m = Message()
            m.parse(raw, len(raw))
            m.security = pair.client_context if verified else None
            request.take(m, SERVER, pair.wire.now)
        assert len(pair.items) == 1 + verified


def test_challenges_of_the_next_hop_and_of_the_server_are_both_answered():
    at_client = [context("server", b"\1", b"\2"), context("hop", b"\3", b"\4", adjacent=True)]
    at_server = [context("client", b"\2", b"\1"), context("client", b"\4", b"\3", adjacent=True)]
    pair = Pair(server=at_server[0], client=at_client[0])
    pair.asking.towards[SERVER] = at_client[1]
    pair.gate.contexts = Contexts(at_server)
    pair.gate.freshness = Challenges(pair.wire.entropy)
    pair.gate.contexts.begin(True)
    said = pair.ask()
    assert len(said) == 6 and pair.items[0].payload == b"21.5"
    assert len(pair.ask()) == 2


def test_one_challenge_is_answered_and_another_one_told():
    pair = Pair()

    class Never:
        def challenge(self, m, exchange, now):
            return b"again"

    pair.gate.freshness = Never()
    pair.server_context.distrust()
    assert len(pair.ask()) == 4
    assert [item.code for item in pair.items[:1]] == [n.UNAUTHORIZED]


def test_a_long_payload_goes_up_and_down_in_blocks():
    pair = Pair()
    long = bytes([i * 7 & 255 for i in range(700)])
    pair.ask(n.PUT, payload=long, block_size=128)
    assert pair.items[0].code == n.CHANGED
    assert pair.value == long
    pair.items = []
    said = pair.ask(block_size=64)
    assert len(said) == 22 and pair.items[0].payload == long
    numbers = [packet.option(n.OSCORE) for packet in said[::2]]
    assert len(set(numbers)) == len(numbers)  # each block has a number of its own


def test_a_changed_response_is_dropped_and_the_right_one_taken():
    pair = Pair()
    (request,) = pair.send(confirmable=False)
    (response,) = pair.server_port.receive(request.raw, CLIENT)
    for at in range(len(response.raw) - 1, len(response.raw) - 12, -1):
        raw = bytearray(response.raw)
        raw[at] ^= 4
        raw[3] ^= at
        assert pair.client_port.receive(bytes(raw), SERVER) == []
    assert pair.items == []
    pair.client_port.receive(response.raw, SERVER)
    assert pair.items[0].payload == b"21.5"


def test_a_success_without_protection_is_not_taken():
    pair = Pair()
    (request,) = pair.send(confirmable=False)
    pair.client_port.receive(datagram(n.NON, n.CONTENT, 9, request.token, (), b"666"), SERVER)
    assert pair.items == [] and pair.asking.unprotected == 1


def test_an_error_without_protection_is_told():
    pair = Pair(server=context("client", b"\x02", b"\x07"))
    pair.ask()
    assert (pair.items[0].code, pair.items[0].payload) == (n.UNAUTHORIZED, b"Security context not found")
    assert pair.items[0].security is None


def test_exchanges_are_as_many_as_there_are_places():
    pair = Pair()
    for i in range(40):
        pair.items = []
        pair.ask()
        assert pair.items[0].payload == b"21.5", i
    assert pair.gate.unbound == 0 and pair.gate.crowded == 0


def test_a_response_is_never_sent_bare():
    """Whatever is forgotten of a request, nothing that answers it goes out without its protection."""
    pair = Pair()
    pair.ask(observe=True)
    pair.gate._peers = [None] * len(pair.gate._peers)  # as if it had been forgotten
    pair.value = b"secret"
    pair.server.changed(pair.resource, pair.wire.now)
    pair.wire.advance(4000)
    assert pair.server_port.sent() == []
    assert pair.gate.unbound == 1


def test_way_of_a_request_is_not_that_of_the_next_one():
    pair = Pair(required=False)
    pair.ask()
    (plain,) = pair.send(way=None)
    assert plain.option(n.OSCORE) is None and (n.URI_PATH, b"temp") in plain.options


def test_a_confirmable_notification_is_repeated_as_it_was():
    pair = Pair()
    pair.ask(observe=True)
    sent = []
    for i in range(9):
        pair.value = b"%d" % i
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        sent += pair.server_port.sent()
    repeated = [packet for packet in sent if packet.kind == n.CON]
    assert len(repeated) > 1 and len({packet.raw for packet in repeated}) == 1, [packet.kind for packet in sent]


def test_a_way_may_be_a_context():
    pair = Pair()
    assert pair.asking.way(pair.client_context).context is pair.client_context
    way = Way(pair.client_context)
    assert pair.asking.way(way) is way


def test_a_handler_knows_whose_a_request_is_when_it_is_asked_again():
    pair = Pair()
    pair.ask(observe=True)
    pair.ask(n.PUT, payload=b"x" * 300, block_size=64)
    pair.wire.advance(4000)
    assert pair.asked == ["client"] * 2  # at the registration, and for the notification


def test_who_has_no_keys_does_not_end_what_has_been_answered():
    pair = Pair()
    (request,) = pair.send(observe=True)
    forged = datagram(n.NON, n.INTERNAL_SERVER_ERROR, 9, request.token)
    pair.carry([request])
    pair.client_port.receive(forged, SERVER)
    assert len(pair.items) == 1 and pair.asking.unprotected == 1
    pair.value = b"22.0"
    pair.server.changed(pair.resource, pair.wire.now)
    pair.wire.advance(4000)
    pair.carry([])
    for packet in pair.server_port.sent():
        pair.client_port.receive(packet.raw, SERVER)
    assert pair.items[-1].payload == b"22.0"


def test_outer_host_and_port_are_not_those_of_who_names_a_proxy():
    for number in (n.URI_HOST, n.URI_PORT):
        assert outer_stays(number, True, True) and not outer_stays(number, True, True, True)
        assert outer_stays(number, True, False, True)  # end to end they are for the proxies


def test_blocks_of_two_are_not_put_together():
    one, other = Message(), Message()
    raw = datagram(n.CON, n.PUT, 7, b"t", [(n.URI_PATH, b"temp")])
    one.parse(raw, len(raw))
    other.parse(raw, len(raw))
    assert key_of(one, CLIENT) == key_of(other, CLIENT)
    one.security, other.security = context("alice"), context("bob")
    assert key_of(one, CLIENT) != key_of(other, CLIENT)


class Signature:
    """What a response waits for until `made`."""

    slow = True

    def __init__(self):
        self.made = False

    def step(self):
        return self.made

    def finish(self):
        pass


def signing(pair):
    """Let the server's responses from now on wait for this one Signature, in slices."""
    signature = Signature()
    sealed = pair.server_context.seal_response

    def seal(exchange, m, out, relayed=False):
        sealed(exchange, m, out, relayed)
        return signature

    ticks = [0]

    def clock():
        ticks[0] += 30  # so that each step is a slice
        return pair.wire.now + ticks[0]

    pair.server_context.seal_response = seal
    pair.server_context.signs = True
    pair.gate._clock = pair.gate._jobs._clock = clock
    return signature


def test_a_notification_that_waits_for_its_signature_is_dropped_when_the_client_leaves():
    pair = Pair()
    pair.ask(observe=True)
    kind = n.NON
    while kind != n.CON:  # as some are, to see whether somebody listens
        pair.server.changed(pair.resource, pair.wire.now)
        pair.wire.advance(4000)
        packet = pair.server_port.sent()[0]
        kind = packet.kind
        for ack in pair.client_port.receive(packet.raw, SERVER):
            pair.server_port.receive(ack.raw, CLIENT)
    signature = signing(pair)
    for _ in range(7):
        pair.server.changed(pair.resource, pair.wire.now)
        signature.made = True
        pair.wire.advance(4000)
        signature.made = False
        for packet in pair.server_port.sent():
            assert packet.kind == n.NON and pair.client_port.receive(packet.raw, SERVER) == []
    pair.server.changed(pair.resource, pair.wire.now)  # the next one is Confirmable
    pair.wire.advance(4000)
    assert pair.server_port.sent() == []
    pair.client.deregister(pair.request, pair.wire.now)
    for packet in pair.client_port.sent():
        pair.server_port.receive(packet.raw, CLIENT)
    signature.made = True
    pair.wire.advance(100)
    found = pair.server_port.sent()
    assert [(packet.kind, packet.option(n.OBSERVE)) for packet in found] == [(n.ACK, None)], found


class Sender:
    """Whose Confirmable messages they are."""

    def __init__(self):
        self.failed = []

    def message_failed(self, ref, reset, now):
        self.failed.append((ref, reset))


def test_a_signed_message_that_finds_no_place_to_be_repeated_from_has_failed():
    pair = Pair(sizes={"outgoing": 1})
    (request,) = pair.send(observe=True)
    pair.carry([request])
    signature = signing(pair)
    endpoint = pair.server_port.endpoint
    sender = Sender()
    for ref in (5, 6):
        endpoint.out.begin(n.CON, n.CONTENT, endpoint.next_mid(), request.token, 0, len(request.token))
        endpoint.out.option(n.OBSERVE, b"")
        endpoint.out.payload(b"of %d" % ref)
        assert endpoint.send_confirmable(CLIENT, sender, ref, pair.wire.now)
    assert (pair.server_port.sent(), sender.failed) == ([], [])
    signature.made = True
    pair.wire.advance(1000)
    assert len(pair.server_port.sent()) == 1
    assert sender.failed == [(6, False)]


def test_a_request_that_its_protection_makes_too_long_for_a_place_is_refused():
    pair = Pair()
    room = len(pair.client_port.endpoint.outgoing.bufs[0])
    free = pair.client_port.endpoint.tokens.free
    path = "temp?" + "&".join(["q" * 250] * 4 + ["r" * 115])
    (plain,) = Pair().send(path=path, way=None)
    assert room - 20 < len(plain.raw) <= room
    try:
        pair.send(path=path)
        raise AssertionError("sent")
    except ValueError as e:
        assert "protected: expected at most %d" % room in str(e)
    assert (pair.client_port.sent(), pair.client_port.endpoint.tokens.free) == ([], free)
    pair.ask()
    assert pair.items[-1].payload == b"21.5"
