"""What is wrong is told in one line, or dropped: arguments, configurations, datagrams. Only a signal ends a node."""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import peers
import pytest
import support
from peers import ACK, CON, MULTICAST_TIMEOUT, NON, PROXY_URI, RST

AT_ONCE = 2.5  # s: a wrong argument is told before anything is sent, so long before a peer can have been silent


def run(tool, *arguments, **environment):
    """Run tools/node or tools/groupcoap, which should end at once; one that goes on is ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, support.REPO / "tools" / tool, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MICROPYTHON": support.micropython(), **environment},
    )
    try:
        stdout, stderr = process.communicate(timeout=AT_ONCE if tool == "groupcoap" else support.READY_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        stdout, stderr = process.communicate()
        pytest.fail(f"{tool} went on with {arguments}: {stdout}{stderr}")
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def assert_refused(process, *words):
    """Status 2, and one line on stderr that has all these words."""
    shown = process.stdout + process.stderr
    assert "Traceback" not in shown, shown
    assert (process.returncode, process.stdout) == (2, ""), shown
    assert process.stderr.count("\n") == 1 and process.stderr.endswith("\n"), shown
    for word in words:
        assert word in process.stderr


# The command-line client

HERE = "coap://127.0.0.1/temp"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["get|put|post|delete"]),
        (["frob", HERE], ["frob"]),
        (["get"], ["URI"]),
        (["get", "127.0.0.1/temp"], ["URI"]),
        (["get", "http://127.0.0.1/temp"], ["URI", "coap://", "http"]),
        (["get", "coap://"], ["URI"]),
        (["get", "coap://127.0.0.1:99999/temp"], ["URI", "99999", "65535"]),
        (["get", "coap://127.0.0.1/%zz"], ["URI", "%zz"]),
        (["get", "coap://127.0.0.1/temp#part"], ["URI", "fragment"]),
        (["get", "coap://127.0.0.1/" + "x" * 256], ["255"]),
        (["get", "coap://127.0.0.1/temp?" + "x" * 256], ["255"]),
        (["get", HERE, "--block-size", "8"], ["--block-size"]),
        (["get", HERE, "--etag", "xyz"], ["--etag"]),
        (["get", HERE, "--copies", "2"], ["copies"]),
        (["get", "coap://224.0.1.187/temp", "--output", "file"], ["--output"]),
        (["put", HERE, "@/nope"], ["/nope"]),
        (["get", HERE, "--no-such-option"], ["--no-such-option"]),
        (["get", HERE, "--proxy", "127.0.0.1"], ["--proxy", "://"]),
        (["get", HERE, "--proxy", "coap://224.0.1.187"], ["--proxy", "coap://ADDRESS"]),
        (["get", HERE, "--proxy", "coap://127.0.0.1/path"], ["--proxy", "coap://ADDRESS"]),
        (["get", HERE, "--profile", "03"], ["--profile", "03"]),
        (["get", HERE, "--timeout", "-1"], ["--timeout", "-1"]),
        (["get", HERE, "--timeout", "1.5"], ["--timeout", "1.5"]),
        (["get", HERE, "--timeout", "86401"], ["--timeout", "86400"]),
        (["get", HERE, "--bind", "here"], ["--bind", "here"]),
        (["get", HERE, "--bind", "192.0.2.77"], ["192.0.2.77"]),
        (["get", "coap://224.0.1.187/temp", "--multicast-interface", "192.0.2.77"], ["192.0.2.77"]),
        (["put", HERE, "1", "--content-format", "65536"], ["--content-format", "65535"]),
    ],
    ids=lambda value: " ".join(value)[:60],
)
def test_wrong_argument_of_the_client_is_told_in_one_line(arguments, words):
    assert_refused(run("groupcoap", *arguments), "groupcoap: ", *words)


def test_client_ends_with_0_where_a_success_came_and_with_1_where_none_did(node):
    server = node(peers.server_config())
    for path, status, code in (("temp", 0, "2.05"), ("missing", 1, "4.04")):
        process = run("groupcoap", "get", f"{server.uri}/{path}")
        assert (process.returncode, process.stderr) == (status, "")
        response, summary = process.stdout.splitlines()
        assert code in response and f"coap://{server.address}" in response
        assert summary == f"1 response from 1 origin, {1 - status} successful"


def test_client_reads_a_payload_from_standard_input(node):
    server = node(peers.server_config())
    assert peers.groupcoap("put", f"{server.uri}/temp", "-", "--json", stdin="17").returncode == 0
    assert peers.answers(peers.groupcoap("get", f"{server.uri}/temp", "--json"))[0]["payload"] == "17"


def test_client_shows_what_came_under_four_keys(node):
    server = node(peers.server_config(value="warm\n°"))
    (line,) = run("groupcoap", "get", f"{server.uri}/temp", "--json").stdout.splitlines()
    shown = json.loads(line)
    assert list(shown) == ["origin", "code", "payload", "rtt_ms"]
    assert (shown["origin"], shown["code"], shown["payload"]) == (f"coap://{server.address}", "2.05", "warm\n°")
    assert 0 <= shown["rtt_ms"] < 1000 * AT_ONCE


def test_name_that_cannot_be_resolved_is_told_in_one_line():
    process = run("groupcoap", "get", "coap://no-such-host.invalid/temp", "--json")
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (1, "", 1)
    assert "no-such-host.invalid" in process.stderr


@pytest.mark.parametrize("arguments", [["groupcoap"], ["groupcoap", "get"], ["groupcoap", "put"], ["node"]])
def test_help_has_examples(arguments):
    process = run(*arguments, "--help")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("usage: ")
    assert "examples:" in process.stdout


# The node's arguments and configuration


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["CONFIG.json"]),
        (["no/such/file.json"], ["no/such/file.json"]),
        (["/"], ["/"]),
        (["a.json", "b.json"], ["b.json"]),
        (["a.json", "--heap"], ["--heap"]),
        (["a.json", "--heap", "lots"], ["--heap", "lots", "192K"]),
        (["a.json", "--heap", "0"], ["--heap"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_argument_of_the_node_is_told_in_one_line(arguments, words):
    assert_refused(run("node", *arguments), *words)


def test_missing_vm_is_told_in_one_line():
    assert_refused(run("node", "a.json", MICROPYTHON="/nowhere/micropython"), "/nowhere/micropython", "MICROPYTHON")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{} {}", b"\xff\xfe{}", b'{"role": "server", "leisure_s": NaN}'],
    ids=repr,
)
def test_file_that_is_not_json_is_told_in_one_line(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert_refused(run("node", path), str(path), "expected JSON")


@pytest.mark.parametrize("content", [b"[" * 100000, b'{"role": "' + b"x" * 400000 + b'"}'], ids=["deep", "long"])
def test_file_that_is_more_than_the_heap_is_told_in_one_line(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert_refused(run("node", path), str(path))


def server(**more):
    return {"role": "server", **more}


def resource(**more):
    return server(resources={"temp": more})


def directory(**more):
    return server(resource_directory={"uri": "coap://127.0.0.1/rd", "endpoint": "node1", **more})


def proxy(**more):
    return {"role": "proxy", "proxy": more}


def allow(**more):
    return proxy(allow=[{"client": "127.0.0.9"}, more])


GROUP = "224.0.1.187"
# What is wrong, the key that the line begins with, and a word of what is expected.
WRONG = [
    ([], "configuration", "object"),
    (None, "configuration", "object"),
    (5, "configuration", "object"),
    ({}, "role", "proxy"),
    ({"role": "router"}, "role", "proxy"),
    ({"role": ["server"]}, "role", "proxy"),
    (server(colour="red"), "colour", "leisure_s"),
    (server(proxy={}), "proxy", "leisure_s"),
    (server(address="127.0.6"), "address", "IPv4"),
    (server(address=5), "address", "IPv4"),
    (server(address=None), "address", "IPv4"),
    (server(address=GROUP), "address", "IPv4"),
    (server(address="localhost"), "address", "IPv4"),
    (server(address="127.0.0.1:5683"), "address", "IPv4"),
    (server(address="::1"), "multicast_interface", "IPv6"),  # that is 127.0.0.1 here
    (server(address="[::1]"), "address", "IPv6"),
    (server(address="fe80::1%lo"), "address", "IPv6"),
    (server(address="ff02::fd"), "address", "IPv6"),
    (server(address="fe80::1", multicast_interface=None), "multicast_interface", "number"),
    (server(address="2001:db8::77", multicast_interface="lo"), "address", "2001:db8::77"),
    (server(address="192.0.2.77"), "address", "192.0.2.77"),
    (server(port="5683"), "port", "65535"),
    (server(port=0), "port", "65535"),
    (server(port=65536), "port", "65535"),
    (server(port=5683.5), "port", "whole"),
    (server(port=True), "port", "whole"),
    (server(port=10**30), "port", "65535"),
    (server(multicast_interface="eth0"), "multicast_interface", "IPv4"),
    (server(multicast_interface="192.0.2.77", groups=[GROUP]), "multicast_interface", "192.0.2.77"),
    (proxy() | {"multicast_interface": "192.0.2.77"}, "multicast_interface", "192.0.2.77"),
    (server(multicast_interface=""), "multicast_interface", "IPv4"),
    (server(multicast_interface=True), "multicast_interface", "IPv4"),
    (server(multicast_interface=0), "multicast_interface", "number"),
    (server(multicast_interface="::1"), "multicast_interface", "name"),
    (server(address="::1", multicast_interface="nowhere0"), "multicast_interface", "nowhere0"),
    (server(address="::1", multicast_interface=60000), "multicast_interface", "60000"),
    (server(address="::1", multicast_interface="lo", groups=[GROUP]), "groups[0]", "IPv6"),
    (server(multicast_ttl=256), "multicast_ttl", "255"),
    (server(token_slots=0), "token_slots", "1"),
    (server(token_slots=257), "token_slots", "25"),
    (server(recent_messages=3), "recent_messages", "4"),
    (server(peers=0), "peers", "1"),
    (server(option_numbers=[]), "option_numbers", "Reply-From"),
    (server(option_numbers={"Reply-To": 248}), "option_numbers.Reply-To", "Reply-From"),
    (server(option_numbers={"Reply-From": "248"}), "option_numbers.Reply-From", "whole"),
    (server(option_numbers={"Reply-From": 65536}), "option_numbers.Reply-From", "65535"),
    (server(option_numbers={"Reply-From": 250}), "option_numbers.Reply-From", "safe"),
    (server(option_numbers={"Multicast-Timeout": 6}), "option_numbers.Multicast-Timeout", "free"),
    (server(option_numbers={"Reply-From": 300, "Group-ETag": 300}), "option_numbers.", "free"),
    (server(groups=GROUP), "groups", "list"),
    (server(groups=[5]), "groups[0]", "multicast"),
    (server(groups=[GROUP, "192.0.2.1"]), "groups[1]", "multicast"),
    (server(groups=["all-coap-nodes"]), "groups[0]", "multicast"),
    (server(groups=[GROUP + "/temp"]), "groups[0]", "multicast"),
    (server(groups=[GROUP + ":0"]), "groups[0]", "multicast"),
    (server(groups=["coap://" + GROUP]), "groups[0]", "multicast"),
    (server(groups=["[ff02::fd]"]), "groups[0]", "multicast"),
    (server(groups=["ff05::fd", "[ff02::fd"]), "groups[1]", "multicast"),
    (server(groups=["[ff02::fd]:65536"]), "groups[0]", "multicast"),
    (server(groups=["[ff02::fd]5683"]), "groups[0]", "multicast"),
    (server(groups=["2001:db8::1"]), "groups[0]", "multicast"),
    (server(groups=[""]), "groups[0]", "multicast"),
    (server(groups=[GROUP] * 5), "groups", "4"),
    (server(leisure_s="5"), "leisure_s", "number"),
    (server(leisure_s=-1), "leisure_s", "60"),
    (server(leisure_s=float("1e300")), "leisure_s", "60"),
    (server(group_size=30), "group_rate", "missing"),
    (server(group_rate=1000), "group_size", "missing"),
    (server(group_size=0), "group_size", "65535"),
    (server(group_size=65535, group_rate=1000), "group_rate", "1166"),
    (server(response_size=15), "response_size", "16"),
    (server(observers=33), "observers", "32"),
    (server(notify_interval_s=-0.5), "notify_interval_s", "3600"),
    (server(block_size=100), "block_size", "1024"),
    (server(block_size="512"), "block_size", "1024"),
    (server(echo=True), "echo", "threshold"),
    (server(echo={"threshold": -1}), "echo.threshold", "1152"),
    (server(echo={"factor": 0}), "echo.factor", "255"),
    (server(transmission=[]), "transmission", "ack_timeout_s"),
    (server(transmission={"ack_timeout": 2}), "transmission.ack_timeout", "ack_timeout_s"),
    (server(transmission={"ack_timeout_s": 0}), "transmission.ack_timeout_s", "0.001"),
    (server(transmission={"ack_random_factor": 0.9}), "transmission.ack_random_factor", "4"),
    (server(transmission={"max_retransmit": 9}), "transmission.max_retransmit", "8"),
    (server(transmission={"max_retransmit": 1.5}), "transmission.max_retransmit", "whole"),
    (server(transmission={"nstart": 0}), "transmission.nstart", "255"),
    (server(resource_directory="coap://192.0.2.9"), "resource_directory", "endpoint"),
    (server(resource_directory={"uri": "coap://192.0.2.9/rd"}), "resource_directory.endpoint", "missing"),
    (server(resource_directory={"endpoint": "node1"}), "resource_directory.uri", "missing"),
    (directory(uri="http://192.0.2.9/rd"), "resource_directory.uri", "coap://"),
    (directory(uri="coap://rd.example/rd"), "resource_directory.uri", "coap://192.0.2.9/rd"),
    (directory(uri="coap://[::1]/rd"), "resource_directory.uri", "IPv4"),
    (directory(endpoint=""), "resource_directory.endpoint", "63"),
    (directory(endpoint="x" * 64), "resource_directory.endpoint", "63"),
    (directory(lifetime_s=59), "resource_directory.lifetime_s", "60"),
    (directory(base=5), "resource_directory.base", "text"),
    (server(resources=[]), "resources", "object"),
    (server(resources={str(i): {} for i in range(65)}), "resources", "64"),
    (server(resources={"/temp": {}}), "resources", "/temp"),
    (server(resources={"": {}}), "resources", "segments"),
    (server(resources={"x" * 33: {}}), "resources", "32"),
    (server(resources={".well-known/core": {}}), "resources", ".well-known/core"),
    (server(resources={"temp": "21.5"}), "resources.temp", "object"),
    (resource(colour="red"), "resources.temp.colour", "content_format"),
    (resource(value=21.5), "resources.temp.value", "text"),
    (resource(value="x" * 1025), "resources.temp.value", "1024"),
    (resource(content_format="0"), "resources.temp.content_format", "65535"),
    (resource(rt=5), "resources.temp.rt", "text"),
    (resource(observable=1), "resources.temp.observable", "true"),
    (resource(title='the "room"'), "resources.temp.title", "quotation"),
    (resource(**{"if": 5}), "resources.temp.if", "text"),
    (resource(etag="abc"), "resources.temp.etag", "true"),
    (resource(max_age=1 << 32), "resources.temp.max_age", "4294967295"),
    (resource(group="yes"), "resources.temp.group", "true"),
    ({"role": "proxy"}, "proxy", "allow"),
    (proxy() | {"groups": [GROUP]}, "groups", "proxy"),
    ({"role": "proxy", "proxy": []}, "proxy", "allow"),
    (proxy(alow=[]), "proxy.alow", "allow"),
    (proxy(mode="sideways"), "proxy.mode", "forward"),
    (proxy(max_timeout_s=0), "proxy.max_timeout_s", "86400"),
    (proxy(nstart="16"), "proxy.nstart", "whole"),
    (proxy(probing_rate=-1), "proxy.probing_rate", "0"),
    (proxy(resolve_names="no"), "proxy.resolve_names", "true"),
    (proxy(allow={}), "proxy.allow", "list"),
    (proxy(allow=["127.0.0.1"]), "proxy.allow[0]", "client"),
    (allow(), "proxy.allow[1].client", "IPv4"),
    (allow(client="127.0.0.256"), "proxy.allow[1].client", "IPv4"),
    (allow(client="127.0.0.1", groups=GROUP), "proxy.allow[1].groups", "list"),
    (allow(client="127.0.0.1", groups=["10.0.0.1"]), "proxy.allow[1].groups[0]", "multicast"),
    (allow(client="127.0.0.1", unicast=1), "proxy.allow[1].unicast", "true"),
    (allow(client="127.0.0.1", colour=1), "proxy.allow[1].colour", "unicast"),
    (allow(client="::1"), "proxy.allow[1].client", "IPv4"),
    (allow(client="127.0.0.8", groups=["ff05::fd"]), "proxy.allow[1].groups[0]", "IPv4"),
    (proxy(allow=[]) | {"transmission": {"nstart": 256}}, "transmission.nstart", "255"),
    (allow(client="127.0.0.9", groups=[GROUP]), "proxy.allow[1].client", "127.0.0.9"),  # there is one already
]


@pytest.mark.parametrize(("config", "key", "word"), WRONG, ids=[f"{json.dumps(case[0])[:70]}" for case in WRONG])
def test_wrong_configuration_is_told_in_one_line_that_names_the_key(config, key, word, lan, tmp_path):
    if isinstance(config, dict):
        config = {"address": lan.address(), "multicast_interface": "127.0.0.1", **config}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    process = run("node", path)
    assert_refused(process, word)
    assert process.stderr.startswith(f"groupcoap: {key}")


def test_missing_address_is_told_in_one_line(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"role": "server"}')
    assert_refused(run("node", path), "groupcoap: address: ", "IPv4")


@pytest.mark.parametrize(
    "config", [server(address="::1", groups=["ff02::fd"]), server(address="fe80::1"), {**proxy(), "address": "fe80::1"}]
)
def test_link_local_address_without_an_interface_is_told_in_one_line(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert_refused(run("node", path), "groupcoap: multicast_interface: ", "missing")


def checked(key, **more):
    """What the unix port's node takes as the value of this key in a server's configuration."""
    program = "import sys, json, config; print(json.dumps(config.check(json.loads(sys.argv[1]))[sys.argv[2]]))"
    command = [support.micropython(), "-c", program, json.dumps(server(address="127.0.0.1", **more)), key]
    path = f"{support.REPO / 'lib'}:{support.REPO / 'firmware'}:.frozen"
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MICROPYPATH": path})
    assert process.returncode == 0, process.stdout + process.stderr
    return json.loads(process.stdout)


@pytest.mark.parametrize(
    ("given", "leisure"),
    [
        ({}, 5),
        ({"leisure_s": 0}, 0),
        ({"group_size": 500, "group_rate": 1000}, 32),  # S * G / R (RFC 7252 §8.2)
        ({"group_size": 3, "group_rate": 7, "response_size": 100}, 42.858),
        ({"group_size": 500, "group_rate": 1000, "leisure_s": 2.5}, 2.5),
    ],
)
def test_leisure_follows_from_the_group_unless_it_is_given(given, leisure):
    assert checked("leisure_s", **given) == leisure


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("transmission", {}, {"ack_timeout_s": 2, "ack_random_factor": 1.5, "max_retransmit": 4, "nstart": 1}),
        (
            "transmission",
            {"transmission": {"ack_timeout_s": 0.5, "nstart": 3}},
            {"ack_timeout_s": 0.5, "ack_random_factor": 1.5, "max_retransmit": 4, "nstart": 3},
        ),
        ("echo", {}, {"threshold": 152, "factor": 3}),
        ("echo", {"echo": {"factor": 5}}, {"threshold": 152, "factor": 5}),
        ("echo", {"echo": False}, False),
        ("resource_directory", {}, None),
        (
            "resource_directory",
            {"resource_directory": {"uri": "coap://127.0.0.2", "endpoint": "a"}},
            {"uri": "coap://127.0.0.2", "endpoint": "a", "lifetime_s": 90000, "base": None},
        ),
    ],
)
def test_what_a_configuration_leaves_out_has_its_default(key, given, value):
    assert checked(key, **given) == value


def test_address_in_use_is_told_in_one_line(node, tmp_path):
    running = node(peers.server_config())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(server(address=running.address)))
    assert_refused(run("node", path), "groupcoap: address: ", running.address, "5683")


@pytest.mark.parametrize("heap", ["1K", "20K", "60K", "90K"])
def test_heap_that_is_too_small_is_told_in_one_line(heap, lan, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(proxy() | {"address": lan.address()}))
    assert_refused(run("node", path, "--heap", heap), "heap")


# Signals


@pytest.mark.parametrize("role", ["server", "proxy"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_node_with_status_0(number, role, node, lan):
    running = node(peers.server_config(lan.group()) if role == "server" else peers.proxy_config("127.0.0.9", []))
    running.process.send_signal(number)
    assert running.process.wait(support.STOP_S) == 0
    assert running.stdout() == f"ready {role} coap://{running.address}:5683\n"
    assert running.stderr() == ""


def test_ready_is_said_once_the_sockets_are_bound(node):
    for _ in range(5):
        running = node(peers.server_config(port=5700))
        assert running.stdout() == f"ready server coap://{running.address}:5700\n"
        assert peers.Peer("127.0.0.1").ask(running, options=peers.path("temp")).code == "2.05"


# Datagrams

# Header with type and code; {mid} is filled in. Reset: what RFC 7252 §4.2 demands for a CON. Silence: for the rest.
RESET = [
    b"\x40\x00{mid}",  # a ping
    b"\x49\x01{mid}" + b"t" * 9,  # token length 9
    b"\x4f\x01{mid}" + b"t" * 15,
    b"\x44\x01{mid}abc",  # token past the end
    b"\x40\x20{mid}",  # classes 1, 6 and 7 are reserved
    b"\x40\x3f{mid}",
    b"\x40\xc0{mid}",
    b"\x40\xff{mid}",
    b"\x40\x01{mid}\xff",  # payload marker without a payload
    b"\x40\x01{mid}\xb1",  # option value past the end
    b"\x40\x01{mid}\xbdabc",
    b"\x40\x01{mid}\xd0",  # extended delta past the end
    b"\x40\x01{mid}\xe0\x01",
    b"\x40\x01{mid}\xf0",  # delta 15
    b"\x40\x01{mid}\x0f",  # length 15
    b"\x40\x01{mid}\xe0\xff\xff",  # option number above 65535
    b"\x40\x01{mid}\xe0\xfe\xf2\x10",
    b"\x40\x00{mid}\xff1",  # empty, and yet not
    b"\x41\x00{mid}t",
    b"\x40\x00{mid}\x00",
    b"\x48\x45{mid}" + b"t" * 8 + b"\xffx",  # a response to nothing
    b"\x40\x45{mid}",
]
SILENCE = [
    b"",
    b"\x40",
    b"\x40\x01",
    b"\x40\x01\x12",
    b"\x00\x01{mid}",  # versions 0, 2, 3
    b"\x80\x01{mid}",
    b"\xc0\x01{mid}",
    b"\x59\x01{mid}" + b"t" * 9,
    b"\x50\x00{mid}",
    b"\x50\x20{mid}",
    b"\x50\x01{mid}\xff",
    b"\x58\x45{mid}" + b"t" * 8,
    b"\x60\x00{mid}",  # an ACK of nothing
    b"\x60\x01{mid}",
    b"\x68\x45{mid}" + b"t" * 8,
    b"\x60\xe0{mid}",
    b"\x69\x45{mid}" + b"t" * 9,
    b"\x70\x00{mid}",  # a Reset of nothing
    b"\x70\x45{mid}",
    b"\x50\x01{mid}\xb4temp\xff" + b"x" * 1489,  # 1,500 bytes: more than any node takes
    b"\x00" * 1500,
    b"\xff" * 1500,
]


def with_mid(data, mid):
    return data.replace(b"{mid}", mid.to_bytes(2, "big"))


def assert_dropped_or_reset(client, to):
    """Whatever is malformed is dropped at this port, or reset, and the port goes on."""
    for mid, data in enumerate(RESET + SILENCE, 0x1000):
        client.send_bytes(to, with_mid(data, mid))
        came = [(message.type, message.code, message.mid, message.token) for message in client.ping(to)]
        assert came == ([(RST, "0.00", mid, b"")] if data in RESET else []), data


class Exchange:
    """A client, a proxy, and a group with one server, all of this test's own; both nodes tell their heap."""

    def __init__(self, lan, tmp_path, stack):
        self.client, self.group = peers.Peer(lan.address()), lan.group()
        self.member = peers.group_member(self.group)
        config = peers.proxy_config(self.client.address, [self.group], unicast=False, max_timeout_s=1)
        self.proxy = stack.enter_context(peers.heap_node(config, lan, tmp_path / "proxy"))
        config = peers.server_config(self.group, leisure_s=0)
        self.server = stack.enter_context(peers.heap_node(config, lan, tmp_path / "server"))

    def request(self):
        """A group request through the proxy and the server's answer: the request as the group heard it."""
        options = [(PROXY_URI, f"coap://{self.group}/temp".encode()), (MULTICAST_TIMEOUT, b"\x01")]
        end = time.monotonic() + peers.ANSWER_S
        while time.monotonic() < end:
            self.member.drain()
            token = self.client.send(self.proxy, CON, options=options).token
            while (answer := self.client.receive(1)) and (answer.token != token or answer.code == "0.00"):
                pass
            if answer and answer.code == "2.05":
                while heard := self.member.expect():
                    if heard.source[0] == self.proxy.address and heard.option(11) == b"temp":
                        return heard
            time.sleep(0.1)  # 5.03: slots taken by what was sent before
        pytest.fail("no answer through the proxy")

    def upstream(self):
        """The proxy's port towards servers."""
        return self.request().source

    def ask_group(self):
        """A request to the group itself and its answer: what came in front of that."""
        mark = self.client.send((self.group, peers.PORT), NON, options=peers.path("temp"))
        before = []
        while True:
            message = self.client.expect()
            if message.token == mark.token:
                return before
            before.append(message)

    def hear_group(self):
        """Await a sign of life from the group: a request may find the member's places taken, so ask again."""
        end = time.monotonic() + peers.ANSWER_S
        while time.monotonic() < end:
            self.restore()
            token = self.client.send((self.group, peers.PORT), NON, options=peers.path("temp")).token
            if self.client.collect(1, 0.2, lambda message, token=token: message.token == token):
                return
        pytest.fail("the group is silent")

    def restore(self):
        """Give the resource its value again: a fuzzed PUT may leave it empty, and a group is not told of that."""
        response = self.client.ask(self.server, code="0.03", options=peers.path("temp"), payload=b"21.5")
        assert response.code == "2.04"

    def assert_sound(self):
        """Both nodes answer as before, and have logged nothing."""
        self.restore()
        assert self.client.ask(self.server, options=peers.path("temp")).payload == b"21.5"
        self.request()
        assert (self.proxy.stderr(), self.server.stderr()) == ("", "")


