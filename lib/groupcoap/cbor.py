"""CBOR, strict and bounded: deterministic encoding, definite-length decoding (RFC 8949; sequences: RFC 8742).

One item has one encoding here: what `dumps` writes follows RFC 8949 §4.2.1, and `loads` refuses heads that are longer
than needed, indefinite lengths, duplicate map keys and text that isn't UTF-8. Left to the sender are the order of map
keys and the width of floats, which others choose differently. No length is believed: a string, array or map that
claims more than the input has left is refused before anything is allocated, and nesting ends at `depth`.

Values are None, bool, int (64 bits and a sign), float, str, bytes, list, dict, `CBORTag` and `CBORSimpleValue`. Map
keys are int, str or bytes, so that no two distinct ones meet in a dict. Boards round floats to single precision.
"""

import struct

from micropython import const

_DEPTH = const(8)  # arrays, maps and tags around the innermost item
_ANY = const(256)  # characters of a map key, or keys of other kinds
_MAX_SINGLE = 3.4028234663852886e38


class CBORDecodeError(ValueError):
    """The input isn't the CBOR that this module accepts; the text says what is wrong, and at which byte."""


class CBORTag:
    """A tagged item: `tag` is an unsigned integer, `value` any item."""

    def __init__(self, tag, value):
        self.tag = tag
        self.value = value

    def __eq__(self, other):
        return isinstance(other, CBORTag) and self.tag == other.tag and self.value == other.value

    def __repr__(self):
        return "CBORTag(%d, %r)" % (self.tag, self.value)


class CBORSimpleValue:
    """A simple value without a Python equivalent: 0–19, 23 (`undefined`) or 32–255."""

    def __init__(self, value):
        if not (0 <= value < 20 or value == 23 or 32 <= value < 256):
            raise ValueError("CBOR: a simple value is 0-19, 23 or 32-255, not %d" % value)
        self.value = value

    def __eq__(self, other):
        return isinstance(other, CBORSimpleValue) and self.value == other.value

    def __repr__(self):
        return "CBORSimpleValue(%d)" % self.value


undefined = CBORSimpleValue(23)


def utf8(data):
    """str of UTF-8 bytes (RFC 3629), or None if they aren't.

    MicroPython's own conversion lets overlong forms, surrogates and what is above U+10FFFF through.
    """
    before = 0
    for byte in data:
        if (
            byte > 0xF4
            or 0xC0 <= byte <= 0xC1
            or (before == 0xE0 and byte < 0xA0)
            or (before == 0xED and byte > 0x9F)
            or (before == 0xF0 and byte < 0x90)
            or (before == 0xF4 and byte > 0x8F)
        ):
            return None
        before = byte
    try:
        return str(data, "utf-8")
    except UnicodeError:
        return None


def loads(data, depth=_DEPTH):
    """The one item that `data` (bytes, bytearray or memoryview) holds. Raises CBORDecodeError."""
    decoder = _Decoder(data)
    item = decoder.item(depth)
    if decoder.at != decoder.end:
        raise CBORDecodeError("CBOR: %d bytes follow the item, expected none" % (decoder.end - decoder.at))
    return item


def loads_sequence(data, depth=_DEPTH):
    """List of the items of a CBOR sequence (RFC 8742); empty input is an empty sequence. Raises CBORDecodeError."""
    decoder = _Decoder(data)
    items = []
    while decoder.at != decoder.end:
        items.append(decoder.item(depth))
    return items


class _Decoder:
    def __init__(self, data):
        self.data = memoryview(data)
        self.at = 0
        self.end = len(data)

    def take(self, size, what):
        """Offset of the next `size` bytes, which are then behind."""
        at = self.at
        if size > self.end - at:
            raise CBORDecodeError("CBOR: %s of %d bytes at byte %d, %d left" % (what, size, at, self.end - at))
        self.at = at + size
        return at

    def item(self, depth):
        start = self.take(1, "item")
        head = self.data[start]
        major = head >> 5
        info = head & 31
        if info > 27:
            raise CBORDecodeError("CBOR: indefinite length or reserved head at byte %d" % start)
        size = 1 << info - 24 if info > 23 else 0
        at = self.take(size, "argument")
        if major == 7 and info > 24:
            return struct.unpack_from((">e", ">f", ">d")[info - 25], self.data, at)[0]
        argument = int.from_bytes(self.data[at : self.at], "big") if size else info
        # The least that needs this size of argument; for a simple value, 32.
        if size and argument < (32 if major == 7 else 24 if size == 1 else 1 << 4 * size):
            raise CBORDecodeError("CBOR: %d at byte %d has a longer head than it needs" % (argument, start))

        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2 or major == 3:
            at = self.take(argument, "string")
            data = self.data[at : self.at]
            text = bytes(data) if major == 2 else utf8(data)
            if text is None:
                raise CBORDecodeError("CBOR: text at byte %d is not UTF-8" % start)
            return text
        if major == 7:
            if 20 <= argument <= 22:
                return (False, True, None)[argument - 20]
            return undefined if argument == 23 else CBORSimpleValue(argument)
        if depth < 1:
            raise CBORDecodeError("CBOR: nested too deep at byte %d" % start)
        if major == 6:
            return CBORTag(argument, self.item(depth - 1))
        if argument > self.end - self.at:  # an item is a byte at least
            raise CBORDecodeError("CBOR: %d items at byte %d, %d bytes left" % (argument, start, self.end - self.at))
        if major == 4:
            return [self.item(depth - 1) for _ in range(argument)]
        result = {}
        for _ in range(argument):
            at = self.at
            key = self.item(depth - 1)
            if type(key) not in (int, str, bytes) or key in result:
                raise CBORDecodeError("CBOR: map key at byte %d is a duplicate, or no integer or string" % at)
            result[key] = self.item(depth - 1)
        return result


