"""Members of groups as a resource directory tells them: an endpoint lookup (RFC 9176 §6.3), asked again and again.

A small GET of its own, as a client would be too much for a proxy: Confirmable, its answer taken link by link as it
comes, in blocks where it is longer (RFC 7959), so that there is never more of it than one link.
"""

from micropython import const

from .. import block, freshness, options, uri
from .. import numbers as n
from ..hot import copy
from ..link_parser import parse
from ..message import encoded
from ..timers import after
from ..tokens import ROW, TOKEN_LENGTH

_RETRY = const(60000)  # ms after a lookup that failed
_LEAST = const(10000)  # ms between lookups,
_MOST = const(3600000)  # and at most
_AGAIN = const(500)  # ms after which a further block asks again for a place among the Confirmable messages
_ROUND_TRIP = const(2000)  # ms on top of MAX_TRANSMIT_WAIT until a request has failed (RFC 7252 §4.8.2)
_PLACES = const(64)  # members of one group
_LINK = const(512)  # bytes of one link,
_ANSWER = const(16384)  # and of all of them
_MARGIN = const(64)  # bytes of a request for header, token, Block2 and Echo

_CRITICAL = (n.BLOCK2,)  # the critical option that an answer may have
_PLAIN = const(0)  # where in a link its last byte is: elsewhere,
_TARGET = const(1)  # between < and >,
_QUOTED = const(2)  # or in quotes,
_ESCAPED = const(3)  # behind a \ there


