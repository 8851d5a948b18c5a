"""Count what a range would cost before any of it is bought, and return what to do, window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_provider_twexport.compat import conf
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.operators.base_talkwalker import TalkwalkerOrderOperator
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.templates import check_partition_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.core.partitioning import PartitionBy
    from airflow_provider_twexport.storage.already_landed import LandedHours
    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.planning.plan import Plan, PlannedWindow
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy
    from airflow_provider_twexport.talkwalker.planning.survey import Survey

# a plan is for people and goes through Airflow's database: the windows of a longer one are in the log only
MAX_WINDOWS_IN_PLAN = 100


class TalkwalkerEstimateExportOperator(TalkwalkerOrderOperator):
    """Return what a range would bring and cost, window by window; counting costs 10 credits a request.

    :class:`TalkwalkerOrderOperator` documents the order's parameters; ``limit`` is that of each window. Returns a dict
    for each window that still needs something, to map tasks over: ``{"start", "stop", "collector_id", "limit",
    "if_exists", "state", "expected", "credits", "map_name"}``, and with ``object_storage_path`` also where that window
    lands.
    What was bought before keeps its windows and costs nothing; if nothing is new, nothing is counted or spent. The
    complete plan is in the log, and its numbers are under the XCom key ``plan``, with the windows if they are few.

    With ``on_truncated="split"``, a window that landed truncated is replaced by the windows of its remainder: the days
    with fewer landed results than counted ones. What landed of them is paid for again; where their dicts say that they
    land, a file ``_remainder_of.json`` makes :class:`TalkwalkerToObjectStorageOperator` exclude it.

    After counting has begun, an error is final: Airflow does not retry it, because that would pay for counting again.

    :param split: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param object_storage_path: directory below which windows land; what landed anywhere below it is not ordered again.
    :param object_storage_conn_id: Airflow connection of that storage.
    :param partition_by: how directories below are named by the start of the window: ``month`` for
        ``year=2024/month=01``, also ``year``, ``day`` or ``hour``; ``None`` for a directory named like the collector.
    :param on_truncated: ``split`` to plan the remainder of what landed truncated, or ``warn`` to plan nothing for it.
    :param buy_expired: buy again what was bought, but has not landed completely and can no longer be read.
    :param max_windows: windows that need something, at most; ``None`` for Airflow's ``[core] max_map_length``, which is
        1,024 unless changed. Airflow maps no task over more.
    :param max_credits: credits that the exports may cost together, by the count.
    :param min_credits_left: credits that must be left on the account after them, by the count; ``None`` for 0.
    """

    template_fields: Sequence[str] = (
        *TalkwalkerOrderOperator.template_fields,
        "split",
        "object_storage_path",
        "partition_by",
        "object_storage_conn_id",
        "on_truncated",
        "buy_expired",
        "max_windows",
        "max_credits",
        "min_credits_left",
    )

    def __init__(
        self,
        *,
        split: Literal["auto", "month", "week", "day", "hour"] | str = "auto",
        object_storage_path: str | None = None,
        object_storage_conn_id: str | None = None,
        partition_by: PartitionBy | str | None = None,
        on_truncated: Literal["warn", "split"] | str = "warn",
        buy_expired: bool | str = False,
        max_windows: int | str | None = None,
        max_credits: int | str | None = None,
        min_credits_left: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.split = split
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        check_partition_by(partition_by)
        self.on_truncated = on_truncated
        self.buy_expired = buy_expired
        self.max_windows = max_windows
        self.max_credits = max_credits
        self.min_credits_left = min_credits_left

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Return the windows that need something."""
        from airflow_provider_twexport.core.run_window import check_ended
        from airflow_provider_twexport.talkwalker.planning.plan_table import table

        with fail_without_retry():
            hook = TalkwalkerHook(self.talkwalker_conn_id)
            client = hook.get_conn()
            order = self._order(context, hook)
            check_ended(order.window)
            most, least = self._budgets()
            landings = self._landings(order)
            survey = self._survey(client, order, landings)
            self._check_length(survey.count_todo())
            planned = self._count_once(client, survey)
            metrics.spent("talkwalker", planned.counting_credits)
            self.log.info("What %s would cost:\n%s", order.window, table(planned))
            todo = survey.todo(planned)
            context["ti"].xcom_push(key="plan", value=_plan_for_xcom(planned, len(todo)))
            self._log_expired(planned)
            self._check_length(len(todo))
            _check_price(planned, most, least)
            landed_in = self._landing_paths(landings)
            paths = self._paths(todo, landings, landed_in)
            self._record_remainders(planned, todo, paths, landed_in)
            return [_task(window, paths.get(window.collector_id)) for window in todo]

    def _survey(self, client: TalkwalkerClient, order: ExportOrder, landings: Landings) -> Survey:
        from airflow_provider_twexport.core.arguments import parse_choice, parse_flag
        from airflow_provider_twexport.exceptions import InvalidRequestError
        from airflow_provider_twexport.talkwalker.planning.splitting import CALENDAR_UNITS
        from airflow_provider_twexport.talkwalker.planning.survey import survey

        by = cast("SplitBy", parse_choice("split", self.split, (*CALENDAR_UNITS, "auto")))
        parse_choice("on_truncated", self.on_truncated, ("warn", "split"))
        if self.on_truncated == "split" and not self.object_storage_path:
            raise InvalidRequestError(
                "on_truncated='split' needs object_storage_path: what landed shows what is missing."
            )
        buy_expired = parse_flag("buy_expired", self.buy_expired)
        return survey(
            client,
            order,
            by,
            landed=landings.by_owner,
            buy_expired=buy_expired,
            landed_hours=self._landed_hours(landings) if self.on_truncated == "split" else None,
        )

    def _landings(self, order: ExportOrder) -> Landings:
        """Return what has landed below the root.

        :raises CorruptManifestError: a manifest cannot be read that may be one of this order; it may be paid for twice.
        """
        from airflow_provider_twexport.storage import discovery
        from airflow_provider_twexport.talkwalker.planning.survey import is_part_of
        from airflow_provider_twexport.talkwalker.purchasing.collector_names import window_in

        found = discovery.find_landings([self._root()] if self.object_storage_path else [])
        for problem in found.problems:
            self.log.warning("Broken: %s", problem)
        found.check_read(lambda directory: window_in(directory) is None or is_part_of(order, directory))
        return found

    def _root(self) -> ObjectStoragePath:
        return storage_path(self.object_storage_path or "", conn_id=self.object_storage_conn_id)

    def _landed_hours(self, landings: Landings) -> Callable[[str], LandedHours]:
        """Return what reads the results by hour of a collector's landing."""
        from airflow_provider_twexport.storage.already_landed import landed_hours
        from airflow_provider_twexport.talkwalker.record_identity import published_ms

        paths = self._landing_paths(landings)
        conn_id = self.object_storage_conn_id
        return lambda collector_id: landed_hours(
            storage_path(paths[collector_id], conn_id=conn_id), published_ms
        )

    def _landing_paths(self, landings: Landings) -> dict[str, str]:
        """Return the paths of collectors' landings, spelled like the root."""
        if not self.object_storage_path:
            return {}
        root = self._root()
        address = str(root.fs.unstrip_protocol(root.path)).rstrip("/")
        return {
            collector_id: self.object_storage_path.rstrip("/") + path.removeprefix(address)
            for collector_id, path in landings.directories.items()
        }

    def _count_once(self, client: TalkwalkerClient, survey: Survey) -> Plan:
        from airflow_provider_twexport.exceptions import PaidCallFailedError

        if survey.counting_price:
            self.log.info("Counting costs at least %d credits.", survey.counting_price)
        try:
            return survey.count(client)
        except PaidCallFailedError as error:
            error.add("Clear this task to pay for the count once more.")
            raise

    def _check_length(self, windows: int) -> None:
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.exceptions import InvalidRequestError

        most = parse_int("max_windows", self.max_windows)
        most = conf.getint("core", "max_map_length", fallback=1024) if most is None else most
        if windows > most:
            raise InvalidRequestError(
                f"{windows:,} windows need something, and no more than {most:,} may be mapped at once. Make longer "
                "windows (split='auto' makes as few as the limit allows), or take a shorter range now and what remains "
                "in another run. Nothing was bought. (max_windows sets this maximum, else Airflow's [core] "
                "max_map_length; raising either slows the scheduler, which checks every window's tasks in each loop.)"
            )

    def _budgets(self) -> tuple[int | None, int | None]:
        """Return the credits that may be spent, and those that must be left."""
        from airflow_provider_twexport.core.arguments import parse_budget

        most = parse_budget("max_credits", self.max_credits)
        return most, parse_budget("min_credits_left", self.min_credits_left)

    def _log_expired(self, planned: Plan) -> None:
        from airflow_provider_twexport.talkwalker.planning.plan import WindowState
        from airflow_provider_twexport.talkwalker.planning.survey import count_states

        expired = count_states(planned).get(str(WindowState.EXPIRED), 0)
        if expired and not planned.credits_at_most:
            self.log.warning("%d windows are left out: %s.", expired, WindowState.EXPIRED.meaning)

    def _paths(
        self, todo: Sequence[PlannedWindow], landings: Landings, landed_in: Mapping[str, str]
    ) -> dict[str, str]:
        """Return where windows land, by collector: where some of one landed before, its landing is replaced or resumed.

        :param landed_in: the directory of each landing.
        """
        if not self.object_storage_path:
            return {}
        begun = {owner for owner, landing in landings.by_owner.items() if not landing.complete}
        return {
            it.collector_id: landed_in[it.collector_id]
            if it.collector_id in begun
            else self._landing_path(it)
            for it in todo
        }

    def _record_remainders(
        self,
        planned: Plan,
        todo: Sequence[PlannedWindow],
        paths: Mapping[str, str],
        landed_in: Mapping[str, str],
    ) -> None:
        """Record for each window of a remainder, where it will land, what its landing has to exclude."""
        from airflow_provider_twexport.exceptions import PaidCallFailedError

        try:
            for window in todo:
                if window.remainder_of:
                    self._record_remainder(window, paths[window.collector_id], landed_in)
        # only some of the errors of filesystems are an OSError
        except Exception as error:
            if not planned.counting_credits:
                raise
            raise PaidCallFailedError(
                f"The plan cannot be recorded below {self.object_storage_path} ({error}). Counting has cost "
                f"{planned.counting_credits:,} credits, so it is not repeated. No export was bought. Clear this task "
                "to pay for the count once more."
            ) from error

    def _record_remainder(self, planned: PlannedWindow, path: str, landed_in: Mapping[str, str]) -> None:
        from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf

        remainder_of = RemainderOf(
            collector_ids=planned.remainder_of,
            paths=tuple(landed_in[collector_id] for collector_id in planned.remainder_of),
            windows=planned.remainder_windows,
        )
        directory = storage_path(path, conn_id=self.object_storage_conn_id)
        remainder_of.record(directory)

    def _landing_path(self, planned: PlannedWindow) -> str:
        from airflow_provider_twexport.core.partitioning import landing_path

        root = str(self.object_storage_path)
        # a window of a remainder may begin within a partition that holds a landing already
        if self.partition_by is None or planned.remainder_of:
            return f"{root.rstrip('/')}/{planned.collector_id}"
        return landing_path(root, planned.window, self.partition_by)


