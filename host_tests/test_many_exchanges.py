"""Many exchanges at a time through one proxy: 32 servers, 8 clients, 64 group requests, each node a process of its own.

Each request asks for a resource of its own, whose value names it and the server: so an answer says whose it is, while
the clients all use the same tokens. A board's receive buffer of some five datagrams is the upstream socket's SO_RCVBUF.
"""

import collections
import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import cbor2
import foreign
import peers
import pytest
from groupcoap import ip
from groupcoap.net import platform
from peers import ACK, CON, MULTICAST_TIMEOUT, NON, PROXY_URI, REPLY_FROM, uint
from vm.counting import buffer_for, counting_node

SERVERS, CLIENTS, EACH = 32, 8, 8
ANSWERS = SERVERS * CLIENTS * EACH
BUFFER = 5  # datagrams
TIMEOUT = 5  # s: T'
AT_ONCE = 4  # nodes that start at the same time
BLOCK2 = 23


@pytest.fixture
def start_servers(node, lan):
    def start(groups, leisure_s):
        def start_one(i):
            resources = {f"r{request}": {"value": f"{i}/{request}"} for request in range(CLIENTS * EACH)}
            config = {"role": "server", "groups": groups, "leisure_s": leisure_s, "resources": resources}
            return node(config, heap="512K")  # for so many resources

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(start_one, range(SERVERS)))

    return start


@pytest.fixture
def clients(lan):
    return [peers.Peer(lan.address()) for _ in range(CLIENTS)]


def proxy_config(clients, groups):
    """A proxy that lets each client reach its own group: the groups are dealt round."""
    allow = [{"client": client.address, "groups": [groups[i % len(groups)]]} for i, client in enumerate(clients)]
    return {"role": "proxy", "token_slots": 64, "proxy": {"allow": allow}}


def origin(message):
    """The address that Reply-From, [-1, [h'IPv4']], names, as text."""
    value = message.option(REPLY_FROM)
    assert value[:4] == b"\x82\x20\x81\x44" and len(value) == 8, value
    return ".".join(map(str, value[4:]))


def run_client(i, client, proxy, group, patience):
    """Send this client's requests, the next when all answers are there or none has come for `patience` s.

    Gives what has come, each as (token, origin, payload).
    """
    found = []
    for k in range(EACH):
        options = [(PROXY_URI, f"coap://{group}/r{EACH * i + k}".encode()), (MULTICAST_TIMEOUT, uint(TIMEOUT))]
        request = client.send(proxy, CON, options=options, token=bytes([k]))
        left = SERVERS
        while left and (message := client.receive(patience)):
            if message.type == ACK:
                assert (message.code, message.mid) == ("0.00", request.mid)
                continue
            assert (message.type, message.code) == (NON, "2.05")
            found.append((message.token, origin(message), message.payload))
            left -= 1
    found += [(message.token, origin(message), message.payload) for message in client.ping(proxy)]
    return found


def run_clients(clients, proxy, groups, patience):
    """What has come to each client, as a list of such lists."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        runs = [
            pool.submit(run_client, i, client, proxy, groups[i % len(groups)], patience)
            for i, client in enumerate(clients)
        ]
        return [run.result() for run in runs]


def expected(i, servers):
    """What is to come to client number i."""
    requests = [(bytes([k]), EACH * i + k) for k in range(EACH)]
    return {(t, server.address, b"%d/%d" % (s, r)) for t, r in requests for s, server in enumerate(servers)}


def status(client, proxy):
    """What the proxy's own /.proxy/status says, whole: its blocks one by one."""
    body, num, more = b"", 0, True
    while more:
        block = [(BLOCK2, uint(num << 4 | 6))]
        found = client.ask(proxy, options=[*peers.path(".proxy/status"), *block])
        assert found.code == "2.05", found
        body += found.payload
        more = int.from_bytes(found.option(BLOCK2), "big") & 8
        num += 1
    return cbor2.loads(body)


def missing(found, servers):
    """How many answers have not come; what has come is what it should be, and came once."""
    for i, came in enumerate(found):
        assert set(came) <= expected(i, servers), set(came) - expected(i, servers)
        twice = [answer for answer, times in collections.Counter(came).items() if times > 1]
        assert not twice, twice
    return ANSWERS - sum(map(len, found))


