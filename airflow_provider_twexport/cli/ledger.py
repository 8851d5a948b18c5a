"""``twexport ledger``: what was ordered, by which run, what it cost, and where it landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, print_note, print_result, storage_path

if TYPE_CHECKING:
    import argparse

    from airflow_provider_twexport.storage.ledger import ExportHistory, Ledger


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "show what was ordered, by which run, what it cost and where it landed"
    parser = add_command(commands, "ledger", run, text)
    parser.add_argument(
        "path", metavar="PATH", help="the ledger's directory, e.g. s3://lake/talkwalker/_ledger"
    )
    parser.add_argument("--conn-id", metavar="ID", help="Airflow connection of the object storage")


def run(options: argparse.Namespace) -> int:
    """Print the ledger; status 1 if an entry cannot be read."""
    from airflow_provider_twexport.exceptions import NotFoundError
    from airflow_provider_twexport.storage.ledger import read

    found = read(storage_path(options.path, options.conn_id))
    for problem in found.problems:
        print_note(f"twexport: {problem}")
    if not found.exports and not found.problems:
        raise NotFoundError(f"There is no ledger in {options.path}, or it is empty. Check the path.")
    document = {
        "exports": [export.to_json() for export in found.exports],
        "credits": found.credits,
        "problems": list(found.problems),
    }
    print_result(options, _table(found), document)
    return 1 if found.problems else 0


def _table(found: Ledger) -> str:
    from airflow_provider_twexport.core.text_table import aligned

    heads = ("window", "scope", "ordered at", "by", "credits", "state", "landed in", "export")
    lines = aligned([heads, *map(_row, found.exports)], "<<<<><<<")
    states = dict.fromkeys(export.state for export in found.exports)
    meanings = [
        f"{sum(it.state is state for it in found.exports):,} {state}: {state.meaning}." for state in states
    ]
    return "\n".join([*lines, "", *meanings, _total(found)])


def _row(export: ExportHistory) -> tuple[str, ...]:
    from airflow_provider_twexport.core.arguments import parse_moment
    from airflow_provider_twexport.core.text_table import edges
    from airflow_provider_twexport.core.window import Window

    order, bought, others = export.order, export.bought, len(export.adopted_by)
    window = order.get("window")
    return (
        edges(Window.from_json(window)) if window else "?",
        _scope(order),
        f"{parse_moment(bought.at):%Y-%m-%dT%H:%MZ}" if bought else "?",
        (str(bought.by) if bought else "?") + (f" (+{others} adopted)" if others else ""),
        "?" if export.credits is None else f"{export.credits:,}",
        str(export.state),
        " ".join(address.removesuffix("/_manifest.json") for address in export.landings),
        export.export_id,
    )


def _scope(order: dict[str, Any]) -> str:
    words = [
        order.get("project_id") or order.get("stream_id"),
        *(order.get("topics") or ()),
        order.get("query"),
    ]
    return " ".join(str(word) for word in words if word)


def _total(found: Ledger) -> str:
    unknown = [export for export in found.exports if export.credits is None]
    total = f"{len(found.exports):,} {'export' if len(found.exports) == 1 else 'exports'}, {found.credits:,} credits."
    if not unknown:
        return total
    most = sum(int(export.order.get("limit") or 0) for export in unknown)
    return f"{total} The cost of {len(unknown):,} of them is not recorded; by their limits it is at most {most:,}."
