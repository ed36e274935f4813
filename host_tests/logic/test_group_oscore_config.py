"""Groups of Group OSCORE that leave something out, or have other algorithms; what a configuration may say."""

from group_ends import (
    GID,
    IDS,
    NO_CONTEXT,
    NO_MODE,
    REPLAY,
    UNDECRYPTED,
    answer,
    credential,
    credential_of,
    group_of,
    key,
    refused,
    take,
)
from groupcoap import numbers as n
from groupcoap.oscore import option
from groupcoap.oscore.exchange import DETERMINISTIC
from groupcoap.oscore.group import Member
from oscore_ends import message, packet, request, response, seal_request, seal_response, why, writer
from wire import datagram

VMS = ("cpython", "unix")


def test_a_group_without_pairwise_mode():
    only_group = {"aead": None, "key_agreement": None, "deterministic_id": None}
    alice, kitchen = group_of(0, **only_group), group_of(1, **only_group)
    asked, data = seal_request(alice, request())
    exchange, plain = take(kitchen, data)
    assert plain == request() and answer(asked, seal_response(exchange, response()))[1] == response()
    exchange.pairwise = True
    assert refused(seal_response, exchange, response()) and refused(seal_request, alice, request(), to=alice.members[0])
    other = group_of(0)
    assert why(take, kitchen, seal_request(other, request(), to=other.members[0])[1]) == NO_MODE
    assert why(take, kitchen, seal_request(other, request())[1]) == UNDECRYPTED  # the AAD has other algorithms


def test_a_group_without_group_mode():
    for group_encryption, signature in ((None, None), (10, None), (None, -8)):
        only = {"group_encryption": group_encryption, "signature": signature, "deterministic_id": None}
        alice, kitchen = group_of(0, **only), group_of(1, **only)
        asked, data = seal_request(alice, request(), to=alice.members[0])
        exchange, plain = take(kitchen, data)
        assert plain == request() and answer(asked, seal_response(exchange, response()))[1] == response()
        assert refused(seal_request, alice, request()) and alice.sequence.number == 1
        assert why(take, kitchen, seal_request(group_of(0), request())[1]) == NO_MODE


def test_a_group_with_counter_mode():
    """A128CTR has a nonce of 12 bytes and no tag; the Common IV is as long as the longer of two nonces (§2.1.4)."""
    for more, length in (({}, 13), ({"aead": None, "key_agreement": None, "deterministic_id": None}, 12)):
        more["group_encryption"] = -65534
        alice, kitchen = group_of(0, **more), group_of(1, **more)
        assert len(alice.common_iv) == length
        asked, data = seal_request(alice, request())
        assert len(packet(data).payload) == 1 + 5 + 64
        exchange, plain = take(kitchen, data)
        assert plain == request()
        for i in range(2):
            assert answer(asked, seal_response(exchange, response(mid=i)))[1] == response(mid=i)
        if length == 13:
            asked, data = seal_request(alice, request(), to=alice.members[0])
            assert take(kitchen, data)[1] == request()
        assert refused(group_of, 0, sender_id=bytes(7), **more) and not refused(group_of, 0, sender_id=bytes(6), **more)


def test_the_other_ccm():
    for aead, group_encryption in ((30, 30), (10, 30), (30, 10)):
        alice, kitchen = [group_of(i, aead=aead, group_encryption=group_encryption) for i in range(2)]
        for to, mode in ((None, group_encryption), (alice.members[0], aead)):
            asked, data = seal_request(alice, request(), to=to)
            tag = 8 if mode == 10 else 16
            assert len(packet(data).payload) == 6 + tag + (64 if to is None else 0)
            exchange, plain = take(kitchen, data)
            assert plain == request() and answer(asked, seal_response(exchange, response()))[1] == response()


def test_a_silent_server_opens_and_seals_nothing():
    silent, alice = group_of(2, silent=True, of=(0, 1)), group_of(0)
    asked, data = seal_request(alice, request())
    exchange, plain = take(silent, data)
    assert plain == request() and exchange.name == "alice"
    assert refused(seal_response, exchange, response()) and refused(seal_request, silent, request())
    assert refused(seal_request, silent, request(), to=silent.members[0])
    assert why(take, silent, seal_request(alice, request(), to=alice.members[1])[1]) == NO_MODE
    assert why(take, silent, seal_request(alice, request(), to=DETERMINISTIC)[1]) == NO_CONTEXT
    assert why(take, silent, data) == REPLAY


