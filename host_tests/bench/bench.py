"""make bench: the figures that later work is measured by, each beside its yardstick in the same run.

(a) answers/s of a server, (b) group responses/s relayed by a proxy, both beside a bare loop in the same VM, in
alternated rounds, for a client that waits and for one that spins; (c) time and heap to parse and to build a request;
(d) heap and flash that each role takes; (e) heap that a served request takes; (f) signatures and key agreement on the
curves, beside plain multiplications of a point; (g) messages protected by OSCORE and in a group, beside aiocoap's, and
servers that serve them. A figure beside the bare loop's is the
median, over the rounds, of their ratio in one round, so that whatever else this computer does falls on both.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import footprint
import protected
import served
import throughput
from running import (
    CLIENTS,
    COAP_SERVER,
    CPUS,
    HERE,
    LOAD_CPU,
    MICROPYTHON,
    NODE_CPU,
    ROOT,
    Unmeasured,
    bare,
    heap_bytes,
)

PARTS = ("server", "relay", "parse", "footprint", "served", "curve", "protected")
VERIFY = 0.45  # of the time of two plain multiplications of a point, at most
STEP = 100  # field multiplications in a step, at most
EXAMPLES = """examples:
  bench.py                             everything, about five minutes
  bench.py --only server --rounds 9    only (a), more rounds
  bench.py --only parse,footprint      no load
  bench.py --check --json build/bench.json

