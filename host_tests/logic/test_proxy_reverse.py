"""The reverse-proxy (draft-ietf-core-groupcomm-proxy §6, groupcomm-bis §3.5.2): how it knows groups and servers."""

from groupcoap import cri, uri
from groupcoap import numbers as n
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.chain import Chain
from groupcoap.proxy.relay import Relay
from groupcoap.proxy.reverse import ADDRESS, HOST, PATH, ReverseProxy, StandIn
from wire import (
    CLIENT,
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    OTHER,
    PROXY,
    REPLY_FROM,
    SERVER,
    SERVER2,
    Recorder,
    Wire,
    datagram,
)

T = (MULTICAST_TIMEOUT, b"\x0a")
TEMP = (n.URI_PATH, b"temp")
NAMED = (n.URI_HOST, b"group1.com")
PORTED = uri.pack(b"\xc0\x00\x02\x05", 61616)
OWN1 = uri.pack(b"\xc0\x00\x02\x15")  # stands for SERVER
OWN2 = uri.pack(b"\xc0\x00\x02\x16")
HOP = uri.pack(b"\xc0\x00\x02\x02")
GROUP6 = uri.pack("ff05::fd")
PROXY6 = uri.pack("2001:db8::1")
CLIENT6 = uri.pack("2001:db8::9", 40000)
SERVER6 = uri.pack("2001:db8:1111:2222:3333:4444:5555:6666", 61616)


class Reverse:
    """A reverse-proxy with these stand-ins; each own address of it has a port in `downs`."""

    def __init__(
        self, stand_ins, address=PROXY, client=CLIENT, unicast=True, groups=(GROUP, GROUP2, GROUP6), back=None
    ):
        self.wire = Wire()
        sizes = {"address_bytes": len(address)}
        down = self.wire.port(**sizes)
        self.up = self.wire.port(token_slots=8, parameters=Parameters(nstart=16), **sizes)
        self.relay = Relay(down.endpoint, self.up.endpoint)
        if back is not None:
            Chain(self.relay, None, back)
        self.local = Recorder(down.endpoint)
        self.access = AllowList([Client(client[:-2], groups, unicast)])
        self.client = client
        self.role = down.endpoint.role = ReverseProxy(self.relay, self.local, self.access, address, stand_ins)
        self.address = address
        self.downs = {address: down}
        for other in self.role.addresses():
            if other not in self.downs:
                self.downs[other] = port = self.wire.port(token_slots=1, buf=down.endpoint.buf, **sizes)
                self.relay.serve(port.endpoint)
                port.endpoint.role = ReverseProxy(
                    self.relay, self.local, self.access, other, stand_ins, down=port.endpoint
                )
        self.mid = 100

    def ask(self, options, kind=n.NON, code=n.GET, token=b"tok", payload=b"", to=None, peer=None, mid=None):
        """What comes back from the address that was asked."""
        self.mid += 1
        data = datagram(kind, code, mid or self.mid, token, options, payload)
        return self.downs[to or self.address].receive(data, peer or self.client)

    def asked(self, options, **request):
        """The one request that goes on."""
        self.ask(options, **request)
        (sent,) = self.up.sent()
        return sent

    def answer(self, token, mid=1, kind=n.NON, code=n.CONTENT, options=(), payload=b"21", peer=SERVER, to=None):
        """A server answers: what goes from this own address to the client at once."""
        self.up.deliver(datagram(kind, code, mid, token, options, payload), peer)
        return self.downs[to or self.address].sent()

    def is_local(self, options, **request):
        """Is this a request for the proxy itself?"""
        before = len(self.local.requests)
        self.ask(options, **request)
        assert self.up.sent() == []
        return len(self.local.requests) == before + 1


def by_host(servers=True, **more):
    return Reverse([StandIn(GROUP, HOST, "group1.com", servers)], **more)


def by_path(servers=True, path=(b"lights",), **more):
    return Reverse([StandIn(GROUP, PATH, list(path), servers)], **more)


def by_address(servers=True, key=PROXY, **more):
    return Reverse([StandIn(GROUP, ADDRESS, key, {SERVER: OWN1, SERVER2: OWN2} if servers else {})], **more)


