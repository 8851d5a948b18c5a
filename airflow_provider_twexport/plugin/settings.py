"""The section ``[twexport]`` of airflow.cfg; get_provider_info.py describes its options."""

from __future__ import annotations

from airflow_provider_twexport.compat import conf

SECTION = "twexport"


def connections() -> list[str]:
    """Return the connections that the page shows; empty for all of its types."""
    return _list("connections")


def landings() -> list[str]:
    """Return the directories to search for landings and ledgers."""
    return _list("landings")


def poll_seconds() -> float:
    """Return how many seconds lie between two polls of one connection's exports."""
    return max(1.0, float(conf.getfloat(SECTION, "poll_seconds", fallback=10.0)))


def _list(option: str) -> list[str]:
    text = conf.get(SECTION, option, fallback="") or ""
    return [part.strip() for part in text.split(",") if part.strip()]
