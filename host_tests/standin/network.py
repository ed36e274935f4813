# Stands in for `network` on a computer, and behaves as a board's does: see air.py.
import time

import air

STA_IF = 0
AP_IF = 1

_RP2 = air.air()["port"] == "rp2"
STAT_IDLE = 0 if _RP2 else 1000
STAT_CONNECTING = 1 if _RP2 else 1001
STAT_GOT_IP = 3 if _RP2 else 1010
STAT_WRONG_PASSWORD = -3 if _RP2 else 202
STAT_NO_AP_FOUND = -2 if _RP2 else 201
STAT_CONNECT_FAIL = -1 if _RP2 else 203
if not _RP2:
    STAT_BEACON_TIMEOUT = 200

_JOINING = 200  # ms

_country = _hostname = None


def country(code=None):
    global _country
    if code is not None:
        _country = code
    return _country


def hostname(name=None):
    global _hostname
    if name is not None:
        _hostname = name
    return _hostname


class WLAN:
    PM_NONE = 0xA11140 if _RP2 else 0
    _made = {}

    def __new__(cls, interface=STA_IF):
        if interface not in cls._made:
            self = cls._made[interface] = object.__new__(cls)
            self._interface = interface
            self._active = False
            self._status = STAT_IDLE
            self._asked = None
            self._since = 0
            self._static = None
            self._settings = {}
        return cls._made[interface]

    def __init__(self, interface=STA_IF):
        pass

    def active(self, on=None):
        if on is None:
            return self._active
        if on == self._active:
            return on
        if on and any(other._active for other in self._made.values()):
            raise OSError(16)
        self._active = on
        self._settings = {}  # power save is on again
        if self._interface == STA_IF:
            self._leave()
            self._static = None
        elif on:
            air.address = air.air()["own"]
        if not on:
            air.forget()

    def _leave(self):
        self._asked = None
        if _RP2 or self._status in (STAT_CONNECTING, STAT_GOT_IP):
            self._status = STAT_IDLE
        air.address = None

    def config(self, name=None, **more):
        if name is not None:
            return self._settings[name]
        for key in more:
            known = ("pm", "ssid", "key", "security", "txpower", "channel") + (() if _RP2 else ("reconnects",))
            if key not in known:
                raise ValueError("unknown config param")
        self._settings.update(more)
        air.heard("config %s" % " ".join(sorted(more)))

    def ifconfig(self, static=None):
        if static is not None:
            if not _RP2 and static[3] == "0.0.0.0":
                raise RuntimeError("Wifi Unknown Error 0x5001")
            self._static = static[0]
            return
        self._look()
        return (air.address or "0.0.0.0", "255.255.255.0", "0.0.0.0", "0.0.0.0")

    def connect(self, ssid, key=None):
        if not self._active:
            raise OSError(1)
        if not _RP2 and self._status in (STAT_CONNECTING, STAT_GOT_IP):
            raise OSError("Wifi Internal State Error")
        self._asked = ssid, key
        self._since = time.ticks_ms()
        if _RP2 or self._status == STAT_IDLE:  # ESP32 tells of the last failure until it is connected
            self._status = STAT_CONNECTING
        air.address = None
        air.heard("connect %s" % ssid)

    def disconnect(self):
        self._leave()

    def isconnected(self):
        self._look()
        if self._interface == AP_IF:
            return False
        return self._status == STAT_GOT_IP

    def status(self, name=None):
        if name == "rssi":
            return -52
        self._look()
        return self._status

    def _look(self):
        found = air.air()
        if self._interface == AP_IF or self._asked is None:
            return
        if self._status == STAT_GOT_IP:
            if not found["present"]:
                self._status = STAT_IDLE if _RP2 else STAT_BEACON_TIMEOUT
                air.address = None
            else:
                air.address = self._static or found["lease"]
        elif time.ticks_diff(time.ticks_ms(), self._since) > _JOINING:
            ssid, key = self._asked
            if found.get("silent"):
                return
            if not found["present"] or ssid != found["ssid"]:
                self._status = STAT_NO_AP_FOUND
            elif key != found["password"]:
                self._status = STAT_WRONG_PASSWORD if _RP2 else 15  # the handshake of WPA2 has failed
            else:
                self._status = STAT_GOT_IP
                air.address = self._static or found["lease"]
