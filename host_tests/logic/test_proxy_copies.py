"""Copies of a group request (bis §3.1.3), Response-Forwarding by the proxy, and Request-Tag (RFC 9175 §3)."""

from groupcoap import numbers as n
from groupcoap import uri
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_SIGNALING,
    OTHER,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER2,
    UNKNOWN_UNSAFE,
    Proxied,
    datagram,
    early_stop,
    group_request,
    observing,
    uint,
)

SINGLE = [(n.PROXY_URI, b"coap://192.0.2.5/up")]
PROFILE_00 = [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\x0a")]
FORWARDED = b"\xd9\x01\x04\x44\xc0\x00\x02\x05"  # tag 260 over the server's address


def copied(options=None, copies=3, held=4, **settings):
    """A proxy that has sent a group request on, and what it sends in the next 20 s."""
    proxy = Proxied(copies=copies, held=held, **settings)
    first = proxy.asked(options)
    proxy.wire.advance(20000)
    return first, proxy.up.sent(), proxy


# Copies


def test_request_is_sent_as_often_as_is_configured():
    for copies in (1, 2, 3):
        for options in (group_request(), group_request(timeout=b""), PROFILE_00):
            first, more, _ = copied(options, copies)
            assert len(more) == copies - 1
            assert all(sent.raw == first.raw and sent.peer == GROUP for sent in more)


def test_copies_are_spread_over_2_s_or_half_of_t():
    for timeout, copies, times in (
        (b"\x0a", 2, [1000]),
        (b"\x0a", 3, [666, 1332]),
        (b"\x02", 3, [333, 666]),
        (b"\x01", 2, [250]),
        (b"", 3, [666, 1332]),
    ):
        assert [sent.at for sent in copied(group_request(timeout=timeout), copies)[1]] == times


def test_of_more_requests_than_127_each_has_its_copy_and_gives_its_place_back():
    proxy = Proxied(200, [(CLIENT[:4], (GROUP,), True)], sizes={"recent_messages": 512}, held=200, copies=2, nstart=200)
    for _ in range(2):
        for i in range(200):
            proxy.asked(group_request(timeout=b"\x0a"), token=bytes((i,)))
        proxy.wire.advance(2000)
        assert len(proxy.up.sent()) == 200
        proxy.wire.advance(10000)
        assert proxy.free() == 200 and proxy.relay.held.peers == [None] * 200


def test_answers_to_a_copy_are_relayed():
    proxy = Proxied(copies=2, held=4)
    token = proxy.asked().token
    proxy.wire.advance(1500)
    assert len(proxy.answer(token, 1)) == len(proxy.answer(token, 2, peer=SERVER2)) == 1


def test_exchange_without_answers_wanted_lasts_as_long_as_its_copies():
    first, more, proxy = copied(group_request(timeout=b""))
    assert proxy.free() == 4
    proxy.asked(group_request(timeout=b""))
    assert proxy.free() == 3
    proxy.wire.advance(2000)
    assert proxy.free() == 4


def test_answers_that_nobody_wants_are_dropped_while_copies_go_out():
    proxy = Proxied(copies=2, held=4)
    token = proxy.asked(group_request(timeout=b"")).token
    assert proxy.answer(token, 1) == [] and proxy.answer(token, 2, options=[(n.OBSERVE, b"\x05")]) == []


def test_request_that_wants_no_answers_may_reuse_its_token_while_copies_go_out():
    proxy = Proxied(copies=3, held=4)
    for code in (n.PUT, n.PUT, n.GET):
        proxy.asked(group_request(timeout=b""), token=b"", code=code)
    token = proxy.asked(token=b"").token
    assert len(proxy.answer(token, 1)) == 1


def test_con_request_that_comes_again_while_copies_go_out_is_acknowledged_and_goes_on_once():
    proxy = Proxied(copies=2, held=4)
    for code in (n.GET, n.PUT):
        for _ in range(3):
            sent = proxy.ask(group_request(timeout=b""), kind=n.CON, code=code, mid=500 + code)
            assert [packet.is_empty(n.ACK, 500 + code) for packet in sent] == [True]
        assert len(proxy.up.sent()) == 1


def test_request_without_a_place_to_be_kept_is_sent_once():
    for options in (group_request(), group_request(timeout=b"")):
        assert copied(options, held=0)[1] == []


def test_request_without_a_slot_that_wants_no_answers_is_sent_once():
    proxy = Proxied(copies=3, held=4, slots=1)
    proxy.asked()
    proxy.wire.advance(3000)
    proxy.up.sent()
    proxy.asked(group_request(timeout=b""), token=b"2")
    proxy.wire.advance(3000)
    assert proxy.up.sent() == []


def test_request_that_wants_no_answers_is_not_refused_for_its_copies():
    limited = [(CLIENT[:4], (GROUP,), True, 1), (OTHER[:4], (GROUP,), True)]
    for settings, free in (({"nstart": 1}, 2), ({"allow": limited}, 3)):
        proxy = Proxied(copies=2, held=4, **settings)
        token = proxy.asked().token
        proxy.asked(group_request(timeout=b""), token=b"2")
        assert proxy.down.sent() == [] and len(proxy.answer(token, 1)) == 1 and proxy.free() == free


def test_copies_of_what_wants_no_answers_take_no_exchange_from_another():
    proxy = Proxied(copies=2, held=9, slots=9, nstart=3)
    tokens = [proxy.asked(token=b"%d" % i, peer=OTHER).token for i in range(3)]
    proxy.asked(group_request(timeout=b""))
    assert [len(proxy.answer(token, i)) for i, token in enumerate(tokens)] == [1, 1, 1]


def test_request_that_is_too_long_to_be_kept_is_sent_once():
    proxy = Proxied(copies=2, held=4)
    proxy.asked(code=n.FETCH, payload=b"x" * 200)
    proxy.wire.advance(3000)
    assert proxy.up.sent() == []


def test_exchange_that_is_stopped_sends_no_more_copies():
    for timeout in (b"\x0a", b""):
        proxy = Proxied(copies=3, held=4)
        proxy.asked(group_request(timeout=timeout))
        proxy.wire.advance(700)
        assert len(proxy.up.sent()) == 1
        proxy.ask(early_stop())
        proxy.wire.advance(5000)
        assert proxy.up.sent() == [] and proxy.free() == 4


def test_place_of_a_kept_request_is_free_when_its_exchange_ends():
    proxy = Proxied(copies=2, held=1)
    for i in range(3):
        proxy.asked(group_request(timeout=b"\x03"), token=b"%d" % i)
        proxy.wire.advance(3000)
        assert len(proxy.up.sent()) == 1


def test_copies_of_several_requests_do_not_mix():
    proxy = Proxied(copies=2, held=4)
    one = proxy.asked(token=b"1")
    proxy.wire.advance(100)
    two = proxy.asked(group_request(b"coap://224.0.1.188/x", timeout=b""), token=b"2", peer=OTHER)
    proxy.wire.advance(5000)
    assert [(sent.raw, sent.peer) for sent in proxy.up.sent()] == [(one.raw, one.peer), (two.raw, two.peer)]


def test_copies_of_a_registration_are_whole():
    proxy = Proxied(copies=2, observations=1)
    first = proxy.registered()
    proxy.wire.advance(5000)
    assert [sent.raw for sent in proxy.up.sent()] == [first.raw]
    proxy = Proxied(copies=2, held=4, observations=1)
    proxy.registered()
    first = proxy.registered(observing(), token=b"full")
    assert first.option(n.OBSERVE) is None
    proxy.wire.advance(5000)
    assert proxy.up.sent()[1].raw == first.raw


def test_individual_requests_have_no_copies():
    proxy = Proxied(copies=3, held=4)
    proxy.asked(SINGLE)
    proxy.wire.advance(5000)
    assert proxy.up.sent() == []


def test_copies_count_for_the_rate_to_a_group():
    proxy = Proxied(copies=2, held=4, probing_rate=1)
    length = len(proxy.asked().raw)
    (sent,) = proxy.ask(group_request(), token=b"2")
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) == uint(1 + 2 * length)
    proxy.wire.advance(2000 * length - 1)
    assert proxy.ask(group_request(), token=b"3")[0].code == n.SERVICE_UNAVAILABLE
    proxy.up.sent()
    proxy.wire.advance(1)
    proxy.asked(token=b"4")


