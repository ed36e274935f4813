# A board runs this first, then main.py. What importing leaves behind is taken away at once, or it would leave the heap
# in pieces.
import gc

gc.threshold(4096)
