"""Revalidation of a whole group's responses by Group-ETag (draft-ietf-core-groupcomm-proxy-07 §7.3)."""

from asking import GROUP_URI, Asking
from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import MARGIN
from wire import GROUP, PROXY, REPLY_FROM, SERVER, SERVER2, UNKNOWN_SAFE, datagram

GROUP_ETAG = 24
ELSEWHERE = uri.pack(PROXY[:4], 61616)


def origin(peer):
    return b"\x82\x20\x81\x44" + peer[:4]


class Caching(Asking):
    """A client with a cache that asks its group through a proxy again and again."""

    def __init__(self, places=4, cache_bytes=500, **settings):
        settings.setdefault("proxy", PROXY)
        Asking.__init__(self, GROUP_URI, client={"cache": places, "cache_bytes": cache_bytes}, timeout=5, **settings)
        self.mid = 100
        self.acknowledge()

    def acknowledge(self):
        self.port.receive(datagram(n.ACK, 0, self.sent.mid), self.sent.peer)

    def relayed(self, payload=b"a", tag=b"g1", peer=SERVER, age=60, code=n.CONTENT, etag=None):
        """The proxy relays an answer."""
        self.mid += 1
        options = [(n.ETAG, etag)] if etag else []
        options += [(n.MAX_AGE, bytes((age,)))] + ([(GROUP_ETAG, tag)] if tag else []) + [(REPLY_FROM, origin(peer))]
        return self.answer(code=code, mid=self.mid, options=options, payload=payload, peer=self.sent.peer)

    def both(self, tag=b"g1"):
        self.relayed(b"a", tag)
        self.relayed(b"b", tag, SERVER2)
        return self

    def valid(self, tag=b"g1", age=200, more=()):
        """The proxy's one answer for the whole group."""
        self.mid += 1
        options = [(n.MAX_AGE, bytes((age,))), (GROUP_ETAG, tag)] + list(more)
        self.answer(n.NON, n.VALID, self.mid, options, b"", self.sent.peer)
        return self.delivered()

    def delivered(self):
        return [item and (item.origin, item.payload) for item in self.items]

    def end(self):
        self.wire.advance(5000 + MARGIN)

    def again(self, target=GROUP_URI, method=n.GET, **settings):
        """The last request ends, another goes out: its Group-ETags."""
        self.end()
        self.port.sent()
        self.items = []
        settings.setdefault("proxy", PROXY)
        settings.setdefault("timeout", 5)
        self.request = self.client.send(
            lambda item: self.items.append(item), self.wire.now, method, uri.parse(target), **settings
        )
        (self.sent,) = self.port.sent()
        self.acknowledge()
        return [value for number, value in self.sent.options if number == GROUP_ETAG]


BOTH = [(SERVER, b"a"), (SERVER2, b"b")]


def test_equal_request_has_the_group_etag():
    asking = Caching().both()
    assert asking.sent.option(GROUP_ETAG) is None
    assert asking.again() == [b"g1"]


def test_valid_delivers_all_that_was_stored_and_ends_the_exchange():
    asking = Caching().both()
    asking.again()
    assert asking.valid() == BOTH + [None] and asking.over()
    assert [item.code for item in asking.items[:2]] == [n.CONTENT] * 2
    assert [item.reply_from for item in asking.items[:2]] == [origin(SERVER), origin(SERVER2)]


def test_valid_renews_what_is_stored():
    asking = Caching()
    asking.relayed(age=1)
    asking.again()
    asking.valid(age=200, more=[(UNKNOWN_SAFE, b"x")])
    assert asking.items[0].option(UNKNOWN_SAFE) == b"x"
    assert asking.items[0].option_uint(n.MAX_AGE) == 200 and asking.items[0].option(GROUP_ETAG) == b"g1"
    asking.wire.advance(100000)
    assert asking.again() == [b"g1"]
    asking.end()
    assert asking.delivered() == [(SERVER, b"a"), None]  # still fresh, so it stands in for the silent origin


def test_group_etag_serves_any_number_of_times():
    asking = Caching().both()
    for _ in range(3):
        assert asking.again() == [b"g1"] and asking.valid() == BOTH + [None]


def test_last_group_etag_of_an_exchange_counts():
    asking = Caching()
    asking.relayed(tag=None)  # the proxy's set was not complete yet
    asking.relayed(b"b", b"g2", SERVER2)
    assert asking.again() == [b"g2"]
    assert asking.valid(b"g2") == BOTH + [None]
    asking = Caching()
    asking.relayed()
    asking.relayed(b"b", None, SERVER2)  # it came later than it was sent
    assert asking.again() == [b"g1"] and asking.valid() == BOTH + [None]


def test_group_etag_of_other_servers_takes_the_place_of_the_first():
    asking = Caching()
    asking.relayed()
    asking.again()
    asking.relayed(b"b", b"g2", SERVER2)
    assert asking.again() == [b"g2"]


def test_newer_responses_replace_the_group_etag():
    asking = Caching().both()
    asking.again()
    asking.both(b"g2")
    assert asking.again() == [b"g2"]
    asking.both(None)
    assert asking.again() == []


def test_valid_with_another_group_etag_is_delivered_as_it_is():
    asking = Caching().both()
    asking.again()
    asking.valid(b"g9")
    assert asking.items[0].code == n.VALID and asking.items[0].origin is None
    asking = Caching()
    asking.valid()
    assert asking.items[0].code == n.VALID


