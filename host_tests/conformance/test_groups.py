"""Group communication: what draft-ietf-core-groupcomm-bis §3 asks of servers, clients and proxies."""

from conformance.site import BIG, BODY, CORE, LEISURE, LOG, TEMP, Asking, Site, read_block
from conformance.statements import Document
from draft.site import Site as Proxies
from draft.site import timed
from groupcoap import errors, uri
from groupcoap import numbers as n
from groupcoap.client import Client
from groupcoap.parameters import leisure
from groupcoap.server import DEFAULT_LEISURE, Resource, Response
from wire import CLIENT, GROUP, OTHER, SERVER, SERVER2, STRANGER, Proxied, Wire, datagram, group_request

DOCUMENT = Document("groupcomm-bis")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

GROUP_URI = "coap://224.0.1.187/temp"
Q_BLOCK2 = 31


def observing(**settings):
    """A client that observes /temp in the group, and what has come from two servers so far: their initial responses."""
    asking = Asking(GROUP_URI, observe=True, **settings)
    for peer, value in ((SERVER, b"1"), (SERVER2, b"2")):
        asking.answer(n.NON, options=[(n.OBSERVE, b"\x05")], payload=value, peer=peer)
    return asking


def observe_by_group(site, token=b"ob", value=b"", peer=CLIENT):
    """What is sent for a group request with Observe within two leisures."""
    return site.ask_group([(n.OBSERVE, value)] + TEMP, token=token, peer=peer)


# §3.1


@statement("3.1.1", "TEXT", "A group request by multicast is Non-confirmable")
def test_group_request_is_non_confirmable():
    for method in (n.GET, n.PUT, n.POST, n.DELETE, n.FETCH):
        assert Asking(GROUP_URI, method, confirmable=True).request.kind == n.NON


@statement("3.1.1", "TEXT", "Its responses are Non-confirmable and unicast; a server may send several")
def test_responses_are_unicast_and_non_confirmable():
    for peer in (CLIENT, OTHER):
        (sent,) = Site().ask_group(peer=peer)
        assert sent.kind == n.NON and sent.peer == peer and sent.token == b"tk"


@statement("3.1.1", "TEXT", "A client takes Confirmable responses to it as well")
def test_con_response_to_a_group_request():
    asking = Asking(GROUP_URI)
    (sent,) = asking.answer(n.CON, mid=9)
    assert sent.is_empty(n.ACK, 9) and sent.peer == SERVER and len(asking.responses) == 1


@statement("3.1.1", "TEXT", "Responses of success and of failure are told to the application")
def test_group_responses_of_any_code():
    asking = Asking(GROUP_URI)
    asking.answer(n.NON, n.NOT_FOUND, payload=b"", peer=SERVER2)
    asking.answer(n.NON)
    assert [response.code for response in asking.responses] == [n.NOT_FOUND, n.CONTENT]


@statement("3.1.2", "SHOULD", "A server suppresses its response in case of error")
def test_errors_are_suppressed():
    site = Site()
    assert site.ask_group(code=n.DELETE) == [] and site.ask_group([(n.URI_PATH, b"x")]) == []
    for error in (errors.NotFound(), errors.ServiceUnavailable(), ValueError()):
        site.value = error
        assert site.ask_group() == []


@statement("3.1.2", "SHOULD", "And where there is nothing useful to respond")
def test_empty_answers_are_suppressed():
    site = Site()
    assert site.ask_group(code=n.PUT, payload=b"22") == [] and site.value == b"22"
    site.value = b""
    assert site.ask_group() == []


@statement("3.1.2", "SHOULD", "Unless the application requires a response of that resource")
def test_resource_may_want_errors_told():
    site = Site()
    site.server.add(Resource("loud", group=True, suppress=0), GET=site._read, PUT=site._write)
    site.value = errors.ServiceUnavailable("full")
    (sent,) = site.ask_group([(n.URI_PATH, b"loud")])
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.payload == b"full"
    (sent,) = site.ask_group([(n.URI_PATH, b"loud")], code=n.PUT, payload=b"1")
    assert sent.code == n.CHANGED


@statement("3.1.2", "SHOULD", "No-Response (RFC 7967) lifts suppression only for resources where that is meant")
def test_no_response_does_not_lift_suppression():
    site = Site()
    assert site.ask_group(TEMP + [(n.NO_RESPONSE, b"")], code=n.DELETE) == []
    assert site.ask_group([(n.URI_PATH, b"x"), (n.NO_RESPONSE, b"")]) == []


