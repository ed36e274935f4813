"""draft-ietf-core-groupcomm-proxy-07 §5.2.2, §5.4.2: Observe through the proxy."""

from conformance.statements import Document
from draft.site import CACHING, Site, codes, grouped, origin, origins, outside, payloads, single
from groupcoap import numbers as n
from wire import CLIENT, GROUP, OTHER, PROXY, REPLY_FROM, SERVER, SERVER2

DOCUMENT = Document("groupcomm-proxy")
statement = DOCUMENT.statement

DAY = 86400000  # ms


def registration(value=b"", seconds=5):
    return grouped(seconds, more=[(n.OBSERVE, value)])


class Observing(Site):
    """A client has registered: `request` has gone to the group. Servers notify by `note`."""

    def __init__(self, **settings):
        Site.__init__(self, **settings)
        self.request = self.asked(registration())
        self._numbers = {}

    def note(self, server=SERVER, payload=b"21.5", more=(), **response):
        """A notification of this server, its next one: what the proxy sends."""
        number = self._numbers[server] = self._numbers.get(server, 0) + 1
        return self.answer(self.request, server, [(n.OBSERVE, bytes((number,)))] + list(more), payload, **response)


# §5.2.2


@statement("5.2.2", "TEXT", "The proxy registers its own interest with the servers, by a group request with Observe")
def test_proxy_registers_itself():
    request = Observing().request
    assert (request.src, request.peer, request.kind) == (outside(PROXY), GROUP, n.NON)
    assert request.option(n.OBSERVE) == b"" and request.token != b"tok"


@statement("5.2.2", "TEXT", "It deregisters by one with Observe 1 under the same token, when its client has")
def test_proxy_deregisters():
    site = Observing()
    site.note()
    (sent,) = site.ask(registration(b"\x01"))
    assert sent.peer == GROUP and sent.token == site.request.token and sent.option(n.OBSERVE) == b"\x01"
    site.wait(5000)
    assert site.free() == 8


@statement("5.2.2", "TEXT", "A registration that comes again goes to the group again, under the same token")
def test_registration_again():
    site = Observing()
    site.note()
    (sent,) = site.ask(registration())
    assert sent.peer == GROUP and sent.token == site.request.token and sent.option(n.OBSERVE) == b""
    assert payloads(site.note(payload=b"22")) == [b"22"]


@statement("5.2.2", "TEXT", "Where no place is left, a request is served without Observe")
def test_without_a_place_there_is_no_observation():
    for settings in ({"observations": 0}, {"observations": 1}):
        site = Site(**settings)
        if settings["observations"]:
            site.ask(registration(), token=b"first")
        request = site.asked(registration())
        assert request.option(n.OBSERVE) is None
        assert site.relayed(request, SERVER).option(n.OBSERVE) is None


# §5.2.3 of an observation


@statement("5.2.3", "TEXT", "Early stop ends an observation, too, and the servers are told")
def test_early_stop_of_an_observation():
    for way in ("reset", "stop"):
        site = Observing()
        (relayed,) = site.note()
        (sent,) = site.empty(n.RST, relayed) if way == "reset" else site.stop()
        assert sent.peer == GROUP and sent.token == site.request.token and sent.option(n.OBSERVE) == b"\x01"
        (reset,) = site.note(kind=n.CON)
        assert reset.kind == n.RST and reset.peer == SERVER and site.free() == 8


# §5.4.2


@statement("5.4.2", "TEXT", "Every notification is relayed with Reply-From, also one that is not 2.xx")
def test_notifications_have_reply_from():
    site = Observing()
    for server in (SERVER, SERVER2):
        for code in (n.CONTENT, n.CONTENT, n.NOT_FOUND):
            number = () if code == n.NOT_FOUND else [(n.OBSERVE, bytes((1 + site._mid,)))]
            sent = site.relayed(site.request, server, number, code=code)
            assert (sent.peer, sent.code, sent.token) == (CLIENT, code, b"tok")
            assert sent.option(REPLY_FROM) == origin(server)
    site = Observing()
    site.note()
    site.wait(6000)
    site.note()
    sent = site.relayed(site.request, SERVER, code=n.NOT_FOUND)
    assert sent.code == n.NOT_FOUND and sent.option(REPLY_FROM) == origin(SERVER)