@pytest.fixture
def exchange(lan, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Exchange(lan, tmp_path, stack)


@pytest.mark.parametrize("port", ["server", "proxy", "upstream"])
def test_malformed_datagram_is_dropped_or_reset(port, exchange):
    to = {"server": exchange.server, "proxy": exchange.proxy}.get(port) or exchange.upstream()
    assert_dropped_or_reset(exchange.client, to)
    exchange.assert_sound()


def test_malformed_datagram_to_a_group_is_dropped(exchange):
    for mid, data in enumerate(RESET + SILENCE, 0x1000):
        exchange.client.send_bytes((exchange.group, peers.PORT), with_mid(data, mid))
        assert exchange.ask_group() == [], data
    exchange.assert_sound()


def test_unknown_method_is_not_allowed(exchange):
    for node in (exchange.server, exchange.proxy):
        response = exchange.client.ask(node, code="0.31", options=peers.path("temp"))
        assert (response.type, response.code) == (ACK, "4.05")


def test_request_to_the_upstream_port_is_reset(exchange):
    request = exchange.client.send(exchange.upstream(), CON, options=peers.path("temp"))
    while (message := exchange.client.expect()).mid != request.mid:
        pass
    assert message.type == RST


FUZZ = 3000
BATCH = 25  # datagrams between two signs of life: less than a socket's buffer holds


def fuzzed(rng, samples):
    """Random bytes, or a good message with some of its bits, bytes or its end gone wrong."""
    if rng.random() < 0.2:
        return rng.randbytes(rng.choice((0, 3, 4, 12, 40, 300, 1500)))
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data)) if data else 0
        what = rng.randrange(6)
        if what < 3 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 3 and data:
            data[at] = rng.choice((0, 13, 14, 15, 0xD0, 0xE0, 0xF0, 0xFF, rng.randrange(256)))
        elif what == 4:
            data[at:at] = rng.randbytes(rng.randrange(1, 5))
        else:
            del data[at:]
    return bytes(data)


