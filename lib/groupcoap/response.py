"""One response as a client gets it, from a server or through a proxy, and what a proxy tells the client in it."""

from . import numbers as n
from . import options as table
from .message import option_of


class Response:
    """One response. origin: packed address of the server, or None where a proxy itself answers.

    code: as in RFC 7252 §3; payload: bytes, whole even if it came in blocks; options: list of (number, bytes), without
    those that speak of a block; rtt: ms from the request to the (whole) response. reply_from: value of Reply-From, by
    which a proxy tells its servers apart, or None: a reverse-proxy may give one address, its own, to all of them.
    security: whose it is for certain, with a `name`, where it came protected end to end; else None.
    """

    reply_from = None
    security = None

    def __init__(self, code, options, payload, origin, rtt):
        self.code = code
        self.options = options
        self.payload = payload
        self.origin = origin
        self.rtt = rtt

    def option(self, number, default=None):
        """The first option of this number, bytes, or `default`."""
        value = option_of(self.options, number)
        return default if value is None else value

    def option_uint(self, number, default=None):
        """The first option of this number as an unsigned integer, or `default`."""
        value = self.option(number)
        return default if value is None else int.from_bytes(value, "big")

    def target(self, reference=""):
        """Where to send a request for one resource, "path?query", to the server that this is of: a uri.Uri.

        It may go directly, where there is a way, or through a forward-proxy; what a reverse-proxy has named goes to
        that proxy. Raises ValueError for a proxy's own answer, and for what names no place.
        """
        from .follow_up import target

        return target(self, reference)

    def wants_timeout(self):
        """Is this a proxy's answer that the request is for a group, and lacks Multicast-Timeout?

        Where the request named no proxy, it has met a reverse-proxy (draft-ietf-core-groupcomm-proxy §6.1).
        """
        return self.code == n.BAD_REQUEST and self.option(table.number(table.MULTICAST_TIMEOUT)) == b""

    def least_timeout(self):
        """The least Multicast-Timeout, s, that a chain of proxies says it takes (§8.1), or None."""
        if self.code != n.PROXYING_NOT_SUPPORTED:
            return None
        return self.option_uint(table.number(table.MULTICAST_TIMEOUT))
