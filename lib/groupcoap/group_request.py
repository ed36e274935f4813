"""One request to a group, until its time is over (RFC 7252 §8, draft-ietf-core-groupcomm-bis §3).

It goes out by multicast, Non-confirmable and perhaps in several copies (§3.1.3), or to a proxy with Multicast-Timeout
or Multicast-Signaling. Every answer is delivered with its origin; the rest of one that is block-wise is fetched from
its origin first, by a request of its own (§3.8).
"""

from . import block, options, uri
from . import numbers as n
from .message import option_of
from .request import Request, RequestFailed
from .timers import after
from .transfer import Download

_WAITING = 64  # origins whose further blocks wait for a fetch to end; later ones are lost, and counted
_FETCH_LACKS = (n.ETAG, n.NO_RESPONSE, n.OBSERVE, n.URI_HOST, n.URI_PORT)
_FETCH_LACKS += (n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)


class GroupRequest(Request):
    """A Request to a group; `timeout` ms for its answers, in up to `copies` of the same message.

    lost: answers that could not be had whole. naming: how it names its target to a forward-proxy; reverse: is the proxy
    a reverse-proxy? If so, True, or the path that names the group there. Whose an answer is: a packed address, or where
    a proxy tells by Reply-From, a pair of the packed address in it, or None, and the value.
    """

    naming = "uri"
    reverse = False

    def __init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied, timeout, copies):
        Request.__init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied)
        self.copies = copies - 1  # still to send
        parameters = client.endpoint.parameters
        self.spacing = min(timeout, parameters.max_transmit_span) // copies or parameters.ack_timeout  # ms
        self.lifetime = timeout or (self.spacing * copies if copies > 1 else 0)
        self.fetches = []  # requests for further blocks under way
        self.fetched = []  # origin of each
        self.queue = []  # origins whose blocks are still to be fetched
        self.over = False
        self.lost = 0
        self.begun = False
        self._last = None
        self._senders = {}  # who has protected what came from an origin, where that is asked for more
        self._echoes = {}  # and the Echo value that it wants
        self._cri = None
        if proxied:  # who multicasts by itself does without
            from . import cri

            self._cri = cri

    def carry(self, payload, size=None):
        """Give it a payload, bytes that fit into one message: there is no Block1 to a group (§3.8)."""
        if not isinstance(payload, (bytes, bytearray)):
            raise ValueError("payload: expected bytes that fit into one message to a group")
        self.payload = payload

    def source(self):
        """Answers come from anywhere, but those that a proxy relays."""
        return self.peer if self.proxied else None

    def went(self, now):
        """The first message has gone: its time counts from here."""
        if self.proxied:
            Request.went(self, now)
        elif self.copies:
            self.client.wake(self, after(now, self.spacing))
        if not self.begun:
            self.begun = True
            self.sent = now
            self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)

    def due(self, now):
        """It is its turn now, or time for a copy: the same Message ID, for those that have not heard it (§3.1.3)."""
        if self.waiting or self.proxied or self.confirmable:
            Request.due(self, now)
        elif self.copies:
            self.copies -= 1
            self.write()
            self.client.endpoint.send(self.peer)
            self.client.spent(self.peer, now)
            if self.copies:
                self.client.wake(self, after(now, self.spacing))

    def take(self, m, peer, now):
        """Deliver an answer, or have its further blocks fetched."""
        origin = self.origin(m, peer)
        if self.proxied and origin is None:  # of the proxy itself
            if not self.challenged(m, now):
                self.over = True
                self.finish(now)
                if not GroupRequest.fetch(self, m, peer, None, now):  # an aggregated answer may come in blocks
                    self.deliver(self.made(m, peer, now))
                self._ended()
        elif m.code == n.UNAUTHORIZED and self._may_challenge(m) and options.valid(m, n.ECHO) >= 0:
            self._echoes[origin] = bytes(m.value())
            self._senders[origin] = m.security
            self.refetch(origin, now)
        elif not self.fetch(m, peer, origin, now):
            self.deliver(self.made(m, peer, now))

    def _may_challenge(self, m):
        # Of a server that is known for certain, or where nobody is.
        return m.security is not None or (not self.proxied and self.way is None)

    def origin(self, m, peer):
        """Whose answer this is; None for the proxy itself."""
        if not self.proxied:
            return peer
        value = m.option(self.client.reply_from)
        if value is not None:
            last = self._last
            if last is None or last[1] != value:
                self._last = last = (self._address(value), value)
            return last
        value = m.option(self.client.forwarding)
        try:
            return None if value is None else uri.pack(self._cri.response_forwarding_ip(value), self.target.port)
        except ValueError:
            return None

    def _address(self, value):
        # The packed address of the server in a Reply-From value; None for a name, and for what nobody can read.
        try:
            address, _, second = self._cri.read_reply_from(value)
            if second is not None and type(second.host) is bytes:
                address = uri.pack(second.host, n.COAP_PORT if second.port is None else second.port)
            return address
        except ValueError:
            return None

    def made(self, m, peer, now, payload=None):
        """The Response of this message."""
        return _named(Request.made(self, m, peer, now, payload))

    def fetch(self, m, peer, origin, now):
        """Is this the first of several blocks? Then the others are fetched, at once or later."""
        value = block.read(m, n.BLOCK2) if self.assembles and m.code >> 5 == 2 else -1
        if value == -1 or 0 <= value < 8:
            return False
        self._senders[origin] = m.security
        if value < 0 or value >> 4:
            self.lost += 1
        elif origin in self.fetched or origin in self.queue:
            pass  # an answer of this origin is already being fetched
        elif len(self.fetches) < self.client.fetches:
            down = Download(self.made(m, peer, now, b""), None, self.limit, min(self.szx, value & 7))
            if down.take(m, value) is not None:
                self.lost += 1
            else:
                self._fetch(origin, down, now)
        else:
            self.refetch(origin, now)
        return True

    def fetch_rest(self, origin, down, now):
        """Fetch what is missing of this download, at once or later."""
        if len(self.fetches) < self.client.fetches:
            self._fetch(origin, down, now)
        else:
            self.refetch(origin, now)

    def refetch(self, origin, now):
        """Fetch the representation of this origin from its first block, which takes no memory until it is its turn."""
        if origin in self.fetched or origin in self.queue:
            return
        if len(self.queue) < _WAITING:
            self.queue.append(origin)
            self.fetch_queued(now)
        else:
            self.lost += 1

    def fetch_queued(self, now):
        """Fetch from the origins that wait for that, as many as may be at a time."""
        while self.queue and len(self.fetches) < self.client.fetches:
            self._fetch(self.queue.pop(0), None, now)

    def _fetch(self, origin, down, now):
        target = self.target
        peer = origin
        lacks = _FETCH_LACKS + (self.client.timeout, self.client.signaling, self.client.group_etag)
        pairs = [pair for pair in self.pairs if pair[0] not in lacks]
        if origin is None:  # the proxy's own: the same request again
            peer, pairs = self.peer, self.pairs
        elif self.proxied:
            from .follow_up import rest

            try:
                target, peer, pairs = rest(self, origin, pairs)
            except ValueError:  # an origin that cannot be reached so
                self.lost += 1
                return
        fetch = Request(self.client, None, self.method, target, peer, pairs, True, self.proxied)

        def deliver(item):
            if item is not None:
                if not isinstance(item, RequestFailed):
                    item.origin = origin
                    _named(item)
                self._done(fetch, item)

        fetch.deliver = deliver
        fetch.echo = self._echoes.pop(origin, None)
        if self.way is not None:
            fetch.way = self.way.follow_up(self._senders.pop(origin, None))
        fetch.down = down
        fetch.limit = self.limit
        fetch.szx = self.szx
        fetch.early = down is None
        fetch.payload = self.payload
        self.fetches.append(fetch)
        self.fetched.append(origin)
        try:
            fetch.start(now)
            fetch.sent = self.sent
        except (RequestFailed, ValueError):
            self._forget(fetch)
            self.lost += 1

    def _forget(self, fetch):
        i = self.fetches.index(fetch)
        self.fetches.pop(i)
        self.fetched.pop(i)

    def _done(self, fetch, item):
        # A fetch has ended with this item; its place is the next one's.
        if fetch not in self.fetches:
            return
        self._forget(fetch)
        if isinstance(item, RequestFailed):
            self.lost += 1
        else:
            self.deliver(item)
        self.fetch_queued(self.client.now)
        self._ended()

    def expired(self, now):
        """The time for answers is over; what is being fetched is still awaited."""
        self.over = True
        self.finish(now)
        self._ended()

    def _ended(self):
        if self.over and not self.fetches:
            self.over = False
            self.deliver(None)

    def fail(self, reason, now):
        """The proxy is silent, or has reset the request."""
        self.cancel(now)
        self.deliver(RequestFailed(reason))

    def cancel(self, now):
        """Forget it, and what is being fetched."""
        self.over = False
        self.drop(now)
        self.finish(now)

    def stop(self, now):
        """Want no more answers: as `cancel`, but a proxy is told, by an Early Stop Request.

        Not so by multicast, in profile 00, and where the proxy relays nothing any more. Nor while a reverse-proxy has
        not acknowledged the request, as it takes the stop of one that it does not know for a request to the group.
        """
        client = self.client
        token = None
        if self.slot >= 0 and option_of(self.pairs, client.timeout):
            if not self.waiting and not (self.reverse and self.silent):
                token = client.endpoint.tokens.token(self.slot)
        self.cancel(now)
        if token is not None:
            from .early_stop import EarlyStop

            EarlyStop(client, token, self.peer, self.confirmable, now)

    def drop(self, now, origin=None):
        """Fetch no more blocks; of this origin, or of any."""
        for i in range(len(self.queue) - 1, -1, -1):
            if origin is None or self.queue[i] == origin:
                self.queue.pop(i)
        for i in range(len(self.fetches) - 1, -1, -1):
            if origin is None or self.fetched[i] == origin:
                fetch = self.fetches.pop(i)
                self.fetched.pop(i)
                fetch.cancel(now)


def _named(response):
    # Takes apart whose a response is, as `GroupRequest.origin` has it.
    if type(response.origin) is tuple:
        response.origin, response.reply_from = response.origin
    return response
