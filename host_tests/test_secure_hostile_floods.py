"""Many hostile requests at a time at a server that wants protection, and signatures and keys that are none.

The same node and the same clients as in test_secure_hostile.py.
"""

import contextlib
import json
import time

import hostile
import hostile_site
import peers
import pytest
import secure_keys
import support
from groupcoap.oscore import countersign, option
from groupcoap.oscore.ed25519 import L
from hostile import OSCORE, UNDECRYPTED, UNPROTECTED, told
from hostile_site import TEMP, site_fixture, whole_site_fixture  # noqa: F401
from peers import GET, NON, path

FLOOD = 2000
SENDERS = 20
SOON_S = 5  # for a valid request to have its answer after a flood; it is nearer to 0.3
CROWDED = "5.03", b""
P = 2**255 - 19
# The points of order 1, 2, 4 and 8 as they are encoded, canonically and not (RFC 8032 §5.1.3)
_Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021467
LOW_ORDER = [(y | sign << 255).to_bytes(32, "little") for y in (1, P - 1, 0, _Y8, P - _Y8, P, P + 1) for sign in (0, 1)]


# Signatures and keys


def signed_by(site, data, signature):
    """This request in group mode, by alice, with another signature."""
    piv = option.parse(peers.decode(data).option(OSCORE))[0]
    buf = bytearray(data[:-64] + signature)
    group = site.member
    countersign.hide(group.signature_key, piv, group.sender_id, group.gid, True, buf, len(buf) - 64)
    return bytes(buf)


def test_signatures_that_only_look_like_some(site):
    exchange, data = site.request("group")
    signature = signed_by(site, data, data[-64:])[-64:]  # hiding shows it
    assert signed_by(site, data, signature) == data
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    scalars = [s + L * i for i in range(1, 16) if s + L * i < 1 << 256]
    assert len(scalars) > 10
    altered = [r + each.to_bytes(32, "little") for each in (*scalars, 0, 1, L - 1, L, (1 << 256) - 1)]
    altered += [point + each.to_bytes(32, "little") for point in LOW_ORDER for each in (0, s)]
    altered += [bytes(64), b"\xff" * 64, signature[32:] + signature[:32]]
    altered = [hostile.renewed(signed_by(site, data, each)) for each in altered]
    found = site.peer.answers(site.node, altered, slow=True)
    assert {told(answer) for answer in found.values()} == {UNDECRYPTED} and len(found) == len(altered)
    assert site.good(exchange, data)


def test_a_members_signature_is_not_anothers(site):
    """Bob, who has the keys of the group, sends in alice's name, signed by himself."""
    group = hostile.group(site.files["alice"], 1 << 20)
    group.key = site.bob.key
    _, data = hostile.seal_request(group, hostile.plain(options=TEMP))
    assert site.refusal(data) == UNDECRYPTED


@pytest.mark.parametrize("kind", ["group", "checker"])
def test_a_key_of_small_order_is_refused_at_the_start(kind, site, tmp_path):
    for point in LOW_ORDER[::3]:
        if kind == "checker":
            file = hostile.checker(tmp_path / "bad.json", site.member)
        else:
            file = tmp_path / "bad.json"
            secure_keys.write(file, "group", **json.loads(site.files["kitchen"].read_text())["group"])
        content = json.loads(file.read_text())
        content[kind]["members"][3]["credential"] = secure_keys.credential(point)
        file.write_text(json.dumps(content))
        config = {**site.config, "address": site.lan.address(), "multicast_interface": "127.0.0.1"}
        if kind == "checker":
            config = {"role": "proxy", "address": config["address"], "proxy": {}}
        config["security"] = {"files": [str(file)], "state": str(tmp_path / "state")}
        (tmp_path / "config.json").write_text(json.dumps(config))
        process = hostile.run_node(tmp_path / "config.json")
        (line,) = process.stderr.splitlines()
        assert (
            process.returncode == 2
            and f"{kind}.members[3]" in line
            and ("small order" in line or "not a public key" in line)
        ), line


