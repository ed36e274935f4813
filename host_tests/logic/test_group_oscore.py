"""Group OSCORE between members in RAM: modes, who is who, Partial IVs, long exchanges, replays."""

import gc

from group_ends import (
    GID,
    IDS,
    MANAGER,
    NO_CONTEXT,
    REPLAY,
    UNDECODED,
    UNDECRYPTED,
    answer,
    credential,
    credential_of,
    group_of,
    take,
    value_of,
)
from groupcoap import numbers as n
from groupcoap.oscore import option
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.exchange import DETERMINISTIC, GROUP, PAIRWISE
from oscore_ends import message, opened, packet, request, response, seal_request, seal_response, why, writer
from wire import datagram

VMS = ("cpython", "unix")


def test_a_group_request_reaches_all_and_each_answers():
    alice, kitchen, hall = group_of(0), group_of(1), group_of(2)
    asked, data = seal_request(alice, request())
    assert packet(data).code == n.POST and value_of(data) == (b"\0", GID, IDS[0], True)
    assert data[4:7] == b"tok" and asked.mode == GROUP and asked.member is None and asked.name == "building"
    for server, number in ((kitchen, 0), (hall, 1)):
        exchange, plain = take(server, data)
        assert plain == request() and exchange.name == "alice" and exchange.member is server.members[0]
        assert exchange.mode == GROUP and exchange.fresh and exchange.observe is None
        protected = seal_response(exchange, response())
        assert packet(protected).code == n.CHANGED and value_of(protected) == (None, None, server.sender_id, True)
        member, plain = answer(asked, protected)
        assert member is alice.members[number] and plain == response()


def test_a_pairwise_request_reaches_one():
    alice, kitchen, hall = group_of(0), group_of(1), group_of(2)
    asked, data = seal_request(alice, request(), to=alice.members[0])
    assert packet(data).code == n.POST and value_of(data) == (b"\0", GID, IDS[0], False)
    assert why(take, hall, data) == UNDECRYPTED and hall.members[0].window.check(0)
    exchange, plain = take(kitchen, data)
    assert plain == request() and exchange.mode == PAIRWISE and exchange.name == "alice"
    protected = seal_response(exchange, response())
    assert packet(protected).option(n.OSCORE) == b"" and packet(protected).code == n.CHANGED
    member, plain = answer(asked, protected)
    assert member is alice.members[0] and plain == response()


def test_a_group_request_may_be_answered_in_pairwise_mode():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    exchange, _ = take(kitchen, data)
    exchange.pairwise = True
    protected = seal_response(exchange, response())
    assert value_of(protected) == (None, None, IDS[1], False)
    assert answer(asked, protected) == (alice.members[0], response())


def test_a_pairwise_request_answered_in_group_mode_is_from_whom_was_asked():
    alice, kitchen, hall = group_of(0), group_of(1), group_of(2)
    asked, data = seal_request(alice, request(), to=alice.members[0])
    exchange, _ = take(kitchen, data)
    exchange.mode = GROUP  # a server may do so
    assert answer(asked, seal_response(exchange, response()))[0] is alice.members[0]

    # Who shares the group's keys answers in its stead: with its own kid, with the server's, and with none.
    asked, data = seal_request(alice, request(), to=alice.members[0])
    exchange, _ = take(kitchen, data)
    exchange.context = hall
    exchange.mode = GROUP
    assert why(answer, asked, seal_response(exchange, response())) == NO_CONTEXT
    hall.sender_id = IDS[1]
    hall._sender_key = kitchen._sender_key
    hall.credential = kitchen.credential
    exchange._answered = False
    asked._oldest = None  # as if nobody had answered yet
    assert why(answer, asked, seal_response(exchange, response())) == UNDECRYPTED


def test_keys_are_agreed_on_in_slices_and_once_a_member():
    alice, kitchen = group_of(0), group_of(1)
    kitchen_there = alice.members[0]
    _, data = seal_request(alice, request(), to=kitchen_there)
    secret, sender = kitchen_there.secret, kitchen_there.pairwise_sender_key
    opening = Contexts([], [kitchen]).open_request(message(data))
    steps = 1
    while not opening.step():
        steps += 1
    assert steps > 10
    alice_there = kitchen.members[0]
    assert alice_there.secret == secret and alice_there.pairwise_recipient_key == sender
    assert alice_there.pairwise_sender_key == kitchen_there.pairwise_recipient_key != sender
    opening.finish(writer())
    opening = Contexts([], [kitchen]).open_request(message(seal_request(alice, request(), to=kitchen_there)[1]))
    assert opening.step() and kitchen_there.secret is secret


def test_two_openings_may_agree_on_the_same_keys_at_a_time():
    alice, kitchen = group_of(0), group_of(1)
    sealed = [seal_request(alice, request(mid=i), to=alice.members[0])[1] for i in range(2)]
    openings = [Contexts([], [kitchen]).open_request(message(data)) for data in sealed]
    done = [False, False]
    while not all(done):
        done = [done[i] or openings[i].step() for i in range(2)]
    assert [opened(opening)[1] for opening in openings] == [request(mid=0), request(mid=1)]


