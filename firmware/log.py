"""The log of a node: levels "error", "info" and "debug", printed as lines, of which the last are kept."""

import gc
import io
import sys

from micropython import const

LEVELS = ("error", "info", "debug")

_LINES = const(8)
_LONGEST = const(100)  # characters of a kept line


class Log:
    """show(line) prints; clock() gives the time in ms, masked to 30 bits as the ages in it are not."""

    def __init__(self, show, clock, level="info"):
        self.show = show
        self._clock = clock
        self._last = clock()
        self._ms = 0  # since the node has begun, counted in steps as the clock wraps
        self.level = LEVELS.index(level)
        self.lines = []
        self.unsaid = 0  # exceptions for which there was no heap
        self.changed = None  # changed(level) is called when the level is another one

    def uptime(self):
        """ms since the log was made; to be asked more often than the clock's half goes by, six days."""
        now = self._clock()
        self._ms += now - self._last & 0x3FFFFFFF
        self._last = now
        return self._ms

    def set_level(self, name):
        """Log from this level on. Raises ValueError."""
        if name not in LEVELS:
            raise ValueError("log: expected one of %s, not %s" % (", ".join(LEVELS), name))
        self.level = LEVELS.index(name)
        if self.changed is not None:
            self.changed(name)

    def error(self, text):
        self._say(0, text)

    def info(self, text):
        self._say(1, text)

    def debug(self, text):
        self._say(2, text)

    def exception(self, error):
        """An exception that should not have been, with its traceback."""
        try:
            said = io.StringIO()
            sys.print_exception(error, said)
            self._say(0, "%s: %s" % (type(error).__name__, error))
            self.show(said.getvalue().rstrip())
        except Exception:  # no heap to say it with
            self.unsaid += 1
            gc.collect()

    def _say(self, level, text):
        if level > self.level:
            return
        ms = self.uptime()
        line = "%d.%03d %s %s" % (ms // 1000, ms % 1000, LEVELS[level], text)
        if len(self.lines) == _LINES:
            self.lines.pop(0)
        self.lines.append(line[:_LONGEST])
        self.show(line)
