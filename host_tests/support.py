"""What tests outside `logic/` share: programs of this computer, running nodes, addresses of a test's own."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from vm import runner

REPO = runner.REPO
READY_S = 20  # the first one compiles for all
STOP_S = 10


def missing(reason):
    """Skip this test because something isn't installed; where CI=true, nothing may be skipped: fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Background:
    """`_run`, in a thread of its own, until the end of the block: then `_ended` is set, and it comes to its end."""

    def __enter__(self):
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended = True
        self._thread.join()
        self.close()


class Talking:
    """A process whose stdout is read as it comes; it is ended with the block, or after so many seconds."""

    def __init__(self, command, seconds):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._timer = threading.Timer(seconds, self.process.kill)

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self.process.kill()
        self.process.communicate()


def micropython():
    """The path of MicroPython's unix port."""
    try:
        return runner.micropython()
    except runner.Missing as reason:
        missing(str(reason))


def libcoap(name):
    """The path of libcoap's program `name` ("coap-client", "coap-server"); Debian adds the TLS library to its name."""
    for suffix in ("", "-notls", "-openssl", "-gnutls"):
        found = shutil.which(name + suffix)
        if found:
            return found
    missing("needs Debian's libcoap3-bin: apt-get install libcoap3-bin")


class Lan:
    """Loopback addresses and multicast groups that no other test has.

    Each test has a /24 of 127/8 for itself. The process id decides where a run begins, so that two runs at the same
    time on one computer are apart as well.
    """

    # 251 tests lie between a run and the next process's, more between the workers of one run.
    _start = os.getpid() * 251 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * 16000
    _nets = itertools.count(_start)
    _groups = itertools.count(_start)

    def __init__(self):
        net = next(self._nets)
        # 127.0.0.0/16 stays free for what people start by hand.
        self._net = f"127.{1 + net // 256 % 255}.{net % 256}"
        self._hosts = iter(range(1, 255))

    def address(self):
        """A new unicast address: 127.x.y.z."""
        return f"{self._net}.{next(self._hosts)}"

    def group(self):
        """A new multicast address: 239.255.x.y."""
        group = next(self._groups)
        return f"239.255.{group // 256 % 256}.{group % 256}"


class Node:
    """One node of groupcoap on this computer: `tools/node` with a configuration, until stop()."""

    def __init__(self, config, folder, heap="256K"):
        folder.mkdir()
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        # Into files: a pipe that nobody reads would fill up and stop the node.
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, REPO / "tools/node", path, "--heap", heap],
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # the tool and its VM are one process group, for kill()
                env={**os.environ, "MICROPYTHON": micropython()},
            )
        self._status, self._asked = None, False
        try:
            self.role, self.address, port = self._ready()
            self.port = int(port)
        except BaseException:
            self.kill()
            raise

    def _ready(self):
        give_up = time.monotonic() + READY_S
        while "\n" not in self.stdout():
            ended = self.process.poll() is not None
            assert not ended, f"the node ended with status {self.process.returncode}:\n{self.stderr()}"
            assert time.monotonic() < give_up, f"the node was not ready after {READY_S} s:\n{self.stderr()}"
            time.sleep(0.005)
        line = self.stdout().split("\n")[0]
        ready = re.fullmatch(r"ready (\S+) coap://\[?([^\]]+)\]?:(\d+)", line)
        assert ready, f"not a ready line: {line!r}"
        return ready.groups()

    def stdout(self):
        return self._stdout.read_text(errors="replace")

    def stderr(self):
        """All that it has logged so far."""
        return self._stderr.read_text(errors="replace")

    @property
    def uri(self):
        return f"coap://{self.address}:{self.port}"

    def terminate(self):
        """Ask it to end; a second time is nothing."""
        if not self._asked and self._status is None:
            self._asked = True
            self.process.terminate()

    def stop(self):
        """End it; its exit status must be 0."""
        self.terminate()
        if self._status is None:
            try:
                self._status = self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the node did not end {STOP_S} s after SIGTERM:\n{self.stderr()}") from None
            assert self._status == 0, f"the node ended with status {self._status}:\n{self.stderr()}"

    def kill(self):
        """End it as a loss of power would; no exit status is expected."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._status = self.process.wait()
