"""Which exports and landings belong to a DAG, a run or a task."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_twexport.plugin.usage import keys_used_by
from airflow_provider_twexport.storage.ledger import TaskRef

USAGE = {
    "e1": (TaskRef("dag", "one", "a.create", 0), TaskRef("dag", "one", "a.wait", 0)),
    "e2": (TaskRef("dag", "one", "a.create", 1), TaskRef("dag", "two", "b.create", -1)),
    "e3": (TaskRef("other", "one", "a.create", 0),),
}


@pytest.mark.parametrize(
    ("tab", "keys"),
    [
        (("dag",), {"e1", "e2"}),
        (("dag", "one"), {"e1", "e2"}),
        (("dag", "two"), {"e2"}),
        (("dag", "one", "a.create", 1), {"e2"}),
        (("dag", "one", "a.land", 0), {"e1"}),
        (("dag", "one", "elsewhere"), set()),
        (("dag", "three"), set()),
    ],
)
def test_a_tab_shows_what_belongs_there(tab: Any, keys: set[str]) -> None:
    """Everything of a DAG or a run; of a task its own exports, or those of its task group while it has none."""
    assert keys_used_by(USAGE, *tab) == keys
