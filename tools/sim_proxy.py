"""A scenario in simulated time: clients with many exchanges open at one proxy, and what it does held against its duty.

Whatever goes over the network is noted, and the duty follows from that alone: each answer that reaches the proxy before
T' is to be relayed, at once and once, to the client of its exchange, with its origin, and nothing else is. Each request
has a name of its own in its query; each answer has that name, its server's number and a count of that one's answers. So
every datagram says where it belongs, without the proxy's tables.
"""

import math
import re
from collections import Counter

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client, RequestFailed
from groupcoap.parameters import Parameters
from groupcoap.server import Server
from sim_group import GAP, GROUP, MARGIN, build_proxy, server_address
from sim_memory import footprint
from simulation import SECOND, Node, Simulation

PROXY = uri.pack("10.0.1.0")
OUTSIDE = uri.pack("10.0.1.0", 50000)  # where it talks to servers from
ORIGIN = b"\x82\x20\x81\x44"  # Reply-From [-1, [IP]], less the IP
NAME = re.compile(rb"\d{3}\.\d\.\d{3}")  # client, number of its exchange, round: in the query, and in the answers
ANSWER = re.compile(rb"\xff(\d{5}) \d{3} (\d{3}\.\d\.\d{3})")  # server's number, its count of answers, the name
NAME_LENGTH = 9
MOST_EXCHANGES = 9  # of a client at a time
RECENT = 8192  # places of the proxy's tables of duplicates: more than the answers that come within 0.5 s, many times
CLIENT_RECENT = 1024
PAUSE = 250 * SECOND  # between rounds: the proxy's 65,536 Message IDs are for all its clients (RFC 7252 §4.4)
LIFETIME = 247 * SECOND  # of an exchange, within which none is to come again
CLOCK = 1000  # µs: the proxy's clock is that coarse
PAYLOAD = 19  # bytes of an answer's


class Exchange:
    """One request of a client, and the answers to it, by the bytes that name each."""

    def __init__(self, name, client, timeout):
        self.name = name
        self.client = client  # packed address
        self.timeout = timeout  # T', s
        self.token = self.begun = self.due = None  # of the proxy, and from when to when it relays
        self.reached = {}  # the proxy, before T': when
        self.relayed = []
        self.arrived = set()  # at the client
        self.delivered = []  # to its program
        self.failed = False  # was the client told that it got no ACK?


