"""One request to one peer, until its last response (RFC 7252 §5; block-wise as in RFC 7959).

A `Request` owns the slot of its token and its Confirmable message: what the tables have to tell, they tell it. A
block-wise transfer is a row of requests under one object, each with a fresh Message ID and a fresh token in the same
slot. All of them hang on a `client.Client`, which knows whose turn it is.
"""

from micropython import const

from . import block, options
from . import numbers as n
from .message import insert, uint_bytes
from .response import Response
from .timers import after
from .tokens import ROW, TOKEN_LENGTH
from .transfer import CHANGED, Download, Upload

_CHALLENGES = const(4)  # that a request answers where there are proxies on the way
_RETRY = 500  # ms after which a further block asks again for a place among the Confirmable messages
_CRITICAL = (n.BLOCK1, n.BLOCK2)  # the critical options that a response may have
DEFAULT_MAX_AGE = 60  # s (RFC 7252 §5.10.5)
ROUND_TRIP = 2000  # ms on top of MAX_TRANSMIT_WAIT until a request has failed (RFC 7252 §4.8.2)


class RequestFailed(Exception):
    """No response, or none that can be used: the peer was silent, has reset the request, or a transfer broke off."""


class Request:
    """A request for `target` (uri.Uri) that goes to `peer` (packed address): its server, or a proxy.

    pairs: its options, (number, bytes) by rising number. deliver(item) takes the Response, then None; or a
    RequestFailed. lifetime: ms that a response may take. After __init__, the attributes sink, limit, szx, early and
    assembles say how blocks are treated; then `start`. slot is -1 once it is over.
    """

    way = None  # how it is protected end to end: an `oscore.asking.Way`
    observe = None  # value of the Observe option
    sink = None  # object that the payload is written into
    early = False  # is the size of blocks wanted said in the first request?
    assembles = True  # are blocks put together?
    up = down = None  # Upload, Download
    waiting = outstanding = silent = False
    echo = None  # value of the Echo option to send
    echoed = False  # has it answered a challenge of the server that protects its responses,
    echoes = 0  # and how many others, by the message that is under way?
    renewals = 2  # how often it is said again under new keys (`oscore.rederive`)

    def __init__(self, client, deliver, method, target, peer, pairs, confirmable, proxied=False):
        self.client = client
        self.deliver = deliver
        self.method = method
        self.target = target
        self.peer = peer
        self.pairs = pairs
        self.confirmable = confirmable
        self.proxied = proxied
        self.payload = b""
        self.szx = block.LARGEST
        self.limit = client.limit
        self.lifetime = client.endpoint.parameters.max_transmit_wait + ROUND_TRIP
        self.slot = -1
        self.mid = self.sent = 0

    def carry(self, payload, size=None):
        """Give it a payload: bytes of any length, or a stream of `size` bytes (None: not known)."""
        if isinstance(payload, (bytes, bytearray, memoryview)) and (
            len(payload) <= 16 << self.szx or not self.assembles
        ):
            self.payload = payload
        else:
            self.up = Upload(payload, size, self.szx)

    def start(self, now):
        """Take a slot and send. Raises RequestFailed where there is no room, ValueError for what cannot be sent."""
        tokens = self.client.endpoint.tokens
        self.slot = tokens.allocate(self, self.lifetime, now, self.source())
        if self.slot < 0:
            raise RequestFailed("%d requests are open, which is all there is room for" % tokens.slots)
        self.sent = now
        try:
            if not self.go(now):
                raise RequestFailed("too many requests wait for their acknowledgement")
        except Exception:
            self.finish(now)
            raise

    def source(self):
        """The only peer whose responses are taken."""
        return self.peer

    def go(self, now):
        """Write the next message and send it when it is its turn: False when there is no place for a Confirmable one.

        Raises ValueError for what doesn't fit into a message, or as the stream does.
        """
        endpoint = self.client.endpoint
        self.mid = endpoint.next_mid()
        if self.way is not None:
            endpoint.gate.use(self.slot, self, self.way)
        self.write()
        if self.confirmable:
            self.silent = True
            return endpoint.send_confirmable(self.peer, self, self.slot, now)
        if self.client.turn(self, now):
            self.outstanding = True
            endpoint.send(self.peer)
            self.went(now)
        return True

    def went(self, now):
        """A Non-confirmable message of it has gone: a response is expected as long as an acknowledgement would be."""
        parameters = self.client.endpoint.parameters
        self.client.wake(self, after(now, parameters.ack_timeout + parameters.ack_spread))

    def write(self):
        """Write the next message, under the Message ID in hand."""
        endpoint = self.client.endpoint
        out = endpoint.out
        up = self.up
        down = self.down
        value = -1 if up is None else up.block()
        pairs = list(self.pairs)
        if self.observe is not None:
            insert(pairs, n.OBSERVE, uint_bytes(self.observe))
        if down is not None:
            # A block cannot be 2.03, and conditions held when the request was carried out
            pairs = [pair for pair in pairs if pair[0] not in (n.ETAG, n.IF_MATCH, n.IF_NONE_MATCH)]
            insert(pairs, n.BLOCK2, uint_bytes(down.asked()))
        elif self.early and (up is None or not up.more):
            insert(pairs, n.BLOCK2, uint_bytes(block.value(0, False, self.szx)))
        if up is not None:
            insert(pairs, n.BLOCK1, uint_bytes(value))
            if up.at:  # what holds at the first block would no longer hold (RFC 7959 §2.10)
                pairs = [pair for pair in pairs if pair[0] != n.IF_NONE_MATCH]
            elif up.size is not None:
                insert(pairs, n.SIZE1, uint_bytes(up.size))
        if self.echo is None and not self.proxied:
            self.echo = self.client.take_echo(self.peer)
        if self.echo is not None:
            insert(pairs, n.ECHO, self.echo)
        kind = n.CON if self.confirmable else n.NON
        out.begin(kind, self.method, self.mid, endpoint.tokens.rows, ROW * self.slot, TOKEN_LENGTH)
        for number, value in pairs:
            out.option(number, value)
        if up is not None:
            out.payload(up.buf, up.start, up.length)
        elif down is None or self.method == n.FETCH:
            out.payload(self.payload)

    def proceed(self, now, fresh=True):
        """Send the next message of a transfer, with a fresh token; whatever is wrong with it ends the request."""
        if fresh:
            tokens = self.client.endpoint.tokens
            self.client.endpoint.outgoing.cancel(self, self.slot, now)
            tokens.release(self.slot)
            self.slot = tokens.allocate(self, self.lifetime, now, self.source())  # the same: the last one given back
        try:
            if not self.go(now):
                self.client.wake(self, after(now, _RETRY))
        except (ValueError, TypeError, OSError, MemoryError) as e:
            self.fail(str(e) or "no memory for the request", now)

    def due(self, now):
        """The time that `client.wake` was told has come."""
        if self.confirmable or self.waiting:
            self.proceed(now, False)
        elif self.outstanding:  # its response may still come, but is no longer expected
            self.outstanding = False
            self.client.turns(now)

    def heard(self, now):
        """A response has come: the message is through, and the peer alive."""
        self.client.endpoint.outgoing.cancel(self, self.slot, now)
        self.client.heard(self.peer)
        self.echo = None
        if self.silent and self.slot >= 0:  # its acknowledgement was lost: the time for answers counts from here
            self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)
        self.silent = False
        if self.outstanding:
            self.outstanding = False
            self.client.turns(now)

    def response(self, slot, m, peer, now):
        """Take a response that matches the token (Tokens' owner)."""
        if options.refused(m, _CRITICAL):
            return False  # a critical option that is not known here, or has no place in a response (RFC 7252 §5.4.1)
        self.client.now = now
        self.heard(now)
        if self.slot >= 0:  # else another request, whose turn came, has cancelled this one
            self.take(m, peer, now)

    def take(self, m, peer, now):
        """Take a response that may be: a step of a transfer, or the last one."""
        if self.challenged(m, now) or (self.up is not None and self._uploads(m, now)):
            return
        try:
            problem = self._downloads(m, peer, now)
        except (OSError, ValueError, TypeError, MemoryError) as e:  # of the sink, or of the heap
            problem = str(e) or "no memory for the response"
        if problem is CHANGED and self.method in (n.GET, n.FETCH) and self.down.restart():
            self.proceed(now)
        elif problem:
            self.fail(problem, now)

    def _uploads(self, m, now):
        # A response during an upload: has it gone on, or failed? Else this is the response to all of it.
        up = self.up
        value = block.read(m, n.BLOCK1)
        szx = value & 7
        if m.code == n.REQUEST_ENTITY_TOO_LARGE and value >= 0 and szx < up.szx and not up.at:
            up.szx = szx
        elif m.code >> 5 == 2 and up.more:
            # NUM counts in blocks of SZX, or as it was sent where the server wants smaller ones from now on
            if value < 0 or (value >> 4 << szx + 4 != up.at and value >> 4 << up.szx + 4 != up.at):
                self.fail("the acknowledged block is not the one that was sent", now)
                return True
            up.advance()
            up.szx = min(up.szx, szx)
            self.echoed = False
            self.echoes = 0
        elif m.code == n.CONTINUE:
            self.fail("2.31 for another than a block that others follow", now)
            return True
        else:
            self.up = None
            self.client.abandoned |= up.more
            return False
        self.proceed(now)
        return True

    def _downloads(self, m, peer, now):
        # A response that is whole, a block, or no success: what is wrong with it, or None.
        success = m.code >> 5 == 2
        value = block.read(m, n.BLOCK2) if self.assembles and success else -1
        down = self.down
        if down is None:
            if value == -1 or 0 <= value < 8:
                payload = None
                if success and self.sink is not None:
                    self.sink.write(m.payload())
                    payload = b""
                self.end(self.made(m, peer, now, payload), now)
                return None
            self.down = down = Download(self.made(m, peer, now, b""), self.sink, self.limit, self.szx)
        elif not success:
            self.end(self.made(m, peer, now), now)
            return None
        if down.response is None:  # begun anew
            down.response = self.made(m, peer, now, b"")
        problem = down.take(m, value)
        if problem is None:
            if value & 8:
                self.proceed(now)
            else:
                down.response.payload = down.payload()
                down.response.rtt = now - self.sent & 0x3FFFFFFF
                self.end(down.response, now)
        return problem

    def protected(self, m):
        """Was this response protected end to end? Then it has passed the order that its Partial IV gives."""
        return self.way is not None and m.security is not None

    def challenged(self, m, now):
        """Was this a challenge that the request answers, under new keys or with its Echo value? (RFC 9175 §2.3)

        A server may challenge it once by an Echo, and before it each of a few proxies on the way.
        """
        if m.code == n.UNAUTHORIZED and self.renewals and getattr(m.security, "again", False):
            self.renewals -= 1
            self.proceed(now)
            return True
        if options.valid(m, n.ECHO) < 0:
            return False
        value = bytes(m.value())
        server = self.protected(m)
        again = self.echoed if server else self.echoes == (_CHALLENGES if self.proxied else 1)
        if m.code != n.UNAUTHORIZED or again:
            if not self.proxied:
                self.client.keep_echo(self.peer, value)
            return False
        if server:
            self.echoed = True
        else:
            self.echoes += 1
        if self.way is None or server:  # else it is the next hop's, which the gate will tell it
            self.echo = value
        self.proceed(now)
        return True

    def origin(self, m, peer):
        """Packed address of the server whose response this is; None for a proxy itself."""
        return self.target.address if self.proxied else peer

    def made(self, m, peer, now, payload=None):
        """The Response of this message."""
        if payload is None:
            payload = bytes(m.payload())
        pairs = m.options()
        if self.assembles:
            pairs = [pair for pair in pairs if pair[0] not in (n.BLOCK1, n.BLOCK2, n.SIZE2)]
        found = Response(m.code, pairs, payload, self.origin(m, peer), now - self.sent & 0x3FFFFFFF)
        found.security = m.security
        return found

    def end(self, response, now):
        """This was the last response."""
        self.finish(now)
        self.deliver(response)
        self.deliver(None)

    def fail(self, reason, now):
        """There is no response."""
        self.finish(now)
        self.deliver(RequestFailed(reason))

    def finish(self, now):
        """Give the slot back: nothing more is delivered."""
        slot = self.slot
        if slot >= 0:
            self.slot = -1
            if self.up is not None:
                self.client.abandoned = True
            self.client.closed(self, slot, now)

    cancel = finish

    def stop(self, now):
        """Want no more: as `cancel`, but who would go on answering is told, where there is a way to tell."""
        self.cancel(now)

    def acknowledged(self, ref, now):
        """The request is through, its response still to come (Outgoing's owner)."""
        self.client.now = now
        if self.slot >= 0:
            self.silent = False
            self.client.endpoint.tokens.extend(self.slot, self.lifetime, now)

    def message_failed(self, ref, reset, now):
        """The request was reset, or nobody acknowledges it (Outgoing's owner)."""
        self.client.now = now
        if self.slot >= 0:
            self.fail("the request was reset" if reset else "no answer", now)

    def token_expired(self, slot, now):
        """The time for a response is over (Tokens' owner)."""
        self.client.now = now
        if self.waiting or (self.confirmable and self.silent):  # not yet sent, or its message has an end of its own
            self.client.endpoint.tokens.extend(slot, max(self.lifetime, _RETRY), now)
        else:
            self.expired(now)

    def expired(self, now):
        """No response has come in time."""
        self.fail("no answer", now)