def test_the_first_response_uses_the_requests_nonce_and_no_other_does():
    alice, kitchen = group_of(0), group_of(1)
    for to, pairwise in ((None, False), (None, True), (alice.members[0], False)):
        asked, data = seal_request(alice, request(), to=to)
        exchange, _ = take(kitchen, data)
        exchange.pairwise = pairwise
        pivs = []
        for i in range(3):
            protected = seal_response(exchange, response(mid=i))
            pivs.append(value_of(protected)[0])
            assert answer(asked, protected) == (alice.members[0], response(mid=i))
        assert pivs[0] is None and None not in pivs[1:] and pivs[1] != pivs[2]


def test_each_servers_responses_are_numbered_by_themselves():
    alice, kitchen, hall = group_of(0), group_of(1, number=100), group_of(2, number=5)
    asked, data = seal_request(alice, request())
    first, second = take(kitchen, data)[0], take(hall, data)[0]
    from_kitchen = [seal_response(first, response(mid=i)) for i in range(4)]
    from_hall = [seal_response(second, response(mid=i)) for i in range(4)]
    for i in (2, 0, 3, 1):  # responses that are no notifications may overtake each other
        assert answer(asked, from_kitchen[i])[1] == response(mid=i)
        assert answer(asked, from_hall[i])[1] == response(mid=i)
    for data in from_kitchen + from_hall:
        assert why(asked.open, message(data)) == REPLAY  # before anything costs time


def test_of_two_copies_of_a_response_that_are_opened_at_a_time_one_is_taken():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    exchange, _ = take(kitchen, data)
    for _ in range(2):
        data = seal_response(exchange, response())
        first, second = asked.open(message(data)), asked.open(message(data))
        assert opened(first)[1] == response() and why(opened, second) == REPLAY


def test_notifications_are_taken_by_rising_numbers():
    alice, kitchen = group_of(0), group_of(1, number=300)
    asked, data = seal_request(alice, request(((n.OBSERVE, b""), (n.URI_PATH, b"temp"))))
    assert packet(data).code == n.FETCH and packet(data).option(n.OBSERVE) == b""
    exchange, plain = take(kitchen, data)
    assert plain == request(((n.OBSERVE, b""), (n.URI_PATH, b"temp"))) and exchange.observe == 0
    sealed = [seal_response(exchange, response(((n.OBSERVE, b"\x07"),), mid=i)) for i in range(3)]
    assert packet(sealed[0]).code == n.CONTENT and packet(sealed[0]).option(n.OBSERVE) == b"\x07"
    assert answer(asked, sealed[0])[1] == response(((n.OBSERVE, b"\x01\x2c"),), mid=0)
    assert answer(asked, sealed[2])[1] == response(((n.OBSERVE, b"\x01\x2e"),), mid=2)
    for data in sealed:
        assert why(answer, asked, data) == REPLAY


def test_a_notification_that_nobody_asked_for_is_refused():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    exchange, _ = take(kitchen, data)
    assert why(answer, asked, seal_response(exchange, response(((n.OBSERVE, b""),)))) == UNDECRYPTED


def test_a_replay_is_refused_for_each_sender():
    alice, kitchen, hall = group_of(0), group_of(1), group_of(2)
    from_alice = [seal_request(alice, request(mid=i))[1] for i in range(3)]
    from_hall = [seal_request(hall, request(mid=i), to=hall.members[1])[1] for i in range(3)]
    for data in (from_alice[2], from_hall[1], from_alice[0], from_hall[2]):
        take(kitchen, data)
    for data in (from_alice[2], from_hall[1], from_alice[0], from_hall[2]):
        assert why(Contexts([], [kitchen]).open_request, message(data)) == REPLAY  # before anything costs time
    take(kitchen, from_alice[1])
    take(kitchen, from_hall[0])
    # In both modes there is one window a sender.
    pairwise = seal_request(alice, request(), to=alice.members[0])[1]
    alice.sequence.number = 3
    group = seal_request(alice, request())[1]
    take(kitchen, pairwise)
    assert why(take, kitchen, group) == REPLAY


def test_of_two_copies_that_are_opened_at_a_time_one_is_taken():
    alice, kitchen = group_of(0), group_of(1)
    data = seal_request(alice, request())[1]
    contexts = Contexts([], [kitchen])
    first, second = contexts.open_request(message(data)), contexts.open_request(message(data))
    opened(first)
    assert why(opened, second) == REPLAY


