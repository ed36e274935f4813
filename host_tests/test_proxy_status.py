"""What an operator sees of a running proxy, by /.proxy/status; its cache and its aggregated response between real
processes."""

import socket
import time

import cbor2
import peers
import pytest
from peers import (
    ACK,
    CON,
    CONTENT_FORMAT,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    NON,
    PORT,
    PROXY_URI,
    PUT,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    uint,
)

from groupcoap import multipart

ETAG, MAX_AGE, ACCEPT, BLOCK2, GROUP_ETAG = 4, 14, 17, 23, 24
STATUS = peers.path(".proxy/status")


class Net(peers.Net):
    """A group, a client, and `member`, which hears what is sent to the group."""

    def start_proxy(self, heap="256K", **proxy):
        config = peers.proxy_config(self.client.address, [self.group], **proxy)
        self.proxy = self._node(config, heap)

    def server(self):
        return peers.Peer(self._lan.address(), PORT)

    def group_request(self, timeout=2, more=(), **how):
        options = [(MULTICAST_TIMEOUT, uint(timeout)), (PROXY_URI, f"coap://{self.group}/temp".encode()), *more]
        return self.client.send(self.proxy, how.pop("type", NON), options=options, **how)

    def status(self, client=None, more=()):
        """The state that the proxy tells, put together from blocks."""
        client = client or self.client
        body, num, tag = b"", 0, None
        while True:
            block = [(BLOCK2, uint(num << 4 | 6))] if num else []
            found = client.ask(self.proxy, options=[*STATUS, *block, *more])
            assert (found.type, found.code, found.option(CONTENT_FORMAT)) == (ACK, "2.05", b"\x3c")
            assert num == 0 or found.option(ETAG) == tag
            tag = found.option(ETAG)
            body += found.payload
            if not int.from_bytes(found.option(BLOCK2) or b"", "big") & 8:
                return cbor2.loads(body)
            num += 1


def group_options(net, timeout):
    return [(MULTICAST_TIMEOUT, uint(timeout)), (PROXY_URI, f"coap://{net.group}/temp".encode())]


@pytest.fixture
def net(lan, node):
    return Net(lan, node)


def origins(messages):
    return sorted(".".join(str(byte) for byte in cbor2.loads(m.option(REPLY_FROM))[1][0]) for m in messages)


# /.proxy/status


def test_an_idle_proxy(net):
    net.start_proxy(cache_bytes=512, aggregate=True)
    status = net.status()
    assert status.pop("heap_free") > 20000
    assert status == {
        "slots": 16,
        "free": 16,
        "exchanges": [],
        "ended": 0,
        "refusals": {},
        "reasons": {},
        "unusable": 0,
        "unmatched": 0,
        "faulty": 0,
        "clients": [{"client": net.client.address, "open": 0, "requests": 0, "refused": 0}],
        "observations": 0,
        "cache": {"entries": 0, "bytes": 0, "served": 0, "valid": 0, "stored": 0, "evicted": 0, "unfetched": 0},
        "aggregated_lost": 0,
        "lost": 0,
    }


def test_what_is_not_configured_is_not_told(net):
    net.start_proxy(observations=0)
    status = net.status()
    assert not {"cache", "aggregated_lost", "observations"} & set(status)


def test_who_is_not_on_the_allow_list_is_told_nothing(net, lan):
    net.start_proxy()
    stranger = peers.Peer(lan.address())
    target = f"coap://{net.proxy.address}/.proxy/status".encode()
    for options in (STATUS, [(PROXY_URI, target)]):
        for code in (peers.GET, PUT):
            found = stranger.ask(net.proxy, options=options, code=code)
            assert found.code == "4.01" and found.option(CONTENT_FORMAT) is None
    assert stranger.ask(net.proxy, options=peers.path(".well-known/core")).code == "2.05"
    assert net.client.ask(net.proxy, options=STATUS, code=PUT).code == "4.05"
    assert net.client.ask(net.proxy, options=[(PROXY_URI, target)]).code == "2.05"
    assert net.status()["refusals"] == {"4.01": 4}


def test_it_can_be_switched_off(net):
    net.start_proxy(status=False)
    assert net.client.ask(net.proxy, options=STATUS).code == "4.04"


