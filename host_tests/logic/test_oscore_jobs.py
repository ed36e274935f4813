"""What takes long, when it fails: a lack of heap costs one message, and not the place or those that wait behind it."""

from groupcoap.oscore.jobs import Jobs
from groupcoap.timers import Timers


class Work:
    """What takes so many steps; fails: at the last one."""

    slow = True

    def __init__(self, steps, fails=False):
        self.steps = steps
        self.fails = fails

    def step(self):
        self.steps -= 1
        if not self.steps and self.fails:
            raise MemoryError()
        return self.steps <= 0


class Site:
    """Jobs with a clock that goes on by 10 ms each time it is looked at."""

    def __init__(self, places=2):
        self.timers = Timers()
        self.time = 0
        self.jobs = Jobs(places, self.timers, self.clock)
        self.done = []
        self.failed = []

    def clock(self):
        self.time += 10
        return self.time

    def message_failed(self, ref, reset, now):
        self.failed.append((ref, reset))

    def ready(self, job, now):
        self.done.append(job.peer)
        job.free()

    def begin(self, name, work, sending=None):
        job = self.jobs.take()
        if job is None:
            return None
        job.peer = name
        job.work = work
        job.ready = self.ready
        job.sending = sending
        return self.jobs.run(job, self.time)

    def wait(self):
        for _ in range(20):
            self.time += 10
            try:
                self.timers.poll(self.time)
            except MemoryError:
                self.done.append("MemoryError")


def test_work_goes_on_in_slices():
    site = Site()
    assert site.begin("a", Work(9)) is False and site.begin("b", Work(1)) is False
    site.wait()
    assert site.done == ["a", "b"]


def test_a_place_is_free_again_where_nothing_began():
    site = Site(1)
    for _ in range(3):
        site.jobs.take()  # what was to be begun has failed
    assert site.begin("a", Work(1)) is True and site.done == ["a"]


def test_a_place_is_taken_until_its_work_is_done():
    site = Site(1)
    site.begin("a", Work(9))
    assert site.begin("b", Work(1)) is None  # the place besides is for what is not slow
    site.wait()
    assert site.begin("c", Work(1)) is True


def test_work_that_fails_at_once_is_lost_and_its_place_is_free():
    site = Site(1)
    try:
        site.begin("a", Work(1, True), (site, 7))
        raise AssertionError("taken")
    except MemoryError:
        pass
    assert site.failed == [(7, False)]
    assert site.begin("b", Work(1)) is True and site.done == ["b"]


def test_work_that_fails_later_is_lost_and_what_waits_behind_it_is_done():
    site = Site()
    site.begin("a", Work(9, True), (site, 7))
    site.begin("b", Work(9))
    site.wait()
    assert (site.done, site.failed) == (["MemoryError", "b"], [(7, False)])
    assert site.begin("c", Work(1)) is True


def test_what_takes_no_time_waits_for_nothing_and_always_has_a_place():
    site = Site(1)
    quick = Work(1)
    quick.slow = False
    assert site.begin("a", Work(9)) is False
    assert site.begin("b", quick) is True and site.done == ["b"]
    assert site.begin("c", Work(9)) is None  # the place that is left is not for this
    site.wait()
    assert site.done == ["b", "a"]
