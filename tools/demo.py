#!/usr/bin/env python3
"""Show one group request through a proxy: every node is a MicroPython process on this computer, with a board's heap."""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time

from nodes import HEAP, Block, Failed, Nodes  # puts the library on sys.path

from groupcoap import numbers, option_names, uri
from groupcoap.message import Message
from groupcoap.errors import ResponseError
from groupcoap.net.client import Client, RequestFailed

ROOMS = ("kitchen", "bedroom", "study", "cellar", "attic", "garage", "hall", "bathroom", "pantry", "nursery")
SECONDS = 3  # T', how long the proxy relays answers
LEISURE = 1  # s, within which a server answers
GRACE = 0.3  # s after T' in which a last answer may still be on its way
LONGEST = 15  # s from ready to the end
PROFILES = {
    "07": ("Multicast-Timeout", "Reply-From"),
    "00": ("Multicast-Signaling", "Response-Forwarding"),
}
EPILOG = """Exit status: 0 when every server has answered every request, 1 when an answer is missing or a node fails.

example:
  tools/demo.py --servers 10"""


class Ear:
    """Hears what the proxy sends to the group, as a member of it would."""

    def __init__(self, block):
        self.heard = []  # (time in s, text)
        self._socket, self._proxy = block.ear, block.proxy
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self):
        now = time.monotonic()
        datagram, (address, _) = self._socket.recvfrom(2048)
        m = Message()
        m.parse(datagram, len(datagram))
        if address == self._proxy:
            path = "".join("/" + str(value, "utf-8") for number, value in m.options() if number == numbers.URI_PATH)
            signals = [
                f"{name} {value}"
                for name in ("Multicast-Timeout", "Multicast-Signaling")
                if (value := m.option_uint(option_names.number(name))) is not None
            ]
            kind = ("CON", "NON", "ACK", "RST")[m.type()]
            self.heard.append((now, f"{kind} GET {path}, " + (", ".join(signals) or "without Multicast-Timeout")))

    def close(self):
        asyncio.get_running_loop().remove_reader(self._socket)


def server_config(block, i):
    return {
        "role": "server",
        "address": block.servers[i],
        "port": block.port,
        "groups": [f"{block.group}:{block.port}"],
        "leisure_s": LEISURE,
        "resources": {"temp": {"value": f"{ROOMS[i]} {18.5 + 0.7 * (3 * i % 10):.1f} C"}},
    }


def proxy_config(block):
    allow = [{"client": block.client, "groups": [f"{block.group}:{block.port}"]}]
    return {"role": "proxy", "address": block.proxy, "port": block.port, "proxy": {"allow": allow}}


def say(line=""):
    print(line, flush=True)


def show(response):
    origin = "the proxy" if response.origin is None else "coap://" + uri.address_text(response.origin)
    payload = response.payload.decode("utf-8", "backslashreplace")
    say(f"  {origin:<27} {numbers.dotted(response.code):<5} {payload:<18} {response.rtt:>5}")


def table_head():
    say(f"  {'origin':<27} {'code':<5} {'payload':<18} {'ms':>5}")


def missing(servers, responses):
    """The addresses of the servers of which there is not exactly one 2.05 response."""
    origins = [uri.ip_text(r.origin[:-2]) for r in responses if r.origin and r.code == numbers.CONTENT]
    return [address for address in servers if origins.count(address) != 1]


