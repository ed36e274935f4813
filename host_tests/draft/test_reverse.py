"""draft-ietf-core-groupcomm-proxy-07 §6.1: the reverse-proxy."""

from conformance.statements import Document
from draft.site import ALLOW, R, Site, grouped, line, origin, outside, timed
from groupcoap import numbers as n
from groupcoap import uri
from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, PROXY, REPLY_FROM, SERVER, SERVER2, STRANGER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

HOST = [(n.URI_HOST, b"group1.com")]
PATH = [(n.URI_PATH, b"gp")]
ONE = uri.pack(b"\xc0\x00\x02\x33")  # 192.0.2.51 and .52: addresses of the proxy that stand for the servers
TWO = uri.pack(b"\xc0\x00\x02\x34")
ELSEWHERE = uri.pack(SERVER2[:4], 61616)
BOTH = [{"server": "192.0.2.5", "address": "192.0.2.51"}, {"server": "192.0.2.6:61616", "address": "192.0.2.52"}]


def reverse(servers=True, **way):
    """A reverse-proxy that a group is found at by this way: host, path or address."""
    entry = dict({"group": "224.0.1.187", "servers": servers}, **way)
    return Site(mode="reverse", stands_in_for=[entry])


def by_host(servers=True):
    return reverse(servers, host="group1.com")


def by_path(servers=True):
    return reverse(servers, path="gp")


def by_address(servers=True):
    more = {"server_addresses": BOTH} if servers else {}
    return reverse(False, address="192.0.2.1", **more)


WAYS = ((by_host, HOST + R), (by_path, PATH + R), (by_address, R))  # how the group is found, and how it is named


@statement("6.1", "TEXT", "A request without Proxy-* options that is for a group goes to it by multicast, as in 5.2")
def test_request_goes_to_the_group():
    for make, options in WAYS:
        request = make().asked(timed(60, options))
        assert line(request)[:4] == (outside(PROXY), GROUP, n.NON, n.GET) and request.options == R
        (sent,) = make().ask(timed(60, options), client=STRANGER)
        assert sent.code == n.UNAUTHORIZED


@statement("6.1", "TEXT", "Without Multicast-Timeout, it reveals itself: 4.00 with an empty Multicast-Timeout")
def test_reverse_proxy_reveals_itself():
    for make, options in WAYS:
        (sent,) = make().ask(options)
        assert sent.code == n.BAD_REQUEST and sent.options == [(MULTICAST_TIMEOUT, b"")] and sent.payload


@statement("6.1", "TEXT", "What is for no group is a request to the proxy itself; with Proxy-* options it gets 5.05")
def test_request_for_the_proxy_itself():
    (sent,) = by_host().ask(timed(60, [(n.URI_HOST, b"group2.com")] + R))
    assert sent.peer == CLIENT and sent.code == n.NOT_FOUND
    (sent,) = by_path().ask(timed(60, R))
    assert sent.code == n.NOT_FOUND
    (sent,) = by_host().ask(grouped())
    assert sent.code == n.PROXYING_NOT_SUPPORTED


@statement("6.1", "TEXT", "Standing in for the servers too: the first CRI is an address of the proxy")
@statement("6.1", "MUST", "A second element is there where the proxy goes by Uri-Host and Uri-Port: it gives those")
def test_reply_from_by_host():
    site = by_host()
    request = site.asked(timed(60, HOST + R))
    for server, second in (
        (SERVER, b"\x82\xf6\x81\x44\xc0\x00\x02\x05"),
        (ELSEWHERE, b"\x82\xf6\x82\x44\xc0\x00\x02\x06\x19\xf0\xb0"),
    ):
        sent = site.relayed(request, server)
        assert line(sent)[:5] == (PROXY, CLIENT, n.NON, n.CONTENT, b"tok")
        assert sent.options == [(REPLY_FROM, origin(PROXY) + second)]


