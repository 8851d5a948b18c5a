"""Switches of Adobe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

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
    adobe_invalid_token: Annotated[
        Literal["gateway", "problem", "html", "empty"],
        about("body of the refusal of an expired token", hostile="problem"),
    ] = "gateway"  # noqa: S105
    adobe_requests_per_minute: Annotated[
        Positive | None, about("requests in a minute before the gateway answers 429; null for no limit")
    ] = None
    adobe_flow_seconds: Annotated[
        Amount | None, about("seconds that a dataset export runs; null keeps it running forever")
    ] = 4.0
    adobe_flow_outcome: Annotated[
        Literal["success", "failed", "partialSuccess"], about("status in which dataset exports end")
    ] = "success"
    adobe_flow_counts: Annotated[
        Literal["all", "input", "none"],
        about(
            "what dataset exports count: all that was written, only the records that were read, or nothing",
            hostile="input",
        ),
    ] = "all"
    adobe_delete_status: Annotated[
        Literal[200, 202, 204], about("HTTP status of the response to a cancellation")
    ] = 200
    adobe_cancelled_status: Annotated[
        Literal["CANCELLED", "CANCELLING", "FAILED"], about("status of a job that was cancelled")
    ] = "CANCELLED"
    adobe_batches_form: Annotated[
        Literal["array", "object", "map", "ids"],
        about(
            "form of `destination.batches`: a list, an object where there is one batch, an object by id, or a list "
            "of ids",
            hostile="map",
        ),
    ] = "array"
    adobe_errors_form: Annotated[
        Literal["array", "object", "text"], about("form of a job's `errors`", hostile="text")
    ] = "array"
    adobe_dataset_key: Annotated[
        Literal["datasetId", "dataSetId"], about("key of the dataset in `destination`", hostile="dataSetId")
    ] = "datasetId"
    adobe_echo: Annotated[
        Literal["as_ordered", "rewritten"],
        about(
            "whether jobs repeat their order as written, or with the same meaning: numbers with a fraction, lists "
            "for texts, defaults, other order of keys",
            hostile="rewritten",
        ),
    ] = "as_ordered"
    adobe_times: Annotated[
        Literal["milliseconds", "seconds", "iso"],
        about("form of a job's `creationTime` and `updateTime`", hostile="seconds"),
    ] = "milliseconds"
    adobe_profile_counter: Annotated[
        bool, about("whether jobs count the profiles that they exported", hostile=False)
    ] = True
    adobe_counts_as_text: Annotated[
        bool, about("whether counts of jobs and batches are texts", hostile=True)
    ] = False
    adobe_last_link: Annotated[
        Literal["empty", "absent"], about("`link.next` on the last page of the list of jobs")
    ] = "empty"
    adobe_list_lag_seconds: Annotated[Amount, about("seconds before the list shows a new job")] = 0.0
    adobe_batch_ids_lag_seconds: Annotated[
        Amount, about("seconds before a job names the last of its batches", hostile=1.0)
    ] = 0.0
    adobe_batch_ids_lack: Annotated[
        Literal["id", "entry"], about("what a job lacks until then: the id of the batch, or its whole entry")
    ] = "id"
    adobe_batch_lag_seconds: Annotated[
        Amount, about("seconds before the catalog shows a batch as complete", hostile=1.0)
    ] = 0.0
    adobe_batch_lags_as: Annotated[
        Literal["loading", "missing", "empty"],
        about("what the catalog answers until then: `loading`, 404, or an empty object", hostile="empty"),
    ] = "loading"
    adobe_records_key: Annotated[
        Literal["recordsWritten", "outputRecordCount", "none"],
        about("where the catalog counts the records of a batch", hostile="outputRecordCount"),
    ] = "recordsWritten"
    adobe_files_counted: Annotated[bool, about("whether the catalog counts the files of a batch")] = False
    adobe_batch_status: Annotated[str, about("status of a complete batch in the catalog")] = "success"
    adobe_files: Annotated[Count, about("files in each batch")] = 3
    adobe_files_lag_seconds: Annotated[
        Amount, about("seconds before all files of a batch are listed, half of them until then", hostile=2.0)
    ] = 0.0
    adobe_files_per_page: Annotated[Positive, about("entries on a page of files at most")] = 100
    adobe_file_links: Annotated[
        bool, about("whether a page of files links to the next page", hostile=False)
    ] = True
    adobe_file_start: Annotated[
        Literal["index", "page", "name"],
        about("what `start` of a list of files means: an index, a page, or the last name", hostile="page"),
    ] = "index"
    adobe_file_count: Annotated[
        Literal["total", "page", "none"],
        about("what `_page.count` counts: all entries, those of the page, or it is missing", hostile="none"),
    ] = "total"
    adobe_bare_arrays: Annotated[
        bool, about("whether the entries of a file come as an array without page and links", hostile=True)
    ] = False
    adobe_lengths: Annotated[
        Literal["text", "number", "float", "null"], about("form of a file's `length`", hostile="float")
    ] = "text"
    adobe_file_bytes: Annotated[
        Count | None,
        about("approximate size of files with random bytes; null writes Parquet files of profiles"),
    ] = None
    adobe_directories: Annotated[bool, about("whether each file of a batch is a directory of files")] = False
    adobe_directory_files: Annotated[Positive, about("files in a directory")] = 2
    adobe_etags: Annotated[bool, about("whether downloads have an ETag", hostile=True)] = False
    adobe_ranges: Annotated[bool, about("whether downloads answer ranges")] = True
    adobe_bytes_per_answer: Annotated[
        Positive | None,
        about("bytes before a download breaks off, as after 60 seconds; null never breaks it"),
    ] = 256 * 2**20

    def count(self, value: int) -> int | str:
        """Return a count as the service writes it."""
        return str(value) if self.adobe_counts_as_text else value

    def time(self, milliseconds: int) -> Any:
        """Return a job's time as the service writes it."""
        if self.adobe_times == "iso":
            return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
        return milliseconds // 1000 if self.adobe_times == "seconds" else milliseconds
