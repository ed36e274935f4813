"""The Additional Authenticated Data of a message (RFC 8613 §5.4) and the AEAD nonce (§5.2)."""

from micropython import const

from ..cbor import head
from .hot import xor

_ENCRYPT0 = b"\x83\x68Encrypt0\x40"  # [context, protected map, external_aad]
_PIV = const(5)


def structure(start, *items):
    """The Enc_structure whose external_aad is the array that begins with `start` and ends with `items`: a bytearray.

    start: the array's head and the elements that never change, encoded; items: byte strings.
    """
    size = len(start)
    for item in items:
        size += len(item)
        size += 1 if len(item) < 24 else 2 if len(item) < 256 else 3
    out = bytearray(_ENCRYPT0)
    head(out, 2, size)
    out.extend(start)
    for item in items:
        head(out, 2, len(item))
        out.extend(item)
    return out


def nonce(common_iv, length, identifier, piv):
    """The nonce of `length` bytes for a Partial IV (1 to 5 bytes) of the endpoint with this Sender ID: a bytearray.

    common_iv: at least `length` bytes; identifier: at most length - 6.
    """
    out = bytearray(length)
    out[0] = len(identifier)
    at = length - _PIV - len(identifier)
    out[at : at + len(identifier)] = identifier
    out[length - len(piv) :] = piv
    xor(out, 0, common_iv, 0, length)
    return out
