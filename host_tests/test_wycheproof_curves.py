"""Ed25519 and X25519 against Wycheproof's vectors, on CPython and the unix port, and against PyPI's cryptography."""

import hashlib
import json
import os
import random
import subprocess

import pytest
import support
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from groupcoap.oscore import ed25519, x25519
from groupcoap.oscore.curve import base_table
from vm import wycheproof

VECTORS = support.REPO / "host_tests/vectors"
ED25519, X25519 = VECTORS / "wycheproof_ed25519.json", VECTORS / "wycheproof_x25519.json"
COUNTS = {ED25519: 151, X25519: 518}
FUNCTIONS = {ED25519: "ed25519", X25519: "agreements"}
FILES = pytest.mark.parametrize("file", FUNCTIONS, ids=lambda file: file.stem)


@FILES
def test_every_vector_agrees_on_cpython(file):
    assert getattr(wycheproof, FUNCTIONS[file])(file) == (COUNTS[file], [])


@FILES
def test_every_vector_agrees_on_the_unix_port(file):
    code = f"import json, wycheproof; print(json.dumps(wycheproof.{FUNCTIONS[file]}({str(file)!r})))"
    path = f"{support.REPO / 'lib'}:{support.REPO / 'host_tests/vm'}:.frozen"
    done = subprocess.run(
        [support.micropython(), "-X", "heapsize=4M", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MICROPYPATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == [COUNTS[file], []]


# The curve as RFC 8032 §5.1 has it, on fractions of integers.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
B = (15112221349535400772501151409588531511454012693041857206046113283949847762202, 4 * pow(5, -1, P) % P)


def add(p, q):
    product = D * p[0] * q[0] * p[1] * q[1]
    x = (p[0] * q[1] + q[0] * p[1]) * pow(1 + product, -1, P)
    return x % P, (p[1] * q[1] + p[0] * q[0]) * pow(1 - product, -1, P) % P


def times(scalar, point):
    found = (0, 1)
    for bit in f"{scalar:b}":
        found = add(found, found)
        if bit == "1":
            found = add(found, point)
    return found


def encoded(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def order_8():
    """A point of order 8: any point times L that has that order."""
    for y in range(2, 100):
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
        point = times(L, (x, y))
        if x * x % P == square and times(4, point) != (0, 1):
            return point


def accepted(public, message, signature):
    """Does cryptography accept it?"""
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def key(seed):
    theirs = Ed25519PrivateKey.from_private_bytes(seed)
    ours = ed25519.Key(seed)
    assert ours.public == theirs.public_key().public_bytes_raw()
    return ours, theirs


def test_random_signatures_are_those_of_cryptography_and_changed_ones_are_refused_by_both():
    source = random.Random(1)
    for _ in range(150):
        ours, theirs = key(source.randbytes(32))
        message = source.randbytes(source.choice((0, 1, 31, 100, 127, 128, 129, 1500)))
        signature = ed25519.sign(ours, message)
        assert signature == theirs.sign(message)
        public = ed25519.PublicKey(ours.public)
        assert ed25519.verify(public, message, signature)
        changed = bytearray(signature)
        bit = source.randrange(512)
        changed[bit >> 3] ^= 1 << (bit & 7)
        changed = bytes(changed)
        assert not ed25519.verify(public, message, changed)
        assert not accepted(theirs.public_key(), message, changed)


def test_random_bytes_are_a_public_key_where_a_point_has_this_y():
    source = random.Random(2)
    found = 0
    for _ in range(100):
        data = source.randbytes(32)
        y = int.from_bytes(data, "little") % (1 << 255)
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        is_point = y < P and pow(square, (P - 1) // 2, P) == 1
        try:
            assert ed25519.PublicKey(data).points[32:] == y.to_bytes(32, "little") and is_point
            found += 1
        except ValueError:
            assert not is_point
    assert 25 < found < 75


def test_keys_with_a_part_of_small_order_have_the_signatures_that_cryptography_accepts():
    # Without the cofactor a signature by such a key is valid where k is a multiple of that part's order, or where R's
    # part makes up for it: 1 in 8 each.
    source = random.Random(5)
    torsion = order_8()
    verdicts = []
    for _ in range(12):
        a = source.randrange(L)
        data = encoded(add(times(a, B), times(source.choice((1, 2, 3, 4)), torsion)))
        public, theirs = ed25519.PublicKey(data), Ed25519PublicKey.from_public_bytes(data)
        for _ in range(8):
            r, message = source.randrange(L), source.randbytes(8)
            start = encoded(add(times(r, B), times(source.randrange(8), torsion)))
            k = int.from_bytes(hashlib.sha512(start + data + message).digest(), "little") % L
            signature = start + ((r + k * a) % L).to_bytes(32, "little")
            verdict = ed25519.verify(public, message, signature)
            assert verdict == accepted(theirs, message, signature)
            verdicts.append(verdict)
    assert 4 < sum(verdicts) < 48


def test_random_agreements_are_those_of_cryptography():
    source = random.Random(3)
    for _ in range(150):
        private, u = source.randbytes(32), source.randbytes(32)
        theirs = X25519PrivateKey.from_private_bytes(private)
        assert x25519.x25519(private, u) == theirs.exchange(X25519PublicKey.from_public_bytes(u))
        assert x25519.public(private) == theirs.public_key().public_bytes_raw()


def test_ed25519_keys_agree_as_x25519_keys():
    source = random.Random(4)
    for _ in range(40):
        ours, _ = key(source.randbytes(32))
        theirs = X25519PrivateKey.from_private_bytes(x25519.secret_of(ours))
        assert x25519.from_ed25519(ours.public) == theirs.public_key().public_bytes_raw()


def test_the_base_points_table_is_made_of_its_odd_multiples():
    rows = []
    for part in range(4):
        for odd in range(1, 16, 2):
            x, y = times(odd << 64 * part, B)
            rows += [(y + x) % P, (y - x) % P, 2 * D * x * y % P]
    assert b"".join(row.to_bytes(32, "little") for row in rows) == base_table.TABLE
