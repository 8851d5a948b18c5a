"""``twexport coverage``: what has landed of each day and topic, and what was bought twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, landings, print_result, talkwalker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.coverage.coverage import LandedSpan


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "coverage", run, "show by day and topic what has landed and what is missing"
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="directories that contain landings")
    parser.add_argument("--conn-id", metavar="ID", help="Airflow connection of the object storage")
    parser.add_argument("--talkwalker-conn-id", metavar="ID", help="show also exports that have not landed")
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day; default: the first landed")
    parser.add_argument(
        "--to", dest="stop", metavar="DATE", help="last day, exclusive; default: the last landed"
    )


def run(options: argparse.Namespace) -> int:
    """Print the coverage; status 1 if a manifest cannot be read."""
    from airflow_provider_twexport.coverage.coverage import coverage, landed_span, table
    from airflow_provider_twexport.exceptions import NotFoundError
    from airflow_provider_twexport.talkwalker.unlanded import unlanded

    found = landings(options.paths, options.conn_id)
    manifests = list(found.manifests.values())
    spans = [span for span in map(landed_span, manifests) if span]
    if options.talkwalker_conn_id:
        hook = talkwalker(options.talkwalker_conn_id)
        spans += unlanded(hook.get_conn().list_exports(), manifests, hook.project_id)
    if not spans:
        raise NotFoundError(f"Nothing has landed below {', '.join(options.paths)}. Check the path.")
    series = coverage(spans, _range(options, spans))
    print_result(options, table(series), [it.to_json() for it in series])
    return 1 if found.problems else 0


def _range(options: argparse.Namespace, spans: Sequence[LandedSpan]) -> Window | None:
    if not options.start and not options.stop:
        return None
    from airflow_provider_twexport.core.arguments import parse_moment
    from airflow_provider_twexport.core.window import Window

    start = parse_moment(options.start) if options.start else min(span.window.start for span in spans)
    stop = parse_moment(options.stop) if options.stop else max(span.window.stop for span in spans)
    return Window(start, stop)