$MICROPYTHON names another MicroPython program, $CC another C compiler.
status: 0, or 1 if something could not be measured (with --check: or missed its target), or 2 for wrong arguments"""


def progress(text):
    print(text, file=sys.stderr, flush=True)


# ---- (c): parse and build -------------------------------------------------------------------------------------------


def parse_part(options):
    """Measure and print (c): (figures, failures)."""
    script = HERE / "parse_build.py"
    commands = {
        "unix, 64 bit": bare(script.name, options.heap),
        "wasm, 32 bit": ["node", HERE / "vm32.mjs", script, heap_bytes(options.heap)],
    }
    figures, failures, lines = {}, [], []
    for vm, command in commands.items():
        progress(f"parse: {vm}")
        try:
            if command[0] == "node" and not (shutil.which("node") and (ROOT / "node_modules").exists()):
                lines.append([vm, "not installed: apt-get install nodejs npm; npm ci"])
                continue
            figures[vm] = json.loads(footprint.output(command))
        except Unmeasured as reason:
            lines.append([vm, str(reason)])
            failures.append(f"parse: {vm}: {reason}")
            continue
        for message in figures[vm]["messages"]:
            for what in ("parse", "build"):
                ours, plain = message[what], message[what + "_plainly"]
                us, base = statistics.median(ours["us"]), statistics.median(plain["us"])
                line = [f"{vm}: {what} {message['size']} bytes", f"{us:.2f}"]
                line += [f"{min(ours['us']):.2f}–{max(ours['us']):.2f}"]
                line += [f"{ours['bytes']:.0f}", f"{base:.2f}", f"{plain['bytes']:.0f}", f"{us / base:.2f}"]
                lines.append(line + ["viper" if figures[vm]["viper"] else "bytecode"])
    head = ["", "µs", "min–max", "heap B", "plainly, µs", "heap B", "of plainly", "inner loops"]
    vms = "; ".join(f"{vm}: {found['vm']}" for vm, found in figures.items())
    table("(c) One request parsed and built; plainly: a list of tuples, bytes put together", head, lines)
    print(f"  {vms}", flush=True)
    return figures, failures


# ---- (f): curves -----------------------------------------------------------------------------------------------------


def curve_part(options):
    """Measure and print (f): (figures, failures)."""
    progress("curve: unix, 64 bit")
    figures = json.loads(footprint.output(bare("curve.py", options.heap)))
    plain, lines = figures["us"]["two plain multiplications"], []
    for name, times in sorted(figures["us"].items(), key=lambda item: statistics.median(item[1])):
        ratio = statistics.median(us / base for us, base in zip(times, plain))
        line = [name, f"{statistics.median(times):,}", f"{min(times):,}–{max(times):,}", f"{ratio:.2f}"]
        line.append(f"{figures['heap'][name]:,}" if name in figures["heap"] else "–")
        steps = figures["steps"].get(name)
        keys = "multiplications", "steps", "most_multiplications", "longest_us"
        lines.append(line + [f"{steps[key]:,}" if steps else "" for key in keys])
    head = ["", "µs", "min–max", "of two plain", "heap B", "field mult.", "steps", "most in a step", "longest, µs"]
    loops = "viper" if figures["viper"] else "bytecode"
    table(f"(f) Ed25519 and X25519; plain: double and add with the same field arithmetic ({loops})", head, lines)
    kept = ", ".join(f"{name} {size:,}" for name, size in figures["kept"].items())
    print(f"  kept on the heap, bytes: {kept}", flush=True)
    figures["ratio"] = statistics.median(us / base for us, base in zip(figures["us"]["verify"], plain))
    return figures, []


def curve_missed(figures):
    """What misses its target."""
    if figures and figures["ratio"] > VERIFY:
        yield f"curve: verify takes {figures['ratio']:.2f} of two plain multiplications, wanted at most {VERIFY}"
    for name, steps in figures.get("steps", {}).items():
        if steps["most_multiplications"] > STEP:
            yield f"curve: {steps['most_multiplications']} multiplications in a step of {name}, wanted at most {STEP}"


# ---- all ------------------------------------------------------------------------------------------------------------


def table(title, head, lines):
    """Print lines of cells; a line that is shorter than the head ends in a remark."""
    full = [line for line in [head, *lines] if len(line) == len(head)]
    widths = [max(len(line[i]) for line in full) for i in range(len(head))]
    widths[0] = max(len(line[0]) for line in [head, *lines])
    print(f"\n{title}\n")
    for line in [head, ["-" * width for width in widths], *lines]:
        cells = [line[0].ljust(widths[0])]
        cells += line[1:] if len(line) < len(head) else [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def header(options):
    about = "import sys; print(sys.version.split('; ')[-1], 'as', '.'.join(map(str, sys.implementation.version)))"
    vm = footprint.output([MICROPYTHON, "-c", about])
    coap = COAP_SERVER and subprocess.run([COAP_SERVER, "-?"], capture_output=True, text=True).stderr
    version = re.search(r" v(\S+) -- ", coap or "")
    pins = f"load on CPU {LOAD_CPU}, node on CPU {NODE_CPU}" if len(CPUS) > 1 else "one for load and node: ratios only"
    return {
        "vm": vm.strip(),
        "heap": options.heap,
        "CPUs": f"{len(CPUS)}: {pins}",
        "load": f"host_tests/bench/load.c, gcc -O2, {' and '.join(CLIENTS)}",
        "peers": f"aiocoap {metadata.version('aiocoap')}, libcoap {version[1] if version else 'not installed'}",
        "rounds": f"{options.rounds} of {options.seconds:g} s for each program, in turn; medians",
    }


def check(figures):
    """What misses its target."""
    for part in "server", "relay":
        yield from throughput.missed(part, figures.get(part, {}))
    yield from served.missed(figures.get("served", {}))
    yield from curve_missed(figures.get("curve", {}))
    yield from protected.missed(figures.get("protected", {}))
    for vm, found in figures.get("parse", {}).items():
        for message in found["messages"]:
            for what in "parse", "build":
                heap = message[what]["bytes"]
                if heap:
                    yield f"{what} {message['size']} bytes on {vm}: {heap:.0f} bytes of heap, wanted 0"


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"bench: {message} (--help lists what there is)\n")


def arguments():
    parser = Parser(
        prog="bench.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PART,…", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each program (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.8, metavar="S", help="length of a run (default: 0.8)")
    parser.add_argument("--heap", default="2M", help="heap of nodes and bare loops (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="end with status 1 when a target is missed")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else PARTS
    for part in options.only:
        if part not in PARTS:
            parser.error(f"--only: no part {part!r}; there are {', '.join(PARTS)}")
    if not 1 <= options.rounds <= 100 or not 0.1 <= options.seconds <= 60:
        parser.error("--rounds is 1 to 100, --seconds 0.1 to 60")
    if not heap_bytes(options.heap):
        parser.error(f"--heap: {options.heap!r} is no size such as 256K")
    return options


def main():
    options = arguments()
    failures, figures = [], {}
    parts = {
        "server": lambda: throughput.part("server", options, table, progress),
        "relay": lambda: throughput.part("relay", options, table, progress),
        "parse": lambda: parse_part(options),
        "footprint": lambda: footprint.part(options, table, progress),
        "served": lambda: served.part(options, table, progress),
        "curve": lambda: curve_part(options),
        "protected": lambda: protected.part(options, table, progress),
    }
    try:
        figures["run"] = header(options)
        print("\n".join(f"{name:8}{text}" for name, text in figures["run"].items()), flush=True)
    except Unmeasured as reason:
        failures.append(str(reason))
        options.only = []
    for name in options.only:
        try:
            figures[name], failed = parts[name]()
            failures += failed
        except Unmeasured as reason:
            failures.append(f"{name}: {reason}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    if options.check:
        failures += check(figures)
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
