"""Whom the proxy serves, and how much of it: the allow-list (draft-ietf-core-groupcomm-proxy §4 REQ1, REQ2).

`AllowList.identify` is the one place that says who a client is: who shares the security context that has protected its
request, or by its IP address, which is for tests and closed networks, since the draft demands integrity.
"""

from micropython import const

from ..timers import elapsed

_MINUTE = const(60000)  # ms


class Client:
    """One entry of the allow-list. groups: packed addresses that it may reach; unicast: may it have single servers?

    exchanges: how many it may have open, 0 for as many as there are; requests: in a minute, 0 for no bound;
    max_timeout: the greatest T' of it, s, 0 for the proxy's own. name: that of its security context, a str, or bytes
    that are its IP address.
    """

    def __init__(self, name, groups=(), unicast=True, exchanges=0, requests=0, max_timeout=0):
        self.name = name
        self.groups = tuple(groups)
        self.unicast = unicast
        self.exchanges = exchanges
        self.requests = requests
        self.max_timeout = max_timeout
        self.counted = 0  # requests since it is known
        self.refused = 0  # of them
        self._allowance = requests * _MINUTE  # requests that it has to its credit, each counted as a minute
        self._at = None  # when that was so

    def wait(self, now):
        """Count a request: 0, or where it is one too many the ms until the next may come."""
        self.counted += 1
        if not self.requests:
            return 0
        if self._at is not None:
            past = elapsed(now, self._at)
            if not 0 <= past < _MINUTE:  # or so long ago that the clock has gone round
                past = _MINUTE
            self._allowance = min(self.requests * _MINUTE, self._allowance + past * self.requests)
        self._at = now
        if self._allowance < _MINUTE:
            return 1 + (_MINUTE - self._allowance) // self.requests
        self._allowance -= _MINUTE
        return 0


class AllowList:
    """clients: of `Client`, each with its name: that of the security context that its requests come protected by, or
    its IP address, 4 or 16 bytes, where they need no protection."""

    def __init__(self, clients):
        self.clients = clients
        self._by_name = {client.name: client for client in clients if isinstance(client.name, str)}
        self._by_ip = {client.name: client for client in clients if not isinstance(client.name, str)}
        self.groups = any(client.groups for client in clients)  # is any group enabled at all?
        self.reasons = {}  # why requests were refused: how many, by a word

    def identify(self, m, peer):
        """The `Client` who has sent the request m, or None."""
        if m.security is not None:
            return self._by_name.get(m.security.name)
        return self._by_ip.get(peer[:-2])
