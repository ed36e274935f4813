"""Observe through the proxy (draft-ietf-core-groupcomm-proxy §5.2.2, §5.4.2; bis §3.7; RFC 7641 §3 to §5)."""

from groupcoap import numbers as n
from groupcoap import uri
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    UNKNOWN_UNSAFE,
    Proxied,
    datagram,
    early_stop,
    group_request,
    observing,
)

ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"
ORIGIN2 = b"\x82\x20\x81\x44\xc0\x00\x02\x06"
DAY = 86400000  # ms
SINGLE = b"coap://192.0.2.5/temp"


def number(packet):
    """The value of Observe, or None."""
    value = packet.option(n.OBSERVE)
    if value is None:
        return None
    found = 0
    for byte in value:
        found = found << 8 | byte
    return found


def observed(timeout=b"\x0a", first=True, **settings):
    """A proxy with places for two observations, and the token of one that a server has taken on."""
    settings.setdefault("observations", 2)
    proxy = Proxied(**settings)
    token = proxy.registered(observing(timeout=timeout)).token
    if first:
        (sent,) = proxy.notify(token, 1, 10)
        assert number(sent) is not None
    return proxy, token


def beyond(**settings):
    """The same after T'."""
    proxy, token = observed(**settings)
    proxy.wire.advance(10000)
    return proxy, token


def deregistration(sent, token, peer=GROUP):
    """Is this all that was sent upstream: the observation taken back, no answers wanted?"""
    return (
        len(sent) == 1
        and (sent[0].kind, sent[0].code, sent[0].token, sent[0].peer) == (n.NON, n.GET, token, peer)
        and sent[0].options == [(n.OBSERVE, b"\x01"), (n.URI_PATH, b"temp"), (n.NO_RESPONSE, b"\x1a")]
    )


# The registration


def test_registration_goes_to_the_group_with_observe():
    sent = Proxied(observations=1).registered()
    assert sent.peer == GROUP and sent.kind == n.NON and len(sent.token) == 8
    assert sent.options == [(n.OBSERVE, b""), (n.URI_PATH, b"temp")]


def test_registration_by_fetch_has_its_payload():
    proxy = Proxied(observations=1)
    sent = proxy.registered(observing(more=[]), code=n.FETCH, payload=b"query")
    assert (sent.code, sent.option(n.OBSERVE), sent.payload) == (n.FETCH, b"", b"query")
    assert number(proxy.notify(sent.token, 1, 5)[0]) is not None


def test_observe_of_other_methods_is_taken_off():
    for code in (n.POST, n.PUT, n.DELETE):
        proxy = Proxied(observations=1)
        assert proxy.registered(code=code).option(n.OBSERVE) is None and len(proxy.observations) == 0


def test_observe_of_another_value_is_taken_off():
    for value in (2, 0xFFFFFF):
        proxy = Proxied(observations=1)
        assert proxy.registered(observing(value)).option(n.OBSERVE) is None and len(proxy.observations) == 0


def test_proxy_without_places_serves_without_observe():
    proxy = Proxied()
    sent = proxy.registered()
    assert sent.option(n.OBSERVE) is None
    (relayed,) = proxy.notify(sent.token, 1, 5)
    assert number(relayed) is None and relayed.option(REPLY_FROM) == ORIGIN
    proxy.wire.advance(10000)
    assert proxy.free() == 4


def test_full_table_serves_without_observe():
    proxy = Proxied(observations=2)
    for i in range(2):
        assert proxy.registered(token=b"%d" % i).option(n.OBSERVE) == b""
    sent = proxy.registered(token=b"3")
    assert sent.option(n.OBSERVE) is None and sent.options == [(n.URI_PATH, b"temp")]
    assert proxy.observations.refused == 1 and len(proxy.observations) == 2
    (relayed,) = proxy.notify(sent.token, 1, 5)
    assert number(relayed) is None
    proxy.wire.advance(10000)
    assert proxy.free() == 4


def test_request_that_is_too_long_to_be_kept_is_served_without_observe():
    proxy = Proxied(observations=2)
    for length, value, whole in ((141, b"", 160), (142, None, 160)):  # 160 bytes are held
        sent = proxy.registered(code=n.FETCH, token=b"%d" % length, payload=b"x" * length)
        assert (sent.option(n.OBSERVE), len(sent.raw)) == (value, whole)


def test_place_is_free_again_when_an_observation_has_ended():
    proxy = Proxied(observations=1, slots=2)
    for i in range(3):
        token = proxy.registered(token=b"%d" % i).token
        proxy.notify(token, i, 5)
        proxy.ask(early_stop(), token=b"%d" % i)
        proxy.up.sent()
        assert len(proxy.observations) == 0 and proxy.free() == 2


def test_t_of_0_registers_nothing():
    for copies in (1, 2):
        proxy = Proxied(observations=1, held=2, copies=copies)
        sent = proxy.registered(observing(timeout=b""))
        assert sent.option(n.OBSERVE) is None and len(proxy.observations) == 0


def test_con_registration_is_acknowledged_at_once():
    proxy = Proxied(observations=1)
    (ack,) = proxy.ask(observing(), kind=n.CON, mid=500)
    assert ack.is_empty(n.ACK, 500)


