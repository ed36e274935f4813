"""What a node runs: `micropython main.py [CONFIG.json]`, on a board with /config.json.

Exit status 2 and one line on stderr for a wrong configuration or an address that cannot be had; 0 after SIGINT.
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


def make(node, config):
    """Make of `node` what this checked configuration says."""
    if config["role"] == "proxy":
        import proxy_app as app
    else:
        import server_app as app
    app.build(node, config)
    del sys.modules[app.__name__]  # it was needed this once


async def run(config, node=None):
    """Run the node of this checked configuration for ever; node: a `Node` to make it of."""
    gc.collect()  # what checking the configuration has taken, before there is more
    if config["address"] is None:
        config["address"] = platform.own_ip()
    node = node or Node()
    make(node, config)
    node.start()
    role = config["role"]
    config.clear()  # all that is needed of it is in the node
    gc.collect()
    free = gc.mem_free()
    gc.threshold(max(free // 2, free - _RESERVE))
    print("ready %s coap://%s" % (role, addresses.address_text(node.links[0].address, None)))
    while True:
        await asyncio.sleep(3600)


def refuse(reason):
    """Say in one line why the node does not run: status 2."""
    print("groupcoap: %s" % reason, file=sys.stderr)
    return 2


def load(path):
    """The checked configuration in this file, or None after one line on stderr."""
    import config  # that, and what it alone needs, are 20 KB, needed this once

    try:
        return config.load(path, platform.ON_BOARD)
    except config.ConfigError as e:
        refuse(e)
    except MemoryError:
        refuse("%s: expected a file that the heap has room for" % path)
    finally:
        for name in ("config", "config_schema", "config_proxy"):
            sys.modules.pop(name, None)
        for name in ("ip", "option_names"):
            sys.modules.pop("groupcoap." + name, None)
            if hasattr(groupcoap, name):
                delattr(groupcoap, name)


def main(path="/config.json"):
    config = load(path)
    if config is None:
        return 2
    node = Node()
    try:
        asyncio.run(run(config, node))
    except KeyboardInterrupt:
        node.leaving()
        return 0
    except OSError as e:
        if not config:
            raise  # not of an address: it was running
        address = addresses.ip_text(config["address"]) if config["address"] else "?"
        return refuse("address: %s port %d cannot be bound (error %s)" % (address, config["port"], e.errno))
    except ValueError as e:
        return refuse(e)
    except MemoryError:
        return refuse("heap: %d bytes are too few for this configuration" % (gc.mem_alloc() + gc.mem_free()))
    return 0


if __name__ == "__main__":
    status = main(*sys.argv[1:2])
    if not platform.ON_BOARD:  # there it would start the board, and so this, again and again
        sys.exit(status)
