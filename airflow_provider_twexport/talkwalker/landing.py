"""Landing a Talkwalker collector: read it until all that was exported is there, then commit; knows no Airflow."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.exceptions import (
    DirectoryInUseError,
    ExportFailedError,
    IncompleteLandingError,
    ManifestNotFoundError,
    NotFoundError,
    NotReadyError,
    ResultsExpiredError,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import fingerprint_in
from airflow_provider_twexport.talkwalker.results import EARLIEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask

OnIncomplete = Literal["fail", "warn"]


class Logger(Protocol):
    """A logger of the standard library, or Airflow's of a task."""

    def warning(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Say what is not as it should be."""


def source_of(
    collector_id: str,
    export_id: str | None,
    window: Window | None,
    *,
    project_id: str | None = None,
    stream_id: str | None = None,
    query: str | None = None,
    topics: Sequence[str] = (),
    limit: int | None = None,
    remainder_of: Sequence[str] = (),
    remainder_windows: int | None = None,
) -> dict[str, Any]:
    """Return what a manifest tells of where its results come from.

    :param collector_id: the collector that they are read from.
    :param export_id: the export that was paid for; ``None`` for whatever the collector holds.
    :param window: the time of publication; ``None`` if nobody knows.
    :param project_id: the project that was exported from.
    :param stream_id: the stream that was exported from.
    :param query: what else was asked for.
    :param topics: topic ids of the project; none for all.
    :param limit: results at most.
    :param remainder_of: collectors whose landings hold results that this export brings again; the truncated one is
        the last.
    :param remainder_windows: how many windows its rest was planned in.
    """
    return {
        "system": "talkwalker",
        "collector_id": collector_id,
        "export_id": export_id,
        "project_id": project_id or None,
        "stream_id": stream_id or None,
        "query": query or None,
        "topics": list(topics),
        "limit": limit,
        "window": window.to_json() if window else None,
        "fingerprint": fingerprint_in(collector_id),
        **(
            {"remainder_of": list(remainder_of), "remainder_windows": remainder_windows}
            if remainder_of
            else {}
        ),
    }


def ended_export(client: TalkwalkerClient, export_id: str, *, salvage: bool = False) -> ExportTask:
    """Return an export that has ended.

    :param export_id: the export.
    :param salvage: whether one that was aborted or failed will do; what it exported until then is paid for.
    :raises NotReadyError: if it has not ended.
    :raises ExportFailedError: if it ended without giving what was ordered.
    """
    task = client.get_export(export_id)
    task.check_status()
    if task.is_unfinished:
        raise NotReadyError(
            f"Export {task.id} is {task.raw_status}: wait for it with TalkwalkerExportSensor before landing it."
        )
    if task.status.is_lost and not salvage:
        raise ExportFailedError(
            f"Export {task.id} is {task.raw_status}, so it has not brought all that was ordered. What it has brought "
            "is paid for: land it with 'twexport orphans --land'.",
            facts=task.facts(),
        )
    return task


def check_nothing_better(place: StoragePath, task: ExportTask) -> None:
    """Refuse to land what an export had brought when it broke off where more has landed.

    :param place: the directory.
    :param task: the export.
    :raises DirectoryInUseError: if a landing of another export is there that is complete, or has as many results.
    """
    from airflow_provider_twexport.storage import manifest

    try:
        found = manifest.read(place)
    except ManifestNotFoundError:
        return
    if found.source.get("export_id") == task.id or not task.status.is_lost:
        return
    if found.complete or found.results >= (task.exported() or 0):
        raise DirectoryInUseError(
            f"{place} holds {found.results:,} results of another export; the {task.exported()} that {task.id} had "
            f"brought when it broke off stay in collector {task.collector_id} until {task.readable_until}. Land them "
            "elsewhere if they matter."
        )


@dataclass(frozen=True, slots=True)
class CollectorLanding:
    """The way of one collector's results into one directory.

    :param client: who is asked.
    :param collector_id: the collector to read.
    :param task: land this export's results only, and all of them; ``None`` for whatever the collector holds.
    :param limit: the limit that was ordered; needed to count a truncated export where the service does not.
    :param on_incomplete: what to do if fewer results come than were exported, also on a second read.
    :param log: where to say what is not as it should be.
    """

    client: TalkwalkerClient
    collector_id: str
    task: ExportTask | None = None
    limit: int | None = None
    on_incomplete: OnIncomplete = "fail"
    log: Logger = field(default_factory=lambda: logging.getLogger(__name__))

    @property
    def exported(self) -> int | None:
        """Count the results that should come; ``None`` where that cannot be known."""
        if self.task is None:
            return None
        # an export that broke off may have processed more than it exported
        return self.task.ready if self.task.status.is_lost else self.task.exported(self.limit)

    def land(self, landing: Landing) -> Manifest:
        """Read the collector and return the manifest; free, and goes on where an earlier try broke off.

        :param landing: where to.
        :raises ResultsExpiredError: if the collector is gone.
        :raises IncompleteLandingError: if results are missing and ``on_incomplete`` is ``fail``.
        """
        self._read(landing)
        if self.exported is not None and landing.arrived < self.exported:
            self.log.warning("%d of %d results came; reading on.", landing.arrived, self.exported)
            time.sleep(self.client.timing.second_read)
            self._read(landing)
        task, why = self.task, self._why_incomplete(landing.arrived)
        return landing.commit(
            exported=self.exported,
            truncated=task is not None and task.status.is_truncated,
            estimated_total=task.estimated_total(self.limit) if task else None,
            status=str(task.status) if task else None,
            complete=why is None,
            incomplete_because=why,
        )

    def _read(self, landing: Landing) -> None:
        exported = self.exported
        batches = self.client.drain(
            self.collector_id,
            cursor=landing.cursor or EARLIEST,
            export_id=self.task.id if self.task else None,
            missing=lambda: math.inf if exported is None else exported - landing.arrived,
        )
        progress = Progress(exported, landing.arrived)
        try:
            for batch in batches:
                landing.write(batch)
                progress.report(landing.arrived, landing.bytes)
        except NotFoundError as error:
            raise ResultsExpiredError(
                f"Collector {self.collector_id} was deleted, perhaps by another pipeline for the same window, before "
                "all of it had landed. What is gone can only be bought again, with if_exists='recreate'.",
                error.evidence,
                {"collector_id": self.collector_id} | (self.task.facts(self.limit) if self.task else {}),
            ) from None

    def _why_incomplete(self, landed: int) -> str | None:
        exported = self.exported
        if exported is None or landed >= exported:
            if exported is not None and landed > exported:
                self.log.warning("%d results landed, though only %d were exported.", landed, exported)
            return self._broke_off()
        msg = (
            f"Only {landed:,} of {exported:,} exported results could be read from collector {self.collector_id}. "
            "It keeps results for 7 days and until it is deleted; if they are gone, order them anew with "
            "if_exists='recreate'."
        )
        if self.on_incomplete == "fail":
            raise IncompleteLandingError(
                f"{msg} A retry reads on from here; reading costs nothing.",
                facts={"collector_id": self.collector_id, "exported": exported, "landed": landed},
            )
        self.log.warning(msg)
        return msg

    def _broke_off(self) -> str | None:
        if self.task is None or not self.task.status.is_lost:
            return None
        words = "; ".join(self.task.messages) or "no message"
        return f"Its export ended as {self.task.status} ({words}); this is what it had brought until then."
