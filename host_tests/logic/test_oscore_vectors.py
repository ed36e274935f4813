"""OSCORE against the test vectors of RFC 8613, Appendix C."""

from groupcoap.oscore import aad
from groupcoap.oscore.context import Context
from groupcoap.oscore.contexts import Contexts
from oscore_ends import SALT, SECRET, Sequence, ends, message, open_request, open_response, seal_request, seal_response
from oscore_ends import writer

VMS = ("cpython", "unix")  # the 32-bit VM has no cryptolib

ID_CONTEXT = bytes.fromhex("37cbf3210017a2d3")


def keyed_nonces(context):
    return [aad.nonce(context.common_iv, 13, who, b"\0").hex() for who in (context.sender_id, context.recipient_id)]


def test_c1_to_c3_key_derivation():
    for ids, salt, id_context, sender, recipient, iv, nonces in (
        ((b"", b"\1"), SALT, None, "f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710",
         "4622d4dd6d944168eefb54987c", ["4622d4dd6d944168eefb54987c", "4722d4dd6d944169eefb54987c"]),
        ((b"\0", b"\1"), b"", None, "321b26943253c7ffb6003b0b64d74041", "e57b5635815177cd679ab4bcec9d7dda",
         "be35ae297d2dace910c52e99f9", ["bf35ae297d2dace910c52e99f9", "bf35ae297d2dace810c52e99f9"]),
        ((b"", b"\1"), SALT, ID_CONTEXT, "af2a1300a5e95788b356336eeecd2b92", "e39a0c7c77b43f03b4b39ab9a268699f",
         "2ca58fb85ff1b81c0b7181b85e", ["2ca58fb85ff1b81c0b7181b85e", "2da58fb85ff1b81d0b7181b85e"]),
    ):  # fmt: skip
        client = Context("s", SECRET, salt, ids[0], ids[1], None, id_context=id_context)
        server = Context("c", SECRET, salt, ids[1], ids[0], None, id_context=id_context)
        assert client.common_iv.hex() == server.common_iv.hex() == iv
        assert keyed_nonces(client) == nonces == keyed_nonces(server)[::-1]
        keys = [cipher._key.hex() for cipher in (client._seal, client._open, server._open, server._seal)]
        assert keys == [sender, recipient, sender, recipient]


def test_c4_to_c6_requests():
    for ids, salt, id_context, plain, protected in (
        ((b"", b"\1"), SALT, None, "44015d1f00003974396c6f63616c686f737483747631",
         "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e"),
        ((b"\0", b"\1"), b"", None, "440171c30000b932396c6f63616c686f737483747631",
         "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0"),
        ((b"", b"\1"), SALT, ID_CONTEXT, "44012f8eef9bbf7a396c6f63616c686f737483747631",
         "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3"),
    ):  # fmt: skip
        client, server = ends(*ids, salt=salt, id_context=id_context)
        exchange, data = seal_request(client, bytes.fromhex(plain))
        assert data.hex() == protected
        assert (exchange.name, exchange.kid, exchange.piv) == ("server", ids[0], b"\x14")
        exchange, data = open_request(server, data)
        assert data.hex() == plain
        assert (exchange.name, exchange.kid, exchange.piv, exchange.fresh) == ("client", ids[0], b"\x14", True)


def test_c7_and_c8_responses_without_and_with_partial_iv():
    plain = bytes.fromhex("64455d1f00003974ff48656c6c6f20576f726c6421")
    client, server = ends()
    ours, data = seal_request(client, bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631"))
    theirs, _ = open_request(server, data)
    first = seal_response(theirs, plain)
    assert first.hex() == "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106"
    second = seal_response(theirs, plain)
    assert second.hex() == "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e"
    assert open_response(ours, first) == plain and open_response(ours, second) == plain


def test_what_is_not_ours_is_left_alone():
    client, server = ends()
    protected = seal_request(client, bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631"))[1]
    data = bytearray(protected)
    m = message(data)
    Contexts([server]).open_request(m).finish(writer())
    assert data == protected


def test_the_aad_of_section_5_4():
    structure = aad.structure(b"\x85\x01\x81\x0a", b"\x00", b"\x25", b"")
    assert structure.hex() == "8368456e63727970743040498501810a4100412540"


def test_a_context_that_cannot_be_is_refused_by_name():
    for what, change in (
        ("sender_id of 8 bytes: expected at most 7", {"sender_id": bytes(8)}),
        ("recipient_id of 8", {"recipient_id": bytes(8)}),
        ("sender_id equals recipient_id", {"recipient_id": b"\1"}),
        ("master_secret", {"master_secret": b""}),
        ("id_context of 129", {"id_context": bytes(129)}),
        ("COSE algorithm -65534: expected", {"algorithm": -65534}),
        ("COSE algorithm 1: expected", {"algorithm": 1}),
        ("replay window", {"window": 0}),
    ):
        settings = {"master_secret": SECRET, "master_salt": SALT, "sender_id": b"\1", "recipient_id": b"\2"}
        settings.update(change)
        try:
            Context("x", sequence=Sequence(), **settings)
        except ValueError as error:
            assert str(error).startswith(what), error
        else:
            raise AssertionError(what)
