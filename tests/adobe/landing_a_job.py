"""Lands an Adobe job and prints the most memory that it ever had, in MiB; a program, so that it can be killed.

``python -m tests.adobe.landing_a_job SIMULATOR JOB_ID DIRECTORY RANGE_BYTES``
"""

from __future__ import annotations

import sys

from airflow_provider_twexport.adobe.client import AdobeClient
from airflow_provider_twexport.adobe.landing import JobLanding
from tests.adobe_account import CREDENTIAL
from tests.storage.measuring import peak_mib
from tests.waiting import QUICK

if __name__ == "__main__":
    address, job_id, directory, range_bytes = sys.argv[1:]
    client = AdobeClient(CREDENTIAL, "prod", address, address, QUICK)
    way = JobLanding(client, job_id, int(range_bytes))
    with way.open(directory) as landing:
        way.land(landing)
    print(peak_mib())
