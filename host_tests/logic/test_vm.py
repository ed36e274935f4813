"""Shows that a logic test runs on the VM that its name says, and what differs there."""

import sys

from micropython import const

_ANSWER = const(42)


def test_integers_grow_past_the_word():
    small = 0x3FFFFFFF  # the greatest small integer where a word has 32 bits
    assert small + 1 == 0x40000000
    assert (small + 1) * (small + 1) == 1 << 60
    assert -(small + 1) - 1 == -0x40000001


def test_word_size_is_that_of_the_vm():
    if sys.implementation.name == "micropython" and sys.platform == "webassembly":
        assert sys.maxsize == 0x7FFFFFFF
    else:
        assert sys.maxsize == 0x7FFFFFFFFFFFFFFF


def test_const_is_the_value():
    assert _ANSWER == 42


def test_slice_of_memoryview_shares_its_bytes():
    data = bytearray(b"abcd")
    memoryview(data)[1:3][0] = ord("x")
    assert data == b"axcd"