def test_every_answer_reaches_its_client_exactly_once(start_servers, clients, node, lan):
    groups = [lan.group()]
    servers = start_servers(groups, 0.05)
    proxy = node(proxy_config(clients, groups))
    assert missing(run_clients(clients, proxy, groups, patience=TIMEOUT), servers) == 0


def test_eight_tools_at_a_time_get_every_answer_once(start_servers, clients, node, lan):
    groups = [lan.group()]
    servers = start_servers(groups, 0.05)
    proxy = node(proxy_config(clients, groups))

    def run_tool(i):
        target = f"coap://{groups[0]}/r{i}"
        how = "--proxy", proxy.uri, "--bind", clients[i].address, "--timeout", "1", "--json"
        return peers.groupcoap("get", target, *how)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for i, process in enumerate(pool.map(run_tool, range(CLIENTS))):
            found = sorted((answer["origin"], answer["payload"]) for answer in peers.answers(process))
            assert found == sorted((f"coap://{server.address}", f"{s}/{i}") for s, server in enumerate(servers))


@pytest.mark.parametrize("leisure_s", [0.02 * SERVERS, 0], ids=["with leisure", "without leisure"])
def test_a_small_receive_buffer_is_enough_with_leisure_and_without_it_the_loss_is_counted(
    leisure_s, start_servers, clients, lan, tmp_path
):
    # A server answers one request of a group after the other, each in its own leisure period: four groups, so that
    # this ends sometime. That is four times the rate that the rule of 20 ms a member is for.
    groups = [lan.group() for _ in range(4)]
    servers = start_servers(groups, leisure_s)
    with counting_node(proxy_config(clients, groups), lan, tmp_path / "proxy", buffer_for(BUFFER)) as proxy:
        found = run_clients(clients, proxy, groups, patience=4 * leisure_s or 0.3)
        not_come = missing(found, servers)
        lost = proxy.told()["lost"]
        shown = status(clients[0], proxy)
    print(f"{not_come} of {ANSWERS} answers have not come, {lost} were lost at the proxy's upstream socket")
    assert not_come == lost == shown["lost"]
    assert (shown["refusals"], shown["unmatched"], shown["unusable"]) == ({}, 0, 0)
    if leisure_s:
        assert lost <= ANSWERS / 100
    else:
        assert lost > ANSWERS / 4


def test_what_a_socket_had_no_room_for_is_counted(lan):
    s, other = (platform.own_socket(ip.ip_bytes(lan.address()) + bytes(2)) for _ in range(2))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_for(BUFFER))
    assert platform.lost(s) == 0
    for _ in range(BUFFER + 20):
        other.sendto(b"?", s.getsockname())
    assert (platform.lost(s), platform.lost(other)) == (20, 0)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_copies_of_a_request_reach_servers_that_missed_the_first(copies, clients, node, lan, tmp_path):
    # Server number i misses the first i datagrams of each request
    group, addresses = lan.group(), [lan.address() for _ in range(3)]
    config = proxy_config(clients, [group])
    config["proxy"]["group_copies"] = copies
    proxy = node(config)
    with contextlib.ExitStack() as stack:
        for i, address in enumerate(addresses):
            folder = tmp_path / f"deaf{i}"
            folder.mkdir()
            server = {"address": address, "multicast_interface": "127.0.0.1", **peers.server_config(group, f"{i}.5")}
            (folder / "config.json").write_text(json.dumps(server))
            arguments = str(folder / "config.json"), str(i)
            stack.enter_context(foreign.vm_program("deaf_node", *arguments, folder=folder, heap="256K"))
        start = time.monotonic()
        options = [(PROXY_URI, f"coap://{group}/temp".encode()), (MULTICAST_TIMEOUT, uint(1))]
        clients[0].send(proxy, CON, options=options)
        found = clients[0].collect(seconds=start + 1.1 - time.monotonic(), wanted=lambda message: message.type == NON)
    assert sorted(map(origin, found)) == sorted(addresses[:copies])
