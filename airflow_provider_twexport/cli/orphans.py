"""``twexport orphans``: what was bought and never landed, and collectors that nobody needs any more."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import (
    add_command,
    add_landed,
    add_talkwalker,
    answer,
    landings,
    storage_path,
    talkwalker,
    tell,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.orphans import Orphan


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "list exports of ours that were paid for and have not landed, and collectors left behind"
    parser = add_command(commands, "orphans", run, text)
    parser.add_argument("--land", metavar="PATH", help="land what is readable in PATH/<collector>; free")
    parser.add_argument("--delete", action="store_true", help="delete collectors that hold nothing unlanded")
    parser.add_argument("--yes", action="store_true", help="delete without being asked")
    add_landed(parser, required=True)
    add_talkwalker(parser)


def run(options: argparse.Namespace) -> int:
    """List them; land and delete what was asked for; status 1 if paid results are about to be lost."""
    from airflow_provider_twexport.talkwalker.orphans import disposable, table, urgent_warning

    account = _Account(options)
    found = account.look()
    landed = [account.land(orphan, found) for orphan in found if orphan.is_readable] if options.land else []
    if landed:
        found = account.look()
    deleted = account.delete(disposable(found)) if options.delete else []
    urgent = urgent_warning(found)
    lines = [urgent, table(found) if found else "Nothing was left behind.", *map(_said, landed)]
    lines += [f"Deleted {name}." for name in deleted]
    document = {
        "warning": urgent,
        "orphans": [orphan.to_json() for orphan in found],
        "landed": landed,
        "deleted": deleted,
    }
    answer(options, "\n".join(line for line in lines if line), document)
    return 1 if urgent or any("problem" in one for one in landed) else 0


class _Account:
    """What is left behind at Talkwalker, and the places that it may have landed in."""

    def __init__(self, options: argparse.Namespace) -> None:
        from airflow_provider_twexport.storage.discovery import Landings

        hook = talkwalker(options.conn_id)
        self._options = options
        self._client = hook.get_conn()
        self._project_id = hook.project_id
        self._landings = Landings({})

    def look(self) -> list[Orphan]:
        """Return what no landing tells of."""
        from airflow_provider_twexport.talkwalker.orphans import find_orphans

        options = self._options
        paths = dict.fromkeys([*options.landed, *([options.land] if options.land else [])])
        self._landings = landings(paths, options.storage_conn_id)
        return find_orphans(self._client, self._landings.manifests.values())

    def land(self, orphan: Orphan, found: Sequence[Orphan]) -> dict[str, Any]:
        """Land an export and tell what came of it; what goes wrong must not keep the others from landing."""
        from airflow_provider_twexport.exceptions import TwexportError
        from airflow_provider_twexport.talkwalker.orphan_landing import landing_path

        address = landing_path(orphan, found, self._options.land)
        told = {"collector_id": orphan.collector_id, "path": address}
        tell(f"Landing {orphan.collector_id} in {address} ...")
        try:
            manifest = self._landed(orphan, address)
        except (TwexportError, OSError) as error:
            tell(f"twexport: {error}")
            return told | {"problem": str(error)}
        return told | {"results": manifest.results, "complete": manifest.complete}

    def delete(self, orphans: Sequence[Orphan]) -> list[str]:
        """Delete collectors, if the person at the terminal agrees, and return their ids."""
        from airflow_provider_twexport.cli.consent import agreed
        from airflow_provider_twexport.exceptions import NotFoundError

        states = {orphan.collector_id: orphan.state for orphan in orphans}
        if not states:
            return []
        named = "".join(f"\n  {name} ({state})" for name, state in states.items())
        if not agreed(f"To be deleted, with all that they hold:{named}", yes=self._options.yes):
            tell("Nothing was deleted.")
            return []
        for name in states:
            # a pipeline may have deleted it in the meantime
            with suppress(NotFoundError):
                self._client.delete_collector(name)
        return list(states)

    def _landed(self, orphan: Orphan, address: str) -> Manifest:
        from airflow_provider_twexport.talkwalker.orphan_landing import land_orphan

        at = partial(storage_path, conn_id=self._options.storage_conn_id)
        return land_orphan(self._client, orphan, address, self._landings, self._project_id, at)


def _said(landed: dict[str, Any]) -> str:
    if "problem" in landed:
        return f"Not landed: {landed['collector_id']}."
    extent = "" if landed["complete"] else ", which is not the whole window"
    return f"Landed {landed['results']:,} results in {landed['path']}{extent}."
