"""Points of edwards25519 (RFC 8032 §5.1) in extended coordinates, in a work area of `hot`.

A scalar of 256 bits is taken as four of 64 on four points that are 2**64 apart, so that 64 doublings do for all: the
base point's multiples are a table (`base_table`), those of a public key are made once and kept. What takes long is a
generator that yields after about 100 field multiplications at most.
"""

from micropython import const

from .base_table import TABLE
from .field import ONE, POWER, P, power
from .hot import load, run, swap, value

L = 0x1000000000000000000000000000000014DEF9DEA2F79CD65812631A5CF5D3ED  # the base point's order
SLOTS = 18  # of a work area
MULTIPLES_SLOTS = SLOTS + 64  # and with room for a public key's odd multiples

_D = (
    b"\xa3\x78\x59\x13\xca\x4d\xeb\x75\xab\xd8\x41\x41\x4d\x0a\x70\x00"
    b"\x98\xe8\x79\x77\x79\x40\xc7\x8c\x73\xfe\x6f\x2b\xee\x6c\x03\x52"
)
_ROOT_OF_MINUS_ONE = (
    b"\xb0\xa0\x0e\x4a\x27\x1b\xee\xc4\x78\xe4\x2f\xad\x06\x18\x43\x2f"
    b"\xa7\xd7\xfb\x3d\x99\x00\x4d\x2b\x0b\xdf\xc1\x4f\x80\x24\x83\x2b"
)

_MUL, _SQUARES, _ADD, _SUB, _MOVE = const(0), const(1), const(2), const(3), const(4)
_X, _Y, _Z, _T = const(0), const(1), const(2), const(3)  # the current point: x = X/Z, y = Y/Z, x * y = T/Z
_E, _F, _G, _H = const(4), const(5), const(6), const(7)
_N = const(8)  # four slots for a second operand
_D2 = const(12)  # twice the curve's d
_POWER = const(13)  # five slots for `power`
_TABLE = const(18)  # 4 points by 4 odd multiples by 4 slots
_Q0, _Q1, _Q2, _Q3 = const(192), const(193), const(194), const(195)  # a second operand: Y + X, Y - X, 2dT, 2Z

# T is written last: without the last operation a program is for where the next one doubles.
_DOUBLE = bytes((
    _SQUARES, _T, _X, 1,
    _SQUARES, _H, _Y, 1,
    _SUB, _G, _H, _T,
    _ADD, _H, _H, _T,
    _SQUARES, _F, _Z, 1,
    _ADD, _F, _F, _F,
    _SUB, _F, _F, _G,
    _ADD, _E, _X, _X,
    _MUL, _E, _E, _Y,
    _MUL, _X, _E, _F,
    _MUL, _Y, _G, _H,
    _MUL, _Z, _F, _G,
    _MUL, _T, _E, _H,
))  # fmt: skip


def _addition(y_plus_x, y_minus_x, f, g, z):
    """The program that adds the operand at `base`, or its negative; z: _ADD where the operand's Z is 1."""
    return bytes((
        _SUB, _E, _Y, _X,
        _ADD, _H, _Y, _X,
        _MUL, _X, _E, y_minus_x,
        _MUL, _Y, _H, y_plus_x,
        _MUL, _T, _T, _Q2,
        z, _Z, _Z, _Q3 if z == _MUL else _Z,
        _SUB, _E, _Y, _X,
        _ADD, _H, _Y, _X,
        f, _F, _Z, _T,
        g, _G, _Z, _T,
        _MUL, _X, _E, _F,
        _MUL, _Y, _G, _H,
        _MUL, _Z, _F, _G,
        _MUL, _T, _E, _H,
    ))  # fmt: skip


_PLUS = _addition(_Q0, _Q1, _SUB, _ADD, _MUL)
_MINUS = _addition(_Q1, _Q0, _ADD, _SUB, _MUL)
_PLUS_AFFINE = _addition(_Q0, _Q1, _SUB, _ADD, _ADD)
_MINUS_AFFINE = _addition(_Q1, _Q0, _ADD, _SUB, _ADD)
_OPERAND = bytes((  # the current point as a second operand
    _ADD, _Q0, _Y, _X,
    _SUB, _Q1, _Y, _X,
    _MUL, _Q2, _T, _D2,
    _ADD, _Q3, _Z, _Z,
))  # fmt: skip
_NEGATIVE = bytes((_SUB, _N + 3, _N + 2, _N + 2, _SUB, _N + 3, _N + 3, _N + 2))  # 0 - Q2, beside it
_PRODUCT = bytes((_MUL, _T, _X, _Y))
_AFFINE = bytes((_MUL, _X, _X, _POWER + POWER, _MUL, _Y, _Y, _POWER + POWER))
_TO_POWER = bytes((_MOVE, _POWER, _Z, 0))
_ADD_ALL, _ADD_SHORT = const(56), const(52)  # bytes of an addition, with T and without
_DOUBLE_ALL, _DOUBLE_SHORT = const(52), const(48)


