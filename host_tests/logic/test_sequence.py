"""Sender Sequence Numbers: none twice, whenever power is lost, however a write fails, up to the last one."""

from groupcoap.oscore.sequence import END, Sequence


class PowerCut(Exception):
    pass


class Memory:
    """A store whose write number `cut` is broken off: before it is done or, if `late`, when it was."""

    def __init__(self, cut=-1, late=False):
        self.records = {}
        self.writes = 0
        self.cut = cut
        self.late = late

    def read(self, name):
        return self.records.get(name)

    def write(self, name, data):
        self.writes += 1
        cut = self.writes - 1 == self.cut
        if not cut or self.late:
            self.records[name] = bytes(data)
        if cut:
            raise PowerCut


def raised(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return True
    return False


def bound(value):
    memory = Memory()
    memory.records["s"] = value.to_bytes(6, "big")
    return memory


def test_fresh_sequence_counts_from_0():
    sequence = Sequence(Memory(), "s")
    assert [sequence.take() for _ in range(300)] == list(range(300)) and sequence.number == 300


def test_number_is_below_the_stored_bound_before_it_is_given():
    memory = Memory()
    sequence = Sequence(memory, "s", 4)
    assert memory.writes == 0  # a start alone wears nothing
    for number in range(20):
        assert sequence.take() == number
        assert number < int.from_bytes(memory.records["s"], "big")


def test_one_write_for_each_so_many_messages_and_one_for_each_start():
    for ahead in (1, 2, 10, 128):
        memory = Memory()
        sequence = Sequence(memory, "s", ahead)
        for _ in range(400):
            sequence.take()
        assert memory.writes == -(-400 // ahead)
        writes = memory.writes
        Sequence(memory, "s", ahead)
        assert memory.writes == writes
        Sequence(memory, "s", ahead).take()
        assert memory.writes == writes + 1


def test_numbers_go_on_after_any_start():
    memory, given = Memory(), []
    for count in (0, 1, 5, 8, 9, 0, 0, 16, 3):
        sequence = Sequence(memory, "s", 8)
        given += [sequence.take() for _ in range(count)]
    assert sorted(set(given)) == given and max(given) < 8 * 9


def test_another_ahead_after_a_start_gives_no_number_twice():
    memory, given = Memory(), []
    for ahead in (100, 1, 7, 65536, 2):
        sequence = Sequence(memory, "s", ahead)
        given += [sequence.take() for _ in range(10)]
    assert sorted(set(given)) == given


def test_two_contexts_have_numbers_of_their_own():
    memory = Memory()
    one, other = Sequence(memory, "one"), Sequence(memory, "other")
    assert (one.take(), one.take(), other.take()) == (0, 1, 0)


def test_no_number_twice_when_a_write_is_broken_off():
    for ahead in (1, 3):
        for late in (False, True):
            for cut in range(8):
                memory, given, cuts = Memory(cut, late), [], 0
                while len(given) < 12:
                    sequence = Sequence(memory, "s", ahead)
                    try:
                        for _ in range(5):
                            given.append(sequence.take())
                    except PowerCut:
                        cuts += 1
                assert sorted(set(given)) == given and cuts == (cut < memory.writes)


def test_write_that_failed_uses_no_number_and_is_tried_again():
    for late in (False, True):
        memory = Memory(1, late)
        sequence = Sequence(memory, "s", 2)
        assert (sequence.take(), sequence.take()) == (0, 1)
        assert raised(PowerCut, sequence.take) and sequence.number == 2
        assert sequence.take() == 2 and memory.writes == 3


def test_numbers_end_at_40_bits():
    memory = bound(END - 3)
    sequence = Sequence(memory, "s", 2)
    assert [sequence.take() for _ in range(3)] == [END - 3, END - 2, END - 1]
    for _ in range(2):
        assert raised(OverflowError, sequence.take)
    assert memory.writes == 2 and raised(OverflowError, Sequence(memory, "s").take)
    assert END == 1 << 40 and raised(OverflowError, Sequence(bound(END), "s").take)


def test_record_that_is_no_bound_is_refused():
    for record in (b"", b"\0" * 5, b"\0" * 7, b"\xff" * 6, (END + 1).to_bytes(6, "big")):
        memory = Memory()
        memory.records["s"] = record
        assert raised(ValueError, Sequence, memory, "s"), record


def test_record_that_cannot_be_read_is_refused():
    class Damaged(Memory):
        def read(self, name):
            raise OSError(5)

    assert raised(OSError, Sequence, Damaged(), "s")


def test_other_aheads_are_a_value_error():
    for ahead in (0, -1, 65537):
        assert raised(ValueError, Sequence, Memory(), "s", ahead)
