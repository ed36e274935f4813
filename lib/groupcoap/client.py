"""The client role: requests with one answer, group requests with many, observations (RFC 7252 §5, §8; RFC 7641).

A group request goes out by multicast, or as one unicast request to a proxy with Multicast-Timeout (profile 07) or
Multicast-Signaling (00), T' seconds. Its token stays taken for T > T': through a proxy, T is T' and `MARGIN`, counted
from the acknowledgement of the request where there is one.

Non-confirmable requests to one server or group are outstanding until a response comes, or is no longer expected: a
unicast one as long as an acknowledgement would be, a group request until its time is over. More than NSTART of them
wait for their turn (RFC 7252 §4.7, draft-ietf-core-groupcomm-bis §3.6); Confirmable ones wait in the endpoint.
PROBING_RATE holds where `probing_rate` is given: at the RFC's 1 byte/s, one group request a minute would be all.
"""

import sys

from . import block, options, uri
from . import numbers as n
from .message import encoded, insert, uint_bytes
from .request import Request, RequestFailed, Response
from .timers import after, elapsed

MARGIN = 2000  # ms: T - T', the worst round trip to a proxy
UNICAST_TIMEOUT = 95000  # ms: MAX_TRANSMIT_WAIT and a round trip, with the RFC's parameters (RFC 7252 §4.8.2)
SUPPRESS_ALL = 26  # No-Response (RFC 7967)
MAX_PAYLOAD = 65536 if sys.implementation.name == "cpython" else 8192  # bytes that are put together from blocks
_LONGEST = 500000  # s of a group request; below the clock's half
_PLACES = 4  # peers whose Echo value, or whose silence, is remembered
_COAPS_PORT = b"\x16\x34"
_PARTS = {"uri": "scheme", "cri": "scheme-number"}
_HEADER = 128  # bytes of a message that a block leaves to its options, if they are not longer
_MARGIN = 40  # bytes for header, token, Block options, Echo

__all__ = ("Client", "RequestFailed", "Response", "MARGIN", "UNICAST_TIMEOUT", "SUPPRESS_ALL", "MAX_PAYLOAD")


