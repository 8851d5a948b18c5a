"""Record entries in a ledger in a process of its own: ``recording PLACE OPTIONS RUN EXPORTS``."""

from __future__ import annotations

import json
import sys

from upath import UPath

from airflow_provider_twexport.storage.ledger import EntryKind, LedgerEntry, TaskRef, record

if __name__ == "__main__":
    place, options, run, exports = sys.argv[1:]
    ledger = UPath(place, **json.loads(options))
    for number in range(int(exports)):
        by = TaskRef("coffee", run, "create_export")
        at = f"2024-06-01T00:00:{number:02}Z"
        # the first run paid for the even ones, the others for none
        paid = {"adopted": run != "run-0" or bool(number % 2), "limit": 100}
        ended = {"status": "finished", "exported": 10, "credits": 10}
        for kind, details in ((EntryKind.ORDERED, paid), (EntryKind.ENDED, ended)):
            record(ledger, LedgerEntry(kind=kind, export_id=f"e{number}", by=by, at=at, details=details))
    print("null")
