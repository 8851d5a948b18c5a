"""Command line: `python -m airflow_provider_twexport.simulator --port 8089`."""

from __future__ import annotations

import argparse
import sys
from typing import TypeVar

import msgspec

from airflow_provider_twexport.simulator.adobe.service import Adobe
from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings
from airflow_provider_twexport.simulator.app import build_app
from airflow_provider_twexport.simulator.clock import Clock
from airflow_provider_twexport.simulator.guard import is_loopback
from airflow_provider_twexport.simulator.server import serve
from airflow_provider_twexport.simulator.settings import Settings
from airflow_provider_twexport.simulator.talkwalker.service import Talkwalker
from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings
from airflow_provider_twexport.simulator.x.service import X
from airflow_provider_twexport.simulator.x.settings import XSettings

S = TypeVar("S", bound=Settings)


def parser() -> argparse.ArgumentParser:
    """Return the options: the address, the seed, the speed, and one for each setting."""
    options = argparse.ArgumentParser(
        prog="python -m airflow_provider_twexport.simulator", description=__doc__
    )
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument(
        "--remote-control", action="store_true", help="let other machines use the control plane, too"
    )
    options.add_argument("--port", type=int, default=8089, help="0 picks a free one")
    options.add_argument("--seed", type=int, default=1, help="same seed, same documents")
    options.add_argument("--speed", type=float, default=1.0, help="simulated seconds in a real one")
    options.add_argument(
        "--hostile",
        action="store_true",
        help="turn on all behaviours that no document describes; options for single ones win",
    )
    group = options.add_argument_group("settings", "also changeable while running; null means unlimited")
    for settings in (TalkwalkerSettings, XSettings, AdobeSettings):
        for name, schema in settings.schema().items():
            hostile = f"; hostile: {_spelled(schema['hostile'])}" if "hostile" in schema else ""
            text = f"{schema['description']} (default: {_spelled(schema['default'])}{hostile})"
            group.add_argument(
                f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, metavar="VALUE", help=text
            )
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the simulator until a signal stops it."""
    options = parser().parse_args(arguments)
    try:
        talkwalker_settings = _chosen(TalkwalkerSettings(), options)
        x_settings = _chosen(XSettings(), options)
        adobe_settings = _chosen(AdobeSettings(), options)
    except msgspec.ValidationError as error:
        print(f"twexport simulator: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    clock = Clock(options.speed)
    talkwalker = Talkwalker(clock, options.seed, talkwalker_settings)
    x, adobe = X(clock, options.seed, x_settings), Adobe(clock, options.seed, adobe_settings)
    app = build_app(
        clock, [talkwalker, x, adobe], talkwalker.not_found, remote_control=options.remote_control
    )
    if not is_loopback(options.host):
        control = "and so is the control plane" if options.remote_control else "the control plane is not"
        print(
            f"twexport simulator: --host {options.host} is open to other machines; {control}.",
            file=sys.stderr,
        )
    serve(app, options.host, options.port)


def _chosen(settings: S, options: argparse.Namespace) -> S:
    """Return the settings of one service with those that the command line names."""
    names = settings.to_json()
    if options.hostile:
        settings = settings.changed(settings.hostile())
    return settings.changed({name: value for name, value in vars(options).items() if name in names})


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


if __name__ == "__main__":
    main()
