"""Who the group proxy takes for the members of a group: told by its configuration, or by a resource directory
(RFC 9176 §6.3)."""

from groupcoap import numbers as n
from groupcoap import uri
from groupcoap.client import UNICAST_TIMEOUT
from groupcoap.proxy.lookup import Lookups
from groupcoap.proxy.members import Members
from wire import GROUP, GROUP2, SERVER, SERVER2, STRANGER, Wire, datagram

DIRECTORY = uri.pack(b"\xc0\x00\x02\x63")  # 192.0.2.99
LOOKUP = "coap://192.0.2.99/rd-lookup/ep?d=floor1"
FOUND = b'</rd/1>;base="coap://192.0.2.5";ep="a",</rd/2>;base="coap://192.0.2.6:5683";ep="b";rt="x y"'
LINK_FORMAT = (n.CONTENT_FORMAT, b"\x28")
LEAST = 10000  # ms
RETRY = 60000


class Learning:
    """Members of a group that a directory tells, which the test plays."""

    def __init__(self, known=None, **sizes):
        self.wire = Wire()
        self.port = self.wire.port(**sizes)
        known = known or {}
        self.members = Members(known)
        self.lookups = Lookups(known, self.port.endpoint)

    def learn(self, *groups):
        for group in groups or (GROUP,):
            self.lookups.add(group, uri.parse(LOOKUP))
        self.lookups.start(self.wire.now)
        return self.port.sent()

    def reply(self, request, payload=FOUND, code=n.CONTENT, options=(LINK_FORMAT,), peer=DIRECTORY):
        """The directory answers on the ACK: what is sent then."""
        return self.port.receive(datagram(n.ACK, code, request.mid, request.token, options, payload), peer)

    def learnt(self, payload, options=(LINK_FORMAT,)):
        """The members after a lookup with this answer; it is asked for again, whatever it is."""
        (request,) = self.learn()
        self.reply(request, payload, options=options)
        assert len(self.next(RETRY)) == 1
        return self.members.of(GROUP)

    def next(self, span):
        """What is sent within so many ms."""
        self.wire.advance(span)
        return self.port.sent()


def test_what_is_configured_is_known_and_nothing_else():
    members = Members({GROUP: (SERVER, SERVER2)})
    assert members.of(GROUP) == (SERVER, SERVER2)
    assert members.of(GROUP2) is None


def test_a_directory_is_asked_by_an_endpoint_lookup():
    learning = Learning()
    (request,) = learning.learn()
    assert (request.kind, request.code, request.peer) == (n.CON, n.GET, DIRECTORY)
    assert request.options == [
        (n.URI_PATH, b"rd-lookup"),
        (n.URI_PATH, b"ep"),
        (n.URI_QUERY, b"d=floor1"),
        (n.ACCEPT, b"\x28"),
    ]
    assert learning.members.of(GROUP) is None
    learning.reply(request)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_only_the_directory_answers():
    learning = Learning()
    (request,) = learning.learn()
    learning.reply(request, peer=STRANGER)
    assert learning.members.of(GROUP) is None


def test_it_is_asked_again_when_its_answer_is_no_longer_fresh():
    learning = Learning()
    (request,) = learning.learn()
    learning.reply(request, options=(LINK_FORMAT, (n.MAX_AGE, b"\x1e")))
    assert learning.next(29999) == []
    (request,) = learning.next(1)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)  # until there is an answer
    learning.reply(request, b'</rd/2>;base="coap://192.0.2.6"')  # for 60 s by default
    assert learning.members.of(GROUP) == (SERVER2,)
    assert learning.next(59999) == []
    assert len(learning.next(1)) == 1


def test_it_is_not_asked_all_the_time_nor_never_again():
    for max_age, span in ((b"", LEAST), (b"\xff\xff\xff\xff", 3600000)):
        learning = Learning()
        (request,) = learning.learn()
        learning.reply(request, options=(LINK_FORMAT, (n.MAX_AGE, max_age)))
        assert learning.next(span - 1) == []
        assert len(learning.next(1)) == 1


