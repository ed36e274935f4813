"""CBOR against RFC 8949's Appendix A and against PyPI's cbor2: random values, and every way to damage an encoding."""

import json
import math
from pathlib import Path

import cbor2
import pytest
from groupcoap import cbor
from hypothesis import example, given
from hypothesis import strategies as st

VECTORS = json.loads((Path(__file__).parent / "vectors" / "cbor_appendix_a.json").read_text())

# Diagnostic notation of the vectors whose value JSON has no form for.
DIAGNOSTIC = {
    "Infinity": math.inf,
    "-Infinity": -math.inf,
    "NaN": math.nan,
    "undefined": cbor.undefined,
    "simple(16)": cbor.CBORSimpleValue(16),
    "simple(255)": cbor.CBORSimpleValue(255),
    '0("2013-03-21T20:04:00Z")': cbor.CBORTag(0, "2013-03-21T20:04:00Z"),
    "1(1363896240)": cbor.CBORTag(1, 1363896240),
    "1(1363896240.5)": cbor.CBORTag(1, 1363896240.5),
    "23(h'01020304')": cbor.CBORTag(23, b"\1\2\3\4"),
    "24(h'6449455446')": cbor.CBORTag(24, b"dIETF"),
    '32("http://www.example.com")': cbor.CBORTag(32, "http://www.example.com"),
    "h''": b"",
    "h'01020304'": b"\1\2\3\4",
    "{1: 2, 3: 4}": {1: 2, 3: 4},
}
# Integers beyond 64 bits are tagged byte strings (RFC 8949 §3.4.3), and stay so here.
BIGNUMS = {"c249010000000000000000": 2, "c349010000000000000000": 3}
# Refused: what §4.2.1 doesn't allow, or, since RFC 8949, §3.3 (a simple value below 32 in two bytes).
REFUSED = {
    "5f42010243030405ff": "indefinite length",
    "7f657374726561646d696e67ff": "indefinite length",
    "9fff": "indefinite length",
    "9f018202039f0405ffff": "indefinite length",
    "9f01820203820405ff": "indefinite length",
    "83018202039f0405ff": "indefinite length",
    "83019f0203ff820405": "indefinite length",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff": "indefinite length",
    "bf61610161629f0203ffff": "indefinite length",
    "826161bf61626163ff": "indefinite length",
    "bf6346756ef563416d7421ff": "indefinite length",
    "f818": "longer head",
}


def plain(item):
    """Items of either library as tuples that are equal where type and value are; any NaN equals any other."""
    if isinstance(item, (cbor.CBORTag, cbor2.CBORTag)):
        return "tag", item.tag, plain(item.value)
    if item is cbor2.undefined:
        return "simple", 23
    if isinstance(item, (cbor.CBORSimpleValue, cbor2.CBORSimpleValue)):
        return "simple", item.value
    if isinstance(item, (list, tuple)):
        return "array", [plain(each) for each in item]
    if isinstance(item, (dict, cbor2.frozendict)):
        return "map", [(plain(key), plain(item[key])) for key in item]
    if isinstance(item, float):
        return "float", repr(item)
    return type(item), item


def theirs(item):
    """The same item in cbor2's classes."""
    if isinstance(item, cbor.CBORTag):
        return cbor2.CBORTag(item.tag, theirs(item.value))
    if isinstance(item, cbor.CBORSimpleValue):
        return cbor2.undefined if item.value == 23 else cbor2.CBORSimpleValue(item.value)
    if isinstance(item, list):
        return [theirs(each) for each in item]
    if isinstance(item, dict):
        return {key: theirs(item[key]) for key in item}
    return item


def _untouched(tag):
    return lambda value, immutable: cbor2.CBORTag(tag, value)


# Keeps cbor2 from making dates, addresses and big integers of the tags that it knows.
UNTOUCHED = {tag: _untouched(tag) for tag in [*range(300), *range(1000, 1010), 43000, 55799]}


def cbor2_loads(data):
    return cbor2.loads(data, semantic_decoders=UNTOUCHED)


def integers(least=-(1 << 64)):
    return st.integers(least, (1 << 64) - 1)


def containers(items):
    def maps(keys):
        return st.dictionaries(keys, items, max_size=4)

    # Keys of one major type each: between types cbor2's order is that of RFC 7049, the shorter encoding first.
    return (
        st.lists(items, max_size=4)
        | maps(integers(0))
        | maps(st.integers(-(1 << 64), -1))
        | maps(st.text(max_size=30))
        | maps(st.binary(max_size=30))
        | st.builds(cbor.CBORTag, integers(0), items)
    )


