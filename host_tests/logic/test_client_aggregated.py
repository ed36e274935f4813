"""One aggregated answer to a client's group request, whole or block by block (docs/aggregate.md, RFC 7959)."""

from asking import through
from groupcoap import multipart
from groupcoap import numbers as n
from test_aggregate import filled
from wire import MULTICAST_TIMEOUT, PROXY, datagram


def test_answer_in_one_message_is_the_only_one():
    collected = filled(3)
    asking = through(timeout=10, accept=n.MULTIPART_CORE)
    first = collected.block()
    asking.answer(options=first.options, payload=first.payload, peer=PROXY)
    assert asking.items[0].payload == collected.body() and asking.items[0].origin is None and asking.over()
    assert len(multipart.answers(asking.items[0])) == 3


def test_further_blocks_are_asked_for_by_the_same_request():
    collected = filled(30)
    asking = through(timeout=10, accept=n.MULTIPART_CORE)
    first = collected.block(largest=4)
    out = asking.answer(options=first.options, payload=first.payload, peer=PROXY)
    while not asking.items:
        (sent,) = out
        value = int.from_bytes(sent.option(n.BLOCK2), "big")
        assert sent.option(n.ACCEPT) == b">" and sent.peer == PROXY and sent.option(MULTICAST_TIMEOUT) == b"\x0a"
        block = collected.block(value >> 4, value & 7, 4)
        answer = datagram(n.ACK, n.CONTENT, sent.mid, sent.token, block.options, block.payload)
        out = asking.port.receive(answer, PROXY)
    assert asking.items[0].payload == collected.body() and asking.items[0].origin is None and asking.over()
    assert len(multipart.answers(asking.items[0])) == 30
