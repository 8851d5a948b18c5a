"""What is known as seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.storage.seen_records import SeenRecords


@given(st.lists(st.lists(st.binary(max_size=3))))
def test_records_are_new_once(batches: list[list[bytes]]) -> None:
    """A record is new the first time, also within one batch, and never again, however the table grows."""
    seen = SeenRecords(slots=2)
    new = [record for batch in batches for record in seen.add(batch)]
    assert new == list(dict.fromkeys(record for batch in batches for record in batch))


def test_a_hundred_thousand_records_do_not_mix() -> None:
    """A full table finds neither too much nor too little."""
    seen = SeenRecords(slots=1024)
    records = [b"%d" % number for number in range(100_000)]
    assert seen.add(records) == records
    assert seen.add(records) == []
