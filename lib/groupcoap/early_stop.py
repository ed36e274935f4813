"""The Early Stop Request: a client wants no more answers through a proxy (draft-ietf-core-groupcomm-proxy §5.1.3)."""

from . import numbers as n


class EarlyStop:
    """Sends one after the group request that has this token (bytes) from a client's endpoint.

    It outlives the request: where it is Confirmable, it is repeated until its ACK comes.
    """

    def __init__(self, client, token, peer, confirmable, now):
        endpoint = client.endpoint
        endpoint.out.begin(n.CON if confirmable else n.NON, n.GET, endpoint.next_mid(), token)
        endpoint.out.option(client.timeout)
        if not confirmable or not endpoint.send_confirmable(peer, self, -1, now):
            endpoint.send(peer)  # once, where there is no place to repeat it from

    def acknowledged(self, ref, now):
        """The proxy has it (Outgoing's owner)."""

    def message_failed(self, ref, reset, now):
        """The proxy is gone, or knows no such request: its answers would be dropped."""
