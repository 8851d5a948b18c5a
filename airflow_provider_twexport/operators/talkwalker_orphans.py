"""Find and clear away what was bought at Talkwalker and left behind."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.telemetry.failures import PermanentFailure, fail_without_retry
from airflow_provider_twexport.telemetry.ledger import TaskLedger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.orphans import Orphan

# a report goes through Airflow's database: what is beyond is told in the log only
MOST_ORPHANS_IN_REPORT = 50


class _OrphansOperator(BaseOperator):
    """Base of the operators that compare what the service holds of ours with what has landed.

    :param landed_paths: directories to look for landings below; a list, or a text with commas.
    :param object_storage_conn_id: Airflow connection of these places.
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
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.core.arguments import parse_list
        from airflow_provider_twexport.storage import discovery
        from airflow_provider_twexport.talkwalker.orphans import URGENT, find_orphans

        paths = parse_list(self.landed_paths)
        landed = discovery.find_landings(
            ObjectStoragePath(path, conn_id=self.object_storage_conn_id) for path in paths
        )
        for problem in landed.problems:
            self.log.warning(problem)
        warn_before = URGENT if warn_hours is None else pendulum.duration(hours=warn_hours)
        return find_orphans(client, landed.manifests.values(), warn_before=warn_before)


class TalkwalkerFindOrphansOperator(_OrphansOperator):
    """Tell what was bought and has not landed, and fail if paid results are about to be forgotten unread.

    It changes nothing. The table is in the log; returns ``{"urgent", "readable", "running", "expired", "lost",
    "credits"}``: how many exports, and what those cost that have not landed. The list is under the XCom key
    ``orphans``, urgent ones first: ``{"export_id", "collector_id", "state", "credits", "deadline", ...}``.

    It fails so that whatever tells of failed tasks tells of it: a callback, a notifier, the color of the run. Airflow
    does not retry it. What has expired is told as a warning, since nothing can save it.

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
        for words in describe_lost(found):
            self.log.warning(words)
        unlanded = [orphan for orphan in found if orphan.is_unlanded]
        told = [orphan.to_json() for orphan in unlanded[:MOST_ORPHANS_IN_REPORT]]
        context["ti"].xcom_push(key="orphans", value=told)
        if urgent := urgent_warning(found):
            raise PermanentFailure(ResultsExpiringError(urgent, facts=urgent_facts(found)))
        states = Counter(str(orphan.state) for orphan in unlanded)
        return {
            "urgent": 0,
            **{state: states[state] for state in ("readable", "running", "expired", "lost")},
            "credits": sum(orphan.credits or 0 for orphan in unlanded),
        }


class TalkwalkerDeleteOrphansOperator(_OrphansOperator):
    """Delete collectors of ours that hold nothing unlanded that could be read, and return how many.

    Those whose exports have landed whole, expired or are lost, and empty ones. An export of the last day keeps its
    collector: its own pipeline may still be at work.

    :param only_tell: say in the log what would be deleted, and do nothing.
    :param ledger_path: directory of the ledger, which is told of it; ``None`` for none.
    """

    template_fields: Sequence[str] = (*_OrphansOperator.template_fields, "only_tell", "ledger_path")
    ui_color = "#fae8e8"

    def __init__(
        self, *, only_tell: bool | str = False, ledger_path: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.only_tell = only_tell
        self.ledger_path = ledger_path

    def execute(self, context: Context) -> int:
        """Return how many collectors were deleted."""
        from airflow_provider_twexport.exceptions import NotFoundError
        from airflow_provider_twexport.talkwalker.orphans import disposable

        books = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
        deleted = set()
        with fail_without_retry():
            client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
            found = self._look(client)
            fresh = {orphan.collector_id for orphan in found if orphan.is_fresh}
            for orphan in disposable(found):
                if orphan.collector_id in fresh:
                    continue
                if str(self.only_tell).lower() == "true":
                    self.log.info("Would delete %s.", orphan)
                    continue
                # a pipeline may have deleted it in the meantime
                with suppress(NotFoundError):
                    client.delete_collector(orphan.collector_id)
                self.log.info("Deleted %s.", orphan)
                deleted.add(orphan.collector_id)
                if orphan.export_id:
                    books.deleted(orphan.export_id, orphan.collector_id)
        return len(deleted)