async def ask_group(client, block, profile):
    """Send one group request through the proxy, print what happens. Gives the responses."""
    asks, tells = PROFILES[profile]
    target = block.uri(block.group) + "/temp"
    say(f"\nProfile {profile}: {asks} in the request, {tells} in each answer\n")
    table_head()
    ear = Ear(block)
    responses = []
    start = time.monotonic()
    answers = client.group_get(target, SECONDS, proxy=block.uri(block.proxy), profile=profile)

    async def take():
        async for response in answers:
            show(response)
            responses.append(response)

    try:
        await asyncio.wait_for(take(), SECONDS + GRACE)
    except asyncio.TimeoutError:
        pass  # the usual end: the client would wait a round trip longer
    finally:
        answers.close()
        ear.close()
    end = time.monotonic() - start

    events = [(0, "client -> proxy", f"CON GET, Proxy-Uri {target}, {asks} {SECONDS}")]
    events += [(1000 * (at - start), "proxy  -> group", text) for at, text in ear.heard]
    named = option_names.number(tells)
    for r in responses:
        how = f"{tells} {uri.ip_text(r.origin[:-2])}" if r.option(named) is not None else f"without {tells}"
        events.append((r.rtt, "proxy  -> client", f"{numbers.dotted(r.code)}, {how}"))
    events.append((1000 * end, "client", f"T' = {SECONDS} s is over, nothing else has come"))
    say("\n     ms  who               what (the servers' answers to the proxy cannot be heard from here)")
    for at, who, what in sorted(events, key=lambda event: event[0]):
        say(f"  {at:>5.0f}  {who:<17} {what}")
    if len(ear.heard) != 1:
        raise Failed(f"profile {profile}: the proxy sent {len(ear.heard)} requests to the group, expected 1")
    return responses


async def ask_one(client, block, origin):
    """Ask one server that has answered again: directly, and through the proxy."""
    target = "coap://" + uri.address_text(origin) + "/temp"
    say(f"\nOne of them again, {target}: directly, then through the proxy\n")
    table_head()
    for proxy in (None, block.uri(block.proxy)):
        try:
            response = await client.get(target, proxy=proxy)
        except (RequestFailed, ResponseError) as e:
            raise Failed(f"{target}{' through the proxy' if proxy else ''}: {e}") from None
        show(response)
        if response.code != numbers.CONTENT:
            raise Failed(f"{target}: {numbers.dotted(response.code)}, expected 2.05")


async def converse(block, nodes):
    """All requests of the demo. Raises Failed."""
    client = Client(block.client)
    try:
        for profile in PROFILES:
            responses = await ask_group(client, block, profile)
            silent = missing(block.servers, responses)
            if silent or len(responses) != len(block.servers):
                remarks = ", ".join(address + nodes.fate(address) for address in silent)
                expected = f"{len(responses)} answers, expected {len(block.servers)}, one from each server"
                raise Failed(f"profile {profile}: {expected}" + (f"; not so from {remarks}" if silent else ""))
        await ask_one(client, block, responses[0].origin)
    finally:
        client.close()


async def run(servers):
    """The whole demo. Raises Failed."""
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        block = Block(servers)
        stack.callback(block.close)
        nodes = Nodes(stack.enter_context(tempfile.TemporaryDirectory()))
        say(f"groupcoap demo: one proxy and {servers} servers, each a MicroPython process with {HEAP} of heap\n")
        say(f"  proxy    {block.uri(block.proxy)}")
        say(f"  servers  {', '.join(block.servers[:2])}, ..., all members of {block.group}")
        say(f"  client   {block.client}, which sends no multicast")
        try:
            await nodes.start("proxy", proxy_config(block))  # alone at first: it compiles for all
            await nodes.start_all({a: server_config(block, i) for i, a in enumerate(block.servers)})
            ready = time.monotonic()
            say(f"  ready    after {ready - begun:.1f} s")
            try:
                await asyncio.wait_for(converse(block, nodes), LONGEST - 1)
            except asyncio.TimeoutError:
                raise Failed(f"not done {LONGEST - 1} s after ready") from None
        finally:
            unruly = await nodes.stop()
    if unruly:
        raise Failed(f"did not end well: {', '.join(unruly)}")
    say(f"\nall {servers} servers answered in both profiles; ended {time.monotonic() - ready:.1f} s after ready")


def count(text):
    if not text.isdecimal() or not 1 <= int(text) <= len(ROOMS):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {len(ROOMS)}, not {text!r}")
    return int(text)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="demo", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", metavar="N", type=count, default=6, help="how many servers (default %(default)s)")
    parser.error = lambda message: (print(f"demo: {message}", file=sys.stderr), sys.exit(2))
    try:
        asyncio.run(run(parser.parse_args(arguments).servers))
    except (Failed, OSError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("demo: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
