"""OSCORE as aiocoap's library does it: the same bytes, and each takes what the other sends, in both directions."""

import random

import aiocoap
import pytest
from aiocoap import oscore as theirs
from aiocoap.message import Direction
from groupcoap import numbers as n
from groupcoap.message import Message, Writer
from groupcoap.oscore.context import Context
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.errors import Rejected
from groupcoap.oscore.exchange import header

SECRET = bytes(range(16))
SALT = b"salt"


class Peer(theirs.CanProtect, theirs.CanUnprotect, theirs.SecurityContextUtils):
    """A security context of aiocoap, in RAM."""

    alg_aead = theirs.algorithms["AES-CCM-16-64-128"]
    hashfun = theirs.hashfunctions["sha256"]
    external_aad_is_group = False
    echo_recovery = None

    def __init__(self, sender_id, recipient_id, id_context=None, number=0):
        self.sender_id, self.recipient_id, self.id_context = sender_id, recipient_id, id_context
        self.sender_sequence_number = number
        self.recipient_replay_window = theirs.ReplayWindow(32, lambda: None)
        self.recipient_replay_window.initialize_empty()
        self.derive_keys(SALT, SECRET)

    def post_seqnoincrease(self):
        pass

    def protected(self, data, request_id=None):
        """(datagram, what binds responses) of a plain datagram."""
        plain = aiocoap.Message.decode(data)
        plain.direction = Direction.OUTGOING
        message, request_id = self.protect(plain, request_id)
        message.mtype, message.mid, message.token = plain.mtype, plain.mid, plain.token
        return message.encode(), request_id

    def unprotected(self, data, request_id=None):
        """(plain Message of aiocoap, what binds responses) of a protected datagram."""
        return self.unprotect(aiocoap.Message.decode(data), request_id)


class Sequence:
    def __init__(self, number):
        self.number = number

    def take(self):
        self.number += 1
        return self.number - 1


def our_end(sender_id, recipient_id, id_context=None, number=0):
    return Context("peer", SECRET, SALT, sender_id, recipient_id, Sequence(number), id_context=id_context)


def parsed(data):
    m = Message()
    m.parse(data, len(data))
    return m


def writer():
    return Writer(bytearray(1300))


def sealed(seal, data):
    out = writer()
    result = seal(parsed(data), out)
    exchange, sealing = result if isinstance(result, tuple) else (None, result)
    assert sealing.step()
    sealing.finish()
    return out.message(), exchange


def opened(opening):
    out = writer()
    assert opening.step()
    return out, opening.finish(out)


def plain(code, options, payload=b"", mid=7, token=b"\1\2"):
    out = writer()
    out.begin(n.NON, code, mid, token)
    for number, value in options:
        out.option(number, value)
    out.payload(payload)
    return out.message()


def content(message):
    """What an aiocoap Message says, to be compared."""
    return int(message.code), [(int(o.number), o.encode()) for o in message.opt.option_list()], message.payload


def said(data):
    m = parsed(data)
    return m.code, m.options(), bytes(m.payload())


def some_request(dice):
    options = [(n.URI_HOST, b"host")] * dice.randrange(2) + [(n.OBSERVE, b"")] * dice.randrange(2)
    options += [(n.URI_PATH, dice.randbytes(3).hex().encode()) for _ in range(dice.randrange(4))]
    options += [(n.URI_QUERY, b"q=%d" % i) for i in range(dice.randrange(3))]
    options += [(n.ACCEPT, b"\x3c")] * dice.randrange(2)
    options += [(n.BLOCK2, b"\6")] * dice.randrange(2) + [(65001, dice.randbytes(300))] * dice.randrange(2)
    return plain(dice.choice((n.GET, n.PUT, n.POST, n.FETCH)), options, dice.randbytes(dice.choice((0, 1, 40, 700))))