# Notifications


def test_notifications_are_relayed_with_their_origin_and_numbers_that_rise():
    proxy, token = observed(first=False)
    numbers = []
    for i, peer, origin in ((0, SERVER, ORIGIN), (1, SERVER2, ORIGIN2), (2, SERVER, ORIGIN), (3, SERVER2, ORIGIN2)):
        (sent,) = proxy.notify(token, i, 1000 * (4 - i) if peer == SERVER2 and i < 2 else 5000 + i, peer=peer)
        assert (sent.peer, sent.token, sent.kind, sent.code) == (CLIENT, b"tok", n.NON, n.CONTENT)
        assert [option[0] for option in sent.options] == [n.OBSERVE, REPLY_FROM]
        assert sent.option(REPLY_FROM) == origin and sent.payload == b"21.5"
        numbers.append(number(sent))
    assert numbers == sorted(set(numbers))


def test_notifications_are_relayed_after_t_has_passed():
    proxy, token = observed()
    for i in range(5):
        proxy.wire.advance(3600000)
        (sent,) = proxy.notify(token, 20 + i, 20 + i)
        assert sent.option(REPLY_FROM) == ORIGIN and number(sent) is not None
    assert proxy.free() == 3


def test_server_heard_first_after_t_is_relayed_too():
    proxy, token = beyond()  # its first notification may have been lost (bis §3.7)
    (sent,) = proxy.notify(token, 2, 5, peer=SERVER2)
    assert sent.option(REPLY_FROM) == ORIGIN2


def test_token_is_freed_at_t_where_no_server_has_taken_the_observation_on():
    for options, code in (
        ([], n.CONTENT),  # a 2.xx without Observe
        ([(n.OBSERVE, b"\x05")], n.NOT_FOUND),  # Observe without a 2.xx
        ([(n.OBSERVE, b"12345")], n.CONTENT),  # no Observe by its length
        (None, None),
    ):
        proxy, token = observed(first=False)
        if code:
            proxy.answer(token, 1, code=code, options=options)
        proxy.wire.advance(9999)
        assert proxy.free() == 3
        proxy.wire.advance(1)
        assert proxy.free() == 4 and proxy.notify(token, 9, 9) == [] and len(proxy.observations) == 0


def test_notification_after_the_end_is_reset_so_that_the_server_forgets_it():
    proxy, token = observed(first=False)
    proxy.wire.advance(10000)
    for kind in (n.NON, n.CON):
        proxy.up.sent()
        assert proxy.notify(token, 7 + kind, 9, kind=kind) == []
        assert proxy.up.sent()[0].is_empty(n.RST, 7 + kind)


def test_after_t_responses_that_are_no_notifications_are_dropped():
    proxy, token = beyond()
    assert proxy.answer(token, 2) == [] and proxy.answer(token, 3, peer=SERVER2) == []
    assert proxy.answer(token, 4, peer=SERVER2, code=n.NOT_FOUND) == []  # was never observed
    assert proxy.up.sent() == []
    assert proxy.answer(token, 5, kind=n.CON) == [] and proxy.up.sent()[0].is_empty(n.RST, 5)
    assert len(proxy.notify(token, 6, 11)) == 1


def test_before_t_has_passed_responses_without_observe_are_relayed_too():
    proxy, token = observed()
    (plain,) = proxy.answer(token, 2, peer=SERVER2)
    assert number(plain) is None and plain.option(REPLY_FROM) == ORIGIN2
    (error,) = proxy.answer(token, 3, peer=SERVER2, code=n.NOT_FOUND)
    assert error.option(REPLY_FROM) == ORIGIN2


def test_error_that_ends_a_servers_observation_is_relayed_with_its_origin_after_t():
    proxy, token = observed()
    proxy.notify(token, 2, 5, peer=SERVER2)
    proxy.wire.advance(10000)
    for options in ([], [(n.OBSERVE, b"\x20")]):
        proxy.notify(token, 50 + len(options), 30 + len(options), peer=SERVER2)
        (sent,) = proxy.answer(token, 3 + len(options), code=n.NOT_FOUND, options=options, peer=SERVER2)
        assert sent.code == n.NOT_FOUND and sent.option(REPLY_FROM) == ORIGIN2 and number(sent) is None
    assert len(proxy.notify(token, 9, 11)) == 1  # the other one goes on


def test_exchange_ends_with_the_observation_of_its_last_server():
    proxy, token = observed()
    proxy.notify(token, 2, 5, peer=SERVER2)
    proxy.wire.advance(10000)
    proxy.answer(token, 3, code=n.NOT_FOUND)
    proxy.wire.advance(1)
    assert proxy.free() == 3
    (sent,) = proxy.answer(token, 4, code=n.NOT_FOUND, peer=SERVER2)
    assert sent.option(REPLY_FROM) == ORIGIN2
    proxy.wire.advance(1)
    assert proxy.free() == 4


def test_exchange_does_not_end_so_before_t():
    proxy, token = observed()
    assert proxy.answer(token, 2, code=n.NOT_FOUND)[0].code == n.NOT_FOUND
    proxy.wire.advance(9000)
    assert len(proxy.answer(token, 3, peer=SERVER2)) == 1


