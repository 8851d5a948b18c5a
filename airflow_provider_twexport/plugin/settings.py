"""What the section ``[twexport]`` of airflow.cfg says; get_provider_info.py describes the options."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

SECTION = "twexport"


def connections() -> list[str]:
    """Return the connections that are named; none for all of the type."""
    return _listed("connections")


def landings() -> list[str]:
    """Return the directories to look for landings and ledgers below."""
    return _listed("landings")


def poll_seconds() -> float:
    """Return how many seconds lie between two looks at one account's exports."""
    return max(1.0, float(conf.getfloat(SECTION, "poll_seconds", fallback=10.0)))


def _listed(option: str) -> list[str]:
    text = conf.get(SECTION, option, fallback="") or ""
    return [part.strip() for part in text.split(",") if part.strip()]
