"""Ed25519 (RFC 8032): examples, what is refused, and the work done a step at a time."""

import sys

from groupcoap.oscore import ed25519, x25519
from groupcoap.oscore.curve import edwards, field, hot
from groupcoap.oscore.ed25519 import Key, PublicKey, Signing, Verification, sign, verify

unhex = bytes.fromhex
SLOW = sys.platform == "webassembly"
L = (1 << 252) + 27742317777372353535851937790883648493
P = (1 << 255) - 19
SEED = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")

# Of §7.1: private key, public key, message, signature.
EXAMPLES = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
)
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


def refusal(data):
    """Why PublicKey refuses this, None if it does not."""
    try:
        PublicKey(data)
    except ValueError as e:
        return str(e)
    return None


def test_examples_of_rfc_8032():
    for seed, public, message, signature in EXAMPLES:
        key = Key(unhex(seed))
        assert key.public.hex() == public
        assert sign(key, unhex(message)).hex() == signature
        assert verify(PublicKey(unhex(public)), unhex(message), unhex(signature))


def test_message_may_be_in_parts():
    key = Key(SEED)
    whole = sign(key, b"one message")
    assert sign(key, (b"one ", bytearray(b"mess"), memoryview(b"message")[4:])) == whole
    assert sign(key, memoryview(b"one message")) == whole
    public = PublicKey(key.public)
    assert verify(public, (b"", b"one message"), whole)
    assert not verify(public, (b"one", b"message"), whole)
    assert not verify(public, (), whole)


def test_every_flipped_bit_of_a_signature_is_noticed():
    key = Key(SEED)
    public, good = PublicKey(key.public), sign(key, b"m")
    assert verify(public, b"m", good)
    for bit in range(0, 512, 41 if SLOW else 1):
        changed = bytearray(good)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert verify(public, b"m", changed) is False, bit


def test_flipped_bits_of_the_message_and_another_key_are_noticed():
    key = Key(SEED)
    public, good = PublicKey(key.public), sign(key, b"\0\0")
    for bit in range(16):
        assert not verify(public, (1 << bit).to_bytes(2, "big"), good), bit
    assert not verify(PublicKey(Key(bytes(32)).public), b"\0\0", good)


def test_signature_with_s_from_l_on_is_not_valid():
    key = Key(SEED)
    public, good = PublicKey(key.public), sign(key, b"m")
    s = int.from_bytes(good[32:], "little")
    for more in range(1, 15):  # all that fit into 32 bytes satisfy the equation
        assert not verify(public, b"m", good[:32] + (s + more * L).to_bytes(32, "little")), more
    for s in (L, L - 1, (1 << 256) - 1, 0):
        assert not verify(public, b"m", good[:32] + s.to_bytes(32, "little")), s


def test_signature_of_another_length_is_not_valid():
    key = Key(SEED)
    public, good = PublicKey(key.public), sign(key, b"m")
    for data in (b"", good[:32], good[:63], good + b"\0", good + good):
        assert verify(public, b"m", data) is False


def test_r_of_small_order_or_not_canonical_is_not_valid():
    key = Key(SEED)
    public, good = PublicKey(key.public), sign(key, b"m")
    for r in SMALL_ORDER:
        assert not verify(public, b"m", unhex(r) + good[32:])
        assert not verify(public, b"m", unhex(r) + bytes(32))
    for y in range(P, P + 19, 6):
        assert not verify(public, b"m", y.to_bytes(32, "little") + bytes(32))


def test_public_key_has_32_bytes_of_a_point():
    for length in (0, 31, 33, 64):
        assert refusal(bytes(length)) == "a public key has 32 bytes"
    for y in (2, 7, 8, 11):
        assert refusal(y.to_bytes(32, "little")) == "not a public key: no point has this y"
    for y in range(P, P + 19, 3):  # up to 2**255 - 1
        for sign_bit in (0, 1 << 255):
            assert refusal((y + sign_bit).to_bytes(32, "little")) == "not a public key: y is not below p"


