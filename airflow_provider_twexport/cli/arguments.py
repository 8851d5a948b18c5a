"""Arguments and output that several commands share."""

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
    """Add a command that can also print JSON.

    :param commands: the parser's subparsers.
    :param name: of the command.
    :param command: takes the options and returns the exit status.
    :param text: what it does, for the help.
    """
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    added.add_argument("--json", action="store_true", help="print JSON")
    added.set_defaults(command=command)
    return added


def add_landed(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add the directories of landings."""
    parser.add_argument(
        "--landed",
        nargs="+",
        default=[],
        metavar="PATH",
        required=required,
        help="directories that contain landings",
    )
    parser.add_argument("--storage-conn-id", metavar="ID", help="Airflow connection of the object storage")


def add_talkwalker(parser: argparse.ArgumentParser) -> None:
    """Add the connection of Talkwalker."""
    text = "Airflow connection of Talkwalker (default: %(default)s)"
    parser.add_argument("--conn-id", metavar="ID", default="talkwalker_default", help=text)


def print_result(options: argparse.Namespace, text: str, document: Any) -> None:
    """Print the result of a command: text for people, or a document as JSON."""
    print(json.dumps(document, indent=2) if options.json else text, file=options.output)


def print_note(text: str) -> None:
    """Print something that is not part of the result, to the standard error."""
    print(text, file=sys.stderr)


def storage_path(path: str, conn_id: str | None) -> Any:
    """Return a path, with an Airflow connection if one is given."""
    if not conn_id:
        return path
    from airflow.sdk import BaseHook

    from airflow_provider_twexport.object_storage import storage_path as airflow_path

    _check_exists(lambda: BaseHook.get_connection(conn_id), conn_id)
    return airflow_path(path, conn_id=conn_id)


def landings(paths: Iterable[str], conn_id: str | None) -> Landings:
    """Return what has landed below the paths, and report manifests that cannot be read."""
    from airflow_provider_twexport.storage.discovery import find_landings

    found = find_landings(storage_path(path, conn_id) for path in paths)
    for problem in found.problems:
        print_note(f"twexport: {problem}")
    return found


def talkwalker(conn_id: str) -> TalkwalkerHook:
    """Return the hook of a Talkwalker connection that exists.

    :raises ConnectionConfigError: if there is none of this name.
    """
    from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook

    hook = TalkwalkerHook(conn_id)
    _check_exists(lambda: hook.connection, conn_id)
    return hook


def adobe(conn_id: str) -> AdobeExperiencePlatformHook:
    """Return the hook of an Adobe connection that exists.

    :raises ConnectionConfigError: if there is none of this name.
    """
    from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook

    hook = AdobeExperiencePlatformHook(conn_id)
    _check_exists(lambda: hook.connection, conn_id)
    return hook


def _check_exists(get: Callable[[], object], conn_id: str) -> None:
    from airflow_provider_twexport.compat import AirflowException
    from airflow_provider_twexport.exceptions import ConnectionConfigError

    try:
        get()
    # outside of a task, Airflow 3.1 fails to import what a task would ask
    except (AirflowException, ImportError):
        raise ConnectionConfigError(
            f"There is no Airflow connection {conn_id!r}: create it, or set AIRFLOW_CONN_{conn_id.upper()}."
        ) from None
