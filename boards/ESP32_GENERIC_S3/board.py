"""A module with an ESP32-S3: 512 KB of RAM, more than 200 KB of heap in pieces, or PSRAM; 4 MiB of flash or more."""

NAME = "ESP32_GENERIC_S3"
PORT = "esp32"
ARCH = "xtensawin"
MACHINE = "Generic ESP32S3 module"
LED = None  # on no pin that all modules share
LED_ON = 1
BUTTON = 0  # BOOT
BUTTON_PRESSED = 0
BUTTON_MS = 1500  # after the start; held before, it starts the loader
WATCHDOG_MS = 30000  # any time would do
WATCHDOG_CONTROL = None  # no register tells: after a soft reset it bites
TIMER = 0  # that feeds the watchdog once the node has ended
STATION = {"reconnects": 0}  # that is our affair, and it would refuse us while it tries
ACCESS_POINT = {"security": 3}  # WPA2, which a password alone does not ask for here
DEFAULTS = {"token_slots": 16, "recent_messages": 256, "peers": 64}
