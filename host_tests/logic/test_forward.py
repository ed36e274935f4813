"""The forward-proxy's way of a request (draft-ietf-core-groupcomm-proxy §5.2, RFC 7252 §5.7), both wire profiles."""

from groupcoap import cbor, uri
from groupcoap import numbers as n
from wire import (
    CLIENT,
    GROUP,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    SERVER,
    STRANGER,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
    UNKNOWN_UNSAFE,
    Proxied,
    datagram,
    group_request,
)

TARGET2 = b"coap://224.0.1.188/temp"


def refused(proxy, wanted, options=None, **request):
    """The proxy refuses a request with the code `wanted` and sends nothing on: the response."""
    (sent,) = proxy.ask(group_request() if options is None else options, **request)
    assert sent.code == wanted, (sent.code, sent.payload)
    assert proxy.up.sent() == []
    return sent


# Whose request it is


def test_client_off_the_allow_list_is_4_01():
    proxy = Proxied()
    sent = refused(proxy, n.UNAUTHORIZED, peer=STRANGER)
    assert sent.token == b"tok" and sent.peer == STRANGER and proxy.free() == 4


def test_group_that_is_not_the_clients_is_4_01():
    proxy = Proxied(allow=[(CLIENT[:4], (GROUP,), True)])
    refused(proxy, n.UNAUTHORIZED, group_request(TARGET2))
    proxy.asked()


def test_group_at_another_port_is_4_01():
    refused(Proxied(), n.UNAUTHORIZED, group_request(b"coap://224.0.1.187:5684/temp"))


def test_group_while_none_is_enabled_is_5_01():
    refused(Proxied(allow=[(CLIENT[:4], (), True)]), n.NOT_IMPLEMENTED)


def test_client_is_known_by_its_address_whatever_its_port():
    Proxied().asked(peer=uri.pack(CLIENT[:4], 1234))


def test_single_server_for_a_client_not_allowed_one_is_4_01():
    proxy = Proxied(allow=[(CLIENT[:4], (GROUP,), False)])
    refused(proxy, n.UNAUTHORIZED, [(n.PROXY_URI, b"coap://192.0.2.5/temp")])


# Multicast-Timeout and Multicast-Signaling


def test_request_without_a_timeout_is_4_00_with_an_empty_one():
    sent = refused(Proxied(), n.BAD_REQUEST, [(n.PROXY_URI, b"coap://224.0.1.187/temp")])
    assert sent.options == [(MULTICAST_TIMEOUT, b"")] and sent.payload


def test_other_4_00_has_no_timeout_option():
    assert refused(Proxied(), n.BAD_REQUEST, group_request(b"no uri")).options == []


def test_timeout_of_five_bytes_is_4_02():
    refused(Proxied(), n.BAD_OPTION, group_request(timeout=b"\0\0\0\0\x0a"))


def test_timeout_that_comes_twice_is_4_02():
    refused(Proxied(), n.BAD_OPTION, [(MULTICAST_TIMEOUT, b"\x0a")] + group_request())


def test_timeout_is_removed():
    assert Proxied().asked().option(MULTICAST_TIMEOUT) is None