def test_new_registrations_count_for_the_rate_to_a_group():
    proxy = Proxied(observations=1, probing_rate=1)
    length = len(proxy.registered(observing(timeout=b"\xff")).raw)
    (sent,) = proxy.ask(observing(timeout=b"\xff"))
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) and proxy.up.sent() == []
    proxy.wire.advance(1000 * length)
    proxy.registered(observing(timeout=b"\xff"))
    assert proxy.ask(group_request(), token=b"2")[0].code == n.SERVICE_UNAVAILABLE


# Response-Forwarding by the proxy


def forwarding(options=PROFILE_00, **settings):
    from groupcoap.proxy.names import response_forwarding

    proxy = Proxied(forwarding=response_forwarding(RESPONSE_FORWARDING), **settings)
    return proxy, proxy.asked(options)


def test_proxy_says_the_origin_in_place_of_the_servers():
    proxy, sent = forwarding()
    assert sent.options == [(n.URI_PATH, b"temp")]  # without Multicast-Signaling
    (relayed,) = proxy.answer(sent.token, 1, options=[(n.CONTENT_FORMAT, b"")])
    assert relayed.options == [(n.CONTENT_FORMAT, b""), (RESPONSE_FORWARDING, FORWARDED)]
    (relayed,) = proxy.answer(sent.token, 2, peer=SERVER2)
    assert relayed.options == [(RESPONSE_FORWARDING, FORWARDED[:-1] + b"\x06")]


