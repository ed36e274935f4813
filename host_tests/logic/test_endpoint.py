"""One endpoint, datagram in, datagrams out: the message layer and the matching of responses (RFC 7252 §4, §5.3.2)."""

from groupcoap import numbers as n
from wire import CLIENT, OTHER, SERVER, SERVER2, Owner, Recorder, Wire, allocated, datagram


def serving(payload=b"ok", **sizes):
    port = Wire().port(**sizes)
    return port, Recorder(port.endpoint, payload)


def asking(source=None, lifetime=60000):
    """A port, the owner of its one token, and that token."""
    port = Wire().port(token_slots=1)
    owner = Owner()
    slot = port.endpoint.tokens.allocate(owner, lifetime, port.wire.now, source)
    return port, owner, port.endpoint.tokens.token(slot)


def confirmable(port, owner, mid=None, peer=SERVER):
    """Send a CON from this port: its Message ID."""
    endpoint = port.endpoint
    if mid is None:
        mid = endpoint.next_mid()
    endpoint.out.begin(n.CON, n.GET, mid, b"t")
    assert endpoint.send_confirmable(peer, owner, 7, port.wire.now)
    return mid


# Requests


def test_con_request_is_answered_by_an_ack_with_its_message_id_and_token():
    port, _ = serving()
    (sent,) = port.receive(datagram(n.CON, n.GET, 0x1234, b"abcd"), CLIENT)
    assert sent.raw == b"\x64\x45\x12\x34abcd\xffok" and sent.peer == CLIENT


def test_non_request_is_answered_by_a_non_with_fresh_message_ids():
    port, _ = serving()
    (one,) = port.receive(datagram(n.NON, n.GET, 1, b"t"), CLIENT)
    (two,) = port.receive(datagram(n.NON, n.GET, 2, b"t"), CLIENT)
    assert one.kind == two.kind == n.NON and two.mid == (one.mid + 1) & 0xFFFF


def test_message_ids_have_two_bytes():
    port, _ = serving()
    port.endpoint.mids[0] = 0x12FF
    assert port.receive(datagram(n.NON, n.GET, 1, b"t"), CLIENT)[0].mid == 0x1300 == port.endpoint.next_mid() - 1


def test_message_ids_go_round():
    port, _ = serving()
    port.endpoint.mids[0] = 0xFFFF
    assert port.receive(datagram(n.NON, n.GET, 1, b"t"), CLIENT)[0].mid == 0
    port.endpoint.mids[0] = 0xFFFF
    assert port.endpoint.next_mid() == 0


