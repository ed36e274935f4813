"""OSCORE and Group OSCORE between other people's implementation and ours: the cases of secure_cases.py."""

import aiocoap
import aiocoap_contexts
import pytest

import secure_cases
import secure_keys
import secure_world
from aiocoap.message import Direction

RUNS = [
    pytest.param(case, pair, id=f"{case.__name__}-{'-'.join(pair)}")
    for case in secure_cases.CASES
    for pair in case.pairs
]


@pytest.mark.parametrize("case, pair", RUNS)
def test_secure(case, pair, tmp_path, lan, node):
    world = secure_world.World(*pair, tmp_path, lan, node)
    try:
        case(world)
    finally:
        world.closing()


def over_the_wire(message):
    """The message as its receiver has it."""
    message.mtype, message.mid, message.token = aiocoap.CON, 1, b"t"
    return aiocoap.Message.decode(message.encode())


def turned(message):
    """A received message as one to be sent on."""
    message.direction = Direction.OUTGOING
    return message


@pytest.mark.parametrize("observe", [None, 0])
def test_both_layers_of_a_client_with_a_proxy_are_opened_by_aiocoap(observe, tmp_path):
    def pair(server, **more):
        files = secure_keys.oscore(tmp_path, "alice", server)
        return [aiocoap_contexts.load(path, **more) for path in files]

    (alice, server), (alice_to_proxy, proxy) = pair("server"), pair("proxy", adjacent=True)
    request = aiocoap.Message(code=aiocoap.GET, observe=observe, uri_path=("temp",))
    inner, sent = alice.protect(request)
    inner.opt.proxy_scheme, inner.opt.uri_host = "coap", "127.0.9.9"
    outer, sent_to_proxy = alice_to_proxy.protect(inner)
    visible = [option.number for option in outer.opt.option_list()]
    assert visible == [6, 9][observe is None :]

    at_proxy, from_alice = proxy.unprotect(over_the_wire(outer))
    assert (at_proxy.opt.proxy_scheme, at_proxy.opt.uri_host) == ("coap", "127.0.9.9")
    at_proxy.opt.proxy_scheme = at_proxy.opt.uri_host = None
    received, to_answer = server.unprotect(over_the_wire(turned(at_proxy)))
    assert (received.code, received.opt.uri_path, received.opt.observe) == (aiocoap.GET, ("temp",), observe)

    answer, _ = server.protect(aiocoap.Message(code=aiocoap.CONTENT, payload=b"21.5"), to_answer)
    at_proxy = turned(over_the_wire(answer))
    layered, _ = proxy.protect(at_proxy, from_alice)
    end_to_end, _ = alice_to_proxy.unprotect(over_the_wire(layered), sent_to_proxy)
    response, _ = alice.unprotect(end_to_end, sent)
    assert (response.code, response.payload) == (aiocoap.CONTENT, b"21.5")
