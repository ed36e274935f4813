"""The transmission parameters of RFC 7252 §4.8 and the times that follow from them (§4.8.2), in ms.

One object serves every endpoint of a node. Who changes one must change it on all nodes that talk to each other: a
duplicate is known by times that both ends have to agree on.
"""

from micropython import const

_MAX_LATENCY = const(100000)  # ms (§4.8.2)


class Parameters:
    """ack_timeout: ms; nstart: Confirmable messages at a time to one peer; probing_rate: bytes/s to a silent peer.

    Derived, ms: max_transmit_span, max_transmit_wait, max_rtt, exchange_lifetime, non_lifetime. Raises ValueError for a
    value that RFC 7252 §4.8.1 does not allow, or whose times the clock of 30 bits cannot hold.
    """

    def __init__(
        self,
        ack_timeout=2000,
        ack_random_factor=1.5,
        max_retransmit=4,
        nstart=1,
        default_leisure=5000,
        probing_rate=1,
    ):
        if not 1 <= ack_timeout <= 60000 or not 1 <= ack_random_factor <= 4 or not 0 <= max_retransmit <= 8:
            raise ValueError("parameters: expected ack_timeout 1-60000 ms, ack_random_factor 1-4, max_retransmit 0-8")
        if not 1 <= nstart <= 255:
            raise ValueError("nstart %s: expected 1 to 255" % nstart)
        longest = int(ack_timeout * ack_random_factor)
        self.ack_timeout = ack_timeout
        self.ack_spread = longest - ack_timeout + 1  # ms of which a random part is added
        self.max_retransmit = max_retransmit
        self.nstart = nstart
        self.default_leisure = default_leisure
        self.probing_rate = probing_rate
        self.max_transmit_span = longest * ((1 << max_retransmit) - 1)
        self.max_transmit_wait = longest * ((2 << max_retransmit) - 1)
        self.max_rtt = 2 * _MAX_LATENCY + ack_timeout
        self.exchange_lifetime = self.max_transmit_span + self.max_rtt
        self.non_lifetime = self.max_transmit_span + _MAX_LATENCY


DEFAULT = Parameters()


def leisure(group_size, response_size, rate):
    """The least Leisure in ms that keeps a group's answers below `rate` bytes/s (§8.2: S * G / R).

    group_size: servers that may answer; response_size: bytes of one answer on the wire.
    """
    return -(-response_size * group_size * 1000 // rate)
