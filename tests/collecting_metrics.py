"""A StatsD that a real Airflow sends its numbers to, over a socket."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Metric:
    """One line of StatsD, with its tags as InfluxDB writes them."""

    name: str
    value: float
    kind: str
    tags: dict[str, str]


class StatsD:
    """Remembers our metrics."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self._came: list[Metric] = []

    @property
    def came(self) -> list[Metric]:
        """All that came so far; what is sent on this machine is here at once."""
        while True:
            try:
                packet = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self._came
            self._came += [_metric(line) for line in packet.splitlines() if "twexport." in line]

    def counts(self) -> dict[str, float]:
        """Return the sum of each counter."""
        sums: Counter[str] = Counter()
        for metric in self.came:
            if metric.kind == "c":
                sums[metric.name] += metric.value  # type: ignore[assignment]
        return dict(sums)


def _metric(line: str) -> Metric:
    told, _, rest = line.partition(":")
    name, *tags = told.split(",")
    value, kind = rest.split("|")[:2]
    name = name.removeprefix("airflow.").removeprefix("twexport.")
    return Metric(name, float(value), kind, dict(tag.split("=", 1) for tag in tags))


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsD]:
    """A StatsD that tasks and triggers of this process send to."""
    pytest.importorskip("airflow._shared.observability", reason="Airflow 3.1 begins to count in another way")
    from airflow._shared.observability.metrics import stats as core_stats
    from airflow.observability.metrics import stats_utils as core_utils
    from airflow.sdk._shared.observability.metrics import stats
    from airflow.sdk.observability.metrics import stats_utils

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        for name, value in {
            "STATSD_ON": "True",
            "STATSD_HOST": "127.0.0.1",
            "STATSD_PORT": str(listening.getsockname()[1]),
            "STATSD_INFLUXDB_ENABLED": "True",
        }.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
        # what Airflow does as a task's or a triggerer's process begins
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
        core_stats.initialize(factory=core_utils.get_stats_factory(), export_legacy_names=True)
        yield StatsD(listening)
        for module, utils in ((stats, stats_utils), (core_stats, core_utils)):
            monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "False")
            module.initialize(factory=utils.get_stats_factory(), export_legacy_names=True)
