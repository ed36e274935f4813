"""The reverse-proxy as a process: the examples of draft-ietf-core-groupcomm-proxy, Appendix "Examples with a
Reverse-Proxy", message by message over UDP, and reverse-proxies in a row."""

import io
import socket

import cbor2
import peers
import pytest
from peers import ACK, CON, NON


class Net(peers.Net):
    """A client, and the group of two servers whose resource /r the examples ask for: sockets that speak CoAP."""

    def __init__(self, lan, node):
        super().__init__(lan, node)
        self.servers = [peers.Peer(lan.address(), peers.PORT), peers.Peer(lan.address())]

    def start(self, stand_in, address=None, client=None, groups=None):
        """Start a reverse-proxy that stands in for the group."""
        entry = {"group": self.group, **stand_in}
        groups = [self.group] if groups is None else groups
        config = peers.proxy_config(client or self.client.address, groups, mode="reverse", stands_in_for=[entry])
        self.proxy = self._node({**config, "address": address or self._lan.address()})
        return self.proxy

    def reveals_itself(self, options):
        """The first steps of each example: a request without Multicast-Timeout, and what comes back."""
        for type in (CON, NON):
            refusal = self.client.ask(self.proxy, type=type, options=options)
            assert refusal.code == "4.00" and refusal.option(peers.MULTICAST_TIMEOUT) == b"" and refusal.payload
            assert refusal.source == (self.proxy.address, self.proxy.port)

    def both_answer(self, options, heard_options, seconds=3):
        """The steps in the middle: the request with Multicast-Timeout, and each server's answer by its Reply-From."""
        timeout = (peers.MULTICAST_TIMEOUT, peers.uint(seconds))
        request = self.client.send(self.proxy, CON, options=[timeout, *options])
        ack = self.client.expect()
        assert (ack.type, ack.code, ack.mid) == (ACK, "0.00", request.mid)
        heard = self.member.expect()
        assert heard.type == NON and heard.options == tuple(heard_options)
        found = []
        for i, server in enumerate(self.servers):
            peers.answer(server, heard, b"%d" % i)
            got = self.client.expect()
            assert (got.type, got.code, got.token, got.payload) == (NON, "2.05", request.token, b"%d" % i)
            assert got.source == (self.proxy.address, self.proxy.port)
            found.append(got.option(peers.REPLY_FROM))
        return found

    def follow_up(self, to, options, server, heard_options):
        """The last steps: a request for one server alone, and its answer from where it was sent to."""
        for type in (CON, NON):
            request = self.client.send(to, type, options=options)
            heard = server.expect()
            assert heard.options == tuple(heard_options) and heard.type == type
            peers.answer(server, heard, b"one", type=ACK if type == CON else NON, mid=heard.mid)
            got = self.client.expect()
            assert (got.code, got.token, got.payload, got.source) == ("2.05", request.token, b"one", to)


@pytest.fixture
def net(lan, node):
    return Net(lan, node)


def ip(address):
    return socket.inet_aton(address)


def authority(peer):
    """[IP, port?] of a CRI."""
    return [ip(peer.address)] + ([] if peer.port == peers.PORT else [peer.port])


def sequence(value):
    """The items of a CBOR sequence, as another implementation reads them."""
    stream, items = io.BytesIO(value), []
    while stream.tell() < len(value):
        items.append(cbor2.load(stream))
    assert b"".join(cbor2.dumps(item) for item in items) == value  # in the shortest form
    return items


R = [(peers.URI_PATH, b"r")]


def test_example_1_group_and_servers_by_host(net):
    proxy = net.start({"host": "group1.com", "servers": True})
    options = [(peers.URI_HOST, b"group1.com"), *R]
    net.reveals_itself(options)
    for value, server in zip(net.both_answer(options, R), net.servers, strict=True):
        assert sequence(value) == [[-1, [ip(proxy.address)]], [None, authority(server)]]
        follow = [(peers.URI_HOST, server.address.encode()), (peers.URI_PATH, b"r1")]
        if server.port != peers.PORT:
            follow.insert(1, (peers.URI_PORT, peers.uint(server.port)))
        net.follow_up((proxy.address, proxy.port), follow, server, [(peers.URI_PATH, b"r1")])


def test_profile_00_at_a_reverse_proxy(net):
    for way, options in (({"host": "group1.com"}, [(peers.URI_HOST, b"group1.com"), *R]), ({"path": "a"}, None)):
        net.start(way)
        options = options or [(peers.URI_PATH, b"a"), *R]
        request = net.client.send(net.proxy, CON, options=[*options, (peers.MULTICAST_SIGNALING, b"\x03")])
        assert net.client.expect().type == ACK
        heard = net.member.expect()
        assert heard.type == NON and heard.options == (*R, (peers.MULTICAST_SIGNALING, b"\x03"))
        for server in net.servers:
            said = (peers.RESPONSE_FORWARDING, cbor2.dumps(cbor2.CBORTag(260, ip(server.address))))
            peers.answer(server, heard, b"1", options=[said])
            got = net.client.expect()
            assert (got.type, got.code, got.token, got.options) == (NON, "2.05", request.token, (said,))


