"""The part of Airflow's REST API that the demo and the live tests need: a CLI call would take seconds."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from demo.errors import DemoError

Json = dict[str, Any]

FINISHED = frozenset({"success", "failed"})


class AirflowApi:
    """Calls one API server, where everybody is an admin or after a login."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._base = f"{url}/api/v2"
        self._session = requests.Session()
        self._session.trust_env = False  # the user's proxy is not for loopback

    def close(self) -> None:
        """Close the connections to the server."""
        self._session.close()

    def log_in(self, username: str, password: str) -> None:
        """Log in, where not everybody is an admin."""
        body = {"username": username, "password": password}
        response = self._session.post(f"{self._url}/auth/token", json=body, timeout=30)
        response.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def log_in_as_anybody(self) -> None:
        """Take the token that everybody gets where all are admins; Airflow 3.1.8 asks for it."""
        response = self._session.get(f"{self._url}/auth/token", timeout=30)
        response.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def health(self) -> Json:
        """Return the health of each component; empty while the server does not respond."""
        try:
            return self._json("GET", "/monitor/health")
        except requests.RequestException:
            return {}

    def serves_tasks(self) -> bool:
        """Return whether the part of the server that tasks call is ready; the first request makes it ready."""
        try:
            return self._session.get(f"{self._url}/execution/health", timeout=30).ok
        except requests.RequestException:
            return False

    def create_connection(self, **fields: Any) -> Json:
        """Create a connection; the fields are `connection_id`, `conn_type`, `host` and so on."""
        return self._json("POST", "/connections", json=fields)

    def connection(self, connection_id: str) -> Json:
        """Return a connection, without its secrets."""
        return self._json("GET", f"/connections/{connection_id}")

    def create_pool(self, name: str, slots: int) -> Json:
        """Store a pool."""
        return self._json("POST", "/pools", json={"name": name, "slots": slots})

    def import_errors(self) -> list[Json]:
        """Return what went wrong while DAG files were parsed."""
        return list(self._json("GET", "/importErrors")["import_errors"])

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the dag processor has delivered the DAG."""
        return self._request("GET", f"/dags/{dag_id}", ok=(200, 404)).status_code == 200

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> None:
        """Wait until the DAG exists; raise with the import errors if it does not appear."""
        deadline = time.monotonic() + timeout
        while not self.has_dag(dag_id):
            if time.monotonic() > deadline:
                raise DemoError(f"The DAG {dag_id} did not appear. Import errors: {self.import_errors()}")
            time.sleep(0.2)

    def unpause(self, dag_id: str) -> Json:
        """Let the scheduler work on the DAG."""
        return self._json("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(
        self,
        dag_id: str,
        *,
        run_id: str,
        logical_date: datetime | None = None,
        interval: tuple[datetime, datetime] | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> Json:
        """Start a manual run; with a logical date, it may have its own data interval."""
        start, end = interval or (None, None)
        body = {
            "dag_run_id": run_id,
            "logical_date": logical_date.isoformat() if logical_date else None,
            "data_interval_start": start.isoformat() if start else None,
            "data_interval_end": end.isoformat() if end else None,
            "conf": dict(conf or {}),
        }
        return self._json("POST", f"/dags/{dag_id}/dagRuns", json=body)

    def backfill(
        self,
        dag_id: str,
        first: datetime,
        last: datetime,
        *,
        max_active_runs: int = 3,
        reprocess: str = "none",
        backwards: bool = False,
    ) -> Json:
        """Create a backfill of all runs whose logical date is in [first, last], the last one first if `backwards`."""
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "max_active_runs": max_active_runs,
            "reprocess_behavior": reprocess,
            "run_backwards": backwards,
        }
        return self._json("POST", "/backfills", json=body)

    def runs(self, dag_id: str) -> list[Json]:
        """Return the runs of a DAG, earliest logical date first."""
        return list(self._json("GET", f"/dags/{dag_id}/dagRuns?order_by=logical_date&limit=100")["dag_runs"])

    def run(self, dag_id: str, run_id: str) -> Json:
        """Return one run."""
        return self._json("GET", _run(dag_id, run_id))

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120) -> Json:
        """Wait until a run has succeeded or failed."""
        return self._wait(lambda: self.run(dag_id, run_id), FINISHED, timeout)

    def end_backfills(self, dag_id: str) -> None:
        """End the backfills of a DAG; Airflow itself needs half a minute to see that one is done."""
        for each in self._json("GET", f"/backfills?dag_id={dag_id}")["backfills"]:
            if not each["completed_at"]:
                self._json("PUT", f"/backfills/{each['id']}/cancel")

    def tasks(self, dag_id: str, run_id: str) -> list[Json]:
        """Return the task instances of a run."""
        return list(self._json("GET", f"{_run(dag_id, run_id)}/taskInstances?limit=100")["task_instances"])

    def task(self, dag_id: str, run_id: str, task_id: str) -> Json:
        """Return one task instance that is not mapped."""
        return self._json("GET", _task(dag_id, run_id, task_id))

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, states: Iterable[str], timeout: float = 60
    ) -> Json:
        """Wait until a task instance is in one of the states."""
        return self._wait(lambda: self.task(dag_id, run_id, task_id), frozenset(states), timeout)

    def question(self, dag_id: str, run_id: str, task_id: str) -> Json | None:
        """Return the question that a task asks a person, or None."""
        response = self._request("GET", _question(dag_id, run_id, task_id), ok=(200, 404))
        return dict(response.json()) if response.status_code == 200 else None

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> Json:
        """Answer a task's question, as a person does in the UI."""
        body = {"chosen_options": [option], "params_input": {}}
        return self._json("PATCH", _question(dag_id, run_id, task_id), json=body)

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> Json:
        """Mark a task instance, as a user does in the UI."""
        return self._json("PATCH", _task(dag_id, run_id, task_id), json={"new_state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Iterable[str], *, downstream: bool = True) -> Json:
        """Clear task instances of a run, so that they run again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        return self._json("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def clear_failed(self, dag_id: str, run_id: str) -> Json:
        """Clear the failed tasks of a run, and those that could not run because of them."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True, "reset_dag_runs": True}
        return self._json("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of a task instance, or None if there is none."""
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{key}"
        response = self._request("GET", path, ok=(200, 404))
        return response.json()["value"] if response.status_code == 200 else None

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the buttons of a task instance, by name."""
        return dict(self._json("GET", f"{_task(dag_id, run_id, task_id)}/links")["extra_links"])

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1, map_index: int = -1) -> str:
        """Return the log of one attempt, as the UI shows it."""
        path = f"{_task(dag_id, run_id, task_id)}/logs/{attempt}?full_content=true&map_index={map_index}"
        return self._request("GET", path, headers={"Accept": "application/x-ndjson"}).text

    def _wait(self, look: Any, states: frozenset[str], timeout: float) -> Json:
        deadline = time.monotonic() + timeout
        while (found := look())["state"] not in states:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"still {found['state']!r}, not {sorted(states)}, after {timeout:.0f} s: {found}"
                )
            time.sleep(0.2)
        return dict(found)

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        return dict(self._request(method, path, **arguments).json())

    def _request(
        self, method: str, path: str, *, ok: Iterable[int] = (200, 201), **arguments: Any
    ) -> requests.Response:
        response = self._session.request(method, self._base + path, timeout=30, **arguments)
        if response.status_code not in ok:
            raise requests.HTTPError(
                f"{method} {path} returned {response.status_code}: {response.text[:1000]}", response=response
            )
        return response


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"


def _question(dag_id: str, run_id: str, task_id: str) -> str:
    # -1 is the map index of a task that is not mapped
    return f"{_task(dag_id, run_id, task_id)}/-1/hitlDetails"
