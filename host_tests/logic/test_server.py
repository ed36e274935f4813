"""The server role: resources, errors, and the answers to group requests (RFC 7252 §5, §8; groupcomm-bis §3)."""

from groupcoap import numbers as n
from groupcoap.errors import BadRequest, ServiceUnavailable
from groupcoap.server import Resource, Server
from wire import (
    CLIENT,
    MULTICAST_SIGNALING,
    OTHER,
    RESPONSE_FORWARDING,
    SERVER,
    UNKNOWN_CRITICAL,
    UNKNOWN_SAFE,
    Wire,
    allocated,
    datagram,
)

TEMP = [(n.URI_PATH, b"temp")]
ORIGIN = b"\xd9\x01\x04\x44\xc0\x00\x02\x05"  # tag 260 over 192.0.2.5


class Site:
    """A server with a resource /temp, its port, and the value of that resource. Leisure: 1 s, and 2 s of the second."""

    def __init__(self, leisures=(1000, 2000), sizes=None, **settings):
        self.wire = Wire()
        self.port = self.wire.port(**(sizes or {}))
        self.server = Server(self.port.endpoint, SERVER, **settings)
        self.port.endpoint.role = self.server
        for leisure in leisures:
            self.server.join(leisure)
        self.value = b"21.5"
        self.reads = 0
        resource = Resource("temp", content_format=0, max_age=30, group=True, rt="temperature")
        self.server.add(resource, GET=self.read, PUT=self.write)
        self._mid = 0

    def read(self, request):
        self.reads += 1
        return self.value

    def write(self, request):
        self.value = bytes(request.payload())

    def add(self, path, handler, method="GET", **attributes):
        self.server.add(Resource(path, **attributes), **{method: handler})

    def ask(self, options, kind=n.CON, code=n.GET, payload=b"", mid=None, peer=CLIENT, group=0, token=b"tk"):
        if mid is None:
            self._mid += 1
            mid = self._mid
        return self.port.receive(datagram(kind, code, mid, token, options, payload), peer, group)

    def ask_group(self, options=TEMP, group=1, **request):
        """Send a group request: nothing is sent in answer at once."""
        assert self.ask(options, n.NON, group=group, **request) == []

    def wait(self, span):
        """What is sent within `span` ms."""
        self.wire.advance(span)
        return self.port.sent()


def code_for(options, site=None, **request):
    (sent,) = (site or Site()).ask(options, **request)
    return sent.code


# Single requests


