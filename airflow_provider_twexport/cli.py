"""``twexport``: look at what has landed, from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.storage.manifest import Manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if all is well, 1 if not, 2 if it could not be told.

    :param arguments: what stands behind ``twexport``; ``None`` for this process's own.
    """
    from airflow_provider_twexport.clients.errors import TwexportError

    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (TwexportError, OSError, ImportError) as error:
        print(f"twexport: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twexport", description="Look at what has landed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, help_text in (
        ("manifest", _manifest, "print what a directory holds"),
        ("verify", _verify, "read the parts back and compare them with the manifest"),
    ):
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.add_argument("path", help="the directory, e.g. /lake/2024-01 or s3://bucket/2024-01")
        added.add_argument("--conn-id", help="Airflow connection of the object storage")
        added.add_argument("--json", action="store_true", help="print JSON")
        added.set_defaults(command=command)
    return parser


def _path(options: argparse.Namespace) -> Any:
    if not options.conn_id:
        return options.path
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return ObjectStoragePath(options.path, conn_id=options.conn_id)


def _manifest(options: argparse.Namespace) -> int:
    from airflow_provider_twexport.storage import manifest

    found = manifest.read(_path(options))
    print(found.to_json() if options.json else _described(found))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from airflow_provider_twexport.storage import manifest

    problems = list(manifest.verify(_path(options)))
    if options.json:
        print(json.dumps({"path": options.path, "problems": problems}))
    else:
        print("\n".join(problems) or f"{options.path}: all parts are as the manifest says.")
    return 1 if problems else 0


def _described(found: Manifest) -> str:
    window = found.source.get("window") or {}
    facts = {
        "collector": found.source.get("collector_id"),
        "export": found.source.get("export_id"),
        "window": f"[{window['start']}, {window['stop']})" if window else None,
        "complete": "yes" if found.complete else "no",
        "truncated": f"yes, of about {found.estimated_total or '?'} that match" if found.truncated else "no",
        "results": f"{found.results:,}" + (f" of {found.exported:,}" if found.exported is not None else ""),
        "bytes": f"{found.bytes:,}",
        "dropped": f"{found.duplicates_dropped:,} repeated, {found.foreign_dropped:,} of other exports",
    }
    parts = [f"  {part.name}  {part.results:>9,}  {part.bytes:>13,}  {part.sha256}" for part in found.parts]
    return "\n".join([*(f"{name:<10} {fact}" for name, fact in facts.items() if fact), *parts])
