"""What a board's firmware freezes, for boards/manifest.py: the modules of both roles, as build/frozen/.

MicroPython compiles them. Constants of other modules are put in their places before that, as for .mpy files.
"""

import os

import compiled
import romfs
from compiled import HERE, SOURCES

OUT = HERE / "build" / "frozen"
# What only computers have, and what only starts a board.
COMPUTERS = {romfs.COMPUTER, "groupcoap.net._unix", "groupcoap.net._inet"}
START = ("boot", "main")


def modules():
    """{name: path of its source} of all that a board may import, in either role."""
    found = {}
    for role in romfs.ROLES:
        found |= romfs.modules(role)
    found |= {name: path for name in START if (path := romfs.source_of(name))}
    return {name: path for name, path in found.items() if name not in COMPUTERS}


def written():
    """Write what has changed of them, and return (folder, their files in it), as freeze() takes them."""
    values = compiled.constants(compiled.NUMBERS.read_text())
    files = []
    for path in sorted(modules().values()):
        root = next(root for root in SOURCES if root in path.parents)
        file = path.relative_to(root)
        text = compiled.folded(path.read_text(), values)
        target = OUT / file
        if not target.exists() or target.read_text() != text:  # MicroPython compiles again what is newer
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(f".{os.getpid()}")  # two boards may be built at once
            part.write_text(text)
            os.replace(part, target)
        files.append(str(file))
    return str(OUT), tuple(files)
