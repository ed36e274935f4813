"""Group requests of the client: copies, congestion, answers in blocks, observation (draft-ietf-core-groupcomm-bis)."""

from asking import GROUP_URI, SERVER_URI, Asking, through
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import MARGIN, RequestFailed
from groupcoap.parameters import Parameters
from wire import GROUP, MULTICAST_TIMEOUT, PROXY, REPLY_FROM, SERVER, SERVER2, datagram

BODY = bytes([(i * 7) & 255 for i in range(100)])
OTHER_URI = "coap://224.0.1.188/temp"


def server(i):
    return uri.pack(bytes((192, 0, 2, i)))


def origin(peer):
    return b"\x82\x20\x81\x44" + peer[:4]


def send(asking, target=GROUP_URI, **settings):
    """One more request: what goes out."""
    asking.last = asking.send(target, **settings)
    return asking.port.sent()


def first_block(asking, peer=SERVER, more=(), body=BODY, sent=None, mid=99):
    """A server answers with the first of two blocks of 64 bytes: what goes out."""
    options = [(n.BLOCK2, b"\x0a")] + list(more)
    return asking.answer(mid=mid, options=options, payload=body[:64], peer=peer, token=(sent or asking.sent).token)


def last_block(asking, fetch, body=BODY, peer=None):
    """The answer to a request for the second block: what goes out."""
    data = datagram(n.ACK, n.CONTENT, fetch.mid, fetch.token, [(n.BLOCK2, b"\x12")], body[64:])
    return asking.port.receive(data, peer or fetch.peer)


# Copies (§3.1.3)


def test_copies_have_the_same_message_id_and_are_spread_over_the_timeout():
    for copies, timeout, times in (
        (1, 10, [0]),
        (2, 10, [0, 5000]),
        (3, 12, [0, 4000, 8000]),
        (3, 600, [0, 15000, 30000]),  # within MAX_TRANSMIT_SPAN
    ):
        asking = Asking(GROUP_URI, copies=copies, timeout=timeout)
        asking.wire.advance(timeout * 1000)
        sent = [asking.sent] + asking.port.sent()
        assert [packet.at for packet in sent] == times and {packet.raw for packet in sent} == {asking.sent.raw}
        assert asking.sent.kind == n.NON and asking.items == [None] and asking.over()


def test_copies_go_out_though_no_answer_is_wanted():
    asking = Asking(GROUP_URI, copies=3, timeout=0)
    assert asking.sent.option(n.NO_RESPONSE) == b"\x1a"
    asking.wire.advance(10000)
    assert [packet.at for packet in asking.port.sent()] == [2000, 4000] and asking.over()


def test_cancelled_request_has_no_further_copy():
    asking = Asking(GROUP_URI, copies=3)
    asking.client.cancel(asking.request)
    asking.wire.advance(100000)
    assert asking.port.sent() == [] and asking.free() == 16


def test_copies_of_what_is_no_multicast_are_refused():
    for target, settings in ((SERVER_URI, {}), (GROUP_URI, {"proxy": PROXY}), (GROUP_URI, {"copies": 4})):
        settings.setdefault("copies", 2)
        try:
            Asking(target, **settings)
        except ValueError:
            continue
        raise AssertionError("not refused")


def test_no_response_may_be_chosen():
    assert Asking(GROUP_URI, no_response=2).sent.option(n.NO_RESPONSE) == b"\x02"
    assert Asking(GROUP_URI, no_response=0, timeout=0).sent.option(n.NO_RESPONSE) == b""


# Congestion (§3.6)


def test_second_request_to_a_group_waits_for_the_first_answer():
    asking = Asking(GROUP_URI)
    assert send(asking, timeout=5) == []
    assert len(send(asking, OTHER_URI)) == 1  # another group
    asking.wire.advance(3000)
    (second,) = asking.answer()
    assert second.peer == GROUP and second.token != asking.sent.token
    asking.answer(mid=98, token=second.token)
    asking.wire.advance(4999)  # its time counts from its own sending
    assert asking.items.count(None) == 0
    asking.wire.advance(1)
    assert asking.items.count(None) == 1 and asking.items[1].rtt == 0


