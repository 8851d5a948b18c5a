"""What a plan says about each window, and its totals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.text_table import edges
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import UnexpectedResponseError
from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
from airflow_provider_twexport.talkwalker.planning.plan import WindowState, plan
from airflow_provider_twexport.talkwalker.planning.plan_table import table
from airflow_provider_twexport.talkwalker.planning.splitting import split
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of, fingerprint
from tests.counting_calls import calls_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.talkwalker.planning.plan import Plan

NOW = pendulum.datetime(2024, 6, 1)
YEAR = Window(pendulum.datetime(2023, 1, 1), pendulum.datetime(2024, 1, 1))
ORDER = ExportOrder(YEAR, project_id="11111111-2222-4333-8444-555555555555", limit=10_000)
JANUARY = split(YEAR, "month")[0]
COLLECTOR = collector_id_of(replace(ORDER, window=JANUARY))


@dataclass(frozen=True)
class Landed:
    """What matters of a manifest."""

    complete: bool = True
    truncated: bool = False
    results: int = 500
    source: dict[str, Any] = field(default_factory=dict)


def export(
    status: str = "finished", days_ago: float = 1, collector_id: str = COLLECTOR, **more: Any
) -> ExportTask:
    """An export as the service lists it."""
    created = NOW.subtract(hours=round(24 * days_ago)).to_iso8601_string()
    body = {"id": f"{status}-{days_ago}", "target": collector_id, "status": status, "creation_date": created}
    return ExportTask.from_json(body | more)


def january(
    *exports: ExportTask, landed: Landed | None = None, expected: int | None = 500, **more: Any
) -> Plan:
    """A plan for January alone."""
    return plan(
        ORDER,
        [(JANUARY, expected)],
        exports=exports,
        balance=100_000,
        landed={COLLECTOR: landed}.get,
        now=NOW,
        **more,
    )


SALVAGED = Landed(complete=False, results=200, source={"status": "aborted"})


@pytest.mark.parametrize(
    ("exports", "landed", "state"),
    [
        ([], None, WindowState.NEW),
        ([export("failed"), export("aborted"), export("deleted")], None, WindowState.NEW),
        ([export(collector_id="twx-somebody-else")], None, WindowState.NEW),
        ([export("queued")], None, WindowState.RUNNING),
        ([export("running", days_ago=8)], None, WindowState.RUNNING),
        ([export("unknown")], None, WindowState.RUNNING),
        ([export("FINISHED")], None, WindowState.READABLE),
        ([export("finished")], Landed(complete=False), WindowState.READABLE),
        ([export("finished", days_ago=6.9), export("aborted")], None, WindowState.READABLE),
        ([export("finished", days_ago=30), export("finished")], None, WindowState.READABLE),
        ([export("finished", days_ago=30)], Landed(), WindowState.LANDED),
        ([], Landed(), WindowState.LANDED),
        ([export("result_limit_reached")], None, WindowState.TRUNCATED),
        ([export("result_limit_reached", days_ago=30)], Landed(truncated=True), WindowState.TRUNCATED),
        ([export("result_limit_reached", days_ago=30)], None, WindowState.EXPIRED),
        ([export("finished", days_ago=7.4)], None, WindowState.READABLE),
        ([export("finished", days_ago=7.6)], None, WindowState.EXPIRED),
        ([export("finished", days_ago=7.6)], Landed(complete=False), WindowState.EXPIRED),
        ([], Landed(complete=False), WindowState.EXPIRED),
        ([export("aborted")], SALVAGED, WindowState.PARTIAL),
        ([], SALVAGED, WindowState.PARTIAL),
        ([export("aborted"), export("queued")], SALVAGED, WindowState.RUNNING),
        ([export("aborted"), export("finished")], SALVAGED, WindowState.READABLE),
        ([export("finished", days_ago=7.6)], SALVAGED, WindowState.EXPIRED),
    ],
)
def test_states(exports: list[ExportTask], landed: Landed | None, state: WindowState) -> None:
    """The state follows from the exports into the window's collector, their age, and what has landed."""
    (window,) = january(*exports, landed=landed).windows
    assert window.state is state
    assert window.credits == (500 if state in (WindowState.NEW, WindowState.PARTIAL) else 0)


def test_what_is_lost_is_bought_again_only_if_wanted() -> None:
    """An expired window is priced when the caller wants to buy it again."""
    lost = export(days_ago=8)
    assert january(lost).credits == 0
    assert january(lost, buy_expired=True).credits == 500
    assert january(lost, buy_expired=True, readable={COLLECTOR}).credits == 0
    assert january(export(), buy_expired=True).credits == 0


