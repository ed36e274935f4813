"""The simulator, and what it shows: Confirmable requests over a lossy network, and a group's answers on a slow link."""

import json
import os
import subprocess
import sys
import time
import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest
import support
from groupcoap import numbers as n
from groupcoap import parameters, uri
from groupcoap.client import Client, RequestFailed
from groupcoap.server import Server

TOOLS = support.REPO / "tools"
sys.path.append(str(TOOLS))

from sim_group import GroupRun, answer_bytes, payload_of, server_address, spread  # noqa: E402
from simulation import HEADERS, NEAR_WRAP, SECOND, Load, Node, Simulation  # noqa: E402

SERVER = uri.pack("10.0.0.1")
CLIENT = uri.pack("10.0.0.2", 40000)
GROUP = uri.pack("224.0.1.187")
RATE = 4000  # bytes/s


# The network


class Receivers:
    """Some addresses of a network that note what arrives: (time in µs, data, source, group)."""

    def __init__(self, count=1, seed=1, **settings):
        self.simulation = Simulation(seed, **settings)
        self.network = self.simulation.network
        self.noted = [[] for _ in range(count)]
        self.addresses = [uri.pack(bytes((10, 0, 3, i))) for i in range(count)]
        for address, noted in zip(self.addresses, self.noted):
            self.network.attach(address, self._receive(noted))
            self.network.join(address, GROUP, 3)

    def _receive(self, noted):
        return lambda data, source, group: noted.append((self.simulation.now, data, source, group))

    def send(self, peer, data=b"1234"):
        self.network.send(CLIENT, peer, data)

    def many(self, count=4000, gap=10000):
        """Send that many datagrams to the first, `gap` µs apart, and let them arrive: which did, by their number."""
        for i in range(count):
            self.simulation.at(i * gap, self.send, self.addresses[0], b"%d" % i)
        self.simulation.run()
        return [int(data) for _, data, _, _ in self.noted[0]]


def test_delay_lies_within_base_and_jitter():
    receivers = Receivers(delay=10, jitter=5)
    receivers.many(1000)
    delays = [at - int(data) * 10000 for at, data, _, _ in receivers.noted[0]]
    assert 10000 <= min(delays) < 10500 and 14500 < max(delays) <= 15000


def test_loss_duplication_and_reordering_are_as_likely_as_told():
    assert 0.28 < 1 - len(Receivers(loss=0.3).many()) / 4000 < 0.32
    assert 0.08 < len(Receivers(duplicate=0.1).many()) / 4000 - 1 < 0.12
    order = Receivers(jitter=0).many()
    assert order == sorted(order)
    order = Receivers(jitter=0, reorder=0.1).many()
    overtaken = sum(1 for i in range(1, len(order)) if order[i] < max(order[max(0, i - 60) : i]))
    assert 0.08 < overtaken / 4000 < 0.12


def test_multicast_passes_the_link_once_and_each_member_has_its_own_fate():
    receivers = Receivers(200, loss=0.5, rate=1000)
    receivers.send(GROUP)
    receivers.simulation.run()
    assert receivers.network.carried.total == receivers.network.offered.total == 4 + HEADERS
    arrived = [noted[0] for noted in receivers.noted if noted]
    assert 70 < len(arrived) < 130 and len({at for at, *_ in arrived}) > 50
    assert {(data, source, group) for _, data, source, group in arrived} == {(b"1234", CLIENT, 3)}


def test_link_takes_its_time_for_every_byte_and_drops_what_its_queue_cannot_hold():
    receivers = Receivers(rate=1000, queue=96, delay=0, jitter=0)
    for i in range(5):
        receivers.send(receivers.addresses[0], b"%04d" % i)
    receivers.simulation.run()
    assert [(at, data) for at, data, _, _ in receivers.noted[0]] == [
        (32000, b"0000"),
        (64000, b"0001"),
        (96000, b"0002"),
    ]
    assert (receivers.network.dropped, receivers.network.longest_queue) == (2, 96)
    assert (receivers.network.offered.total, receivers.network.carried.total) == (160, 96)


def test_load_is_spread_over_its_time_and_its_peak_is_the_fullest_second():
    load = Load()
    load.add(50_000, 250_000, 100)
    assert load.bins == [25, 50, 25]
    load.add(SECOND, SECOND, 10)
    assert load.peak == 110  # from 0.05 s on
    load.add(SECOND + 50_000, SECOND + 50_000, 80)
    assert load.peak == 110 and load.total == 190