def test_signaling_travels_on():
    proxy = Proxied()
    options = [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\x0a")]
    assert proxy.asked(options).options == [(n.URI_PATH, b"temp"), (MULTICAST_SIGNALING, b"\x0a")]


def test_of_both_the_timeout_is_removed_and_the_signaling_travels_on():
    proxy = Proxied()
    sent = proxy.asked(group_request(more=[(MULTICAST_SIGNALING, b"\x63")]))
    assert sent.options == [(n.URI_PATH, b"temp"), (MULTICAST_SIGNALING, b"\x63")]


def test_of_both_the_timeout_counts():
    proxy = Proxied()
    sent = proxy.asked(group_request(timeout=b"\x01", more=[(MULTICAST_SIGNALING, b"\x63")]))
    proxy.wire.advance(1001)
    assert proxy.answer(sent.token, 1) == []


def test_signaling_of_six_bytes_counts_as_absent():
    options = [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\0\0\0\0\0\x0a")]
    assert refused(Proxied(), n.BAD_REQUEST, options).options == [(MULTICAST_TIMEOUT, b"")]


def test_signaling_of_five_bytes_counts():
    proxy = Proxied()
    options = [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"\xff\xff\xff\xff\xff")]
    token = proxy.asked(options).token
    proxy.wire.advance(119000)
    assert len(proxy.answer(token, 1)) == 1


# What goes on


def test_request_goes_to_the_group_as_a_non_with_a_token_of_the_proxys_own():
    proxy = Proxied()
    for kind in (n.CON, n.NON):
        sent = proxy.asked(kind=kind, token=b"%d" % kind)
        assert sent.kind == n.NON and sent.peer == GROUP and sent.code == n.GET
        assert len(sent.token) == 8


def test_requests_go_on_with_message_ids_of_the_proxys_own():
    proxy = Proxied()
    one, two = proxy.asked(token=b"1", mid=7), proxy.asked(token=b"2", mid=700)
    assert two.mid == (one.mid + 1) & 0xFFFF


def test_proxy_uri_becomes_path_and_query():
    sent = Proxied().asked(group_request(b"coap://224.0.1.187/a/%C3%A9?x=1&y"))
    assert sent.options == [
        (n.URI_PATH, b"a"), (n.URI_PATH, b"\xc3\xa9"), (n.URI_QUERY, b"x=1"), (n.URI_QUERY, b"y"),
    ]  # fmt: skip


def test_uri_options_beside_a_proxy_uri_are_ignored():
    options = [(n.URI_HOST, b"192.0.2.77"), (n.URI_PORT, b"\x01"), (n.URI_PATH, b"no"), (n.URI_QUERY, b"no")]
    sent = Proxied().asked(sorted(options + group_request()))
    assert sent.options == [(n.URI_PATH, b"temp")] and sent.peer == GROUP


def test_proxy_scheme_with_uri_options():
    options = [
        (MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.URI_PORT, b"\x16\x33"), (n.URI_PATH, b"a"),
        (n.URI_QUERY, b"q"), (n.PROXY_SCHEME, b"coap"),
    ]  # fmt: skip
    sent = Proxied().asked(options)
    assert sent.peer == GROUP and sent.options == [(n.URI_PATH, b"a"), (n.URI_QUERY, b"q")]


def test_uri_port_is_the_targets():
    address = uri.pack(GROUP[:4], 61616)
    proxy = Proxied(allow=[(CLIENT[:4], (address,), True)])
    options = [
        (MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.URI_PORT, b"\xf0\xb0"),
        (n.PROXY_SCHEME, b"coap"),
    ]  # fmt: skip
    assert proxy.asked(options).peer == address


def test_scheme_and_host_are_case_insensitive():
    options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.PROXY_SCHEME, b"CoAP")]
    assert Proxied().asked(options).peer == GROUP


def test_proxy_scheme_number_of_coap():
    options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"a")]
    for value in (b"", b"\0"):
        sent = Proxied().asked(options + [(n.PROXY_SCHEME_NUMBER, value)])
        assert sent.peer == GROUP and sent.options == [(n.URI_PATH, b"a")]


def test_proxy_cri():
    reference = cbor.dumps([-1, [GROUP[:4]], ["a", "b"], ["q"]])
    sent = Proxied().asked([(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, reference)])
    assert sent.peer == GROUP
    assert sent.options == [(n.URI_PATH, b"a"), (n.URI_PATH, b"b"), (n.URI_QUERY, b"q")]


def test_proxy_scheme_and_proxy_scheme_number_exclude_each_other():
    options = [
        (MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187"), (n.PROXY_SCHEME, b"coap"),
        (n.PROXY_SCHEME_NUMBER, b""),
    ]  # fmt: skip
    refused(Proxied(), n.BAD_OPTION, options)


def test_other_scheme_is_5_05():
    host = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187")]
    for options in (
        group_request(b"coaps://224.0.1.187/temp"),
        group_request(b"http://224.0.1.187/temp"),
        host + [(n.PROXY_SCHEME, b"coaps")],
        host + [(n.PROXY_SCHEME_NUMBER, b"\x01")],
        [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, cbor.dumps([-2, [GROUP[:4]]]))],
    ):
        refused(Proxied(), n.PROXYING_NOT_SUPPORTED, options)


