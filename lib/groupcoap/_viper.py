"""The few loops that every datagram goes through, in Viper. `_plain` has the same functions for every VM.

Offsets count bytes from the start of the datagram. `f` is an array('i') of the fields that `scan` finds and `walk`
moves; their indices are named in `message`. Hashes have 24 bits, so that times 33 they stay a board's small integer.
"""

import micropython


@micropython.viper
def scan(buf: ptr8, n: int, f: ptr32) -> int:
    """Check a whole datagram (RFC 7252 §3) and find its parts: the hash of its Uri-Path, or -1 to -7."""
    if n < 4:
        return -1
    if int(buf[0]) >> 6 != 1:
        return -2
    at = 4 + (int(buf[0]) & 15)
    if at > 12 or at > n:
        return -3
    code = int(buf[1])
    if code == 0 and n != 4:
        return -4
    kind = code >> 5
    if kind == 1 or kind > 5:
        return -5
    f[0] = at
    f[1] = n
    f[3] = at
    f[4] = 0
    f[7] = n
    number = 0
    seen = 0
    h = 5381
    while at < n:
        b = int(buf[at])
        at += 1
        if b == 0xFF:
            if at == n:
                return -6
            f[1] = at
            f[7] = at - 1
            break
        delta = b >> 4
        size = b & 15
        if delta > 12:
            if delta == 13 and at < n:
                delta = int(buf[at]) + 13
                at += 1
            elif delta == 14 and at + 1 < n:
                delta = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
                at += 2
            else:
                return -7
        if size > 12:
            if size == 13 and at < n:
                size = int(buf[at]) + 13
                at += 1
            elif size == 14 and at + 1 < n:
                size = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
                at += 2
            else:
                return -7
        number += delta
        end = at + size
        if number > 65535 or end > n:
            return -7
        if number == 11:
            h = (h * 33 + size + 1) & 0xFFFFFF
            while at < end:
                h = (h * 33 + int(buf[at])) & 0xFFFFFF
                at += 1
        at = end
        if number < 29:
            seen |= 1 << number
        else:
            seen |= 1 << 29
    f[2] = seen
    return h


@micropython.viper
def walk(buf: ptr8, f: ptr32, target: int) -> int:
    """Move the cursor of a scanned message past the next option numbered `target` or above: its number, or -1."""
    at = f[3]
    number = f[4]
    end = f[7]
    while at < end:
        f[8] = at
        f[9] = number
        delta = int(buf[at]) >> 4
        size = int(buf[at]) & 15
        at += 1
        if delta == 13:
            delta = int(buf[at]) + 13
            at += 1
        elif delta == 14:
            delta = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
            at += 2
        if size == 13:
            size = int(buf[at]) + 13
            at += 1
        elif size == 14:
            size = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
            at += 2
        number += delta
        if number >= target:
            f[3] = at + size
            f[4] = number
            f[5] = at
            f[6] = size
            return number
        at += size
    f[3] = at
    f[4] = number
    f[8] = at
    f[9] = number
    return -1


@micropython.viper
def head(dst: ptr8, at: int, delta: int, size: int) -> int:
    """Write an option's header at `at` (RFC 7252 §3.1): the offset behind it, at most 5 bytes on."""
    first = at
    at += 1
    high = delta
    if delta > 268:
        high = 14
        dst[at] = (delta - 269) >> 8
        dst[at + 1] = delta - 269
        at += 2
    elif delta > 12:
        high = 13
        dst[at] = delta - 13
        at += 1
    low = size
    if size > 268:
        low = 14
        dst[at] = (size - 269) >> 8
        dst[at + 1] = size - 269
        at += 2
    elif size > 12:
        low = 13
        dst[at] = size - 13
        at += 1
    dst[first] = high << 4 | low
    return at


@micropython.viper
def copy(dst: ptr8, at: int, src: ptr8, start: int, n: int) -> int:
    """Copy n bytes of src from `start` into dst at `at`: the offset behind them."""
    end = at + n
    while at < end:
        dst[at] = src[start]
        at += 1
        start += 1
    return at


@micropython.viper
def same(a: ptr8, at: int, b: ptr8, start: int, n: int) -> bool:
    """Are n bytes of a from `at` those of b from `start`?"""
    end = at + n
    while at < end:
        if a[at] != b[start]:
            return False
        at += 1
        start += 1
    return True


@micropython.viper
def answer(dst: ptr8, src: ptr8, kind: int, code: int, mid: int) -> int:
    """Write the header of a response to the request in src, with its token (and its Message ID if mid < 0)."""
    size = int(src[0]) & 15
    dst[0] = 0x40 | kind << 4 | size
    dst[1] = code
    if mid < 0:
        dst[2] = src[2]
        dst[3] = src[3]
    else:
        dst[2] = mid >> 8
        dst[3] = mid
    end = 4 + size
    at = 4
    while at < end:
        dst[at] = src[at]
        at += 1
    return end


@micropython.viper
def path_is(buf: ptr8, f: ptr32, path: ptr8, n: int) -> bool:
    """Does a scanned message's Uri-Path equal `path`: segments, each a length byte and its bytes, n bytes in all?"""
    at = f[0]
    end = f[7]
    number = 0
    p = 0
    while at < end:
        delta = int(buf[at]) >> 4
        size = int(buf[at]) & 15
        at += 1
        if delta == 13:
            delta = int(buf[at]) + 13
            at += 1
        elif delta == 14:
            delta = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
            at += 2
        if size == 13:
            size = int(buf[at]) + 13
            at += 1
        elif size == 14:
            size = (int(buf[at]) << 8) + int(buf[at + 1]) + 269
            at += 2
        number += delta
        if number > 11:
            break
        if number == 11:
            if p + size >= n or int(path[p]) != size:
                return False
            p += 1
            stop = at + size
            while at < stop:
                if buf[at] != path[p]:
                    return False
                at += 1
                p += 1
        else:
            at += size
    return p == n


@micropython.viper
def recent(rows: ptr8, times: ptr32, where: ptr32, peer: ptr8, mid: int, now: int) -> int:
    """Look a message (peer, Message ID) up in the table of recent ones and enter it if it is not there.

    rows: the peers' packed addresses and Message IDs, `where[1]` bytes each, in sets of four; times: when each came,
    ms, -1 for never; where: [index of the found or entered row, bytes a row, number of sets - 1, lifetime in ms,
    bytes of an address]. Returns 1 for a duplicate, 0 for a new one, which has replaced the oldest of its set.
    """
    size = where[1]
    length = where[4]
    h = mid
    i = 0
    while i < length:
        h = (h * 33 + int(peer[i])) & 0xFFFFFF
        i += 1
    row = ((h ^ (mid << 1)) & where[2]) << 2
    stop = row + 4
    oldest = row
    most = -1
    while row < stop:
        if times[row] < 0:
            oldest = row
            most = 0x3FFFFFFF
        else:
            age = (now - times[row]) & 0x3FFFFFFF
            base = row * size
            if age < where[3] and int(rows[base]) == mid >> 8 and int(rows[base + 1]) == mid & 255:
                i = 0
                while i < length and rows[base + 2 + i] == peer[i]:
                    i += 1
                if i == length:
                    where[0] = row
                    return 1
            if age > most:
                most = age
                oldest = row
        row += 1
    times[oldest] = now
    base = oldest * size
    rows[base] = mid >> 8
    rows[base + 1] = mid & 255
    i = 0
    while i < length:
        rows[base + 2 + i] = peer[i]
        i += 1
    where[0] = oldest
    return 0
