"""Group requests of the client through proxies: early stop, naming the target, reverse-proxies, follow-up requests.

Sections are those of draft-ietf-core-groupcomm-proxy-07.
"""

from asking import GROUP_URI, Asking, through
from groupcoap import cri, uri
from groupcoap import numbers as n
from groupcoap.client import MARGIN, Response
from wire import (
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    STRANGER,
    datagram,
)

OWN = b"\x82\x20\x81\x44\xc0\x00\x02\x01"  # coap://192.0.2.1, the proxy
ORIGIN = b"\x82\x20\x81\x44\xc0\x00\x02\x05"
ORIGIN2 = b"\x82\x20\x81\x44\xc0\x00\x02\x06"
BY_HOST = OWN + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"  # //192.0.2.5
BY_HOST2 = OWN + b"\x82\xf6\x82\x44\xc0\x00\x02\x06\x19\xf0\xb0"  # //192.0.2.6:61616
BY_PATH = OWN + b"\x82\xf5\x82\x62gp\x6210"  # /gp/10
BY_PATH2 = OWN + b"\x82\xf5\x82\x62gp\x6211"
PROXY_URI = "coap://192.0.2.1/gp/temp"
BODY = bytes([(i * 7) & 255 for i in range(100)])


def relayed(asking, value=ORIGIN, mid=1, options=(), code=n.CONTENT, payload=b"21.5", kind=n.NON):
    """The proxy relays an answer: what goes out."""
    return asking.answer(kind, code, mid, list(options) + [(REPLY_FROM, value)], payload, PROXY)


def acknowledge(asking, sent):
    return asking.port.receive(datagram(n.ACK, 0, sent.mid), sent.peer)


def stop(asking):
    """Stop the request: what goes out."""
    asking.client.stop(asking.request, asking.wire.now)
    return asking.port.sent()


def refused(function):
    """Is this a ValueError?"""
    try:
        function()
    except ValueError:
        return True
    return False


# T' < T (§5.1.1)


def test_time_for_answers_is_shorter_than_the_token_is_kept():
    for timeout in (0, 1, 60, 300):
        asking = through(timeout=timeout, confirmable=False)
        value = asking.sent.option(MULTICAST_TIMEOUT)
        asking.wire.advance(int.from_bytes(value, "big") * 1000 + MARGIN - 1)
        assert asking.free() == 15 and asking.items == []
        asking.wire.advance(1)
        assert asking.free() == 16 and asking.items == [None]


def test_late_answer_is_dropped_and_no_token_comes_back():
    asking = through(timeout=1, confirmable=False)
    asking.wire.advance(1000 + MARGIN)
    tokens = {asking.sent.token}
    for mid in range(20):
        assert relayed(asking, mid=mid) == []
        asking.send(GROUP_URI, proxy=PROXY, timeout=0, confirmable=False)
        (asking.sent,) = asking.port.sent()
        assert asking.sent.token not in tokens
        tokens.add(asking.sent.token)
        asking.wire.advance(MARGIN)
    assert [item for item in asking.items if item is not None] == []


def test_who_wants_no_response_at_all_sends_timeout_0():
    sent = through(timeout=60, no_response=26).sent
    assert sent.option(MULTICAST_TIMEOUT) == b"" and sent.option(n.NO_RESPONSE) == b"\x1a"
    assert through(timeout=60, no_response=24).sent.option(MULTICAST_TIMEOUT) == b"\x3c"


# Early stop (§5.1.3)


def test_early_stop_request_has_the_token_and_an_empty_timeout_and_nothing_else():
    asking = through(accept=60)
    acknowledge(asking, asking.sent)
    relayed(asking)
    (sent,) = stop(asking)
    assert (sent.kind, sent.code, sent.peer, sent.token) == (n.CON, n.GET, PROXY, asking.sent.token)
    assert sent.options == [(MULTICAST_TIMEOUT, b"")] and sent.payload == b"" and sent.mid != asking.sent.mid
    assert asking.free() == 16 and len(asking.items) == 1


def test_early_stop_request_is_repeated_until_its_acknowledgement():
    asking = through()
    acknowledge(asking, asking.sent)
    (sent,) = stop(asking)
    asking.wire.advance(10000)
    again = asking.port.sent()
    assert len(again) == 2 and {packet.raw for packet in again} == {sent.raw}
    acknowledge(asking, sent)
    asking.wire.advance(100000)
    assert asking.port.sent() == [] and asking.items == []


