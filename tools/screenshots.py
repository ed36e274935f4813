#!/usr/bin/env python3
"""Make docs/monitor.svg and docs/demo.svg from real runs: a proxy with servers, group requests through it, the demo."""

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import demo
import nodes
from nodes import Failed

try:
    import terminal_svg
    from rich.text import Text
except ImportError:
    import own_python

    own_python.go_on("screenshots")

HERE = Path(__file__).resolve().parent.parent
DOCS = HERE / "docs"
WIDTH, HEIGHT = 150, 27  # of the monitor's view
SECOND_GROUP = "239.255.72"  # beside the demo's group
ANSWERS = 3  # s in which all servers answer
OPEN = 60  # s, T' of the requests that are open while the picture is taken
EPILOG = """Takes some 20 s. Exit status: 0, or 1 when a node fails or its answers are missing.

examples:
  tools/screenshots.py
  tools/screenshots.py monitor --servers 4"""


def server_config(block, i):
    """Of the demo's server i, with more resources, and in a second group as well where i is even."""
    config = demo.server_config(block, i)
    room = demo.ROOMS[i]
    config["resources"]["light"] = {"value": f"{room} {40 + 11 * i % 60} %", "observable": True}
    config["resources"]["window"] = {"value": f"{room} {'open' if i % 3 == 0 else 'closed'}"}
    if i % 2 == 0:
        config["groups"].append(f"{second_group(block)}:{block.port}")
    return config


def second_group(block):
    return f"{SECOND_GROUP}.{block.group.rsplit('.', 1)[1]}"


def client(block, i):
    """Addresses of clients: the demo's is that of 9."""
    return block.client.rsplit(".", 1)[0] + f".{i}"


def proxy_config(block):
    groups = [f"{group}:{block.port}" for group in (block.group, second_group(block))]
    allow = [{"client": client(block, 9), "groups": groups}, {"client": client(block, 8), "groups": groups}]
    allow.append({"client": client(block, 7), "groups": groups[:1], "exchanges": 1})
    config = demo.proxy_config(block)
    config["proxy"] = {
        "allow": allow,
        "cache_bytes": 4096,
        "cache_entries": 32,
        "members": [{"group": groups[0], "servers": [f"{server}:{block.port}" for server in block.servers]}],
    }
    return config


class Fleet:
    """Nodes of this computer, each with its console at folder/NAME, which the monitor opens. Raises Failed."""

    def __init__(self, folder, configs):
        self._loop = asyncio.new_event_loop()
        self._nodes = nodes.Nodes(folder)
        consoles = {name: folder / name for name in configs}
        try:
            (first, config), *others = configs.items()  # alone at first: it compiles for all
            self._loop.run_until_complete(self._nodes.start(first, config, consoles[first]))
            self._loop.run_until_complete(self._nodes.start_all(dict(others), consoles))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self._loop.run_until_complete(self._nodes.stop())
        self._loop.close()


def asking(block, source, method, target, timeout=None):
    """A running tools/groupcoap that sends a request through the proxy from the client's address of this number."""
    words = [sys.executable, HERE / "tools/groupcoap", method, target, "--proxy", block.uri(block.proxy)]
    words += ["--bind", client(block, source), "--json", *(["--timeout", str(timeout)] if timeout else [])]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def traffic(block, stack):
    """Requests that have ended, some of them refused, some answered from the cache; and some that stay open."""
    everyone, some = block.uri(block.group), block.uri(second_group(block))
    for _ in range(2):  # the second is answered from the cache
        answers, said = asking(block, 9, "get", everyone + "/temp", ANSWERS).communicate()
        if answers.count('"2.05"') != len(block.servers):
            raise Failed(f"{answers.count('2.05')} answers, expected {len(block.servers)}: {said.strip()}")
    asking(block, 6, "get", everyone + "/temp", ANSWERS).communicate()  # no client of this proxy's: 4.01
    still = [
        asking(block, 9, "observe", everyone + "/light", OPEN),
        asking(block, 8, "get", everyone + "/window", OPEN),
        asking(block, 8, "get", some + "/temp", OPEN),
        asking(block, 7, "get", everyone + "/light", OPEN),
        asking(block, 9, "get", block.uri(client(block, 99)) + "/temp"),  # a server that is off
    ]
    for process in still:
        stack.callback(end, process)
    time.sleep(0.5)
    asking(block, 7, "get", everyone + "/window", ANSWERS).communicate()  # has its one exchange: 5.03
    time.sleep(ANSWERS - 0.5)


