"""One tree of errors: named by condition, drawn as it is, and whole in whatever process it ends up."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.exceptions import (
    Evidence,
    FatalError,
    RetriableError,
    TwexportError,
    from_json,
    subclasses,
)
from docs.errors import PAGE, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASES = (FatalError, RetriableError)
LEAVES = [cls for cls in subclasses() if cls not in BASES]
EVIDENCE = Evidence("GET", "/path", 400, "5", "#1#", "why")


def drawing(base: type[TwexportError], indent: str = "") -> Iterator[str]:
    """Yield the lines of a tree of classes."""
    below = base.__subclasses__()
    for cls in below:
        is_last = cls is below[-1]
        yield f"{indent}{'└' if is_last else '├'}── {cls.__name__}"
        yield from drawing(cls, f"{indent}{' ' if is_last else '│'}   ")


def error_of(cls: type[TwexportError]) -> TwexportError:
    """Return an error of a class, with all that it can hold."""
    error = cls("It happened.", EVIDENCE, {"export_id": "1", "missing": 2})
    if isinstance(error, RetriableError):
        error.retry_after = 7.5
    error.add("Do this.")
    return error


def test_the_docstring_draws_the_tree() -> None:
    """What the module's docstring draws is what the classes are."""
    drawn = "\n    ".join([TwexportError.__name__, *drawing(TwexportError)])
    assert exceptions.__doc__ is not None
    assert f"::\n\n    {drawn}\n\n" in exceptions.__doc__


@pytest.mark.parametrize("cls", LEAVES)
def test_each_error_says_whether_a_retry_helps(cls: type[TwexportError]) -> None:
    """It is fatal or retriable, and never both."""
    assert sum(issubclass(cls, base) for base in BASES) == 1


def test_the_page_of_errors_is_made_from_the_classes() -> None:
    """docs/errors.md says of each class what its docstring says; ``make docs`` writes it."""
    assert PAGE.read_text() == page()


def test_the_kinds_that_the_page_on_monitoring_names_exist() -> None:
    """No template waits for a kind that nothing raises."""
    table = PAGE.with_name("monitoring.md").read_text().partition("| `kind` | when |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert "export_failed" in named
    assert named <= {cls.kind for cls in LEAVES}


def test_each_kind_is_the_name_in_snake_case_and_belongs_to_one_class() -> None:
    """BudgetExceededError is budget_exceeded."""
    assert exceptions.BudgetExceededError.kind == "budget_exceeded"
    assert exceptions.UnsupportedManifestVersionError.kind == "unsupported_manifest_version"
    camel = {"".join(map(str.capitalize, cls.kind.split("_"))) + "Error" for cls in LEAVES}
    assert camel == {cls.__name__ for cls in LEAVES}
    assert len({cls.kind for cls in LEAVES}) == len(LEAVES)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 - our own bytes
@pytest.mark.parametrize("cls", LEAVES)
def test_errors_survive_pickling_and_copying(
    cls: type[TwexportError], again: Callable[[TwexportError], TwexportError]
) -> None:
    """An error that crosses a process keeps all that it holds."""
    error = error_of(cls)
    found = again(error)
    assert type(found) is cls
    assert vars(found) == vars(error)
    assert str(found) == "It happened. Do this. [GET /path, HTTP 400, code 5, request #1#, details why]"
    assert getattr(found, "retry_after", 7.5) == 7.5


@pytest.mark.parametrize("evidence", [EVIDENCE, None])
@pytest.mark.parametrize("cls", LEAVES)
def test_errors_survive_json(cls: type[TwexportError], evidence: Evidence | None) -> None:
    """An error that a trigger describes is raised by the sensor as the same class, with the same evidence and facts."""
    error = error_of(cls)
    error.evidence = evidence
    found = from_json(json.loads(json.dumps(error.to_json())))
    assert type(found) is cls
    assert (found.kind, found.message, found.evidence, found.facts) == (
        error.kind,
        error.message,
        error.evidence,
        error.facts,
    )
