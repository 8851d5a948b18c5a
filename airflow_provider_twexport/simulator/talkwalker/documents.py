"""The bytes of a result: the same for the same result and export, made when they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from airflow_provider_twexport.simulator.prng import mixed
from airflow_provider_twexport.simulator.talkwalker.projects import PROJECTS
from airflow_provider_twexport.simulator.talkwalker.templates import LINE_END, LINE_START, build_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.talkwalker.corpus import Scope
    from airflow_provider_twexport.simulator.talkwalker.delivery import Delivery

X_EPOCH = 1_288_834_974_657


class Documents:
    """Fills templates with what makes a result this result."""

    def __init__(self, seed: int) -> None:
        self._templates = build_templates(seed)

    def lines(self, scope: Scope, delivery: Delivery, task_id: str, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines at places `[first, last)` of a delivery."""
        task, highlights = task_id.encode(), _highlights(scope)
        for day, index in delivery.results(first, last):
            draw = mixed(day.seed, index)
            moment = day.moment(index)
            template, snippets = self._templates[(draw >> 20) % len(self._templates)]
            yield template % {
                b"uid": b"%016x" % draw,
                b"published": moment,
                b"indexed": moment + 1000 + draw % 50_000,
                b"search_indexed": moment + 60_000 + draw % 9_000,
                b"external_id": b"%d" % (max(1, moment - X_EPOCH) << 22 | draw & 0x3FFFFF),
                b"external_author_id": b"%d" % (draw >> 2),
                b"engagement": draw & 0xFFF,
                b"reach": draw >> 35,
                b"task_id": task,
                b"highlights": highlights[index % 10] % snippets if highlights else b"",
            }


def data(line: bytes) -> bytes:
    """Cut out the value of `chunk_result.data` in a line made here."""
    return line[len(LINE_START) : -len(LINE_END)]


def _highlights(scope: Scope) -> list[bytes]:
    """Write what a project's results say about the topics they match, by the last digit of their index."""
    if scope.kind != "project":
        return []
    topics = PROJECTS[scope.name].topics
    profiles = [
        [
            {"id": one.id, "title": one.title, "type": "search", "category": "default"}
            for one in topics
            if digit in one.digits
        ]
        for digit in range(10)
    ]
    return [
        b',"highlighted_data":[{%%b"matched":{"project_profiles":%b}}]' % msgspec.json.encode(each)
        for each in profiles
    ]
