"""Arithmetic for the curves: the inner loops in Viper and plainly, the field, points of edwards25519."""
