"""RFC 7641: observing resources, §3 at a client, §4 at a server, §5 at a proxy."""

from conformance.site import CORE, Asking, Site, uint
from conformance.statements import Document
from draft.site import Site as Proxies
from draft.site import outside, single
from groupcoap import errors
from groupcoap import numbers as n
from groupcoap.link_parser import parse
from groupcoap.server import Resource, Response
from wire import CLIENT, OTHER, PROXY, SERVER, datagram

DOCUMENT = Document("RFC 7641")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

DAY = 86400000  # ms


def observing(number=5, max_age=None, **settings):
    """A client whose observation the server has taken on with this number."""
    asking = Asking(observe=True, **settings)
    asking.answer(options=notification(number, max_age), payload=b"first")
    return asking


def notification(number, max_age=None):
    """The options of a notification; max_age: s."""
    options = [(n.OBSERVE, number.to_bytes(3, "big").lstrip(b"\0"))]
    return options if max_age is None else options + [(n.MAX_AGE, bytes((max_age,)))]


def notify(asking, number, payload=b"x", kind=n.NON, max_age=None, **message):
    """Hand in a notification: was it delivered?"""
    before = len(asking.responses)
    asking.answer(kind, options=notification(number, max_age), payload=payload, **message)
    return len(asking.responses) > before


def observed(**settings):
    """A site whose /temp the client observes."""
    site = Site(**settings)
    assert site.observe().option(n.OBSERVE) is not None
    return site


def dropped(site):
    """Is nobody notified any more?"""
    return site.change(b"anything") == []


# §2


@statement("2", "TEXT", "A client registers by GET with Observe 0")
def test_registration():
    request = Asking(observe=True).request
    assert request.code == n.GET and request.option(n.OBSERVE) == b""


@statement("2", "TEXT", "Observe is elective: a server that does not observe that resource answers the plain GET")
def test_resource_that_cannot_be_observed():
    site = Site()
    site.add("r", lambda request: b"x")
    sent = site.observe([(n.URI_PATH, b"r")])
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is None
    sent = site.observe(code=n.PUT, payload=b"22")
    assert sent.code == n.CHANGED and sent.option(n.OBSERVE) is None and dropped(site)


@statement("2", "TEXT", "Observe has at most 3 bytes; one that is longer is ignored")
def test_observe_that_is_too_long():
    site = Site()
    assert site.observe(value=b"\0\0\0\0").option(n.OBSERVE) is None and dropped(site)
    assert site.observe(value=b"\2").option(n.OBSERVE) is None and dropped(site)  # neither 0 nor 1


# §3.1, §3.2


@statement("3.1", "TEXT", "A response without Observe tells the client that it is not registered")
def test_response_without_observe():
    asking = Asking(observe=True)
    asking.answer()
    assert asking.responses[0].payload == b"21.5" and asking.items[-1] is None
    assert asking.port.endpoint.tokens.free == 16


@statement("3.2", "TEXT", "Notifications have the token of the registration, and are told to the application")
def test_notifications_are_delivered():
    asking = observing()
    assert notify(asking, 6, b"second") and not notify(asking, 7, token=b"12345678")
    assert [response.payload for response in asking.responses] == [b"first", b"second"]


@statement("3.2", "TEXT", "A notification that is no 2.xx is the last one")
def test_error_ends_the_observation():
    asking = observing()
    asking.answer(n.NON, n.NOT_FOUND, payload=b"")
    assert asking.responses[-1].code == n.NOT_FOUND and asking.items[-1] is None
    assert not notify(asking, 7)


# §3.3


@statement("3.3.1", "TEXT", "A client registers again, with the same token, when its representation is no longer fresh")
@statement("3.3.1", "MUST", "The options of that request are those of the registration, but for ETags")
def test_registration_again():
    asking = observing(max_age=10, accept=0)
    (again,) = asking.wait(26000)[:1]
    assert again.token == asking.request.token and again.mid != asking.request.mid
    assert again.code == n.GET and again.options == asking.request.options


@statement("3.3.1", "SHOULD", "It does not while what it has is fresh")
def test_no_registration_while_fresh():
    asking = observing(max_age=10)
    assert asking.wait(9000) == []
    notify(asking, 6, max_age=30)
    assert asking.wait(30000) == []


