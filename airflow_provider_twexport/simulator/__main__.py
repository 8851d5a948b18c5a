"""Command line: `python -m airflow_provider_twexport.simulator --port 8089`."""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from typing import TypeVar

import msgspec

from airflow_provider_twexport.simulator.adobe.service import Adobe
from airflow_provider_twexport.simulator.adobe.settings import Settings as AdobeSettings
from airflow_provider_twexport.simulator.app import Service, build_app
from airflow_provider_twexport.simulator.clock import Clock
from airflow_provider_twexport.simulator.server import serve
from airflow_provider_twexport.simulator.talkwalker.service import Talkwalker
from airflow_provider_twexport.simulator.talkwalker.settings import Settings
from airflow_provider_twexport.simulator.x.service import X
from airflow_provider_twexport.simulator.x.settings import Settings as XSettings

S = TypeVar("S", Settings, XSettings, AdobeSettings)


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
    fields = (Settings.__struct_fields__, XSettings.__struct_fields__, AdobeSettings.__struct_fields__)
    for name in chain(*fields):
        settings.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, metavar="VALUE")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the simulator until it is told to stop."""
    options = parser().parse_args(arguments)
    try:
        talkwalker, x = _chosen(Settings(), options), _chosen(XSettings(), options)
        adobe = _chosen(AdobeSettings(), options)
    except msgspec.ValidationError as error:
        print(f"twexport simulator: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    clock = Clock(options.speed)
    services: list[Service] = [
        Talkwalker(clock, options.seed, talkwalker),
        X(clock, options.seed, x),
        Adobe(clock, options.seed, adobe),
    ]
    serve(build_app(clock, services), options.host, options.port)


def _chosen(settings: S, options: argparse.Namespace) -> S:
    """Return the settings of one service with those that the command line names."""
    names = settings.__struct_fields__
    return settings.changed({name: value for name, value in vars(options).items() if name in names})


if __name__ == "__main__":
    main()
