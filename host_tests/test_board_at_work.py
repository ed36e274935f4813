"""A board on this desk from an empty flash to its work: deployed, asked, watched, unplugged, from its ROM partition."""

import json
import subprocess
import sys
import threading
import time

import boards
import peers
import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import romfs  # noqa: E402

TOOLS = support.REPO / "tools"
SERVERS = 3
HEAP = "160K"
LEAST_FREE = 4 * 1024  # bytes
COMPLETE = json.loads((support.REPO / "host_tests/vm/complete_proxy.json").read_text())
STATUS = peers.path(".proxy/status")
MOVING = ("heap_free", "clients")  # what a look at it changes


def deploy(board, role, config, folder, *options):
    path = folder / f"{role}.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, TOOLS / "deploy", board.port, role, "--config", path, *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def watch(*arguments):
    """What tools/monitor --json prints, as objects."""
    command = [sys.executable, TOOLS / "monitor", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Site:
    def __init__(self, lan, node):
        self.group, self.address, self.client = lan.group(), lan.address(), peers.Peer(lan.address())
        self.stranger = peers.Peer(lan.address())
        for i in range(SERVERS):
            node(peers.server_config(self.group, f"{i}.5"))

    def to(self):
        return self.address, peers.PORT

    def ask(self, timeout=1):
        """Ask the group through the proxy; all must answer."""
        options = [(peers.PROXY_URI, f"coap://{self.group}/temp".encode())]
        request = self.client.send(self.to(), options=[*options, (peers.MULTICAST_TIMEOUT, peers.uint(timeout))])
        found = self.client.collect(SERVERS, wanted=lambda m: m.token == request.token and m.type == peers.NON)
        assert {message.payload for message in found} == {b"%d.5" % i for i in range(SERVERS)}


@pytest.fixture
def site(node, lan):
    """A proxy on a board, as tools/deploy has put it there, servers, and a client."""

    site = Site(lan, node)
    config = {**COMPLETE, "proxy": peers.proxy_config(site.client.address, [site.group], **COMPLETE["proxy"])["proxy"]}
    site.config = {"address": site.address, "multicast_interface": "127.0.0.1", **config}
    return site


def test_the_monitor_says_what_the_status_resource_says(site, board, tmp_path):
    import cbor2

    site.board = board()
    deploy(site.board, "proxy", site.config, tmp_path)
    for _ in range(3):
        site.ask()
    assert site.stranger.ask(site.to(), options=[(peers.PROXY_URI, f"coap://{site.group}/x".encode())]).code[0] == "4"
    time.sleep(1.5)  # until T' of all is over
    (seen,) = watch(site.board.port, "--count", 1)
    answer = site.client.ask(site.to(), options=STATUS)
    told = cbor2.loads(answer.payload)
    shown = seen["status"]["proxy"]
    assert {k: v for k, v in shown.items() if k not in MOVING} == {k: v for k, v in told.items() if k not in MOVING}
    assert [client["client"] for client in shown["clients"]] == [client["client"] for client in told["clients"]]
    assert shown["ended"] == 3 and shown["refusals"]
    assert abs(shown["heap_free"] - told["heap_free"]) < 4096
    assert seen["status"]["board"] == "UNIX" and seen["status"]["address"] == f"{site.address}:5683"


def test_the_monitor_resumes_when_the_board_is_plugged_in_again(site, board, tmp_path):
    site.board = board()
    deploy(site.board, "proxy", site.config, tmp_path)
    command = [sys.executable, TOOLS / "monitor", site.board.port, "--json", "--interval", "0.3"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as process:
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(map(json.loads, process.stdout)), daemon=True)
        reader.start()

        def await_seen(answered):
            start = len(seen)

            def has():
                return any((each["status"] is not None) == answered for each in seen[start:])

            boards.eventually(has, lambda: f"{seen[-3:]}")

        try:
            await_seen(True)
            site.board.unplug()
            await_seen(False)
            site.ask()  # the node itself goes on
            site.board.plug()
            await_seen(True)
            site.board.close()  # its power fails, too
            await_seen(False)
            site.board.start()
            await_seen(True)
        finally:
            process.terminate()
            reader.join(10)
    assert seen[-1]["status"]["role"] == "proxy"


@pytest.mark.parametrize("role", romfs.ROLES)
def test_the_firmware_boots_from_its_image_in_160_kb(role, site, board, tmp_path, lan):
    rom = tmp_path / "rom"
    config = peers.proxy_config(site.client.address, [site.group])
    if role == "server":
        config = peers.server_config(site.group, "3.5")
    config = {"address": site.address, "multicast_interface": "127.0.0.1", **config}
    b = board("--rom", rom, "--heap", HEAP)
    said = deploy(b, role, config, tmp_path, "--romfs")
    assert f"ready {role} coap://{site.address}:5683" in said
    assert {path.name for path in b.flash.rglob("*.mpy")} == set()  # its code is in the ROM alone
    for _ in range(3):
        if role == "proxy":
            site.ask()
        else:
            assert site.client.ask(site.to(), options=peers.path("temp")).payload == b"3.5"
    with b.open() as terminal:
        status = terminal.told("status")
    print(f"{role} from its image, in {HEAP} beyond it: {status['heap']}")
    assert (status["faults"], status["no_memory"], status["state"]) == (0, 0, "running"), b.said()[-2000:]
    assert status["heap"]["free"] >= LEAST_FREE