def test_exchange_does_not_end_so_where_not_all_servers_are_known():
    proxy, token = observed(origins=1)
    proxy.notify(token, 2, 5, peer=SERVER2)
    proxy.wire.advance(10000)
    assert proxy.answer(token, 3, code=n.NOT_FOUND)[0].code == n.NOT_FOUND
    assert proxy.answer(token, 4, code=n.NOT_FOUND, peer=SERVER2)[0].code == n.NOT_FOUND
    proxy.wire.advance(1)
    assert proxy.free() == 3


def test_server_whose_observation_has_ended_may_begin_anew_with_any_number():
    proxy, token = observed()
    proxy.answer(token, 2, code=n.NOT_FOUND)
    assert len(proxy.notify(token, 3, 1)) == 1


def test_late_notification_of_a_server_is_dropped():
    proxy, token = observed(first=False)
    results = [len(proxy.notify(token, i, value)) for i, value in enumerate((100, 101, 99, 101, 102, 100))]
    assert results == [1, 1, 0, 0, 1, 0]
    assert len(proxy.notify(token, 50, 5, peer=SERVER2)) == 1  # each server counts for itself


def test_late_notification_that_is_confirmable_is_acknowledged():
    proxy, token = observed()
    assert proxy.notify(token, 2, 9, kind=n.CON) == []
    assert proxy.up.sent()[0].is_empty(n.ACK, 2)


def test_numbers_of_servers_go_round():
    proxy, token = observed(first=False)
    assert [len(proxy.notify(token, i, value)) for i, value in enumerate((0xFFFFFF, 0, 0xFFFFFE, 1))] == [1, 1, 0, 1]


def test_any_number_is_newer_after_128_s():
    proxy, token = observed(first=False)
    proxy.notify(token, 1, 100)
    proxy.wire.advance(128000)
    assert proxy.notify(token, 2, 50) == []
    proxy.wire.advance(1)
    assert len(proxy.notify(token, 3, 50)) == 1


def test_servers_beyond_the_places_for_their_numbers_are_relayed_as_they_come():
    proxy, token = observed(origins=2, first=False)
    for i in range(3):
        assert len(proxy.notify(token, 10 + i, 100, peer=uri.pack(b"\xc0\x00\x02" + bytes((i,))))) == 1
    results = [len(proxy.notify(token, 20 + i, 90, peer=uri.pack(b"\xc0\x00\x02" + bytes((i,))))) for i in range(3)]
    assert results == [0, 0, 1]


def test_con_notification_of_a_server_is_acknowledged():
    proxy, token = beyond()
    (sent,) = proxy.notify(token, 2, 11, kind=n.CON)
    (ack,) = proxy.up.sent()
    assert ack.is_empty(n.ACK, 2) and ack.peer == SERVER and sent.kind == n.NON
    assert proxy.notify(token, 2, 11, kind=n.CON) == [] and proxy.up.sent()[0].is_empty(n.ACK, 2)


def test_notification_that_cannot_be_relayed_is_5_02():
    proxy, token = beyond()
    (sent,) = proxy.notify(token, 2, 11, more=[(UNKNOWN_UNSAFE, b"")])
    assert sent.code == n.BAD_GATEWAY and sent.option(REPLY_FROM) == ORIGIN
    assert len(proxy.notify(token, 3, 12)) == 1


def test_two_clients_observe_each_for_itself():
    proxy = Proxied(observations=2)
    one, two = proxy.registered(token=b"1").token, proxy.registered(token=b"2", peer=OTHER).token
    assert [sent.peer for sent in proxy.notify(one, 1, 5)] == [CLIENT]
    assert [sent.peer for sent in proxy.notify(two, 2, 5)] == [OTHER]
    proxy.ask(early_stop(), token=b"1")
    assert proxy.notify(one, 3, 6) == [] and len(proxy.notify(two, 4, 6)) == 1


def test_observation_ends_a_day_after_the_last_notification():
    proxy, token = beyond()
    for i in range(2):
        proxy.wire.advance(DAY - 1)
        (sent,) = proxy.notify(token, 2 + i, 11 + i)
        proxy.from_client(n.ACK, sent.mid)
    proxy.up.sent()
    proxy.wire.advance(DAY)
    assert proxy.free() == 4 and proxy.notify(token, 9, 19) == []
    assert deregistration(proxy.up.sent()[:1], token)


# Is the client still there?


def kinds(proxy, token, count, first=100):
    """Kinds of the notifications that the client gets when this many come, and the last of them."""
    found = []
    sent = None
    for i in range(count):
        (sent,) = proxy.notify(token, first + i, first + i)
        found.append(sent.kind)
    return found, sent


def test_each_eighth_notification_is_confirmable():
    proxy, token = observed(first=False)
    for i in range(3):
        found, last = kinds(proxy, token, 8, 100 + 8 * i)
        assert found == [n.NON] * 7 + [n.CON] and last.peer == CLIENT
        assert last.option(REPLY_FROM) == ORIGIN and number(last) is not None
        proxy.from_client(n.ACK, last.mid)


