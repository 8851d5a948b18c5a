"""How far a search has come."""

from __future__ import annotations

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.x.search.pages import Page, SearchCursor, SearchRequest

DAYS = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 9))


def test_a_minute_on_both_sides_of_a_pages_edge_is_searched_again() -> None:
    """The oldest minute of a page may continue on the next page, so a smaller slice still holds all of it."""
    request = SearchRequest("coffee", DAYS)
    times = ("2024-01-07T12:35:10.000Z", "2024-01-07T12:34:59.000Z", "2024-01-07T12:34:20.000Z")
    posts = [b'{"id":%d,"created_at":"%s"}' % (n + 1, each.encode()) for n, each in enumerate(times)]
    cursor = SearchCursor.of(request, None).after(Page(posts, next="more"), request)
    smaller = cursor.halved(request)
    assert smaller is not None
    assert (smaller.stop, smaller.reached, smaller.token) == ("202401071235", "202401071235", None)
