"""Raspberry Pi Pico W: RP2040, 264 KB of RAM, some 190 KB of heap; 2 MiB of flash."""

NAME = "RPI_PICO_W"
PORT = "rp2"
ARCH = "armv6m"
MACHINE = "Raspberry Pi Pico W"
LED = "LED"
LED_ON = 1
BUTTON = "BOOTSEL"
BUTTON_PRESSED = 1
WATCHDOG_MS = 8388  # its counter of 24 bits goes down twice each microsecond
DEFAULTS = {"token_slots": 16, "recent_messages": 256, "peers": 64}