def test_target_that_is_no_uri_is_4_00():
    for target in (b"no uri", b"coap://", b"coap://\xff/", b"coap://224.0.1.187:99999/"):
        refused(Proxied(), n.BAD_REQUEST, group_request(target))


def test_target_that_is_no_cri_is_4_00():
    for reference in (b"\xff", cbor.dumps([]), cbor.dumps(5), cbor.dumps([True, ["a"]])):
        refused(Proxied(), n.BAD_REQUEST, [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, reference)])


def test_target_that_no_server_has_is_4_00():
    for host in (b"0.0.0.0", b"255.255.255.255", b"192.0.2.5:0"):
        refused(Proxied(), n.BAD_REQUEST, [(n.PROXY_URI, b"coap://" + host + b"/temp")])


def test_target_option_of_a_wrong_length_is_4_02():
    host = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"224.0.1.187")]
    for more in (
        (n.PROXY_URI, b""), (n.PROXY_URI, b"coap://224.0.1.187/" + b"a" * 1020), (n.PROXY_CRI, b""),
        (n.PROXY_SCHEME, b""), (n.PROXY_SCHEME_NUMBER, b"\0\0\0\0"),
    ):  # fmt: skip
        refused(Proxied(sizes={"max_message": 1500}), n.BAD_OPTION, host + [more])


def test_ipv6_target_at_an_ipv4_proxy_is_5_05():
    refused(Proxied(), n.PROXYING_NOT_SUPPORTED, group_request(b"coap://[ff02::fd]/temp"))


def test_host_name_without_a_resolver_is_5_05():
    refused(Proxied(), n.PROXYING_NOT_SUPPORTED, group_request(b"coap://all.example.org/temp"))


def test_host_name_that_is_unknown_is_5_05():
    refused(Proxied(resolve=lambda name: None), n.PROXYING_NOT_SUPPORTED, group_request(b"coap://all.example.org/temp"))


def test_host_name_is_resolved_and_travels_on():
    asked = []

    def resolve(name):
        asked.append(name)
        return GROUP[:4]

    sent = Proxied(resolve=resolve).asked(group_request(b"coap://All.example.org/temp"))
    assert sent.peer == GROUP and asked == ["all.example.org"]
    assert sent.options == [(n.URI_HOST, b"all.example.org"), (n.URI_PATH, b"temp")]


def test_host_name_is_not_resolved_for_a_client_off_the_allow_list():
    asked = []
    proxy = Proxied(resolve=lambda name: asked.append(name) or GROUP[:4])
    refused(proxy, n.UNAUTHORIZED, group_request(b"coap://all.example.org/temp"), peer=STRANGER)
    assert asked == []


def test_host_name_in_uri_host_travels_on():
    options = [
        (MULTICAST_TIMEOUT, b"\x0a"), (n.URI_HOST, b"all.example.org"), (n.URI_PATH, b"a"), (n.PROXY_SCHEME, b"coap"),
    ]  # fmt: skip
    sent = Proxied(resolve=lambda name: GROUP[:4]).asked(options)
    assert sent.peer == GROUP and sent.options == [(n.URI_HOST, b"all.example.org"), (n.URI_PATH, b"a")]


def test_method_and_payload_travel_on():
    for code in (n.POST, n.PUT, n.DELETE, n.FETCH, n.PATCH, n.IPATCH):
        sent = Proxied().asked(group_request(more=[(n.SIZE1, b"\x02")]), code=code, payload=b"on")
        assert sent.code == code and sent.payload == b"on" and sent.option(n.SIZE1) == b"\x02"


