"""draft-ietf-core-groupcomm-proxy-07 §7: responses in the proxy's cache."""

from conformance.statements import Document
from draft.secured import ALICE, HALL, KITCHEN, answer_group, ask_group, read
from draft.site import CACHING, GROUP_ETAG, Site, codes, grouped, origin, origins, payloads, single, uint
from group_ends import group_of
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.oscore.exchange import DETERMINISTIC
from wire import CLIENT, GROUP, OTHER, REPLY_FROM, SERVER, SERVER2, UNKNOWN_SAFE

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

NO_CACHE_KEY = 0x1C + 0x100  # a number that says of itself: not in the Cache-Key
SERVER3 = b"\xc0\x00\x02\x07\x16\x33"


def max_age(seconds):
    return (n.MAX_AGE, uint(seconds))


class Caching(Site):
    """A proxy with a cache, and servers that have answered a group request, each with its Max-Age in s."""

    def __init__(self, ages=(100, 100), members=True, options=(), etag=None, **settings):
        settings = dict(CACHING, **settings)
        if not members:
            settings["members"] = []
        Site.__init__(self, **settings)
        self.answered = []  # what was relayed to the client
        self.request = self.asked(grouped(1, more=options))
        for server, age, payload in zip((SERVER, SERVER2), ages, (b"one", b"two")):
            more = [(n.ETAG, etag + payload)] if etag else []
            self.answered += self.answer(self.request, server, more + [max_age(age)], payload)
        self.wait(1000)

    def again(self, seconds=10, more=(), **request):
        """The request once more, of another client: what the proxy sends."""
        request.setdefault("client", OTHER)
        return self.ask(grouped(seconds, more=sorted(more)), **request)


def to_group(packets):
    return [packet for packet in packets if packet.peer == GROUP]


def to_client(packets):
    return [packet for packet in packets if packet.peer in (CLIENT, OTHER)]


# §7


@statement("7", "TEXT", "A group request is served from the cache: nothing goes to the group")
@statement("7.1", "TEXT", "That is so where all members of the group are known, and each has a fresh response stored")
def test_group_request_out_of_the_cache():
    for kind in (n.CON, n.NON):
        sent = Caching().again(kind=kind)
        assert to_group(sent) == []
        found = [packet for packet in sent if packet.code]
        assert [(packet.peer, packet.code, packet.token) for packet in found] == [(OTHER, n.CONTENT, b"tok")] * 2
        assert payloads(found) == [b"one", b"two"] and origins(found) == [origin(SERVER), origin(SERVER2)]


@statement("7.1", "TEXT", "Else it goes to the group: members not known, a response missing, or one not fresh")
def test_group_request_that_goes_out():
    for settings in ({"members": False}, {"ages": (100,)}, {"ages": (100, 1)}, {"ages": (100, 0)}):
        assert len(to_group(Caching(**settings).again())) == 1, settings


@statement("7", "TEXT", "Members may be told by a resource directory")
def test_members_from_a_directory():
    where = {"group": "224.0.1.187", "resource_directory": "coap://192.0.2.8/rd-lookup/ep"}
    site = Site(cache_bytes=1024, members=[where])
    (lookup,) = site.wait(10)
    assert lookup.peer == uri.pack(b"\xc0\x00\x02\x08")
    site.answer(lookup, lookup.peer, [(n.CONTENT_FORMAT, b"\x28")], b'</r>;base="coap://192.0.2.5"', kind=n.ACK)
    site.answer(site.asked(grouped(1)), SERVER)
    assert payloads(site.ask(grouped(), client=OTHER)) == [b"21.5"]


@statement("7", "TEXT", "In the Cache-Key, as in RFC 7252: method, options but those NoCacheKey, payload of a FETCH")
def test_cache_key():
    for more in ([(n.ACCEPT, b"\x3c")], [(UNKNOWN_SAFE, b"x")]):
        assert len(to_group(Caching().again(more=more))) == 1, more
    assert len(to_group(Caching().again(code=n.FETCH))) == 1
    site = Site(**CACHING)
    for code, payload, hit in (
        (n.FETCH, b"one", False),
        (n.FETCH, b"one", True),
        (n.FETCH, b"two", False),
        (n.GET, b"", False),
        (n.GET, b"", True),
    ):
        sent = site.ask(grouped(1), code=code, payload=payload)
        assert (to_group(sent) == []) is hit
        for packet in to_group(sent):
            for server in (SERVER, SERVER2):
                site.answer(packet, server, [max_age(100)])
        site.wait(1000)
    for more in ([(NO_CACHE_KEY, b"x")], [(n.ETAG, b"x")], [(GROUP_ETAG, b"x")]):
        assert to_group(Caching().again(more=more)) == [], more
    site = Caching()
    assert len(to_group(site.ask(grouped(target=b"coap://224.0.1.187/r?q"), client=OTHER))) == 1
    assert to_group(site.ask(grouped(9, b"coap://224.0.1.187/r"), client=OTHER)) == []


