"""What a service sends as JSON, and may not be: cut off, in another encoding, or with half a surrogate pair."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def without_surrogates(text: bytes) -> bytes:
    """Return JSON of the same shape and length without what is valid but refused by msgspec: half a pair."""
    return _SURROGATE.sub(rb"\\u0020", text)


def load(text: bytes) -> Any:
    """Return what one JSON document in UTF-8 says.

    :raises ValueError: if it is none, or nested too deeply to be read.
    """
    try:
        return json.loads(text.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
