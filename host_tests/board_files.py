"""Reads what is in boards/: data, manifests, partitions, and the commands that a README shows."""

import contextlib
import os
import re
from pathlib import Path

from vm import runner

FOLDER = runner.REPO / "boards"
BOARDS = sorted(path.parent.name for path in FOLDER.glob("*/board.py"))
BUILT = sorted(path.parent.name for path in FOLDER.glob("*/mpconfigboard.cmake"))  # without UNIX, which is not built
PARTITION_TABLE = 0x8000  # where ESP-IDF has it; it ends a page of 4 KiB later
FLASH = {"RPI_PICO_W": 2 << 20, "RPI_PICO2_W": 4 << 20}
ESP32_FLASH = 4 << 20  # at least


def data(name):
    """The names of a board's board.py."""
    found = {}
    exec((FOLDER / name / "board.py").read_text(), {"__builtins__": {}}, found)
    del found["__doc__"]
    return found


class Manifest:
    """What a manifest.py collects, as tools/manifestfile.py of MicroPython would for freezing.

    files: {path on the board: its source}. foreign: what belongs to MicroPython, as the manifest names it.
    """

    OURS = ("BOARD_DIR",)
    FOREIGN = ("MPY_DIR", "MPY_LIB_DIR", "PORT_DIR")

    def __init__(self, board):
        self.files, self.foreign, self._seen = {}, [], set()
        self._board = FOLDER / board
        self._globals = {
            name: getattr(self, name) for name in ("include", "freeze", "module", "package", "require", "metadata")
        }
        self.include(str(self._board / "manifest.py"))

    def _path(self, text):
        """The path of this text; None, and it is noted, for what is MicroPython's."""
        if any(f"$({name})" in text for name in self.FOREIGN):
            self.foreign.append(text)
            return None
        text = text.replace("$(BOARD_DIR)", str(self._board))
        assert "$(" not in text, f"{text}: no such variable"
        return Path(os.path.abspath(text))

    def _add(self, base, files):
        for file in files:
            path = base / file
            assert path.is_file(), f"{path}: no such file"
            assert file not in self.files, f"{file}: frozen twice"
            self.files[file] = path

    def include(self, path, **options):
        path = self._path(path)
        if path is None or path in self._seen:
            return
        path = path / "manifest.py" if path.is_dir() else path
        self._seen.add(path)
        with contextlib.chdir(path.parent) if hasattr(contextlib, "chdir") else _changed(path.parent):
            exec(path.read_text(), dict(self._globals, options=options))

    def freeze(self, path, script=None, opt=None):
        base = self._path(path)
        if base is not None:
            files = [script] if isinstance(script, str) else script
            self._add(base, files or [str(file.relative_to(base)) for file in sorted(base.rglob("*.py"))])

    def module(self, path, base_path=".", opt=None):
        base = self._path(base_path)
        if base is not None:
            self._add(base, [path])

    def package(self, path, files=None, base_path=".", opt=None):
        base = self._path(base_path)
        if base is not None:
            found = files or [str(file.relative_to(base / path)) for file in sorted((base / path).rglob("*.py"))]
            self._add(base, [f"{path}/{file}" for file in found])

    def require(self, name, **options):
        self.foreign.append(name)

    def metadata(self, **facts):
        pass


@contextlib.contextmanager
def _changed(folder):
    # contextlib.chdir came with Python 3.11
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def partitions(path):
    """[(name, type, subtype, offset, size)] of a partition table of ESP-IDF."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    fields = [[field.strip() for field in line.split(",")] for line in lines]
    return [(*line[:3], int(line[3], 0), int(line[4], 0)) for line in fields]


def cmake_numbers(name):
    """{variable: value} of each number that a board's mpconfigboard.cmake sets."""
    text = (FOLDER / name / "mpconfigboard.cmake").read_text()
    return {variable: int(value) for variable, value in re.findall(r"^set\((\w+) (\d+)\)", text, re.M)}


def romfs_bytes(name):
    """Bytes of a board's ROMFS partition."""
    if data(name)["PORT"] == "rp2":
        return cmake_numbers(name)["MICROPY_HW_ROMFS_BYTES"]
    [size] = [row[4] for row in partitions(FOLDER / "partitions-4MiB.csv") if row[0] == "romfs"]
    return size


def readme(name):
    return (FOLDER / name / "README.md").read_text()


def commands(name):
    """The lines of a board's README that are commands."""
    return [line for block in re.findall(r"```sh\n(.*?)```", readme(name), re.S) for line in block.splitlines()]