@statement("7", "TEXT", "Max-Age of a stored response is what is left of it")
def test_max_age_out_of_the_cache():
    site = Caching()
    site.wait(20000)
    assert [packet.option(n.MAX_AGE) for packet in site.again()] == [uint(79)] * 2


@statement("7", "TEXT", "An entry is of one server: its response to the group serves a request to its unicast URI")
def test_response_to_a_group_serves_a_unicast_request():
    site = Caching()
    (sent,) = site.ask(single(), n.CON, client=OTHER)
    assert (sent.peer, sent.kind, sent.code, sent.payload) == (OTHER, n.ACK, n.CONTENT, b"one")
    assert sent.option(REPLY_FROM) is None
    assert site.asked(single(b"coap://192.0.2.7/r"), client=OTHER).peer == SERVER3
    assert site.asked(single(b"coap://192.0.2.5:61616/r"), client=CLIENT).peer[:4] == SERVER[:4]


@statement("7", "TEXT", "And a response to a unicast request serves that, and a group request too")
def test_response_to_a_unicast_request_serves_a_group_request():
    site = Site(**CACHING)
    for server, target in ((SERVER, b"coap://192.0.2.5/r"), (SERVER2, b"coap://192.0.2.6/r")):
        request = site.asked(single(target), kind=n.CON, token=target[-3:])
        site.answer(request, server, kind=n.ACK, payload=target)
        assert payloads(site.ask(single(target), client=OTHER)) == [target]
    sent = site.ask(grouped(), client=OTHER)
    assert to_group(sent) == [] and origins(sent) == [origin(SERVER), origin(SERVER2)]


@statement("7", "TEXT", "Of several responses of one server to one request the last is stored")
def test_last_response_of_a_server_is_stored():
    site = Site(**CACHING)
    request = site.asked()
    for server, payload in ((SERVER, b"1"), (SERVER2, b"2"), (SERVER, b"3")):
        assert payloads(site.answer(request, server, payload=payload)) == [payload]
    assert sorted(payloads(site.ask(grouped(), client=OTHER))) == [b"2", b"3"]


@statement("7", "TEXT", "Responses to other methods than GET and FETCH, and errors, are not stored")
def test_what_is_not_stored():
    site = Site(**CACHING)
    request = site.asked(code=n.POST)
    for server in (SERVER, SERVER2):
        site.answer(request, server)
    assert len(to_group(site.ask(grouped(), code=n.POST, client=OTHER))) == 1
    site = Site(**CACHING)
    request = site.asked()
    for server in (SERVER, SERVER2):
        site.answer(request, server, code=n.NOT_FOUND)
    assert len(to_group(site.ask(grouped(), client=OTHER))) == 1


# §7.1


@statement("7.1", "TEXT", "A fresh response with a remaining life below T' is sent at once, the request going out too")
def test_response_that_gets_stale_before_the_end_is_sent_at_once():
    sent = Caching(ages=(9,), members=False).again(10)
    assert len(to_group(sent)) == 1 and payloads(to_client(sent)) == [b"one"]


@statement("7.1", "TEXT", "One that lives longer waits until shortly before the end of T'")
@statement("7.1", "TEXT", "And is sent then if its server has not answered")
def test_response_that_stays_fresh_is_sent_at_the_end():
    site = Caching(members=False)
    sent = site.again(10)
    assert to_client(sent) == [] and len(to_group(sent)) == 1
    assert site.wait(9000) == []
    sent = site.wait(950)
    assert payloads(sent) == [b"one", b"two"] and origins(sent) == [origin(SERVER), origin(SERVER2)]
    assert site.wait(5000) == [] and site.free() == 8


@statement("7.1", "TEXT", "Nothing stored is sent for a server that has answered, whatever it has said")
def test_nothing_is_sent_for_who_has_answered():
    site = Caching(members=False)
    (request,) = to_group(site.again(10))
    assert payloads(site.answer(request, SERVER, payload=b"new")) == [b"new"]
    assert codes(site.answer(request, SERVER2, code=n.NOT_FOUND)) == [n.NOT_FOUND]
    assert site.wait(11000) == []


@statement("7.1", "TEXT", "Nor what was stored only after the request had gone out")
def test_nothing_is_sent_that_was_stored_later():
    site = Caching(ages=(), members=False)
    site.asked(grouped(10), client=OTHER)
    site.answer(site.asked(grouped(10), token=b"two"), SERVER)
    assert to_client(site.wait(11000)) == []


