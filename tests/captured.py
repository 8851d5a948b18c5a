"""Captured traffic of real services, which lies beside the project and is no part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).parents[2] / "shared" / "data"
_CAPTURE = _DATA / "talkwalker_collector_read.json"

is_needed = pytest.mark.skipif(
    not _CAPTURE.exists(), reason="needs the captured payloads, which are not part of the project"
)

_X_SEARCH = _DATA.parent / "sources" / "x_enterprise_search.txt"
x_search_is_needed = pytest.mark.skipif(
    not _X_SEARCH.exists(), reason="needs the vendor's document, which is not part of the project"
)


def x_search_example() -> Any:
    """Return the post of the vendor's first example of a search's answer."""
    document = _X_SEARCH.read_text(encoding="utf-8")
    start = document.index("{", document.index('"results"') - 20)
    return json.JSONDecoder().raw_decode(document, start)[0]["results"][0]


def text() -> str:
    """Return a captured read, pretty-printed."""
    # somebody's editor has moved a closing bidirectional mark out of its strings
    return _CAPTURE.read_text(encoding="utf-8").replace('",\u202c', '\u202c",')


def posts() -> list[Any]:
    """Return posts of X in its native format."""
    found: list[Any] = json.loads((_DATA / "x_posts_100.json").read_text(encoding="utf-8"))["statuses"]
    return found


def results(captured: str) -> list[Any]:
    """Return the results of a read."""
    decoder, position, found = json.JSONDecoder(), 0, []
    while position < len(captured.rstrip()):
        chunk, position = decoder.raw_decode(captured, len(captured) - len(captured[position:].lstrip()))
        if chunk["chunk_type"] == "CT_RESULT":
            found.append(chunk["chunk_result"]["data"])
    return found
