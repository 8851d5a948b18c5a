"""Resume offsets: log positions dressed as opaque tokens (url-safe base64 of a protocol buffer)."""

from __future__ import annotations

import base64
import binascii


def encode(position: int) -> str:
    """Write a log position as a token."""
    varint = bytearray()
    while position > 0x7F:
        varint.append(position & 0x7F | 0x80)
        position >>= 7
    varint.append(position)
    return base64.urlsafe_b64encode(bytes((0x12, len(varint))) + varint).decode().rstrip("=")


def decode(token: str) -> int | None:
    """Read a token back; None when it is none of ours."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    position = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(raw[2:]))
    return position if encode(position) == token.rstrip("=") else None
