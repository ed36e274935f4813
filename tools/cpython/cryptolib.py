"""MicroPython's `cryptolib` on PyPI's `cryptography`: modes 1 (ECB) and 2 (CBC), as its unix port has them."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:
    """A cipher with one key (16 or 32 bytes), which goes on where the last call ended, in one direction."""

    def __init__(self, key, mode, IV=None, /):
        if mode not in (1, 2):
            raise ValueError("mode")
        if len(key) not in (16, 32):
            raise ValueError("key")
        if len(IV) != 16 if IV is not None else mode == 2:
            raise ValueError("IV")
        self._cipher = Cipher(algorithms.AES(bytes(key)), modes.CBC(bytes(IV)) if mode == 2 else modes.ECB())
        self._encryptor = self._decryptor = None

    def encrypt(self, in_buf, out_buf=None, /):
        """The bytes of in_buf, encrypted: into out_buf, which may be in_buf, and that is returned, or as new bytes."""
        _check(in_buf, out_buf)
        if self._decryptor:
            raise ValueError("can't encrypt & decrypt")
        self._encryptor = self._encryptor or self._cipher.encryptor()
        return _into(out_buf, self._encryptor.update(bytes(in_buf)))

    def decrypt(self, in_buf, out_buf=None, /):
        """As `encrypt`."""
        _check(in_buf, out_buf)
        if self._encryptor:
            raise ValueError("can't encrypt & decrypt")
        self._decryptor = self._decryptor or self._cipher.decryptor()
        return _into(out_buf, self._decryptor.update(bytes(in_buf)))


def _check(in_buf, out_buf):
    if len(in_buf) % 16:
        raise ValueError("blksize % 16")
    if out_buf is not None and len(out_buf) < len(in_buf):
        raise ValueError("output too small")


def _into(out_buf, data):
    if out_buf is None:
        return data
    out_buf[: len(data)] = data
    return out_buf
