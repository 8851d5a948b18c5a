"""What a deadline alert may call where nobody is to be written to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


async def log_late_run(text: str, context: Mapping[str, Any] | None = None) -> None:
    """Log, in the triggerer, that a run has not ended in time.

    :param text: what to do.
    :param context: of Airflow's deadline alert.
    """
    run = (context or {}).get("dag_run", {})
    log.warning("Run %s of %s has not ended yet. %s", run.get("dag_run_id"), run.get("dag_id"), text)
