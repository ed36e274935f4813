"""A node's console without a node: a pty that answers program commands with a status that a test sets.

As a program, `console_peer.py PATH [STATUS.json]`, it serves the pty at the symbolic link PATH until it is ended.
"""

import json
import os
import pty
import select
import sys
import threading
import tty

RS = 0x1E
BUSY_PROXY = {
    "board": "RPI_PICO_W",
    "version": "0.1.0",
    "role": "proxy",
    "state": "running",
    "address": "192.0.2.10:5683",
    "groups": ["224.0.1.187:5683", "224.0.1.188:61616"],
    "uptime": 273845,
    "heap": {"free": 61440, "low": 40960, "total": 196608},
    "wifi": {"state": "up", "ssid": "lab", "rssi": -61, "outages": 2, "reason": None},
    "faults": 3,
    "lost": 4,
    "no_memory": 5,
    "send_errors": 6,
    "proxy": {
        "slots": 16,
        "free": 9,
        "exchanges": [
            {
                "client": f"192.0.2.{20 + i}:4{i}683",
                "target": "224.0.1.187:5683" if i % 2 else "10.0.0.7:5683",
                "group": bool(i % 2),
                "age": 3 + i,
                "left": 27 - i,
                "answers": 100 + i,
                "observed": i == 6,
            }
            for i in range(7)
        ],
        "ended": 312,
        "refusals": {"5.03": 4, "4.01": 2},
        "reasons": {"slots": 3, "limit": 1, "group": 2},
        "unusable": 1,
        "unmatched": 7,
        "faulty": 8,
        "clients": [{"client": f"192.0.2.{20 + i}", "open": 1, "requests": 50 + i, "refused": i} for i in range(8)],
        "observations": 1,
        "cache": {"entries": 6, "bytes": 512, "served": 9, "valid": 2, "stored": 77, "evicted": 11},
        "aggregated_lost": 0,
        "lost": 4,
        "heap_free": 61440,
    },
    "log": [f"  {12 + i}.345 info  line {i} of the log" for i in range(8)],
}
SERVER = {
    "board": "ESP32_GENERIC_C3",
    "version": "0.1.0",
    "role": "server",
    "state": "running",
    "address": "192.0.2.31:5683",
    "groups": ["224.0.1.187:5683"],
    "uptime": 59,
    "heap": {"free": 131072, "low": 114688, "total": 262144},
    "wifi": {"state": "up", "ssid": "lab", "rssi": -48, "outages": 0, "reason": None},
    "faults": 0,
    "lost": 0,
    "no_memory": 0,
    "send_errors": 0,
    "server": {"requests": 1234, "observers": 2, "resources": 5},
    "log": ["   0.812 info  ready"],
}


class Peer:
    """Owns a pty and a symbolic link to it. What it answers, and whether, is for the test to set:

    status: the object of the answer; raw: bytes in place of every answer; mute: answers nothing (a plain REPL).
    """

    def __init__(self, path, status=None):
        self.path = str(path)
        self.status, self.raw, self.mute = status or BUSY_PROXY, None, False
        self.asked = []  # commands of programs, as text
        self.typed = b""  # what came beside them
        self.plug()

    def plug(self):
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.symlink(os.ttyname(self._slave), self.path)
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self):
        os.unlink(self.path)
        os.write(self._end_write, b"\0")
        self._thread.join()
        for file in (self._master, self._slave, self._end_read, self._end_write):
            os.close(file)

    def say(self, data):
        """Send bytes as the node would print them."""
        os.write(self._master, data)

    def _serve(self):
        command = None
        while True:
            ready, _, _ = select.select([self._master, self._end_read], [], [])
            if self._end_read in ready:
                return
            for byte in os.read(self._master, 1024):
                if byte == RS:
                    command = b""
                elif command is None:
                    self._type(bytes([byte]))
                elif byte == 10:
                    self.asked.append(command.decode())
                    self._answer(command.decode())
                    command = None
                else:
                    command += bytes([byte])

    def _answer(self, command):
        if self.mute:
            self.say(b"\r\n>>> " + command.encode() + b"\r\nTraceback (most recent call last):\r\n")
            self.say(b'  File "<stdin>", line 1, in <module>\r\n')
            self.say(b"NameError: name '" + command.encode() + b"' isn't defined\r\n>>> ")
        elif self.raw is not None:
            self.say(self.raw)
        elif command == "stop":
            self.frame({"stopping": True})
            self.mute = True
            self.say(b"stopped; Ctrl-D starts the node again\r\n>>> ")
        else:
            self.frame(self.status if command == "status" else {"error": "no such command"})

    def _type(self, data):
        self.typed += data
        if self.mute:
            self.say(data.replace(b"\r", b"\r\n>>> "))

    def frame(self, value):
        self.say(b"\x1e" + json.dumps(value).encode() + b"\r\n")


def main():
    status = json.loads(open(sys.argv[2]).read()) if len(sys.argv) > 2 else None
    Peer(sys.argv[1], status)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
