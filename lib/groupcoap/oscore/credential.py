"""Authentication credentials of a group: CWT Claims Sets with an Ed25519 key (RFC 8392, RFC 8747 §3.2, RFC 9053 §7.2).

A credential is kept and authenticated as the bytes that the Group Manager gave out (draft-ietf-core-oscore-groupcomm
§2.4); all that is read in it is the public key. What is read is strict: one definite-length encoding of CBOR, one kind
of key, no private key, no tag around it.
"""

from micropython import const

from ..cbor import loads

MAX_LENGTH = const(256)  # bytes: two of them lie in the AAD of each message

_CNF = const(8)  # claim (RFC 8747 §3.1)
_COSE_KEY = const(1)  # confirmation method (RFC 8747 §3.2)
_KTY = const(1)
_ALG = const(3)
_CRV = const(-1)
_X = const(-2)
_D = const(-4)
_OKP = const(1)
_ED25519 = const(6)
_EDDSA = const(-8)
_KEY_LENGTH = const(32)


def public_key_of(ccs):
    """The Ed25519 public key (32 bytes, not yet known to be a point of the curve) in a CCS given as bytes.

    Raises ValueError, saying what was expected: a CBOR map {8: {1: {1: 1, -1: 6, -2: bytes, ? 3: -8}}} of at most 256
    bytes, untagged, with any other claims, and with any other key parameters but a private key.
    """
    if not isinstance(ccs, (bytes, bytearray, memoryview)) or len(ccs) > MAX_LENGTH:
        raise ValueError("credential: expected at most %d bytes" % MAX_LENGTH)
    claims = loads(ccs)
    cnf = claims.get(_CNF) if isinstance(claims, dict) else None
    key = cnf.get(_COSE_KEY) if isinstance(cnf, dict) and len(cnf) == 1 else None
    if not isinstance(key, dict):
        raise ValueError("credential: expected a CWT claims set, untagged, with one COSE_Key in cnf (8: {1: {...}})")
    if _D in key:
        raise ValueError("credential: it holds a private key")
    if not _is(key, _KTY, _OKP) or not _is(key, _CRV, _ED25519) or not (_ALG not in key or _is(key, _ALG, _EDDSA)):
        raise ValueError("credential: expected an Ed25519 key (kty 1, crv 6, alg -8)")
    x = key.get(_X)
    if not isinstance(x, bytes) or len(x) != _KEY_LENGTH:
        raise ValueError("credential: expected a public key (-2) of 32 bytes")
    return x


def _is(key, label, value):
    found = key.get(label)
    return type(found) is int and found == value
