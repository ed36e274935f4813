"""What a proxy serves itself: its own resources, read whole or block by block (RFC 7252 §5, RFC 6690, RFC 7959)."""

from groupcoap import numbers as n
from groupcoap.message import path_hash
from groupcoap.proxy.local import Local
from wire import CLIENT, MULTICAST_TIMEOUT, OTHER, UNKNOWN_CRITICAL, Wire, datagram

STATUS = [(n.URI_PATH, b".proxy"), (n.URI_PATH, b"status")]
CORE = [(n.URI_PATH, b".well-known"), (n.URI_PATH, b"core")]
PATH = [b".proxy", b"status"]


class Site:
    """An endpoint that serves /.proxy/status, of which each reading is another one."""

    def __init__(self, length=30, **sizes):
        self.wire = Wire()
        self.port = self.wire.port(**sizes)
        self.port.endpoint.role = self.local = Local(self.port.endpoint)
        self.readings = 0
        self.length = length
        self.hash = self.local.add(PATH, n.CBOR, self.read)
        self._mid = 0

    def read(self):
        self.readings += 1
        return bytes((self.readings,)) * self.length

    def ask(self, options=STATUS, kind=n.CON, code=n.GET, payload=b"", peer=CLIENT):
        self._mid += 1
        return self.port.receive(datagram(kind, code, self._mid, b"t", options, payload), peer)

    def answer(self, options=STATUS, **request):
        (sent,) = self.ask(options, **request)
        assert sent.token == b"t"
        return sent


def test_a_resource_is_read_anew_each_time():
    site = Site()
    for reading in (b"\x01", b"\x02"):
        sent = site.answer()
        assert (sent.kind, sent.code, sent.payload) == (n.ACK, n.CONTENT, reading * 30)
        assert sent.options == [(n.CONTENT_FORMAT, b"\x3c")]


def test_non_request_is_answered_by_a_non():
    assert Site().answer(kind=n.NON).kind == n.NON


def test_its_path_has_the_hash_of_a_message():
    assert Site().hash == path_hash(PATH)


def test_resources_are_listed():
    sent = Site().answer(CORE)
    assert (sent.payload, sent.option(n.CONTENT_FORMAT)) == (b"</.proxy/status>;ct=60", b"\x28")


def test_a_filter_is_ignored():
    assert Site().answer(CORE + [(n.URI_QUERY, b"rt=x")]).payload == b"</.proxy/status>;ct=60"


def test_what_is_not_there_is_4_04():
    for options in ([], STATUS[:1], STATUS + [(n.URI_PATH, b"")], [(n.URI_PATH, b".proxy/status")]):
        assert Site().answer(options).code == n.NOT_FOUND


def test_nothing_but_get_is_allowed():
    for code in (n.POST, n.PUT, n.DELETE, n.FETCH, n.PATCH, n.IPATCH):
        assert Site().answer(code=code).code == n.METHOD_NOT_ALLOWED


def test_unknown_critical_option_is_4_02():
    for option in (UNKNOWN_CRITICAL, n.URI_PATH_ABBREV):
        assert Site().answer(STATUS + [(option, b"")]).code == n.BAD_OPTION


def test_elective_options_are_no_hindrance():
    assert Site().answer([(MULTICAST_TIMEOUT, b"\x05")] + STATUS).code == n.CONTENT


def test_another_format_is_4_06():
    assert Site().answer(STATUS + [(n.ACCEPT, b"\x3c")]).code == n.CONTENT
    assert Site().answer(STATUS + [(n.ACCEPT, b"\x28")]).code == n.NOT_ACCEPTABLE


def test_no_response_is_heeded():
    site = Site()
    (sent,) = site.ask(STATUS + [(n.NO_RESPONSE, b"\x02")])
    assert sent.is_empty(n.ACK, 1)
    assert site.ask(STATUS + [(n.NO_RESPONSE, b"\x02")], kind=n.NON) == []
    assert site.answer([(n.NO_RESPONSE, b"\x02")]).code == n.NOT_FOUND


def blocks(site, szx=None):
    """All blocks of /.proxy/status: (payload, the ETags that came)."""
    payload, tags, num = b"", set(), 0
    while True:
        options = STATUS if not num and szx is None else STATUS + [(n.BLOCK2, bytes((num << 4 | szx,)))]
        sent = site.answer(options)
        value = int.from_bytes(sent.option(n.BLOCK2) or b"", "big")
        szx = value & 7
        assert value >> 4 == num and sent.code == n.CONTENT
        payload += sent.payload
        tags.add(sent.option(n.ETAG))
        if not value & 8:
            return payload, tags
        num += 1


