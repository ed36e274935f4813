"""Hostile requests at a server that wants protection: the RFC's error, nothing changed by it, and no word on stderr.

What the message layer makes of each is in logic/test_oscore_hostile.py and test_group_oscore_hostile.py; here it is a
node on the unix port, with two OSCORE contexts and a group of eight, over real sockets. What comes through a proxy, and
to a client, is in test_secure_hostile_proxy.py.
"""

import time

import hostile
import peers
import pytest
from groupcoap.oscore import option
from hostile import MALFORMED, OSCORE, REFUSALS, REPLAYED, UNDECRYPTED, UNKNOWN, UNPROTECTED, told
from hostile_site import MODES, site_fixture, whole_site_fixture  # noqa: F401
from peers import GET, PUT, path

LONGEST = 1280  # bytes of a datagram that is taken


def counted(answers):
    """{(code, payload): how many} of answers that nobody has protected."""
    found = {}
    for answer in answers.values():
        found[told(answer)] = found.get(told(answer), 0) + 1
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_flipped_bit_and_every_truncation(mode, site):
    exchange, data = site.request(mode)
    end = len(data) - 64 if mode == "group" else len(data)
    before = site.records()
    altered, pieces = hostile.apart([*hostile.flips(data, end=end), *hostile.truncations(data)])
    found = counted(site.peer.answers(site.node, map(hostile.renewed, altered)))
    print(len(altered), found)
    assert set(found) <= REFUSALS | {UNPROTECTED} and found[UNDECRYPTED] > 100 and found[MALFORMED] > 5
    assert sum(found.values()) > len(altered) * 0.8  # the others are no CoAP messages
    answers = site.peer.answers(site.node, map(hostile.renewed, pieces)).values()
    assert {answer.code for answer in answers} <= hostile.PIECES
    if mode == "group":
        altered = list(hostile.flips(data, start=end))
        found = counted(site.peer.answers(site.node, map(hostile.renewed, altered), slow=True))
        assert found == {UNDECRYPTED: 512}
    # the token length, the version
    headers = [*hostile.flips(hostile.renewed(data), 0, 1)]
    for header in headers[:4] + headers[6:]:
        site.peer.send_bytes(site.node, header)
    assert {message.code for message in site.peer.ping(site.node)} <= {"4.00", "4.01", "4.02", "0.00"}
    # nobody is told who asks all
    for each in altered[::5]:
        site.peer.send_bytes((site.group_address, peers.PORT), hostile.renewed(each))
    time.sleep(0.15)
    assert site.peer.ping(site.node) == []
    assert site.records() == before
    assert site.good(exchange, data)
    if mode == "deterministic":
        assert site.good(exchange, hostile.renewed(data))
    else:
        assert site.refusal(hostile.renewed(data)) == REPLAYED


def values(site):
    """(option value, what is said of it) of requests in OSCORE, whose kid is 01."""
    gid, own = site.member.gid, site.member.sender_id
    yield b"", MALFORMED
    yield b"\0", MALFORMED
    for flags in (0x89, 0x49, 0x0E, 0x0F, 0xFF):
        yield bytes((flags,)) + b"\x63" * 7 + b"\1", MALFORMED
    yield b"\x0e" + b"\1" * 6 + b"\1", MALFORMED  # a Partial IV of six bytes
    yield b"\x0a\0\x63\1", MALFORMED  # one with a leading zero
    yield b"\x0d\1\2", MALFORMED  # one that is not all there
    yield b"\x08\1", MALFORMED  # none
    yield b"\1\x63", MALFORMED  # no kid
    yield b"\1\x63\1", MALFORMED  # a kid that the flags do not tell of
    yield b"\x19\x63", MALFORMED  # no kid context
    yield b"\x19\x63\xff" + gid, MALFORMED
    yield b"\x09\x63" + bytes(252), UNKNOWN
    yield b"\x09\x63" + bytes(300), MALFORMED
    yield option.encode(b"\x63", None, b""), UNKNOWN
    yield option.encode(b"\x63", None, b"\x63"), UNKNOWN
    yield option.encode(b"\x63", b"no", b"\1"), UNKNOWN
    yield option.encode(b"\x63", b"", b"\1"), UNKNOWN
    yield option.encode(b"\x63", None, b"\1", True), UNKNOWN
    yield option.encode(b"\xff" * 5, None, b"\1"), UNDECRYPTED  # the last number that there is
    yield option.encode(b"\x63", None, b"\7"), UNDECRYPTED  # mallory's
    for group in (True, False):
        yield option.encode(b"\x63", gid + b"\0", own, group), UNKNOWN
        yield option.encode(b"\x63", gid, b"\x63", group), UNKNOWN
        yield option.encode(b"\x63", gid, b"\1", group), UNKNOWN  # the server's own
        yield option.encode(b"\x63", gid, b"\xdc", group), UNKNOWN  # the Deterministic Client's, without a hash
        yield option.encode(b"\x63", gid, None, group), MALFORMED
        yield option.encode(None, gid, own, group), MALFORMED
        yield option.encode(b"\x63", gid, own, group), MALFORMED if group else UNDECRYPTED  # no room for a signature


