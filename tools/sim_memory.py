"""How much memory some objects hold, with all that hangs on them: for the question whether it grows.

Left out is what only CPython has: integers, which take no memory of their own on MicroPython, and the frames that an
exception that is kept holds by its traceback.
"""

import sys
from gc import get_referents
from types import BuiltinFunctionType, FunctionType, ModuleType, TracebackType

_SHARED = (ModuleType, type, BuiltinFunctionType)  # code, not data
_ASIDE = _SHARED + (int, TracebackType)


def footprint(roots, others=()):
    """(bytes, objects) of everything that can be reached from `roots`, but not by way of `others`."""
    seen = {id(other) for other in others}
    queue = list(roots)
    size = count = 0
    while queue:
        found = queue.pop()
        if id(found) in seen or isinstance(found, _ASIDE):
            continue
        seen.add(id(found))
        size += sys.getsizeof(found)
        count += 1
        if isinstance(found, FunctionType):  # its module's names are no part of it
            queue += [found.__closure__, found.__defaults__]
        else:
            queue += get_referents(found)
    return size, count
