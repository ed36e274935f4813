"""A board in its Wi-Fi network, for months: connect, wait longer after each failure, notice what has changed.

A state machine without a loop of its own: `poll` does what is due and says when to come back, so that simulated time
drives it as a board's does. What the radio does is read from it, never waited for. The radio itself forgets its
memberships when it is switched off, and what it reports of a lost link differs from chip to chip: that it is connected
and has an address is all that is relied on.
"""

from micropython import const

CONNECTING = "connecting"
WAITING = "waiting"  # for the next try
UP = "up"

_CHECK = const(500)  # ms between two looks at the radio
_TRY = const(15000)  # ms that a try to connect may take
_FIRST_PAUSE = const(1000)  # ms after the first failure, doubled for each further one
_RESTART = const(2)  # after so many failures the radio is switched off and on
_STALE = const(
    8000
)  # ms after which the failure that the radio told before counts again: ESP32 tells the last one on and on
_MASK = const(0x3FFFFFFF)
_NOWHERE = ("0.0.0.0", "")
_ERRORS = (OSError, ValueError, RuntimeError)  # RuntimeError: what else ESP-IDF may say


class Station:
    """The station interface of `network`, kept connected as the table `wifi` of a configuration asks for.

    address: static IPv4 address as text, or None for DHCP. more: what a board wants to be set besides. up(address) is
    called with the text of the address when the board is connected, first or again, or has another one: its memberships
    are to be renewed. down(reason) when that is over. refresh() is called each `refresh_s`. random(n) gives
    n random bytes.
    """

    def __init__(self, network, settings, address, up, down, refresh, log, random, more=None):
        self._network = network
        self._settings = settings
        self._static = address
        self._up = up
        self._down = down
        self._refresh = refresh
        self._log = log
        self._random = random
        self._more = more or {}
        self.state = None
        self.address = None
        self.reason = None  # why it is not connected, as far as that is known
        self.outages = 0
        self._failures = 0
        self._since = 0  # when this state began,
        self._pause = 0  # how long it is to last, ms
        self._before = None  # the failure that the radio told before this try
        self._fresh = 0  # when the network was last told of the memberships
        self._wlan = None

    def start(self, now):
        """Switch the radio on and begin to connect."""
        network = self._network
        if self._settings["country"]:
            network.country(self._settings["country"])
        if self._settings["hostname"]:
            network.hostname(self._settings["hostname"])
        network.WLAN(network.AP_IF).active(False)  # both at a time share one channel
        self._wlan = network.WLAN(network.STA_IF)
        self._switch_on()
        self._connect(now)

    def rssi(self):
        """The strength of the signal in dBm, or None."""
        try:
            return self._wlan.status("rssi") if self.state == UP else None
        except (TypeError,) + _ERRORS:
            return None

    def poll(self, now):
        """Do what is due: the ms until the next call."""
        try:
            connected = self._wlan.isconnected()
            address = self._wlan.ifconfig()[0] if connected else None
        except _ERRORS:
            connected, address = False, None
        connected = connected and address not in _NOWHERE
        if self.state == UP:
            if not connected:
                self._lost(now)
            elif address != self.address:
                self._log.info("wifi: another address, %s" % address)
                self.address = address
                self._up(address)
            elif self._settings["refresh_s"] and self._elapsed(self._fresh, now) >= self._settings["refresh_s"] * 1000:
                self._fresh = now
                self._refresh()
        elif connected:
            self._connected(address, now)
        elif self.state == CONNECTING:
            failed = self._failure()
            if failed == self._before and self._elapsed(self._since, now) < _STALE:
                failed = None
            if failed or self._elapsed(self._since, now) >= _TRY:
                self._fail(failed or "no answer in %d s" % (_TRY // 1000), now)
        elif self._elapsed(self._since, now) >= self._pause:
            if self._failures >= _RESTART:
                self._switch_off()
                self._switch_on()
            self._connect(now)
        return _CHECK if self.state != WAITING else min(_CHECK, max(1, self._pause - self._elapsed(self._since, now)))

    def _elapsed(self, since, now):
        return now - since & _MASK

    def _switch_on(self):
        wlan = self._wlan
        try:
            wlan.active(True)
            wlan.config(pm=wlan.PM_NONE)  # asleep, it would miss most multicasts
            if self._more:
                wlan.config(**self._more)
            if self._static:
                found = self._settings
                names = found["dns"] or found["gateway"] or self._static  # ESP-IDF takes no 0.0.0.0 there
                wlan.ifconfig((self._static, found["netmask"], found["gateway"] or "0.0.0.0", names))
        except _ERRORS as e:
            self._log.error("wifi: the radio refuses its settings: %s" % e)

    def _switch_off(self):
        try:
            self._wlan.active(False)
        except _ERRORS as e:
            self._log.error("wifi: the radio cannot be switched off: %s" % e)

    def _connect(self, now):
        self._enter(CONNECTING, now)
        self._before = self._failure()
        try:
            self._wlan.connect(self._settings["ssid"], self._settings["password"])
        except _ERRORS as e:
            self._fail("the radio refuses: %s" % e, now)

    def _connected(self, address, now):
        self._enter(UP, now)
        self._failures = 0
        self.reason = None
        self._fresh = now
        self.address = address
        self._log.info("wifi: connected to %s as %s" % (self._settings["ssid"], address))
        self._up(address)

    def _lost(self, now):
        self.outages += 1
        self.reason = self._failure() or "link lost"
        self._log.error("wifi: %s" % self.reason)
        self._down(self.reason)
        self._disconnect()
        self._connect(now)

    def _fail(self, reason, now):
        if reason != self.reason:
            self._log.error("wifi: %s: %s" % (self._settings["ssid"], reason))
        self.reason = reason
        self._failures += 1
        self._disconnect()
        self._enter(WAITING, now)
        most = self._settings["backoff_s"] * 1000
        pause = min(most, _FIRST_PAUSE << min(self._failures - 1, 8))
        # A random part less, so that the boards of a building do not all come back at once.
        self._pause = pause - pause * self._random(1)[0] // 1024

    def _disconnect(self):
        try:
            self._wlan.disconnect()
        except _ERRORS:
            pass  # it was not connected

    def _enter(self, state, now):
        self.state = state
        self._since = now

    def _failure(self):
        # Why the radio has given up, or None where it has not, or says nothing.
        network = self._network
        try:
            status = self._wlan.status()
        except _ERRORS:
            return None
        for name, text in (
            ("STAT_WRONG_PASSWORD", "wrong password"),
            ("STAT_NO_AP_FOUND", "no such network in reach"),
            ("STAT_CONNECT_FAIL", "the access point refuses"),
            ("STAT_HANDSHAKE_TIMEOUT", "no handshake: wrong password?"),
            ("STAT_BEACON_TIMEOUT", "the access point is silent"),
        ):
            if status == getattr(network, name, None):
                return text
        idle = network.STAT_IDLE  # on ESP32 what is below is a reason of the IEEE 802.11 standard, or of ESP-IDF
        return "reason %d" % status if 0 < status < 256 < idle else None
