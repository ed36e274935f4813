# A board runs this first, then main.py. What importing leaves behind is taken away at once, or it would leave the heap
# in pieces. After a soft reset, which stops all timers, the watchdog may still run: it is fed on, for whoever is at the
# REPL, until the node does so itself.
import gc

gc.threshold(4096)

try:
    import board
    import machine

    if board.WATCHDOG_CONTROL and machine.mem32[board.WATCHDOG_CONTROL] >> 30 & 1:  # its bit ENABLE
        watchdog = machine.WDT(timeout=board.WATCHDOG_MS)
        feeding = machine.Timer(board.TIMER)
        feeding.init(period=1000, mode=machine.Timer.PERIODIC, callback=lambda _: watchdog.feed())
except ImportError:
    pass  # no data of this board