def test_first_notification_in_half_a_day_is_confirmable():
    proxy, token = beyond()
    proxy.wire.advance(DAY // 2 - 10001)
    assert proxy.notify(token, 2, 11)[0].kind == n.NON
    proxy.wire.advance(1)
    (sent,) = proxy.notify(token, 3, 12)
    assert sent.kind == n.CON
    proxy.from_client(n.ACK, sent.mid)
    assert proxy.notify(token, 4, 13)[0].kind == n.NON


def test_one_confirmable_notification_is_under_way_at_a_time():
    proxy, token = observed(first=False)
    kinds(proxy, token, 8)
    assert kinds(proxy, token, 20, 200)[0] == [n.NON] * 20


def test_client_that_is_silent_is_given_up_and_the_servers_told():
    proxy, token = beyond()
    kinds(proxy, token, 8)
    proxy.wire.advance(100000)
    sent = proxy.down.sent()
    assert len(sent) == 4 and len({packet.raw for packet in sent}) == 1
    assert deregistration(proxy.up.sent(), token)
    assert proxy.free() == 4 and len(proxy.observations) == 0


def test_client_that_resets_a_confirmable_notification_has_left():
    proxy, token = beyond()
    _, last = kinds(proxy, token, 7)
    assert last.kind == n.CON
    proxy.from_client(n.RST, last.mid)
    assert deregistration(proxy.up.sent(), token) and proxy.free() == 4
    proxy.wire.advance(100000)
    assert proxy.down.sent() == []


def test_client_that_resets_another_notification_has_left():
    for extra in (0, 7):  # without and with a confirmable one under way
        proxy, token = beyond()
        if extra:
            kinds(proxy, token, extra)
        (sent,) = proxy.notify(token, 5, 500)
        assert sent.kind == n.NON
        proxy.from_client(n.RST, sent.mid)
        assert deregistration(proxy.up.sent(), token) and proxy.free() == 4
        proxy.wire.advance(100000)
        assert proxy.down.sent() == []  # nor is the confirmable one sent again


def test_no_place_for_a_confirmable_notification_makes_it_a_non():
    proxy, token = observed(first=False, down={"outgoing": 1})
    other = proxy.registered(token=b"other", peer=OTHER).token
    assert kinds(proxy, other, 8)[0][-1] == n.CON
    found, last = kinds(proxy, token, 8, 300)
    assert found == [n.NON] * 8 and last.raw[0] >> 4 == 5
    proxy.wire.advance(100000)  # the other client is given up
    assert proxy.notify(token, 999, 999)[0].kind == n.CON


# Early stop, deregistration, reuse of the token


def test_early_stop_reaches_the_servers():
    for proxy, token in (observed(), beyond(), observed(first=False)):
        (ack,) = proxy.ask(early_stop(), kind=n.CON, mid=500)
        assert ack.is_empty(n.ACK, 500) and deregistration(proxy.up.sent(), token)
        assert proxy.free() == 4 and proxy.notify(token, 2, 11) == []


def test_reset_reaches_the_servers():
    proxy, token = observed(first=False)
    (sent,) = proxy.notify(token, 1, 10)
    proxy.from_client(n.RST, sent.mid)
    assert deregistration(proxy.up.sent(), token)


def test_deregistration_has_another_message_id_than_the_registration():
    proxy = Proxied(observations=1)
    registration = proxy.registered()
    proxy.ask(early_stop())
    assert proxy.up.sent()[0].mid != registration.mid


def test_deregistration_keeps_what_else_the_registration_had():
    proxy = Proxied(observations=1)
    more = [(n.NO_RESPONSE, b"\x02")]
    options = observing(target=b"coap://224.0.1.187/a/b?q", more=more)
    options = sorted(options + [(n.ACCEPT, b"\x3c")], key=lambda option: option[0])
    proxy.registered(options, code=n.FETCH, payload=b"p")
    proxy.ask(early_stop())
    (sent,) = proxy.up.sent()
    assert sent.code == n.FETCH and sent.payload == b"p"
    path = [(n.URI_PATH, b"a"), (n.URI_PATH, b"b"), (n.URI_QUERY, b"q"), (n.ACCEPT, b"\x3c")]
    assert sent.options == [(n.OBSERVE, b"\x01")] + path + [(n.NO_RESPONSE, b"\x1a")]


def test_registration_that_leaves_no_room_for_its_end_is_ended_all_the_same():
    proxy = Proxied(observations=1, up={"max_message": 100})
    sent = proxy.registered(code=n.FETCH, payload=b"x" * 81)
    assert len(sent.raw) == 100 and len(proxy.notify(sent.token, 1, 5)) == 1
    assert proxy.ask(early_stop(), kind=n.CON, mid=500)[0].is_empty(n.ACK, 500)
    assert proxy.up.sent() == [] and proxy.free() == 4


def test_new_registration_travels_under_the_same_token():
    for proxy, token in (observed(), beyond()):
        assert proxy.ask(observing()) == []
        (sent,) = proxy.up.sent()
        assert sent.token == token and sent.peer == GROUP and sent.kind == n.NON
        assert sent.options == [(n.OBSERVE, b""), (n.URI_PATH, b"temp")]
        assert len(proxy.observations) == 1 and proxy.free() == 3
        assert number(proxy.notify(token, 2, 11)[0]) is not None


def test_new_registration_is_acknowledged():
    proxy, token = beyond()
    (ack,) = proxy.ask(observing(), kind=n.CON, mid=500)
    assert ack.is_empty(n.ACK, 500) and proxy.up.sent()[0].kind == n.NON
    (ack,) = proxy.ask(observing(), kind=n.CON, mid=500)
    assert ack.is_empty(n.ACK, 500) and proxy.up.sent() == []


def test_numbers_go_on_rising_over_a_new_registration():
    proxy, token = observed(first=False)
    (before,) = proxy.notify(token, 1, 10)
    proxy.ask(observing())
    (since,) = proxy.notify(token, 2, 11)
    assert number(since) > number(before)


def test_answer_to_a_new_registration_may_repeat_the_newest_number_once():
    proxy, token = beyond()
    proxy.ask(observing())
    assert [len(proxy.notify(token, mid, value)) for mid, value in ((2, 9), (3, 10), (4, 10), (5, 11))] == [0, 1, 0, 1]


def test_new_registration_opens_t_anew():
    proxy, token = beyond()
    proxy.ask(observing(timeout=b"\x05"))
    assert len(proxy.answer(token, 2, peer=SERVER2)) == 1  # no notification
    proxy.wire.advance(5000)
    assert proxy.answer(token, 3, peer=SERVER2) == [] and len(proxy.notify(token, 4, 11)) == 1


def test_new_registration_without_answers_wanted_opens_nothing():
    proxy, token = beyond()
    proxy.ask(observing(timeout=b""))
    assert proxy.up.sent()[0].token == token
    assert proxy.answer(token, 2, peer=SERVER2) == [] and len(proxy.notify(token, 4, 11)) == 1


def test_deregistration_of_the_client_travels_under_the_same_token():
    for proxy, token in (observed(), beyond()):
        (ack,) = proxy.ask(observing(1), kind=n.CON, mid=500)
        assert ack.is_empty(n.ACK, 500)
        (sent,) = proxy.up.sent()
        assert sent.token == token and sent.peer == GROUP and sent.kind == n.NON
        assert sent.options == [(n.OBSERVE, b"\x01"), (n.URI_PATH, b"temp")]
        assert len(proxy.observations) == 0


def test_answers_to_a_deregistration_are_relayed_until_t():
    proxy, token = beyond()
    proxy.ask(observing(1, timeout=b"\x02"))
    (sent,) = proxy.answer(token, 2)
    assert sent.option(REPLY_FROM) == ORIGIN and number(sent) is None
    (crossed,) = proxy.notify(token, 3, 11)
    assert number(crossed) is None
    proxy.wire.advance(2000)
    assert proxy.free() == 4 and proxy.answer(token, 4) == []
    assert proxy.up.sent()[1:] == []  # it was told once


def test_deregistration_without_answers_wanted_ends_the_exchange():
    proxy, token = beyond()
    proxy.ask(observing(1, timeout=b""))
    assert proxy.up.sent()[0].option(n.OBSERVE) == b"\x01" and proxy.free() == 4


def test_deregistration_ends_the_confirmable_notification_under_way():
    proxy, token = observed(first=False)
    kinds(proxy, token, 8)
    proxy.asked(observing(1, timeout=b"\x01"))
    proxy.wire.advance(1000)
    assert proxy.free() == 4
    others = [proxy.asked(group_request(timeout=b"\xff"), token=b"%d" % i, peer=OTHER).token for i in range(4)]
    proxy.wire.advance(100000)
    assert proxy.down.sent() == []
    assert [len(proxy.answer(other, 900 + i)) for i, other in enumerate(others)] == [1] * 4


def test_no_copies_of_the_registration_follow_a_deregistration():
    proxy = Proxied(observations=1, copies=3)
    proxy.registered()
    proxy.ask(observing(1))
    proxy.up.sent()
    proxy.wire.advance(5000)
    assert proxy.up.sent() == []


def test_other_target_under_the_token_of_an_observation_is_4_00_and_ends_it():
    for options in (
        observing(target=b"coap://224.0.1.187/other"),
        observing(target=b"coap://224.0.1.187/temp?q"),
        observing(target=b"coap://224.0.1.188/temp"),
        observing(1, target=b"coap://224.0.1.187/other"),
        observing(target=SINGLE, timeout=None),
        group_request(),
        observing(2),
    ):
        proxy, token = beyond()
        (sent,) = proxy.ask(options)
        assert sent.code == n.BAD_REQUEST
        assert deregistration(proxy.up.sent(), token) and proxy.free() == 4


def test_host_in_a_target_tells_registrations_apart():
    names = {"a.example": GROUP[:4], "b.example": GROUP[:4]}
    proxy = Proxied(observations=1, resolve=lambda name: names.get(name))
    proxy.registered(observing(target=b"coap://a.example/temp"))
    (sent,) = proxy.ask(observing(target=b"coap://b.example/temp"))
    assert sent.code == n.BAD_REQUEST


def test_same_target_may_be_named_in_another_way():
    proxy, token = beyond()
    options = [
        (MULTICAST_TIMEOUT, b"\x0a"),
        (n.URI_HOST, b"224.0.1.187"),
        (n.OBSERVE, b""),
        (n.URI_PATH, b"temp"),
        (n.PROXY_SCHEME, b"coap"),
    ]
    options.sort(key=lambda option: option[0])
    assert proxy.ask(options) == [] and proxy.up.sent()[0].token == token


def test_new_registration_of_another_client_is_one_of_its_own():
    proxy, token = beyond()
    other = proxy.registered(peer=OTHER)
    assert other.token != token and len(proxy.observations) == 2


def test_slot_of_an_observation_is_free_of_it():
    proxy, token = beyond(slots=1)
    proxy.ask(early_stop())
    proxy.up.sent()
    assert proxy.asked().token[0] == token[0]
    (sent,) = proxy.ask(observing())
    assert sent.code == n.BAD_REQUEST and proxy.up.sent() == []


def test_deregistration_that_comes_twice_travels_twice():
    proxy, token = beyond()
    for _ in range(2):
        sent = proxy.asked(observing(1))
        assert sent.token == token and sent.option(n.OBSERVE) == b"\x01"
    assert len(proxy.answer(token, 2)) == 1
    proxy.wire.advance(10000)
    assert proxy.free() == 4 and proxy.up.sent() == []


def test_new_registration_after_a_deregistration_is_an_observation_again():
    proxy, token = beyond()
    proxy.asked(observing(1))
    assert proxy.asked(observing()).token == token and len(proxy.observations) == 1
    assert number(proxy.notify(token, 2, 3)[0]) is not None
    proxy.wire.advance(20000)
    assert len(proxy.notify(token, 3, 4)) == 1


def test_new_registration_may_find_the_place_that_the_first_one_did_not():
    proxy = Proxied(observations=1)
    proxy.registered(token=b"other")
    token = proxy.registered().token
    again = proxy.asked(observing())  # still full
    assert again.token == token and again.option(n.OBSERVE) is None
    proxy.ask(early_stop(), token=b"other")
    proxy.up.sent()
    again = proxy.asked(observing())
    assert again.token == token and again.option(n.OBSERVE) == b"" and len(proxy.observations) == 1
    proxy.notify(token, 1, 5)
    proxy.wire.advance(20000)
    assert len(proxy.notify(token, 2, 6)) == 1
    proxy.ask(early_stop())
    assert deregistration(proxy.up.sent(), token)


def test_other_target_under_the_token_of_what_was_to_be_an_observation_is_4_00():
    proxy = Proxied(observations=1)
    proxy.registered(token=b"other")
    token = proxy.registered().token
    (sent,) = proxy.ask(observing(target=b"coap://224.0.1.187/other"))
    assert sent.code == n.BAD_REQUEST and proxy.up.sent() == [] and proxy.answer(token, 1) == []


def test_deregistration_of_what_is_not_observed_goes_on_as_a_request():
    proxy = Proxied(observations=1)
    sent = proxy.registered(observing(1))
    assert sent.option(n.OBSERVE) == b"\x01" and len(proxy.observations) == 0
    assert len(proxy.answer(sent.token, 1)) == 1


# Profile 00


def test_profile_00_observes_too():
    proxy = Proxied(observations=1)
    options = [(n.OBSERVE, b""), (n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\x02")]
    sent = proxy.registered(options)
    assert sent.options == [(n.OBSERVE, b""), (n.URI_PATH, b"temp"), (MULTICAST_SIGNALING, b"\x02")]
    forwarding = [(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")]
    (first,) = proxy.notify(sent.token, 1, 5, more=forwarding)
    proxy.wire.advance(60000)
    (second,) = proxy.notify(sent.token, 2, 6, more=forwarding)
    assert number(second) > number(first) and second.options[1:] == forwarding
    proxy.ask(early_stop())
    (sent,) = proxy.up.sent()
    assert sent.option(n.OBSERVE) == b"\x01" and sent.option(MULTICAST_SIGNALING) == b"\x02"


# A single server (RFC 7641 §5)


def single(kind=n.NON, first=True, **settings):
    """A proxy and the request of an observation of one server, which has answered it."""
    settings.setdefault("observations", 2)
    proxy = Proxied(**settings)
    sent = proxy.registered(observing(target=SINGLE, timeout=None), kind=kind)
    proxy.down.sent()
    if first:
        if kind == n.CON:
            proxy.answer(sent.token, sent.mid, kind=n.ACK, options=[(n.OBSERVE, b"\x0a")])
        else:
            proxy.notify(sent.token, 1, 10)
    return proxy, sent


def test_registration_at_a_single_server_goes_on_as_it_came():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind, first=False)
        assert sent.peer == SERVER and sent.kind == kind
        assert sent.options == [(n.OBSERVE, b""), (n.URI_PATH, b"temp")]


def test_first_notification_answers_a_con_in_its_ack():
    proxy = Proxied(observations=1)
    (sent,) = [proxy.registered(observing(target=SINGLE, timeout=None), kind=n.CON, mid=500)]
    (answer,) = proxy.answer(sent.token, sent.mid, kind=n.ACK, options=[(n.OBSERVE, b"\x0a")])
    assert (answer.kind, answer.mid, answer.token, answer.code) == (n.ACK, 500, b"tok", n.CONTENT)
    assert number(answer) is not None and answer.option(REPLY_FROM) is None and proxy.free() == 3


def test_first_notification_that_comes_later_is_separate():
    proxy = Proxied(observations=1)
    sent = proxy.registered(observing(target=SINGLE, timeout=None), kind=n.CON, mid=500)
    proxy.up.deliver(datagram(n.ACK, 0, sent.mid), SERVER)
    proxy.wire.advance(1000)
    (ack,) = proxy.down.sent()
    assert ack.is_empty(n.ACK, 500)
    (answer,) = proxy.notify(sent.token, 70, 10, kind=n.CON)
    assert proxy.up.sent()[-1].is_empty(n.ACK, 70)
    assert answer.kind == n.CON and number(answer) is not None and answer.token == b"tok"
    proxy.from_client(n.ACK, answer.mid)
    (second,) = proxy.notify(sent.token, 71, 11)
    assert second.kind == n.NON and number(second) > number(answer)


def test_client_that_resets_or_ignores_a_separate_first_notification_has_left():
    for reset in (True, False):
        proxy, sent = single(n.CON, first=False)
        proxy.up.deliver(datagram(n.ACK, 0, sent.mid), SERVER)
        proxy.wire.advance(1000)
        proxy.down.sent()
        (answer,) = proxy.notify(sent.token, 70, 10)
        proxy.up.sent()
        if reset:
            proxy.from_client(n.RST, answer.mid)
        else:
            proxy.wire.advance(100000)
            assert len(proxy.down.sent()) == 4
        assert deregistration(proxy.up.sent(), sent.token, SERVER) and proxy.free() == 4


def test_separate_first_notification_without_a_place_is_sent_once_and_may_be_reset():
    proxy, sent = single(n.CON, first=False, down={"outgoing": 1})
    other = proxy.registered(token=b"other", peer=OTHER).token
    kinds(proxy, other, 8)  # takes the place
    proxy.up.deliver(datagram(n.ACK, 0, sent.mid), SERVER)
    proxy.wire.advance(1000)
    proxy.down.sent()
    (answer,) = proxy.notify(sent.token, 70, 10)
    assert answer.kind == n.CON and answer.peer == CLIENT
    proxy.up.sent()
    proxy.from_client(n.RST, answer.mid)
    assert deregistration(proxy.up.sent(), sent.token, SERVER)


def test_con_registration_whose_answer_was_lost_is_answered_again():
    proxy = Proxied(observations=1)
    options = observing(target=SINGLE, timeout=None)
    sent = proxy.registered(options, kind=n.CON, mid=500)
    proxy.answer(sent.token, sent.mid, kind=n.ACK, options=[(n.OBSERVE, b"\x0a")])
    assert proxy.ask(options, kind=n.CON, mid=500) == []
    (again,) = proxy.up.sent()
    assert again.token == sent.token and again.kind == n.CON and again.option(n.OBSERVE) == b""
    (answer,) = proxy.answer(again.token, again.mid, kind=n.ACK, options=[(n.OBSERVE, b"\x0a")])
    assert (answer.kind, answer.mid) == (n.ACK, 500) and number(answer) is not None
    assert proxy.free() == 3 and len(proxy.observations) == 1


def test_con_registration_that_comes_again_before_its_answer_goes_on_once():
    proxy = Proxied(observations=1)
    options = observing(target=SINGLE, timeout=None)
    proxy.registered(options, kind=n.CON, mid=500)
    assert proxy.ask(options, kind=n.CON, mid=500) == [] and proxy.up.sent() == []
    proxy.wire.advance(1000)
    assert [sent.is_empty(n.ACK, 500) for sent in proxy.down.sent()] == [True]
    assert [sent.is_empty(n.ACK, 500) for sent in proxy.ask(options, kind=n.CON, mid=500)] == [True]


def test_notifications_of_a_single_server_are_relayed_in_order():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind)
        proxy.wire.advance(3600000)
        numbers = []
        for mid, value in ((50, 20), (51, 19), (52, 21)):
            for relayed in proxy.notify(sent.token, mid, value):
                assert (relayed.kind, relayed.token, relayed.option(REPLY_FROM)) == (n.NON, b"tok", None)
                numbers.append(number(relayed))
        assert len(numbers) == 2 and numbers[0] < numbers[1]


def test_notification_of_another_server_is_none():
    proxy, sent = single()
    assert proxy.notify(sent.token, 50, 20, peer=SERVER2) == []


def test_con_notification_of_a_single_server_is_acknowledged():
    proxy, sent = single()
    assert len(proxy.notify(sent.token, 50, 20, kind=n.CON)) == 1
    assert proxy.up.sent()[0].is_empty(n.ACK, 50)


def test_each_eighth_notification_of_a_single_server_is_confirmable():
    proxy, sent = single()
    assert kinds(proxy, sent.token, 8)[0] == [n.NON] * 7 + [n.CON]
    proxy.wire.advance(100000)
    assert deregistration(proxy.up.sent(), sent.token, SERVER) and proxy.free() == 4


def test_error_of_a_single_server_ends_the_observation():
    for extra in (0, 8):  # with a confirmable one under way, too
        proxy, sent = single()
        kinds(proxy, sent.token, extra)
        (relayed,) = proxy.answer(sent.token, 50, code=n.NOT_FOUND)
        assert relayed.code == n.NOT_FOUND and number(relayed) is None
        assert proxy.free() == 4 and len(proxy.observations) == 0 and proxy.up.sent() == []
        others = [proxy.asked(group_request(timeout=b"\xff"), token=b"%d" % i, peer=OTHER).token for i in range(4)]
        proxy.wire.advance(100000)
        assert proxy.down.sent() == [] and proxy.free() == 0
        assert len(others) == 4


def test_answer_without_observe_ends_the_exchange_at_once():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind, first=False)
        (relayed,) = proxy.answer(sent.token, sent.mid, kind=n.ACK if kind == n.CON else n.NON)
        assert number(relayed) is None and proxy.free() == 4


def test_single_server_that_is_silent_is_5_04():
    proxy, sent = single(first=False)
    proxy.wire.advance(60000)
    assert [relayed.code for relayed in proxy.down.sent()] == [n.GATEWAY_TIMEOUT] and proxy.free() == 4


def test_early_stop_and_reset_reach_a_single_server():
    proxy, sent = single()
    assert proxy.ask(early_stop(), kind=n.CON, mid=500)[0].is_empty(n.ACK, 500)
    assert deregistration(proxy.up.sent(), sent.token, SERVER) and proxy.free() == 4
    proxy, sent = single()
    (relayed,) = proxy.notify(sent.token, 50, 20)
    proxy.from_client(n.RST, relayed.mid)
    assert deregistration(proxy.up.sent(), sent.token, SERVER) and proxy.free() == 4


def test_deregistration_at_a_single_server_is_answered_and_ends_it():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind)
        assert proxy.ask(observing(1, SINGLE, None), kind=kind, mid=600) == []
        (sent2,) = proxy.up.sent()
        assert sent2.token == sent.token and sent2.kind == kind and sent2.option(n.OBSERVE) == b"\x01"
        (answer,) = proxy.answer(sent.token, sent2.mid, kind=n.ACK if kind == n.CON else n.NON)
        assert answer.kind == (n.ACK if kind == n.CON else n.NON) and number(answer) is None
        assert kind == n.NON or answer.mid == 600
        assert proxy.free() == 4 and len(proxy.observations) == 0


def test_new_registration_at_a_single_server_is_answered():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind)
        proxy.ask(observing(0, SINGLE, None), kind=kind, mid=600)
        (sent2,) = proxy.up.sent()
        assert sent2.token == sent.token and sent2.kind == kind and sent2.mid != sent.mid
        kind2 = n.ACK if kind == n.CON else n.NON
        (answer,) = proxy.answer(sent.token, sent2.mid, kind=kind2, options=[(n.OBSERVE, b"\x0a")])
        assert answer.kind == kind2 and number(answer) is not None and proxy.free() == 3
        assert kind == n.NON or answer.mid == 600
        assert len(proxy.notify(sent.token, 80, 11)) == 1


