"""Keys that are derived anew: what is replayed, forged, truncated or out of place changes nothing."""

from groupcoap import numbers as n
from groupcoap.oscore.errors import Rejected
from groupcoap.oscore.exchange import OSCORE, Exchange
from groupcoap.oscore.option import encode, parse
from groupcoap.oscore.rederive import unwrapped
from oscore_ends import message, opened, response, seal_response, writer
from renewing import A_ID, B_ID, Ends, kid_context, plain, used, with_value, wrapped
from wire import SERVER, datagram

VMS = ("cpython", "unix")

OK = (n.CONTENT, b"21.5")


def again(packet):
    """The same message under another Message ID, and so no repetition for the message layer."""
    raw = bytearray(packet.raw)
    raw[2] ^= 0x55
    return bytes(raw)


def refusal(node, raw):
    """(code, text) of the answer without protection that a datagram has."""
    (answer,) = node.receive(raw)
    assert answer.option(n.OSCORE) is None
    return answer.code, answer.payload


def test_a_request_1_that_comes_again_changes_nothing():
    ends = Ends()
    said = ends.run()
    ends.run()  # the key of R2 is forgotten
    before = ends.b.state()
    assert before[2] is None
    values = set()
    for i in range(40):
        raw = bytearray(said[0].raw)
        raw[2] ^= i + 1
        (answer,) = ends.b.receive(raw)
        assert answer.option(n.OSCORE)
        values.add(kid_context(answer))
    assert len(values) == 40  # each has an R2 of its own
    assert ends.b.state()[:2] == before[:2] and ends.b.asked == [n.GET, n.GET]
    assert len(ends.run()) == 2 and ends.a.answers() == [OK, OK, OK]


def test_the_answer_to_a_request_1_that_comes_again_is_of_no_use():
    ends = Ends()
    said = ends.run()
    (answer,) = ends.b.receive(again(said[0]))
    before = ends.a.state()
    assert ends.a.receive(answer) == []  # nobody waits for it
    request = ends.a.send()[0]
    assert ends.a.receive(rebound(answer, request)) == []
    assert ends.a.state() == before and ends.a.gate.refused == 1


def rebound(answer, request):
    """A response as if it answered another request."""
    return datagram(n.NON, answer.code, request.mid ^ 0x4000, request.token, answer.options, answer.payload)


def test_a_response_1_that_comes_again_for_another_request_is_dropped():
    ends = Ends()
    said = ends.run()
    request = ends.a.send()[0]
    before = ends.a.state()
    assert ends.a.receive(rebound(said[1], request)) == []
    ends.a.forget()
    first = ends.a.send()[0]  # a request #1 of another R1
    pending = ends.a.context.pending
    assert ends.a.receive(rebound(said[1], first)) == []
    assert ends.a.context.pending is pending and before[1] is None
    assert ends.a.gate.refused == 2 and ends.a.answers() == [OK]


def test_a_response_1_is_taken_once():
    ends = Ends()
    request = ends.a.send()[0]
    (response1,) = ends.b.receive(request)
    (request2,) = ends.a.receive(response1)
    pending = ends.a.context.pending
    assert ends.a.receive(response1) == [] and ends.a.receive(again(response1)) in ([], [request2])
    assert ends.a.context.pending is pending
    ends.carry([request2])
    assert ends.a.answers() == [OK]


def test_a_request_2_that_comes_again_is_a_replay():
    ends = Ends()
    said = ends.run(n.PUT, payload=b"7")
    before = ends.b.state()
    assert refusal(ends.b, again(said[2])) == (n.UNAUTHORIZED, b"Replay detected")
    assert ends.b.state() == before and ends.b.asked == [n.PUT]


def test_a_request_2_that_comes_again_after_a_restart_is_not_acted_on():
    ends = Ends()
    said = ends.run(n.PUT, payload=b"7")
    ends.b.boot()
    (answer,) = ends.b.receive(again(said[2]))
    assert (answer.code, len(kid_context(answer))) == (n.CHANGED, 17)  # a response #1
    assert ends.b.asked == [] and ends.b.context.current is None