@statement("7.1", "TEXT", "Responses that come are relayed as they come, and renew what is stored")
def test_responses_renew_what_is_stored():
    site = Caching(members=False)
    (request,) = to_group(site.again(5))
    site.answer(request, SERVER, [max_age(200)], b"new")
    site.wait(150000)
    sent = site.again(100)
    assert len(to_group(sent)) == 1 and payloads(to_client(sent)) == [b"new"]


# §7.2


@statement("7.2.1", "TEXT", "A stored response is revalidated by a unicast request with its ETag")
def test_revalidation_by_unicast():
    site = Caching(ages=(5, 5), etag=b"e")
    site.wait(5000)
    request = site.asked(single(), kind=n.CON, client=OTHER)
    assert request.peer == SERVER and request.option(n.ETAG) == b"eone"
    (sent,) = site.answer(request, SERVER, [(n.ETAG, b"eone"), max_age(50)], b"", n.VALID, n.ACK)
    assert (sent.code, sent.payload, sent.option(n.MAX_AGE)) == (n.CONTENT, b"one", uint(50))
    assert payloads(site.ask(single(), client=CLIENT)) == [b"one"]


@statement("7.2.2", "TEXT", "Stored responses are revalidated by a group request with their ETags")
def test_revalidation_by_group_request():
    site = Caching(ages=(5, 5), etag=b"e")
    site.wait(5000)
    (request,) = site.again()
    assert [value for number, value in request.options if number == n.ETAG] == [b"eone", b"etwo"]
    for server, payload in ((SERVER, b"one"), (SERVER2, b"two")):
        sent = site.relayed(request, server, [(n.ETAG, b"e" + payload), max_age(50)], b"", n.VALID)
        assert (sent.peer, sent.code, sent.payload) == (OTHER, n.CONTENT, payload)
        assert sent.option(REPLY_FROM) == origin(server)
    site.wait(10000)
    assert to_group(site.again(client=CLIENT)) == []


@statement("7.2.2", "TEXT", "A client's own ETags go on as they are, and it gets the 2.03s itself")
def test_etags_of_the_client():
    site = Caching(ages=(5, 5), etag=b"e")
    site.wait(5000)
    (request,) = site.again(more=[(n.ETAG, b"mine")])
    assert request.option(n.ETAG) == b"mine"
    assert codes(site.answer(request, SERVER, [(n.ETAG, b"mine")], b"", n.VALID)) == [n.VALID]


@statement("7.2", "TEXT", "Under end-to-end Group OSCORE there is no such revalidation")
def test_what_is_protected_end_to_end_is_not_revalidated():
    site = Site(**CACHING)
    deterministic(site, 1, [(n.ETAG, b"e"), max_age(5)])
    site.wait(6000)
    _, asked = ask_group(group_of(ALICE), to=DETERMINISTIC)
    (request,) = to_group(site.ask(**asked))
    assert request.option(n.ETAG) is None  # which the proxy has not seen


# §7.3


@statement("7.3", "TEXT", "Group-ETag has number 24: elective, safe to forward, repeatable, 1 to 8 bytes")
def test_group_etag_option():
    site = Site()
    request = site.asked(grouped(more=[(GROUP_ETAG, b"1"), (GROUP_ETAG, b"12345678")]))
    assert [value for number, value in request.options if number == 24] == [b"1", b"12345678"]
    assert site.relayed(request, SERVER, [(24, b"g")]).option(24) == b"g"


not_claimed(
    "7.3",
    "TEXT",
    "Group-ETag is part of the Cache-Key",
    "it is not compared, as ETag is not: with it in the key, a request would never hit the entries that it validates",
)


@statement("7.3", "MUST", "Who cannot serve a group from the cache alone does not validate by Group-ETag")
def test_no_group_etag_where_members_are_not_known():
    site = Caching(members=False)
    (request,) = site.again()
    assert origins(to_client(site.answer(request, SERVER))) == [origin(SERVER)]
    for packet in site.answered + site.wait(10000):
        assert packet.option(GROUP_ETAG) is None
    assert codes(Site().ask(grouped(more=[(GROUP_ETAG, b"g")]))) == [n.GET]


def tags(packets):
    return [packet.option(GROUP_ETAG) for packet in packets]


@statement("7.3", "TEXT", "A complete set of entries has an entity-tag, which 2.05 responses carry")
@statement("7.3", "MUST", "A response has no more than one Group-ETag")
def test_group_etag_of_a_complete_set():
    site = Caching()
    for more in ((), [(GROUP_ETAG, b"x"), (GROUP_ETAG, b"y")]):
        sent = site.again(more=more)
        assert codes(sent) == [n.CONTENT] * 2 and len(set(tags(sent))) == 1 and 1 <= len(tags(sent)[0]) <= 8
    assert tags(site.again()) == tags(sent)


