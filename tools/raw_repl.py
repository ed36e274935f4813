"""A board at a serial port, in its raw REPL, for tools/deploy: look, read, write, reset, and what it says at its start.

mpremote's transport is used as a library; its version is pinned.
"""

import ast
import contextlib
import io
import json
import os
import sys
import time
from binascii import b2a_base64

try:
    import serial
    from mpremote.transport import TransportError, TransportExecError
    from mpremote.transport_serial import SerialTransport
except ImportError:
    print("deploy: no mpremote in this Python: make .venv, then .venv/bin/python tools/deploy", file=sys.stderr)
    sys.exit(2)

SAFE_MODE = "/safe_mode"
LIBRARY = "/lib/groupcoap"
DIGITS = 16  # of a SHA-256 that files are told apart by
CHUNK = 1024  # bytes a write
SERIAL_S = 5  # for one answer of the board
INTERRUPT_S = 3  # for the raw REPL to come; tried TRIES times
TRIES = 4
RESET_S = 20  # for the board to come back
READY_S = 60  # for the node to get its address and be ready
QUIET_S = 2  # then a node whose words were missed is asked
ECHOES = (">>>", "MicroPython ", 'Type "help()"', "\x1e")  # of the REPL
BEFORE = "groupcoap_before_reset"  # a name at the REPL that a reset makes forgotten


class Failed(Exception):
    """What went wrong, as one line; status 1."""


class Wrong(Failed):
    """A wrong argument or configuration, as one line; status 2."""


# Every file that may be ours, with its digest; and names that stand in the way of an import.
LOOK = """
import os, hashlib, binascii
b = memoryview(bytearray(512))
def look(p):
    try:
        f = open(p, 'rb')
    except OSError:
        return
    h = hashlib.sha256()
    while True:
        n = f.readinto(b)
        if not n:
            break
        h.update(b[:n])
    f.close()
    print(repr((p, os.stat(p)[6], binascii.hexlify(h.digest()).decode()[:%d])))
def walk(p):
    try:
        names = os.listdir(p)
    except OSError:
        return
    for n in names:
        n = p + '/' + n
        if os.stat(n)[0] & 0x4000:
            walk(n)
        else:
            look(n)
def names(p):
    try:
        print(repr((p, os.listdir(p))))
    except OSError:
        pass
"""
TIDY = """
def tidy(p):
    for n in os.listdir(p):
        n = p + '/' + n
        if os.stat(n)[0] & 0x4000:
            tidy(n)
    if not os.listdir(p):
        os.rmdir(p)
"""
INFORMATION = """
import sys
i = sys.implementation
try:
    import vfs
    r = len(memoryview(vfs.rom_ioctl(2, 0))) if vfs.rom_ioctl(1) > 0 else 0
except (ImportError, AttributeError):
    r = 0
print(repr((i.name, getattr(i, '_machine', '?'), getattr(i, '_mpy', 0), '.'.join(str(n) for n in i.version[:3]), r)))
"""
ROM_DIGEST = """
import vfs, hashlib, binascii
m = memoryview(vfs.rom_ioctl(2, 0))
h = hashlib.sha256()
for i in range(0, %d, 4096):
    h.update(m[i : min(i + 4096, %d)])
print(repr(binascii.hexlify(h.digest()).decode()[:%d]))
"""


