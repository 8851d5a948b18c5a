"""``twexport orphans``: exports that were paid for and have not landed, and collectors that nobody needs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import (
    add_command,
    add_landed,
    add_talkwalker,
    landings,
    print_note,
    print_result,
    storage_path,
    talkwalker,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.orphans import Orphan


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "list exports of this package that were paid for and have not landed, and collectors that nobody needs"
    parser = add_command(commands, "orphans", run, text)
    parser.add_argument(
        "--land", metavar="PATH", help="land what can still be read in PATH/<collector>; free"
    )
    parser.add_argument(
        "--delete", action="store_true", help="delete collectors whose results have landed or are lost"
    )
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_landed(parser, required=True)
    add_talkwalker(parser)


def run(options: argparse.Namespace) -> int:
    """List orphans; land and delete them on request; status 1 if paid results are about to be lost."""
    from airflow_provider_twexport.talkwalker.orphans import disposable, table, urgent_warning

    account = _Account(options)
    found = account.find_orphans()
    landed = account.land(found) if options.land else []
    if landed:
        found = account.find_orphans()
    deleted = account.delete(disposable(found)) if options.delete else []
    urgent = urgent_warning(found)
    lines = [urgent, table(found) if found else "There are no orphans.", *map(_summary, landed)]
    lines += [f"Deleted {name}." for name in deleted]
    document = {
        "warning": urgent,
        "orphans": [orphan.to_json() for orphan in found],
        "landed": landed,
        "deleted": deleted,
    }
    print_result(options, "\n".join(line for line in lines if line), document)
    return 1 if urgent or any("problem" in it for it in landed) else 0


class _Account:
    """A Talkwalker account, and the directories of landings."""

    def __init__(self, options: argparse.Namespace) -> None:
        from airflow_provider_twexport.storage.discovery import Landings

        hook = talkwalker(options.conn_id)
        self._options = options
        self._client = hook.get_conn()
        self._project_id = hook.project_id
        self._landings = Landings({})

    def find_orphans(self) -> list[Orphan]:
        """Return exports without a complete landing, and collectors that nobody needs."""
        from airflow_provider_twexport.talkwalker.orphans import find_orphans

        options = self._options
        paths = dict.fromkeys([*options.landed, *([options.land] if options.land else [])])
        self._landings = landings(paths, options.storage_conn_id)
        return find_orphans(self._client, self._landings.manifests.values())

    def land(self, found: Sequence[Orphan]) -> list[dict[str, Any]]:
        """Land what can be read, and return the outcomes."""
        from airflow_provider_twexport.talkwalker.orphan_landing import landing_paths, orders_of

        chosen = [orphan for orphan in found if orphan.is_readable]
        paths = landing_paths(chosen, found, self._options.land, self._landings)
        orders = orders_of(self._landings, self._project_id)
        return [self._land(orphan, paths[orphan.export_id], orders) for orphan in chosen]

    def _land(self, orphan: Orphan, address: str, orders: set[ExportOrder]) -> dict[str, Any]:
        """Land an export and return the outcome; a failure must not keep the others from landing."""
        from airflow_provider_twexport.exceptions import TwexportError

        outcome = {"collector_id": orphan.collector_id, "path": address}
        print_note(f"Landing {orphan.collector_id} in {address} ...")
        try:
            manifest = self._landed(orphan, address, orders)
        except (TwexportError, OSError) as error:
            print_note(f"twexport: {error}")
            return outcome | {"problem": str(error)}
        return outcome | {"results": manifest.results, "complete": manifest.complete}

    def delete(self, orphans: Sequence[Orphan]) -> list[str]:
        """Delete collectors, after a confirmation, and return their ids."""
        from airflow_provider_twexport.cli.consent import confirmed
        from airflow_provider_twexport.exceptions import NotFoundError

        states = {orphan.collector_id: orphan.state for orphan in orphans}
        if not states:
            return []
        listed = "".join(f"\n  {name} ({state})" for name, state in states.items())
        if not confirmed(
            f"These collectors and everything in them will be deleted:{listed}", yes=self._options.yes
        ):
            print_note("Nothing was deleted.")
            return []
        for name in states:
            # a pipeline may have deleted it in the meantime
            with suppress(NotFoundError):
                self._client.delete_collector(name)
        return list(states)

    def _landed(self, orphan: Orphan, address: str, orders: set[ExportOrder]) -> Manifest:
        from airflow_provider_twexport.talkwalker.orphan_landing import land_orphan

        at = partial(storage_path, conn_id=self._options.storage_conn_id)
        return land_orphan(self._client, orphan, address, self._landings, orders, at)


def _summary(landed: dict[str, Any]) -> str:
    if "problem" in landed:
        return f"Not landed: {landed['collector_id']}."
    extent = "" if landed["complete"] else ", which is not the whole window"
    return f"Landed {landed['results']:,} results in {landed['path']}{extent}."
