"""draft-ietf-core-groupcomm-proxy-07 §4, §5.2 to §5.4: what the proxy does, and the server behind it."""

from conformance.site import LEISURE
from conformance.site import Site as Server
from conformance.statements import Document
from draft.secured import ALICE, HALL, KITCHEN, Secured, answer_group, ask_group, flipped, opened, read
from draft.site import (
    CACHING,
    R,
    Site,
    acknowledgements,
    codes,
    grouped,
    line,
    origin,
    origins,
    outside,
    single,
    timed,
)
from group_ends import group_of
from groupcoap import numbers as n
from groupcoap import uri
from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, OTHER, PROXY, REPLY_FROM, SERVER, SERVER2, STRANGER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

ELSEWHERE = uri.pack(SERVER[:4], 61616)

# §4


@statement("4", "TEXT", "REQ1: an allow-list says for which clients group requests are proxied")
@statement("4", "MUST", "REQ2: the client that sends a group request is identified: by its address")
def test_client_is_identified():
    for client, passes in ((CLIENT, True), (uri.pack(CLIENT[:4], 40001), True), (STRANGER, False)):
        (sent,) = Site().ask(grouped(), client=client)
        assert (sent.peer == GROUP) == passes


@statement("4", "MUST", "REQ2, for more than tests and closed networks: by a security association")
def test_client_is_identified_by_its_security_context():
    for client in (CLIENT, STRANGER):  # wherever it is
        _, sent = Secured().ask_sealed(client=client)
        assert [packet.peer for packet in sent] == [GROUP]
    everywhere = [{"client": "192.0.2.9", "groups": ["224.0.1.187"]}]
    for site in (Secured(), Secured(allow=everywhere)):  # an address alone is nobody's
        assert codes(site.ask(grouped())) == [n.UNAUTHORIZED]
    exchange, sent = Secured(allow=everywhere).ask_sealed()
    assert opened(exchange, sent[0]).code == n.UNAUTHORIZED


@statement("4", "MUST", "REQ3: where end-to-end security is required, it is that of Group OSCORE")
@statement("5.3.1", "TEXT", "Under end-to-end security it does so by Group OSCORE")
def test_group_oscore_goes_through():
    site = Secured()
    exchange, asked = ask_group(group_of(ALICE))
    hop, (request,) = site.ask_sealed(**asked)
    for server, member, name in ((SERVER, KITCHEN, "kitchen"), (SERVER2, HALL, "hall")):
        (sent,) = site.answer(request, server, **answer_group(group_of(member), request))
        relayed = opened(hop, sent)
        assert relayed.option(REPLY_FROM) == origin(server) and b"21.5" not in relayed.raw
        who, found = read(exchange, relayed)
        assert (who, found.payload) == (name, b"21.5")


# §5.2.1


@statement("5.2.1", "MUST", "A group request of a client that is not allow-listed for it is not processed")
@statement("5.2.1", "MUST", "It gets 4.01 (Unauthorized)")
@statement("5.2.1", "TEXT", "What is verified is that this very group is allowed to this client")
def test_who_is_not_allowed_gets_unauthorized():
    other = b"coap://224.0.1.188/r"
    for client, options in ((STRANGER, grouped()), (STRANGER, grouped(None)), (CLIENT, grouped(target=other))):
        for kind in (n.CON, n.NON):
            (sent,) = Site().ask(options, kind, client=client)
            assert (sent.peer, sent.code) == (client, n.UNAUTHORIZED)


@statement("5.2.1", "TEXT", "Requests are verified, and responses protected, by the security association")
def test_requests_are_verified_and_responses_protected():
    site = Secured()
    exchange, data = site.sealed()
    for changed in flipped(data):
        assert all(packet.peer == CLIENT and packet.code >= n.BAD_REQUEST for packet in site.deliver(changed))
    (request,) = site.deliver(data)
    (sent,) = site.answer(request, SERVER)
    assert sent.code == n.CHANGED and b"21.5" not in sent.raw and opened(exchange, sent).payload == b"21.5"
    exchange, (sent,) = site.ask_sealed(grouped(None), token=b"own")  # its own errors, too
    assert sent.code == n.CHANGED and opened(exchange, sent).options == [(MULTICAST_TIMEOUT, b"")]


@statement("5.2.1", "MUST", "A group request without Multicast-Timeout is not processed")
@statement("5.2.1", "MUST", "It gets 4.00 (Bad Request)")
@statement("5.2.1", "MUST", "That response has a Multicast-Timeout")
@statement("5.2.1", "MUST", "Whose value is 0: empty")
@statement("5.2.1", "TEXT", "And a diagnostic payload")
def test_request_without_timeout_is_refused():
    for kind, answer in ((n.CON, n.ACK), (n.NON, n.NON)):
        (sent,) = Site().ask(grouped(None), kind)
        assert (sent.peer, sent.kind, sent.code, sent.token) == (CLIENT, answer, n.BAD_REQUEST, b"tok")
        assert sent.options == [(MULTICAST_TIMEOUT, b"")] and b"Multicast-Timeout" in sent.payload


