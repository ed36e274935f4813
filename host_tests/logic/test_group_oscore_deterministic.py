"""Deterministic requests: the test vectors as whole messages, who may ask, what binds a response, what is refused."""

import group_vectors as v
from group_ends import (
    DETERMINISTIC_ID,
    GID,
    IDS,
    NO_CONTEXT,
    REPLAY,
    UNDECODED,
    UNDECRYPTED,
    answer,
    group_of,
    take,
)
from groupcoap import numbers as n
from groupcoap.oscore import deterministic, option
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.exchange import DETERMINISTIC
from groupcoap.oscore.group import Group, Member
from oscore_ends import Sequence, packet, rejected, request, response, seal_request, seal_response, why
from wire import datagram

VMS = ("cpython", "unix")


def without_hash(data):
    p = packet(data)
    options = [(number, value) for number, value in p.options if number != n.REQUEST_HASH]
    return datagram(p.kind, p.code, p.mid, p.token, options, p.payload)


def of_the_vectors(sender_id, key, credential, members):
    return Group(
        "vectors",
        v.GID,
        v.MASTER_SECRET,
        v.MASTER_SALT,
        sender_id,
        key,
        credential,
        v.MANAGER_CREDENTIAL,
        members,
        Sequence(),
        deterministic_id=v.DETERMINISTIC_ID,
    )


def test_the_vectors():
    server = of_the_vectors(v.SERVER_ID, Key(v.SERVER_PRIVATE), v.SERVER_CREDENTIAL, [])
    alice = group_of(0)
    client = of_the_vectors(IDS[0], alice.key, alice.credential, [Member("server", v.SERVER_ID, v.SERVER_CREDENTIAL)])
    assert client.deterministic_key == v.DETERMINISTIC_KEY and client.signature_key == v.SIGNATURE_KEY
    assert client.recipient_key(client.members[0]) == v.SERVER_KEY
    asked, data = seal_request(client, v.PLAIN_REQUEST, to=DETERMINISTIC)
    assert data == v.REQUEST and asked.request_hash == v.REQUEST_HASH
    exchange, plain = take(server, data)
    assert without_hash(plain) == v.PLAIN_REQUEST
    data = seal_response(exchange, v.PLAIN_RESPONSE)
    assert data == v.RESPONSE
    assert answer(asked, data) == (client.members[0], v.PLAIN_RESPONSE)


def test_every_member_makes_the_same_request_and_takes_the_same_response():
    kitchen = group_of(1, number=7)
    clients = group_of(0), group_of(2, number=99)
    sealed = [seal_request(client, request(), to=DETERMINISTIC) for client in clients]
    assert sealed[0][1] == sealed[1][1] and clients[1].sequence.number == 99
    p = packet(sealed[0][1])
    assert p.code == n.FETCH and option.parse(p.option(n.OSCORE)) == (b"\0", GID, DETERMINISTIC_ID, False)
    assert seal_request(clients[0], request(((n.URI_PATH, b"other"),)), to=DETERMINISTIC)[1] != sealed[0][1]
    exchange, plain = take(kitchen, sealed[0][1])
    assert without_hash(plain) == request() and exchange.mode == DETERMINISTIC and exchange.member is None
    data = seal_response(exchange, response())
    p = packet(data)
    assert p.code == n.CONTENT and p.option(n.MAX_AGE) == b"\x3c"
    assert option.parse(p.option(n.OSCORE)) == (b"\x07", None, IDS[1], True)
    for (asked, _), number in zip(sealed, (0, 1)):
        member, plain = answer(asked, data)
        assert member.name == "kitchen" and member.number == number and plain == response()
        assert why(answer, asked, data) == REPLAY