def test_clock_of_a_node_wraps_and_its_timers_run_on_time():
    simulation = Simulation()
    node = Node(simulation)
    assert node.now() == NEAR_WRAP
    ran = []
    timer = node.timers.reserve(1, lambda i, now: ran.append((simulation.now, now)))
    node.timers.set(timer, NEAR_WRAP + 299)
    node.wake()
    node.timers.set(timer, 200)  # later, and behind the wrap
    node.wake()
    simulation.run(2 * SECOND)
    assert ran == [(501_000, 200)] and simulation.now == 2 * SECOND


# Confirmable requests, one after the other from each of some clients


class Asked:
    """One request: the first transmission and its repetitions, what its client was told, and when (µs)."""

    def __init__(self, at):
        self.at = at
        self.sent = []
        self.reached = 0  # of its datagrams, those that arrived
        self.items = []
        self.told = None
        self.effects = 0  # how often it was carried out


class LossyRun:
    """1,000 Confirmable requests of this method: 30 % loss, 10 % duplication, reordering."""

    def __init__(self, method, seed, clients=20, requests=50):
        self.method = method
        self.requests = requests
        self.asked = {}  # by what is alone its own: 8 bytes at the end of its datagrams
        self.simulation = Simulation(seed, loss=0.3, duplicate=0.1, reorder=0.2, delay=20, jitter=40)
        self.simulation.network.trace = self._trace
        node = Node(self.simulation)
        # The answer to a POST is kept for EXCHANGE_LIFETIME (247 s): a place for each.
        self.server = Server(node.endpoint(SERVER, kept_answers=clients * requests), SERVER)
        self.server.endpoint.role = self.server
        self.server.resource("item", ("GET", "PUT", "POST"))(self._carry_out)
        for i in range(clients):
            node = Node(self.simulation)
            client = Client(node.endpoint(CLIENT[:3] + bytes((100 + i,)) + CLIENT[4:]))
            self.simulation.at(i * 7000, self._ask, node, client, i, 0)
        self.simulation.run()

    def _ask(self, node, client, i, number):
        key = b"%03d-%04d" % (i, number)
        asked = self.asked[key] = Asked(self.simulation.now)

        def deliver(item):
            asked.items.append(item)
            if item is None or isinstance(item, RequestFailed):
                asked.told = self.simulation.now
                if number + 1 < self.requests:
                    self.simulation.at(self.simulation.now + 50_000, self._ask, node, client, i, number + 1)

        target = uri.parse("coap://10.0.0.1/item" + ("?" + key.decode() if self.method == n.GET else ""))
        payload = b"" if self.method == n.GET else key
        client.send(deliver, node.now(), self.method, target, payload)
        node.wake()

    def _carry_out(self, request):
        key = bytes(request.payload()) or bytes(request.option(n.URI_QUERY))
        self.asked[key].effects += 1
        return b"did " + key

    def _trace(self, what, source, peer, data):
        if peer == SERVER and data[0] >> 4 == 4:
            if what == "sent":
                self.asked[data[-8:]].sent.append(self.simulation.now)
            elif what == "arrived":
                self.asked[data[-8:]].reached += 1


@pytest.fixture(scope="module", params=["POST", "PUT", "GET"])
def lossy(request):
    return LossyRun({"POST": n.POST, "PUT": n.PUT, "GET": n.GET}[request.param], seed=2026)


def failed(asked):
    return isinstance(asked.items[0], RequestFailed)


def test_lossy_run_has_all_that_can_happen(lossy):
    asked = lossy.asked.values()
    assert len(asked) == 1000
    assert any(failed(a) and a.reached for a in asked), "no request of which only the answers were lost"
    assert any(not failed(a) and a.reached > 1 for a in asked), "no request that arrived more than once"
    assert sum(failed(a) for a in asked) < 100


def test_request_that_reached_the_server_has_its_one_effect(lossy):
    for key, asked in lossy.asked.items():
        if lossy.method == n.POST:  # not idempotent: once, however often it arrives
            assert asked.effects == min(1, asked.reached), key
        else:
            assert (asked.effects > 0) == (asked.reached > 0) and asked.effects <= asked.reached, key


def test_client_is_told_of_one_response_or_of_a_failure(lossy):
    for key, asked in lossy.asked.items():
        if failed(asked):
            assert len(asked.items) == 1, key
        else:
            response, end = asked.items
            assert response.code in (n.CREATED, n.CHANGED, n.CONTENT) and end is None, key
            assert response.payload == b"did " + key and asked.effects, key