def test_second_request_to_a_silent_group_waits_for_the_end_of_the_first():
    asking = Asking(GROUP_URI, timeout=4)
    send(asking, timeout=1)
    send(asking, timeout=1)
    asking.wire.advance(3999)
    assert asking.port.sent() == []
    asking.wire.advance(1)
    assert len(asking.port.sent()) == 1 and asking.items == [None]
    asking.wire.advance(1000)
    assert len(asking.port.sent()) == 1 and asking.items == [None, None]
    asking.wire.advance(1000)
    assert asking.items == [None] * 3 and asking.over()


def test_cancelled_request_lets_the_next_one_go():
    asking = Asking(GROUP_URI)
    send(asking)
    waiting = asking.last
    asking.client.cancel(asking.request)
    assert len(asking.port.sent()) == 1
    send(asking)
    asking.client.cancel(asking.last)  # one that has waited in vain
    asking.client.cancel(waiting)
    assert not asking.client._queue and asking.free() == 16 and asking.port.sent() == [] and asking.items == []


def test_nstart_may_be_raised():
    asking = Asking(GROUP_URI, sizes={"parameters": Parameters(nstart=2)})
    assert len(send(asking)) == 1 and send(asking) == []


def test_waiting_request_outlives_the_time_of_its_answers():
    asking = Asking(GROUP_URI, timeout=100)
    send(asking, timeout=1)
    asking.wire.advance(100000)
    assert len(asking.port.sent()) == 1


def test_second_non_confirmable_request_to_a_server_waits_a_little():
    asking = Asking(SERVER_URI, confirmable=False)
    assert send(asking, SERVER_URI, confirmable=False) == []
    assert len(send(asking, "coap://192.0.2.6/temp", confirmable=False)) == 1
    asking.wire.advance(1999)
    assert asking.port.sent() == []
    asking.wire.advance(1002)  # ACK_TIMEOUT * ACK_RANDOM_FACTOR: no longer expected
    (second,) = asking.port.sent()
    asking.answer()
    asking.answer(mid=98, token=second.token)
    assert [item for item in asking.items if item] and len(asking.items) == 4  # it may come all the same


def test_probing_rate_holds_while_a_group_is_silent():
    asking = Asking(GROUP_URI, timeout=1, client={"probing_rate": 1})
    size = len(asking.sent.raw)
    asking.wire.advance(1000)
    assert send(asking, timeout=1) == [] and len(send(asking, OTHER_URI, timeout=1)) == 1
    asking.wire.advance(1000 * size - 1001)
    assert asking.port.sent() == []
    asking.wire.advance(1)
    assert len(asking.port.sent()) == 1
    asking.wire.advance(1000)
    assert asking.over()


def test_probing_rate_counts_copies():
    asking = Asking(GROUP_URI, timeout=2, copies=2, client={"probing_rate": 10})
    asking.wire.advance(2000)
    asking.port.sent()
    send(asking, timeout=1)
    span = 2 * len(asking.sent.raw) * 100
    asking.wire.advance(span - 2001)
    assert asking.port.sent() == []
    asking.wire.advance(1)
    assert len(asking.port.sent()) == 1


def test_probing_rate_does_not_bind_once_a_member_has_answered():
    asking = Asking(GROUP_URI, timeout=1, client={"probing_rate": 1})
    asking.answer()
    assert len(send(asking)) == 1


def test_probing_rate_remembers_a_few_groups_and_lets_no_other_slip_by():
    asking = Asking(GROUP_URI, timeout=1, client={"probing_rate": 1})
    for i in range(1, 4):
        assert len(send(asking, "coap://224.0.2.%d/temp" % i, timeout=1)) == 1
    assert send(asking, "coap://224.0.2.9/temp", timeout=1) == []
    asking.wire.advance(1000 * len(asking.sent.raw))
    assert len(asking.port.sent()) == 1


