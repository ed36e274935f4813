"""The functions of `_viper` for VMs that have no Viper: CPython, WebAssembly, and boards without a native emitter.

A test on the unix port holds the two against each other; the docstrings are there. A slot is an integer, a word too.
"""

_P = (1 << 255) - 19
_MASK = (1 << 64) - 1


def workspace(slots):
    return [0] * slots


def run(work, program, base, end):
    for at in range(0, end, 4):
        to, a, b = program[at + 1], program[at + 2], program[at + 3]
        if to > 191:
            to += base - 192
        x = work[a if a < 192 else a + base - 192]
        what = program[at]
        if what == 1:
            for _ in range(b):
                x = x * x % _P
        elif what < 4:
            y = work[b if b < 192 else b + base - 192]
            x = (x * y if what == 0 else x + y if what == 2 else x - y) % _P
        work[to] = x


def load(work, slot, data, at):
    work[slot] = int.from_bytes(data[at : at + 32], "little")


def value(work, slot):
    return work[slot] % _P


def swap(work, a, b, bit):
    if bit:
        work[a], work[b] = work[b], work[a]


def _words(data):
    return [int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8)]


def sha512_start(initial):
    return _words(initial)


def sha512_block(state, constants, data, at):
    w = _words(data[at : at + 128])
    a, b, c, d, e, f, g, h = state
    for i in range(80):
        t = w[i & 15]
        if i > 15:
            x, y = w[i + 1 & 15], w[i + 14 & 15]
            t += w[i + 9 & 15]
            x |= x << 64  # a word twice: what a shift brings down into its lower half is the word rotated
            y |= y << 64
            t += (x >> 1 ^ x >> 8 ^ (x & _MASK) >> 7) & _MASK
            t = t + ((y >> 19 ^ y >> 61 ^ (y & _MASK) >> 6) & _MASK) & _MASK
            w[i & 15] = t
        x = e | e << 64
        t += h + ((x >> 14 ^ x >> 18 ^ x >> 41) & _MASK) + (g ^ e & (f ^ g))
        t += int.from_bytes(constants[8 * i : 8 * i + 8], "big")
        x = a | a << 64
        x = ((x >> 28 ^ x >> 34 ^ x >> 39) & _MASK) + (a & b | c & (a | b))
        a, b, c, d, e, f, g, h = t + x & _MASK, a, b, c, d + t & _MASK, e, f, g
    for i, x in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = state[i] + x & _MASK


def sha512_digest(state):
    return b"".join([word.to_bytes(8, "big") for word in state])
