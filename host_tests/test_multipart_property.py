"""Properties of multipart-core and of aggregated responses over random answers and bytes, against PyPI's cbor2."""

from pathlib import Path

import cbor2
from groupcoap import multipart
from groupcoap import numbers as n
from groupcoap.message import Message, uint_bytes
from groupcoap.proxy.aggregate import Collections
from groupcoap.timers import Timers
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import CLIENT, NEAR_WRAP, REPLY_FROM, datagram

SLOT = 1
sizes = st.integers(0, 30) | st.sampled_from((253, 254, 255, 256, 300))
payloads = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
formats = st.none() | st.integers(0, 65535) | st.sampled_from((0, 23, 24, 42, 255, 256))
codes = st.sampled_from([code for code in range(64, 192) if code >> 5 in (2, 4, 5)])
names = st.binary(max_size=40) | st.sampled_from((b"\x82\x20\x81\x44\xc0\x00\x02\x05", bytes(255)))
answers = st.lists(st.tuples(names, codes, formats, payloads), max_size=30)
parts = st.lists(st.tuples(st.integers(0, 65535), st.none() | payloads), max_size=12)


def collected(each, size, chained):
    """The body of these answers, and those that have fitted."""
    collections = Collections(1, size, Timers())
    assert collections.begin(SLOT, CLIENT, 0)
    m, fitted = Message(), []
    for name, code, number, payload in each:
        pairs = [] if number is None else [(n.CONTENT_FORMAT, uint_bytes(number))]
        if chained:
            pairs.append((REPLY_FROM, name))
        data = datagram(n.NON, code, 7, b"token", pairs, payload)
        m.parse(data, len(data))
        given_name = None if chained else bytes((len(name),)) + name
        if chained and len(name) < 5:  # no Reply-From then, as a wrong length is none
            name = b""
        if collections.add(SLOT, given_name, m):
            fitted.append((name, code, number, payload))
        else:  # it had no room beside the head in front and what says at the end that some are missing
            taken = collections.body(0)[2]
            number = 42 if number is None else number
            more = cbor2.dumps([63, name + cbor2.dumps(code), number, payload or None])[1:]
            assert 3 + taken + len(more) + 8 > size
    assert collections.dropped == len(each) - len(fitted)
    buf, start, length = collections.body(collections.finish(SLOT, NEAR_WRAP))
    assert start + length <= len(buf) == size
    return bytes(buf[start : start + length]), fitted


@settings(max_examples=400)
@given(answers, st.integers(256, 8192), st.booleans())
def test_collection_is_what_cbor2_makes_of_the_answers(each, size, chained):
    body, fitted = collected(each, size, chained)
    items = []
    for name, code, number, payload in fitted:
        items += [63, name + cbor2.dumps(code), 42 if number is None else number, payload or None]
    if len(fitted) < len(each):
        items += [63, cbor2.dumps(0xA3), 42, None]
    assert body == cbor2.dumps(items)


@settings(max_examples=300)
@given(answers, st.integers(256, 8192), st.booleans())
def test_client_reads_what_the_proxy_has_collected(each, size, chained):
    body, fitted = collected(each, size, chained)
    found = multipart.responses(body)
    if len(fitted) < len(each):
        missing = found.pop()
        assert (missing.code, missing.reply_from, missing.origin) == (0xA3, None, None)
    assert [(a.reply_from, a.code, a.payload) for a in found] == [(a[0] or None, a[1], a[3]) for a in fitted]
    for answer, (_, code, number, payload) in zip(found, fitted, strict=True):
        default = 42 if code >> 5 == 2 and payload else None
        assert answer.content_format == (default if number in (None, 42) else number)


@given(parts)
def test_parts_are_those_that_cbor2_has_written(pairs):
    assert multipart.parts(cbor2.dumps([item for pair in pairs for item in pair])) == pairs


def read(data):
    """What `parts` makes of it, which must be what cbor2 makes of it; None where it is refused with ValueError."""
    try:
        found = multipart.parts(data)
    except ValueError:
        return None
    assert [item for pair in found for item in pair] == cbor2.loads(data)
    assert cbor2.dumps(cbor2.loads(data)) == data
    try:
        multipart.responses(data)
    except ValueError:
        pass
    return found


@given(answers.filter(len), st.integers(0, 0xFFFF), st.integers(0, 255))
def test_changed_byte_is_refused_or_read_as_by_cbor2(each, at, byte):
    data = bytearray(collected(each, 8192, False)[0])
    data[at % len(data)] = byte
    read(bytes(data))


@given(answers.filter(lambda each: 0 < len(each) < 4))
def test_every_prefix_is_refused(each):
    data, _ = collected(each, 8192, False)
    for end in range(len(data)):
        assert read(data[:end]) is None
    assert read(data) is not None and read(data + b"\0") is None


@given(st.binary(max_size=40))
def test_random_bytes_are_refused_or_read_as_by_cbor2(data):
    read(data)


def test_example_of_the_documentation_is_what_the_proxy_collects():
    text = (Path(__file__).parent.parent / "docs" / "aggregate.md").read_text()
    example = text.split("```hex\n")[1].split("```")[0]
    data = bytes.fromhex("".join(line.split("#")[0] for line in example.splitlines()))
    origin = b"\x82\x20\x81\x44\xc0\x00\x02"
    body, _ = collected([(origin + b"\x05", 69, 0, b"21.5"), (origin + b"\x06", 132, None, b"")], 256, False)
    assert data == body
    assert cbor2.loads(data) == [63, origin + b"\x05\x18\x45", 0, b"21.5", 63, origin + b"\x06\x18\x84", 42, None]
