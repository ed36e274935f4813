# What a node has on its heap once it is ready; one line of JSON, then it ends.
#
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=256K heap_probe.py CONFIG.json
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=256K heap_probe.py CONFIG.json modules
#     MICROPYPATH=build/mpy/x64:.frozen micropython -X heapsize=256K heap_probe.py      asyncio with a socket alone
#     MICROPYPATH=tools:.frozen micropython -X heapsize=300K heap_probe.py CONFIG.json IMAGE.romfs
#
# From an image it tells what is in use beyond that.
#
# `modules` adds what each import took, less what it imported in turn, and from which file: [name, file, bytes]. Reading
# that takes heap itself, so the total is a little less without it.
import builtins
import gc
import json
import sys

show, load = print, __import__
found = []
names = []
inner = 0  # bytes that the imports within the current one have taken


def in_use():
    gc.collect()
    return gc.mem_alloc()


def note(*arguments):
    global inner
    outer, inner = inner, 0
    there = list(sys.modules)  # with those whose import has brought this one about
    before = in_use()
    module = load(*arguments)
    taken = in_use() - before
    own, inner = taken - inner, outer + taken
    for name in sys.modules:
        if name not in there and name not in names:
            names.append(name)
            found.append((name, getattr(sys.modules[name], "__file__", None), own))
            own = 0  # a package that comes with its first module counts with that
    inner += in_use() - before - taken  # what this book-keeping takes is nobody's
    return module


def report(*words, **how):
    if words and str(words[0]).startswith("ready"):
        heap = in_use()
        show(json.dumps({"heap": heap - image, "free": gc.mem_free(), "modules": found}))
        raise SystemExit
    show(*words, **how)


config = sys.argv[1:2]
image = 0
console = sys.argv[3:4]  # a terminal that the console is at
if sys.argv[2:] and sys.argv[2] not in ("modules", "files"):
    import romfs_main

    image = romfs_main.mount(sys.argv[2])
elif sys.argv[2:] == ["modules"]:
    builtins.__import__ = note  # not sys.modules at the end: a node drops what it needs only once
builtins.print = report
if config:
    import run

    sys.exit(run.main(config[0], *console))
else:
    import asyncio
    import socket

    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    loop = asyncio.new_event_loop()
    report("ready")
