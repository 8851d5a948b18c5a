"""Enter facts into a ledger in a process of its own: ``telling PLACE OPTIONS RUN EXPORTS``."""

from __future__ import annotations

import json
import sys

from upath import UPath

from airflow_provider_twexport.storage.ledger import Fact, FactKind, Teller, enter

if __name__ == "__main__":
    place, options, run, exports = sys.argv[1:]
    ledger = UPath(place, **json.loads(options))
    for number in range(int(exports)):
        by = Teller("coffee", run, "create_export")
        at = f"2024-06-01T00:00:{number:02}Z"
        # the first run paid for the even ones, the others for none
        paid = {"adopted": run != "run-0" or bool(number % 2), "limit": 100}
        ended = {"status": "finished", "exported": 10, "credits": 10}
        for kind, details in ((FactKind.ORDERED, paid), (FactKind.ENDED, ended)):
            enter(ledger, Fact(kind=kind, export_id=f"e{number}", by=by, at=at, details=details))
    print("null")
