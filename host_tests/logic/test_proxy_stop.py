"""How a client ends an exchange early, and reuses a token (draft-ietf-core-groupcomm-proxy §5.1.3, §5.2.3)."""

from groupcoap import numbers as n
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_TIMEOUT,
    OTHER,
    SERVER2,
    STRANGER,
    UNKNOWN_SAFE,
    Proxied,
    Recorder,
    early_stop,
    group_request,
    uint,
)


def exchange(options=None, slots=4, **request):
    """A proxy, the token of a group request that has gone through it, and its first answer as the client got it."""
    proxy = Proxied(slots=slots)
    token = proxy.asked(options, **request).token
    (first,) = proxy.answer(token, 1)
    return proxy, token, first


def is_open(proxy, token, mid):
    """Is an answer to this exchange relayed?"""
    return len(proxy.answer(token, mid)) == 1


def only_acknowledged(sent, mid, peer=CLIENT):
    return len(sent) == 1 and sent[0].is_empty(n.ACK, mid) and sent[0].peer == peer


# By a Reset


def test_reset_of_a_relayed_response_ends_its_exchange():
    proxy, token, first = exchange()
    assert proxy.from_client(n.RST, first.mid) == [] and proxy.up.sent() == []
    assert proxy.free() == 4 and not is_open(proxy, token, 2)


def test_reset_of_any_of_the_relayed_responses_ends_it():
    proxy, token, first = exchange()
    for mid in range(2, 6):
        proxy.answer(token, mid, peer=SERVER2)
    proxy.from_client(n.RST, first.mid)
    assert not is_open(proxy, token, 9)


def test_reset_ends_the_exchange_that_it_belongs_to():
    proxy = Proxied()
    tokens = [proxy.asked(token=b"%d" % i).token for i in range(3)]
    relayed = [proxy.answer(token, mid)[0] for mid, token in enumerate(tokens)]
    proxy.from_client(n.RST, relayed[1].mid)
    assert [is_open(proxy, token, 10 + i) for i, token in enumerate(tokens)] == [True, False, True]


def test_reset_finds_its_exchange_after_others_have_come_and_gone():
    proxy = Proxied(slots=2)
    token = proxy.asked(token=b"one").token
    for i in range(5):
        other = proxy.asked(group_request(timeout=b"\x01"), token=b"x%d" % i, peer=OTHER).token
        proxy.answer(other, 50 + i)
        proxy.wire.advance(1000)
    (relayed,) = proxy.answer(token, 1)
    proxy.from_client(n.RST, relayed.mid)
    assert not is_open(proxy, token, 2)


def test_message_ids_that_have_wrapped_are_found():
    for last in (0xFFFE, 0xFFFF, 0x7FFF):
        proxy = Proxied()
        proxy.down.endpoint.mids[0] = last
        token = proxy.asked().token
        relayed = [proxy.answer(token, mid)[0].mid for mid in range(3)]
        assert relayed[2] == last + 3 & 0xFFFF
        proxy.from_client(n.RST, relayed[2])
        assert not is_open(proxy, token, 9)


def test_message_ids_that_have_gone_half_round_since_the_exchange_began_are_found():
    for between in (0x7FF0, 0xC000, 0xFF00, 0x1FFF0):
        proxy, token, _ = exchange()
        mids = proxy.down.endpoint.mids
        mids[0] = mids[0] + between & 0xFFFF  # so many other messages
        (relayed,) = proxy.answer(token, 2)
        proxy.from_client(n.RST, relayed.mid)
        assert not is_open(proxy, token, 3)


def test_reset_of_an_older_exchanges_message_ends_no_younger_one():
    proxy, token, first = exchange(group_request(timeout=b"\x01"), slots=1)
    proxy.wire.advance(1000)
    younger = proxy.asked(token=b"new").token
    assert younger[0] == token[0]
    proxy.from_client(n.RST, first.mid)
    assert is_open(proxy, younger, 2)


def test_reset_from_another_client_ends_nothing():
    for peer in (OTHER, STRANGER, CLIENT[:4] + b"\x00\x01"):
        proxy, token, first = exchange()
        proxy.from_client(n.RST, first.mid, peer)
        assert is_open(proxy, token, 2)


def test_reset_of_a_message_id_that_was_never_used_ends_nothing():
    proxy, token, first = exchange()
    for mid in (first.mid + 1, first.mid - 1, first.mid + 128, first.mid - 128, first.mid ^ 0x8000):
        proxy.from_client(n.RST, mid & 0xFFFF)
    assert is_open(proxy, token, 2)


def test_the_last_128_messages_are_remembered():
    for between, ended in ((127, True), (128, False)):
        proxy, token, first = exchange()
        for mid in range(between):
            proxy.answer(token, 100 + mid)
        proxy.from_client(n.RST, first.mid)
        assert is_open(proxy, token, 999) != ended


def test_message_that_lies_128_back_is_forgotten_though_nothing_of_its_place_was_relayed():
    proxy, token, first = exchange()
    proxy.down.endpoint.mids[0] += 128  # other messages
    proxy.from_client(n.RST, first.mid)
    assert is_open(proxy, token, 2)


