"""The client role: requests with one answer and with many, directly and through a proxy."""

from groupcoap import numbers as n
from groupcoap import uri
from asking import GROUP_URI, SERVER_URI, Asking, through
from groupcoap.client import MARGIN, UNICAST_TIMEOUT, RequestFailed
from wire import (
    GROUP,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    UNKNOWN_CRITICAL,
    datagram,
)

ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"
FORWARDED = b"\xd9\x01\x04\x44\xc0\x00\x02\x05"


# One answer


def test_request_has_path_and_query_and_is_confirmable():
    asking = Asking()
    sent = asking.sent
    assert (sent.kind, sent.code, sent.peer) == (n.CON, n.GET, SERVER)
    assert sent.options == [(n.URI_PATH, b"temp"), (n.URI_QUERY, b"a=b")] and len(sent.token) == 8


def test_request_may_be_non_confirmable():
    asking = Asking(confirmable=False)
    assert asking.sent.kind == n.NON
    asking.wire.advance(90000)
    assert asking.port.sent() == []


def test_payload_has_its_content_format():
    sent = Asking(method=n.PUT, payload=b"x", content_format=60).sent
    assert sent.code == n.PUT and sent.payload == b"x" and sent.option(n.CONTENT_FORMAT) == b"\x3c"


def test_host_name_goes_into_uri_host():
    target = uri.parse("coap://sensor.example/temp")
    target.address = SERVER
    asking = Asking()
    asking.answer()
    asking.client.send(asking.items.append, asking.wire.now, n.GET, target)
    (sent,) = asking.port.sent()
    assert sent.option(n.URI_HOST) == b"sensor.example" and sent.peer == SERVER


def test_host_name_without_an_address_is_refused():
    asking = Asking()
    try:
        asking.send("coap://sensor.example/temp")
    except ValueError:
        assert asking.free() == 15
        return
    raise AssertionError("not refused")


def test_piggybacked_response_ends_the_exchange():
    asking = Asking()
    asking.wire.advance(40)
    asking.answer(n.ACK, mid=asking.sent.mid, options=[(n.MAX_AGE, b"\x1e")])
    response, end = asking.items
    assert (response.code, response.payload, response.origin, response.rtt) == (n.CONTENT, b"21.5", SERVER, 40)
    assert response.options == [(n.MAX_AGE, b"\x1e")] and response.option(n.MAX_AGE) == b"\x1e"
    assert response.option(n.ETAG) is None and end is None and asking.over()


def test_round_trip_is_right_across_the_wrap():
    asking = Asking()
    asking.wire.advance(500)
    asking.answer(n.ACK, mid=asking.sent.mid)
    assert asking.items[0].rtt == 500


def test_separate_response_is_acknowledged_and_ends_the_exchange():
    asking = Asking()
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), SERVER)
    assert asking.items == []
    assert asking.answer(n.CON)[0].is_empty(n.ACK, 99)
    assert asking.items[0].payload == b"21.5" and asking.over()


def test_response_without_an_ack_ends_the_repetition():
    asking = Asking()
    asking.answer(n.NON)
    asking.wire.advance(100000)
    assert asking.port.sent() == [] and asking.over() and len(asking.items) == 2


def test_response_from_elsewhere_is_not_taken():
    asking = Asking()
    asking.answer(peer=SERVER2)
    assert asking.items == []


def test_second_response_is_not_taken():
    asking = Asking()
    asking.answer()
    asking.answer(mid=100)
    assert len(asking.items) == 2


def test_reset_fails_the_request():
    asking = Asking()
    asking.port.receive(datagram(n.RST, 0, asking.sent.mid), SERVER)
    assert isinstance(asking.items[0], RequestFailed) and asking.over()


def test_silence_fails_the_request():
    for confirmable in (True, False):
        asking = Asking(confirmable=confirmable)
        asking.wire.advance(UNICAST_TIMEOUT)
        assert isinstance(asking.items[0], RequestFailed) and len(asking.items) == 1 and asking.over()


