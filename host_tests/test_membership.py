"""Groups joined and left at run time, and its sockets' errors: over real sockets, on both Pythons that have them."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import peers
import pytest
import support
from peers import CON, NON, PORT

SILENCE_S = 0.25  # for what must not come


class Member:
    """vm/member_node.py on MicroPython's unix port ("unix") or on CPython ("cpython")."""

    def __init__(self, vm, folder, address, port=PORT, interface="127.0.0.1"):
        script = support.REPO / "host_tests/vm/member_node.py"
        lib = support.REPO / "lib"
        if vm == "unix":
            command = [support.micropython(), "-X", "heapsize=1M", script]
            environment = {"MICROPYPATH": f"{lib}:.frozen"}
        else:
            command = [sys.executable, "-u", script]
            environment = {"PYTHONPATH": f"{support.REPO / 'tools/cpython'}:{lib}"}
        self.address, self.port = address, port
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                [*command, address, str(port), interface],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **environment},
            )
        end = time.monotonic() + support.READY_S
        while not self._stdout.read_text().startswith("ready "):
            waiting = self.process.poll() is None and time.monotonic() < end
            assert waiting, f"the node did not become ready:\n{self.stderr()}"
            time.sleep(0.005)

    def stderr(self):
        return self._stderr.read_text(errors="replace")

    def sockets(self):
        """The inodes of its sockets."""
        folder = f"/proc/{self.process.pid}/fd"
        links = []
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(f"{folder}/{name}"))
        return {link for link in links if link.startswith("socket:")}

    def stop(self):
        """End it as by Ctrl-C; it must have logged nothing."""
        self.process.send_signal(signal.SIGINT)
        assert (self.process.wait(support.STOP_S), self.stderr()) == (0, "")


@pytest.fixture
def start(tmp_path):
    """start(vm, address, ...) starts a Member; it must end well."""
    members = []

    def start(vm, address, **how):
        folder = tmp_path / f"member{len(members)}"
        folder.mkdir()
        members.append(Member(vm, folder, address, **how))
        return members[-1]

    yield start
    for member in members:
        print(member.stderr())
        member.stop()


@pytest.fixture(params=["unix", "cpython"])
def member(request, start, lan):
    return start(request.param, lan.address())


@pytest.fixture
def client(lan):
    return peers.Peer(lan.address())


def tell(client, member, command):
    """Give a command by unicast: its answer's code and text."""
    answer = client.ask(member, type=CON, payload=command.encode())
    return answer.code, answer.payload.decode()


def told(client, member, command):
    code, text = tell(client, member, command)
    assert code == "2.05", text
    return text


def rejoin(client, member):
    """Let it join its groups anew, and await that."""
    told(client, member, "rejoin")
    settle(client, member)


def settle(client, member):
    """Await that what it was told has taken effect."""
    while told(client, member, "settled") != "True":
        pass


def numbers(client, group, count, command="ask", port=PORT):
    """Ask a group: the membership numbers of the answers, of which `count` must come and no more."""
    token = client.send((group, port), NON, payload=command.encode()).token
    found = client.collect(count, wanted=lambda message: message.token == token)
    found += client.collect(seconds=SILENCE_S, wanted=lambda message: message.token == token)
    return [int(message.payload) for message in found]


def test_group_is_heard_from_the_join_to_the_leave(member, client, lan):
    group = lan.group()
    before = member.sockets()
    assert numbers(client, group, 0) == []
    told(client, member, f"join {group} 1")
    assert numbers(client, group, 1) == [1]
    told(client, member, f"leave {group}")
    assert numbers(client, group, 0) == []
    assert member.sockets() == before
    told(client, member, f"join {group} 2")
    assert numbers(client, group, 1) == [2]


def test_each_of_several_groups_has_its_number_and_its_port(member, client, lan):
    groups = [lan.group() for _ in range(5)]
    for number, group in enumerate(groups, 1):
        told(client, member, f"join {group} {number}")
    told(client, member, f"join {groups[0]}:5700 6")
    told(client, member, f"leave {groups[2]}")
    assert [numbers(client, group, 1) for group in groups[:2] + groups[3:]] == [[1], [2], [4], [5]]
    assert numbers(client, groups[0], 1, port=5700) == [6]
    assert numbers(client, groups[2], 0) == []
    told(client, member, f"leave {groups[0]}")
    assert numbers(client, groups[0], 1, port=5700) == [6]
    assert numbers(client, groups[0], 0) == []