@statement("3.1.2", "TEXT", "No-Response may widen suppression")
def test_no_response_widens_suppression():
    site = Site()
    assert site.ask_group(TEMP + [(n.NO_RESPONSE, b"\x02")]) == []
    assert len(site.ask_group(TEMP + [(n.NO_RESPONSE, b"\x18")])) == 1


@statement("3.1.2", "SHOULD", "Suppression is the same for all codes of one class, resource by resource")
def test_suppression_is_by_class():
    for suppress, count in ((8, 0), (0, 1)):
        site = Site()
        site.server.add(Resource("r", group=True, suppress=suppress, content_format=0, accepts=(0,)), PUT=site._write)
        r = [(n.URI_PATH, b"r")]
        for options, code in (
            (r, n.GET),  # 4.05
            (r + [(n.CONTENT_FORMAT, b"\x3c")], n.PUT),  # 4.15
            (r + [(n.ACCEPT, b"\x3c")], n.PUT),  # 4.06
        ):
            sent = site.ask_group(options, code=code, payload=b"x" if code == n.PUT else b"")
            assert len(sent) == count, (suppress, code, options)


@statement("3.1.3", "SHOULD", "A group request is repeated as a new request, with a Message ID of its own")
def test_repeated_group_request_is_a_new_one():
    asking = Asking(GROUP_URI, timeout=1)
    asking.wait(2000)
    asking.send(GROUP_URI)
    (again,) = asking.port.sent()
    assert again.mid != asking.request.mid
    site = Site()
    assert len(site.ask_group(mid=1)) == len(site.ask_group(mid=2)) == 1  # each is answered


@statement("3.1.3", "TEXT", "Or, if asked for, as copies of the same message, which no server answers twice")
def test_copies_of_a_group_request():
    asking = Asking(GROUP_URI, copies=3, timeout=30)
    copies = asking.wait(45000)
    assert [packet.raw for packet in copies] == [asking.request.raw] * 2
    site = Site()
    assert len(site.ask_group(mid=1)) == 1 and site.ask_group(mid=1) == []


@statement("3.1.4", "TEXT", "The source of a response is not compared with the destination of the group request")
def test_source_is_not_compared():
    asking = Asking(GROUP_URI)
    peers = [SERVER, SERVER2, SERVER[:4] + b"\x12\x34"]
    for peer in peers:
        asking.answer(n.NON, peer=peer)
    assert [response.origin for response in asking.responses] == peers


@statement("3.1.4", "TEXT", "Responses to concurrent group requests are matched by their tokens")
def test_concurrent_group_requests():
    asking = Asking(GROUP_URI)
    items = []
    asking.client.send(items.append, asking.wire.now, n.GET, uri.parse("coap://224.0.1.188/temp"))
    (other,) = asking.port.sent()
    asking.answer(n.NON, payload=b"two", to=other)
    asking.answer(n.NON, payload=b"one")
    assert [response.payload for response in asking.responses] == [b"one"]
    assert [response.payload for response in items] == [b"two"]


@statement("3.1.4", "MUST", "A response goes to the port that its request came from")
def test_response_goes_to_the_port_of_the_request():
    for port in (b"\x16\x33", b"\x9c\x40", b"\0\1"):
        (sent,) = Site().ask_group(peer=CLIENT[:4] + port)
        assert sent.peer == CLIENT[:4] + port


@statement("3.1.5", "MUST", "The token of a group request is not used again for 250 s and MAX_SERVER_RESPONSE_DELAY")
def test_tokens_of_group_requests_are_not_reused():
    asking = Asking(GROUP_URI, timeout=1)
    asking.wire.dice = b"\0"  # even without any randomness
    tokens = [asking.request.token]
    for _ in range(500):
        asking.wait(1000)
        asking.send(GROUP_URI, timeout=1)
        (sent,) = asking.port.sent()
        tokens.append(sent.token)
    assert len(set(tokens)) == len(tokens)


@statement("3.1.5", "TEXT", "The first response does not free the token")
def test_response_does_not_free_the_token():
    asking = Asking(GROUP_URI, timeout=10)
    for delay in (0, 4000, 4000):
        asking.wait(delay)
        asking.answer(n.NON)
    assert len(asking.responses) == 3
    asking.wait(3000)
    asking.answer(n.NON)
    assert len(asking.responses) == 3 and asking.items[-1] is None


