"""RFC 7252 §5.1 to §5.3, §5.8 and §5.9: requests and responses, methods and response codes."""

from conformance.site import LOG, PROXY_TARGET, R, Asking, Site, SlowSite, block, raising, serving, slow_proxy, uint
from conformance.statements import Document
from groupcoap import errors
from groupcoap import numbers as n
from groupcoap.server import Response
from wire import CLIENT, SERVER, SERVER2, datagram

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement


# §5.1, §5.2


@statement("5.1", "MUST", "GET does nothing but retrieve")
def test_get_changes_nothing():
    site = Site()
    assert site.answer(payload=b"99").payload == site.answer().payload == b"21.5"


@statement("5.1", "MUST", "GET, PUT and DELETE are idempotent")
def test_put_is_idempotent():
    site = Site()
    for _ in range(2):
        assert site.code(code=n.PUT, payload=b"22") == n.CHANGED and site.value == b"22"


@statement("5.2.1", "MUST", "A client takes a piggybacked response")
def test_piggybacked_response():
    asking = Asking()
    assert asking.answer(n.ACK) == [] and asking.responses[0].payload == b"21.5"


@statement("5.2.1", "MUST", "A client takes a separate response")
def test_separate_response():
    asking = Asking()
    asking.acknowledge()
    asking.wait(30000)
    asking.answer(n.CON)
    assert asking.responses[0].payload == b"21.5"