@statement("6.1", "MUST", "And where it goes by Uri-Path: it gives the first segments of that")
def test_reply_from_by_path():
    site = by_path()
    request = site.asked(timed(60, PATH + R))
    second = b"\x82\xf5\x82\x62gp\x69192.0.2.5"
    assert site.relayed(request, SERVER).option(REPLY_FROM) == origin(PROXY) + second
    second = b"\x82\xf5\x82\x62gp\x6f192.0.2.6:61616"
    assert site.relayed(request, ELSEWHERE).option(REPLY_FROM) == origin(PROXY) + second


@statement("6.1", "MUST", "There is no second element where the address alone, one of the proxy's, tells the server")
def test_reply_from_by_address():
    site = by_address()
    request = site.asked(timed(60))
    assert site.relayed(request, SERVER).option(REPLY_FROM) == origin(ONE)
    assert site.relayed(request, ELSEWHERE).option(REPLY_FROM) == origin(TWO)


not_claimed(
    "6.1",
    "TEXT",
    "TARGET is the proxy's for a server that none of server_addresses stands for",
    "the proxy does not stand in for that one: the CRI names the server itself, as nothing else says who has answered",
)


@statement("6.1", "TEXT", "A unicast request as Reply-From says goes to the server that has answered")
def test_follow_up_request():
    port = [(n.URI_PORT, b"\xf0\xb0")]
    r1 = [(n.URI_PATH, b"r1")]
    for site, to, named, server in (
        (by_host(), PROXY, [(n.URI_HOST, b"192.0.2.5")], SERVER),
        (by_host(), PROXY, [(n.URI_HOST, b"192.0.2.6")] + port, ELSEWHERE),
        (by_path(), PROXY, PATH + [(n.URI_PATH, b"192.0.2.5")], SERVER),
        (by_path(), PROXY, PATH + [(n.URI_PATH, b"192.0.2.6:61616")], ELSEWHERE),
        (by_address(), ONE, [], SERVER),
        (by_address(), TWO, [], ELSEWHERE),
    ):
        request = site.asked(named + r1, kind=n.CON, to=to)
        assert line(request)[:4] == (outside(PROXY), server, n.CON, n.GET) and request.options == r1
        sent = site.relayed(request, server, kind=n.ACK)
        assert line(sent) == (to, CLIENT, n.ACK, n.CONTENT, b"tok", [], b"21.5")


@statement("6.1", "TEXT", "Who may have no single servers is not let to one by that way either")
def test_follow_up_request_is_subject_to_the_allow_list():
    entry = {"group": "224.0.1.187", "host": "group1.com", "servers": True}
    site = Site(mode="reverse", stands_in_for=[entry], allow=[dict(ALLOW[0], unicast=False)])
    (sent,) = site.ask([(n.URI_HOST, b"192.0.2.5")] + R)
    assert sent.code == n.UNAUTHORIZED


@statement("6.1", "TEXT", "Standing in for the group only: the CRI names the server itself")
@statement("6.1", "MUST", "There is no second element then")
def test_reply_from_of_a_proxy_for_the_group_only():
    for make, options in WAYS:
        site = make(False)
        request = site.asked(timed(60, options))
        assert site.relayed(request, SERVER).options == [(REPLY_FROM, origin(SERVER))]
        assert site.relayed(request, ELSEWHERE).options == [(REPLY_FROM, origin(ELSEWHERE))]


@statement("6.1", "TEXT", "Single servers are not reached through a proxy that stands in for the group only")
def test_no_way_to_single_servers():
    for site, options in ((by_host(False), [(n.URI_HOST, b"192.0.2.5")] + R), (by_path(False), R)):
        (sent,) = site.ask(options)
        assert sent.peer == CLIENT and sent.code == n.NOT_FOUND


@statement("6.1", "TEXT", "An Early Stop Request where nothing is to be stopped is a request like any")
def test_early_stop_that_fits_nothing():
    site = by_address()
    (sent,) = site.ask([(MULTICAST_TIMEOUT, b"")])
    assert sent.peer == GROUP and sent.options == []
    site = by_address()
    request = site.asked(timed(60))
    assert site.stop() == [] and site.answer(request, SERVER) == []