def _task(planned: PlannedWindow, path: str | None) -> dict[str, Any]:
    """Return what is to be done for a window.

    :param path: where it lands; ``None`` if that is not planned.
    """
    from airflow_provider_twexport.talkwalker.planning.plan import WindowState
    from airflow_provider_twexport.talkwalker.planning.survey import window_name

    return {
        **planned.window.to_json(),
        "collector_id": planned.collector_id,
        "limit": planned.limit,
        "if_exists": "recreate" if planned.state is WindowState.EXPIRED else "adopt",
        "state": str(planned.state),
        "expected": planned.expected,
        "credits": planned.credits,
        "map_name": window_name(planned.window),
        **({"object_storage_path": path} if path else {}),
    }


def _check_price(planned: Plan, most: int | None, least: int | None) -> None:
    """Check that a plan keeps to its budget.

    :param most: credits that it may cost; ``None`` for no limit.
    :param least: credits that must be left after it; ``None`` for 0.
    :raises BudgetExceededError: if it does not, by the count.
    """
    from airflow_provider_twexport.exceptions import BudgetExceededError
    from airflow_provider_twexport.talkwalker.models import credits_text

    if most is not None and planned.credits > most:
        raise BudgetExceededError(
            f"By the count this costs {planned.credits:,} credits (at most {planned.credits_at_most:,}), and "
            f"max_credits={most:,}. Nothing was bought. Take a shorter range or a narrower query, lower limit, or "
            "raise max_credits.",
            facts={
                "budget": "max_credits",
                "allowed": most,
                "credits": planned.credits,
                "missing": planned.credits - most,
            },
        )
    if planned.credits and planned.balance is None and least is not None:
        raise BudgetExceededError(
            f"By the count this costs {planned.credits:,} credits, min_credits_left={least:,} must stay, and how many "
            f"are left is {credits_text(None)}. Nothing was bought. Set max_credits in place of min_credits_left.",
            facts={"budget": "min_credits_left", "allowed": least, "credits": planned.credits},
        )
    if planned.credits and planned.balance_after is not None and planned.balance_after < (least or 0):
        raise BudgetExceededError(
            f"By the count this costs {planned.credits:,} credits, {planned.balance:,} are left, and "
            f"min_credits_left={least or 0:,} must stay. Nothing was bought. Take a shorter range or a narrower query, "
            "lower limit, or top up.",
            facts={
                "budget": "min_credits_left",
                "allowed": least or 0,
                "credits": planned.credits,
                "remaining": planned.balance,
                "missing": (least or 0) - planned.balance_after,
            },
        )


def _plan_for_xcom(planned: Plan, todo: int) -> dict[str, Any]:
    """Return the plan for the XCom ``plan``, small for any range."""
    from airflow_provider_twexport.talkwalker.planning.plan_table import table
    from airflow_provider_twexport.talkwalker.planning.survey import count_states

    content = planned.to_json() | {"todo": todo, "states": count_states(planned)}
    if len(planned.windows) > MAX_WINDOWS_IN_PLAN:
        return content | {"windows": None, "table": None}
    return content | {"table": table(planned)}
