"""Why a protected message is not taken (RFC 8613 §8.2, §8.4)."""

from .. import numbers as n


class Rejected(Exception):
    """A protected request that is not taken; `code` and `text` are those of the unprotected error response, if there
    is to be one. A protected response that is not taken is dropped, whatever these say.

    exchange: the Exchange by which that error response is to be protected, else None.
    """

    exchange = None

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


def undecodable():
    """The OSCORE option, or what must go with it, is malformed."""
    return Rejected(n.BAD_OPTION, "Failed to decode COSE")


def no_context():
    """Nobody here has a context for this message."""
    return Rejected(n.UNAUTHORIZED, "Security context not found")


def replayed():
    """Its Partial IV was taken before, or may have been."""
    return Rejected(n.UNAUTHORIZED, "Replay detected")


def undecrypted():
    """It is not what the sender protected, or that was no CoAP message."""
    return Rejected(n.BAD_REQUEST, "Decryption failed")