def test_server_that_acknowledges_and_is_silent_fails_the_request():
    asking = Asking()
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), SERVER)
    asking.wire.advance(UNICAST_TIMEOUT - 1)
    assert asking.items == []
    asking.wire.advance(1)
    assert isinstance(asking.items[0], RequestFailed) and asking.over()


def test_response_with_an_unknown_critical_option_is_not_taken():
    asking = Asking()
    asking.answer(options=[(UNKNOWN_CRITICAL, b"")])
    assert asking.items == []


def test_con_response_with_an_unknown_critical_option_is_reset():
    asking = Asking()
    assert asking.answer(n.CON, options=[(UNKNOWN_CRITICAL, b"")])[0].is_empty(n.RST, 99)  # RFC 7252 §5.4.1


def test_too_many_requests_are_refused():
    asking = Asking(sizes={"token_slots": 2, "outgoing": 4})
    asking.send(SERVER_URI)
    for more, free in (({}, 0), ({"confirmable": False}, 0)):
        try:
            asking.send(SERVER_URI, **more)
        except RequestFailed:
            assert asking.free() == free
            continue
        raise AssertionError("not refused")


def test_too_many_confirmable_requests_are_refused_and_take_no_slot():
    asking = Asking(sizes={"outgoing": 1})
    try:
        asking.send(SERVER_URI)
    except RequestFailed:
        assert asking.free() == 15 and asking.port.sent() == [] and asking.items == []
        return
    raise AssertionError("not refused")


def test_request_that_is_too_long_is_refused_and_takes_no_slot():
    asking = Asking()
    try:
        asking.send("coap://192.0.2.5" + ("/" + "x" * 250) * 5)
    except ValueError:
        assert asking.free() == 15
        return
    raise AssertionError("not refused")


def test_cancelled_request_is_forgotten():
    asking = Asking()
    asking.client.cancel(asking.request)
    asking.client.cancel(asking.request)
    asking.answer()
    asking.wire.advance(100000)
    assert asking.items == [] and asking.port.sent() == [] and asking.free() == 16


def test_con_request_to_a_client_is_reset_and_a_non_dropped():
    asking = Asking()
    for code in (n.GET, n.POST):
        for _ in range(2):
            assert asking.port.receive(datagram(n.CON, code, code), SERVER)[0].is_empty(n.RST, code)
        assert asking.port.receive(datagram(n.NON, code, 10 + code), SERVER) == []
        assert asking.port.receive(datagram(n.CON, code, 20 + code), SERVER, 1) == []


# A group, directly


def test_group_request_is_non_confirmable():
    sent = Asking(GROUP_URI).sent
    assert sent.kind == n.NON and sent.peer == GROUP and sent.options == [(n.URI_PATH, b"temp")]


def test_answers_of_a_group_are_delivered_with_their_origins_until_its_time_is_over():
    asking = Asking(GROUP_URI, timeout=5)
    asking.answer()
    asking.answer(peer=SERVER2)
    asking.answer(mid=100)
    asking.wire.advance(4999)
    asking.answer(mid=101)
    assert [response.origin for response in asking.items] == [SERVER, SERVER2, SERVER, SERVER]
    asking.wire.advance(1)
    assert asking.items[4:] == [None] and asking.over()
    asking.answer(mid=102)
    assert len(asking.items) == 5


def test_group_that_is_silent_ends_without_a_failure():
    asking = Asking(GROUP_URI, timeout=5)
    asking.wire.advance(5000)
    assert asking.items == [None]


# Through a proxy


def test_group_request_goes_to_the_proxy_with_multicast_timeout():
    sent = through(timeout=10).sent
    assert sent.peer == PROXY and sent.kind == n.CON
    assert sent.options == [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_URI, GROUP_URI.encode())]


