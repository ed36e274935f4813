"""A proxy with all its parts and small tables, under whatever its clients, servers, forgers and the clock do to it.

Each world is one way to set a proxy up. After every step its tables must agree with each other, and what was sent must
be what its receiver asked for; after all of it, and a few days, everything must be free again and the proxy must serve.
"""

import gc
import json
import random
import time

import peers
import pytest
import support
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.aggregate import Collections
from groupcoap.proxy.aggregation import Aggregation
from groupcoap.proxy.cache import Cache
from groupcoap.proxy.caching import Caching
from groupcoap.proxy.chain import Chain
from groupcoap.proxy.exchanges import FREE, SILENT, UNICAST_CON
from groupcoap.proxy.forward import ForwardProxy
from groupcoap.proxy.local import Local
from groupcoap.proxy.members import Members
from groupcoap.proxy.names import response_forwarding
from groupcoap.proxy.observing import Observations
from groupcoap.proxy.pace import Pace
from groupcoap.proxy.relay import Relay
from groupcoap.proxy.reverse import ADDRESS, HOST, PATH, ReverseProxy, StandIn
from groupcoap.proxy.status import Status

from wire import (
    GROUP,
    GROUP2,
    MULTICAST_SIGNALING,
    MULTICAST_TIMEOUT,
    NEAR_WRAP,
    PROXY,
    REPLY_FROM,
    RESPONSE_FORWARDING,
    STRANGER,
    UNKNOWN_SAFE,
    UNKNOWN_UNSAFE,
    Wire,
    datagram,
    uint,
)

