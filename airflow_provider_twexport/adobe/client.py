"""Adobe Experience Platform: order an export job, wait for it, find its batches and files, and read them.

Vendor pages: "Export jobs endpoint" (Segmentation Service), "Catalog Service" and "Data Access". Out of scope: segment
jobs, schedules, destinations, the creation of datasets.
"""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider_twexport.adobe.error_codes import explain, is_invalid_token
from airflow_provider_twexport.adobe.models import DataFile, ExportJob
from airflow_provider_twexport.adobe.oauth import DEFAULT_IMS_HOST, AccessToken
from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import (
    Evidence,
    InvalidRequestError,
    TwexportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_twexport.adobe.models import ExportJobOrder
    from airflow_provider_twexport.adobe.oauth import ServerCredential
    from airflow_provider_twexport.core.http import StreamedResponse

T = TypeVar("T")
log = logging.getLogger(__name__)

DEFAULT_HOST = "https://platform.adobe.io"
JOBS = "/data/core/ups/export/jobs"
BATCHES = "/data/foundation/catalog/batches"
EXPORT = "/data/foundation/export"
PAGE = 100
LISTED_STATUSES = ("NEW", "SUCCEEDED", "FAILED")
# Airflow kills a task's process 5 seconds after asking it to end; connecting and waiting take so long each
KILL_SECONDS = 2.0
# the service itself ends an answer after 60 seconds
ANSWER_SECONDS = 70.0
# directories in directories; a limit only for answers that name each other
DEPTH = 5


class AdobeClient:
    """Calls Adobe Experience Platform; every call that may be repeated is, within bounds.

    :param credential: who calls.
    :param sandbox: where; its name is in lower case.
    :param base_url: address of the service.
    :param ims_url: address of the identity service, which gives the access token.
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
        retry = self.timing.retry
        self._token = AccessToken(credential, ims_url, retry)
        headers = {
            "x-api-key": credential.client_id,
            "x-gw-ims-org-id": credential.org_id,
            "x-sandbox-name": sandbox,
        }
        self.sandbox = sandbox
        self._session = Session(base_url, self._token, explain, retry, headers)
        # a kill interrupts anything, so it has connections of its own, and nobody who counts, under a lock, is told
        self._kill_session = Session(base_url, self._token, explain, Retry(), headers)

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"AdobeClient({self.base_url!r}, sandbox={self.sandbox!r})"

    @property
    def base_url(self) -> str:
        """Return the address of the service."""
        return self._session.base_url

    # export jobs

    def list_export_jobs(
        self, limit: int | None = None, offset: str | None = None, status: str | None = None
    ) -> list[ExportJob]:
        """Return the sandbox's export jobs, newest first.

        :param limit: jobs at most; ``None`` for all.
        :param offset: go on behind this place of the list: the ``cursor`` of a job.
        :param status: only those that are ``NEW``, ``SUCCEEDED`` or ``FAILED``; the service knows no other filter.
        :raises InvalidRequestError: if one of these is no such thing.
        """
        if limit is not None and limit < 1:
            raise InvalidRequestError(f"limit={limit} is no number of jobs: give 1 or more, or None for all.")
        return list(islice(self.iter_export_jobs(offset, status, min(limit or PAGE, PAGE)), limit))

    def iter_export_jobs(
        self, offset: str | None = None, status: str | None = None, page: int = PAGE
    ) -> Iterator[ExportJob]:
        """Yield the same one by one, asking for a page when it is needed.

        :param page: jobs to a page.
        """
        if status is not None and status not in LISTED_STATUSES:
            raise InvalidRequestError(f"status={status!r} is none of {', '.join(LISTED_STATUSES)}.")
        seen = set()
        while True:
            body = self._call("GET", JOBS, params={"limit": page, "offset": offset, "status": status})
            if not isinstance(body, dict) or not isinstance(body.get("records"), list):
                raise UnexpectedResponseError(
                    "Adobe's answer has no list of export jobs.", Evidence("GET", JOBS)
                )
            yield from map(ExportJob.from_json, body["records"])
            offset = _offset((body.get("link") or {}).get("next"))
            if offset is None:
                return
            if offset in seen:
                raise UnexpectedResponseError(
                    "Adobe's list of export jobs leads back to itself.", Evidence("GET", JOBS)
                )
            seen.add(offset)

    def create_export_job(self, order: ExportJobOrder) -> ExportJob:
        """Order an export job; sent once, because the service does not know an order again.

        :raises TransientError: if no answer came; the job may exist all the same, so look before ordering again.
        """
        return ExportJob.from_json(self._call("POST", JOBS, body=order.body(), repeatable=False) or {})

    def get_export_job(self, job_id: str) -> ExportJob:
        """Return a job.

        :raises NotFoundError: if there is none of this id in the sandbox.
        """
        return ExportJob.from_json(self._call("GET", f"{JOBS}/{_segment(job_id)}") or {})

    def cancel_export_job(self, job_id: str) -> None:
        """Mark a job for cancelling."""
        self._call("DELETE", f"{JOBS}/{_segment(job_id)}")

    def cancel_when_killed(self, job_id: str) -> None:
        """Cancel a job with one short try and the token at hand, from a process about to be killed; never raises."""
        try:
            path = f"{JOBS}/{_segment(job_id)}"
            self._token.have_one()
            self._kill_session.call("DELETE", path, repeatable=False, timeout=KILL_SECONDS)
        except TwexportError as error:
            log.warning("Export job %s could not be cancelled and may go on: %s", job_id, error)

    # batches and files

    def get_batch_status(self, batch_id: str) -> str:
        """Return what the catalog says of a batch, in lower case."""
        body = self._call("GET", f"{BATCHES}/{_segment(batch_id)}")
        if not isinstance(body, dict) or not isinstance(body.get(batch_id), dict):
            raise UnexpectedResponseError(f"Adobe's catalog says nothing of batch {batch_id}.")
        return str(body[batch_id].get("status") or "").lower()

    def list_files(self, batch_id: str) -> list[DataFile]:
        """Return the files of a batch in the service's order, those in directories too."""
        path = f"{EXPORT}/batches/{_segment(batch_id)}/files"
        ids = [_file_id(entry) for entry in self._pages(path)]
        return [file for file_id in ids for file in self._files_in(file_id, DEPTH)]

    def read(self, file: DataFile, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``[start, stop)`` of a file, as far as one answer brings them; one try.

        :raises ReadInterruptedError: if the answer broke off: go on behind what was yielded.
        :raises UnexpectedResponseError: if the service sends other bytes than those.
        """
        path = f"{EXPORT}/files/{_segment(file.id)}"
        with ExitStack() as stack:
            answer = self._renewing(
                lambda: stack.enter_context(
                    self._session.stream(
                        path,
                        params={"path": file.name},
                        timeout=ANSWER_SECONDS,
                        # bytes as they are stored, not as they might be compressed for the way
                        headers={"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"},
                    )
                )
            )
            _check_range(answer, file, start)
            left = stop - start
            for block in answer.blocks:
                yield block[:left]
                left -= len(block)
                if left <= 0:
                    return

    def _files_in(self, file_id: str, depth: int) -> Iterator[DataFile]:
        if depth == 0:
            raise UnexpectedResponseError(f"The directories of file {file_id} are nested too deeply.")
        for entry in self._pages(f"{EXPORT}/files/{_segment(file_id)}"):
            if "name" in entry:
                yield DataFile(file_id, str(entry["name"]), int(entry["length"]))
            else:
                yield from self._files_in(_file_id(entry), depth - 1)

    def _pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            body = self._call("GET", path, params={"start": start, "limit": PAGE})
            if not isinstance(body, dict) or not isinstance(body.get("data"), list):
                raise UnexpectedResponseError("Adobe's answer has no list of files.", Evidence("GET", path))
            yield from body["data"]
            start += len(body["data"])
            # its link may lead to another host, where the token must not go
            if not body["data"] or "next" not in (body.get("_links") or {}):
                return

    # token

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return self._renewing(lambda: self._session.call(method, path, **options))

    def _renewing(self, call: Callable[[], T]) -> T:
        """Call with a token that is not about to end; once more, with a new one, where it was refused unseen."""
        token = self._token.freshen()
        try:
            return call()
        except TwexportError as error:
            if not is_invalid_token(error):
                raise
        self._token.replace(token)
        return call()


def _offset(link: Any) -> str | None:
    """Return the cursor in a link to the next page; the last page has an empty link, or none."""
    found = parse_qs(urlsplit(str(link or "")).query).get("offset")
    return found[0] if found else None


def _file_id(entry: Mapping[str, Any]) -> str:
    if not entry.get("dataSetFileId"):
        raise UnexpectedResponseError("Adobe lists a file that has neither a name nor an id.")
    return str(entry["dataSetFileId"])


def _check_range(answer: StreamedResponse, file: DataFile, start: int) -> None:
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("content-range", ""))
    whole = answer.status == 200 and start == 0
    if whole or (told and int(told[1]) == start and told[3] in ("*", str(file.size))):
        return
    raise UnexpectedResponseError(
        f"Adobe was asked for {file.name} ({file.size} bytes) from byte {start} and sent something else.",
        Evidence(
            "GET", f"{EXPORT}/files/{file.id}", answer.status, details=answer.headers.get("content-range")
        ),
    )


def _segment(value: str) -> str:
    if not re.fullmatch(r"[\w~-][\w.~-]*", str(value), re.ASCII):
        raise InvalidRequestError(f"{value!r} is no Adobe id: letters, digits, '-', '_' and '.' only.")
    return str(value)
