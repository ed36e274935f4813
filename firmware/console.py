"""The console of a running node, on its serial port: for a person a prompt, for a program one line and one answer.

A person types Python, which is carried out between two datagrams, with `status()` and the like at hand. A program sends
RS, a command, LF and reads RS, JSON, LF (the framing of RFC 7464), whatever else is printed before and after. Nothing
here is ever waited for but the next byte, so the node goes on.
"""

import asyncio
import gc
import json
import sys
import time

from groupcoap.net._micropython import pending, readable
from micropython import const

PROMPT = "--> "
RS = const(0x1E)

_LONGEST = const(160)  # bytes of a line
_BURST = const(64)  # bytes
_SLOW = const(200)  # ms for a write: nobody reads
_MUTE = const(5000)  # ms in which nothing is written then
_BACKSPACE = b"\x08\x7f"


class Console:
    """stream: read for input; write(text) prints. names: what a person has at hand; commands: functions of a word, or
    of none, for programs, by name; interrupt() is called for a Ctrl-C that comes as a byte."""

    def __init__(self, stream, write, names, commands, interrupt):
        self._stream = stream
        self._write = write
        self._names = names
        self._commands = commands
        self._interrupt = interrupt
        self._line = bytearray()
        self._before = b""  # the last line
        self._byte = bytearray(1)
        self._escape = False  # is an escape sequence coming?
        self._too_long = False
        self._cr = False  # was the last byte a CR?
        self._used = False  # has anybody typed? Only then is there a prompt to be restored

    def show(self, line):
        """Print a line of the log; the line that is being typed goes on below it."""
        if self._used:
            self._write("\r\x1b[K%s\r\n%s%s" % (line.replace("\n", "\r\n"), PROMPT, self._typed()))
        else:
            self._write(line.replace("\n", "\r\n") + "\r\n")

    async def run(self):
        """Read for ever."""
        waits = pending(self._stream)
        while True:
            await readable(self._stream)
            for _ in range(_BURST):  # then others have their turn, however much is coming
                if not waits():
                    break
                if not self._stream.readinto(self._byte):
                    return  # nobody will ever type here
                try:
                    self.take(self._byte[0])
                except MemoryError:
                    gc.collect()
                    self._line = bytearray()
                    self._write("\n")
            else:
                await asyncio.sleep_ms(0)

    def take(self, byte):
        """Take the next byte of input."""
        line = self._line
        framed = line and line[0] == RS
        if byte == RS:
            self._line = bytearray((RS,))
            self._too_long = False
        elif byte in b"\r\n":
            self._line = bytearray()
            if framed:
                self._answer(line)
            elif not (byte == 10 and self._cr):  # CR LF is one end
                self._enter(line)
        elif len(line) == _LONGEST and (framed or 32 <= byte < 127):
            self._too_long = True
        elif framed:
            line.append(byte)
        else:
            self._type(byte, line)
        self._cr = byte == 13

    def _typed(self):
        return str(bytes(self._line), "utf-8") if self._line and self._line[0] != RS else ""

    def _type(self, byte, line):
        if byte == 3:
            self._interrupt()
        elif byte == 0x1B or (self._escape and byte in b"[O"):
            self._escape = True
        elif self._escape:
            self._escape = not 0x40 <= byte < 0x7F  # its last byte
            if byte == 0x41:  # up: the line before
                self._line = bytearray(self._before)
                self._write("\r\x1b[K%s%s" % (PROMPT, self._typed()))
        elif byte in _BACKSPACE:
            if line:
                self._line = line[:-1]
                self._write("\x08 \x08")
        elif 32 <= byte < 127:
            line.append(byte)
            self._write(chr(byte))

    def _enter(self, line):
        self._used = True
        self._write("\r\n")
        text = str(bytes(line), "utf-8").strip()
        if self._too_long:
            self._too_long = False
            self._write("a line of more than %d characters: not carried out\r\n" % _LONGEST)
        elif text:
            self._before = bytes(line)
            self._carry_out(text)
        self._write(PROMPT)

    def _carry_out(self, text):
        try:
            try:
                result = eval(text, self._names)
            except SyntaxError:
                exec(text, self._names)
                return
            if result is not None:
                self._print(result)
        except Exception as e:
            self._write("%s: %s\r\n" % (type(e).__name__, e))

    def _print(self, result):
        # One line for each key, or each item.
        if isinstance(result, dict):
            for key in result:
                if isinstance(result[key], list) and result[key]:
                    self._write("%s:\r\n" % key)
                    for item in result[key]:
                        self._write("    %s\r\n" % item)
                else:
                    self._write("%s: %s\r\n" % (key, result[key]))
        elif isinstance(result, list):
            for item in result:
                self._write("%s\r\n" % (item,))
        else:
            self._write("%r\r\n" % (result,))

    def _answer(self, line):
        try:
            words = str(bytes(line[1:]), "utf-8").split(" ")
            if self._too_long:
                raise ValueError("a line of more than %d bytes" % _LONGEST)
            if words[0] not in self._commands:
                known = ", ".join(sorted(self._commands))
                raise ValueError("unknown command %s; expected one of %s" % (words[0], known))
            found = self._commands[words[0]](*words[1:])
        except Exception as e:
            found = {"error": "%s" % e if isinstance(e, ValueError) else "%s: %s" % (type(e).__name__, e)}
        self._too_long = False
        self._write("\x1e")
        self._dump(found)
        self._write("\n")

    def _dump(self, value):
        # As JSON, piece by piece: the whole is longer than what a heap in pieces has room for.
        if isinstance(value, dict):
            before = "{"
            for key in value:
                self._write("%s%s: " % (before, json.dumps(key)))
                self._dump(value[key])
                before = ", "
            self._write("}" if value else "{}")
        elif isinstance(value, (list, tuple)):
            before = "["
            for item in value:
                self._write(before)
                self._dump(item)
                before = ", "
            self._write("]" if value else "[]")
        else:
            self._write(json.dumps(value))


def serial():
    """What a board's serial port is read and written by.

    Writing may take as long as the port's time-out where somebody has it open and does not read; a node cannot wait for
    that line after line. So it is silent for a while then.
    """
    muted = [None]

    def write(text):
        now = time.ticks_ms()
        if muted[0] is not None:
            if time.ticks_diff(now, muted[0]) < _MUTE:
                return
            muted[0] = None
        sys.stdout.write(text)
        if time.ticks_diff(time.ticks_ms(), now) > _SLOW:
            muted[0] = now

    return sys.stdin.buffer, write