CON, NON, ACK, RST = n.CON, n.NON, n.ACK, n.RST
CLIENTS = [uri.pack(bytes((192, 0, 2, 9 + i // 2)), 40000 + i % 2) for i in range(5)]
SERVERS = [uri.pack(bytes((192, 0, 2, 50 + i))) for i in range(4)]
HOP = uri.pack(b"\xc0\x00\x02\x02")
OWN = [uri.pack(bytes((192, 0, 2, 21 + i))) for i in range(3)]
TOKENS = [b"", b"a", b"tok", b"token678"]
GROUP_ETAG = 24
SLOTS = 5
WORLDS = ("forward", "reverse", "chain", "reverse chain")
MOODS = ("cache", "individual", "observe", "observe individual", "aggregate")
DAY = 86400000  # ms


def resource_of(request):
    """What the last segment of the path is called, b"" if there is none."""
    found = b""
    for number, value in request.options:
        if number == n.URI_PATH:
            found = value
        elif number == n.PROXY_URI:
            found = value.split(b"/")[3] if value.count(b"/") > 2 else b""
        elif number == n.PROXY_CRI:
            found = value[-2:] if value[-2:-1] == b"c" else value[-1:]
    return found


def name(server):
    return b"\x82\x20\x81\x44" + server[:4]


def spoilt(rng, data):
    """The same with a few of its options' and payload's bytes gone wrong."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(4 + (data[0] & 15 if len(data) > 12 else 0), max(5, len(data) + 1))
        if at >= len(data):
            data.append(rng.randrange(256))
            continue
        what = rng.randrange(4)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at] = rng.choice((0, 13, 14, 15, 0xD0, 0xE0, 0xF0, 0xFF))
        elif what == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 4))
        else:
            del data[at:]
    return bytes(data)


class World:
    """A proxy of this sort, and what its clients and servers remember."""

    def __init__(self, sort, seed):
        self.rng = random.Random("%s %d" % (sort, seed))
        self.sort = sort
        self.hops = sort.endswith("chain")
        self.wire = Wire(self.rng.choice((NEAR_WRAP, 0, 0x1FFFFFFF, self.rng.randrange(1 << 30))))
        sizes = {"recent_messages": self.rng.choice((4, 16, 64)), "kept_answers": 3, "kept_bytes": 24, "outgoing": 2}
        self.down = self.wire.port(token_slots=1, **sizes)
        sizes["kept_answers"] = 1
        parameters = Parameters(nstart=self.rng.choice((1, 8)))
        self.up = self.wire.port(token_slots=SLOTS, parameters=parameters, **sizes)
        self.up.endpoint.mids[0] = self.down.endpoint.mids[0] = 0xFF80
        self.relay = relay = Relay(self.down.endpoint, self.up.endpoint, 3, 120)
        timers = self.wire.timers
        self.observations = Observations(relay, 2, 3)
        self.chain = Chain(relay, HOP if sort == "chain" else None, 1, PROXY) if self.hops else None
        self.aggregation = Aggregation(relay, Collections(1, 300, timers))
        self.cache = Cache(512, 4, SLOTS, 6, timers, self.wire.entropy)
        self.caching = Caching(relay, self.cache, Members({GROUP: tuple(SERVERS[:2])}))
        allow = [Client(CLIENTS[0][:4], (GROUP, GROUP2)), Client(CLIENTS[2][:4], (GROUP,), exchanges=3)]
        allow.append(Client(CLIENTS[4][:4], (GROUP, GROUP2), requests=60))
        access = AllowList(allow)
        local = Local(self.down.endpoint)
        settings = {"nstart": 3, "copies": self.rng.choice((1, 3)), "max_timeout": 20}
        if self.rng.random() < 0.3:
            settings["pace"] = Pace(1000, timers, (GROUP, GROUP2))
        if self.rng.random() < 0.5:
            settings["forwarding"] = response_forwarding(RESPONSE_FORWARDING)
        self.ports = {PROXY: self.down}
        if sort.startswith("reverse"):
            hop = HOP if self.hops else None
            stand_ins = [
                StandIn(GROUP, HOST, "lights.example", True, hop),
                StandIn(GROUP2, PATH, [b"floor1"], True, hop, [b"up"] if hop else None),
                StandIn(GROUP, ADDRESS, OWN[0], {SERVERS[0]: OWN[1], SERVERS[1]: OWN[2]}, hop),
            ]
            roles = [ReverseProxy(relay, local, access, PROXY, stand_ins, **settings)]
            for own in roles[0].addresses():
                sizes.update(outgoing=1, kept_answers=2)
                self.ports[own] = port = self.wire.port(token_slots=1, buf=self.down.endpoint.buf, **sizes)
                relay.serve(port.endpoint)
                roles.append(ReverseProxy(relay, local, access, own, stand_ins, down=port.endpoint, **settings))
        else:
            roles = [ForwardProxy(relay, local, access, PROXY, **settings)]
        for role in roles:
            role.down.role = role
        self.status = Status(roles, lambda: self.wire.now)
        self.ends = [port.endpoint for port in self.ports.values()] + [self.up.endpoint]
        self.transmits = [end.transmit for end in self.ends]
        self.asked = {}  # names of resources by (own address, client, token)
        self.mids = {}  # Message IDs of what a client has sent, by (own address, client)
        self.got = []  # of (own address, Packet): what clients have got last
        self.requests = []  # of Packet: what went upstream last
        self.origins = {}  # (own address, client, token) of the request that is open, by the proxy's token
        self.newest = {}  # and the other way round
        self.count = 0  # responses
        self.mood = None

    # What the proxy has sent

    def look(self, response=None):
        """Check what was sent: (clients' packets, servers')."""
        found = []
        for own, port in self.ports.items():
            for p in port.sent():
                self.check_for_client(own, p)
                found.append(p)
                p.to = own, p.peer, p.token
                self.got.append((own, p))
        del self.got[:-12]
        sent = self.up.sent()
        for p in sent:
            if p.kind < ACK and p.code:
                if p.code == n.METHOD_NOT_ALLOWED:  # to noise
                    continue
                assert p.code < 32, p.raw
                assert len(p.token) in (0, 8), p.raw  # without one no answers are wanted
                if p.token:
                    self.requests.append(p)
        del self.requests[:-12]
        assert len(found) <= 8 and len(sent) <= 8, (found, sent)
        if response is not None:
            assert sum([response in p.payload for p in found]) <= 1, response
        return found, sent

    def check_for_client(self, own, p):
        assert p.peer in CLIENTS or p.peer == STRANGER, p.peer
        if p.kind == ACK or p.kind == RST:
            assert p.mid in self.mids.get((own, p.peer), ()), p.raw
        if not p.code:
            return
        assert p.code >= 64, p.raw
        names = self.asked.get((own, p.peer, p.token))
        assert names is not None, (p.peer, p.token)
        assert b"forged" not in p.payload, p.payload
        for part in p.payload.split(b"[")[1:]:
            found = part.split(b"#")[0]
            assert b"#" not in part or found in names or None in names, (p.peer, p.token, names, p.payload)

    # What clients do

    def send(self, own, peer, data, resource=None):
        key = own, peer
        if len(data) > 3:
            self.mids.setdefault(key, set()).add(data[2] << 8 | data[3])
            if data[0] & 15 <= 8:
                names = self.asked.setdefault(key + (data[4 : 4 + (data[0] & 15)],), set())
                names.update((resource, b""))
        self.ports[own].deliver(data, peer)
        for slot in range(SLOTS):
            token = self.up.endpoint.tokens.token(slot)
            if self.relay.kinds[slot] not in (FREE, SILENT) and token not in self.origins:
                asker = key + (data[4 : 4 + (data[0] & 15)],)
                self.origins[token] = asker
                self.newest[asker] = token

    def request(self):
        rng = self.rng
        if self.mood:
            self.usual_request()
            return
        own = rng.choice(list(self.ports))
        peer = rng.choice(CLIENTS + [STRANGER]) if rng.random() < 0.9 else CLIENTS[0]
        at = CLIENTS.index(peer) if peer in CLIENTS else 9
        resource = rng.choice((b"t", b"t", b"u", b"c%d" % at, b"c%d" % at))
        code = rng.choice((n.GET,) * 8 + (n.POST, n.POST, n.PUT, n.DELETE, n.FETCH, n.PATCH, n.IPATCH))
        kind = rng.choice((CON, NON))
        token = rng.choice(TOKENS)
        options = self.target(own, resource)
        if rng.random() < 0.25:
            options.append((n.OBSERVE, uint(rng.choice((0, 0, 0, 1, 2)))))
        if rng.random() < 0.2:
            options.append((n.ACCEPT, uint(rng.choice((62, 62, 62, 0)))))
        for chance, number, values in (
            (0.1, n.BLOCK2, [0x01, 0x02, 0x10, 0x21, 0x07, 0x31, 0x20]),
            (0.05, n.BLOCK1, [0x00, 0x08, 0x12, 0x1A]),
            (0.1, n.HOP_LIMIT, [0, 1, 2, 255]),
            (0.05, n.NO_RESPONSE, [2, 26]),
            (0.03, UNKNOWN_SAFE, [1]),
            (0.03, UNKNOWN_UNSAFE, [1]),
        ):
            if rng.random() < chance:
                options.append((number, uint(rng.choice(values)) or b"\0"))
        if rng.random() < 0.15:
            options.append((n.ETAG, rng.choice((b"1", b"2", b"12345678"))))
        tags = [p.option(GROUP_ETAG) for _, p in self.got if p.code and len([o for o in p.options if o[0] == 24]) == 1]
        if rng.random() < 0.1 and tags:
            options.append((GROUP_ETAG, rng.choice(tags)))
        options.sort(key=lambda pair: pair[0])
        payload = b""
        if code != n.GET and rng.random() < 0.5:
            payload = bytes(rng.choice((3, 16, 200, 1000, 1100)))
        last = self.mids.get((own, peer), ())
        mid = rng.choice(list(last)) if last and rng.random() < 0.03 else rng.randrange(65536)
        data = datagram(kind, code, mid, token, options, payload)
        if rng.random() < 0.08:
            data = spoilt(rng, data)
            resource = None  # there is no saying what it asks for
        data = data[:1280] if rng.random() < 0.99 else data
        self.send(own, peer, data, resource)
        self.look()
        again = rng.random()
        if again < 0.15:
            self.send(own, peer, data, resource)
            _, sent = self.look()
            fields = data[0], data[1]
            if fields[1] == n.POST and not any(number == n.BLOCK1 or number == n.BLOCK2 for number, _ in options):
                assert not [p for p in sent if p.code], "a POST was carried out twice"

    def usual_request(self):
        """One of those that are good for this mood: so they get further into the proxy."""
        rng = self.rng
        own = PROXY
        peer = rng.choice(CLIENTS)
        token = rng.choice(TOKENS) if rng.random() < 0.5 else rng.randbytes(8)
        code = n.GET if rng.random() < 0.95 else n.PUT
        options = []
        group = not self.mood.endswith("individual")
        observe = self.mood.startswith("observe")
        if observe:
            peer = CLIENTS[0] if rng.random() < 0.8 else peer
            token = rng.choice(TOKENS[:2])
        if group:
            options.append((MULTICAST_TIMEOUT, b"\x05"))
        if self.sort.startswith("reverse"):
            host = b"lights.example" if group else uri.ip_text(SERVERS[0][:-2]).encode()
            options += [(n.URI_HOST, host), (n.URI_PATH, b"t")]
        else:
            host = GROUP if group else SERVERS[0]
            options.append((n.PROXY_URI, b"coap://" + uri.ip_text(host[:-2]).encode() + b"/t"))
        if observe or rng.random() < 0.05:
            options.append((n.OBSERVE, uint(rng.choice((0, 0, 0, 0, 0, 1)))))
        if self.mood == "aggregate":
            options.append((n.ACCEPT, b"\x3e"))
            if rng.random() < 0.6:
                options.append((n.BLOCK2, uint(rng.choice((0x01, 0x11, 0x10, 0x21, 0x12, 0x91)))))
        tags = [value for _, p in self.got for number, value in p.options if number == GROUP_ETAG]
        if tags and rng.random() < 0.5:
            options.append((GROUP_ETAG, tags[-1]))
        options.sort(key=lambda pair: pair[0])
        data = datagram(rng.choice((CON, NON)), code, rng.randrange(65536), token, options)
        self.send(own, peer, data, b"t")
        self.look()

    def target(self, own, resource):
        rng = self.rng
        options = []
        if rng.random() < 0.7:
            options.append((MULTICAST_TIMEOUT, uint(rng.choice((0, 1, 2, 5, 5, 10, 10, 10, 100, 1 << 20)))))
        elif rng.random() < 0.4:
            options.append((MULTICAST_SIGNALING, uint(rng.choice((0, 2, 10)))))
        host = rng.choice([GROUP] * 6 + [GROUP2] * 2 + SERVERS[:3] + [PROXY, OWN[0]])
        text = uri.ip_text(host[:-2]).encode()
        path = (n.URI_PATH, resource)
        if self.sort.startswith("reverse"):
            way = rng.randrange(5)
            if way == 0:
                return options + [(n.URI_HOST, rng.choice((b"lights.example", text, b"\xff"))), path]
            if way == 1:
                return options + [(n.URI_PATH, b"floor1"), path]
            if way == 2:
                return options + [(n.URI_PATH, b"floor1"), (n.URI_PATH, text), path]
            return options + [path]
        way = rng.randrange(8)
        if way == 0:
            options += [(n.URI_HOST, text), (n.PROXY_SCHEME_NUMBER, b""), path]
        elif way == 1:
            options += [(n.URI_HOST, text), (n.PROXY_SCHEME, rng.choice((b"coap", b"coap", b"COAP", b"http"))), path]
        elif way == 2:
            cri = b"\x83\x20\x81\x44" + host[:4] + b"\x81" + bytes((0x60 | len(resource),)) + resource
            options.append((n.PROXY_CRI, cri))
        elif way == 3:
            options.append(rng.choice(((n.URI_PATH, b".well-known"), path, (n.PROXY_URI, b"coap://" + text + b"/"))))
            if options[-1][1] == b".well-known":
                options.append((n.URI_PATH, b"core"))
        else:
            options.append((n.PROXY_URI, b"coap://" + text + b"/" + resource))
        return options

    def early_stop(self):
        rng = self.rng
        keys = list(self.asked)
        if keys:
            own, peer, token = rng.choice(keys)
            options = [(MULTICAST_TIMEOUT, b"")]
            if rng.random() < 0.1:
                options.append((n.URI_PATH, b"t"))
            mid = rng.randrange(65536)
            self.send(own, peer, datagram(rng.choice((CON, NON)), n.GET, mid, token, options), b"t")
            self.look()

    def settle(self):
        """A client acknowledges or resets something it has got, or that somebody else has."""
        rng = self.rng
        if self.got:
            own, p = rng.choice(self.got)
            peer = p.peer if rng.random() < 0.9 else rng.choice(CLIENTS)
            kind = rng.choice((ACK, ACK, ACK, RST)) if p.kind == CON else RST
            mid = p.mid if rng.random() < 0.9 else rng.randrange(65536)
            data = datagram(kind, 0, mid)
            self.ports[own].deliver(data, peer)
            self.look()

    # What servers do

    def response(self):
        rng = self.rng
        if not self.requests:
            return
        request = rng.choice(self.requests[-4:] if rng.random() < 0.8 else self.requests)
        if not request.code:
            return
        group = uri.is_multicast(request.peer)
        peer = rng.choice(SERVERS) if group else request.peer
        self.count += 1
        usual = self.mood and rng.random() < 0.8
        if usual and group:
            peer = rng.choice(SERVERS[:2])
        resource = resource_of(request)
        payload = b"[%s#%d]" % (resource, self.count)
        response = payload
        token = request.token
        kind, mid = rng.choice((NON, NON, NON, CON)), rng.randrange(65536)
        if request.kind == CON and rng.random() < 0.7:
            kind, mid = ACK, request.mid
        if rng.random() < 0.1 and not usual:
            payload = b"forged"
            if group or rng.random() < 0.5:
                token = token[:4] + bytes([(b + 1) & 255 for b in token[4:]])
            else:
                peer = rng.choice(SERVERS + CLIENTS)
                if peer == request.peer:
                    return
        code = rng.choice(
            (n.CONTENT,) * 8 + (n.VALID, n.VALID, n.CHANGED, n.NOT_FOUND, 0xA3, 0xA5, 0xA8, 0x5F, n.CREATED)
        )
        if usual:
            code = n.VALID if rng.random() < 0.3 and request.code == n.GET else n.CONTENT
        if code != n.CONTENT and rng.random() < 0.5:
            payload = b""
        options = []
        observe = [value for number, value in request.options if number == n.OBSERVE]
        if rng.random() < (0.8 if observe else 0.05):
            options.append((n.OBSERVE, uint(rng.choice((self.count, self.count, rng.randrange(1 << 24))))))
        asked = [value for number, value in request.options if number == n.ETAG]
        if usual or rng.random() < 0.5:
            options.append((n.ETAG, rng.choice(asked) if asked and rng.random() < 0.7 else rng.choice((b"1", b"2"))))
        if rng.random() < 0.4:
            options.append((n.MAX_AGE, uint(rng.choice((0, 1, 3, 60, 0xFFFFFFFF)))))
        if rng.random() < 0.1:
            options.append((n.BLOCK2, uint(rng.choice((1, 8, 0x1A, 0xFFFFFF)))))
        if self.hops and rng.random() < 0.8 or rng.random() < 0.1:
            value = name(rng.choice(SERVERS))
            more = rng.randrange(6)
            if more == 0:
                value += b"\x82\xf6\x81\x44" + SERVERS[1][:4]
            elif more == 1:
                value += b"\x82\xf5\x82\x62up\x6a192.0.2.51"
            elif more == 2:
                value += b"\x83\xf6\x81\x44" + SERVERS[1][:4] + b"\x80"
            elif more == 3 and rng.random() < 0.3:
                value = rng.randbytes(rng.choice((0, 5, 20, 300)))
            elif more == 4 and rng.random() < 0.1:
                value = bytes(rng.choice((1000, 1034, 1035, 1140, 1200)))
            options.append((REPLY_FROM, value))
        if rng.random() < 0.05:
            options.append(
                rng.choice(
                    (
                        (MULTICAST_TIMEOUT, b"\x05"),
                        (n.PROXY_URI, b"x"),
                        (UNKNOWN_UNSAFE, b"x"),
                        (UNKNOWN_SAFE, b"x"),
                        (GROUP_ETAG, b"g"),
                        (n.LOCATION_PATH, bytes(900)),
                    )
                )
            )
        options.sort(key=lambda pair: pair[0])
        if payload and rng.random() < 0.15:
            payload += bytes(rng.choice((60, 150, 1000, 1120, 1160)))
        data = datagram(kind, code, mid, token, options, payload)[:1280]
        if rng.random() < 0.05 and payload != b"forged":
            data = data[:12] + spoilt(rng, b"\x40\0\0\0" + data[12:])[4:]
            if b"#" in data and response not in data:
                return  # it would say another resource
        self.up.deliver(data, peer)
        found, _ = self.look(response)
        for p in found:
            if response in p.payload and request.token in self.origins:
                assert p.to == self.origins[request.token], "a response for somebody else"
                assert self.newest[p.to] == request.token, "a response to a request whose token is used anew"
        if rng.random() < 0.15:
            self.up.deliver(data, peer)
            found, _ = self.look()
            assert not found, "the same datagram was relayed twice"

    def server_settles(self):
        rng = self.rng
        if self.requests and not (self.mood and rng.random() < 0.8):
            p = rng.choice(self.requests)
            peer = p.peer if not uri.is_multicast(p.peer) else rng.choice(SERVERS)
            self.up.deliver(datagram(rng.choice((ACK, ACK, RST)), 0, p.mid), peer)
            self.look()

    def noise(self):
        rng = self.rng
        data = rng.randbytes(rng.choice((0, 3, 4, 8, 30)))
        if rng.random() < 0.5:
            self.up.deliver(data, rng.choice(SERVERS + CLIENTS))
        else:
            self.send(rng.choice(list(self.ports)), rng.choice(CLIENTS), data)
        self.look()

    def time(self):
        rng = self.rng
        span = rng.choice((1, 10, 100, 300, 1000, 1000, 2000, 5000, 11000))
        if rng.random() < 0.02:
            span = rng.choice((65000, 250000, DAY // 2, DAY + 1))
        self.pass_time(span)

    def pass_time(self, span):
        """Timers run one after the other, what each sends is looked at."""
        timers = self.wire.timers
        left = span
        while left > 0:
            at = timers.poll_at()
            wait = left if at is None else (at - self.wire.now) & 0x3FFFFFFF
            wait = 0 if wait >= 1 << 29 else min(wait, left)
            self.wire.advance(wait)
            left -= max(wait, 0)
            self.look()
            if wait == 0 and at is not None and timers.poll_at() == at:
                left -= 1

    ACTIONS = [request] * 30 + [response] * 45 + [settle] * 8 + [early_stop] * 2 + [server_settles] * 5
    ACTIONS += [noise] + [time] * 14

    def step(self):
        if self.rng.random() < 0.02:
            self.mood = self.rng.choice((None, None, None, None, *MOODS))
        self.rng.choice(self.ACTIONS)(self)

    # Whether the tables agree

    def check(self):
        relay, up = self.relay, self.up.endpoint
        tokens = up.tokens
        timers = self.wire.timers
        used = [slot for slot in range(SLOTS) if tokens.owners[slot] is not None]
        stack = list(tokens._stack[: tokens.free])
        assert sorted(used + stack) == list(range(SLOTS)), (used, stack)
        held = []
        for slot in range(SLOTS):
            owner = tokens.owners[slot]
            assert (owner is relay) == (relay.kinds[slot] != FREE), slot
            assert (owner is self.caching) == (self.caching._fetching[slot] != 0xFF), slot
            assert timers.running(tokens._first + slot) == (owner is not None), slot
            due = timers.running(relay._due_timers + slot)
            if relay._held_at[slot] >= 0:
                held.append(relay._held_at[slot])
            if owner is relay:
                assert (
                    relay.downs[slot] is not None and relay.peers[slot] in CLIENTS and relay.clients[slot] is not None
                )
                assert relay.kinds[slot] != UNICAST_CON or due
                assert due or not relay._copies[slot]
                continue
            for column in (
                relay.targets,
                relay.peers,
                relay.clients,
                relay.downs,
                relay._ways,
                relay._names,
                relay.digests,
            ):
                assert column[slot] is None, slot
            assert not due and relay._held_at[slot] < 0 and not relay._copies[slot]
            assert not timers.running(self.caching._first + slot)
            assert not self.observations._states[slot] and not self.observations._busy[slot]
            assert not self.observations._wanted[slot] and not self.aggregation._states[slot]
            assert not self.caching._ours[slot] and self.caching._groups[slot] is None
            assert not self.cache._expecting[slot]
        assert sorted(held) == [i for i in range(3) if relay.held.peers[i] is not None], held
        for at in range(SLOTS):
            slot = self.caching._fetching[at]
            assert slot == 0xFF or relay.kinds[slot], (at, slot)
        assert len(self.observations) <= 2
        for slot, origin in zip(self.observations._slots, self.observations._origins):
            assert (slot == 0xFF) == (origin is None)
            assert slot == 0xFF or self.observations._states[slot]
        self.check_collections()
        self.check_cache()
        for end, transmit in zip(self.ends, self.transmits):
            assert end.transmit == transmit and end.keeping == -1
            self.check_outgoing(end)
            for i in range(len(end.kept._lengths)):
                assert (end.kept._lengths[i] >= 0) == timers.running(end.kept._first + i), i
                waits = [slot for slot in used if relay.kinds[slot] == UNICAST_CON and relay.downs[slot] is end]
                assert end.kept._lengths[i] or i in [relay._places[slot] for slot in waits], "nothing will be kept here"
        self.check_timers()
        self.status.read()

    def check_collections(self):
        collecting = [place.slot for place in self.aggregation.collections._places if place.state == 1]
        states = self.aggregation._states
        assert sorted(collecting) == [slot for slot in range(SLOTS) if states[slot]]
        for place in self.aggregation.collections._places:
            assert (place.slot is None) == (place.state != 1)
            running = self.wire.timers.running(self.aggregation.collections._first)
            assert running == (place.state > 1), place.state

    def check_cache(self):
        cache = self.cache
        for i in range(cache._places):
            row = cache._rows[i * cache._row : (i + 1) * cache._row]
            for slot in range(SLOTS):
                if row[cache._mark + (slot >> 3)] >> (slot & 7) & 1:
                    assert cache._expecting[slot], (i, slot)
        rooms = sorted((cache._at[i], cache._at[i] + cache._rooms[i]) for i in range(cache._places) if cache._states[i])
        for (_, end), (start, _) in zip(rooms, rooms[1:]):
            assert end <= start
        chained = []
        for i in cache._chains:
            while i != 0xFF:
                chained.append(i)
                i = cache._next[i]
                assert len(chained) <= cache._places
        assert sorted(chained) == [i for i in range(cache._places) if cache._states[i]]

    def check_outgoing(self, end):
        out = end.outgoing
        for i in range(out.places):
            taken = out._left[i] > 0
            assert taken == (out._owners[i] is not None) == (out._peers[i] is not None)
            running = self.wire.timers.running(out._first + i)
            if not taken:
                assert not running
                continue
            assert running == (out._timeouts[i] > 0)
            same = [j for j in range(out.places) if out._left[j] and out._peers[j] == out._peers[i]]
            assert [j for j in same if out._timeouts[j]], "nothing to this peer is under way"
            owner, ref = out._owners[i], out._refs[i]
            if owner is self.relay and ref >= 0:
                assert end is self.up.endpoint and self.relay.kinds[ref], ref
            elif owner is self.caching:
                assert self.caching._fetching[ref] != 0xFF, ref
            elif owner is self.observations:
                assert self.observations._busy[ref] and self.relay.downs[ref] is end, ref

    def check_timers(self):
        timers = self.wire.timers
        assert timers._live == sum([place >= 0 for place in timers._place])
        for i in range(timers._live):
            assert timers._place[timers._heap[i]] == i

    # In the end

    def drain(self):
        for _ in range(6):
            self.pass_time(DAY)
        self.check()
        assert self.up.endpoint.tokens.free == SLOTS
        assert not any(self.relay.kinds) and not len(self.observations)
        assert self.relay.held.peers == [None] * 3
        for end in self.ends:
            assert not any(end.outgoing._left), "a message is still under way"
            assert all(length < 0 for length in end.kept._lengths)
        assert [place.state for place in self.aggregation.collections._places] == [0]
        assert not any(self.cache._expecting)
        self.got = []
        self.requests = []
        self.asked = {}
        self.mids = {}
        self.check_service()

    def check_service(self):
        """A request goes on, and its answer comes back."""
        self.mood = "cache"
        end = [(n.URI_HOST, b"lights.example"), (n.URI_PATH, b"t")]
        if not self.sort.startswith("reverse"):
            end = [(n.PROXY_URI, b"coap://224.0.1.187/t")]
        self.send(PROXY, CLIENTS[0], datagram(NON, n.GET, 1, b"last", [(MULTICAST_TIMEOUT, b"\x05"), *end]), b"t")
        _, (sent,) = self.look()
        peer = HOP if self.hops else SERVERS[0]
        second = b"" if self.sort == "chain" else b"\x82\xf6\x81\x44" + SERVERS[0][:4]  # as a reverse-proxy says it
        options = [(REPLY_FROM, name(SERVERS[0]) + second)] if self.hops else []
        self.up.deliver(datagram(NON, n.CONTENT, 1, sent.token, options, b"[t#last]"), peer)
        (got,), _ = self.look()
        assert (got.token, got.payload) == (b"last", b"[t#last]")
        self.pass_time(DAY)


def run(sort, seed, steps, often=1):
    world = World(sort, seed)
    done = 0
    try:
        for done in range(steps):  # noqa: B007
            world.step()
            if done % often == 0:
                world.check()
        world.check()
        world.drain()
    except Exception as e:
        raise AssertionError(f"{sort}, seed {seed}, step {done}: {type(e).__name__}: {e}") from e
    return world


@pytest.mark.parametrize("sort", WORLDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_comes_leaves_the_tables_sound(sort, seed):
    run(sort, seed, 4000, often=3)


def test_objects_do_not_grow_with_traffic():
    counts = []
    world = World("forward", 1)
    for _ in range(3):
        for _ in range(1500):
            world.step()
        world.drain()
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[2] - counts[1] < 50, counts


# A node


def node_samples(group, server):
    """Good messages for every part of a proxy."""
    target, single = [(n.PROXY_URI, b"coap://%s/temp" % host.encode()) for host in (group, server)]
    timeout = (MULTICAST_TIMEOUT, b"\x01")
    found = []
    for options in (
        [timeout, target],
        [timeout, (n.OBSERVE, b""), target],
        [timeout, (n.OBSERVE, b"\x01"), target],
        [timeout, (n.ACCEPT, b"\x3e"), target],
        [timeout, (n.ACCEPT, b"\x3e"), (n.BLOCK2, b"\x10"), target],
        [timeout, (n.ETAG, b"12345678"), (GROUP_ETAG, b"12345678"), target],
        [(MULTICAST_TIMEOUT, b""), target],
        [(MULTICAST_TIMEOUT, b"")],
        [single],
        [(n.OBSERVE, b""), single],
        [(n.PROXY_SCHEME_NUMBER, b""), (MULTICAST_SIGNALING, b"\x01")],
        [(n.URI_PATH, b".proxy"), (n.URI_PATH, b"status")],
        [(n.HOP_LIMIT, b"\x02"), single],
    ):
        for token in TOKENS[1:3]:
            kind = CON if len(token) == 1 else NON
            code = n.PUT if options == [single] and kind == CON else n.GET
            options = sorted(options, key=lambda pair: pair[0])
            found.append(datagram(kind, code, 7, token, options, b"22" if code == n.PUT else b""))
    return found + [datagram(RST, 0, 7), datagram(ACK, 0, 7)]


def await_answer(client, proxy, request):
    """The group's answer comes through the proxy, once what was sent before has had its time."""
    end = time.monotonic() + peers.ANSWER_S
    while time.monotonic() < end:
        client.drain()
        client.send_bytes(proxy, datagram(NON, n.GET, random.randrange(65536), b"fresh") + request[5:])
        if client.collect(1, 0.3, lambda m: (m.token, m.code) == (b"fresh", "2.05")):
            return
    pytest.fail("no answer through the proxy")


def test_complete_node_takes_no_more_heap_for_whatever_comes(lan, tmp_path):
    rng = random.Random(1)
    client, group = peers.Peer(lan.address()), lan.group()
    member = lan.address()
    config = json.loads((support.REPO / "host_tests/vm/complete_proxy.json").read_text())
    config["proxy"]["allow"] = [{"client": client.address, "groups": [group]}]
    config["proxy"]["members"] = [{"group": group, "servers": [member]}]
    config["proxy"]["max_timeout_s"] = 1
    server = {**peers.server_config(group, leisure_s=0), "address": member}
    server["resources"]["temp"]["observable"] = True
    good = node_samples(group, member)
    with peers.heap_node(config, lan, tmp_path / "proxy") as proxy, peers.heap_node(server, lan, tmp_path / "server"):
        heaps = []
        for _ in range(3):
            for _ in range(60):
                for _ in range(20):
                    data = bytearray(rng.choice(good))
                    data[2:4] = rng.randbytes(2)
                    if rng.random() < 0.4:
                        data = spoilt(rng, data)
                    client.send_bytes(proxy, bytes(data))
                client.ping(proxy)
            await_answer(client, proxy, good[0])
            heaps.append(proxy.heap())
        assert proxy.stderr() == ""
        assert max(heaps[1:]) - min(heaps[1:]) < 2048, heaps
