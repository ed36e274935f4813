"""Keys that are derived anew (RFC 8613 Appendix B.2): the four messages, lost state, lost messages."""

from groupcoap import numbers as n
from groupcoap.oscore.asking import Way
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.exchange import OSCORE, Exchange
from groupcoap.oscore.option import parse
from groupcoap.oscore.rederive import Rederiving
from groupcoap.oscore.sequence import END
from oscore_ends import SALT, SECRET, message, open_request, opened
from renewing import A_ID, B_ID, Ends, kid_context, plain, used, wrapped

VMS = ("cpython", "unix")

OK = (n.CONTENT, b"21.5")


def same_keys(ends):
    """Do both ends have the same keys, and no run under way?"""
    a, b = ends.a.context, ends.b.context
    return a.pending is None and b.pending is None and a.current.id_context == b.current.id_context


def test_the_four_messages_are_those_of_the_rfc():
    ends = Ends()
    request1, response1, request2, response2 = ends.run()
    assert ends.a.answers() == [OK] and ends.b.asked == [n.GET]

    # 1. protected with ID Context = R1, which is the kid context, wrapped in a CBOR byte string
    piv, found, kid, _ = parse(request1.option(n.OSCORE))
    r1 = found[1:]
    assert found == wrapped(r1) and len(r1) == 8 and (piv, kid) == (b"\x00", A_ID)
    clear = open_request(plain(B_ID, A_ID, r1, said=found), request1.raw)[1]
    assert clear[1] == n.GET and clear.endswith(b"temp")

    # 2. 4.01, protected with ID Context = R2 || ID1; kid context R2, wrapped
    piv2, found, kid2, _ = parse(response1.option(n.OSCORE))
    r2 = found[1:]
    assert found == wrapped(r2) and len(r2) == 16 and piv2 is kid2 is None
    second = plain(A_ID, B_ID, r2 + r1)
    opening = second.open_response(Exchange(second, OSCORE, kid, piv), message(response1.raw), None, None, None, False)
    clear = opened(opening)[1]
    assert clear[1] == n.UNAUTHORIZED and b"\xff" not in clear[12:]

    # 3. the same request, protected with ID Context = R2 || R3; kid context R2 || R3, wrapped
    piv, found, kid, _ = parse(request2.option(n.OSCORE))
    id3 = found[2:]
    assert found == wrapped(id3) and len(id3) == 24 and id3[:16] == r2 and (piv, kid) == (b"\x00", A_ID)
    clear = open_request(plain(B_ID, A_ID, id3, said=found), request2.raw)[1]
    assert clear[1] == n.GET and clear.endswith(b"temp")

    # 4. its response, by the same keys, without anything in the OSCORE option
    assert response2.option(n.OSCORE) == b""
    client = plain(A_ID, B_ID, id3)
    opening = client.open_response(Exchange(client, OSCORE, kid, piv), message(response2.raw), None, None, None, False)
    assert opened(opening)[1].endswith(b"21.5")
    assert ends.a.context.current.id_context == id3 and same_keys(ends)


def test_further_requests_take_one_message_each_way_and_the_same_keys():
    ends = Ends()
    first = ends.run()
    said = ends.run()
    assert len(said) == 2 and kid_context(said[0]) == kid_context(first[2])
    assert ends.a.answers() == [OK, OK] and ends.b.asked == [n.GET, n.GET]


def test_the_server_may_ask_the_client_by_the_same_keys():
    ends = Ends()
    ends.run()
    said = ends.carry(ends.b.send())
    assert len(said) == 2 and ends.b.answers() == [OK] and same_keys(ends)


def test_a_client_that_has_lost_its_state():
    ends = Ends()
    before = ends.run()
    ends.a.boot()
    said = ends.run()
    assert len(said) == 4 and len(kid_context(said[0])) == 9 and kid_context(said[2]) != kid_context(before[2])
    assert ends.a.answers() == [OK] and ends.b.asked == [n.GET, n.GET] and same_keys(ends)


def test_a_server_that_has_lost_its_state():
    """Its client's ordinary request is a request #1, whose ID1 is what they had."""
    ends = Ends()
    before = ends.run()
    ends.b.boot()
    said = ends.run()
    assert len(said) == 4 and kid_context(said[0]) == kid_context(before[2]) != kid_context(said[2])
    assert ends.a.answers() == [OK, OK] and ends.b.asked == [n.GET] and same_keys(ends)


def test_both_have_lost_their_state():
    ends = Ends()
    ends.run()
    ends.a.boot()
    ends.b.boot()
    assert len(ends.run()) == 4 and ends.a.answers() == [OK] and same_keys(ends)


