"""Observers of a server's resources (RFC 7641 §3, §4; groupcomm-bis §3.7)."""

import gc
import sys

from groupcoap import numbers as n
from groupcoap.errors import NotFound
from groupcoap.parameters import Parameters
from groupcoap.server import Resource, Response
from test_server import ORIGIN, Site
from wire import CLIENT, MULTICAST_SIGNALING, OTHER, RESPONSE_FORWARDING, datagram

O = [(n.URI_PATH, b"o")]  # noqa: E741
REGISTER = [(n.OBSERVE, b"")] + O
DEREGISTER = [(n.OBSERVE, b"\x01")] + O
HALF_DAY = 43200000  # ms
COLLECTS = sys.platform != "webassembly"  # there, garbage is collected between calls from outside only


class Observed(Site):
    """A site with an observable resource /o of the same value."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.resource = Resource("o", observable=True, content_format=0, max_age=5, group=True)
        self.server.add(self.resource, GET=self.get, PUT=self.write)
        self.error = None

    def get(self, request):
        if self.error:
            raise self.error
        return self.read(request)

    def observe(self, options=REGISTER, **request):
        """Register: the answer."""
        (sent,) = self.ask(options, **request)
        return sent

    def change(self, value=b"1"):
        """Change the resource: what is sent at once."""
        self.value = value
        self.server.changed(self.resource, self.wire.now)
        return self.wait(0)

    def told(self, value=b"1"):
        """What is sent at once for a change after a long time."""
        self.wait(10000)
        return self.change(value)

    def until_confirmable(self, peer=CLIENT):
        """Change until a notification is Confirmable: that one."""
        for _ in range(8):
            for sent in self.told():
                if sent.kind == n.CON and sent.peer == peer:
                    return sent
        raise AssertionError("none is Confirmable")

    def acknowledge(self, sent):
        return self.port.receive(datagram(n.ACK, 0, sent.mid), sent.peer)

    def reject(self, sent, peer=None):
        return self.port.receive(datagram(n.RST, 0, sent.mid), peer or sent.peer)


def number(sent):
    return int.from_bytes(sent.option(n.OBSERVE), "big")


# Registration


def test_registration_is_answered_with_observe_and_the_representation():
    sent = Observed().observe(mid=7)
    assert (sent.kind, sent.code, sent.mid, sent.token, sent.payload) == (n.ACK, n.CONTENT, 7, b"tk", b"21.5")
    assert sent.options == [(n.OBSERVE, b"\x01"), (n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x05")]


def test_registration_by_non_is_answered_by_non():
    assert Observed().observe(kind=n.NON).kind == n.NON


def test_change_is_told_with_token_and_a_greater_number():
    site = Observed()
    first = number(site.observe(token=b"abcdefgh"))
    (sent,) = site.change(b"22")
    assert (sent.kind, sent.code, sent.token, sent.peer, sent.payload) == (n.NON, n.CONTENT, b"abcdefgh", CLIENT, b"22")
    assert number(sent) > first
    assert [o for o, _ in sent.options] == [n.OBSERVE, n.CONTENT_FORMAT, n.MAX_AGE]


def test_notifications_have_message_ids_of_their_own():
    site = Observed()
    site.observe()
    assert len({site.told()[0].mid for _ in range(4)}) == 4


def test_plain_get_is_no_registration():
    site = Observed()
    assert site.observe(O).option(n.OBSERVE) is None and site.change() == []


def test_put_tells_the_observers_and_a_failed_one_does_not():
    site = Observed()
    site.observe()
    assert site.ask(O, code=n.PUT, payload=b"23")[0].code == n.CHANGED
    assert [sent.payload for sent in site.wait(0)] == [b"23"]
    site.wait(5000)
    assert site.ask(O + [(n.ACCEPT, b"\x3c")], code=n.PUT, payload=b"24")[0].code == n.NOT_ACCEPTABLE
    assert site.wait(5000) == []


def test_observers_of_another_resource_are_not_told():
    site = Observed()
    site.server.add(Resource("p", observable=True), GET=site.read)
    site.observe()
    site.server.changed("p", site.wire.now)
    assert site.wait(0) == []
    site.server.changed("o", site.wire.now)
    assert len(site.wait(0)) == 1


def test_change_of_a_resource_that_is_not_there_is_a_key_error():
    try:
        Observed().server.changed("x", 0)
    except KeyError:
        return
    raise AssertionError("no error")


def test_observe_is_ignored_where_the_resource_is_not_observable():
    site = Observed()
    (sent,) = site.ask([(n.OBSERVE, b""), (n.URI_PATH, b"temp")])
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is None and len(site.server.observers) == 0


def test_observe_is_ignored_where_it_means_nothing():
    for value in (b"\x02", b"\0\0\0\0"):  # 4 bytes: longer than the option may be
        site = Observed()
        assert site.observe([(n.OBSERVE, value)] + O).option(n.OBSERVE) is None and len(site.server.observers) == 0
    site = Observed()
    (sent,) = site.ask(REGISTER, code=n.PUT, payload=b"1")
    assert sent.code == n.CHANGED and sent.option(n.OBSERVE) is None and len(site.server.observers) == 0


def test_observe_0_with_leading_zeros_registers():
    assert Observed().observe([(n.OBSERVE, b"\0")] + O).option(n.OBSERVE) is not None


def test_failed_registration_is_none():
    site = Observed()
    site.error = NotFound()
    sent = site.observe()
    assert sent.code == n.NOT_FOUND and sent.option(n.OBSERVE) is None and len(site.server.observers) == 0


def test_same_token_replaces_the_observer():
    site = Observed()
    first = site.observe()
    again = site.observe()
    assert number(again) > number(first) and len(site.server.observers) == 1
    assert len(site.change()) == 1


def test_repeated_registration_is_one_observer():
    site = Observed()
    site.observe(mid=9)
    site.observe(mid=9)
    assert len(site.change()) == 1


def test_another_token_is_another_observer():
    site = Observed()
    site.observe(token=b"1")
    site.observe(token=b"12")
    site.observe(token=b"")
    assert sorted([sent.token for sent in site.change()]) == [b"", b"1", b"12"]


def test_same_token_of_another_client_is_another_observer():
    site = Observed()
    site.observe()
    site.observe(peer=OTHER)
    assert [sent.peer for sent in site.change()] == [CLIENT, OTHER]


def test_reregistration_ends_the_confirmable_of_the_one_before():
    site = Observed()
    site.observe()
    site.until_confirmable()
    site.observe()
    assert site.wait(100000) == [] and len(site.server.observers) == 1
    (sent,) = site.change(b"x")
    assert sent.kind == n.NON and sent.payload == b"x"


def test_full_table_answers_without_observe():
    site = Observed(observers=2)
    site.observe(token=b"1")
    site.observe(token=b"2")
    sent = site.observe(token=b"3")
    assert sent.code == n.CONTENT and sent.payload == b"21.5" and sent.option(n.OBSERVE) is None
    assert [sent.token for sent in site.change()] == [b"1", b"2"] and site.server.observers.refused == 1
    site.observe(DEREGISTER, token=b"1")
    assert site.observe(token=b"3").option(n.OBSERVE) is not None


def test_full_table_takes_a_reregistration():
    site = Observed(observers=1)
    site.observe()
    assert site.observe().option(n.OBSERVE) is not None


def test_registration_too_long_to_keep_is_answered_without_observe():
    site = Observed()
    sent = site.observe(REGISTER + [(n.URI_QUERY, b"q" * 130)])
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is None


def test_server_without_places_for_observers_ignores_observe():
    site = Observed(observers=0)
    assert site.observe().option(n.OBSERVE) is None and site.change() == []


# The end of an observation


def test_deregistration_ends_it():
    site = Observed()
    site.observe()
    sent = site.observe(DEREGISTER)
    assert sent.code == n.CONTENT and sent.option(n.OBSERVE) is None
    assert site.change() == [] and len(site.server.observers) == 0


def test_deregistration_that_fails_ends_it_too():
    site = Observed()
    site.observe()
    site.error = NotFound()
    assert site.observe(DEREGISTER).code == n.NOT_FOUND
    assert len(site.server.observers) == 0


def test_deregistration_by_another_token_client_or_resource_does_not():
    site = Observed()
    site.server.add(Resource("p", observable=True), GET=site.read)
    site.observe()
    site.observe(DEREGISTER, token=b"tl")
    site.observe(DEREGISTER, token=b"t")
    site.observe(DEREGISTER, peer=OTHER)
    site.observe([(n.OBSERVE, b"\x01"), (n.URI_PATH, b"p")])
    assert len(site.change()) == 1


def test_one_token_for_several_resources():
    site = Observed()
    resources = [Resource(path, observable=True) for path in ("x", "y", "z")]
    for resource in resources:
        site.server.add(resource, GET=site.read)
        site.observe([(n.OBSERVE, b"")] + [(n.URI_PATH, segment) for segment in resource.segments])
    for resource in reversed(resources):
        site.observe([(n.OBSERVE, b"\x01")] + [(n.URI_PATH, segment) for segment in resource.segments])
    assert len(site.server.observers) == 0


def test_deregistration_ends_what_is_being_repeated():
    site = Observed()
    site.observe()
    site.until_confirmable()
    site.observe(DEREGISTER)
    assert site.wait(100000) == []


def test_reset_of_a_notification_ends_it():
    site = Observed()
    site.observe()
    (sent,) = site.change()
    assert site.reject(sent) == [] and site.told() == []


def test_late_reset_of_an_observation_before_does_not():
    site = Observed()
    site.observe()
    (sent,) = site.change()
    site.observe()
    site.reject(sent)
    assert len(site.told()) == 1


def test_reset_of_something_else_does_not():
    site = Observed()
    site.observe()
    site.observe(token=b"2", peer=OTHER)
    one, two = site.change()
    site.reject(one, OTHER)
    site.port.receive(datagram(n.RST, 0, two.mid + 1 & 0xFFFF), CLIENT)
    assert len(site.told()) == 2


def test_reset_ends_the_observer_that_it_is_for_only():
    site = Observed()
    site.observe(token=b"1")
    site.observe(token=b"2")
    site.reject(site.change()[0])
    assert [sent.token for sent in site.told()] == [b"2"]


def test_reset_of_a_confirmable_notification_ends_it():
    site = Observed()
    site.observe()
    site.reject(site.until_confirmable())
    assert site.wait(100000) == [] and site.told() == []


def test_silence_to_a_confirmable_notification_ends_it():
    site = Observed()
    site.observe()
    sent = site.until_confirmable()
    again = site.wait(100000)
    assert [each.raw for each in again] == [sent.raw] * 4
    assert len(site.server.observers) == 0 and site.told() == []


def test_error_is_told_without_observe_and_is_the_last():
    site = Observed()
    site.observe()
    site.error = NotFound("gone")
    (sent,) = site.change()
    assert (sent.code, sent.token, sent.payload, sent.options) == (n.NOT_FOUND, b"tk", b"gone", [])
    site.error = None
    assert site.told() == [] and len(site.server.observers) == 0


def test_fault_of_the_handler_is_the_last_too():
    site = Observed()
    site.observe()
    site.error = OSError(5)
    assert [sent.code for sent in site.change()] == [n.INTERNAL_SERVER_ERROR] and len(site.server.observers) == 0


# When and how a notification goes out


def test_numbers_rise_over_their_wrap():
    site = Observed()
    site.observe()
    site.server.observers._number = 0xFFFFFE
    assert [site.told()[0].option(n.OBSERVE) for _ in range(3)] == [b"\xff\xff\xff", b"", b"\x01"]


def test_notifications_keep_their_interval_and_tell_the_latest_state():
    site = Observed()
    site.observe()
    assert [sent.payload for sent in site.change(b"1")] == [b"1"]
    for value in (b"2", b"3", b"4"):
        assert site.change(value) == []
    assert site.wait(2999) == []
    assert [sent.payload for sent in site.wait(1)] == [b"4"]
    assert site.wait(100000) == []


def test_all_observers_wait_for_their_interval():
    site = Observed()
    for token in (b"1", b"2", b"3"):
        site.observe(token=token)
    assert len(site.change()) == 3 and site.change(b"2") == [] and site.wait(2999) == []
    assert [sent.payload for sent in site.wait(1)] == [b"2"] * 3


def test_interval_is_that_of_each_observer():
    site = Observed()
    site.observe(token=b"1")
    site.change()
    site.wait(1000)
    site.observe(token=b"2")
    assert [sent.token for sent in site.change()] == [b"2"]
    assert [(sent.token, sent.at) for sent in site.wait(10000)] == [(b"1", 3000)]


def test_change_after_the_interval_is_told_at_once():
    site = Observed()
    site.observe()
    site.change()
    assert site.wait(3000) == [] and len(site.change()) == 1


def test_interval_is_configurable():
    site = Observed(notify_interval=500)
    site.observe()
    site.change()
    site.change()
    assert site.wait(499) == [] and len(site.wait(1)) == 1


def test_every_eighth_is_confirmable():
    site = Observed()
    site.observe()
    kinds = []
    for _ in range(24):
        (sent,) = site.told()
        kinds.append(sent.kind)
        if sent.kind == n.CON:
            site.acknowledge(sent)
    assert kinds == ([n.NON] * 7 + [n.CON]) * 3


def test_observer_of_what_does_not_change_is_asked_whether_it_is_there_twice_a_day():
    site = Observed()
    site.observe()
    assert site.wait(HALF_DAY - 1) == []
    for _ in range(3):
        (sent,) = site.wait(1)
        assert sent.kind == n.CON and sent.payload == b"21.5"
        site.acknowledge(sent)
        assert site.wait(HALF_DAY + 3000 - 1) == []


def test_observer_that_is_gone_is_forgotten_though_nothing_changes():
    site = Observed()
    site.observe()
    site.wait(HALF_DAY)
    assert len(site.server.observers) == 1
    site.wait(100000)
    assert len(site.server.observers) == 0


def test_notification_is_confirmable_half_a_day_after_the_last_confirmed_one():
    site = Observed()
    site.observe()
    site.wait(HALF_DAY - 1000)
    assert [sent.kind for sent in site.change()] == [n.NON]
    site.wait(4000)
    assert [sent.kind for sent in site.change()] == [n.CON]


def test_no_other_while_a_confirmable_is_out_and_then_the_latest_state():
    site = Observed()
    site.observe()
    sent = site.until_confirmable()
    for value in (b"2", b"3"):
        assert site.change(value) == []
        assert [each.raw for each in site.wait(4000)] in ([sent.raw], [])  # repeated, at most
    (latest,) = site.acknowledge(sent) or site.wait(0)
    assert latest.payload == b"3" and latest.kind == n.NON and number(latest) > number(sent)
    assert site.wait(100000) == []


def test_acknowledgement_does_not_shorten_the_interval():
    site = Observed()
    site.observe()
    sent = site.until_confirmable()
    site.change(b"2")
    assert site.acknowledge(sent) == [] and site.wait(2999) == []
    assert [each.payload for each in site.wait(1)] == [b"2"]


def test_acknowledgement_without_a_change_sends_nothing():
    site = Observed()
    site.observe()
    site.acknowledge(site.until_confirmable())
    assert site.wait(100000) == []


def test_confirmable_that_finds_no_place_waits_an_interval():
    site = Observed(sizes={"outgoing": 1, "parameters": Parameters(nstart=2)})
    site.observe(token=b"1")
    site.observe(token=b"2", peer=OTHER)
    first = site.until_confirmable()
    assert site.wait(0) == []
    site.acknowledge(first)
    (second,) = site.wait(3000)
    assert second.kind == n.CON and second.peer == OTHER and second.payload == b"1"


# What a notification says


def test_notification_obeys_accept_and_query_of_the_registration():
    site = Observed()

    def get(request):
        form = request.option_uint(n.ACCEPT, 0)
        return Response(b"%d %s" % (form, request.option(n.URI_QUERY)), content_format=form)

    resource = Resource("f", observable=True)
    site.server.add(resource, GET=get)
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"f"), (n.URI_QUERY, b"q=1"), (n.ACCEPT, b"\x3c")]
    site.observe(options)
    site.server.changed(resource, site.wire.now)
    (sent,) = site.wait(0)
    assert sent.payload == b"60 q=1" and sent.option(n.CONTENT_FORMAT) == b"\x3c"


def test_notification_is_2_03_for_an_etag_of_the_registration():
    site = Observed()
    site.resource.set_etag(b"one")
    sent = site.observe([(n.ETAG, b"one"), (n.ETAG, b"two")] + REGISTER)
    assert sent.code == n.VALID and sent.option(n.ETAG) == b"one" and sent.option(n.OBSERVE) is not None
    site.resource.set_etag(b"2")
    (sent,) = site.change()
    assert sent.code == n.CONTENT and sent.option(n.ETAG) == b"2"
    site.resource.set_etag(b"two")
    (sent,) = site.told()
    assert sent.code == n.VALID and sent.option(n.ETAG) == b"two" and sent.payload == b""
    assert sent.option(n.OBSERVE) is not None


def test_notification_larger_than_a_block_is_its_first_block():
    site = Observed(block_size=64)
    site.observe()
    (sent,) = site.change(bytes(range(100)))
    assert sent.option(n.BLOCK2) == b"\x0a" and sent.payload == bytes(range(64)) and sent.option(n.SIZE2) == b"\x64"
    (rest,) = site.ask(O + [(n.BLOCK2, b"\x12")], token=b"other")
    assert rest.option(n.BLOCK2) == b"\x12" and rest.payload == bytes(range(64, 100))
    assert rest.option(n.ETAG) == sent.option(n.ETAG) is not None and rest.option(n.OBSERVE) is None
    assert len(site.told()) == 1  # it is observed still


def test_block_size_of_the_registration_is_that_of_the_notifications():
    site = Observed()
    site.observe(REGISTER + [(n.BLOCK2, b"\x01")])
    (sent,) = site.change(bytes(100))
    assert sent.option(n.BLOCK2) == b"\x09" and len(sent.payload) == 32


def test_later_block_is_no_registration():
    site = Observed(block_size=16)
    site.value = bytes(40)
    assert site.observe(REGISTER + [(n.BLOCK2, b"\x10")]).option(n.OBSERVE) is None
    assert len(site.server.observers) == 0


def test_fetch_is_observed_with_its_payload():
    site = Observed()
    resource = Resource("f", observable=True)
    site.server.add(resource, FETCH=lambda request: b"<" + bytes(request.payload()) + b">")
    (sent,) = site.ask([(n.OBSERVE, b""), (n.URI_PATH, b"f")], code=n.FETCH, payload=b"what")
    assert sent.payload == b"<what>" and sent.option(n.OBSERVE) is not None
    site.server.changed(resource, site.wire.now)
    assert [sent.payload for sent in site.wait(0)] == [b"<what>"]


def test_fetch_that_came_in_blocks_is_observed():
    site = Observed()
    resource = Resource("f", observable=True)
    site.server.add(resource, FETCH=lambda request: b"<" + bytes(request.payload()) + b">")
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"f")]
    site.ask(options + [(n.BLOCK1, b"\x08")], code=n.FETCH, payload=b"0123456789abcdef")
    (sent,) = site.ask(options + [(n.BLOCK1, b"\x10")], code=n.FETCH, payload=b"gh")
    assert sent.payload == b"<0123456789abcdefgh>" and sent.option(n.OBSERVE) is not None
    site.server.changed(resource, site.wire.now)
    (sent,) = site.wait(0)
    assert sent.payload == b"<0123456789abcdefgh>" and sent.option(n.BLOCK1) is None


def test_notification_has_response_forwarding_where_the_registration_had_signaling():
    site = Observed()
    site.observe(REGISTER + [(MULTICAST_SIGNALING, b"")])
    assert site.change()[0].option(RESPONSE_FORWARDING) == ORIGIN


def test_notification_that_is_too_long_is_5_00_and_the_last():
    site = Observed(sizes={"max_message": 64})
    site.observe()
    (sent,) = site.change(bytes(100))
    assert (sent.code, sent.token, sent.payload) == (n.INTERNAL_SERVER_ERROR, b"tk", b"")
    assert site.told(b"1") == [] and len(site.server.observers) == 0


def test_change_of_content_format_is_4_06_and_the_last():
    site = Observed()
    site.value = Response(b"1", content_format=60)
    site.observe()
    (sent,) = site.change(Response(b"2", content_format=60))
    assert sent.code == n.CONTENT and sent.option(n.CONTENT_FORMAT) == b"\x3c"
    (sent,) = site.told(b"3")
    assert (sent.code, sent.payload, sent.option(n.OBSERVE)) == (n.NOT_ACCEPTABLE, b"", None)
    assert site.told(b"4") == [] and len(site.server.observers) == 0


def test_content_format_is_that_of_the_first_representation():
    site = Observed()
    site.resource.set_etag(b"e")
    assert site.observe([(n.ETAG, b"e")] + REGISTER).code == n.VALID  # does not tell its format
    site.resource.set_etag(b"f")
    assert site.change(Response(b"2", content_format=60))[0].code == n.CONTENT
    assert site.told(b"3")[0].code == n.NOT_ACCEPTABLE


# Observers that came by group request


def test_group_registration_is_answered_within_the_leisure():
    site = Observed()
    site.wire.dice = b"\x80\0"
    site.ask_group(REGISTER)
    (sent,) = site.wait(1000)
    assert sent.at == 500 and sent.kind == n.NON and sent.option(n.OBSERVE) == b"\x01"


def test_notification_to_a_group_observer_waits_for_its_moment():
    site = Observed()
    site.wire.dice = b"\x80\0"
    site.ask_group(REGISTER)
    site.wait(10000)
    assert site.change(b"1") == [] and site.wait(400) == []
    assert site.change(b"2") == []
    (sent,) = site.wait(100)
    assert sent.payload == b"2" and sent.token == b"tk"
    assert site.wait(100000) == []


def test_group_observer_that_leaves_before_its_moment_is_not_told():
    site = Observed()
    site.wire.dice = b"\x80\0"
    site.ask_group(REGISTER)
    site.wait(10000)
    site.change()
    site.observe(DEREGISTER)
    assert site.wait(5000) == []


def test_group_observers_do_not_share_a_period():
    site = Observed()
    site.wire.dice = b"\x80\0"
    site.ask_group(REGISTER, token=b"1")
    site.ask_group(REGISTER, token=b"2", peer=OTHER)
    site.wait(10000)
    site.change()
    assert [(sent.token, sent.at) for sent in site.wait(5000)] == [(b"1", 10500), (b"2", 11500)]


def test_unicast_observers_do_not_wait_for_group_observers():
    site = Observed()
    site.ask_group(REGISTER, token=b"1")
    site.wait(10000)
    site.observe(token=b"2")
    assert [sent.token for sent in site.change()] == [b"2"]


def test_group_reregistration_is_one_observer_and_group_deregistration_ends_it():
    site = Observed()
    for _ in range(2):
        site.ask_group(REGISTER)
        assert site.wait(2000)[0].option(n.OBSERVE) is not None
    assert len(site.server.observers) == 1
    site.ask_group(DEREGISTER)
    assert site.wait(2000)[0].option(n.OBSERVE) is None
    site.change()
    assert site.wait(5000) == []


def test_group_observer_is_left_by_reset_and_probed_by_confirmables():
    site = Observed()
    site.ask_group(REGISTER)
    site.wait(2000)
    for i in range(8):
        site.change()
        (sent,) = site.wait(3000)
        assert sent.kind == (n.CON if i == 7 else n.NON)
    site.reject(sent)
    site.change()
    assert site.wait(5000) == []


def test_full_table_answers_a_group_request_without_observe():
    site = Observed(observers=1)
    site.observe()
    site.ask_group(REGISTER, token=b"2")
    (sent,) = site.wait(1000)
    assert sent.token == b"2" and sent.payload == b"21.5" and sent.option(n.OBSERVE) is None


def test_empty_notification_to_a_group_observer_is_sent():
    site = Observed()
    site.ask_group(REGISTER)
    site.wait(2000)
    site.change(b"")
    (sent,) = site.wait(2000)
    assert sent.code == n.CONTENT and sent.payload == b"" and sent.option(n.OBSERVE) is not None


# Heap


def grown(function, times=1000):
    """Bytes by which the heap is larger after so many calls, when what is garbage is gone."""
    allocated = getattr(gc, "mem_alloc", lambda: 0)  # CPython does not tell
    gc.collect()
    before = allocated()
    for i in range(times):
        function()
        if i % 50 == 0:
            gc.collect()
    gc.collect()
    return allocated() - before


def test_notifications_do_not_grow_the_heap():
    site = Observed()
    site.observe()
    site.port.endpoint.transmit = lambda buf, length, peer: None

    def round():
        site.wait(4000)
        site.server.changed(site.resource, site.wire.now)
        site.wire.advance(0)
        site.server.observers.acknowledged(0, site.wire.now)

    round()
    taken = grown(round)
    assert taken <= 256 or not COLLECTS, taken
    assert len(site.server.observers) == 1


def test_registration_that_cannot_be_renewed_has_ended():
    site = Site()
    fails = []

    def read(request):
        if fails:
            raise NotFound()
        return "1"

    site.add("o", read, observable=True)
    options = [(n.OBSERVE, b""), (n.URI_PATH, b"o")]
    site.ask(options)
    fails.append(True)
    assert site.ask(options)[0].code == n.NOT_FOUND and len(site.server.observers) == 0