def test_a_request_2_that_comes_again_when_its_keys_are_replaced_is_not_acted_on():
    ends = Ends()
    said = ends.run(n.PUT, payload=b"7")
    ends.a.forget()
    ends.run()
    (answer,) = ends.b.receive(again(said[2]))
    assert len(kid_context(answer)) == 17 and ends.b.asked == [n.PUT, n.GET]
    assert len(ends.run()) == 2


def test_a_request_of_replaced_keys_is_not_acted_on():
    ends = Ends()
    ends.run()
    late = ends.a.send(n.PUT, payload=b"7")[0]
    ends.a.forget()
    ends.run()
    (answer,) = ends.b.receive(late)
    assert len(kid_context(answer)) == 17 and n.PUT not in ends.b.asked


def test_of_two_requests_2_in_hand_the_first_is_taken():
    """A request that waits for its turn while the same one is opened is no less a replay."""
    ends = Ends()
    request = ends.a.send()[0]
    (request2,) = ends.a.receive(ends.b.receive(request)[0])
    openings = [ends.b.gate.contexts.open_request(message(request2.raw)) for _ in range(2)]
    opened(openings[0])
    current = ends.b.context.current
    try:
        opened(openings[1])
    except Rejected as e:
        assert e.text == "Replay detected"
    else:
        raise AssertionError("taken twice")
    assert ends.b.context.current is current


def test_the_first_run_that_is_completed_ends_the_others():
    """The server forgets the key of all R2 that it has given away."""
    ends = Ends()
    r2 = []
    for _ in range(2):
        ends.a.forget()
        request = ends.a.send()[0]
        r2.append(ends.a.receive(ends.b.receive(request)[0])[0])
    (answer,) = ends.b.receive(r2[1])
    assert answer.option(n.OSCORE) == b"" and ends.b.context._key is None
    (answer,) = ends.b.receive(r2[0])
    assert len(kid_context(answer)) == 17 and ends.b.asked == [n.GET]


def test_a_response_2_that_comes_again_for_another_request_is_dropped():
    ends = Ends()
    said = ends.run()
    request = ends.a.send()[0]
    before = ends.a.state()
    assert ends.a.receive(rebound(said[3], request)) == []
    assert ends.a.state() == before and ends.a.gate.refused == 1


def test_a_forged_request_1_changes_nothing():
    for established in (False, True):
        ends = Ends()
        if established:
            ends.run()
            ends.a.forget()
        request = ends.a.send()[0]
        before = ends.b.state()
        count = used()
        piv, kid_ctx, kid, _ = parse(request.option(n.OSCORE))
        for at in range(len(kid_ctx) - 8, len(kid_ctx)):
            forged = bytearray(kid_ctx)
            forged[at] ^= 1
            raw = with_value(request, encode(piv, bytes(forged), kid))
            assert refusal(ends.b, again_of(raw, at)) == (n.BAD_REQUEST, b"Decryption failed")
        for at in range(len(request.payload)):
            raw = bytearray(request.raw)
            raw[-1 - at] ^= 0x80
            assert refusal(ends.b, again_of(raw, at + 20)) == (n.BAD_REQUEST, b"Decryption failed")
        assert ends.b.state() == before and used() == count
        ends.carry([request])
        assert ends.a.answers()[-1] == OK


def again_of(raw, mid):
    raw = bytearray(raw)
    raw[2] ^= mid + 1
    return bytes(raw)


