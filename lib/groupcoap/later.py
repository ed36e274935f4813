"""Answers that come later: an `async` resource takes its time, and nobody waits for it (RFC 7252 §5.2.2).

A handler that gives back a coroutine is called anew with a copy of the request that stays valid while it runs. If it
has not ended after ACK_DELAY, a Confirmable request gets an empty ACK, and the response is a message of its own.
"""

from micropython import const

from . import errors
from . import numbers as n
from .held import Held, keep_answer
from .message import Message
from .timers import after

_ACK_DELAY = const(1000)  # ms; below the client's ACK_TIMEOUT
_NOBODY = const(-2)  # in place of an observer: what is being made is not to be told
_RETRY = const(5)  # s after which a client may come again when all places are taken


class Later:
    """Up to `places` requests at a time, of up to `size` bytes (those of an upload lie in its buffer)."""

    def __init__(self, server, places, size):
        self._server = server
        self._size = size
        self._held = Held(places, size)
        self._messages = [Message() for _ in range(places)]
        self._acked = bytearray(places)
        self._kept = [-1] * places  # where the endpoint keeps the answer to what must not be repeated
        self._uploads = [-1] * places
        self._observers = [-1] * places
        self._resources = [None] * places
        timers = server.endpoint.timers
        self._delay = min(_ACK_DELAY, server.endpoint.parameters.ack_timeout // 2)
        self._timers = timers
        self._first = timers.reserve(places, self._ack_due)

    def run(self, resource, m, peer, group, now, upload, observer):
        """Call the handler of a resource for this request, and answer when it has ended."""
        server = self._server
        if server.spawn is None:
            raise errors.InternalServerError("async resources need server.spawn")
        length = 0 if upload >= 0 else m.end
        if length > self._size:
            raise errors.RequestEntityTooLarge("at most %d bytes in one message" % self._size)
        i = self._held.keep(m, length, peer, group)
        if i < 0 and observer >= 0:
            server.observers.postpone(observer, now)
            return
        if i < 0:
            raise errors.ServiceUnavailable("too many requests are being carried out", _RETRY)
        own = self._messages[i]
        if upload >= 0:
            own.parse(m.buf, m.end)
        else:
            own.parse(self._held.bufs[i], m.end)
        own.security = m.security
        self._acked[i] = 0
        self._kept[i] = server.endpoint.keeping
        self._uploads[i] = upload
        self._observers[i] = observer
        self._resources[i] = resource
        if m.type() == n.CON and not group and observer < 0:
            self._timers.set(self._first + i, after(now, self._delay))

        def done(result, now):
            self._done(i, result, now)

        try:
            server.spawn(resource.methods[own.code](own), done)
        except Exception:
            self._free(i)
            raise

    def repeated(self, m, peer):
        """Take a CON that comes again: True if its answer is still to come."""
        for i in range(len(self._acked)):
            if self._held.peers[i] == peer and self._observers[i] == -1 and self._messages[i].mid() == m.mid():
                if self._acked[i]:
                    self._server.endpoint.acknowledge(m, peer)
                return True
        return False

    def holds(self, m, peer):
        """Is a request of this peer with the token of m still to be answered?"""
        return self._held.find(m, peer) >= 0

    def leave(self, observer, group=0):
        """Forget whom to tell what is being made for this observer, or (observer -1) for requests to this group."""
        for i in range(len(self._observers)):
            if self._held.peers[i] is not None:
                if self._observers[i] == observer if observer >= 0 else self._held.groups[i] == group:
                    self._observers[i] = _NOBODY

    def _ack_due(self, i, now):
        endpoint = self._server.endpoint
        m = self._messages[i]
        self._acked[i] = 1
        endpoint.acknowledge(m, self._held.peers[i])
        if self._kept[i] >= 0:
            endpoint.kept.keep(self._kept[i], endpoint.buf, 4)

    def _done(self, i, result, now):
        # The coroutine has ended, with this result or exception.
        server = self._server
        m = self._messages[i]
        peer = self._held.peers[i]
        group = self._held.groups[i]
        observer = self._observers[i]
        upload = self._uploads[i]
        try:
            self._tell(i, m, peer, group, observer, upload, result, now)
        except Exception:
            if observer >= 0:
                server.observers.postpone(observer, now)
            raise
        finally:
            if upload >= 0:
                server.uploads.release(upload)
            self._free(i)

    def _tell(self, i, m, peer, group, observer, upload, result, now):
        if observer == _NOBODY:
            return
        server = self._server
        outcome = server.conclude(m, peer, group, self._resources[i], result, now, upload, observer)
        if observer >= 0:
            server.observers.notify(observer, outcome, now)
        elif not group:
            self._respond(i, m, peer, outcome, now)
        elif m.code == n.GET or m.code == n.FETCH:
            server.say(m, peer, group, outcome)
        else:
            server.groups.answer(m, peer, group, outcome, now)

    def _respond(self, i, m, peer, outcome, now):
        server = self._server
        endpoint = server.endpoint
        if server.silent(m, 0, outcome):
            server.suppressed += 1
            if m.type() == n.CON and not self._acked[i]:
                self._ack_due(i, now)
            return
        if self._acked[i]:
            server.write(m, n.CON, endpoint.next_mid(), outcome)
            if endpoint.send_confirmable(peer, self, i, now):
                return
            endpoint.buf[0] |= 0x10  # no place to repeat it from: once, as a NON
        elif m.type() == n.CON:
            server.write(m, n.ACK, m.mid(), outcome)
        else:
            server.write(m, n.NON, endpoint.next_mid(), outcome)
        if not self._acked[i] and self._kept[i] >= 0:
            keep_answer(endpoint, self._kept[i])  # it answers the request when that comes again
        endpoint.send(peer)

    def acknowledged(self, i, now):
        """The client has the separate response (Outgoing's owner)."""

    def message_failed(self, i, reset, now):
        """The client does not want the separate response, or is gone (Outgoing's owner)."""

    def _free(self, i):
        self._timers.stop(self._first + i)
        self._held.free(i)
        self._resources[i] = None
