"""What CPython needs to import the library: MicroPython's `micropython` module, where its functions change nothing."""


def const(value):
    return value


def native(function):
    return function


viper = native
