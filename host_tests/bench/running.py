"""What the bench runs: the load generator, and the programs under load, each on a CPU of its own."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"
LOAD = BUILD / "bench_load"
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).parent / "micropython")
COAP_SERVER = next(filter(None, map(shutil.which, ("coap-server", "coap-server-notls", "coap-server-openssl"))), None)
INSTALL_LIBCOAP = "not installed: apt-get install libcoap3-bin"

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
LOAD_CPU, NODE_CPU = CPUS[0], CPUS[-1]
# How the load generator takes its answers: it sleeps in poll() while there is none, as clients do, or it never sleeps,
# which keeps it ahead of all that it measures and needs a CPU that the node doesn't want.
CLIENTS = ("waiting", "spinning") if len(CPUS) > 1 else ("waiting",)


class Unmeasured(Exception):
    """A figure that could not be had; the text says why."""


def heap_bytes(text):
    """192K or 1M as bytes, 0 if it is neither."""
    number, unit = text[:-1], text[-1:].upper()
    return int(number) * {"K": 1024, "M": 1024 * 1024}[unit] if number.isdigit() and unit in ("K", "M") else 0


def compile_load():
    """Compile load.c into build/; raises Unmeasured with the compiler's first complaint."""
    source = HERE / "load.c"
    if not sys.platform.startswith("linux"):
        raise Unmeasured("the load generator needs Linux")
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if not compiler:
        raise Unmeasured("no C compiler for the load generator: apt-get install gcc libc6-dev")
    if LOAD.exists() and LOAD.stat().st_mtime >= source.stat().st_mtime:
        return
    BUILD.mkdir(exist_ok=True)
    done = subprocess.run([compiler, "-std=c99", "-O2", "-o", LOAD, source], capture_output=True, text=True)
    if done.returncode:
        raise Unmeasured(f"load.c does not compile: {(done.stderr.splitlines() or ['?'])[0]}")


def load(mode, client, width, seconds, arguments):
    """One run of the load generator as one of CLIENTS: its figures as a dict. Raises Unmeasured."""
    command = [LOAD, mode, "-w", width, "-d", seconds, *arguments]
    command += ["-b"] if client == "waiting" else []
    command += ["-c", LOAD_CPU] if len(CPUS) > 1 else []
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds + 20)
    except subprocess.TimeoutExpired:
        raise Unmeasured("the load generator did not end")
    if done.returncode:
        raise Unmeasured(done.stderr.strip().removeprefix("load: ") or f"load ended with {done.returncode}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def running(command, says_ready=True):
    """Run a program on the node's CPU while the block lasts.

    If it says so, it is waited for until it prints a line that begins with "ready", otherwise for 0.3 s.
    """
    place = (lambda: os.sched_setaffinity(0, {NODE_CPU})) if len(CPUS) > 1 else None
    with tempfile.TemporaryFile("w+") as log:  # not a pipe, which would hold up a program that logs much
        try:
            process = subprocess.Popen(
                [str(part) for part in command], stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=place
            )
        except OSError as error:
            raise Unmeasured(f"cannot run {Path(str(command[0])).name}: {error.strerror}")
        try:
            if says_ready:
                wait_until_ready(process, log)
            else:
                time.sleep(0.3)
                if process.poll() is not None:
                    log.seek(0)
                    raise Unmeasured(f"does not start: {complaint(log.read())}")
            yield process
        finally:
            stop(process)


def wait_until_ready(process, log, seconds=15):
    if not select.select([process.stdout], [], [], seconds)[0]:
        raise Unmeasured(f"was not ready within {seconds} s")
    first = process.stdout.readline()
    if not first.startswith("ready"):
        process.terminate()
        said = first + process.stdout.read()
        log.seek(0)
        raise Unmeasured(f"does not start: {complaint(said + log.read()) or 'said nothing'}")


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        # tools/node gives its VM a session of its own, so the VM does not go with it.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (*map(int, children), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


def complaint(text):
    """The line that says what went wrong: the last with an Error in it (node goes on after it), else the last."""
    lines = text.strip().splitlines() or [""]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1]).strip()


def bare(script, heap, *arguments):
    """The command of one of the bare loops, in the VM that the nodes run in."""
    return [MICROPYTHON, "-X", f"heapsize={heap}", HERE / script, *arguments]
