"""RFC 7252 §3 and §4: the message format and the messaging layer."""

from conformance.site import LOG, PROXY_TARGET, RESERVED, TEMP, Asking, Site, slow_proxy
from conformance.statements import Document
from groupcoap import numbers as n
from groupcoap.exchange import Outgoing
from groupcoap.parameters import Parameters
from wire import CLIENT, OTHER, SERVER, SERVER2, Proxied, datagram

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

ACK_TIMEOUT = 2000  # ms
MAX_TRANSMIT_SPAN = 45000
EXCHANGE_LIFETIME = 247000
NON_LIFETIME = 145000


def retransmissions(asking, span=120000):
    """The times, ms, at which the request of this client goes out, the first one as 0."""
    return [0] + [packet.at for packet in asking.wait(span) if packet.raw == asking.request.raw]


# §3


@statement("3", "MUST", "Version is 1 in every message sent")
def test_version_is_one():
    assert Site().answer().raw[0] >> 6 == 1 and Asking().request.raw[0] >> 6 == 1


@statement("3", "MUST", "Messages of another version are silently ignored")
def test_other_versions_are_ignored():
    site = Site()
    for version in (0, 2, 3):
        data = bytearray(datagram(n.CON, n.GET, version, b"t", TEMP))
        data[0] = data[0] & 0x3F | version << 6
        assert site.receive(data) == []
    assert site.calls == 0


@statement("3", "MUST", "Token lengths 9 to 15 are a message format error")
def test_token_length_above_8_is_a_format_error():
    site = Site()
    for length in range(9, 16):
        (sent,) = site.receive(bytes((0x40 | length, n.GET, 0, length)) + b"t" * length)
        assert sent.is_empty(n.RST, length)


@statement("3", "MUST", "Token lengths 9 to 15 are not sent")
def test_no_token_above_8_bytes():
    assert len(Asking().request.token) <= 8
    assert Site().answer(token=b"12345678").token == b"12345678"


@statement("3", "MUST", "A payload marker without a payload is a message format error")
def test_marker_without_payload_is_a_format_error():
    (sent,) = Site().receive(datagram(n.CON, n.GET, 7, b"t", TEMP) + b"\xff")
    assert sent.is_empty(n.RST, 7)


@statement("3.1", "MUST", "Option delta 15 that is no payload marker is a message format error")
def test_option_delta_15_is_a_format_error():
    (sent,) = Site().receive(datagram(n.CON, n.GET, 7) + b"\xf1x")
    assert sent.is_empty(n.RST, 7)


@statement("3.1", "MUST", "Option length 15 is a message format error")
def test_option_length_15_is_a_format_error():
    (sent,) = Site().receive(datagram(n.CON, n.GET, 7) + b"\xbf" + b"x" * 15)
    assert sent.is_empty(n.RST, 7)


@statement("3.1", "MUST", "Options go out in the order of their numbers, as deltas")
def test_options_are_in_order():
    request = Asking("coap://192.0.2.5/a/b?c=d", n.PUT, payload=b"x", content_format=60).request
    numbers = [number for number, _ in request.options]
    assert numbers == sorted(numbers) and len(numbers) >= 4


@statement("3.2", "MUST", "Unsigned integers with leading zero bytes are understood")
def test_leading_zeros_of_a_uint():
    assert Site().code(TEMP + [(n.ACCEPT, b"\0\0")]) == n.CONTENT


@statement("3.2", "SHOULD", "Unsigned integers are sent in as few bytes as hold them")
def test_uints_are_short():
    sent = Site().answer()
    assert sent.option(n.CONTENT_FORMAT) == b"" and sent.option(n.MAX_AGE) == b"\x1e"


# §4.1


@statement("4.1", "MUST", "An Empty message has no token and nothing behind its Message ID")
def test_empty_message_is_four_bytes():
    (sent,) = Site().receive(datagram(n.CON, 0, 7))
    assert sent.raw == b"\x70\x00\x00\x07"


@statement("4.1", "MUST", "An Empty message with more than a header is a message format error")
def test_empty_message_with_more_is_a_format_error():
    site, asking = Site(), Asking()
    for more in (datagram(n.CON, 0, 7, b"t"), datagram(n.CON, 0, 7) + b"x", datagram(n.CON, 0, 7, b"", [], b"p")):
        (sent,) = site.receive(more)
        assert sent.is_empty(n.RST, 7)
    asking.port.receive(datagram(n.ACK, 0, asking.request.mid) + b"x", SERVER)  # acknowledges nothing
    assert len(retransmissions(asking)) == 5


