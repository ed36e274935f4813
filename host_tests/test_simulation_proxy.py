"""A proxy with every slot in use, in simulated time: 1,000 servers, 64 open exchanges, 20 % loss."""

import json
import subprocess
import sys

import pytest
import support
from groupcoap import parameters, uri
from groupcoap.held import Held
from groupcoap.proxy.aggregate import Collections
from groupcoap.proxy.aggregation import Aggregation
from groupcoap.proxy.cache import Cache
from groupcoap.proxy.caching import Caching
from groupcoap.proxy.observing import Observations

TOOLS = support.REPO / "tools"
sys.path.append(str(TOOLS))

from sim_group import answer_bytes, spread  # noqa: E402
from sim_memory import footprint  # noqa: E402
from sim_proxy import LIFETIME, PAUSE, PAYLOAD, ProxyRun  # noqa: E402
from simulation import Simulation  # noqa: E402

SERVERS = 1000
RATE = 180000  # bytes/s
TIMEOUT = 60  # s, the longest T'
BAD = {"loss": 0.2, "duplicate": 0.05, "reorder": 0.1}
KEPT = 32 * 1024  # bytes that a proxy may have on top once it is in use: what 64 exchanges and its rings hold
NOISE = 256  # bytes: equal values may or may not be one object; one object kept for each exchange would be 2 KB a round


def run(**settings):
    leisure = spread(SERVERS, answer_bytes(PAYLOAD, proxied=True), RATE)
    done = ProxyRun(SERVERS, leisure=leisure, timeout=TIMEOUT, rate=RATE, queue=RATE, **BAD, **settings)
    return done, done.run()


@pytest.fixture(scope="module")
def upstream():
    """A run with loss between the proxy and the servers only, and its result."""
    return run(spared=True, requests=1, seed=1)


@pytest.fixture(scope="module")
def everywhere():
    """Two rounds with loss on every link."""
    return run(requests=2, seed=2)


@pytest.fixture(params=["upstream", "everywhere"])
def either(request):
    return request.getfixturevalue(request.param)


def test_run_has_all_that_can_happen(either):
    simulated, result = either
    rounds = len(result["memory"]["ended"])
    assert result["slots"] == result["peak_open"] == 64 and result["requests"] == 64 * rounds
    # Two thirds of the answers come, as both the request and its answer may be lost; the leisure is kept.
    assert 0.6 < result["answers"] / (64 * SERVERS * rounds) < 0.75
    assert result["late"] > 1000 * rounds and result["duplicates"] > 1000 * rounds
    assert result["peak_load"] < RATE and not result["datagrams"]["dropped_by_queue"]
    assert {e.timeout for e in simulated.exchanges.values()} == {30, 40, 50, 60}
    assert result["reached"] > 0.5 * 64 * SERVERS * rounds


def test_what_reached_the_proxy_in_time_is_relayed_once_to_its_client_with_its_origin(either):
    _, result = either
    assert not any(result["faults"].values()), result["faults"]
    assert result["relayed"] == result["reached"]


def test_each_client_gets_every_answer_that_reached_the_proxy_in_time(upstream):
    simulated, result = upstream
    assert result["delivered"] == result["reached"] > 32000 and not any(result["faults"].values())
    for exchange in simulated.exchanges.values():
        if exchange.begun is not None:
            assert set(exchange.delivered) == set(exchange.reached), exchange.name
            assert len(exchange.delivered) == len(exchange.reached), exchange.name
            assert all(exchange.begun < at < exchange.due for at in exchange.reached.values()), exchange.name


def test_loss_towards_the_clients_costs_a_fifth(everywhere):
    _, result = everywhere
    assert 0.79 < result["arrived"] / result["relayed"] < 0.83  # a little more than 0.8, by the copies
    assert result["delivered"] == result["arrived"]


def test_one_request_too_many_is_told_when_to_come_again(either):
    _, result = either
    assert result["refused"] == {"5.03": len(result["memory"]["ended"])}


