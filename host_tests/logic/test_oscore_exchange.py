"""Partial IVs, replay and order of requests and responses (RFC 8613 §7, §8; oscore-capable-proxies §2.4.1, §2.6.1)."""

from groupcoap import numbers as n
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.exchange import header
from oscore_ends import (
    Sequence,
    ends,
    message,
    open_request,
    open_response,
    packet,
    rejected,
    request,
    response,
    seal_request,
    seal_response,
    why,
    writer,
)

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

REPLAY = (n.UNAUTHORIZED, "Replay detected")
NO_CONTEXT = (n.UNAUTHORIZED, "Security context not found")
PLAIN = (n.BAD_REQUEST, "Decryption failed")
REGISTER = [(n.OBSERVE, b""), (n.URI_PATH, b"temp")]


def piv(data):
    return header(message(data))[0]


def exchange(options=((n.URI_PATH, b"temp"),), **both):
    """(client's Exchange, server's Exchange) of one request."""
    client, server = ends(**both)
    ours, data = seal_request(client, request(options))
    theirs, _ = open_request(server, data)
    return ours, theirs


def notification(payload=b"21.5", value=b"\7"):
    return response([(n.OBSERVE, value)], payload=payload)


def test_a_request_is_taken_once_and_in_any_order_within_the_window():
    client, server = ends()
    requests = [seal_request(client, request(mid=i))[1] for i in range(40)]
    for i in (35, 4, 5, 39, 38, 10):  # 35 - 4 is within 32 numbers
        open_request(server, requests[i])
    for i in (4, 5, 10, 35, 39, 0, 3, 7):  # the last three are too old by now
        assert why(open_request, server, requests[i]) == REPLAY, i
    open_request(server, requests[8])
    assert why(Contexts([server]).open_request, message(requests[8])) == REPLAY  # before anything is decrypted


def test_two_openings_of_one_request_give_one_exchange():
    client, server = ends()
    data = seal_request(client, request())[1]
    first = Contexts([server]).open_request(message(data))
    second = Contexts([server]).open_request(message(data))
    first.finish(writer())
    assert why(second.finish, writer()) == REPLAY


def test_only_the_first_response_is_without_partial_iv():
    ours, theirs = exchange()
    assert [piv(seal_response(theirs, response())) for _ in range(3)] == [None, b"\0", b"\1"]


def test_a_response_can_be_made_to_have_its_own_partial_iv():
    ours, theirs = exchange()
    theirs.own_piv = True
    data = seal_response(theirs, response())
    assert piv(data) == b"\0" and open_response(ours, data) == response()


def test_a_response_that_failed_has_used_the_requests_nonce():
    ours, theirs = exchange()
    try:
        theirs.seal(message(response()), writer(20))
    except ValueError:
        pass
    assert piv(seal_response(theirs, response())) == b"\0"


def test_each_number_is_used_once_by_requests_and_responses():
    client, server = ends()
    server.sequence.number = 255
    ours, data = seal_request(client, request())
    theirs, _ = open_request(server, data)
    seal_response(theirs, response())
    numbers = [piv(seal_response(theirs, response())), piv(seal_request(server, request())[1])]
    numbers.append(piv(seal_response(theirs, response())))
    assert numbers == [b"\xff", b"\1\0", b"\1\1"]


def test_a_sequence_that_has_ended_seals_nothing():
    client, _ = ends()

    class Ended(Sequence):
        def take(self):
            raise OverflowError

    client.sequence = Ended()
    try:
        client.seal_request(message(request()), writer())
    except OverflowError:
        return
    raise AssertionError


def test_a_server_without_a_valid_window_hears_but_does_not_trust():
    client, server = ends()
    server.window.valid = False
    first, second, third = [seal_request(client, request(mid=i)) for i in range(3)]
    theirs, plain = open_request(server, second[1])
    assert plain == request(mid=1) and not theirs.fresh and not server.window.valid
    challenge = seal_response(theirs, response([(n.ECHO, b"prove it")], n.UNAUTHORIZED, b""))
    assert piv(challenge) == b"\0"  # not the request's, which may have been used before
    assert packet(open_response(second[0], challenge)).option(n.ECHO) == b"prove it"
    assert not open_request(server, second[1])[0].fresh  # the same again: nothing was noted
    echoed, data = seal_request(client, request([(n.ECHO, b"prove it")]))
    theirs, plain = open_request(server, data)
    assert packet(plain).option(n.ECHO) == b"prove it" and not theirs.fresh
    theirs.recover()
    assert theirs.fresh and server.window.valid
    for _, replay in (first, second, third, (None, data)):
        assert why(open_request, server, replay) == REPLAY
    assert piv(seal_response(theirs, response())) == b"\1"
    theirs, _ = open_request(server, seal_request(client, request())[1])
    assert theirs.fresh and piv(seal_response(theirs, response())) is None