def test_it_may_come_again_and_is_never_answered_under_the_same_nonce():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request(), to=DETERMINISTIC)
    pivs = []
    for _ in range(3):
        exchange, plain = take(kitchen, data)
        assert exchange.fresh
        for _ in range(2):
            protected = seal_response(exchange, response())
            pivs.append(option.parse(packet(protected).option(n.OSCORE))[0])
            answer(asked, protected)
    assert pivs == [bytes((i,)) for i in range(6)]


def test_max_age_of_a_response_is_outside_too():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request(), to=DETERMINISTIC)
    plain = response(((n.MAX_AGE, b"\x0e\x10"),))
    protected = seal_response(take(kitchen, data)[0], plain)
    assert packet(protected).option(n.MAX_AGE) == b"\x0e\x10" and answer(asked, protected)[1] == plain
    for code in (n.NOT_FOUND, n.CONTENT, n.VALID):
        plain = response(code=code)
        protected = seal_response(take(kitchen, data)[0], plain)
        assert packet(protected).code == n.CONTENT and answer(asked, protected)[1] == plain


def test_the_request_hash_may_stand_in_a_response():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request(), to=DETERMINISTIC)
    exchange, _ = take(kitchen, data)
    for value, good in ((asked.request_hash, True), (bytes(32), False), (asked.request_hash[:31], False)):
        p = packet(seal_response(exchange, response()))
        options = list(p.options) + [(n.REQUEST_HASH, value)]
        put_in = datagram(p.kind, p.code, p.mid, p.token, options, p.payload)
        if good:
            plain = answer(asked, put_in)[1]
            assert without_hash(plain) == response()
        else:
            assert why(answer, asked, put_in) == UNDECODED


def test_a_response_is_for_this_request_alone():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request(), to=DETERMINISTIC)
    other, _ = seal_request(alice, request(((n.URI_PATH, b"other"),)), to=DETERMINISTIC)
    exchange, _ = take(kitchen, data)
    assert why(answer, other, seal_response(exchange, response())) == UNDECRYPTED
    # In pairwise mode, and without a Partial IV, a response is none.
    _, data = seal_request(alice, request(), to=alice.members[0])
    exchange, _ = take(kitchen, data)
    exchange.own_piv = True
    assert why(answer, asked, seal_response(exchange, response())) == UNDECODED  # as it has no kid
    _, data = seal_request(alice, request())
    exchange, _ = take(kitchen, data)
    exchange.pairwise = exchange.own_piv = True
    assert why(answer, asked, seal_response(exchange, response())) == UNDECODED
    _, data = seal_request(alice, request())
    without = seal_response(take(kitchen, data)[0], response())
    assert why(answer, asked, without) == UNDECODED


def test_an_observe_option_for_the_server_alone():
    alice, kitchen = group_of(0), group_of(1)
    observing = request(((n.OBSERVE, b""), (n.URI_PATH, b"temp")))
    asked, data = seal_request(alice, observing, to=DETERMINISTIC, observe=False)
    assert packet(data).option(n.OBSERVE) is None and asked.observe is None
    exchange, plain = take(kitchen, data)
    assert without_hash(plain) == request() and exchange.observe is None and exchange.inner_observe
    protected = seal_response(exchange, response())
    assert packet(protected).option(n.OBSERVE) is None
    assert answer(asked, protected)[1] == response()  # which has an inner Observe option
    assert why(answer, asked, protected) == REPLAY
    protected = seal_response(exchange, response(((n.OBSERVE, b"\x01"),)))  # from who observes for others
    assert packet(protected).option(n.OBSERVE) is None and answer(asked, protected)[1] == response()
    plainly, _ = seal_request(alice, request(), to=DETERMINISTIC)
    plainly.request_hash = asked.request_hash
    assert why(answer, plainly, seal_response(exchange, response())) == UNDECRYPTED


