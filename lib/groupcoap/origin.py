"""Who has answered, written as bytes: the values of Reply-From and of Response-Forwarding, its predecessor.

Both are of so few forms that they are put byte by byte into a send buffer, without allocating and without `cbor`; `cri`
reads them. Reply-From is the CRI `[-1, [IP, port?]]` (draft-ietf-core-href), Response-Forwarding a tagged IP address.
"""

from micropython import const

_COAP_PORT = const(5683)


def write_reply_from(buf, at, address):
    """Write Reply-From for `coap://IP:port` of a packed address into `buf` at `at`; returns its length, at most 23."""
    size = len(address) - 2
    port = address[size] << 8 | address[size + 1]
    buf[at] = 0x82
    buf[at + 1] = 0x20  # scheme-id -1
    buf[at + 2] = 0x81 if port == _COAP_PORT else 0x82
    buf[at + 3] = 0x40 | size
    for i in range(size):
        buf[at + 4 + i] = address[i]
    size += 4
    if port == _COAP_PORT:
        return size
    if port < 24:
        buf[at + size] = port
        return size + 1
    if port < 256:
        buf[at + size] = 0x18
        buf[at + size + 1] = port
        return size + 2
    buf[at + size] = 0x19
    buf[at + size + 1] = port >> 8
    buf[at + size + 2] = port & 255
    return size + 3


def write_response_forwarding(buf, at, address, tag=260):
    """Write Response-Forwarding, a tagged IP address (or packed address, less its port); returns the length, ≤ 20.

    `tag` is 260, or for today's reading of the slides 52 (IPv4) or 54 (IPv6, RFC 9164).
    """
    size = 4 if len(address) < 16 else 16
    start = at
    if tag > 255:
        buf[at] = 0xD9
        buf[at + 1] = tag >> 8
        at += 1
    else:
        buf[at] = 0xD8
    buf[at + 1] = tag & 255
    buf[at + 2] = 0x40 | size
    at += 3
    for i in range(size):
        buf[at + i] = address[i]
    return at + size - start
