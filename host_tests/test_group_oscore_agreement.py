"""Group OSCORE against aiocoap's module as a library: each opens what the other has sealed, in every mode, both ways.

aiocoap sends the kid in pairwise responses too, and in these the AAD has it; a response that it seals is therefore not
the same bytes as ours. Where nothing is left to the sender, the bytes are compared.
"""

import aiocoap
import cbor2
import pytest
from aiocoap import oscore
from aiocoap.message import Direction, Message
from groupcoap import numbers as n
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.exchange import DETERMINISTIC
from groupcoap.oscore.group import Group, Member
from oscore_ends import Sequence, message, opened, seal_request, seal_response

GID = b"\xdd\x11"
SECRET = bytes(range(16))
SALT = b"salt"
IDS = (b"\x01", b"\x52", b"")
DETERMINISTIC_ID = b"\xdc"
SEEDS = [bytes((i,)) * 32 for i in range(1, 4)]
PUBLIC = [Key(seed).public for seed in SEEDS]
CREDENTIALS = [cbor2.dumps({2: "member %d" % i, 8: {1: {1: 1, 3: -8, -1: 6, -2: PUBLIC[i]}}}) for i in range(3)]
MANAGER = cbor2.dumps({2: "manager", 8: {1: {1: 1, 3: -8, -1: 6, -2: PUBLIC[0]}}})


def ours(i, number=0, **more):
    members = [Member(f"member {j}", IDS[j], CREDENTIALS[j]) for j in range(3) if j != i]
    key = Key(SEEDS[i])
    sequence = Sequence(number)
    return Group(
        "group", GID, SECRET, SALT, IDS[i], key, CREDENTIALS[i], MANAGER, members, sequence,
        deterministic_id=DETERMINISTIC_ID, **more,
    )  # fmt: skip


def theirs(i, number=0, aead=10, group_encryption=10):
    peers = {IDS[j]: CREDENTIALS[j] for j in range(3) if j != i}
    peers[DETERMINISTIC_ID] = oscore.DETERMINISTIC_KEY
    names = {10: "AES-CCM-16-64-128", 30: "AES-CCM-16-128-128"}
    aead, group_encryption = [oscore.algorithms.get(names[number]) for number in (aead, group_encryption)]
    signature = oscore.algorithms_countersign["EdDSA on Ed25519"]
    agreement = oscore.algorithms_staticstatic["ECDH-SS + HKDF-256"]
    sha256 = oscore.hashfunctions["sha256"]
    algorithms = aead, sha256, signature, group_encryption, agreement
    group = oscore.SimpleGroupContext(*algorithms, GID, SECRET, SALT, IDS[i], SEEDS[i], CREDENTIALS[i], peers, MANAGER)
    group.sender_sequence_number = number
    return group


def plain(code, direction=Direction.OUTGOING, **options):
    payload = options.pop("payload", b"")
    m = Message(code=code, payload=payload, _mtype=aiocoap.NON, _mid=7, _token=b"tok", **options)
    m.direction = direction
    return m


def encoded(m, mid=7):
    m.mtype, m.mid, m.token = aiocoap.NON, mid, b"tok"
    return m.encode()


def decoded(data):
    m = Message.decode(data)
    m.direction = Direction.INCOMING
    return m


def seal_theirs(context, m, request_id=None):
    outer, identifiers = context.protect(m, request_id)
    return encoded(outer), identifiers


def take_theirs(group, data):
    """(plain message, request identifiers, context) of a request that aiocoap gets."""
    m = decoded(data)
    context = group.get_oscore_context_for(oscore.verify_start(m))
    found, identifiers = context.unprotect(m)
    return found, identifiers, context


def answer_theirs(context, data, identifiers):
    """The plain message of a response that aiocoap gets."""
    m = decoded(data)
    return context.context_from_response(oscore.verify_start(m)).unprotect(m, identifiers)[0]


def take_ours(group, data):
    return opened(Contexts([], [group]).open_request(message(data)))


def answer_ours(exchange, data):
    return opened(exchange.open(message(data)))


