"""What an attacker may send: a Rejected with the right code, and nothing has changed (RFC 8613 §8.2, §8.4)."""

from groupcoap import numbers as n
from groupcoap.message import FormatError
from groupcoap.oscore import aad, opening, option
from groupcoap.oscore.contexts import Contexts
from oscore_ends import ends, message, open_request, open_response, packet, rejected, request, response
from oscore_ends import seal_request, seal_response, why, writer
from wire import allocated, datagram

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

MALFORMED = (n.BAD_OPTION, "Failed to decode COSE")
NO_CONTEXT = (n.UNAUTHORIZED, "Security context not found")
REPLAY = (n.UNAUTHORIZED, "Replay detected")
UNDECRYPTED = (n.BAD_REQUEST, "Decryption failed")
REASONS = (MALFORMED, NO_CONTEXT, REPLAY, UNDECRYPTED)


def both():
    return ends(b"\5", b"\6", client_number=300, id_context=b"id")


def with_value(p, value, payload=None):
    options = [(n.OSCORE, value) if number == n.OSCORE else (number, old) for number, old in p.options]
    return datagram(p.kind, p.code, p.mid, p.token, options, p.payload if payload is None else payload)


def test_every_flipped_bit_and_every_truncation_of_a_request():
    client, server = both()
    data = seal_request(client, request([(n.URI_HOST, b"h"), (n.URI_PATH, b"temp")]))[1]
    p = packet(data)
    value, payload = p.option(n.OSCORE), p.payload
    state = server.window.state()
    for bit in range(8 * len(payload)):
        wrong = bytearray(payload)
        wrong[bit >> 3] ^= 1 << (bit & 7)
        assert why(open_request, server, with_value(p, value, bytes(wrong))) == UNDECRYPTED
    for end in range(1, len(payload)):
        assert why(open_request, server, with_value(p, value, payload[:end])) == UNDECRYPTED
    assert why(open_request, server, with_value(p, value, b"")) == MALFORMED
    assert why(open_request, server, with_value(p, value, payload + b"x")) == UNDECRYPTED
    for bit in range(8 * len(value)):
        wrong = bytearray(value)
        wrong[bit >> 3] ^= 1 << (bit & 7)
        assert why(open_request, server, with_value(p, bytes(wrong))) in REASONS
    for end in range(len(value)):
        assert why(open_request, server, with_value(p, value[:end])) in (MALFORMED, NO_CONTEXT)
    assert server.window.state() == state
    for at in range(len(data)):  # and anywhere in the datagram: what is not of class U is not believed
        for bit in range(8):
            wrong = bytearray(data)
            wrong[at] ^= 1 << bit
            try:
                message(bytes(wrong))
            except FormatError:
                continue
            try:
                _, plain = open_request(server, bytes(wrong))
            except Exception as error:
                assert (error.code, error.text) in REASONS, error
                continue
            server.window.restore(state)
            plain = packet(plain)
            assert (plain.code, plain.payload, plain.option(n.URI_PATH)) == (n.GET, b"", b"temp"), (at, bit)
    assert server.window.state() == state
    open_request(server, data)


def test_every_flipped_bit_and_every_truncation_of_a_response():
    for own in (False, True):
        client, server = both()
        ours, data = seal_request(client, request())
        theirs, _ = open_request(server, data)
        theirs.own_piv = own
        data = seal_response(theirs, response([(n.ETAG, b"e")]))
        p = packet(data)
        value = p.option(n.OSCORE)
        for bit in range(8 * len(p.payload)):
            wrong = bytearray(p.payload)
            wrong[bit >> 3] ^= 1 << (bit & 7)
            assert why(open_response, ours, with_value(p, value, bytes(wrong))) == UNDECRYPTED
        for end in range(1, len(p.payload)):
            assert why(open_response, ours, with_value(p, value, p.payload[:end])) == UNDECRYPTED
        for bit in range(8 * len(value)):
            wrong = bytearray(value)
            wrong[bit >> 3] ^= 1 << (bit & 7)
            assert why(open_response, ours, with_value(p, bytes(wrong))) in REASONS
        for wrong in (b"\x01\x07", b"\x20", b"\x08\x05", b"\x10\x02ix", b"\x28\x06"):
            assert why(open_response, ours, with_value(p, wrong)) in (NO_CONTEXT, UNDECRYPTED)
        assert ours._windows is None and ours._oldest is None
        open_response(ours, data)


def test_a_response_may_name_its_sender_but_not_another_one():
    client, server = both()
    ours, data = seal_request(client, request())
    p = packet(seal_response(open_request(server, data)[0], response()))
    for value in (b"\x08\x05", b"\x08", b"\x10\x02no"):
        assert why(open_response, ours, with_value(p, value)) == NO_CONTEXT
    open_response(ours, with_value(p, b"\x18\x02id\x06"))


