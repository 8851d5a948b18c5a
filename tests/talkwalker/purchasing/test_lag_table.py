"""However late the list shows an order, and however its first try ended, it is paid for once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.core.timing import Timing
from airflow_provider_twexport.exceptions import OrderUnconfirmedError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.purchasing.budget import NO_BUDGET, Budget
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.simulator_process import ROOT
from tests.talkwalker.purchasing.ordering import PATIENT, month_of
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.purchasing.buy_once import Purchase
    from tests.simulator_process import Simulator

# how much faster than in reality the table is played
FASTER = 20
NEVER = 86_400.0
SCALED = ("lock_settle", "lock_poll", "lock_valid", "lock_dead", "clock_skew", "budget_recheck")
ORDER = {"method": "POST", "path": "/export$"}


@dataclass(frozen=True)
class Table:
    """One export, ordered by two tries on a service whose list lags.

    :param timing: the real one, as much faster as the lag is.
    :param faster: by how much.
    """

    simulator: Simulator
    budget: Budget
    timing: Timing
    faster: float = FASTER

    def first_try_that_is_answered(self) -> None:
        """It has bought, and its task does not live to say so; another run begins at once."""
        assert not self.buy().adopted

    def first_try_that_is_not_answered(self) -> None:
        """The order arrives, its answer does not; a retry comes a second later."""
        self.simulator.faults({"match": ORDER, "fault": "lost_answer"})
        with suppress(OrderUnconfirmedError):
            self.buy()
        time.sleep(1 / self.faster)

    def first_try_that_is_killed(self) -> None:
        """It is killed with -9 between order and answer."""
        self.simulator.faults({"match": ORDER, "fault": "late_answer", "seconds": 5 * PATIENCE})
        budget = {"min_credits_left": self.budget.min_credits_left}
        scope = {"url": self.simulator.url, "token": self.simulator.token, "month": 0, "limit": 100}
        arguments = json.dumps(scope | {"project_id": self.simulator.project_id, "budget": budget})
        module = "tests.talkwalker.purchasing.ordering"
        with subprocess.Popen(
            [sys.executable, "-m", module, arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
            wait_until(lambda: self.simulator.ledger()["exports"])
            process.send_signal(signal.SIGKILL)

    def buy(self) -> Purchase:
        """Return the purchase of a try with a client of its own."""
        client = TalkwalkerClient(self.simulator.token, self.simulator.url, self.timing)
        order = month_of(0, self.simulator.project_id, 100)
        client.put_collector(collector_id_of(order))
        return buy_once(client, order, collector_id_of(order), budget=self.budget)


def faster(timing: Timing, factor: float) -> Timing:
    """Return how long orders wait for what, in less time; retries on the wire stay quick."""
    listed = tuple(each / factor for each in timing.order_listed)
    return replace(PATIENT, order_listed=listed, **{name: getattr(timing, name) / factor for name in SCALED})


@pytest.mark.slow
@pytest.mark.parametrize("budget", [NO_BUDGET, Budget(min_credits_left=0)], ids=["", "budget"])
@pytest.mark.parametrize("ending", ["is_answered", "is_not_answered", "is_killed"])
@pytest.mark.parametrize("lag", [5, 15, 60])
def test_a_list_that_lags_costs_nothing(
    lag: float, ending: str, budget: Budget, simulator: Simulator
) -> None:
    """The next try adopts as soon as the export can be seen: no ticket dies here, so nothing else ends its wait."""
    timing = replace(faster(Timing(), FASTER), lock_dead=NEVER, lock_patience=5 * PATIENCE)
    simulator.settings(list_delay_seconds=lag / FASTER, queue_seconds=3600)
    table = Table(simulator, budget, timing)
    getattr(table, f"first_try_that_{ending}")()
    purchase = table.buy()
    (bought,) = simulator.ledger()["exports"]
    assert (purchase.adopted, purchase.task.id, bought["status"]) == (True, bought["id"], "queued")