@statement("3.3.1", "SHOULD", "It waits for a random time of 5 to 15 s after Max-Age has run out")
def test_registration_waits_after_max_age():
    times = set()
    for seed in range(20):
        asking = Asking(observe=True)
        for _ in range(seed):
            asking.wire.entropy(2)
        asking.answer(options=notification(5, 10))
        times.add(asking.wait(26000)[0].at)
    assert min(times) >= 15000 and max(times) <= 25000 and len(times) > 5


@statement("3.3.1", "TEXT", "Max-Age is 60 s where a notification has none")
def test_default_max_age():
    asking = observing()
    assert asking.wait(64000) == []
    assert len(asking.wait(12000)) >= 1


@statement("3.3.2", "TEXT", "A client may give the ETags of what it has; 2.03 (Valid) is a notification too")
def test_valid_is_a_notification():
    asking = Asking(observe=True, etag=(b"v1",))
    assert asking.request.option(n.ETAG) == b"v1"
    asking.answer(options=notification(5))
    asking.answer(n.NON, n.VALID, options=[(n.ETAG, b"v1"), (n.OBSERVE, b"\x06")], payload=b"")
    assert asking.responses[-1].code == n.VALID and notify(asking, 7)


# §3.4


@statement("3.4", "MUST", "What was sent last is the freshest, in whatever order it arrives")
def test_older_notification_is_dropped():
    asking = observing()
    assert notify(asking, 8) and not notify(asking, 7) and not notify(asking, 8, mid=500) and notify(asking, 9)


@statement("3.4", "TEXT", "Sent later is: a greater number, less than 2^23 ahead, modulo 2^24")
def test_numbers_go_round():
    asking = observing(0xFFFFFE)
    assert notify(asking, 0xFFFFFF) and notify(asking, 0) and not notify(asking, 0xFFFFFF) and notify(asking, 1)
    assert notify(asking, 0x800000) and not notify(asking, 1)
    assert not notify(asking, 0) and notify(asking, 0x800001)


@statement("3.4", "TEXT", "Or any number, more than 128 s after the freshest one")
def test_any_number_after_128_s():
    asking = observing(max_age=255)
    assert not notify(asking, 4, max_age=255)
    asking.wait(127000)
    assert not notify(asking, 4, max_age=255)
    asking.wait(2000)
    assert notify(asking, 4, max_age=255)


# §3.5, §3.6


@statement("3.5", "MUST", "A Confirmable notification with a token that is not known is not acknowledged")
@statement("3.5", "SHOULD", "It is rejected with a Reset")
def test_unknown_confirmable_notification_is_reset():
    asking = observing()
    (sent,) = asking.answer(n.CON, options=notification(6), token=b"12345678", mid=77)
    assert sent.is_empty(n.RST, 77)
    asking.client.cancel(asking.handle)
    (sent,) = asking.answer(n.CON, options=notification(6), mid=78)
    assert sent.is_empty(n.RST, 78)


@statement("3.5", "MUST", "Any other Confirmable notification is acknowledged, newer or not")
def test_confirmable_notification_is_acknowledged():
    asking = observing()
    for number in (6, 4):
        (sent,) = asking.answer(n.CON, options=notification(number), mid=number)
        assert sent.is_empty(n.ACK, number)


@statement("3.5", "TEXT", "A Non-confirmable notification that is not wanted may be rejected with a Reset")
def test_unknown_notification_is_reset():
    asking = observing()
    asking.client.cancel(asking.handle)
    (sent,) = asking.answer(n.NON, options=notification(6), mid=77)
    assert sent.is_empty(n.RST, 77)


@statement("3.6", "TEXT", "A client that forgets an observation rejects its next notification")
def test_forgotten_observation():
    asking = observing()
    asking.client.cancel(asking.handle)
    assert asking.port.sent() == []
    for kind in (n.NON, n.CON):
        (sent,) = asking.answer(kind, options=notification(6), mid=77 + kind)
        assert sent.is_empty(n.RST, 77 + kind)
    assert len(asking.responses) == 1