def test_a_forged_request_2_changes_nothing():
    ends = Ends()
    request = ends.a.send()[0]
    (request2,) = ends.a.receive(ends.b.receive(request)[0])
    before = ends.b.state()
    assert before[0] is None and before[2] is not None
    piv, kid_ctx, kid, _ = parse(request2.option(n.OSCORE))
    for at in range(2, len(kid_ctx)):  # of S2, of the HMAC, of R3
        forged = bytearray(kid_ctx)
        forged[at] ^= 1
        raw = with_value(request2, encode(piv, bytes(forged), kid))
        assert refusal(ends.b, again_of(raw, at)) == (n.BAD_REQUEST, b"Decryption failed")
    for at in range(len(request2.payload)):
        raw = bytearray(request2.raw)
        raw[-1 - at] ^= 0x80
        assert refusal(ends.b, again_of(raw, at + 40)) == (n.BAD_REQUEST, b"Decryption failed")
    assert ends.b.state() == before and ends.b.asked == []
    ends.carry([request2])
    assert ends.a.answers() == [OK]


def test_who_has_the_keys_cannot_complete_a_run_that_was_not_begun():
    """A request #2 with an R2 that this server has not made is a request #1 to it."""
    ends = Ends()
    made = bytes(range(24))
    client = plain(A_ID, B_ID, made, said=wrapped(made))
    out = writer()
    for key in (False, True):
        if key:
            ends.b.receive(ends.a.send()[0])
        assert (ends.b.context._key is not None) is key
        client.seal_request(message(datagram(n.CON, n.PUT, 7 + key, b"t", [(n.URI_PATH, b"temp")], b"1")), out)
        (answer,) = ends.b.receive(out.message())
        assert len(kid_context(answer)) == 17 and ends.b.asked == [] and ends.b.context.current is None


def test_an_r2_takes_an_r3_of_the_same_length_at_least():
    """The client's half is what makes its keys new: a request #2 without it is a request #1."""
    ends = Ends()
    r2 = kid_context(ends.b.receive(ends.a.send()[0])[0])[1:]
    out = writer()
    for length in (0, 7, 8):
        third = r2 + bytes(length)
        client = plain(A_ID, B_ID, third, said=wrapped(third))
        client.seal_request(message(datagram(n.CON, n.PUT, 7 + length, b"t", [(n.URI_PATH, b"temp")], b"1")), out)
        (answer,) = ends.b.receive(out.message())
        assert ends.b.asked == ([n.PUT] if length == 8 else []), length


def test_kid_contexts_that_are_none():
    good = bytes(range(8))
    assert unwrapped(wrapped(good)) == good
    assert unwrapped(wrapped(bytes(24))) == bytes(24) and unwrapped(wrapped(bytes(64))) == bytes(64)
    for bad in (
        b"",
        b"\x58",
        good,  # not in CBOR
        wrapped(bytes(7)),
        wrapped(bytes(65)),
        wrapped(good)[:-1],
        wrapped(good) + b"\0",
        b"\x58\x08" + good,  # a longer head than it needs
        b"\x59\x00\x20" + bytes(32),
        b"\x5f\x48" + good + b"\xff",  # of indefinite length
        b"\x68" + good,  # text
        b"\x81" + wrapped(good),
    ):
        assert unwrapped(bad) is None, bad
    assert unwrapped(wrapped(bytes(33)), 32) is None


def test_a_request_with_a_bad_kid_context_is_for_nobody():
    ends = Ends()
    request = ends.a.send()[0]
    piv, good, kid, _ = parse(request.option(n.OSCORE))
    before = ends.b.state()
    for at, value in enumerate((b"", good[1:], good[:-1], good + b"\0", None, wrapped(bytes(65)))):
        raw = with_value(request, encode(piv, value, kid))
        assert refusal(ends.b, again_of(raw, at)) == (n.UNAUTHORIZED, b"Security context not found"), value
    assert refusal(ends.b, again_of(with_value(request, encode(None, good, kid)), 20))[0] == n.BAD_OPTION
    assert refusal(ends.b, again_of(with_value(request, encode(piv, good, B_ID)), 21))[0] == n.UNAUTHORIZED
    assert refusal(ends.b, again_of(with_value(request, encode(piv, good, kid, True)), 22))[0] == n.UNAUTHORIZED
    assert ends.b.state() == before


def test_without_a_kid_context_the_keys_in_use_are_meant():
    """As a peer may leave it out once a run is complete (RFC 8613 Appendix B.2)."""
    ends = Ends()
    ends.run()
    ends.a.context.current.kid_context = None
    assert len(ends.run()) == 2 and ends.a.answers() == [OK, OK]


