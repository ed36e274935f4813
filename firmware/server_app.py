"""The server role from a configuration: every configured resource answers GET, takes PUT, and is listed."""

import sys

from groupcoap.errors import RequestEntityTooLarge
from groupcoap.parameters import Parameters
from groupcoap.server import Resource, Server

LONGEST_VALUE = 1024  # bytes


class Value:
    """A configured resource's value: read by GET, replaced by PUT. tag: a function that gives a value's entity-tag."""

    def __init__(self, resource, text, tag):
        self.resource = resource
        self.tag = tag
        self.set(text.encode())

    def set(self, value):
        self.value = value
        self.resource.set_etag(self.tag(value) if self.tag else None)

    def get(self, request):
        return self.value

    def put(self, request):
        if request.payload_length() > LONGEST_VALUE:
            raise RequestEntityTooLarge("at most %d bytes" % LONGEST_VALUE)
        self.set(bytes(request.payload()))


def parameters(config):
    """The transmission parameters of a configuration."""
    found = config["transmission"]
    return Parameters(
        int(found["ack_timeout_s"] * 1000), found["ack_random_factor"], found["max_retransmit"], found["nstart"]
    )


def build(node, config):
    """Make the server of this configuration on `node`; gives its endpoint. Raises OSError where a socket fails."""
    address = config["address"] + bytes((config["port"] >> 8, config["port"] & 255))
    sizes = {}
    if config["security"]:
        import protection

        sizes = protection.sizes
    resources = config["resources"]
    observers = config["observers"] if any(entry["observable"] for entry in resources.values()) else 0
    endpoint = node.endpoint(
        address,
        config["multicast_interface"],
        config["multicast_ttl"],
        config["peers"],
        token_slots=config["token_slots"],
        recent_messages=config["recent_messages"],
        outgoing=2 if observers or config["resource_directory"] else 1,
        parameters=parameters(config),
        **sizes,
    )
    echo = None
    if config["echo"] and config["groups"]:
        from groupcoap.echo import Echo

        echo = Echo(endpoint.entropy, config["echo"]["threshold"], config["echo"]["factor"])
    server = Server(
        endpoint,
        address,
        memberships=len(config["groups"]),
        later=0,
        observers=observers,
        notify_interval=int(config["notify_interval_s"] * 1000),
        upload_bytes=LONGEST_VALUE,
        downloads=0,
        block_size=config["block_size"],
        echo=echo,
    )
    server.failed = node.fault
    endpoint.role = server
    node.moved.append(server.move)
    for path, entry in resources.items():
        resource = Resource(
            path,
            entry["content_format"],
            entry["group"],
            entry["observable"],
            max_age=entry["max_age"],
            rt=entry["rt"],
            interface=entry["if"],
            title=entry["title"],
            accepts=(None, entry["content_format"]),
            protected=entry["protected"],
        )
        value = Value(resource, entry["value"], server.etag if entry["etag"] else None)
        server.add(resource, GET=value.get, PUT=value.put)
    if config["security"]:
        protection.server(endpoint, server, config)
    for group in config["groups"]:
        membership = server.join(int(config["leisure_s"] * 1000 + 0.5), group)
        node.join(endpoint, group, membership, config["multicast_interface"])
    if config["resource_directory"]:
        register(node, endpoint, server, config["resource_directory"])
    return endpoint


def register(node, endpoint, server, directory):
    """Keep the server registered at a resource directory while the node runs."""
    from groupcoap import uri
    from groupcoap.client import Client
    from groupcoap.directory import Registration

    registration = Registration(
        Client(endpoint),
        node.timers,
        uri.parse(directory["uri"]),
        directory["endpoint"],
        server.links,
        directory["lifetime_s"],
        directory["base"],
    )
    registration.failed = lambda reason: print("resource directory: %s" % reason, file=sys.stderr)
    node.started = registration.start
    node.stopping = registration.stop
    node.moved.append(registration.move)
