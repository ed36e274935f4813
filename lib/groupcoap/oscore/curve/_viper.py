"""Field arithmetic modulo p = 2**255 - 19 and SHA-512's block, in Viper. `_plain` has the same functions for every VM.

A work area is a bytearray: 160 bytes for the columns of a product, then slots of 40 bytes, each an element as 20 limbs
of 13 bits (2**260 is 608 modulo p). Limbs may be a little larger than that: at most 2**13 + 15 after any operation, so
that 20 products of two of them, and even of one with a sum that has not been carried, stay below 2**32. Nothing here
allocates, and no branch or address depends on an element's value. A chip's registers have 32 bits, the unix port's 64.
"""

import micropython


def workspace(slots):
    """A work area with so many slots."""
    return bytearray(160 + 40 * slots)


@micropython.viper
def run(r: ptr32, b: ptr16, x: uint, end: int):
    """Carry out `end` bytes of a program (b) in a work area (r): operation, to, a, b each; slots from 192 on add x.

    0: to = a * b. 1: to = a ** (2 ** b), b > 0. 2: to = a + b. 3: to = a - b. 4: to = a.
    """
    # The first three names are those that get registers, and the inner loop needs them.
    work = uint(r)
    program = ptr8(b)
    base = int(x) - 192
    y = uint(0)
    at = 0
    while at < end:
        what = int(program[at])
        i = int(program[at + 1])
        if i > 191:
            i += base
        to = ptr16(work + 160 + 40 * i)
        i = int(program[at + 2])
        if i > 191:
            i += base
        a = ptr16(work + 160 + 40 * i)
        times = int(program[at + 3])
        at += 4
        other = a
        if what != 1:
            i = times
            times = 1
            if i > 191:
                i += base
            other = ptr16(work + 160 + 40 * i)
        if what == 4:
            i = 0
            while i < 20:
                to[i] = a[i]
                i += 1
        elif what > 1:
            b = other
            x = uint(0)
            i = 0
            if what == 2:
                while i < 20:
                    x = x + a[i] + b[i]
                    to[i] = x & 8191
                    x = x >> 13
                    i += 1
            else:
                x = x - 2428  # 4 * (2**260 - 608) keeps every limb positive: the lowest of it is 32764 - 2428
                while i < 20:
                    x = x + 32764 + a[i] - b[i]
                    to[i] = x & 8191
                    x = x >> 13
                    i += 1
            x = x * 608 + to[0]
            to[0] = x & 8191
            to[1] = (x >> 13) + to[1]
        else:
            while times:
                times -= 1
                r = ptr32(work)
                i = 0
                while i < 40:
                    r[i] = 0
                    i += 1
                # Quarters of 10 by 10 limbs, two rows at a time: low by low, high by low, low by high, high by high.
                quarter = 0
                while quarter < 4:
                    half = ptr16(uint(a) + 20 * (quarter & 1))
                    b = ptr16(uint(other) + 20 * (quarter >> 1))
                    r = ptr32(work + 40 * ((quarter & 1) + (quarter >> 1)))
                    twice = 0
                    if what == 1 and quarter == 1:
                        twice = 1
                        quarter = 2
                    quarter += 1
                    i = 0
                    while i < 10:
                        x = uint(half[i]) << twice
                        y = uint(half[i + 1]) << twice
                        r[0] = r[0] + x * b[0]
                        r[1] = r[1] + x * b[1] + y * b[0]
                        r[2] = r[2] + x * b[2] + y * b[1]
                        r[3] = r[3] + x * b[3] + y * b[2]
                        r[4] = r[4] + x * b[4] + y * b[3]
                        r[5] = r[5] + x * b[5] + y * b[4]
                        r[6] = r[6] + x * b[6] + y * b[5]
                        r[7] = r[7] + x * b[7] + y * b[6]
                        r[8] = r[8] + x * b[8] + y * b[7]
                        r[9] = r[9] + x * b[9] + y * b[8]
                        r[10] = r[10] + y * b[9]
                        r = ptr32(uint(r) + 8)
                        i += 2
                r = ptr32(work)
                x = uint(0)
                i = 20
                while i < 39:
                    x = x + r[i]
                    r[i] = x & 8191
                    x = x >> 13
                    i += 1
                r[39] = x
                x = uint(0)
                i = 0
                while i < 20:
                    x = x + r[i] + r[i + 20] * 608
                    to[i] = x & 8191
                    x = x >> 13
                    i += 1
                x = x * 608 + to[0]
                to[0] = x & 8191
                x = (x >> 13) + to[1]
                to[1] = x & 8191
                to[2] = (x >> 13) + to[2]
                a = to
                other = to


