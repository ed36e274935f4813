"""Registration at a resource directory, at the wire (RFC 9176 §5)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import UNICAST_TIMEOUT, Client
from groupcoap.directory import Registration
from groupcoap.timers import elapsed
from wire import SERVER, SERVER2, Wire, datagram

RD = "coap://192.0.2.5"
LINKS = b'</temp>;rt="temperature"'
CORE = [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core"), (n.URI_QUERY, b"rt=core.rd")]
LOCATION = [(n.LOCATION_PATH, b"reg"), (n.LOCATION_PATH, b"1"), (n.LOCATION_PATH, b"")]
FOUND = b'</lookup>;rt="core.rd-lookup-ep",</my/rd?v=2>;ct=40;rt="other core.rd"'


class Registering:
    """A registration with a directory at SERVER, which the test plays."""

    def __init__(self, directory=RD + "/rd", name="node1", start=True, outgoing=4, **settings):
        self.wire = Wire()
        self.port = self.wire.port(outgoing=outgoing)
        self.client = Client(self.port.endpoint)
        self.links = LINKS
        self.failures = []
        self.ends = 0
        directory = uri.parse(directory)
        self.registration = Registration(self.client, self.wire.timers, directory, name, lambda: self.links, **settings)
        self.registration.failed = self.failures.append
        self._mid = 500
        if start:
            self.registration.start(self.wire.now)

    def wait(self, span):
        """Let `span` ms pass, or less if something is sent: what is."""
        end = self.wire.passed + span
        sent = self.port.sent()
        while not sent and self.wire.passed < end:
            at = self.wire.timers.poll_at()
            step = end - self.wire.passed
            self.wire.advance(step if at is None else min(step, max(1, elapsed(at, self.wire.now))))
            sent = self.port.sent()
        return sent

    def asked(self, method=n.POST, path=(b"rd",), peer=SERVER, within=0):
        """The one request that is sent, within so many ms."""
        (request,) = self.wait(within)
        assert (request.kind, request.code, request.peer) == (n.CON, method, peer), request.raw
        assert [value for number, value in request.options if number == n.URI_PATH] == list(path), request.options
        return request

    def answer(self, request, code, options=(), payload=b"", separate=0):
        """Answer a request, `separate` ms later where that is set."""
        kind, mid = n.ACK, request.mid
        if separate:
            self.port.receive(datagram(n.ACK, 0, mid), request.peer)
            self.wire.advance(separate)
            self._mid += 1
            kind, mid = n.NON, self._mid
        self.port.deliver(datagram(kind, code, mid, request.token, options, payload), request.peer)
        self.wire.advance(0)  # the timers that are due

    def registered(self, within=0):
        """Let the registration come about."""
        self.answer(self.asked(within=within), n.CREATED, LOCATION)
        return self

    def updated_after(self, most):
        """Wait for the update: how many ms that took, at most `most`."""
        before = self.wire.passed
        request = self.asked(path=(b"reg", b"1", b""), within=most)
        assert request.options == [(n.URI_PATH, b"reg"), (n.URI_PATH, b"1"), (n.URI_PATH, b"")]
        assert request.payload == b""
        return request.at - before, request

    def end(self):
        self.ends += 1

    def free(self):
        return self.port.endpoint.tokens.free == 16


def query(request):
    return sorted([value for number, value in request.options if number == n.URI_QUERY])


# Discovery


def test_directory_without_a_path_is_asked_where_to_register():
    node = Registering(RD)
    request = node.asked(n.GET, (b".well-known", b"core"))
    assert request.options == CORE and request.payload == b""
    node.answer(request, n.CONTENT, [(n.CONTENT_FORMAT, b"\x28")], FOUND)
    assert query(node.asked(path=(b"my", b"rd"))) == [b"ep=node1", b"lt=90000", b"v=2"]


def test_directory_may_name_another_address_and_a_query():
    node = Registering(RD)
    node.answer(node.asked(n.GET, CORE_PATH), n.CONTENT, (), b'<coap://192.0.2.6/rd?v=2>;rt="core.rd"')
    request = node.asked(peer=SERVER2)
    assert b"v=2" in query(request)
    node.answer(request, n.CREATED, LOCATION)
    node.asked(path=(b"reg", b"1", b""), peer=SERVER2, within=90000 * 900)


CORE_PATH = (b".well-known", b"core")
NOT_TOLD = (
    b"",
    b'</rd-lookup>;rt="core.rd-lookup-ep"',
    b"</temp>;rt,</other>",
    b"no link format",
    b'<coap://224.0.1.187/rd>;rt="core.rd"',
    b'<coaps://192.0.2.6/rd>;rt="core.rd"',
    b'<http://192.0.2.6/rd>;rt="core.rd"',
    b'<coap://rd.example/rd>;rt="core.rd"',
    b'<else>;rt="core.rd"',
)


def test_directory_that_does_not_tell_is_registered_with_at_rd():
    for payload in NOT_TOLD:
        node = Registering(RD)
        node.answer(node.asked(n.GET, CORE_PATH), n.CONTENT, (), payload)
        node.asked()
    node = Registering(RD)
    node.answer(node.asked(n.GET, CORE_PATH), n.NOT_FOUND, (), b"nothing")
    node.asked()


def test_path_in_the_configuration_needs_no_discovery():
    Registering(RD + "/a/b").asked(path=(b"a", b"b"))


# Registering


def test_registration_has_name_lifetime_and_links():
    request = Registering().asked()
    assert query(request) == [b"ep=node1", b"lt=90000"]
    assert request.payload == LINKS and request.option(n.CONTENT_FORMAT) == b"\x28"


def test_base_domain_and_type_are_sent_where_they_are_set():
    node = Registering(lifetime=60, base="coap://192.0.2.9:61616", domain="floor 1", kind="core.rd-group")
    expected = [b"base=coap://192.0.2.9:61616", b"d=floor 1", b"ep=node1", b"et=core.rd-group", b"lt=60"]
    assert query(node.asked()) == expected


def test_location_is_known_while_registered():
    node = Registering()
    assert node.registration.location is None
    node.registered()
    assert node.registration.location == [b"reg", b"1", b""] and node.failures == [] and node.free()


def test_links_longer_than_a_message_go_up_in_blocks():
    node = Registering(start=False)
    node.links = b",".join([LINKS] * 100)
    node.registration.start(node.wire.now)
    taken = b""
    request = node.asked()
    while len(taken) < len(node.links):
        assert query(request) == [b"ep=node1", b"lt=90000"] and request.option(n.CONTENT_FORMAT) == b"\x28"
        taken += request.payload
        block = [(n.BLOCK1, request.option(n.BLOCK1))]
        if len(taken) == len(node.links):
            break
        node.answer(request, n.CONTINUE, block)
        request = node.asked()
    node.answer(request, n.CREATED, LOCATION + block)
    assert taken == node.links and node.registration.location == [b"reg", b"1", b""]


def refused(**settings):
    try:
        Registering(start=False, **settings)
    except ValueError:
        return True
    return False


def test_what_no_directory_takes_is_refused():
    assert refused(name="x" * 64) and refused(name="") and refused(domain="x" * 64) and refused(domain="")
    assert not refused(name="x" * 63, domain="x" * 63)
    assert refused(lifetime=0) and refused(lifetime=1 << 32) and not refused(lifetime=(1 << 32) - 1)
    assert refused(base="coap://192.0.2.9/path") and refused(base="192.0.2.9") and refused(base="coap://h?x")
    assert refused(directory="coap://rd.example") and refused(directory="coap://224.0.1.187")


# Keeping it


def test_registration_is_updated_between_75_and_90_percent_of_its_lifetime():
    spans = []
    for dice in (b"\x00", b"\x80", b"\xff"):
        node = Registering(lifetime=100)
        node.wire.dice = dice
        node.registered()
        span, request = node.updated_after(95000)
        spans.append(span)
        node.answer(request, n.CHANGED)
        assert 75000 <= node.updated_after(95000)[0] <= 90000
    assert spans[0] == 75000 and 80000 < spans[1] < 85000 and 89000 < spans[2] < 90000


def test_updates_are_counted_and_go_on():
    node = Registering(lifetime=60).registered()
    for updates in range(20):
        assert node.registration.updates == updates
        span, request = node.updated_after(54000)
        assert 45000 <= span <= 54000
        node.answer(request, n.CHANGED, separate=1700)
    assert node.failures == [] and node.free()


def test_lifetime_longer_than_the_clock_is_counted_in_steps():
    for lifetime, days in ((90000, 0), (86400 * 7, 5), (86400 * 100, 74), (0xFFFFFFFF, 37282)):
        node = Registering(lifetime=lifetime)
        node.wire.dice = b"\x00"
        node.registered()
        for _ in range(days):
            node.wire.advance(86400 * 1000)
        assert node.port.sent() == []
        node.asked(path=(b"reg", b"1", b""), within=86400 * 1000)


def test_failed_update_is_a_new_registration_at_once():
    for code in (n.NOT_FOUND, n.METHOD_NOT_ALLOWED, n.INTERNAL_SERVER_ERROR, n.SERVICE_UNAVAILABLE):
        node = Registering(lifetime=60).registered()
        request = node.updated_after(54000)[1]
        node.links = b"</new>"
        node.answer(request, code)
        again = node.asked()
        assert again.payload == b"</new>" and query(again) == [b"ep=node1", b"lt=60"]
        assert node.registration.location is None
        node.answer(again, n.CREATED, [(n.LOCATION_PATH, b"2")])
        assert node.registration.location == [b"2"] and node.failures == []


def test_failed_update_begins_with_discovery():
    node = Registering(RD, lifetime=60)
    node.answer(node.asked(n.GET, CORE_PATH), n.CONTENT, (), FOUND)
    node.answer(node.asked(path=(b"my", b"rd")), n.CREATED, LOCATION)
    node.answer(node.updated_after(54000)[1], n.NOT_FOUND)
    node.asked(n.GET, CORE_PATH)


def test_update_that_is_not_answered_is_a_new_registration():
    node = Registering(lifetime=90000).registered()
    request = node.updated_after(90000 * 900)[1]
    node.port.receive(datagram(n.ACK, 0, request.mid), SERVER)
    node.asked(within=UNICAST_TIMEOUT)


def test_update_that_the_directory_puts_off_comes_later():
    node = Registering(lifetime=1000)
    node.wire.dice = b"\x00"
    node.registered()
    request = node.updated_after(751000)[1]  # 250 s are left
    node.answer(request, n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\x64")])
    node.wire.advance(99000)
    assert node.port.sent() == []
    request = node.updated_after(1000)[1]  # 150 s
    node.answer(request, n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\x95")])
    node.wire.advance(148000)
    assert node.port.sent() == []
    request = node.updated_after(1000)[1]  # 1 s: too little for a further 2
    node.answer(request, n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\x02")])
    node.asked()


def test_directory_cannot_hurry_the_updates():
    node = Registering(lifetime=1000).registered()
    request = node.updated_after(900000)[1]
    node.answer(request, n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\x01")])
    node.wire.advance(4900)
    assert node.port.sent() == []
    node.updated_after(100)


# Failures


def test_failures_are_repeated_later_each_time_up_to_an_hour():
    node = Registering()
    node.wire.dice = b"\x00"
    node.answer(node.asked(), n.BAD_REQUEST, (), b"no")
    for pause in (60, 120, 240, 480, 960, 1920, 3600, 3600, 3600):
        before = node.wire.passed
        request = node.asked(within=3700000)
        assert request.at - before == pause * 1000
        node.answer(request, n.BAD_REQUEST)
    assert node.failures == ["4.00"] * 10 and node.free()


def test_success_makes_the_pause_short_again():
    node = Registering(lifetime=60)
    node.answer(node.asked(), n.BAD_REQUEST)
    node.answer(node.asked(within=72000), n.BAD_REQUEST)
    node.registered(144000)
    node.answer(node.updated_after(54000)[1], n.NOT_FOUND)
    node.answer(node.asked(), n.BAD_REQUEST)
    node.asked(within=72000)


def test_pause_is_spread_over_a_fifth():
    for dice, pause in ((b"\x00", 60000), (b"\xff", 71953)):
        node = Registering()
        node.wire.dice = dice
        node.answer(node.asked(), n.BAD_REQUEST)
        node.wire.advance(pause - 1)
        assert node.port.sent() == []
        node.wire.advance(1)
        node.asked()


def test_unavailable_directory_is_asked_again_when_it_says():
    node = Registering()
    node.wire.dice = b"\x00"
    node.answer(node.asked(), n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\x07\x08")])  # 1800 s
    node.wire.advance(1799999)
    assert node.port.sent() == []
    node.wire.advance(1)
    node.asked()


def test_max_age_of_another_failure_means_nothing():
    node = Registering()
    node.answer(node.asked(), n.NOT_FOUND, [(n.MAX_AGE, b"\x07\x08")])
    node.asked(within=72000)


def test_unavailable_directory_is_asked_after_a_day_at_the_latest():
    node = Registering()
    node.answer(node.asked(), n.SERVICE_UNAVAILABLE, [(n.MAX_AGE, b"\xff\xff\xff\xff")])
    node.asked(within=86400 * 1200)


def test_silent_directory_is_asked_again():
    node = Registering(RD)
    node.asked(n.GET, CORE_PATH)
    node.wire.advance(UNICAST_TIMEOUT)
    node.port.sent()  # the repetitions of that
    assert node.failures == ["no answer"]
    node.wire.advance(72000)
    (request,) = node.port.sent()[:1]
    assert request.options == CORE


def test_failed_discovery_is_repeated():
    node = Registering(RD)
    node.answer(node.asked(n.GET, CORE_PATH), n.SERVICE_UNAVAILABLE)
    assert node.failures == ["5.03"]
    node.asked(n.GET, CORE_PATH, within=72000)


def test_answer_without_a_location_is_a_failure():
    for options in ([], [(n.LOCATION_PATH, b"x" * 128)] * 2):
        node = Registering()
        node.answer(node.asked(), n.CREATED, options)
        assert node.registration.location is None and node.failures == ["2.01"]


def test_other_success_is_a_failure():
    node = Registering()
    node.answer(node.asked(), n.CHANGED, LOCATION)
    assert node.registration.location is None and node.failures == ["2.04"]


def test_no_room_for_a_request_is_a_failure_like_any():
    node = Registering(start=False, outgoing=1)
    node.client.send(lambda item: None, node.wire.now, n.GET, uri.parse("coap://192.0.2.6/x"))
    (other,) = node.port.sent()
    node.registration.start(node.wire.now)
    node.wire.advance(0)
    assert node.port.sent() == [] and len(node.failures) == 1
    node.port.receive(datagram(n.ACK, n.CONTENT, other.mid, other.token), SERVER2)
    node.registered(72000)


def test_fault_in_the_links_is_a_failure_like_any():
    node = Registering(start=False)

    def links():
        raise MemoryError("no heap")

    node.registration._links = links
    node.registration.start(node.wire.now)
    node.wire.advance(0)
    assert len(node.failures) == 1
    node.registration._links = lambda: LINKS
    node.registered(72000)


# The end


def test_stopping_removes_the_registration():
    node = Registering().registered()
    node.registration.stop(node.wire.now, node.end)
    request = node.asked(n.DELETE, (b"reg", b"1", b""))
    assert query(request) == [] and request.payload == b"" and node.ends == 0
    node.answer(request, n.DELETED)
    assert node.ends == 1 and node.registration.location is None
    node.wire.advance(90000 * 1000)
    assert node.port.sent() == [] and node.free()


def test_stopping_ends_though_the_directory_is_silent():
    node = Registering().registered()
    node.registration.stop(node.wire.now, node.end)
    node.wire.advance(UNICAST_TIMEOUT)
    assert node.ends == 1 and node.free() and node.failures == []


def test_stopping_without_a_registration_ends_at_once():
    node = Registering(start=False)
    node.registration.stop(node.wire.now, node.end)
    assert node.ends == 1
    node = Registering(RD)  # while discovering
    node.port.sent()
    node.registration.stop(node.wire.now, node.end)
    node.wire.advance(200000)
    assert node.ends == 1 and node.free() and node.port.sent() == []
    node = Registering()  # in the pause behind a failure
    node.answer(node.asked(), n.BAD_REQUEST)
    node.registration.stop(node.wire.now, node.end)
    node.wire.advance(200000)
    assert node.ends == 1 and node.port.sent() == []


def test_stopping_while_registering_removes_what_comes_about():
    for noted in (False, True):
        node = Registering()
        request = node.asked()
        if noted:  # the answer is there, but the timer has not rung
            node.port.deliver(datagram(n.ACK, n.CREATED, request.mid, request.token, LOCATION), SERVER)
        node.registration.stop(node.wire.now, node.end)
        assert node.port.sent() == [] and node.ends == 0
        if noted:
            node.wire.advance(0)
        else:
            node.answer(request, n.CREATED, LOCATION)
        node.answer(node.asked(n.DELETE, (b"reg", b"1", b"")), n.DELETED)
        assert node.ends == 1 and node.free()


def test_stopping_while_updating_removes_the_registration():
    node = Registering(lifetime=60).registered()
    request = node.updated_after(54000)[1]
    node.port.receive(datagram(n.ACK, 0, request.mid), SERVER)
    node.registration.stop(node.wire.now, node.end)
    node.answer(node.asked(n.DELETE, (b"reg", b"1", b"")), n.DELETED)
    assert node.ends == 1 and node.free()


def test_stopped_registration_may_be_started_again():
    node = Registering().registered()
    node.registration.stop(node.wire.now, node.end)
    request = node.asked(n.DELETE, (b"reg", b"1", b""))
    node.registration.start(node.wire.now)  # before the directory has answered
    assert node.port.sent() == []
    node.answer(request, n.DELETED)
    node.registered()
    node.registration.stop(node.wire.now)
    node.answer(node.asked(n.DELETE, (b"reg", b"1", b"")), n.DELETED)
    node.registration.start(node.wire.now)
    node.registered()


def test_stopping_in_a_pause_ends_the_pause():
    node = Registering()
    node.answer(node.asked(), n.BAD_REQUEST)
    node.registration.stop(node.wire.now)
    node.registration.start(node.wire.now)
    request = node.asked()
    node.port.receive(datagram(n.ACK, 0, request.mid), SERVER)  # so that it is not repeated
    assert node.wait(80000) == []


def test_starting_twice_is_starting_once():
    node = Registering()
    node.registration.start(node.wire.now)
    node.registered()
    node.registration.start(node.wire.now)
    assert node.port.sent() == []
