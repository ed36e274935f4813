"""draft-ietf-core-groupcomm-proxy-07 §8: chains of proxies. What goes between two of them is looked at here as well."""

from conformance.statements import Document
from draft.site import (
    ALLOW,
    GROUP_ETAG,
    LAST,
    NEXT,
    R,
    Site,
    acknowledgements,
    codes,
    grouped,
    line,
    origin,
    origins,
    outside,
    payloads,
    timed,
    uint,
)
from groupcoap import numbers as n
from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, PROXY, REPLY_FROM, SERVER, SERVER2, STRANGER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

HOST = [(n.URI_HOST, b"group1.com")]
PATH = [(n.URI_PATH, b"gp")]
NO_RETRY = "the proxy does not ask again: its T'' is already the most that T' less the round trip allows"


def chain(**settings):
    """Two forward-proxies: PROXY asks NEXT, which multicasts. settings: of the first."""
    return Site({}, **dict({"next_hop": "192.0.2.2"}, **settings))


def alone(**settings):
    """The first of them; the next hop is told by its datagrams."""
    return Site(**dict({"next_hop": "192.0.2.2"}, **settings))


def reverse_chain(servers, **way):
    """Two reverse-proxies, that find the group by the same host or path."""
    entry = dict({"group": "224.0.1.187", "servers": servers}, **way)
    on = {"next_hop": "192.0.2.2"}
    if "path" in way:
        on["next_path"] = way["path"]
    return Site({"mode": "reverse", "stands_in_for": [entry]}, mode="reverse", stands_in_for=[dict(entry, **on)])


def hop(packets):
    """The one message from the first proxy to the next."""
    (sent,) = [packet for packet in packets if packet.peer == NEXT and packet.code]
    return sent


def to_group(packets):
    (sent,) = [packet for packet in packets if packet.peer == GROUP]
    return sent


def to_client(packets):
    return [packet for packet in packets if packet.peer == CLIENT and packet.code]


# §8


@statement("8", "MUST", "Each proxy of the chain has an allow-list, and identifies who sends to it: REQ1, REQ2")
def test_each_proxy_has_an_allow_list():
    sent = chain().ask(grouped())
    assert hop(sent).src == outside(PROXY) and to_group(sent).src == outside(NEXT)
    (sent,) = chain().ask(grouped(), client=STRANGER)
    assert sent.src == PROXY and sent.code == n.UNAUTHORIZED
    site = Site({"allow": ALLOW}, next_hop="192.0.2.2")  # the next knows clients, but not the first proxy
    (refused,) = to_client(site.ask(grouped()))
    assert refused.code == n.UNAUTHORIZED and refused.option(REPLY_FROM) is None and site.free() == 8


# §8.1


@statement("8.1", "TEXT", "A proxy that is not the last keeps Multicast-Timeout and sends the request to the next hop")
@statement("8.1", "TEXT", "The last one does as in 5.2")
def test_request_goes_along_the_chain():
    sent = chain().ask(grouped(60), code=n.FETCH, payload=b"body")
    between = hop(sent)
    assert line(between)[:4] == (outside(PROXY), NEXT, n.NON, n.FETCH) and between.payload == b"body"
    assert between.option(n.PROXY_URI) == b"coap://224.0.1.187/r"
    assert between.option(MULTICAST_TIMEOUT) is not None and between.token != b"tok"
    last = to_group(sent)
    assert last.src == outside(NEXT) and last.payload == b"body" and last.option(MULTICAST_TIMEOUT) is None


not_claimed(
    "8.1",
    "MUST",
    "T, after which the Token towards the next hop is freed, is greater than T'",
    "8.2 has it freed at T' itself, and so it is: what comes later is dropped by 8.1 and 8.2 alike",
)


@statement("8.1", "MUST", "The Token towards the next hop is retained beyond the first response, as in 5.1.1")
def test_token_towards_the_next_hop_is_retained():
    site = alone()
    request = site.asked(grouped(60))
    for server in (SERVER, SERVER2, SERVER):
        assert len(site.answer(request, NEXT, [(REPLY_FROM, origin(server))])) == 1
        assert site.free() == 7


@statement("8.1", "MUST", "And it is freed before it might be used again: T < T_r")
@statement("8.1", "MUST", "T_r is no less than MIN_TOKEN_REUSE_TIME: no Token is ever used again")
def test_token_towards_the_next_hop_is_not_used_again():
    site = alone(token_slots=1)
    tokens = set()
    for _ in range(600):  # of a second each: more than MIN_TOKEN_REUSE_TIME, 500 s, in the only slot
        tokens.add(site.asked(grouped(2)).token)
        site.wait(1000, step=1000)
        assert site.free() == 0
        site.wait(1000, step=1000)
        assert site.free() == 1
    assert len(tokens) == 600


