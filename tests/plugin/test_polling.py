"""One request for many visitors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_twexport.exceptions import ThrottledError
from airflow_provider_twexport.plugin.polling import Poll, latest_of_all

FOREVER = 1e9


class Service:
    """Returns how many requests it got; can hang and fail."""

    def __init__(self) -> None:
        self.requests = 0
        self.error: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> int:
        """Answer a request."""
        self.requests += 1
        self.may_answer.wait()
        if self.error:
            raise self.error
        return self.requests


def test_many_visitors_send_one_request() -> None:
    """All get the same result."""
    service = Service()
    poll = Poll(service, FOREVER)
    with ThreadPoolExecutor(20) as visitors:
        snapshots = list(visitors.map(lambda _: poll.latest(first=60), range(100)))
    assert {snapshot.value for snapshot in snapshots} == {1}
    assert service.requests == 1


def test_a_service_that_hangs_blocks_nobody() -> None:
    """There is no result at first, and later the last one."""
    service = Service()
    service.may_answer.clear()
    poll = Poll(service, 0)
    assert poll.latest(first=0.01).value is None
    service.may_answer.set()
    assert poll.latest(first=60).value == 1
    service.may_answer.clear()
    assert poll.latest(newer=0.01).value == 1
    service.may_answer.set()


def test_many_services_that_hang_block_nobody_longer_than_one() -> None:
    """All requests start at once; a result that is there is returned, and no service is waited for twice."""
    hanging, quick = [Service() for _ in range(20)], Service()
    for service in hanging:
        service.may_answer.clear()
    snapshots = latest_of_all([Poll(it, FOREVER) for it in (*hanging, quick)], first=0.5)
    assert [snapshot.value for snapshot in snapshots] == [None] * 20 + [1]
    assert {service.requests for service in hanging} == {1}
    for service in hanging:
        service.may_answer.set()


def test_a_failure_keeps_the_last_result_and_says_why() -> None:
    """Until there is a newer result; the message of an unexpected error goes to the log only."""
    service = Service()
    poll = Poll(service, FOREVER)
    first = poll.latest(first=60)
    assert (first.value, first.problem) == (1, None)
    for error, problem in ((ThrottledError("wait"), "wait"), (ValueError("secret"), "ValueError")):
        service.error = error
        poll.expire()
        snapshot = poll.latest(newer=60)
        assert snapshot.value == 1
        assert problem in (snapshot.problem or "")
        assert "secret" not in (snapshot.problem or "")
    service.error = None
    poll.expire()
    assert (poll.latest(newer=60).value, poll.latest().problem) == (4, None)


def test_refresh_sends_a_request_now() -> None:
    """Everybody gets its result from then on."""
    service = Service()
    poll = Poll(service, FOREVER)
    assert poll.latest(first=60).value == 1
    assert poll.refresh() == 2
    assert poll.latest().value == 2


def test_a_slow_first_request_does_not_delay_the_second() -> None:
    """It loads modules and waits for other polls; a request that is slow later is repeated less often."""
    seconds = [0.2, 0.2, 0.0]

    def request() -> int:
        time.sleep(seconds.pop(0))
        return len(seconds)

    poll = Poll(request, 0)
    assert poll.latest(first=60).value == 2
    assert poll.latest(newer=60).value == 1
    assert poll.latest(newer=60).value == 1
