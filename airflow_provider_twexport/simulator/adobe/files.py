"""Batches and their files: what the catalog and the list of files show, and the bytes, whole or in ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from airflow_provider_twexport.simulator.adobe.errors import refused_by_service
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
FILE_TYPE = "application/octet-stream"


def batch_json(batch: Batch, settings: AdobeSettings, now: float) -> dict[str, Any]:
    """Return a batch as the catalog shows it: under its own id."""
    is_complete = now >= batch.job.updated + settings.adobe_batch_lag_seconds
    if not is_complete and settings.adobe_batch_lags_as == "missing":
        raise refused_by_service(404, f"Batch {batch.id} not found")
    if not is_complete and settings.adobe_batch_lags_as == "empty":
        return {}
    status = settings.adobe_batch_status if is_complete else "loading"
    is_failed = status not in ("success", "loading")
    body = {
        "status": status,
        "metrics": _metrics(batch, settings) if is_complete else {},
        "relatedObjects": [{"type": "dataSet", "id": _dataset_id(batch)}],
        "created": int(batch.job.updated * 1000),
        "errors": [{"code": "106", "description": "Batch failed"}] if is_failed else [],
    }
    return {batch.id: body}


def file_list(
    request: Request, batch: Batch, files: list[File], settings: AdobeSettings, now: float
) -> dict[str, Any]:
    """Return a page of the files of a batch."""
    if now < batch.job.updated + settings.adobe_files_lag_seconds:
        files = files[: len(files) // 2]
    entries = [_listed_file(file, batch) for file in files]
    return _page(request, f"batches/{batch.id}/files", entries, settings)


def file_parts(
    request: Request, file: File, inner_files: list[File], settings: AdobeSettings
) -> dict[str, Any] | list[dict[str, Any]]:
    """Return a page of the parts of a file: itself, or the files of a directory."""
    entries = [_inner_file(inner) for inner in inner_files] if inner_files else [_file_part(file, settings)]
    page = _page(request, f"files/{file.id}", entries, settings)
    return page["data"] if settings.adobe_bare_arrays else page


def _page(
    request: Request, path: str, entries: list[dict[str, Any]], settings: AdobeSettings
) -> dict[str, Any]:
    most = settings.adobe_files_per_page
    limit = min(int(request.query_params.get("limit", most)), most)
    first = _first_entry(request.query_params.get("start") or "0", entries, limit, settings)
    page, remainder = entries[first : first + limit], entries[first + limit :]
    counts = {"total": {"count": len(entries)}, "page": {"count": len(page)}, "none": {}}
    body = {"data": page, "_page": {"limit": limit, **counts[settings.adobe_file_count]}}
    if not settings.adobe_file_links:
        return body
    links = {"page": {"href": f"{HREF}/{path}?start=0&limit={limit}{{&start,limit}}", "templated": True}}
    if remainder:
        starts = {"index": first + limit, "page": first // limit + 1, "name": _name(page[-1])}
        start = quote(str(starts[settings.adobe_file_start]))
        links["next"] = {"href": f"{HREF}/{path}?start={start}&limit={limit}"}
    return {**body, "_links": links}


def _first_entry(start: str, entries: list[dict[str, Any]], limit: int, settings: AdobeSettings) -> int:
    if settings.adobe_file_start == "name":
        names = [_name(entry) for entry in entries]
        return names.index(start) + 1 if start in names else 0
    if not start.isdigit():
        raise refused_by_service(400, f"Invalid start {start}")
    return int(start) * (limit if settings.adobe_file_start == "page" else 1)


def _name(entry: dict[str, Any]) -> str:
    return str(entry.get("name") or entry["dataSetFileId"])


def download(
    request: Request, file: File, settings: AdobeSettings, count_bytes: Callable[[int], None]
) -> Response:
    """Send a file, or the requested range of it; a download that takes more than 60 seconds breaks off.

    :param count_bytes: is called with the size of each piece.
    """
    requested = read_range(request, file.size) if settings.adobe_ranges else None
    etag = f'"{file.id}{"-new" if fault_of(request, "changed") else ""}"'
    if settings.adobe_etags and request.headers.get("if-range", etag) != etag:
        requested = None
    start, stop = (requested.start, requested.stop) if requested else (0, file.size)
    if fault_of(request, "short_range"):
        stop = start + max(1, (stop - start) // 2)
    headers = {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if settings.adobe_etags:
        headers["ETag"] = etag
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
        yield bytes(len(piece)) if fault_of(request, "changed") else piece
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


def _file_part(file: File, settings: AdobeSettings) -> dict[str, Any]:
    href = f"{HREF}/files/{file.id}?path={file.name}"
    lengths = {"text": str(file.size), "number": file.size, "float": float(file.size), "null": None}
    length = lengths[settings.adobe_lengths]
    return {"name": file.name, "length": length, "_links": {"self": {"href": href}}}


def _metrics(batch: Batch, settings: AdobeSettings) -> dict[str, Any]:
    counts: dict[str, int] = {}
    if settings.adobe_records_key != "none":
        counts[settings.adobe_records_key] = len(batch.profiles(settings))
    if settings.adobe_files_counted:
        inside = settings.adobe_directory_files if settings.adobe_directories else 1
        counts["outputFileCount"] = settings.adobe_files * inside
    return {key: settings.count(value) for key, value in counts.items()}


def _inner_file(file: File) -> dict[str, Any]:
    return {"dataSetFileId": file.id, "_links": {"self": {"href": f"{HREF}/files/{file.id}"}}}