def reply_from(proxy, options, peer=SERVER, to=None):
    """The value of Reply-From in the answer of this server."""
    sent = proxy.asked(options, to=to)
    assert sent.kind == n.NON and uri.is_multicast(sent.peer)
    (got,) = proxy.answer(sent.token, peer=peer, to=to)
    assert got.token == b"tok" and got.peer == proxy.client
    value = got.option(REPLY_FROM)
    cri.read_reply_from(value)
    return value


# How a group is named


def test_group_by_host():
    sent = by_host().asked([T, NAMED, TEMP, (n.URI_QUERY, b"a=1")])
    assert sent.peer == GROUP and sent.kind == n.NON and sent.options == [TEMP, (n.URI_QUERY, b"a=1")]


def test_group_by_host_in_any_case_and_with_the_proxys_own_port():
    assert by_host().asked([T, (n.URI_HOST, b"Group1.COM"), (n.URI_PORT, b"\x16\x33"), TEMP]).options == [TEMP]


def test_another_host_or_port_is_no_group():
    proxy = by_host()
    for options in (
        [T, TEMP],
        [T, (n.URI_HOST, b"group2.com"), TEMP],
        [T, (n.URI_HOST, b"group1.com."), TEMP],
        [T, NAMED, (n.URI_PORT, b"\x16\x34"), TEMP],
        [T, (n.URI_HOST, b"\xff\xfe"), TEMP],
    ):
        assert proxy.is_local(options), options


def test_group_by_path():
    sent = by_path().asked([T, (n.URI_PATH, b"lights"), TEMP, (n.URI_PATH, b"x"), (n.URI_QUERY, b"a")])
    assert sent.peer == GROUP and sent.options == [TEMP, (n.URI_PATH, b"x"), (n.URI_QUERY, b"a")]


def test_group_by_path_of_several_segments():
    proxy = by_path(path=(b"floor1", b"lights"))
    assert proxy.asked([T, (n.URI_PATH, b"floor1"), (n.URI_PATH, b"lights"), TEMP]).options == [TEMP]
    assert proxy.is_local([T, (n.URI_PATH, b"floor1"), TEMP])


def test_path_alone_is_the_groups_root():
    assert by_path().asked([T, (n.URI_PATH, b"lights")]).options == []


def test_another_path_is_no_group():
    proxy = by_path()
    for path in ([], [b"light"], [b"lights2"], [b"x", b"lights"]):
        assert proxy.is_local([T] + [(n.URI_PATH, segment) for segment in path]), path


def test_host_beside_the_path_stays_behind():
    assert by_path().asked([T, (n.URI_HOST, b"192.0.2.1"), (n.URI_PATH, b"lights"), TEMP]).options == [TEMP]


def test_group_by_an_own_address():
    for options in ([T, TEMP], [T, (n.URI_HOST, b"p.example"), (n.URI_PORT, b"\x16\x33"), TEMP]):
        sent = by_address().asked(options)
        assert sent.peer == GROUP and sent.options == [TEMP]


def test_group_by_an_address_of_its_own_leaves_the_others_to_the_proxy():
    proxy = by_address(key=OWN2, servers=False)
    assert proxy.is_local([T, TEMP])
    assert proxy.asked([T, TEMP], to=OWN2).peer == GROUP


def test_first_that_fits_counts():
    stand_ins = [StandIn(GROUP2, PATH, [b"a"]), StandIn(GROUP, HOST, "group1.com"), StandIn(GROUP2, ADDRESS, PROXY, {})]
    proxy = Reverse(stand_ins)
    assert proxy.asked([T, NAMED, TEMP], token=b"1").peer == GROUP
    assert proxy.asked([T, NAMED, (n.URI_PATH, b"a")], token=b"2").peer == GROUP2
    assert proxy.asked([T, TEMP], token=b"3").peer == GROUP2


def test_any_method_and_its_payload_go_to_the_group():
    sent = by_host().asked([T, NAMED, TEMP], code=n.PUT, payload=b"on")
    assert sent.code == n.PUT and sent.payload == b"on" and sent.peer == GROUP


# It reveals itself


def test_request_without_a_timeout_is_4_00_with_an_empty_one():
    for proxy, options in ((by_host(), [NAMED, TEMP]), (by_path(), [(n.URI_PATH, b"lights")]), (by_address(), [TEMP])):
        for kind in (n.CON, n.NON):
            (refusal,) = proxy.ask(options, kind=kind)
            assert refusal.code == n.BAD_REQUEST and refusal.options == [(MULTICAST_TIMEOUT, b"")]
            assert refusal.payload and refusal.kind == (n.ACK if kind == n.CON else n.NON) and proxy.up.sent() == []


