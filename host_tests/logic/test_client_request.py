"""Requests of the client: methods, options, the ways in which a response comes (RFC 7252 §5), and errors by name."""

from asking import GROUP_URI, SERVER_URI, Asking, through
from groupcoap import errors
from groupcoap import numbers as n
from groupcoap.client import RequestFailed, Response
from groupcoap.parameters import Parameters
from wire import PROXY, SERVER, datagram


def test_each_method_has_its_code():
    for method in (n.GET, n.POST, n.PUT, n.DELETE, n.FETCH, n.PATCH, n.IPATCH):
        assert Asking(method=method).sent.code == method


def test_options_are_sent_by_rising_number():
    sent = Asking(
        "coap://192.0.2.5/a/b?c=d&e",
        n.PUT,
        payload=b"{}",
        content_format=50,
        accept=60,
        if_match=[b"m1", b"m2"],
        if_none_match=True,
        etag=(b"e1", b"e2"),
        no_response=8,
        hop_limit=5,
        options=[(65000, b"x"), (n.IF_MATCH, b"m3"), (0x0800, b"y")],
    ).sent
    assert sent.options == [
        (n.IF_MATCH, b"m1"),
        (n.IF_MATCH, b"m2"),
        (n.IF_MATCH, b"m3"),
        (n.ETAG, b"e1"),
        (n.ETAG, b"e2"),
        (n.IF_NONE_MATCH, b""),
        (n.URI_PATH, b"a"),
        (n.URI_PATH, b"b"),
        (n.CONTENT_FORMAT, b"\x32"),
        (n.URI_QUERY, b"c=d"),
        (n.URI_QUERY, b"e"),
        (n.HOP_LIMIT, b"\x05"),
        (n.ACCEPT, b"\x3c"),
        (n.NO_RESPONSE, b"\x08"),
        (0x0800, b"y"),
        (65000, b"x"),
    ]


def test_single_values_need_no_list():
    sent = Asking(method=n.DELETE, if_match=b"", etag=b"e").sent
    assert sent.option(n.IF_MATCH) == b"" and sent.option(n.ETAG) == b"e"


def test_format_0_is_an_empty_option():
    sent = Asking(method=n.PUT, payload=b"x", content_format=0, accept=0).sent
    assert sent.option(n.CONTENT_FORMAT) == b"" and sent.option(n.ACCEPT) == b""
    assert Asking(method=n.PUT, content_format=0).sent.option(n.CONTENT_FORMAT) is None


def test_valid_response_is_delivered():
    asking = Asking(etag=b"e")
    asking.reply(n.VALID, [(n.ETAG, b"e"), (n.MAX_AGE, b"\x01\x00")])
    response = asking.items[0]
    assert (response.code, response.payload, response.option_uint(n.MAX_AGE)) == (n.VALID, b"", 256) and asking.over()
    assert response.option_uint(n.SIZE2, 7) == 7


def test_response_that_overtakes_its_acknowledgement_ends_the_repetition():
    for kind in (n.CON, n.NON):
        asking = Asking()
        sent = asking.answer(kind)
        assert [packet.is_empty(n.ACK, 99) for packet in sent] == [True] * (kind == n.CON)
        asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), SERVER)
        asking.wire.advance(200000)
        assert asking.port.sent() == [] and len(asking.items) == 2 and asking.over()


def test_acknowledgement_from_elsewhere_is_none():
    asking = Asking()
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    asking.wire.advance(4000)
    assert len(asking.port.sent()) == 1


def test_separate_response_may_take_its_time_after_the_acknowledgement():
    asking = Asking()
    asking.wire.advance(40000)
    asking.port.sent()
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), SERVER)
    asking.wire.advance(94000)
    assert asking.port.sent() == [] and asking.items == []
    asking.answer(n.CON)
    assert asking.items[0].payload == b"21.5" and asking.over()


def test_waiting_for_ones_turn_is_no_silence():
    asking = Asking()
    asking.send(SERVER_URI)
    asking.wire.advance(93000)
    assert isinstance(asking.items[0], RequestFailed) and len(asking.items) == 1
    second = asking.port.sent()[-1]
    assert second.raw != asking.sent.raw
    asking.wire.advance(30000)
    assert len(asking.items) == 1
    asking.answer(token=second.token)
    assert asking.items[1].payload == b"21.5"


def test_times_follow_from_the_parameters():
    asking = Asking(sizes={"parameters": Parameters(ack_timeout=100, max_retransmit=2)})
    asking.wire.advance(1050)
    assert asking.failed() and len(asking.port.sent()) == 2
    asking = Asking(confirmable=False, sizes={"parameters": Parameters(ack_timeout=100, max_retransmit=2)})
    asking.wire.advance(3049)
    assert asking.items == []
    asking.wire.advance(1)
    assert asking.failed()


def test_response_options_may_be_refused_and_a_better_response_come():
    asking = Asking()
    asking.answer(n.CON, options=[(65001, b"")], mid=5)
    asking.answer(n.CON, mid=6)
    assert asking.items[0].payload == b"21.5" and asking.over()


def test_host_may_be_left_to_the_proxy_and_options_go_with_it():
    sent = through(SERVER_URI, accept=0, hop_limit=3).sent
    assert sent.options == [(n.HOP_LIMIT, b"\x03"), (n.ACCEPT, b""), (n.PROXY_URI, SERVER_URI.encode())]


