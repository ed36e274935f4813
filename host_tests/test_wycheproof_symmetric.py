"""AES-CCM and HKDF-SHA-256 against Wycheproof's vectors on CPython and MicroPython, and against PyPI's cryptography.

Of the 552 vectors of AES-CCM the 368 with keys of 128 and 256 bits are run, with every length of nonce and tag; the 184
with keys of 192 bits are not, as MicroPython's cryptolib has no such keys, and COSE no such algorithm. Of the lengths
those that CCM does not have must be refused. All 86 vectors of HKDF are run.
"""

import json
import os
import subprocess

import pytest
import support
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from groupcoap.oscore import kdf
from groupcoap.oscore.aead import Ccm, Ctr
from hypothesis import given, settings
from hypothesis import strategies as st
from vm import symmetric_vectors

VECTORS = support.REPO / "host_tests" / "vectors"


def test_vectors_agree_on_cpython():
    assert symmetric_vectors.ccm(VECTORS / "wycheproof_aes_ccm.json") == (368, [])
    assert symmetric_vectors.hkdf(VECTORS / "wycheproof_hkdf_sha256.json") == (86, [])


def test_vectors_agree_on_micropython():
    done = subprocess.run(
        [support.micropython(), "-X", "heapsize=8M", symmetric_vectors.__file__, VECTORS],
        env={**os.environ, "MICROPYPATH": str(support.REPO / "lib")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert json.loads(done.stdout) == {"ccm": [368, []], "hkdf": [86, []]}


KEYS = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)
# Beside any lengths those around the work buffer's.
TEXTS = st.binary(max_size=60) | st.integers(440, 1600).map(lambda size: bytes(range(256)) * 7 + bytes(size))
MESSAGES = st.lists(st.tuples(TEXTS, TEXTS), max_size=4)


@settings(max_examples=200)
@given(KEYS, st.sampled_from(range(4, 17, 2)), st.binary(min_size=7, max_size=13), MESSAGES)
def test_ccm_is_that_of_cryptography(key, tag_length, nonce, messages):
    ours, theirs = Ccm(key, tag_length, len(nonce)), AESCCM(key, tag_length)
    for aad, text in messages:  # one after another with the same ciphers
        buf = bytearray(text) + bytes(tag_length)
        assert ours.seal(nonce, aad, buf, 0, len(text)) == len(buf)
        assert bytes(buf) == theirs.encrypt(nonce, text, aad)
        assert ours.open(nonce, aad, buf, 0, len(buf)) == len(text)
        assert bytes(buf[: len(text)]) == text


@settings(max_examples=200)
@given(KEYS, st.binary(min_size=13, max_size=13), TEXTS, TEXTS, st.integers(0), st.integers(0, 7))
def test_ccm_refuses_what_cryptography_refuses(key, nonce, aad, text, at, bit):
    data = bytearray(AESCCM(key, 8).encrypt(nonce, text, aad))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(InvalidTag):
        AESCCM(key, 8).decrypt(nonce, bytes(data), aad)
    before = bytes(data)
    assert Ccm(key).open(nonce, aad, data, 0, len(data)) == -1 and data == before


@given(KEYS, st.binary(min_size=12, max_size=12), TEXTS)
def test_ctr_is_that_of_cryptography(key, nonce, text):
    buf = bytearray(text)
    assert Ctr(key).seal(nonce, b"", buf, 0, len(text)) == len(text)
    assert bytes(buf) == Cipher(algorithms.AES(key), modes.CTR(nonce + bytes(4))).encryptor().update(text)


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100), st.integers(1, 300))
def test_hkdf_is_that_of_cryptography(salt, ikm, info, length):
    assert kdf.hkdf(salt, ikm, info, length) == HKDF(SHA256(), length, salt, info).derive(ikm)
    assert kdf.hkdf_expand(ikm, info, length) == HKDFExpand(SHA256(), length, info).derive(ikm)
