"""A scenario in simulated time: clients ask a group of servers, directly or through proxies, and note the answers."""

import math
from statistics import median

from groupcoap import numbers as n
from groupcoap import parameters, uri
from groupcoap.client import Client, RequestFailed, Response
from groupcoap.origin import write_reply_from
from groupcoap.proxy.access import AllowList
from groupcoap.proxy.access import Client as Entry
from groupcoap.proxy.forward import ForwardProxy
from groupcoap.proxy.relay import Relay
from groupcoap.server import Server
from groupcoap.tokens import TOKEN_LENGTH
from simulation import HEADERS, SECOND, Node, Simulation

GROUP = uri.pack("224.0.1.187")
TARGET = uri.parse("coap://224.0.1.187/temp")
GAP = SECOND // 10  # between a client's requests, and between the clients' first ones
MARGIN = 2  # s that the clients wait for answers longer than a leisure
DEVIATIONS = 5  # standard deviations that are to fit under the rate


def server_address(i):
    return uri.pack(bytes((10, 1 + (i >> 16), i >> 8 & 255, i & 255)))


def payload_of(i, size):
    """What server i answers: its number, in `size` bytes."""
    return b"%0*d" % (size, i)


def answer_bytes(payload, proxied):
    """S: bytes of one server's answer on the link, with what it takes there again from the proxy to the client."""
    direct = HEADERS + 4 + TOKEN_LENGTH + 1 + 1 + payload  # Content-Format 0, payload marker
    if not proxied:
        return direct
    return 2 * direct + 2 + write_reply_from(bytearray(24), 0, server_address(0))


def spread(group_size, response_size, rate):
    """Leisure in ms by which the answers stay below `rate` bytes/s in every second, not only on average.

    S * G / R (RFC 7252 §8.2) makes R the mean load, which answers at random times exceed. Where m of them are expected
    in a second, the number that comes deviates by about sqrt(m); so the leisure is computed for a lower rate at which
    `DEVIATIONS` of those still fit under R: m + 5 sqrt(m) = R / S.
    """
    fit = rate / response_size
    mean = ((math.sqrt(DEVIATIONS * DEVIATIONS + 4 * fit) - DEVIATIONS) / 2) ** 2
    return parameters.leisure(group_size, response_size, max(1, int(mean * response_size)))


def build_proxy(node, address, outside, clients, slots, max_timeout, recent_messages=128):
    """A forward-proxy on this node, at `address` towards clients and `outside` towards servers (both packed).

    clients: the addresses of those that may send to the group; slots: exchanges at a time; max_timeout: the greatest
    T', s; recent_messages: places of either table of duplicates.
    """
    downstream = node.endpoint(address, token_slots=1, outgoing=2, recent_messages=recent_messages)
    upstream = node.endpoint(outside, token_slots=slots, recent_messages=recent_messages)
    local = Server(downstream, address, waiting=1)
    access = AllowList([Entry(client[:-2], (GROUP,), False) for client in clients])
    downstream.role = ForwardProxy(Relay(downstream, upstream), local, access, address, max_timeout=max_timeout)
    return downstream.role


