"""The files of a batch: their lists, whatever a page of these looks like, and what a response must have to be believed.

Vendor pages "Data Access API" and "ETL integration guide". They disagree about what ``start`` means (an index, a page,
the last name), about ``_page.count``, and about links, which most of their samples lack.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider_twexport.adobe.wire_values import read_count, read_mapping
from airflow_provider_twexport.exceptions import (
    Evidence,
    FatalError,
    NotReadyError,
    TransientError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow_provider_twexport.adobe.models import DataFile
    from airflow_provider_twexport.core.http import StreamedResponse

Item = TypeVar("Item")
Result = TypeVar("Result")

PAGE = 100
# with the readers of a download, as many as a session keeps connections
LOOKERS = 6
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of a list of files.

    :param entries: files, or ids of more lists.
    :param count: the service's count, of the whole list or of the page; ``None`` if it gives none.
    :param limit: entries on a full page.
    :param next_start: ``start`` in the link to the next page; ``None`` if there is no such link.
    """

    entries: list[Mapping[str, Any]]
    count: int | None
    limit: int
    next_start: str | None

    @classmethod
    def from_json(cls, body: Any, path: str) -> EntryPage:
        """Read the service's form, or a bare array of entries.

        :raises UnexpectedResponseError: if it is no list of files.
        """
        entries = body if isinstance(body, list) else read_mapping(body).get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UnexpectedResponseError(
                "Adobe's response has no list of files. Check the connection's host.", Evidence("GET", path)
            )
        page, links = (
            read_mapping(read_mapping(body).get("_page")),
            read_mapping(read_mapping(body).get("_links")),
        )
        # only the query: the link itself may lead to another host, where the token must not go
        link = str(read_mapping(links.get("next")).get("href") or "")
        start = parse_qs(urlsplit(link).query).get("start")
        limit = read_count(page.get("limit")) or PAGE
        return cls(entries, read_count(page.get("count")), min(limit, PAGE), start[0] if start else None)

    def has_more(self, seen: int) -> bool:
        """Return whether more entries may follow, by the count, or else because the page is full.

        :param seen: entries so far, on all pages.
        """
        if self.count is not None and self.count > len(self.entries):
            return self.count > seen
        return len(self.entries) >= self.limit

    def next_starts(self, seen: int) -> Iterator[str]:
        """Yield what ``start`` may have to be for the next page, the likeliest first."""
        if self.next_start is not None:
            yield self.next_start
        if self.has_more(seen):
            yield str(seen)
            yield str(seen // self.limit)
            if self.entries:
                yield _key(self.entries[-1])


def iter_entries(get_page: Callable[[str], EntryPage]) -> Iterator[Mapping[str, Any]]:
    """Yield each entry of a list once, from as many pages as it has.

    :param get_page: returns the page for a value of ``start``.
    :raises NotReadyError: if the list ends before the service's own count of it.
    """
    seen: set[str] = set()
    total = 0
    page: EntryPage | None = get_page("0")
    while page is not None:
        for entry in page.entries:
            if (key := _key(entry)) not in seen:
                seen.add(key)
                yield entry
        total = max(total, page.count or 0)
        page = _next_page(page, seen, get_page)
    if len(seen) < total:
        raise NotReadyError(f"Adobe lists {len(seen)} of {total} files. A retry lists them again.")


def _next_page(page: EntryPage, seen: set[str], get_page: Callable[[str], EntryPage]) -> EntryPage | None:
    """Return the first page that brings an entry that was not seen; ``None`` if there is none."""
    for start in page.next_starts(len(seen)):
        try:
            following = get_page(start)
        except FatalError:  # the service does not understand this kind of start
            continue
        if any(_key(entry) not in seen for entry in following.entries):
            return following
    return None


def _key(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or file_id(entry))


def file_id(entry: Mapping[str, Any]) -> str:
    """Return the id of an entry that has no name."""
    if not entry.get("dataSetFileId"):
        raise UnexpectedResponseError(
            "Adobe lists a file that has neither a name nor an id. Look at the batch in Adobe."
        )
    return str(entry["dataSetFileId"])


def look_ahead(look: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield what ``look`` returns for each item, in order; several looks run in advance."""
    threads = ThreadPoolExecutor(LOOKERS, thread_name_prefix="list")
    pending: deque[Any] = deque()
    try:
        for item in items:
            pending.append(threads.submit(look, item))
            if len(pending) >= 2 * LOOKERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class FileVersion:
    """Which version of a file its first response brought, so that no other version is mixed with it."""

    etag: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that requests a range of this version only; a weak ETag cannot."""
        return {"If-Range": self.etag} if self.etag and not self.etag.startswith("W/") else {}

    def check(self, file: DataFile, etag: str | None, *, is_partial: bool) -> None:
        """Remember the version of the first response, and refuse any other.

        :param is_partial: whether the response is a range, which ``If-Range`` allows for the same version only.
        :raises NotReadyError: if the file was replaced meanwhile.
        """
        with self._lock:
            self.etag = self.etag or etag
            if etag != self.etag and not (etag is None and is_partial):
                raise NotReadyError(f"{file.name} changed while it was read. A retry reads it anew.")


def check_response(response: StreamedResponse, file: DataFile, start: int, version: FileVersion) -> int:
    """Check that a response brings bytes of a file, and return how many of them come before ``start``.

    :param start: the first byte that was requested.
    :param version: of the responses before.
    :raises TransientError: if it is a page, perhaps of a proxy, and no file.
    :raises NotReadyError: if the file has another size than it was listed with, or changed.
    :raises UnexpectedResponseError: if it brings other bytes.
    """
    _check_type(response, file)
    header = response.headers.get("content-range")
    sent = _RANGE.fullmatch(header or "")
    size = _total_size(response, sent[3] if sent else None)
    if size is not None and size != file.size:
        raise NotReadyError(
            f"{file.name} was listed with {file.size} bytes and has {size}. A retry lists it again."
        )
    version.check(file, response.headers.get("etag"), is_partial=response.status == 206)
    if sent and int(sent[1]) == start:
        return 0
    if response.status == 200 and not header:
        return start
    raise UnexpectedResponseError(
        f"Adobe sent other bytes of {file.name} ({file.size} bytes) than those from byte {start} on. Look "
        "at the file in Adobe before you continue.",
        Evidence("GET", "/data/foundation/export/files", response.status, details=header),
    )


def _check_type(response: StreamedResponse, file: DataFile) -> None:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = {"text/html": "html", "application/json": "json", "application/problem+json": "json"}.get(
        media_type
    )
    if kind and not file.name.lower().endswith(f".{kind}"):
        evidence = Evidence("GET", "/data/foundation/export/files", response.status, details=media_type)
        raise TransientError(f"The response is {media_type} and not the file {file.name}.", evidence)


def _total_size(response: StreamedResponse, total: str | None) -> int | None:
    """Return the size of the file by a response; ``None`` if it does not say."""
    if response.status == 206:
        return read_count(total)
    is_plain = "content-encoding" not in response.headers
    return read_count(response.headers.get("content-length")) if is_plain else None