# Answers in blocks (§3.8)


def test_further_blocks_are_fetched_from_their_origin():
    asking = Asking(GROUP_URI + "?a=b", accept=42, no_response=2, etag=b"e")
    asking.wire.advance(100)
    (fetch,) = first_block(asking)
    assert (fetch.kind, fetch.code, fetch.peer) == (n.CON, n.GET, SERVER) and fetch.token != asking.sent.token
    assert fetch.options == [
        (n.URI_PATH, b"temp"), (n.URI_QUERY, b"a=b"), (n.ACCEPT, b"\x2a"), (n.BLOCK2, b"\x12"),
    ]  # fmt: skip
    assert asking.items == []
    asking.wire.advance(100)
    assert last_block(asking, fetch) == []
    (response,) = asking.items
    assert response.payload == BODY and response.origin == SERVER and response.rtt == 200
    assert asking.free() == 15


def test_each_origin_has_a_token_of_its_own():
    asking = Asking(GROUP_URI)
    (one,) = first_block(asking)
    (two,) = first_block(asking, SERVER2)
    assert len({asking.sent.token, one.token, two.token}) == 3 and (one.peer, two.peer) == (SERVER, SERVER2)
    last_block(asking, two, bytes(100))
    last_block(asking, one)
    expected = [(SERVER2, BODY[:64] + bytes(36)), (SERVER, BODY)]
    assert [(item.origin, item.payload) for item in asking.items] == expected


def test_only_so_many_are_fetched_at_a_time_and_the_others_from_their_first_block_later():
    asking = Asking(GROUP_URI, client={"fetches": 2}, block_size=64)
    fetches = []
    for i in range(4):
        fetches += first_block(asking, server(10 + i))
    assert [fetch.peer for fetch in fetches] == [server(10), server(11)]
    (third,) = last_block(asking, fetches[0])
    assert third.peer == server(12) and third.option(n.BLOCK2) == b"\x02"
    data = datagram(n.ACK, n.CONTENT, third.mid, third.token, [(n.BLOCK2, b"\x0a")], BODY[:64])
    (third,) = asking.port.receive(data, third.peer)
    (fourth,) = last_block(asking, third)
    assert fourth.peer == server(13)
    assert [item.origin for item in asking.items] == [server(10), server(12)] and asking.items[1].payload == BODY


def test_end_waits_for_what_is_being_fetched():
    asking = Asking(GROUP_URI, timeout=5)
    (fetch,) = first_block(asking)
    asking.wire.advance(5000)
    assert asking.items == []
    last_block(asking, asking.port.sent()[0])
    assert asking.items[0].payload == BODY and asking.items[1:] == [None] and asking.over()


def test_fetch_that_fails_is_counted_and_ends_nothing():
    asking = Asking(GROUP_URI, timeout=5)
    (fetch,) = first_block(asking)
    asking.port.receive(datagram(n.RST, 0, fetch.mid), SERVER)
    asking.answer(mid=98, peer=SERVER2)
    asking.wire.advance(5000)
    assert [item and item.origin for item in asking.items] == [SERVER2, None] and asking.request.lost == 1


def test_second_answer_of_an_origin_that_is_being_fetched_is_not_fetched_too():
    asking = Asking(GROUP_URI)
    (fetch,) = first_block(asking)
    assert first_block(asking, mid=98) == [] and asking.free() == 14
    last_block(asking, fetch)
    assert len(asking.items) == 1


def test_cancelling_ends_the_fetches():
    asking = Asking(GROUP_URI, client={"fetches": 1})
    first_block(asking)
    first_block(asking, SERVER2)
    asking.client.cancel(asking.request)
    asking.wire.advance(100000)
    assert asking.items == [] and asking.free() == 16 and asking.port.sent() == []


def test_slots_that_are_all_taken_cost_the_answer():
    asking = Asking(GROUP_URI, sizes={"token_slots": 1})
    assert first_block(asking) == [] and asking.request.lost == 1
    asking.wire.advance(10000)
    assert asking.items == [None]


