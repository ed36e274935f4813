"""RFC 7252 §6 (URIs), §7 (discovery) and §8 (multicast)."""

from conformance.site import CORE, LEISURE, LOG, RESERVED, TEMP, Asking, Site
from conformance.statements import Document
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import Client
from groupcoap.parameters import leisure
from wire import (
    CLIENT,
    GROUP,
    OTHER,
    PROXY,
    SERVER,
    SERVER2,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
    Proxied,
    Wire,
    datagram,
)

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

GROUP_URI = "coap://224.0.1.187/temp"


def refused(text):
    try:
        uri.parse(text)
    except ValueError:
        return True
    return False


def options_of(text):
    """What a client sends for this URI: the options, and where to."""
    request = Asking(text).request
    return request.options, request.peer


# §6


@statement("6.1", "MUST", "A coap URI without an authority or with an empty host is invalid")
def test_uri_without_a_host_is_invalid():
    for text in ("coap:///x", "coap:/x", "coap:x", "coap://:5683/x", "coap://"):
        assert refused(text), text
        proxy = Proxied()
        (sent,) = proxy.ask([(n.PROXY_URI, text.encode())])
        assert sent.code >> 5 in (4, 5) and proxy.up.sent() == [], text


@statement("6.1", "TEXT", "The default port is 5683")
def test_default_port():
    assert options_of("coap://192.0.2.5/")[1] == options_of("coap://192.0.2.5:/")[1] == SERVER


@statement("6.2", "MUST", "Datagrams for a coaps URI are secured by DTLS: none goes out in the clear")
def test_coaps_is_never_sent_in_the_clear():
    wire = Wire()
    port = wire.port()
    try:
        Client(port.endpoint).send([].append, wire.now, n.GET, uri.parse("coaps://192.0.2.5/x"))
    except ValueError:
        pass
    assert port.sent() == []
    proxy = Proxied()
    proxy.ask([(n.PROXY_URI, b"coaps://192.0.2.5/x")])
    assert proxy.up.sent() == []


@statement("6.3", "TEXT", "Scheme and host are compared without regard to case; an absent path is /")
def test_uris_are_normalised():
    assert str(uri.parse("COAP://Example.COM/~sensors")) == str(uri.parse("coap://EXAMPLE.com:/%7Esensors"))
    assert str(uri.parse("coap://example.com")) == str(uri.parse("coap://example.com/"))


@statement("6.4", "TEXT", "A URI that is relative, has no coap scheme or has a fragment gives no options")
def test_uri_that_cannot_be_decomposed():
    assert refused("/temp") and refused("//192.0.2.5/temp") and refused("coap://192.0.2.5/temp#x")


@statement("6.4", "TEXT", "An IP address as host gives no Uri-Host, a name gives one, in lower case and decoded")
def test_uri_host():
    for text in ("coap://192.0.2.5/", "coap://[2001:db8::5]/"):
        assert options_of(text)[0] == []
    named = uri.parse("coap://S%C3%A9n.Example/")
    named.address = SERVER  # as whoever resolves it sets it
    request = Asking(named).request
    assert (request.peer, request.options) == (SERVER, [(n.URI_HOST, "sén.example".encode())])
    proxy = Proxied(resolve=lambda name: SERVER[:4])
    forwarded = proxy.asked([(n.PROXY_URI, b"coap://S%C3%A9n.Example/")])
    assert forwarded.option(n.URI_HOST) == "sén.example".encode()


@statement("6.4", "TEXT", "Path and query are cut at / and &, then percent-decoded; an absent path gives no Uri-Path")
def test_path_and_query():
    assert options_of("coap://192.0.2.5/a%2Fb//c/?d%26e&f=%3D&")[0] == [
        (n.URI_PATH, b"a/b"), (n.URI_PATH, b""), (n.URI_PATH, b"c"), (n.URI_PATH, b""),
        (n.URI_QUERY, b"d&e"), (n.URI_QUERY, b"f=="), (n.URI_QUERY, b""),
    ]  # fmt: skip
    assert options_of("coap://192.0.2.5")[0] == options_of("coap://192.0.2.5/")[0] == []


@statement("6.5", "MUST", "Percent-encoding in a composed URI uses upper-case digits")
def test_percent_encoding_is_upper_case():
    request = Asking("coap://192.0.2.5/%c3%a9?%2f%26", proxy=PROXY).request
    assert request.option(n.PROXY_URI) == b"coap://192.0.2.5/%C3%A9?/%26"


@statement("6.5", "TEXT", "A composed URI means the same options again")
def test_composed_uri_means_the_same():
    for text in ("coap://192.0.2.5/a%2Fb//c%3F/?d%26e&f", "coap://[2001:db8::1]:61616/", "coap://192.0.2.5/"):
        one = uri.parse(text)
        two = uri.parse(str(one))
        assert (one.address, one.path, one.query) == (two.address, two.path, two.query)


# §7


@statement("7.1", "MUST", "A server that offers resources for discovery listens on the default port, 5683")
@statement("7.1", "SHOULD", "Its other resources are there too")
def test_default_port_of_a_node(node):
    server = node({"role": "server"})
    assert server.port == 5683


@statement("7.2", "SHOULD", "Resources are discovered in the CoRE Link Format, at /.well-known/core")
def test_link_format():
    sent = Site().answer(CORE)
    assert (sent.code, sent.option(n.CONTENT_FORMAT)) == (n.CONTENT, b"\x28") and b"</temp>" in sent.payload


@statement("7.2.1", "MUST", "ct is a decimal integer from 0 to 65535")
def test_ct():
    site = Site()
    site.add("c", lambda request: b"", content_format=65535)
    links = site.answer(CORE).payload.split(b",")
    assert [link for link in links if link.startswith(b"</c>")][0].endswith(b";ct=65535")
    assert [link for link in links if link.startswith(b"</temp>")][0].find(b";ct=0") > 0


