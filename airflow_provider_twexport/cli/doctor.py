"""``twexport doctor``: what a live account does, beside what this package assumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, add_talkwalker, print_result, talkwalker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_provider_twexport.talkwalker.doctor import Finding

_MARKS = {True: "ok", False: "differs", None: ""}


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "check what a Talkwalker account does where it is undocumented; read-only and free"
    parser = add_command(commands, "doctor", run, text)
    add_talkwalker(parser)
    parser.add_argument(
        "--collector", metavar="ID", help="an existing collector with results; it is only read"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=40.0,
        metavar="N",
        help="how long to listen to its open connection (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the findings; status 1 if the account differs from what this package assumes."""
    from airflow_provider_twexport.talkwalker.doctor import examine

    client = talkwalker(options.conn_id).get_conn()
    findings = list(examine(client, options.collector, options.seconds))
    print_result(options, _table(findings), [finding.to_json() for finding in findings])
    return 1 if any(finding.agrees is False for finding in findings) else 0


def _table(findings: Sequence[Finding]) -> str:
    from airflow_provider_twexport.core.text_table import aligned

    rows = [(it.subject, _MARKS[it.agrees], it.found, it.assumed) for it in findings]
    return "\n".join(aligned([("what", "", "found", "assumed"), *rows], "<<<<"))
