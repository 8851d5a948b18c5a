"""What a request asks for, read as leniently as the vendor does and refused in the vendor's words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, STREAMS, Scope
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.jobs import Order

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_twexport.simulator.talkwalker.streams import Collectors

MOST_RESULTS = 1_000_000


async def body(request: Request) -> dict[str, Any]:
    """Read a JSON object; an empty body counts as an empty object."""
    raw = await request.body()
    try:
        found = msgspec.json.decode(raw) if raw.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TalkwalkerError(17, details=str(error)) from None
    if not isinstance(found, dict):
        raise TalkwalkerError(17, details="a JSON object is expected")
    return found


def moment(name: str, value: Any) -> int:
    """Read epoch milliseconds or an ISO date (UTC, time of day optional)."""
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


def project(project_id: str) -> str:
    """Check that the token sees this project."""
    if project_id not in PROJECTS:
        raise TalkwalkerError(29, project_id=project_id)
    return project_id


def stream(stream_id: str) -> str:
    """Check that this stream exists."""
    if stream_id not in STREAMS:
        raise TalkwalkerError(15, stream_id=stream_id)
    return stream_id


def topics(project_id: str, wanted: Any) -> tuple[str, ...]:
    """Check that these topics belong to the project."""
    if not isinstance(wanted, list):
        raise TalkwalkerError(5, param="topics", details="a list is expected")
    known = {topic.id for topic in PROJECTS[project_id].topics}
    if unknown := [str(topic) for topic in wanted if topic not in known]:
        raise TalkwalkerError(5, param="topics", details=unknown)
    return tuple(wanted)


def query(text: Any) -> str | None:
    """Check a query as far as quotes and brackets go; an empty one counts as none."""
    if text is None or text == "":
        return None
    bare = re.sub(r'"[^"]*"', "", str(text))
    if '"' in bare or bare.count("(") != bare.count(")"):
        raise TalkwalkerError(4, details=str(text))
    return str(text)


def limit(value: Any) -> int:
    """Read the limit, a number or digits."""
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"\d{1,12}", str(value))
        or not 1 <= int(value) <= MOST_RESULTS
    ):
        raise TalkwalkerError(5, param="limit", details=f"must lie between 1 and {MOST_RESULTS}")
    return int(value)


def scope(request: Request, asked: dict[str, Any]) -> Scope:
    """Read where the results come from: the path's project or stream, else the query alone."""
    text = query(asked.get("query"))
    if project_id := request.path_params.get("project_id"):
        return Scope("project", project(project_id), topics(project_id, asked.get("topics") or []), text)
    if stream_id := request.path_params.get("stream_id"):
        return Scope("stream", stream(stream_id), query=text)
    if text is None:
        raise TalkwalkerError(3, params="query")
    return Scope("query", text, query=text)


def order(request: Request, asked: dict[str, Any], collectors: Collectors, now_ms: int) -> Order:
    """Read an export's body; what has not happened yet cannot be exported."""
    if missing := [name for name in ("start", "target") if asked.get(name) is None]:
        raise TalkwalkerError(3, params=missing)
    chosen = scope(request, asked)
    start = moment("start", asked["start"])
    stop = moment("stop", asked["stop"]) if asked.get("stop") is not None else now_ms
    if start >= stop:
        raise TalkwalkerError(5, param="stop", details="start must lie before stop")
    if collectors.find(str(asked["target"])) is None:
        raise TalkwalkerError(5, param="target", details=f"no such collector: {asked['target']}")
    return Order(
        chosen, str(asked["target"]), start, min(stop, now_ms), limit(asked.get("limit", MOST_RESULTS))
    )
