"""What the live tests say about a year that is exported month by month, all at once, from a Talkwalker of its own."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.storage import manifest
from tests.live.pipeline import digests
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from demo.api import Json
    from demo.stack import AirflowStack
    from tests.simulator_process import Simulator

DAG_ID = "live_year"


@dataclass(frozen=True)
class Year:
    """One run of the DAG `live_year`."""

    stack: AirflowStack
    talkwalker: Simulator
    landing: Path
    run_id: str

    def start(self, **conf: Any) -> None:
        """Order the year 2021 from this Talkwalker."""
        api = self.stack.api
        api.create_connection(
            connection_id=self.run_id,
            conn_type="talkwalker",
            host=self.talkwalker.url,
            password=self.talkwalker.token,
            extra=json.dumps({"project_id": self.talkwalker.project_id}),
        )
        api.wait_for_dag(DAG_ID)
        api.unpause(DAG_ID)
        api.trigger(
            DAG_ID, run_id=self.run_id, conf={"year": 2021, "talkwalker_conn_id": self.run_id, **conf}
        )

    @property
    def state(self) -> str:
        """How the run is right now."""
        return str(self.stack.api.run(DAG_ID, self.run_id)["state"])

    def wait_for_end(self, timeout: float = 2 * PATIENCE) -> str:
        """Wait until the run has ended and return how."""
        return str(self.stack.api.wait_for_run(DAG_ID, self.run_id, timeout)["state"])

    def tasks(self, *states: str) -> list[Json]:
        """Return the task instances in one of the states."""
        found = self.stack.api.tasks(DAG_ID, self.run_id)
        return [task for task in found if task["state"] in states]

    def states_of(self, name: str) -> Counter[str]:
        """Count the states of a task of the twelve months."""
        found = self.stack.api.tasks(DAG_ID, self.run_id)
        return Counter(task["state"] for task in found if task["task_id"] == f"month.export.{name}")

    def log(self, task: Json) -> str:
        """Return the log of a task's last attempt."""
        return self.stack.api.log(
            DAG_ID, self.run_id, task["task_id"], task["try_number"], map_index=task["map_index"]
        )

    @property
    def exports(self) -> list[dict[str, Any]]:
        """Every export that was ever ordered, as the ledger has it."""
        return list(self.talkwalker.ledger()["exports"])

    @property
    def credits(self) -> dict[str, Any]:
        """What is left, and what was charged, as the ledger has it."""
        return dict(self.talkwalker.ledger()["credits"])

    def check_bought_and_landed_once(self, months: int = 12) -> None:
        """So many months were ordered once each, and each one's results are there once and whole."""
        bought = {export["id"]: export for export in self.exports}
        assert len({export["start"] for export in bought.values()}) == len(bought) == months
        found = (self.landing / DAG_ID / self.run_id).glob("year=2021/month=*/_manifest.json")
        landed = {manifest.read(file).source["export_id"]: file.parent for file in found}
        assert landed.keys() == bought.keys()
        for export_id, directory in landed.items():
            truth = [result["sha256"] for result in self.talkwalker.documents(export_id)]
            assert manifest.read(directory).complete
            assert manifest.verify(directory) == []
            assert sorted(digests(directory)) == sorted(truth)
            assert len(truth) == bought[export_id]["charged"] > 0
        assert self.credits["charged_total"] == sum(export["charged"] for export in bought.values())