SIMPLE_VALUES = st.builds(cbor.CBORSimpleValue, st.integers(0, 19) | st.just(23) | st.integers(32, 255))
LEAVES = (
    st.none() | st.booleans() | integers() | st.floats() | st.floats(width=16) | st.floats(width=32)
) | (st.text() | st.binary() | SIMPLE_VALUES)  # fmt: skip
ITEMS = st.recursive(LEAVES, containers, max_leaves=12)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["hex"] not in REFUSED], ids=lambda v: v["hex"][:24])
def test_appendix_a_example_is_decoded_and_encoded(vector):
    data = bytes.fromhex(vector["hex"])
    expected = DIAGNOSTIC[vector["diagnostic"]] if "diagnostic" in vector else vector["decoded"]
    if vector["hex"] in BIGNUMS:
        expected = cbor.CBORTag(BIGNUMS[vector["hex"]], bytes.fromhex("010000000000000000"))
    assert plain(cbor.loads(data)) == plain(expected)
    assert (cbor.dumps(expected) == data) == vector["roundtrip"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["hex"] in REFUSED], ids=lambda v: v["hex"][:24])
def test_appendix_a_example_is_refused(vector):
    with pytest.raises(cbor.CBORDecodeError, match=REFUSED[vector["hex"]]):
        cbor.loads(bytes.fromhex(vector["hex"]))


def test_every_refusal_is_of_a_vector():
    assert set(REFUSED) <= {vector["hex"] for vector in VECTORS}


@given(ITEMS)
def test_item_survives_encoding(item):
    # Maps come back in the order of their encodings, so compare what has been sorted once.
    data = cbor.dumps(item, 99)
    once = cbor.loads(data, 99)
    assert plain(cbor.loads(cbor.dumps(once, 99), 99)) == plain(once)
    assert cbor.dumps(once, 99) == data
    if "nan" not in repr(item):
        assert once == item


@given(ITEMS)
def test_encoding_is_that_of_cbor2(item):
    assert cbor.dumps(item, 99) == cbor2.dumps(theirs(item), canonical=True)


@given(st.dictionaries(integers() | st.text() | st.binary(), st.none()))
def test_map_keys_are_in_bytewise_order(item):
    keys = [cbor2.dumps(key) for key in cbor.loads(cbor.dumps(item))]  # a dict keeps the order
    assert keys == sorted(keys)


def check(data):
    """What `data` decodes to is what cbor2 makes of it; otherwise it is refused with CBORDecodeError."""
    try:
        item = cbor.loads(data, 99)
    except cbor.CBORDecodeError:
        return None
    assert plain(item) == plain(cbor2_loads(data))
    return item


@given(ITEMS)
def test_every_prefix_is_refused(item):
    data = cbor.dumps(item, 99)
    for end in range(len(data)):
        with pytest.raises(cbor.CBORDecodeError):
            cbor.loads(data[:end], 99)


@given(ITEMS, st.integers(0, 0xFFFF), st.integers(0, 255))
def test_changed_byte_is_refused_or_decoded_as_by_cbor2(item, at, byte):
    data = bytearray(cbor.dumps(item, 99))
    data[at % len(data)] = byte
    check(bytes(data))


def test_every_changed_byte_is_refused_or_decoded_as_by_cbor2():
    item = [{1: "aü水", "k": b"\1\2"}, cbor.CBORTag(260, [1.5, 1e300, 100000.0]), 500, -70000, 1 << 40, None, True]
    data = cbor.dumps(item)
    refused = 0
    for at in range(len(data)):
        for byte in range(256):
            refused += check(data[:at] + bytes([byte]) + data[at + 1 :]) is None
    assert 0 < refused < 256 * len(data)


@given(st.binary(max_size=40))
@example(b"\xd9\x01\x02\x82\x00\x00")
def test_random_bytes_are_refused_or_decoded_as_by_cbor2(data):
    check(data)


@given(st.lists(ITEMS, max_size=4))
def test_sequence_is_the_items_one_after_another(items):
    data = b"".join([cbor.dumps(item, 99) for item in items])
    assert b"".join([cbor.dumps(item, 99) for item in cbor.loads_sequence(data, 99)]) == data