def test_timeout_stays_at_the_proxy_and_counts():
    proxy = by_host()
    sent = proxy.asked([(MULTICAST_TIMEOUT, b"\x02"), NAMED, TEMP])
    assert sent.option(MULTICAST_TIMEOUT) is None
    proxy.wire.advance(2001)
    assert proxy.answer(sent.token) == []


def test_confirmable_group_request_is_acknowledged():
    proxy = by_host()
    (ack,) = proxy.ask([T, NAMED, TEMP], kind=n.CON)
    assert ack.is_empty(n.ACK, proxy.mid)


def test_profile_00_works_here_too():
    proxy = by_address(servers=False)
    sent = proxy.asked([TEMP, (MULTICAST_SIGNALING, b"\x0a")])
    assert sent.options == [TEMP, (MULTICAST_SIGNALING, b"\x0a")] and sent.peer == GROUP
    assert len(proxy.answer(sent.token)) == 1


def test_it_is_no_forward_proxy():
    for option in ((n.PROXY_URI, b"coap://224.0.1.187/temp"), (n.PROXY_SCHEME, b"coap")):
        proxy = by_host()
        (refusal,) = proxy.ask([T, NAMED, TEMP, option])
        assert refusal.code == n.PROXYING_NOT_SUPPORTED and proxy.up.sent() == []


# What Reply-From says, byte by byte

P = b"\x82\x20\x81\x44\xc0\x00\x02\x01"  # [-1, [h'C0000201']]


def test_reply_from_where_it_stands_in_for_the_group_only_names_the_server():
    for proxy, options in (
        (by_host(servers=False), [T, NAMED, TEMP]),
        (by_path(servers=False), [T, (n.URI_PATH, b"lights")]),
        (by_address(servers=False), [T, TEMP]),
    ):
        assert reply_from(proxy, options) == b"\x82\x20\x81\x44\xc0\x00\x02\x05"
    assert reply_from(by_host(servers=False), [T, NAMED], PORTED) == b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"


def test_reply_from_by_host():
    assert reply_from(by_host(), [T, NAMED, TEMP]) == P + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"
    assert reply_from(by_host(), [T, NAMED], PORTED) == P + b"\x82\xf6\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"


def test_reply_from_by_path():
    value = reply_from(by_path(), [T, (n.URI_PATH, b"lights"), TEMP])
    assert value == P + b"\x82\xf5\x82\x66lights\x69192.0.2.5"
    value = reply_from(by_path(path=(b"f", b"lights")), [T, (n.URI_PATH, b"f"), (n.URI_PATH, b"lights")], PORTED)
    assert value == P + b"\x82\xf5\x83\x61f\x66lights\x6f192.0.2.5:61616"


def test_reply_from_by_address():
    assert reply_from(by_address(), [T, TEMP]) == b"\x82\x20\x81\x44\xc0\x00\x02\x15"
    assert reply_from(by_address(), [T, TEMP], SERVER2) == b"\x82\x20\x81\x44\xc0\x00\x02\x16"


def test_reply_from_of_a_server_without_an_own_address_names_the_server():
    assert reply_from(by_address(), [T, TEMP], PORTED) == b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"


def test_reply_from_names_the_proxys_port_where_it_is_another():
    for port, written in ((7, b"\x07"), (200, b"\x18\xc8"), (61616, b"\x19\xf0\xb0")):
        value = reply_from(by_host(address=uri.pack(PROXY[:4], port)), [T, NAMED, TEMP])
        assert value == b"\x82\x20\x82\x44\xc0\x00\x02\x01" + written + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"


def ipv6(stand_in, own=PROXY6):
    return Reverse([stand_in], address=own, client=CLIENT6)