@statement("5.2.1", "TEXT", "Multicast-Timeout is removed from the request that goes to the group")
@statement("5.2.1", "TEXT", "The request goes to the group URI by multicast, Non-confirmable, under a token of its own")
def test_request_goes_to_the_group():
    site = Site()
    target = b"coap://224.0.1.187:61616/a/b?q"
    site = Site(allow=[{"client": "192.0.2.9", "groups": ["224.0.1.187:61616"]}])
    ack, sent = site.ask(grouped(target=target), n.CON, n.FETCH, payload=b"body")
    assert ack.kind == n.ACK and not ack.code
    expected = outside(PROXY), uri.pack(GROUP[:4], 61616), n.NON, n.FETCH
    assert line(sent)[:4] == expected and sent.payload == b"body" and sent.token != b"tok"
    assert sent.options == [(n.URI_PATH, b"a"), (n.URI_PATH, b"b"), (n.URI_QUERY, b"q")]


@statement("5.2.1", "TEXT", "Each way to name the group URI leads to the same group request")
def test_ways_to_name_the_group():
    parts = [(n.URI_HOST, b"224.0.1.187"), (n.URI_PATH, b"r")]
    for options in (
        [(n.PROXY_URI, b"coap://224.0.1.187/r")],
        parts + [(n.PROXY_SCHEME, b"coap")],
        [(n.PROXY_CRI, b"\x83\x20\x81\x44\xe0\x00\x01\xbb\x81\x61r")],
        parts + [(n.PROXY_SCHEME_NUMBER, b"")],
    ):
        sent = Site().asked(timed(60, options))
        assert sent.peer == GROUP and sent.options == R
    parts[1] = n.URI_PATH_ABBREV, b"\x01"
    sent = Site().asked(timed(60, parts + [(n.PROXY_SCHEME, b"coap")]))
    assert sent.peer == GROUP and sent.options == [(n.URI_PATH_ABBREV, b"\x01")]


@statement("5.2.1", "TEXT", "With T' > 0, responses that come later than T' are ignored")
def test_late_responses_are_ignored():
    site = Site()
    request = site.asked(grouped(5))
    site.wait(4950)
    assert origins(site.answer(request, SERVER)) == [origin(SERVER)]
    site.wait(50)
    assert site.answer(request, SERVER2) == []


@statement("5.2.1", "TEXT", "With T' = 0, all responses are ignored")
def test_no_responses_with_zero_timeout():
    for settings in ({}, {"group_copies": 3}):
        site = Site(**settings)
        request = site.asked(grouped(0))
        assert request.peer == GROUP and request.options == R
        assert site.answer(request, SERVER) == []
        assert {packet.peer for packet in site.wait(10000)} <= {GROUP} and site.free() == 8


@statement("5.2.1", "TEXT", "A greater T' than the configuration allows is lowered to that")
def test_greatest_timeout():
    site = Site(max_timeout_s=5)
    request = site.asked(grouped(3600))
    site.wait(5000)
    assert site.answer(request, SERVER) == [] and site.free() == 8


# §5.2.3


@statement("5.2.3", "TEXT", "A Reset of a relayed response stops the forwarding")
@statement("5.2.3", "TEXT", "So does an Early Stop Request with the request's Token, which gets an ACK at most")
@statement("5.2.3", "MUST", "Responses that come after that are not forwarded")
@statement("5.2.3", "TEXT", "The proxy's own Token is free then")
def test_early_stop():
    for way in ("reset", n.CON, n.NON):
        site = Site()
        request = site.asked()
        relayed = site.relayed(request, SERVER)
        assert site.free() == 7
        if way == "reset":
            assert site.empty(n.RST, relayed) == []
        else:
            sent = site.stop(way)
            assert len(sent) == len(acknowledgements(sent)) == (way == n.CON)
        assert site.free() == 8
        assert site.answer(request, SERVER2) == [] and site.answer(request, SERVER) == []


@statement("5.2.3", "TEXT", "An Early Stop Request stops what has its Token and its sender, and nothing else")
def test_early_stop_of_others():
    site = Site()
    first = site.asked()
    second = site.asked(token=b"two")
    third = site.asked(client=OTHER)
    site.stop(token=b"two")
    assert site.answer(second, SERVER) == []
    assert len(site.answer(first, SERVER)) == len(site.answer(third, SERVER)) == 1


