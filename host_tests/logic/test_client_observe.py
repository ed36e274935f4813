"""Observation of a resource by the client (RFC 7641 §3), at one server and through a proxy."""

from asking import SERVER_URI, Asking, through
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import RequestFailed
from wire import PROXY, SERVER, datagram

BODY = bytes([(i * 7) & 255 for i in range(100)])


def watching(number=5, more=(), start=Asking, **settings):
    """An observation that the server has taken on with the notification `number`."""
    asking = start(SERVER_URI, observe=True, **settings)
    options = [(n.OBSERVE, bytes((number,)) if number else b"")] + list(more)
    kind, mid = (n.ACK, asking.sent.mid) if settings.get("confirmable", True) else (n.NON, 900)
    asking.answer(kind, n.CONTENT, mid, options, b"0", asking.sent.peer)
    return asking


def notify(asking, number, payload=b"x", mid=None, kind=n.NON, code=n.CONTENT, more=()):
    """A notification comes: what is sent at once."""
    asking.mid = getattr(asking, "mid", 1000) + 1
    value = b"" if number == 0 else number.to_bytes((number > 255) + (number > 65535) + 1, "big")
    options = [] if number is None else [(n.OBSERVE, value)]
    return asking.answer(kind, code, mid or asking.mid, options + list(more), payload, asking.sent.peer)


def payloads(asking):
    return [item.payload for item in asking.items]


def test_registration_has_observe_0_and_is_delivered():
    asking = watching()
    assert asking.sent.option(n.OBSERVE) == b"" and asking.sent.kind == n.CON
    assert payloads(asking) == [b"0"] and asking.items[0].option(n.OBSERVE) == b"\x05" and asking.free() == 15


def test_notifications_are_delivered_until_forgotten():
    asking = watching()
    assert notify(asking, 6, b"a") == []
    (ack,) = notify(asking, 7, b"b", kind=n.CON)
    assert ack.is_empty(n.ACK, asking.mid) and payloads(asking) == [b"0", b"a", b"b"]
    asking.client.cancel(asking.request)
    (rst,) = notify(asking, 8, kind=n.CON)
    assert rst.is_empty(n.RST, asking.mid)
    (rst,) = notify(asking, 9)
    assert rst.is_empty(n.RST, asking.mid) and len(asking.items) == 3 and asking.free() == 16


def test_notifications_out_of_order_are_dropped():
    asking = watching(5)
    notify(asking, 7, b"7")
    (ack,) = notify(asking, 6, b"6", kind=n.CON)
    assert ack.is_empty(n.ACK, asking.mid)
    notify(asking, 7, b"7 again")
    notify(asking, 8, b"8")
    assert payloads(asking) == [b"0", b"7", b"8"]


def test_order_goes_round_at_24_bits():
    asking = watching(5)
    notify(asking, 0x800004, b"ahead")  # 2^23 - 1
    notify(asking, 4, b"behind by as much: too far")
    notify(asking, 0xFFFFFF, b"far")
    notify(asking, 0, b"round")
    notify(asking, 0xFFFFFE, b"late")
    notify(asking, 0x7FFFFF, b"on")
    assert payloads(asking) == [b"0", b"ahead", b"far", b"round", b"on"]


def test_difference_of_half_the_numbers_is_not_newer():
    asking = watching(5)
    notify(asking, 5 + 0x800000, b"half")
    assert payloads(asking) == [b"0"]


def test_any_notification_is_newer_after_128_s():
    asking = watching(200, [(n.MAX_AGE, b"\xff\xff")])
    asking.wire.advance(128000)
    notify(asking, 3, b"still old")
    asking.wire.advance(1)
    notify(asking, 3, b"3")
    assert payloads(asking) == [b"0", b"3"]


def test_response_without_observe_is_the_last():
    asking = Asking(observe=True)
    asking.reply(n.CONTENT, [], b"1")
    assert asking.items[0].payload == b"1" and asking.over()


def test_further_blocks_of_a_response_without_observe_are_no_registrations():
    asking = Asking(observe=True)
    asking.reply(n.CONTENT, [(n.BLOCK2, b"\x0a")], BODY[:64])
    assert asking.sent.option(n.OBSERVE) is None and asking.sent.option(n.BLOCK2) == b"\x12"
    asking.reply(n.CONTENT, [(n.BLOCK2, b"\x12")], BODY[64:])
    assert asking.items[0].payload == BODY and asking.over()


def test_error_is_the_last():
    asking = Asking(observe=True)
    asking.reply(n.NOT_FOUND)
    assert asking.items[0].code == n.NOT_FOUND and asking.over()
    asking = watching()
    asking.answer(code=n.NOT_FOUND, payload=b"", options=[(n.OBSERVE, b"\x07")])
    assert asking.items[1].code == n.NOT_FOUND and asking.over()


def test_registration_that_nobody_answers_fails():
    asking = Asking(observe=True)
    asking.wire.advance(100000)
    assert asking.failed()


def test_client_registers_again_when_max_age_is_over():
    for more, age in (([(n.MAX_AGE, b"\x14")], 20), ([], 60)):
        asking = watching(5, more)
        asking.wire.advance(age * 1000 + 4999)
        assert asking.port.sent() == []
        asking.wire.advance(10001)
        again = asking.port.sent()[0]
        assert again.token == asking.sent.token and again.mid != asking.sent.mid and again.kind == n.CON
        assert again.options == asking.sent.options and again.option(n.OBSERVE) == b""


def test_notification_puts_the_next_registration_off():
    asking = watching(5, [(n.MAX_AGE, b"\x14")])
    for number in range(6, 12):
        asking.wire.advance(20000)
        notify(asking, number, more=[(n.MAX_AGE, b"\x14")])
    assert asking.port.sent() == []


