"""What is not as it was sealed is refused, whatever of it was changed, and leaves nothing behind."""

from group_ends import DETERMINISTIC_ID, GID, IDS, NO_CONTEXT, UNDECODED, UNDECRYPTED, group_of
from groupcoap import numbers as n
from groupcoap.message import FormatError
from groupcoap.oscore import option
from groupcoap.oscore.contexts import Contexts
from groupcoap.oscore.curve.edwards import L
from groupcoap.oscore.countersign import hide
from groupcoap.oscore.errors import Rejected
from groupcoap.oscore.exchange import DETERMINISTIC
from oscore_ends import finished, message, opened, packet, request, response, seal_request, seal_response, why, writer
from wire import datagram

VMS = ("cpython", "unix")


def sealed():
    """(name, group of the receiver, Exchange or None, datagram) of a request and a response in each mode."""
    alice, kitchen = group_of(0), group_of(1, number=200)
    found = []
    for name, to in (("group", None), ("pairwise", alice.members[0]), ("deterministic", DETERMINISTIC)):
        asked, data = seal_request(alice, request(), to=to)
        found.append((name + " request", group_of(1), None, data))
        exchange, _ = opened(Contexts([], [kitchen]).open_request(message(data)))
        exchange.own_piv = True
        found.append((name + " response", None, asked, seal_response(exchange, response())))
    asked, data = seal_request(alice, request())
    exchange, _ = opened(Contexts([], [kitchen]).open_request(message(data)))
    exchange.pairwise = True
    found.append(("pairwise response to group", None, asked, seal_response(exchange, response())))
    return found


def attempt(group, asked, data):
    """Opens a datagram: None if it was taken, the Rejected or FormatError if not."""
    try:
        m = message(data)
        opened(Contexts([], [group]).open_request(m) if asked is None else asked.open(m))
    except (Rejected, FormatError) as error:
        return error


def state(group, asked):
    if asked is not None:
        return asked._windows, asked._oldest
    return [member.window.state() for member in group.members]


def test_every_truncation_is_refused():
    for name, group, asked, data in sealed():
        before = state(group, asked)
        for size in range(len(data)):
            assert attempt(group, asked, data[:size]) is not None, (name, size)
        assert attempt(group, asked, data + bytes(1)) is not None
        assert state(group, asked) == before
        assert attempt(group, asked, data) is None


def test_flipped_bits_are_refused_wherever_they_are():
    for name, group, asked, data in sealed():
        before = state(group, asked)
        payload = data.find(b"\xff", 7) + 1
        for at in range(7, len(data)):
            for bit in range(8) if at < payload else (at % 8, (at + 3) % 8):
                wrong = bytearray(data)
                wrong[at] ^= 1 << bit
                if packet_or_none(wrong) == packet_or_none(data):
                    continue  # an option that nobody protects
                assert attempt(group, asked, bytes(wrong)) is not None, (name, at, bit)
        assert state(group, asked) == before
        assert attempt(group, asked, data) is None


def packet_or_none(data):
    """What of a datagram is protected: the OSCORE option, the Request-Hash, the payload."""
    try:
        options = message(bytes(data)).options()
    except FormatError:
        return None
    return [each for each in options if each[0] in (n.OSCORE, n.REQUEST_HASH)], bytes(message(bytes(data)).payload())


def test_signatures_alone_protect_counter_mode():
    more = {"group_encryption": -65534}
    alice, kitchen = group_of(0, **more), group_of(1, **more)
    asked, data = seal_request(alice, request())
    answer = seal_response(opened(Contexts([], [kitchen]).open_request(message(data)))[0], response())
    for group, exchange, whole in ((group_of(1, **more), None, data), (None, asked, answer)):
        payload = whole.find(b"\xff", 7) + 1
        for at in [payload, payload + 1] + list(range(payload + 5, len(whole), 9)):
            wrong = bytearray(whole)
            wrong[at] ^= 1 << at % 8
            error = attempt(group, exchange, bytes(wrong))
            assert (error.code, error.text) == UNDECRYPTED, at
        for size in range(payload, len(whole), 7):
            assert attempt(group, exchange, whole[:size]) is not None
        assert attempt(group, exchange, whole) is None


def test_a_tag_that_is_wrong_costs_no_signature():
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request())
    wrong = bytearray(data)
    wrong[len(data) - 65] ^= 1
    assert why(Contexts([], [kitchen]).open_request, message(bytes(wrong))) == UNDECRYPTED


def test_a_malleable_signature_is_none():
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request())
    at = len(data) - 64
    wrong = bytearray(data)
    hide(alice.signature_key, b"\0", IDS[0], GID, True, wrong, at)
    s = int.from_bytes(wrong[at + 32 :], "little") + L
    wrong[at + 32 :] = s.to_bytes(32, "little")
    hide(alice.signature_key, b"\0", IDS[0], GID, True, wrong, at)
    opening = Contexts([], [kitchen]).open_request(message(bytes(wrong)))
    assert why(opened, opening) == UNDECRYPTED
    assert opened(Contexts([], [kitchen]).open_request(message(data)))