def test_response_forwarding_of_a_server_is_replaced():
    proxy, sent = forwarding()
    (relayed,) = proxy.answer(sent.token, 1, options=[(RESPONSE_FORWARDING, b"wrong")])
    assert relayed.options == [(RESPONSE_FORWARDING, FORWARDED)]


def test_error_of_the_proxy_in_place_of_a_response_says_its_origin_in_profile_00():
    proxy, sent = forwarding()
    (relayed,) = proxy.answer(sent.token, 1, options=[(UNKNOWN_UNSAFE, b"")])
    assert relayed.code == n.BAD_GATEWAY and relayed.options == [(RESPONSE_FORWARDING, FORWARDED)]


def test_notifications_say_their_origin_in_profile_00():
    proxy, sent = forwarding([(n.OBSERVE, b"")] + PROFILE_00, observations=1)
    assert sent.options == [(n.OBSERVE, b""), (n.URI_PATH, b"temp")]
    proxy.notify(sent.token, 1, 5)
    proxy.wire.advance(20000)
    (relayed,) = proxy.notify(sent.token, 2, 6)
    assert [number for number, _ in relayed.options] == [n.OBSERVE, RESPONSE_FORWARDING]


def test_profile_07_stays_what_it_is_beside_it():
    proxy, sent = forwarding(group_request(more=[(MULTICAST_SIGNALING, b"\x0a")]))
    assert sent.options == [(n.URI_PATH, b"temp"), (MULTICAST_SIGNALING, b"\x0a")]
    (relayed,) = proxy.answer(sent.token, 1)
    assert [number for number, _ in relayed.options] == [REPLY_FROM]
    other = proxy.asked(PROFILE_00, token=b"2")
    (relayed,) = proxy.answer(other.token, 2)
    assert [number for number, _ in relayed.options] == [RESPONSE_FORWARDING]


def test_ipv6_origin_in_profile_00():
    from groupcoap.proxy.names import response_forwarding

    address = uri.ip_bytes("2001:db8::5")
    value = response_forwarding(RESPONSE_FORWARDING).of(address + b"\x16\x33")
    assert value == b"\x14\xd9\x01\x04\x50" + address


# Request-Tag


def tags(sent):
    return [value for number, value in sent.options if number == n.REQUEST_TAG]


def uploaded(peer, more=(), options=SINGLE):
    proxy = Proxied(allow=[(CLIENT[:2] + bytes((i, j)), (GROUP,), True) for i in (2, 3) for j in (5, 9, 10, 38)])
    target = sorted(list(options) + [(n.BLOCK1, b"\x08")] + list(more), key=lambda option: option[0])
    return proxy.asked(target, code=n.PUT, payload=b"x" * 16, peer=peer)


def test_blocks_of_an_upload_have_a_tag_of_their_client():
    one, again, other = uploaded(CLIENT), uploaded(CLIENT), uploaded(OTHER)
    assert len(tags(one)) == 1 and 0 < len(tags(one)[0]) <= 8
    assert tags(one) == tags(again) != tags(other)


def test_clients_of_one_port_or_one_address_have_tags_of_their_own():
    peers = [b"\xc0\x00\x02\x26\x16\x33", b"\xc0\x00\x03\x05\x16\x33", b"\xc0\x00\x03\x05\x16\x34"]
    peers.append(b"\xc0\x00\x03\x05\x17\x12")
    assert len({tags(uploaded(peer))[0] for peer in peers}) == len(peers)


def test_tag_of_the_client_stays_in_front():
    found = tags(uploaded(CLIENT, [(n.REQUEST_TAG, b"own")]))
    assert found[0] == b"own" and len(found) == 2


def test_requests_without_blocks_have_no_tag():
    assert tags(Proxied().asked(SINGLE, code=n.PUT, payload=b"x")) == []


def test_group_requests_have_no_tag():
    assert tags(uploaded(CLIENT, options=group_request())) == []


def test_early_stop_and_reset_of_a_silent_exchange():
    proxy = Proxied(copies=2, held=4)
    proxy.asked(group_request(timeout=b""))
    assert proxy.down.receive(datagram(n.RST, 0, 1), CLIENT) == [] and proxy.free() == 3
    (ack,) = proxy.ask(early_stop(), kind=n.CON, mid=500)
    assert ack.is_empty(n.ACK, 500) and proxy.free() == 4
