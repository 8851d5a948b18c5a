"""Uploads whose process was killed: nobody sees them, but S3 keeps and charges their blocks until they are aborted.

Other stores need nothing. Azure Blob drops the blocks when a blob of that name is committed, which a retry
does, or after a week; Google Cloud Storage drops them after a week.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def abort(fs: Any, root: str, is_ours: Callable[[str], object]) -> None:
    """Abort the unfinished uploads to a directory; a running one then fails.

    :param fs: an fsspec filesystem; only s3fs has uploads to abort.
    :param root: the directory in that filesystem's own spelling.
    :param is_ours: returns for the name of a file in the directory whether to abort its uploads.
    """
    if not hasattr(fs, "call_s3"):
        return
    bucket, prefix, _ = fs.split_path(f"{root}/")
    # One response lists the first thousand, more than tries die; the next commit aborts any others.
    listed = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads", [])
    for upload in listed:
        if is_ours(upload["Key"].removeprefix(prefix)):
            # Another try may be cleaning up as well.
            with suppress(FileNotFoundError):
                fs.call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
