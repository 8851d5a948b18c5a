"""Buying once, whatever happens between two calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    ExportExistsError,
    InsufficientCreditsError,
    OrderUnconfirmedError,
    ResultsExpiredError,
    ThrottledError,
    TransientError,
)
from airflow_provider_twexport.talkwalker.purchasing.budget import Budget
from airflow_provider_twexport.talkwalker.purchasing.buy_once import KnownExport, buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.service_clients import JANUARY, order
from tests.waiting import QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from tests.simulator_process import Simulator

__all__ = ["order"]

ORDERING = {"method": "POST", "path": "/export$"}


@pytest.fixture(autouse=True)
def box(client: TalkwalkerClient) -> None:
    """An empty collector."""
    client.put_collector("box")


def exports(simulator: Simulator) -> list[dict[str, Any]]:
    """Return what was ordered, by the simulator's own ledger."""
    exports: list[dict[str, Any]] = simulator.ledger()["exports"]
    return exports


def charged(simulator: Simulator) -> int:
    """Return what was paid, by the simulator's own ledger."""
    return int(simulator.ledger()["credits"]["charged_total"])


def test_the_second_time_nothing_is_bought(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The existing export is adopted."""
    first, second = buy_once(client, order, "box"), buy_once(client, order, "box")
    assert (first.adopted, second.adopted) == (False, True)
    assert first.task.id == second.task.id
    assert charged(simulator) == 1_000


def test_an_export_that_somebody_else_ordered_is_adopted(
    client: TalkwalkerClient, order: ExportOrder
) -> None:
    """It does not matter who started it."""
    theirs = client.create_export(order, "box")
    assert buy_once(client, order, "box").task.id == theirs.id


def test_a_lost_answer_costs_once(client: TalkwalkerClient, simulator: Simulator, order: ExportOrder) -> None:
    """An order whose answer never came is looked for before anything else."""
    simulator.faults({"match": ORDERING, "fault": "lost_answer"})
    bought = buy_once(client, order, "box")
    assert not bought.adopted
    assert [export["id"] for export in exports(simulator)] == [bought.task.id]
    assert charged(simulator) == 1_000


def test_an_order_that_never_arrived_is_not_repeated(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Where no export shows up, the try ends; the next one looks again, and buys."""
    simulator.faults({"match": ORDERING, "fault": "drop"})
    with pytest.raises(OrderUnconfirmedError, match="looks again before it buys"):
        buy_once(client, order, "box")
    assert exports(simulator) == []
    simulator.advance(QUICK.lock_dead)
    assert not buy_once(client, order, "box").adopted
    assert charged(simulator) == 1_000


def test_a_crash_right_after_ordering_costs_once(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The look after the order fails for good, as if the process had died: the next try adopts."""
    listing = {"method": "GET", "path": "/tasks/export$"}
    simulator.faults({"match": listing, "fault": "html", "skip": 2, "times": QUICK.retry.attempts})
    with pytest.raises(TransientError):
        buy_once(client, order, "box")
    assert buy_once(client, order, "box").adopted
    assert charged(simulator) == 1_000


def test_a_throttled_order_is_not_a_lost_answer(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """A throttled order surely did not arrive, so no export is looked for."""
    simulator.faults({"match": ORDERING, "fault": "error", "code": 8})
    with pytest.raises(ThrottledError):
        buy_once(client, order, "box")
    assert exports(simulator) == []


def test_an_account_without_credits_is_an_error_of_its_own(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """An empty account buys nothing, and the error says what to do."""
    simulator.settings(credits=0)
    with pytest.raises(InsufficientCreditsError, match="top up"):
        buy_once(client, order, "box")
    assert exports(simulator) == []


def test_an_export_that_was_ordered_without_the_lock_is_kept_and_ours_aborted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Somebody orders by hand right before us: whoever looks keeps the older export."""
    simulator.settings(queue_seconds=3600)
    theirs: list[str] = []
    purchase = buy_once(
        client, order, "box", before_buying=lambda: theirs.append(client.create_export(order, "box").id)
    )
    assert (purchase.adopted, [purchase.task.id]) == (True, theirs)
    assert sorted(export["status"] for export in exports(simulator)) == ["aborted", "queued"]


@pytest.mark.parametrize("status", ["failed", "aborted", "deleted"])
def test_a_lost_export_is_not_adopted(
    status: str, client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """What failed or was aborted gives nothing, so it is ordered again."""
    first = buy_once(client, order, "box")
    lost = {"fault": "status", "status": status, "export_id": first.task.id, "times": 9}
    simulator.faults(lost | {"match": {"path": "/tasks/export"}})
    assert buy_once(client, order, "box").task.id != first.task.id


def test_an_export_with_an_undocumented_status_counts_as_bought(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Where nobody knows what a status means, nothing is paid again."""
    buy_once(client, order, "box")
    simulator.faults(
        {"match": {"path": "/tasks/export"}, "fault": "status", "status": "paused_by_admin", "times": 9}
    )
    assert buy_once(client, order, "box").adopted


def test_fail_refuses_what_exists(client: TalkwalkerClient, simulator: Simulator, order: ExportOrder) -> None:
    """With if_exists='fail' an existing export is an error, and nothing is bought."""
    buy_once(client, order, "box")
    with pytest.raises(ExportExistsError, match="exists already"):
        buy_once(client, order, "box", if_exists="fail")
    assert charged(simulator) == 1_000


def test_recreate_pays_again_from_an_empty_collector(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """With if_exists='recreate' the old results go, and new ones are bought."""
    first = buy_once(client, order, "box")
    second = buy_once(client, order, "box", if_exists="recreate")
    assert not second.adopted
    assert charged(simulator) == 2_000
    records = [record for batch in client.drain("box", missing=lambda: 0) for record in batch.records]
    assert len(records) == 1_000
    assert not [record for record in records if first.task.id.encode() in record]


def test_recreate_does_not_pay_again_on_a_retry(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """What the first try of the same order bought is adopted by its second."""
    buy_once(client, order, "box")
    second = buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    third = buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    assert (second.adopted, third.adopted) == (False, True)
    assert third.task.id == second.task.id
    assert charged(simulator) == 2_000
    assert not buy_once(client, order, "box", if_exists="recreate", renewal="run 2").adopted


def test_recreate_pays_once_where_the_list_of_collectors_lags(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """An order leaves only when a retry can see that it does."""
    buy_once(client, order, "box")
    simulator.settings(collector_list_delay_seconds=0.2)
    second = buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    assert buy_once(client, order, "box", if_exists="recreate", renewal="run 1").task.id == second.task.id
    assert charged(simulator) == 2_000


@pytest.mark.parametrize("skew", [-600, 600])
def test_recreate_pays_once_whatever_the_service_takes_for_the_time(
    skew: int, client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The service's clock is compared with itself only, also where a try ends right after ordering."""
    simulator.settings(clock_skew_seconds=skew)
    buy_once(client, order, "box")
    listing = {"method": "GET", "path": "/tasks/export$"}
    simulator.faults({"match": listing, "fault": "html", "skip": 3, "times": QUICK.retry.attempts})
    with pytest.raises(TransientError):
        buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    for _ in range(3):
        assert buy_once(client, order, "box", if_exists="recreate", renewal="run 1").adopted
    assert charged(simulator) == 2_000


def test_a_recreation_that_broke_off_before_it_ordered_is_done_by_its_retry(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """What was there before is not mistaken for what the first try bought."""
    old = buy_once(client, order, "box")
    simulator.faults({"match": ORDERING, "fault": "error", "code": 9})
    with pytest.raises(InsufficientCreditsError):
        buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    again = buy_once(client, order, "box", if_exists="recreate", renewal="run 1")
    assert not again.adopted
    assert again.task.id != old.task.id


def test_recreate_aborts_what_still_runs(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """An export that would keep costing is aborted before its successor is ordered."""
    simulator.settings(queue_seconds=3600)
    buy_once(client, order, "box")
    buy_once(client, order, "box", if_exists="recreate")
    assert [export["status"] for export in exports(simulator)] == ["aborted", "queued"]


def test_forgotten_results_are_not_bought_again_silently(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """After 7 days the results are gone: an error says so, and how to buy them again."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    first = buy_once(client, order, "box")
    simulator.control("time", {"offset_seconds": 0})
    with pytest.raises(ResultsExpiredError, match=r"1,000 results.*7 days.*if_exists='recreate'") as raised:
        buy_once(client, order, "box")
    assert first.task.id in str(raised.value)
    assert charged(simulator) == 1_000
    assert not buy_once(client, order, "box", if_exists="recreate").adopted


def test_what_can_be_read_after_all_is_adopted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """An export that ran for hours keeps its last results longer than 7 days after its order."""
    simulator.settings(retention_days=30)
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    first = buy_once(client, order, "box")
    client.get_export(first.task.id)  # it ends then, and not when the time is set back
    simulator.control("time", {"offset_seconds": 0})
    purchase = buy_once(client, order, "box")
    assert (purchase.adopted, purchase.task.id, charged(simulator)) == (True, first.task.id, 1_000)


def test_an_export_of_a_window_that_had_not_settled_is_not_adopted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Whether the list shows it or only its landing is known; the error says why, and nothing is bought."""
    now = pendulum.now("UTC").start_of("minute")
    recent = replace(order, window=Window(now.subtract(days=2), now.subtract(hours=1)))
    first = buy_once(client, recent, "box")
    assert buy_once(client, recent, "box", settle=timedelta(minutes=30)).adopted
    with pytest.raises(
        ExportExistsError, match=r"settles until .*, so it lacks what was indexed later"
    ) as refused:
        buy_once(client, recent, "box", settle=timedelta(hours=6))
    assert refused.value.facts["export_id"] == first.task.id
    simulator.faults(GONE)
    landed = KnownExport("forgotten", landed="file:///landed", ordered_at=now)
    with pytest.raises(ExportExistsError, match="settles until"):
        buy_once(client, recent, "other", settle=timedelta(hours=6), known_exports=lambda: [landed])
    assert len(exports(simulator)) == 1


def test_the_newest_export_decides_what_is_readable(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """What a recreation bought is adopted, also when the export that it replaced is forgotten."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    buy_once(client, order, "box")
    simulator.control("time", {"offset_seconds": -86_400})
    second = buy_once(client, order, "box", if_exists="recreate")
    simulator.control("time", {"offset_seconds": 0})
    adopted = buy_once(client, order, "box")
    assert (adopted.adopted, adopted.task.id) == (True, second.task.id)
    assert charged(simulator) == 2_000


def test_what_was_recreated_at_once_is_not_a_duplicate(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Two exports moments apart, but the collector was emptied between them: the newer is what it holds."""
    buy_once(client, order, "box")
    second = buy_once(client, order, "box", if_exists="recreate")
    assert buy_once(client, order, "box").task.id == second.task.id


def test_a_run_that_sees_two_duplicates_keeps_the_older(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The younger one is about to be aborted, so a third run must not adopt it."""
    older, _ = client.create_export(order, "box"), client.create_export(order, "box")
    assert buy_once(client, order, "box").task.id == older.id


def test_what_prevents_buying_prevents_it(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """A check that raises right before the order leaves no trace at the service."""

    def refuse() -> None:
        raise InsufficientCreditsError("No.")

    with pytest.raises(InsufficientCreditsError):
        buy_once(client, order, "box", before_buying=refuse)
    assert exports(simulator) == []


def test_orders_go_out_in_epoch_milliseconds(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Dates as text leave the time zone to guess; numbers do not."""
    buy_once(client, order, "box")
    (export,) = exports(simulator)
    assert export["start"] == JANUARY.start.int_timestamp * 1000
    assert export["stop"] == JANUARY.stop.int_timestamp * 1000


GONE = {"match": {"method": "GET", "path": "/tasks/export/."}, "fault": "error", "code": 15, "http": 404}


def test_an_export_that_the_list_has_forgotten_is_adopted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The list is called recent; what others remember is asked for by its id."""
    first = buy_once(client, order, "box")
    simulator.settings(list_keeps=0)
    known = KnownExport(first.task.id, limit=1_000)
    again = buy_once(client, order, "box", known_exports=lambda: [known])
    assert (again.adopted, again.task.id, again.landed) == (True, first.task.id, None)
    assert len(exports(simulator)) == 1


def test_a_landing_of_an_export_that_is_gone_is_adopted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Nothing is read again, and nothing is bought."""
    simulator.settings(list_keeps=0)
    simulator.faults(GONE)
    known = KnownExport("forgotten", limit=300, landed="file:///landed/_manifest.json")
    purchase = buy_once(client, order, "box", known_exports=lambda: [known])
    assert (purchase.adopted, purchase.task.id, purchase.limit) == (True, "forgotten", 300)
    assert purchase.landed == "file:///landed/_manifest.json"
    assert exports(simulator) == []


def test_a_landing_of_an_export_that_expired_is_adopted(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """After 7 days the results are gone, and all of them have landed."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    first = buy_once(client, order, "box")
    simulator.control("time", {"offset_seconds": 0})
    known = KnownExport(first.task.id, landed="file:///landed/_manifest.json")
    purchase = buy_once(client, order, "box", known_exports=lambda: [known])
    assert (purchase.adopted, purchase.landed) == (True, known.landed)


def test_an_export_that_is_gone_and_has_not_landed_is_an_error(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """It was paid for, so it is not silently bought again; the error says what landed."""
    simulator.faults(GONE)
    known = KnownExport("forgotten", extent="Landed at here: 5 results, incomplete.")
    with pytest.raises(ResultsExpiredError, match=r"5 results, incomplete.*if_exists='recreate'"):
        buy_once(client, order, "box", known_exports=lambda: [known])
    assert exports(simulator) == []
    assert not buy_once(client, order, "box", if_exists="recreate", known_exports=lambda: [known]).adopted


@pytest.mark.parametrize("name", [None, "mine"])
def test_an_export_keeps_the_limit_that_it_was_ordered_with(
    name: str | None, client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Ordered with another limit than its collector's name says, if any, it is adopted with that limit for 7 days."""
    name = name or collector_id_of(order)
    client.put_collector(name)
    buy_once(client, replace(order, limit=300), name)
    simulator.advance(6 * 86_400)
    client.put_collector("other")
    buy_once(client, order, "other", budget=Budget(min_credits_left=0))
    adopted = buy_once(client, order, name)
    assert (adopted.adopted, adopted.limit) == (True, 300)
