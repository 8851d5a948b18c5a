"""Checks the files that a dataset export wrote to the user's own store, and writes their manifest beside them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.exceptions import (
    DirectoryInUseError,
    NotReadyError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.storage.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.flow_runs import FlowRun
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatasetExport:
    """The files of one run of a dataflow.

    :param client: of the service.
    :param run_id: of the run.
    """

    client: AdobeClient
    run_id: str

    def open(self, directory: StoragePath) -> Registration:
        """Find the manifest of an earlier try, or start one.

        :param directory: which this run wrote, and no other: Adobe makes one for each time of export.
        :raises DirectoryInUseError: if it has the manifest of something else.
        """
        return Registration(directory, self._identity)

    def register(self, registration: Registration) -> Manifest:
        """Read each file once, compare all of them with what the run counts, and write the manifest.

        :raises NotReadyError: if the run has not ended, or has written more than is here.
        :raises ExportFailedError: if the run failed, or wrote only a part.
        :raises DirectoryInUseError: if more is here than the run has written.
        :raises UnexpectedResponseError: if the run counts nothing that can be compared.
        """
        run = self.client.get_flow_run(self.run_id)
        if run.is_unfinished:
            raise NotReadyError(
                f"Run {run.id} is {run.raw_status or 'not started'}: wait for it with AdobeDatasetExportSensor."
            )
        run.check_success()
        for seconds in self.client.timing.batch_ready:
            try:
                self._check(run, registration)
                break
            except NotReadyError as error:
                log.info("%s Looking again in %.0f s.", error.message, seconds)
                time.sleep(seconds)
        else:
            self._check(run, registration)
        return registration.commit(self._source(run))

    def _check(self, run: FlowRun, registration: Registration) -> None:
        """Compare what is here with what the run counts."""
        files, rows = registration.look()
        counted = [
            (what, here, written)
            for what, here, written in (("files", files, run.files), ("records", rows, run.records))
            if here is not None and written is not None
        ]
        for what, here, written in counted:
            text = f"Run {run.id} wrote {written:,} {what}, and {registration.directory} has {here:,}."
            if here < written:
                raise NotReadyError(f"{text} A retry looks again.")
            if here > written:
                raise DirectoryInUseError(f"{text} Give the directory of this time of export alone.")
        if not counted:
            raise UnexpectedResponseError(
                f"Run {run.id} counts nothing that can be compared with its files, so nobody knows whether all are "
                "here. Look at it in Adobe."
            )

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "system": "adobe",
            "owner": self.run_id,
            "run_id": self.run_id,
            "export_id": self.run_id,
            "sandbox": self.client.sandbox,
        }

    def _source(self, run: FlowRun) -> dict[str, Any]:
        return self._identity | {
            "scope": run.flow_id,
            "flow_id": run.flow_id,
            "status": run.raw_status,
            "records": run.records,
            "run_bytes": run.bytes,
        }


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the files of a dataset export come from.

    :param source: of the manifest.
    """
    return Dataset("adobe://platform.adobe.io", f"{source.get('sandbox')}/flows/{source.get('flow_id')}")
