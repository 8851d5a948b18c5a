"""Object storage as an Airflow connection describes it, with the fields that Airflow's filesystem for S3 leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

S3 = frozenset({"s3", "s3a", "s3n"})
_configured: WeakSet[Any] = WeakSet()


def storage_path(path: str, conn_id: str | None = None) -> ObjectStoragePath:
    """Return a path on any storage, reached with all that its Airflow connection says.

    Of a connection to S3, this adds to what Airflow passes on: ``verify`` of its extra, and of ``service_config.s3``
    the ``s3_additional_kwargs`` (parameters of each call that has them, such as ``ServerSideEncryption``) and
    ``requester_pays``.

    :param path: address of a file or directory; ``s3://CONN_ID@bucket/...`` names a connection, too.
    :param conn_id: Airflow connection; ``None`` for the one in the address, or none.
    :returns: Airflow's path object.
    """
    from airflow.sdk import ObjectStoragePath

    found = ObjectStoragePath(path, conn_id=conn_id)
    if found.protocol in S3 and found.conn_id:
        _configure(found.fs, found.conn_id)
    return found


def _configure(fs: Any, conn_id: str) -> None:
    """Tell an S3 filesystem what its connection says; Airflow keeps one for each connection."""
    if fs in _configured:
        return
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(aws_conn_id=conn_id)
    fs.s3_additional_kwargs.update(hook.service_config.get("s3_additional_kwargs") or {})
    if hook.service_config.get("requester_pays"):
        fs.requester_pays = True
        # what the constructor of s3fs makes of it, and for the calls that its older versions forget
        fs.req_kw = {"RequestPayer": "requester"}
        fs.s3_additional_kwargs.update(fs.req_kw)
    if hook.verify is not None:
        fs.client_kwargs["verify"] = hook.verify
    _configured.add(fs)