def test_a_window_that_is_not_valid_asks_for_proof():
    alice, kitchen = group_of(0), group_of(1, number=9)
    window = kitchen.members[0].window
    window.valid = False
    alice.sequence.number = 40
    asked, data = seal_request(alice, request())
    exchange, plain = take(kitchen, data)
    assert plain == request() and not exchange.fresh and exchange.own_piv and not window.valid
    challenge = seal_response(exchange, response(((n.ECHO, b"12345678"),), n.UNAUTHORIZED, b""))
    assert value_of(challenge) == (b"\x09", None, IDS[1], True)
    assert answer(asked, challenge)[1] == response(((n.ECHO, b"12345678"),), n.UNAUTHORIZED, b"")
    asked, data = seal_request(alice, request(((n.URI_PATH, b"temp"), (n.ECHO, b"12345678"))), to=alice.members[0])
    exchange, plain = take(kitchen, data)
    assert not exchange.fresh
    exchange.recover()
    assert exchange.fresh and window.valid and not window.check(41) and not window.check(40) and window.check(42)
    assert why(take, kitchen, data) == REPLAY
    assert kitchen.members[1].window.valid  # each client has its own


def test_an_endpoint_does_not_take_its_own_messages():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    assert why(take, alice, data) == NO_CONTEXT
    exchange, _ = take(kitchen, data)
    exchange.context = alice
    assert why(answer, asked, seal_response(exchange, response())) == NO_CONTEXT


def test_who_is_not_known_is_refused():
    kitchen = group_of(1, of=(0, 1))
    hall = group_of(2)
    assert why(take, kitchen, seal_request(hall, request())[1]) == NO_CONTEXT
    assert why(take, kitchen, seal_request(hall, request(), to=hall.members[1])[1]) == NO_CONTEXT
    assert why(take, kitchen, seal_request(group_of(0, gid=b"\xdd\x12"), request())[1]) == NO_CONTEXT
    alice = group_of(0, of=(0, 1))
    asked, data = seal_request(alice, request())
    assert why(answer, asked, seal_response(take(hall, data)[0], response())) == NO_CONTEXT
    # Of the same members, with other keys
    other = group_of(0, secret=bytes(16))
    assert why(take, kitchen, seal_request(other, request())[1]) == UNDECRYPTED
    # A cloned group: everything is the same but the manager's credential
    cloned = group_of(0, manager=MANAGER + b"")
    take(kitchen, seal_request(cloned, request())[1])
    cloned = group_of(0, number=1, manager=credential(bytes(32), "another"))
    assert why(take, kitchen, seal_request(cloned, request())[1]) == UNDECRYPTED


def test_a_member_cannot_speak_for_another_in_group_mode():
    kitchen, hall = group_of(1), group_of(2)
    hall.sender_id, hall.credential = IDS[0], credential_of(0)
    hall._sender_key = group_of(0)._sender_key  # every member can derive it
    assert why(take, kitchen, seal_request(hall, request())[1]) == UNDECRYPTED
    assert kitchen.members[0].window.check(0)


def test_another_gid_is_refused():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    assert why(kitchen.open_request, message(data), b"\0", b"\xdd\x12", IDS[0], True) == NO_CONTEXT
    p = packet(seal_response(take(kitchen, data)[0], response()))
    value = option.encode(None, b"\xdd\x12", IDS[1], True)
    data = datagram(p.kind, p.code, p.mid, p.token, [(n.OSCORE, value)], p.payload)
    assert why(answer, asked, data) == NO_CONTEXT


def test_the_group_flag_chooses_the_mode():
    alice, kitchen = group_of(0), group_of(1)
    for to in (None, alice.members[0]):
        data = bytearray(seal_request(alice, request(), to=to)[1])
        at = data.find(GID) - 3
        data[at] ^= 0x20
        assert why(take, kitchen, bytes(data)) == (UNDECRYPTED if to is None else UNDECODED)


def test_exchanges_leave_nothing_on_the_heap():
    if not hasattr(gc, "mem_alloc"):
        return
    alice, kitchen = group_of(0), group_of(1)
    used = []
    ways = ((None, False), (None, True), (alice.members[0], False), (DETERMINISTIC, False))
    for _ in range(4):
        for to, pairwise in ways:
            asked, data = seal_request(alice, request(), to=to)
            exchange, _ = take(kitchen, data)
            exchange.pairwise = pairwise
            answer(asked, seal_response(exchange, response()))
        asked = exchange = data = None
        gc.collect()
        used.append(gc.mem_alloc())
    assert max(used[1:]) - min(used[1:]) < 200, used


def test_options_of_class_i_are_authenticated():
    alice, kitchen = group_of(0), group_of(1)
    signaling = 65000  # Multicast-Signaling, in profile 00
    for to in (None, alice.members[0], DETERMINISTIC):
        plain = request(((n.URI_HOST, b"group"), (n.URI_PATH, b"temp"), (signaling, b"\x05")))
        p = packet(seal_request(alice, plain, to=to)[1])
        assert p.option(signaling) == b"\x05" and p.option(n.URI_HOST) == b"group"
        for value in (b"\x06", None, b"\x05"):
            options = [(number, value if number == signaling else kept) for number, kept in p.options]
            options = [(number, b"other" if number == n.URI_HOST else kept) for number, kept in options if kept]
            data = datagram(p.kind, p.code, p.mid, p.token, options, p.payload)
            if value == b"\x05":
                found = packet(take(kitchen, data)[1])
                assert found.option(signaling) == b"\x05" and found.option(n.URI_HOST) == b"other"  # class U
            else:
                assert why(take, kitchen, data) == UNDECRYPTED
