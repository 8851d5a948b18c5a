"""What the deadline alerts of the examples call: somebody should look before paid results are lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


async def report_late_run(
    text: str, to: Sequence[str] = (), context: Mapping[str, Any] | None = None
) -> None:
    """Log, in the triggerer, that a run has not ended in time, and mail it.

    :param text: what to do.
    :param to: e-mail addresses; the mail goes through the connection ``smtp_default``, whose extra has ``from_email``.
    :param context: of Airflow's deadline alert.
    """
    run = (context or {}).get("dag_run", {})
    what = f"Run {run.get('dag_run_id')} of {run.get('dag_id')} has not ended yet."
    log.warning("%s %s", what, text)
    if to:
        await _mail(to, what, text)


async def _mail(to: Sequence[str], subject: str, text: str) -> None:
    """Send a mail in a thread: awaited, Airflow's notifier fails on mail servers with STARTTLS (smtp provider 3.2)."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    from asgiref.sync import sync_to_async

    notifier = SmtpNotifier(to=list(to), subject=subject, html_content=text)
    # not asyncio.to_thread: the thread asks Airflow for the connection, which is served on this event loop
    await sync_to_async(notifier.notify, thread_sensitive=False)({})
