"""The pieces of Group OSCORE against the test vectors of cacheable OSCORE; credentials and their faults."""

import hashlib

import group_vectors as v
from groupcoap import cbor
from groupcoap.oscore import aad, countersign
from groupcoap.oscore.credential import public_key_of
from groupcoap.oscore.kdf import hkdf

VMS = ("cpython", "unix", "wasm32")

START = countersign.start_of((10, 10, -8, -27))


def refused(ccs):
    try:
        public_key_of(ccs)
    except ValueError:
        return True
    return False


def test_a_credential_gives_its_public_key():
    assert public_key_of(v.SERVER_CREDENTIAL) == v.SERVER_PUBLIC
    assert public_key_of(bytearray(v.SERVER_CREDENTIAL)) == v.SERVER_PUBLIC
    for size in range(len(v.SERVER_CREDENTIAL)):
        assert refused(v.SERVER_CREDENTIAL[:size])
    assert refused(v.SERVER_CREDENTIAL + b"\0")
    assert refused("text") and refused(None) and refused(b"")


def test_a_credential_is_refused_for_each_thing_that_is_not_so():
    def ccs(cnf=None, **more):
        key = {1: 1, 3: -8, -1: 6, -2: v.SERVER_PUBLIC}
        for label, value in more.get("change", ()):
            key[label] = value
        for label in more.get("drop", ()):
            del key[label]
        return cbor.dumps({2: "x", 8: {1: key} if cnf is None else cnf})

    assert not refused(ccs()) and not refused(ccs(drop=(3,))) and not refused(ccs(change=((2, b"kid"),)))
    wrong = ((1, 2), (1, True), (3, -7), (3, None), (-1, 4), (-1, "Ed25519"), (-2, "x" * 32), (-4, b"secret"))
    for label, value in wrong:
        assert refused(ccs(change=((label, value),))), label
    for size in (0, 31, 33):
        assert refused(ccs(change=((-2, bytes(size)),)))
    for label in (1, -1, -2):
        assert refused(ccs(drop=(label,))), label
    for cnf in (None, {}, [], {2: b""}, {1: b""}, {1: {}, 3: b""}):
        assert refused(cbor.dumps({8: cnf})), cnf
    assert refused(cbor.dumps({})) and refused(cbor.dumps([])) and refused(cbor.dumps(8))
    assert refused(cbor.dumps(cbor.CBORTag(61, cbor.loads(v.SERVER_CREDENTIAL))))  # tagged
    assert refused(v.SERVER_CREDENTIAL.replace(b"\xa4\x01\x01\x03", b"\xa4\x01\x01\x01"))  # a label twice
    assert refused(b"\xbf" + v.SERVER_CREDENTIAL[1:] + b"\xff")  # indefinite length


def test_a_credential_of_256_bytes_is_the_longest():
    empty = len(cbor.dumps({2: "x" * 30, 8: {1: {1: 1, -1: 6, -2: v.SERVER_PUBLIC}}}))
    for size, taken in ((256, True), (257, False)):
        ccs = cbor.dumps({2: "x" * (30 + size - empty), 8: {1: {1: 1, -1: 6, -2: v.SERVER_PUBLIC}}})
        assert len(ccs) == size and refused(ccs) != taken


def test_the_aad_of_a_request_and_of_a_response():
    found = aad.structure(START, b"\xdc", b"\0", b"", v.GID, v.REQUEST_OPTION, b"", v.MANAGER_CREDENTIAL)
    assert found == v.REQUEST_AAD and countersign.array_of(found) == v.REQUEST_ARRAY
    found = aad.structure(
        START, b"\xdc", b"\0", v.RESPONSE_OPTIONS, v.GID, v.RESPONSE_OPTION, v.SERVER_CREDENTIAL, v.MANAGER_CREDENTIAL
    )
    assert found == v.RESPONSE_AAD and countersign.array_of(found) == v.RESPONSE_AAD[14:]


def test_algorithms_that_are_not_set_are_null_in_the_aad():
    assert countersign.start_of((None, -65534, -8, None)) == b"\x89\x01\x84\xf6\x39\xff\xfd\x27\xf6"


def test_the_hash_of_a_deterministic_request():
    digest = hashlib.sha256(v.DETERMINISTIC_KEY)
    digest.update(countersign.array_of(v.REQUEST_AAD))
    digest.update(v.REQUEST_PLAINTEXT)
    assert digest.digest() == v.REQUEST_HASH
    assert hkdf(v.DETERMINISTIC_KEY, v.REQUEST_HASH, cbor.dumps((b"\xdc", v.GID, 10, "Key", 16)), 16) == v.REQUEST_KEY


def test_the_keystream_hides_a_countersignature_and_shows_it_again():
    buf = bytearray(b"before" + v.SIGNATURE + b"behind")
    countersign.hide(v.SIGNATURE_KEY, b"\0", b"\x52", v.GID, False, buf, 6)
    assert buf == b"before" + v.HIDDEN_SIGNATURE + b"behind"
    countersign.hide(v.SIGNATURE_KEY, b"\0", b"\x52", v.GID, False, buf, 6)
    assert buf[6:70] == v.SIGNATURE
    for piv, generator, gid, request in (
        (b"\1", b"\x52", v.GID, False),
        (b"\0", b"\x53", v.GID, False),
        (b"\0", b"\x52", b"\xdd\x12", False),
        (b"\0", b"\x52", v.GID, True),
    ):
        buf = bytearray(v.SIGNATURE)
        countersign.hide(v.SIGNATURE_KEY, piv, generator, gid, request, buf, 0)
        assert buf != v.HIDDEN_SIGNATURE


def test_what_is_signed():
    parts = countersign.signed(v.RESPONSE_AAD, b"--" + v.RESPONSE_CIPHERTEXT + b"--", 2, len(v.RESPONSE_CIPHERTEXT))
    external = v.RESPONSE_AAD[14:]
    whole = ["CounterSignature0", b"", b"", external, v.RESPONSE_CIPHERTEXT]
    assert b"".join([bytes(part) for part in parts]) == cbor.dumps(whole)
