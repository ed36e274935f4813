"""Hostile responses at a proxy with security, with and without a look at signatures, and at our client behind it.

A group of eight, of which the test is alice, who asks, and the kitchen, whose responses are altered on their way.
"""

import concurrent.futures
import contextlib
import time

import cbor2
import hostile
import peers
import pytest
import secure_keys
import support
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.errors import Rejected
from groupcoap.oscore.exchange import Exchange
from hostile import MALFORMED, OSCORE, UNDECRYPTED, UNKNOWN, UNPROTECTED, told
from hostile_site import MEMBERS, MORE_HEAP, TEMP
from oscore_ends import open_request, seal_response
from peers import NON, PORT

RESPONSE_HEAD = 12  # bytes: tokens of a proxy's, and of our client's, have 8
TIMEOUT = 60  # s: longer than a test


class Site:
    """The keys, the proxy, alice's socket, and what hears the group."""

    def __init__(self, lan, folder):
        self.lan, self.folder = lan, folder
        self.keys = secure_keys.group(folder, MEMBERS)
        self.shared = secure_keys.oscore(folder, "alice", "proxy")
        self.group = lan.group()
        self.alice, self.kitchen = (hostile.group(self.keys[name]) for name in ("alice", "kitchen"))
        self.hop = hostile.context(self.shared[0], adjacent=True)
        self.member = peers.group_member(self.group)
        self.server = peers.Peer(lan.address(), PORT)
        self.peer = hostile.Hostile(lan.address())
        self.node = None

    def config(self, check):
        files = [str(self.shared[1])]
        if check:
            files.append(str(hostile.checker(self.folder / "checker.json", self.alice)))
        security = {"files": files, "state": str(self.folder / "state"), "check_signatures": check}
        allow = [{"client": "alice", "groups": [self.group]}]
        return {"role": "proxy", "token_slots": 8, "security": security, "proxy": {"allow": allow}}

    def request(self, timeout=TIMEOUT):
        """A request of alice's to the group, through the proxy: the Exchanges of both layers, datagram."""
        options = [
            (peers.MULTICAST_TIMEOUT, peers.uint(timeout)),
            (peers.PROXY_URI, f"coap://{self.group}/temp".encode()),
        ]
        inner, data = hostile.seal_request(self.alice, hostile.plain(options=options))
        outer, data = hostile.seal_request(self.hop, data)
        return inner, outer, data

    def asked(self):
        """Send one: (Exchanges, token, what the kitchen answers it with, the proxy's address upstream)."""
        inner, outer, data = self.request()
        self.peer.send_bytes(self.node, data)
        self.member.socket.settimeout(peers.ANSWER_S)
        heard, source = self.member.socket.recvfrom(2048)
        exchange, plain = open_request(Contexts([], [self.kitchen]), heard)
        response = peers.encode(NON, "2.05", 0, plain[4:RESPONSE_HEAD], [], b"21.5")
        return (inner, outer), data[4:8], seal_response(exchange, response), source

    def stop(self, token):
        """Alice wants no more of these."""
        data = hostile.plain(options=[(peers.MULTICAST_TIMEOUT, b"")])
        self.peer.send_bytes(self.node, hostile.renewed(hostile.seal_request(self.hop, data)[1], token))

    def respond(self, source, responses):
        """Let the kitchen send these, each with a Message ID of its own: what comes to alice, raw."""
        came = []
        for i, data in enumerate(responses):
            number = next(hostile.tokens) & 0xFFFF
            self.server.send_bytes(source, data[:2] + number.to_bytes(2, "big") + data[4:])
            if i % 8 == 7:
                came += self.came()
        return came + self.came()

    def came(self):
        found = []
        while data := self._receive(0.03):
            found.append(data)
        return found

    def _receive(self, seconds):
        self.peer.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            return self.peer.socket.recv(2048)

    def status(self):
        exchange, data = hostile.seal_request(self.hop, hostile.plain(options=peers.path(".proxy/status")))
        answer = hostile.opened(exchange, self.peer.ask(self.node, data))
        assert answer.code == "2.05"
        return cbor2.loads(answer.payload)


@pytest.fixture(scope="module", params=[False, True], ids=["relaying", "checking"])
def whole_site(request, tmp_path_factory):
    lan, folder = support.Lan(), tmp_path_factory.mktemp("proxy")
    site = Site(lan, folder)
    site.check = request.param
    with peers.heap_node(site.config(site.check), lan, folder / "node", "512K") as node:
        site.node = node
        exchanges, token, response, source = site.asked()
        forged = [response, *list(altered(response))[::40], *nonsense(response)]
        assert taken(exchanges, site.respond(source, forged)) == [b"21.5"]
        site.stop(token)
        forged = hostile.in_a_piece(site.request(1)[2][:-1] + b"x")
        assert told(peers.decode(site.peer.ask(node, hostile.renewed(forged)))) == UNDECRYPTED
        for _ in range(40):  # until its tables are full
            assert site.status()
        site.heap = node.heap()
        yield site


