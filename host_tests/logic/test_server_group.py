"""A server as a member of groups: Leisure, suppression, Echo (RFC 7252 §8; groupcomm-bis §3; RFC 9175 §2.6)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.echo import Echo
from groupcoap.message import Message
from groupcoap.errors import Forbidden
from groupcoap.resource import EMPTY, SUPPRESS
from groupcoap.server import Resource
from test_server import TEMP, Site
from wire import CLIENT, OTHER, STRANGER, UNKNOWN_CRITICAL, Wire, datagram

E = [(n.URI_PATH, b"e")]
ALWAYS = 0  # `suppress`: nothing


class Choosy(Site):
    """A site with a resource /e of a suppression of its own, that gives or raises `result`."""

    def __init__(self, suppress, result=b"", **settings):
        super().__init__(**settings)
        self.result = result
        self.server.add(Resource("e", group=True, suppress=suppress), GET=self.give, PUT=self.give)

    def give(self, request):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def codes(self, options=E, **request):
        """The codes of what is answered within some time."""
        self.ask_group(options, **request)
        return [sent.code for sent in self.wait(5000)]


# Memberships


def test_membership_that_was_left_is_silent():
    site = Site()
    site.server.leave(1, site.wire.now)
    site.ask_group(group=1)
    site.ask_group(group=1, code=n.PUT, payload=b"x")
    assert site.wait(5000) == [] and site.value == b"21.5"
    site.ask_group(group=2)
    assert len(site.wait(5000)) == 1


def test_what_waits_for_a_membership_that_is_left_is_forgotten():
    site = Site(waiting=2)
    site.wire.dice = b"\x80\0"
    site.ask_group(group=1, token=b"1")
    site.ask_group(group=2, token=b"2")
    site.server.leave(1, site.wire.now)
    assert [sent.token for sent in site.wait(10000)] == [b"2"]
    site.ask_group(group=2, token=b"3")
    site.ask_group(group=2, token=b"4")
    assert len(site.wait(10000)) == 2  # its place is free


def test_all_that_waits_for_a_membership_that_is_left_is_forgotten():
    site = Site()
    for token in (b"1", b"2", b"3"):
        site.ask_group(token=token)
    site.server.leave(1, site.wire.now)
    assert site.wait(10000) == []


def test_membership_without_a_leisure_is_one():
    site = Site(leisures=())
    assert [site.server.join(0), site.server.join(0)] == [1, 2]


def test_number_of_a_membership_that_was_left_is_given_again():
    site = Site(leisures=(10, 20, 30), memberships=3)
    site.server.leave(2, site.wire.now)
    assert site.server.join(40) == 2
    site.wire.dice = b"\xff\xff"
    site.ask_group(group=2)
    assert site.wait(1000)[0].at == 39


def test_new_membership_has_no_period_of_the_one_before_it():
    site = Site(leisures=(5000,))
    site.wire.dice = b"\0"
    site.ask_group()
    assert len(site.wait(0)) == 1
    site.server.leave(1, site.wire.now)
    site.server.join(100)
    site.ask_group()
    assert [sent.at for sent in site.wait(10000)] == [0]


def test_period_of_a_new_membership_is_not_ended_by_one_before_it():
    site = Site(leisures=(5000,))
    site.wire.dice = b"\0"
    site.ask_group()
    site.server.leave(1, site.wire.now)
    site.server.join(20000)
    site.wait(4000)
    site.ask_group()
    site.wait(2000)
    site.ask_group()
    assert [sent.at for sent in site.wait(50000)] == [24000]


def test_leisure_of_0_answers_at_once():
    site = Site(leisures=(0,))
    site.ask_group()
    assert len(site.wait(0)) == 1


def test_request_of_a_method_that_is_not_known_is_silent():
    assert Site().ask(TEMP, n.NON, code=8, group=1) == []


def test_only_non_requests_are_taken():
    for kind in (n.CON, n.ACK, n.RST):
        site = Site()
        assert site.ask(TEMP, kind, group=1) == [] and site.wait(5000) == []
        assert site.ask(TEMP, kind, code=n.POST, group=1) == [] and site.wait(5000) == []


def test_leisure_of_20_s_is_spread_over_all_of_it():
    site = Site(leisures=(20000,))
    for dice, at in ((b"\xff\xff", 19999), (b"\x40\0", 20000 + 5000)):
        site.wire.dice = dice
        site.ask_group()
        assert [sent.at for sent in site.wait(20000)] == [at]


def test_no_answer_is_sent_twice():
    site = Site()
    site.ask_group()
    assert len(site.wait(100000)) == 1


def test_fetch_is_answered_from_what_it_carried():
    site = Site()
    site.add("f", lambda request: b"<" + bytes(request.payload()) + b">", "FETCH", group=True)
    site.ask_group([(n.URI_PATH, b"f")], code=n.FETCH, payload=b"what")
    (sent,) = site.wait(1000)
    assert sent.code == n.CONTENT and sent.payload == b"<what>"


def test_answer_of_a_put_is_what_it_was_at_its_time():
    site = Choosy(SUPPRESS, b"one")
    site.wire.dice = b"\x80\0"
    site.ask_group(E, code=n.PUT)
    site.result = b"two"
    assert [sent.payload for sent in site.wait(1000)] == [b"one"]


def test_put_whose_answer_is_suppressed_takes_no_period():
    site = Choosy(SUPPRESS, b"")
    site.wire.dice = b"\0"
    site.ask_group(E, code=n.PUT)
    site.ask_group(TEMP)
    assert [sent.at for sent in site.wait(5000)] == [0]


def test_change_by_a_group_put_is_told():
    site = Site()
    site.server.add(Resource("o", observable=True, group=True), GET=site.read, PUT=site.write)
    site.ask([(n.OBSERVE, b""), (n.URI_PATH, b"o")])
    site.ask_group([(n.URI_PATH, b"o")], code=n.PUT, payload=b"9")
    assert [sent.payload for sent in site.wait(5000)] == [b"9"]


def test_large_answer_to_a_group_is_its_first_block():
    site = Site(block_size=32)
    site.value = bytes(range(40))
    site.ask_group()
    (sent,) = site.wait(1000)
    assert sent.option(n.BLOCK2) == b"\x09" and sent.payload == site.value[:32]
    (rest,) = site.ask(TEMP + [(n.BLOCK2, b"\x11")])
    assert rest.payload == site.value[32:] and rest.option(n.ETAG) == sent.option(n.ETAG)


def test_later_block_may_be_asked_for_by_group_request():
    site = Site(block_size=32)
    site.value = bytes(range(40))
    site.ask_group(TEMP + [(n.BLOCK2, b"\x11")])
    (sent,) = site.wait(1000)
    assert sent.payload == site.value[32:] and sent.option(n.BLOCK2) == b"\x11"


def test_block1_to_a_group_is_ignored():
    for value in (b"", b"\x08", b"\x10"):
        site = Site()
        site.ask_group(TEMP + [(n.BLOCK1, value)], code=n.PUT, payload=b"0123456789abcdef")
        assert site.wait(5000) == [] and site.value == b"21.5" and site.server.suppressed == 1


def test_known_etag_is_answered_2_03():
    site = Site()
    tag = site.server.etag(site.value)
    site.ask_group([(n.ETAG, tag)] + TEMP)
    (sent,) = site.wait(1000)
    assert sent.code == n.VALID and sent.option(n.ETAG) == tag


# Suppression


def test_resource_says_what_it_suppresses():
    error, fault = Forbidden(), OSError()
    for suppress, result, codes in (
        (SUPPRESS, b"x", [n.CONTENT]), (SUPPRESS, b"", []), (SUPPRESS, error, []), (SUPPRESS, fault, []),
        (ALWAYS, b"x", [n.CONTENT]), (ALWAYS, b"", [n.CONTENT]), (ALWAYS, error, [n.FORBIDDEN]),
        (ALWAYS, fault, [n.INTERNAL_SERVER_ERROR]),
        (8, b"", [n.CONTENT]), (8, error, []), (8, fault, [n.INTERNAL_SERVER_ERROR]),
        (16, error, [n.FORBIDDEN]), (16, fault, []),
        (EMPTY, b"", []), (EMPTY, b"x", [n.CONTENT]), (EMPTY, error, [n.FORBIDDEN]),
        (2, b"x", []), (2, error, [n.FORBIDDEN]),
    ):  # fmt: skip
        site = Choosy(suppress, result)
        assert site.codes() == codes, (suppress, result)
        assert site.server.suppressed == 1 - len(codes)


def test_put_is_suppressed_alike():
    assert Choosy(SUPPRESS, b"").codes(code=n.PUT) == [] and Choosy(ALWAYS, b"").codes(code=n.PUT) == [n.CHANGED]
    assert Choosy(ALWAYS, Forbidden()).codes(code=n.PUT) == [n.FORBIDDEN]


def test_no_response_widens_what_a_resource_suppresses():
    for value, result in ((b"\x02", b"x"), (b"\x08", Forbidden()), (b"\x10", OSError())):
        assert Choosy(ALWAYS, result).codes(E + [(n.NO_RESPONSE, value)]) == [], value
        assert len(Choosy(ALWAYS, result).codes(E + [(n.NO_RESPONSE, b"\x04")])) == 1


def test_no_response_does_not_narrow_it():
    for value in (b"", b"\x02"):
        assert Choosy(SUPPRESS, Forbidden()).codes(E + [(n.NO_RESPONSE, value)]) == []


def test_bad_option_is_never_told():
    assert Choosy(ALWAYS, b"x").codes(E + [(UNKNOWN_CRITICAL, b"")]) == []
    assert Choosy(ALWAYS, b"x").codes(E + [(UNKNOWN_CRITICAL, b"")], code=n.PUT) == []


def test_method_that_is_not_there_is_told_where_errors_are():
    assert Choosy(ALWAYS).codes(code=n.POST) == [n.METHOD_NOT_ALLOWED] and Choosy(SUPPRESS).codes(code=n.POST) == []


# Echo


class Challenging(Site):
    """A site that challenges: above 20 bytes, and more than 3 times the request."""

    def __init__(self, value=bytes(100), places=8, factor=3, **settings):
        self.echo = Echo(Wire().entropy, threshold=20, factor=factor, places=places)
        super().__init__(echo=self.echo, **settings)
        self.value = value

    def answer(self, options=TEMP, **request):
        self.ask_group(sorted(options), **request)
        (sent,) = self.wait(1000)
        return sent

    def challenge(self, **request):
        sent = self.answer(**request)
        assert sent.code == n.UNAUTHORIZED and sent.payload == b""
        return sent.option(n.ECHO)


def test_large_answer_is_challenged_first():
    site = Challenging()
    sent = site.answer()
    assert sent.kind == n.NON and sent.code == n.UNAUTHORIZED and sent.payload == b"" and len(sent.raw) <= 20
    assert [o for o, _ in sent.options] == [n.ECHO] and 1 <= len(sent.option(n.ECHO)) <= 40
    assert site.echo.challenges == 1


def test_challenge_that_comes_back_is_answered_and_remembered():
    site = Challenging()
    echo = site.challenge()
    assert site.answer(TEMP + [(n.ECHO, echo)]).payload == site.value
    assert site.answer().payload == site.value and site.echo.challenges == 1


def test_challenge_is_for_one_address():
    site = Challenging()
    echo = site.challenge()
    assert site.answer(TEMP + [(n.ECHO, echo)], peer=OTHER).code == n.UNAUTHORIZED
    assert site.answer().code == n.UNAUTHORIZED
    assert site.challenge(peer=OTHER) != echo


def test_wrong_echo_is_challenged_again():
    site = Challenging(bytes(500))
    echo = site.challenge()
    for value in (echo[:-1], echo + b"x", bytes(len(echo)), echo * 5, echo * 6):
        assert site.answer(TEMP + [(n.ECHO, value)]).code == n.UNAUTHORIZED


def test_challenge_is_good_for_a_minute_but_not_for_three():
    for span, code in ((60000, n.CONTENT), (180000, n.UNAUTHORIZED)):
        site = Challenging()
        echo = site.challenge()
        site.wait(span)
        assert site.answer(TEMP + [(n.ECHO, echo)]).code == code


def test_challenge_is_good_over_the_wrap_of_the_clock():
    site = Challenging(leisures=(10,))
    site.ask_group()
    (sent,) = site.wait(10)
    assert site.wire.now > 0x3FFFFE00
    site.wait(1000)
    assert site.wire.now < 1000
    assert site.answer(TEMP + [(n.ECHO, sent.option(n.ECHO))]).code == n.CONTENT


def test_small_answer_is_not_challenged():
    for value, code in ((bytes(10), n.CONTENT), (bytes(11), n.UNAUTHORIZED)):  # 5 + 2 + 3 bytes beside the value
        assert Challenging(value, factor=0).answer().code == code


def test_answer_is_measured_against_its_request():
    # /temp with token: 11 bytes; with a query of 20 bytes: 33
    query = TEMP + [(n.URI_QUERY, bytes(20))]
    assert Challenging(bytes(60)).answer().code == n.UNAUTHORIZED
    assert Challenging(bytes(60)).answer(query).code == n.CONTENT


def test_unicast_request_is_not_challenged():
    site = Challenging()
    assert site.ask(TEMP)[0].payload == site.value


def test_verified_addresses_displace_the_oldest():
    site = Challenging(places=1)
    for peer in (CLIENT, OTHER):
        site.answer(TEMP + [(n.ECHO, site.challenge(peer=peer))], peer=peer)
    assert site.answer(peer=OTHER).code == n.CONTENT and site.answer(peer=CLIENT).code == n.UNAUTHORIZED


def test_verified_addresses_are_as_many_as_there_are_places():
    site = Challenging(places=2)
    for peer in (CLIENT, OTHER, STRANGER):
        site.answer(TEMP + [(n.ECHO, site.challenge(peer=peer))], peer=peer)
    codes = [site.answer(peer=peer).code for peer in (CLIENT, OTHER, STRANGER)]
    assert codes == [n.UNAUTHORIZED, n.CONTENT, n.CONTENT]


def test_without_echo_nothing_is_challenged():
    site = Site()
    site.value = bytes(500)
    site.ask_group()
    assert site.wait(1000)[0].payload == site.value


def test_challenged_registration_is_none_until_it_comes_back():
    site = Challenging()
    site.server.add(Resource("o", observable=True, group=True), GET=site.read)
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"o")]
    sent = site.answer(options)
    assert sent.code == n.UNAUTHORIZED and sent.option(n.OBSERVE) is None and len(site.server.observers) == 0
    sent = site.answer(options + [(n.ECHO, sent.option(n.ECHO))])
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is not None
    site.server.changed("o", site.wire.now)
    assert [sent.code for sent in site.wait(3000)] == [n.CONTENT]


def test_notification_is_not_challenged():
    site = Challenging(places=1)
    site.server.add(Resource("o", observable=True, group=True), GET=site.read)
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"o")]
    assert site.answer(options + [(n.ECHO, site.challenge())]).option(n.OBSERVE) is not None
    site.answer(TEMP + [(n.ECHO, site.challenge(peer=OTHER))], peer=OTHER)  # takes the place among the verified
    site.wait(180000)  # nor is the Echo of the registration good any more
    site.server.changed("o", site.wire.now)
    assert [sent.code for sent in site.wait(3000)] == [n.CONTENT]


def test_what_was_carried_out_is_not_challenged():
    site, effects = Challenging(), []

    def put(request):
        effects.append(1)
        return bytes(100)

    site.add("p", put, "PUT", group=True)
    site.ask_group([(n.URI_PATH, b"p")], code=n.PUT)
    sent = site.wait(5000)
    assert effects == [1] and [each for each in sent if each.code == n.UNAUTHORIZED or len(each.raw) > 40] == []


def test_no_response_silences_a_challenge():
    site = Challenging()
    site.ask_group(TEMP + [(n.NO_RESPONSE, b"\x08")])
    assert site.wait(5000) == []


def test_secrets_differ():
    wire = Wire()
    one, two = Echo(wire.entropy), Echo(wire.entropy)
    assert one.outcome(CLIENT, 0) != two.outcome(CLIENT, 0)


def test_address_is_challenged_again_after_an_hour():
    wire = Wire()
    echo = Echo(wire.entropy, threshold=10)
    request = Message()
    challenge = echo.outcome(CLIENT, wire.now)[1][0][1]
    data = datagram(n.NON, n.GET, 1, b"", [(n.ECHO, challenge)])
    request.parse(data, len(data))
    assert not echo.needed(request, CLIENT, 500, wire.now)
    plain = datagram(n.NON, n.GET, 2, b"")
    request.parse(plain, len(plain))
    for span, needed in ((3599999, False), (1, True), (1 << 29, True), (1 << 29, True)):
        wire.advance(span)
        assert echo.needed(request, CLIENT, 500, wire.now) == needed


def test_group_observer_is_gone_when_the_group_is_left():
    site = Site()
    site.add("o", lambda request: "1", observable=True, group=True)
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"o")]
    site.ask_group(options)
    site.wait(1000)
    assert len(site.server.observers) == 1
    site.server.leave(1, site.wire.now)
    assert len(site.server.observers) == 0


def test_listing_tells_a_group_which_links_are_in_others():
    site = Site(leisures=())
    group, other = uri.pack("224.0.1.187"), uri.pack("224.0.1.188", 5685)
    for address in (group, other):
        site.server.join(1000, address)
    site.server.resources.clear()
    site.server.add(Resource(".well-known/core", group=True), GET=site.server.links)
    site.add("gp/a", lambda request: "", group=True, rt="g.a", bases=("coap://224.0.1.187",))
    core = [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core"), (n.URI_QUERY, b"rt=g.*")]
    site.ask_group(core, group=1)
    assert [sent.payload for sent in site.wait(1000)] == [b'</gp/a>;rt="g.a"']
    site.ask_group(core, group=2)
    assert [sent.payload for sent in site.wait(1000)] == [b'<coap://224.0.1.187/gp/a>;rt="g.a"']
    assert site.ask(core)[0].payload == b'</gp/a>;rt="g.a"'
