"""The curves' Viper code with registers of 32 bits, as boards have: the largest limbs do not overflow."""

import hashlib
import random

import pytest
import support
import viper32

VIPER = viper32.load(support.REPO / "lib/groupcoap/oscore/curve/_viper.py")
P = (1 << 255) - 19
MUL, SQUARES, ADD, SUB, MOVE = range(5)
MOST = (1 << 13) + 15  # as in logic/test_curve_hot.py
EXTREMES = [[MOST] * 20, [8191] * 20, [0] * 20, [MOST] + [0] * 19, [0] * 19 + [MOST]]


def put(work, slot, limbs):
    work[160 + 40 * slot : 200 + 40 * slot] = b"".join(limb.to_bytes(2, "little") for limb in limbs)
    return sum(limb << 13 * i for i, limb in enumerate(limbs))


@pytest.mark.parametrize("what", [MUL, SQUARES, ADD, SUB])
def test_largest_limbs_do_not_overflow(what):
    work = VIPER.workspace(3)
    for first in EXTREMES:
        for second in EXTREMES:
            x, y = put(work, 0, first), put(work, 1, second)
            VIPER.run(work, bytes((what, 2, 0, 1)), 0, 4)
            expected = {MUL: x * y, SQUARES: x * x, ADD: x + y, SUB: x - y}[what]
            assert VIPER.value(work, 2) == expected % P
            limbs = [work[at] | work[at + 1] << 8 for at in range(240, 280, 2)]
            assert max(limbs) <= MOST


def test_chains_of_operations_agree_with_integers():
    source = random.Random(6)
    work, numbers = VIPER.workspace(5), []
    for slot in range(5):
        data = source.randbytes(32)
        VIPER.load(work, slot, data, 0)
        numbers.append(int.from_bytes(data, "little"))
    for _ in range(120):
        what, to, a, b = source.randrange(5), *(source.randrange(5) for _ in range(3))
        VIPER.run(work, bytes((what, to, a, b + (what == SQUARES))), 0, 4)
        x, y = numbers[a], numbers[b]
        numbers[to] = {MUL: x * y, SQUARES: pow(x, 2 ** (b + 1), P), ADD: x + y, SUB: x - y, MOVE: x}[what] % P
        bit = source.randrange(2)
        VIPER.swap(work, 0, 1, bit)
        numbers[:2] = numbers[1::-1] if bit else numbers[:2]
        assert VIPER.value(work, to) == numbers[to] % P or to < 2
    assert [VIPER.value(work, slot) for slot in range(5)] == [number % P for number in numbers]


def test_hashes_are_those_of_hashlib(monkeypatch):
    from groupcoap.oscore import sha512

    for name in "sha512_start", "sha512_block", "sha512_digest":
        monkeypatch.setattr(sha512, name, getattr(VIPER, name))
    for data in (b"", b"abc", b"\xff" * 250):
        assert sha512.sha512(data) == hashlib.sha512(data).digest()
