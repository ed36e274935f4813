"""HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), and comparing secrets, on a `hashlib` that has sha256 alone.

Keys are derived when a context is set up, not per message: this is written to be small. A byte string is bytes,
bytearray or memoryview.
"""

import hashlib

from micropython import const

from .hot import differ, xor

_BLOCK = const(64)  # bytes that SHA-256 takes at once
_HASH_LENGTH = const(32)
_INNER = b"\x36" * _BLOCK
_TO_OUTER = bytes((0x36 ^ 0x5C,)) * _BLOCK


def equal(a, b):
    """Are two byte strings equal? How long this takes depends on their lengths only, which are no secret."""
    return len(a) == len(b) and not differ(a, 0, b, 0, len(a))


def hmac_sha256(key, *parts):
    """The HMAC (32 bytes) of the byte strings in `parts`, one behind the other."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    pad = bytearray(_INNER)
    xor(pad, 0, key, 0, len(key))
    inner = hashlib.sha256(pad)
    for part in parts:
        inner.update(part)
    xor(pad, 0, _TO_OUTER, 0, _BLOCK)
    outer = hashlib.sha256(pad)
    outer.update(inner.digest())
    return outer.digest()


def hkdf_extract(salt, ikm):
    """HKDF-Extract (RFC 5869 §2.2): a pseudorandom key, 32 bytes. An empty salt counts as 32 zeros."""
    return hmac_sha256(salt, ikm)  # a key is filled up with zeros anyway


def hkdf_expand(prk, info, length):
    """HKDF-Expand (RFC 5869 §2.3): `length` bytes. ValueError above 255 * 32 bytes, or below 0."""
    if not 0 <= length <= 255 * _HASH_LENGTH:
        raise ValueError("HKDF of %d bytes: expected 0 to 8160" % length)
    okm = bytearray(length)
    block = b""
    at = 0
    while at < length:
        block = hmac_sha256(prk, block, info, bytes((at // _HASH_LENGTH + 1,)))
        piece = min(_HASH_LENGTH, length - at)
        okm[at : at + piece] = block[:piece]
        at += piece
    return bytes(okm)


def hkdf(salt, ikm, info, length):
    """Extract, then expand: `length` bytes of key (RFC 5869 §2). ValueError as `hkdf_expand`."""
    return hkdf_expand(hkdf_extract(salt, ikm), info, length)
