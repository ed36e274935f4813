"""What nobody answers: requests with No-Response 26 (RFC 7967) to a single server, and changes by a whole group."""

from cached import Cached, asking, individual
from groupcoap import numbers as n
from wire import Proxied

QUIET = [(n.PROXY_URI, b"coap://192.0.2.5/temp"), (n.NO_RESPONSE, b"\x1a")]


def test_con_is_acknowledged_and_its_slot_free_once_the_server_has_it():
    proxy = Proxied()
    (ack,) = proxy.ask(QUIET, kind=n.CON, code=n.PUT, payload=b"1")
    (sent,) = proxy.up.sent()
    assert ack.kind == n.ACK and ack.code == n.EMPTY
    assert sent.kind == n.CON and sent.option(n.NO_RESPONSE) == b"\x1a" and proxy.free() == 3
    assert proxy.answer(b"", sent.mid, n.ACK, n.EMPTY, payload=b"") == [] and proxy.free() == 4
    proxy.wire.advance(200000)
    assert proxy.down.sent() == []


def test_con_is_sent_again_to_a_server_that_is_silent_and_its_client_hears_nothing():
    proxy = Proxied()
    proxy.ask(QUIET, kind=n.CON, code=n.PUT)
    proxy.wire.advance(200000)
    assert len(proxy.up.sent()) > 3 and proxy.down.sent() == [] and proxy.free() == 4


def test_con_that_the_server_resets_is_over():
    proxy = Proxied()
    proxy.ask(QUIET, kind=n.CON, code=n.PUT)
    (sent,) = proxy.up.sent()
    assert proxy.answer(b"", sent.mid, n.RST, n.EMPTY, payload=b"") == [] and proxy.free() == 4


def test_con_that_comes_again_is_acknowledged_again_and_goes_on_once():
    for code in (n.PUT, n.POST, n.GET):
        proxy = Proxied()
        proxy.ask(QUIET, kind=n.CON, code=code, mid=77)
        (again,) = proxy.ask(QUIET, kind=n.CON, code=code, mid=77)
        assert again.is_empty(n.ACK, 77) and len(proxy.up.sent()) == 1


def test_non_takes_no_slot():
    proxy = Proxied()
    assert proxy.ask(QUIET, code=n.POST, payload=b"1") == []
    (sent,) = proxy.up.sent()
    assert sent.kind == n.NON and sent.payload == b"1" and proxy.free() == 4


def test_answer_that_comes_nevertheless_is_not_relayed():
    proxy = Proxied()
    proxy.ask(QUIET, kind=n.CON)
    (sent,) = proxy.up.sent()
    assert proxy.answer(sent.token, sent.mid, n.ACK, n.CONTENT) == []
    assert proxy.answer(sent.token, 5, n.NON, n.CONTENT) == []


def test_other_wishes_for_silence_are_the_servers_business():
    for value in (b"\x02", b"\x18", b""):
        proxy = Proxied()
        proxy.ask(QUIET[:1] + [(n.NO_RESPONSE, value)], kind=n.CON)
        (sent,) = proxy.up.sent()
        (answer,) = proxy.answer(sent.token, sent.mid, n.ACK, n.NOT_FOUND)
        assert answer.code == n.NOT_FOUND


def test_what_is_stored_is_stale_once_the_request_has_gone():
    for kind in (n.CON, n.NON):
        cached = Cached()
        cached.answer(cached.asked(individual()))
        assert cached.ask(individual(), token=b"get")[1] == []
        cached.ask(individual([(n.NO_RESPONSE, b"\x1a")]), kind=kind, code=n.PUT, token=b"put")
        assert len(cached.ask(individual(), token=b"get")[1]) == 1


def test_what_is_stored_is_stale_once_a_group_has_been_told_to_change_it():
    for timeout in (b"", b"\x02"):  # mostly no server answers that
        cached = Cached()
        cached.fill()
        assert cached.ask(token=b"get")[1] == []
        cached.ask(asking(timeout=timeout), code=n.PUT, payload=b"1", token=b"put")
        assert len(cached.ask(token=b"get")[1]) == 1


def test_what_is_stored_of_another_resource_stays():
    cached = Cached()
    cached.fill()
    cached.ask(asking(target=b"coap://224.0.1.187/light"), code=n.PUT, payload=b"1", token=b"put")
    assert cached.ask(token=b"get")[1] == []
