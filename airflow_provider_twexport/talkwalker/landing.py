"""Lands a collector: reads it until everything that was exported has landed, then commits."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_provider_twexport.core.dataset import Dataset
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
from airflow_provider_twexport.storage.already_landed import AlreadyLanded
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.talkwalker.purchasing.collector_names import fingerprint_in, scope_in
from airflow_provider_twexport.talkwalker.record_identity import identity
from airflow_provider_twexport.talkwalker.results import EARLIEST
from airflow_provider_twexport.talkwalker.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part_options import PartOptions
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf

OnIncomplete = Literal["fail", "warn"]


class Logger(Protocol):
    """A logger of the standard library, or Airflow's of a task."""

    def warning(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Log a warning."""


def source_of(
    collector_id: str,
    export_id: str | None,
    order: Mapping[str, Any],
    remainder_of: RemainderOf | None = None,
) -> dict[str, Any]:
    """Return the ``source`` of a manifest: where its results come from.

    :param collector_id: the collector that they are read from.
    :param export_id: the export that was paid for; ``None`` for everything that the collector holds.
    :param order: what was ordered, as far as it is known; the keys are those of :meth:`ExportOrder.to_json`.
    :param remainder_of: the truncated landings whose remainder this is.
    """
    project_id, stream_id = order.get("project_id") or None, order.get("stream_id") or None
    return {
        "system": "talkwalker",
        "owner": collector_id,
        "scope": project_id or stream_id or scope_in(collector_id),
        "collector_id": collector_id,
        "export_id": export_id,
        "project_id": project_id,
        "stream_id": stream_id,
        "query": order.get("query") or None,
        "topics": list(order.get("topics") or ()),
        "limit": order.get("limit"),
        "window": order.get("window"),
        "fingerprint": fingerprint_in(collector_id),
        **(remainder_of.to_source() if remainder_of else {}),
    }


def open_landing(
    directory: StoragePath,
    source: Mapping[str, Any],
    parts: PartOptions | None = None,
    exclude: Sequence[StoragePath] = (),
) -> Landing:
    """Start the landing of a collector, resume it, or find that it is complete.

    Only equal bytes are duplicates: any other repeat was exported and paid for.

    :param directory: of this landing and no other.
    :param source: what :func:`source_of` returned.
    :param parts: the file format, and where a part ends; ``None`` for the defaults.
    :param exclude: directories of landings whose results are excluded.
    :raises CorruptLandingError: an excluded landing is incomplete or damaged.
    """
    excluded = AlreadyLanded(exclude, identity) if exclude else None
    return Landing.open(directory, source=source, parts=parts, schema=SCHEMA, dedup=Dedup(exclude=excluded))


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the results of a landing come from.

    :param source: of the manifest.
    """
    kinds = ("project", "stream", "collector")
    kind = next((kind for kind in kinds if source.get(f"{kind}_id")), "collector")
    return Dataset("talkwalker://api.talkwalker.com", f"{kind}/{source.get(f'{kind}_id')}", SCHEMA)


def ended_export(client: TalkwalkerClient, export_id: str, *, salvage: bool = False) -> ExportTask:
    """Return an export that has ended.

    :param client: of the account.
    :param export_id: the export.
    :param salvage: accept one that was aborted or failed; what it exported until then is paid for.
    :raises NotReadyError: it has not ended.
    :raises ExportFailedError: it was aborted or failed.
    """
    task = client.get_export(export_id)
    task.check_status()
    if task.is_unfinished:
        raise NotReadyError(
            f"Export {task.id} is {task.raw_status}. Wait for it with TalkwalkerExportSensor before landing it."
        )
    if task.status.is_lost and not salvage:
        raise ExportFailedError(
            f"Export {task.id} is {task.raw_status}, so it has not brought all that was ordered. What it has brought "
            "is paid for: land it with 'twexport orphans --land'.",
            facts=task.facts(),
        )
    return task


def check_nothing_better(place: StoragePath, task: ExportTask) -> None:
    """Refuse to replace a landing by what an aborted or failed export brought if the landing has as much.

    :param place: the directory.
    :param task: the export.
    :raises DirectoryInUseError: the landing of another export is complete, or has as many results.
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
            f"{place} holds {found.results:,} results of another export. Export {task.id} ended early with "
            f"{task.exported()} results, which collector {task.collector_id} keeps until {task.readable_until}. Land "
            "them in another directory if you need them."
        )


@dataclass(frozen=True, slots=True)
class CollectorLanding:
    """Lands the results of one collector.

    :param client: of the account.
    :param collector_id: the collector to read.
    :param task: land all results of this export and no others; ``None`` for everything that the collector holds.
    :param limit: the limit that was ordered; needed to count a truncated export if the service does not.
    :param on_incomplete: what to do if fewer results come than were exported, even on a second read.
    :param log: for warnings.
    """

    client: TalkwalkerClient
    collector_id: str
    task: ExportTask | None = None
    limit: int | None = None
    on_incomplete: OnIncomplete = "fail"
    log: Logger = field(default_factory=lambda: logging.getLogger(__name__))

    @property
    def exported(self) -> int | None:
        """Return how many results should come; ``None`` if that is unknown."""
        if self.task is None:
            return None
        # an export that ended early may have processed more than it exported
        return self.task.ready if self.task.status.is_lost else self.task.exported(self.limit)

    def land(self, landing: Landing) -> Manifest:
        """Read the collector and return the manifest; free, and resumes where an earlier try broke off.

        :param landing: an open landing.
        :raises ResultsExpiredError: the collector does not exist any more.
        :raises IncompleteLandingError: results are missing and ``on_incomplete`` is ``fail``.
        """
        self._read(landing)
        if self.exported is not None and landing.arrived < self.exported:
            self.log.warning("%d of %d results came; reading again.", landing.arrived, self.exported)
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
                f"Collector {self.collector_id} was deleted before all of it had landed, perhaps by another pipeline "
                "for the same window. To buy the missing results again, set if_exists='recreate'.",
                error.evidence,
                {"collector_id": self.collector_id} | (self.task.facts(self.limit) if self.task else {}),
            ) from None

    def _why_incomplete(self, landed: int) -> str | None:
        exported = self.exported
        if exported is None or landed >= exported:
            if exported is not None and landed > exported:
                self.log.warning("%d results landed, though only %d were exported.", landed, exported)
            return self._ended_early()
        msg = (
            f"Only {landed:,} of {exported:,} exported results could be read from collector {self.collector_id}, which "
            "keeps them for 7 days unless it is deleted. If they are lost, buy them again with if_exists='recreate'."
        )
        if self.on_incomplete == "fail":
            raise IncompleteLandingError(
                f"{msg} A retry resumes here; reading costs nothing.",
                facts={"collector_id": self.collector_id, "exported": exported, "landed": landed},
            )
        self.log.warning(msg)
        return msg

    def _ended_early(self) -> str | None:
        if self.task is None or not self.task.status.is_lost:
            return None
        messages = "; ".join(self.task.messages) or "no message"
        return f"Its export ended as {self.task.status} ({messages}); this is what it brought until then."