def test_repetitions_and_timeout_come_at_the_times_of_rfc_7252(lossy):
    # §4.2: the first timeout between ACK_TIMEOUT and that times ACK_RANDOM_FACTOR, doubled each time; MAX_RETRANSMIT
    # repetitions; failure a last timeout later, 31 times the first in all, at most MAX_TRANSMIT_WAIT (§4.8.2).
    timeouts = []
    for key, asked in lossy.asked.items():
        times = asked.sent + [asked.told]
        assert asked.sent[0] == asked.at and len(asked.sent) <= 5 and times == sorted(times), key
        gaps = [(b - a) / 1000 for a, b in zip(times, times[1:])]
        for i, gap in enumerate(gaps[:-1]):
            assert abs(gap - gaps[0] * 2**i) <= 2**i, (key, gaps)
        if len(gaps) > 1:
            timeouts.append(gaps[0])
            assert gaps[-1] <= gaps[0] * 2 ** (len(gaps) - 1) + 16, (key, gaps)
        if failed(asked):
            assert len(asked.sent) == 5, key
            assert abs(sum(gaps) - 31 * gaps[0]) <= 31, (key, gaps)
            assert 62000 <= sum(gaps) + 1 and sum(gaps) - 1 <= parameters.DEFAULT.max_transmit_wait == 93000, (
                key,
                gaps,
            )
    assert 1999 <= min(timeouts) < 2100 and 2900 < max(timeouts) <= 3001  # all of the span is made use of


# A group's answers


def test_500_servers_stay_below_the_rate_with_leisure_and_not_without():
    leisure = spread(500, answer_bytes(5, proxied=False), RATE)
    for seed in range(5):
        quiet = GroupRun(500, proxies=0, leisure=leisure, rate=RATE, queue=RATE, seed=seed).run()
        assert quiet["arrived"] == quiet["expected"] == 500 and quiet["lost"] == quiet["late"] == 0
        assert quiet["peak_load"] <= RATE and quiet["last_ms"] <= leisure + 100
        assert quiet["peak_load"] > RATE / 2  # and the leisure is no longer than it must be
        loud = GroupRun(500, proxies=0, leisure=0, timeout=30, rate=RATE, queue=RATE, seed=seed).run()
        assert loud["peak_load"] > 5 * RATE and loud["datagrams"]["dropped_by_queue"] > 300
        assert loud["arrived"] < 100 and loud["lost"] == 500 - loud["arrived"]


def test_requests_of_several_clients_at_once_stay_below_the_rate_too():
    # Leisure periods of one membership do not overlap (groupcomm-bis §3.1.8), so that the load does not add up.
    leisure = spread(200, answer_bytes(5, proxied=False), RATE)
    run = GroupRun(200, proxies=0, clients=3, leisure=leisure, rate=RATE, queue=RATE).run()
    assert run["arrived"] == 600 and run["peak_load"] <= RATE
    assert 2 * leisure < run["last_ms"] < 3 * leisure + 100


def test_leisure_without_headroom_keeps_the_rate_only_on_average():
    # Why `spread` gives more than S * G / R: with just that, some second has more than R.
    leisure = parameters.leisure(500, answer_bytes(5, proxied=False), RATE)
    runs = [GroupRun(500, proxies=0, leisure=leisure, rate=RATE, seed=seed).run() for seed in range(5)]
    assert all(run["peak_load"] > RATE for run in runs)
    assert all(0.9 * RATE < run["bytes_offered"] / (leisure / 1000) < 1.1 * RATE for run in runs)


@pytest.mark.parametrize("servers, size, rate", [(10, 48, 200), (100, 48, 1000), (2000, 100, 100000)])
def test_leisure_fits_other_groups_and_rates(servers, size, rate):
    for seed in range(3):
        leisure = spread(servers, answer_bytes(size - 42, False), rate)
        run = GroupRun(servers, proxies=0, leisure=leisure, payload=size - 42, rate=rate, queue=rate, seed=seed).run()
        assert run["arrived"] == servers and run["peak_load"] <= rate


def test_size_of_an_answer_is_as_it_is_on_the_wire():
    for proxies in (0, 1):
        run = GroupRun(1, proxies=proxies, leisure=0)
        sizes = []
        run.simulation.network.trace = lambda what, source, peer, data, sizes=sizes: (
            sizes.append(len(data) + HEADERS) if what == "sent" and data[1] == n.CONTENT else None
        )
        run.run()
        assert sum(sizes) == answer_bytes(5, proxies)


def test_every_answer_comes_through_the_proxy_with_its_origin():
    run = GroupRun(300, proxies=1, clients=2, leisure=4000, rate=100000)
    responses = []
    run.arrived = lambda response, ms: (responses.append(response), run.arrivals.append(ms))
    result = run.run()
    assert result["arrived"] == 600 and not result["errors"] and not result["delivered_twice"]
    assert Counter((r.origin, r.payload) for r in responses) == {
        (server_address(i), payload_of(i, 5)): 2 for i in range(300)
    }