def test_longest_ids_and_gid():
    ids = [bytes(6) + bytes((i,)) for i in range(2)]
    ends = []
    for i in range(2):
        members = [Member("other", ids[1 - i], credential_of(1 - i))]
        ends.append(group_of(i, sender_id=ids[i], members=members, gid=bytes(32), number=(1 << 40) - 2))
    asked, data = seal_request(ends[0], request())
    assert len(packet(data).option(n.OSCORE)) == 1 + 5 + 33 + 7
    exchange, plain = take(ends[1], data)
    assert plain == request() and answer(asked, seal_response(exchange, response()))[1] == response()


def test_no_room():
    alice = group_of(0)
    for to in (None, alice.members[0], DETERMINISTIC):
        size = len(seal_request(alice, request(), to=to)[1])
        for room in (size, size - 1, size - 8, 20):
            out = writer(room)
            try:
                alice.seal_request(message(request()), out, to=to)
                assert room == size
            except ValueError:
                assert room < size


def test_no_room_is_found_out_before_the_keys_are():
    alice = group_of(0)
    try:
        alice.seal_request(message(request()), writer(27), to=alice.members[0])
        raise AssertionError
    except ValueError:
        pass
    assert alice.members[0].agreement is None


def test_a_configuration_is_checked():
    def of(**more):
        return refused(group_of, 0, **more)

    assert of() is None
    assert "gid" in of(gid=b"") and "gid" in of(gid=bytes(33))
    assert "master_secret" in of(secret=b"")
    assert "manager_credential" in of(manager=b"") and "manager_credential" in of(manager=bytes(257))
    assert "Sender ID" in of(sender_id=bytes(8)) and "Sender ID" in of(deterministic_id=bytes(8))
    assert "-7" in of(signature=-7) and "-28" in of(key_agreement=-28)
    assert "mode" in of(key_agreement=None, signature=None, deterministic_id=None)
    assert "does not authenticate" in of(aead=-65534)
    assert of(aead=1) and of(group_encryption=24)
    assert "deterministic_id" in of(aead=None) and "deterministic_id" in of(group_encryption=None)
    assert "one Sender ID" in of(deterministic_id=IDS[0]) and "one Sender ID" in of(deterministic_id=IDS[1])
    assert "one Sender ID" in of(sender_id=IDS[1])
    one, same = Member("one", b"1", credential_of(1)), Member("same", b"2", credential_of(1))
    assert "another group" in of(members=group_of(1, of=(1, 2)).members)
    assert "one key" in of(members=[one, same]) and "one key" in of(members=[Member("me", b"1", credential_of(0))])


def bad_keys():
    zero = bytes(32)
    one = b"\x01" + bytes(31)
    minus_one = b"\xec" + b"\xff" * 30 + b"\x7f"
    eighth = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    not_canonical = b"\xee" + b"\xff" * 30 + b"\x7f"
    no_point = b"\x02" + bytes(31)
    return zero, one, minus_one, eighth, not_canonical, no_point


def test_a_member_without_a_good_key_is_no_member():
    for public in bad_keys():
        assert refused(Member, "mallory", b"\x66", credential(public)), public
    assert refused(Member, "mallory", b"\x66", credential(key(1).public)) is None
    assert refused(Member, "mallory", b"\x66", b"")


def test_a_key_that_is_checked_at_its_first_use():
    good = Member("kitchen", IDS[1], credential_of(1), at_once=False)
    assert not good.point.points
    alice, kitchen = group_of(0, members=[good]), group_of(1)
    assert take(kitchen, seal_request(alice, request(), to=good)[1])[1] == request()
    for to in (None, kitchen.members[0]):
        members = [Member("alice", IDS[0], credential_of(0), at_once=False)]
        data = seal_request(alice, request(), to=None if to is None else good)[1]
        assert take(group_of(1, members=members), data)[1] == request()
    for public in bad_keys():
        bad = Member("mallory", b"\x66", credential(public), at_once=False)
        alice = group_of(0, members=[bad])
        for _ in range(2):
            assert refused(seal_request, alice, request(), to=bad)
            for group, size in ((True, 90), (False, 20)):
                value = option.encode(b"\0", GID, b"\x66", group)
                data = datagram(n.NON, n.POST, 1, b"", [(n.OSCORE, value)], bytes(size))
                assert why(take, alice, data) == UNDECRYPTED
        counter = group_of(
            0, members=[Member("m", b"\x66", credential(public), at_once=False)], group_encryption=-65534
        )
        value = option.encode(b"\0", GID, b"\x66", True)
        data = datagram(n.NON, n.POST, 1, b"", [(n.OSCORE, value)], bytes(90))
        assert why(take, counter, data) == UNDECRYPTED
