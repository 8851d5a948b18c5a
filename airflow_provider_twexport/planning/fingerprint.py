"""The name that an order's content gives its collector: the same order, from any DAG, finds the same collector."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.talkwalker import epoch_ms

if TYPE_CHECKING:
    import pendulum

    from airflow_provider_twexport.clients.talkwalker import ExportOrder

SLUG_LENGTH = 20
HASH_LENGTH = 10


def fingerprint(order: ExportOrder) -> str:
    """Return 10 hexadecimal digits that stand for all that decides what an order brings and costs."""
    content = {
        "project": order.project_id,
        "stream": order.stream_id,
        "query": order.query,
        "topics": sorted(set(order.topics)),
        "start": epoch_ms(order.window.start),
        "stop": epoch_ms(order.window.stop),
        "limit": order.limit,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def collector_id(order: ExportOrder) -> str:
    """Return ``twx-<slug>-<start>-<stop>-<hash>``: at most 64 lower-case letters, digits and hyphens."""
    scope = order.project_id or order.stream_id or "query"
    slug = re.sub(r"[^a-z0-9]+", "-", scope.lower())[:SLUG_LENGTH].strip("-")
    return f"twx-{slug or 'x'}-{_stamp(order.window.start)}-{_stamp(order.window.stop)}-{fingerprint(order)}"


def fingerprint_in(collector_id: str) -> str | None:
    """Return the fingerprint that a collector's name ends with; ``None`` if it was not named by its content."""
    match = re.fullmatch(rf"twx-.+-([0-9a-f]{{{HASH_LENGTH}}})", collector_id)
    return match and match[1]


def _stamp(moment: pendulum.DateTime) -> str:
    at_midnight = moment == moment.start_of("day")
    return moment.format("YYYYMMDD") if at_midnight else moment.format("YYYYMMDD[t]HHmm")
