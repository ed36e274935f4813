"""A signature checker: it sees who sent a message in group mode, without the keys that decrypt."""

import group_vectors as v
from group_ends import GID, IDS, MANAGER, NO_CONTEXT, UNDECODED, group_of
from groupcoap import numbers as n
from groupcoap.oscore import option
from groupcoap.oscore.checker import Checker
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.exchange import DETERMINISTIC, GROUP
from groupcoap.oscore.group import Member
from oscore_ends import message, opened, request, response, seal_request, seal_response, why
from wire import datagram

VMS = ("cpython", "unix")

ALGORITHMS = (10, 10, -8, -27)
UNSIGNED = (n.BAD_OPTION, "No countersignature")


def checker(algorithms=ALGORITHMS, **more):
    group = group_of(2, **more)
    all_members = group.members + [Member("hall", group.sender_id, group.credential)]
    return Checker(GID, group.signature_key, MANAGER, algorithms, all_members)


def checked(checking):
    while not checking.step():
        assert not checking.valid
    return checking.valid


def test_requests_and_responses_of_a_group():
    for algorithms, more in ((ALGORITHMS, {}), ((10, -65534, -8, -27), {"group_encryption": -65534})):
        alice, kitchen = group_of(0, **more), group_of(1, **more)
        third = checker(algorithms, **more)
        _, data = seal_request(alice, request())
        checking = third.check_request(message(data))
        assert checked(checking) and checking.member.name == "alice"
        asked = third.asked(message(data))
        exchange, _ = opened(Contexts([], [kitchen]).open_request(message(data)))
        for _ in range(2):  # without a Partial IV, with one
            checking = third.check_response(message(seal_response(exchange, response())), asked)
            assert checked(checking) and checking.member.name == "kitchen"


def test_a_flipped_bit_is_seen_wherever_it_is():
    third = checker()
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request())
    asked = third.asked(message(data))
    answer = seal_response(opened(Contexts([], [kitchen]).open_request(message(data)))[0], response())
    for whole, check in ((data, third.check_request), (answer, lambda m: third.check_response(m, asked))):
        payload = whole.find(b"\xff", 8) + 1
        for at in (payload, payload + 3, len(whole) - 64, len(whole) - 33, len(whole) - 32, len(whole) - 1):
            for bit in (0, 7):
                wrong = bytearray(whole)
                wrong[at] ^= 1 << bit
                assert not checked(check(message(bytes(wrong))))
    # A response to another request
    other = third.asked(message(seal_request(alice, request())[1]))
    assert not checked(third.check_response(message(answer), other))


def test_what_has_no_signature_cannot_be_checked():
    third = checker()
    alice, kitchen = group_of(0), group_of(1)
    for to in (alice.members[0], DETERMINISTIC):
        _, data = seal_request(alice, request(), to=to)
        assert why(third.check_request, message(data)) == UNSIGNED
        assert not third.asked(message(data)).signed
    exchange, _ = opened(Contexts([], [kitchen]).open_request(message(seal_request(alice, request())[1])))
    exchange.pairwise = True
    asked = third.asked(message(seal_request(alice, request())[1]))
    assert why(third.check_response, message(seal_response(exchange, response())), asked) == UNSIGNED


def test_a_response_without_kid_is_checked_for_the_server_that_is_told():
    third = checker()
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request(), to=alice.members[0])
    asked = third.asked(message(data))
    exchange, _ = opened(Contexts([], [kitchen]).open_request(message(data)))
    exchange.mode = GROUP
    kitchen.sender_id = None  # as `option.encode` leaves it out
    answer = message(seal_response(exchange, response()))
    by_name = {member.name: member for member in third._by_id.values()}
    assert why(third.check_response, answer, asked) == NO_CONTEXT
    assert checked(third.check_response(answer, asked, by_name["kitchen"]))
    assert not checked(third.check_response(answer, asked, by_name["hall"]))
    exchange.context.sender_id = by_name["kitchen"].id
    answer = message(seal_response(exchange, response()))
    assert why(third.check_response, answer, asked, by_name["hall"]) == NO_CONTEXT


def test_strangers():
    third = checker()
    _, data = seal_request(group_of(0, gid=b"\xdd\x12"), request())
    assert why(third.check_request, message(data)) == NO_CONTEXT
    _, data = seal_request(group_of(0, sender_id=b"\x77"), request())
    assert why(third.check_request, message(data)) == NO_CONTEXT
    for algorithms in ((10, None, -8, -27), (10, 10, None, -27)):
        try:
            Checker(GID, bytes(16), MANAGER, algorithms, [])
            raise AssertionError
        except ValueError:
            pass


def test_malformed_ones():
    third = checker()
    asked = third.asked(message(seal_request(group_of(0), request())[1]))

    def refused(check, *value, size=100):
        options = [(n.OSCORE, option.encode(*value))]
        return why(check, message(datagram(n.NON, n.POST, 1, b"", options, bytes(size))))

    def response_to(m):
        return third.check_response(m, asked)

    for size in (1, 63, 64):
        assert refused(third.check_request, b"\0", GID, IDS[0], True, size=size) == UNDECODED
        assert refused(response_to, None, None, IDS[1], True, size=size) == UNDECODED
    assert refused(third.check_request, None, GID, IDS[0], True) == UNDECODED
    assert refused(third.check_request, b"\0", GID, None, True) == UNDECODED
    assert refused(third.check_request, b"\0", None, IDS[0], True) == NO_CONTEXT
    assert refused(response_to, None, b"\xdd\x12", IDS[1], True) == NO_CONTEXT


def test_the_vectors_of_cacheable_oscore():
    server = Member("server", v.SERVER_ID, v.SERVER_CREDENTIAL)
    third = Checker(v.GID, v.SIGNATURE_KEY, v.MANAGER_CREDENTIAL, ALGORITHMS, [server])
    asked = third.asked(message(v.REQUEST))
    assert asked.request_hash == v.REQUEST_HASH and asked.kid == v.DETERMINISTIC_ID
    assert checked(third.check_response(message(v.RESPONSE), asked))
    asked.request_hash = None
    assert not checked(third.check_response(message(v.RESPONSE), asked))
