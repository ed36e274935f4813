"""Raspberry Pi Pico W: RP2040, 264 KB of RAM, some 190 KB of heap; 2 MiB of flash."""

NAME = "RPI_PICO_W"
PORT = "rp2"
ARCH = "armv6m"
MACHINE = "Raspberry Pi Pico W"
LED = "LED"
LED_ON = 1
BUTTON = "BOOTSEL"
BUTTON_PRESSED = 1
BUTTON_MS = 1500  # after the start; held before, it starts the loader
WATCHDOG_MS = 8388  # its counter of 24 bits goes down twice each microsecond
WATCHDOG_CONTROL = 0x40058000  # the register that tells whether it runs
TIMER = -1  # that feeds the watchdog once the node has ended
STATION = {}
ACCESS_POINT = {}
DEFAULTS = {"token_slots": 16, "recent_messages": 256, "peers": 64}
