"""``twexport manifest``: what a landing contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, storage_path

if TYPE_CHECKING:
    import argparse

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part import Part

AS_IS = "files"


def add_to(commands: Any) -> None:
    """Add the command."""
    add_directory(add_command(commands, "manifest", run, "print what a landing contains"))


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add the directory of a landing."""
    parser.add_argument(
        "path", metavar="PATH", help="the directory of the landing, e.g. /lake/2024-01 or s3://bucket/2024-01"
    )
    parser.add_argument("--conn-id", metavar="ID", help="Airflow connection of the object storage")


def run(options: argparse.Namespace) -> int:
    """Print the manifest."""
    from airflow_provider_twexport.storage.manifest import read

    found = read(storage_path(options.path, options.conn_id))
    print(found.to_json() if options.json else _table(found), file=options.output)
    return 0


def _table(found: Manifest) -> str:
    window, is_files = found.source.get("window") or {}, found.file_format == AS_IS
    facts = {
        "collector": found.source.get("collector_id"),
        "export": found.source.get("export_id"),
        "dataset": found.source.get("dataset_id"),
        "project": found.source.get("project_id"),
        "stream": found.source.get("stream_id"),
        "query": found.source.get("query"),
        "topics": ", ".join(found.source.get("topics") or ()),
        "window": f"[{window['start']}, {window['stop']})" if window else None,
        "complete": "yes" if found.complete else f"no. {found.incomplete_because or ''}".rstrip(". "),
        "truncated": f"yes: {_missing(found)} matching results were not exported"
        if found.truncated
        else "no",
        "files" if is_files else "results": f"{found.results:,}"
        + (f" of {found.exported:,}" if found.exported is not None else ""),
        "rows": None if found.rows is None else f"{found.rows:,}",
        "bytes": f"{found.bytes:,}",
        "profiles": found.source.get("profiles"),
        "dropped": f"{found.duplicates_dropped:,} duplicates, {found.foreign_dropped:,} of other exports",
        "repeats": f"{found.repeats_dropped:,} dropped, each of which was exported"
        if found.repeats_dropped
        else None,
        "excluded": f"{found.excluded:,} that other landings contain" if found.excluded else None,
    }
    parts = [
        f"  {part.name}  {_count(part, is_files=is_files):>9}  {part.bytes:>13,}  {part.sha256}"
        for part in found.parts
    ]
    return "\n".join([*(f"{name:<10} {fact}" for name, fact in facts.items() if fact), *parts])


def _count(part: Part, *, is_files: bool) -> str:
    """Return how many results a part holds, or how many rows if it is a file of the service."""
    if is_files:
        return "?" if part.rows is None else f"{part.rows:,}"
    return f"{part.results:,}"


def _missing(found: Manifest) -> str:
    if found.missing is None:
        return "an unknown number of"
    return f"about {found.missing:,} of {found.estimated_total:,}"
