"""What identifies a result, whatever export it came with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.record_identity import identity, published_ms
from tests.service_clients import JANUARY

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

PAGE = {
    "url": "https://a.example/1",
    "published": 1_700_000_000_000,
    "title": "A",
    "content": "b \ud83d",
    "engagement": 3,
}


def result(**fields: Any) -> bytes:
    """A result with these fields."""
    return json.dumps({"data": fields}).encode()


def results(client: TalkwalkerClient, name: str, export_id: str) -> list[bytes]:
    """Return what an export has brought."""
    exported = client.get_export(export_id).exported()
    records: list[bytes] = []
    drain = client.drain(name, export_id=export_id, missing=lambda: exported - len(records))
    for batch in drain:
        records += batch.records
    return records


def test_two_exports_bring_the_same_results(client: TalkwalkerClient, order: ExportOrder) -> None:
    """Their bytes differ, because each names its export; their identities do not, and no two results share one."""
    found = []
    for name in ("one", "other"):
        client.put_collector(name)
        whole = ExportOrder(JANUARY, project_id=order.project_id)
        task = client.create_export(whole, name)
        found.append(results(client, name, task.id))
    one, other = found
    assert set(one).isdisjoint(other)
    assert set(map(identity, one)) == set(map(identity, other))
    assert len(set(map(identity, one))) == len(one) > 3_000


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"engagement": 9, "matched": {"task_id": "x"}}, True),
        ({"url": "https://a.example/2"}, False),
        ({"published": 1_700_000_000_001}, False),
        ({"content": "another comment on the same page"}, False),
        ({"external_provider": "twitter", "external_id": "7"}, False),
    ],
)
def test_numbers_change_and_the_result_stays(changes: dict[str, Any], same: bool) -> None:
    """Address, date, title and text make a result; the number of likes does not."""
    assert (identity(result(**PAGE)) == identity(result(**PAGE | changes))) is same


@pytest.mark.parametrize(
    "record", [b"no json", b"[]", result(content="without an address"), b'{"data":null}']
)
def test_what_has_no_address_is_only_itself(record: bytes) -> None:
    """It never counts as another one."""
    assert identity(record) == record


@pytest.mark.parametrize(
    ("fields", "published"),
    [
        ({"published": 5, "indexed": 9}, (5, True)),
        ({"published": "5.0", "indexed": 9}, (9, False)),
        ({"published": 5.0}, (5, True)),
        ({"published": 0, "indexed": 9}, (9, False)),
        ({"published": -1}, (None, False)),
        (
            {"external_provider": "twitter", "external_id": "1842841513048371000", "indexed": 1728202629707},
            (1728202629707, True),
        ),
        ({"external_provider": "twitter", "external_id": "none", "indexed": 9}, (9, False)),
    ],
)
def test_when_a_result_was_published(fields: dict[str, Any], published: tuple[int | None, bool]) -> None:
    """By its date, or the id of a post on X; else it is only known when it was indexed."""
    assert published_ms(result(**fields)) == published
