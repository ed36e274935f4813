"""Each role from its ROMFS image on the unix port (64 bit), in 160 KB of heap beyond the image, at real work."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import cbor2
import peers
import pytest
import support
from test_discovery import aiocoap, until  # noqa: F401

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402
import romfs  # noqa: E402

HEAP = 160 * 1024
SERVERS = 6
EXCHANGES = 6  # all open at the same time, in a proxy of 8 slots
LEAST_FREE = 4 * 1024  # bytes, for what is garbage soon
PROXY_FREE = 8 * 1024  # bytes of a complete proxy
PIECE = 41 * 32  # bytes: what recvfrom takes for a datagram as long as may come, in blocks of this VM
OBSERVE, ACCEPT = 6, 17
STAYS = 20_000  # bytes at least of a server that an image keeps off the heap
TELLING = 3 * 1024  # bytes that vm/romfs_node.py takes of a heap itself
# Table sizes as a board may have them, and all that a forward-proxy can be asked for
COMPLETE = json.loads((support.REPO / "host_tests/vm/complete_proxy.json").read_text())


class Node:
    """A node of vm/romfs_node.py from its start until kill(): `heap()` is what that tells."""

    def __init__(self, config, folder, control, package=None, heap=HEAP + TELLING):
        folder.mkdir()
        image = romfs.build(config["role"])
        self.image = image.stat().st_size
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        (folder / "config.json").write_text(json.dumps(config))
        program = support.REPO / "host_tests/vm/romfs_node.py"  # compiled, so as to take little of that heap itself
        mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
        subprocess.run([mpy_cross, "-o", folder / "romfs_node.mpy", program], check=True)
        command = [support.micropython(), "-X", f"heapsize={heap + -(-self.image // 1024) * 1024}"]
        command += ["-m", "romfs_node", image, folder / "config.json", control]
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                command + ([package] if package else []),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "MICROPYPATH": f"{folder}:{support.REPO / 'tools'}:.frozen"},
            )
        self.address, self.port = config["address"], config.get("port", peers.PORT)
        self._control, self._peer = (control, 5683), peers.Peer(control)
        end = time.monotonic() + support.READY_S
        while not self._stdout.read_text().startswith("ready "):
            waiting = self.process.poll() is None and time.monotonic() < end
            assert waiting, f"the node did not become ready:\n{self.log()}"
            time.sleep(0.005)

    def log(self):
        return self._stdout.read_text(errors="replace") + self._stderr.read_text(errors="replace")

    def heap(self):
        self._peer.send_bytes(self._control, b"?")
        self._peer.socket.settimeout(peers.ANSWER_S)
        return json.loads(self._peer.socket.recv(1024))

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def rom(lan, tmp_path):
    """rom(config, package=None) starts a node from its role's image, and returns it once it is ready."""
    with contextlib.ExitStack() as nodes:

        def start(config, package=None):
            config = {"multicast_interface": "127.0.0.1", "address": lan.address(), **config}
            node = Node(config, tmp_path / config["role"], lan.address(), package)
            nodes.callback(lambda: print(f"--- {config['role']}\n{node.log()[:2000]}", end=""))
            nodes.callback(node.kill)
            return node

        yield start


def assert_room(title, node, heap, free=LEAST_FREE):
    """That it has met with no lack of heap, and has some for what is to come; and show it, where output is shown."""
    used = heap["heap"] - TELLING
    whole = used + heap["free"]
    print(f"{title}: image {node.image:,}; of {whole:,} beyond it {used:,} in use, {heap['free']:,} free", end=", ")
    print(f"{heap['piece']:,} in one piece")
    assert (heap["no_memory"], heap["faults"]) == (0, 0), node.log()
    assert heap["free"] >= free and heap["piece"] >= PIECE, heap


@pytest.mark.parametrize("role", romfs.ROLES)
def test_an_image_boots_by_tools_node(role, lan, tmp_path):
    config = peers.server_config(lan.group()) if role == "server" else peers.proxy_config(lan.address(), [lan.group()])
    config = {"multicast_interface": "127.0.0.1", "address": lan.address(), **config}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, support.REPO / "tools/node", path, "--heap", "160K", "--romfs", romfs.build(role)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "MICROPYTHON": support.micropython()}
    ) as process:
        try:
            assert process.stdout.readline() == f"ready {role} coap://{config['address']}:5683\n"
            assert peers.Peer(lan.address()).ping((config["address"], 5683)) == []
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(support.STOP_S) == 0