@statement("3.6", "TEXT", "A client ends an observation by a GET with its token and Observe 1")
@statement("3.6", "MUST", "The other options of that request are those of the registration, but for ETags")
def test_deregistration():
    asking = observing(accept=0)
    asking.client.deregister(asking.handle, asking.wire.now)
    (sent,) = asking.port.sent()
    assert sent.code == n.GET and sent.token == asking.request.token and sent.option(n.OBSERVE) == b"\1"
    options = [pair for pair in asking.request.options if pair[0] not in (n.OBSERVE, n.ETAG)]
    assert [pair for pair in sent.options if pair[0] not in (n.OBSERVE, n.ETAG)] == options


# §4.1


@statement("4.1", "TEXT", "A GET with Observe 0 adds the client to the list of observers")
def test_observer_is_added():
    site = observed()
    (sent,) = site.change(b"22")
    assert (sent.peer, sent.token, sent.payload) == (CLIENT, b"ob", b"22")


@statement("4.1", "MUST", "An entry with the same endpoint and token is replaced or updated, none is added")
def test_second_registration_updates_the_first():
    site = observed()
    site.observe()
    assert len(site.change(b"22")) == 1
    site.observe(token=b"other")
    site.observe(peer=OTHER)
    assert len(site.change(b"23")) == 3


@statement("4.1", "MUST", "Where no entry is added, the response has no Observe option")
def test_full_table():
    site = Site(observers=2)
    assert [site.observe(token=bytes((i,))).option(n.OBSERVE) is None for i in range(4)] == [False, False, True, True]
    assert site.observe(token=b"\3").payload == b"21.5"
    assert {packet.token for packet in site.change(b"22")} == {b"\0", b"\1"}
    assert Site(observers=0).observe().option(n.OBSERVE) is None


@statement("4.1", "MUST", "A GET with Observe 1 removes the entry with its endpoint and token")
@statement("4.1", "MUST", "The response to that has no Observe option")
def test_deregistration_at_the_server():
    site = observed()
    site.observe(token=b"other")
    sent = site.observe(value=b"\1")
    assert sent.code == n.CONTENT and sent.payload == b"21.5" and sent.option(n.OBSERVE) is None
    assert [packet.token for packet in site.change(b"22")] == [b"other"]


@statement("4.1", "MUST", "It does so even where the GET itself fails")
def test_deregistration_while_the_resource_fails():
    site = observed()
    site.value = errors.ServiceUnavailable()
    assert site.observe(value=b"\1").code == n.SERVICE_UNAVAILABLE
    assert dropped(site)


@statement("4.1", "TEXT", "Neither another endpoint nor another token removes it")
def test_deregistration_by_another():
    site = observed()
    site.observe(value=b"\1", peer=OTHER)
    site.observe(value=b"\1", peer=CLIENT[:4] + b"\0\1")
    site.observe(value=b"\1", token=b"ob2")
    assert len(site.change(b"22")) == 1


@statement("4.1", "MUST", "A request with another method than GET has no direct effect on the list of observers")
def test_other_method_leaves_the_observers():
    site = Site()
    site.observe(code=n.PUT, payload=b"22")  # Observe 0 adds nobody
    assert site.wait(5000) == [] and dropped(site)
    site = observed()
    assert site.observe(code=n.PUT, value=b"\1", payload=b"22").code == n.CHANGED  # nor does Observe 1 remove one
    assert site.observe(code=n.DELETE, value=b"\1").code == n.METHOD_NOT_ALLOWED
    assert [packet.payload for packet in site.wait(5000)] == [b"22"]
    assert len(site.change(b"23")) == 1


@statement("4.1", "TEXT", "A request that fails adds no entry")
def test_failing_request_adds_no_observer():
    site = Site()
    site.value = errors.Forbidden()
    sent = site.observe()
    assert sent.code == n.FORBIDDEN and sent.option(n.OBSERVE) is None and dropped(site)


# §4.2


@statement("4.2", "MUST", "Each notification echoes the token of the registration")
def test_notification_has_the_token():
    for token in (b"", b"\0", b"12345678"):
        site = Site()
        assert site.observe(token=token).token == token
        assert [packet.token for packet in site.change(b"22")] == [token]


@statement("4.2", "SHOULD", "A notification is 2.05 (Content) or 2.03 (Valid)")
@statement("4.2", "MUST", "A 2.xx notification has an Observe option")
def test_notification_is_content_with_observe():
    (sent,) = observed().change(b"22")
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is not None and sent.payload == b"22"


