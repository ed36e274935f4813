# Time, steps and heap of Ed25519, X25519 and SHA-512, on whatever VM runs this; one line of JSON.
#
#     MICROPYPATH=lib micropython -X heapsize=2M curve.py
#     node vm32.mjs curve.py 2097152
#
# The yardstick of a verification is two multiplications of a point as a textbook has them, double and add, in extended
# coordinates (RFC 8032 §5.1.4), with the same field arithmetic, and without the hash, decoding and the comparison.
import gc
import json
import sys
import time

gc.collect()
before = gc.mem_alloc()
from groupcoap.oscore.curve import base_table  # noqa: E402

gc.collect()
table = gc.mem_alloc() - before
from groupcoap.oscore import ed25519, x25519  # noqa: E402
from groupcoap.oscore.curve import _plain, edwards, field, hot  # noqa: E402
from groupcoap.oscore.sha512 import _CONSTANTS, _INITIAL, sha512  # noqa: E402

gc.collect()
modules = gc.mem_alloc() - before
from double_and_add import BASE, encoded, plainly  # noqa: E402
from heap import allocated, kept  # noqa: E402

ROUNDS = 7 if hot.VIPER else 3
COUNTED = ("verify", "first verify of a key", "sign", "x25519", "u of an Ed25519 key", "SHA-512 of 1 KB")  # for heap
MESSAGE = bytes(range(100))
P = field.P
PRODUCT = bytes((0, 0, 1, 2))


def ticks(function):
    gc.collect()
    start = time.ticks_us()
    function()
    return time.ticks_diff(time.ticks_us(), start)


counted = 0


def counting(run):
    """`run` that counts multiplications and squarings."""

    def counter(work, program, base, end):
        global counted
        for at in range(0, end, 4):
            counted += 1 if program[at] == 0 else program[at + 3] if program[at] == 1 else 0
        run(work, program, base, end)

    return counter


def steps(begin):
    """The steps of what `begin` returns: how many, the longest in µs (least of ROUNDS), multiplications."""
    global counted
    longest = []
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()  # a collection is no part of a step
        one, done, times = begin(), False, []
        while not done:
            start = time.ticks_us()
            done = one.step()
            times.append(time.ticks_diff(time.ticks_us(), start))
        gc.enable()
        longest = [min(pair) for pair in zip(longest or times, times)]
    modules = (edwards, field, x25519)
    for module in modules:
        module.run = counting(hot.run)
    one, done, most, total = begin(), False, 0, 0
    while not done:
        counted = 0
        done = one.step()
        most = max(most, counted)
        total += counted
    for module in modules:
        module.run = hot.run
    return {"steps": len(longest), "longest_us": max(longest), "most_multiplications": most, "multiplications": total}


def main():
    key = ed25519.Key(bytes(range(32)))
    signature = ed25519.sign(key, MESSAGE)
    public = ed25519.PublicKey(key.public)
    assert ed25519.verify(public, MESSAGE, signature), "a good signature is not valid"
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(sha512(signature[:32], key.public, MESSAGE), "little") % edwards.L
    a = [int.from_bytes(public.points[at : at + 32], "little") for at in (0, 32)]
    scalar = int.from_bytes(key.x25519, "little")
    assert encoded(plainly(scalar, BASE)) == key.public, "the yardstick is wrong"

    def two():
        plainly(s, BASE)
        plainly(k, a)

    def field_multiplications():
        hot.run(elements, PRODUCT * 100, 0, 400)

    def on_integers():
        x = y = BASE[0]
        for _ in range(100):
            x = x * y % P

    def hash_plainly():
        state = _plain.sha512_start(_INITIAL)
        for at in range(0, 1152, 128):  # 9 blocks, as padded
            _plain.sha512_block(state, _CONSTANTS, kilobyte, at & 896)

    kilobyte, elements = bytes(1024), plainly(1, BASE)
    work = {
        "two plain multiplications": two,
        "verify": lambda: ed25519.verify(public, MESSAGE, signature),
        "first verify of a key": lambda: ed25519.verify(ed25519.PublicKey(key.public), MESSAGE, signature),
        "sign": lambda: ed25519.sign(key, MESSAGE),
        "x25519": lambda: x25519.x25519(key.x25519, x25519._NINE),
        "u of an Ed25519 key": lambda: x25519.from_ed25519(key.public),
        "SHA-512 of 1 KB": lambda: sha512(kilobyte),
        "SHA-512 of 1 KB, plain": hash_plainly,
        "100 field mult.": field_multiplications,
        "100 field mult. on integers": on_integers,
    }
    times = {name: [] for name in work}
    for _ in range(ROUNDS):  # in turn, so that whatever else this computer does falls on all
        for name, function in work.items():
            times[name].append(ticks(function))
    figures = {
        "vm": sys.version.split("; ")[-1],
        "viper": hot.VIPER,
        "us": times,
        "heap": {name: allocated(work[name]) for name in COUNTED} if hot.VIPER else {},
        "steps": {
            "verify": steps(lambda: ed25519.Verification(public, MESSAGE, signature)),
            "first verify of a key": steps(lambda: ed25519.Verification(later(key.public), MESSAGE, signature)),
            "sign": steps(lambda: ed25519.Signing(key, MESSAGE)),
            "x25519": steps(lambda: x25519.Agreement(key.x25519, x25519._NINE)),
        },
        "kept": {
            "modules": modules,
            "base point's table": table,
            "a private key": kept(lambda: ed25519.Key(bytes(32))),
            "a public key": kept(lambda: used(key.public, MESSAGE, signature)),
        },
    }
    print(json.dumps(figures))


def later(data):
    return ed25519.PublicKey(data, False)


def used(data, message, signature):
    public = ed25519.PublicKey(data)
    ed25519.verify(public, message, signature)
    return public


assert base_table.TABLE
main()
