"""A node on a board, from power on: safe mode, Wi-Fi, the node, its watchdog and its light; at its end the REPL.

`board` has what differs from one board to another. Nothing here starts the board again but what has run well before: a
fault of the first minute, a wrong configuration or none leave a REPL, on which the reason stands. The watchdog runs
from when the node is ready, so that it cannot bite before; afterwards a timer feeds it.
"""

import asyncio
import os
import time
from asyncio import core

import board
from attended import Attended
from console import serial
from groupcoap.net import platform
from groupcoap.net.node import Node
from micropython import const
from run import CONFIG, carry_on, load, start

SAFE_MODE = "/safe_mode"

_PROVEN = const(60000)  # ms after which a fault resets the board rather than leaving the REPL


def button_held():
    """Is the board's button held down?"""
    if board.BUTTON is None:
        return False
    if board.BUTTON == "BOOTSEL":
        import rp2

        return bool(rp2.bootsel_button())
    from machine import Pin

    return Pin(board.BUTTON, Pin.IN, Pin.PULL_UP).value() == board.BUTTON_PRESSED


def safe_mode_asked():
    """Is there the marker, or does somebody press the button in the first moments?

    Held while the power comes, that button starts the chip's own loader instead: the light says when to press it.
    """
    if exists(SAFE_MODE):
        return True
    light = None
    if board.LED is not None and board.BUTTON_MS:
        from machine import Pin

        light = Pin(board.LED, Pin.OUT)
        light.value(board.LED_ON)
    begun = time.ticks_ms()
    while True:
        held = button_held()
        if held or time.ticks_diff(time.ticks_ms(), begun) >= board.BUTTON_MS:
            break
        time.sleep_ms(20)
    if light is not None:
        light.value(1 - board.LED_ON)
    return held


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def reset():
    """Start the board again, when what is being said has been said."""
    import machine

    async def later():
        await asyncio.sleep_ms(100)
        machine.reset()

    asyncio.create_task(later())
    return {"resetting": True}


def safe_mode():
    """Start the board again, into safe mode."""
    with open(SAFE_MODE, "w"):
        pass
    return reset()


class OnBoard(Attended):
    """An `Attended` node whose network is Wi-Fi, where the board has it and the configuration asks for it."""

    shows = False

    def __init__(self, node):
        stream, write = serial()
        Attended.__init__(self, node, stream, write, board.NAME, {"reset": reset, "safe_mode": safe_mode})
        self.guard = None
        self.keeping = None  # the task that keeps it connected
        self.ready = 0  # ms of the log's time

    async def run(self, config):
        self.log.set_level(config["log"])
        self.state.role = config["role"]
        watchdog = config["watchdog_s"]
        if config["console"]:
            self.watch(self.console.run())
        if board.LED is not None:
            self.watch(self._light())
        if config["wifi"] and platform.ON_BOARD:
            await self._connected(config)
            if self.ended.is_set():
                return
        elif config["address"] is None:
            config["address"] = platform.own_ip()  # something else has connected the board
        ntp = config["wifi"] and config["wifi"]["ntp"]
        start(config, self.node)
        self.started()
        self.ready = self.log.uptime() or 1
        longest = board.WATCHDOG_MS
        if longest and watchdog != 0:
            from guard import Guard

            self.guard = Guard(min(longest, int(watchdog * 1000)) if watchdog else longest, board.TIMER)
            self.watch(self._feed())
        if ntp:
            self._set_time(ntp)
        await self.ended.wait()
        self.node.leaving()

    def proven(self):
        """Has the node run well for a while?"""
        return self.ready and self.log.uptime() - self.ready >= _PROVEN

    async def _connected(self, config):
        # Connect, and stay connected; returns when the board has an address.
        import network
        from groupcoap import addresses, ip
        from wifi import UP, Station

        node = self.node
        self._at = None
        settings = config["wifi"]
        static = addresses.ip_text(config["address"]) if config["address"] else None
        port = config["port"]

        def up(text):
            address = ip.ipv4(text)
            self.state.phase = "running" if self.ready else "starting"
            if self._at is None or not self.ready:
                self._at = config["address"] = address
                self.turn.set()
                return
            if address != self._at:
                node.move(self._at, address)
                self._at = address
                self.log.info("now at %s:%d" % (text, port))
            else:
                node.rejoin()

        def down(reason):
            self.state.phase = "connecting"

        station = Station(network, settings, static, up, down, node.refresh, self.log, platform.entropy, board.STATION)
        self.state.station = station
        self.state.ssid = settings["ssid"]
        station.start(platform.clock())

        async def keep():
            while True:
                try:
                    ms = station.poll(platform.clock())
                except Exception as e:
                    self.log.exception(e)
                    ms = 1000
                await asyncio.sleep_ms(ms)

        self.keeping = self.watch(keep())
        while not self.ended.is_set() and station.state != UP:
            self.turn.clear()
            await self.turn.wait()

    def _set_time(self, host):
        # The protocol does not need it. A name server that is silent costs seconds, in which nothing else is done.
        try:
            import ntptime

            ntptime.host = host
            ntptime.timeout = 1
            ntptime.settime()
            self.log.info("time from %s" % host)
        except (OSError, ImportError, OverflowError) as e:
            self.log.error("no time from %s: %s" % (host, e))

    async def _feed(self):
        # For as long as all is well: a task that is gone will not come back but by a reset.
        while self.node.alive() and not (self.keeping is not None and self.keeping.done()):
            self.guard.feed()
            await asyncio.sleep_ms(self.guard.interval)
        self.log.error("a task of the node has ended: the watchdog will reset the board")

    async def _light(self):
        # Quick while there is no network, a flash every two seconds while the node runs, two to be provisioned.
        from machine import Pin

        pin = Pin(board.LED, Pin.OUT)
        while True:
            phase = self.state.phase
            for _ in range(2 if phase == "provisioning" else 1):
                pin.value(board.LED_ON)
                await asyncio.sleep_ms(50)
                pin.value(1 - board.LED_ON)
                await asyncio.sleep_ms(150)
            if phase in ("running", "provisioning"):
                await asyncio.sleep_ms(1800)


def run():
    """Run the node of /config.json. Where there is none, and Wi-Fi, wait to be given one."""
    if safe_mode_asked():
        print("safe mode: no node is started; remove %s where it is there, and reset" % SAFE_MODE)
        return
    if not exists(CONFIG):
        print("no %s: `make deploy` puts one there, or tools/configure" % CONFIG)
        if not platform.ON_BOARD:
            return
        config = None
    else:
        config = load(CONFIG, board.DEFAULTS)
        if config is None:
            return
    node = Node()
    attended = OnBoard(node)
    try:
        if config is None:
            from provision import provision

            carry_on(provision(attended), None, node)
        else:
            carry_on(attended.run(config), config, node)
    except Exception as e:  # a fault of ours
        attended.log.exception(e)
        if attended.proven():
            import machine

            machine.reset()
    finally:  # also where a second Ctrl-C comes
        if attended.guard is not None:
            attended.guard.hand_over()
        core.cur_task = None  # that asyncio was in when Ctrl-C came: it could not be cancelled else
        node.stop()
        asyncio.new_event_loop()
        print("stopped; the REPL follows, machine.reset() starts the node again")
