"""Plan, buy and land again and again, until nothing is truncated: every result is there, each exactly once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from upath import UPath

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.coverage.coverage import coverage, landed_span
from airflow_provider_twexport.storage import discovery
from airflow_provider_twexport.storage.already_landed import landed_hours, read
from airflow_provider_twexport.talkwalker.landing import CollectorLanding, open_landing, source_of
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.planning.survey import survey
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.record_identity import identity, published_ms
from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.planning.plan import PlannedWindow
    from tests.simulator_process import Simulator

NEW_YEAR = pendulum.datetime(2024, 1, 1)
WEEK = Window(NEW_YEAR, NEW_YEAR.add(weeks=1))


def planned(client: TalkwalkerClient, order: ExportOrder, root: Path) -> list[PlannedWindow]:
    """Return what is still to be done of a week."""
    found = discovery.find_landings([root])
    places = found.directories
    surveyed = survey(
        client,
        order,
        "week",
        landed=found.by_owner,
        landed_hours=lambda collector_id: landed_hours(places[collector_id], published_ms),
    )
    return surveyed.todo(surveyed.count(client))


def buy_and_land(client: TalkwalkerClient, order: ExportOrder, window: PlannedWindow, root: Path) -> None:
    """Do what the task group does of one window."""
    collector_id, part = window.collector_id, replace(order, window=window.window)
    client.put_collector(collector_id)
    task = client.get_export(buy_once(client, part, collector_id).task.id)
    paths = tuple(str(root / collector) for collector in window.remainder_of)
    remainder_of = RemainderOf(
        collector_ids=window.remainder_of, paths=paths, windows=window.remainder_windows
    )
    source = source_of(collector_id, task.id, part.to_json(), remainder_of if paths else None)
    with open_landing(root / collector_id, source, exclude=[UPath(path) for path in paths]) as landing:
        CollectorLanding(client, collector_id, task, order.limit).land(landing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scope", "settings", "limit", "most_rounds"),
    [
        ("project_id", {}, 400, 2),
        ("project_id", {"results_per_day": 1_500}, 400, 2),
        ("stream_id", {}, 250, 6),
    ],
    ids=["by the day", "by the hour", "by halves"],
)
def test_all_of_it_lands_exactly_once(
    scope: str,
    settings: dict[str, Any],
    limit: int,
    most_rounds: int,
    client: TalkwalkerClient,
    simulator: Simulator,
    tmp_path: Path,
) -> None:
    """However often a remainder is truncated itself; nothing is ordered twice, and coverage shows no gap."""
    simulator.settings(**settings) if settings else None
    order = ExportOrder(WEEK, limit=limit, **{scope: getattr(simulator, scope)})
    rounds = 0
    while todo := planned(client, order, tmp_path):
        rounds += 1
        for window in todo:
            buy_and_land(client, order, window, tmp_path)
    assert 1 < rounds <= most_rounds
    found = discovery.find_landings([tmp_path])
    results: list[bytes] = []
    for place in found.directories.values():
        read(place, lambda records: results.extend(map(identity, records)))
    exports = simulator.ledger()["exports"]
    assert len(exports) == len({(it["start"], it["stop"]) for it in exports}) == len(found.manifests)
    client.put_collector("all")
    whole = client.create_export(replace(order, limit=1_000_000), "all")
    truth = [identity(it) for batch in client.drain("all", export_id=whole.id) for it in batch.records]
    assert sorted(results) == sorted(truth)
    spans = [span for it in found.manifests.values() if (span := landed_span(it))]
    (covered,) = coverage(spans, WEEK)
    assert (covered.counts["landed"], covered.counts["bought_twice"]) == (7, 0)
    charged = simulator.ledger()["credits"]["charged_total"]
    assert planned(client, order, tmp_path) == []
    assert simulator.ledger()["credits"]["charged_total"] == charged
