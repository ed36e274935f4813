"""Somebody between the client and its proxy, or a proxy that is not honest: what they alter, and what says so.

End to end it is Group OSCORE; what is the proxy's own in profile 07, Multicast-Timeout and Reply-From, is as safe as
the layer between client and proxy, and nobody is taken for another even without that.
"""

import json

import cbor2
import middle
import peers
import pytest
import secure_site
from middle import REQUEST, anew, flipped, flips, kid, with_kid, with_option
from secure_site import SERVERS, Command, member, plain, told

PROFILES = pytest.mark.parametrize("profile", ["07", "00"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with `open`, a proxy without security that serves one address, and `proxy`, with security."""
    with secure_site.Site(tmp_path_factory.mktemp("site")) as site:
        site.servers()
        site.proxy("open", [site.address("behind")])
        site.proxy("proxy", ["alice"], site.share("alice", "proxy")[1])
        yield site


@pytest.fixture
def between(site):
    """Somebody in front of the open proxy."""
    with middle.Middle(site.lan.address(), site.address("behind"), site.nodes["open"]) as found:
        yield found


@pytest.fixture
def outside(site):
    """Somebody in front of the proxy with security."""
    with middle.Middle(site.lan.address(), site.address("behind"), site.nodes["proxy"]) as found:
        yield found


def through(where, site, profile="07", keys=True):
    """Arguments for a request through the middle. keys: True for those of the group, "both" for the proxy's too."""
    hop = ("--proxy-key", site.share("alice", "proxy")[0]) if keys == "both" else ()
    end_to_end = site.key("alice") if keys else ()
    return *end_to_end, "--proxy", f"coap://{where.address}", *hop, "--profile", profile


def sender_id(site, name):
    return json.loads(site.file(name).read_text())["group"]["sender_id"]


def reply_from(address):
    return cbor2.dumps([-1, [bytes(map(int, address.split(".")))]])


def forwarding(address):
    return b"\xd9\x01\x04\x44" + bytes(map(int, address.split(".")))


class Liar:
    """Alters the responses of four servers: s1's payload and signature, s2's kid, s3's and s4's payloads, which are
    exchanged; and of s5 the origin, as far as it is outside. s6's it leaves alone."""

    def __init__(self, site):
        self.names = {sender_id(site, name): name for name in SERVERS}
        self._ids = {name: id for id, name in self.names.items()}
        self._wrong = site.address("s6")
        self._held = {}
        self.altered = set()

    def __call__(self, direction, message):
        if direction == REQUEST:
            return None
        name = self.names[kid(message)]
        self.altered.add(name)
        if name == "s1":
            return [anew(flipped(message, at)) for at in (0, -65, -64, -1)]
        if name == "s2":
            return [anew(with_kid(message, self._ids[other])) for other in ("s1", "s6")]
        if name in ("s3", "s4"):
            self._held[name] = message
            if len(self._held) < 2:
                return []
            (a, b) = self._held.values()
            return [a._replace(payload=b.payload), b._replace(payload=a.payload)]
        if name == "s5":
            return [origin_of(message, self._wrong)]
        return None


def origin_of(message, address):
    """The message as if it were from this address: by Reply-From, or where there is none by Response-Forwarding."""
    if message.option(peers.REPLY_FROM) is not None:
        return with_option(message, peers.REPLY_FROM, reply_from(address))
    return with_option(message, peers.RESPONSE_FORWARDING, forwarding(address))


@PROFILES
def test_altered_responses_are_not_taken(profile, site, between):
    between.alter = liar = Liar(site)
    way = through(between, site, profile)
    answers = told(site.ask_group(*way, count=2, when=lambda: liar.altered == set(SERVERS)))
    right = site.expected()
    if profile == "00":  # the origin is inside, and one outside is nobody's
        assert answers == {name: right[name] for name in ("s5", "s6")}
        return
    # Reply-From is the proxy's: it may lie about the address, and not about who has answered
    code, origin, payload = right["s5"]
    assert answers == {"s5": (code, right["s6"][1], payload), "s6": right["s6"]}
    between.alter = None
    for origin, expected in ((right["s6"][1], None), (right["s5"][1], {"s5": right["s5"]})):
        for way in (through(between, site), site.key("alice")):
            found = site.ask("get", f"{origin}/temp", *way, "--to", "s5")
            assert told(found) == expected if expected else [code for code, *_ in plain(found)] == ["4.00"]


@PROFILES
def test_unprotected_responses_are_believed_altered(profile, site, between):
    """What shows that the one before could fail: the same alterations, where nothing is protected."""
    wrong = site.uri("s6", None)

    def alter(direction, message):
        if direction == REQUEST:
            return None
        if message.payload.startswith(b"s1"):
            return [flipped(message, 1)]
        return [origin_of(message, site.address("s6"))]

    between.alter = alter
    found = plain(site.ask_group(*through(between, site, profile, keys=False), path="open"))
    expected = [("2.05", wrong, f"{name} open") for name in SERVERS[1:]]
    assert found == sorted([("2.05", site.uri("s1", None), "s5 open"), *expected])


def request_copies(site, message, profile):
    """Altered copies of a request protected end to end, each under a token of its own."""
    found = {"ciphertext": flipped(message, 0), "tag": flipped(message, -65), "signature": flipped(message, -1)}
    found["origin"] = with_kid(message, sender_id(site, "bob"))
    if profile == "00":
        found["time"] = with_option(message, peers.MULTICAST_SIGNALING, b"\x03")
        found["no time"] = with_option(message, peers.MULTICAST_SIGNALING, b"")
        other = with_option(message, peers.MULTICAST_SIGNALING, None)
        found["profile"] = with_option(other, peers.MULTICAST_TIMEOUT, b"\x02")
    return [anew(copy)._replace(token=what.encode()[:8]) for what, copy in found.items()]


@PROFILES
def test_altered_requests_are_not_carried_out(profile, site, between):
    copies = []

    def alter(direction, message):
        if direction == REQUEST and not copies:
            copies.extend(request_copies(site, message, profile))
            return [*copies, message]

    between.alter = alter
    with member(site) as heard:
        assert told(site.ask_group(*through(between, site, profile))) == site.expected()
        assert len(heard.collect(len(copies) + 1)) == len(copies) + 1  # the proxy cannot tell
    assert {peers.decode(data).code for data in between.others} == {"0.00"}  # it has acknowledged them, and that is all


def test_unprotected_requests_are_carried_out_altered(site, between):
    """What shows that the one before could fail: a time that somebody has changed, where nothing is protected."""

    def alter(direction, message):
        if direction == REQUEST and not between.others:
            copy = anew(with_option(message, peers.MULTICAST_SIGNALING, b"\x03"))
            return [copy._replace(token=b"copy"), message]

    between.alter = alter
    with member(site) as heard:
        found = site.ask_group(*through(between, site, "00", keys=False), path="open")
        assert len(plain(found)) == 6
        assert [m.option(peers.MULTICAST_SIGNALING) for m in heard.collect(2)] == [b"\x03", b"\x04"]
    assert [peers.decode(data).code for data in between.others].count("2.05") == 6


def test_time_of_profile_07_is_as_safe_as_the_layer_towards_the_proxy(site, between, outside):
    """Multicast-Timeout is of class U: somebody on the path can change it where there is no such layer."""

    def alter(direction, message):
        if direction == REQUEST:
            return [with_option(message, peers.MULTICAST_TIMEOUT, b"\x78")]

    between.alter = outside.alter = alter
    left = []
    for where, keys, status in (
        (between, True, ("open", "--bind", site.address("behind"))),
        (outside, "both", ("proxy", "alice")),
    ):
        with Command("get", site.uri("group"), *through(where, site, keys=keys), "--timeout", "10") as running:
            assert told(running.next(6)) == site.expected()
            left.append(max(exchange["left"] for exchange in site.status(*status)["exchanges"]))
    assert left[0] > 60 and left[1] <= 10


@PROFILES
def test_any_byte_of_a_request_that_is_altered_on_the_way_to_the_proxy_is_caught_there(profile, site, outside):
    copies = []

    def alter(direction, message):
        if direction == REQUEST and not copies:
            copies.extend(flips(message))
            return [*copies, message]

    outside.alter = alter
    with member(site) as heard:
        assert told(site.ask_group(*through(outside, site, profile, "both"))) == site.expected()
        assert len(copies) > 100 and len(heard.collect(seconds=0.5)) == 1
    codes = [peers.decode(data).code for data in outside.others]
    assert len(codes) > 100 and set(codes) <= {"0.00", "4.00", "4.01", "4.02"}


@PROFILES
def test_any_byte_of_a_response_that_is_altered_on_the_way_from_the_proxy_is_caught_by_the_client(
    profile, site, outside
):
    copies, places = [], iter(range(6))

    def alter(direction, message):
        if direction == REQUEST:
            return None
        found = flips(message, next(places), 6)  # of all together are every byte
        copies.extend(found)
        bare = message._replace(code="2.05", options=((peers.REPLY_FROM, reply_from("192.0.2.66")),), payload=b"66")
        forwarded = bare._replace(options=((peers.RESPONSE_FORWARDING, forwarding("192.0.2.66")),))
        outer = with_option(message, peers.REPLY_FROM, reply_from("192.0.2.66"))  # which nobody vouches for
        return [*found, anew(bare), anew(forwarded), outer]

    outside.alter = alter
    assert told(site.ask_group(*through(outside, site, profile, "both"))) == site.expected()
    assert len(copies) > 100


def test_responses_of_earlier_requests_and_repeated_ones_are_not_taken(site, between):
    earlier = []

    def alter(direction, message):
        if direction == REQUEST:
            return None
        if len(earlier) < 6:
            earlier.append(message)
            return None
        return [*[anew(each)._replace(token=message.token) for each in earlier], message, anew(message)]

    between.alter = alter
    assert told(site.ask_group(*through(between, site), path="watched")) == site.expected("watched")
    assert told(site.ask_group(*through(between, site))) == site.expected()


def test_datagrams_recorded_before_a_restart_are_not_accepted(site, outside):
    way = through(outside, site, keys="both")
    player = peers.Peer(site.lan.address())

    def values():
        return {by: payload for by, (_, _, payload) in told(site.ask_group(*way, path="set")).items()}

    def replay():
        for message in recorded:
            for address in (site.group, *map(site.address, SERVERS)):
                player.send_bytes((address, peers.PORT), middle.raw(anew(message)))
        for message in outside.requests():
            player.send_bytes((site.address("proxy"), peers.PORT), middle.raw(anew(message)))

    with member(site) as heard:
        for value in ("one", "two"):
            assert site.ask("put", site.uri("group", "set"), value, *way, "--timeout", "0") == []
            assert values() == dict.fromkeys(SERVERS, value)
        recorded = heard.collect(seconds=0.5)
    assert len(recorded) == 4
    replay()
    assert values() == dict.fromkeys(SERVERS, "two")
    site.lose_power(*SERVERS, "proxy")
    site.servers()
    site.proxy("proxy", ["alice"], site.share("alice", "proxy")[1])
    replay()
    before = len(outside.requests())
    assert values() == {name: f"{name} set" for name in SERVERS}
    said = len(outside.requests()) - before
    assert said > 6  # the proxy and each server have asked whether the request is a new one
    assert values() == {name: f"{name} set" for name in SERVERS}
    assert len(outside.requests()) - before - said == 2  # and know now: the request, and its early stop
