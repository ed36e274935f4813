"""Field arithmetic in Viper gives what integers give, up to the largest limbs that it may meet; SHA-512's block too."""

from groupcoap.oscore.curve import _plain, _viper
from test_hot import Random

VMS = ("unix",)

P = (1 << 255) - 19
MUL, SQUARES, ADD, SUB, MOVE = range(5)
MOST = (1 << 13) + 15  # the largest limb that an operation may leave or meet


def limbs(work, slot):
    at = 160 + 40 * slot
    return [work[i] | work[i + 1] << 8 for i in range(at, at + 40, 2)]


def put(work, slot, values):
    """Limbs as they are, and the integer that they stand for."""
    number = 0
    for i in range(20):
        at = 160 + 40 * slot + 2 * i
        work[at], work[at + 1] = values[i] & 255, values[i] >> 8
        number += values[i] << 13 * i
    return number


def expected(what, x, y):
    return (x * y if what == MUL else x * x if what == SQUARES else x + y if what == ADD else x - y) % P


def test_operations_on_the_largest_limbs_neither_overflow_nor_leave_larger_ones():
    random = Random(3)
    work = _viper.workspace(3)
    extremes = ([MOST] * 20, [0] * 20, [8191] * 20, [0] * 19 + [MOST], [MOST] + [0] * 19, [1] + [0] * 19)
    for first in extremes + tuple([[random.below(MOST + 1) for _ in range(20)] for _ in range(20)]):
        for second in extremes:
            for what in (MUL, SQUARES, ADD, SUB):
                x, y = put(work, 0, first), put(work, 1, second)
                _viper.run(work, bytes((what, 2, 0, 1)), 0, 4)
                assert _viper.value(work, 2) == expected(what, x, y), (what, first, second)
                assert max(limbs(work, 2)) <= MOST, (what, first, second)


def test_random_programs_do_the_same():
    random = Random(4)
    viper, plain = _viper.workspace(8), _plain.workspace(8)
    for turn in range(3000):
        if turn % 50 == 0:
            data = random.bytes(32)
            for i in range(8):
                _viper.load(viper, i, data, 0)
                _plain.load(plain, i, data, 0)
                data = (bytes(32), b"\xff" * 32, random.bytes(32))[random.below(3)]
        what, slots = random.below(5), [random.below(8) for _ in range(3)]
        if what == SQUARES:
            slots[2] += 1
        base = random.below(3)
        for i in (0, 1, 2) if what != SQUARES else (0, 1):
            if slots[i] >= base and random.below(2):
                slots[i] += 192 - base
        program = bytes([what] + slots)
        _viper.run(viper, program, base, 4)
        _plain.run(plain, program, base, 4)
        bit = random.below(2)
        _viper.swap(viper, 1, 2, bit)
        _plain.swap(plain, 1, 2, bit)
        for i in range(8):
            assert _viper.value(viper, i) == _plain.value(plain, i), (turn, program, base)


def test_an_element_is_read_from_any_place():
    data = bytes(range(100, 140))
    work = _viper.workspace(1)
    for at in (0, 1, 7, 8):
        _viper.load(work, 0, data, at)
        assert _viper.value(work, 0) == int.from_bytes(data[at : at + 32], "little") % P


def test_values_from_p_on_are_reduced():
    work = _viper.workspace(1)
    for number in (P - 1, P, P + 1, (1 << 255) - 1, 2 * P - 1, 2 * P, (1 << 256) - 1):
        _viper.load(work, 0, number.to_bytes(32, "little"), 0)
        assert _viper.value(work, 0) == number % P


def test_blocks_are_hashed_the_same():
    random = Random(5)
    constants, start = random.bytes(640), random.bytes(64)
    viper, plain = _viper.sha512_start(start), _plain.sha512_start(start)
    for data in (b"\xff" * 140, bytes(140), random.bytes(140), random.bytes(140), random.bytes(140)):
        at = random.below(12)
        _viper.sha512_block(viper, constants, data, at)
        _plain.sha512_block(plain, constants, data, at)
        assert _viper.sha512_digest(viper) == _plain.sha512_digest(plain)
    for block in (b"\xff" * 128, bytes(128)):
        viper, plain = _viper.sha512_start(b"\xff" * 64), _plain.sha512_start(b"\xff" * 64)
        _viper.sha512_block(viper, b"\xff" * 640, block, 0)
        _plain.sha512_block(plain, b"\xff" * 640, block, 0)
        assert _viper.sha512_digest(viper) == _plain.sha512_digest(plain)