def test_finish_before_the_steps_are_done_takes_nothing():
    alice, kitchen = group_of(0), group_of(1)
    _, data = seal_request(alice, request())
    opening = Contexts([], [kitchen]).open_request(message(data))
    opening.step()
    assert why(opening.finish, writer()) == UNDECRYPTED and kitchen.members[0].window.check(0)
    opening = Contexts([], [kitchen]).open_request(message(seal_request(alice, request(), to=alice.members[0])[1]))
    assert why(opening.finish, writer()) == UNDECRYPTED and kitchen.members[0].window.check(1)


def test_options_of_others():
    alice, kitchen = group_of(0), group_of(1)
    asked, data = seal_request(alice, request())
    p = packet(data)

    def with_value(value, payload=p.payload):
        return datagram(p.kind, p.code, p.mid, p.token, [(n.OSCORE, value)], payload)

    def taken(value, payload=p.payload):
        return why(lambda: opened(Contexts([], [kitchen]).open_request(message(with_value(value, payload)))))

    for gid in (GID, b"\xdd\x12", b"", b"\xdd"):
        for kid in (IDS[0], IDS[1], IDS[2], DETERMINISTIC_ID, b"", b"\x25\x25", bytes(100)):
            for group in (True, False):
                if (gid, kid, group) != (GID, IDS[0], True):
                    known = gid == GID and kid in (IDS[0], IDS[2])
                    assert taken(option.encode(b"\0", gid, kid, group)) == (UNDECRYPTED if known else NO_CONTEXT)
    assert taken(option.encode(b"\0", None, IDS[0], True)) == NO_CONTEXT
    assert taken(option.encode(None, GID, IDS[0], True)) == UNDECODED
    assert taken(option.encode(b"\0", GID, None, True)) == UNDECODED
    for value in (b"", b"\x79", b"\xb9", b"\x3e\0\0\0\0\0\0\x02\xdd\x11\x25", b"\x3a\0\x01\x02\xdd\x11\x25", b"\x39\0"):
        assert taken(value) == UNDECODED, value
    for piv in (b"\x01", b"\x01\x00", b"\xff" * 5):
        assert taken(option.encode(piv, GID, IDS[0], True)) == UNDECRYPTED
    value = p.option(n.OSCORE)
    for size in (1, 63, 64, 65, 72):
        assert taken(value, bytes(size)) == UNDECODED
    assert taken(value, bytes(73)) == UNDECRYPTED
    value = option.encode(b"\0", GID, IDS[0])
    for size in (1, 7, 8):
        assert taken(value, bytes(size)) == UNDECODED
    assert taken(value, bytes(9)) == UNDECRYPTED
    assert kitchen.members[0].window.check(0) and opened(Contexts([], [kitchen]).open_request(message(data)))


def test_a_message_longer_than_is_taken():
    kitchen = group_of(1)
    kitchen_contexts = Contexts([], [kitchen])
    for group, size in ((True, 1281 + 64), (False, 1281), (True, 5000)):
        value = option.encode(b"\0", GID, IDS[0], group)
        data = datagram(n.NON, n.POST, 1, b"", [(n.OSCORE, value)], bytes(size))
        error = why(lambda data=data: opened(kitchen_contexts.open_request(message(data))))
        assert error[0] == n.REQUEST_ENTITY_TOO_LARGE
    alice = group_of(0)
    _, data = seal_request(alice, request(code=n.PUT, payload=bytes(1100)))
    assert opened(kitchen_contexts.open_request(message(data)))[1] == request(code=n.PUT, payload=bytes(1100))


def test_a_response_of_another_exchange_is_refused():
    alice, kitchen = group_of(0), group_of(1)
    for to in (None, alice.members[0]):
        asked, data = seal_request(alice, request(), to=to)
        other, another = seal_request(alice, request(), to=to)
        exchange, _ = opened(Contexts([], [kitchen]).open_request(message(data)))
        for own in (False, True):
            exchange.own_piv = own
            answer = seal_response(exchange, response())
            assert attempt(None, other, answer).text == "Decryption failed"
            assert attempt(None, asked, answer) is None


def test_an_inner_message_of_the_wrong_kind_is_refused():
    """A request in which a response is encrypted, or nothing."""
    alice, kitchen = group_of(0), group_of(1)
    for to in (None, alice.members[0]):
        for code in (n.CONTENT, 0x20, 0):
            plain = message(request())
            plain.code = code
            assert attempt_code(alice, kitchen, plain, to).text == "Decryption failed", code


def attempt_code(alice, kitchen, plain, to):
    out = writer()
    exchange, sealing = alice.seal_request(plain, out, to=to)
    return attempt(kitchen, None, finished(sealing, out))