def test_options_travel_on_in_their_order():
    options = [
        (n.IF_MATCH, b"e"), (MULTICAST_TIMEOUT, b"\x0a"), (n.ETAG, b"1"), (n.ETAG, b"2"), (n.CONTENT_FORMAT, b""),
        (n.ACCEPT, b"\x3c"), (n.PROXY_URI, b"coap://224.0.1.187/a?b"), (n.SIZE1, b"\x01"), (n.NO_RESPONSE, b"\x08"),
        (n.REQUEST_TAG, b"x" * 8), (UNKNOWN_SAFE, b"y" * 300),
    ]  # fmt: skip
    assert Proxied().asked(options).options == [
        (n.IF_MATCH, b"e"), (n.ETAG, b"1"), (n.ETAG, b"2"), (n.URI_PATH, b"a"), (n.CONTENT_FORMAT, b""),
        (n.URI_QUERY, b"b"), (n.ACCEPT, b"\x3c"), (n.SIZE1, b"\x01"), (n.NO_RESPONSE, b"\x08"),
        (n.REQUEST_TAG, b"x" * 8), (UNKNOWN_SAFE, b"y" * 300),
    ]  # fmt: skip


def test_no_response_travels_on():
    assert Proxied().asked(group_request(more=[(n.NO_RESPONSE, b"\x1a")])).option(n.NO_RESPONSE) == b"\x1a"


def test_unknown_safe_options_travel_on():
    sent = Proxied().asked(group_request(more=[(UNKNOWN_CRITICAL, b"c"), (UNKNOWN_SAFE, b"e")]))
    assert sent.options[1:] == [(UNKNOWN_CRITICAL, b"c"), (UNKNOWN_SAFE, b"e")]


def test_unknown_unsafe_option_is_4_02():
    for number in (UNKNOWN_UNSAFE, UNKNOWN_UNSAFE + 1):
        refused(Proxied(), n.BAD_OPTION, group_request(more=[(number, b"")]))


def test_unsafe_option_of_a_wrong_length_is_4_02():
    for number, value in ((n.MAX_AGE, b"12345"), (n.BLOCK2, b"1234")):
        refused(Proxied(), n.BAD_OPTION, sorted(group_request(more=[(number, value)])))


def test_unsafe_option_is_refused_for_a_single_server_too():
    refused(Proxied(), n.BAD_OPTION, [(n.PROXY_URI, b"coap://192.0.2.5/"), (UNKNOWN_UNSAFE, b"")])


def test_request_that_grows_too_long_is_4_13_and_takes_no_slot():
    proxy = Proxied(sizes={"max_message": 64})
    refused(proxy, n.REQUEST_ENTITY_TOO_LARGE, code=n.PUT, payload=b"x" * 64)
    assert proxy.free() == 4
    refused(proxy, n.REQUEST_ENTITY_TOO_LARGE, [(n.PROXY_URI, b"coap://192.0.2.5/")], code=n.PUT, payload=b"x" * 64)
    assert proxy.free() == 4


def test_request_is_forwarded_without_hop_limit_as_it_was_without():
    assert Proxied().asked().option(n.HOP_LIMIT) is None


def test_hop_limit_is_decremented():
    sent = Proxied().asked(sorted(group_request(more=[(n.HOP_LIMIT, b"\x10")])))
    assert sent.option(n.HOP_LIMIT) == b"\x0f"


def test_last_hop_is_5_08_and_names_the_proxy():
    sent = refused(Proxied(), n.HOP_LIMIT_REACHED, sorted(group_request(more=[(n.HOP_LIMIT, b"\x01")])))
    assert b"192.0.2.1" in sent.payload


def test_hop_limit_0_is_4_00():
    refused(Proxied(), n.BAD_REQUEST, sorted(group_request(more=[(n.HOP_LIMIT, b"\0")])))


# T' = 0


def test_timeout_0_sends_the_request_and_opens_no_exchange():
    proxy = Proxied()
    sent = proxy.asked(group_request(timeout=b""))
    assert sent.peer == GROUP and sent.options == [(n.URI_PATH, b"temp")] and proxy.free() == 4


def test_timeout_0_relays_nothing():
    proxy = Proxied()
    sent = proxy.asked(group_request(timeout=b""))
    assert proxy.answer(sent.token, 1) == [] and proxy.up.sent() == []


def test_signaling_0_sends_the_request_and_opens_no_exchange():
    proxy = Proxied()
    sent = proxy.asked([(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, b"")])
    assert sent.option(MULTICAST_SIGNALING) == b"" and proxy.free() == 4


def test_timeout_0_is_served_while_all_exchanges_are_taken():
    proxy = Proxied(slots=1)
    proxy.asked()
    proxy.asked(group_request(timeout=b""), token=b"2")


