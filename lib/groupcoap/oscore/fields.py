"""One message made of two, and two of one: what of it is inner, encrypted, and what is outer (RFC 8613 §4).

`compose` writes the outer fields of a plain message and, behind the payload marker, its plaintext, to be encrypted
where it lies. `merge` writes the plain message of a protected one and of its decrypted plaintext. Neither knows of
keys: a plain context and a group's use the same two.
"""

from .. import numbers as n
from ..message import encoded, insert, with_options
from ..options import table
from .classes import CLASS_E, CLASS_I, class_of, is_proxied, outer_stays, specified
from .errors import Rejected


def compose(m, out, code, put, adjacent=False, relayed=False, observe=True, inner=None):
    """Write m into `out` as a message to be encrypted: the offset of its plaintext, which ends at out.end.

    m: the plain Message; code: the outer code; put: outer options besides those of m, pairs (number, bytes) by rising
    number, of which the OSCORE option is one; adjacent: is the message for the next hop? relayed: does this endpoint
    relay m, so that it must know all of its options? observe: is an outer Observe option wanted, if m has one? inner:
    pairs besides those of m that the plaintext of a response has.

    An outer Observe has the value of m; the inner one of a response is empty (§4.1.3.5). No-Response is inner, and
    outer too where it says 26 (§4.1.3.6). Of Block, Max-Age, Echo, … those of m are inner (§4.1.3).

    Raises ValueError where `out` is too small, or Proxy-Uri or Proxy-Cri malformed; Rejected for an unknown option of
    what is relayed.
    """
    request = m.code < 32
    if request and not adjacent and m.seen() >> 29 == 1 and (m.find(n.PROXY_URI) >= 0 or m.find(n.PROXY_CRI) >= 0):
        from .target import split  # what few need, and URIs with it

        outer, inner = split(m)
        put = with_options(put, outer)
    out.begin(m.type(), code, m.mid(), m.buf, 4, m.buf[0] & 15)
    proxied = adjacent and is_proxied(m)
    at = 0
    m.rewind()
    while True:
        number = m.step()
        while at < len(put) and (number < 0 or number > put[at][0]):
            out.option(put[at][0], put[at][1])
            at += 1
        if number < 0:
            break
        if relayed and number not in table:
            raise Rejected(n.BAD_OPTION if request else n.BAD_GATEWAY, "unknown option %d" % number)
        if class_of(number, request, adjacent, proxied) == CLASS_E:
            if number == n.OBSERVE:
                if not observe:
                    continue
            elif number != n.NO_RESPONSE or m.uint() != 26:
                continue
        elif inner is not None and number in (n.PROXY_URI, n.PROXY_CRI):
            continue
        out.copy_option(m, number)
    start = out.end + 1
    if start >= out.size:
        raise ValueError("no room for a payload")
    out.buf[out.end] = 0xFF
    out.buf[start] = m.code
    out.end = start + 1
    out.last = at = 0
    m.rewind()
    while True:
        number = m.step()
        while inner and at < len(inner) and (number < 0 or number > inner[at][0]):
            out.option(inner[at][0], inner[at][1])
            at += 1
        if number < 0:
            break
        if class_of(number, request, adjacent, proxied) == CLASS_E:
            if number == n.OBSERVE and not request:
                out.option(number)
            else:
                out.copy_option(m, number)
    out.copy_payload(m)
    return start


def integrity(m, request, more=()):
    """The class I options of a message, encoded, for its AAD (§5.4). more: pairs that count as if m had them.

    m: the protected message, or the plain one where it is not for the next hop, in which there are none.
    """
    found = None
    m.rewind()
    while True:
        number = m.step()
        if number < 0:
            break
        if specified(number, request) == CLASS_I:
            found = found or []
            found.append((number, bytes(m.value())))
    if not found and not more:
        return b""
    found = found or []
    for number, value in more:
        insert(found, number, value)
    return encoded(found)


def merge(m, inner, out, adjacent, observe=-1):
    """Write into `out` the plain message that the protected message m was, whose plaintext is the Message `inner`.

    Header and token are m's, the code and the payload `inner`'s, and the options `inner`'s with those outer ones of m
    that stay (`classes.outer_stays`) and that `inner` does not have. observe: the value of `inner`'s Observe option
    from now on; -1 leaves it, -2 leaves it out. Raises ValueError where `out` is too small.
    """
    request = inner.code < 32
    out.begin(m.type(), inner.code, m.mid(), m.buf, 4, m.buf[0] & 15)
    m.rewind()
    inner.rewind()
    outside = m.step()
    number = inner.step()
    while outside >= 0 or number >= 0:
        if number < 0 or 0 <= outside < number:
            if outer_stays(outside, request, adjacent):
                out.copy_option(m, outside)
            outside = m.step()
            continue
        while outside == number:
            outside = m.step()
        if number != n.OBSERVE or observe == -1:
            out.copy_option(inner, number)
        elif observe >= 0:
            out.option_uint(number, observe)
        number = inner.step()
    out.copy_payload(inner)
