"""Async resources: answers that come later, on the ACK or as separate responses (RFC 7252 §5.2.2; RFC 7967)."""

from groupcoap import numbers as n
from groupcoap.errors import Forbidden
from groupcoap.parameters import Parameters
from groupcoap.server import Resource, Response
from test_server import Site
from test_server_uploads import X16, block
from wire import CLIENT, OTHER, datagram

L = [(n.URI_PATH, b"l")]
REGISTER = [(n.OBSERVE, b"")] + L
ACK_DELAY = 1000  # ms


class Slow(Site):
    """A site whose /l is async: each run waits in `runs` until `end` lets it go on."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.runs = []
        self.effects = []  # payloads of the runs that have ended
        self.result = b"late"
        self.server.spawn = lambda coroutine, done: self.runs.append((coroutine, done))
        self.resource = Resource("l", observable=True, group=True)
        methods = ("GET", "POST", "PUT", "FETCH")
        self.server.add(self.resource, **dict.fromkeys(methods, self.handle))

    async def handle(self, request):
        self.effects.append(bytes(request.payload()))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def end(self, i=0):
        """Let a run end: what is sent at once."""
        coroutine, done = self.runs.pop(i)
        try:
            coroutine.send(None)
        except StopIteration as e:
            result = e.value
        except Exception as e:
            result = e
        done(result, self.wire.now)
        return self.port.sent()

    def __del__(self):
        for coroutine, _ in self.runs:  # or CPython warns of those that have not begun
            coroutine.close()

    def begin(self, options=L, **request):
        """A request that is not answered at once."""
        assert self.ask(options, **request) == []


def test_quick_answer_rides_on_the_ack():
    site = Slow()
    site.begin(mid=7)
    site.wait(ACK_DELAY - 1)
    (sent,) = site.end()
    assert (sent.kind, sent.code, sent.mid, sent.token, sent.payload) == (n.ACK, n.CONTENT, 7, b"tk", b"late")
    assert sent.peer == CLIENT and site.wait(100000) == []


def test_slow_answer_is_a_con_of_its_own_after_an_empty_ack():
    site = Slow()
    site.begin(mid=7)
    assert site.wait(ACK_DELAY - 1) == []
    (ack,) = site.wait(1)
    assert ack.is_empty(n.ACK, 7) and ack.peer == CLIENT
    site.wait(60000)
    (sent,) = site.end()
    assert (sent.kind, sent.code, sent.token, sent.payload, sent.peer) == (n.CON, n.CONTENT, b"tk", b"late", CLIENT)
    assert sent.mid != 7 and [each.raw for each in site.wait(3000)] == [sent.raw]
    assert site.port.receive(datagram(n.ACK, 0, sent.mid), CLIENT) == [] and site.wait(100000) == []


def test_quick_answer_after_a_slow_one_rides_on_its_ack():
    site = Slow(later=1)
    site.begin()
    site.wait(ACK_DELAY)
    site.port.receive(datagram(n.ACK, 0, site.end()[0].mid), CLIENT)
    site.begin()
    assert [sent.kind for sent in site.end()] == [n.ACK]


def test_empty_ack_comes_before_a_client_with_a_short_timeout_repeats():
    site = Slow(sizes={"parameters": Parameters(ack_timeout=600)})
    site.begin(mid=7)
    assert site.wait(299) == [] and site.wait(1)[0].is_empty(n.ACK, 7)


def test_separate_response_is_given_up_when_nobody_acknowledges():
    site = Slow()
    site.begin()
    site.wait(ACK_DELAY)
    (sent,) = site.end()
    assert [each.raw for each in site.wait(200000)] == [sent.raw] * 4


def test_reset_of_a_separate_response_ends_it():
    site = Slow()
    site.begin()
    site.wait(ACK_DELAY)
    (sent,) = site.end()
    assert site.port.receive(datagram(n.RST, 0, sent.mid), CLIENT) == [] and site.wait(100000) == []


def test_non_request_has_a_non_answer_and_no_ack():
    site = Slow()
    site.begin(kind=n.NON)
    assert site.wait(5000) == []
    (sent,) = site.end()
    assert (sent.kind, sent.token, sent.payload) == (n.NON, b"tk", b"late") and site.wait(100000) == []


def test_repeated_request_is_not_run_twice():
    for code in (n.GET, n.PUT, n.POST):
        site = Slow()
        site.begin(code=code, payload=b"x", mid=7)
        site.begin(code=code, payload=b"x", mid=7)
        site.wait(ACK_DELAY)
        (ack,) = site.ask(L, code=code, payload=b"x", mid=7)
        assert ack.is_empty(n.ACK, 7) and len(site.runs) == 1, code
        assert [sent.kind for sent in site.end()] == [n.CON]
        (ack,) = site.ask(L, code=code, payload=b"x", mid=7)
        assert ack.is_empty(n.ACK, 7) and site.runs == [] and site.effects == [b"x"], code


def test_post_that_was_answered_quickly_is_answered_again_and_has_one_effect():
    site = Slow()
    site.begin(code=n.POST, payload=b"x", mid=7)
    (first,) = site.end()
    (again,) = site.ask(L, code=n.POST, payload=b"x", mid=7)
    assert first.raw == again.raw and first.code == n.CHANGED and site.effects == [b"x"]


def test_large_answer_to_a_post_is_repeated_without_its_payload():
    site = Slow()
    site.result = bytes(100)
    site.begin(code=n.POST, mid=7)
    assert len(site.end()[0].payload) == 100
    (again,) = site.ask(L, code=n.POST, mid=7)
    assert again.raw == datagram(n.ACK, n.CHANGED, 7, b"tk") and len(site.effects) == 1


def test_post_without_anything_to_say_is_acknowledged_again():
    site = Slow()
    options = L + [(n.NO_RESPONSE, b"\x1a")]
    site.begin(options, code=n.POST, mid=7)
    assert [sent.is_empty(n.ACK, 7) for sent in site.end() + site.ask(options, code=n.POST, mid=7)] == [True, True]
    assert len(site.effects) == 1


def test_handler_sees_its_own_request_while_others_come():
    site = Slow()
    site.begin(code=n.POST, payload=b"one", token=b"1")
    site.begin(code=n.POST, payload=b"two", token=b"2", peer=OTHER)
    site.ask([(n.URI_PATH, b"temp")])
    (two,) = site.end(1)
    (one,) = site.end()
    assert (one.token, one.peer, two.token, two.peer) == (b"1", CLIENT, b"2", OTHER)
    assert site.effects == [b"two", b"one"]


def test_exceptions_become_codes():
    for error, code, text in ((Forbidden("no"), n.FORBIDDEN, b"no"), (ValueError("x"), n.INTERNAL_SERVER_ERROR, b"")):
        site, faults = Slow(), []
        site.server.failed = faults.append
        site.result = error
        site.begin()
        (sent,) = site.end()
        assert (sent.code, sent.payload) == (code, text) and len(faults) == (code == n.INTERNAL_SERVER_ERROR)


def test_whatever_a_plain_handler_may_give_an_async_one_may():
    for result, code, options in (
        (None, n.CONTENT, []),
        ("é", n.CONTENT, []),
        ((n.CREATED, b"x"), n.CREATED, []),
        (Response(b"x", content_format=60), n.CONTENT, [(n.CONTENT_FORMAT, b"\x3c")]),
        (object(), n.INTERNAL_SERVER_ERROR, []),
    ):
        site = Slow()
        site.result = result
        site.begin()
        (sent,) = site.end()
        assert sent.code == code and sent.options == options


def test_places_that_are_all_taken_are_5_03_and_given_back():
    site = Slow(later=2)
    site.begin(token=b"1")
    site.begin(token=b"2")
    (sent,) = site.ask(L, token=b"3")
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) is not None and len(site.runs) == 2
    site.end()
    site.begin(token=b"3")
    assert [site.end()[0].token for _ in range(2)] == [b"2", b"3"]


def test_server_without_places_or_without_spawn_is_5_00():
    site = Slow(later=0)
    assert site.ask(L)[0].code == n.INTERNAL_SERVER_ERROR and site.runs == []
    site = Slow()
    site.server.spawn = None
    assert b"spawn" in site.ask(L)[0].payload


def test_spawn_that_fails_is_5_00_and_takes_no_place():
    def spawn(coroutine, done):
        coroutine.close()
        raise OSError(12)

    site = Slow(later=1)
    good, site.server.spawn = site.server.spawn, spawn
    assert site.ask(L)[0].code == n.INTERNAL_SERVER_ERROR and site.wait(5000) == []
    site.server.spawn = good
    site.begin()


def test_request_too_long_to_keep_is_4_13():
    site = Slow(waiting_bytes=64)
    (sent,) = site.ask(L, code=n.PUT, payload=bytes(100))
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and site.runs == []
    assert site.ask(L, code=n.PUT, payload=bytes(56))[0].code == n.REQUEST_ENTITY_TOO_LARGE  # 65 bytes in all
    site.begin(code=n.PUT, payload=bytes(55))


def test_run_that_ends_in_spawn_is_answered_at_once():
    site = Slow()

    def spawn(coroutine, done):
        site.runs.append((coroutine, done))
        site.sent_in_spawn = site.end()

    site.server.spawn = spawn
    for code in (n.GET, n.POST):
        site.ask(L, code=code, mid=40 + code)
        (sent,) = site.sent_in_spawn
        assert sent.kind == n.ACK and sent.payload == b"late"
    assert site.ask(L, code=n.POST, mid=40 + n.POST)[0].raw == sent.raw and len(site.effects) == 2


def test_separate_response_that_finds_no_place_goes_out_once_as_a_non():
    site = Slow(sizes={"outgoing": 1})
    for token in (b"1", b"2"):
        site.begin(token=token)
    site.wait(ACK_DELAY)
    assert [sent.kind for sent in site.end()] == [n.CON]
    (sent,) = site.end()
    assert (sent.kind, sent.token, sent.payload) == (n.NON, b"2", b"late")


def test_no_response_leaves_the_empty_ack():
    for wait, kinds in ((0, [n.ACK]), (ACK_DELAY, [])):
        site = Slow()
        site.begin(L + [(n.NO_RESPONSE, b"\x1a")], mid=7)
        site.wait(wait)
        assert [sent.kind for sent in site.end()] == kinds and site.wait(100000) == []
        assert site.server.suppressed == 1
    site = Slow()
    site.begin(L + [(n.NO_RESPONSE, b"\x1a")], kind=n.NON)
    assert site.end() == [] and site.wait(100000) == []


def test_no_response_of_other_classes_changes_nothing():
    site = Slow()
    site.begin(L + [(n.NO_RESPONSE, b"\x08")])
    assert site.end()[0].payload == b"late"
    site.result = Forbidden()
    site.begin(L + [(n.NO_RESPONSE, b"\x02")])
    assert site.end()[0].code == n.FORBIDDEN


def test_large_answer_is_cut():
    site = Slow(block_size=32)
    site.result = bytes(40)
    site.begin()
    (sent,) = site.end()
    assert sent.option(n.BLOCK2) == block(0, True, 1) and len(sent.payload) == 32
    site.begin(L + [(n.BLOCK2, block(1, False, 1))])
    (sent,) = site.end()
    assert sent.option(n.BLOCK2) == block(1, False, 1) and len(sent.payload) == 8


def test_get_takes_no_place_in_kept():
    site = Slow(sizes={"kept_answers": 1})
    site.begin()
    site.end()
    site.begin()
    site.wait(ACK_DELAY)
    site.end()
    site.begin(code=n.POST)
    assert site.end()[0].code == n.CHANGED


def test_place_in_kept_that_has_changed_hands_is_left_alone():
    site = Slow(sizes={"kept_answers": 1})
    site.begin(code=n.POST, kind=n.CON, mid=7, payload=b"x")
    site.wait(ACK_DELAY)
    site.wait(247000)  # its place is free now
    site.add("p", lambda request: b"other", "POST")
    (first,) = site.ask([(n.URI_PATH, b"p")], code=n.POST, mid=9)
    site.end()
    assert site.ask([(n.URI_PATH, b"p")], code=n.POST, mid=9)[0].raw == first.raw
    site.wait(247000)
    assert site.ask([(n.URI_PATH, b"p")], code=n.POST, mid=10)[0].payload == b"other"


# Groups


def test_group_get_is_run_at_its_moment_and_answered_at_its_end():
    site = Slow()
    site.wire.dice = b"\x80\0"
    site.ask_group(L)
    assert site.wait(499) == [] and site.runs == []
    assert site.wait(5000) == [] and len(site.runs) == 1
    (sent,) = site.end()
    assert (sent.kind, sent.code, sent.token, sent.peer, sent.payload) == (n.NON, n.CONTENT, b"tk", CLIENT, b"late")
    assert site.wait(100000) == []


def test_group_put_is_run_at_once_and_answered_within_the_leisure():
    site = Slow()
    site.wire.dice = b"\x80\0"
    site.ask_group(L, code=n.PUT, payload=b"x")
    assert len(site.runs) == 1 and site.wait(2000) == []
    assert site.end() == [] and site.effects == [b"x"]
    assert [(sent.at, sent.kind, sent.payload) for sent in site.wait(1000)] == [(2500, n.NON, b"late")]


def test_group_errors_and_empty_answers_are_suppressed():
    for result in (Forbidden(), b""):
        for code in (n.GET, n.PUT):
            site = Slow()
            site.result = result
            site.ask_group(L, code=code)
            site.wait(1000)
            assert site.end() == [] and site.wait(5000) == [] and site.server.suppressed == 1


def test_group_request_that_finds_no_place_is_silent():
    site = Slow(later=1)
    site.begin()
    site.ask_group(L, token=b"2")
    site.ask_group(L, code=n.PUT, token=b"3")
    assert [sent.kind for sent in site.wait(10000)] == [n.ACK] and site.server.suppressed == 2


def test_repeated_group_post_is_run_once():
    site = Slow()
    for _ in range(2):
        site.ask_group(L, code=n.POST, mid=7)
    assert len(site.runs) == 1
    site.end()
    site.ask_group(L, code=n.POST, mid=7)
    assert len(site.wait(5000)) == 1 and site.runs == []


# Observe


def observed(**settings):
    site = Slow(**settings)
    site.begin(REGISTER)
    (sent,) = site.end()
    assert sent.option(n.OBSERVE) is not None
    return site


def change(site):
    site.server.changed(site.resource, site.wire.now)
    return site.wait(0)


def test_notification_comes_when_the_run_has_ended():
    site = observed()
    assert change(site) == [] and len(site.runs) == 1
    assert site.wait(5000) == []  # no ACK for what nobody has asked
    (sent,) = site.end()
    assert (sent.kind, sent.token, sent.payload) == (n.NON, b"tk", b"late") and sent.option(n.OBSERVE) == b"\x02"


def test_registration_that_comes_again_while_a_notification_is_made_is_answered():
    site = Slow()
    site.begin(REGISTER, mid=9)
    site.end()
    change(site)
    site.begin(REGISTER, mid=9)
    assert len(site.runs) == 2 and site.end(1)[0].kind == n.ACK


def test_changes_while_it_runs_are_told_after_it():
    site = observed()
    change(site)
    assert change(site) == change(site) == [] and len(site.runs) == 1
    site.end()
    assert site.wait(2999) == [] and site.runs == []
    assert site.wait(1) == [] and len(site.runs) == 1
    site.end()
    site.wait(100000)
    assert site.runs == []


def test_put_tells_when_it_has_ended():
    site = observed()
    site.begin(code=n.PUT, payload=b"x")
    site.wait(0)
    assert len(site.runs) == 1
    site.end()
    site.wait(0)
    assert len(site.runs) == 1 and site.end()[0].option(n.OBSERVE) is not None


def test_run_for_an_observer_that_has_left_is_not_told():
    site = observed()
    change(site)
    site.begin([(n.OBSERVE, b"\x01")] + L)
    site.end(1)
    assert site.end() == [] and site.wait(100000) == []


def test_run_for_an_observer_that_has_left_is_not_told_to_another_in_its_place():
    site = observed(observers=1)
    change(site)  # a run for the first
    site.begin([(n.OBSERVE, b"\x01")] + L)
    site.end(1)
    site.begin(REGISTER, token=b"new", peer=OTHER)
    site.end(1)
    assert site.end() == []
    change(site)
    (sent,) = site.end()
    assert sent.peer == OTHER and sent.token == b"new"


def test_run_for_another_resource_of_the_same_token_is_not_told():
    site = observed(observers=1)
    site.server.add(Resource("o", observable=True), GET=lambda request: b"plain")
    change(site)
    site.begin([(n.OBSERVE, b"\x01")] + L)
    site.end(1)
    assert site.ask([(n.OBSERVE, b""), (n.URI_PATH, b"o")])[0].option(n.OBSERVE) is not None
    assert site.end() == []


def test_notification_that_finds_no_place_for_its_run_comes_after_the_interval():
    site = observed(later=1)
    site.begin(kind=n.NON, token=b"2")
    assert change(site) == [] and len(site.runs) == 1
    site.end()
    assert site.wait(2999) == [] and site.runs == []
    assert site.wait(1) == [] and len(site.runs) == 1
    assert site.end()[0].option(n.OBSERVE) is not None


def test_error_of_a_run_is_the_last_notification():
    site = observed()
    change(site)
    site.result = Forbidden()
    (sent,) = site.end()
    assert sent.code == n.FORBIDDEN and sent.option(n.OBSERVE) is None and len(site.server.observers) == 0


# Uploads


def test_upload_is_run_whole_and_its_last_block_answered_later():
    site = Slow()
    assert site.ask(L + [(n.BLOCK1, block(0, True))], code=n.PUT, payload=X16)[0].code == n.CONTINUE
    last = L + [(n.BLOCK1, block(1))]
    site.begin(last, code=n.PUT, payload=b"end", mid=7)
    site.begin(last, code=n.PUT, payload=b"end", mid=7)
    assert len(site.runs) == 1
    site.ask(L + [(n.BLOCK1, block(0, True))], code=n.PUT, payload=b"-" * 16, peer=OTHER)  # does not overwrite it
    (sent,) = site.end()
    assert sent.code == n.CHANGED and sent.option(n.BLOCK1) == block(1) and sent.payload == b"late"
    assert site.effects == [X16 + b"end"]
    assert site.ask(last, code=n.PUT, payload=b"end", mid=7)[0].raw == sent.raw and site.effects == [X16 + b"end"]


def test_upload_that_is_being_run_keeps_its_place():
    site = Slow(uploads=1)
    first = L + [(n.BLOCK1, block(0, True))]
    site.ask(first, code=n.PUT, payload=X16)
    site.begin(L + [(n.BLOCK1, block(1))], code=n.PUT, payload=b"end")
    assert site.ask(first, code=n.PUT, payload=X16)[0].code == n.SERVICE_UNAVAILABLE
    assert site.ask(first, code=n.PUT, payload=X16, peer=OTHER)[0].code == n.SERVICE_UNAVAILABLE
    assert site.ask(L + [(n.BLOCK1, block(1, True))], code=n.PUT, payload=X16)[0].code == n.REQUEST_ENTITY_INCOMPLETE
    site.wait(300000)
    assert site.ask(first, code=n.PUT, payload=X16, peer=OTHER)[0].code == n.SERVICE_UNAVAILABLE
    site.end()
    assert site.effects == [X16 + b"end"]
    assert site.ask(first, code=n.PUT, payload=X16, peer=OTHER)[0].code == n.CONTINUE


def test_upload_may_be_longer_than_what_a_place_holds():
    site = Slow(waiting_bytes=32)
    for i in range(4):
        site.ask(L + [(n.BLOCK1, block(i, True))], code=n.POST, payload=X16)
    site.begin(L + [(n.BLOCK1, block(4))], code=n.POST, payload=b"end")
    site.end()
    assert site.effects == [4 * X16 + b"end"]
