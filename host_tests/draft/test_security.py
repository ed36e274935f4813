"""draft-ietf-core-groupcomm-proxy-07 §10: security considerations."""

from conformance.statements import Document
from draft.secured import ALICE, KITCHEN, Secured, answer_group, ask_group, checked_site, flipped, opened
from draft.site import CACHING, GROUP_ETAG, Site, acknowledgements, grouped, origin, origins
from group_ends import group_of
from groupcoap import numbers as n
from groupcoap.oscore.errors import Rejected
from oscore_ends import open_response, packet, request
from wire import CLIENT, GROUP, MULTICAST_TIMEOUT, SERVER, SERVER2, STRANGER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

DOCUMENT.not_claimed("10.5", "SHOULD", "So do an HTTP client and its proxy", "HTTP-to-CoAP is not built yet")


@statement("10.1", "SHOULD", "Client and proxy rely on a full-fledged pairwise association")
@statement("10.2", "MUST", "The association of client and proxy gives message integrity, for Multicast-Timeout")
@statement("10.2", "SHOULD", "The association of client and proxy gives message confidentiality, for Multicast-Timeout")
def test_multicast_timeout_is_protected():
    site = Secured()
    _, data = site.sealed()
    assert [number for number, _ in packet(data).options] == [n.OSCORE]
    for changed in flipped(data):
        assert [sent for sent in site.deliver(changed) if sent.peer == GROUP] == []
    outside = packet(data)
    more = request([(MULTICAST_TIMEOUT, b"\x01"), *outside.options], outside.code, outside.payload, mid=0x100)
    (sent,) = site.deliver(more)  # nobody's time counts but the client's
    site.wait(2000)
    assert len(site.answer(sent, SERVER)) == 1
    assert site.deliver(data)[0].code == n.UNAUTHORIZED  # a replay


@statement("10.3", "MUST", "The association of client and proxy gives message integrity, for Reply-From")
@statement("10.3", "SHOULD", "The association of client and proxy gives message confidentiality, for Reply-From")
@statement("10.4", "MUST", "The association of client and proxy gives message integrity, for Group-ETag")
@statement("10.4", "SHOULD", "The association of client and proxy gives message confidentiality, for Group-ETag")
def test_what_the_proxy_adds_is_protected():
    site = Secured(**CACHING)
    _, (sent,) = site.ask_sealed(grouped(1))
    site.answer(sent, SERVER)
    site.answer(sent, SERVER2)
    site.wait(1000)
    exchange, relayed = site.ask_sealed()
    found = [opened(exchange, each) for each in relayed]
    assert origins(found) == [origin(SERVER), origin(SERVER2)] and all(each.option(GROUP_ETAG) for each in found)
    for each in relayed:
        assert [number for number, _ in each.options] == [n.OSCORE]
        for changed in flipped(each.raw):
            try:
                open_response(exchange, changed)
            except (Rejected, ValueError, TypeError):
                continue
            raise AssertionError(changed)


@statement("10.1", "TEXT", "The proxy may check the signatures of a group's requests")
def test_signatures_are_checked():
    site = checked_site()
    _, asked = ask_group(group_of(ALICE))
    payload = asked["payload"]
    for forged in (payload[:-1] + bytes((payload[-1] ^ 1,)), b"\0" + payload[1:]):
        sent = site.ask(**dict(asked, payload=forged, token=forged[:4])) + site.wait(1)
        assert [(each.peer, each.code) for each in sent] == [(CLIENT, n.BAD_REQUEST)]
    (sent,) = site.ask(**asked)
    assert sent.peer == GROUP
    right = answer_group(group_of(KITCHEN), sent)
    assert site.answer(sent, SERVER, **dict(right, payload=b"\0" + right["payload"][1:])) == []
    assert len(site.answer(sent, SERVER, **right)) == 1


@statement("10.1", "TEXT", "Nobody else than the client can stop what it has asked for, from another address")
def test_others_cannot_stop_an_exchange():
    site = Site()
    request = site.asked(grouped(60))
    relayed = site.answer(request, SERVER)[0]
    port = CLIENT[:4] + b"\x9c\x41"
    for other in (STRANGER, port):
        sent = site.stop(n.CON, client=other)
        assert len(sent) == len(acknowledgements(sent)) == 1
        site.send(other, relayed.src, n.RST, n.EMPTY, relayed.mid)
    assert len(site.answer(request, SERVER2)) == 1


@statement("10.1", "TEXT", "A request that comes again is not forwarded again, and stops nothing")
def test_repeated_request_is_forwarded_once():
    for kind, code in ((n.CON, n.GET), (n.NON, n.GET), (n.CON, n.POST), (n.NON, n.POST)):
        site = Site()
        sent = [packet for _ in range(3) for packet in site.ask(grouped(60), kind, code, mid=7)]
        (request,) = [packet for packet in sent if packet.peer == GROUP]
        assert len(site.answer(request, SERVER)) == 1
