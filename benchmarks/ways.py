"""Ways to land a collector, each run in a process of its own: ``python -m benchmarks.ways WAY URL TARGET COUNT``."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import IO, Any


def ours(url: str, target: Path, count: int, file_format: str) -> None:
    """Land as the transfer operator does: offsets, checks, digests, checksums, atomic parts, manifest."""
    from airflow_provider_twexport.clients.talkwalker import TalkwalkerClient
    from airflow_provider_twexport.clients.talkwalker_schema import SCHEMA
    from airflow_provider_twexport.storage.landing import Landing
    from benchmarks.corpus import COLLECTOR_ID, EXPORT_ID

    client = TalkwalkerClient("not-a-real-token", url)
    source = {"collector_id": COLLECTOR_ID, "export_id": EXPORT_ID}
    with Landing.open(target, source=source, file_format=file_format, schema=SCHEMA) as landing:
        for batch in client.drain(COLLECTOR_ID, export_id=EXPORT_ID, missing=lambda: count - landing.results):
            landing.write(batch)
        manifest = landing.commit(exported=count)
    if manifest.results != count:
        raise SystemExit(f"landed {manifest.results} of {count}")


def notebook(url: str, file: IO[bytes]) -> None:
    """Land as the vendor's notebook reads: ``iter_lines``, ``json.loads``."""
    import requests

    params = {"access_token": "not-a-real-token", "resume_offset": "earliest", "end_behaviour": "stop"}
    answer = requests.get(f"{url}/api/v3/stream/c/bench/results", params=params, stream=True, timeout=30)
    for line in answer.iter_lines():
        if line:
            chunk: dict[str, Any] = json.loads(line)
            if chunk["chunk_type"] == "CT_RESULT":
                file.write(json.dumps(chunk["chunk_result"]["data"]).encode() + b"\n")


def in_memory(url: str, target: Path) -> None:
    """Land as Airflow's HttpToS3Operator does: hold the whole answer, then write it."""
    import requests

    params = {"access_token": "not-a-real-token", "resume_offset": "earliest", "end_behaviour": "stop"}
    answer = requests.get(f"{url}/api/v3/stream/c/bench/results", params=params, timeout=300)
    target.joinpath("all.jsonl").write_bytes(answer.content)


def duckdb_parquet(ndjson: Path, target: Path) -> None:
    """Turn chunk lines into zstd Parquet with DuckDB."""
    import duckdb

    duckdb.sql("SET threads=2")
    duckdb.sql(
        f"COPY (SELECT * FROM read_json('{ndjson}', format='newline_delimited')) "  # noqa: S608 - our own path
        f"TO '{target}/all.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )


def polars_parquet(ndjson: Path, target: Path) -> None:
    """Turn chunk lines into zstd Parquet with Polars."""
    import polars

    polars.scan_ndjson(ndjson, infer_schema_length=1000).sink_parquet(
        target / "all.parquet", compression="zstd"
    )


def main(way: str, url: str, target: Path, count: int) -> None:
    """Run one way."""
    if way.startswith("ours "):
        ours(url, target, count, way.removeprefix("ours "))
    elif way == "notebook jsonl":
        with target.joinpath("all.jsonl").open("wb") as plain:
            notebook(url, plain)
    elif way == "notebook jsonl.gz":
        with gzip.open(target / "all.jsonl.gz", "wb", compresslevel=6) as packed:
            notebook(url, packed)  # type: ignore[arg-type]
    elif way == "in memory":
        in_memory(url, target)
    elif way == "duckdb":
        duckdb_parquet(target / "fetched.jsonl", target)
    elif way == "polars":
        polars_parquet(target / "fetched.jsonl", target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
