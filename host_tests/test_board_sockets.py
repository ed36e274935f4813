"""The sockets of boards: lib/groupcoap/net on MicroPython's unix port, over the stand-ins for lwIP's (standin)."""

import json
import os
import shutil
import subprocess

import pytest
import support

PRELUDE = """
import asyncio, errno, gc, json, micropython, socket
import air
from groupcoap.net import platform
from groupcoap.net.node import Node

air.address = OWN
IP = platform.packed((OWN, 5683))
client = socket._open((CLIENT, 0))

def send(numbers, to):
    for i in numbers:
        client.sendto(bytes((i,)), socket._raw((to, 5683)))

def group(ip):
    return platform.packed((ip, 5683))

def log():
    try:
        with open(FOLDER + "/air.log") as f:
            return f.read().split("\\n")[:-1]
    except OSError:
        return []

async def take(s, found):
    while True:
        await platform.readable(s)
        try:
            while True:
                found.append(s.recvfrom(1281)[0][0])
        except OSError as e:
            if e.errno != errno.EAGAIN:
                raise

def member(*groups):
    node = Node()
    endpoint = node.endpoint(IP, recent_messages=8)
    endpoint.heard = []
    endpoint.receive = lambda data, length, peer, group, now: endpoint.heard.append(data[0])
    for i, ip in enumerate(groups):
        node.join(endpoint, group(ip), i + 1)
    node.start()
    return node, endpoint

"""


