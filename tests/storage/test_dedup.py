"""What is known as seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.storage.dedup import RecentRecords, SeenRecords


@given(st.lists(st.lists(st.binary(max_size=3))))
def test_records_are_new_once(batches: list[list[bytes]]) -> None:
    """A record is new the first time, also within one batch, and never again, however the table grows."""
    seen = SeenRecords(slots=2)
    new = [record for batch in batches for record in seen.add(batch)]
    assert new == list(dict.fromkeys(record for batch in batches for record in batch))


def test_records_of_a_large_export_do_not_mix() -> None:
    """A table that grows past a hundred thousand records finds neither too much nor too little."""
    seen = SeenRecords(slots=1024)
    records = [b"%d" % number for number in range(300_000)]
    assert seen.add(records) == records
    assert seen.add(records) == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.lists(st.binary(max_size=1), max_size=4))), st.integers(1, 10)
)
def test_what_came_a_short_while_ago_is_known(come: list[tuple[int, list[bytes]]], seconds: int) -> None:
    """Through all turns of the tables; what never came is new."""
    now, last_new = 0, dict[bytes, int]()
    recent = RecentRecords(seconds, slots=4, clock=lambda: now)
    for later, records in come:
        now += later
        for record in records:
            since = now - last_new[record] if record in last_new else None
            is_new = recent.add([record]) == [record]
            assert is_new or since is not None
            assert not is_new or since is None or since > seconds
            last_new[record] = now if is_new else last_new[record]


def test_what_is_old_is_forgotten() -> None:
    """A table goes when its last record is too old."""
    now = 0
    recent = RecentRecords(10, slots=4, clock=lambda: now)
    assert recent.add([b"a", b"b", b"c"]) == [b"a", b"b", b"c"]
    now = 10
    assert recent.add([b"a", b"b", b"c"]) == []
    now = 11
    assert recent.add([b"a", b"b", b"c"]) == [b"a", b"b"]
