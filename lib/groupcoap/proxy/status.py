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
_ROOM = const(1024)  # bytes of an answer; a longer one grows
_LISTED = const(32)  # exchanges, or clients, at most: about 80 bytes each


class Status:
    """proxies: the roles of the client-facing endpoints, the first of which has /.proxy/status; clock() gives the time
    now, ms; lost() how many datagrams the network's buffers have lost, or None where that is not known. served: is
    there such a resource, or is it for `read` alone?"""

    def __init__(self, proxies, clock, lost=None, served=True):
        self._proxies = proxies
        self._clock = clock
        self._lost = lost
        if not served:
            return
        hashed = proxies[0].local.add(PATH, n.CBOR, self._body)
        for proxy in proxies:
            proxy.private = hashed

    def _body(self):
        # What `read` makes is scattered over the heap: room for the answer, in one piece, is taken before.
        gc.collect()
        body = bytearray(_ROOM)
        body[:] = b""  # the VM keeps the room
        cbor.dump_to(body, self.read())
        return body

    def read(self):
        """The state now, as a dict; ages and times in s. The first 32 exchanges and clients are listed."""
        now = self._clock()
        proxy = self._proxies[0]
        relay = proxy.relay
        refusals = {}
        for each in self._proxies:
            for code, count in each.refusals.items():
                text = "%d.%02d" % (code >> 5, code & 31)  # as `numbers`, which is not loaded for this
                refusals[text] = refusals.get(text, 0) + count
        ends = [each.down for each in self._proxies] + [relay.upstream]
        taken = [slot for slot in range(len(relay.kinds)) if relay.kinds[slot]]
        found = {
            "slots": len(relay.kinds),
            "free": relay.upstream.tokens.free,
            "exchanges": [self._exchange(relay, slot, now) for slot in taken[:_LISTED]],
            "ended": relay.closed,
            "refusals": refusals,
            "reasons": dict(proxy.access.reasons),
            "unusable": relay.refused_responses,
            "unmatched": sum([end.unmatched for end in ends]),
            "faulty": sum([end.faulty for end in ends]),
            "clients": [self._client(relay, client) for client in proxy.access.clients[:_LISTED]],
        }
        if relay.observations is not None:
            found["observations"] = len(relay.observations)
        if relay.caching is not None:
            cache = relay.caching.cache
            found["cache"] = {
                "entries": len(cache),
                "bytes": cache.used(),
                "served": relay.caching.served,
                "valid": relay.caching.validated_sets,
                "stored": cache.stored,
                "evicted": cache.evicted,
                "unfetched": relay.caching.unfetched,
            }
        if relay.aggregation is not None:
            found["aggregated_lost"] = relay.aggregation.collections.dropped
        if self._lost is not None:
            found["lost"] = self._lost()
        if hasattr(gc, "mem_free"):
            gc.collect()
            found["heap_free"] = gc.mem_free()
        return found

    def _exchange(self, relay, slot, now):
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

    def _client(self, relay, client):
        return {
            "client": client.name if isinstance(client.name, str) else ip_text(client.name),
            "open": relay.open_of(client),
            "requests": client.counted,
            "refused": client.refused,
        }
