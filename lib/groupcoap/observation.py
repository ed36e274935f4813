"""An observation of one resource at one server, as its client sees it (RFC 7641 §3).

The token stays the same for as long as it lasts. Notifications are delivered in order; the further blocks of one are
fetched by a request with a token of its own, which a newer notification ends. When none has come within Max-Age, the
client registers again.
"""

from . import block, options
from . import numbers as n
from .freshness import max_age, newer
from .request import Request, RequestFailed
from .transfer import Download


def patience(entropy):
    """Ms beyond Max-Age until a client registers again: 5 to 15 s (§3.3.1)."""
    r = entropy(2)
    return 5000 + (r[0] << 8 | r[1]) % 10001


class Observation(Request):
    """A Request whose responses are delivered until it ends: cancelled, deregistered, or refused by the server."""

    observe = 0
    last = -1  # number of the newest notification
    at = 0  # when that came
    fetching = None  # the request for the further blocks of a notification
    registered = ending = False
    lost = 0  # notifications that could not be had whole

    def response(self, slot, m, peer, now):
        """Take a response that matches the token (Tokens' owner)."""
        if self.ending and m.type() != n.ACK and m.find(n.OBSERVE) >= 0:
            return None  # a notification that was under way when the server was told; its answer is still to come
        return Request.response(self, slot, m, peer, now)

    def take(self, m, peer, now):
        """Deliver a notification, if it is newer than the last; or the last response."""
        if self.ending:
            self.finish(now)
            self.deliver(None)
        elif self.observe is None or m.code >> 5 != 2 or options.valid(m, n.OBSERVE) < 0:
            if self.observe is not None and self.challenged(m, now):
                return
            self._drop(now)
            self.observe = None  # not observed, or not any more
            Request.take(self, m, peer, now)
        else:
            number = m.uint()
            ordered = m.type() == n.ACK or self.protected(m)
            if self.registered and not ordered and not newer(number, self.last, self.at, now):
                return
            self.last = number
            self.at = now
            self.registered = True
            span = max_age(m) + patience(self.client.endpoint.entropy)
            self.client.endpoint.tokens.extend(self.slot, span, now)
            self._drop(now)
            value = block.read(m, n.BLOCK2) if self.assembles else -1
            if value == -1 or 0 <= value < 8:
                self.deliver(self.made(m, peer, now))
            else:
                self._fetch(m, value, peer, now)

    def _fetch(self, m, value, peer, now):
        down = Download(self.made(m, peer, now, b""), None, self.limit, min(self.szx, value & 7))
        if down.take(m, value) is not None:
            self.lost += 1
            return
        fetch = Request(self.client, None, self.method, self.target, self.peer, self.pairs, True, self.proxied)

        def deliver(item):
            if item is not None:
                self.fetching = None
                if isinstance(item, RequestFailed):
                    self.lost += 1
                else:
                    self.deliver(item)

        fetch.deliver = deliver
        fetch.way = self.way
        fetch.down = down
        fetch.limit = self.limit
        fetch.szx = self.szx
        fetch.payload = self.payload
        self.fetching = fetch
        try:
            fetch.start(now)
        except (RequestFailed, ValueError):
            self.fetching = None
            self.lost += 1

    def _drop(self, now):
        # A newer notification makes the older one's blocks useless.
        fetch = self.fetching
        if fetch is not None:
            self.fetching = None
            fetch.cancel(now)

    def expired(self, now):
        """Max-Age is over: register again, with the same token (§3.3.1). Before the first notification: no answer."""
        if self.registered:
            self.registered = False
            self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)
            self.proceed(now, False)
        else:
            self.fail("no answer", now)

    def deregister(self, now):
        """Tell the server that notifications are no longer wanted (§3.6)."""
        self._drop(now)
        if self.slot < 0 or self.ending:
            return
        if self.observe is None:
            self.finish(now)
            self.deliver(None)
            return
        self.ending = True
        self.observe = 1
        self.down = None
        self.client.endpoint.outgoing.cancel(self, self.slot, now)
        self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)
        self.proceed(now, False)

    def fail(self, reason, now):
        """The server is silent, or has reset a request."""
        self._drop(now)
        self.finish(now)
        self.deliver(None if self.ending else RequestFailed(reason))

    def cancel(self, now):
        """Forget it: the next notification is reset."""
        self._drop(now)
        self.finish(now)
