"""What binds responses to their request on one OSCORE layer, on either side (RFC 8613 §7, §8.3, §8.4).

On the server an Exchange decides when a response may use the nonce of the request: once, and not where the replay of
the request could not be excluded. On the client it decides which responses are taken: of each server at most one
without a Partial IV, and none twice (draft-ietf-core-oscore-groupcomm §5.3.1, RFC 8613 §7.4.1,
draft-ietf-core-oscore-capable-proxies §2.6.1).
"""

from micropython import const

from .. import numbers as n
from .errors import replayed, undecodable
from .option import parse, piv_bytes
from .window import Window

# Modes: how a message is protected
OSCORE = const(0)
GROUP = const(1)
PAIRWISE = const(2)
DETERMINISTIC = const(3)

_RESPONSES = const(32)  # numbers of a server's responses that may overtake each other


class Exchange:
    """One protected request, and its responses.

    context: a Context or a Group; mode: the request's; kid, piv, gid: those of the request (bytes; gid None where it
    has no kid context); member: who the other is, None for plain OSCORE and for a request to a group; servers: how many
    may respond, for each of which the client keeps a small window once it has responded.

    name: the other's, or the context's. observe: the value of the request's inner Observe option, or None;
    outer_observe: has it an outer one? fresh: False where the server's replay window is invalid, until `recover`.
    own_piv: True makes the next response have a Partial IV of its own. pairwise: True makes responses to a request in
    group mode be in pairwise mode.
    """

    # What most never have is here until it is set: an instance with more attributes than few takes 400 bytes.
    observe = None
    outer_observe = own_piv = pairwise = False
    fresh = True
    window = None  # the one that the request's number belongs to
    request_hash = None  # of a deterministic request
    inner_observe = False  # has a deterministic request an inner Observe option alone?
    _answered = False
    _windows = None
    _oldest = None  # one bit a server: has its response without Partial IV come?
    outer_blocks = None  # of a request with an outer Block option: what it says of its answers (outer_blocks.Pieces)

    def __init__(self, context, mode, kid, piv, gid=None, member=None, servers=1):
        self.context = context
        self.mode = mode
        self.kid = kid
        self.piv = piv
        self.gid = gid
        self.member = member
        self.name = context.name if member is None else member.name
        self._servers = servers

    # The server's side

    def seal(self, m, out, relayed=False):
        """Write the response m (a plain Message) into the Writer `out`, protected: a `Sealing`.

        relayed: does this endpoint relay m, so that an option unknown to it is an error? Raises Rejected for that,
        ValueError where `out` is too small, OverflowError when the context is used up.
        """
        return self.context.seal_response(self, m, out, relayed)

    def response_piv(self, m, own=False):
        """The Partial IV for the response m, or None: then it uses the request's, and no other response will.

        A notification always has one, the first one too, so that a client finds it newer than those that came under
        an earlier registration. own: so has this one. Raises what Sequence.take raises.
        """
        if own or self.own_piv or self._answered or m.find(n.OBSERVE) >= 0:
            self._answered = True
            return piv_bytes(self.context.sequence.take())
        self._answered = True
        return None

    def recover(self):
        """The request is known to be fresh, by an Echo option: make the replay window valid, from its number on.

        (RFC 8613 Appendix B.1.2, draft-ietf-core-oscore-groupcomm §9.) Where another request has made it valid since,
        this one is noted there. Raises Rejected if that one was the same, or a later one.
        """
        number = int.from_bytes(self.piv, "big")
        if not self.window.valid:
            self.window.recover(number)
        elif not self.window.take(number):
            raise replayed()
        self.fresh = True

    # The client's side

    def open(self, m):
        """Begin to open the response m, a Message: an `Opening`. Raises Rejected."""
        return self.context.open_response(self, m, *header(m))

    def check_response(self, server, piv, notification):
        """Raises Rejected where this server's response has come before, or is a notification and not the newest.

        server: its number, below `servers`; piv: the response's Partial IV or None.
        """
        window = self._windows[server] if self._windows is not None else None
        if piv is None:
            late = notification and window is not None
            if late or self._oldest is not None and self._oldest[server >> 3] >> (server & 7) & 1:
                raise replayed()
        elif window is not None:
            number = int.from_bytes(piv, "big")
            if not window.check(number) or notification and number < window.top:
                raise replayed()

    def take_response(self, server, piv):
        """Note a response that `check_response` has let through and that is verified."""
        if piv is None:
            if self._oldest is None:
                self._oldest = bytearray(self._servers + 7 >> 3)
            self._oldest[server >> 3] |= 1 << (server & 7)
            return
        if self._windows is None:
            self._windows = [None] * self._servers
        if self._windows[server] is None:
            self._windows[server] = Window(_RESPONSES)
        self._windows[server].take(int.from_bytes(piv, "big"))


def header(m):
    """(Partial IV, kid context, kid, group) of a protected message; see `option.parse`. Raises Rejected.

    That is for no OSCORE option or a malformed one, several of them, or no payload (RFC 8613 §2).
    """
    length = m.find(n.OSCORE)
    if not 0 <= length <= 255:
        raise undecodable()
    value = bytes(m.value())
    if m.step() == n.OSCORE or not m.payload_length():
        raise undecodable()
    try:
        return parse(value)
    except ValueError:
        raise undecodable()