not_claimed(
    "3.1.5",
    "MUST",
    "Under a security protocol without binding of response to request, tokens follow RFC 9175",
    "there is none: a token does not come back at all",
)


@statement("3.1.6", "TEXT", "Several responses of one server with the same token are all told to the application")
def test_several_responses_of_one_server():
    asking = Asking(GROUP_URI)
    for value in (b"1", b"2"):
        asking.answer(n.NON, payload=value)
    assert [response.payload for response in asking.responses] == [b"1", b"2"]


# §3.2


class Caching(Asking):
    """A client with a cache, whose group requests take 5 s."""

    def __init__(self):
        Asking.__init__(self, GROUP_URI, client={"cache": 4}, timeout=5)

    def stored(self, payload, etag, peer=SERVER, code=n.CONTENT):
        """Hand in a response with this entity-tag: what is sent in answer."""
        return self.answer(n.NON, code, [(n.ETAG, etag)], payload, peer=peer)

    def again(self):
        """Ask again when the time of the last request is over: the ETags in the request."""
        self.wait(6000)
        self.items.clear()
        self.send(GROUP_URI, timeout=5)
        (self.request,) = self.port.sent()
        return [value for number, value in self.request.options if number == n.ETAG]


@statement("3.2.1", "TEXT", "A client may take a stored response that is fresh for that of a server that is silent")
def test_fresh_response_is_used():
    asking = Caching()
    asking.stored(b"1", b"e1")
    asking.again()
    asking.wait(6000)
    assert [(response.origin, response.payload) for response in asking.responses] == [(SERVER, b"1")]
    asking.wait(60000)  # Max-Age
    asking.again()
    asking.wait(6000)
    assert asking.responses == []


@statement("3.2.2.1", "SHOULD", "A client asks a server anew that gave 2.03 with an ETag not stored for it")
def test_foreign_valid_is_fetched():
    asking = Caching()
    asking.stored(b"1", b"e1")
    assert asking.again() == [b"e1"]
    (fetch,) = asking.stored(b"", b"e1", SERVER2, n.VALID)
    assert fetch.peer == SERVER2 and fetch.option(n.ETAG) is None and asking.responses == []
    asking.answer(payload=b"2", peer=SERVER2, to=fetch)
    assert [(response.origin, response.payload) for response in asking.responses] == [(SERVER2, b"2")]


@statement("3.2.2.1", "SHOULD", "A client does not use an ETag again that two servers gave")
def test_ambiguous_etag_is_not_used():
    asking = Caching()
    asking.stored(b"1", b"e1")
    asking.stored(b"2", b"e1", SERVER2)
    assert asking.again() == []


@statement("3.2.2.1", "MUST", "A server processes an ETag in a group request as in a unicast one")
def test_etag_in_a_group_request():
    site = Site()
    site.server.add(Resource("r", group=True), GET=lambda request: Response(b"x", etag=b"v1"))
    r = [(n.URI_PATH, b"r")]
    (sent,) = site.ask_group([(n.ETAG, b"v0")] + r)
    assert (sent.code, sent.option(n.ETAG), sent.payload) == (n.CONTENT, b"v1", b"x")
    (sent,) = site.ask_group([(n.ETAG, b"v1")] + r)
    assert (sent.code, sent.option(n.ETAG), sent.payload) == (n.VALID, b"v1", b"")


@statement("3.2.2.1", "SHOULD", "A server's entity-tags are unlikely to be those of another server")
def test_etags_differ_between_servers():
    one, two = Site(), Site()
    two.server.address = SERVER2
    tags = {site.ask_group(BIG)[0].option(n.ETAG) for site in (one, two)}
    assert len(tags) == 2 and None not in tags


# §3.4


@statement("3.4", "MUST", "Port 5684 is not used for group communication")
def test_port_5684_is_not_used():
    wire = Wire()
    port = wire.port()
    try:
        Client(port.endpoint).send([].append, wire.now, n.GET, uri.parse("coap://224.0.1.187:5684/temp"))
    except ValueError:
        pass
    assert port.sent() == []
    proxy = Proxied()
    proxy.ask(group_request(b"coap://224.0.1.187:5684/temp"))
    assert proxy.up.sent() == []


not_claimed(
    "3.4", "SHOULD", "No two groups differ in their port only", "groups are named by the configuration of each node"
)


# §3.5


