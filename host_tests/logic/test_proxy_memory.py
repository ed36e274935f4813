"""A proxy whose slots are all taken, round after round: it relays what is in time, and its heap does not grow."""

import gc

from groupcoap import numbers as n
from groupcoap import uri
from wire import GROUP, Proxied, group_request

VMS = ("cpython", "unix")  # the WebAssembly VM collects nothing while Python code runs

SLOTS = 64
CLIENTS = [uri.pack(bytes((192, 0, 2, 100 + i)), 40000) for i in range(8)]
SERVERS = [uri.pack(bytes((192, 0, 2, 1 + i))) for i in range(12)]
TIMEOUT = 10  # s, T' of each request
ROUNDS = 6
REFUSED = 20  # requests too many, in each round; more than the proxy remembers


class Chance:
    """Pseudo-random numbers, the same on every VM."""

    def __init__(self):
        self._seed = 1

    def __call__(self, below):
        self._seed = self._seed * 75 % 65537
        return self._seed % below


def full_proxy():
    return Proxied(SLOTS, [(client[:-2], (GROUP,), False) for client in CLIENTS], sizes={"recent_messages": 512})


def ask(proxy, i, number):
    """Have a client send its i-th request of this round: what the proxy answers."""
    options = group_request(timeout=bytes((TIMEOUT,)))
    return proxy.ask(options, n.CON, token=b"%03d%05d" % (i, number), peer=CLIENTS[i & 7])


def open_all(proxy, number):
    """Take every slot: the proxy's token of each request."""
    tokens = []
    for i in range(SLOTS):
        (ack,) = ask(proxy, i, number)
        assert ack.is_empty(n.ACK, ack.mid) and ack.peer == CLIENTS[i & 7]
        (forwarded,) = proxy.up.sent()
        assert forwarded.peer == GROUP
        tokens.append(forwarded.token)
    assert proxy.free() == 0
    return tokens


def one_too_many(proxy, number):
    for i in range(REFUSED):
        (refusal,) = ask(proxy, SLOTS + i, number)
        assert refusal.code == n.SERVICE_UNAVAILABLE and refusal.option(n.MAX_AGE)
    assert proxy.up.sent() == []


def answers(proxy, tokens, number, chance):
    """Every server answers every request, less a fifth that is lost; some come twice: how many were relayed."""
    relayed = 0
    for j, server in enumerate(SERVERS):
        for i, token in enumerate(tokens):
            mid = number * SLOTS + i
            for copy in range(0 if chance(5) == 0 else 1 + (chance(20) == 0)):
                sent = proxy.answer(token, mid, payload=b"%d of %d" % (j, i), peer=server)
                assert len(sent) == (copy == 0)
                for answer in sent:
                    assert answer.peer == CLIENTS[i & 7] and answer.token == b"%03d%05d" % (i, number)
                    assert answer.payload == b"%d of %d" % (j, i) and answer.raw.find(server[:-2]) > 0
                    relayed += 1
    return relayed


def too_late(proxy, tokens):
    for i, token in enumerate(tokens):
        assert proxy.answer(token, 0x8000 + i, peer=SERVERS[0]) == []


def one_round(proxy, number, chance):
    tokens = open_all(proxy, number)
    one_too_many(proxy, number)
    proxy.wire.advance(1000 * TIMEOUT - 1)
    relayed = answers(proxy, tokens, number, chance)
    assert SLOTS * len(SERVERS) // 2 < relayed < SLOTS * len(SERVERS)
    proxy.wire.advance(1)
    assert proxy.free() == SLOTS
    too_late(proxy, tokens)
    proxy.wire.advance(300000)  # Message IDs come again after that


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def test_rounds_of_64_open_exchanges_leave_nothing_behind():
    proxy = full_proxy()
    chance = Chance()
    used = [0] * ROUNDS
    for number in range(ROUNDS):
        one_round(proxy, number, chance)
        used[number] = in_use()
    print(used, "bytes")
    assert used[-1] <= used[1], used