def test_memory_of_the_proxy_is_what_it_was(either):
    _, result = either
    start = result["memory"]["start"][0]
    for size, _ in result["memory"]["open"] + result["memory"]["ended"]:
        assert size - start < KEPT


def test_memory_of_the_proxy_is_flat():
    memory = ProxyRun(20, leisure=200, timeout=20, spared=True, requests=24, seed=3, **BAD).run()["memory"]
    print(memory)
    for when in ("open", "ended"):
        sizes = [size for size, _ in memory[when][18:]]  # all that it remembers by number is full by then
        assert len(sizes) == 6 and max(sizes) - min(sizes) < NOISE, (when, memory[when])


@pytest.mark.parametrize("parts", [False, True], ids=["plain", "all parts"])
def test_memory_of_the_proxy_is_flat_with_1000_servers(parts):
    leisure = spread(SERVERS, answer_bytes(PAYLOAD, proxied=True), RATE)
    settings = {"leisure": leisure, "timeout": TIMEOUT, "rate": RATE, "queue": RATE, "requests": 6, "seed": 4}
    simulated = ProxyRun(SERVERS, clients=2, exchanges=4, spared=True, **settings, **BAD)
    forward = simulated.forward
    relay = forward.relay
    if parts:
        timers, entropy = relay.upstream.timers, relay.upstream.entropy
        relay.held = Held(simulated.slots, 160)
        cache = Caching(relay, Cache(4096, 32, simulated.slots, 6, timers, entropy)).cache
        Observations(relay)
        Aggregation(relay, Collections(1, 1024, timers))
    simulated.aside = (forward.names._known,)  # full and emptied by turns: 64 names at most
    result = simulated.run()
    print(result["memory"])
    assert not any(result["faults"].values()) and result["delivered"] == result["reached"] > 20000
    assert len(forward.names._known) <= 64
    for when in ("open", "ended"):
        sizes = [size for size, _ in result["memory"][when]][2:]
        assert len(sizes) == 4 and max(sizes) - min(sizes) < NOISE, (when, sizes)
    if parts:
        assert len(cache) == 32 and cache.used() <= 4096 and cache.evicted > 20000


# What these tests rest on


def test_nothing_is_lost_from_and_to_addresses_that_are_spared():
    simulation = Simulation(loss=0.5)
    network = simulation.network
    addresses = [uri.pack(bytes((10, 0, 3, i))) for i in range(3)]
    heard = dict.fromkeys(addresses, 0)
    for address in addresses:

        def receive(data, source, group, address=address):
            heard[address] += 1

        network.attach(address, receive)
    network.spared = frozenset(addresses[:1])
    for _ in range(200):
        network.send(addresses[0], addresses[1], b"1234")
        network.send(addresses[1], addresses[0], b"1234")
        network.send(addresses[1], addresses[2], b"1234")
    simulation.run()
    assert heard[addresses[0]] == heard[addresses[1]] == 200 and 60 < heard[addresses[2]] < 140


def test_footprint_counts_what_hangs_on_an_object_and_nothing_twice():
    class Table:
        def __init__(self):
            self.rows = [bytearray(1000), bytearray(1000)]
            self.again = self.rows
            self.call = lambda: self.rows

    table = Table()
    before, _ = footprint([table])
    assert 2000 < before < 4000
    table.rows.append(bytearray(5000))
    assert 5000 < footprint([table])[0] - before < 5300
    assert footprint([table], [table.rows])[0] < 2000


def small(broken=None, leisure=500):
    """The result of a small run, after broken(relay) has done its harm."""
    done = ProxyRun(40, clients=4, exchanges=2, requests=1, leisure=leisure, timeout=10, spared=True)
    if broken:
        broken(done.forward.relay)
    return done.run()


