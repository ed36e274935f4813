"""A server that has met a fault goes on: late loops, a full heap, handlers that fail, peers that fill its tables."""

from groupcoap import numbers as n
from groupcoap import option_names
from groupcoap.echo import Echo
from groupcoap.server import Response
from groupcoap.timers import MAX_SPAN, Timers, after
from test_server import TEMP, Site
from test_server_async import ACK_DELAY, REGISTER, L, Slow
from test_server_uploads import X16, block
from wire import CLIENT, MULTICAST_SIGNALING, NEAR_WRAP, OTHER, RESPONSE_FORWARDING, STRANGER, Owner, Wire

INTERVAL = 3000  # ms between notifications
NON_LIFETIME = 145000  # ms
P = [(n.URI_PATH, b"p")]
NOWHERE = [(n.URI_PATH, b"nowhere")]


def changing(**settings):
    """A site whose /p takes POST, for groups too; `effects` grows with each."""
    site = Site(**settings)
    site.effects = []

    def post(request):
        site.effects.append(bytes(request.payload()))
        return b"done"

    site.add("p", post, "POST", group=True)
    return site


class Full:
    """While it lasts, nothing can be sent from this site: the heap has no room for it."""

    def __init__(self, site):
        self._endpoint = site.port.endpoint

    def __enter__(self):
        self._transmit, self._endpoint.transmit = self._endpoint.transmit, self._fail

    def __exit__(self, *_):
        self._endpoint.transmit = self._transmit

    def _fail(self, buf, length, peer):
        raise MemoryError


