"""A whole Airflow on this machine: PostgreSQL, API server, scheduler, triggerer and dag processor."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil

from demo import celery
from demo.api import AirflowApi, Json
from demo.component import Component, stop_all, wait_until
from demo.errors import DemoError
from demo.ports import LOOPBACK, free_port
from demo.postgres import Postgres, airflow_uri, start_postgres
from demo.settings import component_environment
from demo.signals import signals_ignored, signals_raised

Step = Callable[[str], AbstractContextManager[None]]

START_TIMEOUT = 120.0

COMMANDS = {
    "api-server": ("airflow", "api-server"),
    # The log servers of these two would listen on every network interface.
    "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
}


class AirflowStack:
    """Runs Airflow during the with-block, and leaves no process behind however the block ends.

    :param home: an empty directory for all files.
    :param port: of the UI; a free port by default.
    :param env: added to the environment of every component.
    :param celery_workers: how many Celery workers run the tasks; 0: the scheduler's own processes run them.
    :param step: surrounds each step of the start, with its text.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        celery_workers: int = 0,
        step: Step = lambda _: nullcontext(),
    ) -> None:
        self.home = home.resolve()
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.api = AirflowApi(self.url)
        self.airflow_home = self.home / "airflow"
        self._dags_folder = dags_folder.resolve()
        self._extra_env = dict(env or {})
        self._workers = celery.worker_commands(celery_workers)
        self._step = step
        self._components: dict[str, Component] = {}
        self._postgres: Postgres | None = None
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.enter_context(signals_raised())
            cleanup.callback(self._stop)
            self._start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._cleanup.close()

    @property
    def pids(self) -> dict[str, int]:
        """The main process of each component, PostgreSQL included."""
        pids = {name: component.pid for name, component in self._components.items()}
        postgres = self._postgres.get_pid() if self._postgres else None
        return pids | ({"postgres": postgres} if postgres else {})

    def log_of(self, component: str) -> Path:
        """Return the file with the output of a component."""
        return self.home / "logs" / f"{component}.log"

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> Path:
        """Return the file with the log of one attempt, one JSON document per line."""
        logs = self.airflow_home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return logs / f"attempt={attempt}.log"

    def check_alive(self) -> None:
        """Raise, with the end of its log, if a component has ended."""
        for component in self._components.values():
            component.check_alive()

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop (or kill) one component, start it again and wait until it is healthy."""
        component = self._components[name]
        if kill:
            component.kill()
        else:
            stop_all([component])
        stopped = datetime.now(UTC)
        component.start()
        self._wait_until_healthy([name], since=stopped)

    def task_process(self, dag_id: str, run_id: str, task_id: str) -> psutil.Process:
        """Return the process in which a running task runs; its parent is the worker process of the executor."""
        pid = self.api.task(dag_id, run_id, task_id)["pid"]
        if not pid:
            raise DemoError(f"Task {task_id} of run {run_id} has no process: it does not run.")
        return psutil.Process(pid)

    def _start(self) -> None:
        started = datetime.now(UTC)
        self._prepare_home()
        with self._step("starting PostgreSQL"):
            self._postgres = start_postgres(self.home / "postgres")
        extra = self._start_valkey() if self._workers else {}
        env = component_environment(
            self.airflow_home,
            self._dags_folder,
            self.port,
            airflow_uri(self._postgres),
            {**extra, **self._extra_env},
        )
        migration = self._component("db-migrate", ("airflow", "db", "migrate"), env)
        commands = COMMANDS | self._workers
        self._components |= {
            name: self._component(name, arguments, env) for name, arguments in commands.items()
        }
        with self._step("creating Airflow's tables"):
            self._migrate(migration)
        with self._step("starting Airflow"):
            for name in ("scheduler", "triggerer", "dag-processor", *self._workers):
                self._components[name].start()
            self._wait_until_healthy([*COMMANDS, *self._workers], since=started)

    def _start_valkey(self) -> Mapping[str, str]:
        port = free_port()
        arguments = celery.server_command(port, self.home / celery.SERVER)
        server = self._components[celery.SERVER] = self._component(celery.SERVER, arguments, os.environ)
        with self._step("starting Valkey"):
            server.start()
            if not wait_until(lambda: celery.is_listening(port), [server], START_TIMEOUT):
                raise server.failure(f"did not respond after {START_TIMEOUT:.0f} s")
        return celery.celery_settings(port)

    def _migrate(self, migration: Component) -> None:
        try:
            migration.start()
            # The API server imports for seconds before it uses the database, so it can start now.
            self._components["api-server"].start()
            migration.wait(START_TIMEOUT)
        finally:
            stop_all([migration])

    def _stop(self) -> None:
        with signals_ignored():
            self.api.close()
            stop_all(self._components.values())
            if self._postgres:
                self._postgres.cleanup()
                self._postgres = None

    def _prepare_home(self) -> None:
        self.airflow_home.mkdir(parents=True)
        # If the file exists, no component spends time on writing one with all defaults.
        (self.airflow_home / "airflow.cfg").touch()

    def _component(self, name: str, arguments: tuple[str, ...], env: Mapping[str, str]) -> Component:
        return Component(name, [sys.executable, "-m", *arguments], env, self.log_of(name))

    def _wait_until_healthy(self, names: Iterable[str], since: datetime) -> None:
        watched = [self._components[name] for name in names]
        if not wait_until(lambda: not self._unhealthy(names, since), watched, START_TIMEOUT):
            component = self._components[self._unhealthy(names, since)[0]]
            raise component.failure(f"was not healthy after {START_TIMEOUT:.0f} s")

    def _unhealthy(self, names: Iterable[str], since: datetime) -> list[str]:
        health = self.api.health()
        unhealthy = [name for name in names if not self._is_healthy(name, health, since)]
        # Without this request, the first tasks would wait five seconds until their server is ready.
        return unhealthy if unhealthy or self.api.serves_tasks() else ["api-server"]

    def _is_healthy(self, name: str, health: Json, since: datetime) -> bool:
        if name in self._workers:
            return celery.is_ready(self._components[name])
        return _has_heartbeat(name, health, since)


def _has_heartbeat(name: str, health: Json, since: datetime) -> bool:
    if name == "api-server":
        return bool(health)
    part = name.replace("-", "_")
    beat = health.get(part, {}).get(f"latest_{part}_heartbeat")
    return beat is not None and datetime.fromisoformat(beat) > since
