"""The one deadline structure, and time across the wrap of the clock."""

from groupcoap.timers import MAX_SPAN, Timers, after, elapsed
from wire import NEAR_WRAP, allocated

TOP = 0x3FFFFFFF


class Table:
    """Some timers, and which came due when."""

    def __init__(self, timers, count):
        self.fired = []
        self.first = timers.reserve(count, self.due)

    def due(self, i, now):
        self.fired.append((i, now))


def numbers(table):
    return [i for i, _ in table.fired]


def test_time_goes_on_across_the_wrap():
    assert after(TOP, 1) == 0 and after(TOP - 5, 10) == 4 and after(0, 0) == 0
    assert elapsed(4, TOP - 5) == 10 and elapsed(TOP - 5, 4) == -10 and elapsed(7, 7) == 0


def test_span_is_at_most_half_the_clock():
    assert MAX_SPAN == 0x0FFFFFFF
    assert elapsed(after(5, MAX_SPAN), 5) == MAX_SPAN
    assert after(5, MAX_SPAN + 1000) == after(5, MAX_SPAN)
    assert elapsed(5, after(5, MAX_SPAN)) == -MAX_SPAN


def test_timer_is_due_at_its_time_and_not_before():
    timers = Timers()
    table = Table(timers, 1)
    timers.set(table.first, after(NEAR_WRAP, 1000))
    timers.poll(after(NEAR_WRAP, 999))
    assert table.fired == [] and timers.running(table.first)
    timers.poll(after(NEAR_WRAP, 1000))
    assert table.fired == [(0, after(NEAR_WRAP, 1000))] and not timers.running(table.first)
    timers.poll(after(NEAR_WRAP, 5000))
    assert len(table.fired) == 1


def test_timers_run_in_the_order_of_their_deadlines():
    timers = Timers()
    table = Table(timers, 8)
    spans = (700, 100, 600, 200, 500, 300, 400, 0)
    for i, span in enumerate(spans):
        timers.set(table.first + i, after(NEAR_WRAP, span))
    timers.poll(after(NEAR_WRAP, 1000))
    assert numbers(table) == sorted(range(8), key=lambda i: spans[i])


def test_next_deadline():
    timers = Timers()
    table = Table(timers, 3)
    assert timers.poll_at() is None
    for i, span in enumerate((500, 400, 600)):
        timers.set(table.first + i, after(NEAR_WRAP, span))
    assert timers.poll_at() == after(NEAR_WRAP, 400)
    timers.stop(table.first + 1)
    assert timers.poll_at() == after(NEAR_WRAP, 500) == timers.when(table.first)


def test_timer_that_is_set_again_moves():
    timers = Timers()
    table = Table(timers, 2)
    timers.set(table.first, after(NEAR_WRAP, 500))
    timers.set(table.first + 1, after(NEAR_WRAP, 600))
    timers.set(table.first, after(NEAR_WRAP, 700))
    timers.poll(after(NEAR_WRAP, 650))
    assert numbers(table) == [1]
    timers.set(table.first, after(NEAR_WRAP, 660))
    timers.poll(after(NEAR_WRAP, 660))
    assert numbers(table) == [1, 0]


def test_stopped_timer_does_not_run():
    timers = Timers()
    table = Table(timers, 2)
    for i in (0, 1):
        timers.set(table.first + i, after(NEAR_WRAP, 500))
    timers.stop(table.first)
    timers.stop(table.first)  # which is none now
    timers.poll(after(NEAR_WRAP, 1000))
    assert numbers(table) == [1]


def test_each_table_is_told_of_its_own_timers():
    timers = Timers()
    tables = [Table(timers, count) for count in (2, 1, 3)]
    for table, i in zip(tables, (1, 0, 2)):
        timers.set(table.first + i, NEAR_WRAP)
    timers.poll(NEAR_WRAP)
    assert [numbers(table) for table in tables] == [[1], [0], [2]]


def test_timer_may_be_set_again_by_what_it_calls():
    timers = Timers()
    fired = []

    def due(i, now):
        fired.append(now)
        timers.set(first, after(now, 100))

    first = timers.reserve(1, due)
    timers.set(first, NEAR_WRAP)
    for span in (0, 50, 100, 200):
        timers.poll(after(NEAR_WRAP, span))
    assert len(fired) == 3


def test_thousands_of_moves_keep_the_order():
    timers = Timers()
    table = Table(timers, 32)
    deadlines = {}
    now, seed = NEAR_WRAP, 1
    for _ in range(2000):
        seed = seed * 75 % 65537
        i = seed % 32
        if seed & 0x300 == 0:
            timers.stop(table.first + i)
            deadlines.pop(i, None)
        elif seed & 0x300 == 0x100:
            now = after(now, seed % 50)
            due = sorted([elapsed(deadlines[i], now) for i in deadlines if elapsed(deadlines[i], now) <= 0])
            table.fired.clear()
            timers.poll(now)
            assert [elapsed(deadlines.pop(i), now) for i in numbers(table)] == due
        else:
            deadlines[i] = after(now, seed % 1000)
            timers.set(table.first + i, deadlines[i])
        least = min([elapsed(when, now) for when in deadlines.values()]) if deadlines else None
        assert (least is None) == (timers.poll_at() is None)
        assert least is None or elapsed(timers.poll_at(), now) == least


def test_setting_and_stopping_does_not_allocate():
    timers = Timers()
    table = Table(timers, 4)

    def run():
        timers.set(table.first, 1000)
        timers.set(table.first + 1, 900)
        timers.set(table.first, 800)
        timers.stop(table.first)
        timers.stop(table.first + 1)

    assert allocated(run) <= 64