@statement("8.1", "TEXT", "T'' is below T' and below T by round_trip_s, the longer of the round trips to either side")
def test_timeout_is_lowered():
    for seconds in (1, 5):
        between = hop(chain(round_trip_s=seconds).ask(grouped(60)))
        assert between.option(MULTICAST_TIMEOUT) == uint(60 - seconds)


@statement("8.1", "TEXT", "No T' is told that the one who asks may not have here: then there is no such value")
def test_only_a_timeout_that_may_be_had_is_told():
    client = {"client": "192.0.2.9", "groups": ["224.0.1.187"]}
    for settings, least, told in (
        ({"max_timeout_s": 5}, 3, b"\x05"),
        ({"max_timeout_s": 5}, 4, None),
        ({"allow": [dict(client, max_timeout_s=5)]}, 3, b"\x05"),
        ({"allow": [dict(client, max_timeout_s=5)]}, 4, None),
        ({"allow": [dict(client, max_timeout_s=50)], "max_timeout_s": 5}, 4, None),
    ):
        site = alone(round_trip_s=2, **settings)
        between = site.asked(grouped(5))
        answer = site.relayed(between, NEXT, [(MULTICAST_TIMEOUT, uint(least))], b"", n.PROXYING_NOT_SUPPORTED)
        assert (answer.code, answer.option(MULTICAST_TIMEOUT)) == (n.PROXYING_NOT_SUPPORTED, told)


@statement("8.1", "MUST", "Where there is no such T'', the request is not processed further")
@statement("8.1", "MUST", "It gets 5.05 (Proxying Not Supported)")
@statement("8.1", "SHOULD", "With a Multicast-Timeout: the least T' that would do")
def test_timeout_too_small():
    for seconds in (1, 2, 5):
        (sent,) = chain(round_trip_s=5).ask(grouped(seconds))
        assert (sent.peer, sent.code) == (CLIENT, n.PROXYING_NOT_SUPPORTED)
        assert sent.option(MULTICAST_TIMEOUT) == b"\x06"
    assert hop(chain(round_trip_s=5).ask(grouped(6))).option(MULTICAST_TIMEOUT) == b"\x01"


@statement("8.1", "MUST", "A proxy that gets 5.05 from its next hop, and does not ask again, gives 5.05 itself")
@statement("8.1", "SHOULD", "With a Multicast-Timeout: the least T' that would do there")
def test_refusal_of_the_next_hop_is_passed_on():
    site = Site({"next_hop": "192.0.2.3", "round_trip_s": 5}, next_hop="192.0.2.2", round_trip_s=2)
    sent = site.ask(grouped(6))
    assert hop(sent).option(MULTICAST_TIMEOUT) == b"\x04"
    (refused,) = to_client(sent)
    assert refused.code == n.PROXYING_NOT_SUPPORTED and refused.option(MULTICAST_TIMEOUT) == b"\x08"
    assert refused.option(REPLY_FROM) is None and site.free() == site.free(site.next) == 8
    sent = site.ask(grouped(8))
    assert [packet.option(MULTICAST_TIMEOUT) for packet in sent if packet.peer in (NEXT, LAST)] == [b"\x06", b"\x01"]


not_claimed("8.1", "MUST", "A proxy that asks its next hop again says more than before, and at least as told", NO_RETRY)


@statement("8.1", "TEXT", "With T' > 0, what the next hop sends after T' is ignored")
def test_late_responses_are_ignored():
    site = alone()
    request = site.asked(grouped(5))
    site.wait(4950)
    assert len(site.answer(request, NEXT, [(REPLY_FROM, origin(SERVER))])) == 1
    site.wait(50)
    assert site.answer(request, NEXT, [(REPLY_FROM, origin(SERVER))]) == [] and site.free() == 8


@statement("8.1", "TEXT", "T' = 0 goes on as it is, and all responses are ignored")
def test_zero_timeout_along_the_chain():
    site = chain()
    sent = site.ask(grouped(0))
    assert hop(sent).option(MULTICAST_TIMEOUT) == b""
    assert site.answer(to_group(sent), SERVER) == []
    site = alone()
    request = site.asked(grouped(0))
    assert site.answer(request, NEXT, [(REPLY_FROM, origin(SERVER))]) == []


