"""Budgets: not one credit above them, not one order less than they allow, whoever orders at the same moment."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.exceptions import (
    BudgetExceededError,
    InsufficientCreditsError,
    InvalidRequestError,
    LockTimeoutError,
    OrderUnconfirmedError,
)
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.purchasing.budget import Budget, Reservation
from airflow_provider_twexport.talkwalker.purchasing.buy_once import Purchase, buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of, short_hash
from airflow_provider_twexport.talkwalker.purchasing.order_lock import OrderLock
from tests.at_once import run_at_once
from tests.talkwalker.purchasing.ordering import month_of
from tests.talkwalker.purchasing.ordering import order as order_month
from tests.waiting import PATIENCE, QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from tests.simulator_process import Simulator

ORDERING = {"method": "POST", "path": "/export$"}
NOTHING_BELOW_0 = Budget(min_credits_left=0)


def buy(client: TalkwalkerClient, order: ExportOrder, budget: Budget, **how: Any) -> Purchase:
    """Buy into the collector that the order names."""
    client.put_collector(collector_id_of(order))
    return buy_once(client, order, collector_id_of(order), budget=budget, **how)


def months(simulator: Simulator, limit: int, count: int = 12) -> list[ExportOrder]:
    """Return the orders of a year's months."""
    return [month_of(number, simulator.project_id, limit) for number in range(count)]


def arguments(simulator: Simulator, month: int, limit: int, **budget: Any) -> dict[str, Any]:
    """Return the arguments of a process that orders a month."""
    scope = {"url": simulator.url, "token": simulator.token, "project_id": simulator.project_id}
    return scope | {"month": month, "limit": limit, "budget": budget}