@pytest.fixture
def vm(tmp_path, lan):
    """vm(script, port, callback) runs the body of a coroutine on MicroPython: what it returns."""

    def run(script, port="rp2", callback=True):
        folder = tmp_path / "air"
        shutil.copytree(support.REPO / "host_tests/standin", folder)
        (folder / "board.py").write_text(f"PORT = {port!r}\n")
        (folder / "air.json").write_text(json.dumps({"port": port, "callback": callback}))
        names = {"FOLDER": str(folder), "OWN": lan.address(), "CLIENT": lan.address()}
        names |= {"A": lan.group(), "B": lan.group(), "CALLBACK": callback}
        code = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + PRELUDE
        code += "async def main():\n" + "".join(f"    {line}\n" for line in script.strip().split("\n"))
        code += "print(json.dumps(asyncio.run(main())))\n"
        done = subprocess.run(
            [support.micropython(), "-X", "heapsize=4M", "-c", code],
            env={**os.environ, "MICROPYPATH": f"{folder}:{support.REPO / 'lib'}:.frozen"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


both = pytest.mark.parametrize("callback", (True, False))


@both
def test_datagrams_come_one_by_one(vm, callback):
    script = """
own, others = platform.own_socket(IP), platform.group_socket(group(A), IP, None)
found, shared = [], []
asyncio.create_task(take(own, found))
asyncio.create_task(take(others, shared))
for i in range(5):
    send((i,), OWN)
    await asyncio.sleep_ms(40)
    send((10 + i,), A)
    await asyncio.sleep_ms(40)
return found, shared
"""
    assert vm(script, callback=callback) == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]


def test_ring_keeps_a_burst_and_counts_what_it_has_no_place_for(vm):
    script = """
s = platform.group_socket(group(A), IP, None)
await asyncio.sleep_ms(10)
send(range(30), A)
await asyncio.sleep_ms(50)
kept, bursts = [], []
for more in (range(0), range(40)):
    send(more, A)
    await asyncio.sleep_ms(50)
    found = []
    while s.pending():
        found.append(s.recvfrom(1281)[0][0])
    bursts.append(found)
return bursts[0], bursts[1], platform.lost(s)
"""
    assert vm(script) == [list(range(30)), list(range(32)), 8]


@both
def test_nothing_is_allocated_while_nothing_comes(vm, callback):
    script = """
own, others = platform.own_socket(IP), platform.group_socket(group(A), IP, None)
found = []
asyncio.create_task(take(own, found))
asyncio.create_task(take(others, found))
await asyncio.sleep_ms(20)
send((1,), OWN)
await asyncio.sleep_ms(60)
gc.collect()
gc.disable()
before = gc.mem_alloc()
await asyncio.sleep_ms(2000)
return found, gc.mem_alloc() - before
"""
    found, allocated = vm(script, callback=callback)
    assert found == [1]
    assert allocated < 2048


def test_callback_amidst_the_taking_overwrites_nothing(vm):
    """It comes once more as soon as all places but one are taken."""
    script = """
import io
from groupcoap.net import _rp2
waiting = list(range(40))
class Fake(io.IOBase):
    def setsockopt(self, level, option, callback):
        self.callback = callback
    def sendto(self, data, pair):
        pass
    def close(self):
        pass
    def recvfrom(self, size, flags):
        if not waiting:
            raise OSError(errno.EAGAIN)
        if len(waiting) == 9:
            micropython.schedule(self.callback, self)
        return bytes((waiting.pop(0),)), (CLIENT, 1)
    def ioctl(self, request, argument):
        return argument if request == 3 and waiting else 0
s = _rp2.Ring(Fake())
found = []
task = asyncio.create_task(take(s, found))
await asyncio.sleep_ms(100)
return found, s.lost
"""
    found, lost = vm(script)
    assert found == sorted(set(found))
    assert len(found) + lost == 40


@both
def test_datagrams_without_end_let_other_tasks_run(vm, callback):
    script = """
s = platform.own_socket(IP)
await asyncio.sleep_ms(10)
send(range(30 if CALLBACK else 4), OWN)
await asyncio.sleep_ms(50)
turns = 0
async def other():
    nonlocal turns
    while True:
        turns += 1
        await asyncio.sleep_ms(0)
asyncio.create_task(other())
for i in range(3):
    await platform.readable(s)
    s.recvfrom(1281)
return turns
"""
    assert vm(script, callback=callback) >= 3


@both
def test_datagrams_that_there_is_no_heap_for_are_taken_all_the_same(vm, callback):
    script = """
node, endpoint = member()
await asyncio.sleep_ms(30)
send((1,), OWN)
await asyncio.sleep_ms(60)
real, full = socket.socket.recvfrom, [True]
def recvfrom(self, size, *flags):
    if full and size > 200:
        raise MemoryError
    return real(self, size, *flags)
socket.socket.recvfrom = recvfrom
send((2, 3), OWN)
await asyncio.sleep_ms(100)
full.clear()
send((4,), OWN)
await asyncio.sleep_ms(100)
return endpoint.heard, node.lost()
"""
    assert vm(script, callback=callback) == [[1, 2, 3, 4], 0]


def test_another_socket_after_one_that_a_callback_waits_for(vm):
    script = """
first = platform.group_socket(group(A), IP, None)
await asyncio.sleep_ms(10)
send(range(40), A)
await asyncio.sleep_ms(50)
callback, inner = first._socket._callback, first._socket
platform.leave(first, group(A), IP)
first.close()
callback(inner)
first.close()
second = platform.group_socket(group(A), IP, None)
found = []
asyncio.create_task(take(second, found))
send((50,), A)
await asyncio.sleep_ms(100)
return second is not first, found, air.joined == {A: 1}
"""
    assert vm(script) == [True, [50], True]


def test_closed_sockets_leave_nothing_behind(vm):
    """The scheduler holds on to the last callbacks that it called."""
    script = """
def used():
    gc.collect()
    return gc.mem_alloc()
async def once():
    s = platform.own_socket(IP)
    await asyncio.sleep_ms(10)
    send((1,), OWN)
    await asyncio.sleep_ms(20)
    found = s.recvfrom(1281)[0][0]
    s.close()
    await asyncio.sleep_ms(10)
    return found
await once()
before = used()
for i in range(3):
    await once()
return (used() - before) // 3
"""
    assert vm(script) < 64


def test_failed_join_leaves_what_has_been_joined(vm):
    script = """
node, endpoint = member(A, B)
await asyncio.sleep_ms(30)
air.forget()
air.places = 1
node.rejoin()
await asyncio.sleep_ms(2500)
tries = len([1 for line in log() if line == "join " + A])
between = dict(air.joined)
air.places = 7
await asyncio.sleep_ms(1200)
before = len(log())
node.refresh()
send((1,), A)
send((2,), B)
await asyncio.sleep_ms(100)
return tries, between, air.joined == {A: 1, B: 1}, len(log()) - before, endpoint.heard
"""
    tries, between, joined, heard, got = vm(script)
    assert tries >= 3 and between == {}
    assert joined and heard == 4  # each group was left and joined
    assert sorted(got) == [1, 2]


def test_membership_outlives_its_socket_on_esp32(vm):
    script = """
node, endpoint = member(A)
await asyncio.sleep_ms(30)
node.rejoin()
await asyncio.sleep_ms(50)
once = log() == ["join " + A] and air.joined == {A: 2}
send((1,), A)
await asyncio.sleep_ms(50)
other = socket.socket()
other.bind((A, 5684))
client.sendto(b"x", socket._raw((A, 5684)))
await asyncio.sleep_ms(20)
heard = other.recvfrom(10)[0] == b"x"
air.forget()
send((2,), A)
await asyncio.sleep_ms(50)
node.rejoin()
await asyncio.sleep_ms(50)
send((3,), A)
await asyncio.sleep_ms(50)
return once, endpoint.heard, heard, len(log())
"""
    assert vm(script, "esp32") == [True, [1, 3], True, 2]
