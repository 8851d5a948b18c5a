"""How our errors fail an Airflow task, and what a notification can say of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_twexport.compat import AirflowFailException
from airflow_provider_twexport.telemetry.budget_policy import is_left_to_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import BaseOperator

    from airflow_provider_twexport.exceptions import FatalError


class PermanentFailure(AirflowFailException):
    """Fails a task without a retry, and keeps an error's ``kind``, ``facts`` and ``evidence`` for templates.

    :param error: what happened.
    """

    def __init__(self, error: FatalError) -> None:
        super().__init__(error)
        self.kind = error.kind
        self.facts = error.facts
        self.evidence = error.evidence

    def __str__(self) -> str:
        """Return what the log says: the error's class, message and evidence."""
        (error,) = self.args
        return f"{type(error).__name__}: {error}"


@contextmanager
def fail_without_retry(task: BaseOperator | None = None) -> Iterator[None]:
    """Fail the task without a retry on errors that a retry would meet again; let all others through.

    :param task: one whose retry policy decides on budget errors; see :func:`add_budget_policy`.
    :raises PermanentFailure: for a fatal error.
    """
    from airflow_provider_twexport.exceptions import FatalError

    try:
        yield
    except FatalError as error:
        if task and is_left_to_policy(task, error):
            raise
        raise PermanentFailure(error) from error