class Client:
    """Sends requests from an endpoint, which may serve besides.

    probing_rate: bytes/s on average to a peer that does not answer Non-confirmable requests; 0 is off. fetches: answers
    to one group request whose further blocks are fetched at a time. cache: responses to group requests that are kept,
    in up to `cache_bytes`; 0 for none.
    """

    def __init__(self, endpoint, probing_rate=0, fetches=4, cache=0, cache_bytes=2048):
        self.endpoint = endpoint
        self.probing_rate = probing_rate
        self.fetches = max(1, min(fetches, endpoint.outgoing.places - 1))
        self.limit = MAX_PAYLOAD
        self.now = 0  # the last time that was told
        self.abandoned = False  # has an upload not come to its end? Then the next ones have a Request-Tag
        self.reply_from = options.number(options.REPLY_FROM)
        self.timeout = options.number(options.MULTICAST_TIMEOUT)
        self.signaling = options.number(options.MULTICAST_SIGNALING)
        self.forwarding = options.number(options.RESPONSE_FORWARDING)
        self.group_etag = options.number(options.GROUP_ETAG)
        self._queue = []  # Non-confirmable requests that wait for their turn
        self._echoes = []  # (peer, value), the oldest first
        self._silences = []  # [peer, time from which it may be sent something]
        self._tag = endpoint.entropy(1)[0]
        self._first = endpoint.timers.reserve(endpoint.tokens.slots, self._due)
        self._cache = None
        if cache:
            from .responses import Cache

            self._cache = Cache(cache, cache_bytes, endpoint.timers)

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
        accept=None,
        etag=(),
        if_match=(),
        if_none_match=False,
        no_response=None,
        hop_limit=None,
        options=(),
        observe=False,
        copies=1,
        block_size=None,
        size=None,
        sink=None,
        max_payload=0,
        request_tag=None,
        block_by_group=False,
        group=False,
        naming="uri",
        reverse=False,
        way=None,
    ):
        """Send a request to `target` (uri.Uri with an address, or any host if there is a proxy): a `Request`.

        deliver(item) takes every Response, then None at the end or a RequestFailed.

        payload: bytes, or a stream with read(n) or readinto(buffer), of `size` bytes (None: not known). What is longer
        than a block goes up by Block1. etag, if_match: bytes, or several; options: more of them, (number, bytes).
        proxy: packed address, or None. timeout: how long answers of a group are wanted, whole s; it is T' at a proxy,
        0 for none. copies: of a group request by multicast, 1 to 3, spread over that time. observe: register for
        notifications too (GET, FETCH). block_size: bytes, 16 to 1024; said to the server in advance where given.
        sink: an object with write(), which takes the payload of a success instead of the response. max_payload: bytes
        that may come (0: MAX_PAYLOAD, without a limit into a sink). request_tag: bytes, or None for one where it is
        needed. block_by_group: ask the group for further blocks, not each of its members: more time, and less traffic.
        With Block1 or Block2 among the options, blocks are left to the caller. group: is the host, a name that a proxy
        resolves, a group's? naming: how a forward-proxy is told the target: "uri", "scheme", "cri", "scheme-number".
        reverse: True where a reverse-proxy makes a group request of it, at the target's address or at `proxy`; or the
        path, text, that names the group there, if the servers are without it and Reply-From doesn't tell. way: how it
        is protected end to end, an `oscore.asking.Way`, on an endpoint that has a gate; its path is then not in
        Proxy-Uri or Proxy-Cri, where a proxy would read it.

        Raises RequestFailed where there is no room, ValueError for what cannot be sent so.
        """
        self.now = now
        multicast = target.address is not None and uri.is_multicast(target.address)
        group = multicast or bool(reverse) or (group and proxy is not None)
        multicast = multicast and proxy is None
        peer = proxy or target.address
        if peer is None:
            raise ValueError("host %s: expected an IP address" % target.host)
        if (proxy is None or reverse) and target.scheme != "coap":
            raise ValueError("scheme %s: expected coap" % target.scheme)
        if reverse and (multicast or profile != "07"):
            raise ValueError("reverse: expected a unicast address, and profile 07")
        if group and not reverse and target.address and target.address[-2:] == _COAPS_PORT:
            raise ValueError("port 5684 of a group: it is for coaps (bis §3.4)")
        if not 1 <= copies <= 3 or (copies > 1 and not multicast):
            raise ValueError("copies %d: expected 1, or up to 3 of a request by multicast" % copies)
        if not isinstance(timeout, int) or not 0 <= timeout <= _LONGEST:
            raise ValueError("timeout %s: expected 0 to %d whole s" % (timeout, _LONGEST))
        if block_size is not None and not 16 <= block_size <= 1024:
            raise ValueError("block_size %d: expected 16 to 1024 bytes" % block_size)
        if observe and method not in (n.GET, n.FETCH):
            raise ValueError("observe: expected GET or FETCH")
        if sink is not None and (group or observe):
            raise ValueError("sink: expected a single response of a single server")
        if way is not None:  # nothing of the path may be outside
            naming = _PARTS.get(naming, naming)
            way.copies = copies > 1
        if group and not timeout and no_response is None:
            no_response = SUPPRESS_ALL
        if group and not multicast and no_response == SUPPRESS_ALL:
            timeout = 0
        pairs = self._pairs(target, proxy, naming, reverse)
        if group and not multicast:
            insert(pairs, self.timeout if profile == "07" else self.signaling, uint_bytes(timeout))
        _add(pairs, n.ETAG, etag)
        _add(pairs, n.IF_MATCH, if_match)
        if if_none_match:
            insert(pairs, n.IF_NONE_MATCH, b"")
        for number, value in (
            (n.CONTENT_FORMAT, content_format if payload else None),
            (n.ACCEPT, accept),
            (n.HOP_LIMIT, hop_limit),
            (n.NO_RESPONSE, no_response),
        ):
            if value is not None:
                insert(pairs, number, uint_bytes(value))
        for number, value in options:
            insert(pairs, number, value)

        proxied = proxy is not None or bool(reverse)
        what = (self, deliver, method, target, peer, pairs, confirmable and not multicast, proxied)
        if group:
            span = timeout * 1000 + (MARGIN if proxied else 0)
            if observe:
                from .group_observation import GroupObservation as kind
            elif block_by_group:
                from .group_blocks import GroupBlocks as kind
            else:
                from .group_request import GroupRequest as kind
            request = kind(*(what + (span, copies)))
            request.naming = naming
            request.reverse = reverse
        elif observe:
            from .observation import Observation

            request = Observation(*what)
        else:
            request = Request(*what)
        request.way = way
        request.early = block_size is not None
        room = self.endpoint.out.size - max(_HEADER, len(encoded(pairs)) + _MARGIN)
        request.szx = block.szx_of(min(block_size or 1024, max(16, room)))
        if sink is not None:
            request.sink = sink
            request.limit = None
        if max_payload:
            request.limit = max_payload
        if options:
            request.assembles = not any(number in (n.BLOCK1, n.BLOCK2) for number, _ in options)
        request.carry(payload, size)
        if observe and request.up is not None:
            raise ValueError("observe: expected a payload that fits into one block")
        if request.up is not None and (request_tag is None and (self.abandoned or self._uploading(peer))):
            self._tag = self._tag + 1 & 255
            request_tag = bytes((self._tag,))
        if request_tag is not None:
            insert(pairs, n.REQUEST_TAG, request_tag)
        cache = self._cache if way is None else None  # what is kept is not known by whom it was
        if cache is not None and method not in (n.GET, n.FETCH):
            cache.watch(request)
        elif cache is not None and group and not observe and not etag:
            cache.attach(request, now)
        request.start(now)
        return request

    def cancel(self, request, now=None):
        """Forget a request; what still comes for it is dropped, and a notification reset."""
        request.cancel(self.now if now is None else now)

    def stop(self, request, now):
        """Want no more responses: as `cancel`, but a proxy that relays a group's answers is told to stop."""
        self.now = now
        request.stop(now)

    def deregister(self, request, now):
        """End an observation with the server's knowledge; nothing more is delivered but None (RFC 7641 §3.6)."""
        self.now = now
        request.deregister(now)

    def _pairs(self, target, proxy, naming, reverse):
        # The options that say where to, as pairs.
        on_the_way = getattr(target, "named", ())  # by a reverse-proxy (follow_up.Place)
        if proxy and on_the_way:
            raise ValueError("proxy: expected none in front of the one that has named this target")
        if proxy and naming == "uri" and not reverse:
            return [(n.PROXY_URI, str(target).encode())]
        if proxy:
            from .naming import by_parts, named

            return by_parts(target, proxy) if reverse else named(target, naming, proxy)
        pairs = [(n.URI_PATH, segment) for segment in target.path]
        pairs += [(n.URI_QUERY, part) for part in target.query]
        if uri_host(target):
            insert(pairs, n.URI_HOST, target.host.encode())
        for number, value in on_the_way:
            insert(pairs, number, value)
        return pairs

    def _uploading(self, peer):
        for owner in self.endpoint.tokens.owners:
            if isinstance(owner, Request) and owner.up is not None and owner.peer == peer:
                return True
        return False

    # For its requests

    def turn(self, request, now):
        """May this Non-confirmable request be sent now? If not, it waits, and `proceed` is called later."""
        peer = request.peer
        busy = 0
        for owner in self.endpoint.tokens.owners:
            if owner is not request and isinstance(owner, Request) and owner.outstanding and owner.peer == peer:
                busy += 1
        free = busy < self.endpoint.parameters.nstart
        if free and self.probing_rate:
            at = self._may_from(peer, now)
            if elapsed(now, at) < 0:
                free = False
                self.wake(request, at)
        if free:
            self.spent(peer, now)
            if request.waiting:
                self._queue.remove(request)
        elif not request.waiting:
            self._queue.append(request)
        request.waiting = not free
        return free

    def turns(self, now):
        """A request is no longer outstanding: send what has waited for that."""
        for request in list(self._queue):
            if request.waiting and request.slot >= 0:
                request.proceed(now, False)

    def _may_from(self, peer, now):
        # The time from which this peer may be sent something at PROBING_RATE.
        self._silences = [entry for entry in self._silences if elapsed(now, entry[1]) < 0]
        for entry in self._silences:
            if entry[0] == peer:
                return entry[1]
        if len(self._silences) < _PLACES:
            return now
        return self._silences[0][1]

    def spent(self, peer, now):
        """What stands in `out` goes to this peer without its having answered yet: it counts for PROBING_RATE."""
        if self.probing_rate:
            at = now
            for entry in self._silences:
                if entry[0] == peer:
                    at = entry[1] if elapsed(now, entry[1]) < 0 else now
                    self._silences.remove(entry)
                    break
            self._silences.append([peer, after(at, self.endpoint.out.end * 1000 // self.probing_rate)])

    def heard(self, peer):
        """This peer, or one of this group, has answered: PROBING_RATE does not bind."""
        for entry in self._silences:
            if entry[0] == peer:
                self._silences.remove(entry)
                break

    def wake(self, request, at):
        """Call request.due(now) at this time."""
        self.endpoint.timers.set(self._first + request.slot, at)

    def _due(self, slot, now):
        self.now = now
        owner = self.endpoint.tokens.owners[slot]
        if isinstance(owner, Request):
            owner.due(now)

    def closed(self, request, slot, now):
        """This request is over: its slot is free."""
        endpoint = self.endpoint
        endpoint.timers.stop(self._first + slot)
        endpoint.outgoing.cancel(request, slot, now)
        endpoint.tokens.release(slot)
        if request.waiting:
            request.waiting = False
            self._queue.remove(request)
        request.outstanding = False
        if self._queue:
            self.turns(now)

    def keep_echo(self, peer, value):
        """This peer wants its Echo value in the next request (RFC 9175 §2.3)."""
        self.take_echo(peer)
        if len(self._echoes) == _PLACES:
            self._echoes.pop(0)
        self._echoes.append((peer, value))

    def take_echo(self, peer):
        """The Echo value for the next request to this peer, or None; it is used once."""
        for entry in self._echoes:
            if entry[0] == peer:
                self._echoes.remove(entry)
                return entry[1]
        return None


def uri_host(target):
    """Does this target need a Uri-Host option: is its host a name? (RFC 7252 §6.4)"""
    return target.address is None or uri.ip_text(target.address[:-2]) != target.host


def _add(pairs, number, values):
    for value in (values,) if isinstance(values, (bytes, bytearray)) else values or ():
        insert(pairs, number, value)
