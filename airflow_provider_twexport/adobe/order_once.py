"""Ordering an Adobe export job once: look before ordering, look again after it, and keep the oldest of twins.

The service knows no idempotency key, and no name that we could give a job. It makes two jobs of one order that is sent
twice. But it lists its jobs with what each was told to export, so the job of an earlier try, or of a run that ordered
the same at the same moment, is found by its content and its age.

Why all runs at the same moment end with one job. The list may be late, but shows no job before those that are older.
So whoever sees a job of the order sees the oldest, and adopts that; who saw none orders, and looks until its own job
is listed: then the oldest is listed, too, and whoever's it is, all the younger are cancelled by those who ordered them.

What this does not hold against: a list that is later than the looks below have patience for; an oldest job that fails,
or is cancelled by somebody, in these seconds; a worker that dies between its order and the look after it, or an
answer that is lost, where there are twins: theirs may be left running, because nobody can tell that it is not wanted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import ThrottledError, TransientError, TwexportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob, ExportJobOrder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """An export job, and whether it was there before.

    :param job: the job as the service told it last.
    :param adopted: whether nothing was ordered for it now.
    """

    job: ExportJob
    adopted: bool


def order_once(
    client: AdobeClient,
    order: ExportJobOrder,
    since: pendulum.DateTime,
    when_ordered: Callable[[ExportJob], None] = lambda _: None,
) -> JobOrder:
    """Return the job that exports this: the oldest that is there, else a new one.

    :param since: jobs that were created before are somebody else's, or another run's.
    :param when_ordered: is told of a new job at once; whether it is kept is known some seconds later.
    :raises TransientError: if it is not known whether the order arrived.
    """
    wanted = OrderAttempt(client, order, since)
    if listed := wanted.look():
        return JobOrder(listed[0], adopted=True)
    try:
        job = client.create_export_job(order)
    except ThrottledError:
        raise
    except TransientError as error:
        return JobOrder(wanted.find_lost(error), adopted=False)
    when_ordered(job)
    return wanted.keep_oldest(job)


@dataclass(frozen=True, slots=True)
class OrderAttempt:
    """What is to be exported, and by jobs of what age."""

    client: AdobeClient
    order: ExportJobOrder
    since: pendulum.DateTime

    def look(self) -> list[ExportJob]:
        """Return the jobs in question, oldest first."""
        return self._equal(self._recent())

    def find_lost(self, lost: TransientError) -> ExportJob:
        """Return the job of an order whose answer was lost."""
        log.warning("%s Looking whether the order arrived.", lost)
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            if listed := self.look():
                return listed[0]
        raise TransientError(
            f"{lost.message} No job shows that the order arrived. A retry looks again before it orders.",
            lost.evidence,
        ) from None

    def keep_oldest(self, ordered: ExportJob) -> JobOrder:
        """Cancel the job that was just ordered, if there is an older one, and adopt that."""
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            recent = self._recent()
            if ours := next((job for job in recent if job.id == ordered.id), None):
                return self._oldest(ours, self._equal(recent))
        log.warning("Adobe does not list export job %s yet, so twins of it would not be seen.", ordered.id)
        return JobOrder(ordered, adopted=False)

    def _oldest(self, ours: ExportJob, equal: list[ExportJob]) -> JobOrder:
        if not equal or _age(ours) <= _age(equal[0]):
            return JobOrder(ours, adopted=False)
        words = "Export job %s was ordered at the same moment; cancelling %s and adopting it."
        log.warning(words, equal[0].id, ours.id)
        try:
            if ours.is_unfinished:
                self.client.cancel_export_job(ours.id)
        except TwexportError as error:
            log.warning("Export job %s could not be cancelled and may go on: %s", ours.id, error)
        return JobOrder(equal[0], adopted=True)

    def _recent(self) -> list[ExportJob]:
        newest_first = self.client.iter_export_jobs()
        return list(takewhile(lambda job: job.created is None or job.created >= self.since, newest_first))

    def _equal(self, recent: list[ExportJob]) -> list[ExportJob]:
        return sorted(
            (job for job in recent if job.is_adoptable and self.order.is_answered_by(job)), key=_age
        )


def _age(job: ExportJob) -> tuple[pendulum.DateTime, int, str]:
    # ids are numbers, written as text
    return job.created or pendulum.DateTime.max, len(job.id), job.id
