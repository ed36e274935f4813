"""A site under Group OSCORE: six servers of a group, proxies, and clients with keys, as processes on the loopback.

Keys are made by `tools/groupcoap keygen` and `group`; the clients are `tools/groupcoap` with --key and --proxy-key.
"""

import concurrent.futures
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cbor2
import peers
import support

SERVERS = ("s1", "s2", "s3", "s4", "s5", "s6")
CLIENTS = ("alice", "bob")
HEAP = "512K"
TIMEOUT = ("--timeout", "1")  # s that are enough for six answers
TOOL = support.REPO / "tools/groupcoap"
MOST_S = 60  # that a command of the tool may take


def tool(*arguments):
    """Run tools/groupcoap, which must not find its arguments wrong: its CompletedProcess."""
    process = peers.groupcoap(*map(str, arguments))
    lines = [line[:160] for line in [*process.stdout.splitlines(), *process.stderr.splitlines()]]
    print(f"--- groupcoap {' '.join(map(str, arguments))}", *lines, sep="\n")
    assert process.returncode < 2, process.stderr
    return process


def make(folder, *commands):
    """Run tools/groupcoap for keys in this folder, commands one after the other in one process, as it starts slowly."""
    program = """if True:
        import json, runpy, sys
        sys.path.insert(0, sys.argv[1])
        for arguments in json.load(sys.stdin):
            sys.argv = arguments
            try:
                runpy.run_path(arguments[0], run_name="__main__")
            except SystemExit as end:
                assert not end.code, arguments
    """
    given = json.dumps([[str(TOOL), *command, "--folder", str(folder)] for command in commands])
    subprocess.run([sys.executable, "-c", program, TOOL.parent], input=given, text=True, check=True, timeout=MOST_S)


class Command(support.Talking):
    """tools/groupcoap as a process of its own, its answers as they come; ends with the block."""

    def __init__(self, *arguments):
        support.Talking.__init__(self, [sys.executable, TOOL, *map(str, arguments), "--json"], MOST_S)

    def next(self, count):
        """The next `count` answers, which must come."""
        found = []
        for _ in range(count):
            line = self.process.stdout.readline()
            assert line, f"{found} only: {self.process.stderr.read()}"
            found.append(json.loads(line))
        return found

    def interrupt(self):
        """End it as Ctrl-C does: what it has printed since."""
        self.process.send_signal(signal.SIGINT)
        return [json.loads(line) for line in self.process.communicate()[0].splitlines()]