@statement("8.1", "TEXT", "Responses of a group request are taken from the next hop only")
def test_only_the_next_hop_is_heard():
    site = alone()
    request = site.asked()
    assert site.answer(request, SERVER, [(REPLY_FROM, origin(SERVER))]) == []
    assert len(site.answer(request, NEXT, [(REPLY_FROM, origin(SERVER))])) == 1


@statement("8.1", "TEXT", "A request that goes round in circles ends: Hop-Limit")
def test_circle_of_proxies():
    site = Site({"next_hop": "192.0.2.1"}, next_hop="192.0.2.2", token_slots=16,
                allow=ALLOW + [{"client": "192.0.2.2", "groups": ["224.0.1.187"]}])  # fmt: skip
    sent = site.ask(grouped(60))
    assert len([packet for packet in sent if packet.code == n.GET]) == 16
    assert codes(to_client(sent)) == [n.HOP_LIMIT_REACHED]


# §8.1.1, §8.2.1


@statement("8.1.1", "TEXT", "A proxy that is not the last registers with the next hop")
@statement("8.2.1", "TEXT", "It relays the notifications of that, also beyond T', for as long as they are wanted")
def test_observation_along_the_chain():
    site = chain()
    sent = site.ask(grouped(5, more=[(n.OBSERVE, b"")]))
    assert hop(sent).option(n.OBSERVE) == to_group(sent).option(n.OBSERVE) == b""
    last = to_group(sent)
    for i, server in enumerate((SERVER, SERVER2, SERVER)):
        (notification,) = to_client(site.answer(last, server, [(n.OBSERVE, bytes((i + 1,)))]))
        assert notification.option(n.OBSERVE) is not None and notification.option(REPLY_FROM) == origin(server)
        site.wait(10000)
    assert site.free() == site.free(site.next) == 7
    (stop,) = [packet for packet in site.stop() if packet.peer == GROUP]
    assert stop.option(n.OBSERVE) == b"\x01" and site.free() == site.free(site.next) == 8


@statement("8.2.1", "TEXT", "The Token is freed after T' where no 2.xx with Observe has come from the next hop")
def test_token_without_an_observation():
    site = chain()
    last = to_group(site.ask(grouped(5, more=[(n.OBSERVE, b"")])))
    site.answer(last, SERVER)
    site.wait(5000)
    assert site.free() == site.free(site.next) == 8


@statement("8.2.1", "SHOULD", "It is verified now and then that the previous hop is still interested")
def test_interest_is_verified_along_the_chain():
    site = chain()
    last = to_group(site.ask(grouped(60, more=[(n.OBSERVE, b"")])))
    for i in range(8):
        sent = site.answer(last, SERVER, [(n.OBSERVE, bytes((i + 1,)))])
    assert [packet.kind for packet in sent if packet.code] == [n.CON, n.CON]  # to the first proxy, to the client
    assert [packet.peer for packet in acknowledgements(sent)] == [NEXT]


# §8.1.2


@statement("8.1.2", "TEXT", "An early stop goes on along the chain: an Early Stop Request with the Token of the hop")
def test_early_stop_along_the_chain():
    for way in ("reset", "stop"):
        site = chain()
        sent = site.ask(grouped())
        (relayed,) = to_client(site.answer(to_group(sent), SERVER))
        stop = hop(site.empty(n.RST, relayed) if way == "reset" else site.stop())
        assert stop.code == n.GET and stop.token == hop(sent).token
        assert stop.options == [(MULTICAST_TIMEOUT, b"")] and site.free() == site.free(site.next) == 8
        assert to_client(site.answer(to_group(sent), SERVER2)) == []


# §8.2


@statement("8.2", "MUST", "Forward-proxies leave a Reply-From as it is that comes from the next hop")
def test_reply_from_along_a_forward_chain():
    site = chain()
    sent = site.answer(to_group(site.ask(grouped())), SERVER)
    assert [packet.peer for packet in sent] == [outside(PROXY), CLIENT]
    assert origins(sent) == [origin(SERVER)] * 2
    site = alone()
    value = origin(SERVER) + b"\x82\xf5\x81\x61r"
    assert site.relayed(site.asked(), NEXT, [(REPLY_FROM, value)]).option(REPLY_FROM) == value


@statement("8.2", "MUST", "So do reverse-proxies of a chain that stands in for the group only")
def test_reply_from_along_a_reverse_chain_for_the_group():
    for way, named in (({"host": "group1.com"}, HOST), ({"path": "gp"}, PATH)):
        site = reverse_chain(False, **way)
        last = to_group(site.ask(timed(60, named + R)))
        assert last.options[0] == R[0] and origins(site.answer(last, SERVER)) == [origin(SERVER)] * 2