@statement("3.5", "MUST", "A proxy conforms to the congestion control of §3.6 when it sends to a group")
def test_proxy_limits_exchanges_and_rate():
    proxy = Proxied(nstart=1)
    proxy.asked()
    (sent,) = proxy.ask(group_request(), token=b"two")
    assert sent.code == n.SERVICE_UNAVAILABLE and proxy.up.sent() == []
    proxy = Proxied(probing_rate=1)
    proxy.asked()
    (sent,) = proxy.ask(group_request(), token=b"two")
    assert sent.code == n.SERVICE_UNAVAILABLE and proxy.up.sent() == []


@statement("3.5.1", "SHOULD", "A proxy forwards to groups only where that is explicitly enabled")
def test_proxy_forwards_to_enabled_groups_only():
    proxy = Proxied(allow=[(CLIENT[:4], (), True)])
    (sent,) = proxy.ask(group_request())
    assert sent.code == n.NOT_IMPLEMENTED and proxy.up.sent() == []


@statement("3.5.1", "SHOULD", "And only for clients that are configured, group by group")
def test_proxy_serves_configured_clients_only():
    proxy = Proxied(allow=[(CLIENT[:4], (GROUP,), True)])
    (sent,) = proxy.ask(group_request(), peer=STRANGER)
    assert sent.code == n.UNAUTHORIZED
    (sent,) = proxy.ask(group_request(b"coap://224.0.1.188/temp"))
    assert sent.code == n.UNAUTHORIZED and proxy.up.sent() == []
    proxy.asked()


def reverse_proxy():
    """One for whose clients all that it serves is the group."""
    return Proxies(mode="reverse", stands_in_for=[{"group": "224.0.1.187", "address": "192.0.2.1"}])


@statement("3.5.2", "MUST", "A new request with the token of an open exchange stops that exchange")
@statement("3.5.2", "MUST", "Such a request is not forwarded")
@statement("3.5.2", "MUST", "Such a request gets 4.00 (Bad Request)")
def test_token_of_an_open_exchange():
    proxy = Proxied()
    first = proxy.asked()
    (sent,) = proxy.ask(group_request())
    assert sent.code == n.BAD_REQUEST and proxy.up.sent() == []
    assert proxy.answer(first.token, 9) == []
    site = reverse_proxy()
    first = site.asked(timed(5))
    (sent,) = site.ask(timed(5))
    assert sent.peer == CLIENT and sent.code == n.BAD_REQUEST and b"token" in sent.payload
    assert site.answer(first, SERVER) == []


@statement("3.5.2", "SHOULD", "A reverse-proxy's diagnostic payload says that it is one, and the token not free yet")
def test_diagnostic_of_a_reverse_proxy():
    site = reverse_proxy()
    site.asked(timed(5))
    (sent,) = site.ask(timed(5))
    assert b"reverse-proxy" in sent.payload and b"token" in sent.payload


# §3.6


@statement("3.6", "SHOULD", "Requests to a group are sent conservatively: NSTART (1) at a time to one group")
def test_nstart_of_a_group():
    asking = Asking(GROUP_URI, timeout=5)
    asking.send(GROUP_URI)
    assert asking.port.sent() == []
    (second,) = asking.wait(6000)
    assert second.peer == GROUP and second.token != asking.request.token