def test_reply_from_for_ipv6():
    first = b"\x82\x20\x81\x50" + PROXY6[:16]
    proxy = ipv6(StandIn(GROUP6, HOST, "group1.com", True))
    assert reply_from(proxy, [T, NAMED], SERVER6) == first + b"\x82\xf6\x82\x50" + SERVER6[:16] + b"\x19\xf0\xb0"
    proxy = ipv6(StandIn(GROUP6, HOST, "group1.com"))
    assert reply_from(proxy, [T, NAMED], SERVER6) == b"\x82\x20\x82\x50" + SERVER6[:16] + b"\x19\xf0\xb0"
    proxy = ipv6(StandIn(GROUP6, PATH, [b"a"], True))
    text = b"[2001:db8:1111:2222:3333:4444:5555:6666]:61616"
    wanted = first + b"\x82\xf5\x82\x61a\x78" + bytes((len(text),)) + text
    assert reply_from(proxy, [T, (n.URI_PATH, b"a")], SERVER6) == wanted


def test_reply_from_by_path_for_names_of_every_length():
    for peer in ("2001:db8::55:6666", "2001:db8::555:6666", "2001:db8::5555:6666", "2001:db8::4:5555:6666", "::5"):
        for port in (5683, 1, 61616):
            server = uri.pack(peer, port)
            value = reply_from(ipv6(StandIn(GROUP6, PATH, [b"a"], True)), [T, (n.URI_PATH, b"a")], server)
            text = uri.address_text(server).encode()
            head = bytes((0x60 | len(text),)) if len(text) < 24 else bytes((0x78, len(text)))
            assert value == b"\x82\x20\x81\x50" + PROXY6[:16] + b"\x82\xf5\x82\x61a" + head + text


def test_longest_reply_from():
    own = uri.pack("2001:db8:1111:2222:3333:4444:5555:7777", 61617)
    path = [b"%016d" % i for i in range(4)]
    value = reply_from(
        ipv6(StandIn(GROUP6, PATH, path, True), own), [T] + [(n.URI_PATH, s) for s in path], SERVER6, to=own
    )
    address, _, second = cri.read_reply_from(value)
    assert len(value) == 23 + 3 + 4 * 17 + 48 and address == own
    text = "[2001:db8:1111:2222:3333:4444:5555:6666]:61616"
    assert second.path == [str(segment, "utf-8") for segment in path] + [text]


def test_reply_from_takes_the_place_of_one_that_came_in():
    proxy = by_host()
    token = proxy.asked([T, NAMED, TEMP]).token
    (got,) = proxy.answer(token, options=[(REPLY_FROM, b"\x82\x20\x81\x44\x01\x02\x03\x04")])
    assert got.options == [(REPLY_FROM, P + b"\x82\xf6\x81\x44\xc0\x00\x02\x05")]


def test_error_of_a_server_names_it_too():
    proxy = by_host()
    (got,) = proxy.answer(proxy.asked([T, NAMED, TEMP]).token, code=n.NOT_FOUND)
    assert got.option(REPLY_FROM) == P + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"


# Follow-ups: sent as Reply-From says


def follow_up(value, rest):
    """(packed address, options) of a request for the path `rest` at whom this Reply-From names (§6.2)."""
    address, _, second = cri.read_reply_from(value)
    options = []
    if second is not None and second.host:
        options.append((n.URI_HOST, uri.ip_text(second.host).encode()))
        if second.port is not None:
            options.append((n.URI_PORT, second.port.to_bytes(2, "big")))
    if second is not None:
        options += [(n.URI_PATH, segment.encode()) for segment in second.path or ()]
    return address, options + [(n.URI_PATH, segment) for segment in rest]


def reaches(proxy, options, server, to=None):
    to, options = follow_up(reply_from(proxy, options, server, to), [b"r1", b"x"])
    for kind in (n.CON, n.NON):
        sent = proxy.asked(options, kind=kind, to=to, token=b"%d" % kind)
        assert sent.peer == server and sent.kind == kind and sent.options == [(n.URI_PATH, b"r1"), (n.URI_PATH, b"x")]
        ack = n.ACK if kind == n.CON else n.NON
        (got,) = proxy.answer(sent.token, sent.mid, ack, peer=server, to=to)
        assert got.token == b"%d" % kind and got.payload == b"21" and got.kind == ack


def test_follow_up_reaches_the_server():
    for server in (SERVER, PORTED):
        reaches(by_host(), [T, NAMED, TEMP], server)
        reaches(by_path(), [T, (n.URI_PATH, b"lights"), TEMP], server)
    reaches(by_address(), [T, TEMP], SERVER)
    reaches(by_address(), [T, TEMP], SERVER2)


