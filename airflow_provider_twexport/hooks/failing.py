"""Which of our errors an Airflow retry can cure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Let passing faults through, for Airflow to retry, and fail the task for good on every other error of ours.

    :raises AirflowFailException: for an error that the same try again would meet again.
    """
    from airflow_provider_twexport.clients.errors import RetryLaterError, TwexportError

    try:
        yield
    except RetryLaterError:
        raise
    except TwexportError as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
