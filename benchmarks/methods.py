"""Methods to land a collector, each in its own process: ``python -m benchmarks.methods METHOD URL TARGET COUNT``."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


def ours(url: str, target: str, count: int, file_format: str) -> None:
    """Land as the transfer operator does: cursors, checks, checksums, atomic parts, manifest."""
    from upath import UPath

    from airflow_provider_twexport.storage.part_options import PartOptions
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.landing import open_landing, source_of
    from benchmarks.corpus import COLLECTOR_ID, EXPORT_ID

    client = TalkwalkerClient("not-a-real-token", url)
    source = source_of(COLLECTOR_ID, EXPORT_ID, {})
    with open_landing(UPath(target), source, PartOptions(file_format)) as landing:
        before = memory_mib("VmRSS")
        for batch in client.drain(COLLECTOR_ID, export_id=EXPORT_ID, missing=lambda: count - landing.results):
            landing.write(batch)
        manifest = landing.commit(exported=count)
    if manifest.results != count:
        raise SystemExit(f"landed {manifest.results} of {count}")
    print(json.dumps({"mib_for_landing": memory_mib("VmHWM") - before}))


def memory_mib(which: str) -> float:
    """Return the memory of this process: ``VmRSS`` now, ``VmHWM`` at its peak."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def notebook_documents(url: str) -> Iterator[Any]:
    """Read as the vendor's notebook does: ``iter_lines``, ``json.loads``."""
    import requests

    params = {"access_token": "not-a-real-token", "resume_offset": "earliest", "end_behaviour": "stop"}
    response = requests.get(f"{url}/api/v3/stream/c/bench/results", params=params, stream=True, timeout=30)
    for line in response.iter_lines():
        if line:
            chunk: dict[str, Any] = json.loads(line)
            if chunk["chunk_type"] == "CT_RESULT":
                yield chunk["chunk_result"]["data"]


def notebook(url: str, file: IO[bytes]) -> None:
    """Land what the vendor's notebook reads."""
    for document in notebook_documents(url):
        file.write(json.dumps(document).encode() + b"\n")


def dlt_files(url: str, target: Path, file_format: Literal["jsonl", "parquet"]) -> None:
    """Land as dlt does: a resource that reads as the notebook does, one table without nested tables."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    with tempfile.TemporaryDirectory() as work:
        files = dlt.destinations.filesystem(bucket_url=target.as_uri())
        pipeline = dlt.pipeline("bench", pipelines_dir=work, destination=files, dataset_name="bench")
        results = dlt.resource(notebook_documents(url), name="results", max_table_nesting=0)
        pipeline.run(results, loader_file_format=file_format)


def upload_alone(source: Path, target: str) -> None:
    """Upload existing files through s3fs, as a landing does, and nothing else."""
    from airflow_provider_twexport.storage.directory import Directory

    directory = Directory(target)
    for part in source.glob("part-*"):
        upload = directory.create(part.name)
        with part.open("rb") as file:
            while block := file.read(1024 * 1024):
                upload.write(block)
        upload.commit()


def upload_boto3(source: Path, target: str) -> None:
    """Upload the same files with boto3."""
    import boto3

    bucket, _, folder = target.removeprefix("s3://").partition("/")
    for part in source.glob("part-*"):
        boto3.client("s3").upload_file(str(part), bucket, f"{folder}/{part.name}")


def in_memory(url: str, target: Path) -> None:
    """Land as Airflow's HttpToS3Operator does: read the whole response, then write it."""
    import requests

    params = {"access_token": "not-a-real-token", "resume_offset": "earliest", "end_behaviour": "stop"}
    response = requests.get(f"{url}/api/v3/stream/c/bench/results", params=params, timeout=300)
    target.joinpath("all.jsonl").write_bytes(response.content)


def duckdb_parquet(ndjson: Path, target: Path, columns: str = "*") -> None:
    """Turn chunk lines into zstd Parquet with DuckDB."""
    import duckdb

    duckdb.sql("SET threads=2")
    duckdb.sql(
        f"COPY (SELECT {columns} FROM read_json('{ndjson}', format='newline_delimited')) "  # noqa: S608 - our own
        f"TO '{target}/all.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )


def polars_parquet(ndjson: Path, target: Path) -> None:
    """Turn chunk lines into zstd Parquet with Polars."""
    import polars

    polars.scan_ndjson(ndjson, infer_schema_length=1000).sink_parquet(
        target / "all.parquet", compression="zstd"
    )


def main(method: str, url: str, directory: str, count: int) -> None:
    """Run one method; for those that only upload, ``url`` is the directory to upload."""
    target = Path(directory)
    if method.startswith("ours "):
        ours(url, directory, count, method.removeprefix("ours "))
    elif method == "notebook jsonl":
        with target.joinpath("all.jsonl").open("wb") as plain:
            notebook(url, plain)
    elif method == "notebook jsonl.gz":
        with gzip.open(target / "all.jsonl.gz", "wb", compresslevel=6) as compressed:
            notebook(url, compressed)  # type: ignore[arg-type]
    elif method == "dlt jsonl.gz":
        dlt_files(url, target, "jsonl")  # which it compresses unless told not to
    elif method == "dlt parquet":
        dlt_files(url, target, "parquet")
    elif method == "in memory":
        in_memory(url, target)
    elif method == "duckdb":
        duckdb_parquet(target / "fetched.jsonl", target)
    elif method == "duckdb with raw":
        duckdb_parquet(target / "fetched.jsonl", target, "*, to_json(chunk_result.data) AS raw")
    elif method == "polars":
        polars_parquet(target / "fetched.jsonl", target)
    elif method == "s3fs alone":
        upload_alone(Path(url), directory)
    elif method == "boto3 alone":
        upload_boto3(Path(url), directory)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
