"""The link to one node for the monitor: its serial port, asked again and again by a thread of its own.

The node's console answers a line RS COMMAND LF with one line RS JSON LF; whatever else comes is text, such as log lines
and the prompt. All of it is a stranger's: it is bounded in length and depth, and nothing but printable characters is
kept. A port that goes away is tried again each second, so that a node that is plugged in again resumes by itself.
"""

import collections
import contextlib
import json
import math
import os
import re
import select
import threading
import time

import serial
from serial.tools import list_ports

BAUD = 115200
RS = b"\x1e"
LONGEST_ANSWER = 64 * 1024  # bytes of a line with JSON
LONGEST_LINE = 500  # bytes of a line of text
LINES = 50  # of text that are kept
SILENT = 3  # unanswered asks, after which no node is running
PATIENCE = 1  # s that an answer is awaited, or the interval where that is longer
RETRY = 1  # s between attempts to open a port
LONGEST_TEXT, MOST_ITEMS, DEEPEST = 200, 256, 8  # of what is kept of an answer: characters, items, levels

# USB vendors of boards and of the serial chips on them: Raspberry Pi, Espressif, MicroPython, Silicon Labs, WCH, FTDI.
BOARDS = (0x2E8A, 0x303A, 0xF055, 0x10C4, 0x1A86, 0x0403)

NO_NODE = "no node running (plain REPL?)"
UNPLUGGED = "unplugged"
WAITING = "no answer yet"
NO_ANSWER = "no answer"
REPL = "plain REPL open"

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_PROMPT = re.compile(r"^((>>>|-->|\.\.\.)( |$))+")
_ASKED_IN_VAIN = 3  # lines of the traceback of a plain REPL that was asked for `status`


def boards():
    """The serial ports of this computer that look like boards."""
    return sorted(port.device for port in list_ports.comports() if port.vid in BOARDS)


