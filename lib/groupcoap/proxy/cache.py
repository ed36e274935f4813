"""The responses that a group proxy keeps (draft-ietf-core-groupcomm-proxy §7, RFC 7252 §5.6, §5.7.1, §5.9).

An entry is the 2.05 of one server to one Cache-Key, whichever way it came in: it serves that server's unicast requests
and those of the group. The authority is therefore not in the key, but beside it.

Responses lie one behind the other in a ring of bytes, and their entries in a ring of places: what was appended longest
ago makes room, fresh or stale. A newer response takes the room of the older one where it fits; else it is appended,
and the old room is idle until its turn comes. A response longer than a quarter of the ring is not kept, so that none
sweeps out more than half of it, nor leaves more than a quarter empty where the ring closes. What an open request has
the ETag of stays until its server has answered: a 2.03 is worth nothing without it. Where its turn comes before, the
newer response is not kept.
"""

import hashlib
from array import array

from micropython import const

from .. import numbers as n
from .. import options
from ..hot import copy, same, walk
from ..message import Message, insert, rewrite, uint_bytes
from ..timers import after, elapsed

_DIGEST = const(12)  # bytes
_TAG = const(8)
_ETAGS = const(4)  # in one request
_NOTHING = const(0xFF)  # the end of a chain
_SWEEP = const(0x8000000)  # ms between looks at what is no longer fresh; well below the clock's half

# What a place holds
_GONE = const(0)
_STALE = const(1)  # kept to be revalidated
_FRESH = const(2)

# Fields of a parsed message
_FIRST = const(0)  # offset of the first option,
_PAYLOAD = const(1)  # of the payload or of the end,
_CURSOR = const(3)  # of the next option,
_NUMBER = const(4)  # number of the last one,
_END = const(7)  # and where the options end


