"""Batches and their files: what the catalog and the list of files show, and the bytes, whole or in ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from airflow_provider_twexport.simulator.adobe.requests import read_range
from airflow_provider_twexport.simulator.wire import break_connection, fault_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.adobe.documents import File
    from airflow_provider_twexport.simulator.adobe.jobs import Batch
    from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings

# as in the vendor's samples: a client that follows a link leaves the host that it called
HREF = "https://platform.adobe.io:443/data/foundation/export"
MAX_FILES_PER_PAGE = 100
FILE_TYPE = "application/octet-stream"


def batch_json(batch: Batch, settings: AdobeSettings, now: float) -> dict[str, Any]:
    """Return a batch as the catalog shows it: under its own id."""
    is_complete = now >= batch.job.updated + settings.adobe_batch_lag_seconds
    status = settings.adobe_batch_status if is_complete else "loading"
    is_failed = status not in ("success", "loading")
    body = {
        "status": status,
        "metrics": {"recordsWritten": len(batch.profiles(settings)) if is_complete else 0},
        "relatedObjects": [{"type": "dataSet", "id": _dataset_id(batch)}],
        "created": int(batch.job.updated * 1000),
        "errors": [{"code": "106", "description": "Batch failed"}] if is_failed else [],
    }
    return {batch.id: body}


def file_list(request: Request, batch: Batch, files: list[File]) -> dict[str, Any]:
    """Return a page of the files of a batch."""
    start = int(request.query_params.get("start", 0))
    limit = min(int(request.query_params.get("limit", MAX_FILES_PER_PAGE)), MAX_FILES_PER_PAGE)
    page = files[start : start + limit]
    href = f"{HREF}/batches/{batch.id}/files"
    links: dict[str, Any] = {
        "page": {"href": f"{href}?start=0&limit={limit}{{&start,limit}}", "templated": True}
    }
    if start + limit < len(files):
        links["next"] = {"href": f"{href}?start={start + limit}&limit={limit}"}
    return {
        "data": [_listed_file(file, batch) for file in page],
        "_page": {"limit": limit, "count": len(page)},
        "_links": links,
    }


def file_parts(file: File, inner_files: list[File]) -> dict[str, Any]:
    """Return the parts of a file: itself, or the files of a directory."""
    data = [_inner_file(inner) for inner in inner_files] if inner_files else [_file_part(file)]
    return {"data": data, "_page": {"limit": MAX_FILES_PER_PAGE, "count": len(data)}, "_links": {}}


def download(
    request: Request, file: File, settings: AdobeSettings, count_bytes: Callable[[int], None]
) -> Response:
    """Send a file, or the requested range of it; a download that takes more than 60 seconds breaks off.

    :param count_bytes: is called with the size of each piece.
    """
    requested = read_range(request, file.size)
    start, stop = (requested.start, requested.stop) if requested else (0, file.size)
    if fault_of(request, "short_range"):
        stop = start + max(1, (stop - start) // 2)
    headers = {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if requested is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    if request.method == "HEAD":
        return Response(None, 200, headers, media_type=FILE_TYPE)
    pieces = _pieces(request, file, start, stop, settings, count_bytes)
    return StreamingResponse(pieces, 200 if requested is None else 206, headers, FILE_TYPE)


async def _pieces(
    request: Request,
    file: File,
    start: int,
    stop: int,
    settings: AdobeSettings,
    count_bytes: Callable[[int], None],
) -> AsyncIterator[bytes]:
    most = settings.adobe_bytes_per_answer
    sent_until = stop if most is None else min(stop, start + most)
    for piece in file.read(start, sent_until):
        count_bytes(len(piece))
        yield piece
    if sent_until < stop:
        await break_connection(request.scope)


def _dataset_id(batch: Batch) -> str:
    return str(batch.job.order["destination"]["datasetId"])


def _listed_file(file: File, batch: Batch) -> dict[str, Any]:
    return {
        "dataSetFileId": file.id,
        "dataSetViewId": f"{_dataset_id(batch)}-view",
        "version": "1.0.0",
        "created": str(batch.job.created_ms),
        "updated": str(batch.job.created_ms),
        "isValid": False,
        "_links": {"self": {"href": f"{HREF}/files/{file.id}"}},
    }


def _file_part(file: File) -> dict[str, Any]:
    href = f"{HREF}/files/{file.id}?path={file.name}"
    return {"name": file.name, "length": str(file.size), "_links": {"self": {"href": href}}}


def _inner_file(file: File) -> dict[str, Any]:
    return {"dataSetFileId": file.id, "_links": {"self": {"href": f"{HREF}/files/{file.id}"}}}
