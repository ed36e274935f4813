"""Puts gates on a node's endpoints, as `security` in its configuration says: what comes and goes is then protected.

`sizes` is what such an endpoint needs besides. Who was up before does not know which requests it has had then: it has
them said again with an Echo option (RFC 8613 Appendix B.1.2).
"""

from groupcoap import numbers as n
from groupcoap.net import platform
from groupcoap.oscore.freshness import Challenges
from groupcoap.oscore.gate import Gate

# A message may have as many bytes more as its protection takes; answers are kept whole, as they cannot be made again.
sizes = {"overhead": 128, "kept_answers": 4, "kept_bytes": 1280}


def _contexts(found):
    contexts = found["loaded"][0]
    contexts.begin(found["echo_freshness"])
    return contexts


def _gate(endpoint, found, contexts, required, **how):
    gate = Gate(
        endpoint,
        contexts,
        found["exchanges"],
        found["signatures"],
        platform.clock,
        required if found["required"] else None,
        freshness=Challenges(endpoint.entropy),
        **how,
    )
    gate.pairwise_answers = found["pairwise_answers"]
    _towards(gate, found)
    return gate


def _towards(gate, found):
    contexts = {context.name: context for context in found["loaded"][0].contexts}
    for entry in found["towards"]:
        gate.towards[entry["address"] + bytes((entry["port"] >> 8, entry["port"] & 255))] = contexts[entry["context"]]


def server(endpoint, role, config):
    """Protect what this endpoint serves."""
    found = config["security"]
    open_to_all = [resource.hash for resource in role.resources.values() if not resource.protected]

    def required(m):
        return m.path not in open_to_all or m.find(n.URI_PATH_ABBREV) >= 0

    _gate(endpoint, found, _contexts(found), required)


def proxy(relay, downs, reverse, config):
    """Protect what clients send to these endpoints of a proxy, and what goes on to the next one.

    Gives a function that gives the counters of all this for the status.
    """
    found = config["security"]
    contexts = _contexts(found)
    gates = [_gate(down, found, contexts, lambda m: True, relays=True, stranger=reverse) for down in downs]
    upstream = relay.upstream
    if found["towards"]:
        from groupcoap.oscore.asking import Asking

        asking = Asking(upstream, found["signatures"], platform.clock)
        asking.relays = True
        _towards(asking, found)
        gates.append(asking)
    if found["check_signatures"]:
        from groupcoap.oscore.checking import Checking

        gates.append(Checking(relay, found["loaded"][1], found["signatures"], platform.clock))

    def counts():
        found = {}
        for name in ("unbound", "refused", "invalid", "crowded", "unprotected"):
            found[name] = sum([getattr(gate, name, 0) for gate in gates])
        return found

    return counts
