"""A module with an ESP32-S3: 512 KB of RAM, more than 200 KB of heap in pieces, or PSRAM; 4 MiB of flash or more."""

NAME = "ESP32_GENERIC_S3"
PORT = "esp32"
ARCH = "xtensawin"
MACHINE = "Generic ESP32S3 module"
LED = None  # on no pin that all modules share
LED_ON = 1
BUTTON = 0  # BOOT
BUTTON_PRESSED = 0
WATCHDOG_MS = 30000  # any time would do
DEFAULTS = {"token_slots": 16, "recent_messages": 256, "peers": 64}
