"""Which options are inner and which outer (RFC 8613 §4.1, draft-ietf-core-oscore-capable-proxies §2.2)."""

from groupcoap import numbers as n
from groupcoap.oscore.classes import CLASS_E, CLASS_I, CLASS_U, class_of, general_rules, outer_stays, specified
from wire import MULTICAST_SIGNALING, MULTICAST_TIMEOUT, REPLY_FROM, RESPONSE_FORWARDING, UNKNOWN_CRITICAL

OUTER = (n.URI_HOST, n.URI_PORT, n.OSCORE, n.HOP_LIMIT, n.PROXY_URI, n.PROXY_SCHEME, n.PROXY_CRI,
         n.PROXY_SCHEME_NUMBER, MULTICAST_TIMEOUT, REPLY_FROM, 24)  # fmt: skip
INNER = (n.IF_MATCH, n.ETAG, n.IF_NONE_MATCH, n.OBSERVE, n.LOCATION_PATH, n.URI_PATH, n.CONTENT_FORMAT, n.MAX_AGE,
         n.URI_PATH_ABBREV, n.URI_QUERY, n.ACCEPT, n.LOCATION_QUERY, n.BLOCK2, n.BLOCK1, n.SIZE2, n.SIZE1, n.ECHO,
         n.NO_RESPONSE, n.REQUEST_TAG, 64988, RESPONSE_FORWARDING, UNKNOWN_CRITICAL, 65008)  # fmt: skip


def test_the_class_of_each_option():
    for request in (True, False):
        for number in OUTER:
            assert specified(number, request) == CLASS_U
        for number in INNER:  # those of E and U too: an application's are inner; and unknown ones
            assert specified(number, request) == CLASS_E
        assert specified(MULTICAST_SIGNALING, request) == CLASS_I
    assert specified(n.REQUEST_HASH, True) == CLASS_U and specified(n.REQUEST_HASH, False) == CLASS_I


def rules(number=n.PROXY_SCHEME, proxied=False, **facts):
    names = ("added", "consumer", "immediate", "adjacent", "next_hop_consumes", "before")
    return general_rules(number, *[facts.get(name, False) for name in names], proxied)


def test_general_rules_step_by_step():
    # 1, 2 and 3 to 5: its consumer comes next, and needs it once the layer is off
    assert rules(added=True, consumer=True, immediate=True)
    assert rules(added=True, consumer=True, immediate=True, next_hop_consumes=True)
    # 5 to 9: it is needed before
    assert not rules(added=True, consumer=True, immediate=True, before=True, adjacent=True)
    # 3 to 9: another one consumes it first
    assert not rules(added=True, consumer=True, adjacent=True)
    # 1 or 2 to 4: not mine, or not for X
    for mine in ({}, {"added": True}, {"consumer": True, "immediate": True}):
        assert rules(adjacent=True, next_hop_consumes=True, **mine)
        assert rules(next_hop_consumes=False, **mine)
        assert not rules(next_hop_consumes=True, **mine)
    # 6 and 7: what names a host does not become inner alone
    for number in (n.URI_HOST, n.URI_PORT):
        assert not rules(number, adjacent=True) and rules(number, True, adjacent=True)
        assert not rules(number, True, next_hop_consumes=True)


def test_end_to_end_the_classes_are_the_original_ones():
    for request in (True, False):
        for number in OUTER + INNER + (MULTICAST_SIGNALING, n.REQUEST_HASH):
            if number != n.OSCORE:
                assert class_of(number, request, False, False) == specified(number, request)
        assert class_of(n.OSCORE, request, False, False) == CLASS_E  # it is for whoever comes behind


def test_for_the_next_hop_all_become_inner_but_a_host_without_proxy_scheme():
    for request in (True, False):
        for proxied in (True, False):
            for number in OUTER + INNER + (MULTICAST_SIGNALING, n.REQUEST_HASH):
                host = number in (n.URI_HOST, n.URI_PORT) and not proxied
                assert class_of(number, request, True, proxied) == (CLASS_U if host else CLASS_E), number


def test_outer_options_that_belong_to_an_opened_message():
    for request in (True, False):
        for number in INNER + (n.OSCORE,):
            assert not outer_stays(number, request, False) and not outer_stays(number, request, True)
        for number in OUTER:
            if number != n.OSCORE:
                assert outer_stays(number, request, False)
                assert outer_stays(number, request, True) == (number in (n.URI_HOST, n.URI_PORT))
        assert outer_stays(MULTICAST_SIGNALING, request, True)  # it is authenticated
