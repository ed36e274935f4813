"""Three forward-proxies in a row, as processes (draft-ietf-core-groupcomm-proxy §8)."""

import socket

import cbor2
import peers
import pytest
from peers import CON, NON, RST


class Row:
    """A client, three proxies each of which sends to the next, and a group's multicast behind the last."""

    def __init__(self, lan, node):
        self.group = lan.group()
        self.client = peers.Peer(lan.address())
        self.addresses = [lan.address() for _ in range(3)]
        self.proxies = []
        senders = [self.client.address, *self.addresses]
        for i in (2, 1, 0):
            hop = {"next_hop": self.addresses[i + 1]} if i < 2 else {}
            config = peers.proxy_config(senders[i], [self.group], **hop)
            self.proxies.insert(0, node({**config, "address": self.addresses[i]}))
        self.first = self.proxies[0]

    def options(self, seconds, path="/temp"):
        uri = f"coap://{self.group}{path}".encode()
        return [(peers.MULTICAST_TIMEOUT, peers.uint(seconds)), (peers.PROXY_URI, uri)]

    def ask(self, seconds, **how):
        """Send a group request to the first proxy."""
        return self.client.send(self.first, options=self.options(seconds), **how)

    def responses(self, request, count):
        """So many messages with the token of this request."""
        return self.client.collect(count, wanted=lambda message: message.token == request.token)


@pytest.fixture
def row(lan, node):
    return Row(lan, node)


def server_of(message):
    """The server that Reply-From names, as text."""
    scheme, (ip, *_) = cbor2.loads(message.option(peers.REPLY_FROM))
    assert scheme == -1
    return ".".join(map(str, ip))


def test_profile_00_goes_through_three_proxies(row, node):
    servers = [node(peers.server_config(row.group, value=str(i))) for i in range(3)]
    uri = f"coap://{row.group}/temp".encode()
    request = row.client.send(row.first, options=[(peers.PROXY_URI, uri), (peers.MULTICAST_SIGNALING, b"\x03")])
    assert row.client.expect().type == peers.ACK
    got = row.responses(request, 3)
    forwarded = {message.option(peers.RESPONSE_FORWARDING): message.payload for message in got}
    assert forwarded == {
        cbor2.dumps(cbor2.CBORTag(260, socket.inet_aton(server.address))): b"%d" % i for i, server in enumerate(servers)
    }
    assert {(message.type, message.code, message.option(peers.REPLY_FROM)) for message in got} == {(NON, "2.05", None)}


def test_all_answers_come_back_from_behind_three_proxies(row, node):
    servers = [node(peers.server_config(row.group, value=str(i))) for i in range(3)]
    for type in (NON, CON):
        request = row.ask(3, type=type)
        if type == CON:
            assert row.client.expect().type == peers.ACK
        got = row.responses(request, 3)
        assert {server_of(message): message.payload for message in got} == {
            server.address: b"%d" % i for i, server in enumerate(servers)
        }
        assert {(message.type, message.code) for message in got} == {(NON, "2.05")}
        assert {message.source for message in got} == {(row.first.address, row.first.port)}
    # The origin is where a server is reached, through the proxies as well as directly
    for to, options in ((row.first, [(peers.PROXY_URI, f"coap://{server_of(got[0])}/temp".encode())]), (None, None)):
        options = options or peers.path("temp")
        answer = row.client.ask(to or (server_of(got[0]), peers.PORT), options=options)
        assert answer.payload == got[0].payload and answer.code == "2.05"


def test_too_short_a_timeout_is_told_and_the_one_that_is_told_will_do(row, lan):
    member = peers.group_member(row.group)
    refusal = row.client.ask(row.first, options=row.options(1))  # here already
    assert refusal.code == "5.05" and refusal.option(peers.MULTICAST_TIMEOUT) == b"\x02"
    request = row.ask(2)  # for the first proxy that is enough, for the second it is not
    (refusal,) = row.responses(request, 1)
    assert refusal.code == "5.05" and refusal.option(peers.MULTICAST_TIMEOUT) == b"\x03"
    assert refusal.option(peers.REPLY_FROM) is None
    request = row.ask(refusal.option(peers.MULTICAST_TIMEOUT)[0])
    heard = member.expect()
    assert heard.option(peers.MULTICAST_TIMEOUT) is None and heard.option(peers.PROXY_URI) is None
    server = peers.Peer(lan.address())
    peers.answer(server, heard)
    (got,) = row.responses(request, 1)
    assert got.code == "2.05" and server_of(got) == server.address


def test_early_stop_reaches_the_last_proxy(row, lan):
    member, server = peers.group_member(row.group), peers.Peer(lan.address())
    for reset in (True, False):
        request = row.ask(60, type=NON)
        heard = member.expect()
        peers.answer(server, heard)
        (got,) = row.responses(request, 1)
        # A Confirmable answer is acknowledged while the last proxy has the exchange, then reset
        sent = peers.answer(server, heard, type=CON)
        assert acknowledged(server, sent).type == peers.ACK
        row.responses(request, 1)
        if reset:
            row.client.send(row.first, RST, "0.00", token=b"", mid=got.mid)
        else:
            row.client.send(row.first, NON, options=[(peers.MULTICAST_TIMEOUT, b"")], token=request.token)
        row.client.ping(row.first)
        server.ping(row.proxies[1])  # so that each has passed it on
        server.ping(row.proxies[2])
        sent = peers.answer(server, heard, type=CON)
        assert acknowledged(server, sent).type == RST


def acknowledged(server, sent):
    """What answers this CON of the server."""
    (message,) = server.collect(1, wanted=lambda message: message.mid == sent.mid)
    return message


def test_observation_through_three_proxies(row, lan):
    member, server = peers.group_member(row.group), peers.Peer(lan.address())
    request = row.client.send(row.first, NON, options=[(6, b""), *row.options(3)])
    heard = member.expect()
    assert heard.option(6) == b""
    numbers = []
    for i in range(3):
        peers.answer(server, heard, b"%d" % i, options=[(6, bytes([10 + i]))])
        (got,) = row.responses(request, 1)
        assert got.payload == b"%d" % i and server_of(got) == server.address
        numbers.append(int.from_bytes(got.option(6), "big"))
    assert numbers == sorted(set(numbers))