def test_open_exchanges_are_told_with_age_and_answers(net):
    net.start_proxy()
    server = net.server()
    net.group_request(timeout=60)
    request = net.member.expect()
    for _ in range(3):
        peers.answer(server, request)
    assert len(net.client.collect(3)) == 3
    end = time.monotonic() + 10
    while not (ages := [exchange["age"] for exchange in net.status()["exchanges"]])[0] and time.monotonic() < end:
        time.sleep(0.1)
    assert ages == [1]
    status = net.status()
    (exchange,) = status["exchanges"]
    assert 50 < exchange.pop("left") < 60 and exchange.pop("age") < 10
    assert exchange == {
        "client": f"{net.client.address}:{net.client.port}",
        "target": net.group,
        "group": True,
        "answers": 3,
        "observed": False,
    }
    assert (status["free"], status["clients"][0]["open"], status["clients"][0]["requests"]) == (15, 1, 1)


def test_individual_requests_and_what_has_ended_are_told(net):
    net.start_proxy()
    server = net.server()
    target = f"coap://{server.address}/temp".encode()
    asked = net.client.send(net.proxy, options=[(PROXY_URI, target)])
    request = server.expect()
    (exchange,) = net.status()["exchanges"]
    assert (exchange["target"], exchange["group"], exchange["answers"]) == (server.address, False, 0)
    server.send(request.source, ACK, "2.05", (), b"1", request.token, request.mid)
    assert net.client.collect(1, wanted=lambda m: m.token == asked.token and m.code == "2.05")
    status = net.status()
    assert (status["exchanges"], status["ended"], status["free"]) == ([], 1, 16)


def test_refusals_are_counted_by_reason(net, lan):
    net.start_proxy(token_slots=1)
    refused = [(PROXY_URI, f"coap://{net.group}/temp".encode())]
    assert net.client.ask(net.proxy, options=refused).code == "4.00"
    other = [(MULTICAST_TIMEOUT, b"\x02"), (PROXY_URI, f"coap://{lan.group()}/temp".encode())]
    for _ in range(2):
        assert net.client.ask(net.proxy, options=other).code == "4.01"
    assert net.client.ask(net.proxy, options=[(PROXY_URI, b"http://127.0.0.1/")]).code == "5.05"
    net.group_request(timeout=60)
    net.member.expect()
    assert net.client.ask(net.proxy, options=other[:1] + [(PROXY_URI, f"coap://{net.group}/".encode())]).code == "5.03"
    status = net.status()
    assert status["refusals"] == {"4.00": 1, "4.01": 2, "5.05": 1, "5.03": 1}
    assert status["reasons"] == {"timeout": 1, "group": 2, "target": 1, "slots": 1}
    assert status["clients"][0]["refused"] == 5


def test_responses_that_nobody_waits_for_and_datagrams_that_are_none_are_counted(net):
    net.start_proxy()
    server = net.server()
    net.group_request(timeout=60)
    request = net.member.expect()
    for i in range(5):
        server.send(request.source, NON, "2.05", (), b"?", bytes((i,)) * 8)
    for junk in (b"\x40", b"", b"\xff" * 30):
        server.send_bytes(request.source, junk)
    unusable = [(65010, b"")]
    peers.answer(server, request, options=unusable)
    (found,) = net.client.collect(1)
    assert found.code == "5.02"
    status = net.status()
    assert (status["unmatched"], status["unusable"]) == (5, 1)
    assert status["faulty"] in (2, 3)  # an empty datagram may not be told from none


def test_a_state_too_long_for_one_message_comes_in_blocks_that_belong_together(net):
    net.start_proxy(token_slots=24)
    for i in range(20):
        net.group_request(timeout=120, token=bytes((i,)))
    assert len(net.member.collect(20)) == 20
    first = net.client.ask(net.proxy, options=STATUS)
    assert len(first.payload) == 1024 and int.from_bytes(first.option(BLOCK2), "big") & 8
    assert net.client.ask(net.proxy, options=[(PROXY_URI, b"http://127.0.0.1/")]).code == "5.05"  # the state changes
    rest = net.client.ask(net.proxy, options=[*STATUS, (BLOCK2, b"\x16")])
    assert rest.option(ETAG) == first.option(ETAG)
    status = cbor2.loads(first.payload + rest.payload)
    assert len(status["exchanges"]) == 20 and status["refusals"] == {}
    status = net.status()
    assert len(status["exchanges"]) == 20 and status["refusals"] == {"5.05": 1}


def test_a_long_table_is_listed_in_part(net):
    net.start_proxy(token_slots=48)
    for i in range(40):
        net.group_request(timeout=120, token=bytes((i,)))
    assert len(net.member.collect(40)) == 40
    status = net.status()
    assert (len(status["exchanges"]), status["slots"], status["free"]) == (32, 48, 8)


