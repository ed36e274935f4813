"""The proxy role from a configuration. Of its parts only those are loaded that the configuration asks for."""

from groupcoap import addresses
from groupcoap.net import platform
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList, Client
from groupcoap.proxy.local import Local
from groupcoap.proxy.relay import Relay


def build(node, config):
    """Make the proxy of this configuration on `node`; gives its client-facing endpoint.

    Raises OSError where that has no socket, ValueError for another address that cannot be bound.
    """
    proxy = config["proxy"]
    own = _packed(config["address"], config["port"])
    interface = config["multicast_interface"]
    found = config["transmission"]
    timing = int(found["ack_timeout_s"] * 1000), found["ack_random_factor"], found["max_retransmit"]
    down = Parameters(*timing, nstart=found["nstart"])

    def endpoint(address, recent_messages, key=None, buf=None, **sizes):
        try:
            return node.endpoint(
                address,
                interface,
                config["multicast_ttl"],
                config["peers"],
                recent_messages=recent_messages,
                buf=buf,
                **sizes,
            )
        except OSError as e:
            if key is None:
                raise
            text = addresses.address_text(address)
            raise ValueError("proxy.%s: %s cannot be bound (error %s)" % (key, text, e.errno))

    more = {}
    if config["security"]:
        import protection

        more = protection.sizes
    downstream = endpoint(own, config["recent_messages"], token_slots=1, outgoing=2, parameters=down, **more)
    slots = config["token_slots"]
    upstream = endpoint(
        (proxy["upstream_address"] or config["address"]) + b"\0\0",
        config["recent_messages"],
        "upstream_address",
        token_slots=slots,
        kept_answers=1,
        outgoing=max(2, min(4, slots // 4)),
        overhead=more.get("overhead", 0),
        parameters=Parameters(*timing, nstart=proxy["nstart"] or slots),
    )
    relay = Relay(downstream, upstream, _held(proxy, slots), proxy["held_bytes"])
    local = Local(downstream)
    settings = {
        "max_timeout": proxy["max_timeout_s"],
        "nstart": proxy["nstart"],
        "copies": proxy["group_copies"],
    }
    if proxy["resolve_names"]:
        from groupcoap.proxy.target import remembering

        length = len(config["address"])
        settings["resolve"] = remembering(lambda name: platform.resolve(name, length), platform.clock)
    if proxy["probing_rate"]:
        from groupcoap.proxy.pace import Pace

        groups = {group for entry in proxy["allow"] for group in entry["groups"]}
        settings["pace"] = Pace(proxy["probing_rate"], node.timers, list(groups))
    if proxy["response_forwarding"]:
        from groupcoap import options
        from groupcoap.proxy.names import response_forwarding

        settings["forwarding"] = response_forwarding(options.number(options.RESPONSE_FORWARDING))
    _parts(node, relay, proxy, own)
    access = AllowList([_client(entry) for entry in proxy["allow"]])
    if proxy["mode"] == "forward":
        from groupcoap.proxy.forward import ForwardProxy

        roles = [ForwardProxy(relay, local, access, own, **settings)]
    else:
        from groupcoap.proxy.reverse import ReverseProxy

        stand_ins = [_stand_in(entry) for entry in proxy["stands_in_for"]]
        roles = [ReverseProxy(relay, local, access, own, stand_ins, **settings)]
        for address in roles[0].addresses():
            if address != own:
                sizes = {"token_slots": 1, "kept_answers": 4, "outgoing": 1, "parameters": down}
                sizes.update(more)
                other = endpoint(address, 16, "stands_in_for", downstream.buf, **sizes)
                relay.serve(other)
                roles.append(ReverseProxy(relay, local, access, address, stand_ins, down=other, **settings))
    for role in roles:
        role.down.role = role
    security = None
    if config["security"]:
        downs = [role.down for role in roles]
        security = protection.proxy(relay, downs, proxy["mode"] != "forward", config)

    node.moved.append(relay.move)
    from groupcoap.proxy.status import Status

    node.status = Status(roles, platform.clock, node.lost, proxy["status"], security).read
    return downstream


def _packed(ip, port):
    return ip + bytes((port >> 8, port & 255))


def _held(proxy, slots):
    # How many requests are kept at a time.
    if proxy["group_copies"] > 1 or proxy["cache_bytes"]:
        return slots
    return min(slots, proxy["observations"])


def _client(entry):
    return Client(
        entry["client"],
        entry["groups"],
        entry["unicast"],
        entry["exchanges"] or 0,
        entry["requests_a_minute"] or 0,
        entry["max_timeout_s"] or 0,
    )


def _parts(node, relay, proxy, own):
    # What the relay does besides.
    slots = len(relay.kinds)
    if proxy["observations"]:
        from groupcoap.proxy.observing import Observations

        Observations(relay, proxy["observations"])
    hops = [entry["next_hop"] for entry in proxy["stands_in_for"] if entry["next_hop"]]
    if proxy["next_hop"] or hops:
        from groupcoap.proxy.chain import Chain

        Chain(relay, proxy["next_hop"], proxy["round_trip_s"], own, proxy["max_timeout_s"])
    if proxy["aggregate"]:
        from groupcoap.proxy.aggregate import Collections
        from groupcoap.proxy.aggregation import Aggregation

        Aggregation(relay, Collections(1, proxy["aggregate_bytes"], node.timers))
    if proxy["cache_bytes"]:
        from groupcoap.proxy.cache import Cache
        from groupcoap.proxy.caching import Caching

        sizes = proxy["cache_bytes"], proxy["cache_entries"], slots, len(own)
        Caching(relay, Cache(*sizes, node.timers, platform.entropy), _members(node, relay.upstream, proxy))


def _members(node, upstream, proxy):
    # The members of the groups, as far as the configuration tells, or says who does.
    if not proxy["members"]:
        return None
    from groupcoap.proxy.members import Members

    known = {entry["group"]: tuple(entry["servers"]) for entry in proxy["members"] if entry["servers"]}
    for entry in proxy["members"]:
        if entry["resource_directory"]:
            from groupcoap import uri
            from groupcoap.proxy.lookup import Lookups

            if node.started is None:
                lookups = Lookups(known, upstream)
                node.started = lookups.start
            lookups.add(entry["group"], uri.parse(entry["resource_directory"]))
    return Members(known)


def _stand_in(entry):
    from groupcoap.proxy.reverse import ADDRESS, HOST, PATH, StandIn

    servers = entry["servers"]
    if entry["host"] is not None:
        kind, key = HOST, entry["host"].lower()
    elif entry["path"] is not None:
        kind, key = PATH, entry["path"]
    else:
        kind, key = ADDRESS, _packed(entry["address"], entry["port"])
        servers = {pair["server"]: _packed(pair["address"], pair["port"]) for pair in entry["server_addresses"]}
    return StandIn(entry["group"], kind, key, servers, entry["next_hop"], entry["next_path"])
