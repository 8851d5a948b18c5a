"""What a trigger tells the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger, TriggerEvent


async def event(waiting: BaseTrigger) -> dict[str, Any]:
    """Return the payload of the one event."""
    fired: list[TriggerEvent] = [event async for event in waiting.run()]
    assert len(fired) == 1
    payload: dict[str, Any] = fired[0].payload
    return payload
