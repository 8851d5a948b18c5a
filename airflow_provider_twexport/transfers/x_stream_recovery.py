"""Move what a capture of an X volume stream missed to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import ResultsLandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class XStreamRecoveryOperator(ResultsLandingOperator):
    """Land what fell into the gaps of a capture, by Recovery or Replay, without what the capture holds.

    A gap is complete when the service says so; what it reports as missing is requested again. Two requests run at a
    time, which is all that an account may have: to keep several tasks from it, give them an Airflow pool of one slot.
    A capture without gaps costs nothing and writes nothing; otherwise writes parts and, last, ``_manifest.json``.
    Returns ``{"manifest", "results", "bytes", "parts", "recovered"}``. Further arguments are those of
    :class:`ResultsLandingOperator`, such as ``file_format``.

    :param capture_path: directory of the capture.
    :param object_storage_path: the directory to land in; one landing each.
    :param service: ``recovery``, or ``replay`` for an account that still has it; it reaches to 31 minutes ago.
    :param start_parameter: how Recovery calls the start of a window; X's pages have ``startTime`` and ``start_time``.
    :param stop_parameter: likewise the end: ``endTime``, ``end_time``.
    :param silence_seconds: without a byte for so long, a connection is given up; more than 30, as X asks. ``None``: 45.
    :param stream_label: of the stream; ``None`` for the connection's.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param x_conn_id: Airflow connection of X Enterprise.
    """

    template_fields: Sequence[str] = (
        "capture_path",
        "object_storage_path",
        "silence_seconds",
        "stream_label",
        "object_storage_conn_id",
        "x_conn_id",
    )
    ui_color = "#f3ecfa"
    system = "x_stream"

    def __init__(
        self,
        *,
        capture_path: str,
        object_storage_path: str,
        service: str = "recovery",
        start_parameter: str = "startTime",
        stop_parameter: str = "endTime",
        silence_seconds: float | str | None = None,
        stream_label: str | None = None,
        object_storage_conn_id: str | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.capture_path = capture_path
        self.object_storage_path = object_storage_path
        self.service = service
        self.start_parameter = start_parameter
        self.stop_parameter = stop_parameter
        self.silence_seconds = silence_seconds
        self.stream_label = stream_label
        self.object_storage_conn_id = object_storage_conn_id
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is, what it counts, and how many slices of the gaps were recovered."""
        from airflow_provider_twexport.storage import manifest
        from airflow_provider_twexport.x.streams.landing import RecoveryLanding, captured, dataset
        from airflow_provider_twexport.x.streams.recovery import HOSTS

        with fail_without_retry():
            capture_path = storage_path(self.capture_path, conn_id=self.object_storage_conn_id)
            capture = manifest.read(capture_path)
            report = captured(capture)
            if not report.gaps:
                self.log.info("%s has no gaps.", capture_path)
                return {"manifest": None, "results": 0, "bytes": 0, "parts": 0, "recovered": 0}
            client = XEnterpriseHook(self.x_conn_id).get_stream(
                report.stream,
                label=self.stream_label,
                host=HOSTS.get(self.service),
                silence=self.silence_seconds,
            )
            names = self.start_parameter, self.stop_parameter
            recovery = RecoveryLanding(client, capture_path, capture, self.service, names)
            directory = self.directory(context, self.object_storage_path)
            with recovery.open(directory, self.part_options) as landing:
                found = landing.committed
                landed = found or recovery.land(landing)
        recovered = len((landed.report or {}).get("slices", ()))
        self.log.info("%s: %d messages recovered.", directory, landed.results)
        summary = self.landed(context, directory, landed, dataset(landed.source), is_new=not found)
        return summary | {"recovered": recovered}
