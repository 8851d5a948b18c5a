"""``twexport adobe jobs``: the export jobs of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.cli.arguments import add_command, adobe, print_result

if TYPE_CHECKING:
    import argparse

    from airflow_provider_twexport.adobe.models import ExportJob

_COLUMNS = ("job", "status", "created", "profiles", "dataset", "segments")
_SIDES = "<<<><<"


def add_to(commands: Any) -> None:
    """Add the command."""
    text = "show what Adobe Experience Platform has"
    parser = commands.add_parser("adobe", help=text, description=f"{text[0].upper()}{text[1:]}.")
    below = parser.add_subparsers(required=True, metavar="COMMAND")
    jobs = add_command(below, "jobs", run, "list export jobs, newest first")
    jobs.add_argument(
        "--limit", type=int, default=20, metavar="N", help="jobs at most (default: %(default)s)"
    )
    jobs.add_argument(
        "--cursor", metavar="CURSOR", help="continue after the job with this cursor; see --json"
    )
    jobs.add_argument("--status", metavar="STATUS", help="NEW, SUCCEEDED or FAILED; default: all")
    text = "Airflow connection of Adobe (default: %(default)s)"
    jobs.add_argument("--conn-id", metavar="ID", default="adobe_experience_platform_default", help=text)


def run(options: argparse.Namespace) -> int:
    """Print the jobs."""
    from airflow_provider_twexport.core.text_table import aligned

    client = adobe(options.conn_id).get_conn()
    jobs = client.list_export_jobs(options.limit, options.cursor, options.status)
    table = "\n".join(aligned([_COLUMNS, *map(_row, jobs)], _SIDES))
    document = [{**job.to_json(), "cursor": job.cursor} for job in jobs]
    print_result(options, table if jobs else f"No export jobs in sandbox {client.sandbox}.", document)
    return 0


def _row(job: ExportJob) -> tuple[str, ...]:
    from airflow_provider_twexport.adobe.models import segments_of

    segments = segments_of(job.document)
    return (
        job.id,
        job.raw_status,
        job.created.format("YYYY-MM-DD HH:mm") if job.created else "?",
        "?" if job.profiles is None else f"{job.profiles:,}",
        job.dataset_id or "?",
        ", ".join(str(segment.get("segmentId")) for segment in segments) or "all profiles",
    )
