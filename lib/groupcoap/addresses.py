"""Packed addresses, the one form of an address everywhere under `groupcoap`, and their text; `ip` reads text.

A packed address is bytes: the IP address (4 or 16), then the port (2, big endian). So its length tells what it is: 4 or
16 is an IP address, 6 or 18 one with a port.
"""


def ip_text(ip):
    """Text of an IP address of 4 or 16 bytes; IPv6 in the canonical form (RFC 5952)."""
    if len(ip) == 4:
        return "%d.%d.%d.%d" % tuple(ip)
    if len(ip) != 16:
        raise ValueError("IP address of %d bytes: expected 4 or 16" % len(ip))
    if not any(ip[:10]) and ip[10] == ip[11] == 255:
        return "::ffff:" + ip_text(ip[12:])
    groups = [ip[i] << 8 | ip[i + 1] for i in range(0, 16, 2)]
    start = length = run = 0  # the longest run of zeros, the first of equals
    for i, group in enumerate(groups):
        run = 0 if group else run + 1
        if run > length:
            start, length = i - run + 1, run
    text = ["%x" % group for group in groups]
    if length < 2:
        return ":".join(text)
    return ":".join(text[:start]) + "::" + ":".join(text[start + length :])


def pack(ip, port=5683):
    """The packed address of `ip`, 4 or 16 bytes or their text, and `port`."""
    if isinstance(ip, str):
        from .ip import ip_bytes

        ip = ip_bytes(ip)
    if len(ip) not in (4, 16) or not 0 <= port <= 65535:
        raise ValueError("IP address of %d bytes, port %d: expected 4 or 16 bytes, 0-65535" % (len(ip), port))
    return bytes(ip) + port.to_bytes(2, "big")


def address_text(address, default_port=5683):
    """Text of a packed address as in a URI: IPv6 in brackets, the port left out where it is `default_port`."""
    text = ip_text(address[:-2])
    if len(address) == 18:
        text = "[" + text + "]"
    port = address[-2] << 8 | address[-1]
    return text if port == default_port else "%s:%d" % (text, port)


def is_multicast(address):
    """Is this IP address, or packed address, one of a group: 224.0.0.0/4 or ff00::/8?"""
    return address[0] & 0xF0 == 0xE0 if len(address) < 16 else address[0] == 0xFF
