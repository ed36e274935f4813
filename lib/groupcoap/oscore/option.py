"""The value of the OSCORE option: a COSE object's header, compressed (RFC 8613 §6.1, Group OSCORE draft §3.3).

A flags byte (0 0 group context kid n n n), the Partial IV in n bytes, the length of the kid context and the kid
context, the kid up to the end. Where all flags are zero, the value is empty.
"""

from micropython import const

_MAX_PIV = const(5)  # bytes

_GROUP = const(0x20)
_CONTEXT = const(0x10)
_KID = const(0x08)
_RESERVED = const(0xC0)
_PIV = const(7)


def piv_bytes(number):
    """A Sender Sequence Number as a Partial IV: 1 to 5 bytes, without leading zeros (RFC 8613 §5)."""
    length = 1
    while number >> 8 * length:
        length += 1
    return number.to_bytes(length, "big")


def encode(piv=None, kid_context=None, kid=None, group=False):
    """The value as bytes; None: not there. group: is the message in the group mode?"""
    flags = _GROUP if group else 0
    out = b""
    if piv is not None:
        flags |= len(piv)
        out = piv
    if kid_context is not None:
        flags |= _CONTEXT
        out += bytes((len(kid_context),)) + kid_context
    if kid is not None:
        flags |= _KID
        out += kid
    return bytes((flags,)) + out if flags else b""


def parse(value):
    """(Partial IV, kid context, kid, group): bytes, or None for what is not there; a bool. value: bytes.

    Raises ValueError for what no sender may write: reserved bits, a Partial IV of 6 or 7 bytes or with leading zeros,
    fields that go past the end or do not reach it, a flags byte of 0.
    """
    if not value:
        return None, None, None, False
    flags = value[0]
    size = flags & _PIV
    at = 1 + size
    if not flags or flags & _RESERVED or size > _MAX_PIV or at > len(value) or size > 1 and not value[1]:
        raise ValueError("flags or Partial IV of an OSCORE option")
    piv = value[1:at] if size else None
    kid_context = None
    if flags & _CONTEXT:
        end = at + 1 + value[at] if at < len(value) else 256
        if end > len(value):
            raise ValueError("kid context of an OSCORE option")
        kid_context = value[at + 1 : end]
        at = end
    if not flags & _KID and at < len(value):
        raise ValueError("bytes behind an OSCORE option")
    return piv, kid_context, value[at:] if flags & _KID else None, flags & _GROUP != 0