class Cache:
    """Up to `places` (1 to 128) responses in `size` bytes (256 to 8192), all made at start.

    slots: exchanges that may be open; address_bytes: of a packed address; timers: the node's, of which it takes one;
    entropy(n) gives n random bytes. An index is good until the next `store`. Raises ValueError.
    """

    def __init__(self, size, places, slots, address_bytes, timers, entropy):
        if not 256 <= size <= 8192 or not 1 <= places <= 128:
            raise ValueError("cache of %d bytes, %d places: expected 256 to 8192, 1 to 128" % (size, places))
        self._secret = entropy(16)
        self._group_etag = options.number(options.GROUP_ETAG)
        self._signaling = options.number(options.MULTICAST_SIGNALING)
        self._not_in_key = n.OBSERVE, n.ETAG, self._group_etag, options.number(options.MULTICAST_TIMEOUT)
        self._bytes = bytearray(size)
        self._head = 0  # where the next response goes
        self._places = places
        self._oldest = 0  # place
        self._count = 0  # places in the ring, those of what is gone among them
        self._address = address_bytes
        self._group = _DIGEST + address_bytes  # where in a row the group is
        self._mark = self._group + address_bytes  # and a bit for each slot that expects this entry's server
        self._marks = slots + 7 >> 3  # bytes
        self._row = self._mark + 2 * self._marks  # then a bit for each slot whose request has this entry's ETag
        self._rows = bytearray(places * self._row)  # digest, server, group or zeros, marks
        self._empty = bytes(self._row)
        self._expecting = bytearray(slots)  # has this slot marks, of either kind?
        self._blocked = False  # is the oldest one in the way, as an open request has its ETag?
        buckets = 1
        while buckets < places:
            buckets *= 2
        self._chains = bytearray(b"\xff" * buckets)  # the first place of each,
        self._next = bytearray(places)  # the one behind it,
        self._buckets = bytearray(places)  # and which chain it is in
        self._states = bytearray(places)
        self._at = array("H", bytes(2 * places))
        self._lengths = array("H", bytes(2 * places))
        self._rooms = array("H", bytes(2 * places))
        self._until = array("i", bytes(4 * places))  # when it is no longer fresh
        self._uris = array("i", bytes(4 * places))
        self._versions = array("i", bytes(4 * places))
        self._version = 0
        self._entry = Message()
        self._timers = timers
        self._timer = timers.reserve(1, self._sweep)
        self.hits = self.stored = self.evicted = 0

    def __len__(self):
        return sum([1 for state in self._states if state])

    def used(self):
        """Bytes of the ring that responses take."""
        return sum([self._rooms[i] for i in range(self._places) if self._states[i]])

    def digest(self, m, salt=b""):
        """The Cache-Key of the request m, as it goes to the servers: 12 bytes; None where it is to have no cache.

        Of Multicast-Signaling its presence counts. salt (up to 255 bytes): what else makes responses differ. Of the
        requests that are protected end to end only the deterministic ones come again as they are
        (draft-ietf-core-cacheable-oscore §3): they have Request-Hash.
        """
        if m.code != n.GET and m.code != n.FETCH or options.uint(m, n.BLOCK2, 0) > 15:
            return None
        if m.find(n.BLOCK1) >= 0 or m.find(n.NO_RESPONSE) >= 0:
            return None
        if m.find(n.OSCORE) >= 0 and m.find(n.REQUEST_HASH) < 0:
            return None
        body = m.payload() if m.code == n.FETCH else b""
        h = hashlib.sha256(self._secret)
        h.update(bytes((m.code, len(salt), len(body) >> 8, len(body) & 255)))
        h.update(salt)
        h.update(body)
        m.rewind()
        while True:
            number = m.step()
            if number < 0:
                return h.digest()[:_DIGEST]
            if number not in self._not_in_key and not options.no_cache_key(number):
                value = m.value() if number != self._signaling else b""
                h.update(bytes((number >> 8, number & 255, len(value) >> 8, len(value) & 255)))
                h.update(value)

    def store(self, digest, group, server, buf, start, end, ms, uri, now):
        """Keep a 2.05 of `server`, whose options and payload are buf[start:end], fresh for `ms`: its index, or -1.

        group: packed address of the group that was asked, or None; uri: a hash of the resource, below 2^30. A response
        that is not kept, since it is too long or `ms` is 0, or there is no room, takes the older one away.
        """
        length = end - start
        i = old = self.find(digest, server)
        if ms <= 0 or length > len(self._bytes) // 4:
            self._lose(old)
            return -1
        rows = self._rows
        if old < 0 or length > self._rooms[old]:
            self._lose(old)
            i = self._append((length | 7) + 1)
            if i < 0:
                return -1
            row = i * self._row
            if old < 0:
                copy(rows, row, self._empty, 0, self._row)
                copy(rows, copy(rows, row, digest, 0, _DIGEST), server, 0, self._address)
            else:  # whose place may have come to others' turn, but is as it was
                copy(rows, row, rows, old * self._row, self._row)
            self._buckets[i] = bucket = self._bucket(digest, server)
            self._next[i] = self._chains[bucket]
            self._chains[bucket] = i
        if group is not None:
            copy(rows, i * self._row + self._group, group, 0, self._address)
        copy(self._bytes, self._at[i], buf, start, length)
        self._lengths[i] = length
        self._uris[i] = uri
        self._versions[i] = self._version = self._version + 1 & 0x3FFFFFFF
        self._freshen(i, ms, now)
        self.stored += 1
        return i

    def find(self, digest, server):
        """The index of the entry of this server, fresh or stale, or -1."""
        rows = self._rows
        i = self._chains[self._bucket(digest, server)]
        while i != _NOTHING:
            row = i * self._row
            if same(rows, row, digest, 0, _DIGEST) and same(rows, row + _DIGEST, server, 0, self._address):
                return i
            i = self._next[i]
        return -1

    def remaining(self, i, now):
        """Ms for which entry i is still fresh; 0 if it is stale, or for -1."""
        if i < 0 or self._states[i] != _FRESH:
            return 0
        left = -elapsed(now, self._until[i])
        if left > 0:
            return left
        self._states[i] = _STALE
        return 0

    def matching(self, digest, group, members):
        """The indices of all entries, fresh or stale, that this request to a group hits: a list.

        members: packed addresses of its servers; None, where they are not known: who has answered to that group counts.
        """
        if members is not None:
            return [i for i in [self.find(digest, server) for server in members] if i >= 0]
        found = []
        for i in range(self._places):
            row = i * self._row
            if self._states[i] and same(self._rows, row, digest, 0, _DIGEST):
                if same(self._rows, row + self._group, group, 0, self._address):
                    found.append(i)
        return found

    def complete(self, digest, group, members, now):
        """The indices of fresh entries of all `members`; None where one has none, or no member is known."""
        found = self.matching(digest, group, members) if members else ()
        if not found or len(found) < len(members) or not all(self.remaining(i, now) for i in found):
            return None
        return found

    def tag(self, indices):
        """The Group-ETag of these entries: 8 bytes, another one when a 2.05 has been stored for any of them."""
        h = hashlib.sha256(self._secret)
        for version in sorted([self._versions[i] for i in indices]):  # no two entries ever have the same
            h.update(version.to_bytes(4, "big"))
        return h.digest()[:_TAG]

    def option(self, i, number):
        """The first option of this number in entry i, bytes; None where there is none, or it has a wrong length."""
        m = self._read(i)
        return bytes(m.value()) if options.valid(m, number) >= 0 else None

    def etag(self, i):
        """The ETag of entry i, or None."""
        return self.option(i, n.ETAG)

    def etags(self, digest, group, members, slot=-1):
        """Up to 4 ETags by which a group request revalidates its entries; one that two servers use is not among them
        (draft-ietf-core-groupcomm-bis §3.2.2). slot: of the request, for which their entries then stay."""
        places = self.matching(digest, group, members)
        found = [self.etag(i) for i in places]
        given = []
        for i, tag in zip(places, found):
            # The oldest that is in the way is not kept for one request after the other
            in_the_way = self._blocked and i == self._oldest
            if tag is not None and found.count(tag) == 1 and not in_the_way and len(given) < _ETAGS:
                given.append(tag)
                if slot >= 0:
                    self._expecting[slot] = 1
                    self._rows[i * self._row + self._mark + self._marks + (slot >> 3)] |= 1 << (slot & 7)
        return given

    def refresh(self, i, m, ms, now):
        """The 2.03 m of its server has revalidated entry i, for `ms`: True.

        False if the ETag is not that of the entry, or if m has come with other options than are stored, and those of
        the 2.05 would have to be replaced (RFC 7252 §5.9.1.3): then the entry is gone, and the 2.05 is still to be had.
        """
        stored = self._read(i).options()
        fresh = [p for p in m.options() if not options.unsafe(p[0]) and p[0] not in options.profile]
        numbers = [p[0] for p in fresh]
        if n.ETAG not in numbers or fresh != [p for p in stored if p[0] in numbers]:
            self._lose(i)
            return False
        self._freshen(i, ms, now)
        return True

    def write(self, i, out, now, without=0, extra=None):
        """Append options and payload of entry i to the Writer `out`, Max-Age being what is left of it in s.

        Observe, Group-ETag and the option `without` stay behind; extra: an option (number, bytes) put in. Raises
        ValueError where there is no room.
        """
        put = [(n.MAX_AGE, uint_bytes(self.remaining(i, now) // 1000))]
        if extra is not None:
            insert(put, extra[0], extra[1])
        rewrite(out, self._read(i), (n.OBSERVE, n.MAX_AGE, self._group_etag, without), put)
        self.hits += 1

    def invalidate(self, uri, server=None):
        """The server has changed this resource, or any server may have: its entries, found by the hash `uri`, are stale
        (RFC 7252 §5.9.1)."""
        for i in range(self._places):
            at = i * self._row + _DIGEST
            found = self._states[i] == _FRESH and self._uris[i] == uri
            if found and (server is None or same(self._rows, at, server, 0, self._address)):
                self._states[i] = _STALE

    # Which entries stand in for servers that do not answer (draft-ietf-core-groupcomm-proxy §7.1)

    def expect(self, slot, i):
        """The request of this slot goes out: entry i is to be sent at the end unless its server answers."""
        self._expecting[slot] = 1
        self._rows[i * self._row + self._mark + (slot >> 3)] |= 1 << (slot & 7)

    def heard(self, slot, digest, server):
        """This server has answered the request of this slot, whatever it said."""
        if self._expecting[slot]:
            i = self.find(digest, server)
            if i >= 0:
                self._unmark(i * self._row + self._mark, slot)
                self._unmark(i * self._row + self._mark + self._marks, slot)

    def due(self, slot, now):
        """The indices of the fresh entries whose servers have not answered this slot: a list, given once."""
        found = []
        if self._expecting[slot]:
            at = self._mark + (slot >> 3)
            for i in range(self._places):
                if self._rows[i * self._row + at] >> (slot & 7) & 1 and self.remaining(i, now):
                    found.append(i)
                self._unmark(i * self._row + self._mark, slot)
        return found

    def clear(self, slot):
        """Nothing is expected for this slot any more, and nothing stays for it."""
        if self._expecting[slot]:
            self._expecting[slot] = 0
            for at in range(self._mark, len(self._rows), self._row):
                self._unmark(at, slot)
                self._unmark(at + self._marks, slot)

    def _unmark(self, at, slot):
        self._rows[at + (slot >> 3)] &= ~(1 << (slot & 7))

    # The rings

    def _bucket(self, digest, server):
        return digest[0] + server[-3] + server[-1] & len(self._chains) - 1  # low bytes of IP address and port

    def _read(self, i):
        # Entry i as a Message, as far as options and payload go.
        m = self._entry
        f = m.fields
        m.buf = buf = self._bytes
        f[_FIRST] = f[_CURSOR] = self._at[i]
        f[_NUMBER] = 0
        m.end = f[_PAYLOAD] = f[_END] = end = self._at[i] + self._lengths[i]
        while f[_CURSOR] < end and buf[f[_CURSOR]] != 0xFF:
            walk(buf, f, 0)
        if f[_CURSOR] < end:
            f[_END] = f[_CURSOR]
            f[_PAYLOAD] = f[_CURSOR] + 1
        return m

    def _freshen(self, i, ms, now):
        self._states[i] = _STALE
        if ms > 0:
            self._states[i] = _FRESH
            self._until[i] = after(now, ms)
            if not self._timers.running(self._timer):
                self._timers.set(self._timer, after(now, _SWEEP))

    def _sweep(self, _, now):
        # Without that, an entry would look fresh again when the clock has gone round.
        if sum([self.remaining(i, now) > 0 for i in range(self._places)]):
            self._timers.set(self._timer, after(now, _SWEEP))

    def _append(self, room):
        # Take the next place, and so many bytes for it; the oldest go. -1 where one of them has to stay.
        head = self._head
        while self._count:
            tail = self._at[self._oldest]
            if self._count < self._places:
                if head <= tail:  # the ring is closed
                    if tail - head >= room:
                        break
                elif len(self._bytes) - head >= room:
                    break
                elif tail >= room:
                    head = 0
                    break
            if self._states[self._oldest]:
                at = self._oldest * self._row + self._mark + self._marks
                for i in range(at, at + self._marks):
                    if self._rows[i]:
                        self._blocked = True
                        return -1
                self._blocked = False
                self.evicted += 1
                self._lose(self._oldest)
            self._oldest = (self._oldest + 1) % self._places
            self._count -= 1
        else:
            head = 0
        i = (self._oldest + self._count) % self._places
        self._count += 1
        self._at[i] = head
        self._rooms[i] = room
        self._head = head + room
        return i

    def _lose(self, i):
        # Entry i, if it is one, is found no more; its place and its bytes come free in their turn.
        if i >= 0:
            self._states[i] = _GONE
            k = self._chains[self._buckets[i]]
            if k == i:
                self._chains[self._buckets[i]] = self._next[i]
            else:
                while self._next[k] != i:
                    k = self._next[k]
                self._next[k] = self._next[i]
