"""One CoAP message (RFC 7252 §3): parsed where it lies, encoded into a buffer that the caller owns.

`Message.parse` checks a whole datagram once; nothing downstream checks a length again. Options are then found by
walking, a value is an offset and a length, and nothing is copied. One Message and one Writer serve a node for ever.
"""

from array import array

from micropython import const

from .hot import copy, head, scan, walk

_URI_PATH = const(11)

# Fields of a parsed message in `Message.fields`
_FIRST = const(0)  # offset of the first option
_PAYLOAD = const(1)  # offset of the payload, or of the end
_SEEN = const(2)  # bit n: option n is there; bit 29: one above 28, or one too long
_CURSOR = const(3)  # offset of the next option
_NUMBER = const(4)  # number of the option that `walk` found
_VALUE = const(5)  # its value's offset
_LENGTH = const(6)  # its value's length
_END = const(7)  # offset of the end of the options
_HEAD = const(8)  # offset of the found option's header
_BEFORE = const(9)  # number of the option in front of it
# 10: the length of the datagram
_LONGEST = const(11)  # the greatest length that is taken

_REASONS = (  # one text, as each takes heap by itself
    "shorter than a header"
    "|version is not 1"
    "|token length above 8 or past the end"
    "|empty message with more than a header"
    "|reserved code class"
    "|payload marker without a payload"
    "|option header, number or length past its bound"
    "|longer than is taken here"
)


class FormatError(ValueError):
    """These bytes are no CoAP message; the text says why (RFC 7252 §3). They are dropped or reset, never answered."""


class Message:
    """A received datagram, read in place. Valid until the next `parse`; slices are views of the datagram.

    buf, end: the datagram and its length in bytes; code; path: the 24-bit hash of the Uri-Path. The rest are methods: a
    class with one property stores every attribute slowly on MicroPython. longest: bytes of a datagram that is taken.
    """

    security = None  # of one that came protected: the `oscore` exchange that says by whom

    def __init__(self, longest=65535):
        self.fields = array("i", bytes(48))
        self.fields[_LONGEST] = longest
        self.buf = b""
        self.end = self.code = self.path = 0

    def parse(self, buf, n):
        """Take the first n bytes of buf as one message. Raises FormatError."""
        self.buf = buf
        self.end = n
        self.path = path = scan(buf, n, self.fields)
        if path < 0:
            raise FormatError(_REASONS.split("|")[-1 - path])
        self.code = buf[1]

    def type(self):
        """CON, NON, ACK or RST."""
        return self.buf[0] >> 4 & 3

    def mid(self):
        """The Message ID."""
        return self.buf[2] << 8 | self.buf[3]

    def token(self):
        """The token: 0 to 8 bytes."""
        return bytes(memoryview(self.buf)[4 : self.fields[_FIRST]])

    def payload(self):
        """A view of the payload; empty if there is none."""
        return memoryview(self.buf)[self.fields[_PAYLOAD] : self.end]

    def payload_length(self):
        """Length of the payload in bytes."""
        return self.end - self.fields[_PAYLOAD]

    def seen(self):
        """Which options are there: bit n for option n below 29, bit 29 for any above."""
        return self.fields[_SEEN]

    def rewind(self):
        """Put the cursor before the first option."""
        f = self.fields
        f[_CURSOR] = f[_FIRST]
        f[_NUMBER] = 0

    def step(self):
        """Move to the next option: its number, or -1 at the end. `length`, `value`, `uint` then speak of it."""
        return walk(self.buf, self.fields, 0)

    def find(self, number):
        """Move to the first option of this number: its length in bytes, or -1."""
        f = self.fields
        f[_CURSOR] = f[_FIRST]
        f[_NUMBER] = 0
        if walk(self.buf, f, number) == number:
            return f[_LENGTH]
        return -1

    def length(self):
        """Length in bytes of the option under the cursor."""
        return self.fields[_LENGTH]

    def value(self):
        """A view of the option under the cursor."""
        at = self.fields[_VALUE]
        return memoryview(self.buf)[at : at + self.fields[_LENGTH]]

    def uint(self):
        """The option under the cursor as an unsigned integer (RFC 7252 §3.2)."""
        at = self.fields[_VALUE]
        value = 0
        for i in range(at, at + self.fields[_LENGTH]):
            value = value << 8 | self.buf[i]
        return value

    def option(self, number, default=None):
        """The first option of this number as bytes, or `default`."""
        return bytes(self.value()) if self.find(number) >= 0 else default

    def option_uint(self, number, default=None):
        """The first option of this number as an unsigned integer, or `default`."""
        return self.uint() if self.find(number) >= 0 else default

    def options(self):
        """Every option as (number, bytes), in order."""
        found = []
        self.rewind()
        while (number := self.step()) >= 0:
            found.append((number, bytes(self.value())))
        return found


