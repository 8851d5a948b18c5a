"""Write errors.md from the docstrings of the errors: ``python -m docs.errors``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import FatalError, RetriableError, subclasses

if TYPE_CHECKING:
    from airflow_provider_twexport.exceptions import TwexportError

PAGE = Path(__file__).with_suffix(".md")
INTRO = """\
# Errors

<!-- Made by `make docs` from the docstrings in airflow_provider_twexport/exceptions.py; change those. -->

The message of an error says what happened, and where you can do something, its last sentence says what. In brackets
follows what the service answered: method, path, HTTP status, the vendor's code and request id, never a credential or
a query string.

`kind` names the condition and stays the same from release to release. Callbacks and notifiers read it from
`exception`, with `facts` and `evidence`: [monitoring.md](monitoring.md#notifications). A sensor raises the same error
in each mode: poke, reschedule and deferrable.

The time-outs of a task (`timeout`, `execution_timeout`) and skips are Airflow's own exceptions and have no `kind`.
"""
HEADINGS = {
    FatalError: """\
## Airflow does not retry

The same try would meet the same error. The task fails with `PermanentFailure`, an `AirflowFailException` whose text
begins with the class below. `soft_fail=True` of a sensor skips it instead.
""",
    RetriableError: """\
## Airflow retries

It does so as often as `retries` allows. Nothing is bought twice, and what has arrived is kept.
""",
}
COLUMNS = ["| `kind` | class | what happened | what to do |", "|---|---|---|---|"]


def page() -> str:
    """Return the page."""
    sections = [
        "\n".join([heading, *COLUMNS, *map(_row, subclasses(base))]) for base, heading in HEADINGS.items()
    ]
    return "\n".join([INTRO, *(f"{section}\n" for section in sections)])


def _row(cls: type[TwexportError]) -> str:
    happened, advice = (inspect.getdoc(cls) or "").replace("``", "`").split("\n\n")
    return f"| `{cls.kind}` | `{cls.__name__}` | {happened} | {advice} |"


if __name__ == "__main__":
    PAGE.write_text(page())