def test_nobody_observes_by_what_anybody_may_repeat():
    alice, kitchen = group_of(0), group_of(1, number=4)
    observing = request(((n.OBSERVE, b""), (n.URI_PATH, b"temp")))
    asked, data = seal_request(alice, observing, to=DETERMINISTIC)
    quiet, same = seal_request(alice, observing, to=DETERMINISTIC, observe=False)
    assert packet(data).option(n.OBSERVE) == b"" and packet(data).payload == packet(same).payload
    exchange, plain = take(kitchen, data)
    assert without_hash(plain) == request() and exchange.observe is None and not exchange.inner_observe
    protected = seal_response(exchange, response())
    assert packet(protected).option(n.OBSERVE) is None
    assert answer(asked, protected)[1] == response()


def test_only_reading_is_asked_for():
    alice, kitchen = group_of(0), group_of(1)
    for code in (n.POST, n.PUT, n.DELETE, n.PATCH, n.IPATCH):
        try:
            seal_request(alice, request(code=code), to=DETERMINISTIC)
            raise AssertionError
        except ValueError:
            pass
        codes = deterministic.n
        deterministic.n = Lenient(codes, code)
        try:
            asked, data = seal_request(alice, request(code=code), to=DETERMINISTIC)
        finally:
            deterministic.n = codes
        error = rejected(take, kitchen, data)
        assert error.code == n.UNAUTHORIZED and error.exchange.mode == DETERMINISTIC
        refusal = response(code=n.UNAUTHORIZED, payload=b"")
        assert answer(asked, seal_response(error.exchange, refusal))[1] == refusal


class Lenient:
    """The numbers, of which FETCH is another code here."""

    def __init__(self, numbers, code):
        for name in ("GET", "CONTENT", "OBSERVE", "OSCORE", "REQUEST_HASH", "MAX_AGE", "UNAUTHORIZED"):
            setattr(self, name, getattr(numbers, name))
        self.FETCH = code


def test_a_hash_that_is_not_of_this_request_is_refused():
    """Somebody in the group may encrypt what he likes with the key of any hash: that must not come into a cache."""
    alice, kitchen = group_of(0), group_of(1)
    honest = deterministic._hash
    for wrong in (b"\x01" * 32, honest(alice, bytes(64), b"", 0, 0)):
        deterministic._hash = lambda *arguments, wrong=wrong: wrong
        try:
            _, data = seal_request(alice, request(), to=DETERMINISTIC)
        finally:
            deterministic._hash = honest
        assert why(take, kitchen, data) == UNDECRYPTED


def test_malformed_ones():
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request(), to=DETERMINISTIC)
    p = packet(data)

    one = p.option(n.REQUEST_HASH)

    def changed(value=None, hashes=(one,)):
        options = [(n.OSCORE, value or p.option(n.OSCORE))] + [(n.REQUEST_HASH, each) for each in hashes]
        return datagram(p.kind, p.code, p.mid, p.token, options, p.payload)

    assert take(kitchen, changed())
    assert why(take, kitchen, changed(hashes=())) == NO_CONTEXT  # as nobody else has this kid
    for hashes in ((one, one), (b"",), (one[:31],), (one + b"\0",)):
        assert why(take, kitchen, changed(hashes=hashes)) == UNDECODED
    assert why(take, kitchen, changed(option.encode(b"\1", GID, DETERMINISTIC_ID))) == UNDECODED
    assert why(take, kitchen, changed(option.encode(b"\0", GID, DETERMINISTIC_ID, True))) == NO_CONTEXT
    for group in (group_of(1, deterministic_id=None), group_of(1, deterministic_id=b"\xdd")):
        assert why(take, group, data) == NO_CONTEXT
    try:
        seal_request(group_of(0, deterministic_id=None), request(), to=DETERMINISTIC)
        raise AssertionError
    except ValueError:
        pass


def test_a_pairwise_request_with_a_request_hash_is_what_its_kid_says():
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request(), to=alice.members[0])
    p = packet(data)
    data = datagram(p.kind, p.code, p.mid, p.token, list(p.options) + [(n.REQUEST_HASH, bytes(32))], p.payload)
    assert take(kitchen, data)[0].name == "alice"
