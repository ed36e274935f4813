"""The message layer's three tables: recent messages, kept answers, messages sent again (RFC 7252 §4)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.exchange import Kept, Outgoing, Recent
from groupcoap.parameters import DEFAULT, Parameters
from groupcoap.hot import recent
from wire import CLIENT, NEAR_WRAP, OTHER, SERVER, SERVER2, Owner, Wire, allocated, datagram


def looked_up(table, wire, mid, peer=CLIENT, kind=n.CON):
    return recent(table.table, peer, datagram(kind, n.GET, mid), wire.now, 1)


def remembering(places=16, address_bytes=6):
    wire = Wire()
    table = Recent(places, address_bytes, wire.timers, DEFAULT)
    table.start(wire.now)
    return wire, table


# Recent


def test_message_is_new_once():
    wire, table = remembering()
    assert looked_up(table, wire, 7) == 0
    assert looked_up(table, wire, 7) == looked_up(table, wire, 7) == 1


def test_message_id_is_compared_whole():
    wire, table = remembering(64)
    for mid in (0x0001, 0x0100, 0x0101, 0x0000, 0xFFFF, 0x8001):
        assert looked_up(table, wire, mid) == 0
        assert looked_up(table, wire, mid) == 1


def test_address_is_compared_whole():
    wire, table = remembering(64)
    for i in range(6):
        peer = bytearray(CLIENT)
        peer[i] ^= 1
        assert looked_up(table, wire, 7, bytes(peer)) == 0
    assert looked_up(table, wire, 7) == 0


def test_ipv6_address_is_compared_whole():
    wire, table = remembering(128, 18)
    base = uri.pack(uri.ip_bytes("2001:db8::1"))
    assert looked_up(table, wire, 7, base) == 0 and looked_up(table, wire, 7, base) == 1
    for i in range(18):
        peer = bytearray(base)
        peer[i] ^= 1
        assert looked_up(table, wire, 7, bytes(peer)) == 0


def test_as_many_messages_are_remembered_as_there_are_places():
    wire, table = remembering(64)
    for mid in range(64):
        assert looked_up(table, wire, mid) == 0
    assert [looked_up(table, wire, mid) for mid in range(64)] == [1] * 64


def test_oldest_message_is_overwritten():
    wire, table = remembering(4)
    for mid in range(4):
        looked_up(table, wire, mid)
        wire.advance(10)
    for mid in range(4, 10):
        assert looked_up(table, wire, mid) == 0
        wire.advance(10)
        assert [looked_up(table, wire, old) for old in range(mid - 3, mid + 1)] == [1, 1, 1, 1]
    assert looked_up(table, wire, 0) == 0


def test_empty_places_are_filled_before_a_message_is_overwritten():
    for start in (0, 100000, 0x3FFFFFFF - 5):  # the last goes across the wrap
        wire = Wire(start)
        table = Recent(4, 6, wire.timers, DEFAULT)
        for mid in range(4):
            assert looked_up(table, wire, mid) == 0
            wire.advance(10)
        assert [looked_up(table, wire, mid) for mid in range(4)] == [1] * 4


def test_repetition_does_not_make_a_message_young():
    wire, table = remembering()
    looked_up(table, wire, 7)
    wire.advance(200000)
    assert looked_up(table, wire, 7) == 1
    wire.advance(50000)
    assert looked_up(table, wire, 7) == 0


def test_messages_are_forgotten_before_the_clock_has_gone_round():
    wire, table = remembering()
    looked_up(table, wire, 7)
    for _ in range(8):
        wire.advance(0x8000000)
    assert wire.now == NEAR_WRAP and looked_up(table, wire, 7) == 0


# Kept


def keeping(places=2, size=16):
    wire = Wire()
    return wire, Kept(places, size, 6, wire.timers)


def repeated(kept, place):
    sent = []
    kept.repeat(place, lambda buf, length, peer: sent.append((bytes(buf[:length]), peer)), CLIENT)
    return sent


def test_kept_answer_is_found_by_peer_and_message_id():
    wire, kept = keeping()
    place = kept.enter(CLIENT, 0x0102, False, 1000, wire.now)
    assert kept.find(CLIENT, 0x0102) == place
    assert kept.find(CLIENT, 0x0103) == kept.find(CLIENT, 0x0202) == kept.find(OTHER, 0x0102) == -1


def test_kept_answer_is_sent_again():
    wire, kept = keeping()
    place = kept.enter(CLIENT, 1, False, 1000, wire.now)
    assert repeated(kept, place) == []
    kept.keep(place, b"answer....", 6)
    assert repeated(kept, place) == [(b"answer", CLIENT)]


def test_answer_that_is_too_long_is_kept_without_its_payload_or_without_its_options():
    wire, kept = keeping(size=16)
    place = kept.enter(CLIENT, 1, False, 1000, wire.now)
    etag = [(n.ETAG, b"tag")]
    for options, payload, expected in (
        (etag, b"12345", (etag, b"12345")),
        (etag, b"123456", (etag, b"")),
        ([(n.ETAG, b"12345678"), (n.MAX_AGE, b"\x10\x00")], b"1", ([], b"")),
    ):
        data = datagram(n.ACK, n.CHANGED, 1, b"tk", options, payload)
        kept.keep(place, data, len(data))
        assert repeated(kept, place) == [(datagram(n.ACK, n.CHANGED, 1, b"tk", *expected), CLIENT)]


def test_kept_answers_do_not_mix():
    wire, kept = keeping()
    one, two = kept.enter(CLIENT, 1, False, 1000, wire.now), kept.enter(OTHER, 1, False, 1000, wire.now)
    kept.keep(one, b"one", 3)
    kept.keep(two, b"two", 3)
    assert repeated(kept, one)[0][0] == b"one" and repeated(kept, two)[0][0] == b"two"


def test_answers_that_are_all_young_leave_no_place():
    wire, kept = keeping()
    assert sorted([kept.enter(CLIENT, mid, False, 1000, wire.now) for mid in (1, 2, 3)]) == [-1, 0, 1]


def test_kept_answer_is_forgotten_after_its_lifetime():
    wire, kept = keeping(1)
    kept.keep(kept.enter(CLIENT, 1, False, 1000, wire.now), b"one", 3)
    wire.advance(999)
    assert kept.find(CLIENT, 1) == 0
    wire.advance(1)
    assert kept.find(CLIENT, 1) == -1
    assert repeated(kept, kept.enter(OTHER, 2, False, 1000, wire.now)) == []


def test_oldest_answer_to_an_idempotent_request_gives_way():
    wire = Wire()
    kept = Kept(3, 16, 6, wire.timers)
    places = [kept.enter(CLIENT, mid, mid > 1, 1000, wire.now) for mid in (1, 2, 3)]
    for place in places:
        kept.keep(place, b"answer", 6)
    assert kept.enter(CLIENT, 4, True, 1000, wire.now) == places[1]
    assert [kept.find(CLIENT, mid) >= 0 for mid in (1, 2, 3, 4)] == [True, False, True, True]


def test_answer_gives_way_when_its_request_is_repeated_no_more():
    wire = Wire()
    kept = Kept(2, 16, 6, wire.timers, 47000)
    places = []
    for mid in (1, 2):
        places.append(kept.enter(CLIENT, mid, False, 247000, wire.now))
        kept.keep(places[-1], b"answer", 6)
        wire.advance(1000)
    wire.advance(45000)
    assert kept.enter(CLIENT, 3, False, 247000, wire.now) == -1
    wire.advance(1001)
    assert kept.enter(CLIENT, 3, False, 247000, wire.now) == places[0]
    assert [kept.find(CLIENT, mid) >= 0 for mid in (1, 2, 3)] == [False, True, True]


def test_answer_that_is_still_to_come_gives_way_to_nothing():
    wire = Wire()
    kept = Kept(1, 16, 6, wire.timers)
    place = kept.enter(CLIENT, 1, True, 1000, wire.now)
    assert kept.enter(CLIENT, 2, True, 1000, wire.now) == -1
    kept.keep(place, b"answer", 6)
    assert kept.enter(CLIENT, 2, True, 1000, wire.now) == place


def flooded(places=4, address_bytes=6, peers=(CLIENT,)):
    """A `Kept` that is full of young answers to these peers in turn."""
    wire = Wire()
    kept = Kept(places, 16, address_bytes, wire.timers)
    for mid in range(places):
        kept.keep(kept.enter(peers[mid % len(peers)], mid, False, 100000, wire.now), b"answer", 6)
        wire.advance(10)
    return wire, kept


def left(kept, peers, count=4):
    return [any(kept.find(peer, mid) >= 0 for peer in peers) for mid in range(count)]


def test_oldest_answer_to_who_has_most_gives_way_to_another():
    wire, kept = flooded()
    assert kept.enter(CLIENT, 9, False, 100000, wire.now) == -1
    for mid in (20, 21):
        place = kept.enter(OTHER, mid, False, 100000, wire.now)
        assert place == mid - 20
        kept.keep(place, b"answer", 6)
        wire.advance(10)
    assert left(kept, (CLIENT,)) == [False, False, True, True]
    assert kept.enter(OTHER, 22, False, 100000, wire.now) == kept.enter(CLIENT, 9, False, 100000, wire.now) == -1


def test_answer_in_a_place_that_was_taken_anew_is_a_young_one():
    wire, kept = flooded()
    kept.release(0)
    kept.keep(kept.enter(CLIENT, 4, False, 100000, wire.now), b"answer", 6)
    wire.advance(10)
    assert kept.enter(OTHER, 20, False, 100000, wire.now) == 1
    assert left(kept, (CLIENT,), 5) == [False, False, True, True, True]


def test_oldest_answer_of_all_is_not_the_one_that_gives_way():
    wire, kept = flooded(peers=(CLIENT, CLIENT, CLIENT, OTHER))
    for mid in (0, 1, 2):  # now that of OTHER is the oldest
        kept.release(mid)
        kept.keep(kept.enter(CLIENT, 10 + mid, False, 100000, wire.now), b"answer", 6)
        wire.advance(10)
    assert kept.enter(SERVER, 20, False, 100000, wire.now) == 0
    assert kept.find(OTHER, 3) == 3


def test_answer_whose_request_is_repeated_no_more_gives_way_first():
    wire = Wire()
    kept = Kept(4, 16, 6, wire.timers)
    for mid, peer in enumerate((CLIENT, CLIENT, CLIENT, OTHER)):
        kept.keep(kept.enter(peer, mid, False, 200000, wire.now), b"answer", 6)
    kept.release(0)
    wire.advance(47001)
    for i in (1, 2):
        kept.release(i)
    for mid in (4, 5, 6):
        kept.keep(kept.enter(CLIENT, mid, False, 200000, wire.now), b"answer", 6)
    assert kept.enter(SERVER, 20, False, 100000, wire.now) == 3


def test_places_are_shared_by_address_whatever_the_port():
    ports = [uri.pack(CLIENT[:4], 1000 + i) for i in range(4)]
    wire, kept = flooded(peers=ports)
    assert kept.enter(CLIENT, 9, False, 100000, wire.now) == -1
    assert kept.enter(OTHER, 20, False, 100000, wire.now) == 0
    assert left(kept, ports) == [False, True, True, True]


def test_who_has_one_place_keeps_it():
    wire, kept = flooded(2, peers=(CLIENT, OTHER))
    assert kept.enter(SERVER, 9, False, 100000, wire.now) == -1


def test_places_are_shared_by_ipv6_addresses():
    one, two = uri.pack(uri.ip_bytes("2001:db8::1")), uri.pack(uri.ip_bytes("2001:db8::2"))
    wire, kept = flooded(address_bytes=18, peers=(one,))
    assert kept.enter(uri.pack(uri.ip_bytes("2001:db8::1"), 9), 9, False, 100000, wire.now) == -1
    assert kept.enter(two, 9, False, 100000, wire.now) == 0


def test_answer_that_is_still_to_come_gives_way_to_nobody_else():
    wire = Wire()
    kept = Kept(3, 16, 6, wire.timers)
    for mid in range(3):
        kept.enter(CLIENT, mid, False, 100000, wire.now)
        wire.advance(10)
    assert kept.enter(OTHER, 9, False, 100000, wire.now) == -1
    kept.keep(1, b"answer", 6)
    assert kept.enter(OTHER, 9, False, 100000, wire.now) == 1
    assert left(kept, (CLIENT,), 3) == [True, False, True]


def test_answer_to_an_idempotent_request_takes_no_place_from_another():
    wire, kept = flooded()
    assert kept.enter(OTHER, 9, True, 100000, wire.now) == -1
    assert left(kept, (CLIENT,)) == [True] * 4


def test_what_would_give_way_anyway_does_so_first():
    wire = Wire()
    kept = Kept(4, 16, 6, wire.timers)
    for mid in range(4):
        kept.keep(kept.enter(CLIENT, mid, mid == 2, 100000, wire.now), b"answer", 6)
    assert kept.enter(OTHER, 9, False, 100000, wire.now) == 2


# Outgoing


class Out:
    """An `Outgoing`, its owner, and what it has sent: (ms since the start, bytes, peer)."""

    def __init__(self, places=2, size=32, parameters=DEFAULT):
        self.wire = Wire()
        self.wire.dice = b"\0"
        self.sent = []
        self.owner = Owner()
        self.outgoing = Outgoing(places, size, self.transmit, self.wire.timers, self.wire.entropy, parameters)

    def transmit(self, buf, length, peer):
        self.sent.append((self.wire.passed, bytes(buf[:length]), peer))

    def send(self, mid, peer=SERVER, ref=0):
        data = datagram(n.CON, n.GET, mid)
        return self.outgoing.send(data, len(data), mid, peer, self.owner, ref, self.wire.now)


def test_first_time_out_is_between_2_and_3_s():
    for dice, timeout in ((b"\0\0", 2000), (b"\x80\0", 2500), (b"\xff\xff", 3000)):
        out = Out()
        out.wire.dice = dice
        out.send(1)
        out.wire.advance(timeout)
        assert [at for at, _, _ in out.sent] == [0, timeout]


def test_each_message_is_repeated_for_itself():
    out = Out()
    out.send(1, SERVER, 1)
    out.wire.advance(500)
    out.send(2, SERVER2, 2)
    assert out.outgoing.acknowledged(SERVER, 1, out.wire.now)
    out.wire.advance(70000)
    one, two = datagram(n.CON, n.GET, 1), datagram(n.CON, n.GET, 2)
    assert [data for _, data, _ in out.sent] == [one] + [two] * 5
    assert out.owner.acknowledgements == [1] and out.owner.failures == [(2, False)]


def test_acknowledgement_counts_for_its_peer_and_message_id_alone():
    out = Out()
    out.send(1)
    assert not out.outgoing.acknowledged(SERVER2, 1, out.wire.now)
    assert not out.outgoing.acknowledged(SERVER, 2, out.wire.now)
    assert not out.outgoing.reset(SERVER2, 1, out.wire.now)
    assert out.outgoing.acknowledged(SERVER, 1, out.wire.now)
    assert not out.outgoing.acknowledged(SERVER, 1, out.wire.now)


def test_full_table_sends_nothing():
    out = Out(places=1)
    assert out.send(1) and out.outgoing.full()
    assert not out.send(2) and len(out.sent) == 1
    out.outgoing.reset(SERVER, 1, out.wire.now)
    assert not out.outgoing.full() and out.send(3)


def test_place_is_free_when_a_message_has_failed():
    out = Out(places=1)
    out.send(1)
    out.wire.advance(62000)
    assert not out.outgoing.full() and out.owner.failures == [(0, False)]


def test_cancelled_message_is_not_sent_again_and_its_owner_not_told():
    out = Out(parameters=Parameters(nstart=2))
    out.send(1, SERVER, 1)
    out.send(2, SERVER, 2)
    out.outgoing.cancel(out.owner, 1, out.wire.now)
    out.outgoing.cancel(Owner(), 2, out.wire.now)  # of somebody else
    out.wire.advance(2000)
    assert [data[3] for _, data, _ in out.sent] == [1, 2, 2]
    out.wire.advance(100000)
    assert out.owner.failures == [(2, False)]


def test_one_message_at_a_time_is_outstanding_to_a_peer_and_the_others_follow_in_turn():
    out = Out(places=4)
    for mid in (1, 2, 3):
        assert out.send(mid, SERVER, mid)
    out.send(4, SERVER2, 4)
    assert [data[3] for _, data, _ in out.sent] == [1, 4]
    out.outgoing.acknowledged(SERVER, 1, out.wire.now)
    assert [data[3] for _, data, _ in out.sent] == [1, 4, 2]
    out.outgoing.cancel(out.owner, 2, out.wire.now)
    assert [data[3] for _, data, _ in out.sent] == [1, 4, 2, 3]


def test_message_that_waits_its_turn_is_not_acknowledged_by_a_guess():
    out = Out()
    out.send(1)
    out.send(2)
    assert not out.outgoing.acknowledged(SERVER, 2, out.wire.now)


def test_place_of_an_older_message_may_be_taken_by_a_younger_one():
    out = Out(places=3)
    for mid in (1, 2, 3):
        out.send(mid)
    out.outgoing.acknowledged(SERVER, 1, out.wire.now)
    out.send(4)  # in the place of 1, behind 3
    for mid in (2, 3, 4):
        out.outgoing.acknowledged(SERVER, mid, out.wire.now)
    assert [data[3] for _, data, _ in out.sent] == [1, 2, 3, 4]


def test_next_message_goes_out_when_one_has_failed():
    out = Out()
    out.send(1, SERVER, 1)
    out.send(2, SERVER, 2)
    out.wire.advance(62000)
    assert out.sent[-1][1][3] == 2 and out.owner.failures == [(1, False)]


def test_parameters_decide_how_often_and_how_long():
    out = Out(parameters=Parameters(ack_timeout=100, ack_random_factor=1, max_retransmit=2))
    out.send(1)
    out.wire.advance(1000)
    assert [at for at, _, _ in out.sent] == [0, 100, 300] and out.owner.failures == [(0, False)]


def test_looking_up_does_not_allocate():
    wire, table = remembering()
    request = bytearray(datagram(n.NON, n.GET, 0))
    words, now = table.table, wire.now

    def run():
        request[3] += 1
        recent(words, CLIENT, request, now, 1)

    assert allocated(run) <= 64
