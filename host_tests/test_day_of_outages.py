"""A day of a proxy whose Wi-Fi drops every ten minutes, in simulated time: nothing grows, and no slot is lost.

The proxy and the firmware's `wifi.Station` are those of a board; the radio and the network are simulated. A client asks
a group every half minute, another one observes it, whatever the weather.
"""

import random
import sys

import pytest
import support
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client, RequestFailed
from groupcoap.proxy.observing import Observations
from groupcoap.server import Server

sys.path[:0] = [str(support.REPO / "tools"), str(support.REPO / "firmware")]

from sim_group import GROUP, build_proxy, server_address  # noqa: E402
from sim_memory import footprint  # noqa: E402
from simulation import SECOND, Node, Simulation  # noqa: E402
from wifi import CONNECTING, UP, Station  # noqa: E402

HOURS = 24
SERVERS = 6
SLOTS = 4
EVERY = 30  # s between two requests
TIMEOUT = 10  # s, T'
OUTAGE_EVERY = 600  # s
JOINING = 1.5  # s
PROXY, OUTSIDE = uri.pack("10.0.1.0"), uri.pack("10.0.1.0", 50000)
TARGET = uri.parse("coap://224.0.1.187/temp")
CLIENTS = [uri.pack(bytes((10, 0, 2, i)), 40000) for i in range(2)]
SETTINGS = {"ssid": "workshop", "password": "correct horse", "country": None, "hostname": None, "backoff_s": 60}
SETTINGS.update(refresh_s=125, netmask="255.255.255.0", gateway=None, dns=None)
NOISE = 512  # bytes: equal values may or may not be one object; one object for each outage would be 50 KB in all
SETTLED = 3  # hours until all rings are full


class Radio:
    """What `network` is to a Station: an access point that is there or not, and a radio that takes its time."""

    STA_IF, AP_IF, PM_NONE, STAT_NO_AP_FOUND, STAT_IDLE = 0, 1, 0, -2, 0

    def __init__(self, simulation):
        self._simulation = simulation
        self.present = True
        self.asked = None
        self.switched_on = 0

    def WLAN(self, interface):
        return self

    def active(self, on):
        self.switched_on += on
        self.asked = None

    def config(self, **more):
        pass

    def connect(self, ssid, password):
        self.asked = self._simulation.now

    def disconnect(self):
        self.asked = None

    def isconnected(self):
        if not self.present:
            return False
        return self.asked is not None and self._simulation.now - self.asked > JOINING * SECOND

    def ifconfig(self):
        return ("10.0.1.0", "", "", "")

    def status(self):
        joining = self.asked is None or self._simulation.now - self.asked <= JOINING * SECOND
        return self.STAT_IDLE if joining or self.present else self.STAT_NO_AP_FOUND


class Log:
    lines = 0

    def error(self, text):
        self.lines += 1

    info = debug = error