# What is open to all opens nothing else


def test_what_needs_no_protection_opens_nothing_else(site):
    asked = [
        (path("open"), "2.05"),
        ([*path("open"), (15, b"a=b")], "2.05"),
        (TEMP, "4.01"),
        (path("op/en"), "4.01"),
        (path("open/temp"), "4.01"),
        (path("open") + path("temp"), "4.01"),
        (path("/open"), "4.01"),
        ([], "4.01"),
        (path(".well-known/core"), "4.01"),
        ([(13, b"")], "4.01"),
        ([(13, b"\0")], "4.01"),
        ([(13, b"\0\0\0\0\0\0")], "4.01"),
        ([(13, b""), *path("open")], "4.01"),
        ([(13, b"\1"), *path("open")], "4.01"),
        ([*path("open"), (35, b"coap://127.0.0.1/temp")], "5.05"),
        ([*path("open"), (39, b"coap"), (3, b"127.0.0.1")], "5.05"),
        ([*path("open"), (OSCORE, b"")], "4.02"),
        ([*path("open"), (OSCORE, b"\x09\1\1"), (35, b"coap://127.0.0.1/temp")], "4.02"),
        ([*path("open"), (2049, b"")], "4.02"),
    ]
    for options, expected in asked:
        for code in (GET, "0.05"):
            data = hostile.plain(code, options, b"x" if code == "0.05" else b"")
            answer = peers.decode(site.peer.ask(site.node, data))
            if expected != "2.05" or code == GET:
                assert answer.code == expected, (options, answer)
            assert answer.payload != b"21.5"
    for code in ("0.02", "0.03", "0.04", "0.06", "0.07"):
        assert site.refusal(hostile.plain(code, TEMP, b"x")) == UNPROTECTED
    assert told(peers.decode(site.peer.ask(site.node, hostile.plain("0.08", TEMP)))) == ("4.05", b"")


def test_an_unprotected_request_by_multicast_is_answered_where_that_is_open(site):
    group = site.group_address, peers.PORT
    for options in (TEMP, [(13, b"")], path(".well-known/core"), [*path("open"), (13, b"")]):
        site.peer.send_bytes(group, hostile.plain(options=options))
    site.peer.send_bytes(group, hostile.plain(options=path("open")))
    (answer,) = site.peer.collect(2, 0.3)
    assert answer.payload == b"to all"


def test_nobody_lays_bare_what_is_observed_under_protection(site):
    observed, data = site.request("oscore", options=[(6, b""), *TEMP])
    assert hostile.opened(observed, site.peer.ask(site.node, data)).option(6) is not None
    token = data[4:8]
    for options in (path("open"), TEMP, [(6, b"\1"), *TEMP], [(6, b"\1"), *path("open")]):
        site.peer.send_bytes(site.node, hostile.renewed(hostile.plain(options=options), token))
    site.peer.send_bytes(site.node, hostile.renewed(site.mallorys(options=path("open"))[1], token))
    assert {answer.code for answer in site.peer.ping(site.node)} <= {"4.01"}
    exchange, put = site.request("oscore", "0.03", payload=b"22")
    site.peer.send_bytes(site.node, put)
    got = [site.peer.socket.recv(2048) for _ in range(2)]
    (notification,) = [raw for raw in got if raw[4:8] == token]
    assert b"22" not in notification and hostile.opened(observed, notification).payload == b"22"
    exchange, put = site.request("oscore", "0.03", payload=b"21.5")
    site.peer.send_bytes(site.node, put)
    assert sorted(raw[4:8] for raw in (site.peer.socket.recv(2048) for _ in range(2))) == sorted((token, put[4:8]))
    end, data = site.request("oscore", options=[(6, b"\1"), *TEMP])
    assert hostile.opened(end, site.peer.ask(site.node, hostile.renewed(data, token))).code == "2.05"


