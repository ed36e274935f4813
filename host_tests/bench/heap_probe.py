# What a node has on its heap once it is ready, and which files it loaded; one line of JSON, then it ends.
#
#     MICROPYPATH=lib:.frozen micropython -X heapsize=256K heap_probe.py MAIN.py CONFIG.json
#     MICROPYPATH=lib:.frozen micropython -X heapsize=256K heap_probe.py        what asyncio with a socket takes alone
import builtins
import gc
import json
import sys

show, load = print, __import__
files = []


def note(*arguments):
    module = load(*arguments)
    for loaded in sys.modules.values():
        file = getattr(loaded, "__file__", None)
        if file and file not in files:
            files.append(file)
    return module


def report(*words, **_):
    if words and str(words[0]).startswith("ready"):
        gc.collect()
        show(json.dumps({"heap": gc.mem_alloc(), "files": files}))
        raise SystemExit


del sys.argv[0]
if sys.argv:
    main = sys.argv[0]
    sys.path.insert(0, main.rpartition("/")[0])
    builtins.print = report
    builtins.__import__ = note  # not sys.modules at the end: a node drops what it needs only once
    with open(main) as source:
        program = compile(source.read(), main, "exec")
    del source
    exec(program, {"__name__": "__main__", "__file__": main})
else:
    import asyncio
    import socket

    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    loop = asyncio.new_event_loop()
    report("ready")
