"""Peers of a node under test: CoAP by hand over real sockets, configurations, and the command-line client.

The codec here is its own, ten lines each way, so that a test doesn't check the library against itself.
"""

import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from typing import NamedTuple

import support

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = "0.01", "0.02", "0.03", "0.04"
PORT = 5683

URI_HOST, URI_PORT, URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, PROXY_URI, PROXY_SCHEME = 3, 7, 11, 12, 14, 15, 35, 39
PROXY_CRI, PROXY_SCHEME_NUMBER = 235, 239
MULTICAST_TIMEOUT, REPLY_FROM = 2, 248
MULTICAST_SIGNALING, RESPONSE_FORWARDING = 65000, 65004

ANSWER_S = 10  # for what must come; never the time that it takes


class Message(NamedTuple):
    type: int
    code: str
    mid: int
    token: bytes
    options: tuple = ()
    payload: bytes = b""
    source: tuple = ()

    def option(self, number):
        """The value of the one option of this number, or None."""
        values = [value for found, value in self.options if found == number]
        assert len(values) < 2, f"option {number} is there {len(values)} times"
        return values[0] if values else None


def uint(value):
    """An unsigned integer as the value of an option (RFC 7252 §3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode(type, code, mid, token=b"", options=(), payload=b""):
    klass, detail = code.split(".")
    data = struct.pack(">BBH", 0x40 | type << 4 | len(token), int(klass) << 5 | int(detail), mid) + token
    last = 0
    for number, value in sorted(options, key=lambda option: option[0]):
        nibbles, more = 0, b""
        for amount in (number - last, len(value)):
            if amount < 13:
                nibble, extension = amount, b""
            elif amount < 269:
                nibble, extension = 13, bytes([amount - 13])
            else:
                nibble, extension = 14, struct.pack(">H", amount - 269)
            nibbles, more = nibbles << 4 | nibble, more + extension
        data += bytes([nibbles]) + more + value
        last = number
    return data + (b"\xff" + payload if payload else b"")


def decode(data, source=()):
    first, code, mid = struct.unpack_from(">BBH", data)
    assert first >> 6 == 1
    at = 4 + (first & 15)
    token, options, number = data[4:at], [], 0
    while at < len(data) and data[at] != 0xFF:
        amounts = [data[at] >> 4, data[at] & 15]
        at += 1
        for i in (0, 1):
            if amounts[i] == 13:
                amounts[i], at = data[at] + 13, at + 1
            elif amounts[i] == 14:
                amounts[i], at = struct.unpack_from(">H", data, at)[0] + 269, at + 2
        number += amounts[0]
        options.append((number, data[at : at + amounts[1]]))
        at += amounts[1]
    assert at <= len(data)
    return Message(first >> 4 & 3, f"{code >> 5}.{code & 31:02}", mid, token, tuple(options), data[at + 1 :], source)


def path(text):
    """Uri-Path options of a path, "a/b"."""
    return [(URI_PATH, segment.encode()) for segment in text.split("/")]


class Peer:
    """A UDP socket at an address, that speaks CoAP or anything else."""

    def __init__(self, address, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        self.socket.bind((address, port))
        self.address, self.port = self.socket.getsockname()
        self._mid = random.randrange(65536)

    def join(self, group):
        self.socket.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        )
        return self

    def send(self, to, type=CON, code=GET, options=(), payload=b"", token=None, mid=None):
        """Send a message to (address, port) or a node: its Message."""
        if mid is None:
            self._mid = mid = self._mid + 1 & 0xFFFF
        token = random.randbytes(4) if token is None else token
        self.send_bytes(to, encode(type, code, mid, token, options, payload))
        return Message(type, code, mid, token, tuple(options), payload)

    def send_bytes(self, to, data):
        self.socket.sendto(data, to if isinstance(to, tuple) else (to.address, to.port))

    def receive(self, timeout=ANSWER_S):
        """The next message, or None when none comes in time."""
        self.socket.settimeout(max(timeout, 1e-6))
        try:
            data, source = self.socket.recvfrom(65536)
        except TimeoutError:
            return None
        return decode(data, source)

    def expect(self, timeout=ANSWER_S):
        """The next message, which must come."""
        message = self.receive(timeout)
        assert message is not None, f"nothing came in {timeout} s"
        return message

    def collect(self, count=1 << 30, seconds=ANSWER_S, wanted=lambda message: True):
        """The messages that come until `count` of them are `wanted`, or the time is over: those wanted."""
        end, found = time.monotonic() + seconds, []
        while len(found) < count and (message := self.receive(end - time.monotonic())):
            if wanted(message):
                found.append(message)
        return found

    def drain(self):
        """Throw away what has come, CoAP or not."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65536)

    def ping(self, to):
        """Send a CoAP ping and await its Reset (RFC 7252 §4.3): what came in front of it."""
        mid = self.send(to, CON, "0.00", token=b"").mid
        before = []
        while True:
            message = self.expect()
            if message.type == RST and message.mid == mid:
                return before
            before.append(message)

    def ask(self, to, **how):
        """Send a request and await its response, piggybacked on the ACK or as a NON."""
        request = self.send(to, **how)
        while True:
            message = self.expect()
            if message.token == request.token and message.code != "0.00":
                return message