def test_two_requests_that_were_both_proved_fresh():
    client, server = ends()
    server.window.valid = False
    data = [seal_request(client, request(mid=i))[1] for i in range(3)]
    older, one, same, later = [open_request(server, data[i])[0] for i in (0, 1, 1, 2)]
    one.recover()
    for exchange in (same, older):
        assert why(exchange.recover) == REPLAY and not exchange.fresh
    later.recover()
    assert later.fresh
    for each in data:
        assert why(open_request, server, each) == REPLAY


def test_a_client_takes_each_response_once():
    ours, theirs = exchange()
    first, second, third, fourth = [seal_response(theirs, response(payload=bytes((65 + i,)))) for i in range(4)]
    for data in (fourth, second, first):  # distinct ones may overtake each other
        open_response(ours, data)
    for data in (fourth, second, first):
        assert why(open_response, ours, data) == REPLAY
    open_response(ours, third)
    assert why(open_response, ours, third) == REPLAY


def test_at_most_one_response_without_partial_iv():
    client, server = ends()
    ours, data = seal_request(client, request())
    theirs, _ = open_request(server, data)
    open_response(ours, seal_response(theirs, response()))
    server.window.valid = False  # a server that has forgotten, and answers again with the same nonce
    again, _ = open_request(server, data)
    again.own_piv = False
    data = seal_response(again, response(payload=b"other"))
    assert piv(data) is None and why(open_response, ours, data) == REPLAY


def test_a_response_belongs_to_its_request():
    client, server = ends()
    one, data = seal_request(client, request())
    answer = seal_response(open_request(server, data)[0], response())
    two, data = seal_request(client, request())
    theirs, _ = open_request(server, data)
    assert why(open_response, two, answer) == PLAIN
    seal_response(theirs, response())
    assert why(open_response, one, seal_response(theirs, response())) == PLAIN  # nor with a Partial IV
    open_response(one, answer)


def test_a_request_is_no_response_and_the_other_way_round():
    client, server = ends()
    ours, data = seal_request(client, request())
    theirs, _ = open_request(server, data)
    answer = seal_response(theirs, response())
    assert why(open_response, ours, data) == NO_CONTEXT  # the client's own request, reflected
    assert why(open_request, server, answer)[0] == n.BAD_OPTION
    # codes of the wrong sort in the plaintext
    wrong = seal_request(client, response())[1]
    assert why(open_request, server, wrong) == PLAIN
    assert why(open_response, ours, seal_response(theirs, request())) == PLAIN


def test_observe_is_seen_from_outside_and_fetch_and_content_with_it():
    client, server = ends()
    ours, data = seal_request(client, request(REGISTER))
    assert packet(data).code == n.FETCH and packet(data).option(n.OBSERVE) == b""
    theirs, plain = open_request(server, data)
    assert (theirs.observe, theirs.outer_observe, ours.observe) == (0, True, 0)
    assert plain == request(REGISTER)
    data = seal_response(theirs, notification())
    assert packet(data).code == n.CONTENT and packet(data).option(n.OBSERVE) == b"\7"
    longer = seal_response(theirs, notification(value=b"\7\7\7"))
    assert len(packet(longer).payload) == len(packet(data).payload)  # the inner one of a notification is empty
    _, theirs = exchange([(n.OBSERVE, b"\1"), (n.URI_PATH, b"temp")])
    assert theirs.observe == 1


def test_notifications_are_ordered_by_their_partial_iv_and_each_has_one():
    ours, theirs = exchange(REGISTER)
    theirs.context.sequence.number = 0x20000FE
    sent = [seal_response(theirs, notification(bytes((65 + i,)))) for i in range(4)]
    assert [piv(data) for data in sent] == [b"\2\0\0\xfe", b"\2\0\0\xff", b"\2\0\1\0", b"\2\0\1\1"]
    got = packet(open_response(ours, sent[0]))
    assert (got.option(n.OBSERVE), got.payload) == (b"\xfe", b"A")
    assert packet(open_response(ours, sent[2])).option(n.OBSERVE) == b"\1\0"  # the three low bytes
    for data in (sent[0], sent[1], sent[2]):  # old, overtaken, the same
        assert why(open_response, ours, data) == REPLAY
    assert packet(open_response(ours, sent[3])).payload == b"D"