def test_reset_of_another_message_ends_nothing():
    proxy, token, first = exchange()
    proxy.down.endpoint.mids[0] = first.mid + 127 & 0xFFFF
    (sent,) = proxy.ask([(n.URI_PATH, b"own")], token=b"own")  # an answer of the proxy itself
    assert sent.kind == n.NON and sent.mid == first.mid + 128 & 0xFFFF
    proxy.from_client(n.RST, sent.mid)
    assert is_open(proxy, token, 2)


def test_reset_of_a_refused_response_ends_its_exchange():
    proxy, token, _ = exchange()
    (bad,) = proxy.answer(token, 2, options=[(65010, b"")])
    assert bad.code == n.BAD_GATEWAY
    proxy.from_client(n.RST, bad.mid)
    assert not is_open(proxy, token, 3)


def test_reset_with_a_code_is_none():
    proxy, token, first = exchange()
    from wire import datagram

    proxy.down.receive(datagram(n.RST, n.GET, first.mid, b"tok"), CLIENT)
    assert is_open(proxy, token, 2)


def test_reset_of_what_was_no_relayed_response_goes_to_the_proxys_own_resources():
    proxy = Proxied()
    proxy.from_client(n.RST, 7)
    assert proxy.local.rejections == [(CLIENT, 7)]


def test_late_answers_after_a_reset_are_dropped_or_reset():
    proxy, token, first = exchange()
    proxy.from_client(n.RST, first.mid)
    assert proxy.answer(token, 2) == [] and proxy.up.sent() == []
    assert proxy.answer(token, 3, kind=n.CON) == []
    assert proxy.up.sent()[0].is_empty(n.RST, 3)


# By an Early Stop Request


def test_early_stop_request_is_acknowledged_and_ends_the_exchange():
    proxy, token, _ = exchange()
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    assert proxy.up.sent() == [] and proxy.free() == 4 and not is_open(proxy, token, 2)


def test_early_stop_request_that_is_non_confirmable_has_no_answer():
    proxy, token, _ = exchange()
    assert proxy.ask(early_stop()) == [] and proxy.up.sent() == []
    assert not is_open(proxy, token, 2)


def test_early_stop_request_for_a_token_unknown_is_acknowledged():
    proxy, token, _ = exchange()
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500, token=b"other"), 500)
    assert proxy.ask(early_stop(), token=b"none") == []
    assert proxy.local.requests == [] and is_open(proxy, token, 2)


def test_early_stop_request_for_an_exchange_that_has_ended_is_acknowledged():
    proxy, token, _ = exchange(group_request(timeout=b"\x01"))
    proxy.wire.advance(1000)
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=501), 501)


def test_early_stop_request_that_comes_again_is_acknowledged_again_and_ends_nothing_else():
    proxy, token, _ = exchange()
    proxy.ask(early_stop(), kind=n.CON, mid=500)
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    younger = proxy.asked(token=b"new").token
    for i in range(20):  # other requests that are acknowledged
        proxy.ask(early_stop(), kind=n.CON, mid=600 + i, token=b"?")
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    assert is_open(proxy, younger, 2)


def test_early_stop_request_of_another_client_ends_nothing():
    proxy, token, _ = exchange()
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500, peer=OTHER), 500, OTHER)
    assert is_open(proxy, token, 2)


def test_token_of_an_early_stop_request_is_compared_whole():
    proxy, token, _ = exchange(token=b"token")
    for other in (b"", b"toke", b"tokens", b"Token", b"tokeN"):
        proxy.ask(early_stop(), token=other)
    assert is_open(proxy, token, 2)


def test_early_stop_request_with_an_empty_token():
    proxy, token, _ = exchange(token=b"")
    proxy.ask(early_stop(), token=b"")
    assert not is_open(proxy, token, 2)


def test_early_stop_request_ends_one_of_several_exchanges():
    proxy = Proxied()
    one, two = proxy.asked(token=b"1").token, proxy.asked(token=b"2").token
    proxy.ask(early_stop(), token=b"1")
    assert not is_open(proxy, one, 1) and is_open(proxy, two, 2)


def test_early_stop_request_may_say_0_with_leading_zeros():
    for value in (b"\0", b"\0\0\0\0"):  # RFC 7252 §3.2
        proxy, token, _ = exchange()
        assert only_acknowledged(proxy.ask([(MULTICAST_TIMEOUT, value)], kind=n.CON, mid=500), 500)
        assert not is_open(proxy, token, 2)


def test_early_stop_request_may_carry_what_is_no_target():
    proxy, token, _ = exchange()
    assert only_acknowledged(proxy.ask(early_stop() + [(UNKNOWN_SAFE, b"x")], kind=n.CON, mid=500), 500)
    assert not is_open(proxy, token, 2)


