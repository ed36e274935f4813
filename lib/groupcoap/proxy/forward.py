"""The forward-proxy: what becomes of a client's request (draft-ietf-core-groupcomm-proxy §5.2, RFC 7252 §5.7.2).

A request goes through the same steps whatever it names: whose is it, what is its target, may it, can it. Each step that
fails raises the response to give. What passes is written anew for the upstream endpoint, under a token of the proxy's.
"""

import hashlib

from micropython import const

from .. import numbers as n
from .. import options, uri
from ..errors import (
    BadOption,
    BadRequest,
    HopLimitReached,
    NotImplementedHere,
    ProxyingNotSupported,
    RequestEntityTooLarge,
    ResponseError,
    TooManyRequests,
    Unauthorized,
)
from ..message import Message, insert, rewrite, uint_bytes
from ..tokens import ROW, TOKEN_LENGTH
from .exchanges import GROUP, SILENT, UNICAST_CON, UNICAST_NON
from .names import Names
from .reception import Reception
from .target import PROFILE_00, names_target, target_of

_UNICAST_TIMEOUT = const(60000)  # ms until a server that does not answer becomes 5.04
_SUPPRESS_ALL = const(26)  # No-Response: 2.xx, 4.xx, 5.xx (RFC 7967)
_COAPS_PORT = b"\x16\x34"
_COPIES_WITHIN = const(2000)  # ms
_TAG_BYTES = const(6)
_HOP_LIMIT = const(16)  # where a request has none and goes on to another proxy (RFC 8768 §3)


