"""The monitor on a terminal: draws frames, takes keys, lends a node's port to its plain REPL.

The terminal's settings are put back however this ends; signals and reports of the links wake the loop by a pipe.
"""

import contextlib
import json
import os
import select
import signal
import sys
import termios
import time
import tty

from monitor_link import RS
from monitor_parts import Glyphs
from monitor_view import Mode, frame, name_of
from rich.console import Console, Group

LEAVE = b"\x1d"  # Ctrl-]
STOP = 3  # s for a node to stop
ENTER, EXIT = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the alternate screen, without a cursor

KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[D": "up",
    b"\x1bOD": "up",
    b"\x1b[Z": "up",  # Shift-Tab
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[C": "down",
    b"\x1bOC": "down",
    b"\t": "down",
    b"\x1b[6~": " ",  # page down
    b"\x03": "q",
}


def keys(data):
    """The keys in what a terminal has sent: names of KEYS, or single characters."""
    while data:
        for length in (4, 3, 1):
            if data[:length] in KEYS:
                yield KEYS[data[:length]]
                break
        else:
            length = len(data) if data[:1] == b"\x1b" else 1  # an unknown sequence is no key, nor what follows it
            yield "escape" if length == len(data) and data[:1] == b"\x1b" else data[:1].decode("latin-1")
        data = data[length:]


def dump(seens, at):
    """Write what is known of all nodes into monitor-TIME.json; returns a line that tells it."""
    nodes = []
    for seen in seens:
        known = {"port": seen.port, "state": seen.state, "error": seen.error, "since": round(seen.since, 3)}
        nodes.append({**known, "status": seen.status, "lines": seen.lines})
    stem = time.strftime("monitor-%Y%m%d-%H%M%S", time.localtime(at))
    for name in (f"{stem}.json", *(f"{stem}-{i}.json" for i in range(2, 100))):
        try:
            with open(name, "x", encoding="utf-8") as file:
                json.dump({"time": round(at, 3), "nodes": nodes}, file, indent=1)
                file.write("\n")
            return f"wrote {name}"
        except FileExistsError:
            continue
        except OSError as e:
            return f"{name}: {e.strerror}"
    return f"{stem}.json: there are 99 of them already"


class Terminal:
    """The settings of the user's terminal: keys come singly and unechoed, Ctrl-Z does nothing; or raw, for a REPL."""

    def __init__(self, file):
        self._file = file
        self._saved = termios.tcgetattr(file) if os.isatty(file) else None

    def single_keys(self):
        if self._saved is not None:
            tty.setcbreak(self._file, termios.TCSANOW)
            attributes = termios.tcgetattr(self._file)
            attributes[6][termios.VSUSP] = bytes([os.fpathconf(self._file, "PC_VDISABLE")])
            termios.tcsetattr(self._file, termios.TCSANOW, attributes)

    def raw(self):
        if self._saved is not None:
            tty.setraw(self._file, termios.TCSANOW)

    def restore(self):
        if self._saved is not None:
            termios.tcsetattr(self._file, termios.TCSANOW, self._saved)


class Live:
    """The view of these links until the user quits, or each has made so many rounds (None: no end)."""

    def __init__(self, links, rounds=None):
        self._links, self._rounds = links, rounds
        self._mode = Mode()
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._glyphs = Glyphs(self._console.options.ascii_only)
        self._input = sys.stdin.fileno()
        self._reading = os.isatty(self._input)
        self._terminal = Terminal(self._input)
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._frozen = None  # what is shown while paused
        self._asking = None  # the link that is to be stopped, until the user has said y or n
        self._quit = False
        self._said = 0  # when the message came

    def report(self, *_):
        """Something is new: for the links."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def run(self):
        def stop(*_):
            self._quit = True

        handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: stop, signal.SIGWINCH: lambda *_: None}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            self._enter()
            while not self._quit and not self._done():
                self._draw()
                self._wait(1)
        finally:
            with contextlib.suppress(OSError):  # the terminal itself may be gone
                self._leave()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _done(self):
        return self._rounds is not None and all(link.rounds >= self._rounds for link in self._links)

    def _enter(self):
        self._terminal.single_keys()
        self._write(ENTER)

    def _leave(self):
        try:
            self._write(EXIT)
        finally:
            self._terminal.restore()

    def _write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def _seens(self):
        return self._frozen or [link.seen() for link in self._links]

    def _draw(self):
        if self._mode.message and not self._asking and time.monotonic() - self._said > 10:
            self._mode.message = None
        width, height = self._console.size
        lines = frame(self._seens(), self._mode, width, height, self._glyphs, time.time())
        with self._console.capture() as captured:
            self._console.print(Group(*lines), end="", no_wrap=True, overflow="crop", crop=True)
        # All at once, over what is there: every cell is written. Without wrapping the last one scrolls nothing.
        text = captured.get().removesuffix("\n").replace("\n", "\r\n")
        self._write("\x1b[?7l\x1b[H" + text + "\x1b[?7h")

    def _wait(self, seconds):
        files = [self._wake_read] + ([self._input] if self._reading else [])
        ready, _, _ = select.select(files, [], [], seconds)
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if self._input in ready:
            data = os.read(self._input, 256)
            self._reading = bool(data)
            for key in keys(data):
                self._key(key)

    def _say(self, message):
        self._mode.message, self._said = message, time.monotonic()

    def _key(self, key):
        mode = self._mode
        if self._asking:
            link, self._asking = self._asking, None
            mode.message = None
            if key in ("y", "Y"):
                self._repl(link)
            return
        if mode.help:
            mode.help = False
            if key not in ("q", "?"):
                return
        if key == "q":
            self._quit = True
        elif key == "?":
            mode.help = True
        elif key in ("up", "down"):
            mode.selected = (mode.selected + (1 if key == "down" else -1)) % len(self._links)
            mode.skip = 0
        elif key == " ":
            mode.skip += 1
        elif key == "p":
            mode.paused = not mode.paused
            self._frozen = [link.seen() for link in self._links] if mode.paused else None
        elif key == "j":
            self._say(dump(self._seens(), time.time()))
        elif key == "r":
            self._asking = self._links[mode.selected]
            name = name_of(self._asking.port)
            running = self._asking.seen().state == "answering"
            mode.message = f"{'stop the node and ' if running else ''}open the plain REPL of {name}? y/n"

    def _repl(self, link):
        running = link.seen().state == "answering"
        if not link.hold():
            self._say(f"{name_of(link.port)} is not open")
            return
        self._leave()
        outcome = f"{name_of(link.port)} is stopped: reset it, or r and Ctrl-D, to run it again"
        try:
            print(f"Plain REPL of {link.port}: Ctrl-D starts the node again, Ctrl-] comes back here.", flush=True)
            self._terminal.raw()
            if running:
                stopped(link.device)
            self._converse(link.device)
        except OSError as e:  # a SerialException is one
            # So ends, too, a node on this computer: stopped, it is no process any more.
            outcome = f"{name_of(link.port)}{' is stopped' if running else ''}: {e.strerror or e}"
        finally:
            link.release()
            self._enter()
        self._say(outcome)

    def _converse(self, device):
        """Everything to and from the port, until Ctrl-] or the end of the keyboard. Raises OSError where it ends."""
        device.write(b"\r")  # for a prompt
        screen = sys.stdout.fileno()
        while not self._quit:
            ready, _, _ = select.select([device.fileno(), self._input, self._wake_read], [], [])
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            if self._input in ready:
                data = os.read(self._input, 256)
                before, leave, _ = data.partition(LEAVE)
                if before:
                    device.write(before)
                if leave or not data:
                    return
            if device.fileno() in ready:
                os.write(screen, received(device))


def received(device):
    """What has come from a port that is ready. Raises OSError where the port is gone."""
    data = os.read(device.fileno(), 4096)
    if not data:
        raise OSError("the port is gone")
    return data


def stopped(device):
    """Ask a running node to stop and take what it answers. Raises OSError where the port goes away."""
    device.write(RS + b"stop\n")
    end, said = time.monotonic() + STOP, b""
    while (left := end - time.monotonic()) > 0 and not said.rstrip().endswith(b">>>"):
        ready, _, _ = select.select([device.fileno()], [], [], left)
        if ready:
            said = (said + received(device))[-4096:]
