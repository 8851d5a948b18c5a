"""Report what has landed of a range, and fail if something is missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.operators.base_talkwalker import TalkwalkerOrderOperator
from airflow_provider_twexport.telemetry.failures import fail_without_retry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.coverage.coverage import LandedSpan
    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportOrder


class TalkwalkerCheckCoverageOperator(TalkwalkerOrderOperator):
    """Compare what has landed below a directory with a range, and fail unless every day of it has landed.

    :class:`TalkwalkerOrderOperator` documents the order's parameters. Give them as they were ordered, ``limit``
    included: manifests of anything else are ignored. It reads only manifests and makes no call to Talkwalker. The table
    is in the log; returns ``{"days", "landed", "truncated", "partial", "missing", "results"}``.

    :param object_storage_path: directory below which the windows landed.
    :param on_truncated: ``warn`` if days are truncated, or ``split`` to fail, as their remainder can be bought.
    :param object_storage_conn_id: Airflow connection of that storage.
    """

    template_fields: Sequence[str] = (
        *TalkwalkerOrderOperator.template_fields,
        "object_storage_path",
        "object_storage_conn_id",
        "on_truncated",
    )
    ui_color = "#eaf7ea"

    def __init__(
        self,
        *,
        object_storage_path: str,
        object_storage_conn_id: str | None = None,
        on_truncated: Literal["warn", "split"] | str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.on_truncated = on_truncated

    def execute(self, context: Context) -> dict[str, int]:
        """Return how many days have landed, and how many have not."""
        from airflow_provider_twexport.coverage.coverage import coverage, table
        from airflow_provider_twexport.exceptions import CoverageGapError

        with fail_without_retry():
            order = self._order(context, TalkwalkerHook(self.talkwalker_conn_id))
            landings = self._landings()
            covered = coverage(_spans(order, landings.manifests.values()), order.window)
            if not covered:
                raise CoverageGapError(
                    f"Nothing of {order.window} has landed below {self.object_storage_path}. "
                    f"Check the path, or land the range first. {' '.join(landings.problems)}"
                )
            self.log.info(
                "What has landed of %s below %s:\n%s", order.window, self.object_storage_path, table(covered)
            )
            days = [day for each in covered for day in each.days]
            states = Counter(str(day.state) for day in days)
            counts = {
                "days": len(days),
                **{state: states[state] for state in ("landed", "truncated", "partial", "missing")},
                "results": sum(day.results for day in days),
            }
            try:
                self._check(counts)
            except CoverageGapError as error:
                if landings.problems:
                    error.add(" ".join(landings.problems))
                raise
        return counts

    def _check(self, counts: dict[str, int]) -> None:
        from airflow_provider_twexport.exceptions import CoverageGapError

        if counts["missing"] or counts["partial"]:
            raise CoverageGapError(
                f"Of {counts['days']:,} days {counts['missing']:,} are missing and {counts['partial']:,} have "
                "landed in part; see the table. Trigger the DAG again for the same range: it orders only these.",
                facts=counts,
            )
        if counts["truncated"] and self.on_truncated == "split":
            raise CoverageGapError(
                f"Of {counts['days']:,} days {counts['truncated']:,} are truncated: more results matched than were "
                "exported. Trigger the DAG again with the same range: it orders only their remainder.",
                facts=counts,
            )
        if counts["truncated"]:
            self.log.warning(
                "%d days are truncated: more results matched than limit allowed.", counts["truncated"]
            )

    def _landings(self) -> Landings:
        """Return what has landed; a manifest that cannot be read is reported, and its days count as missing."""
        from airflow_provider_twexport.storage import discovery

        root = storage_path(self.object_storage_path, conn_id=self.object_storage_conn_id)
        found = discovery.find_landings([root])
        for problem in found.problems:
            self.log.warning("Broken: %s", problem)
        return found


def _spans(order: ExportOrder, manifests: Iterable[Manifest]) -> Iterator[LandedSpan]:
    """Yield the landings of an order, all with one scope: manifests may name theirs in more or less detail."""
    from dataclasses import replace

    from airflow_provider_twexport.coverage.coverage import landed_span
    from airflow_provider_twexport.talkwalker.planning.survey import is_part_of

    scope = order.project_id or order.stream_id or "all"
    for found in manifests:
        span = landed_span(found)
        if span and is_part_of(order, str(found.source.get("collector_id"))):
            yield replace(span, scope=scope, topics=(), query=order.query)
