"""Numbers that look random and depend on their seed alone."""

from __future__ import annotations

from hashlib import blake2b

MASK = 0xFFFF_FFFF_FFFF_FFFF


def hash64(*parts: object) -> int:
    """Hash some values into 64 bits: an id, or the seed of a sequence."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def splitmix64(seed: int, index: int) -> int:
    """Return the 64 bits at one index of a sequence, cheap enough to compute for every result."""
    value = (seed + index * 0x9E37_79B9_7F4A_7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return value ^ (value >> 31)
