"""Offsets are remembered in flat memory, and still no circle goes unseen."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.talkwalker.seen_offsets import SeenOffsets


def test_the_last_offsets_are_known_and_memory_is_bounded() -> None:
    """At least so many of the last offsets are known as was said, and about twice as many are kept at most."""
    seen = SeenOffsets(recent=10)
    for number in range(1_000):
        assert seen.add(f"o{number}")
        known = [f"o{earlier}" for earlier in range(max(0, number - 9), number + 1)]
        assert not any(map(seen.add, known))
        assert len(seen) <= 21


@given(before=st.integers(0, 300), length=st.integers(1, 300))
def test_every_circle_is_found(before: int, length: int) -> None:
    """A circle is found however much longer than the memory it is, within a few rounds."""
    seen = SeenOffsets(recent=4)
    for step in count():
        offset = step if step < before else before + (step - before) % length
        if not seen.add(f"o{offset}"):
            break
    assert before + length <= step <= 3 * (before + length)
