"""``twexport plan``: what a range would cost, and what of it was bought already."""

from __future__ import annotations

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
    parser = add_command(commands, "plan", run, "show what a range of dates would cost, window by window")
    parser.add_argument("start", metavar="START", help="first moment, e.g. 2024-01-01 (UTC)")
    parser.add_argument(
        "stop", metavar="STOP", help="last moment, exclusive, e.g. 2025-01-01 for all of 2024"
    )
    parser.add_argument("--project-id", metavar="ID", help="default: the connection's; '' for none")
    parser.add_argument(
        "--stream-id", metavar="ID", help="instead of a project; its volume cannot be counted"
    )
    parser.add_argument("--query", metavar="QUERY", help="required without a project or stream")
    parser.add_argument("--topics", metavar="IDS", help="topics of the project, separated by commas")
    parser.add_argument(
        "--split", choices=_SPLITS, default="month", help="auto: as few windows as stay below the limit"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="maximum results of one export (default: 1,000,000)"
    )
    parser.add_argument(
        "--on-truncated",
        choices=("warn", "split"),
        default="warn",
        help="split: plan the remainder of truncated landings, from the dates of their results",
    )
    parser.add_argument("--buy-expired", action="store_true", help="include what was bought and lost")
    parser.add_argument("--yes", action="store_true", help="pay for counting without asking")
    add_landed(parser)
    add_talkwalker(parser)


def run(options: argparse.Namespace) -> int:
    """Say what counting costs, count, and print the plan."""
    import pendulum

    from airflow_provider_twexport.talkwalker.histogram import why_uncountable
    from airflow_provider_twexport.talkwalker.planning.plan_table import table

    hook = talkwalker(options.conn_id)
    order, client = _order(options, hook), hook.get_conn()
    # free requests come first: if one fails, nothing has been paid
    found = _survey(options, order, client)
    if not _may_count(options, found):
        print_note("Nothing was counted, and nothing was spent.")
        return 1
    if found.gaps and (uncountable := why_uncountable(order, pendulum.now("UTC"))):
        print_note(f"{uncountable} Each window is priced at its limit.")
    planned = found.count(client)
    print_result(options, table(planned), planned.to_json())
    return 0


def _survey(options: argparse.Namespace, order: ExportOrder, client: TalkwalkerClient) -> Survey:
    from airflow_provider_twexport.exceptions import InvalidRequestError
    from airflow_provider_twexport.talkwalker.planning.survey import survey

    if options.on_truncated == "split" and not options.landed:
        raise InvalidRequestError("--on-truncated split needs --landed: the landings show what is missing.")
    landed = landings(options.landed, options.storage_conn_id)
    return survey(
        client,
        order,
        options.split,
        landed=landed.by_owner,
        buy_expired=options.buy_expired,
        landed_hours=_landed_hours(options, landed) if options.on_truncated == "split" else None,
    )


def _landed_hours(options: argparse.Namespace, landed: Landings) -> Callable[[str], LandedHours]:
    """Return what reads the results by hour of a collector's landing."""
    from airflow_provider_twexport.storage.already_landed import landed_hours
    from airflow_provider_twexport.talkwalker.record_identity import published_ms

    directories = landed.directories
    return lambda collector_id: landed_hours(
        storage_path(directories[collector_id], options.storage_conn_id), published_ms
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
    from airflow_provider_twexport.cli.consent import confirmed
    from airflow_provider_twexport.core.text_table import edges
    from airflow_provider_twexport.talkwalker.histogram import HISTOGRAM_CREDITS

    if not found.counting_price:
        return True
    requests = found.counting_price // HISTOGRAM_CREDITS
    text = (
        f"Counting {edges(found.order.window)} takes {requests:,} histogram "
        f"{'request' if requests == 1 else 'requests'}"
    )
    more = " or more, as days above the limit are counted by the hour"
    by_volume = options.split == "auto" or found.truncated
    return confirmed(f"{text}: {found.counting_price:,} credits{more if by_volume else ''}.", yes=options.yes)
