"""Adobe Experience Platform: orders export jobs, and reads the files of their batches.

Vendor pages: "Export jobs endpoint" (Segmentation Service), "Catalog Service", "Data Access" and "Flow Service". Out of
scope: segment jobs, schedules, the creation of datasets and destinations.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider_twexport.adobe import files
from airflow_provider_twexport.adobe.error_codes import explain, is_invalid_token
from airflow_provider_twexport.adobe.files import EntryPage
from airflow_provider_twexport.adobe.flow_runs import FlowRun
from airflow_provider_twexport.adobe.models import CatalogBatch, DataFile, ExportJob
from airflow_provider_twexport.adobe.oauth import DEFAULT_IMS_HOST, AccessToken
from airflow_provider_twexport.adobe.wire_values import (
    clean_id,
    clean_sandbox,
    read_count,
    read_list,
    read_mapping,
)
from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import (
    Evidence,
    InvalidRequestError,
    NotFoundError,
    TwexportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_twexport.adobe.files import FileVersion
    from airflow_provider_twexport.adobe.oauth import ServerCredential
    from airflow_provider_twexport.adobe.orders import ExportJobOrder

T = TypeVar("T")
log = logging.getLogger(__name__)

DEFAULT_HOST = "https://platform.adobe.io"
JOBS = "/data/core/ups/export/jobs"
BATCHES = "/data/foundation/catalog/batches"
EXPORT = "/data/foundation/export"
RUNS = "/data/foundation/flowservice/runs"
PAGE = 100
LISTED_STATUSES = ("NEW", "SUCCEEDED", "FAILED")
# Airflow kills a task's process 5 seconds after it asks it to end; this is for connecting, and again for the response
KILL_SECONDS = 2.0
# the service itself ends a response after 60 seconds
RESPONSE_SECONDS = 70.0
# of nested directories; protects against directories that contain each other
MAX_DEPTH = 5


class AdobeClient:
    """Calls Adobe Experience Platform; every call that may be repeated is retried, within limits.

    :param credential: of the caller.
    :param sandbox: its name, which the service has in lower case.
    :param base_url: of the service.
    :param ims_url: of the identity service, which grants the access token.
    :param timing: how long everything waits; ``None`` for the usual waits.
    :raises ConnectionConfigError: if an address is not one to send a credential to.
    """

    def __init__(
        self,
        credential: ServerCredential,
        sandbox: str = "prod",
        base_url: str = DEFAULT_HOST,
        ims_url: str = DEFAULT_IMS_HOST,
        timing: core_timing.Timing | None = None,
    ) -> None:
        self.timing = timing or core_timing.DEFAULT
        self.sandbox = clean_sandbox(sandbox)
        retry = self.timing.retry
        self._token = AccessToken(credential, ims_url, retry)
        headers = {
            "x-api-key": credential.client_id,
            "x-gw-ims-org-id": credential.org_id,
            "x-sandbox-name": self.sandbox,
        }
        self._session = Session(base_url, self._token, explain, retry, headers)
        # a kill can interrupt anything, so it has its own connections, and no counter, which may hold a lock
        self._kill_session = Session(base_url, self._token, explain, Retry(), headers)

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"AdobeClient({self.base_url!r}, sandbox={self.sandbox!r})"

    @property
    def base_url(self) -> str:
        """Return the URL of the service."""
        return self._session.base_url

    # export jobs

    def list_export_jobs(
        self, limit: int | None = None, cursor: str | None = None, status: str | None = None
    ) -> list[ExportJob]:
        """Return the sandbox's export jobs, newest first.

        :param limit: jobs at most; ``None`` for all.
        :param cursor: of the job after which the list continues; ``None`` for the newest.
        :param status: only those that are ``NEW``, ``SUCCEEDED`` or ``FAILED``; the service has no other filter.
        :raises InvalidRequestError: if the limit or the status is not one of these.
        """
        if limit is not None and limit < 1:
            raise InvalidRequestError(
                f"limit={limit} is not a number of jobs. Give 1 or more, or None for all."
            )
        return list(islice(self.iter_export_jobs(cursor, status, min(limit or PAGE, PAGE)), limit))

    def iter_export_jobs(
        self, cursor: str | None = None, status: str | None = None, page: int = PAGE
    ) -> Iterator[ExportJob]:
        """Yield the same jobs one by one; each page is requested when it is needed.

        :param page: jobs per page.
        """
        if status is not None and status not in LISTED_STATUSES:
            raise InvalidRequestError(
                f"status={status!r} is unknown. Choose one of {', '.join(LISTED_STATUSES)}."
            )
        seen = set()
        while True:
            body = self._call("GET", JOBS, params={"limit": page, "offset": cursor, "status": status})
            if not isinstance(body, dict) or not isinstance(body.get("records"), list):
                msg = "Adobe's response has no list of export jobs. Check the connection's host."
                raise UnexpectedResponseError(msg, Evidence("GET", JOBS))
            yield from _readable_jobs(body["records"])
            cursor = _next_cursor(read_mapping(body.get("link")).get("next"))
            if cursor is None:
                return
            if cursor in seen:
                msg = "A page of Adobe's list of export jobs links to an earlier page. Report it to Adobe."
                raise UnexpectedResponseError(msg, Evidence("GET", JOBS))
            seen.add(cursor)

    def create_export_job(self, order: ExportJobOrder) -> ExportJob:
        """Order an export job; sent once, because the service does not recognise a repeated order.

        :raises RetriableError: if no response came; the job may exist, so look before you order again.
        """
        return ExportJob.from_json(self._call("POST", JOBS, body=order.body(), repeatable=False) or {})

    def get_export_job(self, job_id: str) -> ExportJob:
        """Return a job.

        :raises NotFoundError: if the sandbox has no job of this id.
        """
        return ExportJob.from_json(self._call("GET", f"{JOBS}/{_segment(job_id)}") or {})

    def cancel_export_job(self, job_id: str) -> None:
        """Mark a job for cancellation."""
        self._call("DELETE", f"{JOBS}/{_segment(job_id)}")

    def cancel_when_killed(self, job_id: str) -> None:
        """Cancel a job with one short attempt, from a process about to be killed; never raises."""
        try:
            path = f"{JOBS}/{_segment(job_id)}"
            self._token.ensure_any()
            self._kill_session.call("DELETE", path, repeatable=False, timeout=KILL_SECONDS)
        except TwexportError as error:
            log.warning("Export job %s could not be cancelled and may continue: %s", job_id, error)

    # batches and files

    def get_batch(self, batch_id: str) -> CatalogBatch | None:
        """Return a batch as the catalog reports it; ``None`` if the catalog does not know it, or not yet."""
        try:
            body = self._call("GET", f"{BATCHES}/{_segment(batch_id)}")
        except NotFoundError:
            return None
        found = read_mapping(read_mapping(body).get(batch_id))
        return CatalogBatch.from_json(found) if found else None

    def list_files(self, batch_id: str, known: dict[str, list[DataFile]] | None = None) -> Iterator[DataFile]:
        """Yield the files of a batch in the service's order, including those in directories, as they are found.

        :param known: the file, or the files of the directory, behind each id of earlier lists; these are not requested
            again, and others are added.
        :raises NotReadyError: at the end, if the service counts more files than it lists.
        """
        entries = self._entries(f"{EXPORT}/batches/{_segment(batch_id)}/files")
        ids = (files.file_id(entry) for entry in entries)

        found_before = {} if known is None else known

        def look(file_id: str) -> list[DataFile]:
            if file_id not in found_before:
                found_before[file_id] = list(self._files_in(file_id, MAX_DEPTH))
            return found_before[file_id]

        for found in files.look_ahead(look, ids):
            yield from found

    def read(self, file: DataFile, start: int, stop: int, version: FileVersion) -> Iterator[bytes]:
        """Yield the bytes ``[start, stop)`` of a file, as far as one response brings them; never retried.

        :param version: of the file; the same for all of its ranges.
        :raises ReadInterruptedError: if the response broke off: resume after what was yielded.
        :raises NotReadyError: if the file changed since it was listed, or since its first range.
        :raises UnexpectedResponseError: if the service sends other bytes.
        """
        path = f"{EXPORT}/files/{_segment(file.id)}"
        with ExitStack() as stack:
            response = self._with_valid_token(
                lambda: stack.enter_context(
                    self._session.stream(
                        path,
                        params={"path": file.name},
                        timeout=RESPONSE_SECONDS,
                        # the bytes as stored, not compressed for the transfer
                        headers={
                            "Range": f"bytes={start}-{stop - 1}",
                            "Accept-Encoding": "identity",
                            **version.headers,
                        },
                    )
                )
            )
            skip = files.check_response(response, file, start, version)
            remaining = stop - start
            for block in response.blocks:
                wanted = block[skip : skip + remaining]
                skip = max(0, skip - len(block))
                if wanted:
                    yield wanted
                remaining -= len(wanted)
                if remaining <= 0:
                    return

    def _files_in(self, file_id: str, depth: int) -> Iterator[DataFile]:
        if depth == 0:
            raise UnexpectedResponseError(
                f"The directories of file {file_id} are nested more than {MAX_DEPTH} deep. Look at them in Adobe."
            )
        for entry in self._entries(f"{EXPORT}/files/{_segment(file_id)}"):
            if name := entry.get("name"):
                size = read_count(entry.get("length"))
                yield DataFile(file_id, str(name), self._size(file_id, name) if size is None else size)
            else:
                yield from self._files_in(files.file_id(entry), depth - 1)

    def _size(self, file_id: str, name: str) -> int:
        """Return the size of a file that is listed without one."""
        path = f"{EXPORT}/files/{_segment(file_id)}"
        headers = self._with_valid_token(lambda: self._session.head(path, params={"path": name}))
        size = read_count(headers.get("content-length"))
        if size is None:
            raise UnexpectedResponseError(
                f"Adobe says nowhere how long the file {name} is. Look at it in Adobe.",
                Evidence("HEAD", path),
            )
        return size

    def _entries(self, path: str) -> Iterator[Mapping[str, Any]]:
        def get_page(start: str) -> EntryPage:
            return EntryPage.from_json(
                self._call("GET", path, params={"start": start, "limit": files.PAGE}), path
            )

        return files.iter_entries(get_page)

    # dataset exports

    def list_flow_runs(self, flow_id: str) -> Iterator[FlowRun]:
        """Yield the runs of a dataflow, the newest first."""
        params = {"property": f"flowId=={_segment(flow_id)}", "orderby": "-createdAt", "limit": PAGE}
        seen: set[str] = set()
        while True:
            body = read_mapping(self._call("GET", RUNS, params=params))
            yield from map(FlowRun.from_json, read_list(body.get("items")))
            link = read_mapping(read_mapping(body.get("_links")).get("next")).get("href")
            token = parse_qs(urlsplit(str(link or "")).query).get("continuationToken", [""])[0]
            if not token or token in seen:
                return
            seen.add(token)
            params["continuationToken"] = token

    def get_flow_run(self, run_id: str) -> FlowRun:
        """Return a run of a dataflow.

        :raises NotFoundError: if the sandbox has no run of this id.
        """
        return FlowRun.from_json(self._call("GET", f"{RUNS}/{_segment(run_id)}"))

    def start_flow_run(self, flow_id: str) -> str:
        """Start a run of a dataflow and return its id; sent once, because the service recognises no repetition.

        :raises RetriableError: if no response came; the run may exist, so look before you start another.
        """
        body = {"flowId": _segment(flow_id), "status": "active"}
        return FlowRun.from_json(self._call("POST", RUNS, body=body, repeatable=False)).id

    # token

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return self._with_valid_token(lambda: self._session.call(method, path, **options))

    def _with_valid_token(self, call: Callable[[], T]) -> T:
        """Call with a token that does not expire soon; with new ones for a while if Adobe refuses the token.

        Adobe has done nothing then, and may refuse even a new token for some seconds.
        """
        for seconds in self.timing.token_accepted:
            token = self._token.ensure_valid()
            try:
                return call()
            except TwexportError as error:
                if not is_invalid_token(error):
                    raise
            time.sleep(seconds)
            self._token.replace(token)
        return call()


def _next_cursor(link: Any) -> str | None:
    """Return the cursor in a link to the next page; ``None`` for the last page, whose link is empty or missing."""
    found = parse_qs(urlsplit(str(link or "")).query).get("offset")
    return found[0] if found else None


def _readable_jobs(records: list[Any]) -> Iterator[ExportJob]:
    """Yield the jobs of a page; one that cannot be read hides no other."""
    for record in records:
        try:
            yield ExportJob.from_json(record)
        except UnexpectedResponseError as error:
            log.warning("An entry of Adobe's list of export jobs is skipped. %s", error)


def _segment(value: str) -> str:
    """Return an id as a segment of a path."""
    cleaned = clean_id(value)
    if not re.fullmatch(r"[\w~-][\w.~-]*", cleaned, re.ASCII):
        raise InvalidRequestError(
            f"{value!r} is not an Adobe id. Use only letters, digits, '-', '_' and '.'."
        )
    return cleaned
