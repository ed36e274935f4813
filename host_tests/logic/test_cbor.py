"""CBOR: what is encoded to which bytes, what is decoded, and what is refused (RFC 8949; sequences RFC 8742)."""

from groupcoap import cbor


def refusal(data, depth=8):
    """Text of the CBORDecodeError that `loads` raises, or None."""
    try:
        cbor.loads(data, depth)
    except cbor.CBORDecodeError as error:
        return str(error)


def raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return type(error)


def both(item, encoding):
    encoding = bytes.fromhex(encoding)
    assert cbor.dumps(item) == encoding
    assert cbor.loads(encoding) == item


def test_unsigned_integer_takes_the_least_bytes():
    both(0, "00")
    both(23, "17")
    both(24, "1818")
    both(255, "18ff")
    both(256, "190100")
    both(65535, "19ffff")
    both(65536, "1a00010000")
    both(0xFFFFFFFF, "1affffffff")
    both(0x100000000, "1b0000000100000000")
    both(0xFFFFFFFFFFFFFFFF, "1bffffffffffffffff")


def test_negative_integer_takes_the_least_bytes():
    both(-1, "20")
    both(-24, "37")
    both(-25, "3818")
    both(-0x40000001, "3a40000000")
    both(-0x10000000000000000, "3bffffffffffffffff")


def test_integer_beyond_64_bits_is_not_encoded():
    assert raised(cbor.dumps, 0x10000000000000000) is ValueError
    assert raised(cbor.dumps, -0x10000000000000001) is ValueError


def test_byte_string():
    both(b"", "40")
    both(b"\x01\x02", "420102")
    both(bytes(300), "59012c" + "00" * 300)


def test_bytearray_and_memoryview_are_encoded_as_byte_string():
    assert cbor.dumps(bytearray(b"ab")) == cbor.dumps(memoryview(b"xab")[1:]) == b"\x42ab"


def test_text_string_is_utf8():
    both("", "60")
    both("a", "6161")
    both("ü水", "65c3bce6b0b4")


def test_array():
    both([], "80")
    both([1, [2, 3], [4, 5]], "8301820203820405")


def test_tuple_is_encoded_as_array():
    assert cbor.dumps((1, 2)) == b"\x82\x01\x02"


def test_map():
    both({}, "a0")
    both({"a": 1, "b": [2, 3]}, "a26161016162820203")


def test_map_keys_are_sorted_by_their_encodings():
    # The example of RFC 8949 §4.2.1, with keys that this module takes.
    encoding = cbor.dumps({"aa": 0, "z": 0, -1: 0, 100: 0, 10: 0, b"z": 0})
    assert encoding.hex() == "a6" + "0a00" + "186400" + "2000" + "417a00" + "617a00" + "62616100"


def test_map_keys_are_decoded_in_any_order():
    assert cbor.loads(bytes.fromhex("a202000100")) == {1: 0, 2: 0}


def test_map_key_is_integer_or_string():
    for key in ("f4", "f6", "f90000", "80", "c100", "e0"):
        assert "map key at byte 1" in refusal(bytes.fromhex("a1" + key + "00"))
    for key in (True, None, 1.0, (1,)):
        assert raised(cbor.dumps, {key: 0}) is TypeError


def test_duplicate_map_key_is_refused():
    assert "map key at byte 3" in refusal(bytes.fromhex("a201000101"))
    assert "map key at byte 4" in refusal(bytes.fromhex("a2616100616101"))


def test_false_true_null_undefined():
    both(False, "f4")
    both(True, "f5")
    both(None, "f6")
    both(cbor.undefined, "f7")


def test_true_is_decoded_as_bool():
    assert cbor.loads(b"\xf5") is True and cbor.loads(b"\xf4") is False


def test_simple_value():
    both(cbor.CBORSimpleValue(16), "f0")
    both(cbor.CBORSimpleValue(32), "f820")
    both(cbor.CBORSimpleValue(255), "f8ff")


def test_simple_value_with_a_python_equivalent_is_no_simple_value():
    for value in (20, 22, 24, 31, 256, -1):
        assert raised(cbor.CBORSimpleValue, value) is ValueError