def test_an_error_makes_the_members_unknown_and_is_asked_again():
    for code in (n.NOT_FOUND, n.SERVICE_UNAVAILABLE, n.VALID):
        learning = Learning({GROUP: (SERVER,)})
        (request,) = learning.learn()
        assert learning.members.of(GROUP) == (SERVER,)
        learning.reply(request, b"", code)
        assert learning.members.of(GROUP) is None
        assert learning.next(RETRY - 1) == []
        (request,) = learning.next(1)
        learning.reply(request)
        assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_a_reset_or_a_silent_directory_makes_the_members_unknown():
    learning = Learning({GROUP: (SERVER,)})
    (request,) = learning.learn()
    learning.port.deliver(datagram(n.RST, 0, request.mid), DIRECTORY)
    assert learning.members.of(GROUP) is None
    (request,) = learning.next(RETRY)
    learning.reply(request)
    learning.next(RETRY)  # asked again
    tokens = set()
    free = learning.port.endpoint.tokens.free
    for _ in range(4):
        for packet in learning.next(UNICAST_TIMEOUT):
            tokens.add(packet.token)
        assert learning.port.endpoint.tokens.free >= free  # one request at a time
    assert learning.members.of(GROUP) is None
    assert len(tokens) > 1  # and it goes on trying


def test_no_room_for_a_request_is_a_lookup_that_failed():
    learning = Learning({GROUP: (SERVER,)}, token_slots=1)
    tokens = learning.port.endpoint.tokens
    slot = tokens.allocate(learning, 600000, learning.wire.now)
    assert learning.learn() == []
    assert learning.members.of(GROUP) is None
    tokens.release(slot)
    (request,) = learning.next(RETRY)
    learning.reply(request)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_an_empty_list_is_asked_for_again_when_it_is_no_longer_fresh():
    learning = Learning({GROUP: (SERVER,)})
    (request,) = learning.learn()
    learning.reply(request, b"", options=(LINK_FORMAT, (n.MAX_AGE, b"\x1e")))
    assert learning.members.of(GROUP) is None
    assert len(learning.next(30000)) == 1


def test_two_groups_have_members_of_their_own():
    learning = Learning()
    (first,) = learning.learn(GROUP, GROUP2)  # the second waits for its turn
    (second,) = learning.reply(first, b'</rd/1>;base="coap://192.0.2.5"')
    assert (learning.members.of(GROUP), learning.members.of(GROUP2)) == ((SERVER,), None)
    learning.reply(second, b'</rd/2>;base="coap://192.0.2.6"')
    assert (learning.members.of(GROUP), learning.members.of(GROUP2)) == ((SERVER,), (SERVER2,))


def test_a_member_has_the_port_of_its_base_and_counts_once():
    many = b'</1>;base="coap://192.0.2.5:61616",</2>;base="coap://192.0.2.5:61616",</3>;base="coap://192.0.2.6"'
    assert Learning().learnt(many) == (uri.pack(SERVER[:4], 61616), SERVER2)


def test_a_group_in_the_directory_is_no_member():
    listed = FOUND + b',</rd/3>;base="coap://224.0.1.187";et="core.rd-group"'
    assert Learning().learnt(listed) == (SERVER, SERVER2)


def test_somebody_without_an_ip_address_of_this_network_makes_the_members_unknown():
    for more in (
        b"</rd/3>",
        b"</rd/3>;base",
        b'</rd/3>;base="coap://host.example"',
        b'</rd/3>;base="coap://[2001:db8::3]"',
        b'</rd/3>;base="coaps://192.0.2.7"',
        b'</rd/3>;base="coap+tcp://192.0.2.7"',
        b'</rd/3>;base="/relative"',
        b'</rd/3>;base=""',
    ):
        assert Learning().learnt(FOUND + b"," + more) is None, more


def test_an_answer_that_is_no_list_of_links_makes_the_members_unknown():
    for payload in (b"", b"<", b"no links", b"\xff\x00\xfe", FOUND + b",", FOUND[:-1], b'</x>;base="coap://192.0.2.5'):
        assert Learning().learnt(payload) is None, payload


def test_more_members_than_there_is_room_for_make_them_unknown():
    def listed(count):
        return b",".join([b'<r>;base="coap://192.0.3.%d"' % i for i in range(count)])

    for count, known in ((1, True), (64, True), (65, False)):
        learning = Learning()
        (request,) = learning.learn()
        whole = listed(count)
        num = 0
        while True:
            size = 1024
            piece = whole[num * size : (num + 1) * size]
            more = (num + 1) * size < len(whole)
            value = num << 4 | more << 3 | 6
            block = (n.BLOCK2, bytes((value,)))
            sent = learning.reply(request, piece, options=(LINK_FORMAT, block) if num or more else (LINK_FORMAT,))
            if not more:
                break
            (request,) = sent
            num += 1
        members = learning.members.of(GROUP)
        assert (members is not None) == known, count
        assert not known or len(members) == count