def test_new_registration_that_a_single_server_does_not_answer_is_5_04():
    proxy, sent = single(n.CON)
    proxy.ask(observing(0, SINGLE, None), kind=n.CON, mid=600)
    (sent2,) = proxy.up.sent()
    proxy.up.deliver(datagram(n.ACK, 0, sent2.mid), SERVER)
    proxy.wire.advance(1000)
    assert proxy.down.sent()[0].is_empty(n.ACK, 600)
    proxy.wire.advance(59000)
    assert [relayed.code for relayed in proxy.down.sent()] == [n.GATEWAY_TIMEOUT] and proxy.free() == 4


def test_new_registration_that_is_lost_does_not_end_the_observation():
    proxy, sent = single()
    proxy.ask(observing(0, SINGLE, None))
    proxy.wire.advance(3600000)
    assert len(proxy.notify(sent.token, 80, 11)) == 1


def test_single_server_without_a_place_is_asked_without_observe():
    proxy = Proxied(observations=1)
    proxy.registered()
    sent = proxy.registered(observing(target=SINGLE, timeout=None), token=b"2")
    assert sent.option(n.OBSERVE) is None
    (relayed,) = proxy.answer(sent.token, 1)
    assert relayed.code == n.CONTENT and proxy.free() == 3


def test_observation_of_a_single_server_ends_a_day_after_the_last_notification():
    proxy, sent = single()
    proxy.wire.advance(DAY - 1)
    assert proxy.free() == 3
    proxy.wire.advance(1)
    assert proxy.free() == 4 and deregistration(proxy.up.sent(), sent.token, SERVER)


def test_observations_do_not_mix_groups():
    proxy = Proxied(observations=2)
    one = proxy.registered(token=b"1")
    two = proxy.registered(observing(target=b"coap://224.0.1.188/temp"), token=b"2")
    assert (one.peer, two.peer) == (GROUP, GROUP2)
    proxy.notify(one.token, 1, 10)
    proxy.notify(two.token, 2, 10)
    proxy.ask(early_stop(), token=b"2")
    assert deregistration(proxy.up.sent(), two.token, GROUP2)
