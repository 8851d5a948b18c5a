"""What the stand-in for Adobe can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob with its default.

    ``adobe_job_seconds``: ``None`` for jobs that are stuck in PROCESSING. ``adobe_bytes_per_answer``: what goes over
    the wire in the 60 seconds that an answer may take; ``None`` for any amount. ``adobe_directories``: each file of
    a batch is a directory of two. ``adobe_file_bytes``: ``None`` for Parquet files that hold ``adobe_profiles``
    together, a number for files about that big that mean nothing. ``adobe_list_lag_seconds``: how long a job is
    there before it is listed.
    """

    adobe_queue_seconds: Amount = 2.0
    adobe_job_seconds: Amount | None = 4.0
    adobe_outcome: Literal["SUCCEEDED", "FAILED"] = "SUCCEEDED"
    adobe_errors_on_success: bool = False
    adobe_profiles: Count = 1_000
    adobe_token_seconds: Amount = 86_399.0
    adobe_token_milliseconds: bool = False
    adobe_delete_status: Literal[200, 202, 204] = 200
    adobe_cancelled_status: Literal["CANCELLED", "CANCELLING", "FAILED"] = "CANCELLED"
    adobe_batches_form: Literal["array", "object"] = "array"
    adobe_dataset_key: Literal["datasetId", "dataSetId"] = "datasetId"
    adobe_last_link: Literal["empty", "absent"] = "empty"
    adobe_list_lag_seconds: Amount = 0.0
    adobe_batch_lag_seconds: Amount = 0.0
    adobe_batch_status: str = "success"
    adobe_files: Count = 3
    adobe_file_bytes: Count | None = None
    adobe_directories: bool = False
    adobe_bytes_per_answer: Positive | None = 256 * 2**20

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Apply changes; a wrong name or value is refused by name."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, Settings, strict=False)
