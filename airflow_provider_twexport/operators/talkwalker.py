"""Create, order, abort or delete one thing at Talkwalker, and return its id."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links.exports_page import ExportsPageLink
from airflow_provider_twexport.links.talkwalker import TalkwalkerConsoleLink, TalkwalkerExportLink
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.operators.base_talkwalker import TalkwalkerOrderOperator
from airflow_provider_twexport.operators.talkwalker_estimate import TalkwalkerEstimateExportOperator
from airflow_provider_twexport.telemetry.budget_policy import add_budget_policy
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.ledger import TaskLedger
from airflow_provider_twexport.templates import (
    LANDING_CHOICES,
    TemplatedOperator,
    check_choice,
    check_partition_by,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.core.partitioning import PartitionBy
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.purchasing.budget import Budget
    from airflow_provider_twexport.talkwalker.purchasing.buy_once import IfExists, KnownExport

IF_EXISTS = ("adopt", "fail", "recreate")

__all__ = [
    "TalkwalkerAbortExportOperator",
    "TalkwalkerCreateCollectorOperator",
    "TalkwalkerCreateExportOperator",
    "TalkwalkerDeleteCollectorOperator",
    "TalkwalkerEstimateExportOperator",
    "TalkwalkerOrderOperator",
]


class TalkwalkerCreateCollectorOperator(TalkwalkerOrderOperator):
    """Create the collector that an export writes into, unless it exists already, and return its id.

    :class:`TalkwalkerOrderOperator` documents the order's parameters. Without ``collector_id``, the order determines
    the id, so that the same order finds the same collector from every DAG, run and retry.
    """

    def execute(self, context: Context) -> str:
        """Return the collector's id."""
        from airflow_provider_twexport.core.run_window import check_ended
        from airflow_provider_twexport.exceptions import NotFoundError
        from airflow_provider_twexport.talkwalker.purchasing import collector_names

        with fail_without_retry():
            hook = TalkwalkerHook(self.talkwalker_conn_id)
            order = self._order(context, hook)
            check_ended(order.window)
            collector_id = self.collector_id or collector_names.collector_id_of(order)
            client = hook.get_conn()
            try:
                client.get_collector(collector_id)
                self.log.info("Collector %s exists already.", collector_id)
            except NotFoundError:
                client.put_collector(collector_id)
                self.log.info("Created collector %s.", collector_id)
        return collector_id


