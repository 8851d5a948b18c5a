"""Lands a search in one directory: its posts, or the counts of them; each page is paid for once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.core.window import CLOCK_TOLERANCE
from airflow_provider_twexport.exceptions import DirectoryInUseError, InvalidRequestError
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.x.schema import COUNTS, POSTS
from airflow_provider_twexport.x.search.pages import MAX_PER_PAGE, SearchCursor, count_period, post_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part_options import PartOptions
    from airflow_provider_twexport.x.search.client import XSearchClient
    from airflow_provider_twexport.x.search.pages import SearchRequest


@dataclass(frozen=True, slots=True)
class SearchLanding:
    """Lands the posts of a search, or their counts where the request has a bucket.

    :param client: of the account that pays.
    :param request: what to search for.
    :param max_results: land this many posts, the newest; ``None`` for all.
    :param max_requests: how many requests to send, those of earlier tries included; ``None`` for no bound.
    :param settle: how long after its end posts of the window may be indexed.
    :param page_size: how many posts a page may have, 10 to 500.
    :raises InvalidRequestError: ``max_results`` is less than 1.
    """

    client: XSearchClient
    request: SearchRequest
    max_results: int | None = None
    max_requests: int | None = None
    settle: timedelta = timedelta(0)
    page_size: int = MAX_PER_PAGE

    def __post_init__(self) -> None:
        if self.max_results is not None and self.max_results < 1:
            raise InvalidRequestError(
                f"max_results={self.max_results} leaves nothing to land. Give 1 or more."
            )

    def open(self, directory: StoragePath, parts: PartOptions) -> Landing:
        """Start the landing, resume it, or find that it is complete.

        :param directory: of this landing and no other.
        :param parts: the file format, and where a part ends.
        :raises DirectoryInUseError: it is complete, and was made before the window had settled.
        """
        is_count = self.request.bucket is not None
        landing = Landing.open(
            directory,
            source=self.request.source(self.client.product, self.max_results),
            parts=parts,
            schema=COUNTS if is_count else POSTS,
            dedup=Dedup(identity=count_period if is_count else post_id),
            max_results=self.max_results,
            durable_batches=True,
        )
        settled = self.request.window.stop + self.settle
        if landing.committed and landing.committed.ordered_at + CLOCK_TOLERANCE < settled:
            raise DirectoryInUseError(
                f"{directory} was landed on {landing.committed.created_at}, and {self.request.window} settles until "
                f"{settled.to_iso8601_string()}, so it lacks what was indexed later. Nothing was requested. Give a "
                "shorter settle, or land in another directory, which is charged again."
            )
        return landing

    def land(self, landing: Landing) -> Manifest:
        """Request the missing pages and return the manifest.

        :raises RequestBudgetExceededError: the search needs more requests; a later landing resumes with more.
        """
        wanted = math.inf if self.max_results is None else self.max_results
        progress = Progress(self.max_results, landing.results)
        pages = self.client.pages(
            self.request,
            cursor=landing.cursor,
            missing=lambda: wanted - landing.results,
            max_requests=self.max_requests,
            page_size=self.page_size,
        )
        for batch in pages:
            landing.write(batch)
            progress.report(landing.results, landing.bytes)
        cursor = self.cursor_of(landing.cursor)
        if self.request.bucket:
            return landing.commit(estimated_total=cursor.counted)
        return landing.commit(truncated=not cursor.is_end)

    def count(self) -> SearchCursor:
        """Request all counts without landing them; return the end of the search, with its total."""
        cursor = None
        for batch in self.client.pages(self.request, max_requests=self.max_requests):
            cursor = batch.cursor
        return self.cursor_of(cursor)

    def cursor_of(self, cursor: str | None) -> SearchCursor:
        """Return how far the search has come at a cursor, and what it took."""
        return SearchCursor.of(self.request, cursor)


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the results of a search come from.

    :param source: of the manifest.
    """
    schema = COUNTS if source.get("bucket") else POSTS
    return Dataset("x://gnip-api.x.com", f"search/{source.get('product')}", schema)
