"""Order an Adobe job in a process of its own, at a moment that the parent gives: a line on the standard input.

``python -m tests.adobe.ordering SIMULATOR SINCE``
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pendulum

from airflow_provider_twexport.adobe.client import AdobeClient
from airflow_provider_twexport.adobe.order_once import JobOrder, order_once
from airflow_provider_twexport.exceptions import TransientError
from tests.adobe_account import CREDENTIAL, ORDER
from tests.waiting import QUICK

# the list is late by 2 seconds
PATIENT = replace(QUICK, order_listed=(0.0, 0.2, 0.5, 1.0, 2.0, 4.0))
# as a task of Airflow's that is tried again
TRIES = 10


def order(url: str, since: pendulum.DateTime) -> JobOrder:
    """Order until it is known what became of it."""
    for _ in range(TRIES):
        try:
            return order_once(AdobeClient(CREDENTIAL, "prod", url, url, PATIENT), ORDER, since)
        except TransientError as error:
            print(error, file=sys.stderr)
    raise AssertionError(f"not within {TRIES} tries")


if __name__ == "__main__":
    address, began = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    ordered = order(address, pendulum.parse(began))  # type: ignore[arg-type]
    print(json.dumps([ordered.job.id, ordered.adopted]), flush=True)
