"""Nodes of a tool's own on this computer: addresses that nobody else has, and the processes themselves."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE / "lib"), str(HERE / "tools" / "cpython")]

from groupcoap import numbers, uri  # noqa: E402
from processes import end_with_parent  # noqa: E402

HEAP = "256K"
INTERFACE = "127.0.0.1"
READY = 20  # s for a node to start, the first time with all files to compile
STOP = 5  # s for a node to end
STARTING = 8  # nodes that start at the same time; more of them would only wait for each other


class Failed(Exception):
    """What went wrong, as one line."""


class Block:
    """Addresses that nobody else has on this computer, all in one /24 of 127.SECOND/16, and a group of their own.

    `ear` is a member of the group, to hear what is sent to it. A bound socket claims the block, so that two users at
    once take different ones. Raises Failed.
    """

    def __init__(self, servers, second=71):
        for port in (numbers.COAP_PORT, 61616):
            for net in range(256):
                try:
                    self._take(f"127.{second}.{net}", f"239.255.{second}.{net}", port, servers)
                    return
                except OSError as e:
                    reason = e.strerror
        raise Failed(f"no block of 127.{second}.0.0/16 can be had with a group of its own: {reason}")

    def _take(self, net, group, port, servers):
        self.net, self.port, self.group, self.proxy, self.client = net, port, group, f"{net}.1", f"{net}.9"
        self.servers = [f"{net}.{11 + i}" for i in range(servers)]
        with contextlib.ExitStack() as tried, contextlib.ExitStack() as kept:
            bound(kept, f"{net}.254", port)
            self.ear = bound(kept, group, port, share=True)
            membership = socket.inet_aton(group) + socket.inet_aton(INTERFACE)
            self.ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            for address in (self.proxy, *self.servers):
                bound(tried, address, port)
            self.close = kept.pop_all().close

    def uri(self, address):
        return "coap://" + uri.address_text(uri.pack(address, self.port))


def bound(stack, address, port, share=False):
    s = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    if share:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.setblocking(False)
    return s


class Nodes:
    """The running nodes: `tools/node` each, with its configuration in a folder of the tool's.

    ready: {name: the line that the node has printed when it was ready}.
    """

    def __init__(self, folder):
        self._folder = Path(folder)
        self._processes = {}
        self._starting = asyncio.Semaphore(STARTING)
        self.ready = {}

    async def start(self, name, config, console=None):
        """Start a node, its console at this path; returns when it is ready. Raises Failed."""
        async with self._starting:
            await self._start(name, config, ["--console", console] if console else [])

    async def _start(self, name, config, more):
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps({"multicast_interface": INTERFACE, **config}))
        command = [sys.executable, HERE / "tools/node", path, "--heap", HEAP, *more]
        with open(self._log(name), "wb") as log:
            # A session of its own: a Ctrl-C at the terminal is this tool's, which ends its nodes one way only.
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        self._processes[name] = process
        try:
            line = await asyncio.wait_for(process.stdout.readline(), READY)
        except asyncio.TimeoutError:
            raise Failed(f"{name} was not ready after {READY} s") from None
        if not line.startswith(b"ready "):
            raise Failed(f"{name} did not start: {self._last_words(name)}")
        self.ready[name] = line.decode().rstrip()

    async def start_all(self, configs, consoles=None):
        """Start these nodes, {name: config}, at the same time, with {name: path} of consoles. Raises Failed."""
        starts = (self.start(name, config, (consoles or {}).get(name)) for name, config in configs.items())
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    def _log(self, name):
        return self._folder / f"{name}.log"

    def _last_words(self, name):
        lines = self._log(name).read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")

    def fate(self, name):
        """A remark about a node that has ended by itself, or nothing."""
        status = self._processes[name].returncode
        return "" if status is None else f" (it ended with status {status}: {self._last_words(name)})"

    async def failure(self):
        """Wait until a node ends by itself. Raises Failed, which names it."""
        waits = {asyncio.ensure_future(process.wait()): name for name, process in self._processes.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        name = waits[done.pop()]
        raise Failed(f"{name} ended with status {self._processes[name].returncode}: {self._last_words(name)}")

    async def stop(self):
        """End all nodes. Gives the names of those that did not end well."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)  # process.terminate() would vie with asyncio for its exit status
        ended = await asyncio.gather(*map(self._end, self._processes.values()))
        return [name for name, well in zip(self._processes, ended) if not well]

    async def _end(self, process):
        try:
            return await asyncio.wait_for(process.wait(), STOP) == 0
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its VM ends with it
            await process.wait()
            await process.stdout.read()  # until nobody has it open any more
            return False
