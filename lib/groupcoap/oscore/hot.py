"""The loops over a message's bytes, from `_viper` where this VM has Viper, else from `_plain`."""

try:
    from ._viper import counters, differ, xor
except (ImportError, SyntaxError, ValueError, NameError, AttributeError):  # no native code, or not for this chip
    from ._plain import counters, differ, xor

__all__ = ("counters", "differ", "xor")
