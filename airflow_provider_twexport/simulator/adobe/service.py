"""The service: identity, export jobs, catalog and data access, behind one gateway."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_twexport.simulator.adobe import files, requests
from airflow_provider_twexport.simulator.adobe.account import ORG_ID, Tokens
from airflow_provider_twexport.simulator.adobe.documents import Profiles
from airflow_provider_twexport.simulator.adobe.errors import (
    AdobeError,
    refused_by_gateway,
    refused_by_service,
)
from airflow_provider_twexport.simulator.adobe.jobs import Jobs
from airflow_provider_twexport.simulator.wire import ENTRY, FAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.adobe.documents import File
    from airflow_provider_twexport.simulator.adobe.jobs import Batch, Job
    from airflow_provider_twexport.simulator.adobe.settings import Settings
    from airflow_provider_twexport.simulator.clock import Clock

JOBS = "/data/core/ups/export/jobs"
CATALOG = "/data/foundation/catalog"
EXPORT = "/data/foundation/export"
LISTED = ("NEW", "SUCCEEDED", "FAILED")


class Adobe:
    """One organization of the stand-in for Adobe Experience Platform."""

    name = "adobe"

    def __init__(self, clock: Clock, seed: int, settings: Settings) -> None:
        self._clock = clock
        self._seed = seed
        self._initial = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        self._settings = self._initial
        self._tokens = Tokens(self._seed)
        self._jobs = Jobs(self._seed)
        self._bytes_sent = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in force."""
        return msgspec.structs.asdict(self._settings)

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; a wrong name or value is refused by name."""
        self._jobs.move(self._clock.now(), self._settings)
        self._settings = self._settings.changed(changes)

    def ledger(self) -> dict[str, Any]:
        """Tell the jobs as they stand, and what was given out."""
        self._jobs.move(self._clock.now(), self._settings)
        return {
            "adobe": {
                "jobs": [
                    {"id": job.id, "sandbox": job.sandbox, "status": job.status, "order": job.order}
                    for job in self._jobs
                ],
                "repeated_orders": self._jobs.repeated(),
                "tokens": self._tokens.given_out,
                "bytes_sent": self._bytes_sent,
            }
        }

    def routes(self) -> list[Route]:
        """Every call of the API."""
        calls: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("GET", JOBS, self._list),
            ("GET", f"{JOBS}/", self._list),  # as link.next spells it
            ("POST", JOBS, self._create),
            ("GET", JOBS + "/{job_id}", self._get),
            ("DELETE", JOBS + "/{job_id}", self._cancel),
            ("GET", CATALOG + "/batches/{batch_id}", self._batch),
            ("GET", EXPORT + "/batches/{batch_id}/files", self._files),
            ("GET", EXPORT + "/files/{file_id}", self._file),
        ]
        tokens = [
            Route(f"/ims/token/{version}", self._endpoint(self._token, is_open=True), methods=["POST"])
            for version in ("v2", "v3")
        ]
        return tokens + [Route(path, self._endpoint(call), methods=[method]) for method, path, call in calls]

    def control_routes(self) -> list[Route]:
        """Let tests revoke tokens, and serve the truth about the files of a job and about who is in them."""
        return [
            Route("/_control/adobe/revoke", self._revoke, methods=["POST"]),
            Route("/_control/adobe/jobs/{job_id}/files", self._truth),
            Route("/_control/adobe/jobs/{job_id}/profiles", self._profiles),
        ]

    async def unknown(self, request: Request) -> Response:
        """Refuse a path that the vendor does not have."""
        return _refusal(request, refused_by_service(404, "No such resource"))

    def _endpoint(
        self, call: Callable[[Request], Awaitable[Any]], *, is_open: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                _obey_ordered_error(request)
                self._jobs.move(self._clock.now(), self._settings)
                if not is_open:
                    self._tokens.check(request, self._clock.now())
                body = await call(request)
            except AdobeError as error:
                return _refusal(request, error)
            return body if isinstance(body, Response) else _json(body)

        return answer

    async def _token(self, request: Request) -> dict[str, Any]:
        return await self._tokens.give_out(request, self._clock.now(), self._settings)

    async def _list(self, request: Request) -> dict[str, Any]:
        params, fault = request.query_params, request.scope.get(FAULT)
        until = self._clock.now() - self._settings.adobe_list_lag_seconds
        listed = [job for job in self._jobs.newest(_sandbox(request)) if job.created <= until]
        if fault is not None and fault.kind == "missing_from_list":
            listed = []
        if (status := params.get("status")) is not None:
            if status not in LISTED:
                raise refused_by_service(400, f"Invalid status {status}")
            listed = [job for job in listed if job.status == status]
        if offset := params.get("offset"):
            listed = [job for job in listed if job.place < _place(offset)]
        limit = int(params.get("limit", 100))
        page, rest = listed[:limit], listed[limit:]
        return {
            "records": [self._job_json(request, job) for job in page],
            "page": {
                "sortField": "createdTime",
                "sort": "desc",
                "pageOffset": page[-1].cursor if page else "",
                "pageSize": limit,
            },
            "link": self._link(page, rest, limit, status),
        }

    def _link(self, page: list[Job], rest: list[Job], limit: int, status: str | None) -> dict[str, str]:
        if not rest:
            return {"next": ""} if self._settings.adobe_last_link == "empty" else {}
        also = f"&status={status}" if status else ""
        return {"next": f"/export/jobs/?limit={limit}&offset={page[-1].cursor}{also}"}

    async def _create(self, request: Request) -> dict[str, Any]:
        order = await requests.read(request)
        return self._job_json(request, self._jobs.create(order, _sandbox(request), self._clock.now()))

    async def _get(self, request: Request) -> dict[str, Any]:
        return self._job_json(request, self._asked_job(request))

    async def _cancel(self, request: Request) -> Response:
        self._asked_job(request).cancel(self._clock.now(), self._settings)
        if self._settings.adobe_delete_status == 204:
            return Response(None, 204)
        body = {"status": True, "message": "Export job has been marked for cancelling"}
        return _json(body, self._settings.adobe_delete_status)

    async def _batch(self, request: Request) -> dict[str, Any]:
        return files.batch_json(self._asked_batch(request), self._settings, self._clock.now())

    async def _files(self, request: Request) -> dict[str, Any]:
        batch = self._asked_batch(request)
        return files.listing(request, batch, batch.files(self._seed, self._settings))

    async def _file(self, request: Request) -> Response:
        found = self._find(request.path_params["file_id"])
        inside = found.halves() if found in self._tops() and self._settings.adobe_directories else []
        name = request.query_params.get("path")
        if name is None:
            return _json(files.entries(found, inside))
        if inside or name != found.name:
            raise refused_by_service(404, f"No file {name}")
        return files.transmit(request, found, self._settings, self._count)

    def _count(self, size: int) -> None:
        self._bytes_sent += size

    def _tops(self, job: Job | None = None) -> list[File]:
        return [
            file
            for one in ([job] if job else self._jobs)
            for batch in one.batches
            for file in batch.files(self._seed, self._settings)
        ]

    def _find(self, file_id: str) -> File:
        for top in self._tops():
            for file in (top, *top.halves()):
                if file.id == file_id:
                    return file
        raise refused_by_service(404, f"File {file_id} not found")

    def _asked_job(self, request: Request) -> Job:
        return self._jobs.get(request.path_params["job_id"], _sandbox(request))

    def _asked_batch(self, request: Request) -> Batch:
        return self._jobs.batch(request.path_params["batch_id"])

    def _job_json(self, request: Request, job: Job) -> dict[str, Any]:
        fault = request.scope.get(FAULT)
        status = fault.get("status") if fault is not None and fault.kind == "status" else None
        return job.to_json(self._settings, ORG_ID, status)

    async def _revoke(self, request: Request) -> Response:
        self._tokens.revoke()
        return _json({})

    async def _truth(self, request: Request) -> Response:
        """List the files of a job with their sha256, in the order of its batches."""
        tops = self._tops_of(request)
        parts = [part for top in tops for part in top.halves()]
        return _json([_described(file) for file in (parts if self._settings.adobe_directories else tops)])

    async def _profiles(self, request: Request) -> Response:
        """List who is in the files of a job, in their order; nobody where the bytes mean nothing."""
        tops = self._tops_of(request)
        return _json([ids for file in tops if isinstance(file, Profiles) for ids in file.ids()])

    def _tops_of(self, request: Request) -> list[File]:
        self._jobs.move(self._clock.now(), self._settings)
        return self._tops(next(job for job in self._jobs if str(job.id) == request.path_params["job_id"]))


def _described(file: File) -> dict[str, Any]:
    digest = hashlib.sha256()
    for piece in file.read(0, file.size):
        digest.update(piece)
    return {"id": file.id, "name": file.name, "bytes": file.size, "sha256": digest.hexdigest()}


def _place(cursor: str) -> tuple[int, int]:
    created, _, job_id = cursor.partition("_")
    if not (created.isdigit() and job_id.isdigit()):
        raise refused_by_service(400, f"Invalid offset {cursor}")
    return int(created), int(job_id)


def _sandbox(request: Request) -> str:
    return request.headers.get("x-sandbox-name") or "prod"


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _refusal(request: Request, error: AdobeError) -> Response:
    request.scope[ENTRY]["code"] = str(error.body.get("error_code") or error.body.get("title") or "")
    answer = _json(error.body, error.status)
    answer.headers.update(error.headers)
    return answer


def _obey_ordered_error(request: Request) -> None:
    fault = request.scope.get(FAULT)
    if fault is None or fault.kind != "error":
        return
    if code := fault.get("code"):
        raise refused_by_gateway(str(code), fault.get("message"))
    words = str(fault.get("message", "Service Unavailable"))
    raise refused_by_service(int(fault.get("http", 503)), words, fault.get("retry_after"))
