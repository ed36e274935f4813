"""Multiplying a point as a textbook has it, double and add: the yardstick of signatures (RFC 8032 §5.1.4).

Extended coordinates, with the field arithmetic that the library has; programs are for `hot.run`.
"""

from groupcoap.oscore.curve import field, hot

P = field.P
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = 15112221349535400772501151409588531511454012693041857206046113283949847762202, BASE_Y
D2 = -2 * 121665 * pow(121666, P - 2, P) % P
POINT, OTHER, D2_SLOT = 0, 4, 8  # slots: X, Y, Z, T of each
DOUBLE = bytes((
    1, 9, 0, 1,  # A = X1**2
    1, 10, 1, 1,  # B = Y1**2
    1, 11, 2, 1,
    2, 11, 11, 11,  # C = 2 * Z1**2
    2, 12, 9, 10,  # H = A + B
    2, 13, 0, 1,
    1, 13, 13, 1,
    3, 13, 12, 13,  # E = H - (X1 + Y1)**2
    3, 14, 9, 10,  # G = A - B
    2, 15, 11, 14,  # F = C + G
    0, 0, 13, 15,
    0, 1, 14, 12,
    0, 3, 13, 12,
    0, 2, 15, 14,
))  # fmt: skip
ADD = bytes((
    3, 9, 1, 0,
    3, 10, 5, 4,
    0, 9, 9, 10,  # A = (Y1 - X1) * (Y2 - X2)
    2, 10, 1, 0,
    2, 11, 5, 4,
    0, 10, 10, 11,  # B = (Y1 + X1) * (Y2 + X2)
    0, 11, 3, 8,
    0, 11, 11, 7,  # C = T1 * 2 * d * T2
    0, 12, 2, 6,
    2, 12, 12, 12,  # D = Z1 * 2 * Z2
    3, 13, 10, 9,  # E = B - A
    3, 14, 12, 11,  # F = D - C
    2, 15, 12, 11,  # G = D + C
    2, 12, 10, 9,  # H = B + A
    0, 0, 13, 14,
    0, 1, 15, 12,
    0, 3, 13, 12,
    0, 2, 14, 15,
))  # fmt: skip


def plainly(scalar, point):
    """A scalar times a point (x, y), double and add: the work area, with the result in its first four slots."""
    work, run = hot.workspace(16), hot.run
    x, y = point
    for slot, number in enumerate((0, 1, 1, 0, x, y, 1, x * y % P, D2)):
        hot.load(work, slot, number.to_bytes(32, "little"), 0)
    top = 255
    while not scalar >> top & 1:
        top -= 1
    for at in range(top, -1, -1):
        run(work, DOUBLE, 0, 56)
        if scalar >> at & 1:
            run(work, ADD, 0, 72)
    return work


def encoded(work):
    x, y, z = hot.value(work, 0), hot.value(work, 1), hot.value(work, 2)
    inverse = pow(z, P - 2, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")