# §4.2


@statement("4.2", "MUST", "A Confirmable message is acknowledged")
def test_con_is_acknowledged():
    sent = Site().answer(mid=0x1234)
    assert (sent.kind, sent.mid) == (n.ACK, 0x1234)


@statement("4.2", "MUST", "A Confirmable message that is Empty is rejected (ping)")
def test_empty_con_is_reset():
    (sent,) = Site().receive(datagram(n.CON, 0, 7))
    assert sent.is_empty(n.RST, 7)


@statement("4.2", "MUST", "A Confirmable message with a code of a reserved class is rejected")
def test_con_of_a_reserved_class_is_reset():
    site = Site()
    for code in RESERVED:
        (sent,) = site.receive(datagram(n.CON, code, code, b"t", TEMP))
        assert sent.is_empty(n.RST, code)


@statement("4.2", "MUST", "A Confirmable message with a format error is rejected")
def test_malformed_con_is_reset():
    (sent,) = Site().receive(datagram(n.CON, n.GET, 7, b"t") + b"\xb9abc")
    assert sent.is_empty(n.RST, 7)


@statement("4.2", "MUST", "A Confirmable response that nobody waits for is rejected")
def test_unexpected_con_response_is_reset():
    (sent,) = Site().receive(datagram(n.CON, n.CONTENT, 7, b"nobody", [], b"x"))
    assert sent.is_empty(n.RST, 7)


@statement("4.2", "MUST", "An Acknowledgement echoes the Message ID")
@statement("4.2", "MUST", "An Acknowledgement carries a response or is Empty")
def test_ack_has_the_message_id_and_a_response_or_nothing():
    sent = Site().answer(mid=0xABCD)
    assert (sent.kind, sent.mid, sent.code) == (n.ACK, 0xABCD, n.CONTENT)
    asking = Asking()
    asking.acknowledge()
    (ack,) = asking.answer(n.CON, mid=0xABCD)
    assert ack.is_empty(n.ACK, 0xABCD)


@statement("4.2", "MUST", "A Reset echoes the Message ID and is Empty")
def test_reset_is_empty_and_has_the_message_id():
    (sent,) = Site().receive(datagram(n.CON, 0xC1, 0xABCD, b"token", TEMP, b"x"))
    assert sent.is_empty(n.RST, 0xABCD)


@statement("4.2", "MUST", "An Acknowledgement or Reset is never answered by one")
def test_ack_and_reset_are_not_answered():
    site, asking = Site(), Asking()
    for kind in (n.ACK, n.RST):
        for code in (0, n.GET, n.CONTENT, n.NOT_FOUND) + RESERVED:
            for port in (site.port, asking.port):
                assert port.receive(datagram(kind, code, 0x7777, b"t"), SERVER) == []
                assert port.receive(datagram(kind, code, 0x7777, b"t") + b"\xff", SERVER) == []


@statement("4.2", "MUST", "The first timeout of a Confirmable message is random, from ACK_TIMEOUT to 1.5 times that")
def test_first_timeout_is_random():
    found = set()
    for dice in range(0, 256, 15):
        asking = Asking()
        asking.wire.dice = bytes((dice,))
        asking.answer()
        asking.port.sent()
        asking.send("coap://192.0.2.6/x")
        begin = asking.wire.passed
        (request,) = asking.port.sent()
        again = asking.wait(4000)
        assert [packet.raw for packet in again] == [request.raw]
        found.add(again[0].at - begin)
    assert ACK_TIMEOUT <= min(found) and max(found) <= ACK_TIMEOUT * 1.5 and len(found) > 5


@statement("4.2", "MUST", "A Confirmable message is sent again at doubling timeouts, MAX_RETRANSMIT (4) times")
def test_con_is_retransmitted_with_doubling_timeouts():
    times = retransmissions(Asking())
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(gaps) == 4
    for gap, following in zip(gaps, gaps[1:]):
        assert abs(following - 2 * gap) <= 2


@statement("4.2", "MUST", "The sender is told when all retransmissions stay without an acknowledgement")
def test_failure_is_told():
    asking = Asking()
    asking.wait(MAX_TRANSMIT_SPAN)
    assert not asking.failed
    asking.wait(93000 - MAX_TRANSMIT_SPAN)  # MAX_TRANSMIT_WAIT
    assert asking.failed


