"""The configuration of a proxy: what is wrong is told in one line that names the key, what is right is taken."""

import json
import os
import subprocess

import pytest
import support
from test_bad_input import assert_refused, run

GROUP, OWN = "224.0.1.187", "127.0.0.10"
SERVER = "192.0.2.5"


def config(**proxy):
    return {"role": "proxy", "address": OWN, "proxy": proxy}


def reverse(*entries, **more):
    return config(mode="reverse", stands_in_for=list(entries), **more)


def entry(**more):
    return {"group": GROUP, **more}


def behind(**pair):
    """A reverse-proxy with an own address for each of two servers; the second pair is given."""
    pairs = [{"server": SERVER, "address": "127.0.0.11"}, pair]
    return reverse(entry(address=OWN, server_addresses=pairs))


def member(**more):
    return config(cache_bytes=256, members=[{"group": GROUP, "servers": [SERVER]}, more])


FIRST = "proxy.stands_in_for[0]"
SECOND = "proxy.stands_in_for[1]"
PAIR = FIRST + ".server_addresses[1]"

# What is wrong, the key that the line begins with, and a word of what is expected.
WRONG = [
    # next_hop
    (config(next_hop=5), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop="proxy.example"), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop="coap://192.0.2.2"), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop=GROUP), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop="192.0.2.2:0"), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop="192.0.2.2:65536"), "proxy.next_hop", "192.0.2.5"),
    (config(next_hop="2001:db8::2"), "proxy.next_hop", "IPv4"),
    (config(next_hop=OWN), "proxy.next_hop", "another"),
    (config(next_hop=OWN + ":5683"), "proxy.next_hop", "another"),
    (reverse(entry(host="a"), next_hop="192.0.2.2"), "proxy.next_hop", "stands_in_for"),
    (config(round_trip_s=0), "proxy.round_trip_s", "60"),
    (config(round_trip_s=61), "proxy.round_trip_s", "60"),
    (config(round_trip_s=1.5), "proxy.round_trip_s", "whole"),
    (config(next_hop="192.0.2.2", round_trip_s=20, max_timeout_s=20), "proxy.round_trip_s", "max_timeout_s"),
    (reverse(entry(host="a", next_hop="192.0.2.2"), max_timeout_s=1), "proxy.round_trip_s", "max_timeout_s"),
    (
        config(next_hop="192.0.2.2", round_trip_s=2, allow=[{"client": SERVER, "max_timeout_s": 2}]),
        "proxy.allow[0].max_timeout_s",
        "round_trip_s",
    ),
    (
        reverse(entry(host="a"), entry(host="b", next_hop="192.0.2.2"), allow=[{"client": SERVER, "max_timeout_s": 1}]),
        "proxy.allow[0].max_timeout_s",
        "round_trip_s",
    ),
    # stands_in_for
    (config(mode="reverse"), "proxy.stands_in_for", "an entry"),
    (config(stands_in_for=[entry(host="a")]), "proxy.stands_in_for", "no entry"),
    (config(mode="reverse", stands_in_for={}), "proxy.stands_in_for", "list"),
    (reverse(*[entry(host=str(i)) for i in range(17)]), "proxy.stands_in_for", "16"),
    (reverse("group1.com"), FIRST, "object"),
    (reverse({"host": "a"}), FIRST + ".group", "missing"),
    (reverse(entry(group=SERVER, host="a")), FIRST + ".group", "multicast"),
    (reverse(entry(group="ff05::fd", host="a")), FIRST + ".group", "IPv4"),
    (reverse(entry(colour="red")), FIRST + ".colour", "server_addresses"),
    (reverse(entry()), FIRST, "one of host, path, address"),
    (reverse(entry(host="a", path="a")), FIRST, "one of host, path, address"),
    (reverse(entry(host="a", address=OWN)), FIRST, "one of host, path, address"),
    (reverse(entry(host="")), FIRST + ".host", "63"),
    (reverse(entry(host="x" * 64)), FIRST + ".host", "63"),
    (reverse(entry(host=5)), FIRST + ".host", "text"),
    (reverse(entry(host="a"), entry(host="A")), SECOND + ".host", "twice"),
    (reverse(entry(path="")), FIRST + ".path", "a/b"),
    (reverse(entry(path="/lights")), FIRST + ".path", "a/b"),
    (reverse(entry(path="lights/")), FIRST + ".path", "a/b"),
    (reverse(entry(path="a/b/c/d/e")), FIRST + ".path", "4 segments"),
    (reverse(entry(path="x" * 17)), FIRST + ".path", "16"),
    (reverse(entry(path="é" * 9)), FIRST + ".path", "16"),
    (reverse(entry(path=["a"])), FIRST + ".path", "a/b"),
    (reverse(entry(path="a/b"), entry(path="a/b", servers=True)), SECOND + ".path", "twice"),
    (reverse(entry(path="a"), entry(path="a/b")), SECOND + ".path", "behind"),
    (reverse(entry(address="p.example")), FIRST + ".address", "IPv4"),
    (reverse(entry(address=GROUP)), FIRST + ".address", "IPv4"),
    (reverse(entry(address="2001:db8::1")), FIRST + ".address", "IPv4"),
    (reverse(entry(address=OWN, port=0)), FIRST + ".port", "65535"),
    (reverse(entry(address=OWN), entry(address=OWN, group="224.0.1.188")), SECOND + ".address", "twice"),
    (reverse(entry(host="a", servers="yes")), FIRST + ".servers", "true"),
    (reverse(entry(address=OWN, servers=True)), FIRST + ".servers", "server_addresses"),
    (reverse(entry(host="a", next_hop="host")), FIRST + ".next_hop", "192.0.2.5"),
    (reverse(entry(host="a", next_hop="2001:db8::2")), FIRST + ".next_hop", "IPv4"),
    (reverse(entry(host="a", next_hop=OWN)), FIRST + ".next_hop", "another"),
    (reverse(entry(host="a", next_path="b")), FIRST + ".next_path", "path and next_hop"),
    (reverse(entry(path="a", next_path="b")), FIRST + ".next_path", "path and next_hop"),
    (reverse(entry(path="a", next_hop="192.0.2.2", next_path="/")), FIRST + ".next_path", "a/b"),
    (
        reverse(entry(host="a", servers=True, next_hop="192.0.2.2"), entry(host="b", servers=True)),
        SECOND + ".next_hop",
        "Uri-Host",
    ),
    (
        reverse(entry(host="a", servers=True), entry(host="b", servers=True, next_hop="192.0.2.2")),
        SECOND + ".next_hop",
        "Uri-Host",
    ),
    # server_addresses
    (
        reverse(entry(host="a", server_addresses=[{"server": SERVER, "address": "127.0.0.11"}])),
        FIRST,
        "without address",
    ),
    (reverse(entry(address=OWN, server_addresses={})), FIRST + ".server_addresses", "list"),
    (reverse(entry(address=OWN, server_addresses=[{}] * 33)), FIRST + ".server_addresses", "32"),
    (behind(server="192.0.2.6"), PAIR + ".address", "missing"),
    (behind(address="127.0.0.12"), PAIR + ".server", "missing"),
    (behind(server=GROUP, address="127.0.0.12"), PAIR + ".server", "192.0.2.5"),
    (behind(server="2001:db8::5", address="127.0.0.12"), PAIR + ".server", "IPv4"),
    (behind(server="192.0.2.6", address="::1"), PAIR + ".address", "IPv4"),
    (behind(server="192.0.2.6", address="127.0.0.12:5684"), PAIR + ".address", "IPv4"),
    (behind(server="192.0.2.6", address="127.0.0.12", port=65536), PAIR + ".port", "65535"),
    (behind(server=SERVER, address="127.0.0.12"), PAIR + ".server", "twice"),
    (behind(server="192.0.2.6", address="127.0.0.11"), PAIR + ".address", "twice"),
    (behind(server="192.0.2.6", address=OWN), PAIR + ".address", "twice"),
    # members
    (config(members={}), "proxy.members", "list"),
    (config(members=[{"group": GROUP, "servers": [SERVER]}]), "proxy.members", "cache_bytes"),
    (config(members=[{}] * 9), "proxy.members", "8"),
    (member(servers=[SERVER]), "proxy.members[1].group", "missing"),
    (member(group=GROUP, servers=["192.0.2.6"]), "proxy.members[1].group", "twice"),
    (member(group="224.0.1.188"), "proxy.members[1]", "either"),
    (
        member(group="224.0.1.188", servers=[SERVER], resource_directory="coap://192.0.2.9/rd"),
        "proxy.members[1]",
        "either",
    ),
    (member(group="224.0.1.188", servers=[GROUP]), "proxy.members[1].servers[0]", "192.0.2.5"),
    (member(group="224.0.1.188", servers=[SERVER, SERVER]), "proxy.members[1].servers[1]", "twice"),
    (member(group="224.0.1.188", servers=["2001:db8::5"]), "proxy.members[1].servers[0]", "IPv4"),
    (member(group="224.0.1.188", resource_directory="192.0.2.9"), "proxy.members[1].resource_directory", "coap://"),
    # the others
    (config(upstream_address=GROUP), "proxy.upstream_address", "IPv4"),
    (config(upstream_address="::1"), "proxy.upstream_address", "IPv4"),
    (config(group_copies=4), "proxy.group_copies", "3"),
    (config(observations=33), "proxy.observations", "32"),
    (config(held_bytes=63), "proxy.held_bytes", "1152"),
    (config(cache_bytes=100), "proxy.cache_bytes", "256"),
    (config(cache_bytes=8193), "proxy.cache_bytes", "8192"),
    (config(cache_entries=0), "proxy.cache_entries", "128"),
    (config(aggregate="yes"), "proxy.aggregate", "true"),
    (config(aggregate_bytes=255), "proxy.aggregate_bytes", "8192"),
    (config(response_forwarding=1), "proxy.response_forwarding", "true"),
    (config(status="on"), "proxy.status", "true"),
    (config(allow=[{"client": SERVER, "exchanges": 0}]), "proxy.allow[0].exchanges", "255"),
    (config(allow=[{"client": SERVER, "requests_a_minute": 0}]), "proxy.allow[0].requests_a_minute", "6000"),
    (config(allow=[{"client": SERVER, "max_timeout_s": 86401}]), "proxy.allow[0].max_timeout_s", "86400"),
]

