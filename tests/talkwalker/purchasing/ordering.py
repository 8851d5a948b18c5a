"""Order one month in a process of its own, at a moment that the parent gives: a line on the standard input."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace

import pendulum

from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.budget import Budget
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.waiting import QUICK

PATIENT = replace(QUICK, retry=Retry(attempts=12, first_wait=0.02, throttled_wait=0.05, throttled_for=60.0))


def month_of(number: int, project_id: str, limit: int) -> ExportOrder:
    """Return the order of the ``number``-th month of 2023."""
    start = pendulum.datetime(2023, 1, 1).add(months=number)
    return ExportOrder(Window(start, start.add(months=1)), project_id=project_id, limit=limit)


def order(url: str, token: str, project_id: str, month: int, limit: int, budget: Budget) -> dict[str, object]:
    """Return what became of the order."""
    client = TalkwalkerClient(token, url, PATIENT)
    ordered = month_of(month, project_id, limit)
    try:
        client.put_collector(collector_id_of(ordered))
        purchase = buy_once(
            client, ordered, collector_id_of(ordered), budget=budget, before_buying=_die_if_asked
        )
    except TwexportError as error:
        return {"month": month, "error": type(error).__name__, "message": str(error)}
    return {"month": month, "export_id": purchase.task.id, "adopted": purchase.adopted}


def _die_if_asked() -> None:
    if "--die-before-buying" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    arguments["budget"] = Budget(**arguments["budget"])
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(order(**arguments)), flush=True)
