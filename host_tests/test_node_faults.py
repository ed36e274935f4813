"""What goes wrong inside of a node, or what its resources do to it, does not end it."""

import time

import foreign
import peers
import pytest
from peers import NON, path


@pytest.fixture
def to(lan, tmp_path):
    address = lan.address()
    with foreign.vm_program("faulty_node", address, folder=tmp_path, heap="256K"):
        yield address, peers.PORT


@pytest.fixture
def client(lan):
    return peers.Peer(lan.address())


def temp(client, to, seconds):
    """The answers to requests for /temp, one each 0.1 s, until there is one or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.send(to, NON, options=path("temp"), token=b"temp")
        found = client.collect(1, 0.1, lambda message: message.token == b"temp")
        if found:
            return found
    return []


def test_node_answers_again_after_its_heap_was_full(client, to):
    for _ in range(3):
        client.send(to, NON, options=path("hog"), token=b"hog")
        end = time.monotonic() + 0.5
        while time.monotonic() < end:  # while there is no heap to take them
            client.send(to, NON, options=path("temp"), token=b"lost")
            time.sleep(0.02)
        client.drain()
        assert [message.payload for message in temp(client, to, 5)] == [b"21.5"]


def test_node_takes_long_datagrams_into_a_heap_in_pieces(client, to):
    assert client.ask(to, type=NON, options=path("pieces")).payload == b"ok"
    for mid in range(1, 11):
        for _ in range(3):  # the unix port copies each: one may be lost in front of that, and must come again
            client.send(to, code=peers.PUT, options=path("length"), payload=bytes(1000), mid=mid)
            found = client.collect(1, 0.3, lambda message, mid=mid: message.mid == mid)
            if found:
                break
        assert [message.payload for message in found] == [b"1000"], mid


def test_resource_that_is_cancelled_is_answered_and_gives_its_place_back(client, to):
    for _ in range(5):  # with two places
        assert client.ask(to, type=NON, options=path("cancelled")).code == "5.00"
    assert client.ask(to, type=NON, options=path("temp")).payload == b"21.5"