@statement("8.2", "MUST", "Where the chain stands in for the servers too, each replaces it by an address of its own")
@statement("8.2", "TEXT", "A request as that says goes on as the old one said, up to the server")
def test_reply_from_along_a_reverse_chain_for_the_servers():
    for way, named, second, follow_up in (
        ({"host": "group1.com"}, HOST, b"\x82\xf6\x81\x44\xc0\x00\x02\x05", [(n.URI_HOST, b"192.0.2.5")]),
        ({"path": "gp"}, PATH, b"\x82\xf5\x82\x62gp\x69192.0.2.5", PATH + [(n.URI_PATH, b"192.0.2.5")]),
    ):
        site = reverse_chain(True, **way)
        sent = site.answer(to_group(site.ask(timed(60, named + R))), SERVER)
        assert origins(sent) == [origin(NEXT) + second, origin(PROXY) + second]
        sent = site.ask(follow_up + [(n.URI_PATH, b"r1")], token=b"two")
        assert [packet.peer for packet in sent] == [NEXT, SERVER]
        assert sent[0].options[: len(follow_up)] == follow_up and sent[1].options[0] == (n.URI_PATH, b"r1")
        (response,) = to_client(site.answer(sent[1], SERVER))
        assert (response.token, response.payload) == (b"two", b"21.5")


@statement("8.2", "MUST", "No old one passes: a response whose Reply-From names no server of the next hop is dropped")
def test_reply_from_that_cannot_be_replaced():
    for way, named in (({"host": "group1.com"}, HOST), ({"path": "gp", "next_path": "gp"}, PATH)):
        entry = dict({"group": "224.0.1.187", "servers": True, "next_hop": "192.0.2.2"}, **way)
        site = Site(mode="reverse", stands_in_for=[entry])
        request = site.asked(timed(60, named + R))
        for value in (origin(SERVER), origin(NEXT) + b"\x82\xf6\x81\x61x", b"\xff\xff\xff\xff\xff"):
            assert site.answer(request, NEXT, [(REPLY_FROM, value)]) == []
        assert site.proxy.relay.refused_responses == 3 and site.free() == 7
        second = b"\x82\xf6\x81\x44\xc0\x00\x02\x05" if "host" in way else b"\x82\xf5\x81\x69192.0.2.5"
        assert len(site.answer(request, NEXT, [(REPLY_FROM, origin(NEXT) + second)])) == 1


not_claimed(
    "8.2",
    "MUST",
    "So is the address of a server that no address of the proxy stands for, where each is to have one",
    "the one of the next hop stays: nothing else says who has answered, and what server_addresses leaves out is the "
    "operator's choice",
)


@statement("8.2", "MUST", "Several responses of one server are all relayed, as they come")
def test_several_responses_along_the_chain():
    site = chain()
    last = to_group(site.ask(grouped()))
    for payload in (b"1", b"1", b"2"):
        assert payloads(to_client(site.answer(last, SERVER, payload=payload))) == [payload]


@statement("8.2", "TEXT", "After T' the Token is free, and what is late is discarded")
def test_tokens_are_free_after_the_timeout():
    site = chain()
    last = to_group(site.ask(grouped(5)))
    site.wait(3950)
    assert len(to_client(site.answer(last, SERVER))) == 1 and site.free(site.next) == 7
    site.wait(50)
    assert site.answer(last, SERVER) == [] and site.free(site.next) == 8 and site.free() == 7
    site.wait(1000)
    assert site.free() == 8


not_claimed(
    "8",
    "TEXT",
    "Caching at each proxy of the chain works as in 7",
    "the last one caches, the others do not: they would hold the same responses once more",
)


@statement("8", "TEXT", "A Group-ETag is answered by the proxy of the chain that has the cache")
def test_group_etag_along_the_chain():
    members = [{"group": "224.0.1.187", "servers": ["192.0.2.5"]}]
    site = Site({"cache_bytes": 1024, "members": members}, next_hop="192.0.2.2")
    site.answer(to_group(site.ask(grouped(2))), SERVER, [(n.MAX_AGE, b"\x64")])
    site.wait(2000)
    (sent,) = to_client(site.ask(grouped(5)))
    tag = sent.option(GROUP_ETAG)
    assert sent.option(REPLY_FROM) == origin(SERVER) and tag
    site.wait(5000)
    sent = site.ask(grouped(5, more=[(GROUP_ETAG, tag)]))
    (valid,) = to_client(sent)
    assert valid.code == n.VALID and valid.option(GROUP_ETAG) == tag and GROUP not in [p.peer for p in sent]
