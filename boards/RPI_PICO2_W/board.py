"""Raspberry Pi Pico 2 W: RP2350, 520 KB of RAM, more than 400 KB of heap; 4 MiB of flash."""

NAME = "RPI_PICO2_W"
PORT = "rp2"
ARCH = "armv7emsp"
MACHINE = "Raspberry Pi Pico 2 W"
LED = "LED"
LED_ON = 1
BUTTON = "BOOTSEL"
BUTTON_PRESSED = 1
BUTTON_MS = 1500  # after the start; held before, it starts the loader
WATCHDOG_MS = 8388  # the chip would take twice as long, MicroPython up to v1.28 does not
WATCHDOG_CONTROL = 0x400D8000  # the register that tells whether it runs
TIMER = -1  # that feeds the watchdog once the node has ended
STATION = {}
ACCESS_POINT = {}
DEFAULTS = {"token_slots": 32, "recent_messages": 512, "peers": 128}
