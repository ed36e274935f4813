"""The store on this computer's own files, from CPython and from MicroPython in turn."""

import os
import stat
import subprocess
import sys

import support

FOLDERS = [str(support.REPO / folder) for folder in ("lib", "firmware", "tools/cpython")]
PROGRAM = """
import sys
sys.path[:0] = %r
from groupcoap.oscore.sequence import Sequence
from store import Store
sequence = Sequence(Store(sys.argv[1]), "sender", 4)
print([sequence.take() for _ in range(6)])
"""


def run(interpreter, folder, tmp_path):
    folders = FOLDERS if interpreter == sys.executable else FOLDERS[:2]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM % folders)
    done = subprocess.run([interpreter, program, folder], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return eval(done.stdout)


def test_numbers_go_on_from_one_interpreter_to_the_other(tmp_path):
    given = []
    for interpreter in (sys.executable, support.micropython(), sys.executable, support.micropython()):
        given += run(interpreter, "records", tmp_path)
    assert given == [8 * start + i for start in range(4) for i in range(6)]
    assert os.listdir(tmp_path / "records") == ["sender"]


def test_files_are_for_their_owner_alone(tmp_path):
    run(sys.executable, tmp_path / "records", tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / "records").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "records" / "sender").st_mode) == 0o600


def test_folder_without_a_parent_is_an_error(tmp_path):
    folder = str(tmp_path / "no" / "records")
    program = "import sys; sys.path[:0] = %r; from store import Store; Store(%r)" % (FOLDERS, folder)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "FileNotFoundError" in done.stderr