# Floods


def time_until_answered(site, mode):
    """Seconds until a valid request has its answer, said anew every 50 ms, as it may be lost, or refused for want of
    room."""
    start, asked = time.monotonic(), {}
    while time.monotonic() < start + SOON_S:
        exchange, data = site.request(mode)
        asked[data[4:8]] = exchange
        site.peer.send_bytes(site.node, data)
        site.peer.socket.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            raw = site.peer.socket.recv(2048)
            if raw[1] >> 5 == 2 and hostile.opened(asked[raw[4:8]], raw).payload == b"21.5":
                break
    else:
        raise AssertionError(f"no answer in {mode} after {SOON_S} s")
    seconds = time.monotonic() - start
    time.sleep(0.3)
    site.peer.drain()
    return seconds


def flood(site, datagrams):
    """Send all of these at once from many addresses: what comes back, once it is over, by its code."""
    lan = support.Lan()
    senders = [hostile.Hostile(lan.address()) for _ in range(SENDERS)]
    for i, data in enumerate(datagrams):
        senders[i % SENDERS].send_bytes(site.node, data)
    return senders


def said(senders):
    """{(code, payload): count} of what has come back to these."""
    found = {}
    for sender in senders:
        for answer in sender.collect(seconds=0.01):
            found[told(answer)] = found.get(told(answer), 0) + 1
        sender.socket.close()
    return found


def forged(site, number):
    """A request in group mode in alice's name, by somebody who has seen such ones and has no keys."""
    group = site.member
    piv = option.piv_bytes(1 << 30 | number)
    value = option.encode(piv, group.gid, group.sender_id, True)
    return hostile.plain("0.02", [(OSCORE, value)], bytes([number & 255]) * 80)


@pytest.mark.parametrize("mode", hostile_site.MODES)
def test_a_flood_of_strangers(mode, site):
    senders = flood(site, [forged(site, number) for number in range(FLOOD)])
    seconds = time_until_answered(site, mode)
    found = said(senders)
    print(f"{mode} after {seconds:.3f} s, {found}")
    assert set(found) == {UNDECRYPTED} and sum(found.values()) > 50


@pytest.mark.parametrize("mode", hostile_site.MODES)
def test_a_flood_by_a_member_whose_signatures_are_wrong(mode, site):
    """A member can make a node verify signatures. What needs none is not kept waiting by those; what needs one is."""
    _, data = hostile.seal_request(site.bob, hostile.plain(options=TEMP))
    senders = flood(site, [hostile.renewed(each) for each in hostile.flips(data, len(data) - 64)] * 4)
    seconds = time_until_answered(site, mode)
    found = said(senders)
    print(f"{mode} after {seconds:.3f} s, {found}")
    assert set(found) <= {UNDECRYPTED, CROWDED} and sum(found.values()) > 50
    assert site.peer.ask(site.node, hostile.renewed(data))[1] == 0x44  # what bob has really signed


def test_many_peers_that_fill_the_exchanges(site):
    lan = support.Lan()
    crowd = [peers.Peer(lan.address()) for _ in range(60)]
    for peer in crowd:  # each waits for its moment in Leisure
        peer.send((site.group_address, peers.PORT), NON, GET, path("open"))
    time.sleep(0.05)
    assert site.good(*site.request("oscore"))
    for peer in crowd[:10]:  # each observes, or would like to
        peer.send_bytes(site.node, site.mallorys(options=[(6, b""), *TEMP])[1])
    assert site.peer.ping(site.node) == []
    for mode in hostile_site.MODES:
        assert site.good(*site.request(mode))
    codes = [answer.code for peer in crowd for answer in peer.collect(seconds=0.001)]
    assert {"2.04", "2.05"} <= set(codes) <= {"2.04", "2.05", "5.03"}
    for peer in crowd:
        peer.socket.close()