@statement("4.2", "SHOULD", "Where a GET would fail now, the notification has that code")
@statement("4.2", "MUST", "The entry is removed then")
@statement("4.2", "MUST", "A notification that is no 2.xx has no Observe option")
def test_error_notification_is_the_last():
    site = observed()
    (sent,) = site.change(errors.NotFound())
    assert sent.code == n.NOT_FOUND and sent.option(n.OBSERVE) is None and sent.token == b"ob"
    assert dropped(site)


@statement("4.2", "MUST", "Content-Format is the same in all 2.xx notifications to one registration")
@statement("4.2", "SHOULD", "Where that cannot be, the notification is 4.06 (Not Acceptable)")
@statement("4.2", "MUST", "The entry is removed after that 4.06")
def test_content_format_of_notifications():
    site = Site()
    formats = [0]
    resource = Resource("r", observable=True)
    site.server.add(resource, GET=lambda request: Response(b"x", content_format=formats[0]))
    assert site.observe([(n.URI_PATH, b"r")]).option(n.CONTENT_FORMAT) == b""
    site.server.changed("r", site.wire.now)
    (sent,) = site.wait(5000)
    assert sent.option(n.CONTENT_FORMAT) == b""
    formats[0] = 60
    site.server.changed("r", site.wire.now)
    (sent,) = site.wait(5000)
    assert sent.code == n.NOT_ACCEPTABLE and sent.option(n.OBSERVE) is None
    formats[0] = 0
    site.server.changed("r", site.wire.now)
    assert site.wait(5000) == []


# §4.3


@statement("4.3.1", "MUST", "The observed state is kept as close to the actual one as can be: each change is notified")
def test_changes_are_notified():
    site = observed()
    for value in (b"22", b"23", b"24"):
        assert site.change(value)[-1].payload == value
    site.ask(code=n.PUT, payload=b"25")
    assert [packet.payload for packet in site.wait(5000)] == [b"25"]


@statement("4.3.1", "TEXT", "Of states that follow each other too fast, the last one is notified in any case")
def test_last_state_is_notified():
    site = observed()
    sent = []
    for i in range(20):
        sent += site.change(b"%d" % i, span=300)
    sent += site.wait(5000)
    assert sent[-1].payload == b"19" and len(sent) < 6


@statement("4.3.1", "MUST", "A notification says by Max-Age how long it may be taken for the actual state")
def test_notifications_have_max_age():
    (sent,) = observed().change(b"22")
    assert sent.option(n.MAX_AGE) == b"\x1e"


@statement("4.3.2", "TEXT", "A representation whose ETag the registration had may be notified by 2.03 (Valid)")
def test_valid_notification():
    site = Site()
    tags = [b"v1"]
    site.server.add(Resource("r", observable=True), GET=lambda request: Response(tags[0], etag=tags[0]))
    site.observe([(n.ETAG, b"v2"), (n.URI_PATH, b"r")])
    tags[0] = b"v2"
    site.server.changed("r", site.wire.now)
    (sent,) = site.wait(5000)
    assert sent.option(n.ETAG) == b"v2" and sent.option(n.OBSERVE) is not None
    assert (sent.code, sent.payload) == (n.VALID, b"")


# §4.4


@statement("4.4", "MUST", "Observe is the 24 least significant bits of a number that rises strictly")
@statement("4.4", "MUST", "It is greater than in any notification before, for the same client, token and resource")
def test_numbers_rise():
    site = Site()
    last = uint(site.observe().option(n.OBSERVE))
    for i in range(40):
        (sent,) = site.change(b"%d" % i)
        number = uint(sent.option(n.OBSERVE))
        assert 0 < number - last & 0xFFFFFF < 0x800000 and len(sent.option(n.OBSERVE)) <= 3
        last = number
    again = uint(site.observe().option(n.OBSERVE))
    assert 0 < again - last & 0xFFFFFF < 0x800000


@statement("4.4", "MUST", "It does not rise by more than 2^24 within 256 s")
def test_numbers_do_not_rise_too_fast():
    site = observed()
    numbers = []
    for i in range(50):
        numbers += [uint(packet.option(n.OBSERVE)) for packet in site.change(b"%d" % i, span=5000)]
    assert numbers[-1] - numbers[0] & 0xFFFFFF < 2000