def test_follow_up_reaches_the_server_over_ipv6():
    reaches(ipv6(StandIn(GROUP6, HOST, "group1.com", True)), [T, NAMED, TEMP], SERVER6)
    reaches(ipv6(StandIn(GROUP6, PATH, [b"a"], True)), [T, (n.URI_PATH, b"a"), TEMP], SERVER6)
    own = uri.pack("2001:db8::15", 61000)
    reaches(ipv6(StandIn(GROUP6, ADDRESS, PROXY6, {SERVER6: own})), [T, TEMP], SERVER6)


def test_follow_up_by_an_ipv6_address_in_brackets():
    proxy = ipv6(StandIn(GROUP6, HOST, "group1.com", True))
    assert proxy.asked([(n.URI_HOST, b"[2001:db8::5]"), TEMP]).peer == uri.pack("2001:db8::5")


def test_follow_up_that_nobody_answers_is_5_04():
    proxy = by_host()
    proxy.asked([(n.URI_HOST, b"192.0.2.5"), TEMP])
    proxy.wire.advance(60001)
    (got,) = proxy.downs[PROXY].sent()
    assert got.code == n.GATEWAY_TIMEOUT and got.token == b"tok"


def test_no_follow_ups_where_it_stands_in_for_the_group_only():
    assert by_host(servers=False).is_local([(n.URI_HOST, b"192.0.2.5"), TEMP])
    sent = by_path(servers=False).asked([T, (n.URI_PATH, b"lights"), (n.URI_PATH, b"192.0.2.5")])
    assert sent.peer == GROUP and sent.options == [(n.URI_PATH, b"192.0.2.5")]


def test_its_own_address_in_uri_host_is_no_follow_up():
    proxy = by_host()
    for options in ([], [(n.URI_PORT, b"\x16\x33")]):
        assert proxy.is_local([(n.URI_HOST, b"192.0.2.1")] + options + [TEMP])
    proxy = by_host(address=uri.pack(PROXY[:4], 61616))
    assert proxy.is_local([(n.URI_HOST, b"192.0.2.1"), TEMP])
    assert proxy.is_local([(n.URI_HOST, b"192.0.2.1"), (n.URI_PORT, b"\xf0\xb0"), TEMP])
    server = proxy.asked([(n.URI_HOST, b"192.0.2.1"), (n.URI_PORT, b"\x16\x33"), TEMP])
    assert server.peer == PROXY  # another endpoint of this computer


def test_its_own_address_in_uri_host_names_what_is_there():
    stand_ins = [StandIn(GROUP2, HOST, "group1.com", True), StandIn(GROUP, ADDRESS, PROXY, {SERVER: OWN1})]
    proxy = Reverse(stand_ins)
    for i, port in enumerate(([], [(n.URI_PORT, b"\x16\x33")])):
        sent = proxy.asked([T, (n.URI_HOST, b"192.0.2.1")] + port + [TEMP], token=b"%d" % i)
        assert sent.peer == GROUP and sent.options == [TEMP]
        sent = proxy.asked([(n.URI_HOST, b"192.0.2.21")] + port + [TEMP], token=b"%d" % i, to=OWN1)
        assert sent.peer == SERVER and sent.options == [TEMP]


def test_group_or_other_family_in_uri_host_is_no_follow_up():
    proxy = by_host()
    for host in (b"224.0.1.187", b"224.0.1.188", b"2001:db8::5", b"[ff05::fd]"):
        assert proxy.is_local([T, (n.URI_HOST, host), TEMP])


def test_segment_that_is_a_group_goes_to_the_group_with_it():
    sent = by_path().asked([T, (n.URI_PATH, b"lights"), (n.URI_PATH, b"224.0.1.188")])
    assert sent.peer == GROUP


