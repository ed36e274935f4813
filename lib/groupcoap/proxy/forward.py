"""The forward-proxy: what becomes of a client's request (draft-ietf-core-groupcomm-proxy §5.2, RFC 7252 §5.7.2).

A request goes through the same steps whatever it names: whose is it, what is its target, may it, can it. Each step that
fails raises the response to give. What passes is written anew for the upstream endpoint, under a token of the proxy's.
"""

from array import array

from micropython import const

from .. import cri, options, uri
from .. import numbers as n
from ..errors import (
    BadOption,
    BadRequest,
    HopLimitReached,
    NotImplementedHere,
    ProxyingNotSupported,
    RequestEntityTooLarge,
    ResponseError,
    ServiceUnavailable,
    Unauthorized,
)
from ..message import Message, encoded, uint_bytes
from ..timers import after, elapsed
from ..tokens import ROW, TOKEN_LENGTH
from .relay import GROUP, UNICAST_ACKED, UNICAST_CON, UNICAST_NON

_NUMBERED = (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
# Not copied into the request that goes on
_LEFT_OUT = _NUMBERED + (n.URI_HOST, n.URI_PORT, n.OBSERVE)
_UNICAST_TIMEOUT = const(60000)  # ms until a server that does not answer becomes 5.04
_REFUSALS = const(16)
_COAPS_PORT = b"\x16\x34"
_DIAGNOSTIC = const(64)  # characters of what was wrong with a target
_PACED = const(8)  # groups whose sending rate is remembered


class Target:
    """Where a request goes: packed address, and path and query (lists of bytes) where they are not in Uri-* options."""

    def __init__(self, address, path=None, query=None, host=None):
        self.address = address
        self.path = path
        self.query = query
        self.host = host  # a name, that goes on in Uri-Host


class ForwardProxy:
    """The role of `downstream`. local: the role for what is addressed to the proxy itself; access: an `AllowList`.

    max_timeout: the greatest T', s. nstart: exchanges at a time with one group. probing_rate: bytes/s to a group, 0 for
    no bound. resolve(name) gives an IP, bytes, or None; None: names are not resolved.
    """

    def __init__(self, relay, local, access, address, max_timeout=120, nstart=None, probing_rate=0, resolve=None):
        self.relay = relay
        self.local = local
        self.access = access
        self.address = address
        self.max_timeout = max_timeout
        self.nstart = nstart or relay.upstream.tokens.slots
        self.probing_rate = probing_rate
        self.resolve = resolve
        self.refusals = {}  # by response code
        self._refused = [None] * _REFUSALS  # the last of them: (client, Message ID, error), in case they come again
        self._refused_next = 0
        self._timeout = options.number(options.MULTICAST_TIMEOUT)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._paced = [None] * _PACED  # groups, and when each may be sent to again
        self._paced_until = array("i", bytes(4 * _PACED))
        self._pace_timers = relay.upstream.timers.reserve(_PACED, self._pace_over)

    def request(self, m, peer, group, now, repeated=False):
        """Take a request (Endpoint's role)."""
        if group:
            return  # a proxy is no member of a group
        if not self._is_proxied(m):
            self.local.request(m, peer, 0, now)
            return
        try:
            self._proxy(m, peer, now, repeated)
        except ResponseError as e:
            self._refuse(m, peer, e)

    def repeated(self, m, peer, now):
        """Take an idempotent Confirmable request that comes again (Endpoint's role)."""
        slot = self.relay.find(m, peer)
        if slot >= 0 and self.relay.mids[slot] == m.mid():
            self._repeated_open(m, peer, slot)
            return
        for refused in self._refused:
            if refused is not None and refused[0] == peer and refused[1] == m.mid():
                self._answer_refused(m, peer, refused[2])
                return
        self.request(m, peer, 0, now, True)

    def rejected(self, peer, mid, now):
        """Take a Reset of a Non-confirmable message (Endpoint's role)."""
        self.local.rejected(peer, mid, now)

    def _repeated_open(self, m, peer, slot):
        # Its exchange is open: there is an ACK to say again, or one to come.
        if m.type() == n.CON and self.relay.kinds[slot] in (GROUP, UNICAST_ACKED):
            self.relay.downstream.acknowledge(m, peer)

    def _is_proxied(self, m):
        if m.seen() >> 29:
            for number in _NUMBERED:
                if m.find(number) >= 0:
                    return True
        return False

    def _proxy(self, m, peer, now, repeated):
        target = self._target(m, peer)
        address = target.address
        multicast = uri.is_multicast(address)
        if multicast:
            if not self.access.groups:
                raise NotImplementedHere("no group is enabled here")
            if not self.access.group(peer, address):
                raise Unauthorized("not allowed for this group")
            if address[-2:] == _COAPS_PORT:
                raise BadRequest("port 5684 is for coaps")  # bis §3.4
        elif address == self.address:
            self._for_itself(m, peer, now, target)
            return
        elif not self.access.unicast(peer):
            raise Unauthorized("not allowed here")
        seconds = self._check_options(m, multicast)
        hops = self._hops(m)
        down = self.relay.downstream
        open_slot = self.relay.find(m, peer)
        if open_slot >= 0:
            if self.relay.mids[open_slot] == m.mid():  # a repetition that the table of recent ones has forgotten
                self._repeated_open(m, peer, open_slot)
                return
            # The token is in use: which of the two exchanges a response belongs to could not be told (bis §3.5.2).
            self.relay.close(open_slot, now)
            raise BadRequest("token of an open exchange")
        if not multicast:
            self._send_individual(m, peer, now, target, hops)
        else:
            confirmable = m.type() == n.CON
            if not (repeated and confirmable):  # the exchange of a repeated one has ended
                self._send_group(m, peer, now, target, hops, seconds)
            if confirmable:
                down.acknowledge(m, peer)

    def _send_group(self, m, peer, now, target, hops, seconds):
        up = self.relay.upstream
        profile07 = m.find(self._timeout) >= 0
        self._check_pace(target.address, now)
        if not seconds:
            self._write(m, n.NON, up.next_mid(), b"", 0, 0, target, hops)
        else:
            if self.relay.open_to(target.address) >= self.nstart:
                raise self._busy(now, "as many exchanges as may be are open with this group")
            self._open(GROUP, n.NON, m, peer, now, target, hops, seconds * 1000, profile07)
        self._pace(target.address, up.out.end, now)
        up.send(target.address)

    def _send_individual(self, m, peer, now, target, hops):
        up = self.relay.upstream
        confirmable = m.type() == n.CON
        if confirmable and up.outgoing.full():
            raise self._busy(now, "too many requests are under way")
        kind = UNICAST_CON if confirmable else UNICAST_NON
        slot = self._open(kind, m.type(), m, peer, now, target, hops, _UNICAST_TIMEOUT)
        if confirmable:
            up.send_confirmable(target.address, self.relay, slot, now)
        else:
            up.send(target.address)

    def _open(self, kind, message_type, m, peer, now, target, hops, lifetime, insert=False):
        # Take a slot, and write the request that goes on under its token: the slot.
        up = self.relay.upstream
        slot = self.relay.open(kind, m, peer, target.address, lifetime, now, insert)
        if slot < 0:
            raise self._busy(now, "all exchanges are taken")
        try:
            self._write(m, message_type, up.next_mid(), up.tokens.rows, ROW * slot, TOKEN_LENGTH, target, hops)
        except ResponseError:
            self.relay.close(slot, now)
            raise
        return slot

    def _busy(self, now, text):
        return ServiceUnavailable(text, 1 + self.relay.upstream.tokens.remaining(now) // 1000)

    def _for_itself(self, m, peer, now, target):
        # Proxy-Uri and its like name the proxy: a local request, with the target's path and query in Uri-* options.
        up = self.relay.upstream
        self._write(m, m.type(), m.mid(), m.buf, 4, m.buf[0] & 15, target, None)
        inner = Message()
        datagram = up.out.message()
        inner.parse(datagram, len(datagram))
        self.local.request(inner, peer, 0, now)

    # What the request says

    def _target(self, m, peer):
        if m.find(n.PROXY_SCHEME) >= 0 and m.find(n.PROXY_SCHEME_NUMBER) >= 0:
            raise BadOption("Proxy-Scheme and Proxy-Scheme-Number exclude each other")
        try:
            text = None
            if options.valid(m, n.PROXY_URI) >= 0:
                text = m.value()
            elif options.valid(m, n.PROXY_CRI) >= 0:
                text = cri.to_uri(cri.decode(bytes(m.value())))
            if text is not None:
                found = uri.parse(text)
                return self._located(peer, found.scheme, found.address, found.host, found.port, found.path, found.query)
            if options.valid(m, n.PROXY_SCHEME) >= 0:
                scheme = str(m.value(), "utf-8").lower()
            elif options.valid(m, n.PROXY_SCHEME_NUMBER) >= 0:
                scheme = "coap" if m.uint() == 0 else "number %d" % m.uint()
            else:
                raise BadOption("option of a wrong length")
            if options.valid(m, n.URI_HOST) >= 0:
                host = str(m.value(), "utf-8").lower()
                port = n.COAP_PORT
            else:  # where the request came to (RFC 7252 §5.10.1)
                host = uri.ip_text(self.address[:-2])
                port = self.address[-2] << 8 | self.address[-1]
            if options.valid(m, n.URI_PORT) >= 0:
                port = m.uint()
            try:
                address = uri.pack(host.strip("[]"), port)
            except ValueError:
                address = None  # a name
            return self._located(peer, scheme, address, host, port)
        except (ValueError, IndexError, KeyError) as e:
            raise BadRequest("target: %s" % str(e)[:_DIAGNOSTIC])

    def _located(self, peer, scheme, address, host, port, path=None, query=None):
        if scheme != "coap":
            raise ProxyingNotSupported("scheme %s: expected coap" % scheme)
        name = None
        if address is None:
            if not self.access.knows(peer):  # nobody else has names looked up here
                raise Unauthorized("not allowed here")
            ip = self.resolve(host) if self.resolve is not None else None
            if ip is None:
                raise ProxyingNotSupported("host %s cannot be resolved here" % host)
            address = uri.pack(ip, port)
            name = host.encode()
        if len(address) != len(self.address):
            raise ProxyingNotSupported("no IPv%d here" % (6 if len(address) > 6 else 4))
        return Target(address, path, query, name)

    def _check_options(self, m, multicast):
        # Every unsafe option must be known (RFC 7252 §5.7.1). Gives T' in s, which a group request must have.
        number = options.refused(m, bit=2)
        if number:
            raise BadOption("option %d" % number)
        if not multicast:
            return 0
        if m.find(self._timeout) < 0 and options.valid(m, self._signaling) < 0:
            raise MissingTimeout("Multicast-Timeout is missing")
        return min(m.uint(), self.max_timeout)

    def _hops(self, m):
        # RFC 8768: the Hop-Limit to send on, or None if there is none.
        if options.valid(m, n.HOP_LIMIT) < 0:
            return None
        hops = m.uint()
        if not hops:
            raise BadRequest("Hop-Limit 0")
        if hops == 1:
            raise HopLimitReached(uri.address_text(self.address))
        return hops - 1

    # What goes on

    def _write(self, m, kind, mid, token, start, length, target, hops):
        # Write the request for the server into upstream's buffer. Raises RequestEntityTooLarge.
        out = self.relay.upstream.out
        out.begin(kind, m.code, mid, token, start, length)
        own_path = target.path is not None  # then Uri-* options are not looked at (RFC 7252 §5.10.2)
        host = target.host
        path = target.path or ()
        query = target.query or ()
        try:
            m.rewind()
            while True:
                number = m.step()
                if host is not None and (number < 0 or number > n.URI_HOST):
                    out.option(n.URI_HOST, host)
                    host = None
                if path and (number < 0 or number > n.URI_PATH):
                    for segment in path:
                        out.option(n.URI_PATH, segment)
                    path = ()
                if query and (number < 0 or number > n.URI_QUERY):
                    for part in query:
                        out.option(n.URI_QUERY, part)
                    query = ()
                if number < 0:
                    break
                if number in _LEFT_OUT or number == self._timeout:
                    continue
                if own_path and number in (n.URI_PATH, n.URI_QUERY):
                    continue
                if number == n.HOP_LIMIT and hops is not None:
                    out.option_uint(number, hops)
                else:
                    out.copy_option(m, number)
            out.copy_payload(m)
        except ValueError:
            raise RequestEntityTooLarge("more than %d bytes" % out.size)

    def _refuse(self, m, peer, error):
        self.refusals[error.code] = self.refusals.get(error.code, 0) + 1
        if m.type() == n.CON:
            self._refused[self._refused_next] = (peer, m.mid(), error)
            self._refused_next = (self._refused_next + 1) % _REFUSALS
        self._answer_refused(m, peer, error)

    def _answer_refused(self, m, peer, error):
        pairs = []
        if isinstance(error, MissingTimeout):  # it says by an empty option what it misses (§5.2.1)
            pairs.append((self._timeout, b""))
        if error.max_age is not None:
            pairs.append((n.MAX_AGE, uint_bytes(error.max_age)))
        payload = str(error).encode()
        written = encoded(pairs)
        self.relay.downstream.reply(peer, m, error.code, written, len(written), payload, len(payload))

    # PROBING_RATE (RFC 7252 §4.7, bis §3.6): the bytes sent to a group within a time

    def _check_pace(self, group, now):
        if self.probing_rate and group in self._paced:
            i = self._paced.index(group)
            left = -elapsed(now, self._paced_until[i])
            if left > 0:
                raise ServiceUnavailable("sending to this group is limited", 1 + left // 1000)

    def _pace(self, group, length, now):
        if self.probing_rate:
            i = self._paced.index(group) if group in self._paced else self._oldest(now)
            self._paced[i] = group
            self._paced_until[i] = until = after(now, length * 1000 // self.probing_rate)
            self.relay.upstream.timers.set(self._pace_timers + i, until)

    def _oldest(self, now):
        best = 0
        for i in range(_PACED):
            if self._paced[i] is None:
                return i
            if elapsed(now, self._paced_until[i]) > elapsed(now, self._paced_until[best]):
                best = i
        return best

    def _pace_over(self, i, now):
        self._paced[i] = None


class MissingTimeout(BadRequest):
    """4.00 with an empty Multicast-Timeout: the proxy says that it wants one."""
