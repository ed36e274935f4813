# What is in the air around a board that is none: the file air.json beside this one, which a test writes while the board
# runs. air.log tells what the network has heard of memberships: lines "join GROUP" and "leave GROUP".
#
#     port       "rp2" or "esp32": whose radio and sockets these are
#     ssid, password, present    the access point, and is it there?
#     lease      address that its DHCP gives
#     silent     it is there, but nobody gets an answer
#     own        address of the board's own access point
#     callback   false: RP2's MicroPython is from before a UDP socket calls back
import errno
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
places = 7  # for them: lwIP has 8, one is that of all systems


def join(group):
    if group not in joined:
        if len(joined) >= places:
            raise OSError(errno.ENOMEM)
        heard("join " + group)
    joined[group] = joined.get(group, 0) + 1


def leave(group):
    if group not in joined:
        raise OSError(errno.EINVAL)
    joined[group] -= 1
    if not joined[group]:
        del joined[group]
        heard("leave " + group)


def forget():  # the interface is switched off
    joined.clear()
