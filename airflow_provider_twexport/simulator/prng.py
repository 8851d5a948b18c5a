"""Numbers that look random and are always the same."""

from __future__ import annotations

from hashlib import blake2b

MASK = 0xFFFF_FFFF_FFFF_FFFF


def number(*parts: object) -> int:
    """Turn a few values into 64 bits: the start of a sequence."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def mixed(seed: int, index: int) -> int:
    """Pick the 64 bits at one place of a sequence (splitmix64), cheap enough to be asked for every result."""
    value = (seed + index * 0x9E37_79B9_7F4A_7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return value ^ (value >> 31)
