"""AES-CCM and AES-CTR in place: the RFCs' examples, what a failure leaves behind, every limit, and no heap."""

import gc
import sys
from binascii import unhexlify

from groupcoap.oscore import _plain, aead
from groupcoap.oscore.aead import A128CTR, Ccm, Ccm128, Ctr, algorithm

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

KEY = bytes(range(0x10, 0x20))
NONCE = bytes(range(13))
SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 480, 481, 495, 496, 497, 511, 512, 513, 1007, 1008, 1009, 1152)


def text(size, first=0):
    return bytes([(i * 7 + first) & 255 for i in range(size)])


def sealed(cipher, message, aad=b"", nonce=NONCE):
    buf = bytearray(message) + bytes(cipher.tag_length)
    assert cipher.seal(nonce, aad, buf, 0, len(message)) == len(buf)
    return buf


def refused(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


def test_cryptolib_has_the_same_rules_on_every_vm():
    aes = aead.aes
    for key, mode, iv in ((KEY, 1, None), (KEY + KEY, 1, bytes(16)), (KEY, 2, bytes(16)), (bytearray(KEY), 1, None)):
        for method in ("encrypt", "decrypt"):
            one = aes(key, mode, iv)
            assert getattr(one, method)(b"") == b"" and len(getattr(one, method)(bytes(48))) == 48
            out = bytearray(20)
            assert getattr(one, method)(bytes(16), out) is out and out[:16] != bytes(16) and out[16:] == bytes(4)
            assert refused(getattr(one, method), bytes(15)) and refused(getattr(one, method), bytes(16), bytearray(15))
            assert refused(getattr(one, "decrypt" if method == "encrypt" else "encrypt"), bytes(16))
    for wrong in ((KEY[1:], 1), (KEY + KEY[:8], 1), (KEY, 2), (KEY, 2, bytes(15)), (KEY, 1, bytes(3)), (KEY, 2, None)):
        assert refused(aes, *wrong), wrong
    for mode in (0, 3, 6):  # 6 is CTR, which not every port has
        assert refused(aes, KEY, mode, bytes(16))
    whole, parts = aes(KEY, 2, NONCE + bytes(3)), aes(KEY, 2, NONCE + bytes(3))
    assert whole.encrypt(text(64)) == parts.encrypt(text(64)[:16]) + parts.encrypt(text(64)[16:])  # CBC goes on


def test_ccm_is_that_of_rfc_3610():
    key = bytes(range(0xC0, 0xD0))
    packet = bytearray(range(0x1F)) + bytes(8)  # packet vector #1
    nonce = unhexlify("00000003020100a0a1a2a3a4a5")
    one = Ccm(key)
    assert one.seal(nonce, packet[:8], packet, 8, 23) == 39
    expected = "0001020304050607588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"
    assert packet == unhexlify(expected)
    assert one.open(nonce, packet[:8], packet, 8, 31) == 23 and packet[:31] == bytes(range(0x1F))
    packet = bytearray(range(0x1F)) + bytes(10)  # packet vector #7
    nonce = unhexlify("00000009080706a0a1a2a3a4a5")
    assert Ccm(key, 10).seal(nonce, packet[:8], packet, 8, 23) == 41
    expected = "00010203040506070135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490"
    assert packet == unhexlify(expected)


def test_ctr_is_that_of_rfc_3686():
    # Test vector #1, whose first counter is 1: the message is in the second block.
    buf = bytearray(16) + b"Single block msg"
    one = Ctr(unhexlify("ae6852f8121067cc4bf7a5765577f39e"))
    assert one.seal(unhexlify("000000300000000000000000"), b"", buf, 0, 32) == 32
    assert buf[16:] == unhexlify("e4095d4fb7a7b3792d6175a3261311b8")


def test_counter_of_ctr_is_in_the_last_four_bytes():
    one = Ctr(KEY)
    for nonce in (bytes(12), b"\xff" * 12):
        buf = bytearray(16 * 300)
        one.seal(nonce, b"", buf, 0, len(buf))
        blocks = bytearray(b"".join([nonce + bytes((0, 0, i >> 8, i & 255)) for i in range(300)]))
        assert aead.aes(KEY, 1).encrypt(blocks) == buf


def test_what_was_sealed_is_opened_and_nothing_around_it_changes():
    for cipher in (Ccm(KEY), Ccm128(KEY), Ctr(KEY)):
        nonce = NONCE[: cipher.nonce_length]
        for size in SIZES:
            for aad in (b"", b"a", text(14), text(30), text(494), text(495), text(1400)):
                buf = bytearray(b"before" + text(size) + b"\xee" * cipher.tag_length + b"after")
                end = cipher.seal(nonce, aad, buf, 6, size)
                assert end == 6 + size + cipher.tag_length
                assert buf[:6] == b"before" and buf[end:] == b"after"
                assert size < 15 or buf[6 : 6 + size] != text(size)
                assert cipher.open(nonce, aad, buf, 6, end - 6) == size
                assert buf[: 6 + size] == b"before" + text(size) and buf[end:] == b"after"


def test_message_does_not_depend_on_what_the_cipher_did_before():
    old = Ccm(KEY)
    for size in SIZES:
        data = sealed(old, text(size), text(size // 2))
        assert data == sealed(Ccm(KEY), text(size), text(size // 2))
        data[0] ^= 1
        assert old.open(NONCE, text(size // 2), data, 0, len(data)) == -1


def test_two_keys_share_the_work_buffer():
    one, other = Ccm(KEY), Ccm(NONCE + b"key")
    first, second = sealed(one, b"first"), sealed(other, b"second")
    assert one.open(NONCE, b"", second, 0, len(second)) == -1
    assert one.open(NONCE, b"", first, 0, len(first)) == 5 and first[:5] == b"first"
    assert other.open(NONCE, b"", second, 0, len(second)) == 6 and second[:6] == b"second"


def test_cipher_that_was_broken_off_goes_on_right():
    class Broken:
        def encrypt(self, data, out):
            raise OSError

    one = Ccm(KEY)
    expected = sealed(one, b"message", b"aad")
    one._cbc = Broken()
    try:
        sealed(one, b"message", b"aad")
        raise AssertionError("not broken off")
    except OSError:
        pass
    assert sealed(one, b"message", b"aad") == expected
    assert sealed(one, b"message", b"aad") == expected


def test_every_changed_bit_is_refused_and_the_buffer_stays():
    for cipher in (Ccm(KEY), Ccm128(KEY)):
        data = sealed(cipher, text(21), b"aad")
        for i in range(len(data)):
            for bit in range(8):
                damaged = bytearray(data)
                damaged[i] ^= 1 << bit
                before = bytes(damaged)
                assert cipher.open(NONCE, b"aad", damaged, 0, len(damaged)) == -1, (i, bit)
                assert damaged == before
        assert cipher.open(NONCE, b"aad", data, 0, len(data)) == 21


def test_every_truncation_and_extension_is_refused_and_the_buffer_stays():
    for cipher in (Ccm(KEY), Ccm128(KEY)):
        data = sealed(cipher, text(21), b"aad") + b"\0"
        before = bytes(data)
        for length in range(len(data) + 1):
            if length != len(data) - 1:
                assert cipher.open(NONCE, b"aad", data, 0, length) == -1 and data == before
        for start in range(1, len(data)):
            assert cipher.open(NONCE, b"aad", data, start, len(data) - 1 - start) == -1 and data == before


def test_large_message_that_is_refused_stays():
    cipher = Ccm(KEY)
    for size in SIZES:
        data = sealed(cipher, text(size))
        data[size // 2] ^= 0x40
        before = bytes(data)
        assert cipher.open(NONCE, b"", data, 0, len(data)) == -1 and data == before


def test_nonce_and_aad_are_authenticated():
    cipher = Ccm(KEY)
    data = sealed(cipher, text(21), b"aad")
    before = bytes(data)
    for nonce, aad in ((NONCE[1:] + b"\0", b"aad"), (NONCE, b"aae"), (NONCE, b"aa"), (NONCE, b""), (NONCE, b"aad\0")):
        assert cipher.open(nonce, aad, data, 0, len(data)) == -1 and data == before


def test_aad_and_nonce_may_be_any_byte_string():
    cipher = Ccm(KEY)
    for kind in (bytes, bytearray, memoryview):
        assert sealed(cipher, b"m", kind(b"aad"), kind(NONCE)) == sealed(cipher, b"m", b"aad")


def test_buffer_may_be_a_memoryview():
    cipher = Ccm(bytearray(KEY))
    buf = bytearray(40)
    view = memoryview(buf)[5:]
    assert cipher.seal(NONCE, b"", view, 1, 10) == 19
    assert buf[6:24] == sealed(cipher, bytes(10)) and buf[:6] == bytes(6)
    assert cipher.open(NONCE, b"", view, 1, 18) == 10 and buf[:16] == bytes(16)


def test_beyond_the_buffer_is_a_value_error():
    for cipher in (Ccm(KEY), Ctr(KEY)):
        nonce, tag, buf = NONCE[: cipher.nonce_length], cipher.tag_length, bytearray(40)
        assert cipher.seal(nonce, b"", buf, 0, 40 - tag) == 40 and cipher.open(nonce, b"", buf, 0, 40) == 40 - tag
        before = bytes(buf)
        for start, length in ((0, 41 - tag), (1, 40 - tag), (41, 0), (-1, 10), (20, -1), (0, -1), (0, 1 << 30)):
            assert refused(cipher.seal, nonce, b"", buf, start, length), (start, length)
        for start, length in ((0, 41), (1, 40), (41, 0), (-1, 20)):
            assert refused(cipher.open, nonce, b"", buf, start, length), (start, length)
        assert buf == before


def test_nonce_of_another_length_is_a_value_error():
    for cipher in (Ccm(KEY), Ctr(KEY)):
        for length in range(20):
            if length != cipher.nonce_length:
                buf = bytearray(40)
                assert refused(cipher.seal, bytes(length), b"", buf, 0, 20)
                assert refused(cipher.open, bytes(length), b"", buf, 0, 40)
                assert buf == bytes(40)


def test_longest_message_and_aad():
    cipher = Ccm(KEY)
    buf = bytearray(aead.MAX_LENGTH + 9)
    aad = bytearray(aead.MAX_AAD)
    end = cipher.seal(NONCE, aad, buf, 0, aead.MAX_LENGTH)
    assert cipher.open(NONCE, aad, buf, 0, end) == aead.MAX_LENGTH and buf[: end - 8] == bytes(end - 8)
    assert refused(cipher.seal, NONCE, b"", buf, 0, aead.MAX_LENGTH + 1)
    assert refused(cipher.open, NONCE, b"", buf, 0, end + 1)
    assert refused(cipher.seal, NONCE, aad + b"\0", buf, 0, 1)
    assert refused(cipher.open, NONCE, aad + b"\0", buf, 0, 9)


def test_parameters_that_ccm_does_not_have_are_a_value_error():
    for tag_length in range(-1, 20):
        assert refused(Ccm, KEY, tag_length) == (tag_length not in (4, 6, 8, 10, 12, 14, 16))
    for nonce_length in range(17):
        assert refused(Ccm, KEY, 8, nonce_length) == (not 7 <= nonce_length <= 13)
    for length in (0, 15, 17, 24, 33):
        assert refused(Ccm, bytes(length)) and refused(Ctr, bytes(length))


def test_algorithm_is_found_by_its_cose_number():
    for number, cls, nonce_length, tag_length in ((10, Ccm, 13, 8), (30, Ccm128, 13, 16), (-65534, Ctr, 12, 0)):
        found = algorithm(number)
        assert found is cls and found.identifier == number
        assert (found.key_length, found.nonce_length, found.tag_length) == (16, nonce_length, tag_length)
        one = found(KEY)
        assert (one.identifier, one.nonce_length, one.tag_length) == (number, nonce_length, tag_length)
    assert A128CTR == -65534
    for number in (0, 1, 11, -65533, None, "10"):
        assert refused(algorithm, number)


def test_messages_take_no_heap():
    if sys.implementation.name != "micropython":
        return
    for cipher in (Ccm(KEY), Ccm128(KEY), Ctr(KEY)):
        nonce, aad, buf = NONCE[: cipher.nonce_length], bytes(1400), bytearray(1200)
        cipher.seal(nonce, aad, buf, 0, 1)  # the first one makes the second cipher
        for size in SIZES:
            gc.collect()
            before = gc.mem_alloc()
            end = cipher.seal(nonce, aad, buf, 0, size)
            cipher.open(nonce, aad, buf, 0, end)
            buf[0] ^= 1
            cipher.open(nonce, aad, buf, 0, end)
            assert gc.mem_alloc() == before, size


def test_work_buffers_are_small():
    if sys.implementation.name != "micropython":
        return
    sys.modules.pop("groupcoap.oscore.aead")
    gc.collect()
    before = gc.mem_alloc()
    import groupcoap.oscore.aead as again

    gc.collect()
    assert again is not aead and gc.mem_alloc() - before < 8000  # with its code


def test_loops_in_viper_give_the_same():
    if sys.implementation.name != "micropython":
        return
    from groupcoap.oscore import _viper

    assert aead.xor is _viper.xor
    for seed in range(200):
        data = text(40, seed * 31)
        at, start, n = seed % 7, seed % 5, seed % 30
        one, other = bytearray(range(40)), bytearray(range(40))
        _plain.xor(one, at, data, start, n)
        _viper.xor(other, at, data, start, n)
        assert one == other
        assert not _plain.differ(one, at, other, at, n) and not _viper.differ(one, at, other, at, n)
        other[at + seed % (n + 1)] ^= 1 << seed % 8
        expected = _plain.differ(one, at, other, at, n)
        assert _viper.differ(one, at, other, at, n) == expected and bool(expected) == (seed % (n + 1) < n)
        one, other = bytearray(100), bytearray(100)
        blocks = [bytearray(text(16 - seed % 17, seed) + b"\xff" * (seed % 17)) for _ in range(2)]
        blocks[0][15] = blocks[1][15] = blocks[0][15] - seed % 3 & 255
        _plain.counters(one, seed % 7, blocks[0])
        _viper.counters(other, seed % 7, blocks[1])
        assert one == other and blocks[0] == blocks[1]