class GroupRun:
    """servers, proxies, clients: how many; requests: of each client, one after the other has ended.

    leisure: ms; payload: bytes of an answer's; network: settings of `simulation.Network`. timeout: T', whole s, or None
    for as long as it takes; a server's leisure periods do not overlap, so that clients at once wait for each other.
    """

    def __init__(
        self, servers, proxies=1, clients=1, requests=1, leisure=5000, timeout=None, payload=5, seed=0, **network
    ):
        self.servers = servers
        self.leisure = leisure
        self.timeout = math.ceil(leisure * clients / 1000) + MARGIN if timeout is None else timeout
        self.requests = clients * requests
        self.expected = servers * self.requests
        self.simulation = Simulation(seed, **network)
        self.simulation.network.trace = self._trace
        self.arrivals = []  # ms from its request, of each answer
        self.delivered_twice = self.duplicates = self.late = self.failed = 0
        self.errors = {}  # answers that are no server's 2.05, by code
        self._collectors = {}  # endpoints that answers come to, by address
        self._heard = set()
        self._roles = [self._server(i, payload) for i in range(servers)]
        addresses = [uri.pack(bytes((10, 0, 2 + (i >> 8), i & 255)), 40000) for i in range(clients)]
        at = [self._proxy(i, addresses) for i in range(proxies)] or [None]
        for i, address in enumerate(addresses):
            asker = _Asker(self, address, at[i % len(at)], requests)
            self._collectors[address] = asker.client.endpoint
            self.simulation.at(i * GAP, asker.ask)

    def _server(self, i, payload):
        address = server_address(i)
        node = Node(self.simulation)
        endpoint = node.endpoint(address, token_slots=1, outgoing=1)
        endpoint.role = server = Server(endpoint, address)
        value = payload_of(i, payload)
        server.resource("temp", content_format=0, group=True)(lambda request: value)
        self.simulation.network.join(address, GROUP, server.join(self.leisure))
        return server

    def _proxy(self, i, clients):
        address = uri.pack(bytes((10, 0, 1, i)))
        outside = uri.pack(address[:-2], 50000)
        slots = max(16, min(255, len(clients)))
        proxy = build_proxy(Node(self.simulation), address, outside, clients, slots, self.timeout)
        self._collectors[outside] = proxy.relay.upstream
        return address

    def _trace(self, what, source, peer, data):
        # Of the answers that reach a client, or a proxy from the servers: which come again, and which too late?
        if what == "arrived" and data[1] >= n.CREATED and peer in self._collectors:
            key = (peer, source, data[: 4 + (data[0] & 15)])
            if key in self._heard:
                self.duplicates += 1
            else:
                self._heard.add(key)
                self.late += self._collectors[peer].tokens.find(data, source) < 0

    def arrived(self, response, ms):
        """Take note of a server's answer that has reached its client, `ms` after the request."""
        self.arrivals.append(ms)

    def run(self, progress=None):
        """Let it all happen: the figures of `result`."""
        self.simulation.run(progress=progress)
        return self.result()

    def result(self):
        """What happened, as a dict for JSON: bytes, bytes/s, ms."""
        network = self.simulation.network
        arrived = len(self.arrivals)
        return {
            "servers": self.servers,
            "requests": self.requests,
            "failed_requests": self.failed,
            "leisure_ms": self.leisure,
            "timeout_s": self.timeout,
            "expected": self.expected,
            "arrived": arrived,
            "late": self.late,
            "lost": self.expected - arrived - self.late,
            "duplicates": self.duplicates,
            "delivered_twice": self.delivered_twice,
            "errors": {n.dotted(code): count for code, count in sorted(self.errors.items())},
            "crowded": sum(server.groups.crowded for server in self._roles),
            "first_ms": min(self.arrivals, default=None),
            "median_ms": median(self.arrivals) if arrived else None,
            "last_ms": max(self.arrivals, default=None),
            **network.result(),
        }


class _Asker:
    # One client, and its requests one after the other.
    def __init__(self, run, address, proxy, requests):
        self._run = run
        self._proxy = proxy
        self._left = requests
        self._node = Node(run.simulation)
        self.client = Client(self._node.endpoint(address, token_slots=4))
        self._origins = set()
        self._sent = 0

    def ask(self):
        run = self._run
        self._left -= 1
        self._origins.clear()
        self._sent = run.simulation.now
        try:
            self.client.send(self._deliver, self._node.now(), n.GET, TARGET, proxy=self._proxy, timeout=run.timeout)
        except RequestFailed:
            self._end(True)
        self._node.wake()

    def _deliver(self, item):
        if not isinstance(item, Response):
            self._end(item is not None)
        elif item.code != n.CONTENT or item.origin is None:
            self._run.errors[item.code] = self._run.errors.get(item.code, 0) + 1
        elif item.origin in self._origins:
            self._run.delivered_twice += 1
        else:
            self._origins.add(item.origin)
            self._run.arrived(item, (self._run.simulation.now - self._sent) / 1000)

    def _end(self, failed):
        self._run.failed += failed
        if self._left:
            self._run.simulation.at(self._run.simulation.now + GAP, self.ask)
