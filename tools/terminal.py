"""A serial port that is none: two pseudo-terminals, one for whom it is to, one for the program behind it.

What is between them takes from the program whatever it writes, at once, and keeps at most `_KEPT` bytes for a reader
who is slow, or not there: a program behind a serial port never waits for who looks at it.
"""

import contextlib
import os
import select
import threading
import tty

_KEPT = 1 << 16  # bytes


class Terminal:
    """PATH becomes a symbolic link to the outer terminal; `inner` is the path of the program's. Raises OSError."""

    def __init__(self, path):
        self.path = path
        self._outer, self._outer_end = os.openpty()
        self._inner, self._inner_end = os.openpty()
        tty.setraw(self._outer_end)
        tty.setraw(self._inner_end)
        self.inner = os.ttyname(self._inner_end)
        for fd in (self._outer, self._inner):
            os.set_blocking(fd, False)
        self._woken, self._wake = os.pipe()
        try:
            with contextlib.suppress(FileNotFoundError):
                if os.path.islink(path):
                    os.unlink(path)
            os.symlink(os.ttyname(self._outer_end), path)
        except OSError:
            self._close()
            raise
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self):
        """Take the link away, and end."""
        with contextlib.suppress(OSError):
            if os.readlink(self.path) == os.ttyname(self._outer_end):
                os.unlink(self.path)
        os.write(self._wake, b"x")
        self._thread.join()
        self._close()

    def _close(self):
        for fd in (self._outer, self._outer_end, self._inner, self._inner_end, self._woken, self._wake):
            os.close(fd)

    def _carry(self):
        kept = {self._outer: bytearray(), self._inner: bytearray()}  # by whom it is for
        other = {self._outer: self._inner, self._inner: self._outer}
        while True:
            wanting = [fd for fd in kept if kept[fd]]
            readable, writable, _ = select.select([self._outer, self._inner, self._woken], wanting, [])
            if self._woken in readable:
                return
            for fd in writable:
                with contextlib.suppress(BlockingIOError):
                    del kept[fd][: os.write(fd, kept[fd])]
            for fd in readable:
                with contextlib.suppress(BlockingIOError):
                    to = kept[other[fd]]
                    to += os.read(fd, 4096)
                    del to[:-_KEPT]
