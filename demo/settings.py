"""The environment in which every component of the demo's Airflow runs."""

import base64
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from demo.ports import LOOPBACK


def component_environment(
    airflow_home: Path, dags_folder: Path, port: int, database: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of a fast Airflow that only this machine can reach."""
    url = f"http://{LOOPBACK}:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags_folder),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "6",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": database,
        # The same version creates the tables; the API server need not wait for them.
        "DATABASE__CHECK_MIGRATIONS": "False",
        "API__HOST": LOOPBACK,
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.token_hex(16),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        # Airflow 3.3.2 can fail a task whose deferral is shorter than this interval (default 5).
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # A task whose worker was killed is noticed after half a minute instead of five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        # The queue of a killed scheduler is adopted after half a minute, too.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    }
    return {
        **_inherited(),
        "AIRFLOW_HOME": str(airflow_home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        **{f"AIRFLOW__{key}": value for key, value in settings.items()},
        **extra,
    }


def _inherited() -> dict[str, str]:
    """Return the user's environment without the settings of another Airflow."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