class ProxyRun:
    """servers, clients: how many; exchanges: of each client at a time, 1 to 9, and that `requests` times in turn.

    leisure: ms; timeout: the longest T', s, None for what all leisure periods take; a client's requests have T' from
    half of that to all of it. spared: is nothing lost between clients and proxy? recent: places of the proxy's tables
    of duplicates. network: settings of `simulation.Network`.
    """

    def __init__(
        self,
        servers,
        clients=16,
        exchanges=4,
        requests=2,
        leisure=5000,
        timeout=None,
        spared=False,
        recent=RECENT,
        seed=0,
        **network,
    ):
        self.servers = servers
        self.leisure = leisure
        self.slots = clients * exchanges
        self.timeout = math.ceil(leisure * self.slots / 1000) + MARGIN if timeout is None else timeout
        self.simulation = Simulation(seed, **network)
        self.simulation.network.trace = self._trace
        self.exchanges = {}  # by name
        self.refused = Counter()  # by code: what the one request too many was told
        self.answers = self.late = self.duplicates = self.unknown = self.misdirected = self.no_origin = 0
        self.reused = 0  # Message IDs
        self.peak_open = 0
        self.memory = {"start": None, "open": [], "ended": []}  # (bytes, objects) of the proxy
        self._by_token = {}  # of the proxy's
        self._said = {}  # by client's address and Message ID: when the proxy has sent that
        self._by_client = {}  # by client's address and token
        self.aside = ()  # of the proxy's, what its memory is counted without
        self._exchanges = exchanges
        self._round = 0
        self._rounds = requests
        self._left = 0  # requests of this round that have not ended
        self._probed = False
        self._roles = [self._server(i, 2 * self.slots) for i in range(servers)]
        addresses = [uri.pack(bytes((10, 0, 2, i)), 40000) for i in range(clients)]
        node = Node(self.simulation)
        self.forward = build_proxy(node, PROXY, OUTSIDE, addresses, self.slots, self.timeout, recent)
        self._clients = [self._client(address, exchanges) for address in addresses]
        if spared:
            self.simulation.network.spared = frozenset(addresses)
        self.memory["start"] = self._footprint()
        self.simulation.at(0, self._begin)

    def _server(self, i, waiting):
        address = server_address(i)
        node = Node(self.simulation)
        endpoint = node.endpoint(address, token_slots=1, outgoing=1, kept_answers=1, recent_messages=4 * self.slots)
        sizes = {"waiting": waiting, "waiting_bytes": 64, "memberships": 1, "later": 0, "observers": 0, "uploads": 0}
        endpoint.role = server = Server(endpoint, address, **sizes)
        count = 0

        def temp(request):
            nonlocal count
            count += 1
            return b"%05d %03d %s" % (i, count % 1000, request.option(n.URI_QUERY))

        server.resource("temp", content_format=0, group=True)(temp)
        self.simulation.network.join(address, GROUP, server.join(self.leisure))
        return server

    def _client(self, address, exchanges):
        node = Node(self.simulation)
        places = exchanges + 1
        sizes = {"token_slots": places, "outgoing": places, "recent_messages": CLIENT_RECENT}
        return node, address, Client(node.endpoint(address, parameters=Parameters(nstart=places), **sizes))

    # What the clients do

    def _begin(self):
        if self.forward.relay.upstream.tokens.free < self.slots:  # a client has given up; the proxy has yet to
            self.simulation.at(self.simulation.now + SECOND, self._begin)
            return
        self._round += 1
        self._probed = False
        self._left = self.slots
        for i in range(len(self._clients)):
            self.simulation.at(self.simulation.now + i * GAP // 4, self._ask_all, i)

    def _ask_all(self, i):
        for j in range(self._exchanges):
            self._ask(i, j, self.timeout - j * (self.timeout // 2) // max(1, self._exchanges - 1))

    def _ask(self, i, j, timeout):
        node, address, client = self._clients[i]
        name = b"%03d.%d.%03d" % (i, j, self._round)
        exchange = self.exchanges[name] = Exchange(name, address, timeout)

        def deliver(item):
            if item is None or isinstance(item, RequestFailed):
                exchange.failed = item is not None
                self._ended()
            elif item.origin is None:
                self.refused[item.code] += 1
            else:
                found = ANSWER.fullmatch(b"\xff" + item.payload)
                wrong = found is None or found[2] != name or item.origin != server_address(int(found[1]))
                self.misdirected += wrong
                exchange.delivered.append(item.payload)

        target = uri.parse("coap://224.0.1.187/temp?" + name.decode())
        client.send(deliver, node.now(), n.GET, target, proxy=PROXY, timeout=timeout)
        node.wake()

    def _ended(self):
        self._left -= 1
        if not self._left:
            if self.forward.relay.upstream.tokens.free == self.slots:
                self.memory["ended"].append(self._footprint())
            if self._round < self._rounds:
                self.simulation.at(self.simulation.now + PAUSE, self._begin)

    def _one_more(self):
        # All slots are taken: what is a client told that has its share, and wants more?
        self._left += 1
        self._ask(0, self._exchanges, self.timeout)

    # What goes over the network

    def _trace(self, what, source, peer, data):
        now = self.simulation.now
        if what == "sent":
            if source == OUTSIDE and peer == GROUP:
                self._forwarded(data, now)
            elif source == PROXY and data[1] == n.CONTENT:
                self._relayed(peer, data, now)
            elif peer == PROXY and data[1] == n.GET:
                self._by_client[source, data[4 : 4 + (data[0] & 15)]] = NAME.search(data)[0]
        elif what == "arrived" and data[1] == n.CONTENT:
            if peer == OUTSIDE:
                self._reached(data, now)
            elif source == PROXY:
                payload = ANSWER.search(data)[0][1:]
                self.exchanges[payload[-NAME_LENGTH:]].arrived.add(payload)

    def _forwarded(self, data, now):
        exchange = self.exchanges[NAME.search(data)[0]]
        if exchange.begun is not None:
            self.misdirected += 1  # a request is to go to the group once
        exchange.token = data[4:12]
        exchange.begun = now
        exchange.due = now - now % CLOCK + exchange.timeout * SECOND
        self._by_token[exchange.token] = exchange
        tokens = self.forward.relay.upstream.tokens
        self.peak_open = max(self.peak_open, tokens.slots - tokens.free)
        if not tokens.free and not self._probed:
            self._probed = True
            self.memory["open"].append(self._footprint())
            self.simulation.at(now + CLOCK, self._one_more)

    def _reached(self, data, now):
        exchange = self._by_token[data[4:12]]
        payload = ANSWER.search(data)[0][1:]
        self.answers += 1
        if payload in exchange.reached:
            self.duplicates += 1
        elif now < exchange.due:
            exchange.reached[payload] = now
        else:
            self.late += 1

    def _relayed(self, peer, data, now):
        key = peer, data[2:4]
        self.reused += now - self._said.get(key, -LIFETIME) < LIFETIME
        self._said[key] = now
        found = ANSWER.search(data)
        name = self._by_client.get((peer, data[4 : 4 + (data[0] & 15)]))
        if name is None or name != found[2] or self.exchanges[name].client != peer:
            self.misdirected += 1
            return
        payload = found[0][1:]
        exchange = self.exchanges[name]
        exchange.relayed.append(payload)
        self.no_origin += ORIGIN + server_address(int(found[1]))[:4] not in data
        # What has not come, or came at another time, or after T', is nothing to relay now.
        self.unknown += exchange.reached.get(payload) != now

    def _footprint(self):
        down, up = self.forward.relay.downstream, self.forward.relay.upstream
        others = (self.simulation, self.simulation.network, self.simulation.entropy.__self__, *self.aside)
        return footprint((self.forward, down, up), others)

    # The result

    def run(self, progress=None):
        """Let it all happen: the figures of `result`."""
        self.simulation.run(progress=progress)
        return self.result()

    def result(self):
        """What happened, as a dict for JSON; `faults` are the proxy's and the clients', none of which are to be."""
        asked = [e for e in self.exchanges.values() if e.begun is not None]
        network = self.simulation.network
        tokens = self.forward.relay.upstream.tokens
        reached = sum(len(e.reached) for e in asked)
        relayed = sum(len(e.relayed) for e in asked)
        listening = [e for e in self.exchanges.values() if not e.failed]
        faults = {
            "not_relayed": sum(len(set(e.reached).difference(e.relayed)) for e in asked),
            "relayed_twice": sum(len(e.relayed) - len(set(e.relayed)) for e in asked),
            "relayed_wrongly": self.unknown,
            "misdirected": self.misdirected,
            "without_origin": self.no_origin,
            "message_ids_reused": self.reused,
            "not_delivered": sum(len(e.arrived.difference(e.delivered)) for e in listening),
            "delivered_twice": sum(len(e.delivered) - len(set(e.delivered)) for e in listening),
            "slots_not_freed": tokens.slots - tokens.free,
        }
        return {
            "servers": self.servers,
            "slots": self.slots,
            "peak_open": self.peak_open,
            "requests": len(asked),
            "failed_requests": sum(e.failed for e in self.exchanges.values()),
            "leisure_ms": self.leisure,
            "timeout_s": self.timeout,
            "answers": self.answers,
            "duplicates": self.duplicates,
            "late": self.late,
            "reached": reached,
            "relayed": relayed,
            "arrived": sum(len(e.arrived) for e in asked),
            "delivered": sum(len(e.delivered) for e in asked),
            "refused": {n.dotted(code): count for code, count in sorted(self.refused.items())},
            "faults": faults,
            "memory": self.memory,
            **network.result(),
        }
