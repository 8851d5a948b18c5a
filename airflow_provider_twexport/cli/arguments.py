"""Arguments that several commands have in common, and what they stand for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
    from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
    from airflow_provider_twexport.storage.discovery import Landings


def add_command(commands: Any, name: str, command: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that may also answer in JSON.

    :param commands: what the parser calls its subparsers.
    :param name: how it is called.
    :param command: takes the options and returns the exit status.
    :param text: what it does, in a clause.
    """
    added: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
    added.add_argument("--json", action="store_true", help="print JSON")
    added.set_defaults(command=command)
    return added


def add_landed(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add where to look for landings."""
    parser.add_argument(
        "--landed", nargs="+", default=[], metavar="PATH", required=required, help="directories to look below"
    )
    parser.add_argument("--storage-conn-id", metavar="ID", help="Airflow connection of the object storage")


def add_talkwalker(parser: argparse.ArgumentParser) -> None:
    """Add the connection of Talkwalker."""
    text = "Airflow connection of Talkwalker (default: %(default)s)"
    parser.add_argument("--conn-id", metavar="ID", default="talkwalker_default", help=text)


def answer(options: argparse.Namespace, text: str, document: Any) -> None:
    """Print the answer of a command: text for people, or a document as JSON."""
    print(json.dumps(document, indent=2) if options.json else text, file=options.output)


def tell(text: str) -> None:
    """Tell a person something that is no part of the answer."""
    print(text, file=sys.stderr)


def storage_path(path: str, conn_id: str | None) -> Any:
    """Return a path, through an Airflow connection where there is one."""
    if not conn_id:
        return path
    from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

    _expect(lambda: BaseHook.get_connection(conn_id), conn_id)
    return ObjectStoragePath(path, conn_id=conn_id)


def landings(paths: Iterable[str], conn_id: str | None) -> Landings:
    """Return what has landed below the paths, and tell of manifests that cannot be read."""
    from airflow_provider_twexport.storage.discovery import find_landings

    found = find_landings(storage_path(path, conn_id) for path in paths)
    for problem in found.problems:
        tell(f"twexport: {problem}")
    return found


def talkwalker(conn_id: str) -> TalkwalkerHook:
    """Return the hook of a Talkwalker connection that exists.

    :raises ConnectionConfigError: if there is none of this name.
    """
    from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook

    hook = TalkwalkerHook(conn_id)
    _expect(lambda: hook.connection, conn_id)
    return hook


def adobe(conn_id: str) -> AdobeExperiencePlatformHook:
    """Return the hook of an Adobe connection that exists.

    :raises ConnectionConfigError: if there is none of this name.
    """
    from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook

    hook = AdobeExperiencePlatformHook(conn_id)
    _expect(lambda: hook.connection, conn_id)
    return hook


def _expect(look: Callable[[], object], conn_id: str) -> None:
    from airflow.providers.common.compat.sdk import AirflowException

    from airflow_provider_twexport.exceptions import ConnectionConfigError

    try:
        look()
    except AirflowException:
        raise ConnectionConfigError(
            f"There is no Airflow connection {conn_id!r}: create it, or set AIRFLOW_CONN_{conn_id.upper()}."
        ) from None
