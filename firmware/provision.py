"""A board without a configuration: an access point of its own, and a server that takes one, PUT /config.

The access point has a random password, made once, kept in a file and printed on the serial port: who can read that may
configure the board. What is put is checked before it is kept; the board then starts again.
"""

import json
import os

import board
from groupcoap.net import platform
from micropython import const
from on_board import reset
from run import CONFIG, forget_checks

PASSWORD = "/access_point"  # its file

_DIGITS = const(10)
_LONGEST = const(4096)  # bytes of a configuration
_JSON = const(50)  # Content-Format


def password():
    """The access point's password, 10 digits."""
    try:
        with open(PASSWORD) as f:
            found = f.read()
        if len(found) == _DIGITS and found.isdigit():
            return found
    except OSError:
        pass  # there is none yet; where it is another text, power was lost while it was written
    found = "".join([str(byte % 10) for byte in platform.entropy(_DIGITS)])
    with open(PASSWORD, "w") as f:
        f.write(found)
    return found


def name():
    """The access point's name, which tells this board from others."""
    import machine

    return "groupcoap-" + "".join(["%02x" % byte for byte in machine.unique_id()[-3:]])


def keep(text):
    """Keep this configuration, if it is one. Raises ValueError."""
    import config

    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError("expected JSON")
    try:
        config.check(value, platform.ON_BOARD, board.DEFAULTS)
    finally:
        forget_checks()
    with open(CONFIG + ".new", "w") as f:
        f.write(text)
    os.rename(CONFIG + ".new", CONFIG)


async def provision(attended):
    """Wait for a configuration, for ever."""
    import network
    from groupcoap.errors import BadRequest
    from groupcoap.net.server import Server

    network.WLAN(network.STA_IF).active(False)
    point = network.WLAN(network.AP_IF)
    point.config(ssid=name(), key=password(), **board.ACCESS_POINT)
    point.active(True)
    address = point.ifconfig()[0]
    attended.state.phase = "provisioning"
    attended.watch(attended.console.run())
    if board.LED is not None:
        attended.watch(attended._light())
    server = Server(address, node=attended.node, uploads=1, upload_bytes=_LONGEST, observers=0, later=0, memberships=0)

    @server.resource("config", methods=("PUT",), accepts=(_JSON,))
    def config(request):
        try:
            keep(str(bytes(request.payload()), "utf-8"))
        except (ValueError, UnicodeError) as e:
            raise BadRequest(str(e))
        reset()

    attended.node.start()
    print("access point %s, password %s: PUT coap://%s/config" % (name(), password(), address))
    await attended.ended.wait()
