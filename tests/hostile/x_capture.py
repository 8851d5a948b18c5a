"""Half an hour of the Decahose through random cuts, notices, silence, refusals, damaged gzip and an outage."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.x.streams.client import BACKFILL_OVERLAP_SECONDS, XStreamClient
from airflow_provider_twexport.x.streams.landing import CaptureLanding, CaptureRequest
from airflow_provider_twexport.x.streams.messages import X_EPOCH_MS, message_key
from tests.service_clients import x_credential_of
from tests.storage.stream import landed_records
from tests.waiting import PATIENCE, QUICK
from tests.x.streams.test_client import SimulatedClock

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.simulator_process import Simulator

# simulated seconds in a real one
SPEED = 300
MINUTES = 30
TRIES = 8
FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet")
ERROR_BODIES = ("error", "errors", "detail", "text", "plain", "html")


def play(seed: int, simulator: Simulator, path: Path) -> list[str]:
    """Return what is wrong with a capture, one sentence each.

    :param seed: decides what happens.
    """
    rng = random.Random(f"x capture {seed}")
    simulator.reset()
    simulator.settings(
        x_stream_weather=seed + 1,
        x_line_end=rng.choice(("crlf", "lf", "mixed")),
        x_stream_others=rng.choice((0, 20, 200)),
        x_odd_posts=rng.choice((0, 10)),
        x_error_body=rng.choice(ERROR_BODIES),
        x_stream_per_minute=60,
        x_heartbeat_seconds=rng.choice((1, 10)),
        x_connects_per_minute=None,
    )
    clock = SimulatedClock(simulator, speed=SPEED)
    start = clock.stop()
    landed = _land(simulator, clock, start, path, PartOptions(rng.choice(FORMATS)))
    return [landed] if isinstance(landed, str) else list(_problems(landed, simulator, start, path))


def _land(
    simulator: Simulator, clock: SimulatedClock, start: float, path: Path, parts: PartOptions
) -> Manifest | str:
    """Return the manifest, of the first try that succeeds; or how the last one ended."""
    client = XStreamClient(
        x_credential_of(simulator), base_url=simulator.url, timing=scaled(clock), backfill=True
    )
    moment = datetime.fromtimestamp(start, UTC).isoformat()
    capture = CaptureLanding(client, CaptureRequest("decahose", moment, duration=timedelta(minutes=MINUTES)))
    error: Exception | None = None
    for _ in range(TRIES):
        try:
            with capture.open(path, parts) as landing:
                return landing.committed or capture.land(landing)
        except TwexportError as ours:
            error = ours
    return f"no try succeeded: {error!r}"


def scaled(clock: SimulatedClock) -> timing.Timing:
    """Return the real waits in simulated time; silence stays long enough for a busy machine."""
    real = timing.DEFAULT
    return replace(
        QUICK,
        clock=clock,
        stream_silence=0.5,
        reconnect_network=real.reconnect_network / SPEED,
        reconnect_refused=real.reconnect_refused / SPEED,
        reconnect_throttled=real.reconnect_throttled / SPEED,
    )


def _problems(landed: Manifest, simulator: Simulator, start: float, path: Path) -> Any:
    keys = Counter(message_key(record).decode() for record in landed_records(path))
    if doubled := [key for key, count in keys.items() if count > 1]:
        yield f"{len(doubled)} posts landed twice"
    gaps = (landed.report or {})["gaps"]
    # what the next capture requests again is not missing
    stop = start + 60 * MINUTES - BACKFILL_OVERLAP_SECONDS
    everything: set[str] = set()
    for partition in (1, 2):
        named = [
            tuple(datetime.fromisoformat(gap[edge]).timestamp() * 1000 for edge in ("start", "stop"))
            for gap in gaps
            if gap["partition"] == partition
        ]
        sent = messages_of(simulator, partition, start - 900, start + 60 * MINUTES + 900)
        everything |= {*sent}
        lost = [
            moment
            for key, moment in sent.items()
            if start * 1000 <= moment < stop * 1000
            and key not in keys
            and not any(first <= moment < last + 1 for first, last in named)
        ]
        if lost:
            first = lost[0] / 1000 - start
            yield f"partition {partition}: {len(lost)} posts lost and not in a gap, the first at {first:.3f} s"
    if strange := keys.keys() - everything:
        yield f"{len(strange)} records are no posts, such as {min(strange)[:80]}"


def messages_of(simulator: Simulator, partition: int, start: float, stop: float) -> dict[str, int]:
    """Return the ids of the posts of a partition, and when each was created, in epoch milliseconds."""
    window: dict[str, Any] = {"start": int(start * 1000), "stop": int(stop * 1000)}
    window |= {"stream": "sample10", "partition": partition}
    response = requests.get(f"{simulator.url}/_control/x/stream", params=window, timeout=PATIENCE)
    return {key: (int(key) >> 22) + X_EPOCH_MS for key in response.json()}