@micropython.viper
def load(work: ptr8, slot: int, data: ptr8, at: int):
    """Put 32 bytes of data from `at`, little-endian, into a slot."""
    to = ptr16(uint(work) + 160 + 40 * slot)
    x = 0
    bits = 0
    i = 0
    end = at + 32
    while i < 20:
        while bits < 13 and at < end:
            x |= int(data[at]) << bits
            at += 1
            bits += 8
        to[i] = x & 8191
        x >>= 13
        bits -= 13
        i += 1


@micropython.viper
def _pack(data: ptr8, work: ptr8, slot: int):
    a = ptr16(uint(work) + 160 + 40 * slot)
    x = 0
    bits = 0
    at = 0
    i = 0
    while i < 20:
        x += int(a[i]) << bits
        bits += 13
        while bits > 7:
            data[at] = x
            at += 1
            x >>= 8
            bits -= 8
        i += 1
    data[at] = x


def value(work, slot):
    """The element in a slot: an integer from 0 to p - 1."""
    data = bytearray(33)
    _pack(data, work, slot)
    return int.from_bytes(data, "little") % 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED


@micropython.viper
def swap(work: ptr8, a: int, b: int, bit: int):
    """Exchange two slots if bit is 1, not if it is 0, in the same time."""
    p = ptr16(uint(work) + 160 + 40 * a)
    q = ptr16(uint(work) + 160 + 40 * b)
    mask = 0 - bit
    i = 0
    while i < 20:
        x = (int(p[i]) ^ int(q[i])) & mask
        p[i] = int(p[i]) ^ x
        q[i] = int(q[i]) ^ x
        i += 1


@micropython.viper
def _words(to: ptr32, data: ptr8, at: int, count: int):
    i = 0
    while i < count:
        x = uint(data[at]) << 24 | uint(data[at + 1]) << 16 | uint(data[at + 2]) << 8 | uint(data[at + 3])
        to[i] = x
        at += 4
        i += 1


def sha512_start(initial):
    """The state of a hash: its 8 words, then room for the 16 of a block; each is its upper half, then its lower."""
    state = bytearray(192)
    _words(state, initial, 0, 16)
    return state


def sha512_block(state, constants, data, at):
    """Take the 128 bytes of data from `at` into the state; constants: the 80 words of RFC 6234 §5.2, 640 bytes."""
    _block(state, constants, data, at)


