# Time and heap of protecting and unprotecting messages, by OSCORE and by a group in either mode; one line of JSON.
#
#     MICROPYPATH=lib micropython -X heapsize=2M sealed.py FOLDER TIMES
#
# FOLDER has the files of secure_keys.py: alice-to-hall.json, hall-from-alice.json, building-alice.json and
# building-hall.json. Beside the times stand those of two multiplications of a point, double and add.
import gc
import json
import sys
import time

from double_and_add import BASE, plainly
from groupcoap import numbers as n
from groupcoap.message import Message, Writer
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.curve import hot
from heap import allocated, kept
from key_files import Maker, parsed, plain

PAYLOADS = (16, 64, 256, 1024)
STEPS = ("protect a request", "unprotect it", "protect a response", "unprotect that")
SLOW = 8  # times less for a message that is signed
COUNTED = 8  # messages whose heap is counted


class Pair:
    """A client and a server, and one message after the other between them."""

    def __init__(self, client, server, to, length):
        self.client, self.server, self.to = client, server, to
        groups = [server] if server.signs else []
        self.contexts = Contexts([] if groups else [server], groups)
        self.payload = bytes(range(256)) * (length // 256) + bytes(range(length % 256))
        self.request = parsed(plain(n.POST, self.payload))
        self.response = parsed(plain(n.CONTENT, self.payload))
        self.out = Writer(bytearray(1400))
        self.back = Writer(bytearray(1400))
        self.data = Message()

    def protect_request(self):
        if self.to is None:
            self.asked, sealing = self.client.seal_request(self.request, self.out)
        else:
            self.asked, sealing = self.client.seal_request(self.request, self.out, False, self.to)
        while not sealing.step():
            pass
        sealing.finish()

    def unprotect_request(self):
        self.data.parse(self.out.buf, self.out.end)
        opening = self.contexts.open_request(self.data)
        while not opening.step():
            pass
        self.exchange = opening.finish(self.back)

    def protect_response(self):
        sealing = self.exchange.seal(self.response, self.out)
        while not sealing.step():
            pass
        sealing.finish()

    def unprotect_response(self):
        self.data.parse(self.out.buf, self.out.end)
        opening = self.asked.open(self.data)
        while not opening.step():
            pass
        opening.finish(self.back)

    def steps(self):
        return self.protect_request, self.unprotect_request, self.protect_response, self.unprotect_response

    def once(self):
        for step in self.steps():
            step()
            if step == self.unprotect_request or step == self.unprotect_response:
                assert self.back.message()[-len(self.payload) :] == self.payload


def timed(pair, times):
    """µs of each step: medians, as this computer may have other things to do."""
    spent = [[] for _ in STEPS]
    steps = pair.steps()
    gc.collect()
    for _ in range(times):
        gc.disable()  # what a collection takes is what the heap beside it makes of the size of a heap
        for i in range(len(steps)):
            step = steps[i]
            start = time.ticks_us()
            step()
            end = time.ticks_us()
            spent[i].append(time.ticks_diff(end, start))
        gc.enable()
        if gc.mem_free() < 300000:
            gc.collect()
    return [sorted(each)[times // 2] for each in spent]


def heap_of(pair):
    """Bytes of heap that each step takes, what is garbage then included."""
    rounds = [[allocated(step) for step in pair.steps()] for _ in range(COUNTED)]
    return [sum(taken) / COUNTED for taken in zip(*rounds)]


def main(folder, times):
    maker = Maker(folder)
    oscore = maker.context("alice-to-hall"), maker.context("hall-from-alice")
    group = maker.group("building-alice"), maker.group("building-hall")
    hall = [member for member in group[0].members if member.name == "hall"][0]
    modes = {"OSCORE": (oscore, None), "group mode": (group, None), "pairwise mode": (group, hall)}
    found = {"viper": hot.VIPER, "vm": sys.version.split("; ")[-1], "us": {}, "heap": {}}
    for mode, (ends, to) in modes.items():
        found["us"][mode] = []
        found["heap"][mode] = []
        for length in PAYLOADS:
            pair = Pair(ends[0], ends[1], to, length)
            pair.once()  # keys that are derived at first, and that it is right
            found["us"][mode].append(timed(pair, times // (SLOW if mode == "group mode" else 1) or 1))
            found["heap"][mode].append(heap_of(pair))
    scalar = int.from_bytes(bytes(range(1, 32)) + b"\x40", "little")
    gc.collect()
    start = time.ticks_us()
    plainly(scalar, BASE)
    plainly(scalar, BASE)
    found["plain"] = time.ticks_diff(time.ticks_us(), start)

    def exchange():
        pair.protect_request()
        pair.unprotect_request()
        return pair.exchange

    pair = Pair(oscore[0], oscore[1], None, 16)
    exchange()
    found["kept"] = {
        "an OSCORE context": kept(lambda: maker.context("alice-to-hall")),
        "a group of %d members" % (len(group[0].members) + 1): kept(lambda: maker.group("building-alice")),
        "a request whose answer is still to come": kept(lambda: [exchange() for _ in range(8)]) // 8,
    }
    print(json.dumps(found))


main(sys.argv[1], int(sys.argv[2]))
