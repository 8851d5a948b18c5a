"""Answers about batches and their files, and the files themselves, whole or in ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from airflow_provider_twexport.simulator.adobe.errors import refused_by_service
from airflow_provider_twexport.simulator.wire import FAULT, hang_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.adobe.documents import File
    from airflow_provider_twexport.simulator.adobe.jobs import Batch
    from airflow_provider_twexport.simulator.adobe.settings import Settings

# as in the vendor's samples: a caller who follows a link leaves the host that he asked
HREF = "https://platform.adobe.io:443/data/foundation/export"
MOST_PER_PAGE = 100


def batch_json(batch: Batch, settings: Settings, now: float) -> dict[str, Any]:
    """Write a batch as the catalog does: under its own id."""
    is_there = now >= batch.job.updated + settings.adobe_batch_lag_seconds
    status = settings.adobe_batch_status if is_there else "loading"
    dataset = batch.job.order["destination"]["datasetId"]
    body = {
        "status": status,
        "metrics": {"recordsWritten": len(batch.profiles(settings)) if is_there else 0},
        "relatedObjects": [{"type": "dataSet", "id": dataset}],
        "created": int(batch.job.updated * 1000),
        "errors": []
        if status in ("success", "loading")
        else [{"code": "106", "description": "Batch failed"}],
    }
    return {batch.id: body}


def listing(request: Request, batch: Batch, files: list[File]) -> dict[str, Any]:
    """Write a page of the files of a batch."""
    start = int(request.query_params.get("start", 0))
    limit = min(int(request.query_params.get("limit", MOST_PER_PAGE)), MOST_PER_PAGE)
    page = files[start : start + limit]
    href = f"{HREF}/batches/{batch.id}/files"
    links: dict[str, Any] = {
        "page": {"href": f"{href}?start=0&limit={limit}{{&start,limit}}", "templated": True}
    }
    if start + limit < len(files):
        links["next"] = {"href": f"{href}?start={start + limit}&limit={limit}"}
    return {
        "data": [_dataset_file(file, batch) for file in page],
        "_page": {"limit": limit, "count": len(page)},
        "_links": links,
    }


def entries(file: File, inside: list[File]) -> dict[str, Any]:
    """Write what a file of the dataset consists of: itself, or the files of a directory."""
    data = [_directory_entry(one) for one in inside] if inside else [_file_entry(file)]
    return {"data": data, "_page": {"limit": MOST_PER_PAGE, "count": len(data)}, "_links": {}}


def transmit(request: Request, file: File, settings: Settings, sent: Callable[[int], None]) -> Response:
    """Send a file, or the range of it that was asked for; what takes longer than 60 seconds is cut off."""
    start, stop, status = 0, file.size, 200
    if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")):
        start, status = int(asked[1]), 206
        stop = min(file.size, int(asked[2]) + 1 if asked[2] else file.size)
        if start >= file.size:
            raise refused_by_service(416, "The range is outside of the file")
    fault = request.scope.get(FAULT)
    if fault is not None and fault.kind == "short_range":
        stop = start + max(1, (stop - start) // 2)
    headers = {
        "Content-Length": str(stop - start),
        "Accept-Ranges": "bytes",
        **({"Content-Range": f"bytes {start}-{stop - 1}/{file.size}"} if status == 206 else {}),
    }
    kind = "application/octet-stream"
    if request.method == "HEAD":
        return Response(None, 200, headers, media_type=kind)
    return StreamingResponse(_pieces(request, file, start, stop, settings, sent), status, headers, kind)


async def _pieces(
    request: Request, file: File, start: int, stop: int, settings: Settings, sent: Callable[[int], None]
) -> AsyncIterator[bytes]:
    most = settings.adobe_bytes_per_answer
    last = stop if most is None else min(stop, start + most)
    for piece in file.read(start, last):
        sent(len(piece))
        yield piece
    if last < stop:
        await hang_up(request.scope)


def _dataset_file(file: File, batch: Batch) -> dict[str, Any]:
    return {
        "dataSetFileId": file.id,
        "dataSetViewId": f"{batch.job.order['destination']['datasetId']}-view",
        "version": "1.0.0",
        "created": str(batch.job.created_ms),
        "updated": str(batch.job.created_ms),
        "isValid": False,
        "_links": {"self": {"href": f"{HREF}/files/{file.id}"}},
    }


def _file_entry(file: File) -> dict[str, Any]:
    href = f"{HREF}/files/{file.id}?path={file.name}"
    return {"name": file.name, "length": str(file.size), "_links": {"self": {"href": href}}}


def _directory_entry(file: File) -> dict[str, Any]:
    return {"dataSetFileId": file.id, "_links": {"self": {"href": f"{HREF}/files/{file.id}"}}}
