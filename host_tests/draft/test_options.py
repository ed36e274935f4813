"""draft-ietf-core-groupcomm-proxy-07 §2, §3: the options Multicast-Timeout and Reply-From."""

from conformance.site import TEMP, Asking
from conformance.site import Site as Server
from conformance.statements import Document
from draft.site import NEXT, R, Site, origin, sort, timed
from groupcoap import cri
from groupcoap import numbers as n
from oscore_ends import ends, open_request, open_response, packet, request, response, seal_request, seal_response
from wire import PROXY, REPLY_FROM, SERVER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

GROUP_URI = "coap://224.0.1.187/r"


def readable(value):
    """Can this value of Reply-From be made use of?"""
    try:
        cri.read_reply_from(value)
    except ValueError:
        return False
    return True


# §2


@statement("2", "TEXT", "Multicast-Timeout has number 2; it is elective: a server that does not know it goes on")
def test_multicast_timeout_is_elective():
    for kind in (n.CON, n.NON):
        assert Server().code(sort([(2, b"\x0a")] + TEMP), kind) == n.CONTENT


@statement("2", "TEXT", "It is unsafe to forward: a proxy does not pass it on to servers")
def test_multicast_timeout_is_unsafe():
    assert Site().asked().option(2) is None
    assert Site().asked(sort([(2, b"\x0a"), (n.PROXY_URI, b"coap://192.0.2.5/r")])).option(2) is None


@statement("2", "TEXT", "It is not repeatable: a second one is as an unsafe option that is unknown")
@statement("2", "TEXT", "Its value has 0 to 4 bytes; another is as an unsafe option that is unknown")
def test_multicast_timeout_once_and_up_to_4_bytes():
    for extra in ([(2, b"\x0a"), (2, b"\x0a")], [(2, b"\0\0\0\0\x0a")]):
        (sent,) = Site().ask(extra + [(n.PROXY_URI, GROUP_URI.encode())])
        assert sent.code == n.BAD_OPTION


@statement("2", "TEXT", "The value is an unsigned integer: seconds")
def test_multicast_timeout_is_in_seconds():
    for value, seconds in ((b"\x03", 3), (b"\0\0\x03", 3), (b"\x01\x04", 260)):
        site = Site(max_timeout_s=300)
        request = site.asked([(2, value), (n.PROXY_URI, GROUP_URI.encode())])
        site.wait(seconds * 1000 - 100)
        assert len(site.answer(request, SERVER)) == 1
        site.wait(100)
        assert site.answer(request, SERVER) == []


@statement("2", "TEXT", "A client has it in a group request that goes to a proxy, and in no other request")
def test_client_has_multicast_timeout_in_a_group_request_to_a_proxy():
    assert Asking(GROUP_URI, proxy=PROXY, timeout=60).request.option(2) == b"\x3c"
    assert Asking("coap://192.0.2.1/gp", reverse=True, timeout=60).request.option(2) == b"\x3c"
    assert Asking(GROUP_URI, timeout=60).request.option(2) is None
    assert Asking("coap://192.0.2.5/r", proxy=PROXY, timeout=60).request.option(2) is None


@statement("2", "TEXT", "Multicast-Timeout is of class U")
def test_multicast_timeout_is_outside_what_is_protected_end_to_end():
    client, server = ends()
    _, data = seal_request(client, request(sort([(2, b"\x0a"), *R])))
    outside = packet(data)
    assert [number for number, _ in outside.options] == [2, n.OSCORE]
    changed = request([(2, b"\x0b"), outside.options[1]], outside.code, outside.payload)  # by the proxy, unseen
    assert packet(open_request(server, changed)[1]).options == [(2, b"\x0b"), *R]


# §3


@statement("3", "TEXT", "Reply-From has number 248; it is elective: a client that does not know it goes on")
def test_reply_from_is_elective():
    asking = Asking(GROUP_URI)
    asking.answer(n.NON, options=[(248, b"?")])
    assert asking.responses[0].payload == b"21.5"