class ForwardProxy(Reception):
    """The role of an endpoint that clients talk to: `down`, by default the relay's own.

    local: the role for what is addressed to the proxy itself; access: an `AllowList`. max_timeout: greatest T', s.
    nstart: exchanges at a time with one group. resolve(name) gives an IP, bytes, or None; None: names are not resolved.
    copies: how often a group request is sent, 1 to 3. pace: a `pace.Pace`, or None for no bound on what a group gets.
    forwarding: the `Names` of profile 00 where the proxy says the origin in place of the servers, or None.
    """

    token_in_use = "token of an open exchange"  # what is wrong with such a request

    def __init__(
        self,
        relay,
        local,
        access,
        address,
        max_timeout=120,
        nstart=None,
        resolve=None,
        copies=1,
        pace=None,
        forwarding=None,
        down=None,
    ):
        Reception.__init__(self, relay, local, access, address, down)
        self.max_timeout = max_timeout
        self.nstart = nstart or relay.upstream.tokens.slots
        self.resolve = resolve
        self.copies = copies
        self.pace = pace
        self.forwarding = forwarding
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._group_etag = options.number(options.GROUP_ETAG)
        self.names = Names(options.number(options.REPLY_FROM))
        self._written = Message()

    def target(self, m, peer, client):
        """The `Target` of this request, or None where it is for the proxy itself. Raises ResponseErrors."""
        if not names_target(m):
            return None

        def locate(host, port):
            if client is None:  # nobody else has names looked up here
                raise Unauthorized("not allowed here", None, "client")
            ip = self.resolve(host) if self.resolve is not None else None
            if ip is None:
                raise ProxyingNotSupported("host %s cannot be resolved here" % host)
            return uri.pack(ip, port)

        target = target_of(m, self.address, locate)
        chain = self.relay.chain
        if chain is not None and chain.hop is not None and target.address != self.address:
            chain.direct(target)
        return target

    def _proxy(self, m, peer, client, target, now, repeated):
        relay = self.relay
        group = target.group
        if group is not None:
            if not self.access.groups:
                raise NotImplementedHere("no group is enabled here", None, "group")
            if client is None or group not in client.groups:
                raise Unauthorized("not allowed for this group", None, "group" if client else "client")
            if group[-2:] == _COAPS_PORT:
                raise BadRequest("port 5684 is for coaps")  # bis §3.4
        elif client is None or not client.unicast:
            raise Unauthorized("not allowed here", None, "unicast" if client else "client")
        seconds = self._check_options(m, client, target)
        hops = self._hops(m, target)
        slot = relay.find(m, peer, self.down)
        if slot >= 0 and relay.mids[slot] == m.mid() and not relay.answered(slot):
            self._repeated_open(m, peer, slot)  # the table of recent ones has forgotten it
            return
        if slot >= 0 and relay.kinds[slot] == SILENT:  # no response can be taken for another's
            slot = -1
        if not repeated or (slot < 0 and group is None):  # a repeated one may be carried out again
            wait = client.wait(now)
            if wait:
                text = "at most %d requests a minute" % client.requests
                raise TooManyRequests(text, 1 + wait // 1000, "requests_a_minute")
        observe = self._observe(m)
        if slot >= 0:
            self._same_token(m, peer, slot, target, hops, seconds, observe, now)
        elif group is None:
            self._send_individual(m, peer, client, now, target, hops, observe)
            return
        elif relay.aggregation is not None and not target.hop and relay.aggregation.block(self, m, peer, now):
            return
        elif not (repeated and m.type() == n.CON):  # the exchange of a repeated one has ended
            self._send_group(m, peer, client, now, target, hops, seconds, observe)
            return
        if group is not None:
            self._acknowledge(m, peer)

    def _same_token(self, m, peer, slot, target, hops, seconds, observe, now):
        # The token of an exchange that is open: for an observation of the same target it is registered again, or
        # ended. Else which of the two a response belongs to could not be told (bis §3.5.2).
        observations = self.relay.observations
        if observe is not None and observations is not None and observations.has(slot):
            drop, put = self._changes(m, target, hops, seconds, observe)
            kind = n.NON if target.multicast else m.type()
            self._write(m, kind, slot, drop, put)
            if observations.is_of(slot, self._parsed()) and target.address == self.relay.targets[slot]:
                if self.pace is not None and target.group is not None:
                    self.pace.check(target.group, now)
                    self.pace.spend(target.group, self.relay.upstream.out.end, now)
                if observe == 0 and not observations.begin(slot, self._parsed(), now):
                    self._write(m, kind, slot, drop, _unobserved(put))
                observations.again(slot, m, observe, seconds * 1000, now)
                return
        self.relay.stop(slot, now)
        raise BadRequest(self.token_in_use, None, "token")

    def _send_group(self, m, peer, client, now, target, hops, seconds, observe):
        relay = self.relay
        if not seconds and observe == 0:  # no answers are wanted
            observe = None
        profile07 = m.find(self._timeout) >= 0
        caching = aggregation = None
        if target.hop:
            if not profile07:
                target.hop = PROFILE_00
        else:
            if target.names is None:
                target.names = self.names if profile07 else self.forwarding
                if target.names is not self.names:
                    target.salt += b"\0"  # what is cached says its origin in another way
            caching = relay.caching
            if relay.aggregation is not None and relay.aggregation.wanted(m):
                target.drop += (n.ACCEPT, n.BLOCK2)
                if seconds:
                    aggregation = relay.aggregation
                    caching = observe = None
                    target.names = target.names or self.names
        drop, put = self._changes(m, target, hops, seconds, observe)
        if caching is not None:
            self._write(m, n.NON, -1, drop, put)
            if caching.serve(self, m, peer, target, self._parsed(), seconds, observe, now):
                return
        if self.pace is not None:
            self.pace.check(target.group, now)
        if aggregation is not None and not aggregation.admit(m, peer, client, now):
            raise self._busy(now, "as many answers as may be are being collected", "aggregate")
        if seconds:
            slot = self._open_group(m, peer, client, now, target, seconds * 1000)
        elif self.copies > 1 and not target.hop and not self._at_limit(client):
            slot = relay.open(SILENT, m, peer, client, self.down, target, _COPIES_WITHIN, now)  # or it goes out once
        else:
            slot = -1
        confirmable = target.hop and m.type() == n.CON and slot >= 0
        kind = n.CON if confirmable else n.NON
        try:
            if aggregation is not None:
                aggregation.begin(slot, m, peer)
            if caching is not None:
                self._write(m, kind, slot, drop, put)  # making room may have used the buffer
                put = caching.open(slot, m, target, self._parsed(), put, seconds)
            self._write_observed(m, kind, slot, client, drop, put, observe, now)
        except ResponseError:
            if slot >= 0:
                relay.close(slot, now)
            raise
        self._send(slot, target, seconds, confirmable, now)
        self._acknowledge(m, peer)
        if caching is not None and slot >= 0:
            caching.begun(slot, target, seconds, now)

    def _send(self, slot, target, seconds, confirmable, now):
        relay = self.relay
        up = relay.upstream
        if self.pace is not None:
            copies = 1 if slot < 0 or target.hop else self.copies
            self.pace.spend(target.group, copies * up.out.end, now)
        if confirmable:
            if not up.send_confirmable(target.address, relay, slot, now):
                relay.close(slot, now)
                raise self._busy(now, "too many requests are under way", "confirmable")
            return
        if slot >= 0 and target.hop:
            relay.send_once(slot)
            return
        up.send(target.address)
        if slot >= 0:
            span = seconds * 500
            relay.send_copies(slot, self.copies - 1, min(span, _COPIES_WITHIN) if span else _COPIES_WITHIN, now)

    def _send_individual(self, m, peer, client, now, target, hops, observe):
        relay = self.relay
        up = relay.upstream
        confirmable = m.type() == n.CON
        drop, put = self._changes(m, target, hops, 0, observe)
        if m.find(n.BLOCK1) >= 0:  # so that a server keeps apart what several clients of ours upload (RFC 9175 §3)
            insert(put, n.REQUEST_TAG, _tag(peer))
        caching = None if target.hop else relay.caching
        if caching is not None:
            target.names = target.names or self.names
            self._write(m, m.type(), -1, drop, put)
            if caching.serve_individual(self, m, peer, target, self._parsed(), now):
                return
        self._check_limit(client, now)
        if confirmable and up.outgoing.full() and not relay.make_room(client, self._unacknowledged, now):
            raise self._busy(now, "too many requests are under way", "confirmable")
        quiet = observe is None and options.uint(m, n.NO_RESPONSE, 0) & _SUPPRESS_ALL == _SUPPRESS_ALL
        if quiet and not confirmable:
            self._write(m, n.NON, -1, drop, put)
            if caching is not None:
                caching.unanswered(self._parsed(), target.address)
            up.send(target.address)
            return
        kind = SILENT if quiet else UNICAST_CON if confirmable else UNICAST_NON
        slot = self._open(kind, m, peer, client, now, target, _UNICAST_TIMEOUT)
        try:
            if caching is not None:
                self._write(m, m.type(), slot, drop, put)
                if quiet:
                    caching.unanswered(self._parsed(), target.address)
                else:
                    put = caching.open_individual(slot, m, target, self._parsed(), put)
            self._write_observed(m, m.type(), slot, client, drop, put, observe, now)
        except ResponseError:
            relay.close(slot, now)
            raise
        if not confirmable:
            relay.send_once(slot)
        elif not up.send_confirmable(target.address, relay, slot, now):  # making room may have taken the last place
            relay.close(slot, now)
            raise self._busy(now, "too many requests are under way", "confirmable")
        if quiet:
            self._acknowledge(m, peer)

    def _unacknowledged(self, slot):
        return self.relay.upstream.outgoing.has(self.relay, slot)

    def _open_group(self, m, peer, client, now, target, lifetime):
        relay = self.relay
        self._check_limit(client, now)
        if relay.open_to(target.address) >= self.nstart:
            group = target.address
            if not relay.make_room(client, lambda slot: relay.targets[slot] == group, now):
                reason = "nstart" if relay.upstream.tokens.free else "slots"
                raise self._busy(now, "as many exchanges as may be are open with this group", reason)
        return self._open(GROUP, m, peer, client, now, target, lifetime)

    def _at_limit(self, client):
        return client.exchanges and self.relay.open_of(client) >= client.exchanges

    def _check_limit(self, client, now):
        if self._at_limit(client):
            raise self._busy(now, "at most %d exchanges at a time" % client.exchanges, "exchanges")

    def _open(self, kind, m, peer, client, now, target, lifetime):
        relay = self.relay
        slot = relay.open(kind, m, peer, client, self.down, target, lifetime, now)
        if slot < 0 and relay.make_room(client, _any, now):
            slot = relay.open(kind, m, peer, client, self.down, target, lifetime, now)
        if slot < 0:
            raise self._busy(now, "all exchanges are taken", "slots")
        return slot

    # What the request says

    def _check_options(self, m, client, target):
        # Every unsafe option must be known (RFC 7252 §5.7.1). Gives T' in s, which a group request must have.
        number = options.refused(m, bit=2)
        if number:
            raise BadOption("option %d" % number)
        gate = self.relay.upstream.gate
        if gate is not None and target.address in gate.towards:
            self._check_known(m)
        if target.group is None:
            return 0
        if m.find(self._timeout) < 0 and options.valid(m, self._signaling) < 0:
            error = BadRequest("Multicast-Timeout is missing", None, "timeout")
            error.timeout = 0  # it says by an empty option what it misses (§5.2.1)
            raise error
        return min(m.uint(), client.max_timeout or self.max_timeout, self.max_timeout)

    def _check_known(self, m):
        # What is protected for the next proxy must be known, or its class is not (oscore-capable-proxies §2.2).
        m.rewind()
        while (number := m.step()) >= 0:
            if number not in options.table:
                raise BadOption("option %d" % number)

    def _hops(self, m, target):
        # RFC 8768: the Hop-Limit to send on, or None if there is none.
        if options.valid(m, n.HOP_LIMIT) < 0:
            return _HOP_LIMIT if target.hop else None
        hops = m.uint()
        if not hops:
            raise BadRequest("Hop-Limit 0")
        if hops == 1:
            raise HopLimitReached(uri.address_text(self.address))
        return hops - 1

    def _observe(self, m):
        # 0 to register, 1 to deregister, or None.
        if m.code != n.GET and m.code != n.FETCH:
            return None
        value = options.uint(m, n.OBSERVE)
        return value if value in (0, 1) else None

    # What goes on

    def _changes(self, m, target, hops, seconds, observe):
        # (numbers of options that stay behind, options in their place)
        relay = self.relay
        drop = target.drop + (n.OBSERVE,)
        put = list(target.put)
        profile07 = m.find(self._timeout) >= 0
        if not target.hop or target.group is not None:
            drop += (self._timeout,)
        if target.hop and profile07 and target.group is not None:
            insert(put, self._timeout, uint_bytes(relay.chain.lowered(seconds) if seconds else 0))
        if target.group is not None and not target.hop:
            if self.forwarding is not None and not profile07:
                drop += (self._signaling,)
            if relay.caching is not None:
                drop += (self._group_etag,)
        if hops is not None:
            drop += (n.HOP_LIMIT,)
            insert(put, n.HOP_LIMIT, uint_bytes(hops))
        if observe is not None and (relay.observations is not None or observe == 1):
            insert(put, n.OBSERVE, uint_bytes(observe))
        return drop, put

    def _write(self, m, kind, slot, drop, put):
        # Write the request for the server into upstream's buffer: under the token of a slot, or with none (-1).
        up = self.relay.upstream
        if slot < 0:
            up.out.begin(kind, m.code, up.next_mid())
        else:
            up.out.begin(kind, m.code, up.next_mid(), up.tokens.rows, ROW * slot, TOKEN_LENGTH)
        try:
            rewrite(up.out, m, drop, put)
        except ValueError:
            raise RequestEntityTooLarge("more than %d bytes" % up.out.size)

    def _write_observed(self, m, kind, slot, client, drop, put, observe, now):
        # The same; with Observe 0 it begins an observation, if there is a place for one, else it goes without.
        observations = self.relay.observations if observe == 0 and slot >= 0 else None
        if observations is not None:
            observations.make_room(client, now)
        self._write(m, kind, slot, drop, put)
        if observations is not None and not observations.begin(slot, self._parsed(), now):
            self._write(m, kind, slot, drop, _unobserved(put))

    def _parsed(self):
        # The request that stands in upstream's buffer.
        out = self.relay.upstream.out
        self._written.parse(out.buf, out.end)
        return self._written


def _unobserved(put):
    return [pair for pair in put if pair[0] != n.OBSERVE]


def _any(slot):
    return True


def _tag(peer):
    # What servers tell the uploads of a client from those of others by.
    return hashlib.sha256(peer).digest()[:_TAG_BYTES]