def test_public_key_with_x_0_has_no_sign():
    for y in (1, P - 1):
        assert refusal((y | 1 << 255).to_bytes(32, "little")) == "not a public key: x is 0, its sign 1"


def test_public_key_of_small_order_is_refused():
    for data in SMALL_ORDER:
        assert refusal(unhex(data)) == "not a public key: a point of small order", data


def test_sign_of_a_public_key_counts():
    key = Key(SEED)
    other = bytearray(key.public)
    other[31] ^= 128
    assert not verify(PublicKey(other), b"m", sign(key, b"m"))


def test_private_key_has_32_bytes():
    for length in (0, 31, 33):
        try:
            Key(bytes(length))
            raise AssertionError(length)
        except ValueError:
            pass


def test_scalars_at_the_ends_of_their_range_are_multiplied_as_any_other():
    work = hot.workspace(edwards.SLOTS)
    points = {}
    for scalar in (0, 1, 2, 15, 16, L - 1, L, L + 1, L + 2, (1 << 255) - 1, ((1 << 255) - 1) % L):
        for _ in edwards.multiply_base(work, scalar):
            pass
        z = pow(hot.value(work, 2), P - 2, P)
        points[scalar] = hot.value(work, 0) * z % P, hot.value(work, 1) * z % P
    x, y = points[1]
    assert y == 4 * pow(5, P - 2, P) % P and points[0] == points[L] == (0, 1)
    assert points[L - 1] == (P - x, y) and points[L + 1] == (x, y) and points[L + 2] == points[2]
    assert points[(1 << 255) - 1] == points[((1 << 255) - 1) % L]


def run_all(steps):
    """Take all steps: how many field multiplications each did."""
    counts, modules, run = [0], (edwards, field, x25519), hot.run

    def counter(work, program, base, end):
        for at in range(0, end, 4):
            counts[-1] += 1 if program[at] == 0 else program[at + 3] if program[at] == 1 else 0
        run(work, program, base, end)

    for module in modules:
        module.run = counter
    try:
        while not steps.step():
            counts.append(0)
    finally:
        for module in modules:
            module.run = run
    assert steps.step() is True
    return counts


def test_no_step_is_long():
    key, good = Key(SEED), sign(Key(SEED), b"m")
    later, public = Key(SEED, at_once=False), PublicKey(key.public, at_once=False)
    assert later.public is public.points is None
    signing, first = Signing(later, b"m"), Verification(PublicKey(key.public), b"m", good)
    for steps in (Key(SEED, False), signing, public, Verification(public, b"m", good), first):
        counts = run_all(steps)
        assert max(counts) <= 100 and len(counts) > 20, counts
    assert signing.signature == good and later.public == key.public and first.valid


def test_long_messages_are_hashed_in_slices():
    key = Key(SEED)
    few = len(run_all(Signing(key, bytes(1024))))
    for message in (bytes(8 * 1024), tuple([bytes(256)] * 32)):
        many = Signing(key, message)
        assert len(run_all(many)) >= few + 14  # 7 KB more, twice
        assert many.signature == sign(key, bytes(8 * 1024))


def test_steps_of_several_may_alternate():
    key = Key(SEED)
    public = PublicKey(key.public, at_once=False)
    good = sign(key, b"m")
    several = [Verification(public, b"m", good), Verification(public, b"n", good), Signing(key, b"m")]
    done = [False]
    while not all(done):
        done = [steps.step() for steps in several]
    assert [several[0].valid, several[1].valid, several[2].signature] == [True, False, good]


def test_verification_with_what_turns_out_to_be_no_key_is_not_valid():
    good = sign(Key(SEED), b"m")
    public = PublicKey(unhex(SMALL_ORDER[2]), at_once=False)
    assert not verify(public, b"m", good) and not verify(public, b"m", good)
    assert ed25519.Verification(public, b"m", good).valid is False
