"""``twexport coverage``: what is there of each day and topic, and what was bought twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, answer, landings, talkwalker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.coverage.coverage import LandedSpan


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "coverage", run, "tell by day and topic what has landed and what is missing"
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="directories to look for landings below")
    parser.add_argument("--conn-id", metavar="ID", help="Airflow connection of the object storage")
    parser.add_argument(
        "--talkwalker-conn-id", metavar="ID", help="tell also of exports that have not landed"
    )
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day; default: the first landed")
    parser.add_argument(
        "--to", dest="stop", metavar="DATE", help="last day, exclusive; default: the last landed"
    )


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from airflow_provider_twexport.coverage.coverage import coverage, landed_span, table
    from airflow_provider_twexport.exceptions import NotFoundError
    from airflow_provider_twexport.talkwalker.unlanded import unlanded

    found = landings(options.paths, options.conn_id)
    manifests = list(found.manifests.values())
    pieces = [piece for piece in map(landed_span, manifests) if piece]
    if options.talkwalker_conn_id:
        hook = talkwalker(options.talkwalker_conn_id)
        pieces += unlanded(hook.get_conn().list_exports(), manifests, hook.project_id)
    if not pieces:
        raise NotFoundError(f"Nothing has landed below {', '.join(options.paths)}.")
    tracks = coverage(pieces, _range(options, pieces))
    answer(options, table(tracks), [covered.to_json() for covered in tracks])
    return 1 if found.problems else 0


def _range(options: argparse.Namespace, pieces: Sequence[LandedSpan]) -> Window | None:
    if not options.start and not options.stop:
        return None
    from airflow_provider_twexport.core.arguments import parse_moment
    from airflow_provider_twexport.core.window import Window

    start = parse_moment(options.start) if options.start else min(piece.window.start for piece in pieces)
    stop = parse_moment(options.stop) if options.stop else max(piece.window.stop for piece in pieces)
    return Window(start, stop)