def test_repeated_con_request_that_used_a_token_twice_is_refused_again():
    proxy = Proxied()
    proxy.asked()
    for _ in range(2):
        refused(proxy, n.BAD_REQUEST, kind=n.CON, mid=5)


def test_con_request_with_timeout_0_is_acknowledged():
    proxy = Proxied()
    (ack,) = proxy.ask(group_request(timeout=b""), kind=n.CON, mid=5)
    assert ack.is_empty(n.ACK, 5)


# Acknowledgement and repetition


def test_con_request_is_acknowledged_at_once():
    proxy = Proxied()
    (ack,) = proxy.ask(group_request(), kind=n.CON, mid=5)
    assert ack.is_empty(n.ACK, 5) and ack.peer == CLIENT and len(proxy.up.sent()) == 1


def test_non_request_is_not_acknowledged():
    assert Proxied().ask(group_request()) == []


def test_repeated_con_request_is_acknowledged_again_and_multicast_once():
    for code in (n.GET, n.PUT, n.POST):
        proxy = Proxied()
        proxy.asked(kind=n.CON, mid=5, code=code)
        (ack,) = proxy.ask(group_request(), kind=n.CON, mid=5, code=code)
        assert ack.is_empty(n.ACK, 5) and proxy.up.sent() == []


def test_con_request_repeated_when_it_is_no_longer_remembered_leaves_its_exchange_open():
    proxy = Proxied()
    proxy.asked(kind=n.CON, mid=5)
    table = proxy.down.endpoint.recent.table  # forget all, as much traffic does
    for i in range(5, len(table)):
        table[i] = -1
    (ack,) = proxy.ask(group_request(), kind=n.CON, mid=5)
    assert ack.is_empty(n.ACK, 5) and proxy.up.sent() == [] and proxy.free() == 3


def test_con_request_repeated_after_its_exchange_is_acknowledged_and_not_multicast():
    for code in (n.GET, n.POST):
        proxy = Proxied()
        proxy.asked(group_request(timeout=b"\x01"), kind=n.CON, mid=5, code=code)
        proxy.wire.advance(2000)
        (ack,) = proxy.ask(group_request(timeout=b"\x01"), kind=n.CON, mid=5, code=code)
        assert ack.is_empty(n.ACK, 5) and proxy.up.sent() == [] and proxy.free() == 4


def test_repeated_con_request_with_timeout_0_is_acknowledged_again_and_multicast_once():
    proxy = Proxied()
    proxy.asked(group_request(timeout=b""), kind=n.CON, mid=5)
    (ack,) = proxy.ask(group_request(timeout=b""), kind=n.CON, mid=5)
    assert ack.is_empty(n.ACK, 5) and proxy.up.sent() == []


def test_repeated_non_request_is_dropped():
    proxy = Proxied()
    proxy.asked(mid=5)
    assert proxy.ask(group_request(), mid=5) == [] and proxy.up.sent() == []


def test_repeated_con_request_that_was_refused_is_refused_again():
    proxy = Proxied()
    for _ in range(2):
        refused(proxy, n.UNAUTHORIZED, peer=STRANGER, kind=n.CON, mid=5)


def test_repeated_con_request_that_found_no_slot_is_not_acknowledged_as_if_it_went_on():
    proxy = Proxied(slots=1)
    proxy.asked(token=b"1")
    for _ in range(2):
        refused(proxy, n.SERVICE_UNAVAILABLE, token=b"2", kind=n.CON, mid=5)


# Limits


def test_full_table_is_5_03_with_the_time_until_a_slot_is_free():
    proxy = Proxied(slots=2)
    proxy.asked(group_request(timeout=b"\x14"), token=b"1")
    proxy.asked(group_request(timeout=b"\x0a"), token=b"2")
    proxy.wire.advance(3500)
    sent = refused(proxy, n.SERVICE_UNAVAILABLE, token=b"3")
    age = sent.option(n.MAX_AGE)
    assert age == b"\x07"  # 6.5 s, rounded up
    proxy.wire.advance(1000 * age[0])
    proxy.asked(token=b"4")


