"""Who may see and do what, where an auth manager tells one DAG from the other."""

from __future__ import annotations

from typing import Any

from airflow_provider_twexport.plugin.authorization import Visitor
from airflow_provider_twexport.storage.ledger import TaskRef

MINE, THEIRS = TaskRef("mine", "r", "t"), TaskRef("theirs", "r", "t")


class Anybody:
    """A user whose name and rights do not matter."""


def visitor(**changes: Any) -> Visitor:
    """Somebody who may edit one of two DAGs."""
    rights: dict[str, Any] = {
        "user": Anybody(),
        "name": "ada",
        "readable": frozenset({"mine"}),
        "editable": frozenset({"mine"}),
        "reads_all": False,
    }
    return Visitor(**(rights | changes))


def test_what_another_dag_ordered_is_not_seen() -> None:
    """Nor that it is another DAG that shares an export."""
    assert visitor().may_see([MINE])
    assert visitor().may_see([THEIRS, MINE])
    assert visitor().visible([THEIRS, MINE]) == [MINE]
    assert not visitor().may_see([THEIRS])


def test_what_belongs_to_no_dag_is_for_those_who_may_read_all() -> None:
    """Nobody can tell whose it is."""
    assert not visitor().may_see([])
    assert visitor(reads_all=True).may_see([])


def test_who_edits_all_dags_that_use_an_export_may_end_it() -> None:
    """One that is shared is not theirs alone."""
    assert visitor().may_act("talkwalker_default", [MINE])
