"""Buying once where the service's list shows an export late, or never, or dates in whole seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.exceptions import BudgetExceededError, LockTimeoutError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.purchasing.budget import Budget
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    collector_id_of,
    is_helper,
    window_in,
)
from airflow_provider_twexport.talkwalker.purchasing.receipts import Receipt
from tests.simulator_process import ROOT
from tests.talkwalker.purchasing.ordering import PATIENT, month_of
from tests.waiting import PATIENCE, QUICK, wait_until

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.purchasing.buy_once import Purchase
    from tests.simulator_process import Simulator

DAY = 86_400
NEVER = DAY
PAIRS = 6
MANY_PAIRS = 100


def helpers(client: TalkwalkerClient, kind: str) -> list[str]:
    """Return the notes of orders of one kind."""
    return [each.id for each in client.list_collectors() if each.id.startswith(f"twx-{kind}-")]


def buy(client: TalkwalkerClient, order: ExportOrder) -> Purchase:
    """Order into the collector that is named by its content."""
    client.put_collector(collector_id_of(order))
    return buy_once(client, order, collector_id_of(order))


def buy_in_pairs(simulator: Simulator, pairs: int, **timing: Any) -> list[Purchase]:
    """Let two place each order at the same moment, each with a client of its own."""
    go, bought = threading.Barrier(2 * pairs), []

    def buy_one(number: int) -> None:
        client = TalkwalkerClient(simulator.token, simulator.url, replace(PATIENT, **timing))
        order = month_of(number % 24, simulator.project_id, 100 + number // 24)
        client.put_collector(collector_id_of(order))
        go.wait()
        bought.append(buy_once(client, order, collector_id_of(order)))

    threads = [threading.Thread(target=buy_one, args=(number // 2,)) for number in range(2 * pairs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    return bought


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pairs", "settings", "timing"),
    [
        (PAIRS, {}, {}),
        (MANY_PAIRS, {"whole_second_dates": True, "storage_seconds": 0.2}, {"lock_settle": 1.2}),
        (PAIRS, {"list_delay_seconds": NEVER}, {}),
        (PAIRS, {"list_delay_seconds": 0.2, "whole_second_dates": True}, {"lock_settle": 1.2}),
        (PAIRS, {"list_delay_seconds": NEVER, "collector_list_delay_seconds": 0.2}, {}),
        (MANY_PAIRS, {"list_keeps": 1, "list_delay_seconds": 0.2, "collector_list_delay_seconds": 0.2}, {}),
        (MANY_PAIRS, {"list_keeps": 2}, {}),
        (MANY_PAIRS, {"list_keeps": 3}, {}),
    ],
)
def test_two_at_the_same_moment_pay_once(
    pairs: int,
    settings: dict[str, Any],
    timing: dict[str, Any],
    client: TalkwalkerClient,
    simulator: Simulator,
) -> None:
    """One of each pair buys, the other adopts, and nothing is aborted; without a budget, too."""
    simulator.settings(queue_seconds=3600, **settings)
    bought = buy_in_pairs(simulator, pairs, **timing)
    assert sorted(purchase.adopted for purchase in bought) == [False] * pairs + [True] * pairs
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["queued"] * pairs
    assert {purchase.task.id for purchase in bought} == {
        export["id"] for export in simulator.ledger()["exports"]
    }
    assert helpers(client, "lock") == []


def test_an_export_that_is_not_listed_yet_is_adopted_at_once(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A receipt says that it was bought."""
    simulator.settings(list_delay_seconds=60)
    order = month_of(0, simulator.project_id, 100)
    first = buy(client, order)
    assert buy(client, order).task.id == first.task.id
    simulator.advance(61)
    assert buy(client, order).task.id == first.task.id
    assert len(helpers(client, "order")) == 1
    assert helpers(client, "lock") == []
    assert len(simulator.ledger()["exports"]) == 1