def group_member(group, port=PORT):
    """A socket that hears what is sent to a group, and nothing else."""
    return Peer(group, port).join(group)


def answer(server, request, payload=b"21.5", type=NON, options=(), mid=None):
    """Let the peer `server` answer a request that a group_member has heard."""
    return server.send(request.source, type, "2.05", options, payload, request.token, mid)


class Net:
    """A group, a client, and `member`, which hears what is sent to the group; nodes of the fixtures lan and node."""

    def __init__(self, lan, node):
        self._lan, self._node = lan, node
        self.group = lan.group()
        self.client = Peer(lan.address())
        self.member = group_member(self.group)
        self.proxy = None

    def start_servers(self, count, leisure_s=0.05, **more):
        return [self._node(server_config(self.group, f"{i}.5", leisure_s, **more)) for i in range(count)]


def server_config(group=None, value="21.5", leisure_s=0.05, **more):
    groups = [] if group is None else [group]
    resources = {"temp": {"value": value}}
    return {"role": "server", "groups": groups, "leisure_s": leisure_s, "resources": resources, **more}


def proxy_config(client, groups, unicast=True, token_slots=16, **proxy):
    allow = [{"client": client, "groups": groups, "unicast": unicast}]
    return {"role": "proxy", "token_slots": token_slots, "proxy": {"allow": allow, **proxy}}


def groupcoap(*arguments, stdin=None):
    """Run the command-line client: its CompletedProcess."""
    command = [sys.executable, support.REPO / "tools/groupcoap", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


def answers(process):
    """What `groupcoap --json` has printed: a list of objects."""
    return [json.loads(line) for line in process.stdout.splitlines()]


class HeapNode:
    """A node as firmware/run.py runs it that also tells its heap in use: vm/heap_node.py on the unix port."""

    def __init__(self, config, folder, control, heap="256K"):
        sys.path.insert(0, str(support.REPO / "tools"))
        import compiled

        library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"))
        folder.mkdir()
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        (folder / "config.json").write_text(json.dumps(config))
        command = [support.micropython(), "-X", f"heapsize={heap}", support.REPO / "host_tests/vm/heap_node.py"]
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                [*command, folder / "config.json", control],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "MICROPYPATH": f"{library}:.frozen"},
            )
        self._control = Peer(control)
        self._control_to = control, PORT
        self.address, self.port = config["address"], config.get("port", PORT)
        end = time.monotonic() + support.READY_S
        while not self._stdout.read_text().startswith("ready "):
            waiting = self.process.poll() is None and time.monotonic() < end
            assert waiting, f"the node did not become ready:\n{self._stdout.read_text()}{self.stderr()}"
            time.sleep(0.005)

    def stdout(self):
        return self._stdout.read_text(errors="replace")

    def stderr(self):
        return self._stderr.read_text(errors="replace")

    def heap(self):
        """Bytes of heap in use once the garbage is collected."""
        self._control.send_bytes(self._control_to, b"?")
        self._control.socket.settimeout(ANSWER_S)
        return int(self._control.socket.recv(32))

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def heap_node(config, lan, folder, heap="256K"):
    """A HeapNode with what the fixture `node` fills in, until the end of the block."""
    config = {"multicast_interface": "127.0.0.1", "address": lan.address(), **config}
    node = HeapNode(config, folder, lan.address(), heap)
    try:
        yield node
    finally:
        node.stop()
        print(f"--- {config['role']} {node.address}\n{node.stderr()[:2000]}", end="")