class Site:
    """The keys, and the nodes that are started with them, until the end of the block.

    servers, proxies: nodes by name. address: of every node, client and more by name, before it is there.
    """

    def __init__(self, folder):
        self.folder = folder
        self.lan = support.Lan()
        self.group = self.lan.group()
        self.nodes, self._address = {}, {}
        self._numbers = iter(range(1000))

    def __enter__(self):
        self.keys = self.folder / "keys"
        group = "new", "--deterministic"
        members = [("add", name) for name in (*SERVERS, *CLIENTS)]
        make(self.keys, *[("group", verb, "building", *more) for verb, *more in (group, *members)])
        make(self.keys, ("group", "export", "building"), ("group", "export", "building", "--checker"))
        return self

    def __exit__(self, *error):
        for node in self.nodes.values():
            node.terminate()
        for name, node in self.nodes.items():
            print(f"--- {name} {node.uri}\n{node.stderr()}", end="")
            if not error[0]:
                node.stop()
                assert node.stderr() == "", name
        for node in self.nodes.values():
            node.kill()

    # Names

    def address(self, name):
        """The address of this name's own."""
        if name not in self._address:
            self._address[name] = self.lan.address()
        return self._address[name]

    def uri(self, name, path="temp"):
        """coap://ADDRESS/path of a node, or of the group."""
        host = self.group if name == "group" else self.address(name)
        return f"coap://{host}/{path}" if path else f"coap://{host}"

    def share_all(self, node, *clients):
        """Make keys that each of these clients shares with a node."""
        make(self.keys, *[("keygen", client, node) for client in clients])

    def share(self, client, node):
        """(path of the client's file, of the node's) of the keys that they share, which are made where they are not."""
        paths = self.keys / f"{client}--{node}.json", self.keys / f"{node}--{client}.json"
        if not paths[0].exists():
            self.share_all(node, client)
        return paths

    # Nodes

    def start(self, name, config, *files, **security):
        """Start a node with these files of keys; none: without security. It has the state of its name."""
        config = {"address": self.address(name), "multicast_interface": "127.0.0.1", **config}
        if files:
            state = str(self.folder / f"state-{name}")
            config["security"] = {"files": [str(file) for file in files], "state": state, **security}
        self.nodes[name] = support.Node(config, self.folder / f"{name}-{next(self._numbers)}", HEAP)
        return self.nodes[name]

    def server(self, name, **more):
        """Start a member of the group, whose values begin with its name; `open` needs no protection.

        more: further resources, each an object of the configuration without its value.
        """
        more = {"temp": {}, "set": {}, "watched": {"observable": True}, "open": {"protected": False}, **more}
        resources = {path: {"value": f"{name} {path}", **entry} for path, entry in more.items()}
        resources["long"] = {"value": name + " 0123456789" * 60}
        config = {"role": "server", "groups": [self.group], "leisure_s": 0.1, "block_size": 256, "notify_interval_s": 0}
        return self.start(name, {**config, "resources": resources}, self.file(name))

    def servers(self, **more):
        """Start all servers, some at a time."""
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda name: self.server(name, **more), SERVERS))

    def proxy(self, name, clients, *files, security=None, **proxy):
        """Start a proxy whose allow-list has these clients: names of contexts, or addresses."""
        allow = [{"client": client, "groups": [self.group]} for client in clients]
        config = {"role": "proxy", "recent_messages": 512, "token_slots": 48, "proxy": {"allow": allow, **proxy}}
        return self.start(name, config, *files, **(security or {}))

    def lose_power(self, *names):
        """End these nodes as a loss of power would."""
        for name in names:
            self.nodes.pop(name).kill()

    def file(self, member):
        """The group's keys for a member."""
        return self.keys / f"{member}--building.json"

    # Requests

    def key(self, client):
        """Arguments for protection end to end."""
        return "--key", self.file(client)

    def by(self, proxy, client=None, to=None):
        """Arguments for a proxy, with the keys that the client shares with it, if named; to: what relays to it."""
        protection = ("--proxy-key", self.share(client, proxy)[0]) if client else ()
        return ("--proxy", self.uri(to or proxy, None), *protection)

    def ask(self, *arguments):
        """The answers to a command of the tool."""
        return peers.answers(tool(*arguments, "--json"))

    def ask_group(self, *arguments, path="temp", count=6, when=None):
        """The answers to a group request: `count`, and those that come right after; None: all in its time. when: what
        must hold before it is ended."""
        command = "get", self.uri("group", path), *arguments
        if count is None:
            return self.ask(*command, *TIMEOUT)
        with Command(*command, "--timeout", "4") as running:
            found = running.next(count)
            if when is not None:
                until(when)
            time.sleep(0.3)
            return found + running.interrupt()

    def status(self, proxy, *way):
        """What a proxy tells of itself; way: arguments of the request, or the name of a client that shares keys."""
        out = self.folder / f"status-{next(self._numbers)}"
        if len(way) == 1:
            way = "--key", self.share(way[0], proxy)[0]
        found = self.ask("get", self.uri(proxy, ".proxy/status"), *way, "--output", out)
        assert [answer["code"] for answer in found] == ["2.05"]
        return cbor2.loads(out.read_bytes())

    def expected(self, path="temp", names=SERVERS):
        """{name: (code, origin, payload)} of the right answers."""
        return {name: ("2.05", self.uri(name, None), f"{name} {path}") for name in names}


def told(answers):
    """{who has answered, verified: (code, origin, payload)}; each once."""
    found = {answer["by"]: (answer["code"], answer["origin"], answer["payload"]) for answer in answers}
    assert len(found) == len(answers), answers
    return found


def plain(answers):
    """[(code, origin, payload)] of answers that nobody vouches for."""
    assert {answer.get("by") for answer in answers} <= {None}, answers
    return sorted((answer["code"], answer["origin"], answer["payload"]) for answer in answers)


def vm(node):
    """Process id of the VM that a node's tool runs."""
    found = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    assert len(found) == 1, found
    return int(found[0])


@contextlib.contextmanager
def member(site):
    """A socket that hears what is sent to the group from now on."""
    peer = peers.group_member(site.group)
    try:
        yield peer
    finally:
        peer.socket.close()


def until(condition, seconds=peers.ANSWER_S):
    """Wait until this holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.05)
