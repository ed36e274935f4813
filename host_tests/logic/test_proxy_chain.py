"""A proxy that is not the last before the servers (draft-ietf-core-groupcomm-proxy §8): what goes to the next hop."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.chain import Chain
from groupcoap.proxy.forward import ForwardProxy
from groupcoap.proxy.observing import Observations
from groupcoap.proxy.relay import Relay
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    SERVER,
    SERVER2,
    UNKNOWN_SAFE,
    UNKNOWN_UNSAFE,
    Proxied,
    Recorder,
    Wire,
    datagram,
    group_request,
)

HOP = uri.pack(b"\xc0\x00\x02\x02")  # 192.0.2.2
FROM = b"\x82\x20\x81\x44" + SERVER[:4]  # [-1, [h'C0000205']]
FROM2 = b"\x82\x20\x81\x44" + SERVER2[:4]
TARGET2 = b"coap://224.0.1.188/temp"


class Middle:
    """A forward-proxy whose next hop is HOP; back: s of its margin."""

    def __init__(self, back=1, slots=4, groups=(GROUP, GROUP2), observations=4, **settings):
        self.wire = Wire()
        self.down = self.wire.port()
        self.up = self.wire.port(token_slots=slots, parameters=Parameters(nstart=16))
        self.relay = Relay(self.down.endpoint, self.up.endpoint, observations)
        if observations:
            Observations(self.relay, observations)
        Chain(self.relay, HOP, back, PROXY)
        self.local = Recorder(self.down.endpoint)
        access = AllowList([Client(CLIENT[:4], groups, True), Client(OTHER[:4], (), False)])
        self.down.endpoint.role = ForwardProxy(self.relay, self.local, access, PROXY, **settings)
        self.mid = 100

    def ask(self, options=None, kind=n.NON, code=n.GET, token=b"tok", payload=b"", peer=CLIENT):
        """What comes back to the client at once."""
        self.mid += 1
        options = group_request() if options is None else options
        return self.down.receive(datagram(kind, code, self.mid, token, options, payload), peer)

    def asked(self, options=None, **request):
        """The one request that goes to the next hop."""
        self.ask(options, **request)
        (sent,) = self.up.sent()
        assert sent.peer == HOP
        return sent

    def answer(self, token, mid=1, kind=n.NON, code=n.CONTENT, options=((REPLY_FROM, FROM),), payload=b"21", peer=HOP):
        """The next hop answers: what goes to clients at once."""
        self.up.deliver(datagram(kind, code, mid, token, options, payload), peer)
        return self.down.sent()

    def free(self):
        return self.up.endpoint.tokens.free


def timeout(seconds):
    return group_request(timeout=seconds.to_bytes(4, "big").lstrip(b"\0"))


def value(packet):
    """Multicast-Timeout of a message, or None."""
    found = packet.option(MULTICAST_TIMEOUT)
    return None if found is None else int.from_bytes(found, "big")


def registered(proxy, options=None, **request):
    """The token of an observation that one server has taken on, and the notification that the client got."""
    options = group_request() if options is None else options
    options = sorted([(n.OBSERVE, b"")] + options)
    sent = proxy.asked(options, **request)
    assert sent.option(n.OBSERVE) == b""
    (got,) = proxy.answer(sent.token, options=[(n.OBSERVE, b"\x05"), (REPLY_FROM, FROM)])
    return sent.token, got


def notify(proxy, token, mid, number, origin=FROM, **how):
    return proxy.answer(token, mid, options=[(n.OBSERVE, bytes((number,))), (REPLY_FROM, origin)], **how)


# What goes to the next hop


def test_request_goes_to_the_next_hop_with_its_target_and_a_lower_timeout():
    sent = Middle().asked()
    options = [(MULTICAST_TIMEOUT, b"\x09"), (n.HOP_LIMIT, b"\x10"), (n.PROXY_URI, b"coap://224.0.1.187/temp")]
    assert sent.options == options and len(sent.token) == 8


def test_margin_is_that_of_the_configuration():
    for back, wanted in ((1, 299), (7, 293), (60, 240)):
        assert value(Middle(back, max_timeout=300).asked(timeout(300))) == wanted


def test_timeout_0_goes_on_as_0_and_opens_no_exchange():
    proxy = Middle(back=5)
    sent = proxy.asked(timeout(0))
    assert sent.option(MULTICAST_TIMEOUT) == b"" and proxy.free() == 4


def test_least_timeout_that_can_be_lowered_is_one_above_the_margin():
    proxy = Middle(back=3)
    assert value(proxy.asked(timeout(4))) == 1
    for seconds in (1, 2, 3):
        (refusal,) = proxy.ask(timeout(seconds), token=b"%d" % seconds)
        assert refusal.code == n.PROXYING_NOT_SUPPORTED and value(refusal) == 4 and refusal.payload
        assert proxy.down.endpoint.role.access.reasons == {"timeout": seconds}
        assert refusal.option(REPLY_FROM) is None and proxy.up.sent() == []
    assert proxy.free() == 3


def test_timeout_above_the_proxys_own_is_lowered_from_there():
    assert value(Middle(max_timeout=20).asked(timeout(4000))) == 19


def test_confirmable_request_is_acknowledged_and_goes_on_confirmable():
    proxy = Middle()
    (ack,) = proxy.ask(kind=n.CON)
    assert ack.is_empty(n.ACK, proxy.mid)
    (sent,) = proxy.up.sent()
    assert sent.kind == n.CON
    proxy.up.deliver(datagram(n.ACK, 0, sent.mid), HOP)
    proxy.wire.advance(9000)
    assert proxy.up.sent() == []  # it is repeated no more
    assert len(proxy.answer(sent.token)) == 1


def test_confirmable_request_is_repeated_until_the_next_hop_has_it():
    proxy = Middle()
    sent = proxy.asked(kind=n.CON)
    proxy.wire.advance(3001)
    (again,) = proxy.up.sent()
    assert again.raw == sent.raw


def test_non_confirmable_request_goes_on_as_one():
    assert Middle().asked().kind == n.NON


def test_each_way_to_name_the_target_survives():
    cri = b"\x83\x20\x81\x44\xe0\x00\x01\xbb\x81\x64temp"  # [-1, [h'E00001BB'], ["temp"]]
    for options in (
        [(n.PROXY_URI, b"coap://224.0.1.187/temp?a=1")],
        [(n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"temp"), (n.URI_QUERY, b"a=1"), (n.PROXY_SCHEME, b"coap")],
        [(n.URI_HOST, b"224.0.1.187"), (n.URI_PORT, b"\x16\x33"), (n.URI_PATH, b"t"), (n.PROXY_SCHEME, b"coap")],
        [(n.PROXY_CRI, cri)],
        [(n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"temp"), (n.PROXY_SCHEME_NUMBER, b"")],
    ):
        sent = Middle().asked(sorted([(MULTICAST_TIMEOUT, b"\x0a")] + options))
        assert [pair for pair in sent.options if pair[0] not in (MULTICAST_TIMEOUT, n.HOP_LIMIT)] == options


def test_other_options_and_the_payload_go_on():
    more = [(n.ACCEPT, b"\x3c"), (UNKNOWN_SAFE, b"x")]
    sent = Middle().asked(sorted(group_request(more=more)), code=n.FETCH, payload=b"what")
    assert sent.code == n.FETCH and sent.payload == b"what"
    assert sent.option(n.ACCEPT) == b"\x3c" and sent.option(UNKNOWN_SAFE) == b"x"


def test_hop_limit_is_lowered_or_put_in():
    assert Middle().asked().option(n.HOP_LIMIT) == b"\x10"
    assert Middle().asked(sorted(group_request(more=[(n.HOP_LIMIT, b"\x05")]))).option(n.HOP_LIMIT) == b"\x04"
    assert Middle().asked([(n.PROXY_URI, b"coap://192.0.2.5/t")]).option(n.HOP_LIMIT) == b"\x10"


def test_last_hop_of_the_limit_is_5_08():
    proxy = Middle()
    (refusal,) = proxy.ask(sorted(group_request(more=[(n.HOP_LIMIT, b"\x01")])))
    assert refusal.code == n.HOP_LIMIT_REACHED and refusal.payload == b"192.0.2.1" and proxy.up.sent() == []


def test_hop_limit_reached_names_the_proxies_on_the_way():
    single = [(n.PROXY_URI, b"coap://192.0.2.5/t")]
    for options in (None, single):  # RFC 8768 §3
        proxy = Middle()
        token = proxy.asked(options).token
        (sent,) = proxy.answer(token, code=n.HOP_LIMIT_REACHED, options=[], payload=b"192.0.2.77")
        assert sent.code == n.HOP_LIMIT_REACHED and sent.payload == b"192.0.2.1 192.0.2.77"
        assert sent.token == b"tok" and proxy.free() == 4


def test_hop_limit_reached_with_a_payload_that_fills_a_message_passes_as_it_is():
    for length in (1080, 1120, 1130, 1134):
        proxy = Middle()
        token = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/t")]).token
        (sent,) = proxy.answer(token, code=n.HOP_LIMIT_REACHED, options=[], payload=b"x" * length)
        assert sent.payload in (b"x" * length, b"192.0.2.1 " + b"x" * length) and len(sent.raw) <= 1152


def test_hop_limit_reached_of_a_server_passes_as_it_is():
    proxy = Proxied()
    token = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/t")]).token
    (sent,) = proxy.answer(token, 1, code=n.HOP_LIMIT_REACHED, payload=b"192.0.2.77")
    assert sent.payload == b"192.0.2.77"


def test_target_that_is_the_proxy_itself_stays_here():
    proxy = Middle()
    (answer,) = proxy.ask([(n.PROXY_URI, b"coap://192.0.2.1/status")])
    assert answer.payload == b"ok" and proxy.up.sent() == []
    assert proxy.local.requests == [(n.GET, [(n.URI_PATH, b"status")], b"", 0)]


def test_target_that_is_the_next_hop_goes_there_with_its_target():
    sent = Middle().asked([(n.PROXY_URI, b"coap://192.0.2.2/status")])
    assert sent.option(n.PROXY_URI) == b"coap://192.0.2.2/status"


def test_allow_list_holds_here_too():
    proxy = Middle(groups=(GROUP,))
    for options, peer in ((group_request(TARGET2), CLIENT), (group_request(), OTHER), (group_request(), SERVER)):
        (refusal,) = proxy.ask(options, peer=peer)
        assert refusal.code == n.UNAUTHORIZED and proxy.up.sent() == []


# What comes back


def test_response_is_relayed_as_it_is_but_for_token_and_message_id():
    proxy = Middle()
    token = proxy.asked().token
    options = [(n.CONTENT_FORMAT, b""), (REPLY_FROM, FROM), (UNKNOWN_SAFE, b"x")]
    (got,) = proxy.answer(token, options=options)
    assert got.token == b"tok" and got.peer == CLIENT and got.kind == n.NON
    assert got.options == options and got.payload == b"21" and got.code == n.CONTENT


def test_reply_from_is_not_read():
    for reply_from in (FROM2 + b"\x82\xf6\x81\x44\xc0\x00\x02\x09", b"\xff\xff\xff\xff\xff", bytes(300)):
        proxy = Middle()
        (got,) = proxy.answer(proxy.asked().token, options=[(REPLY_FROM, reply_from)])
        assert got.option(REPLY_FROM) == reply_from and proxy.free() == 3


def test_all_that_one_server_says_is_relayed():
    proxy = Middle()
    token = proxy.asked().token
    for mid, origin in enumerate((FROM, FROM, FROM2)):
        (got,) = proxy.answer(token, mid, options=[(REPLY_FROM, origin)])
        assert got.option(REPLY_FROM) == origin


def test_error_of_a_server_does_not_end_the_exchange():
    proxy = Middle()
    token = proxy.asked().token
    (got,) = proxy.answer(token, 1, code=n.NOT_FOUND)
    assert got.code == n.NOT_FOUND and got.option(REPLY_FROM) == FROM
    assert len(proxy.answer(token, 2)) == 1


def test_confirmable_response_is_acknowledged():
    proxy = Middle()
    token = proxy.asked().token
    (got,) = proxy.answer(token, 77, kind=n.CON)
    (ack,) = proxy.up.sent()
    assert ack.is_empty(n.ACK, 77) and ack.peer == HOP and got.kind == n.NON


def test_only_the_next_hop_may_answer():
    proxy = Middle()
    token = proxy.asked().token
    for peer in (SERVER, GROUP, HOP[:-1] + b"\0", CLIENT):
        assert proxy.answer(token, peer=peer) == []
    assert len(proxy.answer(token)) == 1


def test_what_comes_after_the_time_is_dropped():
    proxy = Middle()
    token = proxy.asked(timeout(4)).token
    proxy.wire.advance(3999)
    assert len(proxy.answer(token, 1)) == 1
    proxy.wire.advance(2)
    assert proxy.answer(token, 2) == [] and proxy.free() == 4
    assert proxy.up.sent() == []  # nor is the next hop asked to stop


def test_response_with_an_unknown_unsafe_option_is_5_02():
    proxy = Middle()
    token = proxy.asked().token
    (got,) = proxy.answer(token, 1, options=[(REPLY_FROM, FROM), (UNKNOWN_UNSAFE, b"")])
    assert got.code == n.BAD_GATEWAY and got.payload == b"" and got.options == [(REPLY_FROM, FROM)]
    assert len(proxy.answer(token, 2)) == 1  # it goes on with those of the others


# What the next hop says for itself


def test_error_of_the_next_hop_itself_ends_the_exchange():
    for code in (n.UNAUTHORIZED, n.SERVICE_UNAVAILABLE, n.NOT_IMPLEMENTED):
        proxy = Middle()
        token = proxy.asked().token
        (got,) = proxy.answer(token, options=[(n.MAX_AGE, b"\x07")], code=code, payload=b"because")
        assert got.code == code and got.token == b"tok" and got.payload == b"because"
        assert got.options == [(n.MAX_AGE, b"\x07")] and proxy.free() == 4
        assert proxy.answer(token, 2) == [] and proxy.up.sent() == []


def test_error_on_an_acknowledgement_does_as_well():
    proxy = Middle()
    proxy.ask(kind=n.CON)
    (sent,) = proxy.up.sent()
    (got,) = proxy.answer(sent.token, sent.mid, n.ACK, n.UNAUTHORIZED, options=())
    assert got.code == n.UNAUTHORIZED and got.kind == n.NON and got.mid != sent.mid and proxy.free() == 4
    proxy.wire.advance(5000)
    assert proxy.up.sent() == []


def test_least_timeout_of_the_next_hop_gets_our_margin():
    for least, wanted in ((1, 4), (6, 9), (253, 256), (0xFFFFFFFC, 0xFFFFFFFF)):
        proxy = Middle(back=3)
        token = proxy.asked().token
        said = least.to_bytes(4, "big").lstrip(b"\0")
        (got,) = proxy.answer(token, code=n.PROXYING_NOT_SUPPORTED, options=[(MULTICAST_TIMEOUT, said)])
        assert got.code == n.PROXYING_NOT_SUPPORTED and value(got) == wanted
        assert got.option(MULTICAST_TIMEOUT)[0] != 0 and proxy.free() == 4


def test_what_the_proxy_has_said_suffices_then():
    # The next hop wants 6: with 9 here it gets 6.
    assert value(Middle(back=3).asked(timeout(9))) == 6


def test_5_05_without_a_least_timeout_stays_so():
    proxy = Middle()
    (got,) = proxy.answer(proxy.asked().token, code=n.PROXYING_NOT_SUPPORTED, options=())
    assert got.code == n.PROXYING_NOT_SUPPORTED and got.options == []


def test_empty_timeout_in_a_4_00_stays_empty():
    proxy = Middle(back=3)
    (got,) = proxy.answer(proxy.asked().token, code=n.BAD_REQUEST, options=[(MULTICAST_TIMEOUT, b"")])
    assert got.code == n.BAD_REQUEST and got.option(MULTICAST_TIMEOUT) == b""


def test_own_answer_with_an_unknown_unsafe_option_is_5_02():
    proxy = Middle()
    (got,) = proxy.answer(proxy.asked().token, options=[(UNKNOWN_UNSAFE, b"")], code=n.UNAUTHORIZED)
    assert got.code == n.BAD_GATEWAY and got.options == [] and got.payload == b"" and proxy.free() == 4


def test_own_answer_without_room_for_its_payload_is_5_02():
    proxy = Middle()
    sent = proxy.asked(token=b"12345678")
    room = proxy.down.endpoint.out.size - 12
    (got,) = proxy.answer(sent.token, options=(), payload=bytes(room), code=n.UNAUTHORIZED)
    assert got.code == n.BAD_GATEWAY and got.payload == b"" and proxy.free() == 4


def test_next_hop_that_is_silent_is_5_04():
    proxy = Middle(max_timeout=200)
    proxy.asked(timeout(200), kind=n.CON)
    proxy.down.sent()
    proxy.wire.advance(94000)
    (got,) = proxy.down.sent()
    assert got.code == n.GATEWAY_TIMEOUT and got.token == b"tok" and got.kind == n.NON and proxy.free() == 4
    assert got.option(REPLY_FROM) is None


def test_next_hop_that_resets_is_5_02():
    proxy = Middle()
    sent = proxy.asked(kind=n.CON)
    proxy.up.deliver(datagram(n.RST, 0, sent.mid), HOP)
    (got,) = proxy.down.sent()
    assert got.code == n.BAD_GATEWAY and got.kind == n.NON and proxy.free() == 4


def test_non_that_the_next_hop_resets_is_5_02():
    proxy = Middle()
    sent = proxy.asked()
    for mid, peer in ((sent.mid ^ 1, HOP), (sent.mid, SERVER)):
        proxy.up.deliver(datagram(n.RST, 0, mid), peer)
    assert proxy.down.sent() == [] and proxy.free() == 3
    proxy.up.deliver(datagram(n.RST, 0, sent.mid), HOP)
    (got,) = proxy.down.sent()
    assert got.code == n.BAD_GATEWAY and got.kind == n.NON and proxy.free() == 4


def test_time_that_is_over_ends_the_repetitions_too():
    proxy = Middle()
    proxy.asked(timeout(5), kind=n.CON)
    proxy.wire.advance(5001)
    proxy.up.sent()
    proxy.wire.advance(60000)
    assert proxy.up.sent() == [] and proxy.down.sent() == []


# Early stop


def stops_upstream(proxy, token):
    sent = proxy.up.sent()
    stop = sent[0]
    assert {again.raw for again in sent} == {stop.raw}
    assert (stop.kind, stop.code, stop.token, stop.peer) == (n.CON, n.GET, token, HOP)
    assert stop.options == [(MULTICAST_TIMEOUT, b"")] and stop.payload == b""
    assert proxy.free() == 4 and proxy.answer(token, 9) == []
    return stop


def test_early_stop_request_goes_on_under_the_upstream_token():
    proxy = Middle()
    token = proxy.asked().token
    (ack,) = proxy.ask([(MULTICAST_TIMEOUT, b"")], kind=n.CON)
    assert ack.is_empty(n.ACK, proxy.mid)
    stops_upstream(proxy, token)


def test_reset_goes_on_as_an_early_stop_request():
    proxy = Middle()
    token = proxy.asked().token
    (got,) = proxy.answer(token)
    assert proxy.down.receive(datagram(n.RST, 0, got.mid), CLIENT) == []
    stop = stops_upstream(proxy, token)
    proxy.wire.advance(3001)
    (again,) = proxy.up.sent()  # until the next hop has it
    assert again.raw == stop.raw
    proxy.up.deliver(datagram(n.ACK, 0, stop.mid), HOP)
    proxy.wire.advance(60000)
    assert proxy.up.sent() == []


def test_early_stop_the_next_hop_resets_or_never_gets_ends_in_nothing():
    for reset in (True, False):
        proxy = Middle()
        token = proxy.asked().token
        proxy.ask([(MULTICAST_TIMEOUT, b"")])
        stop = stops_upstream(proxy, token)
        if reset:
            proxy.up.deliver(datagram(n.RST, 0, stop.mid), HOP)
        proxy.wire.advance(100000)
        proxy.up.sent()
        assert proxy.down.sent() == []
        assert proxy.asked().token != token


def test_token_used_again_is_4_00_and_an_early_stop():
    proxy = Middle()
    token = proxy.asked().token
    (refusal,) = proxy.ask()
    assert refusal.code == n.BAD_REQUEST and refusal.payload
    stops_upstream(proxy, token)


def test_no_early_stop_where_the_next_hops_time_is_over():
    # It has T'' = 7: nothing there is to be stopped any more, and a reverse-proxy would take it for a request.
    proxy = Middle(back=3)
    token = proxy.asked(timeout(10)).token
    proxy.wire.advance(7001)
    (got,) = proxy.answer(token)
    proxy.down.receive(datagram(n.RST, 0, got.mid), CLIENT)
    assert proxy.up.sent() == [] and proxy.free() == 4


def test_early_stop_request_of_nobody_goes_no_further():
    proxy = Middle()
    proxy.asked()
    (ack,) = proxy.ask([(MULTICAST_TIMEOUT, b"")], kind=n.CON, token=b"other")
    assert ack.is_empty(n.ACK, proxy.mid) and proxy.up.sent() == [] and proxy.free() == 3


# Observe


def test_observation_goes_on_and_gets_numbers_of_the_proxys_own():
    proxy = Middle()
    token, first = registered(proxy)
    second = notify(proxy, token, 2, 0x80)[0]
    assert first.option(REPLY_FROM) == FROM and second.option(REPLY_FROM) == FROM
    numbers = [int.from_bytes(got.option(n.OBSERVE), "big") for got in (first, second)]
    assert numbers[1] == numbers[0] + 1


def test_notifications_of_one_origin_are_put_in_order_apart_from_those_of_another():
    proxy = Middle()
    token, _ = registered(proxy)
    assert len(notify(proxy, token, 2, 9)) == 1
    assert notify(proxy, token, 3, 8) == []
    assert len(notify(proxy, token, 4, 2, FROM2)) == 1
    assert notify(proxy, token, 5, 1, FROM2) == []
    assert len(notify(proxy, token, 6, 10)) == 1


def test_long_origins_are_told_apart_by_their_end():
    proxy = Middle()
    token, _ = registered(proxy)
    assert len(notify(proxy, token, 2, 9, bytes(900) + FROM)) == 1
    assert len(notify(proxy, token, 3, 8, bytes(900) + FROM2)) == 1
    assert notify(proxy, token, 4, 8, bytes(900) + FROM) == []


def test_of_an_observation_notifications_alone_pass_after_the_time():
    proxy = Middle()
    token, _ = registered(proxy)
    proxy.wire.advance(9000)
    assert len(proxy.answer(token, 2)) == 1
    proxy.wire.advance(1001)
    assert len(notify(proxy, token, 3, 9)) == 1
    assert proxy.answer(token, 4) == []
    assert len(notify(proxy, token, 5, 10)) == 1
    assert len(proxy.answer(token, 6, code=n.NOT_FOUND)) == 1  # that server's observation is over


def test_observation_that_no_server_takes_on_ends_with_the_time():
    proxy = Middle()
    token = proxy.asked(sorted([(n.OBSERVE, b"")] + group_request())).token
    proxy.answer(token, 2)
    proxy.wire.advance(10001)
    assert notify(proxy, token, 3, 9) == [] and proxy.free() == 4


def test_error_of_the_next_hop_ends_an_observation():
    proxy = Middle()
    token, _ = registered(proxy)
    proxy.wire.advance(20000)
    (got,) = proxy.answer(token, 3, code=n.SERVICE_UNAVAILABLE, options=[(n.OBSERVE, b"\x0a")])
    assert got.code == n.SERVICE_UNAVAILABLE and got.options == [] and proxy.free() == 4


def test_client_that_is_gone_is_found_out_and_the_next_hop_told():
    proxy = Middle()
    token, _ = registered(proxy)
    sent = [notify(proxy, token, mid, mid + 9)[0] for mid in range(2, 10)]
    assert [got.kind for got in sent].count(n.CON) == 1
    proxy.wire.advance(100000)
    proxy.down.sent()
    stops_upstream(proxy, token)


def test_client_that_is_there_keeps_its_observation():
    proxy = Middle()
    token, _ = registered(proxy)
    for mid in range(2, 30):
        (got,) = notify(proxy, token, mid, mid + 9)
        if got.kind == n.CON:
            proxy.down.deliver(datagram(n.ACK, 0, got.mid), CLIENT)
        proxy.wire.advance(10000)
    assert proxy.free() == 3 and proxy.up.sent() == []


def test_registration_again_and_its_end_go_on_under_the_same_token():
    proxy = Middle()
    token, _ = registered(proxy)
    for observe, kind in ((b"", n.NON), (b"", n.CON), (b"\x01", n.CON)):
        sent = proxy.asked(sorted([(n.OBSERVE, observe)] + group_request()), kind=kind)
        assert sent.token == token and sent.option(n.OBSERVE) == observe and value(sent) == 9 and sent.kind == kind


def test_token_of_an_observation_for_another_target_is_4_00():
    cri = b"\x83\x20\x81\x44\xe0\x00\x01\xbb\x81\x64temp"
    other = b"\x83\x20\x81\x44\xe0\x00\x01\xbc\x81\x64temp"
    for one, two in (
        (group_request(), group_request(TARGET2)),
        (group_request(), group_request(b"coap://224.0.1.187/hum")),
        ([(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, cri)], [(MULTICAST_TIMEOUT, b"\x0a"), (n.PROXY_CRI, other)]),
    ):
        proxy = Middle()
        token, _ = registered(proxy, one)
        (refusal,) = proxy.ask(sorted([(n.OBSERVE, b"")] + two))
        assert refusal.code == n.BAD_REQUEST
        stops_upstream(proxy, token)


def test_end_of_an_observation_by_timeout_0_frees_its_token():
    proxy = Middle()
    token, _ = registered(proxy)
    sent = proxy.asked(sorted([(n.OBSERVE, b"\x01")] + timeout(0)))
    assert sent.token == token and sent.option(MULTICAST_TIMEOUT) == b"" and proxy.free() == 4


def test_registration_too_short_to_lower_is_5_05_and_leaves_the_observation():
    proxy = Middle(back=3)
    token, _ = registered(proxy)
    (refusal,) = proxy.ask(sorted([(n.OBSERVE, b"")] + timeout(3)))
    assert refusal.code == n.PROXYING_NOT_SUPPORTED and value(refusal) == 4
    assert len(notify(proxy, token, 2, 9)) == 1


def test_early_stop_of_an_observation_goes_on_after_the_time_too():
    proxy = Middle()
    token, _ = registered(proxy)
    proxy.wire.advance(30000)
    notify(proxy, token, 2, 9)
    proxy.ask([(MULTICAST_TIMEOUT, b"")])
    stops_upstream(proxy, token)


# Single servers


def test_individual_request_goes_on_and_its_answer_back():
    for kind in (n.CON, n.NON):
        proxy = Middle()
        sent = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/temp")], kind=kind)
        assert sent.kind == kind and sent.option(n.PROXY_URI) == b"coap://192.0.2.5/temp"
        ack = n.ACK if kind == n.CON else n.NON
        (got,) = proxy.answer(sent.token, sent.mid, ack, options=[(n.MAX_AGE, b"\x05")])
        assert got.token == b"tok" and got.code == n.CONTENT and got.options == [(n.MAX_AGE, b"\x05")]
        assert got.kind == ack and (kind == n.NON or got.mid == proxy.mid) and proxy.free() == 4


def test_individual_answer_of_the_server_itself_is_dropped():
    proxy = Middle()
    sent = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/temp")])
    assert proxy.answer(sent.token, peer=SERVER, options=()) == []


def test_next_hop_that_is_silent_or_resets_is_5_04_or_5_02_for_one_server_too():
    for reset in (True, False):
        proxy = Middle()
        sent = proxy.asked([(n.PROXY_URI, b"coap://192.0.2.5/temp")], kind=n.CON)
        if reset:
            proxy.up.deliver(datagram(n.RST, 0, sent.mid), HOP)
        else:
            proxy.wire.advance(94000)
        got = proxy.down.sent()[-1]
        assert got.code == (n.BAD_GATEWAY if reset else n.GATEWAY_TIMEOUT) and got.token == b"tok"


def test_observation_of_one_server_through_the_chain():
    proxy = Middle()
    target = [(n.OBSERVE, b""), (n.PROXY_URI, b"coap://192.0.2.5/temp")]
    sent = proxy.asked(target)
    for mid in (1, 2):
        (got,) = proxy.answer(sent.token, mid, options=[(n.OBSERVE, bytes((mid,)))])
        assert got.option(n.OBSERVE) is not None
    proxy.down.receive(datagram(n.RST, 0, got.mid), CLIENT)
    stops_upstream(proxy, sent.token)


# Profile 00


def signaling(seconds=b"\x0a"):
    return [(n.PROXY_URI, b"coap://224.0.1.187/temp"), (MULTICAST_SIGNALING, seconds)]


def test_profile_00_goes_on_with_its_signaling_as_it_is():
    sent = Middle().asked(signaling())
    assert [pair for pair in sent.options if pair[0] != n.HOP_LIMIT] == signaling()


def test_profile_00_answers_pass_whether_they_name_their_origin_or_not():
    proxy = Middle()
    token = proxy.asked(signaling()).token
    for mid, options in enumerate(([], [(RESPONSE_FORWARDING, b"\xd9\x01\x04\x44\xc0\x00\x02\x05")])):
        (got,) = proxy.answer(token, mid, options=options)
        assert got.options == options
    assert proxy.answer(token, 3, peer=SERVER, options=()) == []
    proxy.wire.advance(10001)
    assert proxy.answer(token, 4, options=()) == []


def test_profile_00_ends_where_the_next_hop_asks_for_the_other_profile():
    proxy = Middle()
    token = proxy.asked(signaling()).token
    (got,) = proxy.answer(token, code=n.BAD_REQUEST, options=[(MULTICAST_TIMEOUT, b"")])
    assert got.code == n.BAD_REQUEST and got.option(MULTICAST_TIMEOUT) == b"" and proxy.free() == 4


def test_of_both_profiles_07_decides_in_a_chain_too():
    sent = Middle().asked(group_request(more=[(MULTICAST_SIGNALING, b"\x63")]))
    assert value(sent) == 9 and sent.option(MULTICAST_SIGNALING) == b"\x63"


# Bounds


def test_no_free_slot_or_place_to_repeat_from_is_5_03():
    proxy = Middle(slots=1)
    proxy.asked()
    (refusal,) = proxy.ask(token=b"2")
    assert refusal.code == n.SERVICE_UNAVAILABLE and refusal.option(n.MAX_AGE) and proxy.free() == 0
    proxy = Middle(slots=8)
    for i in range(4):
        proxy.asked(token=b"%d" % i, kind=n.CON)
        proxy.down.sent()
    (refusal,) = proxy.ask(token=b"4", kind=n.CON)
    assert refusal.code == n.SERVICE_UNAVAILABLE and proxy.free() == 4


# Two proxies in a row, and what the first one's client sees of the second


def test_three_proxies_in_a_row_lower_the_timeout_each_and_bring_all_back():
    wire = Wire()
    addresses = [uri.pack(bytes((192, 0, 2, 101 + i))) for i in range(3)]
    downs, ups = [], []
    for i in range(3):
        down = wire.port()
        up = wire.port(parameters=Parameters(nstart=16))
        relay = Relay(down.endpoint, up.endpoint)
        if i < 2:
            Chain(relay, addresses[i + 1], 2)
        who = (CLIENT, addresses[0], addresses[1])[i][:4]
        access = AllowList([Client(who, (GROUP,), True)])
        down.endpoint.role = ForwardProxy(relay, Recorder(down.endpoint), access, addresses[i])
        downs.append(down)
        ups.append(up)
    downs[0].deliver(datagram(n.CON, n.GET, 1, b"tok", group_request()), CLIENT)
    timeouts = []
    for i in range(3):
        (sent,) = ups[i].sent()
        assert sent.peer == (addresses[1], addresses[2], GROUP)[i]
        timeouts.append(value(sent))
        if i < 2:
            downs[i + 1].deliver(sent.raw, addresses[i])
    assert timeouts == [8, 6, None] and sent.options == [(n.URI_PATH, b"temp"), (n.HOP_LIMIT, b"\x0e")]
    for down in downs:
        down.sent()  # the ACKs
    for server, origin in ((SERVER, FROM), (SERVER2, FROM2)):
        data = datagram(n.NON, n.CONTENT, 5, sent.token, (), b"21")
        source = server
        for i in (2, 1, 0):
            ups[i].deliver(data, source)
            (got,) = downs[i].sent()
            data = got.raw
            source = addresses[i]
        assert got.peer == CLIENT and got.token == b"tok" and got.options == [(REPLY_FROM, origin)]
    downs[0].deliver(datagram(n.RST, 0, got.mid), CLIENT)
    for i in (0, 1):
        (stop,) = ups[i].sent()
        (ack,) = downs[i + 1].receive(stop.raw, addresses[i])
        assert ack.is_empty(n.ACK, stop.mid)
    assert ups[2].endpoint.tokens.free == ups[2].endpoint.tokens.slots
