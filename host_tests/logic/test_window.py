"""The replay window against a set of all numbers, at its edges, invalid, recovered and restored."""

import random

from groupcoap.oscore.window import MAX_NUMBER, Window

SIZES = (1, 2, 7, 8, 9, 31, 32, 33, 64, 1024)


def refused(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


class Model:
    """All numbers ever taken."""

    def __init__(self, size):
        self.size = size
        self.taken = set()
        self.top = -1

    def check(self, n):
        return n > self.top - self.size and n not in self.taken

    def take(self, n):
        found = self.check(n)
        if found:
            self.taken.add(n)
            self.top = max(self.top, n)
        return found


def steps(start, count, size):
    """Numbers around the greatest so far: mostly near, at times far ahead or behind."""
    top = start
    for _ in range(count):
        how = random.getrandbits(4)
        if how == 0:
            n = top + random.getrandbits(12)
        elif how < 5:
            n = top + 1
        elif how < 9:
            n = top + random.getrandbits(3)
        else:
            n = top - random.getrandbits(8) % (size + size // 2 + 2)
        n = min(max(n, 0), MAX_NUMBER)
        top = max(top, n)
        yield n


def test_window_accepts_what_a_set_of_all_numbers_says():
    random.seed(8613)
    for size in SIZES:
        for start in (0, 100, (1 << 30) - 60, MAX_NUMBER - 500):
            window, model = Window(size), Model(size)
            taken = 0
            for n in steps(start, 200, size):
                assert window.check(n) == model.check(n), (size, n)
                if random.getrandbits(2):  # the others turn out forged
                    assert window.take(n) == model.take(n), (size, n)
                    taken += n in model.taken
            assert taken > 20 and window.top == model.top


def test_every_number_near_is_as_a_set_of_all_numbers_says():
    random.seed(1)
    for size in (1, 8, 9, 32):
        window, model = Window(size), Model(size)
        for n in steps(0, 60, size):
            window.take(n)
            model.take(n)
            for near in range(max(0, model.top - 2 * size), model.top + size + 2):
                assert window.check(near) == model.check(near), (size, n, near)


def test_window_has_32_numbers_by_default():
    window = Window()
    assert window.size == 32 and window.take(31) and window.check(0) and window.take(32)
    assert not window.check(0) and window.check(1)


def test_first_number_may_be_0_and_none_comes_twice():
    window = Window()
    for n in (0, 1, 5, 3, 40):
        assert window.check(n) and window.take(n)
        assert not window.check(n) and not window.take(n)
    assert not window.check(8) and window.check(9)


def test_check_alone_changes_nothing():
    window = Window()
    assert window.check(1000) and window.check(1000) and window.check(0) and window.top == -1


def test_numbers_end_at_40_bits():
    window = Window()
    for n in (-1, MAX_NUMBER + 1, 1 << 64):
        assert not window.check(n) and not window.take(n)
    assert MAX_NUMBER == (1 << 40) - 1 and window.take(MAX_NUMBER) and window.take(MAX_NUMBER - 31)
    assert not window.check(MAX_NUMBER) and not window.check(MAX_NUMBER - 32)


def test_other_sizes_are_a_value_error():
    for size in (0, -1, 1025):
        assert refused(Window, size)


def test_invalid_window_accepts_nothing_until_it_is_recovered():
    window = Window(32, valid=False)
    for n in (0, 1, 1000):
        assert not window.check(n) and not window.take(n)
    window.recover(100)
    assert window.valid and window.top == 100
    for n in range(101):
        assert not window.check(n) and not window.take(n)
    assert window.take(102) and window.take(101) and not window.take(100) and not window.take(102)


def test_valid_window_is_not_recovered():
    window = Window()
    assert window.take(5)
    window.recover(100)
    assert window.check(6) and window.top == 5


def test_recovery_needs_a_sequence_number():
    for n in (-1, MAX_NUMBER + 1):
        window = Window(valid=False)
        assert refused(window.recover, n) and not window.valid
    window.recover(MAX_NUMBER)
    assert not window.check(MAX_NUMBER) and not window.check(MAX_NUMBER - 1)


def test_restored_window_is_as_it_was():
    random.seed(3)
    for size in SIZES:
        for start in (0, MAX_NUMBER - 50):
            window = Window(size)
            for n in steps(start, 30, size):
                window.take(n)
                other = Window(size, valid=False)
                other.restore(window.state())
                assert other.valid and other.top == window.top and other.state() == window.state()
                for near in range(max(0, n - size - 2), n + 3):
                    assert other.check(near) == window.check(near)
    fresh, other = Window(), Window(valid=False)
    other.restore(fresh.state())
    assert other.valid and other.take(0)
    other.restore(Window(valid=False).state())
    assert not other.valid and not other.check(7)


def test_state_of_another_form_is_a_value_error_and_changes_nothing():
    window = Window()
    assert window.take(9)
    good = window.state()
    too_high = bytes((1,)) + (MAX_NUMBER + 2).to_bytes(6, "big") + good[7:]
    for data in (b"", good[:-1], good + b"\0", b"\2" + good[1:], Window(64).state(), too_high):
        assert refused(window.restore, data) and window.state() == good
    window.restore(bytes((1,)) + (MAX_NUMBER + 1).to_bytes(6, "big") + good[7:])
    assert window.top == MAX_NUMBER
