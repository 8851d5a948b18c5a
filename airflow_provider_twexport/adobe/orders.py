"""Orders for export jobs, and whether a job is the same order, however the service repeats it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.adobe.models import dataset_id, schema_name, segments_of
from airflow_provider_twexport.adobe.wire_values import (
    clean_id,
    read_count,
    read_flag,
    read_list,
    read_mapping,
    read_time,
)
from airflow_provider_twexport.core.arguments import parse_list
from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.adobe.models import ExportJob

PROFILE_SCHEMA = "_xdm.context.profile"
_IDS = frozenset({"datasetId", "dataSetId", "segmentId", "id"})
# a filter that nobody knows yet still excludes profiles, so all that is not here must be equal
_COMPARED_APART = frozenset({"segments", "emptyProfiles"})


@dataclass(frozen=True, slots=True)
class ExportJobOrder:
    """What to export, in the service's own form.

    :param document: the body of the request that creates the job.
    :raises InvalidRequestError: if the service would refuse it.
    """

    document: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "document", _with_clean_ids(self.document))
        if not dataset_id(self.document):
            raise InvalidRequestError(
                "destination has no datasetId. Give the dataset to export the profiles to."
            )
        if not schema_name(self.document):
            raise InvalidRequestError(f"schema has no name. Give one, such as {PROFILE_SCHEMA}.")
        for segment in self.segments:
            if not segment.get("segmentId"):
                raise InvalidRequestError(f"The segment {dict(segment)} has no segmentId. Give it.")
        events = read_mapping(read_mapping(self.document.get("additionalFields")).get("eventList"))
        for filters in (self.document.get("filter"), events.get("filter")):
            _check_times(read_mapping(filters))

    @classmethod
    def from_job(cls, job: ExportJob) -> ExportJobOrder:
        """Return what a job exports, as far as the service reports it."""
        return cls(job.document)

    @property
    def segments(self) -> tuple[Mapping[str, Any], ...]:
        """Return the segments; empty for all profiles."""
        return segments_of(self.document)

    @property
    def is_filtered(self) -> bool:
        """Return whether the filter excludes any profile."""
        filters = read_mapping(self.document.get("filter"))
        return any(
            filters.get(name)
            for name in ("segments", "segmentQualificationTime", "fromIngestTimestamp", "toIngestTimestamp")
        )

    def body(self) -> dict[str, Any]:
        """Return the body of the request."""
        return dict(self.document)

    def matches(self, job: ExportJob) -> bool:
        """Return whether a job exports exactly this; where the order leaves the choice to the service, any choice."""
        try:
            theirs = ExportJobOrder.from_job(job)
            return _normalized(self) == _normalized(theirs) and _agree(_optional(self), _optional(theirs))
        except (InvalidRequestError, ValueError, TypeError):
            # another user's job, in a form that we would not order
            return False


def _normalized(order: ExportJobOrder) -> dict[str, Any]:
    """Return an order with its defaults, and with the same value for the same meaning."""
    document = order.document
    destination, filters = document["destination"], read_mapping(document.get("filter"))
    return {
        "dataset": dataset_id(document),
        "per batch": read_flag(destination.get("segmentPerBatch")) and bool(order.segments),
        "schema": schema_name(document),
        "fields": sorted(parse_list(document.get("fields"))),
        "segments": sorted(
            (str(segment["segmentId"]), segment.get("segmentNs") or "ups") for segment in order.segments
        ),
        "empty": read_flag(filters.get("emptyProfiles")),
        "filter": _canonical({name: filters[name] for name in filters.keys() - _COMPARED_APART}),
        "events": _events(read_mapping(document.get("additionalFields"))),
    }


def _events(additional: Mapping[str, Any]) -> Any:
    events = read_mapping(additional.get("eventList"))
    others = {name: events[name] for name in events.keys() - {"fields"}}
    return sorted(parse_list(events.get("fields"))), _canonical(others)


def _canonical(value: Any) -> Any:
    """Return a JSON value without empty values, and with the same value for the same time and number."""
    if isinstance(value, dict):
        content = {name: _canonical(each) for name, each in value.items()}
        return {name: each for name, each in content.items() if each not in (None, False, "", [], {})}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        return read_time(value) or value
    return value


def _optional(order: ExportJobOrder) -> dict[str, Any]:
    """Return the settings that the service chooses where an order leaves them out."""
    policy = read_mapping(order.document.get("mergePolicy"))
    others = {
        f"{group} {name}": _canonical(value)
        for group in ("evaluationInfo", "properties")
        for name, value in read_mapping(order.document.get(group)).items()
    }
    return {
        **{f"policy {name}": _version(value) for name, value in policy.items() if value is not None},
        **others,
        **{
            f"status {segment['segmentId']}": sorted(map(str, read_list(segment["status"])))
            for segment in order.segments
            if segment.get("status")
        },
    }


def _version(value: Any) -> str | None:
    """Return a setting of a merge policy as text; ``None`` for its latest version, whichever that is."""
    if isinstance(value, str) and value.strip().lower() == "latest":
        return None
    number = read_count(value)
    return str(value).strip() if number is None else str(number)


def _agree(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    # the service may leave out what it has understood, such as evaluationInfo
    return all(value is None or theirs.get(name) in (None, value) for name, value in ours.items())


def _with_clean_ids(document: Any) -> Any:
    """Return an order whose ids, perhaps copied from a page, have no invisible characters."""
    if isinstance(document, dict):
        return {
            name: clean_id(value) if name in _IDS and isinstance(value, str) else _with_clean_ids(value)
            for name, value in document.items()
        }
    return [_with_clean_ids(each) for each in document] if isinstance(document, list) else document


def _check_times(filters: Mapping[str, Any]) -> None:
    qualified = read_mapping(filters.get("segmentQualificationTime"))
    named = {**filters, **qualified}
    for name in ("fromIngestTimestamp", "toIngestTimestamp", "startTime", "endTime"):
        if named.get(name) and read_time(named[name]) is None:
            raise InvalidRequestError(
                f"{name}={named[name]!r} is not a time of RFC 3339. Write it as 2024-01-31T00:00:00Z."
            )
