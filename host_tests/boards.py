"""Boards on this desk for tests: tools/board with a folder as its flash, and programs that open its port."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import support

sys.path.insert(0, str(support.REPO / "tools"))
import compiled  # noqa: E402

START_S = 10
ANSWER_S = 10


class Board:
    """A board until close(): `port` is what mpremote opens, `flash` and `pins` are its folders."""

    def __init__(self, folder, *options, flash=None):
        folder.mkdir()
        self.port, self.flash, self.pins = folder / "port", flash or folder / "flash", folder / "pins"
        self._log, self._errors = folder / "log", folder / "stderr"
        self.flash.mkdir(exist_ok=True)
        self.pins.mkdir()
        self._log.touch()
        self._command = [sys.executable, support.REPO / "tools/board", self.flash, "--port", self.port]
        self._command += ["--pins", self.pins, "--log", self._log, *options]
        self.process = None
        self.start()

    def start(self):
        """Plug it in, the first time or after close()."""
        with open(self._errors, "ab") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in self._command],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "MICROPYTHON": support.micropython()},
            )
        line = self.process.stdout.readline()
        assert line, f"the board did not start:\n{self.errors()}"

    def close(self):
        """End it; its exit status must be 0."""
        if self.process is not None:
            self.process.terminate()
            try:
                status = self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            finally:
                self.process.stdout.close()
                self.process = None
            assert status == 0, self.errors()

    def unplug(self):
        self.process.send_signal(signal.SIGUSR1)
        eventually(lambda: not os.path.lexists(self.port), "the port is still there")

    def plug(self):
        self.process.send_signal(signal.SIGUSR2)
        eventually(self.port.exists, "the port does not come back")

    def said(self):
        """All that it has said so far."""
        return self._log.read_bytes().decode(errors="replace")

    def errors(self):
        return self._errors.read_text(errors="replace")

    def await_said(self, text, times=1, seconds=ANSWER_S):
        eventually(lambda: self.said().count(text) >= times, lambda: f"no {text!r} in:\n{self.said()[-3000:]}", seconds)

    def open(self):
        return Terminal(self.port)

    def mpremote(self, *words, **how):
        return mpremote(self.port, *words, **how)


class Terminal:
    """The port, opened as a terminal program does, until close()."""

    def __init__(self, port):
        import serial

        self.serial = serial.Serial(os.path.realpath(port), timeout=0.05, exclusive=True)
        self.text = ""

    def send(self, text):
        self.serial.write(text.encode())

    def expect(self, text, seconds=ANSWER_S):
        """What comes up to and with this text, which must come."""
        end = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < end, f"no {text!r} in {self.text!r}"
            self.text += self.serial.read(max(1, self.serial.in_waiting)).decode(errors="replace")
        before, found, self.text = self.text.partition(text)
        return before + found

    def told(self, command):
        """What a running node's console answers to a program's command."""
        self.send(f"\x1e{command}\n")
        self.expect("\x1e")
        return json.loads(self.expect("\n"))

    def close(self):
        self.serial.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def mpremote(port, *words, status=0):
    """Run the real mpremote at a port: what it has printed."""
    program = compiled.tool("mpremote", "MPREMOTE") or support.missing("needs mpremote: make .venv")
    command = [program, "connect", os.path.realpath(port), *words]  # at /dev/pts/ it does not wait between bytes
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f"mpremote ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def eventually(condition, reason, seconds=ANSWER_S):
    """Wait until a condition holds; reason: what else has happened, text or a function that gives it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, reason() if callable(reason) else reason
        time.sleep(0.01)


@contextlib.contextmanager
def boards(tmp_path):
    """board(*options) starts a board and returns it; all are ended at the end."""
    started = []

    def start(*options, flash=None):
        started.append(Board(tmp_path / f"board{len(started)}", *options, flash=flash))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            print(f"--- {each.port}\n{each.said()[-2000:]}\n{each.errors()}", end="")  # shown where a test fails
            each.close()
