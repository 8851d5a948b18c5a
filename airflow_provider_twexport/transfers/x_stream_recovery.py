"""Move what a capture of an X volume stream missed to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.links import ManifestLink
from airflow_provider_twexport.storage import formats
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.x.streams.client import XStreamClient
    from airflow_provider_twexport.x.streams.recovery import Slice


class XStreamRecoveryOperator(LandingOperator):
    """Land what fell into the gaps of a capture, by Recovery or Replay, without what the capture holds.

    A gap is complete when the service says so; what it says is missing is asked for again. Two requests run at a
    time, which is all that an account may have: to keep several tasks from it, give them an Airflow pool of one slot.
    A capture without gaps costs nothing and leaves nothing; otherwise writes parts and, last, ``_manifest.json``.
    Returns ``{"manifest", "results", "bytes", "parts", "recovered"}``.

    :param capture_path: directory of the capture.
    :param object_storage_path: the directory to land in; one landing each.
    :param service: ``recovery``, or ``replay`` for an account that still has it; it reaches to 31 minutes ago.
    :param stream_label: of the stream; ``None`` for the connection's.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``.
    :param max_part_bytes: a part ends after about so many bytes, as written.
    :param x_conn_id: Airflow connection of X enterprise.
    """

    template_fields: Sequence[str] = (
        "capture_path",
        "object_storage_path",
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
        stream_label: str | None = None,
        object_storage_conn_id: str | None = None,
        file_format: str = "jsonl.gz",
        max_part_bytes: int = 64 * 1024 * 1024,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        formats.by_name(file_format)
        self.capture_path = capture_path
        self.object_storage_path = object_storage_path
        self.service = service
        self.stream_label = stream_label
        self.object_storage_conn_id = object_storage_conn_id
        self.file_format = file_format
        self.max_part_bytes = max_part_bytes
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is, what it counts, and how many requests' worth of gaps were filled."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.storage import manifest
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.x.schema import SCHEMAS
        from airflow_provider_twexport.x.streams.capture_report import CaptureReport
        from airflow_provider_twexport.x.streams.messages import message_key
        from airflow_provider_twexport.x.streams.recovery import HOSTS, slices

        with fail_without_retry():
            capture_path = ObjectStoragePath(self.capture_path, conn_id=self.object_storage_conn_id)
            capture = manifest.read(capture_path)
            captured = CaptureReport.from_json(capture.report or {"stream": capture.source.get("stream")})
            if not captured.gaps:
                self.log.info("%s has no gaps.", capture_path)
                return {"manifest": None, "results": 0, "bytes": 0, "parts": 0, "recovered": 0}
            client = XEnterpriseHook(self.x_conn_id).get_stream(
                captured.stream, label=self.stream_label, host=HOSTS.get(self.service)
            )
            directory = ObjectStoragePath(self.object_storage_path, conn_id=self.object_storage_conn_id)
            ManifestLink.push(context, directory)
            with Landing.open(
                directory,
                source=capture.source
                | {
                    "system": f"x_stream_{self.service}",
                    "capture_id": f"gaps-{capture.source['capture_id']}",
                },
                file_format=self.file_format,
                max_part_bytes=self.max_part_bytes,
                record_id=message_key,
                exclude_landed=[capture_path],
                identity=message_key,
                schema=SCHEMAS[captured.stream],
            ) as landing:
                landed = landing.committed
                if landed is None:
                    wanted = slices(captured.gaps, self.service, client.now())
                    landed = self._land(client, landing, wanted)
        recovered = len((landed.report or {}).get("slices", ()))
        self.log.info("%s: %d messages recovered.", directory, landed.results)
        self._tell_landing(context, directory, landed)
        return landed.summary(directory) | {"recovered": recovered}

    def _land(self, client: XStreamClient, landing: Landing, wanted: Sequence[Slice]) -> Manifest:
        from airflow_provider_twexport.core.batch import Batch
        from airflow_provider_twexport.x.streams.capture_report import CaptureReport
        from airflow_provider_twexport.x.streams.recovery import recover

        log = CaptureReport.from_json(landing.report or {"stream": client.stream})
        missing = [one for one in wanted if one.key not in log.slices]
        for arrival in recover(client, missing, self.service):
            log.add(arrival)
            log.count(arrival.records, landing.write(Batch(arrival.records, None)))
            if arrival.slice or landing.part_is_full:
                landing.checkpoint(log.to_json())
        manifest = landing.commit(report=log.to_json())
        metrics.landed(self.system, manifest)
        return manifest