class Writer:
    """Encodes one message at a time into `buf`. Options go in by rising number; `last` is that of the last one.

    `end` is the length so far in bytes.
    Raises ValueError when the buffer is full, when an option comes out of order or when its length is above 65,804.
    """

    def __init__(self, buf):
        self.buf = buf
        self.size = len(buf)
        self.end = 0
        self.last = 0

    def begin(self, kind, code, mid, token=b"", start=0, length=-1):
        """Start a message with the token at token[start:start + length] (by default all of it, 0 to 8 bytes)."""
        if length < 0:
            length = len(token)
        buf = self.buf
        buf[0] = 0x40 | kind << 4 | length
        buf[1] = code
        buf[2] = mid >> 8
        buf[3] = mid & 255
        self.end = copy(buf, 4, token, start, length)
        self.last = 0

    def option(self, number, value=b"", start=0, length=-1):
        """Append an option with the bytes value[start:start + length] (by default all of it)."""
        if length < 0:
            length = len(value)
        delta = number - self.last
        if delta < 0:
            raise ValueError("option %d after option %d" % (number, self.last))
        if self.end + 5 + length > self.size or length > 65804:
            raise ValueError("no room for option %d of %d bytes" % (number, length))
        self.end = copy(self.buf, head(self.buf, self.end, delta, length), value, start, length)
        self.last = number

    def option_uint(self, number, value):
        """Append an option with an unsigned integer below 2^32 in as few bytes as hold it (RFC 7252 §3.2)."""
        length = 0
        rest = value
        while rest:
            length += 1
            rest >>= 8
        self.option(number, b"\0\0\0\0", 0, length)
        at = self.end
        while length:
            length -= 1
            at -= 1
            self.buf[at] = value & 255
            value >>= 8

    def copy_options(self, message, below=65536):
        """Append the options of `message` from its cursor on whose number is less than `below`.

        They are copied as they lie, but for the header of the first; the cursor ends before the first not copied.
        """
        f = message.fields
        src = message.buf
        first = walk(src, f, 0)
        if first < 0 or first >= below:
            f[_CURSOR] = f[_HEAD]
            f[_NUMBER] = f[_BEFORE]
            return
        self.option(first, src, f[_VALUE], f[_LENGTH])
        start = f[_CURSOR]
        self.last = first
        if walk(src, f, below) >= 0:
            f[_CURSOR] = f[_HEAD]
            f[_NUMBER] = f[_BEFORE]
        length = f[_CURSOR] - start
        if length:
            if self.end + length > self.size:
                raise ValueError("no room for %d bytes of options" % length)
            self.end = copy(self.buf, self.end, src, start, length)
            self.last = f[_NUMBER]

    def copy_option(self, message, number):
        """Append the option under the cursor of `message`, which has this number."""
        f = message.fields
        self.option(number, message.buf, f[_VALUE], f[_LENGTH])

    def copy_payload(self, message):
        """Append the payload of `message`, if it has one."""
        start = message.fields[_PAYLOAD]
        self.payload(message.buf, start, message.end - start)

    def payload(self, value, start=0, length=-1):
        """Append the payload marker and value[start:start + length]; nothing if that is empty (RFC 7252 §3)."""
        if length < 0:
            length = len(value)
        if length:
            at = self.end
            if at + 1 + length > self.size:
                raise ValueError("no room for a payload of %d bytes" % length)
            self.buf[at] = 0xFF
            self.end = copy(self.buf, at + 1, value, start, length)

    def message(self):
        """What was written, as bytes of its own."""
        return bytes(memoryview(self.buf)[: self.end])


def uint_bytes(value):
    """An unsigned integer as the value of an option: no leading zero bytes, 0 is empty (RFC 7252 §3.2)."""
    if value < 0:
        raise ValueError("%d: expected an unsigned integer" % value)
    length = 0
    while value >> 8 * length:
        length += 1
    return value.to_bytes(length, "big")


def encoded(options):
    """The options of a message, pairs (number, bytes) by rising number, as they stand behind its token."""
    w = Writer(bytearray(5 + sum([5 + len(value) for _, value in options])))
    w.begin(0, 0, 0)
    for number, value in options:
        w.option(number, value)
    return w.message()[4:]


def insert(pairs, number, value):
    """Put an option into a list of pairs (number, bytes), behind those of its number and below."""
    i = len(pairs)
    while i and pairs[i - 1][0] > number:
        i -= 1
    pairs.insert(i, (number, value))


def with_options(pairs, more):
    """The options of `pairs`, which are in order, and of `more`: a list by rising number, `more` behind its equals."""
    found = list(pairs)
    for number, value in more:
        insert(found, number, value)
    return found


def option_of(pairs, number):
    """The value of the first option of this number in `pairs`, or None."""
    for found, value in pairs:
        if found == number:
            return value
    return None


def path_hash(segments):
    """The hash that `Message.parse` finds for a Uri-Path of these segments, bytes each."""
    datagram = b"\x40\x01\0\0" + encoded([(_URI_PATH, segment) for segment in segments])
    m = Message()
    m.parse(datagram, len(datagram))
    return m.path


def rewrite(out, m, drop, put):
    """Append the options and the payload of m to a Writer, without the options numbered in `drop`, with those in `put`.

    put: (number, bytes) by rising number; one comes behind those of m with its number. Raises ValueError.
    """
    at = 0
    m.rewind()
    while True:
        number = m.step()
        while at < len(put) and (number < 0 or number > put[at][0]):
            out.option(put[at][0], put[at][1])
            at += 1
        if number < 0:
            break
        if number not in drop:
            out.copy_option(m, number)
    out.copy_payload(m)
