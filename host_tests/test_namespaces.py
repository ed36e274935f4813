"""Clients and their servers in networks of their own, with the proxy alone in both: network namespaces of Linux.

clients 192.0.2.9 .. .16 ---- 192.0.2.1 proxy 198.51.100.1 ---- bridge ---- servers 198.51.100.11 .. .26
                                                                   `------- servers 198.51.100.27 .. .42
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time

import peers
import pytest
import support

PROXY, UPSTREAM = "192.0.2.1", "198.51.100.1"
CLIENTS = [f"192.0.2.{i}" for i in range(9, 17)]
SERVERS = [f"198.51.100.{i}" for i in range(11, 43)]
REQUESTS = 64
GROUP = "224.0.1.187"
UP_S = 20


def ip(*words):
    """Run `ip` with these words; what it says if it cannot, else None."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
    return done.stderr.strip() or f"ip {' '.join(words)}: status {done.returncode}" if done.returncode else None


class Networks:
    """Namespaces, and cables between them."""

    def __init__(self, undo):
        self._undo = undo
        self._numbers = itertools.count()
        self._ends = []  # of the cables: (namespace, name)

    def namespace(self, name):
        """Make a namespace: what it is called."""
        name = f"groupcoap-{os.getpid()}-{name}"
        problem = ip("netns", "add", name)
        if problem:
            pytest.skip(f"needs network namespaces: {problem}")
        self._undo.callback(ip, "netns", "del", name)
        self._do(name, "link", "set", "lo", "up")
        return name

    def bridge(self, namespace):
        """Make a bridge with the name "bridge" in a namespace."""
        self._do(namespace, "link", "add", "bridge", "type", "bridge")
        self._do(namespace, "link", "set", "bridge", "up")

    def cable(self, namespace, addresses, other, other_addresses=()):
        """Connect two namespaces, with addresses at each end; where there are none, that end is in the bridge."""
        ends = f"gc{os.getpid()}n{next(self._numbers)}", f"gc{os.getpid()}n{next(self._numbers)}"
        problem = ip(
            *("link", "add", ends[0], "netns", namespace, "type", "veth", "peer", "name", ends[1], "netns", other)
        )
        if problem:
            pytest.skip(f"needs network namespaces with veth: {problem}")
        for end, place, own in zip(ends, (namespace, other), (addresses, other_addresses)):
            for address in own:
                self._do(place, "address", "add", address + "/24", "dev", end)
            if not own:
                self._do(place, "link", "set", end, "master", "bridge")
            self._do(place, "link", "set", end, "up")
            self._ends.append((place, end))

    def await_up(self):
        """Wait until every cable carries: until then, Linux throws away what is sent into it."""
        give_up = time.monotonic() + UP_S
        for place, end in self._ends:
            show = "ip", "-n", place, "-o", "link", "show", "dev", end
            while " state UP " not in (shown := subprocess.check_output(show, text=True)):
                assert time.monotonic() < give_up, shown
                time.sleep(0.02)

    def _do(self, namespace, *words):
        problem = ip("-n", namespace, *words)
        if problem:
            pytest.skip(f"needs network namespaces: {' '.join(words)}: {problem}")


@pytest.fixture
def networks():
    if not sys.platform.startswith("linux") or not shutil.which("ip"):
        pytest.skip("needs network namespaces: Linux, and the program ip (apt-get install iproute2)")
    with contextlib.ExitStack() as undo:
        yield Networks(undo)


class Site:
    """The network above, with its nodes running: half of the servers are in each of two namespaces."""

    def __init__(self, networks, start_node):
        self.client, proxy, lan = map(networks.namespace, ("client", "proxy", "lan"))
        self.homes = [networks.namespace("servers1"), networks.namespace("servers2")]
        networks.bridge(lan)
        networks.cable(self.client, CLIENTS, proxy, [PROXY])
        networks.cable(proxy, [UPSTREAM], lan)
        half = len(SERVERS) // 2
        for home, addresses in zip(self.homes, (SERVERS[:half], SERVERS[half:])):
            networks.cable(home, addresses, lan)
        networks.await_up()
        for i, address in enumerate(SERVERS):
            resources = {f"r{k}": {"value": f"{i}/{k}"} for k in range(REQUESTS)}
            config = {"role": "server", "groups": [GROUP], "leisure_s": 0.05, "resources": resources}
            start_node(self.homes[i // half], {"address": address, "multicast_interface": address, **config})
        allow = [{"client": address, "groups": [GROUP]} for address in CLIENTS]
        config = {"role": "proxy", "token_slots": REQUESTS + 8, "proxy": {"upstream_address": UPSTREAM, "allow": allow}}
        start_node(proxy, {"address": PROXY, "multicast_interface": UPSTREAM, **config})

    def run(self, program, *arguments):
        """Run a Python program of this repository where the clients are: what it prints, a JSON value a line."""
        command = ["ip", "netns", "exec", self.client, sys.executable, support.REPO / program, *arguments]
        environment = {**os.environ, "PYTHONPATH": f"{support.REPO / 'lib'}:{support.REPO / 'tools/cpython'}"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return peers.answers(done)

    def tool(self, *arguments):
        """Run the command-line client with the proxy: its answers; a 2.xx must be among them."""
        return self.run("tools/groupcoap", *arguments, "--proxy", f"coap://{PROXY}", "--json")


@pytest.fixture
def site(networks, node, monkeypatch, tmp_path):
    def start_node(namespace, config):
        program = tmp_path / f"micropython-{namespace}"
        program.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} "{micropython}" "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("MICROPYTHON", str(program))
        return node(config, heap="512K")

    micropython = support.micropython()
    return Site(networks, start_node)


def test_clients_without_a_route_to_the_servers_get_all_their_answers_and_follow_up(site):
    assert "unreachable" in ip("-n", site.client, "route", "get", SERVERS[0])
    assert "unreachable" in ip("-n", site.homes[0], "route", "get", CLIENTS[0])
    each = str(REQUESTS // len(CLIENTS))
    program = "host_tests/vm/group_clients.py"
    found = site.run(program, f"coap://{PROXY}", GROUP, str(len(SERVERS)), each, *CLIENTS)
    expected = [[k, f"coap://{at}", f"{i}/{k}"] for k in range(REQUESTS) for i, at in enumerate(SERVERS)]
    assert sorted(found) == sorted(expected)
    for i in (0, len(SERVERS) - 1):  # one by itself, in each of the servers' namespaces
        (single,) = site.tool("get", f"coap://{SERVERS[i]}/r5", "--bind", CLIENTS[1])
        assert single["payload"] == f"{i}/5"
    (done,) = site.tool("put", f"coap://{SERVERS[0]}/r5", "30")
    again = site.tool("get", f"coap://{GROUP}/r5", "--timeout", "1")
    changed = [answer["origin"] for answer in again if answer["payload"] == "30"]
    assert (done["code"], len(again), changed) == ("2.04", len(SERVERS), [f"coap://{SERVERS[0]}"])