@pytest.fixture
def site(whole_site):
    yield whole_site
    site = whole_site
    exchanges, token, response, source = site.asked()
    assert taken(exchanges, site.respond(source, [response])) == [b"21.5"]
    site.stop(token)
    status = site.status()
    assert status["free"] == status["slots"] and status["exchanges"] == []
    more = site.node.heap() - site.heap
    print(f"heap in use: {more:+}, {status['security']}")
    assert more <= MORE_HEAP
    assert (site.node.stderr(), len(site.node.stdout().splitlines())) == ("", 1)


def altered(response):
    yield from hostile.flips(response, RESPONSE_HEAD, step=5)
    for length in range(RESPONSE_HEAD, len(response), 3):
        yield response[:length]


def taken(exchanges, came):
    """The payloads of what alice believes."""
    inner, outer = exchanges
    found = []
    for data in came:
        try:
            found.append(hostile.opened(inner, hostile.uncovered(outer, data)).payload)
        except Rejected:
            pass
    return found


def test_altered_responses_of_a_server(site):
    exchanges, token, response, source = site.asked()
    before = site.status()["security"]
    wrong = list(altered(response))
    came = site.respond(source, wrong)
    assert taken(exchanges, came) == []
    within = [hostile.uncovered(as_at_first(exchanges[1]), data) for data in came]
    security = site.status()["security"]
    print(len(wrong), len(came), security)
    if site.check:  # what nobody has signed passes, as it may be an error of anybody's
        assert not [data for data in within if (hostile.parts(data)[0] or b"\0")[0] & 0x20]
        stopped = [security[name] - before[name] for name in ("invalid", "crowded")]
        assert sum(stopped) > 0.8 * len(wrong) and stopped[0] > 20
    else:
        assert len(came) > 0.7 * len(wrong)
    came = site.respond(source, [response, response])
    assert len(came) == 2 and taken(exchanges, came) == [b"21.5"]  # what is there twice is so to who has the keys
    site.stop(token)


def as_at_first(outer):
    """This client's end of an exchange without the responses that it has had."""
    return Exchange(outer.context, outer.mode, outer.kid, outer.piv, outer.gid)


def nonsense(response):
    """Responses that are not protected, or malformed, or have more than this one."""
    value, _, payload = hostile.parts(response)
    own = response[4:RESPONSE_HEAD]

    def made(options=(), payload=b"forged", code="2.05"):
        return peers.encode(NON, code, 0, own, options, payload)

    return [
        made(),
        made(code="4.01", payload=b"Security context not found"),
        made(code="5.00"),
        made([(OSCORE, value), (OSCORE, value)], payload),
        made([(OSCORE, value)], b""),
        made([(OSCORE, b"")], payload),
        made([(OSCORE, b"\xff" * 20)], payload),
        made([(OSCORE, bytes(300))], payload),
        made([(OSCORE, value), (65001, b"")], payload),
        made([(OSCORE, value), (2049, b"")], payload),
        made([(248, b"\x82\x20\x81\x44\x7f\0\0\1"), (OSCORE, value)], payload),
        made([(OSCORE, value)], payload + bytes(1280 - len(response))),
        made([(OSCORE, value)], payload + bytes(1281 - len(response))),
        made([(OSCORE, value), (23, b"\x0e")], payload),
        made([(1, b"x")] * 1100),
        made([(OSCORE, value)], payload[:65]),
        made([(OSCORE, value[:-1] + b"\x63")], payload),
        made([(OSCORE, value[:-1] + b"\x25")], payload),
    ]


def test_responses_that_are_not_protected_or_make_no_sense(site):
    exchanges, token, response, source = site.asked()
    forged = nonsense(response) * 3
    came = site.respond(source, forged)
    believed = taken(exchanges, came)
    print(len(forged), len(came), believed)
    assert set(believed) <= {b"21.5"} and len(believed) <= 1  # of what is only added outside, one is the kitchen's
    site.respond(source, [response])
    site.stop(token)


