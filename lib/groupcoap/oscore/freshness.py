"""Is a request fresh? After a restart a server does not know which ones it has had (RFC 8613 Appendix B.1.2).

Whose replay window was lost is sent an Echo value (RFC 9175 §2.3), and has to say its request again with it; that
request then is where the window begins anew.
"""

from .. import numbers as n
from ..timers import elapsed

_LENGTH = 8  # bytes of an Echo value
_LIFETIME = 120000  # ms within which it has to come back


class Challenges:
    """The Echo values that were sent to up to `places` senders; a further one takes the place of the oldest."""

    def __init__(self, entropy, places=8):
        self._entropy = entropy
        self._places = places
        self._sent = []  # (sender, value, when), the oldest first

    def challenge(self, m, exchange, now):
        """None where the request m, just opened as `exchange`, is fresh: its window is then in order again. Else the
        value to answer it with. Raises Rejected as `Exchange.recover` does."""
        sender = exchange.member or exchange.context
        for entry in self._sent:
            if entry[0] is sender:
                young = 0 <= elapsed(now, entry[2]) < _LIFETIME
                if young and m.option(n.ECHO) != entry[1]:
                    return entry[1]
                self._sent.remove(entry)
                if young:
                    exchange.recover()
                    return None
                break
        if len(self._sent) == self._places:
            self._sent.pop(0)
        value = self._entropy(_LENGTH)
        self._sent.append((sender, value, now))
        return value