def response1(request, r2, code=n.UNAUTHORIZED, said=None, mid=6):
    """A response #1 of somebody who has the Master Secret."""
    piv, found, kid, _ = parse(request.option(n.OSCORE))
    server = plain(B_ID, A_ID, r2 + found[-8:])
    plain_response = response(code=code, payload=b"", token=request.token, mid=mid)
    raw = seal_response(Exchange(server, OSCORE, kid, piv), plain_response)
    assert raw[4 + len(request.token)] & 15 == 0  # the OSCORE option is empty: put another in
    said = encode(None, wrapped(r2) if said is None else said)
    at = 4 + len(request.token)
    return raw[:at] + bytes((raw[at] & 0xF0 | 13, len(said) - 13)) + said + raw[at + 1 :]


def test_a_response_1_is_401_and_has_an_r2():
    ends = Ends()
    request = ends.a.send(confirmable=False)[0]
    pending = ends.a.context.pending
    r2 = bytes(range(16))
    other = [bytes((i,)) + r2[1:] for i in range(1, 5)]
    bad = [
        response1(request, other[0], n.CONTENT, mid=1),
        response1(request, other[1], n.BAD_REQUEST, mid=2),
        response1(request, other[2], said=other[2], mid=3),
        response1(request, other[3], said=wrapped(other[3])[:-1], mid=4),
        response1(request, bytes(33), mid=5),
    ]
    for raw in bad:
        assert ends.a.receive(raw) == []
    assert ends.a.gate.refused == len(bad) and ends.a.context.pending is pending and ends.a.items == []
    (request2,) = ends.a.receive(response1(request, r2))
    assert kid_context(request2)[2:18] == r2 and request2.peer == SERVER


def test_a_response_by_the_keys_of_r1_is_dropped():
    """Whoever answers a request #1 as if it were an ordinary one has not seen that it is new."""
    ends = Ends()
    request = ends.a.send(confirmable=False)[0]
    piv, found, kid, _ = parse(request.option(n.OSCORE))
    for said in (None, found):
        server = plain(B_ID, A_ID, found[1:])
        exchange = Exchange(server, OSCORE, kid, piv)
        exchange.own_piv = said is not None
        raw = seal_response(exchange, response(token=request.token, mid=len(said or b"")))
        assert ends.a.receive(raw) == []
    assert ends.a.gate.refused == 2 and ends.a.context.current is None and ends.a.items == []


def test_an_r2_that_comes_again_is_given_another_r3():
    """The client's keys are new whatever the server does."""
    ends = Ends()
    said = set()
    for i in range(3):
        ends.a.forget()
        request = ends.a.send(confirmable=False)[0]
        (request2,) = ends.a.receive(response1(request, bytes(16), mid=i))
        said.add(kid_context(request2)[18:])
    assert len(said) == 3


def test_own_r1_is_no_request_1_that_is_under_way_here():
    """By the keys of R1 the other says nothing; who does is asked for a request #2."""
    ends = Ends()
    r1 = kid_context(ends.a.send()[0])
    out = writer()
    client = plain(B_ID, A_ID, r1[1:], said=r1)
    client.seal_request(message(datagram(n.CON, n.PUT, 7, b"t", [(n.URI_PATH, b"temp")], b"1")), out)
    (answer,) = ends.a.receive(out.message())
    assert len(kid_context(answer)) == 17 and ends.a.asked == [] and ends.a.context.current is None


def test_an_error_without_protection_begins_nothing():
    ends = Ends()
    ends.run()
    before = ends.a.state()
    request = ends.a.send(confirmable=False)[0]
    text = b"Security context not found"
    ends.a.receive(datagram(n.NON, n.UNAUTHORIZED, 9, request.token, [(n.MAX_AGE, b"")], text))
    assert ends.a.state() == before and ends.a.answers()[-1] == (n.UNAUTHORIZED, text)
