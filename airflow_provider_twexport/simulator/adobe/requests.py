"""Reading requests: the order of an export, the sandbox, a position in the list of jobs, a range of bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.adobe.errors import refused_by_service

if TYPE_CHECKING:
    from starlette.requests import Request


async def read_order(request: Request) -> dict[str, Any]:
    """Read what to export; the service echoes it in every response about the job."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise refused_by_service(400, "A valid content-type must be specified")
    try:
        body = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise refused_by_service(400, "The body is not a JSON object") from None
    destination, schema = body.get("destination") or {}, body.get("schema") or {}
    if not destination.get("datasetId"):
        raise refused_by_service(400, "destination.datasetId is required")
    if not schema.get("name"):
        raise refused_by_service(400, "schema.name is required")
    for segment in (body.get("filter") or {}).get("segments") or []:
        if not segment.get("segmentId"):
            raise refused_by_service(400, "filter.segments.segmentId is required")
    return {**body, "destination": destination}


def read_sandbox(request: Request) -> str:
    """Read the sandbox; `prod` if none is named."""
    return request.headers.get("x-sandbox-name") or "prod"


def read_list_key(cursor: str) -> tuple[int, int]:
    """Read a position in the list of jobs: creation time in milliseconds, and id."""
    created, _, job_id = cursor.partition("_")
    if not (created.isdigit() and job_id.isdigit()):
        raise refused_by_service(400, f"Invalid offset {cursor}")
    return int(created), int(job_id)


def read_range(request: Request, size: int) -> range | None:
    """Read a range of bytes of a file of this size; None if the whole file is requested."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if match is None:
        return None
    start = int(match[1])
    if start >= size:
        raise refused_by_service(416, "The range is outside of the file")
    return range(start, min(size, int(match[2]) + 1 if match[2] else size))
