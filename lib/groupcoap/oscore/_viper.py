"""What every byte of a protected message goes through, in Viper. `_plain` has the same functions for every VM."""

import micropython


@micropython.viper
def xor(dst: ptr8, at: int, src: ptr8, start: int, n: int):
    """XOR n bytes of src from `start` into dst at `at`."""
    end = at + n
    while at < end:
        dst[at] = int(dst[at]) ^ int(src[start])
        at += 1
        start += 1


@micropython.viper
def differ(a: ptr8, at: int, b: ptr8, start: int, n: int) -> int:
    """Do n bytes of a from `at` differ from those of b from `start`? 0 if not; the time does not depend on them."""
    end = at + n
    found = 0
    while at < end:
        found |= int(a[at]) ^ int(b[start])
        at += 1
        start += 1
    return found


@micropython.viper
def counters(dst: ptr8, count: int, block: ptr8):
    """Fill dst with `count` counter blocks, the first of them `block` (16 bytes, big-endian), which moves behind them.

    A carry goes through the whole block: who limits the length keeps it out of the nonce.
    """
    at = 0
    end = count << 4
    while at < end:
        i = 0
        while i < 16:
            dst[at] = block[i]
            at += 1
            i += 1
        while i:
            i -= 1
            block[i] = int(block[i]) + 1
            if block[i]:
                i = 0
