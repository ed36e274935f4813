"""The functions of `_viper` for VMs that have no Viper: CPython, WebAssembly, and boards without a native emitter.

A test on the unix port holds the two against each other; the docstrings are there.
"""

def scan(buf, n, f):
    if n < 4:
        return -1
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
        else:
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


def answer(dst, src, kind, code, mid):
    size = src[0] & 15
    dst[0] = 0x40 | kind << 4 | size
    dst[1] = code
    if mid < 0:
        dst[2] = src[2]
        dst[3] = src[3]
    else:
        dst[2] = mid >> 8
        dst[3] = mid & 255
    end = 4 + size
    at = 4
    while at < end:
        dst[at] = src[at]
        at += 1
    return end


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


def recent(rows, times, where, peer, mid, now):
    size = where[1]
    length = where[4]
    h = mid
    i = 0
    while i < length:
        h = (h * 33 + peer[i]) & 0xFFFFFF
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
            if age < where[3] and rows[base] == mid >> 8 and rows[base + 1] == mid & 255:
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
