"""Orders an Adobe export job once: looks before and after the order, and keeps the oldest of equal jobs.

The service has no idempotency key, and no name that we could give a job. If one order is sent twice, it creates two
jobs. But its list says what each job exports. So we find the job of an earlier attempt, or of a run that ordered the
same at the same moment, by its content and its age.

Why all runs at the same moment end with one job: the list may lag, but it never shows a job before an older one. A run
that sees a job of the order therefore sees the oldest, and adopts it. A run that sees none orders, and looks until its
own job is listed. By then the oldest job is listed too, and each run that ordered a younger one cancels its own.

This does not protect against a list that lags longer than the looks below last, or against an oldest job that fails or
is cancelled in these seconds. If a worker dies between its order and the look after it, or a response is lost, while
there is an equal job, the second job may continue to run: nobody can know that it is not wanted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import (
    OrderUnconfirmedError,
    RetriableError,
    ThrottledError,
    TwexportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob
    from airflow_provider_twexport.adobe.orders import ExportJobOrder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """The export job of an order, and whether it existed before.

    :param job: the job as the service last reported it.
    :param adopted: whether it existed, so that this run ordered nothing, or cancelled what it ordered.
    """

    job: ExportJob
    adopted: bool


def order_once(
    client: AdobeClient,
    order: ExportJobOrder,
    since: pendulum.DateTime,
    on_ordered: Callable[[ExportJob], None] = lambda _: None,
) -> JobOrder:
    """Return the job that exports this: the oldest that exists, else a new one.

    :param since: jobs that were created earlier belong to other users or runs.
    :param on_ordered: called with a new job at once; some seconds later it is known whether the job is kept.
    :raises OrderUnconfirmedError: if it is not known whether the order arrived.
    """
    attempt = OrderAttempt(client, order, since)
    if equal := attempt.equal_jobs():
        return JobOrder(equal[0], adopted=True)
    try:
        job = client.create_export_job(order)
    except ThrottledError:
        raise
    except RetriableError as error:
        return JobOrder(attempt.find_unconfirmed(error), adopted=False)
    on_ordered(job)
    return attempt.keep_oldest(job)


@dataclass(frozen=True, slots=True)
class OrderAttempt:
    """One attempt to order a job.

    :param client: of the service.
    :param order: what to export.
    :param since: how old the jobs that may be adopted are at most.
    """

    client: AdobeClient
    order: ExportJobOrder
    since: pendulum.DateTime

    def equal_jobs(self) -> list[ExportJob]:
        """Return the jobs that export the same, oldest first."""
        return self._equal(self._recent())

    def find_unconfirmed(self, error: RetriableError) -> ExportJob:
        """Return the job of an order whose response was lost."""
        log.warning("%s Looking whether the order arrived.", error)
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            if equal := self.equal_jobs():
                return equal[0]
        raise OrderUnconfirmedError(
            f"{error.message} No job shows that the order arrived. A retry looks again before it orders.",
            error.evidence,
        ) from None

    def keep_oldest(self, ordered: ExportJob) -> JobOrder:
        """Adopt an older equal job, if there is one, and cancel the job that was just ordered."""
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            recent = self._recent()
            if ours := next((job for job in recent if job.id == ordered.id), None):
                return self._adopt_oldest(ours, self._equal(recent))
        log.warning("Adobe does not list export job %s yet, so an equal job would not be seen.", ordered.id)
        return JobOrder(ordered, adopted=False)

    def _adopt_oldest(self, ours: ExportJob, equal: list[ExportJob]) -> JobOrder:
        if not equal or _age(ours) <= _age(equal[0]):
            return JobOrder(ours, adopted=False)
        text = "Export job %s was ordered at the same moment: adopting it and cancelling %s."
        log.warning(text, equal[0].id, ours.id)
        try:
            if ours.is_unfinished:
                self.client.cancel_export_job(ours.id)
        except TwexportError as error:
            log.warning("Export job %s could not be cancelled and may continue: %s", ours.id, error)
        return JobOrder(equal[0], adopted=True)

    def _recent(self) -> list[ExportJob]:
        newest_first = self.client.iter_export_jobs()
        return list(takewhile(lambda job: job.created is None or job.created >= self.since, newest_first))

    def _equal(self, recent: list[ExportJob]) -> list[ExportJob]:
        return sorted(
            (job for job in recent if job.status.is_adoptable and self.order.matches(job)), key=_age
        )


def _age(job: ExportJob) -> tuple[pendulum.DateTime, int, str]:
    # ids are numbers as text
    return job.created or pendulum.DateTime.max, len(job.id), job.id