def start(work):
    """Constants into their slots, and (0, 1) as the current point."""
    zero = bytes(32)
    load(work, _D2, _D, 0)
    run(work, bytes((_ADD, _D2, _D2, _D2)), 0, 4)
    load(work, _X, zero, 0)
    load(work, _Y, ONE, 0)
    load(work, _Z, ONE, 0)
    load(work, _T, zero, 0)


def encoded(work):
    """Steps to the current point's 32 bytes (RFC 8032 §5.1.2), which are returned."""
    run(work, _TO_POWER, 0, 4)
    yield from power(work, _POWER)
    run(work, _AFFINE, 0, 8)
    data = bytearray(value(work, _Y).to_bytes(32, "little"))
    data[31] |= (value(work, _X) & 1) << 7
    return bytes(data)


# u = y**2 - 1, v = d * y**2 + 1, and u * v**7 for `power`
_DECODE = bytes((
    _SQUARES, _F, _Y, 1,
    _SUB, _G, _F, _Z,
    _MUL, _H, _F, _N,
    _ADD, _H, _H, _Z,
    _SQUARES, _T, _H, 1,
    _MUL, _E, _T, _H,
    _SQUARES, _T, _E, 1,
    _MUL, _T, _T, _H,
    _MUL, _POWER, _T, _G,
))  # fmt: skip
# x = u * v**3 * (u * v**7)**((p - 5) / 8); then F = v * x**2 - u and E = v * x**2 + u, of which one must be 0
_DECODED = bytes((
    _MUL, _X, _G, _E,
    _MUL, _X, _X, _POWER + POWER,
    _SQUARES, _T, _X, 1,
    _MUL, _T, _T, _H,
    _SUB, _F, _T, _G,
    _ADD, _E, _T, _G,
))  # fmt: skip
_OTHER_ROOT = bytes((_MUL, _X, _X, _N))


def decoded(work, data):
    """Steps to the point of 32 bytes (RFC 8032 §5.1.3), which is returned as 64: x, then y.

    Raises ValueError where they are no point, or one of order 8 or less, for which anybody can sign.
    """
    y = bytearray(data)
    sign = y[31] >> 7
    y[31] &= 127
    if int.from_bytes(y, "little") >= P:
        raise ValueError("not a public key: y is not below p")
    load(work, _Y, y, 0)
    load(work, _Z, ONE, 0)
    load(work, _N, _D, 0)
    run(work, _DECODE, 0, len(_DECODE))
    yield from power(work, _POWER, True)
    run(work, _DECODED, 0, len(_DECODED))
    if value(work, _F):
        if value(work, _E):
            raise ValueError("not a public key: no point has this y")
        load(work, _N, _ROOT_OF_MINUS_ONE, 0)
        run(work, _OTHER_ROOT, 0, 4)
    x = value(work, _X)
    if x & 1 != sign:
        if not x:
            raise ValueError("not a public key: x is 0, its sign 1")
        x = P - x
    # Four times a point of order 8, 4, 2 or 1 is one of the two whose x is 0.
    run(work, _DOUBLE, 0, _DOUBLE_SHORT)
    run(work, _DOUBLE, 0, _DOUBLE_SHORT)
    if not value(work, _X):
        raise ValueError("not a public key: a point of small order")
    return x.to_bytes(32, "little") + y


def apart(work, point):
    """Steps to four points in 64 bytes each, x then y: `point` of that form times 1, 2**64, 2**128, 2**192."""
    load(work, _X, point, 0)
    load(work, _Y, point, 32)
    load(work, _Z, ONE, 0)
    for i in range(3):
        for done in range(64):
            run(work, _DOUBLE, 0, _DOUBLE_SHORT)
            if done % 13 == 12 or done == 63:
                yield
        run(work, bytes((_MOVE, _TABLE + 3 * i, _X, 0, _MOVE, _TABLE + 3 * i + 1, _Y, 0)), 0, 8)
        run(work, bytes((_MOVE, _TABLE + 3 * i + 2, _Z, 0)), 0, 4)
    # One inversion for three: the product of all, then each by the product of the others.
    run(work, bytes((_MUL, _E, _TABLE + 2, _TABLE + 5, _MUL, _POWER, _E, _TABLE + 8)), 0, 8)
    yield
    yield from power(work, _POWER)
    others = (
        (_MUL, _F, _TABLE + 5, _TABLE + 8),
        (_MUL, _F, _TABLE + 2, _TABLE + 8),
        (_MUL, _F, _TABLE + 2, _TABLE + 5),
    )
    points = point
    for i in range(3):
        run(work, bytes(others[i] + (_MUL, _F, _F, _POWER + POWER)), 0, 8)
        for slot in (_TABLE + 3 * i, _TABLE + 3 * i + 1):
            run(work, bytes((_MUL, _X, slot, _F)), 0, 4)
            points += value(work, _X).to_bytes(32, "little")
    return points


