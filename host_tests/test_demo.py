"""The demo, run for real: what it shows, and that it says so when something is missing."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import support

DEMO = support.REPO / "tools/demo.py"
LONGEST_S = 15
ANSWER = re.compile(r"  (coap://127\.71\.\d+\.\d+(?::\d+)?) +2\.05 ")


@pytest.fixture
def start(tmp_path):
    """start(*arguments) runs the demo; its nodes' configurations lie in tmp_path, by which they are found again."""
    started = []

    def start(*arguments, micropython=None):
        environment = dict(os.environ, TMPDIR=str(tmp_path), MICROPYTHON=micropython or support.micropython())
        process = subprocess.Popen(
            [sys.executable, DEMO, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        started.append(process)
        return process

    yield start

    for process in started:
        process.terminate()  # killed, it would leave its nodes behind
        process.communicate()


@pytest.fixture
def demo(monkeypatch):
    """The demo as a module."""
    monkeypatch.setenv("MICROPYTHON", support.micropython())
    monkeypatch.syspath_prepend(str(DEMO.parent))
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def running(folder):
    """Command lines of the processes that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(line.replace(b"\0", b" "))
    return found


def test_six_servers_answer_in_both_profiles_within_15_s_of_being_ready(start, tmp_path):
    process = start()
    lines = [(time.monotonic(), line.rstrip("\n")) for line in process.stdout]
    assert process.wait() == 0, process.stderr.read()
    ended = time.monotonic()
    assert process.stderr.read() == ""
    assert not running(tmp_path)

    text = [line for _, line in lines]
    assert max(map(len, text)) <= 100
    times = {line.split()[0]: at for at, line in lines if line.strip()}
    assert ended - times["ready"] < LONGEST_S

    _, profile07, profile00 = "\n".join(text).split("\nProfile ")
    profile00, follow_up = profile00.split("\nOne of them again")
    for profile, shown in (("07", profile07), ("00", profile00)):
        assert shown.startswith(profile)
        assert len(set(ANSWER.findall(shown))) == len(ANSWER.findall(shown)) == 6
        assert shown.count("proxy  -> group") == 1
        assert shown.count("proxy  -> client") == 6
    assert "NON GET /temp, without Multicast-Timeout" in profile07
    assert "NON GET /temp, Multicast-Signaling 3" in profile00
    direct, through_proxy = ANSWER.findall(follow_up)
    assert direct == through_proxy
    assert direct in ANSWER.findall(profile00)


def test_answers_are_printed_as_they_arrive(start):
    process = start("--servers", "2")
    answered = []
    for line in process.stdout:
        if ANSWER.match(line):
            answered.append(time.monotonic())
        if "T' = 3 s is over" in line:
            break
    assert time.monotonic() - answered[0] > 1.5


def test_an_answer_that_is_missing_fails_the_demo(demo, monkeypatch, capfd):
    config = demo.server_config

    def shy(block, i):
        made = config(block, i)
        made["resources"]["temp"]["group"] = i != 1
        return made

    monkeypatch.setattr(demo, "server_config", shy)
    assert demo.main(["--servers", "3"]) == 1
    error = capfd.readouterr().err
    expected = r"demo: profile 07: 2 answers, expected 3, one from each server; not so from 127\.71\.\d+\.12\n"
    assert re.fullmatch(expected, error)


def test_a_node_that_does_not_start_fails_the_demo(start):
    process = start(micropython="/nonexistent")
    _, error = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(r"demo: proxy did not start: node: /nonexistent: .*\n", error)


def test_a_demo_that_is_terminated_stops_its_nodes(start, tmp_path):
    process = start("--servers", "2")
    for line in process.stdout:
        if "Profile 07" in line:
            break
    assert len(running(tmp_path)) == 6  # three nodes, each the tool and its VM
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 1
    assert not running(tmp_path)


def test_two_demos_at_once_take_different_addresses(demo):
    one, other = demo.Block(3), demo.Block(3)
    try:
        assert one.group != other.group
        assert not {one.proxy, *one.servers} & {other.proxy, *other.servers}
    finally:
        one.close()
        other.close()


def test_a_wrong_argument_is_told_in_one_line(start):
    process = start("--servers", "0")
    _, error = process.communicate()
    assert process.returncode == 2
    assert error == "demo: argument --servers: expected a number from 1 to 10, not '0'\n"
