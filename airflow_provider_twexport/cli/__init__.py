"""``twexport``: show from a shell what has landed, what an order would cost, and what was paid for but not landed."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from airflow_provider_twexport.cli import adobe, coverage, doctor, ledger, manifest, orphans, plan, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (manifest, verify, plan, coverage, orphans, ledger, doctor, adobe)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if all is well, 1 if not, 2 if the command failed.

    :param arguments: of the command line, without ``twexport``; ``None`` for this process's own.
    """
    from airflow_provider_twexport.exceptions import TwexportError

    options = _parser().parse_args(arguments)
    options.output = sys.stdout
    try:
        # libraries may log to the standard output, which is for the result only
        with redirect_stdout(sys.stderr):
            return int(options.command(options))
    except (TwexportError, OSError, ImportError) as error:
        print(f"twexport: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twexport: interrupted.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twexport",
        description="Show what has landed, what an order would cost, and what was paid for but not landed.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