def test_repeated_non_request_is_dropped():
    port, role = serving()
    request = datagram(n.NON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    assert port.receive(request, CLIENT) == []
    assert len(role.requests) == 1 and role.repeats == 0


def test_repeated_con_request_is_told_to_the_role():
    port, role = serving()
    request = datagram(n.CON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    port.receive(request, CLIENT)
    assert len(role.requests) == 1 and role.repeats == 1


def test_same_message_id_of_another_peer_is_another_request():
    port, role = serving()
    request = datagram(n.NON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    assert len(port.receive(request, OTHER)) == 1 and len(role.requests) == 2


def test_message_id_of_a_con_may_come_again_after_exchange_lifetime():
    port, role = serving()
    request = datagram(n.CON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    port.wire.advance(246000)
    port.receive(request, CLIENT)
    assert len(role.requests) == 1
    port.wire.advance(2000)
    port.receive(request, CLIENT)
    assert len(role.requests) == 2


def test_message_id_of_a_non_may_come_again_after_non_lifetime():
    port, role = serving()
    request = datagram(n.NON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    port.wire.advance(144000)
    port.receive(request, CLIENT)
    assert len(role.requests) == 1
    port.wire.advance(2000)
    port.receive(request, CLIENT)
    assert len(role.requests) == 2


def test_message_id_is_forgotten_when_the_clock_has_gone_round():
    port, role = serving()
    request = datagram(n.NON, n.GET, 1, b"t")
    port.receive(request, CLIENT)
    for _ in range(8):
        port.wire.advance(0x8000000)  # eight of these are the whole clock
    port.receive(request, CLIENT)
    assert len(role.requests) == 2


def test_unknown_method_is_4_05():
    port, role = serving()
    (sent,) = port.receive(datagram(n.CON, 8, 1, b"t"), CLIENT)
    assert (sent.kind, sent.code, sent.token) == (n.ACK, n.METHOD_NOT_ALLOWED, b"t") and role.requests == []


# POST and PATCH, carried out once


def test_repeated_con_post_gets_the_same_answer_and_is_carried_out_once():
    port, role = serving()
    request = datagram(n.CON, n.POST, 1, b"t")
    (first,) = port.receive(request, CLIENT)
    role.payload = b"other"
    (second,) = port.receive(request, CLIENT)
    assert second.raw == first.raw and second.peer == CLIENT and len(role.requests) == 1


def test_repeated_request_that_changes_something_is_carried_out_once():
    port, role = serving()
    for mid, code in enumerate((n.POST, n.PUT, n.DELETE, n.PATCH, n.IPATCH)):
        first = port.receive(datagram(n.CON, code, mid, b"t"), CLIENT)[0]
        assert port.receive(datagram(n.CON, code, mid, b"t"), CLIENT)[0].raw == first.raw
    assert len(role.requests) == 5 and role.repeats == 0


def test_idempotent_request_is_carried_out_again_when_its_answer_has_given_way():
    port, role = serving(kept_answers=2)
    for mid in (1, 2, 3, 1):
        port.receive(datagram(n.CON, n.PUT, mid, b"t"), CLIENT)
    assert len(role.requests) == 4


def test_idempotent_request_is_carried_out_while_every_place_is_taken():
    port, role = serving(kept_answers=1)
    for mid, code in ((1, n.POST), (2, n.PUT), (2, n.PUT)):
        (sent,) = port.receive(datagram(n.CON, code, mid, b"t"), CLIENT)
        assert sent.code == n.CONTENT
    assert len(role.requests) == 3


def test_repeated_request_that_had_an_empty_ack_gets_that_again():
    port, role = serving(None)
    port.receive(datagram(n.CON, n.GET, 7, b"t"), CLIENT)
    port.endpoint.acknowledge(port.endpoint.message, CLIENT)
    assert port.sent()[0].is_empty(n.ACK, 7)
    (sent,) = port.receive(datagram(n.CON, n.GET, 7, b"t"), CLIENT)
    assert sent.is_empty(n.ACK, 7) and role.repeats == 0


def test_non_notification_that_nobody_waits_for_is_reset():
    port, _ = serving()
    assert port.receive(datagram(n.NON, n.CONTENT, 9, b"12345678"), SERVER) == []
    (sent,) = port.receive(datagram(n.NON, n.CONTENT, 10, b"12345678", [(n.OBSERVE, b"\x05")]), SERVER)
    assert sent.is_empty(n.RST, 10)


def test_reset_of_what_was_not_confirmable_reaches_the_role():
    port, role = serving()
    port.receive(datagram(n.RST, 0, 77), CLIENT)
    assert role.rejections == [(CLIENT, 77)]


def test_block_of_an_upload_that_is_not_the_last_takes_no_place():
    port, role = serving(kept_answers=1)
    for mid in (1, 2, 3):
        port.receive(datagram(n.CON, n.POST, mid, b"t", [(n.BLOCK1, bytes((mid << 4 | 8,)))], b"x" * 16), CLIENT)
    assert len(role.requests) == 3
    port.receive(datagram(n.CON, n.POST, 3, b"t", [(n.BLOCK1, b"\x38")], b"x" * 16), CLIENT)
    assert role.repeats == 1


def test_repeated_group_post_is_carried_out_once():
    port, role = serving(None)
    request = datagram(n.NON, n.POST, 1, b"t")
    port.receive(request, CLIENT, 1)
    assert port.receive(request, CLIENT, 1) == [] and len(role.requests) == 1


def test_long_answer_to_a_post_is_kept_without_its_payload():
    port, _ = serving(b"x" * 100, kept_bytes=32)
    request = datagram(n.CON, n.POST, 1, b"tt")
    port.receive(request, CLIENT)
    assert port.receive(request, CLIENT)[0].raw == datagram(n.ACK, n.CONTENT, 1, b"tt")


def test_post_is_refused_while_every_kept_answer_is_young():
    port, role = serving(kept_answers=2)
    for mid in (1, 2):
        port.receive(datagram(n.CON, n.POST, mid, b"t"), CLIENT)
    (sent,) = port.receive(datagram(n.CON, n.POST, 3, b"t"), CLIENT)
    assert sent.code == n.SERVICE_UNAVAILABLE and sent.option(n.MAX_AGE) == bytes((48,))
    assert len(role.requests) == 2


def test_group_post_is_dropped_while_every_kept_answer_is_young():
    port, role = serving(kept_answers=1)
    port.receive(datagram(n.CON, n.POST, 1, b"t"), CLIENT)
    assert port.receive(datagram(n.NON, n.POST, 2, b"t"), CLIENT, 1) == [] and len(role.requests) == 1


def test_post_is_known_for_its_lifetime_and_carried_out_once_in_it():
    for kind, lifetime in ((n.CON, 247000), (n.NON, 145000)):
        port, role = serving(kept_answers=1)
        request = datagram(kind, n.POST, 1, b"t")
        port.receive(request, CLIENT)
        port.wire.advance(lifetime - 1)
        port.receive(request, CLIENT)
        assert len(role.requests) == 1, kind
        port.wire.advance(1)
        port.receive(request, CLIENT)
        assert len(role.requests) == 2, kind


def test_place_of_a_post_is_its_own_while_it_may_be_repeated():
    for kind in (n.CON, n.NON):
        port, role = serving(kept_answers=1)
        port.receive(datagram(kind, n.POST, 1, b"t"), CLIENT)
        port.wire.advance(47000)  # MAX_TRANSMIT_SPAN and a time-out
        assert port.receive(datagram(n.CON, n.POST, 2, b"t"), CLIENT)[0].code == n.SERVICE_UNAVAILABLE
        port.wire.advance(1)
        assert port.receive(datagram(n.CON, n.POST, 3, b"t"), CLIENT)[0].code == n.CONTENT


def test_what_is_sent_to_others_while_a_post_is_carried_out_is_not_its_answer():
    port, role = serving(None)
    endpoint = port.endpoint

    def request(m, peer, group, now):
        endpoint.out.begin(n.NON, n.CONTENT, 9)
        endpoint.send(OTHER)
        endpoint.acknowledge(m, peer)

    role.request = request
    post = datagram(n.CON, n.POST, 1, b"t")
    port.receive(post, CLIENT)
    (sent,) = port.receive(post, CLIENT)
    assert sent.is_empty(n.ACK, 1) and sent.peer == CLIENT


# Ping, Reset, malformed datagrams


def test_ping_is_reset():
    port, role = serving()
    (sent,) = port.receive(datagram(n.CON, 0, 0x0102), CLIENT)
    assert sent.is_empty(n.RST, 0x0102) and sent.peer == CLIENT and role.requests == []


def test_empty_non_is_dropped():
    port, _ = serving()
    assert port.receive(datagram(n.NON, 0, 1), CLIENT) == []


def test_malformed_con_is_reset():
    port, role = serving()
    for bad in (b"\x49\x01\x124", b"\x42\x01\x124a", b"\x40\x01\x124\xff", b"\x40\x20\x124", b"\x40\x00\x124x"):
        (sent,) = port.receive(bad, CLIENT)
        assert sent.is_empty(n.RST, 0x1234)
    assert role.requests == [] and port.endpoint.faulty == 5


def test_con_of_more_than_1280_bytes_is_reset_and_one_of_1280_is_not():
    port, role = serving()
    for length in (1280, 1281):
        con = datagram(n.CON, n.GET, length, payload=bytes(length - 5))
        assert len(con) == length
        (sent,) = port.receive(con, CLIENT)
        assert len(role.requests) == 1 and sent.is_empty(n.RST, 1281) == (length == 1281)


def test_malformed_non_ack_and_rst_are_dropped():
    port, role = serving()
    for first in (0x59, 0x69, 0x79):
        assert port.receive(bytes((first, 1, 0, 1)), CLIENT) == []
    assert role.requests == []


def test_other_version_is_dropped():
    port, role = serving()
    for first in (0x00, 0x80, 0xC0):
        assert port.receive(bytes((first, 1, 0, 1)), CLIENT) == []
    assert role.requests == []


def test_shorter_than_a_header_is_dropped():
    port, _ = serving()
    for bad in (b"", b"\x40", b"\x40\x01\x00"):
        assert port.receive(bad, CLIENT) == []


def test_nothing_that_came_by_multicast_is_reset():
    port, _ = serving()
    for bad in (b"\x49\x01\x12\x34", datagram(n.CON, 0, 1), datagram(n.CON, n.CONTENT, 1, b"t"), datagram(n.CON, 9, 1)):
        assert port.receive(bad, CLIENT, 1) == []


def test_repeated_con_group_request_is_not_told_to_the_role():
    port, role = serving(None)
    for _ in range(2):
        assert port.receive(datagram(n.CON, n.GET, 1, b"t"), CLIENT, 1) == []
    assert role.repeats == 0


def test_ack_with_a_request_in_it_is_dropped():
    port, role = serving()
    assert port.receive(datagram(n.ACK, n.GET, 1, b"t"), CLIENT) == [] and role.requests == []


# Responses


def test_response_finds_the_owner_of_its_token():
    port, owner, token = asking()
    assert port.receive(datagram(n.NON, n.CONTENT, 1, token, (), b"x"), SERVER) == []
    assert owner.responses == [(token[0], n.CONTENT, b"x", SERVER)]


def test_con_response_is_acknowledged():
    port, owner, token = asking()
    (sent,) = port.receive(datagram(n.CON, n.CONTENT, 0x0102, token), SERVER)
    assert sent.is_empty(n.ACK, 0x0102) and sent.peer == SERVER and len(owner.responses) == 1


def test_repeated_con_response_is_acknowledged_and_not_told_again():
    port, owner, token = asking()
    response = datagram(n.CON, n.CONTENT, 1, token)
    port.receive(response, SERVER)
    assert port.receive(response, SERVER)[0].is_empty(n.ACK, 1) and len(owner.responses) == 1


def test_repeated_non_response_is_dropped():
    port, owner, token = asking()
    response = datagram(n.NON, n.CONTENT, 1, token)
    port.receive(response, SERVER)
    assert port.receive(response, SERVER) == [] and len(owner.responses) == 1


def test_forged_token_is_not_matched():
    port, owner, token = asking()
    for i in range(8):
        forged = bytearray(token)
        forged[i] ^= 1
        assert port.receive(datagram(n.NON, n.CONTENT, i, bytes(forged)), SERVER) == []
    assert port.receive(datagram(n.NON, n.CONTENT, 9, token[:7]), SERVER) == []
    assert owner.responses == []


def test_unwanted_con_response_is_reset():
    port, owner, token = asking()
    assert port.receive(datagram(n.CON, n.CONTENT, 1, b"forged"), SERVER)[0].is_empty(n.RST, 1)


def test_repeated_unwanted_con_response_is_reset_again():
    port, owner, token = asking()
    response = datagram(n.CON, n.CONTENT, 1, b"forged")
    port.receive(response, SERVER)
    assert port.receive(response, SERVER)[0].is_empty(n.RST, 1)  # the same as before (RFC 7252 §4.5)


def test_unicast_response_from_another_source_is_not_matched():
    port, owner, token = asking(SERVER)
    assert port.receive(datagram(n.NON, n.CONTENT, 1, token), SERVER2) == []
    assert port.receive(datagram(n.CON, n.CONTENT, 2, token), SERVER2)[0].is_empty(n.RST, 2)
    assert owner.responses == []
    port.receive(datagram(n.NON, n.CONTENT, 3, token), SERVER)
    assert len(owner.responses) == 1


def test_group_response_is_matched_by_its_token_alone():
    port, owner, token = asking()
    port.receive(datagram(n.NON, n.CONTENT, 1, token), SERVER)
    port.receive(datagram(n.NON, n.CONTENT, 1, token), SERVER2)
    assert [response[3] for response in owner.responses] == [SERVER, SERVER2]


def test_response_by_multicast_is_dropped():
    port, owner, token = asking()
    assert port.receive(datagram(n.NON, n.CONTENT, 1, token), SERVER, 1) == [] and owner.responses == []


def test_response_after_its_token_has_expired_is_not_matched():
    port, owner, token = asking(lifetime=5000)
    port.wire.advance(5000)
    assert port.receive(datagram(n.NON, n.CONTENT, 1, token), SERVER) == [] and owner.responses == []
    assert owner.expired == [token[0]]


# Confirmable messages of our own


def times(port):
    return [packet.at for packet in port.sent()]


def test_con_is_sent_again_with_growing_distance_and_given_up_after_the_fourth_time():
    port, owner = Wire().port(), Owner()
    port.wire.dice = b"\0"  # the least ACK_TIMEOUT, 2 s
    confirmable(port, owner)
    port.wire.advance(61999)
    assert times(port) == [0, 2000, 6000, 14000, 30000] and owner.failures == []
    port.wire.advance(1)
    assert owner.failures == [(7, False)]
    port.wire.advance(100000)
    assert times(port) == []


def test_con_is_given_up_within_max_transmit_wait():
    port, owner = Wire().port(), Owner()
    port.wire.dice = b"\xff\xff"
    confirmable(port, owner)
    port.wire.advance(92999)
    assert times(port) == [0, 3000, 9000, 21000, 45000] and owner.failures == []
    port.wire.advance(1)
    assert owner.failures == [(7, False)]


def test_con_is_sent_again_as_it_was():
    port, owner = Wire().port(), Owner()
    mid = confirmable(port, owner)
    port.endpoint.out.begin(n.NON, n.CONTENT, 1)  # the send buffer is written to meanwhile
    port.wire.advance(3000)
    first, second = port.sent()
    assert first.raw == second.raw == datagram(n.CON, n.GET, mid, b"t") and second.peer == SERVER


def test_acknowledged_con_is_not_sent_again():
    port, owner = Wire().port(), Owner()
    mid = confirmable(port, owner)
    assert port.receive(datagram(n.ACK, 0, mid), SERVER)[1:] == []
    port.wire.advance(100000)
    assert port.sent() == [] and owner.acknowledgements == [7] and owner.failures == []


def test_ack_of_another_peer_or_message_id_acknowledges_nothing():
    port, owner = Wire().port(), Owner()
    mid = confirmable(port, owner)
    port.sent()
    port.receive(datagram(n.ACK, 0, mid), SERVER2)
    port.receive(datagram(n.ACK, 0, mid ^ 1), SERVER)
    port.wire.advance(3000)
    assert len(port.sent()) == 1 and owner.acknowledgements == []


def test_reset_ends_a_con():
    port, owner = Wire().port(), Owner()
    mid = confirmable(port, owner)
    port.receive(datagram(n.RST, 0, mid), SERVER)
    port.wire.advance(100000)
    assert port.sent() == [] and owner.failures == [(7, True)]


def test_piggybacked_response_acknowledges_and_is_matched():
    port, owner, token = asking(SERVER)
    mid = confirmable(port, owner)
    port.receive(datagram(n.ACK, n.CONTENT, mid, token, (), b"x"), SERVER)
    assert owner.acknowledgements == [7] and owner.responses == [(token[0], n.CONTENT, b"x", SERVER)]


def test_piggybacked_response_to_no_con_of_ours_is_dropped():
    port, owner, token = asking(SERVER)
    mid = confirmable(port, owner)
    port.receive(datagram(n.ACK, n.CONTENT, mid ^ 1, token), SERVER)
    assert owner.responses == []


def test_repeated_piggybacked_response_is_told_once():
    port, owner, token = asking(SERVER)
    mid = confirmable(port, owner)
    for _ in range(2):
        port.receive(datagram(n.ACK, n.CONTENT, mid, token), SERVER)
    assert len(owner.responses) == 1


def test_separate_response_follows_an_empty_ack():
    port, owner, token = asking(SERVER)
    mid = confirmable(port, owner)
    port.receive(datagram(n.ACK, 0, mid), SERVER)
    port.wire.advance(10000)
    (ack,) = port.receive(datagram(n.CON, n.CONTENT, 99, token, (), b"x"), SERVER)
    assert ack.is_empty(n.ACK, 99) and owner.responses == [(token[0], n.CONTENT, b"x", SERVER)]


def test_con_is_refused_while_too_many_are_under_way():
    port, owner = Wire().port(outgoing=1), Owner()
    mid = confirmable(port, owner)
    assert port.endpoint.outgoing.full()
    port.endpoint.out.begin(n.CON, n.GET, 5)
    assert not port.endpoint.send_confirmable(SERVER, owner, 8, port.wire.now)
    port.receive(datagram(n.ACK, 0, mid), SERVER)
    assert not port.endpoint.outgoing.full()
    confirmable(port, owner)


def test_reply_without_a_payload_has_no_marker():
    port, _ = serving(b"")
    assert port.receive(datagram(n.CON, n.GET, 1, b"t"), CLIENT)[0].raw == b"\x61\x45\x00\x01t"


def test_reply_that_is_too_long_raises():
    port, role = serving(b"x" * 100, max_message=64)
    try:
        port.receive(datagram(n.NON, n.GET, 1, b"t"), CLIENT)
    except ValueError:
        pass
    else:
        raise AssertionError("not refused")
    assert port.sent() == []


def test_non_get_is_received_without_allocating():
    port, role = serving()
    endpoint = port.endpoint
    endpoint.transmit = _drop
    role.request = _Quiet(endpoint).request
    request = bytearray(datagram(n.NON, n.GET, 0, b"abcd", [(n.URI_PATH, b"temp")]))
    now = port.wire.now
    size = len(request)

    def receive():
        request[3] += 1
        endpoint.receive(request, size, CLIENT, 0, now)

    assert allocated(receive) <= 64


def _drop(buf, length, peer):
    pass


class _Quiet:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def request(self, m, peer, group, now):
        self.endpoint.reply(peer, m, n.CONTENT, b"", 0, b"ok", 2)
