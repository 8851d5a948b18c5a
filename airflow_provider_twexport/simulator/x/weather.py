"""What happens to streams at random: a function of a seed, the time, and the number of the connection."""

from __future__ import annotations

import random
from typing import Any

from airflow_provider_twexport.simulator.day import MINUTE_MS
from airflow_provider_twexport.simulator.faults import Fault
from airflow_provider_twexport.simulator.prng import hash64

BLOCK_MS = 30 * MINUTE_MS
LONGEST_OUTAGE_MS = 10 * MINUTE_MS
LIMIT = "This stream is currently at the maximum allowed connection limit"
# how a connection is refused during an outage: by a status, by a last word, or by heartbeats and nothing else
REFUSALS: tuple[dict[str, Any], ...] = (
    {"http": 503, "message": "Service Unavailable"},
    {"http": 502, "message": "Bad Gateway"},
    {"http": 500, "message": "Internal Error"},
    {"http": 420, "message": "Exceeded connection limit for user"},
    {"http": 408, "message": "Request Timeout"},
    {"http": 429, "message": LIMIT},
    {"because": "operational"},
    {"because": "operational"},
    {"because": "connection_limit"},
    {"because": "closed"},
    {"because": "broken"},
    {"because": "heartbeats"},
)
ENDINGS = (
    "operational",
    "operational",
    "slow",
    "full_buffer",
    "broken",
    "closed",
    "bad_gzip",
    "connection_limit",
    "silence",
)


def outage(seed: int, now_ms: int) -> dict[str, Any] | None:
    """Return how new connections are refused now; None if they are not."""
    rng = random.Random(hash64(seed, "outage", now_ms // BLOCK_MS))
    length = rng.randrange(LONGEST_OUTAGE_MS)
    start = rng.randrange(BLOCK_MS - LONGEST_OUTAGE_MS)
    return rng.choice(REFUSALS) if start <= now_ms % BLOCK_MS < start + length else None


def fate(seed: int, number: int) -> Fault:
    """Return how the nth connection ends, and after how many seconds."""
    rng = random.Random(hash64(seed, "fate", number))
    seconds = rng.choice((0, rng.uniform(0, 20), rng.uniform(0, 300), rng.uniform(60, 900)))
    because = rng.choice(ENDINGS)
    kind = "silence" if because == "silence" else "disconnect"
    return Fault(kind, parameters={"after_seconds": seconds, "because": because})