# §8


@statement("8", "MUST", "Any multicast request may come: what is not for this node is ignored")
def test_any_multicast_request_may_come():
    site = Site()
    for options in ([(n.URI_PATH, b"nowhere")], [], [(n.PROXY_URI, b"coap://192.0.2.5/")], [(9, b"")]):
        assert site.ask_group(options) == []
    assert site.code() == n.CONTENT


@statement("8.1", "MUST", "A multicast request is Non-confirmable")
def test_multicast_request_is_non_confirmable():
    request = Asking(GROUP_URI, confirmable=True).request
    assert request.kind == n.NON and request.peer == GROUP


@statement("8.1", "SHOULD", "A server knows that a request came by multicast")
def test_multicast_is_known():
    site = Site()
    assert site.ask(TEMP, n.NON, group=1) == []  # waits for its moment
    assert len(site.wait(LEISURE)) == 1


@statement("8.1", "MUST", "No Reset is sent for a Non-confirmable message that came by multicast")
def test_no_reset_to_multicast():
    site = Site()
    for kind in (n.NON, n.CON):
        for data in [
            datagram(kind, 0, 1),
            datagram(kind, n.GET, 2, b"t", TEMP) + b"\xff",
            datagram(kind, n.GET, 3, b"t", TEMP + [(UNKNOWN_CRITICAL, b"")]),
            datagram(kind, n.CONTENT, 4, b"nobody", [(n.OBSERVE, b"\1")], b"x"),
            datagram(kind, 31, 5, b"t", TEMP),
            bytes((0x4F | kind << 4, 1, 0, 6)),
        ] + [datagram(kind, code, code, b"t") for code in RESERVED]:
            assert site.receive(data, CLIENT, 1) + site.wait(2 * LEISURE) == [], data


@statement("8.1", "MUST", "A Message ID of a multicast message is not active with a unicast endpoint at the same time")
def test_message_id_of_a_multicast_message():
    asking = Asking()
    asking.send(GROUP_URI)
    asking.send("coap://192.0.2.6/x")
    mids = {asking.request.mid} | {packet.mid for packet in asking.port.sent()}
    assert len(mids) == 3


@statement("8.2", "TEXT", "A response to a multicast request goes to the requester by unicast")
def test_response_is_unicast():
    (sent,) = Site().ask_group(peer=OTHER)
    assert sent.peer == OTHER and sent.kind == n.NON


@statement("8.2", "SHOULD", "It leaves at a random point of the leisure period, not immediately")
def test_response_waits_for_a_random_part_of_leisure():
    times = set()
    for mid in range(40):
        site = Site()
        for _ in range(mid):
            site.wire.entropy(2)
        (sent,) = site.ask_group(mid=mid)
        times.add(sent.at)
    assert max(times) <= LEISURE and max(times) - min(times) > LEISURE // 2 and len(times) > 20


@statement("8.2", "TEXT", "The lower bound of Leisure is S * G / R")
def test_lower_bound_of_leisure():
    assert leisure(100, 100, 1000) == 10000  # §8.2's example: 100 nodes, 100 bytes, 8 kbit/s


@statement("8.2", "TEXT", "Further responses of one membership wait for the next leisure period")
def test_leisure_periods_do_not_overlap():
    site = Site()
    for i in range(4):
        site.ask(TEMP, n.NON, group=1, mid=i)
    sent = site.wait(4 * LEISURE)
    assert [packet.at // LEISURE for packet in sent] == [0, 1, 2, 3]


@statement("8.2", "TEXT", "A server may stay silent where it has nothing useful to say, errors above all")
def test_errors_are_not_told_to_a_group():
    site = Site()
    assert site.ask_group([(n.URI_PATH, b"x")]) == site.ask_group(code=n.DELETE) == []
    site.value = RuntimeError()
    assert site.ask_group() == []


@statement("8.2", "MUST", "A response to a multicast request matches by its token, whatever its source")
def test_response_to_multicast_matches_by_token():
    asking = Asking(GROUP_URI)
    for peer in (SERVER, SERVER2, SERVER[:4] + b"\0\1"):
        asking.answer(n.NON, peer=peer)
    assert [response.origin for response in asking.responses] == [SERVER, SERVER2, SERVER[:4] + b"\0\1"]
    asking.answer(n.NON, token=b"12345678")
    assert len(asking.responses) == 3


@statement("8.2", "TEXT", "Nor are its elective options of use where they are not recognised")
def test_unknown_elective_option_in_a_group_request():
    assert len(Site().ask_group(TEMP + [(UNKNOWN_SAFE, b"x")])) == 1


not_claimed(
    "8.2.1",
    "MUST",
    "A multicast GET has no ETag",
    "groupcomm-bis §3.2.2 allows it: a client with a cache validates what it has",
)


@statement("8.2.1", "TEXT", "A client that caches responses to a multicast GET asks the group all the same")
def test_group_is_asked_although_responses_are_stored():
    asking = Asking(GROUP_URI, client={"cache": 4}, timeout=5)
    asking.answer(n.NON)
    asking.wait(6000)
    asking.send(GROUP_URI, timeout=5)
    (again,) = asking.port.sent()
    assert again.peer == GROUP and len(asking.responses) == 1


@statement("8.2", "TEXT", "A group request that is not idempotent is carried out once, though its copies come")
def test_copies_of_a_group_request():
    site = Site()
    for _ in range(3):
        site.ask(LOG, n.NON, n.POST, b"x", mid=7, group=1)
    assert site.entries == [b"x"]
