"""Registration at resource directories of others, as real processes: aiocoap's, and libcoap's coap-rd."""

import contextlib
import os
import subprocess
import sys
import time

import pytest

import peers
import support
from groupcoap import link_parser

# aiocoap's directory keeps what has expired for 15 s more; not here, so that a missing update shows.
AIOCOAP_RD = "import aiocoap.cli.rd as rd; rd.CommonRD.Registration.grace_period = 0; rd.sync_main()"
WITHIN_S = 10


def until(condition, seconds=WITHIN_S):
    """Wait for what condition() gives to be true: that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running(command, log, **environment):
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print(f"--- {log.name}\n{log.read_text(errors='replace')}", end="")


class Directory:
    """A running directory, asked over a socket of the test's own."""

    def __init__(self, address, peer):
        self.address, self.port = address, peers.PORT
        self.uri = f"coap://{address}"
        self._peer = peer

    def up(self):
        with contextlib.suppress(ConnectionError):
            self._peer.send((self.address, self.port), peers.CON, "0.00", token=b"")
            return self._peer.receive(0.2)

    def lookup(self, path, *query):
        """The links at a path that match: a list of (target, attributes)."""
        options = peers.path(path) + [(peers.URI_QUERY, part.encode()) for part in query]
        response = self._peer.ask((self.address, self.port), options=options)
        assert response.code in ("2.05", "4.04"), response
        return list(link_parser.parse(response.payload)) if response.code == "2.05" else []


@contextlib.contextmanager
def directory(command, lan, folder):
    """A directory of its own address; `command` has {} where that belongs."""
    address = lan.address()
    with running([part.replace("{}", address) for part in command], folder / "directory"):
        found = Directory(address, peers.Peer(lan.address()))
        until(found.up)
        found._peer.drain()
        yield found


@pytest.fixture
def aiocoap(lan, tmp_path):
    with directory([sys.executable, "-c", AIOCOAP_RD, "--bind", "{}"], lan, tmp_path) as found:
        yield found


@pytest.fixture
def coap_rd(lan, tmp_path):
    with directory([support.libcoap("coap-rd"), "-A", "{}"], lan, tmp_path) as found:
        yield found


@pytest.fixture(params=["micropython", "cpython"])
def member(request, lan, tmp_path):
    """member(directory, name, lifetime, ...) starts a server that registers; the VM is a parameter of the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            vm, micropython_module = sys.executable, support.REPO / "tools/cpython"
            if request.param == "micropython":
                vm, micropython_module = support.micropython(), ".frozen"
            paths = f"{support.REPO / 'lib'}:{micropython_module}"
            address = lan.address()
            command = [vm, support.REPO / "host_tests/vm/directory_node.py", address, *arguments]
            log = tmp_path / address
            process = stack.enter_context(running(command, log, MICROPYPATH=paths, PYTHONPATH=paths))
            process.log, process.address, process.port = log, address, peers.PORT
            process.uri = f"coap://{address}"
            return process

        yield start


def stop(member, lan):
    peer = peers.Peer(lan.address())
    assert peer.ask(member, code=peers.POST, options=peers.path("stop")).code == "2.04"
    assert member.wait(WITHIN_S) == 0
    assert member.log.read_text().endswith("stopped\n")


def targets(found):
    return sorted(target for target, _ in found)


def test_aiocoap_directory_lists_a_member_until_it_stops(aiocoap, member, lan):
    node = member(aiocoap.uri, "node1", "600")
    (endpoint,) = until(lambda: aiocoap.lookup("endpoint-lookup/", "ep=node1"))
    assert (endpoint[1]["base"], endpoint[1]["rt"]) == (node.uri, "core.rd-ep")
    ((target, attributes),) = aiocoap.lookup("resource-lookup/", "rt=temperature")
    assert (target, attributes) == (node.uri + "/temp", {"rt": "temperature", "ct": "0"})
    assert targets(aiocoap.lookup("resource-lookup/", "rt=odd")) == [node.uri + "/a%20b"]
    stop(node, lan)
    assert aiocoap.lookup("endpoint-lookup/") == aiocoap.lookup("resource-lookup/") == []
    assert "failed" not in node.log.read_text()


def test_aiocoap_directory_keeps_what_is_updated_and_forgets_what_has_died(aiocoap, member, lan):
    living, dying = member(aiocoap.uri, "living", "2"), member(aiocoap.uri, "dying", "2")
    until(lambda: len(aiocoap.lookup("endpoint-lookup/")) == 2)
    (first,) = aiocoap.lookup("endpoint-lookup/", "ep=living")
    dying.kill()
    until(lambda: len(aiocoap.lookup("endpoint-lookup/")) == 1)
    end = time.monotonic() + 5  # more than two lifetimes
    while time.monotonic() < end:
        assert aiocoap.lookup("endpoint-lookup/") == [first]  # the same one, not one registered anew
        time.sleep(0.05)
    stop(living, lan)


def test_member_registers_anew_at_a_directory_that_has_forgotten_it(aiocoap, member, lan):
    node = member(aiocoap.uri, "node1", "2")
    (endpoint,) = until(lambda: aiocoap.lookup("endpoint-lookup/"))
    peer = peers.Peer(lan.address())
    location = [(peers.URI_PATH, part.encode()) for part in endpoint[0].split("/")[1:]]
    assert peer.ask(aiocoap, code=peers.DELETE, options=location).code == "2.02"
    assert aiocoap.lookup("endpoint-lookup/") == []
    until(lambda: targets(aiocoap.lookup("resource-lookup/", "rt=temperature")) == [node.uri + "/temp"])
    stop(node, lan)


def test_group_is_registered_with_its_address(aiocoap, member, lan):
    group = f"coap://{lan.group()}"
    node = member(aiocoap.uri, "lights", "600", group, "core.rd-group")
    ((_, attributes),) = until(lambda: aiocoap.lookup("endpoint-lookup/", "et=core.rd-group"))
    assert (attributes["ep"], attributes["base"]) == ("lights", group)
    assert targets(aiocoap.lookup("resource-lookup/", "rt=temperature")) == [group + "/temp"]
    stop(node, lan)


def test_more_links_than_a_message_holds_are_registered(aiocoap, member, lan):
    node = member(aiocoap.uri, "node1", "600", f"coap://{lan.address()}", "many", "100")
    until(lambda: aiocoap.lookup("endpoint-lookup/", "ep=node1"))
    for i in (0, 57, 99):
        (found,) = targets(aiocoap.lookup("resource-lookup/", f"rt=further-{i}"))
        assert found.endswith(f"/further/{i}")
    stop(node, lan)


def registrations(coap_rd):
    return [target for target in targets(coap_rd.lookup(".well-known/core")) if target.startswith("/rd/")]


# A DELETE is not among these: coap-rd frees a registration twice when it takes one, and ends there.


def test_coap_rd_has_the_links_of_a_member(coap_rd, member):
    member(coap_rd.uri, "node1", "600")
    (location,) = until(lambda: registrations(coap_rd))
    found = coap_rd.lookup(location[1:])
    assert ("/temp", {"rt": "temperature", "ct": "0"}) in found and ("/a%20b", {"rt": "odd"}) in found


def test_member_registers_anew_at_a_directory_that_knows_no_updates(coap_rd, member):
    node = member(coap_rd.uri, "node1", "1")  # coap-rd answers an update 4.05, and forgets nothing
    until(lambda: len(registrations(coap_rd)) > 2)
    assert "failed" not in node.log.read_text()