class TalkwalkerCreateExportOperator(TalkwalkerOrderOperator):
    """Order an export into a collector, once: an existing one is adopted, whoever ordered it.

    :class:`TalkwalkerOrderOperator` documents the order's parameters. Returns ``{"export_id", "collector_id", "start",
    "stop", "limit", "adopted", "manifest"}``. ``limit`` is the one that the export was ordered with, where that is
    known. ``manifest`` is ``None``, unless Talkwalker no longer has the results and all of them landed before.

    Before it buys, it asks Talkwalker's list, the landing at ``object_storage_path`` and the ledger.

    What a budget refuses fails at once. On Airflow 3.3 and newer, a ``retry_policy`` that knows
    ``BudgetExceededError`` or ``InsufficientCreditsError`` decides, for example to retry on the next day.

    :param collector_id: the collector that the results go to.
    :param if_exists: what to do if an export into this collector exists: ``adopt`` it, ``fail``, or ``recreate``,
        which empties the collector and pays again each time the task is run or cleared, but not on retries.
    :param max_credits: credits that this export may cost at most; lowers ``limit``.
    :param min_credits_left: credits that must be left on the account if this export, and all that run, use their whole
        ``limit``. With this or one of the next two, each order holds the account's lock, so that none is bought with
        credits that another one needs; give it to all tasks that order there.
    :param max_credits_per_run: credits that all exports of this DAG run may cost whose tasks have this parameter too.
    :param max_credits_per_day: credits that exports into collectors named ``twx-...`` may cost that were ordered on
        the same day, in UTC.
    :param object_storage_path: where this window lands; what landed there is not bought again, and the error about
        results that can no longer be read says what did.
    :param object_storage_conn_id: Airflow connection of that storage, and of the ledger's.
    :param partition_by: how the transfer names directories below that path.
    :param ledger_path: directory of the ledger, which records what this run bought or adopted, and is asked what was
        bought before; ``None`` for no ledger.
    :param landing_options: what the tasks that wait for the export and land it are given, such as ``file_format`` or
        ``on_truncated``; it changes nothing, but a mistake in it fails before anything is bought.
    :param settle: how long after its end a window is not ordered yet: the task fails, and a retry orders it. Results
        are indexed after they are published, of 334 captured ones 329 within a day; what is indexed after the order is
        not exported. An export that was ordered earlier is not adopted. The default is no time.
    :param cancel_on_kill: abort the export if the task is killed right after ordering it.
    """

    template_fields: Sequence[str] = (
        *TalkwalkerOrderOperator.template_fields,
        "if_exists",
        "max_credits",
        "min_credits_left",
        "max_credits_per_run",
        "max_credits_per_day",
        "object_storage_path",
        "partition_by",
        "object_storage_conn_id",
        "ledger_path",
        "landing_options",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"landing_options": "json"}
    operator_extra_links = (ExportsPageLink(), TalkwalkerExportLink(), TalkwalkerConsoleLink())

    def __init__(
        self,
        *,
        collector_id: str,
        if_exists: IfExists | str = "adopt",
        max_credits: int | str | None = None,
        min_credits_left: int | str | None = None,
        max_credits_per_run: int | str | None = None,
        max_credits_per_day: int | str | None = None,
        object_storage_path: str | None = None,
        object_storage_conn_id: str | None = None,
        partition_by: PartitionBy | str | None = None,
        ledger_path: str | None = None,
        landing_options: Mapping[str, Any] | None = None,
        settle: timedelta = timedelta(0),
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)  # so that .output["export_id"] is the id
        super().__init__(collector_id=collector_id, **kwargs)
        add_budget_policy(self)
        self.if_exists = if_exists
        self.max_credits = max_credits
        self.min_credits_left = min_credits_left
        self.max_credits_per_run = max_credits_per_run
        self.max_credits_per_day = max_credits_per_day
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        check_partition_by(partition_by)
        self.ledger_path = ledger_path
        self.landing_options = landing_options
        self.settle = settle
        self.cancel_on_kill = cancel_on_kill
        check_choice("if_exists", if_exists, IF_EXISTS)
        self._kill_client: TalkwalkerClient | None = None
        self._bought_export_id: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Return what was ordered, and whether it was there before."""
        from airflow_provider_twexport.core.arguments import parse_choice, parse_required_text
        from airflow_provider_twexport.core.run_window import check_ended
        from airflow_provider_twexport.exceptions import ResultsExpiredError
        from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once

        TalkwalkerConsoleLink.push(context)
        with fail_without_retry(self):
            if_exists = cast("IfExists", parse_choice("if_exists", self.if_exists, IF_EXISTS))
            self.collector_id = parse_required_text("collector_id", self.collector_id)
            hook = TalkwalkerHook(self.talkwalker_conn_id)
            client = hook.get_conn()
            self._kill_client = hook.get_conn()
            order = self._order(context, hook)
            check_ended(order.window, self.settle)
            affordable = self._within_max_credits(order)
            self._check_landing(order)
            try:
                purchase = buy_once(
                    client,
                    affordable,
                    self.collector_id or "",
                    if_exists=if_exists,
                    renewal=self._renewal(context),
                    settle=self.settle,
                    budget=self._budget(context),
                    known_exports=lambda: self._known_exports(order),
                )
            except ResultsExpiredError as error:
                error.prepend(self._what_landed(order))
                raise
            if purchase.adopted and not purchase.landed:
                self._check_not_deleted(client, order, purchase.task)
        if purchase.adopted:
            self._log_adoption(order, purchase.task)
        else:
            self._bought_export_id = purchase.task.id
            self.log.info(
                "Ordered export %s of %s, at most %d results.",
                purchase.task.id,
                order.window,
                affordable.limit,
            )
        ExportsPageLink.push(context, purchase.task.id)
        address = f"{client.base_url}/api/v3/tasks/export/{purchase.task.id}"
        TalkwalkerExportLink.push_url(context, address)
        # what an adopted export was ordered with is what it can bring
        bought = replace(affordable, limit=purchase.limit or affordable.limit)
        ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
        order_details = {"collector_id": self.collector_id, **bought.to_json()}
        ledger.ordered(purchase.task.id, order_details, adopted=purchase.adopted)
        return {
            "export_id": purchase.task.id,
            "collector_id": self.collector_id,
            **order.window.to_json(),
            "limit": bought.limit,
            "adopted": purchase.adopted,
            "manifest": purchase.landed,
        }

    def on_kill(self) -> None:
        """Abort what was just bought, with a prepared client, because Airflow allows 5 seconds."""
        if self.cancel_on_kill and self._kill_client and self._bought_export_id:
            self._kill_client.abort_when_killed(self._bought_export_id)

    def _check_landing(self, order: ExportOrder) -> None:
        """Fail before anything is bought if the results could not land."""
        from airflow_provider_twexport.core.arguments import parse_choice
        from airflow_provider_twexport.storage.part_options import PartOptions
        from airflow_provider_twexport.talkwalker.landing import check_landing, source_of

        given = {name: value for name, value in (self.landing_options or {}).items() if value is not None}
        parts = PartOptions(**{it.name: given[it.name] for it in fields(PartOptions) if it.name in given})
        for name, choices in LANDING_CHOICES.items():
            if name in given:
                parse_choice(name, given[name], choices)
        if self.object_storage_path:
            directory = self._directory(self.object_storage_path, order)
            source = source_of(self.collector_id or "", None, order.to_json())
            try:
                check_landing(directory, source, parts)
            except Exception as error:
                error.add_note(f"Nothing was bought: the results could not land in {directory}.")
                raise

    def _within_max_credits(self, order: ExportOrder) -> ExportOrder:
        from airflow_provider_twexport.core.arguments import parse_budget

        most = parse_budget("max_credits", self.max_credits)
        return order if most is None else replace(order, limit=min(order.limit, most))

    def _budget(self, context: Context) -> Budget:
        from airflow_provider_twexport.core.arguments import parse_budget
        from airflow_provider_twexport.talkwalker.purchasing.budget import Budget

        dag_run = context["dag_run"]
        return Budget(
            min_credits_left=parse_budget("min_credits_left", self.min_credits_left),
            max_credits_per_run=parse_budget("max_credits_per_run", self.max_credits_per_run),
            max_credits_per_day=parse_budget("max_credits_per_day", self.max_credits_per_day),
            run=f"{dag_run.dag_id} {dag_run.run_id}",
        )

    def _renewal(self, context: Context) -> str:
        """Return what all tries of this order have in common; a clear raises max_tries, a retry does not."""
        ti = context["ti"]
        return f"{ti.dag_id} {ti.run_id} {ti.task_id} {ti.map_index} {ti.max_tries}"

    def _known_exports(self, order: ExportOrder) -> list[KnownExport]:
        """Return what the landing of this window and the ledger know of this collector, oldest first."""
        from airflow_provider_twexport.talkwalker.purchasing import witnesses

        known: list[KnownExport] = []
        if self.ledger_path:
            path = storage_path(self.ledger_path, conn_id=self.object_storage_conn_id)
            try:
                known += witnesses.in_ledger(path, self.collector_id or "")
            except Exception as error:  # whatever a store raises; it is one witness of several
                self.log.warning("The ledger in %s cannot be read: %s", self.ledger_path, error)
        if self.object_storage_path and (landed := self._landing(self.object_storage_path, order)):
            directory = self._directory(self.object_storage_path, order)
            known += witnesses.in_manifest(landed, directory, self.collector_id or "")
        return known

    def _log_adoption(self, order: ExportOrder, task: ExportTask) -> None:
        from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of

        self.log.info("Export %s exists already (%s): adopted, nothing bought.", task.id, task.raw_status)
        if self.collector_id != collector_id_of(order):
            self.log.warning(
                "Collector %s is not named by its content, so it is not known whether export %s covers %s.",
                self.collector_id,
                task.id,
                order.window,
            )

    def _check_not_deleted(self, client: TalkwalkerClient, order: ExportOrder, task: ExportTask) -> None:
        """Fail now, and not after the wait and the read, if an export's results were deleted before they landed.

        :raises ResultsExpiredError: if the collector was deleted since.
        """
        from airflow_provider_twexport.exceptions import NotFoundError, ResultsExpiredError

        if not self.object_storage_path or task.created is None:
            return
        landed = self._landing(self.object_storage_path, order)
        if landed and landed.complete:
            return
        try:
            collector = client.get_collector(self.collector_id or "")
            still_exists = collector.created is None or collector.created <= task.created
        except NotFoundError:
            still_exists = False
        if not still_exists:
            raise ResultsExpiredError(
                f"{self._what_landed(order)} Export {task.id} of {task.created} filled collector {self.collector_id}, "
                "which was deleted since: its results are paid for and gone. To buy them again, set "
                "if_exists='recreate'.",
                facts=task.facts(order.limit),
            )

    def _landing(self, object_storage_path: str, order: ExportOrder) -> Manifest | None:
        from airflow_provider_twexport.exceptions import ManifestNotFoundError
        from airflow_provider_twexport.storage import manifest

        try:
            return manifest.read_checked(self._directory(object_storage_path, order))
        except ManifestNotFoundError:
            return None

    def _directory(self, object_storage_path: str, order: ExportOrder) -> ObjectStoragePath:
        from airflow_provider_twexport.core.partitioning import landing_path

        path = landing_path(object_storage_path, order.window, self.partition_by)
        return storage_path(path, conn_id=self.object_storage_conn_id)

    def _what_landed(self, order: ExportOrder) -> str:
        if not self.object_storage_path:
            return "_manifest.json in the object_storage_path of this window says what of it has landed."
        landed = self._landing(self.object_storage_path, order)
        if landed is None:
            return f"Nothing of this window has landed at {self.object_storage_path}."
        return f"Landed at {self.object_storage_path}: {landed.extent}"


class TalkwalkerAbortExportOperator(TemplatedOperator):
    """Abort an export and return its id; what it has exported stays charged and in the collector.

    :param export_id: the export.
    :param ledger_path: directory of the ledger, which records it; ``None`` for no ledger.
    :param object_storage_conn_id: Airflow connection of the ledger's storage.
    :param talkwalker_conn_id: Airflow connection.
    """

    template_fields: Sequence[str] = (
        "export_id",
        "ledger_path",
        "object_storage_conn_id",
        "talkwalker_conn_id",
    )
    ui_color = "#fae8e8"

    def __init__(
        self,
        *,
        export_id: str,
        ledger_path: str | None = None,
        object_storage_conn_id: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.ledger_path = ledger_path
        self.object_storage_conn_id = object_storage_conn_id
        self.talkwalker_conn_id = talkwalker_conn_id

    def execute(self, context: Context) -> str:
        """Abort the export unless it has ended, and return its id."""
        with fail_without_retry():
            client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
            task = client.get_export(self.export_id)
            task.check_status()
            if task.is_unfinished:
                client.abort_export(self.export_id)
                ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
                ledger.aborted(self.export_id, collector_id=task.collector_id)
        self.log.info("Export %s was %s; it no longer runs.", self.export_id, task.raw_status)
        return self.export_id


class TalkwalkerDeleteCollectorOperator(TemplatedOperator):
    """Delete a collector with all results that it still holds, and return its id; fine if it is gone already.

    :param collector_id: the collector.
    :param start: first moment of the window that it held; a mapped task's name may show it.
    :param export_id: the export that filled it; the ledger's entries are by export.
    :param ledger_path: directory of the ledger, which records it; ``None`` for no ledger.
    :param object_storage_conn_id: Airflow connection of the ledger's storage.
    :param talkwalker_conn_id: Airflow connection.
    :raises ValueError: if ``ledger_path`` is given without ``export_id``.
    """

    template_fields: Sequence[str] = (
        "collector_id",
        "start",
        "export_id",
        "ledger_path",
        "object_storage_conn_id",
        "talkwalker_conn_id",
    )
    ui_color = "#fae8e8"

    def __init__(
        self,
        *,
        collector_id: str,
        start: str | None = None,
        export_id: str | None = None,
        ledger_path: str | None = None,
        object_storage_conn_id: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if ledger_path and not export_id:
            raise ValueError("ledger_path needs export_id: the ledger's entries are by export.")
        self.collector_id = collector_id
        self.start = start
        self.export_id = export_id
        self.ledger_path = ledger_path
        self.object_storage_conn_id = object_storage_conn_id
        self.talkwalker_conn_id = talkwalker_conn_id

    def execute(self, context: Context) -> str:
        """Delete the collector and return its id."""
        from airflow_provider_twexport.exceptions import NotFoundError

        with fail_without_retry():
            client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
            try:
                client.delete_collector(self.collector_id)
            except NotFoundError:
                self.log.info("Collector %s was gone already.", self.collector_id)
        if self.export_id:
            ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
            ledger.deleted(self.export_id, collector_id=self.collector_id)
        return self.collector_id
