"""Small records that survive a loss of power: each a file of one folder, with a checksum in front.

A record is written to NAME.new, which takes the name NAME when all of it is on the medium. One copy is enough, without
a second to alternate with: littlefs, which boards have, renames in one step, so that NAME is the old or the new one,
whole, at any time. FAT takes the old one away first: there NAME.new is whole, and `read` finishes what was broken off.

On a computer the files are for their owner alone, where Python has `os.chmod` (MicroPython's unix port has not).
"""

import hashlib
import os

from micropython import const

MAX_LENGTH = const(1024)  # bytes of a record
_CHECK = const(8)  # bytes of the checksum
_NAME = const(32)  # characters of a name
_ENOENT = const(2)
_EEXIST = const(17)


class Store:
    """The records in a folder, which is made if it is not there; its parent must be. Raises OSError."""

    def __init__(self, folder):
        # Relative where that is the same: of two absolute paths the unix port's flash loses one when renaming.
        self._folder = folder[1:] if folder.startswith("/") and os.getcwd() == "/" else folder
        try:
            os.mkdir(self._folder)
            _owner_only(self._folder, 0o700)
        except OSError as e:
            if e.errno != _EEXIST:
                raise e

    def read(self, name):
        """The bytes of a record; None if it was never written. ValueError if it is damaged, OSError if unreadable."""
        path = self._path(name)
        data = _contents(path)
        if data is not None:
            if not _is_whole(name, data):
                raise ValueError("damaged record " + path)
        else:
            data = _contents(path + ".new")
            if data is None or not _is_whole(name, data):
                return None  # broken off at the first time
            os.rename(path + ".new", path)
            self._sync()
        return data[_CHECK:]

    def write(self, name, data):
        """Put a record (0 to 1024 bytes) in the place of what it was; on the medium when this returns.

        Where this is broken off or raises OSError, it is what it was or what it was to be. ValueError for a longer one.
        """
        path = self._path(name)
        if len(data) > MAX_LENGTH:
            raise ValueError("record of more than %d bytes" % MAX_LENGTH)
        data = _checksum(name, data) + data
        with open(path + ".new", "wb") as f:
            _owner_only(path + ".new", 0o600)
            if f.write(data) != len(data):
                raise OSError("no room for " + path)
            f.flush()  # MicroPython's syncs
            if hasattr(os, "fsync"):
                os.fsync(f.fileno())
        os.rename(path + ".new", path)
        self._sync()

    def remove(self, name):
        """Forget a record, if there is one. What is kept safe by never coming twice must get a new key first."""
        path = self._path(name)
        for each in (path + ".new", path):  # in this order: else the former would be read again
            try:
                os.remove(each)
            except OSError as e:
                if e.errno != _ENOENT:
                    raise e
        self._sync()

    def _path(self, name):
        if not 0 < len(name) <= _NAME:
            raise ValueError("name of a record")
        for c in name:
            if not ("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "_-"):
                raise ValueError("name of a record")
        return self._folder + "/" + name

    def _sync(self):
        """Have the folder itself on the medium."""
        if hasattr(os, "fsync"):
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        elif hasattr(os, "sync"):
            os.sync()


def _contents(path):
    """All of a file, or None if there is none; of one that is too long one byte more than a record has."""
    try:
        with open(path, "rb") as f:
            return f.read(_CHECK + MAX_LENGTH + 1)
    except OSError as e:
        if e.errno != _ENOENT:
            raise e  # it may be there
    return None


def _checksum(name, data):
    h = hashlib.sha256(name.encode())
    h.update(b"\0")
    h.update(data)
    return h.digest()[:_CHECK]


def _is_whole(name, data):
    return data[:_CHECK] == _checksum(name, data[_CHECK:])


def _owner_only(path, mode):
    if hasattr(os, "chmod"):
        os.chmod(path, mode)
