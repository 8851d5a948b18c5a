"""Find what was bought at Talkwalker and has not landed, and delete collectors that nobody needs."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.telemetry.failures import PermanentFailure, fail_without_retry
from airflow_provider_twexport.telemetry.ledger import TaskLedger
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.orphans import Orphan

# a report goes through Airflow's database: more than these are in the log only
MAX_ORPHANS_IN_REPORT = 50


class _OrphansOperator(TemplatedOperator):
    """Base of the operators that compare what the service holds with what has landed.

    :param landed_paths: directories below which landings are; a list, or a text with commas.
    :param object_storage_conn_id: Airflow connection of that storage.
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    """

    template_fields: Sequence[str] = ("landed_paths", "object_storage_conn_id", "talkwalker_conn_id")

    def __init__(
        self,
        *,
        landed_paths: Sequence[str] | str,
        object_storage_conn_id: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.landed_paths = landed_paths
        self.object_storage_conn_id = object_storage_conn_id
        self.talkwalker_conn_id = talkwalker_conn_id

    def _look(self, client: TalkwalkerClient, warn_hours: int | None = None) -> list[Orphan]:
        import pendulum

        from airflow_provider_twexport.core.arguments import parse_list
        from airflow_provider_twexport.storage import discovery
        from airflow_provider_twexport.talkwalker.orphans import URGENT, find_orphans

        paths = parse_list(self.landed_paths)
        landed = discovery.find_landings(
            storage_path(path, conn_id=self.object_storage_conn_id) for path in paths
        )
        for problem in landed.problems:
            self.log.warning(problem)
        warn_before = URGENT if warn_hours is None else pendulum.duration(hours=warn_hours)
        return find_orphans(client, landed.manifests.values(), warn_before=warn_before)


class TalkwalkerFindOrphansOperator(_OrphansOperator):
    """Report what was bought and has not landed, and fail if paid results are about to be lost unread.

    It changes nothing. The table is in the log; returns ``{"urgent", "readable", "running", "expired", "lost",
    "credits"}``: how many exports, and what those cost that have not landed. The list is under the XCom key
    ``orphans``, urgent ones first: ``{"export_id", "collector_id", "state", "credits", "deadline", ...}``.

    It fails so that everything that reports failed tasks reports this: a callback, a notifier, the color of the run.
    Airflow does not retry it. Expired exports are only a warning in the log, since nothing can save them.

    :param warn_hours: hours before its deadline that an unread export is urgent; ``None`` for 48.
    """

    template_fields: Sequence[str] = (*_OrphansOperator.template_fields, "warn_hours")
    ui_color = "#eaf7ea"

    def __init__(self, *, warn_hours: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warn_hours = warn_hours

    def execute(self, context: Context) -> dict[str, int]:
        """Return how many exports are in which state."""
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.exceptions import ResultsExpiringError
        from airflow_provider_twexport.talkwalker.orphans import (
            describe_lost,
            table,
            urgent_facts,
            urgent_warning,
        )

        with fail_without_retry():
            client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
            found = self._look(client, parse_int("warn_hours", self.warn_hours))
        self.log.info("What was left behind:\n%s", table(found) if found else "Nothing.")
        for sentence in describe_lost(found):
            self.log.warning(sentence)
        unlanded = [orphan for orphan in found if orphan.is_unlanded]
        report = [orphan.to_json() for orphan in unlanded[:MAX_ORPHANS_IN_REPORT]]
        context["ti"].xcom_push(key="orphans", value=report)
        if urgent := urgent_warning(found):
            raise PermanentFailure(ResultsExpiringError(urgent, facts=urgent_facts(found)))
        states = Counter(str(orphan.state) for orphan in unlanded)
        return {
            "urgent": 0,
            **{state: states[state] for state in ("readable", "running", "expired", "lost")},
            "credits": sum(orphan.credits or 0 for orphan in unlanded),
        }


class TalkwalkerDeleteOrphansOperator(_OrphansOperator):
    """Delete those of our collectors that hold nothing unlanded that could be read, and return how many.

    These are collectors whose exports have landed completely, have expired or are lost, and empty ones. A collector
    with an export of the last day stays: its own pipeline may still be running.

    :param log_only: log what would be deleted, and delete nothing.
    :param ledger_path: directory of the ledger, which records the deletions; ``None`` for no ledger.
    """

    template_fields: Sequence[str] = (*_OrphansOperator.template_fields, "log_only", "ledger_path")
    ui_color = "#fae8e8"

    def __init__(
        self, *, log_only: bool | str = False, ledger_path: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.log_only = log_only
        self.ledger_path = ledger_path

    def execute(self, context: Context) -> int:
        """Return how many collectors were deleted."""
        from airflow_provider_twexport.core.arguments import parse_flag
        from airflow_provider_twexport.exceptions import NotFoundError
        from airflow_provider_twexport.talkwalker.orphans import disposable

        ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
        deleted = set()
        with fail_without_retry():
            client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
            found = self._look(client)
            fresh = {orphan.collector_id for orphan in found if orphan.is_fresh}
            for orphan in disposable(found):
                if orphan.collector_id in fresh:
                    continue
                if parse_flag("log_only", self.log_only, empty=True):
                    self.log.info("Would delete %s.", orphan)
                    continue
                # a pipeline may have deleted it in the meantime
                with suppress(NotFoundError):
                    client.delete_collector(orphan.collector_id)
                self.log.info("Deleted %s.", orphan)
                deleted.add(orphan.collector_id)
                if orphan.export_id:
                    ledger.deleted(orphan.export_id, collector_id=orphan.collector_id)
        return len(deleted)
