"""The server role from a configuration: every configured resource answers GET, takes PUT, and is listed."""

from groupcoap.errors import RequestEntityTooLarge
from groupcoap.server import Resource, Server

LONGEST_VALUE = 1024  # bytes


class Value:
    """A configured resource's value: read by GET, replaced by PUT."""

    def __init__(self, text):
        self.value = text.encode()

    def get(self, request):
        return self.value

    def put(self, request):
        if request.payload_length() > LONGEST_VALUE:
            raise RequestEntityTooLarge("at most %d bytes" % LONGEST_VALUE)
        self.value = bytes(request.payload())


def build(node, config):
    """Make the server of this configuration on `node`; gives its endpoint. Raises OSError where a socket fails."""
    address = config["address"] + bytes((config["port"] >> 8, config["port"] & 255))
    endpoint = node.endpoint(
        address,
        config["multicast_interface"],
        config["multicast_ttl"],
        config["peers"],
        token_slots=config["token_slots"],
        recent_messages=config["recent_messages"],
        outgoing=1,
    )
    server = Server(endpoint, address)
    server.failed = node.fault
    endpoint.role = server
    for path, entry in config["resources"].items():
        value = Value(entry["value"])
        resource = Resource(path, entry["content_format"], entry["max_age"], entry["group"], entry["rt"])
        server.add(resource, GET=value.get, PUT=value.put)
    if len(server.links()) > LONGEST_VALUE:
        raise ValueError("resources: their links take %d bytes, more than %d" % (len(server.links()), LONGEST_VALUE))
    for group in config["groups"]:
        membership = server.join(int(config["leisure_s"] * 1000))
        node.join(endpoint, group, membership, config["multicast_interface"])
    return endpoint
