"""Deterministic requests: the same request of any member is the same datagram, so that a proxy can answer it from its
cache (draft-ietf-core-cacheable-oscore §3).

They come from a Deterministic Client that every member can be: encrypted in pairwise mode with a key derived from a
hash over all that is encrypted and authenticated. Nobody signs them and nothing keeps them from being repeated, so they
may only read. Responses are in group mode, and bound to the request by that hash as a class I option.
"""

import hashlib

from micropython import const

from .. import numbers as n
from ..message import uint_bytes
from . import aad, option
from .countersign import array_of
from .errors import Rejected, no_context, undecodable, undecrypted
from .exchange import DETERMINISTIC, Exchange
from .fields import compose, integrity
from .kdf import equal
from .opening import DONE, Opening

_PIV = b"\0"
_HASH_LENGTH = const(32)  # SHA-256
_MAX_AGE = const(60)  # s: the default (RFC 7252 §5.10.5)


def seal_request(group, m, out, relayed, observe):
    """As `Group.seal_request` to DETERMINISTIC (§3.4.2). ValueError where m does more than read."""
    if m.code not in (n.GET, n.FETCH) or m.find(n.REQUEST_HASH) >= 0:
        raise ValueError("a deterministic request is a GET or FETCH without Request-Hash")
    kid = group.deterministic_id
    exchange = Exchange(group, DETERMINISTIC, kid, _PIV, group.gid, None, len(group.members))
    if m.find(n.OBSERVE) >= 0:
        exchange.inner_observe = not observe
        exchange.observe = m.uint() if observe else None
    value = option.encode(_PIV, group.gid, kid)
    # The hash is over the plaintext, which is not written yet: its option is written twice.
    put = [(n.OSCORE, value), (n.REQUEST_HASH, bytes(_HASH_LENGTH))]
    start = compose(m, out, n.FETCH, put, False, relayed, observe)
    structure = group.structure(exchange, integrity(m, True), value, b"")
    exchange.request_hash = _hash(group, structure, out.buf, start, out.end - start)
    put[1] = (n.REQUEST_HASH, exchange.request_hash)
    compose(m, out, n.FETCH, put, False, relayed, observe)
    cipher = _cipher(group, exchange.request_hash)
    nonce = aad.nonce(group.common_iv, cipher.nonce_length, kid, _PIV)
    out.end = cipher.seal(nonce, structure, out.buf, start, out.end - start)
    return exchange, DONE


def open_request(group, m, piv):
    """As `Group.open_request` (§3.4.3). There is no replay window: `verify` lets only requests through that read."""
    request_hash = m.option(n.REQUEST_HASH)
    if m.step() == n.REQUEST_HASH or len(request_hash) != _HASH_LENGTH or piv != _PIV:
        raise undecodable()
    if group.key is None:
        raise no_context()  # a silent server could not answer
    kid = group.deterministic_id
    exchange = Exchange(group, DETERMINISTIC, kid, piv, group.gid)
    exchange.request_hash = request_hash
    structure = group.structure(exchange, integrity(m, True), m.option(n.OSCORE), b"")
    cipher = _cipher(group, request_hash)
    nonce = aad.nonce(group.common_iv, cipher.nonce_length, kid, piv)
    return DeterministicOpening(exchange, m, True, piv, nonce, structure, cipher)


def compose_response(exchange, m, out, value, relayed):
    """Write a response to a deterministic request, to be encrypted, as `fields.compose` (§3.4.4).

    Its outer code and Max-Age let proxies keep it. Where the request had an Observe option for nobody but the server, a
    success has one for nobody but the client, as all of them may.
    """
    age = m.option_uint(n.MAX_AGE, _MAX_AGE)
    put = ((n.OSCORE, value), (n.MAX_AGE, uint_bytes(age)))
    success = m.code >> 5 == 2
    inner = ((n.OBSERVE, b""),) if exchange.inner_observe and success and m.find(n.OBSERVE) < 0 else None
    return compose(m, out, n.CONTENT, put, False, relayed, not exchange.inner_observe, inner)


class DeterministicOpening(Opening):
    """A deterministic request: decrypted at once, as nobody has signed it."""

    def verify(self, buf, start, length):
        exchange = self.exchange
        if not equal(_hash(exchange.context, self.aad, buf, start, length), exchange.request_hash):
            raise undecrypted()
        if buf[start] not in (n.GET, n.FETCH):
            error = Rejected(n.UNAUTHORIZED, "Not a safe request")
            error.exchange = exchange
            raise error

    def _registration(self, value):
        """Without an outer Observe option nobody observes: the plain request then has none (§3.1)."""
        Opening._registration(self, value)
        exchange = self.exchange
        if value < 0 or exchange.outer_observe:
            return -1
        exchange.inner_observe = True
        exchange.observe = None
        return -2


def _hash(group, structure, buf, start, length):
    digest = hashlib.sha256(group.deterministic_key)
    digest.update(array_of(structure))
    digest.update(memoryview(buf)[start : start + length])
    return digest.digest()


def _cipher(group, request_hash):
    return group.aead(group.pairwise_key(group.deterministic_key, request_hash, group.deterministic_id))