not_claimed(
    "4.4",
    "MUST",
    "Observe is brought up to date in a notification that is sent again",
    "what is sent again is the same message with the same state; a newer state goes out in a notification of its own, "
    "with a greater number, as soon as the one before is acknowledged or given up",
)


# §4.5


@statement("4.5", "MUST", "A Reset of a Confirmable notification removes the entry")
def test_reset_of_a_confirmable_notification():
    site = observed()
    for i in range(40):
        for sent in site.change(b"%d" % i, span=5000, acknowledge=False):
            if sent.kind == n.CON:
                site.receive(datagram(n.RST, 0, sent.mid))
                assert dropped(site)
                return
    raise AssertionError("no Confirmable notification")


@statement("4.5", "MUST", "A Reset of a Non-confirmable notification removes the entry")
def test_reset_of_a_non_confirmable_notification():
    site = observed()
    (sent,) = site.change(b"22")
    assert sent.kind == n.NON
    site.receive(datagram(n.RST, 0, sent.mid), OTHER)
    site.receive(datagram(n.RST, 0, sent.mid ^ 1))
    (sent,) = site.change(b"23")
    site.receive(datagram(n.RST, 0, sent.mid))
    assert dropped(site)


not_claimed(
    "4.5",
    "TEXT",
    "For that, the Message IDs of all Non-confirmable notifications are remembered",
    "that of the last one to each observer is; who has reset an older one resets the next one too",
)


@statement("4.5", "MUST", "A Confirmable notification whose last retransmission times out removes the entry")
def test_silence_removes_the_observer():
    site = observed()
    for i in range(40):
        site.change(b"%d" % i, span=5000, acknowledge=False)
    site.wait(120000)
    assert dropped(site)


