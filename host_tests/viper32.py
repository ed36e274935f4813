"""Viper as a board of 32 bits has it, on CPython: registers wrap, memory is checked.

The only VM with Viper on a computer has 64 bits, where a sum beyond 32 is not lost. `load(path)` gives the names of a
file whose Viper functions run here instead: an int and a uint are 32 bits and wrap, an operation has its left operand's
type, a load gives an int, a store cuts off. A pointer beyond its buffer, or one that is not aligned, raises.
"""

import builtins
import types


class Word(int):
    """A register: subclasses say what the bits mean. Operations with a plain int take that for an Int."""

    def __new__(cls, value=0):
        return int.__new__(cls, cls.wrapped(getattr(value, "address", value)))


class Int(Word):
    @staticmethod
    def wrapped(value):
        return (int(value) + (1 << 31)) % (1 << 32) - (1 << 31)

    from_bytes = builtins.int.from_bytes


class Uint(Word):
    @staticmethod
    def wrapped(value):
        return int(value) % (1 << 32)


def _operation(name):
    plain = getattr(int, name)

    def left(self, other):
        if name in ("__lshift__", "__rshift__") and not 0 <= other < 32:
            raise OverflowError("a shift of %d bits differs from chip to chip" % other)
        if not isinstance(other, int):
            return NotImplemented
        if name not in ("__lshift__", "__rshift__"):  # the other's bits, taken for this one's type
            other = type(self).wrapped(other)
        return type(self)(plain(int(self), int(other)))

    def right(self, other):
        return left(Int(other), self)

    setattr(Word, name, left)
    setattr(Word, "__r" + name[2:], right)


for _name in "add", "sub", "mul", "and", "or", "xor", "lshift", "rshift":
    _operation(f"__{_name}__")


class Memory:
    """Buffers at addresses of their own, 1 MB apart."""

    def __init__(self):
        self.buffers = []

    def address(self, buffer):
        for index, known in enumerate(self.buffers):
            if known is buffer:
                return index + 1 << 20
        self.buffers.append(buffer)
        return len(self.buffers) << 20


class Pointer:
    size, memory = 1, Memory()

    def __init__(self, target):
        if isinstance(target, Pointer):
            self.address = target.address
        elif isinstance(target, int):
            self.address = int(target)
        else:
            self.address = self.memory.address(target)

    def _place(self, index):
        address = self.address + self.size * index
        if address % self.size:
            raise ValueError(f"{address:#x} is not aligned to {self.size} bytes")
        buffer, at = self.memory.buffers[(address >> 20) - 1], address & 0xFFFFF
        if at + self.size > len(buffer):
            raise IndexError(f"byte {at} of {len(buffer)}")
        return buffer, at

    def __getitem__(self, index):
        buffer, at = self._place(index)
        return Int(int.from_bytes(buffer[at : at + self.size], "little"))

    def __setitem__(self, index, value):
        buffer, at = self._place(index)
        buffer[at : at + self.size] = (int(value) % (1 << 8 * self.size)).to_bytes(self.size, "little")


class Pointer16(Pointer):
    size = 2


class Pointer32(Pointer):
    size = 4


def viper(function):
    kinds = [kind for name, kind in function.__annotations__.items() if name != "return"]

    def converted(*arguments):
        return function(*[kind(argument) for kind, argument in zip(kinds, arguments)])

    return converted


def load(path):
    """The names of a file with Viper functions."""
    names = {"int": Int, "uint": Uint, "ptr8": Pointer, "ptr16": Pointer16, "ptr32": Pointer32}
    names["micropython"] = types.SimpleNamespace(viper=viper)
    source = path.read_text().replace("import micropython\n", "")
    exec(compile(source, path, "exec"), names)
    return types.SimpleNamespace(**names)