def printable(text, longest=LONGEST_TEXT):
    """The text without escape sequences and control characters, shortened to so many characters."""
    text = _ESCAPES.sub("", text[: 8 * longest])
    text = "".join(c for c in text.replace("\t", " ") if c.isprintable())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clean(value, depth=0):
    """What may be kept of a decoded JSON value: printable text, finite numbers, so many items and levels."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict) and depth < DEEPEST:
        items = list(value.items())[:MOST_ITEMS]
        return {printable(key, 64): clean(item, depth + 1) for key, item in items}
    if isinstance(value, list) and depth < DEEPEST:
        return [clean(item, depth + 1) for item in value[:MOST_ITEMS]]
    if isinstance(value, float) and not math.isfinite(value) or isinstance(value, (dict, list)):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 64:
        return None
    return value


def decoded(record):
    """(status, None) of an answer, or (None, what is wrong with it)."""
    try:
        found = json.loads(record.decode())
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        return None, "the answer is not JSON"
    if not isinstance(found, dict):
        return None, "the answer is not an object"
    found = clean(found)
    if isinstance(found.get("error"), str) and "role" not in found:
        return None, "the node says: " + found["error"]
    return found, None


class Framing:
    """Tells records from text in what a port sends. feed(bytes) gives the records that are complete, as bytes, None for
    one that was too long; `lines` has the last lines of text."""

    def __init__(self):
        self.lines = collections.deque(maxlen=LINES)
        self._text = bytearray()
        self._record = None  # the bytes after RS so far
        self._too_long = False
        self._skip = 0

    def feed(self, data):
        found = []
        for piece in re.split(rb"([\x1e\n])", data):
            if piece == RS:  # what was begun has broken off
                self._end_line()
                self._record, self._too_long = bytearray(), False
            elif piece == b"\n" and self._record is None:
                self._end_line()
            elif piece == b"\n":
                found.append(None if self._too_long else bytes(self._record).strip())
                self._record = None
            elif self._record is None:
                self._text += piece[: LONGEST_LINE - len(self._text)]
            elif len(self._record) + len(piece) > LONGEST_ANSWER:
                self._too_long = True
            elif not self._too_long:
                self._record += piece
        return found

    def _end_line(self):
        line = printable(bytes(self._text).decode("utf-8", "replace"), LONGEST_LINE).rstrip()
        self._text.clear()
        said = _PROMPT.sub("", line)
        if said != line and said == "status":  # a plain REPL echoes it, and then knows no such name
            self._skip = _ASKED_IN_VAIN
        elif self._skip:
            self._skip -= 1
        elif said:
            self.lines.append(said)


class Seen:
    """What is known of a node at one moment; nothing of it changes.

    state: "waiting", "answering", "silent", "unplugged", "unusable" or "repl"; error: None, or why there is no answer;
    status: the last one, however old; since: s since it came, or since the port went away; missed: asks since then;
    lines: last lines of text.
    """

    def __init__(self, port, state="waiting", error=WAITING, status=None, since=0, missed=0, lines=()):
        self.port, self.state, self.error = port, state, error
        self.status, self.since, self.missed, self.lines = status, since, missed, lines


class Link(threading.Thread):
    """Asks the node at a port every `interval` s. After each round that is told by report(link, status, error)."""

    def __init__(self, port, interval, report):
        super().__init__(name=port, daemon=True)
        self.port = port
        self.rounds = self.answered = 0
        self.device = None  # the open serial.Serial; the REPL's while this link is held
        self._interval, self._report = interval, report
        self._lock = threading.Lock()  # for what seen() reads
        self._framing = Framing()
        self._status = None
        self._state, self._error = "waiting", WAITING
        self._since = time.monotonic()
        self._unanswered = 0
        self._next_try = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._stopping = False
        self._hold, self._held, self._free = False, threading.Event(), threading.Event()

    def seen(self):
        with self._lock:
            since = time.monotonic() - self._since
            lines = list(self._framing.lines)
            return Seen(self.port, self._state, self._error, self._status, since, self._unanswered, lines)

    def stop(self):
        """End the thread and close the port."""
        self._stopping = True
        self._free.set()
        self._wake()

    def hold(self):
        """Leave the port to the caller, who finds it in `device`, until release(). False where it isn't open."""
        self._held.clear()
        self._free.clear()
        self._hold = True
        self._wake()
        if self._held.wait(3) and self.device is not None:
            return True
        self.release(False)
        return False

    def release(self, stopped=True):
        """Go on asking; stopped: no node is running now."""
        if stopped:
            self._become("silent", NO_NODE)
            self._unanswered = SILENT
        self._hold = False
        self._free.set()

    def _wake(self):
        os.write(self._wake_write, b"\0")

    def run(self):
        try:
            while not self._stopping:
                begun = time.monotonic()
                status, error = self._round(begun + max(self._interval, PATIENCE))
                if self._stopping:
                    break
                self.rounds += 1
                self.answered += status is not None
                self._report(self, status, error)
                self._rest(begun + self._interval)
        finally:
            self._close()

    def _round(self, end):
        """Ask once. (status, None) or (None, why there is none)."""
        if not self._opened():
            return None, self._error
        try:
            self.device.write(RS + b"status\n")
            while (left := end - time.monotonic()) > 0 and not self._stopping:
                for status, error in self._answers(left):
                    return status, error
                if self._hold:
                    self._wait_while_held()
                    break
        except (OSError, serial.SerialException) as e:  # also a port that takes nothing
            if not isinstance(e, serial.SerialTimeoutException):
                self._lose()
                return None, self._error
        self._unanswered += 1
        if self._unanswered >= SILENT:
            self._become("silent", NO_NODE)
        return None, NO_NODE if self._unanswered >= SILENT else NO_ANSWER if self._status else WAITING

    def _rest(self, end):
        """Take what comes until the next round is due; a port that is away is tried meanwhile."""
        while (left := end - time.monotonic()) > 0 and not self._stopping:
            try:
                if self._hold:
                    self._wait_while_held()
                elif self.device is not None:
                    for _ in self._answers(left):
                        pass
                else:
                    wait = min(left, max(0, self._next_try - time.monotonic()))
                    self._read([self._wake_read], wait)
                    if time.monotonic() >= self._next_try and self._opened():
                        return
            except OSError:
                self._lose()

    def _answers(self, wait):
        """Take what has come within so many s; gives (status, error) of each record."""
        data = self._read([self.device.fileno(), self._wake_read], wait)
        if data is None:
            return
        if not data:
            raise OSError("the port is gone")
        with self._lock:
            records = self._framing.feed(data)
        for record in records:
            if record == b"status":  # an echo of the question
                continue
            status, error = (None, "the answer is longer than 64 KB") if record is None else decoded(record)
            if status is not None and ("role" in status or "heap" in status):
                self._unanswered = 0
                self._become("answering", None, status)
                yield status, None
            elif error is not None:
                self._unanswered += 1
                self._become("silent" if self._unanswered >= SILENT else self._state, error)
                yield None, error

    def _read(self, files, wait):
        """Bytes of the first of these files, b"" at its end, None where nothing has come within so many s."""
        ready, _, _ = select.select(files, [], [], wait)
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 64)
        if files[0] != self._wake_read and files[0] in ready:
            try:
                return os.read(files[0], 4096)
            except BlockingIOError:
                pass
        return None

    def _wait_while_held(self):
        state, error = self._state, self._error
        self._become("repl", REPL)
        self._held.set()
        self._free.wait()
        if self._state == "repl":
            self._become(state, error)

    def _opened(self):
        """Is the port open, and still the one that has this name? Opens it if need be."""
        if self.device is not None:
            try:
                if os.stat(self.port).st_rdev == os.fstat(self.device.fileno()).st_rdev:
                    return True
            except OSError:
                pass
            self._lose()
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + RETRY
        if not os.path.exists(self.port):
            self._lose()
            return False
        try:
            # mpremote locks a port likewise; two that read from one would each get half.
            self.device = serial.Serial(self.port, BAUD, timeout=0, write_timeout=PATIENCE, exclusive=True)
        except (OSError, ValueError) as e:  # a SerialException is an OSError
            self._become("unusable", reason(e))
            return False
        self._unanswered = 0
        self._become("waiting", WAITING)
        return True

    def _lose(self):
        self._close()
        self._next_try = max(self._next_try, time.monotonic() + RETRY / 4)
        if self._state != "unplugged":
            self._become("unplugged", UNPLUGGED)

    def _close(self):
        device, self.device = self.device, None
        if device is not None:
            with contextlib.suppress(OSError):
                device.close()

    def _become(self, state, error, status=None):
        with self._lock:
            if status is not None:
                self._status = status
            if status is not None or state in ("unplugged", "unusable") and state != self._state:
                self._since = time.monotonic()
            self._state, self._error = state, error


def reason(error):
    """Why a port could not be opened, in a few words."""
    said = str(error)
    if "lock" in said:
        return "in use by another program"
    if getattr(error, "errno", None):
        return os.strerror(error.errno)
    return printable(said, 60)