def test_address_of_a_server_is_for_that_server_only():
    other = StandIn(GROUP2, ADDRESS, uri.pack(b"\xc0\x00\x02\x01", 7000), {PORTED: uri.pack(b"\xc0\x00\x02\x17")})
    first = StandIn(GROUP, ADDRESS, PROXY, {SERVER: OWN1})
    proxy = Reverse([first, other])
    assert proxy.asked([TEMP], to=OWN1).peer == SERVER
    assert proxy.asked([TEMP], to=uri.pack(b"\xc0\x00\x02\x17"), token=b"2").peer == PORTED
    assert proxy.asked([T, TEMP], to=other.key, token=b"3").peer == GROUP2
    assert proxy.asked([TEMP], to=OWN1, token=b"4").options == [TEMP]
    hop = StandIn(GROUP2, ADDRESS, uri.pack(b"\xc0\x00\x02\x01", 7000), {SERVER2: OWN2}, HOP)
    for stand_ins in ((first, hop), (hop, first)):
        proxy = Reverse(stand_ins)  # the first of these servers is reached at once, the second through a proxy
        assert proxy.asked([TEMP], to=OWN1).options == [TEMP]
        assert proxy.asked([TEMP], to=OWN2).options == [TEMP, (n.HOP_LIMIT, b"\x10")]


# Permission


def test_allow_list_holds_for_groups():
    proxy = by_host(groups=(GROUP2,))
    (refusal,) = proxy.ask([T, NAMED, TEMP])
    assert refusal.code == n.UNAUTHORIZED and proxy.up.sent() == []
    proxy = by_host()
    (refusal,) = proxy.ask([T, NAMED, TEMP], peer=OTHER)
    assert refusal.code == n.UNAUTHORIZED and proxy.up.sent() == []


def test_allow_list_holds_for_follow_ups():
    for proxy, options, to in (
        (by_host(unicast=False), [(n.URI_HOST, b"192.0.2.5"), TEMP], None),
        (by_path(unicast=False), [(n.URI_PATH, b"lights"), (n.URI_PATH, b"192.0.2.5")], None),
        (by_address(unicast=False), [TEMP], OWN1),
    ):
        (refusal,) = proxy.ask(options, to=to)
        assert refusal.code == n.UNAUTHORIZED and proxy.up.sent() == []
        proxy.access.clients[0].unicast = True
        assert proxy.asked(options, to=to).peer == SERVER
        (refusal,) = proxy.ask(options, to=to, peer=OTHER, token=b"2")
        assert refusal.code == n.UNAUTHORIZED


# Early stop, and the token used again


def stop(token=b"tok", **how):
    return dict(options=[(MULTICAST_TIMEOUT, b"")], token=token, **how)


def test_early_stop_request_of_an_open_exchange():
    proxy = by_address()
    token = proxy.asked([T, TEMP]).token
    (ack,) = proxy.ask(**stop(kind=n.CON))
    assert ack.is_empty(n.ACK, proxy.mid) and proxy.up.sent() == [] and proxy.answer(token) == []


def test_early_stop_request_that_fits_no_exchange_is_a_request():
    proxy = by_address()
    sent = proxy.asked(**stop())
    assert sent.peer == GROUP and sent.code == n.GET and sent.options == []
    assert proxy.answer(sent.token) == []
    assert by_host().is_local(**stop())


def test_request_with_timeout_0_that_names_a_host_is_none():
    proxy = by_host()
    proxy.asked([T, NAMED, TEMP])
    (refusal,) = proxy.ask([(MULTICAST_TIMEOUT, b""), NAMED, TEMP])
    assert refusal.code == n.BAD_REQUEST


def test_token_used_again_is_4_00_and_ends_the_exchange():
    for proxy, options in ((by_host(), [T, NAMED, TEMP]), (by_path(), [T, (n.URI_PATH, b"lights")])):
        token = proxy.asked(options).token
        (refusal,) = proxy.ask(options)
        assert refusal.code == n.BAD_REQUEST and refusal.payload and proxy.up.sent() == []
        assert proxy.answer(token) == []


def test_token_and_message_id_are_of_one_own_address():
    proxy = by_address()
    group = proxy.asked([T, TEMP], mid=7)
    one = proxy.asked([TEMP], to=OWN1, mid=7)
    two = proxy.asked([TEMP], to=OWN2, mid=7)
    assert (group.peer, one.peer, two.peer) == (GROUP, SERVER, SERVER2)
    for sent, server, to in ((two, SERVER2, OWN2), (group, SERVER, PROXY), (one, SERVER, OWN1)):
        (got,) = proxy.answer(sent.token, sent.mid, peer=server, to=to)
        assert got.token == b"tok"
    (refusal,) = proxy.ask([T, TEMP])
    assert refusal.code == n.BAD_REQUEST


def test_early_stop_request_at_another_own_address_stops_nothing():
    proxy = by_address()
    group = proxy.asked([T, TEMP])
    proxy.ask(**stop(to=OWN1))
    assert len(proxy.answer(group.token)) == 1