@statement("4.2", "MUST", "A Reset ends retransmission, and the sender is told")
def test_reset_ends_retransmission():
    asking = Asking()
    asking.port.receive(datagram(n.RST, 0, asking.request.mid), SERVER)
    assert asking.failed and retransmissions(asking) == [0]


@statement("4.2", "MUST", "An Acknowledgement ends retransmission")
def test_ack_ends_retransmission():
    asking = Asking()
    asking.acknowledge()
    assert retransmissions(asking, 60000) == [0]


@statement("4.2", "MUST", "Retransmissions are at least ACK_TIMEOUT apart and all within MAX_TRANSMIT_SPAN (45 s)")
def test_retransmissions_stay_in_their_span():
    for dice in (b"\0", b"\xff", b"\x80"):
        asking = Asking()
        asking.answer()
        asking.wire.dice = dice
        asking.send("coap://192.0.2.6/x")
        (first,) = asking.port.sent()
        times = [first.at] + [packet.at for packet in asking.wait(120000) if packet.raw == first.raw]
        assert min(b - a for a, b in zip(times, times[1:])) >= ACK_TIMEOUT
        assert times[-1] - times[0] <= MAX_TRANSMIT_SPAN


@statement("4.2", "MUST", "A request is acknowledged again even after its Confirmable response was acknowledged")
def test_request_is_acknowledged_after_its_response_was():
    proxy, forwarded = slow_proxy()
    (response,) = proxy.answer(forwarded.token, forwarded.mid, kind=n.ACK)
    assert response.kind == n.CON
    proxy.down.receive(datagram(n.ACK, 0, response.mid), CLIENT)
    sent = proxy.ask(PROXY_TARGET, kind=n.CON, mid=7)
    proxy.wire.advance(1900)
    assert [(packet.kind, packet.mid) for packet in sent + proxy.down.sent()] == [(n.ACK, 7)]


not_claimed(
    "4.2",
    "SHOULD",
    "An ICMP error is checked against the datagram that it is about, or else ignored",
    "a UDP socket that is not connected gets no ICMP error on any of the platforms; a failed send is survived",
)
not_claimed(
    "4.2",
    "SHOULD",
    "Packet Too Big errors are ignored, or feed path MTU discovery",
    "the sockets show none; messages stay within 1,152 bytes (§4.6)",
)
not_claimed("4.2", "SHOULD", "Source Quench and Time Exceeded are ignored", "the sockets show none")


# §4.3


@statement("4.3", "MUST", "A Non-confirmable message sent is not Empty")
def test_no_empty_non():
    site = Site()
    everything = site.ask(TEMP + [(n.NO_RESPONSE, b"\x1a")], n.NON) + site.receive(datagram(n.NON, 0, 9))
    assert [packet for packet in everything if packet.kind == n.NON] == []


@statement("4.3", "MUST", "A Non-confirmable message is not acknowledged")
def test_non_is_not_acknowledged():
    assert Site().answer(kind=n.NON).kind == n.NON
    asking = Asking()
    asking.acknowledge()
    assert asking.answer(n.NON) == [] and len(asking.responses) == 1


@statement("4.3", "MUST", "A Non-confirmable message that is Empty, of a reserved class or malformed is rejected")
@statement("4.3", "MUST", "A rejected Non-confirmable message is silently ignored, but for a Reset that matches it")
def test_unprocessable_non_is_rejected():
    site = Site()
    for data in (
        [datagram(n.NON, 0, 7)]
        + [datagram(n.NON, code, 7, b"t", TEMP) for code in RESERVED]
        + [datagram(n.NON, n.GET, 7, b"t", TEMP) + b"\xff", datagram(n.NON, n.CONTENT, 7, b"nobody")]
    ):
        for sent in site.receive(data):
            assert sent.is_empty(n.RST, 7)
    assert site.calls == 0


# §4.4


@statement("4.4", "MUST", "The Message ID is echoed in the Acknowledgement or Reset")
def test_message_id_is_echoed():
    site = Site()
    for mid in (0, 1, 0x00FF, 0x0100, 0xFFFF):
        assert site.answer(mid=mid).mid == mid
        (reset,) = site.receive(datagram(n.CON, 0, mid), OTHER)
        assert reset.is_empty(n.RST, mid)


