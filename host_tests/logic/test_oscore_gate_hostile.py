"""What somebody with keys of his own, or without any, can do at a gate to the requests and answers of others."""

from groupcoap import numbers as n
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.asking import Way
from groupcoap.server import Resource
from oscore_ends import seal_request, request
from secured import Pair, context
from wire import CLIENT, SERVER, datagram

VMS = ("cpython", "unix")

OPEN = ((n.URI_PATH, b"open"),)


def both_kinds():
    """A Pair whose server has /open besides, for which no protection is required, and knows mallory, too."""
    pair = Pair()
    pair.server.add(Resource("open", group=True, observable=True), GET=lambda m: b"to all")
    opened = [resource.hash for resource in pair.server.resources.values() if resource.path == b"\4open"]
    mallory = context("mallory", b"\2", b"\7")
    pair.gate.contexts = Contexts([pair.server_context, mallory], [])
    pair.gate.required = lambda m: m.path not in opened
    return pair


def notified(pair, value):
    pair.value = value
    pair.server.changed(pair.resource, pair.wire.now)
    pair.wire.advance(4000)
    return pair.server_port.sent()


def test_a_method_that_is_none_is_refused_under_protection():
    pair = Pair()
    faults = []
    pair.server.failed = faults.append
    for code in (8, 31):
        pair.items = []
        said = pair.ask(code)
        assert (pair.items[0].code, pair.items[0].security.name) == (n.METHOD_NOT_ALLOWED, "server")
        assert said[1].code == n.CHANGED
    assert faults == [] and pair.asked == []


def test_an_unprotected_request_with_the_token_of_a_protected_observation_lays_nothing_bare():
    pair = both_kinds()
    registered = pair.ask(observe=True)[0]
    again = datagram(n.CON, n.GET, 77, registered.token, OPEN)
    for _ in range(2):  # once more as a repetition
        assert pair.server_port.receive(again, CLIENT) == []
    assert pair.server_port.receive(datagram(n.NON, n.GET, 78, registered.token, OPEN), CLIENT) == []
    (told,) = notified(pair, b"secret")
    assert told.option(n.OSCORE) is not None and b"secret" not in told.raw
    pair.client_port.receive(told.raw, SERVER)
    assert pair.items[-1].payload == b"secret"


def test_an_unprotected_request_with_the_token_of_one_that_waits_for_its_moment_lays_nothing_bare():
    pair = both_kinds()
    pair.server.resources[pair.resource.hash].group = True
    membership = pair.server.join(1000)
    (asked,) = pair.send(confirmable=False)
    pair.server_port.deliver(asked.raw, CLIENT, membership)
    assert pair.server_port.receive(datagram(n.NON, n.GET, 77, asked.token, OPEN), CLIENT) == []
    pair.server_port.deliver(datagram(n.NON, n.GET, 78, asked.token, OPEN), CLIENT, membership)
    pair.wire.advance(2000)
    (answer,) = pair.server_port.sent()
    assert answer.option(n.OSCORE) is not None and b"21.5" not in answer.raw


def test_another_client_cannot_have_the_answers_to_a_request_protected_for_itself():
    pair = both_kinds()
    registered = pair.ask(observe=True)[0]
    mallory = context("server", b"\7", b"\2")
    _, data = seal_request(mallory, request(token=registered.token, mid=77))
    assert pair.server_port.receive(data, CLIENT) == []
    assert pair.gate.refused == 1
    (told,) = notified(pair, b"22")
    pair.client_port.receive(told.raw, SERVER)
    assert pair.items[-1].payload == b"22"
    pair.ask(observe=True, way=Way(pair.client_context))  # and who has registered may do so again
    assert pair.items[-1].payload == b"22"


def test_strangers_leave_places_to_who_is_protected():
    pair = both_kinds()
    membership = pair.server.join(10000)
    for i in range(16):
        pair.server_port.deliver(datagram(n.NON, n.GET, 1000 + i, b"%02d" % i, OPEN), CLIENT, membership)
    assert pair.server_port.receive(datagram(n.NON, n.GET, 77, b"more", OPEN), CLIENT)[0].code == n.SERVICE_UNAVAILABLE
    pair.ask(observe=True)
    assert pair.items[0].payload == b"21.5" and pair.gate.crowded == 1
    pair.wire.advance(200000)
    assert len(pair.server_port.sent()) == 15 and pair.gate.unbound == 1


def test_once_the_answers_are_there_a_token_may_be_anybodys():
    pair = both_kinds()
    asked = pair.ask()[0]
    (answer,) = pair.server_port.receive(datagram(n.CON, n.GET, 77, asked.token, OPEN), CLIENT)
    assert (answer.code, answer.payload) == (n.CONTENT, b"to all")


def test_what_the_endpoint_refuses_by_itself_is_not_protected_as_somebodys_answer():
    pair = both_kinds()
    registered = pair.ask(observe=True)[0]
    (answer,) = pair.server_port.receive(datagram(n.CON, 31, 77, registered.token, OPEN), CLIENT)
    assert (answer.code, answer.option(n.OSCORE)) == (n.METHOD_NOT_ALLOWED, None)
    (answer,) = pair.server_port.receive(datagram(n.NON, 8, 78, b"new"), CLIENT)
    assert (answer.code, answer.token) == (n.METHOD_NOT_ALLOWED, b"new")
    assert pair.gate.unbound == 0