def test_hostile_requests_at_the_proxy(site):
    _, _, data = site.request(1)
    wrong, pieces = hostile.apart([*hostile.flips(data), *hostile.truncations(data)])
    said = {}
    for answer in site.peer.answers(site.node, map(hostile.renewed, wrong)).values():
        said[told(answer)] = said.get(told(answer), 0) + 1
    print(len(wrong), said)
    assert set(said) <= hostile.REFUSALS | {UNPROTECTED, ("4.02", b"option 25")}
    assert {MALFORMED, UNKNOWN, UNDECRYPTED} <= set(said) and sum(said.values()) > 0.8 * len(wrong)
    answers = site.peer.answers(site.node, map(hostile.renewed, pieces)).values()
    assert {answer.code for answer in answers} <= hostile.PIECES
    # to the group, without protection, or protected end to end alone
    options = [(peers.MULTICAST_TIMEOUT, b"\1"), (peers.PROXY_URI, f"coap://{site.group}/temp".encode())]
    bare = hostile.plain(options=options)
    for refused in (bare, hostile.seal_request(site.alice, hostile.renewed(bare))[1], hostile.plain(options=TEMP)):
        for code in (refused[1], 1, 2, 5):
            asked = hostile.renewed(refused[:1] + bytes((code,)) + refused[2:])
            assert told(peers.decode(site.peer.ask(site.node, asked))) == UNPROTECTED
    assert site.member.receive(0.05) is None  # nothing went to the group
    site.peer.send_bytes(site.node, hostile.renewed(data))
    assert site.member.expect().option(OSCORE) is not None and site.member.receive(0.05) is None
    time.sleep(1.2)


# Our client


def test_our_client_believes_the_right_answer_alone(tmp_path, lan):
    keys = secure_keys.oscore(tmp_path, "alice", "server")
    server, context = peers.Peer(lan.address(), PORT), hostile.context(keys[1])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        uri = f"coap://{server.address}/temp"
        running = pool.submit(peers.groupcoap, "get", uri, "--key", keys[0], "--non", "--json")
        asked, source = server.socket.recvfrom(2048)
        exchange, plain = open_request(Contexts([context]), asked)
        own = plain[4:RESPONSE_HEAD]
        response = seal_response(exchange, peers.encode(NON, "2.05", 1, own, [], b"21.5"))
        wrong = [*altered_at_client(response), peers.encode(NON, "2.05", 1, own, [], b"forged")]
        for i, data in enumerate([*wrong, response, response]):
            server.send_bytes(source, data[:2] + (i + 2).to_bytes(2, "big") + data[4:])
        process = running.result()
    (answer,) = peers.answers(process)
    assert (answer["code"], answer["payload"], answer["by"]) == ("2.05", "21.5", "server")
    assert "Traceback" not in process.stderr


def altered_at_client(response):
    # But what has an error's code and no OSCORE option is an error: anybody may say that to a client.
    for data in (*hostile.flips(response, RESPONSE_HEAD), *hostile.truncations(response)):
        if len(data) > RESPONSE_HEAD:
            yield data


def test_our_client_believes_the_right_members_of_a_group_alone(tmp_path, lan):
    keys = secure_keys.group(tmp_path, MEMBERS)
    group = lan.group()
    member, server = peers.group_member(group), peers.Peer(lan.address(), PORT)
    kitchen, hall = (hostile.group(keys[name]) for name in ("kitchen", "hall"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        arguments = "--key", keys["alice"], "--timeout", "4", "--multicast-interface", "127.0.0.1", "--json"
        running = pool.submit(peers.groupcoap, "get", f"coap://{group}/temp", *arguments)
        asked, source = member.socket.recvfrom(2048)
        exchange, plain = open_request(Contexts([], [kitchen]), asked)
        own = plain[4:RESPONSE_HEAD]
        response = seal_response(exchange, peers.encode(NON, "2.05", 1, own, [], b"21.5"))
        # The hall, in the kitchen's name
        hall.sender_id, hall.credential = kitchen.sender_id, kitchen.credential
        hall._sender_key = kitchen._sender_key
        exchange = open_request(Contexts([], [hall]), asked)[0]
        forged = seal_response(exchange, peers.encode(NON, "2.05", 1, own, [], b"forged"))
        wrong = [*list(altered_at_client(response))[::7], forged, peers.encode(NON, "2.05", 1, own, [], b"forged")]
        for i, data in enumerate([*wrong, response, response]):
            server.send_bytes(source, data[:2] + (i + 2).to_bytes(2, "big") + data[4:])
            time.sleep(0.005)
        process = running.result()
    found = [(answer["code"], answer["payload"], answer["by"]) for answer in peers.answers(process)]
    assert found == [("2.05", "21.5", "kitchen")]
    assert "Traceback" not in process.stderr