def test_simple_values_are_equal_where_numbers_are():
    assert cbor.CBORSimpleValue(16) == cbor.CBORSimpleValue(16)
    assert cbor.CBORSimpleValue(16) != cbor.CBORSimpleValue(17)
    assert cbor.undefined != 23


def test_repr_shows_number_and_value():
    assert repr(cbor.CBORTag(1, "a")) == "CBORTag(1, 'a')"
    assert repr(cbor.undefined) == "CBORSimpleValue(23)"


def test_simple_value_below_32_in_two_bytes_is_refused():
    assert refusal(b"\xf8\x14") and refusal(b"\xf8\x1f")


def test_tag():
    both(cbor.CBORTag(1, 1363896240), "c11a514b67b0")
    both(cbor.CBORTag(260, b"\xc0\x00\x02\x05"), "d9010444c0000205")


def test_tags_are_equal_where_number_and_value_are():
    assert cbor.CBORTag(1, 2) == cbor.CBORTag(1, 2)
    assert cbor.CBORTag(1, 2) != cbor.CBORTag(2, 2)
    assert cbor.CBORTag(1, 2) != cbor.CBORTag(1, 3)
    assert cbor.CBORTag(1, 2) != 2


def test_float_takes_a_half_where_it_keeps_the_value():
    both(0.0, "f90000")
    both(1.5, "f93e00")
    both(-4.0, "f9c400")
    both(65504.0, "f97bff")
    both(0.00006103515625, "f90400")  # the least normal half
    both(5.960464477539063e-8, "f90001")  # the least subnormal half
    both(6.097555160522461e-05, "f903ff")  # the greatest


def test_every_half_is_encoded_as_it_was():
    for high in range(256):
        for low in range(0, 256, 5):
            half = bytes((0xF9, high, low))
            if high & 0x7C != 0x7C or (high & 3 == 0 and low == 0):
                assert cbor.dumps(cbor.loads(half)) == half


def test_float_takes_a_single_where_a_half_loses():
    both(100000.0, "fa47c35000")
    both(65536.0, "fa47800000")
    both(3.4028234663852886e38, "fa7f7fffff")
    both(2.9802322387695312e-08, "fa33000000")  # half of the least half
    both(1.00048828125, "fa3f801000")  # one bit too long


def test_float_takes_a_double_where_a_single_loses():
    if 1.0 + 1e-10 == 1.0:
        return  # a VM with single precision
    both(1.1, "fb3ff199999999999a")
    both(1.0e300, "fb7e37e43c8800759c")
    both(1e-46, "fb366244ce242c5561")


def test_double_is_decoded():
    assert cbor.loads(bytes.fromhex("fb3ff8000000000000")) == 1.5


def test_negative_zero_keeps_its_sign():
    assert cbor.dumps(-0.0) == b"\xf9\x80\x00"


def test_infinity_is_a_half():
    both(float("inf"), "f97c00")
    both(float("-inf"), "f9fc00")
    assert cbor.loads(bytes.fromhex("fb7ff0000000000000")) == float("inf")


def test_nan_has_one_encoding():
    nan = cbor.loads(bytes.fromhex("fb7ff8000000000001"))
    assert nan != nan
    assert cbor.dumps(nan) == b"\xf9\x7e\x00"


def test_what_has_no_encoding_is_a_type_error():
    assert raised(cbor.dumps, object()) is TypeError
    assert raised(cbor.dumps, {1, 2}) is TypeError


def test_head_longer_than_needed_is_refused():
    for data in ("1817", "190018", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "580141", "780161", "980100"):
        assert "longer head" in refusal(bytes.fromhex(data))
    assert "longer head" in refusal(bytes.fromhex("b8010000"))
    assert "longer head" in refusal(bytes.fromhex("d81700"))


def test_indefinite_length_is_refused():
    for data in ("5f4101ff", "7f6161ff", "9f00ff", "bf0000ff", "ff"):
        assert "indefinite" in refusal(bytes.fromhex(data))


def test_reserved_head_is_refused():
    for major in range(8):
        for info in (28, 29, 30):
            assert "reserved" in refusal(bytes((major << 5 | info, 0, 0, 0)))


