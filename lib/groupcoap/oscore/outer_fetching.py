"""Outer Block options at who asks: responses that come in pieces, a request that is to go in pieces (RFC 8613 §4.1.3.4,
§8.4 step A; RFC 7959).

The further pieces are asked for by the same protected request, its OSCORE option and ciphertext as they were, under a
token of their own: the token of the request stays with who has asked, so that notifications go on coming. What was put
together then takes the way of any other response. Nothing is kept of a request before it is known that it is needed:
its message is looked for where it was last, so a response in pieces is lost where another message has been there since.

A `Fetching` is made, with all of its memory, when the first message with an outer Block option comes.
"""

from micropython import const

from .. import block
from .. import numbers as n
from ..endpoint import MAX_DATAGRAM
from ..hot import copy, same
from ..message import Message, uint_bytes, with_options
from ..timers import elapsed
from ..tokens import ROW, TOKEN_LENGTH
from .errors import Rejected
from .exchange import header

_SEEN = const(2)
_OSCORE = const(1 << 9)
_CON = const(0)
_ROUND_TRIP = const(2000)  # ms on top of MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2)


class Fetching:
    """One request of `asking` at a time whose message, or whose response, goes in pieces; out: a Writer to use.

    The response has to be there while the request still waits, and within EXCHANGE_LIFETIME; what is longer than
    MAX_DATAGRAM bytes is dropped. crowded: those refused since another one was being fetched; lost: those whose message
    was no longer there, or whose pieces did not come or did not fit together. Who has asked then has no answer.
    """

    def __init__(self, asking, out):
        self._asking = asking
        self._endpoint = endpoint = asking.endpoint
        self._tokens = endpoint.tokens
        self._out = out
        self._sealed = Message(MAX_DATAGRAM)  # the request
        self._copy = bytearray(MAX_DATAGRAM)  # where that stands
        self._pairs = None  # its options
        self._whole = Message(MAX_DATAGRAM)
        self._buf = bytearray(MAX_DATAGRAM)  # the response, as far as it has come
        self._end = 0
        self._token = b""  # of the request
        self._layers = None  # and what its responses come through
        self._of = -1  # its slot; -1: nothing is being fetched
        self._slot = -1  # of the piece in hand
        self._up = -1  # bytes that have gone, of a request in pieces
        self._whole_again = True  # does the request go with its payload where pieces of the response are asked for?
        self._lifetime = endpoint.parameters.max_transmit_wait + _ROUND_TRIP
        self._szx = self._since = self._code = 0
        self._peer = self._value = self._etag = None
        self.crowded = self.lost = 0

    def begin(self, slot, m, peer, layers, now):
        """Take a response with a Block option to the request in this slot (as Asking.response)."""
        up = block.read(m, n.BLOCK1)
        down = block.read(m, n.BLOCK2)
        if not m.fields[_SEEN] & _OSCORE:
            if m.code == n.REQUEST_ENTITY_TOO_LARGE and up >= 0 and self._goes_up(slot, up & 7, peer, layers, now):
                return None
        elif down > 7 or down == -2:
            if down < 0 or down > 15:
                return False
            if self._runs() and self._of == slot and m.option(n.OSCORE) == self._value and self._same(m):
                return None  # the first piece, again
            if not self._have(slot, peer, layers, now):
                return False
            return self._first(m, down, now)
        return self._asking._response(slot, m, peer, layers, now)

    def response(self, slot, m, peer, now):
        """Take the response to a piece (Tokens' owner)."""
        if not self._runs():
            self._stop(now)
            return False
        self._endpoint.outgoing.cancel(self, slot, now)
        if self._up >= 0:
            return self._uploaded(m, now)
        if m.code != self._code or block.read(m, n.BLOCK2) < 0:
            if m.code < 128:
                self._asking.unprotected += 1
                return False
            if self._observing():  # of which only this notification is lost
                return self._fail(now)
            return self._deliver(m, now)  # an error: it goes its own way
        return self._further(m, block.read(m, n.BLOCK2), now)

    def acknowledged(self, ref, now):
        """A piece's request is through (Outgoing's owner)."""
        if self._slot >= 0:
            self._tokens.extend(self._slot, self._lifetime, now)

    def message_failed(self, ref, reset, now):
        """A piece's request was reset, or nobody acknowledges it (Outgoing's owner)."""
        self._fail(now)

    def token_expired(self, slot, now):
        """No piece has come in time (Tokens' owner)."""
        self._fail(now)

    # The request

    def _have(self, slot, peer, layers, now):
        # Have the message of the request in this slot, in order to go on with it: is there one?
        token = self._tokens.token(slot)
        if self._runs() and self._of != slot:
            self.crowded += 1
            return False
        if token != self._token or layers is not self._layers:
            if not self._found(token, layers[-1]):
                self.lost += 1
                return False
            self._pairs = self._sealed.options()
            self._whole_again = True
        self._stop(now)
        self._token = token
        self._layers = layers
        self._of = slot
        self._peer = peer
        self._since = now
        self._up = -1
        return True

    def _found(self, token, exchange):
        # Copy the message that went with this token, sealed as `exchange`, from where it was last: is it there?
        outgoing = self._endpoint.outgoing
        for i in range(-1, outgoing.places):
            buf, length = (self._out.buf, self._out.end) if i < 0 else (outgoing.bufs[i], outgoing.lengths[i])
            if length > 12 and buf[0] & 15 == TOKEN_LENGTH and buf[1] < 32 and same(buf, 4, token, 0, TOKEN_LENGTH):
                copy(self._copy, 0, buf, 0, length)
                self._token = b""
                try:
                    self._sealed.parse(self._copy, length)
                    if header(self._sealed)[0] == exchange.piv:
                        return True
                except (ValueError, Rejected):
                    pass
        return False

    def _goes_up(self, slot, szx, peer, layers, now):
        # A request that was too large goes in pieces of this size: can it?
        if layers[0].observe == 0 or szx > block.LARGEST or not self._have(slot, peer, layers, now):
            return False
        if self._sealed.payload_length() <= 16 << szx:
            self._stop(now)
            return False
        self._up = 0
        self._szx = szx
        self._whole_again = False
        self._ask(now)
        return True

    def _uploaded(self, m, now):
        # What answers a piece of the request.
        up = block.read(m, n.BLOCK1)
        sent = min(self._sealed.payload_length() - self._up, 16 << self._szx)
        if m.fields[_SEEN] & _OSCORE or m.code != n.CONTINUE:
            if m.code == n.REQUEST_ENTITY_TOO_LARGE and not self._up and 0 <= up & 7 < self._szx:
                self._szx = up & 7
                return self._ask(now)
            self._up = -1
            down = block.read(m, n.BLOCK2)
            if m.fields[_SEEN] & _OSCORE and 7 < down < 16:
                return self._first(m, down, now)
            return self._deliver(m, now)
        # NUM counts in blocks of SZX, or as it was sent where the other wants smaller ones from now on
        at = up >> 4 << (up & 7) + 4
        if up < 0 or self._up not in (at, up >> 4 << self._szx + 4) or self._up + sent == self._sealed.payload_length():
            return self._fail(now)
        self._up += sent
        self._szx = min(self._szx, up & 7)
        return self._ask(now)

    def _ask(self, now):
        # Send the next piece of the request, or ask for the next one of the response.
        endpoint = self._endpoint
        tokens = self._tokens
        self._put_back(now)
        if elapsed(now, self._since) > endpoint.parameters.exchange_lifetime:
            return self._fail(now)
        self._slot = slot = tokens.allocate(self, self._lifetime, now, self._peer)
        if slot < 0:
            return self._fail(now)
        m = self._sealed
        start = m.end - m.payload_length()
        length = m.payload_length() if self._whole_again else 0
        pairs = self._pairs
        if self._up >= 0:
            start += self._up
            length = min(m.end - start, 16 << self._szx)
            value = block.value(self._up >> self._szx + 4, start + length < m.end, self._szx)
            pairs = with_options(pairs, [(n.BLOCK1, uint_bytes(value))])
        else:
            have = self._end - self._whole.end + self._whole.payload_length()
            value = block.value(have >> self._szx + 4, False, self._szx)
            pairs = with_options([p for p in pairs if p[0] != n.OBSERVE], [(n.BLOCK2, uint_bytes(value))])
        out = self._out
        mid = endpoint.next_mid()
        try:
            out.begin(m.type(), m.code, mid, tokens.rows, ROW * slot, TOKEN_LENGTH)
            for number, value in pairs:
                out.option(number, value)
            out.payload(m.buf, start, length)
        except ValueError:  # no room for the Block option
            return self._fail(now)
        if m.type() != _CON:
            self._asking.wire(out.buf, out.end, self._peer)
        elif out.end > len(endpoint.outgoing.bufs[0]) or not endpoint.outgoing.send(
            out.buf, out.end, mid, self._peer, self, slot, now
        ):
            return self._fail(now)
        return None

    # The response

    def _first(self, m, down, now):
        # The first piece of a response, others being behind it.
        self._szx = down & 7
        if m.payload_length() != 16 << self._szx:
            return self._fail(now)
        self._code = m.code
        self._value = m.option(n.OSCORE)
        self._etag = m.option(n.ETAG)
        self._keep(m)
        return self._ask(now)

    def _further(self, m, down, now):
        szx = down & 7
        length = m.payload_length()
        have = self._end - self._whole.end + self._whole.payload_length()
        if (
            down >> 4 << szx + 4 != have
            or not 0 < length <= 16 << szx
            or (down & 8 and length < 16 << szx)
            or self._end + length > MAX_DATAGRAM
            or m.option(n.OSCORE, self._value) != self._value
            or not self._same(m)
        ):
            return self._fail(now)
        self._end = copy(self._buf, self._end, m.buf, m.end - length, length)
        self._szx = min(self._szx, szx)
        if down & 8:
            return self._ask(now)
        return self._finish(now)

    def _same(self, m):
        # Is this of the same response, as far as its ETag tells?
        etag = m.option(n.ETAG)
        return etag is None or self._etag is None or etag == self._etag

    def _keep(self, m):
        # The message m as one that answers the request.
        self._end = copy(self._buf, 0, m.buf, 0, m.end)
        copy(self._buf, 4, self._token, 0, TOKEN_LENGTH)
        self._whole.parse(self._buf, self._end)

    def _deliver(self, m, now):
        self._keep(m)
        return self._finish(now)

    def _finish(self, now):
        slot = self._of
        self._stop(now)
        self._whole.parse(self._buf, self._end)
        return self._asking._response(slot, self._whole, self._peer, self._layers, now)

    # Its end

    def _runs(self):
        # Is something being fetched that is still waited for?
        if self._of < 0:
            return False
        return self._tokens.receivers[self._of] is self._asking and same(
            self._tokens.rows, ROW * self._of, self._token, 0, TOKEN_LENGTH
        )

    def _observing(self):
        return self._layers[0].observe == 0

    def _put_back(self, now):
        slot = self._slot
        if slot >= 0:
            self._slot = -1
            self._endpoint.outgoing.cancel(self, slot, now)
            self._tokens.release(slot)

    def _stop(self, now):
        self._put_back(now)
        self._of = -1

    def _fail(self, now):
        self.lost += 1
        self._stop(now)