def test_an_image_of_another_role_is_refused_in_one_line(lan, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"address": lan.address(), **peers.server_config()}))
    command = [sys.executable, support.REPO / "tools/node", path, "--romfs", romfs.build("proxy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "server_app" in done.stderr


def test_an_image_holds_what_its_role_needs_alone():
    server, proxy = (set(romfs.modules(role)) for role in romfs.ROLES)
    assert {"run", "server_app", "groupcoap.directory", "groupcoap.hot", "groupcoap.net._rp2"} <= server
    assert {"run", "proxy_app", "groupcoap.proxy", "groupcoap.proxy.relay", "groupcoap.net._rp2"} <= proxy
    assert not [name for name in server if name == "proxy_app" or name.startswith("groupcoap.proxy")]
    assert not {"server_app", "groupcoap.directory", romfs.COMPUTER} & proxy


def test_bytecode_and_strings_stay_in_the_image(rom, lan, tmp_path):
    config = peers.server_config(lan.group())
    from_image = rom(config).heap()["heap"]
    with peers.heap_node(config, lan, tmp_path / "files") as node:
        assert from_image < node.heap() - STAYS


def test_a_server_from_its_image_answers_a_group(rom, lan):
    group = lan.group()
    server = rom(peers.server_config(group))
    client = peers.Peer(lan.address())
    for _ in range(EXCHANGES):
        request = client.send((group, peers.PORT), peers.NON, options=peers.path("temp"))
        response = client.expect()
        assert (response.code, response.token, response.payload) == ("2.05", request.token, b"21.5")
    assert_room("server", server, server.heap())


def register_groups(directory, client, count):
    """Groups at this directory, which are no members of one, so that a lookup there takes several blocks."""
    for i in range(count):
        query = (f"ep={'group' * 12}{i}", f"base=coap://224.0.2.{i}", "et=core.rd-group")
        options = [*peers.path("resourcedirectory/"), (peers.CONTENT_FORMAT, b"\x28")]
        options += [(peers.URI_QUERY, part.encode()) for part in query]
        assert client.ask(directory, code=peers.POST, options=options, payload=b"</a>").code == "2.01"


class Site:
    """Two groups of the same servers, `groups`: the members of one are to be listed, those of the other are registered.

    `client` is to be allowed at `proxy`. settings: what a complete proxy is configured with.
    """

    def __init__(self, node, lan, directory):
        listed, learned = self.groups = [lan.group(), lan.group()]
        self.client = peers.Peer(lan.address())
        register_groups(directory, self.client, 10)
        self.servers = []
        for i in range(SERVERS):
            resources = {"temp": {"value": f"{i}.5", "observable": True}}
            where = {"uri": directory.uri, "endpoint": f"node{i}"}
            self.servers.append(
                node(peers.server_config(groups=self.groups, resources=resources, resource_directory=where))
            )
        until(lambda: len(directory.lookup("endpoint-lookup/", "ep=node*")) == SERVERS)
        members = [
            {"group": listed, "servers": [server.address for server in self.servers]},
            {"group": learned, "resource_directory": f"{directory.uri}/endpoint-lookup/"},
        ]
        self.settings = {**COMPLETE["proxy"], "members": members}
        self.proxy = None

    def config(self, **more):
        config = peers.proxy_config(self.client.address, self.groups, **self.settings, **more)
        return {**COMPLETE, "proxy": config["proxy"]}

    def ask_group(self, target, *more, number=peers.MULTICAST_TIMEOUT, seconds=30):
        """Ask a group by these options; they are all still open when the test is over."""
        return self.client.send(self.proxy, options=[*target, (number, peers.uint(seconds)), *more])

    def all_answer(self, request):
        found = self.client.collect(SERVERS, wanted=lambda message: message.type == peers.NON)
        assert {message.token for message in found} == {request.token}
        assert {message.payload for message in found} == {b"%d.5" % i for i in range(SERVERS)}
        return found

    def one_answer(self, target):
        """Have one answer instead of many."""
        request = self.ask_group(target, (ACCEPT, b"\x3e"), seconds=1)
        (found,) = self.client.collect(1, wanted=lambda message: message.code == "2.05")
        self.client.send(self.proxy, peers.ACK, "0.00", token=b"", mid=found.mid)
        assert (found.token, len(cbor2.loads(found.payload))) == (request.token, 4 * SERVERS)

    def observe(self, target):
        found = self.all_answer(self.ask_group(target, (OBSERVE, b"")))
        assert all(message.option(OBSERVE) is not None for message in found)

    def status(self):
        self.proxy.heap()  # as after a collection: what is told takes 5 KB, of these 0.8 KB in one piece
        return cbor2.loads(self.client.ask(self.proxy, options=peers.path(".proxy/status")).payload)


@pytest.fixture
def site(node, lan, aiocoap):  # noqa: F811
    return Site(node, lan, aiocoap)


def test_a_complete_proxy_from_its_image_serves_exchanges(rom, site):
    proxy = site.proxy = rom(site.config(), "groupcoap.proxy")
    assert_room("proxy, ready", proxy, proxy.heap(), PROXY_FREE)

    def target(address, query=""):
        return [(peers.PROXY_URI, f"coap://{address}/temp{query}".encode())]

    site.one_answer(target(site.groups[1]))
    site.observe(target(site.groups[1], "?observed"))
    for i in range(EXCHANGES):  # each asks for something else, which the cache has not
        number = (peers.MULTICAST_TIMEOUT, peers.MULTICAST_SIGNALING)[i % 2]
        last = target(site.groups[i * len(site.groups) // EXCHANGES], f"?{i}")
        site.all_answer(site.ask_group(last, number=number))
    site.all_answer(site.ask_group(last, number=number))  # from the cache, as all members are known
    for i, server in enumerate(site.servers):  # what each of them is asked next, alone
        assert site.client.ask(proxy, options=target(server.address)).payload == b"%d.5" % i
    status = site.status()
    assert (status["cache"]["served"], status["observations"], status["aggregated_lost"]) == (1, 1, 0)
    assert len(status["exchanges"]) == 1 + EXCHANGES
    assert_room("proxy, at work", proxy, proxy.heap(), PROXY_FREE)


def test_a_complete_reverse_proxy_from_its_image_serves_exchanges(rom, node, lan, site):
    address = lan.address()
    listed, learned = site.groups
    far = {"group": listed, "host": "far.example"}
    next_proxy = node(peers.proxy_config(address, site.groups, mode="reverse", stands_in_for=[far]))
    entries = [
        {"group": learned, "host": "rooms.example", "servers": True},
        {"group": listed, "path": "lights", "servers": True},
        {**far, "next_hop": next_proxy.address},
    ]
    proxy = site.proxy = rom(
        {**site.config(mode="reverse", stands_in_for=entries), "address": address}, "groupcoap.proxy"
    )
    assert_room("reverse-proxy, ready", proxy, proxy.heap(), LEAST_FREE)

    def target(host, i=0):
        return [(peers.URI_HOST, host.encode()), *peers.path("temp"), (peers.URI_QUERY, b"%d" % i)]

    site.one_answer(target("rooms.example"))
    site.observe(target("rooms.example", 1))
    site.all_answer(site.ask_group([*peers.path("lights/temp")]))
    site.all_answer(site.ask_group(target("far.example", 2)))
    for i in range(3, EXCHANGES):
        site.all_answer(site.ask_group(target("rooms.example", i)))
    site.all_answer(site.ask_group(target("rooms.example", i)))
    for i, server in enumerate(site.servers):
        assert site.client.ask(proxy, options=target(server.address)).payload == b"%d.5" % i
    status = site.status()
    assert (status["cache"]["served"], status["observations"], status["aggregated_lost"]) == (1, 1, 0)
    assert len(status["exchanges"]) == EXCHANGES
    assert_room("reverse-proxy, at work", proxy, proxy.heap(), LEAST_FREE)
