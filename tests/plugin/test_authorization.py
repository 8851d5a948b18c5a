"""Who may see and do what, with an auth manager that has rights for each DAG."""

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


def test_exports_of_other_dags_are_hidden() -> None:
    """An export that a readable DAG shares is shown, without the other DAG."""
    assert visitor().may_see([MINE])
    assert visitor().may_see([THEIRS, MINE])
    assert visitor().visible([THEIRS, MINE]) == [MINE]
    assert not visitor().may_see([THEIRS])


def test_exports_of_no_dag_need_the_right_to_read_all() -> None:
    """It is unknown who ordered them."""
    assert not visitor().may_see([])
    assert visitor(reads_all=True).may_see([])


def test_an_export_may_be_ended_by_who_may_edit_all_its_dags() -> None:
    """The right to edit the connection is not needed then."""
    assert visitor().may_act("talkwalker_default", [MINE])
