"""What a node runs: `micropython main.py [CONFIG.json]`, on a board with /config.json.

Exit status 2 and one line on stderr for a wrong configuration or an address that cannot be had; 0 after SIGINT.
"""

import asyncio
import gc
import sys

from groupcoap import uri
from groupcoap.net import platform
from groupcoap.net.node import Node


async def run(config):
    """Run the node of this checked configuration for ever."""
    if config["role"] == "proxy":
        from proxy_app import build
    else:
        from server_app import build
    if config["address"] is None:
        config["address"] = platform.own_ip()
    node = Node()
    build(node, config)
    node.start()
    gc.collect()
    print("ready %s coap://%s" % (config["role"], uri.address_text(node.links[0].address, None)))
    while True:
        await asyncio.sleep(3600)


def load(path):
    """The checked configuration in this file, or None after one line on stderr."""
    import config  # its 20 KB are needed this once

    try:
        return config.load(path, not platform.ON_BOARD)
    except config.ConfigError as e:
        print("groupcoap: %s" % e, file=sys.stderr)
        return None
    finally:
        del sys.modules["config"]


def main(path="/config.json"):
    config = load(path)
    if config is None:
        return 2
    try:
        asyncio.run(run(config))
    except KeyboardInterrupt:
        pass
    except MemoryError:
        total = gc.mem_alloc() + gc.mem_free()
        print("groupcoap: heap: %d bytes are too few for this configuration" % total, file=sys.stderr)
        return 2
    except OSError as e:
        address = uri.ip_text(config["address"]) if config["address"] else "?"
        text = "groupcoap: address: %s port %d cannot be bound (error %s)"
        print(text % (address, config["port"], e.errno), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    status = main(*sys.argv[1:2])
    if not platform.ON_BOARD:  # there it would start the board, and so this, again and again
        sys.exit(status)
