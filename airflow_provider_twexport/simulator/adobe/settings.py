"""Switches of Adobe."""

from __future__ import annotations

from typing import Annotated, Literal

from airflow_provider_twexport.simulator.settings import Amount, Count, Positive, Settings, about


class AdobeSettings(Settings, frozen=True):
    """Every switch with its default."""

    adobe_queue_seconds: Annotated[Amount, about("seconds before a job starts")] = 2.0
    adobe_job_seconds: Annotated[
        Amount | None, about("seconds that a job runs; null keeps it in PROCESSING forever")
    ] = 4.0
    adobe_outcome: Annotated[Literal["SUCCEEDED", "FAILED"], about("status in which jobs end")] = "SUCCEEDED"
    adobe_errors_on_success: Annotated[bool, about("whether jobs that succeed list an error, too")] = False
    adobe_profiles: Annotated[Count, about("profiles in each export")] = 1_000
    adobe_token_seconds: Annotated[Amount, about("seconds that an access token is valid")] = 86_399.0
    adobe_token_milliseconds: Annotated[bool, about("whether `expires_in` is in milliseconds")] = False
    adobe_delete_status: Annotated[
        Literal[200, 202, 204], about("HTTP status of the response to a cancellation")
    ] = 200
    adobe_cancelled_status: Annotated[
        Literal["CANCELLED", "CANCELLING", "FAILED"], about("status of a job that was cancelled")
    ] = "CANCELLED"
    adobe_batches_form: Annotated[
        Literal["array", "object"], about("type of `destination.batches` where there is one batch")
    ] = "array"
    adobe_dataset_key: Annotated[
        Literal["datasetId", "dataSetId"], about("key of the dataset in `destination`")
    ] = "datasetId"
    adobe_last_link: Annotated[
        Literal["empty", "absent"], about("`link.next` on the last page of the list of jobs")
    ] = "empty"
    adobe_list_lag_seconds: Annotated[Amount, about("seconds before the list shows a new job")] = 0.0
    adobe_batch_lag_seconds: Annotated[
        Amount, about("seconds before the catalog shows a batch as complete")
    ] = 0.0
    adobe_batch_status: Annotated[str, about("status of a complete batch in the catalog")] = "success"
    adobe_files: Annotated[Count, about("files in each batch")] = 3
    adobe_file_bytes: Annotated[
        Count | None,
        about("approximate size of files with random bytes; null writes Parquet files of profiles"),
    ] = None
    adobe_directories: Annotated[bool, about("whether each file of a batch is a directory of two files")] = (
        False
    )
    adobe_bytes_per_answer: Annotated[
        Positive | None,
        about("bytes before a download breaks off, as after 60 seconds; null never breaks it"),
    ] = 256 * 2**20