def test_group_may_be_left_by_a_request_that_came_by_it(member, client, lan):
    group = lan.group()
    before = member.sockets()
    told(client, member, f"join {group} 3")
    assert numbers(client, group, 1, f"leave {group}") == [3]
    assert numbers(client, group, 0) == []
    assert member.sockets() == before
    assert told(client, member, "errors") == "0 0 0"


def test_joining_twice_and_leaving_what_was_not_joined_is_told(member, client, lan):
    group = lan.group()
    told(client, member, f"join {group} 1")
    sockets = member.sockets()
    assert tell(client, member, f"join {group} 2") == ("4.00", f"group {group}: joined already")
    assert tell(client, member, f"leave {group}:5684") == ("4.00", f"group {group}:5684: not joined")
    assert member.sockets() == sockets
    assert numbers(client, group, 1) == [1]


def test_rejoin_opens_every_group_anew_and_nothing_else(member, client, lan):
    groups = [lan.group(), lan.group()]
    own = member.sockets()
    for number, group in enumerate(groups, 1):
        told(client, member, f"join {group} {number}")
    before = member.sockets()
    rejoin(client, member)
    assert [numbers(client, group, 1) for group in groups] == [[1], [2]]
    after = member.sockets()
    assert len(after) == len(before)
    assert after & before == own  # a membership ends with its socket, so these are new
    assert numbers(client, groups[0], 1, "again") == [1]
    rejoin(client, member)
    assert [numbers(client, group, 1) for group in groups] == [[1], [2]]
    assert len(member.sockets()) == len(before)
    assert told(client, member, "errors") == "0 0 0"


def test_left_and_joined_in_one_go_is_heard_once_as_the_new_membership(member, client, lan):
    group, other = lan.group(), lan.group()
    told(client, member, f"join {group} 1")
    before = member.sockets()
    told(client, member, f"swap {group} 2")
    assert numbers(client, group, 1) == [2]
    told(client, member, f"brief {other} 3")
    assert numbers(client, other, 0) == []
    assert numbers(client, group, 1) == [2]
    assert len(member.sockets()) == len(before)
    assert told(client, member, "errors") == "0 0 0"


def test_joining_and_leaving_again_and_again_takes_no_more_heap_and_no_more_sockets(start, client, lan):
    member = start("unix", lan.address())
    group = lan.group()

    def rounds(count):
        for _ in range(count):
            told(client, member, f"join {group} 1")
            rejoin(client, member)
            told(client, member, f"leave {group}")
        settle(client, member)
        return int(told(client, member, "heap")), len(member.sockets())

    first_heap, first_sockets = rounds(20)
    heap, sockets = rounds(100)
    assert sockets == first_sockets
    assert abs(heap - first_heap) <= 1024


def test_datagram_that_cannot_be_sent_is_counted_and_the_node_goes_on(member, client, lan):
    group = lan.group()
    told(client, member, f"join {group} 1")
    told(client, member, "send 255.255.255.255")  # EACCES: broadcast is not allowed
    told(client, member, "send 192.0.2.77")  # EINVAL or ENETUNREACH: no way there from a loopback address
    assert told(client, member, "errors") == "2 0 0"
    told(client, member, f"send {client.address}:9")  # nobody is there: an unconnected socket is not told
    assert told(client, member, "errors") == "2 0 0"
    assert numbers(client, group, 1) == [1]


def test_port_unreachable_told_by_icmp_is_counted_and_the_node_goes_on(member, client, lan):
    """Linux tells a connected socket only; other network stacks tell any."""
    group = lan.group()
    told(client, member, f"join {group} 1")
    told(client, member, "connect")
    address, port = client.address, client.port
    client.socket.close()
    peers.Peer(lan.address()).send((group, PORT), NON, payload=f"poke {address}:{port}".encode())
    time.sleep(SILENCE_S)
    client = peers.Peer(address, port)
    assert told(client, member, "errors") == "0 1 0"
    assert told(client, member, "ask") == f"{address}:{port}"
