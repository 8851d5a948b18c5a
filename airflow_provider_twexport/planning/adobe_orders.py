"""Ordering an Adobe export job once: look before ordering, and look again after a lost answer.

The service knows no idempotency key and makes two jobs of one order that is sent twice. But it lists its jobs with
what each was told to export, so the job of an earlier try is found by its content and its age.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.errors import RetryLaterError, ThrottledError

if TYPE_CHECKING:
    import pendulum

    from airflow_provider_twexport.clients.adobe import AdobeClient
    from airflow_provider_twexport.clients.adobe_records import ExportJob, ExportJobOrder

log = logging.getLogger(__name__)

# how long a job may take to show up in the service's list after its order's answer was lost
LOOK_AGAIN_SECONDS = (0.0, 1.0, 3.0, 6.0, 10.0)


@dataclass(frozen=True, slots=True)
class Ordered:
    """An export job, and whether it was there before.

    :param job: the job as the service told it last.
    :param adopted: whether nothing was ordered for it now.
    """

    job: ExportJob
    adopted: bool


def order_once(client: AdobeClient, order: ExportJobOrder, since: pendulum.DateTime) -> Ordered:
    """Return the job that exports this: the one that is there, else a new one.

    :param since: jobs that were created before are somebody else's, or another run's.
    :raises RetryLaterError: if it is not known whether the order arrived.
    """
    if job := _find(client, order, since):
        return Ordered(job, adopted=True)
    try:
        return Ordered(client.create_export_job(order), adopted=False)
    except ThrottledError:
        raise
    except RetryLaterError as error:
        return Ordered(_find_lost(client, order, since, error), adopted=False)


def _find_lost(
    client: AdobeClient, order: ExportJobOrder, since: pendulum.DateTime, lost: RetryLaterError
) -> ExportJob:
    log.warning("%s Looking whether the order arrived.", lost)
    for seconds in LOOK_AGAIN_SECONDS:
        time.sleep(seconds)
        if job := _find(client, order, since):
            return job
    raise RetryLaterError(
        f"{lost.message} No job shows that the order arrived. A retry looks again before it orders.",
        lost.evidence,
    ) from None


def _find(client: AdobeClient, order: ExportJobOrder, since: pendulum.DateTime) -> ExportJob | None:
    """Return the newest of the jobs in question."""
    recent = takewhile(lambda job: job.created is None or job.created >= since, client.iter_export_jobs())
    return next((job for job in recent if job.is_adoptable and order.is_answered_by(job)), None)
