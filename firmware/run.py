"""What a node runs: `micropython -m run CONFIG.json [CONSOLE]` on a computer, `run.board()` on a board.

On a computer: exit status 2 and one line on stderr for a wrong configuration or an address that cannot be had; 0 after
SIGINT. CONSOLE is a terminal that the console is at. On a board the serial port has the console, and nothing that is
wrong makes the board start again and again: it says so, and leaves the REPL.
"""

import gc

gc.threshold(4096)  # what importing leaves behind is taken away at once, or it would leave the heap in pieces
import asyncio  # noqa: E402
import sys  # noqa: E402

from micropython import const  # noqa: E402

import groupcoap  # noqa: E402
from groupcoap import addresses  # noqa: E402
from groupcoap.net import platform  # noqa: E402
from groupcoap.net.node import Node  # noqa: E402


_RESERVE = const(16384)  # bytes that are not filled before the collector runs: a piece as long as a datagram stays free

CONFIG = "/config.json"


def make(node, config):
    """Make of `node` what this checked configuration says."""
    if config["security"]:
        try:
            import security

            security.load_keys(config)
        finally:
            forget_checks()
    if config["role"] == "proxy":
        import proxy_app as app
    else:
        import server_app as app
    app.build(node, config)
    del sys.modules[app.__name__]  # it was needed this once


def start(config, node):
    """Start the node of this checked configuration, within a running loop; it is emptied."""
    gc.collect()  # what checking the configuration has taken, before there is more
    make(node, config)
    node.start()
    role = config["role"]
    config.clear()  # all that is needed of it is in the node
    gc.collect()
    free = gc.mem_free()
    gc.threshold(max(free // 4, free - _RESERVE))
    print("ready %s coap://%s" % (role, addresses.address_text(node.links[0].address, None)))


async def run(config, node=None):
    """Run the node of this checked configuration for ever; node: a `Node` to make it of."""
    start(config, node or Node())
    while True:
        await asyncio.sleep(3600)


def refuse(reason):
    """Say in one line why the node does not run: status 2."""
    print("groupcoap: %s" % reason, file=sys.stderr)
    return 2


def load(path, defaults=None):
    """The checked configuration in this file, or None after one line on stderr."""
    import config  # that, and what it alone needs, are 20 KB, needed this once

    try:
        return config.load(path, platform.ON_BOARD, defaults)
    except config.ConfigError as e:
        refuse(e)
    except MemoryError:
        refuse("%s: expected a file that the heap has room for" % path)
    finally:
        forget_checks()


def forget_checks():
    """Drop the modules that a configuration is checked with."""
    for name in ("config", "config_schema", "config_proxy", "config_security", "security", "security_group"):
        sys.modules.pop(name, None)
    for name in ("ip", "option_names"):
        sys.modules.pop("groupcoap." + name, None)
        if hasattr(groupcoap, name):
            delattr(groupcoap, name)


def carry_on(what, config, node):
    """Run this coroutine until it ends: the exit status. Raises only what should not have been."""
    try:
        asyncio.run(what)
    except KeyboardInterrupt:
        node.leaving()
        return 0
    except OSError as e:
        if not config:
            raise  # not of an address: it was running
        address = addresses.ip_text(config["address"]) if config["address"] else "?"
        return refuse("address: %s port %d cannot be bound (error %s)" % (address, config["port"], e.errno))
    except ValueError as e:
        if not config:
            raise
        return refuse(e)
    except MemoryError:
        if not config:
            raise
        return refuse("heap: %d bytes are too few for this configuration" % (gc.mem_alloc() + gc.mem_free()))
    return 0


def main(path=CONFIG, console=None):
    """Run the node of this file on a computer: the exit status."""
    config = load(path)
    if config is None:
        return 2
    node = Node()
    if console is None:
        return carry_on(run(config, node), config, node)
    from attended import Attended

    try:
        stream = open(console, "r+b")
    except OSError as e:
        return refuse("%s: cannot be opened (error %s)" % (console, e.errno))

    def write(text):
        stream.write(text.encode())

    return carry_on(Attended(node, stream, write).run(config), config, node)


def board():
    """Run the node of /config.json on a board. Ends where there is nothing to be run, or no more."""
    import on_board

    on_board.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