def test_an_endless_answer_is_given_up():
    for piece in (b"x" * 1024, b'</r123>;base="coap://192.0.2.5",' * 32):
        learning = Learning({GROUP: (SERVER,)})
        (request,) = learning.learn()
        for num in range(100):
            value = num << 4 | 8 | 6
            block = (n.BLOCK2, bytes((value >> 8, value & 255)) if value > 255 else bytes((value,)))
            sent = learning.reply(request, piece, options=(LINK_FORMAT, block))
            if not sent:
                break
            (request,) = sent
        assert num < 70
        assert learning.members.of(GROUP) is None
        assert learning.port.endpoint.tokens.free == 16


def blocks(learning, whole, size):
    """The directory answers in blocks of this size: what was sent for the next, each."""
    (request,) = learning.learn()
    found = []
    szx = {16: 0, 64: 2}[size]
    for num in range(-(-len(whole) // size)):
        more = (num + 1) * size < len(whole)
        value = num << 4 | more << 3 | szx
        block = (n.BLOCK2, bytes((value >> 8, value & 255)) if value > 255 else bytes((value,)))
        sent = learning.reply(request, whole[num * size : (num + 1) * size], options=(LINK_FORMAT, block))
        found += sent
        if not sent:
            break
        (request,) = sent
    return found


def test_an_answer_in_blocks_is_read_across_their_bounds():
    for size in (16, 64):
        learning = Learning()
        sent = blocks(learning, FOUND, size)
        assert learning.members.of(GROUP) == (SERVER, SERVER2)
        assert len(sent) == -(-len(FOUND) // size) - 1
        for num, request in enumerate(sent, 1):
            assert (request.kind, request.code, request.peer) == (n.CON, n.GET, DIRECTORY)
            assert request.options[-1] == (n.BLOCK2, bytes((num << 4 | {16: 0, 64: 2}[size],)))
            assert request.options[:3] == [(n.URI_PATH, b"rd-lookup"), (n.URI_PATH, b"ep"), (n.URI_QUERY, b"d=floor1")]
        assert len({request.token for request in sent}) == len(sent)
        assert learning.port.endpoint.tokens.free == 16


def test_commas_and_quotes_in_attributes_end_no_link():
    odd = b'</rd/1>;t="a,b\\",c";base="coap://192.0.2.5",</rd/2,3>;base="coap://192.0.2.6"'
    assert Learning().learnt(odd) == (SERVER, SERVER2)
    assert Learning().learnt(odd + b',</r>;t="') is None


def test_a_link_of_unusual_length_makes_the_members_unknown():
    for length, known in ((512, (SERVER,)), (513, None)):
        link = b'</r>;base="coap://192.0.2.5";t='
        assert Learning().learnt(link + b"x" * (length - len(link))) == known, length


def test_blocks_that_do_not_fit_together_make_the_members_unknown():
    first = (n.BLOCK2, b"\x0a")  # 0, more, 64 bytes
    for options, payload in (
        (((n.BLOCK2, b"\x22"),), FOUND[64:]),  # another than was asked for
        (((n.BLOCK2, b"\x02"),), FOUND[64:]),
        ((), FOUND),
        (((n.BLOCK2, b"\x1f"),), FOUND[64:]),  # of no size
        (((n.BLOCK2, b"\x1a"),), FOUND[64:80]),  # too short for one that others follow
        (((n.BLOCK2, b"\x12"),), FOUND[64:] + b';t="%s"' % (b"x" * 64)),  # too long
    ):
        learning = Learning({GROUP: (SERVER,)})
        (request,) = learning.learn()
        (request,) = learning.reply(request, FOUND[:64], options=(LINK_FORMAT, first))
        assert learning.reply(request, payload, options=(LINK_FORMAT,) + options) == []
        assert learning.members.of(GROUP) is None, options
        assert learning.port.endpoint.tokens.free == 16


def test_the_directory_may_want_smaller_blocks_than_its_first():
    learning = Learning()
    (request,) = learning.learn()
    (request,) = learning.reply(request, FOUND[:64], options=(LINK_FORMAT, (n.BLOCK2, b"\x0a")))
    (request,) = learning.reply(request, FOUND[64:80], options=(LINK_FORMAT, (n.BLOCK2, b"\x48")))  # 4, more, 16 bytes
    assert request.options[-1] == (n.BLOCK2, b"\x50")
    learning.reply(request, FOUND[80:96], options=(LINK_FORMAT, (n.BLOCK2, b"\x50")))
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_a_list_that_changes_between_its_blocks_is_asked_for_soon():
    learning = Learning()
    (request,) = learning.learn()
    options = (n.ETAG, b"a"), LINK_FORMAT, (n.BLOCK2, b"\x0a")
    (request,) = learning.reply(request, FOUND[:64], options=options)
    options = (n.ETAG, b"b"), LINK_FORMAT, (n.BLOCK2, b"\x12")
    assert learning.reply(request, FOUND[64:], options=options) == []
    assert learning.members.of(GROUP) is None
    assert learning.next(LEAST - 1) == []
    (request,) = learning.next(1)
    assert request.options[-1] == (n.ACCEPT, b"\x28")  # from its beginning
    learning.reply(request)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_a_further_block_waits_for_a_place():
    learning = Learning(token_slots=1)
    (request,) = learning.learn()
    tokens = learning.port.endpoint.tokens
    learning.port.endpoint.send_confirmable = lambda *message: False
    assert learning.reply(request, FOUND[:64], options=(LINK_FORMAT, (n.BLOCK2, b"\x0a"))) == []
    assert tokens.free == 1
    assert learning.next(500) == []
    del learning.port.endpoint.send_confirmable
    (request,) = learning.next(500)
    learning.reply(request, FOUND[64:], options=(LINK_FORMAT, (n.BLOCK2, b"\x12")))
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_an_echo_that_the_directory_asks_for_is_sent_once():
    learning = Learning()
    (request,) = learning.learn()
    echo = (n.ECHO, b"12345678")
    (request,) = learning.reply(request, b"", n.UNAUTHORIZED, (echo,))
    assert request.options[-1] == echo
    learning.reply(request)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)
    (request,) = learning.next(60000)
    assert request.options[-1] == (n.ACCEPT, b"\x28")
    (request,) = learning.reply(request, b"", n.UNAUTHORIZED, (echo,))
    assert learning.reply(request, b"", n.UNAUTHORIZED, (echo,)) == []
    assert learning.members.of(GROUP) is None


def test_a_separate_answer_is_acknowledged():
    learning = Learning()
    (request,) = learning.learn()
    assert len(learning.next(30000)) == 3  # the request, again
    learning.port.receive(datagram(n.ACK, n.EMPTY, request.mid), DIRECTORY)
    assert learning.next(UNICAST_TIMEOUT - 1000) == []  # not asked again
    answer = datagram(n.CON, n.CONTENT, 77, request.token, (LINK_FORMAT,), FOUND)
    (ack,) = learning.port.receive(answer, DIRECTORY)
    assert ack.is_empty(n.ACK, 77)
    assert learning.members.of(GROUP) == (SERVER, SERVER2)


def test_an_answer_that_does_not_come_after_its_acknowledgement_is_a_lookup_that_failed():
    learning = Learning({GROUP: (SERVER,)})
    (request,) = learning.learn()
    learning.port.receive(datagram(n.ACK, n.EMPTY, request.mid), DIRECTORY)
    assert learning.next(UNICAST_TIMEOUT + RETRY - 1) == []
    assert learning.members.of(GROUP) is None
    assert len(learning.next(1)) == 1


def test_an_answer_with_a_critical_option_that_is_unknown_is_rejected():
    learning = Learning()
    (request,) = learning.learn()
    answer = datagram(n.CON, n.CONTENT, 77, request.token, (LINK_FORMAT, (65001, b"")), FOUND)
    (rst,) = learning.port.receive(answer, DIRECTORY)
    assert rst.is_empty(n.RST, 77)
    assert learning.members.of(GROUP) is None


def test_a_lookup_that_fits_into_no_message_is_refused():
    learning = Learning()
    lookup = uri.parse("coap://192.0.2.99/" + "/".join(["x" * 250] * 5))
    try:
        learning.lookups.add(GROUP, lookup)
    except ValueError:
        return
    raise AssertionError
