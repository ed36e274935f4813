"""AES-CCM (RFC 3610) and AES-CTR (RFC 9459) in place, over `cryptolib.aes`: what encrypts messages.

One call into C for up to 512 bytes, and no heap. The key stream is counter blocks encrypted by ECB (mode CTR is missing
on some ports). The CBC-MAC is one CBC cipher a key that is never begun anew: it goes on from the last block that it
gave, so XORing that block into the first one of the next message gives what an IV of zero would have given.

All keys share one work buffer: nothing here may be interrupted by another message, and nothing here waits.

Measured on the unix port (x86-64, heap 1 MB), µs and bytes of heap a message with 50 bytes of AAD and a tag of 8; a key
holds two ciphers of 320 bytes there:

    payload, bytes                                     16          64         256         1024
    `Ccm.seal`                                      7.5, 0      8.2, 0     10.7, 0      21.7, 0
    `Ccm.seal` and `open`                          15.2, 0     16.3, 0     22.7, 0      46.2, 0
    `Ctr.seal`                                      2.2, 0      2.5, 0      3.9, 0       9.7, 0
    of `seal`, MAC as it is: CBC that goes on       0.9, 0      1.2, 0      2.2, 0       6.1, 0
    instead: a new CBC cipher for each message    1.8, 320    2.1, 320    3.1, 320     7.2, 320
    instead: ECB of each block                      2.2, 0      3.0, 0      6.4, 0      19.9, 0
"""

from cryptolib import aes
from micropython import const

from ..hot import copy
from .hot import counters, differ, xor

# COSE algorithms (RFC 9053 §4.2, RFC 9459 §4).
_AES_CCM_16_64_128 = const(10)
_AES_CCM_16_128_128 = const(30)
A128CTR = const(-65534)

MAX_LENGTH = const(0xFFFF)  # bytes of a message: what CCM's 2-byte length field can say
MAX_AAD = const(0xFEFF)  # bytes of AAD: what CCM says in 2 bytes

_ECB = const(1)
_CBC = const(2)
_WORK = const(512)
_ZERO = bytes(16)

