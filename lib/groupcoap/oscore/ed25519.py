"""Ed25519 signatures (RFC 8032 §5.1), to be made and verified in steps that leave time for other work.

A step does at most about 100 multiplications of 256 bits, or hashes 1 KB. Verification accepts what satisfies the
equation without cofactor, S * B = R + k * A, with S below L and R encoded as §5.1.2 has it, and no public key of small
order. Where this VM has Viper, arithmetic on points takes the same time and the same operations for every secret, but
for the place in a table that is read, which a cache may show; scalars modulo L are this VM's big integers, whose time
depends on how many words they have, and so is all arithmetic without Viper.
"""

from .curve import edwards
from .curve.edwards import L
from .curve.hot import VIPER, workspace
from .sha512 import Sha512, sha512

_SLICE = 1024  # bytes hashed in a step
_areas = []  # the work area that is in nobody's hands: 3.4 KB in one piece, which later might not be there


def area():
    """A work area, for `give_back`."""
    return _areas.pop() if _areas else workspace(edwards.MULTIPLES_SLOTS)


def give_back(work):
    """Let others have this work area; without Viper it is a list of integers, which take more than they are worth."""
    if VIPER and not _areas:
        _areas.append(work)


class Steps:
    """Something that takes many steps."""

    def step(self):
        """Do a little of the work: True once all is done."""
        for _ in self._steps:
            return False
        self._steps = ()
        return True


def _hashed(parts):
    """Steps to the SHA-512 hash of the parts, as an integer modulo L."""
    state = Sha512()
    room = _SLICE
    for part in parts:
        length = len(part)
        at = 0
        while at < length:
            end = min(at + room, length)
            state.update(part if end - at == length else memoryview(part)[at:end])
            room -= end - at
            at = end
            if not room:
                yield
                room = _SLICE
    yield
    return int.from_bytes(state.digest(), "little") % L


def _parts(message):
    return message if isinstance(message, tuple) else (message,)


def finish(steps):
    """Do all that is left."""
    while not steps.step():
        pass


class Key(Steps):
    """A private key of 32 bytes: `public` (32 bytes) is its public key, `x25519` (32 bytes) the scalar for X25519.

    With at_once=False its public key is there once step() has returned True. Raises ValueError for another length.
    """

    def __init__(self, seed, at_once=True):
        if len(seed) != 32:
            raise ValueError("a private key has 32 bytes")
        digest = bytearray(sha512(seed))
        digest[0] &= 248
        digest[31] = digest[31] & 127 | 64
        self.x25519 = bytes(digest[:32])
        self.prefix = bytes(digest[32:])
        self.public = None
        self._steps = self._work()
        if at_once:
            finish(self)

    def _work(self):
        work = area()
        yield from edwards.multiply_base(work, int.from_bytes(self.x25519, "little"))
        self.public = yield from edwards.encoded(work)
        give_back(work)


class PublicKey(Steps):
    """A public key of 32 bytes, `data`. Raises ValueError where they are none, or one of small order.

    The first verification also makes what it keeps for all: 256 bytes, points. With at_once=False both wait for step(),
    which raises that ValueError, so that one may have them made when there is time.
    """

    def __init__(self, data, at_once=True):
        if len(data) != 32:
            raise ValueError("a public key has 32 bytes")
        self.data = bytes(data)
        self.points = None
        self._steps = None  # to be begun when it is needed, as what is begun takes more heap than the point
        if at_once:
            while not self.points:
                self.step()
            self._steps = None

    def step(self):
        if self._steps is None:
            self._steps = self._work()
        return Steps.step(self)

    def _work(self):
        work = area()
        if not self.points:
            self.points = yield from edwards.decoded(work, self.data)
            yield
        self.points = yield from edwards.apart(work, self.points)
        give_back(work)


class Signing(Steps):
    """A signature by `key` of a message, bytes-like or a tuple of such, in steps: `signature` (64 bytes) once done.

    The message must stay as it is until then.
    """

    def __init__(self, key, message):
        self.signature = None
        self._steps = self._work(key, _parts(message))

    def _work(self, key, parts):
        while not key.step():
            yield
        r = yield from _hashed((key.prefix,) + parts)
        work = area()
        yield from edwards.multiply_base(work, r)
        encoded = yield from edwards.encoded(work)
        give_back(work)
        k = yield from _hashed((encoded, key.public) + parts)
        s = (r + k * int.from_bytes(key.x25519, "little")) % L
        self.signature = encoded + s.to_bytes(32, "little")


class Verification(Steps):
    """Whether `signature` is that of a PublicKey on a message, bytes-like or a tuple of such: `valid`, once done.

    The message must stay as it is until then. Nothing is raised: what is no signature is not valid.
    """

    def __init__(self, public_key, message, signature):
        self.valid = False
        self._steps = self._work(public_key, _parts(message), bytes(signature))

    def _work(self, key, parts, signature):
        if len(signature) != 64:
            return
        s = int.from_bytes(signature[32:], "little")
        if s >= L:
            return
        try:
            while not key.step():
                yield
        except ValueError:
            pass
        if not key.points:  # not a public key, as this step or an earlier one has found
            return
        r = signature[:32]
        k = yield from _hashed((r, key.data) + parts)
        work = area()
        yield from edwards.multiply_both(work, key.points, k, s)
        encoded = yield from edwards.encoded(work)
        give_back(work)
        self.valid = encoded == r


def sign(key, message):
    """The signature, 64 bytes, of a message, bytes-like or a tuple of such."""
    signing = Signing(key, message)
    finish(signing)
    return signing.signature


def verify(public_key, message, signature):
    """Is this the signature of a PublicKey on a message, bytes-like or a tuple of such?"""
    verification = Verification(public_key, message, signature)
    finish(verification)
    return verification.valid
