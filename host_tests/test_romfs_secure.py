"""Nodes with security from their ROMFS images on the unix port (64 bit), at real work in a small heap beyond the image.

The image has bytecode alone: a signature takes garbage here that it does not take where a VM has Viper.
"""

import peers
import secure_keys
from secured_client import Client, key_files
from test_romfs import EXCHANGES, TELLING, Node, assert_room

KIB = 1024
SERVER_HEAP = 200 * KIB  # of a server that is one of eight in a group
PROXY_HEAP = 192 * KIB  # of a proxy whose clients are known by OSCORE
MEMBERS = {"alice": "25", **{f"server{i}": f"5{i}" for i in range(7)}}
SERVERS = 6
# Table sizes as the boards with little memory have them
BOARD = {"token_slots": 16, "recent_messages": 128, "peers": 32}
SECURITY = {"exchanges": 8, "signatures": 2}


def member_of_a_group(lan, folder):
    """(configuration of a server, its client, the group's address)."""
    keys, group = secure_keys.group(folder, MEMBERS), lan.group()
    security = {**SECURITY, "files": [str(keys["server0"])]}
    client = Client(lan.address(), key_files.Maker(folder).group("building-alice"))
    return peers.server_config(group, **BOARD, security=security), client, group


def work_in_a_group(server, client, group):
    client.prove_fresh(server, peers.path("temp"))
    me = next(member for member in client.context.members if member.name == "server0")
    for _ in range(EXCHANGES):
        for to, how in ((server, {}), (server, {"to": me}), ((group, peers.PORT), {})):
            client.ask_protected(to, peers.path("temp"), **how)
            assert client.answers(1) == [("2.05", b"21.5")], server.log()


def proxy_of_a_client(lan, folder, groups):
    """(configuration of a proxy, its client)."""
    _, at_proxy = secure_keys.oscore(folder, "alice", "proxy")
    client = Client(lan.address(), key_files.Maker(folder).context("alice-to-proxy"))
    client.context.adjacent = True
    config = peers.proxy_config("alice", groups)
    return {**config, **BOARD, "security": {**SECURITY, "files": [str(at_proxy)]}}, client


def work_of_a_proxy(proxy, client, group, servers):
    target = [(peers.PROXY_URI, f"coap://{group}/temp".encode())]
    client.prove_fresh(proxy, [(peers.PROXY_URI, f"coap://{servers[0].address}/temp".encode())])
    for number in [peers.MULTICAST_TIMEOUT, peers.MULTICAST_SIGNALING] * (EXCHANGES // 2):
        client.ask_protected(proxy, [*target, (number, b"\x1e")])
        answers = {(("2.05", b"%d.5" % i)) for i in range(len(servers))}
        assert set(client.answers(len(servers))) == answers, proxy.log()
    for i, server in enumerate(servers):
        client.ask_protected(proxy, [(peers.PROXY_URI, f"coap://{server.address}/temp".encode())])
        assert client.answers(1) == [("2.05", b"%d.5" % i)], proxy.log()


def started(config, lan, folder, heap):
    config = {"multicast_interface": "127.0.0.1", "address": lan.address(), **config}
    return Node(config, folder / config["role"], lan.address(), heap=heap + TELLING)


def test_a_server_in_a_group_of_eight_from_its_image(lan, tmp_path):
    config, client, group = member_of_a_group(lan, tmp_path)
    server = started(config, lan, tmp_path, SERVER_HEAP)
    try:
        assert_room("server in a group, ready", server, server.heap())
        work_in_a_group(server, client, group)
        assert_room("server in a group, at work", server, server.heap())
    finally:
        server.kill()


def test_a_proxy_of_clients_with_oscore_from_its_image(node, lan, tmp_path):
    group = lan.group()
    servers = [node(peers.server_config(group, f"{i}.5")) for i in range(SERVERS)]
    config, client = proxy_of_a_client(lan, tmp_path, [group])
    proxy = started(config, lan, tmp_path, PROXY_HEAP)
    try:
        assert_room("proxy with OSCORE, ready", proxy, proxy.heap())
        work_of_a_proxy(proxy, client, group, servers)
        assert_room("proxy with OSCORE, at work", proxy, proxy.heap())
    finally:
        proxy.kill()
