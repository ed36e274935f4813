"""The Python of .venv, for tools that need one of requirements.txt's packages."""

import os
import sys
from pathlib import Path


def go_on(tool):
    """Run this program again with the Python of .venv, which `make .venv` has made; where that is no help, say so."""
    own = Path(__file__).resolve().parent.parent / ".venv/bin/python"
    if own.exists() and Path(sys.prefix).resolve() != own.parent.parent.resolve():
        os.execv(own, [own, *sys.argv])
    print(f"{tool}: needs rich and pyserial: make .venv", file=sys.stderr)
    sys.exit(2)
