"""Which options OSCORE encrypts, authenticates or leaves alone: classes E, I, U (RFC 8613 §4.1), from `options.table`.

Where the context is shared with the next hop, options that are outer ones by their own class are encrypted too
(draft-ietf-core-oscore-capable-proxies §2.2). An option that this project does not know is of class E.
"""

from micropython import const

from .. import numbers as n
from ..options import table

# As in a row of the table: 0 is I, bit 0 is E, bit 1 is U; an option of class E and U is both inner and outer.
CLASS_I = const(0)
CLASS_E = const(1)
CLASS_U = const(2)

_SHIFT = const(17)


def specified(number, request):
    """The class that an option has by its own specification: CLASS_E if it has E at all, else CLASS_I or CLASS_U."""
    row = table.get(number)
    if row is None or row >> _SHIFT & CLASS_E:
        return CLASS_E
    if number == n.REQUEST_HASH and not request:
        return CLASS_I  # draft-ietf-core-cacheable-oscore §3.3
    return row >> _SHIFT


def general_rules(number, added, consumer, immediate, adjacent, next_hop_consumes, before, proxied):
    """Is this option, whose own class is I or U, processed as class E? (draft-ietf-core-oscore-capable-proxies §2.2)

    For a layer that is shared with endpoint X. added: has this endpoint added it? consumer: is X one, immediate: and
    the next one? adjacent: is X the next hop? next_hop_consumes: is the next hop the next consumer? before: does X need
    it to remove the layer, or before it has? proxied: has the message Proxy-Scheme or Proxy-Scheme-Number?
    """
    if added and consumer:
        if not immediate or before:
            return False
    elif not adjacent and next_hop_consumes:
        return False
    return proxied or number not in (n.URI_HOST, n.URI_PORT)


def class_of(number, request, adjacent, proxied):
    """The class that an option has in a message that is to be protected. adjacent: for the next hop? proxied: as above.

    These are `general_rules` for the two layers that there are here. End to end, what is outer is for the proxies, so
    it stays what it is: but an OSCORE option that is there already is for whoever comes behind X, as this layer's is
    for X. For the next hop, everything is for X, or for nobody before X.
    """
    row = table.get(number)
    if row is None or row >> _SHIFT & CLASS_E or number == n.OSCORE:
        return CLASS_E
    if adjacent and general_rules(number, True, True, True, True, True, False, proxied):
        return CLASS_E
    return specified(number, request)


def is_proxied(m):
    """Has this message Proxy-Scheme or Proxy-Scheme-Number?"""
    return m.find(n.PROXY_SCHEME) >= 0 or m.find(n.PROXY_SCHEME_NUMBER) >= 0


def outer_stays(number, request, adjacent, proxied=False):
    """Does an outer option of this number belong to the message that an opened one was? (RFC 8613 §8.2, §8.4, step 1)

    Class E ones do not: nobody vouches for them. From the next hop, nor do those of class U that it would have
    encrypted: somebody on the path has put them there. proxied: has the plaintext Proxy-Scheme or its like?
    """
    found = specified(number, request)
    if found == CLASS_E or number == n.OSCORE:
        return False
    return found == CLASS_I or not adjacent or (not proxied and number in (n.URI_HOST, n.URI_PORT))