def test_early_stop_that_nobody_acknowledges_or_that_is_reset_fails_nothing():
    for kind in (None, n.RST):
        asking = through()
        acknowledge(asking, asking.sent)
        (sent,) = stop(asking)
        if kind is not None:
            asking.port.receive(datagram(kind, 0, sent.mid), PROXY)
        asking.wire.advance(200000)
        assert len(asking.port.sent()) == (4 if kind is None else 0) and asking.items == []


def test_answers_after_an_early_stop_are_not_delivered():
    asking = through()
    acknowledge(asking, asking.sent)
    relayed(asking)
    stop(asking)
    relayed(asking, mid=2)
    assert relayed(asking, mid=3, kind=n.CON)[0].is_empty(n.RST, 3)
    asking.wire.advance(100000)
    assert len(asking.items) == 1


def test_early_stop_of_what_went_non_confirmable_is_so_too():
    asking = through(confirmable=False)
    (sent,) = stop(asking)
    assert sent.kind == n.NON and sent.token == asking.sent.token and sent.options == [(MULTICAST_TIMEOUT, b"")]
    asking.wire.advance(100000)
    assert asking.port.sent() == [] and asking.items == []


def test_request_that_is_not_acknowledged_yet_is_no_longer_repeated_when_stopped():
    asking = through()
    (sent,) = stop(asking)
    acknowledge(asking, sent)
    asking.wire.advance(100000)
    assert sent.options == [(MULTICAST_TIMEOUT, b"")] and asking.port.sent() == []


def test_early_stop_goes_out_though_no_place_is_left_to_repeat_it_from():
    asking = through(sizes={"outgoing": 1})
    acknowledge(asking, asking.sent)
    asking.send("coap://192.0.2.6/temp")
    asking.port.sent()
    (sent,) = stop(asking)
    assert sent.kind == n.CON and sent.options == [(MULTICAST_TIMEOUT, b"")]


def test_stopping_where_no_proxy_would_understand_only_forgets():
    for asking in (
        Asking(GROUP_URI),
        Asking(),
        through(profile="00"),
        through(timeout=0),
        through("coap://192.0.2.5/temp"),
    ):
        acknowledge(asking, asking.sent)
        assert stop(asking) == [] and asking.free() == 16
        asking.wire.advance(100000)
        assert asking.items == [] and asking.port.sent() == []


def test_stopping_what_is_over_sends_nothing():
    asking = through(timeout=1)
    acknowledge(asking, asking.sent)
    asking.wire.advance(10000)
    assert asking.items == [None] and stop(asking) == []
    asking = through()
    acknowledge(asking, asking.sent)
    stop(asking)
    assert stop(asking) == []


def test_stopping_ends_the_fetches_of_further_blocks():
    asking = through()
    acknowledge(asking, asking.sent)
    (fetch,) = relayed(asking, options=[(n.BLOCK2, b"\x0a")], payload=BODY[:64])
    (sent,) = stop(asking)
    assert asking.free() == 16 and sent.options == [(MULTICAST_TIMEOUT, b"")]


def test_early_stop_of_an_observation_has_its_token():
    asking = through(observe=True)
    acknowledge(asking, asking.sent)
    relayed(asking, options=[(n.OBSERVE, b"\x05")])
    (sent,) = stop(asking)
    assert sent.token == asking.sent.token and sent.options == [(MULTICAST_TIMEOUT, b"")]
    assert relayed(asking, mid=2, options=[(n.OBSERVE, b"\x06")])[0].is_empty(n.RST, 2) and len(asking.items) == 1


# Naming the target (§5.1.1)


def named(naming, target=GROUP_URI, proxy=PROXY, **settings):
    return Asking(target, proxy=proxy, naming=naming, **settings).sent.options


def test_target_by_proxy_scheme_and_uri_options():
    expected = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"temp")]
    assert named("scheme") == expected + [(n.PROXY_SCHEME, b"coap")]
    assert named("scheme-number") == expected + [(n.PROXY_SCHEME_NUMBER, b"")]


def test_target_by_parts_has_each_part_as_an_option_of_its_own():
    found = named("scheme", "coap://h.example:61616/a%2Fb/c?x=1&y=%26", group=True, accept=60)
    assert found == [
        (MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"h.example"), (n.URI_PORT, b"\xf0\xb0"), (n.URI_PATH, b"a/b"),
        (n.URI_PATH, b"c"), (n.URI_QUERY, b"x=1"), (n.URI_QUERY, b"y=&"), (n.ACCEPT, b"\x3c"),
        (n.PROXY_SCHEME, b"coap"),
    ]  # fmt: skip
    assert (n.URI_HOST, b"[ff02::fd]") in named("scheme", "coap://[ff02::fd]/r")