@statement("4.5", "MUST", "At least every 24 hours a notification is Confirmable")
def test_confirmable_notification_within_a_day():
    site = observed()
    kinds = []
    for i in range(4):
        kinds += [packet.kind for packet in site.change(b"%d" % i)]
        site.wait(DAY // 4)
    assert n.CON in kinds


@statement("4.5", "TEXT", "An acknowledgement keeps the entry")
def test_acknowledgement_keeps_the_observer():
    site = observed()
    for i in range(60):
        assert len(site.change(b"%d" % i)) == 1


@statement("4.5.1", "SHOULD", "There is at most one Non-confirmable notification to a client every 3 s")
def test_at_most_one_notification_in_3_s():
    site = observed()
    sent = []
    for i in range(100):
        sent += site.change(b"%d" % i, span=300)
    times = [packet.at for packet in sent if packet.kind == n.NON]
    assert len(times) > 3 and min(b - a for a, b in zip(times, times[1:])) >= 3000


@statement("4.5.1", "TEXT", "Confirmable notifications to one client are outstanding NSTART at a time")
def test_nstart_of_notifications():
    site = Site(observers=2)
    site.observe(token=b"1")
    site.observe(token=b"2")
    outstanding = set()
    for i in range(40):
        for sent in site.change(b"%d" % i, span=4000, acknowledge=False):
            if sent.kind == n.CON:
                outstanding.add(sent.mid)
        if outstanding:
            break
    assert len(outstanding) == 1


@statement("4.5.2", "TEXT", "While one is outstanding, newer states wait; then the latest of them is sent")
def test_newer_states_wait_for_an_outstanding_notification():
    site = observed()
    for i in range(40):
        sent = site.change(b"%d" % i, span=4000, acknowledge=False)
        if sent and sent[-1].kind == n.CON:
            break
    one = sent[-1]
    for value in (b"a", b"b", b"c"):
        assert {packet.mid for packet in site.change(value, span=1000, acknowledge=False)} <= {one.mid}
    site.receive(datagram(n.ACK, 0, one.mid))
    assert [packet.payload for packet in site.port.sent() + site.wait(5000)] == [b"c"]


# §5 to §7


def through_a_proxy():
    """A proxy whose client observes coap://192.0.2.5/r, and the registration that has gone on."""
    site = Proxies()
    return site, site.asked(single(more=[(n.OBSERVE, b"")]), kind=n.CON)


@statement("5", "SHOULD", "An intermediary registers its own interest with the next hop")
def test_intermediary_registers_with_the_next_hop():
    site, request = through_a_proxy()
    assert (request.src, request.peer, request.option(n.OBSERVE)) == (outside(PROXY), SERVER, b"")
    sent = site.relayed(request, SERVER, [(n.OBSERVE, b"\x05")], b"1", kind=n.ACK)
    assert (sent.peer, sent.kind, sent.payload) == (CLIENT, n.ACK, b"1") and sent.option(n.OBSERVE) is not None
    sent = site.relayed(request, SERVER, [(n.OBSERVE, b"\x06")], b"2")
    assert (sent.peer, sent.token, sent.payload) == (CLIENT, b"tok", b"2") and sent.option(n.OBSERVE) is not None


@statement("5", "TEXT", "Where the next hop does not observe, neither does the response have Observe")
def test_next_hop_without_observe():
    site, request = through_a_proxy()
    assert site.relayed(request, SERVER, kind=n.ACK).option(n.OBSERVE) is None and site.free() == 8


@statement("5", "MUST", "Each hop decides by itself of which type its notifications are")
@statement("5", "MUST", "Each hop has its own values of Observe")
def test_hops_are_apart():
    site, request = through_a_proxy()
    site.answer(request, SERVER, [(n.OBSERVE, b"\x64")], kind=n.ACK)
    kinds = []
    numbers = []
    for i in range(10):
        sent = site.answer(request, SERVER, [(n.OBSERVE, bytes((101 + i,)))], kind=n.CON)
        (ack,) = [packet for packet in sent if packet.peer == SERVER]
        (notification,) = [packet for packet in sent if packet.peer == CLIENT]
        assert ack.kind == n.ACK
        kinds.append(notification.kind)
        numbers.append(notification.option(n.OBSERVE)[0])
    assert kinds.count(n.NON) == 9 and kinds.count(n.CON) == 1
    assert numbers == sorted(set(numbers)) and max(numbers) < 100


@statement("5", "MUST", "Max-Age is as the age of what the hop has: relayed at once, it is that of the server")
def test_max_age_of_a_relayed_notification():
    site, request = through_a_proxy()
    for number, kind in ((1, n.ACK), (2, n.NON)):
        sent = site.relayed(request, SERVER, [(n.OBSERVE, bytes((number,))), (n.MAX_AGE, b"\x1e")], kind=kind)
        assert sent.option(n.MAX_AGE) == b"\x1e"


not_claimed(
    "5",
    "MUST",
    "An intermediary registers once at the next hop for all of its clients",
    "each client's observation goes on under a token of its own, so that Resets, verification and early stop concern "
    "that client alone; there are four places for observations unless the configuration says otherwise",
)


@statement("6", "MUST", "The attribute obs has no value and stands once in a link")
def test_obs_attribute():
    links = Site().answer(CORE).payload.split(b",")
    (link,) = [link for link in links if link.startswith(b"</temp>")]
    assert link.count(b";obs") == 1 and b";obs=" not in link
    assert [link for link in links if link.startswith(b"</log>") and b"obs" in link] == []


@statement("6", "MUST", "A parser ignores obs where it stands in a link for a second time")
def test_second_obs_is_ignored():
    assert list(parse(b'</temp>;obs;ct=0;obs="x",</log>')) == [("/temp", {"obs": True, "ct": "0"}), ("/log", {})]


not_claimed(
    "6",
    "MUST",
    "A parser ignores a value of obs",
    "attributes are handed on as they stand in the link; what matters is that obs is among them",
)


@statement("7", "MUST", "Non-confirmable notifications are interspersed with Confirmable ones")
@statement("7", "SHOULD", "The number of notifications between two acknowledgements is limited strictly")
def test_notifications_between_acknowledgements():
    site = observed()
    kinds = [packet.kind for i in range(60) for packet in site.change(b"%d" % i)]
    longest = max(len(run) for run in "".join(map(str, kinds)).split(str(n.CON)))
    assert n.CON in kinds and longest <= 10


@statement("7", "TEXT", "A flood of registrations takes no more than the table holds")
def test_flood_of_registrations():
    site = Site(observers=4)
    for i in range(300):
        peer = CLIENT[:4] + bytes((i >> 8, i & 255))
        assert site.observe(peer=peer).code == n.CONTENT
    assert len(site.change(b"22")) == 4
    assert site.code() == n.CONTENT