def some_response(dice):
    options = [(n.ETAG, b"tag")] * dice.randrange(2) + [(n.MAX_AGE, b"\5")] * dice.randrange(2)
    options += [(n.BLOCK2, b"\x0e")] * dice.randrange(2)
    return plain(dice.choice((n.CONTENT, n.CHANGED, n.NOT_FOUND)), options, dice.randbytes(dice.choice((0, 12, 600))))


IDS = [(b"", b"\1", None), (b"\1", b"", b"context"), (b"client!", b"server!", b""), (b"\0", b"\0\0", bytes(100))]


@pytest.mark.parametrize("client, server, id_context", IDS)
def test_keys_are_the_same(client, server, id_context):
    a, b = our_end(client, server, id_context), Peer(client, server, id_context)
    assert (a._seal._key, a._open._key, a.common_iv) == (b.sender_key, b.recipient_key, b.common_iv)


@pytest.mark.parametrize("client, server, id_context", IDS)
def test_each_takes_the_others_requests_and_responses(client, server, id_context):
    dice = random.Random(1)
    ours, aiocoaps = our_end(client, server, id_context, 250), Peer(client, server, id_context, 250)
    our_server, their_server = our_end(server, client, id_context), Peer(server, client, id_context)
    contexts = Contexts([our_server])
    for _ in range(30):
        request = some_request(dice)
        response = some_response(dice)
        a, exchange = sealed(ours.seal_request, request)
        b, request_id = aiocoaps.protected(request)
        assert a == b  # a client is as good as the other
        message, served = their_server.unprotected(a)
        code, options, payload = said(request)  # an outer option is lost in aiocoap
        assert content(message) == (code, [pair for pair in options if pair[0] != n.URI_HOST], payload)
        out, our_exchange = opened(contexts.open_request(parsed(b)))
        assert out.message() == request
        for again in range(3):
            c, _ = their_server.protected(response, served)
            d, _ = sealed(our_exchange.seal, response)
            # aiocoap answers every FETCH with 2.05
            assert c[4:] == d[4:] and {c[1], d[1]} <= {n.CHANGED, n.CONTENT}
            assert (header(parsed(c))[0] is None) == (again == 0)
            assert opened(exchange.open(parsed(c)))[0].message() == response
            assert content(aiocoaps.unprotected(d, request_id)[0]) == said(response)


def test_notifications_of_aiocoap_are_taken_in_order():
    ours, server = our_end(b"c", b"s"), Peer(b"s", b"c", number=255)
    request = plain(n.GET, [(n.OBSERVE, b""), (n.URI_PATH, b"x")])
    data, exchange = sealed(ours.seal_request, request)
    message, served = server.unprotected(data)
    assert message.opt.observe == 0
    plains = [plain(n.CONTENT, [(n.OBSERVE, bytes((40 + i,)))], bytes((i,))) for i in range(4)]
    sent = [server.protected(each, served)[0] for each in plains]
    assert [header(parsed(data))[0] for data in sent] == [None, b"\xff", b"\1\0", b"\1\1"]
    values = []
    for i in (0, 1, 3):
        m = parsed(opened(exchange.open(parsed(sent[i])))[0].message())
        assert bytes(m.payload()) == bytes((i,)) and m.code == n.CONTENT
        values.append(m.option_uint(n.OBSERVE))
    assert values == [0xFFFFFF, 255, 257]  # the first one comes before a Partial IV of 0
    for data in (sent[2], sent[3], sent[0]):
        with pytest.raises(Rejected, match="Replay detected"):
            exchange.open(parsed(data)).finish(writer())