def samples(group):
    """Good messages of every sort."""
    target = f"coap://{group}/temp".encode()
    proxied = [(PROXY_URI, target), (MULTICAST_TIMEOUT, b"\x01")]
    numbered = [(3, group.encode()), (239, b""), (MULTICAST_TIMEOUT, b""), *peers.path("temp")]
    cri = bytes([0x83, 0x20, 0x81, 0x44, *map(int, group.split(".")), 0x81, 0x64]) + b"temp"
    return [
        peers.encode(CON, "0.01", 7, b"tok", peers.path("temp")),
        peers.encode(NON, "0.01", 8, b"token678", [*peers.path("temp"), (17, b""), (258, b"\x02"), (65000, b"\x01")]),
        peers.encode(CON, "0.03", 9, b"", [*peers.path("temp"), (12, b""), (27, b"\x08")], b"22.0"),
        peers.encode(CON, "0.02", 10, b"t", peers.path("temp"), b"x" * 40),
        peers.encode(CON, "0.01", 11, b"t", [*peers.path(".well-known/core"), (15, b"rt=temperature")]),
        peers.encode(CON, "0.01", 12, b"abcd", proxied),
        peers.encode(NON, "0.03", 13, b"abcde", [*proxied, (16, b"\x02"), (1034, b"y" * 300)], b"23"),
        peers.encode(CON, "0.01", 14, b"", numbered),
        peers.encode(CON, "0.01", 15, b"c", [(235, cri), (65000, b"\x01")]),
        peers.encode(NON, "2.05", 16, b"token678", [(4, b"etag"), (12, b"\x3c"), (14, b"\x05"), (248, cri)], b"21.5"),
        peers.encode(ACK, "2.05", 17, b"t", [], b"x"),
        peers.encode(RST, "0.00", 18),
    ]


