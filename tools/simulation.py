"""Simulated time and a simulated network, for the library's own endpoints: nothing of the protocol is imitated here.

`Simulation` is a queue of events in µs. A `Node` has a clock of 30 bits that begins just below its wrap, timers of its
own, and endpoints; what these transmit goes to the `Network`: one link that all share and that takes time for every
byte, then for each receiver a fate of its own (lost, delayed, doubled, held back). A multicast datagram passes the link
once. All chance is drawn from the seed, so that a run can be had again.
"""

import heapq
import itertools
import random
from collections import deque

from groupcoap import uri
from groupcoap.endpoint import Endpoint
from groupcoap.timers import Timers, elapsed

NEAR_WRAP = 0x3FFFFFFF - 300  # ms: the nodes' clocks wrap 0.3 s after the start
MASK = 0x3FFFFFFF
HEADERS = 28  # bytes of IPv4 and UDP in front of each datagram
SECOND = 1_000_000  # µs
QUIET = 24 * 3600 * SECOND  # a run is over when nothing is due within this; the tables' own sweeps are further apart
BIN = SECOND // 10  # of the link's load over time
HELD = SECOND // 2  # at most, for a datagram that others are to overtake


class Simulation:
    """The time `now` in µs, what is to happen later, one source of entropy for the nodes and one for the network.

    network: settings of `Network`.
    """

    def __init__(self, seed=0, **network):
        self.now = 0
        self.events = 0  # that have happened
        self._queue = []
        self._order = itertools.count()  # among events of the same time
        self.entropy = random.Random(f"nodes {seed}").randbytes
        self.network = Network(self, random.Random(f"network {seed}"), **network)

    def at(self, time, call, *arguments):
        """Have call(*arguments) happen at this time."""
        heapq.heappush(self._queue, (max(time, self.now), next(self._order), call, arguments))

    def run(self, until=None, progress=None):
        """Let everything happen, until that time, or until nothing more is due; progress() is called now and then."""
        while self._queue:
            last = self.now + QUIET if until is None else until
            if self._queue[0][0] > last and (until is not None or not self.network.under_way):
                break
            self.now, _, call, arguments = heapq.heappop(self._queue)
            call(*arguments)
            self.events += 1
            if progress is not None and not self.events & 0x3FF:
                progress()
        if until is not None:
            self.now = until


class Node:
    """One device: its timers, and the endpoints that hang on them."""

    def __init__(self, simulation):
        self._simulation = simulation
        self.timers = Timers()
        self._alarm = None  # when the timers are polled next, µs

    def now(self):
        """This node's clock, ms."""
        return NEAR_WRAP + self._simulation.now // 1000 & MASK

    def endpoint(self, address, **sizes):
        """An endpoint at this packed address; sizes as in `Endpoint`."""
        send = self._simulation.network.send

        def transmit(buf, length, peer):
            send(address, peer, bytes(memoryview(buf)[:length]))

        endpoint = Endpoint(transmit, self.timers, self._simulation.entropy, **sizes)

        def receive(data, source, group):
            endpoint.receive(data, len(data), source, group, self.now())
            self.wake()

        self._simulation.network.attach(address, receive)
        endpoint.start(self.now())
        self.wake()
        return endpoint

    def wake(self):
        """Heed the timers: whoever has called an endpoint or its role must say so here."""
        at = self.timers.poll_at()
        if at is None:
            self._alarm = None
            return
        ms = self._simulation.now // 1000
        due = (ms + max(0, -elapsed(self.now(), at))) * 1000
        if due != self._alarm:
            self._alarm = due
            self._simulation.at(due, self._ring, due)

    def _ring(self, due):
        if due == self._alarm:  # else it has been moved
            self._alarm = None
            self.timers.poll(self.now())
            self.wake()