def raises(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return True
    return False


# Timers


def test_timer_as_far_ahead_as_may_be_does_not_stop_those_that_are_overdue():
    for late in (0, 1, 50, 60000, MAX_SPAN - 10):
        timers, due = Timers(), []
        first = timers.reserve(3, lambda i, now, due=due: due.append(i))
        begin = after(NEAR_WRAP, 50)
        timers.set(first, begin)
        timers.set(first + 1, after(begin, 10))
        now = after(after(begin, 10), late)
        timers.set(first + 2, after(now, 0x7FFFFFFF))
        assert timers.poll_at() == begin, late
        timers.poll(now)
        assert due == [0, 1], late


def test_message_is_repeated_although_a_far_deadline_is_set_while_it_is_overdue():
    wire = Wire()
    endpoint = wire.port().endpoint
    far = wire.timers.reserve(1, lambda i, now: None)
    owner = Owner()
    endpoint.out.begin(n.CON, n.GET, 77, b"q")
    assert endpoint.send_confirmable(OTHER, owner, 0, wire.now)
    wire.now = after(wire.timers.poll_at(), 20)  # the loop is late
    wire.timers.set(far, after(wire.now, 0x7FFFFFFF))
    for _ in range(100):
        wire.timers.poll(wire.now)
        wire.now = after(wire.now, 1000)
    assert owner.failures == [(0, False)]


# What is kept for requests that come again


def test_posts_to_a_group_that_are_for_nobody_here_take_no_place():
    for kind, path in ((n.NON, NOWHERE), (n.CON, NOWHERE), (n.CON, P)):
        site = changing()
        for i in range(20):
            assert site.ask(path, kind, n.POST, b"x", 1000 + i, OTHER, group=1) == []
        site.wait(10000)
        assert site.effects == []
        (sent,) = site.ask(P, code=n.POST, payload=b"y")
        assert (sent.code, site.effects) == (n.CHANGED, [b"y"]), (kind, path)


def test_posts_that_were_refused_give_way():
    def busy(request):
        return Response(b"", code=n.SERVICE_UNAVAILABLE)

    for path, code in ((NOWHERE, n.NOT_FOUND), (TEMP, n.METHOD_NOT_ALLOWED), ([(n.URI_PATH, b"b")], None)):
        site = changing()
        site.add("b", busy, "POST")
        for i in range(20):
            (sent,) = site.ask(path, code=n.POST, mid=1000 + i, peer=OTHER)
            assert sent.code == (code or n.SERVICE_UNAVAILABLE), i
        (sent,) = site.ask(P, code=n.POST)
        assert sent.code == n.CHANGED, path


def test_posts_that_had_an_effect_do_not_give_way():
    site = changing()
    for i in range(16):
        assert site.ask(P, code=n.POST, mid=1000 + i, peer=OTHER)[0].code == n.CHANGED
    assert site.ask(P, code=n.POST, mid=2000, peer=OTHER)[0].code == n.SERVICE_UNAVAILABLE
    assert site.ask(P, code=n.POST, mid=1000, peer=OTHER)[0].code == n.CHANGED and len(site.effects) == 16


def test_who_posts_much_does_not_keep_another_out():
    site = changing()
    for i in range(16):
        site.ask(P, code=n.POST, mid=1000 + i, peer=OTHER)
    assert site.ask(P, code=n.POST)[0].code == n.CHANGED
    for i in range(1, 16):  # all but the oldest are known as before
        site.ask(P, code=n.POST, mid=1000 + i, peer=OTHER)
    assert len(site.effects) == 17


def test_message_of_the_handlers_own_is_not_kept_as_the_answer():
    for kind in (n.CON, n.NON):
        for own in (n.CON, n.NON):
            site = Site()
            endpoint = site.port.endpoint

            def post(request, endpoint=endpoint, own=own):
                endpoint.out.begin(own, n.GET, 7 if own == n.CON else endpoint.next_mid(), b"own")
                endpoint.send(CLIENT)
                return b"done"

            site.add("own", post, "POST")
            path = [(n.URI_PATH, b"own")]
            first = site.ask(path, kind, n.POST, mid=7)
            assert [sent.token for sent in first] == [b"own", b"tk"]
            again = site.ask(path, kind, n.POST, mid=7)
            assert [sent.raw for sent in again] == ([first[1].raw] if kind == n.CON else [])


def test_place_of_a_non_sends_nothing_for_a_con_of_the_same_message_id():
    site = changing()
    for token in (b"", b"12345678"):
        mid = 5 + len(token)
        assert len(site.ask(P, n.NON, n.POST, b"x", mid, token=token)) == 1
        assert site.ask(P, n.CON, n.POST, b"y", mid) == [] == site.ask(P, n.NON, n.POST, b"y", mid, token=token)
    site.wait(NON_LIFETIME)
    assert site.ask(P, n.CON, n.POST, b"y", 5)[0].code == n.CHANGED and site.effects == [b"x", b"x", b"y"]


# Async resources


def test_answer_that_cannot_be_sent_gives_its_place_back():
    for wait in (0, ACK_DELAY):
        for code in (n.GET, n.POST):
            site = Slow(later=1)
            for token in (b"1", b"2", b"3"):
                site.begin(kind=n.CON if wait else n.NON, code=code, token=token)
                assert len(site.wait(wait)) == (1 if wait else 0)
                with Full(site):
                    raises(MemoryError, site.end)
                site.wait(200000)
            site.begin(token=b"4")
            assert site.end()[0].payload == b"late"


def test_body_that_is_none_gives_its_place_back():
    class Stream:
        def readinto(self, buf):
            return 0

    site = Slow(later=1)
    site.result = Response(Stream(), code=n.NOT_FOUND)
    for token in (b"1", b"2"):
        site.begin(code=n.POST, token=token)
        raises(Exception, site.end)
        site.port.sent()
    site.result = b"late"
    site.begin(code=n.POST, token=b"3")
    assert site.end()[0].payload == b"late"


def test_upload_whose_answer_cannot_be_sent_gives_its_place_back():
    site = Slow(later=1, uploads=1)
    first, last = L + [(n.BLOCK1, block(0, True))], L + [(n.BLOCK1, block(1))]
    assert site.ask(first, code=n.PUT, payload=X16)[0].code == n.CONTINUE
    site.begin(last, kind=n.NON, code=n.PUT, payload=b"end")
    with Full(site):
        raises(MemoryError, site.end)
    site.wait(300000)
    assert site.ask(first, code=n.PUT, payload=X16, peer=OTHER)[0].code == n.CONTINUE
    site.begin(last, code=n.PUT, payload=b"2", peer=OTHER)
    assert site.end()[0].code == n.CHANGED and site.effects == [X16 + b"end", X16 + b"2"]


def change(site, path="l"):
    site.server.changed(path, site.wire.now)
    return site.wait(0)


def test_observer_of_an_async_resource_that_could_not_be_told_is_told_later():
    site = Slow(later=1)
    site.begin(REGISTER)
    assert site.end()[0].option(n.OBSERVE) is not None
    assert change(site) == []
    with Full(site):
        raises(MemoryError, site.end)
    assert site.wait(INTERVAL) == [] and len(site.runs) == 1
    (sent,) = site.end()
    assert sent.payload == b"late" and sent.option(n.OBSERVE) is not None and len(site.server.observers) == 1


def test_observer_that_could_not_be_told_is_told_later():
    site = Site()
    site.add("o", lambda request: site.value, observable=True)
    path = [(n.URI_PATH, b"o")]
    assert site.ask([(n.OBSERVE, b"")] + path)[0].option(n.OBSERVE) is not None
    with Full(site):
        raises(MemoryError, change, site, "o")
    site.value = b"22"
    (sent,) = site.wait(INTERVAL)
    assert sent.payload == b"22" and sent.option(n.OBSERVE) is not None
    site.wait(INTERVAL)
    site.value = b"23"
    assert [sent.payload for sent in change(site, "o")] == [b"23"]


def test_observer_whose_value_could_not_be_made_is_told_later():
    site = Site()
    site.add("o", lambda request: site.value, observable=True)
    site.ask([(n.OBSERVE, b""), (n.URI_PATH, b"o")])
    conclude = site.server.conclude

    def fail(*arguments):
        raise MemoryError

    site.server.conclude = fail
    raises(MemoryError, change, site, "o")
    site.server.conclude = conclude
    assert [sent.payload for sent in site.wait(INTERVAL)] == [b"21.5"]


# Failures that cannot even be told


def test_answer_is_5_00_also_where_the_failure_cannot_be_reported():
    def report(error):
        raise OSError(5)

    def read(request):
        raise MemoryError

    site = Slow()
    site.server.failed = report
    site.add("b", read, observable=True)
    for kind in (n.CON, n.NON):
        (sent,) = site.ask([(n.URI_PATH, b"b")], kind)
        assert (sent.code, sent.payload) == (n.INTERNAL_SERVER_ERROR, b"")
    site.result = ValueError("x")
    for code in (n.GET, n.POST):
        site.begin(code=code)
        assert site.end()[0].code == n.INTERNAL_SERVER_ERROR
    assert site.ask(TEMP)[0].payload == b"21.5"


# Groups


def large(**settings):
    """A site with Echo, and a resource /big for groups whose answer needs it."""
    site = Site(**settings)
    site.server.echo = Echo(site.wire.entropy)
    site.add("big", lambda request: bytes(300), group=True)
    return site


BIG = [(n.URI_PATH, b"big")]


def group_answer(site, options, peer=CLIENT):
    site.ask_group(options, peer=peer)
    (sent,) = site.wait(2000)
    assert sent.peer == peer
    return sent


def test_echo_that_is_given_back_by_unicast_is_good_for_the_next_group_request():
    for path in (BIG, TEMP):
        site = large()
        challenge = group_answer(site, BIG)
        assert challenge.code == n.UNAUTHORIZED
        (sent,) = site.ask(path + [(n.ECHO, challenge.option(n.ECHO))])
        assert sent.code == n.CONTENT
        assert group_answer(site, BIG).code == n.CONTENT, path
        assert group_answer(site, BIG, STRANGER).code == n.UNAUTHORIZED


def test_echo_of_another_peer_verifies_nobody():
    site = large()
    value = group_answer(site, BIG).option(n.ECHO)
    assert site.ask(BIG + [(n.ECHO, value)], peer=OTHER)[0].code == n.CONTENT
    assert group_answer(site, BIG, OTHER).code == group_answer(site, BIG).code == n.UNAUTHORIZED


def test_response_forwarding_of_a_lower_number_keeps_the_order_of_options():
    option_names.renumber("Response-Forwarding", 44)
    try:
        site = large()
        site.add("u", lambda request: None, "PUT")
        plain = group_answer(site, TEMP + [(MULTICAST_SIGNALING, b"")])
        challenge = group_answer(site, BIG + [(MULTICAST_SIGNALING, b"")])
        options = [(n.URI_PATH, b"u"), (n.BLOCK1, block(0, True)), (n.SIZE1, b"\xff\xff"), (MULTICAST_SIGNALING, b"")]
        (refused,) = site.ask(options, code=n.PUT, payload=X16)
    finally:
        option_names.renumber("Response-Forwarding", RESPONSE_FORWARDING)
    assert [number for number, _ in plain.options] == [n.CONTENT_FORMAT, n.MAX_AGE, 44]
    assert [number for number, _ in challenge.options] == [44, n.ECHO] and challenge.code == n.UNAUTHORIZED
    assert refused.code == n.REQUEST_ENTITY_TOO_LARGE
    assert [number for number, _ in refused.options] == [44, n.SIZE1]


def test_period_that_ended_while_the_loop_was_late_makes_no_answer_leave_at_once():
    site = Site()
    site.wire.dice = b"\x80\0"
    site.ask_group(TEMP)  # Leisure: 1 s
    site.wire.now = after(site.wire.now, 1900)
    site.ask_group(TEMP, peer=OTHER)
    site.wire.timers.poll(site.wire.now)
    assert [sent.peer for sent in site.port.sent()] == [CLIENT]
    assert site.wait(499) == [] and [sent.peer for sent in site.wait(1)] == [OTHER]


def test_answers_to_several_requests_in_a_late_moment_keep_one_period_each():
    site = Site()
    site.wire.dice = b"\x80\0"
    site.ask_group(TEMP)
    site.wire.now = after(site.wire.now, 10000)
    for peer in (OTHER, STRANGER):
        site.ask_group(TEMP, peer=peer)
    site.wire.timers.poll(site.wire.now)
    site.port.sent()
    assert [sent.peer for sent in site.wait(500)] == [OTHER]
    assert site.wait(999) == [] and [sent.peer for sent in site.wait(1)] == [STRANGER]
