"""Adobe Experience Platform: identity, export jobs, catalog and files behind one gateway, and the control plane."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_twexport.simulator.adobe import files, requests
from airflow_provider_twexport.simulator.adobe.account import AccessTokens
from airflow_provider_twexport.simulator.adobe.documents import ProfilesFile
from airflow_provider_twexport.simulator.adobe.errors import (
    AdobeError,
    invalid_token,
    refused_by_gateway,
    refused_by_service,
    throttled,
)
from airflow_provider_twexport.simulator.adobe.flows import FlowRuns
from airflow_provider_twexport.simulator.adobe.jobs import Jobs
from airflow_provider_twexport.simulator.wire import LEDGER_ENTRY, fault_of, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.adobe.documents import File
    from airflow_provider_twexport.simulator.adobe.flows import FlowRun
    from airflow_provider_twexport.simulator.adobe.jobs import Batch, Job
    from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings
    from airflow_provider_twexport.simulator.clock import Clock

JOBS = "/data/core/ups/export/jobs"
CATALOG = "/data/foundation/catalog"
EXPORT = "/data/foundation/export"
RUNS = "/data/foundation/flowservice/runs"
RUNS_PER_PAGE = 20
LIST_STATUSES = ("NEW", "SUCCEEDED", "FAILED")


class Adobe:
    """One organization of Adobe Experience Platform."""

    name: ClassVar[str] = "adobe"
    faults: ClassVar[Mapping[str, str]] = {
        "error": "Refuse the request; `code` of the gateway, or `http`, `message`, `retry_after`.",
        "status": "Show another status of the jobs; `status`.",
        "missing_from_list": "Show an empty list of jobs.",
        "changed": "Send other bytes and another ETag, as of a file that was replaced.",
        "short_range": "Send the first half of a download only, with the headers of that half.",
    }

    def __init__(self, clock: Clock, seed: int, settings: AdobeSettings) -> None:
        self._clock = clock
        self._seed = seed
        self._initial_settings = settings
        self.reset()

    def reset(self) -> None:
        """Return to the state of the start."""
        self._settings = self._initial_settings
        self._tokens = AccessTokens(self._seed)
        self._jobs = Jobs(self._seed)
        self._runs = FlowRuns(self._seed)
        self._bytes_sent = 0
        self._recent: deque[float] = deque()

    @property
    def settings(self) -> AdobeSettings:
        """The settings in force."""
        return self._settings

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; what is due under the old ones happens first."""
        self._advance()
        self._settings = self._settings.changed(changes)

    def ledger(self) -> dict[str, Any]:
        """Return the jobs as they are now, and what was sent."""
        self._advance()
        return {
            "adobe": {
                "jobs": [
                    {"id": job.id, "sandbox": job.sandbox, "status": job.status, "order": job.order}
                    for job in self._jobs
                ],
                "repeated_orders": self._jobs.repeated_orders(),
                "tokens": self._tokens.issued,
                "bytes_sent": self._bytes_sent,
            }
        }

    def routes(self) -> list[Route]:
        """List the routes of the API."""
        calls: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("GET", JOBS, self._list_jobs),
            ("GET", f"{JOBS}/", self._list_jobs),  # as link.next spells it
            ("POST", JOBS, self._create_job),
            ("GET", JOBS + "/{job_id}", self._get_job),
            ("DELETE", JOBS + "/{job_id}", self._cancel_job),
            ("GET", CATALOG + "/batches/{batch_id}", self._get_batch),
            ("GET", EXPORT + "/batches/{batch_id}/files", self._list_files),
            ("GET", EXPORT + "/files/{file_id}", self._get_file),
            ("GET", RUNS, self._list_runs),
            ("POST", RUNS, self._start_run),
            ("GET", RUNS + "/{run_id}", self._get_run),
        ]
        tokens = [
            Route(f"/ims/token/{version}", self._endpoint(self._issue_token, is_open=True), methods=["POST"])
            for version in ("v2", "v3")
        ]
        return tokens + [Route(path, self._endpoint(call), methods=[method]) for method, path, call in calls]

    def control_routes(self) -> list[Route]:
        """List the routes that tests use to revoke tokens and to see the files and profiles of a job."""
        return [
            Route("/_control/adobe/revoke", self._revoke_tokens, methods=["POST"]),
            Route("/_control/adobe/jobs/{job_id}/files", self._list_job_files),
            Route("/_control/adobe/jobs/{job_id}/profiles", self._list_job_profiles),
            Route("/_control/adobe/runs/{run_id}/files", self._list_run_files),
        ]

    def _advance(self) -> None:
        self._jobs.advance(self._clock.now(), self._settings)

    def _endpoint(
        self, call: Callable[[Request], Awaitable[Any]], *, is_open: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                _raise_queued_error(request, self._settings)
                self._advance()
                if not is_open:
                    self._count_request()
                    self._tokens.check(request, self._clock.now(), self._settings)
                body = await call(request)
            except AdobeError as error:
                return _refuse(request, error)
            return body if isinstance(body, Response) else json_response(body)

        return respond

    def _count_request(self) -> None:
        now, most = self._clock.now(), self._settings.adobe_requests_per_minute
        if most is None:
            return
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= most:
            raise throttled(ceil((self._recent[0] + 60 - now) / (self._clock.speed or 1)))
        self._recent.append(now)

    async def _issue_token(self, request: Request) -> dict[str, Any]:
        return await self._tokens.issue(request, self._clock.now(), self._settings)

    async def _list_jobs(self, request: Request) -> dict[str, Any]:
        status, limit = request.query_params.get("status"), int(request.query_params.get("limit", 100))
        jobs = self._listed_jobs(request, status)
        page, remainder = jobs[:limit], jobs[limit:]
        return {
            "records": [self._job_json(request, job) for job in page],
            "page": {
                "sortField": "createdTime",
                "sort": "desc",
                "pageOffset": page[-1].cursor if page else "",
                "pageSize": limit,
            },
            "link": self._link(page, remainder, limit, status),
        }

    def _listed_jobs(self, request: Request, status: str | None) -> list[Job]:
        """Return the jobs that a request lists, on this page and those that follow."""
        until = self._clock.now() - self._settings.adobe_list_lag_seconds
        jobs = [
            job for job in self._jobs.newest_first(requests.read_sandbox(request)) if job.created <= until
        ]
        if fault_of(request, "missing_from_list"):
            jobs = []
        if status is not None:
            if status not in LIST_STATUSES:
                raise refused_by_service(400, f"Invalid status {status}")
            jobs = [job for job in jobs if job.status == status]
        if offset := request.query_params.get("offset"):
            jobs = [job for job in jobs if job.list_key < requests.read_list_key(offset)]
        return jobs

    def _link(self, page: list[Job], remainder: list[Job], limit: int, status: str | None) -> dict[str, str]:
        if not remainder:
            return {"next": ""} if self._settings.adobe_last_link == "empty" else {}
        status_filter = f"&status={status}" if status else ""
        return {"next": f"/export/jobs/?limit={limit}&offset={page[-1].cursor}{status_filter}"}

    async def _create_job(self, request: Request) -> dict[str, Any]:
        order, sandbox = await requests.read_order(request), requests.read_sandbox(request)
        return self._job_json(request, self._jobs.create(order, sandbox, self._clock.now()))

    async def _get_job(self, request: Request) -> dict[str, Any]:
        return self._job_json(request, self._job(request))

    async def _cancel_job(self, request: Request) -> Response:
        self._job(request).cancel(self._clock.now(), self._settings)
        if self._settings.adobe_delete_status == 204:
            return Response(None, 204)
        body = {"status": True, "message": "Export job has been marked for cancelling"}
        return json_response(body, self._settings.adobe_delete_status)

    async def _get_batch(self, request: Request) -> dict[str, Any]:
        return files.batch_json(self._batch(request), self._settings, self._clock.now())

    async def _list_files(self, request: Request) -> dict[str, Any]:
        batch = self._batch(request)
        job_files = batch.files(self._seed, self._settings)
        return files.file_list(request, batch, job_files, self._settings, self._clock.now())

    async def _get_file(self, request: Request) -> Response:
        file, is_directory = self._file(request.path_params["file_id"])
        name = request.query_params.get("path")
        if name is None:
            inner = file.inner_files(self._settings.adobe_directory_files) if is_directory else []
            return json_response(files.file_parts(request, file, inner, self._settings))
        if is_directory or name != file.name:
            raise refused_by_service(404, f"No file {name}")
        return files.download(request, file, self._settings, self._count_bytes)

    async def _list_runs(self, request: Request) -> dict[str, Any]:
        flow_id = request.query_params.get("property", "").removeprefix("flowId==")
        runs = self._runs.newest_first(flow_id)
        first = int(request.query_params.get("continuationToken") or 0)
        following = first + RUNS_PER_PAGE
        links = {"next": {"href": f"/runs?continuationToken={following}"}} if following < len(runs) else {}
        return {"items": [self._run_json(run) for run in runs[first:following]], "_links": links}

    async def _start_run(self, request: Request) -> dict[str, Any]:
        run = self._runs.start(msgspec.json.decode(await request.body()), self._clock.now())
        return {"id": run.id, "etag": f'"{run.id}"'}

    async def _get_run(self, request: Request) -> dict[str, Any]:
        return {"items": [self._run_json(self._runs.get(request.path_params["run_id"]))]}

    def _run_json(self, run: FlowRun) -> dict[str, Any]:
        return run.to_json(self._seed, self._settings, self._clock.now())

    def _count_bytes(self, size: int) -> None:
        self._bytes_sent += size

    def _job(self, request: Request) -> Job:
        return self._jobs.get(request.path_params["job_id"], requests.read_sandbox(request))

    def _batch(self, request: Request) -> Batch:
        return self._jobs.batch(request.path_params["batch_id"])

    def _file(self, file_id: str) -> tuple[File, bool]:
        """Return a file, and whether it is a directory."""
        for job in self._jobs:
            for file in self._files(job):
                if file.id == file_id:
                    return file, self._settings.adobe_directories
                for inner in file.inner_files(self._settings.adobe_directory_files):
                    if inner.id == file_id:
                        return inner, False
        raise refused_by_service(404, f"File {file_id} not found")

    def _files(self, job: Job) -> list[File]:
        return [file for batch in job.batches for file in batch.files(self._seed, self._settings)]

    def _job_json(self, request: Request, job: Job) -> dict[str, Any]:
        fault = fault_of(request, "status")
        return job.to_json(self._settings, self._clock.now(), fault.get("status") if fault else None)

    async def _revoke_tokens(self, request: Request) -> Response:
        """Revoke every access token that was issued so far."""
        self._tokens.revoke()
        return json_response({})

    async def _list_job_files(self, request: Request) -> Response:
        """List the files of a job with their sha256, in the order of its batches."""
        job_files = self._files_of_request(request)
        if self._settings.adobe_directories:
            count = self._settings.adobe_directory_files
            job_files = [inner for file in job_files for inner in file.inner_files(count)]
        return json_response([_file_row(file) for file in job_files])

    async def _list_job_profiles(self, request: Request) -> Response:
        """List the ids of the profiles in the files of a job, in order; none for files with random bytes."""
        job_files = self._files_of_request(request)
        return json_response(
            [ids for file in job_files if isinstance(file, ProfilesFile) for ids in file.ids()]
        )

    async def _list_run_files(self, request: Request) -> Response:
        """List the files that a dataset export writes to the user's store, with their content in base64."""
        run = self._runs.by_id[request.path_params["run_id"]]
        rows = []
        for file in run.files(self._seed, self._settings):
            content = base64.b64encode(b"".join(file.read(0, file.size))).decode()
            rows.append({**_file_row(file), "content": content})
        return json_response(rows)

    def _files_of_request(self, request: Request) -> list[File]:
        self._advance()
        jobs = {str(job.id): job for job in self._jobs}
        return self._files(jobs[request.path_params["job_id"]])


def _file_row(file: File) -> dict[str, Any]:
    digest = hashlib.sha256()
    for piece in file.read(0, file.size):
        digest.update(piece)
    return {"id": file.id, "name": file.name, "bytes": file.size, "sha256": digest.hexdigest()}


def _refuse(request: Request, error: AdobeError) -> Response:
    if isinstance(error.body, str):
        return Response(error.body, error.status, error.headers, media_type="text/html")
    request.scope[LEDGER_ENTRY]["code"] = str(error.body.get("error_code") or error.body.get("title") or "")
    response = json_response(error.body, error.status)
    response.headers.update(error.headers)
    return response


def _raise_queued_error(request: Request, settings: AdobeSettings) -> None:
    if fault := fault_of(request, "error"):
        if fault.get("code") == "401013":
            raise invalid_token(settings.adobe_invalid_token)
        if code := fault.get("code"):
            raise refused_by_gateway(str(code), fault.get("message"))
        message = str(fault.get("message", "Service Unavailable"))
        raise refused_by_service(int(fault.get("http", 503)), message, fault.get("retry_after"))