def test_many_restarts_use_no_key_with_the_same_nonce():
    ends = Ends()
    for i in range(24):
        if i % 2:
            ends.a.forget()
        if i % 3 == 2:
            ends.b.forget()
        ends.run()
        ends.run(n.PUT, payload=b"%d" % i)
        ends.carry(ends.b.send())
        assert same_keys(ends), i
        assert ends.a.answers()[-1][0] == n.CHANGED and ends.b.answers() == [(n.CONTENT, b"21.5")]
    assert used() > 24 * 6


def test_a_client_whose_numbers_are_used_up():
    ends = Ends()
    ends.run()
    ends.a.context.current.sequence.number = END - 1
    assert len(ends.run()) == 2
    assert len(ends.run()) == 4
    assert ends.a.answers() == [OK, OK, OK] and same_keys(ends) and ends.a.context.current.sequence.number == 1


def test_a_server_whose_numbers_are_used_up():
    ends = Ends()
    ends.run()
    ends.b.context.current.sequence.number = END
    assert len(ends.run()) == 4
    assert ends.a.answers() == [OK, OK] and same_keys(ends)


def test_any_message_may_be_lost():
    """What is confirmable comes through by itself, whatever is lost of it."""
    for server_lost in (False, True):
        for client_lost in (False, True):
            for lost in range(4):
                ends = Ends()
                ends.run()
                if client_lost:
                    ends.a.boot()
                if server_lost:
                    ends.b.boot()
                ends.a.answers()
                ends.b.asked = []
                ends.carry(ends.a.send(n.PUT, payload=b"7"), (lost,))
                ends.wait(8)
                case = (server_lost, client_lost, lost)
                assert ends.a.answers() == [(n.CHANGED, b"")] and ends.b.asked == [n.PUT], case
                assert same_keys(ends), case


def test_what_is_lost_and_not_confirmable_costs_only_itself():
    for lost in range(4):
        ends = Ends()
        ends.carry(ends.a.send(confirmable=False), (lost,))
        ends.wait(8)
        assert ends.a.answers() == []
        ends.carry(ends.a.send(confirmable=False))
        assert ends.a.answers() == [OK] and same_keys(ends), lost


def test_a_server_that_loses_its_state_within_a_run():
    for at in range(1, 4):
        ends = Ends()
        packets = ends.a.send()
        for _ in range(at):
            node = ends.b if packets[0].peer == ends.b.address else ends.a
            packets = node.receive(packets[0])
        ends.b.boot()
        ends.carry(packets if packets[0].peer == ends.b.address else [])
        ends.wait(8)
        assert ends.a.answers() == [OK], at
        assert len(ends.run()) == 2 and same_keys(ends), at


def test_a_client_that_loses_its_state_within_a_run():
    for at in range(4):
        ends = Ends()
        packets = ends.a.send()
        for _ in range(at):
            node = ends.b if packets[0].peer == ends.b.address else ends.a
            packets = node.receive(packets[0])
        ends.a.boot()
        ends.carry(packets)
        assert len(ends.run()) == 4 and ends.a.answers() == [OK] and same_keys(ends), at


def test_a_request_is_said_again_twice_at_most():
    """A server that has a new key for each message answers 4.01 each time: that is what is told in the end."""
    ends = Ends()
    said = 0
    packets = ends.a.send()
    while packets and said < 20:
        said += len(packets)
        ends.b.boot()
        packets = ends.a.receive(ends.b.receive(packets[0])[0])
    assert said == 3 and ends.a.answers() == [(n.UNAUTHORIZED, b"")]
    ends.run()
    assert ends.a.answers() == [OK] and same_keys(ends)


def test_requests_at_the_same_time_share_one_run():
    """Each is answered by an R2 of its own; the first one counts, and the others are said again by its keys."""
    ends = Ends()
    packets = []
    for _ in range(3):
        packets += ends.a.send()
    said = ends.carry(packets)
    assert len(packets) == 3 and len(said) == 12 and ends.a.answers() == [OK, OK, OK] and same_keys(ends)
    assert len({kid_context(packet) for packet in said[:3]}) == 1
    assert len({kid_context(packet) for packet in said[3:6]}) == 3
    assert len({kid_context(packet) for packet in said[6:9]}) == 1


def test_both_begin_at_the_same_time():
    """Whatever the order in which their messages come, after one more request of each they have the same keys."""
    for order in range(1 << 7):
        ends = Ends()
        queues = [ends.a.send(n.PUT, payload=b"1"), ends.b.send(n.PUT, payload=b"2")]  # to b, to a
        turn = order
        while queues[0] or queues[1]:
            which = turn & 1 if queues[turn & 1] else 1 - (turn & 1)
            turn >>= 1
            answers = (ends.a if which else ends.b).receive(queues[which].pop(0))
            queues[1 - which] += answers
        assert ends.a.answers() == ends.b.answers() == [(n.CHANGED, b"")], order
        ends.run()
        ends.carry(ends.b.send())
        assert same_keys(ends), order
        assert len(ends.run()) == 2 and len(ends.carry(ends.b.send())) == 2, order


