"""Runs of dataflows that export a dataset to the user's own store: the Flow Service's part, without the store."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.adobe.documents import ProfilesFile
from airflow_provider_twexport.simulator.adobe.errors import refused_by_service
from airflow_provider_twexport.simulator.prng import hash64

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings

FLOW_ID = "eb54b3b3-3949-4f12-89c8-64eafaba858f"


@dataclass(eq=False)
class FlowRun:
    """One run of a dataflow."""

    id: str
    flow_id: str
    created: float

    def files(self, seed: int, settings: AdobeSettings) -> list[ProfilesFile]:
        """List the files that it writes."""
        total, count = settings.adobe_profiles, settings.adobe_files
        edges = [total * n // count for n in range(count + 1)] if count else []
        return [
            ProfilesFile(seed, f"{self.id}-{n}", edges[n], edges[n + 1], ()) for n in range(len(edges) - 1)
        ]

    def to_json(self, seed: int, settings: AdobeSettings, now: float) -> dict[str, Any]:
        """Return the run as the service shows it; it counts only when it has ended."""
        seconds = settings.adobe_flow_seconds
        has_ended = seconds is not None and now >= self.created + seconds
        created, updated = int(self.created * 1000), int(now * 1000)
        run = {"id": self.id, "flowId": self.flow_id, "createdAt": created, "updatedAt": updated}
        if not has_ended:
            return {**run, "metrics": {"statusSummary": {"status": "inProgress"}}}
        failed = settings.adobe_flow_outcome != "success"
        errors = [{"code": "CONNECTOR-2001-500", "message": "Error occurred at export."}] if failed else []
        status = {"status": settings.adobe_flow_outcome, "errors": errors}
        return {**run, "metrics": {"statusSummary": status, **self._counts(seed, settings)}}

    def _counts(self, seed: int, settings: AdobeSettings) -> dict[str, Any]:
        if settings.adobe_flow_counts == "none":
            return {}
        if settings.adobe_flow_counts == "input":
            return {"recordSummary": {"inputRecordCount": settings.adobe_profiles, "skippedRecordCount": 0}}
        files = self.files(seed, settings)
        return {
            "recordSummary": {"outputRecordCount": settings.adobe_profiles},
            "fileSummary": {"outputFileCount": len(files)},
            "sizeSummary": {"outputBytes": sum(file.size for file in files)},
        }


class FlowRuns:
    """All runs, in order of creation."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.by_id: dict[str, FlowRun] = {}

    def start(self, body: Any, now: float) -> FlowRun:
        """Start a run; the same request twice starts two."""
        flow_id = body.get("flowId") if isinstance(body, dict) else None
        if flow_id != FLOW_ID:
            raise refused_by_service(404, f"Flow {flow_id} not found")
        run_id = str(uuid.UUID(int=hash64(self._seed, "run", len(self.by_id)) << 64))
        self.by_id[run_id] = FlowRun(run_id, flow_id, now)
        return self.by_id[run_id]

    def get(self, run_id: str) -> FlowRun:
        """Return a run."""
        if run_id not in self.by_id:
            raise refused_by_service(404, f"Run {run_id} not found")
        return self.by_id[run_id]

    def newest_first(self, flow_id: str) -> list[FlowRun]:
        """List the runs of a dataflow."""
        return [run for run in reversed(self.by_id.values()) if run.flow_id == flow_id]
