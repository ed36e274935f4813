"""The hot loops, from `_viper` where this VM has Viper, else from `_plain`: `VIPER` says which."""

try:
    from ._viper import KEY_BYTES_A_WORD, answer, copy, head, match, path_is, recent, relay, same, scan, walk

    VIPER = True
except (ImportError, SyntaxError, ValueError, NameError, AttributeError):  # no native code, or not for this chip
    from ._plain import KEY_BYTES_A_WORD, answer, copy, head, match, path_is, recent, relay, same, scan, walk

    VIPER = False

__all__ = (
    "VIPER",
    "KEY_BYTES_A_WORD",
    "answer",
    "copy",
    "head",
    "match",
    "path_is",
    "recent",
    "relay",
    "same",
    "scan",
    "walk",
)
