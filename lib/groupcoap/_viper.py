"""The few loops that every datagram goes through, in Viper. `_plain` has the same functions for every VM.

Offsets count bytes from the start of the datagram. `f` is an array('i') of the fields that `scan` finds and `walk`
moves; their indices are named in `message`. Hashes have 24 bits, so that times 33 they stay a board's small integer.
"""

import micropython


@micropython.viper
def scan(buf: ptr8, n: int, f: ptr32) -> int:
    """Check a whole datagram (RFC 7252 §3) and find its parts: the hash of its Uri-Path, or -1 to -8."""
    if n < 4:
        return -1
    if n > f[11]:
        return -8
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
    f[10] = n
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
        if number > 28 or size > 255:  # longer than any of those below is to be
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
def match(rows: ptr8, slots: int, buf: ptr8, peer: ptr8) -> int:
    """The slot whose token, and whose source if it has one, are those of the response in buf from `peer`; or -1.

    A slot's row has 32 bytes: its token (8, the slot's own number at first), the length of its source, the source.
    """
    if int(buf[0]) & 15 != 8:
        return -1
    slot = int(buf[4])
    if slot >= slots:
        return -1
    at = slot << 5
    i = 4
    while i < 12:
        if rows[at] != buf[i]:
            return -1
        at += 1
        i += 1
    i = int(rows[at])
    while i:
        if rows[at + i] != peer[i - 1]:
            return -1
        i -= 1
    return slot


@micropython.viper
def answer(dst: ptr8, src: ptr8, code: int, mids: ptr32, options: ptr8, size: int, payload: ptr8, length: int) -> int:
    """Write the response to the request in src: to a CON an ACK, to a NON a NON with the next Message ID. Its end.

    mids: [the last Message ID, room in dst in bytes]; options: `size` bytes as they are encoded; then `length` bytes of
    payload, if any. Returns 0 if there is no room.
    """
    token = int(src[0]) & 15
    if 5 + token + size + length > mids[1]:
        return 0
    if int(src[0]) & 0x30:
        mid = (mids[0] + 1) & 0xFFFF
        mids[0] = mid
        dst[0] = 0x50 | token
        dst[2] = mid >> 8
        dst[3] = mid
    else:
        dst[0] = 0x60 | token
        dst[2] = src[2]
        dst[3] = src[3]
    dst[1] = code
    at = 4
    end = 4 + token
    while at < end:
        dst[at] = src[at]
        at += 1
    i = 0
    while i < size:
        dst[at] = options[i]
        at += 1
        i += 1
    if length:
        dst[at] = 0xFF
        at += 1
        i = 0
        while i < length:
            dst[at] = payload[i]
            at += 1
            i += 1
    return at


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
def relay(
    dst: ptr8, src: ptr8, f: ptr32, clients: ptr8, slot: int, mids: ptr32, number: int, value: ptr8, look: int
) -> int:
    """Write the response in src, scanned into f, as a NON to another client, with one option put in: its end.

    A slot's row in clients has 12 bytes: a counter of what was written (3), the length of the client's token, the
    token. Every option `number` of src gives way to one with the bytes of `value`, whose first is their count; number 0
    puts nothing in. mids: as for `answer`, then 128 times the slot << 16 | the Message ID of one of the last messages,
    at what that is modulo 128. Returns 0 if there is no room, or an option among the bits of `look`.
    """
    if f[2] & look:
        return 0
    at = slot * 12
    token = int(clients[at + 3])
    size = int(value[0])
    start = f[0]
    end = f[7]
    if f[10] + token + size + 10 > mids[1]:
        return 0
    mid = (mids[0] + 1) & 0xFFFF
    mids[0] = mid
    dst[0] = 0x50 | token
    dst[1] = src[1]
    dst[2] = mid >> 8
    dst[3] = mid
    at += 4
    to = 4
    while to < 4 + token:
        dst[to] = clients[at]
        to += 1
        at += 1
    last = 0  # number of the option written last
    seen = 0  # and of the one read last
    while start < end:
        first = start
        delta = int(src[start]) >> 4
        length = int(src[start]) & 15
        start += 1
        if delta == 13:
            delta = int(src[start]) + 13
            start += 1
        elif delta == 14:
            delta = (int(src[start]) << 8) + int(src[start + 1]) + 269
            start += 2
        if length == 13:
            length = int(src[start]) + 13
            start += 1
        elif length == 14:
            length = (int(src[start]) << 8) + int(src[start + 1]) + 269
            start += 2
        seen += delta
        if seen & 2 and length > 3:  # no unsafe option of a response is longer, but for Max-Age
            if seen != 14 or length > 4:
                return 0
        stop = start + length
        if number and seen > number:
            to = int(head(dst, to, number - last, size))
            to = int(copy(dst, to, value, 1, size))
            last = number
            number = 0
        if number == 0 or seen != number:
            if seen - last == delta:
                start = first
            else:
                to = int(head(dst, to, seen - last, length))
            while start < stop:
                dst[to] = src[start]
                to += 1
                start += 1
            last = seen
        start = stop
    if number:
        to = int(head(dst, to, number - last, size))
        to = int(copy(dst, to, value, 1, size))
    end = f[10]
    while start < end:
        dst[to] = src[start]
        to += 1
        start += 1
    at = slot * 12
    end = at + 3
    while at < end:
        clients[at] = int(clients[at]) + 1
        if clients[at]:
            at = end
        at += 1
    mids[2 + (mid & 127)] = slot << 16 | mid
    return to


@micropython.viper
def recent(table: ptr32, peer: ptr8, buf: ptr8, now: int, enter: int) -> int:
    """Look the message in buf up by `peer` and its Message ID in the table of recent ones; enter a new one if `enter`.

    Words of the table: [words of a row, number of sets - 1, ms that a CON and that a NON lives, bytes of an address],
    then rows in sets of four: when the message came, ms, -1 for never; in bytes its Message ID (2), its peer's address.
    Returns 1 for a duplicate, 0 for a new one, which has replaced the oldest of its set.
    """
    words = table[0]
    life = table[2]
    if int(buf[0]) & 0x10:
        life = table[3]
    length = table[4]
    high = int(buf[2])
    low = int(buf[3])
    h = high << 8 | low
    i = 0
    while i < length:
        h = (h * 33 + int(peer[i])) & 0xFFFFFF
        i += 1
    row = 5 + ((h ^ low << 1) & table[1]) * 4 * words
    stop = row + 4 * words
    oldest = row
    most = -1
    while row < stop:
        if table[row] >> 30 & 1:  # below 0 on every word length: a load does not extend the sign
            oldest = row
            most = 0x3FFFFFFF
        else:
            age = (now - table[row]) & 0x3FFFFFFF
            key = ptr8(uint(table) + (row + 1 << 2))
            if age < life and int(key[0]) == high and int(key[1]) == low:
                i = 0
                while i < length and key[2 + i] == peer[i]:
                    i += 1
                if i == length:
                    return 1
            if age > most:
                most = age
                oldest = row
        row += words
    if not enter:
        return 0
    table[oldest] = now
    key = ptr8(uint(table) + (oldest + 1 << 2))
    key[0] = high
    key[1] = low
    i = 0
    while i < length:
        key[2 + i] = peer[i]
        i += 1
    return 0


KEY_BYTES_A_WORD = 4