IPV6 = reverse(
    entry(
        group="ff05::fd",
        address="2001:db8::1",
        server_addresses=[{"server": "[2001:db8::5]:61616", "address": "2001:db8::11"}],
        next_hop="2001:db8::2",
    )
)

RIGHT = [
    {**IPV6, "address": "2001:db8::1", "multicast_interface": "eth0"},
    config(next_hop="192.0.2.2:61616", round_trip_s=60),
    config(next_hop=OWN + ":5684"),
    config(next_hop="192.0.2.2", round_trip_s=2, allow=[{"client": SERVER, "max_timeout_s": 3}]),
    config(round_trip_s=2, allow=[{"client": SERVER, "max_timeout_s": 1}]),
    reverse(entry(host="group1.com", servers=True, next_hop="192.0.2.2")),
    reverse(entry(path="a/b"), entry(path="a/c"), entry(path="a", next_hop="192.0.2.2", next_path="x/y")),
    reverse(entry(path="a", next_hop="192.0.2.2")),
    reverse(entry(host="a", servers=True), entry(host="b", next_hop="192.0.2.2"), entry(host="c", servers=True)),
    reverse(*[entry(host=host, servers=True, next_hop="192.0.2.2") for host in "ab"]),
    reverse(entry(address=OWN), entry(address=OWN, port=5684), entry(host="a")),
    behind(server=SERVER + ":61616", address="127.0.0.11", port=5684),
    reverse(
        entry(address=OWN),
        entry(host="a"),
        cache_bytes=256,
        members=[{"group": GROUP, "servers": [SERVER, SERVER + ":61616"]}],
    ),
    member(group="224.0.1.188", resource_directory="coap://192.0.2.9/rd"),
]

