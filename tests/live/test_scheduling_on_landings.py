"""A DAG that is scheduled on an asset runs when results have landed in it, and knows which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from tests.live.pipeline import Live

pytestmark = pytest.mark.live


def test_a_landing_starts_the_dag_that_reads_it(live: Live) -> None:
    """With window, counts and manifest; nobody else tells it where to look."""
    live.talkwalker.settings(queue_seconds=0)
    api = live.stack.api
    api.wait_for_dag("live_reader")
    api.unpause("live_reader")
    run = live.start("live_mentions", "landed", ("2021-03-01", "2021-03-03"), query="mentions")
    assert run.wait_for_end() == "success"
    run.check_landed_once()
    (reader,) = wait_until(lambda: api.runs("live_reader"))
    assert api.wait_for_run("live_reader", reader["dag_run_id"], PATIENCE)["state"] == "success"
    (told,) = api.xcom("live_reader", reader["dag_run_id"], "read")
    landed = run.xcom("to_object_storage")
    assert told.items() >= landed.items()
    assert told["window"] == {"start": "2021-03-01T00:00:00Z", "stop": "2021-03-03T00:00:00Z"}
    assert told["complete"] is True
    assert told["read"] == landed["results"] > 0
    links = api.links(run.dag_id, run.run_id, "export.to_object_storage")
    page = "plugin/exports?view=landings&manifest=" + landed["manifest"].replace(":", "%3A").replace(
        "/", "%2F"
    )
    assert (links["Manifest"], links["Talkwalker"]) == (page, "https://app.talkwalker.com/app/login")
