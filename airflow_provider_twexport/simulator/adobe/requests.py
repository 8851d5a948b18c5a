"""Reading what a caller wants exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.adobe.errors import refused_by_service

if TYPE_CHECKING:
    from starlette.requests import Request

KEPT = ("fields", "mergePolicy", "filter", "additionalFields", "schema", "evaluationInfo")


async def read(request: Request) -> dict[str, Any]:
    """Return the order in a request's body, as the service will echo it."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise refused_by_service(400, "A valid content-type must be specified")
    try:
        asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise refused_by_service(400, "The body is not a JSON object") from None
    destination, schema = asked.get("destination") or {}, asked.get("schema") or {}
    if not destination.get("datasetId"):
        raise refused_by_service(400, "destination.datasetId is required")
    if not schema.get("name"):
        raise refused_by_service(400, "schema.name is required")
    for segment in (asked.get("filter") or {}).get("segments") or []:
        if not segment.get("segmentId"):
            raise refused_by_service(400, "filter.segments.segmentId is required")
    return {**{name: asked[name] for name in KEPT if name in asked}, "destination": destination}
