"""``twexport plan``: what a range would cost, and what of it need not be bought any more."""

from __future__ import annotations

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
    from collections.abc import Callable

    from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
    from airflow_provider_twexport.storage.already_landed import LandedHours
    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.planning.survey import Survey

_SPLITS = ("month", "week", "day", "hour", "auto")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "plan", run, "tell what buying a range would cost, window by window")
    parser.add_argument("start", metavar="START", help="first moment, e.g. 2024-01-01 (UTC)")
    parser.add_argument(
        "stop", metavar="STOP", help="last moment, exclusive, e.g. 2025-01-01 for all of 2024"
    )
    parser.add_argument("--project-id", metavar="ID", help="default: the connection's; '' for none")
    parser.add_argument(
        "--stream-id", metavar="ID", help="instead of a project; its volume cannot be counted"
    )
    parser.add_argument("--query", metavar="QUERY", help="required where there is neither project nor stream")
    parser.add_argument("--topics", metavar="IDS", help="topics of the project, with commas between")
    parser.add_argument(
        "--split", choices=_SPLITS, default="month", help="auto: as few as stay below the limit"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="results of one export at most (1,000,000)")
    parser.add_argument(
        "--on-truncated",
        choices=("warn", "split"),
        default="warn",
        help="split: plan the remainder of what landed truncated, from the dates of what landed",
    )
    parser.add_argument("--buy-expired", action="store_true", help="price what was bought and lost, too")
    parser.add_argument("--yes", action="store_true", help="pay for counting without being asked")
    add_landed(parser)
    add_talkwalker(parser)


def run(options: argparse.Namespace) -> int:
    """Say what asking costs, ask, and print the plan."""
    import pendulum

    from airflow_provider_twexport.talkwalker.histogram import why_uncountable
    from airflow_provider_twexport.talkwalker.planning.plan_table import table

    hook = talkwalker(options.conn_id)
    order, client = _order(options, hook), hook.get_conn()
    # what is free is looked up first: if it fails, nothing has been paid
    found = _survey(options, order, client)
    if not _may_count(options, found):
        tell("Nothing was asked, and nothing was spent.")
        return 1
    if found.gaps and (uncountable := why_uncountable(order, pendulum.now("UTC"))):
        tell(f"{uncountable} Each window is priced at its limit.")
    planned = found.count(client)
    answer(options, table(planned), planned.to_json())
    return 0


def _survey(options: argparse.Namespace, order: ExportOrder, client: TalkwalkerClient) -> Survey:
    from airflow_provider_twexport.exceptions import InvalidRequestError
    from airflow_provider_twexport.talkwalker.planning.survey import survey

    if options.on_truncated == "split" and not options.landed:
        raise InvalidRequestError("--on-truncated split needs --landed: what landed tells what is missing.")
    landed = landings(options.landed, options.storage_conn_id)
    return survey(
        client,
        order,
        options.split,
        landed=landed.by_collector(),
        buy_expired=options.buy_expired,
        landed_hours=_landed_hours(options, landed) if options.on_truncated == "split" else None,
    )


def _landed_hours(options: argparse.Namespace, landed: Landings) -> Callable[[str], LandedHours]:
    """Return what reads the results by hour of a collector's landing."""
    from airflow_provider_twexport.storage.already_landed import landed_hours
    from airflow_provider_twexport.talkwalker.record_identity import published_ms

    places = landed.directories()
    return lambda collector_id: landed_hours(
        storage_path(places[collector_id], options.storage_conn_id), published_ms
    )


def _order(options: argparse.Namespace, hook: TalkwalkerHook) -> ExportOrder:
    from airflow_provider_twexport.core.arguments import parse_moment
    from airflow_provider_twexport.core.window import Window

    return hook.order(
        Window(parse_moment(options.start), parse_moment(options.stop)),
        project_id=options.project_id,
        stream_id=options.stream_id,
        query=options.query,
        topics=options.topics,
        limit=options.limit,
    )


def _may_count(options: argparse.Namespace, found: Survey) -> bool:
    from airflow_provider_twexport.cli.consent import agreed
    from airflow_provider_twexport.core.text_table import edges
    from airflow_provider_twexport.talkwalker.histogram import HISTOGRAM_CREDITS

    if not found.counting_price:
        return True
    asked = found.counting_price // HISTOGRAM_CREDITS
    words = (
        f"Counting {edges(found.order.window)} takes {asked:,} histogram "
        f"{'request' if asked == 1 else 'requests'}"
    )
    more = " or more, as days above the limit are counted by the hour"
    by_volume = options.split == "auto" or found.truncated
    return agreed(f"{words}: {found.counting_price:,} credits{more if by_volume else ''}.", yes=options.yes)