def test_refused_request_takes_no_slot():
    proxy = Proxied(slots=1)
    for token, code, options in (
        (b"1", n.BAD_OPTION, group_request(more=[(UNKNOWN_UNSAFE, b"")])),
        (b"2", n.BAD_REQUEST, [(n.PROXY_URI, b"coap://224.0.1.187/temp")]),
        (b"3", n.HOP_LIMIT_REACHED, sorted(group_request(more=[(n.HOP_LIMIT, b"\x01")]))),
    ):
        refused(proxy, code, options, token=token)
    assert proxy.free() == 1


def test_nstart_bounds_the_exchanges_of_one_group():
    proxy = Proxied(nstart=2)
    proxy.asked(token=b"1")
    proxy.asked(token=b"2")
    assert refused(proxy, n.SERVICE_UNAVAILABLE, token=b"3").option(n.MAX_AGE)
    proxy.asked(group_request(TARGET2), token=b"4")
    proxy.wire.advance(10000)
    proxy.asked(token=b"5")


def test_nstart_is_the_number_of_slots_unless_said_otherwise():
    proxy = Proxied(slots=3)
    for token in (b"1", b"2", b"3"):
        proxy.asked(token=token)


def test_full_table_is_5_03_whatever_nstart_is():
    proxy = Proxied(slots=1, nstart=8)
    proxy.asked(token=b"1")
    assert refused(proxy, n.SERVICE_UNAVAILABLE, token=b"2").option(n.MAX_AGE) == b"\x0a"


def test_uri_path_abbrev_beside_a_whole_target_is_not_looked_at():
    cri = b"\x83\x20\x81\x44" + GROUP[:4] + b"\x81\x64temp"
    for number, value in ((n.PROXY_URI, b"coap://224.0.1.187/temp"), (n.PROXY_CRI, cri)):
        options = [(MULTICAST_TIMEOUT, b"\x0a"), (n.URI_PATH_ABBREV, b"\x01"), (number, value)]
        assert Proxied().asked(options).options == [(n.URI_PATH, b"temp")]