def test_what_is_long_comes_in_blocks_of_one_reading():
    for length, szx in ((1025, None), (3000, None), (100, 0), (16, 0), (2048, 6)):
        site = Site(length)
        payload, tags = blocks(site, szx)
        assert payload == b"\x01" * length and len(tags) == 1 and site.readings == 1
        assert blocks(site, szx)[1] != tags


def test_block_is_not_longer_than_a_message():
    site = Site(1000, max_message=300)
    sent = site.answer()
    assert len(sent.payload) == 128 and len(sent.raw) <= 300


def test_later_block_without_the_first_is_4_00():
    assert Site(100).answer(STATUS + [(n.BLOCK2, b"\x10")]).code == n.BAD_REQUEST


def test_block_behind_the_end_is_4_00():
    site = Site(100)
    site.answer(STATUS + [(n.BLOCK2, b"\x00")])
    assert site.answer(STATUS + [(n.BLOCK2, b"\x70")]).code == n.BAD_REQUEST
    assert site.answer(STATUS + [(n.BLOCK2, b"\x60")]).payload == b"\x01" * 4


def test_reserved_block_size_is_4_00():
    assert Site(100).answer(STATUS + [(n.BLOCK2, b"\x07")]).code == n.BAD_REQUEST


def test_blocks_of_another_resource_are_not_mixed_in():
    site = Site(100)
    site.answer(STATUS + [(n.BLOCK2, b"\x00")])
    assert site.answer(CORE + [(n.BLOCK2, b"\x10")]).payload == b";ct=60"


def test_who_reads_the_list_of_resources_takes_no_blocks_from_another():
    for more in ([], [(n.BLOCK2, b"\x00")], [(n.BLOCK2, b"\x10")]):
        site = Site(100)
        first = site.answer(STATUS + [(n.BLOCK2, b"\x01")])
        assert site.answer(CORE + more, peer=OTHER).code == n.CONTENT
        second = site.answer(STATUS + [(n.BLOCK2, b"\x11")])
        assert (second.code, second.payload) == (n.CONTENT, b"\x01" * 32)
        assert second.option(n.ETAG) == first.option(n.ETAG)


def test_the_list_of_resources_comes_in_blocks_of_one_etag():
    site = Site()
    found = [site.answer(CORE + [(n.BLOCK2, block)], peer=peer) for block in (b"", b"\x10") for peer in (CLIENT, OTHER)]
    assert [sent.payload for sent in found] == [b"</.proxy/status>"[:16]] * 2 + [b";ct=60"] * 2
    assert len({sent.option(n.ETAG) for sent in found}) == 1


def test_two_that_read_at_a_time_read_the_same():
    site = Site(100)
    tags = set()
    for block, length in ((b"\x01", 32), (b"\x11", 32), (b"\x21", 32), (b"\x31", 4)):
        for peer in (CLIENT, OTHER):
            sent = site.answer(STATUS + [(n.BLOCK2, block)], peer=peer)
            assert (sent.code, sent.payload) == (n.CONTENT, b"\x01" * length)
            tags.add(sent.option(n.ETAG))
    assert len(tags) == 1 and site.readings == 1
    site.answer(STATUS + [(n.BLOCK2, b"\x01")])  # the one that it was read for begins again
    assert site.readings == 2


def test_nobody_gets_what_another_has_read_5_s_ago():
    site = Site(100)
    site.answer(STATUS + [(n.BLOCK2, b"\x01")])
    site.wire.advance(4999)
    assert site.answer(STATUS + [(n.BLOCK2, b"\x01")], peer=OTHER).payload == b"\x01" * 32
    site.wire.advance(1)
    assert site.answer(STATUS + [(n.BLOCK2, b"\x01")], peer=OTHER).payload == b"\x02" * 32


def test_what_fits_into_one_message_takes_no_blocks_from_another():
    site = Site(1000)
    site.answer(STATUS + [(n.BLOCK2, b"\x01")])
    site.wire.advance(6000)
    assert len(site.answer(peer=OTHER).payload) == 1000
    assert site.answer(STATUS + [(n.BLOCK2, b"\x11")]).payload == b"\x01" * 32


def test_repeated_request_is_answered_again():
    site = Site()
    data = datagram(n.CON, n.GET, 77, b"t", STATUS)
    (first,), (second,) = site.port.receive(data, CLIENT), site.port.receive(data, CLIENT)
    assert (first.mid, second.mid, second.code) == (77, 77, n.CONTENT)