def order_in_processes(orders: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    """Start a process for each, let them all order at the same moment, and return what became of it."""
    answers = run_at_once(
        "tests.talkwalker.purchasing.ordering", ([json.dumps(each), *options] for each in orders)
    )
    return [json.loads(answer) for answer in answers if answer]


def order_in_threads(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let as many threads order at the same moment, and return what became of it."""
    outcomes: list[dict[str, Any]] = []
    go = threading.Barrier(len(orders))

    def run(each: dict[str, Any]) -> None:
        go.wait()
        outcomes.append(order_month(**each | {"budget": Budget(**each["budget"])}))

    threads = [threading.Thread(target=run, args=(each,)) for each in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    return outcomes


def bought(simulator: Simulator) -> list[dict[str, Any]]:
    """Return the exports that were not aborted, by the simulator's own ledger."""
    return [export for export in simulator.ledger()["exports"] if export["status"] != "aborted"]


def registers(client: TalkwalkerClient, kind: str) -> list[str]:
    """Return the collectors that are lock tickets or reservations."""
    return [each.id for each in client.list_collectors() if each.id.startswith(f"twx-{kind}-")]


@pytest.mark.slow
def test_twelve_processes_buy_down_to_the_minimum_and_a_top_up_buys_the_others(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """The acceptance: 10,000 credits, 12 months of 2,000, all at once, while none has exported anything yet."""
    simulator.settings(credits=10_000, queue_seconds=3600)
    orders = [arguments(simulator, month, 2_000, min_credits_left=1_000) for month in range(12)]
    outcomes = order_in_processes(orders)
    refused = [outcome["message"] for outcome in outcomes if "error" in outcome]
    assert Counter(outcome.get("error") for outcome in outcomes) == {None: 4, "BudgetExceededError": 8}
    assert all(
        re.search(
            "may cost 2,000 credits, 10,000 are left, of which 4 running exports may still use 8,000, "
            "and min_credits_left=1,000 must stay: 1,000 are missing",
            message,
        )
        for message in refused
    )
    simulator.settings(queue_seconds=0)
    client.list_exports()
    assert simulator.ledger()["credits"]["remaining"] == 2_000

    simulator.settings(credits=1_000_000)
    again = order_in_processes(orders)
    assert Counter(outcome.get("adopted") for outcome in again) == {True: 4, False: 8}
    assert simulator.ledger()["credits"]["charged_total"] == 12 * 2_000
    assert registers(client, "lock") == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 4, 6, 10, 29])
def test_whatever_goes_wrong_the_budget_is_kept_and_used(
    seed: int, client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Slow and lost answers, throttling and broken proxies, while exports keep charging, change nothing."""
    chance = random.Random(seed)
    limit, least, credits_there = chance.choice([700, 1_500, 2_000]), chance.choice([0, 1, 900]), 10_000
    simulator.settings(
        credits=credits_there,
        queue_seconds=chance.choice([0, 0.3, 3600]),
        results_per_second=chance.choice([None, 500]),
    )
    simulator.faults(*[_trouble(chance) for _ in range(25)])
    outcomes = order_in_threads(
        [arguments(simulator, month, limit, min_credits_left=least) for month in range(12)]
    )
    errors = Counter(outcome.get("error") for outcome in outcomes)
    affordable = min((credits_there - least) // limit, 12)
    assert errors == Counter({None: affordable, "BudgetExceededError": 12 - affordable}), outcomes
    simulator.control("faults", method="DELETE")
    simulator.settings(queue_seconds=0, results_per_second=None)
    client.list_exports()
    assert simulator.ledger()["credits"]["remaining"] == credits_there - affordable * limit
    assert [export["status"] for export in bought(simulator)] == ["result_limit_reached"] * affordable


def _trouble(chance: random.Random) -> dict[str, Any]:
    lists = {
        "method": "GET",
        "path": chance.choice(["/tasks/export$", "/stream/info", "/credits", "/c/twx-"]),
    }
    writes = {"method": chance.choice(["PUT", "DELETE"]), "path": "/c/twx-"}
    return chance.choice(
        [
            {"match": ORDERING, "fault": "lost_answer"},
            {"match": ORDERING, "fault": "delay", "seconds": 0.3},
            {"match": lists, "fault": "delay", "seconds": 0.2},
            {"match": lists, "fault": "error", "code": 8},
            {"match": lists, "fault": "html"},
            {"match": writes, "fault": "lost_answer"},
            {"match": writes, "fault": "delay", "seconds": 0.2},
            {"match": writes, "fault": "drop"},
        ]
    ) | {"skip": chance.randrange(20), "times": 1}


def test_a_smaller_order_goes_through_where_a_larger_one_is_refused(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A refused order leaves neither a ticket nor a reservation."""
    simulator.settings(credits=1_000, queue_seconds=3600)
    large, small = months(simulator, 1_001, 1)[0], months(simulator, 1_000, 1)[0]
    with pytest.raises(BudgetExceededError, match="1 are missing"):
        buy(client, large, NOTHING_BELOW_0)
    assert registers(client, "lock") == registers(client, "reservation") == []
    assert not buy(client, small, NOTHING_BELOW_0).adopted


@pytest.mark.slow
def test_a_process_that_is_killed_with_the_lock_blocks_the_others_for_minutes_only(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Nobody knows for a while whether it has ordered; then its ticket is dead, and its reservation does not count."""
    simulator.settings(credits=2_000, queue_seconds=3600)
    assert (
        order_in_processes([arguments(simulator, 0, 2_000, min_credits_left=0)], "--die-before-buying") == []
    )
    assert (len(registers(client, "lock")), len(registers(client, "reservation"))) == (2, 1)
    other = months(simulator, 2_000)[1]
    client.timing = replace(QUICK, lock_patience=0)
    with pytest.raises(LockTimeoutError, match="1 other orders on this account still have to finish"):
        buy(client, other, NOTHING_BELOW_0)
    simulator.advance(QUICK.lock_dead)
    assert not buy(client, other, NOTHING_BELOW_0).adopted
    (left,) = registers(client, "lock")  # of the other collector, where nobody orders now
    assert left.startswith(f"twx-lock-{short_hash(collector_id_of(months(simulator, 2_000)[0]))}-")
    assert len(bought(simulator)) == 1


@pytest.mark.slow
def test_an_order_with_an_unknown_outcome_keeps_the_lock(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """After a lost order that has not shown up, others wait; what it bought after all would not be counted."""
    first, second, *_ = months(simulator, 500)
    simulator.faults({"match": ORDERING, "fault": "drop"})
    with pytest.raises(OrderUnconfirmedError, match="looks again before it buys"):
        buy(client, first, NOTHING_BELOW_0)
    client.timing = replace(QUICK, lock_patience=0)
    with pytest.raises(LockTimeoutError, match="still have to finish"):
        buy(client, second, NOTHING_BELOW_0)
    simulator.advance(QUICK.lock_dead)
    assert not buy(client, first, NOTHING_BELOW_0).adopted
    assert len(bought(simulator)) == 1


def test_a_ticket_settles_before_the_queue_is_read(simulator: Simulator) -> None:
    """Whoever wrote an older ticket at the same moment has all of ``lock_settle`` to be seen."""
    settle = 0.7
    client = TalkwalkerClient(simulator.token, simulator.url, replace(QUICK, lock_settle=settle))
    with OrderLock(client, "twx-settling"):
        requests = simulator.control("ledger")["requests"]
    created, read = (
        next(each for each in requests if each["method"] == method and re.search(path, each["path"]))
        for method, path in (("PUT", r"/twx-lock-[^/]+$"), ("GET", r"/stream/info$"))
    )
    assert read["at"] - created["at"] >= settle


def test_a_refused_order_releases_the_lock(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Where the service says no, it is sure that nothing was bought."""
    simulator.faults({"match": ORDERING, "fault": "error", "code": 9})
    with pytest.raises(InsufficientCreditsError, match="no credits left"):
        buy(client, months(simulator, 500)[0], NOTHING_BELOW_0)
    assert registers(client, "lock") == []


def test_an_order_that_took_too_long_to_get_ready_takes_the_lock_again(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Others may already treat its ticket as dead, so nothing is ordered with it."""
    tickets: list[str] = []

    def age() -> None:
        tickets.extend(registers(client, "lock"))
        client.timing = QUICK

    client.timing = replace(QUICK, lock_valid=0)
    assert not buy(client, months(simulator, 500)[0], NOTHING_BELOW_0, before_buying=age).adopted
    assert len(set(tickets)) == 4  # of the account and of the collector, twice
    assert len(bought(simulator)) == 1


def test_tickets_that_wait_too_long_go_to_the_end_of_the_queue(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A task that waits replaces its ticket, and gets the lock all the same."""
    renewing = replace(QUICK, lock_settle=0, lock_poll=0.01, lock_valid=0.1)
    seen: set[str] = set()

    def wait() -> None:
        with OrderLock(TalkwalkerClient(simulator.token, simulator.url, renewing)):
            pass

    with OrderLock(client) as first:
        second = threading.Thread(target=wait)
        second.start()
        while len(seen) < 3:
            seen |= {each for each in registers(client, "lock") if each != first.id}
    second.join(timeout=PATIENCE)
    assert not second.is_alive()
    assert registers(client, "lock") == []


def test_the_same_order_twice_is_bought_once_without_an_abort(simulator: Simulator) -> None:
    """Of duplicate orders under a budget the younger finds, once it has the lock, what the older has bought."""
    simulator.settings(credits=1_000, queue_seconds=3600)
    outcomes = order_in_threads([arguments(simulator, 0, 1_000, min_credits_left=0)] * 3)
    assert sorted(str(outcome.get("adopted")) for outcome in outcomes) == ["False", "True", "True"]
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["queued"]


def test_what_running_exports_have_used_is_not_reserved_twice(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Half of the first export is charged already; what remains of it is reserved, and no more."""
    simulator.settings(credits=3_000, queue_seconds=0, results_per_second=0)
    first, second, third, *_ = months(simulator, 1_000)
    buy(client, first, NOTHING_BELOW_0)
    simulator.settings(results_per_second=10)
    simulator.advance(50)
    simulator.settings(results_per_second=0)
    buy(client, second, NOTHING_BELOW_0)
    charged = simulator.ledger()["credits"]["charged_total"]
    assert 400 < charged < 600
    with pytest.raises(
        BudgetExceededError, match=r"of which 2 running exports may still use .*: 1 are missing"
    ):
        buy(client, third, Budget(min_credits_left=1))
    assert not buy(client, third, NOTHING_BELOW_0).adopted


def test_an_export_that_brought_less_than_its_limit_frees_the_difference(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """An ended export counts with what it has exported."""
    simulator.settings(credits=100_000)
    first, second, *_ = months(simulator, 99_000)
    buy(client, first, NOTHING_BELOW_0)
    left = simulator.ledger()["credits"]["remaining"]
    assert 1_000 < left < 99_000
    assert not buy(client, replace(second, limit=left), NOTHING_BELOW_0).adopted


def test_exports_that_others_started_count_with_all_they_can_bring(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """The service does not report their limit, so the error names them."""
    simulator.settings(credits=100_000, queue_seconds=3600)
    client.put_collector("theirs")
    first, second, *_ = months(simulator, 1_000)
    theirs = client.create_export(first, "theirs")
    with pytest.raises(BudgetExceededError, match=rf"is unknown.*{theirs.id} into theirs \(1,000,000\)"):
        buy(client, second, NOTHING_BELOW_0)
    simulator.settings(queue_seconds=0, results_per_second=500)
    simulator.advance(1)
    simulator.settings(results_per_second=0)
    assert not buy(client, second, NOTHING_BELOW_0).adopted  # its progress implies how many match


@pytest.mark.slow
def test_a_day_has_its_budget(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Ended exports count with their cost, running ones with their limit, and only on the day they were ordered."""
    simulator.control("time", {"offset_seconds": _until_noon()})
    day = Budget(max_credits_per_day=2_500)
    first, second, third, fourth, *_ = months(simulator, 1_000)
    buy(client, first, day)
    simulator.settings(queue_seconds=3600)
    buy(client, second, day)
    with pytest.raises(
        BudgetExceededError,
        match=r"2 exports have cost 1,000 and may still cost 1,000, and max_credits_per_day=2,500: 500 are missing",
    ):
        buy(client, third, day)
    assert not buy(client, replace(third, limit=500), day).adopted
    simulator.advance(86_400)
    assert not buy(client, fourth, day).adopted


def _until_noon() -> float:
    return (pendulum.now("UTC").at(12) - pendulum.now("UTC")).total_seconds()


def test_a_run_has_its_budget_until_it_is_over(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Other runs do not count; the day of the order does not matter, nor whether the export has ended."""
    first, second, third, *_ = months(simulator, 1_000)
    run, other = (
        Budget(max_credits_per_run=1_500, run="dag monday"),
        Budget(max_credits_per_run=1_500, run="dag tuesday"),
    )
    buy(client, first, run)
    simulator.advance(2 * 86_400)
    assert not buy(client, second, other).adopted
    with pytest.raises(BudgetExceededError, match=r"this run's 1 exports have cost 1,000.*500 are missing"):
        buy(client, third, run)
    assert buy(client, first, run).adopted


@pytest.mark.slow
def test_twelve_orders_of_one_run_keep_to_its_budget(simulator: Simulator) -> None:
    """At the same moment, each in its own thread, while nothing has been exported."""
    simulator.settings(queue_seconds=3600)
    orders = [
        arguments(simulator, month, 1_000, max_credits_per_run=3_999, run="dag monday") for month in range(12)
    ]
    outcomes = order_in_threads(orders)
    assert Counter(outcome.get("error") for outcome in outcomes) == {None: 3, "BudgetExceededError": 9}


@pytest.mark.slow
def test_reservations_are_removed_when_nobody_needs_them(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """They go after a week, as long as results can be adopted; those of running exports stay."""
    first, second, third, fourth, fifth, *_ = months(simulator, 100)
    buy(client, first, NOTHING_BELOW_0)
    buy(client, second, Budget(max_credits_per_run=500, run="dag monday"))
    simulator.settings(queue_seconds=86_400 * 30)
    buy(client, third, NOTHING_BELOW_0)
    assert len(registers(client, "reservation")) == 3
    simulator.advance(86_400)
    buy(client, fourth, NOTHING_BELOW_0)
    assert len(registers(client, "reservation")) == 4
    simulator.advance(86_400 * 7)
    buy(client, fifth, NOTHING_BELOW_0)
    left = filter(None, map(Reservation.from_collector_id, registers(client, "reservation")))
    assert {reservation.collector_hash for reservation in left} == {
        short_hash(collector_id_of(it)) for it in (third, fourth, fifth)
    }


def test_recreating_keeps_to_the_budget_before_it_clears_away(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A refused recreation leaves the results that are there."""
    simulator.settings(credits=1_500)
    (first,) = months(simulator, 1_000, 1)
    old = buy(client, first, NOTHING_BELOW_0)
    with pytest.raises(BudgetExceededError, match="500 are missing"):
        buy(client, first, NOTHING_BELOW_0, if_exists="recreate")
    assert buy(client, first, NOTHING_BELOW_0).task.id == old.task.id
    simulator.settings(credits=1_000)
    new = buy(client, first, NOTHING_BELOW_0, if_exists="recreate")
    assert not new.adopted
    assert buy(client, first, NOTHING_BELOW_0).task.id == new.task.id


def test_whoever_adopts_takes_no_lock(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Two lists are all that it takes, with and without a budget; without one, the account is not asked for credits."""
    (first,) = months(simulator, 100, 1)
    buy(client, first, Budget(run="dag monday"))
    asked = len(simulator.ledger()["requests"])
    for budget in (Budget(run="dag monday"), NOTHING_BELOW_0):
        assert buy_once(client, first, collector_id_of(first), budget=budget).adopted
    calls = [(call["method"], call["path"]) for call in simulator.ledger()["requests"]]
    assert calls[asked:] == [("GET", "/api/v3/stream/info"), ("GET", "/api/v3/tasks/export")] * 2
    assert not [path for _, path in calls if "/credits" in path]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"min_credits_left": -1}, "min_credits_left=-1 is negative"),
        ({"max_credits_per_day": -5_000}, "max_credits_per_day=-5,000 is negative"),
        ({"max_credits_per_run": 5}, "needs a run"),
    ],
)
def test_an_impossible_budget_is_refused(numbers: dict[str, Any], words: str) -> None:
    """Each mistake has its own sentence."""
    with pytest.raises(InvalidRequestError, match=words):
        Budget(**numbers)


def test_reservations_are_names_that_the_service_accepts() -> None:
    """At most 64 lower-case letters, digits and hyphens, and reading them gives what was written."""
    for run in (None, short_hash("dag monday")):
        reservation = Reservation(
            1_000_000, run, short_hash("box"), pendulum.datetime(2026, 11, 22, 1, 2, 3, 456_000)
        )
        assert re.fullmatch("[a-z][a-z0-9-]{1,63}", reservation.collector_id)
        assert Reservation.from_collector_id(reservation.collector_id) == reservation
    assert Reservation.from_collector_id("twx-reservation-of-mine") is None
