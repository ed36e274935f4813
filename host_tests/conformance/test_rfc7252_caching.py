"""RFC 7252 §5.6, with what §5.9 and §5.10 ask of caches: the one there is keeps a client's responses of its groups."""

from conformance.site import R, Asking, serving, uint
from conformance.statements import Document
from groupcoap import numbers as n
from wire import SERVER, SERVER2, UNKNOWN_SAFE

DOCUMENT = Document("RFC 7252")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

GROUP_URI = "coap://224.0.1.187/temp"
UNKNOWN_SUCCESS = 0x5E  # 2.30


class Caching(Asking):
    """A client with a cache, whose group requests take 5 s."""

    def __init__(self):
        Asking.__init__(self, GROUP_URI, client={"cache": 8}, timeout=5)

    def respond(self, code=n.CONTENT, etag=b"e1", max_age=60, payload=b"stored", options=(), peer=SERVER):
        """Hand in a response to the request under way."""
        options = [(n.ETAG, etag), (n.MAX_AGE, bytes((max_age,)))] + list(options)
        self.answer(n.NON, code, options, payload, peer=peer)

    def again(self, target=GROUP_URI, method=n.GET, **settings):
        """Send another request when the time of the last one is over: the ETags in it."""
        self.wait(6000)
        self.items.clear()
        self.send(target, method, timeout=5, **settings)
        (self.request,) = self.port.sent()
        return [value for number, value in self.request.options if number == n.ETAG]

    def used(self):
        """The stored responses that are used, when no server answers."""
        self.wait(6000)
        return self.responses


@statement("5.6", "MUST", "A success code that is not recognised is not cached")
def test_unknown_success_is_not_cached():
    asking = Caching()
    asking.respond(UNKNOWN_SUCCESS)
    assert asking.again() == [] and asking.used() == []


@statement("5.6", "MUST", "A stored response is used for a request with the same method and cache key only")
def test_stored_response_matches_method_and_cache_key():
    asking = Caching()
    asking.respond(max_age=255)
    for settings in (
        {"target": GROUP_URI + "?a"},
        {"target": "coap://224.0.1.187/"},
        {"target": "coap://224.0.1.188/temp"},
        {"accept": 0},
        {"method": n.FETCH},
    ):
        assert asking.again(**settings) == [] and asking.used() == [], settings
    asking.again(options=[(60, b"")])  # Size1 is no part of a cache key
    assert len(asking.used()) == 1


@statement("5.6", "MUST", "And only while it is fresh, or after it has been validated")
def test_stored_response_is_used_while_fresh():
    asking = Caching()
    asking.respond(max_age=30)
    asking.wait(25000)
    assert asking.again() == [b"e1"] and asking.used() == []  # 31 s old
    asking.again()
    asking.respond(n.VALID, payload=b"")
    assert [response.payload for response in asking.responses] == [b"stored"]


@statement("5.6.1", "MUST", "A server that wants no caching says Max-Age 0")
def test_max_age_zero():
    assert serving(lambda request: b"x", max_age=0).answer(R).option(n.MAX_AGE) == b""


@statement("5.6.1", "TEXT", "A response with Max-Age 0 is not used without validation, one without Max-Age for 60 s")
def test_max_age_of_a_stored_response():
    asking = Caching()
    asking.respond(max_age=0)
    asking.answer(n.NON, peer=SERVER2)
    asking.wait(40000)
    asking.again()
    assert [response.origin for response in asking.used()] == [SERVER2]
    asking.wait(10000)
    asking.again()
    assert asking.used() == []


@statement("5.6.2", "SHOULD", "A request for something stored carries the ETags of what is stored")
def test_request_carries_the_etags():
    asking = Caching()
    asking.respond(etag=b"e1", max_age=0)
    asking.respond(etag=b"e2", peer=SERVER2)
    assert sorted(asking.again()) == [b"e1", b"e2"]


@statement("5.6.2", "SHOULD", "After 2.03 (Valid) the stored response is used")
def test_validated_response_is_used():
    asking = Caching()
    asking.respond(max_age=0)
    asking.again()
    asking.respond(n.VALID, payload=b"")
    (response,) = asking.responses
    assert (response.code, response.payload, response.origin) == (n.CONTENT, b"stored", SERVER)


@statement("5.9.1.3", "MUST", "2.03 (Valid) renews the Max-Age of what is stored")
def test_valid_renews_max_age():
    asking = Caching()
    asking.respond(max_age=10)
    asking.again()
    asking.respond(n.VALID, payload=b"", max_age=100)
    asking.wait(60000)
    asking.again()
    (response,) = asking.used()
    assert 0 < uint(response.option(n.MAX_AGE)) < 40


@statement("5.9.1.3", "MUST", "2.03 (Valid) replaces the Safe-to-Forward options of what is stored")
def test_valid_replaces_options():
    asking = Caching()
    asking.respond(options=[(UNKNOWN_SAFE, b"old")])
    asking.again()
    asking.respond(n.VALID, payload=b"", options=[(UNKNOWN_SAFE, b"new")])
    assert [response.option(UNKNOWN_SAFE) for response in asking.responses] == [b"new"]
    asking.again()
    assert [response.option(UNKNOWN_SAFE) for response in asking.used()] == [b"new"]


def changed_by(method, code):
    """A cache whose server has answered a request of this method to the group with this code, after a GET."""
    asking = Caching()
    asking.respond()
    asking.again(method=method)
    asking.answer(n.NON, code, payload=b"")
    asking.again()
    return asking


@statement("5.9.1.1", "MUST", "2.01 (Created) makes what is stored for that resource not fresh")
def test_created_makes_what_is_stored_stale():
    assert changed_by(n.PUT, n.CREATED).used() == []


@statement("5.9.1.2", "MUST", "2.02 (Deleted) makes what is stored for that resource not fresh")
def test_deleted_makes_what_is_stored_stale():
    assert changed_by(n.DELETE, n.DELETED).used() == []


@statement("5.9.1.4", "MUST", "2.04 (Changed) makes what is stored for that resource not fresh")
def test_changed_makes_what_is_stored_stale():
    assert changed_by(n.PUT, n.CHANGED).used() == []


not_claimed(
    "5.10.7",
    "MUST",
    "A response with Location-* makes what is stored for that location not fresh",
    "the cache does not interpret these options",
)
