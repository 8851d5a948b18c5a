"""Reading requests: as lenient as the vendor, and refused in the vendor's words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, STREAMS, Scope
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.jobs import ExportOrder

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_twexport.simulator.talkwalker.streams import Collectors

MAX_RESULTS = 1_000_000


async def read_body(request: Request) -> dict[str, Any]:
    """Read a JSON object; an empty body counts as an empty object."""
    raw = await request.body()
    try:
        body = msgspec.json.decode(raw) if raw.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TalkwalkerError(17, details=str(error)) from None
    if not isinstance(body, dict):
        raise TalkwalkerError(17, details="a JSON object is expected")
    return body


def read_time(name: str, value: Any) -> int:
    """Read epoch milliseconds, or an ISO date in UTC with an optional time; return epoch milliseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    text = str(value).strip()
    if re.fullmatch(r"-?\d{5,}", text):
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise TalkwalkerError(5, param=name, details=text) from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def read_project(request: Request) -> str:
    """Read the project of the path, which the token must see."""
    project_id: str = request.path_params["project_id"]
    if project_id not in PROJECTS:
        raise TalkwalkerError(29, project_id=project_id)
    return project_id


def read_scope(request: Request, fields: dict[str, Any]) -> Scope:
    """Read where the results come from: the project or stream of the path, else the query alone."""
    query = _query(fields.get("query"))
    if request.path_params.get("project_id"):
        project_id = read_project(request)
        return Scope("project", project_id, _topics(project_id, fields.get("topics") or []), query)
    if stream_id := request.path_params.get("stream_id"):
        if stream_id not in STREAMS:
            raise TalkwalkerError(15, stream_id=stream_id)
        return Scope("stream", stream_id, query=query)
    if query is None:
        raise TalkwalkerError(3, params="query")
    return Scope("query", query, query=query)


def read_order(request: Request, fields: dict[str, Any], collectors: Collectors, now_ms: int) -> ExportOrder:
    """Read the body of an export; its window ends now at the latest."""
    if missing := [name for name in ("start", "target") if fields.get(name) is None]:
        raise TalkwalkerError(3, params=missing)
    scope = read_scope(request, fields)
    start = read_time("start", fields["start"])
    stop = read_time("stop", fields["stop"]) if fields.get("stop") is not None else now_ms
    if start >= stop:
        raise TalkwalkerError(5, param="stop", details="start must lie before stop")
    target = str(fields["target"])
    if collectors.find(target) is None:
        raise TalkwalkerError(5, param="target", details=f"no such collector: {target}")
    return ExportOrder(scope, target, start, min(stop, now_ms), _limit(fields.get("limit", MAX_RESULTS)))


def _query(text: Any) -> str | None:
    """Check the quotes and brackets of a query; an empty one counts as none."""
    if text is None or text == "":
        return None
    unquoted = re.sub(r'"[^"]*"', "", str(text))
    if '"' in unquoted or unquoted.count("(") != unquoted.count(")"):
        raise TalkwalkerError(4, details=str(text))
    return str(text)


def _topics(project_id: str, topic_ids: Any) -> tuple[str, ...]:
    """Check that topics belong to the project."""
    if not isinstance(topic_ids, list):
        raise TalkwalkerError(5, param="topics", details="a list is expected")
    known = {topic.id for topic in PROJECTS[project_id].topics}
    if unknown := [str(topic_id) for topic_id in topic_ids if topic_id not in known]:
        raise TalkwalkerError(5, param="topics", details=unknown)
    return tuple(topic_ids)


def _limit(value: Any) -> int:
    """Read a limit, a number or digits."""
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"\d{1,12}", str(value))
        or not 1 <= int(value) <= MAX_RESULTS
    ):
        raise TalkwalkerError(5, param="limit", details=f"must lie between 1 and {MAX_RESULTS}")
    return int(value)