def test_a_deleted_collector_holds_nothing() -> None:
    """A finished export whose collector is gone cannot be read, and a running one may still be in use."""
    assert january(export(), collectors={COLLECTOR}).windows[0].state is WindowState.READABLE
    assert january(export(), collectors=set()).windows[0].state is WindowState.EXPIRED
    assert january(export("running"), collectors=set()).windows[0].state is WindowState.RUNNING
    assert january(collectors=set()).windows[0].state is WindowState.NEW


def test_an_undocumented_status_stops_the_plan() -> None:
    """Nobody knows whether such a window is paid for; in somebody else's collector the status does not matter."""
    with pytest.raises(UnexpectedResponseError, match="paused_by_admin"):
        january(export("paused_by_admin"))
    assert january(export("paused_by_admin", collector_id="other")).credits == 500


def test_balances_run_down_window_by_window() -> None:
    """Each window shows what it and those before it cost, and what is left after it."""
    months = split(YEAR, "month")
    bought = export(collector_id=collector_id_of(replace(ORDER, window=months[1])))
    whole = plan(
        ORDER,
        [(month, 1_000 * n) for n, month in enumerate(months[:4], 1)],
        exports=[bought],
        balance=5_000,
        counting_credits=10,
        now=NOW,
    )
    assert [window.credits for window in whole.windows] == [1_000, 0, 3_000, 4_000]
    assert [window.cumulative for window in whole.windows] == [1_000, 1_000, 4_000, 8_000]
    assert [window.balance_after for window in whole.windows] == [4_000, 4_000, 1_000, -3_000]
    assert (whole.expected, whole.credits, whole.balance_after, whole.counting_credits) == (
        10_000,
        8_000,
        -3_000,
        10,
    )
    assert whole.affordable == 3


def test_windows_that_others_hold_under_another_name_are_marked() -> None:
    """The same time, split differently or with another limit, would be paid for twice, and the plan says so."""
    year = collector_id_of(ORDER)
    smaller = collector_id_of(replace(ORDER, window=JANUARY, limit=5_000))
    stranger = collector_id_of(replace(ORDER, window=JANUARY, project_id="other"))
    march = split(YEAR, "month")[2]
    exports = [export(collector_id=name) for name in (year, smaller, stranger, "box")]
    whole = plan(ORDER, [(JANUARY, 5), (march, 5)], exports=exports, balance=10, now=NOW)
    assert [set(window.overlaps) for window in whole.windows] == [{year, smaller}, {year}]
    assert "2 marked *" in table(whole)
    assert january(export(), export(collector_id=year)).windows[0].overlaps == ()


@pytest.mark.parametrize("earlier", ["cats  AND\ndogs", "cats AND dogs ", "cats AND dogs"])
@pytest.mark.parametrize("planned", ["cats AND dogs", " cats  AND dogs\n"])
def test_an_export_that_differs_by_blanks_only_is_named(planned: str, earlier: str) -> None:
    """It brings the same, but is another order: the plan says so, where the landing or the planned query shows it."""
    order, before = replace(ORDER, query=planned), replace(ORDER, window=JANUARY, query=earlier)
    bought = collector_id_of(before)
    landed = {
        bought: Landed(source={"query": earlier}),
        "box": Landed(source={"query": "cats AND dog s, no"}),
    }
    whole = plan(
        order,
        [(JANUARY, 5)],
        exports=[],
        balance=10,
        landed=landed.get,
        landed_ids=landed,
        now=NOW,  # type: ignore[arg-type]
    )
    is_same = planned == earlier
    assert whole.windows[0].but_for_blanks == (() if is_same else (bought,))
    assert (f"differ by blanks in the query only, such as {bought}" in table(whole)) is not is_same
    other = replace(before, query="cats AND fish")
    assert (
        plan(
            order, [(JANUARY, 5)], exports=[export(collector_id=collector_id_of(other))], balance=10, now=NOW
        )
        .windows[0]
        .but_for_blanks
        == ()
    )


def test_the_limit_bounds_the_price() -> None:
    """A window with more matches than its limit costs its limit, is marked, and may cost one batch more."""
    (window,) = january(expected=12_345).windows
    assert (window.credits, window.credits_at_most, window.meets_limit) == (10_000, 11_000, True)


@pytest.mark.parametrize(
    ("limit", "length", "advice"),
    [
        (
            10_000,
            {"months": 1},
            "Raise limit, up to 1,000,000; or split by week or day or hour; or narrow the",
        ),
        (1_000_000, {"days": 1}, "Split by hour; or narrow the query or the topics."),
        (1_000_000, {"hours": 1}, "Narrow the query or the topics."),
    ],
)
def test_advice_can_be_followed(limit: int, length: dict[str, int], advice: str) -> None:
    """What is at its maximum cannot be raised, and an hour cannot be split by the calendar."""
    window = Window(JANUARY.start, JANUARY.start.add(**length))
    found = plan(replace(ORDER, limit=limit), [(window, 1_500_000)], exports=[], balance=0, now=NOW)
    assert f"1 marked !: more matches than one export may bring. {advice}" in table(found)