def test_reset_ends_the_exchange_at_each_own_address():
    for to, key in ((PROXY, PROXY), (OWN2, OWN2)):
        proxy = by_address(key=key, servers=False)
        token = proxy.asked([T, TEMP], to=to).token
        (got,) = proxy.answer(token, to=to)
        proxy.downs[to].receive(datagram(n.RST, 0, got.mid), CLIENT)
        assert proxy.answer(token, 2, to=to) == []


# Chains


def in_a_row(first, second):
    """(Reply-From that the client of `first` gets, the request for the group) through both proxies; first: (proxy,
    options of the group request); second: a proxy whose client is the first."""
    proxy, options = first
    sent = proxy.asked(options)
    assert sent.peer == second.address
    onward = second.asked(sent.options, token=sent.token, code=sent.code)
    (got,) = second.answer(onward.token, peer=PORTED)
    proxy.up.deliver(got.raw, second.address)
    (relayed,) = proxy.downs[proxy.address].sent()
    assert relayed.token == b"tok" and relayed.payload == b"21"
    return relayed.option(REPLY_FROM), onward


def through_both(proxy, second, value):
    """The follow-up of a client to whom the first of two proxies in a row gave this Reply-From reaches the server."""
    to, options = follow_up(value, [b"r1"])
    assert to in proxy.downs
    sent = proxy.asked(options, token=b"fu", to=to)
    onward = second.asked(sent.options, token=sent.token, to=sent.peer)
    assert onward.peer == PORTED and onward.option(n.URI_PATH) == b"r1" and onward.option(n.URI_HOST) is None
    second.up.deliver(datagram(n.NON, n.CONTENT, 7, onward.token, (), b"22"), PORTED)
    (got,) = second.downs[sent.peer].sent()
    proxy.up.deliver(got.raw, sent.peer)
    (relayed,) = proxy.downs[to].sent()
    assert relayed.token == b"fu" and relayed.payload == b"22"


def hop_by_host(servers, **more):
    proxy = Reverse([StandIn(GROUP, HOST, "group1.com", servers, HOP)], back=2, **more)
    return proxy, by_host(servers, address=HOP, client=PROXY)


def hop_by_path(servers):
    proxy = Reverse([StandIn(GROUP, PATH, [b"a"], servers, HOP, [b"b", b"c"])], back=2)
    return proxy, by_path(servers, [b"b", b"c"], address=HOP, client=PROXY)


def test_chain_lowers_the_timeout_and_puts_a_hop_limit_in():
    proxy, second = hop_by_host(False)
    sent = proxy.asked([T, NAMED, TEMP])
    assert sent.options == [(MULTICAST_TIMEOUT, b"\x08"), NAMED, TEMP, (n.HOP_LIMIT, b"\x10")]
    (refusal,) = proxy.ask([(MULTICAST_TIMEOUT, b"\x02"), NAMED, TEMP], token=b"2")
    assert refusal.code == n.PROXYING_NOT_SUPPORTED and refusal.option(MULTICAST_TIMEOUT) == b"\x03"


def test_port_of_the_first_proxy_stays_there():
    proxy, _ = hop_by_host(False)
    sent = proxy.asked([T, NAMED, (n.URI_PORT, b"\x16\x33"), TEMP])
    assert sent.option(n.URI_PORT) is None and sent.option(n.URI_HOST) == b"group1.com"


def test_chain_reveals_itself_at_the_first_proxy():
    proxy, _ = hop_by_host(False)
    (refusal,) = proxy.ask([NAMED, TEMP])
    assert refusal.code == n.BAD_REQUEST and refusal.option(MULTICAST_TIMEOUT) == b"" and proxy.up.sent() == []


def test_chain_for_the_group_only_leaves_reply_from_alone():
    proxy, second = hop_by_host(False)
    value, onward = in_a_row((proxy, [T, NAMED, TEMP]), second)
    assert value == b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"
    assert onward.peer == GROUP and onward.options == [TEMP, (n.HOP_LIMIT, b"\x0f")]
    proxy, second = hop_by_path(False)
    value, onward = in_a_row((proxy, [T, (n.URI_PATH, b"a"), TEMP]), second)
    assert value == b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0" and onward.options[0] == TEMP


