# What is in the air around a board that is none: the file air.json beside this one, which a test writes while the board
# runs. air.log tells what the network has heard of memberships: lines "join GROUP" and "leave GROUP".
#
#     port       "rp2" or "esp32": whose radio and sockets these are
#     ssid, password, present    the access point, and is it there?
#     lease      address that its DHCP gives
#     silent     it is there, but nobody gets an answer
#     own        address of the board's own access point
import json
import time

_HERE = __file__.rsplit("/", 1)[0]
_read = None
_text = None
_at = None


def air():
    global _read, _text, _at
    now = time.ticks_ms()
    if _at is None or time.ticks_diff(now, _at) > 20:
        _at = now
        try:
            with open(_HERE + "/air.json") as f:
                text = f.read()
            if text != _text:
                _read = json.loads(text)
                _text = text
        except (OSError, ValueError):
            pass  # it is being written
    return _read


def heard(text):
    with open(_HERE + "/air.log", "a") as f:
        f.write(text + "\n")


address = None  # that the radio has now, text; None while it is not connected
joined = {}  # memberships of the network interface, by group: how often


def forget():
    joined.clear()
