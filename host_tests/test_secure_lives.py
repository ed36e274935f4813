"""Nodes that lose their power, as real processes: the next life takes no replay, and its clients go on."""

import json
import subprocess
import sys

import pytest
import support


def groupcoap(*words):
    command = [sys.executable, str(support.REPO / "tools/groupcoap"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def ask(uri, key):
    """The one response to a GET, and what was said on stderr."""
    told = groupcoap("get", uri, "--key", key, "--json")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(lines) == 1, (told.stdout, told.stderr)
    return lines[0]["code"], lines[0]["payload"], lines[0]["by"]


@pytest.mark.parametrize("how", [[], ["--rederives"]])
def test_server_that_was_killed_serves_its_client_on(how, node, tmp_path):
    made = groupcoap("keygen", "alice", "server", "--folder", tmp_path / "keys", *how)
    assert made.returncode == 0, made.stderr
    config = {
        "role": "server",
        "security": {"files": [str(tmp_path / "keys/server--alice.json")], "state": str(tmp_path / "records")},
        "resources": {"temp": {"value": "21.5"}},
    }
    key = tmp_path / "keys/alice--server.json"
    for life in range(3):
        server = node(config, heap="512K")
        config["address"] = server.address
        for _ in range(2):
            assert ask(f"{server.uri}/temp", key) == ("2.05", "21.5", "server"), life
        server.kill()
