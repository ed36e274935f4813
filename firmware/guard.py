"""The watchdog of a board: it resets a node that hangs, and nothing else.

No board's watchdog can be stopped once it runs. So it is started when the node is ready, never before, and where the
node ends and leaves the REPL a timer goes on to feed it.
"""


class Guard:
    """timeout: ms within which it must be fed; timer: number of the timer that may do so."""

    def __init__(self, timeout, timer=-1):
        import __main__
        import machine

        feeding = getattr(__main__, "feeding", None)
        if feeding is not None:
            feeding.deinit()  # boot.py's
        self.interval = max(1, timeout // 4)  # ms
        self._watchdog = machine.WDT(timeout=timeout)
        self._timer = timer
        self.feed = self._watchdog.feed

    def hand_over(self):
        """Feed it by a timer from now on, until the next reset."""
        import machine

        timer = machine.Timer(self._timer)
        timer.init(period=self.interval, mode=machine.Timer.PERIODIC, callback=lambda _: self._watchdog.feed())
        self._timer = timer  # kept: a timer that is forgotten stops
        self.feed()