@micropython.viper
def _block(state: ptr32, constants: ptr8, data: ptr8, at: int):
    w = ptr32(uint(state) + 64)
    _words(w, data, at, 32)
    ah = uint(state[0])
    al = uint(state[1])
    bh = uint(state[2])
    bl = uint(state[3])
    ch = uint(state[4])
    cl = uint(state[5])
    dh = uint(state[6])
    dl = uint(state[7])
    eh = uint(state[8])
    el = uint(state[9])
    fh = uint(state[10])
    fl = uint(state[11])
    gh = uint(state[12])
    gl = uint(state[13])
    hh = uint(state[14])
    hl = uint(state[15])
    mask = uint(0xFFFF) << 16 | uint(0xFFFF)
    k = uint(0)  # these four: what is added
    m = uint(0)
    p = uint(0)
    q = uint(0)
    x = uint(0)  # the lower and the upper 16 bits of a sum's lower half
    y = uint(0)
    i = 0
    while i < 160:
        j = i & 31
        if i > 31:  # w[t] = s1(w[t - 2]) + w[t - 7] + s0(w[t - 15]) + w[t - 16], in place of w[t - 16]
            p = uint(w[(i + 28) & 31])
            q = uint(w[(i + 29) & 31])
            k = (p >> 19 | q << 13) ^ (q >> 29 | p << 3) ^ (p >> 6)
            m = (q >> 19 | p << 13) ^ (p >> 29 | q << 3) ^ (q >> 6 | p << 26)
            x = m & 0xFFFF
            y = (m >> 16) & 0xFFFF
            p = uint(w[(i + 2) & 31])
            q = uint(w[(i + 3) & 31])
            k += (p >> 1 | q << 31) ^ (p >> 8 | q << 24) ^ (p >> 7)
            m = (q >> 1 | p << 31) ^ (q >> 8 | p << 24) ^ (q >> 7 | p << 25)
            p = uint(w[(i + 19) & 31])
            q = uint(w[j + 1])
            x += (m & 0xFFFF) + (p & 0xFFFF) + (q & 0xFFFF)
            y += ((m >> 16) & 0xFFFF) + (p >> 16) + (q >> 16) + (x >> 16)
            w[j + 1] = (y & 0xFFFF) << 16 | (x & 0xFFFF)
            w[j] = k + w[(i + 18) & 31] + w[j] + (y >> 16)
        # h + S1(e) + Ch(e, f, g) + k[t] + w[t]
        k = (eh >> 14 | el << 18) ^ (eh >> 18 | el << 14) ^ (el >> 9 | eh << 23)
        m = (el >> 14 | eh << 18) ^ (el >> 18 | eh << 14) ^ (eh >> 9 | el << 23)
        p = gl ^ (el & (fl ^ gl))
        q = uint(w[j + 1])
        at = i << 2
        x = (m & 0xFFFF) + (p & 0xFFFF) + (q & 0xFFFF) + (hl & 0xFFFF)
        x += uint(constants[at + 6]) << 8 | uint(constants[at + 7])
        y = ((m >> 16) & 0xFFFF) + (p >> 16) + (q >> 16) + (hl >> 16) + (x >> 16)
        y += uint(constants[at + 4]) << 8 | uint(constants[at + 5])
        k += (gh ^ (eh & (fh ^ gh))) + hh + w[j] + (y >> 16)
        k += uint(constants[at]) << 24 | uint(constants[at + 1]) << 16
        k += uint(constants[at + 2]) << 8 | uint(constants[at + 3])
        x &= 0xFFFF
        y &= 0xFFFF
        hh = gh
        hl = gl
        gh = fh
        gl = fl
        fh = eh
        fl = el
        p = (dl & 0xFFFF) + x
        q = (dl >> 16) + y + (p >> 16)
        el = (q & 0xFFFF) << 16 | (p & 0xFFFF)
        eh = (dh + k + (q >> 16)) & mask
        dh = ch
        dl = cl
        # that + S0(a) + Maj(a, b, c)
        m = (al >> 28 | ah << 4) ^ (ah >> 2 | al << 30) ^ (ah >> 7 | al << 25)
        p = (al & bl) | (cl & (al | bl))
        x += (m & 0xFFFF) + (p & 0xFFFF)
        y += ((m >> 16) & 0xFFFF) + (p >> 16) + (x >> 16)
        k += (ah >> 28 | al << 4) ^ (al >> 2 | ah << 30) ^ (al >> 7 | ah << 25)
        k += ((ah & bh) | (ch & (ah | bh))) + (y >> 16)
        ch = bh
        cl = bl
        bh = ah
        bl = al
        ah = k & mask
        al = (y & 0xFFFF) << 16 | (x & 0xFFFF)
        i += 2
    w[0] = ah
    w[1] = al
    w[2] = bh
    w[3] = bl
    w[4] = ch
    w[5] = cl
    w[6] = dh
    w[7] = dl
    w[8] = eh
    w[9] = el
    w[10] = fh
    w[11] = fl
    w[12] = gh
    w[13] = gl
    w[14] = hh
    w[15] = hl
    i = 0
    while i < 16:
        p = uint(state[i + 1])
        q = uint(w[i + 1])
        x = (p & 0xFFFF) + (q & 0xFFFF)
        y = (p >> 16) + (q >> 16) + (x >> 16)
        state[i + 1] = (y & 0xFFFF) << 16 | (x & 0xFFFF)
        state[i] = w[i] + state[i] + (y >> 16)
        i += 2


@micropython.viper
def _unwords(data: ptr8, state: ptr32):
    i = 0
    while i < 64:
        data[i] = state[i >> 2] >> (24 - 8 * (i & 3))
        i += 1


def sha512_digest(state):
    """The 64 bytes that the state is now."""
    data = bytearray(64)
    _unwords(data, state)
    return bytes(data)