def test_fetch_of_a_fetch_request_has_its_payload():
    asking = Asking(GROUP_URI, n.FETCH, payload=b"q")
    (fetch,) = first_block(asking)
    assert (fetch.code, fetch.payload) == (n.FETCH, b"q")


def test_further_blocks_are_fetched_through_the_proxy():
    asking = through(timeout=10)
    (fetch,) = first_block(asking, PROXY, [(REPLY_FROM, origin(SERVER2))])
    assert fetch.peer == PROXY and fetch.options == [(n.BLOCK2, b"\x12"), (n.PROXY_URI, b"coap://192.0.2.6/temp")]
    last_block(asking, fetch)
    assert asking.items[0].payload == BODY and asking.items[0].origin == SERVER2


def test_payload_that_needs_blocks_is_refused_for_a_group():
    for payload in (bytes(2000), Asking):
        try:
            Asking(GROUP_URI, n.PUT, payload=payload)
        except ValueError:
            continue
        raise AssertionError("not refused")


# Observation (§3.7)


def observing(start=Asking, **settings):
    return start(GROUP_URI, observe=True, **settings)


def notify(asking, number, payload, peer=SERVER, more=(), kind=n.NON, code=n.CONTENT):
    asking.mid = getattr(asking, "mid", 1000) + 1
    options = [(n.OBSERVE, bytes((number,)))] + list(more)
    if asking.sent.peer == PROXY:
        options.append((REPLY_FROM, origin(peer)))
        peer = PROXY
    return asking.answer(kind, code, asking.mid, options, payload, peer)


def delivered(asking):
    return [(item.origin, item.payload) for item in asking.items]


def test_registration_by_group_request_has_observe_0():
    sent = observing().sent
    assert sent.kind == n.NON and sent.peer == GROUP and sent.option(n.OBSERVE) == b""


def test_each_origin_has_an_order_of_its_own():
    asking = observing(timeout=5)
    notify(asking, 9, b"a")
    notify(asking, 4, b"b", SERVER2)
    notify(asking, 8, b"late")
    notify(asking, 5, b"c", SERVER2)
    asking.wire.advance(20000)  # the time for the first answers means nothing to notifications
    notify(asking, 10, b"d")
    expected = [(SERVER, b"a"), (SERVER2, b"b"), (SERVER2, b"c"), (SERVER, b"d")]
    assert delivered(asking) == expected


def test_group_is_registered_with_again_with_the_same_token_when_one_is_overdue():
    asking = observing()
    notify(asking, 1, b"a", more=[(n.MAX_AGE, b"\x14")])
    notify(asking, 1, b"b", SERVER2, more=[(n.MAX_AGE, b"\xc8")])
    asking.wire.advance(20000 + 4999)
    assert asking.port.sent() == []
    asking.wire.advance(10001)
    (again,) = asking.port.sent()
    assert (again.kind, again.peer, again.token) == (n.NON, GROUP, asking.sent.token)
    assert again.options == asking.sent.options and again.mid != asking.sent.mid
    notify(asking, 1, b"joined later", server(77))
    assert delivered(asking)[2:] == [(server(77), b"joined later")]


def test_group_in_which_nobody_answers_is_registered_with_again():
    asking = observing(timeout=5, copies=2)
    asking.wire.advance(5000)
    assert [packet.raw for packet in asking.port.sent()] == [asking.sent.raw] and asking.items == []
    asking.wire.advance(80000)
    one, two = asking.port.sent()
    assert one.raw == two.raw and one.token == asking.sent.token and one.mid != asking.sent.mid
    notify(asking, 1, b"a")
    assert delivered(asking) == [(SERVER, b"a")]


def test_server_that_has_gone_does_not_hurry_registrations():
    asking = observing()
    notify(asking, 1, b"a", more=[(n.MAX_AGE, b"")])
    notify(asking, 1, b"b", SERVER2, more=[(n.MAX_AGE, b"\x40\x00")])
    asking.wire.advance(16000)
    assert len(asking.port.sent()) == 1
    asking.wire.advance(60000)
    asking.wire.advance(90000)
    assert len(asking.port.sent()) == 2
    asking.wire.advance(1000000)
    assert asking.port.sent() == []  # forgotten