class Day:
    def __init__(self):
        self.simulation = simulation = Simulation(7, loss=0.02)
        self.chance = random.Random(7)
        self.radio = Radio(simulation)
        self.node = Node(simulation)
        self.proxy = build_proxy(self.node, PROXY, OUTSIDE, CLIENTS, SLOTS, 60)
        Observations(self.proxy.relay, 2)
        self.clear = {}  # by request: was the proxy in the network all the time?
        self.asked = []  # (was the proxy in the network all the time, answers) of each request
        self.sizes = []  # bytes that the proxy and its station hold
        self.free = []  # slots
        self.notified = 0
        self.observation = None
        for i in range(SERVERS):
            self.server(i)
        sizes = {"token_slots": 4, "outgoing": 2, "recent_messages": 64}
        nodes = [Node(simulation) for _ in CLIENTS]
        self.clients = [(node, Client(node.endpoint(at, **sizes))) for node, at in zip(nodes, CLIENTS)]
        self.station = Station(self.radio, SETTINGS, None, self.up, self.down, lambda: None, Log(), simulation.entropy)
        simulation.network.cut = frozenset((PROXY, OUTSIDE))
        self.station.start(self.node.now())
        simulation.at(0, self.poll)
        for i in range(HOURS * 3600 // OUTAGE_EVERY):
            begin = (i + 1) * OUTAGE_EVERY * SECOND - OUTAGE_EVERY * SECOND // 2
            simulation.at(begin, self.set_present, False)
            simulation.at(begin + int(self.chance.uniform(2, 120) * SECOND), self.set_present, True)
        for i in range(1, HOURS * 3600 // EVERY - 2):
            simulation.at(i * EVERY * SECOND, self.ask, i)
        for i in range(1, HOURS * 12 - 1):
            simulation.at(i * 300 * SECOND, self.observe)
        for hour in range(1, HOURS + 1):
            simulation.at(hour * 3600 * SECOND - 1, self.measure)

    def server(self, i):
        address = server_address(i)
        node = Node(self.simulation)
        endpoint = node.endpoint(address, token_slots=1, recent_messages=64)
        endpoint.role = server = Server(endpoint, address, memberships=1, later=0, observers=2, uploads=0)
        server.resource("temp", content_format=0, group=True, observable=True)(lambda request: b"%d" % i)
        self.simulation.network.join(address, GROUP, server.join(1000))

        def change():
            server.changed("temp", node.now())
            node.wake()
            self.simulation.at(self.simulation.now + 60 * SECOND, change)

        self.simulation.at(60 * SECOND + i * SECOND, change)

    def poll(self):
        ms = self.station.poll(self.node.now())
        if self.station.state != UP:
            for i in self.clear:
                self.clear[i] = False
        self.simulation.at(self.simulation.now + ms * 1000, self.poll)

    def up(self, address):
        self.simulation.network.cut = frozenset()

    def down(self, reason):
        self.simulation.network.cut = frozenset((PROXY, OUTSIDE))

    def set_present(self, present):
        self.radio.present = present
        if not present:  # nothing passes, though nobody has noticed yet
            self.simulation.network.cut = frozenset((PROXY, OUTSIDE))
            for i in self.clear:
                self.clear[i] = False

    def ask(self, i):
        node, client = self.clients[0]
        self.clear = {i: self.station.state == UP and self.radio.present}
        asked, came = self.clear, []

        def deliver(item):
            if item is None or isinstance(item, RequestFailed):
                self.asked.append((asked[i], len(came)))
            elif item.code == n.CONTENT:
                came.append(item.origin)

        client.send(deliver, node.now(), n.GET, TARGET, proxy=PROXY, timeout=TIMEOUT, confirmable=False)
        node.wake()

    def observe(self):
        # Observe anew: who observes through a proxy that goes away now and then does well to do so.
        node, client = self.clients[1]
        if self.observation is not None:
            client.cancel(self.observation, node.now())

        def deliver(item):
            if item is None or isinstance(item, RequestFailed):
                self.observation = None
            else:
                self.notified += 1

        self.observation = client.send(
            deliver, node.now(), n.GET, TARGET, proxy=PROXY, timeout=TIMEOUT, observe=True, confirmable=False
        )
        node.wake()

    def measure(self):
        simulation = self.simulation
        others = (simulation, simulation.network, simulation.entropy.__self__, self.radio, Day, self)
        roots = (self.proxy, self.proxy.relay.downstream, self.proxy.relay.upstream, self.station)
        self.sizes.append(footprint(roots, others)[0])
        self.free.append(self.proxy.relay.upstream.tokens.free)


@pytest.fixture(scope="module")
def day():
    day = Day()
    day.simulation.run(until=HOURS * 3600 * SECOND)
    return day


def test_wifi_has_dropped_every_ten_minutes_and_come_back(day):
    assert day.station.outages == HOURS * 3600 // OUTAGE_EVERY
    assert day.station.state in (UP, CONNECTING) and day.radio.switched_on > 10


def test_requests_outside_of_outages_are_answered_as_ever(day):
    clear = [count for clear, count in day.asked if clear]
    assert len(clear) > 0.7 * HOURS * 3600 / EVERY
    assert sum(clear) > 0.9 * SERVERS * len(clear)  # 2 % are lost on each link
    assert day.notified > 0


def test_no_slot_is_lost(day):
    assert day.free[-1] >= SLOTS - 1 and day.proxy.relay.upstream.tokens.slots == SLOTS


def test_nothing_grows(day):
    settled = day.sizes[SETTLED:]
    assert max(settled) - min(settled) < NOISE, day.sizes
