"""``twexport plan``: what a range would cost, and what of it need not be bought any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import (
    add_command,
    add_landed,
    add_talkwalker,
    answer,
    landings,
    talkwalker,
    tell,
)

if TYPE_CHECKING:
    import argparse

    from airflow_provider_twexport.clients.talkwalker import ExportOrder, TalkwalkerClient
    from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook

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
    parser.add_argument("--buy-expired", action="store_true", help="price what was bought and lost, too")
    parser.add_argument("--yes", action="store_true", help="pay for counting without being asked")
    add_landed(parser)
    add_talkwalker(parser)


def run(options: argparse.Namespace) -> int:
    """Say what asking costs, ask, and print the plan."""
    from airflow_provider_twexport.planning.counting import count
    from airflow_provider_twexport.planning.plan import plan
    from airflow_provider_twexport.planning.table import table

    hook = talkwalker(options.conn_id)
    order, client = _order(options, hook), hook.get_conn()
    # what is free is looked up first: if it fails, nothing has been paid
    landed = landings(options.landed, options.storage_conn_id).by_collector()
    exports, collectors = client.list_exports(), _collectors(client)
    if not _may_count(options, order):
        tell("Nothing was asked, and nothing was spent.")
        return 1
    counted = count(client, order, options.split)
    if counted.uncountable:
        tell(f"{counted.uncountable} Each window is priced at its limit.")
    planned = plan(
        order,
        counted.windows,
        exports=exports,
        balance=client.get_credits().remaining,
        landed=landed.get,
        collectors=collectors,
        asked_credits=counted.asked_credits,
        buy_expired=options.buy_expired,
    )
    answer(options, table(planned), planned.to_json())
    return 0


def _order(options: argparse.Namespace, hook: TalkwalkerHook) -> ExportOrder:
    from airflow_provider_twexport.clients.window import Window
    from airflow_provider_twexport.planning.windows import moment

    return hook.order(
        Window(moment(options.start), moment(options.stop)),
        project_id=options.project_id,
        stream_id=options.stream_id,
        query=options.query,
        topics=options.topics,
        limit=options.limit,
    )


def _collectors(client: TalkwalkerClient) -> set[str] | None:
    from airflow_provider_twexport.clients.errors import AskForRightsError

    try:
        return {collector.id for collector in client.list_collectors()}
    except AskForRightsError:
        # a token that may only read is good enough for a plan
        return None


def _may_count(options: argparse.Namespace, order: ExportOrder) -> bool:
    import pendulum

    from airflow_provider_twexport.cli.consent import agreed
    from airflow_provider_twexport.clients.talkwalker_volume import HISTOGRAM_CREDITS, why_uncountable
    from airflow_provider_twexport.planning.counting import price_of_counting
    from airflow_provider_twexport.planning.table import edges

    if why_uncountable(order, pendulum.now("UTC")):
        return True
    price = price_of_counting(order.window, options.split)
    asked = price // HISTOGRAM_CREDITS
    words = (
        f"Counting {edges(order.window)} takes {asked:,} histogram {'request' if asked == 1 else 'requests'}"
    )
    more = " or more, as days above the limit are counted by the hour" if options.split == "auto" else ""
    return agreed(f"{words}: {price:,} credits{more}.", yes=options.yes)
