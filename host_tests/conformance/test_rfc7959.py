"""RFC 7959 §2 to §4: block-wise transfers at both ends."""

from conformance.site import BIG, BODY, INCOMPLETE, TEMP, Asking, Site, block, read_block, uint
from conformance.statements import Document
from groupcoap import numbers as n
from groupcoap.server import Resource, Response
from wire import CLIENT, OTHER, SERVER, datagram

DOCUMENT = Document("RFC 7959")
statement = DOCUMENT.statement
not_claimed = DOCUMENT.not_claimed

BIG_URI = "coap://192.0.2.5/big"
UPLOAD = BODY[:300]


def upload(site, body=UPLOAD, szx=2, options=BIG, **request):
    """Send a body to /big block by block: the codes of the answers."""
    size = 16 << szx
    codes = []
    for start in range(0, len(body), size):
        more = start + size < len(body)
        codes.append(site.put(start // size, more, szx, body[start : start + size], options, **request).code)
    return codes


def download(site, szx=2, options=BIG, **request):
    """Fetch /big block by block: the answers."""
    answers = [site.get(0, szx, options, **request)]
    while read_block(answers[-1], n.BLOCK2)[1]:
        answers.append(site.get(len(answers), szx, options, **request))
    return answers


def serve(asking, body, szx, first=None, etag=b"v1", steps=1000):
    """Answer a client's requests for blocks of `body`: the requests after the first."""
    size = 16 << szx
    request = first or asking.request
    requests = []
    for _ in range(steps):
        asked = read_block(request, n.BLOCK2) or (0, False, szx)
        start = asked[0] * (16 << asked[2])
        more = start + size < len(body)
        options = [(n.ETAG, etag)] if etag else []
        options.append(block(n.BLOCK2, start // size, more, szx))
        sent = asking.answer(options=options, payload=body[start : start + size], to=request)
        if not more:
            assert sent == []
            break
        (request,) = sent
        requests.append(request)
    return requests


def take(asking, szx=None, code=n.CHANGED):
    """Take a client's upload: the requests, the last one answered with `code`; szx: what the server prefers."""
    request = asking.request
    requests = [request]
    while True:
        num, more, asked = read_block(request, n.BLOCK1)
        size = asked if szx is None else min(szx, asked)
        answer = block(n.BLOCK1, num, more, size)
        sent = asking.answer(code=n.CONTINUE if more else code, options=[answer], payload=b"", to=request)
        if not more:
            assert sent == []
            return requests
        (request,) = sent
        requests.append(request)


def put(length=300, block_size=64, **settings):
    """A client that puts a body of so many bytes."""
    return Asking(BIG_URI, n.PUT, payload=BODY[:length], block_size=block_size, **settings)


# §2.1, §2.2


@statement("2.1", "MUST", "A Block option is processed, or the message rejected")
def test_block_options_are_processed():
    site = Site()
    assert site.get(1, 2).payload == BODY[64:128]
    assert upload(site)[-1] == n.CHANGED and site.body == UPLOAD
    site = Site(uploads=0)
    assert site.put(0, True, 2, bytes(64)).code >> 5 == 4 and site.body == BODY


@statement("2.1", "MUST", "A Block option occurs at most once in a message")
def test_block_options_occur_once():
    site = Site()
    twice = [block(n.BLOCK2, 0, False, 2), block(n.BLOCK2, 1, False, 2)]
    assert site.code(BIG + twice) == n.BAD_OPTION
    site.get(0, 2).option(n.BLOCK2)  # asserts that there is one at most
    for request in take(put()):
        request.option(n.BLOCK1)


@statement("2.2", "MUST", "M is 0 in a request for a block")
@statement("2.4", "MUST", "M is 0 in a request's Block2")
@statement("2.3", "MUST", "M is 0 in a request's Block2, where it has no function")
def test_client_asks_for_blocks_without_m():
    asking = Asking(BIG_URI, block_size=64)
    requests = [asking.request] + serve(asking, BODY, 2)
    assert [read_block(request, n.BLOCK2)[:2] for request in requests] == [(num, False) for num in range(40)]


@statement("2.2", "MUST", "M is ignored in a request for a block")
@statement("2.4", "MUST", "M of a request's Block2 is ignored")
def test_server_ignores_m_of_a_request():
    for num in (0, 1, 39):
        one, two = Site().get(num, 2), Site().get(num, 2, more=True)
        assert one.payload == two.payload and one.option(n.BLOCK2) == two.option(n.BLOCK2)


@statement("2.2", "MUST", "SZX 7 in a request gives 4.00 (Bad Request)")
def test_reserved_szx_is_4_00():
    for site in (Site(), Site(uploads=0, downloads=0)):
        for num in (0, 1):
            assert site.get(num, 7).code == n.BAD_REQUEST
            assert site.get(num, 7, TEMP).code == n.BAD_REQUEST
            assert site.put(num, True, 7, bytes(1024)).code == n.BAD_REQUEST


@statement("2.2", "MUST", "SZX 7 is not sent")
def test_szx_7_is_not_sent():
    assert read_block(Site().answer(BIG), n.BLOCK2)[2] <= 6
    assert read_block(put(5000, None).request, n.BLOCK1)[2] <= 6


# §2.3


@statement("2.3", "MUST", "A block with M set has exactly the size that SZX says, in responses")
def test_size_of_blocks_sent_by_a_server():
    for szx in range(7):
        answers = download(Site(), szx)
        assert {len(answer.payload) for answer in answers[:-1]} <= {16 << szx}
        assert b"".join([answer.payload for answer in answers]) == BODY


@statement("2.3", "MUST", "And in requests")
def test_size_of_blocks_sent_by_a_client():
    for szx in range(7):
        requests = take(put(2560, 16 << szx))
        assert {len(request.payload) for request in requests[:-1]} <= {16 << szx}
        assert b"".join([request.payload for request in requests]) == BODY


@statement("2.3", "TEXT", "A block of another size than its SZX says is refused where M is set")
def test_block_of_a_wrong_size():
    site = Site()
    for length in (0, 63, 65):
        assert site.put(0, True, 2, bytes(length)).code >> 5 == 4
    assert site.body == BODY


@statement("2.3", "MUST", "Where the server gave smaller blocks than asked for, the next request names their size")
@statement("2.4", "MUST", "A client uses in its further requests the block size of the first response")
@statement("2.4", "MUST", "Requests for further blocks name the size that the server used")
def test_client_moves_to_the_servers_block_size():
    for asked in (1024, 64, None):
        asking = Asking(BIG_URI, block_size=asked)
        requests = serve(asking, BODY, 1)
        assert [read_block(request, n.BLOCK2) for request in requests] == [(num, False, 1) for num in range(1, 80)]
        assert asking.responses[0].payload == BODY


@statement("2.3", "MUST", "A response that asks for more of the request has no Block2")
def test_no_block2_in_a_continue():
    sent = Site().put(0, True, 2, bytes(64), BIG + [block(n.BLOCK2, 0, False, 2)])
    assert sent.code == n.CONTINUE and sent.option(n.BLOCK2) is None and read_block(sent, n.BLOCK1) == (0, True, 2)


@statement("2.3", "TEXT", "Each of these responses acknowledges its block in Block1; the last one has M unset")
def test_block1_in_responses():
    site = Site()
    assert read_block(site.put(0, True, 2, bytes(64)), n.BLOCK1) == (0, True, 2)
    assert read_block(site.put(1, True, 2, bytes(64)), n.BLOCK1) == (1, True, 2)
    sent = site.put(2, False, 2, b"end")
    assert sent.code == n.CHANGED and read_block(sent, n.BLOCK1) == (2, False, 2)


@statement("2.3", "SHOULD", "A client goes on with the block size that a response's Block1 prefers, or a smaller one")
@statement("2.5", "SHOULD", "A client heeds the block size that a server prefers for what it sends")
@statement("3.2", "SHOULD", "A client goes on with smaller blocks where a response asks for them")
@statement("3.2", "MUST", "A client that goes on with smaller blocks counts in their size")
def test_client_heeds_the_servers_block_size():
    requests = take(put(300, 128), szx=1)
    found = [read_block(request, n.BLOCK1) for request in requests]
    assert found[0] == (0, True, 3)
    assert found[1:] == [(num, num < 9, 1) for num in range(4, 10)]
    assert b"".join([request.payload for request in requests]) == BODY[:300]


@statement("2.3", "TEXT", "A server that prefers smaller blocks says so in Block1")
def test_server_says_its_block_size():
    site = Site(block_size=32)
    assert read_block(site.put(0, True, 2, UPLOAD[:64]), n.BLOCK1) == (0, True, 1)
    assert site.put(2, False, 1, UPLOAD[64:90]).code == n.CHANGED and site.body == UPLOAD[:90]


@statement("2.3", "MUST", "Content-Format with a block is that of the whole body, in requests and responses")
def test_content_format_of_blocks():
    assert {answer.option(n.CONTENT_FORMAT) for answer in download(Site())} == {b"\x2a"}
    assert {request.option(n.CONTENT_FORMAT) for request in take(put(content_format=42))} == {b"\x2a"}


@statement("2.3", "MUST", "Blocks with mismatching Content-Formats are not put together into one request")
def test_mismatching_content_formats():
    site = Site()
    assert site.put(0, True, 2, bytes(64), BIG + [(n.CONTENT_FORMAT, b"\x2a")]).code == n.CONTINUE
    assert site.put(1, False, 2, b"end", BIG + [(n.CONTENT_FORMAT, b"\x3c")]).code == INCOMPLETE
    assert site.body == BODY


@statement("2.3", "TEXT", "Each exchange of a transfer has its own Message ID")
def test_each_block_has_its_own_message_id():
    asking = put()
    requests = take(asking)
    assert len({request.mid for request in requests}) == len(requests) == 5
    asking = Asking(BIG_URI)
    requests = serve(asking, BODY, 4)
    assert len({request.mid for request in requests}) == len(requests)


# §2.4


@statement("2.4", "MUST", "A server uses the block size asked for, or a smaller one")
def test_server_uses_the_size_asked_for_or_less():
    for szx in range(7):
        for limit in range(7):
            sent = Site(block_size=16 << limit).get(0, szx)
            num, more, used = read_block(sent, n.BLOCK2)
            assert (num, more, used) == (0, True, min(szx, limit)) and sent.payload == BODY[: 16 << used]


@statement("2.4", "MUST", "All responses of a transfer have one block size, but for the last one")
def test_one_block_size_for_a_transfer():
    for site, szx in ((Site(), 3), (Site(block_size=64), 2)):
        assert {read_block(answer, n.BLOCK2)[2] for answer in download(site, szx)} == {szx}
    site = Site(block_size=64)
    assert read_block(site.answer(BIG), n.BLOCK2)[2] == read_block(site.get(1, 2), n.BLOCK2)[2] == 2


@statement("2.4", "SHOULD", "Each block of a changing resource has an ETag")
@statement("2.4", "SHOULD", "Block2 goes with an ETag, which changes with the representation")
def test_blocks_have_an_etag():
    tags = {answer.option(n.ETAG) for answer in download(Site())}
    assert len(tags) == 1 and None not in tags
    site = Site()
    old = site.get(0, 2).option(n.ETAG)
    site.body = BODY[::-1]
    assert site.get(1, 2).option(n.ETAG) not in (old, None)


@statement("2.4", "MUST", "A client that puts blocks together compares their ETags")
def test_client_compares_etags():
    asking = Asking(BIG_URI)
    (request,) = serve(asking, BODY, 4, etag=b"v1", steps=1)
    body = BODY[::-1]
    sent = asking.answer(options=[(n.ETAG, b"v2"), block(n.BLOCK2, 1, True, 4)], payload=body[256:512], to=request)
    if sent:  # it begins anew
        assert read_block(sent[0], n.BLOCK2)[0] == 0
        serve(asking, body, 4, sent[0], etag=b"v2")
    assert asking.failed or asking.responses[0].payload == body
    assert all(response.payload in (BODY, body) for response in asking.responses)


@statement("2.4", "SHOULD", "A client that wants all blocks asks for them without undue delay")
def test_blocks_are_asked_for_at_once():
    asking = Asking(BIG_URI)
    (request,) = serve(asking, BODY, 4, steps=1)
    assert request.at == asking.request.at  # as soon as the block before is there


@statement("2.4", "TEXT", "Further requests have the options of the first one")
def test_further_requests_have_the_same_options():
    asking = Asking(BIG_URI + "?a", accept=42)
    for request in serve(asking, BODY, 4):
        assert [pair for pair in request.options if pair[0] != n.BLOCK2] == asking.request.options


@statement("2.4", "TEXT", "A block beyond the end is an error; so is a block number that cannot be")
def test_block_beyond_the_end():
    for num in (40, 0xFFFFF):
        for options in (BIG, TEMP):
            assert Site().get(num, 2, options).code == n.BAD_REQUEST


# §2.5


@statement("2.5", "TEXT", "Blocks but the last get 2.31 (Continue); the request is carried out with the last")
def test_upload():
    site = Site()
    codes = upload(site, UPLOAD[:256])
    assert codes == [n.CONTINUE] * 3 + [n.CHANGED] and site.body == UPLOAD[:256] and site.calls == 1


@statement("2.5", "MUST", "The last block gives 4.08 (Request Entity Incomplete) where blocks before it are missing")
def test_gap_is_4_08():
    site = Site()
    assert site.put(1, False, 2, b"end").code == INCOMPLETE
    site.put(0, True, 2, bytes(64))
    assert site.put(2, False, 2, b"end").code == INCOMPLETE
    assert site.put(1, False, 2, b"end", peer=OTHER).code == INCOMPLETE
    assert site.body == BODY and site.calls == 0


@statement("2.5", "TEXT", "So it does where they came too long ago (EXCHANGE_LIFETIME)")
def test_old_blocks_are_forgotten():
    site = Site()
    site.put(0, True, 2, bytes(64))
    site.wait(248000)
    assert site.put(1, False, 2, b"end").code == INCOMPLETE


@statement("2.5", "SHOULD", "A client begins with block 0 and sends the others in order")
@statement("2.5", "SHOULD", "Without undue delay")
def test_blocks_are_sent_in_order_and_at_once():
    requests = take(put())
    assert [read_block(request, n.BLOCK1)[:2] for request in requests] == [(num, num < 4) for num in range(5)]
    assert len({request.at for request in requests}) == 1


@statement("2.5", "TEXT", "4.13 where there is no room for the whole body; smaller blocks of it may follow a hint")
def test_no_room_is_4_13():
    site = Site(upload_bytes=256)
    codes = upload(site, UPLOAD)
    assert codes[:4] == [n.CONTINUE] * 4 and codes[4] == n.REQUEST_ENTITY_TOO_LARGE and site.body == BODY
    asking = put(300, 128)
    (request,) = asking.answer(code=n.REQUEST_ENTITY_TOO_LARGE, options=[block(n.BLOCK1, 0, True, 1)], payload=b"")
    assert read_block(request, n.BLOCK1) == (0, True, 1) and request.payload == BODY[:32]


@statement("2.5", "TEXT", "A new transfer to the same resource from the same endpoint takes the place of an old one")
def test_new_transfer_replaces_the_old_one():
    site = Site()
    site.put(0, True, 2, bytes(64))
    assert upload(site)[-1] == n.CHANGED and site.body == UPLOAD


@statement("2.5", "TEXT", "A block that comes again, with its Message ID or another, does no harm")
def test_repeated_block():
    site = Site()
    site.put(0, True, 2, UPLOAD[:64], mid=100)
    assert site.put(0, True, 2, UPLOAD[:64], mid=100).code == n.CONTINUE
    site.put(1, True, 2, UPLOAD[64:128], mid=101)
    assert site.put(1, True, 2, UPLOAD[64:128], mid=102).code == n.CONTINUE
    for _ in range(2):
        assert site.put(2, False, 2, UPLOAD[128:150], mid=103).code == n.CHANGED
    assert site.body == UPLOAD[:150]


# §2.6


@statement("2.6", "SHOULD", "The block size of a registration bounds all its notifications")
def test_block_size_of_notifications():
    site = Site()
    first = site.observe(TEMP + [(n.BLOCK2, b"\x01")])
    assert first.option(n.OBSERVE) is not None and read_block(first, n.BLOCK2) in (None, (0, False, 1))
    for _ in range(2):
        (sent,) = site.change(BODY[:300])
        assert read_block(sent, n.BLOCK2) == (0, True, 1) and sent.payload == BODY[:32]


@statement("2.6", "TEXT", "A notification has the first block only")
def test_notification_has_the_first_block():
    site = Site(block_size=64)
    site.observe()
    (sent,) = site.change(BODY)
    assert read_block(sent, n.BLOCK2) == (0, True, 2) and sent.payload == BODY[:64]
    assert site.get(1, 2, TEMP).payload == BODY[64:128]


@statement("2.6", "SHOULD", "Each of these has an ETag")
def test_block_wise_notifications_have_an_etag():
    site = Site(block_size=64)
    site.observe()
    (sent,) = site.change(BODY)
    assert sent.option(n.ETAG) is not None and sent.option(n.ETAG) == site.get(1, 2, TEMP).option(n.ETAG)


@statement("2.6", "MUST", "A client that puts the blocks of a notification together compares their ETags")
@statement("2.6", "SHOULD", "It fetches the others at once, without Observe")
def test_client_fetches_the_blocks_of_a_notification():
    asking = Asking(BIG_URI, observe=True)
    asking.answer(options=[(n.OBSERVE, b"\1")])
    options = [(n.ETAG, b"v1"), (n.OBSERVE, b"\2"), block(n.BLOCK2, 0, True, 0)]
    (fetch,) = asking.answer(n.NON, options=options, payload=b"a" * 16)
    assert read_block(fetch, n.BLOCK2) == (1, False, 0) and fetch.option(n.OBSERVE) is None
    assert fetch.token != asking.request.token
    asking.answer(options=[(n.ETAG, b"v2"), block(n.BLOCK2, 1, False, 0)], payload=b"b", to=fetch)
    assert [response.payload for response in asking.responses] == [b"21.5"]
    options = [(n.ETAG, b"v3"), (n.OBSERVE, b"\3"), block(n.BLOCK2, 0, True, 0)]
    asking.wait(5000)
    (fetch,) = asking.answer(n.NON, options=options, payload=b"c" * 16)
    asking.answer(options=[(n.ETAG, b"v3"), block(n.BLOCK2, 1, False, 0)], payload=b"d", to=fetch)
    assert asking.responses[-1].payload == b"c" * 16 + b"d"


# §2.7


def echoing():
    """A site with /echo, where POST gives back what it got."""
    site = Site()
    site.server.add(Resource("echo"), POST=lambda request: (n.CHANGED, bytes(request.payload())))
    return site


ECHO = [(n.URI_PATH, b"echo")]


@statement("2.7", "TEXT", "The answer to the last block of a request may be the first of several")
def test_large_request_with_a_large_response():
    site = echoing()
    assert site.put(0, True, 2, UPLOAD[:64], ECHO).code == n.METHOD_NOT_ALLOWED
    for num in range(4):
        options = ECHO + [block(n.BLOCK1, num, True, 2)]
        assert site.code(options, code=n.POST, payload=UPLOAD[64 * num : 64 * num + 64]) == n.CONTINUE
    options = ECHO + [block(n.BLOCK2, 0, False, 2), block(n.BLOCK1, 4, False, 2)]
    sent = site.answer(options, code=n.POST, payload=UPLOAD[256:])
    assert read_block(sent, n.BLOCK1) == (4, False, 2) and read_block(sent, n.BLOCK2) == (0, True, 2)
    body = sent.payload
    for num in range(1, 5):
        sent = site.answer(ECHO + [block(n.BLOCK2, num, False, 2)], code=n.POST)
        body += sent.payload
    assert body == UPLOAD and read_block(sent, n.BLOCK2) == (4, False, 2)


@statement("2.7", "MUST", "The blocks of a response to a request that used Block1 are fetched in order")
def test_response_blocks_are_fetched_in_order():
    asking = Asking("coap://192.0.2.5/echo", n.POST, payload=UPLOAD[:128], block_size=64)
    (last,) = asking.answer(code=n.CONTINUE, options=[block(n.BLOCK1, 0, True, 2)], payload=b"")
    options = [block(n.BLOCK2, 0, True, 2), block(n.BLOCK1, 1, False, 2)]
    sent = asking.answer(code=n.CHANGED, options=options, payload=UPLOAD[:64], to=last)
    for num in (1, 2):
        (request,) = sent
        assert read_block(request, n.BLOCK2) == (num, False, 2) and request.option(n.BLOCK1) is None
        sent = asking.answer(
            code=n.CHANGED, options=[block(n.BLOCK2, num, num < 2, 2)], payload=UPLOAD[:64], to=request
        )
    assert sent == [] and asking.responses[0].payload == UPLOAD[:64] * 3


# §2.8


@statement("2.8", "SHOULD", "After a multicast response, a client fetches the rest by unicast, in the same block size")
def test_blocks_after_a_multicast_response():
    asking = Asking("coap://224.0.1.187/big", block_size=256)
    assert read_block(asking.request, n.BLOCK2) == (0, False, 4)
    (fetch,) = asking.answer(n.NON, options=[block(n.BLOCK2, 0, True, 1)], payload=BODY[:32])
    assert fetch.peer == SERVER and read_block(fetch, n.BLOCK2) == (1, False, 1)


@statement("2.8", "TEXT", "A multicast GET with Block2 0 gets the first block; a server may give one of its own accord")
def test_block2_with_multicast():
    (sent,) = Site().ask_group(BIG + [(n.BLOCK2, b"\x02")])
    assert read_block(sent, n.BLOCK2) == (0, True, 2) and sent.payload == BODY[:64]
    (sent,) = Site().ask_group(BIG)
    assert read_block(sent, n.BLOCK2)[:2] == (0, True)


# §2.9, §2.10


@statement("2.9.1", "TEXT", "2.31 (Continue) has no payload")
def test_continue_has_no_payload():
    sent = Site().put(0, True, 2, bytes(64))
    assert sent.code == n.CONTINUE and sent.payload == b""


@statement("2.9.3", "SHOULD", "4.13 says in Size1 how large a request may be")
def test_too_large_says_how_large():
    site = Site(upload_bytes=256)
    sent = site.put(0, True, 2, bytes(64), BIG + [(n.SIZE1, b"\x01\x01")])
    assert sent.code == n.REQUEST_ENTITY_TOO_LARGE and uint(sent.option(n.SIZE1)) == 256


@statement("2.10", "MUST", "If-None-Match stands in the first block of a request only")
def test_if_none_match_in_the_first_block_only():
    requests = take(put(if_none_match=True))
    assert [request.option(n.IF_NONE_MATCH) for request in requests] == [b""] + [None] * 4


# §4


@statement("4", "MUST", "Size2 in a request is 0")
def test_size2_in_a_request_is_zero():
    for request in (Asking(BIG_URI, block_size=64).request, Asking(BIG_URI).request):
        assert request.option(n.SIZE2) in (None, b"")


@statement("4", "MUST", "A client goes on although the server says no size")
def test_response_without_size2():
    asking = Asking(BIG_URI, block_size=64)
    serve(asking, BODY, 2)
    assert asking.responses[0].payload == BODY


@statement("4", "MUST", "Size1 and Size2 occur at most once in a message")
def test_size_options_occur_once():
    Site().get(0, 2).option(n.SIZE2)  # asserts that there is one at most
    for request in take(put()):
        request.option(n.SIZE1)


@statement("4", "TEXT", "Size2 with the first block of a response, Size1 with that of a request, say the whole size")
def test_size_is_said():
    assert uint(Site().get(0, 2).option(n.SIZE2)) == len(BODY)
    assert uint(Site().get(0, 2, BIG + [(n.SIZE2, b"")]).option(n.SIZE2)) == len(BODY)
    assert uint(put(300).request.option(n.SIZE1)) == 300


@statement("4", "TEXT", "A transfer ends by M, not by the size that was said")
def test_lying_size():
    site = Site()
    for num in range(2):
        options = BIG + ([(n.SIZE1, b"\x10")] if not num else [])
        assert site.put(num, True, 2, UPLOAD[64 * num : 64 * num + 64], options).code == n.CONTINUE
    assert site.put(2, False, 2, b"end").code == n.CHANGED and site.body == UPLOAD[:128] + b"end"
    asking = Asking(BIG_URI)
    options = [block(n.BLOCK2, 0, True, 0), (n.SIZE2, b"\x10")]
    (request,) = asking.answer(options=options, payload=b"a" * 16)
    asking.answer(options=[block(n.BLOCK2, 1, False, 0)], payload=b"b", to=request)
    assert asking.responses[0].payload == b"a" * 16 + b"b"


@statement("3.3", "TEXT", "A repeated request for a block gets the same block")
def test_repeated_request_for_a_block():
    site = Site()
    data = datagram(n.CON, n.GET, 7, b"t", BIG + [block(n.BLOCK2, 3, False, 2)])
    (one,) = site.receive(data, CLIENT)
    (two,) = site.receive(data, CLIENT)
    assert one.raw == two.raw and one.payload == BODY[192:256]


@statement("2.7", "TEXT", "The body of a stream, or of another method than GET, is held for its later blocks")
def test_answer_is_held():
    site = Site(observers=0)
    answers = []
    site.server.add(Resource("q"), FETCH=lambda request: answers.append(1) or Response(UPLOAD, content_format=42))
    q = [(n.URI_PATH, b"q")]
    got = download(site, 2, q, code=n.FETCH)
    assert b"".join([packet.payload for packet in got]) == UPLOAD and answers == [1]
