"""How long everything waits for what, as one value: tests pass a quick one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.rate_limit import REQUESTS_PER_SECOND
from airflow_provider_twexport.core.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits of a client and of all that uses it, in seconds; a tuple has the wait before each look or try.

    :param retry: how a call that may be repeated is retried.
    :param order_listed: before each look for a new order in the service's list of orders.
    :param lock_settle: after a lock ticket is put, before the queue is read; more than the unit of creation dates.
    :param lock_poll: between two looks at the queue, times the tickets ahead, at most 10.
    :param lock_valid: how long after a ticket is put its order may be sent.
    :param lock_dead: when others may remove a ticket: ``lock_valid``, the longest request (60), a list that lags (90),
        and clocks that differ (15), together.
    :param lock_patience: how long to stay in the queue at most.
    :param clock_skew: by how much the nodes of a service may disagree about the time.
    :param budget_recheck: between two looks at an account on which an order fits by less than others are being charged.
    :param idle_read: how long an open read may make no progress before the client ends it.
    :param read_stalled: how long a read may bring no result, though offsets change, before it fails.
    :param second_read: between a read that brought too few results and the next one.
    :param requests_per_second: how many searches may be sent in any second.
    :param search_response: how long a search may take to respond.
    :param overload: before each next try of a search that overloads the service; the vendor asks for one try shortly
        after, then four failures in a row with ten minutes between them.
    :param clock: the time, in epoch seconds, by which a stream is read.
    :param histograms_per_minute: how many histograms of projects a service takes, from all processes of this machine.
    :param global_histograms_per_minute: likewise outside of projects.
    :param connects_per_minute: how often a stream may be connected to.
    :param replays_per_minute: how many requests Replay takes.
    :param stream_silence: how long a stream may bring no byte before its connection is given up; the vendor asks for
        more than 30 and sends a heartbeat every 10 to 30.
    :param reconnect_network: added before each try to connect after a failure of the network, up to 64 times.
    :param reconnect_refused: before the first try after an HTTP error; doubled each time, up to 64 times.
    :param reconnect_throttled: before the first try after too many connections; doubled each time, up to 16 times.
    :param token_accepted: before each next try with a new access token after one was refused.
    :param batch_ready: between looks whether a batch of a finished job, and all its files, can be read; they follow
        within minutes.
    """

    retry: Retry = field(default_factory=Retry)
    order_listed: tuple[float, ...] = (0.0, 1.0, 3.0, 6.0, 10.0)
    lock_settle: float = 1.5
    lock_poll: float = 1.0
    lock_valid: float = 90.0
    lock_dead: float = 255.0
    lock_patience: float = 1800.0
    clock_skew: float = 5.0
    budget_recheck: float = 5.0
    idle_read: float = 15.0
    read_stalled: float = 600.0
    second_read: float = 10.0
    requests_per_second: int = REQUESTS_PER_SECOND
    search_response: float = 120.0
    overload: tuple[float, ...] = (5.0, 600.0, 600.0, 600.0)
    clock: Callable[[], float] = time.time
    histograms_per_minute: int = 30
    global_histograms_per_minute: int = 60
    connects_per_minute: int = 10
    replays_per_minute: int = 1
    stream_silence: float = 45.0
    reconnect_network: float = 0.25
    reconnect_refused: float = 5.0
    reconnect_throttled: float = 60.0
    token_accepted: tuple[float, ...] = (0.0, 1.0, 5.0, 15.0)
    batch_ready: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0, 60.0)


DEFAULT = Timing()
# for callers that poll anyway: nothing is retried
ONCE = Timing(retry=Retry(attempts=1, throttled_for=0), token_accepted=(0.0,))
