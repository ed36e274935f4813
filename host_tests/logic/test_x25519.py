"""X25519 (RFC 7748): examples, what is refused, keys made of Ed25519 keys, and the work done a step at a time."""

import sys

from groupcoap.oscore.ed25519 import Key
from groupcoap.oscore.x25519 import Agreement, from_ed25519, public, secret_of, x25519
from test_ed25519 import P, run_all

unhex = bytes.fromhex
SLOW = sys.platform == "webassembly"
K = unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
U = unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
SHARED = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"


def refused(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


def test_examples_of_rfc_7748():
    assert x25519(K, U).hex() == SHARED
    k = unhex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d")
    u = unhex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493")
    assert x25519(k, u).hex() == "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"


def test_result_of_many_rounds_of_rfc_7748():
    k = u = b"\x09" + bytes(31)
    k, u = x25519(k, u), k
    assert k.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    if not SLOW:
        for _ in range(99):
            k, u = x25519(k, u), k
        assert k.hex() == "b1a5a73158904c020866c13939dd7e1aa26852ee1d2609c92e5a8f1debe2150a"


def test_two_agree():
    a = bytes(range(32))
    b = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert x25519(a, public(b)) == x25519(b, public(a))
    assert public(b).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"


def test_bits_that_do_not_count():
    k, u = bytearray(K), bytearray(U)
    k[0] ^= 7
    k[31] ^= 128
    u[31] ^= 128
    assert x25519(k, u).hex() == SHARED


def test_public_key_from_p_on_is_reduced():
    for u in (9, 18):
        assert x25519(K, (P + u).to_bytes(32, "little")) == x25519(K, u.to_bytes(32, "little"))


def test_public_key_of_small_order_is_refused():
    small = [number.to_bytes(32, "little") for number in (0, 1, P - 1, P, P + 1)]
    small.append(unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))
    small.append(unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"))
    for u in small:
        assert refused(x25519, K, u), u


def test_keys_have_32_bytes():
    for k, u in ((K[1:], U), (K, U[1:]), (K + b"\0", U), (b"", b"")):
        assert refused(Agreement, k, u)
    assert refused(from_ed25519, U[1:])


def test_ed25519_key_is_an_x25519_key():
    for seed in (bytes(32), b"\xff" * 32, K):
        key = Key(seed)
        assert from_ed25519(key.public) == public(secret_of(key))


def test_sign_of_an_ed25519_key_does_not_count():
    data = bytearray(Key(K).public)
    u = from_ed25519(data)
    data[31] ^= 128
    assert from_ed25519(data) == u


def test_ed25519_keys_without_a_u_are_refused():
    for y in (1, 1 | 1 << 255, P, (1 << 255) - 1):
        assert refused(from_ed25519, y.to_bytes(32, "little")), y
    assert from_ed25519((P - 1).to_bytes(32, "little")) == bytes(32)  # which no Agreement takes


def test_no_step_is_long():
    agreement = Agreement(K, U)
    counts = run_all(agreement)
    assert max(counts) <= 100 and len(counts) > 20, counts
    assert agreement.secret.hex() == SHARED


def test_secret_of_a_key_of_small_order_is_never_there():
    agreement = Agreement(K, bytes(32))
    assert refused(run_all, agreement)
    assert agreement.step() and agreement.secret is None
