"""What a proxy of a group's protected messages sees, checks and keeps: it reads nothing, stops what no member has
signed (oscore-groupcomm §7.5), and answers deterministic requests from its cache (draft-ietf-core-cacheable-oscore).
"""

import contextlib
import json

import middle
import peers
import pytest
import secure_site
import spy
from middle import REQUEST, RESPONSE, anew, flipped, with_kid
from secure_site import SERVERS, Command, member, plain, told

CLOSED, OPEN = "Zq8-closed", "Zq8-open"  # paths, and parts of values, that are nowhere else
PUT_CLOSED, PUT_OPEN = "Zq8-to-read-by-s1", "Zq8-to-read-by-all"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with the proxies `cache`, for alice and bob, and `checker`, which checks signatures."""
    with secure_site.Site(tmp_path_factory.mktemp("site")) as site:
        site.servers(**{CLOSED: {}, OPEN: {"protected": False}})
        site.share_all("cache", "alice", "bob")
        files = [site.share(client, "cache")[1] for client in ("alice", "bob")]
        members = [{"group": site.group, "servers": [site.address(name) for name in SERVERS]}]
        site.proxy(
            "cache",
            ["alice", "bob", site.address("behind")],
            *files,
            security={"required": False},
            cache_bytes=8192,
            members=members,
        )
        security = {"required": False, "check_signatures": True}
        site.proxy("checker", [site.address("behind")], site.keys / "building.checker.json", security=security)
        yield site


@pytest.fixture
def between(site):
    """between(name) is somebody in front of this proxy, who reaches it without a layer of their own."""
    with contextlib.ExitStack() as stack:

        def place(name):
            between = middle.Middle(site.lan.address(), site.address("behind"), site.nodes[name])
            return stack.enter_context(between)

        yield place


def through(where):
    return "--proxy", f"coap://{where.address}"


# It reads nothing


def test_proxy_reads_neither_paths_nor_values(site):
    proxy = site.address("cache")
    way = site.by("cache", "alice")
    found = {}
    for key, path, payload in ((site.key("alice"), CLOSED, PUT_CLOSED), ((), OPEN, PUT_OPEN)):
        to = ("--to", "s1") if key else ()
        with spy.Wire(proxy) as wire:
            assert len(site.ask_group(*key, *way, path=path)) == 6
            put = site.ask("put", site.uri("s1", path), payload, *key, *way, *to)
            assert [answer["code"] for answer in put] == ["2.04"]
        # Both sides are there: the client's, the group's, and the servers'
        requests = [data for source, _, port, data in wire.seen if port == peers.PORT and source != proxy]
        forwarded = [data for _, to, _, data in wire.seen if to == site.group]
        assert len(requests) >= 2 and len(forwarded) == 1
        assert all(wire.answers(site.address(name)) for name in SERVERS)
        marks = path.encode(), payload.encode()
        on_the_wire = {mark for mark in marks for *_, data in wire.seen if mark in data}
        found[path] = on_the_wire, spy.remembers(secure_site.vm(site.nodes["cache"]), *marks)
    assert found[CLOSED] == (set(), set())
    both = {OPEN.encode(), PUT_OPEN.encode()}
    assert found[OPEN] == (both, both)  # where the proxy alone has a layer with the client, it reads all


# It checks


def test_what_the_group_has_signed_passes_the_checker_and_forged_requests_do_not(site, between):
    where = between("checker")
    copies = []

    def alter(direction, message):
        if direction == REQUEST and not copies:
            changed = [flipped(message, 0), flipped(message, -65), flipped(message, -1), with_kid(message, "7f")]
            changed.append(with_kid(message, json.loads(site.file("bob").read_text())["group"]["sender_id"]))
            copies.extend(anew(copy) for copy in changed)
            return [*copies, message]

    assert told(site.ask_group(*site.key("alice"), *through(where))) == site.expected()
    before = invalid(site)
    where.alter = alter
    with member(site) as heard:
        assert told(site.ask_group(*site.key("alice"), *through(where))) == site.expected()
        assert len(heard.collect(seconds=0.3)) == 1
    refused = [peers.decode(data).code for data in where.others]
    assert sorted(code for code in refused if code != "0.00") == ["4.00"] * 5
    assert invalid(site) == before + 5
    where.alter = lambda direction, message: [flipped(message, -1)] if direction == REQUEST else None
    assert [code for code, *_ in plain(site.ask_group(*site.key("alice"), *through(where), count=1))] == ["4.00"]
    pairwise = site.ask("get", site.uri("s3"), *site.key("alice"), "--to", "s3", *through(between("checker")))
    assert told(pairwise) == site.expected(names=["s3"])  # has no signature to check


def invalid(site):
    return site.status("checker", "--bind", site.address("behind"))["security"]["invalid"]


@pytest.mark.parametrize("proxy", ["checker", "cache"])
def test_forged_response_is_dropped_by_a_proxy_that_checks_and_else_by_the_client(proxy, site, between):
    where = between(proxy)
    forger = peers.Peer(site.lan.address(), peers.PORT)
    before = invalid(site)
    way = *site.key("alice"), *through(where)
    with member(site) as heard, spy.Wire(site.address(proxy)) as wire:
        with Command("get", site.uri("group"), *way, "--timeout", "4") as running:
            assert told(running.next(6)) == site.expected()
            request = heard.expect()
            (right,) = wire.answers(site.address("s2"))
            for forged in (flipped(right, 0), flipped(right, -1), with_kid(right, "7f")):
                forger.send_bytes(request.source, middle.raw(anew(forged)))
            relayed = 6 + (0 if proxy == "checker" else 3)
            secure_site.until(lambda: len(responses(where)) >= relayed and invalid(site) - before >= 9 - relayed)
            assert running.interrupt() == []
    assert (len(responses(where)), invalid(site) - before) == (relayed, 9 - relayed)


def responses(where):
    messages = [peers.decode(data) for direction, data in where.said if direction == RESPONSE]
    return [message for message in messages if message.code != "0.00"]


def test_checker_has_nothing_to_decrypt_by(site):
    path = site.keys / "building.checker.json"
    table = json.loads(path.read_text())["checker"]
    own = json.loads(site.file("s1").read_text())["group"]
    assert {"signature_encryption_key", "members", "gid"} <= set(table)
    assert not {"master_secret", "master_salt", "private_key", "sender_id"} & set(table)
    secrets = [bytes.fromhex(own[key]) for key in ("master_secret", "private_key")]
    text = path.read_text()
    assert not [each for each in secrets if each.hex() in text]
    marks = *secrets, *[each.hex().encode() for each in secrets]
    assert spy.remembers(secure_site.vm(site.nodes["checker"]), *marks) == set()
    assert spy.remembers(secure_site.vm(site.nodes["s1"]), *marks)  # a member has them
    shared = bytes.fromhex(table["signature_encryption_key"])
    assert spy.remembers(secure_site.vm(site.nodes["checker"]), shared)


# It answers from its cache


@pytest.mark.parametrize("profile", ["07", "00"])
def test_deterministic_request_of_a_second_client_is_answered_from_the_cache(profile, site, between):
    def ask(client, *more):
        return told(site.ask_group(*site.key(client), *site.by("cache", client), "--profile", profile, *more))

    with member(site) as heard:
        assert ask("alice", "--deterministic") == site.expected()
        assert heard.expect().code == "0.05" and heard.receive(0.1) is None
        assert ask("bob", "--deterministic") == site.expected()
        assert heard.receive(0.1) is None
        # Each answer is still its server's: what is altered on the way is not taken
        where = between("cache")
        where.alter = lambda direction, message: None if direction == REQUEST else [flipped(message, -1)]
        way = *site.key("bob"), *through(where), "--profile", profile
        # As long a time as before: in profile 00 the option is a part of what is hashed
        with Command("get", site.uri("group"), *way, "--deterministic", "--timeout", "4") as running:
            secure_site.until(lambda: len(responses(where)) == 6)
            assert heard.receive(0.3) is None
            assert running.interrupt() == []
        for client in ("alice", "bob"):  # what is not deterministic is always another request
            assert ask(client) == site.expected()
            assert heard.expect().code == "0.02"