@statement("3", "TEXT", "It is safe to forward, and not repeatable: only the first of several counts")
def test_reply_from_is_safe():
    site = Site()
    sent = site.relayed(site.asked([(n.PROXY_URI, b"coap://192.0.2.5/r")]), SERVER, [(248, b"\x82\x20\x81\x44abcd")])
    assert sent.option(248) == b"\x82\x20\x81\x44abcd"
    asking = Asking(GROUP_URI, proxy=PROXY)
    asking.answer(n.NON, options=[(248, origin(SERVER)), (248, origin(NEXT))], peer=PROXY)
    assert asking.responses[0].origin == SERVER


@statement("3", "TEXT", "It stands in responses only: in a request to a server it has no effect")
def test_reply_from_in_a_request_has_no_effect():
    assert Server().code(sort([(248, origin(SERVER))] + TEMP)) == n.CONTENT


@statement("3", "MUST", "Its first CBOR array is a CRI with scheme and authority, without path, query and fragment")
def test_first_item_is_a_cri_with_scheme_and_authority():
    site = Site()
    assert site.relayed(site.asked(), SERVER).option(REPLY_FROM) == origin(SERVER)
    assert readable(origin(SERVER))
    for first in (
        b"\x82\xf6\x81\x44\xc0\x00\x02\x05",  # no scheme
        b"\x82\x20\xf6",  # no authority
        b"\x83\x20\x81\x44\xc0\x00\x02\x05\x81\x61r",  # a path
        b"\x84\x20\x81\x44\xc0\x00\x02\x05\x80\x81\x61q",  # a query
        b"",
    ):
        assert not readable(first), first


@statement("3", "TEXT", "A second CBOR array is a CRI reference without a scheme")
@statement("3", "TEXT", "It has an authority, a path or both")
@statement("3", "TEXT", "It has neither query nor fragment, and nothing follows it")
def test_second_item_is_a_cri_reference():
    one = origin(PROXY)
    host = b"\x81\x44\xc0\x00\x02\x05"
    for second in (b"\x82\xf6" + host, b"\x82\xf5\x81\x61r", b"\x83\xf6" + host + b"\x81\x61r"):
        assert readable(one + second), second
        assert not readable(one + second + b"\x80")
    for second in (
        origin(SERVER),
        b"\x81\xf6",
        b"\x84\xf6\x81\x44\xc0\x00\x02\x05\x80\x81\x61q",
        b"\x85\xf6\x81\x44\xc0\x00\x02\x05\x80\x80\x61f",
    ):
        assert not readable(one + second), second


@statement("3", "MUST", "Where the second has an authority, the first has no host name")
def test_host_name_in_the_first_excludes_an_authority_in_the_second():
    named = b"\x82\x20\x82\x61p\x67example"
    assert readable(named) and readable(named + b"\x82\xf5\x81\x61r")
    assert not readable(named + b"\x82\xf6\x81\x44\xc0\x00\x02\x05")
    site = Site(mode="reverse", stands_in_for=[{"group": "224.0.1.187", "host": "p.example", "servers": True}])
    request = site.asked(timed(60, [(n.URI_HOST, b"p.example")] + R))
    assert site.relayed(request, SERVER).option(REPLY_FROM)[:4] == b"\x82\x20\x81\x44"


@statement("3", "TEXT", "A client whose proxy gives a Reply-From that cannot be read takes the response nevertheless")
def test_unreadable_reply_from_does_not_stop_the_exchange():
    asking = Asking(GROUP_URI, proxy=PROXY)
    asking.answer(n.NON, options=[(REPLY_FROM, b"\x80\x80\x80\x80\x80")], peer=PROXY)
    asking.answer(n.NON, options=[(REPLY_FROM, origin(SERVER))], peer=PROXY)
    assert [response.origin for response in asking.responses] == [None, SERVER]


@statement("3", "TEXT", "Reply-From is of class U")
def test_reply_from_is_outside_what_is_protected_end_to_end():
    client, server = ends()
    exchange, data = seal_request(client, request(R))
    at_server, _ = open_request(server, data)
    outside = packet(seal_response(at_server, response([(REPLY_FROM, b"of the server")])))
    assert (REPLY_FROM, b"of the server") in outside.options
    relayed = response([(n.OSCORE, outside.option(n.OSCORE)), (REPLY_FROM, origin(SERVER))], payload=outside.payload)
    found = packet(open_response(exchange, relayed))
    assert found.option(REPLY_FROM) == origin(SERVER) and found.payload == b"21.5"