def test_what_cannot_be_counted_is_priced_at_its_limit() -> None:
    """A stream's windows are priced at their limit, and the plan says so."""
    whole = january(expected=None)
    assert (whole.expected, whole.credits, whole.credits_at_most) == (None, 10_000, 11_000)
    assert "volume is unknown" in whole.uncertainty


def test_a_window_that_may_still_grow_says_so() -> None:
    """Results are indexed for days after they were published; a settled window costs what was counted."""
    settled = Window(NOW.subtract(days=8), NOW.subtract(days=7))
    growing = Window(NOW.subtract(days=7), NOW.subtract(days=6))
    found = plan(ORDER, [(settled, 50), (growing, 50)], exports=[], balance=100, now=NOW)
    assert [window.credits_at_most for window in found.windows] == [50, 11_000]
    assert "By the count it is 100 credits; it can be up to 10,950 more." in found.uncertainty


def test_a_planned_window_has_the_name_that_operators_use() -> None:
    """The collector of a window is that of an order of the same scope, window and limit."""
    (window,) = january().windows
    order = replace(ORDER, window=JANUARY)
    assert (window.collector_id, window.fingerprint) == (collector_id_of(order), fingerprint(order))


def test_twice_the_windows_and_exports_are_twice_the_work() -> None:
    """Not four times: each window is compared with the exports around it, and not with all; table and JSON included."""

    def plan_hours(hours: Sequence[Window]) -> None:
        bought = [collector_id_of(replace(ORDER, window=hour)) for hour in hours[: len(hours) // 2]]
        half_past = [Window(hour.start.add(minutes=30), hour.stop.add(minutes=30)) for hour in hours]
        elsewhere = [collector_id_of(replace(ORDER, window=it)) for it in half_past]
        exports = [export(collector_id=it) for it in (*bought, *elsewhere)]
        whole = plan(ORDER, [(hour, 5) for hour in hours], exports=exports, balance=50_000, now=NOW)
        assert whole.credits == (len(hours) - len(bought)) * 5
        assert len(table(whole).splitlines()) > len(hours)
        assert len(json.loads(json.dumps(whole.to_json()))["windows"]) == len(hours)

    hours = split(YEAR, "hour")
    assert calls_in(lambda: plan_hours(hours[:400])) < 2.5 * calls_in(lambda: plan_hours(hours[:200]))


def test_json_says_everything() -> None:
    """Scripts read the plan from JSON."""
    document = json.loads(json.dumps(january(export(), counting_credits=10).to_json()))
    assert document["windows"][0] | {"fingerprint": ""} == {
        "start": "2023-01-01T00:00:00Z",
        "stop": "2023-02-01T00:00:00Z",
        "collector_id": COLLECTOR,
        "fingerprint": "",
        "state": "readable",
        "export_id": "finished-1",
        "expected": 500,
        "limit": 10_000,
        "meets_limit": False,
        "credits": 0,
        "credits_at_most": 0,
        "overlaps": [],
        "but_for_blanks": [],
        "remainder_of": [],
        "remainder_windows": 0,
        "repeats": 0,
        "cumulative": 0,
        "balance_after": 100_000,
    }
    assert document["counting_credits"] == 10
    assert document["balance_after"] == 100_000


def test_the_table_shows_half_open_edges() -> None:
    """People see where a window begins and ends, what it costs, and what counting has cost."""
    months = split(YEAR, "month")[:2]
    text = table(
        plan(
            ORDER,
            [(months[0], 12_345), (months[1], None)],
            exports=[],
            balance=15_000,
            counting_credits=10,
            now=NOW,
        )
    )
    lines = text.splitlines()
    assert lines[1].split("  ")[0] == "[2023-01-01T00:00Z, 2023-02-01T00:00Z)"
    assert "new!" in lines[1]
    assert "12,345" in lines[1]
    assert "?" in lines[2]
    assert "Counting has cost 10 credits." in lines
    assert "Balance 15,000 credits, -5,000 after buying by the count." in lines
    assert lines[-1] == "It is surely enough for the first 1 of 2 windows only."


def test_edges_within_a_minute_are_shown() -> None:
    """A window that does not begin with a minute is not rounded to one."""
    start = pendulum.datetime(2024, 1, 1, 1, 30, 15)
    assert edges(Window(start, start.add(minutes=1))) == (
        "[2024-01-01T01:30:15.000000Z, 2024-01-01T01:31:15.000000Z)"
    )