@statement("3.6", "SHOULD", "Responses to a group are sent conservatively: within Leisure, one a period")
def test_one_response_a_period():
    site = Site()
    for i in range(3):
        site.ask(TEMP, n.NON, mid=i, group=1, token=bytes((i,)))
    assert [packet.at // LEISURE for packet in site.wait(3 * LEISURE)] == [0, 1, 2]


@statement("3.6", "TEXT", "Only resources meant for it answer group requests")
def test_resources_opt_in():
    site = Site()
    site.add("quiet", lambda request: b"x")
    assert site.ask_group([(n.URI_PATH, b"quiet")]) == []


@statement("3.6", "SHOULD", "Group requests are answered with small representations: at most one block each")
def test_group_answers_are_at_most_a_block():
    site = Site(block_size=64)
    (sent,) = site.ask_group(BIG)
    assert len(sent.payload) == 64


not_claimed(
    "3.6",
    "SHOULD",
    "The answer to a group request for /.well-known/core is kept short by a hierarchy of links",
    "which resources there are is the application's; a query filters them, and blocks bound each message",
)


@statement("3.6", "SHOULD", "A client that asks a group for /.well-known/core supports block-wise transfer")
def test_client_fetches_the_blocks_of_a_listing():
    asking = Asking("coap://224.0.1.187/.well-known/core")
    (fetch,) = asking.answer(n.NON, options=[(n.BLOCK2, b"\x08")], payload=b"x" * 16)
    assert fetch.peer == SERVER and fetch.option(n.BLOCK2) == b"\x10" and fetch.options[:2] == CORE
    asking.answer(to=fetch, options=[(n.BLOCK2, b"\x10")], payload=b"end")
    assert [response.payload for response in asking.responses] == [b"x" * 16 + b"end"]


not_claimed("3.6", "SHOULD", "A client uses groups of the smallest scope that will do", "the caller names the group")


@statement("3.6.1", "TEXT", "Leisure is computed as S * G / R, or 5 s")
def test_default_leisure():
    assert leisure(50, 100, 1000) == 5000 == DEFAULT_LEISURE


not_claimed(
    "3.6.1",
    "TEXT",
    "The default is 20 s or 13 s under Group OSCORE",
    "it is 5 s there, too: leisure_s says another, or group_size and group_rate",
)


# §3.7


@statement("3.7", "TEXT", "A group request with Observe registers at every member")
def test_observe_by_group():
    site = Site()
    (first,) = observe_by_group(site)
    assert first.option(n.OBSERVE) is not None and first.payload == b"21.5"
    (second,) = site.change(b"22")
    assert second.token == b"ob" and second.payload == b"22" and second.option(n.OBSERVE) is not None


@statement("3.7", "MUST", "A unicast request that follows up an observation by group has a Message ID of its own")
def test_registrations_have_their_own_message_ids():
    asking = observing()
    again = asking.wait(200000)
    mids = [asking.request.mid] + [packet.mid for packet in again]
    assert again and len(set(mids)) == len(mids)


@statement("3.7", "SHOULD", "A client is ready for a first notification long after its group request")
def test_late_first_notification():
    asking = Asking(GROUP_URI, observe=True)
    asking.wait(3600000)
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x05")], payload=b"late")
    assert [response.payload for response in asking.responses] == [b"late"]


@statement("3.7", "TEXT", "A request that is repeated for the observation keeps token and Observe value")
def test_registration_is_repeated_with_the_same_token():
    for again in observing().wait(200000):
        assert again.peer == GROUP and again.option(n.OBSERVE) == b""
    asking = observing()
    assert {packet.token for packet in asking.wait(200000)} == {asking.request.token}


@statement("3.7", "SHOULD", "It is repeated no sooner than after a round trip and the Leisure period")
def test_registration_is_not_repeated_soon():
    asking = Asking(GROUP_URI, observe=True)
    assert asking.wait(7000) == []
    asking = observing()
    assert asking.wait(60000) == []  # their Max-Age


@statement("3.7", "SHOULD", "A successful group request with Observe is answered, not suppressed")
@statement("3.7", "SHOULD", "So is one that adds an observer")
def test_observe_by_group_is_not_suppressed():
    site = Site()
    site.value = b""
    (sent,) = observe_by_group(site)
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is not None


@statement("3.7", "SHOULD", "The answer to it waits for its moment within Leisure")
def test_answer_to_observe_waits_for_leisure():
    site = Site()
    site.wire.dice = b"\x80"
    assert site.ask([(n.OBSERVE, b"")] + TEMP, n.NON, group=1) == []
    (sent,) = site.wait(LEISURE)
    assert sent.at == LEISURE * 0x8080 // 0x10000


@statement("3.7", "SHOULD", "So do its notifications, one a period of the group")
def test_notifications_wait_for_leisure():
    site = Site(observers=4)
    for i in range(3):
        observe_by_group(site, token=bytes((i,)))
    site.wait(10000)
    site.wire.dice = b"\x80"
    begin = site.wire.passed
    sent = site.change(b"22")
    assert [(packet.at - begin) // (LEISURE // 2) for packet in sent] == [1, 3, 5]


@statement("3.7", "MUST", "A server verifies that its observers are alive, by a Confirmable notification now and then")
def test_aliveness_is_verified():
    site = Site()
    observe_by_group(site)
    kinds = [packet.kind for i in range(30) for packet in site.change(b"%d" % i)]
    assert n.CON in kinds and n.NON in kinds
    for i in range(30):  # and who does not acknowledge is removed
        site.change(b"%d" % i, acknowledge=False)
    site.wait(120000)
    assert site.change(b"end") == []


@statement("3.7", "TEXT", "A group request with Observe 1 and the same token ends the observation")
def test_deregistration_by_group():
    site = Site()
    observe_by_group(site)
    observe_by_group(site, value=b"\1")
    assert site.change(b"22") == []
    asking = Asking(GROUP_URI, observe=True)
    asking.answer(n.NON, options=[(n.OBSERVE, b"\1")])
    asking.client.deregister(asking.handle, asking.wire.now)
    (sent,) = asking.port.sent()
    assert (sent.peer, sent.token, sent.option(n.OBSERVE)) == (GROUP, asking.request.token, b"\1")


@statement("3.7", "TEXT", "An observation by group can be ended at one server by unicast")
def test_deregistration_by_unicast():
    site = Site()
    observe_by_group(site)
    site.ask([(n.OBSERVE, b"\1")] + TEMP, token=b"ob")
    assert site.change(b"22") == []
    site = Site()
    observe_by_group(site)
    (sent,) = site.change(b"22")
    site.receive(datagram(n.RST, 0, sent.mid))
    assert site.change(b"23") == []


@statement("3.7", "TEXT", "Each server's notifications are ordered for themselves")
def test_order_by_server():
    asking = observing()
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x04")], payload=b"old", peer=SERVER2)
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x06")], payload=b"new", peer=SERVER2)
    asking.answer(n.NON, options=[(n.OBSERVE, b"\x06")], payload=b"new too", peer=SERVER)
    assert [response.payload for response in asking.responses] == [b"1", b"2", b"new", b"new too"]


# §3.8


@statement("3.8", "TEXT", "A client fetches further blocks of each server by unicast")
def test_blocks_are_fetched_by_unicast():
    asking = Asking(GROUP_URI)
    fetches = {}
    for peer in (SERVER, SERVER2):
        (fetch,) = asking.answer(n.NON, options=[(n.BLOCK2, b"\x08")], payload=b"a" * 16, peer=peer)
        fetches[peer] = fetch
    for peer, fetch in fetches.items():
        assert fetch.peer == peer and read_block(fetch, n.BLOCK2) == (1, False, 0)
        asking.answer(to=fetch, options=[(n.BLOCK2, b"\x10")], payload=peer[3:4], peer=peer)
    assert [response.payload for response in asking.responses] == [b"a" * 16 + b"\x05", b"a" * 16 + b"\x06"]


@statement("3.8", "SHOULD", "A server answers a group request for a large resource block-wise of its own accord")
def test_large_resource_is_answered_block_wise():
    (sent,) = Site().ask_group(BIG)
    num, more, szx = read_block(sent, n.BLOCK2)
    assert num == 0 and more and sent.payload == BODY[: 16 << szx]


@statement("3.8", "TEXT", "A group request with Block2 limits the first response")
def test_block2_in_a_group_request():
    (sent,) = Site().ask_group(BIG + [(n.BLOCK2, b"\x01")])
    assert read_block(sent, n.BLOCK2) == (0, True, 1) and sent.payload == BODY[:32]


@statement("3.8", "TEXT", "There is no Block1 to a group: a server ignores it, a client does not send it")
def test_no_block1_to_a_group():
    site = Site()
    assert site.ask_group(LOG + [(n.BLOCK1, b"\x08")], code=n.POST, payload=b"x" * 16) == [] and site.entries == []
    wire = Wire()
    port = wire.port()
    try:
        Client(port.endpoint).send([].append, wire.now, n.PUT, uri.parse(GROUP_URI), payload=bytes(5000))
    except ValueError:
        pass
    assert port.sent() == []


@statement("3.8", "MUST", "A server ignores a group request with Q-Block2 (RFC 9177)")
def test_q_block2_is_ignored():
    assert Site().ask_group(TEMP + [(Q_BLOCK2, b"\x01")]) == []


# §3.9, §3.10


not_claimed(
    "3.9.1",
    "SHOULD",
    "An IPv6 server is a member of All CoAP Nodes, link-local, admin-local and site-local",
    "a node is a member of the groups that its configuration names: ff02::fd, ff04::fd and ff05::fd can be among them",
)
not_claimed("3.9.1", "SHOULD", "A 6LoWPAN server supports realm-local scope too", "no board here has such a radio")
not_claimed("3.9.2", "SHOULD", "A request over 6LoWPAN fits a single frame", "no board here has such a radio")
not_claimed("3.10.1", "SHOULD", "Members subscribe by IGMPv3", "the platform's IP stack does, with the version it has")