def fuzz(exchange, to, sync, good, seed):
    """Send FUZZ datagrams, mostly near misses of `good()`; `sync` awaits a sign of life. What comes back is CoAP."""
    rng = random.Random(seed)
    for _ in range(FUZZ // BATCH):
        good_now = good()
        for _ in range(BATCH):
            exchange.client.send_bytes(to, fuzzed(rng, good_now))
        sync()


def assert_survives(exchange, *where):
    """Fuzz a port; the nodes answer as before and take no more heap than before."""
    exchange.assert_sound()
    fuzz(exchange, *where, seed=1)
    exchange.assert_sound()
    before = exchange.proxy.heap(), exchange.server.heap()
    fuzz(exchange, *where, seed=2)
    exchange.assert_sound()
    after = exchange.proxy.heap(), exchange.server.heap()
    assert all(abs(later - earlier) <= 2048 for earlier, later in zip(before, after)), (before, after)


@pytest.mark.parametrize("port", ["server", "proxy"])
def test_node_survives_random_datagrams(port, exchange):
    to = exchange.server if port == "server" else exchange.proxy
    good = samples(exchange.group)
    assert_survives(exchange, to, lambda: exchange.client.ping(to), lambda: good)


def test_member_survives_random_datagrams_to_the_group(exchange):
    good = samples(exchange.group)
    assert_survives(exchange, (exchange.group, peers.PORT), exchange.hear_group, lambda: good)


def test_proxy_survives_random_responses(exchange):
    to = exchange.upstream()

    batches, token = itertools.count(), b""

    def responses():  # with the token of an exchange in them that is open, or was a moment ago
        nonlocal token
        if next(batches) % 4 == 0:
            token = exchange.request().token
        mid = random.randrange(60000)
        return [
            peers.encode(NON, "2.05", mid, token, [(4, b"etag"), (12, b""), (14, b"\x05")], b"21.5"),
            peers.encode(CON, "4.04", mid + 1, token),
            peers.encode(NON, "2.05", mid + 2, token, [(248, b"\x82\x20\x81\x44\x01\x02\x03\x04")], b"x" * 900),
        ]

    assert_survives(exchange, to, lambda: exchange.client.ping(to), responses)