def test_the_outer_observe_of_a_notification_means_nothing():
    ours, theirs = exchange(REGISTER)
    p = packet(seal_response(theirs, notification()))
    for value in (b"\xff\xff\xff", None):
        options = [pair for pair in p.options if pair[0] != n.OBSERVE]
        if value is not None:
            options.insert(0, (n.OBSERVE, value))
        changed = response(options, n.CHANGED, p.payload)
        ours._windows = None
        assert packet(open_response(ours, changed)).option(n.OBSERVE) == b""  # Partial IV 0


def test_a_first_notification_without_partial_iv_is_the_oldest():
    # Other servers leave it out, as they may.
    ours, theirs = exchange(REGISTER)
    theirs.response_piv = lambda m, own=False: None
    first = seal_response(theirs, notification(b"old"))
    del theirs.response_piv
    assert piv(first) is None
    assert packet(open_response(ours, first)).option(n.OBSERVE) == b"\xff\xff\xff"  # what comes before Partial IV 0
    assert why(open_response, ours, first) == REPLAY
    ours._oldest = None
    open_response(ours, seal_response(theirs, notification(b"new")))
    assert why(open_response, ours, first) == REPLAY  # it comes late


def test_a_registration_may_be_answered_without_observe():
    ours, theirs = exchange(REGISTER)
    answer = seal_response(theirs, response(code=n.NOT_FOUND))
    assert packet(answer).code == n.CHANGED and piv(answer) is None
    assert open_response(ours, answer) == response(code=n.NOT_FOUND)


def test_a_notification_that_nobody_asked_for_is_refused():
    ours, theirs = exchange()
    assert why(open_response, ours, seal_response(theirs, notification())) == PLAIN
    open_response(ours, seal_response(theirs, response()))


def test_an_outer_observe_alone_registers_nothing():
    client, server = ends()
    p = packet(seal_request(client, request())[1])
    theirs, plain = open_request(server, request([(n.OBSERVE, b"")] + p.options, n.FETCH, p.payload))
    assert theirs.observe is None and theirs.outer_observe and packet(plain).option(n.OBSERVE) is None
    # and where somebody has removed it, the inner one counts
    p = packet(seal_request(client, request(REGISTER))[1])
    theirs, plain = open_request(server, request(p.options[1:], n.POST, p.payload))
    assert theirs.observe == 0 and not theirs.outer_observe and packet(plain).option(n.OBSERVE) == b""


def test_which_context_a_request_is_for():
    secrets = {"client_id": b"\1", "server_id": b"\0"}
    plain, named = ends(**secrets), ends(id_context=b"here", **secrets)
    other, far = ends(id_context=b"there", **secrets), ends(b"\2", b"\0")
    contexts = Contexts([named[1], plain[1], other[1], far[1]])
    for client, server in (plain, named, other, far):
        theirs, _ = open_request(contexts, seal_request(client, request())[1])
        assert theirs.context is server
    client = ends(b"\3", b"\0")[0]
    assert why(open_request, contexts, seal_request(client, request())[1]) == NO_CONTEXT
    client = ends(id_context=b"nowhere", **secrets)[0]
    assert why(open_request, contexts, seal_request(client, request())[1]) == NO_CONTEXT
    # without a kid context, that one without an ID Context; else the only one
    client = ends(id_context=b"here", client_number=30, **secrets)[0]
    client.kid_context = None  # is not sent
    data = seal_request(client, request())[1]
    assert why(open_request, contexts, data) == PLAIN
    assert open_request(Contexts([named[1]]), data)[0].context is named[1]


def test_contexts_that_cannot_be_told_apart_are_refused():
    class Group:
        gid = b"here"

    for contexts, groups in (
        ([ends()[1], ends()[1]], []),
        ([ends(id_context=b"here")[1], ends(id_context=b"here")[1]], []),
        ([ends(id_context=b"here")[1]], [Group]),
        ([], [Group, Group]),
    ):
        try:
            Contexts(contexts, groups)
        except ValueError:
            continue
        raise AssertionError(contexts)
    assert rejected(open_request, Contexts(), seal_request(ends()[0], request())[1]).code == n.UNAUTHORIZED
