"""Command line: `python -m airflow_provider_twexport.simulator --port 8089`."""

from __future__ import annotations

import argparse
import sys

import msgspec

from airflow_provider_twexport.simulator.app import build_app
from airflow_provider_twexport.simulator.clock import Clock
from airflow_provider_twexport.simulator.server import serve
from airflow_provider_twexport.simulator.talkwalker.service import Talkwalker
from airflow_provider_twexport.simulator.talkwalker.settings import Settings


def parser() -> argparse.ArgumentParser:
    """Read the address, the seed, the speed, and one option for each setting."""
    options = argparse.ArgumentParser(
        prog="python -m airflow_provider_twexport.simulator", description=__doc__
    )
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8089, help="0 picks a free one")
    options.add_argument("--seed", type=int, default=1, help="same seed, same documents")
    options.add_argument("--speed", type=float, default=1.0, help="simulated seconds in a real one")
    settings = options.add_argument_group("settings", "also changeable while running; null means unlimited")
    for name in Settings.__struct_fields__:
        settings.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, metavar="VALUE")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the simulator until it is told to stop."""
    options = parser().parse_args(arguments)
    chosen = {name: value for name, value in vars(options).items() if name in Settings.__struct_fields__}
    try:
        settings = Settings().changed(chosen)
    except msgspec.ValidationError as error:
        print(f"twexport simulator: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    clock = Clock(options.speed)
    serve(build_app(clock, [Talkwalker(clock, options.seed, settings)]), options.host, options.port)


if __name__ == "__main__":
    main()
