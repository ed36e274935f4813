"""The examples run, and what the README shows of them is what they are."""

import json
import os
import re
import subprocess
import textwrap

import support

EXAMPLES = support.REPO / "examples"
PROGRAMS = ("server.py", "group_get.py", "client.py")


def test_what_the_readme_shows_is_in_an_example():
    shown = re.findall(r"```(?:python|json)\n(.*?)```", (support.REPO / "README.md").read_text(), re.S)
    examples = [path.read_text() for path in EXAMPLES.iterdir() if path.is_file()]
    assert len(shown) == 5
    for block in shown:
        assert any(block in text or textwrap.indent(block, "    ") in text for text in examples), block


def test_examples_work_together(node, lan, tmp_path):
    # The same files, with addresses of this test's own.
    own = {f"127.0.0.{host}": lan.address() for host in (2, 3, 9, 10)} | {"224.0.1.187": lan.group()}

    def text(name):
        found = (EXAMPLES / name).read_text()
        for address, mine in own.items():
            found = found.replace(f'"{address}"', f'"{mine}"').replace(f"//{address}", f"//{mine}")
        return found

    for name in ("server.json", "proxy.json"):
        node(json.loads(text(name)))
    for name in PROGRAMS:
        (tmp_path / name).write_text(text(name))
    run = [support.micropython(), "-X", "heapsize=256K"]
    environment = dict(os.environ, MICROPYPATH=f"{support.REPO / 'lib'}:.frozen")
    server = subprocess.Popen([*run, tmp_path / "server.py"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "ready\n"
        answers = subprocess.run(
            [*run, tmp_path / "group_get.py"], env=environment, capture_output=True, text=True, check=True, timeout=20
        ).stdout
        client = subprocess.Popen([*run, tmp_path / "client.py"], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert [client.stdout.readline() for _ in range(2)] == ["b'19.0'\n"] * 2
        finally:
            client.kill()
            client.wait()
    finally:
        server.kill()
        server.wait()
    assert sorted(answers.splitlines()) == sorted([f"{own['127.0.0.2']} b'21.5'", f"{own['127.0.0.3']} b'19.0'"])
