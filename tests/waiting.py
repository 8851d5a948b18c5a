"""How long tests wait for what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.core.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

# seconds: five times what anything that is waited for takes on a quiet machine, so that none fails on a busy one
PATIENCE = 120.0

# all that the product waits for, without the long waits
QUICK = Timing(
    retry=Retry(attempts=4, first_wait=0.01, throttled_wait=0.05, throttled_for=5.0),
    order_listed=(0.0, 0.1, 0.2),
    lock_settle=0.1,
    lock_poll=0.1,
    clock_skew=0.2,
    budget_recheck=1.5,
    idle_read=0.5,
    second_read=0.1,
    requests_per_second=100_000,
    overload=(0.01, 0.01),
    histograms_per_minute=100_000,
    global_histograms_per_minute=100_000,
    connects_per_minute=100_000,
    replays_per_minute=100_000,
    reconnect_network=0.01,
    reconnect_refused=0.05,
    reconnect_throttled=0.05,
    token_accepted=(0.0, 0.01, 0.01),
    batch_ready=(0.01, 0.01),
)


def wait_until(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Return what ``condition`` returns as soon as that is true.

    :param condition: is called again and again.
    :param timeout: seconds after which the test fails.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s"
        time.sleep(0.05)
    return value
