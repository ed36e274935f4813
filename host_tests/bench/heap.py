# Bytes of heap, what is garbage then included or not, on whatever VM runs this.
import gc


def allocated(function):
    """What this takes, what is garbage then included."""
    gc.collect()
    gc.disable()
    start = gc.mem_alloc()
    function()
    taken = gc.mem_alloc() - start
    gc.enable()
    return taken


def kept(make):
    """What that has which `make` returns."""
    gc.collect()
    start = gc.mem_alloc()
    made = make()
    gc.collect()
    taken = gc.mem_alloc() - start
    return taken if made else 0
