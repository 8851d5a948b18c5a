"""``twexport verify``: whether the parts match the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, print_result, storage_path
from airflow_provider_twexport.cli.manifest import add_directory

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "read the parts and compare them with the manifest"
    add_directory(add_command(commands, "verify", run, text))


def run(options: argparse.Namespace) -> int:
    """Print what is wrong; status 1 if anything is."""
    from airflow_provider_twexport.storage.manifest import verify

    problems = list(verify(storage_path(options.path, options.conn_id)))
    text = "\n".join(problems) or f"{options.path}: all parts match the manifest."
    print_result(options, text, {"path": options.path, "problems": problems})
    return 1 if problems else 0
