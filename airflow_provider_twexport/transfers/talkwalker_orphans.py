"""Land exports that were bought at Talkwalker and never landed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.telemetry import assets, metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.ledger import TaskLedger
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.orphans import Orphan


class TalkwalkerLandOrphansOperator(TemplatedOperator):
    """Land exports of ours that were paid for and have no landing, in the order of their deadlines; free.

    What an aborted or failed export brought lands too. An export of the last day is left alone: its own pipeline may
    still be running. Returns ``{"landed", "results", "failed"}``; if one cannot be landed, the others are, and the task
    fails in the end.

    :param landed_paths: directories to look for landings below; a list, or a text with commas.
    :param object_storage_path: directory to land below, in one named after each collector; landings are looked for
        below it, too. Use that of a backfill: its next estimate finds what has landed.
    :param object_storage_conn_id: Airflow connection of all these directories.
    :param log_only: log what would land, and land nothing.
    :param ledger_path: directory of the ledger, which records the landings; ``None`` for none.
    :param asset_partitions: give the assets an event for each window, with its start as partition key (Airflow 3.3).
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    """

    template_fields: Sequence[str] = (
        "landed_paths",
        "object_storage_path",
        "object_storage_conn_id",
        "log_only",
        "ledger_path",
        "talkwalker_conn_id",
    )
    ui_color = "#f3ecfa"

    def __init__(
        self,
        *,
        landed_paths: Sequence[str] | str,
        object_storage_path: str,
        object_storage_conn_id: str | None = None,
        log_only: bool | str = False,
        ledger_path: str | None = None,
        asset_partitions: bool = False,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        assets.check_partitions(asset_partitions)
        self.landed_paths = landed_paths
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.log_only = log_only
        self.ledger_path = ledger_path
        self.asset_partitions = asset_partitions
        self.talkwalker_conn_id = talkwalker_conn_id

    def execute(self, context: Context) -> dict[str, int]:
        """Return how many have landed, and of how many results."""
        from airflow_provider_twexport.core.arguments import parse_flag
        from airflow_provider_twexport.exceptions import IncompleteLandingError
        from airflow_provider_twexport.talkwalker.orphan_landing import land_orphan, landing_paths, orders_of
        from airflow_provider_twexport.talkwalker.orphans import find_orphans

        with fail_without_retry():
            hook = TalkwalkerHook(self.talkwalker_conn_id)
            client = hook.get_conn()
            landed_before = self._landings()
            found = find_orphans(client, landed_before.manifests.values())
        readable = [orphan for orphan in found if orphan.is_readable and not orphan.is_fresh]
        paths = landing_paths(readable, found, self.object_storage_path, landed_before)
        if parse_flag("log_only", self.log_only, empty=True):
            for orphan in readable:
                self.log.info("Would land %s, in %s.", orphan, paths[orphan.export_id])
            return {"landed": 0, "results": 0, "failed": 0}
        orders = orders_of(landed_before, hook.project_id)
        land = partial(land_orphan, client, landed=landed_before, orders=orders, at=self._at)
        landed = [self._land(orphan, paths[orphan.export_id], land, context) for orphan in readable]
        manifests = [manifest for manifest in landed if manifest]
        assets.publish(
            context,
            {
                self._at(paths[orphan.export_id]): manifest
                for orphan, manifest in zip(readable, landed, strict=True)
                if manifest
            },
            partitions=self.asset_partitions,
        )
        if len(manifests) < len(landed):
            failed = len(landed) - len(manifests)
            raise IncompleteLandingError(
                f"{failed} of {len(landed)} exports could not be landed; the log above says why. "
                "A retry tries them again.",
                facts={"exports": len(landed), "failed": failed},
            )
        return {
            "landed": len(manifests),
            "results": sum(manifest.results for manifest in manifests),
            "failed": 0,
        }

    def _landings(self) -> Landings:
        from airflow_provider_twexport.core.arguments import parse_list
        from airflow_provider_twexport.storage import discovery

        paths = dict.fromkeys([*parse_list(self.landed_paths), self.object_storage_path])
        found = discovery.find_landings(map(self._at, paths))
        for problem in found.problems:
            self.log.warning(problem)
        return found

    def _at(self, address: str) -> ObjectStoragePath:
        return storage_path(address, conn_id=self.object_storage_conn_id)

    def _land(
        self, orphan: Orphan, address: str, land: Callable[..., Manifest], context: Context
    ) -> Manifest | None:
        # only some of the faults of stores are an OSError, and each of these exports has a deadline
        try:
            manifest = land(orphan, address)
        except Exception:
            self.log.exception("Not landed: %s.", orphan)
            return None
        self.log.info("Landed %s, in %s: %d results.", orphan, address, manifest.results)
        metrics.landed("talkwalker", manifest, manifest.exported)
        ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
        if task := orphan.export:
            ledger.ended(task.id, str(task.status), task.exported())
        ledger.landed(self._at(address), manifest)
        return manifest
