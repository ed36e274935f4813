"""The token table: which exchange a received token belongs to."""

from groupcoap import numbers as n
from groupcoap.tokens import MIN_TOKEN_REUSE_TIME, Tokens
from wire import SERVER, SERVER2, Owner, Wire, datagram


def table(slots=4):
    wire = Wire()
    return wire, Tokens(slots, wire.timers, wire.entropy)


def find(tokens, value, peer=SERVER):
    return tokens.find(datagram(n.NON, n.CONTENT, 1, value), peer)


def test_token_finds_its_slot():
    wire, tokens = table()
    slots = [tokens.allocate(Owner(), 1000, wire.now) for _ in range(4)]
    assert sorted(slots) == [0, 1, 2, 3]
    for slot in slots:
        assert find(tokens, tokens.token(slot)) == slot


def test_full_table_refuses():
    wire, tokens = table(2)
    slots = [tokens.allocate(Owner(), 1000, wire.now) for _ in range(3)]
    assert slots[2] == -1 and tokens.free == 0
    tokens.release(slots[0])
    assert tokens.free == 1 and tokens.allocate(Owner(), 1000, wire.now) == slots[0]


def test_released_token_matches_no_more():
    wire, tokens = table()
    slot = tokens.allocate(Owner(), 1000, wire.now)
    value = tokens.token(slot)
    tokens.release(slot)
    tokens.release(slot)  # which is free now
    assert find(tokens, value) == -1 and tokens.free == 4


def test_slot_that_is_used_again_has_another_token():
    wire, tokens = table(1)
    seen = []
    for _ in range(100):
        slot = tokens.allocate(Owner(), 1000, wire.now)
        assert [find(tokens, old) for old in seen] == [-1] * len(seen)
        seen.append(tokens.token(slot))
        tokens.release(slot)


def test_no_value_comes_back_even_without_entropy():
    wire, tokens = table(1)
    wire.dice = b"\xff"
    tokens = Tokens(1, wire.timers, wire.entropy)
    seen = set()
    for _ in range(1000):
        slot = tokens.allocate(Owner(), 1000, wire.now)
        seen.add(tokens.token(slot))
        tokens.release(slot)
    assert len(seen) == 1000


def test_four_bytes_of_a_token_are_random():
    wire, tokens = table(1)
    wire.dice = b"\xa5"
    slot = tokens.allocate(Owner(), 1000, wire.now)
    assert tokens.token(slot)[4:] == b"\xa5\xa5\xa5\xa5"


def test_forged_token_finds_nothing():
    wire, tokens = table()
    value = tokens.token(tokens.allocate(Owner(), 1000, wire.now))
    for i in range(8):
        for bit in range(8):
            forged = bytearray(value)
            forged[i] ^= 1 << bit
            assert find(tokens, bytes(forged)) == -1
    for length in range(8):
        assert find(tokens, value[:length]) == -1


def test_token_of_a_free_slot_finds_nothing():
    wire, tokens = table()
    for first in (0, 0xFF):
        value = bytearray(tokens.token(1))
        value[0] = first
        assert find(tokens, bytes(value)) == -1
    slot = tokens.allocate(Owner(), 1000, wire.now)
    value = tokens.token(slot)
    tokens.release(slot)
    assert find(tokens, value) == find(tokens, tokens.token(slot)) == -1


def test_source_is_compared_whole():
    wire, tokens = table()
    value = tokens.token(tokens.allocate(Owner(), 1000, wire.now, SERVER))
    for i in range(6):
        peer = bytearray(SERVER)
        peer[i] ^= 1
        assert find(tokens, value, bytes(peer)) == -1


def test_index_past_the_table_finds_nothing():
    wire, tokens = table(2)
    for index in (2, 3, 255):
        assert find(tokens, bytes((index,)) + b"1234567") == -1


def test_source_must_be_the_one_that_was_asked():
    wire, tokens = table()
    slot = tokens.allocate(Owner(), 1000, wire.now, SERVER)
    assert find(tokens, tokens.token(slot), SERVER2) == -1
    assert find(tokens, tokens.token(slot), SERVER) == slot


def test_source_is_forgotten_with_the_slot():
    wire, tokens = table(1)
    tokens.release(tokens.allocate(Owner(), 1000, wire.now, SERVER))
    slot = tokens.allocate(Owner(), 1000, wire.now)
    assert find(tokens, tokens.token(slot), SERVER2) == slot


def test_token_expires():
    wire, tokens = table()
    owner = Owner()
    slot = tokens.allocate(owner, 1000, wire.now)
    wire.advance(999)
    assert owner.expired == [] and find(tokens, tokens.token(slot)) == slot
    wire.advance(1)
    assert owner.expired == [slot] and find(tokens, tokens.token(slot)) == -1 and tokens.free == 4


def test_released_token_does_not_expire():
    wire, tokens = table()
    owner = Owner()
    tokens.release(tokens.allocate(owner, 1000, wire.now))
    wire.advance(2000)
    assert owner.expired == [] and tokens.free == 4


def test_token_may_be_extended():
    wire, tokens = table()
    owner = Owner()
    slot = tokens.allocate(owner, 1000, wire.now)
    wire.advance(900)
    tokens.extend(slot, 1000, wire.now)
    wire.advance(999)
    assert owner.expired == []
    wire.advance(1)
    assert owner.expired == [slot]


def test_owner_may_extend_a_token_that_expires():
    wire, tokens = table()
    expired = []

    class Extending(Owner):
        def token_expired(self, slot, now):
            expired.append(slot)
            if len(expired) < 3:
                tokens.extend(slot, 1000, now)

    slot = tokens.allocate(Extending(), 1000, wire.now)
    wire.advance(2500)
    assert expired == [slot] * 2 and find(tokens, tokens.token(slot)) == slot
    wire.advance(1000)
    assert tokens.free == 4 and find(tokens, tokens.token(slot)) == -1


def test_owner_may_release_a_token_that_expires():
    wire, tokens = table()

    class Releasing(Owner):
        def token_expired(self, slot, now):
            tokens.release(slot)

    tokens.allocate(Releasing(), 1000, wire.now)
    wire.advance(1000)
    assert tokens.free == 4
    assert sorted([tokens.allocate(Owner(), 1000, wire.now) for _ in range(4)]) == [0, 1, 2, 3]


def test_remaining_is_the_time_until_the_first_is_due():
    wire, tokens = table()
    assert tokens.remaining(wire.now) == 0
    tokens.allocate(Owner(), 3000, wire.now)
    tokens.allocate(Owner(), 1000, wire.now)
    wire.advance(400)
    assert tokens.remaining(wire.now) == 600
    wire.advance(600)
    assert tokens.remaining(wire.now) == 2000


def test_number_of_slots_is_1_to_255():
    wire = Wire()
    for slots in (0, 256):
        try:
            Tokens(slots, wire.timers, wire.entropy)
        except ValueError:
            continue
        raise AssertionError("not refused")
    tokens = Tokens(255, wire.timers, wire.entropy)
    slots = [tokens.allocate(Owner(), 1000, wire.now) for _ in range(255)]
    assert [find(tokens, tokens.token(slot)) for slot in slots] == slots and sorted(slots) == list(range(255))


def test_reuse_time_is_that_of_the_draft():
    assert MIN_TOKEN_REUSE_TIME == 1000 * (250 + 250)