def test_profile_00_has_multicast_signaling():
    sent = through(timeout=10, profile="00").sent
    assert sent.options == [(n.PROXY_URI, GROUP_URI.encode()), (MULTICAST_SIGNALING, b"\x0a")]


def test_timeout_0_has_an_empty_option_and_no_response_26():
    sent = through(timeout=0).sent
    assert sent.options == [
        (MULTICAST_TIMEOUT, b""), (n.PROXY_URI, GROUP_URI.encode()), (n.NO_RESPONSE, b"\x1a"),
    ]  # fmt: skip
    sent = through(timeout=0, profile="00").sent
    assert sent.option(MULTICAST_SIGNALING) == b"" and sent.option(n.NO_RESPONSE) == b"\x1a"


def test_single_server_through_a_proxy_has_no_timeout():
    asking = through(SERVER_URI)
    assert asking.sent.options == [(n.PROXY_URI, SERVER_URI.encode())] and asking.sent.peer == PROXY
    asking.answer(n.ACK, mid=asking.sent.mid, peer=PROXY)
    assert asking.items[0].origin == SERVER and asking.over()


def test_host_name_may_be_left_to_the_proxy():
    assert through("coap://sensor.example/temp").sent.options == [(n.PROXY_URI, b"coap://sensor.example/temp")]


def relayed(asking, mid, value=ORIGIN, number=REPLY_FROM, peer=PROXY):
    asking.answer(mid=mid, options=[(number, value)], peer=peer)


def test_relayed_answers_are_delivered_with_their_origins():
    asking = through()
    relayed(asking, 1)
    relayed(asking, 2, ORIGIN[:-1] + b"\x06")
    relayed(asking, 3, b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0")
    assert [response.origin for response in asking.items] == [SERVER, SERVER2, uri.pack(SERVER[:4], 61616)]


def test_response_forwarding_has_the_origin_with_the_groups_port():
    asking = through("coap://224.0.1.187:61616/temp", profile="00")
    relayed(asking, 1, FORWARDED, RESPONSE_FORWARDING)
    assert asking.items[0].origin == uri.pack(SERVER[:4], 61616)


def test_relayed_answer_from_another_than_the_proxy_is_not_taken():
    asking = through()
    relayed(asking, 1, peer=SERVER)
    assert asking.items == []


def test_answer_of_the_proxy_itself_ends_the_exchange():
    asking = through()
    asking.answer(n.ACK, n.UNAUTHORIZED, asking.sent.mid, payload=b"no", peer=PROXY)
    assert asking.items[0].code == n.UNAUTHORIZED and asking.items[0].origin is None and asking.over()


def test_token_is_kept_for_the_timeout_and_a_margin_after_the_acknowledgement():
    asking = through(timeout=10)
    asking.wire.advance(1500)
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    asking.wire.advance(10000 + MARGIN - 1)
    relayed(asking, 1)
    assert len(asking.items) == 1
    asking.wire.advance(1)
    assert asking.items[1:] == [None] and asking.over()


def test_token_is_kept_for_the_timeout_and_a_margin_without_an_acknowledgement():
    asking = through(timeout=10, confirmable=False)
    asking.wire.advance(10000 + MARGIN - 1)
    assert asking.items == []
    asking.wire.advance(1)
    assert asking.items == [None]


def test_first_relayed_answer_does_not_free_the_token():
    asking = through()
    for mid in (1, 2, 3):
        relayed(asking, mid)
    assert len(asking.items) == 3 and asking.free() == 15


def test_silent_proxy_fails_the_request():
    asking = through(timeout=100)
    asking.wire.advance(93000)
    assert isinstance(asking.items[0], RequestFailed) and asking.over()


def test_proxy_that_resets_fails_the_request():
    asking = through()
    asking.port.receive(datagram(n.RST, 0, asking.sent.mid), PROXY)
    assert isinstance(asking.items[0], RequestFailed) and asking.over()