def test_get_gives_value_content_format_and_max_age():
    (sent,) = Site().ask(TEMP, mid=7)
    assert (sent.kind, sent.code, sent.mid, sent.token, sent.peer) == (n.ACK, n.CONTENT, 7, b"tk", CLIENT)
    assert sent.options == [(n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x1e")] and sent.payload == b"21.5"


def test_put_changes_the_value():
    site = Site()
    (sent,) = site.ask(TEMP, code=n.PUT, payload=b"22")
    assert sent.code == n.CHANGED and sent.options == [] and sent.payload == b"" and site.value == b"22"


def test_handler_gives_text_code_pair_or_nothing():
    site = Site()
    for path, result, code, payload in (
        ("text", "é", n.CONTENT, b"\xc3\xa9"),
        ("code", n.VALID, n.VALID, b""),
        ("pair", (n.CREATED, b"x"), n.CREATED, b"x"),
        ("pairtext", (n.CONTENT, "x"), n.CONTENT, b"x"),
        ("none", None, n.CONTENT, b""),
    ):
        site.add(path, lambda request, result=result: result)
        (sent,) = site.ask([(n.URI_PATH, path.encode())])
        assert (sent.code, sent.payload) == (code, payload)


def test_methods_have_their_default_codes():
    site = Site()
    for method, code, answer in (
        ("POST", n.POST, n.CHANGED), ("PUT", n.PUT, n.CHANGED), ("DELETE", n.DELETE, n.DELETED),
        ("FETCH", n.FETCH, n.CONTENT), ("PATCH", n.PATCH, n.CHANGED), ("iPATCH", n.IPATCH, n.CHANGED),
    ):  # fmt: skip
        site.add(method, lambda request: None, method)
        assert code_for([(n.URI_PATH, method.encode())], site, code=code) == answer


def test_unknown_path_is_4_04():
    for path in ([], [b"tem"], [b"temp2"], [b"temp", b""], [b"", b"temp"], [b"temp", b"x"], [b"TEMP"]):
        assert code_for([(n.URI_PATH, segment) for segment in path]) == n.NOT_FOUND


def test_path_of_the_same_hash_is_4_04():
    site = Site()
    site.add("ab", lambda request: b"x", group=True)
    assert Resource("ab").hash == Resource("bA").hash
    assert code_for([(n.URI_PATH, b"bA")], site) == n.NOT_FOUND
    site.ask_group([(n.URI_PATH, b"bA")])
    assert site.wait(1000) == []


def test_path_of_the_same_hash_is_4_04_whatever_is_accepted():
    site = Site()
    site.add("ab", lambda request: b"x", content_format=60)
    assert code_for([(n.URI_PATH, b"bA"), (n.ACCEPT, b"")], site) == n.NOT_FOUND


def test_segments_of_a_path_are_told_apart():
    site = Site()
    site.add("a/bc", lambda request: b"1")
    site.add("ab/c", lambda request: b"2")
    assert site.ask([(n.URI_PATH, b"a"), (n.URI_PATH, b"bc")])[0].payload == b"1"
    assert site.ask([(n.URI_PATH, b"ab"), (n.URI_PATH, b"c")])[0].payload == b"2"


def test_second_resource_of_a_path_is_refused():
    try:
        Site().add("temp", lambda request: b"")
    except ValueError:
        return
    raise AssertionError("not refused")


def test_method_without_a_handler_is_4_05():
    for code in (n.POST, n.DELETE, n.FETCH, n.PATCH, n.IPATCH):
        assert code_for(TEMP, code=code) == n.METHOD_NOT_ALLOWED
    site = Site()
    site.add("w", lambda request: None, "PUT")
    assert code_for([(n.URI_PATH, b"w")], site) == n.METHOD_NOT_ALLOWED


def test_unknown_critical_option_of_a_con_request_is_4_02():
    for number in (n.OSCORE, n.URI_PATH_ABBREV, 21, UNKNOWN_CRITICAL):
        options = sorted(TEMP + [(number, b"")])
        site = Site()
        assert code_for(options, site) == n.BAD_OPTION and site.reads == 0


def test_unknown_critical_option_of_a_non_request_is_4_02():
    # draft-ietf-core-uri-path-abbrev amends RFC 7252 §5.4.1, which rejects it
    site = Site()
    sent = site.ask(TEMP + [(UNKNOWN_CRITICAL, b"")], kind=n.NON)
    assert [packet.code for packet in sent] == [n.BAD_OPTION] and site.reads == 0


def test_critical_option_of_a_wrong_length_is_4_02():
    for options in (
        [(n.URI_HOST, b"")] + TEMP,
        [(n.URI_PORT, b"123")] + TEMP,
        TEMP + [(n.ACCEPT, b"123")],
    ):
        assert code_for(options) == n.BAD_OPTION


def test_uri_path_or_uri_query_above_255_bytes_is_4_02():
    assert code_for(TEMP + [(n.URI_QUERY, b"q" * 256)]) == n.BAD_OPTION
    assert code_for([(n.URI_PATH, b"p" * 256)]) == n.BAD_OPTION


def test_critical_option_that_comes_twice_is_4_02():
    assert code_for([(n.URI_HOST, b"a"), (n.URI_HOST, b"a")] + TEMP) == n.BAD_OPTION
    assert code_for(TEMP + [(n.ACCEPT, b""), (n.ACCEPT, b"")]) == n.BAD_OPTION


def test_unknown_elective_option_is_ignored():
    assert code_for([(n.OBSERVE + 4, b"x")] + TEMP + [(UNKNOWN_SAFE, b"x"), (UNKNOWN_SAFE + 2, b"")]) == n.CONTENT


def test_uri_host_port_and_query_are_taken():
    options = [(n.URI_HOST, b"h"), (n.URI_PORT, b"\x16\x33")] + TEMP + [(n.URI_QUERY, b"a"), (n.URI_QUERY, b"b")]
    assert code_for(options) == n.CONTENT


def test_path_is_found_behind_long_options():
    for length in (12, 13, 20, 268, 269, 300, 600):
        assert code_for([(n.ETAG, b"e" * length), (n.LOCATION_PATH, b"x" * length)] + TEMP) == n.CONTENT


def test_accept_of_what_there_is():
    assert code_for(TEMP + [(n.ACCEPT, b"")]) == n.CONTENT


def test_accept_of_something_else_is_4_06():
    assert code_for(TEMP + [(n.ACCEPT, b"\x3c")]) == n.NOT_ACCEPTABLE


def test_request_to_proxy_is_5_05():
    for number, value in (
        (n.PROXY_URI, b"coap://h/"), (n.PROXY_SCHEME, b"coap"), (n.PROXY_CRI, b"\x80"), (n.PROXY_SCHEME_NUMBER, b""),
    ):  # fmt: skip
        option = number, value
        assert code_for(TEMP + [option]) == n.PROXYING_NOT_SUPPORTED


def test_error_raised_by_a_handler_is_the_response():
    def handler(request):
        raise BadRequest("no such thing")

    site = Site()
    site.add("e", handler)
    (sent,) = site.ask([(n.URI_PATH, b"e")])
    assert sent.code == n.BAD_REQUEST and sent.payload == b"no such thing" and sent.options == []


def test_unavailable_says_for_how_long():
    def handler(request):
        raise ServiceUnavailable("later", 300)

    site = Site()
    site.add("e", handler)
    (sent,) = site.ask([(n.URI_PATH, b"e")])
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.options == [(n.MAX_AGE, b"\x01\x2c")]


def test_fault_of_a_handler_is_5_00_and_told():
    site, faults = Site(), []
    site.server.failed = faults.append
    site.add("e", lambda request: 1 // 0)
    (sent,) = site.ask([(n.URI_PATH, b"e")])
    assert sent.code == n.INTERNAL_SERVER_ERROR and sent.payload == b"" and isinstance(faults[0], ZeroDivisionError)


def test_payload_that_is_too_long_is_5_00():
    for query in ([], [(n.ACCEPT, b"")]):
        site = Site(sizes={"max_message": 64})
        site.value = b"x" * 100
        assert code_for(TEMP + query, site) == n.INTERNAL_SERVER_ERROR


def test_repeated_con_get_is_answered_again():
    site = Site()
    (first,) = site.ask(TEMP, mid=5)
    (second,) = site.ask(TEMP, mid=5)
    assert first.raw == second.raw


def test_repeated_con_post_is_carried_out_once():
    site, posted = Site(), []
    site.add("p", lambda request: posted.append(bytes(request.payload())), "POST")
    answers = [site.ask([(n.URI_PATH, b"p")], code=n.POST, payload=b"x", mid=5) for _ in range(2)]
    assert posted == [b"x"] and answers[0][0].raw == answers[1][0].raw


def test_no_response_silences_its_classes():
    site = Site()
    for value, path, silent in (
        (b"\x02", b"temp", True), (b"\x02", b"no", False), (b"\x08", b"temp", False), (b"\x08", b"no", True),
        (b"\x1a", b"temp", True), (b"\x1a", b"no", True), (b"", b"no", False), (b"\x10", b"no", False),
    ):  # fmt: skip
        sent = site.ask([(n.URI_PATH, path), (n.NO_RESPONSE, value)], kind=n.NON)
        assert (sent == []) == silent, value


def test_no_response_silences_5_xx():
    site = Site()
    site.add("e", lambda request: 1 // 0)
    assert site.ask([(n.URI_PATH, b"e"), (n.NO_RESPONSE, b"\x10")], kind=n.NON) == []


def test_no_response_of_a_con_is_an_empty_ack():
    (sent,) = Site().ask(TEMP + [(n.NO_RESPONSE, b"\x1a")], mid=5)
    assert sent.is_empty(n.ACK, 5)


def test_no_response_of_two_bytes_is_ignored():
    assert code_for(TEMP + [(n.NO_RESPONSE, b"\0\x1a")]) == n.CONTENT


def test_signaling_brings_response_forwarding():
    (sent,) = Site().ask(TEMP + [(MULTICAST_SIGNALING, b"\x0a")])
    assert sent.options == [(n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x1e"), (RESPONSE_FORWARDING, ORIGIN)]


def test_empty_signaling_brings_response_forwarding():
    assert Site().ask(TEMP + [(MULTICAST_SIGNALING, b"")])[0].option(RESPONSE_FORWARDING) == ORIGIN


def test_without_signaling_there_is_no_response_forwarding():
    assert Site().ask(TEMP + [(UNKNOWN_SAFE, b"\x0a")])[0].option(RESPONSE_FORWARDING) is None


def test_signaling_brings_response_forwarding_on_errors_too():
    (sent,) = Site().ask([(n.URI_PATH, b"no"), (MULTICAST_SIGNALING, b"\x0a")])
    assert sent.code == n.NOT_FOUND and sent.options == [(RESPONSE_FORWARDING, ORIGIN)]


def test_well_known_core_lists_the_resources():
    site = Site()
    site.add("a/b", lambda request: b"")
    (sent,) = site.ask([(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")])
    assert sent.options == [(n.CONTENT_FORMAT, b"\x28")]
    links = [b"</.well-known/core>;ct=40", b"</a/b>", b'</temp>;rt="temperature";ct=0']
    assert sorted(sent.payload.split(b",")) == links


def test_decorator_serves_a_function():
    site = Site()

    @site.server.resource("d", methods=("GET", "PUT"), content_format=60)
    def handler(request):
        return b"%d" % request.code

    (sent,) = site.ask([(n.URI_PATH, b"d")])
    assert sent.payload == b"1" and sent.options == [(n.CONTENT_FORMAT, b"\x3c")]
    assert code_for([(n.URI_PATH, b"d")], site, code=n.PUT) == n.CHANGED


def test_plain_non_get_is_served_without_allocating():
    site = Site()
    endpoint = site.port.endpoint
    endpoint.transmit = _drop
    request = bytearray(datagram(n.NON, n.GET, 0, b"abcd", TEMP))
    now, size = site.wire.now, len(request)

    def receive():
        request[3] += 1
        endpoint.receive(request, size, CLIENT, 0, now)

    taken = allocated(receive)
    assert taken <= 64, taken
    assert site.reads == request[3]


def _drop(buf, length, peer):
    pass


# Group requests


def test_group_request_is_answered_within_the_leisure():
    for dice, at in ((b"\0", 0), (b"\x80\0", 500), (b"\xff\xff", 999)):
        site = Site()
        site.wire.dice = dice
        site.ask_group()
        (sent,) = site.wait(1000)
        assert sent.at == at
        assert (sent.kind, sent.code, sent.token, sent.peer) == (n.NON, n.CONTENT, b"tk", CLIENT)
        assert sent.payload == b"21.5"
        assert sent.options == [(n.CONTENT_FORMAT, b""), (n.MAX_AGE, b"\x1e")]


def test_leisure_is_that_of_the_membership():
    site = Site()
    site.wire.dice = b"\xff\xff"
    site.ask_group(group=2)
    assert site.wait(2000)[0].at == 1999


def test_leisure_differs_from_request_to_request():
    site, delays = Site(), []
    for i in range(8):
        site.ask_group()
        (sent,) = site.wait(1000)
        delays.append(sent.at - 1000 * i)
    assert len(set(delays)) > 4 and 0 <= min(delays) and max(delays) < 1000


def test_leisure_periods_of_one_membership_do_not_overlap():
    site = Site()
    site.wire.dice = b"\x80\0"
    for _ in range(3):
        site.ask_group()
    assert [sent.at for sent in site.wait(3000)] == [500, 1500, 2500]


def test_next_period_starts_when_the_last_has_ended_though_its_answer_is_out():
    site = Site()
    site.wire.dice = b"\0"
    site.ask_group()
    assert len(site.wait(300)) == 1
    site.ask_group()
    assert [sent.at for sent in site.wait(2000)] == [1000]


def test_period_that_is_over_is_not_waited_for():
    site = Site()
    site.wire.dice = b"\0"
    site.ask_group()
    site.wait(1000)
    site.ask_group()
    assert [sent.at for sent in site.wait(1000)] == [1000]


def test_period_that_ends_when_the_clock_is_0_counts():
    site = Site()
    site.wire.dice = b"\0"
    site.wire.now = 0x3FFFFFFF - 999
    for _ in range(2):
        site.ask_group()
    assert [sent.at for sent in site.wait(2000)] == [0, 1000]


def test_memberships_have_periods_of_their_own():
    site = Site()
    site.wire.dice = b"\0"
    site.ask_group(group=1)
    site.ask_group(group=2)
    assert [sent.at for sent in site.wait(2000)] == [0, 0]


def test_get_is_answered_with_the_value_at_the_time_of_the_answer():
    site = Site()
    site.wire.dice = b"\x80\0"
    site.ask_group()
    site.wait(100)
    assert site.reads == 0
    site.value = b"22"
    assert site.wait(1000)[0].payload == b"22"


def test_put_by_group_request_takes_effect_at_once():
    site = Site()
    site.wire.dice = b"\x80\0"
    site.ask_group(code=n.PUT, payload=b"23")
    assert site.value == b"23"


def test_put_by_group_request_without_a_payload_in_its_answer_is_silent():
    site = Site()
    site.ask_group(code=n.PUT, payload=b"23")
    assert site.wait(5000) == [] and site.server.suppressed == 1


def test_post_by_group_request_is_carried_out_once_and_answered_after_the_leisure():
    site, posted = Site(), []

    def post(request):
        posted.append(bytes(request.payload()))
        return b"done"

    site.wire.dice = b"\x80\0"
    site.add("p", post, "POST", group=True)
    for _ in range(2):
        site.ask_group([(n.URI_PATH, b"p")], code=n.POST, payload=b"x", mid=9)
    assert posted == [b"x"]
    (sent,) = site.wait(3000)
    assert (sent.at, sent.code, sent.payload, sent.token) == (500, n.CHANGED, b"done", b"tk")
    assert posted == [b"x"]


def test_repeated_group_request_is_answered_once():
    site = Site()
    site.ask_group(mid=5)
    site.ask_group(mid=5)
    assert len(site.wait(5000)) == 1


def test_errors_are_suppressed():
    site = Site()
    site.add("e", lambda request: 1 // 0, group=True)
    for options in (
        [(n.URI_PATH, b"no")], [(n.URI_PATH, b"e")], TEMP + [(UNKNOWN_CRITICAL, b"")], TEMP + [(n.ACCEPT, b"\x3c")],
        TEMP + [(n.PROXY_URI, b"coap://h/")],
    ):  # fmt: skip
        site.ask_group(options)
    site.ask_group(code=n.DELETE)
    assert site.wait(10000) == [] and site.server.suppressed == 6


def test_empty_answers_are_suppressed():
    site = Site()
    site.value = b""
    site.ask_group()
    assert site.wait(5000) == [] and site.server.suppressed == 1


def test_no_response_widens_suppression():
    site = Site()
    site.ask_group(TEMP + [(n.NO_RESPONSE, b"\x1a")])
    assert site.wait(5000) == [] and site.server.suppressed == 1


def test_no_response_does_not_lift_suppression():
    site = Site()
    site.ask_group([(n.URI_PATH, b"no"), (n.NO_RESPONSE, b"")])
    site.ask_group(TEMP + [(n.ACCEPT, b"\x3c"), (n.NO_RESPONSE, b"")])
    assert site.wait(5000) == []


def test_resource_that_is_not_for_groups_is_silent_to_them():
    site = Site()
    site.add("own", lambda request: b"x")
    site.ask_group([(n.URI_PATH, b"own")])
    assert site.wait(5000) == [] and code_for([(n.URI_PATH, b"own")], site) == n.CONTENT


def test_put_to_a_resource_that_is_not_for_groups_has_no_effect():
    site, written = Site(), []
    site.add("own", written.append, "PUT")
    site.ask_group([(n.URI_PATH, b"own")], code=n.PUT)
    assert written == []


def test_con_group_request_is_ignored():
    site = Site()
    assert site.ask(TEMP, n.CON, group=1) == [] and site.wait(5000) == [] and site.reads == 0
    assert site.ask(TEMP, n.CON, code=n.PUT, payload=b"x", group=1) == [] and site.value == b"21.5"


def test_waiting_table_that_is_full_drops_what_comes():
    site = Site(waiting=2)
    for token in (b"1", b"2", b"3"):
        site.ask_group(token=token)
    assert [sent.token for sent in site.wait(5000)] == [b"1", b"2"] and site.server.groups.crowded == 1
    site.ask_group(token=b"4")
    assert [sent.token for sent in site.wait(5000)] == [b"4"]


def test_request_that_is_too_long_to_wait_is_dropped():
    site = Site(waiting_bytes=32)
    site.ask_group(TEMP + [(n.URI_QUERY, b"q" * 40)])
    assert site.wait(5000) == [] and site.server.groups.crowded == 1


def test_put_longer_than_what_waits_is_carried_out_and_answered():
    site, written = Site(waiting_bytes=32), []

    def put(request):
        written.append(len(request.payload()))
        return b"ok"

    site.add("w", put, "PUT", group=True)
    site.ask_group([(n.URI_PATH, b"w")], code=n.PUT, payload=b"x" * 40)
    assert written == [40] and site.wait(1000)[0].payload == b"ok"


def test_waiting_request_is_not_that_of_the_receive_buffer():
    site = Site()
    site.wire.dice = b"\x80\0"
    request = bytearray(datagram(n.NON, n.GET, 1, b"tk", TEMP))
    site.port.deliver(request, CLIENT, 1)
    for i in range(len(request)):
        request[i] = 0
    (sent,) = site.wait(1000)
    assert sent.token == b"tk" and sent.payload == b"21.5"


def test_answers_go_to_who_asked():
    site = Site()
    site.ask_group(token=b"1")
    site.ask_group(token=b"2", peer=OTHER)
    assert [(sent.token, sent.peer) for sent in site.wait(3000)] == [(b"1", CLIENT), (b"2", OTHER)]


def test_group_answer_has_response_forwarding_exactly_with_signaling():
    site = Site()
    site.ask_group(TEMP + [(MULTICAST_SIGNALING, b"\x0a")])
    site.ask_group(TEMP)
    one, two = site.wait(3000)
    assert one.option(RESPONSE_FORWARDING) == ORIGIN and two.option(RESPONSE_FORWARDING) is None


def test_well_known_core_answers_group_requests():
    site = Site()
    site.ask_group([(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")])
    assert b"</temp>" in site.wait(1000)[0].payload


def test_one_more_membership_than_there_is_room_for_is_refused():
    site = Site(leisures=(1, 2), memberships=2)
    try:
        site.server.join()
    except ValueError:
        return
    raise AssertionError("not refused")


def test_memberships_are_numbered_from_1():
    site = Site(leisures=())
    assert [site.server.join(), site.server.join(20)] == [1, 2]


def test_default_leisure_is_5_s():
    site = Site(leisures=())
    site.server.join()
    site.wire.dice = b"\xff\xff"
    site.ask_group()
    assert site.wait(5000)[0].at == 4999
