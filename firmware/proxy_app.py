"""The proxy role from a configuration."""

from groupcoap.net import platform
from groupcoap.parameters import Parameters
from groupcoap.proxy.access import AllowList
from groupcoap.proxy.forward import ForwardProxy
from groupcoap.proxy.relay import Relay
from groupcoap.server import Server


def build(node, config):
    """Make the proxy of this configuration on `node`; gives its client-facing endpoint. Raises OSError."""
    proxy = config["proxy"]
    address = config["address"] + bytes((config["port"] >> 8, config["port"] & 255))
    sizes = {"recent_messages": config["recent_messages"]}
    found = config["transmission"]
    timing = int(found["ack_timeout_s"] * 1000), found["ack_random_factor"], found["max_retransmit"]
    down = Parameters(*timing, nstart=found["nstart"])
    downstream = node.endpoint(
        address,
        config["multicast_interface"],
        config["multicast_ttl"],
        config["peers"],
        token_slots=1,
        outgoing=2,
        parameters=down,
        **sizes
    )
    upstream = node.endpoint(
        config["address"] + b"\0\0",
        config["multicast_interface"],
        config["multicast_ttl"],
        config["peers"],
        token_slots=config["token_slots"],
        kept_answers=1,
        parameters=Parameters(*timing, nstart=proxy["nstart"] or config["token_slots"]),
        **sizes
    )
    length = len(config["address"])

    def resolve(name):
        return platform.resolve(name, length)

    downstream.role = ForwardProxy(
        Relay(downstream, upstream),
        Server(downstream, address, memberships=0, later=0, observers=0, uploads=0, downloads=0),
        AllowList([(entry["client"], entry["groups"], entry["unicast"]) for entry in proxy["allow"]]),
        address,
        max_timeout=proxy["max_timeout_s"],
        nstart=proxy["nstart"],
        probing_rate=proxy["probing_rate"],
        resolve=resolve if proxy["resolve_names"] else None,
    )
    return downstream
