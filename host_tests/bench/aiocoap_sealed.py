"""The messages of sealed.py, protected and unprotected by aiocoap's module as a library: µs of each step, as JSON.

usage: aiocoap_sealed.py FOLDER TIMES
"""

import copy
import json
import statistics
import sys
import time
from pathlib import Path

import aiocoap
from aiocoap import oscore
from aiocoap.message import Direction, Message

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import aiocoap_contexts  # noqa: E402

PAYLOADS = (16, 64, 256, 1024)  # as in sealed.py
SLOW = 8


def plain(code, length, **options):
    payload = bytes(range(256)) * (length // 256) + bytes(range(length % 256))
    m = Message(code=code, payload=payload, _mtype=aiocoap.NON, _mid=7, _token=b"toke", **options)
    m.direction = Direction.OUTGOING
    return m


def encoded(m):
    m.mtype, m.mid, m.token = aiocoap.NON, 7, b"toke"
    return m.encode()


def decoded(data):
    m = Message.decode(data)
    m.direction = Direction.INCOMING
    return m


def exchange(client, server, mode, length, times):
    """µs of each step, medians of `times` exchanges; datagram to datagram, as in sealed.py.

    aiocoap derives pairwise keys anew for each request: here once, as it can be done.
    """
    spent = [[] for _ in range(4)]
    kept = server if mode == "OSCORE" else None
    for turn in range(times + 1):
        request, response = plain(aiocoap.POST, length, uri_path=["temp"]), plain(aiocoap.CONTENT, length)
        at = [time.perf_counter()]
        outer, asked = client.protect(copy.copy(request))
        data = encoded(outer)
        at.append(time.perf_counter())
        m = decoded(data)
        context = kept or server.get_oscore_context_for(oscore.verify_start(m))
        kept = context if mode != "group mode" else None
        found, identifiers = context.unprotect(m)
        assert found.payload == request.payload
        at.append(time.perf_counter())
        answering = server if mode != "pairwise mode" else context.context_for_response()
        outer, _ = answering.protect(copy.copy(response), identifiers)
        data = encoded(outer)
        at.append(time.perf_counter())
        m = decoded(data)
        context = client.context_from_response(oscore.verify_start(m))
        assert context.unprotect(m, asked)[0].payload == response.payload
        at.append(time.perf_counter())
        if turn:  # the first one derives keys
            for each, start, end in zip(spent, at, at[1:]):
                each.append(1e6 * (end - start))
    return [statistics.median(each) for each in spent]


def main(folder, times):
    def load(name):
        context = aiocoap_contexts.load(folder / f"{name}.json")
        context.post_seqnoincrease = lambda: None  # not in a file here
        return context

    group = load("building-alice"), load("building-hall")
    modes = {
        "OSCORE": (load("alice-to-hall"), load("hall-from-alice")),
        "group mode": group,
        "pairwise mode": (group[0].addressed("hall"), group[1]),
    }
    found = {}
    for mode, ends in modes.items():
        found[mode] = []
        for length in PAYLOADS:
            found[mode].append(exchange(*ends, mode, length, times // (SLOW if mode == "group mode" else 1) or 1))
    print(json.dumps(found))


main(Path(sys.argv[1]), int(sys.argv[2]))