@statement("4.4", "MUST", "A Message ID is not used again with the same endpoint while 65,535 others are left")
def test_message_ids_are_not_reused():
    site = Site()
    port = site.port
    seen = set()
    for mid in range(0x10000):
        port.endpoint.receive(datagram(n.NON, n.GET, mid, b"t", TEMP), 10, CLIENT, 0, site.wire.now)
        if mid % 256 == 255:
            seen.update(packet.mid for packet in port.sent())
    assert len(seen) == 0x10000


not_claimed(
    "4.4",
    "MUST",
    "Nor within EXCHANGE_LIFETIME by an endpoint that sends more than 65,536 messages in that time (265 a second)",
    "a relay would have to stop; the receiver's table of recent messages knows the last ones only, so that an old "
    "Message ID does no harm there",
)


@statement("4.4", "MUST", "An Acknowledgement or Reset matches by Message ID")
def test_ack_or_reset_with_another_message_id_does_not_match():
    for kind in (n.ACK, n.RST):
        asking = Asking()
        asking.port.receive(datagram(kind, 0, asking.request.mid ^ 1), SERVER)
        assert len(retransmissions(asking, 60000)) == 5 and not asking.failed


@statement("4.4", "MUST", "An Acknowledgement or Reset matches by its source endpoint, address and port")
def test_ack_or_reset_from_elsewhere_does_not_match():
    for kind in (n.ACK, n.RST):
        asking = Asking()
        for peer in (SERVER2, SERVER[:4] + b"\0\1"):
            asking.port.receive(datagram(kind, 0, asking.request.mid), peer)
        assert len(retransmissions(asking, 60000)) == 5 and not asking.failed


# §4.5


@statement("4.5", "SHOULD", "Each copy of a Confirmable message gets the same Acknowledgement")
@statement("4.5", "SHOULD", "A request in a Confirmable message is carried out once")
def test_duplicate_con_is_acknowledged_and_carried_out_once():
    site = Site()
    first = site.answer(LOG, code=n.POST, payload=b"x", mid=7)
    site.wire.advance(40000)
    assert site.answer(LOG, code=n.POST, payload=b"x", mid=7).raw == first.raw
    assert site.entries == [b"x"]


@statement("4.5", "SHOULD", "Each copy of a Confirmable message that was rejected gets the same Reset")
def test_duplicate_con_is_reset_again():
    site = Site()
    for _ in range(2):
        (sent,) = site.receive(datagram(n.CON, n.CONTENT, 7, b"nobody"))
        assert sent.is_empty(n.RST, 7)


@statement("4.5", "SHOULD", "A response in a Confirmable message is acknowledged each time, and delivered once")
def test_duplicate_con_response_is_delivered_once():
    asking = Asking()
    asking.acknowledge()
    for _ in range(3):
        (sent,) = asking.answer(n.CON, mid=99)
        assert sent.is_empty(n.ACK, 99)
    assert len(asking.responses) == 1


@statement("4.5", "SHOULD", "A copy of a Non-confirmable message is silently ignored, its request carried out once")
def test_duplicate_non_is_ignored():
    site = Site()
    assert len(site.ask(LOG, n.NON, n.POST, b"x", mid=7)) == 1
    assert site.ask(LOG, n.NON, n.POST, b"x", mid=7) == [] and site.entries == [b"x"]
    assert len(site.ask(TEMP, n.NON, mid=8)) == 1
    assert site.ask(TEMP, n.NON, mid=8) == [] and site.calls == 2


@statement("4.5", "TEXT", "A copy is known as one for EXCHANGE_LIFETIME (Confirmable) or NON_LIFETIME")
def test_copies_are_known_for_their_lifetime():
    for kind, lifetime in ((n.CON, EXCHANGE_LIFETIME), (n.NON, NON_LIFETIME)):
        site = Site()
        site.ask(LOG, kind, n.POST, b"x", mid=7)
        site.wire.advance(lifetime - 1000)
        site.ask(LOG, kind, n.POST, b"x", mid=7)
        assert site.entries == [b"x"]
        site.wire.advance(2000)
        site.ask(LOG, kind, n.POST, b"y", mid=7)
        assert site.entries == [b"x", b"y"]


@statement("4.5", "TEXT", "A copy has the same Message ID and the same source endpoint")
def test_other_source_is_no_copy():
    site = Site()
    for peer in (CLIENT, OTHER, CLIENT[:4] + b"\0\1"):
        site.ask(LOG, code=n.POST, payload=b"x", mid=7, peer=peer)
    assert site.entries == [b"x"] * 3


# §4.6


