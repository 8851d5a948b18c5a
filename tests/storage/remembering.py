"""Remembers the last million of three million records, and prints how its memory grew in MiB; a program.

``python -m tests.storage.remembering``: growth until a million were remembered for the first time, and from then on.
"""

from __future__ import annotations

import json

from airflow_provider_twexport.storage.dedup import RecentRecords
from tests.storage.measuring import peak_mib

PER_SECOND = 500
SECONDS = 2_000
SLOTS = 1 << 18


def main() -> None:
    """Feed it batch by batch, each a second later, with what came just before and what is about to be forgotten."""
    now = 0
    recent = RecentRecords(SECONDS, slots=SLOTS, clock=lambda: now)
    before, at_first = peak_mib(), 0.0
    for now in range(3 * SECONDS):
        records = [b"%d" % number for number in range(now * PER_SECOND, (now + 1) * PER_SECOND)]
        assert recent.add(records) == records
        oldest = max(0, now - SECONDS) * PER_SECOND
        assert recent.add([records[0], records[-1], b"%d" % oldest]) == []
        if now == SECONDS:
            at_first = peak_mib()
    print(json.dumps([at_first - before, peak_mib() - at_first]))


if __name__ == "__main__":
    main()
