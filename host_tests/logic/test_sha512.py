"""SHA-512 gives RFC 6234's hashes, whatever the length and however the message is cut."""

from groupcoap.oscore.sha512 import Sha512, sha512

LONG = (
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
)


def pattern(length):
    return bytes([i * 7 & 255 for i in range(length)])


def test_examples_of_rfc_6234():
    expected = (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )
    assert sha512(b"abc").hex() == expected
    expected = (
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"
    )
    assert sha512(LONG).hex() == expected


def test_nothing_has_a_hash():
    expected = (
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    )
    assert sha512().hex() == sha512(b"").hex() == expected


def test_every_length_around_a_block_is_padded():
    expected = {
        111: "d2026b9857418e96d800f55017d1c156",
        112: "4dc754b8985c03b8015b1efd61af5c05",
        119: "5f44e9790c0769086d75954f27060e0e",
        120: "34736c669f4ffd4cfd945fdc62e1d31c",
        127: "78de13cc28717e3ee7a3cb21b2ecac6d",
        128: "6e7f10bc87eacc3e98014eaade39e273",
        129: "cdc5b3e2f22ed03935760389c88672f8",
        239: "d29cefaac62d3e8acd367abe0804c702",
        240: "44f1b40dcf17562fc7119b65ea160358",
        256: "ca6e7d0c2e4ae8774b65b1353a44154f",
    }
    for length in expected:
        assert sha512(pattern(length)).hex()[:32] == expected[length], length


def test_hash_of_the_hashes_of_all_lengths():
    state = Sha512()
    for length in range(300):
        state.update(sha512(pattern(length)))
    expected = (
        "8dbfff7fba0e8bdbab57c3b7ce89219cf36e43c426ac64166db2ed89c603f2e1"
        "89f415de2614e940d4abc94ffb5f3db0da34196e9b42d6150fab1546a662ec58"
    )
    assert state.digest().hex() == expected


def test_parts_are_hashed_as_one_message():
    data = pattern(400)
    expected = sha512(data)
    for cut in (0, 1, 127, 128, 129, 255, 256, 399, 400):
        assert sha512(data[:cut], memoryview(data)[cut:]) == expected, cut
    assert sha512(*[bytearray(data[i : i + 60]) for i in range(0, 400, 60)]) == expected
