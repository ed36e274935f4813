"""What a board's `machine` has and the unix port's has not; the port's own names are in it, too.

Two folders of the computer are behind it, which _desk opens. One has `watchdog`, a file that holds the timeout in ms
and whose time is that of the last feed: tools/board looks at it. One has a file a pin, with its level: a test presses a
button by writing one.
"""

import os
import sys
import time

from micropython import const
from umachine import *  # noqa: F403

PWRON_RESET = const(1)
HARD_RESET = const(2)
WDT_RESET = const(3)
SOFT_RESET = const(5)

told = {}  # by _desk: cause, id, desk and pins


def reset():
    """End this VM at once, whatever would catch an exception; tools/board starts the next."""
    os.system("kill -TERM $PPID")
    while True:
        time.sleep(1)


def soft_reset():
    sys.exit()


def reset_cause():
    return told["cause"]


def unique_id():
    return told["id"]


class WDT:
    """A watchdog as RP2040's: it cannot be stopped, and goes on when the VM is reset softly."""

    def __init__(self, id=0, timeout=5000):
        if id != 0 or not 0 < timeout <= 8388:
            raise ValueError("timeout exceeds 8388" if timeout > 8388 else "id or timeout")
        self._file = told["desk"].open("/watchdog", "w")
        self._text = str(timeout)
        self.feed()

    def feed(self):
        self._file.seek(0)
        self._file.write(self._text)


class _Mem32:
    # The one register that there is: the watchdog's, by boards/UNIX/board.py, whose bit 30 says that it runs.
    def __getitem__(self, address):
        if address != 0x57445400:
            raise OSError(14)
        try:
            return 1 << 30 if told["desk"].stat("/watchdog") else 0
        except OSError:
            return 0


mem32 = _Mem32()


class Pin:
    """A pin whose level is in a file; without one it is 1 with a pull-up, else 0."""

    IN = const(0)
    OUT = const(1)
    OPEN_DRAIN = const(2)
    PULL_UP = const(1)
    PULL_DOWN = const(2)

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self._path = "/%s" % id
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None):
        self._idle = 1 if pull == self.PULL_UP else 0
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is not None:
            with told["pins"].open(self._path, "w") as f:
                f.write("1" if level else "0")
            return None
        try:
            with told["pins"].open(self._path, "r") as f:
                return int(f.read(1) or self._idle)
        except OSError:
            return self._idle

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.value())


class Timer:
    """A timer whose callback runs in a thread, as it runs in an interrupt on a board."""

    ONE_SHOT = const(0)
    PERIODIC = const(1)

    def __init__(self, id=-1, **how):
        self._going = [False]
        if how:
            self.init(**how)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None):
        import _thread

        self.deinit()
        self._going = [True]
        ms = int(1000 / freq) if freq > 0 else period
        _thread.start_new_thread(self._run, (self._going, mode, ms, callback))

    def _run(self, going, mode, ms, callback):
        while True:
            time.sleep_ms(ms)
            if not going[0]:
                return
            try:
                callback(self)
            except Exception as e:
                sys.print_exception(e)
            if mode == self.ONE_SHOT:
                return

    def deinit(self):
        self._going[0] = False
