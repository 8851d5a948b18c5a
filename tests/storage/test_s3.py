"""What a landing promises on S3."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.landing import Landing
from tests.storage.dying import LARGE_PART_BYTES, LARGE_STREAM
from tests.storage.stream import SOURCE, assert_landed_exactly_once, land, open_landing, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.storage.conftest import Bucket

BATCHES = stream(12)
BIG = [Batch([os.urandom(500_000).hex().encode()], str(number + 1)) for number in range(24)]


def impatient(path: UPath) -> UPath:
    """Return the path on a filesystem that asks only once."""
    once: dict[str, Any] = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    asking_once: UPath = UPath(str(path), **path.storage_options, **once)
    asking_once.fs.retries = 1
    return asking_once


def test_each_record_is_landed_once(bucket: Bucket) -> None:
    """Small parts and the manifest arrive whole."""
    land(bucket / "some/landing", BATCHES, max_part_bytes=1)
    assert_landed_exactly_once(bucket / "some/landing", BATCHES)
    assert manifest.verify(bucket / "some/landing/_manifest.json") == []
    assert bucket.open_uploads() == []


def test_a_part_of_many_blocks_is_landed(bucket: Bucket) -> None:
    """A part larger than an upload block is uploaded in several, and is one object."""
    landed = land(bucket / "landing", BIG, file_format="jsonl")
    assert [part.bytes for part in landed.parts] == [24 * 1_000_001]
    assert_landed_exactly_once(bucket / "landing", BIG)


@pytest.mark.parametrize("batches", [1, 20])
def test_an_error_leaves_no_object_and_no_open_upload(bucket: Bucket, batches: int) -> None:
    """Within the first block or after it, an error aborts the upload, also once Python collects the file."""
    landing = open_landing(bucket / "landing", file_format="jsonl")
    with pytest.raises(ZeroDivisionError), landing:  # noqa: PT012
        for batch in BIG[:batches]:
            landing.write(batch)
        assert bool(bucket.open_uploads()) == (batches > 1)
        1 / 0  # noqa: B018
    del landing
    assert (bucket.keys(), bucket.open_uploads()) == ([], [])


def test_an_upload_that_fails_is_not_visible(bucket: Bucket) -> None:
    """Where S3 itself refuses to complete a part, its error surfaces and nothing is left."""
    landing = open_landing(impatient(bucket / "landing"), file_format="jsonl")
    for batch in BIG:
        landing.write(batch)
    bucket.abort_uploads()
    with pytest.raises(OSError):  # noqa: PT011 (a vendor's own words)
        landing.commit()
    assert (bucket.keys(), bucket.open_uploads()) == ([], [])


def test_what_killed_uploads_left_is_aborted_by_a_commit(
    bucket: Bucket, run_program: Callable[..., Any]
) -> None:
    """Those of this landing; others of the bucket are none of its business."""
    other = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="landing/sub/part-00000.jsonl")
    alien = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="landing/film.mp4")
    place = bucket / "landing"
    assert run_program("tests.storage.dying", "inside", str(place), json.dumps(bucket.options), 14) == -9
    assert len(bucket.open_uploads()) == 3
    land(place, LARGE_STREAM, max_part_bytes=LARGE_PART_BYTES)
    assert {upload for _, upload in bucket.open_uploads()} == {other["UploadId"], alien["UploadId"]}


def test_what_a_commit_could_not_abort_the_next_try_aborts(bucket: Bucket) -> None:
    """A try that finds everything landed tidies up as well."""
    land(bucket / "landing", BATCHES)
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key="landing/part-00007.jsonl")
    assert Landing.open(bucket / "landing", source=SOURCE).committed
    assert bucket.open_uploads() == []


def test_a_try_overtaken_by_another_fails(bucket: Bucket) -> None:
    """Its upload was aborted by the other's commit; what that one landed stays as it is."""
    slow = open_landing(impatient(bucket / "landing"), file_format="jsonl")
    for batch in BIG[:20]:
        slow.write(batch)
    land(bucket / "landing", BATCHES)
    with pytest.raises(OSError):  # noqa: PT011 (a vendor's own words)
        slow.commit()
    assert_landed_exactly_once(bucket / "landing", BATCHES)
    assert bucket.open_uploads() == []


def test_a_retry_sees_what_others_did_meanwhile(bucket: Bucket) -> None:
    """A filesystem that remembers an old listing does not hide a checkpoint that another machine wrote."""
    directory = bucket / "landing"
    land(directory, BATCHES)
    directory.fs.ls(directory.path)
    elsewhere = UPath(str(directory), **bucket.options, skip_instance_cache=True)
    elsewhere.fs.rm(elsewhere.path, recursive=True)
    with open_landing(elsewhere, max_part_bytes=1) as broken_off:
        broken_off.write(BATCHES[0])
    assert Landing.open(directory, source=SOURCE).cursor == "1"


def test_a_missing_bucket_surfaces_as_it_is(bucket: Bucket) -> None:
    """The filesystem's own error comes through."""
    nowhere = UPath(f"s3://{bucket.name}-not/landing", **bucket.options)
    with pytest.raises(FileNotFoundError):
        land(nowhere, BATCHES)
