"""The unix port's `os`, with a `rename` that also works where the root is a folder.

That of VfsPosix has one buffer for both paths in MicroPython 1.28.
"""

from os import *  # noqa: F403

flash = whole = None  # by _desk: the folder that is the flash, and all of this computer's files


def rename(old, new):
    whole.rename(_path(old), _path(new))


def _path(path):
    return flash + (path if path[:1] == "/" else "/".join([getcwd().rstrip("/"), path]))  # noqa: F405
