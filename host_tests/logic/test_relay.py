"""The way of responses back through the proxy (draft-ietf-core-groupcomm-proxy §5.4), and single servers through it."""

from groupcoap import numbers as n
from groupcoap import uri
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
    UNKNOWN_UNSAFE,
    Proxied,
    allocated,
    datagram,
    group_request,
)

ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"  # [-1, [h'C0000205']], the CRI of coap://192.0.2.5
ORIGIN2 = b"\x82\x20\x81\x44\xc0\x00\x02\x06"
PROFILE_00 = [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\x0a")]


def exchange(options=None, **request):
    """A proxy, and the token of a group request that has gone through it."""
    proxy = Proxied()
    return proxy, proxy.asked(options, **request).token


def test_response_is_relayed_with_the_clients_token_and_its_origin():
    proxy, token = exchange(token=b"clients")
    (sent,) = proxy.answer(token, 77, options=[(n.CONTENT_FORMAT, b"")])
    assert sent.peer == CLIENT and sent.token == b"clients" and sent.kind == n.NON and sent.code == n.CONTENT
    assert sent.options == [(n.CONTENT_FORMAT, b""), (REPLY_FROM, ORIGIN)] and sent.payload == b"21.5"


def test_response_is_relayed_at_once():
    proxy, token = exchange()
    proxy.wire.advance(1234)
    assert proxy.answer(token, 77)[0].at == 1234


def test_relayed_responses_have_message_ids_of_the_proxys_own():
    proxy, token = exchange()
    (one,), (two,) = proxy.answer(token, 7), proxy.answer(token, 700, peer=SERVER2)
    assert two.mid == (one.mid + 1) & 0xFFFF


def test_token_of_any_length_is_restored():
    for length in (0, 1, 8):
        proxy, token = exchange(token=b"12345678"[:length])
        assert proxy.answer(token, 7)[0].token == b"12345678"[:length]


def test_answers_of_several_servers_are_relayed_each_with_its_origin():
    proxy, token = exchange()
    assert proxy.answer(token, 7)[0].option(REPLY_FROM) == ORIGIN
    assert proxy.answer(token, 7, peer=SERVER2)[0].option(REPLY_FROM) == ORIGIN2
    assert proxy.answer(token, 8)[0].option(REPLY_FROM) == ORIGIN


def test_several_answers_of_one_server_are_all_relayed():
    proxy, token = exchange()
    assert [proxy.answer(token, mid, payload=b"%d" % mid)[0].payload for mid in (1, 2, 3)] == [b"1", b"2", b"3"]


def test_repeated_response_is_relayed_once():
    proxy, token = exchange()
    assert len(proxy.answer(token, 7)) == 1
    assert proxy.answer(token, 7) == []


def test_origin_has_the_port_unless_it_is_the_default():
    for port, end in ((7, b"\x07"), (23, b"\x17"), (24, b"\x18\x18"), (255, b"\x18\xff"), (256, b"\x19\x01\x00"),
                      (61616, b"\x19\xf0\xb0")):  # fmt: skip
        proxy, token = exchange()
        sent = proxy.answer(token, 7, peer=uri.pack(SERVER[:4], port))[0]
        assert sent.option(REPLY_FROM) == b"\x82\x20\x82\x44\xc0\x00\x02\x05" + end


def test_reply_from_that_came_in_is_replaced():
    proxy, token = exchange()
    for value in (b"wrong", b"x" * 300):
        options = [(n.ETAG, b"e"), (REPLY_FROM, value), (UNKNOWN_SAFE, b"s")]
        (sent,) = proxy.answer(token, len(value), options=options)
        assert sent.options == [(n.ETAG, b"e"), (REPLY_FROM, ORIGIN), (UNKNOWN_SAFE, b"s")]


def test_several_reply_froms_that_came_in_become_one():
    proxy, token = exchange()
    (sent,) = proxy.answer(token, 7, options=[(REPLY_FROM, b"wrong1"), (REPLY_FROM, b"wrong2")])
    assert sent.options == [(REPLY_FROM, ORIGIN)]


def test_reply_from_is_put_in_between_options():
    proxy, token = exchange()
    options = [(n.ETAG, b"1"), (n.ETAG, b"2"), (n.MAX_AGE, b"\x3c"), (n.ECHO, b"e"), (n.ECHO + 8, b"x" * 20)]
    (sent,) = proxy.answer(token, 7, options=options)
    assert sent.options == options[:3] + [(REPLY_FROM, ORIGIN)] + options[3:] and sent.payload == b"21.5"


def test_reply_from_is_put_in_without_a_payload():
    proxy, token = exchange()
    (sent,) = proxy.answer(token, 7, code=n.CHANGED, payload=b"")
    assert sent.options == [(REPLY_FROM, ORIGIN)] and sent.payload == b"" and sent.raw[-1:] == ORIGIN[-1:]


def test_errors_are_relayed_with_their_origin():
    proxy, token = exchange()
    (sent,) = proxy.answer(token, 7, code=n.NOT_FOUND, payload=b"no")
    assert (sent.code, sent.payload, sent.option(REPLY_FROM)) == (n.NOT_FOUND, b"no", ORIGIN)


def test_profile_00_adds_nothing():
    proxy, token = exchange(PROFILE_00)
    options = [(n.CONTENT_FORMAT, b""), (RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")]
    assert proxy.answer(token, 7, options=options)[0].options == options


def test_with_both_options_the_origin_is_added():
    proxy, token = exchange(group_request(more=[(MULTICAST_SIGNALING, b"\x0a")]))
    options = [(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")]
    assert proxy.answer(token, 7, options=options)[0].options == [(REPLY_FROM, ORIGIN)] + options


def test_both_profiles_at_once():
    proxy = Proxied()
    one, two = proxy.asked(token=b"1").token, proxy.asked(PROFILE_00, token=b"2").token
    assert proxy.answer(two, 1)[0].options == []
    assert proxy.answer(one, 2)[0].options == [(REPLY_FROM, ORIGIN)]


def test_con_response_is_acknowledged_and_relayed_as_a_non():
    proxy, token = exchange()
    (sent,) = proxy.answer(token, 7, kind=n.CON)
    (ack,) = proxy.up.sent()
    assert ack.is_empty(n.ACK, 7) and ack.peer == SERVER and sent.kind == n.NON


def test_forged_token_is_not_relayed():
    proxy, token = exchange()
    for i in range(8):
        forged = bytearray(token)
        forged[i] ^= 0x80
        assert proxy.answer(bytes(forged), i) == []


def test_unwanted_con_response_is_reset():
    proxy, token = exchange()
    proxy.answer(b"unwanted", 7, kind=n.CON)
    assert proxy.up.sent()[0].is_empty(n.RST, 7)


def test_unwanted_non_response_is_dropped():
    proxy, token = exchange()
    assert proxy.answer(b"unwanted", 7) == [] and proxy.up.sent() == []


def test_responses_are_relayed_until_t_has_passed():
    proxy, token = exchange(group_request(timeout=b"\x02"))
    proxy.wire.advance(1999)
    assert len(proxy.answer(token, 1)) == 1 and proxy.free() == 3
    proxy.wire.advance(1)
    assert proxy.answer(token, 2) == [] and proxy.free() == 4


def test_late_con_response_is_reset():
    proxy, token = exchange(group_request(timeout=b"\x01"))
    proxy.wire.advance(1000)
    proxy.answer(token, 1, kind=n.CON)
    assert proxy.up.sent()[0].is_empty(n.RST, 1)


def test_late_response_does_not_reach_the_next_exchange_in_its_slot():
    proxy = Proxied(slots=1)
    old = proxy.asked(group_request(timeout=b"\x01")).token
    proxy.wire.advance(1000)
    new = proxy.asked(peer=OTHER).token
    assert new[0] == old[0] and proxy.answer(old, 1) == []
    assert proxy.answer(new, 2)[0].peer == OTHER


def test_timeout_is_lowered_to_the_greatest_allowed():
    proxy = Proxied(max_timeout=3)
    token = proxy.asked(group_request(timeout=b"\xff\xff\xff\xff")).token
    proxy.wire.advance(2999)
    assert len(proxy.answer(token, 1)) == 1
    proxy.wire.advance(1)
    assert proxy.answer(token, 2) == [] and proxy.free() == 4


def test_signaling_is_lowered_too():
    proxy = Proxied(max_timeout=3)
    token = proxy.asked([(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\xff\xff")]).token
    proxy.wire.advance(3000)
    assert proxy.answer(token, 2) == []


def test_unknown_unsafe_option_in_a_response_is_5_02_with_its_origin():
    for number in (UNKNOWN_UNSAFE, UNKNOWN_UNSAFE + 1, 3, 7, 10, 11, 15, 18, 19, 22, 26):
        proxy, token = exchange(token=b"clients")
        (sent,) = proxy.answer(token, 7, options=[(number, b"x")])
        assert (sent.kind, sent.code, sent.token, sent.peer) == (n.NON, n.BAD_GATEWAY, b"clients", CLIENT)
        assert sent.options == [(REPLY_FROM, ORIGIN)]
        assert proxy.answer(token, 8)[0].code == n.CONTENT  # and the exchange goes on


def test_unsafe_option_of_a_wrong_length_in_a_response_is_5_02():
    proxy, token = exchange()
    assert proxy.answer(token, 7, options=[(n.MAX_AGE, b"12345")])[0].code == n.BAD_GATEWAY  # RFC 7252 §5.4.3


def test_unknown_unsafe_option_is_5_02_without_an_origin_in_profile_00():
    proxy, token = exchange(PROFILE_00)
    (sent,) = proxy.answer(token, 7, options=[(UNKNOWN_UNSAFE, b"")])
    assert sent.code == n.BAD_GATEWAY and sent.options == []


def test_unknown_safe_options_in_a_response_are_relayed():
    proxy, token = exchange()
    options = [(n.MAX_AGE, b"\x1e"), (UNKNOWN_CRITICAL, b"c"), (UNKNOWN_SAFE, b"e")]
    (sent,) = proxy.answer(token, 7, options=options)
    assert sent.options == [options[0], (REPLY_FROM, ORIGIN)] + options[1:]


def test_response_that_grows_too_long_is_5_02():
    proxy = Proxied(sizes={"max_message": 100})
    token = proxy.asked().token
    assert proxy.answer(token, 7, payload=b"x" * 60)[0].code == n.CONTENT
    (sent,) = proxy.answer(token, 8, payload=b"x" * 86)
    assert sent.code == n.BAD_GATEWAY and sent.option(REPLY_FROM) == ORIGIN


def test_response_of_one_server_that_is_too_long_is_5_02():
    proxy = Proxied(sizes={"max_message": 100})
    for length, code in ((80, n.CONTENT), (120, n.BAD_GATEWAY)):
        token = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/temp")]).token
        (sent,) = proxy.answer(token, length, payload=b"x" * length)
        assert sent.code == code and proxy.free() == 4


def test_relayed_message_ids_have_two_bytes():
    proxy, token = exchange()
    proxy.down.endpoint.mids[0] = 0x12FF
    assert proxy.answer(token, 7)[0].mid == 0x1300


def test_relayed_message_ids_go_round():
    proxy, token = exchange()
    proxy.down.endpoint.mids[0] = 0xFFFF
    assert proxy.answer(token, 7)[0].mid == 0


def test_answers_are_counted_for_each_exchange():
    proxy = Proxied(slots=1)
    for count in (3, 300):
        token = proxy.asked().token
        for mid in range(count):
            proxy.answer(token, 1000 + count + mid)
        assert proxy.relay.answers(token[0]) == count
        proxy.wire.advance(10000)


def test_origins_of_many_servers_are_right_and_not_all_kept():
    proxy, token = exchange()
    for i in range(300):
        peer = uri.pack(b"\xc0\x00" + bytes((i >> 8, i & 255)))
        assert proxy.answer(token, i, peer=peer)[0].option(REPLY_FROM) == b"\x82\x20\x81\x44" + peer[:4]
        assert len(proxy.forward.names._known) <= 128


def test_response_is_relayed_without_allocating():
    proxy, token = exchange()
    proxy.down.endpoint.transmit = proxy.up.endpoint.transmit = _drop
    response = bytearray(datagram(n.NON, n.CONTENT, 0, token, [(n.CONTENT_FORMAT, b"")], b"21.5"))
    receive_at = proxy.up.endpoint.receive
    now, size = proxy.wire.now, len(response)

    def receive():
        response[3] += 1
        receive_at(response, size, SERVER, 0, now)

    assert allocated(receive) <= 64
    assert proxy.relay.answers(token[0]) == response[3]


def _drop(buf, length, peer):
    pass


# A single server through the proxy (RFC 7252 §5.7.2)

SINGLE = [(n.PROXY_URI, b"coap://192.0.2.5/temp?a")]


def single(options=None, **request):
    """A proxy, and the request to a single server that has gone through it."""
    proxy = Proxied()
    return proxy, proxy.asked(options or SINGLE, **request)


def test_con_request_goes_on_as_a_con_of_the_proxys_own():
    proxy, sent = single(kind=n.CON, code=n.PUT, payload=b"x", mid=0x7777)
    assert (sent.kind, sent.code, sent.peer, sent.payload) == (n.CON, n.PUT, SERVER, b"x")
    assert sent.options == [(n.URI_PATH, b"temp"), (n.URI_QUERY, b"a")]
    assert len(sent.token) == 8 and sent.mid != 0x7777 and proxy.down.sent() == []


def test_non_request_goes_on_as_a_non_and_is_answered_by_one():
    proxy, sent = single()
    assert sent.kind == n.NON
    (answer,) = proxy.answer(sent.token, 7)
    assert (answer.kind, answer.token, answer.peer, answer.payload) == (n.NON, b"tok", CLIENT, b"21.5")


def test_answer_within_a_second_is_piggybacked():
    proxy, sent = single(kind=n.CON, mid=5)
    proxy.wire.advance(999)
    (answer,) = proxy.answer(sent.token, sent.mid, kind=n.ACK, options=[(n.ETAG, b"e"), (UNKNOWN_SAFE, b"s")])
    assert (answer.kind, answer.mid, answer.token, answer.code) == (n.ACK, 5, b"tok", n.CONTENT)
    assert answer.options == [(n.ETAG, b"e"), (UNKNOWN_SAFE, b"s")] and answer.payload == b"21.5"
    assert proxy.free() == 4


def test_request_is_acknowledged_after_a_second_and_answered_by_a_con():
    proxy, sent = single(kind=n.CON, mid=5)
    proxy.wire.advance(1000)
    (ack,) = proxy.down.sent()
    assert ack.is_empty(n.ACK, 5) and ack.at == 1000
    (answer,) = proxy.answer(sent.token, sent.mid, kind=n.ACK)
    assert (answer.kind, answer.token, answer.code, answer.peer) == (n.CON, b"tok", n.CONTENT, CLIENT)


def test_separate_answer_is_sent_again_until_it_is_acknowledged():
    proxy, sent = single(kind=n.CON)
    proxy.wire.advance(1000)
    proxy.down.sent()
    (answer,) = proxy.answer(sent.token, sent.mid, kind=n.ACK)
    proxy.wire.advance(3000)
    assert [packet.raw for packet in proxy.down.sent()] == [answer.raw]
    proxy.down.receive(datagram(n.ACK, 0, answer.mid), CLIENT)
    proxy.wire.advance(100000)
    assert proxy.down.sent() == []


def test_separate_answer_of_a_server_is_acknowledged_and_relayed():
    proxy, sent = single(kind=n.CON)
    proxy.up.receive(datagram(n.ACK, 0, sent.mid), SERVER)
    proxy.wire.advance(1000)
    proxy.down.sent()
    (answer,) = proxy.answer(sent.token, 99, kind=n.CON)
    assert answer.payload == b"21.5" and proxy.up.sent()[0].is_empty(n.ACK, 99)


def test_answer_that_overtakes_the_acknowledgement_ends_the_repetition():
    proxy, sent = single(kind=n.CON)
    proxy.answer(sent.token, 99)
    proxy.wire.advance(100000)
    assert proxy.up.sent() == []


def test_single_server_gets_no_origin_option():
    proxy, sent = single()
    assert proxy.answer(sent.token, 7)[0].options == []


def test_second_answer_of_a_single_server_is_not_relayed():
    proxy, sent = single()
    proxy.answer(sent.token, 7)
    assert proxy.answer(sent.token, 8) == []


def test_answer_from_another_source_is_not_relayed():
    proxy, sent = single()
    assert proxy.answer(sent.token, 7, peer=SERVER2) == []
    assert len(proxy.answer(sent.token, 8)) == 1


def test_server_that_resets_is_5_02():
    proxy, sent = single(kind=n.CON, mid=5)
    proxy.up.deliver(datagram(n.RST, 0, sent.mid), SERVER)
    (answer,) = proxy.down.sent()
    assert (answer.kind, answer.mid, answer.token, answer.code) == (n.ACK, 5, b"tok", n.BAD_GATEWAY)
    assert proxy.free() == 4


def test_server_that_resets_a_non_is_5_02():
    proxy, sent = single()
    for mid, peer in ((sent.mid ^ 1, SERVER), (sent.mid, SERVER2)):
        proxy.up.deliver(datagram(n.RST, 0, mid), peer)
    assert proxy.down.sent() == [] and proxy.free() == 3
    proxy.up.deliver(datagram(n.RST, 0, sent.mid), SERVER)
    (answer,) = proxy.down.sent()
    assert (answer.kind, answer.token, answer.code) == (n.NON, b"tok", n.BAD_GATEWAY)
    assert proxy.free() == 4
    proxy.up.deliver(datagram(n.RST, 0, sent.mid), SERVER)
    assert proxy.down.sent() == [] and proxy.free() == 4


def test_reset_of_what_went_to_a_group_ends_nothing():
    proxy = Proxied(copies=2, held=4)
    sent = proxy.asked()
    for mid in [sent.mid] + list(range(1001)):  # whatever is noted beside a group request
        proxy.up.deliver(datagram(n.RST, 0, mid), sent.peer)
        proxy.up.deliver(datagram(n.RST, 0, mid), SERVER)
    assert proxy.down.sent() == [] and proxy.free() == 3


def test_server_that_is_silent_is_5_04():
    for kind in (n.CON, n.NON):
        proxy, sent = single(kind=kind)
        proxy.wire.advance(93000)
        answer = proxy.down.sent()[-1]
        assert answer.code == n.GATEWAY_TIMEOUT and answer.token == b"tok" and proxy.free() == 4


def test_5_04_for_a_con_request_is_a_con():
    proxy, sent = single(kind=n.CON)
    proxy.wire.advance(1000)
    assert proxy.down.sent()[0].kind == n.ACK
    proxy.wire.advance(92000)
    answers = proxy.down.sent()
    assert [packet.kind for packet in answers] == [n.CON] * len(answers) and answers[0].code == n.GATEWAY_TIMEOUT


def test_request_to_a_silent_server_is_sent_again():
    proxy, sent = single(kind=n.CON)
    proxy.wire.advance(9000)
    assert [packet.raw for packet in proxy.up.sent()] == [sent.raw] * 2


def test_unknown_unsafe_option_in_a_single_answer_is_5_02():
    proxy, sent = single()
    (answer,) = proxy.answer(sent.token, 7, options=[(UNKNOWN_UNSAFE, b"")])
    assert answer.code == n.BAD_GATEWAY and answer.payload == b"" and proxy.free() == 4


def test_error_of_a_single_server_is_relayed():
    proxy, sent = single()
    (answer,) = proxy.answer(sent.token, 7, code=n.NOT_FOUND, payload=b"no")
    assert answer.code == n.NOT_FOUND and answer.payload == b"no"


def test_con_request_repeated_before_the_answer_goes_on_once():
    proxy, sent = single(kind=n.CON, mid=5)
    assert proxy.ask(SINGLE, kind=n.CON, mid=5) == [] and proxy.up.sent() == []


def test_con_request_repeated_after_its_acknowledgement_is_acknowledged_again():
    for code in (n.GET, n.POST):
        proxy, sent = single(kind=n.CON, mid=5, code=code)
        proxy.wire.advance(1000)
        proxy.down.sent()
        (ack,) = proxy.ask(SINGLE, kind=n.CON, mid=5, code=code)
        assert ack.is_empty(n.ACK, 5) and proxy.up.sent() == []


def test_get_repeated_after_its_answer_was_lost_is_answered_again():
    proxy, sent = single(kind=n.CON, mid=5)
    proxy.answer(sent.token, sent.mid, kind=n.ACK)
    answers = proxy.ask(SINGLE, kind=n.CON, mid=5)
    for again in proxy.up.sent():
        answers += proxy.answer(again.token, again.mid, kind=n.ACK)
    (answer,) = answers
    assert (answer.kind, answer.mid, answer.token, answer.payload) == (n.ACK, 5, b"tok", b"21.5")


def test_post_repeated_after_its_answer_was_lost_gets_the_answer_again_and_goes_on_once():
    proxy, sent = single(kind=n.CON, mid=5, code=n.POST)
    (answer,) = proxy.answer(sent.token, sent.mid, kind=n.ACK, code=n.CHANGED, payload=b"")
    assert [packet.raw for packet in proxy.ask(SINGLE, kind=n.CON, mid=5, code=n.POST)] == [answer.raw]
    assert proxy.up.sent() == []


def test_token_of_an_open_single_exchange_is_4_00_and_stops_it():
    proxy, sent = single()
    assert proxy.ask(SINGLE)[0].code == n.BAD_REQUEST
    assert proxy.answer(sent.token, 7) == [] and proxy.free() == 4


def test_too_many_con_requests_under_way_are_5_03():
    proxy = Proxied(slots=8, sizes={"outgoing": 2})
    for token in (b"1", b"2"):
        proxy.asked(SINGLE, kind=n.CON, token=token)
    (sent,) = proxy.ask(SINGLE, kind=n.CON, token=b"3")
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) and proxy.free() == 6


def test_full_table_is_5_03_for_a_single_server_too():
    proxy = Proxied(slots=1)
    proxy.asked()
    (sent,) = proxy.ask(SINGLE, token=b"2")
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) == b"\x0a"


def test_timeout_for_a_single_server_does_not_go_on():
    proxy, sent = single([(MULTICAST_TIMEOUT, b"\x0a")] + SINGLE)
    assert sent.options == [(n.URI_PATH, b"temp"), (n.URI_QUERY, b"a")]


def test_group_and_single_exchanges_stand_side_by_side():
    proxy = Proxied()
    group, one = proxy.asked(token=b"g"), proxy.asked(SINGLE, token=b"s")
    assert group.peer == GROUP and one.peer == SERVER
    assert proxy.answer(one.token, 1)[0].token == b"s"
    assert proxy.answer(group.token, 2)[0].token == b"g"