def multiply_base(work, scalar):
    """Steps to the base point times a scalar from 0 to 2**255 - 1 as the current point.

    Whatever the scalar, the operations are the same: it is made odd, then each of its 64 digits to the base of 16 is
    one of -15, -13 to 15. Only the place in the table depends on it.
    """
    start(work)
    scalar += L * (1 - (scalar & 1))
    # Digits of +1 and -1 for every bit: b stands for 2 * b - 1, so a nibble n for 2 * n - 15.
    nibbles = (scalar + (1 << 256) - 1 >> 1).to_bytes(32, "little")
    for column in range(15, -1, -1):
        if column < 15:
            for end in (_DOUBLE_SHORT, _DOUBLE_SHORT, _DOUBLE_SHORT, _DOUBLE_ALL):
                run(work, _DOUBLE, 0, end)
        for i in range(4):
            nibble = nibbles[8 * i + (column >> 1)] >> 4 * (column & 1) & 15
            negative = nibble >> 3 ^ 1
            at = 768 * i + 96 * ((nibble ^ 7 * negative) & 7)
            load(work, _N, TABLE, at)
            load(work, _N + 1, TABLE, at + 32)
            load(work, _N + 2, TABLE, at + 64)
            run(work, _NEGATIVE, 0, 8)
            swap(work, _N, _N + 1, negative)
            swap(work, _N + 2, _N + 3, negative)
            run(work, _PLUS_AFFINE, _N, _ADD_ALL if i < 3 or column else _ADD_SHORT)
        yield


def _recode(scalar, width, digits, at):
    """Write the digits of 32 bytes: 0, or odd ones of `width` bits with a sign, a `width` apart at least.

    That of bit 64 * i + j goes to digits[8 * j + i + at], i being 0 to 3, as 0 or as itself plus 32.
    """
    mask = (1 << width) - 1
    half = 1 << width - 1
    carry = bit = 0
    while bit < 256:
        byte = bit >> 3
        window = scalar[byte]
        if byte < 31:
            window |= scalar[byte + 1] << 8
        window = (window >> (bit & 7) & mask) + carry
        if window & 1:
            carry = 0
            if window > half:
                window -= mask + 1
                carry = 1
            digits[8 * (bit & 63) + (bit >> 6) + at] = window + 32
            bit += width
        else:
            bit += 1


def multiply_both(work, points, subtracted, added):
    """Steps to the base point times `added` less a point times `subtracted` as the current point.

    points: that point as from `apart`; both scalars: integers below 2**253. Not for secrets: the operations are those
    that the scalars need. The work area has MULTIPLES_SLOTS.
    """
    digits = bytearray(512)  # before small pieces are all over the heap
    _recode(subtracted.to_bytes(32, "little"), 4, digits, 0)
    yield
    _recode(added.to_bytes(32, "little"), 5, digits, 4)
    yield
    start(work)
    # P, 3P, 5P, 7P of each of the four, as second operands.
    for i in range(4):
        load(work, _X, points, 64 * i)
        load(work, _Y, points, 64 * i + 32)
        load(work, _Z, ONE, 0)
        run(work, _PRODUCT, 0, 4)
        base = _TABLE + 16 * i
        run(work, _OPERAND, base, 16)
        run(work, _DOUBLE, 0, _DOUBLE_ALL)
        run(work, _OPERAND, _N, 16)
        run(work, _PLUS, base, _ADD_ALL)
        run(work, _OPERAND, base + 4, 16)
        for slot in (base + 8, base + 12):
            run(work, _PLUS, _N, _ADD_ALL)
            run(work, _OPERAND, slot, 16)
        yield
    start(work)
    multiplications = 0
    for column in range(63, -1, -1):
        if multiplications > 40:
            yield
            multiplications = 0
        at = 8 * column
        last = at + 7
        while last >= at and not digits[last]:
            last -= 1
        if column < 63:
            run(work, _DOUBLE, 0, _DOUBLE_SHORT if last < at else _DOUBLE_ALL)
            multiplications += 8
        for i in range(at, last + 1):
            digit = digits[i]
            if digit:
                end = _ADD_SHORT if i == last else _ADD_ALL
                multiplications += 8
                digit -= 32
                if i & 4:
                    place = 768 * (i & 3) + 48 * ((digit if digit > 0 else -digit) - 1)
                    load(work, _N, TABLE, place)
                    load(work, _N + 1, TABLE, place + 32)
                    load(work, _N + 2, TABLE, place + 64)
                    run(work, _PLUS_AFFINE if digit > 0 else _MINUS_AFFINE, _N, end)
                else:
                    place = _TABLE + 16 * (i & 3) + 2 * ((digit if digit > 0 else -digit) - 1)
                    run(work, _MINUS if digit > 0 else _PLUS, place, end)
    yield