def test_string_that_claims_more_than_is_left_is_refused():
    assert refusal(b"\x43ab") == "CBOR: string of 3 bytes at byte 1, 2 left"
    assert "string of 4294967295 bytes" in refusal(b"\x5a\xff\xff\xff\xff")
    assert "string of 18446744073709551615 bytes" in refusal(b"\x7b" + b"\xff" * 8)


def test_array_that_claims_more_than_is_left_is_refused_unallocated():
    assert refusal(b"\x9a\x7f\xff\xff\xff\x00") == "CBOR: 2147483647 items at byte 0, 1 bytes left"
    assert "items at byte 0" in refusal(b"\xbb" + b"\xff" * 8)
    assert "3 items at byte 0" in refusal(b"\x83\x00\x00") and refusal(b"\x82\x00\x00") is None


def test_map_that_ends_before_its_last_value_is_refused():
    assert "item of 1 bytes at byte 4, 0 left" in refusal(b"\xa2\x00\x00\x01")


def test_every_prefix_is_refused():
    data = bytes.fromhex("a3016161186483f5fb3ff199999999999a43010203617ad9010444c0000205")
    cbor.loads(data)
    for end in range(len(data)):
        assert refusal(data[:end])


def test_trailing_bytes_are_refused():
    assert refusal(b"\x00\x00") == "CBOR: 1 bytes follow the item, expected none"


def test_empty_input_is_refused():
    assert refusal(b"")


def test_text_that_is_not_utf8_is_refused():
    # A lone continuation, a cut sequence, overlong forms, a surrogate, beyond U+10FFFF, bytes that never occur.
    bad = ("80", "c3", "c361", "c080", "c1bf", "e08080", "e09fbf", "eda080", "edbfbf", "f0808080", "f08fbfbf")
    for text in bad + ("f4908080", "f5808080", "f888808080", "fe", "ff"):
        text = bytes.fromhex(text)
        assert "UTF-8" in refusal(bytes((0x60 | len(text),)) + text)


def test_text_at_the_edges_of_utf8_is_accepted():
    for text in ("c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"):
        text = bytes.fromhex(text)
        assert cbor.loads(bytes((0x60 | len(text),)) + text).encode() == text


def test_nesting_ends_at_the_depth():
    assert cbor.loads(b"\x81\xc1\xa1\x00\x00", 3) == [cbor.CBORTag(1, {0: 0})]
    assert refusal(b"\x81\xc1\xa1\x00\x00", 2) == "CBOR: nested too deep at byte 2"
    for around in (b"\x81", b"\xc1", b"\xa1\x00"):
        assert refusal(around * 8 + b"\x00") is None
        assert "too deep" in refusal(around * 9 + b"\x00")


def test_nesting_ends_at_the_depth_when_encoding():
    array, tag, map_ = [], cbor.CBORTag(1, 0), {}
    for _ in range(7):
        array, tag, map_ = [array], cbor.CBORTag(1, tag), {0: map_}
    assert cbor.dumps(array) == b"\x81" * 7 + b"\x80"
    assert cbor.dumps(tag) == b"\xc1" * 8 + b"\x00"
    assert cbor.dumps(map_) == b"\xa1\x00" * 7 + b"\xa0"
    for item in ([array], cbor.CBORTag(1, tag), {0: map_}):
        assert raised(cbor.dumps, item) is ValueError


def test_input_may_be_bytearray_or_memoryview():
    assert cbor.loads(bytearray(b"\x42ab")) == b"ab"
    assert cbor.loads(memoryview(b"x\x82\x61a\x41bx")[1:-1]) == ["a", b"b"]


def test_decoded_string_does_not_share_the_input():
    data = bytearray(b"\x42ab")
    value = cbor.loads(memoryview(data))
    data[1] = 0x78
    assert value == b"ab" and type(value) is bytes


def test_sequence_is_all_its_items():
    assert cbor.loads_sequence(b"") == []
    assert cbor.loads_sequence(b"\x01\x81\x02\x61a") == [1, [2], "a"]


def test_sequence_with_an_incomplete_item_is_refused():
    assert raised(cbor.loads_sequence, b"\x01\x82\x02") is cbor.CBORDecodeError