def test_keys_that_both_begin_with_are_mostly_the_same_at_once():
    ends = Ends()
    to_b, to_a = ends.a.send(), ends.b.send()
    while to_b or to_a:
        to_a, to_b = [p for q in to_b for p in ends.b.receive(q)], [p for q in to_a for p in ends.a.receive(q)]
    assert ends.a.answers() == ends.b.answers() == [OK] and same_keys(ends)
    assert len(ends.run()) == 2


def test_a_request_by_the_new_keys_proves_them_as_a_response_does():
    """The last response is lost, and the server has something to ask before its client does."""
    ends = Ends()
    ends.carry(ends.a.send(confirmable=False), (3,))
    assert ends.a.context.current is None
    assert len(ends.carry(ends.b.send())) == 2 and ends.b.answers() == [OK] and same_keys(ends)


def test_a_run_that_was_begun_in_vain_is_not_gone_on_with():
    for mine, others in ((0, 1), (1, 0)):
        ends = Ends()
        nodes = (ends.a, ends.b)
        nodes[mine].send(confirmable=False)  # lost
        ends.carry(nodes[others].send())
        assert nodes[others].answers() == [OK] and same_keys(ends)
        assert len(ends.carry(nodes[mine].send())) == 2


def test_numbers_end():
    ends = Ends()
    ends.run()
    numbers = ends.a.context.current.sequence
    numbers.number = END - 1
    assert numbers.take() == END - 1
    for _ in range(2):
        try:
            numbers.take()
        except OverflowError:
            continue
        raise AssertionError("taken")


def test_an_observation_begins_with_a_run():
    ends = Ends()
    assert len(ends.run(observe=True)) == 4
    for i in range(2):
        ends.b.value = b"%d" % i
        ends.b.server.changed(ends.b.resource, ends.wire.now)
        ends.wait(4)
    assert ends.a.answers() == [OK, (n.CONTENT, b"0"), (n.CONTENT, b"1")]


def test_an_observation_goes_on_by_the_keys_that_it_began_with():
    ends = Ends()
    ends.run(observe=True)
    ends.a.context.current.sequence.number = END
    ends.run()
    ends.b.value = b"7"
    ends.b.server.changed(ends.b.resource, ends.wire.now)
    ends.wait(4)
    assert ends.a.answers() == [OK, OK, (n.CONTENT, b"7")]


def test_a_long_payload_outlives_the_loss_of_state_between_its_blocks():
    ends = Ends()
    long = bytes([i * 7 & 255 for i in range(300)])
    packets = ends.a.send(n.PUT, payload=long, block_size=128)
    packets = ends.a.receive(ends.b.receive(ends.a.receive(ends.b.receive(packets[0])[0])[0])[0])
    ends.b.forget()
    ends.carry(packets)
    assert ends.a.answers() == [(n.CHANGED, b"")] and ends.b.value == long and same_keys(ends)


def test_the_next_hop_may_be_one_too():
    """The layer for the next hop is renewed under another one, for who is behind it."""
    ends = Ends()
    hop = Rederiving("other", SECRET, SALT, A_ID, B_ID, ends.entropy, adjacent=True)
    behind = Rederiving("other", SECRET, SALT, B_ID, A_ID, ends.entropy, adjacent=True)
    inner = Rederiving("inner", SECRET, SALT, b"\x03", b"\x04", ends.entropy)
    inside = Rederiving("inner", SECRET, SALT, b"\x04", b"\x03", ends.entropy)
    ends.a.gate.towards[ends.b.address] = hop
    ends.b.gate.contexts = Contexts([behind, inside])
    said = ends.run(way=Way(inner))
    # the hop's run, within whose second request the inner one's begins
    assert len(said) == 6 and ends.a.answers() == [OK] and ends.b.asked == [n.GET]
    assert hop.current.id_context == behind.current.id_context
    assert inner.current.id_context == inside.current.id_context
    assert len(ends.run(way=Way(inner))) == 2


def test_a_context_that_rederives_is_the_only_one_of_its_peer():
    ends = Ends()
    one = ends.b.context
    for other in (plain(B_ID, A_ID, b"\x01"), plain(B_ID, A_ID, None), one):
        for both in ((one, other), (other, one)):
            try:
                Contexts(both)
            except ValueError as e:
                assert "recipient_id" in str(e)
            else:
                raise AssertionError("taken")
    Contexts((one, plain(B_ID, b"\x07", None)))


def test_what_is_wrong_is_told_at_once():
    entropy = Ends().entropy
    for arguments in ((b"", SALT, A_ID, B_ID), (SECRET, SALT, A_ID, A_ID), (SECRET, SALT, bytes(8), B_ID)):
        try:
            Rederiving("other", *arguments, entropy)
        except ValueError:
            continue
        raise AssertionError(arguments)