def test_loss_costs_answers_and_duplicates_reach_no_program():
    result = GroupRun(400, proxies=0, leisure=20000, loss=0.1, duplicate=0.2, rate=0, seed=3).run()
    assert 0.74 < result["arrived"] / 400 < 0.9  # 0.9 * 0.9, and a little more by the copies
    assert result["duplicates"] > 30 and result["delivered_twice"] == 0
    assert result["arrived"] + result["lost"] + result["late"] == 400


def test_answers_after_the_timeout_are_late():
    for proxies in (0, 1):
        result = GroupRun(200, proxies=proxies, leisure=8000, timeout=4, rate=0).run()
        assert 80 < result["late"] < 120 and result["arrived"] == 200 - result["late"] and result["lost"] == 0


def test_2000_servers_take_little_time_and_memory():
    tracemalloc.start()
    try:
        few = GroupRun(50, proxies=0)
        before = tracemalloc.get_traced_memory()[0]
        more = GroupRun(150, proxies=0)
        each = (tracemalloc.get_traced_memory()[0] - before) / 150
    finally:
        tracemalloc.stop()
    assert few.servers + more.servers == 200 and each < 48 * 1024
    start = time.monotonic()
    run = GroupRun(2000, proxies=1, clients=2, requests=2, leisure=10000, rate=0, loss=0.05, duplicate=0.05, seed=1)
    result = run.run()
    seconds = time.monotonic() - start
    print(f"2,000 servers, 4 requests: {seconds:.1f} s, {run.simulation.events} events, {each / 1024:.1f} KB a server")
    assert result["expected"] == 8000 and result["arrived"] > 6000
    assert seconds < 20


# The program


def simulate(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(TOOLS / "simulate"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_same_seed_gives_the_same_output_and_another_does_not(tmp_path):
    def run(seed, name, hashes):
        arguments = ["--clients", 2, "--loss", 0.2, "--duplicate", 0.1, "--reorder", 0.1, "--leisure", 2, "--json"]
        done = simulate(60, *arguments, "--seed", seed, "--svg", tmp_path / name, PYTHONHASHSEED=hashes)
        assert done.returncode == 1 and not done.stderr
        return done.stdout, (tmp_path / name).read_bytes()

    once, again, other = run(5, "a.svg", "1"), run(5, "b.svg", "2"), run(6, "c.svg", "1")
    assert once == again and once[0] != other[0] and once[1] != other[1]
    assert json.loads(once[0])["expected"] == 120


def test_summary_and_drawing_say_what_happened(tmp_path):
    done = simulate(100, "--rate", 4000, "--leisure", "auto", "--svg", tmp_path / "run.svg")
    assert done.returncode == 0 and not done.stderr
    assert "expected 100, arrived 100, late 0, lost 0" in done.stdout
    words = " ".join(ElementTree.parse(tmp_path / "run.svg").getroot().itertext())
    assert "100 of 100 answers arrived in time" in words and "rate 4000 bytes/s" in words and "leisure" in words
    assert "loss 0 %" in words


def test_drawing_of_a_run_without_answers(tmp_path):
    done = simulate(3, "--loss", 1, "--proxies", 0, "--rate", 0, "--svg", tmp_path / "run.svg")
    assert done.returncode == 1 and "arrived 0, late 0, lost 3" in done.stdout
    ElementTree.parse(tmp_path / "run.svg")


@pytest.mark.parametrize(
    "arguments, key",
    [
        (["0"], "SERVERS"),
        (["many"], "SERVERS"),
        (["--loss", "1.5"], "--loss"),
        (["--delay", "-1"], "--delay"),
        (["--delay", "nan"], "--delay"),
        (["--leisure", "long"], "--leisure"),
        (["--leisure", "auto", "--rate", "0"], "--leisure"),
        (["--leisure", "auto", "--rate", "1", "--clients", "9"], "leisure * clients"),
        (["--timeout", "0"], "--timeout"),
        (["--svg", "/nonexistent/run.svg"], "/nonexistent/run.svg"),
        (["--colour"], "--colour"),
    ],
)
def test_wrong_argument_is_told_in_one_line(arguments, key):
    done = simulate(*arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("simulate: ") and key in done.stderr and done.stderr.count("\n") == 1


def test_help_has_examples():
    done = simulate("--help")
    assert done.returncode == 0 and "examples:" in done.stdout and "--leisure" in done.stdout
