"""draft-ietf-core-groupcomm-proxy-07 §10: security considerations."""

from conformance.statements import Document
from draft.site import Site, acknowledgements, grouped
from groupcoap import numbers as n
from wire import CLIENT, GROUP, SERVER, SERVER2, STRANGER

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

NOT_BUILT = "neither OSCORE nor DTLS is built yet: a client is known by its address, for tests and closed networks only"

for section, option in (("10.2", "Multicast-Timeout"), ("10.3", "Reply-From"), ("10.4", "Group-ETag")):
    text = "The association of client and proxy gives message %s, for " + option
    DOCUMENT.not_claimed(section, "MUST", text % "integrity", NOT_BUILT)
    DOCUMENT.not_claimed(section, "SHOULD", text % "confidentiality", NOT_BUILT)
DOCUMENT.not_claimed("10.1", "SHOULD", "Client and proxy rely on a full-fledged pairwise association", NOT_BUILT)
DOCUMENT.not_claimed(
    "10.1", "TEXT", "The proxy may check the signatures of a group's requests", "OSCORE is not built yet"
)
DOCUMENT.not_claimed("10.5", "SHOULD", "So do an HTTP client and its proxy", "HTTP-to-CoAP is not built yet")


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
