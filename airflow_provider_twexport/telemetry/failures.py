"""Which of our errors an Airflow retry can cure, and what a notification can say of the others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_twexport.exceptions import Evidence


class PermanentFailure(AirflowFailException):
    """Fails a task for good and keeps the facts at hand, as ``{{ exception.kind }}`` and ``{{ exception.facts }}``.

    :param text: what the log says.
    :param kind: what happened, in a word: one of ours is called like its class.
    :param facts: names and numbers.
    :param evidence: what the service answered, where it did.
    """

    def __init__(
        self, text: str, kind: str, facts: Mapping[str, Any], evidence: Evidence | None = None
    ) -> None:
        super().__init__(text, kind, facts, evidence)
        self.text = text
        self.kind = kind
        self.facts = dict(facts)
        self.evidence = evidence

    def __str__(self) -> str:
        """Return what the log says."""
        return self.text


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Let passing faults through, for Airflow to retry, and fail the task for good on every other error of ours.

    :raises PermanentFailure: for an error that the same try again would meet again.
    """
    from airflow_provider_twexport.exceptions import TransientError, TwexportError

    try:
        yield
    except TransientError:
        raise
    except TwexportError as error:
        text = f"{error.kind}: {error}"
        raise PermanentFailure(text, error.kind, error.facts, error.evidence) from error