def test_example_2_group_and_servers_by_address(net, lan):
    own = [lan.address(), lan.address()]
    pairs = [
        {"server": f"{server.address}:{server.port}", "address": address, "port": 5683 + i}
        for i, (server, address) in enumerate(zip(net.servers, own, strict=True))
    ]
    address = lan.address()
    proxy = net.start({"address": address, "server_addresses": pairs}, address)
    net.reveals_itself(R)
    for i, value in enumerate(net.both_answer(R, R)):
        assert sequence(value) == [[-1, [ip(own[i])] + [5684] * i]]  # at a port that is not the default
        net.follow_up((own[i], 5683 + i), R, net.servers[i], R)
    assert proxy.address == address


def test_example_3_group_only(net, lan):
    address = lan.address()
    net.start({"address": address}, address)
    net.reveals_itself(R)
    for value, server in zip(net.both_answer(R, R), net.servers, strict=True):
        assert sequence(value) == [[-1, authority(server)]]
        net.follow_up((server.address, server.port), R, server, R)  # past the proxy


def test_group_and_servers_by_path(net):
    proxy = net.start({"path": "lights", "servers": True})
    lights = (peers.URI_PATH, b"lights")
    net.reveals_itself([lights, *R])
    for value, server in zip(net.both_answer([lights, *R], R), net.servers, strict=True):
        name = server.address + ("" if server.port == peers.PORT else f":{server.port}")
        assert sequence(value) == [[-1, [ip(proxy.address)]], [True, ["lights", name]]]
        follow = [lights, (peers.URI_PATH, name.encode()), (peers.URI_PATH, b"r1")]
        net.follow_up((proxy.address, proxy.port), follow, server, [(peers.URI_PATH, b"r1")])


def test_what_is_for_no_group_is_the_proxys_own(net):
    proxy = net.start({"host": "group1.com", "servers": True})
    answer = net.client.ask(proxy, options=[(peers.MULTICAST_TIMEOUT, b"\x02"), *R])
    assert answer.code == "4.04"
    assert net.client.ask(proxy, options=peers.path(".well-known/core")).code == "2.05"


def test_client_may_have_the_group_but_not_its_servers(net, lan, node):
    entry = {"group": net.group, "host": "group1.com", "servers": True}
    config = peers.proxy_config(net.client.address, [net.group], unicast=False, mode="reverse", stands_in_for=[entry])
    net.proxy = node(config)
    net.both_answer([(peers.URI_HOST, b"group1.com"), *R], R)
    follow = [(peers.URI_HOST, net.servers[0].address.encode()), *R]
    assert net.client.ask(net.proxy, options=follow).code == "4.01"


def in_a_row(net, lan, entries):
    """Reverse-proxies, the last at first, each with a `next_hop` but that; entries: what each stands in for."""
    addresses = [lan.address() for _ in entries]
    clients = [net.client.address, *addresses]
    for i in reversed(range(len(entries))):
        hop = {"next_hop": addresses[i + 1]} if i < len(entries) - 1 else {}
        net.start({**entries[i], **hop}, addresses[i], clients[i])


def hops(count):
    """The Hop-Limit that arrives behind so many proxies."""
    return (16, bytes([17 - count]))


@pytest.mark.parametrize("servers", [True, False])
def test_three_in_a_row_by_host(net, lan, servers):
    in_a_row(net, lan, [{"host": "group1.com", "servers": servers}] * 3)
    options = [(peers.URI_HOST, b"group1.com"), *R]
    for value, server in zip(net.both_answer(options, [*R, hops(3)]), net.servers, strict=True):
        if not servers:
            assert sequence(value) == [[-1, authority(server)]]
            continue
        assert sequence(value) == [[-1, [ip(net.proxy.address)]], [None, authority(server)]]
        follow = [(peers.URI_HOST, server.address.encode()), (peers.URI_PORT, peers.uint(server.port)), *R]
        net.follow_up((net.proxy.address, 5683), follow, server, [*R, hops(3)])


def test_two_in_a_row_by_path(net, lan):
    in_a_row(net, lan, [{"path": "a", "servers": True, "next_path": "b/c"}, {"path": "b/c", "servers": True}])
    a = (peers.URI_PATH, b"a")
    for value, server in zip(net.both_answer([a, *R], [*R, hops(2)]), net.servers, strict=True):
        name = server.address + ("" if server.port == peers.PORT else f":{server.port}")
        assert sequence(value) == [[-1, [ip(net.proxy.address)]], [True, ["a", name]]]
        follow = [a, (peers.URI_PATH, name.encode()), *R]
        net.follow_up((net.proxy.address, 5683), follow, server, [*R, hops(2)])


def test_two_in_a_row_by_address(net, lan):
    first, second = lan.address(), lan.address()
    near, far = lan.address(), lan.address()  # what stands for the server at each of the two
    server = net.servers[0]
    net.servers = [server]
    pair = {"server": server.address, "address": far}
    net.start({"address": second, "server_addresses": [pair]}, second, first)
    pair = {"server": far, "address": near}
    net.start({"address": first, "server_addresses": [pair], "next_hop": second}, first)
    (value,) = net.both_answer(R, [*R, hops(2)])
    assert sequence(value) == [[-1, [ip(near)]]]
    net.follow_up((near, 5683), R, server, [*R, hops(2)])
