"""Percent-encoding of a URI's components (RFC 3986 §2.1); `uri` decodes."""

PATH_SAFE = b"-._~!$&'()*+,;=:@"  # what a path segment may have besides letters and digits; `uri` has the others


def percent_encode(data, safe):
    """Text of bytes, where all but letters, digits and the characters in `safe` becomes %XX."""
    for byte in data:
        if byte not in safe and not (byte < 128 and chr(byte).isalpha() or 48 <= byte < 58):
            break
    else:
        return str(data, "utf-8")
    text = ""
    for byte in data:
        char = chr(byte)
        plain = "a" <= char <= "z" or "A" <= char <= "Z" or "0" <= char <= "9" or byte in safe
        text += char if plain else "%%%02X" % byte
    return text
