"""What Group OSCORE adds to the COSE object: more in the AAD, a countersignature, and the keystream that hides it
(draft-ietf-core-oscore-groupcomm-28 §3.4, §3.1, §4.2; RFC 9338 §3.3).

The structure to encrypt and the one to sign hold the same external_aad, so one byte string serves both: the signature
takes it from where the byte string `external_aad` begins.
"""

from micropython import const

from ..cbor import dumps, head
from .hot import xor
from .kdf import hkdf

SIGNATURE_LENGTH = const(64)  # bytes of an Ed25519 signature

_EXTERNAL = const(11)  # where external_aad begins in what `aad.structure` gives
# Both bodies' protected maps are empty. RFC 9338 §3.3 leaves the second one out for a "Countersignature0 version 2";
# the test vectors of draft-ietf-core-cacheable-oscore and the other implementations have it, and so must this.
_SIGNED = b"\x85\x71CounterSignature0\x40\x40"


def start_of(algorithms):
    """How each aad_array begins. algorithms: AEAD, group encryption, signature, key agreement; None where not set."""
    return b"\x89\x01" + dumps(algorithms)


def array_of(aad):
    """A view of the aad_array in what `aad.structure` gave."""
    size = aad[_EXTERNAL] - 0x40  # the head of a byte string
    return memoryview(aad)[_EXTERNAL + (1 if size < 24 else size - 22) :]


def signed(aad, buf, start, length):
    """The Countersign_structure over the ciphertext buf[start:start + length], in parts, of which two are views.

    aad: from `aad.structure`. The parts stay right for as long as `aad` and `buf` do.
    """
    size = bytearray()
    head(size, 2, length)
    return (_SIGNED, memoryview(aad)[_EXTERNAL:], size, memoryview(buf)[start : start + length])


def hide(signature_key, piv, generator, gid, request, buf, at):
    """XOR the keystream into the countersignature at buf[at:at + 64]: hides a plain one, shows a hidden one.

    signature_key: the Signature Encryption Key; piv: the Partial IV that the message uses, generator: the Sender ID of
    who generated it; gid: that of the message's context; request: is the message one?
    """
    info = dumps((generator, gid, request, SIGNATURE_LENGTH))
    xor(buf, at, hkdf(piv, signature_key, info, SIGNATURE_LENGTH), 0, SIGNATURE_LENGTH)
