"""Collectors are named by the content of their order: the same order, from any DAG, finds the same collector."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.models import epoch_ms

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.models import ExportOrder

# what the names of all our collectors begin with
PREFIX = "twx-"
# and those of the empty collectors that orders leave for other orders to read
TICKET_PREFIX = f"{PREFIX}lock-"
RESERVATION_PREFIX = f"{PREFIX}reservation-"
RECEIPT_PREFIX = f"{PREFIX}order-"
RENEWAL_PREFIX = f"{PREFIX}renew-"
_HELPERS = (TICKET_PREFIX, RESERVATION_PREFIX, RECEIPT_PREFIX, RENEWAL_PREFIX)
SLUG_LENGTH = 20
HASH_LENGTH = 10
_NAMED = re.compile(rf"{PREFIX}(.+)-(\d{{8}}(?:t\d{{4}})?)-(\d{{8}}(?:t\d{{4}})?)-[0-9a-f]{{{HASH_LENGTH}}}")


def fingerprint(order: ExportOrder) -> str:
    """Return a hash, 10 hexadecimal digits, of everything that decides what an order brings and costs.

    The case of ids does not count: no two projects or streams differ only in it.
    """
    content = {
        "project": order.project_id and order.project_id.lower(),
        "stream": order.stream_id and order.stream_id.lower(),
        "query": order.query,
        "topics": sorted(set(order.topics)),
        "start": epoch_ms(order.window.start),
        "stop": epoch_ms(order.window.stop),
        "limit": order.limit,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def collector_id_of(order: ExportOrder) -> str:
    """Return ``twx-<slug>-<start>-<stop>-<hash>``: at most 64 lower-case letters, digits and hyphens."""
    scope = order.project_id or order.stream_id or "query"
    slug = re.sub(r"[^a-z0-9]+", "-", scope.lower())[:SLUG_LENGTH].strip("-")
    return (
        f"{PREFIX}{slug or 'x'}-{_stamp(order.window.start)}-{_stamp(order.window.stop)}-{fingerprint(order)}"
    )


def short_hash(name: str) -> str:
    """Return 10 hexadecimal digits that stand for a collector or a run."""
    return hashlib.sha256(name.encode()).hexdigest()[:HASH_LENGTH]


def is_helper(collector_id: str) -> bool:
    """Return whether a collector is none that results go to, but a note of an order to other orders."""
    return collector_id.startswith(_HELPERS) and not _NAMED.fullmatch(collector_id)


def fingerprint_in(collector_id: str) -> str | None:
    """Return the fingerprint that a collector's name ends with; ``None`` if it was not named by its content."""
    match = re.fullmatch(rf"{PREFIX}.+-([0-9a-f]{{{HASH_LENGTH}}})", collector_id)
    return match and match[1]


def scope_in(collector_id: str) -> str:
    """Return the part of a collector's name that stands for the scope: ``twx-<slug>``."""
    return collector_id.rsplit("-", 3)[0]


def window_in(collector_id: str) -> tuple[str, Window] | None:
    """Return the scope's slug and the window, to the minute, in a collector's name.

    :param collector_id: any collector.
    :returns: ``None`` if it was not named by its content.
    """
    match = _NAMED.fullmatch(collector_id)
    if match is None:
        return None
    try:
        return match[1], Window(_moment(match[2]), _moment(match[3]))
    except (ValueError, InvalidRequestError):
        return None


def _moment(stamp: str) -> pendulum.DateTime:
    numbers = (stamp[:4], stamp[4:6], stamp[6:8], stamp[9:11] or 0, stamp[11:13] or 0)
    year, month, day, hour, minute = map(int, numbers)
    return pendulum.datetime(year, month, day, hour, minute)


def _stamp(moment: pendulum.DateTime) -> str:
    # years of hours have many thousands of names, and this is much faster than strftime
    day = f"{moment.year:04}{moment.month:02}{moment.day:02}"
    return f"{day}t{moment.hour:02}{moment.minute:02}" if moment.hour or moment.minute else day
