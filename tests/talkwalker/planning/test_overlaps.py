"""Windows that overlap, from the list of exports to the plan: what can be had for free is never sold, all else is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import PermissionDeniedError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import Credits, ExportOrder, ExportTask
from airflow_provider_twexport.talkwalker.planning.survey import survey
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.talkwalker.planning.landed import Manifest
from tests.waiting import QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.models import Collector
    from airflow_provider_twexport.talkwalker.planning.plan import Plan
    from tests.simulator_process import Simulator

BEGIN = pendulum.datetime(2024, 2, 28, 22)
MINUTES = 400
# a stream has no histogram, so nothing is counted
ORDER = ExportOrder(Window(BEGIN, BEGIN.add(minutes=MINUTES)), stream_id="demo-stream", limit=900)
FREE = {"landed", "readable", "running", "truncated", "truncated, not landed"}
STATES = [*sorted(FREE), "salvaged", "expired"]


@dataclass(frozen=True)
class NoHours:
    """A landing without any result."""

    def within(self, window: Window) -> tuple[int, int]:
        """No result is in any window."""
        return 0, 0


@dataclass
class Account:
    """What the service and the destination show of windows that were bought."""

    exports: list[ExportTask] = field(default_factory=list)
    landed: dict[str, Any] = field(default_factory=dict)

    def bought(self, first: int, last: int, state: str) -> None:
        """Add a window, by its first and last minute."""
        collector_id = collector_id_of(replace(ORDER, window=minutes(first, last)))
        if state in ("landed", "truncated"):
            self.landed[collector_id] = Manifest(truncated=state == "truncated")
        elif state == "salvaged":
            self.landed[collector_id] = Manifest({"status": "aborted"}, complete=False)
        else:
            status = {"running": "running", "truncated, not landed": "result_limit_reached"}.get(
                state, "finished"
            )
            created = pendulum.now("UTC").subtract(days=9 if state == "expired" else 1).to_iso8601_string()
            body = {"id": collector_id, "target": collector_id, "status": status, "creation_date": created}
            self.exports.append(ExportTask.from_json(body))

    def list_exports(self, collector_id: str | None = None) -> list[ExportTask]:
        """Return what is listed."""
        return self.exports

    def list_collectors(self) -> list[Collector]:
        """Refuse, as for a token that may only read."""
        raise PermissionDeniedError("This token may not list collectors.")

    def can_be_read(self, collector_id: str, export_id: str | None) -> bool:
        """Return that what has expired is gone."""
        return False

    def get_credits(self) -> Credits:
        """Return credits enough."""
        return Credits(10**6, 0, 0, None)

    def plan(self, first: int, last: int, *, buy_expired: bool = False, split: bool = False) -> Plan:
        """Return what a range would cost, by its first and last minute."""
        client: Any = self
        hours: Any = (lambda collector_id: NoHours()) if split else None
        order = replace(ORDER, window=minutes(first, last))
        found = survey(client, order, "hour", landed=self.landed, buy_expired=buy_expired, landed_hours=hours)
        return found.count(client)


def minutes(first: int, last: int) -> Window:
    """Return the window of some minutes."""
    return Window(BEGIN.add(minutes=first), BEGIN.add(minutes=last))


def sold(plan: Plan) -> list[int]:
    """Return how often a plan buys each minute."""
    return counted([part.window for part in plan.windows if part.credits])


def counted(windows: list[Window]) -> list[int]:
    """Return in how many windows each minute lies."""
    found = [0] * MINUTES
    for window in windows:
        first, last = (round((edge - BEGIN).total_seconds() / 60) for edge in (window.start, window.stop))
        for minute in range(first, last):
            found[minute] += 1
    return found


SPANS = st.tuples(st.integers(0, MINUTES - 1), st.integers(1, MINUTES)).filter(lambda it: it[0] < it[1])
# short ones too, at the edges of others
EDGES = st.sampled_from([0, 60, 119, 120, 121, 180, 240, 300, 360, MINUTES])
SOME = st.one_of(SPANS, st.tuples(EDGES, EDGES).filter(lambda it: it[0] < it[1]))
BOUGHT = st.dictionaries(SOME, st.sampled_from(STATES), max_size=9)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(bought=BOUGHT, within=SOME, buy_expired=st.booleans())
def test_each_minute_is_sold_once_or_held(
    bought: dict[tuple[int, int], str], within: tuple[int, int], buy_expired: bool
) -> None:
    """No minute that is to be had for free is sold, none that is not is left out, and none is sold twice.

    Not outside of the range either, where a window is bought again that lies across its edge.
    """
    account = Account()
    states: list[set[str]] = [set() for _ in range(MINUTES)]
    for (first, last), state in bought.items():
        account.bought(first, last, state)
        for minute in range(first, last):
            states[minute].add(state)
    plan = account.plan(*within, buy_expired=buy_expired)
    times, planned = sold(plan), counted([part.window for part in plan.windows])
    for minute, held in enumerate(states):
        if held & FREE:
            assert times[minute] == 0
        assert times[minute] <= 1
        if within[0] <= minute < within[1]:
            assert planned[minute] >= 1
            if not held or (buy_expired and not held & FREE) or held == {"salvaged"}:
                assert times[minute] == 1
            if held == {"expired"} and not buy_expired:
                assert times[minute] == 0


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(bought=BOUGHT, within=SOME)
def test_remainders_are_sold_once_and_without_what_is_held(
    bought: dict[tuple[int, int], str], within: tuple[int, int]
) -> None:
    """Truncated landings may overlap each other and what landed whole: no minute of a remainder is sold twice."""
    account = Account()
    whole: list[bool] = [False] * MINUTES
    for (first, last), state in bought.items():
        account.bought(first, last, state)
        for minute in range(first, last):
            whole[minute] |= state in ("landed", "readable", "running")
    times = sold(account.plan(*within, split=True))
    assert max(times) <= 1
    assert not any(times[minute] for minute, is_whole in enumerate(whole) if is_whole)


HOURS = st.tuples(st.integers(0, 47), st.integers(1, 48)).filter(lambda it: it[0] < it[1])
OF_SIMULATOR = st.dictionaries(
    HOURS, st.sampled_from(["landed", "readable", "salvaged", "expired"]), max_size=5
)


# each set begins with an account as new, so that they may share a simulator
@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bought=OF_SIMULATOR, within=HOURS, split=st.sampled_from(["hour", "day", "auto"]), again=st.booleans())
def test_by_the_service_itself_no_document_is_sold_twice_or_left_out(
    simulator: Simulator, bought: dict[tuple[int, int], str], within: tuple[int, int], split: Any, again: bool
) -> None:
    """Everything that a plan says is ordered; the simulator knows which documents each export brought."""
    assume(bought)
    simulator.reset()
    simulator.settings(
        queue_seconds=0, results_per_second=None, reads_per_minute=None, histograms_per_minute=None
    )
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    order = ExportOrder(hours(0, 48), project_id=simulator.project_id, limit=1_000)

    def documents(window: Window) -> set[str]:
        collector_id = collector_id_of(replace(order, window=window))
        client.put_collector(collector_id)
        task = client.create_export(replace(order, window=window), collector_id)
        return {document["key"] for document in simulator.documents(client.get_export(task.id).id)}

    free: set[str] = set()
    lost: set[str] = set()
    landed: dict[str, Any] = {}
    # what expires was bought first, because the time goes forward only
    simulator.control("time", {"offset_seconds": -9 * 86_400})
    for span in (span for span, state in bought.items() if state == "expired"):
        lost |= documents(hours(*span))
    simulator.control("time", {"offset_seconds": 0})
    for span, state in bought.items():
        collector_id = collector_id_of(replace(order, window=hours(*span)))
        if state == "salvaged":
            landed[collector_id] = Manifest({"status": "aborted"}, complete=False)
        elif state != "expired":
            free |= documents(hours(*span))
        if state == "landed":
            landed[collector_id] = Manifest()
    range_ = replace(order, window=hours(*within))
    plan = survey(client, range_, split, landed=landed, buy_expired=again).count(client)
    new: list[set[str]] = []
    for part in plan.windows:
        if part.credits:
            if part.state == "expired":
                client.delete_collector(part.collector_id)
            new.append(documents(part.window))
            assert part.expected is None or part.expected == part.credits == len(new[-1])
    ordered = set().union(*new)
    assert sum(map(len, new)) == len(ordered)
    assert not ordered & free
    client.put_collector("reference")
    reference = client.create_export(range_, "reference")
    everything = {it["key"] for it in simulator.documents(client.get_export(reference.id).id)}
    assert everything - (lost if not again else set()) <= ordered | free


def hours(first: int, last: int) -> Window:
    """Return the window of some hours, in two days."""
    return Window(BEGIN.add(hours=first), BEGIN.add(hours=last))


def test_what_landed_only_is_warned_of_too() -> None:
    """A landing of the same stream and other limit overlaps, though no export of it is listed any more."""
    account = Account()
    other = collector_id_of(replace(ORDER, limit=5))
    account.landed[other] = Manifest()
    assert account.plan(0, 60).windows[0].overlaps == (other,)