def test_option_values(site):
    exchange, data = site.request("oscore")
    before = site.records()
    for value, expected in values(site):
        for confirmable in (False, True):
            altered = bytearray(hostile.renewed(hostile.with_value(data, value)))
            altered[0] &= 0xCF if confirmable else 0xFF
            assert site.refusal(bytes(altered)) == expected, value.hex()
    value, others, payload = hostile.parts(data)
    twice = hostile.put_together(data, [(OSCORE, value), (OSCORE, value)], payload)
    assert site.refusal(hostile.renewed(twice)) == MALFORMED
    other = hostile.put_together(data, [(OSCORE, value), (OSCORE, b"")], payload)
    assert site.refusal(hostile.renewed(other)) == MALFORMED
    assert site.refusal(hostile.renewed(hostile.put_together(data, [(OSCORE, value)], b""))) == MALFORMED
    assert site.refusal(hostile.renewed(hostile.put_together(data, [], payload))) == UNPROTECTED
    assert site.records() == before
    assert site.good(exchange, data) and site.refusal(hostile.renewed(data)) == REPLAYED


def test_what_others_add_outside_changes_nothing(site):
    for added in (
        [(11, b"open")],
        [(6, b"")],
        [(23, b"\x06")],
        [(27, b"\x06")],
        [(12, b"\x3c"), (15, b"a=b")],
        [(2049, b"x")],
    ):
        exchange, data = site.request("oscore")
        value, others, payload = hostile.parts(data)
        altered = hostile.put_together(data, [*others, (OSCORE, value), *added], payload)
        assert site.good(exchange, hostile.renewed(altered)), added
        assert site.refusal(hostile.renewed(data)) == REPLAYED


def in_layers(site, contexts, data):
    """Put a layer by each of these contexts onto a request: (Exchanges, the outermost first, datagram)."""
    exchanges = []
    for context in contexts:
        exchange, data = hostile.seal_request(context, data)
        exchanges.insert(0, exchange)
    return exchanges, data


def test_layers(site):
    plain = hostile.plain(options=path("temp"))
    for order in ((site.alice, site.mallory), (site.member, site.mallory)):
        exchanges, data = in_layers(site, order, plain)
        answer = site.peer.ask(site.node, hostile.renewed(data))
        answer = hostile.uncovered(exchanges[0], answer)
        assert hostile.opened(exchanges[1], answer).payload == b"21.5"
    # three layers: the third is refused, protected by the two that are off
    exchanges, data = in_layers(site, (site.alice, site.mallory, site.alice), plain)
    answer = hostile.uncovered(exchanges[0], site.peer.ask(site.node, hostile.renewed(data)))
    answer = hostile.opened(exchanges[1], answer)
    assert (answer.code, answer.payload) == ("4.01", b"too many layers")
    # a second layer that is wrong: refused under the first
    _, inner = hostile.seal_request(site.alice, plain)
    value, others, payload = hostile.parts(inner)
    for altered, expected in (
        (hostile.put_together(inner, [(OSCORE, value)], payload[:-1] + b"x"), UNDECRYPTED),
        (hostile.put_together(inner, [(OSCORE, value)], b""), MALFORMED),
        (hostile.put_together(inner, [(OSCORE, value), (OSCORE, value)], payload), MALFORMED),
        (hostile.with_value(inner, b"\x09\x63\x63"), UNKNOWN),
    ):
        exchange, data = hostile.seal_request(site.mallory, altered)
        answer = hostile.opened(exchange, site.peer.ask(site.node, hostile.renewed(data)))
        assert (answer.code, answer.payload, answer.option(peers.MAX_AGE)) == (*expected, b""), expected


