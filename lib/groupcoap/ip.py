"""IP addresses from their text (RFC 3986 §3.2.2); a node that only serves needs this for its configuration alone."""


def ip_bytes(text):
    """4 or 16 bytes from the text of an IPv4 or IPv6 address (RFC 3986 §3.2.2; no zone, no brackets)."""
    ip = ipv6(text) if ":" in text else ipv4(text)
    if ip is None:
        raise ValueError("address %r: expected an IPv4 or IPv6 address" % text)
    return ip


def packed(text, port=5683):
    """Packed address from an IP address and perhaps a port, as they stand in a URI: 192.0.2.5:61616, [ff02::fd]."""
    if text[:1] == "[":
        literal, end, rest = text[1:].partition("]")
        ip = ipv6(literal) if end and rest[:1] in ("", ":") else None
    else:
        literal, _, rest = text.partition(":")
        rest = text[len(literal) :]
        ip = ipv4(literal)
    if rest:
        port = digits_value(rest[1:], 10)
    if ip is None or not 0 <= port <= 65535:
        raise ValueError("address %r: expected an IP address, with brackets if IPv6, and perhaps :port" % text)
    return ip + port.to_bytes(2, "big")


def digits_value(text, base):
    """Value of one or more digits, or -1; int() would also take signs, underscores and other scripts' digits."""
    value = 0 if text else -1
    for char in text:
        digit = "0123456789abcdef".find(char)
        if not 0 <= digit < base:
            return -1
        value = min(value * base + digit, 0x10000)  # more than any of them may be
    return value


def ipv4(text):
    """4 bytes from the text of an IPv4 address, or None if it isn't one."""
    ip = bytearray()
    for part in text.split("."):
        value = digits_value(part, 10)
        if not 0 <= value <= 255 or (part[0] == "0" and part != "0"):
            return None
        ip.append(value)
    return bytes(ip) if len(ip) == 4 else None


def ipv6(text):
    """16 bytes from the text of an IPv6 address without brackets, or None if it isn't one."""
    text = text.lower()
    if "." in text:  # an IPv4 address is the last two groups
        start = text.rfind(":") + 1
        ip = ipv4(text[start:])
        if ip is None:
            return None
        text = "%s%x:%x" % (text[:start], ip[0] << 8 | ip[1], ip[2] << 8 | ip[3])
    before, gap, after = text.partition("::")
    before, after = _groups(before), _groups(after)
    if before is None or after is None:
        return None
    missing = 16 - len(before) - len(after)
    if missing < 2 if gap else missing:
        return None
    return bytes(before) + bytes(missing) + bytes(after)


def _groups(text):
    packed = bytearray()
    for group in text.split(":") if text else ():
        value = digits_value(group, 16)
        if value < 0 or len(group) > 4:
            return None
        packed.extend(value.to_bytes(2, "big"))
    return packed