def test_error_of_a_member_is_delivered_and_the_others_go_on():
    asking = observing()
    notify(asking, 9, b"a")
    asking.answer(code=n.NOT_FOUND, payload=b"", peer=SERVER)
    notify(asking, 3, b"back")
    assert [item.code for item in asking.items] == [n.CONTENT, n.NOT_FOUND, n.CONTENT]


def test_notifications_in_blocks_are_fetched_and_newer_ones_end_that():
    asking = observing()
    (old,) = notify(asking, 1, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    (new,) = notify(asking, 2, BODY[:64], more=[(n.BLOCK2, b"\x0a")])
    last_block(asking, old)
    assert asking.items == []
    last_block(asking, new)
    assert delivered(asking) == [(SERVER, BODY)]


def test_group_is_deregistered_from_by_a_group_request():
    asking = observing()
    notify(asking, 1, b"a")
    asking.client.deregister(asking.request, asking.wire.now)
    (last,) = asking.port.sent()
    assert (last.kind, last.peer, last.token) == (n.NON, GROUP, asking.sent.token) and last.option(n.OBSERVE) == b"\x01"
    assert asking.items[1:] == [None] and asking.over()
    (rst,) = notify(asking, 2, b"b", kind=n.CON)
    assert rst.kind == n.RST


def test_more_origins_than_there_is_room_for_are_delivered_unordered():
    asking = observing()
    for i in range(20):
        notify(asking, 5, b"a", server(100 + i))
    notify(asking, 4, b"late", server(100))
    notify(asking, 4, b"late", server(119))
    assert len(asking.items) == 21 and asking.items[20].origin == server(119)


def test_observation_of_a_group_through_a_proxy():
    asking = observing(lambda *a, **k: through(*a, **k), timeout=10)
    assert asking.sent.option(n.OBSERVE) == b"" and asking.sent.option(MULTICAST_TIMEOUT) == b"\x0a"
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    notify(asking, 1, b"a")
    notify(asking, 1, b"b", SERVER2)
    asking.wire.advance(20000)
    notify(asking, 2, b"c")
    assert delivered(asking) == [(SERVER, b"a"), (SERVER2, b"b"), (SERVER, b"c")]
    asking.wire.advance(80000)
    again = asking.port.sent()[0]
    assert again.options == asking.sent.options and again.token == asking.sent.token and again.kind == n.CON
    asking.port.receive(datagram(n.ACK, 0, again.mid), PROXY)
    asking.client.deregister(asking.request, asking.wire.now)
    (last,) = asking.port.sent()
    assert last.option(n.OBSERVE) == b"\x01" and last.option(MULTICAST_TIMEOUT) == b"\x0a" and len(asking.items) == 3
    asking.port.receive(datagram(n.ACK, 0, last.mid), PROXY)
    assert asking.items[3:] == [None] and asking.free() == 16


def test_observation_through_a_proxy_that_no_server_takes_on_ends_with_its_time():
    asking = observing(through, timeout=10)
    asking.port.receive(datagram(n.ACK, 0, asking.sent.mid), PROXY)
    asking.answer(mid=5, options=[(REPLY_FROM, origin(SERVER))], peer=PROXY)
    asking.wire.advance(10000 + MARGIN)
    assert len(asking.items) == 2 and asking.over()


def test_proxy_that_refuses_an_observation_ends_it():
    asking = observing(through)
    asking.answer(n.ACK, n.UNAUTHORIZED, asking.sent.mid, payload=b"", peer=PROXY)
    assert asking.items[0].code == n.UNAUTHORIZED and asking.over()
    asking = observing(through)
    asking.port.receive(datagram(n.RST, 0, asking.sent.mid), PROXY)
    assert isinstance(asking.items[0], RequestFailed) and asking.over()
