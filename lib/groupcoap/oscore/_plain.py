"""The functions of `_viper` for VMs that have no Viper; a test on the unix port holds the two against each other."""


def xor(dst, at, src, start, n):
    for i in range(n):
        dst[at + i] ^= src[start + i]


def differ(a, at, b, start, n):
    found = 0
    for i in range(n):
        found |= a[at + i] ^ b[start + i]
    return found


def counters(dst, count, block):
    at = 0
    for _ in range(count):
        dst[at : at + 16] = block
        at += 16
        for i in range(15, -1, -1):
            block[i] = block[i] + 1 & 255
            if block[i]:
                break