def test_probing_rate_bounds_what_is_sent_to_a_group():
    proxy = Proxied(probing_rate=10)
    first = proxy.asked(token=b"1")
    pause = 100 * len(first.raw)  # ms at 10 bytes/s
    sent = refused(proxy, n.SERVICE_UNAVAILABLE, token=b"2")
    assert sent.option(n.MAX_AGE) == bytes((1 + pause // 1000,))
    proxy.asked(group_request(TARGET2), token=b"3")
    proxy.wire.advance(pause - 1)
    refused(proxy, n.SERVICE_UNAVAILABLE, token=b"4")
    proxy.wire.advance(1)
    proxy.asked(token=b"5")


def test_probing_rate_bounds_requests_with_timeout_0_too():
    proxy = Proxied(probing_rate=10)
    proxy.asked(group_request(timeout=b""))
    refused(proxy, n.SERVICE_UNAVAILABLE, group_request(timeout=b""), token=b"2")


def test_refusal_for_the_rate_takes_no_slot():
    proxy = Proxied(probing_rate=10)
    proxy.asked()
    refused(proxy, n.SERVICE_UNAVAILABLE, token=b"2")
    assert proxy.free() == 3


def test_probing_rate_of_every_group_is_remembered():
    groups = [uri.pack(bytes((224, 0, 1, 100 + i))) for i in range(12)]
    proxy = Proxied(16, [(CLIENT[:4], groups, True)], probing_rate=1)
    targets = [b"coap://224.0.1.%d/temp" % (100 + i) for i in range(12)]
    for i in range(12):
        proxy.asked(group_request(targets[i], timeout=b""), token=bytes((i,)))
    proxy.wire.advance(1000)
    for i in range(12):
        (sent,) = proxy.ask(group_request(targets[i], timeout=b""), token=bytes((i,)))
        assert sent.code == n.SERVICE_UNAVAILABLE and proxy.up.sent() == []
    proxy.wire.advance(20000)
    for i in range(12):
        proxy.asked(group_request(targets[i], timeout=b""), token=bytes((i,)))


def test_probing_rate_0_is_no_bound():
    proxy = Proxied(probing_rate=0)
    for token in (b"1", b"2", b"3"):
        proxy.asked(token=token)


# A token that is in use


def test_token_of_an_open_exchange_is_4_00_and_stops_it():
    proxy = Proxied()
    first = proxy.asked()
    assert refused(proxy, n.BAD_REQUEST).payload
    assert proxy.answer(first.token, 1) == [] and proxy.free() == 4


def test_token_of_an_ended_exchange_may_be_used():
    proxy = Proxied()
    proxy.asked(group_request(timeout=b"\x01"))
    proxy.wire.advance(1000)
    proxy.asked()


def test_same_token_of_another_client_is_another_exchange():
    proxy = Proxied()
    one, two = proxy.asked(), proxy.asked(peer=OTHER)
    assert proxy.answer(one.token, 1)[0].peer == CLIENT
    assert proxy.answer(two.token, 2)[0].peer == OTHER


def test_token_is_compared_whole():
    proxy = Proxied(slots=8)
    for token in (b"", b"\0", b"\0\0", b"ab", b"abc", b"abcdefgh", b"abcdefgi"):
        proxy.asked(token=token)


# What is not for the proxy's other side


def test_proxy_uri_that_names_the_proxy_is_a_local_request():
    proxy = Proxied()
    (sent,) = proxy.ask([(n.PROXY_URI, b"coap://192.0.2.1/a/b?c")], kind=n.CON, mid=5)
    assert sent.kind == n.ACK and sent.mid == 5 and sent.token == b"tok" and sent.payload == b"ok"
    assert proxy.up.sent() == [] and proxy.free() == 4
    options = [(n.URI_PATH, b"a"), (n.URI_PATH, b"b"), (n.URI_QUERY, b"c")]
    assert proxy.local.requests == [(n.GET, options, b"", 0)]


def test_proxy_scheme_that_names_the_proxy_is_a_local_request():
    proxy = Proxied()
    proxy.ask([(n.URI_HOST, b"192.0.2.1"), (n.URI_PATH, b"a"), (n.PROXY_SCHEME, b"coap")], code=n.PUT, payload=b"x")
    assert proxy.local.requests == [(n.PUT, [(n.URI_PATH, b"a")], b"x", 0)] and proxy.up.sent() == []


def test_proxys_address_at_another_port_is_not_the_proxy():
    proxy = Proxied()
    assert proxy.asked([(n.PROXY_URI, b"coap://192.0.2.1:5684/a")]).peer == uri.pack(PROXY[:4], 5684)


def test_local_request_keeps_options_that_only_a_proxy_must_know():
    proxy = Proxied()
    proxy.ask([(n.PROXY_URI, b"coap://192.0.2.1/a"), (UNKNOWN_UNSAFE + 1, b"x")])
    assert proxy.local.requests[0][1] == [(n.URI_PATH, b"a"), (UNKNOWN_UNSAFE + 1, b"x")]


def test_request_without_a_proxy_option_is_local():
    proxy = Proxied()
    proxy.ask([(n.URI_PATH, b"temp"), (n.NO_RESPONSE, b"")])
    assert proxy.local.requests == [(n.GET, [(n.URI_PATH, b"temp"), (n.NO_RESPONSE, b"")], b"", 0)]
    assert proxy.up.sent() == []


def test_group_request_to_the_proxy_is_dropped():
    proxy = Proxied()
    request = datagram(n.NON, n.GET, 5, b"tok", group_request())
    assert proxy.down.receive(request, CLIENT, 1) == [] and proxy.up.sent() == []


def test_ping_is_reset_on_both_sides():
    proxy = Proxied()
    assert proxy.down.receive(datagram(n.CON, 0, 5), CLIENT)[0].is_empty(n.RST, 5)
    assert proxy.up.receive(datagram(n.CON, 0, 5), SERVER)[0].is_empty(n.RST, 5)


def test_refusals_are_counted_by_code():
    proxy = Proxied()
    refused(proxy, n.UNAUTHORIZED, peer=STRANGER)
    refused(proxy, n.UNAUTHORIZED, peer=STRANGER)
    assert proxy.forward.refusals == {n.UNAUTHORIZED: 2}
