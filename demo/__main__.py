"""`make demo`: three months of exports through a real Airflow, and their outcome."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from demo.backfill import DAG_ID, Outcome, backfill, connect, outcomes
from demo.errors import DemoError
from demo.home import fresh_home
from demo.months import last_full_months
from demo.ports import require_free
from demo.progress import step
from demo.report import table, verdict
from demo.signals import signals_raised
from demo.simulator import Simulator, running_simulator
from demo.stack import AirflowStack

PROJECT = Path(__file__).resolve().parent.parent
MONTHS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 only if every month landed completely."""
    options = _parser().parse_args(arguments)
    try:
        with signals_raised():
            require_free(options.port, "Airflow's UI", "PORT")
            require_free(options.simulator_port, "the Talkwalker simulator", "SIMULATOR_PORT")
            return _run(options.port, options.simulator_port)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of Airflow's UI (default: 8080)")
    parser.add_argument("--simulator-port", type=int, default=8089, help="of the simulator (default: 8089)")
    return parser


def _run(port: int, simulator_port: int) -> int:
    with fresh_home(PROJECT / ".demo") as home:
        lake = (home / "lake").as_uri()
        env = {
            "TWEXPORT_DESTINATION": lake,
            "TWEXPORT_POKE_SECONDS": "1",
            "AIRFLOW__TWEXPORT__LANDINGS": lake,
            "AIRFLOW__TWEXPORT__POLL_SECONDS": "2",
        }
        print("Three months of Talkwalker exports through a real Airflow:")
        with (
            running_simulator(simulator_port, home / "simulator.log") as simulator,
            AirflowStack(home / "stack", PROJECT / "dags", port=port, env=env, step=step) as stack,
        ):
            found = _export(stack, simulator)
            print(f"\n{table(found)}\n\n{verdict(found)}\nAirflow: {stack.url}/dags/{DAG_ID}", flush=True)
            if sys.stdout.isatty():
                _stay_up(stack, simulator)
        return 1 if any(outcome.problem for outcome in found) else 0


def _export(stack: AirflowStack, simulator: Simulator) -> list[Outcome]:
    months = last_full_months(MONTHS, datetime.now(UTC))
    with step(f"waiting for the DAG {DAG_ID}"):
        connect(stack.api, simulator)
        stack.api.wait_for_dag(DAG_ID)
    with step(f"backfilling {months[0]} to {months[-1]}"):
        backfill(stack, simulator, months)
    return outcomes(stack, simulator, months)


def _stay_up(stack: AirflowStack, simulator: Simulator) -> None:
    print("Everything stays up until you press Ctrl-C.", flush=True)
    try:
        while True:
            stack.check_alive()
            simulator.check_alive()
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