PLAINTEXTS = [  # that are no request
    (b"\0", UNDECRYPTED),
    (b"\0\xb4temp", UNDECRYPTED),
    (b"\x45\xff21.5", UNDECRYPTED),
    (b"\x20", UNDECRYPTED),
    (b"\xe1", UNDECRYPTED),
    (b"\xff", UNDECRYPTED),
    (b"\1\xb4tem", UNDECRYPTED),
    (b"\1\xf0", UNDECRYPTED),
    (b"\1\x0f", UNDECRYPTED),
    (b"\1\xe0\xff\xff\x10", UNDECRYPTED),
    (b"\1\xee\xff\xff\xff\xff", UNDECRYPTED),
    (b"\1\xff", UNDECRYPTED),
    (b"\1\x64\0\0\0\0\x54temp", UNDECRYPTED),  # an Observe option of four bytes
]


@pytest.mark.parametrize(("plaintext", "expected"), PLAINTEXTS)
def test_an_insider_encrypts_what_is_no_request(plaintext, expected, site):
    assert site.refusal(hostile.sealed_raw(site.mallory, plaintext)[1]) == expected


INNER = [  # (code, options, payload) of requests by an insider, and the code that is answered under protection
    ("0.08", path("temp"), b"", "4.05"),
    ("0.31", path("temp"), b"", "4.05"),
    ("0.04", path("temp"), b"", "4.05"),
    (GET, [(35, b"coap://192.0.2.1/temp")], b"", "5.05"),
    (GET, [(3, b"host"), (39, b"coap")], b"", "5.05"),
    (GET, [(235, b"\x81\x20")], b"", "5.05"),
    (GET, [(239, b"\x20")], b"", "5.05"),
    (GET, [(OSCORE, b"")], b"x", "4.02"),
    (GET, [(OSCORE, b"\x09\1\1"), (35, b"coap://192.0.2.1")], b"x", "4.02"),
    (GET, [(13, b"\5")], b"", "4.02"),
    (GET, [(13, b""), *path("temp")], b"", "4.02"),
    (GET, [(13, bytes(9))], b"", "4.02"),
    (GET, [(2049, b""), *path("temp")], b"", "4.02"),
    (GET, [*path("temp"), (23, b"\7")], b"", "4.00"),
    (GET, [*path("temp"), (23, bytes(4))], b"", "4.02"),
    (GET, [(11, b"x" * 255)] * 3, b"", "4.04"),
    (GET, [(11, b"x" * 900)], b"", "4.02"),
    (GET, [(11, b"")] * 600, b"", "4.04"),
    (GET, path("temp/temp"), b"", "4.04"),
    (PUT, [*path("temp"), (27, b"\x17")], b"", "4.00"),
    (PUT, [*path("temp"), (27, b"\x10")], b"x", "4.08"),
    (PUT, [*path("temp"), (1, b"123456789")], b"x", "4.02"),
    (PUT, path("temp"), b"x" * 1100, "4.13"),
    (GET, [*path("temp"), (17, b"\x63")], b"", "4.06"),
]


@pytest.mark.parametrize("case", range(len(INNER)))
def test_an_insider_asks_for_what_there_is_not(case, site):
    code, options, payload, expected = INNER[case]
    plain = hostile.plain(code, options, payload)
    exchange, data = hostile.sealed_raw(site.mallory, plain[1:2] + plain[hostile.HEAD :])
    raw = site.peer.ask(site.node, data)
    assert peers.decode(raw).code == "2.04"
    assert hostile.opened(exchange, raw).code == expected


def test_the_longest_datagrams(site):
    room = LONGEST - len(site.request("oscore", PUT, payload=b"x")[1]) + 1
    exchange, data = site.request("oscore", PUT, payload=b"x" * room)
    assert len(data) == LONGEST and hostile.opened(exchange, site.peer.ask(site.node, data)).code == "4.13"
    for longer in (1, 2, 9000):
        exchange, data = (
            site.request("oscore", PUT, payload=b"x" * (room + longer)) if longer < 9 else (None, data + bytes(9000))
        )
        site.peer.send_bytes(site.node, data)
        assert site.peer.ping(site.node) == []