def test_ipv6_peer():
    asking = Asking("coap://[2001:db8::5]/temp", sizes={"address_bytes": 18})
    assert len(asking.sent.peer) == 18 and asking.sent.options == [(n.URI_PATH, b"temp")]
    asking.reply(n.CONTENT, [], b"1")
    assert asking.items[0].origin == asking.sent.peer
    assert Asking("coap://[ff02::fd]/temp", sizes={"address_bytes": 18}).sent.kind == n.NON


def test_same_slot_serves_again_and_again():
    asking = Asking(sizes={"token_slots": 1})
    tokens = [asking.sent.token]
    for _ in range(20):
        asking.reply(n.CONTENT, [], b"1")
        asking.send(SERVER_URI)
        (asking.sent,) = asking.port.sent()
        tokens.append(asking.sent.token)
    assert len(set(tokens)) == 21


def test_request_leaves_nothing_to_the_next_one_in_its_slot():
    asking = Asking(confirmable=False, sizes={"token_slots": 1})
    asking.answer()
    asking.send(SERVER_URI)
    (sent,) = asking.port.sent()
    asking.port.receive(datagram(n.ACK, 0, sent.mid), SERVER)
    asking.wire.advance(90000)
    assert asking.port.sent() == []


def test_program_may_send_from_within_a_delivery():
    asking = Asking(sizes={"token_slots": 1})

    def deliver(item):
        asking.items.append(item)
        if item is None:
            asking.send(SERVER_URI)

    asking.request.deliver = deliver
    asking.reply(n.CONTENT, [], b"1")
    assert asking.free() == 0 and len(asking.items) == 2 and asking.sent.option(n.URI_PATH) == b"temp"


def test_expiry_may_be_answered_by_another_request():
    asking = Asking(GROUP_URI, timeout=1, sizes={"token_slots": 1})
    asking.request.deliver = lambda item: asking.send(GROUP_URI, timeout=1)
    asking.wire.advance(1000)
    (again,) = asking.port.sent()
    assert again.token != asking.sent.token and asking.free() == 0
    asking.wire.advance(1000)
    assert asking.items == [None] and asking.free() == 1


# Errors by name


def response(code, payload=b"", options=()):
    return Response(code, list(options), payload, SERVER, 1)


def test_each_error_has_its_code():
    from groupcoap.errors import NotFound, RequestEntityIncomplete, TooManyRequests

    assert (NotFound.code, RequestEntityIncomplete.code, TooManyRequests.code) == (0x84, 0x88, 0x9D)
    for code, name in (
        (0x80, "BadRequest"), (0x81, "Unauthorized"), (0x82, "BadOption"), (0x83, "Forbidden"),
        (0x85, "MethodNotAllowed"), (0x86, "NotAcceptable"), (0x89, "Conflict"), (0x8C, "PreconditionFailed"),
        (0x8D, "RequestEntityTooLarge"), (0x8F, "UnsupportedContentFormat"), (0x96, "UnprocessableEntity"),
        (0xA0, "InternalServerError"), (0xA1, "NotImplementedHere"), (0xA2, "BadGateway"), (0xA3, "ServiceUnavailable"),
        (0xA4, "GatewayTimeout"), (0xA5, "ProxyingNotSupported"), (0xA8, "HopLimitReached"),
    ):  # fmt: skip
        found = getattr(errors, name)
        assert found.code == code and found is errors.by_code(code) and found is getattr(errors, name)
        assert issubclass(found, errors.ResponseError) and found.__name__ == name


def test_code_without_a_name_is_a_response_error():
    assert errors.by_code(0x9E) is errors.ResponseError
    error = errors.from_response(response(0x9E))
    assert error.code == 0x9E and str(error) == "4.30" and errors.ResponseError.code == 0xA0


def test_name_that_is_none_is_missing():
    for name in ("Frob", "4.04", "NotFoun"):
        try:
            getattr(errors, name)
        except AttributeError:
            continue
        raise AssertionError(name)


def test_error_of_a_response_has_its_diagnostic_payload():
    error = errors.from_response(response(n.NOT_FOUND, b"no such room"))
    assert isinstance(error, errors.NotFound) and str(error) == "no such room"
    assert error.response.payload == b"no such room" and error.code == n.NOT_FOUND
    assert str(errors.from_response(response(n.NOT_FOUND))) == "4.04"
    assert str(errors.from_response(response(n.NOT_FOUND, b"\xff\xfe"))) == "4.04"
    assert str(errors.from_response(response(n.NOT_FOUND, b"{}", [(n.CONTENT_FORMAT, b"\x32")]))) == "4.04"


def test_error_of_a_response_says_how_long_it_holds():
    assert errors.from_response(response(n.SERVICE_UNAVAILABLE, b"", [(n.MAX_AGE, b"\x0a")])).max_age == 10
    assert errors.ServiceUnavailable("later", 5).max_age == 5 and str(errors.ServiceUnavailable("later")) == "later"
    assert errors.ServiceUnavailable("later").max_age is None and errors.NotFound().max_age is None


def test_error_is_caught_by_its_name():
    try:
        raise errors.by_code(n.FORBIDDEN)("no")
    except errors.Forbidden as e:
        assert str(e) == "no"