def every_tenth(instead):
    """Have instead(transmit, buf, length, peer) called for each tenth datagram to clients that has a payload."""

    def broken(relay):
        endpoint = relay.downstream
        transmit = endpoint.transmit
        count = 0

        def send(buf, length, peer):
            nonlocal count
            count += length > 30
            if length > 30 and not count % 10:
                instead(transmit, buf, length, peer)
            else:
                transmit(buf, length, peer)

        endpoint.transmit = send

    return broken


def faults(result):
    return {name for name, count in result["faults"].items() if count}


def test_a_proxy_without_faults_has_none():
    assert faults(small()) == set() and small()["relayed"] == 8 * 40


def drop(transmit, buf, length, peer):
    pass


def double(transmit, buf, length, peer):
    transmit(buf, length, peer)
    transmit(buf, length, peer)


def misdirect(transmit, buf, length, peer):
    transmit(buf, length, uri.pack("10.0.2.9", 40000))


def misname(transmit, buf, length, peer):
    transmit(bytes(buf).replace(b"\x82\x20\x81", b"\x82\x20\x80"), length, peer)


def repeat_message_id(transmit, buf, length, peer):
    transmit(bytes(buf[:3]) + b"\x00" + bytes(buf[4:]), length, peer)


@pytest.mark.parametrize(
    "instead, found",
    [
        (drop, {"not_relayed"}),
        (double, {"relayed_twice", "message_ids_reused"}),
        (misdirect, {"misdirected", "not_relayed"}),
        (misname, {"without_origin"}),
        (repeat_message_id, {"message_ids_reused"}),
    ],
)
def test_faults_of_a_proxy_are_found(instead, found):
    assert faults(small(every_tenth(instead))) >= found


def test_an_answer_that_is_relayed_late_is_found():
    def broken(relay):
        tokens = relay.upstream.tokens
        allocate = tokens.allocate
        tokens.allocate = lambda owner, lifetime, *rest: allocate(owner, lifetime + 3000, *rest)

    assert "relayed_wrongly" in faults(small(broken, leisure=1400))


def test_message_ids_are_watched_for_exchange_lifetime():
    assert LIFETIME == parameters.DEFAULT.exchange_lifetime * 1000 and PAUSE > LIFETIME


def test_a_slot_that_is_not_freed_is_found():
    def broken(relay):
        release = relay.upstream.tokens.release
        relay.upstream.tokens.release = lambda slot: slot == 3 or release(slot)

    assert "slots_not_freed" in faults(small(broken))


# The program


def simulate(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOLS / "simulate"), *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


SMALL = (40, "--clients", 4, "--exchanges", 2, "--leisure", 0.5, "--timeout", 10, "--loss", 0.2, "--spare-clients")


def test_program_checks_a_proxy():
    done = simulate(*SMALL)
    assert done.returncode == 0 and not done.stderr
    assert "8 of 8 slots in use" in done.stdout and "5.03: 1" in done.stdout
    assert done.stdout.endswith("faults     none\n")


def test_program_gives_the_same_figures_for_the_same_seed():
    once, again, other = (simulate(*SMALL, "--json", "--seed", seed) for seed in (1, 1, 2))
    assert once.returncode == 0 and once.stdout == again.stdout != other.stdout
    figures = json.loads(once.stdout)
    assert figures["delivered"] == figures["relayed"] == figures["reached"] > 150


@pytest.mark.parametrize(
    "arguments, key",
    [
        (["--exchanges", "0"], "--exchanges"),
        (["--exchanges", "9", "--clients", "29"], "--exchanges"),
        (["--exchanges", "2", "--svg", "x.svg"], "--svg"),
        (["--exchanges", "2", "--payload", "50"], "--payload"),
        (["--exchanges", "2", "--proxies", "0"], "--proxies"),
        (["--exchanges", "2", "--requests", "1000"], "--requests"),
        (["--exchanges", "9", "--clients", "28", "--leisure", "200"], "leisure * clients"),
        (["--spare-clients"], "--spare-clients"),
    ],
)
def test_wrong_argument_is_told_in_one_line(arguments, key):
    done = simulate(*arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("simulate: ") and key in done.stderr and done.stderr.count("\n") == 1
