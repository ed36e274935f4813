"""The functions of `_viper` for VMs that have no Viper: CPython, WebAssembly, and boards without a native emitter.

A test on the unix port holds the two against each other; the docstrings are there.
"""


def scan(buf, n, f):
    if n < 4:
        return -1
    if n > f[11]:
        return -8
    if buf[0] >> 6 != 1:
        return -2
    at = 4 + (buf[0] & 15)
    if at > 12 or at > n:
        return -3
    code = buf[1]
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
        b = buf[at]
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
                delta = buf[at] + 13
                at += 1
            elif delta == 14 and at + 1 < n:
                delta = (buf[at] << 8) + buf[at + 1] + 269
                at += 2
            else:
                return -7
        if size > 12:
            if size == 13 and at < n:
                size = buf[at] + 13
                at += 1
            elif size == 14 and at + 1 < n:
                size = (buf[at] << 8) + buf[at + 1] + 269
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
                h = (h * 33 + buf[at]) & 0xFFFFFF
                at += 1
        at = end
        if number < 29:
            seen |= 1 << number
        if number > 28 or size > 255:  # longer than any of those below is to be
            seen |= 1 << 29
    f[2] = seen
    return h


def walk(buf, f, target):
    at = f[3]
    number = f[4]
    end = f[7]
    while at < end:
        f[8] = at
        f[9] = number
        delta = buf[at] >> 4
        size = buf[at] & 15
        at += 1
        if delta == 13:
            delta = buf[at] + 13
            at += 1
        elif delta == 14:
            delta = (buf[at] << 8) + buf[at + 1] + 269
            at += 2
        if size == 13:
            size = buf[at] + 13
            at += 1
        elif size == 14:
            size = (buf[at] << 8) + buf[at + 1] + 269
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


def head(dst, at, delta, size):
    first = at
    at += 1
    high = delta
    if delta > 268:
        high = 14
        dst[at] = (delta - 269) >> 8
        dst[at + 1] = (delta - 269) & 255
        at += 2
    elif delta > 12:
        high = 13
        dst[at] = delta - 13
        at += 1
    low = size
    if size > 268:
        low = 14
        dst[at] = (size - 269) >> 8
        dst[at + 1] = (size - 269) & 255
        at += 2
    elif size > 12:
        low = 13
        dst[at] = size - 13
        at += 1
    dst[first] = high << 4 | low
    return at


def copy(dst, at, src, start, n):
    end = at + n
    while at < end:
        dst[at] = src[start]
        at += 1
        start += 1
    return at


def same(a, at, b, start, n):
    end = at + n
    while at < end:
        if a[at] != b[start]:
            return False
        at += 1
        start += 1
    return True


def match(rows, slots, buf, peer):
    if buf[0] & 15 != 8 or buf[4] >= slots:
        return -1
    at = buf[4] << 5
    if not same(rows, at, buf, 4, 8) or not same(rows, at + 9, peer, 0, rows[at + 8]):
        return -1
    return buf[4]


def answer(dst, src, code, mids, options, size, payload, length):
    token = src[0] & 15
    if 5 + token + size + length > mids[1]:
        return 0
    if src[0] & 0x30:
        mids[0] = mid = (mids[0] + 1) & 0xFFFF
        dst[0] = 0x50 | token
        dst[2] = mid >> 8
        dst[3] = mid & 255
    else:
        dst[0] = 0x60 | token
        dst[2] = src[2]
        dst[3] = src[3]
    dst[1] = code
    at = copy(dst, copy(dst, 4, src, 4, token), options, 0, size)
    if length:
        dst[at] = 0xFF
        at = copy(dst, at + 1, payload, 0, length)
    return at


def path_is(buf, f, path, n):
    at = f[0]
    end = f[7]
    number = 0
    p = 0
    while at < end:
        delta = buf[at] >> 4
        size = buf[at] & 15
        at += 1
        if delta == 13:
            delta = buf[at] + 13
            at += 1
        elif delta == 14:
            delta = (buf[at] << 8) + buf[at + 1] + 269
            at += 2
        if size == 13:
            size = buf[at] + 13
            at += 1
        elif size == 14:
            size = (buf[at] << 8) + buf[at + 1] + 269
            at += 2
        number += delta
        if number > 11:
            break
        if number == 11:
            if p + size >= n or path[p] != size:
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


def relay(dst, src, f, clients, slot, mids, number, value, look):
    if f[2] & look:
        return 0
    at = slot * 12
    token = clients[at + 3]
    size = value[0]
    start = f[0]
    end = f[7]
    if f[10] + token + size + 10 > mids[1]:
        return 0
    mid = (mids[0] + 1) & 0xFFFF
    mids[0] = mid
    dst[0] = 0x50 | token
    dst[1] = src[1]
    dst[2] = mid >> 8
    dst[3] = mid & 255
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
        delta = src[start] >> 4
        length = src[start] & 15
        start += 1
        if delta == 13:
            delta = src[start] + 13
            start += 1
        elif delta == 14:
            delta = (src[start] << 8) + src[start + 1] + 269
            start += 2
        if length == 13:
            length = src[start] + 13
            start += 1
        elif length == 14:
            length = (src[start] << 8) + src[start + 1] + 269
            start += 2
        seen += delta
        if seen & 2 and length > 3:  # no unsafe option of a response is longer, but for Max-Age
            if seen != 14 or length > 4:
                return 0
        stop = start + length
        if number and seen > number:
            to = head(dst, to, number - last, size)
            to = copy(dst, to, value, 1, size)
            last = number
            number = 0
        if number == 0 or seen != number:
            if seen - last == delta:
                start = first
            else:
                to = head(dst, to, seen - last, length)
            while start < stop:
                dst[to] = src[start]
                to += 1
                start += 1
            last = seen
        start = stop
    if number:
        to = head(dst, to, number - last, size)
        to = copy(dst, to, value, 1, size)
    end = f[10]
    while start < end:
        dst[to] = src[start]
        to += 1
        start += 1
    at = slot * 12
    end = at + 3
    while at < end:
        clients[at] = clients[at] + 1 & 255
        if clients[at]:
            at = end
        at += 1
    mids[2 + (mid & 127)] = slot << 16 | mid
    return to


def recent(table, peer, buf, now, enter):
    # Without pointers, a byte of a row's key takes a word.
    words = table[0]
    life = table[2]
    if buf[0] & 0x10:
        life = table[3]
    length = table[4]
    high = buf[2]
    low = buf[3]
    h = high << 8 | low
    for i in range(length):
        h = (h * 33 + peer[i]) & 0xFFFFFF
    row = 5 + ((h ^ low << 1) & table[1]) * 4 * words
    oldest = row
    most = -1
    stop = row + 4 * words
    while row < stop:
        if table[row] < 0:
            oldest = row
            most = 0x3FFFFFFF
        else:
            age = (now - table[row]) & 0x3FFFFFFF
            if age < life and table[row + 1] == high and table[row + 2] == low:
                i = 0
                while i < length and table[row + 3 + i] == peer[i]:
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
    table[oldest + 1] = high
    table[oldest + 2] = low
    for i in range(length):
        table[oldest + 3 + i] = peer[i]
    return 0


KEY_BYTES_A_WORD = 1
