"""Nodes of IPv6: real nodes, real sockets, groups of link-local, admin-local and site-local scope.

Multicast over IPv6 needs an interface that has it. The loopback has none by itself (root may give it one, see NO_LAN);
another interface serves as well: with a hop limit of 0 nothing leaves this computer. A computer without IPv6 cannot be
given it by an installation: there these tests are skipped, wherever they run, and say why.
"""

import contextlib
import itertools
import os
import random
import socket
import struct
from pathlib import Path

import cbor2
import peers
import pytest
from peers import CON, MULTICAST_TIMEOUT, NON, PROXY_URI, REPLY_FROM
from test_membership import numbers, rejoin, start, told  # noqa: F401

NO_LAN = "needs IPv6 multicast on an interface: ip -6 route add local ff00::/8 dev lo table local"
SILENCE_S = 0.25
_ports = itertools.count(20000 + os.getpid() * 61 % 20000)  # each test's own, as there are so few addresses


class Peer(peers.Peer):
    """A peer whose address is IPv6, and whose multicast leaves by this interface."""

    def __init__(self, address, interface, port=0):
        self._interface = socket.if_nametoindex(interface)
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self._interface)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 0)
        self.socket.bind((address, port, 0, self._interface))
        self.address, self.port = self.socket.getsockname()[:2]
        self._mid = random.randrange(65536)

    def join(self, group):
        membership = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@i", self._interface)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        return self

    def send_bytes(self, to, data):
        address, port = to[:2] if isinstance(to, tuple) else (to.address, to.port)
        self.socket.sendto(data, (address, port, 0, self._interface))


class Lan:
    """An interface with multicast, and its addresses by scope: "00" global or loopback, "20" link-local."""

    def __init__(self, interface, addresses):
        self.interface = interface
        self._addresses = addresses
        self.scope = next((scope for scope in ("00", "20") if scope in addresses), None)

    def address(self, scope=None):
        found = self._addresses.get(scope or self.scope)
        if found is None:
            pytest.skip(f"needs an IPv6 address of scope {scope} on {self.interface}")
        return found

    def peer(self, scope=None, port=0):
        return Peer(self.address(scope), self.interface, port)

    def works(self):
        """Does a datagram to a group come back to this computer?"""
        group = f"ff05::{random.randrange(1, 65536):x}:{os.getpid() & 0xFFFF:x}"
        with contextlib.suppress(OSError):
            sender = self.peer()
            receiver = Peer(group, self.interface, next(_ports)).join(group)
            sender.send_bytes((group, receiver.port), b"?")
            receiver.socket.settimeout(SILENCE_S)
            return receiver.socket.recv(2) == b"?"
        return False


def lans():
    """The interfaces that have IPv6, the loopback first."""
    found = {}
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else ():
        text, _, _, scope, flags, name = line.split()
        if not int(flags, 16) & 0x68:  # not failed, nor deprecated, nor tentative
            scope = "00" if scope == "10" else scope  # the loopback's
            found.setdefault(name, {})[scope] = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(text))
    return [Lan(name, found[name]) for name in sorted(found, key=lambda name: (name != "lo", name))]


@pytest.fixture(scope="module")
def working_lan():
    return next((lan for lan in lans() if lan.works()), None)


@pytest.fixture
def lan6(working_lan):
    if working_lan is None:
        pytest.skip(NO_LAN)
    return working_lan


@pytest.fixture
def loopback():
    try:
        return Peer("::1", "lo")
    except OSError as e:
        pytest.skip(f"needs the address ::1: {e.strerror}")


def server_config(lan, *groups, scope=None, **more):
    config = peers.server_config(**more)
    own = {"address": lan.address(scope), "multicast_interface": lan.interface, "multicast_ttl": 0}
    return {**config, **own, "groups": list(groups), "port": next(_ports)}


def test_server_on_the_loopback_answers_and_says_where_it_is(node, loopback):
    config = {"address": "::1", "multicast_interface": "lo", "port": next(_ports)}
    server = node({**peers.server_config(), **config})
    assert server.stdout() == f"ready server coap://[::1]:{config['port']}\n"
    response = loopback.ask(server, options=peers.path("temp"))
    assert (response.code, response.payload, response.source[:2]) == ("2.05", b"21.5", ("::1", config["port"]))
    assert loopback.ping(server) == []


def test_same_message_id_from_two_ports_of_one_address_is_no_duplicate(node, loopback):
    server = node({**peers.server_config(), "address": "::1", "multicast_interface": 1, "port": next(_ports)})
    other = Peer("::1", "lo")
    for peer in (loopback, other):
        peer.send(server, NON, options=peers.path("temp"), mid=4711)
        assert peer.expect().payload == b"21.5"
    loopback.send(server, NON, options=peers.path("temp"), mid=4711)
    assert loopback.ping(server) == []


@pytest.mark.parametrize("group", ["ff02::fd", "ff04::fd", "ff05::fd"])
def test_server_answers_a_group_from_its_own_address(group, node, lan6):
    port = next(_ports)
    server = node(server_config(lan6, f"[{group}]:{port}"))
    client = lan6.peer()
    request = client.send((group, port), NON, options=peers.path("temp"))
    response = client.expect()
    assert (response.type, response.token, response.payload) == (NON, request.token, b"21.5")
    assert response.source[:2] == (lan6.address(), server.port)
    client.send((group, port), NON, options=peers.path("missing"))
    assert client.ping(server) == []


