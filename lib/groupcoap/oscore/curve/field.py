"""Elements modulo p = 2**255 - 19 beyond single operations: powers with a long exponent, in steps.

Programs are for `hot.run`: four bytes an operation, see `_viper.run`. A comment has the exponent written last.
"""

from micropython import const

from .hot import run

P = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED
ONE = b"\x01" + bytes(31)  # as `hot.load` takes it

_MUL, _SQUARES = const(0), const(1)
_Z, _A, _B, _C, _D = const(192), const(193), const(194), const(195), const(196)

_PIECES = (
    bytes((
        _SQUARES, _A, _Z, 1,  # 2
        _SQUARES, _B, _A, 2,  # 8
        _MUL, _B, _Z, _B,  # 9
        _MUL, _A, _A, _B,  # 11
        _SQUARES, _C, _A, 1,  # 22
        _MUL, _B, _B, _C,  # 2**5 - 1
        _SQUARES, _C, _B, 5,
        _MUL, _B, _C, _B,  # 2**10 - 1
        _SQUARES, _C, _B, 10,
        _MUL, _C, _C, _B,  # 2**20 - 1
        _SQUARES, _D, _C, 20,
        _MUL, _C, _D, _C,  # 2**40 - 1
        _SQUARES, _C, _C, 10,
        _MUL, _B, _C, _B,  # 2**50 - 1
    )),
    bytes((_SQUARES, _C, _B, 50, _MUL, _C, _C, _B)),  # 2**100 - 1
    bytes((_SQUARES, _D, _C, 50)),
    bytes((_SQUARES, _D, _D, 50, _MUL, _C, _D, _C)),  # 2**200 - 1
    bytes((_SQUARES, _C, _C, 50, _MUL, _B, _C, _B)),  # 2**250 - 1
)  # fmt: skip
_INVERSE = bytes((_SQUARES, _B, _B, 5, _MUL, _B, _B, _A))  # p - 2 = 2**255 - 21
_ROOT = bytes((_SQUARES, _B, _B, 2, _MUL, _B, _B, _Z))  # (p - 5) / 8 = 2**252 - 3
POWER = 2  # `power` leaves its result in slot base + 2; it writes base + 1 to base + 4


def power(work, base, root=False):
    """Steps of at most 57 multiplications to 1 / z (0 for 0), z being in slot `base`; or to z ** ((p - 5) / 8)."""
    for program in _PIECES:
        run(work, program, base, len(program))
        yield
    run(work, _ROOT if root else _INVERSE, base, 8)
