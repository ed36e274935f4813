"""HMAC-SHA-256 by RFC 4231, HKDF-SHA-256 by RFC 5869, and the comparison of secrets."""

from binascii import unhexlify

from groupcoap.oscore.kdf import equal, hkdf, hkdf_expand, hkdf_extract, hmac_sha256

# RFC 4231 §4: key, data, HMAC.
HMAC = (
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
        b"hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)

# RFC 5869 Appendix A.1 to A.3: IKM, salt, info, PRK, OKM.
HKDF = (
    (
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        "cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        b"\x0b" * 22,
        b"",
        b"",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
)


def test_hmac_is_that_of_rfc_4231():
    for key, data, expected in HMAC:
        assert hmac_sha256(key, data) == unhexlify(expected), expected


def test_hmac_of_parts_is_that_of_all_in_a_row():
    for key, data, expected in HMAC:
        parts = (data[:3], bytearray(data[3:5]), b"", memoryview(data)[5:])
        assert hmac_sha256(bytearray(key), *parts) == unhexlify(expected), expected
    assert hmac_sha256(b"k") == hmac_sha256(b"k", b"")


def test_key_of_a_block_is_taken_as_it_is_and_a_longer_one_is_hashed():
    import hashlib

    assert hmac_sha256(b"k" * 64, b"m") != hmac_sha256(hashlib.sha256(b"k" * 64).digest(), b"m")
    assert hmac_sha256(b"k" * 65, b"m") == hmac_sha256(hashlib.sha256(b"k" * 65).digest(), b"m")


def test_hkdf_is_that_of_rfc_5869():
    for ikm, salt, info, prk, okm in HKDF:
        prk, okm = unhexlify(prk), unhexlify(okm)
        assert hkdf_extract(salt, ikm) == prk
        assert hkdf_expand(prk, info, len(okm)) == okm
        assert hkdf(salt, ikm, info, len(okm)) == okm


def test_shorter_key_is_the_beginning_of_a_longer_one():
    whole = hkdf(b"salt", b"ikm", b"info", 100)
    for length in range(101):
        assert hkdf(b"salt", b"ikm", b"info", length) == whole[:length]


def test_hkdf_gives_up_to_255_hashes():
    assert len(hkdf_expand(b"prk", b"", 255 * 32)) == 255 * 32
    for length in (255 * 32 + 1, -1, 1 << 30):
        try:
            hkdf_expand(b"prk", b"", length)
        except ValueError:
            continue
        raise AssertionError("%d bytes of HKDF" % length)


def test_equal_is_true_for_the_same_bytes_only():
    secret = bytes(range(40))
    assert equal(secret, bytearray(secret)) and equal(b"", b"") and equal(memoryview(secret)[3:], secret[3:])
    assert not equal(secret, secret[:-1]) and not equal(secret[:-1], secret) and not equal(secret, b"")
    for i in range(40):
        for bit in range(8):
            other = bytearray(secret)
            other[i] ^= 1 << bit
            assert not equal(secret, other) and not equal(other, secret)
    assert not equal(b"\x80\x80", b"\0\0")  # differences do not cancel out
