# Time and heap that it takes to parse and to build a request, on whatever VM runs this; one line of JSON.
#
#     MICROPYPATH=lib micropython -X heapsize=256K parse_build.py
#     node vm32.mjs parse_build.py
#
# The yardstick is the obvious way: options as a list of tuples with decoded paths, a message as bytes put together.
import gc
import json
import sys
import time

from groupcoap.hot import VIPER
from groupcoap.message import Message, Writer

ROUNDS, TIMES, TIMES_COUNTED = 7, 10000, 40  # TIMES: the 32-bit VM counts whole milliseconds; TIMES_COUNTED: heap

# Token, T′ of Multicast-Timeout or None, path
SHORT = (b"\x11\x22", None, (b"temp",))
LONG = (b"\x11\x22\x33\x44\x55\x66\x77\x88", 60, (b"sensors", b"temp"))


def parse_plainly(data):
    end = 4 + (data[0] & 15)
    token, number, options, payload = data[4:end], 0, [], b""
    while end < len(data):
        if data[end] == 0xFF:
            payload = data[end + 1 :]
            break
        delta, length = data[end] >> 4, data[end] & 15  # both below 13 in these two
        number += delta
        value = data[end + 1 : end + 1 + length]
        options.append((number, value.decode() if number == 11 else value))
        end += 1 + length
    return data[0] >> 4 & 3, data[1], int.from_bytes(data[2:4], "big"), token, options, payload


def build_plainly(token, timeout, path):
    message = bytes([0x50 | len(token), 1, 0x12, 0x34]) + token
    last = 0
    if timeout is not None:
        message += bytes([0x21, timeout])
        last = 2
    for segment in path:
        message += bytes([11 - last << 4 | len(segment)]) + segment
        last = 11
    return message


def nothing(times):
    for _ in range(times):
        pass


def plain_parser(data):
    def run(times):
        for _ in range(times):
            parse_plainly(data)

    return run


def plain_builder(token, timeout, path):
    def run(times):
        for _ in range(times):
            build_plainly(token, timeout, path)

    return run


def parser(data):
    parse, n = Message().parse, len(data)

    def run(times):
        for _ in range(times):
            parse(data, n)

    return run


def builder(writer, token, timeout, path):
    begin, option, option_uint = writer.begin, writer.option, writer.option_uint

    def run(times):
        for _ in range(times):
            begin(1, 1, 0x1234, token)
            if timeout is not None:
                option_uint(2, timeout)
            for segment in path:
                option(11, segment)

    return run


def measure(run):
    run(10)
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.ticks_us()
        nothing(TIMES)
        middle = time.ticks_us()
        run(TIMES)
        times.append((time.ticks_diff(time.ticks_us(), middle) - time.ticks_diff(middle, start)) / TIMES)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    run(TIMES_COUNTED)
    allocated = gc.mem_alloc() - before
    gc.enable()
    return {"us": times, "bytes": allocated / TIMES_COUNTED}


def main():
    figures = {"vm": sys.version.split("; ")[-1], "viper": VIPER, "messages": []}
    for token, timeout, path in SHORT, LONG:
        data = build_plainly(token, timeout, path)
        writer = Writer(bytearray(64))
        build = builder(writer, token, timeout, path)
        build(1)
        assert writer.message() == data, "the two ways of building differ"
        message = Message()
        message.parse(data, len(data))
        assert [v for n, v in message.options() if n == 11] == list(path), "the two ways of parsing differ"
        figures["messages"].append(
            {
                "size": len(data),
                "parse": measure(parser(data)),
                "parse_plainly": measure(plain_parser(data)),
                "build": measure(build),
                "build_plainly": measure(plain_builder(token, timeout, path)),
            }
        )
    print(json.dumps(figures))


main()
