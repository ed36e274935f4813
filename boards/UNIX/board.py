"""The board on this desk (tools/board): MicroPython's unix port behind a pseudo-terminal."""

NAME = "UNIX"
PORT = "unix"
MACHINE = "linux ["
LED = "LED"
LED_ON = 1
BUTTON = "BUTTON"
BUTTON_PRESSED = 0
BUTTON_MS = 0
WATCHDOG_MS = 8000
WATCHDOG_CONTROL = 0x57445400
TIMER = -1
STATION = {}
ACCESS_POINT = {}
DEFAULTS = {"token_slots": 16, "recent_messages": 128, "peers": 32}