def test_an_export_that_the_list_has_forgotten_is_adopted(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Also one that was bought elsewhere: whoever adopts it leaves the receipt that it lacks."""
    order = month_of(0, simulator.project_id, 100)
    client.put_collector(collector_id_of(order))
    bought = client.create_export(order, collector_id_of(order))
    assert buy(client, order).task.id == bought.id
    simulator.settings(list_keeps=0)
    again = buy(client, order)
    assert (again.adopted, again.task.id) == (True, bought.id)
    assert len(simulator.ledger()["exports"]) == 1


def test_a_receipt_is_kept_as_long_as_results_are(client: TalkwalkerClient, simulator: Simulator) -> None:
    """It goes when the next order finds that its export is older than 7 days."""
    buy(client, month_of(0, simulator.project_id, 100))
    simulator.advance(6 * DAY)
    buy(client, month_of(1, simulator.project_id, 100))
    assert len(helpers(client, "order")) == 2
    simulator.advance(2 * DAY + 1)
    buy(client, month_of(2, simulator.project_id, 100))
    assert len(helpers(client, "order")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("list_shows", [{"list_delay_seconds": NEVER}, {"list_keeps": 1}])
def test_a_budget_counts_what_is_not_listed(
    list_shows: dict[str, Any], client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Not yet, or no longer: orders follow each other without a wait, and not one credit is spent twice."""
    simulator.settings(credits=250, queue_seconds=3600, collector_list_delay_seconds=0.2, **list_shows)
    for number in range(3):
        order = month_of(number, simulator.project_id, 100)
        name = collector_id_of(order)
        client.put_collector(name)
        if number < 2:
            assert not buy_once(client, order, name, budget=Budget(min_credits_left=0)).adopted
        else:
            with pytest.raises(BudgetExceededError, match="50 are missing"):
                buy_once(client, order, name, budget=Budget(min_credits_left=0))
    assert len(simulator.ledger()["exports"]) == 2


@pytest.mark.slow
def test_a_kill_between_order_and_answer_costs_once(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Nobody knows of the export but the ticket: others wait for it, and adopt as soon as the list shows it."""
    simulator.settings(list_delay_seconds=60, queue_seconds=3600)
    simulator.faults(
        {"match": {"method": "POST", "path": "/export$"}, "fault": "late_answer", "seconds": 300}
    )
    scope = {"url": simulator.url, "token": simulator.token, "project_id": simulator.project_id}
    arguments = json.dumps(scope | {"month": 0, "limit": 100, "budget": {}})
    module = "tests.talkwalker.purchasing.ordering"
    with subprocess.Popen(
        [sys.executable, "-m", module, arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        (export,) = wait_until(lambda: simulator.ledger()["exports"])
        process.send_signal(signal.SIGKILL)
    order = month_of(0, simulator.project_id, 100)
    client.timing = replace(QUICK, lock_patience=0.5)
    with pytest.raises(LockTimeoutError, match="other orders into collector"):
        buy_once(client, order, collector_id_of(order))
    waiting = threading.Timer(1.0, simulator.advance, (61,))
    waiting.start()
    client.timing = QUICK
    purchase = buy_once(client, order, collector_id_of(order))
    waiting.join()
    assert (purchase.adopted, purchase.task.id) == (True, export["id"])
    assert len(simulator.ledger()["exports"]) == 1


def test_notes_of_orders_are_told_from_collectors_that_hold_results() -> None:
    """Also where a project is called like them."""
    receipt = Receipt("0123456789", "261128", "11111111-2222-4333-8444-555555555555").collector_id
    assert len(receipt) <= 64
    assert is_helper(receipt)
    for name in (
        "twx-order-20240101-20240201-6dd2d4caa3",
        "twx-lock-0123456789-20240101-20240201-6dd2d4caa3",
    ):
        assert window_in(name)
        assert not is_helper(name)
        assert Receipt.from_collector_id(name) is None
