"""The client's cache of responses to group requests (RFC 7252 §8.2.1, groupcomm-bis §3.5)."""

from asking import GROUP_URI, Asking
from groupcoap import numbers as n
from wire import GROUP, SERVER, SERVER2, datagram


def server(i):
    return bytes((192, 0, 2, i)) + SERVER[4:]


class Caching(Asking):
    """A client with a cache that asks its group again and again."""

    def __init__(self, places=4, cache_bytes=500, **settings):
        settings.setdefault("timeout", 5)
        Asking.__init__(self, GROUP_URI, client={"cache": places, "cache_bytes": cache_bytes}, **settings)
        self.mid = 100

    def stored(self, payload=b"a", etag=b"e1", age=60, peer=SERVER, code=n.CONTENT):
        """An origin answers."""
        self.mid += 1
        options = [(n.ETAG, etag)] if etag else []
        options.append((n.MAX_AGE, bytes((age,))))
        return self.answer(code=code, mid=self.mid, options=options, payload=payload, peer=peer)

    def again(self, target=GROUP_URI, method=n.GET, **settings):
        """The last request ends, another one goes out: its ETags."""
        self.wire.advance(5000)
        self.port.sent()
        self.items = []
        settings.setdefault("timeout", 5)
        self.client.send(lambda item: self.items.append(item), self.wire.now, method, parse(target), **settings)
        (self.sent,) = self.port.sent()
        assert self.sent.peer[:3] == GROUP[:3]
        return [value for number, value in self.sent.options if number == n.ETAG]

    def end(self):
        """Let the time for answers pass: who was delivered with what."""
        self.wire.advance(5000)
        assert self.items[-1] is None
        return [(item.origin, item.payload) for item in self.items[:-1]]


def parse(target):
    from groupcoap import uri

    return uri.parse(target)


def test_group_is_asked_again_with_the_etags_of_what_is_stored():
    asking = Caching()
    assert asking.sent.option(n.ETAG) is None
    asking.stored()
    asking.stored(b"b", b"e2", peer=SERVER2)
    assert sorted(asking.again()) == [b"e1", b"e2"]


def test_valid_delivers_the_stored_response_fresh_again():
    asking = Caching()
    asking.stored(age=1)
    asking.again()
    asking.stored(b"", b"e1", 200, code=n.VALID)
    response = asking.items[0]
    assert (response.code, response.payload, response.origin) == (n.CONTENT, b"a", SERVER)
    assert response.option(n.MAX_AGE) == bytes((200,)) and response.option(n.ETAG) == b"e1"
    assert asking.end() == [(SERVER, b"a")]
    asking.again()
    assert asking.end() == [(SERVER, b"a")]


def test_fresh_response_stands_in_for_an_origin_that_is_silent():
    asking = Caching()
    asking.stored(age=60)
    asking.stored(b"b", b"e2", 10, SERVER2)
    asking.again()
    asking.wire.advance(4000)
    assert asking.items == []
    assert asking.end() == [(SERVER, b"a")]  # the other one is 10 s old
    assert asking.items[0].option_uint(n.MAX_AGE) == 50


def test_origin_that_answers_is_delivered_once_with_its_new_response():
    asking = Caching()
    asking.stored()
    asking.again()
    asking.stored(b"new", b"e9")
    assert asking.end() == [(SERVER, b"new")]
    assert asking.again() == [b"e9"]


def test_request_with_another_key_shares_nothing():
    asking = Caching()
    asking.stored()
    for target, settings in (
        (GROUP_URI + "?q", {}),
        ("coap://224.0.1.188/temp", {}),
        (GROUP_URI, {"accept": 60}),
        (GROUP_URI, {"method": n.FETCH, "payload": b"q"}),
    ):
        assert asking.again(target, **settings) == [] and asking.end() == []
    assert asking.again(options=[(28, b"\x01")]) == [b"e1"]  # an option that is no part of the key


def test_fetch_is_stored_by_its_payload():
    asking = Caching()
    asking.again(method=n.FETCH, payload=b"q")
    asking.stored()
    assert asking.again(method=n.FETCH, payload=b"r") == []
    assert asking.again(method=n.FETCH, payload=b"q") == [b"e1"]


def test_valid_with_another_origins_etag_is_fetched_from_its_origin():
    asking = Caching()
    asking.stored()
    asking.again()
    (fetch,) = asking.stored(b"", b"e1", peer=SERVER2, code=n.VALID)
    assert (fetch.kind, fetch.peer, fetch.option(n.ETAG)) == (n.CON, SERVER2, None) and asking.items == []
    data = datagram(n.ACK, n.CONTENT, fetch.mid, fetch.token, [(n.ETAG, b"e1")], b"b")
    asking.port.receive(data, SERVER2)
    assert asking.items[0].payload == b"b" and asking.items[0].origin == SERVER2
    assert asking.again() == []  # two origins have this ETag: it validates neither


def test_valid_with_an_etag_that_is_not_the_stored_one_is_fetched():
    asking = Caching()
    asking.stored()
    asking.stored(b"b", b"e2", peer=SERVER2)
    asking.again()
    (fetch,) = asking.stored(b"", b"e2", code=n.VALID)
    assert fetch.peer == SERVER and asking.items == []


def test_errors_are_not_stored():
    asking = Caching()
    asking.stored(b"none", code=n.NOT_FOUND)
    assert asking.again() == [] and asking.end() == []


def test_program_that_gives_an_etag_validates_for_itself():
    asking = Caching()
    asking.stored()
    assert asking.again(etag=b"mine") == [b"mine"]
    asking.stored(b"", b"mine", code=n.VALID)
    assert asking.items[0].code == n.VALID


def test_few_etags_are_sent():
    asking = Caching(places=8)
    for i in range(6):
        asking.stored(b"x", b"e%d" % i, peer=server(i + 1))
    assert len(asking.again()) == 4


def test_oldest_responses_make_room():
    asking = Caching(places=2)
    for i in range(3):
        asking.stored(b"x", b"e%d" % i, peer=server(i + 1))
    assert sorted(asking.again()) == [b"e1", b"e2"]
    asking = Caching(places=8, cache_bytes=200)
    for i in range(3):
        asking.stored(b"x" * 60, b"e%d" % i, peer=server(i + 1))
    assert sorted(asking.again()) == [b"e1", b"e2"]
    asking.stored(bytes(190), b"huge", peer=server(9))
    assert sorted(asking.again()) == [b"e1", b"e2"]


def test_what_is_no_longer_fresh_stays_so_when_the_clock_goes_round():
    asking = Caching()
    asking.stored(age=60)
    asking.wire.advance(0x1FFFFFFF)
    asking.wire.advance(0x1FFFFFFF - 30000)  # 30 s before the response was stored, by the clock
    assert asking.again() == [b"e1"] and asking.end() == []


def test_client_without_a_cache_stores_nothing():
    asking = Caching(places=0)
    asking.stored()
    assert asking.again() == [] and asking.end() == []
