"""How a VM of tools/board starts: what a board's C code does before the REPL.

    micropython -c "import _desk; _desk.boot(globals())" RAW CAUSE ID FLASH DESK PINS ROM [PATH ...]

RAW: "1" after a soft reset in the raw REPL, where main.py stays untouched. CAUSE: what machine.reset_cause() says. ID:
eight bytes as hexadecimal digits. Then folders of the computer, that of the flash, of the watchdog, of the pins; the
file of the ROM partition, or ""; folders that come first in sys.path.
"""

import binascii
import os
import sys

import _os
import machine
import vfs

BOOTED = "\x1b_booted\x1b\\"  # after boot.py where RAW is 1: tools/board takes the REPL on from there


def boot(names):
    raw, cause, uid, flash, desk, pins, rom = sys.argv[1:8]
    path = sys.argv[8:]
    sys.argv[:] = []
    machine.told.update({"cause": int(cause), "id": binascii.unhexlify(uid)})
    # Not mounted: they would show in the flash.
    machine.told.update({"desk": vfs.VfsPosix(desk), "pins": vfs.VfsPosix(pins)})
    partition = None
    if rom:
        import _rom

        partition = _rom.Partition(rom)
    vfs.umount("/")
    _os.flash, _os.whole = flash, vfs.VfsPosix()
    sys.modules["os"] = _os
    vfs.mount(vfs.VfsPosix(flash), "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    if partition is not None and _rom.install(partition):
        sys.path += ["/rom", "/rom/lib"]
    for i, folder in enumerate(path):
        vfs.mount(vfs.VfsPosix(folder), "/.path%d" % i)
        sys.path.insert(i, "/.path%d" % i)
    names.pop("_desk", None)
    if run("boot.py", names) and raw == "0":
        run("main.py", names)
    if raw == "1":
        print(BOOTED, end="")
    os.putenv("MICROPYINSPECT", "1")  # the REPL follows


def run(name, names):
    """Run a file in the REPL's names: is all well? SystemExit goes on: it is a soft reset."""
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, names)  # noqa: F821
        return True
    except SystemExit:
        raise
    except BaseException as e:
        sys.print_exception(e)
        return False