class Network:
    """loss, duplicate, reorder: probabilities. delay: ms; jitter: ms of which a random part is added to it.

    rate: bytes/s of the link, 0 for no limit; queue: bytes that may wait for it, 0 for no limit.
    trace(what, source, peer, data), if set, is told what becomes of each datagram: "sent", "dropped" where the queue is
    full, "lost" or "arrived" at `peer`, which is then never a group.
    """

    def __init__(self, simulation, chance, loss=0, delay=10, jitter=5, duplicate=0, reorder=0, rate=0, queue=0):
        self._simulation = simulation
        self._chance = chance.random
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.rate = rate
        self.queue = queue
        self._delay = round(delay * 1000)  # µs
        self._jitter = round(jitter * 1000)
        self._receivers = {}  # by packed address
        self._members = {}  # by group: lists of (address, number of the membership)
        self._free_at = 0  # when the link has sent all that waits for it
        self.offered = Load()  # what the nodes have sent
        self.carried = Load()  # what the link has sent
        self.longest_queue = 0  # bytes
        self.sent = self.dropped = self.lost = self.doubled = self.arrived = 0
        self.under_way = 0
        self.last = 0  # when the last datagram arrived
        self.trace = None
        self.cut = (
            frozenset()
        )  # packed addresses that are not in the network now: what they send, or is for them, is lost
        self.spared = frozenset()  # packed addresses; nothing that they send, or that is sent to them alone, gets lost

    def attach(self, address, receive):
        """Have receive(data, source, group) called with what is sent to this packed address."""
        if address in self._receivers:
            raise ValueError(f"{uri.address_text(address)}: there is an endpoint of that address")
        self._receivers[address] = receive

    def join(self, address, group, membership):
        """Have what is sent to this packed group address reach `address` too, as membership number `membership`."""
        self._members.setdefault(group, []).append((address, membership))

    def send(self, source, peer, data):
        """Take a datagram from `source` to `peer`, packed addresses."""
        now = self._simulation.now
        size = len(data) + HEADERS
        self.sent += 1
        self.offered.add(now, now, size)
        self._tell("sent", source, peer, data)
        leaves = now
        if self.rate:
            start = max(now, self._free_at)
            waiting = (start - now) * self.rate // SECOND + size
            if self.queue and start > now and waiting > self.queue:
                self.dropped += 1
                self._tell("dropped", source, peer, data)
                return
            self.longest_queue = max(self.longest_queue, waiting)
            self._free_at = leaves = start - (-size * SECOND // self.rate)
            self.carried.add(start, leaves, size)
        else:
            self.carried.add(now, now, size)
        if uri.is_multicast(peer):
            for address, membership in self._members.get(peer, ()):
                if address != source:
                    self._carry(leaves, source, address, data, membership)
        elif peer in self._receivers:
            self._carry(leaves, source, peer, data, 0)

    def _carry(self, leaves, source, address, data, group):
        chance = self._chance
        copies = 1
        if self.duplicate and chance() < self.duplicate:
            self.doubled += 1
            copies = 2
        for _ in range(copies):
            cut = source in self.cut or address in self.cut
            spared = source in self.spared or address in self.spared
            if cut or (self.loss and chance() < self.loss and not spared):
                self.lost += 1
                self._tell("lost", source, address, data)
                continue
            time = leaves + self._delay + int(chance() * self._jitter)
            if self.reorder and chance() < self.reorder:
                time += int(chance() * HELD)
            self.under_way += 1
            self._simulation.at(time, self._arrive, source, address, data, group)

    def _arrive(self, source, address, data, group):
        self.under_way -= 1
        self.arrived += 1
        self.last = self._simulation.now
        self._tell("arrived", source, address, data)
        self._receivers[address](data, source, group)

    def _tell(self, what, source, peer, data):
        if self.trace is not None:
            self.trace(what, source, peer, data)

    def result(self):
        """What the network has carried, as a dict: bytes, bytes/s, datagrams, s."""
        return {
            "rate": self.rate,
            "peak_load": self.offered.peak,
            "bytes_offered": self.offered.total,
            "bytes_carried": self.carried.total,
            "longest_queue": self.longest_queue,
            "datagrams": {
                "sent": self.sent,
                "dropped_by_queue": self.dropped,
                "lost": self.lost,
                "doubled": self.doubled,
                "arrived": self.arrived,
            },
            "simulated_s": self.last / SECOND,
        }


class Load:
    """Bytes over time: `bins` of 0.1 s, their `total`, and `peak`, the most within any second.

    The window of the peak is a second since the link's usual queue holds what it sends in one: where no second has more
    than the rate allows, nothing is dropped.
    """

    def __init__(self):
        self.bins = []
        self.total = 0
        self.peak = 0
        self._window = deque()  # (time, bytes)
        self._within = 0  # bytes in the window

    def add(self, start, end, size):
        """Count `size` bytes, spread over the time from start to end; starts do not go back."""
        self.total += size
        self.bins += [0] * (end // BIN + 1 - len(self.bins))
        if start == end:
            self.bins[start // BIN] += size
        else:
            for i in range(start // BIN, end // BIN + 1):
                self.bins[i] += size * (min(end, (i + 1) * BIN) - max(start, i * BIN)) / (end - start)
        self._window.append((start, size))
        self._within += size
        while self._window[0][0] <= start - SECOND:
            self._within -= self._window.popleft()[1]
        self.peak = max(self.peak, self._within)