def test_what_was_stored_before_and_not_answered_this_time_is_not_renewed():
    asking = Caching()
    asking.relayed(b"b", None, SERVER2, age=20)
    asking.again()
    asking.relayed()
    asking.wire.advance(20000)
    assert asking.again() == [b"g1"] and asking.valid() == [(SERVER, b"a"), None]


def test_exchange_without_its_end_gives_no_group_etag():
    asking = Caching().both()
    asking.client.stop(asking.request, asking.wire.now)
    (stop,) = asking.port.sent()
    asking.port.receive(datagram(n.ACK, 0, stop.mid), PROXY)
    assert asking.again() == []
    asking.both()
    asking.again()
    asking.relayed(b"new", b"g2")
    asking.client.cancel(asking.request)
    assert asking.again() == []


def test_exchange_with_an_answer_that_was_lost_in_part_gives_no_group_etag():
    asking = Caching().both()
    options = [(n.BLOCK2, b"\x0a"), (GROUP_ETAG, b"g1"), (REPLY_FROM, origin(SERVER))]
    (fetch,) = asking.answer(mid=9, options=options, payload=bytes(64), peer=PROXY)
    asking.port.receive(datagram(n.RST, 0, fetch.mid), PROXY)
    assert asking.again() == []


def test_exchange_with_an_answer_that_is_not_stored_gives_no_group_etag():
    asking = Caching().both()
    asking.relayed(b"none", None, uri.pack(b"\xc0\x00\x02\x07"), code=n.NOT_FOUND)
    assert asking.again() == []
    asking = Caching(cache_bytes=150)
    asking.relayed()
    asking.relayed(bytes(150), peer=SERVER2)
    assert asking.again() == []
    asking = Caching(places=1).both()
    assert asking.again() == []


def test_response_that_made_room_for_another_takes_the_group_etag_along():
    asking = Caching(places=2).both()
    asking.again(GROUP_URI + "?q")
    asking.relayed(tag=None)
    assert asking.again() == []


def test_response_that_its_client_has_changed_takes_the_group_etag_along():
    for settings in ({}, {"proxy": PROXY}):
        asking = Caching().both()
        asking.end()
        target = uri.parse("coap://192.0.2.5/temp")
        asking.client.send(asking.items.append, asking.wire.now, n.PUT, target, b"9", **settings)
        (put,) = asking.port.sent()
        asking.port.receive(datagram(n.ACK, n.CHANGED, put.mid, put.token), put.peer)
        assert asking.again() == []


def test_second_answer_of_an_origin_replaces_its_first():
    asking = Caching().both()
    asking.relayed(b"new", b"g2")
    assert asking.again() == [b"g2"] and asking.valid(b"g2") == [(SERVER2, b"b"), (SERVER, b"new"), None]


def test_request_with_another_key_or_to_another_proxy_has_no_group_etag():
    for target, settings in (
        (GROUP_URI + "?q", {}),
        (GROUP_URI, {"accept": 60}),
        (GROUP_URI, {"method": n.FETCH, "payload": b"q"}),
        (GROUP_URI, {"proxy": ELSEWHERE}),
        (GROUP_URI, {"profile": "00"}),
        (GROUP_URI, {"etag": b"mine"}),
        (GROUP_URI, {"method": n.PUT, "payload": b"1"}),
    ):
        assert Caching().both().again(target, **settings) == [], (target, settings)


def test_time_for_answers_and_group_etags_are_not_compared():
    assert Caching().both().again(timeout=60) == [b"g1"]
    assert Caching().both().again(options=[(GROUP_ETAG, b"mine")]) == [b"mine", b"g1"]


def test_group_etag_beside_etags():
    asking = Caching()
    asking.relayed(etag=b"e1")
    assert asking.again() == [b"g1"] and asking.sent.option(n.ETAG) == b"e1"
    asking.relayed(b"", b"g2", code=n.VALID, etag=b"e1")
    assert asking.delivered() == [(SERVER, b"a")]
    assert asking.again() == [b"g2"] and asking.valid(b"g2") == [(SERVER, b"a"), None]


def test_request_by_multicast_has_no_group_etag():
    asking = Caching(proxy=None)
    assert asking.sent.peer == GROUP
    asking.answer(options=[(GROUP_ETAG, b"g1")])
    assert asking.again(proxy=None) == []


def test_reverse_proxy_is_asked_with_the_group_etag_too():
    second = b"\x82\xf5\x82\x62gp\x62"
    asking = Caching()
    asking.again("coap://192.0.2.1/gp/r", proxy=None, reverse=True)
    for mid, name in ((1, b"10"), (2, b"11")):
        options = [(GROUP_ETAG, b"g1"), (REPLY_FROM, origin(PROXY) + second + name)]
        asking.answer(mid=mid, options=options, payload=name, peer=PROXY)
    assert asking.again("coap://192.0.2.1/gp/r", proxy=None, reverse=True) == [b"g1"]
    assert asking.valid() == [(PROXY, b"10"), (PROXY, b"11"), None]


def test_valid_of_a_server_whose_etag_is_unknown_is_fetched_from_behind_the_reverse_proxy():
    value = origin(PROXY) + b"\x82\xf6\x81\x44\xc0\x00\x02\x05"
    asking = Caching()
    asking.again("coap://192.0.2.1/r", proxy=None, reverse=True)
    options = [(n.ETAG, b"e9"), (REPLY_FROM, value)]
    (fetch,) = asking.answer(code=n.VALID, mid=1, options=options, payload=b"", peer=PROXY)
    assert fetch.peer == PROXY and fetch.options[:2] == [(n.URI_HOST, b"192.0.2.5"), (n.URI_PATH, b"r")]