def test_chain_for_the_servers_too_by_host():
    proxy, second = hop_by_host(True)
    value, _ = in_a_row((proxy, [T, NAMED, TEMP]), second)
    assert value == P + b"\x82\xf6\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"
    through_both(proxy, second, value)


def test_chain_for_the_servers_too_by_path():
    proxy, second = hop_by_path(True)
    value, _ = in_a_row((proxy, [T, (n.URI_PATH, b"a"), TEMP]), second)
    assert value == P + b"\x82\xf5\x82\x61a\x6f192.0.2.5:61616"
    through_both(proxy, second, value)


def test_chain_for_the_servers_too_by_address():
    # The first proxy's OWN1 stands for the second's OWN2, which stands for the server.
    proxy = Reverse([StandIn(GROUP, ADDRESS, PROXY, {OWN2: OWN1}, HOP)], back=2)
    second = Reverse([StandIn(GROUP, ADDRESS, HOP, {PORTED: OWN2})], address=HOP, client=PROXY)
    value, _ = in_a_row((proxy, [T, TEMP]), second)
    assert value == b"\x82\x20\x81\x44\xc0\x00\x02\x15"
    through_both(proxy, second, value)


def test_chain_by_path_or_address_leaves_the_authority_behind():
    host = [(n.URI_HOST, b"p.example"), (n.URI_PORT, b"\x16\x33")]
    proxy, _ = hop_by_path(False)
    options = [(MULTICAST_TIMEOUT, b"\x08"), (n.URI_PATH, b"b"), (n.URI_PATH, b"c"), TEMP, (n.HOP_LIMIT, b"\x10")]
    assert proxy.asked([T] + host + [(n.URI_PATH, b"a"), TEMP]).options == options
    proxy = Reverse([StandIn(GROUP, ADDRESS, PROXY, {OWN2: OWN1}, HOP)], back=2)
    assert proxy.asked([T] + host + [TEMP]).options == [options[0], TEMP, options[-1]]
    follow = proxy.asked(host + [TEMP], to=OWN1, token=b"2")
    assert follow.peer == OWN2 and follow.options == [TEMP, options[-1]]


def test_answer_whose_reply_from_names_no_server_this_way_is_not_relayed():
    path = P + b"\x82\xf5\x81"
    named = b"\x82\x20\x81\x61x"  # [-1, ["x"]], a host name
    by_name = (P, b"\xff\xff\xff\xff\xff", named, P + b"\x82\xf6\x81\x61x", path + b"\x61x")
    by_segment = (P, b"\xff\xff\xff\xff\xff", named, P + b"\x82\xf6\x81\x44\xc0\x00\x02\x05", path + b"\x61x")
    own = Reverse([StandIn(GROUP, ADDRESS, PROXY, {OWN2: OWN1}, HOP)], back=2)
    for proxy, options, values in (
        (hop_by_host(True)[0], [T, NAMED, TEMP], by_name),
        (hop_by_path(True)[0], [T, (n.URI_PATH, b"a"), TEMP], by_segment),
        (own, [T, TEMP], (b"\xff\xff\xff\xff\xff", named)),
    ):
        sent = proxy.asked(options)
        for mid, value in enumerate(values):
            assert proxy.answer(sent.token, mid, options=[(REPLY_FROM, value)], peer=HOP) == [], value
        assert proxy.relay.refused_responses == len(values)


def test_next_hop_of_a_reverse_proxy_is_the_only_one_to_answer():
    proxy, _ = hop_by_host(False)
    sent = proxy.asked([T, NAMED, TEMP])
    value = b"\x82\x20\x81\x44\xc0\x00\x02\x05"
    assert proxy.answer(sent.token, options=[(REPLY_FROM, value)], peer=SERVER) == []
    assert len(proxy.answer(sent.token, options=[(REPLY_FROM, value)], peer=HOP)) == 1


def test_early_stop_goes_through_the_chain():
    proxy, second = hop_by_host(True)
    sent = proxy.asked([T, NAMED, TEMP])
    onward = second.asked(sent.options, token=sent.token)
    proxy.ask(**stop())
    (early,) = proxy.up.sent()
    (ack,) = second.downs[HOP].receive(early.raw, PROXY)
    assert ack.is_empty(n.ACK, early.mid) and second.up.sent() == [] and second.answer(onward.token) == []
