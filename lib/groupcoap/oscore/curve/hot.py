"""Field arithmetic and SHA-512's block, from `_viper` where this VM has Viper (`VIPER`), else from `_plain`."""

try:
    from ._viper import load, run, sha512_block, sha512_digest, sha512_start, swap, value, workspace

    VIPER = True
except (ImportError, SyntaxError, ValueError, NameError, AttributeError):  # no native code, or not for this chip
    from ._plain import load, run, sha512_block, sha512_digest, sha512_start, swap, value, workspace

    VIPER = False

__all__ = ("VIPER", "load", "run", "sha512_block", "sha512_digest", "sha512_start", "swap", "value", "workspace")
