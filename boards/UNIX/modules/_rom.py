"""A stand-in for a board's ROM partition, in a file of the computer and on the heap, and for `vfs.rom_ioctl`.

It looks as those of ESP32 and RP2 do: a block device that is also a buffer, which the VM runs code from.
"""

import sys

import _vfs
import vfs

BLOCK = 4096
EINVAL = 22


class Partition(bytearray):
    def __init__(self, path):
        with open(path, "rb") as f:
            size = f.seek(0, 2)
            f.seek(0)
            super().__init__(size)
            f.readinto(memoryview(self))
        self._file = open(path, "r+b")

    def ioctl(self, op, arg):
        if op == 4:
            return len(self) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            self.writeblocks(arg, b"\xff" * BLOCK)
            return 0

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = memoryview(self)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        memoryview(self)[at : at + len(buffer)] = buffer
        self._file.seek(at)
        self._file.write(buffer)


def install(partition):
    """Give `vfs` a rom_ioctl; mount the image at /rom if it holds one: does it?"""

    def rom_ioctl(op, *more):
        if op == 1:
            return 1
        if op == 2 and more == (0,):
            return partition
        return -EINVAL

    _vfs.rom_ioctl = rom_ioctl
    sys.modules["vfs"] = _vfs
    try:
        vfs.mount(vfs.VfsRom(partition), "/rom")
        return True
    except OSError:
        return False