REQUESTS = [
    plain(aiocoap.GET, uri_path=["temp"]),
    plain(aiocoap.FETCH, uri_path=["a", "b"], uri_query=["c=d"], content_format=60, payload=b"x" * 300),
]
RESPONSES = [
    plain(aiocoap.CONTENT, payload=b"21.5"),
    plain(aiocoap.CONTENT, etag=b"tag", max_age=30, payload=b"y" * 500),
    plain(aiocoap.NOT_FOUND),
]
MODES = ("group", "pairwise", "deterministic")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asking", REQUESTS, ids=("short", "long"))
@pytest.mark.parametrize("number", (0, 1, 255, 256, 70000))
def test_requests_are_the_same_bytes(mode, asking, number):
    a, b = ours(0, number), theirs(0, number)
    to = {"group": None, "pairwise": a.members[0], "deterministic": DETERMINISTIC}[mode]
    _, mine = seal_request(a, encoded(asking), to=to)
    context = {
        "group": b,
        "pairwise": b.pairwise_for(IDS[1]),
        "deterministic": b.for_sending_deterministic_requests(DETERMINISTIC_ID, None),
    }[mode]
    yours, _ = seal_theirs(context, asking)
    assert mine == yours


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer_mode", ("group", "pairwise"))
def test_our_client_and_their_server(mode, answer_mode):
    client, server = ours(0), theirs(1, 77)
    for asking in REQUESTS:
        to = {"group": None, "pairwise": client.members[0], "deterministic": DETERMINISTIC}[mode]
        exchange, data = seal_request(client, encoded(asking), to=to)
        found, identifiers, context = take_theirs(server, data)
        assert found.code == asking.code and found.payload == asking.payload
        assert found.opt.uri_path == asking.opt.uri_path and found.opt.uri_query == asking.opt.uri_query
        if mode == "deterministic":
            answering = context.context_for_response()
        else:
            answering = server if answer_mode == "group" else server.pairwise_for(IDS[0])
        for answer in RESPONSES:  # the second one and the third have a Partial IV
            data, _ = seal_theirs(answering, answer, identifiers)
            member, got = answer_ours(exchange, data)
            assert member is client.members[0] and got == encoded(answer)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pairwise", (False, True))
def test_their_client_and_our_server(mode, pairwise):
    client, server = theirs(0), ours(1, 77)
    context = {
        "group": client,
        "pairwise": client.pairwise_for(IDS[1]),
        "deterministic": client.for_sending_deterministic_requests(DETERMINISTIC_ID, None),
    }[mode]
    for asking in REQUESTS:
        data, identifiers = seal_theirs(context, asking)
        exchange, got = take_ours(server, data)
        exchange.pairwise = pairwise
        if mode == "deterministic":
            got = decoded(got)
            got.opt.request_hash = None
            got.direction = Direction.OUTGOING
            got = encoded(got)
        assert got == encoded(asking)
        for answer in RESPONSES:
            data = seal_response(exchange, encoded(answer))
            found = answer_theirs(context, data, identifiers)
            assert (found.code, found.payload) == (answer.code, answer.payload)
            assert found.opt.etags == answer.opt.etags and found.opt.max_age == answer.opt.max_age


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("aead, group_encryption", ((10, 30), (30, 10), (30, 30)))
def test_other_algorithms(mode, aead, group_encryption):
    algorithms = {"aead": aead, "group_encryption": group_encryption}
    client, server = ours(0, **algorithms), theirs(1, **algorithms)
    to = {"group": None, "pairwise": client.members[0], "deterministic": DETERMINISTIC}[mode]
    # The long ones: aiocoap wants as many bytes as the AEAD's tag has in group mode too, whose own may be shorter.
    exchange, data = seal_request(client, encoded(REQUESTS[1]), to=to)
    found, identifiers, context = take_theirs(server, data)
    assert found.opt.uri_path == REQUESTS[1].opt.uri_path
    answering = context.context_for_response() if mode != "group" else server
    data, _ = seal_theirs(answering, RESPONSES[1], identifiers)
    assert answer_ours(exchange, data)[1] == encoded(RESPONSES[1])


def test_group_responses_are_the_same_bytes():
    client, one, other = ours(0), ours(1, 300), theirs(1, 300)
    exchange, data = seal_request(client, encoded(REQUESTS[0]))
    mine = take_ours(one, data)[0]
    _, identifiers, _ = take_theirs(other, data)
    for answer in RESPONSES:
        protected = seal_response(mine, encoded(answer))
        assert protected == seal_theirs(other, answer, identifiers)[0]
        assert answer_ours(exchange, protected)[1] == encoded(answer)


def test_observations():
    asking = plain(aiocoap.GET, observe=0, uri_path=["temp"])
    notification = plain(aiocoap.CONTENT, observe=3, payload=b"22")
    client, server = theirs(0), ours(1, 5)
    data, identifiers = seal_theirs(client, asking)
    exchange, got = take_ours(server, data)
    assert got == encoded(asking) and exchange.observe == 0
    for number in (5, 6):
        found = answer_theirs(client, seal_response(exchange, encoded(notification)), identifiers)
        assert found.opt.observe == number and found.payload == b"22"

    client, server = ours(0), theirs(1, 5)
    exchange, data = seal_request(client, encoded(asking))
    found, identifiers, context = take_theirs(server, data)
    assert found.opt.observe == 0 and decoded(data).code == aiocoap.FETCH
    empty = plain(aiocoap.CONTENT, observe=0, payload=b"22")
    for number in (0xFFFFFF, 5, 6):  # aiocoap's first notification has no Partial IV
        data, _ = seal_theirs(server, empty, identifiers)
        m = message(answer_ours(exchange, data)[1])
        assert m.option_uint(n.OBSERVE) == number and bytes(m.payload()) == b"22"