def test_server_is_a_member_of_several_groups(node, lan6):
    bare = f"ff05::db8:{os.getpid() & 0xFFFF:x}"
    ports = next(_ports), next(_ports)
    server = node(server_config(lan6, bare, f"[ff02::fd]:{ports[0]}", f"[ff02::fd]:{ports[1]}", f"[{bare}]:{ports[0]}"))
    client = lan6.peer()
    for to in ((bare, 5683), ("ff02::fd", ports[0]), ("ff02::fd", ports[1]), (bare, ports[0])):
        token = client.send(to, NON, options=peers.path("temp")).token
        response = client.expect()
        assert (response.token, response.source[1]) == (token, server.port)
    client.send((bare, ports[1]), NON, options=peers.path("temp"))  # not a member of that
    assert client.receive(SILENCE_S) is None


def test_link_local_addresses_are_those_of_the_interface(node, lan6):
    port = next(_ports)
    client = lan6.peer("20")
    server = node(server_config(lan6, f"[ff02::fd]:{port}", scope="20"))
    assert client.ask(server, options=peers.path("temp")).code == "2.05"
    client.send(("ff02::fd", port), NON, options=peers.path("temp"))
    host, port = client.expect().source[:2]
    assert (host.partition("%")[0], port) == (lan6.address("20"), server.port)


def proxied(lan, node, group):
    client = lan.peer()
    config = peers.proxy_config(client.address, [group], max_timeout_s=2)
    own = {"address": lan.address(), "multicast_interface": lan.interface, "multicast_ttl": 0}
    return client, node({**config, **own, "port": next(_ports)})


def proxy_options(target):
    return [(PROXY_URI, target.encode()), (MULTICAST_TIMEOUT, b"\x01")]


def test_group_behind_a_proxy_answers_with_origins(node, lan6):
    group = f"[ff02::fd]:{next(_ports)}"
    client, proxy = proxied(lan6, node, group)
    servers = [node(server_config(lan6, group, value=str(value))) for value in range(3)]
    request = client.send(proxy, CON, options=proxy_options(f"coap://{group}/temp"))
    found = client.collect(3, wanted=lambda message: message.token == request.token and message.code == "2.05")
    assert sorted(message.payload for message in found) == [b"0", b"1", b"2"]
    ip = socket.inet_pton(socket.AF_INET6, lan6.address())
    for message in found:
        _, (host, port) = cbor2.loads(message.option(REPLY_FROM))
        assert (bytes(host), port) == (ip, servers[int(message.payload)].port)


def test_origin_behind_a_proxy_can_be_asked_through_it(node, lan6):
    group = f"[ff05::fd]:{next(_ports)}"
    client, proxy = proxied(lan6, node, group)
    server = node(server_config(lan6, group))
    target = f"coap://[{lan6.address()}]:{server.port}/temp"
    assert client.ask(proxy, options=[(PROXY_URI, target.encode())]).payload == b"21.5"
    assert client.ask(proxy, options=proxy_options("coap://[ff05::fd]:9/temp")).code == "4.01"  # not allowed
    refusal = client.ask(proxy, options=proxy_options("coap://224.0.1.187/temp"))  # of the other family
    assert refusal.code[0] in "45"
    assert client.ping(proxy) == []


@pytest.mark.parametrize("vm", ["unix", "cpython"])
@pytest.mark.parametrize("scope", ["00", "20"])
def test_groups_are_joined_and_left_at_run_time(vm, scope, start, lan6):  # noqa: F811
    port = next(_ports)
    member = start(vm, lan6.address(scope), port=port, interface=lan6.interface)
    client = lan6.peer(scope)
    before = member.sockets()
    assert told(client, member, "ask") == f"[{lan6.address(scope)}]:{client.port}"
    told(client, member, f"join [ff02::fd]:{port} 1")
    told(client, member, f"join [ff05::fd]:{port} 2")
    assert [numbers(client, group, 1, port=port) for group in ("ff02::fd", "ff05::fd")] == [[1], [2]]
    rejoin(client, member)
    assert [numbers(client, group, 1, port=port) for group in ("ff02::fd", "ff05::fd")] == [[1], [2]]
    told(client, member, f"leave [ff02::fd]:{port}")
    assert numbers(client, "ff02::fd", 0, port=port) == []
    assert numbers(client, "ff05::fd", 1, port=port) == [2]
    told(client, member, f"leave [ff05::fd]:{port}")
    assert numbers(client, "ff05::fd", 0, port=port) == []
    assert member.sockets() == before


@pytest.mark.parametrize("vm", ["unix", "cpython"])
def test_peer_of_the_link_is_reached_before_it_has_said_anything(vm, start, lan6):  # noqa: F811
    member = start(vm, lan6.address(), port=next(_ports), interface=lan6.interface)
    client, other = lan6.peer(), lan6.peer("20")
    told(client, member, f"send [{other.address.partition('%')[0]}]:{other.port}")
    assert other.expect().source[1] == member.port
    assert told(client, member, "errors") == "0 0 0"