# The limits of a client, between real processes


def limited(net, **limits):
    """Start a proxy that lets the client do so much, and another one, that is given, as much as it can."""
    other = net.server()
    config = peers.proxy_config(net.client.address, [net.group])
    config["proxy"]["allow"][0].update(limits)
    config["proxy"]["allow"].append({"client": other.address, "groups": [net.group]})
    net.proxy = net._node(config)
    return other


def test_a_client_has_no_more_exchanges_open_than_it_may(net):
    other = limited(net, exchanges=2)
    for _ in range(2):
        net.group_request(timeout=60)
        assert net.member.expect().code == "0.01"
    refused = net.client.ask(net.proxy, options=group_options(net, 60))
    assert refused.code == "5.03" and refused.option(MAX_AGE) and net.member.receive(0.2) is None
    other.send(net.proxy, NON, options=group_options(net, 60))
    assert net.member.expect().code == "0.01"
    status = net.status()
    assert (status["reasons"], status["refusals"]) == ({"exchanges": 1}, {"5.03": 1})
    assert [(client["open"], client["refused"]) for client in status["clients"]] == [(2, 1), (1, 0)]


def test_a_client_sends_no_more_requests_a_minute_than_it_may(net):
    other = limited(net, requests_a_minute=3)
    for _ in range(3):
        net.group_request(timeout=0)
        assert net.member.expect().code == "0.01"
    refused = net.client.ask(net.proxy, options=group_options(net, 1))
    assert refused.code == "4.29" and 15 <= int.from_bytes(refused.option(MAX_AGE), "big") <= 21
    for _ in range(5):
        other.send(net.proxy, NON, options=group_options(net, 0))
        assert net.member.expect().code == "0.01"
    assert net.status()["reasons"] == {"requests_a_minute": 1}


def test_a_client_has_no_longer_timeout_than_it_may(net):
    other = limited(net, max_timeout_s=1)
    server = net.server()
    requests = [client.send(net.proxy, NON, options=group_options(net, 60)) for client in (net.client, other)]
    heard = [net.member.expect() for _ in requests]
    left = sorted((exchange["client"], exchange["left"]) for exchange in net.status()["exchanges"])
    assert dict(left)[f"{net.client.address}:{net.client.port}"] <= 1
    time.sleep(1.2)
    for request in heard:
        peers.answer(server, request)
    assert other.expect().token == requests[1].token and net.client.receive(0.3) is None
    assert net.status()["unmatched"] == 1


# The cache, between real processes


def test_profile_00_out_of_the_cache(net):
    servers = net.start_servers(2)
    net.start_proxy(cache_bytes=2048, members=members_of(net, servers))
    options = [(PROXY_URI, f"coap://{net.group}/temp".encode()), (MULTICAST_SIGNALING, b"\x01")]
    found = []
    for _ in range(2):
        net.client.send(net.proxy, NON, options=options)
        got = net.client.collect(2)
        assert {m.option(REPLY_FROM) for m in got} == {None}
        found.append(sorted((m.option(RESPONSE_FORWARDING), m.payload) for m in got))
    tags = [cbor2.dumps(cbor2.CBORTag(260, socket.inet_aton(server.address))) for server in servers]
    assert found[0] == found[1] == [(tag, b"%d.5" % i) for i, tag in enumerate(tags)]
    assert net.member.expect().option(MULTICAST_SIGNALING) == b"\x01" and net.member.receive(0.2) is None
    net.group_request(timeout=1)  # whose answers say their origin in another way
    assert net.member.expect().option(MULTICAST_SIGNALING) is None


def members_of(net, servers):
    return [{"group": net.group, "servers": [server.address for server in servers]}]


def test_a_second_request_sends_nothing_to_the_group(net):
    servers = net.start_servers(3)
    net.start_proxy(cache_bytes=2048, members=members_of(net, servers))
    net.group_request(timeout=1)
    first = net.client.collect(3)
    assert net.member.expect().code == "0.01"
    net.group_request(timeout=1)
    second = net.client.collect(3)
    assert origins(second) == origins(first) == sorted(server.address for server in servers)
    assert sorted(m.payload for m in second) == sorted(m.payload for m in first)
    tag = second[0].option(GROUP_ETAG)
    assert tag and {m.option(GROUP_ETAG) for m in second} == {tag}
    request = net.group_request(timeout=1, more=[(GROUP_ETAG, tag)], type=CON)
    (valid,) = net.client.collect(seconds=1.5)
    assert (valid.type, valid.code, valid.mid, valid.payload) == (ACK, "2.03", request.mid, b"")
    assert valid.option(GROUP_ETAG) == tag
    assert net.member.receive(0.2) is None
    cache = net.status()["cache"]
    assert (cache["entries"], cache["served"], cache["valid"], cache["stored"]) == (3, 2, 1, 3)


