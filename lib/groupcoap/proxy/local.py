"""What a proxy serves itself: a few resources to be read, and the list of them.

A whole `server.Server` would take 11 KB more of heap, for methods, observers and uploads that a proxy has no use for.
"""

from micropython import const

from .. import block, options
from .. import numbers as n
from ..message import encoded, path_hash, uint_bytes
from ..timers import elapsed

# Critical options that are known here; those that name the proxy itself have been heeded
_KNOWN = (n.URI_HOST, n.URI_PORT, n.URI_PATH, n.URI_QUERY, n.ACCEPT, n.BLOCK2, n.IF_MATCH, n.PROXY_URI, n.PROXY_SCHEME)
_KNOWN += (n.PROXY_CRI, n.PROXY_SCHEME_NUMBER)
_HEADER = const(64)  # bytes of a message that a block leaves to the rest
_SHARED = const(5000)  # ms for which who begins to read gets what another has begun to


class Local:
    """The role for requests to the proxy itself, at `endpoint`: GET of what `add` has named."""

    def __init__(self, endpoint):
        self._endpoint = endpoint
        self._szx = block.szx_of(endpoint.out.size - _HEADER)
        self._resources = {}  # (segments, Content-Format, function) by hash of the path
        self._body = b""  # what is fetched in blocks: the next reading may be another
        self._of = None  # of this path,
        self._by = None  # begun by this peer
        self._at = 0  # at this time
        self._tag = self._first_tag = endpoint.next_mid()
        self.add([b".well-known", b"core"], n.LINK_FORMAT, self._links)

    def add(self, segments, content_format, read):
        """Serve what read() gives, bytes, at this path, a list of bytes: the path's hash, as in Message.path."""
        hashed = path_hash(segments)
        self._resources[hashed] = segments, content_format, read
        return hashed

    def _links(self):
        # Filters are ignored, as they may be (RFC 6690 §4.1).
        found = []
        for segments, content_format, _ in self._resources.values():
            if content_format != n.LINK_FORMAT:
                found.append(b"</%s>;ct=%d" % (b"/".join(segments), content_format))
        return b",".join(found)

    def request(self, m, peer, group, now):
        """Answer a request (Endpoint's role)."""
        code, pairs, body = self._outcome(m, peer, now)
        if options.uint(m, n.NO_RESPONSE, 0) >> (code >> 5) - 1 & 1:  # (RFC 7967)
            if m.type() == n.CON:
                self._endpoint.acknowledge(m, peer)
            return
        written = encoded(pairs)
        self._endpoint.reply(peer, m, code, written, len(written), body, len(body))

    def repeated(self, m, peer, now):
        """Answer an idempotent request again (Endpoint's role)."""
        self.request(m, peer, 0, now)

    def holds(self, m, peer):
        """No: every request has its answer at once (Endpoint's role)."""
        return False

    def rejected(self, peer, mid, now):
        """Nothing: there are no observers (Endpoint's role)."""

    def _outcome(self, m, peer, now):
        # (code, options as pairs, payload)
        refused = options.refused(m, _KNOWN)
        if refused:
            return n.BAD_OPTION, (), b"option %d" % refused
        path = [value for number, value in m.options() if number == n.URI_PATH]
        found = self._resources.get(m.path)
        if found is None or found[0] != path:
            return n.NOT_FOUND, (), b""
        _, content_format, read = found
        if m.code != n.GET:
            return n.METHOD_NOT_ALLOWED, (), b""
        if options.uint(m, n.ACCEPT, content_format) != content_format:
            return n.NOT_ACCEPTABLE, (), b""
        pairs = [(n.CONTENT_FORMAT, uint_bytes(content_format))]
        want = block.read(m, n.BLOCK2)
        if want == -2:
            return n.BAD_REQUEST, (), b"block size"
        szx = self._szx if want < 0 else min(want & 7, self._szx)
        if content_format == n.LINK_FORMAT:  # always the same, and for strangers, too: they keep nobody from his blocks
            return self._cut(want, szx, pairs, read(), self._first_tag)
        if want < 16:
            shared = self._of == m.path and self._by != peer and 0 <= elapsed(now, self._at) < _SHARED
            if not shared:
                body = read()
                if len(body) <= 16 << szx and want < 0:
                    return n.CONTENT, pairs, body
                self._body = body
                self._of = m.path
                self._by = peer
                self._at = now
                self._tag = self._tag % 0xFFFF + 1
        elif self._of != m.path:
            return n.BAD_REQUEST, (), b"Block2: expected block 0 first"
        return self._cut(want, szx, pairs, self._body, self._tag)

    def _cut(self, want, szx, pairs, body, tag):
        # The block of the body that is asked for, or the first where it is too long (RFC 7959 §2.2).
        start = 0 if want < 0 else (want >> 4) * (16 << (want & 7))
        end = start + (16 << szx)
        if start and start >= len(body):
            return n.BAD_REQUEST, (), b"Block2: behind the end"
        if want >= 0 or len(body) > end:
            pairs = [(n.ETAG, uint_bytes(tag))] + pairs
            pairs.append((n.BLOCK2, uint_bytes(block.value(start >> 4 + szx, len(body) > end, szx))))
        return n.CONTENT, pairs, body[start:end]