def end(process):
    process.send_signal(signal.SIGTERM)
    process.communicate()


def watch(folder, names, *arguments):
    """What tools/monitor prints. Raises Failed."""
    words = [sys.executable, HERE / "tools/monitor", *names, *map(str, arguments)]
    ended = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode:
        raise Failed(ended.stderr.strip() or "no node has answered the monitor")
    return ended.stdout


def monitor(servers, file):
    with contextlib.ExitStack() as stack:
        block = nodes.Block(servers)
        stack.callback(block.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="screenshots-")))
        configs = {"proxy": proxy_config(block)}
        configs |= {demo.ROOMS[i]: server_config(block, i) for i in range(servers)}
        stack.callback(Fleet(folder, configs).stop)
        traffic(block, stack)
        told = [json.loads(line) for line in watch(folder, configs, "--json", "--count", 1).splitlines()]
        silent = [each["port"] for each in told if each["status"] is None]
        if silent:
            raise Failed(f"no answer on the console of {', '.join(silent)}")
        proxy = next(each["status"] for each in told if each["port"] == "proxy")["proxy"]
        if len(proxy["exchanges"]) < 4:
            raise Failed(f"{len(proxy['exchanges'])} exchanges are open, expected 4 or more")
        watch(folder, configs, "--svg", file, "--width", WIDTH, "--height", HEIGHT)


def demonstration(file):
    """The demo's output, with some colour."""
    words = [sys.executable, HERE / "tools/demo.py"]
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode:
        raise Failed(ended.stderr.strip())
    lines = ["$ make demo", *ended.stdout.rstrip().splitlines()]
    console = terminal_svg.recorder(max(map(len, lines)) + 1, len(lines))
    for line in lines:
        text = Text(line)
        text.highlight_regex(r"^\$ .*|^groupcoap demo|^Profile \d\d|^One of them again|^all \d+ servers", "bold")
        text.highlight_regex(r"coap://[\d.:]+(/\w+)?", "cyan")
        text.highlight_regex(r"\b2\.05\b", "green")
        text.highlight_regex(r"client -> proxy|proxy  -> group", "yellow")
        text.highlight_regex(r"Multicast-\w+|Reply-From|Response-Forwarding", "magenta")
        console.print(text, no_wrap=True, overflow="crop")
    Path(file).write_text(terminal_svg.svg(console, "make demo"), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        prog="screenshots", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", metavar="WHAT", nargs="*", help="monitor or demo (default: both)")
    parser.add_argument("--servers", metavar="N", type=demo.count, default=8, help="of the monitor's (default 8)")
    parser.add_argument("--folder", metavar="FOLDER", type=Path, default=DOCS, help="for the files (default: docs)")
    parser.error = lambda message: (print(f"screenshots: {message}", file=sys.stderr), sys.exit(2))
    args = parser.parse_args()
    for what in args.what:
        if what not in ("monitor", "demo"):
            parser.error(f"argument WHAT: expected monitor or demo, not {what!r}")
    if not args.folder.is_dir():
        parser.error(f"argument --folder: expected a folder, not {str(args.folder)!r}")
    try:
        for what in args.what or ("monitor", "demo"):
            file = (args.folder / f"{what}.svg").absolute()
            if what == "demo":
                demonstration(file)
            else:
                monitor(args.servers, file)
            print(f"{file}  {file.stat().st_size:,} bytes")
    except (Failed, OSError) as e:
        print(f"screenshots: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("screenshots: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
