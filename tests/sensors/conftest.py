"""The ways in which a sensor waits, and what its failure leaves for a notification."""

from __future__ import annotations

from typing import Any

import pytest

from tests.notifying import RememberingNotifier

# Airflow refuses what is undefined: errors that are not ours have none of these, and some of ours have no evidence
FAILURE = (
    "{% set evidence = exception.evidence | default(none) %}"
    "{{ exception.kind | default('other') }} {{ exception.facts | default({}) }} "
    "{{ evidence.code | default('-') }} {{ evidence.status | default('-') }}"
)
MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each way to wait."""
    return MODES[request.param]


@pytest.fixture
def failures() -> list[str]:
    """What was sent about failures: kind, facts, and of the evidence the code and the status."""
    return []


@pytest.fixture
def mode_that_notifies(mode: dict[str, Any], failures: list[str]) -> dict[str, Any]:
    """Each way to wait, with a notifier for failures."""
    return mode | {"on_failure_callback": RememberingNotifier(FAILURE, failures)}
