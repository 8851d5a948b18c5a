"""Lands an Adobe job and prints the most memory that it ever had, in MiB; a program, so that it can be killed.

``python -m tests.transfers.landing_a_job SIMULATOR JOB_ID DIRECTORY RANGE_BYTES``
"""

from __future__ import annotations

import sys

from airflow_provider_twexport.adobe.client import AdobeClient
from airflow_provider_twexport.adobe.landing import JobLanding
from airflow_provider_twexport.storage.file_landing import FileLanding
from tests.adobe_account import CREDENTIAL, RETRY
from tests.storage.measuring import peak_mib

if __name__ == "__main__":
    address, job_id, directory, range_bytes = sys.argv[1:]
    client = AdobeClient(CREDENTIAL, "prod", address, address, RETRY)
    way = JobLanding(client, job_id, RETRY, int(range_bytes))
    way.land(FileLanding.open(directory, source=way.identity))
    print(peak_mib())
