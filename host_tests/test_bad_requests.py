"""Requests that ask for too much or make no sense, at a real node: the RFC's answer, and every table as it was."""

import peers
import pytest
from peers import ACK, CON, GET, NON, PUT, RST

OBSERVE, BLOCK2, BLOCK1, SIZE1 = 6, 23, 27, 60
VALUE = peers.path("temp")


@pytest.fixture
def server(node):
    resources = {"temp": {"value": "21.5", "observable": True}, "long": {"value": "x" * 1000}}
    return node(peers.server_config(resources=resources, observers=4, block_size=64))


@pytest.fixture
def client(lan):
    return peers.Peer(lan.address())


def block(num, more, szx):
    return peers.uint(num << 4 | more << 3 | szx)


def ask(client, server, **how):
    """The ACK to a CON request, which carries the response."""
    request = client.send(server, CON, **how)
    response = client.expect()
    assert (response.type, response.mid) == (ACK, request.mid)
    return response


def upload(client, server, payload, size=64):
    """Send a payload by Block1: the codes of the answers."""
    codes = []
    for num, start in enumerate(range(0, len(payload), size)):
        more = start + size < len(payload)
        options = [*VALUE, (BLOCK1, block(num, more, size.bit_length() - 5))]
        codes.append(ask(client, server, code=PUT, options=options, payload=payload[start : start + size]).code)
    return codes


@pytest.mark.parametrize("szx", range(7))
def test_block_behind_the_end_is_4_00(szx, server, client):
    for num in (64, 0xFFFFF):
        options = [*peers.path("long"), (BLOCK2, block(num, 0, szx))]
        assert ask(client, server, options=options).code == "4.00"
    assert ask(client, server, options=[*peers.path("long"), (BLOCK2, block(15, 0, 2))]).payload == b"x" * 40


def test_reserved_block_size_is_4_00(server, client):
    assert ask(client, server, options=[*VALUE, (BLOCK2, block(0, 0, 7))]).code == "4.00"
    assert ask(client, server, code=PUT, options=[*VALUE, (BLOCK1, block(0, 1, 7))], payload=b"x").code == "4.00"


def test_block_option_of_four_bytes_is_4_02(server, client):
    assert ask(client, server, options=[*VALUE, (BLOCK2, b"\1\0\0\0")]).code == "4.02"


def test_gap_is_4_08_and_the_next_upload_succeeds(server, client):
    first = ask(client, server, code=PUT, options=[*VALUE, (BLOCK1, block(0, 1, 2))], payload=b"x" * 64)
    assert first.code == "2.31"
    gap = ask(client, server, code=PUT, options=[*VALUE, (BLOCK1, block(2, 0, 2))], payload=b"end")
    assert gap.code == "4.08"
    assert ask(client, server, options=VALUE).payload == b"21.5"
    assert upload(client, server, b"y" * 150) == ["2.31", "2.31", "2.04"]
    assert upload(client, server, b"23") == ["2.04"]


def test_block_of_an_upload_that_never_began_is_4_08(server, client):
    for num in (1, 0xFFFFF):
        options = [*VALUE, (BLOCK1, block(num, 1, 2))]
        assert ask(client, server, code=PUT, options=options, payload=b"x" * 64).code == "4.08"


def test_short_block_that_is_not_the_last_is_4_00(server, client):
    options = [*VALUE, (BLOCK1, block(0, 1, 2))]
    assert ask(client, server, code=PUT, options=options, payload=b"x" * 63).code == "4.00"


def test_size1_above_what_is_taken_is_4_13_at_once(server, client):
    options = [*VALUE, (BLOCK1, block(0, 1, 2)), (SIZE1, peers.uint(1025))]
    refused = ask(client, server, code=PUT, options=options, payload=b"x" * 64)
    assert (refused.code, refused.option(SIZE1)) == ("4.13", peers.uint(1024))
    assert upload(client, server, b"z" * 128) == ["2.31", "2.04"]


def test_size1_that_promises_less_than_comes_is_bounded_all_the_same(server, client):
    for num in range(17):
        options = [*VALUE, (BLOCK1, block(num, 1, 2)), (SIZE1, b"\1")]
        answer = ask(client, server, code=PUT, options=options, payload=b"x" * 64)
    assert (answer.code, answer.option(SIZE1)) == ("4.13", peers.uint(1024))
    assert ask(client, server, options=VALUE).payload == b"21.5"
    assert upload(client, server, b"z" * 128) == ["2.31", "2.04"]


def test_size1_that_promises_more_than_comes_is_no_matter(server, client):
    options = [*VALUE, (BLOCK1, block(0, 1, 2)), (SIZE1, peers.uint(1000))]
    assert ask(client, server, code=PUT, options=options, payload=b"x" * 64).code == "2.31"
    last = ask(client, server, code=PUT, options=[*VALUE, (BLOCK1, block(1, 0, 2))], payload=b"end")
    assert last.code == "2.04"
    assert ask(client, server, options=[*VALUE, (BLOCK2, block(1, 0, 2))]).payload == b"end"


def test_flood_of_observers_is_answered_without_observe_and_leaves_no_trace(server, client):
    for _ in range(2):
        observing = []
        for number in range(100):
            token = bytes((1, number))
            answer = ask(client, server, options=[(OBSERVE, b""), *VALUE], token=token)
            assert (answer.code, answer.payload) == ("2.05", b"21.5")
            if answer.option(OBSERVE) is not None:
                observing.append(token)
        assert observing == [bytes((1, number)) for number in range(4)]
        assert ask(client, server, code=PUT, options=VALUE, payload=b"21.5").code == "2.04"
        told = client.collect(4)
        assert sorted(notification.token for notification in told) == observing
        for notification in told:
            client.send(server, RST, "0.00", mid=notification.mid, token=b"")


def test_path_of_60_segments_is_4_04(server, client):
    assert ask(client, server, options=peers.path("/".join(["s"] * 60))).code == "4.04"
    assert ask(client, server, options=peers.path("/".join(["temp"] * 60))).code == "4.04"


@pytest.mark.parametrize("code", ["0.08", "0.31"])
def test_unknown_method_is_4_05(code, server, client):
    assert ask(client, server, code=code, options=VALUE).code == "4.05"


@pytest.mark.parametrize("length", range(9, 16))
def test_token_of_nine_bytes_and_more_is_reset(length, server, client):
    client.send_bytes(server, bytes((0x40 | length, 1, 0x12, 0x34)) + b"t" * length + b"\xb4temp")
    reset = client.expect()
    assert (reset.type, reset.code, reset.mid) == (RST, "0.00", 0x1234)
    client.send_bytes(server, bytes((0x50 | length, 1, 0x12, 0x35)) + b"t" * length + b"\xb4temp")
    assert client.ping(server) == []


def test_all_of_it_leaves_the_node_serving(server, client):
    client.send(server, NON, GET, options=VALUE)
    assert client.expect().payload == b"21.5"
