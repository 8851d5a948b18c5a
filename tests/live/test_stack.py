"""The demo's Airflow itself: it works, it can be disturbed, and nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.errors import ComponentError
from demo.sessions import live_pids
from demo.stack import AirflowStack

pytestmark = pytest.mark.live

DAGS = Path(__file__).parent / "dags"
COMPONENTS = {"api-server", "scheduler", "triggerer", "dag-processor", "postgres"}


def test_every_component_is_healthy(stack: AirflowStack) -> None:
    """All components run and say so."""
    assert set(stack.pids) == COMPONENTS
    assert {part["status"] for part in stack.api.health().values()} == {"healthy"}


def test_a_dag_runs_and_waits_in_the_triggerer(stack: AirflowStack) -> None:
    """A run goes through scheduler, executor and triggerer, and its log can be read."""
    run_stack_check(stack, "first")
    assert stack.api.xcom("stack_check", "first", "process_id") not in (None, os.getpid())
    assert stack.api.xcom("stack_check", "first", "defer") == "resumed"
    assert "Pushing xcom" in stack.api.log("stack_check", "first", "process_id")
    assert "Pushing xcom" in stack.task_log("stack_check", "first", "process_id").read_text()


def test_a_killed_task_is_tried_again(stack: AirflowStack) -> None:
    """The process of a running task can be found and killed; Airflow notices and retries."""
    stack.api.wait_for_dag("stack_kill")
    stack.api.unpause("stack_kill")
    stack.api.trigger("stack_kill", run_id="killed")
    stack.api.wait_for_task("stack_kill", "killed", "sleep_on_first_try", ["running"])
    stack.task_process("stack_kill", "killed", "sleep_on_first_try").kill()
    assert stack.api.wait_for_run("stack_kill", "killed")["state"] == "success"
    assert stack.api.task("stack_kill", "killed", "sleep_on_first_try")["try_number"] == 2


@pytest.mark.parametrize(("name", "kill"), [("triggerer", True), ("scheduler", False)])
def test_a_restarted_component_works_again(stack: AirflowStack, name: str, kill: bool) -> None:
    """A component that was stopped or killed comes back as another process and does its part."""
    before = stack.pids[name]
    stack.restart(name, kill=kill)
    assert stack.pids[name] != before
    assert live_pids(before) == []
    run_stack_check(stack, f"after-{name}")


def test_nothing_stays_behind_after_an_error(tmp_path: Path) -> None:
    """An error inside the block gets out unchanged, and every process is gone by then."""
    with pytest.raises(ZeroDivisionError), AirflowStack(tmp_path / "home", DAGS):
        divmod(len(processes_of(tmp_path)), 0)
    assert processes_of(tmp_path) == []


def test_a_component_that_dies_at_the_start_is_named_with_its_log(tmp_path: Path) -> None:
    """A failed start says who failed, why and where to read on, and leaves nothing behind."""
    broken = {"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}
    with pytest.raises(ComponentError, match=r"ended with exit code(?s:.*)\.log(?s:.*)NoSuchExecutor"):
        AirflowStack(tmp_path / "home", DAGS, env=broken).__enter__()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_behind_after_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """A process that is told to end in mid-start takes its Airflow with it."""
    program = (
        "import sys; from pathlib import Path; from demo.stack import AirflowStack\n"
        "with AirflowStack(Path(sys.argv[1]), Path(sys.argv[2])): pass"
    )
    home = tmp_path / "home"
    starter = subprocess.Popen([sys.executable, "-c", program, home, DAGS], cwd=Path(__file__).parents[2])
    while not (home / "logs" / "api-server.log").exists():
        assert starter.poll() is None
        time.sleep(0.1)
    assert len(processes_of(home)) > 2
    starter.send_signal(number)
    assert starter.wait(60) != 0
    assert processes_of(tmp_path) == []


def run_stack_check(stack: AirflowStack, run_id: str) -> None:
    """Run the DAG `stack_check` to its success."""
    stack.api.wait_for_dag("stack_check")
    stack.api.unpause("stack_check")
    stack.api.trigger("stack_check", run_id=run_id)
    assert stack.api.wait_for_run("stack_check", run_id)["state"] == "success"


def processes_of(home: Path) -> list[str]:
    """Return the command lines of all processes that work in the home: Airflow's and PostgreSQL's."""
    found = psutil.process_iter(["cmdline", "environ"])
    return [
        " ".join(process.info["cmdline"])
        for process in found
        if process.pid != os.getpid()
        and (
            str(home) in " ".join(process.info["cmdline"] or [])
            or str(home) in (process.info["environ"] or {}).get("AIRFLOW_HOME", "")
        )
    ]
