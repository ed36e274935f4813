"""What an operator sees of a proxy: its counters and tables as one dict, for the REPL and, in CBOR, for /.proxy/status.

Keys and values are those of `Status.read`. The resource answers clients on the allow-list only.
"""

import gc

from micropython import const

from .. import cbor
from .. import numbers as n
from ..addresses import address_text, ip_text
from ..timers import elapsed
from .exchanges import GROUP, SILENT

PATH = [b".proxy", b"status"]
_LISTS = ("clients", "exchanges")
_ROOM = const(1024)  # bytes of an answer; a longer one grows
_LISTED = const(32)  # exchanges, or clients, at most: about 80 bytes each


class Status:
    """proxies: the roles of the client-facing endpoints, the first of which has /.proxy/status; clock() gives the time
    now, ms; lost() how many datagrams the network's buffers have lost, or None where that is not known. served: is
    there such a resource, or is it for `read` alone? security(): what else is told, of what protects messages."""

    def __init__(self, proxies, clock, lost=None, served=True, security=None):
        self._security = security
        self._proxies = proxies
        self._clock = clock
        self._lost = lost
        if not served:
            return
        hashed = proxies[0].local.add(PATH, n.CBOR, self._body)
        for proxy in proxies:
            proxy.private = hashed

    def _body(self):
        # The encoding of `read`, part by part, as the heap may have no room for all of it at once.
        gc.collect()
        body = bytearray(_ROOM)  # in one piece, before what is told is scattered over the heap:
        body[:] = b"\0"  # the VM keeps the room
        for count, (key, value) in enumerate(self._parts()):
            body[0] = 0xA1 + count  # a map, of fewer than 24
            cbor.dump_to(body, key)
            if key in _LISTS:
                cbor.head(body, 4, len(value))
                for item in value:
                    cbor.dump_to(body, self._item(key, item))
            else:
                cbor.dump_to(body, value)
        return body

    def read(self):
        """The state now, as a dict; ages and times in s. The first 32 exchanges and clients are listed."""
        found = {}
        for key, value in self._parts():
            found[key] = [self._item(key, item) for item in value] if key in _LISTS else value
        return found

    def _item(self, key, item):
        return self._exchange(item) if key == "exchanges" else self._client(item)

    def _parts(self):
        # Pairs, in the order of their deterministic encoding (RFC 8949 §4.2.1): short keys first.
        proxy = self._proxies[0]
        relay = proxy.relay
        ends = [each.down for each in self._proxies] + [relay.upstream]
        yield "free", relay.upstream.tokens.free
        if self._lost is not None:
            yield "lost", self._lost()
        if relay.caching is not None:
            cache = relay.caching.cache
            yield (
                "cache",
                {
                    "entries": len(cache),
                    "bytes": cache.used(),
                    "served": relay.caching.served,
                    "valid": relay.caching.validated_sets,
                    "stored": cache.stored,
                    "evicted": cache.evicted,
                    "unfetched": relay.caching.unfetched,
                },
            )
        yield "ended", relay.closed
        yield "slots", len(relay.kinds)
        yield "faulty", sum([end.faulty for end in ends])
        yield "clients", proxy.access.clients[:_LISTED]
        yield "reasons", dict(proxy.access.reasons)
        yield "refusals", self._refusals()
        if self._security:
            yield "security", self._security()
        yield "unusable", relay.refused_responses
        yield "exchanges", [slot for slot in range(len(relay.kinds)) if relay.kinds[slot]][:_LISTED]
        if hasattr(gc, "mem_free"):
            gc.collect()
            yield "heap_free", gc.mem_free()
        yield "unmatched", sum([end.unmatched for end in ends])
        if relay.observations is not None:
            yield "observations", len(relay.observations)
        if relay.aggregation is not None:
            yield "aggregated_lost", relay.aggregation.collections.dropped

    def _refusals(self):
        refusals = {}
        for each in self._proxies:
            for code, count in each.refusals.items():
                text = "%d.%02d" % (code >> 5, code & 31)  # as `numbers`, which is not loaded for this
                refusals[text] = refusals.get(text, 0) + count
        return refusals

    def _exchange(self, slot):
        relay = self._proxies[0].relay
        now = self._clock()
        kind = relay.kinds[slot]
        return {
            "client": address_text(relay.peers[slot]),
            "target": address_text(relay.targets[slot]),
            "group": kind in (GROUP, SILENT) and not relay.hops[slot],
            "age": max(0, elapsed(now, relay.opened[slot])) // 1000,
            "left": relay.upstream.tokens.left(slot, now) // 1000,
            "answers": relay.answers(slot),
            "observed": relay.observations is not None and relay.observations.active(slot),
        }

    def _client(self, client):
        return {
            "client": client.name if isinstance(client.name, str) else ip_text(client.name),
            "open": self._proxies[0].relay.open_of(client),
            "requests": client.counted,
            "refused": client.refused,
        }
