"""The whole workflow under security, as processes on the loopback: what a client has of six servers through a proxy.

Client and proxy share an OSCORE context, client and servers a group of Group OSCORE; neither wire profile takes part in
that. What somebody between them can do is in test_secure_middle.py, what the proxy may see in test_secure_proxy.py.
"""

import cbor2
import peers
import pytest
import secure_site
from secure_site import SERVERS, Command, member, plain, told


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with secure_site.Site(tmp_path_factory.mktemp("site")) as site:
        site.servers()
        site.share_all("proxy", "alice", "first", "outsider", "eve", "mallory")
        start_proxy(site)
        yield site


def start_proxy(site):
    files = [site.share(client, "proxy")[1] for client in ("alice", "first", "outsider", "eve")]
    site.proxy("proxy", ["alice", "first"], *files)


def server_named(options, profile):
    """The address that Reply-From, in profile 00 Response-Forwarding, names."""
    values = dict(options)
    assert len(values) == len(options)
    if profile == "07":
        scheme, (ip, *port) = cbor2.loads(bytes.fromhex(values[peers.REPLY_FROM]))
        assert (scheme, port, peers.RESPONSE_FORWARDING in values) == (-1, [], False)
    else:
        value = bytes.fromhex(values[peers.RESPONSE_FORWARDING])
        ip = value[-4:]
        assert value == b"\xd9\x01\x04\x44" + ip and peers.REPLY_FROM not in values
    return ".".join(map(str, ip))


@pytest.mark.parametrize("profile", ["07", "00"])
def test_six_servers_answer_each_verified_and_with_its_origin(profile, site):
    way = *site.key("alice"), *site.by("proxy", "alice"), "--profile", profile
    answers = site.ask_group(*way, "--options")
    assert told(answers) == site.expected()
    named = {answer["by"]: server_named(answer["options"], profile) for answer in answers}
    assert named == {name: site.address(name) for name in SERVERS}


def test_every_origin_is_asked_again_alone_directly_and_through_the_proxy(site):
    origins = {a["by"]: a["origin"] for a in site.ask_group(*site.key("alice"), *site.by("proxy", "alice"))}
    assert len(origins) == 6
    for name, origin in origins.items():
        for way in ((), site.by("proxy", "alice")):
            found = site.ask("get", f"{origin}/temp", *site.key("alice"), "--to", name, *way)
            assert told(found) == site.expected(names=[name])
    # what is for one member is of no use to another, nor without keys
    other = site.ask("get", f"{origins['s1']}/temp", *site.key("alice"), "--to", "s2")
    assert [code for code, *_ in plain(other)] == ["4.00"]
    assert [code for code, *_ in plain(site.ask("get", f"{origins['s1']}/temp"))] == ["4.01"]


@pytest.mark.parametrize("profile", ["07", "00"])
def test_long_answers_come_block_by_block(profile, site):
    way = *site.key("alice"), *site.by("proxy", "alice"), "--profile", profile
    found = told(site.ask_group(*way, path="long"))
    assert found == {name: ("2.05", site.uri(name, None), name + " 0123456789" * 60) for name in SERVERS}


@pytest.mark.parametrize("profile", ["07", "00"])
def test_observation_of_a_group(profile, site):
    way = *site.key("alice"), *site.by("proxy", "alice"), "--profile", profile, "--timeout", "1"
    with Command("observe", site.uri("group", "watched"), *way) as running:
        assert set(told(running.next(6))) == set(SERVERS)
        for name, value in (("s3", "33"), ("s5", "55"), ("s3", "34")):  # the time of the request is over meanwhile
            put = site.ask("put", site.uri(name, "watched"), f"{value} {profile}", *site.key("bob"), "--to", name)
            assert [(a["code"], a["by"]) for a in put] == [("2.04", name)]
            assert told(running.next(1)) == {name: ("2.05", site.uri(name, None), f"{value} {profile}")}
        observed = [each for each in site.status("proxy", "alice")["exchanges"] if each["observed"]]
        assert [(each["target"], each["group"]) for each in observed] == [(site.group, True)]
        assert running.interrupt() == []
    secure_site.until(lambda: site.status("proxy", "alice")["observations"] == 0)


def test_early_stop(site):
    way = *site.key("alice"), *site.by("proxy", "alice")
    with Command("get", site.uri("group"), *way, "--timeout", "60") as running:
        assert told(running.next(6)) == site.expected()
        (exchange,) = long_ones(site)
        assert (exchange["target"], exchange["answers"]) == (site.group, 6)
        assert running.interrupt() == []
    secure_site.until(lambda: long_ones(site) == [])


def long_ones(site):
    return [each for each in site.status("proxy", "alice")["exchanges"] if each["left"] > 30]


def test_who_is_not_on_the_allow_list_is_refused_and_nothing_is_multicast(site):
    known_but_not_allowed, unknown, unprotected = site.by("proxy", "eve"), site.by("proxy", "mallory"), site.by("proxy")
    with member(site) as heard:
        for way in (known_but_not_allowed, unknown, unprotected):
            for key in ((), site.key("alice")):
                assert [code for code, *_ in plain(site.ask_group(*key, *way, count=None))] == ["4.01"]
        status = site.status("proxy", "alice")
        assert status["refusals"]["4.01"] >= 2 and status["security"]["refused"] + status["refusals"]["4.01"] >= 6
        assert heard.receive(0.1) is None
        assert told(site.ask_group(*site.key("alice"), *site.by("proxy", "alice"))) == site.expected()
        assert heard.expect().code == "0.02" and heard.receive(0.1) is None


def test_servers_answer_nobody_without_keys(site):
    direct = "--multicast-interface", "127.0.0.1"
    with member(site) as heard:
        for key, path, expected in (
            ((), "open", sorted(("2.05", site.uri(name, None), f"{name} open") for name in SERVERS)),
            ((), "temp", []),
        ):
            assert plain(site.ask_group(*key, *direct, path=path, count=len(expected) or None)) == expected
            assert heard.expect().code == "0.01"
    assert told(site.ask_group(*site.key("bob"), *direct)) == site.expected()


def test_chain_of_two_proxies(site):
    def start(name):
        files = [site.share(name, "proxy")[0], site.share("alice", name)[1]]
        hop = site.address("proxy")
        towards = [{"context": "proxy", "address": hop}]
        site.proxy(name, ["alice"], *files, security={"towards": towards}, next_hop=hop)

    def requests():
        found = site.status("proxy", "alice")
        return {each["client"]: each["requests"] for each in found["clients"]}

    start("first")
    start("outsider")
    before = requests()
    for profile in ("07", "00"):
        way = *site.key("alice"), *site.by("first", "alice"), "--profile", profile
        assert told(site.ask_group(*way)) == site.expected()
    single = "get", site.uri("s2"), *site.key("alice"), *site.by("first", "alice"), "--to", "s2"
    assert told(site.ask(*single)) == site.expected(names=["s2"])
    after = requests()
    assert after["first"] >= before["first"] + 3
    assert after["alice"] == before["alice"]
    # The next proxy knows the other one, and does not let it have anything; and none without its key
    with member(site) as heard:
        refused = site.ask_group(*site.key("alice"), *site.by("outsider", "alice"), "--timeout", "3", count=1)
        assert [code for code, *_ in plain(refused)] == ["4.01"]
        assert heard.receive(0.1) is None
    # Both do not know, after a restart, what they have had before: each asks whether the request is a new one
    site.lose_power("first", "proxy")
    start_proxy(site)
    start("first")
    assert told(site.ask(*single)) == site.expected(names=["s2"])
