"""X25519 (RFC 7748 §5), in steps that leave time for other work, and X25519 keys made of Ed25519 keys.

A Montgomery ladder: the same operations for every private key. With Viper they also take the same time; without, the
time depends on how many words an integer has.
"""

from micropython import const

from .curve.field import ONE, POWER, P, power
from .curve.hot import load, run, swap, value
from .ed25519 import Steps, area, finish, give_back

_A24 = b"\x41\xdb\x01" + bytes(29)  # 121665
_NINE = b"\x09" + bytes(31)

_MUL, _SQUARES, _ADD, _SUB, _MOVE = const(0), const(1), const(2), const(3), const(4)
_X1, _X2, _Z2, _X3, _Z3 = const(0), const(1), const(2), const(3), const(4)
_A, _B, _C, _E, _CONSTANT = const(5), const(6), const(7), const(8), const(9)
_POWER = const(5)  # five slots for `power`, those of _A to _CONSTANT

# One step of RFC 7748's ladder: 10 multiplications.
_STEP = bytes((
    _ADD, _A, _X2, _Z2,
    _SUB, _B, _X2, _Z2,
    _ADD, _C, _X3, _Z3,
    _SUB, _E, _X3, _Z3,
    _MUL, _E, _E, _A,
    _MUL, _C, _C, _B,
    _ADD, _X3, _E, _C,
    _SQUARES, _X3, _X3, 1,
    _SUB, _Z3, _E, _C,
    _SQUARES, _Z3, _Z3, 1,
    _MUL, _Z3, _Z3, _X1,
    _SQUARES, _A, _A, 1,
    _SQUARES, _B, _B, 1,
    _MUL, _X2, _A, _B,
    _SUB, _E, _A, _B,
    _MUL, _B, _E, _CONSTANT,
    _ADD, _A, _A, _B,
    _MUL, _Z2, _E, _A,
))  # fmt: skip
_QUOTIENT = bytes((_MUL, _X2, _X2, _POWER + POWER))
_TO_POWER = bytes((_MOVE, _POWER, _Z2, 0))
_MONTGOMERY = bytes((_ADD, _X2, _X3, _X1, _SUB, _Z2, _X3, _X1))


def _quotient(work):
    """X2 times what `power` has left, as 32 bytes."""
    run(work, _QUOTIENT, 0, 4)
    return value(work, _X2).to_bytes(32, "little")


class Agreement(Steps):
    """The secret of a private key `k` and a public one `u`, 32 bytes each, in steps: `secret` (32 bytes) once done.

    Raises ValueError for another length; step() does, in the end, where u is of small order and the secret all zero.
    """

    def __init__(self, k, u):
        if len(k) != 32 or len(u) != 32:
            raise ValueError("a key of X25519 has 32 bytes")
        self.secret = None
        self._steps = self._work(bytes(k), bytes(u))

    def _work(self, k, u):
        k = bytearray(k)
        k[0] &= 248
        k[31] = k[31] & 127 | 64
        u = bytearray(u)
        u[31] &= 127
        work = area()
        load(work, _X1, u, 0)
        load(work, _X2, ONE, 0)
        load(work, _Z2, bytes(32), 0)
        load(work, _X3, u, 0)
        load(work, _Z3, ONE, 0)
        load(work, _CONSTANT, _A24, 0)
        swapped = 0
        for at in range(254, -1, -1):
            bit = k[at >> 3] >> (at & 7) & 1
            swap(work, _X2, _X3, bit ^ swapped)
            swap(work, _Z2, _Z3, bit ^ swapped)
            swapped = bit
            run(work, _STEP, 0, 72)
            if at % 9 == 0:
                yield
        # The last bit of a private key is 0: nothing is left to swap.
        run(work, _TO_POWER, 0, 4)
        yield from power(work, _POWER)
        secret = _quotient(work)
        give_back(work)
        if secret == bytes(32):
            raise ValueError("a public key of small order")
        self.secret = secret


def x25519(k, u):
    """The secret of a private key `k` and a public one `u`, 32 bytes each. Raises ValueError as an Agreement does."""
    agreement = Agreement(k, u)
    finish(agreement)
    return agreement.secret


def public(k):
    """The public key, 32 bytes, of a private one."""
    return x25519(k, _NINE)


def secret_of(key):
    """The private key for X25519 of an `ed25519.Key` (draft-ietf-core-oscore-groupcomm: the clamped scalar)."""
    return key.x25519


def from_ed25519(data):
    """The public key for X25519 of one for Ed25519, 32 bytes both: (1 + y) / (1 - y), RFC 7748 §4.1.

    Raises ValueError for another length, y not below p, and y = 1. That there is a point with this y is not checked:
    `ed25519.PublicKey` does that.
    """
    if len(data) != 32:
        raise ValueError("a public key has 32 bytes")
    y = bytearray(data)
    y[31] &= 127
    if int.from_bytes(y, "little") >= P or y == ONE:
        raise ValueError("not a public key")
    work = area()
    load(work, _X1, y, 0)
    load(work, _X3, ONE, 0)
    run(work, _MONTGOMERY, 0, 8)
    run(work, _TO_POWER, 0, 4)
    for _ in power(work, _POWER):
        pass
    found = _quotient(work)
    give_back(work)
    return found