def test_request_with_a_target_is_no_early_stop_request():
    for number, value in (
        (n.URI_HOST, b"proxy.example"),
        (n.URI_PORT, b"\x16\x33"),
        (n.URI_PATH, b"temp"),
        (n.URI_PATH_ABBREV, b"\x01"),
        (n.URI_QUERY, b"a"),
    ):
        proxy, token, _ = exchange()
        (sent,) = proxy.ask(early_stop() + [(number, value)], kind=n.CON)
        assert sent.code == n.CONTENT and len(proxy.local.requests) == 1
        assert is_open(proxy, token, 2)


def test_request_with_a_proxy_option_is_no_early_stop_request():
    for more in (
        [(n.PROXY_URI, b"coap://224.0.1.187/temp")],
        [(n.PROXY_SCHEME, b"coap")],
        [(n.PROXY_CRI, b"\x82\x20\x81\x44\xe0\x00\x01\xbb")],
        [(n.PROXY_SCHEME_NUMBER, b"")],
    ):
        proxy = Proxied()
        sent = proxy.ask(early_stop() + more, kind=n.CON, mid=500)
        # Two of them are group requests that want no answers; the others are for the proxy itself
        assert only_acknowledged(sent, 500) == bool(proxy.up.sent()) == (len(proxy.local.requests) == 0)


def test_other_methods_are_no_early_stop_request():
    for code in (n.POST, n.PUT, n.DELETE, n.FETCH, n.PATCH, n.IPATCH):
        proxy, token, _ = exchange()
        proxy.ask(early_stop(), code=code, kind=n.CON)
        assert [request[0] for request in proxy.local.requests] == [code] and is_open(proxy, token, 2)


def test_timeout_above_0_makes_no_early_stop_request():
    for value in (b"\x01", b"\0\0\0\0\0"):  # the second one is too long
        proxy, token, _ = exchange()
        proxy.ask([(MULTICAST_TIMEOUT, value)], kind=n.CON)
        assert len(proxy.local.requests) == 1 and is_open(proxy, token, 2)


def test_early_stop_request_by_multicast_is_none():
    from wire import datagram

    proxy, token, _ = exchange()
    assert proxy.down.receive(datagram(n.NON, n.GET, 500, b"tok", early_stop()), CLIENT, group=1) == []
    assert is_open(proxy, token, 2)


def test_early_stop_request_ends_an_individual_exchange_unanswered():
    proxy = Proxied()
    token = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/temp")], kind=n.CON).token
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    assert proxy.free() == 4 and proxy.answer(token, 2) == []
    proxy.up.sent()
    proxy.wire.advance(100000)
    assert proxy.up.sent() == [] and proxy.down.sent() == []  # the server is not asked again, nor the client answered


def test_early_stop_request_ends_what_was_asked_in_profile_00():
    proxy = Proxied()
    token = proxy.asked([(n.PROXY_URI, b"coap://224.0.1.187/temp"), (65000, b"\x0a")]).token
    assert only_acknowledged(proxy.ask(early_stop(), kind=n.CON, mid=500), 500)
    assert not is_open(proxy, token, 2)


# By reuse of its token


def test_token_of_an_open_exchange_ends_it_and_is_4_00():
    for kind in (n.NON, n.CON):
        for options in (group_request(), group_request(b"coap://224.0.1.188/x"), [(n.PROXY_URI, b"coap://192.0.2.5")]):
            proxy, token, _ = exchange()
            (sent,) = proxy.ask(options, kind=kind)
            assert sent.code == n.BAD_REQUEST and sent.payload and sent.token == b"tok"
            assert proxy.up.sent() == [] and proxy.free() == 4 and not is_open(proxy, token, 2)


def test_request_after_a_reuse_of_its_token_is_served():
    proxy, token, _ = exchange()
    proxy.ask(group_request())
    assert is_open(proxy, proxy.asked().token, 3)


def test_token_of_another_client_is_no_reuse():
    proxy, token, _ = exchange()
    other = proxy.asked(peer=OTHER).token
    assert is_open(proxy, token, 2) and is_open(proxy, other, 3)


def test_observe_makes_no_registration_of_an_exchange_that_was_none():
    for value in (0, 1):
        proxy, token, _ = exchange()
        options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.OBSERVE, uint(value)), (n.PROXY_URI, b"coap://224.0.1.187/temp")]
        (sent,) = proxy.ask(options)
        assert sent.code == n.BAD_REQUEST and proxy.up.sent() == [] and not is_open(proxy, token, 2)


def test_reuse_by_a_request_that_is_refused_anyway_ends_nothing():
    proxy = Proxied(allow=[(CLIENT[:4], (GROUP,), False)])
    token = proxy.asked().token
    (sent,) = proxy.ask([(n.PROXY_URI, b"coap://192.0.2.5/temp")])
    assert sent.code == n.UNAUTHORIZED and is_open(proxy, token, 2)


def test_early_stop_request_reaches_a_proxys_own_resources_not():
    proxy = Proxied()
    proxy.local = Recorder(proxy.down.endpoint)
    proxy.down.endpoint.role = proxy.forward
    proxy.ask(early_stop(), kind=n.CON)
    assert proxy.local.requests == []