def dumps(obj, depth=_DEPTH):
    """The deterministic encoding of `obj` as bytes. Tuples count as lists; bytearray and memoryview as bytes.

    Raises TypeError for what has no encoding, ValueError for integers beyond 64 bits and nesting beyond `depth`.
    """
    out = bytearray()
    dump_to(out, obj, depth)
    return bytes(out)


def head(out, major, argument):
    """Add the head of an item, its major type and argument (RFC 8949 §3), to a bytearray. Raises ValueError."""
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info in range(4):
        size = 1 << info
        if argument >> 8 * size == 0:
            out.append(major << 5 | 24 + info)
            out.extend(argument.to_bytes(size, "big"))
            return
    raise ValueError("CBOR: integer beyond 64 bits")


def dump_to(out, obj, depth=_DEPTH):
    """Add what `dumps` gives for `obj` to a bytearray, which takes no more heap where that has room."""
    if obj is None or obj is True or obj is False:
        out.append(0xF6 if obj is None else 0xF5 if obj else 0xF4)
    elif isinstance(obj, int):
        head(out, 1 if obj < 0 else 0, -1 - obj if obj < 0 else obj)
    elif isinstance(obj, str):
        data = obj.encode()
        head(out, 3, len(data))
        out.extend(data)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        head(out, 2, len(obj))
        out.extend(obj)
    elif isinstance(obj, float):
        _encode_float(out, obj)
    elif isinstance(obj, CBORSimpleValue):
        head(out, 7, obj.value)
    elif depth < 1:
        raise ValueError("CBOR: nested too deep")
    elif isinstance(obj, (list, tuple)):
        head(out, 4, len(obj))
        for item in obj:
            dump_to(out, item, depth - 1)
    elif isinstance(obj, dict):
        head(out, 5, len(obj))
        longest = 0
        for key in obj:
            if type(key) not in (int, str, bytes):
                raise TypeError("CBOR: a map key is int, str or bytes, not %s" % type(key))
            ascii = type(key) is str and len(key.encode()) == len(key)
            longest = max(longest, len(key) if ascii else _ANY)
        if longest < _ANY:  # ASCII: the shorter first, which is found out with less heap than the encodings take
            keys = sorted(obj)
            for length in range(longest + 1):
                for key in keys:
                    if len(key) == length:
                        dump_to(out, key, depth)
                        dump_to(out, obj[key], depth - 1)
            return
        for key in sorted(obj, key=dumps):
            dump_to(out, key, depth)
            dump_to(out, obj[key], depth - 1)
    elif isinstance(obj, CBORTag):
        head(out, 6, obj.tag)
        dump_to(out, obj.value, depth - 1)
    else:
        raise TypeError("CBOR: no encoding for %s" % type(obj))


def _encode_float(out, value):
    """The shortest of half, single and double that keeps the value; NaN is f97e00 (RFC 8949 §4.2.1, §4.2.2).

    The half is made from the single's bits: MicroPython's own packing of halves misses some subnormals.
    """
    if value != value:
        out.extend(b"\xf9\x7e\x00")
        return
    fits = -_MAX_SINGLE <= value <= _MAX_SINGLE or value - value != 0  # infinity minus itself is no number
    single = struct.pack(">f", value) if fits else b""
    if not fits or struct.unpack(">f", single)[0] != value:
        out.append(0xFB)
        out.extend(struct.pack(">d", value))
        return
    bits = int.from_bytes(single, "big")
    exponent = bits >> 23 & 255
    mantissa = bits & 0x7FFFFF
    half = -1
    if value == 0:
        half = 0
    elif exponent == 255:
        half = 0x7C00
    elif 113 <= exponent <= 142 and mantissa & 0x1FFF == 0:
        half = exponent - 112 << 10 | mantissa >> 13
    elif 103 <= exponent <= 112:  # a subnormal half, if what is shifted out is zero
        mantissa |= 0x800000
        shift = 126 - exponent
        if mantissa >> shift << shift == mantissa:
            half = mantissa >> shift
    if half < 0:
        out.append(0xFA)
        out.extend(single)
    else:
        out.append(0xF9)
        out.extend((bits >> 16 & 0x8000 | half).to_bytes(2, "big"))