@statement("5.2.3", "TEXT", "One that comes when all is over gets its ACK and nothing else")
def test_early_stop_of_what_is_over():
    site = Site()
    site.asked(grouped(1))
    site.wait(2000)
    sent = site.stop(n.CON)
    assert len(sent) == len(acknowledgements(sent)) == 1


# §5.3


@statement("5.3.1", "TEXT", "The server processes request and response as those of any group: see conformance.md")
def test_server_answers_what_the_proxy_sends():
    request = Site().asked(grouped(target=b"coap://224.0.1.187/temp"))
    server = Server()
    assert server.receive(request.raw, request.src, group=1) == []
    (response,) = server.wait(2 * LEISURE)
    assert (response.peer, response.token, response.payload) == (request.src, request.token, b"21.5")


@statement("5.3.2", "TEXT", "It takes on the proxy as an observer as it does any client")
def test_server_is_observed_by_the_proxy():
    request = Site().asked(grouped(target=b"coap://224.0.1.187/temp", more=[(n.OBSERVE, b"")]))
    server = Server()
    server.receive(request.raw, request.src, group=1)
    (response,) = server.wait(2 * LEISURE)
    assert response.option(n.OBSERVE) is not None
    assert {packet.token for packet in server.change(b"22")} == {request.token}


# §5.4.1


@statement("5.4.1", "MUST", "A response to a group request is relayed with Reply-From")
@statement("5.4.1", "TEXT", "The CRI in it names the server by the address and port that the response came from")
@statement("5.4.1", "MUST", "It has no second element")
def test_reply_from_names_the_server():
    site = Site()
    request = site.asked()
    for server, value in (
        (SERVER, b"\x82\x20\x81\x44\xc0\x00\x02\x05"),
        (ELSEWHERE, b"\x82\x20\x82\x44\xc0\x00\x02\x05\x19\xf0\xb0"),
    ):
        for code in (n.CONTENT, n.NOT_FOUND, n.INTERNAL_SERVER_ERROR):
            sent = site.relayed(request, server, code=code, options=[(n.ETAG, b"e")])
            assert (sent.peer, sent.kind, sent.code, sent.token) == (CLIENT, n.NON, code, b"tok")
            assert sent.options == [(n.ETAG, b"e"), (REPLY_FROM, value)] and sent.payload == b"21.5"


@statement("5.4.1", "TEXT", "A Reply-From that a server has put in itself is replaced")
def test_reply_from_of_a_server_is_replaced():
    site = Site()
    assert site.relayed(site.asked(), SERVER, [(REPLY_FROM, origin(SERVER2))]).option(REPLY_FROM) == origin(SERVER)


@statement("5.4.1", "MUST", "Reply-From is in the response before it is cached")
def test_response_out_of_the_cache_has_reply_from():
    site = Site(**CACHING)
    request = site.asked()
    for server in (SERVER, SERVER2):
        site.answer(request, server)
    assert origins(site.ask(grouped(), client=OTHER)) == [origin(SERVER), origin(SERVER2)]


@statement("5.4.1", "MUST", "Several responses of one server are all relayed, as they come")
def test_several_responses_of_one_server():
    site = Site()
    request = site.asked()
    for payload in (b"1", b"1", b"2"):
        sent = site.relayed(request, SERVER, payload=payload)
        assert sent.payload == payload and sent.option(REPLY_FROM) == origin(SERVER)


@statement("5.4.1", "TEXT", "T' seconds after the group request the proxy's Token is free")
def test_token_is_free_after_the_timeout():
    site = Site()
    request = site.asked(grouped(5))
    site.answer(request, SERVER)
    site.wait(4950)
    assert site.free() == 7
    site.wait(50)
    assert site.free() == 8


@statement("5.4.1", "TEXT", "A forged response, whose token is not that of an open exchange, is dropped")
def test_forged_response_is_dropped():
    site = Site()
    request = site.asked()
    for i in range(len(request.token)):
        forged = bytearray(request.token)
        forged[i] ^= 1
        assert site.send(SERVER, request.src, n.NON, n.CONTENT, token=bytes(forged)) == []


# Requests for a single server (§5.5.1)


@statement("5.5.1", "TEXT", "An individual request to an origin server is proxied as RFC 7252 §5.7.2 has it")
def test_individual_request():
    site = Site()
    request = site.asked(single(b"coap://192.0.2.5/r1"), kind=n.CON)
    assert line(request)[:4] == (outside(PROXY), SERVER, n.CON, n.GET) and request.options == [(n.URI_PATH, b"r1")]
    sent = site.relayed(request, SERVER, kind=n.ACK)
    assert line(sent) == (PROXY, CLIENT, n.ACK, n.CONTENT, b"tok", [], b"21.5")
