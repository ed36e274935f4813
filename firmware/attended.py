"""A node with somebody to look after it: its log, its console, and what these tell of it."""

import asyncio
import sys

from console import Console
from groupcoap.addresses import address_text
from groupcoap.net import platform
from log import Log
from micropython import const
from state import State

HELP = """status()      role, address, groups, heap, counters, last lines of the log
exchanges()   a proxy's open exchanges
groups()      the groups that this node is a member of
cache()       a proxy's cache
log("debug")  every datagram; "info", "error" for less
stop()        end the node: the plain REPL follows; on a board also reset() and safe_mode()
node          what runs, with all that is in it"""

_COLLECT = const(30)  # s between two looks at the heap
_TYPES = ("CON", "NON", "ACK", "RST")


class Attended:
    """The console is at `stream` and write(text). board: the name of its data; more: commands of a board, by name."""

    shows = True  # lines of the log on stderr, too: there the console is another terminal

    def __init__(self, node, stream, write, board="UNIX", more=None, level="info"):
        self.node = node
        self.ended = asyncio.Event()
        self.turn = asyncio.Event()  # something has changed for what waits to start
        commands = {"stop": self.stop}
        commands.update(more or {})
        self.log = Log(self._show, platform.clock, level)
        self.log.changed = self._level
        self.state = state = State(board, node, self.log)
        node.report = self.log.exception
        for name in ("status", "exchanges", "groups", "cache"):
            commands[name] = getattr(state, name)
        names = {"node": node, "help": self._help}
        names.update(commands)
        names["log"] = self._typed_log
        commands["log"] = self._told_log
        self.console = Console(stream, write, names, commands, self.stop)

    async def run(self, config):
        """Run the node of this checked configuration until it is to end."""
        from run import start

        self.log.set_level(config["log"])
        self.state.role = config["role"]
        self.watch(self.console.run())
        start(config, self.node)
        self.started()
        await self.ended.wait()
        self.node.leaving()

    def started(self):
        """The node runs."""
        self.state.phase = "running"
        self.log.info("started as %s" % self.state.role)
        for group in self.state.groups():
            self.log.info("member of %s" % group)
        self.watch(self._collect())

    async def _collect(self):
        # For the least heap that was free, and for a clock that is asked before it wraps.
        while True:
            await asyncio.sleep(_COLLECT)
            self.state.collect()
            self.log.uptime()

    def watch(self, coroutine):
        """Run this coroutine beside the node: what it raises is logged."""

        async def watched():
            try:
                await coroutine
            except Exception as e:
                self.log.exception(e)

        return asyncio.create_task(watched())

    def stop(self):
        """End the node."""
        self.ended.set()
        self.turn.set()
        return {"stopping": True}

    def _show(self, line):
        if self.shows:
            print(line, file=sys.stderr)
        self.console.show(line)

    def _help(self):
        for line in HELP.split("\n"):
            self.console.show(line)

    def _typed_log(self, level):
        self.log.set_level(level)

    def _told_log(self, level=""):
        self.log.set_level(level)
        return {"log": level}

    def _level(self, level):
        seen = self._datagram if level == "debug" else None
        if seen is not self.node.seen:
            self.node.watch(seen)

    def _datagram(self, sent, data, length, peer):
        # One datagram, in the log: where to or from, what it is, how long.
        try:
            code = data[1]
            what = "%s %d.%02d" % (_TYPES[data[0] >> 4 & 3], code >> 5, code & 31)
        except IndexError:
            what = "no message"
        self.log.debug("%s %s  %s, %d bytes" % ("to" if sent else "from", address_text(peer), what, length))