@statement("5.2.2", "MUST", "After an Empty Acknowledgement the response is not sent in another one")
def test_no_piggybacked_response_after_an_empty_ack():
    proxy, forwarded = slow_proxy()
    (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
    assert response.kind == n.CON and response.token == b"tok" and response.mid != 7


@statement("5.2.2", "MUST", "A repeated request then gets another Empty Acknowledgement, its response stays separate")
def test_repeated_request_gets_another_empty_ack():
    proxy, forwarded = slow_proxy()
    for _ in range(2):
        (again,) = proxy.ask(PROXY_TARGET, kind=n.CON, mid=7)
        assert again.is_empty(n.ACK, 7)
    (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
    assert response.kind == n.CON


@statement("5.2.2", "MUST", "Nor does a repeated request get a piggybacked response once its separate one is through")
def test_no_piggybacked_response_after_the_separate_one():
    proxy, forwarded = slow_proxy()
    (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
    proxy.down.deliver(datagram(n.ACK, 0, response.mid), CLIENT)
    sent = proxy.ask(PROXY_TARGET, kind=n.CON, mid=7)
    for again in proxy.up.sent():
        sent += proxy.answer(again.token, again.mid, kind=n.ACK)
    assert sent and not [packet for packet in sent if packet.kind == n.ACK and packet.code]


@statement("5.2.2", "MUST", "All this holds for a resource that takes its time, too, whatever the method")
def test_separate_response_of_an_async_resource():
    for code in (n.GET, n.POST):
        site = SlowSite()
        assert site.ask(R, code=code, mid=7) == []
        (ack,) = site.wait(1900)
        (again,) = site.ask(R, code=code, mid=7)
        assert ack.is_empty(n.ACK, 7) and again.is_empty(n.ACK, 7) and len(site.runs) == 1
        (response,) = site.end()
        assert (response.kind, response.token, response.payload) == (n.CON, b"tk", b"late")
        site.receive(datagram(n.ACK, 0, response.mid))
        sent = site.ask(R, code=code, mid=7)
        while site.runs:
            sent += site.end()
        assert sent and not [packet for packet in sent if packet.kind == n.ACK and packet.code]


@statement("5.2.2", "MUST", "The client's Acknowledgement of a separate response is Empty")
def test_ack_of_a_separate_response_is_empty():
    asking = Asking()
    asking.acknowledge()
    (sent,) = asking.answer(n.CON, mid=0x4321)
    assert sent.is_empty(n.ACK, 0x4321)


@statement("5.2.2", "MUST", "A matching Acknowledgement, whatever is in it, ends retransmission of a response")
@statement("5.2.2", "MUST", "A matching Reset ends retransmission of a response")
def test_ack_or_reset_ends_retransmission_of_the_response():
    for data in (
        lambda mid: datagram(n.ACK, 0, mid),
        lambda mid: datagram(n.ACK, n.CONTENT, mid, b"tok", [], b"x"),
        lambda mid: datagram(n.ACK, n.NOT_FOUND, mid, b"other"),
        lambda mid: datagram(n.RST, 0, mid),
    ):
        proxy, forwarded = slow_proxy()
        (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
        proxy.down.deliver(data(response.mid), CLIENT)
        proxy.wire.advance(60000)
        assert proxy.down.sent() == []


@statement("5.2.2", "TEXT", "A separate Confirmable response is repeated until it is acknowledged")
def test_separate_response_is_repeated():
    proxy, forwarded = slow_proxy()
    (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
    proxy.wire.advance(120000)
    assert [packet.raw for packet in proxy.down.sent()] == [response.raw] * 4


@statement("5.2.3", "SHOULD", "A Non-confirmable request has a Non-confirmable response")
def test_non_request_has_a_non_response():
    assert Site().answer(kind=n.NON).kind == n.NON


@statement("5.2.3", "MUST", "A Non-confirmable response to a Confirmable request is taken, before its ACK or after")
def test_non_response_to_a_con_request():
    early, late = Asking(), Asking()
    early.answer(n.NON)
    assert len(early.responses) == 1 and early.acknowledge() == []
    late.acknowledge()
    late.answer(n.NON)
    assert len(late.responses) == 1


@statement("5.2.3", "MUST", "A Confirmable response to a Non-confirmable request is taken")
def test_con_response_to_a_non_request():
    asking = Asking(confirmable=False)
    (sent,) = asking.answer(n.CON, mid=9)
    assert sent.is_empty(n.ACK, 9) and len(asking.responses) == 1


# §5.3


@statement("5.3.1", "MUST", "The token of a request is echoed in every response")
@statement("5.3.1", "MUST", "A token is opaque")
def test_token_is_echoed():
    site = Site()
    for token in (b"", b"\0", b"\xff", bytes(8), b"\xff" * 8, b"12345678"):
        for kind in (n.CON, n.NON):
            assert site.answer(token=token, kind=kind).token == token
            assert site.answer(R, token=token, kind=kind).token == token  # 4.04
            assert site.answer(code=31, token=token, kind=kind).token == token  # 4.05


@statement("5.3.1", "SHOULD", "Tokens in use with an endpoint are unique")
def test_tokens_in_use_are_unique():
    asking = Asking(confirmable=False)
    tokens = {asking.request.token}
    for i in range(15):
        asking.send("coap://192.0.2.%d/temp" % (20 + i), confirmable=False)
        tokens.update(packet.token for packet in asking.port.sent())
    assert len(tokens) == 16


@statement("5.3.1", "SHOULD", "Tokens are not trivial, and random")
@statement("5.3.1", "SHOULD", "Tokens have at least 32 bits of randomness")
def test_tokens_are_random():
    low, high = Asking(), Asking()
    low.wire.dice, high.wire.dice = b"\0", b"\xff"
    tokens = []
    for asking in (low, high):
        asking.answer()
        asking.send()
        tokens.append(asking.port.sent()[0].token)
    differing = sum(bin(a ^ b).count("1") for a, b in zip(*tokens))
    assert differing >= 32


@statement("5.3.2", "MUST", "A response comes from the endpoint that the request went to")
def test_response_from_elsewhere_does_not_match():
    asking = Asking()
    for peer in (SERVER2, SERVER[:4] + b"\0\1"):
        asking.answer(n.NON, peer=peer)
        asking.answer(n.ACK, peer=peer)
    assert asking.items == []


@statement("5.3.2", "MUST", "A piggybacked response has the Message ID and the token of its request")
def test_piggybacked_response_matches_by_message_id_and_token():
    asking = Asking()
    asking.answer(n.ACK, mid=asking.request.mid ^ 1)
    assert asking.items == []
    asking.answer(n.ACK, token=b"12345678")
    assert asking.responses == []


@statement("5.3.2", "MUST", "A separate response has the token of its request")
def test_separate_response_matches_by_token():
    asking = Asking()
    asking.acknowledge()
    wrong = bytearray(asking.request.token)
    wrong[-1] ^= 1
    for token in (bytes(wrong), b"", asking.request.token[:-1]):
        (sent,) = asking.answer(n.CON, token=token, mid=len(token))
        assert sent.is_empty(n.RST, len(token))
    assert asking.responses == []
    asking.answer(n.CON, mid=99)
    assert len(asking.responses) == 1


# §5.8


@statement("5.8", "MUST", "An unrecognised or unsupported method gives a piggybacked 4.05 (Method Not Allowed)")
def test_method_not_allowed():
    site = Site()
    for code in [n.POST, n.DELETE, n.FETCH, n.PATCH, n.IPATCH] + list(range(8, 32)):
        sent = site.answer(code=code)
        assert (sent.kind, sent.code) == (n.ACK, n.METHOD_NOT_ALLOWED), code


@statement("5.8.1", "SHOULD", "A GET that succeeds gives 2.05 (Content) or 2.03 (Valid)")
def test_get_gives_content():
    assert Site().code() == n.CONTENT


@statement("5.8.2", "SHOULD", "A POST that creates gives 2.01 (Created), and says where in Location-* options")
def test_post_that_creates():
    site = serving(lambda request: Response(code=n.CREATED, location_path="log/1", location_query=["a"]), "POST")
    sent = site.answer(R, code=n.POST)
    assert sent.code == n.CREATED
    assert sent.options == [(n.LOCATION_PATH, b"log"), (n.LOCATION_PATH, b"1"), (n.LOCATION_QUERY, b"a")]


@statement("5.8.2", "SHOULD", "A POST that creates nothing gives 2.04 (Changed)")
def test_post_that_changes():
    assert Site().code(LOG, code=n.POST) == n.CHANGED


@statement("5.8.2", "SHOULD", "A POST that deletes gives 2.02 (Deleted)")
def test_post_that_deletes():
    assert serving(lambda request: n.DELETED, "POST").code(R, code=n.POST) == n.DELETED


@statement("5.8.3", "SHOULD", "A PUT on what there is gives 2.04 (Changed)")
def test_put_that_changes():
    site = Site()
    assert site.code(code=n.PUT, payload=b"22") == n.CHANGED and site.answer().payload == b"22"


@statement("5.8.3", "TEXT", "A PUT that creates gives 2.01 (Created)")
def test_put_that_creates():
    assert serving(lambda request: n.CREATED, "PUT").code(R, code=n.PUT, payload=b"1") == n.CREATED


@statement("5.8.3", "SHOULD", "A PUT that cannot be done gives an error")
def test_put_that_fails():
    site = serving(raising(errors.Forbidden()), "PUT")
    assert site.code(R, code=n.PUT, payload=b"1") == n.FORBIDDEN
    assert serving(lambda request: 1 // 0, "PUT").code(R, code=n.PUT) == n.INTERNAL_SERVER_ERROR


@statement("5.8.4", "SHOULD", "A DELETE that succeeds gives 2.02 (Deleted)")
def test_delete():
    assert serving(lambda request: None, "DELETE").code(R, code=n.DELETE) == n.DELETED


# §5.9


@statement("5.9.1.3", "MUST", "2.03 (Valid) has an ETag and no payload")
@statement("5.8.1", "TEXT", "A GET with an ETag that still holds gives 2.03 (Valid)")
def test_valid():
    site = serving(lambda request: Response(b"body", etag=b"v1"))
    sent = site.answer([(n.ETAG, b"v0"), (n.ETAG, b"v1")] + R)
    assert (sent.code, sent.option(n.ETAG), sent.payload) == (n.VALID, b"v1", b"")
    sent = site.answer([(n.ETAG, b"v0")] + R)
    assert (sent.code, sent.option(n.ETAG), sent.payload) == (n.CONTENT, b"v1", b"body")


@statement("5.9.2.2", "SHOULD", "A client does not repeat a request after 4.01 (Unauthorized) as it is")
@statement("5.9.2.3", "SHOULD", "A client does not repeat a request after 4.02 (Bad Option) as it is")
def test_errors_are_not_repeated():
    for code in (n.UNAUTHORIZED, n.BAD_OPTION):
        asking = Asking()
        asking.answer(code=code)
        assert asking.wait(120000) == [] and asking.responses[0].code == code


@statement("5.9.2.9", "SHOULD", "4.13 (Request Entity Too Large) says in Size1 what would be taken")
def test_too_large_says_size1():
    site = Site()
    sent = site.answer(
        [(n.URI_PATH, b"big"), block(n.BLOCK1, 0, True, 2), (n.SIZE1, b"\xff\xff\xff\xff")],
        code=n.PUT, payload=bytes(64),
    )  # fmt: skip
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and 64 <= uint(sent.option(n.SIZE1)) < 0xFFFFFFFF


@statement("5.9", "TEXT", "A response code that is not recognised is taken as the generic one of its class")
def test_unknown_response_code_is_delivered():
    for code in (0x5E, 0x9E, 0xBE):
        asking = Asking()
        asking.answer(code=code)
        assert asking.responses[0].code >> 5 == code >> 5