class Board:
    """The board at a serial port, in its raw REPL. Methods raise Failed."""

    def __init__(self, port):
        self.port = port
        self.safe = False  # has it been put into safe mode, and is it still there?
        self._transport = None
        self._said = ""

    def open(self):
        transport = SerialTransport(self.port, timeout=SERIAL_S)
        transport.is_pty = True  # read what there is at once, where mpremote would look every 10 ms
        self._transport = transport

    def close(self):
        if self._transport is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                self._transport.close()
            self._transport = None

    def connect(self):
        """Open the port, interrupt what runs, and enter the raw REPL."""
        if not self.port.startswith(("id:", "rfc2217:", "socket:")) and not os.path.exists(self.port):
            raise Wrong(f"{self.port}: no such port; is the board plugged in? mpremote connect list")
        try:
            self.open()
            self.interrupt()
        except (OSError, TransportError, serial.SerialException) as e:
            raise Failed(f"{self.port}: {self._reason(e)}") from None

    @staticmethod
    def _reason(error):
        text = str(error)
        if text.startswith("failed to access"):
            return "cannot be opened; does another program use it?"
        return text.splitlines()[-1] if text else type(error).__name__

    def interrupt(self):
        """Ctrl-C, then the raw REPL, without a reset. Raises TransportError, OSError."""
        for n in range(TRIES):
            self._transport.serial.timeout = 0.2
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # where it prints what it did not expect
                    self._transport.enter_raw_repl(soft_reset=False, timeout_overall=INTERRUPT_S)
                return
            except TransportError:
                if n == TRIES - 1:
                    raise TransportError("no MicroPython REPL answers, not even to Ctrl-C; reset the board") from None
            finally:
                if self._transport:
                    self._transport.serial.timeout = SERIAL_S

    def run(self, script):
        """Run a script there: what it prints."""
        try:
            return self._transport.exec(script).decode()
        except TransportExecError as e:
            raise Failed(f"the board: {e.error_output.strip().splitlines()[-1]}") from None
        except (OSError, TransportError, serial.SerialException) as e:
            raise Failed(f"{self.port}: {self._reason(e)}") from None

    def results(self, script):
        return [ast.literal_eval(line) for line in self.run(script).splitlines()]

    def information(self):
        """(name, machine, mpy, version, bytes of the ROM partition)."""
        for n in range(TRIES):
            try:
                return self.results(INFORMATION)[0]
            except Failed:
                if n == TRIES - 1:
                    raise
            self.close()
            self.reconnect("the REPL")  # a watchdog may have bitten

    def reset(self):
        """Reset it; afterwards the port may be away for a while."""
        with contextlib.suppress(OSError, TransportError, serial.SerialException, AttributeError):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")

    def enter_safe_mode(self):
        self.run(f"open({SAFE_MODE!r}, 'w').close()\n{BEFORE} = 1")
        self.safe = True
        self.reset()
        self.close()
        self.reconnect("safe mode", f"{BEFORE!r} not in globals()")

    def reconnect(self, what, condition="True"):
        """Open the port again until the raw REPL is there and the condition holds."""
        end = time.monotonic() + RESET_S
        while True:
            try:
                self.open()
                self.interrupt()
                if self._transport.eval(condition):
                    return
                reason = "it has not reset"
            except (OSError, TransportError, serial.SerialException) as e:
                reason = self._reason(e)
            self.close()
            if time.monotonic() > end:
                raise Failed(f"{self.port}: {what} was not there after {RESET_S} s: {reason}")
            time.sleep(0.1)

    def leave_safe_mode(self):
        """Remove the marker and reset: what the board says is for `ready`."""
        self.run(f"import os\nos.remove({SAFE_MODE!r})")
        self.safe = False
        self.reset()

    def look(self, paths):
        """({path: (size, digest)} of these and of LIBRARY, {folder: names} of / and /lib)."""
        files, folders = {}, {}
        script = LOOK % DIGITS + f"walk({LIBRARY!r})\nfor p in ('', '/lib'):\n names(p or '/')\n"
        paths = [path for path in paths if not path.startswith(LIBRARY + "/")]
        for line in self.results(script + f"for p in {paths!r}:\n look(p)\n"):
            if len(line) == 2:
                folders[line[0]] = line[1]
            else:
                files[line[0]] = line[1:]
        return files, folders

    def read(self, path):
        """The bytes of a file, or None."""
        try:
            return bytes(self._transport.fs_readfile(path))
        except FileNotFoundError:
            return None
        except (OSError, TransportError, serial.SerialException) as e:
            raise Failed(f"{self.port}: {path}: {self._reason(e)}") from None

    def make_folders(self, paths):
        folders = {"/".join(path.split("/")[:n]) for path in paths for n in range(2, path.count("/") + 1)}
        script = f"import os\nfor p in {sorted(folders)!r}:\n try:\n  os.stat(p)\n except OSError:\n  os.mkdir(p)\n"
        self.run(script)

    def write(self, path, data):
        self.run(f"from binascii import a2b_base64 as b\nf = open({path!r}, 'wb')\nw = f.write")
        for at in range(0, len(data), CHUNK):
            self.run(f"w(b({b2a_base64(data[at : at + CHUNK], newline=False)!r}))")
        self.run("f.close()")

    def remove(self, paths):
        """Remove files, and folders of LIBRARY that are empty then."""
        script = f"import os\nfor p in {sorted(paths)!r}:\n try:\n  os.remove(p)\n except OSError:\n  pass\n"
        self.run(f"{script}{TIDY}\ntry:\n tidy({LIBRARY!r})\nexcept OSError:\n pass\n")

    def rename(self, old, new):
        self.run(f"import os\nos.rename({old!r}, {new!r})")

    def free(self):
        return self.results("import os\ns = os.statvfs('/')\nprint(s[0] * s[3])")[0]

    # What it says when it starts

    def ready(self, seconds):
        """The node's first words after a reset: "ready …", or "groupcoap: …", what is wrong."""
        end, asked = time.monotonic() + seconds, time.monotonic() + QUIET_S
        text = ""
        while time.monotonic() < end:
            new = self._read()
            text += new
            for line in text.split("\n")[:-1]:
                line = line.strip()
                if line.startswith(("ready ", "groupcoap: ", "safe mode")):
                    return line
                if found := self._status(line):
                    return found
            if text.endswith("\n>>> ") and not new:
                return "groupcoap: " + next((line for line in reversed(self._lines(text)) if line), "it does not start")
            if time.monotonic() > asked:
                asked = time.monotonic() + QUIET_S
                with contextlib.suppress(OSError, serial.SerialException, AttributeError):
                    self._transport.serial.write(b"\x1estatus\n")
        last = next(iter(self._lines(text)[-1:]), "it says nothing")
        raise Failed(f"the node was not ready after {seconds} s; its last words: {last}")

    @staticmethod
    def _lines(text):
        lines = [line.strip() for line in text.split("\n")]
        return [line for line in lines if line and not line.startswith(ECHOES)]

    @staticmethod
    def _status(line):
        """What a running node's answer to "status" says in place of its first words, or None."""
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            status = json.loads(line.rpartition("\x1e")[2])
            if status.get("state") == "running" and status.get("address"):
                return f"ready {status['role']} coap://{status['address']}"
        return None

    def _read(self):
        """What has come, after at most some 100 ms; the port is opened again when it was away."""
        try:
            if self._transport is None:
                self.open()
            self._transport.serial.timeout = 0.1
            port = self._transport.serial
            return port.read(max(1, port.in_waiting)).decode(errors="replace")
        except (OSError, TransportError, serial.SerialException):
            self.close()
            time.sleep(0.1)
            return ""