def test_target_by_parts_says_its_port_where_it_is_not_the_one_that_it_is_sent_to():
    elsewhere = uri.pack(PROXY[:4], 61616)
    for target, proxy, value in (
        ("coap://224.0.1.187/r", PROXY, None),
        ("coap://224.0.1.187/r", elsewhere, b"\x16\x33"),
        ("coap://224.0.1.187:61616/r", elsewhere, b"\xf0\xb0"),
    ):
        assert [v for number, v in named("scheme", target, proxy) if number == n.URI_PORT] == ([value] if value else [])


def test_target_by_proxy_cri():
    (_, (number, value)) = named("cri", "coap://224.0.1.187:61616/a/b%2Fc?x=1&y")
    assert number == n.PROXY_CRI and value == (
        b"\x84\x20\x82\x44\xe0\x00\x01\xbb\x19\xf0\xb0\x82\x61a\x63b/c\x82\x63x=1\x61y"
    )
    (_, (_, value)) = named("cri", "coap://h.example/r", group=True)
    assert cri.to_uri(cri.decode(value)) == "coap://h.example/r"
    (_, (_, value)) = named("cri", "coap://[ff02::fd]")
    assert value == b"\x82\x20\x81\x50\xff\x02" + bytes(13) + b"\xfd"


def test_single_server_may_be_named_in_each_way():
    for naming, expected in (
        ("scheme", [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r"), (n.PROXY_SCHEME, b"coap")]),
        ("scheme-number", [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r"), (n.PROXY_SCHEME_NUMBER, b"")]),
        ("cri", [(n.PROXY_CRI, b"\x83\x20\x81\x44\xc0\x00\x02\x05\x81\x61r")]),
    ):
        assert named(naming, "coap://192.0.2.5/r") == expected


def test_target_that_cannot_be_named_so_is_refused():
    assert refused(lambda: through(naming="name"))
    assert refused(lambda: through("coap://224.0.1.187/%ff", naming="cri"))
    assert refused(lambda: through("ftp://224.0.1.187/r", naming="scheme-number"))


def test_further_blocks_are_asked_for_by_the_same_naming():
    for naming, expected in (
        ("scheme", [(n.URI_HOST, b"192.0.2.6"), (n.URI_PATH, b"temp"), (n.BLOCK2, b"\x12"), (n.PROXY_SCHEME, b"coap")]),
        ("cri", [(n.BLOCK2, b"\x12"), (n.PROXY_CRI, b"\x83\x20\x81\x44\xc0\x00\x02\x06\x81\x64temp")]),
    ):
        asking = through(naming=naming)
        (fetch,) = relayed(asking, ORIGIN2, options=[(n.BLOCK2, b"\x0a")], payload=BODY[:64])
        assert fetch.options == expected and fetch.peer == PROXY


def test_name_of_a_group_is_left_to_the_proxy():
    asking = through("coap://lights.example/temp", group=True)
    assert asking.sent.options == [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_URI, b"coap://lights.example/temp")]
    relayed(asking)
    relayed(asking, ORIGIN2, 2)
    assert [item.origin for item in asking.items] == [SERVER, SERVER2]
    asking = through("coap://lights.example:61616/temp", group=True, profile="00")
    asking.answer(mid=1, options=[(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")], peer=PROXY)
    assert asking.items[0].origin == uri.pack(SERVER[:4], 61616)


# Answers whose origin is no address


def test_answer_whose_origin_is_a_name_is_delivered_and_ends_nothing():
    asking = through()
    relayed(asking, b"\x82\x20\x82\x61a\x67example")
    relayed(asking, mid=2)
    assert [item.origin for item in asking.items] == [None, SERVER]
    assert str(asking.items[0].target("r?x=1")) == "coap://a.example/r?x=1"


def test_answer_whose_reply_from_nobody_can_read_is_delivered_and_ends_nothing():
    asking = through()
    relayed(asking, b"\x82\x20\x81\x44\xc0\x00")
    relayed(asking, mid=2, value=b"\xff" * 8, options=[(n.BLOCK2, b"\x0a")], payload=BODY[:64])
    relayed(asking, mid=3)
    assert [item.origin for item in asking.items] == [None, SERVER] and asking.request.lost == 1
    assert refused(lambda: asking.items[0].target("r"))


# Reverse-proxies (§6.2)


def reverse(target=PROXY_URI, **settings):
    settings.setdefault("reverse", True)
    return Asking(target, **settings)


def test_request_to_a_reverse_proxy_has_uri_options_and_a_timeout():
    asking = reverse("coap://192.0.2.1/gp/temp?a", timeout=60)
    assert (asking.sent.peer, asking.sent.kind) == (PROXY, n.CON)
    assert asking.sent.options == [
        (MULTICAST_TIMEOUT, b"\x3c"), (n.URI_PATH, b"gp"), (n.URI_PATH, b"temp"), (n.URI_QUERY, b"a"),
    ]  # fmt: skip


def test_group_that_a_reverse_proxy_knows_by_its_host():
    sent = reverse("coap://group1.com/r", proxy=PROXY).sent
    assert sent.peer == PROXY
    assert sent.options == [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"group1.com"), (n.URI_PATH, b"r")]
    assert reverse("coap://192.0.2.1/r", proxy=PROXY).sent.options[1:] == [(n.URI_PATH, b"r")]
    sent = reverse("coap://[ff02::fd]:61616/r", proxy=PROXY).sent
    assert sent.options[1:3] == [(n.URI_HOST, b"[ff02::fd]"), (n.URI_PORT, b"\xf0\xb0")]


def test_answers_of_a_reverse_proxy_are_told_apart_though_all_have_its_address():
    asking = reverse()
    acknowledge(asking, asking.sent)
    for mid, value in enumerate((BY_HOST, BY_HOST2, BY_PATH, BY_PATH2, ORIGIN)):
        relayed(asking, value, mid)
    assert [item.origin for item in asking.items] == [SERVER, uri.pack(SERVER2[:4], 61616), PROXY, PROXY, SERVER]
    assert len({item.reply_from for item in asking.items}) == 5
    asking.wire.advance(10000 + MARGIN - 1)
    assert len(asking.items) == 5 and asking.free() == 15
    asking.wire.advance(1)
    assert asking.items[5:] == [None] and asking.over()


def test_reverse_proxy_is_stopped_early_once_it_has_the_request():
    asking = reverse()
    acknowledge(asking, asking.sent)
    (sent,) = stop(asking)
    assert sent.options == [(MULTICAST_TIMEOUT, b"")] and sent.peer == PROXY and sent.token == asking.sent.token
    asking = reverse()
    assert stop(asking) == [] and asking.free() == 16


def test_what_is_no_request_to_a_reverse_proxy_is_refused():
    assert refused(lambda: reverse(GROUP_URI)) and refused(lambda: reverse(profile="00"))
    assert refused(lambda: reverse("coap+tcp://192.0.2.1/r")) and refused(lambda: reverse(copies=2))


def test_reverse_proxy_reveals_itself():
    asking = Asking(PROXY_URI)
    asking.answer(n.ACK, n.BAD_REQUEST, asking.sent.mid, [(MULTICAST_TIMEOUT, b"")], b"", PROXY)
    assert asking.items[0].wants_timeout() and asking.items[0].least_timeout() is None and asking.over()
    for code, options in ((n.BAD_REQUEST, []), (n.BAD_REQUEST, [(MULTICAST_TIMEOUT, b"\x05")]),
                          (n.CONTENT, [(MULTICAST_TIMEOUT, b"")])):  # fmt: skip
        asking = Asking(PROXY_URI)
        asking.answer(n.ACK, code, asking.sent.mid, options, b"", PROXY)
        assert not asking.items[0].wants_timeout()


def test_refusal_of_a_chain_tells_the_least_timeout():
    asking = through(timeout=3)
    asking.answer(n.ACK, n.PROXYING_NOT_SUPPORTED, asking.sent.mid, [(MULTICAST_TIMEOUT, b"\x01\x02")], b"", PROXY)
    assert asking.items[0].least_timeout() == 258 and not asking.items[0].wants_timeout() and asking.over()
    asking = through(timeout=3)
    asking.answer(n.ACK, n.PROXYING_NOT_SUPPORTED, asking.sent.mid, [], b"", PROXY)
    assert asking.items[0].least_timeout() is None


# Follow-up requests (§5.5.1, §6.2)


def followed(value, reference="r1?x=1", start=reverse, **settings):
    """The request to one of those that have answered."""
    asking = start()
    acknowledge(asking, asking.sent)
    relayed(asking, value)
    asking.client.send(asking.items.append, asking.wire.now, n.GET, asking.items[0].target(reference), **settings)
    (sent,) = asking.port.sent()
    return sent


R1 = [(n.URI_PATH, b"r1"), (n.URI_QUERY, b"x=1")]


def test_follow_up_goes_to_the_reverse_proxy_with_the_servers_uri_host():
    sent = followed(BY_HOST)
    assert sent.peer == PROXY and sent.options == [(n.URI_HOST, b"192.0.2.5")] + R1


def test_follow_up_has_uri_port_only_where_the_reference_has_a_port():
    assert [number for number, _ in followed(BY_HOST).options if number == n.URI_PORT] == []
    assert followed(BY_HOST2).options == [(n.URI_HOST, b"192.0.2.6"), (n.URI_PORT, b"\xf0\xb0")] + R1


def test_follow_up_has_the_uri_host_of_a_server_that_is_where_the_proxy_is():
    sent = followed(OWN + b"\x82\xf6\x82\x44\xc0\x00\x02\x01\x19\xf0\xb0")
    assert sent.peer == PROXY and sent.options[:2] == [(n.URI_HOST, b"192.0.2.1"), (n.URI_PORT, b"\xf0\xb0")]


def test_follow_up_to_a_named_or_ipv6_server_behind_a_reverse_proxy():
    assert followed(OWN + b"\x82\xf6\x82\x62s1\x67example").options == [(n.URI_HOST, b"s1.example")] + R1
    six = OWN + b"\x82\xf6\x81\x50\x20\x01\x0d\xb8" + bytes(11) + b"\x05"
    assert followed(six).options == [(n.URI_HOST, b"[2001:db8::5]")] + R1


def test_follow_up_has_its_own_path_behind_that_of_the_reference():
    for value in (BY_PATH, OWN + b"\x83\xf6\xf6\x82\x62gp\x6210"):
        sent = followed(value)
        assert sent.peer == PROXY and sent.options == [(n.URI_PATH, b"gp"), (n.URI_PATH, b"10")] + R1
    sent = followed(OWN + b"\x83\xf6\x81\x44\xc0\x00\x02\x05\x81\x62gp", "/")
    assert sent.options == [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"gp")]


def test_follow_up_goes_to_the_address_that_stands_for_the_server():
    sent = followed(b"\x82\x20\x82\x44\xc0\x00\x02\x0a\x19\x9c\x40")
    assert sent.peer == OTHER and sent.options == R1


def test_follow_up_after_a_forward_proxy_goes_directly_or_through_it():
    sent = followed(ORIGIN2, start=through)
    assert sent.peer == SERVER2 and sent.options == R1
    sent = followed(ORIGIN2, start=through, proxy=PROXY)
    assert sent.peer == PROXY and sent.options == [(n.PROXY_URI, b"coap://192.0.2.6/r1?x=1")]


def test_follow_up_to_a_server_of_another_transport_goes_through_the_proxy_only():
    value = b"\x82\x26\x81\x44\xc0\x00\x02\x06"  # coap+tcp
    sent = followed(value, start=through, proxy=PROXY)
    assert sent.options == [(n.PROXY_URI, b"coap+tcp://192.0.2.6/r1?x=1")]
    assert refused(lambda: followed(value, start=through))


def test_follow_up_by_uri_host_is_refused_in_front_of_another_proxy():
    assert refused(lambda: followed(BY_HOST, proxy=STRANGER))


def test_follow_up_to_who_has_answered_by_multicast_or_in_profile_00():
    asking = Asking(GROUP_URI)
    asking.answer(peer=SERVER2)
    assert str(asking.items[0].target("r1?x=1")) == "coap://192.0.2.6/r1?x=1"
    asking = through(profile="00")
    asking.answer(mid=1, options=[(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")], peer=PROXY)
    assert asking.items[0].target().address == SERVER


def test_reply_from_of_who_answers_by_multicast_misleads_nobody():
    asking = Asking(GROUP_URI)
    asking.answer(options=[(REPLY_FROM, ORIGIN2)])
    assert asking.items[0].origin == SERVER and asking.items[0].target("r").address == SERVER


def test_there_is_no_follow_up_to_the_answer_of_a_proxy_itself():
    assert refused(lambda: Response(n.BAD_REQUEST, [], b"", None, 0).target("r"))


# Further blocks from behind a reverse-proxy


def blockwise(asking, value):
    """The first of two blocks is relayed: the request for the second."""
    (fetch,) = relayed(asking, value, options=[(n.BLOCK2, b"\x0a")], payload=BODY[:64])
    return fetch


def last_block(asking, fetch):
    """The answer to a request for the second block: what goes out."""
    data = datagram(n.ACK, n.CONTENT, fetch.mid, fetch.token, [(n.BLOCK2, b"\x12")], BODY[64:])
    return asking.port.receive(data, fetch.peer)


def test_further_blocks_are_fetched_by_the_follow_up_rule():
    for value, target, expected in (
        (BY_HOST, "coap://192.0.2.1/r", [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r")]),
        (BY_HOST2, "coap://192.0.2.1/r", [(n.URI_HOST, b"192.0.2.6"), (n.URI_PORT, b"\xf0\xb0"), (n.URI_PATH, b"r")]),
        (BY_PATH, PROXY_URI, [(n.URI_PATH, b"gp"), (n.URI_PATH, b"10"), (n.URI_PATH, b"temp")]),
    ):
        asking = reverse(target, accept=42)
        fetch = blockwise(asking, value)
        assert fetch.peer == PROXY and fetch.options == expected + [(n.ACCEPT, b"\x2a"), (n.BLOCK2, b"\x12")]
        assert fetch.token != asking.sent.token and fetch.kind == n.CON


def test_answer_in_blocks_is_delivered_whole_with_its_origin():
    asking = reverse()
    acknowledge(asking, asking.sent)
    first = blockwise(asking, BY_HOST)
    relayed(asking, BY_HOST2, 2, [(n.BLOCK2, b"\x0a")], payload=BODY[:64])  # one address, but another origin
    (second,) = last_block(asking, first)
    last_block(asking, second)
    assert [item.payload for item in asking.items] == [BODY, BODY]
    assert [(item.origin, item.reply_from) for item in asking.items] == [
        (SERVER, BY_HOST), (uri.pack(SERVER2[:4], 61616), BY_HOST2),
    ]  # fmt: skip


def test_further_blocks_of_who_is_reached_directly_are_without_the_groups_path():
    asking = reverse(reverse="gp")
    fetch = blockwise(asking, ORIGIN)
    assert fetch.peer == SERVER and fetch.options == [(n.URI_PATH, b"temp"), (n.BLOCK2, b"\x12")]
    asking = reverse("coap://group1.com/r", proxy=PROXY)
    fetch = blockwise(asking, ORIGIN)
    assert fetch.peer == SERVER and fetch.options == [(n.URI_PATH, b"r"), (n.BLOCK2, b"\x12")]


def test_origin_that_waits_for_its_turn_is_fetched_by_the_follow_up_rule_too():
    asking = reverse(client={"fetches": 1})
    acknowledge(asking, asking.sent)
    first = blockwise(asking, BY_PATH)
    assert relayed(asking, BY_PATH2, 2, [(n.BLOCK2, b"\x0a")], payload=BODY[:64]) == []
    (second,) = last_block(asking, first)
    assert [value for number, value in second.options if number == n.URI_PATH] == [b"gp", b"11", b"temp"]
    asking.port.receive(datagram(n.ACK, n.CONTENT, second.mid, second.token, [], BODY), PROXY)
    assert [(item.origin, item.reply_from) for item in asking.items] == [(PROXY, BY_PATH), (PROXY, BY_PATH2)]


def test_observation_through_a_reverse_proxy_keeps_an_order_for_each_server():
    asking = reverse(observe=True)
    acknowledge(asking, asking.sent)
    relayed(asking, BY_PATH, 1, [(n.OBSERVE, b"\x05")], payload=b"a")
    relayed(asking, BY_PATH2, 2, [(n.OBSERVE, b"\x03")], payload=b"b")
    relayed(asking, BY_PATH, 3, [(n.OBSERVE, b"\x04")], payload=b"old")
    assert [item.payload for item in asking.items] == [b"a", b"b"]


def test_failed_fetch_costs_the_answer_and_nothing_else():
    asking = reverse()
    acknowledge(asking, asking.sent)
    fetch = blockwise(asking, BY_PATH)
    asking.port.receive(datagram(n.RST, 0, fetch.mid), PROXY)
    asking.wire.advance(10000 + MARGIN)
    assert asking.items == [None] and asking.request.lost == 1 and asking.free() == 16
