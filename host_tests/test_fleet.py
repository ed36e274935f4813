"""A fleet of nodes on this computer: what it prints, that its proxy reaches all, and that nothing stays behind."""

import asyncio
import contextlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cbor2
import pytest
import support
from groupcoap.net.client import Client
from test_demo import running

FLEET = support.REPO / "tools/fleet"
READY = re.compile(r"ready (proxy|server) coap://(127\.72\.\d+\.\d+):\d+  (/\S+\.console)")


# The fleet with another program as its monitor.
WITH_MONITOR = """
import importlib.machinery, importlib.util, pathlib, sys
sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))
loader = importlib.machinery.SourceFileLoader("fleet", sys.argv[1])
fleet = importlib.util.module_from_spec(importlib.util.spec_from_loader("fleet", loader))
loader.exec_module(fleet)
fleet.MONITOR = pathlib.Path(sys.argv[2])
sys.exit(fleet.main(sys.argv[3:]))
"""


class Fleet:
    """A fleet as a process, whose nodes' configurations lie in a folder of the test, by which they are found again."""

    def __init__(self, folder, arguments, monitor, **environment):
        self.folder = folder
        program = ["-c", WITH_MONITOR, FLEET, monitor] if monitor else [FLEET]
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(folder), "MICROPYTHON": support.micropython(), **environment},
        )
        self._seen = b""

    def lines(self, count):
        """The first lines on stdout, once there are so many."""
        end = time.monotonic() + 30
        while self._seen.count(b"\n") < count:
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], self._seen
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, self.process.stderr.read().decode()
            self._seen += piece
        return self._seen.decode().split("\n")[:count]

    def end(self):
        """Wait for its end: (status, stdout, stderr)."""
        out, error = self.process.communicate(timeout=30)
        return self.process.returncode, (self._seen + out).decode(), error.decode()

    def nodes(self):
        """The processes of a node, by its name: pid of the tool and of its VM."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                name = re.search(rb"%s/fleet-\w+/(\w+)\.json" % str(self.folder).encode(), path.read_bytes())
                if name:
                    found.setdefault(name[1].decode(), []).append(int(path.parent.name))
        return found


@pytest.fixture
def start(tmp_path):
    """start(*arguments, monitor=None) runs a fleet; monitor: the path of a Python program."""
    fleets = []

    def start(*arguments, monitor=None, **environment):
        fleets.append(Fleet(tmp_path, arguments, monitor, **environment))
        return fleets[-1]

    yield start

    for fleet in fleets:
        if fleet.process.poll() is None:
            fleet.process.terminate()
            fleet.process.communicate()


@pytest.fixture
def monitor(tmp_path):
    """monitor(text) writes a program to be the monitor: its path."""

    def write(text):
        path = tmp_path / "monitor"
        path.write_text(text)
        return path

    return write


def gone(folder):
    """Has every node ended? A VM dies a moment after its tool."""
    end = time.monotonic() + 2
    while running(folder) and time.monotonic() < end:
        time.sleep(0.02)
    return not running(folder)


def test_three_servers_answer_the_command_that_the_fleet_prints(start, tmp_path):
    fleet = start("3", "--no-monitor", "--quiet", "--seconds", "5")
    first, *ready = fleet.lines(5)
    told = [READY.fullmatch(line) for line in ready]
    assert [match[1] for match in told] == ["proxy", "server", "server", "server"]
    assert len({match[2] for match in told}) == 4
    assert all(Path(match[3]).is_char_device() for match in told)

    command = shlex.split(first.removeprefix("a group request: "))
    assert command[0] == "tools/groupcoap"
    asked = [sys.executable, *command, "--json"]
    answer = subprocess.run(asked, cwd=support.REPO, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in answer.stdout.splitlines()]
    assert sorted(a["origin"].split(":")[1] for a in answers) == sorted("//" + match[2] for match in told[1:])
    assert len({a["payload"] for a in answers}) == 3

    status, _, error = fleet.end()
    assert (status, error) == (0, "4 of 4 ready\n")
    assert not running(tmp_path)
    assert not list(tmp_path.iterdir())  # configurations, logs, consoles


def test_the_traffic_goes_through_the_proxy(start):
    fleet = start("1", "--no-monitor")
    proxy = READY.fullmatch(fleet.lines(2)[1])[2]

    async def answers():
        """The answers so far of an exchange through the proxy, once it has some."""
        async with Client(proxy.rsplit(".", 1)[0] + ".9") as client:
            while True:
                status = cbor2.loads((await client.get(f"coap://{proxy}/.proxy/status")).payload)
                for exchange in status["exchanges"]:
                    if exchange["answers"]:
                        return exchange["answers"]

    assert asyncio.run(asyncio.wait_for(answers(), 10)) == 1


def test_a_node_that_ends_by_itself_ends_the_fleet(start, tmp_path):
    fleet = start("2", "--no-monitor")
    fleet.lines(4)
    os.kill(max(fleet.nodes()["server2"]), signal.SIGKILL)  # the VM, younger than its tool
    status, _, error = fleet.end()
    assert status == 1
    assert re.fullmatch(r"3 of 3 ready\nfleet: server2 ended with status -?\d+: .+\n", error)
    assert gone(tmp_path)


def test_a_node_that_does_not_start_ends_the_fleet_with_what_it_said(start, tmp_path):
    broken = tmp_path / "micropython"
    broken.write_text('#!/bin/sh\ncase "$*" in *server2*) echo nothing works >&2; exit 3;; esac\nexec "$REAL" "$@"\n')
    broken.chmod(0o755)
    fleet = start("3", "--no-monitor", MICROPYTHON=str(broken), REAL=support.micropython())
    status, out, error = fleet.end()
    assert (status, out) == (1, "")
    assert error == "3 of 4 ready\nfleet: server2 did not start: nothing works\n"
    broken.unlink()
    assert gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_and_that_is_no_failure(start, tmp_path, number):
    fleet = start("2", "--no-monitor")
    fleet.lines(4)
    assert sorted(map(len, fleet.nodes().values())) == [2, 2, 2]
    os.killpg(fleet.process.pid, number)  # as a terminal does it: all in the foreground
    status, _, error = fleet.end()
    assert (status, error) == (0, "3 of 3 ready\n")
    assert gone(tmp_path)


def test_a_signal_while_nodes_start_ends_all(start, tmp_path):
    fleet = start("8", "--no-monitor")
    while len(fleet.nodes()) < 3:
        assert fleet.process.poll() is None
    fleet.process.terminate()
    assert fleet.end()[0] == 0
    assert gone(tmp_path)


def test_nodes_end_with_a_fleet_that_is_killed(start, tmp_path):
    fleet = start("1", "--no-monitor")
    fleet.lines(3)
    fleet.process.kill()
    fleet.end()
    assert gone(tmp_path)


def test_the_monitor_gets_all_consoles_and_its_end_is_that_of_the_fleet(start, monitor, tmp_path):
    shown = monitor("import json, os, sys; print(json.dumps([sys.argv[1:], all(map(os.path.exists, sys.argv[2:]))]))")
    fleet = start("2", "--json", monitor=shown)
    status, out, error = fleet.end()
    assert status == 0
    (option, *consoles), there = json.loads(out)  # nothing else is on stdout
    assert option == "--json" and there
    assert [Path(path).name for path in consoles] == ["proxy.console", "server1.console", "server2.console"]
    assert error.startswith("3 of 3 ready\na group request: tools/groupcoap get ")
    assert gone(tmp_path)


def test_the_monitor_is_asked_to_end_when_the_time_is_over(start, monitor, tmp_path):
    text = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('closed')))\n"
    shown = monitor(text + "print('shown', flush=True)\ntime.sleep(60)")
    fleet = start("1", "--seconds", "0.5", monitor=shown)
    status, out, _ = fleet.end()
    assert status == 0 and out.endswith("shown\nclosed\n")
    assert gone(tmp_path)


def test_a_node_that_does_not_end_is_named_and_killed(start, tmp_path):
    deaf = tmp_path / "micropython"
    deaf.write_text(
        '#!/bin/sh\ncase "$*" in *server1*) trap \'\' INT; echo ready deaf; exec sleep 30;; esac\nexec "$REAL" "$@"\n'
    )
    deaf.chmod(0o755)
    fleet = start("1", "--no-monitor", "--seconds", "0.1", MICROPYTHON=str(deaf), REAL=support.micropython())
    status, _, error = fleet.end()
    assert (status, error) == (1, "2 of 2 ready\nfleet: did not end well: server1\n")
    deaf.unlink()
    assert gone(tmp_path)


def test_a_monitor_that_fails_is_told(start, monitor, tmp_path):
    status, _, error = start("1", monitor=monitor("raise SystemExit(4)")).end()
    assert status == 1
    assert error == "2 of 2 ready\nfleet: monitor ended with status 4\n"
    assert gone(tmp_path)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("0",), "argument N: expected a number from 1 to 64, not '0'"),
        (("65",), "argument N: expected a number from 1 to 64, not '65'"),
        (("3", "--seconds", "soon"), "argument --seconds: expected seconds above 0, at most 86400, not 'soon'"),
        (("3", "--json", "--no-monitor"), "argument --json: expected without --no-monitor"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(start, arguments, told):
    status, out, error = start(*arguments).end()
    assert (status, out, error) == (2, "", f"fleet: {told}\n")


def test_a_monitor_that_is_not_there_is_told_before_anything_starts(start, tmp_path):
    status, out, error = start("1", monitor=tmp_path / "none").end()
    assert (status, out) == (2, "")
    assert error == f"fleet: {tmp_path}/none: not there; --no-monitor does without\n"