@statement("7.3", "TEXT", "No response carries one where the set is not complete")
def test_no_group_etag_of_an_incomplete_set():
    site = Caching(ages=(100,))
    assert tags(site.answered) == [None]
    site.again()
    assert set(tags(to_client(site.wait(11000)))) == {None}


@statement("7.3", "MUST", "The entity-tag is another one when an entry of the complete set has changed")
def test_group_etag_changes_with_an_entry():
    site = Caching()
    old = tags(site.again())[0]
    request = site.asked(grouped(more=[(n.OBSERVE, b"")]))
    site.answer(request, SERVER, [(n.OBSERVE, b"\x01"), max_age(100)], b"new")
    sent = site.again(more=[(GROUP_ETAG, old)])
    assert codes(sent) == [n.CONTENT] * 2 and old not in tags(sent)


@statement("7.3", "TEXT", "A request with the entity-tag of a complete set gets one single 2.03, without a payload")
@statement("7.3", "MUST", "That has the current entity-tag as its Group-ETag")
def test_group_etag_that_matches():
    for kind, answer in ((n.CON, n.ACK), (n.NON, n.NON)):
        site = Caching()
        tag = tags(site.again())[0]
        (sent,) = site.again(more=[(GROUP_ETAG, b"x"), (GROUP_ETAG, tag)], kind=kind)
        assert (sent.peer, sent.kind, sent.code, sent.token) == (OTHER, answer, n.VALID, b"tok")
        assert sent.option(GROUP_ETAG) == tag and sent.payload == b"" and sent.option(REPLY_FROM) is None


@statement("7.3", "TEXT", "The Group-ETags of a request do not go to servers where the proxy has a cache")
def test_group_etags_are_the_proxys():
    (request,) = Caching(ages=(100,)).again(more=[(GROUP_ETAG, b"x")])
    assert request.option(GROUP_ETAG) is None


# §7.4


def deterministic(site, seconds=60, options=(), number=0):
    """alice's Deterministic Request is answered by all: what she gets."""
    exchange, asked = ask_group(group_of(ALICE), to=DETERMINISTIC, seconds=seconds)
    (request,) = to_group(site.ask(**asked))
    found = []
    for server, member in ((SERVER, KITCHEN), (SERVER2, HALL)):
        found += site.answer(request, server, **answer_group(group_of(member, number=number), request, options))
    assert sorted(read(exchange, each)[0] for each in found) == ["hall", "kitchen"]
    return found


@statement("7.4", "TEXT", "Responses that are protected end to end are not cached without more")
def test_response_to_a_request_of_one_member_is_not_cached():
    site = Site(**CACHING)
    exchange, asked = ask_group(group_of(ALICE), seconds=1)
    (request,) = to_group(site.ask(**asked))
    for server, member in ((SERVER, KITCHEN), (SERVER2, HALL)):
        assert len(site.answer(request, server, **answer_group(group_of(member), request))) == 1
    site.wait(1000)
    assert len(to_group(site.ask(client=OTHER, **asked))) == 1  # that very request


@statement("7.4.1", "TEXT", "Responses to Deterministic Requests are cached")
def test_response_to_a_deterministic_request_is_cached():
    site = Site(**CACHING)
    deterministic(site)
    exchange, asked = ask_group(group_of(ALICE, number=70), to=DETERMINISTIC)  # any member's is the same
    sent = site.ask(client=OTHER, **asked)
    assert to_group(sent) == [] and codes(sent) == [n.CONTENT] * 2
    for each, server, expected in zip(sent, (SERVER, SERVER2), ("kitchen", "hall")):
        name, found = read(exchange, each)
        assert (each.option(REPLY_FROM), name, found.payload) == (origin(server), expected, b"21.5")


@statement("7.4.2", "TEXT", "They are revalidated end to end, or by Group-ETag")
def test_revalidation_of_responses_to_deterministic_requests():
    site = Site(**CACHING)
    deterministic(site)
    exchange, asked = ask_group(group_of(ALICE), to=DETERMINISTIC)
    tag = site.ask(client=OTHER, **asked)[0].option(GROUP_ETAG)
    asked["options"] = sorted([*asked["options"], (GROUP_ETAG, tag)])
    assert codes(site.ask(client=OTHER, **asked)) == [n.VALID]
    exchange, asked = ask_group(group_of(ALICE), [(n.ETAG, b"e")], to=DETERMINISTIC)  # a request of its own
    (request,) = to_group(site.ask(token=b"own", **asked))
    valid = answer_group(group_of(KITCHEN, number=9), request, [(n.ETAG, b"e")], b"", n.VALID)
    name, found = read(exchange, site.relayed(request, SERVER, **valid))
    assert (name, found.code) == ("kitchen", n.VALID)
