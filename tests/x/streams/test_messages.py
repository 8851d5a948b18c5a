"""The keys of messages, and the notices of X about the stream itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_twexport.x.streams.messages import created_ms, message_key, notice_of

LIKE = b'{"id":"43560406e0ad9f68374445f5f30c33fc","timestamp_ms":1480631259353,"favorited_status":{"id":8}}'
UNLIKE = (
    b'{"delete":{"favorite":{"tweet_id":696615514970279937,"tweet_id_str":"696615514970279937","user_id":25,'
    b'"user_id_str":"25"},"timestamp_ms":"1480437031205"}}'
)
POST = (
    b'{"created_at":"Thu Dec 01 22:27:16 +0000 2016","id":804451830033948672,"id_str":"804451830033948672"}'
)
SENT = {"sent": "2017-01-11T18:12:52+00:00"}


@pytest.mark.parametrize(
    ("record", "key", "moment"),
    [
        (LIKE, b"43560406e0ad9f68374445f5f30c33fc", 1480631259353),
        (UNLIKE, b"696615514970279937 25 1480437031205", 1480437031205),
        (POST, b"804451830033948672", 1480631236000),
        (b'{"new":"kind"}', b'{"new":"kind"}', None),
        (b"not json", b"not json", None),
        (b'{"id":[1]}', b'{"id":[1]}', None),
    ],
)
def test_each_kind_has_its_key_and_its_time(record: bytes, key: bytes, moment: int | None) -> None:
    """The id of a post contains its time; a message of an unknown kind is identified by all its bytes."""
    assert message_key(record) == key
    found = created_ms(record)
    assert found == moment or (found is not None and moment is not None and found // 1000 == moment // 1000)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            {"error": {"message": "Forced Disconnect: Too many connections. (Allowed Connections = 2)"}},
            "too many",
        ),
        (
            {
                "error": {
                    "message": "Force closing connection to because it reached the maximum allowed backup"
                }
            },
            "full",
        ),
        (
            {
                "info": {
                    "message": "This stream has been disconnected because your client was unable to keep up"
                }
            },
            "full",
        ),
        ({"warn": {"message": "This stream has been disconnected for operational reasons."}}, "operational"),
        (
            {"errors": [{"title": "operational-disconnect", "disconnect_type": "OperationalDisconnect"}]},
            "operational",
        ),
        (
            {"title": "ConnectionException", "detail": "Too many connections", "connection_issue": "x"},
            "too many",
        ),
        ({"info": {"message": "Recovery Request Completed", **SENT}}, "completed"),
        ({"info": {"message": "Something new"}}, "notice"),
    ],
)
def test_disconnects_are_recognised_by_reason(said: dict[str, Any], kind: str) -> None:
    """Every known envelope has its kind."""
    notice = notice_of(json.dumps(said).encode())
    assert notice is not None
    assert notice.kind.startswith(kind)


def test_the_end_of_a_request_says_what_is_missing() -> None:
    """Failed minutes and ranges that were not processed become windows."""
    minutes = {"minutes_failed": ["2013-02-20T00:05:00+00:00"], "activity_count": 56333}
    notice = notice_of(json.dumps({"info": {"message": "Request Completed with Errors", **minutes}}).encode())
    assert notice is not None
    assert (notice.kind, notice.count) == ("completed with errors", 56333)
    assert list(map(str, notice.missing)) == ["[2013-02-20T00:05:00Z, 2013-02-20T00:06:00Z)"]


@pytest.mark.parametrize(
    "record", [POST, LIKE, UNLIKE, b'{"id":1,"info":{"message":"hi"}}', b'{"text":"\\"error\\""}', b"", b"{"]
)
def test_a_message_is_not_a_notice(record: bytes) -> None:
    """A message is not a notice, whatever its text contains."""
    assert notice_of(record) is None