_work = bytearray(_WORK)
_view = memoryview(_work)
_views = [None] * (_WORK // 16 + 1)  # each made once: a slice takes heap
_block = bytearray(16)  # B_0, then the counter block
_mask = bytearray(16)  # S_0, which hides the tag


def _view_of(count):
    """The first `count` blocks of `_work`."""
    view = _views[count]
    if view is None:
        view = _views[count] = _view[: count << 4]
    return view


def _crypt(ecb, skip, buf, at, length):
    """XOR the key stream from `_block` on into buf, without its first `skip` (0, 16) bytes: those go to `_mask`."""
    end = at + length
    while True:
        size = min(_WORK, skip + end - at)
        count = size + 15 >> 4
        counters(_work, count, _block)
        view = _view_of(count)
        ecb.encrypt(view, view)
        if skip:
            copy(_mask, 0, _work, 0, 16)
        xor(buf, at, _work, skip, size - skip)
        at += size - skip
        skip = 0
        if at == end:
            return


def _feed(cbc, to, src, at, length):
    """Give the MAC more of its message; `to` bytes are in `_work` already. How many are there then."""
    while length:
        piece = min(_WORK - to, length)
        copy(_work, to, src, at, piece)
        to += piece
        at += piece
        length -= piece
        if to == _WORK:
            cbc.encrypt(_view, _view)
            to = 0
    return to


def _pad(to):
    """Fill the MAC's last block up with zeros."""
    return copy(_work, to, _ZERO, 0, -to & 15)


def _check(nonce, nonce_length, length, aad):
    """ValueError for what the algorithm cannot take."""
    if len(nonce) != nonce_length or not 0 <= length <= MAX_LENGTH or len(aad) > MAX_AAD:
        raise ValueError("length of nonce, message or AAD")


class Ccm:
    """AES-CCM with one key: AES-CCM-16-64-128, or with other parameters.

    key: 16 bytes (or 32). tag_length: 4, 6, … 16 bytes. nonce_length: 7 to 13 bytes. ValueError otherwise.
    """

    identifier = _AES_CCM_16_64_128
    key_length = 16
    nonce_length = 13
    tag_length = 8

    def __init__(self, key, tag_length=None, nonce_length=None):
        if tag_length is not None:
            self.tag_length = tag_length
        if nonce_length is not None:
            self.nonce_length = nonce_length
        if not 4 <= self.tag_length <= 16 or self.tag_length & 1 or not 7 <= self.nonce_length <= 13:
            raise ValueError("CCM has tags of 4, 6, … 16 bytes and nonces of 7 to 13")
        self._key = bytes(key)
        self._ecb = aes(key, _ECB)
        self._cbc = None
        self._last = bytearray(16)  # what the CBC cipher gave last: its state, and the MAC

    def seal(self, nonce, aad, buf, start, length):
        """Encrypt buf[start:start + length] in place, write the tag behind it: the offset behind the tag.

        aad: a byte string outside of that. ValueError where a length is wrong or the tag has no room in buf.
        """
        end = start + length
        if start < 0 or end + self.tag_length > len(buf):
            raise ValueError("no room for the tag")
        _check(nonce, self.nonce_length, length, aad)
        self._mac(nonce, aad, buf, start, length)
        self._xor(nonce, buf, start, length)
        xor(_mask, 0, self._last, 0, 16)
        return copy(buf, end, _mask, 0, self.tag_length)

    def open(self, nonce, aad, buf, start, length):
        """Check the tag at the end of buf[start:start + length], decrypt what is before it in place: its length.

        -1 if the tag is not that of nonce, AAD and message, and buf as it was. ValueError as `seal`.
        """
        if start < 0 or start + length > len(buf):
            raise ValueError("beyond the buffer")
        length -= self.tag_length
        if length < 0:
            return -1
        _check(nonce, self.nonce_length, length, aad)
        self._xor(nonce, buf, start, length)
        tag = start + length
        xor(buf, tag, _mask, 0, self.tag_length)
        self._mac(nonce, aad, buf, start, length)
        wrong = differ(buf, tag, self._last, 0, self.tag_length)
        xor(buf, tag, _mask, 0, self.tag_length)
        if wrong:
            self._xor(nonce, buf, start, length)
            return -1
        return length

    def _start(self, flags, nonce, length):
        """Write the flags, the nonce and a number of the remaining length into `_block`."""
        size = self.nonce_length
        _block[0] = flags | 14 - size
        copy(_block, 1, nonce, 0, size)
        for i in range(15, size, -1):
            _block[i] = length & 255
            length >>= 8

    def _xor(self, nonce, buf, start, length):
        self._start(0, nonce, 0)
        _crypt(self._ecb, 16, buf, start, length)

    def _mac(self, nonce, aad, buf, start, length):
        """Leave the CBC-MAC (RFC 3610 §2.2) in `_last`."""
        size = len(aad)
        self._start((64 if size else 0) | self.tag_length - 2 << 2, nonce, length)
        last = self._last
        cbc = self._cbc
        self._cbc = None  # in use: were this broken off, its state would not be `last`
        if cbc is None:
            cbc = aes(self._key, _CBC, _ZERO)
            copy(last, 0, _ZERO, 0, 16)
        copy(_work, 0, _block, 0, 16)
        xor(_work, 0, last, 0, 16)
        to = 16
        if size:
            _work[16] = size >> 8
            _work[17] = size & 255
            to = _pad(_feed(cbc, 18, aad, 0, size))
        to = _pad(_feed(cbc, to, buf, start, length))
        if to:
            view = _view_of(to >> 4)
            cbc.encrypt(view, view)
        copy(last, 0, _work, (to or _WORK) - 16, 16)
        self._cbc = cbc


class Ccm128(Ccm):
    """AES-CCM-16-128-128: the same with a tag of 16 bytes."""

    identifier = _AES_CCM_16_128_128
    tag_length = 16


class Ctr:
    """A128CTR with one key of 16 bytes, without integrity: for the group mode, whose countersignature gives that.

    The IV is the nonce and zeros up to 16 bytes (draft-ietf-core-oscore-groupcomm §2.1.7).
    """

    identifier = A128CTR
    key_length = 16
    nonce_length = 12
    tag_length = 0

    def __init__(self, key):
        self._ecb = aes(key, _ECB)

    def seal(self, nonce, aad, buf, start, length):
        """Encrypt buf[start:start + length] in place: the offset behind it. The AAD protects nothing.

        ValueError as `Ccm.seal`.
        """
        if start < 0 or start + length > len(buf):
            raise ValueError("beyond the buffer")
        _check(nonce, self.nonce_length, length, aad)
        copy(_block, copy(_block, 0, nonce, 0, self.nonce_length), _ZERO, 0, 16 - self.nonce_length)
        _crypt(self._ecb, 0, buf, start, length)
        return start + length

    def open(self, nonce, aad, buf, start, length):
        """Decrypt buf[start:start + length] in place: its length, as there is no tag that could be wrong."""
        return self.seal(nonce, aad, buf, start, length) - start


_ALGORITHMS = {cls.identifier: cls for cls in (Ccm, Ccm128, Ctr)}


def algorithm(number):
    """The class for a COSE algorithm's number; ValueError for one that is not here."""
    if number not in _ALGORITHMS:
        raise ValueError("COSE algorithm %s: expected 10, 30 or -65534" % number)
    return _ALGORITHMS[number]