PROGRAM = """
import json, sys
import config
for value in json.load(sys.stdin):
    try:
        config.check(value)
        print("taken")
    except config.ConfigError as e:
        print(e)
"""


@pytest.fixture(scope="module")
def said():
    """What the unix port's node says of each of these configurations, by their JSON."""
    values = [case[0] for case in WRONG] + RIGHT
    path = f"{support.REPO / 'lib'}:{support.REPO / 'firmware'}:.frozen"
    done = subprocess.run(
        [support.micropython(), "-c", PROGRAM],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MICROPYPATH": path},
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(values), done.stdout[-200:] + done.stderr
    return dict(zip(map(json.dumps, values), lines, strict=True))


@pytest.mark.parametrize(("value", "key", "word"), WRONG, ids=[f"{case[1]}-{case[2]}" for case in WRONG])
def test_wrong_configuration_names_its_key(value, key, word, said):
    line = said[json.dumps(value)]
    assert line.startswith(key) and line[len(key)] in ":.[" and word in line, line


@pytest.mark.parametrize("value", RIGHT, ids=[json.dumps(value["proxy"])[:60] for value in RIGHT])
def test_right_configuration_is_taken(value, said):
    assert said[json.dumps(value)] == "taken"


def test_node_says_it_in_one_line_and_ends_with_status_2(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(reverse(entry(host="a", path="b"))))
    assert_refused(run("node", path), "groupcoap: " + FIRST + ": ", "one of host")