def again(asking):
    """Let it register again."""
    asking.wire.advance(75000)
    asking.sent = asking.port.sent()[0]
    return asking


def test_answer_to_another_registration_is_newest_whatever_its_number():
    asking = again(watching(200))
    asking.port.receive(
        datagram(n.ACK, n.CONTENT, asking.sent.mid, asking.sent.token, [(n.OBSERVE, b"\x01")], b"1"), SERVER
    )
    notify(asking, 2, b"2")
    notify(asking, 1, b"late")
    assert payloads(asking) == [b"0", b"1", b"2"]


def test_another_registration_that_nobody_answers_fails():
    asking = again(watching())
    asking.wire.advance(100000)
    assert isinstance(asking.items[1], RequestFailed) and asking.over()
    asking = again(watching())
    asking.port.receive(datagram(n.RST, 0, asking.sent.mid), SERVER)
    assert isinstance(asking.items[1], RequestFailed) and asking.over()


def test_very_long_max_age_does_not_harm():
    asking = watching(5, [(n.MAX_AGE, b"\xff\xff\xff\xff")])
    asking.wire.advance(260000000)
    assert asking.port.sent() == []
    asking.wire.advance(20000000)
    assert asking.port.sent()[0].option(n.OBSERVE) == b""


def test_deregistration_has_observe_1_and_the_same_token():
    asking = watching()
    asking.client.deregister(asking.request, asking.wire.now)
    (last,) = asking.port.sent()
    assert last.option(n.OBSERVE) == b"\x01" and last.token == asking.sent.token and last.kind == n.CON
    assert last.mid != asking.sent.mid and last.code == n.GET
    notify(asking, 6, b"on its way")
    assert len(asking.items) == 1
    asking.wire.advance(3500)
    assert asking.port.sent()[0].raw == last.raw  # not yet answered
    asking.port.receive(datagram(n.ACK, n.CONTENT, last.mid, last.token, [], b"1"), SERVER)
    assert asking.items[1:] == [None] and asking.over()


def test_deregistration_that_nobody_answers_ends_all_the_same():
    asking = watching()
    asking.client.deregister(asking.request, asking.wire.now)
    asking.client.deregister(asking.request, asking.wire.now)
    asking.wire.advance(100000)
    assert asking.items[1:] == [None] and asking.over() and len(asking.port.sent()) == 5
    asking.client.deregister(asking.request, asking.wire.now)
    assert asking.port.sent() == [] and len(asking.items) == 2


def test_observation_may_be_non_confirmable():
    asking = watching(confirmable=False)
    asking.wire.advance(75000)
    assert payloads(asking) == [b"0"] and asking.port.sent()[0].kind == n.NON


def test_observation_of_what_cannot_be_observed_is_refused():
    for method in (n.PUT, n.POST, n.DELETE, n.PATCH, n.IPATCH):
        try:
            Asking(SERVER_URI, method, observe=True)
        except ValueError:
            continue
        raise AssertionError("not refused")


def test_fetch_may_be_observed():
    asking = Asking(SERVER_URI, n.FETCH, observe=True, payload=b"q")
    assert asking.sent.option(n.OBSERVE) == b"" and asking.sent.payload == b"q"


def test_challenged_registration_is_repeated_with_the_echo_value():
    asking = Asking(observe=True)
    asking.reply(n.UNAUTHORIZED, [(n.ECHO, b"fresh")])
    assert asking.sent.option(n.ECHO) == b"fresh" and asking.sent.option(n.OBSERVE) == b""


# Notifications in blocks


def test_further_blocks_of_a_notification_are_fetched_with_another_token():
    asking = watching()
    (fetch,) = notify(asking, 6, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    assert fetch.token != asking.sent.token and fetch.option(n.BLOCK2) == b"\x12" and fetch.option(n.OBSERVE) is None
    assert len(asking.items) == 1
    asking.port.receive(datagram(n.ACK, n.CONTENT, fetch.mid, fetch.token, [(n.BLOCK2, b"\x12")], BODY[64:]), SERVER)
    assert payloads(asking) == [b"0", BODY] and asking.items[1].option(n.OBSERVE) == b"\x06" and asking.free() == 15
    notify(asking, 7, b"7")
    assert payloads(asking)[2:] == [b"7"]


def test_newer_notification_ends_the_fetching_of_an_older_one():
    asking = watching()
    (first,) = notify(asking, 6, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    (second,) = notify(asking, 7, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    assert first.token != second.token
    asking.port.receive(datagram(n.ACK, n.CONTENT, first.mid, first.token, [(n.BLOCK2, b"\x12")], b"old"), SERVER)
    assert len(asking.items) == 1 and asking.free() == 14
    notify(asking, 8, b"8")
    assert payloads(asking) == [b"0", b"8"] and asking.free() == 15


def test_fetching_that_fails_costs_that_notification():
    asking = watching()
    (fetch,) = notify(asking, 6, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    asking.port.receive(datagram(n.RST, 0, fetch.mid), SERVER)
    notify(asking, 7, b"7")
    assert payloads(asking) == [b"0", b"7"] and asking.request.lost == 1


def test_forgetting_ends_the_fetching_too():
    asking = watching()
    notify(asking, 6, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    asking.client.cancel(asking.request)
    asking.wire.advance(100000)
    assert asking.free() == 16 and len(asking.items) == 1 and asking.port.sent() == []


# Through a proxy


def test_observation_through_a_proxy():
    asking = watching(start=through)
    assert asking.sent.options == [(n.OBSERVE, b""), (n.PROXY_URI, SERVER_URI.encode())] and asking.sent.peer == PROXY
    notify(asking, 6, b"6")
    assert payloads(asking) == [b"0", b"6"] and asking.items[1].origin == uri.pack("192.0.2.5")