@statement("4.6", "SHOULD", "Without a known path MTU, messages sent have at most 1,152 bytes, their payload 1,024")
def test_messages_fit_a_packet():
    site = Site()
    for length in (1024, 1025, 1100, 1152, 5000):
        site.body = bytes(length)
        sent = site.answer([(n.URI_PATH, b"big")])
        assert len(sent.raw) <= 1152 and len(sent.payload) <= 1024


@statement("4.6", "SHOULD", "So do requests with a large payload")
def test_requests_fit_a_packet():
    request = Asking("coap://192.0.2.5/big", n.PUT, payload=bytes(5000)).request
    assert len(request.raw) <= 1152 and len(request.payload) <= 1024


# §4.7


@statement("4.7", "MUST", "A client has at most NSTART (1) outstanding interactions with one server")
def test_nstart():
    asking = Asking()
    asking.send()
    assert asking.port.sent() == []  # waits
    asking.send("coap://192.0.2.6/temp")  # another server's
    (other,) = asking.port.sent()
    assert other.peer == SERVER2
    (second,) = asking.answer()
    assert second.peer == SERVER and second.token != asking.request.token
    asking.answer(to=second)
    assert len(asking.responses) == 2


@statement("4.7", "MUST", "So has a proxy towards a server")
def test_nstart_of_a_proxy():
    proxy = Proxied()
    proxy.up.endpoint.outgoing = Outgoing(4, 1152, proxy.up.endpoint.transmit, proxy.wire.timers, bytes, Parameters())
    options = PROXY_TARGET
    first = proxy.asked(options, kind=n.CON, token=b"1")
    proxy.ask(options, kind=n.CON, token=b"2")
    assert proxy.up.sent() == []
    proxy.answer(first.token, first.mid, kind=n.ACK)
    (second,) = proxy.up.sent()
    assert second.token != first.token


@statement("4.7", "MUST", "A client's rate to a silent endpoint stays below PROBING_RATE, where one is set")
def test_probing_rate():
    asking = Asking(confirmable=False, client={"probing_rate": 1})
    sent = len(asking.request.raw)
    for _ in range(15):
        asking.send(confirmable=False)
        sent += sum(len(packet.raw) for packet in asking.wait(4000))
    assert len(asking.request.raw) < sent <= 60 + 2 * len(asking.request.raw)


not_claimed(
    "4.7",
    "MUST",
    "Where none is set, it stays below 1 byte/s",
    "that would be one group request a minute; the rate is a setting of client and proxy, 0 unless it is given",
)
not_claimed(
    "4.7",
    "SHOULD",
    "A server limits the rate of its responses",
    "there is one response a request, group ones spread over Leisure; how often a resource may be asked is the "
    "application's to know",
)


# §4.8


@statement("4.8", "TEXT", "ACK_TIMEOUT 2 s, ACK_RANDOM_FACTOR 1.5, MAX_RETRANSMIT 4, NSTART 1, DEFAULT_LEISURE 5 s")
@statement("4.8.1", "MUST", "ACK_TIMEOUT is not decreased, NSTART not increased, without other congestion control")
@statement("4.8.1", "SHOULD", "ACK_RANDOM_FACTOR differs enough from 1.0")
def test_default_parameters():
    p = Parameters()
    assert (p.ack_timeout, p.max_retransmit, p.nstart, p.default_leisure) == (2000, 4, 1, 5000)
    assert p.ack_timeout + p.ack_spread - 1 == 3000


@statement("4.8.1", "MUST", "ACK_RANDOM_FACTOR is not below 1.0")
def test_ack_random_factor_is_at_least_1():
    try:
        Parameters(ack_random_factor=0.99)
    except ValueError:
        return
    raise AssertionError("not refused")


@statement("4.8.2", "TEXT", "MAX_TRANSMIT_SPAN 45 s, _WAIT 93 s, EXCHANGE_LIFETIME 247 s, NON_LIFETIME 145 s")
def test_derived_times():
    p = Parameters()
    assert (p.max_transmit_span, p.max_transmit_wait) == (45000, 93000)
    assert (p.max_rtt, p.exchange_lifetime, p.non_lifetime) == (202000, 247000, 145000)


not_claimed(
    "4.8.1",
    "SHOULD",
    "One application environment has one set of parameters",
    "nodes are configured one by one; the defaults are the same everywhere",
)
not_claimed(
    "4.8.1",
    "MUST",
    "What configures longer times makes them known to all endpoints concerned",
    "parameters are changed in code, on every node alike; there is no mechanism that distributes them",
)
