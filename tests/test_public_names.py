"""What people write in DAGs is what the docs name, and Airflow can store it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG

try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # Airflow 3.1
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVICES = ("Talkwalker", "X", "Adobe")


def classes_of(role: str) -> Iterator[type[Any]]:
    """Yield the classes that users take from a role package; bases have no service in their name."""
    package = importlib.import_module(f"airflow_provider_twexport.{role}")
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and name.startswith(SERVICES):
                yield value


OPERATORS = [
    found
    for role in ("operators", "sensors", "transfers")
    for found in classes_of(role)
    if found.__name__.endswith(("Operator", "Sensor")) and not found.__name__.endswith("OrderOperator")
]


def test_the_docs_name_each_operator_and_no_other() -> None:
    """What is not documented does not exist, and the other way round."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
    named = set(re.findall(r"\b(?:Talkwalker|Adobe|X(?:Search|Stream|Usage))\w*(?:Operator|Sensor)\b", text))
    assert named == {found.__name__ for found in OPERATORS}


def test_the_docs_name_modules_that_exist() -> None:
    """Each import that the docs show works."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
    shown = re.findall(r"from (airflow_provider_twexport[\w.]*) import (\w+)", text)
    assert len(shown) > 3
    for module, name in shown:
        imported = importlib.import_module(module)
        assert hasattr(imported, name) or find_spec(f"{module}.{name}"), f"{module}.{name}"


def required_arguments(operator: type[Any]) -> dict[str, Any]:
    """Return a text for each argument that has no default."""
    parameters: dict[str, inspect.Parameter] = {}
    for base in reversed(operator.__mro__):
        if base.__module__.startswith("airflow_provider_twexport"):
            parameters |= inspect.signature(base).parameters
    return {
        name: f"{{{{ params.{name} }}}}"
        for name, each in parameters.items()
        if each.kind is each.KEYWORD_ONLY and each.default is each.empty and name != "task_id"
    }


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda found: found.__name__)
def test_airflow_stores_each_operator_and_reads_it_back(operator: type[Any]) -> None:
    """The template fields come back as they were, and storing twice gives the same text, so no version is made."""
    with DAG("stored", schedule=None, start_date=pendulum.datetime(2024, 1, 1)) as dag:
        task = operator(task_id="task", **required_arguments(operator))
    stored = DagSerialization.to_dict(dag)
    again = DagSerialization.from_dict(stored).get_task("task")
    for field in task.template_fields:
        if isinstance(value := getattr(task, field), str):
            assert getattr(again, field) == value, field
    assert again.task_type == operator.__name__
    assert DagSerialization.to_dict(dag) == stored
