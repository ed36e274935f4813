"""A million forged responses at a proxy's upstream port: dropped and counted, and without any other effect.

They come no faster than the proxy takes them: behind each batch goes a ping, and the second batch after it waits for
the Reset that answers it (RFC 7252 §4.3). Thus none is lost in a buffer, which would prove nothing.
"""

import collections
import random
import struct

import peers
import pytest
from peers import CON, MULTICAST_TIMEOUT, NON, PROXY_URI, RST, uint
from vm.counting import counting_node

FORGED = 1_000_000
BATCH = 80  # datagrams, a multiple of four; two of them and their pings must fit into the proxy's buffer
SENDERS = 20  # fewer than the proxy has places for the addresses of its peers: a table that is full stays as it is
CON_ONE_IN = 100  # of the forged ones; each is reset
MORE_HEAP = 512  # bytes: room for what the VM keeps of the last messages


class Forger:
    """Sends forged responses from many addresses."""

    def __init__(self, addresses, to):
        self._peers = [peers.Peer(address, peers.PORT) for address in addresses]
        for peer in self._peers:
            peer.socket.connect(to)
            peer.socket.settimeout(peers.ANSWER_S)
        self._pings = collections.deque()
        self._mid = 0
        self.resets = 0  # of forged Confirmable ones

    def batch(self, tokens):
        """Send a response with each of these tokens, and go on once the batch before has been taken."""
        peer = self._peers[0]
        self._peers.append(self._peers.pop(0))
        send = peer.socket.send
        for token in tokens:
            self._mid = mid = self._mid + 1 & 0xFFFF
            kind = CON if mid % CON_ONE_IN == 0 else NON
            send(struct.pack(">BBH", 0x40 | kind << 4 | len(token), 0x45, mid) + token + b"\xffforged")
        self._mid = mid = self._mid + 1 & 0xFFFF
        send(struct.pack(">BBH", 0x40, 0, mid))
        self._pings.append((peer, mid))
        if len(self._pings) > 1:
            self.settle()

    def settle(self):
        """Await the Reset of the oldest ping."""
        peer, ping = self._pings.popleft()
        while True:
            message = peers.decode(peer.socket.recv(64))
            assert (message.type, message.code) == (RST, "0.00")
            if message.mid == ping:
                return
            self.resets += 1

    def send(self, count, tokens):
        """Send so many, with tokens(n) giving n of them, and return when all of them have been taken."""
        for _ in range(count // BATCH):
            self.batch(tokens(BATCH))
        while self._pings:
            self.settle()


def other(part):
    """Random bytes as long as these, and not these."""
    while (found := random.randbytes(len(part))) == part:
        pass
    return found


def forgeries(open_token, expired_token):
    """tokens(n) for a Forger: each time n of four kinds."""
    slot_and_count, secret = open_token[:4], open_token[4:]

    def tokens(count):
        found = []
        for _ in range(count // 4):
            found.append(other(open_token)[: random.randrange(9)])  # any
            found.append(expired_token)
            found.append(slot_and_count + other(secret))  # the right slot and count, a wrong random part
            found.append(open_token[:1] + other(open_token[1:4]) + secret)  # a wrong count
        return found

    return tokens


def open_exchange(client, proxy, member, group, timeout):
    """Let the client ask the group: (its request, the proxy's request that the group has heard)."""
    options = [(PROXY_URI, f"coap://{group}/temp".encode()), (MULTICAST_TIMEOUT, uint(timeout))]
    request = client.send(proxy, CON, options=options)
    assert client.expect().mid == request.mid
    return request, member.expect()


@pytest.fixture
def client(lan):
    return peers.Peer(lan.address())


def test_a_million_forged_responses_have_no_effect(client, lan, tmp_path):
    group = lan.group()
    member, server = peers.group_member(group), peers.Peer(lan.address(), peers.PORT)
    config = peers.proxy_config(client.address, [group])
    with counting_node(config, lan, tmp_path / "proxy") as proxy:
        _, expired = open_exchange(client, proxy, member, group, 1)
        while peers.answer(server, expired, type=CON) and server.expect().type != RST:
            client.expect()  # relayed: its time is not over yet
        request, heard = open_exchange(client, proxy, member, group, 120)
        assert heard.token[0] == expired.token[0] and heard.source == expired.source  # the same slot, used again

        def relayed(payload):
            peers.answer(server, heard, payload)
            message = client.expect()
            assert (message.token, message.payload) == (request.token, payload)

        forger = Forger([lan.address() for _ in range(SENDERS)], heard.source)
        tokens = forgeries(heard.token, expired.token)
        relayed(b"before")
        forger.send(100 * BATCH, tokens)
        first = proxy.told()
        relayed(b"at first")
        forger.send(FORGED // 2, tokens)
        relayed(b"in the middle")
        forger.send(FORGED // 2, tokens)
        relayed(b"after all")
        last = proxy.told()
        assert client.ping(proxy) == []  # nothing else has come to the client
    print(f"heap in use {first['heap']} and {last['heap']} bytes, {forger.resets} resets")
    assert last["lost"] == 0  # they really came to the proxy
    assert last["heap"] - first["heap"] <= MORE_HEAP
    assert last["unmatched"] - first["unmatched"] == FORGED
