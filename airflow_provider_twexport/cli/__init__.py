"""``twexport``: look at what has landed, what it would cost, and what was bought and left behind, from a shell."""

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
    """Run a command; return 0 if all is well, 1 if not, 2 if it could not be told.

    :param arguments: what stands behind ``twexport``; ``None`` for this process's own.
    """
    from airflow_provider_twexport.exceptions import TwexportError

    options = _parser().parse_args(arguments)
    options.output = sys.stdout
    try:
        # libraries may log to the standard output, which belongs to the answer alone
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
        prog="twexport", description="Look at what has landed, what it would cost, and what was left behind."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