def test_a_request_without_what_a_request_must_have():
    client, server = both()
    p = packet(seal_request(client, request())[1])
    for value in (b"", b"\x02\1\x2c", b"\x08\5", b"\x18\2id\5", b"\x1a\1\x2c\2id"):
        found = why(open_request, server, with_value(p, value))
        assert found == (NO_CONTEXT if value == b"\x1a\1\x2c\2id" else MALFORMED), value
    for options in ([], p.options + p.options, [(n.OSCORE, p.option(n.OSCORE) + bytes(256))]):
        assert why(open_request, server, datagram(0, 2, 1, b"", options, p.payload)) == MALFORMED


def test_a_group_flag_is_nothing_that_a_plain_context_knows():
    client, server = both()
    p = packet(seal_request(client, request())[1])
    value = bytearray(p.option(n.OSCORE))
    value[0] |= 0x20
    assert why(open_request, server, with_value(p, bytes(value))) == NO_CONTEXT


def test_another_number_another_kid_another_context():
    client, server = both()
    p = packet(seal_request(client, request())[1])
    for value, reason in (
        (b"\x1a\1\x2d\2id\5", UNDECRYPTED),
        (b"\x1d\xff\xff\xff\xff\xff\2id\5", UNDECRYPTED),  # the greatest number there is: the window must not move
        (b"\x1a\1\x2c\2id\6", NO_CONTEXT),
        (b"\x1a\1\x2c\2ie\5", NO_CONTEXT),
        (b"\x1b\0\1\x2c\2id\5", MALFORMED),
    ):
        assert why(open_request, server, with_value(p, value)) == reason
    open_request(server, with_value(p, b"\x0a\1\x2c\5"))  # its ID Context need not be there


def test_a_message_encrypted_for_the_other_direction_is_not_taken():
    client, server = both()
    theirs = packet(seal_request(server, request())[1])
    p = packet(seal_request(client, request())[1])
    swapped = with_value(p, theirs.option(n.OSCORE)[:-1] + b"\5", theirs.payload)
    assert why(open_request, server, swapped) == UNDECRYPTED


def test_a_peer_that_encrypts_what_is_no_message():
    client, server = both()
    for options, payload, code in (
        ([(n.OBSERVE, bytes(4))], b"", n.GET),  # an Observe option too long for a number
        ([], b"", 0x45),
        ([], b"", 0xE1),
        ([], b"x", 0),
    ):
        number = server.window.top
        plain = bytearray(request(options, n.GET, payload))
        m = message(bytes(plain))
        m.code = code
        out = writer()
        client.seal_request(m, out)
        assert why(open_request, server, out.message()) == UNDECRYPTED, code
        assert server.window.top == number
    # broken options: a plaintext made by hand
    for options in (b"\xff", b"\xf0", b"\xb5te", b"\xe0\xff\xff\x10"):
        open_request(server, sealed_raw(client, b"\1"))  # what is left of one must not help the next
        assert why(open_request, server, sealed_raw(client, b"\1" + options)) == UNDECRYPTED, options
    for plaintext in (b"", b"\0"):
        assert why(open_request, server, sealed_raw(client, plaintext)) == UNDECRYPTED
    open_request(server, sealed_raw(client, b"\1"))


def sealed_raw(client, plaintext):
    """A request of this plaintext."""
    out = writer()
    piv = option.piv_bytes(client.sequence.take())
    out.begin(n.NON, n.POST, 1, b"tok")
    out.option(n.OSCORE, option.encode(piv, client.id_context, client.sender_id))
    out.payload(plaintext or b"x")
    structure = aad.structure(client._start, client.sender_id, piv, b"")
    nonce = aad.nonce(client.common_iv, 13, client.sender_id, piv)
    length = len(plaintext)
    start = out.end - (length or 1)
    out.end = client._seal.seal(nonce, structure, out.buf, start, length)
    return out.message()


def test_what_is_longer_than_the_work_buffer_is_refused():
    client, server = both()
    out = writer(2000)
    client.seal_request(message(request(payload=bytes(opening.LONGEST - 8 - 1 - 5 - 1))), out)
    assert packet(out.message()).payload[opening.LONGEST - 1 :]
    open_request(server, out.message())
    client.seal_request(message(request(payload=bytes(opening.LONGEST - 8 - 1 - 5))), out)
    assert rejected(open_request, server, out.message()).code == n.REQUEST_ENTITY_TOO_LARGE


def test_a_plain_message_without_room_changes_nothing():
    client, server = both()
    data = seal_request(client, request(payload=b"p" * 50))[1]

    for size in range(16, 60):
        error = rejected(Contexts([server]).open_request(message(data)).finish, writer(size))
        assert error.code == n.REQUEST_ENTITY_TOO_LARGE
    open_request(server, data)


def test_unprotected_responses_are_not_taken():
    client, _ = both()
    ours, _ = seal_request(client, request())
    for data in (response(), response([], n.UNAUTHORIZED, b"Security context not found")):
        assert why(open_response, ours, data) == MALFORMED


def test_heap_of_a_rejected_request():
    client, server = both()
    p = packet(seal_request(client, request(payload=b"p" * 500))[1])
    m = message(with_value(p, p.option(n.OSCORE), p.payload[:-1] + b"x"))

    contexts, out = Contexts([server]), writer()

    def attempt():
        rejected(contexts.open_request(m).finish, out)

    taken = allocated(attempt, 20)
    assert taken < 20 * 2048, taken