def test_a_change_through_the_proxy_is_seen_in_the_next_answers(net):
    servers = net.start_servers(2)
    net.start_proxy(cache_bytes=2048, members=members_of(net, servers))
    net.group_request(timeout=1)
    assert len(net.client.collect(2)) == 2
    target = f"coap://{servers[0].address}/temp".encode()
    assert net.client.ask(net.proxy, code=PUT, options=[(PROXY_URI, target)], payload=b"new").code == "2.04"
    assert net.client.ask(net.proxy, options=[(PROXY_URI, target)]).payload == b"new"
    net.member.drain()
    net.group_request(timeout=1)
    assert sorted(m.payload for m in net.client.collect(2)) == [b"1.5", b"new"]
    assert net.member.receive(0.2) is None


def test_members_are_learned_from_a_resource_directory(net):
    servers = net.start_servers(2)
    directory = net.server()
    lookup = f"coap://{directory.address}/rd-lookup/ep?d=floor1"
    net.start_proxy(cache_bytes=2048, members=[{"group": net.group, "resource_directory": lookup}])
    asked = directory.expect()
    assert asked.options == ((11, b"rd-lookup"), (11, b"ep"), (15, b"d=floor1"), (ACCEPT, b"\x28"))
    links = ",".join(f'</rd/{i}>;base="coap://{server.address}"' for i, server in enumerate(servers)).encode()
    directory.send(asked.source, ACK, "2.05", [(CONTENT_FORMAT, b"\x28")], links, asked.token, asked.mid)
    net.group_request(timeout=1)
    assert len(net.client.collect(2)) == 2
    net.member.expect()
    net.group_request(timeout=1)
    assert len(net.client.collect(2)) == 2
    assert net.member.receive(0.2) is None
    assert net.status()["cache"]["served"] == 1


# One aggregated response, between real processes


def test_one_answer_for_all_servers(net):
    servers = net.start_servers(3)
    net.start_proxy(aggregate=True)
    request = net.group_request(timeout=1, more=[(ACCEPT, b"\x3e")], type=CON)
    heard = net.member.expect()
    assert [number for number, _ in heard.options] == [11]
    ack, found = net.client.expect(), net.client.expect()
    assert (ack.type, ack.code, ack.mid) == (ACK, "0.00", request.mid)
    assert (found.type, found.code, found.token, found.option(CONTENT_FORMAT)) == (CON, "2.05", request.token, b"\x3e")
    net.client.send(net.proxy, ACK, "0.00", token=b"", mid=found.mid)
    answers = multipart.responses(found.payload)
    assert sorted(a.payload for a in answers) == [b"0.5", b"1.5", b"2.5"]
    assert {a.code for a in answers} == {0x45}
    assert sorted(".".join(str(byte) for byte in a.origin[:4]) for a in answers) == sorted(s.address for s in servers)
    parts = cbor2.loads(found.payload)
    assert len(parts) == 12 and parts[0] == 63
    assert net.client.receive(0.5) is None


def test_a_large_aggregated_response_comes_in_blocks(net):
    net.start_proxy(aggregate=True)
    server = net.server()
    more = [(ACCEPT, b"\x3e")]
    request = net.group_request(timeout=1, more=more)
    heard = net.member.expect()
    for i in range(20):
        peers.answer(server, heard, payload=bytes((65 + i,)) * 60)
    first = net.client.expect()
    assert first.token == request.token and len(first.payload) == 1024
    options = [(MULTICAST_TIMEOUT, b"\x01"), (PROXY_URI, f"coap://{net.group}/temp".encode()), *more]
    rest = net.client.ask(net.proxy, options=[*options, (BLOCK2, b"\x16")])
    assert (rest.type, rest.code, rest.option(ETAG)) == (ACK, "2.05", first.option(ETAG))
    answers = multipart.responses(first.payload + rest.payload)
    assert [a.payload for a in answers] == [bytes((65 + i,)) * 60 for i in range(20)]
    assert net.member.receive(0.2) is None
    status = net.status()
    assert (status["ended"], status["aggregated_lost"]) == (1, 0)