def test_our_notifications_are_taken_by_aiocoap():
    client, server = Peer(b"c", b"s"), our_end(b"s", b"c", number=255)
    data, request_id = client.protected(plain(n.GET, [(n.OBSERVE, b""), (n.URI_PATH, b"x")]))
    out, exchange = opened(Contexts([server]).open_request(parsed(data)))
    assert exchange.observe == 0 and exchange.outer_observe
    values = []
    for i in range(3):
        data, _ = sealed(exchange.seal, plain(n.CONTENT, [(n.OBSERVE, bytes((7 + i,)))], bytes((i,))))
        message, _ = client.unprotected(data, request_id)
        assert message.payload == bytes((i,)) and message.code == aiocoap.CONTENT
        values.append(message.opt.observe)
    assert values == [255, 256, 257]  # aiocoap's values: the Partial IV
    data, _ = sealed(exchange.seal, plain(n.NOT_FOUND, []))
    message, _ = client.unprotected(data, request_id)
    assert message.code == aiocoap.NOT_FOUND and message.opt.observe is None


def test_a_server_of_ours_that_has_restarted_lets_aiocoap_prove_freshness():
    client, server = Peer(b"c", b"s", number=9), our_end(b"s", b"c", number=100)
    server.window.valid = False
    contexts = Contexts([server])
    data, request_id = client.protected(plain(n.GET, [(n.URI_PATH, b"x")]))
    _, exchange = opened(contexts.open_request(parsed(data)))
    assert not exchange.fresh
    data, _ = sealed(exchange.seal, plain(n.UNAUTHORIZED, [(n.ECHO, b"challenge")]))
    message, _ = client.unprotected(data, request_id)
    assert message.code == aiocoap.UNAUTHORIZED and message.opt.echo == b"challenge"
    data, request_id = client.protected(plain(n.GET, [(n.URI_PATH, b"x"), (n.ECHO, message.opt.echo)]))
    _, exchange = opened(contexts.open_request(parsed(data)))
    exchange.recover()
    data, _ = sealed(exchange.seal, plain(n.CONTENT, [], b"ok"))
    assert client.unprotected(data, request_id)[0].payload == b"ok"
    with pytest.raises(Rejected, match="Replay detected"):
        opened(contexts.open_request(parsed(client.protected(plain(n.GET, []))[0])))
        opened(contexts.open_request(parsed(Peer(b"c", b"s", number=9).protected(plain(n.GET, []))[0])))


def test_a_server_of_aiocoap_that_has_restarted_is_given_its_echo():
    client, server = our_end(b"c", b"s", number=9), Peer(b"s", b"c", number=100)
    server.recipient_replay_window = theirs.ReplayWindow(32, lambda: None)
    server.echo_recovery = b"echo"
    data, exchange = sealed(client.seal_request, plain(n.GET, [(n.URI_PATH, b"x")]))
    with pytest.raises(theirs.ReplayErrorWithEcho) as challenge:
        server.unprotected(data)
    message = challenge.value.to_message()
    message.mtype, message.mid, message.token = aiocoap.NON, 1, b"\1\2"
    answer = parsed(opened(exchange.open(parsed(message.encode())))[0].message())
    assert answer.code == n.UNAUTHORIZED and answer.option(n.ECHO) == b"echo"
    data, exchange = sealed(client.seal_request, plain(n.GET, [(n.URI_PATH, b"x"), (n.ECHO, b"echo")]))
    _, served = server.unprotected(data)
    data, _ = server.protected(plain(n.CONTENT, [], b"ok"), served)
    assert bytes(parsed(opened(exchange.open(parsed(data)))[0].message()).payload()) == b"ok"


def test_aiocoap_finds_path_and_query_of_a_proxy_uri():
    ours, server = our_end(b"c", b"s"), Peer(b"s", b"c")
    request = plain(n.GET, [(n.PROXY_URI, b"coap://[2001:db8::1]:61616/a/b?c=d")])
    data, _ = sealed(ours.seal_request, request)
    assert parsed(data).option(n.PROXY_URI) == b"coap://[2001:db8::1]:61616"
    message, _ = server.unprotected(data)
    assert message.opt.uri_path == ("a", "b") and message.opt.uri_query == ("c=d",)