class Lookups:
    """One after the other, from `endpoint`. known: packed addresses of members by that of their group, kept up to date.

    A directory that is silent keeps the others waiting, MAX_TRANSMIT_WAIT at a time.
    """

    def __init__(self, known, endpoint):
        self._known = known
        self._endpoint = endpoint
        self._timers = endpoint.timers
        self._all = []  # (group, packed address of the directory, options of the request, timer)
        self._due = []  # of these the numbers whose time has come; the first is the one in hand
        self._link = bytearray(_LINK)  # what has come of a link
        self._begin()

    def add(self, group, lookup):
        """Ask for the members of this group, from `start` on. lookup: a `uri.Uri` with an address.

        Raises ValueError where that is too long for a message.
        """
        pairs = [(n.URI_PATH, segment) for segment in lookup.path] + [(n.URI_QUERY, part) for part in lookup.query]
        request = encoded(pairs + [(n.ACCEPT, bytes((n.LINK_FORMAT,)))])
        if len(request) > self._endpoint.out.size - _MARGIN:
            raise ValueError("lookup: expected a shorter URI than %s" % lookup)
        which = len(self._all)
        timer = self._timers.reserve(1, lambda _, now: self._wake(which, now))
        self._all.append((group, lookup.address, request, timer))

    def start(self, now):
        """Ask, now and from now on."""
        self._due.extend(range(len(self._all)))
        if self._due:
            self._ask(now)

    def _begin(self):
        # Nothing has come yet.
        self._size = self._length = self._place = 0  # bytes of the answer; of the link in hand, and where it is
        self._szx = block.LARGEST
        self._etag = self._echo = None
        self._found = []

    def _wake(self, which, now):
        if which not in self._due:
            self._due.append(which)
        if self._due[0] == which:
            self._ask(now)

    def _ask(self, now):
        # Send the request of the lookup in hand, or that for its next block.
        endpoint = self._endpoint
        _, directory, request, timer = self._all[self._due[0]]
        span = endpoint.parameters.max_transmit_wait + _ROUND_TRIP
        slot = endpoint.tokens.allocate(self, span, now, directory)
        if slot >= 0:
            out = endpoint.out
            out.begin(n.CON, n.GET, endpoint.next_mid(), endpoint.tokens.rows, ROW * slot, TOKEN_LENGTH)
            out.end = copy(out.buf, out.end, request, 0, len(request))
            out.last = n.ACCEPT
            if self._size:
                out.option_uint(n.BLOCK2, block.value(self._size >> self._szx + 4, False, self._szx))
            if self._echo is not None:
                out.option(n.ECHO, self._echo)
            if endpoint.send_confirmable(directory, self, slot, now):
                return
            endpoint.tokens.release(slot)
        if self._size:
            self._timers.set(timer, after(now, _AGAIN))
        else:
            self._learnt(None, _RETRY, now)

    def response(self, slot, m, peer, now):
        """Take an answer of the directory (Tokens' owner)."""
        if options.refused(m, _CRITICAL):
            return False
        endpoint = self._endpoint
        endpoint.outgoing.cancel(self, slot, now)
        endpoint.tokens.release(slot)  # each block has a fresh token
        if m.code == n.UNAUTHORIZED and self._echo is None and options.valid(m, n.ECHO) >= 0:  # RFC 9175 §2.3
            self._echo = bytes(m.value())
            self._ask(now)
            return
        try:
            more = self._take(m)
        except (ValueError, MemoryError):
            self._learnt(None, _RETRY, now)
            return
        if more > 0:
            self._ask(now)
        elif more < 0:
            self._learnt(None, _LEAST, now)
        else:
            self._learnt(tuple(self._found) or None, max(_LEAST, min(freshness.max_age(m), _MOST)), now)

    def _take(self, m):
        # Take an answer, or a block of one: are there more, or (-1) is it another representation than it was? Raises
        # ValueError for what is no list of members.
        value = block.read(m, n.BLOCK2)
        length = m.payload_length()
        if value == -1 and not self._size:
            value = block.LARGEST  # the whole of it in one message, which may be longer than a block
        elif length > 16 << (value & 7) or (value & 8 and length < 16 << (value & 7)):
            raise ValueError
        more = value & 8
        szx = value & 7
        etag = m.option(n.ETAG)
        if not self._size:
            self._etag = etag
        if m.code != n.CONTENT or value >> 4 << szx + 4 != self._size:  # never so where there is no value
            raise ValueError
        if etag != self._etag:
            return -1
        self._size += length
        self._szx = min(szx, self._szx)
        if self._size > _ANSWER:
            raise ValueError
        self._links(m.payload())
        if not more and self._size:
            self._member()
        return more

    def _links(self, payload):
        # Cut this piece of the answer into links.
        link = self._link
        length = self._length
        place = self._place
        for byte in payload:
            if place == _ESCAPED:
                place = _QUOTED
            elif place == _QUOTED:
                if byte == 0x22:
                    place = _PLAIN
                elif byte == 0x5C:
                    place = _ESCAPED
            elif place == _TARGET:
                if byte == 0x3E:
                    place = _PLAIN
            elif byte == 0x2C:
                self._length = length
                self._member()
                length = 0
                continue
            elif byte == 0x22:
                place = _QUOTED
            elif byte == 0x3C and not length:
                place = _TARGET
            if length == _LINK:
                raise ValueError
            link[length] = byte
            length += 1
        self._length = length
        self._place = place

    def _member(self):
        # Who is registered by the link in hand. Raises ValueError where that is nobody with an address of this network.
        links = list(parse(bytes(memoryview(self._link)[: self._length])))
        base = links and links[0][1].get("base")
        base = uri.parse(base) if isinstance(base, str) else None
        if base is None or base.scheme != "coap" or base.address is None:
            raise ValueError
        member = base.address
        if len(member) != len(self._all[self._due[0]][0]):
            raise ValueError
        if uri.is_multicast(member) or member in self._found:  # a group (RFC 9176 appendix A), or there twice
            return
        if len(self._found) == _PLACES:
            raise ValueError
        self._found.append(member)

    def _learnt(self, members, span, now):
        # The lookup in hand is over; the next one's turn.
        group, _, _, timer = self._all[self._due.pop(0)]
        if members is None:
            self._known.pop(group, None)  # it may have changed: the cache alone does not do
        else:
            self._known[group] = members
        self._begin()
        self._timers.set(timer, after(now, span))
        if self._due:
            self._ask(now)

    def acknowledged(self, slot, now):
        """The directory has the request, its answer is still to come (Outgoing's owner)."""
        self._endpoint.tokens.extend(slot, self._endpoint.parameters.max_transmit_wait + _ROUND_TRIP, now)

    def message_failed(self, slot, reset, now):
        """The directory has reset the request, or stays silent (Outgoing's owner)."""
        self._endpoint.tokens.release(slot)
        self._learnt(None, _RETRY, now)

    def token_expired(self, slot, now):
        """No answer has come in time (Tokens' owner)."""
        if self._endpoint.outgoing.has(self, slot):  # it waits for its turn
            self.acknowledged(slot, now)
            return
        self._endpoint.tokens.release(slot)
        self._learnt(None, _RETRY, now)