@statement("5.4.2", "TEXT", "To its client the proxy is the server: the numbers of Observe are its own, and rise")
def test_observe_numbers_rise():
    site = Observing()
    sent = [site.note(server)[0] for server in (SERVER, SERVER2, SERVER, SERVER2)]
    numbers = [int.from_bytes(packet.option(n.OBSERVE), "big") for packet in sent]
    assert numbers == sorted(set(numbers))


@statement("5.4.2", "TEXT", "A notification that is older than the last of its server is not relayed")
def test_late_notification_is_dropped():
    site = Observing()
    assert len(site.answer(site.request, SERVER, [(n.OBSERVE, b"\x09")])) == 1
    assert site.answer(site.request, SERVER, [(n.OBSERVE, b"\x08")]) == []
    assert len(site.answer(site.request, SERVER2, [(n.OBSERVE, b"\x08")])) == 1


@statement("5.4.2", "TEXT", "After T' the Token is freed where no 2.xx with Observe has come from any server")
def test_token_is_freed_without_an_observation():
    for response in (None, {}, {"options": [(n.OBSERVE, b"\x01")], "code": n.NOT_FOUND}):
        site = Observing()
        if response is not None:
            site.answer(site.request, SERVER, **response)
        site.wait(5000)
        assert site.free() == 8


@statement("5.4.2", "TEXT", "Else it is not freed, and notifications are relayed beyond T', as long as one is active")
def test_notifications_beyond_the_timeout():
    site = Observing()
    for server in (SERVER, SERVER2):
        site.note(server)
    site.wait(60000)
    assert site.free() == 7
    assert origins(site.note(payload=b"22") + site.note(SERVER2)) == [origin(SERVER), origin(SERVER2)]
    site.answer(site.request, SERVER, code=n.NOT_FOUND)
    site.wait(1000)
    assert site.free() == 7
    site.answer(site.request, SERVER2, code=n.NOT_FOUND)
    site.wait(1000)
    assert site.free() == 8


@statement("5.4.2", "TEXT", "What is no notification is not relayed beyond T'")
def test_other_responses_are_not_relayed_beyond_the_timeout():
    site = Observing()
    site.note()
    site.wait(6000)
    assert site.answer(site.request, SERVER2) == [] and len(site.note()) == 1


@statement("5.4.2", "SHOULD", "Now and then it is verified that the client is still interested: by a Confirmable one")
def test_interest_is_verified():
    site = Observing()
    kinds = [site.note()[0].kind for _ in range(8)]
    assert kinds == [n.NON] * 7 + [n.CON]
    site = Observing()
    site.note()
    site.wait(DAY // 2, step=60000)
    (sent,) = site.note()
    assert sent.kind == n.CON and site.empty(n.ACK, sent) == [] and site.free() == 7


@statement("5.4.2", "SHOULD", "Who resets that, or stays silent, is no longer: the servers are told")
def test_who_is_not_interested_any_more():
    for way in ("reset", "silence"):
        site = Observing()
        sent = [site.note()[0] for _ in range(8)][-1]
        told = site.empty(n.RST, sent) if way == "reset" else [p for p in site.wait(120000) if p.peer == GROUP]
        assert codes(told) == [n.GET] and told[0].option(n.OBSERVE) == b"\x01" and site.free() == 8


@statement("5.4.2", "TEXT", "The clients' observations are apart: each has a token of its own towards the servers")
def test_observations_are_apart():
    site = Observing()
    other = site.asked(registration(), client=OTHER)
    assert other.token != site.request.token
    site.note()
    assert [packet.peer for packet in site.answer(other, SERVER, [(n.OBSERVE, b"\x07")])] == [OTHER]


@statement("7", "TEXT", "Notifications are stored as other responses are")
def test_notification_is_stored():
    site = Observing(**CACHING)
    for server in (SERVER, SERVER2):
        site.note(server, payload=b"22")
    assert payloads(site.ask(grouped(), client=OTHER)) == [b"22", b"22"]
    site = Site(**CACHING)
    site.answer(site.asked(single()), SERVER, payload=b"21")
    request = site.asked(single(more=[(n.OBSERVE, b"")]), token=b"ob")
    for number, payload in ((1, b"21"), (2, b"22")):
        site.answer(request, SERVER, [(n.OBSERVE, bytes((number,)))], payload)
    assert payloads(site.ask(single(), client=OTHER)) == [b"22"]
