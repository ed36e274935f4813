"""The client role: requests with one answer, and group requests with many (RFC 7252 §5, draft groupcomm-proxy §5.1).

A group request goes out by multicast, or as one unicast request to a proxy with Multicast-Timeout (profile 07) or
Multicast-Signaling (00), T' seconds. Its token stays taken for T > T': through a proxy, T is T' and `MARGIN`, counted
from the acknowledgement of the request where there is one.
"""

from . import cri, options, uri
from . import numbers as n
from .message import uint_bytes
from .tokens import ROW, TOKEN_LENGTH

MARGIN = 2000  # ms: T - T', the worst round trip to a proxy
UNICAST_TIMEOUT = 95000  # ms: MAX_TRANSMIT_WAIT and a round trip (RFC 7252 §4.8.2)
SUPPRESS_ALL = 26  # No-Response (RFC 7967)


class RequestFailed(Exception):
    """No response: the peer was silent, has reset the request, or there was no room for it."""


class Response:
    """One response. origin: packed address of the server, or None where a proxy itself answers; rtt: ms.

    code: as in RFC 7252 §3; payload: bytes; options: list of (number, bytes).
    """

    def __init__(self, m, origin, rtt):
        self.code = m.code
        self.payload = bytes(m.payload())
        self.options = m.options()
        self.origin = origin
        self.rtt = rtt

    def option(self, number, default=None):
        """The first option of this number, bytes, or `default`."""
        for found, value in self.options:
            if found == number:
                return value
        return default


class _Exchange:
    def __init__(self, deliver, target, peer, group, proxied, sent):
        self.deliver = deliver
        self.target = target
        self.peer = peer
        self.group = group  # many answers?
        self.proxied = proxied
        self.sent = sent
        self.lifetime = 0


class Client:
    """Sends requests from an endpoint, which may serve besides.

    Of each exchange, deliver(item) takes every Response, then None at its end or a RequestFailed.
    """

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self._exchanges = [None] * endpoint.tokens.slots
        self._reply_from = options.number(options.REPLY_FROM)
        self._timeout = options.number(options.MULTICAST_TIMEOUT)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._forwarding = options.number(options.RESPONSE_FORWARDING)

    def send(
        self,
        deliver,
        now,
        method,
        target,
        payload=b"",
        content_format=None,
        proxy=None,
        profile="07",
        timeout=10,
        confirmable=True,
    ):
        """Send a request to `target` (uri.Uri with an address, or any host if there is a proxy): its slot.

        proxy: packed address, or None. timeout: how long answers of a group are wanted, whole s; it is T' at a proxy,
        0 for none. Raises RequestFailed where no slot is free, ValueError for a target that cannot be reached so.
        """
        group = target.address is not None and uri.is_multicast(target.address)
        peer = proxy or target.address
        if peer is None:
            raise ValueError("host %s: expected an IP address" % target.host)
        if group and proxy is None:
            confirmable = False  # RFC 7252 §8.1
        endpoint = self.endpoint
        tokens = endpoint.tokens
        exchange = _Exchange(deliver, target, peer, group, proxy is not None, now)
        exchange.lifetime = timeout * 1000 + (MARGIN if proxy else 0) if group else UNICAST_TIMEOUT
        slot = tokens.allocate(self, exchange.lifetime, now, None if group and proxy is None else peer)
        if slot < 0:
            raise RequestFailed("%d requests are open, which is all there is room for" % tokens.slots)
        self._exchanges[slot] = exchange
        try:
            self._write(slot, method, target, payload, content_format, proxy, profile, timeout, confirmable, group)
        except ValueError:
            self._finish(slot)
            raise
        if not confirmable:
            endpoint.send(peer)
        elif not endpoint.send_confirmable(peer, self, slot, now):
            self._finish(slot)
            raise RequestFailed("too many requests wait for their acknowledgement")
        return slot

    def cancel(self, slot):
        """Forget an exchange; what still comes for it is dropped."""
        if self._exchanges[slot] is not None:
            self._finish(slot)

    def _write(self, slot, method, target, payload, content_format, proxy, profile, timeout, confirmable, group):
        endpoint = self.endpoint
        pairs = []
        if proxy:
            pairs.append((n.PROXY_URI, str(target).encode()))
            if group:
                pairs.append((self._timeout if profile == "07" else self._signaling, uint_bytes(timeout)))
                if not timeout:
                    pairs.append((n.NO_RESPONSE, uint_bytes(SUPPRESS_ALL)))
        else:
            pairs += [(n.URI_PATH, segment) for segment in target.path]
            pairs += [(n.URI_QUERY, part) for part in target.query]
            if uri_host(target):
                pairs.append((n.URI_HOST, target.host.encode()))
        if content_format is not None and payload:
            pairs.append((n.CONTENT_FORMAT, uint_bytes(content_format)))
        out = endpoint.out
        kind = n.CON if confirmable else n.NON
        out.begin(kind, method, endpoint.next_mid(), endpoint.tokens.rows, ROW * slot, TOKEN_LENGTH)
        for number in sorted({number for number, _ in pairs}):
            for other, value in pairs:
                if other == number:
                    out.option(number, value)
        out.payload(payload)

    def response(self, slot, m, peer, now):
        """Take a response that matches this slot (Tokens' owner)."""
        exchange = self._exchanges[slot]
        if options.refused(m):
            return False  # a critical option unknown here (RFC 7252 §5.4.1)
        origin = self._origin(m, exchange, peer)
        response = Response(m, origin, now - exchange.sent & 0x3FFFFFFF)
        last = not exchange.group or (exchange.proxied and origin is None)
        if last:
            self._finish(slot)
        exchange.deliver(response)
        if last:
            exchange.deliver(None)

    def _origin(self, m, exchange, peer):
        if not exchange.proxied:
            return peer
        if not exchange.group:
            return exchange.target.address
        try:
            value = m.option(self._reply_from)
            if value is not None:
                return cri.read_reply_from(value)[0]
            value = m.option(self._forwarding)
            if value is not None:
                return cri.response_forwarding_ip(value) + exchange.target.address[-2:]
        except ValueError:
            pass
        return None

    def acknowledged(self, slot, now):
        """The request has reached the proxy: T counts from here (Outgoing's owner)."""
        exchange = self._exchanges[slot]
        if exchange is not None and exchange.group:
            self.endpoint.tokens.extend(slot, exchange.lifetime, now)

    def message_failed(self, slot, reset, now):
        """The request was reset, or nobody acknowledges it (Outgoing's owner)."""
        exchange = self._exchanges[slot]
        if exchange is not None:
            self._finish(slot)
            exchange.deliver(RequestFailed("the request was reset" if reset else "no answer"))

    def token_expired(self, slot, now):
        """The time for answers is over (Tokens' owner)."""
        exchange = self._exchanges[slot]
        self._finish(slot)
        exchange.deliver(None if exchange.group else RequestFailed("no answer"))

    def _finish(self, slot):
        self._exchanges[slot] = None
        self.endpoint.outgoing.cancel(self, slot)
        self.endpoint.tokens.release(slot)


def uri_host(target):
    """Does this target need a Uri-Host option: is its host a name? (RFC 7252 §6.4)"""
    return target.address is None or uri.ip_text(target.address[:-2]) != target.host
